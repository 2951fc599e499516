"""The only door to the machine's clock."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now_ms(self) -> int:
        """Return POSIX milliseconds."""
        ...

    def steady_ms(self) -> int:
        """Return milliseconds of a clock that nobody sets and that runs on while the machine sleeps."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Return POSIX milliseconds of the machine's clock."""
        return time.time_ns() // 1_000_000

    def steady_ms(self) -> int:
        """Return milliseconds since some instant, the machine's sleep included where the platform tells it."""
        clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        return time.clock_gettime_ns(clock) // 1_000_000
