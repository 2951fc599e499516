"""The state map over the life of a registry: starts, crashes, damage, witnesses, replicas; the map stays that of the log."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from did_methods.codec import base64url_decode
from registry.bootstrap_state_map import StateKeyError
from registry.client.log_reader import LogReader
from registry.client.tile_folder import FolderTransport
from registry.history.subject_state import all_states, record_of
from registry.log.checkpoint import parse_checkpoint, verify_checkpoint
from registry.log.merkle import derive_root, leaf_hash
from registry.log.note import parse_note, parse_note_key
from registry.log.state_map import StateMap, parse_state_entry, state_digest, subject_key
from registry.services import state_map as keeping
from tests.support.postgres import PostgresServer
from tests.support.publication import published, wait_for
from tests.support.registry import ManualClock, World, event_text, open_world
from tests.support.state_map import publish_state, state_answer
from tests.support.witnesses import MadeUpWitness, Reply, made_up_witness

STATE_TABLES = ("state", "state_entry", "state_tile", "state_signed", "state_cosignature", "state_published")


def assert_current(world: World) -> None:
    """The newest published map is the one that the folded log gives, made anew."""
    publish_state(world)
    states = all_states(world.registry.state.tables)
    rows = {subject_key(one): state_digest(record_of(each)) for one, each in states.items() if each is not None}
    entry = parse_state_entry(base64url_decode(state_answer(world, world.operator.did)["entry"]))
    assert (entry.size, entry.map_root) == (world.size, StateMap(16, rows.items()).root)


@contextmanager
def on_disk(folder: Path, clock: ManualClock | None = None, **more: Any) -> Iterator[World]:
    """Open a registry that can be opened again."""
    with open_world(folder, on_disk=True, clock=clock, **more) as world:
        yield world


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database of a registry that was stopped, past all that guards it."""
    with sqlite3.connect(folder / "registry.sqlite3") as connection:
        yield connection
    connection.close()


def stop_keeping(world: World) -> None:
    """Let the registry go on and end without its state map, as one that is killed would."""
    world.registry.state_map.advance = lambda: False  # type: ignore[method-assign]


def test_a_restart_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """What was committed last has its entry when a registry stops; the next start answers from it and goes on."""
    with on_disk(tmp_path) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        world.submit(alice.vouch(bob.did))
        clock = world.clock
    with on_disk(tmp_path, clock) as world:
        room = world.registry.state_map
        assert room.keeper.covers == world.size
        wait_for(lambda: room.keeper.view(room.keeper.tree.size - 1) is not None)
        assert state_answer(world, alice.did)["state"]["chain"]["count"] == 3
        world.submit(bob.vouch(alice.did))
        assert_current(world)


def test_a_folder_of_an_earlier_version(tmp_path: Path) -> None:
    """A registry that had no state map gets key, record and log at its next start; the first map is of the whole log."""
    with on_disk(tmp_path) as world:
        world.agent("alice")
        clock = world.clock
    (tmp_path / "keys" / "state-note.json").unlink()
    shutil.rmtree(tmp_path / "signer")
    with database(tmp_path) as connection:
        for table in STATE_TABLES:
            connection.execute(f"DELETE FROM {table}")
    with on_disk(tmp_path, clock) as world:
        assert_current(world)
        assert world.registry.state_map.keeper.tree.size == 1


def test_a_crash_before_the_entry(tmp_path: Path) -> None:
    """What was committed after the last entry is caught up with: new states, and statements that are gone."""
    with on_disk(tmp_path) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        vouch = alice.vouch(bob.did)
        world.submit(vouch)
        publish_state(world)
        stop_keeping(world)
        world.submit(alice.revocation(vouch))
        world.agent("carol")
        clock = world.clock
    with on_disk(tmp_path, clock) as world:
        assert world.registry.state_map.keeper.covers < world.size
        assert_current(world)
        assert world.web.get(f"/v1/events/{event_text(vouch)}/state").json["state"] is None


def test_a_crash_between_entry_and_signature(tmp_path: Path) -> None:
    """An entry that was committed and not signed is signed by the next start, and nothing is appended twice."""
    with on_disk(tmp_path) as world:
        world.agent("alice")
        publish_state(world)
        size = world.registry.state_map.keeper.tree.size
        world.agent("bob")
        world.registry.log.sign_if_grown()
        with mock.patch.object(world.registry.state_map.log, "sign_if_grown"):
            wait_for(lambda: world.registry.state_map.advance() or world.registry.state_map.keeper.tree.size > size)
            stop_keeping(world)
        clock = world.clock
    with on_disk(tmp_path, clock) as world:
        room = world.registry.state_map
        wait_for(lambda: room.log.published_head.size == size + 1)
        assert_current(world)


