"""Moves, witnessed entries and observed keys: what each needs, what it changes, and how it cannot be abused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from did_methods.codec import base64url_decode, base64url_encode
from did_methods.errors import BonafidesError
from did_methods.jwk import did_jwk_from, jwk_signer
from did_methods.keys import KeySigner, SigningKey
from did_methods.webvh_create import create_entry, did_template, document_template
from did_methods.webvh_parameters import next_key_hash
from registry.history.replay import verify_leaf
from registry.history.snapshot import dump_state, load_state
from registry.history.state import LogState
from tests.history.test_rules import refused
from tests.support.identity_log import (
    approval,
    foreign_actor,
    move,
    next_entry,
    observation_document,
    observed,
    take,
    update_key,
    with_key,
    witness_did,
    witness_rule,
)
from tests.support.logs import Actor, LogBuilder, key_actor, seed
from tests.support.webvh_cases import IDENTITY_KEY

ELSEWHERE = "agents.example.com:alice"


def _hosted(log: LogBuilder, name: str) -> Actor:
    actor = log.agent(name, hosted=True)
    log.wait()
    return actor


def _root(log: LogBuilder) -> Actor:
    return key_actor("root-agent")


def _replayed(log: LogBuilder) -> LogState:
    state = LogState()
    for data in log.entries:
        draft = state.draft()
        verify_leaf(draft, data)
        draft.commit()
    return state


# ---------------------------------------------------------------- moves


def test_a_moved_agent_is_the_same_agent(log: LogBuilder) -> None:
    """Chain, score and statements stay with the agent, whichever of its names is used."""
    alice = _hosted(log, "alice")
    first = alice.did
    log.vouch(_root(log), first)
    before = log.state.reputation.reading(first, now_ms=log.now_ms)
    move(log, alice, ELSEWHERE)
    assert alice.did != first
    agent = log.state.find_agent(alice.did)
    assert agent is not None
    assert agent == log.state.find_agent(first)
    assert agent.did == first
    assert log.state.reputation.reading(first, now_ms=log.now_ms).score_micros == before.score_micros
    log.wait()
    leaf = log.vouch(alice, _root(log))
    assert [party.did for party in leaf.parties] == sorted([first, _root(log).did])
    assert log.vouch(_root(log), alice.did, "code").parties[0].count > 1
    assert log.state.tables.newest.keys() >= {("vouch", first, _root(log).did, None)}


def test_a_moved_agent_signs_under_its_new_name_only(log: LogBuilder) -> None:
    """The old name's verification methods are gone with the old document; vouching for oneself stays impossible."""
    alice = _hosted(log, "alice")
    old_self = Actor(alice.did, alice.signer, alice.name)
    move(log, alice, ELSEWHERE)
    log.wait()
    assert refused(log, log.vouch_document(old_self, _root(log))) == "verification_method_not_found"
    assert refused(log, log.vouch_document(alice, old_self.did)) == "signer_not_entitled"


def test_a_moved_log_goes_on_here_and_may_move_back(log: LogBuilder) -> None:
    """Entries under the new name are taken as a mirror; the agent may come back to its first place."""
    alice = _hosted(log, "alice")
    first = alice.did
    move(log, alice, ELSEWHERE)
    log.wait()
    take(log, alice, next_entry(log, alice))
    log.wait()
    move(log, alice, first.split(":", 3)[3])
    assert alice.did == first
    assert log.state.find_key(f"{first}#key-1", "assertionMethod").controller == first
    assert log.state.tables.paths["agents/alice"] == first


def test_a_move_within_this_host_takes_a_second_path(log: LogBuilder) -> None:
    """Old and new path both lead to the log; a path of somebody else is refused."""
    alice, bob = _hosted(log, "alice"), _hosted(log, "bob")
    move(log, alice, "registry.example:agents:anne")
    paths = log.state.tables.paths
    assert paths["agents/alice"] == paths["agents/anne"] == log.state.canonical_did(alice.did)
    log.wait()
    with pytest.raises(BonafidesError) as taken:
        move(log, alice, "registry.example:agents:bob")
    assert taken.value.code == "did_path_taken"
    with pytest.raises(BonafidesError) as odd:
        move(log, bob, "registry.example:elsewhere")
    assert odd.value.code == "did_not_hosted_here"


