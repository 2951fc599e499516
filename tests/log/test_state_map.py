"""The state map against a naive one, its proofs against everything a dishonest prover could send, its entry's bytes."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import RegistryError
from registry.log import state_map
from registry.log.merkle import leaf_hash, node_hash
from registry.log.state_map import (
    MapProof,
    StateBucketError,
    StateEntry,
    StateEntryError,
    StateMap,
    StateProofError,
    StateProofMalformedError,
    subject_key,
    verify_map_proof,
)
from tests.log.naive_state_map import naive_buckets, naive_path, naive_root

DEPTH = 4
SUBJECTS = [f"did:example:{number}" for number in range(60)]
ROWS = {subject_key(subject): sha256(subject.encode() + b"state").digest() for subject in SUBJECTS}
MAP = StateMap(DEPTH, ROWS.items())
ABSENT = "did:example:nobody"

letters = st.characters(codec="utf-8")
keys = letters.map(subject_key)
digests = st.binary(min_size=32, max_size=32)


def prove(subject: str) -> MapProof:
    """Return the map's proof about a subject."""
    return MAP.prove(subject_key(subject))


def verify(proof: MapProof, subject: str, *, depth: int = DEPTH, root: bytes | None = None) -> bytes | None:
    """Verify a proof against the map's root, or another one."""
    return verify_map_proof(proof, subject=subject, depth=depth, map_root=root or MAP.root).digest


@given(
    st.lists(st.dictionaries(keys, st.none() | digests, max_size=8), max_size=12),
    st.integers(min_value=1, max_value=8),
)
def test_equals_a_map_computed_anew(batches: list[dict[bytes, bytes | None]], depth: int) -> None:
    """After each batch of sets and removals, in any order, root, rows and paths are those of the naive map."""
    written, rows = StateMap(depth), dict[bytes, bytes]()
    for changes in batches:
        written.update(changes)
        rows.update({key: digest for key, digest in changes.items() if digest is not None})
        for key in [key for key, digest in changes.items() if digest is None]:
            rows.pop(key, None)
        assert written.root == naive_root(rows, depth)
    assert len(written) == len(rows)
    buckets = naive_buckets(rows, depth)
    for key in [*rows, sha256(b"absent").digest()]:
        number = state_map.bucket_number(key, depth)
        assert written.prove(key) == MapProof(buckets[number], naive_path(rows, depth, number))
        assert written.get(key) == rows.get(key)
    assert written.bucket_hashes() == {leaf_hash(bucket): number for number, bucket in enumerate(buckets) if bucket}


@pytest.mark.parametrize("depth", [1, 2, 15, 16, 31, 32])
def test_empty_and_emptied_maps(depth: int) -> None:
    """A map without rows has the root of empty buckets all the way up, whether it never had a row or lost its last."""
    expected = leaf_hash(b"")
    for _ in range(depth):
        expected = node_hash(expected, expected)
    emptied = StateMap(depth, ROWS.items())
    assert emptied.root != expected
    emptied.update(dict.fromkeys(ROWS))
    assert (emptied.root, StateMap(depth).root, len(emptied)) == (expected, expected, 0)
    row = verify_map_proof(emptied.prove(subject_key(ABSENT)), subject=ABSENT, depth=depth, map_root=expected)
    assert row.digest is None


def test_presence_and_absence() -> None:
    """Every subject's proof gives its digest, and the same kind of proof shows that a subject has none."""
    for subject in SUBJECTS:
        assert verify(prove(subject), subject) == ROWS[subject_key(subject)]
    assert verify(prove(ABSENT), ABSENT) is None


def test_a_copy_stays_as_it_was() -> None:
    """What is changed in a map does not show in a copy made before, nor the other way round."""
    one = StateMap(DEPTH, ROWS.items())
    other = one.copy()
    one.update({subject_key(ABSENT): bytes(32)})
    assert (other.root, len(other)) == (MAP.root, len(MAP))
    other.update(dict.fromkeys(ROWS))
    assert one.get(subject_key(SUBJECTS[0])) == ROWS[subject_key(SUBJECTS[0])]
    assert len(one) == len(MAP) + 1


