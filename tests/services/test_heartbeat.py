"""The heartbeat: an idle log and a frozen view of it have one note, and are told apart by the time under it."""

from __future__ import annotations

from pathlib import Path

import pytest

from did_methods.errors import BonafidesError
from did_methods.keys import SigningKey
from registry.client.offline import Trust, verify_file
from registry.log.checkpoint import verify_checkpoint
from registry.log.cosignature import CosignatureKey, Cosigner, verify_cosignatures
from registry.log.heartbeat import HeartbeatStatementError, sign_heartbeat_key, verify_heartbeat_key
from registry.log.note import NoteKey, NoteSigner, NoteUnverifiedError, parse_note, parse_note_key, sign_note
from tests.support.publication import published, wait_for
from tests.support.registry import START_MS, World, open_world
from tests.support.state_map import publish_state
from tests.support.witnesses import MadeUpWitness, Reply, made_up_witness

LOG = NoteSigner("log.example/1", SigningKey(bytes(range(32))))
BEAT = Cosigner("log.example/1", SigningKey(bytes([5]) * 32))
INTERVAL_MS = 600_000


def beat_key(world: World) -> CosignatureKey:
    """Return the heartbeat's key as a reader gets it: from /log.json, by the word of the log's note key."""
    described = world.web.get("/log.json").json["heartbeat"]
    key = verify_heartbeat_key(described["statement"].encode(), parse_note_key(world.registry.genesis.log_key))
    assert described == described | {"verifier_key": key.to_text(), "interval_s": INTERVAL_MS // 1_000}
    return key


def times(note: bytes, world: World, *keys: CosignatureKey) -> list[int]:
    """Verify a checkpoint and return the times under it, in the order of the keys."""
    log = parse_note_key(world.registry.genesis.log_key)
    head = verify_checkpoint(note, origin=log.name, key=log).checkpoint
    return [one.time_s for one in verify_cosignatures(parse_note(note).signatures, head, keys)]


def test_an_idle_log_says_that_it_lives(tmp_path: Path) -> None:
    """Nothing is logged for an hour: the note stays as it is to the byte, and every ten minutes its time is new."""
    with open_world(tmp_path) as world:
        world.registry.log.sign_if_grown()
        key = beat_key(world)
        first = world.web.get("/checkpoint").body
        assert times(first, world, key) == [START_MS // 1_000]
        world.clock.advance(INTERVAL_MS - 1_000)
        world.registry.log.sign_if_due()
        assert world.web.get("/checkpoint").body == first
        world.clock.advance(1_000)
        world.registry.log.sign_if_due()
        second = world.web.get("/checkpoint").body
        assert times(second, world, key) == [(START_MS + INTERVAL_MS) // 1_000]
        own = world.registry.log.signed_head.note
        assert first.startswith(own)
        assert second.startswith(own)
        assert len(world.registry.store.newest_signed() or ()) == 3


def test_a_clock_that_goes_back_takes_no_time_back(tmp_path: Path) -> None:
    """The time under a checkpoint is never older than one that was shown before."""
    with open_world(tmp_path) as world:
        world.registry.log.sign_if_grown()
        key = beat_key(world)
        world.clock.advance(-300)
        world.agent("alice", short_lived=True)
        world.registry.log.sign_if_grown()
        assert times(world.web.get("/checkpoint").body, world, key) == [START_MS // 1_000]


def test_witnesses_and_the_folder_get_the_new_time_too(tmp_path: Path) -> None:
    """Every ten minutes the witness is asked for the same size again, and the published file holds both new times."""
    world: World

    def cosign_now(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
        return Reply(body=witness.line(body, time_s=world.clock.now_ms() // 1_000))

    with made_up_witness(cosign_now) as witness:
        policy = tmp_path / "policy"
        policy.write_text(f"witness W {witness.cosigner.key.to_text()} {witness.url}\nquorum W\n")
        tiles = tmp_path / "tiles"
        with open_world(tmp_path / "data", witness_policy=policy, tiles_dir=tiles) as world:
            world.registry.log.sign_if_grown()
            wait_for(lambda: published(world) == world.size)
            key, asked = beat_key(world), len(witness.bodies)
            world.clock.advance(INTERVAL_MS)
            wait_for(lambda: len(witness.bodies) == asked + 1)
            assert witness.bodies[-1].startswith(f"old {world.size}\n\n".encode())
            now_s = world.clock.now_ms() // 1_000
            keys = (key, witness.cosigner.key)
            wait_for(lambda: times((tiles / "checkpoint").read_bytes(), world, *keys) == [now_s, now_s])
            wait_for(lambda: times(world.web.get("/checkpoint").body, world, *keys) == [now_s, now_s])
            assert "heartbeat" in (tiles / "log.json").read_text()


def test_the_state_log_says_that_it_lives_too(tmp_path: Path) -> None:
    """Under a key of its own, which its note key names: an idle state log gets a new time every ten minutes, offline to verify."""
    with open_world(tmp_path) as world:
        publish_state(world)
        state_key = world.registry.state_map.log.signer.note_signer.key
        described = world.web.get("/log.json").json["stateLog"]["heartbeat"]
        key = verify_heartbeat_key(described["statement"].encode(), state_key)
        assert key != beat_key(world)
        assert key.name == f"{world.origin}/state"
        first = world.web.get("/state/checkpoint").body
        world.clock.advance(INTERVAL_MS)
        wait_for(lambda: world.web.get("/state/checkpoint").body != first)
        trust = Trust(key=state_key, heartbeat=key, max_age_ms=60_000, now_ms=world.clock.now_ms())
        for name, note in (("first", first), ("second", world.web.get("/state/checkpoint").body)):
            (tmp_path / name).write_bytes(note)
        assert verify_file(tmp_path / "second", trust).size == world.registry.state_map.keeper.tree.size
        with pytest.raises(BonafidesError) as caught:
            verify_file(tmp_path / "first", trust)
        assert caught.value.code == "checkpoint_stale"


def test_a_log_that_was_set_back_is_silent(tmp_path: Path) -> None:
    """It knows that a larger tree exists, so it does not say otherwise."""
    with open_world(tmp_path, on_disk=True) as world:
        world.registry.log.sign_if_grown()
        clock, path = world.clock, next((tmp_path / "signer").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"size":7', b'"size":9'))
    with open_world(tmp_path, on_disk=True, clock=clock) as world:
        key = beat_key(world)
        world.clock.advance(INTERVAL_MS)
        world.registry.log.sign_if_due()
        assert times(world.web.get("/checkpoint").body, world, key) == []


def test_only_the_logs_own_note_key_says_which_key_it_is() -> None:
    """A statement by another key, a checkpoint, another log's key, the note key itself, a surplus line: refused."""
    note = sign_heartbeat_key(BEAT.key, LOG)
    assert verify_heartbeat_key(note, LOG.key) == BEAT.key
    with pytest.raises(NoteUnverifiedError):
        verify_heartbeat_key(note, NoteKey(LOG.name, SigningKey(bytes(32)).public_key))
    vkey = BEAT.key.to_text()
    other = Cosigner("log.example/2", BEAT.signing_key).key.to_text()
    itself = CosignatureKey(LOG.name, LOG.signing_key.public_key).to_text()
    for text in (
        f"log.example/1\n{vkey}\n",
        f"log.example/1/heartbeat\n{vkey}\nmore\n",
        f"log.example/1/heartbeat\n{other}\n",
        f"log.example/1/heartbeat\n{itself}\n",
        "log.example/1\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    ):
        with pytest.raises(HeartbeatStatementError):
            verify_heartbeat_key(sign_note(text, [LOG]), LOG.key)
    with pytest.raises(BonafidesError):
        verify_heartbeat_key(sign_note("log.example/1/heartbeat\nno key\n", [LOG]), LOG.key)
