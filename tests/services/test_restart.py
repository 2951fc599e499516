"""What a restart finds: the same log, state, scores and decisions, from a snapshot or without one; or a clear refusal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from did_methods.errors import BonafidesError
from registry.bootstrap import open_registry
from registry.history.snapshot import START, dump_changes, dump_state, load_state
from registry.history.state import Changes, LogState
from registry.storage.decision import DecisionStore
from registry.storage.engine import Database, DatabaseBusyError, open_database
from registry.storage.log import LogStore
from tests.support.registry import DAY_MS, ManualClock, World, open_world, world_settings


def _fill(world: World) -> None:
    """Make a little of everything: agents, edges, a rotation, a suspension, epochs."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    carol = world.agent("carol")
    vouch = alice.vouch(bob.did, context="payments")
    documents = [world.operator.vouch(alice.did), vouch, bob.report(carol.did), alice.passport(), carol.vouch(bob.did)]
    for document in documents:
        assert world.submit(document).status == 201
    world.clock.advance(DAY_MS)
    assert world.epoch().status == 201
    for document in (alice.rotate(), carol.rotate(), carol.deactivate(), alice.vouch(bob.did)):
        assert world.submit(document).status == 201
    assert world.quarantine(bob).status == 201
    world.actors = {"alice": alice, "bob": bob}


def _store(data_dir: Path) -> tuple[Database, LogStore]:
    database = open_database(f"sqlite:///{data_dir / 'registry.sqlite3'}")
    return database, LogStore(database)


