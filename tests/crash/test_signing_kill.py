"""A signer that is killed at any point signs no second tree of any size, and what it published is whole.

Every sync, rename and commit between the entries and the published checkpoint has a point before and after it; the process is
killed there with SIGKILL, once or twice, and then goes on, or meets a database that was set back. Killed processes leave
the page cache as it was: the loss of power is not covered.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from registry.client.offline import Trust, verify_file
from registry.log.checkpoint import verify_checkpoint
from registry.storage.engine import open_database
from tests.crash.signing_life import KEY, Ended, live

FIRST, SIZES = (3,), (3, 200, 260)
MOST_POINTS = 200


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three entries, signed and published, to begin each case from."""
    folder = tmp_path_factory.mktemp("begun")
    open_database(f"sqlite:///{folder / 'registry.sqlite3'}").close()
    assert len(live(folder, FIRST).notes) == 1
    return folder


@pytest.fixture(scope="module")
def points(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many points a life passes: the first number at which nobody dies."""
    low, high = 1, MOST_POINTS
    while low < high:  # every number below the last point kills
        middle = (low + high) // 2
        killed = live(copy(begun, tmp_path_factory.mktemp("count")), SIZES, kill_at=middle).killed
        low, high = (middle + 1, high) if killed else (low, middle)
    assert 40 < low < MOST_POINTS
    return low


def copy(begun: Path, folder: Path) -> Path:
    """Return a copy of the log to kill."""
    shutil.copytree(begun, folder, dirs_exist_ok=True)
    return folder


def one_tree_a_size(*lives: Ended) -> dict[int, bytes]:
    """Hold that all notes of a size that ever left are the same bytes; return them."""
    notes: dict[int, bytes] = {}
    for note in (note for life in lives for note in life.notes):
        size = verify_checkpoint(note, origin=KEY.name, key=KEY.key).checkpoint.size
        assert notes.setdefault(size, note) == note, size
    return notes


def cases(points: int, *, every: int) -> Iterable[int]:
    """Return the points to die at: all of them, or a sample that meets each kind."""
    return range(1, points, every)


def go_on(begun: Path, folder: Path, points: int, *, every: int) -> None:
    """Die at a point, and again at another one, and go on: the log and its folder end as if nothing had happened."""
    whole = one_tree_a_size(live(copy(begun, folder / "whole"), SIZES))
    for number in cases(points, every=every):
        here = copy(begun, folder / str(number))
        first = live(here, SIZES, kill_at=number)
        second = live(here, SIZES, kill_at=max(1, points // 2 - number))
        last = live(here, SIZES)
        assert first.killed, number
        assert not last.killed, number
        assert not last.refused, number
        seen = one_tree_a_size(first, second, last)
        assert seen[SIZES[-1]] == whole[SIZES[-1]], number
        assert verify_file(here / "tiles", Trust(KEY.key)).size == SIZES[-1], number
        assert len(list(here.rglob("*.new"))) <= 2, "at most what each death left beside a file"


def set_back(begun: Path, folder: Path, points: int, *, every: int) -> None:
    """Die at a point, set the database back, log other entries: refused, or nothing of the larger tree had been signed."""
    refused = 0
    for number in cases(points, every=every):
        here = copy(begun, folder / str(number))
        first = live(here, SIZES, kill_at=number)
        for path in here.glob("registry.sqlite3*"):
            path.unlink()
        shutil.copy(begun / "registry.sqlite3", here)
        for sizes in ((SIZES[1],), SIZES[1:], (SIZES[-1] + 40,)):
            after = live(here, sizes, text="other")
            one_tree_a_size(first, after)
            if len(first.notes) > 1:
                assert after.refused, number
                assert not after.notes, number
            refused += after.refused
            if not after.refused:
                break  # from here on this is the log's history
    assert refused


def test_killed_at_some_points(begun: Path, points: int, tmp_path: Path) -> None:
    """A sample of all points: the log goes on after two deaths."""
    go_on(begun, tmp_path, points, every=11)


def test_set_back_after_some_points(begun: Path, points: int, tmp_path: Path) -> None:
    """A sample of all points: the database is set back and goes on otherwise, and no size gets two roots."""
    set_back(begun, tmp_path, points, every=13)


@pytest.mark.full
def test_killed_at_every_point(begun: Path, points: int, tmp_path: Path) -> None:
    """Every sync, rename and commit, before and after."""
    go_on(begun, tmp_path, points, every=1)


@pytest.mark.full
def test_set_back_after_every_point(begun: Path, points: int, tmp_path: Path) -> None:
    """Every sync, rename and commit, before and after, and then an old database."""
    set_back(begun, tmp_path, points, every=1)
