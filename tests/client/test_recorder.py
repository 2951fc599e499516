"""What an agent grants, records and contests through the client, and what the client refuses to believe."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import pytest

from did_methods.errors import BonafidesError
from registry.client.errors import ReceiptContentError, StandingError
from registry.client.transport import Transport
from registry.client.view import RegistryView
from registry.credentials.disclosure_file import make_disclosure_file, verify_disclosure_file
from registry.credentials.issue_evidence import Measured
from registry.credentials.model import parse_credential
from tests.support.client import Live

RECORD = hashlib.sha256(b"what we did").digest()


def test_a_receipt_goes_from_hand_to_hand(live: Live) -> None:
    """One offers, the other accepts and submits; both find it in their chains."""
    alice, bob = live.agent(), live.agent()
    half = alice.offer_receipt(bob.did, action="translate", interaction_digest=RECORD, part="provider")
    whole = bob.accept_receipt(half, interaction_digest=RECORD, outcome="completed", action="translate")
    assert parse_credential(whole).signers == (alice.did, bob.did)
    receipt = bob.submit(whole)
    assert alice.submit(whole).index == receipt.index  # the same event, whoever sends it


@pytest.mark.parametrize("changes", [{"interaction_digest": bytes(32)}, {"outcome": "failed"}, {"action": "summarise"}])
def test_nobody_countersigns_what_it_does_not_know(live: Live, changes: dict[str, object]) -> None:
    """Another record, another outcome or another action than one holds oneself is not signed."""
    alice, bob = live.agent(), live.agent()
    half = alice.offer_receipt(bob.did, action="translate", interaction_digest=RECORD)
    known: dict[str, object] = {"interaction_digest": RECORD, "outcome": "completed"}
    with pytest.raises(ReceiptContentError):
        bob.accept_receipt(half, **(known | changes))  # type: ignore[arg-type]


def test_a_half_for_another_log_or_another_agent_is_not_accepted(live: Live) -> None:
    """What could not be logged here, or names somebody else, gets no signature."""
    alice, bob, carol = live.agent(), live.agent(), live.agent()
    half = alice.offer_receipt(bob.did, action="translate", interaction_digest=RECORD)
    half["proof"][0]["domain"] = "elsewhere.example/00000000"
    with pytest.raises(ReceiptContentError):
        bob.accept_receipt(half, interaction_digest=RECORD, outcome="completed")
    half = alice.offer_receipt(bob.did, action="translate", interaction_digest=RECORD)
    with pytest.raises(BonafidesError) as caught:
        carol.accept_receipt(half, interaction_digest=RECORD, outcome="completed")
    assert caught.value.code == "proof_signers_invalid"


def test_reasons_stay_with_the_agent_unless_shared(live: Live) -> None:
    """The receipt of a statement holds its openings; the registry has them only where they were shared."""
    agent = live.agent()
    kept = agent.record_action("pay", "invoice:1", reasoning={"because": "due"}, share=False)
    shared = agent.record_action("pay", "invoice:1", reasoning="due", named=True)
    for receipt, value in ((kept, {"because": "due"}), (shared, "due")):
        file = make_disclosure_file(receipt.statement, receipt.disclosures)
        assert {one.name: one.value for one in verify_disclosure_file(file, receipt.statement)} == {"reasoning": value}
    said = parse_credential(dict(shared.statement)).subject
    assert said["action"] == "pay"
    assert said["reasoningCommitment"] == shared.disclosures[0].digest
    assert "action" not in parse_credential(dict(kept.statement)).subject


def test_badges_attestations_and_disputes_are_said_and_taken_back(live: Live) -> None:
    """By their event ids, as everything else."""
    alice, bob = live.agent(), live.agent()
    badge = alice.affiliate(bob.did, role="tester", private={"staff": 7})
    own = bob.attest(Measured(runtime="python-3-11"))
    third = alice.attest(Measured(code_digest=bytes(32)), did=bob.did, appraisal="affirming")
    report = alice.report(bob.did)
    dispute = bob.dispute(report.event, ground="never-happened")
    tables = live.world.registry.state.tables
    for who, receipt in ((alice, badge), (bob, own), (alice, third), (bob, dispute)):
        assert who.revoke(receipt.event).index > receipt.index
    assert not [one for one in tables.live.values() if one.subject == bob.did and one.kind != "report"]
    with pytest.raises(BonafidesError) as caught:
        bob.dispute("A" * 43)
    assert caught.value.params.get("code") == "event_not_found"


def test_a_delegation_ends_no_later_than_the_hop_above(live: Live) -> None:
    """The client keeps the bounds that it can see."""
    alice, bob, carol = live.agent(), live.agent(), live.agent()
    first = alice.delegate(bob.did, actions=["pay.*"], max_depth=1, valid_s=60, limits={"cents": 5})
    second = parse_credential(bob.delegate(carol.did, actions=["pay.read"], parent=first))
    assert second.valid_until_ms == parse_credential(first).valid_until_ms
    assert (second.subject["root"], second.subject["depth"], second.subject["maxDepth"]) == (alice.did, 1, 1)
    with pytest.raises(BonafidesError) as caught:
        carol.delegate(alice.did, actions=["pay.read"], parent=second.document)
    assert caught.value.code == "delegation_root_mismatch"


def test_a_signed_standing_is_verified_before_it_is_believed(live: Live) -> None:
    """One of another agent, with another figure, or of another kind is refused."""
    agent, other = live.agent(), live.agent()
    good = agent.standing_credential()
    assert parse_credential(good).subject["id"] == agent.did
    foreign = other.standing_credential()
    raised = {**good, "credentialSubject": {**good["credentialSubject"], "scoreMicros": 99_000_000}}
    vouch = dict(live.root.vouch(agent.did).statement)
    transport = Transport(live.url)
    for answer in (foreign, raised, vouch, {}):
        view = RegistryView(cast("Transport", _Lying(transport, answer)))
        with pytest.raises(StandingError):
            view.standing_credential(agent.did)


class _Lying:
    """A transport whose standings are what a test says."""

    def __init__(self, real: Transport, answer: dict[str, Any]) -> None:
        self.real, self._answer = real, answer

    def get(self, path: str, **query: str | int | None) -> dict[str, object]:
        """Answer a standing with the lie, all else truly."""
        return self._answer if path.endswith("/standing") else self.real.get(path, **query)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)
