"""The state map: one root over the state of every subject of the log, with proofs of presence and of absence.

A binary tree of fixed depth whose leaves are buckets. A bucket holds the rows of all subjects whose hash begins with its
number, so that the bucket and its path show what the map says of a subject, and just as well that it says nothing. This
module decides what is a bucket, a proof and an entry of the state log; it does not know what a state is.

Spec: specs/state-map.md
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from did_methods.codec import base64url_decode, base64url_encode
from did_methods.codec_errors import CodecError
from registry.errors import ParseError, VerificationError
from registry.log.merkle import HASH_BYTES, MAX_TREE_SIZE, leaf_hash, node_hash

DEPTH = 16
"""Depth of the maps that are written, levels: buckets of about 1 KiB at a million rows."""

MAX_DEPTH = 32
"""Deepest map that is read, levels: the number of a bucket is the first `depth` bits of a subject's hash."""

ROW_BYTES = 2 * HASH_BYTES
"""One row: SHA-256 of the subject, then the digest of its state."""

MAX_BUCKET_ROWS = 16_384
"""Most rows of a bucket that is read: 1 MiB. A map whose buckets come near it is written deeper."""

ENTRY_BYTES = 77
"""One entry of the state log, bytes."""

MAX_RULES = 2**32 - 1

_ENTRY = struct.Struct(">Q32sBI32s")
_EMPTY_BUCKET = leaf_hash(b"")


class StateBucketError(ParseError):
    """The bytes are no bucket of a state map at that number and depth."""

    code = "state_bucket_malformed"
    title = "Malformed bucket of the state map"


class StateProofMalformedError(ParseError):
    """The proof is not of the form that the state map's have."""

    code = "state_proof_malformed"
    title = "Malformed proof of the state map"


class StateProofError(VerificationError):
    """The proof does not show what the map says of the subject."""

    code = "state_proof_invalid"
    title = "Proof of the state map does not verify"


class StateEntryError(ParseError):
    """The bytes are no entry of a state log."""

    code = "state_entry_malformed"
    title = "Malformed entry of the state log"


@dataclass(frozen=True, slots=True)
class StateEntry:
    """One entry of the state log: the map that follows from the first entries of the main log.

    Args:
        size: tree size of the main log, leaves, 1 to 2^63-1.
        root_hash: of the main log's tree at that size, 32 bytes.
        depth: of the map, levels, 1 to 32.
        rules: version of the rules by which the map follows from the entries, 1 to 2^32-1.
        map_root: root of the map, 32 bytes.

    Raises:
        StateEntryError: state_entry_malformed.
    """

    size: int
    root_hash: bytes
    depth: int
    rules: int
    map_root: bytes

    def __post_init__(self) -> None:
        if not 1 <= self.size <= MAX_TREE_SIZE or not 1 <= self.depth <= MAX_DEPTH:
            raise StateEntryError("a size lies between 1 and 2^63-1, a depth between 1 and 32")
        if not 1 <= self.rules <= MAX_RULES:
            raise StateEntryError("a rules version lies between 1 and 2^32-1")
        if len(self.root_hash) != HASH_BYTES or len(self.map_root) != HASH_BYTES:
            raise StateEntryError("hashes have 32 bytes")

    def to_bytes(self) -> bytes:
        """Return the entry's 77 bytes: size, root, depth, rules and map root; numbers are big-endian."""
        return _ENTRY.pack(self.size, self.root_hash, self.depth, self.rules, self.map_root)


def parse_state_entry(data: bytes) -> StateEntry:
    """Parse an entry of the state log.

    Raises:
        StateEntryError: state_entry_malformed.
    """
    if len(data) != ENTRY_BYTES:
        raise StateEntryError("an entry of the state log has 77 bytes")
    return StateEntry(*_ENTRY.unpack(data))


def subject_key(subject: str) -> bytes:
    """Return under which 32 bytes a subject stands in the map: the SHA-256 of its UTF-8 text."""
    return sha256(subject.encode("utf-8")).digest()


def state_digest(record: bytes) -> bytes:
    """Return the digest of a record, 32 bytes: its SHA-256."""
    return sha256(record).digest()


def bucket_number(key: bytes, depth: int) -> int:
    """Return the number of the bucket of a key: its first `depth` bits, the first bit counting most.

    Args:
        key: 32 bytes.
        depth: levels, 1 to 32.
    """
    return int.from_bytes(key[:4], "big") >> (MAX_DEPTH - depth)


def bucket_hash(bucket: bytes) -> bytes:
    """Return the hash of a bucket, 32 bytes: SHA-256(00 || bucket); it is also the name of its file."""
    return leaf_hash(bucket)


