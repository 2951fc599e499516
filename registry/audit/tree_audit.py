"""The tree of a log being audited: every entry hashed into it, tiles and roots compared. Knows nothing of what entries say.

Spec: RFC 6962 2.1; c2sp.org/tlog-tiles, Merkle Tree; specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from did_methods.codec import base64url_decode, base64url_encode
from registry.audit.finding import Finding, make_finding
from registry.log.checkpoint import Checkpoint
from registry.log.merkle import HASH_BYTES, RightEdge
from registry.log.tile import TILE_HEIGHT, TILE_WIDTH, TileId, append_leaves, tile_hashes

MAX_HASH_FINDINGS = 32


@dataclass(frozen=True, slots=True)
class Remembered:
    """A checkpoint that an earlier audit accepted."""

    size: int
    root_hash: bytes


@dataclass(frozen=True, slots=True)
class UpperTile:
    """A tile above the leaf tiles, as the entries give it; `hashes` are 256 where it is full."""

    level: int
    number: int
    hashes: tuple[bytes, ...]


@dataclass(slots=True)
class TreeAudit:
    """A tree that grows with the entries of a log.

    Attributes:
        remembered: what an earlier audit saw, to be compared when the tree has that size.
        findings: so far; shared with whoever looks at what the entries say.
        edge: the tree.
    """

    remembered: Remembered | None
    findings: list[Finding]
    edge: RightEdge = field(default_factory=RightEdge)
    _filling: dict[int, list[bytes]] = field(default_factory=dict)
    _full: list[UpperTile] = field(default_factory=list)
    _hashes: bytearray = field(default_factory=bytearray)
    _mismatches: int = 0

    @property
    def size(self) -> int:
        """Entries taken so far."""
        return self.edge.size

    def take_all(self, hashes: Sequence[bytes], served: Sequence[bytes]) -> None:
        """Take the leaf hashes of entries that follow one another into the tree.

        Args:
            hashes: computed from the entries.
            served: what the log's tile says of them; empty where the log does not serve the tile.
        """
        start, seen = self.edge.size, self.remembered
        if seen is not None and start < seen.size < start + len(hashes):
            # Up to the size that was seen first, where the roots are compared.
            split = seen.size - start
            self.take_all(hashes[:split], served[:split])
            self.take_all(hashes[split:], served[split:])
            return
        for tile, added in append_leaves(self.edge, hashes).items():
            if tile.level:
                self._fill(tile, added)
        self._hashes += b"".join(hashes)
        if served and list(served) != list(hashes):
            for index, (said, hashed) in enumerate(zip(served, hashes, strict=False), start):
                if said != hashed:
                    self._note_hash(index, said, hashed)
        if seen is not None and hashes and self.edge.size == seen.size:
            self._compare_remembered(seen)

    def check_root(self, checkpoint: Checkpoint) -> None:
        """Compare the tree of the entries taken with a checkpoint of that size."""
        root = self.edge.root()
        if checkpoint.size != self.size:
            self.findings.append(make_finding("entries_missing", expected=checkpoint.size, found=self.size))
        elif root != checkpoint.root_hash:
            shown = base64url_encode(checkpoint.root_hash), base64url_encode(root)
            self.findings.append(make_finding("root_mismatch", expected=shown[0], found=shown[1]))

    def pop_full_tiles(self) -> list[UpperTile]:
        """Return the upper tiles that became full since the last call."""
        full, self._full = self._full, []
        return full

    def partial_tiles(self) -> list[UpperTile]:
        """Return the upper tiles that are not full yet."""
        return [
            UpperTile(level, (self.size >> TILE_HEIGHT * level) // TILE_WIDTH, tuple(hashes))
            for level, hashes in self._filling.items()
            if hashes
        ]

    def pop_hashes(self) -> bytes:
        """Return the leaf hashes taken since the last call, 32 bytes each."""
        hashes, self._hashes = bytes(self._hashes), bytearray()
        return hashes

    def dump(self) -> dict[str, Any]:
        """Return the tree as JSON, for `load`."""
        return {
            "size": self.size,
            "edge": [base64url_encode(one) for one in self.edge.hashes],
            "upper": {str(level): [base64url_encode(one) for one in some] for level, some in self._filling.items()},
        }

    def load(self, kept: dict[str, Any]) -> None:
        """Go on from what `dump` gave.

        Raises:
            RightEdgeError, TreeRangeError, CodecError: it is not what `dump` gave.
        """
        self.edge = RightEdge(kept["size"], [base64url_decode(one) for one in kept["edge"]])
        self._filling = {int(level): [base64url_decode(one) for one in some] for level, some in kept["upper"].items()}

    def _fill(self, tile: TileId, added: bytes) -> None:
        hashes = self._filling.setdefault(tile.level, [])
        hashes.extend(tile_hashes(added, width=len(added) // HASH_BYTES))
        if len(hashes) == TILE_WIDTH:
            self._full.append(UpperTile(tile.level, tile.index, tuple(hashes)))
            hashes.clear()

    def _note_hash(self, index: int, served: bytes, hashed: bytes) -> None:
        self._mismatches += 1
        if self._mismatches <= MAX_HASH_FINDINGS:
            expected, found = base64url_encode(served), base64url_encode(hashed)
            self.findings.append(make_finding("leaf_hash_mismatch", index=index, expected=expected, found=found))

    def _compare_remembered(self, seen: Remembered) -> None:
        root = self.edge.root()
        if root != seen.root_hash:
            self.findings.append(
                make_finding(
                    "checkpoint_inconsistent",
                    f"at tree size {seen.size}",
                    expected=base64url_encode(seen.root_hash),
                    found=base64url_encode(root),
                )
            )
