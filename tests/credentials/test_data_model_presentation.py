"""Anybody's presentations: their form, what is presented in them, and envelopes."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import limits
from registry.credentials.data_model import AnyCredential
from registry.credentials.data_model_errors import DataModelError, SelfAssertedIssuerError
from registry.credentials.data_model_presentation import (
    ENVELOPED_CREDENTIAL,
    ENVELOPED_PRESENTATION,
    AnyPresentation,
    Envelope,
    is_envelope,
    parse_any_presentation,
    parse_envelope,
    parse_presented,
)
from registry.credentials.problem_types import MALFORMED_VALUE_ERROR, PARSING_ERROR
from tests.credentials.test_data_model import ISSUER, MISSING, V1, V2, credential, old_credential, typed

SECURED = credential(proof={"type": "DataIntegrityProof"})
ENVELOPE = {"@context": V2, "id": "data:application/vc+jwt,eyJh.eyJi.c2ln", "type": "EnvelopedVerifiableCredential"}


def presentation(**members: Any) -> dict[str, Any]:
    """Return a small presentation of data model 2.0 with members replaced, added or (MISSING) left out."""
    document = {"@context": [V2], "type": ["VerifiablePresentation"], **members}
    return {name: value for name, value in document.items() if value is not MISSING}


def presenting(*credentials: Any, **members: Any) -> dict[str, Any]:
    """Return a presentation of these credentials."""
    return presentation(verifiableCredential=list(credentials), **members)


def enveloped(**members: Any) -> dict[str, Any]:
    """Return an envelope with members replaced, added or (MISSING) left out."""
    return {name: value for name, value in {**ENVELOPE, **members}.items() if value is not MISSING}


# Why it is refused -> (document, code, path).
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "context missing": (presentation(**{"@context": MISSING}), "vc_context_invalid", "/@context"),
    "base context not first": (
        presentation(**{"@context": [{"Example": "https://example.org/#Example"}, V2]}),
        "vc_base_context_missing",
        "/@context/0",
    ),
    "base context missing": (
        presentation(**{"@context": ["https://www.w3.org/ns/credentials/examples/v2"]}),
        "vc_base_context_missing",
        "/@context/0",
    ),
    "context no URL": (presentation(**{"@context": [V2, "https ://x"]}), "vc_context_invalid", "/@context/1"),
    "context a number": (presentation(**{"@context": [V2, 1]}), "vc_context_invalid", "/@context/1"),
    "type missing": (presentation(type=MISSING), "vc_type_invalid", "/type"),
    "required type missing": (presentation(type=["CredentialManagerPresentation"]), "vc_type_missing", "/type"),
    "a credential": (presentation(type=["VerifiableCredential"]), "vc_type_missing", "/type"),
    "id no URL": (presentation(id="presentation"), "vc_id_invalid", "/id"),
    "id null": (presentation(id=None), "vc_id_invalid", "/id"),
    "holder no URL": (presentation(holder=ISSUER.removeprefix("did:key:")), "vp_holder_invalid", "/holder"),
    "holder null": (presentation(holder=None), "vp_holder_invalid", "/holder"),
    "holder a list": (presentation(holder=[ISSUER]), "vp_holder_invalid", "/holder"),
    "holder with a name only": (presentation(holder={"name": "Acme"}), "vp_holder_invalid", "/holder/id"),
    "holder id no URL": (presentation(holder={"id": "z6Mkp"}), "vp_holder_invalid", "/holder/id"),
    "a string presented": (presenting("eyJh.eyJi.c2ln"), "vp_credential_invalid", "/verifiableCredential/0"),
    "a URL presented": (
        presentation(verifiableCredential="https://example.org/1"),
        "vp_credential_invalid",
        "/verifiableCredential",
    ),
    "a number among others": (presenting(SECURED, 7), "vp_credential_invalid", "/verifiableCredential/1"),
    "an empty list presented": (presenting(), "vp_credential_invalid", "/verifiableCredential"),
    "null presented": (presentation(verifiableCredential=None), "vp_credential_invalid", "/verifiableCredential"),
    "too many presented": (
        presenting(*[SECURED] * (limits.PRESENTED_CREDENTIALS + 1)),
        "vc_entry_limit",
        "/verifiableCredential",
    ),
    "self-asserted without holder": (presenting(SECURED, credential()), "vp_holder_missing", "/holder"),
    "terms without type": (
        presentation(termsOfUse={"id": "did:example:1"}),
        "vc_entry_type_missing",
        "/termsOfUse/type",
    ),
}

ACCEPTED: dict[str, dict[str, Any]] = {
    "the least there is": presentation(),
    "one type without a list": presentation(type="VerifiablePresentation"),
    "another type": presentation(type=["ExamplePresentation", "VerifiablePresentation"]),
    "id a URN": presentation(id="urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008"),
    "holder a URL": presentation(holder=ISSUER),
    "holder an object": presentation(holder={"id": ISSUER}),
    "one credential without a list": presentation(verifiableCredential=SECURED),
    "several credentials": presenting(SECURED, ENVELOPE, SECURED),
    "self-asserted": presenting(credential(), holder=ISSUER),
    "terms": presentation(termsOfUse=[typed()]),
    "1.1": presentation(**{"@context": [V1]}, verifiableCredential=[old_credential(proof={})]),
}

# Why an envelope is refused -> (document, code, path).
BROKEN_ENVELOPES: dict[str, tuple[dict[str, Any], str, dict[str, str]]] = {
    "context missing": (enveloped(**{"@context": MISSING}), "vc_envelope_invalid", {"path": "/@context"}),
    "context empty": (enveloped(**{"@context": []}), "vc_envelope_invalid", {"path": "/@context"}),
    "another context": (
        enveloped(**{"@context": "https://www.w3.org/ns/credentials/examples/v2"}),
        "vc_envelope_invalid",
        {"path": "/@context"},
    ),
    "the type of a credential": (
        enveloped(type=["VerifiableCredential", ENVELOPED_CREDENTIAL]),
        "vc_envelope_invalid",
        {"path": "/type"},
    ),
    "a presentation": (enveloped(type=ENVELOPED_PRESENTATION), "vc_envelope_invalid", {"path": "/type"}),
    "an unsigned claim beside it": (enveloped(issuer=ISSUER), "vc_envelope_invalid", {}),
    "id missing": (enveloped(id=MISSING), "vc_envelope_data_invalid", {"path": "/id"}),
    "no data URL": (enveloped(id="eyJh.eyJi.c2ln"), "vc_envelope_data_invalid", {"path": "/id"}),
    "a web address": (enveloped(id="https://example.org/vc"), "vc_envelope_data_invalid", {"path": "/id"}),
    "no media type": (enveloped(id="data:,eyJh.eyJi.c2ln"), "vc_envelope_data_invalid", {"path": "/id"}),
    "no data": (enveloped(id="data:application/vc+jwt,"), "vc_envelope_data_invalid", {"path": "/id"}),
    "a newline behind": (enveloped(id=ENVELOPE["id"] + "\n"), "vc_envelope_data_invalid", {"path": "/id"}),
    "a Kelvin sign for k": (
        enveloped(id="data:application/\u212a,eyJh"),
        "vc_envelope_data_invalid",
        {"path": "/id"},
    ),
    "endless": (
        enveloped(id=ENVELOPE["id"] + "A" * limits.ENVELOPE_CHARS),
        "vc_envelope_data_invalid",
        {"path": "/id"},
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason: str) -> None:
    """What breaks a rule for presentations is refused under the code of that rule, with the place named."""
    document, code, path = REFUSED[reason]
    with pytest.raises(DataModelError) as refusal:
        parse_any_presentation(document)
    assert (refusal.value.code, refusal.value.params) == (code, {"path": path})
    assert refusal.value.type_uri == MALFORMED_VALUE_ERROR


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    """What the data model allows is accepted, and each thing presented in it can be judged."""
    parsed = parse_any_presentation(ACCEPTED[name])
    assert parsed.document == ACCEPTED[name]
    for position in range(len(parsed.credentials)):
        parse_presented(parsed, position)


def test_everything_that_was_read() -> None:
    """A parsed presentation holds what its document says, in one form whatever the spelling."""
    document = presenting(
        SECURED, ENVELOPE, id="urn:uuid:1", holder={"id": ISSUER}, type=["A", "VerifiablePresentation"]
    )
    parsed = parse_any_presentation(document)
    types = ("A", "VerifiablePresentation")
    assert parsed == AnyPresentation(document, "2.0", "urn:uuid:1", ISSUER, types, (SECURED, ENVELOPE))
    first, second = parse_presented(parsed, 0), parse_presented(parsed, 1)
    assert isinstance(first, AnyCredential)
    assert first.document == SECURED
    assert second == Envelope(ENVELOPED_CREDENTIAL, "application/vc+jwt", "", "eyJh.eyJi.c2ln")


def test_each_is_judged_alone() -> None:
    """A malformed credential is refused where it stands, and the ones beside it are read."""
    parsed = parse_any_presentation(presenting(SECURED, {"type": [], "proof": {}}, enveloped(id="x"), SECURED))
    assert isinstance(parse_presented(parsed, 0), AnyCredential)
    for position, code in ((1, "vc_context_invalid"), (2, "vc_envelope_data_invalid")):
        with pytest.raises(DataModelError) as refusal:
            parse_presented(parsed, position)
        assert refusal.value.code == code
    assert isinstance(parse_presented(parsed, 3), AnyCredential)


@pytest.mark.parametrize("issuer", ["did:example:alice", {"id": "did:example:alice"}])
def test_nobody_asserts_in_the_name_of_others(issuer: Any) -> None:
    """A credential without a proof of its own is the holder's statement or nobody's."""
    parsed = parse_any_presentation(presenting(credential(issuer=issuer), holder=ISSUER))
    with pytest.raises(SelfAssertedIssuerError):
        parse_presented(parsed, 0)


@pytest.mark.parametrize("reason", BROKEN_ENVELOPES)
def test_broken_envelopes(reason: str) -> None:
    """An envelope that breaks a rule, or carries anything that nobody signed, is refused."""
    document, code, params = BROKEN_ENVELOPES[reason]
    with pytest.raises(DataModelError) as refusal:
        parse_envelope(document, ENVELOPED_CREDENTIAL)
    assert (refusal.value.code, refusal.value.params) == (code, params)
    assert refusal.value.type_uri in {MALFORMED_VALUE_ERROR, PARSING_ERROR}


@pytest.mark.parametrize(
    "document",
    [
        ENVELOPE,
        enveloped(**{"@context": [V2, "https://www.w3.org/ns/credentials/examples/v2"]}),
        enveloped(type=[ENVELOPED_CREDENTIAL]),
        enveloped(id="DATA:application/vc+JWT,eyJh.eyJi.c2ln"),
    ],
)
def test_sound_envelopes(document: dict[str, Any]) -> None:
    """An envelope names its media type and holds its data as they stood."""
    expected = Envelope(ENVELOPED_CREDENTIAL, "application/vc+jwt", "", "eyJh.eyJi.c2ln")
    assert parse_envelope(document, ENVELOPED_CREDENTIAL) == expected


def test_enveloped_presentations() -> None:
    """The envelope of a presentation is told from that of a credential by its type alone, with parameters apart."""
    document = enveloped(type=ENVELOPED_PRESENTATION, id="data:application/vp+jwt;base64;x=1,AAAA")
    assert is_envelope(document)
    assert parse_envelope(document, ENVELOPED_PRESENTATION) == Envelope(
        ENVELOPED_PRESENTATION, "application/vp+jwt", ";base64;x=1", "AAAA"
    )
    assert not is_envelope(SECURED)


JSON = st.recursive(
    st.none() | st.integers(-2, 2) | st.text(max_size=6) | st.sampled_from([V2, ENVELOPED_CREDENTIAL, ENVELOPE["id"]]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["@context", "id", "type", "proof"]), inner)
    ),
    max_leaves=8,
)


@given(member=st.sampled_from(["holder", "verifiableCredential", "type", "id", "@context", "termsOfUse"]), value=JSON)
def test_any_value_is_read_or_refused_by_name(member: str, value: Any) -> None:
    """Whatever stands in a member or is presented, the answer is a value or an error of the data model."""
    codes = {""}
    with contextlib.suppress(DataModelError):
        parsed = parse_any_presentation(presentation(**{member: value}))
        codes |= {_outcome(parsed, position) for position in range(len(parsed.credentials))}
    assert all(code == "" or code.startswith("vc_") for code in codes)


def _outcome(parsed: AnyPresentation, position: int) -> str:
    try:
        parse_presented(parsed, position)
    except DataModelError as refusal:
        return refusal.code
    return ""
