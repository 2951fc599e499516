"""Stores of two processes on one database: what one has written the other sees, and neither undoes the other's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.limits import SHARED_CHANGES_POLL_MS
from registry.services.shared_changes import SharedChanges
from registry.storage import status
from registry.storage.did_witness import DidWitnessFullError, WitnessStore
from registry.storage.engine import Database, open_database
from registry.storage.gateway import GatewayExistsError, GatewayStore
from registry.storage.log import LogStore, SignedTwiceError
from registry.storage.status import ListKind, Place, Shard, StatusRowError, StatusStore
from tests.support.postgres import PostgresServer

KIND = ListKind("did:example:issuer", "revocation")
WAIT_S = 10.0


@pytest.fixture
def two(postgres: PostgresServer) -> Iterator[tuple[Database, Database]]:
    """Open one database twice, as two processes do."""
    name = postgres.fresh_database()
    opened = open_database(postgres.url(name)), open_database(postgres.url(name))
    yield opened
    for one in opened:
        one.close()
    postgres.drop_database(name)


def _allow(_shard: Shard, _place: Place, _value: int) -> None:
    """Let every change be."""


def _set(store: StatusStore, place: Place, value: int) -> None:
    store.set_values([(place, value)], check=_allow, now_ms=2, by="operator")


def _value(store: StatusStore, place: Place) -> int | None:
    shard = store.find(place.shard)
    return None if shard is None else shard.value(place.position)


def _soon(check: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT_S
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


# ---------------------------------------------------------------- status lists


def test_two_processes_never_give_out_one_place(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both fill the same shards, meet what the other took, and go on to a new shard together when one is full."""
    monkeypatch.setattr(status, "STATUS_LIST_ENTRIES", 64)
    monkeypatch.setattr(status, "STATUS_LIST_FILLED", 32)
    stores = [StatusStore(database) for database in two]

    def take(number: int) -> list[Place]:
        return [
            place for _ in range(10) for place in stores[number % 2].allocate([(KIND, bytes([number]))] * 2, now_ms=1)
        ]

    with ThreadPoolExecutor(4) as pool:
        places = [place for taken in pool.map(take, range(4)) for place in taken]
    assert len(places) == len(set(places)) == 80
    shards = [[place.shard for place in places].count(name) for name in {place.shard for place in places}]
    assert sorted(shards) == [16, 32, 32]
    assert stores[0].places(bytes([1])) == stores[1].places(bytes([1]))
    assert {store.holder(places[0]) for store in stores} == {bytes([0])}


def test_neither_undoes_what_the_other_has_set(two: tuple[Database, Database]) -> None:
    """Bits of one list that two processes set in turn, and at once, are all there."""
    stores = [StatusStore(database) for database in two]
    places = stores[0].allocate([(KIND, b"c")] * 24, now_ms=1)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: _set(stores[number % 2], places[number], 1), range(24)))
    for store in stores:
        store.refresh()
        assert [_value(store, place) for place in places] == [1] * 24
    shard = stores[1].find(places[0].shard)
    assert shard is not None
    assert shard.revision == 24
    assert len(stores[0].changes(shard.name)) == 24


def test_a_change_is_judged_by_what_stands(two: tuple[Database, Database]) -> None:
    """What may follow is decided by the row, not by what this process remembers of it."""
    first, second = (StatusStore(database) for database in two)
    (place,) = first.allocate([(KIND, b"c")], now_ms=1)
    second.refresh()
    _set(first, place, 1)
    seen: list[int] = []
    second.set_values(
        [(place, 0)],
        check=lambda shard, where, _value: seen.append(shard.value(where.position)),
        now_ms=2,
        by="x",
    )
    assert seen == [1]


def test_a_revocation_is_seen_everywhere_within_the_second(two: tuple[Database, Database]) -> None:
    """Another process reads it from its own memory soon after, whether or not any word of it came through."""
    first, second = (StatusStore(database) for database in two)
    changes = SharedChanges(two[1])
    changes.on(status.TOPIC, second.refresh)
    changes.start()
    try:
        (place,) = first.allocate([(KIND, b"c")], now_ms=1)
        assert _soon(lambda: _value(second, place) == 0)
        began = time.monotonic()
        _set(first, place, 1)
        assert _soon(lambda: _value(second, place) == 1)
        assert time.monotonic() - began < 1.0
        two[0].notify = lambda *_args: None  # type: ignore[method-assign]  # nothing comes through any more
        began = time.monotonic()
        _set(first, place, 0)
        assert _soon(lambda: _value(second, place) == 0)
        assert time.monotonic() - began < 1.0
    finally:
        changes.stop()


