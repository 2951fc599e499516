"""The contract of the database, and the errors of both engines: SQLite for one process, PostgreSQL for many.

Decides which engine a URL names and brings its tables up to date; how each keeps its word stands in `engine_sqlite` and
`engine_postgres`. Stores know this contract alone, so that one suite of tests holds for all of them.

Spec: specs/storage.md
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from registry.errors import DependencyError, ParseError

SCHEMA_REVISION = "0010"
"""The newest migration; a test compares it with the migrations folder."""

SEQUENCING: Final = "sequencing"
MIGRATION: Final = "migration"


CHANGES: Final = "changes"
"""The channel on which processes tell one another what else than the log has changed."""


class DatabaseBusyError(DependencyError):
    """Another process has the database open."""

    code = "database_in_use"
    title = "Another process is using this database"


class DatabaseUrlError(ParseError):
    """The setting is no database URL, or one with a part that nobody knows."""

    code = "database_url_malformed"
    title = "This is not a database URL"


class DatabaseUnsupportedError(DependencyError):
    """The database URL names an engine that this version does not run on, or a server that is too old for it."""

    code = "database_unsupported"
    title = "This database is not supported"


class DatabaseVersionError(DependencyError):
    """The database was written by a newer version."""

    code = "database_too_new"
    title = "The database was written by a newer version of this program"


class DatabaseDriverError(DependencyError):
    """The driver of this engine is not installed."""

    code = "database_driver_missing"
    title = "The driver of this database is not installed"


class DatabaseFileSystemError(DependencyError):
    """The folder lies on a network file system, whose locks and order of writes SQLite cannot rely on."""

    code = "database_on_network"
    title = "SQLite cannot be kept on a network file system"


class DatabaseUnavailableError(DependencyError):
    """The database server cannot be reached, or ended what was asked of it; nothing of it was written."""

    code = "database_unavailable"
    title = "The database cannot be reached"


class DatabaseLoginError(DependencyError):
    """The database server refused the user, the password or the address of this machine."""

    code = "database_login_refused"
    title = "The database refused the login"


class DatabaseMissingError(DependencyError):
    """The server has no database of that name."""

    code = "database_missing"
    title = "There is no such database"


class DatabaseEncodingError(DependencyError):
    """The database does not keep its texts in UTF-8."""

    code = "database_encoding"
    title = "The database's encoding is not UTF-8"


class DatabaseNotDurableError(DependencyError):
    """The server answers a commit before it is safe, so nothing could be acknowledged."""

    code = "database_not_durable"
    title = "The database does not wait for its commits"


class DatabaseLockError(DependencyError):
    """Another process kept a lock for longer than is waited; nothing was written."""

    code = "database_lock_timeout"
    title = "Another process kept the database's lock"


class CommitUnknownError(DependencyError):
    """The connection was lost during a commit: it may have happened. Read what stands before anything is repeated."""

    code = "commit_unknown"
    title = "Whether this was written is not known"


DATABASE_FAILURES: Final = (SQLAlchemyError, DatabaseUnavailableError, DatabaseLockError, CommitUnknownError)
"""What a database does that refuses for a while: a full disk, a lost connection. Trying again later is right."""


class Listener(Protocol):
    """Hears what other processes say on one channel. For one thread; `close` may be called from any."""

    def wait(self, timeout_s: float) -> list[str]:
        """Wait until something is said; return it, oldest first, or nothing when the time is up or after `close`.

        After a lost connection an empty text stands for whatever was said meanwhile: look at the tables.

        Args:
            timeout_s: seconds, at least 0.
        """
        ...

    def close(self) -> None:
        """End the waiting and the connection."""
        ...


class Database(Protocol):
    """An open database. Safe from any thread.

    Attributes:
        is_shared: other processes may write too, so that what is held in memory may be old.
    """

    is_shared: bool

    def write(self) -> AbstractContextManager[Connection]:
        """Run one transaction: durable when the block ends, undone on any exception.

        Raises:
            DatabaseUnavailableError: ``database_unavailable``, nothing was written.
            CommitUnknownError: ``commit_unknown``.
        """
        ...

    def write_alone(self, name: str) -> AbstractContextManager[Connection]:
        """Run one transaction that excludes every other of this name, in any process; for "look, decide, write".

        Args:
            name: of the lock, a constant of the code.

        Raises:
            DatabaseLockError: ``database_lock_timeout``.
            DatabaseUnavailableError: ``database_unavailable``, nothing was written.
            CommitUnknownError: ``commit_unknown``.
        """
        ...

    def sequencing(self, *, slow: bool = False) -> AbstractContextManager[Connection]:
        """Run the transaction that appends to the log: `write_alone` under the log's own lock.

        Args:
            slow: it may stand still for as long as computing an epoch takes.
        """
        ...

    def exclusive(self, name: str) -> AbstractContextManager[None]:
        """Exclude every other holder of this name, in any process, while the block writes in transactions of its own.

        A holder that stands still for longer than the limit loses the lock, and learns it at the end of its block; what
        it writes needs a fence of its own, such as a unique key. Not for nesting under one name.

        Args:
            name: of the lock, a constant of the code.

        Raises:
            DatabaseLockError: ``database_lock_timeout``, or the lock was lost.
            DatabaseUnavailableError: ``database_unavailable``.
        """
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """Open a read-only connection.

        Raises:
            DatabaseUnavailableError: ``database_unavailable``.
        """
        ...

    def notify(self, connection: Connection, channel: str, payload: str) -> None:
        """Tell the listeners of other processes something, once the transaction has committed.

        Args:
            connection: of the transaction.
            channel: lower-case letters and underscores.
            payload: at most 7,999 bytes.
        """
        ...

    def listen(self, channel: str) -> Listener:
        """Listen to a channel, on a connection that is opened anew where it is lost."""
        ...

    def forget_deleted(self, *, rewrite: bool = False) -> bool:
        """Let the database's files hold nothing of what was deleted; False where something stood in the way.

        Args:
            rewrite: write the tables of openings anew first, which also takes what lay in pages from before.
        """
        ...

    def close(self) -> None:
        """Close every connection and let go of the lock."""
        ...


def open_database(url: str) -> Database:
    """Open a database and bring its tables to `SCHEMA_REVISION`.

    Args:
        url: ``sqlite:///path`` (``sqlite://`` is in memory), ``postgresql://`` or ``postgresql+psycopg://``.

    Raises:
        DatabaseUrlError: ``database_url_malformed``.
        DatabaseUnsupportedError: ``database_unsupported``.
        DependencyError: the other codes of this module.
    """
    parsed = parse_database_url(url)
    # Only the engine that is asked for is loaded; the driver of the other may not be installed.
    if parsed.get_backend_name() == "sqlite":
        from registry.storage.engine_sqlite import SqliteDatabase

        return SqliteDatabase(parsed)
    from registry.storage.engine_postgres import PostgresDatabase

    return PostgresDatabase(parsed)


def parse_database_url(url: str) -> URL:
    """Return the parts of a database URL, with the driver that is used; never quotes it, for it may hold a password.

    Raises:
        DatabaseUrlError: ``database_url_malformed``.
        DatabaseUnsupportedError: ``database_unsupported``.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise DatabaseUrlError("write sqlite:///path or postgresql://user@host/name") from None
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            return parsed
        case "postgresql" | "postgresql+psycopg":
            return parsed.set(drivername="postgresql+psycopg")
        case _:
            raise DatabaseUnsupportedError("only sqlite:/// and postgresql:// URLs are supported")


