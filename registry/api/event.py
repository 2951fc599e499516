"""Evidence over HTTP: one signed statement, or a batch as JSON lines."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from did_methods.codec import base64url_decode, base64url_encode, parse_json, parse_json_object
from registry.api.problems import MediaTypeError, problem_object
from registry.api.state import ApiState, state_of
from registry.api.waiting import wait_level, waited
from registry.api.wire import json_response, read_body, read_json_body
from registry.errors import LimitError, NotFoundError
from registry.limits import BATCH_BODY_BYTES, BATCH_LINES, EVENT_BODY_BYTES, VERIFY_LEAST_CALLERS
from registry.log.entry import LEAF_DEPTH
from registry.services.submission import Accepted

router = APIRouter(tags=["events"])
NDJSON = ("application/x-ndjson", "application/jsonl", "text/jsonl")


class BatchTooLongError(LimitError):
    """The batch has more lines than one request may."""

    code = "batch_too_long"
    title = "Too many lines in one batch"


class EventNotFoundError(NotFoundError):
    """No event of that id is in the log."""

    code = "event_not_found"
    title = "No such event"


@router.post("/v1/events", status_code=201)
async def post_event(request: Request) -> Response:
    """Log one signed statement; answers when it is durable, or has come as far as ``wait`` says."""
    api = state_of(request)
    level = wait_level(api, request)
    data = await read_json_body(request, max_bytes=EVENT_BODY_BYTES)
    check_writer(api, request)
    api.writing += 1
    try:
        accepted = await _logged(api, data)
    finally:
        api.writing -= 1
    acceptance = api.registry.events.acceptance([accepted])
    more, reached = await waited(api, level, [accepted])
    status = 202 if not reached else 200 if accepted.repeated else 201
    return json_response({"acceptance": acceptance, **more} | api.profile, status)


async def _logged(api: ApiState, data: bytes) -> Accepted:
    events = api.registry.events
    verified = await events.verify_apart(data) if api.writing >= VERIFY_LEAST_CALLERS else None
    handed_in = None if verified is None else events.hand_in_verified(verified)
    if handed_in is None:
        body = parse_json_object(data, max_bytes=EVENT_BODY_BYTES)
        handed_in = events.hand_in(body)
    if handed_in is None:
        return await run_in_threadpool(events.submit, body)
    (outcome,) = await asyncio.wrap_future(handed_in)
    assert isinstance(outcome, Accepted)
    return outcome


@router.post("/v1/events:batch")
async def post_events(request: Request) -> Response:
    """Log up to 1,000 signed statements, one a line, in their order; each is accepted or refused for itself."""
    api = state_of(request)
    level = wait_level(api, request)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in NDJSON:
        raise MediaTypeError(f"send {NDJSON[0]}")
    check_writer(api, request)
    data = await read_body(request, max_bytes=BATCH_BODY_BYTES)
    body, accepted = await run_in_threadpool(_log_batch, api, data)
    more, reached = await waited(api, level, accepted)
    return json_response(body | more, 200 if reached else 202)


def _log_batch(api: ApiState, data: bytes) -> tuple[dict[str, Any], list[Accepted]]:
    # Counted before it is split: eight megabytes of line feeds must not become a list of eight million lines.
    lines = [] if data.count(b"\n") > 2 * BATCH_LINES else [line for line in data.split(b"\n") if line.strip()]
    if len(lines) > BATCH_LINES or data.count(b"\n") > 2 * BATCH_LINES:
        raise BatchTooLongError(limit=BATCH_LINES)
    outcomes = api.registry.events.submit_lines(lines)
    accepted = [one for one in outcomes if isinstance(one, Accepted)]
    results: list[dict[str, Any]] = []
    for outcome in outcomes:
        if isinstance(outcome, Accepted):
            results.append({"index": outcome.index, "repeated": outcome.repeated})
        else:
            api.refusals[outcome.code] += 1
            results.append({"problem": problem_object(outcome)})
    acceptance = api.registry.events.acceptance(accepted) if accepted else None
    return {"results": results, "acceptance": acceptance} | api.profile, accepted


@router.get("/v1/events/{event_id}")
async def get_event(request: Request, event_id: str) -> Response:
    """Return a logged event by its id."""
    api = state_of(request)
    found = await run_in_threadpool(api.registry.sequencer.find, base64url_decode(event_id))
    entry = None if found is None else await run_in_threadpool(api.registry.store.entry, found.index)
    if found is None or entry is None:
        raise EventNotFoundError
    body = {
        "event": event_id,
        "index": found.index,
        "leafHash": base64url_encode(found.leaf_hash),
        "time": found.time_ms,
        "kind": entry.kind,
        "leaf": parse_json(entry.data, max_depth=LEAF_DEPTH),
    }
    return json_response(body | api.profile)


def check_writer(api: ApiState, request: Request) -> None:
    """In a replay registry, writes are the operator's.

    Raises:
        DeniedError: ``bearer_key_required``, ``operator_only``.
    """
    if api.registry.genesis.profile == "replay":
        api.guard.authenticate(request, "operator")
