"""Writing a row that may be there already, in the words of the engine at hand; the one place that knows both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def put_row(
    connection: Connection,
    table: Table,
    key: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    changes: Mapping[str, Any] | None = None,
    where: ColumnElement[bool] | None = None,
) -> None:
    """Insert a row, or change the one that has its key, in one statement: of two writers none fails.

    Args:
        connection: of a write transaction.
        table: whose primary key, or a unique one, the key is.
        key: column to value.
        values: the other columns of a new row.
        changes: what becomes of a row that is there; None sets it to the values.
        where: of the row that is there; where it does not hold, nothing changes.
    """
    insert = _insert(connection)(table).values(**key, **values)
    set_ = dict(values if changes is None else changes)
    connection.execute(insert.on_conflict_do_update(index_elements=list(key), set_=set_, where=where))


def add_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, passing over those whose key is there.

    Args:
        connection: of a write transaction.
        table: where.
        rows: column to value, all of the same columns.
    """
    if rows:
        connection.execute(_insert(connection)(table).on_conflict_do_nothing(), [dict(row) for row in rows])


def add_row(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert a row unless its key is there; say whether it was not.

    Args:
        connection: of a write transaction.
        table: where.
        row: column to value.
    """
    insert = _insert(connection)(table).values(**row).on_conflict_do_nothing()
    # Asked for by RETURNING: how many rows an INSERT wrote is not kept for every driver.
    return connection.execute(insert.returning(*table.primary_key)).first() is not None


def _insert(connection: Connection) -> Any:
    # The two classes have no type in common that names these methods.
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
