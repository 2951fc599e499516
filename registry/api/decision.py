"""The verifier endpoint: AuthZEN 1.0 access evaluation.

Spec: AuthZEN Authorization API 1.0, sections 6, 9 and 10.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response

from did_methods.codec import parse_json
from registry.api.agent import QueryError
from registry.api.problems import BearerKeyError, BodyTooLargeError
from registry.api.state import ApiState, state_of
from registry.api.wire import NO_STORE, json_response, read_body
from registry.decisions.request import EvaluationParseError
from registry.decisions.verdict import Decision
from registry.errors import NotFoundError
from registry.limits import DECISION_BODY_BYTES
from registry.storage.decision import DecisionRecord

router = APIRouter(tags=["decisions"])
_DURABLE = ("high", "critical")
_PRESENTED = b'"presentation"'


class DecisionNotFoundError(NotFoundError):
    """No decision of that id is recorded."""

    code = "decision_not_found"
    title = "No such decision"


@router.post("/access/v1/evaluation")
async def post_evaluation(request: Request) -> Response:
    """Answer whether an agent may do an action on a resource now."""
    api = state_of(request)
    try:
        api.guard.authenticate(request, "gateway")
    except BearerKeyError as error:
        api.refusals[error.code] += 1
        return PlainTextResponse(error.detail, 401, {**NO_STORE, "WWW-Authenticate": 'Bearer realm="bonafides"'})
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _bad_request(api, "media_type_unsupported", "Content-Type must be application/json")
    try:
        body = await read_body(request, max_bytes=DECISION_BODY_BYTES)
        evaluation_id, decision = await _decide(api, body)
    except (EvaluationParseError, BodyTooLargeError) as error:
        return _bad_request(api, error.code, error.detail)
    await _record(api, evaluation_id, decision)
    api.decisions[(decision.decision, decision.reason)] += 1
    answer = decision.to_authzen(evaluation_id, origin=api.registry.genesis.origin)
    return json_response(answer | api.profile)


async def _decide(api: ApiState, body: bytes) -> tuple[str, Decision]:
    """Decide in memory; only a challenge that another process may have given out is fetched before, off the event loop."""
    if api.registry.database.is_shared and _PRESENTED in body:
        await run_in_threadpool(api.registry.decisions.fetch_challenge, body)
    return api.registry.decisions.decide(body)


def _bad_request(api: ApiState, code: str, message: str) -> Response:
    api.refusals[code] += 1
    return PlainTextResponse(message, 400, NO_STORE)


async def _record(api: ApiState, evaluation_id: str, decision: Decision) -> None:
    """Record before answering: on the disk where an allowed action carries high risk, else within the flush window."""
    record = DecisionRecord(
        evaluation_id=evaluation_id,
        time_ms=decision.facts.evaluated_at_ms,
        agent_did=decision.facts.agent_did,
        decision=decision.decision,
        reason=decision.reason,
        record=decision.to_record(),
    )
    if decision.decision and decision.action_class in _DURABLE:
        await asyncio.wrap_future(api.registry.recorder.record_durably(record))
    else:
        api.registry.recorder.record(record)


@router.get("/v1/decisions/{evaluation_id}")
async def get_decision(request: Request, evaluation_id: str) -> Response:
    """Return a recorded decision with its whole fact vector."""
    api = state_of(request)
    api.guard.authenticate(request, "gateway")
    if len(evaluation_id) > 64:  # noqa: PLR2004 - ids are UUIDs
        raise QueryError("evaluation ids are UUIDs")
    found = await run_in_threadpool(api.registry.recorder.find, evaluation_id)
    if found is None:
        raise DecisionNotFoundError
    return json_response({"evaluation_id": evaluation_id, "record": parse_json(found.record)} | api.profile)


@router.get("/.well-known/authzen-configuration")
async def get_configuration(request: Request) -> Response:
    """Return the decision point's metadata."""
    public = state_of(request).registry.genesis.public_url
    return json_response(
        {"policy_decision_point": public, "access_evaluation_endpoint": f"{public}/access/v1/evaluation"},
        headers={"Cache-Control": "public, max-age=300"},
    )
