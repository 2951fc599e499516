"""Records of subjects: what each says after which entries, and that nothing else changes them."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.codec import base64url_encode, parse_json_object
from did_methods.webvh_create import deactivate_entry, move_document
from registry.history.sequence import SequencedLeaf
from registry.history.subject_state import all_states, key_set, record_of
from registry.log.state_subject import event_subject
from tests.support import evidence
from tests.support.identity_log import (
    adopt,
    foreign_actor,
    next_entry,
    observation_document,
    observed,
    update_key,
)
from tests.support.logs import Actor, LogBuilder, key_actor

Scene = tuple[LogBuilder, Actor, Actor, Actor]


@pytest.fixture
def scene() -> Scene:
    """A log with a root that has a voice, a did:key agent and a hosted did:webvh agent."""
    log = LogBuilder().open(key_actor("root-agent"))
    root, alice, bob = log.agent("root-agent"), log.agent("alice"), log.agent("bob", hosted=True)
    log.epoch()
    log.wait()
    return log, root, alice, bob


def records(log: LogBuilder) -> dict[str, dict[str, Any]]:
    """Return the record of every subject, as whoever checks its digest reads it."""
    states = all_states(log.state.tables)
    return {subject: parse_json_object(record_of(state)) for subject, state in states.items() if state is not None}


def record(log: LogBuilder, subject: str | Actor | SequencedLeaf) -> dict[str, Any]:
    """Return one record."""
    match subject:
        case Actor():
            return records(log)[subject.did]
        case SequencedLeaf():
            return records(log)[event_subject(subject.event_id)]
        case _:
            return records(log)[subject]


def test_the_record_of_a_new_agent(scene: Scene) -> None:
    """A did:key agent: active from its registration on, its own key, one entry in its chain."""
    log, _, alice, _ = scene
    leaf = next(one for one in log.leaves if one.kind == "registration" and one.parties[0].did == alice.did)
    assert record(log, alice) == {
        "format": "bonafides/did-state/1",
        "did": alice.did,
        "agent": alice.did,
        "chain": {"count": 1, "index": leaf.index, "leafHash": base64url_encode(leaf.leaf_hash)},
        "state": "active",
        "registered": {"index": leaf.index, "time": leaf.time_ms},
        "authorityEpoch": 1,
        "changed": leaf.index,
        "passport": None,
        "control": {"last": None, "carried": None},
        "name": alice.did,
        "keys": None,
    }


def test_the_map_holds_every_party(scene: Scene) -> None:
    """Registry, operator and agents have records; those that are no agents have no state of one."""
    log, root, alice, bob = scene
    registry, operator = log.registry.did, log.root.did
    assert records(log).keys() == {registry, operator, root.did, alice.did, bob.did}
    assert record(log, registry)["state"] is None
    assert "registered" not in record(log, registry)
    assert record(log, registry)["keys"]["source"] == "log"


def test_states(scene: Scene) -> None:
    """Suspended, released, revoked: the record follows, and says where it changed."""
    log, _, alice, _ = scene
    for kind, state in (("quarantine", "suspended"), ("release", "active"), ("agent_revocation", "revoked")):
        leaf = log.add(log.state_document(kind, alice.did))
        found = record(log, alice)
        assert (found["state"], found["changed"]) == (state, leaf.index)


def test_keys_of_a_hosted_did(scene: Scene) -> None:
    """The record names the version and lists the document's keys; deactivation leaves none."""
    log, _, _, bob = scene
    assert bob.webvh is not None
    keys = key_set(log.state.tables.documents[bob.did])
    assert record(log, bob)["keys"] == {"source": "log", "versionId": bob.webvh.version_id, "list": keys}
    assert [key["id"] for key in keys] == [f"{bob.did}#key-1"]
    assert keys[0]["publicKeyMultibase"] == bob.signer.signing_key.public_key.multikey
    log.wait()
    update = update_key(bob, bob.rotations + 1)
    entry, state = deactivate_entry(bob.webvh, update_key=update, version_time_ms=log.now_ms)
    log.add(entry)
    found = record(log, bob)
    assert found["state"] == "deactivated"
    assert found["keys"] == {"source": "log", "versionId": state.version_id, "list": []}


def test_keys_observed_elsewhere() -> None:
    """Observed keys are marked as such."""
    log = LogBuilder().open(key_actor("root-agent"))
    carol = foreign_actor("carol")
    log.add(observation_document(log, carol.did, observed(carol, "first")))
    found = record(log, carol)
    assert (found["state"], found["keys"]["source"]) == (None, "observed")
    assert key_set(log.state.tables.documents[carol.did])[0]["purposes"] == ["assertionMethod", "authentication"]


def test_a_later_name(scene: Scene) -> None:
    """A DID that moved keeps its record under its first name, and its new name points there."""
    log, _, _, bob = scene
    assert bob.webvh is not None
    log.wait()
    new_did = f"did:webvh:{bob.webvh.scid}:away.example"
    entry, state = next_entry(log, bob, document=move_document(bob.webvh, new_did))
    log.add(entry)
    adopt(bob, state, signing=None)
    first = state.first_did
    assert record(log, new_did) == {
        "format": "bonafides/did-state/1",
        "did": new_did,
        "agent": first,
        "chain": None,
    }
    assert record(log, first)["name"] == new_did


def test_statements_live_and_gone(scene: Scene) -> None:
    """A statement has a record while it is live: not after its revocation, and not after a newer one replaced it."""
    log, root, _, bob = scene
    first = log.vouch(root, bob, "coding")
    assert record(log, first) == {
        "format": "bonafides/statement-state/1",
        "event": base64url_encode(first.event_id),
        "index": first.index,
        "kind": "vouch",
        "issuer": root.did,
        "subject": bob.did,
        "context": "coding",
        "dispute": None,
    }
    second = log.vouch(root, bob, "coding")
    assert event_subject(first.event_id) not in records(log)
    assert record(log, second)["context"] == "coding"
    log.add(log.revocation_document(root, second))
    assert event_subject(second.event_id) not in records(log)


def test_a_disputed_report(scene: Scene) -> None:
    """The report's record says what became of the dispute, which has a record of its own only while it is open."""
    log, root, alice, _ = scene
    report = log.report(root, alice)
    dispute = log.add(evidence.dispute(log, alice, report))
    said = record(log, report)["dispute"]
    assert said == {
        "event": base64url_encode(dispute.event_id),
        "index": dispute.index,
        "state": "open",
        "ruling": None,
    }
    assert record(log, dispute)["kind"] == "dispute"
    ruling = log.add(evidence.ruling(log, dispute, "upheld"))
    assert record(log, report)["dispute"] == said | {"state": "upheld", "ruling": ruling.index}
    assert event_subject(dispute.event_id) not in records(log)


def test_time_changes_no_record(scene: Scene) -> None:
    """Days pass and an epoch is logged: only the registry, who signed it, has another record."""
    log, _, _, _ = scene
    before = records(log)
    log.wait(40 * 86_400_000)
    log.epoch()
    after = records(log)
    assert {subject for subject in after if after[subject] != before[subject]} == {log.registry.did}
