"""Attacks with what is recorded and not counted: badges, receipts, attestations, disputes, delegations, standings."""

from __future__ import annotations

import copy
from typing import Any
from uuid import uuid4

import pytest

from did_methods.data_integrity import event_id
from registry.credentials.issue_evidence import (
    Measured,
    countersign_receipt,
    issue_affiliation,
    issue_attestation,
    issue_delegation,
    issue_dispute,
    issue_receipt,
)
from tests.support.actor import HOUR_MS, Actor
from tests.support.registry import DAY_MS, World, event_text


def _now(world: World, *, statement: bool = True) -> dict[str, Any]:
    now = {"uuid": str(uuid4()), "now_ms": world.clock.now_ms()}
    return now | ({"domain": world.origin} if statement else {})


def _half(world: World, first: Actor, second: Actor, **more: Any) -> dict[str, Any]:
    members: dict[str, Any] = {
        "signer": first.signer,
        "counterparty": second.did,
        "action": "translate",
        "interaction_digest": bytes(32),
        "outcome": "completed",
    }
    return issue_receipt(**{**members, **_now(world), **more})


def _refused(world: World, document: dict[str, Any]) -> str:
    """Return the code with which a statement is refused; hold that nothing changed."""
    before = world.fingerprint()
    answer = world.submit(document)
    assert answer.status >= 400, answer
    assert world.fingerprint() == before
    return str(answer.json["code"])


@pytest.fixture
def trusted(world: World) -> Actor:
    """An agent after two months of vouches, with a passport: good for `delete` with a capability."""
    alice = world.agent("alice")
    for _ in range(11):
        assert world.submit(world.operator.vouch(alice.did)).status == 201
        assert world.epoch().status == 201
        world.clock.advance(8 * DAY_MS)
    assert world.submit(world.operator.vouch(alice.did)).status == 201
    assert world.epoch().status == 201
    assert world.submit(alice.passport()).status == 201
    return alice


def test_a_withdrawn_badge_changes_no_decision(world: World, trusted: Actor) -> None:
    """Before it, with it and after its withdrawal the agent is allowed the same, by the same score and passport."""
    acme, capability = world.agent("acme"), world.operator.capability(trusted.did, "delete", lifetime_ms=HOUR_MS)

    def seen() -> tuple[Any, ...]:
        found = world.decide(trusted.request("delete", capabilities=(capability,)))
        shown = world.web.get(f"/v1/agents/{trusted.did}").json
        standing = world.web.get(f"/v1/agents/{trusted.did}/standing?at=last").json
        return found["decision"], found["context"]["reason"], shown, standing["scoreMicros"], standing["recordMicros"]

    before = seen()
    assert before[:2] == (True, "trust_ok")
    badge = issue_affiliation(
        signer=acme.signer, subject=trusted.did, role="bookkeeper", **_now(world, statement=False)
    )
    assert world.submit(badge).status == 201
    assert seen() == before
    assert world.submit(acme.revocation(badge)).status == 201
    assert seen() == before
    chain = world.web.get(f"/v1/agents/{trusted.did}/events").json["events"]
    assert [one["kind"] for one in chain[:3]] == ["revocation", "affiliation", "passport"]


def test_a_delegation_is_not_taken_for_a_capability(world: World, trusted: Actor) -> None:
    """What looks like authority but is another kind gives none, beside and inside the presentation."""
    operator = world.operator
    delegation = issue_delegation(
        signer=operator.signer,
        subject=trusted.did,
        actions=["*"],
        valid_until_ms=world.clock.now_ms() + HOUR_MS,
        **_now(world, statement=False),
    )
    badge = issue_affiliation(signer=operator.signer, subject=trusted.did, **_now(world, statement=False))
    standing = world.web.get(f"/v1/agents/{trusted.did}/standing?format=credential").json
    for document in (delegation, badge, standing):
        assert world.reason(trusted.request("delete", capabilities=(document,))) == "capability_required"
        assert world.reason(trusted.request("delete", credentials=(document,))) == "capability_required"
    assert _refused(world, delegation) == "kind_not_logged"
    assert _refused(world, standing) == "kind_not_logged"


def test_nobody_signs_both_sides_of_a_receipt(world: World) -> None:
    """Neither the same key twice, nor one party under the other's name, nor a proof lifted from another receipt."""
    alice, bob, mallory = (world.agent(name, short_lived=True) for name in ("alice", "bob", "mallory"))
    half = _half(world, mallory, bob)
    assert _refused(world, half) == "proof_count_invalid"
    assert _refused(world, half | {"proof": half["proof"][0]}) == "proof_count_invalid"
    assert _refused(world, half | {"proof": half["proof"] * 2}) == "proof_signers_invalid"
    forged = copy.deepcopy(half["proof"][0])
    forged["verificationMethod"] = bob.signer.verification_method
    assert _refused(world, half | {"proof": [*half["proof"], forged]}) == "proof_invalid"
    honest = countersign_receipt(
        _half(world, alice, bob), signer=bob.signer, now_ms=world.clock.now_ms(), domain=world.origin
    )
    assert _refused(world, half | {"proof": [half["proof"][0], honest["proof"][1]]}) == "proof_invalid"
    assert world.submit(honest).status == 201


