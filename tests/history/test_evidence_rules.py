"""Badges, disputes, rulings, receipts, records, attestations: what each needs, what it changes, and the code of each refusal."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.errors import BonafidesError
from registry.audit.log_audit import LogAudit
from registry.history.snapshot import dump_state, load_state
from registry.log.entry import parse_leaf
from tests.credentials.builders import capability
from tests.credentials.builders_evidence import delegation, standing
from tests.history.test_rules import refused
from tests.support import evidence
from tests.support.drafts import fingerprint
from tests.support.logs import DAY_MS, ORIGIN, Actor, LogBuilder, key_actor

Scene = tuple[LogBuilder, Actor, Actor, Actor]


@pytest.fixture
def scene() -> Scene:
    """A log with a root that has a voice, a did:key agent and a hosted did:webvh agent."""
    log = LogBuilder().open(key_actor("root-agent"))
    root, alice, bob = log.agent("root-agent"), log.agent("alice"), log.agent("bob", hosted=True)
    log.epoch()
    log.wait()
    return log, root, alice, bob


def audited(log: LogBuilder) -> bool:
    """Say whether the audit finds nothing, and a snapshot gives the very state of the log."""
    audit = LogAudit(ORIGIN, log.log_key)
    for entry in log.entries:
        audit.take_all([entry])
    audit.finish()
    breaches = [one for one in audit.findings if one.severity == "breach"]
    again = load_state(dump_state(log.state))
    return not breaches and again.tables == log.state.tables and again.head == log.state.head


def scores(log: LogBuilder, *actors: Actor) -> list[int]:
    """Return the scores of agents now."""
    return [log.state.reputation.reading(one.did, now_ms=log.now_ms).score_micros for one in actors]


# ---------------------------------------------------------------- affiliation


def test_withdrawing_an_affiliation_leaves_passport_and_history(scene: Scene) -> None:
    """The badge goes; passport, state, score, vouches and every entry of the agent's chain stay as they were."""
    log, root, alice, bob = scene
    log.passport(bob)
    log.vouch(root, bob)
    badge = log.add(evidence.affiliation(log, alice, bob))
    assert log.state.tables.live[badge.event_id].kind == "affiliation"
    before, score = log.state.tables.agents[bob.did], scores(log, bob)
    live = {event for event, one in log.state.tables.live.items() if one.kind != "affiliation"}
    leaves = list(log.entries)
    log.revoke(alice, badge)
    assert badge.event_id not in log.state.tables.live
    assert log.state.tables.agents[bob.did] == before
    assert before.passport_event is not None
    assert scores(log, bob) == score
    assert set(log.state.tables.live) == live
    assert log.entries[:-1] == leaves
    assert audited(log)


def test_a_badge_is_its_issuers_to_withdraw(scene: Scene) -> None:
    """Neither the agent nor anybody else ends it; a newer one of the same issuer replaces it."""
    log, root, alice, bob = scene
    first = log.add(evidence.affiliation(log, alice, bob))
    assert refused(log, log.revocation_document(bob, first)) == "nothing_to_revoke"
    second = log.add(evidence.affiliation(log, alice, bob, role="lead"))
    other = log.add(evidence.affiliation(log, root, bob))
    assert set(log.state.tables.live) == {second.event_id, other.event_id}
    assert refused(log, log.revocation_document(alice, first)) == "nothing_to_revoke"


def test_who_gives_and_gets_a_logged_badge(scene: Scene) -> None:
    """Both are agents here; a badge is in its bearer's favour, so a suspended one gets none."""
    log, root, alice, bob = scene
    stranger = key_actor("stranger")
    assert refused(log, evidence.affiliation(log, stranger, bob)) == "agent_unknown"
    assert refused(log, evidence.affiliation(log, bob, stranger)) == "agent_unknown"
    badge = log.add(evidence.affiliation(log, alice, bob))
    log.set_state("quarantine", bob)
    assert refused(log, evidence.affiliation(log, root, bob)) == "subject_not_active"
    assert refused(log, evidence.affiliation(log, bob, root)) == "agent_suspended"
    log.set_state("quarantine", alice)
    log.revoke(alice, badge)
    assert audited(log)


