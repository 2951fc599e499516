"""Asks the resolver of a `World` over HTTP, in its dialects."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.support.asgi import Answer
from tests.support.registry import World

PREFIX = "/1.0/identifiers/"
RESOLUTION = "application/did-resolution"
DEREFERENCING = "application/did-url-dereferencing"
LEGACY = 'application/ld+json;profile="https://w3id.org/did-resolution"'
LEGACY_URL = 'application/ld+json;profile="https://w3id.org/did-url-dereferencing"'
BARE = ("application/did", "application/did+json", "application/did+ld+json", "application/ld+json", "application/json")
KEY = "did:key:z6MktKwz7Ge1Yxzr4JHavN33wiwa8y81QdcMRLXQsrH9T53b"
KEY_METHOD = f"{KEY}#z6MktKwz7Ge1Yxzr4JHavN33wiwa8y81QdcMRLXQsrH9T53b"
ERRORS = "https://www.w3.org/ns/did#"


def ask(
    world: World, identifier: str, accept: str | None = None, *, options: str = "", encoded: bool = True, **more: Any
) -> Answer:
    """Send a GET for a DID or DID URL, encoded as one segment or as it stands, with a query and an `Accept`."""
    headers = ({} if accept is None else {"accept": accept}) | more.pop("headers", {})
    sent = quote(identifier, safe="") if encoded else identifier
    return world.web.get(PREFIX + sent + (f"?{options}" if options else ""), headers=headers, **more)


def keyword(answer: Answer) -> str:
    """Return the error keyword of an answer in the current dialect, after checking that nothing is beside it."""
    result = answer.json
    if "didResolutionMetadata" in result:
        metadata, content, other = result["didResolutionMetadata"], result["didDocument"], result["didDocumentMetadata"]
    else:
        metadata, content, other = result["dereferencingMetadata"], result["contentStream"], result["contentMetadata"]
    error = metadata["error"]
    assert error.keys() == {"type", "title", "detail", "code"}
    assert (content, other) == (None, {})
    assert error["type"].startswith((ERRORS, "https://w3id.org/security#"))
    return str(error["type"].partition("#")[2])


def code(answer: Answer) -> str:
    """Return our own code of a refusal, in either dialect."""
    metadata = next(answer.json[name] for name in answer.json if name.endswith(("ResolutionMetadata", "ingMetadata")))
    return str(metadata.get("problemDetails", metadata["error"])["code"])
