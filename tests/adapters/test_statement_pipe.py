"""Single statements verified in another process: the same ones come out, and no end of the process reaches a caller."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from did_methods.codec import parse_json_object
from registry.adapters import statement_pipe
from registry.adapters.child_process import start_child
from registry.adapters.statement_pipe import StatementPipe
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.history.packed_statement import unpack_statement
from registry.history.statement import parse_statement, verify_statement
from registry.limits import VERIFY_WAITING
from tests.adapters.test_statement_pool import is_running, wait_until_gone
from tests.support.actor import Actor
from tests.support.registry import START_MS, ManualClock

ORIGIN = "registry.localhost/log"
LONG_MS = 600_000
ALICE, BOB = (Actor.short_lived(name, ManualClock(), ORIGIN) for name in ("alice", "bob"))
LINES = [json.dumps(ALICE.vouch(BOB.did, context=f"c{at}")).encode() for at in range(20)]

Loop = Callable[[], asyncio.AbstractEventLoop]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Loop:
    """Return what makes an event loop: the library's, and the one that serves."""
    made: Loop = request.param
    return made


def run(loop: Loop, work: Callable[[StatementPipe], Awaitable[None]], **options: Any) -> None:
    """Do something with a pipe whose process is up; it is closed at the end."""

    async def whole() -> None:
        pipe = StatementPipe(is_wanted=True, **{"answer_ms": LONG_MS, "restart_ms": LONG_MS, **options})
        try:
            await until_up(pipe)
            await work(pipe)
        finally:
            pipe.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(whole())


async def look(pipe: StatementPipe, line: bytes = LINES[0]) -> Any:
    """Have a line verified."""
    return await pipe.verify(line, origin=ORIGIN, now_ms=START_MS)


async def until_up(pipe: StatementPipe) -> int:
    """Have the process started, and wait until it has answered; return it."""
    until = time.monotonic() + 30
    while await look(pipe) is None:
        assert time.monotonic() < until, "the process did not answer"
        await asyncio.sleep(0.01)
    assert pipe.pid is not None
    return pipe.pid


async def while_it_hangs(pipe: StatementPipe, action: Callable[[int], None]) -> list[Any]:
    """Return what callers get whose process hangs when an action comes."""
    assert pipe.pid is not None
    pid = pipe.pid
    os.kill(pid, signal.SIGSTOP)
    asked = asyncio.gather(*(look(pipe, line) for line in LINES))
    await asyncio.sleep(0.05)
    action(pid)
    return list(await asyncio.wait_for(asked, 30))


def test_what_comes_back_is_what_would_have_been_made_here(loop: Loop) -> None:
    """Each caller gets its own, whoever asked together."""

    async def work(pipe: StatementPipe) -> None:
        for _ in range(3):
            looked = await asyncio.gather(*(look(pipe, line) for line in LINES))
            for line, packed in zip(LINES, looked, strict=True):
                statement = parse_statement(parse_json_object(line))
                there = verify_statement(statement, keys=SelfCertifyingLookup(), now_ms=START_MS, origin=ORIGIN)
                assert unpack_statement(packed) == there

    run(loop, work)


def test_what_is_not_plainly_right_is_left_to_the_caller(loop: Loop) -> None:
    """Whatever is wrong with it, and whatever only the state can tell; its neighbours come back."""
    right = json.loads(LINES[0])
    forged = {**right, "proof": {**right["proof"], "proofValue": json.loads(LINES[1])["proof"]["proofValue"]}}
    carol = Actor.hosted("carol", ManualClock(), ORIGIN)
    elsewhere = Actor.short_lived("alice", ManualClock(), "elsewhere.example/log")
    left = [
        b"",
        b"{",
        b"\xff" * 100,
        b" " * 20_000 + LINES[0],
        json.dumps(forged).encode(),
        json.dumps(elsewhere.vouch(BOB.did)).encode(),
        json.dumps(carol.vouch(BOB.did)).encode(),
        json.dumps({"event": right, "openings": []}).encode(),
    ]

    async def work(pipe: StatementPipe) -> None:
        looked = await asyncio.gather(*(look(pipe, line) for line in [LINES[0], *left, LINES[1]]))
        assert [packed is None for packed in looked] == [False, *[True] * len(left), False]

    run(loop, work)


def test_until_the_process_is_up_the_caller_does_the_work(loop: Loop) -> None:
    """Nobody waits for its start, and it is not started twice; who closes meanwhile leaves none behind."""

    async def work(pipe: StatementPipe) -> None:
        assert [await look(pipe) for _ in range(20)] == [None] * 20
        assert pipe.pid is None
        pipe.close()
        assert pipe._starting is not None
        await pipe._starting

    async def whole() -> None:
        started: list[int] = []

        def start() -> Any:
            process = real_start()
            started.append(process.pid)
            return process

        real_start, statement_pipe.start_statement_child = statement_pipe.start_statement_child, start
        try:
            await work(StatementPipe(is_wanted=True))
        finally:
            statement_pipe.start_statement_child = real_start
        (pid,) = started
        assert not is_running(pid)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(whole())


