"""Files are whole or not there, and what was written is on the disk with its folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from registry.durable_file import durable_file, make_folder, write_durably


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_whole_and_is_its_owners(tmp_path: Path) -> None:
    """Until the block ends the old file is there; afterwards the new one, and nothing beside it."""
    path = tmp_path / "key"
    write_durably(path, b"old")
    with durable_file(path) as file:
        file.write(b"the new one")
        file.flush()
        assert path.read_bytes() == b"old"
    assert (path.read_bytes(), _mode(path), list(tmp_path.iterdir())) == (b"the new one", 0o600, [path])
    write_durably(path, b"x", mode=0o640)
    assert _mode(path) == 0o640 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_file_that_may_not_be_replaced_stays(tmp_path: Path) -> None:
    """Also when it came while the other was being written."""
    path = tmp_path / "key"

    def be_late() -> None:
        with durable_file(path, replace=False) as file:
            file.write(b"late")
            write_durably(path, b"first", replace=False)

    with pytest.raises(FileExistsError):
        be_late()
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"first", [path])


def test_a_writer_that_was_stopped_does_not_write_into_what_another_has_published(tmp_path: Path) -> None:
    """Two replicas and one folder of tiles: the one that lost its turn in the middle of a write wakes up later."""
    path = tmp_path / "checkpoint"
    with durable_file(path) as stopped:
        stopped.write(b"an older and longer checkpoint")
        write_durably(path, b"newer")
        stopped.flush()
        assert path.read_bytes() == b"newer"
        assert len(list(tmp_path.iterdir())) == 2


def test_the_file_is_synced_before_it_has_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut finds the old name or all of the bytes."""
    done: list[tuple[str, bool]] = []
    path, fsync = tmp_path / "folder" / "file", os.fsync

    def note(descriptor: int) -> None:
        synced = Path(f"/proc/self/fd/{descriptor}").readlink()
        done.append((synced.name if synced.is_dir() else "file", path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    make_folder(path.parent, mode=0o700)
    write_durably(path, b"x")
    write_durably(path.with_name("other"), b"x", replace=False)
    assert done[:3] == [(tmp_path.name, False), ("file", False), ("folder", True)]
    assert done[3:] == [("file", True), ("folder", True)]


def test_folders_are_made_with_their_mode_and_one_that_is_there_keeps_its_own(tmp_path: Path) -> None:
    """Those above have the usual one: only the last was asked to be private."""
    make_folder(tmp_path / "a" / "b", mode=0o700)
    assert (_mode(tmp_path / "a"), _mode(tmp_path / "a" / "b")) == (0o777 & ~_umask(), 0o700)
    make_folder(tmp_path / "a", mode=0o700)
    assert _mode(tmp_path / "a") == 0o777 & ~_umask()
