"""Everything that a database holds, read as of one moment while it is in use, and put into an empty one of either engine.

The log is exported as its entries: tiles, chains and states follow from them and are made anew. Of the other tables every row
is kept, as JSON, whatever engine wrote it. Nothing here changes the database that is read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import orjson
from sqlalchemy import Connection, LargeBinary, Table, create_engine, delete, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from did_methods.codec import base64url_decode, base64url_encode
from did_methods.codec_errors import CodecError
from registry.errors import ConflictError, ParseError
from registry.limits import BACKUP_MEMBER_BYTES
from registry.storage.engine import Database, DatabaseUnavailableError, is_current, parse_database_url
from registry.storage.log import head_within
from registry.storage.tables import ENTRY, PLAIN_OPENING, SIGNED

FROM_THE_LOG: Final = frozenset({"entry", "party", "tile", "did_entry", "head", "snapshot"})
"""Tables that follow from the entries."""
NOT_KEPT: Final = frozenset({"plain_opening", "pending", "challenge"})
"""Openings in the open, which must not be copied; statements that nobody was told are taken; challenges, which a restore
would make answerable a second time."""

_ROWS: Final = 1_000
_PORTION_BYTES: Final = 4 << 20
_NUMBER_MAX: Final = 1 << 62


class ExportNotReadyError(ConflictError):
    """The database is one of another version: start this version on it once, then it can be exported."""

    code = "export_not_ready"
    title = "Start the registry of this version on the database once"


class RowsMalformedError(ParseError):
    """Rows of an export do not fit the table that they name."""

    code = "rows_malformed"
    title = "Rows do not fit their table"


@dataclass(frozen=True, slots=True)
class Look:
    """A database as it was at one moment."""

    connection: Connection

    def head(self) -> tuple[int, bytes]:
        """Return size and root of the committed log."""
        return head_within(self.connection)

    def signed(self) -> tuple[int, bytes, bytes] | None:
        """Return size, root and note of the newest checkpoint."""
        query = select(SIGNED.c.size, SIGNED.c.root, SIGNED.c.note).order_by(SIGNED.c.size.desc()).limit(1)
        row = self.connection.execute(query).first()
        return None if row is None else (row[0], bytes(row[1]), bytes(row[2]))

    def entries(self, start: int, end: int) -> list[bytes]:
        """Return the entries with start <= index < end, in order."""
        query = select(ENTRY.c.data).where(ENTRY.c.seq >= start, ENTRY.c.seq < end).order_by(ENTRY.c.seq)
        return [bytes(data) for data in self.connection.scalars(query)]

    def entries_of_kind(self, kind: str) -> Iterator[tuple[int, bytes]]:
        """Yield index and bytes of the entries of one kind, in order."""
        query = select(ENTRY.c.seq, ENTRY.c.data).where(ENTRY.c.kind == kind).order_by(ENTRY.c.seq)
        for row in self.connection.execute(query):
            yield row[0], bytes(row[1])

    def rows(self, table: Table) -> Iterator[tuple[int, bytes]]:
        """Yield the rows of a table in portions: how many, and as lines of JSON after one that names the columns."""
        binary = [isinstance(column.type, LargeBinary) for column in table.columns]
        head = orjson.dumps([column.name for column in table.columns]) + b"\n"
        lines, count, size = [head], 0, 0
        query = select(table).order_by(*table.primary_key.columns)
        for row in self.connection.execution_options(yield_per=_ROWS).execute(query):
            line = orjson.dumps([_shown(value) if raw else value for value, raw in zip(row, binary, strict=True)])
            lines.append(line + b"\n")
            count, size = count + 1, size + len(line)
            if size >= _PORTION_BYTES:
                yield count, b"".join(lines)
                lines, count, size = [head], 0, 0
        if count:
            yield count, b"".join(lines)


@contextmanager
def look_at(url: str) -> Iterator[Look]:
    """Open one consistent look at a database that others may be writing; nothing is locked for them.

    Raises:
        ExportNotReadyError: ``export_not_ready``.
        DatabaseUnavailableError: ``database_unavailable``.
        DependencyError: the other codes of `parse_database_url`.
    """
    parsed = parse_database_url(url)
    if parsed.get_backend_name() == "sqlite":
        # Read-only, so that it never checkpoints the write-ahead log: that is the business of the one writer.
        file = f"file:{quote(str(parsed.database))}?mode=ro"
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(file, uri=True, check_same_thread=False),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
        )
    else:
        engine = create_engine(parsed, isolation_level="REPEATABLE READ")
    try:
        with engine.connect() as connection:
            if parsed.get_backend_name() == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            if not is_current(connection) or connection.scalar(select(func.count()).select_from(PLAIN_OPENING)):
                raise ExportNotReadyError
            yield Look(connection)
            connection.rollback()
    except SQLAlchemyError as error:
        raise DatabaseUnavailableError("the database could not be read") from error
    finally:
        engine.dispose()


def kept_tables() -> list[Table]:
    """Return the tables of which every row is kept, by name; a new table is one of them unless it is named here."""
    found = SQLModel.metadata.tables
    return [found[name] for name in sorted(found) if name not in FROM_THE_LOG | NOT_KEPT]


def load_rows(database: Database, table: Table, data: bytes) -> int:
    """Insert what `Look.rows` yielded, in one transaction; return how many.

    Raises:
        RowsMalformedError: ``rows_malformed``.
    """
    columns, rows = _parse_rows(table, data)
    values = [dict(zip(columns, row, strict=True)) for row in rows]
    with database.write() as connection:
        if values:
            try:
                connection.execute(insert(table), values)
            except SQLAlchemyError as error:
                raise RowsMalformedError(table.name) from error
    return len(values)


def finish_loading(database: Database) -> None:
    """Let a server's own numbering go on after the rows that were loaded."""
    with database.write() as connection:
        if connection.dialect.name != "postgresql":
            return
        for table in kept_tables():
            for column in table.primary_key.columns:
                sequence = connection.scalar(
                    text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
                )
                newest = connection.scalar(select(func.max(column))) if sequence else None
                if newest is not None:
                    connection.execute(text("SELECT setval(:name, :newest)"), {"name": sequence, "newest": newest})


