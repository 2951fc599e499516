"""The scrubber: a whole log is found sound, again and again, and the first damage is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.services.scrubber import Scrubber
from registry.storage.engine import Database, open_database
from registry.storage.log import LogStore
from registry.storage.tables import ENTRY, HEAD
from tests.support.log_writer import Writer
from tests.support.publication import wait_for
from tests.support.registry import open_world


def scrubbed(size: int) -> tuple[Database, Writer, Scrubber]:
    """Return a log in memory with its scrubber."""
    database = open_database("sqlite://")
    writer = Writer(LogStore(database))
    if size:
        writer.append(size)
    return database, writer, Scrubber(LogStore(database))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600])
def test_a_sound_log_is_read_again_and_again(size: int) -> None:
    """Two rounds; what was appended meanwhile is read in the next one."""
    database, writer, scrubber = scrubbed(size)
    for _ in range(2 * (size // 256 + 2)):
        scrubber.look()
    assert scrubber.found is None
    assert bool(scrubber.rounds) is bool(size)
    writer.append(1)
    for _ in range(12):
        scrubber.look()
    assert scrubber.found is None
    database.close()


@pytest.mark.parametrize("what", ["data", "text", "hash", "row", "head"])
def test_the_first_damage_is_told(what: str) -> None:
    """Bytes of an entry, a text in their place, its stored hash, a row that is gone, another root in the head."""
    database, _, scrubber = scrubbed(600)
    with database.write() as connection:
        if what == "data":
            connection.execute(ENTRY.update().where(ENTRY.c.seq == 300).values(data=b"other"))
        elif what == "text":
            connection.exec_driver_sql("UPDATE entry SET data = 'text' WHERE seq = 300")
        elif what == "hash":
            connection.execute(ENTRY.update().where(ENTRY.c.seq == 300).values(leaf_hash=bytes(32)))
        elif what == "row":
            connection.execute(ENTRY.delete().where(ENTRY.c.seq == 300))
        else:
            connection.execute(HEAD.update().values(root=bytes(32)))
    scrubber._goal = LogStore(database).head()
    for _ in range(5):
        scrubber.look()
    assert scrubber.found is not None
    assert scrubber.found.params == {"index": 599 if what == "head" else 300}
    database.close()


def test_readiness_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a running registry the position stands in /metrics, and damage ends readiness."""
    monkeypatch.setattr("registry.services.scrubber._BEGIN_S", 0.01)
    with open_world(tmp_path) as world:
        wait_for(lambda: b"bonafides_scrub_rounds_total 0" not in world.web.get("/metrics").body)
        assert b"bonafides_scrub_position" in world.web.get("/metrics").body
        assert world.web.get("/readyz").status == 200
        with world.registry.database.write() as connection:
            connection.execute(ENTRY.update().where(ENTRY.c.seq == 3).values(data=b"other"))
        wait_for(lambda: world.web.get("/readyz").status == 503)
        assert world.web.get("/readyz").code == "stored_entry_corrupt"