def test_update_names_the_changed_buckets() -> None:
    """Only buckets whose bytes changed are named: not one that was set to what it held."""
    written = StateMap(DEPTH, ROWS.items())
    key = subject_key(SUBJECTS[0])
    assert written.update({key: ROWS[key]}) == []
    assert written.update({subject_key(ABSENT): None}) == []
    assert written.update({key: bytes(32)}) == [state_map.bucket_number(key, DEPTH)]


def test_absence_of_a_subject_that_is_there() -> None:
    """Nobody proves the absence of a subject by another one's bucket, or by its own bucket without the row."""
    hidden = next(one for one in SUBJECTS if prove(one).bucket != prove(ABSENT).bucket)
    with pytest.raises(StateBucketError):
        verify(prove(ABSENT), hidden)
    with pytest.raises(StateProofError):
        verify(replace(prove(ABSENT), bucket=b""), hidden)
    honest = prove(hidden)
    rows = [honest.bucket[at : at + 64] for at in range(0, len(honest.bucket), 64)]
    without = b"".join(row for row in rows if not row.startswith(subject_key(hidden)))
    with pytest.raises(StateProofError):
        verify(replace(honest, bucket=without), hidden)
    with pytest.raises(StateProofError):
        verify(honest, hidden, root=StateMap(DEPTH).root)


def test_forged_buckets() -> None:
    """Surplus, doubled, unsorted, cut and foreign rows, and a state that was altered, are each refused."""
    subject = next(one for one in SUBJECTS if len(prove(one).bucket) >= 3 * 64)
    honest = prove(subject)
    rows = [honest.bucket[at : at + 64] for at in range(0, len(honest.bucket), 64)]
    foreign = next(prove(one).bucket for one in SUBJECTS if prove(one).bucket != honest.bucket)
    for bucket in (
        b"".join([*rows, rows[-1]]),
        b"".join([rows[0][:32] + bytes(32), *rows]),
        b"".join(reversed(rows)),
        honest.bucket[:-1],
        honest.bucket + bytes(1),
        honest.bucket + foreign,
        foreign,
    ):
        with pytest.raises(StateBucketError):
            verify(replace(honest, bucket=bucket), subject)
    last = rows[-1][:31] + bytes([rows[-1][31] ^ 1])
    for bucket in (
        b"".join(rows[1:]),
        b"".join(sorted([*rows, last + bytes(32)])),
        b"".join([*rows[:-1], rows[-1][:32] + bytes(32)]),
    ):
        with pytest.raises(StateProofError):
            verify(replace(honest, bucket=bucket), subject)


def test_forged_paths() -> None:
    """A path of another length, order or content, a cut hash, and a proof against another depth are refused."""
    subject = SUBJECTS[0]
    honest = prove(subject)
    hashes = honest.hashes
    swapped = (hashes[1], hashes[0], *hashes[2:])
    altered = (bytes(32), *hashes[1:])
    cut = (hashes[0][:31], *hashes[1:])
    for path in ((), hashes[:-1], (*hashes, hashes[-1]), swapped, altered, cut):
        with pytest.raises(StateProofError):
            verify(replace(honest, hashes=path), subject)
    with pytest.raises(RegistryError):
        verify(honest, subject, depth=DEPTH + 1)
    with pytest.raises(RegistryError):
        verify(honest, subject, depth=DEPTH - 1)


def test_no_inner_node_passes_as_a_bucket() -> None:
    """Two child hashes are as long as a row, and still no bucket: buckets and nodes are hashed apart."""
    deep, flat = StateMap(2, ROWS.items()), subject_key(SUBJECTS[0])
    path = deep.prove(flat).hashes
    left = sha256(b"\x01" + path[0] * 2).digest()
    with pytest.raises(RegistryError):
        verify_map_proof(MapProof(path[0] + left, path[1:]), subject=SUBJECTS[0], depth=1, map_root=deep.root)


