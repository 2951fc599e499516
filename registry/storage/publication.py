"""What became of this log's signed checkpoints: who cosigned them, and which is published."""

from __future__ import annotations

from sqlalchemy import func, select

from registry.log.cosignature import Cosignature
from registry.log.note import NoteSignature, parse_signature_lines
from registry.storage.engine import Database
from registry.storage.tables import COSIGNATURE, PUBLISHED, SIGNED
from registry.storage.upsert import put_row


class PublicationStore:
    """Cosignatures and the published size. Safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def signed_note(self, size: int) -> bytes | None:
        """Return the note that this log signed at a size, without cosignatures, or None."""
        with self._database.read() as connection:
            note = connection.scalar(select(SIGNED.c.note).where(SIGNED.c.size == size))
        return None if note is None else bytes(note)

    def save_cosignature(self, size: int, cosignature: Cosignature) -> None:
        """Keep a verified cosignature; the newest of each key stands."""
        key = {"size": size, "signer": cosignature.key.to_text()}
        values = {"time_s": cosignature.time_s, "line": cosignature.line.to_line().encode("utf-8")}
        with self._database.write() as connection:
            put_row(connection, COSIGNATURE, key, values, where=COSIGNATURE.c.time_s <= cosignature.time_s)

    def cosignatures(self, size: int) -> dict[str, NoteSignature]:
        """Return the cosignatures of a size by verifier key, sorted by it."""
        query = select(COSIGNATURE.c.signer, COSIGNATURE.c.line).where(COSIGNATURE.c.size == size)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        # Sorted here: a server sorts texts by the rules of some language.
        return {signer: parse_signature_lines(bytes(line))[0] for signer, line in sorted(map(tuple, rows))}

    def newest_cosigned(self, signer: str) -> int:
        """Return the largest size that a key has cosigned, 0 for none.

        Args:
            signer: its verifier key.
        """
        query = select(COSIGNATURE.c.size).where(COSIGNATURE.c.signer == signer)
        with self._database.read() as connection:
            return connection.scalar(query.order_by(COSIGNATURE.c.size.desc()).limit(1)) or 0

    def newest_time_s(self) -> int:
        """Return the newest time that any witness has put under a checkpoint, POSIX seconds; 0 for none."""
        with self._database.read() as connection:
            return connection.scalar(select(func.max(COSIGNATURE.c.time_s))) or 0

    def published_size(self) -> int:
        """Return the size of the newest published checkpoint, 0 for none."""
        with self._database.read() as connection:
            return connection.scalar(select(PUBLISHED.c.size)) or 0

    def save_published(self, size: int) -> None:
        """Remember which checkpoint is published; a smaller size than before changes nothing."""
        with self._database.write() as connection:
            put_row(connection, PUBLISHED, {"id": 1}, {"size": size}, where=PUBLISHED.c.size < size)
