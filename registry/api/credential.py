"""Credentials and presentations over HTTP, as the VC-API has them: the operator issues, anybody verifies.

Decides what a body is by its content type. Nothing that verifies here is remembered, logged or counted for a score.

Spec: VCALM 3.2, 3.3; VC-DATA-MODEL-2.0 Appendix "IANA Considerations"; specs/vc-api.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from did_methods.codec import parse_json_object
from registry.api.guard import Caller
from registry.api.problems import MediaTypeError
from registry.api.state import ApiState, state_of
from registry.api.vc_answers import credential_answer, presentation_answer
from registry.api.wire import json_response, read_body
from registry.credentials.issuing import DEFAULT_SUITE
from registry.credentials.presentation_verification import PresentationOutcome
from registry.credentials.vc_api import VcApiRequestError, VerifyOptions, parse_issue_options, parse_verify_options
from registry.credentials.verification import VerificationOutcome
from registry.limits import CREDENTIAL_BODY_BYTES, PRESENTATION_BODY_BYTES, SMALL_BODY_BYTES

router = APIRouter(tags=["credentials"])

_WRAPPED: Final = ("application/json", "application/ld+json")
_ALONE: Final = {"verifiableCredential": "application/vc", "verifiablePresentation": "application/vp"}


@router.get("/issuers")
async def get_issuers(request: Request) -> Response:
    """Return the DID of the issuer of each proof suite."""
    api = state_of(request)
    return json_response(api.registry.credentials.issuers() | api.profile)


@router.post("/credentials/issue", status_code=201)
async def post_issue(request: Request) -> Response:
    """Issue a credential in the default suite (operator): ``{"credential", "options"}``."""
    return await _issue(request, DEFAULT_SUITE)


@router.post("/issuers/{suite}/credentials/issue", status_code=201)
async def post_issue_in_suite(request: Request, suite: str) -> Response:
    """Issue a credential in a suite, by that suite's issuer (operator): ``{"credential", "options"}``."""
    return await _issue(request, suite)


@router.post("/credentials/verify")
async def post_verify(request: Request) -> Response:
    """Verify a credential: ``{"verifiableCredential", "options"}``; 200 where it verifies, else 400 with the problems."""
    api = state_of(request)
    caller = api.guard.identify(request)
    parse = await _to_verify(request, "verifiableCredential", max_bytes=CREDENTIAL_BODY_BYTES)
    now_ms = api.registry.clock.now_ms()

    def work() -> tuple[VerificationOutcome, VerifyOptions]:
        value, raw_options = parse()
        options = parse_verify_options(raw_options, returned="returnCredential")
        return api.registry.credentials.verify(value, options=options, now_ms=now_ms), options

    outcome, options = await api.verification_workers.run(_source(api, request, caller), work)
    return credential_answer(api, outcome, options, known=caller is not None)


@router.post("/presentations/verify")
async def post_presentation(request: Request) -> Response:
    """Verify a presentation: ``{"verifiablePresentation", "options"}``; 200 where all of it verifies, else 400."""
    api = state_of(request)
    caller = api.guard.identify(request)
    parse = await _to_verify(request, "verifiablePresentation", max_bytes=PRESENTATION_BODY_BYTES)
    now_ms = api.registry.clock.now_ms()

    def work() -> tuple[PresentationOutcome, VerifyOptions]:
        value, raw_options = parse()
        options = parse_verify_options(raw_options, returned="returnPresentation")
        return api.registry.presentations.verify(value, options=options, now_ms=now_ms), options

    outcome, options = await api.verification_workers.run(_source(api, request, caller), work)
    return presentation_answer(api, outcome, options, known=caller is not None)


@router.post("/challenges")
async def post_challenge(request: Request) -> Response:
    """Return a challenge that a presentation may answer once: ``{"challenge"}``."""
    api = state_of(request)
    await read_body(request, max_bytes=SMALL_BODY_BYTES)
    source = api.guard.source(request)
    challenge = await api.blocking(lambda: api.registry.presentations.challenge(source=source))
    return json_response({"challenge": challenge} | api.profile)


async def _issue(request: Request, suite: str) -> Response:
    api = state_of(request)
    api.guard.authenticate(request, "operator")
    media_type = _media_type(request)
    if media_type not in (*_WRAPPED, "application/vc"):
        raise MediaTypeError("send application/json")
    body = parse_json_object(await read_body(request, max_bytes=CREDENTIAL_BODY_BYTES), max_bytes=CREDENTIAL_BODY_BYTES)
    if media_type == "application/vc":
        body = {"credential": body}
    credential = body.get("credential")
    if not isinstance(credential, dict):
        raise VcApiRequestError("send the credential as an object", member="credential")
    options = parse_issue_options(body.get("options"))
    work = partial(api.registry.credentials.issue, credential, suite=suite, options=options)
    issued = await api.verification_workers.run(None, work)
    return json_response({"verifiableCredential": issued} | api.profile, 201)


async def _to_verify(request: Request, member: str, *, max_bytes: int) -> Callable[[], tuple[Any, Any]]:
    """Read what is to be verified; return what parses it, for a thread that holds up nobody.

    A body of strangers may be large, and parsing it takes as long as many decisions: it counts as part of the work that one
    source has a share of.
    """
    media_type, alone = _media_type(request), _ALONE[member]
    if media_type not in (*_WRAPPED, alone, f"{alone}+jwt"):
        raise MediaTypeError(f"send application/json, {alone} or {alone}+jwt")
    data = await read_body(request, max_bytes=max_bytes)
    return partial(_parse, data, member, media_type, max_bytes=max_bytes)


def _parse(data: bytes, member: str, media_type: str, *, max_bytes: int) -> tuple[Any, Any]:
    """Return what is to be verified and the raw options: wrapped in a request, or alone under a type of its own."""
    alone = _ALONE[member]
    if media_type == f"{alone}+jwt":
        try:
            return data.decode("ascii"), None
        except UnicodeDecodeError:
            raise VcApiRequestError("an envelope is ASCII", member=member) from None
    body = parse_json_object(data, max_bytes=max_bytes)
    if media_type == alone:
        return body, None
    if member not in body:
        raise VcApiRequestError(f"send {member}", member=member)
    return body[member], body.get("options")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _source(api: ApiState, request: Request, caller: Caller | None) -> str | None:
    """Return what this request counts under; whoever is known has a share under its own name."""
    source = api.guard.source(request)
    return source if caller is None or source is None else f"caller {caller.name}"
