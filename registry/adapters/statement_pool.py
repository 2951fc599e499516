"""Batches parsed and verified in other processes, while the writer of this one places what came before.

All that this process does holds one interpreter, so a second core would be idle. Not a pool of `multiprocessing`: its
children run the main module again, whatever that does, and outlive a parent that is killed (adr/0028). A child is started
by the first large batch; until it is up, after it has ended, and for whatever it makes nothing of, the work is the
caller's: nobody gets an error from here, and no statement is lost or taken twice, for only the caller submits.
"""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import IO, Final, TypeAlias

from registry.adapters.child_process import start_child
from registry.adapters.statement_child import FIRST_REQUEST, UnfitAnswerError, read_answer, read_frame, write_frame
from registry.history.packed_statement import PackedStatement
from registry.limits import VERIFY_ANSWER_MS, VERIFY_CHUNK_LINES, VERIFY_LEAST_LINES, VERIFY_RESTART_MS

Packed: TypeAlias = list[PackedStatement | None]

_LOG = logging.getLogger(__name__)
# The code of this very process, wherever it was found; the child's folder is another one.
_START: Final = "import sys; sys.path[:] = sys.argv[1:]; from registry.adapters.statement_child import main; main()"


def start_statement_child() -> subprocess.Popen[bytes]:
    """Start a process that verifies statements; `statement_child` says how it is asked.

    Raises:
        OSError: it could not be started.
    """
    path = [os.path.abspath(folder) for folder in sys.path]  # noqa: PTH100 - an empty one is the current folder
    return start_child([sys.executable, "-I", "-c", _START, *path])


class StatementPool:
    """Verifies batches in a number of processes, none of which is started before it is needed.

    Args:
        processes: besides this one; 0 leaves everything to the caller.
        answer_ms: a process that says nothing for so long while it is asked is ended.
        restart_ms: least time between two starts.
        clock: seconds that never go backwards.
    """

    def __init__(
        self,
        processes: int,
        *,
        answer_ms: int = VERIFY_ANSWER_MS,
        restart_ms: int = VERIFY_RESTART_MS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes = processes
        self._answer_s = answer_ms / 1_000
        self._restart_s = restart_ms / 1_000
        self._clock = clock
        self._lock = threading.Lock()
        self._workers: list[_Worker] = []
        self._not_before = clock()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """The processes that are there, also those that are still starting."""
        return [worker.pid for worker in self._workers if not worker.has_ended]

    def verify(self, lines: Sequence[bytes], *, origin: str, now_ms: int | None) -> Packed:
        """Return what `pack_lines` makes of lines; None for each that the caller has to look at itself.

        Args:
            lines: signed statements as they came.
            origin: the log's origin.
            now_ms: log time; None in a replay registry.
        """
        workers = self._workers_up() if self._processes and len(lines) >= VERIFY_LEAST_LINES else []
        if not workers:
            return [None] * len(lines)
        asked: list[tuple[_Worker, Future[Packed]]] = []
        for at in range(0, len(lines), VERIFY_CHUNK_LINES):
            worker = min(workers, key=lambda one: one.waiting)
            asked.append((worker, worker.ask(lines[at : at + VERIFY_CHUNK_LINES], origin, now_ms)))
        return [packed for worker, future in asked for packed in worker.wait_for(future, self._answer_s)]

    def close(self) -> None:
        """End the processes, also those at work: what they were asked is left to the callers, as all that comes later."""
        with self._lock:
            self._closed = True
        for worker in self._workers:
            worker.close()

    def _workers_up(self) -> list[_Worker]:
        """Return the processes that have answered once; start what is missing."""
        with self._lock:
            self._workers = [worker for worker in self._workers if not worker.has_ended]
            missing = self._processes - len(self._workers)
            if missing and not self._closed and self._clock() >= self._not_before:
                self._not_before = self._clock() + self._restart_s
                try:
                    for _ in range(missing):
                        self._workers.append(_Worker())
                except (OSError, RuntimeError) as error:
                    _LOG.warning("no process to verify statements could be started: %s", error)
            return [worker for worker in self._workers if worker.is_up]


class _Worker:
    """One process: asked by any thread, its answers come in the order of what was asked.

    Two threads stand at its pipes, so that a caller waits for an answer only, and the process for no caller.

    Raises:
        OSError, RuntimeError: it could not be started, or one of its threads.
    """

    def __init__(self) -> None:
        self._process = start_statement_child()
        self._requests: queue.SimpleQueue[tuple[tuple[bytes, ...], str, int | None] | None] = queue.SimpleQueue()
        self._asked: deque[tuple[Future[Packed], int]] = deque()
        self._lock = threading.Lock()
        self._closing = False
        self._heard = time.monotonic()
        self.is_up = False
        self.has_ended = False
        self._reader = threading.Thread(target=self._read, name="statement answers", daemon=True)
        try:
            self._reader.start()
            threading.Thread(target=self._write, name="statement requests", daemon=True).start()
        except RuntimeError:  # there are as many threads as may be
            self._closing = True
            self._process.kill()
            if self._reader.ident is None:
                self._end()
            else:
                self._reader.join()
            _pipe(self._process.stdin).close()
            raise
        self.ask(*FIRST_REQUEST)  # its answer says that all is loaded

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def waiting(self) -> int:
        """How many answers are to come."""
        return len(self._asked)

    def ask(self, lines: Sequence[bytes], origin: str, now_ms: int | None) -> Future[Packed]:
        """Queue lines to be verified; the future never fails."""
        future: Future[Packed] = Future()
        with self._lock:
            if self.has_ended:
                future.set_result([None] * len(lines))
            else:
                self._asked.append((future, len(lines)))
                self._requests.put((tuple(lines), origin, now_ms))
        return future

    def wait_for(self, future: Future[Packed], silent_s: float) -> Packed:
        """Return an answer; a process from which none at all comes for so long is ended."""
        while True:
            try:
                return future.result(silent_s)
            except TimeoutError:
                if time.monotonic() - self._heard >= silent_s:
                    self._process.kill()

    def close(self) -> None:
        """End the process at once."""
        self._closing = True
        self._process.kill()
        self._reader.join()

    def _write(self) -> None:
        stdin = _pipe(self._process.stdin)
        with suppress(OSError):  # it has ended, which the reader sees too
            while (request := self._requests.get()) is not None:
                write_frame(stdin, request)
        with suppress(OSError):
            stdin.close()

    def _read(self) -> None:
        stdout = _pipe(self._process.stdout)
        try:
            while (data := read_frame(stdout)) is not None:
                if not self._asked:
                    raise UnfitAnswerError("answers what it was not asked")  # noqa: TRY301 - as below
                future, count = self._asked[0]
                answer = read_answer(data, count if self.is_up else None)
                self._heard = time.monotonic()
                self.is_up = True
                self._asked.popleft()
                future.set_result(answer)
        except UnfitAnswerError as error:
            self._closing = True
            _LOG.warning("a process that verifies statements %s; its work is done here until another is up", error)
        finally:
            self._end()

    def _end(self) -> None:
        """Leave to the callers what is not answered."""
        with self._lock:
            self.has_ended = True
        self._requests.put(None)
        while self._asked:
            future, count = self._asked.popleft()
            future.set_result([None] * count)
        self._process.kill()
        code = self._process.wait()
        _pipe(self._process.stdout).close()
        if not self._closing:
            _LOG.warning(
                "a process that verifies statements ended (%d); its work is done here until another is up", code
            )


def _pipe(one: IO[bytes] | None) -> IO[bytes]:
    assert one is not None
    return one
