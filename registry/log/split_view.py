"""Evidence of a split view: two checkpoints that one log has signed and that cannot both be of one tree.

Decides whether a file is such evidence. Whoever has the file and the log's verifier key needs nothing else, and nobody's
word: both notes are whole. Two trees of one size with two roots contradict each other as they are; of two sizes, the
file adds two leaves at one index, each with the proof that it stands there.

Spec: specs/witness.md "Evidence"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.codec_errors import CodecError
from did_methods.errors import DidError
from registry.errors import ParseError, VerificationError
from registry.log.checkpoint import VerifiedCheckpoint, verify_checkpoint
from registry.log.merkle import HASH_BYTES, MAX_TREE_SIZE, verify_inclusion
from registry.log.note import NoteKey, parse_note_key
from registry.log.proof import MAX_PROOF_HASHES

FORMAT: Final = "bonafides/split-view/1"

MAX_EVIDENCE_BYTES: Final = 262_144
"""Longest evidence file, bytes: two of the longest notes in JSON, and two proofs."""

_MEMBERS = {"format", "key", "first", "second"}
_LEAF_MEMBERS = {"leafHash", "proof"}


class EvidenceFormatError(ParseError):
    """The bytes are not an evidence file."""

    code = "evidence_malformed"
    title = "Malformed evidence"


class EvidenceKeyError(VerificationError):
    """The evidence is about another log, or another key of it, than was asked about."""

    code = "evidence_of_another_log"
    title = "Evidence about another log"


class NoContradictionError(VerificationError):
    """Both checkpoints are the log's, but what the file shows can be true of one tree."""

    code = "evidence_not_contradictory"
    title = "The two checkpoints do not contradict each other"


@dataclass(frozen=True, slots=True)
class LeafClaim:
    """A leaf hash (32 bytes) and the inclusion proof that places it, from the leaf up."""

    leaf_hash: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SplitView:
    """Evidence, not verified.

    Args:
        key: of the log.
        first, second: whole notes.
        index: of the leaf that differs; None where both trees have one size.
        leaves: what stands there in the first and in the second tree; empty where index is None.
    """

    key: NoteKey
    first: bytes
    second: bytes
    index: int | None = None
    leaves: tuple[LeafClaim, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifiedSplitView:
    """The log that holds this key has shown two trees."""

    first: VerifiedCheckpoint
    second: VerifiedCheckpoint

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self.first.checkpoint.origin


def encode_split_view(evidence: SplitView) -> bytes:
    """Write an evidence file: canonical JSON.

    Raises:
        EvidenceFormatError: evidence_malformed, a note is not UTF-8.
    """
    try:
        wire: dict[str, Any] = {
            "format": FORMAT,
            "key": evidence.key.to_text(),
            "first": evidence.first.decode("utf-8"),
            "second": evidence.second.decode("utf-8"),
        }
    except UnicodeDecodeError:
        raise EvidenceFormatError("a note is not UTF-8") from None
    if evidence.index is not None:
        wire["index"] = evidence.index
        wire["leaves"] = [
            {"leafHash": base64url_encode(leaf.leaf_hash), "proof": [base64url_encode(each) for each in leaf.proof]}
            for leaf in evidence.leaves
        ]
    return canonicalize(wire)


def parse_split_view(data: bytes) -> SplitView:
    """Parse an evidence file; accept only the bytes that `encode_split_view` writes.

    Raises:
        EvidenceFormatError: evidence_malformed.
        ParseError: note_key_malformed, note_key_type_unsupported.
    """
    try:
        wire = parse_json_object(data, max_bytes=MAX_EVIDENCE_BYTES)
    except DidError:
        raise EvidenceFormatError("not a JSON object of at most 262,144 bytes") from None
    has_leaves = "index" in wire
    if wire.keys() != (_MEMBERS | {"index", "leaves"} if has_leaves else _MEMBERS) or wire["format"] != FORMAT:
        raise EvidenceFormatError("evidence has format, key, first and second, and index with leaves where needed")
    texts = [wire[name] for name in ("key", "first", "second")]
    if not all(isinstance(text, str) for text in texts):
        raise EvidenceFormatError("key and notes are texts")
    evidence = SplitView(
        parse_note_key(texts[0]),
        texts[1].encode("utf-8"),
        texts[2].encode("utf-8"),
        _parse_index(wire["index"]) if has_leaves else None,
        _parse_leaves(wire["leaves"]) if has_leaves else (),
    )
    if encode_split_view(evidence) != data:
        raise EvidenceFormatError("not the canonical bytes of evidence")
    return evidence


def verify_split_view(evidence: SplitView, *, key: NoteKey | None = None) -> VerifiedSplitView:
    """Verify that one log has signed two trees that contradict each other.

    Args:
        evidence: what was parsed.
        key: the log that the caller asks about; None takes the one in the file, which the caller then compares.

    Raises:
        EvidenceKeyError: evidence_of_another_log.
        VerificationError: every code of `verify_checkpoint`, inclusion_proof_invalid, evidence_not_contradictory.
        ParseError: note_malformed, checkpoint_malformed.
    """
    if key is not None and key != evidence.key:
        raise EvidenceKeyError
    origin = evidence.key.name
    first = verify_checkpoint(evidence.first, origin=origin, key=evidence.key)
    second = verify_checkpoint(evidence.second, origin=origin, key=evidence.key)
    if evidence.index is None:
        if first.checkpoint.size != second.checkpoint.size or first.checkpoint.root_hash == second.checkpoint.root_hash:
            raise NoContradictionError("two roots of one size are needed")
        return VerifiedSplitView(first, second)
    for claim, verified in zip(evidence.leaves, (first, second), strict=True):
        head = verified.checkpoint
        verify_inclusion(claim.leaf_hash, claim.proof, index=evidence.index, size=head.size, root_hash=head.root_hash)
    if evidence.leaves[0].leaf_hash == evidence.leaves[1].leaf_hash:
        raise NoContradictionError("the same leaf stands there in both trees")
    return VerifiedSplitView(first, second)


def _parse_index(value: Any) -> int:
    # Not isinstance: to Python true is an integer.
    if type(value) is not int or not 0 <= value <= MAX_TREE_SIZE:
        raise EvidenceFormatError("index is a number from 0 to 2^63-1")
    return value


def _parse_leaves(value: Any) -> tuple[LeafClaim, ...]:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 - one a tree
        raise EvidenceFormatError("leaves are two")
    return tuple(_parse_leaf(one) for one in value)


def _parse_leaf(value: Any) -> LeafClaim:
    if not isinstance(value, Mapping) or value.keys() != _LEAF_MEMBERS or not isinstance(value["proof"], list):
        raise EvidenceFormatError("a leaf has leafHash and proof")
    if len(value["proof"]) > MAX_PROOF_HASHES:
        raise EvidenceFormatError("a proof has at most 64 hashes")
    return LeafClaim(_parse_hash(value["leafHash"]), tuple(_parse_hash(each) for each in value["proof"]))


def _parse_hash(text: Any) -> bytes:
    try:
        decoded = base64url_decode(text) if isinstance(text, str) else b""
    except CodecError:
        decoded = b""
    if len(decoded) != HASH_BYTES:
        raise EvidenceFormatError("a hash is base64url of 32 bytes")
    return decoded
