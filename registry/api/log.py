"""The public log over HTTP: checkpoint, tiles, entry bundles, proofs.

Spec: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from did_methods.codec import base64url_decode, base64url_encode
from registry.api.agent import integer_query, parse_integer
from registry.api.event import EventNotFoundError
from registry.api.state import state_of
from registry.api.wire import json_response
from registry.log.tile import parse_tile_path
from registry.services.log import EntryNotFoundError

router = APIRouter(tags=["log"])
_CORS = {"Access-Control-Allow-Origin": "*"}
_FOREVER = {**_CORS, "Cache-Control": "public, max-age=604800, immutable"}
_FRESH = {**_CORS, "Cache-Control": "no-store"}
_MOST = 1 << 53


@router.get("/checkpoint")
async def get_checkpoint(request: Request) -> Response:
    """Return the newest signed checkpoint."""
    return Response(state_of(request).registry.log.signed_head.note, 200, _FRESH, "text/plain; charset=utf-8")


@router.get("/tile/{path:path}")
async def get_tile(request: Request, path: str) -> Response:
    """Return a tile of hashes, or an entry bundle below ``entries``."""
    log = state_of(request).registry.log
    tile = parse_tile_path(f"tile/{path}")
    if tile.level is None:
        data = await run_in_threadpool(log.entry_bundle, tile.index, tile.width)
    else:
        data = await run_in_threadpool(log.tile, tile.level, tile.index, tile.width)
    return Response(data, 200, _FOREVER, "application/octet-stream")


@router.get("/log.json")
async def get_log(request: Request) -> Response:
    """Return the log's name and keys."""
    api = state_of(request)
    genesis = api.registry.genesis
    body = {
        "origin": genesis.origin,
        "verifier_keys": [genesis.log_key],
        "public_url": genesis.public_url,
        "registry_did": genesis.registry_did,
        "operator_did": genesis.operator_did,
        "profile": genesis.profile,
        "rules": genesis.rules,
        "witnesses": [],
        "didWitness": api.registry.did_witness.did,
    }
    return json_response(body, headers=_FRESH)


@router.get("/v1/entries/{index}")
async def get_entry(request: Request, index: str) -> Response:
    """Return a leaf's exact bytes."""
    number = parse_integer(index, name="the index", least=0, most=_MOST)
    found = await run_in_threadpool(state_of(request).registry.store.entry, number)
    if found is None:
        raise EntryNotFoundError
    return Response(found.data, 200, _FOREVER, "application/json")


@router.get("/v1/log/proof/inclusion")
async def get_inclusion(request: Request) -> Response:
    """Return an inclusion proof for ``index`` or ``event``, in the newest checkpoint or at ``size``."""
    api = state_of(request)
    event = request.query_params.get("event")
    if event is None:
        index = integer_query(request, "index", default=-1, least=0, most=_MOST)
    else:
        found = await run_in_threadpool(api.registry.sequencer.find, base64url_decode(event))
        if found is None:
            raise EventNotFoundError
        index = found.index
    asked = integer_query(request, "size", default=0, least=0, most=_MOST) or None
    size, proof = await run_in_threadpool(api.registry.log.inclusion, index, asked)
    return json_response(
        {"index": index, "treeSize": size, "proof": [base64url_encode(one) for one in proof]}, headers=_FRESH
    )


@router.get("/v1/log/proof/consistency")
async def get_consistency(request: Request) -> Response:
    """Return a consistency proof between ``from`` and ``to`` (the newest checkpoint by default)."""
    api = state_of(request)
    first = integer_query(request, "from", default=0, least=0, most=_MOST)
    asked = integer_query(request, "to", default=0, least=0, most=_MOST) or None
    second, proof = await run_in_threadpool(api.registry.log.consistency, first, asked)
    return json_response(
        {"from": first, "to": second, "proof": [base64url_encode(one) for one in proof]}, headers=_FRESH
    )
