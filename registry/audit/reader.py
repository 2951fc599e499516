"""What an audit needs from whoever fetches a log: the protocol, and the portion of entries that it hands over.

Spec: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Portion:
    """The entries of one bundle with what the log's tile says of them.

    Attributes:
        start: index of the first entry.
        wanted: how many entries the checkpoint covers here.
        entries: as many as could be read, from the first on.
        hashes: leaf hashes of the tile; empty where it was not served.
        is_exact: whether the bundle held these entries and nothing besides.
    """

    start: int
    wanted: int
    entries: tuple[bytes, ...]
    hashes: tuple[bytes, ...]
    is_exact: bool


class LogReader(Protocol):
    """Fetches; verifies nothing. Raises only where the registry does not answer."""

    def description(self) -> dict[str, Any]:
        """Return ``/log.json``."""
        ...

    def first_key(self) -> str:
        """Return the verifier key that the log names as its own; empty text where it names none."""
        ...

    def state_log(self) -> LogReader:
        """Return the reader of the log in which the registry commits to its state map."""
        ...

    def entry(self, index: int, size: int) -> bytes | None:
        """Return one entry of a tree of that size, None where it is not served."""
        ...

    def checkpoint(self) -> bytes:
        """Return the newest checkpoint note."""
        ...

    def portions(self, start: int, end: int) -> Iterator[Portion]:
        """Yield the entries from start up to end in order."""
        ...

    def hashes(self, level: int, number: int, width: int) -> tuple[bytes, ...]:
        """Return the hashes of a tile, none where it is not served."""
        ...

    def agents(self, *, expected: int) -> Iterator[dict[str, Any]]:
        """Yield what the registry lists of its agents; ends when it lists far more than expected."""
        ...

    def standing(self, did: str, context: str | None) -> dict[str, Any] | None:
        """Return what the registry says of an agent's standing now, None where it does not know the agent."""
        ...

    def events(self, did: str, before: int | None) -> dict[str, Any] | None:
        """Return what the registry shows of an agent's entries below a count, or of its newest ones; None for no such agent."""
        ...

    def did_file(self, path: str) -> bytes | None:
        """Return a file of a hosted DID at a path below the registry's URL, None where nothing is served."""
        ...
