"""What somebody might try with moves, witness proofs and observations, and what each comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from did_methods.errors import BonafidesError
from did_methods.keys import KeySigner, SigningKey
from did_methods.webvh_create import move_document
from registry.history.replay import verify_leaf
from registry.history.rules import preview_epoch
from registry.history.snapshot import dump_state, load_state
from registry.history.state import LogState, scid_of
from tests.history.test_rules import refused
from tests.support.drafts import fingerprint
from tests.support.identity_log import (
    foreign_actor,
    move,
    next_entry,
    observation_document,
    observed,
)
from tests.support.logs import ORIGIN, PUBLIC_URL, Actor, LogBuilder, key_actor, seed, webvh_actor

HERE, ELSEWHERE = PUBLIC_URL.removeprefix("https://"), "agents.example.com:alice"


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


def _abroad(log: LogBuilder, name: str) -> tuple[Actor, dict[str, Any]]:
    """Return a did:webvh that names this host in its first entry, was never published here, and went elsewhere."""
    actor = webvh_actor(name, ("agents", name), now_ms=log.now_ms)
    assert actor.webvh is not None
    first = actor.first_entry or {}
    log.wait()
    document = move_document(actor.webvh, f"did:webvh:{actor.webvh.scid}:away.example:{name}")
    _entry, state = next_entry(log, actor, document=document)
    moved = Actor(state.did, KeySigner(actor.signer.signing_key, f"{state.did}#key-1"), name, state)
    return moved, first


def _observe(log: LogBuilder, actor: Actor, **changes: Any) -> dict[str, Any]:
    """Make an observation of the key that an actor signs with."""
    keys = [replace(one, id=actor.signer.verification_method, multikey=actor.signer.signing_key.public_key.multikey)
            for one in observed(actor, "x")]  # fmt: skip
    document = observation_document(log, actor.did, keys)
    return document if not changes else _observation(log, document["credentialSubject"] | changes)


def _observation(log: LogBuilder, subject: dict[str, Any]) -> dict[str, Any]:
    return observation_document(log, subject["id"], [], subject=subject)


# ---------------------------------------------------------------- names


def test_a_log_cannot_take_the_name_of_another_one(log: LogBuilder) -> None:
    """The name must hold the log's own SCID, so bob's names, old and new, are out of alice's reach."""
    alice, bob = _hosted(log, "alice"), _hosted(log, "bob")
    assert alice.webvh is not None
    document = move_document(alice.webvh, f"did:webvh:{alice.webvh.scid}:x.example")
    for stolen in (bob.did, f"did:webvh:{scid_of(bob.did)}:elsewhere.example"):
        with pytest.raises(BonafidesError) as caught:
            next_entry(log, alice, document={**document, "id": stolen})
        assert caught.value.code == "webvh_state_scid_mismatch"
    # The rules do not rely on the writer to refuse it: the entry as it would be posted, its id replaced by force.
    entry, _state = next_entry(log, alice)
    forced = {**entry, "state": {**entry["state"], "id": f"did:webvh:{scid_of(bob.did)}:elsewhere.example"}}
    assert refused(log, forced).startswith("webvh_")
    assert log.state.tables.aliases == {}


def test_a_log_is_not_hosted_here_beside_its_observed_self(log: LogBuilder) -> None:
    """Anybody may hold the public first entry of a log that went elsewhere; posting it here must not freeze its keys."""
    carol, first = _abroad(log, "carol")
    log.add(_observe(log, carol))
    log.add(log.registration_document(carol))
    log.wait()
    assert refused(log, first) == "agent_exists"
    again = load_state(dump_state(log.state))
    log.state = again
    assert refused(log, first) == "agent_exists"
    log.wait()
    rotated = replace(carol, signer=KeySigner(SigningKey(seed("carol", "next")), carol.signer.verification_method))
    log.add(_observe(log, rotated))
    log.vouch(rotated, _root())


def test_an_agent_whose_log_is_here_is_not_observed_anywhere(log: LogBuilder) -> None:
    """Neither under a name that it has not taken yet, nor as the did:web beside it."""
    alice = _hosted(log, "alice")
    for did in (
        f"did:webvh:{scid_of(alice.did)}:agents.example.com:alice",
        f"did:web:{HERE}:agents:alice",
        f"did:web:{HERE.upper()}",
    ):
        assert refused(log, observation_document(log, did, [])) == "observation_subject"
    twin = foreign_actor("alice", host=HERE)
    draft = log.state.draft()
    with pytest.raises(BonafidesError):
        log.draft_with(draft, log.registration_document(twin))


