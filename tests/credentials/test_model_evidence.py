"""Badges, disputes, receipts, records, attestations, delegations, standings: one code for each way to miss their form."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from did_methods.errors import BonafidesError
from did_methods.timestamp import format_timestamp
from registry.credentials.model import parse_credential
from tests.credentials.builders import (
    AGENT_DID,
    HOUR_MS,
    MALLORY_DID,
    NOW_MS,
    ORIGIN,
    OWNER_DID,
    PEER,
    PEER_DID,
    REGISTRY_DID,
    capability,
    changed,
    digest_text,
    vouch,
    without,
)
from tests.credentials.builders_evidence import (
    STATUS,
    action_record,
    affiliation,
    attestation,
    delegation,
    dispute,
    erasure,
    erasure_request,
    half_receipt,
    hardware_attestation,
    receipt,
    ruling,
    second_hop,
    standing,
)

LATER = format_timestamp(NOW_MS + HOUR_MS)
Case = tuple[dict[str, Any], str, str | None]


def _said(document: dict[str, Any], member: str, value: Any) -> dict[str, Any]:
    return changed(document, "credentialSubject", member, value=value)


def _unsaid(document: dict[str, Any], member: str) -> dict[str, Any]:
    return without(document, "credentialSubject", member)


def _twice_the_same(document: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt on which one party signed for both, first as itself and then with another key's id."""
    return changed(document, "proof", value=[document["proof"][0], document["proof"][0]])


def _third(document: dict[str, Any]) -> dict[str, Any]:
    return sign_document(document, signer=PEER, created=NOW_MS, domain=ORIGIN, append=True)


