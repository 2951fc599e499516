"""Processes that verify statements and cannot be believed: ended and told of once, and none of their answers is taken."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from registry.adapters import statement_pipe, statement_pool
from registry.adapters.child_process import start_child
from registry.adapters.statement_pipe import StatementPipe
from registry.adapters.statement_pool import StatementPool
from registry.history.packed_statement import pack_lines
from registry.limits import VERIFY_LEAST_LINES
from tests.adapters.test_statement_pool import ORIGIN, is_running, wait_until_gone
from tests.support.actor import Actor
from tests.support.registry import START_MS, ManualClock

ALICE, BOB = (Actor.short_lived(name, ManualClock(), ORIGIN) for name in ("alice", "bob"))
LINE = json.dumps(ALICE.vouch(BOB.did)).encode()
LONG_MS = 600_000

# Another version of the code, which logs one more kind of credential.
UPGRADED = """
from registry.credentials import kinds
kinds.KINDS_BY_TYPE = {**kinds.KINDS_BY_TYPE, "New": kinds.KINDS[0]}
from registry.adapters.statement_child import main
main()
"""
# Takes requests, the first too, and answers with what it is told.
TALKER = """
import marshal, time
from registry.adapters.statement_child import read_frame, write_frame
from registry.history.packed_statement import SPEECH
for said in {said}:
    read_frame(sys.stdin.buffer)
    write_frame(sys.stdout.buffer, said)
time.sleep(600)
"""
PACKED = pack_lines([LINE], origin=ORIGIN, now_ms=START_MS)[0]
AT_FIRST = {"of another version": UPGRADED, "of one that knew of no versions": TALKER.format(said="[[None]]")}
LATER = {
    "too few": TALKER.format(said=f"[SPEECH, [{PACKED!r}]]"),
    "no list": TALKER.format(said="[SPEECH, 1]"),
    "too many": TALKER.format(said=f"[SPEECH, [{PACKED!r}] * 1_000]"),
}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[int]]:
    """Return what lets both parents start a process that runs something else; it returns those that are started."""

    def let(code: str) -> list[int]:
        pids: list[int] = []

        def start() -> Any:
            process = start_child(
                [sys.executable, "-I", "-c", f"import sys; sys.path[:] = sys.argv[1:]\n{code}", *sys.path]
            )
            pids.append(process.pid)
            return process

        for parent in (statement_pipe, statement_pool):
            monkeypatch.setattr(parent, "start_statement_child", start)
        return pids

    return let


def _ask_pool(pids: list[int]) -> None:
    """Ask until the process has ended, and once more."""
    lines = [LINE] * VERIFY_LEAST_LINES
    until = time.monotonic() + 30
    with closing(StatementPool(1, answer_ms=LONG_MS, restart_ms=LONG_MS)) as pool:
        while not pids or is_running(pids[0]):
            assert pool.verify(lines, origin=ORIGIN, now_ms=START_MS) == [None] * len(lines)
            assert time.monotonic() < until, "it is believed"
            time.sleep(0.01)
        assert pool.verify(lines, origin=ORIGIN, now_ms=START_MS) == [None] * len(lines)


def _ask_pipe(pids: list[int]) -> None:
    async def whole() -> None:
        until = time.monotonic() + 30
        with closing(StatementPipe(is_wanted=True, answer_ms=LONG_MS, restart_ms=LONG_MS)) as pipe:
            while not pids or is_running(pids[0]):
                asked = (pipe.verify(LINE, origin=ORIGIN, now_ms=START_MS) for _ in range(10))
                assert await asyncio.gather(*asked) == [None] * 10
                assert time.monotonic() < until, "it is believed"
                await asyncio.sleep(0.01)
            assert await pipe.verify(LINE, origin=ORIGIN, now_ms=START_MS) is None

    asyncio.run(whole())


PARENTS = pytest.mark.parametrize("ask", [_ask_pool, _ask_pipe], ids=["pool", "pipe"])


@PARENTS
@pytest.mark.parametrize("code", AT_FIRST.values(), ids=AT_FIRST)
def test_a_process_with_other_code_is_not_asked(
    ask: Callable[[list[int]], None], code: str, started: Callable[[str], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    """An upgrade in place: the child is made from what is on the disk now, its parent from what was there.

    Its answers were taken apart by the parent's members: each caller was told of a defect, until a restart.
    """
    pids = started(code)
    ask(pids)
    assert len(pids) == 1
    wait_until_gone(pids[0])
    (told,) = [one.getMessage() for one in caplog.records]
    assert "other code" in told


@PARENTS
@pytest.mark.parametrize("code", LATER.values(), ids=LATER)
def test_an_answer_of_another_length_is_nobodys(
    ask: Callable[[list[int]], None], code: str, started: Callable[[str], list[int]], caplog: pytest.LogCaptureFixture
) -> None:
    """Whose statement is verified there cannot be said of such an answer: the first callers were given theirs."""
    pids = started(code)
    ask(pids)
    assert len(pids) == 1
    (told,) = [one.getMessage() for one in caplog.records]
    assert "something else" in told


def test_the_process_parses_nothing_but_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry of a DID's log full of fractions took it 29 ms, and 64 of them before everybody else's statement 2 s."""
    more = [1.5] * 3_000
    entry = {"versionId": "1-Qm", "versionTime": "2026-01-01T00:00:00Z", "parameters": {}, "proof": [], "state": {"id": "did:webvh:Qm:a.example"}}  # fmt: skip
    proofs = [{"verificationMethod": "did:key:z6Mk#z6Mk", "more": more}]
    documents = [
        {**entry, "more": more},
        {**entry, "type": ["VerifiableCredential"], "more": more},
        {"versionId": "1-Qm", "proof": proofs},
        {"type": ["VerifiablePresentation", "VerifiableCredential"], "more": more},
        {"type": "VerifiableCredential", "more": more},
    ]

    def never(_document: object) -> None:
        raise AssertionError

    monkeypatch.setattr("registry.history.packed_statement.parse_statement", never)
    lines = [json.dumps(one).encode() for one in documents]
    assert pack_lines(lines, origin=ORIGIN, now_ms=START_MS) == [None] * len(lines)
