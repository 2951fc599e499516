"""Outstanding challenges: in memory where one process has the database, in a table where several share it.

In memory a restart voids those outstanding, which fails closed and costs a client one more call. In a table one that was
given out by any process can be taken at any other, and once: taking it deletes its row, and of two that try, one does.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from typing import Final, Protocol

from sqlalchemy import delete, func, insert, select

from registry.errors import LimitError
from registry.limits import CHALLENGE_LIFETIME_MS, OUTSTANDING_CHALLENGES, OUTSTANDING_CHALLENGES_PER_SOURCE
from registry.storage.engine import Database, is_storable
from registry.storage.tables import CHALLENGE

NEVER: Final = -1
_NOT_THERE: Final[tuple[int, str | None]] = (NEVER, None)


class ChallengesExhaustedError(LimitError):
    """Too many challenges are outstanding."""

    code = "challenges_exhausted"
    title = "Too many challenges are outstanding; try again"


class ChallengeStore(Protocol):
    """Challenges that were given out and not yet taken. Safe from any thread."""

    def add(self, challenge: str, *, expires_ms: int, source: str | None, now_ms: int) -> None:
        """Keep a new challenge.

        Args:
            challenge: never kept before.
            expires_ms: when it ends.
            source: the caller's address; None is not counted by source.
            now_ms: the wall clock.

        Raises:
            ChallengesExhaustedError: ``challenges_exhausted``.
        """
        ...

    def expires_ms(self, challenge: str) -> int:
        """Return when a challenge ends, -1 for one that is not there."""
        ...

    def take(self, challenge: str) -> int:
        """Forget a challenge and return when it ended, -1 for one that is not there; of many callers one gets it."""
        ...

    def fetch(self, challenge: str, *, now_ms: int) -> None:
        """Have a challenge at hand where asking for it would wait; does nothing where it would not."""
        ...

    def at_hand(self) -> ChallengeStore:
        """Return a view of the same challenges that never waits but in `add` and `fetch`."""
        ...


def open_challenges(database: Database, *, book: str = "") -> ChallengeStore:
    """Return the store that fits a database.

    Args:
        database: where they are kept if it is shared.
        book: keeps the challenges of one purpose, and their number, apart from those of another.
    """
    return SqlChallenges(database, book=book) if database.is_shared else MemoryChallenges()


class MemoryChallenges:
    """Challenges of this process; see `ChallengeStore`."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._outstanding: OrderedDict[str, tuple[int, str | None]] = OrderedDict()
        self._by_source: Counter[str] = Counter()

    def add(self, challenge: str, *, expires_ms: int, source: str | None, now_ms: int) -> None:
        """Keep a new challenge; see `ChallengeStore.add`."""
        with self._mutex:
            self._drop_expired(now_ms)
            _check_room(len(self._outstanding), 0 if source is None else self._by_source[source])
            if source is not None:
                self._by_source[source] += 1
            self._outstanding[challenge] = (expires_ms, source)

    def expires_ms(self, challenge: str) -> int:
        """Return when a challenge ends; see `ChallengeStore.expires_ms`."""
        with self._mutex:
            return self._outstanding.get(challenge, _NOT_THERE)[0]

    def take(self, challenge: str) -> int:
        """Forget a challenge; see `ChallengeStore.take`."""
        with self._mutex:
            return self._drop(challenge)

    def fetch(self, challenge: str, *, now_ms: int) -> None:
        """Do nothing: all are at hand."""

    def at_hand(self) -> ChallengeStore:
        """Return these; see `ChallengeStore.at_hand`."""
        return self

    def _drop_expired(self, now_ms: int) -> None:
        while self._outstanding:
            first = next(iter(self._outstanding))
            if self._outstanding[first][0] > now_ms:
                return
            self._drop(first)

    def _drop(self, challenge: str) -> int:
        expires_ms, source = self._outstanding.pop(challenge, _NOT_THERE)
        if source is not None:
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]
        return expires_ms


