"""Speaks HTTP to an ASGI application without a socket: exact raw paths, hand-made body chunks, a synchronous httpx transport."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx

from did_methods.codec import parse_json

MAX_ANSWER_BYTES = 64 << 20
LOOPBACK = ("127.0.0.1", 50_000)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the application answered.

    Attributes:
        status: HTTP status code.
        headers: lower-case name to value; a repeated name keeps the last.
        body: the whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as strict JSON."""
        return parse_json(self.body, max_bytes=MAX_ANSWER_BYTES, max_nodes=1 << 24)

    @property
    def code(self) -> str:
        """The stable code of a problem, after checking that the answer is a well-formed one."""
        problem = self.json
        assert self.headers["content-type"] == "application/problem+json", self
        assert problem["status"] == self.status, self
        ours = problem["type"].startswith("https://w3id.org/bonafides/problems#")
        # Where a W3C specification names the failure, the type is its, in capitals.
        assert not ours or problem["type"].endswith("#" + problem["code"]), self
        assert ours or re.fullmatch(r"https://(www\.w3\.org|w3id\.org)/\S+#[A-Z_]+", problem["type"]), self
        assert problem["title"], self
        return str(problem["code"])


@dataclass(slots=True)
class Web:
    """Calls an application, one request at a time.

    Attributes:
        app: the ASGI application; its lifespan is the caller's business.
        client: the address that requests come from.
        headers: sent with each request unless it names them itself.
    """

    app: Any
    client: tuple[str, int] = LOOPBACK
    headers: dict[str, str] = field(default_factory=lambda: {"host": "registry.localhost:8000"})
    _runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def close(self) -> None:
        """Close the event loop."""
        self._runner.close()

    def send(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Sequence[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        client: tuple[str, int] | None = None,
        hang_up: bool = False,
    ) -> Answer:
        """Send one request exactly as given.

        Args:
            method: HTTP method.
            target: raw path as sent on the wire, and query.
            body: one body, sent with Content-Length; or chunks, sent without.
            headers: names in lower case.
            client: instead of the address of this object.
            hang_up: close the connection after the last chunk, before the body is complete.
        """
        sent = {**self.headers, **(headers or {})}
        chunks: Iterable[bytes] = [body] if isinstance(body, bytes) else body
        if isinstance(body, bytes) and body:
            sent.setdefault("content-length", str(len(body)))
        raw_path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw_path),
            "raw_path": raw_path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": client or self.client,
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        return self._runner.run(_exchange(self.app, scope, list(chunks), hang_up=hang_up))

    def get(self, target: str, **more: Any) -> Answer:
        """Send a GET."""
        return self.send("GET", target, **more)

    def post(self, target: str, body: Any = b"", *, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
        """Send a POST; an object is sent as JSON."""
        if isinstance(body, dict):
            body = httpx.Request("POST", "http://x", json=body).content
        return self.send(
            "POST", target, body=body, headers={"content-type": "application/json", **(headers or {})}, **more
        )


async def _exchange(app: Any, scope: dict[str, Any], chunks: list[bytes], *, hang_up: bool) -> Answer:
    waiting = list(chunks)
    started: dict[str, Any] = {}
    parts: list[bytes] = []
    ended = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if waiting:
            chunk = waiting.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(waiting) or hang_up}
        if not hang_up and not chunks:
            chunks.append(b"")
            return {"type": "http.request", "body": b"", "more_body": False}
        if not hang_up:
            await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            parts.append(message.get("body", b""))
            if not message.get("more_body"):
                ended.set()

    await app(scope, receive, send)
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in started["headers"]}
    return Answer(started["status"], headers, b"".join(parts))


class WebTransport(httpx.BaseTransport):
    """Lets a synchronous httpx client talk to an application in this process."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request to the application."""
        answer = self._web.send(
            request.method,
            request.url.raw_path.decode("ascii"),
            body=request.read(),
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)
