"""What both engines promise alike: transactions alone, exclusion by name, listening, and where they may lie."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from did_methods.method import SeenVersion
from registry.storage import engine_sqlite
from registry.storage.decision import DecisionRecord, DecisionStore
from registry.storage.did_version import SqlVersionMemory
from registry.storage.engine import Database, DatabaseFileSystemError, open_database, shared_database_name
from registry.storage.engine_sqlite import check_file_system, file_system_of
from registry.storage.tables import OPENING, PUBLISHED, SNAPSHOT, STATE
from registry.storage.upsert import add_missing, add_row, put_row

BIG = 2**62


# ---------------------------------------------------------------- transactions


@pytest.mark.parametrize("kind", ["write", "write_alone", "sequencing"])
def test_every_kind_of_transaction_commits_and_rolls_back(database: Database, kind: str) -> None:
    """At the end of the block it is there for everybody; after an exception nothing of it is."""

    def begin() -> object:
        return database.write_alone("name") if kind == "write_alone" else getattr(database, kind)()

    with begin() as connection:  # type: ignore[attr-defined]
        connection.execute(text("INSERT INTO published VALUES (1, 5)"))

    def fail() -> None:
        with begin() as connection:  # type: ignore[attr-defined]
            connection.execute(text("UPDATE published SET size = 6"))
            connection.execute(text("INSERT INTO published VALUES (1, 7)"))

    with pytest.raises(IntegrityError):
        fail()
    with database.read() as connection:
        assert connection.scalar(text("SELECT size FROM published")) == 5


def test_look_decide_write_loses_nothing(database: Database) -> None:
    """What eight threads read, add to and write back under one name is all counted."""
    with database.write() as connection:
        put_row(connection, PUBLISHED, {"id": 1}, {"size": 0})

    def add(_number: int) -> None:
        with database.write_alone("count") as connection:
            size = connection.scalar(text("SELECT size FROM published"))
            connection.execute(text("UPDATE published SET size = :size"), {"size": size + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    with database.read() as connection:
        assert connection.scalar(text("SELECT size FROM published")) == 24


def test_one_name_has_one_holder(database: Database) -> None:
    """While one holds a name nobody else is inside, another name is free, and the holder's own transactions go on."""
    inside, most = [0], [0]

    def hold(_number: int) -> None:
        with database.exclusive("signing"):
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            with database.write() as connection:
                put_row(connection, PUBLISHED, {"id": 1}, {"size": 1})
            inside[0] -= 1

    with database.exclusive("another"), ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, range(8)))
    assert most == [1]


def test_a_holder_that_fails_lets_go(database: Database) -> None:
    """What is raised inside comes out as it is, and the next one gets in."""
    with pytest.raises(KeyError), database.exclusive("signing"):
        raise KeyError
    with database.exclusive("signing"):
        pass


# ---------------------------------------------------------------- rows


def test_numbers_of_64_bits_fit(database: Database) -> None:
    """Sizes and sequence numbers come back as they went in, far beyond 32 bits."""
    with database.write() as connection:
        put_row(connection, SNAPSHOT, {"id": 1}, {"size": BIG, "root": b"\0\xff", "data": bytes(range(256))})
    with database.read() as connection:
        row = connection.execute(SNAPSHOT.select()).one()
    assert (row.size, row.root, row.data) == (BIG, b"\0\xff", bytes(range(256)))


def test_a_row_is_put_changed_and_left(database: Database) -> None:
    """A new one is inserted, a known one changed, and only where the condition holds."""
    with database.write() as connection:
        for size in (3, 9, 5):
            put_row(connection, PUBLISHED, {"id": 1}, {"size": size}, where=PUBLISHED.c.size < size)
        assert connection.scalar(text("SELECT size FROM published")) == 9


def test_what_is_there_is_passed_over(database: Database) -> None:
    """Missing rows are added, known ones stay as they are, and of one row it is said which it was."""
    row = {"event_id": b"e", "digest": "d", "sealed": b"first"}
    with database.write() as connection:
        add_missing(connection, OPENING, [])
        add_missing(connection, OPENING, [row])
        add_missing(connection, OPENING, [row | {"sealed": b"second"}, row | {"digest": "other"}])
        assert not add_row(connection, OPENING, row | {"sealed": b"third"})
        assert add_row(connection, OPENING, row | {"event_id": b"f"})
        found = connection.execute(OPENING.select()).all()
    assert sorted((one.event_id, one.digest, one.sealed) for one in found) == [
        (b"e", "d", b"first"),
        (b"e", "other", b"first"),
        (b"f", "d", b"first"),
    ]


def test_forgetting_what_was_deleted(database: Database) -> None:
    """Both ways of it can be done while the database is open, and what is there stays."""
    DecisionStore(database).save([DecisionRecord("a", 1, "did:key:z", decision=True, reason="ok", record=b"{}")])
    assert database.forget_deleted()
    assert database.forget_deleted(rewrite=True)
    assert DecisionStore(database).find("a") is not None


