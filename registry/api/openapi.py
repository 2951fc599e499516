"""The description of this API that `/openapi.json` serves: what the framework knows of the routes, and what it cannot see.

The routes read their requests themselves (raw bytes, raw paths), so parameters, bodies and who may call stand here, in
one table. Describes only; decides nothing.

Spec: OpenAPI 3.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from registry.api.problems import MEDIA_TYPE

_JSON: Final = "application/json"
_NDJSON: Final = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class _Note:
    """What the framework cannot see of one operation.

    Attributes:
        body: media type of the request; empty for none.
        answer: media type of the answer.
        query: names of query parameters.
        caller: ``anybody``, ``gateway`` or ``operator``.
        verdict: 200 and 400 both say whether a document verifies; 400 may also be a problem.
    """

    body: str = ""
    answer: str = _JSON
    query: tuple[str, ...] = ()
    caller: str = "anybody"
    verdict: bool = False


_RESOLUTION_OPTIONS: Final = ("versionId", "versionTime", "versionNumber", "service", "relativeRef")
_NOTES: Final[dict[tuple[str, str], _Note]] = {
    ("post", "/v1/agents"): _Note(body=_JSON, query=("wait",)),
    ("get", "/v1/agents"): _Note(query=("after", "limit")),
    ("get", "/v1/agents/{did}/state"): _Note(query=("format",)),
    ("get", "/v1/agents/{did}/standing"): _Note(query=("at", "context", "format")),
    ("get", "/v1/standings"): _Note(query=("top", "bottom", "by", "at", "context")),
    ("get", "/v1/agents/{did}/events"): _Note(query=("before", "limit")),
    ("post", "/v1/agents/{did}/did-log"): _Note(body=_JSON),
    ("post", "/v1/events"): _Note(body=_JSON, query=("wait",)),
    ("post", "/v1/events:batch"): _Note(body=_NDJSON, query=("wait",)),
    ("post", "/access/v1/evaluation"): _Note(body=_JSON, caller="gateway"),
    ("get", "/v1/decisions/{evaluation_id}"): _Note(caller="gateway"),
    ("post", "/v1/epochs"): _Note(body=_JSON, caller="operator"),
    ("post", "/v1/quarantines"): _Note(body=_JSON, caller="operator"),
    ("post", "/v1/releases"): _Note(body=_JSON, caller="operator"),
    ("post", "/v1/rulings"): _Note(body=_JSON, caller="operator"),
    ("post", "/v1/erasures"): _Note(body=_JSON),
    ("get", "/v1/events/{event_id}/openings"): _Note(caller="operator"),
    ("get", "/contexts/bonafides/v1"): _Note(answer="application/ld+json"),
    ("post", "/credentials/issue"): _Note(body=_JSON, caller="operator"),
    ("post", "/issuers/{suite}/credentials/issue"): _Note(body=_JSON, caller="operator"),
    ("post", "/credentials/verify"): _Note(body=_JSON, verdict=True),
    ("post", "/presentations/verify"): _Note(body=_JSON, verdict=True),
    ("get", "/v1/gateways"): _Note(caller="operator"),
    ("post", "/v1/gateways"): _Note(body=_JSON, caller="operator"),
    ("delete", "/v1/gateways/{name}"): _Note(caller="operator"),
    ("get", "/v1/log/proof/inclusion"): _Note(query=("index", "event", "size", "format")),
    ("get", "/v1/log/stream"): _Note(answer="text/event-stream", query=("after",)),
    ("get", "/v1/log/proof/consistency"): _Note(query=("from", "to")),
    ("get", "/1.0/identifiers/{identifier}"): _Note(answer="application/did-resolution", query=_RESOLUTION_OPTIONS),
    ("post", "/1.0/identifiers/{identifier}"): _Note(body=_JSON, answer="application/did-resolution"),
    ("get", "/status-lists/{list_id}"): _Note(answer="application/vc"),
    ("post", "/credentials/status"): _Note(body=_JSON, caller="operator"),
    ("post", "/v1/status-entries"): _Note(body=_JSON, caller="operator"),
    ("get", "/checkpoint"): _Note(answer="text/plain"),
    ("get", "/policy"): _Note(answer="text/plain"),
    ("post", "/add-checkpoint"): _Note(body="text/plain", answer="text/plain"),
    ("get", "/{origin_hash}/checkpoint"): _Note(answer="text/plain"),
    ("post", "/v1/gossip"): _Note(body="text/plain"),
    ("get", "/v1/witness/logs"): _Note(caller="operator"),
    ("post", "/v1/witness/logs"): _Note(body=_JSON, caller="operator"),
    ("delete", "/v1/witness/logs"): _Note(query=("origin",), caller="operator"),
    ("get", "/metrics"): _Note(answer="text/plain"),
    ("get", "/state/checkpoint"): _Note(answer="text/plain"),
    ("get", "/state/tile/{path}"): _Note(answer="application/octet-stream"),
    ("get", "/state/b/{name}"): _Note(answer="application/octet-stream"),
    ("get", "/tile/{path}"): _Note(answer="application/octet-stream"),
    ("get", "/.well-known/did.jsonl"): _Note(answer="text/jsonl"),
    ("get", "/agents/{slug}/did.jsonl"): _Note(answer="text/jsonl"),
    ("get", "/.well-known/did.json"): _Note(answer="application/did+json"),
    ("get", "/agents/{slug}/did.json"): _Note(answer="application/did+json"),
}
_PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457 problem details; programs branch on code.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "params": {"type": "object"},
    },
}
_VERDICT_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "How a document verified. Programs branch on verified; options of the request ask for more members.",
    "required": ["verified", "checks", "warnings", "errors"],
    "properties": {
        "verified": {"type": "boolean"},
        "checks": {"type": "array", "items": {"type": "string"}},
        "warnings": {"type": "array", "items": {"type": "string"}},
        "errors": {"type": "array", "items": {"type": "string"}},
        "problemDetails": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "title"],
                "properties": _PROBLEM_SCHEMA["properties"],
            },
        },
    },
}
_VERDICT: Final = {"schema": {"$ref": "#/components/schemas/Verdict"}}


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of the application; the same routes always give the same document.

    Spec: OpenAPI 3.1
    """
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        routes=app.routes,
        license_info=app.license_info,
    )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, path, _NOTES.get((method, path), _Note()))
    document["components"] = {
        "schemas": {"Problem": _PROBLEM_SCHEMA, "Verdict": _VERDICT_SCHEMA},
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
    }
    return document


def _complete(operation: dict[str, Any], path: str, note: _Note) -> None:
    names = re.findall(r"\{(\w+)\}", path)
    text = {"type": "string"}
    operation["parameters"] = [
        *({"name": name, "in": "path", "required": True, "schema": text} for name in names),
        *({"name": name, "in": "query", "required": False, "schema": text} for name in note.query),
    ]
    if note.body:
        operation["requestBody"] = {"required": True, "content": {note.body: {}}}
    good = {code: answer for code, answer in operation["responses"].items() if code.startswith("2")}
    for answer in good.values():
        answer["content"] = {note.answer: _VERDICT if note.verdict else {}}
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusal = {"description": "A problem", "content": problem}
    unverified = {"description": "It does not verify, or a problem", "content": {_JSON: _VERDICT} | problem}
    operation["responses"] = good | ({"400": unverified} if note.verdict else {}) | {"default": refusal}
    if note.caller != "anybody":
        operation["security"] = [{"bearer": []}]
        operation["description"] = f"{operation['description']}\n\nCaller: {note.caller}."
