"""Agents over HTTP: challenge, registration, look-ups, standing."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from did_methods.codec import base64url_encode, parse_json
from did_methods.timestamp import format_timestamp, parse_timestamp
from registry.api.event import check_writer
from registry.api.state import ApiState, state_of
from registry.api.waiting import wait_level, waited
from registry.api.wire import NO_STORE, did_in_path, json_response, read_body, read_json
from registry.errors import ParseError
from registry.limits import EVENTS_PAGE, REGISTRATION_BODY_BYTES, SMALL_BODY_BYTES
from registry.log.entry import LEAF_DEPTH
from registry.services.agent import Standing, agent_wire, change_wire, continuity_wire
from registry.services.evidence import dispute_wire

router = APIRouter(tags=["agents"])
STANDING_MAX_AGE_S = 5
_CONTEXT = re.compile(r"[a-z0-9-]{1,40}")


class QueryError(ParseError):
    """A query parameter is not what it should be."""

    code = "query_invalid"
    title = "A query parameter is not valid"


@router.post("/v1/challenges")
async def post_challenge(request: Request) -> Response:
    """Issue a single-use challenge for a presentation."""
    api = state_of(request)
    await read_body(request, max_bytes=SMALL_BODY_BYTES)
    now_ms, source = api.registry.clock.now_ms(), api.guard.source(request)
    challenge, expires_ms = await api.blocking(lambda: api.registry.challenges.issue(now_ms=now_ms, source=source))
    return json_response(
        {"challenge": challenge, "domain": api.registry.genesis.origin, "expires": format_timestamp(expires_ms)}
    )


@router.post("/v1/agents", status_code=201)
async def post_agent(request: Request) -> Response:
    """Register an agent: ``{"presentation": …, "didLog": [first did:webvh entry], "witness": its witness proofs}``."""
    api = state_of(request)
    level = wait_level(api, request)
    document = await read_json(request, max_bytes=REGISTRATION_BODY_BYTES)
    check_writer(api, request)
    accepted = await run_in_threadpool(
        api.registry.agents.register, document, source=api.guard.source(request), rates=api.registry.rates
    )
    agent = api.registry.agents.find(document["presentation"]["holder"])
    repeated = all(one.repeated for one in accepted)
    acceptance = api.registry.events.acceptance(accepted)
    more, reached = await waited(api, level, accepted)
    body = {"agent": agent_wire(agent), "acceptance": acceptance, **more, **api.profile}
    return json_response(body, 202 if not reached else 200 if repeated else 201)


@router.get("/v1/agents")
async def get_agents(request: Request) -> Response:
    """List agents in order of registration."""
    api = state_of(request)
    limit = integer_query(request, "limit", default=EVENTS_PAGE, least=1, most=EVENTS_PAGE)
    agents = api.registry.agents.list_agents(after=request.query_params.get("after", ""), limit=limit)
    cursor = agents[-1].did if len(agents) == limit else None
    return json_response({"agents": [agent_wire(agent) for agent in agents], "next": cursor, **api.profile})


@router.get("/v1/agents/{did}")
async def get_agent(request: Request) -> Response:
    """Return one agent."""
    api = state_of(request)
    return json_response(agent_wire(api.registry.agents.find(did_in_path(request, prefix="/v1/agents/"))) | api.profile)


@router.get("/v1/agents/{did}/standing")
async def get_standing(request: Request) -> Response:
    """Return an agent's score, record and factors, overall or in one ``context``, now or ``at`` an instant to come.

    With ``format=credential`` it is the standing of now as a credential that the registry signs.
    """
    api = state_of(request)
    did = did_in_path(request, prefix="/v1/agents/", suffix="standing")
    if "format" in request.query_params:
        return await _signed_standing(api, request, did)
    # Read at steps of the cache's lifetime, so that an unchanged log gives an unchanged ETag within one step.
    step = STANDING_MAX_AGE_S * 1_000
    instant = api.registry.clock.now_ms() // step * step
    at = request.query_params.get("at")
    if at is not None:
        last_ms = api.registry.state.head.last_time_ms
        instant = last_ms if at == "last" else api.registry.agents.standings.check_instant(parse_timestamp(at))
    context = context_query(request)
    standing = api.registry.agents.standing(did, context=context, now_ms=instant)
    body = orjson.dumps(standing_wire(standing) | api.profile)
    etag = f'"{base64url_encode(hashlib.sha256(body).digest())}"'
    headers = {"ETag": etag, "Cache-Control": f"private, max-age={STANDING_MAX_AGE_S}"}
    if etag in [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(body, 200, headers, "application/json")


async def _signed_standing(api: ApiState, request: Request, did: str) -> Response:
    if request.query_params["format"] != "credential" or "at" in request.query_params:
        raise QueryError("the format is credential, of the standing of now")
    context, now_ms = context_query(request), api.registry.clock.now_ms()
    document = await run_in_threadpool(lambda: api.registry.authority.standing(did, context=context, now_ms=now_ms))
    return Response(orjson.dumps(document), 200, NO_STORE, "application/vc")


@router.get("/v1/agents/{did}/continuity")
async def get_continuity(request: Request) -> Response:
    """Return how an agent's newest changes of identity were judged, newest first; older ones are in its chain."""
    api = state_of(request)
    agent = api.registry.agents.find(did_in_path(request, prefix="/v1/agents/", suffix="continuity"))
    changes = [change_wire(change) for change in reversed(agent.control.changes)]
    return json_response({"did": agent.did, **continuity_wire(agent.control), "changes": changes} | api.profile)


