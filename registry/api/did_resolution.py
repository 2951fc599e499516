"""DID Resolution over HTTP: any DID or DID URL, in both dialects, for anybody.

What this registry hosts, and what a DID says by itself, is answered from memory. Everything else is resolved in threads
of its own, so that hosts that answer slowly keep nobody waiting but those who ask for them.

Spec: DID-RESOLUTION "HTTP(S) Binding"; universal resolver `openapi.yaml`; specs/did-resolution.md.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from did_methods.codec import base64url_encode, parse_json_object
from did_methods.dereference import dereference, expand_relative, refused
from did_methods.did import InvalidDidUrlError
from did_methods.did_request import (
    DidRequest,
    RequestError,
    is_did_url,
    json_options,
    parse_request,
    read_identifier,
    split_query,
)
from did_methods.errors import DidError
from did_methods.key_format import check_key_format, format_key_document
from did_methods.method import ResolutionError, ResolutionOptions, ResolutionResult, failed
from did_methods.resolver import ResolutionOptionsError
from registry.api.did_representations import (
    DEREFERENCING_TYPE,
    JSON_TYPE,
    RESOLUTION_TYPE,
    Answer,
    RepresentationNotSupportedError,
    Shape,
    default_representation,
    negotiate,
    write_dereferenced,
    write_resolution,
)
from registry.api.problems import MediaTypeError
from registry.api.state import ApiState, state_of
from registry.api.wire import holds_version, json_response, read_body
from registry.api.workers import ResolutionBusyError
from registry.limits import RESOLUTION_TTL_MOST_MS, SMALL_BODY_BYTES

router = APIRouter(tags=["did resolution"])

_PREFIX: Final = "/1.0/identifiers/"
_PUBLIC: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Location",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}
_PREFLIGHT: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, POST",
    "Access-Control-Allow-Headers": "Accept, Content-Type, If-None-Match",
    "Access-Control-Max-Age": "86400",
}
_BODY_TYPES: Final = frozenset({JSON_TYPE, RESOLUTION_TYPE, DEREFERENCING_TYPE})
_BY_TEXT: Final = frozenset({"key", "jwk"})
_OK, _UNAVAILABLE = 200, 503
_RETRY_S: Final = "1"
_NOT_KEPT: Final = "no-store"
# Kept by whoever likes to, and asked for again with the entity tag before it is used.
_CHECKED: Final = "no-cache"
_FOREVER: Final = f"public, max-age={RESOLUTION_TTL_MOST_MS // 1_000}"
# Where documents come from, in the words of the registry's own observations, and whether DIDs have versions to ask for.
_PROPERTIES: Final = {
    "key": {"source": "did", "versions": False, "hosted": False},
    "jwk": {"source": "did", "versions": False, "hosted": False},
    "web": {"source": "https", "versions": False, "hosted": True},
    "webvh": {"source": "https", "versions": True, "hosted": True},
}
_FOREIGN: Final = {"source": "didkit", "versions": False, "hosted": False}
_CONFIGURATION: Final = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}


@router.get("/1.0/identifiers/{identifier:path}")
async def get_identifier(request: Request) -> Response:
    """Resolve a DID, or dereference a DID URL, with options as query parameters."""
    return await _answer(request, [])


@router.post("/1.0/identifiers/{identifier:path}")
async def post_identifier(request: Request) -> Response:
    """Resolve a DID, or dereference a DID URL, with options as a JSON object."""
    body = await read_body(request, max_bytes=SMALL_BODY_BYTES)
    if not body.strip():
        return await _answer(request, [])
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _BODY_TYPES and not media_type.endswith("+json"):
        raise MediaTypeError("send the options as application/json")
    try:
        options = json_options(parse_json_object(body, max_bytes=SMALL_BODY_BYTES))
    except DidError as error:
        return _refuse(request, "", ResolutionError.INVALID_OPTIONS, error)
    return await _answer(request, options)


@router.options("/1.0/identifiers/{identifier:path}", include_in_schema=False)
async def options_identifier() -> Response:
    """Let any page ask: what is answered is public, and no caller is known by a cookie."""
    return Response(status_code=204, headers=_PREFLIGHT)


@router.get("/1.0/methods")
async def get_methods(request: Request) -> Response:
    """Return the names of the DID methods that are resolved here."""
    return json_response(list(state_of(request).registry.resolution.method_names), headers=_CONFIGURATION)


@router.get("/1.0/properties")
async def get_properties(request: Request) -> Response:
    """Return, for each DID method, how its DIDs are resolved here."""
    names = state_of(request).registry.resolution.method_names
    return json_response({name: _PROPERTIES.get(name, _FOREIGN) for name in names}, headers=_CONFIGURATION)


# ---------------------------------------------------------------- one request


async def _answer(request: Request, options: list[tuple[str, str]]) -> Response:
    api, identifier = state_of(request), ""
    try:
        identifier = read_identifier(_raw_identifier(request))
        pairs = split_query(request.scope["query_string"].decode("latin-1")) + options
        asked = parse_request(identifier, pairs, now_ms=api.registry.clock.now_ms())
        known = asked.did.method in api.registry.resolution.method_names
        if known and asked.key_format is not None:
            check_key_format(asked.did, asked.key_format, experimental=asked.experimental_keys)
    except DidError as error:
        return _refuse(request, identifier, _keyword_of(error), error)
    accept = _accept_of(request) if asked.accept is None else asked.accept
    form = negotiate(accept, whole=asked.is_whole, service=asked.selects_service)
    if form is None:
        cause = RepresentationNotSupportedError()
        return _refuse(request, identifier, ResolutionError.REPRESENTATION_NOT_SUPPORTED, cause)
    result, lifetime = await _resolve(request, api, asked)
    result = _formatted(asked, result)
    if asked.is_whole:
        return _send(request, write_resolution(result, form), result.cause, lifetime=lifetime)
    found = dereference(asked, result, as_urls=form.follows)
    return _send(request, write_dereferenced(found, form), found.cause, lifetime=lifetime)


def _raw_identifier(request: Request) -> bytes:
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return raw_path.partition(b"?")[0][len(_PREFIX) :]


def _accept_of(request: Request) -> str:
    return ",".join(request.headers.getlist("accept"))


async def _resolve(request: Request, api: ApiState, asked: DidRequest) -> tuple[ResolutionResult, str]:
    """Return the result, and how long the answer to it is good."""
    service, did, version = api.registry.resolution, asked.did.text, asked.version
    result = service.resolve_hosted(did, version)
    if result is not None:
        return result, _lifetime(asked, result)
    if asked.did.method not in service.method_names:
        return service.resolve(did, version), _NOT_KEPT
    hosted = service.resolve_hosted(did, ResolutionOptions(version.now_ms)) is not None
    workers = api.history_workers if hosted else api.resolution_workers
    try:
        return await workers.run(api.guard.source(request), partial(service.resolve, did, version)), _CHECKED
    except ResolutionBusyError as error:
        return failed(ResolutionError.INTERNAL_ERROR, error), _NOT_KEPT


def _lifetime(asked: DidRequest, result: ResolutionResult) -> str:
    """Return how long an answer from memory is good: what its own log says, or for ever."""
    if asked.did.method in _BY_TEXT:
        return _FOREVER
    ttl_s = min(int(result.did_document_metadata.get("ttl", "0")), RESOLUTION_TTL_MOST_MS // 1_000)
    return f"public, max-age={ttl_s}" if ttl_s else _CHECKED


def _formatted(asked: DidRequest, result: ResolutionResult) -> ResolutionResult:
    """Write the document as the options ask for it."""
    document = result.did_document
    if document is None or (asked.key_format is None and not asked.expand_relative):
        return result
    try:
        if asked.key_format is not None:
            document = format_key_document(document, asked.key_format)
    except RequestError as error:
        return failed(error.keyword, error)
    if asked.expand_relative:
        document = expand_relative(document)
    return ResolutionResult(document, result.did_document_metadata, result.did_resolution_metadata)


# ---------------------------------------------------------------- refusing and sending


def _keyword_of(error: DidError) -> ResolutionError:
    if isinstance(error, RequestError):
        return error.keyword
    if isinstance(error, ResolutionOptionsError):
        return ResolutionError.INVALID_OPTIONS
    return ResolutionError.INVALID_DID_URL if isinstance(error, InvalidDidUrlError) else ResolutionError.INVALID_DID


def _refuse(request: Request, identifier: str, keyword: ResolutionError, cause: DidError) -> Response:
    """Refuse as near to what the caller accepts as it gets; what it accepts is not what it did wrong."""
    whole = not is_did_url(identifier)
    accept = _accept_of(request)
    form = (
        negotiate(accept, whole=whole, service=True)
        or negotiate(accept, whole=True, service=True)
        or default_representation(whole=whole)
    )
    if whole or form.shape is Shape.RESOLUTION:
        answer = write_resolution(failed(keyword, cause), form)
    else:
        answer = write_dereferenced(refused(keyword, cause), form)
    return _send(request, answer, cause, lifetime=_NOT_KEPT)


def _send(request: Request, answer: Answer, cause: DidError | None, *, lifetime: str) -> Response:
    headers = _PUBLIC | {"Cache-Control": lifetime}
    if cause is not None:
        state_of(request).refusals[cause.code] += 1
        headers["Cache-Control"] = _NOT_KEPT
    if answer.status == _UNAVAILABLE:
        headers["Retry-After"] = _RETRY_S
    if answer.body is None:
        return Response(b"", answer.status, headers | {"Location": answer.location})
    body = orjson.dumps(answer.body)
    if answer.status == _OK:
        # Two forms of one document may have the same bytes; they are two representations all the same.
        digest = hashlib.sha256(answer.media_type.encode() + b"\0" + body).digest()
        etag = base64url_encode(digest[:16])
        headers["ETag"] = f'"{etag}"'
        if request.method == "GET" and holds_version(request, etag):
            return Response(status_code=304, headers=headers)
    return Response(body, answer.status, headers, answer.media_type)
