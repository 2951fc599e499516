"""The storage contract of status lists: places given out once, statuses kept, and what a failed write leaves behind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from registry import limits
from registry.storage.engine import Database, open_database
from registry.storage.status import Change, ListKind, Place, Shard, StatusStore

KIND = ListKind("did:example:issuer", "revocation")
OTHER = ListKind("did:example:issuer", "message", 2, ("a", "b", "c", "d"))


def anything(_shard: Shard, _place: Place, _value: int) -> None:
    """Let every value follow every other."""


def _allocate(store: StatusStore, count: int, *, kind: ListKind = KIND, credential: bytes = b"c") -> list[Place]:
    return store.allocate([(kind, credential)] * count, now_ms=1)


def _set(store: StatusStore, place: Place, value: int, *, now_ms: int = 2) -> None:
    store.set_values([(place, value)], check=anything, now_ms=now_ms, by="operator")


def test_places_are_given_out_once(database: Database) -> None:
    """No two places are the same, all lie in the list, and each is the credential's that it was given to."""
    store = StatusStore(database)
    places = [place for number in range(20) for place in _allocate(store, 50, credential=bytes([number]))]
    assert len(set(places)) == 1_000
    assert {place.shard for place in places} == {places[0].shard}
    assert all(0 <= place.position < limits.STATUS_LIST_ENTRIES for place in places)
    assert [store.holder(place) for place in places[:50]] == [b"\0"] * 50
    assert set(store.places(bytes([7]))) == set(places[350:400])
    assert store.places(b"nobody") == []