def test_what_was_read_long_ago_is_not_confirmed(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a shared database statuses are good for a few seconds after a look; of one's own always."""
    shared, own = StatusStore(two[0]), StatusStore(open_database("sqlite://"))
    assert (shared.is_confirmed, own.is_confirmed) == (True, True)
    monkeypatch.setattr(status, "STATUSES_UNCONFIRMED_MS", -1)
    assert (shared.is_confirmed, own.is_confirmed) == (False, True)
    monkeypatch.undo()
    shared.refresh()
    assert shared.is_confirmed
    own._database.close()


def test_a_damaged_row_does_not_end_the_listening(two: tuple[Database, Database]) -> None:
    """What cannot be read is told, and what is behind it is read as soon as it is sound again."""
    own, other = (StatusStore(database) for database in two)
    (place,) = own.allocate([(KIND, b"a" * 32)], now_ms=1)
    other.refresh()
    changes = SharedChanges(two[1])
    changes.on(status.TOPIC, other.refresh)
    changes.start()
    with two[0].write() as connection:
        connection.exec_driver_sql("UPDATE status_list SET messages = 'none', revision = revision + 1")
    with pytest.raises(StatusRowError):
        other.refresh()
    time.sleep(2 * SHARED_CHANGES_POLL_MS / 1_000)
    with two[0].write() as connection:
        connection.exec_driver_sql("UPDATE status_list SET messages = '[]'")
    _set(own, place, 1)
    assert _soon(lambda: _value(other, place) == 1)
    changes.stop()


def test_listening_outlives_a_database_that_refuses(postgres: PostgresServer, two: tuple[Database, Database]) -> None:
    """An action that fails is tried again at the next look; the thread ends when it is told to."""
    changes, looked = SharedChanges(two[1]), threading.Event()
    tries: list[int] = []

    def fail_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            from registry.storage.engine import DatabaseUnavailableError

            raise DatabaseUnavailableError
        looked.set()

    changes.on("anything", fail_once)
    changes.start()
    assert looked.wait(WAIT_S)
    changes.stop()
    count = len(tries)
    time.sleep(0.6)
    assert len(tries) == count
    assert postgres.process.poll() is None


# ---------------------------------------------------------------- small tables


def test_of_two_that_take_a_name_one_gets_it(two: tuple[Database, Database]) -> None:
    """A race for one gateway's name has one winner and clear refusals, no error of the database."""
    stores = [GatewayStore(database) for database in two]

    def add(number: int) -> bool:
        try:
            stores[number % 2].add("edge", role="gateway", key_digest=bytes([number]) * 32, now_ms=1)
        except GatewayExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(8))) == 1
    assert stores[0].load() == stores[1].load()


def test_of_two_notes_of_one_size_one_stands(two: tuple[Database, Database]) -> None:
    """Two processes that sign one tree get the same note back; for another tree of that size the answer is a fork."""
    stores = [LogStore(database) for database in two]
    with ThreadPoolExecutor(8) as pool:
        notes = set(pool.map(lambda number: stores[number % 2].save_signed(5, b"r" * 32, b"%d" % number), range(8)))
    assert len(notes) == 1
    with pytest.raises(SignedTwiceError):
        stores[1].save_signed(5, b"o" * 32, b"another")


def test_a_witness_is_as_full_as_the_table_says(two: tuple[Database, Database]) -> None:
    """The limit counts what every process has witnessed."""
    first, second = (WitnessStore(database, most=2) for database in two)
    first.remember("a", ["1-a"], b"{}")
    second.remember("b", ["1-b"], b"{}")
    with pytest.raises(DidWitnessFullError):
        first.remember("c", ["1-c"], b"{}")
    assert first.remember("b", ["1-b", "2-b"], b"{}").number == 2
    assert second.count() == 2
