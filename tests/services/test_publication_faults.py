"""Publication where the disk fails: before a write, or after it though it reached the disk; and where an old write comes late."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from unittest import mock

import pytest
from sqlalchemy.exc import OperationalError

from did_methods.keys import SigningKey
from registry.client.offline import Trust, verify_file
from registry.log.checkpoint import Checkpoint
from registry.log.cosignature import Cosigner, append_lines, cosign
from registry.log.note import parse_note_key
from registry.services.publisher import is_as_fresh
from registry.storage.tile_store import FolderTileStore
from tests.support.publication import published, wait_for
from tests.support.registry import World, open_world
from tests.support.witnesses import MadeUpLog

LOG = MadeUpLog()


def in_folder(tiles: Path) -> int:
    """Return the size of a folder's checkpoint; 0 for none."""
    path = tiles / "checkpoint"
    return int(path.read_bytes().split(b"\n")[1]) if path.exists() else 0


def whole(world: World, tiles: Path) -> None:
    """Hold that the folder is the log, entry by entry and tile by tile."""
    found = verify_file(tiles, Trust(parse_note_key(world.registry.genesis.log_key)))
    assert found.size == world.size


@pytest.mark.parametrize("moment", ["refused", "persisted"])
@pytest.mark.parametrize("what", ["tile/0/", "tile/entries/", "checkpoint"])
def test_a_write_that_fails_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, moment: str
) -> None:
    """A tile, a bundle or the checkpoint: whether or not it got there, publication ends whole, and the note is the same."""
    write, left = FolderTileStore._write, [3]

    def failing(self: FolderTileStore, path: str, data: bytes) -> None:
        strikes = path.startswith(what) and left[0] > 0
        left[0] -= strikes
        if strikes and moment == "refused":
            raise OSError(28, "No space left on device")
        write(self, path, data)
        if strikes:
            raise OSError(5, "Input/output error")

    tiles = tmp_path / "tiles"
    with open_world(tmp_path / "data", tiles_dir=tiles) as world:
        wait_for(lambda: in_folder(tiles) == world.size)
        monkeypatch.setattr(FolderTileStore, "_write", failing)
        world.agent("alice", short_lived=True)
        world.registry.log.sign_if_grown()
        own = world.registry.log.signed_head.note
        wait_for(lambda: left[0] <= 0 or (moment == "persisted" and in_folder(tiles) == world.size))
        wait_for(lambda: in_folder(tiles) == world.size == published(world))
        assert (tiles / "checkpoint").read_bytes().startswith(own)
        whole(world, tiles)
        assert world.web.get("/readyz").status == 200


def test_an_old_write_that_comes_late(tmp_path: Path) -> None:
    """A process that stood still ends its write of an old partial tile, with the old bytes: nobody is told anything wrong."""
    tiles = tmp_path / "tiles"
    with open_world(tmp_path / "data", tiles_dir=tiles) as world:
        wait_for(lambda: in_folder(tiles) == world.size)
        late = {path: path.read_bytes() for path in tiles.rglob("*.p/*")}
        for name in ("alice", "bob"):
            world.agent(name, short_lived=True)
            world.registry.log.sign_if_grown()
            wait_for(lambda: in_folder(tiles) == world.size)
        for path, data in late.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        whole(world, tiles)
        world.agent("carol", short_lived=True)
        wait_for(lambda: in_folder(tiles) == world.size)
        whole(world, tiles)


def test_a_process_that_is_overtaken_takes_nothing_back(tmp_path: Path) -> None:
    """Another process of this log has published a larger head into the folder: ours waits, and is not the end of publication."""
    tiles = tmp_path / "tiles"
    with open_world(tmp_path / "data", tiles_dir=tiles) as world:
        wait_for(lambda: in_folder(tiles) == world.size == published(world))
        publisher = world.registry.witnessing.publisher
        older = world.registry.log.signed_head
        world.agent("alice", short_lived=True)
        wait_for(lambda: in_folder(tiles) == world.size)
        before = (tiles / "checkpoint").read_bytes()
        assert publisher._publish(older) is False
        assert publisher.failed is None
        assert (tiles / "checkpoint").read_bytes() == before


def test_a_database_that_refuses_while_witnesses_are_looked_for(tmp_path: Path) -> None:
    """The publisher's thread ended with it, and nobody was told: it goes on."""
    tiles = tmp_path / "tiles"
    with open_world(tmp_path / "data", tiles_dir=tiles) as world:
        asked = threading.Event()

        def refuse() -> None:
            asked.set()
            raise OperationalError("SELECT", {}, sqlite3.OperationalError("disk I/O error"))

        with mock.patch.object(world.registry.log.guard, "look_again", refuse):
            assert asked.wait(10)
        world.agent("alice", short_lived=True)
        world.registry.log.sign_if_grown()
        wait_for(lambda: in_folder(tiles) == world.size)
        assert world.web.get("/readyz").status == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_of_the_publisher_is_told(tmp_path: Path) -> None:
    """What nobody expected ends publication, which readiness says from then on; the stop is not held up by it."""
    with open_world(tmp_path / "data", tiles_dir=tmp_path / "tiles") as world:
        publisher = world.registry.witnessing.publisher
        with mock.patch.object(publisher, "_publish_newest", side_effect=ZeroDivisionError):
            wait_for(lambda: world.web.get("/readyz").status == 503)
        answer = world.web.get("/readyz")
        assert (answer.status, answer.json["code"]) == (503, "publication_stopped")
        world.agent("alice", short_lived=True)  # the log goes on


def test_what_is_fresh_enough() -> None:
    """Two processes put their own times under one note: the newer stands, and nobody writes the same again and again."""
    beat, witness = (
        Cosigner(name, SigningKey(bytes([seed]) * 32)) for name, seed in ((LOG.origin, 3), ("w.example", 4))
    )

    def note(size: int, *lines: tuple[Cosigner, int]) -> bytes:
        head = Checkpoint(LOG.origin, size, LOG.head(size).root_hash)
        return append_lines(LOG.note(size), [cosign(head, one, time_s=time_s) for one, time_s in lines])

    assert not is_as_fresh(None, note(5))
    assert not is_as_fresh(b"nothing", note(5))
    assert not is_as_fresh(note(4, (beat, 9)), note(5, (beat, 1)))
    assert is_as_fresh(note(5, (beat, 9)), note(5, (beat, 9)))
    assert is_as_fresh(note(5, (beat, 9)), note(5, (beat, 8)))
    assert not is_as_fresh(note(5, (beat, 8)), note(5, (beat, 9)))
    assert not is_as_fresh(note(5, (beat, 9)), note(5, (beat, 9), (witness, 1)))
    assert is_as_fresh(note(5, (beat, 9), (witness, 2)), note(5, (witness, 1)))
