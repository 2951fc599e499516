"""The Merkle tree of the log: hashes, right edge, proofs and their verification (RFC 6962 over SHA-256).

Decides whether a leaf is in a tree and whether one tree is a prefix of another. It stores nothing: the tree is known
by its right edge (one hash per set bit of its size), and older nodes come from a reader that the caller passes in.
It does not know what a leaf means, nor who signed a root.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from hashlib import sha256
from typing import TypeAlias

from registry.errors import ParseError, VerificationError

HASH_BYTES = 32
"""Length of a SHA-256 digest, bytes."""

MAX_TREE_SIZE = 2**63 - 1
"""Largest tree size, leaves: readers of tiled logs hold sizes in signed 64-bit integers."""

EMPTY_ROOT = sha256(b"").digest()
"""Root hash of the tree without leaves. Spec: RFC 6962 2.1."""

NodeReader: TypeAlias = Callable[[int, int], bytes]
"""``(level, index) -> 32 bytes``: root of the perfect subtree over leaves ``[index << level, (index + 1) << level)``."""


class TreeRangeError(ParseError):
    """An index or a tree size lies outside the tree it is asked of."""

    code = "tree_range_invalid"
    title = "Index or tree size out of range"


class RightEdgeError(ParseError):
    """A stored right edge does not have the shape that its tree size asks for."""

    code = "right_edge_malformed"
    title = "Malformed right edge"


class InclusionProofError(VerificationError):
    """The proof does not show that the leaf is in the tree."""

    code = "inclusion_proof_invalid"
    title = "Inclusion proof does not verify"


class ConsistencyProofError(VerificationError):
    """The proof does not show that the first tree is a prefix of the second."""

    code = "consistency_proof_invalid"
    title = "Consistency proof does not verify"


def leaf_hash(entry: bytes) -> bytes:
    """Hash one log entry as a leaf: SHA-256(00 || entry), 32 bytes.

    Spec: RFC 6962 2.1
    """
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees (32 bytes each) into their parent: SHA-256(01 || left || right), 32 bytes.

    Spec: RFC 6962 2.1
    """
    return sha256(b"\x01" + left + right).digest()


class RightEdge:
    """The right edge of a growing tree: the roots of its perfect subtrees, largest first.

    It holds all that is needed to append leaves and to compute the root. Mutable and owned by one thread: readers
    get a `copy`, which costs one short list (at most 63 hashes).

    Spec: RFC 6962 2.1
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Start from a stored edge, by default from the empty tree.

        Args:
            size: number of leaves, 0 to 2^63-1.
            hashes: what `hashes` gave at that size, 32 bytes each, largest subtree first.

        Raises:
            TreeRangeError: tree_range_invalid.
            RightEdgeError: right_edge_malformed, the number or length of the hashes does not fit the size.
        """
        check_tree_size(size)
        if len(hashes) != size.bit_count() or any(len(node) != HASH_BYTES for node in hashes):
            raise RightEdgeError("a right edge has one 32-byte hash per set bit of its tree size")
        self._size = size
        self._hashes = list(hashes)

    @property
    def size(self) -> int:
        """The number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the perfect subtrees, largest first: the stored form of the edge."""
        return tuple(self._hashes)

    def copy(self) -> RightEdge:
        """Return an independent edge of the same tree."""
        return RightEdge(self._size, self._hashes)

    def append(self, leaf_hash: bytes) -> list[bytes]:
        """Add one leaf and return every perfect subtree that it completes.

        Args:
            leaf_hash: 32 bytes, the RFC 6962 leaf hash.

        Returns:
            The completed nodes by level: element ``l`` is node ``(l, old size >> l)``; element 0 is the leaf itself.

        Raises:
            RightEdgeError: right_edge_malformed, the leaf hash is not 32 bytes; the edge is unchanged.
        """
        return [nodes[0] for nodes in self.extend([leaf_hash])]

    def extend(self, leaf_hashes: Sequence[bytes]) -> list[list[bytes]]:
        """Add leaves in this order, level by level; returns and raises as `append`, but element ``l`` starts with that node."""
        if set(map(len, leaf_hashes)) - {HASH_BYTES}:
            raise RightEdgeError("a leaf hash has 32 bytes")
        completed: list[list[bytes]] = []
        nodes, begin, kept = list(leaf_hashes), self._size, []
        while nodes:
            completed.append(nodes)
            if begin & 1:
                nodes = [self._hashes.pop(), *nodes]
            if len(nodes) & 1:
                kept.append(nodes[-1])
            each = iter(nodes)
            nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(each, each, strict=False)]
            begin >>= 1
        self._hashes.extend(reversed(kept))
        self._size += len(leaf_hashes)
        return completed

    def root(self) -> bytes:
        """Return the root hash of the tree, 32 bytes.

        Spec: RFC 6962 2.1
        """
        return _fold(self._hashes)


