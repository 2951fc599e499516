"""One door for all methods: dispatch, error keywords, version demands in DID URLs."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.errors import DidError
from did_methods.foreign import ForeignMethod
from did_methods.jwk import JwkMethod
from did_methods.key import did_key_from
from did_methods.method import DidMethod, ResolutionError, ResolutionOptions, ResolutionResult
from did_methods.resolver import KeyMethod, Resolver, parse_version_query
from did_methods.web import WebMethod
from did_methods.webvh import WebvhMethod, did_to_url
from tests.support.webvh import DAY_MS, NOW_MS, START_MS, LogWriter, key

OPTIONS = ResolutionOptions(NOW_MS)
DID_KEY = did_key_from(key(0).public_key)


class _OneLog:
    """A fetcher that knows one log."""

    def __init__(self, writer: LogWriter) -> None:
        self._url, self._log = did_to_url(writer.did), writer.log

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        return self._log[:max_bytes] if url == self._url else None


class _Nobody:
    """A fetcher and a library that must never be asked."""

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        pytest.fail(f"{url} was fetched")

    def resolve(self, did: str) -> dict[str, Any] | None:
        pytest.fail(f"the library was asked for {did}")


WRITER = LogWriter().first().then({"ttl": 0})
RESOLVER = Resolver({"key": KeyMethod(), "webvh": WebvhMethod(_OneLog(WRITER))})


def _problem(result: ResolutionResult) -> tuple[ResolutionError | None, str]:
    assert result.did_document is None
    return result.error, result.did_resolution_metadata["error"]["code"]


def test_each_did_goes_to_its_method() -> None:
    """did:key and did:webvh resolve through the same door."""
    document = RESOLVER.resolve(DID_KEY, OPTIONS).did_document
    assert document is not None
    assert document["id"] == DID_KEY
    document = RESOLVER.resolve(WRITER.did, OPTIONS).did_document
    assert document is not None
    assert document["id"] == WRITER.did
    assert RESOLVER.method_names == ("key", "webvh")


@pytest.mark.parametrize(
    "did", ["", "did:", "did:key", "did:key:", "key:z6Mk", "did:Key:z6Mk", f"{DID_KEY}\n", f" {DID_KEY}"]
)
def test_what_is_no_did_is_invalid(did: str) -> None:
    """Text without DID syntax is INVALID_DID."""
    assert RESOLVER.resolve(did, OPTIONS).error is ResolutionError.INVALID_DID


def test_unknown_methods_are_not_supported() -> None:
    """A DID of a method that is not configured is METHOD_NOT_SUPPORTED."""
    assert _problem(RESOLVER.resolve("did:example:123", OPTIONS)) == (
        ResolutionError.METHOD_NOT_SUPPORTED,
        "did_method_unknown",
    )


@pytest.mark.parametrize(
    "did",
    [
        f"did:webvh:{'Q' * 46}:127.0.0.1",
        f"did:webvh:{'Q' * 46}:localhost",
        f"did:webvh:{'Q' * 46}:agent.example:..:a",
        f"did:webvh:{'Q' * 45}:agent.example",
        "did:web:10.0.0.1",
        "did:web:agent.example%2F",
        "did:webvh:agent.example#k",
        "did:web:agent.example?versionId=1",
        "did:web:agent.example\x00",
        f"{DID_KEY}1",
        "did:jwk:e30=",
        "did:pkh:eip155:1:0x",
    ],
)
def test_nothing_is_asked_about_a_did_that_syntax_refuses(did: str) -> None:
    """Every method answers INVALID_DID for what is none of its DIDs, before any host or library hears of it."""
    outside = _Nobody()
    methods: dict[str, DidMethod] = {"key": KeyMethod(), "jwk": JwkMethod(), "web": WebMethod(outside)}
    resolver = Resolver(methods | {"webvh": WebvhMethod(outside), "pkh": ForeignMethod(outside)})
    assert resolver.resolve(did, OPTIONS).error is ResolutionError.INVALID_DID


def test_a_did_that_nobody_hosts_is_not_found() -> None:
    """A well-formed did:webvh DID without a log is NOT_FOUND."""
    did = LogWriter().first({"ttl": 1}).did.replace("alice", "bob")
    assert _problem(RESOLVER.resolve(did, OPTIONS)) == (ResolutionError.NOT_FOUND, "webvh_log_not_found")


def test_a_broken_did_key_is_invalid() -> None:
    """The method's own rule shows as the code."""
    assert RESOLVER.resolve(DID_KEY[:-1], OPTIONS).error is ResolutionError.INVALID_DID


