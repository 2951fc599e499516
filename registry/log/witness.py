"""Being a witness: what a log sends, and whether its checkpoint may be cosigned.

Decides on values: the request, the key that is trusted for the log, and the newest checkpoint that was cosigned before.
Remembering that one, in one step with the comparison, is the caller's business, and so is the signature.

Spec: c2sp.org/tlog-witness@v1.0.0
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from registry.errors import ConflictError, DeniedError, LimitError, NotFoundError, ParseError, VerificationError
from registry.log.checkpoint import (
    Checkpoint,
    CheckpointEmptyRootError,
    VerifiedCheckpoint,
    parse_checkpoint,
    parse_decimal,
    verify_checkpoint,
)
from registry.log.merkle import HASH_BYTES, MAX_TREE_SIZE, ConsistencyProofError, verify_consistency
from registry.log.note import (
    MAX_NOTE_BYTES,
    NoteKey,
    NoteMalformedError,
    NoteSignatureError,
    NoteUnverifiedError,
    parse_note,
)
from registry.log.verifier_key import base64_bytes, base64_text

MAX_PROOF_LINES: Final = 63
"""Most hashes of a consistency proof that a log may send."""

MAX_REQUEST_BYTES: Final = MAX_NOTE_BYTES + 4_096
"""Longest request, bytes: the longest note, a size and 63 hashes."""

_OLD = "old "


class WitnessRequestError(ParseError):
    """The body is not an old size, a proof and a checkpoint."""

    code = "witness_request_malformed"
    title = "Malformed request to a witness"


class WitnessRequestTooLargeError(LimitError):
    """The body is longer than is looked at."""

    code = "witness_request_too_large"
    title = "Request to a witness too large"


class WitnessOldSizeError(ParseError):
    """The old size is larger than the checkpoint's."""

    code = "witness_old_size_too_large"
    title = "Old size above the checkpoint's size"


class WitnessOriginError(NotFoundError):
    """This witness was not told to witness a log of that origin."""

    code = "witness_origin_unknown"
    title = "This log is not witnessed here"


class WitnessSignatureError(DeniedError):
    """The checkpoint is not signed by the key that is trusted for its origin."""

    code = "witness_log_signature_refused"
    title = "Not signed by the log's key"


class WitnessConflictError(ConflictError):
    """The old size is not that of the newest checkpoint cosigned here; ``size`` is."""

    code = "witness_size_conflict"
    title = "Another size was cosigned last"


class WitnessProofError(VerificationError):
    """The checkpoint does not follow from the one cosigned last: bad proof, another root, or a root that cannot be."""

    code = "witness_proof_refused"
    title = "The checkpoint does not follow from the one cosigned last"


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A log's request for a cosignature, not verified.

    Args:
        old_size: of the checkpoint that the log believes was cosigned last; 0 for none.
        proof: hashes of the consistency proof from there, 32 bytes each.
        note: the signed checkpoint.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes


@dataclass(frozen=True, slots=True)
class CosignedHead:
    """The newest tree of a log that was cosigned here; size 0 and any root where there is none."""

    size: int
    root_hash: bytes


def encode_add_checkpoint(request: AddCheckpoint) -> bytes:
    """Write the body of the request.

    Raises:
        WitnessRequestError: witness_request_malformed, the size or a hash cannot stand in one, or the proof is too long.

    Spec: c2sp.org/tlog-witness, add-checkpoint
    """
    if not 0 <= request.old_size <= MAX_TREE_SIZE or len(request.proof) > MAX_PROOF_LINES:
        raise WitnessRequestError("an old size is at most 2^63-1 and a proof has at most 63 hashes")
    if any(len(each) != HASH_BYTES for each in request.proof):
        raise WitnessRequestError("hashes have 32 bytes")
    lines = [f"{_OLD}{request.old_size}", *(base64_text(each) for each in request.proof), "", ""]
    return "\n".join(lines).encode("ascii") + request.note


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Parse the body of a request; the checkpoint in it is taken as it is.

    Raises:
        WitnessRequestTooLargeError: witness_request_too_large.
        WitnessRequestError: witness_request_malformed.

    Spec: c2sp.org/tlog-witness, add-checkpoint
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise WitnessRequestTooLargeError(limit=MAX_REQUEST_BYTES)
    head, separator, note = data.partition(b"\n\n")
    if not separator or not head.isascii():
        raise WitnessRequestError("a request is ASCII lines, an empty line and a checkpoint")
    first, *rest = head.decode("ascii").split("\n")
    old_size = parse_decimal(first.removeprefix(_OLD)) if first.startswith(_OLD) else None
    if old_size is None or len(rest) > MAX_PROOF_LINES:
        raise WitnessRequestError("a request begins with an old size and has at most 63 proof lines")
    proof = [base64_bytes(line) for line in rest]
    hashes = tuple(each for each in proof if each is not None and len(each) == HASH_BYTES)
    if len(hashes) != len(rest):
        raise WitnessRequestError("a proof line is base64 of 32 bytes")
    return AddCheckpoint(old_size, hashes, note)


