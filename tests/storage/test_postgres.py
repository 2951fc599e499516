"""What only PostgreSQL does: transactions of many processes, locks that end with them, limits, lost connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from registry.storage import engine_postgres
from registry.storage.engine import (
    CommitUnknownError,
    Database,
    DatabaseLockError,
    DatabaseUnavailableError,
    open_database,
)
from registry.storage.gateway import GatewayStore
from registry.storage.log import HeadMovedError, LogStore
from registry.storage.tables import PARTY
from tests.support.cut_connection import cutting_proxy
from tests.support.log_writer import Writer
from tests.support.postgres import PostgresServer

INSERT = text("INSERT INTO gateway VALUES (:name, 'gateway', :key, 1)")


@pytest.fixture
def name(postgres: PostgresServer) -> Iterator[str]:
    """Make a database of empty tables."""
    made = postgres.fresh_database()
    yield made
    postgres.drop_database(made)


@pytest.fixture
def two(postgres: PostgresServer, name: str) -> Iterator[tuple[Database, Database]]:
    """Open one database twice, as two processes do."""
    opened = open_database(postgres.url(name)), open_database(postgres.url(name))
    yield opened
    for one in opened:
        one.close()


def _insert(connection: Connection, name: str) -> None:
    connection.execute(INSERT, {"name": name, "key": name.encode()})


def _write(database: Database, *actions: Callable[[Connection], object]) -> None:
    """Do these one after the other in one transaction."""
    with database.write() as connection:
        for action in actions:
            action(connection)


def _named(name: str) -> Callable[[Connection], None]:
    return lambda connection: _insert(connection, name)


def _names(database: Database) -> set[str]:
    return {one for one, _role in GatewayStore(database).load().values()}


# ---------------------------------------------------------------- two writers


def test_transactions_of_two_go_side_by_side(two: tuple[Database, Database]) -> None:
    """Neither waits for the other, nobody sees what is not committed, both are there at the end."""
    first, second = two
    with first.write() as one, second.write() as other:
        _insert(one, "a")
        _insert(other, "b")
        assert _names(first) == set()
    assert _names(first) == _names(second) == {"a", "b"}


def test_look_decide_write_is_one_step(two: tuple[Database, Database]) -> None:
    """Forty increments by eight threads of two processes, each read and then written, are all counted."""
    with two[0].write() as connection:
        connection.execute(text("INSERT INTO published VALUES (1, 0)"))

    def increment(number: int) -> None:
        for _ in range(5):
            with two[number % 2].write_alone("count") as connection:
                seen = connection.scalar(text("SELECT size FROM published"))
                connection.execute(text("UPDATE published SET size = :size"), {"size": seen + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(8)))
    with two[1].read() as connection:
        assert connection.scalar(text("SELECT size FROM published")) == 40


def test_a_sequencer_that_followed_another_tree_is_fenced(two: tuple[Database, Database]) -> None:
    """Of two that append to what they believe is the end, one is refused, and nothing of it is there."""
    ahead, behind = (Writer(LogStore(database)) for database in two)
    ahead.append(3)
    with pytest.raises(HeadMovedError):
        behind.append(2)
    behind.edge, behind.leaves = ahead.edge.copy(), list(ahead.leaves)
    behind.append(2)
    with pytest.raises(HeadMovedError):
        ahead.append(2)
    assert ahead.store.head() == (5, behind.root())
    assert len(ahead.store.entries(0, 9)) == 5


# ---------------------------------------------------------------- locks and limits


def _limit(monkeypatch: pytest.MonkeyPatch, *, idle_ms: int, lock_ms: int) -> None:
    limits = engine_postgres._begin(idle_ms=idle_ms, statement_ms=2_000, lock_ms=lock_ms)
    for name in ("_WRITE", "_HOLD"):
        monkeypatch.setattr(engine_postgres, name, limits)


def test_a_lock_is_not_waited_for_for_ever(two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not get the lock in time is told so, and wrote nothing; other names and plain writes go on."""
    _limit(monkeypatch, idle_ms=5_000, lock_ms=100)
    first, second = two
    with first.sequencing(), pytest.raises(DatabaseLockError) as caught, second.sequencing():
        pytest.fail("two have the lock")
    assert caught.value.code == "database_lock_timeout"
    with first.sequencing(), second.write_alone("other") as other:
        _insert(other, "other")
    assert "other" in _names(first)