def shared_database_name(url: str) -> str | None:
    """Return how a database that processes share is called, without its password; None for one that they do not.

    Raises:
        DatabaseUrlError: ``database_url_malformed``.
        DatabaseUnsupportedError: ``database_unsupported``.
    """
    parsed = parse_database_url(url)
    if parsed.get_backend_name() == "sqlite":
        return None
    port = f":{parsed.port}" if parsed.port else ""
    return f"postgresql://{parsed.host or ''}{port}/{parsed.database or ''}"


def is_storable(text_: str) -> bool:
    """Say whether a text of a stranger can be looked for on every engine: NUL and half a pair of surrogates cannot.

    Args:
        text_: for example a name out of an address.
    """
    try:
        return b"\0" not in text_.encode()
    except UnicodeEncodeError:
        return False


def lock_number(name: str) -> int:
    """Return the number of an advisory lock: 64 bits, signed, of a hash that no other program of the database shares.

    Args:
        name: of the lock.
    """
    return int.from_bytes(hashlib.sha256(b"bonafides/lock/" + name.encode()).digest()[:8], "big", signed=True)


def is_current(connection: Connection) -> bool:
    """Say whether the tables are those of `SCHEMA_REVISION`.

    Raises:
        DatabaseVersionError: ``database_too_new``.
    """
    current = _current_revision(connection)
    if current is not None and current > SCHEMA_REVISION:
        raise DatabaseVersionError(f"it is at revision {current}, this program knows {SCHEMA_REVISION}")
    return current == SCHEMA_REVISION


def migrate(connection: Connection) -> None:
    """Bring the tables to `SCHEMA_REVISION`; the caller has begun a transaction, alone.

    Raises:
        DatabaseVersionError: ``database_too_new``.
    """
    if is_current(connection):  # another process did it while this one waited
        return
    # Alembic costs a quarter of a second to import; a start on a current database does without it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _current_revision(connection: Connection) -> str | None:
    postgres = connection.dialect.name == "postgresql"
    known = (
        "SELECT to_regclass('alembic_version')"
        if postgres
        else "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
    )
    if connection.scalar(text(known)) is None:
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])
