"""Statements of the hot paths, put into the engine's words once and sent as they are from then on.

SQLAlchemy makes a statement anew, or walks through the whole of it to find it in its cache, and looks at each value of each
row on its way to the driver. Where a writer's turn consists of a handful of statements, that costs more than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Dialect, Executable, Table, insert
from sqlalchemy.sql import ClauseElement


class Prepared:
    """A statement with named values, each of which the driver takes and gives as it is: number, text or bytes.

    Args:
        statement: its values are `bindparam` with names of their own.
    """

    def __init__(self, statement: Executable) -> None:
        assert isinstance(statement, ClauseElement)
        self._statement = statement
        self._texts: dict[str, tuple[str, Sequence[str] | None]] = {}

    def execute(self, connection: Connection, **values: Any) -> CursorResult[*tuple[Any, ...]]:
        """Run it.

        Args:
            connection: of a transaction.
            **values: one for each name.
        """
        text, names = self._text(connection.dialect)
        return connection.exec_driver_sql(text, values if names is None else tuple(values[name] for name in names))

    def _text(self, dialect: Dialect) -> tuple[str, Sequence[str] | None]:
        known = self._texts.get(dialect.name)
        if known is None:
            compiled: Any = self._statement.compile(dialect=dialect)
            known = self._texts[dialect.name] = str(compiled), compiled.positiontup
        return known


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows in one statement.

    Args:
        connection: of a write transaction.
        table: where.
        rows: values in the order of the table's columns, as the driver takes them.
    """
    text, positional = _insertion(table, connection.dialect)
    if positional:
        connection.exec_driver_sql(text, list(rows))
    else:
        connection.exec_driver_sql(text, tuple(list(column) for column in zip(*rows, strict=True)))


@lru_cache(maxsize=64)
def _insertion(table: Table, dialect: Dialect) -> tuple[str, bool]:
    """Return the text, and whether it takes rows; else it takes columns."""
    compiled = insert(table).compile(dialect=dialect)
    if compiled.positional:
        return str(compiled), True
    # One statement with an array for each column: PostgreSQL would be sent as many statements as there are rows.
    types = [column.type.compile(dialect) for column in table.columns]
    arrays = ", ".join(f"%b::{one}[]" for one in types)
    columns = ", ".join(table.columns.keys())
    return f"INSERT INTO {table.name} ({columns}) SELECT * FROM unnest({arrays})", False  # noqa: S608 - our own names
