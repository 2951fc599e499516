"""Batches verified in other processes: the same statements come out, and no end of a process reaches a caller."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import parse_json_object
from registry.adapters.statement_pool import StatementPool
from registry.config import SettingError, load_settings
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.history.packed_statement import unpack_statement
from registry.history.statement import CredentialStatement, parse_statement, verify_statement
from registry.limits import VERIFY_LEAST_LINES, VERIFY_PROCESSES
from tests.support.actor import Actor
from tests.support.registry import START_MS, ManualClock

ORIGIN = "registry.localhost/log"
LONG_MS = 600_000
Pools = Callable[..., StatementPool]


def _lines(count: int) -> list[bytes]:
    agents = [Actor.short_lived(name, ManualClock(), ORIGIN) for name in ("alice", "bob")]
    pairs = [agents, agents[::-1]]
    made = [one.vouch(other.did, context=f"c{at}") for at in range((count + 1) // 2) for one, other in pairs]
    return [json.dumps(one).encode() for one in made[:count]]


LINES = _lines(VERIFY_LEAST_LINES + 50)


@pytest.fixture
def pools() -> Iterator[Pools]:
    """Return a maker of pools with one process that is up; each is closed at the end."""
    made: list[StatementPool] = []

    def make(**options: Any) -> StatementPool:
        made.append(StatementPool(1, **{"answer_ms": LONG_MS, "restart_ms": LONG_MS, **options}))
        wait_until_up(made[-1])
        return made[-1]

    yield make
    for one in made:
        one.close()


def wait_until_up(pool: StatementPool) -> None:
    """Have the processes started, and wait until all have answered once."""
    while not any(packed is not None for packed in look(pool)):
        time.sleep(0.01)


def look(pool: StatementPool, lines: list[bytes] = LINES) -> list[Any]:
    """Have lines verified."""
    return list(pool.verify(lines, origin=ORIGIN, now_ms=START_MS))


def is_running(pid: int) -> bool:
    """Say whether a process runs; one that ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pid: int) -> None:
    """Wait for the end of a process."""
    until = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < until, "the process is still there"
        time.sleep(0.01)


def test_what_comes_back_is_what_would_have_been_made_here(pools: Pools) -> None:
    """Member by member, in the order of the lines, and without a second copy of anything in the document."""
    for line, packed in zip(LINES, look(pools()), strict=True):
        statement = parse_statement(parse_json_object(line))
        there = unpack_statement(packed)
        assert there == verify_statement(statement, keys=SelfCertifyingLookup(), now_ms=START_MS, origin=ORIGIN)
        assert isinstance(there.statement, CredentialStatement)
        credential = there.statement.credential
        assert credential.proofs[0].raw is credential.document["proof"]
        assert credential.subject is credential.document["credentialSubject"]


def test_what_is_not_plainly_right_is_left_to_the_caller(pools: Pools) -> None:
    """Whatever is wrong with it, and whatever only the state can tell; its neighbours come back."""
    hosted = Actor.hosted("carol", ManualClock(), ORIGIN)
    alice = Actor.short_lived("alice", ManualClock(), ORIGIN)
    elsewhere = Actor.short_lived("alice", ManualClock(), "elsewhere.example/log")
    late = Actor.short_lived("alice", ManualClock(START_MS - 3_600_000), ORIGIN)
    right = json.loads(LINES[0])
    left = [
        b"{",
        b'{"a":1,"a":2}',
        b" " * 20_000 + LINES[0],
        json.dumps({**right, "proof": {**right["proof"], "proofValue": alice.report(hosted.did)["proof"]["proofValue"]}}).encode(),
        *(json.dumps(one.vouch(hosted.did)).encode() for one in (elsewhere, late)),
        json.dumps(hosted.vouch(alice.did)).encode(),
        json.dumps(alice.presentation(None)).encode(),
        json.dumps(hosted.entries[0]).encode(),
        json.dumps({"event": right, "openings": []}).encode(),
    ]  # fmt: skip
    looked = look(pools(), [*LINES, *left, *LINES])
    assert [packed is None for packed in looked] == [False] * len(LINES) + [True] * len(left) + [False] * len(LINES)


@pytest.mark.parametrize(("processes", "count"), [(1, VERIFY_LEAST_LINES - 1), (0, len(LINES))])
def test_no_process_is_started_for_what_needs_none(processes: int, count: int) -> None:
    """Neither for a short batch, nor where the operator wants none."""
    pool = StatementPool(processes)
    assert look(pool, LINES[:count]) == [None] * count
    assert pool.pids == []
    pool.close()


