"""Opening the database: one writer, many readers, migrated, locked against a second process.

SQLite runs in WAL mode with `synchronous=FULL`: what was committed survives a power cut as far as the disk keeps its
word. Exactly one connection writes and does every WAL checkpoint, because SQLite before 3.51.3 can corrupt a WAL that
two connections reset at once; a second process is refused by a lock file.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool, StaticPool

from registry.errors import DependencyError

SCHEMA_REVISION = "0006"
"""The newest migration; a test compares it with the migrations folder."""

_LOCK_WAIT_MS = 5_000


class DatabaseBusyError(DependencyError):
    """Another process has the database open."""

    code = "database_in_use"
    title = "Another process is using this database"


class DatabaseUnsupportedError(DependencyError):
    """The database URL names an engine that this version does not run on."""

    code = "database_unsupported"
    title = "This database is not supported"


class DatabaseVersionError(DependencyError):
    """The database was written by a newer version."""

    code = "database_too_new"
    title = "The database was written by a newer version of this program"


class Database:
    """The open database.

    Owner: `write` is held by one thread at a time; `read` may be called from any thread.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            raise DatabaseUnsupportedError("only sqlite:/// URLs are supported in this version")
        self.path = Path(parsed.database) if parsed.database and parsed.database != ":memory:" else None
        self._lock_file = _lock(self.path) if self.path else None
        self._writer_mutex = threading.RLock()
        if self.path is None:
            self._writer_engine = create_engine(
                url, poolclass=StaticPool, connect_args={"check_same_thread": False}, isolation_level="AUTOCOMMIT"
            )
            self._reader_engine = self._writer_engine
        else:
            self._writer_engine = _sqlite_engine(url, writer=True)
            self._reader_engine = _sqlite_engine(url, writer=False)
        try:
            self._writer = self._writer_engine.connect()
            migrate(self._writer)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run one transaction on the writer connection; commit at the end, roll back on any exception."""
        with self._writer_mutex:
            self._writer.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.exec_driver_sql("COMMIT")
            except BaseException:
                # A COMMIT that failed (a full disk) leaves the transaction open; one that did not, none to roll back.
                raw: Any = self._writer.connection.dbapi_connection
                if raw.in_transaction:
                    self._writer.exec_driver_sql("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only connection."""
        if self.path is None:
            with self._writer_mutex:
                yield self._writer
            return
        with self._reader_engine.connect() as connection:
            yield connection

    def forget_deleted(self, *, rewrite: bool = False) -> bool:
        """Let the write-ahead log hold nothing of what was deleted; False where a reader stood in the way.

        Args:
            rewrite: write the whole database anew first, which also takes what lay in pages from before.
        """
        if self.path is None:
            return True
        with self._writer_mutex:
            if rewrite:
                self._writer.exec_driver_sql("VACUUM")
            row = self._writer.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()
        return row is not None and row[0] == 0

    def close(self) -> None:
        """Close every connection and let go of the lock."""
        writer = getattr(self, "_writer", None)
        if writer is not None:
            writer.close()
        self._writer_engine.dispose()
        self._reader_engine.dispose()
        if self._lock_file is not None:
            self._lock_file.close()


def _lock(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock_file = (path.parent / (path.name + ".lock")).open("a+")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock_file.seek(0)
        holder = lock_file.read(20).strip() or "unknown"
        lock_file.close()
        raise DatabaseBusyError(f"process {holder} has {path.name} open") from error
    lock_file.truncate(0)
    lock_file.write(str(os.getpid()))
    lock_file.flush()
    return lock_file


def _sqlite_engine(url: str, *, writer: bool) -> Engine:
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": _LOCK_WAIT_MS / 1000},
        **({"poolclass": NullPool} if writer else {"pool_size": 8, "max_overflow": 32}),
    )

    @event.listens_for(engine, "connect")
    def _set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        if writer:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA cache_size=-65536")
            cursor.execute("PRAGMA secure_delete=ON")  # what an erasure deletes leaves zeros in its page
        else:
            cursor.execute("PRAGMA query_only=ON")
            cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    return engine


def migrate(connection: Connection) -> None:
    """Bring the tables to `SCHEMA_REVISION`; nothing is imported or done when they are there already.

    Raises:
        DatabaseVersionError: ``database_too_new``.
    """
    current = _current_revision(connection)
    if current == SCHEMA_REVISION:
        return
    if current is not None and current > SCHEMA_REVISION:
        raise DatabaseVersionError(f"it is at revision {current}, this program knows {SCHEMA_REVISION}")
    # Alembic costs a quarter of a second to import; a start on a current database does without it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        command.upgrade(config, "head")
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def _current_revision(connection: Connection) -> str | None:
    found = connection.execute(text("SELECT name FROM sqlite_master WHERE name = 'alembic_version'")).first()
    if found is None:
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])
