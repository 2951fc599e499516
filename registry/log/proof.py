"""Proofs as they travel: the ``.tlog-proof`` file and the JSON forms, verified against signed checkpoints.

Decides whether an entry is in the log that a verified checkpoint commits to, and whether one checkpoint's tree grew
out of another's. The mathematics is in ``merkle.py``; here are the spellings, each of which has one form only. A leaf
hash is never believed from a proof: the caller hashes the entry.

Spec: c2sp.org/tlog-proof@v1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_decode, base64url_encode
from did_methods.codec_errors import CodecError
from registry.errors import LimitError, ParseError, VerificationError
from registry.log.checkpoint import VerifiedCheckpoint, parse_decimal, verify_checkpoint
from registry.log.merkle import (
    HASH_BYTES,
    MAX_TREE_SIZE,
    ConsistencyProofError,
    InclusionProofError,
    verify_consistency,
    verify_inclusion,
)
from registry.log.note import NoteKey
from registry.log.verifier_key import base64_bytes, base64_text

PROOF_FILE_HEADER = "c2sp.org/tlog-proof@v1"
"""First line of a proof file: format and version."""

MAX_PROOF_HASHES = 64
"""Most hashes in a proof: an inclusion proof in the largest tree has 63, a consistency proof one more."""

MAX_PROOF_FILE_BYTES = 131_072
"""Longest proof file, bytes: the longest note, all hashes, and extra data of about 60 KB."""

_EXTRA = "extra "
_INDEX = "index "


class ProofFileError(ParseError):
    """The bytes are not a proof file."""

    code = "proof_file_malformed"
    title = "Malformed proof file"


class ProofFileTooLargeError(LimitError):
    """The proof file is longer than is looked at."""

    code = "proof_file_too_large"
    title = "Proof file too large"


class ProofWireError(ParseError):
    """The JSON is not an inclusion or consistency proof."""

    code = "log_proof_malformed"
    title = "Malformed proof"


class ProofCheckpointError(VerificationError):
    """The proof is for another tree than the checkpoint's."""

    code = "proof_checkpoint_mismatch"
    title = "Proof for another checkpoint"