def test_a_bucket_past_its_cap() -> None:
    """More rows than are ever looked at are refused before anything is hashed."""
    rows = b"".join(number.to_bytes(32, "big") + bytes(32) for number in range(1, state_map.MAX_BUCKET_ROWS + 2))
    with pytest.raises(StateBucketError):
        state_map.check_bucket(rows, number=0, depth=1)
    state_map.check_bucket(rows[:-64], number=0, depth=1)


@given(st.dictionaries(keys, digests, max_size=20), letters, st.integers(0, 400), st.integers(0, 255))
def test_any_altered_byte_fails(rows: dict[bytes, bytes], subject: str, place: int, byte: int) -> None:
    """No single altered byte of a bucket or of a path leaves a proof that verifies."""
    written = StateMap(3, rows.items())
    honest = written.prove(subject_key(subject))
    data = bytearray(honest.bucket + b"".join(honest.hashes))
    place %= len(data)
    if data[place] == byte:
        return
    data[place] = byte
    split = len(honest.bucket)
    path = tuple(bytes(data[at : at + 32]) for at in range(split, len(data), 32))
    with pytest.raises(RegistryError):
        verify_map_proof(MapProof(bytes(data[:split]), path), subject=subject, depth=3, map_root=written.root)


def test_wire_form() -> None:
    """A proof written as JSON is read as it was."""
    proof = prove(SUBJECTS[3])
    wire = state_map.map_proof_to_wire(proof)
    assert state_map.parse_map_proof({**wire, "more": 1}) == proof


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"bucket": "", "proof": ""},
        {"bucket": None, "proof": []},
        {"bucket": "A", "proof": []},
        {"bucket": "AB", "proof": []},
        {"bucket": "", "proof": ["A" * 42]},
        {"bucket": "", "proof": ["A" * 43 + "="]},
        {"bucket": "", "proof": [1]},
        {"bucket": "", "proof": ["A" * 43] * 33},
        {"bucket": "A" * (4 * state_map.MAX_BUCKET_ROWS * 64 // 3 + 8), "proof": []},
    ],
)
def test_malformed_wire_forms(wire: dict[str, object]) -> None:
    """Anything but one base64url text and at most 32 hashes is refused before it is decoded further."""
    with pytest.raises(StateProofMalformedError):
        state_map.parse_map_proof(wire)


def test_the_entry_of_the_state_log() -> None:
    """77 bytes: size, root, depth, rules, map root; numbers big-endian."""
    entry = StateEntry(258, bytes(range(32)), 16, 1, bytes(range(32, 64)))
    data = entry.to_bytes()
    assert data == bytes([0, 0, 0, 0, 0, 0, 1, 2, *range(32), 16, 0, 0, 0, 1, *range(32, 64)])
    assert len(data) == state_map.ENTRY_BYTES == 77
    assert state_map.parse_state_entry(data) == entry


@given(st.binary(min_size=77, max_size=77))
def test_whatever_entry_parses_has_one_spelling(data: bytes) -> None:
    """What parses is written again as the same bytes."""
    try:
        entry = state_map.parse_state_entry(data)
    except StateEntryError:
        return
    assert entry.to_bytes() == data


def test_depths_and_lengths_that_no_map_has() -> None:
    """A map without levels, or with more than 32, and rows of other lengths are refused and change nothing."""
    for depth in (0, 33):
        with pytest.raises(StateBucketError):
            StateMap(depth)
    written = StateMap(DEPTH, ROWS.items())
    for key, digest in ((bytes(31), bytes(32)), (bytes(32), bytes(33)), (bytes(33), None)):
        with pytest.raises(StateBucketError):
            written.update({subject_key(ABSENT): bytes(32), key: digest})
    assert written.root == MAP.root
