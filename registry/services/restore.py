"""Restoring a backup into an empty place: the log is replayed and verified, then caught up with what was published since.

Nothing of the backup is believed. Every entry is verified and folded as an audit does it, and the tree compared with the note
that the log's own key signed. Erasures that were published after the backup are thereby known before a single opening is
put in; those openings stay out. Without the published log a restore says so, and the registry signs nothing.

Spec: specs/backup.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from registry.adapters.erasure_keys import FolderErasureKeys
from registry.audit.reader import LogReader
from registry.errors import ConflictError, VerificationError
from registry.history.replay import verify_leaf
from registry.history.sequence import SequencedLeaf
from registry.history.snapshot import dump_state
from registry.history.state import Draft, LogState
from registry.log.checkpoint import Checkpoint, verify_checkpoint
from registry.log.merkle import RightEdge
from registry.log.note import NoteKey, parse_note_key
from registry.log.tile import TILE_WIDTH, append_leaves, entries_path, parse_entry_bundle
from registry.services.backup_file import CHECKPOINT, BackupDamagedError, BackupReader
from registry.services.restore_state import CatchUpError, Published, PublishedForkError, catch_up_state_log
from registry.storage.engine import SCHEMA_REVISION, Database, DatabaseVersionError
from registry.storage.export import empty, finish_loading, kept_tables, load_rows
from registry.storage.log import LogStore
from registry.storage.opening import OpeningStore
from registry.storage.state_log import StateLogStore

Progress: TypeAlias = Callable[[str, int, int], None]
"""(stage, done, total)."""

_BATCH: Final = 512


class NotEmptyError(ConflictError):
    """There is something already where the backup should go; a restore replaces nothing."""

    code = "restore_not_empty"
    title = "A backup is restored into an empty place"


class RestoreMismatchError(VerificationError):
    """The log in the backup does not come to the tree that it claims, or that its note signs."""

    code = "restore_mismatch"
    title = "The log in the backup is not the one that was signed"


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored registry.

    Attributes:
        origin: of the log.
        backup_size: entries in the backup.
        size: entries now.
        root_hash: of the tree now.
        published_size: of the published log; None where it was not read.
        erased: openings of the backup that were erased since and not restored.
        rows: of the other tables.
    """

    origin: str
    backup_size: int
    size: int
    root_hash: bytes
    published_size: int | None
    erased: int
    rows: int

    def to_wire(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "origin": self.origin,
            "backupSize": self.backup_size,
            "size": self.size,
            "publishedSize": self.published_size,
            "erasedOpenings": self.erased,
            "rows": self.rows,
            "offline": self.published_size is None,
        }


@dataclass(slots=True)
class Import:
    """Entries coming into a database: verified, folded, appended in batches, each durable.

    Attributes:
        store: the log's rows.
        state: as of the last batch.
        edge: of the tree.
    """

    store: LogStore
    state: LogState = field(default_factory=LogState)
    edge: RightEdge = field(default_factory=RightEdge)
    _draft: Draft | None = None
    _waiting: list[SequencedLeaf] = field(default_factory=list)

    def take(self, entries: Iterable[bytes]) -> None:
        """Verify and append entries that follow one another.

        Raises:
            BonafidesError: an entry does not verify, or does not follow from those before it; the batch is dropped.
        """
        for data in entries:
            if self._draft is None:
                self._draft = self.state.draft()
            self._waiting.append(verify_leaf(self._draft, data))
            if len(self._waiting) >= _BATCH:
                self.flush()

    def flush(self) -> None:
        """Append what waits, durably."""
        if self._draft is None or not self._waiting:
            return
        edge = self.edge.copy()
        tiles = append_leaves(edge, [leaf.leaf_hash for leaf in self._waiting])
        before = self.edge.root() if self.edge.size else b""
        self.store.append(self._waiting, tiles, old_root_hash=before, root_hash=edge.root())
        self._draft.commit()
        self.edge, self._draft, self._waiting = edge, None, []


