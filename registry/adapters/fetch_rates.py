"""How often and how many at a time the fetcher may go out: per host, per address and in all.

Decides only yes or no. The counters are bounded: the name not asked for longest is forgotten first, and the limit over
all names holds whoever makes it forget.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from registry.adapters.fetch_errors import FetchRateError

_MINUTE_S: Final = 60.0


class Buckets:
    """Token buckets by name: so many a minute each, the whole minute at once if need be. Safe from any thread.

    Args:
        per_minute: fetches.
        names: most names that are remembered.
        clock: seconds that never go backwards.
    """

    def __init__(self, per_minute: int, *, names: int, clock: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._names = names
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> None:
        """Count one fetch.

        Raises:
            FetchRateError: did_fetch_rate.
        """
        with self._lock:
            now = self._clock()
            level, since = self._levels.pop(name, (float(self._per_minute), now))
            level = min(float(self._per_minute), level + (now - since) * self._per_minute / _MINUTE_S)
            allowed = level >= 1
            self._levels[name] = (level - 1 if allowed else level, now)
            while len(self._levels) > self._names:
                self._levels.popitem(last=False)
        if not allowed:
            raise FetchRateError


class Places:
    """Fetches at a time, by host. Safe from any thread.

    Args:
        per_host: most at a time of one host.
    """

    def __init__(self, per_host: int) -> None:
        self._per_host = per_host
        self._lock = threading.Lock()
        self._taken: dict[str, int] = {}

    @contextmanager
    def held(self, host: str) -> Iterator[None]:
        """Hold a place while something is fetched from a host.

        Raises:
            FetchRateError: did_fetch_rate.
        """
        with self._lock:
            if self._taken.get(host, 0) >= self._per_host:
                raise FetchRateError
            self._taken[host] = self._taken.get(host, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[host] -= 1
                if not self._taken[host]:
                    del self._taken[host]
