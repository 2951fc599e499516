"""Backups made while the registry serves, and restores: verified by replay, caught up, and never bringing back what was erased."""

from __future__ import annotations

import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import URL
from sqlmodel import SQLModel

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.data_integrity import event_id
from did_methods.errors import BonafidesError
from registry.client.log_reader import LogReader
from registry.client.tile_folder import FolderTransport
from registry.history.snapshot import dump_state
from registry.services.backup import BackedUp, back_up, back_up_keys
from registry.services.backup_file import BackupReader
from registry.services.restore import Restored
from registry.services.restore_place import OFFLINE_MARK, Place, restore_into
from registry.services.restore_state import Published
from registry.storage.engine import SCHEMA_REVISION
from registry.storage.export import FROM_THE_LOG, NOT_KEPT
from tests.services.test_erasure import SECRET, erase, keys_of, openings, tell
from tests.support.actor import Actor
from tests.support.files import traces
from tests.support.registry import World, open_world
from tests.support.state_map import publish_state


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A registry on disk that publishes into a folder too."""
    with open_world(tmp_path / "data", on_disk=True, tiles_dir=tmp_path / "tiles") as opened:
        yield opened


@pytest.fixture
def pair(world: World) -> tuple[Actor, Actor]:
    """Two agents."""
    return world.agent("alice"), world.agent("bob", short_lived=True)


def make_backup(world: World, target: Path) -> BackedUp:
    """Back up the running registry as another process would."""
    world.registry.log.sign_if_grown()
    return back_up(world.registry.settings.database_url, target, now_ms=world.clock.now_ms())


def publish(world: World, tiles: Path) -> None:
    """Have the newest head signed, and wait until the folder has it."""
    world.registry.log.sign_if_grown()
    world.registry.witnessing.publisher.run_once()
    assert f"\n{world.size}\n" in (tiles / "checkpoint").read_text()


def restore(file: Path, data: Path, tiles: Path | None, *, keys: Path | None = None, **more: Any) -> Restored:
    """Restore into a folder, catching up with a folder of tiles; None is offline. Keys are put in their place before."""
    if keys is not None:
        shutil.copytree(keys, data / "keys")
    place = Place(data, f"sqlite:///{data / 'registry.sqlite3'}", data / "keys", data / "erasure-keys")
    published = None if tiles is None else lambda _url: _read(tiles)
    return restore_into(replace(place, **more), file, keys_file=None, published=published)


def _read(tiles: Path) -> Published:
    state = tiles / "state"
    return Published(LogReader(FolderTransport(tiles)), LogReader(FolderTransport(state)) if state.is_dir() else None)


def code_of(file: Path, data: Path, tiles: Path | None) -> str:
    """Return the code with which a restore is refused; nothing may be left behind."""
    with pytest.raises(BonafidesError) as caught:
        restore(file, data, tiles)
    assert not data.exists()
    return caught.value.code


def rewritten(file: Path, name: str, change: Any, *, manifest: bool = True) -> Path:
    """Return a copy of a backup with one member changed, and the manifest made to fit unless told otherwise."""
    import hashlib

    from did_methods.codec import base64url_encode

    copy = file.with_name(f"changed-{len(list(file.parent.iterdir()))}.backup")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w") as new:
        members = {one: old.read(one) for one in old.namelist()}
        members[name] = change(members[name])
        wire = parse_json_object(members["manifest.json"], max_bytes=1 << 22)
        if manifest and name != "manifest.json":
            wire["files"][name] = base64url_encode(hashlib.sha256(members[name]).digest())
            members["manifest.json"] = canonicalize(wire)
        for one, data in members.items():
            new.writestr(one, data)
    return copy


# ---------------------------------------------------------------- there and back


def test_there_and_back(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """The restored registry is the same: log, state, small tables; with its keys it signs, serves and opens openings."""
    alice, bob = pair
    told = tell(world, alice, bob)
    world.epoch()
    done = make_backup(world, tmp_path / "one.backup")
    publish(world, tmp_path / "tiles")
    keys = tmp_path / "data" / "keys"
    restored = restore(tmp_path / "one.backup", tmp_path / "new", tmp_path / "tiles", keys=keys)
    assert (restored.size, restored.backup_size, restored.erased) == (world.size, world.size, 0)
    assert (done.manifest.size, done.manifest.root_hash) == (world.size, restored.root_hash)
    shutil.copytree(tmp_path / "data" / "erasure-keys", tmp_path / "new" / "erasure-keys")
    before = (world.size, dump_state(world.registry.state), world.registry.gateways.load())
    with open_world(tmp_path / "new", on_disk=True, clock=world.clock) as again:
        assert (again.size, dump_state(again.registry.state), again.registry.gateways.load()) == before
        assert openings(again, told) == [told.opening.text]
        assert again.submit(alice.report(bob.did)).status == 201


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """Signs that mean something in URLs are part of a path like any other."""
    data = tmp_path / "a b#1?mode=rw&x=%20"
    with open_world(data, database_url=f"sqlite:///{tmp_path / 'd.sqlite3'}") as world:
        world.registry.log.sign_if_grown()
    (tmp_path / "d.sqlite3").rename(data / "d#1?%20.sqlite3")
    url = URL.create("sqlite", database=str(data / "d#1?%20.sqlite3")).render_as_string()
    done = back_up(url, data, now_ms=1)
    assert done.manifest.size == 7
    with pytest.raises(BonafidesError) as caught:
        back_up(f"sqlite:///{tmp_path / 'nothing'}", data, now_ms=2)
    assert caught.value.code == "database_unavailable"


def test_every_table_is_kept_or_follows_from_the_log(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """A new table is in backups unless somebody says why not, and the rows of each are those that there were."""
    tell(world, *pair)
    publish_state(world)  # by itself that happens at any moment
    done = make_backup(world, tmp_path / "one.backup")
    assert not FROM_THE_LOG - set(SQLModel.metadata.tables)
    assert set(done.manifest.rows) == set(SQLModel.metadata.tables) - FROM_THE_LOG - NOT_KEPT
    restore(tmp_path / "one.backup", tmp_path / "new", None)
    with (
        sqlite3.connect(tmp_path / "data" / "registry.sqlite3") as old,
        sqlite3.connect(tmp_path / "new" / "registry.sqlite3") as new,
    ):
        for name in sorted(SQLModel.metadata.tables.keys() - {"snapshot"}):
            rows = [sorted(one.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for one in (old, new)]
            assert rows[0] == rows[1], name
            assert done.manifest.rows.get(name, len(rows[0])) == len(rows[0])
    old.close()
    new.close()
    assert sum(done.manifest.rows.values()) >= 5  # signed, two callers, an opening and its parties


def test_a_backup_waits_for_nobody_and_is_of_one_moment(
    world: World, pair: tuple[Actor, Actor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements go on being taken while it is written; what came after it began is not in it."""
    alice, bob = pair
    told = tell(world, alice, bob)
    size = world.size
    from registry.storage.export import Look

    original = Look.entries

    def meanwhile(look: Look, start: int, end: int) -> list[bytes]:
        if start == 0 and end > 1:
            tell(world, bob, alice, value="too late")
        return original(look, start, end)

    monkeypatch.setattr(Look, "entries", meanwhile)
    done = make_backup(world, tmp_path / "one.backup")
    assert world.size == size + 1
    assert (done.manifest.size, done.manifest.rows["opening"]) == (size, 1)
    monkeypatch.undo()
    assert restore(tmp_path / "one.backup", tmp_path / "new", None).size == size
    assert told


