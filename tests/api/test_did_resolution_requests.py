"""DID Resolution over HTTP: options, identifiers as they are sent, bodies, caches, lists."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from did_methods.codec import base64url_encode
from tests.support.registry import World
from tests.support.resolver_http import (
    BARE,
    DEREFERENCING,
    KEY,
    KEY_METHOD,
    LEGACY,
    PREFIX,
    RESOLUTION,
    ask,
    code,
    keyword,
)

# ---------------------------------------------------------------- options


def test_an_option_and_a_parameter_mean_the_same(reading: World) -> None:
    """The query of the request, the query of the DID URL and the body of a POST are three places for one demand."""
    did = reading.actors["alice"].did
    by_option = ask(reading, did, RESOLUTION, options="versionNumber=1")
    by_parameter = ask(reading, f"{did}?versionNumber=1", RESOLUTION)
    by_body = reading.web.post(PREFIX + did, {"versionNumber": 1}, headers={"accept": RESOLUTION})
    assert by_option.status == 200
    assert by_option.body == by_parameter.body == by_body.body
    both = ask(reading, f"{did}?versionNumber=1", RESOLUTION, options="versionNumber=1")
    assert (both.status, code(both)) == (400, "did_option_invalid")


@pytest.mark.parametrize(
    ("options", "status", "cause"),
    [
        ("noCache=false", 200, None),
        ("noCache=true", 501, "did_option_unsupported"),
        ("noCache=maybe", 400, "did_option_invalid"),
        ("expandRelativeUrls=true", 200, None),
        ("enableEncryptionKeyDerivation=true", 501, "did_option_unsupported"),
        ("unknown=1", 501, "did_option_unsupported"),
        ("hl=en", 501, "did_option_unsupported"),
        ("versionTime=2026-01-01T00:00:00Z", 200, None),
        ("versionTime=2026-01-01T00:00:00+00:00", 200, None),
        ("versionTime=2026-01-01", 400, "did_resolution_options_invalid"),
        ("versionNumber=0", 400, "did_resolution_options_invalid"),
        ("versionNumber=1%26versionNumber%3D2", 400, "did_resolution_options_invalid"),
        ("relativeRef=a", 400, "did_option_invalid"),
        ("verificationRelationship=assertionMethod", 400, "did_option_invalid"),
        ("publicKeyFormat=JsonWebKey2020", 200, None),
        ("publicKeyFormat=X25519KeyAgreementKey2020", 400, "public_key_format_not_allowed"),
        ("noCache=false&noCache=false", 400, "did_option_invalid"),
        ("%ff=1", 400, "did_option_invalid"),
        ("=1", 400, "did_option_invalid"),
        ("x=" + "a" * 1_025, 400, "did_option_invalid"),
    ],
)
def test_options_in_the_query(reading: World, options: str, status: int, cause: str | None) -> None:
    """Each option is acted upon or refused by name; none that could change the answer is passed over."""
    answer = ask(reading, KEY, options=options)
    assert answer.status == status, answer
    assert cause is None or code(answer) == cause


def test_an_unknown_option_beside_a_fragment_is_told(reading: World) -> None:
    """The fragment has chosen; what the option may have meant changes nothing, and the answer says so."""
    answer = ask(reading, KEY_METHOD, options="unknown=1")
    assert answer.status == 200
    assert answer.json["dereferencingMetadata"]["ignoredOptions"] == ["unknown"]


def test_accept_may_be_an_option(reading: World) -> None:
    """The specification counts it among the options; there it goes before the header field."""
    answer = ask(reading, KEY, RESOLUTION, options="accept=application/did%2Bjson")
    assert answer.headers["content-type"] == "application/did+json"
    sent = reading.web.post(PREFIX + KEY, {"accept": "application/did"}, headers={"accept": RESOLUTION})
    assert sent.headers["content-type"] == "application/did"
    assert ask(reading, KEY, RESOLUTION, options="accept=text/turtle").status == 406


@pytest.mark.parametrize(
    ("relationship", "status", "expected"),
    [
        ("assertionMethod", 200, None),
        ("keyAgreement", 500, "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"),
        ("nothing", 400, "INVALID_OPTIONS"),
    ],
)
def test_a_method_for_a_relationship(reading: World, relationship: str, status: int, expected: str | None) -> None:
    """A method is given for what it may be used for, and for nothing else."""
    answer = ask(reading, KEY_METHOD, options=f"verificationRelationship={relationship}")
    assert answer.status == status
    assert expected is None or keyword(answer) == expected


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {"content-type": ""}, 200),
        (b"  ", {"content-type": "text/plain"}, 200),
        (b"{}", {}, 200),
        (b"{}", {"content-type": RESOLUTION}, 200),
        (b"{}", {"content-type": "application/ld+json; charset=utf-8"}, 200),
        (b'{"expandRelativeUrls": true, "noCache": false}', {}, 200),
        (b'{"expandRelativeUrls": null}', {}, 400),
        (b'{"versionId": ["1"]}', {}, 400),
        (b'{"unknown": "x"}', {}, 501),
        (b'{"a": 1, "a": 2}', {}, 400),
        (b"[]", {}, 400),
        (b"{", {}, 400),
    ],
)
def test_options_in_a_body(reading: World, body: bytes, headers: dict[str, str], status: int) -> None:
    """A POST takes its options from a strict JSON object, or has none."""
    answer = reading.web.post(PREFIX + KEY, body, headers=headers)
    assert answer.status == status, answer
    assert answer.headers["content-type"] == RESOLUTION
    assert status == 200 or keyword(answer) in ("INVALID_OPTIONS", "FEATURE_NOT_SUPPORTED")


def test_bodies_that_are_no_options(reading: World) -> None:
    """Another content type and a body without end are refused before they are read as anything."""
    answer = reading.web.post(PREFIX + KEY, b"{}", headers={"content-type": "text/plain"})
    assert (answer.status, answer.code) == (415, "media_type_unsupported")
    answer = reading.web.post(PREFIX + KEY, b" " * 70_000)
    assert (answer.status, answer.code) == (413, "body_too_large")


# ---------------------------------------------------------------- the path as it was sent


@pytest.mark.parametrize(
    "sent",
    [
        "did:web:registry.localhost%3A8000:agents:alice",
        "did%3Aweb%3Aregistry.localhost%253A8000%3Aagents%3Aalice",
        "did%3aweb%3aregistry.localhost%253A8000%3aagents%3aalice",
        "did:web:registry.localhost%253A8000:agents:alice",
    ],
)
def test_a_did_plain_or_encoded_is_the_same(reading: World, sent: str) -> None:
    """An escape that belongs to the DID survives exactly one decoding, or none."""
    answer = ask(reading, sent, "application/did", encoded=False)
    assert answer.status == 200
    assert answer.json["id"] == "did:web:registry.localhost%3A8000:agents:alice"


@pytest.mark.parametrize(
    "sent",
    [
        "did%253Aweb%253Aregistry.localhost%25253A8000",
        "did%3Aweb:registry.localhost%3A8000",
        "did:web%3Aregistry.localhost%253A8000",
        "did%3Aweb%3Aregistry.localhost%3A8000%3Aagents%3Aalice%",
        "did%3Akey%3A%ff",
        "did:key:%C3%A9",
        "%20" + KEY,
        KEY + "%00",
    ],
)
def test_a_did_encoded_twice_or_in_part_is_refused(reading: World, sent: str) -> None:
    """What could be two DIDs is none."""
    answer = ask(reading, sent, encoded=False)
    assert (answer.status, keyword(answer)) == (400, "INVALID_DID")


def test_a_question_mark_belongs_to_whom_it_was_encoded_for(reading: World) -> None:
    """Encoded it is the DID URL's, plain it is the request's; both may stand in one address."""
    did = reading.actors["alice"].did
    sent = ask(reading, f"{did}?service=files", options="relativeRef=/report.pdf")
    assert sent.status == 303
    assert sent.headers["location"] == "https://registry.localhost:8000/agents/alice/report.pdf"
    plain = ask(reading, did.replace("%", "%25") + "?service=files&relativeRef=%2Freport.pdf", encoded=False)
    assert (plain.status, plain.headers["location"]) == (303, sent.headers["location"])


# ---------------------------------------------------------------- caches, pages, lists


def test_cache_headers_and_conditional_requests(reading: World) -> None:
    """What cannot change keeps for a day; each form has its own entity tag, and what is held is not sent again."""
    tags = set()
    for accept in (RESOLUTION, DEREFERENCING, LEGACY, *BARE):
        answer = ask(reading, KEY, accept)
        assert answer.headers["cache-control"] == "public, max-age=86400"
        assert answer.headers["vary"] == "Accept"
        assert answer.headers["x-content-type-options"] == "nosniff"
        tag = answer.headers["etag"]
        tags.add(tag)
        for held in (tag, f'"x", W/{tag}', "*"):
            again = ask(reading, KEY, accept, headers={"if-none-match": held})
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
            assert again.headers["cache-control"] == answer.headers["cache-control"]
        assert ask(reading, KEY, accept, headers={"if-none-match": '"other"'}).status == 200
    assert len(tags) == 3 + len(BARE)


def test_an_entity_tag_is_of_the_bytes_and_their_type(reading: World) -> None:
    """Anybody can recompute it; nothing of this process is in it."""
    answer = ask(reading, KEY, "application/did")
    digest = hashlib.sha256(b"application/did\0" + answer.body).digest()[:16]
    assert answer.headers["etag"] == f'"{base64url_encode(digest)}"'


def test_head_says_what_get_would(reading: World) -> None:
    """Status and headers are those of GET, also of refusals and redirections."""
    for target in (KEY, "did:example", f"{KEY}%23none", reading.actors["alice"].did + "?service=files"):
        got, head = reading.web.get(PREFIX + target), reading.web.send("HEAD", PREFIX + target)
        assert (head.status, head.headers) == (got.status, got.headers)


def test_any_page_may_ask(reading: World) -> None:
    """Answers are readable from any origin, after the question whether they are."""
    answer = ask(reading, KEY, headers={"origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "ETag" in answer.headers["access-control-expose-headers"]
    asked = reading.web.send("OPTIONS", PREFIX + KEY, headers={"origin": "https://app.example"})
    assert asked.status == 204
    assert "POST" in asked.headers["access-control-allow-methods"]


def test_methods_and_properties(reading: World) -> None:
    """The lists of the universal resolver: method names, and what is to be said of each."""
    methods = reading.web.get("/1.0/methods")
    assert methods.status == 200
    assert {"key", "jwk", "web", "webvh", "pkh"} <= set(methods.json)
    properties: dict[str, Any] = reading.web.get("/1.0/properties").json
    assert list(properties) == methods.json
    assert properties["webvh"] == {"source": "https", "versions": True, "hosted": True}
    assert properties["pkh"]["source"] == "didkit"
