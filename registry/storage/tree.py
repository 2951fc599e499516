"""What the parts that sign, prove and publish need of a log's rows: the main log and the state log are alike to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from registry.log.merkle import NodeReader, RightEdge


class StoredEntry(Protocol):
    """One entry as it is stored."""

    @property
    def data(self) -> bytes:
        """The bytes that are hashed."""
        ...


class TreeRows(Protocol):
    """A log's rows, as far as they are its tree and its signatures."""

    def head(self) -> tuple[int, bytes]:
        """Return the committed size and root; (0, empty bytes) before the first entry."""
        ...

    def entries(self, start: int, end: int) -> Sequence[StoredEntry]:
        """Return the entries with start <= index < end that exist, in order."""
        ...

    def tile(self, level: int, number: int, width: int) -> bytes | None:
        """Return the first `width` hashes of a tile, or None where the tree does not reach."""
        ...

    def node_reader(self) -> NodeReader:
        """Return a reader of perfect subtrees for one proof."""
        ...

    def right_edge(self, size: int) -> RightEdge:
        """Rebuild the compact range of a tree of this size from stored nodes."""
        ...

    def save_signed(self, size: int, root_hash: bytes, note: bytes) -> bytes:
        """Remember a checkpoint before it leaves the process; return the one of that size, byte for byte.

        Raises:
            SignedTwiceError: ``checkpoint_fork``.
        """
        ...

    def newest_signed(self) -> tuple[int, bytes, bytes] | None:
        """Return size, root and note of the largest signed checkpoint, or None."""
        ...
