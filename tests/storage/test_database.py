"""Opening, locking and migrating the database, and transactions that fail at the worst moment."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError
from sqlmodel import SQLModel

import registry.storage
from registry.storage import engine
from registry.storage.decision import DecisionRecord, DecisionStore
from registry.storage.engine import (
    Database,
    DatabaseBusyError,
    DatabaseUnsupportedError,
    DatabaseVersionError,
    open_database,
)
from registry.storage.gateway import GatewayExistsError, GatewayStore

MIGRATIONS = Path(registry.storage.__file__).parent / "migrations"


def _script() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _record(name: str) -> DecisionRecord:
    return DecisionRecord(name, 1, "did:key:z", decision=True, reason="trust_ok", record=b"{}")


def _tables(connection: Connection) -> dict[str, Any]:
    """Describe each table as the engine tells it: columns, keys and indexes."""
    look = inspect(connection)
    return {
        name: (
            [(one["name"], str(one["type"]), one["nullable"], one["default"]) for one in look.get_columns(name)],
            look.get_pk_constraint(name),
            look.get_unique_constraints(name),
            sorted(str(one) for one in look.get_indexes(name)),
        )
        for name in look.get_table_names()
        if not name.startswith("alembic")
    }


# ---------------------------------------------------------------- migrations


def test_the_program_knows_its_newest_migration() -> None:
    """The revision that skips alembic at start is the head of the one line of migrations."""
    assert ScriptDirectory.from_config(_script()).get_heads() == [engine.SCHEMA_REVISION]


def test_the_migrations_make_what_the_models_say(database: Database) -> None:
    """Autogenerate finds nothing to do after the migrations: rows and tables agree, types and indexes included."""
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrations_go_down_and_up_again(database: Database) -> None:
    """Each migration can be undone; up again gives the same tables."""
    config = _script()
    with database.write() as connection:
        before = _tables(connection)
        assert before
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert _tables(connection) == {}
        command.upgrade(config, "head")
        assert _tables(connection) == before


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """An older program does not touch what a newer one wrote."""
    url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    opened = open_database(url)
    with opened.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    opened.close()
    with pytest.raises(DatabaseVersionError):
        open_database(url)
    with pytest.raises(DatabaseVersionError):  # and it let go of the lock
        open_database(url)


def test_times_fit(database: Database) -> None:
    """Milliseconds of any year of this product fit their columns on every engine."""
    from registry.storage.tables import DECISION, ENTRY, GATEWAY

    for column in (ENTRY.c.time_ms, DECISION.c.time_ms, GATEWAY.c.created_ms):
        assert re.search("BIGINT", str(column.type)), column


# ---------------------------------------------------------------- one process


def test_a_second_opening_is_refused(tmp_path: Path) -> None:
    """The same process cannot open it twice; after closing it can."""
    url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    first = open_database(url)
    with pytest.raises(DatabaseBusyError) as caught:
        open_database(url)
    assert caught.value.code == "database_in_use"
    first.close()
    open_database(url).close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """Another process is told who has it, and gets nothing."""
    url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    program = f"""
from registry.storage.engine import DatabaseBusyError, open_database
try:
    open_database({url!r})
except DatabaseBusyError as error:
    print(error.code, error.detail)
"""
    opened = open_database(url)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    opened.close()
    import os

    assert done.stdout.startswith("database_in_use"), done.stderr
    assert str(os.getpid()) in done.stdout


@pytest.mark.parametrize("url", ["postgresql+asyncpg://localhost/x", "sqlite+aiosqlite:///x", "mysql://localhost/x"])
def test_other_engines_are_refused_clearly(url: str) -> None:
    """An engine that this version does not run on is named as such, without a driver's traceback."""
    with pytest.raises(DatabaseUnsupportedError):
        open_database(url)


# ---------------------------------------------------------------- durability


def test_the_file_is_durable_by_its_pragmas(tmp_path: Path) -> None:
    """WAL with full synchronisation on the one writer; readers cannot write and never checkpoint."""
    opened = open_database(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    with opened.write() as connection:
        values = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous")}
    assert values == {"journal_mode": "wal", "synchronous": 2}
    with opened.read() as connection:
        assert connection.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 0
        with pytest.raises(OperationalError):
            connection.execute(text("DELETE FROM entry"))
    opened.close()


def test_a_transaction_that_fails_is_rolled_back(database: Database) -> None:
    """An exception inside leaves nothing behind, whatever it is, and the next transaction works."""
    store = DecisionStore(database)

    def fail(error: type[BaseException]) -> None:
        with database.write() as connection:
            connection.execute(text("INSERT INTO gateway VALUES ('x', 'gateway', 'k', 1)"))
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            fail(error)
    assert GatewayStore(database).load() == {}
    store.save([_record("a")])
    assert store.find("a") == _record("a")


def test_a_commit_that_fails_is_rolled_back(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """When COMMIT itself fails, as on a full disk, the transaction does not stay open and swallow the next one."""
    original = Connection.exec_driver_sql
    failing = ["COMMIT"]

    def fail_once(connection: Connection, statement: str, *more: Any) -> Any:
        if statement in failing:
            failing.clear()
            message = "disk full"
            raise OSError(message)
        return original(connection, statement, *more)

    monkeypatch.setattr(Connection, "exec_driver_sql", fail_once)
    store = DecisionStore(database)
    with pytest.raises(OSError, match="disk full"):
        store.save([_record("lost")])
    store.save([_record("kept")])
    assert store.find("lost") is None
    assert store.find("kept") is not None


# ---------------------------------------------------------------- small tables


def test_gateways_are_known_by_digest_only(database: Database) -> None:
    """A name is taken once; what is kept is the key's digest and role."""
    store = GatewayStore(database)
    store.add("edge", role="gateway", key_digest=b"d" * 32, now_ms=1)
    with pytest.raises(GatewayExistsError):
        store.add("edge", role="operator", key_digest=b"e" * 32, now_ms=1)
    assert store.load() == {b"d" * 32: ("edge", "gateway")}
    assert store.remove("edge")
    assert not store.remove("edge")
    assert store.load() == {}


def test_decisions_are_kept_whole(database: Database) -> None:
    """A group of records is written together and found by id, byte for byte."""
    store = DecisionStore(database)
    records = [_record(f"id-{number}") for number in range(50)]
    store.save(records)
    assert [store.find(one.evaluation_id) for one in records] == records
    assert store.find("nobody") is None
