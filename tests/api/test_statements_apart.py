"""Single statements that another process verifies: whoever sends them is told the same, and the log is the same."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from did_methods.codec import base64url_decode
from registry.api import event as door
from registry.credentials.commitments import make_disclosure
from registry.history.packed_statement import PackedStatement
from registry.limits import VERIFY_LEAST_CALLERS
from tests.support.registry import OPERATOR, ManualClock, World, open_world

ORIGIN = "registry.localhost/log"
Ask = Callable[[bytes], Awaitable[tuple[int, dict[str, Any]]]]


def _sent(folder: Path, clock: ManualClock) -> list[tuple[str, bytes]]:
    """Make a registry with agents, and bodies of each kind that come to the door."""
    with open_world(folder, clock=clock, on_disk=True, origin=ORIGIN) as world:
        alice, bob, carol = (world.agent(name, short_lived=True) for name in ("alice", "bob", "carol"))
        hosted, stranger = world.agent("hosted"), world.short_lived("stranger")
        known = alice.report(bob.did)
        assert world.submit(known).status == 201
    right = alice.vouch(bob.did)
    body, proof = json.dumps(right).encode(), right["proof"]
    opening = make_disclosure("note", "secret", salt=uuid4().bytes * 2)
    kinds: dict[str, Any] = {
        "right": right,
        "right again": right,
        "another": bob.vouch(carol.did),
        "indented": json.dumps(carol.vouch(bob.did), indent=1).encode(),
        "known": known,
        "known, forged": {**known, "proof": {**known["proof"], "proofValue": proof["proofValue"]}},
        "forged": {
            **bob.report(alice.did),
            "proof": {**bob.report(alice.did)["proof"], "proofValue": proof["proofValue"]},
        },
        "of a did:webvh": hosted.vouch(alice.did),
        "of nobody": stranger.vouch(alice.did),
        "about nobody": alice.vouch(stranger.did),
        "for another log": alice.vouch(carol.did, domain="elsewhere.example/log"),
        "openings": {"event": alice.vouch(carol.did, commitments=[opening.digest]), "openings": [opening.text]},
        "a registration": stranger.presentation(None),
        "cut off": body[:-1],
        "a member twice": body[:-1] + b',"type":[]}',
        "too large": b" " * 20_000 + body,
        "no text": b"\xff" + body,
        "a list": b"[]",
        "empty": b"",
        "nothing": {},
    }
    return [(what, one if isinstance(one, bytes) else json.dumps(one).encode()) for what, one in kinds.items()]


def _with_process(world: World, work: Callable[[Ask], Awaitable[None]]) -> None:
    """Do something with the door while the other process is up."""

    async def whole() -> None:
        pipe = world.registry.statement_pipe
        transport = httpx.ASGITransport(world.app)
        headers = {"content-type": "application/json", **OPERATOR}
        async with httpx.AsyncClient(transport=transport, base_url="http://registry.localhost:8000") as http:

            async def ask(body: bytes) -> tuple[int, dict[str, Any]]:
                answer = await http.post("/v1/events", content=body, headers=headers)
                return answer.status_code, answer.json()

            try:
                while world.registry.settings.verify_processes and pipe.pid is None:
                    await pipe.verify(b"{}", origin="", now_ms=None)
                    await asyncio.sleep(0.01)
                await work(ask)
            finally:
                pipe.close()

    asyncio.run(whole())


def _told(answer: tuple[int, dict[str, Any]]) -> tuple[Any, ...]:
    status, body = answer
    if "acceptance" not in body:
        return status, {name: value for name, value in body.items() if name != "instance"}
    return status, body["acceptance"]["credentialSubject"]["accepted"]


def _take(folder: Path, clock: ManualClock, sent: list[tuple[str, bytes]], processes: int) -> tuple[Any, ...]:
    """Return what senders are told, one after the other, every entry, the root, and what the process verified."""
    apart: list[str] = []
    with open_world(folder, clock=clock, on_disk=True, origin=ORIGIN, verify_processes=processes) as world:
        pipe = world.registry.statement_pipe
        told: dict[str, Any] = {}

        async def work(ask: Ask) -> None:
            real = pipe.verify

            async def verify(line: bytes, **more: Any) -> PackedStatement | None:
                packed = await real(line, **more)
                apart.extend(what for what, body in sent if body == line and packed is not None)
                return packed

            pipe.verify = verify  # type: ignore[method-assign]
            for what, body in sent:
                told[what] = _told(await ask(body))

        _with_process(world, work)
        entries = [entry.data for entry in world.registry.store.entries(0, world.size)]
        return told, entries, world.registry.sequencer.tree.root(), world.fingerprint(), apart


def test_both_ways_make_one_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status, code, text and place of each; what is plainly right is verified there, all else is told from here."""
    monkeypatch.setattr(door, "VERIFY_LEAST_CALLERS", 1)
    clock = ManualClock()
    sent = _sent(tmp_path / "a", clock)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    *here, none = _take(tmp_path / "a", clock, sent, 0)
    *there, some = _take(tmp_path / "b", clock, sent, 1)
    assert there == here
    assert none == []
    # Whether somebody is an agent, and what is in the log, only the state can tell.
    right = ["right", "right again"]
    assert some == [*right, *right, "another", "indented", "known", "of nobody", "about nobody"]
    assert {what for what, one in here[0].items() if one[0] in (200, 201)} == {
        "right", "right again", "another", "indented", "known", "known, forged", "of a did:webvh", "openings",
    }  # fmt: skip


