"""The memory of the witness role: which logs are witnessed, every note of them that was seen, evidence against them.

A witness that forgets can be made to cosign two futures of one log. So the newest cosigned checkpoint is compared and
replaced in one transaction, and the answer leaves only after its commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, delete, func, insert, select

from registry.errors import ConflictError, LimitError, NotFoundError
from registry.limits import EVIDENCE_KEPT, LOGS_WITNESSED, WITNESS_NOTES_KEPT
from registry.log.checkpoint import Checkpoint
from registry.log.note import NoteKey, parse_note_key
from registry.log.split_view import SplitView, encode_split_view
from registry.storage.engine import Database
from registry.storage.tables import SPLIT_VIEW, WITNESS_NOTE, WITNESSED_LOG
from registry.storage.upsert import put_row


class WitnessedLogExistsError(ConflictError):
    """A log of this origin is witnessed with another key: remove it first, knowing what that means."""

    code = "witnessed_log_exists"
    title = "A log of this origin is witnessed already"


class WitnessedLogNotFoundError(NotFoundError):
    """No log of this origin is witnessed."""

    code = "witnessed_log_not_found"
    title = "No such witnessed log"


class WitnessedLogsFullError(LimitError):
    """As many logs are witnessed as may be."""

    code = "witnessed_logs_full"
    title = "This witness takes no more logs"


@dataclass(frozen=True, slots=True)
class KeptNote:
    """A note of a witnessed log.

    Attributes:
        size: of its tree.
        root_hash: 32 bytes.
        note: as it was received, whole.
        cosignature: the line that was given for it; empty where it was only seen.
        time_s: of the cosignature, or of when it was seen.
    """

    size: int
    root_hash: bytes
    note: bytes
    cosignature: bytes
    time_s: int


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """Evidence of a split view; the digest is its id."""

    digest: bytes
    origin: str
    found_ms: int


Cosign = Callable[[KeptNote | None, KeptNote | None], tuple[bytes, int]]
"""Judges by the newest note that was cosigned and the one kept of the same size; returns the cosignature line and its
time in seconds, or raises to refuse."""


class WitnessLogStore:
    """Logs, notes and evidence. Safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # ------------------------------------------------------------ logs

    def add_log(self, key: NoteKey, *, now_ms: int) -> None:
        """Witness a log from now on; the same again changes nothing.

        Args:
            key: its name is the log's origin.
            now_ms: POSIX ms.

        Raises:
            WitnessedLogExistsError: ``witnessed_log_exists`` for another key of this origin.
            WitnessedLogsFullError: ``witnessed_logs_full``.
        """
        with self._database.write_alone("log_witness") as connection:
            held = connection.scalar(select(WITNESSED_LOG.c.key).where(WITNESSED_LOG.c.origin == key.name))
            if held == key.to_text():
                return
            if held is not None:
                raise WitnessedLogExistsError
            count = connection.scalar(select(func.count()).select_from(WITNESSED_LOG)) or 0
            if count >= LOGS_WITNESSED:
                raise WitnessedLogsFullError(limit=LOGS_WITNESSED)
            connection.execute(insert(WITNESSED_LOG).values(origin=key.name, key=key.to_text(), added_ms=now_ms))

    def remove_log(self, origin: str) -> None:
        """Witness a log no more. What was cosigned stays, so that adding it again forgets nothing.

        Raises:
            WitnessedLogNotFoundError: ``witnessed_log_not_found``.
        """
        with self._database.write_alone("log_witness") as connection:
            if not connection.execute(delete(WITNESSED_LOG).where(WITNESSED_LOG.c.origin == origin)).rowcount:
                raise WitnessedLogNotFoundError

    def logs(self) -> dict[str, NoteKey]:
        """Return the witnessed logs' keys by origin, sorted."""
        with self._database.read() as connection:
            keys = connection.scalars(select(WITNESSED_LOG.c.key)).all()
        # Sorted here: a server sorts texts by the rules of some language.
        return {key.name: key for key in sorted(map(parse_note_key, keys), key=lambda one: one.name)}

    # ------------------------------------------------------------ notes

    def cosign(self, checkpoint: Checkpoint, note: bytes, decide: Cosign) -> bytes:
        """Compare with the newest cosigned checkpoint and replace it, in one step; return the cosignature line.

        Args:
            checkpoint: what the note says, verified.
            note: whole, as received.
            decide: called inside the transaction; what it raises undoes everything.

        Raises:
            RegistryError: what decide raises.
        """
        with self._database.write_alone("log_witness") as connection:
            held = _note(connection, checkpoint.origin, checkpoint.size)
            line, time_s = decide(_newest_cosigned(connection, checkpoint.origin), held)
            _keep(connection, checkpoint, note, line, time_s)
        return line

    def keep_seen(self, checkpoint: Checkpoint, note: bytes, *, time_s: int) -> KeptNote | None:
        """Keep a note that was only seen, if there is room; return the one of its size that was kept before, or None."""
        own = WITNESS_NOTE.c.origin == checkpoint.origin
        with self._database.write_alone("log_witness") as connection:
            held = _note(connection, checkpoint.origin, checkpoint.size)
            if held is None:
                kept = connection.scalar(select(func.count()).select_from(WITNESS_NOTE).where(own)) or 0
                if kept < 2 * WITNESS_NOTES_KEPT:
                    _keep(connection, checkpoint, note, b"", time_s)
        return held

    def note(self, origin: str, size: int) -> KeptNote | None:
        """Return the kept note of a size, or None."""
        with self._database.read() as connection:
            return _note(connection, origin, size)

    def newest_cosigned(self, origin: str) -> KeptNote | None:
        """Return the newest note that was cosigned, or None."""
        with self._database.read() as connection:
            return _newest_cosigned(connection, origin)

    # ------------------------------------------------------------ evidence

    def save_evidence(self, evidence: SplitView, *, now_ms: int) -> bytes | None:
        """Keep evidence and return its digest, or None where as much is kept as may be; the same again changes nothing."""
        data = encode_split_view(evidence)
        digest = sha256(data).digest()
        with self._database.write_alone("log_witness") as connection:
            if connection.scalar(select(SPLIT_VIEW.c.digest).where(SPLIT_VIEW.c.digest == digest)) is not None:
                return digest
            if (connection.scalar(select(func.count()).select_from(SPLIT_VIEW)) or 0) >= EVIDENCE_KEPT:
                return None
            values = {"digest": digest, "origin": evidence.key.name, "found_ms": now_ms, "data": data}
            connection.execute(insert(SPLIT_VIEW).values(**values))
        return digest

    def evidence(self) -> list[KeptEvidence]:
        """Return what evidence there is, oldest first."""
        query = select(SPLIT_VIEW.c.digest, SPLIT_VIEW.c.origin, SPLIT_VIEW.c.found_ms)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(SPLIT_VIEW.c.found_ms, SPLIT_VIEW.c.digest)).all()
        return [KeptEvidence(bytes(row[0]), row[1], row[2]) for row in rows]

    def evidence_file(self, digest: bytes) -> bytes | None:
        """Return an evidence file, or None."""
        with self._database.read() as connection:
            data = connection.scalar(select(SPLIT_VIEW.c.data).where(SPLIT_VIEW.c.digest == digest))
        return None if data is None else bytes(data)

    def has_evidence(self, origin: str) -> bool:
        """Say whether a log is known to have shown two trees."""
        with self._database.read() as connection:
            return (
                connection.scalar(select(SPLIT_VIEW.c.digest).where(SPLIT_VIEW.c.origin == origin).limit(1)) is not None
            )


