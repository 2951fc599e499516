"""Keeping the state: in portions while the registry runs, as a whole when they have grown, by one process of several."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from registry.history.replay import replay_leaf
from registry.history.snapshot import dump_state
from registry.services import snapshot as snapshots
from registry.services.log_check import LogCheck
from registry.services.snapshot import LoadedState, Snapshots, load_state
from registry.storage.engine import Database, open_database
from registry.storage.log import LogStore
from tests.support.publication import wait_for
from tests.support.registry import ManualClock, World, nothing_signed, open_world


def store_of(data_dir: Path) -> tuple[Database, LogStore]:
    """Open the log of a stopped registry."""
    database = open_database(f"sqlite:///{data_dir / 'registry.sqlite3'}")
    return database, LogStore(database)


def keeper(store: LogStore, loaded: LoadedState) -> Snapshots:
    """Return who keeps the snapshot of a process that has folded the log so far."""
    size = loaded.state.head.size
    sequencer: Any = SimpleNamespace(state=loaded.state, tree=store.right_edge(size), busy_s=0.0)
    return Snapshots(store=store, sequencer=sequencer, loaded=loaded)


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a portion be due as soon as anything was logged."""
    monkeypatch.setattr(snapshots, "KEEP_AFTER_S", 0.0)
    monkeypatch.setattr(snapshots, "WORK_PER_PORTION", 0.0)


def vouch_often(world: World, times: int) -> None:
    """Log some entries, one at a time."""
    alice = world.actors.get("alice") or world.agent("alice")
    world.actors["alice"] = alice
    for _ in range(times):
        assert world.submit(world.operator.vouch(alice.did)).status == 201


@pytest.mark.usefixtures("no_wait")
def test_a_crash_is_followed_by_a_start_from_portions(tmp_path: Path) -> None:
    """Each tick keeps what changed; a copy taken while the registry runs starts from all portions, and says the same."""
    clock = ManualClock()
    with open_world(tmp_path / "data", on_disk=True, clock=clock) as world:
        vouch_often(world, 8)
        wait_for(lambda: world.registry.store.snapshot_size() == world.size)
        kept = world.registry.store.load_snapshot()
        assert kept is not None
        assert len(kept.portions) > 3
        assert max(map(len, kept.portions[2:])) < len(kept.portions[0])
        with nothing_signed(world.registry), world.registry.database.write():  # nobody writes while it is copied
            shutil.copytree(tmp_path / "data", tmp_path / "copy")
        before = world.size
    with open_world(tmp_path / "copy", on_disk=True, clock=clock) as again:
        assert again.size == before
        again.actors = world.actors
        vouch_often(again, 1)
        size, root = again.registry.store.head()
        wait_for(lambda: again.registry.store.snapshot_size() == size)  # the writer keeps it after it has answered
        folded = load_state(again.registry.store, size)
        assert folded.snapshot_size == size > kept.size
        assert dump_state(folded.state) == dump_state(again.registry.state)
        assert again.registry.store.right_edge(size).root() == root


@pytest.mark.usefixtures("no_wait")
def test_portions_become_a_whole_at_the_end(tmp_path: Path) -> None:
    """A stop writes all of it once the portions are more than it; fsck finds the same state in either."""
    with open_world(tmp_path, on_disk=True) as world:
        vouch_often(world, 60)
    database, store = store_of(tmp_path)
    kept = store.load_snapshot()
    assert kept is not None
    assert (kept.size, len(kept.portions)) == (store.head()[0], 1)
    assert LogCheck(database).run().is_clean
    loaded = load_state(store, kept.size)
    loaded.state.tables.paths["forged"] = "did:key:z6Mkforged"
    store.save_snapshot(kept.size, kept.root, dump_state(loaded.state))
    found = LogCheck(database).run().differences
    assert [(one.table, one.what) for one in found] == [("snapshot", "the entries fold to another state")]
    database.close()


def test_of_several_processes_one_keeps_it(tmp_path: Path) -> None:
    """Who finds that another went on with the snapshot stops noting; when nobody goes on, it begins with the whole."""
    with open_world(tmp_path, on_disk=True) as world:
        vouch_often(world, 6)
    database, store = store_of(tmp_path)
    size = store.head()[0]
    store.save_snapshot(size - 2, store.right_edge(size - 2).root(), dump_state(load_state_at(store, size - 2)))
    first, behind = (load_state(store, size, noting=True) for _ in range(2))
    one, other = keeper(store, first), keeper(store, behind)
    one.save()
    kept = store.load_snapshot()
    assert kept is not None
    assert (kept.size, len(kept.portions)) == (size, 2)
    other.save()
    assert store.load_snapshot() == kept
    assert behind.state.unsaved is None, "it would note changes for ever"
    other.save()  # the other has not gone on since
    again = store.load_snapshot()
    assert again is not None
    assert (again.size, len(again.portions)) == (size, 1)
    assert behind.state.unsaved is not None
    database.close()


