"""Rows edited, deleted, moved and inserted behind the registry's back, then a restart: nothing of it is served in silence.

Each attack ends in one of four ways, written beside it:

- ``refused``: the start is refused;
- ``closed``: it starts, signs nothing and takes nothing, and says so;
- ``found``: it goes on, and the audit of somebody who has never seen this log tells;
- ``mended``: the row is a projection or is not read: what is served is what was served before, and the log goes on.

`bonafides log fsck` names each of these rows too (tests/cli/test_log_fsck.py); here nobody has asked it.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from did_methods.errors import BonafidesError
from registry.cli.main import run
from tests.cli.kept_log import change
from tests.support.actor import Actor
from tests.support.registry import ManualClock, World, open_world, serve

LAST = "(SELECT max(seq) FROM entry)"
NEWEST = "(SELECT max(size) FROM signed)"
FORGED = """'"strength":50','"strength":51'"""


@dataclass(frozen=True, slots=True)
class Kept:
    """A stopped registry on the disk.

    Attributes:
        data: its folder.
        clock: its clock.
        size: entries of its log.
        alice: an agent of it.
        pages: what it serves of its first entries, by path.
    """

    data: Path
    clock: ManualClock
    size: int
    alice: Actor
    pages: dict[str, bytes]


def _pages(world: World) -> dict[str, bytes]:
    paths = ("/tile/0/000", "/tile/1/000.p/1", "/tile/entries/000", "/v1/entries/260", "/v1/entries/261")
    return {path: world.web.get(path).body for path in paths}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """A log of more than one full tile, made once."""
    data = tmp_path_factory.mktemp("kept") / "data"
    with open_world(data, on_disk=True) as world:
        alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
        # Each vouch replaces the one before: many entries and few standings, which a whole audit compares quickly.
        world.batch([world.operator.vouch(bob.did) for _ in range(260)])
        assert world.size > 265
        world.registry.log.sign_if_grown()
        return Kept(data, world.clock, world.size, alice, _pages(world))


@pytest.fixture
def kept(made: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """A copy for one test, and an auditor who has never seen the log; what the registry complains of is not printed."""
    shutil.copytree(made.data, tmp_path / "data")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    logging.disable(logging.CRITICAL)
    yield Kept(tmp_path / "data", made.clock, made.size, made.alice, made.pages)
    logging.disable(logging.NOTSET)


def _outcome(kept: Kept) -> str:
    """Restart it, look at it as everybody may, write to it, and say how it ended."""
    try:
        with open_world(kept.data, on_disk=True, clock=kept.clock) as world:
            return _look(world, kept)
    except BonafidesError as error:
        return f"refused {error.code}"


def _look(world: World, kept: Kept) -> str:
    if world.web.get("/healthz").json.get("log") == "rolled_back":
        signed, code = world.registry.store.newest_signed(), world.web.get("/readyz").code
        assert world.submit(world.operator.vouch(kept.alice.did)).code == code
        world.registry.log.sign_if_grown()
        assert world.registry.store.newest_signed() == signed, "a closed log signed"
        return f"closed {code}"
    with serve(world.app) as url:
        seen = run(["audit", url, "--json"])
        answer = world.submit(world.operator.vouch(kept.alice.did, context="later"))
        if answer.status != 201:
            return f"stuck {answer.code}"
        world.registry.log.sign_if_grown()
        if seen or run(["audit", url, "--json"]):
            return "found"
    assert _pages(world) == kept.pages, "other bytes are served, and the audit says nothing"
    return "mended"


ATTACKS = {
    "an entry's bytes": ("found", f"UPDATE entry SET data = CAST(replace(data, {FORGED}) AS BLOB) WHERE seq = 100"),
    "an entry's hash": ("found", "UPDATE entry SET leaf_hash = zeroblob(32) WHERE seq = 100"),
    "a new entry's hash": ("closed log_head_contradicts", "UPDATE entry SET leaf_hash = zeroblob(32) WHERE seq = 260"),
    "a new entry deleted": ("refused log_head_contradicts", "DELETE FROM entry WHERE seq = 260"),
    "a new entry's bytes": ("found", f"UPDATE entry SET data = CAST(replace(data, {FORGED}) AS BLOB) WHERE seq = 260"),
    "an entry's event id": ("found", "UPDATE entry SET event_id = zeroblob(32) WHERE seq = 260"),
    "an entry's time": ("found", "UPDATE entry SET time_ms = time_ms + 1 WHERE seq = 260"),
    "an entry's kind": ("found", "UPDATE entry SET kind = 'report' WHERE seq = 260"),
    "an entry deleted": ("found", "DELETE FROM entry WHERE seq = 100"),
    "the last entry deleted": ("refused log_head_contradicts", f"DELETE FROM entry WHERE seq = {LAST}"),
    "two entries swapped": (
        "found",
        "UPDATE entry SET seq = -1 WHERE seq = 100",
        "UPDATE entry SET seq = 100 WHERE seq = 101",
        "UPDATE entry SET seq = 101 WHERE seq = -1",
    ),
    "an entry inserted": (
        "refused log_head_contradicts",
        f"INSERT INTO entry SELECT seq + 1, zeroblob(32), kind, time_ms, leaf_hash, data FROM entry WHERE seq = {LAST}",
    ),
    "a link deleted": ("found", "DELETE FROM party WHERE seq = 260"),
    "a link moved": ("found", "UPDATE party SET count = count + 900 WHERE seq = 260"),
    "a link inserted": ("mended", "INSERT INTO party (did, count, seq) VALUES ('did:key:z6Mkmallory', 1, 12)"),
    "a tile's bytes": ("closed log_head_contradicts", "UPDATE tile SET data = zeroblob(32)"),
    "a tile deleted": ("refused log_head_contradicts", "DELETE FROM tile"),
    "a tile inserted": ("mended", "INSERT INTO tile (level, number, data) VALUES (2, 0, zeroblob(32))"),
    "another root": ("closed log_head_contradicts", "UPDATE head SET root = zeroblob(32)"),
    "a smaller size": ("refused log_head_contradicts", "UPDATE head SET size = size - 1"),
    "a larger size": ("refused log_head_contradicts", "UPDATE head SET size = size + 1"),
    "no head": ("refused log_head_contradicts", "DELETE FROM head"),
    "another signed root": ("closed log_rolled_back", f"UPDATE signed SET root = zeroblob(32) WHERE size = {NEWEST}"),
    "another note": ("found", f"UPDATE signed SET note = CAST(note || ' ' AS BLOB) WHERE size = {NEWEST}"),
    "a note deleted": ("mended", f"DELETE FROM signed WHERE size = {NEWEST}"),
    "all notes deleted": ("mended", "DELETE FROM signed"),
    "a note inserted": (
        "closed log_rolled_back",
        "INSERT INTO signed (size, root, note) VALUES (900, zeroblob(32), zeroblob(9))",
    ),
    "another snapshot": ("mended", "UPDATE snapshot SET root = zeroblob(32)"),
    "a snapshot of another size": ("mended", "UPDATE snapshot SET size = size - 1"),
    "a snapshot's bytes": ("mended", "UPDATE snapshot SET data = CAST(data || x'00' AS BLOB)"),
    "a snapshot deleted": ("mended", "DELETE FROM snapshot"),
    "a state entry": ("found", "UPDATE state_entry SET data = zeroblob(80) WHERE seq = 0"),
    "a hosted file's entry": ("found", "DELETE FROM did_entry WHERE seq = (SELECT max(seq) FROM did_entry)"),
    "signed states deleted": ("mended", "DELETE FROM state_signed"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_edited_table_is_served_in_silence(attack: str, kept: Kept) -> None:
    """After each edit and a restart the log is refused, closed, found out or as it was, as the table says."""
    expected, *statements = ATTACKS[attack]
    change(kept.data, *statements)
    assert _outcome(kept) == expected


def test_without_an_edit_all_goes_on(kept: Kept) -> None:
    """The same restart, audit and submission of tables that nobody touched: so the outcomes above come from the edits."""
    assert _outcome(kept) == "mended"
