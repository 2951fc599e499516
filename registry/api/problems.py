"""The one table from error to HTTP: status by family, `type` by code, and nothing of the input in the answer.

Spec: RFC 9457.
"""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from did_methods.errors import BonafidesError, DidError
from registry.errors import (
    ConflictError,
    DeniedError,
    DependencyError,
    LimitError,
    NotFoundError,
    ParseError,
    VerificationError,
)

TYPE_PREFIX = "https://w3id.org/bonafides/problems#"
MEDIA_TYPE = "application/problem+json"

_STATUS: tuple[tuple[type[BonafidesError], int], ...] = (
    (ParseError, 400),
    (VerificationError, 400),
    (DeniedError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (LimitError, 429),
    (DependencyError, 503),
    (DidError, 400),
)

_STATUS_BY_CODE = {
    "bearer_key_required": 401,
    "body_too_slow": 408,
    "body_too_large": 413,
    "leaf_too_large": 413,
    "json_too_large": 413,
    "batch_too_long": 413,
    "too_many_contexts": 409,
    "did_log_full": 409,
    "did_document_gone": 410,
    "openings_erased": 410,
    "did_representation_not_supported": 406,
    "did_resolution_busy": 503,
    "media_type_unsupported": 415,
    "method_not_allowed": 405,
    "log_frozen": 405,
    "json_ld_not_installed": 501,
    "legacy_not_installed": 501,
    "witness_request_too_large": 413,
    "note_too_large": 413,
    "witness_proof_refused": 422,
}


class BodyTooLargeError(LimitError):
    """The request's body is larger than this door takes."""

    code = "body_too_large"
    title = "The request body is too large"


class BodyTooSlowError(LimitError):
    """The request's body did not arrive in time."""

    code = "body_too_slow"
    title = "The request body took too long"


class BodyIncompleteError(ParseError):
    """The connection ended before the request's body did."""

    code = "body_incomplete"
    title = "The request body is incomplete"


class MediaTypeError(ParseError):
    """The request's Content-Type is not one that this door reads."""

    code = "media_type_unsupported"
    title = "Unsupported media type"


class BearerKeyError(DeniedError):
    """The call needs a bearer key, and none that is known was sent."""

    code = "bearer_key_required"
    title = "A valid bearer key is required"


class OperatorOnlyError(DeniedError):
    """The call is the operator's."""

    code = "operator_only"
    title = "Only the operator may do this"


class ForwardedRefusedError(DeniedError):
    """In --dev, a request that came through a proxy or from a web page is refused."""

    code = "dev_request_refused"
    title = "Refused: this registry runs with --dev"


class RouteNotFoundError(NotFoundError):
    """There is nothing at that address."""

    code = "route_not_found"
    title = "Nothing at this address"


class MethodNotAllowedError(ParseError):
    """The address exists, but not for this method."""

    code = "method_not_allowed"
    title = "Method not allowed"


def status_of(error: BonafidesError | type[BonafidesError]) -> int:
    """Return the HTTP status of an error; 500 for one that no family covers."""
    kind = error if isinstance(error, type) else type(error)
    if kind.code in _STATUS_BY_CODE:
        return _STATUS_BY_CODE[kind.code]
    return next((status for family, status in _STATUS if issubclass(kind, family)), 500)


def problem_object(error: BonafidesError) -> dict[str, Any]:
    """Return an error as a problem details object."""
    problem: dict[str, Any] = {
        "type": error.type_uri or TYPE_PREFIX + error.code,
        "title": error.title,
        "status": status_of(error),
        "code": error.code,
    }
    if error.detail != error.title:
        problem["detail"] = error.detail
    if error.params:
        problem["params"] = error.params
    return problem


def problem_response(error: BonafidesError, *, status: int | None = None, **members: str | int) -> Response:
    """Return an error as an HTTP answer.

    Args:
        error: what was refused.
        status: where the request, not the error, decides it; None is the error's own.
        **members: extension members of this answer.
    """
    headers = {"Cache-Control": "no-store"}
    retry = error.params.get("retry_after_s")
    status = status_of(error) if status is None else status
    if retry is not None:
        headers["Retry-After"] = str(retry)
    elif status == 503:  # noqa: PLR2004 - Service Unavailable
        headers["Retry-After"] = "1"
    if status == 405 and isinstance(error, ConflictError):  # noqa: PLR2004 - Method Not Allowed: a log that has ended
        headers["Allow"] = "GET, HEAD"
    if status == 401:  # noqa: PLR2004 - Unauthorized
        headers["WWW-Authenticate"] = 'Bearer realm="bonafides"'
    problem = problem_object(error) | {"status": status} | members
    return Response(orjson.dumps(problem), status, headers, MEDIA_TYPE)
