"""Where a restored registry is put: an empty folder, its private keys, and word of what it has not caught up with.

On any failure the folder is as it was before.

Spec: specs/backup.md
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from did_methods.canonical import canonicalize
from did_methods.errors import BonafidesError
from registry.adapters.key_file import load_key_ring
from registry.durable_file import make_folder, write_durably
from registry.errors import DependencyError
from registry.log.note import NoteKey, NoteSigner
from registry.services.backup_file import BackupDamagedError, BackupReader
from registry.services.restore import NotEmptyError, Progress, Restored, RestoreMismatchError, restore_backup
from registry.services.restore_state import Published, catch_up_state_log
from registry.services.snapshot import load_state
from registry.storage.engine import Database, open_database
from registry.storage.log import LogStore
from registry.storage.state_log import StateLogStore

OFFLINE_MARK: Final = "restored-offline.json"
_SPARED: Final = frozenset({"keys", "erasure-keys", "signer"})


class RestoredOfflineError(DependencyError):
    """This registry was restored without its published log: there may be erasures and entries that it does not know."""

    code = "restored_offline"
    title = "Restored without the published log; it signs nothing until it has caught up"


@dataclass(frozen=True, slots=True)
class Place:
    """Where to restore to.

    Attributes:
        data_dir: empty, or not there; folders of keys may lie in it.
        database_url: SQLAlchemy URL; below data_dir, or a server's empty database.
        keys_dir: of the registry's private keys.
        erasure_keys: folder of the keys that openings are sealed under.
    """

    data_dir: Path
    database_url: str
    keys_dir: Path
    erasure_keys: Path


def restore_into(
    place: Place,
    file: Path,
    *,
    keys_file: Path | None,
    published: Callable[[str], Published] | None,
    progress: Progress | None = None,
) -> Restored:
    """Restore a backup; without the published log, leave word that the registry may sign nothing yet.

    Args:
        place: where to.
        file: the backup.
        keys_file: its private keys; None where they are put there by hand, or lie there.
        published: as in `restore_backup`.
        progress: told how far it is.

    Raises:
        NotEmptyError: ``restore_not_empty``.
        BonafidesError: as `restore_backup`.
    """
    check_target(place.data_dir)
    before = set(place.data_dir.iterdir()) if place.data_dir.is_dir() else None
    with BackupReader(file) as backup:
        try:
            place.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            if keys_file is not None:
                restore_keys(keys_file, place.keys_dir, origin=backup.manifest.origin)
            database = open_database(place.database_url)
            try:
                restored = restore_backup(
                    backup,
                    database,
                    published=published,
                    erasure_keys=place.erasure_keys,
                    state_key=state_key(place.keys_dir, backup.manifest.origin),
                    progress=progress,
                )
            finally:
                database.close()
            if published is None:
                mark_offline(place.data_dir, restored)
        except BaseException:
            _clear(place.data_dir, before)
            raise
    return restored


def offline_fault(data_dir: Path) -> RestoredOfflineError | None:
    """Return why a registry may sign nothing that was restored without its published log; None for any other."""
    if not (data_dir / OFFLINE_MARK).exists():
        return None
    return RestoredOfflineError("bonafides log recover --from URL|FOLDER once the published log can be reached")


def finish_catching_up(database: Database, published: Published, *, data_dir: Path, keys_dir: Path) -> None:
    """Catch up with the published state log, after the main log; then nothing is left to learn, and the mark goes.

    The erasures that came with the entries are carried out by the next start, before it serves.

    Args:
        database: whose main log is as long as the published one.
        published: where both logs were published.
        data_dir: where the mark lies.
        keys_dir: of the registry's private keys.

    Raises:
        BonafidesError: as `catch_up_state_log`.
    """
    store = LogStore(database)
    state = load_state(store, store.head()[0]).state
    origin = state.head.genesis.origin if state.head.genesis else ""
    key = state_key(keys_dir, origin)
    catch_up_state_log(StateLogStore(database), published, main=store, state=state, key=key)
    (data_dir / OFFLINE_MARK).unlink(missing_ok=True)


def state_key(keys_dir: Path, origin: str) -> NoteKey | None:
    """Return the state log's key where the registry's keys are in their place.

    Args:
        keys_dir: of the registry's private keys.
        origin: of the main log.

    Raises:
        BonafidesError: a damaged key file, or one that others can read.
    """
    file = keys_dir / "state-note.json"
    return NoteSigner(f"{origin}/state", load_key_ring(file).keys["signing"]).key if file.exists() else None


def _clear(folder: Path, before: set[Path] | None) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if before is None or path not in before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if before is None and folder.is_dir():
        folder.rmdir()


def check_target(data_dir: Path) -> None:
    """Refuse a data folder that holds more than keys.

    Raises:
        NotEmptyError: ``restore_not_empty``.
    """
    if data_dir.is_dir() and any(path.name not in _SPARED for path in data_dir.iterdir()):
        raise NotEmptyError(f"{data_dir} holds other files")


def restore_keys(file: Path, folder: Path, *, origin: str) -> None:
    """Put the private keys of a backup in their place, readable by their owner alone.

    Raises:
        NotEmptyError: ``restore_not_empty`` where there are keys already.
        RestoreMismatchError: ``restore_mismatch`` for the keys of another log.
        BonafidesError: a damaged file.
    """
    if folder.exists() and any(folder.iterdir()):
        raise NotEmptyError(f"{folder} holds keys")
    with BackupReader(file) as reader:
        if reader.manifest.origin != origin:
            raise RestoreMismatchError("these are the keys of another log")
        names = reader.names("keys")
        if any(part in ("", ".", "..") for name in names for part in name.split("/")):
            raise BackupDamagedError("a key has a name that leads elsewhere")
        try:
            for name in names:
                path = folder / name.removeprefix("keys/")
                make_folder(path.parent, mode=0o700)
                write_durably(path, reader.read(name), replace=False)
        except BonafidesError:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def mark_offline(data_dir: Path, restored: Restored) -> None:
    """Leave word that this registry has not caught up with its published log; a start then signs nothing."""
    make_folder(data_dir, mode=0o700)
    mark = canonicalize({"origin": restored.origin, "size": restored.size}) + b"\n"
    write_durably(data_dir / OFFLINE_MARK, mark)