def restore_backup(
    backup: BackupReader,
    database: Database,
    *,
    published: Callable[[str], Published] | None,
    erasure_keys: Path,
    state_key: NoteKey | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Restore a backup into an empty database; on any failure nothing stays in it.

    Args:
        backup: opened.
        database: migrated and empty.
        published: gives readers of the published logs when told the log's public URL; None restores without them.
        erasure_keys: folder of the keys that openings are sealed under; what was erased is destroyed there too.
        state_key: of the state log, where it is at hand; None takes what the registry's DID has signed.
        progress: told how far it is.

    Raises:
        NotEmptyError: ``restore_not_empty``.
        RestoreMismatchError: ``restore_mismatch``.
        PublishedForkError: ``published_log_differs``.
        BonafidesError: a damaged backup, an entry that does not verify, a published log that cannot be read.
    """
    progress = progress or (lambda _stage, _done, _total: None)
    if backup.manifest.revision > SCHEMA_REVISION:
        raise DatabaseVersionError(f"the backup is of revision {backup.manifest.revision}")
    store = LogStore(database)
    if store.head()[0]:
        raise NotEmptyError("the database holds a log")
    try:
        return _restore(backup, database, store, published, erasure_keys, state_key, progress)
    except BaseException:
        empty(database)
        raise


def _restore(
    backup: BackupReader,
    database: Database,
    store: LogStore,
    published: Callable[[str], Published] | None,
    erasure_keys: Path,
    state_key: NoteKey | None,
    progress: Progress,
) -> Restored:
    manifest = backup.manifest
    log = Import(store)
    for entries in _bundles(backup):
        log.take(entries)
        progress("entries", min(log.state.head.size + len(entries), manifest.size), manifest.size)
    log.flush()
    _check_note(backup, log)
    published_size, source = None, None if published is None else published(_genesis(log.state).public_url)
    if source is not None:
        published_size = catch_up(log, source.log, progress)
    rows, erased = _load_tables(backup, database, log.state, progress)
    if source is not None:
        catch_up_state_log(StateLogStore(database), source, main=log.store, state=log.state, key=state_key)
    _destroy_erased(log.state, FolderErasureKeys(erasure_keys) if erasure_keys.is_dir() else None)
    store.save_snapshot(log.edge.size, log.edge.root(), dump_state(log.state))
    database.forget_deleted()
    return Restored(manifest.origin, manifest.size, log.edge.size, log.edge.root(), published_size, erased, rows)


def catch_up(log: Import, reader: LogReader, progress: Progress) -> int:
    """Import what was published after the end of a log; return the published size.

    Args:
        log: verified so far.
        reader: of the published log.
        progress: told how far it is.

    Raises:
        PublishedForkError: ``published_log_differs``.
        CatchUpError: ``catch_up_failed``.
        BonafidesError: an entry or the checkpoint does not verify, or nobody answers.
    """
    genesis = _genesis(log.state)
    key = parse_note_key(genesis.log_key)
    try:
        checkpoint = verify_checkpoint(reader.checkpoint(), origin=genesis.origin, key=key).checkpoint
    except VerificationError as error:
        raise PublishedForkError("its checkpoint is not signed by this log's key") from error
    start, size = log.edge.size, checkpoint.size
    if size <= start:
        _check_root(log, checkpoint, PublishedForkError)
        return size
    for portion in reader.portions(start, size):
        if len(portion.entries) < portion.wanted or not portion.is_exact:
            raise CatchUpError(f"entry {portion.start + len(portion.entries)} is not served")
        log.take(portion.entries)
        progress("published", portion.start + len(portion.entries) - start, size - start)
    log.flush()
    _check_root(log, checkpoint, PublishedForkError)
    return size


def _bundles(backup: BackupReader) -> Iterator[tuple[bytes, ...]]:
    size = backup.manifest.size
    for start in range(0, size, TILE_WIDTH):
        width = min(TILE_WIDTH, size - start)
        name = entries_path(start // TILE_WIDTH, width=width)
        yield parse_entry_bundle(backup.read(name), width=width)


def _genesis(state: LogState) -> Any:
    genesis = state.head.genesis
    assert genesis is not None, "the rules let no other entry be the first"
    return genesis


def _check_note(backup: BackupReader, log: Import) -> None:
    """Hold the replayed tree against the manifest, and against the note by the key that entry 0 names."""
    manifest, genesis = backup.manifest, _genesis(log.state)
    if (log.edge.size, log.edge.root()) != (manifest.size, manifest.root_hash) or genesis.origin != manifest.origin:
        raise RestoreMismatchError("the entries do not come to the tree that the manifest names")
    note = verify_checkpoint(backup.read(CHECKPOINT), origin=genesis.origin, key=parse_note_key(genesis.log_key))
    _check_root(log, note.checkpoint, RestoreMismatchError)


def _check_root(log: Import, checkpoint: Checkpoint, error: type[VerificationError]) -> None:
    size = checkpoint.size
    if size > log.edge.size:
        raise error(f"size {size} was signed, {log.edge.size} is there", size=size)
    if log.store.right_edge(size).root() != checkpoint.root_hash:
        raise error(f"another tree of size {size} was signed", size=size)


def _load_tables(backup: BackupReader, database: Database, state: LogState, progress: Progress) -> tuple[int, int]:
    """Load the other tables; return how many rows there are, and how many openings were erased since the backup."""
    rows, tables = 0, kept_tables()
    for done, table in enumerate(tables):
        loaded = sum(load_rows(database, table, backup.read(name)) for name in backup.names(f"tables/{table.name}"))
        if loaded != backup.manifest.rows.get(table.name, 0):
            raise BackupDamagedError(f"rows of {table.name} are missing")
        rows += loaded
        progress("tables", done + 1, len(tables))
    known = {table.name for table in tables}
    if any(count and name not in known for name, count in backup.manifest.rows.items()):
        raise BackupDamagedError("it holds tables that this version does not know")
    finish_loading(database)
    openings = OpeningStore(database)
    before = openings.count()
    openings.delete(dids=_erased_names(state), events=list(state.tables.erased_events))
    return rows, before - openings.count()


def _erased_names(state: LogState) -> list[str]:
    erased = state.tables.erased_agents
    return [*erased, *(name for name, did in state.tables.aliases.items() if did in erased)]


def _destroy_erased(state: LogState, keys: FolderErasureKeys | None) -> None:
    """Destroy what the log orders in a folder of keys that was kept; each start does it again."""
    if keys is None:
        return
    for did in _erased_names(state):
        keys.destroy_agent(did)
    for event_id in state.tables.erased_events:
        keys.destroy_event(event_id)
