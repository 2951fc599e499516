"""The parent's side of the didkit child: starts it on demand, asks it one thing at a time, and ends it when it errs.

Decides when a child is started, given up and started again. What the child says is parsed strictly and capped, and
believed by nobody here: ``did_methods/foreign.py`` checks it. A child that hangs, dies, floods or talks nonsense is
killed and costs one caller an answer; further failures cost a pause that doubles. Nothing of this process goes to the
child but three pipes: no environment, no open files, no keys.
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
from types import TracebackType
from typing import Any, Final, Self

from did_methods.codec import parse_json_object
from did_methods.codec_errors import JsonError
from did_methods.foreign import (
    ForeignMethodUnsupportedError,
    ForeignNotInstalledError,
    ForeignRefusedError,
    ForeignUnavailableError,
)
from registry import limits

_CHILD_MODULE: Final = "registry.adapters.didkit_child"
# All that the child gets of an environment: memory in bounds, and where the interpreter finds its own libraries.
_CHILD_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "2", "TOKIO_WORKER_THREADS": "1"}
_PASSED_ON: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_MESSAGE_DEPTH: Final = 2
_DOCUMENT_DEPTH: Final = 8
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
    answer_bytes: int = limits.FOREIGN_ANSWER_BYTES
    memory_bytes: int = limits.FOREIGN_MEMORY_BYTES
    cpu_seconds: int = limits.FOREIGN_CPU_SECONDS
    calls: int = limits.FOREIGN_CALLS_PER_CHILD


class _ChildFailedError(Exception):
    """The child hung, died, flooded or talked nonsense; never leaves this module."""


class _Child:
    """One running child: a line out, a line in, within a time."""

    def __init__(self, command: Sequence[str], *, answer_bytes: int) -> None:
        self.calls = 0
        self._answer_bytes = answer_bytes
        self._reaping = threading.RLock()  # between looking at the process and killing it nobody may reap it
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            # Its own session: a signal meant for the registry's terminal does not reach it, and one kill reaches
            # whatever it may have started.
            self._process = subprocess.Popen(  # noqa: S603 - the command is this module's own
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a panic of the library repeats what it was asked
                env=environment | _CHILD_ENVIRONMENT,
                cwd="/",
                close_fds=True,
                start_new_session=True,
            )
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
            raise _ChildFailedError("answered too much" if line else "died or hung")
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


class DidkitProcess:
    """Documents of foreign DIDs from didkit in a child process; a ``ForeignResolver`` for any number of threads.

    Args:
        child_limits: how much time, memory and patience a child gets.
        command: starts the child; the limits that it sets itself are appended. None for this product's own.
        clock: seconds that never go backwards.
    """

    def __init__(
        self,
        child_limits: ChildLimits | None = None,
        *,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = child_limits or ChildLimits()
        self._command = [*(command or (sys.executable, "-I", "-m", _CHILD_MODULE)), *self._child_arguments()]
        self._clock = clock
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(self._limits.waiting)
        self._child: _Child | None = None
        self._idle_timer: threading.Timer | None = None
        self._last_used = 0.0
        self._failures = 0
        self._not_before = 0.0
        self._next_id = 0
        self._absent = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def resolve(self, did: str) -> dict[str, Any] | None:
        """Return the document that didkit writes for a DID, or None when there is none; blocks.

        Args:
            did: a DID of one of ``FOREIGN_METHODS`` whose syntax was checked.

        Raises:
            ForeignUnavailableError: did_foreign_unavailable.
            ForeignMethodUnsupportedError: did_foreign_unsupported or did_foreign_not_installed.
            ForeignRefusedError: did_foreign_refused.
        """
        answer = self._ask({"op": "resolve", "did": did})
        match answer:
            case {"document": dict(document)}:
                return document
            case {"error": "not_found"}:
                return None
            case {"error": "unsupported"}:
                raise ForeignMethodUnsupportedError
            case _:
                raise ForeignRefusedError

    def close(self) -> None:
        """End the child, also one that is at work; every later call is unavailable."""
        self._closed = True
        child = self._child
        if child is not None:
            child.kill()  # so that whoever holds the lock lets go of it
        with self._lock:
            self._stop_child()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if not self._places.acquire(blocking=False):
            raise ForeignUnavailableError("too many foreign DIDs are being resolved")
        try:
            with self._lock:
                return self._ask_child(request)
        finally:
            self._places.release()

    def _ask_child(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._absent:
            raise ForeignNotInstalledError
        if self._closed:
            raise ForeignUnavailableError
        try:
            child = self._running_child()
            self._next_id += 1
            line = json.dumps(request | {"id": self._next_id}).encode("ascii") + b"\n"
            child.calls += 1
            answer = _read_answer(child.exchange(line, timeout_ms=self._limits.call_ms), expected_id=self._next_id)
        except _ChildFailedError as failure:
            self._give_up(failure)
            raise ForeignUnavailableError from None
        self._failures = 0
        self._last_used = self._clock()
        return answer

    def _running_child(self) -> _Child:
        """Return a child that takes a request, started if need be."""
        if self._child is not None and self._child.alive and self._child.calls < self._limits.calls:
            return self._child
        self._stop_child()
        if self._clock() < self._not_before:
            raise ForeignUnavailableError
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
                raise ForeignNotInstalledError
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
        _LOG.warning("the didkit child %s; failure %d in a row, pause %d ms", failure, self._failures, pause_ms)

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


def _read_answer(answer: dict[str, Any], *, expected_id: int) -> dict[str, Any]:
    """Return the answer with its document parsed strictly, refusing what is not exactly one answer to the request."""
    match answer:
        case {"id": number, "error": str(), **rest} if number == expected_id and not rest:
            return answer
        case {"id": number, "document": str(text), **rest} if number == expected_id and not rest:
            try:
                return {"document": parse_json_object(text.encode(), max_depth=_DOCUMENT_DEPTH)}
            except JsonError:
                raise _ChildFailedError("wrote a document that is not JSON") from None
        case _:
            raise _ChildFailedError("did not answer the request")
