"""Dereferencing DID URLs: methods, services, addresses, and everything that names nothing."""

from __future__ import annotations

import copy
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.dereference import (
    MAX_URLS,
    RelativeRefError,
    absolute_id,
    dereference,
    expand_relative,
    join_reference,
)
from did_methods.did_request import parse_request
from did_methods.method import ResolutionError, ResolutionResult, failed, resolved
from did_methods.webvh_errors import LogNotFoundError

DID = "did:webvh:QmX:host.example:alice"
OTHER = "did:webvh:QmX:old.example:alice"
METHOD = {"id": "#key-1", "type": "Multikey", "controller": DID, "publicKeyMultibase": "z6Mk"}
DOCUMENT: dict[str, Any] = {
    "@context": ["https://www.w3.org/ns/did/v1"],
    "id": DID,
    "verificationMethod": [METHOD],
    "authentication": ["#key-1", {**METHOD, "id": f"{DID}#key-2"}],
    "assertionMethod": [f"{DID}#key-1"],
    "service": [
        {"id": "#files", "type": "relativeRef", "serviceEndpoint": "https://files.example/a"},
        {"id": f"{DID}#two", "type": ["A", "B"], "serviceEndpoint": ["https://x.example/", "wss://y.example"]},
        {"id": "#map", "type": "A", "serviceEndpoint": {"uri": "https://z.example"}},
        {"id": "#script", "type": "S", "serviceEndpoint": "javascript:alert(1)"},
    ],
}


def _dereference(
    url: str, *options: tuple[str, str], as_urls: bool = True, document: Any = DOCUMENT, **metadata: Any
) -> Any:
    request = parse_request(url, options, now_ms=1)
    return dereference(request, resolved(document, metadata), as_urls=as_urls)


# ---------------------------------------------------------------- parts


@pytest.mark.parametrize("did", [DID, OTHER])
@pytest.mark.parametrize(("name", "kind"), [("key-1", "Multikey"), ("key-2", "Multikey"), ("files", "relativeRef")])
def test_a_part_by_its_fragment(did: str, name: str, kind: str) -> None:
    """Ids relative and absolute, listed and embedded, are found; also by an earlier name of the DID."""
    before = copy.deepcopy(DOCUMENT)
    found = _dereference(f"{did}#{name}")
    assert (found.content["id"], found.content["type"]) == (f"{DID}#{name}", kind)
    assert found.content["@context"] == DOCUMENT["@context"]
    assert (found.error, found.urls, found.metadata) == (None, (), {"contentType": "application/did"})
    assert before == DOCUMENT


@pytest.mark.parametrize("fragment", ["none", "key-1/", "KEY-1", "%6bey-1", "key-1?x"])
def test_a_fragment_is_compared_byte_for_byte(fragment: str) -> None:
    """Nothing is normalised: another spelling is another id."""
    found = _dereference(f"{DID}#{fragment}")
    assert (found.error, found.cause.code) == (ResolutionError.NOT_FOUND, "did_fragment_not_found")


@pytest.mark.parametrize(
    ("name", "relationship", "expected"),
    [
        ("key-1", "assertionMethod", None),
        ("key-1", "authentication", None),
        ("key-2", "authentication", None),
        ("key-2", "assertionMethod", "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"),
        ("key-1", "keyAgreement", "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"),
        ("files", "assertionMethod", "INVALID_VERIFICATION_METHOD"),
    ],
)
def test_a_method_for_a_relationship(name: str, relationship: str, expected: str | None) -> None:
    """A method is found for what it is listed for; what is no method, for nothing."""
    found = _dereference(f"{DID}#{name}", ("verificationRelationship", relationship))
    assert found.error == expected


def test_what_looks_like_a_method_elsewhere_is_none() -> None:
    """Keys are checked in verificationMethod and the relationships; an object of the same id elsewhere is no key."""
    decoy = {**METHOD, "publicKeyMultibase": "z6MkDecoy"}
    document = {"@context": [], "id": DID, "extension": [decoy], "service": [decoy | {"serviceEndpoint": "x"}]}
    before = document | {name: DOCUMENT[name] for name in ("verificationMethod", "assertionMethod")}
    for fragment_only in (True, False):
        options = () if fragment_only else (("verificationRelationship", "assertionMethod"),)
        assert _dereference(f"{DID}#key-1", *options, document=before).content["publicKeyMultibase"] == "z6Mk"
    listed = document | {"assertionMethod": ["#key-1"]}
    found = _dereference(f"{DID}#key-1", ("verificationRelationship", "assertionMethod"), document=listed)
    assert found.error == "INVALID_VERIFICATION_METHOD"