def test_few_callers_are_served_here(tmp_path: Path) -> None:
    """Asking another process takes longer than verifying, so it is asked only where several wait."""
    with open_world(tmp_path, verify_processes=1) as world:
        agents = [world.agent(f"agent {number}", short_lived=True) for number in range(5)]
        bodies = [json.dumps(one.vouch(other.did)).encode() for one, other in permutations(agents, 2)]
        asked: list[bytes] = []

        async def work(ask: Ask) -> None:
            pipe = world.registry.statement_pipe
            real = pipe.verify

            async def verify(line: bytes, **more: Any) -> PackedStatement | None:
                asked.append(line)
                return await real(line, **more)

            pipe.verify = verify  # type: ignore[method-assign]
            few = VERIFY_LEAST_CALLERS - 1
            assert [status for status, _ in await asyncio.gather(*map(ask, bodies[:few]))] == [201] * few
            assert asked == []
            answers = await asyncio.gather(*map(ask, bodies[few:]))
            assert [status for status, _ in answers] == [201] * len(bodies[few:])
            assert len(asked) == len(bodies) - 2 * few
            assert world.app.state.api.writing == 0

        _with_process(world, work)
        assert world.size >= len(bodies)


def test_a_process_killed_at_work_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Those whose statements it had are answered as if nothing had happened, each with a place of its own."""
    with open_world(tmp_path, verify_processes=1) as world:
        agents = [world.agent(f"agent {number}", short_lived=True) for number in range(5)]
        bodies = [json.dumps(one.vouch(other.did)).encode() for one, other in permutations(agents, 2)]
        before = world.size

        async def work(ask: Ask) -> None:
            pid = world.registry.statement_pipe.pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)
            asked = asyncio.gather(*map(ask, bodies))
            await asyncio.sleep(0.05)
            os.kill(pid, signal.SIGKILL)
            answers = await asyncio.wait_for(asked, 30)
            assert [status for status, _ in answers] == [201] * len(bodies)
            accepted = [body["acceptance"]["credentialSubject"]["accepted"][0] for _, body in answers]
            assert sorted(one["index"] for one in accepted) == list(range(before, before + len(bodies)))
            for one in accepted:
                found = world.registry.sequencer.find(base64url_decode(one["event"]))
                assert found is not None
                assert found.index == one["index"]

        _with_process(world, work)


def test_a_replay_registry_asks_for_its_operator_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no key is refused before anything is looked at, there or here; each statement is judged at its own time."""
    monkeypatch.setattr(door, "VERIFY_LEAST_CALLERS", 1)
    clock = ManualClock()
    with open_world(tmp_path, clock=clock, profile="replay", origin=ORIGIN, verify_processes=1) as world:
        alice, bob = world.short_lived("alice"), world.short_lived("bob")
        registered = world.batch([one.presentation(None) for one in (alice, bob)], headers=OPERATOR)
        assert [sorted(one) for one in registered.json["results"]] == [["index", "repeated"]] * 2
        body = json.dumps(alice.vouch(bob.did)).encode()
        clock.advance(86_400_000)  # by which a live registry would find it too old
        asked: list[bool] = []

        async def work(ask: Ask) -> None:
            pipe = world.registry.statement_pipe
            real = pipe.verify

            async def verify(line: bytes, **more: Any) -> PackedStatement | None:
                packed = await real(line, **more)
                asked.append(packed is not None)
                return packed

            pipe.verify = verify  # type: ignore[method-assign]
            transport = httpx.ASGITransport(world.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://registry.localhost:8000") as stranger:
                for one in (body, body[:-1]):
                    answer = await stranger.post(
                        "/v1/events", content=one, headers={"content-type": "application/json"}
                    )
                    assert answer.json()["code"] == "bearer_key_required"
            assert asked == []
            status, answered = await ask(body)
            assert (status, asked) == (201, [True])
            assert answered["acceptance"]["credentialSubject"]["accepted"][0]["time"] == clock.time_ms - 86_400_000

        _with_process(world, work)
