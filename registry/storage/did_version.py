"""The newest version seen of each did:webvh log elsewhere: written before it is used, and never taken back."""

from __future__ import annotations

import logging
import threading

from sqlalchemy import func, select

from did_methods.method import SeenVersion
from registry.limits import DID_VERSIONS_REMEMBERED
from registry.storage.engine import Database
from registry.storage.tables import DID_VERSION
from registry.storage.upsert import put_row

_LOG = logging.getLogger(__name__)


class SqlVersionMemory:
    """A ``VersionMemory`` in the database; durable, safe from any thread.

    Args:
        database: where the rows lie.
        most: logs that are remembered; a new one beyond is not, and the operator is told once.
    """

    def __init__(self, database: Database, *, most: int = DID_VERSIONS_REMEMBERED) -> None:
        self._database = database
        self._most = most
        self._lock = threading.Lock()
        self._known: int | None = None
        self._told = False

    def newest(self, scid: str) -> SeenVersion | None:
        """Return the newest version seen of a log, or None."""
        query = select(DID_VERSION.c.number, DID_VERSION.c.version_id).where(DID_VERSION.c.scid == scid)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else SeenVersion(row[0], row[1])

    def remember(self, scid: str, seen: SeenVersion) -> None:
        """Keep a version, unless one as new or newer is kept already; on the disk when this returns.

        Args:
            scid: of the log.
            seen: a version whose whole log was verified up to it.
        """
        values = {"number": seen.number, "version_id": seen.version_id}
        with self._lock, self._database.write() as connection:
            known = connection.scalar(select(DID_VERSION.c.number).where(DID_VERSION.c.scid == scid))
            if known is None:
                if self._known is None:
                    self._known = int(connection.scalar(select(func.count()).select_from(DID_VERSION)) or 0)
                if self._known >= self._most:
                    self._tell_once()
                    return
                self._known += 1
            # Compared by the database in the same statement: of two threads the one with the older version changes
            # nothing.
            put_row(connection, DID_VERSION, {"scid": scid}, values, where=DID_VERSION.c.number < seen.number)

    def _tell_once(self) -> None:
        if not self._told:
            self._told = True
            _LOG.warning("%d logs elsewhere are remembered; new ones are resolved without a memory of them", self._most)
