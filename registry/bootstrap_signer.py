"""Wiring of the log's signer, and what a start without a database must not do."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from did_methods.errors import BonafidesError
from registry.adapters.signer_record import FileSignerRecord, record_path
from registry.adapters.system_clock import Clock
from registry.config import Settings
from registry.errors import DependencyError
from registry.log.entry import parse_leaf
from registry.log.note import NoteKey, NoteSigner, parse_note_key
from registry.services.log import LogService
from registry.services.restore_place import offline_fault
from registry.services.sequencer import Sequencer
from registry.services.signing import CheckpointSigner, LogRolledBackError
from registry.storage.engine import Database
from registry.storage.log import LogStore
from registry.storage.signing import SigningStore


class LogKeyError(DependencyError):
    """Nothing in the database says which key signs this log."""

    code = "log_key_unknown"
    title = "The log's key is not known"


def open_signer(
    settings: Settings,
    database: Database,
    store: LogStore,
    sequencer: Sequencer,
    note_signer: NoteSigner,
    clock: Clock,
) -> LogService:
    """Return the log with its signer, whose record lies apart from the database; writer and decisions ask its guard.

    Args:
        settings: of the registry.
        database: of the log; one of its processes signs at a time.
        store: the log's rows.
        sequencer: its writer.
        note_signer: its note key under its origin.
        clock: the registry's.
    """
    signings = SigningStore(database, origin=note_signer.name, now_ms=clock.now_ms)
    holder = f"{socket.gethostname()}/{os.getpid()}"
    record = FileSignerRecord(_path(settings, note_signer.name), origin=note_signer.name)
    signer = CheckpointSigner(
        note_signer=note_signer,
        store=store,
        record=record,
        alone=lambda: database.exclusive(f"sign {note_signer.name}"),
        signed=lambda size: signings.save_holder(holder, size),
    )
    log = LogService(store=store, sequencer=sequencer, signer=signer, ends=signings)
    fault = offline_fault(settings.data_dir)
    if fault is not None:
        log.guard.close(fault)
    sequencer.may_write = log.guard.check_may_write
    sequencer.is_newest = lambda: log.guard.is_current
    return log


def log_key_of(store: LogStore) -> NoteKey:
    """Return the note key that entry 0 of a log names.

    Raises:
        LogKeyError: ``log_key_unknown``.
    """
    first = store.entry(0)
    try:
        subject = None if first is None else parse_leaf(first.data).event.get("credentialSubject")
        return parse_note_key(str(subject.get("logKey") if isinstance(subject, dict) else ""))
    except BonafidesError as error:
        raise LogKeyError("entry 0 names none") from error


def refuse_lost_log(settings: Settings) -> None:
    """Refuse to begin a log anew under a name that was signed for: an empty database is the oldest of all copies.

    Raises:
        LogRolledBackError: ``log_rolled_back``.
        SignerRecordError: ``signer_record_unreadable``.
    """
    if settings.origin is None:
        return
    recorded = FileSignerRecord(_path(settings, settings.origin), origin=settings.origin).load()
    if recorded is not None:
        raise LogRolledBackError(f"size {recorded.size} was signed, the database is empty", size=recorded.size)


def _path(settings: Settings, origin: str) -> Path:
    return settings.signer_record or record_path(settings.data_dir, origin)