def test_who_stands_still_after_many_rows_loses_the_lock_too(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver sends many rows as a pipeline whose end the server waits out for ever: none is sent that way."""
    _limit(monkeypatch, idle_ms=300, lock_ms=2_000)
    first, second = two
    rows = [{"did": f"did:x:{turn}", "count": 1, "seq": turn} for turn in range(20)]
    began = threading.Event()

    def stand_still() -> None:
        with first.sequencing() as connection:
            connection.execute(insert(PARTY), rows)
            began.set()
            time.sleep(1)

    with ThreadPoolExecutor(1) as pool:
        still = pool.submit(stand_still)
        assert began.wait(10)
        with second.sequencing() as connection:
            assert connection.scalar(select(func.count()).select_from(PARTY)) == 0
        with pytest.raises(DatabaseUnavailableError):
            still.result()


def test_who_stands_still_loses_the_lock_and_its_commit(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the limit another has the lock; the one that wakes up is refused at its next word, and wrote nothing."""
    _limit(monkeypatch, idle_ms=300, lock_ms=2_000)
    first, second = two

    def stand_still() -> None:
        with first.sequencing() as connection:
            _insert(connection, "asleep")
            begun.set()
            time.sleep(0.6)

    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sleeper = pool.submit(stand_still)
        assert begun.wait(5)
        with second.sequencing() as connection:
            _insert(connection, "awake")
        with pytest.raises(DatabaseUnavailableError):
            sleeper.result()
    assert _names(first) == {"awake"}
    with first.sequencing() as connection:
        _insert(connection, "again")


def test_an_exclusive_holder_excludes_and_can_lose_it(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one holds a name, nobody else has it; transactions inside are free; who stands still too long is told."""
    _limit(monkeypatch, idle_ms=300, lock_ms=100)
    first, second = two
    with first.exclusive("signing"):
        with first.write() as connection:
            _insert(connection, "inside")
        with second.exclusive("publishing"):
            pass
        with pytest.raises(DatabaseLockError), second.exclusive("signing"):
            pytest.fail("two have the lock")
    with pytest.raises(DatabaseLockError, match="lost"), first.exclusive("signing"):
        time.sleep(0.6)
    with second.exclusive("signing"):
        assert _names(second) == {"inside"}


def test_a_statement_may_not_take_for_ever(two: tuple[Database, Database]) -> None:
    """A statement beyond the limit is cancelled, and the transaction with it."""
    statements = ("SET LOCAL statement_timeout = 50", "SELECT pg_sleep(5)")
    with pytest.raises(DatabaseUnavailableError):
        _write(
            two[0], _named("slow"), *(lambda connection, one=one: connection.execute(text(one)) for one in statements)
        )
    assert _names(two[1]) == set()


def test_nothing_lives_in_a_session(two: tuple[Database, Database]) -> None:
    """After a transaction no lock is held and no setting is left, so a pooler may give the session to somebody else."""
    with two[0].sequencing() as connection:
        assert connection.scalar(text("SELECT current_setting('idle_in_transaction_session_timeout')")) == "5s"
        assert connection.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) == 1
        session = connection.scalar(text("SELECT pg_backend_pid()"))
    with two[0]._writers.connect() as bare:  # type: ignore[attr-defined]
        assert bare.scalar(text("SELECT pg_backend_pid()")) == session
        assert bare.scalar(text("SELECT current_setting('idle_in_transaction_session_timeout')")) == "0"
        assert bare.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) == 0
        assert bare.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0


# ---------------------------------------------------------------- lost connections


def test_a_connection_lost_inside_a_transaction(
    postgres: PostgresServer, name: str, two: tuple[Database, Database]
) -> None:
    """Nothing of it was written, the error says so, and the next transaction has a connection that works."""
    database = two[0]
    with pytest.raises(DatabaseUnavailableError) as caught:
        _write(database, _named("lost"), lambda _connection: postgres.cut(name), _named("lost too"))
    assert caught.value.code == "database_unavailable"
    assert _names(database) == set()
    with database.write() as connection:
        _insert(connection, "kept")
    assert _names(database) == {"kept"}


def test_a_connection_lost_at_the_commit_leaves_a_doubt(
    postgres: PostgresServer, name: str, two: tuple[Database, Database]
) -> None:
    """Who loses the connection at the commit is told that it does not know; the tables know."""
    with pytest.raises(CommitUnknownError) as caught:
        _write(two[0], _named("lost"), lambda _connection: postgres.cut(name))
    assert caught.value.code == "commit_unknown"
    assert _names(two[0]) == set()


def test_a_commit_whose_answer_was_lost_is_resolved_by_reading(postgres: PostgresServer, name: str) -> None:
    """Lost before the commit or after it, the caller hears the same; what stands in the tables tells the two apart."""
    with cutting_proxy(postgres.port) as proxy:
        database = open_database(postgres.tcp_url(name, port=proxy.port))
        writer = Writer(LogStore(database))
        writer.append(2)
        for moment, size in (("before", 2), ("after", 3)):
            proxy.moment = moment
            with pytest.raises(CommitUnknownError):
                writer.append(1)
            assert writer.store.head()[0] == size
        # Whoever repeats blindly what was written is refused by the head: nothing is there twice.
        with pytest.raises(HeadMovedError):
            writer.append(1)
        assert [entry.index for entry in writer.store.entries(0, 9)] == [0, 1, 2]
        database.close()


def test_pooled_connections_that_died_are_replaced(
    postgres: PostgresServer, name: str, two: tuple[Database, Database]
) -> None:
    """A server that was restarted while nobody asked is not seen by whoever asks next."""
    database = two[0]
    with database.write() as connection:
        _insert(connection, "before")
    assert _names(database) == {"before"}
    postgres.cut(name)
    assert _names(database) == {"before"}
    with database.write() as connection:
        _insert(connection, "after")
    assert _names(database) == {"before", "after"}


def test_a_failure_that_was_passed_over_does_not_commit(two: tuple[Database, Database]) -> None:
    """The server rolls such a transaction back and calls that a success: here it is an error."""

    def pass_over(connection: Connection) -> None:
        with pytest.raises(SQLAlchemyError):
            connection.execute(text("SELECT * FROM nothing"))

    with pytest.raises(DatabaseUnavailableError):
        _write(two[0], _named("a"), pass_over)
    assert _names(two[0]) == set()


def test_readers_cannot_write(two: tuple[Database, Database]) -> None:
    """A statement that writes is refused on a connection for reading."""
    with pytest.raises(SQLAlchemyError, match="read-only"), two[0].read() as connection:
        _insert(connection, "a")


# ---------------------------------------------------------------- telling one another


def test_what_is_said_is_heard_after_the_commit(two: tuple[Database, Database]) -> None:
    """A listener hears what was committed, in order, and not what was rolled back; a closed one ends its wait."""
    first, second = two
    listener = second.listen("tail")
    assert listener.wait(5) == [""]  # it listens from now on: look first
    with pytest.raises(SQLAlchemyError):
        _write(
            first,
            lambda connection: first.notify(connection, "tail", "never"),
            lambda connection: connection.execute(text("SELECT * FROM nothing")),
        )
    with first.write() as connection:
        first.notify(connection, "tail", "1")
        first.notify(connection, "other", "not for you")
        first.notify(connection, "tail", "2")
        assert listener.wait(0.05) == []
    heard = listener.wait(5)
    while len(heard) < 2:
        heard += listener.wait(5)
    assert heard == ["1", "2"]
    threading.Timer(0.1, listener.close).start()
    began = time.monotonic()
    assert listener.wait(30) == []
    assert time.monotonic() - began < 5


def test_a_listener_comes_back(postgres: PostgresServer, name: str, two: tuple[Database, Database]) -> None:
    """After a lost connection it says that something may have been missed, and hears again."""
    listener = two[0].listen("tail")
    assert listener.wait(5) == [""]
    postgres.cut(name)
    assert listener.wait(5) == [""]
    with two[1].write() as connection:
        two[1].notify(connection, "tail", "again")
    assert listener.wait(5) == ["again"]
    listener.close()
    assert listener.wait(5) == []