@pytest.mark.parametrize(
    "snapshot", ["kept", "lost", "one bit", "cut short", "format 5", "a portion lost", "foreign", "older"]
)
def test_a_restart_changes_nothing(tmp_path: Path, snapshot: str) -> None:
    """State, scores and decisions are the same after a restart, whatever became of the snapshot."""
    clock = ManualClock()
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        _fill(world)
        before, request = dump_state(world.registry.state), world.actors["alice"].request("read")
        answer = world.decide(request)
        root, checkpoint = world.registry.sequencer.tree.root(), world.registry.log.signed_head
    database, store = _store(tmp_path)
    size, root_hash, (data,) = store.load_snapshot() or (0, b"", (b"",))
    if snapshot == "lost":
        with database.write() as connection:
            connection.exec_driver_sql("DELETE FROM snapshot")
    elif snapshot == "one bit":
        store.save_snapshot(size, root_hash, data[:-1] + bytes([data[-1] ^ 1]))
    elif snapshot == "cut short":
        store.save_snapshot(size, root_hash, data[: len(data) // 2])
    elif snapshot == "format 5":
        store.save_snapshot(size, root_hash, b'{"format":"bonafides/state/5"}')
    elif snapshot == "a portion lost":
        store.save_snapshot(3, b"", data)
        assert store.extend_snapshot(size, root_hash, dump_changes(LogState(), Changes(), START), after=3)
    elif snapshot == "foreign":
        other = load_state(data)  # of as many entries, but not of these
        other.silenced.add("did:example:nobody")
        store.save_snapshot(size, b"x" * 32, dump_state(other))
    elif snapshot == "older":
        store.save_snapshot(size + 1, b"x" * 32, data)
    database.close()
    registry = open_registry(world_settings(tmp_path, on_disk=True), clock=clock)
    try:
        assert dump_state(registry.state) == before
        assert registry.sequencer.tree.root() == root
        assert registry.log.signed_head.size >= checkpoint.size
    finally:
        registry.database.close()
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        again = world.decide(request)
        assert again["context"]["trust"] == answer["context"]["trust"]
        assert again["decision"] == answer["decision"]


def test_settings_that_disagree_with_entry_0(tmp_path: Path) -> None:
    """A start under another public URL, profile or origin is refused, and the log stays as it was."""
    with open_world(tmp_path, on_disk=True) as world:
        size = world.size
    settings = world_settings(tmp_path, on_disk=True)
    for changed in (
        replace(settings, public_url="https://other.localhost:8000"),
        replace(settings, profile="replay"),
        replace(settings, origin="other.localhost/1a2b3c4d"),
    ):
        with pytest.raises(BonafidesError) as caught:
            open_registry(changed, clock=ManualClock())
        assert caught.value.code == "genesis_mismatch"
    with open_world(tmp_path, on_disk=True) as world:
        assert world.size == size


@pytest.mark.parametrize("name", ["log-note", "registry-did"])
def test_a_lost_key_stops_the_start(tmp_path: Path, name: str) -> None:
    """Without the key that entry 0 names the registry does not start, and does not make itself a new one."""
    with open_world(tmp_path, on_disk=True):
        pass
    path = tmp_path / "keys" / f"{name}.json"
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(BonafidesError) as caught:
        open_registry(world_settings(tmp_path, on_disk=True), clock=ManualClock())
    assert caught.value.code == "registry_keys_missing"
    assert not path.exists()
    path.write_bytes(kept)
    path.chmod(0o600)
    with open_world(tmp_path, on_disk=True):
        pass


def test_a_swapped_log_key_stops_the_start(tmp_path: Path) -> None:
    """A log key that is not the one of entry 0 is refused: two keys for one log would be a fork."""
    with open_world(tmp_path / "a", on_disk=True), open_world(tmp_path / "b", on_disk=True):
        pass
    (tmp_path / "a/keys/log-note.json").write_bytes((tmp_path / "b/keys/log-note.json").read_bytes())
    with pytest.raises(BonafidesError) as caught:
        open_registry(world_settings(tmp_path / "a", on_disk=True), clock=ManualClock())
    assert caught.value.code == "registry_keys_missing"


def test_the_operators_keys_may_be_taken_away(tmp_path: Path) -> None:
    """The operator root and the operator's agent are not needed to run: they may be kept offline."""
    with open_world(tmp_path, on_disk=True):
        pass
    for name in ("operator-root", "operator-agent"):
        (tmp_path / "keys" / f"{name}.json").unlink()
    with open_world(tmp_path, on_disk=True) as world:
        assert world.register(world.short_lived("alice")).status == 201


def test_private_files_are_private(tmp_path: Path) -> None:
    """Keys are readable by their owner alone; one that others can read stops the start."""
    with open_world(tmp_path, on_disk=True):
        pass
    keys = sorted((tmp_path / "keys").glob("*.json"))
    assert len(keys) == 9
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    keys[0].chmod(0o644)
    (tmp_path / "keys/registry-did.json").chmod(0o644)
    with pytest.raises(BonafidesError) as caught:
        open_registry(world_settings(tmp_path, on_disk=True), clock=ManualClock())
    assert caught.value.code == "key_file_exposed"


def test_two_processes_do_not_share_a_log(tmp_path: Path) -> None:
    """While one registry has the folder another does not start on it."""
    with open_world(tmp_path, on_disk=True), pytest.raises(DatabaseBusyError):
        open_registry(world_settings(tmp_path, on_disk=True), clock=ManualClock())


def test_no_private_key_is_in_the_database(tmp_path: Path) -> None:
    """The registry's own seeds, and bearer keys, are nowhere in the database, its write-ahead log or any answer."""
    from did_methods.codec import base64url_encode
    from registry.adapters.key_file import load_key_ring
    from tests.support.registry import GATEWAY_KEY, OPERATOR_KEY

    with open_world(tmp_path, on_disk=True) as world:
        _fill(world)
        files = b"".join(path.read_bytes() for path in tmp_path.glob("registry.sqlite3*"))
    secrets = [GATEWAY_KEY.encode(), OPERATOR_KEY.encode()]
    for path in (tmp_path / "keys").glob("*.json"):
        for key in load_key_ring(path).keys.values():
            secrets += [key.seed, base64url_encode(key.seed).encode()]
    assert not [secret for secret in secrets if secret in files]


def test_a_step_of_the_stop_that_fails(tmp_path: Path) -> None:
    """The last checkpoint could not be signed: decisions that waited, and the snapshot, were not kept either."""

    def refuse(_head: object) -> None:
        raise OSError(28, "No space left on device")

    def decide_and_stop() -> None:
        with open_world(tmp_path, on_disk=True) as world:
            assert world.registry.signing is not None
            world.registry.signing.stop()
            alice = world.agent("alice")
            world.registry.log.signer._record.save = refuse  # type: ignore[method-assign]
            told.append((world.size, world.decide(alice.request("read"))["context"]["evaluation_id"]))

    told: list[tuple[int, str]] = []
    with pytest.raises(OSError, match="No space left"):
        decide_and_stop()
    ((size, decided),) = told
    database, store = _store(tmp_path)
    assert DecisionStore(database).find(decided) is not None
    assert store.snapshot_size() == size
    database.close()
