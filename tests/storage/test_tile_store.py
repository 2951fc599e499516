"""The published files: the same bytes from tables and folder, never changed, never a checkpoint without its tree."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from did_methods.keys import SigningKey
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.merkle import derive_root, leaf_hash
from registry.log.tile import entries_path, parse_entry_bundle, tile_path, tiles_between
from registry.storage import tile_store
from registry.storage.engine import open_database
from registry.storage.log import LogStore
from registry.storage.tile_store import (
    DatabaseTileStore,
    FolderTileStore,
    TileDiffersError,
    TilesAheadError,
    TileStore,
    TilesUnreadableError,
    drop_partials,
    publish_checkpoint,
    published_head,
    write_tiles,
)
from tests.support.log_writer import Writer

ORIGIN = "log.example/1"
KEY = SigningKey(bytes(range(32)))


@pytest.fixture(scope="module")
def full() -> Writer:
    """A log of 600 leaves in memory."""
    writer = Writer(LogStore(open_database("sqlite://")))
    for count in (1, 255, 300, 44):
        writer.append(count)
    return writer


@pytest.fixture(params=["folder", "database"])
def store(request: pytest.FixtureRequest, tmp_path: Path, full: Writer) -> TileStore:
    """A store of each kind."""
    return FolderTileStore(tmp_path / "log") if request.param == "folder" else DatabaseTileStore(full.store)


def head(full: Writer, size: int) -> Checkpoint:
    """Return the true head at a size."""
    return Checkpoint(ORIGIN, size, derive_root(leaf.leaf_hash for leaf in full.leaves[:size]))


def publish(store: TileStore, full: Writer, size: int, *, old_size: int = 0) -> None:
    """Publish as the publisher does."""
    write_tiles(store, full.store, old_size=old_size, size=size)
    publish_checkpoint(store, head(full, size), sign_checkpoint(head(full, size), KEY))


def test_both_stores_hold_the_same_files(store: TileStore, full: Writer) -> None:
    """Every file of every published size is there, and entries hash to the tiles above them."""
    old_size = 0
    for size in (1, 200, 256, 257, 512, 600):
        publish(store, full, size, old_size=old_size)
        old_size = size
        for tile, width in tiles_between(0, size):
            data = store.get(tile_path(tile.level, tile.index, width=width))
            assert data is not None
            assert len(data) == 32 * width
            if tile.level == 0:
                bundle = parse_entry_bundle(store.get(entries_path(tile.index, width=width)) or b"", width=width)
                assert b"".join(map(leaf_hash, bundle)) == data
        found = published_head(store)
        assert found == head(full, size)
    assert store.get(tile_path(0, 7)) is None


def test_publishing_again_changes_nothing(store: TileStore, full: Writer) -> None:
    """After a crash the same files are written again, with the same bytes, and the same checkpoint."""
    publish(store, full, 300)
    before = store.checkpoint()
    publish(store, full, 300)
    assert store.checkpoint() == before


def test_a_file_that_differs_is_never_written_over(store: TileStore, full: Writer) -> None:
    """A published tile is for ever: other bytes stop publication, the old ones stay."""
    publish(store, full, 300)
    path = tile_path(0, 0)
    held = store.get(path)
    with pytest.raises(TileDiffersError):
        store.put(path, bytes(8_192))
    assert store.get(path) == held


def test_a_checkpoint_never_goes_back(store: TileStore, full: Writer) -> None:
    """Neither to a smaller tree, nor to another of the same size, nor to another log's."""
    publish(store, full, 300)
    publish(store, full, 400, old_size=300)
    held = store.checkpoint()
    other = Checkpoint(ORIGIN, 400, bytes(32))
    elsewhere = Checkpoint("log.example/2", 500, head(full, 500).root_hash)
    for wrong in (head(full, 300), other, elsewhere):
        with pytest.raises((TilesAheadError, TilesUnreadableError)):
            publish_checkpoint(store, wrong, sign_checkpoint(wrong, KEY))
    assert store.checkpoint() == held