class SqlChallenges:
    """Challenges of every process of a database; see `ChallengeStore`. The limits hold but for those that race.

    Args:
        database: where they are kept.
        book: whose challenges these are.
    """

    def __init__(self, database: Database, *, book: str) -> None:
        self._database = database
        self._book = book

    def add(self, challenge: str, *, expires_ms: int, source: str | None, now_ms: int) -> None:
        """Keep a new challenge; see `ChallengeStore.add`."""
        own = CHALLENGE.c.book == self._book
        count = select(func.count()).select_from(CHALLENGE).where(own)
        with self._database.write() as connection:
            connection.execute(delete(CHALLENGE).where(CHALLENGE.c.expires_ms <= now_ms))
            of_source = 0 if source is None else connection.scalar(count.where(CHALLENGE.c.source == source)) or 0
            _check_room(connection.scalar(count) or 0, of_source)
            row = {"challenge": challenge, "book": self._book, "expires_ms": expires_ms, "source": source or ""}
            connection.execute(insert(CHALLENGE).values(row))

    def expires_ms(self, challenge: str) -> int:
        """Return when a challenge ends; see `ChallengeStore.expires_ms`."""
        if not is_storable(challenge):
            return NEVER
        query = select(CHALLENGE.c.expires_ms).where(CHALLENGE.c.challenge == challenge, CHALLENGE.c.book == self._book)
        with self._database.read() as connection:
            found = connection.scalar(query)
        return NEVER if found is None else int(found)

    def take(self, challenge: str) -> int:
        """Forget a challenge; see `ChallengeStore.take`."""
        if not is_storable(challenge):
            return NEVER
        taken = delete(CHALLENGE).where(CHALLENGE.c.challenge == challenge, CHALLENGE.c.book == self._book)
        with self._database.write() as connection:
            found = connection.scalar(taken.returning(CHALLENGE.c.expires_ms))
        return NEVER if found is None else int(found)

    def fetch(self, challenge: str, *, now_ms: int) -> None:
        """Do nothing: whoever asks here may wait."""

    def at_hand(self) -> ChallengeStore:
        """Return a view of these; see `ChallengeStore.at_hand`."""
        return FetchedChallenges(self)


class FetchedChallenges:
    """Challenges that were taken out of a store to be looked at and used up in memory; see `ChallengeStore`.

    Whoever answers one wrongly can answer it again at this process, and at no other.

    Args:
        shared: where they are taken from.
    """

    def __init__(self, shared: ChallengeStore) -> None:
        self._shared = shared
        self._here = MemoryChallenges()

    def add(self, challenge: str, *, expires_ms: int, source: str | None, now_ms: int) -> None:
        """Keep a new challenge for every process; see `ChallengeStore.add`."""
        self._shared.add(challenge, expires_ms=expires_ms, source=source, now_ms=now_ms)

    def expires_ms(self, challenge: str) -> int:
        """Return when a challenge that was fetched ends; see `ChallengeStore.expires_ms`."""
        return self._here.expires_ms(challenge)

    def take(self, challenge: str) -> int:
        """Forget a challenge that was fetched; see `ChallengeStore.take`."""
        return self._here.take(challenge)

    def fetch(self, challenge: str, *, now_ms: int) -> None:
        """Take a challenge out of the store; see `ChallengeStore.fetch`."""
        expires_ms = self._shared.take(challenge)
        if expires_ms > now_ms:
            self._here.add(challenge, expires_ms=expires_ms, source=None, now_ms=now_ms)

    def at_hand(self) -> ChallengeStore:
        """Return these; see `ChallengeStore.at_hand`."""
        return self


def _check_room(kept: int, of_source: int) -> None:
    retry_after_s = CHALLENGE_LIFETIME_MS // 1_000
    if kept >= OUTSTANDING_CHALLENGES:
        raise ChallengesExhaustedError("all sources together", retry_after_s=retry_after_s)
    if of_source >= OUTSTANDING_CHALLENGES_PER_SOURCE:
        raise ChallengesExhaustedError("this source", retry_after_s=retry_after_s)
