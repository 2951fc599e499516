"""A client asks about states and believes only what hashes up to the checkpoints."""

from __future__ import annotations

import pytest

from did_methods.codec import base64url_decode
from registry.adapters.system_clock import SystemClock
from registry.client.state_errors import StateAbsentError, StateLogUnboundError, StateOldError, StatePresentError
from registry.client.state_proof import verify_current_key
from registry.client.states import StateReader
from registry.client.transport import Transport
from registry.client.view import RegistryView
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.merkle import ConsistencyProofError
from tests.support.client import Live
from tests.support.state_map import publish_state

NOW_MS = SystemClock().now_ms


def reader(live: Live) -> StateReader:
    """Return a reader that knows nothing but the registry's URL."""
    publish_state(live.world)
    return StateReader(RegistryView(Transport(live.url)), now_ms=NOW_MS())


def test_an_agent_its_key_and_all_its_entries(live: Live) -> None:
    """The state of an agent, the key that it speaks with, and every entry of its chain are verified."""
    alice, bob = live.agent(method="webvh"), live.agent()
    alice.vouch(bob.did)
    states = reader(live)
    state = states.agent(alice.did)
    assert state.record is not None
    assert state.record["state"] == "active"
    key = state.record["keys"]["list"][0]
    found = verify_current_key(state, key["publicKeyMultibase"], purpose="assertionMethod", now_ms=NOW_MS())
    assert found.id.startswith(alice.did)
    entries = states.all_entries(alice.did)
    assert [one.leaf.kind for one in entries] == ["vouch", "registration", "did_operation"]
    assert [one.count for one in entries] == [3, 2, 1]


def test_who_is_there_and_who_is_not(live: Live) -> None:
    """Absence is proved of a DID that never came, and is no answer for one that did."""
    alice, nobody = live.agent(), live.agent(registered=False)
    states = reader(live)
    assert states.absent(nobody.did).record is None
    with pytest.raises(StatePresentError):
        states.absent(alice.did)
    with pytest.raises(StateAbsentError):
        states.agent(nobody.did)


def test_a_statement_before_and_after_its_revocation(live: Live) -> None:
    """A vouch stands until it is revoked; then the opposite is what is proved."""
    alice, bob = live.agent(), live.agent()
    receipt = alice.vouch(bob.did)
    event = base64url_decode(receipt.event)
    states = reader(live)
    record = states.standing_statement(event).record
    assert record is not None
    assert (record["issuer"], record["subject"]) == (alice.did, bob.did)
    with pytest.raises(StatePresentError):
        states.ended_statement(event)
    alice.revoke(receipt.event)
    states = reader(live)
    assert states.ended_statement(event).record is None
    with pytest.raises(StateAbsentError):
        states.standing_statement(event)


def test_the_age_of_an_agent(live: Live) -> None:
    """The registration is proved back to an old checkpoint; without witnesses nobody else vouches for its time."""
    alice = live.agent()
    age = reader(live).age(alice.did)
    assert age.did == alice.did
    assert age.witnessed_ms is None
    assert 0 <= NOW_MS() - age.registered_ms < 3_600_000


def test_a_key_of_the_state_log_that_nobody_vouched_for(live: Live) -> None:
    """A key in log.json that the registry's DID has not signed is not taken."""
    room = live.world.registry.state_map
    honest = room.described["credential"]
    other = honest["credentialSubject"] | {"stateLog": "other.example/state"}
    room.described["credential"] = honest | {"credentialSubject": other}
    try:
        with pytest.raises(StateLogUnboundError):
            reader(live).trust()
    finally:
        room.described["credential"] = honest


def forked_reader(live: Live, seen: bytes) -> StateReader:
    """Return a reader that has kept a checkpoint of the state log."""
    return StateReader(RegistryView(Transport(live.url)), now_ms=NOW_MS(), seen=seen)


def test_the_state_log_grows_under_a_reader(live: Live) -> None:
    """Answers of a growing state log are accepted one after the other, also from a kept checkpoint on."""
    alice = live.agent()
    states = reader(live)
    states.agent(alice.did)
    kept = states.newest
    assert kept is not None
    live.agent()
    publish_state(live.world)
    states.agent(alice.did)
    assert states.newest != kept
    forked_reader(live, kept).agent(alice.did)


def test_a_state_log_that_was_rolled_back_or_split(live: Live) -> None:
    """A reader that has seen a larger state log, or another one of that size, takes no answer."""
    alice = live.agent()
    publish_state(live.world)
    log = live.world.registry.state_map.log
    if log.published_head.size < 2:  # the only test that has used this registry: there is but one tree of no leaves
        live.agent()
        publish_state(live.world)
    head, signer = log.published_head, log.signer.note_signer
    larger = sign_checkpoint(Checkpoint(signer.name, head.size + 1, bytes(32)), signer.signing_key)
    with pytest.raises(StateOldError):
        forked_reader(live, larger).agent(alice.did)
    for size in (head.size, head.size - 1):
        other = sign_checkpoint(Checkpoint(signer.name, size, bytes(32)), signer.signing_key)
        with pytest.raises(ConsistencyProofError):
            forked_reader(live, other).agent(alice.did)