def test_did_keys_have_no_versions() -> None:
    """A did:key is the same at every time, and has no version by id or number."""
    assert RESOLVER.resolve(DID_KEY, ResolutionOptions(NOW_MS, version_time_ms=0)).error is None
    for options in (ResolutionOptions(NOW_MS, version_id="1"), ResolutionOptions(NOW_MS, version_number=1)):
        assert _problem(RESOLVER.resolve(DID_KEY, options)) == (ResolutionError.NOT_FOUND, "did_version_not_found")


@pytest.mark.parametrize("plus", ["+", "%2B", "%2b"])
def test_version_demands_stand_in_the_query(plus: str) -> None:
    """versionId, versionNumber and versionTime in a DID URL choose the version; a plus sign is a plus sign."""
    first = WRITER.entries[0]["versionId"]
    for query in (f"versionId={first}", "versionNumber=1", f"versionTime=2025-10-09T09:00:00{plus}00:00"):
        result = RESOLVER.resolve_url(f"{WRITER.did}?{query}", now_ms=NOW_MS)
        assert result.did_document_metadata["versionId"] == first


@pytest.mark.parametrize(
    "query",
    [
        "versionNumber=0",
        "versionNumber=-1",
        "versionNumber=1e3",
        "versionNumber=01",
        "versionNumber=9999999999",
        "versionTime=yesterday",
        "versionTime=2026-01-01T00:00:00",
        "versionId=",
        "versionId=a&versionId=b",
        "service=files",
        "versionId",
    ],
)
def test_bad_demands_are_invalid_options(query: str) -> None:
    """An option that is unknown, repeated, empty or malformed is refused, not ignored."""
    result = RESOLVER.resolve_url(f"{WRITER.did}?{query}", now_ms=NOW_MS)
    assert _problem(result) == (ResolutionError.INVALID_OPTIONS, "did_resolution_options_invalid")


def test_did_urls_that_name_resources_are_not_resolved() -> None:
    """A path or a fragment is for dereferencing, which is another service."""
    for tail in ("/whois", "#key-1"):
        result = RESOLVER.resolve_url(WRITER.did + tail, now_ms=NOW_MS)
        assert result.error is ResolutionError.FEATURE_NOT_SUPPORTED


def test_texts_that_are_no_did_url() -> None:
    """Without a DID the keyword says which of the two forms was broken."""
    assert RESOLVER.resolve_url("nonsense", now_ms=NOW_MS).error is ResolutionError.INVALID_DID
    assert RESOLVER.resolve_url("nonsense?versionId=1", now_ms=NOW_MS).error is ResolutionError.INVALID_DID_URL


def test_an_empty_query_demands_nothing() -> None:
    """A bare DID, or one with an empty query, is a request for the newest version."""
    assert parse_version_query("", now_ms=NOW_MS) == OPTIONS
    assert RESOLVER.resolve_url(WRITER.did + "?", now_ms=NOW_MS).error is None


def test_all_demands_are_read() -> None:
    """The three demands arrive decoded in the options."""
    query = "versionTime=2025-10-09T08%3A53%3A20Z&versionId=1%2DQm&versionNumber=12"
    assert parse_version_query(query, now_ms=NOW_MS) == ResolutionOptions(NOW_MS, "1-Qm", START_MS, 12)
    with pytest.raises(DidError):
        parse_version_query("versionNumber=12&now=1", now_ms=NOW_MS)


def test_both_dialects_of_the_result() -> None:
    """The current dialect has an error object with a type; the older one a word in camel case and problem details."""
    result = RESOLVER.resolve("did:example:123", OPTIONS)
    wire = result.to_wire()
    assert wire["didDocument"] is None
    assert wire["didResolutionMetadata"]["error"]["type"] == "https://www.w3.org/ns/did#METHOD_NOT_SUPPORTED"
    legacy = result.to_legacy_wire()["didResolutionMetadata"]
    assert legacy["error"] == "methodNotSupported"
    assert legacy["problemDetails"] == wire["didResolutionMetadata"]["error"]
    assert ResolutionError.NOT_FOUND.legacy_name == "notFound"
    assert ResolutionError.INVALID_DID.legacy_name == "invalidDid"


def test_success_is_the_same_in_both_dialects() -> None:
    """Only errors differ between the dialects."""
    result = RESOLVER.resolve(WRITER.did, ResolutionOptions(NOW_MS, version_time_ms=START_MS + DAY_MS))
    assert result.to_legacy_wire() == result.to_wire()
    assert not result.deactivated
