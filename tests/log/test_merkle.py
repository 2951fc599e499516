"""The tree against its definition, for every small size; proofs that were tampered with."""

from __future__ import annotations

import random

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.log import merkle
from registry.log.merkle import (
    EMPTY_ROOT,
    ConsistencyProofError,
    InclusionProofError,
    RightEdge,
    RightEdgeError,
    TreeRangeError,
)
from tests.log.naive_tree import NaiveTree, naive_leaves

TWO_TILES = 257
TREE = NaiveTree(naive_leaves(600))


def verify_path(index: int, size: int, proof: list[bytes], leaf_hash: bytes | None = None) -> None:
    """Verify a path to the root of the naive tree."""
    merkle.verify_inclusion(
        TREE.leaf_hash(index) if leaf_hash is None else leaf_hash,
        proof,
        index=index,
        size=size,
        root_hash=TREE.root(0, size),
    )


def verify_growth(first: int, second: int, proof: list[bytes]) -> None:
    """Verify growth between two roots of the naive tree."""
    merkle.verify_consistency(TREE.root(0, first), TREE.root(0, second), first=first, second=second, proof=proof)


def test_the_empty_tree_has_the_root_of_the_standard() -> None:
    """The root of no leaves is the hash of nothing."""
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert RightEdge().root() == merkle.derive_root([]) == EMPTY_ROOT


def test_leaf_and_node_hashes_are_of_two_domains() -> None:
    """Leaf and node hashes are those of RFC 6962, each with its own first byte."""
    assert merkle.leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert merkle.leaf_hash(b"a" + b"b") != merkle.node_hash(b"a", b"b")


def test_the_right_edge_has_every_root() -> None:
    """Appending leaf by leaf gives the root of the definition at every size over two tiles."""
    edge = RightEdge()
    for size in range(600):
        assert edge.size == size
        assert edge.root() == TREE.root(0, size)
        assert merkle.derive_root(TREE.leaf_hash(each) for each in range(size)) == edge.root() or size > TWO_TILES
        edge.append(TREE.leaf_hash(size))


def test_append_returns_exactly_the_subtrees_it_completes() -> None:
    """Element l of what append returns is the perfect subtree (l, size >> l), and none is left out or said twice."""
    edge = RightEdge()
    told: set[tuple[int, int]] = set()
    for size in range(600):
        for level, node in enumerate(edge.append(TREE.leaf_hash(size))):
            assert node == TREE.read_node(level, size >> level)
            told.add((level, size >> level))
    assert told == {(level, index) for level in range(10) for index in range(600 >> level)}


def test_a_stored_edge_goes_on_where_it_was() -> None:
    """Size and hashes are all that has to be stored."""
    edge = RightEdge()
    for size in range(TWO_TILES):
        again = RightEdge(edge.size, list(edge.hashes))
        assert again.root() == edge.root()
        edge.append(TREE.leaf_hash(size))
        again.append(TREE.leaf_hash(size))
        assert again.hashes == edge.hashes


def test_a_copy_does_not_move_with_its_edge() -> None:
    """Readers keep the tree they were given while the writer goes on."""
    edge = RightEdge()
    for index in range(7):
        edge.append(TREE.leaf_hash(index))
    frozen = edge.copy()
    edge.append(TREE.leaf_hash(7))
    assert (frozen.size, frozen.root()) == (7, TREE.root(0, 7))
    assert edge.root() == TREE.root(0, 8)


@pytest.mark.parametrize(("size", "hashes"), [(1, []), (3, [bytes(32)]), (2, [bytes(31)]), (0, [bytes(32)])])
def test_a_stored_edge_must_fit_its_size(size: int, hashes: list[bytes]) -> None:
    """A lost or damaged hash in storage is noticed before anything is signed."""
    with pytest.raises(RightEdgeError):
        RightEdge(size, hashes)


def test_a_leaf_hash_has_32_bytes() -> None:
    """A wrong leaf hash is refused and leaves the edge as it was."""
    edge = RightEdge()
    edge.append(TREE.leaf_hash(0))
    with pytest.raises(RightEdgeError):
        edge.append(b"\x00" * 33)
    assert (edge.size, edge.root()) == (1, TREE.root(0, 1))


