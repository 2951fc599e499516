"""Witness proofs of hosted logs: what they bind, and what somebody might try with them."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.errors import BonafidesError
from did_methods.webvh_create import move_document
from registry.history.replay import verify_leaf
from registry.history.snapshot import dump_state, load_state
from registry.history.state import LogState
from registry.history.statement import MAX_WITNESS_PROOFS, claimed_time_ms, parse_statement
from registry.log.entry import parse_leaf
from tests.history.test_rules import refused
from tests.support.identity_log import (
    approval,
    foreign_actor,
    next_entry,
    observation_document,
    observed,
    take_witnessed,
    update_key,
    witness_rule,
)
from tests.support.logs import Actor, LogBuilder, key_actor

ELSEWHERE = "agents.example.com:alice"


def _hosted(log: LogBuilder, name: str) -> Actor:
    actor = log.agent(name, hosted=True)
    log.wait()
    return actor


def _root() -> Actor:
    return key_actor("root-agent")


def _same_again(log: LogBuilder) -> bool:
    """Say whether the audit's fold and a snapshot give the very state of the log."""
    folded = LogState()
    for data in log.entries:
        draft = folded.draft()
        verify_leaf(draft, data)
        draft.commit()
    restored = load_state(dump_state(log.state))
    return folded == log.state and restored == log.state


# ---------------------------------------------------------------- witnesses


def _under_witnesses(log: LogBuilder, name: str, *witnesses: str, threshold: int = 1) -> Actor:
    """Return a hosted agent that has put witnesses in force; the entry that does so needs them already."""
    actor = _hosted(log, name)
    take_witnessed(log, actor, next_entry(log, actor, witness=witness_rule(threshold, *witnesses)), *witnesses)
    log.wait()
    return actor


def test_a_rule_in_force_binds_the_next_entry_also_a_move_and_its_own_end(log: LogBuilder) -> None:
    """Whoever holds the update keys alone can neither move the agent nor drop the witnesses."""
    alice = _under_witnesses(log, "alice", "w1", "w2")
    assert alice.webvh is not None
    document = move_document(alice.webvh, f"did:webvh:{alice.webvh.scid}:{ELSEWHERE}")
    entry, state = next_entry(log, alice, document=document)
    assert refused(log, entry) == "webvh_witness_missing"
    assert refused(log, next_entry(log, alice, witness=None)[0]) == "webvh_witness_missing"
    take_witnessed(log, alice, (entry, state), "w2")
    assert log.state.find_agent(alice.did) is not None
    assert _same_again(log)


def test_an_approval_of_another_version_does_not_count(log: LogBuilder) -> None:
    """Two entries are prepared, one approved: the other is not taken in its place."""
    alice = _under_witnesses(log, "alice", "w1")
    _approved, state = next_entry(log, alice, ttl_s=60)
    other, _state = next_entry(log, alice, ttl_s=90)
    draft = log.state.draft()
    log.draft_with(draft, approval(state.version_id, ["w1"], now_ms=log.now_ms))
    with pytest.raises(BonafidesError) as caught:
        log.draft_with(draft, other)
    assert caught.value.code == "did_witness_out_of_order"


def test_a_rule_that_no_leaf_could_satisfy_is_refused(log: LogBuilder) -> None:
    """Else its agent could never change its keys again."""
    alice = _hosted(log, "alice")
    names = [f"w{number}" for number in range(MAX_WITNESS_PROOFS + 1)]
    high = next_entry(log, alice, witness=witness_rule(MAX_WITNESS_PROOFS + 1, *names))
    assert refused(log, high[0]) == "did_witness_threshold"
    made = next_entry(log, alice, witness=witness_rule(MAX_WITNESS_PROOFS, *names))
    assert refused(log, approval(made[1].version_id, names, now_ms=log.now_ms)) == "kind_unknown"
    take_witnessed(log, alice, made, *names[1:])


@pytest.mark.parametrize(
    "proof", [1, "x", None, [], {}, {"verificationMethod": 5}, {"verificationMethod": "did:web:x#y"}]
)
def test_what_is_no_witness_proof_is_refused_when_it_is_parsed(proof: Any) -> None:
    """Also where log time is asked for before anything is verified, as in a replay."""
    with pytest.raises(BonafidesError) as caught:
        claimed_time_ms(parse_statement({"versionId": "2-QmA", "proof": [proof]}))
    assert caught.value.code == "kind_unknown"


def test_witnessed_entries_are_replayed_at_their_own_times() -> None:
    """In a replay registry log time is the proofs' `created`, which there is not after the entry's `versionTime`."""
    log = LogBuilder(profile="replay").open(key_actor("root-agent"))
    log.wait()
    alice = _hosted(log, "alice")
    for ttl_s in (60, 90):
        take_witnessed(log, alice, next_entry(log, alice, witness=witness_rule(1, "w1"), ttl_s=ttl_s), "w1")
        log.wait()
    assert _same_again(log)


def test_every_leaf_of_identity_reads_as_its_kind(log: LogBuilder) -> None:
    """Kinds and roles in the leaves are those of the format."""
    alice, dora = _under_witnesses(log, "alice", "w1"), foreign_actor("dora")
    proofs, _entry = take_witnessed(log, alice, next_entry(log, alice), "w1")
    seen = log.add(observation_document(log, dora.did, observed(dora, "first")))
    read = [parse_leaf(leaf.data) for leaf in (proofs, seen)]
    assert [leaf.kind for leaf in read] == ["did_witness", "key_observation"]
    assert [party.roles for party in read[0].parties] == [("signer",)]
    assert {party.roles for party in read[1].parties} == {("signer",), ("subject",)}


def test_an_entry_signed_with_a_key_of_nobody_is_refused_under_witnesses_too(log: LogBuilder) -> None:
    """Witnesses approve; they do not replace the controller's own proof."""
    alice = _under_witnesses(log, "alice", "w1")
    entry, state = next_entry(log, alice)
    draft = log.state.draft()
    log.draft_with(draft, approval(state.version_id, ["w1"], now_ms=log.now_ms))
    proof = entry["proof"][0] if isinstance(entry["proof"], list) else entry["proof"]
    own = update_key(alice, 0).public_key.multikey
    forged = {**proof, "verificationMethod": f"did:key:{own}#{own}"}
    with pytest.raises(BonafidesError) as caught:
        log.draft_with(draft, {**entry, "proof": [forged]})
    assert caught.value.code == "webvh_proof_key_not_authorized"


def test_a_fold_may_be_kept_between_proofs_and_their_entry(log: LogBuilder) -> None:
    """Whoever reads the log in portions, and keeps the state after each, may stop there and go on."""
    alice = _hosted(log, "alice")
    take_witnessed(log, alice, next_entry(log, alice, witness=witness_rule(1, "w1", "w2")), "w1", "w2")
    folded = LogState()
    for data in log.entries:
        draft = folded.draft()
        verify_leaf(draft, data)
        draft.commit()
        again = load_state(dump_state(folded))
        assert again == folded
        folded = again
    assert folded == log.state
