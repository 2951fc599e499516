"""How often strangers may ask for work: sliding windows per source address, for all together, and per DID.

The counters are bounded and live in memory: a restart gives everybody a new hour, and no restart is in a caller's hands.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque

from registry.errors import LimitError
from registry.limits import TRACKED_SOURCES

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class RequestRateError(LimitError):
    """Too many requests of this kind in a short time."""

    code = "request_rate_exceeded"
    title = "Too many such requests; try again later"


class Windows:
    """Counts by name what happened within a time; the name idle longest is forgotten first. Safe from any thread.

    Args:
        most: of a name within the time.
        within_ms: the time.
        names: most names that are remembered.
    """

    def __init__(self, most: int, within_ms: int, *, names: int = TRACKED_SOURCES) -> None:
        self._most = most
        self._within_ms = within_ms
        self._names = names
        self._mutex = threading.Lock()
        self._windows: OrderedDict[str, deque[int]] = OrderedDict()

    def take(self, name: str, *, now_ms: int, whose: str) -> None:
        """Count one.

        Args:
            name: what is counted under.
            now_ms: the wall clock.
            whose: told in the error.

        Raises:
            RequestRateError: ``request_rate_exceeded`` with ``retry_after_s``.
        """
        with self._mutex:
            window = self._windows.pop(name, deque())
            self._windows[name] = window
            while window and window[0] <= now_ms - self._within_ms:
                window.popleft()
            if len(window) >= self._most:
                seconds = max(1, -((now_ms - window[0] - self._within_ms) // 1_000))
                raise RequestRateError(whose, retry_after_s=seconds)
            window.append(now_ms)
            while len(self._windows) > self._names:
                self._windows.popitem(last=False)

    def has_room(self, name: str, *, now_ms: int) -> bool:
        """Say whether one more would be allowed."""
        with self._mutex:
            window = self._windows.get(name, ())
            return sum(time_ms > now_ms - self._within_ms for time_ms in window) < self._most


class SourceRates:
    """Requests of one kind, per source and hour, and for all together per minute.

    Args:
        per_source_hour: of one address.
        per_minute: of all addresses.
    """

    def __init__(self, *, per_source_hour: int, per_minute: int) -> None:
        self._sources = Windows(per_source_hour, HOUR_MS)
        self._all = Windows(per_minute, MINUTE_MS, names=1)

    def take(self, source: str | None, *, now_ms: int) -> None:
        """Count one request.

        Args:
            source: the caller's address; None is not counted by source (loopback in --dev).
            now_ms: the wall clock.

        Raises:
            RequestRateError: ``request_rate_exceeded``.
        """
        # Whoever is refused because others ask too much keeps its own share.
        if source is not None and self._all.has_room("", now_ms=now_ms):
            self._sources.take(source, now_ms=now_ms, whose="this source")
        self._all.take("", now_ms=now_ms, whose="all sources together")