@dataclass(frozen=True, slots=True)
class ProofFile:
    """A self-contained proof of inclusion, not verified.

    Args:
        index: the entry's index, 0 to 2^63-1.
        hashes: siblings from the leaf up, 32 bytes each.
        checkpoint: the signed note, verbatim, with whatever cosignatures it carries.
        extra: opaque and not authenticated by anything; empty when there is none.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """A proof of inclusion as the API gives it, not verified; hashes are 32 bytes."""

    index: int
    tree_size: int
    leaf_hash: bytes
    root_hash: bytes
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """A proof of consistency as the API gives it, not verified; hashes are 32 bytes."""

    first: int
    second: int
    first_root_hash: bytes
    second_root_hash: bytes
    hashes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class VerifiedInclusion:
    """The entry with this leaf hash is at this index of the log that signed the checkpoint."""

    index: int
    leaf_hash: bytes
    checkpoint: VerifiedCheckpoint


def encode_proof_file(proof: ProofFile) -> bytes:
    """Write a ``.tlog-proof`` file.

    Raises:
        ProofFileError: proof_file_malformed, the index, the number of hashes or a hash cannot stand in one.

    Spec: c2sp.org/tlog-proof, Format
    """
    if not 0 <= proof.index <= MAX_TREE_SIZE or len(proof.hashes) > MAX_PROOF_HASHES:
        raise ProofFileError("an index is at most 2^63-1 and a proof has at most 64 hashes")
    if any(len(each) != HASH_BYTES for each in proof.hashes):
        raise ProofFileError("hashes have 32 bytes")
    lines = [PROOF_FILE_HEADER]
    if proof.extra:
        lines.append(_EXTRA + base64_text(proof.extra))
    lines.append(f"{_INDEX}{proof.index}")
    lines += [base64_text(each) for each in proof.hashes]
    return "\n".join([*lines, "", ""]).encode("ascii") + proof.checkpoint


def parse_proof_file(data: bytes) -> ProofFile:
    """Parse a ``.tlog-proof`` file; the checkpoint in it is taken as it is and verified later.

    Raises:
        ProofFileTooLargeError: proof_file_too_large.
        ProofFileError: proof_file_malformed.

    Spec: c2sp.org/tlog-proof, Format
    """
    if len(data) > MAX_PROOF_FILE_BYTES:
        raise ProofFileTooLargeError("a proof file has up to 131,072 bytes", limit=MAX_PROOF_FILE_BYTES)
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator or not head.isascii():
        raise ProofFileError("a proof file is ASCII lines, an empty line and a checkpoint")
    lines = head.decode("ascii").split("\n")
    if lines.pop(0) != PROOF_FILE_HEADER:
        raise ProofFileError("not a proof file of version 1")
    extra: bytes | None = b""
    if lines and lines[0].startswith(_EXTRA):
        extra = base64_bytes(lines.pop(0).removeprefix(_EXTRA)) or None
    index = parse_decimal(lines.pop(0).removeprefix(_INDEX)) if lines and lines[0].startswith(_INDEX) else None
    hashes = tuple(_parse_hash_line(line) for line in lines[: MAX_PROOF_HASHES + 1])
    if extra is None or index is None or len(hashes) > MAX_PROOF_HASHES:
        raise ProofFileError("a proof file has an index line, at most 64 hashes and no empty extra data")
    return ProofFile(index, hashes, checkpoint, extra)


def verify_proof_file(proof: ProofFile, *, leaf_hash: bytes, origin: str, key: NoteKey) -> VerifiedInclusion:
    """Verify that the entry is in the log: the checkpoint's signature first, then the path to its root.

    Args:
        proof: what was parsed.
        leaf_hash: 32 bytes, hashed by the caller from the entry.
        origin: the log that is asked about.
        key: the log's note key.

    Raises:
        VerificationError: every code of `verify_checkpoint`, and inclusion_proof_invalid.
        ParseError: note_malformed, checkpoint_malformed.

    Spec: c2sp.org/tlog-proof
    """
    checkpoint = verify_checkpoint(proof.checkpoint, origin=origin, key=key)
    head = checkpoint.checkpoint
    verify_inclusion(leaf_hash, proof.hashes, index=proof.index, size=head.size, root_hash=head.root_hash)
    return VerifiedInclusion(proof.index, leaf_hash, checkpoint)


def inclusion_to_wire(proof: InclusionProof) -> dict[str, Any]:
    """Write the JSON form: ``index``, ``treeSize``, ``leafHash``, ``rootHash``, ``proof``; hashes as base64url."""
    return {
        "index": proof.index,
        "treeSize": proof.tree_size,
        "leafHash": base64url_encode(proof.leaf_hash),
        "rootHash": base64url_encode(proof.root_hash),
        "proof": [base64url_encode(each) for each in proof.hashes],
    }


def parse_inclusion(wire: Mapping[str, Any]) -> InclusionProof:
    """Parse the JSON form that `inclusion_to_wire` writes; members beside its own are ignored.

    Raises:
        ProofWireError: log_proof_malformed.
    """
    return InclusionProof(
        index=_wire_number(wire, "index"),
        tree_size=_wire_number(wire, "treeSize"),
        leaf_hash=_wire_hash(wire.get("leafHash")),
        root_hash=_wire_hash(wire.get("rootHash")),
        hashes=_wire_hashes(wire),
    )


def verify_inclusion_proof(
    proof: InclusionProof, *, leaf_hash: bytes, checkpoint: VerifiedCheckpoint
) -> VerifiedInclusion:
    """Verify that the entry is in the tree of a verified checkpoint.

    Args:
        proof: what was parsed.
        leaf_hash: 32 bytes, hashed by the caller from the entry.
        checkpoint: of the size that the proof is for.

    Raises:
        ProofCheckpointError: proof_checkpoint_mismatch.
        InclusionProofError: inclusion_proof_invalid.

    Spec: RFC 9162 2.1.3.2
    """
    head = checkpoint.checkpoint
    if (proof.tree_size, proof.root_hash) != (head.size, head.root_hash):
        raise ProofCheckpointError("the proof is for another tree than the checkpoint's", size=head.size)
    if proof.leaf_hash != leaf_hash:
        raise InclusionProofError("the proof is for another entry")
    verify_inclusion(leaf_hash, proof.hashes, index=proof.index, size=head.size, root_hash=head.root_hash)
    return VerifiedInclusion(proof.index, leaf_hash, checkpoint)


def consistency_to_wire(proof: ConsistencyProof) -> dict[str, Any]:
    """Write the JSON form: ``first``, ``second``, ``firstRootHash``, ``secondRootHash``, ``proof``; base64url."""
    return {
        "first": proof.first,
        "second": proof.second,
        "firstRootHash": base64url_encode(proof.first_root_hash),
        "secondRootHash": base64url_encode(proof.second_root_hash),
        "proof": [base64url_encode(each) for each in proof.hashes],
    }


def parse_consistency(wire: Mapping[str, Any]) -> ConsistencyProof:
    """Parse the JSON form that `consistency_to_wire` writes; members beside its own are ignored.

    Raises:
        ProofWireError: log_proof_malformed.
    """
    return ConsistencyProof(
        first=_wire_number(wire, "first"),
        second=_wire_number(wire, "second"),
        first_root_hash=_wire_hash(wire.get("firstRootHash")),
        second_root_hash=_wire_hash(wire.get("secondRootHash")),
        hashes=_wire_hashes(wire),
    )


def verify_consistency_proof(proof: ConsistencyProof, *, first: VerifiedCheckpoint, second: VerifiedCheckpoint) -> None:
    """Verify that the second checkpoint's tree grew out of the first one's, in the same log.

    Raises:
        ProofCheckpointError: proof_checkpoint_mismatch, the proof is for other trees, or the logs differ.
        ConsistencyProofError: consistency_proof_invalid.

    Spec: RFC 9162 2.1.4.2
    """
    old, new = first.checkpoint, second.checkpoint
    if old.origin != new.origin:
        raise ProofCheckpointError("the checkpoints are of two logs")
    claimed = (proof.first, proof.first_root_hash, proof.second, proof.second_root_hash)
    if claimed != (old.size, old.root_hash, new.size, new.root_hash):
        raise ProofCheckpointError("the proof is for other trees than the checkpoints'", size=new.size)
    if not 0 < old.size <= new.size:
        raise ConsistencyProofError("a consistency proof goes from a size above 0 to one at least as large")
    verify_consistency(old.root_hash, new.root_hash, first=old.size, second=new.size, proof=proof.hashes)


def _parse_hash_line(line: str) -> bytes:
    decoded = base64_bytes(line)
    if decoded is None or len(decoded) != HASH_BYTES:
        raise ProofFileError("a hash line is base64 of 32 bytes")
    return decoded


def _wire_number(wire: Mapping[str, Any], name: str) -> int:
    number = wire.get(name)
    # Not isinstance: to Python true is an integer.
    if type(number) is not int or not 0 <= number <= MAX_TREE_SIZE:
        raise ProofWireError(f"{name} is a number from 0 to 2^63-1")
    return number


def _wire_hash(text: Any) -> bytes:
    try:
        decoded = base64url_decode(text) if isinstance(text, str) else b""
    except CodecError:
        decoded = b""
    if len(decoded) != HASH_BYTES:
        raise ProofWireError("a hash is base64url of 32 bytes")
    return decoded


def _wire_hashes(wire: Mapping[str, Any]) -> tuple[bytes, ...]:
    hashes = wire.get("proof")
    if not isinstance(hashes, list) or len(hashes) > MAX_PROOF_HASHES:
        raise ProofWireError("proof is a list of at most 64 hashes")
    return tuple(_wire_hash(each) for each in hashes)
