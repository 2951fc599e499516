"""What this registry has witnessed for did:webvh logs: the newest version of each, with the proof it gave.

A witness that forgets can be made to approve two futures of one log; so a proof is on the disk before anybody has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from did_methods.method import SeenVersion
from registry.errors import ConflictError, LimitError
from registry.storage.engine import Database
from registry.storage.tables import WITNESSED
from registry.storage.upsert import put_row


class DidWitnessConflictError(ConflictError):
    """The log does not go on from a version that was witnessed or seen here; ``current`` names that one."""

    code = "did_witness_conflict"
    title = "Another version of this log is known here"


class DidWitnessFullError(LimitError):
    """As many logs are remembered as may be; known ones are still witnessed."""

    code = "did_witness_full"
    title = "This witness takes no more logs"


@dataclass(frozen=True, slots=True)
class WitnessedVersion:
    """The newest version of a log that was witnessed.

    Attributes:
        number: of the version, from 1.
        version_id: its versionId.
        proof: the proof that was given, canonical JSON.
    """

    number: int
    version_id: str
    proof: bytes


class WitnessStore:
    """The witness's memory. Safe from any thread.

    Args:
        database: where it is kept.
        most: logs that are remembered.
    """

    def __init__(self, database: Database, *, most: int) -> None:
        self._database = database
        self._most = most

    def newest(self, scid: str) -> WitnessedVersion | None:
        """Return what was witnessed of a log last, or None."""
        with self._database.read() as connection:
            return _newest(connection, scid)

    def count(self) -> int:
        """Return how many logs are remembered."""
        with self._database.read() as connection:
            return _count(connection)

    def remember(self, scid: str, version_ids: Sequence[str], proof: bytes) -> WitnessedVersion:
        """Keep the proof of a log's newest version, durably; return the one to give away: an earlier one of that version.

        Args:
            scid: of the log.
            version_ids: of all its entries, in order, the newest last.
            proof: of the newest.

        Raises:
            DidWitnessConflictError: ``did_witness_conflict`` for a log that is shorter than what was witnessed, or
                another one.
            DidWitnessFullError: ``did_witness_full``.
        """
        mine = WitnessedVersion(len(version_ids), version_ids[-1], proof)
        with self._database.write_alone("did_witness") as connection:
            known = _newest(connection, scid)
            if known is not None:
                check_goes_on(version_ids, known)
                if known.number == mine.number:
                    return known
            elif _count(connection) >= self._most:
                raise DidWitnessFullError
            values = {"number": mine.number, "version_id": mine.version_id, "proof": mine.proof}
            put_row(connection, WITNESSED, {"scid": scid}, values)
        return mine


def check_goes_on(version_ids: Sequence[str], known: SeenVersion | WitnessedVersion) -> None:
    """Check that a log goes on from a version that is known of it.

    Args:
        version_ids: of all its entries, in order.
        known: a version that was witnessed or seen here.

    Raises:
        DidWitnessConflictError: ``did_witness_conflict``.
    """
    if known.number > len(version_ids) or version_ids[known.number - 1] != known.version_id:
        raise DidWitnessConflictError(current=known.version_id)


def _count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(WITNESSED)) or 0


def _newest(connection: Connection, scid: str) -> WitnessedVersion | None:
    row = connection.execute(
        select(WITNESSED.c.number, WITNESSED.c.version_id, WITNESSED.c.proof).where(WITNESSED.c.scid == scid)
    ).first()
    return None if row is None else WitnessedVersion(row[0], row[1], bytes(row[2]))
