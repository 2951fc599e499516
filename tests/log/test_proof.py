"""Proofs as they travel: proof files and JSON, against signed checkpoints."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.keys import SigningKey
from registry.errors import VerificationError
from registry.log import merkle, proof
from registry.log.checkpoint import (
    Checkpoint,
    CheckpointOriginError,
    VerifiedCheckpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from registry.log.merkle import ConsistencyProofError, InclusionProofError
from registry.log.note import NoteKey, NoteMalformedError, NoteSignatureError
from registry.log.proof import (
    ConsistencyProof,
    InclusionProof,
    ProofCheckpointError,
    ProofFile,
    ProofFileError,
    ProofFileTooLargeError,
    ProofWireError,
)
from tests.log.naive_tree import NaiveTree, naive_leaves

ORIGIN = "registry.example/0a1b2c3d"
SIGNING_KEY = SigningKey(bytes(range(32)))
KEY = NoteKey(ORIGIN, SIGNING_KEY.public_key)
SIZE, INDEX = 300, 123
TREE = NaiveTree(naive_leaves(SIZE))


def head(size: int, origin: str = ORIGIN) -> VerifiedCheckpoint:
    """Return the signed and verified checkpoint of a size."""
    data = sign_checkpoint(Checkpoint(origin, size, TREE.root(0, size)), SIGNING_KEY)
    return verify_checkpoint(data, origin=origin, key=NoteKey(origin, SIGNING_KEY.public_key))


def make_file(index: int = INDEX, size: int = SIZE, extra: bytes = b"") -> ProofFile:
    """Return the proof file of an entry."""
    return ProofFile(index, merkle.inclusion_proof(index, size, TREE.read_node), head(size).note, extra)


def make_inclusion(index: int = INDEX, size: int = SIZE) -> InclusionProof:
    """Return the proof of an entry as the API gives it."""
    hashes = merkle.inclusion_proof(index, size, TREE.read_node)
    return InclusionProof(index, size, TREE.leaf_hash(index), TREE.root(0, size), hashes)


def make_consistency(first: int, second: int) -> ConsistencyProof:
    """Return the proof of growth as the API gives it."""
    hashes = merkle.consistency_proof(first, second, TREE.read_node)
    return ConsistencyProof(first, second, TREE.root(0, first), TREE.root(0, second), hashes)


FILE = proof.encode_proof_file(make_file())
LINES = FILE.decode().partition("\n\n")[0].split("\n")
NOTE = head(SIZE).note.decode()


def join(lines: list[str]) -> bytes:
    """Put header lines and the checkpoint together again."""
    return ("\n".join(lines) + "\n\n" + NOTE).encode()


def test_the_form_of_a_proof_file() -> None:
    """Format, index, one hash a line, an empty line, the checkpoint verbatim."""
    hashes = [base64.b64encode(each).decode() for each in make_file().hashes]
    assert ["c2sp.org/tlog-proof@v1", f"index {INDEX}", *hashes] == LINES
    assert join(LINES) == FILE
    assert proof.encode_proof_file(make_file(extra=b"abc")).decode().split("\n")[1] == "extra YWJj"


def test_the_example_of_the_specification_parses() -> None:
    """The example, without its shortened signature lines, is read and written back, and verifies nothing."""
    data = b"""\
c2sp.org/tlog-proof@v1
extra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ
index 73894
gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=
EKNzoDWG8LGC0Yp9o+sv3qllpMP9uHQ9B20KNL+Q1zs=
RoopEkOdqkYqMB4MJXrbt/hMjOxsVn0IrWjpz1ZMMes=
AHCioX9nLjsrse6YhjRRmk1WUEirVOLLRoOQ6vfO5vk=

example.com/fancylog
109482
sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

