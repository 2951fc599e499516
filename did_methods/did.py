"""DIDs and DID URLs as text, and the one way to read a DID out of a request path.

Decides what is a DID by syntax alone; which methods exist and what their identifiers mean is decided elsewhere.
Nothing here normalises: two DIDs are the same when their text is.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from did_methods.errors import DidError

MAX_DID_CHARS: Final = 2_048  # did:jwk and did:peer carry whole keys; a did:webvh has some 150
MAX_DID_URL_CHARS: Final = 4_096

_ID_CHAR: Final = r"(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})"
_DID: Final = rf"did:([a-z0-9]+):((?:{_ID_CHAR}*:)*{_ID_CHAR}+)"
_PCHAR: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
_DID_PATTERN: Final = re.compile(_DID)
_DID_URL_PATTERN: Final = re.compile(rf"({_DID})((?:/{_PCHAR}*)*)(?:\?((?:{_PCHAR}|[/?])*))?(?:#((?:{_PCHAR}|[/?])*))?")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class InvalidDidError(DidError):
    """Text is not a DID."""

    code = "invalid_did"
    title = "Invalid DID"


class InvalidDidUrlError(DidError):
    """Text is not a DID URL."""

    code = "invalid_did_url"
    title = "Invalid DID URL"


class DidPathError(DidError):
    """A request path does not hold exactly one DID, and one known word after it, where a route expects them."""

    code = "invalid_did_path"
    title = "No DID in the request path"


@dataclass(frozen=True, slots=True)
class Did:
    """A DID by syntax.

    Args:
        method: lower-case letters and digits, for example ``webvh``.
        method_specific_id: everything after the second colon.
        text: the whole DID.
    """

    method: str
    method_specific_id: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class DidUrl:
    """A DID with what may follow it.

    Args:
        did: the DID part.
        path: empty, or begins with a slash.
        query: without the question mark; None where there is none.
        fragment: without the hash sign; None where there is none.
        text: the whole DID URL.
    """

    did: Did
    path: str
    query: str | None
    fragment: str | None
    text: str

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=4_096)
def parse_did(text: str) -> Did:
    """Return the parts of a DID.

    Args:
        text: at most 2048 characters.

    Raises:
        InvalidDidError: invalid_did.

    Spec: DID-CORE 3.1
    """
    match = _DID_PATTERN.fullmatch(text) if len(text) <= MAX_DID_CHARS else None
    if match is None:
        raise InvalidDidError
    return Did(match[1], match[2], text)


@lru_cache(maxsize=4_096)
def parse_did_url(text: str) -> DidUrl:
    """Return the parts of an absolute DID URL; a bare DID is one too.

    Args:
        text: at most 4096 characters.

    Raises:
        InvalidDidUrlError: invalid_did_url.

    Spec: DID-CORE 3.2
    """
    match = _DID_URL_PATTERN.fullmatch(text) if len(text) <= MAX_DID_URL_CHARS else None
    if match is None or len(match[1]) > MAX_DID_CHARS:
        raise InvalidDidUrlError
    return DidUrl(Did(match[2], match[3], match[1]), match[4], match[5], match[6], text)


def split_did_path(raw_path: bytes, *, prefix: str, suffixes: Collection[str] = ()) -> tuple[str, str]:
    """Return the DID in a request path, and the word after it.

    Web frameworks decode paths before routing, which turns the ``%3A`` that belongs to a DID into a colon and so
    into another DID. This reads the path as it was sent. A DID sent plain (``did:webvh:Q:host%3A8000:bob``) is taken
    as it stands; one sent as an encoded path segment (``did%3Awebvh%3AQ%3Ahost%253A8000%3Abob``) is decoded exactly
    once. A mixture of both could mean two DIDs and is refused.

    Args:
        raw_path: path bytes as sent, percent-encoded, without the query (``raw_path`` of ASGI).
        prefix: literal start of the path, for example ``/v1/agents/``.
        suffixes: what may follow the DID after a slash, for example ``("events", "vouches")``; compared literally.

    Returns:
        The text of a syntactically valid DID, and the suffix: empty where the path ends with the DID.

    Raises:
        DidPathError: invalid_did_path.
        InvalidDidError: invalid_did.

    Spec: DID-CORE 3.1, RFC 3986 2.4
    """
    try:
        path = raw_path.decode("ascii")
    except UnicodeDecodeError:
        raise DidPathError from None
    if not path.startswith(prefix):
        raise DidPathError
    segment, slash, suffix = path[len(prefix) :].partition("/")
    if slash and suffix not in suffixes:
        raise DidPathError
    return parse_did(_decode_did_segment(segment)).text, suffix


def _decode_did_segment(segment: str) -> str:
    if segment.startswith("did:"):
        return segment
    if not segment[:6].lower() == "did%3a" or ":" in segment or _BROKEN_ESCAPE.search(segment):
        raise InvalidDidError
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidDidError from None
