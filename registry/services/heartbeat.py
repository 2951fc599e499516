"""When a log says anew that it lives: a fresh timestamped line under an unchanged checkpoint.

Spec: specs/transparency-log.md "Heartbeat"
"""

from __future__ import annotations

import threading

from registry.adapters.system_clock import Clock
from registry.limits import HEARTBEAT_INTERVAL_MS
from registry.log.checkpoint import Checkpoint
from registry.log.cosignature import Cosigner, cosign
from registry.log.note import NoteSignature


class Heartbeat:
    """Makes the lines of one log. Safe from any thread.

    Args:
        cosigner: the log's heartbeat key under its origin; serves nothing else.
        clock: the registry's.
        interval_ms: between two lines of one checkpoint.
    """

    def __init__(self, cosigner: Cosigner, clock: Clock, *, interval_ms: int = HEARTBEAT_INTERVAL_MS) -> None:
        self.cosigner, self._clock, self.interval_ms = cosigner, clock, interval_ms
        self._mutex = threading.Lock()
        self._head: Checkpoint | None = None
        self._line: NoteSignature | None = None
        self.time_s = 0
        """Of the newest line, POSIX seconds; 0 before the first. Never goes back, whatever the clock does."""

    def is_due(self, head: Checkpoint) -> bool:
        """Say whether a head that has a line needs a fresh one."""
        return self._head == head and self._clock.now_ms() - self.time_s * 1_000 >= self.interval_ms

    def is_stale(self, time_s: int) -> bool:
        """Say whether a cosignature of that time, POSIX seconds, is so old that its witness is asked again."""
        return self._clock.now_ms() - time_s * 1_000 >= self.interval_ms

    def line(self, head: Checkpoint) -> NoteSignature:
        """Return the head's line: the one there is, or a fresh one where that is due.

        Args:
            head: the largest of its log that this process knows; the caller made sure.
        """
        with self._mutex:
            if self._line is None or self._head != head or self.is_due(head):
                self.time_s = max(self._clock.now_ms() // 1_000, self.time_s, 1)
                self._head, self._line = head, cosign(head, self.cosigner, time_s=self.time_s)
            return self._line