def test_a_badge_does_not_come_from_the_future(scene: Scene) -> None:
    """It is portable: an old one may be logged at any time until it ends, one from the future never."""
    log, _, alice, bob = scene
    document = evidence.affiliation(log, alice, bob, valid_until_ms=log.now_ms + DAY_MS)
    assert refused(log, document, time_ms=log.now_ms + DAY_MS) == "credential_expired"
    ahead = evidence.affiliation(log, alice, bob, now_ms=log.now_ms + 1)
    assert refused(log, ahead) == "created_in_future"
    log.wait(DAY_MS - 1)
    log.add(document)


# ---------------------------------------------------------------- disputes and rulings


def test_a_dispute_is_heard_and_ruled_on(scene: Scene) -> None:
    """Open, then upheld; the report stays live and in the score, for rules version 1 does not count rulings."""
    log, root, alice, _ = scene
    report = log.report(root, alice)
    score = scores(log, alice)
    disputed = log.add(evidence.dispute(log, alice, report))
    assert log.state.tables.disputes[report.event_id].state == "open"
    ruled = log.add(evidence.ruling(log, disputed))
    record = log.state.tables.disputes[report.event_id]
    assert (record.state, record.ruling_index, record.ruling_event) == ("upheld", ruled.index, ruled.event_id)
    assert report.event_id in log.state.tables.live
    assert disputed.event_id not in log.state.tables.live
    assert scores(log, alice) == score
    assert audited(log)


def test_a_ruling_stands_in_the_chains_of_both(scene: Scene) -> None:
    """Signer and both sides are parties of the leaf; of a dispute, who disputes and who reported."""
    log, root, alice, _ = scene
    disputed = log.add(evidence.dispute(log, alice, log.report(root, alice)))
    ruled = log.add(evidence.ruling(log, disputed, "dismissed"))
    roles = {party.did: party.roles for party in parse_leaf(ruled.data).parties}
    assert roles == {log.registry.did: ("signer",), alice.did: ("subject",), root.did: ("subject",)}
    roles = {party.did: party.roles for party in parse_leaf(disputed.data).parties}
    assert roles == {alice.did: ("signer",), root.did: ("subject",)}


def test_only_the_reported_disputes_and_only_once(scene: Scene) -> None:
    """Somebody else's report is nobody else's to dispute; a ruled one is not disputed, nor ruled on, again."""
    log, root, alice, bob = scene
    report, vouch = log.report(root, alice), log.vouch(root, bob)
    assert refused(log, evidence.dispute(log, bob, report)) == "nothing_to_dispute"
    assert refused(log, evidence.dispute(log, bob, vouch)) == "nothing_to_dispute"
    assert refused(log, evidence.dispute(log, alice, report, reporter=bob.did)) == "nothing_to_dispute"
    assert refused(log, evidence.dispute(log, key_actor("stranger"), report)) == "agent_unknown"
    disputed = log.add(evidence.dispute(log, alice, report))
    assert refused(log, evidence.dispute(log, alice, report)) == "dispute_repeated"
    log.add(evidence.ruling(log, disputed, "dismissed"))
    assert refused(log, evidence.dispute(log, alice, report)) == "dispute_repeated"
    assert refused(log, evidence.ruling(log, disputed)) == "dispute_not_open"
    assert refused(log, log.revocation_document(alice, disputed)) == "nothing_to_revoke"


def test_a_reporter_cannot_dispute_its_own_report(scene: Scene) -> None:
    """Who reported takes the report back; it does not dispute itself."""
    log, root, alice, _ = scene
    report = log.report(root, alice)
    assert refused(log, evidence.dispute(log, root, report, reporter=alice.did)) == "nothing_to_dispute"


def test_a_dispute_ends_with_its_report(scene: Scene) -> None:
    """A report taken back or replaced takes the dispute along; the newer report may be disputed in its turn."""
    log, root, alice, _ = scene
    first = log.report(root, alice, "coding")
    disputed = log.add(evidence.dispute(log, alice, first))
    second = log.report(root, alice, "coding")
    assert log.state.tables.disputes == {}
    assert set(log.state.tables.live) == {second.event_id}
    assert refused(log, evidence.ruling(log, disputed)) == "dispute_not_open"
    again = log.add(evidence.dispute(log, alice, second))
    log.add(evidence.ruling(log, again))
    log.revoke(root, second)
    assert log.state.tables.disputes == log.state.tables.live == {}
    assert audited(log)


def test_a_dispute_may_be_withdrawn_and_made_again(scene: Scene) -> None:
    """While it is open it is its issuer's own."""
    log, root, alice, _ = scene
    report = log.report(root, alice)
    disputed = log.add(evidence.dispute(log, alice, report))
    assert refused(log, log.revocation_document(root, disputed)) == "nothing_to_revoke"
    log.revoke(alice, disputed)
    assert log.state.tables.disputes == {}
    log.add(evidence.dispute(log, alice, report))
    assert audited(log)