def test_the_registrys_own_did_does_not_move(log: LogBuilder) -> None:
    """Entry 0 pins it."""
    with pytest.raises(BonafidesError) as caught:
        move(log, log.registry, "other.example")
    assert caught.value.code == "did_not_hosted_here"


def test_nobody_registers_under_a_name_that_an_agent_moved_to(log: LogBuilder) -> None:
    """Neither as an agent observed elsewhere nor again."""
    alice = _hosted(log, "alice")
    move(log, alice, ELSEWHERE)
    log.wait()
    assert refused(log, log.registration_document(alice)) == "agent_exists"
    assert refused(log, observation_document(log, alice.did, observed(alice, "x"))) == "observation_subject"


def test_a_moved_log_is_replayed_and_restored_alike(log: LogBuilder) -> None:
    """The audit's fold and a snapshot give the same state as the registry's."""
    alice = _hosted(log, "alice")
    move(log, alice, ELSEWHERE)
    log.wait()
    log.vouch(_root(log), alice.did)
    for again in (_replayed(log), load_state(dump_state(log.state))):
        assert dump_state(again) == dump_state(log.state)
        assert again.find_agent(alice.did) == log.state.find_agent(alice.did)
        assert again.tables.logs == log.state.tables.logs


# ---------------------------------------------------------------- witnesses


def _witnessed_agent(log: LogBuilder) -> tuple[Actor, tuple[dict[str, Any], Any]]:
    actor = Actor("", key_actor("carol").signer, "carol")
    entry, state = create_entry(
        document_template(
            did_template("registry.example", path=("agents", "carol")), [SigningKey(seed("carol")).public_key]
        ),
        update_key=update_key(actor, 0),
        next_key_hashes=[next_key_hash(update_key(actor, 1).public_key.multikey)],
        version_time_ms=log.now_ms,
        witness=witness_rule(2, "w1", "w2", "w3"),
    )
    return actor, (entry, state)


def test_a_witnessed_entry_needs_its_proofs_just_before_it(log: LogBuilder) -> None:
    """Threshold distinct listed witnesses, in the leaf before; then the entry is taken and nothing is left over."""
    _actor, (entry, state) = _witnessed_agent(log)
    assert refused(log, entry) == "webvh_witness_missing"
    for names in (["w1"], ["w1", "stranger"]):
        draft = log.state.draft()
        log.draft_with(draft, approval(state.version_id, names, now_ms=log.now_ms))
        with pytest.raises(BonafidesError) as caught:
            log.draft_with(draft, entry)
        assert caught.value.code == "webvh_witness_missing"
    leaf = log.add(approval(state.version_id, ["w3", "w1"], now_ms=log.now_ms))
    assert leaf.kind == "did_witness"
    assert sorted(party.did for party in leaf.parties) == sorted([witness_did("w1"), witness_did("w3")])
    log.add(entry)
    assert log.state.head.witness_ahead is None
    assert dump_state(_replayed(log)) == dump_state(log.state)


def test_after_witness_proofs_only_their_entry_may_come(log: LogBuilder) -> None:
    """Another leaf, another entry, or other proofs in between are refused; so is an entry that asks for no witness."""
    alice = _hosted(log, "alice")
    entry, state = next_entry(log, alice)
    proofs = approval(state.version_id, ["w1"], now_ms=log.now_ms)
    draft = log.state.draft()
    log.draft_with(draft, proofs)
    for other in (
        log.vouch_document(_root(log), alice),
        approval("9-Qm", ["w1"], now_ms=log.now_ms),
        next_entry(log, alice, ttl_s=5)[0],
    ):
        with pytest.raises(BonafidesError) as caught:
            log.draft_with(draft, other)
        assert caught.value.code == "did_witness_out_of_order"
    with pytest.raises(BonafidesError) as caught:
        log.draft_with(draft, entry)
    assert caught.value.code == "did_witness_out_of_order"


def test_witness_proofs_are_verified_and_distinct(log: LogBuilder) -> None:
    """A proof of another version, or two by one witness, make no leaf."""
    proofs = approval("1-QmA", ["w1"], now_ms=log.now_ms)
    assert refused(log, {**proofs, "versionId": "1-QmB"}) == "proof_invalid"
    assert refused(log, {**proofs, "proof": proofs["proof"] * 2}) == "kind_unknown"
    assert refused(log, {**proofs, "proof": []}) == "kind_unknown"


