"""Appends made-up leaves to a log store, as the sequencer does with real ones."""

from __future__ import annotations

import hashlib

from registry.history.sequence import SequencedLeaf
from registry.log.entry import Party
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.tile import append_leaves
from registry.storage.log import LogStore


def make_leaf(index: int, *, text: str = "") -> SequencedLeaf:
    """Make a leaf of three agents' chains; the text makes it another one."""
    data = f"leaf {index} {text}".encode()
    event = hashlib.sha256(data).digest()
    count = index // 3 + 1
    link = (None, None) if count == 1 else (index - 3, b"p" * 32)
    party = Party(f"did:key:{index % 3}", ("signer",), count, *link)
    return SequencedLeaf(index, 1_000 + index, "vouch", event, data, leaf_hash(data), (party,))


class Writer:
    """Appends leaves to a store as the sequencer does."""

    def __init__(self, store: LogStore) -> None:
        self.store = store
        self.edge = RightEdge()
        self.leaves: list[SequencedLeaf] = []

    def root(self) -> bytes:
        """Return the root of what was appended, as the head has it."""
        return self.edge.root() if self.leaves else b""

    def append(self, count: int, **more: object) -> None:
        """Append the next leaves in one transaction."""
        leaves = [make_leaf(len(self.leaves) + number) for number in range(count)]
        edge = self.edge.copy()
        tiles = append_leaves(edge, [leaf.leaf_hash for leaf in leaves])
        self.store.append(leaves, tiles, old_root_hash=self.root(), root_hash=edge.root(), **more)  # type: ignore[arg-type]
        self.edge = edge
        self.leaves += leaves
