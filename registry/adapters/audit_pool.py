"""What an audit does beside its fold, in other processes: entries parsed ahead of it, Ed25519 signatures verified after it.

The fold goes entry by entry, because keys, chains and scores follow from the entries before. Parsing and verifying do not:
both release the fold of most of its work, and take every core.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Self, TypeVar

from did_methods.keys import PublicKey, SignatureInvalidError
from registry.audit.reader import Portion
from registry.audit.workers import SignatureJob

T = TypeVar("T")

MOST_WAITING = 64
_AT_ONCE = 4
"""Portions that a process gets together: to hand something over costs as much as to look at fifty entries."""
_AHEAD = 1
"""Handfuls of portions that wait for each process besides the one it looks at."""


def verify_jobs(jobs: Sequence[SignatureJob]) -> int | None:
    """Verify signatures in order and return the index of the first that fails; runs in a worker."""
    keys: dict[bytes, PublicKey] = {}
    for index, raw, signature, message in jobs:
        key = keys.get(raw)
        if key is None:
            key = keys[raw] = PublicKey("ed25519", raw)
        try:
            key.verify(signature, message)
        except SignatureInvalidError:
            return index
    return None


def look_at_each(look: Callable[[int, Sequence[bytes]], T], some: Sequence[tuple[int, Sequence[bytes]]]) -> list[T]:
    """Look at portions, each given by its start and its entries; runs in a worker."""
    return [look(start, entries) for start, entries in some]


class AuditPool:
    """Works in a number of processes; a context manager, so that none of them is left behind.

    Args:
        processes: at least 1; none is started before it is needed.
        here: so many entries are left to the fold first: a short log is done before others could start.
    """

    def __init__(self, processes: int, *, here: int = 0) -> None:
        context = multiprocessing.get_context("spawn")  # a forked child would share the parent's sockets
        self._pool = ProcessPoolExecutor(processes, mp_context=context)
        self._waiting: deque[Future[int | None]] = deque()
        self._failed: int | None = None
        self._most_ahead = processes * (1 + _AHEAD)
        self._here = here

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def ahead(
        self, look: Callable[[int, Sequence[bytes]], T], portions: Iterable[Portion]
    ) -> Iterator[tuple[Portion, T | None]]:
        """Yield portions in order, each with what `look` makes of its start and entries; None for the first ones.

        Args:
            look: a function that another process finds by its name.
            portions: read as far ahead as there are processes to look at them.
        """
        each = iter(portions)
        while self._here > 0 and (portion := next(each, None)) is not None:
            self._here -= len(portion.entries)
            yield portion, None
        looking: deque[tuple[list[Portion], Future[list[T]]]] = deque()
        while some := list(islice(each, _AT_ONCE)):
            asked = [(portion.start, portion.entries) for portion in some]
            looking.append((some, self._pool.submit(look_at_each, look, asked)))
            if len(looking) > self._most_ahead:
                first, looked = looking.popleft()
                yield from zip(first, looked.result(), strict=True)
        for first, looked in looking:
            yield from zip(first, looked.result(), strict=True)

    def submit(self, jobs: Sequence[SignatureJob]) -> None:
        """Take signatures to verify; waits where too many are waiting already."""
        if self._here > 0:
            self._note(verify_jobs(jobs))
            return
        if len(self._waiting) >= MOST_WAITING:
            self._take(self._waiting.popleft())
        self._waiting.append(self._pool.submit(verify_jobs, list(jobs)))

    def first_failure(self, *, wait: bool) -> int | None:
        """Return the lowest index that failed so far."""
        while self._waiting and (wait or self._waiting[0].done()):
            self._take(self._waiting.popleft())
        return self._failed

    def _take(self, future: Future[int | None]) -> None:
        self._note(future.result())

    def _note(self, failed: int | None) -> None:
        if failed is not None and (self._failed is None or failed < self._failed):
            self._failed = failed
