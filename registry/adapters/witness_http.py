"""One request to a witness: a time for all of it, a cap on what is read, and no redirects.

The addresses are the operator's own choice (a policy file), so they are not held against the address rules of the DID
fetcher. Nothing of an answer is believed here but its status, type and length.

Spec: c2sp.org/tlog-witness@v1.0.0, HTTP Interface
"""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, Protocol, cast
from urllib.parse import SplitResult, urlsplit

from registry.errors import DependencyError, ParseError

_HEAD_BYTES: Final = 16_384
_PORTS: Final = {"http": 80, "https": 443}


class WitnessUrlError(ParseError):
    """The address of a witness is not an http or https URL without query and user."""

    code = "witness_url_invalid"
    title = "Invalid address of a witness"


class WitnessUnreachableError(DependencyError):
    """The witness cannot be reached, or broke off."""

    code = "witness_unreachable"
    title = "The witness does not answer"


class WitnessTimeoutError(DependencyError):
    """The witness did not answer in time."""

    code = "witness_timeout"
    title = "The witness took too long"


class WitnessAnswerError(DependencyError):
    """The witness answered something that is no HTTP, or more than is read."""

    code = "witness_answer_refused"
    title = "The witness's answer is not read"


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """What a witness answered.

    Attributes:
        status: HTTP status.
        media_type: lower case, without parameters; empty where there is none.
        body: whole.
    """

    status: int
    media_type: str
    body: bytes


class WitnessPost(Protocol):
    """How a witness is asked."""

    def __call__(self, url: str, body: bytes, *, seconds: float, max_bytes: int) -> WitnessAnswer:
        """Send a body and return the answer; raise one of this module's errors."""
        ...


class WitnessGet(Protocol):
    """How a witness is asked what it holds."""

    def __call__(self, url: str, *, seconds: float, max_bytes: int) -> WitnessAnswer:
        """Return what lies there; raise one of this module's errors."""
        ...


def parse_witness_url(url: str) -> SplitResult:
    """Return the parts of a witness's submission prefix.

    Raises:
        WitnessUrlError: ``witness_url_invalid``.
    """
    try:
        parts = urlsplit(url)
        sound = parts.scheme in _PORTS and parts.hostname and parts.port != 0
    except ValueError:
        raise WitnessUrlError from None
    printable = url.isascii() and url.isprintable() and " " not in url
    if not sound or not printable or parts.query or parts.fragment or parts.username is not None:
        raise WitnessUrlError
    return parts


class _Http:
    """Asks over sockets of its own, one connection a request.

    Args:
        clock: seconds that never go backwards.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def _ask(self, method: str, url: str, body: bytes | None, *, seconds: float, max_bytes: int) -> WitnessAnswer:
        parts = parse_witness_url(url)
        until = self._clock() + seconds
        try:
            with self._connect(parts, until) as connection:
                return self._exchange(connection, method, parts, body, until, max_bytes)
        except TimeoutError:
            raise WitnessTimeoutError from None
        except (OSError, UnicodeError):  # ssl.SSLError is the former; a name that cannot be looked up may be the latter
            raise WitnessUnreachableError from None
        except (HTTPException, ValueError):
            raise WitnessAnswerError("not HTTP") from None

    def _connect(self, parts: SplitResult, until: float) -> socket.socket:
        host = parts.hostname or ""
        port = parts.port or _PORTS[parts.scheme]
        plain = socket.create_connection((host, port), timeout=self._left(until))
        if parts.scheme == "http":
            return plain
        try:
            plain.settimeout(self._left(until))
            return _tls().wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False)
        except BaseException:
            plain.close()
            raise

    def _exchange(
        self,
        connection: socket.socket,
        method: str,
        parts: SplitResult,
        body: bytes | None,
        until: float,
        max_bytes: int,
    ) -> WitnessAnswer:
        sent = ""
        if body is not None:
            sent = f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
        head = (
            f"{method} {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: bonafides\r\n{sent}"
            "Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
        )
        connection.settimeout(self._left(until))
        connection.sendall(head.encode("ascii") + (body or b""))
        wire = _Wire(connection, lambda: self._left(until), most_bytes=_HEAD_BYTES + 2 * max_bytes)
        response = HTTPResponse(cast("Any", wire), method=method)
        try:
            response.begin()
            # One byte more than may be: what is longer is refused, not cut.
            data = response.read(max_bytes + 1)
            media_type = (response.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        finally:
            response.close()
        if len(data) > max_bytes:
            raise WitnessAnswerError("too large")
        if response.length:
            raise WitnessAnswerError("incomplete")
        return WitnessAnswer(response.status, media_type, data)

    def _left(self, until: float) -> float:
        left = until - self._clock()
        if left <= 0:
            raise TimeoutError
        return left


class HttpWitnessPost(_Http):
    """Sends to a witness."""

    def __call__(self, url: str, body: bytes, *, seconds: float, max_bytes: int) -> WitnessAnswer:
        """Send a body; see `WitnessPost`.

        Args:
            url: http or https.
            body: sent as it is.
            seconds: for everything: look-up apart, from dialling to the last byte.
            max_bytes: largest body of the answer.

        Raises:
            WitnessUrlError: ``witness_url_invalid``.
            WitnessTimeoutError: ``witness_timeout``.
            WitnessUnreachableError: ``witness_unreachable``.
            WitnessAnswerError: ``witness_answer_refused``.
        """
        return self._ask("POST", url, body, seconds=seconds, max_bytes=max_bytes)


class HttpWitnessGet(_Http):
    """Reads from a witness."""

    def __call__(self, url: str, *, seconds: float, max_bytes: int) -> WitnessAnswer:
        """Read what lies at an address; arguments and errors as in `HttpWitnessPost`."""
        return self._ask("GET", url, None, seconds=seconds, max_bytes=max_bytes)


class _Wire(io.RawIOBase):
    """The connection as http.client reads it: each read waits for the deadline at most, and every byte counts."""

    def __init__(self, connection: socket.socket, left: Callable[[], float], *, most_bytes: int) -> None:
        self._connection = connection
        self._left = left
        self._most_bytes = most_bytes
        self._read_bytes = 0

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Do what http.client asks of a socket."""
        return io.BufferedReader(self, 4_096)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._read_bytes >= self._most_bytes:
            raise WitnessAnswerError("too large")
        self._connection.settimeout(self._left())
        count = self._connection.recv_into(buffer)
        self._read_bytes += count
        return count


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()  # SSL_CERT_FILE names other authorities
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
