"""The witness role over HTTP, and the wish to have a foreign DID looked at again."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from registry.api.event import check_writer
from registry.api.state import state_of
from registry.api.wire import did_in_path, json_response, read_body, read_json
from registry.limits import DID_WITNESS_BODY_BYTES, SMALL_BODY_BYTES

router = APIRouter(tags=["dids"])


@router.post("/v1/did-witness")
async def post_did_witness(request: Request) -> Response:
    """Approve the newest entry of a did:webvh log that names this registry as witness: ``{"log", "witness"}``."""
    api = state_of(request)
    body = await read_json(request, max_bytes=DID_WITNESS_BODY_BYTES)
    return json_response(
        await run_in_threadpool(api.registry.did_witness.witness, body, source=api.guard.source(request))
    )


@router.post("/v1/agents/{did}/observation", status_code=201)
async def post_observation(request: Request) -> Response:
    """Look again at an agent whose DID lies elsewhere: 201 with the acceptance of what has changed, 200 where nothing has."""
    api = state_of(request)
    did = did_in_path(request, prefix="/v1/agents/", suffix="observation")
    await read_body(request, max_bytes=SMALL_BODY_BYTES)
    check_writer(api, request)
    changed = await run_in_threadpool(api.registry.observations.observe, did, source=api.guard.source(request))
    acceptance = None if changed is None else api.registry.events.acceptance([changed])
    body = {"did": did, "changed": changed is not None, "acceptance": acceptance} | api.profile
    return json_response(body, 200 if changed is None else 201)
