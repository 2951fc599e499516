"""Who signed a log last, and whether it has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select

from registry.storage.engine import Database
from registry.storage.tables import HEAD
from registry.storage.tables_signing import KEY_HOLDER, LOG_END
from registry.storage.upsert import add_row, put_row


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Which process signed last.

    Attributes:
        holder: host and process.
        size: of what it signed.
        time_ms: when, by its own clock.
    """

    holder: str
    size: int
    time_ms: int


class SigningStore:
    """What the processes of one log know of one another's signing. Safe from any thread.

    Args:
        database: of the log.
        origin: of the log.
        now_ms: the registry's clock.
    """

    def __init__(self, database: Database, *, origin: str, now_ms: Callable[[], int]) -> None:
        self._database, self._origin, self._now_ms = database, origin, now_ms

    def save_holder(self, holder: str, size: int) -> None:
        """Remember who signed, and how far."""
        values = {"holder": holder, "size": size, "time_ms": self._now_ms()}
        with self._database.write() as connection:
            put_row(connection, KEY_HOLDER, {"origin": self._origin}, values)

    def holder(self) -> KeyHolder | None:
        """Return who signed last, or None."""
        query = select(KEY_HOLDER.c.holder, KEY_HOLDER.c.size, KEY_HOLDER.c.time_ms)
        with self._database.read() as connection:
            row = connection.execute(query.where(KEY_HOLDER.c.origin == self._origin)).first()
        return None if row is None else KeyHolder(*row)

    def successor(self) -> str | None:
        """Return where a log that has ended goes on, empty for nowhere; None for one that has not ended."""
        with self._database.read() as connection:
            return connection.scalar(select(LOG_END.c.successor))

    def save(self, successor: str) -> str:
        """End the log at its committed head; return the successor that was named when it was ended first."""
        with self._database.sequencing() as connection:
            head = connection.execute(select(HEAD.c.size, HEAD.c.root)).one()
            row = {"id": 1, "size": head[0], "root": head[1], "successor": successor, "time_ms": self._now_ms()}
            add_row(connection, LOG_END, row)
            return str(connection.scalar(select(LOG_END.c.successor)))
