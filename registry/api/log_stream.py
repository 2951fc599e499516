"""The log as it grows, pushed: entries as a published checkpoint comes to cover them, then that checkpoint.

Server-sent events: each entry has its index as id, so a browser that reconnects goes on behind the last one it got. Nothing is
kept for a reader: entries are read from the store when it can take more, and one that stays too far behind is told so and
left. What it is sent it can verify: the leaf's exact bytes, and the signed note of the tree.

Spec: WHATWG HTML 9.2 "Server-sent events"; specs/http-api.md.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import orjson
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from did_methods.codec import base64url_encode
from registry import limits
from registry.api.agent import parse_integer
from registry.api.log import FRESH
from registry.api.state import ApiState, state_of
from registry.errors import LimitError, ParseError
from registry.log.entry import MAX_INTEGER
from registry.log.merkle import leaf_hash
from registry.storage.log import EntryRecord

router = APIRouter(tags=["log"])
_TYPE: Final = "text/event-stream"
_LOOK_S: Final = 0.2


class StreamCursorFutureError(ParseError):
    """The cursor names an entry that no published checkpoint covers: it was not read from this log, or the log was set back."""

    code = "stream_cursor_future"
    title = "The cursor is ahead of the log"


class StreamCursorOutdatedError(ParseError):
    """The cursor is so far behind that entry bundles are the way to catch up; ``first`` is the oldest one that is taken."""

    code = "stream_cursor_outdated"
    title = "The cursor is too far behind for a stream"


class StreamReaderSlowError(LimitError):
    """The reader takes entries more slowly than they come; told in the stream, which ends with it."""

    code = "stream_reader_slow"
    title = "The stream's reader is too slow"


@router.get("/v1/log/stream")
async def get_stream(request: Request) -> Response:
    """Push entries behind ``after`` (or ``Last-Event-ID``; by default those from now on) as checkpoints cover them."""
    api = state_of(request)
    size = api.registry.log.published_head.size
    after = _cursor(request)
    start = size if after is None else after + 1
    if start > size:
        raise StreamCursorFutureError(size=size)
    if size - start > limits.STREAM_BACKLOG:
        raise StreamCursorOutdatedError(first=size - limits.STREAM_BACKLOG - 1)
    api.streams.check(api.guard.source(request))
    return LogStream(api, start, api.guard.source(request))


def _cursor(request: Request) -> int | None:
    """Return the index of the last entry that the reader has: ``Last-Event-ID`` counts before ``after``; -1 is none.

    Raises:
        QueryError: ``query_invalid``.
    """
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if text is None:
        return None
    return -1 if text == "-1" else parse_integer(text, name="the cursor", least=0, most=MAX_INTEGER)


class LogStream(Response):
    """One open stream.

    Args:
        api: of the process.
        start: index of the first entry to be sent.
        source: who reads, for the count.
    """

    media_type = _TYPE

    def __init__(self, api: ApiState, start: int, source: str | None) -> None:
        super().__init__(None, 200, {**FRESH, "X-Accel-Buffering": "no"}, f"{_TYPE}; charset=utf-8")
        del self.headers["content-length"]
        self._api = api
        self._next = start
        self._source = source
        self._noted = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve until the reader goes, is too slow, or the process stops."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope.get("is_head"):
            await send({"type": "http.response.body", "body": b""})
            return
        with self._api.streams.held(self._source):
            gone = asyncio.ensure_future(_gone(receive))
            try:
                await self._serve(gone, send)
                if not gone.done():
                    await send({"type": "http.response.body", "body": b""})
            except TimeoutError:
                return  # nothing can be told to a reader that takes nothing
            finally:
                gone.cancel()

    async def _serve(self, gone: asyncio.Future[None], send: Send) -> None:
        ends, spoke = time.monotonic() + limits.STREAM_LIFE_S, time.monotonic()
        await _give(send, b"retry: 2000\n\n")
        while not gone.done() and not self._api.closing and time.monotonic() < ends:
            head = self._api.registry.log.published_head
            if head.size - self._next > limits.STREAM_BACKLOG:
                problem = {"code": StreamReaderSlowError.code, "title": StreamReaderSlowError.title}
                await _give(send, b"event: problem\ndata: " + orjson.dumps(problem) + b"\n\n")
                return
            if self._next < head.size:
                end = min(self._next + limits.STREAM_PORTION, head.size)
                entries = await run_in_threadpool(self._api.registry.store.entries, self._next, end)
                await _give(send, b"".join(map(_message, entries)))
                self._next, spoke = end, time.monotonic()
            elif head.size > self._noted:
                noted = {"treeSize": head.size, "checkpoint": head.note.decode("utf-8")}
                await _give(send, b"event: checkpoint\ndata: " + orjson.dumps(noted) + b"\n\n")
                self._noted, spoke = head.size, time.monotonic()
            elif time.monotonic() - spoke >= limits.STREAM_HEARTBEAT_S:
                await _give(send, b":\n\n")
                spoke = time.monotonic()
            else:
                await asyncio.wait({gone}, timeout=_LOOK_S)


def _message(entry: EntryRecord) -> bytes:
    """Return one entry as a message: canonical JSON holds no line feed, so the leaf's bytes stand in it as they are."""
    frame = {
        "index": entry.index,
        "event": base64url_encode(entry.event_id),
        "leafHash": base64url_encode(leaf_hash(entry.data)),
    }
    return b'id: %d\nevent: entry\ndata: %b,"leaf":%b}\n\n' % (entry.index, orjson.dumps(frame)[:-1], entry.data)


async def _give(send: Send, body: bytes) -> None:
    """Send, and wait only so long for a reader that takes nothing."""
    async with asyncio.timeout(limits.STREAM_SEND_S):
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
