"""Evidence of split views: what convinces a stranger, and what does not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
from did_methods.keys import SigningKey
from registry.errors import RegistryError
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.merkle import InclusionProofError
from registry.log.note import NoteKey, NoteSignatureError, NoteUnverifiedError
from registry.log.split_view import (
    EvidenceFormatError,
    EvidenceKeyError,
    LeafClaim,
    NoContradictionError,
    SplitView,
    encode_split_view,
    parse_split_view,
    verify_split_view,
)
from tests.log.naive_tree import NaiveTree, naive_leaves

ORIGIN = "log.example/1"
SIGNING_KEY = SigningKey(bytes(range(32)))
KEY = NoteKey(ORIGIN, SIGNING_KEY.public_key)
TREE = NaiveTree(naive_leaves(20))
FORK = NaiveTree([*naive_leaves(5), *(b"other %d" % place for place in range(15))])


def signed(tree: NaiveTree, size: int, key: SigningKey = SIGNING_KEY) -> bytes:
    """Sign a tree's head."""
    return sign_checkpoint(Checkpoint(ORIGIN, size, tree.root(0, size)), key)


def claim(tree: NaiveTree, index: int, size: int) -> LeafClaim:
    """Prove a leaf."""
    return LeafClaim(tree.leaf_hash(index), tuple(tree.path(index, 0, size)))


SAME_SIZE = SplitView(KEY, signed(TREE, 9), signed(FORK, 9))
TWO_SIZES = SplitView(KEY, signed(TREE, 9), signed(FORK, 17), 6, (claim(TREE, 6, 9), claim(FORK, 6, 17)))


@pytest.mark.parametrize("evidence", [SAME_SIZE, TWO_SIZES], ids=["same-size", "two-sizes"])
def test_evidence_convinces_from_its_bytes_alone(evidence: SplitView) -> None:
    """Written, read and verified, with the key given and with the one inside; the order of the notes does not matter."""
    read = parse_split_view(encode_split_view(evidence))
    assert read == evidence
    assert verify_split_view(read, key=KEY).origin == ORIGIN
    turned = replace(read, first=read.second, second=read.first, leaves=read.leaves[::-1])
    assert verify_split_view(turned).first.checkpoint == verify_split_view(read).second.checkpoint


def test_a_log_that_grew_is_not_accused() -> None:
    """Two honest heads, the same note twice, one leaf in both trees: none of it is a contradiction."""
    grown = signed(TREE, 17)
    for honest in (
        SplitView(KEY, signed(TREE, 9), signed(TREE, 9)),
        SplitView(KEY, signed(TREE, 9), grown),
        SplitView(KEY, signed(TREE, 9), signed(FORK, 17)),
        SplitView(KEY, signed(TREE, 9), grown, 6, (claim(TREE, 6, 9), claim(TREE, 6, 17))),
    ):
        with pytest.raises(NoContradictionError):
            verify_split_view(honest)


def test_nobody_is_accused_with_leaves_that_are_not_there() -> None:
    """A leaf that its proof does not place is worth nothing, nor is one at an index beyond a tree."""
    invented = replace(TWO_SIZES, leaves=(TWO_SIZES.leaves[0], LeafClaim(bytes(32), TWO_SIZES.leaves[1].proof)))
    elsewhere = replace(TWO_SIZES, index=7)
    for false in (invented, elsewhere):
        with pytest.raises(InclusionProofError):
            verify_split_view(false)
    beyond = SplitView(KEY, signed(TREE, 9), signed(FORK, 17), 9, (claim(TREE, 8, 9), claim(FORK, 9, 17)))
    with pytest.raises(RegistryError):
        verify_split_view(beyond)


def test_both_notes_must_be_signed_by_the_log() -> None:
    """Somebody else's signature, a forged one and another log's evidence are refused."""
    stranger = SigningKey(bytes(32))
    with pytest.raises(NoteUnverifiedError):
        verify_split_view(replace(SAME_SIZE, second=signed(FORK, 9, stranger)))
    forged = SAME_SIZE.second[:-8] + b"AAAA" + SAME_SIZE.second[-4:]
    with pytest.raises(NoteSignatureError):
        verify_split_view(replace(SAME_SIZE, second=forged))
    with pytest.raises(EvidenceKeyError):
        verify_split_view(SAME_SIZE, key=NoteKey(ORIGIN, stranger.public_key))


@pytest.mark.parametrize(
    "change",
    [
        {"format": "bonafides/split-view/2"},
        {"key": 7},
        {"first": None},
        {"extra": 1},
        {"index": True},
        {"index": -1},
        {"index": 1 << 53},
        {"leaves": []},
        {"leaves": [{}, {}]},
        {"leaves": [{"leafHash": "A" * 43, "proof": "x"}] * 2},
        {"leaves": [{"leafHash": "A" * 42, "proof": []}] * 2},
        {"leaves": [{"leafHash": "A" * 43, "proof": ["A" * 43] * 65}] * 2},
    ],
)
def test_other_files_are_refused(change: dict[str, object]) -> None:
    """One form: these members, these types, these lengths, nothing besides."""
    wire = json.loads(encode_split_view(TWO_SIZES)) | change
    with pytest.raises(EvidenceFormatError):
        parse_split_view(json.dumps(wire).encode())


def test_one_spelling_only() -> None:
    """The same evidence in other bytes, without its leaves, or far too long is not read."""
    data = encode_split_view(TWO_SIZES)
    assert canonicalize(json.loads(data)) == data
    for other in (b" " + data, json.dumps(json.loads(data), indent=1).encode(), b"[]", b"", b"x" * 300_000):
        with pytest.raises(EvidenceFormatError):
            parse_split_view(other)
    wire = json.loads(data)
    del wire["leaves"]
    with pytest.raises(EvidenceFormatError):
        parse_split_view(canonicalize(wire))
    with pytest.raises(EvidenceFormatError):
        encode_split_view(replace(SAME_SIZE, first=b"\xff"))


@given(st.binary(max_size=200) | st.integers(0, 400).map(lambda end: encode_split_view(TWO_SIZES)[:end]))
def test_any_bytes_are_evidence_or_refused_by_code(data: bytes) -> None:
    """The parser never fails in another way."""
    with pytest.raises(RegistryError):
        parse_split_view(data)


def test_the_first_of_two_leaves_is_not_believed_twice() -> None:
    """Both leaves are needed, one a tree."""
    wire = json.loads(encode_split_view(TWO_SIZES))
    wire["leaves"] = wire["leaves"][:1]
    with pytest.raises(EvidenceFormatError):
        parse_split_view(canonicalize(wire))
