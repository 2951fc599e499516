"""Witness proofs never end what is committed: after them only their entry may come, so the log would stop for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from did_methods.errors import BonafidesError
from did_methods.keys import SigningKey
from did_methods.webvh_create import append_entry, move_document
from did_methods.webvh_parameters import next_key_hash
from did_methods.webvh_witness import WitnessRule, sign_witness_proof
from registry.history.statement import parse_statement
from registry.services.submission import Accepted, Outcome, Submission
from tests.support.actor import Actor, seeded
from tests.support.registry import World

WITNESS = SigningKey(bytes(range(32)))
WITNESS_DID = f"did:key:{WITNESS.public_key.multikey}"


def _next_entry(
    world: World, actor: Actor, *, document: dict[str, Any] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return an actor's next entry, its document unchanged unless one is given."""
    assert actor.state is not None
    actor.generation += 1
    entry, actor.state = append_entry(
        actor.state,
        document or actor.state.raw_document,
        update_key=seeded(f"{actor.name} update {actor.generation}"),
        next_key_hashes=[next_key_hash(seeded(f"{actor.name} update {actor.generation + 1}").public_key.multikey)],
        version_time_ms=max(world.clock.now_ms(), actor.state.version_time_ms + 1_000),
        **changes,
    )
    return entry


def _approval(entry: dict[str, Any], *, created_ms: int) -> dict[str, Any]:
    proof = sign_witness_proof(entry["versionId"], WITNESS, created_ms=created_ms)
    return {"versionId": entry["versionId"], "proof": [proof]}


def _submit(world: World, *documents: dict[str, Any], together: bool = True) -> Sequence[Outcome]:
    statements = [parse_statement(document) for document in documents]
    return world.registry.sequencer.submit(Submission(statements, together=together)).result()


def _log_goes_on(world: World, actor: Actor) -> bool:
    return world.submit(actor.vouch(world.operator.did)).status == 201


def test_a_witnessed_entry_enters_with_its_proofs_as_a_whole(world: World) -> None:
    """Two leaves side by side; sent again, both are answered with where they are."""
    alice, bob = world.agent("alice"), world.agent("bob")
    entry = _next_entry(world, alice, witness=WitnessRule(1, (WITNESS_DID,)))
    pair = (_approval(entry, created_ms=world.clock.now_ms()), entry)
    first = _submit(world, *pair)
    again = _submit(world, *pair)
    places = [(one.index, one.repeated) for one in (*first, *again) if isinstance(one, Accepted)]
    size = world.size
    assert places == [(size - 2, False), (size - 1, False), (size - 2, True), (size - 1, True)]
    assert world.registry.state.head.witness_ahead is None
    assert _log_goes_on(world, bob)


def test_proofs_of_an_entry_that_is_logged_without_them_are_refused(world: World) -> None:
    """The entry is answered as known and does not come after the proofs, which would then stand at the log's end."""
    alice, bob = world.agent("alice"), world.agent("bob")
    entry = _next_entry(world, alice)
    assert world.submit(entry).status == 201
    before = world.fingerprint()
    with pytest.raises(BonafidesError) as caught:
        _submit(world, _approval(entry, created_ms=world.clock.now_ms()), entry)
    assert caught.value.code == "did_witness_out_of_order"
    assert world.fingerprint() == before
    assert _log_goes_on(world, bob)


def test_proofs_in_any_other_company_leave_nothing_behind(world: World) -> None:
    """Alone, last, each for itself, before another entry or statement, twice: nothing is logged, and the log goes on."""
    alice, bob = world.agent("alice"), world.agent("bob")
    now_ms = world.clock.now_ms()
    entry = _next_entry(world, alice, witness=WitnessRule(1, (WITNESS_DID,)))
    proofs = _approval(entry, created_ms=now_ms)
    other = _approval({"versionId": f"9-{'Q' * 46}"}, created_ms=now_ms)
    before = world.fingerprint()
    for documents, together in (
        ((proofs,), True),
        ((proofs,), False),
        ((proofs, entry), False),
        ((bob.vouch(alice.did), proofs), True),
        ((proofs, bob.vouch(alice.did)), True),
        ((other, entry), True),
        ((proofs, other, entry), True),
        ((proofs, bob.vouch(alice.did), entry), True),
        ((proofs, proofs), True),
    ):
        with pytest.raises(BonafidesError) as caught:
            _submit(world, *documents, together=together)
        assert caught.value.code == "did_witness_out_of_order", documents
        assert world.fingerprint() == before
    _submit(world, proofs, entry)
    assert _log_goes_on(world, bob)


def test_the_event_door_takes_no_witness_proofs(world: World) -> None:
    """Neither alone nor in a batch, where the other lines are judged for themselves."""
    alice, bob = world.agent("alice"), world.agent("bob")
    entry = _next_entry(world, alice, witness=WitnessRule(1, (WITNESS_DID,)))
    proofs = _approval(entry, created_ms=world.clock.now_ms())
    size = world.size
    answer = world.submit(proofs)
    assert (answer.status, answer.json["code"]) == (409, "did_witness_out_of_order")
    batch = world.batch([proofs, entry, bob.vouch(alice.did)])
    assert world.size == size + 1
    assert b"did_witness_out_of_order" in batch.body
    assert b"webvh_witness_missing" in batch.body


def test_a_moved_logs_entries_are_taken_at_the_event_door(world: World) -> None:
    """The entry that moves a log names a DID that is not known yet; it is of the log with its SCID."""
    alice = world.agent("alice")
    assert alice.state is not None
    did = f"did:webvh:{alice.state.scid}:elsewhere.example"
    entry = _next_entry(world, alice, document=move_document(alice.state, did))
    answer = world.submit(entry)
    assert answer.status == 201, answer.json
    agent = world.registry.state.find_agent(did)
    assert agent is not None
    assert agent.did == alice.did
