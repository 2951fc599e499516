"""Outstanding challenges, wherever they are kept: bounded, taken once, by whichever process."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.limits import OUTSTANDING_CHALLENGES, OUTSTANDING_CHALLENGES_PER_SOURCE
from registry.storage import challenge as storage
from registry.storage.challenge import (
    NEVER,
    ChallengesExhaustedError,
    ChallengeStore,
    FetchedChallenges,
    MemoryChallenges,
    SqlChallenges,
    open_challenges,
)
from registry.storage.engine import Database, open_database
from tests.support.postgres import PostgresServer


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[ChallengeStore]:
    """Give an empty store of each kind."""
    if request.param == "memory":
        yield MemoryChallenges()
        return
    server: PostgresServer | None = request.getfixturevalue("postgres") if request.param == "postgres" else None
    name = server.fresh_database() if server else ""
    database = open_database(server.url(name) if server else "sqlite://")
    yield SqlChallenges(database, book="")
    database.close()
    if server:
        server.drop_database(name)


@pytest.fixture
def two(postgres: PostgresServer) -> Iterator[tuple[Database, Database]]:
    """Open one database twice, as two processes do."""
    name = postgres.fresh_database()
    opened = open_database(postgres.url(name)), open_database(postgres.url(name))
    yield opened
    for one in opened:
        one.close()
    postgres.drop_database(name)


def _add(store: ChallengeStore, challenge: str, *, expires_ms: int = 100, source: str | None = None) -> None:
    store.add(challenge, expires_ms=expires_ms, source=source, now_ms=expires_ms - 100)


def test_a_challenge_is_taken_once(store: ChallengeStore) -> None:
    """It is there until it is taken, and looking at it does not take it."""
    _add(store, "c", expires_ms=150)
    store.fetch("c", now_ms=60)
    assert [store.expires_ms("c"), store.expires_ms("c"), store.expires_ms("d")] == [150, 150, NEVER]
    assert [store.take("c"), store.take("c"), store.take("d")] == [150, NEVER, NEVER]
    assert store.expires_ms("c") == NEVER


@pytest.mark.parametrize("strange", ["", "\0", "a\0b", "\ud800", "\u00e9", "x" * 100_000])
def test_what_was_never_given_out_is_not_there(store: ChallengeStore, strange: str) -> None:
    """Whatever a stranger sends in the place of a challenge, also what no database would store."""
    assert [store.expires_ms(strange), store.take(strange)] == [NEVER, NEVER]


def test_expired_ones_make_room(store: ChallengeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """All together are bounded; what has ended is dropped before anybody is refused."""
    monkeypatch.setattr(storage, "OUTSTANDING_CHALLENGES", 3)
    for number in range(3):
        _add(store, f"old {number}", expires_ms=100)
    with pytest.raises(ChallengesExhaustedError) as caught:
        _add(store, "new", expires_ms=199)
    assert (caught.value.code, caught.value.params["retry_after_s"]) == ("challenges_exhausted", 300)
    _add(store, "new", expires_ms=200)
    assert [store.expires_ms("old 0"), store.expires_ms("new")] == [NEVER, 200]


def test_each_source_has_a_share(store: ChallengeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """One source cannot push out the others; what it takes back it may ask for again; without a source all may."""
    monkeypatch.setattr(storage, "OUTSTANDING_CHALLENGES_PER_SOURCE", 2)
    for challenge in ("a", "b"):
        _add(store, challenge, source="10.0.0.1")
    with pytest.raises(ChallengesExhaustedError):
        _add(store, "c", source="10.0.0.1")
    _add(store, "d", source="10.0.0.2")
    assert store.take("a") == 100
    _add(store, "e", source="10.0.0.1")
    for challenge in "fgh":
        _add(store, challenge)
    assert OUTSTANDING_CHALLENGES > OUTSTANDING_CHALLENGES_PER_SOURCE


def test_any_process_takes_it_and_one_only(two: tuple[Database, Database]) -> None:
    """A challenge that one process gave out is taken at another; of sixteen that try at once, one gets it."""
    first, second = (open_challenges(database) for database in two)
    for number in range(4):
        _add(first, f"c{number}")
        with ThreadPoolExecutor(16) as pool:
            tries = [pool.submit((first, second)[one % 2].take, f"c{number}") for one in range(16)]
        assert sorted(one.result() for one in tries) == [NEVER] * 15 + [100]


def test_books_are_apart(two: tuple[Database, Database]) -> None:
    """What was given out for one purpose cannot be taken for another, and does not count there."""
    mine, other = open_challenges(two[0]), open_challenges(two[1], book="presentations")
    _add(mine, "c")
    assert [other.expires_ms("c"), other.take("c"), mine.take("c")] == [NEVER, NEVER, 100]


def test_one_that_was_fetched_is_at_hand_here_alone(two: tuple[Database, Database]) -> None:
    """Fetching takes it out of the table: it can then be looked at and taken without asking, once, at this process."""
    shared = [open_challenges(database) for database in two]
    here, there = (one.at_hand() for one in shared)
    assert isinstance(here, FetchedChallenges)
    here.add("c", expires_ms=100, source=None, now_ms=0)
    assert here.expires_ms("c") == NEVER  # not asked for yet
    for store in (here, there):
        store.fetch("c", now_ms=50)
    assert [there.expires_ms("c"), there.take("c"), shared[1].take("c")] == [NEVER, NEVER, NEVER]
    assert [here.expires_ms("c"), here.take("c"), here.take("c")] == [100, 100, NEVER]
    _add(shared[0], "late", expires_ms=120)
    here.fetch("late", now_ms=120)
    assert here.take("late") == NEVER


def test_one_process_keeps_them_in_memory() -> None:
    """Where nobody shares the database nothing of them is written."""
    database = open_database("sqlite://")
    store = open_challenges(database)
    assert isinstance(store, MemoryChallenges)
    assert store.at_hand() is store
    database.close()
