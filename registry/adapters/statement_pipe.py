"""Single statements parsed and verified in another process, for an event loop that is busy with those of other callers.

Verifying one takes a third of what the loop does for it, and what waits at the loop waits for all of them. Like the pool
for batches (``statement_pool.py``) this gives no errors and loses nothing: until the child is up, after it has ended, and
for whatever it makes nothing of, the work is the caller's. Only the event loop touches it, so it needs no threads, which
would take the interpreter from that loop; what comes while the child is busy goes to it together.

Spec: adr/0028
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from registry.adapters.statement_child import FIRST_REQUEST, LENGTH_BYTES, UnfitAnswerError, frame_of, read_answer
from registry.adapters.statement_pool import start_statement_child
from registry.history.packed_statement import PackedStatement
from registry.limits import VERIFY_ANSWER_MS, VERIFY_RESTART_MS, VERIFY_WAITING

Answer: TypeAlias = "asyncio.Future[PackedStatement | None]"

_LOG = logging.getLogger(__name__)
# One that the child works on, and one that it finds as soon as it is done.
_FRAMES_AT_ONCE: Final = 2


class StatementPipe:
    """Verifies single statements in one process, which the first caller starts.

    Args:
        is_wanted: False leaves everything to the caller.
        answer_ms: a process that says nothing for so long while it is asked is ended.
        restart_ms: least time between two starts; one that is not up after so long is ended.
        clock: seconds that never go backwards.
    """

    def __init__(
        self,
        *,
        is_wanted: bool,
        answer_ms: int = VERIFY_ANSWER_MS,
        restart_ms: int = VERIFY_RESTART_MS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer_s = answer_ms / 1_000
        self._restart_s = restart_ms / 1_000
        self._clock = clock
        self._not_before = clock()
        self._child: _Child | None = None
        self._starting: asyncio.Task[None] | None = None
        self._closed = not is_wanted

    @property
    def pid(self) -> int | None:
        """The process, once it has answered; None where there is none."""
        child = self._child
        return child.pid if child is not None and child.is_up and not child.has_ended else None

    async def verify(self, line: bytes, *, origin: str, now_ms: int | None) -> PackedStatement | None:
        """Return what `pack_lines` makes of a statement; None where the caller has to look at it itself.

        Args:
            line: a signed statement as it came.
            origin: the log's origin.
            now_ms: log time; None in a replay registry.
        """
        child = self._child
        if child is None or child.has_ended:
            self._start_if_due()
            return None
        if not child.is_up or child.loop is not asyncio.get_running_loop() or child.waiting >= VERIFY_WAITING:
            return None
        return await child.ask(line, origin, now_ms)

    def close(self) -> None:
        """End the process, also one at work: what it was asked is left to the callers, as all that comes later.

        Called where `verify` was, or when its event loop has ended.
        """
        self._closed = True
        if self._child is not None:
            self._child.end(is_wanted=True)

    def _start_if_due(self) -> None:
        if self._closed or self._starting is not None or self._clock() < self._not_before:
            return
        self._not_before = self._clock() + self._restart_s
        self._starting = asyncio.get_running_loop().create_task(self._start())

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            # In a thread: making a process copies the tables of this one's memory, and the loop serves others.
            process = await loop.run_in_executor(None, start_statement_child)
            self._child = child = _Child(process, loop, self._restart_s, self._answer_s)
            await child.connect()
        except (OSError, RuntimeError) as error:  # or there are as many threads as may be
            _LOG.warning("no process to verify statements could be started: %s", error)
        finally:
            self._starting = None
            # Closed, or given up with the loop, while it was being started.
            if self._child is not None and (self._closed or not self._child.is_connected):
                self._child.end(is_wanted=True)


class _Child(asyncio.Protocol):
    """One process, at the end of its output; its answers come in the order of what was asked."""

    def __init__(
        self, process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, start_s: float, answer_s: float
    ) -> None:
        self.loop = loop
        self.is_up = False
        self.has_ended = False
        self._process = process
        self._silent_s = start_s  # until it is up
        self._answer_s = answer_s
        self._requests: asyncio.WriteTransport | None = None
        self._answers: asyncio.ReadTransport | None = None
        self._received = bytearray()
        self._waiting: list[tuple[bytes, Answer]] = []
        self._asked: deque[list[Answer]] = deque()
        self._asked_as: tuple[str, int | None] = ("", None)
        self._heard = loop.time()
        self._watch: asyncio.TimerHandle | None = None
        self._is_due = False

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def is_connected(self) -> bool:
        """Whether it can be asked."""
        return self._requests is not None and self._answers is not None

    @property
    def waiting(self) -> int:
        """How many statements it has not answered."""
        return len(self._waiting) + sum(map(len, self._asked))

    async def connect(self) -> None:
        """Take both pipes, and ask once: the answer says that all is loaded."""
        self._requests, _ = await self.loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        self._answers, _ = await self.loop.connect_read_pipe(lambda: self, self._process.stdout)
        if not self.has_ended:
            self._write(FIRST_REQUEST, [])

    def ask(self, line: bytes, origin: str, now_ms: int | None) -> Answer:
        """Ask about a statement; the answer never fails."""
        answer: Answer = self.loop.create_future()
        if self.has_ended:
            answer.set_result(None)
            return answer
        self._waiting.append((line, answer))
        self._asked_as = origin, now_ms
        if not self._is_due:
            self._is_due = True
            self.loop.call_soon(self._send)  # after all that this turn of the loop brings
        return answer

    def end(self, *, is_wanted: bool) -> None:
        """End the process, and leave to the callers what is not answered."""
        if self.has_ended:
            return
        self.has_ended = True
        self._process.kill()
        code = self._process.wait()
        self._rest()
        is_running = self.loop.is_running()  # else it has ended, and nobody waits on it
        for pipe, file in ((self._requests, self._process.stdin), (self._answers, self._process.stdout)):
            if pipe is not None and is_running:
                pipe.close()
            elif file is not None:
                file.close()
        if not is_running:
            return
        for answer in [one for answers in self._asked for one in answers] + [one for _, one in self._waiting]:
            if not answer.done():
                answer.set_result(None)
        self._asked.clear()
        self._waiting.clear()
        if not is_wanted:
            _LOG.warning(
                "the process that verifies statements ended (%d); its work is done here until another is up", code
            )

    def data_received(self, data: bytes) -> None:
        """Take what it answered."""
        self._received += data
        try:
            while self._take_message():
                pass
        except UnfitAnswerError as error:
            self.end(is_wanted=True)
            _LOG.warning("the process that verifies statements %s; its work is done here until another is up", error)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's own
        """It has closed its output, which it does by ending only."""
        self.end(is_wanted=False)

    def _take_message(self) -> bool:
        received = self._received
        end = LENGTH_BYTES + int.from_bytes(received[:LENGTH_BYTES], "big")
        if len(received) < LENGTH_BYTES or len(received) < end:
            return False
        if not self._asked:
            raise UnfitAnswerError("answers what it was not asked")
        message = read_answer(received[LENGTH_BYTES:end], len(self._asked[0]) if self.is_up else None)
        del received[:end]
        self._heard = self.loop.time()
        if not self.is_up:
            self.is_up, self._silent_s = True, self._answer_s
            self._rest()
        for answer, packed in zip(self._asked.popleft(), message, strict=True):
            if not answer.done():  # else its caller has gone
                answer.set_result(packed)
        return True

    def _send(self) -> None:
        self._is_due = False
        if not self.is_up or self.has_ended or not self._waiting or len(self._asked) >= _FRAMES_AT_ONCE:
            return
        origin, now_ms = self._asked_as
        waiting, self._waiting = self._waiting, []
        self._write(([line for line, _ in waiting], origin, now_ms), [answer for _, answer in waiting])

    def _write(self, request: tuple[Sequence[bytes], str, int | None], answers: list[Answer]) -> None:
        assert self._requests is not None
        self._requests.write(frame_of(request))
        if not self._asked:
            self._heard = self.loop.time()
        self._asked.append(answers)
        if self._watch is None:
            self._watch = self.loop.call_later(self._silent_s, self._look)

    def _rest(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look(self) -> None:
        """End a process that hangs."""
        left_s = self._heard + self._silent_s - self.loop.time()
        self._watch = None
        if self._asked and left_s <= 0:
            self.end(is_wanted=False)
        elif self._asked:
            self._watch = self.loop.call_later(left_s, self._look)
