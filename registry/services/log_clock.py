"""Log time, and when it cannot be trusted: a clock that jumps, stands still or goes back is refused, never guessed around.

Three things speak about the wall clock. The log itself: its newest entry is in the past. The machine's steady clock,
which nobody sets: both must have moved on alike in the last hour. And the witnesses, whose signed times come
from other machines. While one of them contradicts it, nothing new gets a place in the log; known events are answered and
reads go on. It heals by itself when the clock is right again; where it was the earlier time that was wrong, the
operator restarts the process, or most witnesses confirm the new time.

Spec: specs/history.md "Log time"
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from registry.adapters.system_clock import Clock
from registry.errors import DependencyError
from registry.limits import CLOCK_JUMP_MS, WITNESS_CLOCK_MS, WITNESS_TIME_KEPT_MS

_BEHIND_MS = 1_000
_SLEW_PER_MS = 1 / 1_000
"""A time service may slew a clock by half of this; more than this is a jump."""
_SINCE_MS = 3_600_000
"""Both clocks are compared with what they were at most this long ago: what slewing may add up to stays small."""


class LogClockError(DependencyError):
    """The machine's clock lies before the log's newest time, or before a witness's."""

    code = "log_clock_behind"
    title = "The clock is behind the log's time"


class ClockJumpedError(DependencyError):
    """The wall clock and the machine's steady clock have moved apart."""

    code = "log_clock_jumped"
    title = "The clock jumped or stands still; the log takes no entries until it is right again"


class ClockDisputedError(DependencyError):
    """Most witnesses tell another time than this machine."""

    code = "log_clock_disputed"
    title = "Most witnesses tell another time than this machine"


class LogClock:
    """The wall clock, watched. Safe from any thread.

    Args:
        clock: the machine's.
        newest_ms: log time of the newest entry.
    """

    def __init__(self, clock: Clock, *, newest_ms: Callable[[], int]) -> None:
        self._clock = clock
        self._newest_ms = newest_ms
        self._witnesses = 0
        self._not_before_ms = 0
        self._mutex = threading.Lock()
        self._began_ms, self._began_steady_ms = clock.now_ms(), clock.steady_ms()
        self._heard: dict[str, tuple[int, int]] = {}

    def now_ms(self) -> int:
        """Return the wall clock, POSIX milliseconds.

        Raises:
            LogClockError: ``log_clock_behind``.
            ClockJumpedError: ``log_clock_jumped``.
            ClockDisputedError: ``log_clock_disputed``.
        """
        now, steady = self._clock.now_ms(), self._clock.steady_ms()
        if now < self._newest_ms() - _BEHIND_MS or now < self._not_before_ms - WITNESS_CLOCK_MS:
            raise LogClockError
        with self._mutex:
            offsets = [
                abs(time_ms + steady - heard_ms - now)
                for time_ms, heard_ms in self._heard.values()
                if steady - heard_ms <= WITNESS_TIME_KEPT_MS
            ]
            for_it = sum(offset <= WITNESS_CLOCK_MS for offset in offsets)
            if (len(offsets) - for_it) * 2 > self._witnesses:
                raise ClockDisputedError(f"{len(offsets) - for_it} of {self._witnesses}")
            passed = steady - self._began_steady_ms
            apart = now - self._began_ms - passed
            if abs(apart) > CLOCK_JUMP_MS + passed * _SLEW_PER_MS:
                if for_it * 2 <= self._witnesses:
                    raise ClockJumpedError(f"by {apart / 1_000:+.1f} s", apart_ms=apart)
                passed = _SINCE_MS  # most witnesses confirm the new time: compare with it from now on
            if passed >= _SINCE_MS:
                self._began_ms, self._began_steady_ms = now, steady
        return now

    def expect(self, witnesses: int, *, not_before_ms: int) -> None:
        """Be told of the witnesses.

        Args:
            witnesses: how many the policy names.
            not_before_ms: the newest time that one has ever put under a checkpoint of this log; 0 for none.
        """
        self._witnesses, self._not_before_ms = witnesses, not_before_ms

    def hear(self, witness: str, time_ms: int) -> None:
        """Take the time that a witness has just put under a checkpoint, verified."""
        with self._mutex:
            self._heard[witness] = (time_ms, self._clock.steady_ms())
