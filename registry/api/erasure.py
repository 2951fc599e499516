"""Erasing openings over HTTP, for the operator and for agents; and reading what is kept, for the operator."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from did_methods.codec import base64url_decode
from registry.api.event import EventNotFoundError
from registry.api.state import state_of
from registry.api.wire import json_response, read_json
from registry.limits import EVENT_BODY_BYTES
from registry.services.erasure import ErasureFormError

router = APIRouter(tags=["erasure"])


@router.post("/v1/erasures", status_code=201)
async def post_erasure(request: Request) -> Response:
    """Erase openings for good: ``{"did"}`` or ``{"event"}`` (operator), or ``{"request"}`` that the agent signed.

    Answers when the keys are destroyed and the erasure is in the log; a repetition is answered with the first.
    """
    api = state_of(request)
    body = await read_json(request, max_bytes=EVENT_BODY_BYTES)
    erasure, named = api.registry.erasure_room.erasure, body.keys()
    if named == {"request"} and isinstance(body["request"], dict):
        asked = body["request"]
        erased = await run_in_threadpool(erasure.erase_as_asked, asked)
    else:
        api.guard.authenticate(request, "operator")
        if named == {"did"} and isinstance(body["did"], str):
            erased = await run_in_threadpool(erasure.erase_agent, body["did"])
        elif named == {"event"} and isinstance(body["event"], str):
            erased = await run_in_threadpool(erasure.erase_event, base64url_decode(body["event"]))
        else:
            raise ErasureFormError("send did, event, or a signed request")
    acceptance = api.registry.events.acceptance([erased.accepted])
    return json_response({"erasure": erased.to_wire(), "acceptance": acceptance} | api.profile, 201)


@router.get("/v1/events/{event_id}/openings")
async def get_openings(request: Request, event_id: str) -> Response:
    """Return the disclosures that are kept for an event (operator); none where they were erased or never sent."""
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    event = base64url_decode(event_id)
    if event not in api.registry.state.tables.events:
        raise EventNotFoundError
    openings = await run_in_threadpool(api.registry.erasure_room.openings.of_event, event)
    return json_response({"event": event_id, "openings": openings} | api.profile)
