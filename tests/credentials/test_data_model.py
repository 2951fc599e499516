"""Anybody's credentials: what data model 2.0 asks for, one code for each way to miss it, and 1.1 as it stood."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from registry import limits
from registry.credentials.data_model import parse_any_credential
from registry.credentials.data_model_errors import DataModelError
from registry.credentials.problem_types import MALFORMED_VALUE_ERROR

V2 = "https://www.w3.org/ns/credentials/v2"
V1 = "https://www.w3.org/2018/credentials/v1"
ISSUER = "did:key:z6MkpJySvETLnxhQG9DzEdmKJtysBDjuuTeDfUj1uNNCUqcj"
MISSING = object()


def credential(**members: Any) -> dict[str, Any]:
    """Return a small credential of data model 2.0 with members replaced, added or (MISSING) left out."""
    document = {
        "@context": [V2],
        "type": ["VerifiableCredential"],
        "issuer": ISSUER,
        "credentialSubject": {"id": "did:example:subject"},
        **members,
    }
    return {name: value for name, value in document.items() if value is not MISSING}


def old_credential(**members: Any) -> dict[str, Any]:
    """Return a small credential of data model 1.1."""
    return credential(**{"@context": [V1], "issuanceDate": "2020-01-01T00:00:00Z", **members})


def context(*further: Any) -> dict[str, Any]:
    """Return a credential with contexts after the base context."""
    return credential(**{"@context": [V2, *further]})


def typed(**members: Any) -> dict[str, Any]:
    """Return an object with a type."""
    return {"type": "ExampleType", **members}


# Why it is refused -> (document, code, path).
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "context missing": (credential(**{"@context": MISSING}), "vc_context_invalid", "/@context"),
    "context a string": (credential(**{"@context": V2}), "vc_context_invalid", "/@context"),
    "context an object": (credential(**{"@context": {}}), "vc_context_invalid", "/@context"),
    "context null": (credential(**{"@context": None}), "vc_context_invalid", "/@context"),
    "context an empty list": (credential(**{"@context": []}), "vc_context_invalid", "/@context"),
    "base context not first": (
        credential(**{"@context": ["https://example.org/c/v1", V2]}),
        "vc_base_context_missing",
        "/@context/0",
    ),
    "an object first": (credential(**{"@context": [{}, V2]}), "vc_base_context_missing", "/@context/0"),
    "base context missing": (
        credential(**{"@context": ["https://www.w3.org/ns/credentials/examples/v2"]}),
        "vc_base_context_missing",
        "/@context/0",
    ),
    "base context with a slash": (credential(**{"@context": [V2 + "/"]}), "vc_base_context_missing", "/@context/0"),
    "context no URL": (context("https ://not-a-url/contexts/example/v1"), "vc_context_invalid", "/@context/1"),
    "context relative": (context("contexts/v1"), "vc_context_invalid", "/@context/1"),
    "context a number": (context(123192875), "vc_context_invalid", "/@context/1"),
    "context reset by null": (context(None), "vc_context_invalid", "/@context/1"),
    "context a list": (context(["https://example.org/c/v1"]), "vc_context_invalid", "/@context/1"),
    "context named twice": (context(V2), "vc_context_invalid", "/@context"),
    "too many contexts": (context(*({} for _ in range(16))), "vc_entry_limit", "/@context"),
    "type missing": (credential(type=MISSING), "vc_type_invalid", "/type"),
    "type a string": (credential(type="VerifiableCredential"), "vc_type_invalid", "/type"),
    "type an empty list": (credential(type=[]), "vc_type_invalid", "/type"),
    "type null": (credential(type=None), "vc_type_invalid", "/type"),
    "type with a number": (credential(type=["VerifiableCredential", 1]), "vc_type_invalid", "/type"),
    "type with an object": (credential(type=["VerifiableCredential", {}]), "vc_type_invalid", "/type"),
    "type with a list": (credential(type=["VerifiableCredential", []]), "vc_type_invalid", "/type"),
    "type empty text": (credential(type=["VerifiableCredential", ""]), "vc_type_invalid", "/type"),
    "type broken URL": (credential(type=["VerifiableCredential", "https ://x"]), "vc_type_invalid", "/type"),
    "type a keyword": (credential(type=["VerifiableCredential", "@json"]), "vc_type_invalid", "/type"),
    "type endless": (credential(type=["VerifiableCredential", "T" * 2_049]), "vc_type_invalid", "/type"),
    "required type missing": (credential(type=["RelationshipCredential"]), "vc_type_missing", "/type"),
    "a presentation": (credential(type=["VerifiablePresentation"]), "vc_type_missing", "/type"),
    "id null": (credential(id=None), "vc_id_invalid", "/id"),
    "id a list": (credential(id=["https://example.org/1"]), "vc_id_invalid", "/id"),
    "id an object": (credential(id={}), "vc_id_invalid", "/id"),
    "id empty": (credential(id=""), "vc_id_invalid", "/id"),
    "id relative": (credential(id="/credentials/1"), "vc_id_invalid", "/id"),
    "id with a space": (credential(id="https ://not-a-url/vcs/1"), "vc_id_invalid", "/id"),
    "id with a newline": (credential(id="https://example.org/1\n"), "vc_id_invalid", "/id"),
    "id without a host": (credential(id="https:///1"), "vc_id_invalid", "/id"),
    "id a scheme only": (credential(id="urn:"), "vc_id_invalid", "/id"),
    "id a blank node": (credential(id="_:b0"), "vc_id_invalid", "/id"),
    "id a broken DID": (credential(id="did:Example:1"), "vc_id_invalid", "/id"),
    "id endless": (credential(id="urn:" + "a" * limits.URL_CHARS), "vc_id_invalid", "/id"),
    "issuer missing": (credential(issuer=MISSING), "vc_issuer_invalid", "/issuer"),
    "issuer null": (credential(issuer=None), "vc_issuer_invalid", "/issuer"),
    "issuer a list": (credential(issuer=[ISSUER]), "vc_issuer_invalid", "/issuer"),
    "issuer no URL": (credential(issuer="fake-issuer"), "vc_issuer_invalid", "/issuer"),
    "issuer object without id": (credential(issuer={}), "vc_issuer_invalid", "/issuer/id"),
    "issuer id null": (credential(issuer={"id": None}), "vc_issuer_invalid", "/issuer/id"),
    "issuer id no URL": (credential(issuer={"id": "fake-issuer"}), "vc_issuer_invalid", "/issuer/id"),
    "subject missing": (credential(credentialSubject=MISSING), "vc_subject_invalid", "/credentialSubject"),
    "subject null": (credential(credentialSubject=None), "vc_subject_invalid", "/credentialSubject"),
    "subject a string": (credential(credentialSubject="did:example:1"), "vc_subject_invalid", "/credentialSubject"),
    "subject without claims": (credential(credentialSubject={}), "vc_subject_invalid", "/credentialSubject"),
    "subject an empty list": (credential(credentialSubject=[]), "vc_subject_invalid", "/credentialSubject"),
    "second subject without claims": (
        credential(credentialSubject=[{"id": "did:example:1"}, {}]),
        "vc_subject_invalid",
        "/credentialSubject/1",
    ),
    "second subject a string": (
        credential(credentialSubject=[{"id": "did:example:1"}, "did:example:2"]),
        "vc_subject_invalid",
        "/credentialSubject/1",
    ),
    "subject id a list": (
        credential(credentialSubject={"id": ["did:example:1", "did:example:2"]}),
        "vc_id_invalid",
        "/credentialSubject/id",
    ),
    "subject id no URL": (
        credential(credentialSubject=[{"id": "subject"}]),
        "vc_id_invalid",
        "/credentialSubject/0/id",
    ),
    "validFrom without zone": (credential(validFrom="2023-01-01T00:00:00"), "vc_date_time_invalid", "/validFrom"),
    "validFrom in words": (
        credential(validFrom="Sat 25 Feb 2023 07:16:31 PM CST"),
        "vc_date_time_invalid",
        "/validFrom",
    ),
    "validFrom a date": (credential(validFrom="2023-01-01"), "vc_date_time_invalid", "/validFrom"),
    "validFrom a number": (credential(validFrom=1_700_000_000), "vc_date_time_invalid", "/validFrom"),
    "validFrom null": (credential(validFrom=None), "vc_date_time_invalid", "/validFrom"),
    "validFrom on 30 February": (credential(validFrom="2023-02-30T00:00:00Z"), "vc_date_time_invalid", "/validFrom"),
    "validFrom a leap second": (credential(validFrom="2016-12-31T23:59:60Z"), "vc_date_time_invalid", "/validFrom"),
    "validFrom in hour 25": (credential(validFrom="2023-02-01T25:00:00Z"), "vc_date_time_invalid", "/validFrom"),
    "validFrom after hour 24": (credential(validFrom="2023-02-01T24:00:01Z"), "vc_date_time_invalid", "/validFrom"),
    "validFrom fifteen hours off": (
        credential(validFrom="2023-02-01T00:00:00+15:00"),
        "vc_date_time_invalid",
        "/validFrom",
    ),
    "validFrom with a newline": (credential(validFrom="2023-02-01T00:00:00Z\n"), "vc_date_time_invalid", "/validFrom"),
    "validFrom endless": (
        credential(validFrom=f"2023-02-25T00:00:00.{'0' * limits.URL_CHARS}Z"),
        "vc_date_time_invalid",
        "/validFrom",
    ),
    "validUntil in words": (
        credential(validUntil="Sun, 26 Feb 2023 01:22:14 +0000"),
        "vc_date_time_invalid",
        "/validUntil",
    ),
    "validUntil before validFrom": (
        credential(validFrom="2023-01-01T00:00:01Z", validUntil="2023-01-01T00:00:00Z"),
        "vc_validity_order",
        "/validUntil",
    ),
    "validUntil before validFrom by zone": (
        credential(validFrom="2023-01-01T00:00:00-01:00", validUntil="2023-01-01T00:59:59Z"),
        "vc_validity_order",
        "/validUntil",
    ),
    "status without type": (
        credential(credentialStatus={"id": "did:example:s"}),
        "vc_entry_type_missing",
        "/credentialStatus/type",
    ),
    "status type a number": (
        credential(credentialStatus={"type": 2}),
        "vc_entry_type_missing",
        "/credentialStatus/type",
    ),
    "second status without type": (
        credential(credentialStatus=[typed(), {}]),
        "vc_entry_type_missing",
        "/credentialStatus/1/type",
    ),
    "status a string": (credential(credentialStatus="did:example:s"), "vc_entry_invalid", "/credentialStatus"),
    "status an empty list": (credential(credentialStatus=[]), "vc_entry_invalid", "/credentialStatus"),
    "status null": (credential(credentialStatus=None), "vc_entry_invalid", "/credentialStatus"),
    "status id no URL": (
        credential(credentialStatus=typed(id="https ://not-a-url/statusList/4")),
        "vc_id_invalid",
        "/credentialStatus/id",
    ),
    "status id a list": (
        credential(credentialStatus=typed(id=["did:example:1", "did:example:2"])),
        "vc_id_invalid",
        "/credentialStatus/id",
    ),
    "too many statuses": (credential(credentialStatus=[typed()] * 9), "vc_entry_limit", "/credentialStatus"),
    "schema without type": (
        credential(credentialSchema={"id": "did:example:schemas/1"}),
        "vc_entry_type_missing",
        "/credentialSchema/type",
    ),
    "schema without id": (credential(credentialSchema=typed()), "vc_entry_id_missing", "/credentialSchema"),
    "schema id no URL": (
        credential(credentialSchema=typed(id="https ://not-a-url.org/1")),
        "vc_id_invalid",
        "/credentialSchema/id",
    ),
    "schema a string": (credential(credentialSchema="did:example:1"), "vc_entry_invalid", "/credentialSchema"),
    "terms empty": (credential(termsOfUse={}), "vc_entry_type_missing", "/termsOfUse/type"),
    "terms without type": (
        credential(termsOfUse={"id": "did:example:terms/1"}),
        "vc_entry_type_missing",
        "/termsOfUse/type",
    ),
    "terms id no URL": (credential(termsOfUse=[typed(id="terms")]), "vc_id_invalid", "/termsOfUse/0/id"),
    "terms a string": (credential(termsOfUse="none"), "vc_entry_invalid", "/termsOfUse"),
    "evidence empty": (credential(evidence={}), "vc_entry_type_missing", "/evidence/type"),
    "evidence a string": (credential(evidence="seen"), "vc_entry_invalid", "/evidence"),
    "evidence an empty list": (credential(evidence=[]), "vc_entry_invalid", "/evidence"),
    "evidence id no URL": (credential(evidence=typed(id=7)), "vc_id_invalid", "/evidence/id"),
    "too much evidence": (credential(evidence=[typed()] * 33), "vc_entry_limit", "/evidence"),
    "refresh without type": (
        credential(refreshService={"id": "did:example:refresh/1"}),
        "vc_entry_type_missing",
        "/refreshService/type",
    ),
    "refresh a string": (credential(refreshService="later"), "vc_entry_invalid", "/refreshService"),
    "confidence method without type": (
        credential(confidenceMethod={"id": "did:example:1"}),
        "vc_entry_type_missing",
        "/confidenceMethod/type",
    ),
    "render method without type": (
        credential(renderMethod=[typed(), {"id": "did:example:1"}]),
        "vc_entry_type_missing",
        "/renderMethod/1/type",
    ),
    "name a number": (credential(name=1), "vc_text_invalid", "/name"),
    "name an empty list": (credential(name=[]), "vc_text_invalid", "/name"),
    "name with another member": (
        credential(name={"@value": "x", "@language": "en", "url": "did:example:1"}),
        "vc_text_invalid",
        "/name",
    ),
    "description without value": (credential(description={"@language": "en"}), "vc_text_invalid", "/description"),
    "description value a number": (credential(description={"@value": 1}), "vc_text_invalid", "/description"),
    "description in no language": (
        credential(description={"@value": "x", "@language": "not a language"}),
        "vc_text_invalid",
        "/description",
    ),
    "description in no direction": (
        credential(description={"@value": "x", "@direction": "up"}),
        "vc_text_invalid",
        "/description",
    ),
    "second description with another member": (
        credential(description=[{"@value": "x"}, {"@value": "y", "@type": "z"}]),
        "vc_text_invalid",
        "/description",
    ),
    "issuer name with another member": (
        credential(issuer={"id": ISSUER, "name": {"@value": "x", "url": "did:example:1"}}),
        "vc_text_invalid",
        "/issuer/name",
    ),
    "issuer description a boolean": (
        credential(issuer={"id": ISSUER, "description": True}),
        "vc_text_invalid",
        "/issuer/description",
    ),
    "1.1 without issuanceDate": (old_credential(issuanceDate=MISSING), "vc_date_time_invalid", "/issuanceDate"),
    "1.1 issuanceDate a date": (old_credential(issuanceDate="2020-01-01"), "vc_date_time_invalid", "/issuanceDate"),
    "1.1 ends before it begins": (
        old_credential(expirationDate="2019-01-01T00:00:00Z"),
        "vc_validity_order",
        "/expirationDate",
    ),
    "1.1 without subject": (old_credential(credentialSubject=MISSING), "vc_subject_invalid", "/credentialSubject"),
    "1.1 type a string": (old_credential(type="VerifiableCredential"), "vc_type_invalid", "/type"),
    "1.1 status without type": (
        old_credential(credentialStatus={"id": "did:example:s"}),
        "vc_entry_type_missing",
        "/credentialStatus/type",
    ),
}

ACCEPTED: dict[str, dict[str, Any]] = {
    "the least there is": credential(),
    "as many contexts as allowed": context(*({} for _ in range(limits.CONTEXTS_PER_DOCUMENT - 1))),
    "an id as long as allowed": credential(id="urn:" + "a" * (limits.URL_CHARS - 4)),
    "a type as long as allowed": credential(type=["VerifiableCredential", "T" * limits.URL_CHARS]),
    "a time as long as allowed": credential(validFrom=f"2023-02-25T00:00:00.{'0' * (limits.URL_CHARS - 21)}Z"),
    "as much evidence as allowed": credential(evidence=[typed()] * limits.TYPED_ENTRIES),
    "contexts as URLs": context("https://www.w3.org/ns/credentials/examples/v2"),
    "contexts as objects": context({"Example": "https://example.org/#Example"}, {}),
    "type a URL": credential(type=["VerifiableCredential", "https://example.org/#ExampleCredential"]),
    "required type last": credential(type=["https://example.org/#A", "https://example.org/#B", "VerifiableCredential"]),
    "id a URN": credential(id="urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008"),
    "id in another script": credential(id="https://例え.example/証明書"),
    "issuer an object": credential(issuer={"id": ISSUER, "name": "Example"}),
    "issuer a web address": credential(issuer="https://university.example/issuers/565049"),
    "subject without id": credential(credentialSubject={"alumniOf": "x"}),
    "two subjects": credential(credentialSubject=[{"id": "did:example:1"}, {"id": "did:example:2"}]),
    "begin and end at once": credential(validFrom="2023-01-01T00:00:00Z", validUntil="2022-12-31T19:00:00-05:00"),
    "milliseconds": credential(validFrom="2023-02-26T01:02:58.447Z"),
    "far future": credential(validFrom="4023-02-26T01:02:58.447Z"),
    "end of a day": credential(validFrom="2023-02-25T24:00:00Z"),
    "a long fraction": credential(validFrom="2023-02-25T00:00:00.1234567890123456Z"),
    "several of each": credential(
        credentialStatus=[typed(), typed(id="did:example:s")],
        credentialSchema=[typed(id="did:example:schemas/1"), typed(id="did:example:schemas/2")],
        termsOfUse=[typed(id="did:example:terms/1"), typed()],
        evidence=[typed(), typed(type=["A", "https://example.org/#B"])],
        refreshService=[typed(id="did:example:refresh/2"), typed()],
        confidenceMethod=typed(),
        renderMethod=typed(),
    ),
    "names in languages": credential(
        name=[{"@value": "Dog", "@language": "en"}, {"@value": "كلب", "@language": "ar", "@direction": "rtl"}],
        description={"@value": "A dog", "@language": "en-GB"},
    ),
    "1.1": old_credential(id="http://example.edu/credentials/3732", expirationDate="2030-01-01T19:23:24Z"),
    "1.1 with milliseconds": old_credential(issuanceDate="2020-01-01T19:23:24.123Z"),
    "1.1 without zone": old_credential(issuanceDate="2020-01-01T19:23:24"),
    "1.1 with a map of names": old_credential(name={"en": "Dog", "fr": "Chien"}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason: str) -> None:
    """What breaks a rule of the data model is refused under the code of that rule, with the place named."""
    document, code, path = REFUSED[reason]
    with pytest.raises(DataModelError) as refusal:
        parse_any_credential(document)
    assert (refusal.value.code, refusal.value.params) == (code, {"path": path})
    assert refusal.value.type_uri == MALFORMED_VALUE_ERROR


@pytest.mark.parametrize("reason", ACCEPTED)
def test_accepted(reason: str) -> None:
    """What the data model allows is accepted, and nothing of it is changed."""
    document = ACCEPTED[reason]
    before = copy.deepcopy(document)
    assert parse_any_credential(document).document == before
