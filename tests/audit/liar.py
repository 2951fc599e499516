"""A proxy that stands before a registry and changes what it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

Change = Callable[[str, Any], Any]


class Liar:
    """An ASGI application that changes the JSON answers of another one.

    Args:
        app: the honest application.
        change: given path and answer, returns what is answered instead.
    """

    def __init__(self, app: Any, change: Change) -> None:
        self._app = app
        self._change = change

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request, perhaps with a lie."""
        started: dict[str, Any] = {}
        body = b""

        async def hold(message: Any) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                started.update(message)
            else:
                body += message.get("body", b"")

        await self._app(scope, receive, hold)
        if any(value == b"application/json" for _, value in started["headers"]):
            body = orjson.dumps(self._change(scope["path"], orjson.loads(body)))
        started["headers"] = [
            (name, value) for name, value in started["headers"] if name.lower() not in (b"content-length", b"etag")
        ]
        await send(started)
        await send({"type": "http.response.body", "body": body})


class FileLiar:
    """An ASGI application that serves other files than another one does.

    Args:
        app: the honest application.
        change: given path and body, returns what is served instead; None is 404.
    """

    def __init__(self, app: Any, change: Callable[[str, bytes], bytes | None]) -> None:
        self._app = app
        self._change = change

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request, perhaps with another file."""
        started: dict[str, Any] = {}
        body = b""

        async def hold(message: Any) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                started.update(message)
            else:
                body += message.get("body", b"")

        await self._app(scope, receive, hold)
        served = body if started["status"] == 200 else b""
        changed = self._change(scope["path"], served)
        if changed != served:
            started |= {"status": 404 if changed is None else 200, "headers": [(b"content-type", b"text/plain")]}
            body = changed or b""
        await send(started)
        await send({"type": "http.response.body", "body": body})
