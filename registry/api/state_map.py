"""The state map over HTTP: its log as static files, buckets by their hashes, proofs about agents and statements.

Spec: specs/state-map.md; c2sp.org/tlog-tiles
"""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from did_methods.codec import base64url_decode
from registry.api.agent import QueryError
from registry.api.log import FOREVER, FRESH, TEXT
from registry.api.state import ApiState, state_of
from registry.api.wire import did_in_path, json_response
from registry.log.merkle import HASH_BYTES
from registry.log.state_subject import event_subject
from registry.log.tile import parse_tile_path
from registry.services.state_proof import BucketNotFoundError

router = APIRouter(tags=["log"])
_NAME = re.compile(r"[0-9a-f]{64}")
_BYTES = "application/octet-stream"


@router.get("/state/checkpoint")
async def get_state_checkpoint(request: Request) -> Response:
    """Return the newest published checkpoint of the state log."""
    return Response(state_of(request).registry.state_map.log.published_head.note, 200, FRESH, TEXT)


@router.get("/state/tile/{path:path}")
async def get_state_tile(request: Request, path: str) -> Response:
    """Return a tile of the state log, or an entry bundle below ``entries``."""
    log = state_of(request).registry.state_map.log
    tile = parse_tile_path(f"tile/{path}")
    if tile.level is None:
        data = await run_in_threadpool(log.entry_bundle, tile.index, tile.width)
    else:
        data = await run_in_threadpool(log.tile, tile.level, tile.index, tile.width)
    return Response(data, 200, FOREVER, _BYTES)


@router.get("/state/b/{name}")
async def get_bucket(request: Request, name: str) -> Response:
    """Return a bucket of the state map by its hash, in lower-case hexadecimal digits."""
    if not _NAME.fullmatch(name):
        raise BucketNotFoundError
    data = await run_in_threadpool(state_of(request).registry.state_map.proofs.bucket, bytes.fromhex(name))
    return Response(data, 200, FOREVER, _BYTES)


async def answer_state(api: ApiState, subject: str) -> Response:
    """Answer with what the newest published map says of a subject, and everything that is needed to believe it."""
    answer = await run_in_threadpool(api.registry.state_map.proofs.prove, subject)
    return json_response(answer.to_wire() | api.profile)


@router.get("/v1/agents/{did}/state")
async def get_agent_state(request: Request) -> Response:
    """Return what an agent may do now, in one word, with the log position that it follows from.

    With ``format=proof`` it is what the newest published state map says of the DID, or that it says nothing, with the proof.
    """
    api = state_of(request)
    did = did_in_path(request, prefix="/v1/agents/", suffix="state")
    if "format" in request.query_params:
        if request.query_params["format"] != "proof":
            raise QueryError("the format is proof")
        return await answer_state(api, did)
    agent = api.registry.agents.find(did)
    body = {"did": agent.did, "state": agent.state, "authorityEpoch": agent.authority_epoch}
    return json_response(body | {"treeSize": api.registry.state.head.size} | api.profile)


@router.get("/v1/events/{event_id}/state")
async def get_event_state(request: Request, event_id: str) -> Response:
    """Return the proof whether a statement is live, be it that it is not."""
    event = base64url_decode(event_id, max_chars=64)
    if len(event) != HASH_BYTES:
        raise QueryError("an event id is the base64url of 32 bytes")
    return await answer_state(state_of(request), event_subject(event))


@router.get("/v1/agents/{did}/age-proof")
async def get_age_proof(request: Request) -> Response:
    """Return the proof of an agent's registration: against an old checkpoint, and from there to today's."""
    api = state_of(request)
    did = did_in_path(request, prefix="/v1/agents/", suffix="age-proof")
    answer = await run_in_threadpool(api.registry.state_map.ages.prove, did)
    return json_response(answer.to_wire() | api.profile)