@pytest.mark.parametrize("size", [-1, 2**63])
def test_sizes_stay_in_63_bits(size: int) -> None:
    """Other readers hold sizes in signed 64-bit integers, so no larger one exists here."""
    with pytest.raises(TreeRangeError):
        RightEdge(size)


def test_every_inclusion_proof_to_two_tiles() -> None:
    """For each index of each size the proof is the one of the definition, and it verifies."""
    for size in range(1, TWO_TILES + 1):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, TREE.read_node)
            assert list(proof) == TREE.path(index, 0, size)
            verify_path(index, size, list(proof))


def test_every_consistency_proof_to_130() -> None:
    """For each pair of sizes the proof is the one of the definition, and it verifies."""
    for second in range(1, 131):
        for first in range(1, second + 1):
            proof = merkle.consistency_proof(first, second, TREE.read_node)
            assert list(proof) == TREE.proof(first, 0, second)
            verify_growth(first, second, list(proof))


@pytest.mark.parametrize("power", [8, 16, 24, 40, 62])
def test_proofs_around_powers_of_two_in_huge_trees(power: int) -> None:
    """Proofs in trees too large to build verify too: their nodes are made up, since a proof's nodes never overlap."""

    def read(level: int, index: int) -> bytes:
        return merkle.leaf_hash(b"%d/%d" % (level, index))

    for size in (2**power - 1, 2**power, 2**power + 1):
        for index in {0, size // 3, size - 1}:
            proof = merkle.inclusion_proof(index, size, read)
            assert len(proof) <= 63
            root = _root_from(read(0, index), list(proof), index, size)
            merkle.verify_inclusion(read(0, index), proof, index=index, size=size, root_hash=root)
            with pytest.raises(InclusionProofError):
                merkle.verify_inclusion(read(0, index), proof[:-1], index=index, size=size, root_hash=root)


def _root_from(node: bytes, proof: list[bytes], index: int, size: int) -> bytes:
    if size == 1:
        return node
    power = 1 << ((size - 1).bit_length() - 1)
    if index < power:
        return merkle.node_hash(_root_from(node, proof[:-1], index, power), proof[-1])
    return merkle.node_hash(proof[-1], _root_from(node, proof[:-1], index - power, size - power))


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 5), (5, 5), (0, 2**63)])
def test_no_proof_outside_the_tree(index: int, size: int) -> None:
    """A proof is asked for leaves and sizes that exist, else the error says so."""
    with pytest.raises(TreeRangeError):
        merkle.inclusion_proof(index, size, TREE.read_node)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 5), (6, 5), (-1, 5), (1, 2**63)])
def test_no_consistency_backwards_or_from_nothing(first: int, second: int) -> None:
    """Trees only grow, and from the empty tree there is nothing to prove."""
    with pytest.raises(TreeRangeError):
        merkle.consistency_proof(first, second, TREE.read_node)
    with pytest.raises(ConsistencyProofError):
        merkle.verify_consistency(EMPTY_ROOT, EMPTY_ROOT, first=first, second=second, proof=())


def test_an_inner_node_is_not_an_entry() -> None:
    """Second preimage: the two children of a node, offered as an entry, hash in another domain than the node."""
    children = TREE.read_node(0, 0) + TREE.read_node(0, 1)
    proof = list(merkle.inclusion_proof(0, 4, TREE.read_node))[1:]
    # The path from the node over leaves 0 and 1 is right, and the attacker also tells a size of 2 instead of 4.
    for size in (2, 4):
        with pytest.raises(InclusionProofError):
            merkle.verify_inclusion(merkle.leaf_hash(children), proof, index=0, size=size, root_hash=TREE.root(0, 4))


