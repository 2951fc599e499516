"""What each kind of leaf needs, what it changes, and the code of each refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from did_methods.codec import base64url_encode
from did_methods.errors import BonafidesError
from registry.history.ground import active_agent
from registry.history.replay import verify_leaf
from registry.history.state import LogState
from tests.support.drafts import fingerprint
from tests.support.logs import DAY_MS, ORIGIN, START_MS, Actor, LogBuilder, key_actor, webvh_actor

Scene = tuple[LogBuilder, Actor, Actor, Actor]


@pytest.fixture
def scene() -> Scene:
    """A log with a root that has a voice, a did:key agent and a hosted did:webvh agent."""
    log = LogBuilder().open(key_actor("root-agent"))
    root, alice, bob = log.agent("root-agent"), log.agent("alice"), log.agent("bob", hosted=True)
    log.epoch()
    log.wait()
    return log, root, alice, bob


def refused(log: LogBuilder, document: dict[str, Any], *, time_ms: int | None = None) -> str:
    """Return the code with which a statement is refused; hold that the draft stays as it was."""
    draft = log.state.draft()
    before = fingerprint(draft)
    with pytest.raises(BonafidesError) as caught:
        log.draft_with(draft, document, time_ms=time_ms)
    assert fingerprint(draft) == before
    return caught.value.code


# ---------------------------------------------------------------- genesis


def test_the_first_four_entries_have_a_fixed_order() -> None:
    """Genesis, the registry's DID, the root list and the first epoch come first, in this order, and genesis once."""
    log = LogBuilder()
    assert refused(log, log.registry.first_entry or {}) == "genesis_invalid"
    log.add(log.genesis_document())
    assert refused(log, log.root_list_document([key_actor("a").did])) == "genesis_invalid"
    log.add(log.registry.first_entry or {})
    log.add(log.root_list_document([key_actor("a").did]))
    assert refused(log, log.registration_document(key_actor("a"))) == "genesis_invalid"
    log.epoch()
    assert refused(log, log.genesis_document()) == "genesis_invalid"


def test_entry_1_is_the_registrys_own_did() -> None:
    """Another DID's entry cannot stand at 1, and the registry's own first entry nowhere else."""
    log = LogBuilder()
    log.add(log.genesis_document())
    stranger = webvh_actor("mallory", ("agents", "mallory"), now_ms=START_MS)
    assert refused(log, stranger.first_entry or {}) == "did_not_hosted_here"


def test_a_replay_begins_at_time_zero() -> None:
    """A genesis that declares a replay at another log time is refused."""
    log = LogBuilder(profile="replay")
    assert refused(log, log.genesis_document()) == "genesis_invalid"


def test_in_a_replay_log_time_is_the_statements_own() -> None:
    """A replay registry cannot choose when something was said."""
    log = LogBuilder(profile="replay").open(key_actor("a"))
    log.agent("a")
    bob = log.agent("b")
    assert refused(log, log.vouch_document(key_actor("a"), bob), time_ms=log.now_ms + 1) == "replay_time_mismatch"


# ---------------------------------------------------------------- who may say it


@pytest.mark.parametrize("kind", ["quarantine", "release", "agent_revocation"])
def test_agents_cannot_change_states(scene: Scene, kind: str) -> None:
    """Quarantine and release are the registry's to sign, revocation of agents the operator root's."""
    log, root, alice, _ = scene
    signer = root.signer if kind != "agent_revocation" else key_actor("bob-the-operator").signer
    assert refused(log, log.state_document(kind, alice.did, signer=signer)) == "signer_not_entitled"


def test_only_the_operator_lists_roots_and_only_in_order(scene: Scene) -> None:
    """Root lists are numbered without gaps."""
    log, root, _, _ = scene
    assert refused(log, log.root_list_document([root.did], number=3)) == "registry_statement_out_of_order"
    log.add(log.root_list_document([root.did]))
    assert [one.number for one in log.state.head.root_lists] == [1, 2]


def test_an_epoch_is_the_registrys(scene: Scene) -> None:
    """An epoch signed by an agent is refused."""
    log, _, alice, _ = scene
    assert refused(log, log.epoch_document(signer=alice.signer)) == "signer_not_entitled"