def test_nothing_secret_is_in_it(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """No opening in the open, no erasure key, no private key; those are in a file apart if they are asked for."""
    told = tell(world, *pair)
    done = make_backup(world, tmp_path)
    assert done.path.parent == tmp_path
    assert done.path.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(done.path) as archive:
        data = b"".join(archive.read(name) for name in archive.namelist())
    secrets = [SECRET.encode(), told.opening.text.encode(), *keys_of(world, told, *pair)]
    seeds = [
        parse_json_object(path.read_bytes())["keys"]["signing"].encode()
        for path in (tmp_path / "data" / "keys").glob("*.json")
    ]
    assert len(seeds) > 3
    assert not [one for one in (*secrets, *seeds) if one in data]
    back_up_keys(tmp_path / "data" / "keys", tmp_path / "keys.backup", done.manifest)
    with BackupReader(tmp_path / "keys.backup") as keys:
        assert "keys/log-note.json" in keys.names("keys")


def test_the_keys_come_back_with_their_own_backup(world: World, tmp_path: Path) -> None:
    """They are put in place for their owner alone; the keys of another log are refused, and nothing is left."""
    done = make_backup(world, tmp_path / "one.backup")
    for origin, name in ((done.manifest.origin, "mine"), ("elsewhere.example/1", "theirs")):
        manifest = replace(done.manifest, origin=origin)
        back_up_keys(tmp_path / "data" / "keys", tmp_path / f"{name}.backup", manifest)
    data = tmp_path / "new"
    place = Place(data, f"sqlite:///{data / 'registry.sqlite3'}", data / "keys", data / "erasure-keys")
    with pytest.raises(BonafidesError) as caught:
        restore_into(place, done.path, keys_file=tmp_path / "theirs.backup", published=None)
    assert caught.value.code == "restore_mismatch"
    assert not data.exists()
    restore_into(place, done.path, keys_file=tmp_path / "mine.backup", published=None)
    old = {path.name: path.read_bytes() for path in (tmp_path / "data" / "keys").iterdir() if path.is_file()}
    assert {path.name: path.read_bytes() for path in (data / "keys").iterdir() if path.is_file()} == old
    assert all(path.stat().st_mode & 0o077 == 0 for path in (data / "keys").rglob("*"))


# ---------------------------------------------------------------- erasures


@pytest.mark.parametrize("what", ["agent", "event"])
def test_an_old_backup_does_not_bring_it_back(
    world: World, pair: tuple[Actor, Actor], tmp_path: Path, what: str
) -> None:
    """Backup, erasure, restore with even an old folder of keys: neither value nor key is anywhere, the rest is there."""
    alice, bob = pair
    told, kept = tell(world, alice, bob), tell(world, alice, world.agent("carol"), value="kept")
    keys = keys_of(world, told, alice, bob)
    gone = keys[-1] if what == "event" else keys[sorted([alice.did, bob.did]).index(bob.did)]
    make_backup(world, tmp_path / "old.backup")
    shutil.copytree(tmp_path / "data" / "erasure-keys", tmp_path / "new" / "erasure-keys")
    erase(world, {"event": told.event} if what == "event" else {"did": bob.did})
    publish(world, tmp_path / "tiles")
    private = tmp_path / "data" / "keys"
    restored = restore(tmp_path / "old.backup", tmp_path / "new", tmp_path / "tiles", keys=private)
    assert (restored.backup_size, restored.size, restored.erased) == (world.size - 1, world.size, 1)
    assert traces(tmp_path / "new", SECRET.encode(), told.opening.text.encode(), gone) == []
    with open_world(tmp_path / "new", on_disk=True, clock=world.clock) as again:
        assert (openings(again, told), openings(again, kept)) == ([], [kept.opening.text])
        assert again.submit(told.body).code == "openings_erased"
        assert traces(tmp_path / "new", SECRET.encode(), told.opening.text.encode(), gone) == []


def test_an_old_backup_is_noise_without_keys(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """Restored offline, so that nobody knows of the erasure: the ciphertext is there, and the key is not."""
    told = tell(world, *pair)
    make_backup(world, tmp_path / "old.backup")
    erase(world, {"did": pair[1].did})
    restore(tmp_path / "old.backup", tmp_path / "new", None)
    assert (tmp_path / "new" / OFFLINE_MARK).exists()
    assert traces(tmp_path / "new", SECRET.encode(), told.opening.text.encode()) == []
    shutil.copytree(tmp_path / "data" / "erasure-keys", tmp_path / "new" / "erasure-keys")
    from registry.adapters.erasure_keys import FolderErasureKeys

    parties = tuple(sorted(one.did for one in pair))
    assert FolderErasureKeys(tmp_path / "new" / "erasure-keys").find(parties, event_id(told.document)) is None


# ---------------------------------------------------------------- what is refused


def test_a_damaged_backup_is_refused(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """A changed, missing or foreign part has a code of its own, and leaves an empty place empty."""
    tell(world, *pair)
    done, new = make_backup(world, tmp_path / "one.backup"), tmp_path / "new"
    bundle = next(name for name in done.manifest.files if name.startswith("tile/entries"))

    def flip(data: bytes) -> bytes:
        return data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]

    assert code_of(rewritten(done.path, bundle, flip, manifest=False), new, None) == "backup_damaged"
    assert code_of(tmp_path / "nothing.backup", new, None) == "backup_unreadable"
    (tmp_path / "text.backup").write_text("no archive")
    assert code_of(tmp_path / "text.backup", new, None) == "backup_malformed"
    short = tmp_path / "short.backup"
    short.write_bytes(done.path.read_bytes()[:-200])
    assert code_of(short, new, None) == "backup_malformed"
    rows = next(name for name in done.manifest.files if name.startswith("tables/gateway"))
    assert code_of(rewritten(done.path, rows, lambda data: data.splitlines(keepends=True)[0]), new, None) == (
        "backup_damaged"
    )
    assert code_of(rewritten(done.path, rows, lambda _data: b'["name"]\n[1,2]\n'), new, None) == "rows_malformed"

    def later(data: bytes) -> bytes:
        wire = parse_json_object(data, max_bytes=1 << 22)
        return canonicalize({**wire, "revision": str(int(SCHEMA_REVISION) + 1).rjust(4, "0")})

    assert code_of(rewritten(done.path, "manifest.json", later), new, None) == "database_too_new"


def test_a_forged_backup_does_not_replay(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """With digests that fit: an altered entry, another note, another root are refused by signatures and the tree."""
    tell(world, *pair)
    done, new = make_backup(world, tmp_path / "one.backup"), tmp_path / "new"
    bundle = next(name for name in done.manifest.files if name.startswith("tile/entries"))
    altered = rewritten(done.path, bundle, lambda data: data.replace(b'"strength":50', b'"strength":51'))
    assert code_of(altered, new, None) == "proof_invalid"
    with open_world(tmp_path / "other", on_disk=True, origin="elsewhere.example/1") as other:
        foreign = make_backup(other, tmp_path / "two.backup")
    with zipfile.ZipFile(foreign.path) as archive:
        theirs = archive.read("checkpoint")
    assert code_of(rewritten(done.path, "checkpoint", lambda _data: theirs), new, None) == "note_unverified"

    def another_root(data: bytes) -> bytes:
        wire = parse_json_object(data, max_bytes=1 << 22)
        return canonicalize({**wire, "rootHash": "A" * 43})

    assert code_of(rewritten(done.path, "manifest.json", another_root), new, None) == "restore_mismatch"

    def one_less(data: bytes) -> bytes:
        wire = parse_json_object(data, max_bytes=1 << 22)
        return canonicalize({**wire, "size": wire["size"] - 1})

    assert code_of(rewritten(done.path, "manifest.json", one_less), new, None) == "backup_damaged"


def test_nothing_is_replaced(world: World, tmp_path: Path) -> None:
    """A folder or a database with something in it, and a file of that name, stay as they are."""
    done = make_backup(world, tmp_path / "one.backup")
    with pytest.raises(BonafidesError) as caught:
        make_backup(world, tmp_path / "one.backup")
    assert caught.value.code == "backup_exists"
    new = tmp_path / "new"
    new.mkdir()
    (new / "something").write_text("precious")
    with pytest.raises(BonafidesError) as caught:
        restore(done.path, new, None)
    assert caught.value.code == "restore_not_empty"
    (new / "something").unlink()
    restore(done.path, new, None)
    with pytest.raises(BonafidesError) as caught:
        restore(done.path, tmp_path / "third", None, database_url=f"sqlite:///{new / 'registry.sqlite3'}")
    assert caught.value.code == "restore_not_empty"
    assert not (tmp_path / "third").exists()


def test_the_published_log_decides(world: World, pair: tuple[Actor, Actor], tmp_path: Path) -> None:
    """One that cannot be read, or lacks entries, or is another, stops the restore; one that lags behind does not."""
    publish(world, tmp_path / "tiles")
    lagging = tmp_path / "lagging"
    shutil.copytree(tmp_path / "tiles", lagging)
    tell(world, *pair)
    done, new = make_backup(world, tmp_path / "one.backup"), tmp_path / "new"
    tell(world, *reversed(pair))
    publish(world, tmp_path / "tiles")
    assert code_of(done.path, new, tmp_path / "nowhere") == "registry_unreachable"
    holes = tmp_path / "holes"
    shutil.copytree(tmp_path / "tiles", holes)
    shutil.rmtree(holes / "tile" / "entries")
    assert code_of(done.path, new, holes) == "catch_up_failed"
    with open_world(tmp_path / "other", on_disk=True, tiles_dir=tmp_path / "theirs") as other:
        publish(other, tmp_path / "theirs")
    assert code_of(done.path, new, tmp_path / "theirs") == "published_log_differs"
    restored = restore(done.path, new, lagging, keys=tmp_path / "data" / "keys")
    assert (restored.size, restored.published_size) == (done.manifest.size, done.manifest.size - 1)


def test_a_log_without_a_note_is_not_backed_up(tmp_path: Path) -> None:
    """Before anything was signed there is nothing to hold a replay against."""
    with open_world(tmp_path / "data", on_disk=True) as world:
        with world.registry.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM signed")
        with pytest.raises(BonafidesError) as caught:
            back_up(world.registry.settings.database_url, tmp_path / "x", now_ms=1)
        assert caught.value.code == "nothing_to_back_up"
        with world.registry.database.write() as connection:
            connection.exec_driver_sql("INSERT INTO plain_opening VALUES (x'00', 'd', 'text')")
        with pytest.raises(BonafidesError) as caught:
            back_up(world.registry.settings.database_url, tmp_path / "x", now_ms=1)
        assert caught.value.code == "export_not_ready"
        with world.registry.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM plain_opening")
    assert not (tmp_path / "x").exists()