# ---------------------------------------------------------------- small stores


def test_a_version_that_was_seen_only_goes_up(database: Database) -> None:
    """The newest version of a log elsewhere stays, whichever order they come in; a full memory takes no new log."""
    memory = SqlVersionMemory(database, most=2)
    for number in (2, 5, 3):
        memory.remember("a", SeenVersion(number, f"{number}-x"))
    memory.remember("b", SeenVersion(1, "1-x"))
    memory.remember("c", SeenVersion(1, "1-x"))
    memory.remember("b", SeenVersion(2, "2-x"))
    seen = [memory.newest(scid) for scid in ("a", "b", "c")]
    assert seen == [SeenVersion(5, "5-x"), SeenVersion(2, "2-x"), None]


def test_many_rows_at_once(database: Database) -> None:
    """Thousands of rows in one transaction come back whole, with and without a value."""
    many = [
        {"key": number.to_bytes(32), "covers": BIG, "subject": f"s{number}", "digest": None, "record": b"{}"}
        for number in range(2_500)
    ]
    with database.write() as connection:
        connection.execute(insert(STATE), many)
        found = connection.execute(select(STATE).order_by(STATE.c.key)).all()
    assert [(row.key, row.digest, row.record, row.covers) for row in found] == [
        (one["key"], None, b"{}", BIG) for one in many
    ]


# ---------------------------------------------------------------- listening


def test_where_nobody_else_is_nothing_is_heard() -> None:
    """On SQLite a notification is nothing, a wait takes its time, and closing ends it."""
    database = open_database("sqlite://")
    listener = database.listen("tail")
    with database.write() as connection:
        database.notify(connection, "tail", "1")
    began = time.monotonic()
    assert listener.wait(0.05) == []
    assert time.monotonic() - began >= 0.05
    threading.Timer(0.05, listener.close).start()
    assert listener.wait(30) == []
    assert time.monotonic() - began < 10
    assert not database.is_shared
    database.close()


# ---------------------------------------------------------------- where a file may lie

_MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:26 / /srv rw shared:2 master:1 - nfs4 server:/export rw,vers=4.2
31 30 254:1 / /srv/local rw - xfs /dev/vdb rw
32 22 0:40 / /mnt/with\\040space rw - fuse.sshfs user@host: rw
33 22 0:41 / /mnt/covered rw - ext4 /dev/vdc rw
34 33 0:42 / /mnt/covered rw - cifs //server/share rw
35 22 0:43 broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/x", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/a/b", "nfs4"),
        ("/srv/local/a", "xfs"),
        ("/srv2", "ext4"),
        ("/mnt/with space/a", "fuse.sshfs"),
        ("/mnt/covered/a", "cifs"),
    ],
)
def test_a_path_lies_on_the_nearest_mount(path: str, kind: str) -> None:
    """The deepest mount point above a path counts, of two on one point the later."""
    assert file_system_of(Path(path), _MOUNTS) == kind


@settings(max_examples=20)
@given(st.text())
def test_any_table_of_mounts_is_read(table: str) -> None:
    """Whatever the system prints, the answer is a name or nothing."""
    assert isinstance(file_system_of(Path("/a"), table), str)


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "fuse.s3fs", "ceph", "glusterfs", "lustre"]
)
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is not opened there, nothing is made there, and the message names what it is."""
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 0:1 / / rw - ext4 /dev/root rw\n23 22 0:2 / {tmp_path} rw - {kind} there rw\n")
    with pytest.raises(DatabaseFileSystemError) as caught:
        check_file_system(tmp_path / "data", mounts=table)
    assert (caught.value.code, kind in caught.value.detail) == ("database_on_network", True)
    monkeypatch.setattr(engine_sqlite.check_file_system, "__kwdefaults__", {"mounts": table})
    with pytest.raises(DatabaseFileSystemError):
        open_database(f"sqlite:///{tmp_path / 'data' / 'registry.sqlite3'}")
    assert not list(tmp_path.rglob("*.sqlite3*"))


def test_a_local_disk_is_fine_and_so_is_not_knowing(tmp_path: Path) -> None:
    """A system without the table cannot tell; a disk of this machine is told from the others."""
    check_file_system(tmp_path, mounts=tmp_path / "missing")
    check_file_system(tmp_path)


def test_a_shared_database_is_named_without_its_password() -> None:
    """What is shown to whoever starts a registry: where, never by what."""
    assert shared_database_name("sqlite:///x") is None
    assert shared_database_name("postgresql://u:secret@db.example:6432/bf?sslmode=require") == (
        "postgresql://db.example:6432/bf"
    )
    assert shared_database_name("postgresql:///bf?host=/run/postgresql&password=secret") == "postgresql:///bf"
