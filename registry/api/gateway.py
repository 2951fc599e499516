"""Bearer keys of gateways and operators over HTTP, for the operator."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from registry.api.agent import QueryError
from registry.api.state import ApiState, state_of
from registry.api.wire import json_response, read_json
from registry.bootstrap import new_bearer_key
from registry.errors import NotFoundError
from registry.limits import SMALL_BODY_BYTES

router = APIRouter(tags=["operation"])
ROLES = ("gateway", "operator")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class GatewayNotFoundError(NotFoundError):
    """There is no gateway of that name."""

    code = "gateway_not_found"
    title = "No such gateway"


@router.get("/v1/gateways")
async def get_gateways(request: Request) -> Response:
    """Return name and role of every caller that has a key (operator)."""
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    callers = sorted(api.guard.keys.values())
    return json_response({"gateways": [{"name": name, "role": role} for name, role in callers]} | api.profile)


@router.post("/v1/gateways", status_code=201)
async def post_gateway(request: Request) -> Response:
    """Add a caller: ``{"name", "role"}`` (operator). The answer holds its bearer key, this once."""
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    body = await read_json(request, max_bytes=SMALL_BODY_BYTES)
    name, role = body.get("name"), body.get("role", "gateway")
    if body.keys() - {"name", "role"} or not isinstance(name, str) or not _NAME.fullmatch(name) or role not in ROLES:
        raise QueryError("send name (a-z, 0-9, hyphens) and role (gateway or operator)")
    key, digest = new_bearer_key()
    now_ms = api.registry.clock.now_ms()
    await run_in_threadpool(lambda: api.registry.gateways.add(name, role=role, key_digest=digest, now_ms=now_ms))
    await run_in_threadpool(_reload, api)
    return json_response({"name": name, "role": role, "key": key} | api.profile, 201)


@router.delete("/v1/gateways/{name}")
async def delete_gateway(request: Request, name: str) -> Response:
    """Remove a caller (operator); its key is refused from the next request on."""
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    if not await run_in_threadpool(api.registry.gateways.remove, name):
        raise GatewayNotFoundError
    await run_in_threadpool(_reload, api)
    return json_response({"removed": name} | api.profile)


def _reload(api: ApiState) -> None:
    """Let the guard know the table as it is now; it is replaced as a whole."""
    api.guard.reload(api.registry.gateways.load)
