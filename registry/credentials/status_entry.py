"""Status entries: where the status of one credential stands, and what its values are called.

Decides whether a member of `credentialStatus` is an entry of the one type read here, and refuses every second spelling of
an index. Fetches nothing and knows no list.

Spec: VC-BITSTRING-STATUS-LIST 2.1
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from registry.credentials.status_errors import StatusEntryError, StatusTypeError

ENTRY_TYPE: Final = "BitstringStatusListEntry"
REFRESH: Final = "refresh"
REVOCATION: Final = "revocation"
SUSPENSION: Final = "suspension"
MESSAGE: Final = "message"
HARMLESS_PURPOSES: Final = frozenset({REFRESH, MESSAGE})
"""Purposes whose statuses leave a credential valid; a set status of any other purpose, known or not, ends it."""

MAX_STATUS_SIZE: Final = 8
MAX_URL_CHARS: Final = 2_048
MAX_PURPOSE_CHARS: Final = 256
MAX_MESSAGE_CHARS: Final = 1_024
MAX_REFERENCES: Final = 16

# Sixteen digits are more than any list that is read has entries, and fewer than a number that rounds.
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_HEX: Final = re.compile(r"0[xX][0-9a-fA-F]{1,2}", re.ASCII)
_UNSET_AND_SET: Final = ("unset", "set")


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """A well-formed entry; nobody has looked into the list.

    Attributes:
        purpose: for example ``revocation``.
        index: of the status in the list, from 0.
        list_url: ``statusListCredential``, an absolute URL.
        size: bits of the status, 1 to 8.
        messages: what each value means, ``2 ** size`` texts by value.
        references: URLs of material on the statuses.
        id: of the entry; None where it has none.
    """

    purpose: str
    index: int
    list_url: str
    size: int = 1
    messages: tuple[str, ...] = _UNSET_AND_SET
    references: tuple[str, ...] = ()
    id: str | None = None


def parse_status_entry(entry: Any) -> StatusEntry:
    """Parse a member of `credentialStatus`.

    Args:
        entry: JSON value.

    Raises:
        StatusTypeError: status_type_unsupported.
        StatusEntryError: status_entry_invalid.

    Spec: VC-BITSTRING-STATUS-LIST 2.1
    """
    if not isinstance(entry, dict):
        raise StatusEntryError("a status entry is not an object", member="credentialStatus")
    if not isinstance(entry.get("type"), str):
        raise StatusEntryError("type is not a string", member="type")
    if entry["type"] != ENTRY_TYPE:
        raise StatusTypeError
    size = _size(entry)
    list_url = _url(entry.get("statusListCredential"), "statusListCredential")
    if urlsplit(list_url).fragment:
        raise StatusEntryError("a part of a document is no list", member="statusListCredential")
    name = _id(entry)
    if name == list_url:
        raise StatusEntryError("the entry's id is the list's", member="id")
    return StatusEntry(
        purpose=_text(entry.get("statusPurpose"), "statusPurpose", most=MAX_PURPOSE_CHARS),
        index=_index(entry.get("statusListIndex")),
        list_url=list_url,
        size=size,
        messages=_messages(entry, size),
        references=_references(entry),
        id=name,
    )


def parse_status_entries(value: Any, *, most: int) -> tuple[StatusEntry, ...]:
    """Parse the member `credentialStatus` of a credential.

    Args:
        value: one entry or a list of them.
        most: entries that are read.

    Raises:
        StatusTypeError: status_type_unsupported, where one entry is of another type: an unread status is no good one.
        StatusEntryError: status_entry_invalid.

    Spec: VC-DATA-MODEL-2.0 4.10; VC-BITSTRING-STATUS-LIST 2.1
    """
    listed = value if isinstance(value, list) else [value]
    if not 1 <= len(listed) <= most:
        raise StatusEntryError(f"credentialStatus is not 1 to {most} entries", member="credentialStatus", limit=most)
    return tuple(parse_status_entry(entry) for entry in listed)


def _text(value: Any, member: str, *, most: int) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise StatusEntryError(f"{member} is not a short string", member=member)
    return value


def _url(value: Any, member: str) -> str:
    """Return an absolute URL with a host; which of those are fetched is the fetcher's to decide."""
    text = _text(value, member, most=MAX_URL_CHARS)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if not parts.scheme or not parts.netloc or not text.isascii() or not text.isprintable() or " " in text:
        raise StatusEntryError(f"{member} is not a URL", member=member)
    return text