def test_a_database_that_refuses(tmp_path: Path) -> None:
    """A write that fails leaves the map as it was; the next try makes the same entry."""
    with on_disk(tmp_path) as world:
        room = world.registry.state_map
        publish_state(world)
        before = room.keeper.tree.size
        with mock.patch.object(room.keeper._store, "append", side_effect=sqlite_full()):
            world.agent("alice")
            world.registry.log.sign_if_grown()
            assert not room.advance()
            assert room.failed is None
            assert room.keeper.tree.size == before
        assert_current(world)


def sqlite_full() -> Exception:
    """Return what a full disk raises."""
    from sqlalchemy.exc import OperationalError

    return OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE state SET digest = zeroblob(32) WHERE subject LIKE 'did:web%'",
        pytest.param("DELETE FROM state WHERE subject LIKE 'did:web%'", marks=pytest.mark.full),
        pytest.param(
            "UPDATE state SET key = zeroblob(32) WHERE subject = (SELECT subject FROM state LIMIT 1)",
            marks=pytest.mark.full,
        ),
        pytest.param("UPDATE state SET digest = 'text' WHERE subject LIKE 'did:web%'", marks=pytest.mark.full),
        "INSERT INTO state VALUES (zeroblob(32), 1, 'did:example:made-up', zeroblob(32), zeroblob(1))",
    ],
)
def test_damaged_states_are_made_anew(tmp_path: Path, damage: str) -> None:
    """Rows that do not give the newest entry's root are not answered from; the log makes them anew."""
    with on_disk(tmp_path) as world:
        alice = world.agent("alice")
        clock = world.clock
    with database(tmp_path) as connection:
        connection.execute(damage)
    with on_disk(tmp_path, clock) as world:
        answer = world.web.get(f"/v1/agents/{alice.did}/state?format=proof")
        assert (answer.status, answer.code) == (503, "state_map_not_ready")
        world.agent("bob")
        assert_current(world)
        clock = world.clock
    with on_disk(tmp_path, clock) as world:
        assert_current(world)


def test_a_damaged_record_is_not_shown(tmp_path: Path) -> None:
    """A record that is not the one in the map is no answer; absence needs none."""
    with on_disk(tmp_path) as world:
        alice = world.agent("alice")
        clock = world.clock
    with database(tmp_path) as connection:
        connection.execute("UPDATE state SET record = replace(CAST(record AS TEXT), 'active', 'revoked')")
    with on_disk(tmp_path, clock) as world:
        room = world.registry.state_map
        wait_for(lambda: room.keeper.view(room.keeper.tree.size - 1) is not None)
        answer = world.web.get(f"/v1/agents/{alice.did}/state?format=proof")
        assert (answer.status, answer.code) == (503, "state_record_damaged")
        assert state_answer(world, "did:example:nobody")["state"] is None


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM state_entry WHERE seq = (SELECT max(seq) FROM state_entry)",
        pytest.param("UPDATE state_entry SET leaf_hash = zeroblob(32) WHERE seq = 0", marks=pytest.mark.full),
    ],
)
def test_a_state_log_that_was_set_back(tmp_path: Path, damage: str) -> None:
    """A state log that does not hold what was signed is closed: nothing more is signed in it, and readiness says so."""
    with on_disk(tmp_path) as world:
        world.agent("alice")
        publish_state(world)
        world.agent("bob")
        clock = world.clock
    with database(tmp_path) as connection:
        connection.execute(damage)
        signed = connection.execute("SELECT count(*) FROM state_signed").fetchone()
    with on_disk(tmp_path, clock) as world:
        world.agent("carol")
        world.registry.log.sign_if_grown()
        world.registry.state_map.advance()
        assert world.web.get("/readyz").code == "log_rolled_back"
        assert world.web.get("/healthz").status == 200
        assert world.registry.sequencer.is_writable
    with database(tmp_path) as connection:
        assert connection.execute("SELECT count(*) FROM state_signed").fetchone() == signed


def test_a_newest_entry_that_is_none(tmp_path: Path) -> None:
    """A damaged row of the state log stops the state map alone: the registry starts, goes on and says what is wrong."""
    with on_disk(tmp_path) as world:
        publish_state(world)
        clock = world.clock
    with database(tmp_path) as connection:
        connection.execute("UPDATE state_entry SET data = zeroblob(77)")
    with on_disk(tmp_path, clock) as world:
        alice = world.agent("alice")
        assert world.web.get("/readyz").code == "state_entry_malformed"
        assert world.web.get(f"/v1/agents/{alice.did}/state?format=proof").code == "state_map_not_ready"


def test_another_key_is_refused(tmp_path: Path) -> None:
    """A state log that goes on needs its key: readers hold on to the one that they know."""
    with on_disk(tmp_path) as world:
        publish_state(world)
        clock = world.clock
    (tmp_path / "keys" / "state-note.json").unlink()
    with pytest.raises(StateKeyError), on_disk(tmp_path, clock):
        pass


