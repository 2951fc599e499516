"""The public log over HTTP: checkpoint, tiles, entry bundles, proofs, policy.

Spec: c2sp.org/tlog-tiles, c2sp.org/tlog-proof.
"""

from __future__ import annotations

import gzip
import re

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from did_methods.codec import base64url_decode, base64url_encode
from registry.api.agent import QueryError, integer_query, parse_integer
from registry.api.event import EventNotFoundError
from registry.api.state import ApiState, state_of
from registry.api.wire import json_response
from registry.errors import NotFoundError
from registry.limits import TILES_KEPT
from registry.log.proof import ProofFile, encode_proof_file
from registry.log.tile import TILE_WIDTH, TilePath, parse_tile_path
from registry.services.log import EntryNotFoundError
from registry.services.witnessing import describe_end, describe_log

router = APIRouter(tags=["log"])
CORS = {"Access-Control-Allow-Origin": "*"}
FRESH = {**CORS, "Cache-Control": "no-store"}
TEXT = "text/plain; charset=utf-8"
FOREVER = {**CORS, "Cache-Control": "public, max-age=604800, immutable"}
_MOST = 1 << 53
_PUBLIC = ("/checkpoint", "/tile/", "/state/", "/log.json", "/policy", "/v1/entries/", "/v1/log/", "/v1/evidence")
_GZIP_LEVEL = 1
_FORMATS = ("json", "tlog-proof")
_NO_QUALITY = re.compile(r"q=0(?:\.0{0,3})?")


class PolicyNotFoundError(NotFoundError):
    """This log has no witness policy."""

    code = "witness_policy_not_found"
    title = "This log has no witness policy"


class CheckpointNotFoundError(NotFoundError):
    """No checkpoint of that size was signed, so no proof file can hold one."""

    code = "checkpoint_not_found"
    title = "No checkpoint of this size"


def is_public(path: str) -> bool:
    """Say whether any web page may read what is at a path, a refusal included.

    A refusal that a page cannot read looks like a broken network to it, and the next tile is refused until it exists.
    """
    return path.startswith(_PUBLIC)


@router.get("/checkpoint")
async def get_checkpoint(request: Request) -> Response:
    """Return the newest signed checkpoint."""
    return Response(state_of(request).registry.log.published_head.note, 200, FRESH, TEXT)


@router.get("/tile/{path:path}")
async def get_tile(request: Request, path: str) -> Response:
    """Return a tile of hashes, or an entry bundle below ``entries``."""
    log = state_of(request).registry.log
    tile = parse_tile_path(f"tile/{path}")
    if tile.level is not None:
        return Response(await _tile(state_of(request), tile.level, tile), 200, FOREVER, "application/octet-stream")
    if not _takes_gzip(request):
        data = await run_in_threadpool(log.entry_bundle, tile.index, tile.width)
        return Response(data, 200, FOREVER | {"Vary": "Accept-Encoding"}, "application/octet-stream")
    packed = await run_in_threadpool(_packed_bundle, request.app.state.api, tile.index, tile.width)
    headers = FOREVER | {"Vary": "Accept-Encoding", "Content-Encoding": "gzip"}
    return Response(packed, 200, headers, "application/octet-stream")


async def _tile(api: ApiState, level: int, tile: TilePath) -> bytes:
    """Return a tile; full ones never change, and are kept."""
    kept = api.full_tiles.get((level, tile.index)) if tile.width == TILE_WIDTH else None
    if kept is not None:
        return kept
    data = await run_in_threadpool(api.registry.log.tile, level, tile.index, tile.width)
    if tile.width == TILE_WIDTH:
        if len(api.full_tiles) >= TILES_KEPT:
            del api.full_tiles[next(iter(api.full_tiles))]
        api.full_tiles[level, tile.index] = data
    return data