@router.get("/v1/agents/{did}/vouches")
async def get_vouches(request: Request) -> Response:
    """Return the live vouches and reports about an agent with what each contributes now."""
    api = state_of(request)
    did = did_in_path(request, prefix="/v1/agents/", suffix="vouches")
    shown = await run_in_threadpool(api.registry.agents.statements_about, did)
    rows = [
        {
            "kind": one.kind,
            "issuer": one.issuer,
            "context": one.context,
            "index": one.index,
            "event": base64url_encode(one.event_id),
            "weight": None if one.weight_micros is None else one.weight_micros / 1_000_000,
            "contribution": None if one.share_micros is None else one.share_micros / 1_000_000,
            "dispute": None if one.dispute is None else dispute_wire(one.event_id, one.dispute),
        }
        for one in shown
    ]
    return json_response({"did": did, "statements": rows} | api.profile)


@router.get("/v1/agents/{did}/events")
async def get_agent_events(request: Request) -> Response:
    """Return an agent's chain, newest first."""
    api = state_of(request)
    did = did_in_path(request, prefix="/v1/agents/", suffix="events")
    limit = integer_query(request, "limit", default=20, least=1, most=EVENTS_PAGE)
    before = integer_query(request, "before", default=0, least=0, most=1 << 53) or None
    rows = await run_in_threadpool(api.registry.agents.entries_of, did, before=before, limit=limit)
    if not rows and before is None:
        api.registry.agents.find(did)
    events = [
        {
            "count": count,
            "index": entry.index,
            "kind": entry.kind,
            "time": entry.time_ms,
            "event": base64url_encode(entry.event_id),
            "leaf": parse_json(entry.data, max_depth=LEAF_DEPTH),
        }
        for count, entry in rows
    ]
    cursor = rows[-1][0] if rows and rows[-1][0] > 1 else None
    return json_response({"did": did, "events": events, "next": cursor} | api.profile)


def standing_wire(standing: Standing) -> dict[str, Any]:
    """Return a standing as JSON: shown figures rounded down, exact ones beside them."""
    reading, factors = standing.reading, standing.reading.factors
    return {
        "did": standing.agent.did,
        "state": standing.agent.state,
        "context": standing.context,
        "score": reading.score_micros // 10_000 / 100,
        "record": reading.record_micros // 10_000 / 100,
        "scoreMicros": reading.score_micros,
        "recordMicros": reading.record_micros,
        "confidenceMicros": reading.confidence_micros,
        "factors": factors_wire(factors),
        "continuity": continuity_wire(standing.agent.control),
        "rules": standing.rules,
        "treeSize": standing.tree_size,
        "asOf": standing.as_of_ms,
    }


def factors_wire(factors: Any) -> dict[str, Any]:
    """Return the factors of a score as JSON."""
    return {name: getattr(factors, name) for name in factors.__slots__}


def context_query(request: Request) -> str | None:
    """Read ``context``, a slug; None for overall.

    Raises:
        QueryError: ``query_invalid``.
    """
    context = request.query_params.get("context")
    if context is not None and not _CONTEXT.fullmatch(context):
        raise QueryError("context is a slug of at most 40 characters")
    return context


def integer_query(request: Request, name: str, *, default: int, least: int, most: int) -> int:
    """Read a decimal query parameter.

    Raises:
        QueryError: ``query_invalid``.
    """
    text = request.query_params.get(name)
    return default if text is None else parse_integer(text, name=name, least=least, most=most)


def parse_integer(text: str, *, name: str, least: int, most: int) -> int:
    """Read a decimal number of an address.

    Raises:
        QueryError: ``query_invalid``.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 16 or not least <= int(text) <= most:  # noqa: PLR2004
        raise QueryError(f"{name} is a whole number from {least} to {most}")
    return int(text)


__all__: list[str] = [
    "ApiState",
    "context_query",
    "factors_wire",
    "integer_query",
    "parse_integer",
    "router",
    "standing_wire",
]