def test_none_is_started_where_the_operator_wants_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`BONAFIDES_VERIFY_PROCESSES=0` holds for single statements, too."""
    monkeypatch.setattr(statement_pipe, "start_statement_child", lambda: pytest.fail("one was started"))

    async def whole() -> None:
        pipe = StatementPipe(is_wanted=False)
        assert [await look(pipe) for _ in range(3)] == [None] * 3
        await asyncio.sleep(0)

    asyncio.run(whole())


def test_a_process_killed_at_work_costs_nobody_anything(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """What it was asked is the callers', it is told once, and a new one is started when the pause is over."""
    now = [0.0]

    async def work(pipe: StatementPipe) -> None:
        first = pipe.pid
        assert await while_it_hangs(pipe, lambda pid: os.kill(pid, signal.SIGKILL)) == [None] * len(LINES)
        assert pipe.pid is None
        assert await look(pipe) is None
        now[0] = 60.0
        assert await until_up(pipe) != first

    run(loop, work, restart_ms=60_000, clock=lambda: now[0])
    assert len([one for one in caplog.records if "ended" in one.message]) == 1


def test_a_process_that_hangs_is_ended(loop: Loop) -> None:
    """A caller waits so long and no longer."""

    async def work(pipe: StatementPipe) -> None:
        pid = pipe.pid
        assert await while_it_hangs(pipe, lambda _pid: None) == [None] * len(LINES)
        assert pid is not None
        wait_until_gone(pid)

    run(loop, work, answer_ms=200)


def test_closing_leaves_what_is_at_work_to_its_caller(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    """Also what comes later; no process is left and none is complained about."""

    async def work(pipe: StatementPipe) -> None:
        pid = pipe.pid
        assert await while_it_hangs(pipe, lambda _pid: pipe.close()) == [None] * len(LINES)
        assert pid is not None
        assert not is_running(pid)
        assert await look(pipe) is None

    run(loop, work)
    assert not caplog.records


def test_who_gives_up_waiting_takes_nobodys_answer(loop: Loop) -> None:
    """A request that is cancelled while its statement is looked at."""

    async def work(pipe: StatementPipe) -> None:
        asked = [asyncio.ensure_future(look(pipe, line)) for line in LINES]
        await asyncio.sleep(0)
        for one in asked[::2]:
            one.cancel()
        looked = await asyncio.gather(*asked[1::2])
        assert [packed[0] for packed in looked] == [
            parse_statement(parse_json_object(line)).event_bytes for line in LINES[1::2]
        ]
        assert await look(pipe) is not None

    run(loop, work)


def test_no_more_wait_than_may(loop: Loop) -> None:
    """What comes further is left to its caller at once."""

    async def work(pipe: StatementPipe) -> None:
        looked = await asyncio.gather(*(look(pipe) for _ in range(VERIFY_WAITING + 5)))
        assert [packed is None for packed in looked] == [False] * VERIFY_WAITING + [True] * 5

    run(loop, work)


def test_another_event_loop_does_its_own_work(loop: Loop) -> None:
    """Futures belong to one loop: an application that is called from a second one goes on without the process."""

    async def work(pipe: StatementPipe) -> None:
        assert await asyncio.to_thread(lambda: asyncio.run(look(pipe))) is None
        assert await look(pipe) is not None

    run(loop, work)


@pytest.mark.parametrize("said", [b"\0" * 7 + b"\x05hello", b"\0" * 7 + b"\x05[\x05\0\0\0", b"\0" * 8])
def test_a_process_that_talks_nonsense_is_ended(loop: Loop, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its callers do the work."""
    words = f"import sys, time; sys.stdout.buffer.write({said!r}); sys.stdout.flush(); time.sleep(600)"
    started: list[int] = []

    def start() -> Any:
        process = start_child([sys.executable, "-c", words])
        started.append(process.pid)
        return process

    monkeypatch.setattr(statement_pipe, "start_statement_child", start)

    async def whole() -> None:
        pipe = StatementPipe(is_wanted=True, answer_ms=LONG_MS)
        until = time.monotonic() + 30
        while not started or is_running(started[0]):
            assert await look(pipe) is None
            await asyncio.sleep(0.01)
            assert time.monotonic() < until
        assert await look(pipe) is None
        pipe.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(whole())


@pytest.mark.parametrize("error", [FileNotFoundError("no such file"), RuntimeError("can't start new thread")])
def test_where_no_process_can_be_started_the_caller_does_the_work(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator is told once in a while, the caller never."""

    def start() -> Any:
        raise error

    monkeypatch.setattr(statement_pipe, "start_statement_child", start)

    async def whole() -> None:
        pipe = StatementPipe(is_wanted=True)
        for _ in range(20):
            assert await look(pipe) is None
            await asyncio.sleep(0.005)

    asyncio.run(whole())
    assert len(caplog.records) == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # loops tell of pipes that were not closed before
def test_what_is_closed_after_its_loop_leaves_no_process(loop: Loop) -> None:
    """A server that was torn down without its shutdown."""
    made: list[StatementPipe] = []

    async def whole() -> None:
        made.append(StatementPipe(is_wanted=True))
        await until_up(made[0])

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(whole())
    made[0].close()
    assert made[0].pid is None
    made.clear()
    gc.collect()  # the library's loop tells of them now


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # loops tell of pipes that were not closed before
def test_what_is_closed_while_its_loop_gives_it_up_leaves_no_process(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that stops as the process begins: closed before it was there, and given up before it was connected."""
    made: list[Any] = []
    begun = threading.Event()

    def start() -> Any:
        begun.wait()
        made.append(start_child([sys.executable, "-c", "import time; time.sleep(600)"]))
        return made[0]

    monkeypatch.setattr(statement_pipe, "start_statement_child", start)
    pipe = StatementPipe(is_wanted=True)

    async def whole() -> None:
        await look(pipe)
        await asyncio.sleep(0)
        pipe.close()
        begun.set()
        while pipe._child is None:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(whole())
    wait_until_gone(made[0].pid)
    assert all(file.closed for file in (made[0].stdin, made[0].stdout))
