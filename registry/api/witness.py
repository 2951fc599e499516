"""The witness role over HTTP: cosigning, monitoring, gossip, evidence; and which logs are witnessed, for the operator.

Spec: c2sp.org/tlog-witness@v1.0.0; specs/witness.md.
"""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from did_methods.timestamp import format_timestamp
from registry.api.agent import QueryError
from registry.api.log import CORS, FRESH, TEXT
from registry.api.problems import RouteNotFoundError
from registry.api.state import ApiState, state_of
from registry.api.wire import json_response, read_body, read_json
from registry.limits import SMALL_BODY_BYTES
from registry.log.note import MAX_NOTE_BYTES, parse_note_key
from registry.log.witness import MAX_REQUEST_BYTES, WitnessConflictError, size_body
from registry.services.witness import EvidenceNotFoundError, WitnessService

router = APIRouter(tags=["witness"])
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SIZE_TYPE = "text/x.tlog.size"
_LOG_MEMBERS = {"verifier_key"}


def _role(request: Request) -> WitnessService:
    return state_of(request).registry.witnessing.role


@router.post("/add-checkpoint")
async def post_checkpoint(request: Request) -> Response:
    """Cosign a checkpoint of a witnessed log: old size, consistency proof, empty line, checkpoint."""
    api = state_of(request)
    body = await read_body(request, max_bytes=MAX_REQUEST_BYTES)
    source = api.guard.source(request)
    try:
        line = await run_in_threadpool(_role(request).add_checkpoint, body, source=source)
    except WitnessConflictError as error:
        # The one refusal that has a form of its own: the log goes on from the size that it is told.
        api.refusals[error.code] += 1
        return Response(size_body(int(error.params["size"])), 409, FRESH, _SIZE_TYPE)
    return Response(line, 200, FRESH, TEXT)


@router.get("/{origin_hash}/checkpoint")
async def get_cosigned(request: Request, origin_hash: str) -> Response:
    """Return the newest checkpoint cosigned of the log whose origin has this SHA-256, in hex."""
    if not _DIGEST.fullmatch(origin_hash):
        raise RouteNotFoundError
    return Response(await run_in_threadpool(_role(request).newest, origin_hash), 200, FRESH, TEXT)


@router.post("/v1/gossip")
async def post_gossip(request: Request) -> Response:
    """Take a checkpoint that somebody saw, whole, and say whether it contradicts what is known here."""
    api = state_of(request)
    note = await read_body(request, max_bytes=MAX_NOTE_BYTES)
    found = await run_in_threadpool(_role(request).gossip, note, source=api.guard.source(request))
    evidence = None if found.evidence is None else found.evidence.hex()
    answer = {"origin": found.origin, "size": found.size, "verdict": found.verdict, "evidence": evidence}
    return json_response(answer | api.profile)


@router.get("/v1/evidence")
async def get_evidence_list(request: Request) -> Response:
    """Return the evidence of split views that is kept here, oldest first."""
    kept = await run_in_threadpool(_role(request).evidence)
    rows = [{"id": one.digest.hex(), "origin": one.origin, "found": format_timestamp(one.found_ms)} for one in kept]
    return json_response({"evidence": rows} | state_of(request).profile, headers=FRESH)


@router.get("/v1/evidence/{digest}")
async def get_evidence(request: Request, digest: str) -> Response:
    """Return an evidence file, which anybody verifies offline."""
    if not _DIGEST.fullmatch(digest):
        raise EvidenceNotFoundError
    data = await run_in_threadpool(_role(request).evidence_file, bytes.fromhex(digest))
    headers = CORS | {"Cache-Control": "public, max-age=604800, immutable"}
    return Response(data, 200, headers, "application/json")


@router.get("/v1/witness/logs")
async def get_logs(request: Request) -> Response:
    """Return the logs that are witnessed here (operator)."""
    state_of(request).guard.authenticate(request, "operator")
    return json_response(_listed(state_of(request)))


@router.post("/v1/witness/logs", status_code=201)
async def post_log(request: Request) -> Response:
    """Witness a log: ``{"verifier_key"}``, whose name is its origin (operator)."""
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    body = await read_json(request, max_bytes=SMALL_BODY_BYTES)
    key = body.get("verifier_key")
    if body.keys() != _LOG_MEMBERS or not isinstance(key, str):
        raise QueryError("send verifier_key")
    await run_in_threadpool(_role(request).add_log, parse_note_key(key))
    return json_response(_listed(api), 201)


@router.delete("/v1/witness/logs")
async def delete_log(request: Request) -> Response:
    """Witness the log of an ``origin`` no more (operator); what was cosigned stays known."""
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    origin = request.query_params.get("origin")
    if origin is None:
        raise QueryError("say which origin")
    await run_in_threadpool(_role(request).remove_log, origin)
    return json_response(_listed(api))


def _listed(api: ApiState) -> dict[str, object]:
    logs = [
        {"origin": origin, "verifier_key": key.to_text()} for origin, key in api.registry.witnessing.role.logs.items()
    ]
    return {"logs": logs} | api.profile
