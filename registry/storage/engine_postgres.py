"""PostgreSQL: any number of processes and threads, each transaction on a pooled connection.

Nothing lives in a session, so that a pooler in transaction mode may stand between: locks are advisory locks of the
transaction, limits are set with `SET LOCAL` by what begins it, statements are not prepared. Whoever holds a lock and
stands still is ended by the server (`idle_in_transaction_session_timeout`); its commit is then refused.

A server that answers a commit before it is on its disk and on its synchronous standbys is refused at start; one that fails
over to an asynchronous standby can lose commits, which no setting here can see.

Spec: specs/storage.md
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from registry.limits import (
    DATABASE_CONNECT_S,
    DATABASE_CONNECTIONS,
    DATABASE_EPOCH_MS,
    DATABASE_HELD_MS,
    DATABASE_IDLE_MS,
    DATABASE_LOCK_WAIT_MS,
    DATABASE_MIGRATION_MS,
    DATABASE_SILENCE_MS,
    DATABASE_STATEMENT_MS,
)
from registry.storage.engine import (
    MIGRATION,
    SEQUENCING,
    DatabaseDriverError,
    DatabaseEncodingError,
    DatabaseLockError,
    DatabaseNotDurableError,
    DatabaseUnavailableError,
    DatabaseUnsupportedError,
    is_current,
    lock_number,
    migrate,
)
from registry.storage.postgres_errors import refusal_of, translate
from registry.storage.postgres_listener import PostgresListener, check_channel

_LOG = logging.getLogger(__name__)
_RECYCLE_S: Final = 1_800
_OLDEST_SERVER: Final = 130_000
_DURABLE: Final = frozenset({"on", "remote_write", "remote_apply"})


class PostgresDatabase:
    """An open PostgreSQL database; see `Database`.

    Args:
        url: of the server and the database on it.
    """

    is_shared = True

    def __init__(self, url: URL) -> None:
        self._url = url
        # Apart, so that whoever holds a transaction and opens another never waits for itself.
        self._writers = _pooled(url, DATABASE_CONNECTIONS)
        self._readers = _pooled(url, DATABASE_CONNECTIONS)
        self._holders = _pooled(url, 2)
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        with self.read() as connection:
            check_server(connection)
            if is_current(connection):
                return
        with _transaction(self._holders, _MIGRATE) as connection:
            _lock(connection, MIGRATION)
            migrate(connection)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run one transaction; see `Database.write`."""
        with _transaction(self._writers, _WRITE) as connection:
            yield connection

    @contextmanager
    def write_alone(self, name: str) -> Iterator[Connection]:
        """Run one transaction under an advisory lock; see `Database.write_alone`."""
        with _transaction(self._writers, _WRITE) as connection:
            # Statements after this one see what the holder before has committed: each takes a snapshot of its own.
            _lock(connection, name)
            yield connection

    @contextmanager
    def sequencing(self, *, slow: bool = False) -> Iterator[Connection]:
        """Run one transaction under the log's lock; see `Database.sequencing`."""
        with _transaction(self._writers, _WRITE_SLOWLY if slow else _WRITE) as connection:
            _lock(connection, SEQUENCING)
            yield connection

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold an advisory lock in a transaction that writes nothing; see `Database.exclusive`."""
        with _transaction(self._holders, _HOLD) as connection:
            _lock(connection, f"exclusive/{name}")
            yield
            try:
                connection.execute(text("SELECT 1"))
            except DBAPIError as error:  # the server has ended the holder: it stood still, or the connection was lost
                raise DatabaseLockError("the lock was lost while it was held") from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only transaction; see `Database.read`."""
        with _transaction(self._readers, _READ) as connection:
            yield connection

    def notify(self, connection: Connection, channel: str, payload: str) -> None:
        """Send to a channel with the transaction; see `Database.notify`."""
        check_channel(channel)
        connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})

    def listen(self, channel: str) -> PostgresListener:
        """Listen to a channel on a connection of its own; see `Database.listen`."""
        _, parameters = self._readers.dialect.create_connect_args(self._url)
        return PostgresListener(_connect_args(self._url) | dict(parameters), channel)

    def forget_deleted(self, *, rewrite: bool = False) -> bool:
        """Free the pages of deleted openings; the server's own log keeps them until it is recycled or archived.

        See `Database.forget_deleted`.
        """
        full = "(FULL)" if rewrite else ""
        connection = _connect(self._holders)
        try:
            connection.exec_driver_sql(f"VACUUM {full} opening, opening_party, plain_opening")
        except DBAPIError as error:
            raise translate(error) from error
        finally:
            connection.close()
        return True

    def close(self) -> None:
        """Close every pooled connection."""
        for engine in (self._writers, self._readers, self._holders):
            engine.dispose()