"""
    parsed = proof.parse_proof_file(data)
    assert (parsed.index, len(parsed.hashes)) == (73_894, 5)
    assert parsed.extra.startswith(b"age-v1.2.1-darwin-arm64.tar.gz")
    assert proof.encode_proof_file(parsed) == data
    with pytest.raises(NoteMalformedError):
        proof.verify_proof_file(parsed, leaf_hash=bytes(32), origin="example.com/fancylog", key=KEY)


@given(st.integers(1, SIZE), st.data(), st.binary(max_size=50))
def test_proof_files_round_trip_and_verify(size: int, data: st.DataObject, extra: bytes) -> None:
    """Every entry's file is read as it was written and proves the entry."""
    made = make_file(data.draw(st.integers(0, size - 1)), size, extra)
    parsed = proof.parse_proof_file(proof.encode_proof_file(made))
    assert parsed == made
    verified = proof.verify_proof_file(parsed, leaf_hash=TREE.leaf_hash(made.index), origin=ORIGIN, key=KEY)
    assert (verified.index, verified.checkpoint.checkpoint.size) == (made.index, size)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(LINES[1:], id="no format"),
        pytest.param(["c2sp.org/tlog-proof@v2", *LINES[1:]], id="other version"),
        pytest.param([LINES[0], *LINES[2:]], id="no index"),
        pytest.param([LINES[0]], id="nothing"),
        pytest.param([LINES[0], "index 0123", *LINES[2:]], id="leading zero"),
        pytest.param([LINES[0], "index -1", *LINES[2:]], id="negative index"),
        pytest.param([LINES[0], "index  1", *LINES[2:]], id="two spaces"),
        pytest.param([LINES[0], "Index 1", *LINES[2:]], id="upper case"),
        pytest.param([LINES[0], "index 9223372036854775808", *LINES[2:]], id="index above 2^63-1"),
        pytest.param([LINES[0], "extra ", *LINES[1:]], id="empty extra"),
        pytest.param([LINES[0], "extra YWJ", *LINES[1:]], id="extra without padding"),
        pytest.param([LINES[0], "extra YWJj", "extra YWJj", *LINES[1:]], id="two extras"),
        pytest.param([LINES[0], LINES[1], "extra YWJj", *LINES[2:]], id="extra after the index"),
        pytest.param([*LINES, LINES[-1][:-1]], id="hash without padding"),
        pytest.param([*LINES, "YWJj"], id="short hash"),
        pytest.param([*LINES, LINES[-1] + " "], id="space after a hash"),
        pytest.param([*LINES, LINES[-1] + "\r"], id="carriage return"),
        pytest.param([LINES[0], LINES[1], *[LINES[-1]] * 65], id="65 hashes"),
        pytest.param([LINES[0], LINES[1], "\u00e9"], id="not ASCII"),
    ],
)
def test_what_is_not_a_proof_file(lines: list[str]) -> None:
    """Each departure from the form is refused before anything is verified."""
    with pytest.raises(ProofFileError):
        proof.parse_proof_file(join(lines))


def test_a_proof_file_has_an_end_and_a_checkpoint() -> None:
    """A file without the empty line is none, one without a checkpoint verifies nothing, a huge one is not read."""
    with pytest.raises(ProofFileError):
        proof.parse_proof_file("\n".join(LINES).encode())
    empty = proof.parse_proof_file("\n".join([*LINES, "", ""]).encode())
    with pytest.raises(NoteMalformedError):
        proof.verify_proof_file(empty, leaf_hash=TREE.leaf_hash(INDEX), origin=ORIGIN, key=KEY)
    with pytest.raises(ProofFileTooLargeError):
        proof.parse_proof_file(FILE + b"a" * 131_072)


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([*LINES, LINES[-1]], id="surplus"),
        pytest.param(LINES[:-1], id="missing"),
        pytest.param([*LINES[:2], LINES[3], LINES[2], *LINES[4:]], id="reordered"),
        pytest.param([LINES[0], "index 124", *LINES[2:]], id="other index"),
        pytest.param([LINES[0], "index 300", *LINES[2:]], id="index beyond the tree"),
        pytest.param(LINES[:2], id="none"),
    ],
)
def test_tampered_proof_files_do_not_verify(lines: list[str]) -> None:
    """Surplus, missing and reordered hashes, and another index, are read but refused."""
    parsed = proof.parse_proof_file(join(lines))
    with pytest.raises(InclusionProofError):
        proof.verify_proof_file(parsed, leaf_hash=TREE.leaf_hash(INDEX), origin=ORIGIN, key=KEY)


def test_a_proof_file_is_of_one_log_and_one_entry() -> None:
    """Another entry, another origin or a checkpoint that the log did not sign is refused."""
    made = make_file()
    with pytest.raises(InclusionProofError):
        proof.verify_proof_file(made, leaf_hash=TREE.leaf_hash(0), origin=ORIGIN, key=KEY)
    with pytest.raises(CheckpointOriginError):
        proof.verify_proof_file(made, leaf_hash=TREE.leaf_hash(INDEX), origin="other.example", key=KEY)
    forged = replace(made, checkpoint=made.checkpoint.replace(b"\n300\n", b"\n301\n"))
    with pytest.raises(NoteSignatureError):
        proof.verify_proof_file(forged, leaf_hash=TREE.leaf_hash(INDEX), origin=ORIGIN, key=KEY)


@pytest.mark.parametrize(
    ("index", "hashes"), [(-1, ()), (2**63, ()), (0, (bytes(31),)), (0, (bytes(32),) * 65)], ids=str
)
def test_what_no_proof_file_holds(index: int, hashes: tuple[bytes, ...]) -> None:
    """A file that could not be read is not written."""
    with pytest.raises(ProofFileError):
        proof.encode_proof_file(ProofFile(index, hashes, b""))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_proof_file_or_an_error(data: bytes) -> None:
    """No bytes make the parser fail in another way, and what parses has one spelling."""
    whole = b"c2sp.org/tlog-proof@v1\n" + data
    try:
        parsed = proof.parse_proof_file(whole)
    except ProofFileError:
        return
    assert proof.encode_proof_file(parsed) == whole