def test_the_suspended_may_defend_themselves_the_revoked_not(scene: Scene) -> None:
    """Quarantine takes no voice in one's own defence; revocation is final."""
    log, root, alice, _ = scene
    first, second = log.report(root, alice), log.report(root, alice, "coding")
    log.set_state("quarantine", alice)
    log.add(evidence.dispute(log, alice, first))
    log.set_state("agent_revocation", alice)
    assert refused(log, evidence.dispute(log, alice, second)) == "agent_revoked"


@pytest.mark.parametrize("who", ["root-agent", "bob", "operator"])
def test_only_the_registry_rules(scene: Scene, who: str) -> None:
    """No agent and not even the operator root rules; the registry's own key does, and about nobody else."""
    log, root, alice, bob = scene
    disputed = log.add(evidence.dispute(log, alice, log.report(root, alice)))
    signer = {"root-agent": root, "bob": bob, "operator": log.root}[who].signer
    assert refused(log, evidence.ruling(log, disputed, signer=signer)) == "signer_not_entitled"
    assert refused(log, evidence.ruling(log, disputed, reporter=bob.did)) == "dispute_not_open"
    assert refused(log, evidence.ruling(log, disputed, subject=bob.did)) == "dispute_not_open"


# ---------------------------------------------------------------- receipts and action records


def test_a_receipt_stands_in_both_chains_and_counts_for_nobody(scene: Scene) -> None:
    """Both have signed; state and scores do not move."""
    log, _, alice, bob = scene
    before, live = scores(log, alice, bob), dict(log.state.tables.live)
    leaf = log.add(evidence.receipt(log, alice, bob))
    roles = {party.did: party.roles for party in parse_leaf(leaf.data).parties}
    assert roles == {alice.did: ("signer",), bob.did: ("signer", "subject")}
    assert (scores(log, alice, bob), dict(log.state.tables.live)) == (before, live)
    assert refused(log, log.revocation_document(alice, leaf)) == "nothing_to_revoke"
    assert audited(log)


def test_both_parties_of_a_receipt_are_active_agents(scene: Scene) -> None:
    """A stranger or a suspended agent is no party, on either side."""
    log, root, alice, bob = scene
    stranger = key_actor("stranger")
    assert refused(log, evidence.receipt(log, alice, stranger)) == "agent_unknown"
    assert refused(log, evidence.receipt(log, stranger, alice)) == "agent_unknown"
    log.set_state("quarantine", bob)
    assert refused(log, evidence.receipt(log, alice, bob)) == "agent_suspended"
    assert refused(log, evidence.receipt(log, bob, alice)) == "agent_suspended"
    log.add(evidence.receipt(log, root, alice))


def test_a_receipt_counts_as_an_act_of_both(scene: Scene) -> None:
    """Both made a signature of their own, so for both the silence ends."""
    log, _, alice, bob = scene
    log.wait(40 * DAY_MS)
    log.add(evidence.receipt(log, alice, bob))
    alive = [log.state.reputation.agents[one.did].alive_ms for one in (alice, bob)]
    assert alive == [log.now_ms, log.now_ms]


def test_a_receipt_by_a_rotated_out_key_is_refused(scene: Scene) -> None:
    """Each of the two keys is active just before the leaf."""
    log, _, alice, bob = scene
    log.wait()
    document = evidence.receipt(log, alice, bob)
    log.rotate(bob)
    assert refused(log, document) == "proof_invalid"


def test_an_action_record_changes_nothing_but_the_chain(scene: Scene) -> None:
    """It is the agent's own word about itself, in its own chain."""
    log, _, alice, _ = scene
    before, score = log.state.tables.live.copy(), scores(log, alice)
    leaf = log.add(evidence.action_record(log, alice))
    assert [party.did for party in parse_leaf(leaf.data).parties] == [alice.did]
    assert (log.state.tables.live, scores(log, alice)) == (before, score)
    assert refused(log, evidence.action_record(log, key_actor("stranger"))) == "agent_unknown"
    log.set_state("quarantine", alice)
    assert refused(log, evidence.action_record(log, alice)) == "agent_suspended"
    assert audited(log)


# ---------------------------------------------------------------- attestations


