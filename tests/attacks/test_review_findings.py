"""What a review found: each test is an attack, or an operator's slip, that once worked."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from did_methods.keys import KeySigner
from did_methods.webvh_create import append_entry, document_template
from did_methods.webvh_parameters import next_key_hash
from registry.storage.log import LogStore
from tests.support.actor import Actor, seeded
from tests.support.registry import OPERATOR, ManualClock, World, event_text, open_world


def _next_version(actor: Actor, *, method: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    """Rotate to a document with more members, or with more in its verification method."""
    assert actor.state is not None
    actor.generation += 1
    signing = seeded(f"{actor.name} signing {actor.generation}")
    document = {**document_template(actor.did, [signing.public_key]), **members}
    document["verificationMethod"][0] |= method or {}
    entry, actor.state = append_entry(
        actor.state,
        document,
        update_key=seeded(f"{actor.name} update {actor.generation}"),
        next_key_hashes=[next_key_hash(seeded(f"{actor.name} update {actor.generation + 1}").public_key.multikey)],
        version_time_ms=max(actor.clock.now_ms(), actor.state.version_time_ms + 1_000),
    )
    actor.signer = KeySigner(signing, f"{actor.did}#key-1")
    return entry


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize("snapshot", [True, False])
def test_a_document_as_deep_as_allowed_does_not_stop_the_next_start(tmp_path: Path, snapshot: bool) -> None:
    """A DID document nested as deeply as a body may be is read back: over HTTP, from a snapshot, and from the log."""
    clock = ManualClock()
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        mallory = world.agent("mallory")
        entry = _next_version(mallory, x=_nested(30))
        assert world.submit(entry).status == 201
        assert world.web.get(f"/v1/events/{event_text(entry)}").status == 200
        assert world.web.get(f"/v1/agents/{mallory.did}/events").status == 200
        before = world.fingerprint()
        if not snapshot:
            world.registry.snapshots.save = lambda: None  # type: ignore[method-assign]
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        assert world.fingerprint() == before


def test_in_a_replay_only_the_operator_registers_and_rotates(tmp_path: Path) -> None:
    """In a replay log time is what a statement says: a stranger's would put an end to all older ones."""
    with open_world(tmp_path, profile="replay") as world:
        before = world.fingerprint()
        assert world.register(world.hosted("mallory")).code == "bearer_key_required"
        assert world.fingerprint() == before
        alice = world.hosted("alice")
        assert world.register(alice, headers=OPERATOR).status == 201
        entry, path = alice.rotate(), f"/v1/agents/{alice.did}/did-log"
        assert world.web.post(path, entry).code == "bearer_key_required"
        assert world.web.post(path, entry, headers=OPERATOR).status == 201


def test_a_key_that_its_document_calls_revoked_is_not_active(world: World) -> None:
    """Neither evidence nor a decision rests on a key that its own document has ended."""
    bob = world.agent("bob")
    for name, member in (("alice", "revoked"), ("carol", "expires")):
        actor = world.agent(name)
        end = {member: "2026-11-20T08:00:00Z"}
        assert world.submit(_next_version(actor, method=end)).status == 201
        before = world.fingerprint()
        assert world.submit(actor.vouch(bob.did)).code == "verification_method_expired"
        assert world.fingerprint() == before
        assert not world.decide(actor.request())["decision"]


def test_a_key_with_a_later_end_is_active_until_then(world: World) -> None:
    """A key that ends in an hour of log time signs until then."""
    alice, bob = world.agent("alice"), world.agent("bob")
    assert world.submit(_next_version(alice, method={"expires": "2026-11-20T10:00:00Z"})).status == 201
    assert world.submit(alice.vouch(bob.did)).status == 201
    world.clock.advance(3_600_000)
    assert world.submit(bob.vouch(alice.did)).status == 201
    assert world.submit(alice.vouch(bob.did)).code == "verification_method_expired"


def test_an_empty_database_does_not_cost_the_keys_of_a_log(tmp_path: Path) -> None:
    """Started on another, empty database by mistake, the registry puts the keys it finds aside and deletes none."""
    with open_world(tmp_path, on_disk=True):
        pass
    keys = tmp_path / "keys"
    kept = {path.read_bytes() for path in keys.glob("*.json")}
    with open_world(tmp_path):
        pass
    files = [path for path in keys.rglob("*") if path.is_file()]
    assert kept <= {path.read_bytes() for path in files}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)


def _signed_size(world: World) -> int:
    return world.registry.log.signed_head.size


def test_a_database_that_refuses_a_checkpoint_does_not_stop_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at the moment of signing or keeping a snapshot is tried again; the log goes on taking entries."""
    with open_world(tmp_path) as world:
        original, left = LogStore.save_signed, [2]

        def refuse(self: LogStore, size: int, root_hash: bytes, note: bytes) -> bytes:
            if left[0]:
                left[0] -= 1
                raise OperationalError("INSERT", {}, Exception("database or disk is full"))
            return original(self, size, root_hash, note)

        monkeypatch.setattr(LogStore, "save_signed", refuse)
        alice = world.agent("alice")
        bob = world.agent("bob")
        assert world.submit(alice.vouch(bob.did)).status == 201
        for _ in range(100):
            if not left[0] and world.web.get("/checkpoint").status == 200 and _signed_size(world) == world.size:
                break
            time.sleep(0.05)
        assert _signed_size(world) == world.size
        assert world.web.get("/readyz").status == 200


def test_a_quarantine_in_a_replay_does_not_move_log_time(tmp_path: Path) -> None:
    """The operator may suspend an agent of a replay; what comes later in the replayed time still goes in."""
    with open_world(tmp_path, profile="replay") as world:
        member = world.short_lived("member")
        lines = world.batch([member.presentation(None)], headers=OPERATOR)
        assert lines.json["results"][0]["index"] == world.size - 1
        before = world.registry.state.head.last_time_ms
        world.clock.advance(3_600_000)
        assert world.quarantine(member).status == 201
        assert world.registry.state.head.last_time_ms == before