def bucket_rows(bucket: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, state digest) of a bucket that parsed, 32 bytes each."""
    for start in range(0, len(bucket), ROW_BYTES):
        yield bucket[start : start + HASH_BYTES], bucket[start + HASH_BYTES : start + ROW_BYTES]


def check_bucket(bucket: bytes, *, number: int, depth: int) -> None:
    """Check that bytes are a bucket: whole rows, each of this bucket, strictly ascending by key.

    Args:
        bucket: its bytes, as they are hashed.
        number: 0 to 2^depth - 1.
        depth: levels, 1 to 32.

    Raises:
        StateBucketError: state_bucket_malformed.
    """
    if len(bucket) % ROW_BYTES:
        raise StateBucketError("a bucket consists of rows of 64 bytes")
    if len(bucket) > MAX_BUCKET_ROWS * ROW_BYTES:
        raise StateBucketError("a bucket has at most 16,384 rows", limit=MAX_BUCKET_ROWS)
    before = b""
    for key, _ in bucket_rows(bucket):
        if key <= before:
            raise StateBucketError("the rows of a bucket ascend by their keys, and each key stands once")
        if bucket_number(key, depth) != number:
            raise StateBucketError("a row belongs into another bucket")
        before = key


@dataclass(frozen=True, slots=True)
class MapProof:
    """What the map says of one subject, not verified.

    Attributes:
        bucket: the rows of the subject's bucket, 64 bytes each.
        hashes: the siblings from the bucket up, 32 bytes each, as many as the map is deep.
    """

    bucket: bytes
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class VerifiedRow:
    """What the map of a verified root says of a subject.

    Attributes:
        subject: the text that was asked about.
        digest: the 32-byte digest of its state; None: the map has no row of it.
    """

    subject: str
    digest: bytes | None


def verify_map_proof(proof: MapProof, *, subject: str, depth: int, map_root: bytes) -> VerifiedRow:
    """Verify what a map says of a subject, be it that it says nothing.

    Args:
        proof: what was parsed.
        subject: hashed here, never taken from the proof's sender.
        depth: of the map, from a verified entry of the state log.
        map_root: 32 bytes, from the same entry.

    Raises:
        StateBucketError: state_bucket_malformed.
        StateProofError: state_proof_invalid.
    """
    key = subject_key(subject)
    number = bucket_number(key, depth)
    if len(proof.hashes) != depth or any(len(each) != HASH_BYTES for each in proof.hashes):
        raise StateProofError("the path has another length than the map is deep")
    check_bucket(proof.bucket, number=number, depth=depth)
    node, position = bucket_hash(proof.bucket), number
    for sibling in proof.hashes:
        node = node_hash(sibling, node) if position & 1 else node_hash(node, sibling)
        position >>= 1
    if node != map_root:
        raise StateProofError("the proof leads to another root of the map")
    return VerifiedRow(subject, next((digest for row, digest in bucket_rows(proof.bucket) if row == key), None))


def map_proof_to_wire(proof: MapProof) -> dict[str, Any]:
    """Write the JSON form: ``bucket`` (the bytes) and ``proof`` (a list of hashes), all base64url."""
    return {"bucket": base64url_encode(proof.bucket), "proof": [base64url_encode(each) for each in proof.hashes]}


def parse_map_proof(wire: Mapping[str, Any]) -> MapProof:
    """Parse the JSON form that `map_proof_to_wire` writes; members beside its own are ignored.

    Raises:
        StateProofMalformedError: state_proof_malformed.
    """
    bucket, hashes = wire.get("bucket"), wire.get("proof")
    if not isinstance(bucket, str) or not isinstance(hashes, list) or len(hashes) > MAX_DEPTH:
        raise StateProofMalformedError("a proof has a bucket and a list of at most 32 hashes")
    siblings = tuple(_wire_bytes(each, HASH_BYTES) for each in hashes)
    if any(len(each) != HASH_BYTES for each in siblings):
        raise StateProofMalformedError("hashes have 32 bytes")
    return MapProof(_wire_bytes(bucket, MAX_BUCKET_ROWS * ROW_BYTES), siblings)


def _wire_bytes(text: Any, most: int) -> bytes:
    if not isinstance(text, str):
        raise StateProofMalformedError("hashes and buckets are texts in base64url")
    try:
        decoded = base64url_decode(text, max_chars=most * 4 // 3 + 4)
    except CodecError:
        raise StateProofMalformedError("not base64url") from None
    return decoded


class StateMap:
    """A map that is written: the buckets and every node above them that is not one of an empty map.

    Mutable and owned by one thread at a time. Its root follows from its rows alone, in whatever order they came.

    Args:
        depth: levels, 1 to 32.
        rows: what it begins with: (key, state digest), 32 bytes each.
    """

    def __init__(self, depth: int = DEPTH, rows: Iterable[tuple[bytes, bytes]] = ()) -> None:
        if not 1 <= depth <= MAX_DEPTH:
            raise StateBucketError("a depth lies between 1 and 32")
        self.depth = depth
        self._empty = _empty_nodes(depth)
        self._buckets: dict[int, bytes] = {}
        # By place in the tree as in a heap: the root is 1, the children of n are 2n and 2n + 1.
        self._nodes: dict[int, bytes] = {}
        self._rows = 0
        self.update(dict(rows))

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows

    @property
    def root(self) -> bytes:
        """The root of the map, 32 bytes."""
        return self._nodes.get(1, self._empty[self.depth])

    def copy(self) -> StateMap:
        """Return an independent map with the same rows; costs two short dictionaries, however many rows there are."""
        other = StateMap(self.depth)
        other._buckets, other._nodes, other._rows = dict(self._buckets), dict(self._nodes), self._rows
        return other

    def get(self, key: bytes) -> bytes | None:
        """Return the state digest of a key, or None."""
        bucket = self.bucket(bucket_number(key, self.depth))
        return next((digest for row, digest in bucket_rows(bucket) if row == key), None)

    def bucket(self, number: int) -> bytes:
        """Return the bytes of a bucket; an empty one has none."""
        return self._buckets.get(number, b"")

    def bucket_hashes(self) -> dict[bytes, int]:
        """Return the numbers of the buckets that are not empty, by their hashes."""
        first = 1 << self.depth
        return {self._nodes[first + number]: number for number in self._buckets}

    def update(self, changes: Mapping[bytes, bytes | None]) -> list[int]:
        """Set, replace and remove rows.

        Args:
            changes: key (32 bytes) to state digest (32 bytes), or to None where the row goes.

        Returns:
            The numbers of the buckets that changed.

        Raises:
            StateBucketError: state_bucket_malformed, a key or digest is not 32 bytes; nothing is changed.
        """
        by_bucket: dict[int, dict[bytes, bytes | None]] = {}
        for key, digest in changes.items():
            if len(key) != HASH_BYTES or (digest is not None and len(digest) != HASH_BYTES):
                raise StateBucketError("keys and digests have 32 bytes")
            by_bucket.setdefault(bucket_number(key, self.depth), {})[key] = digest
        changed = [number for number, wanted in by_bucket.items() if self._change_bucket(number, wanted)]
        if len(changed) == 1:
            self._rehash_one(changed[0])
        else:
            self._rehash(changed)
        return changed

    def prove(self, key: bytes) -> MapProof:
        """Return the proof of what the map says of a key, present or absent."""
        number = bucket_number(key, self.depth)
        place, hashes = (1 << self.depth) + number, []
        for level in range(self.depth):
            hashes.append(self._nodes.get(place ^ 1, self._empty[level]))
            place >>= 1
        return MapProof(self.bucket(number), tuple(hashes))

    def _change_bucket(self, number: int, changes: Mapping[bytes, bytes | None]) -> bool:
        old = self._buckets.get(number, b"")
        rows = [old[start : start + ROW_BYTES] for start in range(0, len(old), ROW_BYTES)]
        for key, digest in changes.items():
            at = bisect_left(rows, key)
            is_there = at < len(rows) and rows[at].startswith(key)
            rows[at : at + is_there] = [] if digest is None else [key + digest]
        new = b"".join(rows)
        if new == old:
            return False
        self._rows += (len(new) - len(old)) // ROW_BYTES
        if new:
            self._buckets[number] = new
        else:
            del self._buckets[number]
        return True

    def _rehash_one(self, number: int) -> None:
        """Compute a bucket's hash and the nodes above it, without looking for shared ones."""
        nodes, place = self._nodes, (1 << self.depth) + number
        node = bucket_hash(self._buckets.get(number, b""))
        for below in self._empty:
            if node == below:
                nodes.pop(place, None)
            else:
                nodes[place] = node
            if place == 1:
                return
            sibling = nodes.get(place ^ 1, below)
            node = sha256(b"\x01" + sibling + node if place & 1 else b"\x01" + node + sibling).digest()
            place >>= 1

    def _rehash(self, numbers: Iterable[int]) -> None:
        """Compute the changed buckets' hashes and each node above them, every shared node once."""
        nodes, empty = self._nodes, self._empty
        places = {(1 << self.depth) + number for number in numbers}
        fresh = {place: bucket_hash(self._buckets.get(place - (1 << self.depth), b"")) for place in places}
        for level in range(self.depth + 1):
            for place, node in fresh.items():
                if node == empty[level]:
                    nodes.pop(place, None)
                else:
                    nodes[place] = node
            below = empty[level]
            fresh = {
                parent: sha256(b"\x01" + nodes.get(2 * parent, below) + nodes.get(2 * parent + 1, below)).digest()
                for parent in {place >> 1 for place in fresh}
                if parent
            }


@lru_cache(maxsize=MAX_DEPTH)
def _empty_nodes(depth: int) -> tuple[bytes, ...]:
    """Return the nodes of a map without rows, by level: an empty bucket, two of them, four of them, up to the root."""
    nodes = [_EMPTY_BUCKET]
    for _ in range(depth):
        nodes.append(node_hash(nodes[-1], nodes[-1]))
    return tuple(nodes)
