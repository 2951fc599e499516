"""Threads for answers that wait: few, with a short queue, and shared out among those who ask.

Decides who may wait and who is told to come back. Other doors keep their own threads, so that whoever fills these fills
nothing else.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from did_methods.errors import BonafidesError, DidError
from registry.errors import DependencyError

_R = TypeVar("_R")


class ResolutionBusyError(DidError):
    """As many requests as this process takes at a time wait for an answer; it says nothing about the DID."""

    code = "did_resolution_busy"
    title = "Too many DIDs are being resolved; try again"


class VerificationBusyError(DependencyError):
    """As many credentials as this process takes at a time are being verified or issued; it says nothing about this one."""

    code = "verification_busy"
    title = "Too many credentials are being verified; try again"


class Workers:
    """Does blocking work for the event loop, up to a number of requests and a share of them for each source.

    Args:
        name: of its threads.
        threads: that work at a time.
        waiting: requests that may wait for one.
        per_source: requests of one source that may work or wait.
        busy: what is raised where there is no place left.
    """

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        waiting: int,
        per_source: int,
        busy: type[BonafidesError] = ResolutionBusyError,
    ) -> None:
        self._busy = busy
        self._pool = ThreadPoolExecutor(threads, name)
        self._most = threads + waiting
        self._per_source = per_source
        self._lock = threading.Lock()
        self._held = 0
        self._sources: Counter[str] = Counter()

    async def run(self, source: str | None, work: Callable[[], _R]) -> _R:
        """Return what the work gives, or raise what it raises.

        A caller that goes away gives up its wait. Work that has begun goes on, has an end of its own, and holds its
        place until then.

        Args:
            source: who asks; None is not counted by source.
            work: called in a thread.

        Raises:
            BonafidesError: the error for no place left, did_resolution_busy or verification_busy.
        """
        self._take(source)
        future = self._pool.submit(work)
        future.add_done_callback(lambda _done: self._release(source))
        return await asyncio.wrap_future(future)

    def _take(self, source: str | None) -> None:
        with self._lock:
            if self._held >= self._most or (source is not None and self._sources[source] >= self._per_source):
                raise self._busy
            self._held += 1
            if source is not None:
                self._sources[source] += 1

    def _release(self, source: str | None) -> None:
        with self._lock:
            self._held -= 1
            if source is not None:
                self._sources[source] -= 1
                if not self._sources[source]:
                    del self._sources[source]
