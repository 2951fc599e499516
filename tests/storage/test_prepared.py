"""Statements that are put into the engine's words once: the same rows on every engine, however many there are."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from registry.storage.engine import Database
from registry.storage.prepared import insert_rows
from registry.storage.tables import STATE


def row(number: int) -> tuple[bytes, int, str, bytes | None, bytes | None]:
    """Return a row with texts, bytes and, in every third, None."""
    gone = number % 3 == 0
    return (
        number.to_bytes(32, "big"),
        number,
        f"did:web:ä{number}",
        None if gone else bytes(32),
        None if gone else b"\x00\xff",
    )


@pytest.mark.parametrize("number", [1, 2, 63, 64, 65, 127, 129, 500])
def test_as_many_rows_as_were_given(database: Database, number: int) -> None:
    """Whole portions and what is left of them: every row once, as it was given."""
    rows = [row(one) for one in range(number)]
    with database.write() as connection:
        insert_rows(connection, STATE, rows)
    with database.read() as connection:
        found = connection.execute(select(*STATE.columns).order_by(STATE.c.covers)).all()
    assert [tuple(bytes(v) if isinstance(v, memoryview) else v for v in one) for one in found] == rows


def test_one_row_that_is_there_already_refuses_all_of_them(database: Database) -> None:
    """A key that stands in a later portion leaves nothing of the earlier ones."""

    def repeat() -> None:
        with database.write() as connection:
            insert_rows(connection, STATE, [*map(row, range(100)), row(99)])

    with pytest.raises(IntegrityError):
        repeat()
    with database.read() as connection:
        assert connection.execute(select(STATE.c.key)).all() == []