def test_the_json_form_of_inclusion() -> None:
    """The JSON form round-trips and proves the entry in the checkpoint's tree."""
    wire = proof.inclusion_to_wire(make_inclusion())
    assert list(wire) == ["index", "treeSize", "leafHash", "rootHash", "proof"]
    parsed = proof.parse_inclusion({**wire, "checkpoint": "beside"})
    assert parsed == make_inclusion()
    verified = proof.verify_inclusion_proof(parsed, leaf_hash=TREE.leaf_hash(INDEX), checkpoint=head(SIZE))
    assert (verified.index, verified.leaf_hash) == (INDEX, TREE.leaf_hash(INDEX))


def test_an_inclusion_proof_is_for_one_tree_and_entry() -> None:
    """The sender's leaf hash and root hash are compared, never believed."""
    with pytest.raises(ProofCheckpointError):
        proof.verify_inclusion_proof(make_inclusion(), leaf_hash=TREE.leaf_hash(INDEX), checkpoint=head(SIZE - 1))
    other = replace(make_inclusion(), root_hash=TREE.root(0, 5))
    with pytest.raises(ProofCheckpointError):
        proof.verify_inclusion_proof(other, leaf_hash=TREE.leaf_hash(INDEX), checkpoint=head(SIZE))
    with pytest.raises(InclusionProofError):
        proof.verify_inclusion_proof(make_inclusion(), leaf_hash=TREE.leaf_hash(0), checkpoint=head(SIZE))
    moved = replace(make_inclusion(), index=INDEX + 1)
    with pytest.raises(InclusionProofError):
        proof.verify_inclusion_proof(moved, leaf_hash=TREE.leaf_hash(INDEX), checkpoint=head(SIZE))


@given(st.integers(1, SIZE), st.integers(1, SIZE))
def test_the_json_form_of_consistency(one: int, other: int) -> None:
    """The JSON form round-trips and proves growth between two checkpoints, never shrinking."""
    first, second = sorted((one, other))
    wire = proof.consistency_to_wire(make_consistency(first, second))
    assert list(wire) == ["first", "second", "firstRootHash", "secondRootHash", "proof"]
    parsed = proof.parse_consistency(wire)
    assert parsed == make_consistency(first, second)
    proof.verify_consistency_proof(parsed, first=head(first), second=head(second))
    if first != second:
        with pytest.raises(VerificationError):
            proof.verify_consistency_proof(parsed, first=head(second), second=head(first))


def test_a_consistency_proof_is_for_two_trees_of_one_log() -> None:
    """Other trees, another log, an empty tree, a shrunk log and a forked one are refused."""
    made = make_consistency(100, SIZE)
    with pytest.raises(ProofCheckpointError):
        proof.verify_consistency_proof(made, first=head(99), second=head(SIZE))
    with pytest.raises(ProofCheckpointError):
        proof.verify_consistency_proof(made, first=head(100, "other.example"), second=head(SIZE))
    nothing = ConsistencyProof(0, SIZE, merkle.EMPTY_ROOT, TREE.root(0, SIZE), ())
    with pytest.raises(ConsistencyProofError):
        proof.verify_consistency_proof(nothing, first=head(0), second=head(SIZE))
    shrunk = ConsistencyProof(SIZE, 100, TREE.root(0, SIZE), TREE.root(0, 100), made.hashes)
    with pytest.raises(ConsistencyProofError):
        proof.verify_consistency_proof(shrunk, first=head(SIZE), second=head(100))
    with pytest.raises(ConsistencyProofError):
        proof.verify_consistency_proof(replace(made, hashes=made.hashes[1:]), first=head(100), second=head(SIZE))


HASH = "A" * 43


@pytest.mark.parametrize(
    "change",
    [
        {"index": True},
        {"index": -1},
        {"index": "1"},
        {"index": 1.0},
        {"index": 2**63},
        {"treeSize": None},
        {"leafHash": None},
        {"leafHash": HASH + "="},
        {"leafHash": "A" * 42 + "B"},
        {"leafHash": "A" * 42},
        {"rootHash": "+" * 43},
        {"rootHash": 5},
        {"proof": None},
        {"proof": HASH},
        {"proof": [HASH, ""]},
        {"proof": [HASH] * 65},
    ],
    ids=str,
)
def test_what_is_not_an_inclusion_proof(change: dict[str, Any]) -> None:
    """Numbers are numbers, hashes have one spelling, and the list is bounded."""
    good = {"index": 0, "treeSize": 2, "leafHash": HASH, "rootHash": HASH, "proof": [HASH]}
    proof.parse_inclusion(good)
    with pytest.raises(ProofWireError):
        proof.parse_inclusion({**good, **change})


@pytest.mark.parametrize("missing", ["first", "second", "firstRootHash", "secondRootHash", "proof"])
def test_what_is_not_a_consistency_proof(missing: str) -> None:
    """No member can be left out."""
    good = {"first": 1, "second": 2, "firstRootHash": HASH, "secondRootHash": HASH, "proof": [HASH]}
    proof.parse_consistency(good)
    del good[missing]
    with pytest.raises(ProofWireError):
        proof.parse_consistency(good)
