"""The best and the worst agents over HTTP, and the roots that voices come from."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from did_methods.codec import base64url_encode
from did_methods.timestamp import parse_timestamp
from registry.api.agent import QueryError, context_query, integer_query
from registry.api.state import ApiState, state_of
from registry.api.wire import json_response
from registry.errors import DependencyError
from registry.limits import EVENTS_PAGE

router = APIRouter(tags=["agents"])
STEP_MS = 5_000


class RootListMissingError(DependencyError):
    """The log has no root list yet."""

    code = "root_list_missing"
    title = "The log has no root list yet"


@router.get("/v1/standings")
async def get_standings(request: Request) -> Response:
    """Return the ``top`` and ``bottom`` agents ``by`` score or record, at the instant ``at``, in one ``context``."""
    api = state_of(request)
    top = integer_query(request, "top", default=0, least=0, most=EVENTS_PAGE)
    bottom = integer_query(request, "bottom", default=0, least=0, most=EVENTS_PAGE)
    if not top and not bottom:
        top = EVENTS_PAGE
    by = request.query_params.get("by", "score")
    if by not in ("score", "record"):
        raise QueryError("by is score or record")
    chosen: Literal["score", "record"] = "record" if by == "record" else "score"
    context = context_query(request)
    instant = instant_query(api, request)
    ranking = await run_in_threadpool(
        lambda: api.registry.agents.standings.rank(by=chosen, context=context, now_ms=instant)
    )
    body = {
        "by": by,
        "context": context,
        "agents": len(ranking.rows),
        "top": [one.to_wire() for one in ranking.rows[:top]],
        "bottom": [one.to_wire() for one in reversed(ranking.rows[len(ranking.rows) - bottom :])] if bottom else [],
        "rules": api.registry.genesis.rules,
        "treeSize": ranking.tree_size,
        "asOf": ranking.as_of_ms,
    }
    return json_response(body | api.profile)


def instant_query(api: ApiState, request: Request) -> int:
    """Read ``at``: an RFC 3339 time not before the last entry, or ``last`` for the time of that entry; now without.

    Raises:
        BonafidesError: ``instant_before_last_entry``, ``query_invalid``.
    """
    text = request.query_params.get("at")
    if text is None:
        # At steps, so that whoever asks often is answered from what is known.
        return api.registry.clock.now_ms() // STEP_MS * STEP_MS
    if text == "last":
        return api.registry.state.head.last_time_ms
    return api.registry.agents.standings.check_instant(parse_timestamp(text))


@router.get("/v1/roots")
async def get_roots(request: Request) -> Response:
    """Return the newest root list, and whether an epoch has counted from it yet."""
    api = state_of(request)
    head = api.registry.state.head
    if not head.root_lists:
        raise RootListMissingError
    newest = head.root_lists[-1]
    body = {
        "number": newest.number,
        "roots": list(newest.roots),
        "event": base64url_encode(newest.event_id),
        "index": newest.index,
        "inForce": head.epoch is not None and head.epoch.root_list_index == newest.index,
    }
    return json_response(body | api.profile)
