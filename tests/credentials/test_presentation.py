"""Presentations: holder, challenge, domain, lifetime, and what is presented."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.canonical import sha256_jcs
from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from did_methods.errors import BonafidesError
from registry.credentials.presentation import (
    CLOCK_SKEW_MS,
    REQUEST_BOUND_LIFETIME_MS,
    VerifiedPresentation,
    build_presentation,
    parse_presentation,
    request_challenge,
    sign_presentation,
    verify_presentation,
)
from tests.credentials.builders import (
    AGENT,
    AGENT_DID,
    CHALLENGE,
    HOUR_MS,
    KEYS,
    NOW_MS,
    ORIGIN,
    PEER,
    PEER_DID,
    REGISTRY,
    REGISTRY_DID,
    REGISTRY_LOGIN,
    capability,
    changed,
    passport,
    presentation,
    resigned,
    vouch,
    without,
)

REQUEST = {
    "subject_id": AGENT_DID,
    "action_name": "payments.read",
    "resource_type": "invoice",
    "resource_id": "2026/17",
}


def _verify(document: dict[str, Any], **changes: Any) -> VerifiedPresentation:
    arguments: dict[str, Any] = {"keys": KEYS, "now_ms": NOW_MS, "domain": ORIGIN, "challenge": CHALLENGE}
    return verify_presentation(parse_presentation(document), **{**arguments, **changes})


def _code(document: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(BonafidesError) as caught:
        _verify(document, **changes)
    return caught.value.code


def _unsigned(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "proof"}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "type a string": (changed(presentation(), "type", value="VerifiablePresentation"), "presentation_type_invalid"),
    "type with a second": (
        changed(presentation(), "type", value=["VerifiablePresentation", "X"]),
        "presentation_type_invalid",
    ),
    "type missing": (without(presentation(), "type"), "presentation_type_invalid"),
    "holder missing": (without(presentation(), "holder"), "holder_invalid"),
    "holder an object": (changed(presentation(), "holder", value={"id": AGENT_DID}), "holder_invalid"),
    "context extended": (
        changed(presentation(), "@context", value=[*presentation()["@context"], "https://example.com"]),
        "context_not_pinned",
    ),
    "context missing": (without(presentation(), "@context"), "presentation_invalid"),
    "id no UUID": (changed(presentation(), "id", value="urn:x"), "credential_id_invalid"),
    "extra member": (changed(presentation(), "termsOfUse", value=[]), "presentation_invalid"),
    "no credentials": (changed(presentation(), "verifiableCredential", value=[]), "presented_credentials_invalid"),
    "credential not in a list": (
        changed(presentation(), "verifiableCredential", value=capability()),
        "presented_credentials_invalid",
    ),
    "nine credentials": (
        changed(presentation(), "verifiableCredential", value=[capability()] * 9),
        "presented_credentials_invalid",
    ),
    "credential of another kind": (
        changed(presentation(), "verifiableCredential", value=[changed(capability(), "type", 1, value="Degree")]),
        "credential_kind_unknown",
    ),
    "enveloped credential": (
        changed(presentation(), "verifiableCredential", value=[{"type": "EnvelopedVerifiableCredential"}]),
        "credential_type_invalid",
    ),
    "proof missing": (without(presentation(), "proof"), "presentation_invalid"),
    "two proofs": (changed(presentation(), "proof", value=[presentation()["proof"]] * 2), "presentation_proof_count"),
    "a list of one proof": (
        changed(presentation(), "proof", value=[presentation()["proof"]]),
        "presentation_proof_count",
    ),
    "domain missing": (without(presentation(), "proof", "domain"), "domain_missing"),
    "domain a list": (changed(presentation(), "proof", "domain", value=[ORIGIN]), "domain_not_single"),
    "made for assertion": (
        changed(presentation(), "proof", "proofPurpose", value="assertionMethod"),
        "proof_purpose_invalid",
    ),
    "extra in the proof": (changed(presentation(), "proof", "nonce", value="x"), "proof_member_unknown"),
    "challenge a number": (changed(presentation(), "proof", "challenge", value=5), "proof_member_invalid"),
    "created missing": (without(presentation(), "proof", "created"), "proof_created_invalid"),
    "expires without zone": (
        changed(presentation(), "proof", "expires", value="2026-11-20T09:01:00"),
        "proof_member_invalid",
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_each_departure_has_its_code(reason: str) -> None:
    """A presentation that is not of the pinned form is refused with the code of what is wrong."""
    document, code = REFUSED[reason]
    with pytest.raises(BonafidesError) as caught:
        parse_presentation(document)
    assert caught.value.code == code


def test_a_presentation_proves_its_holder() -> None:
    """An empty presentation bound to challenge and domain proves control of the holder's DID."""
    verified = _verify(presentation())
    assert verified.holder == AGENT_DID == verified.key.controller
    assert verified.credentials == verified.refused == ()
    assert len(verified.presentation.event_id) == 32