def test_the_newest_attestation_of_each_issuer_is_kept(scene: Scene) -> None:
    """A stranger's word does not push out that of somebody else, nor one's own; a newer one of one's own does."""
    log, root, alice, _ = scene
    own = log.add(evidence.attestation(log, alice))
    third = log.add(evidence.attestation(log, root, alice, kind="third-party", appraisal="affirming"))
    assert set(log.state.tables.attestations) == {own.event_id, third.event_id}
    log.wait()
    newer = log.add(evidence.attestation(log, alice))
    kept = log.state.tables.attestations
    assert set(kept) == {newer.event_id, third.event_id}
    assert (kept[newer.event_id].time_ms, kept[newer.event_id].evidence_kind) == (log.now_ms, "self")
    assert (kept[third.event_id].appraisal, kept[third.event_id].issuer) == ("affirming", root.did)
    log.revoke(root, third)
    assert set(log.state.tables.attestations) == {newer.event_id}
    assert audited(log)


def test_a_nonce_is_not_answered_twice(scene: Scene) -> None:
    """The same nonce again says that nobody asked anew."""
    log, _, alice, _ = scene
    log.add(evidence.attestation(log, alice, nonce=b"n" * 16))
    assert refused(log, evidence.attestation(log, alice, nonce=b"n" * 16)) == "attestation_nonce_repeated"
    log.add(evidence.attestation(log, alice))


def test_who_attests_and_of_whom(scene: Scene) -> None:
    """The issuer is an active agent; the subject may be suspended, for that is when others look at it, but not ended."""
    log, root, alice, bob = scene
    stranger = key_actor("stranger")
    assert refused(log, evidence.attestation(log, stranger)) == "agent_unknown"
    assert refused(log, evidence.attestation(log, root, stranger)) == "agent_unknown"
    log.set_state("quarantine", alice)
    assert refused(log, evidence.attestation(log, alice)) == "agent_suspended"
    log.add(evidence.attestation(log, root, alice, appraisal="contraindicated"))
    log.set_state("agent_revocation", bob)
    assert refused(log, evidence.attestation(log, root, bob)) == "subject_not_active"


# ---------------------------------------------------------------- all of them


MAKERS = ["dispute", "receipt", "action_record", "attestation"]


def made(log: LogBuilder, kind: str, people: Scene) -> dict[str, Any]:
    """Return a log statement of a kind that would be admitted now."""
    _, root, alice, bob = people
    if kind == "dispute":
        return evidence.dispute(log, alice, log.report(root, alice))
    if kind == "receipt":
        return evidence.receipt(log, alice, bob)
    return getattr(evidence, kind)(log, alice)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(("offset", "code"), [(-600_001, "created_in_future"), (600_001, "created_too_old")])
def test_evidence_is_logged_near_its_time(scene: Scene, kind: str, offset: int, code: str) -> None:
    """Each log statement lies within ten minutes of log time."""
    log = scene[0]
    log.wait(DAY_MS)
    document = made(log, kind, scene)
    assert refused(log, document, time_ms=log.now_ms + offset) == code


@pytest.mark.parametrize("kind", MAKERS)
def test_evidence_is_logged_once(scene: Scene, kind: str) -> None:
    """The same event again is refused whatever its signatures: its id does not depend on them."""
    log = scene[0]
    document = made(log, kind, scene)
    log.add(document)
    assert refused(log, document) == "event_repeated"
    log.wait()
    proofs = document["proof"]
    if isinstance(proofs, list):
        assert refused(log, document | {"proof": proofs[::-1]}) == "event_repeated"


def test_a_delegation_and_a_standing_are_presented_not_logged(scene: Scene) -> None:
    """What is presented never becomes a leaf."""
    log = scene[0]
    for document in (capability(), delegation(), standing()):
        draft = log.state.draft()
        before = fingerprint(draft)
        with pytest.raises(BonafidesError) as caught:
            log.draft_with(draft, document)
        assert caught.value.code == "kind_not_logged"
        assert fingerprint(draft) == before


def test_two_names_of_one_agent_are_one(scene: Scene) -> None:
    """Neither a badge, nor a receipt, nor a third party's attestation comes from oneself under another name."""
    log, _, _, bob = scene
    other = Actor(f"{bob.did}:elsewhere", bob.signer, "bob")
    log.state.tables.aliases[other.did] = bob.did
    assert refused(log, evidence.affiliation(log, bob, other)) == "signer_not_entitled"
    assert refused(log, evidence.attestation(log, bob, other)) == "signer_not_entitled"