def test_commits_beyond_the_number_held(tmp_path: Path) -> None:
    """While publication is held up commits are merged; the entry after it is that of the whole log."""
    with open_world(tmp_path) as world, mock.patch.object(keeping, "STATE_COMMITS_HELD", 2):
        publish_state(world)
        with (
            mock.patch.object(world.registry.log, "sign_if_grown"),
            mock.patch.object(world.registry.log, "sign_if_due"),
        ):
            for name in ("a", "b", "c", "d", "e"):
                world.agent(name)
            assert len(world.registry.state_map.keeper._commits) <= 3
        assert_current(world)


def test_the_tile_folder_holds_the_state_log(tmp_path: Path) -> None:
    """Below ``state`` lies a log like the other one, whole and verifiable without a registry."""
    tiles = tmp_path / "tiles"
    with on_disk(tmp_path, tiles_dir=tiles) as world:
        world.agent("alice")
        publish_state(world)
        key, size = world.registry.state_map.log.verifier_key, world.registry.state_map.keeper.tree.size
    reader = LogReader(FolderTransport(tiles)).state_log()
    assert reader.first_key() == key
    note_key = parse_note_key(key)
    head = verify_checkpoint(reader.checkpoint(), origin=note_key.name, key=note_key).checkpoint
    entries = [entry for portion in reader.portions(0, head.size) for entry in portion.entries]
    assert head.size >= size
    assert derive_root([leaf_hash(entry) for entry in entries]) == head.root_hash


def policy_file(folder: Path, world: World, witness: MadeUpWitness) -> Path:
    """Write a policy that names both logs of a registry, and one witness that has to cosign."""
    logs = (world.registry.genesis.log_key, world.registry.state_map.log.verifier_key)
    lines = [*(f"log {one}\n" for one in logs), f"witness W {witness.cosigner.key.to_text()} {witness.url}\n"]
    path = folder / "policy"
    path.write_text("".join(lines) + "quorum W\n")
    return path


def refusing(times: list[int]) -> Callable[[MadeUpWitness, bytes, int], Reply]:
    """Cosign the main log; refuse the state log until the list is emptied."""

    def answer(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
        if times and b"/state\n" in body:
            return Reply(404)
        return Reply(body=witness.line(body, time_s=1_795_165_200))

    return answer


def test_witnesses_of_the_state_log(tmp_path: Path) -> None:
    """A policy that names the state log holds for it: without its quorum no entry is answered from, and none piles up."""
    refuses = [1]
    with made_up_witness(refusing(refuses)) as witness:
        with on_disk(tmp_path) as world:
            alice = world.agent("alice")
            publish_state(world)
            policy, clock = policy_file(tmp_path, world, witness), world.clock
        with on_disk(tmp_path, clock, witness_policy=policy) as world:
            room = world.registry.state_map
            described = world.web.get("/log.json").json["stateLog"]
            assert (described["quorum"], len(described["witnesses"])) == ("W", 1)
            before = room.keeper.tree.size
            for name in ("bob", "carol", "dave"):
                world.agent(name)
                wait_for(lambda: published(world) == world.size)
                room.advance()
            assert room.keeper.tree.size <= before + 1
            name = witness.cosigner.key.name
            assert room.log.origin not in cosigned_by(world, name)
            refuses.clear()
            wait_for(
                lambda: room.log.origin in cosigned_by(world, name) and room.keeper.covers == world.size, seconds=20
            )
            assert state_answer(world, alice.did)["state"]["state"] == "active"


def cosigned_by(world: World, name: str) -> set[str]:
    """Return the origins of published state checkpoints that a witness has cosigned; none where none is published."""
    answer = world.web.get("/state/checkpoint")
    if answer.status == 503:
        return set()
    note = parse_note(answer.body)
    return {parse_checkpoint(note.text).origin for line in note.signatures if line.name == name}


def test_replicas_answer_alike(postgres: PostgresServer, tmp_path: Path) -> None:
    """Of two registries on one PostgreSQL any appends, once a size; both answer from the same state log."""
    name, clock = postgres.fresh_database(), ManualClock()
    url = postgres.url(name)
    try:
        with (
            open_world(tmp_path, clock=clock, database_url=url) as one,
            open_world(tmp_path, clock=clock, database_url=url) as other,
        ):
            alice = one.agent("alice")
            wait_for(lambda: one.fingerprint() == other.fingerprint())
            bob = other.agent("bob")
            wait_for(lambda: one.fingerprint() == other.fingerprint())

            def alike() -> bool:
                answers = [
                    each.web.get(f"/v1/agents/{did}/state?format=proof")
                    for each in (one, other)
                    for did in (alice.did, bob.did)
                ]
                if any(each.status != 200 or each.json["state"] is None for each in answers):
                    return False
                return answers[0].json["entry"] == answers[2].json["entry"] and answers[1].body == answers[3].body

            wait_for(alike, seconds=20)
            for each in (one, other):
                assert each.registry.state_map.failed is None
    finally:
        postgres.drop_database(name)
