"""What all doors share: reading bodies within a cap, DIDs in raw paths, JSON answers."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from did_methods.codec import parse_json_object
from did_methods.did import split_did_path
from registry.api.problems import BodyIncompleteError, BodyTooLargeError, BodyTooSlowError, MediaTypeError
from registry.limits import BODY_SECONDS

NO_STORE = {"Cache-Control": "no-store"}


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Read a request's body, at most max_bytes.

    Raises:
        BodyTooLargeError: ``body_too_large``, without reading further.
        BodyTooSlowError: ``body_too_slow``.
        BodyIncompleteError: ``body_incomplete``; nobody reads the answer, but it is counted.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise BodyTooLargeError(max_bytes=max_bytes)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_chunks(request, max_bytes)
    except TimeoutError:
        raise BodyTooSlowError(seconds=BODY_SECONDS) from None
    except ClientDisconnect:
        raise BodyIncompleteError from None


async def _read_chunks(request: Request, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLargeError(max_bytes=max_bytes)
        chunks.append(chunk)
    return b"".join(chunks)


async def read_json(request: Request, *, max_bytes: int) -> dict[str, Any]:
    """Read a strict JSON object.

    Raises:
        MediaTypeError: ``media_type_unsupported``.
        BonafidesError: ``body_too_large`` and the codec's codes.
    """
    return parse_json_object(await read_json_body(request, max_bytes=max_bytes), max_bytes=max_bytes)


async def read_json_body(request: Request, *, max_bytes: int) -> bytes:
    """Read what is sent as JSON, whatever it is.

    Raises:
        MediaTypeError: ``media_type_unsupported``.
        BonafidesError: ``body_too_large``, ``body_too_slow``, ``body_incomplete``.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise MediaTypeError("send application/json")
    return await read_body(request, max_bytes=max_bytes)


def did_in_path(request: Request, *, prefix: str, suffix: str = "") -> str:
    """Return the DID of a request's raw path, decoded exactly once.

    Args:
        request: routed to a path of the form prefix + DID [+ "/" + suffix].
        prefix: for example ``/v1/agents/``.
        suffix: what follows the DID, without the slash.

    Raises:
        DidError: the codes of `split_did_path`.
    """
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    did, _ = split_did_path(raw_path, prefix=prefix, suffixes=(suffix,) if suffix else ())
    return did


def holds_version(request: Request, etag: str) -> bool:
    """Say whether the caller has a version already (``If-None-Match``, compared weakly).

    Args:
        request: of a safe method.
        etag: opaque part of the entity tag, without quotes.

    Spec: RFC 9110 13.1.2
    """
    listed = ",".join(request.headers.getlist("if-none-match"))
    held = [tag.strip().removeprefix("W/") for tag in listed.split(",")]
    return held == ["*"] or f'"{etag}"' in held


def json_response(value: Any, status: int = 200, *, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON; not cached unless the headers say so."""
    return Response(orjson.dumps(value), status, headers or NO_STORE, "application/json")
