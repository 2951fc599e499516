"""Signed notes: a text with one or more signature lines, the envelope of every checkpoint.

Decides whether a text was signed by keys that the caller trusts. Only Ed25519 notes (type 01) are signed and verified
here; lines of other keys and types are kept and ignored (``cosignature.py`` reads those of witnesses). A note that a known key did not sign correctly is refused as
a whole. What the text means is not looked at.

Spec: c2sp.org/signed-note@v1.0.0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from did_methods.errors import DidError
from did_methods.keys import PublicKey, SignatureInvalidError, SigningKey
from registry.errors import LimitError, ParseError, VerificationError
from registry.log.verifier_key import (
    CONTROL_CHARACTERS,
    KEY_ID_BYTES,
    SIGNATURE_TYPE_ED25519,
    NoteKeyError,
    VerifierKey,
    base64_bytes,
    base64_text,
    is_key_name,
    parse_verifier_key,
)

MAX_NOTE_BYTES = 65_536
"""Longest note, bytes: 16 post-quantum signatures fit with room to spare."""

MAX_NOTE_SIGNATURES = 100
"""Most signature lines in a note: the work of one verification; 16 must be accepted, other readers stop at 100."""

_DASH = "\N{EM DASH} "


class NoteMalformedError(ParseError):
    """The bytes are not a signed note, or the text cannot be the text of one."""

    code = "note_malformed"
    title = "Malformed signed note"


class NoteTooLargeError(LimitError):
    """The note is longer, or has more signature lines, than is looked at."""

    code = "note_too_large"
    title = "Signed note too large"


class NoteKeyAmbiguousError(ParseError):
    """Two trusted keys share name and key id, so that a signature line would not say which one signed."""

    code = "note_key_ambiguous"
    title = "Ambiguous verifier keys"


class NoteSignatureError(VerificationError):
    """A signature line names a trusted key, but the key did not sign this text."""

    code = "note_signature_invalid"
    title = "Note signature does not verify"


class NoteUnverifiedError(VerificationError):
    """No signature line is by a trusted key."""

    code = "note_unverified"
    title = "Note not signed by a known key"


@dataclass(frozen=True, slots=True)
class NoteKey:
    """A key that signs notes under a name; its id is computed, never taken from outside.

    Args:
        name: not empty, without Unicode spaces, plus signs and control characters; for a log its origin.
        public_key: an Ed25519 key.

    Raises:
        NoteKeyError: note_key_malformed.

    Spec: c2sp.org/signed-note, Ed25519 signatures
    """

    name: str
    public_key: PublicKey
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        if self.public_key.kind != "ed25519":
            raise NoteKeyError("notes are signed by Ed25519 keys")
        object.__setattr__(self, "key_id", self.verifier_key.key_id)

    @property
    def verifier_key(self) -> VerifierKey:
        """The key in the form that all types share."""
        return VerifierKey(self.name, SIGNATURE_TYPE_ED25519, self.public_key.raw)

    def to_text(self) -> str:
        """Write the verifier key.

        Spec: c2sp.org/signed-note, Verifier keys
        """
        return self.verifier_key.to_text()


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """A signing key under the name whose notes it signs.

    Args:
        name: as in `NoteKey`.
        signing_key: Ed25519; serves notes only, never another purpose.
    """

    name: str
    signing_key: SigningKey

    @property
    def key(self) -> NoteKey:
        """The key that verifies what this signer signs."""
        return NoteKey(self.name, self.signing_key.public_key)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: whose it claims to be, and the signature's bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def to_line(self) -> str:
        """Write the line, its newline included.

        Spec: c2sp.org/signed-note, Format
        """
        return f"{_DASH}{self.name} {base64_text(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class UnverifiedNote:
    """A note of the right form; nothing says yet that anybody signed the text."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class VerifiedNote:
    """A text that every one of these keys (at least one) has signed."""

    text: str
    keys: tuple[NoteKey, ...]


def parse_note_key(text: str) -> NoteKey:
    """Parse a verifier key of type 01 (Ed25519).

    Args:
        text: ``<name>+<8 lower-case hex digits>+<base64>``.

    Raises:
        NoteKeyError: note_key_malformed, also when the key id is not that of the key.
        NoteKeyTypeError: note_key_type_unsupported.

    Spec: c2sp.org/signed-note, Verifier keys
    """
    parsed = parse_verifier_key(text, types=(SIGNATURE_TYPE_ED25519,))
    try:
        return NoteKey(parsed.name, PublicKey("ed25519", parsed.raw))
    except DidError:
        raise NoteKeyError("the verifier key does not hold an Ed25519 key") from None