def test_strangers_have_no_say(scene: Scene) -> None:
    """Whoever is not registered neither vouches nor is vouched for."""
    log, root, _, _ = scene
    stranger = key_actor("stranger")
    assert refused(log, log.vouch_document(stranger, root)) == "agent_unknown"
    assert refused(log, log.vouch_document(root, stranger)) == "agent_unknown"
    assert refused(log, log.passport_document(stranger)) == "agent_unknown"


# ---------------------------------------------------------------- registration


def test_registration_gives_a_standing(scene: Scene) -> None:
    """A registered agent is active and stands at 25."""
    log, _, alice, _ = scene
    agent = log.state.find_agent(alice.did)
    assert agent is not None
    assert (agent.state, agent.authority_epoch) == ("active", 1)
    assert log.state.reputation.reading(alice.did, now_ms=log.now_ms).score_micros == 25_000_000


def test_nobody_registers_twice(scene: Scene) -> None:
    """A second presentation of the same DID is refused, also after deactivation or revocation."""
    log, _, alice, bob = scene
    assert refused(log, log.registration_document(alice)) == "agent_exists"
    log.deactivate(bob)
    log.set_state("agent_revocation", alice)
    assert refused(log, log.registration_document(alice)) == "agent_exists"
    assert refused(log, log.registration_document(bob)) == "key_not_found"


def test_a_hosted_did_is_published_before_it_registers(scene: Scene) -> None:
    """Without its first entry the DID's keys are not known."""
    log, _, _, _ = scene
    carol = webvh_actor("carol", ("agents", "carol"), now_ms=log.now_ms)
    assert refused(log, log.registration_document(carol)) == "key_not_found"


def test_registry_and_operator_are_no_agents(scene: Scene) -> None:
    """They sign statements of their own; they have no score."""
    log, _, _, _ = scene
    assert refused(log, log.registration_document(log.registry)) == "signer_not_entitled"
    assert refused(log, log.registration_document(log.root)) == "signer_not_entitled"


def test_a_registration_is_signed_by_its_holder(scene: Scene) -> None:
    """Another key cannot register a DID."""
    log, root, _, _ = scene
    carol = key_actor("carol")
    assert refused(log, log.registration_document(carol, signer=root.signer)) == "holder_key_mismatch"


# ---------------------------------------------------------------- did:webvh


def test_a_path_belongs_to_who_came_first(scene: Scene) -> None:
    """Another DID cannot be published at a taken path, nor one of another host or with another path."""
    log, _, _, _ = scene
    other = webvh_actor("bobby", ("agents", "bob"), now_ms=log.now_ms)
    away = webvh_actor("away", ("agents", "away"), now_ms=log.now_ms, host="elsewhere.example")
    deep = webvh_actor("deep", ("agents", "deep", "er"), now_ms=log.now_ms)
    assert refused(log, other.first_entry or {}) == "did_path_taken"
    assert refused(log, away.first_entry or {}) == "did_not_hosted_here"
    assert refused(log, deep.first_entry or {}) == "did_not_hosted_here"


def test_rotation_changes_the_active_key(scene: Scene) -> None:
    """After a rotation only the new key speaks; what the old one said stays said."""
    log, root, _, bob = scene
    log.wait()
    old = log.vouch_document(bob, root)
    before = log.state.tables.agents[bob.did].authority_epoch
    log.rotate(bob)
    assert log.state.tables.agents[bob.did].authority_epoch == before + 1
    assert refused(log, old) == "proof_invalid"
    log.vouch(bob, root)


def test_deactivation_ends_an_agent(scene: Scene) -> None:
    """A deactivated DID has no active key, so nothing can be said for it; nothing can be said in its favour either."""
    log, root, _, bob = scene
    log.wait()
    log.deactivate(bob)
    assert log.state.tables.agents[bob.did].state == "deactivated"
    assert bob.did in log.state.silenced
    assert refused(log, log.vouch_document(bob, root)) == "key_not_found"
    assert refused(log, log.vouch_document(root, bob)) == "subject_not_active"
    assert refused(log, log.report_document(root, bob)) == "subject_not_active"


# ---------------------------------------------------------------- vouches, reports, revocations