def test_the_id_is_optional() -> None:
    """A presentation that is only shown needs no id."""
    document = sign_presentation(
        build_presentation(holder=AGENT_DID), signer=AGENT, now_ms=NOW_MS, domain=ORIGIN, challenge=CHALLENGE
    )
    assert _verify(document).presentation.id == ""


def test_the_domain_must_be_this_verifier() -> None:
    """A presentation made for another verifier cannot be replayed here."""
    assert _code(presentation(), domain="other.example") == "domain_mismatch"


def test_the_challenge_must_be_the_one_sent() -> None:
    """Another challenge, or none, is refused, each with its code."""
    assert _code(presentation(), challenge="b3RoZXI") == "challenge_mismatch"
    assert _code(presentation(challenge=None)) == "challenge_missing"


def test_only_whoever_says_so_verifies_without_challenge() -> None:
    """An auditor cannot know challenges and says None; a request-bound check never goes without."""
    assert _verify(presentation(challenge=None), challenge=None)
    assert _verify(presentation(), challenge=None)
    unbound = presentation(challenge=None, expires_ms=NOW_MS + 1_000)
    assert _code(unbound, challenge=None, request_bound=True) == "challenge_missing"


def test_the_holders_key_must_authenticate() -> None:
    """A key that is for assertions only cannot log in, and the holder's other key can."""
    login = presentation(holder=REGISTRY_DID, signer=REGISTRY_LOGIN)
    assert _verify(login).holder == REGISTRY_DID
    assert _code(presentation(holder=REGISTRY_DID, signer=REGISTRY)) == "verification_method_purpose"


def test_the_key_must_be_the_holders() -> None:
    """Nobody presents in another's name."""
    assert _code(presentation(signer=PEER)) == "holder_key_mismatch"


def test_created_may_not_lie_in_the_future() -> None:
    """A holder's clock may run a minute ahead and not more."""
    assert _verify(presentation(), now_ms=NOW_MS - CLOCK_SKEW_MS)
    assert _code(presentation(), now_ms=NOW_MS - CLOCK_SKEW_MS - 1) == "created_in_future"


def test_expires_is_honoured_with_a_challenge() -> None:
    """A challenge-bound presentation may say how long it lives, up to the holder."""
    ending = presentation(expires_ms=NOW_MS + HOUR_MS)
    assert _verify(ending, now_ms=NOW_MS + HOUR_MS - 1)
    assert _code(ending, now_ms=NOW_MS + HOUR_MS) == "presentation_expired"


def test_a_request_bound_presentation_repeats_until_it_expires() -> None:
    """The same values verify again and again within the minute, and not after."""
    challenge = request_challenge(**REQUEST)
    document = presentation(challenge=challenge, expires_ms=NOW_MS + REQUEST_BOUND_LIFETIME_MS)
    for now_ms in (NOW_MS, NOW_MS + 1, NOW_MS + REQUEST_BOUND_LIFETIME_MS - 1):
        assert _verify(document, challenge=challenge, request_bound=True, now_ms=now_ms)
    expired = NOW_MS + REQUEST_BOUND_LIFETIME_MS
    assert _code(document, challenge=challenge, request_bound=True, now_ms=expired) == "presentation_expired"


