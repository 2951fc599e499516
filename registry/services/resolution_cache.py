"""Two small tools of resolution: work that many wait for is done once, and what it gave is kept within bounds."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

_V = TypeVar("_V")


class SingleFlight(Generic[_V]):
    """Lets the first caller of a key work and gives its outcome to whoever asks meanwhile. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[_V]] = {}

    def share(self, key: Hashable, work: Callable[[], _V]) -> _V:
        """Return what the work under this key gives, or raise what it raises.

        Args:
            key: of the work.
            work: done by one caller at a time; has an end of its own.
        """
        with self._lock:
            future = self._under_way.get(key)
            leads = future is None
            if future is None:
                future = self._under_way[key] = Future()
        if not leads:
            return future.result()
        try:
            value = work()
        except BaseException as error:
            self._forget(key)
            future.set_exception(error)
            raise
        self._forget(key)
        future.set_result(value)
        return value

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            del self._under_way[key]


class BoundedCache(Generic[_V]):
    """Keeps values up to a count and a weight; the one unused longest goes first. Safe from any thread.

    Args:
        most: values.
        weight: of all together, in whatever `put` counts.
    """

    def __init__(self, most: int, *, weight: int) -> None:
        self._most = most
        self._weight = weight
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[_V, int]] = OrderedDict()
        self._held = 0

    def get(self, key: Hashable) -> _V | None:
        """Return the value under a key, or None."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: _V, *, weight: int = 1) -> None:
        """Keep a value in place of the one before; one heavier than the whole cache is not kept."""
        with self._lock:
            self._drop(key)
            if weight > self._weight:
                return
            self._values[key] = (value, weight)
            self._held += weight
            while len(self._values) > self._most or self._held > self._weight:
                self._drop(next(iter(self._values)))

    def drop(self, key: Hashable) -> None:
        """Forget a key."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self._held -= found[1]