def test_a_newer_vouch_replaces_the_older_of_its_context(scene: Scene) -> None:
    """One live vouch per ordered pair and context; the replaced one can no longer be revoked."""
    log, root, alice, _ = scene
    first = log.vouch(root, alice)
    second = log.vouch(root, alice)
    other = log.vouch(root, alice, "coding")
    assert set(log.state.tables.live) == {second.event_id, other.event_id}
    assert log.state.head.live_vouches == 2
    assert refused(log, log.revocation_document(root, first)) == "nothing_to_revoke"
    log.revoke(root, second)
    assert log.state.head.live_vouches == 1
    assert refused(log, log.revocation_document(root, second)) == "nothing_to_revoke"


def test_only_the_issuer_takes_back(scene: Scene) -> None:
    """Another agent cannot revoke what somebody said, not even the subject."""
    log, root, alice, _ = scene
    leaf = log.vouch(root, alice)
    assert refused(log, log.revocation_document(alice, leaf)) == "nothing_to_revoke"


def test_a_ninth_context_of_a_pair_is_refused(scene: Scene) -> None:
    """A pair has at most eight live contexts."""
    log, root, alice, _ = scene
    for number in range(8):
        log.vouch(root, alice, f"context-{number}")
    assert refused(log, log.vouch_document(root, alice, "context-8")) == "too_many_contexts"
    log.vouch(root, alice, "context-0")


def test_a_passport_names_the_current_version(scene: Scene) -> None:
    """A passport of a hosted DID is bound to its newest version; a newer passport replaces the older."""
    log, _, alice, bob = scene
    old = bob.webvh.version_id if bob.webvh else ""
    log.wait()
    log.rotate(bob)
    assert refused(log, log.passport_document(bob, version_id=old)) == "passport_version_mismatch"
    first, second = log.passport(bob), log.passport(bob)
    assert log.state.tables.agents[bob.did].passport_event == second.event_id
    assert first.event_id not in log.state.tables.live
    log.revoke(bob, second)
    assert log.state.tables.agents[bob.did].passport_event is None
    log.passport(alice)


# ---------------------------------------------------------------- states


def test_the_states_of_an_agent(scene: Scene) -> None:
    """Quarantine suspends, release lifts, revocation is final; nothing else is possible."""
    log, root, alice, _ = scene
    assert refused(log, log.state_document("release", alice.did)) == "state_transition_invalid"
    vouch = log.vouch(alice, root)
    log.set_state("quarantine", alice)
    assert refused(log, log.state_document("quarantine", alice.did)) == "state_transition_invalid"
    assert refused(log, log.vouch_document(alice, root)) == "agent_suspended"
    assert refused(log, log.vouch_document(root, alice)) == "subject_not_active"
    log.report(root, alice)
    log.revoke(alice, vouch)
    log.set_state("release", alice)
    log.vouch(alice, root)
    log.set_state("agent_revocation", alice)
    assert refused(log, log.vouch_document(alice, root)) == "agent_revoked"
    assert refused(log, log.state_document("release", alice.did)) == "state_transition_invalid"
    assert refused(log, log.state_document("quarantine", key_actor("nobody").did)) == "agent_unknown"


def test_a_revoked_hosted_agent_can_change_its_did_no_more(scene: Scene) -> None:
    """The operator's revocation also ends the DID's log here."""
    log, _, _, bob = scene
    log.set_state("agent_revocation", bob)
    log.wait()
    with pytest.raises(BonafidesError, match="revoked") as caught:
        log.rotate(bob)
    assert caught.value.code == "agent_revoked"
    with pytest.raises(BonafidesError) as caught:
        active_agent(log.state.draft(), bob.did)
    assert caught.value.code == "agent_revoked"


# ---------------------------------------------------------------- order, time, repetition


def test_an_event_is_logged_once(scene: Scene) -> None:
    """The same event again, in a later leaf, is refused whatever its signature."""
    log, root, alice, _ = scene
    document = log.vouch_document(root, alice)
    log.add(document)
    assert refused(log, document) == "event_repeated"


def test_log_time_never_goes_back(scene: Scene) -> None:
    """An earlier log time than the newest leaf's is refused."""
    log, root, alice, _ = scene
    log.vouch(root, alice)
    assert refused(log, log.vouch_document(root, alice), time_ms=log.now_ms - 1) == "log_time_backwards"


