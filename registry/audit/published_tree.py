"""The tree of one checkpoint, computed from the tiles that are published: proofs without asking anybody to prove.

What comes out is as good as the tiles, so it is verified against a signed root before anybody relies on it.

Spec: c2sp.org/tlog-tiles, Merkle Tree
"""

from __future__ import annotations

from typing import Protocol

from registry.errors import VerificationError
from registry.log.checkpoint import Checkpoint, VerifiedCheckpoint
from registry.log.merkle import (
    ConsistencyProofError,
    RightEdge,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from registry.log.tile import TileContentError, TileId, tile_node_reader, tile_width


class LogTileMissingError(VerificationError):
    """A tile that the tree of the checkpoint has is not served, or is no tile: nothing can be proven with it."""

    code = "log_tile_missing"
    title = "A tile of the log is missing"


class TileReader(Protocol):
    """Fetches tiles; see `registry.audit.reader.LogReader`."""

    def hashes(self, level: int, number: int, width: int) -> tuple[bytes, ...]:
        """Return the hashes of a tile, none where it is not served."""
        ...


class PublishedTree:
    """The tiles of a tree of a certain size. Each tile is fetched once.

    Args:
        reader: where they are.
        size: tree size, leaves.
    """

    def __init__(self, reader: TileReader, size: int) -> None:
        self._reader = reader
        self.size = size
        self._node = tile_node_reader(self._load)

    def _load(self, tile: TileId) -> bytes:
        return b"".join(self._reader.hashes(tile.level, tile.index, tile_width(tile, self.size)))

    def edge(self, size: int) -> RightEdge:
        """Return the right edge of the tree of the first leaves.

        Args:
            size: 0 up to the tree's.

        Raises:
            LogTileMissingError: ``log_tile_missing``.
        """
        hashes, begin = [], 0
        try:
            for level in range(size.bit_length() - 1, -1, -1):
                if size >> level & 1:
                    hashes.append(self._node(level, begin >> level))
                    begin += 1 << level
        except TileContentError as error:
            raise LogTileMissingError from error
        return RightEdge(size, hashes)

    def inclusion(self, index: int) -> tuple[bytes, ...]:
        """Return the inclusion proof of a leaf, from the leaf up.

        Raises:
            LogTileMissingError: ``log_tile_missing``.
        """
        try:
            return inclusion_proof(index, self.size, self._node)
        except TileContentError as error:
            raise LogTileMissingError from error

    def consistency(self, first: int) -> tuple[bytes, ...]:
        """Return the proof that the tree of the first leaves is a beginning of this one.

        Raises:
            LogTileMissingError: ``log_tile_missing``.
        """
        try:
            return consistency_proof(first, self.size, self._node)
        except TileContentError as error:
            raise LogTileMissingError from error

    def leaf(self, index: int) -> bytes:
        """Return the leaf hash that the tile says; errors as in `inclusion`."""
        try:
            return self._node(0, index)
        except TileContentError as error:
            raise LogTileMissingError from error

    def verify_entry(self, data: bytes, *, index: int, head: VerifiedCheckpoint) -> tuple[bytes, ...]:
        """Verify that an entry is in the tree of a signed checkpoint of this size; return its inclusion proof.

        Args:
            data: the entry's bytes.
            index: where.
            head: the checkpoint.

        Raises:
            LogTileMissingError: ``log_tile_missing``.
            InclusionProofError: ``inclusion_proof_invalid``.
        """
        proof, checkpoint = self.inclusion(index), head.checkpoint
        verify_inclusion(leaf_hash(data), proof, index=index, size=self.size, root_hash=checkpoint.root_hash)
        return proof

    def verify_extends(self, older: Checkpoint, head: Checkpoint) -> None:
        """Verify that the tree of a signed checkpoint of this size contains an older one's.

        Raises:
            LogTileMissingError: ``log_tile_missing``.
            ConsistencyProofError: ``consistency_proof_invalid``.
        """
        if older.size == 0:
            return  # the empty tree is a beginning of every tree
        if older.size > self.size:
            raise ConsistencyProofError("the tree is smaller than the older one")
        verify_consistency(
            older.root_hash,
            head.root_hash,
            first=older.size,
            second=self.size,
            proof=self.consistency(older.size),
        )