def claimed_checkpoint(note: bytes) -> Checkpoint:
    """Return what a note says of itself, so that the key trusted for its origin can be found; nothing is verified.

    Raises:
        ParseError: note_malformed, checkpoint_malformed.
        NoteTooLargeError: note_too_large.

    Spec: c2sp.org/tlog-checkpoint
    """
    return parse_checkpoint(parse_note(note).text)


def verify_log_signature(note: bytes, *, key: NoteKey) -> VerifiedCheckpoint:
    """Verify that the log whose key this is has signed the checkpoint.

    Raises:
        WitnessSignatureError: witness_log_signature_refused.
        WitnessProofError: witness_proof_refused, size 0 with a root that the empty tree has not.
        ParseError: note_malformed, checkpoint_malformed.

    Spec: c2sp.org/tlog-witness, add-checkpoint
    """
    try:
        return verify_checkpoint(note, origin=key.name, key=key)
    except (NoteSignatureError, NoteUnverifiedError):
        raise WitnessSignatureError("the key trusted for this origin did not sign the checkpoint") from None
    except CheckpointEmptyRootError:
        raise WitnessProofError("a tree without leaves has one root hash") from None


def check_growth(request: AddCheckpoint, checkpoint: Checkpoint, *, cosigned: CosignedHead) -> None:
    """Check that the checkpoint follows from the one cosigned last; the steps are in the order of the specification.

    Args:
        request: what the log sent.
        checkpoint: its checkpoint, whose signature was verified.
        cosigned: the newest tree cosigned; nobody may cosign another one before this one is remembered.

    Raises:
        WitnessOldSizeError: witness_old_size_too_large.
        WitnessConflictError: witness_size_conflict.
        WitnessProofError: witness_proof_refused.

    Spec: c2sp.org/tlog-witness, add-checkpoint
    """
    if request.old_size > checkpoint.size:
        raise WitnessOldSizeError(size=checkpoint.size)
    if request.old_size != cosigned.size:
        raise WitnessConflictError(size=cosigned.size)
    if cosigned.size in (0, checkpoint.size):
        # From nothing, and to the same tree, there is nothing to prove; a proof that proves nothing hides a mistake.
        if request.proof:
            raise WitnessProofError("a proof from size 0, or to the same size, is empty")
        if cosigned.size and cosigned.root_hash != checkpoint.root_hash:
            raise WitnessProofError("another tree of this size was cosigned")
        return
    try:
        verify_consistency(
            cosigned.root_hash,
            checkpoint.root_hash,
            first=cosigned.size,
            second=checkpoint.size,
            proof=request.proof,
        )
    except ConsistencyProofError:
        raise WitnessProofError("the tree did not grow out of the one cosigned last") from None


def size_body(size: int) -> bytes:
    """Write the body of a conflict: the size cosigned last."""
    return f"{size}\n".encode("ascii")


def parse_size_body(data: bytes) -> int:
    """Parse the body of a conflict.

    Raises:
        NoteMalformedError: note_malformed.

    Spec: c2sp.org/tlog-witness, add-checkpoint
    """
    text = data.decode("ascii", "replace")
    size = parse_decimal(text[:-1]) if text.endswith("\n") else None
    if size is None:
        raise NoteMalformedError("a conflict's body is a decimal size and a newline")
    return size
