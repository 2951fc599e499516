"""The did:web method: one document, of exactly this DID, fetched only for a DID that syntax lets through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from did_methods.codec import base58_encode
from did_methods.document import parse_did_document
from did_methods.keys import SigningKey
from did_methods.method import FetchFailedError, ResolutionError, ResolutionOptions, ResolutionResult
from did_methods.resolver import Resolver
from did_methods.web import MAX_DOCUMENT_BYTES, WebMethod

NOW = 1_795_165_200_000
OPTIONS = ResolutionOptions(NOW)
DID = "did:web:agent.example%3A8443:bob"
URL = "https://agent.example:8443/bob/did.json"
MULTIKEY = SigningKey(bytes(32)).public_key.multikey
DOCUMENT: dict[str, Any] = {
    "@context": ["https://www.w3.org/ns/did/v1"],
    "id": DID,
    "verificationMethod": [
        {"id": f"{DID}#k", "type": "Multikey", "controller": DID, "publicKeyMultibase": MULTIKEY},
    ],
    "assertionMethod": [f"{DID}#k"],
}


class _Host:
    """Answers every fetch with the same body, and remembers what was asked."""

    def __init__(self, body: bytes | None) -> None:
        self.body = body
        self.asked: list[tuple[str, int]] = []

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        self.asked.append((url, max_bytes))
        return self.body


class _Unreachable:
    """A host of which nobody can say whether it has the file."""

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        raise FetchFailedError


class _Forbidden:
    """A fetcher that must never be asked."""

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        pytest.fail(f"{url} was fetched")


def _resolve(body: bytes | dict[str, Any] | None, did: str = DID) -> ResolutionResult:
    host = _Host(json.dumps(body).encode() if isinstance(body, dict) else body)
    return WebMethod(host).resolve(did, OPTIONS)


def _code(result: ResolutionResult) -> tuple[ResolutionError | None, str]:
    assert result.did_document is None
    assert result.did_document_metadata == {}
    return result.error, result.did_resolution_metadata["error"]["code"]


def test_the_document_of_the_did_is_the_answer() -> None:
    """The document comes as the host has it, from the one place the DID names, with a cap on its size."""
    host = _Host(json.dumps(DOCUMENT).encode())
    result = WebMethod(host).resolve(DID, OPTIONS)
    assert result.did_document == DOCUMENT
    assert result.did_document is not None
    assert parse_did_document(result.did_document).find_method(f"{DID}#k", "assertionMethod").public_key is not None
    assert host.asked == [(URL, MAX_DOCUMENT_BYTES)]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("id", "did:web:agent.example%3a8443:bob"),
        ("id", "did:web:agent.example:bob"),
        ("id", DID + "#k"),
        ("id", DID.upper()),
        ("id", DID + "/"),
        ("id", [DID]),
        ("id", None),
        ("id", "did:web:victim.example"),
    ],
)
def test_a_host_answers_for_no_other_did(member: str, value: Any) -> None:
    """The id has to be the DID asked for to the byte; an equivalent spelling is another DID."""
    error, code = _code(_resolve(DOCUMENT | {member: value}))
    assert error is ResolutionError.INVALID_DID_DOCUMENT
    assert code in {"did_document_id_mismatch", "invalid_did_document"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json_syntax"),
        (b"<html>not found</html>", "json_syntax"),
        (b"[]", "json_not_object"),
        (b'{"id":"did:web:evil.example","id":"%s"}' % DID.encode(), "json_duplicate_key"),
        (b'{"id":"%s","n":9007199254740993}' % DID.encode(), "json_number_range"),
        (b"\xef\xbb\xbf{}", "json_encoding"),
        (b"{" + b" " * MAX_DOCUMENT_BYTES + b"}", "json_too_large"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "json_too_deep"),
    ],
)
def test_what_is_not_strict_json_is_no_document(body: bytes, code: str) -> None:
    """Two readers of the answer never see two documents: duplicate names, odd numbers and other texts are refused."""
    assert _code(_resolve(body)) == (ResolutionError.INVALID_DID_DOCUMENT, code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"publicKeyMultibase": "z" + base58_encode(b"\xed\x01\x01" + bytes(31))}, "key_small_order"),
        ({"publicKeyMultibase": "z" + base58_encode(b"\xed\x81\x00" + bytes(32))}, "varint_not_minimal"),
        ({"publicKeyMultibase": MULTIKEY + "\n"}, "base58_invalid"),
        ({"secretKeyMultibase": "z3u2"}, "secret_in_did_document"),
        ({"id": "k"}, "invalid_did_document"),
    ],
)
def test_keys_of_a_fetched_document_are_checked(changes: dict[str, Any], code: str) -> None:
    """A host cannot bring in a key that anybody can sign for, a second spelling of one, or a private one."""
    (method,) = DOCUMENT["verificationMethod"]
    result = _resolve(DOCUMENT | {"verificationMethod": [method | changes]})
    assert _code(result) == (ResolutionError.INVALID_DID_DOCUMENT, code)


def test_absence_and_failure_are_told_apart() -> None:
    """No file is NOT_FOUND; a host that cannot be asked says nothing about the DID."""
    assert _code(_resolve(None)) == (ResolutionError.NOT_FOUND, "did_web_not_found")
    unreachable = WebMethod(_Unreachable()).resolve(DID, OPTIONS)
    assert _code(unreachable) == (ResolutionError.INTERNAL_ERROR, "did_fetch_failed")


@pytest.mark.parametrize(
    "options",
    [
        ResolutionOptions(NOW, version_id="1"),
        ResolutionOptions(NOW, version_number=1),
        ResolutionOptions(NOW, version_time_ms=NOW - 1),
    ],
)
def test_a_host_knows_no_versions(options: ResolutionOptions) -> None:
    """A demand for a version or for the past is not found, and nothing is fetched for it."""
    result = WebMethod(_Forbidden()).resolve(DID, options)
    assert _code(result) == (ResolutionError.NOT_FOUND, "did_version_not_found")


def test_a_demand_for_now_is_met() -> None:
    """The document of now answers a demand for the present."""
    host = _Host(json.dumps(DOCUMENT).encode())
    assert WebMethod(host).resolve(DID, ResolutionOptions(NOW, version_time_ms=NOW)).error is None


@pytest.mark.parametrize(
    "did",
    [
        "did:web:127.0.0.1",
        "did:web:2130706433",
        "did:web:0x7f.1",
        "did:web:localhost",
        "did:web:%5B%3A%3A1%5D",
        "did:web:169.254.169.254:latest",
        "did:web:user%40agent.example",
        "did:web:agent.example%2Fa",
        "did:web:agent.example%3A0",
        "did:web:agent.example%3A99999",
        "did:web:agent.example:..:admin",
        "did:web:agent.example:%2e%2e:admin",
        "did:web:agent.example:a%2Fb",
        "did:web:agent.example::a",
        "did:web:",
        "did:web:agent.example/did.json",
        "did:web:agent.example?a",
        "did:web:agent.example#k",
        "did:web:agent.example\n",
        "did:WEB:agent.example",
    ],
)
def test_nothing_is_fetched_for_a_did_that_syntax_refuses(did: str) -> None:
    """Addresses, user info, encoded separators and other texts end before the network."""
    result = Resolver({"web": WebMethod(_Forbidden())}).resolve(did, OPTIONS)
    assert result.error is ResolutionError.INVALID_DID


def test_another_method_is_not_answered() -> None:
    """Asked about a DID of another method, did:web refuses instead of fetching."""
    result = WebMethod(_Forbidden()).resolve("did:webvh:agent.example", OPTIONS)
    assert _code(result) == (ResolutionError.INVALID_DID, "did_web_malformed")
