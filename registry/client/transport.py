"""HTTP to one registry: time limits, size limits, retries of the same bytes, errors with the registry's own code.

Every write of this product is idempotent (an event has one id, however often it is sent), so what was not answered is
sent again as it is. Redirects are not followed: a registry has one address.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.errors import DidError
from registry.client.errors import (
    BearerKeyFormatError,
    RegistryAnswerError,
    RegistryRefusedError,
    RegistryUnreachableError,
    RegistryUrlError,
)

if TYPE_CHECKING:
    import httpx

TIMEOUT_S: Final = 10.0
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
MAX_ANSWER_S: Final = 120.0
"""An answer that has not ended by then is none, however many bytes still come."""
MAX_ANSWER_NODES: Final = 500_000
MAX_ANSWER_DEPTH: Final = 64  # a listing holds whole leaves, which may be as deep as a document may be sent
TRIES: Final = 3
PAUSE_S: Final = 0.2
JSON_TYPE: Final = "application/json"
LINES_TYPE: Final = "application/x-ndjson"
TEXT_TYPE: Final = "text/plain; charset=utf-8"

_TRANSIENT: Final = frozenset({502, 503, 504})
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status.
        body: at most `MAX_ANSWER_BYTES`.
    """

    status: int
    body: bytes

    def to_object(self) -> dict[str, Any]:
        """Read the body as a strict JSON object.

        Raises:
            RegistryAnswerError: ``registry_answer_invalid``.
        """
        try:
            return parse_json_object(
                self.body, max_bytes=MAX_ANSWER_BYTES, max_nodes=MAX_ANSWER_NODES, max_depth=MAX_ANSWER_DEPTH
            )
        except DidError as error:
            raise RegistryAnswerError(f"HTTP {self.status} with a body that is no JSON object") from error


class Transport:
    """A connection pool to one registry. Safe from any thread.

    Args:
        url: where to connect, for example ``http://127.0.0.1:8000``; DIDs may name another address.
        key: bearer key of a gateway or operator; agents need none.
        timeout_s: for connecting, and for each wait for bytes.
        answer_s: for a whole answer, from its first byte.
        tries: how often the same bytes are sent where no answer comes.
        ca_file: PEM file of the authorities to trust instead of the system's.

    Raises:
        RegistryUrlError: ``registry_url_invalid``.
        BearerKeyFormatError: ``bearer_key_malformed``.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        answer_s: float = MAX_ANSWER_S,
        tries: int = TRIES,
        ca_file: str | None = None,
    ) -> None:
        if key is not None and (not key.isascii() or not key.isprintable() or " " in key or not key):
            raise BearerKeyFormatError
        self._host = _host_of(url)
        self.url = url.rstrip("/")
        self._key = key
        self._timeout_s = timeout_s
        self._answer_s = answer_s
        self._tries = tries
        self._ca_file = ca_file

    @cached_property
    def _client(self) -> httpx.Client:
        import ssl

        import httpx  # 0.15 s that whoever only creates keys does not pay

        headers = {"Accept": JSON_TYPE}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        verify = ssl.create_default_context(cafile=self._ca_file) if self.url.startswith("https:") else False
        client = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=self._timeout_s,
            verify=verify,
            # A proxy is for what lies outside this machine.
            trust_env=self._host not in _LOOPBACK,
        )
        weakref.finalize(self, client.close)  # whoever forgets `close` leaves no open sockets behind
        return client

    def close(self) -> None:
        """Close the connections."""
        if "_client" in self.__dict__:
            self._client.close()

    def get(self, path: str, **query: str | int | None) -> dict[str, Any]:
        """Get a JSON object.

        Raises:
            RegistryError: ``registry_unreachable``, ``registry_refused``, ``registry_answer_invalid``.
        """
        return _checked(self.send("GET", path, query=_texts(query))).to_object()

    def get_answer(self, path: str, *, headers: Mapping[str, str] | None = None, **query: str | int | None) -> Answer:
        """Get an answer of any media type; errors as in `get`."""
        return _checked(self.send("GET", path, query=_texts(query), headers=headers))

    def post(
        self, path: str, document: Mapping[str, Any], *, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Post a JSON object and return the one that answers it; errors as in `get`."""
        return _checked(self.send("POST", path, body=canonicalize(dict(document)), headers=headers)).to_object()

    def post_lines(self, path: str, lines: bytes) -> dict[str, Any]:
        """Post JSON lines and return the object that answers them; errors as in `get`."""
        return _checked(self.send("POST", path, body=lines, media_type=LINES_TYPE)).to_object()

    def post_note(self, path: str, note: bytes) -> dict[str, Any]:
        """Post a signed note and return the object that answers it; errors as in `get`."""
        return _checked(self.send("POST", path, body=note, media_type=TEXT_TYPE)).to_object()

    def delete(self, path: str) -> dict[str, Any]:
        """Delete what is at a path; errors as in `get`."""
        return _checked(self.send("DELETE", path)).to_object()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, str] | None = None,
        media_type: str = JSON_TYPE,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request until it is answered, at most the number of tries.

        Raises:
            RegistryUnreachableError: ``registry_unreachable``.
        """
        import httpx

        sent = {**({} if body is None else {"Content-Type": media_type}), **(headers or {})}
        problem = ""
        for attempt in range(self._tries):
            if attempt:
                time.sleep(PAUSE_S * 2 ** (attempt - 1))
            try:
                answer = self._send_once(method, path, body, query=query, headers=sent)
            except (httpx.TransportError, httpx.DecodingError, OSError) as error:
                problem = str(error) or type(error).__name__
                continue
            if answer.status not in _TRANSIENT or attempt + 1 == self._tries:
                return answer
        raise RegistryUnreachableError(f"no answer from {self.url}: {problem}")

    def _send_once(
        self, method: str, path: str, body: bytes | None, *, query: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> Answer:
        with self._client.stream(method, path, content=body, params=query or None, headers=dict(headers)) as response:
            parts: list[bytes] = []
            size, until = 0, time.monotonic() + self._answer_s
            for part in response.iter_bytes():
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    raise RegistryAnswerError("the answer is too large")
                if time.monotonic() > until:
                    raise RegistryUnreachableError("the answer does not end")
                parts.append(part)
            return Answer(response.status_code, b"".join(parts))


def _texts(query: Mapping[str, str | int | None]) -> dict[str, str]:
    return {name: str(value) for name, value in query.items() if value is not None}


def _checked(answer: Answer) -> Answer:
    """Return an answer of success; anything else is an error with the registry's code."""
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own classes
        return answer
    try:
        problem = parse_json_object(answer.body, max_bytes=MAX_ANSWER_BYTES)
    except DidError:
        problem = {}
    code, detail = problem.get("code"), problem.get("detail") or problem.get("title")
    if isinstance(code, str):
        raise RegistryRefusedError(code, str(detail or code), status=answer.status)
    if answer.status in _TRANSIENT:
        raise RegistryUnreachableError(f"HTTP {answer.status}")
    text = answer.body[:200].decode("utf-8", "replace")
    raise RegistryRefusedError(f"http_{answer.status}", text or f"HTTP {answer.status}", status=answer.status)


def _host_of(url: str) -> str:
    """Return the host of a registry's URL.

    Raises:
        RegistryUrlError: ``registry_url_invalid``.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is none raises
    except ValueError as error:
        raise RegistryUrlError(url) from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RegistryUrlError(f"{url} does not begin with http:// or https:// and a host")
    return parts.hostname


def did_segment(did: str) -> str:
    """Return a DID as one segment of a path: every reserved character escaped, a ``%`` of the DID included."""
    return quote(did, safe="")