def test_a_request_bound_presentation_must_expire_soon() -> None:
    """Without an end, or with one more than a minute ahead, it could be replayed for too long."""
    challenge = request_challenge(**REQUEST)
    endless = presentation(challenge=challenge)
    assert _code(endless, challenge=challenge, request_bound=True) == "presentation_expires_missing"
    long = presentation(challenge=challenge, expires_ms=NOW_MS + REQUEST_BOUND_LIFETIME_MS + 1)
    assert _code(long, challenge=challenge, request_bound=True) == "presentation_expires_too_far"


@pytest.mark.parametrize("member", [*REQUEST, "parameters_digest"])
def test_every_value_of_the_request_is_bound(member: str) -> None:
    """A presentation for one request answers no request that differs in any value."""
    assert request_challenge(**REQUEST) != request_challenge(**{**REQUEST, member: "x"})


def test_the_request_challenge_is_the_documented_digest() -> None:
    """The challenge is the base64url SHA-256 of the JCS of the object with the dotted names."""
    bound = {
        "subject.id": AGENT_DID,
        "action.name": "payments.read",
        "resource.type": "invoice",
        "resource.id": "2026/17",
    }
    assert request_challenge(**REQUEST) == base64url_encode(sha256_jcs(bound))


def test_presented_credentials_are_judged_alone() -> None:
    """A bad credential among good ones is named and does not count; the others do."""
    bad = changed(capability(), "credentialSubject", "actions", value=["*"])
    expired = capability(now_ms=NOW_MS - 2 * HOUR_MS, valid_until_ms=NOW_MS - HOUR_MS)
    verified = _verify(presentation(credentials=[passport(), bad, capability(), expired]))
    assert [each.kind.name for each in verified.credentials] == ["passport", "capability"]
    assert [each.error.code for each in verified.refused] == ["proof_invalid", "credential_expired"]


def test_presented_log_statements_need_not_be_for_this_log() -> None:
    """A vouch from another registry can be shown; it is not logged by being shown."""
    shown = vouch(signer=PEER, subject=AGENT_DID, domain="elsewhere.example", now_ms=NOW_MS - HOUR_MS)
    assert len(_verify(presentation(credentials=[shown])).credentials) == 1


def test_a_credential_about_somebody_else_does_not_count() -> None:
    """Showing another agent's capability gives the holder nothing."""
    verified = _verify(presentation(credentials=[capability(subject=PEER_DID)]))
    assert verified.credentials == ()
    assert [each.error.code for each in verified.refused] == ["subject_not_holder"]


def test_signing_refuses_what_parsing_would() -> None:
    """A client learns of a mistake before it sends anything."""
    with pytest.raises(BonafidesError) as caught:
        presentation(credentials=[capability()] * 9)
    assert caught.value.code == "presented_credentials_invalid"


def test_a_changed_presentation_does_not_verify() -> None:
    """The signature covers the holder, the credentials and the proof's own members."""
    document = presentation(credentials=[capability()])
    assert _code(without(document, "verifiableCredential")) == "proof_invalid"
    assert _code(changed(document, "proof", "created", value="2026-11-20T08:59:59Z")) == "proof_invalid"
    assert _code(resigned(document, PEER)) == "holder_key_mismatch"


def test_a_credential_is_not_a_presentation() -> None:
    """A proof made for asserting, over a presentation, does not log anybody in."""
    asserted = sign_document(
        _unsigned(presentation()), signer=AGENT, created=NOW_MS, domain=ORIGIN, challenge=CHALLENGE
    )
    with pytest.raises(BonafidesError) as caught:
        parse_presentation(asserted)
    assert caught.value.code == "proof_purpose_invalid"
