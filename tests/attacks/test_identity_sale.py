"""Identities that change hands: what a buyer gets of the score, and what an honest agent keeps through the same acts."""

from __future__ import annotations

import pytest

from did_methods.keys import SigningKey
from did_methods.webvh_create import document_template
from did_methods.webvh_parameters import next_key_hash
from registry.credentials.issue import issue_passport
from registry.history.control import instance_name, signing_keys
from registry.history.snapshot import dump_state, load_state
from tests.support.identity_log import (
    foreign_actor,
    move,
    next_entry,
    observation_document,
    observed,
    take,
    update_key,
)
from tests.support.logs import DAY_MS, Actor, LogBuilder, key_actor, seed

NEWCOMER = 25_000_000


@pytest.fixture
def log() -> LogBuilder:
    """A log whose root has vouched for alice, a hosted agent, for half a year; alice stands well above a newcomer."""
    made = LogBuilder().open(key_actor("root-agent"))
    made.agent("root-agent")
    made.epoch()
    made.wait()
    return made


def _grown(log: LogBuilder, name: str = "alice", *, passport: bool = True) -> Actor:
    actor = log.agent(name, hosted=True)
    if passport:
        log.passport(actor)
    for _month in range(6):
        log.wait(25 * DAY_MS)
        log.vouch(key_actor("root-agent"), actor.did)
        log.vouch(actor, key_actor("root-agent"))
        log.epoch()
    assert _score(log, actor) > 2 * NEWCOMER
    return actor


def _score(log: LogBuilder, actor: Actor) -> int:
    agent = log.state.find_agent(actor.did)
    assert agent is not None
    return log.state.reputation.reading(agent.did, now_ms=log.now_ms).score_micros


def _tenure(log: LogBuilder, actor: Actor) -> int:
    agent = log.state.find_agent(actor.did)
    assert agent is not None
    return log.state.reputation.reading(agent.did, now_ms=log.now_ms).factors.tenure_days


def _class(log: LogBuilder, actor: Actor) -> str:
    agent = log.state.find_agent(actor.did)
    assert agent is not None
    assert agent.control.last is not None
    return agent.control.last.continuity


def _passport(log: LogBuilder, actor: Actor, *, code: str = "code", model: str = "model-1") -> None:
    assert actor.webvh is not None
    log.add(
        issue_passport(
            signer=actor.signer,
            purpose="testing",
            capabilities=["code-review"],
            code_digest=seed(code),
            model={"provider": "example", "name": model},
            runtime="python",
            uuid=log.uuid(),
            now_ms=log.now_ms,
            version_id=actor.webvh.version_id,
        )
    )


def test_a_routine_rotation_does_not_cost_a_point(log: LogBuilder) -> None:
    """New signing and update keys within the commitment: the same score to the micro-point, now and next week."""
    alice = _grown(log)
    log.wait()
    before, twin = _score(log, alice), load_state(dump_state(log.state))
    log.rotate(alice)
    assert _class(log, alice) == "routine"
    assert _score(log, alice) == before
    later = log.now_ms + 7 * DAY_MS
    assert log.state.reputation.reading(alice.did, now_ms=later).score_micros >= (
        twin.reputation.reading(alice.did, now_ms=later).score_micros
    )


def test_an_announced_upgrade_and_a_move_cost_nothing(log: LogBuilder) -> None:
    """New code in a new passport, and a new host, one after the other."""
    alice = _grown(log)
    log.wait()
    before = _score(log, alice)
    _passport(log, alice, code="code-2")
    assert _class(log, alice) == "upgrade"
    assert _score(log, alice) == before
    log.wait()
    first, before = alice.did, _score(log, alice)
    move(log, alice, "agents.example.com:alice")
    assert alice.did != first
    assert _score(log, alice) == before


def test_a_sold_idle_identity_does_not_keep_its_score(log: LogBuilder) -> None:
    """Everything handed over, pre-rotation key included: after a long silence new keys leave the newcomer's 25 at most."""
    alice = _grown(log)
    log.wait(100 * DAY_MS)
    assert _score(log, alice) > NEWCOMER
    log.rotate(alice)
    assert _class(log, alice) == "suspected_transfer"
    assert _score(log, alice) <= NEWCOMER
    assert _tenure(log, alice) == 0
    log.epoch()
    log.wait(DAY_MS)
    assert _score(log, alice) <= NEWCOMER
    assert log.state.reputation.reading(alice.did, now_ms=log.now_ms).confidence_micros == 0


def test_one_act_by_the_seller_hides_no_silence(log: LogBuilder) -> None:
    """The seller signs something with the old key just before the hand-over."""
    alice = _grown(log)
    log.wait(100 * DAY_MS)
    log.vouch(alice, key_actor("root-agent"))
    log.wait(DAY_MS)
    log.rotate(alice)
    assert _class(log, alice) == "suspected_transfer"


def test_a_vouch_by_a_friend_hides_no_silence(log: LogBuilder) -> None:
    """A vouch for the idle identity ends its silence, but not its being remembered."""
    alice = _grown(log)
    log.wait(100 * DAY_MS)
    log.vouch(key_actor("root-agent"), alice.did)
    log.wait(DAY_MS)
    log.rotate(alice)
    assert _class(log, alice) == "suspected_transfer"


