"""A restore and the state log: what was published of it comes back as it was, and no second history is signed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from did_methods.errors import BonafidesError
from registry.storage.state_log import StateLogStore
from tests.services.test_backup import code_of, make_backup, pair, publish, restore, world
from tests.services.test_erasure import tell
from tests.support.actor import Actor
from tests.support.registry import World, open_world
from tests.support.state_map import publish_state

__all__ = ["pair", "world"]


def test_the_state_log_goes_on_where_it_was_published(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """Entries that were published after the backup come back as they were: no second history of the state log is signed."""
    alice, bob = pair
    publish_state(world)
    make_backup(world, tmp_path / "old.backup")
    for _ in range(3):
        tell(world, alice, bob)
        publish(world, tmp_path / "tiles")
        publish_state(world)
    log = world.registry.state_map.log
    size, root = log.published_head.size, log.published_head.root_hash
    assert size >= 3
    restore(tmp_path / "old.backup", tmp_path / "new", tmp_path / "tiles", keys=tmp_path / "data" / "keys")
    with open_world(tmp_path / "new", on_disk=True, clock=world.clock) as again:
        store = StateLogStore(again.registry.database)
        assert store.right_edge(size).root() == root
        assert again.submit(alice.report(bob.did)).status == 201
        publish_state(again)
        assert again.registry.state_map.failed is None
        assert again.registry.state_map.log.published_head.size > size


def test_another_state_log_is_refused(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """One that the key has not signed, or that lacks entries, stops the restore; without a key nobody knows whose it is."""
    tell(world, *pair)
    publish(world, tmp_path / "tiles")
    done = make_backup(world, tmp_path / "one.backup")
    tell(world, *reversed(pair))
    publish(world, tmp_path / "tiles")
    publish_state(world)
    assert (tmp_path / "tiles" / "state" / "checkpoint").exists()
    assert code_of(done.path, tmp_path / "new", tmp_path / "tiles") == "catch_up_failed"
    keys = tmp_path / "data" / "keys"
    shutil.copytree(tmp_path / "tiles", tmp_path / "holes")
    shutil.rmtree(tmp_path / "holes" / "state" / "tile" / "entries")
    with open_world(tmp_path / "other", on_disk=True) as other:
        others = other.registry.settings.keys_dir
        for folder, private, code in (
            (tmp_path / "holes", keys, "catch_up_failed"),
            (tmp_path / "tiles", others, "note_unverified"),
        ):
            with pytest.raises(BonafidesError) as caught:
                restore(done.path, tmp_path / code, folder, keys=private)
            assert caught.value.code == code
            assert [path.name for path in (tmp_path / code).iterdir()] == ["keys"]