_NOTE_COLUMNS = (
    WITNESS_NOTE.c.size,
    WITNESS_NOTE.c.root,
    WITNESS_NOTE.c.note,
    WITNESS_NOTE.c.cosignature,
    WITNESS_NOTE.c.time_s,
)


def _note(connection: Connection, origin: str, size: int) -> KeptNote | None:
    found = (WITNESS_NOTE.c.origin == origin, WITNESS_NOTE.c.size == size)
    row = connection.execute(select(*_NOTE_COLUMNS).where(*found)).first()
    return None if row is None else KeptNote(row[0], bytes(row[1]), bytes(row[2]), bytes(row[3]), row[4])


def _newest_cosigned(connection: Connection, origin: str) -> KeptNote | None:
    query = select(*_NOTE_COLUMNS).where(WITNESS_NOTE.c.origin == origin, WITNESS_NOTE.c.cosignature != b"")
    row = connection.execute(query.order_by(WITNESS_NOTE.c.size.desc()).limit(1)).first()
    return None if row is None else KeptNote(row[0], bytes(row[1]), bytes(row[2]), bytes(row[3]), row[4])


def _keep(connection: Connection, checkpoint: Checkpoint, note: bytes, line: bytes, time_s: int) -> None:
    values = {"root": checkpoint.root_hash, "note": note, "cosignature": line, "time_s": time_s}
    put_row(connection, WITNESS_NOTE, {"origin": checkpoint.origin, "size": checkpoint.size}, values)
    # The newest cosigned note is what this witness is bound by: a flood of seen ones must not push it out.
    own = WITNESS_NOTE.c.origin == checkpoint.origin
    if line:
        oldest = select(WITNESS_NOTE.c.size).where(own).order_by(WITNESS_NOTE.c.size.desc())
        limit = connection.scalar(oldest.offset(WITNESS_NOTES_KEPT).limit(1))
        if limit is not None:
            connection.execute(delete(WITNESS_NOTE).where(own, WITNESS_NOTE.c.size <= min(limit, checkpoint.size - 1)))
