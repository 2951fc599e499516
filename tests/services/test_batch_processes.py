"""Batches through other processes and without: the same outcomes, the same log."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from did_methods.errors import BonafidesError
from registry.adapters.key_file import load_key_ring
from registry.credentials.commitments import make_disclosure
from registry.credentials.issue_registry import issue_agent_revocation
from registry.services.submission import Accepted
from tests.support.registry import ManualClock, World, open_world

ORIGIN = "registry.localhost/log"
HOUR_MS = 3_600_000
FORGED = "known, under another signature"
REFUSED = {
    "under another signature": "proof_invalid",
    "about nobody": "agent_unknown",
    "of nobody": "agent_unknown",
    "of an unknown did:webvh": "key_not_found",
    "for another log": "domain_mismatch",
    "cut off": "json_syntax",
    "a member twice": "json_duplicate_key",
    "too large": "json_too_large",
    "a list": "json_not_object",
    "nothing": "kind_unknown",
    "after its end": "agent_revoked",
}


@dataclass(slots=True)
class Batch:
    """Lines by what they are, in the order in which they are sent."""

    lines: list[tuple[str, bytes]]

    def add(self, what: str, body: Any) -> None:
        """Put one at the end."""
        self.lines.append((what, body if isinstance(body, bytes) else json.dumps(body).encode()))


def _seeded(folder: Path, profile: str, clock: ManualClock) -> Batch:
    """Make a registry with agents and some entries, and a batch that has everything in it."""
    with open_world(folder, clock=clock, on_disk=True, profile=profile, origin=ORIGIN) as world:
        batch = Batch([])
        agents = [world.short_lived(f"agent {number}") for number in range(11)]
        for one in agents:
            if profile == "live":
                assert world.register(one).status == 201
            else:
                batch.add("registration", one.presentation(None))
        for at, (one, other) in enumerate(permutations(agents[:-1], 2)):
            batch.add("right", one.vouch(other.did, context=f"c{at}"))
        (alice, bob, *_, revoked), known = agents, agents[0].report(agents[1].did)
        if profile == "live":
            assert world.submit(known).status == 201
            hosted = world.agent("hosted")
            batch.add("hosted", hosted.vouch(alice.did))
            batch.add("of a did:webvh", hosted.entries[0])
            old = alice.vouch(bob.did, now_ms=clock.now_ms() - HOUR_MS)
            batch.add("too old", old)
        batch.add("known", known)
        forged = {**known["proof"], "proofValue": alice.vouch(bob.did)["proof"]["proofValue"]}
        batch.add(FORGED, {**known, "proof": forged})
        batch.add("under another signature", {**alice.report(agents[2].did), "proof": forged})
        _add_malformed(world, batch)
        batch.add("right again", next(raw for what, raw in batch.lines if what == "right"))
        opening = make_disclosure("note", "secret", salt=uuid4().bytes * 2)
        batch.add("openings", {"event": alice.vouch(bob.did, commitments=[opening.digest]), "openings": [opening.text]})
        batch.add("no openings", {"event": bob.vouch(alice.did, context="open"), "openings": []})
        root = load_key_ring(world.registry.settings.keys_dir / "operator-root.json").signer
        end = issue_agent_revocation(
            signer=root, subject=revoked.did, reason="x", uuid=str(uuid4()), now_ms=clock.now_ms(), domain=ORIGIN
        )
        batch.add("before its end", revoked.vouch(alice.did))
        batch.add("its end", end)
        batch.add("after its end", revoked.vouch(bob.did))
    return batch


def _add_malformed(world: World, batch: Batch) -> None:
    alice, stranger = world.short_lived("agent 0"), world.short_lived("stranger")
    body = json.dumps(alice.vouch(stranger.did)).encode()
    batch.add("about nobody", body)
    batch.add("of nobody", stranger.vouch(alice.did))
    batch.add("of an unknown did:webvh", world.hosted("nobody").vouch(alice.did))
    batch.add("for another log", alice.vouch(stranger.did, domain="elsewhere.example/log"))
    batch.add("cut off", body[:-1])
    batch.add("a member twice", body[:-1] + b',"type":[]}')
    batch.add("too large", b" " * 20_000 + body)
    batch.add("a list", b"[]")
    batch.add("nothing", b"{}")


def _told(outcome: Accepted | BonafidesError) -> tuple[Any, ...]:
    if isinstance(outcome, Accepted):
        return (outcome.event_id, outcome.index, outcome.leaf_hash, outcome.time_ms, outcome.repeated)
    return (outcome.code, str(outcome))


def _wait_until_up(world: World) -> None:
    pool = world.registry.statement_pool
    while not (pool._workers and all(one.is_up for one in pool._workers)):
        pool.verify([b"{}"] * 200, origin="", now_ms=None)
        time.sleep(0.01)


def _take(folder: Path, profile: str, batch: Batch, clock: ManualClock, processes: int) -> tuple[Any, ...]:
    """Return what callers are told, every entry, the root, and how many lines came back from a process."""
    raw = [line for _, line in batch.lines]
    with open_world(
        folder, clock=clock, on_disk=True, profile=profile, origin=ORIGIN, verify_processes=processes
    ) as world:
        if processes:
            _wait_until_up(world)
        now_ms = None if profile == "replay" else clock.now_ms()
        there = sum(one is not None for one in world.registry.statement_pool.verify(raw, origin=ORIGIN, now_ms=now_ms))
        outcomes = [_told(one) for one in world.registry.events.submit_lines(raw)]
        entries = [entry.data for entry in world.registry.store.entries(0, world.size)]
        return outcomes, entries, world.registry.sequencer.tree.root(), world.fingerprint(), there


@pytest.mark.parametrize("profile", ["live", "replay"])
def test_both_ways_make_one_log(tmp_path: Path, profile: str) -> None:
    """Each line is told the same, code and text and place, and the entries are the same bytes under the same root."""
    clock = ManualClock()
    batch = _seeded(tmp_path / "a", profile, clock)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    *here, none = _take(tmp_path / "a", profile, batch, clock, 0)
    *there, some = _take(tmp_path / "b", profile, batch, clock, 2)
    assert there == here
    assert none == 0
    assert some > 90
    told = dict(zip((what for what, _ in batch.lines), here[0], strict=True))
    refused = {what: outcome[0] for what, outcome in told.items() if isinstance(outcome[0], str)}
    assert refused == REFUSED | ({"too old": "created_too_old"} if profile == "live" else {FORGED: "proof_invalid"})
    repeated = {what for what, outcome in told.items() if outcome[-1] is True}
    assert repeated == {"right again"} | ({"known", FORGED, "of a did:webvh"} if profile == "live" else set())


def test_a_process_killed_at_work_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The batch whose process dies is in the log once, as if nothing had happened."""
    clock = ManualClock()
    with open_world(tmp_path, clock=clock, verify_processes=1) as world:
        agents = [world.agent(f"agent {number}", short_lived=True) for number in range(12)]
        lines = [json.dumps(one.vouch(other.did)).encode() for one, other in permutations(agents, 2)]
        _wait_until_up(world)
        before, (pid,) = world.size, world.registry.statement_pool.pids
        os.kill(pid, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as caller:
            outcomes = caller.submit(world.registry.events.submit_lines, lines)
            while not world.registry.statement_pool._workers[0].waiting:
                time.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
            places = [one.index for one in outcomes.result(timeout=30) if isinstance(one, Accepted)]
        assert places == list(range(before, before + len(lines)))
        assert world.size == before + len(lines)


def test_a_registry_that_stops_tells_whoever_waits(tmp_path: Path) -> None:
    """A batch that another process has when the registry stops is in the log or refused by name; no process is left."""
    with open_world(tmp_path, verify_processes=1) as world:
        agents = [world.agent(f"agent {number}", short_lived=True) for number in range(12)]
        lines = [json.dumps(one.vouch(other.did)).encode() for one, other in permutations(agents, 2)]
        _wait_until_up(world)
        pool = world.registry.statement_pool
        os.kill(pool.pids[0], signal.SIGSTOP)
        caller = ThreadPoolExecutor(1)
        outcomes = caller.submit(world.registry.events.submit_lines, lines)
        while not pool._workers[0].waiting:
            time.sleep(0.001)
    refusal = outcomes.exception(timeout=30)
    caller.shutdown()
    if refusal is not None:
        assert isinstance(refusal, BonafidesError)
        assert refusal.code == "log_not_writable"
    assert pool.pids == []
