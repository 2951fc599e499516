"""Parsing credentials: the pinned form, and one code for each way to miss it."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.errors import BonafidesError
from did_methods.timestamp import format_timestamp
from registry.credentials.model import parse_credential
from tests.credentials.builders import (
    AGENT,
    AGENT_DID,
    HOUR_MS,
    NOW_MS,
    OPERATOR,
    OPERATOR_DID,
    OWNER,
    OWNER_DID,
    PEER_DID,
    REGISTRY,
    REGISTRY_DID,
    VALID,
    VERSION_ID,
    acceptance,
    capability,
    changed,
    digest_text,
    owned_passport,
    passport,
    report,
    resigned,
    vouch,
    without,
)

GENESIS = VALID["genesis"][1]()
EPOCH = VALID["epoch"][1]()
ROOTS = VALID["root_list"][1]()
LATER = format_timestamp(NOW_MS + HOUR_MS)
SOME_TIME = format_timestamp(NOW_MS - HOUR_MS)

# What is wrong -> (document, code, member named). All are refused whoever signs them.
REFUSED: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "type is a string": (changed(vouch(), "type", value="VerifiableCredential"), "credential_type_invalid", None),
    "type reordered": (changed(vouch(), "type", value=vouch()["type"][::-1]), "credential_type_invalid", None),
    "type with a third": (changed(vouch(), "type", value=[*vouch()["type"], "X"]), "credential_type_invalid", None),
    "type not text": (changed(vouch(), "type", 1, value=1), "credential_type_invalid", None),
    "type missing": (without(vouch(), "type"), "credential_type_invalid", None),
    "type unknown": (changed(vouch(), "type", 1, value="AgentBlessingCredential"), "credential_kind_unknown", None),
    "context with one": (changed(vouch(), "@context", value=vouch()["@context"][:1]), "context_not_pinned", None),
    "context missing": (without(vouch(), "@context"), "member_missing", "@context"),
    "id upper case": (changed(vouch(), "id", value=vouch()["id"].upper()), "credential_id_invalid", None),
    "id version 1": (
        changed(vouch(), "id", value="urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33"),
        "credential_id_invalid",
        None,
    ),
    "id missing": (without(vouch(), "id"), "member_missing", "id"),
    "id on an acceptance": (changed(acceptance(), "id", value=vouch()["id"]), "member_unknown", None),
    "issuer an object": (changed(vouch(), "issuer", value={"id": AGENT_DID}), "issuer_invalid", None),
    "issuer a URL": (changed(vouch(), "issuer", value="https://example.com/me"), "issuer_invalid", None),
    "operator not a did:key": (changed(GENESIS, "issuer", value=REGISTRY_DID), "issuer_invalid", None),
    "validFrom without zone": (changed(vouch(), "validFrom", value="2026-11-20T09:00:00"), "valid_from_invalid", None),
    "validFrom on 30 February": (
        changed(vouch(), "validFrom", value="2026-02-30T09:00:00Z"),
        "valid_from_invalid",
        None,
    ),
    "validFrom a leap second": (
        changed(vouch(), "validFrom", value="2026-06-30T23:59:60Z"),
        "valid_from_invalid",
        None,
    ),
    "validFrom missing": (without(vouch(), "validFrom"), "member_missing", "validFrom"),
    "validFrom after created": (changed(vouch(), "validFrom", value=LATER), "valid_from_after_created", None),
    "validUntil without zone": (
        changed(capability(), "validUntil", value="2027-01-01T00:00:00"),
        "valid_until_invalid",
        None,
    ),
    "validUntil in month 13": (
        changed(capability(), "validUntil", value="2027-13-01T00:00:00Z"),
        "valid_until_invalid",
        None,
    ),
    "validUntil on a vouch": (changed(vouch(), "validUntil", value=LATER), "valid_until_forbidden", None),
    "validUntil on a report": (changed(report(), "validUntil", value=LATER), "valid_until_forbidden", None),
    "validUntil missing": (without(capability(), "validUntil"), "valid_until_missing", None),
    "validity empty": (changed(capability(), "validUntil", value=SOME_TIME), "validity_empty", None),
    "extra member": (changed(vouch(), "evidence", value=[]), "member_unknown", None),
    "subject missing": (without(vouch(), "credentialSubject"), "member_missing", "credentialSubject"),
    "subject a list": (changed(vouch(), "credentialSubject", value=[{}]), "subject_invalid", None),
    "subject with extra": (changed(vouch(), "credentialSubject", "note", value="hi"), "subject_member_unknown", None),
    "strength missing": (without(vouch(), "credentialSubject", "strength"), "subject_member_missing", "strength"),
    "context with spaces": (
        changed(vouch(), "credentialSubject", "context", value="all payments"),
        "subject_member_invalid",
        "context",
    ),
    "commitment too short": (
        changed(vouch(), "credentialSubject", "commitments", value=["abc"]),
        "subject_member_invalid",
        "commitments",
    ),
    "commitment not canonical": (
        changed(vouch(), "credentialSubject", "commitments", value=[digest_text(0)[:-1] + "B"]),
        "subject_member_invalid",
        "commitments",
    ),
    "commitments repeated": (
        changed(vouch(), "credentialSubject", "commitments", value=[digest_text(0)] * 2),
        "subject_member_invalid",
        "commitments",
    ),
    "commitments unsorted": (
        changed(vouch(), "credentialSubject", "commitments", value=[digest_text(1), digest_text(0)]),
        "commitments_unsorted",
        None,
    ),
    "vouch for itself": (changed(vouch(), "credentialSubject", "id", value=AGENT_DID), "self_vouch", None),
    "report on itself": (changed(report(), "credentialSubject", "id", value=AGENT_DID), "self_report", None),
    "passport of another": (changed(passport(), "credentialSubject", "id", value=PEER_DID), "subject_not_issuer", None),
    "epoch of another": (changed(EPOCH, "credentialSubject", "id", value=PEER_DID), "subject_not_issuer", None),
    "model without name": (
        without(passport(), "credentialSubject", "model", "name"),
        "subject_member_missing",
        "model.name",
    ),
    "model with both": (
        changed(passport(), "credentialSubject", "model", "digest", value=digest_text(0)),
        "subject_member_unknown",
        "model",
    ),
    "passport of a did:key with a version": (
        changed(passport(), "credentialSubject", "versionId", value=VERSION_ID),
        "passport_version_missing",
        None,
    ),
    "owner without proof": (passport(owner=OWNER_DID) | {"proof": passport()["proof"]}, "proof_count_invalid", None),
    "owner's list of one": (passport(owner=OWNER_DID), "proof_count_invalid", None),
    "two proofs without owner": (without(owned_passport(), "credentialSubject", "owner"), "proof_count_invalid", None),
    "three proofs": (
        changed(owned_passport(), "proof", value=[*owned_passport()["proof"], passport()["proof"]]),
        "proof_count_invalid",
        None,
    ),
    "agent's proof twice": (
        changed(owned_passport(), "proof", value=owned_passport()["proof"][:1] * 2),
        "proof_signers_invalid",
        None,
    ),
    "owner is the agent": (
        changed(owned_passport(), "credentialSubject", "owner", value=AGENT_DID)
        | {"proof": owned_passport()["proof"][:1] * 2},
        "owner_is_agent",
        None,
    ),
    "roots repeated": (
        changed(ROOTS, "credentialSubject", "roots", value=[PEER_DID] * 2),
        "subject_member_invalid",
        "roots",
    ),
    "no roots": (changed(ROOTS, "credentialSubject", "roots", value=[]), "subject_member_invalid", "roots"),
    "65 roots": (
        changed(ROOTS, "credentialSubject", "roots", value=[f"did:example:{each}" for each in range(65)]),
        "subject_member_invalid",
        "roots",
    ),
    "genesis of two registries": (
        changed(GENESIS, "credentialSubject", "id", value=PEER_DID),
        "genesis_registry_mismatch",
        None,
    ),
    "log key of another origin": (
        changed(GENESIS, "credentialSubject", "origin", value="other.example"),
        "genesis_log_key_mismatch",
        None,
    ),
    "profile unknown": (
        changed(GENESIS, "credentialSubject", "profile", value="test"),
        "subject_member_invalid",
        "profile",
    ),
    "acceptance dated freely": (
        changed(acceptance(), "credentialSubject", "accepted", 1, "time", value=NOW_MS),
        "acceptance_time_mismatch",
        None,
    ),
    "action with an inner asterisk": (
        changed(capability(), "credentialSubject", "actions", value=["pay*ments"]),
        "subject_member_invalid",
        "actions",
    ),
    "resource without id": (
        without(capability(), "credentialSubject", "resources", 0, "id"),
        "subject_member_missing",
        "resources.id",
    ),
    "proof missing": (without(vouch(), "proof"), "member_missing", "proof"),
    "proof a list of one": (changed(vouch(), "proof", value=[vouch()["proof"]]), "proof_count_invalid", None),
    "proof null": (changed(vouch(), "proof", value=None), "proof_count_invalid", None),
    "proof with extra": (changed(vouch(), "proof", "nonce", value="x"), "proof_member_unknown", None),
    "proof with challenge": (changed(vouch(), "proof", "challenge", value="x"), "proof_member_unknown", None),
    "proof chained": (changed(vouch(), "proof", "previousProof", value="urn:x"), "proof_member_unknown", None),
    "proof without value": (without(vouch(), "proof", "proofValue"), "proof_member_missing", "proofValue"),
    "proof value in base64": (
        changed(vouch(), "proof", "proofValue", value="u" + "A" * 86),
        "proof_member_invalid",
        "proofValue",
    ),
    "proof value of 63 bytes": (
        changed(vouch(), "proof", "proofValue", value="z" + "2" * 80),
        "proof_value_malformed",
        None,
    ),
    "other suite": (
        changed(vouch(), "proof", "cryptosuite", value="eddsa-rdfc-2022"),
        "proof_member_invalid",
        "cryptosuite",
    ),
    "method relative": (
        changed(vouch(), "proof", "verificationMethod", value="#key-1"),
        "proof_member_invalid",
        "verificationMethod",
    ),
    "proof for authentication": (
        changed(vouch(), "proof", "proofPurpose", value="authentication"),
        "proof_purpose_invalid",
        None,
    ),
    "proof without purpose": (without(vouch(), "proof", "proofPurpose"), "proof_purpose_invalid", None),
    "proof without created": (without(vouch(), "proof", "created"), "proof_created_invalid", None),
    "created without zone": (
        changed(vouch(), "proof", "created", value="2026-11-20T09:00:00"),
        "proof_created_invalid",
        None,
    ),
    "created on 31 April": (
        changed(vouch(), "proof", "created", value="2026-04-31T09:00:00Z"),
        "proof_malformed",
        "created",
    ),
    "proof of a vouch expires": (changed(vouch(), "proof", "expires", value=LATER), "proof_expires_forbidden", None),
    "proof of a report expires": (changed(report(), "proof", "expires", value=LATER), "proof_expires_forbidden", None),
    "domain missing": (without(vouch(), "proof", "domain"), "domain_missing", None),
    "domain a list": (changed(vouch(), "proof", "domain", value=["a.example"]), "domain_not_single", None),
    "domain empty": (changed(vouch(), "proof", "domain", value=""), "domain_not_single", None),
    "proof context differs": (changed(vouch(), "proof", "@context", value=[]), "context_not_pinned", None),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_each_departure_has_its_code(reason: str) -> None:
    """A document that is not of the pinned form is refused with the code of what is wrong."""
    document, code, member = REFUSED[reason]
    with pytest.raises(BonafidesError) as caught:
        parse_credential(document)
    assert caught.value.code == code
    assert caught.value.params.get("member") == member


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refusal_repeats_nothing_that_was_sent(reason: str) -> None:
    """Neither detail nor parameters hold a value of the document, so they can be shown and logged."""
    document, _code, _member = REFUSED[reason]
    with pytest.raises(BonafidesError) as caught:
        parse_credential(document)
    told = f"{caught.value.detail} {caught.value.params}"
    for sent in (AGENT_DID, PEER_DID, OWNER_DID, OPERATOR_DID, "note", "evidence", "hi"):
        assert sent not in told.split()


@pytest.mark.parametrize("name", VALID)
def test_valid_documents_parse(name: str) -> None:
    """Every kind's example becomes a credential with its members as values."""
    signer, build = VALID[name]
    document = build()
    credential = parse_credential(document)
    assert credential.document is document
    assert credential.issuer == document["issuer"] == credential.signers[0]
    assert credential.id == document.get("id", "")
    assert credential.subject_id == document["credentialSubject"].get("id", "")
    assert len(credential.event_id) == 32
    assert credential.proofs[0].verification_method == signer.verification_method
    assert credential.kind.type == document["type"][1]


