"""Finding the proof that a log has shown two trees: the first leaf in which they differ, placed in both.

One tree is known by its leaf hashes, kept by an auditor; the other by the tiles that are served now.

Spec: specs/witness.md "Evidence"; specs/audit.md.
"""

from __future__ import annotations

from registry.audit.published_tree import LogTileMissingError, PublishedTree, TileReader
from registry.errors import VerificationError
from registry.log.checkpoint import VerifiedCheckpoint
from registry.log.merkle import HASH_BYTES, derive_root, inclusion_proof
from registry.log.split_view import LeafClaim, SplitView, verify_split_view
from registry.log.tile import TILE_WIDTH


def find_split_view(
    reader: TileReader, old: VerifiedCheckpoint, leaf_hashes: bytes, new: VerifiedCheckpoint
) -> SplitView | None:
    """Return verified evidence that two checkpoints of one log contradict each other.

    Args:
        reader: of the log as it is served now.
        old: seen before.
        leaf_hashes: of the old tree, 32 bytes each; more than its own may follow.
        new: seen now.

    Returns:
        None where nothing contradicts: one tree is a beginning of the other, or what was kept, or what is served, does
        not hash to its root.
    """
    first, second = old.checkpoint, new.checkpoint
    if first.size == second.size:
        differs = first.root_hash != second.root_hash
        return SplitView(old.key, old.note, new.note) if differs else None
    kept = [leaf_hashes[at : at + HASH_BYTES] for at in range(0, first.size * HASH_BYTES, HASH_BYTES)]
    if any(len(one) != HASH_BYTES for one in kept) or derive_root(kept) != first.root_hash:
        return None
    index = _first_difference(reader, kept, second.size)
    if index is None:
        return None

    def node(level: int, number: int) -> bytes:
        return derive_root(kept[number << level : (number + 1) << level])

    served = PublishedTree(reader, second.size)
    try:
        claims = (
            LeafClaim(kept[index], inclusion_proof(index, first.size, node)),
            LeafClaim(served.leaf(index), served.inclusion(index)),
        )
        evidence = SplitView(old.key, old.note, new.note, index, claims)
        verify_split_view(evidence, key=old.key)
    except (LogTileMissingError, VerificationError):
        return None
    return evidence


def _first_difference(reader: TileReader, kept: list[bytes], size: int) -> int | None:
    common = min(len(kept), size)
    for start in range(0, common, TILE_WIDTH):
        served = reader.hashes(0, start // TILE_WIDTH, min(TILE_WIDTH, size - start))
        ours = kept[start : min(start + TILE_WIDTH, common)]
        for offset, (one, other) in enumerate(zip(ours, served, strict=False)):
            if one != other:
                return start + offset
    return None