def load_state_at(store: LogStore, size: int) -> Any:
    """Fold the log up to a size, from its first entry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "load_snapshot", lambda: None)
        return load_state(store, size).state


def test_a_portion_that_could_not_be_written_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed stays noted when the database refuses, and comes with the next portion."""
    with open_world(tmp_path, on_disk=True) as world:
        vouch_often(world, 6)
    database, store = store_of(tmp_path)
    size = store.head()[0]
    store.save_snapshot(size - 2, store.right_edge(size - 2).root(), dump_state(load_state_at(store, size - 2)))
    loaded = load_state(store, size, noting=True)
    one = keeper(store, loaded)

    def refuse(*_: Any, **__: Any) -> bool:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(store, "extend_snapshot", refuse)
        with pytest.raises(OSError, match="no space"):
            one.save()
    one.save()
    assert dump_state(load_state(store, size).state) == dump_state(loaded.state)
    assert load_state(store, size).snapshot_size == size
    database.close()


@pytest.mark.usefixtures("no_wait")
def test_nobody_who_writes_waits_for_a_portion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is written down the log goes on, and what comes meanwhile is in the next one."""
    begun, go_on = threading.Event(), threading.Event()
    with open_world(tmp_path, on_disk=True) as world:
        store = world.registry.store
        vouch_often(world, 2)
        wait_for(lambda: store.snapshot_size() == world.size)
        kept, extend = store.snapshot_size(), store.extend_snapshot

        def slowly(*given: Any, **more: Any) -> bool:
            begun.set()
            assert go_on.wait(10)
            return extend(*given, **more)

        with monkeypatch.context() as patch:
            patch.setattr(store, "extend_snapshot", slowly)
            vouch_often(world, 1)
            assert begun.wait(10)
            vouch_often(world, 3)  # answered, though the portion is not written
            assert store.snapshot_size() == kept
            go_on.set()
            wait_for(lambda: store.snapshot_size() == world.size)
        assert dump_state(load_state(store, world.size).state) == dump_state(world.registry.state)


@pytest.mark.usefixtures("no_wait")
def test_a_stop_keeps_what_was_refused_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full while a portion was written, and no longer is, costs neither the snapshot nor the stop."""
    tried = threading.Event()

    def refuse(*_: Any, **__: Any) -> bool:
        tried.set()
        raise OSError("no space left on device")

    with open_world(tmp_path, on_disk=True) as world:
        store = world.registry.store
        vouch_often(world, 2)
        wait_for(lambda: store.snapshot_size() == world.size)
        world.registry.sequencer._on_tick = []  # nobody looks at it before the stop does
        with monkeypatch.context() as patch:
            patch.setattr(store, "extend_snapshot", refuse)
            vouch_often(world, 1)
            world.registry.snapshots._begin()
            assert tried.wait(10)
            world.registry.snapshots._thread.submit(lambda: None).result(10)
        size = world.size
        state = dump_state(world.registry.state)
    database, store = store_of(tmp_path)
    assert store.snapshot_size() == size
    assert dump_state(load_state(store, size).state) == state
    database.close()


def test_what_is_put_back_keeps_its_later_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A portion is refused while the log goes on: of a row that changed before and after, the later one is kept."""
    with open_world(tmp_path, on_disk=True) as world:
        vouch_often(world, 6)
    database, store = store_of(tmp_path)
    size = store.head()[0]
    early = load_state_at(store, size - 4)
    store.save_snapshot(size - 4, store.right_edge(size - 4).root(), dump_state(early))
    loaded = load_state(store, size - 2, noting=True)
    one = keeper(store, loaded)
    monkeypatch.setattr(store, "extend_snapshot", lambda *_given, **_more: False)
    one._begin()
    draft = loaded.state.draft()
    for entry in store.walk(size - 2, size):
        replay_leaf(draft, entry.data)
    draft.commit()
    monkeypatch.undo()
    one._sequencer.tree = store.right_edge(size)  # type: ignore[misc]
    one.save()
    assert load_state(store, size).snapshot_size == size
    assert dump_state(load_state(store, size).state) == dump_state(loaded.state)
    database.close()


@pytest.mark.usefixtures("no_wait")
def test_a_first_portion_needs_no_new_thread(tmp_path: Path) -> None:
    """The writer stopped where the process had as many threads as it may when the first portion was due."""
    with open_world(tmp_path, on_disk=True) as world:
        vouch_often(world, 1)  # whoever takes statements has a thread
        before = threading.stack_size(1 << 46)  # more than there is
        try:
            vouch_often(world, 3)
            wait_for(lambda: world.registry.store.snapshot_size() == world.size)
        finally:
            threading.stack_size(before)
        assert world.registry.sequencer.is_writable
