"""How many streams are open in this process, in all and for one source."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from registry import limits
from registry.errors import LimitError


class StreamsBusyError(LimitError):
    """As many streams as this process serves, or as one source may have, are open."""

    code = "streams_busy"
    title = "Too many streams are open"


class Streams:
    """Counts the open streams of this process; used on the event loop alone."""

    def __init__(self) -> None:
        self._open: dict[str | None, int] = {}

    def check(self, source: str | None) -> None:
        """Refuse one more stream than there may be.

        Raises:
            StreamsBusyError: ``streams_busy``.
        """
        of_source = 0 if source is None else self._open.get(source, 0)
        if sum(self._open.values()) >= limits.STREAMS or of_source >= limits.STREAMS_PER_SOURCE:
            raise StreamsBusyError(retry_after_s=30)

    @contextmanager
    def held(self, source: str | None) -> Iterator[None]:
        """Hold a place while a stream is open."""
        self._open[source] = self._open.get(source, 0) + 1
        try:
            yield
        finally:
            self._open[source] -= 1
            if not self._open[source]:
                del self._open[source]