def sign_note(text: str, signers: Sequence[NoteSigner]) -> bytes:
    """Sign a text and return the whole note.

    Args:
        text: ends in a newline; no other control characters.
        signers: at least one; their lines stand in this order.

    Raises:
        NoteMalformedError: note_malformed, the text cannot be signed or there is no signer.
        NoteKeyError: note_key_malformed, a signer's name cannot stand in a signature line.
        NoteTooLargeError: note_too_large, no reader here would take the note.

    Spec: c2sp.org/signed-note, Format
    """
    if not signers or not text.endswith("\n") or CONTROL_CHARACTERS.search(text):
        raise NoteMalformedError("a note has a text ending in a newline, and a signature")
    try:
        signed = text.encode("utf-8")
    except UnicodeEncodeError:
        raise NoteMalformedError("the text is not UTF-8") from None
    lines = [
        NoteSignature(signer.name, signer.key.key_id, signer.signing_key.sign(signed)).to_line() for signer in signers
    ]
    note = signed + b"\n" + "".join(lines).encode("utf-8")
    _check_limits(len(note), len(lines))
    return note


def parse_note(data: bytes) -> UnverifiedNote:
    """Parse a signed note without verifying it.

    Args:
        data: the whole note, UTF-8.

    Raises:
        NoteTooLargeError: note_too_large.
        NoteMalformedError: note_malformed.

    Spec: c2sp.org/signed-note, Format
    """
    _check_limits(len(data), 0)
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteMalformedError("the note is not UTF-8") from None
    # The last empty line: the text may hold empty lines of its own, signature lines may not.
    text, separator, lines = note.rpartition("\n\n")
    if not separator or not lines.endswith("\n") or CONTROL_CHARACTERS.search(note):
        raise NoteMalformedError("a note is a text, an empty line and signature lines, without control characters")
    return UnverifiedNote(text + "\n", _parse_signatures(lines, len(data)))


def parse_signature_lines(data: bytes) -> tuple[NoteSignature, ...]:
    """Parse signature lines that stand alone, as a witness answers them; nothing is verified.

    Args:
        data: one line or more, each ending in a newline; UTF-8.

    Raises:
        NoteTooLargeError: note_too_large.
        NoteMalformedError: note_malformed.

    Spec: c2sp.org/tlog-witness, add-checkpoint
    """
    _check_limits(len(data), 0)
    try:
        lines = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteMalformedError("the lines are not UTF-8") from None
    if not lines.endswith("\n") or CONTROL_CHARACTERS.search(lines):
        raise NoteMalformedError("signature lines end in newlines and hold no control characters")
    return _parse_signatures(lines, len(data))


def verify_note(note: UnverifiedNote, keys: Sequence[NoteKey]) -> VerifiedNote:
    """Verify a note under the keys that the caller trusts.

    Lines of unknown keys are ignored, even when they share the name or the id of a known one. Each line of a known
    key must verify: one that does not condemns the whole note.

    Raises:
        NoteKeyAmbiguousError: note_key_ambiguous, two different keys have one name and id.
        NoteSignatureError: note_signature_invalid.
        NoteUnverifiedError: note_unverified, no line is by a known key.

    Spec: c2sp.org/signed-note, Signatures
    """
    known: dict[tuple[str, bytes], NoteKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise NoteKeyAmbiguousError("two trusted keys have one name and key id")
    signed = note.text.encode("utf-8")
    verified: dict[NoteKey, None] = {}
    for line in dict.fromkeys(note.signatures):
        signer = known.get((line.name, line.key_id))
        if signer is None:
            continue
        try:
            signer.public_key.verify(line.signature, signed)
        except SignatureInvalidError:
            raise NoteSignatureError("a known key did not sign this text") from None
        verified[signer] = None
    if not verified:
        raise NoteUnverifiedError("no signature is by a known key")
    return VerifiedNote(note.text, tuple(verified))


def _parse_signatures(lines: str, size: int) -> tuple[NoteSignature, ...]:
    # Not splitlines: it also splits at characters that are no line ends here.
    signature_lines = lines[:-1].split("\n")
    _check_limits(size, len(signature_lines))
    return tuple(_parse_signature(line) for line in signature_lines)


def _parse_signature(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    signature = base64_bytes(encoded)
    if not line.startswith(_DASH) or not space or not is_key_name(name) or signature is None:
        raise NoteMalformedError("a signature line is an em dash, a key name and base64")
    if len(signature) <= KEY_ID_BYTES:
        raise NoteMalformedError("a signature line holds a key id and a signature")
    return NoteSignature(name, signature[:KEY_ID_BYTES], signature[KEY_ID_BYTES:])


def _check_limits(size: int, signatures: int) -> None:
    if size > MAX_NOTE_BYTES:
        raise NoteTooLargeError("a note has up to 65,536 bytes", limit=MAX_NOTE_BYTES)
    if signatures > MAX_NOTE_SIGNATURES:
        raise NoteTooLargeError("a note has up to 100 signatures", limit=MAX_NOTE_SIGNATURES)
