"""What became of this log's signed checkpoints: who cosigned them, and which is published."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy import Table, func, select

from did_methods.errors import BonafidesError
from registry.log.checkpoint import Checkpoint
from registry.log.cosignature import Cosignature, parse_cosignature_key, verify_cosignature
from registry.log.note import NoteSignature, parse_signature_lines
from registry.storage.engine import Database
from registry.storage.tables import (
    COSIGNATURE,
    PUBLISHED,
    SIGNED,
    STATE_COSIGNATURE,
    STATE_PUBLISHED,
    STATE_SIGNED,
)
from registry.storage.upsert import put_row

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublicationTables:
    """Where a log keeps what became of its checkpoints."""

    signed: Table
    cosignature: Table
    published: Table


MAIN_LOG = PublicationTables(SIGNED, COSIGNATURE, PUBLISHED)
STATE_LOG = PublicationTables(STATE_SIGNED, STATE_COSIGNATURE, STATE_PUBLISHED)


class PublicationStore:
    """Cosignatures and the published size. Safe from any thread."""

    def __init__(self, database: Database, tables: PublicationTables = MAIN_LOG) -> None:
        self._database = database
        self._signed, self._cosignature, self._published = tables.signed, tables.cosignature, tables.published

    def signed_note(self, size: int) -> bytes | None:
        """Return the note that this log signed at a size, without cosignatures, or None."""
        with self._database.read() as connection:
            note = connection.scalar(select(self._signed.c.note).where(self._signed.c.size == size))
        return None if note is None else bytes(note)

    def save_cosignature(self, size: int, cosignature: Cosignature) -> None:
        """Keep a verified cosignature; the newest of each key stands."""
        key = {"size": size, "signer": cosignature.key.to_text()}
        values = {"time_s": cosignature.time_s, "line": cosignature.line.to_line().encode("utf-8")}
        with self._database.write() as connection:
            kept = self._cosignature
            put_row(connection, kept, key, values, where=kept.c.time_s <= cosignature.time_s)

    def cosignatures(self, head: Checkpoint) -> dict[str, NoteSignature]:
        """Return the cosignatures of a head by verifier key, sorted by it; a row that does not verify counts for nothing."""
        query = select(self._cosignature.c.signer, self._cosignature.c.line)
        with self._database.read() as connection:
            rows = connection.execute(query.where(self._cosignature.c.size == head.size)).all()
        held = {}
        for signer, line in sorted(map(tuple, rows)):  # here: a server sorts texts by the rules of some language
            try:
                held[signer] = parse_signature_lines(bytes(line))[0]
                verify_cosignature(held[signer], head, parse_cosignature_key(signer))
            except (BonafidesError, TypeError):  # a quorum is counted from these rows, and readers get them
                _LOG.error("a cosignature of size %d in the database does not verify", head.size)
                held.pop(signer, None)
        return held

    def newest_cosigned(self, signer: str) -> int:
        """Return the largest size that a key has cosigned, 0 for none.

        Args:
            signer: its verifier key.
        """
        query = select(self._cosignature.c.size).where(self._cosignature.c.signer == signer)
        with self._database.read() as connection:
            return connection.scalar(query.order_by(self._cosignature.c.size.desc()).limit(1)) or 0

    def oldest_over(self, index: int) -> int | None:
        """Return the smallest size with a cosignature that contains an entry, else the smallest signed one, or None.

        Args:
            index: of the entry.
        """
        tables = self._cosignature, self._signed
        with self._database.read() as connection:
            for table in tables:
                size = connection.scalar(select(func.min(table.c.size)).where(table.c.size > index))
                if size is not None:
                    return int(size)
        return None

    def newest_time_s(self) -> int:
        """Return the newest time that any witness has put under a checkpoint, POSIX seconds; 0 for none."""
        with self._database.read() as connection:
            return connection.scalar(select(func.max(self._cosignature.c.time_s))) or 0

    def published_size(self) -> int:
        """Return the size of the newest published checkpoint, 0 for none."""
        with self._database.read() as connection:
            return connection.scalar(select(self._published.c.size)) or 0

    def save_published(self, size: int) -> None:
        """Remember which checkpoint is published; a smaller size than before changes nothing."""
        with self._database.write() as connection:
            put_row(connection, self._published, {"id": 1}, {"size": size}, where=self._published.c.size < size)