def test_a_deactivated_did_says_so_of_its_parts() -> None:
    """Of a document's metadata only that holds for a part."""
    found = _dereference(f"{DID}#key-1", deactivated=True, versionId="1-x")
    assert (found.content_metadata, found.deactivated) == ({"deactivated": True}, True)
    gone = _dereference(f"{DID}#key-1", document=None, deactivated=True)
    assert (gone.content, gone.deactivated, gone.error) == (None, True, None)


def test_a_did_that_does_not_resolve() -> None:
    """The refusal of the DID is the refusal of its URL."""
    request = parse_request(f"{DID}#key-1", [], now_ms=1)
    found = dereference(request, failed(ResolutionError.NOT_FOUND, LogNotFoundError()), as_urls=True)
    assert (found.error, found.cause.code if found.cause else "") == (ResolutionError.NOT_FOUND, LogNotFoundError.code)
    assert found.metadata["error"]["type"] == "https://www.w3.org/ns/did#NOT_FOUND"


# ---------------------------------------------------------------- services


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        ("?service=files", ("https://files.example/a",)),
        ("?service=files&relativeRef=b", ("https://files.example/a/b",)),
        ("?service=files#part", ("https://files.example/a#part",)),
        ("?service=two", ("https://x.example/", "wss://y.example")),
        ("?serviceType=B", ("https://x.example/", "wss://y.example")),
        ("?serviceType=A", ("https://x.example/", "wss://y.example")),
        ("?service=two&serviceType=A", ("https://x.example/", "wss://y.example")),
        ("/b/c", ("https://files.example/a/b/c",)),
        ("/", ("https://files.example/a",)),
    ],
)
def test_services_as_addresses(url: str, urls: tuple[str, ...]) -> None:
    """Every address of every service that fits, in the document's order."""
    found = _dereference(DID + url)
    assert (found.urls, found.content, found.metadata) == (urls, None, {"contentType": "text/uri-list"})


@pytest.mark.parametrize(
    ("url", "error", "code"),
    [
        ("?service=none", "NOT_FOUND", "did_service_not_found"),
        ("?service=Files", "NOT_FOUND", "did_service_not_found"),
        ("?service=map", "NOT_FOUND", "did_service_not_found"),
        ("?service=files&serviceType=A", "NOT_FOUND", "did_service_not_found"),
        ("/whois", "NOT_FOUND", "did_service_not_found"),
        ("?service=script", "FEATURE_NOT_SUPPORTED", "did_service_endpoint_refused"),
        ("?service=two&relativeRef=a", "FEATURE_NOT_SUPPORTED", "did_service_endpoint_refused"),
        ("?service=files&relativeRef=%2Fa%2F..%2Fb", "INVALID_DID_URL", "did_relative_ref_refused"),
        ("?service=files&relativeRef=a%23b#c", "INVALID_DID_URL", "did_relative_ref_refused"),
        ("/a/%2e%2E/b", "INVALID_DID_URL", "did_relative_ref_refused"),
    ],
)
def test_services_that_lead_nowhere(url: str, error: str, code: str) -> None:
    """Nobody is sent anywhere but below an https, http, wss or did address that the document names."""
    found = _dereference(DID + url)
    assert (found.error, found.cause.code) == (error, code)


def test_an_address_that_a_path_needs_is_of_the_method() -> None:
    """did:webvh names the keyword for a `#files` that is no address; other methods have no paths."""
    document = DOCUMENT | {"service": [{"id": "#files", "type": "x", "serviceEndpoint": "file:///etc/passwd"}]}
    assert _dereference(f"{DID}/a", document=document).error == ResolutionError.INVALID_DID
    found = _dereference("did:web:host.example/a", document=DOCUMENT | {"id": "did:web:host.example"})
    assert (found.error, found.cause.code) == (ResolutionError.NOT_FOUND, "did_path_not_found")