@given(st.integers(2, 300), st.data())
def test_tampered_inclusion_proofs_fail(size: int, data: st.DataObject) -> None:
    """Surplus, missing, swapped and altered hashes, and every other index, leaf or root, are refused."""
    index = data.draw(st.integers(0, size - 1))
    proof = list(merkle.inclusion_proof(index, size, TREE.read_node))
    place = data.draw(st.integers(0, len(proof) - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda each: each != index))
    tampered = [
        [*proof, bytes(32)],
        [TREE.leaf_hash(index), *proof],
        [*proof, TREE.root(0, size)],
        proof[:-1],
        proof[1:],
        [*proof[:place], proof[place][:-1], *proof[place + 1 :]],
        [*proof[:place], b"", *proof[place:]],
        [*proof[:place], bytes([proof[place][0] ^ 1]) + proof[place][1:], *proof[place + 1 :]],
    ]
    if len(proof) > 1:
        tampered.append([*proof[1:], proof[0]])
    for each in tampered:
        with pytest.raises(InclusionProofError):
            verify_path(index, size, each)
    with pytest.raises(InclusionProofError):
        verify_path(other, size, proof, TREE.leaf_hash(index))
    with pytest.raises(InclusionProofError):
        verify_path(index, size, proof, TREE.leaf_hash(other))
    with pytest.raises(InclusionProofError):
        verify_path(index, size + 1, proof)


@given(st.integers(2, 300), st.data())
def test_tampered_consistency_proofs_fail(second: int, data: st.DataObject) -> None:
    """Surplus, missing, swapped and altered hashes, and a root of another history, are refused."""
    first = data.draw(st.integers(1, second - 1))
    proof = list(merkle.consistency_proof(first, second, TREE.read_node))
    place = data.draw(st.integers(0, len(proof) - 1))
    tampered = [
        [*proof, bytes(32)],
        [TREE.root(0, first), *proof],
        [*proof, TREE.root(0, second)],
        proof[:-1],
        proof[1:],
        [*proof[:place], proof[place] + b"\x00", *proof[place + 1 :]],
        [*proof[:place], bytes([proof[place][0] ^ 1]) + proof[place][1:], *proof[place + 1 :]],
    ]
    if len(proof) > 1:
        tampered.append([*proof[1:], proof[0]])
    for each in tampered:
        with pytest.raises(ConsistencyProofError):
            verify_growth(first, second, each)
    forked = NaiveTree([*TREE.entries[: first - 1], b"another entry", *TREE.entries[first:second]])
    with pytest.raises(ConsistencyProofError):
        merkle.verify_consistency(forked.root(0, first), TREE.root(0, second), first=first, second=second, proof=proof)
    with pytest.raises(ConsistencyProofError):
        merkle.verify_consistency(TREE.root(0, first), forked.root(0, second), first=first, second=second, proof=proof)


def test_equal_sizes_need_equal_roots_and_no_proof() -> None:
    """Two heads of one size are consistent only when they are the same head."""
    root = TREE.root(0, 5)
    merkle.verify_consistency(root, root, first=5, second=5, proof=())
    with pytest.raises(ConsistencyProofError):
        merkle.verify_consistency(root, TREE.root(0, 6), first=5, second=5, proof=())
    with pytest.raises(ConsistencyProofError):
        merkle.verify_consistency(root, root, first=5, second=5, proof=(root,))


def test_roots_of_other_lengths_are_no_roots() -> None:
    """Where something is hashed, a root that is no hash cannot shift the boundary between two hashes."""
    proof = merkle.consistency_proof(2, 4, TREE.read_node)
    with pytest.raises(ConsistencyProofError):
        merkle.verify_consistency(TREE.root(0, 2)[:-1], TREE.root(0, 4), first=2, second=4, proof=proof)


@pytest.mark.oracle
def test_roots_agree_with_another_implementation() -> None:
    """pymerkle, which shares no code with this project, has the same roots."""
    oracle = pymerkle.InmemoryTree(algorithm="sha256")
    chance = random.Random(1)
    edge = RightEdge()
    for _ in range(300):
        entry = chance.randbytes(chance.randrange(100))
        oracle.append_entry(entry)
        edge.append(merkle.leaf_hash(entry))
        assert oracle.get_root() == edge.root()
