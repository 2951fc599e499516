"""Erasure keys in a folder: drawn once, found again, destroyed where they stand, never drawn a second time."""

from __future__ import annotations

import hashlib
import multiprocessing
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.adapters.erasure_keys import ErasureKeysUnusableError, FolderErasureKeys, OpeningsErasedError

ALICE, BOB = "did:key:alice", "did:key:bob"
EVENT = hashlib.sha256(b"event").digest()


def _event(keys: FolderErasureKeys, event_id: bytes) -> bytes:
    return keys.event_keys([event_id])[event_id]


def _bytes_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_key_is_drawn_once(tmp_path: Path) -> None:
    """The same name gives the same key, also to another process later; others have others; nobody else can read them."""
    keys = FolderErasureKeys(tmp_path / "keys")
    alice, event = keys.agent_key(ALICE), _event(keys, EVENT)
    assert len(alice) == len(event) == 32
    again = FolderErasureKeys(tmp_path / "keys")
    assert (again.agent_key(ALICE), _event(again, EVENT)) == (alice, event)
    assert len({alice, event, again.agent_key(BOB)}) == 3
    assert keys.find((ALICE, BOB), EVENT) == (alice, again.agent_key(BOB), event)
    for path in (tmp_path / "keys").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_what_was_never_drawn_is_not_found(tmp_path: Path) -> None:
    """Asking makes nothing: neither a key nor a file."""
    keys = FolderErasureKeys(tmp_path / "keys")
    assert keys.find((ALICE,), EVENT) is None
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("drawn", [True, False])
def test_a_destroyed_key_is_gone_for_good(tmp_path: Path, drawn: bool) -> None:
    """No byte of it stays in the folder, none is drawn in its place, and the neighbours stay as they were."""
    keys = FolderErasureKeys(tmp_path / "keys")
    bob = keys.agent_key(BOB)
    before = (keys.agent_key(ALICE), _event(keys, EVENT)) if drawn else ()
    assert keys.destroy_agent(ALICE)
    assert keys.destroy_event(EVENT)
    left = _bytes_below(tmp_path / "keys")
    assert all(key not in left for key in before)
    for again in (lambda: keys.agent_key(ALICE), lambda: _event(keys, EVENT)):
        with pytest.raises(OpeningsErasedError) as caught:
            again()
        assert caught.value.code == "openings_erased"
    assert keys.find((ALICE,), EVENT) is None
    assert not keys.destroy_agent(ALICE)
    assert not keys.destroy_event(EVENT)
    assert keys.agent_key(BOB) == bob


def test_a_record_that_a_crash_cut_off_is_written_over(tmp_path: Path) -> None:
    """Half a record is no key, and the next one takes its place."""
    keys = FolderErasureKeys(tmp_path / "keys")
    first = _event(keys, EVENT)
    path = next((tmp_path / "keys" / "events").iterdir())
    path.write_bytes(path.read_bytes() + b"x" * 40)
    assert _event(keys, EVENT) == first
    neighbour = EVENT[:31] + bytes([EVENT[31] ^ 1])
    second = _event(keys, neighbour)
    assert path.stat().st_size == 128
    assert (_event(keys, EVENT), _event(keys, neighbour)) == (first, second)


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """A file in the place of the folder is an error with a code, not a key that nobody keeps."""
    (tmp_path / "keys").write_text("")
    keys = FolderErasureKeys(tmp_path / "keys")
    for use in (keys.agent_key, keys.destroy_agent):
        with pytest.raises(ErasureKeysUnusableError) as caught:
            use(ALICE)
        assert caught.value.code == "erasure_keys_unusable"


def test_many_threads_draw_one_key(tmp_path: Path) -> None:
    """Whoever is first draws; all get the same."""
    keys = FolderErasureKeys(tmp_path / "keys")
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _turn: _event(keys, EVENT), range(64)))) == 1


def test_many_keys_are_drawn_at_once(tmp_path: Path) -> None:
    """Those that are there are found, the others drawn, across all files; one that was destroyed refuses all of them."""
    keys = FolderErasureKeys(tmp_path / "keys")
    names = [hashlib.sha256(bytes([number])).digest() for number in range(200)]
    some = keys.event_keys(names[:50])
    found = keys.event_keys(names)
    assert found.keys() == set(names)
    assert some.items() <= found.items()
    assert len(set(found.values())) == len(names)
    assert FolderErasureKeys(tmp_path / "keys").event_keys(names) == found
    keys.destroy_event(names[7])
    with pytest.raises(OpeningsErasedError):
        keys.event_keys(names[:20])
    assert keys.event_keys([]) == {}


def _draw(folder: str, names: list[bytes]) -> list[bytes]:
    keys = FolderErasureKeys(Path(folder))
    return [_event(keys, name) for name in names]


def test_many_processes_share_a_folder(tmp_path: Path) -> None:
    """Replicas that draw the same keys at the same time come to the same ones, and lose none."""
    names = [EVENT[:2] + hashlib.sha256(bytes([number])).digest()[2:] for number in range(40)]  # all in one file
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        drawn = pool.starmap(_draw, [(str(tmp_path / "keys"), names)] * 3)
    assert drawn[0] == drawn[1] == drawn[2]
    assert len(set(drawn[0])) == len(names)


@given(st.lists(st.tuples(st.sampled_from("dnf"), st.integers(0, 5)), max_size=30))
def test_the_folder_is_a_table_of_keys(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]) -> None:
    """Any order of drawing, destroying and finding does what a dictionary would do."""
    keys = FolderErasureKeys(tmp_path_factory.mktemp("law"))
    names = [b"\0" * 31 + bytes([number]) for number in range(6)]
    model: dict[bytes, bytes | None] = {}
    for verb, which in steps:
        name = names[which]
        if verb == "d":
            assert keys.destroy_event(name) == (model.get(name, b"") is not None)
            model[name] = None
        elif verb == "n" and model.get(name, b"") is None:
            with pytest.raises(OpeningsErasedError):
                _event(keys, name)
        elif verb == "n":
            assert model.setdefault(name, _event(keys, name)) == _event(keys, name)
        else:
            expected = model.get(name)
            assert keys.find((), name) == (None if expected is None else (expected,))
