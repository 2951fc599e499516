"""The log's tables as they lie there, row by row, for whoever holds them against one another.

Reads and judges nothing. Rows come in the order of the log and are never all in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import Select, select

from registry.storage.engine import Database
from registry.storage.tables import COSIGNATURE, DID_ENTRY, ENTRY, HEAD, PARTY, PUBLISHED, SIGNED, SNAPSHOT, TILE

_AT_ONCE = 1_024


class EntryLine(NamedTuple):
    """One row of `entry`."""

    seq: int
    event_id: bytes
    kind: str
    time_ms: int
    leaf_hash: bytes
    data: bytes


class LogRows:
    """The rows of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> tuple[int, bytes] | None:
        """Return size and root, None for no row."""
        return next(self._rows(select(HEAD.c.size, HEAD.c.root)), None)

    def entries(self) -> Iterator[EntryLine]:
        """Yield `entry` by index."""
        columns = (ENTRY.c.seq, ENTRY.c.event_id, ENTRY.c.kind, ENTRY.c.time_ms, ENTRY.c.leaf_hash, ENTRY.c.data)
        for row in self._rows(select(*columns).order_by(ENTRY.c.seq)):
            yield EntryLine(*row)

    def parties(self) -> Iterator[tuple[int, str, int]]:
        """Yield (index, DID, count) of `party` by index and DID."""
        return self._rows(select(PARTY.c.seq, PARTY.c.did, PARTY.c.count).order_by(PARTY.c.seq, PARTY.c.did))

    def did_entries(self) -> Iterator[tuple[int, str]]:
        """Yield (index, DID) of `did_entry` by index."""
        return self._rows(select(DID_ENTRY.c.seq, DID_ENTRY.c.did).order_by(DID_ENTRY.c.seq, DID_ENTRY.c.did))

    def tiles(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield (level, number, bytes) of `tile`."""
        return self._rows(select(TILE.c.level, TILE.c.number, TILE.c.data).order_by(TILE.c.level, TILE.c.number))

    def signed(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (size, root, note) of `signed` by size."""
        return self._rows(select(SIGNED.c.size, SIGNED.c.root, SIGNED.c.note).order_by(SIGNED.c.size))

    def cosignatures(self) -> Iterator[tuple[int, str, int, bytes]]:
        """Yield (size, verifier key, seconds, line) of `cosignature` by size."""
        columns = (COSIGNATURE.c.size, COSIGNATURE.c.signer, COSIGNATURE.c.time_s, COSIGNATURE.c.line)
        return self._rows(select(*columns).order_by(COSIGNATURE.c.size, COSIGNATURE.c.signer))

    def published(self) -> int:
        """Return the size that was published last, 0 for none."""
        row = next(self._rows(select(PUBLISHED.c.size)), None)
        return 0 if row is None else int(row[0])

    def snapshot(self) -> tuple[int, bytes, bytes] | None:
        """Return size, root and data of the snapshot, or None."""
        return next(self._rows(select(SNAPSHOT.c.size, SNAPSHOT.c.root, SNAPSHOT.c.data)), None)

    def _rows(self, query: Select[tuple]) -> Iterator[tuple]:  # type: ignore[type-arg]
        with self._stream(query) as rows:
            for row in rows:
                yield tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)

    @contextmanager
    def _stream(self, query: Select[tuple]) -> Iterator[Iterator[tuple]]:  # type: ignore[type-arg]
        with self._database.read() as connection:
            result = connection.execute(query.execution_options(yield_per=_AT_ONCE))
            try:
                yield iter(result)
            finally:
                result.close()