def check_server(connection: Connection) -> None:
    """Refuse a server on which an acknowledged commit could be lost, or that cannot hold our tables.

    Raises:
        DatabaseUnsupportedError: ``database_unsupported``.
        DatabaseEncodingError: ``database_encoding``.
        DatabaseNotDurableError: ``database_not_durable``.
        DatabaseUnavailableError: ``database_unavailable``, a standby.
    """
    names = ("server_version_num", "server_encoding", "synchronous_commit", "fsync")
    asked = ", ".join(f"current_setting('{name}')" for name in names)
    version, encoding, commit, fsync, standby = connection.execute(text(f"SELECT {asked}, pg_is_in_recovery()")).one()
    if int(version) < _OLDEST_SERVER:
        raise DatabaseUnsupportedError(f"PostgreSQL {_OLDEST_SERVER // 10_000} or newer is needed")
    if encoding != "UTF8":
        raise DatabaseEncodingError(f"it is {encoding}: make the database with ENCODING 'UTF8'")
    if commit not in _DURABLE:
        raise DatabaseNotDurableError(f"synchronous_commit is {commit}: it must be on")
    if standby:
        raise DatabaseUnavailableError("the server is a standby, which takes no writes")
    if fsync != "on":
        _LOG.warning("the database server runs with fsync off: what is acknowledged does not survive a power cut")


def _begin(*, idle_ms: int, statement_ms: int, lock_ms: int, mode: str = "READ WRITE") -> str:
    """Return the statements, sent as one, that begin a transaction with its limits."""
    return (
        f"BEGIN ISOLATION LEVEL READ COMMITTED {mode};"
        f"SET LOCAL idle_in_transaction_session_timeout = {idle_ms};"
        f"SET LOCAL statement_timeout = {statement_ms};"
        f"SET LOCAL lock_timeout = {lock_ms}"
    )


_WRITE: Final = _begin(idle_ms=DATABASE_IDLE_MS, statement_ms=DATABASE_STATEMENT_MS, lock_ms=DATABASE_LOCK_WAIT_MS)
_WRITE_SLOWLY: Final = _begin(
    idle_ms=DATABASE_EPOCH_MS, statement_ms=DATABASE_STATEMENT_MS, lock_ms=DATABASE_LOCK_WAIT_MS
)
_HOLD: Final = _begin(idle_ms=DATABASE_HELD_MS, statement_ms=DATABASE_STATEMENT_MS, lock_ms=DATABASE_LOCK_WAIT_MS)
_READ: Final = _begin(
    idle_ms=DATABASE_IDLE_MS, statement_ms=DATABASE_STATEMENT_MS, lock_ms=DATABASE_LOCK_WAIT_MS, mode="READ ONLY"
)
_MIGRATE: Final = _begin(
    idle_ms=DATABASE_MIGRATION_MS, statement_ms=DATABASE_MIGRATION_MS, lock_ms=DATABASE_MIGRATION_MS
)


