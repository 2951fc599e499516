"""A fault at each write, sync, open and rename of a commit, a signature and a publication; nothing acknowledged is lost.

Unlike `test_kill.py`, where the moment of a kill is drawn, here the system call is chosen: strace ends the process as
the n-th call begins, or lets that call fail (EIO, ENOSPC). Afterwards the disk is checked as after every kill, the
published folder is audited by itself, and the next life goes on with the same folder.

Not covered, as there: the loss of power. A call that was not made is not the same as data that was written and lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from registry.cli.main import run
from tests.adapters.test_statement_pool import wait_until_gone
from tests.crash.checker import Checker
from tests.crash.injection import injected, why_no_strace
from tests.crash.load import MANY, Load
from tests.crash.process import WITH_VERIFIERS, ServerProcess
from tests.crash.test_kill import SEVERAL, _operator, _origin_of

WAL, DATABASE = "registry.sqlite3-wal", "registry.sqlite3"
# Where a fault is put: system calls, and the file that they are about (None: any, so tiles, checkpoint and record).
PLACES = (
    ("pwrite64", WAL),
    ("fdatasync,fsync", WAL),
    ("pwrite64", DATABASE),
    ("fdatasync,fsync", DATABASE),
    ("rename,renameat,renameat2", None),
    ("fsync", None),
    ("openat", None),
    ("ftruncate,unlink,unlinkat", None),
)
KINDS = ("single", "batch", "reader")


@dataclass(slots=True)
class Lives:
    """One registry through many lives, each of which ends with a fault."""

    folder: Path
    checker: Checker
    load: Load
    reached: int = 0

    @property
    def tiles(self) -> Path:
        """The published log."""
        return self.folder / "tiles"

    def live(self, calls: str, name: str | None, fault: str, nth: int, *, apart: bool = False) -> None:
        """Start it, let the fault meet writers and readers, kill it if it still lives, and check everything.

        Where statements are verified apart, the fault comes when other processes are at work for the registry; they are
        not there when strace attaches to its threads, so none of them is hit itself.
        """
        data = self.folder / "data"
        server = ServerProcess(data, options=["--tiles", str(self.tiles)], prelude=WITH_VERIFIERS if apart else "")
        try:
            url = server.wait_until_serving()
            if not self.load.actors:
                self.load.prepare(url, _operator(data, _origin_of(url)), agents=6)
            self.load.send_again(url)
            path = None if name is None else data / name
            inject = partial(injected, server.pid, calls, fault, nth=nth, path=path)
            end = self._end(server, 5.0 if "KILL" in fault else 1.0)
            if apart:
                self._meet_verifiers(server, url, inject, end)
            else:
                with inject():
                    self.load.run(url, kinds=KINDS, seconds=0.0, warm=False, crash=end)
        finally:
            server.kill()  # also one that is dead already: its pipes are closed
        # What a failed write left unanswered, or answered with a refusal that says so, may be sent again.
        refused = [one for one in self.load.failures if "_failed" not in one and '"status":503' not in one]
        assert not refused, refused[:3]
        self.load.failures.clear()
        self.checker.check(data, self.load)
        if (self.tiles / "checkpoint").exists():
            assert run(["audit", str(self.tiles), "--json"]) == 0, "the published folder does not verify by itself"

    def _meet_verifiers(
        self,
        server: ServerProcess,
        url: str,
        inject: Callable[[], AbstractContextManager[None]],
        end: Callable[[], None],
    ) -> None:
        def crash() -> None:
            verifiers.extend(server.wait_for_verifiers())
            with inject():
                end()

        verifiers: list[int] = []
        self.load.lines = MANY
        self.load.run(url, kinds=SEVERAL, seconds=0.0, warm=True, crash=crash)
        server.kill()
        for pid in verifiers:
            wait_until_gone(pid)

    def _end(self, server: ServerProcess, seconds: float) -> Callable[[], None]:
        def end() -> None:
            if server.wait_until_dead(seconds):
                self.reached += 1
            else:
                server.kill()

        return end


@pytest.fixture(scope="module")
def _strace(pytestconfig: pytest.Config) -> None:
    """Leave these tests out where there is no strace; fail where all tests were asked for."""
    reason = why_no_strace()
    if reason is not None:
        (pytest.fail if pytestconfig.getoption("--full") else pytest.skip)(reason)


@pytest.fixture
def lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _strace: None) -> Lives:
    """A registry that has not lived yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return Lives(tmp_path, Checker(), Load())


def test_a_kill_at_each_kind_of_call(lives: Lives) -> None:
    """The writes and syncs of a commit, and the rename of a tile or a record: a kill as the call begins tears nothing."""
    for place, nth in ((0, 3), (1, 2), (4, 2)):
        lives.live(*PLACES[place], "signal=KILL", nth)
    assert lives.reached == 3


@pytest.mark.full
def test_kills_at_every_call(lives: Lives) -> None:
    """Eight places, the first calls of each and some later ones."""
    draw = random.Random(5)
    for calls, name in PLACES:
        for nth in (1, 2, draw.randrange(3, 12)):
            lives.live(calls, name, "signal=KILL", nth)
    assert lives.reached >= 12


@pytest.mark.full
@pytest.mark.parametrize(("error", "turns", "apart"), [("EIO", (1, 4), False), ("ENOSPC", (2,), True)])
def test_calls_that_fail(lives: Lives, error: str, turns: tuple[int, ...], *, apart: bool) -> None:
    """A disk that fails at a write or sync, or is full: refused or acknowledged, never acknowledged and lost."""
    for calls, name in PLACES[:-1]:
        for nth in turns:
            lives.live(calls, name, f"error={error}", nth, apart=apart)
    assert len(lives.load.acknowledged) > 25