def derive_root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Compute the root hash, 32 bytes, of the tree over the leaf hashes in this order.

    Raises:
        RightEdgeError: right_edge_malformed, a leaf hash is not 32 bytes.

    Spec: RFC 6962 2.1
    """
    edge = RightEdge()
    edge.extend(list(leaf_hashes))
    return edge.root()


def inclusion_proof(index: int, size: int, node_reader: NodeReader) -> tuple[bytes, ...]:
    """Derive the proof that leaf ``index`` is in the tree of the first ``size`` leaves.

    Args:
        index: 0 to size-1.
        size: the tree size of the proof, leaves.
        node_reader: asked for perfect subtrees below ``size`` only.

    Returns:
        The sibling hashes from the leaf up to the root.

    Raises:
        TreeRangeError: tree_range_invalid.

    Spec: RFC 6962 2.1.1
    """
    check_tree_size(size)
    if not 0 <= index < size:
        raise TreeRangeError("the index is not below the tree size", size=size)
    proof: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(_range_root(middle, end, node_reader))
            end = middle
        else:
            proof.append(_range_root(start, middle, node_reader))
            start = middle
    return tuple(reversed(proof))


def consistency_proof(first: int, second: int, node_reader: NodeReader) -> tuple[bytes, ...]:
    """Derive the proof that the tree of the first ``first`` leaves is a prefix of that of ``second`` leaves.

    Args:
        first: 1 to second; from the empty tree nothing can be proven, so 0 is refused.
        second: the larger tree size, leaves.
        node_reader: asked for perfect subtrees below ``second`` only.

    Raises:
        TreeRangeError: tree_range_invalid.

    Spec: RFC 6962 2.1.2
    """
    check_tree_size(second)
    if not 0 < first <= second:
        raise TreeRangeError("a consistency proof goes from a size above 0 to one at least as large", size=second)
    proof: list[bytes] = []
    start, end = 0, second
    while first != end:
        middle = start + _split(end - start)
        if first <= middle:
            proof.append(_range_root(middle, end, node_reader))
            end = middle
        else:
            proof.append(_range_root(start, middle, node_reader))
            start = middle
    if start > 0:
        proof.append(_range_root(start, end, node_reader))
    return tuple(reversed(proof))


def verify_inclusion(leaf_hash: bytes, proof: Sequence[bytes], *, index: int, size: int, root_hash: bytes) -> None:
    """Verify that the leaf is at ``index`` of the tree with this size and root.

    Args:
        leaf_hash: 32 bytes; hash the entry yourself, never take it from the proof's sender.
        proof: sibling hashes from the leaf up, 32 bytes each.
        index: 0 to size-1.
        size: tree size, leaves.
        root_hash: 32 bytes, from a verified checkpoint of that size.

    Raises:
        InclusionProofError: inclusion_proof_invalid.

    Spec: RFC 9162 2.1.3.2
    """
    if not 0 <= index < size:
        raise InclusionProofError("the index is not below the tree size")
    if len(leaf_hash) != HASH_BYTES or any(len(node) != HASH_BYTES for node in proof):
        raise InclusionProofError("hashes have 32 bytes")
    node = leaf_hash
    position, last = index, size - 1
    for sibling in proof:
        if last == 0:
            raise InclusionProofError("the proof has surplus hashes")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            shift = _trailing_zeros(position)
            position, last = position >> shift, last >> shift
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise InclusionProofError("the proof has too few hashes")
    if node != root_hash:
        raise InclusionProofError("the proof leads to another root hash")


def verify_consistency(
    first_root: bytes, second_root: bytes, *, first: int, second: int, proof: Sequence[bytes]
) -> None:
    """Verify that the tree of size ``first`` is a prefix of the tree of size ``second``.

    Args:
        first_root: root hash at ``first``.
        second_root: root hash at ``second``.
        first: 1 to second; every tree extends the empty one, so a proof from 0 would prove nothing.
        second: tree size, leaves.
        proof: the hashes that `consistency_proof` derives, 32 bytes each; empty exactly when the sizes are equal.

    Raises:
        ConsistencyProofError: consistency_proof_invalid.

    Spec: RFC 9162 2.1.4.2
    """
    if first < 1:
        raise ConsistencyProofError("a proof from the empty tree proves nothing")
    verify_subtree_consistency(first_root, second_root, start=0, end=first, size=second, proof=proof)


def verify_subtree_inclusion(
    leaf_hash: bytes, proof: Sequence[bytes], *, index: int, start: int, end: int, root_hash: bytes
) -> None:
    """Verify that the leaf at ``index`` of the log is in the subtree over the leaves ``[start, end)``.

    Raises:
        InclusionProofError: inclusion_proof_invalid, also when ``[start, end)`` is no aligned subtree.

    Spec: draft-ietf-plants-merkle-tree-certs 4.3
    """
    if not (0 <= start < end <= MAX_TREE_SIZE) or not _is_subtree(start, end):
        raise InclusionProofError("not an aligned subtree")
    verify_inclusion(leaf_hash, proof, index=index - start, size=end - start, root_hash=root_hash)


def verify_subtree_consistency(
    subtree_root: bytes, root_hash: bytes, *, start: int, end: int, size: int, proof: Sequence[bytes]
) -> None:
    """Verify that the subtree over the leaves ``[start, end)`` is part of the tree with this size and root.

    Raises:
        ConsistencyProofError: consistency_proof_invalid, also when ``[start, end)`` is not an aligned subtree.

    Spec: draft-ietf-plants-merkle-tree-certs 4.4.3; with start 0 it is RFC 9162 2.1.4.2
    """
    if not (0 <= start <= end <= size <= MAX_TREE_SIZE) or not _is_subtree(start, end):
        raise ConsistencyProofError("the sizes do not name a subtree of the tree")
    if start == end or (start == 0 and end == size):
        # Nothing is hashed: the empty subtree has its one root, and a tree is consistent with itself alone.
        if proof or subtree_root != (EMPTY_ROOT if start == end else root_hash):
            raise ConsistencyProofError("an empty subtree, or the whole tree, has its one root and no proof")
        return
    if len(subtree_root) != HASH_BYTES or any(len(node) != HASH_BYTES for node in proof):
        raise ConsistencyProofError("hashes have 32 bytes")
    _check_subtree_path(subtree_root, root_hash, start=start, end=end, size=size, proof=proof)


def _check_subtree_path(
    subtree_root: bytes, root_hash: bytes, *, start: int, end: int, size: int, proof: Sequence[bytes]
) -> None:
    """Walk from the subtree's last complete part up to the root, rebuilding both roots from the same hashes."""
    first, last, tree_last = start, end - 1, size - 1
    while first != last and (last == tree_last or last & 1):
        first, last, tree_last = first >> 1, last >> 1, tree_last >> 1
    rest = iter(proof)
    # Where the subtree is one complete node, the verifier knows it already and the proof leaves it out.
    subtree_node = tree_node = subtree_root if first == last else next(rest, b"")
    if not tree_node:
        raise ConsistencyProofError("the proof has too few hashes")
    for sibling in rest:
        if tree_last == 0:
            raise ConsistencyProofError("the proof has surplus hashes")
        if last & 1 or last == tree_last:
            if first < last:
                subtree_node = node_hash(sibling, subtree_node)
            tree_node = node_hash(sibling, tree_node)
            shift = _trailing_zeros(last)
            first, last, tree_last = first >> shift, last >> shift, tree_last >> shift
        else:
            tree_node = node_hash(tree_node, sibling)
        first, last, tree_last = first >> 1, last >> 1, tree_last >> 1
    if tree_last != 0:
        raise ConsistencyProofError("the proof has too few hashes")
    if subtree_node != subtree_root:
        raise ConsistencyProofError("the proof leads to another first root hash")
    if tree_node != root_hash:
        raise ConsistencyProofError("the proof leads to another second root hash")


