"""Signed notes: a text with one or more signature lines, the envelope of every checkpoint.

Decides whether a text was signed by keys that the caller trusts. Only Ed25519 notes (type 01) are signed and verified
here; lines of other keys and types are kept and ignored. A note that a known key did not sign correctly is refused as
a whole. What the text means is not looked at.

Spec: c2sp.org/signed-note@v1.0.0
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from did_methods.errors import DidError
from did_methods.keys import PublicKey, SignatureInvalidError, SigningKey
from registry.errors import LimitError, ParseError, VerificationError

SIGNATURE_TYPE_ED25519 = 1
"""Signature type byte of an Ed25519 note signature."""

MAX_NOTE_BYTES = 65_536
"""Longest note, bytes: 16 post-quantum signatures fit with room to spare."""

MAX_NOTE_SIGNATURES = 100
"""Most signature lines in a note: the work of one verification; 16 must be accepted, other readers stop at 100."""

KEY_ID_BYTES = 4
"""Length of a key id, bytes."""

_DASH = "\N{EM DASH} "
_FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VERIFIER_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


class NoteMalformedError(ParseError):
    """The bytes are not a signed note, or the text cannot be the text of one."""

    code = "note_malformed"
    title = "Malformed signed note"


class NoteTooLargeError(LimitError):
    """The note is longer, or has more signature lines, than is looked at."""

    code = "note_too_large"
    title = "Signed note too large"


class NoteKeyError(ParseError):
    """The text is not a verifier key, or its name or key cannot be used for notes."""

    code = "note_key_malformed"
    title = "Malformed verifier key"


class NoteKeyTypeError(ParseError):
    """The verifier key is of a signature type that is not verified here."""

    code = "note_key_type_unsupported"
    title = "Unsupported verifier key type"


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
        if not is_key_name(self.name):
            raise NoteKeyError("a key name has no spaces, plus signs or control characters")
        if self.public_key.kind != "ed25519":
            raise NoteKeyError("notes are signed by Ed25519 keys")
        object.__setattr__(self, "key_id", _key_id(self.name, self._material()))

    def to_text(self) -> str:
        """Write the verifier key: name, hex key id and base64 of type and key, joined by plus signs.

        Spec: c2sp.org/signed-note, Verifier keys
        """
        return f"{self.name}+{self.key_id.hex()}+{base64_text(self._material())}"

    def _material(self) -> bytes:
        return bytes([SIGNATURE_TYPE_ED25519]) + self.public_key.raw


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


def is_key_name(name: str) -> bool:
    """Whether a name can stand in signature lines: not empty, no Unicode space, no plus, no control character.

    Spec: c2sp.org/signed-note, Format
    """
    if not name or "+" in name or _FORBIDDEN.search(name) or any(char.isspace() for char in name):
        return False
    return not any("\ud800" <= char <= "\udfff" for char in name)


def base64_text(data: bytes) -> str:
    """Write standard base64 with padding.

    Spec: RFC 4648 4
    """
    return base64.b64encode(data).decode("ascii")


def base64_bytes(text: str) -> bytes | None:
    """Return the bytes of standard base64 with padding, or None for any text that `base64_text` would not write.

    Spec: RFC 4648 4, 3.5
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64_text(data) == text else None


def parse_note_key(text: str) -> NoteKey:
    """Parse a verifier key of type 01 (Ed25519).

    Args:
        text: ``<name>+<8 lower-case hex digits>+<base64>``.

    Raises:
        NoteKeyError: note_key_malformed, also when the key id is not that of the key.
        NoteKeyTypeError: note_key_type_unsupported.

    Spec: c2sp.org/signed-note, Verifier keys
    """
    match = _VERIFIER_KEY.fullmatch(text) if len(text) <= MAX_NOTE_BYTES else None
    material = base64_bytes(match[3]) if match else None
    if match is None or not material:
        raise NoteKeyError("not a verifier key")
    if material[0] != SIGNATURE_TYPE_ED25519:
        raise NoteKeyTypeError("only keys of type 01 verify notes here", type=material[0])
    try:
        key = NoteKey(match[1], PublicKey("ed25519", material[1:]))
    except DidError:
        raise NoteKeyError("the verifier key does not hold an Ed25519 key") from None
    if key.to_text() != text:
        raise NoteKeyError("the key id is not that of name and key")
    return key


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
    if not signers or not text.endswith("\n") or _FORBIDDEN.search(text):
        raise NoteMalformedError("a note has a text ending in a newline, and a signature")
    try:
        signed = text.encode("utf-8")
    except UnicodeEncodeError:
        raise NoteMalformedError("the text is not UTF-8") from None
    lines = [
        f"{_DASH}{signer.name} {base64_text(signer.key.key_id + signer.signing_key.sign(signed))}\n"
        for signer in signers
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
    if not separator or not lines.endswith("\n") or _FORBIDDEN.search(note):
        raise NoteMalformedError("a note is a text, an empty line and signature lines, without control characters")
    # Not splitlines: it also splits at characters that are no line ends here.
    signature_lines = lines[:-1].split("\n")
    _check_limits(len(data), len(signature_lines))
    return UnverifiedNote(text + "\n", tuple(_parse_signature(line) for line in signature_lines))


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


def _key_id(name: str, material: bytes) -> bytes:
    return sha256(name.encode("utf-8") + b"\n" + material).digest()[:KEY_ID_BYTES]


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