def test_positions_are_spread(database: Database) -> None:
    """Positions say nothing of their order: a thousand of them fall into every sixteenth of the list, evenly enough."""
    places = _allocate(StatusStore(database), 1_600)
    counts = [0] * 16
    for place in places:
        counts[place.position * 16 // limits.STATUS_LIST_ENTRIES] += 1
    assert all(50 < count < 170 for count in counts), counts
    positions = [place.position for place in places]
    assert positions != sorted(positions)


def test_a_position_that_is_taken_is_drawn_again(database: Database) -> None:
    """Whatever is drawn, no place is given out twice."""
    drawn = iter([5, 5, 5, 6, 6, 7])
    store = StatusStore(database, random_below=lambda _most: next(drawn))
    assert [place.position for place in _allocate(store, 2)] == [5, 6]
    assert [place.position for place in _allocate(store, 1)] == [7]


def test_a_half_full_shard_is_followed_by_a_new_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the mark places come from a new shard of the same kind; nothing of the old one is lost."""
    monkeypatch.setattr("registry.storage.status.STATUS_LIST_FILLED", 10)
    store = StatusStore(database)
    places = _allocate(store, 25)
    shards = list(dict.fromkeys(place.shard for place in places))
    assert [sum(place.shard == shard for place in places) for shard in shards] == [10, 10, 5]
    again = StatusStore(database)
    more = _allocate(again, 7)
    assert [place.shard == shards[2] for place in more] == [True] * 5 + [False] * 2
    assert len(set(places + more)) == 32


def test_kinds_have_lists_of_their_own(database: Database) -> None:
    """Issuer, purpose, size and messages each make another list, and each is as long as it must be."""
    store = StatusStore(database)
    kinds = [KIND, OTHER, ListKind("did:example:other", "revocation"), ListKind(KIND.issuer, "suspension")]
    places = store.allocate([(kind, b"c") for kind in kinds], now_ms=9)
    shards = [store.find(place.shard) for place in places]
    assert [shard.kind for shard in shards if shard] == kinds
    assert [len(shard.bits) for shard in shards if shard] == [16_384, 32_768, 16_384, 16_384]
    assert len({place.shard for place in places}) == 4
    assert all(len(place.shard) == 32 and int(place.shard, 16) >= 0 for place in places)


def test_a_status_is_set_and_read(database: Database) -> None:
    """A value is there at once and nowhere else, and the history says who set it when; the same again changes nothing."""
    store = StatusStore(database)
    places = _allocate(store, 3, kind=OTHER)
    before = store.find(places[0].shard)
    assert before is not None
    _set(store, places[1], 3)
    shard = store.find(places[0].shard)
    assert shard is not None
    assert [shard.value(place.position) for place in places] == [0, 3, 0]
    assert before.value(places[1].position) == 0  # whoever holds the old list still reads the old list
    _set(store, places[1], 3, now_ms=7)
    assert store.find(places[0].shard) is shard
    _set(store, places[1], 1, now_ms=8)
    assert store.changes(shard.name) == [
        Change(places[1].position, 3, 2, "operator"),
        Change(places[1].position, 1, 8, "operator"),
    ]


def test_the_time_of_a_change_never_goes_back(database: Database) -> None:
    """A clock that goes back leaves the newest change where it is: a list never looks older than it was."""
    store = StatusStore(database)
    (place,) = _allocate(store, 1)
    _set(store, place, 1, now_ms=1_000)
    _set(store, place, 0, now_ms=500)
    shard = store.find(place.shard)
    assert shard is not None
    assert (shard.value(place.position), shard.changed_ms) == (0, 1_000)


def test_a_check_that_fails_sets_nothing(database: Database) -> None:
    """Of several values either all are set or none."""
    store = StatusStore(database)
    first, second = _allocate(store, 2)

    def refuse(_shard: Shard, place: Place, _value: int) -> None:
        if place == second:
            raise PermissionError

    with pytest.raises(PermissionError):
        store.set_values([(first, 1), (second, 1)], check=refuse, now_ms=2, by="x")
    shard = store.find(first.shard)
    assert shard is not None
    assert not any(shard.bits)
    assert store.changes(first.shard) == []


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Bits, places and history survive, and what was taken is not given out again."""
    url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    opened = open_database(url)
    store = StatusStore(opened)
    places = _allocate(store, 500) + _allocate(store, 5, kind=OTHER)
    _set(store, places[3], 1)
    _set(store, places[-1], 2)
    kept = [store.find(place.shard) for place in places]
    opened.close()
    opened = open_database(url)
    drawn = iter([place.position for place in places[:500]] + [place.position + 1 for place in places])
    again = StatusStore(opened, random_below=lambda most: next(drawn) % most)
    assert [again.find(place.shard) for place in places] == kept
    assert again.changes(places[3].shard) == store_changes(places[3], 1)
    assert _allocate(again, 1)[0] not in places
    opened.close()


def store_changes(place: Place, value: int) -> list[Change]:
    """Return a history of one change."""
    return [Change(place.position, value, 2, "operator")]


def test_a_write_that_fails_takes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the commit fails, places are free again, no list appears, and no status changes."""
    drawn: list[int] = [1, 2, 3, 1, 2]
    store = StatusStore(database, random_below=lambda _most: drawn.pop(0))
    (kept,) = _allocate(store, 1)
    original = Connection.exec_driver_sql

    def fail(connection: Connection, statement: str, *more: Any) -> Any:
        if statement == "COMMIT":
            raise OSError("disk full")
        return original(connection, statement, *more)

    monkeypatch.setattr(Connection, "exec_driver_sql", fail)
    with pytest.raises(OSError, match="disk full"):
        store.allocate([(KIND, b"c"), (OTHER, b"c")], now_ms=1)
    with pytest.raises(OSError, match="disk full"):
        _set(store, kept, 1)
    monkeypatch.undo()
    shard = store.find(kept.shard)
    assert shard is not None
    assert not any(shard.bits)
    with database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM status_list")).scalar() == 1
        assert connection.execute(text("SELECT count(*) FROM status_entry")).scalar() == 1
    assert [place.position for place in _allocate(store, 1)] == [2]  # 1 is taken, 2 is free again


def test_many_at_once(database: Database) -> None:
    """Threads that ask and set at the same time get different places, and every status that was set is there."""
    store = StatusStore(database)

    def work(number: int) -> list[Place]:
        places = [place for _ in range(10) for place in _allocate(store, 3, credential=bytes([number]))]
        for place in places[::2]:
            _set(store, place, 1)
        return places

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(8)))
    places = [place for one in found for place in one]
    assert len(set(places)) == 240
    shard = store.find(places[0].shard)
    assert shard is not None
    set_ones = {place.position for one in found for place in one[::2]}
    assert {place.position for place in places if shard.value(place.position)} == set_ones
    assert sum(byte.bit_count() for byte in shard.bits) == len(set_ones)
    assert StatusStore(database).find(shard.name) == shard


def test_reading_does_not_wait_for_writing(database: Database) -> None:
    """A list is read while another thread holds the writer."""
    store = StatusStore(database)
    (place,) = _allocate(store, 1)
    found = []
    with database.write():
        reader = threading.Thread(target=lambda: found.append(store.find(place.shard)))
        reader.start()
        reader.join(timeout=5)
    assert found


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_the_store_is_the_model(data: st.DataObject) -> None:
    """However asking, setting and restarting are mixed, every place is new and every status is the last one set."""
    database = open_database("sqlite://")
    store, model = StatusStore(database), dict[Place, int]()
    for _ in range(data.draw(st.integers(1, 25))):
        match data.draw(st.sampled_from(["allocate", "set", "restart"])):
            case "allocate":
                kind = data.draw(st.sampled_from([KIND, OTHER]))
                for place in _allocate(store, data.draw(st.integers(1, 5)), kind=kind):
                    assert place not in model
                    model[place] = 0
            case "set" if model:
                place = list(model)[data.draw(st.integers(0, len(model) - 1))]
                shard = store.find(place.shard)
                assert shard is not None
                model[place] = data.draw(st.integers(0, 2**shard.kind.size - 1))
                _set(store, place, model[place])
            case _:
                store = StatusStore(database)
    for place, value in model.items():
        shard = store.find(place.shard)
        assert shard is not None
        assert shard.value(place.position) == value
    database.close()