@contextmanager
def _transaction(engine: Engine, opening: str) -> Iterator[Connection]:
    with _begun(engine, opening) as connection:
        try:
            yield connection
            _check_unbroken(connection)
        except BaseException as error:
            _roll_back(connection)
            if isinstance(error, DBAPIError):
                raise translate(error) from error
            raise
        try:
            connection.exec_driver_sql("COMMIT")
        except BaseException as error:
            _roll_back(connection)
            if isinstance(error, DBAPIError):
                raise translate(error, committing=True) from error
            raise


def _begun(engine: Engine, opening: str) -> Connection:
    """Return a connection on which a transaction has begun."""
    connection = _connect(engine)
    try:
        connection.exec_driver_sql(opening)
    except DBAPIError as error:
        connection.close()
        if not error.connection_invalidated:
            raise translate(error) from error
        # It died while it lay in the pool, and all that lay beside it are dropped with it. Nothing had begun.
        connection = _connect(engine)
        try:
            connection.exec_driver_sql(opening)
        except DBAPIError as again:
            connection.close()
            raise translate(again) from again
    return connection


def _connect(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except SQLAlchemyError as error:
        raise refusal_of(error, engine.url) from error


def _check_unbroken(connection: Connection) -> None:
    """Refuse to commit after a statement that failed and was passed over: the server would roll back and not say so."""
    from psycopg.pq import TransactionStatus

    raw: Any = connection.connection.dbapi_connection
    if raw.info.transaction_status == TransactionStatus.INERROR:
        raise DatabaseUnavailableError("a statement of the transaction had failed")


def _roll_back(connection: Connection) -> None:
    """Undo a transaction; a connection that cannot is dropped, and the server does it."""
    try:
        connection.exec_driver_sql("ROLLBACK")
    except SQLAlchemyError:
        connection.invalidate()


def _lock(connection: Connection, name: str) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": lock_number(name)})


def _plain_cursor() -> Any:
    """Return a cursor that sends statements one by one.

    The driver would send many rows as a pipeline, and asks the server to flush at its end. A server that hears nothing
    more after that does not count the transaction as one that stands still: whoever is stopped there, inside its turn,
    would keep the log's lock for ever.
    """
    from psycopg import Cursor

    class PlainCursor(Cursor[Any]):
        def executemany(self, query: Any, params_seq: Iterable[Any], *, returning: bool = False) -> None:
            if returning:
                raise NotImplementedError  # nobody here asks for it
            for one in params_seq:
                self.execute(query, one)

    return PlainCursor


def _connect_args(url: URL) -> dict[str, Any]:
    """Return what every connection is opened with, except where the URL says otherwise."""
    wanted = {
        "application_name": "bonafides",
        "cursor_factory": _plain_cursor(),
        "client_encoding": "utf8",
        "connect_timeout": DATABASE_CONNECT_S,
        "keepalives": 1,
        "keepalives_idle": DATABASE_SILENCE_MS // 2_000,
        "keepalives_interval": 1,
        "keepalives_count": DATABASE_SILENCE_MS // 2_000,
        "tcp_user_timeout": DATABASE_SILENCE_MS,
        "prepare_threshold": None,
    }
    return {name: value for name, value in wanted.items() if name not in url.query}


def _pooled(url: URL, size: int) -> Engine:
    try:
        made = create_engine(
            url,
            isolation_level="AUTOCOMMIT",  # transactions are begun and ended by `_transaction` alone
            connect_args=_connect_args(url),
            pool_size=size,
            max_overflow=size,
            pool_timeout=DATABASE_CONNECT_S,
            pool_recycle=_RECYCLE_S,
            pool_use_lifo=True,
        )
    except ImportError as error:
        raise DatabaseDriverError("install psycopg: pip install 'bonafides[server]'") from error
    # Many rows go as few statements: one for each would cost a journey to the server each.
    made.dialect.use_insertmanyvalues_wo_returning = True
    return made
