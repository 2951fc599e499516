"""The parent's side of a child process: starts it on demand, asks it one thing at a time, and ends it when it errs.

Decides when a child is started, given up and started again. A child that hangs, dies, floods or talks nonsense is killed
and costs one caller an answer; further failures cost a pause that doubles. Nothing of this process goes to the child but
three pipes: no environment, no open files, no keys. What a child says means, its own module knows (``didkit_process.py``,
``json_ld_process.py``).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from did_methods.codec import parse_json_object
from did_methods.codec_errors import JsonError
from registry import limits

Answer = TypeVar("Answer")

# All that a child gets of an environment: memory in bounds, and where the interpreter finds its own libraries.
_CHILD_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "2", "TOKIO_WORKER_THREADS": "1"}
_PASSED_ON: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_MESSAGE_DEPTH: Final = 2
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """How much time, memory and patience a child gets; defaults as in ``registry/limits.py``.

    Args:
        call_ms: longest call.
        start_ms: longest start.
        idle_ms: a child unused for this long is stopped.
        back_off_ms: pause after the second failure in a row.
        back_off_most_ms: longest pause.
        waiting: callers at a time, the one being served included.
        request_bytes: longest line to the child; longer ones are refused where the asker pays.
        answer_bytes: longest line of the child.
        memory_bytes: data of the child.
        cpu_seconds: processor time of the child.
        calls: calls after which a child is replaced.
    """

    call_ms: int = limits.FOREIGN_CALL_MS
    start_ms: int = limits.FOREIGN_START_MS
    idle_ms: int = limits.FOREIGN_IDLE_MS
    back_off_ms: int = limits.FOREIGN_BACK_OFF_MS
    back_off_most_ms: int = limits.FOREIGN_BACK_OFF_MOST_MS
    waiting: int = limits.FOREIGN_WAITING
    request_bytes: int = limits.FOREIGN_REQUEST_BYTES
    answer_bytes: int = limits.FOREIGN_ANSWER_BYTES
    memory_bytes: int = limits.FOREIGN_MEMORY_BYTES
    cpu_seconds: int = limits.FOREIGN_CPU_SECONDS
    calls: int = limits.FOREIGN_CALLS_PER_CHILD


class ChildUnavailableError(Exception):
    """There is no answer now; says nothing about what was asked. Never leaves the adapters."""


class ChildBusyError(ChildUnavailableError):
    """As many callers wait as may."""


class ChildAbsentError(Exception):
    """The child's library is not installed. Never leaves the adapters."""


class ChildOverdueError(Exception):
    """What was asked took more time, memory or room than there is. Never leaves the adapters."""


class ChildNonsenseError(Exception):
    """Raised by whoever reads an answer that is none; the child is not believed any further."""


class _ChildFailedError(Exception):
    """The child hung, died, flooded or talked nonsense; never leaves this module."""


class _ChildLostError(_ChildFailedError):
    """There is no answer: the child hung, died or flooded."""