@pytest.mark.parametrize(("offset", "code"), [(-600_001, "created_in_future"), (600_001, "created_too_old")])
def test_a_statement_is_logged_near_its_time(scene: Scene, offset: int, code: str) -> None:
    """A log statement is made within ten minutes of log time."""
    log, root, alice, _ = scene
    log.wait(DAY_MS)
    assert refused(log, log.vouch_document(root, alice), time_ms=log.now_ms + offset) == code


# ---------------------------------------------------------------- epochs


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda log: {"number": 9}, "registry_statement_out_of_order"),
        (lambda log: {"rules": "2"}, "registry_statement_out_of_order"),
        (lambda log: {"tree_size": log.state.head.size + 1}, "registry_statement_out_of_order"),
        (lambda log: {"tree_size": log.state.head.epoch.index}, "registry_statement_out_of_order"),
        (lambda log: {"root_list": bytes(32)}, "registry_statement_out_of_order"),
        (lambda log: {"commitment": bytes(32)}, "epoch_commitment_mismatch"),
    ],
)
def test_an_epoch_says_what_the_log_gives(
    scene: Scene, change: Callable[[LogBuilder], dict[str, Any]], code: str
) -> None:
    """Number, rules, range, root list and commitment must fit; a refused epoch leaves the scores as they were."""
    log, root, alice, _ = scene
    log.vouch(root, alice)
    assert refused(log, log.epoch_document(**change(log))) == code


def test_an_epoch_may_cover_less_than_all(scene: Scene) -> None:
    """An epoch over the leaves below N, logged later, folds the leaves between again; votes are those of leaf N-1."""
    log, root, alice, bob = scene
    log.vouch(root, alice)
    covered = log.state.head.size
    log.wait(DAY_MS)
    log.vouch(alice, bob)
    log.set_state("quarantine", alice)
    log.epoch(covers=covered)
    epoch = log.state.head.epoch
    assert epoch is not None
    assert (epoch.tree_size, epoch.index, epoch.time_ms) == (covered, covered + 2, log.now_ms - DAY_MS)
    assert log.state.reputation.voices[alice.did].vote > 0
    log.epoch()
    voice = log.state.reputation.voices.get(alice.did)
    assert voice is None or voice.vote == 0


def test_a_computed_epoch_is_dropped_when_another_leaf_comes_first(scene: Scene) -> None:
    """The registry may compute an epoch and then log something else; the scores do not notice."""
    log, root, alice, _ = scene
    draft = log.state.draft()
    document = log.epoch_document()
    assert refused(log, document | {"type": ["VerifiableCredential", "Nothing"]}) == "credential_kind_unknown"
    log.draft_with(draft, log.vouch_document(root, alice))
    assert draft.epoch_ahead is None
    assert draft.reputation.meta.epoch == 2
    log.draft_with(draft, document)
    assert draft.reputation.meta.epoch == 3


def test_a_refused_epoch_in_a_batch_changes_no_score(scene: Scene) -> None:
    """A batch goes on after an epoch that was computed and then refused, and folds to what the audit folds."""
    log, root, alice, _ = scene
    log.vouch(root, alice)
    bad = log.epoch_document(commitment=bytes(32))
    good = log.vouch_document(alice, root)
    draft = log.state.draft()
    with pytest.raises(BonafidesError):
        log.draft_with(draft, bad)
    leaf = log.draft_with(draft, good)
    draft.commit()
    log.leaves.append(leaf)
    again = LogState()
    for one in log.leaves:
        fold = again.draft()
        verify_leaf(fold, one.data)
        fold.commit()
    assert again == log.state


def test_the_origin_is_signed(scene: Scene) -> None:
    """A statement for another registry's log is refused."""
    log, root, alice, _ = scene
    document = log.vouch_document(root, alice)
    assert document["proof"]["domain"] == ORIGIN
    changed = document | {"proof": document["proof"] | {"domain": "other.example/0a1b2c3d"}}
    assert refused(log, changed) == "domain_mismatch"
    assert base64url_encode(bytes(32)) not in str(changed)