def test_a_sale_spread_over_weeks_is_one_sale(log: LogBuilder) -> None:
    """Keys today, code next week, model the week after."""
    alice = _grown(log)
    log.wait()
    log.rotate(alice)
    log.wait(7 * DAY_MS)
    _passport(log, alice, code="code-2")
    assert _class(log, alice) == "upgrade"
    log.wait(7 * DAY_MS)
    _passport(log, alice, code="code-2", model="model-2")
    assert _class(log, alice) == "suspected_transfer"
    assert _score(log, alice) <= NEWCOMER


def test_taking_the_passport_back_blinds_nobody(log: LogBuilder) -> None:
    """What the last passport said is remembered after its revocation."""
    alice = _grown(log, passport=False)
    leaf = log.passport(alice)
    log.wait()
    log.revoke(alice, leaf)
    log.wait()
    log.rotate(alice)
    log.wait()
    _passport(log, alice, code="code-2", model="model-2")
    assert _class(log, alice) == "suspected_transfer"


def test_many_small_rotations_replace_a_key_all_the_same(log: LogBuilder) -> None:
    """Without pre-rotation: one key added, the old one dropped later; the overlap fools nobody within the window."""
    alice = _grown(log)
    take(log, alice, next_entry(log, alice, next_key_hashes=[]))
    log.wait(40 * DAY_MS)
    log.vouch(alice, key_actor("root-agent"))
    old, new = SigningKey(seed("alice", "signing", 0)), SigningKey(seed("buyer"))
    log.wait()
    both = document_template(alice.did, [old.public_key, new.public_key])
    take(log, alice, next_entry(log, alice, document=both))
    assert _class(log, alice) == "routine"
    log.wait(10 * DAY_MS)
    take(log, alice, next_entry(log, alice, document=document_template(alice.did, [new.public_key])))
    assert _class(log, alice) == "suspected_transfer"
    assert _score(log, alice) <= NEWCOMER


def test_the_reserve_key_recovers_half(log: LogBuilder) -> None:
    """The next key was lost, a key kept in reserve in two lists takes over: half the tenure stays, evidence stays."""
    alice = _grown(log)
    reserve = next_key_hash(SigningKey(seed("alice", "reserve")).public_key.multikey)
    for _turn in range(2):
        log.wait()
        following = next_key_hash(update_key(alice, alice.rotations + 2).public_key.multikey)
        take(log, alice, next_entry(log, alice, next_key_hashes=[following, reserve]))
    log.wait()
    before, tenure = _score(log, alice), _tenure(log, alice)
    signing = SigningKey(seed("alice", "recovered"))
    made = next_entry(
        log,
        alice,
        document=document_template(alice.did, [signing.public_key]),
        update_key=SigningKey(seed("alice", "reserve")),
    )
    take(log, alice, made)
    assert _class(log, alice) == "recovery"
    assert NEWCOMER < _score(log, alice) < before
    assert _tenure(log, alice) in (tenure // 2, tenure // 2 + 1)


def test_a_host_that_swaps_the_keys_of_a_did_web_gets_nothing(log: LogBuilder) -> None:
    """A did:web commits to nothing: whoever holds the domain holds the identity, and its score is gone with its keys."""
    dora = foreign_actor("dora")
    log.add(observation_document(log, dora.did, observed(dora, "first")))
    log.add(log.registration_document(dora))
    for _month in range(6):
        log.wait(25 * DAY_MS)
        log.vouch(key_actor("root-agent"), dora.did)
        log.epoch()
    assert _score(log, dora) > NEWCOMER
    log.wait()
    log.add(observation_document(log, dora.did, observed(dora, "swapped")))
    assert _class(log, dora) == "suspected_transfer"
    assert _score(log, dora) <= NEWCOMER


def test_what_cannot_be_seen_is_not_claimed(log: LogBuilder) -> None:
    """A buyer who gets every key of a live identity and changes nothing but the next key keeps the score: documented."""
    alice = _grown(log)
    log.wait()
    before = _score(log, alice)
    log.rotate(alice)
    assert _score(log, alice) == before


def test_instance_keys_are_subordinate(log: LogBuilder) -> None:
    """Adding and removing an instance is routine; an instance's key left over does not count as a key kept."""
    alice = _grown(log)
    assert alice.webvh is not None

    def with_instance(main: SigningKey) -> dict[str, object]:
        document = document_template(alice.did, [main.public_key])
        method = f"{alice.did}#instance-eu"
        key = SigningKey(seed("instance")).public_key.multikey
        document["verificationMethod"].append(
            {"id": method, "type": "Multikey", "controller": alice.did, "publicKeyMultibase": key}
        )
        document["authentication"].append(method)
        return document

    log.wait()
    old = SigningKey(seed("alice", "signing", 0))
    take(log, alice, next_entry(log, alice, document=with_instance(old)))
    assert _class(log, alice) == "routine"
    agent = log.state.find_agent(alice.did)
    assert agent is not None
    assert agent.control.last is not None
    assert agent.control.last.reasons == ()
    assert instance_name(f"{alice.did}#instance-eu") == "eu"
    assert signing_keys(log.state.tables.documents[alice.did]) == (old.public_key.multikey,)
    log.wait(100 * DAY_MS)
    take(log, alice, next_entry(log, alice, document=with_instance(SigningKey(seed("buyer")))))
    assert _class(log, alice) == "suspected_transfer"


def test_a_snapshot_keeps_what_is_remembered(log: LogBuilder) -> None:
    """Window, history and silence survive a restart to the byte."""
    alice = _grown(log)
    log.wait(100 * DAY_MS)
    log.rotate(alice)
    again = load_state(dump_state(log.state))
    assert again.find_agent(alice.did) == log.state.find_agent(alice.did)
    assert dump_state(again) == dump_state(log.state)
