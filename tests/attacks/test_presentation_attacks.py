"""What somebody hostile presents: captured logins, stolen credentials, doubled proofs."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.data_integrity import sign_document
from did_methods.errors import BonafidesError
from did_methods.keys import KeySigner
from registry.credentials.model import parse_credential
from registry.credentials.presentation import build_presentation, parse_presentation, verify_presentation
from registry.credentials.verify import SelfCertifyingLookup, VerifiedCredential, verify_credential
from tests.credentials.builders import (
    AGENT,
    AGENT_DID,
    CHALLENGE,
    KEYS,
    MALLORY,
    MALLORY_DID,
    NOW_MS,
    ORIGIN,
    OTHER_ORIGIN,
    OWNER,
    REGISTRY,
    REGISTRY_DID,
    REGISTRY_LOGIN,
    VALID,
    capability,
    changed,
    passport,
    presentation,
    resigned,
    seeded,
    vouch,
    without,
)


def _admit(document: dict[str, Any], **changes: Any) -> VerifiedCredential:
    arguments: dict[str, Any] = {"keys": KEYS, "now_ms": NOW_MS, "origin": ORIGIN}
    return verify_credential(parse_credential(document), **{**arguments, **changes})


def _refusal(document: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(BonafidesError) as caught:
        _admit(document, **changes)
    return caught.value.code


def _present(document: dict[str, Any], **changes: Any) -> Any:
    arguments: dict[str, Any] = {"keys": KEYS, "now_ms": NOW_MS, "domain": ORIGIN, "challenge": CHALLENGE}
    return verify_presentation(parse_presentation(document), **{**arguments, **changes})


def _presentation_refusal(document: dict[str, Any], **changes: Any) -> str:
    with pytest.raises(BonafidesError) as caught:
        _present(document, **changes)
    return caught.value.code


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "proof"}


def test_a_captured_presentation_is_useless_elsewhere() -> None:
    """Another verifier, another challenge or a later minute refuse it."""
    captured = presentation(expires_ms=NOW_MS + 30_000)
    assert _presentation_refusal(captured, domain=OTHER_ORIGIN) == "domain_mismatch"
    assert _presentation_refusal(captured, challenge="bmV3") == "challenge_mismatch"
    assert _presentation_refusal(captured, now_ms=NOW_MS + 30_000) == "presentation_expired"


@pytest.mark.parametrize("domain", [[ORIGIN], [ORIGIN, OTHER_ORIGIN], None, "", {"@id": ORIGIN}])
def test_a_presentation_is_for_one_domain(domain: object) -> None:
    """A list of domains would let the first verifier replay it to the second."""
    unsigned = build_presentation(holder=AGENT_DID)
    document = sign_document(
        unsigned, signer=AGENT, created=NOW_MS, challenge=CHALLENGE, proof_purpose="authentication", domain=ORIGIN
    )
    altered = changed(document, "proof", "domain", value=domain)
    assert _presentation_refusal(altered) == "domain_not_single"
    assert _presentation_refusal(without(document, "proof", "domain")) == "domain_missing"


def test_a_presentation_has_one_proof() -> None:
    """A second proof, genuine or not, before or after, is refused."""
    genuine = presentation()
    second = sign_document(
        _bare(genuine), signer=MALLORY, created=NOW_MS, proof_purpose="authentication", domain=ORIGIN
    )
    for proofs in ([genuine["proof"], second["proof"]], [second["proof"], genuine["proof"]], [genuine["proof"]], []):
        assert _presentation_refusal(changed(genuine, "proof", value=proofs)) == "presentation_proof_count"


def test_nobody_presents_for_another_holder() -> None:
    """The holder named must control the key, whatever is presented."""
    stolen = presentation(signer=MALLORY, credentials=[passport()])
    assert _presentation_refusal(stolen) == "holder_key_mismatch"
    unnamed = without(presentation(), "holder")
    assert _presentation_refusal(unnamed) == "holder_invalid"


def test_stolen_credentials_do_not_count() -> None:
    """Mallory presents another agent's genuine capability and passport: neither is Mallory's."""
    verified = _present(presentation(holder=MALLORY_DID, signer=MALLORY, credentials=[capability(), passport()]))
    assert verified.credentials == ()
    assert [each.error.code for each in verified.refused] == ["subject_not_holder"] * 2


def test_one_bad_credential_of_several_never_counts() -> None:
    """A forged capability between genuine ones is told apart in any position."""
    forged = resigned(capability(), KeySigner(seeded(5), OWNER.verification_method))
    for position in range(3):
        presented = [capability(), passport()]
        presented.insert(position, forged)
        verified = _present(presentation(credentials=presented))
        assert len(verified.credentials) == 2
        assert [each.error.code for each in verified.refused] == ["proof_invalid"]


def test_an_assertion_key_does_not_log_in_and_a_login_key_does_not_assert() -> None:
    """Keys are for the purposes that their DID document lists, both ways."""
    assert _presentation_refusal(presentation(holder=REGISTRY_DID, signer=REGISTRY)) == "verification_method_purpose"
    assert _refusal(resigned(VALID["release"][1](), REGISTRY_LOGIN)) == "verification_method_purpose"


def test_a_presentation_is_no_credential_and_the_other_way_round() -> None:
    """A login cannot be logged as a statement, and a statement logs nobody in."""
    with pytest.raises(BonafidesError):
        parse_credential(presentation())
    with pytest.raises(BonafidesError):
        parse_presentation(vouch())


def test_presentations_do_not_nest() -> None:
    """A presentation inside a presentation is no credential of ours."""
    outer = build_presentation(holder=AGENT_DID, credentials=[presentation()])
    signed = sign_document(
        outer, signer=AGENT, created=NOW_MS, domain=ORIGIN, challenge=CHALLENGE, proof_purpose="authentication"
    )
    assert _presentation_refusal(signed) == "credential_type_invalid"


def test_did_key_needs_no_other_lookup() -> None:
    """The attacks above fail for their own reasons: with did:key alone the agent's documents still verify."""
    assert _admit(vouch(), keys=SelfCertifyingLookup())
    assert _present(presentation(), keys=SelfCertifyingLookup())