def start_child(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a child with pipes for its input and output, and nothing else of this process.

    Raises:
        OSError: it could not be started.
    """
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # Its own session: a signal meant for the registry's terminal does not reach it, and one kill reaches
    # whatever it may have started.
    return subprocess.Popen(  # noqa: S603 - the command is an adapter's own
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a panic of a library repeats what it was asked
        env=environment | _CHILD_ENVIRONMENT,
        cwd="/",
        close_fds=True,
        start_new_session=True,
    )


class _Child:
    """One running child: a line out, a line in, within a time."""

    def __init__(self, command: Sequence[str], *, answer_bytes: int) -> None:
        self.calls = 0
        self._answer_bytes = answer_bytes
        self._reaping = threading.RLock()  # between looking at the process and killing it nobody may reap it
        try:
            self._process = start_child(command)
        except OSError as error:
            raise _ChildFailedError(f"could not be started: {error.strerror}") from None

    @property
    def alive(self) -> bool:
        with self._reaping:
            return self._process.poll() is None

    def exchange(self, request: bytes, *, timeout_ms: int) -> dict[str, Any]:
        """Send a line, unless it is empty, and return the next line of the child."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        # A thread per call, because no other way to bound a read of a pipe works on every system.
        timer = threading.Timer(timeout_ms / 1_000, self.kill)
        timer.daemon = True
        timer.start()
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
            line = self._process.stdout.readline(self._answer_bytes + 1)
        except OSError:
            line = b""
        finally:
            timer.cancel()
            timer.join()
        if not line.endswith(b"\n"):
            raise _ChildLostError("answered too much" if line else "died or hung")
        try:
            return parse_json_object(line, max_bytes=self._answer_bytes, max_depth=_MESSAGE_DEPTH)
        except JsonError:
            raise _ChildFailedError("answered something else than JSON") from None

    def kill(self) -> None:
        """Kill the child and what it started; its pipes stay open until ``end``."""
        with self._reaping:
            if not self.alive:
                return
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def end(self) -> None:
        """Kill the child, wait for its end and close its pipes."""
        with self._reaping:
            self.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # What was not sent yet has no reader any more.
                with contextlib.suppress(OSError):
                    pipe.close()


class ChildSupervisor:
    """One child process for any number of threads, which take turns.

    Args:
        module: name of the child's module in this package.
        child_limits: how much time, memory and patience the child gets.
        command: starts the child in place of the module; the limits that it sets itself are appended.
        clock: seconds that never go backwards.
        asker_pays: a child that hangs, dies or floods while it works is the asker's doing: it is answered so, and is no failure
            that would pause the service. Only for children that prove at their start that they work.
    """

    def __init__(
        self,
        module: str,
        child_limits: ChildLimits,
        *,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        asker_pays: bool = False,
    ) -> None:
        self._name = module
        self._limits = child_limits
        own = (sys.executable, "-I", "-m", f"{__package__}.{module}")
        self._command = [*(command or own), *self._child_arguments()]
        self._clock = clock
        self._asker_pays = asker_pays
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(child_limits.waiting)
        self._child: _Child | None = None
        self._idle_timer: threading.Timer | None = None
        self._last_used = 0.0
        self._failures = 0
        self._not_before = 0.0
        self._next_id = 0
        self._absent = False
        self._closed = False

    def ask(self, request: dict[str, Any], *, read: Callable[[dict[str, Any]], Answer]) -> Answer:
        """Send one request and return what was read from the answer; blocks.

        Args:
            request: JSON object with ``op``, without ``id``.
            read: reads the members of the answer other than ``id``, or raises ChildNonsenseError.

        Raises:
            ChildUnavailableError: there is no answer now; ChildBusyError when too many ask.
            ChildAbsentError: the child's library is not installed.
            ChildOverdueError: only where the asker pays.
        """
        if not self._places.acquire(blocking=False):
            raise ChildBusyError
        try:
            with self._lock:
                return self._ask_child(request, read)
        finally:
            self._places.release()

    def close(self) -> None:
        """End the child, also one that is at work; every later call is unavailable."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()  # so that whoever holds the lock lets go of it
        with self._lock:
            self._stop_child()

    def _ask_child(self, request: dict[str, Any], read: Callable[[dict[str, Any]], Answer]) -> Answer:
        if self._absent:
            raise ChildAbsentError
        if self._closed:
            raise ChildUnavailableError
        try:
            child = self._running_child()
            self._next_id += 1
            line = json.dumps(request | {"id": self._next_id}).encode("ascii") + b"\n"
            if self._asker_pays and len(line) > self._limits.request_bytes:
                raise ChildOverdueError
            child.calls += 1
            answer = child.exchange(line, timeout_ms=self._limits.call_ms)
            result = read(_members(answer, expected_id=self._next_id))
        except ChildNonsenseError:
            self._give_up(_ChildFailedError("gave an answer that is none"))
            raise ChildUnavailableError from None
        except _ChildFailedError as failure:
            started = self._child is not None and self._child.calls > 0
            if self._asker_pays and started and isinstance(failure, _ChildLostError) and not self._closed:
                self._stop_child()
                raise ChildOverdueError from None
            self._give_up(failure)
            raise ChildUnavailableError from None
        self._failures = 0
        self._last_used = self._clock()
        return result

    def _running_child(self) -> _Child:
        """Return a child that takes a request, started if need be."""
        if self._child is not None and self._child.alive and self._child.calls < self._limits.calls:
            return self._child
        self._stop_child()
        if self._clock() < self._not_before:
            raise ChildUnavailableError
        self._child = _Child(self._command, answer_bytes=self._limits.answer_bytes)
        if self._closed:  # by another thread, which found no child to kill and now waits for this one
            raise _ChildFailedError("was not needed any more")
        match self._child.exchange(b"", timeout_ms=self._limits.start_ms):
            case {"ready": str()}:
                self._last_used = self._clock()
                self._watch_idleness(self._limits.idle_ms / 1_000)
                return self._child
            case {"absent": True}:
                self._absent = True
                self._stop_child()
                raise ChildAbsentError
            case _:
                raise _ChildFailedError("did not say that it is ready")

    def _give_up(self, failure: _ChildFailedError) -> None:
        self._stop_child()
        if self._closed:
            return
        # The first failure costs one answer and nothing else: most children that die can be started again at once.
        doubled = self._limits.back_off_ms << min(self._failures - 1, 32) if self._failures else 0
        pause_ms = min(doubled, self._limits.back_off_most_ms)
        self._failures += 1
        self._not_before = self._clock() + pause_ms / 1_000
        _LOG.warning("%s %s; failure %d in a row, pause %d ms", self._name, failure, self._failures, pause_ms)

    def _stop_child(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._child is not None:
            self._child.end()
            self._child = None

    def _watch_idleness(self, seconds: float) -> None:
        self._idle_timer = threading.Timer(seconds, self._stop_if_idle)
        self._idle_timer.daemon = True
        self._idle_timer.start()

    def _stop_if_idle(self) -> None:
        with self._lock:
            if threading.current_thread() is not self._idle_timer:
                return  # its child is gone already
            left = self._last_used + self._limits.idle_ms / 1_000 - self._clock()
            if left > 0:
                self._watch_idleness(left)
            else:
                self._stop_child()

    def _child_arguments(self) -> list[str]:
        return [
            f"--memory-bytes={self._limits.memory_bytes}",
            f"--cpu-seconds={self._limits.cpu_seconds}",
            # The child's own alarm is for the day when its parent is gone; until then the parent is quicker.
            f"--call-ms={2 * self._limits.call_ms}",
        ]


def _members(answer: dict[str, Any], *, expected_id: int) -> dict[str, Any]:
    if answer.pop("id", None) != expected_id:
        raise _ChildFailedError("did not answer the request")
    return answer