# ---------------------------------------------------------------- keys observed elsewhere


def test_a_foreign_agent_needs_an_observation_and_speaks_with_the_observed_key(log: LogBuilder) -> None:
    """Without an observation no registration; with it the observed key, and no other, is the agent's."""
    dora = foreign_actor("dora")
    with pytest.raises(BonafidesError) as unknown:
        log.add(log.registration_document(dora))
    assert unknown.value.code == "key_not_found"
    log.add(observation_document(log, dora.did, observed(dora, "first")))
    log.add(log.registration_document(dora))
    log.wait()
    log.vouch(dora, _root(log))
    assert refused(log, log.vouch_document(with_key(dora, "second"), _root(log))) == "verification_method_not_found"
    agent = log.state.find_agent(dora.did)
    assert agent is not None
    log.wait()
    log.add(observation_document(log, dora.did, observed(dora, "second")))
    changed = log.state.find_agent(dora.did)
    assert changed is not None
    assert changed.authority_epoch > agent.authority_epoch
    assert refused(log, log.vouch_document(dora, _root(log), "code")) == "verification_method_not_found"
    log.vouch(with_key(dora, "second"), _root(log), "code")
    for again in (_replayed(log), load_state(dump_state(log.state))):
        assert dump_state(again) == dump_state(log.state)
        assert again.tables.documents == log.state.tables.documents


def test_an_observation_that_changes_nothing_is_not_logged(log: LogBuilder) -> None:
    """The log holds changes only."""
    dora = foreign_actor("dora")
    log.add(observation_document(log, dora.did, observed(dora, "first")))
    log.wait()
    assert refused(log, observation_document(log, dora.did, observed(dora, "first"))) == "observation_unchanged"


def test_only_the_registry_observes_and_only_what_lies_elsewhere(log: LogBuilder) -> None:
    """An agent cannot put keys under a DID; nor can the registry, for DIDs whose keys follow from the log or the DID."""
    dora, alice = foreign_actor("dora"), _hosted(log, "alice")
    document = observation_document(log, dora.did, observed(dora, "first"), signer=alice.signer)
    assert refused(log, document) == "signer_not_entitled"
    for did in (
        alice.did,
        key_actor("x").did,
        log.registry.did,
        "did:webvh:" + "Q" * 46 + ":registry.example:agents:z",
    ):
        owner = Actor(did, alice.signer, "x")
        assert refused(log, observation_document(log, did, observed(owner, "first"))) == "observation_subject"


def test_an_observed_key_is_checked_like_any_other(log: LogBuilder) -> None:
    """The identity point, a key of another DID and a repeated id never become keys here."""
    dora, eve = foreign_actor("dora"), foreign_actor("eve")
    good = observed(dora, "first")[0]
    for keys, code in (
        ([replace(good, multikey=IDENTITY_KEY)], "key_small_order"),
        (observed(eve, "first"), "invalid_did_document"),
        ([good, good], "invalid_did_document"),
    ):
        assert refused(log, observation_document(log, dora.did, keys)) == code


def test_two_spellings_of_one_jwk_are_two_agents(log: LogBuilder) -> None:
    """A did:jwk certifies itself; it is compared as text, so another spelling of the key is somebody else."""
    key = SigningKey(seed("jwk"))
    one = Actor(did_jwk_from(key.public_key), jwk_signer(key), "jwk")
    spaced = json.dumps(json.loads(base64url_decode(one.did.removeprefix("did:jwk:")))).encode()
    did = f"did:jwk:{base64url_encode(spaced)}"
    other = Actor(did, KeySigner(key, f"{did}#0"), "jwk")
    assert other.did != one.did
    for actor in (one, other):
        log.add(log.registration_document(actor))
        log.wait()
        assert refused(log, log.registration_document(actor)) == "agent_exists"
    log.vouch(one, other)
    assert log.state.find_agent(one.did) != log.state.find_agent(other.did)
    assert dump_state(_replayed(log)) == dump_state(log.state)