def test_until_a_process_is_up_the_caller_does_the_work() -> None:
    """Nobody waits for its start."""
    pool = StatementPool(1)
    assert look(pool) == [None] * len(LINES)
    assert len(pool.pids) == 1
    pool.close()
    assert pool.pids == []


def _while_it_hangs(pool: StatementPool, action: Callable[[int], None]) -> list[Any]:
    """Return what a caller gets whose process hangs when an action comes."""
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as caller:
        looked = caller.submit(look, pool)
        while not pool._workers[0].waiting:
            time.sleep(0.001)
        action(pid)
        return looked.result(timeout=30)


def test_a_process_killed_at_work_costs_nobody_anything(pools: Pools, caplog: pytest.LogCaptureFixture) -> None:
    """Its lines are the caller's, it is told once, and a new one is started when the pause is over."""
    now = [0.0]
    pool = pools(restart_ms=60_000, clock=lambda: now[0])
    (first,) = pool.pids
    assert _while_it_hangs(pool, lambda pid: os.kill(pid, signal.SIGKILL)) == [None] * len(LINES)
    wait_until_gone(first)
    assert look(pool) == [None] * len(LINES)
    assert pool.pids == []
    now[0] = 60.0
    wait_until_up(pool)
    assert pool.pids != [first]
    assert len([one for one in caplog.records if "ended" in one.message]) == 1


def test_a_process_that_hangs_is_ended(pools: Pools) -> None:
    """A caller waits so long and no longer."""
    pool = pools(answer_ms=200)
    (pid,) = pool.pids
    assert _while_it_hangs(pool, lambda _pid: None) == [None] * len(LINES)
    wait_until_gone(pid)


def test_closing_leaves_what_is_at_work_to_its_caller(pools: Pools, caplog: pytest.LogCaptureFixture) -> None:
    """Also what comes later; no process is left and none is complained about."""
    pool = pools()
    (pid,) = pool.pids
    assert _while_it_hangs(pool, lambda _pid: pool.close()) == [None] * len(LINES)
    assert not is_running(pid)
    assert look(pool) == [None] * len(LINES)
    assert pool.pids == []
    assert not caplog.records


def test_where_no_process_can_be_started_the_caller_does_the_work(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator is told once in a while, the caller never."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    pool = StatementPool(2)
    assert look(pool) == look(pool) == [None] * len(LINES)
    assert len(caplog.records) == 1
    pool.close()


def test_where_no_thread_can_be_started_the_caller_does_the_work(caplog: pytest.LogCaptureFixture) -> None:
    """As many threads as may be: the batch was answered as a defect of the registry, and the process stayed for ever."""
    known, before = children(), threading.stack_size(1 << 46)  # more than there is
    try:
        with closing(StatementPool(1, restart_ms=LONG_MS)) as pool:
            assert look(pool) == [None] * len(LINES)
            assert pool.pids == []
    finally:
        threading.stack_size(before)
    assert len(caplog.records) == 1
    assert children() == known


def children() -> set[int]:
    """Return the children of this process, also those that ended and were not waited for."""
    stats = [path.read_text().rpartition(")") for path in Path("/proc").glob("[0-9]*/stat")]
    return {int(left.split()[0]) for left, _, right in stats if int(right.split()[1]) == os.getpid()}


PARENT = """
import sys, time
sys.path[:] = sys.argv[1:]
from registry.adapters.statement_pool import StatementPool
pool = StatementPool(1)
while not (pool.pids and pool._workers[0].is_up):
    pool.verify([b"{}"] * 1_000, origin="", now_ms=None)
    time.sleep(0.01)
print(pool.pids[0], flush=True)
time.sleep(600)
"""


def test_no_process_outlives_a_parent_that_was_killed() -> None:
    """The end of its input is its end; a signal to the terminal's group does not reach it before."""
    command = [sys.executable, "-c", PARENT, *sys.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        assert os.getpgid(pid) != os.getpgid(parent.pid)
        parent.kill()
    wait_until_gone(pid)


def test_how_many_processes_is_the_operators_choice() -> None:
    """By default as many as there are cores besides the writer's, and few."""
    assert 0 <= load_settings({}, {}).verify_processes <= VERIFY_PROCESSES
    assert load_settings({}, {"BONAFIDES_VERIFY_PROCESSES": "3"}).verify_processes == 3
    for text in ("-1", "1.5", "", "65", "٣"):
        with pytest.raises(SettingError):
            load_settings({}, {"BONAFIDES_VERIFY_PROCESSES": text})
