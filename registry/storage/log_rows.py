"""The tables of both logs as they lie there, row by row, for whoever holds them against one another.

Reads and judges nothing. Rows come in the order of their log and are never all in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import LargeBinary, Select, select

from registry.errors import DependencyError
from registry.storage.engine import Database
from registry.storage.log import KeptSnapshot, kept_snapshot
from registry.storage.publication import MAIN_LOG, STATE_LOG, PublicationTables
from registry.storage.tables import (
    DID_ENTRY,
    ENTRY,
    ERASURE,
    HEAD,
    OPENING,
    OPENING_PARTY,
    PARTY,
    PLAIN_OPENING,
    SNAPSHOT,
    STATE,
    STATE_ENTRY,
    STATE_TILE,
    TILE,
)

_AT_ONCE = 1_024


class StoredRowError(DependencyError):
    """A row holds a text where bytes belong: SQLite keeps what somebody put there, and nobody can read it as it was."""

    code = "stored_row_unreadable"
    title = "A row of the database cannot be read"

    def __init__(self, table: str) -> None:
        super().__init__(f"of the table {table}", table=table)
        self.table = table


class EntryLine(NamedTuple):
    """One row of `entry`."""

    seq: int
    event_id: bytes
    kind: str
    time_ms: int
    leaf_hash: bytes
    data: bytes


class TableRows:
    """Reads the rows of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, query: Select[Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query.

        Raises:
            StoredRowError: ``stored_row_unreadable``.
        """
        columns = list(query.selected_columns)
        raw = [number for number, column in enumerate(columns) if isinstance(column.type, LargeBinary)]
        with self._stream(query) as rows:
            for row in rows:
                if any(isinstance(row[number], str) for number in raw):
                    raise StoredRowError(str(columns[0].table.name))
                yield tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)

    @contextmanager
    def _stream(self, query: Select[Any]) -> Iterator[Iterator[tuple[Any, ...]]]:
        with self._database.read() as connection:
            result = connection.execute(query.execution_options(yield_per=_AT_ONCE))
            try:
                yield iter(result)
            finally:
                result.close()


class PublicationRows(TableRows):
    """What was signed of a log, and what became of it.

    Args:
        database: where they are.
        tables: of the main log or of the state log.
    """

    def __init__(self, database: Database, tables: PublicationTables) -> None:
        super().__init__(database)
        self._tables = tables
        self.signed_table, self.cosignature_table = str(tables.signed.name), str(tables.cosignature.name)
        self.published_table = str(tables.published.name)

    def signed(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (size, root, note) of what was signed, by size."""
        table = self._tables.signed.c
        return self.rows(select(table.size, table.root, table.note).order_by(table.size))

    def cosignatures(self) -> Iterator[tuple[int, str, int, bytes]]:
        """Yield (size, verifier key, seconds, line) of the cosignatures, by size."""
        table = self._tables.cosignature.c
        query = select(table.size, table.signer, table.time_s, table.line).order_by(table.size, table.signer)
        return self.rows(query)

    def published(self) -> int:
        """Return the size that was published last, 0 for none."""
        row = next(self.rows(select(self._tables.published.c.size)), None)
        return 0 if row is None else int(row[0])


class LogRows(PublicationRows):
    """The rows of the main log."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, MAIN_LOG)

    def head(self) -> tuple[int, bytes] | None:
        """Return size and root, None for no row."""
        return next(self.rows(select(HEAD.c.size, HEAD.c.root)), None)

    def entries(self) -> Iterator[EntryLine]:
        """Yield `entry` by index."""
        columns = (ENTRY.c.seq, ENTRY.c.event_id, ENTRY.c.kind, ENTRY.c.time_ms, ENTRY.c.leaf_hash, ENTRY.c.data)
        for row in self.rows(select(*columns).order_by(ENTRY.c.seq)):
            yield EntryLine(*row)

    def parties(self) -> Iterator[tuple[int, str, int]]:
        """Yield (index, DID, count) of `party` by index and DID."""
        query = select(PARTY.c.seq, PARTY.c.did, PARTY.c.count).order_by(PARTY.c.seq, PARTY.c.did)
        return self.rows(query)

    def did_entries(self) -> Iterator[tuple[int, str]]:
        """Yield (index, DID) of `did_entry` by index."""
        query = select(DID_ENTRY.c.seq, DID_ENTRY.c.did).order_by(DID_ENTRY.c.seq, DID_ENTRY.c.did)
        return self.rows(query)

    def tiles(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (level, number, bytes) of `tile`."""
        query = select(TILE.c.level, TILE.c.number, TILE.c.data).order_by(TILE.c.level, TILE.c.number)
        return self.rows(query)

    def snapshot(self) -> KeptSnapshot | None:
        """Return the snapshot, or None."""
        columns = (SNAPSHOT.c.size, SNAPSHOT.c.root, SNAPSHOT.c.data)
        return kept_snapshot(list(self.rows(select(*columns).order_by(SNAPSHOT.c.id))))


class StateLogRows(PublicationRows):
    """The rows of the state log and of the newest maps."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, STATE_LOG)

    def entries(self) -> Iterator[tuple[int, int, bytes, bytes]]:
        """Yield (index, main log size, leaf hash, bytes) of `state_entry` by index."""
        columns = (STATE_ENTRY.c.seq, STATE_ENTRY.c.covers, STATE_ENTRY.c.leaf_hash, STATE_ENTRY.c.data)
        return self.rows(select(*columns).order_by(STATE_ENTRY.c.seq))

    def tiles(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (level, number, bytes) of `state_tile`."""
        table = STATE_TILE.c
        query = select(table.level, table.number, table.data).order_by(table.level, table.number)
        return self.rows(query)

    def states(self) -> Iterator[tuple[int, bytes, str, bytes | None, bytes | None]]:
        """Yield (main log size, key, subject, digest, record) of `state` by size and key."""
        columns = (STATE.c.covers, STATE.c.key, STATE.c.subject, STATE.c.digest, STATE.c.record)
        return self.rows(select(*columns).order_by(STATE.c.covers, STATE.c.key))


class OpeningRows(TableRows):
    """Openings, each with the entry that it belongs to, and the erasures that were carried out."""

    def openings(self) -> Iterator[tuple[bytes, str, bytes, bytes | None]]:
        """Yield (event id, commitment, sealed, leaf) of `opening` by event; without an entry the last is None."""
        columns = (OPENING.c.event_id, OPENING.c.digest, OPENING.c.sealed, ENTRY.c.data)
        joined = OPENING.outerjoin(ENTRY, ENTRY.c.event_id == OPENING.c.event_id)
        query = select(*columns).select_from(joined).order_by(OPENING.c.event_id, OPENING.c.digest)
        return self.rows(query)

    def plain(self) -> Iterator[tuple[bytes, str, str, bytes | None]]:
        """Yield (event id, commitment, disclosure, leaf) of `plain_opening`; without an entry the last is None."""
        columns = (PLAIN_OPENING.c.event_id, PLAIN_OPENING.c.digest, PLAIN_OPENING.c.disclosure, ENTRY.c.data)
        joined = PLAIN_OPENING.outerjoin(ENTRY, ENTRY.c.event_id == PLAIN_OPENING.c.event_id)
        return self.rows(select(*columns).select_from(joined))

    def parties(self) -> Iterator[tuple[bytes, str]]:
        """Yield (event id, DID) of `opening_party`."""
        return self.rows(select(OPENING_PARTY.c.event_id, OPENING_PARTY.c.did))

    def carried_out(self) -> set[int]:
        """Return the indexes in `erasure`."""
        return {row[0] for row in self.rows(select(ERASURE.c.seq))}