def _id(entry: Mapping[str, Any]) -> str | None:
    if "id" not in entry:
        return None
    text = _text(entry["id"], "id", most=MAX_URL_CHARS)
    scheme, colon, rest = text.partition(":")
    if not colon or not scheme.isascii() or not scheme or not rest or not text.isprintable() or " " in text:
        raise StatusEntryError("id is not a URL", member="id")
    return text


def _index(value: Any) -> int:
    """Return an index from its one decimal spelling: no sign, no exponent, no leading zero, no digits of other scripts."""
    if not isinstance(value, str) or _INDEX.fullmatch(value) is None:
        raise StatusEntryError("statusListIndex is not a whole number in a string", member="statusListIndex")
    return int(value)


def _size(entry: Mapping[str, Any]) -> int:
    size = entry.get("statusSize", 1)
    if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MAX_STATUS_SIZE:
        raise StatusEntryError(f"statusSize is not a whole number from 1 to {MAX_STATUS_SIZE}", member="statusSize")
    return size


def _messages(entry: Mapping[str, Any], size: int) -> tuple[str, ...]:
    if "statusMessage" not in entry and size == 1:
        return _UNSET_AND_SET
    listed = entry.get("statusMessage")
    if not isinstance(listed, list) or len(listed) != 2**size:
        raise StatusEntryError(f"statusMessage is not a list of {2**size}", member="statusMessage", expected=2**size)
    by_value: dict[int, str] = {}
    for item in listed:
        if not isinstance(item, dict) or not isinstance(item.get("status"), str):
            raise StatusEntryError("a status message has no status", member="statusMessage")
        if _HEX.fullmatch(item["status"]) is None:
            raise StatusEntryError("a message's status is not 0x and hexadecimal digits", member="statusMessage")
        message = item.get("message")
        if not isinstance(message, str) or len(message) > MAX_MESSAGE_CHARS:
            raise StatusEntryError("a status message has no short text", member="statusMessage")
        by_value[int(item["status"], 16)] = message
    if by_value.keys() != set(range(2**size)):
        raise StatusEntryError("the messages are not one for each value", member="statusMessage")
    return tuple(by_value[value] for value in range(2**size))


def _references(entry: Mapping[str, Any]) -> tuple[str, ...]:
    if "statusReference" not in entry:
        return ()
    value = entry["statusReference"]
    listed = value if isinstance(value, list) else [value]
    if not 1 <= len(listed) <= MAX_REFERENCES:
        raise StatusEntryError("statusReference is not a URL or a short list of them", member="statusReference")
    return tuple(_url(item, "statusReference") for item in listed)


def entry_document(entry: StatusEntry) -> dict[str, Any]:
    """Return an entry as it stands in a credential; parsing it gives the same entry.

    Args:
        entry: its id, where it has one, is not the list's URL.

    Spec: VC-BITSTRING-STATUS-LIST 2.1
    """
    document: dict[str, Any] = {} if entry.id is None else {"id": entry.id}
    document |= {
        "type": ENTRY_TYPE,
        "statusPurpose": entry.purpose,
        "statusListIndex": str(entry.index),
        "statusListCredential": entry.list_url,
    }
    if entry.size != 1 or entry.messages != _UNSET_AND_SET:
        messages = [{"status": hex(value), "message": text} for value, text in enumerate(entry.messages)]
        document |= {"statusSize": entry.size, "statusMessage": messages}
    if entry.references:
        document["statusReference"] = list(entry.references)
    return document