def test_no_checkpoint_before_its_tiles(tmp_path: Path, full: Writer) -> None:
    """A tree that cannot be read back from the files, or has another root, is not announced."""
    folder = FolderTileStore(tmp_path)
    publish(folder, full, 300)
    ahead = head(full, 600)
    with pytest.raises(TilesUnreadableError):
        publish_checkpoint(folder, ahead, sign_checkpoint(ahead, KEY))
    write_tiles(folder, full.store, old_size=300, size=600)
    wrong = Checkpoint(ORIGIN, 600, bytes(32))
    with pytest.raises(TilesUnreadableError):
        publish_checkpoint(folder, wrong, sign_checkpoint(wrong, KEY))
    (tmp_path / tile_path(0, 2, width=88)).unlink()
    with pytest.raises(TilesUnreadableError):
        publish_checkpoint(folder, ahead, sign_checkpoint(ahead, KEY))
    assert published_head(folder) == head(full, 300)


def test_tables_that_do_not_reach_are_told(tmp_path: Path, full: Writer) -> None:
    """A log that is shorter than what is to be published publishes nothing of it."""
    with pytest.raises(TilesUnreadableError):
        write_tiles(FolderTileStore(tmp_path), full.store, old_size=0, size=601)


def test_what_lies_in_the_folder_is_looked_at(tmp_path: Path, full: Writer) -> None:
    """A checkpoint file that is none is an alarm, not a beginning."""
    folder = FolderTileStore(tmp_path)
    (tmp_path / "checkpoint").write_bytes(b"something else\n")
    with pytest.raises(TilesAheadError):
        publish(folder, full, 300)


def test_partials_go_once_the_full_tile_is_there(tmp_path: Path, full: Writer) -> None:
    """Partial files of tiles that became full are removed; those of the newest size stay."""
    folder = FolderTileStore(tmp_path)
    for old_size, size in ((0, 200), (200, 300)):
        publish(folder, full, size, old_size=old_size)
    assert (tmp_path / "tile/0/000.p/200").exists()
    drop_partials(folder, old_size=200, size=300)
    assert not (tmp_path / "tile/0/000.p").exists()
    assert not (tmp_path / "tile/entries/000.p").exists()
    assert (tmp_path / "tile/0/000").exists()
    assert (tmp_path / "tile/0/001.p/44").exists()
    drop_partials(DatabaseTileStore(full.store), old_size=200, size=300)


# ---------------------------------------------------------------- crash


class _StoppedError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("call", ["open", "fsync", "replace", "close", "mkdir"])
def test_a_crash_at_any_call_leaves_a_log_that_verifies(
    tmp_path: Path, full: Writer, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Stopped before each system call in turn, the folder always holds the old tree or the new one, whole; the next run mends it."""
    stops = 0
    for number in range(200):
        folder = FolderTileStore(tmp_path / str(number))
        publish(folder, full, 200)
        with monkeypatch.context() as patched:
            _stop_at(patched, call, number)
            try:
                publish(folder, full, 513, old_size=200)
                done = True
            except _StoppedError:
                done, stops = False, stops + 1
        found = published_head(folder)
        assert found in (head(full, 200), head(full, 513))
        assert tile_store._root_of(folder, found.size) == found.root_hash
        publish(folder, full, 513, old_size=200)
        assert published_head(folder) == head(full, 513)
        if done:
            break
    else:
        pytest.fail("there is no end to it")
    assert stops >= 3


def _stop_at(patched: pytest.MonkeyPatch, call: str, number: int) -> None:
    left = [number]

    def stopping(real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise _StoppedError
            return real(*arguments, **more)

        return run

    owner: Any = Path if call in ("replace", "mkdir") else os
    patched.setattr(owner, call, stopping(getattr(owner, call)))


def test_a_full_disk_is_told_and_leaves_no_rubbish(
    tmp_path: Path, full: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written whole is not there at all."""
    folder = FolderTileStore(tmp_path)

    def no_space(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_space)
        with pytest.raises(OSError, match="No space"):
            folder.put("checkpoint", b"x")
    assert list(tmp_path.iterdir()) == []
    publish(folder, full, 300)


def test_readers_may_read_what_the_owner_wrote(tmp_path: Path, full: Writer) -> None:
    """A web server runs as another user: files and folders are readable for all, writable for the owner."""
    publish(FolderTileStore(tmp_path / "log"), full, 300)
    for path in (tmp_path / "log").rglob("*"):
        mode = path.stat().st_mode & 0o777
        assert mode & 0o044 == 0o044 & ~_umask(), path
        assert not mode & 0o022 & ~_umask() or path.is_dir(), path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
