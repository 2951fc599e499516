"""The rows of openings: sealed disclosures beside the log, whose they are, and which erasures were carried out.

What is in these rows is unreadable without keys that never lie in the database. Deleting them is therefore tidiness; what
erases is the destruction of a key.

Spec: specs/erasure.md
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select

from registry.storage.engine import Database
from registry.storage.tables import ERASURE, OPENING, OPENING_PARTY, PLAIN_OPENING
from registry.storage.upsert import add_missing


@dataclass(frozen=True, slots=True)
class SealedOpening:
    """A disclosure that belongs to a logged event, unreadable without the keys of its parties and of the event.

    Attributes:
        event_id: 32 bytes.
        digest: the commitment, base64url.
        parties: canonical DIDs whose keys it is sealed under, sorted.
        sealed: nonce and ciphertext.
    """

    event_id: bytes
    digest: str
    parties: tuple[str, ...]
    sealed: bytes


@dataclass(frozen=True, slots=True)
class PlainOpening:
    """A disclosure as an earlier version kept it."""

    event_id: bytes
    digest: str
    disclosure: str


class OpeningStore:
    """Openings in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_event(self, event_id: bytes) -> list[SealedOpening]:
        """Return what is kept for an event, in the order of the commitments."""
        with self._database.read() as connection:
            dids = connection.scalars(select(OPENING_PARTY.c.did).where(OPENING_PARTY.c.event_id == event_id)).all()
            rows = connection.execute(
                select(OPENING.c.digest, OPENING.c.sealed).where(OPENING.c.event_id == event_id)
            ).all()
        # Sorted here: a server sorts texts by the rules of some language.
        parties = tuple(sorted(dids))
        return [SealedOpening(event_id, digest, parties, sealed) for digest, sealed in sorted(map(tuple, rows))]

    def count(self, *, did: str | None = None, event_id: bytes | None = None) -> int:
        """Return how many openings there are that an agent is a party to, or that an event has."""
        query = select(func.count()).select_from(OPENING)
        if did is not None:
            own = select(OPENING_PARTY.c.event_id).where(OPENING_PARTY.c.did == did)
            query = query.where(OPENING.c.event_id.in_(own))
        if event_id is not None:
            query = query.where(OPENING.c.event_id == event_id)
        with self._database.read() as connection:
            return int(connection.scalar(query) or 0)

    def delete(self, *, dids: Collection[str], events: Collection[bytes]) -> None:
        """Delete the openings of events, and those that any of these agents is a party to."""
        with self._database.write() as connection:
            gone = set(events)
            for did in dids:
                gone.update(
                    connection.scalars(select(OPENING_PARTY.c.event_id).where(OPENING_PARTY.c.did == did)).all()
                )
            for event_id in gone:
                connection.execute(delete(OPENING).where(OPENING.c.event_id == event_id))
                connection.execute(delete(OPENING_PARTY).where(OPENING_PARTY.c.event_id == event_id))

    def forget_deleted(self) -> bool:
        """Let nothing of what was deleted linger in the database's files; False where it cannot be done now."""
        return self._database.forget_deleted()

    def carried_out(self) -> set[int]:
        """Return the leaf indexes of the erasures that were carried out here."""
        with self._database.read() as connection:
            return set(connection.scalars(select(ERASURE.c.seq)).all())

    def note_carried_out(self, indexes: Sequence[int], *, now_ms: int) -> None:
        """Remember erasures that were carried out."""
        rows = [{"seq": index, "done_ms": now_ms} for index in indexes]
        with self._database.write() as connection:
            add_missing(connection, ERASURE, rows)

    def plain(self, *, limit: int) -> list[PlainOpening]:
        """Return openings that an earlier version kept in the open."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(PLAIN_OPENING.c.event_id, PLAIN_OPENING.c.digest, PLAIN_OPENING.c.disclosure).limit(limit)
            ).all()
        return [PlainOpening(*row) for row in rows]

    def replace_plain(self, plain: Sequence[PlainOpening], sealed: Sequence[SealedOpening]) -> None:
        """Put sealed openings in the place of plain ones; of an erased event or agent there are none to put."""
        with self._database.write() as connection:
            insert_openings(connection, sealed)
            for one in plain:
                connection.execute(
                    delete(PLAIN_OPENING).where(
                        PLAIN_OPENING.c.event_id == one.event_id, PLAIN_OPENING.c.digest == one.digest
                    )
                )

    def forget_plain(self) -> bool:
        """Write the database anew, so that no page remembers a plain opening."""
        return self._database.forget_deleted(rewrite=True)


def insert_openings(connection: Connection, openings: Sequence[SealedOpening]) -> None:
    """Insert openings within the transaction that appends their events; one that is there stays as it is."""
    if not openings:
        return
    rows = [{"event_id": one.event_id, "digest": one.digest, "sealed": one.sealed} for one in openings]
    parties = [{"did": did, "event_id": one.event_id} for one in openings for did in one.parties]
    add_missing(connection, OPENING, rows)
    add_missing(connection, OPENING_PARTY, parties)
