"""Checkpoints: which tree a log commits to, as a signed note of three lines.

Decides whether bytes are a checkpoint of the log that the caller asks about, signed by its key. Extension lines are
neither written nor accepted: no auditor can check them. Whether the tree grew consistently since an older checkpoint
is a proof's business, and whether one may be signed at all the sequencer's.

Spec: c2sp.org/tlog-checkpoint@v1.0.0
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from did_methods.keys import SigningKey
from registry.errors import ParseError, VerificationError
from registry.log.merkle import EMPTY_ROOT, HASH_BYTES, MAX_TREE_SIZE
from registry.log.note import NoteKey, NoteSigner, parse_note, sign_note, verify_note
from registry.log.verifier_key import base64_bytes, base64_text, is_key_name

MAX_ORIGIN_BYTES = 255
"""Longest origin, bytes of UTF-8: cosigned messages hold its length in one byte (c2sp.org/tlog-cosignature)."""

_LINES = 3
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


class CheckpointMalformedError(ParseError):
    """The text is not that of a checkpoint, or the values cannot stand in one."""

    code = "checkpoint_malformed"
    title = "Malformed checkpoint"


class CheckpointOriginError(VerificationError):
    """The checkpoint is signed, but it is one of another log."""

    code = "checkpoint_origin_mismatch"
    title = "Checkpoint of another log"


class CheckpointEmptyRootError(VerificationError):
    """The checkpoint says size 0 with a root hash that is not the empty tree's."""

    code = "checkpoint_empty_root_invalid"
    title = "Wrong root hash for an empty tree"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log's tree.

    Args:
        origin: the log's identity: its URL prefix without scheme and trailing slash, 1 to 255 bytes, no spaces, no
            plus signs.
        size: tree size, leaves, 0 to 2^63-1.
        root_hash: 32 bytes.

    Raises:
        CheckpointMalformedError: checkpoint_malformed.

    Spec: c2sp.org/tlog-checkpoint, Note text
    """

    origin: str
    size: int
    root_hash: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.origin) or len(self.origin.encode("utf-8")) > MAX_ORIGIN_BYTES:
            raise CheckpointMalformedError("an origin has 1 to 255 bytes, no spaces and no plus signs")
        if not 0 <= self.size <= MAX_TREE_SIZE:
            raise CheckpointMalformedError("a tree size lies between 0 and 2^63-1")
        if len(self.root_hash) != HASH_BYTES:
            raise CheckpointMalformedError("a root hash has 32 bytes")

    def to_text(self) -> str:
        """Write the three lines that are signed.

        Spec: c2sp.org/tlog-checkpoint, Note text
        """
        return f"{self.origin}\n{self.size}\n{base64_text(self.root_hash)}\n"


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint that the log's key has signed.

    Args:
        checkpoint: what was signed.
        note: the whole signed note as received: the evidence, to be kept byte for byte.
        key: the key that signed.
    """

    checkpoint: Checkpoint
    note: bytes
    key: NoteKey


def parse_decimal(text: str) -> int | None:
    """Return the number, 0 to 2^63-1, written in ASCII digits without leading zeros, or None for any other text.

    Spec: c2sp.org/tlog-checkpoint, Note text
    """
    number = int(text) if _DECIMAL.fullmatch(text) else None
    return number if number is not None and number <= MAX_TREE_SIZE else None


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse the text of a checkpoint note: exactly the three lines, in their one spelling.

    Raises:
        CheckpointMalformedError: checkpoint_malformed.

    Spec: c2sp.org/tlog-checkpoint, Note text
    """
    lines = text.split("\n")
    if len(lines) != _LINES + 1 or lines[_LINES]:
        raise CheckpointMalformedError("a checkpoint has exactly three lines")
    size = parse_decimal(lines[1])
    root_hash = base64_bytes(lines[2])
    if size is None or root_hash is None:
        raise CheckpointMalformedError("the second line is a decimal number and the third is base64")
    checkpoint = Checkpoint(lines[0], size, root_hash)
    if checkpoint.to_text() != text:
        raise CheckpointMalformedError("not the canonical text of a checkpoint")
    return checkpoint


def sign_checkpoint(checkpoint: Checkpoint, signing_key: SigningKey) -> bytes:
    """Sign a checkpoint as its log and return the note; the same checkpoint always gives the same bytes.

    Args:
        checkpoint: consistent with every one signed before; the caller has made sure of that.
        signing_key: the log's note key; its name is the origin.

    Raises:
        CheckpointEmptyRootError: checkpoint_empty_root_invalid.

    Spec: c2sp.org/tlog-checkpoint, Signatures
    """
    _check_empty_root(checkpoint)
    return sign_note(checkpoint.to_text(), [NoteSigner(checkpoint.origin, signing_key)])


def verify_checkpoint(data: bytes, *, origin: str, key: NoteKey) -> VerifiedCheckpoint:
    """Verify that the note is a checkpoint of this log, signed by its key; other signature lines are ignored.

    Args:
        data: the whole note.
        origin: the log that is asked about.
        key: the log's note key.

    Raises:
        NoteTooLargeError: note_too_large.
        NoteMalformedError: note_malformed.
        NoteUnverifiedError: note_unverified.
        NoteSignatureError: note_signature_invalid.
        CheckpointMalformedError: checkpoint_malformed.
        CheckpointOriginError: checkpoint_origin_mismatch.
        CheckpointEmptyRootError: checkpoint_empty_root_invalid.

    Spec: c2sp.org/tlog-checkpoint
    """
    verified = verify_note(parse_note(data), [key])
    checkpoint = parse_checkpoint(verified.text)
    if checkpoint.origin != origin:
        raise CheckpointOriginError("the checkpoint names another origin")
    _check_empty_root(checkpoint)
    return VerifiedCheckpoint(checkpoint, data, key)


def _check_empty_root(checkpoint: Checkpoint) -> None:
    if checkpoint.size == 0 and checkpoint.root_hash != EMPTY_ROOT:
        raise CheckpointEmptyRootError("a tree without leaves has one root hash")