def test_times_are_milliseconds() -> None:
    """Times with offset and fraction mean the same instant as their UTC text."""
    document = resigned(changed(capability(), "validFrom", value="2026-11-20T10:00:00.250+01:00"), OWNER)
    credential = parse_credential(document)
    assert credential.valid_from_ms == NOW_MS + 250
    assert credential.valid_until_ms == NOW_MS + HOUR_MS
    assert credential.created_ms == NOW_MS


def test_the_newest_proof_dates_a_credential() -> None:
    """With two proofs the later one counts, whatever their order in the document."""
    document = owned_passport()
    document["proof"][1]["created"] = LATER
    assert parse_credential(document).created_ms == NOW_MS + HOUR_MS
    document["proof"].reverse()
    assert parse_credential(document).created_ms == NOW_MS + HOUR_MS


def test_the_issuers_proof_comes_first() -> None:
    """Proofs are put in the order of their signers, so readers need not look for the agent's."""
    document = owned_passport()
    document["proof"].reverse()
    credential = parse_credential(document)
    assert credential.signers == (AGENT_DID, OWNER_DID)
    assert [proof.verification_method for proof in credential.proofs] == [
        AGENT.verification_method,
        OWNER.verification_method,
    ]


def test_the_event_id_is_that_of_the_statement() -> None:
    """Another signature, other proof options or another order of members make no other event; another id does."""
    first = parse_credential(vouch())
    again = parse_credential(resigned(vouch(), AGENT, created=NOW_MS + 1_000))
    shuffled = parse_credential(dict(reversed(vouch().items())))
    assert first.event_id == again.event_id == shuffled.event_id
    other = vouch(uuid="11111111-1111-4111-8111-111111111111")
    assert parse_credential(other).event_id != first.event_id


