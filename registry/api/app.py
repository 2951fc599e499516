"""The HTTP application: routes, errors, request ids.

Every error is a problem+json with a stable code; the input is never echoed. Nothing here decides anything.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from did_methods.errors import BonafidesError
from registry.api import (
    agent,
    context,
    credential,
    decision,
    did_files,
    did_resolution,
    did_witness,
    erasure,
    event,
    evidence,
    gateway,
    log,
    log_stream,
    operation,
    standing,
    state_map,
    status,
    witness,
)
from registry.api.agent import QueryError
from registry.api.guard import Guard
from registry.api.openapi import describe_api
from registry.api.problems import MethodNotAllowedError, RouteNotFoundError, problem_response
from registry.api.state import ApiState
from registry.bootstrap import Registry
from registry.storage.gateway import TOPIC as GATEWAY_TOPIC

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Endpoint = Callable[[Request], Awaitable[Response]]

BUSY_DOORS: Final[dict[tuple[str, str], Endpoint]] = {
    ("POST", "/v1/events"): event.post_event,
    ("POST", "/access/v1/evaluation"): decision.post_evaluation,
}
"""What is asked all the time is called directly: the framework takes longer to find such a route and to call it than a
decision takes. These are declared as routes like all others, but take nothing from the framework except the request."""

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,200}")


def create_app(registry: Registry) -> FastAPI:
    """Make the application of an opened registry; starting and stopping it is the caller's."""
    app = FastAPI(
        title="Bonafides registry",
        version="0.0.1",
        summary="Identity, reputation and per-action decisions for AI agents",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,  # a redirect would repeat the caller's Host, and no problem has a body-less twin
        license_info={"name": "Apache-2.0"},
        # What is asked here is told to nobody because of an environment variable; and looking, at each request, whether
        # there is somebody to tell took half of what the framework takes before a busy door.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    public_host = urlsplit(registry.genesis.public_url).hostname or ""
    guard = Guard(registry.gateways.load(), dev=registry.settings.dev, public_host=public_host)
    registry.shared_changes.on(GATEWAY_TOPIC, partial(guard.reload, registry.gateways.load))
    replay = registry.genesis.profile == "replay"
    app.state.api = ApiState(registry, guard, profile={"profile": "replay"} if replay else {})
    for module in (
        # What is asked most often comes first: the framework tries one after the other.
        decision,
        event,
        agent,
        standing,
        erasure,
        evidence,
        context,
        log,
        log_stream,
        state_map,
        did_files,
        did_resolution,
        did_witness,
        operation,
        gateway,
        status,
        witness,
        credential,
    ):
        app.include_router(module.router)
    app.add_exception_handler(BonafidesError, _handle_error)
    app.add_exception_handler(RequestValidationError, _handle_validation)
    app.add_exception_handler(HTTPException, _handle_http)
    app.add_exception_handler(Exception, _handle_bug)
    app.add_middleware(DoorMiddleware, guard=guard)
    app.openapi = partial(describe_api, app)  # type: ignore[method-assign]  # the framework's own hook
    return app


class DoorMiddleware:
    """Echoes ``X-Request-ID``, keeps --dev's promise, opens busy doors; plain ASGI, so that bodies are not buffered."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], *, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)

        async def send_with_id(message: MutableMapping[str, Any]) -> None:
            if request_id and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        try:
            self._guard.check_dev(Request(scope))
        except BonafidesError as error:
            scope["app"].state.api.refusals[error.code] += 1
            await problem_response(error)(scope, receive, send_with_id)
            return
        endpoint = BUSY_DOORS.get((scope["method"], scope["path"]))
        if endpoint is not None:
            await _answer(endpoint, scope, receive, send_with_id)
            return
        if scope["method"] == "HEAD":  # the routes know GET only; the server sends no body to a HEAD
            scope = {**scope, "method": "GET", "is_head": True}
        await self._app(scope, receive, send_with_id)


def _request_id(scope: Scope) -> bytes:
    """Return what the caller calls this request, to be echoed; empty where it gives no name or one that is not echoed."""
    request_id: bytes = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return request_id if _REQUEST_ID.fullmatch(request_id) else b""


async def _answer(endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    try:
        answer = await endpoint(request)
    except BonafidesError as error:
        answer = await _handle_error(request, error)
    await answer(scope, receive, send)


async def _handle_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, BonafidesError)
    api: ApiState = request.app.state.api
    api.refusals[error.code] += 1
    answer = problem_response(error)
    if log.is_public(request.url.path):
        answer.headers.update(log.CORS)
    return answer


async def _handle_validation(request: Request, _error: Exception) -> Response:
    return await _handle_error(request, QueryError("a part of the address is not of the form asked for"))


async def _handle_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    wrong_method = error.status_code == 405  # noqa: PLR2004 - Method Not Allowed
    answer = await _handle_error(request, MethodNotAllowedError() if wrong_method else RouteNotFoundError())
    answer.headers.update(error.headers or {})  # Allow
    return answer


async def _handle_bug(request: Request, _error: Exception) -> Response:
    """Answer 500 with a code and nothing else; the server's log has the traceback."""
    answer = await _handle_error(request, BonafidesError("this is a defect of the registry; its log says more"))
    if request_id := _request_id(request.scope):  # this answer goes past the middleware
        answer.headers["x-request-id"] = request_id.decode("ascii")
    return answer
