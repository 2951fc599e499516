"""Opening PostgreSQL: what stands in the way is named by a code of its own, and no password is told to anybody."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from did_methods.errors import BonafidesError
from registry.storage import engine_postgres
from registry.storage.engine import DatabaseVersionError, is_current, lock_number, open_database
from registry.storage.gateway import GatewayStore
from tests.support.postgres import PASSWORD, USER, PostgresServer


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """Make a database without tables."""
    made = postgres.empty_database()
    yield made
    postgres.drop_database(made)


def _refused(url: str) -> BonafidesError:
    with pytest.raises(BonafidesError) as caught:
        open_database(url)
    for error in (caught.value, caught.value.__cause__, caught.value.__context__):
        assert PASSWORD not in f"{error!r} {error}"
    return caught.value


def test_the_first_opening_makes_the_tables(postgres: PostgresServer, empty: str) -> None:
    """Over TCP with a password as over the socket; both spellings of the URL; the second finds all there."""
    first = open_database(postgres.tcp_url(empty))
    GatewayStore(first).add("edge", role="gateway", key_digest=b"d" * 32, now_ms=1)
    first.close()
    again = open_database(postgres.url(empty).replace("postgresql://", "postgresql+psycopg://"))
    assert GatewayStore(again).load() == {b"d" * 32: ("edge", "gateway")}
    again.close()


def test_several_processes_that_start_at_once_migrate_once(postgres: PostgresServer, empty: str) -> None:
    """Six openings of an empty database at the same time all succeed, and the tables are there once."""
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _number: open_database(postgres.url(empty)), range(6)))
    with opened[0].read() as connection:
        assert is_current(connection)
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
    for one in opened:
        one.close()


def test_a_newer_database_is_refused(postgres: PostgresServer, empty: str) -> None:
    """An older program does not touch what a newer one wrote."""
    opened = open_database(postgres.url(empty))
    with opened.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    opened.close()
    with pytest.raises(DatabaseVersionError):
        open_database(postgres.url(empty))


def test_a_server_that_is_not_there() -> None:
    """Nobody listens: the address is told, the password is not."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    error = _refused(f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}/x")
    assert error.code == "database_unavailable"
    assert f"127.0.0.1:{port}" in error.detail


def test_wrong_credentials(postgres: PostgresServer, empty: str) -> None:
    """A wrong password and an unknown user are one code; a database that is not there is another."""
    assert _refused(postgres.tcp_url(empty, password=PASSWORD + "x")).code == "database_login_refused"
    assert _refused(f"postgresql://nobody@/{empty}?host={postgres.folder}&port={postgres.port}").code == (
        "database_login_refused"
    )
    assert _refused(postgres.tcp_url("missing")).code == "database_missing"


def test_an_encoding_that_is_not_utf_8(postgres: PostgresServer) -> None:
    """Names of agents may hold any character, so every database must."""
    name = postgres.empty_database("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    assert _refused(postgres.url(name)).code == "database_encoding"
    postgres.drop_database(name)


@pytest.mark.parametrize("value", ["off", "local"])
def test_a_server_that_does_not_wait_for_its_commits(postgres: PostgresServer, empty: str, value: str) -> None:
    """What is acknowledged as durable must be: a server that answers earlier is refused."""
    with postgres.admin() as connection:
        connection.execute(f"ALTER DATABASE {empty} SET synchronous_commit = {value}".encode())
    error = _refused(postgres.url(empty))
    assert (error.code, value in error.detail) == ("database_not_durable", True)


def test_a_server_that_is_too_old(postgres: PostgresServer, empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of a version that is not supported is refused before anything is made in it."""
    monkeypatch.setattr(engine_postgres, "_OLDEST_SERVER", 990_000)
    assert _refused(postgres.url(empty)).code == "database_unsupported"
    with postgres.admin() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_fsync_off_is_told(postgres: PostgresServer, empty: str, caplog: pytest.LogCaptureFixture) -> None:
    """A server that does not sync may be meant for tests, and whoever runs it is told at each start."""
    with caplog.at_level(logging.WARNING):
        open_database(postgres.url(empty)).close()
    assert "fsync" in caplog.text


def test_a_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the driver the code says so."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert _refused("postgresql://localhost/x").code == "database_driver_missing"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("", "database_url_malformed"),
        ("nonsense", "database_url_malformed"),
        ("postgresql://host:port/x", "database_url_malformed"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1/x?no_such_option=1", "database_url_malformed"),
        (f"postgres://u:{PASSWORD}@localhost/x", "database_unsupported"),
        ("postgresql+psycopg2://localhost/x", "database_unsupported"),
    ],
)
def test_what_is_no_url_of_ours(url: str, code: str) -> None:
    """A URL that cannot be read, or names another driver, is refused without being quoted."""
    assert _refused(url).code == code


def test_locks_have_numbers_of_their_own() -> None:
    """The numbers are what they were in the version before: two versions may run side by side."""
    numbers = {name: lock_number(name) for name in ("sequencing", "migration", "exclusive/signing", "status")}
    assert numbers["sequencing"] == -5_230_731_541_737_482_073
    assert len(set(numbers.values())) == len(numbers)
    assert all(-(2**63) <= number < 2**63 for number in numbers.values())
