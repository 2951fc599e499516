"""What every route needs: the registry, the guard, the counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from registry import limits
from registry.api.guard import Guard
from registry.api.streams import Streams
from registry.api.workers import VerificationBusyError, Workers
from registry.bootstrap import Registry

_R = TypeVar("_R")


def _resolution_workers() -> Workers:
    return Workers(
        "resolve",
        threads=limits.RESOLUTION_REQUESTS_AT_A_TIME,
        waiting=limits.RESOLUTION_REQUESTS_WAITING,
        per_source=limits.RESOLUTION_REQUESTS_PER_SOURCE,
    )


def _history_workers() -> Workers:
    return Workers(
        "history",
        threads=limits.RESOLUTION_HISTORIES_AT_A_TIME,
        waiting=limits.RESOLUTION_HISTORIES_WAITING,
        per_source=limits.RESOLUTION_REQUESTS_PER_SOURCE,
    )


def _verification_workers() -> Workers:
    return Workers(
        "verify",
        threads=limits.VERIFICATIONS_AT_A_TIME,
        waiting=limits.VERIFICATIONS_WAITING,
        per_source=limits.VERIFICATIONS_PER_SOURCE,
        busy=VerificationBusyError,
    )


@dataclass(slots=True)
class ApiState:
    """Held by the app.

    Attributes:
        registry: the wired parts.
        guard: who may call.
        refusals: refused requests by code.
        decisions: decisions by (allowed, reason).
        profile: members added to every answer of a replay registry.
        resolution_workers: resolve DIDs elsewhere.
        history_workers: unfold earlier versions of hosted DIDs.
        packed_bundles: full entry bundles, compressed, by number; the one kept longest goes first.
        full_tiles: full tiles by level and number; the one kept longest goes first. Of the event loop.
        verification_workers: issue and verify credentials.
        streams: counts the open streams of the log.
        closing: whether the server stops, so that streams end.
        waiting: requests that wait for a checkpoint now; counted on the event loop.
        writing: requests with a single statement that are not answered yet; likewise.
    """

    registry: Registry
    guard: Guard
    refusals: Counter[str] = field(default_factory=Counter)
    decisions: Counter[tuple[bool, str]] = field(default_factory=Counter)
    profile: dict[str, Any] = field(default_factory=dict)
    resolution_workers: Workers = field(default_factory=_resolution_workers)
    history_workers: Workers = field(default_factory=_history_workers)
    packed_bundles: dict[int, bytes] = field(default_factory=dict)
    full_tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)

    async def blocking(self, work: Callable[[], _R]) -> _R:
        """Do what asks a shared database, and may wait for it, off the event loop; what asks memory, on it."""
        return await run_in_threadpool(work) if self.registry.database.is_shared else work()

    def keep_packed(self, number: int, packed: bytes) -> None:
        """Keep a compressed bundle. The table is replaced as a whole: readers on other threads see one or the other."""
        kept = list(self.packed_bundles.items())[-(limits.BUNDLES_COMPRESSED - 1) :]
        self.packed_bundles = {**dict(kept), number: packed}

    verification_workers: Workers = field(default_factory=_verification_workers)
    waiting: int = 0
    writing: int = 0
    streams: Streams = field(default_factory=Streams)
    closing: bool = False


def state_of(request: Request) -> ApiState:
    """Return the app's state."""
    api: ApiState = request.app.state.api
    return api
