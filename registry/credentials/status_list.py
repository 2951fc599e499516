"""Status lists: the bits, the credential around them, and what a list says of one entry.

Decides how statuses are packed, which packed lists are unpacked, whether a document is a status list, and what status an
entry has in it. Verifies no signature: a `StatusList` is as good as the proof that its caller verified. Fetches nothing and
reads no clock.

The first index is the most significant bit of the first byte. `encode_status_list` writes the GZIP header itself and fixes
every parameter of the compressor, so equal bits give equal text wherever the zlib library is the same; the compressor's own
choices are the library's, and only the unpacked bits are the same everywhere.

Spec: VC-BITSTRING-STATUS-LIST 2.2, 3.2 to 3.4, 7.1; RFC 1952 2.3
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from did_methods.codec import base64url_encode, multibase_decode
from did_methods.codec_errors import CodecError
from did_methods.timestamp import TimestampError, parse_timestamp
from registry.credentials.status_entry import HARMLESS_PURPOSES, REVOCATION, SUSPENSION, StatusEntry
from registry.credentials.status_errors import (
    CredentialRevokedError,
    CredentialStatusSetError,
    CredentialSuspendedError,
    StatusEncodingError,
    StatusListFormError,
    StatusListIdError,
    StatusListIssuerError,
    StatusListLengthError,
    StatusListTooLargeError,
    StatusListValidityError,
    StatusPurposeError,
    StatusRangeError,
    StatusSizeError,
)

CREDENTIAL_TYPE: Final = "BitstringStatusListCredential"
LIST_TYPE: Final = "BitstringStatusList"
MINIMUM_ENTRIES: Final = 131_072
MAX_PURPOSES: Final = 16
_MAX_TTL_MS: Final = 1 << 53

# Magic, deflate, no flags, time 0, no extra flags, unknown system: nothing of the machine that packed it.
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# Level 9 makes a list with one status in a hundred set a seventh shorter, and takes twelve times as long.
_LEVEL, _MEMORY = 6, 8
_RAW, _GZIP = -15, 31


# --- bits -------------------------------------------------------------------------------------------------------------


def encode_status_list(bits: bytes) -> str:
    """Return statuses as the text of `encodedList`.

    Args:
        bits: packed statuses, at least 16 KiB in a list that is published.

    Spec: VC-BITSTRING-STATUS-LIST 3.3; RFC 1952 2.3
    """
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, _MEMORY, zlib.Z_DEFAULT_STRATEGY)
    body = packer.compress(bits) + packer.flush()
    end = zlib.crc32(bits).to_bytes(4, "little") + (len(bits) & 0xFFFFFFFF).to_bytes(4, "little")
    return "u" + base64url_encode(_GZIP_HEADER + body + end)


def decode_status_list(encoded: str, *, max_bytes: int) -> bytes:
    """Return the packed statuses in an `encodedList`.

    Args:
        encoded: ``u`` and base64url without padding of one GZIP member.
        max_bytes: most bytes to unpack; nothing beyond is ever held.

    Raises:
        StatusEncodingError: status_list_encoding.
        StatusListTooLargeError: status_list_too_large.

    Spec: VC-BITSTRING-STATUS-LIST 3.4
    """
    try:
        # Base64 makes four characters of three bytes, and no packer makes data much longer.
        packed = multibase_decode(encoded, "u", max_chars=max_bytes * 3 // 2 + 1_024)
    except CodecError as error:
        raise StatusEncodingError("encodedList is not u and base64url", cause=error.code) from None
    unpacker = zlib.decompressobj(_GZIP)
    try:
        bits = unpacker.decompress(packed, max_bytes + 1)
    except zlib.error:
        raise StatusEncodingError("encodedList is not GZIP") from None
    if len(bits) > max_bytes:
        raise StatusListTooLargeError(max_bytes=max_bytes)
    if not unpacker.eof:
        raise StatusEncodingError("the GZIP data is cut off")
    if unpacker.unused_data:
        raise StatusEncodingError("something follows the GZIP data")
    return bits


def read_bits(bits: bytes | bytearray, index: int, size: int) -> int:
    """Return the status at an index; the first bit is the most significant of the first byte.

    Args:
        bits: packed statuses.
        index: within the list, checked by the caller.
        size: bits of a status, 1 to 8.

    Spec: VC-BITSTRING-STATUS-LIST 2.2 "encodedList", 7.1
    """
    first = index * size
    if size == 1:
        return bits[first >> 3] >> (7 - (first & 7)) & 1
    # A status of up to eight bits lies in at most two bytes.
    window = int.from_bytes(bits[first >> 3 : (first >> 3) + 2].ljust(2, b"\0"), "big")
    return window >> (16 - size - (first & 7)) & ((1 << size) - 1)


def write_bits(bits: bytearray, index: int, size: int, value: int) -> None:
    """Set the status at an index.

    Args:
        bits: packed statuses, changed in place.
        index: within the list, checked by the caller.
        size: bits of a status, 1 to 8.
        value: from 0, below ``2 ** size``.

    Spec: VC-BITSTRING-STATUS-LIST 2.2 "encodedList", 7.1
    """
    for offset in range(size):
        place = index * size + offset
        mask = 0x80 >> (place & 7)
        if value >> (size - 1 - offset) & 1:
            bits[place >> 3] |= mask
        else:
            bits[place >> 3] &= ~mask & 0xFF


# --- the credential around them ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StatusList:
    """A well-formed status list; its proof is verified by whoever made this from a document.

    Attributes:
        id: the credential's id; None where it has none.
        issuer: DID or URL.
        purposes: at least one.
        bits: packed statuses.
        size: bits of a status as the list says; None where it does not.
        ttl_ms: how long a copy should be used; None where the list does not say.
        valid_from_ms: milliseconds since the epoch; None for no beginning.
        valid_until_ms: likewise; None for no end.
    """

    id: str | None
    issuer: str
    purposes: frozenset[str]
    bits: bytes | bytearray
    size: int | None = None
    ttl_ms: int | None = None
    valid_from_ms: int | None = None
    valid_until_ms: int | None = None


def parse_status_list(document: dict[str, Any], *, max_bytes: int) -> StatusList:
    """Parse a status list credential.

    Args:
        document: the credential, with or without its proof.
        max_bytes: most bytes that its list may unpack to.

    Raises:
        StatusListFormError: status_list_malformed.
        StatusEncodingError: status_list_encoding.
        StatusListTooLargeError: status_list_too_large.

    Spec: VC-BITSTRING-STATUS-LIST 2.2
    """
    types = document.get("type")
    if not isinstance(types, list) or "VerifiableCredential" not in types or CREDENTIAL_TYPE not in types:
        raise StatusListFormError("the document is not of the type of status lists", member="type")
    if "credentialStatus" in document:
        # Nothing would end: its list may have a status too. No list needs one, since it is replaced.
        raise StatusListFormError("a status list has a status itself", member="credentialStatus")
    subject = document.get("credentialSubject")
    if not isinstance(subject, dict):
        raise StatusListFormError("credentialSubject is not one object", member="credentialSubject")
    if subject.get("type") != LIST_TYPE:
        raise StatusListFormError("the subject is not a status list", member="credentialSubject.type")
    encoded = subject.get("encodedList")
    if not isinstance(encoded, str):
        raise StatusListFormError("encodedList is not a string", member="encodedList")
    name = document.get("id")
    if name is not None and not isinstance(name, str):
        raise StatusListFormError("id is not a string", member="id")
    return StatusList(
        id=name,
        issuer=_issuer(document.get("issuer")),
        purposes=_purposes(subject.get("statusPurpose")),
        bits=decode_status_list(encoded, max_bytes=max_bytes),
        size=_whole(subject, "statusSize", least=1, most=8),
        ttl_ms=_whole(subject, "ttl", least=0, most=_MAX_TTL_MS),
        valid_from_ms=_time(document, "validFrom"),
        valid_until_ms=_time(document, "validUntil"),
    )


def _issuer(value: Any) -> str:
    issuer = value.get("id") if isinstance(value, dict) else value
    if not isinstance(issuer, str) or not issuer:
        raise StatusListFormError("issuer names nobody", member="issuer")
    return issuer


def _purposes(value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list) else [value]
    if not 1 <= len(listed) <= MAX_PURPOSES or not all(isinstance(item, str) and item for item in listed):
        raise StatusListFormError("statusPurpose is not one or more strings", member="statusPurpose")
    return frozenset(listed)


def _whole(subject: dict[str, Any], member: str, *, least: int, most: int) -> int | None:
    value = subject.get(member)
    if value is None and member not in subject:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise StatusListFormError(f"{member} is not a whole number that it may be", member=member)
    return value


def _time(document: dict[str, Any], member: str) -> int | None:
    if member not in document:
        return None
    value = document[member]
    try:
        return parse_timestamp(value if isinstance(value, str) else "")
    except TimestampError:
        raise StatusListFormError(f"{member} is not a time with a zone", member=member) from None


# --- what a list says of an entry -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StatusReading:
    """What a list says of one entry.

    Attributes:
        purpose: of the entry.
        status: the value at its index.
        valid: the value is 0.
        message: what the value means, as the credential's issuer wrote it into the entry.
    """

    purpose: str
    status: int
    valid: bool
    message: str

    @property
    def ends(self) -> bool:
        """Say whether the credential must not be accepted: any purpose but ``refresh`` and ``message`` ends it."""
        return not self.valid and self.purpose not in HARMLESS_PURPOSES


def read_status(status_list: StatusList, entry: StatusEntry) -> StatusReading:
    """Return the status of an entry in its list.

    Args:
        status_list: the list that the entry points at, its proof verified.
        entry: parsed.

    Raises:
        StatusPurposeError: status_purpose_mismatch.
        StatusSizeError: status_size_mismatch.
        StatusListLengthError: status_list_too_short.
        StatusRangeError: status_index_out_of_range.

    Spec: VC-BITSTRING-STATUS-LIST 3.2, steps 5 to 15
    """
    if entry.purpose not in status_list.purposes:
        raise StatusPurposeError
    size, index = entry.size, entry.index
    if status_list.size is not None and status_list.size != size:
        raise StatusSizeError
    entries = len(status_list.bits) * 8 // size
    if entries < MINIMUM_ENTRIES:
        raise StatusListLengthError(entries=entries, minimum=MINIMUM_ENTRIES)
    if index >= entries:
        raise StatusRangeError(entries=entries)
    status = read_bits(status_list.bits, index, size)
    return _told(entry.purpose, status, entry.messages[status])


# The same few readings come again and again, and looking one up is quicker than making one.
@lru_cache(maxsize=1_024)
def _told(purpose: str, status: int, message: str) -> StatusReading:
    return StatusReading(purpose, status, status == 0, message)


def check_status_list(
    status_list: StatusList,
    entry: StatusEntry,
    *,
    issuer: str,
    now_ms: int,
    other_issuers: frozenset[tuple[str, str]] = frozenset(),
) -> None:
    """Check that a list is the one that an entry means, is made by who may make it, and is valid now.

    Args:
        status_list: its proof verified as made by `StatusList.issuer`.
        entry: points at it.
        issuer: of the credential that the entry stands in.
        now_ms: milliseconds since the epoch.
        other_issuers: (issuer of a credential, issuer of a list) who may differ all the same.

    Raises:
        StatusListIdError: status_list_id_mismatch.
        StatusListIssuerError: status_list_issuer_mismatch.
        StatusListValidityError: status_list_not_valid.

    Spec: VC-BITSTRING-STATUS-LIST 2.2, 3.2 step 4
    """
    if status_list.id is not None and status_list.id != entry.list_url:
        raise StatusListIdError
    if status_list.issuer != issuer and (issuer, status_list.issuer) not in other_issuers:
        raise StatusListIssuerError
    begin, end = status_list.valid_from_ms, status_list.valid_until_ms
    if (begin is not None and now_ms < begin) or (end is not None and now_ms >= end):
        raise StatusListValidityError


def check_reading(reading: StatusReading) -> None:
    """Check that a status leaves its credential valid.

    Args:
        reading: of a verified list.

    Raises:
        CredentialRevokedError: credential_revoked.
        CredentialSuspendedError: credential_suspended.
        CredentialStatusSetError: credential_status_set.
    """
    if not reading.ends:
        return
    if reading.purpose == REVOCATION:
        raise CredentialRevokedError
    if reading.purpose == SUSPENSION:
        raise CredentialSuspendedError
    raise CredentialStatusSetError
