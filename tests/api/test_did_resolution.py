"""DID Resolution over HTTP: forms by `Accept`, refusals and their statuses."""

from __future__ import annotations

import pytest

from did_methods.jwk import did_jwk_from
from tests.support.actor import seeded
from tests.support.asgi import Answer
from tests.support.registry import World
from tests.support.resolver_http import (
    BARE,
    DEREFERENCING,
    KEY,
    KEY_METHOD,
    LEGACY,
    LEGACY_URL,
    RESOLUTION,
    ask,
    code,
    keyword,
)


def _form(answer: Answer) -> tuple[str, str]:
    """Return the content type, and what the body is."""
    members = answer.json.keys()
    if "didDocument" in members:
        kind = "older" if "@context" in members else "resolution"
    elif "contentStream" in members:
        kind = "older dereferencing" if "@context" in members else "dereferencing"
    else:
        kind = "bare"
    return answer.headers["content-type"], kind


# ---------------------------------------------------------------- forms


@pytest.mark.parametrize(
    ("accept", "content_type", "kind"),
    [
        (None, RESOLUTION, "resolution"),
        ("", RESOLUTION, "resolution"),
        ("*/*", RESOLUTION, "resolution"),
        ("application/*", RESOLUTION, "resolution"),
        (RESOLUTION, RESOLUTION, "resolution"),
        (RESOLUTION.upper(), RESOLUTION, "resolution"),
        (DEREFERENCING, DEREFERENCING, "dereferencing"),
        *((one, one, "bare") for one in BARE),
        (LEGACY, LEGACY, "older"),
        ("application/ld+json; profile=https://w3id.org/did-resolution", LEGACY, "older"),
        (LEGACY_URL, LEGACY_URL, "older dereferencing"),
        ('application/ld+json;profile="https://example.com/else"', "application/ld+json", "bare"),
        (f"application/json;q=0.5, {RESOLUTION};q=0.4", "application/json", "bare"),
        (f"text/turtle, {RESOLUTION};q=0.1", RESOLUTION, "resolution"),
        (f"*/*;q=0.1, {LEGACY}", LEGACY, "older"),
        (f"*/*, {RESOLUTION};q=0", DEREFERENCING, "dereferencing"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json", "resolution"),
    ],
)
def test_the_form_of_a_whole_document(reading: World, accept: str | None, content_type: str, kind: str) -> None:
    """`Accept` alone decides between the dialects, results and bare documents."""
    answer = ask(reading, KEY, accept)
    assert answer.status == 200
    assert _form(answer) == (content_type, kind)


def test_the_current_result(reading: World) -> None:
    """A resolution result has three members, and the document is the one asked for."""
    result = ask(reading, KEY, RESOLUTION).json
    assert result.keys() == {"didDocument", "didResolutionMetadata", "didDocumentMetadata"}
    assert result["didDocument"]["id"] == KEY
    assert result["didResolutionMetadata"] == {"contentType": "application/did"}
    assert result["didDocumentMetadata"] == {}


def test_the_older_result(reading: World) -> None:
    """The older dialect names its context, and the representation that it holds."""
    result = ask(reading, KEY, LEGACY).json
    assert result.keys() == {"@context", "didDocument", "didResolutionMetadata", "didDocumentMetadata"}
    assert result["@context"] == "https://w3id.org/did-resolution/v1"
    assert result["didDocument"] == ask(reading, KEY, "application/did").json
    assert result["didResolutionMetadata"] == {"contentType": "application/did+ld+json"}


def test_a_document_of_a_plain_json_method_gets_its_context_where_it_is_read_as_json_ld(reading: World) -> None:
    """JSON-LD without a context would say nothing; plain JSON is left as it is."""
    did = did_jwk_from(seeded("jwk").public_key)
    plain, linked = ask(reading, did, "application/did+json").json, ask(reading, did, "application/did+ld+json").json
    assert (
        linked["@context"][0] == "https://www.w3.org/ns/did/v1" or linked["@context"] == "https://www.w3.org/ns/did/v1"
    )
    assert {name: linked[name] for name in plain} == plain


@pytest.mark.parametrize(
    ("accept", "content_type", "kind"),
    [
        (None, DEREFERENCING, "dereferencing"),
        ("*/*", DEREFERENCING, "dereferencing"),
        (DEREFERENCING, DEREFERENCING, "dereferencing"),
        *((one, one, "bare") for one in BARE),
        (LEGACY, LEGACY, "older"),
        (LEGACY_URL, LEGACY_URL, "older dereferencing"),
        ("text/html,*/*;q=0.8", "application/json", "dereferencing"),
    ],
)
def test_the_form_of_a_part(reading: World, accept: str | None, content_type: str, kind: str) -> None:
    """A fragment names a part; it comes with its own context, alone or in a result."""
    answer = ask(reading, KEY_METHOD, accept)
    assert answer.status == 200
    assert _form(answer) == (content_type, kind)
    body = answer.json
    part = body.get("contentStream") or body.get("didDocument") or body
    assert (part["id"], part["controller"], part["type"]) == (KEY_METHOD, KEY, "Multikey")
    assert part["@context"]


def test_the_dereferencing_result(reading: World) -> None:
    """Content and metadata are there under the names of the function and of the binding."""
    result = ask(reading, KEY_METHOD, DEREFERENCING).json
    assert result["content"] == result["contentStream"]
    assert result["dereferencingMetadata"] == {"contentType": "application/did"}
    assert result["contentMetadata"] == {}


@pytest.mark.parametrize(
    "accept", ["text/turtle", "application/xml;q=0.9", "application/did;q=0", "image/*", "nonsense"]
)
@pytest.mark.parametrize("identifier", [KEY, KEY_METHOD])
def test_what_nobody_can_be_given_is_406(reading: World, accept: str, identifier: str) -> None:
    """No form that the caller takes: 406, said in the current dialect."""
    answer = ask(reading, identifier, accept)
    assert (answer.status, keyword(answer)) == (406, "REPRESENTATION_NOT_SUPPORTED")
    assert code(answer) == "did_representation_not_supported"


def test_a_resolution_result_is_not_given_for_a_part(reading: World) -> None:
    """A part has no resolution result: whoever accepts only that is told so in one."""
    answer = ask(reading, KEY_METHOD, RESOLUTION)
    assert (answer.status, keyword(answer)) == (406, "REPRESENTATION_NOT_SUPPORTED")
    assert answer.headers["content-type"] == RESOLUTION


# ---------------------------------------------------------------- refusals


REFUSALS = [
    ("", 400, "INVALID_DID", "invalid_did"),
    ("not-a-did", 400, "INVALID_DID", "invalid_did"),
    ("did:example", 400, "INVALID_DID", "invalid_did"),
    ("notDid:key:z6Mk", 400, "INVALID_DID", "invalid_did"),
    ("did:key:@", 400, "INVALID_DID", "invalid_did"),
    ("did:key:-4:z6Mk", 400, "INVALID_DID", "multibase_prefix"),
    ("did:key:zTjsVPtY", 400, "INVALID_DID", "key_length"),
    ("did:web:127.0.0.1", 400, "INVALID_DID", "did_host_is_address"),
    (f"{KEY}/^bar^/?query=`#key", 400, "INVALID_DID_URL", "invalid_did_url"),
    (f"{KEY}?versionTime=tomorrow", 400, "INVALID_OPTIONS", "did_resolution_options_invalid"),
    (f"{KEY}?versionId=1&versionId=1", 400, "INVALID_DID_URL", "did_parameter_repeated"),
    (f"{KEY}?publicKeyFormat=Multikey", 501, "FEATURE_NOT_SUPPORTED", "did_option_unsupported"),
    (f"{KEY}#other", 404, "NOT_FOUND", "did_fragment_not_found"),
    (f"{KEY}?service=files", 404, "NOT_FOUND", "did_service_not_found"),
    (f"{KEY}/path", 404, "NOT_FOUND", "did_path_not_found"),
    (f"{KEY}?versionNumber=1", 404, "NOT_FOUND", "did_version_not_found"),
    ("did:unsupported:123456789abcdefghi", 501, "METHOD_NOT_SUPPORTED", "did_method_unknown"),
    ("did:ion:EiClkZMDxPKqC9c", 501, "METHOD_NOT_SUPPORTED", None),
]


@pytest.mark.parametrize(("identifier", "status", "expected", "cause"), REFUSALS)
def test_refusals_in_the_current_dialect(
    reading: World, identifier: str, status: int, expected: str, cause: str | None
) -> None:
    """Each keyword has its status; the error is an object with its type, and our code tells the reason."""
    answer = ask(reading, identifier)
    assert (answer.status, keyword(answer)) == (status, expected)
    assert cause is None or code(answer) == cause
    assert answer.headers["content-type"] in (RESOLUTION, DEREFERENCING)
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers
    assert reading.refusals(code(answer)) > 0


@pytest.mark.parametrize(
    ("identifier", "options", "member", "expected"),
    [
        ("notDid:key:z6Mk", "", "didResolutionMetadata", "invalidDid"),
        ("did:key:-4:z6MktKwz7", "", "didResolutionMetadata", "invalidDid"),
        (KEY.replace(":z", ":"), "", "didResolutionMetadata", "invalidDid"),
        ("did:key:@", "", "didResolutionMetadata", "invalidDid"),
        ("did:experimental:z6Mk", "", "didResolutionMetadata", "methodNotSupported"),
        ("did:key:zTjsVPtY", "", "didResolutionMetadata", "invalidPublicKeyLength"),
        (f"{KEY}/^bar^/?query=`#key", "", "didDereferencingMetadata", "invalidDidUrl"),
        (KEY, "publicKeyFormat=unknown", "didResolutionMetadata", "unsupportedPublicKeyType"),
        (
            f"{KEY}#z6LSother",
            "publicKeyFormat=Ed25519VerificationKey2018&enableExperimentalPublicKeyTypes=false",
            "didDereferencingMetadata",
            "invalidPublicKeyType",
        ),
        (f"{KEY}#other", "", "didDereferencingMetadata", "notFound"),
    ],
)
def test_refusals_in_the_older_dialect(
    reading: World, identifier: str, options: str, member: str, expected: str
) -> None:
    """The error is one word, in the metadata of what was tried; the problem stands beside it."""
    answer = ask(reading, identifier, LEGACY, options=options)
    assert 400 <= answer.status < 600
    assert answer.headers["content-type"] == LEGACY
    body = answer.json
    assert body[member]["error"] == expected
    assert body[member]["problemDetails"]["code"]
    assert body["@context"] == "https://w3id.org/did-resolution/v1"
    assert body["didDocumentMetadata"] == {}
    # The suite of did:key asks for a document that is not null where there was no DID.
    no_did = expected in ("invalidDid", "invalidPublicKeyLength")
    assert body["didDocument"] == ({} if no_did else None)


def test_a_refusal_is_written_as_near_to_what_is_accepted_as_it_gets(reading: World) -> None:
    """A caller that takes JSON gets the result as JSON, never a document that is none."""
    for accept in ("application/json", "application/did+json", "application/did+ld+json"):
        answer = ask(reading, "did:example", accept)
        assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
        assert keyword(answer) == "INVALID_DID"
    answer = ask(reading, "did:example", "application/did")
    assert (answer.status, answer.headers["content-type"]) == (400, RESOLUTION)
