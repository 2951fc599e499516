"""Hosted DIDs over HTTP: appending to a log, and its files at the places that DIDs name.

Spec: did:webvh 1.0 "The DID to HTTPS Transformation", "The Witness Proofs File", "Publishing a Parallel did:web DID";
RFC 9110 13.1; specs/did-hosting.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from registry.api.event import check_writer
from registry.api.problems import problem_response
from registry.api.state import state_of
from registry.api.wire import NO_STORE, did_in_path, json_response, read_json
from registry.errors import ParseError
from registry.limits import EVENT_BODY_BYTES
from registry.services.hosting import DidVersionConflictError, Held, HostedFile, HostingService

router = APIRouter(tags=["dids"])
_JSON_LINES = "text/jsonl; charset=utf-8"
_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_MAX_TAGS = 16


class IfMatchError(ParseError):
    """``If-Match`` is not a list of entity tags."""

    code = "if_match_invalid"
    title = "If-Match is not a list of entity tags"


def expected_versions(request: Request) -> frozenset[str] | None:
    """Return the versions that ``If-Match`` names; None without one, or for ``*``, which any version fits.

    A weak tag names nothing here: only an exact version can be compared and swapped.

    Raises:
        IfMatchError: ``if_match_invalid``.

    Spec: RFC 9110 13.1.1
    """
    listed = request.headers.getlist("if-match")
    if not listed or [one.strip() for one in listed] == ["*"]:
        return None
    tags = [_ENTITY_TAG.fullmatch(tag.strip()) for line in listed for tag in line.split(",")]
    if len(tags) > _MAX_TAGS or None in tags:
        raise IfMatchError
    return frozenset(tag[2] for tag in tags if tag is not None and tag[1] is None)


@router.post("/v1/agents/{did}/did-log", status_code=201)
async def post_did_log(request: Request) -> Response:
    """Append a did:webvh entry, or ``{"entry": …, "witness": …}``, if the newest version is the one in ``If-Match``."""
    api = state_of(request)
    did = did_in_path(request, prefix="/v1/agents/", suffix="did-log")
    body = await read_json(request, max_bytes=EVENT_BODY_BYTES)
    check_writer(api, request)
    versions, hosting = expected_versions(request), api.registry.hosting
    now_ms = api.registry.clock.now_ms()
    try:
        accepted = await run_in_threadpool(hosting.append, did, body, versions=versions, now_ms=now_ms)
    except DidVersionConflictError as error:
        api.refusals[error.code] += 1
        # A precondition that the caller named failed, or, without one, its entry does not fit what stands.
        return problem_response(error, status=409 if versions is None else 412, current=error.params["current"])
    newest = hosting.newest_version(did)
    answer = {"versionId": newest, "acceptance": api.registry.events.acceptance(accepted)} | api.profile
    return json_response(answer, 200 if accepted[-1].repeated else 201, headers=NO_STORE | {"ETag": f'"{newest}"'})


# ---------------------------------------------------------------- files


def _is_held(request: Request, etag: str) -> bool:
    """Say whether the caller holds this version already (``If-None-Match``, compared weakly)."""
    listed = ",".join(request.headers.getlist("if-none-match"))
    held = [tag.strip().removeprefix("W/") for tag in listed.split(",")]
    return held == ["*"] or f'"{etag}"' in held


def _respond(request: Request, file: HostedFile, media_type: str) -> Response:
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "ETag",
        "Cache-Control": f"public, max-age={file.ttl_s}" if file.ttl_s else "no-cache",
        "ETag": f'"{file.etag}"',
        "X-Content-Type-Options": "nosniff",
    }
    if _is_held(request, file.etag):
        return Response(status_code=304, headers=headers)
    return Response(file.data, 200, headers, media_type)


async def _serve(
    request: Request, path: str, load: Callable[[HostingService, str, Held], HostedFile], media_type: str
) -> Response:
    hosting = state_of(request).registry.hosting
    file = await run_in_threadpool(load, hosting, path, partial(_is_held, request))
    return _respond(request, file, media_type)


@router.get("/.well-known/did.jsonl")
async def get_own_did_log(request: Request) -> Response:
    """Return the registry's own DID log."""
    return await _serve(request, "", HostingService.log_file, _JSON_LINES)


@router.get("/.well-known/did-witness.json")
async def get_own_did_witness_file(request: Request) -> Response:
    """Return the witness proofs of the registry's own DID log; 404 without any."""
    return await _serve(request, "", HostingService.witness_file, "application/json")


@router.get("/.well-known/did.json")
async def get_own_did_document(request: Request) -> Response:
    """Return the registry's parallel did:web document."""
    return await _serve(request, "", HostingService.document_file, "application/did+json")


@router.get("/agents/{slug}/did.jsonl")
async def get_did_log(request: Request, slug: str) -> Response:
    """Return a hosted agent's DID log."""
    return await _serve(request, f"agents/{slug}", HostingService.log_file, _JSON_LINES)


@router.get("/agents/{slug}/did-witness.json")
async def get_did_witness_file(request: Request, slug: str) -> Response:
    """Return the witness proofs of a hosted agent's DID log; 404 without any."""
    return await _serve(request, f"agents/{slug}", HostingService.witness_file, "application/json")


@router.get("/agents/{slug}/did.json")
async def get_did_document(request: Request, slug: str) -> Response:
    """Return a hosted agent's parallel did:web document; 410 where the DID is deactivated or has moved."""
    return await _serve(request, f"agents/{slug}", HostingService.document_file, "application/did+json")