def test_an_agent_may_move_before_it_registers(log: LogBuilder) -> None:
    """It registers under its name of now, and its chain goes on under the first one."""
    bob = webvh_actor("bob", ("agents", "bob"), now_ms=log.now_ms)
    first = bob.did
    log.add(bob.first_entry or {})
    log.wait()
    move(log, bob, "agents.example.com:bob")
    leaf = log.add(log.registration_document(bob))
    assert [(party.did, party.count) for party in leaf.parties] == [(first, 3)]
    agent = log.state.find_agent(bob.did)
    assert agent is not None
    assert agent.did == first
    log.wait()
    log.vouch(bob, _root())
    assert refused(log, log.registration_document(bob)) == "agent_exists"
    assert _same_again(log)


def test_what_was_said_under_one_name_is_replaced_and_revoked_under_another(log: LogBuilder) -> None:
    """One live vouch per pair, whatever the pair is called; its issuer takes it back under any name."""
    alice, bob = _hosted(log, "alice"), _hosted(log, "bob")
    names = [bob.did]
    log.vouch(alice, bob)
    log.wait()
    move(log, bob, "agents.example.com:bob")
    move_from = alice.did
    log.wait()
    move(log, alice, ELSEWHERE)
    log.wait()
    newer = log.vouch(alice, bob)
    assert log.state.head.live_vouches == 1
    assert sorted(party.did for party in newer.parties) == sorted([move_from, *names])
    log.wait()
    move(log, alice, "third.example")
    log.wait()
    log.revoke(alice, newer)
    assert log.state.head.live_vouches == 0
    assert _same_again(log)


def test_the_operator_names_a_moved_agent_by_any_name(log: LogBuilder) -> None:
    """Quarantine, release and revocation by the old name or the new one hit the same agent, which posts nothing more."""
    alice = _hosted(log, "alice")
    first = alice.did
    move(log, alice, ELSEWHERE)
    log.add(log.state_document("quarantine", first))
    log.add(log.state_document("release", alice.did))
    log.add(log.state_document("agent_revocation", alice.did))
    agent = log.state.find_agent(first)
    assert agent is not None
    assert agent.state == "revoked"
    log.wait()
    assert refused(log, next_entry(log, alice)[0]) == "agent_revoked"


def test_a_root_is_a_root_under_its_new_name(log: LogBuilder) -> None:
    """A root list that names a moved agent, by two names even, gives its voice to the one agent."""
    alice = _hosted(log, "alice")
    first = alice.did
    move(log, alice, ELSEWHERE)
    log.add(log.root_list_document([alice.did, first]))
    log.wait()
    log.epoch()
    assert log.state.roots_in_force == (first,)
    assert log.state.reputation.voices[first].vote > 0


def test_a_move_does_not_change_an_epoch_over_earlier_leaves(log: LogBuilder) -> None:
    """A root listed by a name that nobody has yet gains nothing by a move after the leaves that the epoch covers."""
    alice = _hosted(log, "alice")
    future = f"did:webvh:{scid_of(alice.did)}:{ELSEWHERE}"
    log.add(log.root_list_document([_root().did, future]))
    covered = log.state.head.size
    before = preview_epoch(log.state.draft(), tree_size=covered)["commitment"]
    log.wait()
    move(log, alice, ELSEWHERE)
    assert preview_epoch(log.state.draft(), tree_size=covered)["commitment"] == before
    log.epoch(covers=covered)
    assert _same_again(log)


@pytest.mark.parametrize("did", ["", "foo", "did:webvh", "did:webvh:x", "did:x", "did:web:a.example", "did:webvh:a:b"])
def test_an_entry_with_any_id_is_refused_with_a_code(log: LogBuilder, did: str) -> None:
    """A ``state.id`` of any text ends in a refusal, never in a defect that would stop the writer."""
    entry, _state = next_entry(log, _hosted(log, "alice"))
    draft = log.state.draft()
    before = fingerprint(draft)
    with pytest.raises(BonafidesError):
        log.draft_with(draft, {**entry, "state": {**entry["state"], "id": did}})
    assert fingerprint(draft) == before