def test_services_as_a_document() -> None:
    """Without addresses the document comes with the chosen services only."""
    found = _dereference(f"{DID}?service=files", as_urls=False, versionId="1-x")
    assert found.content == DOCUMENT | {"service": [DOCUMENT["service"][0]]}
    assert found.content_metadata == {"versionId": "1-x"}


def test_no_more_addresses_than_anybody_follows() -> None:
    """A service with thousands of endpoints gives the first of them."""
    service = {"id": "#many", "type": "x", "serviceEndpoint": [f"https://h.example/{n}" for n in range(MAX_URLS + 1)]}
    assert len(_dereference(f"{DID}?service=many", document=DOCUMENT | {"service": service}).urls) == MAX_URLS


# ---------------------------------------------------------------- references and names


@pytest.mark.parametrize(
    ("endpoint", "reference", "url"),
    [
        ("https://h.example", "", "https://h.example"),
        ("https://h.example", "a", "https://h.example/a"),
        ("https://h.example/", "/a", "https://h.example/a"),
        ("https://h.example/x", "a/", "https://h.example/x/a/"),
        ("https://h.example/x/?old=1", "a?new=1#f", "https://h.example/x/a?new=1#f"),
        ("https://h.example/x", "?q=..", "https://h.example/x?q=.."),
        ("https://h.example/x", "a;b=..;c", "https://h.example/x/a;b=..;c"),
        ("https://h.example:8443/x", "a%20b", "https://h.example:8443/x/a%20b"),
    ],
)
def test_references_below_an_endpoint(endpoint: str, reference: str, url: str) -> None:
    """The endpoint is a folder, whether or not it says so."""
    assert join_reference(endpoint, reference) == url


@pytest.mark.parametrize(
    "reference",
    [
        "..", ".", "../x", "a/../b", "/..", "%2e%2e/x", "%252e%252e/x", "a/%2E./b", ".%2e", "a%2fb", "a%5cb", "a\\b", "%00",
        "//evil.example", "https://evil.example", "javascript:alert(1)", "a b", "a\nb", "\u00e9", "a%", 'a"b', "<a>",
        "@evil.example/\\x", "a%25252fb",
    ],
)  # fmt: skip
def test_references_that_lead_out(reference: str) -> None:
    """Dot segments, hosts, other schemes and their encoded forms are refused, however often they are encoded."""
    with pytest.raises(RelativeRefError):
        join_reference("https://h.example/x", reference)


@given(st.text(max_size=24))
def test_no_reference_leaves_its_endpoint(reference: str) -> None:
    """Whatever is accepted stays on the host and below the folder of the endpoint."""
    try:
        url = join_reference("https://h.example/x/y", reference)
    except RelativeRefError:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("https", "h.example")
    assert parts.path == "/x/y" or parts.path.startswith("/x/y/")
    assert ".." not in parts.path.split("/")
    assert url.isascii()
    assert url.isprintable()


def test_relative_ids_are_written_in_full() -> None:
    """Of members, relationships and services; whatever is no id stays."""
    expanded = expand_relative(DOCUMENT | {"note": ["#key-1"], "alsoKnownAs": ["did:x:y"]})
    assert expanded["verificationMethod"][0]["id"] == f"{DID}#key-1"
    assert expanded["authentication"][0] == f"{DID}#key-1"
    assert expanded["service"][0]["id"] == f"{DID}#files"
    assert (expanded["note"], expanded["alsoKnownAs"]) == (["#key-1"], ["did:x:y"])
    assert expand_relative(expanded) == expanded
    assert absolute_id("did:x:y#z", DID) == "did:x:y#z"


def test_the_result_of_resolving_is_left_as_it_is() -> None:
    """Results are shared between requests, so nothing here may write into one."""
    result = ResolutionResult(copy.deepcopy(DOCUMENT), {"versionId": "1"}, {"contentType": "application/did"})
    before = copy.deepcopy(result)
    for url in (DID, f"{DID}#key-1", f"{DID}?service=files", f"{DID}/a"):
        for as_urls in (True, False):
            dereference(parse_request(url, [], now_ms=1), result, as_urls=as_urls)
    expand_relative(result.did_document or {})
    assert result == before
