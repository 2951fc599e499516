"""What is recorded of agents and not counted, over HTTP; and rulings, which the operator asks for."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from did_methods.codec import base64url_decode
from registry.api.agent import QueryError
from registry.api.state import state_of
from registry.api.wire import did_in_path, json_response, read_json
from registry.limits import SMALL_BODY_BYTES
from registry.services.agent import select_accepted
from registry.services.authority import Ruling
from registry.services.evidence import evidence_about, evidence_wire

router = APIRouter(tags=["agents"])


@router.get("/v1/agents/{did}/evidence")
async def get_evidence(request: Request) -> Response:
    """Return an agent's badges, its newest attestations, and the disputes that it is a side of; none counts in a score."""
    api = state_of(request)
    did = did_in_path(request, prefix="/v1/agents/", suffix="evidence")
    found = await run_in_threadpool(evidence_about, api.registry.sequencer, did)
    return json_response(evidence_wire(found) | {"treeSize": api.registry.state.head.size} | api.profile)


@router.post("/v1/rulings", status_code=201)
async def post_ruling(request: Request) -> Response:
    """Rule on an open dispute: ``{"dispute": event id, "ruling": "upheld" | "dismissed", "reason": slug}`` (operator)."""
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    body = await read_json(request, max_bytes=SMALL_BODY_BYTES)
    dispute, word, reason = body.get("dispute"), body.get("ruling"), body.get("reason")
    if body.keys() != {"dispute", "ruling", "reason"} or not isinstance(dispute, str) or not isinstance(reason, str):
        raise QueryError("send dispute, ruling and reason")
    if word not in ("upheld", "dismissed"):
        raise QueryError("the ruling is upheld or dismissed")
    submission = api.registry.authority.ruling(
        base64url_decode(dispute), word=cast("Ruling", word), reason=reason, now_ms=api.registry.clock.now_ms()
    )
    outcomes = await run_in_threadpool(lambda: api.registry.sequencer.submit(submission).result())
    acceptance = api.registry.events.acceptance(select_accepted(outcomes))
    return json_response({"acceptance": acceptance} | api.profile, 201)