AFFILIATIONS: dict[str, Case] = {
    "affiliation with itself": (_said(affiliation(), "id", OWNER_DID), "subject_is_issuer", None),
    "affiliation with a name": (_said(affiliation(), "role", "Alice Smith"), "subject_member_invalid", "role"),
    "affiliation with a proof that expires": (
        changed(affiliation(), "proof", "expires", value=LATER),
        "proof_expires_forbidden",
        None,
    ),
    "status without its index": (
        without(affiliation(), "credentialStatus", "statusListIndex"),
        "status_entries_invalid",
        None,
    ),
    "status with a number": (
        changed(affiliation(), "credentialStatus", "statusListIndex", value=7),
        "status_entries_invalid",
        None,
    ),
    "status with leading zeros": (
        changed(affiliation(), "credentialStatus", "statusListIndex", value="007"),
        "status_entries_invalid",
        None,
    ),
    "status for a message": (
        changed(affiliation(), "credentialStatus", "statusPurpose", value="message"),
        "status_entries_invalid",
        None,
    ),
    "status with more members": (
        changed(affiliation(), "credentialStatus", "statusSize", value=1),
        "status_entries_invalid",
        None,
    ),
    "status of another type": (
        changed(affiliation(), "credentialStatus", "type", value="StatusList2021Entry"),
        "status_entries_invalid",
        None,
    ),
    "status empty": (changed(affiliation(), "credentialStatus", value=[]), "status_entries_invalid", None),
    "status three times": (
        changed(delegation(), "credentialStatus", value=[*STATUS, STATUS[0]]),
        "status_entries_invalid",
        None,
    ),
    "status twice the same": (
        changed(delegation(), "credentialStatus", value=[STATUS[0]] * 2),
        "status_entries_invalid",
        None,
    ),
    "status twice for one purpose": (
        changed(delegation(), "credentialStatus", value=[STATUS[0], {**STATUS[1], "statusPurpose": "revocation"}]),
        "status_entries_invalid",
        None,
    ),
    "status of a capability not an object": (
        changed(capability(), "credentialStatus", value="https://owner.example/status/3"),
        "status_entries_invalid",
        None,
    ),
    "status on a vouch": (changed(vouch(), "credentialStatus", value=STATUS[0]), "member_unknown", None),
}
DISPUTES: dict[str, Case] = {
    "dispute with itself": (_said(dispute(), "id", AGENT_DID), "subject_is_issuer", None),
    "dispute of nothing": (_unsaid(dispute(), "event"), "subject_member_missing", "event"),
    "dispute with a text": (_said(dispute(), "ground", "I was not there"), "subject_member_invalid", "ground"),
    "dispute with an end": (changed(dispute(), "validUntil", value=LATER), "valid_until_forbidden", None),
    "erasure of the registry itself": (_said(erasure(), "id", REGISTRY_DID), "subject_is_issuer", None),
    "erasure of less than nothing": (_said(erasure(), "openings", -1), "subject_member_invalid", "openings"),
    "erasure that says what": (_said(erasure(), "value", "a name"), "subject_member_unknown", None),
    "erasure request for another": (_said(erasure_request(), "id", PEER_DID), "subject_not_issuer", None),
    "erasure request for no log": (without(erasure_request(), "proof", "domain"), "domain_missing", None),
    "ruling between one": (_said(ruling(), "reporter", AGENT_DID), "ruling_parties_same", None),
    "ruling of another word": (_said(ruling(), "ruling", "maybe"), "subject_member_invalid", "ruling"),
    "ruling without reason": (_unsaid(ruling(), "reason"), "subject_member_missing", "reason"),
    "ruling without reporter": (_unsaid(ruling(), "reporter"), "subject_member_missing", "reporter"),
}
RECEIPTS: dict[str, Case] = {
    "receipt with itself": (_said(receipt(), "id", AGENT_DID), "proof_signers_invalid", None),
    "receipt with one proof": (changed(receipt(), "proof", value=receipt()["proof"][0]), "proof_count_invalid", None),
    "receipt with half its proofs": (half_receipt(), "proof_count_invalid", None),
    "receipt with three proofs": (_third(receipt()), "proof_count_invalid", None),
    "receipt with the same party twice": (_twice_the_same(receipt()), "proof_signers_invalid", None),
    "receipt with a stranger": (_said(receipt(), "id", MALLORY_DID), "proof_signers_invalid", None),
    "receipt with one proof without domain": (without(receipt(), "proof", 1, "domain"), "domain_missing", None),
    "receipt with any action": (_said(receipt(), "action", "translate.*"), "subject_member_invalid", "action"),
    "receipt with another outcome": (_said(receipt(), "outcome", "good"), "subject_member_invalid", "outcome"),
    "receipt with a proof that expires": (
        changed(receipt(), "proof", 0, "expires", value=LATER),
        "proof_expires_forbidden",
        None,
    ),
}
RECORDS: dict[str, Case] = {
    "action record of somebody else": (_said(action_record(), "id", PEER_DID), "subject_not_issuer", None),
    "action record without digest": (
        _unsaid(action_record(), "actionDigest"),
        "subject_member_missing",
        "actionDigest",
    ),
    "reasoning that nothing opens": (
        _said(action_record(), "reasoningCommitment", digest_text(1)),
        "reasoning_not_committed",
        None,
    ),
    "reasoning without commitments": (_unsaid(action_record(), "commitments"), "reasoning_not_committed", None),
    "decision not an evaluation id": (_said(action_record(), "decision", "42"), "subject_member_invalid", "decision"),
}
ATTESTATIONS: dict[str, Case] = {
    "attestation of another called self": (_said(attestation(), "id", PEER_DID), "attestation_evidence_mismatch", None),
    "attestation of itself called third party": (
        _said(attestation(), "evidenceKind", "third-party"),
        "attestation_evidence_mismatch",
        None,
    ),
    "attestation of itself called hardware": (
        _said(_said(attestation(), "evidenceKind", "hardware"), "evidenceDigest", digest_text(1)),
        "attestation_evidence_mismatch",
        None,
    ),
    "attestation of itself with praise": (
        _said(attestation(), "appraisal", "affirming"),
        "attestation_evidence_mismatch",
        None,
    ),
    "hardware without evidence": (
        _unsaid(hardware_attestation(), "evidenceDigest"),
        "attestation_evidence_mismatch",
        None,
    ),
    "attestation of nothing": (
        _unsaid(_unsaid(hardware_attestation(), "codeDigest"), "model"),
        "attestation_empty",
        None,
    ),
    "attestation without nonce": (_unsaid(attestation(), "eatNonce"), "subject_member_missing", "eatNonce"),
    "attestation with a short nonce": (
        _said(attestation(), "eatNonce", "A" * 10),
        "subject_member_invalid",
        "eatNonce",
    ),
    "attestation with an end": (changed(attestation(), "validUntil", value=LATER), "valid_until_forbidden", None),
}
DELEGATIONS: dict[str, Case] = {
    "delegation to itself": (_said(delegation(), "id", OWNER_DID), "subject_is_issuer", None),
    "delegation without end": (without(delegation(), "validUntil"), "valid_until_missing", None),
    "delegation of nothing": (_said(delegation(), "actions", []), "subject_member_invalid", "actions"),
    "first hop with a parent": (_said(delegation(), "parent", digest_text(0)), "delegation_depth_invalid", None),
    "second hop without a parent": (_unsaid(second_hop(), "parent"), "delegation_depth_invalid", None),
    "second hop that says it is the first": (_said(second_hop(), "depth", 0), "delegation_depth_invalid", None),
    "hop deeper than it may be": (_said(second_hop(), "maxDepth", 0), "delegation_depth_invalid", None),
    "hop deeper than any may be": (_said(second_hop(), "depth", 8), "subject_member_invalid", "depth"),
    "first hop of another root": (_said(delegation(), "root", PEER_DID), "delegation_root_mismatch", None),
    "second hop whose issuer is the root": (_said(second_hop(), "root", AGENT_DID), "delegation_root_mismatch", None),
    "hop back to the root": (_said(second_hop(), "id", OWNER_DID), "delegation_root_mismatch", None),
    "parent not an event id": (_said(second_hop(), "parent", "urn:uuid:1"), "subject_member_invalid", "parent"),
    "limits unsorted": (
        _said(delegation(), "limits", delegation()["credentialSubject"]["limits"][::-1]),
        "delegation_limits_unsorted",
        None,
    ),
    "limits repeated": (
        _said(delegation(), "limits", [{"name": "a", "maximum": 1}, {"name": "a", "maximum": 2}]),
        "delegation_limits_unsorted",
        None,
    ),
    "limit with a fraction": (
        _said(delegation(), "limits", [{"name": "a", "maximum": 0.5}]),
        "subject_member_invalid",
        "limits.maximum",
    ),
    "limit of an unknown sort": (
        _said(delegation(), "limits", [{"name": "a", "minimum": 1, "maximum": 2}]),
        "subject_member_unknown",
        "limits",
    ),
}
STANDINGS: dict[str, Case] = {
    "standing without end": (without(standing(), "validUntil"), "valid_until_missing", None),
    "standing of another instant": (_said(standing(), "time", NOW_MS), "standing_time_mismatch", None),
    "standing signed before its instant": (
        changed(standing(), "proof", "created", value=format_timestamp(NOW_MS - HOUR_MS)),
        "standing_time_mismatch",
        None,
    ),
    "standing above a hundred": (
        _said(standing(), "scoreMicros", 100_000_001),
        "subject_member_invalid",
        "scoreMicros",
    ),
    "standing in another state": (_said(standing(), "state", "famous"), "subject_member_invalid", "state"),
}
REFUSED: dict[str, Case] = {
    **AFFILIATIONS,
    **DISPUTES,
    **RECEIPTS,
    **RECORDS,
    **ATTESTATIONS,
    **DELEGATIONS,
    **STANDINGS,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_malformed_evidence_is_refused(reason: str) -> None:
    """Each document misses the form in one way, and is refused with the code and member stated."""
    document, code, member = REFUSED[reason]
    with pytest.raises(BonafidesError) as caught:
        parse_credential(document)
    assert (caught.value.code, caught.value.params.get("member")) == (code, member)


def test_status_entries_are_read_in_both_forms() -> None:
    """One entry stands alone, two stand in a list, and none is an empty tuple."""
    assert parse_credential(affiliation()).status_entries == (STATUS[0],)
    assert parse_credential(delegation()).status_entries == tuple(STATUS)
    assert parse_credential(second_hop()).status_entries == ()


def test_who_a_credential_is_about() -> None:
    """A ruling is about both sides, everything else about one."""
    assert parse_credential(ruling()).subjects == (AGENT_DID, PEER_DID)
    assert parse_credential(dispute()).subjects == (PEER_DID,)


def test_the_two_proofs_of_a_receipt_have_no_order() -> None:
    """Whoever signed first, the issuer's proof is read first, and the event is the same."""
    document = receipt()
    swapped = changed(document, "proof", value=document["proof"][::-1])
    first, second = parse_credential(document), parse_credential(swapped)
    assert first.proofs == second.proofs
    assert first.signers == (AGENT_DID, PEER_DID)
    assert first.event_id == second.event_id


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"counterparty": AGENT_DID}, "subject_is_issuer"),
        ({"action": "Translate It"}, "subject_member_invalid"),
        ({"outcome": "good"}, "subject_member_invalid"),
    ],
)
def test_half_a_receipt_is_checked_before_it_leaves(changes: dict[str, Any], code: str) -> None:
    """What the other party could never complete is refused when the first one signs."""
    with pytest.raises(BonafidesError) as caught:
        half_receipt(**changes)
    assert caught.value.code == code


def test_a_second_hop_names_the_first() -> None:
    """The parent is the event id of the hop above, which does not depend on who signed it when."""
    above, below = parse_credential(delegation()), parse_credential(second_hop())
    assert below.subject["parent"] == base64url_encode(above.event_id)
    assert (below.subject["root"], below.subject["depth"]) == (OWNER_DID, 1)
    with pytest.raises(BonafidesError) as caught:
        second_hop(parent=capability())
    assert caught.value.code == "delegation_depth_invalid"
