"""Disclosure files: the openings of a document's commitments, kept or handed on beside it.

Decides whether a file opens what a public document commits to. A file is as private as what it opens; it is not signed,
and need not be: the document's signature covers the digests.

Spec: FORMATS "Commitments"; specs/kinds/README.md "Disclosure files"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.codec_errors import CodecError, JsonError
from did_methods.data_integrity import event_id
from registry.credentials.commitments import Disclosure, parse_disclosure, verify_openings
from registry.credentials.errors import DisclosureEventError, DisclosureFileError, DisclosureRepeatedError
from registry.limits import DISCLOSURE_FILE_BYTES

FORMAT: Final = "bonafides/disclosures/1"
_DIGEST_BYTES: Final = 32
_MOST: Final = 64


@dataclass(frozen=True, slots=True)
class DisclosureFile:
    """Openings with the event that they belong to.

    Attributes:
        event_id: of the document, 32 bytes.
        disclosures: 1 to 64 openings, each of another name.
    """

    event_id: bytes
    disclosures: tuple[Disclosure, ...]

    def to_wire(self) -> bytes:
        """Return the file's bytes: canonical JSON."""
        return canonicalize(
            {
                "format": FORMAT,
                "event": base64url_encode(self.event_id),
                "disclosures": [one.text for one in self.disclosures],
            }
        )


def make_disclosure_file(document: Mapping[str, Any], disclosures: Sequence[Disclosure]) -> DisclosureFile:
    """Return the disclosure file of a document.

    Args:
        document: a credential, signed or not: the event id is the same.
        disclosures: openings of its commitments, some or all.

    Raises:
        DisclosureFileError: disclosure_file_malformed for none or too many.
        DisclosureRepeatedError: disclosure_repeated.
        CommitmentNotFoundError: commitment_not_found.
    """
    made = parse_disclosure_file(DisclosureFile(event_id(dict(document)), tuple(disclosures)).to_wire())
    verify_disclosure_file(made, document)
    return made


def parse_disclosure_file(data: bytes) -> DisclosureFile:
    """Parse a disclosure file; whether it opens anything is verified against the document.

    Args:
        data: the file's bytes.

    Raises:
        DisclosureFileError: disclosure_file_malformed.
        DisclosureError: disclosure_invalid for one of the openings.
        DisclosureRepeatedError: disclosure_repeated.

    Spec: RFC 9901 4.2.1; specs/kinds/README.md "Disclosure files"
    """
    try:
        document = parse_json_object(data, max_bytes=DISCLOSURE_FILE_BYTES)
    except JsonError:
        raise DisclosureFileError("this is not JSON of one meaning") from None
    texts = document.get("disclosures")
    if document.keys() != {"format", "event", "disclosures"} or document["format"] != FORMAT:
        raise DisclosureFileError("it has not the members of this format")
    if not isinstance(texts, list) or not 1 <= len(texts) <= _MOST or not all(isinstance(one, str) for one in texts):
        raise DisclosureFileError(f"disclosures are 1 to {_MOST} strings")
    disclosures = tuple(map(parse_disclosure, texts))
    if len({one.name for one in disclosures}) != len(disclosures):
        raise DisclosureRepeatedError
    return DisclosureFile(_parse_event(document["event"]), disclosures)


def _parse_event(text: Any) -> bytes:
    try:
        event = base64url_decode(text) if isinstance(text, str) else b""
    except CodecError:
        raise DisclosureFileError("event is an event id") from None
    if len(event) != _DIGEST_BYTES:
        raise DisclosureFileError("event is an event id")
    return event


def verify_disclosure_file(file: DisclosureFile, document: Mapping[str, Any]) -> tuple[Disclosure, ...]:
    """Verify that a public document commits to every opening of a file.

    The document's own signature, and whether it stands in a log, are the caller's to verify.

    Args:
        file: what `parse_disclosure_file` returned.
        document: the signed document, for example a leaf's ``event``.

    Returns:
        The openings in the file's order, each with a name of its own.

    Raises:
        DisclosureEventError: disclosure_event_mismatch where the file belongs to another document.
        DisclosureRepeatedError: disclosure_repeated.
        CommitmentNotFoundError: commitment_not_found.

    Spec: RFC 9901 7.1; FORMATS "Commitments"
    """
    if event_id(dict(document)) != file.event_id:
        raise DisclosureEventError
    subject = document.get("credentialSubject")
    return verify_openings(subject if isinstance(subject, dict) else {}, [one.text for one in file.disclosures])
