"""Commitments: what is said privately beside a public document, bound to it by a digest.

Decides whether an opening (a disclosure string) is one that a document commits to. The public document holds digests
only; openings travel beside it, unsigned, and may be erased without touching the log.

Spec: RFC 9901 4.2; FORMATS "Commitments"
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import JsonValue, base64url_decode, base64url_encode, parse_json
from did_methods.codec_errors import CodecError, JsonError
from registry.credentials.errors import (
    CommitmentNotFoundError,
    DisclosureError,
    DisclosureRepeatedError,
)

SALT_BYTES: Final = 32
MAX_DISCLOSURE_CHARS: Final = 8_192
MAX_NAME_CHARS: Final = 64
_PARTS: Final = 3


@dataclass(frozen=True, slots=True)
class Disclosure:
    """An opening: a salted name and value, and the text that its digest is taken over.

    Attributes:
        text: base64url, what travels.
        salt: base64url of 32 random bytes.
        name: 1 to 64 characters.
        value: any JSON value.
    """

    text: str
    salt: str
    name: str
    value: JsonValue

    @property
    def digest(self) -> str:
        """The commitment: SHA-256 of the ASCII text, base64url, 43 characters."""
        return base64url_encode(hashlib.sha256(self.text.encode("ascii")).digest())


def make_disclosure(name: str, value: JsonValue, *, salt: bytes) -> Disclosure:
    """Make the opening for a name and a value; put its digest into the document's commitments.

    Args:
        name: 1 to 64 characters.
        value: any JSON value.
        salt: 32 random bytes, never used twice; they are what hides the value.

    Raises:
        DisclosureError: disclosure_invalid.

    Spec: RFC 9901 4.2.1
    """
    if len(salt) != SALT_BYTES:
        raise DisclosureError(f"the salt has {SALT_BYTES} bytes")
    # Any JSON text would do: a verifier hashes the text as it came. The canonical one is the same everywhere.
    text = base64url_encode(canonicalize([base64url_encode(salt), name, value]))
    return parse_disclosure(text)


def parse_disclosure(text: str) -> Disclosure:
    """Parse the text of an opening.

    Args:
        text: base64url without padding of the JSON array of salt, name and value.

    Raises:
        DisclosureError: disclosure_invalid.

    Spec: RFC 9901 4.2.1
    """
    try:
        parts = parse_json(base64url_decode(text, max_chars=MAX_DISCLOSURE_CHARS), max_bytes=MAX_DISCLOSURE_CHARS)
    except (CodecError, JsonError):
        raise DisclosureError from None
    if not isinstance(parts, list) or len(parts) != _PARTS:
        raise DisclosureError
    salt, name, value = parts
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME_CHARS:
        raise DisclosureError("the name is not a short string")
    return Disclosure(text, _check_salt(salt), name, value)


def _check_salt(salt: JsonValue) -> str:
    if not isinstance(salt, str):
        raise DisclosureError("the salt is not a string")
    try:
        raw = base64url_decode(salt, max_chars=2 * SALT_BYTES)
    except CodecError:
        raise DisclosureError("the salt is not base64url") from None
    if len(raw) != SALT_BYTES:
        raise DisclosureError(f"the salt has {SALT_BYTES} bytes")
    return salt


def verify_openings(subject: Mapping[str, Any], openings: Sequence[str]) -> tuple[Disclosure, ...]:
    """Verify that a document commits to every opening.

    Args:
        subject: ``credentialSubject`` of a parsed credential.
        openings: disclosure texts that came beside it; some, all or none of what was committed to.

    Returns:
        The openings in the order given, each with a name of its own.

    Raises:
        DisclosureError: disclosure_invalid.
        DisclosureRepeatedError: disclosure_repeated.
        CommitmentNotFoundError: commitment_not_found.

    Spec: RFC 9901 7.1; FORMATS "Commitments"
    """
    committed = frozenset(subject.get("commitments", ()))
    if len(openings) > len(committed):
        raise CommitmentNotFoundError
    disclosures = tuple(parse_disclosure(text) for text in openings)
    if len({each.name for each in disclosures}) != len(disclosures):
        raise DisclosureRepeatedError
    if any(each.digest not in committed for each in disclosures):
        raise CommitmentNotFoundError
    return disclosures
