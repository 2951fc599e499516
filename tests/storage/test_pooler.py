"""PostgreSQL behind a pooler in transaction mode: sessions change hands between any two transactions, and nothing breaks."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from registry.services.shared_changes import SharedChanges
from registry.storage.challenge import NEVER, open_challenges
from registry.storage.engine import Database, open_database
from registry.storage.gateway import TOPIC, GatewayStore
from registry.storage.log import HeadMovedError, LogStore
from registry.storage.status import ListKind, StatusStore
from tests.support.log_writer import Writer
from tests.support.pgbouncer import pgbouncer
from tests.support.pooler import transaction_pooler
from tests.support.postgres import PostgresServer
from tests.support.publication import wait_for

KIND = ListKind("did:example:issuer", "revocation")


@contextmanager
def our_pooler(server: PostgresServer, name: str) -> Iterator[int]:
    """Run the small one, which also counts; gives its port."""
    with transaction_pooler(server, name, sessions=3) as pooler:
        yield pooler.port
        assert pooler.borrowed > 10


@pytest.fixture(scope="module", params=["ours", pytest.param("pgbouncer", marks=pytest.mark.full)])
def two(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[tuple[Database, Database]]:
    """Open one database twice through a pooler with three sessions."""
    name = postgres.fresh_database()
    pooler = our_pooler(postgres, name) if request.param == "ours" else pgbouncer(postgres, sessions=3)
    with pooler as port:
        url = postgres.tcp_url(name, port=port)
        opened = open_database(url), open_database(url)
        yield opened
        for one in opened:
            one.close()
    with postgres.admin() as connection:
        left = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert left == (0,)
    postgres.drop_database(name)


def test_writers_take_turns_through_shared_sessions(two: tuple[Database, Database]) -> None:
    """What eight threads of two processes read and write back under one lock is all counted."""
    with two[0].write() as connection:
        connection.execute(text("INSERT INTO published VALUES (1, 0)"))

    def add(number: int) -> None:
        for _ in range(2):
            with two[number % 2].write_alone("count") as connection:
                size = connection.scalar(text("SELECT size FROM published"))
                connection.execute(text("UPDATE published SET size = :size"), {"size": size + 1})

    # More threads than sessions would wait for the lock and for a session at once: the pooler has to be large enough.
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add, range(8)))
    with two[1].read() as connection:
        assert connection.scalar(text("SELECT size FROM published")) == 16


def test_the_log_grows_and_is_fenced(two: tuple[Database, Database]) -> None:
    """Batches of rows, tiles and the head go through; who follows another tree is refused."""
    writer, behind = (Writer(LogStore(database)) for database in two)
    for count in (1, 255, 300):
        writer.append(count)
    with pytest.raises(HeadMovedError):
        behind.append(1)
    assert behind.store.head() == (556, writer.root())
    assert behind.store.right_edge(556).root() == writer.root()


def test_limits_reach_the_session_that_is_used(two: tuple[Database, Database]) -> None:
    """Every transaction has its limits whatever session it got, and reading ones cannot write."""
    asked = text("SELECT current_setting('statement_timeout'), current_setting('transaction_read_only')")
    with two[0].write() as one, two[1].read() as other:
        assert one.execute(asked).one() == ("30s", "off")
        assert other.execute(asked).one() == ("30s", "on")


def test_what_is_not_told_is_looked_at(two: tuple[Database, Database]) -> None:
    """No word comes through a pooler in this mode; challenges, statuses and keys are shared all the same."""
    first, second = two
    challenges = [open_challenges(database) for database in two]
    challenges[0].add("c", expires_ms=100, source=None, now_ms=0)
    assert [challenges[1].take("c"), challenges[0].take("c")] == [100, NEVER]
    statuses = [StatusStore(database) for database in two]
    (place,) = statuses[0].allocate([(KIND, b"c")], now_ms=1)
    changes, keys = SharedChanges(second), {}  # type: ignore[var-annotated]
    changes.on("status", statuses[1].refresh)
    changes.on(TOPIC, lambda: keys.update(GatewayStore(second).load()))
    changes.start()
    try:
        GatewayStore(first).add("edge", role="gateway", key_digest=b"d" * 32, now_ms=1)
        wait_for(lambda: keys == {b"d" * 32: ("edge", "gateway")})
        wait_for(lambda: statuses[1].find(place.shard) is not None)
    finally:
        changes.stop()
