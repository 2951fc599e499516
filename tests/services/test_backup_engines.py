"""A backup says nothing of the engine: from SQLite to PostgreSQL and back, every row and the whole state are the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from did_methods.errors import BonafidesError
from registry.history.snapshot import dump_state
from registry.services.backup import back_up
from registry.services.backup_file import BackupReader
from registry.services.restore_place import Place, restore_into
from tests.services.test_backup import make_backup
from tests.services.test_erasure import erase, openings, tell
from tests.support.postgres import PostgresServer
from tests.support.registry import open_world


def _rows(file: Path) -> dict[str, bytes]:
    with BackupReader(file) as reader:
        return {name: reader.read(name) for name in (*reader.names("tables"), *reader.names("tile"), "checkpoint")}


def test_between_the_engines(tmp_path: Path, postgres: PostgresServer) -> None:
    """The member files of a backup of the restored one are those of the first, byte for byte; a registry runs on each."""
    with open_world(tmp_path / "data", on_disk=True) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        told, gone = tell(world, alice, bob), tell(world, bob, alice, value="gone")
        erase(world, {"event": gone.event})
    state = dump_state(world.registry.state)
    first = back_up(world.registry.settings.database_url, tmp_path / "1.backup", now_ms=1)  # stopped, this time
    name = postgres.fresh_database()
    try:
        server = Place(tmp_path / "pg", postgres.url(name), tmp_path / "pg" / "keys", tmp_path / "pg" / "erasure-keys")
        restore_into(server, first.path, keys_file=None, published=None)
        second = back_up(server.database_url, tmp_path / "2.backup", now_ms=2)
        assert _rows(second.path) == _rows(first.path)
        with pytest.raises(BonafidesError) as caught:
            restore_into(Place(tmp_path / "x", server.database_url, tmp_path / "k", tmp_path / "e"), first.path,
                         keys_file=None, published=None)  # fmt: skip
        assert caught.value.code == "restore_not_empty"
        data = tmp_path / "lite"
        lite = Place(data, f"sqlite:///{data / 'registry.sqlite3'}", data / "keys", data / "erasure-keys")
        restore_into(lite, second.path, keys_file=None, published=None)
        for folder in (tmp_path / "pg", data):
            (folder / "restored-offline.json").unlink()
            for kept in ("keys", "erasure-keys"):
                shutil.copytree(tmp_path / "data" / kept, folder / kept)
        for folder, url in ((tmp_path / "pg", server.database_url), (data, lite.database_url)):
            with open_world(folder, clock=world.clock, database_url=url) as again:
                assert dump_state(again.registry.state) == state
                assert (openings(again, told), openings(again, gone)) == ([told.opening.text], [])
                assert again.submit(alice.report(bob.did)).status == 201
                make_backup(again, folder / "more.backup")
    finally:
        postgres.drop_database(name)
