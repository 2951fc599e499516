"""The lists of statuses that this registry keeps, shard by shard: places given out at random, and what became of them.

A shard is half used at most, so a free place is found at the second try on average, whatever was given out before. What is
given out or changed is on the disk before anybody is told. The bits of all shards lie in memory (16 KiB each at one bit an
entry); which places are taken is held for the shards that are being filled only.

Where several processes share the database, what is written is decided by the rows, under a lock, and `refresh` brings
memory up to what the others have written; whoever listens to them calls it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json
from did_methods.codec_errors import JsonError
from registry.credentials.status_list import read_bits, write_bits
from registry.errors import DependencyError
from registry.limits import STATUS_LIST_ENTRIES, STATUS_LIST_FILLED, STATUSES_UNCONFIRMED_MS
from registry.storage.engine import CHANGES, Database, is_storable
from registry.storage.tables import STATUS_CHANGE, STATUS_ENTRY, STATUS_LIST
from registry.storage.upsert import add_row

TOPIC = "status"
_NAME_BYTES = 16


class StatusRowError(DependencyError):
    """A status list in the database cannot be read; what it says is not guessed."""

    code = "status_list_damaged"
    title = "A status list is damaged in the database"


@dataclass(frozen=True, slots=True)
class ListKind:
    """What makes lists different: places of one kind are given out in one shard at a time.

    Attributes:
        issuer: of the lists.
        purpose: for example ``revocation``.
        size: bits of a status, 1 to 8.
        messages: what the values mean; empty where each entry says nothing of it.
    """

    issuer: str
    purpose: str
    size: int = 1
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shard:
    """One list as it stands; a change makes another object of it.

    Attributes:
        number: in the database.
        name: random, stands in URLs.
        kind: issuer, purpose and form.
        bits: packed statuses.
        changed_ms: when a status was last set, or the shard begun; never goes back.
        revision: counts the changes of its bits.
    """

    number: int
    name: str
    kind: ListKind
    bits: bytes
    changed_ms: int
    revision: int = 0

    def value(self, position: int) -> int:
        """Return the status at a position within the list."""
        return read_bits(self.bits, position, self.kind.size)


@dataclass(frozen=True, slots=True)
class Place:
    """One status: a shard by its name, and the position in it."""

    shard: str
    position: int


@dataclass(frozen=True, slots=True)
class Change:
    """A status that was set.

    Attributes:
        position: in the list.
        value: the new status.
        time_ms: when, milliseconds since the epoch.
        by: name of the caller.
    """

    position: int
    value: int
    time_ms: int
    by: str


@dataclass(slots=True)
class _Filling:
    """The shard of a kind in which places are being given out, and which of them are taken."""

    name: str
    number: int
    taken: bytearray
    used: int


@dataclass(slots=True)
class _Draft:
    """What one transaction writes, kept apart from memory until it is committed."""

    shards: list[Shard]
    fillings: dict[ListKind, _Filling]
    places: list[tuple[_Filling, int]]


class StatusStore:
    """Status lists in the database. Safe from any thread; `find` never waits.

    Args:
        database: where they are kept.
        random_below: draws a number from 0, below the one given; unpredictable.
    """

    def __init__(self, database: Database, *, random_below: Callable[[int], int] = secrets.randbelow) -> None:
        self._database = database
        self._random_below = random_below
        self._mutex = threading.Lock()
        self._shards: dict[str, Shard] = {}
        self._newest: dict[ListKind, str] = {}
        self._filling: dict[ListKind, _Filling] = {}
        self._read_s = time.monotonic()
        with database.read() as connection:
            self._load(connection)

    # ------------------------------------------------------------ reading

    def find(self, name: str) -> Shard | None:
        """Return a shard as it stands, or None."""
        return self._shards.get(name)

    def places(self, credential: bytes) -> list[Place]:
        """Return where the statuses of a credential stand, list by list, the oldest list first.

        Args:
            credential: digest of its id.
        """
        query = (
            select(STATUS_LIST.c.name, STATUS_ENTRY.c.position)
            .join(STATUS_LIST, STATUS_LIST.c.number == STATUS_ENTRY.c.list_number)
            .where(STATUS_ENTRY.c.credential == credential)
            .order_by(STATUS_ENTRY.c.list_number, STATUS_ENTRY.c.position)
        )
        with self._mutex, self._database.read() as connection:  # not between a commit and what it changes in memory
            places = [Place(name, position) for name, position in connection.execute(query)]
            if any(place.shard not in self._shards for place in places):  # begun by another process just now
                self._load(connection)
            return places

    def holder(self, place: Place) -> bytes | None:
        """Return the digest of the id of the credential that has a place, or None where nobody has it."""
        query = (
            select(STATUS_ENTRY.c.credential)
            .join(STATUS_LIST, STATUS_LIST.c.number == STATUS_ENTRY.c.list_number)
            .where(STATUS_LIST.c.name == place.shard, STATUS_ENTRY.c.position == place.position)
        )
        if not is_storable(place.shard):
            return None
        with self._mutex, self._database.read() as connection:
            found = connection.scalar(query)
            if found is not None and place.shard not in self._shards:
                self._load(connection)
        return None if found is None else bytes(found)

    def changes(self, name: str) -> list[Change]:
        """Return what was set in a shard, oldest first."""
        shard = self._shards[name]
        table = STATUS_CHANGE.c
        query = select(table.position, table.value, table.time_ms, table.by).where(table.list_number == shard.number)
        with self._database.read() as connection:
            return [Change(*row) for row in connection.execute(query.order_by(table.number))]

    @property
    def is_confirmed(self) -> bool:
        """Whether nobody else can have set a status that is not read here, but for the last few seconds."""
        return not self._database.is_shared or time.monotonic() - self._read_s <= STATUSES_UNCONFIRMED_MS / 1_000

    def refresh(self) -> None:
        """Read what other processes have written; what was set there before the call is read here after it."""
        began_s = time.monotonic()
        with self._mutex, self._database.read() as connection:
            self._load(connection)
        self._read_s = began_s

    def _load(self, connection: Connection, where: ColumnElement[bool] | None = None) -> None:
        """Take over the shards that are new or have changed; whoever holds the mutex."""
        if not self._shards:
            for row in connection.execute(select(STATUS_LIST).order_by(STATUS_LIST.c.number)):
                self._keep(_shard(row))
            return
        numbers = select(STATUS_LIST.c.number, STATUS_LIST.c.name, STATUS_LIST.c.revision).order_by(
            STATUS_LIST.c.number
        )
        for number, name, revision in connection.execute(numbers if where is None else numbers.where(where)).all():
            known = self._shards.get(name)
            if known is None or known.revision != revision:
                self._keep(_shard(connection.execute(select(STATUS_LIST).where(STATUS_LIST.c.number == number)).one()))

    # ------------------------------------------------------------ giving out places

    def allocate(self, wanted: Sequence[tuple[ListKind, bytes]], *, now_ms: int) -> list[Place]:
        """Give out places, each random, none a second time; on the disk when this returns, all or none.

        Args:
            wanted: kind of list and digest of the credential's id, one for each place.
            now_ms: milliseconds since the epoch, for shards that are begun.

        Returns:
            Places in the order of what was wanted.
        """
        with self._mutex:
            draft = _Draft([], {}, [])
            try:
                with self._database.write_alone(TOPIC) as connection:
                    if self._database.is_shared:
                        self._load(connection, STATUS_LIST.c.issuer.in_({kind.issuer for kind, _ in wanted}))
                    rows = [self._take(connection, draft, kind, credential, now_ms) for kind, credential in wanted]
                    if rows and not self._database.is_shared:
                        connection.execute(insert(STATUS_ENTRY), rows)
                    self._save_used(connection, draft)
                    if draft.shards:
                        self._database.notify(connection, CHANGES, TOPIC)
            except BaseException:
                for filling, position in draft.places:  # not written: free again
                    write_bits(filling.taken, position, 1, 0)
                    filling.used -= 1
                raise
            for shard in draft.shards:
                self._keep(shard)
            self._filling |= draft.fillings
            return [Place(filling.name, position) for filling, position in draft.places]

    def _take(
        self, connection: Connection, draft: _Draft, kind: ListKind, credential: bytes, now_ms: int
    ) -> dict[str, Any]:
        filling = draft.fillings.get(kind) or self._open_shard(connection, kind)
        if filling is None or filling.used >= STATUS_LIST_FILLED:
            shard = self._begin(connection, kind, now_ms)
            draft.shards.append(shard)
            filling = _Filling(shard.name, shard.number, bytearray(STATUS_LIST_ENTRIES // 8), 0)
        draft.fillings[kind] = filling
        row: dict[str, Any] = {"list_number": filling.number, "credential": credential}
        while True:
            position = self._random_below(STATUS_LIST_ENTRIES)
            if read_bits(filling.taken, position, 1):
                continue
            write_bits(filling.taken, position, 1, 1)
            # Where others give out places too, what they took is known by meeting it.
            if not self._database.is_shared or add_row(connection, STATUS_ENTRY, row | {"position": position}):
                break
        filling.used += 1
        draft.places.append((filling, position))
        return row | {"position": position}

    @staticmethod
    def _save_used(connection: Connection, draft: _Draft) -> None:
        for filling in {place[0].number: place[0] for place in draft.places}.values():
            mine = STATUS_LIST.c.number == filling.number
            connection.execute(update(STATUS_LIST).where(mine).values(used=filling.used))

    def _open_shard(self, connection: Connection, kind: ListKind) -> _Filling | None:
        """Return the newest shard of a kind with what is taken in it, read once; earlier ones are full."""
        filling = self._filling.get(kind)
        name = self._newest.get(kind)
        if name is None:
            return None
        shard = self._shards[name]
        used = select(STATUS_LIST.c.used).where(STATUS_LIST.c.number == shard.number)
        if filling is not None and filling.name == name:
            if self._database.is_shared:
                filling.used = int(connection.scalar(used) or 0)
            return filling
        taken = bytearray(STATUS_LIST_ENTRIES // 8)
        query = select(STATUS_ENTRY.c.position).where(STATUS_ENTRY.c.list_number == shard.number)
        for position in connection.scalars(query):
            write_bits(taken, position, 1, 1)
        return _Filling(name, shard.number, taken, int(connection.scalar(used) or 0))

    def _begin(self, connection: Connection, kind: ListKind, now_ms: int) -> Shard:
        name, bits = secrets.token_hex(_NAME_BYTES), bytes(STATUS_LIST_ENTRIES // 8 * kind.size)
        values = {"name": name, "issuer": kind.issuer, "purpose": kind.purpose, "size": kind.size, "bits": bits}
        values |= {
            "messages": canonicalize(list(kind.messages)).decode(),
            "changed_ms": now_ms,
            "used": 0,
            "revision": 0,
        }
        key = connection.execute(insert(STATUS_LIST).values(values)).inserted_primary_key
        assert key is not None
        return Shard(int(key[0]), name, kind, bits, now_ms)

    # ------------------------------------------------------------ setting statuses

    def set_values(
        self,
        values: Sequence[tuple[Place, int]],
        *,
        check: Callable[[Shard, Place, int], None],
        now_ms: int,
        by: str,
    ) -> None:
        """Set statuses, all or none; on the disk when this returns, and read by everybody from then on.

        Args:
            values: places that were given out, and values that fit their lists; the caller checks both.
            check: raises where a value may not follow the one that stands; nobody else sets meanwhile.
            now_ms: milliseconds since the epoch.
            by: name of the caller, for the history.
        """
        with self._mutex:
            with self._database.write_alone(TOPIC) as connection:
                if self._database.is_shared:
                    self._load(connection, STATUS_LIST.c.name.in_({place.shard for place, _ in values}))
                changed, rows = self._changed(values, check, now_ms, by)
                for shard in changed.values():
                    stands = {"bits": shard.bits, "changed_ms": shard.changed_ms, "revision": shard.revision}
                    connection.execute(update(STATUS_LIST).where(STATUS_LIST.c.number == shard.number).values(stands))
                if rows:
                    connection.execute(insert(STATUS_CHANGE), rows)
                    self._database.notify(connection, CHANGES, TOPIC)
            self._shards.update(changed)

    def _changed(
        self, values: Sequence[tuple[Place, int]], check: Callable[[Shard, Place, int], None], now_ms: int, by: str
    ) -> tuple[dict[str, Shard], list[dict[str, Any]]]:
        """Return the shards as they will stand, and the rows of the history."""
        changed: dict[str, Shard] = {}
        rows = []
        for place, value in values:
            shard = changed.get(place.shard, self._shards[place.shard])
            check(shard, place, value)
            if shard.value(place.position) == value:
                continue
            bits = bytearray(shard.bits)
            write_bits(bits, place.position, shard.kind.size, value)
            revision = self._shards[place.shard].revision + 1
            changed[place.shard] = replace(
                shard, bits=bytes(bits), changed_ms=max(now_ms, shard.changed_ms), revision=revision
            )
            row = {"list_number": shard.number, "position": place.position, "value": value}
            rows.append(row | {"time_ms": now_ms, "by": by})
        return changed, rows

    def _keep(self, shard: Shard) -> None:
        known = self._shards.get(self._newest.get(shard.kind, ""))
        self._shards[shard.name] = shard
        if known is None or known.number <= shard.number:
            self._newest[shard.kind] = shard.name


def _shard(row: Any) -> Shard:
    """Parse a row.

    Raises:
        StatusRowError: ``status_list_damaged``.
    """
    try:
        messages = parse_json(str(row.messages).encode(), max_nodes=1_024)
    except JsonError as error:
        raise StatusRowError(f"list {row.number}", number=row.number) from error
    is_sound = isinstance(row.bits, bytes | memoryview) and len(row.bits) > 0 and row.size in range(1, 9)
    if not is_sound or not isinstance(messages, list) or len(row.bits) % row.size:
        raise StatusRowError(f"list {row.number}", number=row.number)
    kind = ListKind(row.issuer, row.purpose, row.size, tuple(map(str, messages)))
    return Shard(row.number, row.name, kind, bytes(row.bits), row.changed_ms, row.revision)
