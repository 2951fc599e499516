"""The supervision of the didkit child, against real processes that hang, die, flood and lie."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from did_methods.foreign import (
    ForeignMethod,
    ForeignMethodUnsupportedError,
    ForeignNotInstalledError,
    ForeignRefusedError,
    ForeignUnavailableError,
)
from did_methods.method import ResolutionError, ResolutionOptions
from registry.adapters.didkit_process import ChildLimits, DidkitProcess

FAKE = Path(__file__).with_name("fake_didkit_child.py")
DID = "did:pkh:eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8a"
PATIENT = ChildLimits(call_ms=60_000, start_ms=60_000)
HASTY = ChildLimits(call_ms=300, start_ms=60_000)

Start = Callable[..., DidkitProcess]


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a maker of supervisors of a fake child; each is closed at the end."""
    made: list[DidkitProcess] = []

    def make(mode: str, child_limits: ChildLimits = PATIENT, clock: Clock | None = None) -> DidkitProcess:
        command = (sys.executable, "-I", str(FAKE), mode)
        made.append(DidkitProcess(child_limits, command=command, clock=clock or Clock()))
        return made[-1]

    yield make
    for process in made:
        process.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; a minute of patience is for busy machines only."""
    for _ in range(6_000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail("what the test waits for never came")


def _pid(process: DidkitProcess) -> int:
    document = process.resolve(DID)
    assert document is not None
    pid: int = document["pid"]
    return pid


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_one_child_answers_many_calls(start: Start) -> None:
    """The child is started with the first call, and the same one answers the next."""
    process = start("pid")
    assert process._supervisor._child is None
    assert _pid(process) == _pid(process)
    assert process.resolve(DID)["id"] == DID  # type: ignore[index]


@pytest.mark.parametrize(
    "mode",
    ["dies-at-start", "floods-at-start", "greets-wrongly", "greets-in-prose", "dies", "floods", "garbage", "bytes"],
)
def test_a_child_that_errs_is_ended(start: Start, mode: str) -> None:
    """Death, a flood and nonsense cost the caller an answer, say nothing of the DID, and leave no process."""
    process = start(mode)
    with pytest.raises(ForeignUnavailableError):
        process.resolve(DID)
    assert process._supervisor._child is None


@pytest.mark.parametrize(
    "mode",
    [
        "list",
        "another-id",
        "refused-another-id",
        "text-id",
        "no-id",
        "more-members",
        "both",
        "duplicate",
        "document-as-object",
        "document-not-json",
        "document-duplicate",
        "document-deep",
        "too-long",
    ],
)
def test_an_answer_that_is_not_exactly_one_answer_is_not_taken(start: Start, mode: str) -> None:
    """Another number, further members, a second reading or too many bytes: the child is not believed and ended."""
    process = start(mode)
    with pytest.raises(ForeignUnavailableError):
        process.resolve(DID)
    assert process._supervisor._child is None


def test_an_answer_to_nobody_is_not_given_to_the_next_caller(start: Start) -> None:
    """A child that answers twice cannot slip its second answer under the next question."""
    process = start("answers-twice")
    assert process.resolve(DID) == {"id": DID}
    with pytest.raises(ForeignUnavailableError):
        process.resolve(DID)


@pytest.mark.parametrize("mode", ["hangs", "hangs-with-a-child"])
def test_a_child_that_hangs_is_killed(start: Start, mode: str) -> None:
    """A call ends after its time, also where something of the child keeps its pipe open."""
    process = start(mode, HASTY)
    with pytest.raises(ForeignUnavailableError):
        process.resolve(DID)
    assert process._supervisor._child is None


def test_a_child_that_never_gets_ready_is_killed(start: Start) -> None:
    """A start ends after its time."""
    process = start("hangs-at-start", ChildLimits(start_ms=200))
    with pytest.raises(ForeignUnavailableError):
        process.resolve(DID)
    assert process._supervisor._child is None


def test_a_child_is_started_again_after_it_died(start: Start) -> None:
    """One death costs one answer: the next call finds a new child, without a pause."""
    process = start("dies-when-told")
    assert process.resolve(DID) == {"id": DID}
    with pytest.raises(ForeignUnavailableError):
        process.resolve(DID + "die")
    assert process.resolve(DID) == {"id": DID}


def test_a_child_that_died_between_calls_costs_nothing(start: Start) -> None:
    """A child that somebody killed while it was idle is replaced before it is asked."""
    process = start("pid")
    first = _pid(process)
    os.kill(first, 9)
    assert process._supervisor._child is not None
    process._supervisor._child._process.wait()
    assert _pid(process) != first


def test_failures_in_a_row_are_paused_and_a_success_ends_it(start: Start) -> None:
    """From the second failure on nothing is started during a pause, which doubles up to a limit; success resets it."""
    clock = Clock()
    limits = ChildLimits(call_ms=60_000, start_ms=60_000, back_off_ms=1_000, back_off_most_ms=3_000)
    process = start("dies-when-told", limits, clock)
    pauses = []
    for _ in range(5):
        with pytest.raises(ForeignUnavailableError):
            process.resolve(DID + "die")
        pauses.append(process._supervisor._not_before - clock.seconds)
        with pytest.raises(ForeignUnavailableError):
            process.resolve(DID + "die")
        clock.seconds = process._supervisor._not_before
    # The first failure has no pause, so the second call of that turn failed too, and counted.
    assert pauses == [0, 2, 3, 3, 3]
    assert process.resolve(DID) == {"id": DID}
    with pytest.raises(ForeignUnavailableError):
        process.resolve(DID + "die")
    assert process._supervisor._not_before == clock.seconds


def test_nothing_is_started_during_a_pause(start: Start) -> None:
    """A call in a pause fails at once, without a process."""
    clock = Clock()
    process = start("dies-at-start", PATIENT, clock)
    for _ in range(2):
        with pytest.raises(ForeignUnavailableError):
            process.resolve(DID)
    assert process._supervisor._failures == 2
    with pytest.raises(ForeignUnavailableError):
        process.resolve(DID)
    assert process._supervisor._failures == 2


@pytest.mark.parametrize(
    ("mode", "refusal"),
    [("refused", ForeignRefusedError), ("unsupported", ForeignMethodUnsupportedError)],
)
def test_a_refusal_is_an_answer(start: Start, mode: str, refusal: type[Exception]) -> None:
    """What the library refuses is told from a failure: the child goes on."""
    process = start(mode)
    with pytest.raises(refusal):
        process.resolve(DID)
    assert process._supervisor._child is not None
    assert process._supervisor._failures == 0


def test_no_document_is_an_answer(start: Start) -> None:
    """A DID without a document has None."""
    assert start("not_found").resolve(DID) is None


def test_a_document_must_be_an_object(start: Start) -> None:
    """A document of another JSON type is refused."""
    with pytest.raises((ForeignRefusedError, ForeignUnavailableError)):
        start("document-list").resolve(DID)


def test_a_library_that_is_not_installed_is_asked_for_once(start: Start) -> None:
    """Without didkit the answer is METHOD_NOT_SUPPORTED with its own code, and no further process is started."""
    process = start("absent")
    result = ForeignMethod(process).resolve(DID, ResolutionOptions(0))
    assert result.error is ResolutionError.METHOD_NOT_SUPPORTED
    assert result.did_resolution_metadata["error"]["code"] == "did_foreign_not_installed"
    process._command = ["/does/not/exist"]
    with pytest.raises(ForeignNotInstalledError):
        process.resolve(DID)


def test_a_command_that_cannot_be_started_is_a_failure(start: Start) -> None:
    """An interpreter that is gone makes foreign DIDs unavailable, not a crash."""
    process = DidkitProcess(command=("/does/not/exist",))
    with process, pytest.raises(ForeignUnavailableError):
        process.resolve(DID)


def test_the_child_inherits_nothing(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable, no open file and no working folder of the registry reaches the child."""
    monkeypatch.setenv("BONAFIDES_KEY_PASSPHRASE", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    document: dict[str, Any] | None = start("environment").resolve(DID)
    assert document is not None
    harmless = {"LC_CTYPE", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "TOKIO_WORKER_THREADS"}
    assert set(document["environment"]) <= harmless
    assert document["folder"] == "/"
    with (tmp_path / "key").open("w") as secret:
        os.set_inheritable(secret.fileno(), 1)
        assert start("files").resolve(DID) == {"files": [0, 1, 2]}


def test_a_child_is_replaced_after_its_share_of_calls(start: Start) -> None:
    """No child lives for ever: after so many calls a new one takes over, unnoticed."""
    process = start("pid", ChildLimits(call_ms=60_000, start_ms=60_000, calls=2))
    pids = [_pid(process) for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


def test_an_idle_child_is_stopped_and_started_again(start: Start) -> None:
    """A child unused for its time is stopped; the next call starts another."""
    clock = Clock()
    process = start("pid", ChildLimits(call_ms=60_000, start_ms=60_000, idle_ms=50), clock)
    first = _pid(process)
    clock.seconds += 1
    timer = process._supervisor._idle_timer
    assert timer is not None
    timer.join()
    assert process._supervisor._child is None
    assert not _is_running(first)
    assert _pid(process) != first


def test_a_busy_child_is_not_stopped(start: Start) -> None:
    """The timer of a child that was used meanwhile waits for what is left."""
    clock = Clock()
    process = start("pid", ChildLimits(call_ms=60_000, start_ms=60_000, idle_ms=50), clock)
    first, timer = _pid(process), process._supervisor._idle_timer
    assert timer is not None
    timer.join()  # the clock stands still, so no time has passed without a call
    assert _pid(process) == first


def test_closing_ends_the_child_and_all_later_calls(start: Start) -> None:
    """After close no process is left, calls are unavailable, and closing again does nothing."""
    process = start("pid")
    pid = _pid(process)
    process.close()
    assert not _is_running(pid)
    with pytest.raises(ForeignUnavailableError):
        process.resolve(DID)
    process.close()


def test_closing_does_not_wait_for_a_call(start: Start) -> None:
    """A call that hangs ends with the close, as unavailable."""
    process = start("hangs")
    failures: list[BaseException] = []
    started = threading.Event()

    def call() -> None:
        started.set()
        try:
            process.resolve(DID)
        except ForeignUnavailableError as error:
            failures.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    started.wait()
    wait_until(lambda: process._supervisor._child is not None or not caller.is_alive())
    process.close()
    caller.join()
    assert len(failures) == 1


def test_too_many_callers_are_told_so(start: Start) -> None:
    """Callers beyond the limit do not queue up behind a slow child, each with a thread of the registry."""
    process = start("hangs", ChildLimits(call_ms=60_000, start_ms=60_000, waiting=1))

    def call() -> None:
        with pytest.raises(ForeignUnavailableError):
            process.resolve(DID)

    caller = threading.Thread(target=call)
    caller.start()
    wait_until(lambda: not process._supervisor._places._value or not caller.is_alive())
    with pytest.raises(ForeignUnavailableError, match="too many"):
        process.resolve(DID)
    process.close()
    caller.join()


def test_callers_of_many_threads_get_their_own_answers(start: Start) -> None:
    """One child serves several threads, one after the other, and mixes nothing up."""
    process = start("good", ChildLimits(call_ms=60_000, start_ms=60_000, waiting=8))
    found: dict[int, Any] = {}

    def call(number: int) -> None:
        for turn in range(20):
            document = process.resolve(f"did:pkh:{number}:{turn}")
            assert document == {"id": f"did:pkh:{number}:{turn}"}
        found[number] = True

    threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {0, 1, 2, 3}


def test_a_request_ends_with_its_parent(tmp_path: Path) -> None:
    """A parent that dies leaves no child: the end of its input is the end of the child."""
    program = (
        "import os, sys\n"
        "from registry.adapters.didkit_process import DidkitProcess\n"
        f"process = DidkitProcess(command=(sys.executable, '-I', {str(FAKE)!r}, 'pid'))\n"
        f"print(process.resolve({DID!r})['pid'], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    pid = int(done.stdout)
    wait_until(lambda: not _is_running(pid) or _is_zombie(pid))


def _is_zombie(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