def test_a_webvh_passport_names_its_version() -> None:
    """The passport of a did:webvh agent is bound to a version of its DID, and one without is refused."""
    did = "did:webvh:" + "Q" * 46 + ":example.com:agents:a"
    signed = changed(changed(passport(), "issuer", value=did), "credentialSubject", "id", value=did)
    with pytest.raises(BonafidesError) as caught:
        parse_credential(signed)
    assert caught.value.code == "passport_version_missing"
    bound = changed(signed, "credentialSubject", "versionId", value=VERSION_ID)
    assert parse_credential(bound).subject["versionId"] == VERSION_ID


@pytest.mark.parametrize("strength", [1, 100])
def test_both_ends_of_the_scale_are_taken(strength: int) -> None:
    """Strength and severity run from 1 to 100, both included."""
    assert parse_credential(vouch(strength=strength)).subject["strength"] == strength
    assert parse_credential(report(severity=strength)).subject["severity"] == strength


def test_registry_kinds_carry_their_roles() -> None:
    """The table says who signs: the operator root as a did:key, or the registry's own DID."""
    for name in ("genesis", "root_list", "agent_revocation"):
        assert parse_credential(VALID[name][1]()).kind.signer == "operator"
        assert VALID[name][0] is OPERATOR
    for name in ("epoch", "quarantine", "release", "acceptance"):
        assert parse_credential(VALID[name][1]()).kind.signer == "registry"
        assert VALID[name][0] is REGISTRY