def empty(database: Database) -> None:
    """Delete every row: of a restore that failed half-way nothing is to stay."""
    with database.write() as connection:
        for table in SQLModel.metadata.tables.values():
            connection.execute(delete(table))


def _shown(value: Any) -> str | None:
    return None if value is None else base64url_encode(bytes(value))


def _parse_rows(table: Table, data: bytes) -> tuple[list[str], list[list[Any]]]:
    try:
        columns, *rows = map(orjson.loads, data.splitlines())
    except ValueError as error:
        raise RowsMalformedError(table.name) from error
    known: Mapping[str, Any] = {column.name: column for column in table.columns}
    if not isinstance(columns, list) or not all(isinstance(name, str) and name in known for name in columns):
        raise RowsMalformedError(f"{table.name} has other columns here")
    binary = [isinstance(known[name].type, LargeBinary) for name in columns]
    return columns, [_parse_row(table, row, binary) for row in rows]


def _parse_row(table: Table, row: Any, binary: Sequence[bool]) -> list[Any]:
    if not isinstance(row, list) or len(row) != len(binary):
        raise RowsMalformedError(table.name)
    values = []
    for value, raw in zip(row, binary, strict=True):
        if isinstance(value, int) and abs(value) > _NUMBER_MAX:
            raise RowsMalformedError(table.name)
        values.append(_bytes_of(table, value) if raw and value is not None else value)
    return values


def _bytes_of(table: Table, value: Any) -> bytes:
    if not isinstance(value, str):
        raise RowsMalformedError(table.name)
    try:
        return base64url_decode(value, max_chars=BACKUP_MEMBER_BYTES)
    except CodecError as error:
        raise RowsMalformedError(table.name) from error
