"""Statements of the hot paths, put into the engine's words once and sent as they are from then on.

SQLAlchemy makes a statement anew, or walks through the whole of it to find it in its cache, and looks at each value of each
row on its way to the driver. Where a writer's turn consists of a handful of statements, that costs more than they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, CursorResult, Dialect, Executable, Table
from sqlalchemy.sql import ClauseElement

_ROWS_AT_ONCE = 64


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
    """Insert rows, many in one statement.

    Args:
        connection: of a write transaction.
        table: where.
        rows: values in the order of the table's columns, as the driver takes them.
    """
    if not connection.dialect.positional:
        text = _insertion_of_columns(table, connection.dialect)
        connection.exec_driver_sql(text, tuple(list(column) for column in zip(*rows, strict=True)))
        return
    # Not `executemany`: SQLite's driver lets go of the interpreter for each row, and gets it back when a busy thread has had
    # its turn. A log's writer that held its transaction for so long kept everybody waiting.
    at, number = 0, _ROWS_AT_ONCE
    while at < len(rows):
        while number > len(rows) - at:
            number //= 2  # so that a table has a handful of texts, which the driver keeps ready
        values = tuple(chain.from_iterable(rows[at : at + number]))
        connection.exec_driver_sql(_insertion_of_rows(table, number), values)
        at += number


@lru_cache(maxsize=64)
def _insertion_of_rows(table: Table, number: int) -> str:
    row = "(" + ", ".join("?" * len(table.columns)) + ")"
    columns = ", ".join(table.columns.keys())
    return f"INSERT INTO {table.name} ({columns}) VALUES {', '.join([row] * number)}"  # noqa: S608 - our own names


@lru_cache(maxsize=16)
def _insertion_of_columns(table: Table, dialect: Dialect) -> str:
    # One statement with an array for each column: PostgreSQL would be sent as many statements as there are rows.
    arrays = ", ".join(f"%b::{column.type.compile(dialect)}[]" for column in table.columns)
    columns = ", ".join(table.columns.keys())
    return f"INSERT INTO {table.name} ({columns}) SELECT * FROM unnest({arrays})"  # noqa: S608 - our own names
