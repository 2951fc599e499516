"""JSON-LD checked and canonicalised in child processes: what implements ``JsonLdProcessor`` in a registry.

Decides which of at most two children a caller gets and how many callers may wait. A document that costs more than its share
of time, memory or room is refused as such, its child is replaced, and the next call finds a new one at once. Safe for any number of threads.

Spec: specs/json-ld.md "Where it runs"
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from registry import limits
from registry.adapters.child_process import (
    ChildAbsentError,
    ChildLimits,
    ChildNonsenseError,
    ChildOverdueError,
    ChildSupervisor,
    ChildUnavailableError,
)
from registry.credentials.json_ld_errors import (
    REFUSALS,
    JsonLdBusyError,
    JsonLdError,
    JsonLdNotInstalledError,
    JsonLdUnavailableError,
    JsonLdWorkError,
)
from registry.credentials.json_ld_processor import Digest

_CHILD_MODULE: Final = "json_ld_child"
JSON_LD_CHILD_LIMITS: Final = ChildLimits(
    call_ms=limits.JSON_LD_CALL_MS,
    start_ms=limits.JSON_LD_START_MS,
    waiting=1,  # callers wait for a free child here, not for a certain one
    request_bytes=limits.JSON_LD_REQUEST_BYTES,
    answer_bytes=limits.JSON_LD_ANSWER_BYTES,
    memory_bytes=limits.JSON_LD_MEMORY_BYTES,
    cpu_seconds=limits.JSON_LD_CPU_SECONDS,
    calls=limits.JSON_LD_CALLS_PER_CHILD,
)


class JsonLdProcess:
    """A ``JsonLdProcessor`` of at most two child processes, each started when it is needed.

    Args:
        child_limits: how much time, memory and patience a child gets.
        children: most processes.
        waiting: callers at a time, those being served included.
        command: starts a child; the limits that it sets itself are appended. None for this product's own.
        clock: seconds that never go backwards.
    """

    def __init__(
        self,
        child_limits: ChildLimits = JSON_LD_CHILD_LIMITS,
        *,
        children: int = limits.JSON_LD_CHILDREN,
        waiting: int = limits.JSON_LD_WAITING,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._all = [
            ChildSupervisor(_CHILD_MODULE, child_limits, command=command, clock=clock, asker_pays=True)
            for _ in range(children)
        ]
        self._places = threading.BoundedSemaphore(waiting)
        # The last one used is taken first, so that the second is started only when both are needed.
        self._free: queue.LifoQueue[ChildSupervisor] = queue.LifoQueue()
        for supervisor in reversed(self._all):
            self._free.put(supervisor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def check(self, document: dict[str, Any]) -> None:
        """Return when the document is sound JSON-LD under the bundled contexts; blocks.

        Args:
            document: a JSON object as the strict reader gives it.

        Raises:
            JsonLdError: the codes of ``json_ld_errors.py``.
            DependencyError: json_ld_busy, json_ld_unavailable or json_ld_not_installed.
        """
        self._ask({"op": "check", "documents": [document]}, count=0)

    def canonicalize(self, documents: Sequence[dict[str, Any]], *, digest: Digest) -> tuple[bytes, ...]:
        """Return the canonical N-Quads of each document, each checked as by ``check``; blocks.

        Args:
            documents: JSON objects as the strict reader gives them.
            digest: hash that the canonicalisation uses inside.

        Raises:
            JsonLdError: the codes of ``json_ld_errors.py``.
            DependencyError: json_ld_busy, json_ld_unavailable or json_ld_not_installed.
        """
        request = {"op": "canonicalize", "documents": list(documents), "digest": digest}
        return self._ask(request, count=len(documents))

    def close(self) -> None:
        """End the children, also those at work; every later call is unavailable."""
        for supervisor in self._all:
            supervisor.close()

    def _ask(self, request: dict[str, Any], *, count: int) -> tuple[bytes, ...]:
        if not self._places.acquire(blocking=False):
            raise JsonLdBusyError
        try:
            supervisor = self._free.get()
            try:
                answer = supervisor.ask(request, read=lambda message: _read(message, count=count))
            finally:
                self._free.put(supervisor)
        except ChildOverdueError:
            raise JsonLdWorkError from None
        except ChildAbsentError:
            raise JsonLdNotInstalledError from None
        except ChildUnavailableError:
            raise JsonLdUnavailableError from None
        finally:
            self._places.release()
        if isinstance(answer, JsonLdError):
            raise answer
        return answer


def _read(answer: dict[str, Any], *, count: int) -> tuple[bytes, ...] | JsonLdError:
    match answer:
        case {"canonical": list(texts), **rest} if (
            not rest and len(texts) == count and all(isinstance(text, str) for text in texts)
        ):
            return tuple(text.encode() for text in texts)
        case {"error": str(code), **rest} if not rest and code in REFUSALS:
            return REFUSALS[code]()
        case _:
            raise ChildNonsenseError