# ---------------------------------------------------------------- observations


def test_a_slow_look_does_not_bring_back_a_rotated_out_key(log: LogBuilder) -> None:
    """Two looks at once: the one that began first and is logged last is refused, so the old key stays out."""
    dora = foreign_actor("dora")
    slow = observation_document(log, dora.did, observed(dora, "first"))
    log.wait()
    log.add(observation_document(log, dora.did, observed(dora, "second")))
    assert refused(log, slow) == "observation_out_of_order"
    assert refused(log, log.registration_document(dora)) == "verification_method_not_found"


def test_an_observation_does_not_come_from_the_future(log: LogBuilder) -> None:
    """Else the registry could shut out every true one that follows."""
    dora = foreign_actor("dora")
    early = observation_document(log, dora.did, observed(dora, "first"))["credentialSubject"]
    later = early | {"observed": "2999-01-01T00:00:00Z"}
    assert refused(log, _observation(log, later)) == "observation_out_of_order"


def test_an_observed_log_does_not_go_back_or_branch(log: LogBuilder) -> None:
    """Of a did:webvh elsewhere, only later versions follow; the newest one may be looked at again."""
    carol, _first = _abroad(log, "carol")
    versions = [
        f"{number}-{'Q' * 45}{letter}" for number, letter in ((2, "a"), (2, "b"), (1, "a"), (3, "a"), (10, "a"))
    ]
    log.add(_observe(log, carol, versionId=versions[0]))
    log.wait()
    for version in versions[1:3]:
        assert refused(log, _observe(log, carol, versionId=version)) == "observation_out_of_order"
    assert refused(log, _observe(log, carol, versionId=versions[0])) == "observation_unchanged"
    for version in versions[3:]:
        log.add(_observe(log, carol, versionId=version))
        log.wait()
    assert _same_again(log)


def test_a_passport_of_an_observed_log_names_the_observed_version(log: LogBuilder) -> None:
    """As with logs hosted here: it speaks for the version whose keys are known."""
    carol, _first = _abroad(log, "carol")
    assert carol.webvh is not None
    log.add(_observe(log, carol, versionId=carol.webvh.version_id))
    log.add(log.registration_document(carol))
    log.wait()
    other = f"3-{'Q' * 46}"
    assert refused(log, log.passport_document(carol, version_id=other)) == "passport_version_mismatch"
    log.passport(carol)


def test_observed_purposes_are_exact_and_in_order(log: LogBuilder) -> None:
    """A key seen under `authentication` alone registers and signs no statement; an unsorted list is another spelling."""
    dora = foreign_actor("dora")
    key = observed(dora, "first")[0]
    swapped = replace(key, purposes=("authentication", "assertionMethod"))
    assert refused(log, observation_document(log, dora.did, [swapped])) == "invalid_did_document"
    log.add(observation_document(log, dora.did, [replace(key, purposes=("authentication",))]))
    log.add(log.registration_document(dora))
    log.wait()
    assert refused(log, log.vouch_document(dora, _root())) == "verification_method_purpose"


def test_an_observation_without_keys_silences_its_agent(log: LogBuilder) -> None:
    """A document that was deactivated, or lost its keys, leaves nothing to sign with."""
    dora = foreign_actor("dora")
    log.add(observation_document(log, dora.did, observed(dora, "first")))
    log.add(log.registration_document(dora))
    log.wait()
    log.add(observation_document(log, dora.did, []))
    assert refused(log, log.vouch_document(dora, _root())) == "verification_method_not_found"
    assert _same_again(log)


def test_an_observation_names_its_log_and_the_signature_holds(log: LogBuilder) -> None:
    """It is a log statement like any other: another origin, or a changed key, is refused."""
    dora = foreign_actor("dora")
    document = observation_document(log, dora.did, observed(dora, "first"))
    altered = {**document, "credentialSubject": document["credentialSubject"] | {"source": "other"}}
    assert refused(log, altered) == "proof_invalid"
    elsewhere = observation_document(log, dora.did, observed(dora, "first"), domain=f"{ORIGIN}x")
    assert refused(log, elsewhere) == "domain_mismatch"