def check_tree_size(size: int) -> None:
    """Check that a number can be the size of a tree, 0 to 2^63-1.

    Raises:
        TreeRangeError: tree_range_invalid.

    Spec: c2sp.org/tlog-checkpoint
    """
    if not 0 <= size <= MAX_TREE_SIZE:
        raise TreeRangeError("a tree size lies between 0 and 2^63-1")


def _fold(hashes: Sequence[bytes]) -> bytes:
    """Combine perfect subtrees (largest first) into the root of the tree that they make up."""
    return reduce(lambda root, left: node_hash(left, root), reversed(hashes)) if hashes else EMPTY_ROOT


def _split(count: int) -> int:
    """Return the largest power of two below count, for count > 1."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_root(start: int, end: int, node_reader: NodeReader) -> bytes:
    """Compute the root over the leaves [start, end); start is a multiple of the smallest 2^k >= end - start."""
    hashes: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        hashes.append(node_reader(level, start >> level))
        start += 1 << level
    return _fold(hashes)


def _trailing_zeros(number: int) -> int:
    """Return how many low bits of number (above 0) are 0."""
    return (number & -number).bit_length() - 1


def _is_subtree(start: int, end: int) -> bool:
    """Whether the leaves [start, end) hang under one node of every tree that has them, with end its right border."""
    return start & ((1 << max(end - start - 1, 0).bit_length()) - 1) == 0
