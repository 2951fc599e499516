"""Verifying credentials: whose key, for which log, when."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.document import parse_did_document
from did_methods.errors import BonafidesError
from registry.credentials.issue import issue_capability, signer_did
from registry.credentials.issue_registry import issue_quarantine
from registry.credentials.model import parse_credential
from registry.credentials.verify import (
    LOG_WINDOW_MS,
    DocumentKeyLookup,
    MethodKeyLookup,
    SelfCertifyingLookup,
    VerifiedCredential,
    verify_credential,
)
from tests.credentials.builders import (
    AGENT,
    AGENT_DID,
    HOUR_MS,
    KEYS,
    NOW_MS,
    ORIGIN,
    OTHER_ORIGIN,
    OWNER,
    OWNER_DID,
    REGISTRY,
    REGISTRY_DID,
    REGISTRY_LOGIN,
    VALID,
    capability,
    changed,
    owned_passport,
    passport,
    resigned,
    uuid,
    vouch,
)


def _verify(document: dict[str, Any], **changes: Any) -> VerifiedCredential:
    arguments: dict[str, Any] = {"keys": KEYS, "now_ms": NOW_MS, "origin": ORIGIN}
    return verify_credential(parse_credential(document), **{**arguments, **changes})


def _code(document: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(BonafidesError) as caught:
        _verify(document, **changes)
    return caught.value.code


@pytest.mark.parametrize("name", VALID)
def test_valid_documents_verify(name: str) -> None:
    """Every kind's example verifies at the time and for the log it was made for, and names the key it relied on."""
    signer, build = VALID[name]
    verified = _verify(build())
    assert verified.keys[0].method_id == signer.verification_method
    assert verified.keys[0].controller == signer_did(signer) == verified.issuer
    assert verified.subject_id == verified.credential.subject_id
    assert verified.event_id == verified.credential.event_id
    assert verified.kind is verified.credential.kind
    assert verified.created_ms == verified.credential.created_ms


def test_an_owned_passport_gives_both_keys() -> None:
    """A sequencer can check later that agent's and owner's keys still stand."""
    verified = _verify(owned_passport())
    assert [key.controller for key in verified.keys] == [AGENT_DID, OWNER_DID]


@pytest.mark.parametrize("offset", [-LOG_WINDOW_MS, 0, LOG_WINDOW_MS])
def test_log_statements_verify_within_the_window(offset: int) -> None:
    """The newest proof may lie ten minutes before or after log time, both ends included."""
    assert _verify(vouch(), now_ms=NOW_MS + offset)


def test_log_statements_are_refused_outside_the_window() -> None:
    """A millisecond more in either direction is refused, each direction with its own code."""
    assert _code(vouch(), now_ms=NOW_MS + LOG_WINDOW_MS + 1) == "created_too_old"
    assert _code(vouch(), now_ms=NOW_MS - LOG_WINDOW_MS - 1) == "created_in_future"


def test_log_statements_are_for_one_log() -> None:
    """What was signed for another registry is refused here."""
    assert _code(vouch(domain=OTHER_ORIGIN)) == "domain_mismatch"


def test_readers_of_logged_documents_need_no_window() -> None:
    """Without an origin an old statement still verifies, for whoever reads it from a log; a future one does not."""
    assert _verify(vouch(), origin=None, now_ms=NOW_MS + 1_000 * HOUR_MS)
    assert _code(vouch(), origin=None, now_ms=NOW_MS - 1) == "created_in_future"


def test_portable_credentials_need_neither_domain_nor_window() -> None:
    """A passport signed long ago for nobody in particular is admitted; one from the future is not."""
    assert _verify(passport(), now_ms=NOW_MS + 1_000 * HOUR_MS)
    assert _code(passport(), now_ms=NOW_MS - 1) == "created_in_future"
    assert _verify(passport(), now_ms=NOW_MS - 1, skew_ms=1)


