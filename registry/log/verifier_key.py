"""Verifier keys: which key signs under a name, in the one text form that C2SP gives to keys of every type.

Decides the form and the key id; what a signature of a type covers is told by ``note.py`` and ``cosignature.py``. The
types are data, so that another algorithm is one more row. The base64 of all C2SP texts is here too.

Spec: c2sp.org/signed-note@v1.0.0, Verifier keys
"""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from registry.errors import ParseError

SIGNATURE_TYPE_ED25519: Final = 0x01
"""Signature type byte of an Ed25519 note signature."""

SIGNATURE_TYPE_ED25519_COSIGNATURE: Final = 0x04
"""Signature type byte of a timestamped Ed25519 cosignature."""

SIGNATURE_TYPE_ML_DSA_44_COSIGNATURE: Final = 0x06
"""Signature type byte of a timestamped ML-DSA-44 cosignature."""

KEY_ID_BYTES: Final = 4
"""Length of a key id, bytes."""

MAX_VERIFIER_KEY_CHARS: Final = 4_096
"""Longest verifier key, characters: an ML-DSA-44 key has 1,752, and a name is at most a URL."""

CONTROL_CHARACTERS: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
"""What no signed note may hold: every control character but the newline."""

_VERIFIER_KEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


@dataclass(frozen=True, slots=True)
class SignatureType:
    """What is known of a signature type.

    Attributes:
        title: for people.
        key_bytes: length of its public keys; None where the type leaves it open.
    """

    title: str
    key_bytes: int | None


SIGNATURE_TYPES: Final[Mapping[int, SignatureType]] = MappingProxyType(
    {
        SIGNATURE_TYPE_ED25519: SignatureType("Ed25519 note", 32),
        SIGNATURE_TYPE_ED25519_COSIGNATURE: SignatureType("timestamped Ed25519 cosignature", 32),
        0x05: SignatureType("RFC 6962 tree head", 32),
        SIGNATURE_TYPE_ML_DSA_44_COSIGNATURE: SignatureType("timestamped ML-DSA-44 cosignature", 1_312),
        0xFF: SignatureType("private", None),
    }
)
"""Types whose verifier keys have the common form; 02 (ECDSA) is not one, its key id is made in another way."""


class NoteKeyError(ParseError):
    """The text is not a verifier key, or its name or key cannot be used for notes."""

    code = "note_key_malformed"
    title = "Malformed verifier key"


class NoteKeyTypeError(ParseError):
    """The verifier key is of a signature type that is not verified here."""

    code = "note_key_type_unsupported"
    title = "Unsupported verifier key type"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A key under a name, of any type; nothing says yet that the key's bytes are sound.

    Args:
        name: not empty, without Unicode spaces, plus signs and control characters.
        signature_type: a key of `SIGNATURE_TYPES`.
        raw: the public key as its type encodes it.

    Raises:
        NoteKeyError: note_key_malformed.
        NoteKeyTypeError: note_key_type_unsupported.

    Spec: c2sp.org/signed-note, Verifier keys
    """

    name: str
    signature_type: int
    raw: bytes
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        known = SIGNATURE_TYPES.get(self.signature_type)
        if known is None:
            raise NoteKeyTypeError("keys of this type have no place in notes here", type=self.signature_type)
        if not is_key_name(self.name):
            raise NoteKeyError("a key name has no spaces, plus signs or control characters")
        if not self.raw or known.key_bytes not in (None, len(self.raw)):
            raise NoteKeyError("the key has not the length of its type")
        digest = sha256(self.name.encode("utf-8") + b"\n" + self._material()).digest()
        object.__setattr__(self, "key_id", digest[:KEY_ID_BYTES])

    def to_text(self) -> str:
        """Write the verifier key: name, hex key id and base64 of type and key, joined by plus signs.

        Spec: c2sp.org/signed-note, Verifier keys
        """
        return f"{self.name}+{self.key_id.hex()}+{base64_text(self._material())}"

    def _material(self) -> bytes:
        return bytes([self.signature_type]) + self.raw


def parse_verifier_key(text: str, *, types: Collection[int] = SIGNATURE_TYPES) -> VerifierKey:
    """Parse a verifier key.

    Args:
        text: ``<name>+<8 lower-case hex digits>+<base64>``.
        types: signature types that are taken.

    Raises:
        NoteKeyError: note_key_malformed, also when the key id is not that of the key.
        NoteKeyTypeError: note_key_type_unsupported.

    Spec: c2sp.org/signed-note, Verifier keys
    """
    match = _VERIFIER_KEY.fullmatch(text) if len(text) <= MAX_VERIFIER_KEY_CHARS else None
    material = base64_bytes(match[3]) if match else None
    if match is None or not material:
        raise NoteKeyError("not a verifier key")
    if material[0] not in types:
        raise NoteKeyTypeError("keys of this type are not taken here", type=material[0])
    key = VerifierKey(match[1], material[0], material[1:])
    if key.to_text() != text:
        raise NoteKeyError("the key id is not that of name and key")
    return key


def is_key_name(name: str) -> bool:
    """Whether a name can stand in signature lines: not empty, no Unicode space, no plus, no control character.

    Spec: c2sp.org/signed-note, Format
    """
    if not name or "+" in name or CONTROL_CHARACTERS.search(name) or any(char.isspace() for char in name):
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
