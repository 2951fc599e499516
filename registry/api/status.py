"""Status lists over HTTP: anybody reads them, the operator gives out places and sets what stands there.

Spec: VC-BITSTRING-STATUS-LIST 3.1, 4; VCALM 0.9 "Update Status", "Get Status List"; RFC 9110 12.5.1, 13.1.2;
specs/status-list.md.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeGuard

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from registry.api.state import state_of
from registry.api.wire import holds_version, json_response, read_json
from registry.limits import EVENT_BODY_BYTES
from registry.services.status_errors import StatusUpdateError

router = APIRouter(tags=["credentials"])
MEDIA_TYPES: Final = ("application/vc", "application/ld+json", "application/json")
_QUALITY: Final = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_MAX_ACCEPT_CHARACTERS: Final = 1_024
_MEMBERS: Final = frozenset({"credentialId", "credentialStatus", "status", "indexAllocator"})
_MAX_ID_CHARACTERS: Final = 2_048


def list_media_type(accept: str) -> str:
    """Return the media type to serve a list as: the first that the caller likes best; ``application/vc`` for any other.

    The bytes are the same under each of them, so whoever asks for something else gets these all the same.

    Args:
        accept: of the request; empty for none.

    Spec: RFC 9110 12.5.1; VC-BITSTRING-STATUS-LIST 4
    """
    best, liked = MEDIA_TYPES[0], 0.0
    for part in accept[:_MAX_ACCEPT_CHARACTERS].lower().split(","):
        name, *parameters = (text.strip() for text in part.split(";"))
        told = next((match for text in parameters if (match := _QUALITY.fullmatch(text))), None)
        quality = 1.0 if told is None else float(told[1])
        if name in MEDIA_TYPES and quality > liked:
            best, liked = name, quality
    return best


@router.get("/status-lists/{list_id}")
async def get_status_list(request: Request, list_id: str) -> Response:
    """Return a signed list of statuses."""
    found = await run_in_threadpool(state_of(request).registry.statuses.published, list_id)
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag",
        "Cache-Control": f"public, max-age={found.ttl_s}",
        "ETag": f'"{found.etag}"',
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }
    if holds_version(request, found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.data, 200, headers, list_media_type(request.headers.get("accept", "")))


@router.post("/credentials/status")
async def post_credential_status(request: Request) -> Response:
    """Set a status (operator): ``{"credentialId", "credentialStatus": {"type", "statusPurpose", …}, "status"}``."""
    api = state_of(request)
    caller = api.guard.authenticate(request, "operator")
    body = await read_json(request, max_bytes=EVENT_BODY_BYTES)
    name, entry, value = body.get("credentialId"), body.get("credentialStatus"), body.get("status")
    if body.keys() - _MEMBERS or not isinstance(entry, dict) or not isinstance(value, int):
        raise StatusUpdateError("send credentialId, credentialStatus and status")
    _check_id(name)
    await run_in_threadpool(
        lambda: api.registry.statuses.set_status(credential_id=name, entry=entry, value=value, by=caller.name)
    )
    return json_response({"credentialId": name, "credentialStatus": entry, "status": value} | api.profile)


@router.post("/v1/status-entries", status_code=201)
async def post_status_entries(request: Request) -> Response:
    """Give out entries for a credential that is signed elsewhere (operator): ``{"purposes", "credentialId", "messages"}``."""
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    body = await read_json(request, max_bytes=EVENT_BODY_BYTES)
    name, purposes, messages = body.get("credentialId"), body.get("purposes"), body.get("messages", [])
    if body.keys() - {"credentialId", "purposes", "messages"} or not _are_texts(purposes) or not _are_texts(messages):
        raise StatusUpdateError("send purposes, and messages where there are such, as lists of strings")
    _check_id(name)
    entries = await run_in_threadpool(
        lambda: api.registry.statuses.allocate(purposes=purposes, credential_id=name, messages=messages)
    )
    return json_response({"credentialStatus": entries} | api.profile, 201)


def _check_id(name: Any) -> None:
    if name is not None and (not isinstance(name, str) or not 1 <= len(name) <= _MAX_ID_CHARACTERS):
        raise StatusUpdateError("credentialId is not a short string")


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
