"""How far the tree's proofs reach: every index to 300, every subtree to 64, sizes at the edges of tiles, other makes' proofs."""

from __future__ import annotations

import random

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.log import merkle
from registry.log.merkle import ConsistencyProofError, InclusionProofError
from tests.log.naive_tree import NaiveTree, naive_leaves

TREE = NaiveTree(naive_leaves(300))
EDGES = sorted({size for power in range(1, 63) for size in (2**power - 1, 2**power, 2**power + 1)})
"""One below, at and one above each power of two, hence each power of 256."""


def made_up_node(level: int, index: int) -> bytes:
    """Be the node reader of a tree too large to build: a proof's nodes never overlap, so any hashes will do."""
    return merkle.leaf_hash(b"%d/%d" % (level, index))


def test_every_inclusion_proof_to_300() -> None:
    """For each index of each size the proof is the one of RFC 6962, it verifies, and proves neither neighbour."""
    for size in range(1, 301):
        root = TREE.root(0, size)
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, TREE.read_node)
            assert list(proof) == TREE.path(index, 0, size)
            merkle.verify_inclusion(TREE.leaf_hash(index), proof, index=index, size=size, root_hash=root)
        for index in (1, size // 2, size - 1):
            if not 0 < index < size:
                continue
            proof = merkle.inclusion_proof(index, size, TREE.read_node)
            with pytest.raises(InclusionProofError):
                merkle.verify_inclusion(TREE.leaf_hash(index), proof, index=index - 1, size=size, root_hash=root)


def test_every_subtree_to_64() -> None:
    """Each aligned range of each size is shown to be part of the tree; each other range is no subtree."""
    aligned = 0
    for size in range(1, 65):
        for start in range(size):
            for end in range(start + 1, size + 1):
                aligned += _check_range(start, end, size)
    assert aligned > 5_000


def _check_range(start: int, end: int, size: int) -> bool:
    width = 1 << (end - start - 1).bit_length()
    root, whole = TREE.root(start, end), TREE.root(0, size)
    if start % width:
        with pytest.raises(ConsistencyProofError):
            merkle.verify_subtree_consistency(root, whole, start=start, end=end, size=size, proof=[TREE.leaf_hash(0)])
        with pytest.raises(InclusionProofError):
            _verify_leaf(start, start, end, root)
        return False
    proof = _subtree_proof(start, end, 0, size, complete=True)
    merkle.verify_subtree_consistency(root, whole, start=start, end=end, size=size, proof=proof)
    for index in {start, end - 1}:
        _verify_leaf(index, start, end, root)
    return True


def _verify_leaf(index: int, start: int, end: int, root: bytes) -> None:
    path = TREE.path(index, start, end)
    merkle.verify_subtree_inclusion(TREE.leaf_hash(index), path, index=index, start=start, end=end, root_hash=root)


def _subtree_proof(start: int, end: int, low: int, high: int, *, complete: bool) -> list[bytes]:
    """SUBTREE_SUBPROOF of the draft: what shows that [start, end) is part of [low, high)."""
    if (start, end) == (low, high):
        return [] if complete else [TREE.root(low, high)]
    middle = low + (1 << ((high - low - 1).bit_length() - 1))
    if end <= middle:
        return [*_subtree_proof(start, end, low, middle, complete=complete), TREE.root(middle, high)]
    if start >= middle:
        return [*_subtree_proof(start, end, middle, high, complete=complete), TREE.root(low, middle)]
    # The range crosses the middle, so it begins where this part begins: its left half is known to be complete.
    assert start == low
    return [*_subtree_proof(middle, end, middle, high, complete=False), TREE.root(low, middle)]


@pytest.mark.parametrize("size", EDGES, ids=hex)
def test_inclusion_at_the_edges_of_tiles(size: int) -> None:
    """At sizes around every power of two the first, last and middle leaves have proofs that verify, at no other place."""
    for index in {0, size // 2, size // 3, size - 1}:
        proof = merkle.inclusion_proof(index, size, made_up_node)
        leaf = made_up_node(0, index)
        root = _root_over(leaf, list(proof), index, size)
        merkle.verify_inclusion(leaf, proof, index=index, size=size, root_hash=root)
        for wrong in (proof[:-1], (*proof, bytes(32)), proof[::-1] if len(proof) > 1 else (bytes(32), bytes(32))):
            if wrong == proof:  # the one leaf of the tree of size 1: nothing can be missing
                continue
            with pytest.raises(InclusionProofError):
                merkle.verify_inclusion(leaf, wrong, index=index, size=size, root_hash=root)


def _root_over(node: bytes, proof: list[bytes], index: int, size: int) -> bytes:
    if size == 1:
        return node
    power = 1 << ((size - 1).bit_length() - 1)
    if index < power:
        return merkle.node_hash(_root_over(node, proof[:-1], index, power), proof[-1])
    return merkle.node_hash(proof[-1], _root_over(node, proof[:-1], index - power, size - power))


@pytest.mark.parametrize("size", [256, 65_536])
def test_consistency_at_the_edges_of_tiles(size: int) -> None:
    """Trees one smaller, full and one larger than full tiles of the first two levels extend each other both ways."""
    edge, roots = merkle.RightEdge(), {}
    nodes: dict[tuple[int, int], bytes] = {}
    for number in range(size + 2):
        for level, node in enumerate(edge.append(merkle.leaf_hash(b"%d" % number))):
            nodes[level, number >> level] = node
        roots[number + 1] = edge.root() if number + 1 in (1, 255, 256, 257) or number + 1 >= size - 1 else b""
    known = [each for each in roots if roots[each]]
    for first in known:
        for second in (each for each in known if each >= first):
            proof = merkle.consistency_proof(first, second, lambda level, index: nodes[level, index])
            merkle.verify_consistency(roots[first], roots[second], first=first, second=second, proof=proof)
            if proof:
                with pytest.raises(ConsistencyProofError):
                    merkle.verify_consistency(
                        roots[first], roots[second], first=first, second=second, proof=[*proof[1:], proof[0], bytes(32)]
                    )


@given(st.integers(1, 2**62), st.data())
def test_proof_lengths_are_bounded_at_any_size(second: int, data: st.DataObject) -> None:
    """No proof in any tree that can exist is longer than the 63 lines that a witness reads."""
    first = data.draw(st.integers(1, second))
    assert len(merkle.consistency_proof(first, second, made_up_node)) <= 63
    assert len(merkle.inclusion_proof(first - 1, second, made_up_node)) <= 63


@pytest.mark.parametrize("level", range(1, 9))
def test_no_inner_node_is_an_entry(level: int) -> None:
    """Second preimage at every height: a node's two children offered as an entry prove nothing, at no claimed size."""
    half = level - 1
    children = TREE.read_node(half, 0) + TREE.read_node(half, 1)
    path = list(merkle.inclusion_proof(0, 256, TREE.read_node))[level:]
    for size in {256, 256 >> level, (256 >> level) + 1}:
        with pytest.raises(InclusionProofError):
            merkle.verify_inclusion(merkle.leaf_hash(children), path, index=0, size=size, root_hash=TREE.root(0, 256))


@given(st.permutations(range(8)))
def test_lines_in_another_order_prove_nothing(order: list[int]) -> None:
    """Of all orders of a proof's lines only the right one verifies."""
    proof = merkle.inclusion_proof(77, 256, TREE.read_node)
    shuffled = [proof[place] for place in order]
    claim = {"index": 77, "size": 256, "root_hash": TREE.root(0, 256)}
    if order == list(range(8)):
        merkle.verify_inclusion(TREE.leaf_hash(77), shuffled, **claim)
        return
    with pytest.raises(InclusionProofError):
        merkle.verify_inclusion(TREE.leaf_hash(77), shuffled, **claim)


@pytest.mark.oracle
def test_another_implementation_proves_the_same() -> None:
    """pymerkle, which shares no code with this project, proves entries and growth against our roots, by the same hashes."""
    chance = random.Random(2)
    entries = [chance.randbytes(chance.randrange(60)) for _ in range(120)]
    theirs, ours = pymerkle.InmemoryTree(algorithm="sha256"), NaiveTree(entries)
    for size, entry in enumerate(entries, start=1):
        theirs.append_entry(entry)
        index, first = chance.randrange(size), chance.randrange(1, size + 1)
        leaf, root = ours.leaf_hash(index), merkle.derive_root([ours.leaf_hash(each) for each in range(size)])
        proof = theirs.prove_inclusion(index + 1, size)
        pymerkle.verify_inclusion(leaf, root, proof)
        assert sorted([leaf, *merkle.inclusion_proof(index, size, ours.read_node)]) == sorted(proof.path)
        # Its proofs of growth are cut otherwise than those of RFC 9162, so only what they prove is compared.
        pymerkle.verify_consistency(ours.root(0, first), root, theirs.prove_consistency(first, size))
