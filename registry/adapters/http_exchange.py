"""One GET over a connection that is already trusted: what is sent, and which answers are taken.

Decides the status, the type, the length and the end of an answer. Every byte read counts against a cap and every wait
against one deadline, so that neither a slow nor an endless host holds anything for longer.
"""

from __future__ import annotations

import io
import re
import ssl
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, cast

from registry.adapters.fetch_errors import (
    FetchContentTypeError,
    FetchEncodingError,
    FetchHeadersError,
    FetchIncompleteError,
    FetchProtocolError,
    FetchRedirectError,
    FetchStatusError,
    FetchTimeoutError,
    FetchTooLargeError,
)

_ACCEPT: Final = "application/did+json, application/did, text/jsonl, application/vc, application/json, */*;q=0.1"
# Hosts of static files name few of the types that DID files and credentials have; an HTML page is never one, so a soft 404 is told.
_TYPES: Final = re.compile(
    r"application/(?:json|[a-z0-9.+-]+\+json|did|vc(?:\+jwt)?|vp|jsonl|json-lines|jsonlines|x-jsonlines|ndjson|x-ndjson|"
    r"octet-stream|x-octet-stream)|binary/octet-stream|text/(?:plain|json|jsonl)"
)
_CHUNK: Final = re.compile(rb"(?P<size>[0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r\n")
_LENGTH: Final = re.compile(r"[0-9]{1,12}")
_BUFFER_BYTES: Final = 4_096
_PORTION_BYTES: Final = 65_536
_LINE_BYTES: Final = 8_192
# Chunk sizes and trailers may add as much as the body and this; a host that wraps single bytes is not read to the end.
_WRAPPING_BYTES: Final = 65_536
_OK: Final = 200
_ABSENT: Final = frozenset({404, 410})


class Deadline:
    """The end of one fetch.

    Args:
        total_ms: from now.
        clock: seconds that never go backwards.
    """

    def __init__(self, total_ms: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = clock() + total_ms / 1_000

    def left(self) -> float:
        """Return the seconds left, more than none.

        Raises:
            FetchTimeoutError: did_fetch_timeout.
        """
        left = self._end - self._clock()
        if left <= 0:
            raise FetchTimeoutError
        return left


class _Wire(io.RawIOBase):
    """The connection as http.client reads it: each read waits at most for the deadline and counts."""

    def __init__(self, tls: ssl.SSLSocket, deadline: Deadline, *, head_bytes: int, max_bytes: int) -> None:
        self._tls = tls
        self._deadline = deadline
        self._head_bytes = head_bytes
        self._most_bytes = head_bytes + 2 * max_bytes + _WRAPPING_BYTES
        self._read_bytes = 0
        self.in_head = True

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Do what http.client asks of a socket."""
        return io.BufferedReader(self, _BUFFER_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.in_head and self._read_bytes >= self._head_bytes:
            raise FetchHeadersError
        if self._read_bytes >= self._most_bytes:
            raise FetchTooLargeError
        self._tls.settimeout(self._deadline.left())
        count = self._tls.recv_into(buffer)
        self._read_bytes += count
        return count


def ask(
    tls: ssl.SSLSocket, *, authority: str, path: str, deadline: Deadline, head_bytes: int, max_bytes: int
) -> bytes | None:
    """Send one GET and return the body of the answer, or None for 404 and 410.

    Args:
        tls: connected, its certificate checked; not to be used afterwards.
        authority: value of the Host field.
        path: of the URL, as it is sent.
        deadline: of the whole fetch.
        head_bytes: most bytes of the head, give or take a buffer.
        max_bytes: largest body.

    Raises:
        FetchFailedError: did_fetch_timeout, did_fetch_redirect_refused, did_fetch_status, did_fetch_headers_too_large,
            did_fetch_too_large, did_fetch_encoding_refused, did_fetch_content_type, did_fetch_incomplete,
            did_fetch_protocol.

    Spec: RFC 9112; specs/did-method.md "Fetching"
    """
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: bonafides\r\nAccept: {_ACCEPT}\r\n"
        "Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
    )
    wire = _Wire(tls, deadline, head_bytes=head_bytes, max_bytes=max_bytes)
    response = HTTPResponse(cast("Any", wire), method="GET")
    try:
        tls.settimeout(deadline.left())
        tls.sendall(request.encode("ascii"))
        response.begin()
        wire.in_head = False
        return _read(response, max_bytes=max_bytes) if _has_body(response.status) else None
    except TimeoutError:
        raise FetchTimeoutError from None
    except OSError:
        raise FetchIncompleteError from None
    except HTTPException:
        raise FetchProtocolError from None
    finally:
        response.close()


def _has_body(status: int) -> bool:
    if status in _ABSENT:
        return False
    if 300 <= status < 400:  # noqa: PLR2004 - Redirection
        raise FetchRedirectError
    if status != _OK:
        raise FetchStatusError(status=status)
    return True


def _read(response: HTTPResponse, *, max_bytes: int) -> bytes:
    length = _check_head(response)
    if length is not None and length > max_bytes:
        raise FetchTooLargeError(max_bytes=max_bytes)
    if response.chunked:
        return _read_chunks(response.fp, max_bytes=max_bytes)
    body = bytearray()
    while portion := response.read(min(_PORTION_BYTES, max_bytes + 1 - len(body))):
        body += portion
        if len(body) > max_bytes:
            raise FetchTooLargeError(max_bytes=max_bytes)
    if length is not None and len(body) != length:
        raise FetchIncompleteError
    return bytes(body)


def _read_chunks(file: io.BufferedReader, *, max_bytes: int) -> bytes:
    """Return a chunked body; http.client would take signs, underscores and negative sizes for numbers."""
    body = bytearray()
    while True:
        size_line = file.readline(_LINE_BYTES)
        match = _CHUNK.fullmatch(size_line)
        if match is None:
            raise FetchProtocolError if size_line.endswith(b"\n") else FetchIncompleteError
        size = int(match["size"], 16)
        if not size:
            break
        if len(body) + size > max_bytes:
            raise FetchTooLargeError(max_bytes=max_bytes)
        chunk = file.read(size + 2)
        if len(chunk) != size + 2:
            raise FetchIncompleteError
        if not chunk.endswith(b"\r\n"):
            raise FetchProtocolError
        body += chunk[:-2]
    while (trailer := file.readline(_LINE_BYTES)) != b"\r\n":
        if not trailer:
            raise FetchIncompleteError
    return bytes(body)


def _check_head(response: HTTPResponse) -> int | None:
    """Return the length that the head states, or None where the body ends itself."""
    headers = response.headers
    if [value for value in headers.get_all("Content-Encoding", []) if value.strip().lower() != "identity"]:
        raise FetchEncodingError
    types = headers.get_all("Content-Type", [])
    media_types = [value.partition(";")[0].strip().lower() for value in types]
    if len(media_types) > 1 or not all(_TYPES.fullmatch(one) for one in media_types):
        raise FetchContentTypeError
    lengths = [value.strip() for value in headers.get_all("Content-Length", [])]
    codings = headers.get_all("Transfer-Encoding", [])
    if codings and (lengths or [value.strip().lower() for value in codings] != ["chunked"]):
        raise FetchProtocolError
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(value) for value in lengths):
        raise FetchProtocolError
    return int(lengths[0]) if lengths else None