def test_validity_is_half_open() -> None:
    """A credential is valid from validFrom on and no longer at validUntil."""
    document = capability()
    assert _verify(document, now_ms=NOW_MS)
    assert _verify(document, now_ms=NOW_MS + HOUR_MS - 1)
    assert _code(document, now_ms=NOW_MS + HOUR_MS) == "credential_expired"
    early = resigned(document, OWNER, created=NOW_MS - HOUR_MS)
    assert _code(early, now_ms=NOW_MS - 1) == "credential_not_yet_valid"


def test_a_proof_ends_when_it_says() -> None:
    """`expires` is honoured where a kind allows it."""
    document = issue_quarantine(
        signer=REGISTRY, subject=AGENT_DID, reason="leak", uuid=uuid(), now_ms=NOW_MS, domain=ORIGIN
    )
    ending = resigned(document, REGISTRY, expires=NOW_MS + 1_000)
    assert _verify(ending, now_ms=NOW_MS + 999)
    assert _code(ending, now_ms=NOW_MS + 1_000) == "proof_expired"


def test_a_changed_document_does_not_verify() -> None:
    """The signature covers every member."""
    assert _code(changed(vouch(), "credentialSubject", "strength", value=81)) == "proof_invalid"


def test_one_bad_proof_of_two_is_enough() -> None:
    """A passport whose owner's signature fails is refused although the agent's holds, in either order."""
    document = owned_passport()
    document["proof"][1]["created"] = "2026-11-20T08:59:59Z"
    assert _code(document) == "proof_invalid"
    document["proof"].reverse()
    assert _code(document) == "proof_invalid"


def test_the_key_must_be_listed_for_assertions() -> None:
    """A key of the registry that may only authenticate cannot issue."""
    document = VALID["quarantine"][1]()
    assert _code(resigned(document, REGISTRY_LOGIN)) == "verification_method_purpose"


def test_the_key_must_be_the_issuers() -> None:
    """A good signature by somebody else's key is refused before that key is looked up."""
    assert _code(resigned(vouch(), OWNER)) == "issuer_key_mismatch"


def test_unknown_dids_have_no_keys() -> None:
    """A DID or a method that the lookup does not know is refused, not fetched."""
    document = VALID["quarantine"][1]()
    assert _code(document, keys=MethodKeyLookup({"key": SelfCertifyingLookup()})) == "key_not_found"
    assert _code(document, keys=MethodKeyLookup({"web": DocumentKeyLookup({})})) == "key_not_found"
    assert _code(document, keys=SelfCertifyingLookup()) == "key_not_found"


def test_a_method_without_usable_key_is_refused() -> None:
    """A verification method of a type that this product does not know gives no key."""
    method = {"id": f"{REGISTRY_DID}#assertion", "type": "JsonWebKey", "controller": REGISTRY_DID, "publicKeyJwk": {}}
    document = parse_did_document(
        {"id": REGISTRY_DID, "verificationMethod": [method], "assertionMethod": [method["id"]]}
    )
    keys = DocumentKeyLookup({REGISTRY_DID: document})
    assert _code(VALID["quarantine"][1](), keys=keys) == "key_not_found"


def test_an_unknown_fragment_is_refused() -> None:
    """The method is compared byte for byte with those of the DID document."""
    document = changed(VALID["quarantine"][1](), "proof", "verificationMethod", value=f"{REGISTRY_DID}#other")
    assert _code(document) == "verification_method_not_found"


def test_any_did_may_grant_a_capability() -> None:
    """Capabilities are presented, so their issuer need not be an agent."""
    document = issue_capability(
        signer=REGISTRY, subject=AGENT_DID, actions=["*"], uuid=uuid(), now_ms=NOW_MS, valid_until_ms=NOW_MS + 1
    )
    assert _verify(document).issuer == REGISTRY_DID


def test_the_window_ignores_validity_of_log_statements() -> None:
    """An agent whose clock runs ahead within the window is not told that its vouch is not valid yet."""
    assert _verify(vouch(now_ms=NOW_MS + LOG_WINDOW_MS), now_ms=NOW_MS)
    assert _verify(resigned(vouch(), AGENT, created=NOW_MS + 1_000))