def _takes_gzip(request: Request) -> bool:
    """Say whether the caller takes gzip.

    Spec: RFC 9110 12.5.3
    """
    for part in ",".join(request.headers.getlist("accept-encoding")).split(","):
        name, _, quality = part.partition(";")
        if name.strip().lower() in ("gzip", "*"):
            return not _NO_QUALITY.fullmatch(quality.strip())
    return False


def _packed_bundle(api: ApiState, number: int, width: int) -> bytes:
    """Return a compressed bundle; full ones are kept, for whoever reads the whole log."""
    packed = api.packed_bundles.get(number) if width == TILE_WIDTH else None
    if packed is None:
        # No time in the header: the same bundle has the same bytes.
        packed = gzip.compress(api.registry.log.entry_bundle(number, width), _GZIP_LEVEL, mtime=0)
        if width == TILE_WIDTH:
            api.keep_packed(number, packed)
    return packed


@router.get("/log.json")
async def get_log(request: Request) -> Response:
    """Return the log's name and keys, its witnesses, and this registry's own keys as a witness."""
    api = state_of(request)
    witnessing = api.registry.witnessing
    ended = describe_end(api.registry.log)
    own = {"didWitness": api.registry.did_witness.did, "stateLog": api.registry.state_map.described}
    body = describe_log(api.registry.genesis) | ended | witnessing.describe() | own
    return json_response(body, headers=FRESH)


@router.get("/policy")
async def get_policy(request: Request) -> Response:
    """Return the witness policy that this log publishes under, as its operator wrote it."""
    text = state_of(request).registry.witnessing.policy_text
    if text is None:
        raise PolicyNotFoundError
    return Response(text, 200, FRESH, TEXT)


@router.get("/v1/entries/{index}")
async def get_entry(request: Request, index: str) -> Response:
    """Return a leaf's exact bytes."""
    number = parse_integer(index, name="the index", least=0, most=_MOST)
    found = await run_in_threadpool(state_of(request).registry.store.entry, number)
    if found is None:
        raise EntryNotFoundError
    return Response(found.data, 200, FOREVER, "application/json")


@router.get("/v1/log/proof/inclusion")
async def get_inclusion(request: Request) -> Response:
    """Return an inclusion proof for ``index`` or ``event``, in the newest checkpoint or at ``size``; JSON or a proof file."""
    api = state_of(request)
    is_file = _wants_proof_file(request)
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
    headers = FRESH | {"Vary": "Accept"}
    if is_file:
        note = await run_in_threadpool(api.registry.witnessing.publisher.note_at, size)
        if note is None:
            raise CheckpointNotFoundError
        return Response(encode_proof_file(ProofFile(index, tuple(proof), note)), 200, headers, TEXT)
    body = {"index": index, "treeSize": size, "proof": [base64url_encode(one) for one in proof]}
    return json_response(body, headers=headers)


def _wants_proof_file(request: Request) -> bool:
    """Say whether the answer is to be a ``.tlog-proof`` file: ``format`` says so, or else ``Accept``.

    Raises:
        QueryError: ``query_invalid``.
    """
    wanted = request.query_params.get("format")
    if wanted is not None and wanted not in _FORMATS:
        raise QueryError("format is json or tlog-proof")
    if wanted is not None:
        return wanted == "tlog-proof"
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "").split(",")]
    return "text/plain" in accepted and "application/json" not in accepted


@router.get("/v1/log/proof/consistency")
async def get_consistency(request: Request) -> Response:
    """Return a consistency proof between ``from`` and ``to`` (the newest checkpoint by default)."""
    api = state_of(request)
    first = integer_query(request, "from", default=0, least=0, most=_MOST)
    asked = integer_query(request, "to", default=0, least=0, most=_MOST) or None
    second, proof = await run_in_threadpool(api.registry.log.consistency, first, asked)
    return json_response(
        {"from": first, "to": second, "proof": [base64url_encode(one) for one in proof]}, headers=FRESH
    )