def test_a_receipt_is_not_changed_after_one_has_signed(world: World) -> None:
    """Whoever alters the offer before counter-signing signs something else than the other did."""
    alice, bob = world.agent("alice", short_lived=True), world.agent("bob", short_lived=True)
    half = _half(world, alice, bob, outcome="failed")
    half["credentialSubject"]["outcome"] = "completed"
    whole = countersign_receipt(half, signer=bob.signer, now_ms=world.clock.now_ms(), domain=world.origin)
    assert _refused(world, whole) == "proof_invalid"


def test_a_receipt_for_another_log_does_not_enter(world: World) -> None:
    """Both proofs name the log, so an agreement made elsewhere is not replayed here."""
    alice, bob = world.agent("alice", short_lived=True), world.agent("bob", short_lived=True)
    elsewhere = _half(world, alice, bob, domain="elsewhere.example/00000000")
    now_ms = world.clock.now_ms()
    whole = countersign_receipt(elsewhere, signer=bob.signer, now_ms=now_ms, domain=world.origin)
    assert _refused(world, whole) == "domain_mismatch"
    late = countersign_receipt(_half(world, alice, bob), signer=bob.signer, now_ms=now_ms, domain=world.origin)
    world.clock.advance(DAY_MS)
    assert _refused(world, late) == "created_too_old"


def test_attestations_are_neither_borrowed_nor_dated_back(world: World) -> None:
    """One is logged when it is made; another agent's is not one's own, and one's own is not a third party's."""
    alice, bob = world.agent("alice", short_lived=True), world.agent("bob", short_lived=True)
    arguments: dict[str, Any] = {
        "signer": alice.signer,
        "subject": alice.did,
        "evidence_kind": "self",
        "nonce": b"n" * 16,
        "measured": Measured(code_digest=bytes(32)),
    }
    old = issue_attestation(**arguments, **_now(world))
    world.clock.advance(11 * 60_000)
    assert _refused(world, old) == "created_too_old"
    fresh = issue_attestation(**arguments, **_now(world))
    for member, value in (("id", bob.did), ("evidenceKind", "third-party")):
        altered = copy.deepcopy(fresh)
        altered["credentialSubject"][member] = value
        assert _refused(world, altered) == "attestation_evidence_mismatch"
    altered = copy.deepcopy(fresh)
    altered["issuer"] = altered["credentialSubject"]["id"] = bob.did
    assert _refused(world, altered) == "issuer_key_mismatch"
    assert world.submit(fresh).status == 201
    again = issue_attestation(**arguments, **_now(world))
    assert _refused(world, again) == "attestation_nonce_repeated"
    # The same document again is the same event, not another attestation.
    assert world.submit(fresh).status == 200


def test_disputes_move_no_score_and_are_the_subjects_own(world: World, trusted: Actor) -> None:
    """Neither a dispute nor a ruling in one's favour lifts a score; nobody disputes for a friend."""
    bob, operator = world.agent("bob"), world.operator
    report = operator.report(trusted.did)
    assert world.submit(report).status == 201
    target = f"/v1/agents/{trusted.did}/standing?at=last"
    before = world.web.get(target).json["scoreMicros"]
    arguments: dict[str, Any] = {"reporter": operator.did, "report": event_id(report)}
    assert _refused(world, issue_dispute(signer=bob.signer, **arguments, **_now(world))) == "nothing_to_dispute"
    dispute = issue_dispute(signer=trusted.signer, **arguments, **_now(world))
    assert world.submit(dispute).status == 201
    again = issue_dispute(signer=trusted.signer, **arguments, **_now(world))
    assert _refused(world, again) == "dispute_repeated"
    ruling = {"dispute": event_text(dispute), "ruling": "upheld", "reason": "no-evidence"}
    assert (
        world.web.post("/v1/rulings", ruling, headers={"authorization": "Bearer operator-key-for-tests"}).status == 201
    )
    assert world.web.get(target).json["scoreMicros"] == before


def test_a_badge_of_a_revoked_issuer_says_so(world: World) -> None:
    """The badge stays what was said; that its issuer has fallen stands beside it."""
    acme, bob = world.agent("acme"), world.agent("bob", short_lived=True)
    badge = issue_affiliation(signer=acme.signer, subject=bob.did, **_now(world, statement=False))
    assert world.submit(badge).status == 201
    assert world.quarantine(acme).status == 201
    (shown,) = world.web.get(f"/v1/agents/{bob.did}/evidence").json["affiliations"]
    assert shown["issuerState"] == "suspended"
    assert world.submit(acme.revocation(badge)).status == 201
    assert world.web.get(f"/v1/agents/{bob.did}/evidence").json["affiliations"] == []
