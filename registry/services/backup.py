"""Backing up while the registry serves: the log as entry bundles, every other row, and the newest signed note.

Read as of one moment through a connection of its own, so that nothing waits. Never in a backup: the keys that openings are sealed
under (with them it would undo erasures), and private keys, unless they are asked for, in a file apart.

Spec: specs/backup.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from did_methods.canonical import canonicalize
from registry.errors import ConflictError, DependencyError
from registry.log.entry import parse_leaf
from registry.log.tile import TILE_WIDTH, encode_entry_bundle, entries_path
from registry.services.backup_file import CHECKPOINT, ERASURES, BackupWriter, Manifest, new_file
from registry.storage.engine import SCHEMA_REVISION
from registry.storage.export import Look, kept_tables, look_at

Progress: TypeAlias = Callable[[str, int, int], None]
"""(stage, done, total)."""

KEYS: Final = "keys"


class NothingToBackUpError(ConflictError):
    """The log has no entry, or no signed checkpoint yet."""

    code = "nothing_to_back_up"
    title = "There is no signed log to back up yet"


class KeysUnreadableError(DependencyError):
    """The folder of the registry's private keys cannot be read."""

    code = "keys_unreadable"
    title = "The folder of private keys cannot be read"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A backup that was written.

    Attributes:
        path: the file.
        manifest: what it holds.
        signed_size: of the note in it.
        keys: the file with the private keys; None where they were not asked for.
    """

    path: Path
    manifest: Manifest
    signed_size: int
    keys: Path | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "file": str(self.path),
            "bytes": self.path.stat().st_size,
            "origin": self.manifest.origin,
            "size": self.manifest.size,
            "signedSize": self.signed_size,
            "rows": dict(self.manifest.rows),
            "keys": None if self.keys is None else str(self.keys),
        }


def back_up(database_url: str, target: Path, *, now_ms: int, progress: Progress | None = None) -> BackedUp:
    """Write a backup.

    Args:
        database_url: of the registry; it may be serving.
        target: a new file, or a folder, in which the file gets a name of its own.
        now_ms: milliseconds since the epoch.
        progress: told how far it is.

    Raises:
        BackupExistsError: ``backup_exists``.
        NothingToBackUpError: ``nothing_to_back_up``.
        ExportNotReadyError: ``export_not_ready``.
        DependencyError: the database cannot be read.
    """
    progress = progress or (lambda _stage, _done, _total: None)
    with look_at(database_url) as look:
        size, root_hash = look.head()
        signed = look.signed()
        if size == 0 or signed is None:
            raise NothingToBackUpError
        origin = str(parse_leaf(look.entries(0, 1)[0]).event["credentialSubject"]["origin"])
        path = target / f"bonafides-{size:012}-{now_ms}.backup" if target.is_dir() else target
        with new_file(path) as writer:
            _add_log(writer, look, size, progress)
            writer.add(CHECKPOINT, signed[2])
            writer.add(ERASURES, canonicalize(_erasures(look)))
            rows = _add_rows(writer, look, progress)
            manifest = Manifest(origin, now_ms, SCHEMA_REVISION, size, root_hash, rows, dict(writer.files))
            writer.finish(manifest)
    return BackedUp(path, manifest, signed[0])


def back_up_keys(folder: Path, target: Path, backup: Manifest) -> Path:
    """Write the registry's private keys into a file of their own: whoever has it is the registry.

    Args:
        folder: of the keys.
        target: a new file.
        backup: what they belong to.

    Raises:
        BackupExistsError: ``backup_exists``.
        KeysUnreadableError: ``keys_unreadable``.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not files:
        raise KeysUnreadableError(f"{folder} has none")
    with new_file(target) as writer:
        for path in files:
            try:
                writer.add(f"{KEYS}/{path.relative_to(folder)}", path.read_bytes())
            except OSError as error:
                raise KeysUnreadableError(f"{path.name}: {error.strerror}") from error
        writer.finish(replace(backup, rows={}, files=dict(writer.files)))
    return target


def _add_log(writer: BackupWriter, look: Look, size: int, progress: Progress) -> None:
    for start in range(0, size, TILE_WIDTH):
        end = min(start + TILE_WIDTH, size)
        bundle = encode_entry_bundle(look.entries(start, end))
        writer.add(entries_path(start // TILE_WIDTH, width=end - start), bundle)
        progress("entries", end, size)


def _add_rows(writer: BackupWriter, look: Look, progress: Progress) -> dict[str, int]:
    rows, tables = {}, kept_tables()
    for done, table in enumerate(tables):
        rows[str(table.name)] = 0
        for number, (count, data) in enumerate(look.rows(table)):
            writer.add(f"tables/{table.name}/{number:06}.jsonl", data)
            rows[str(table.name)] += count
        progress("tables", done + 1, len(tables))
    return rows


def _erasures(look: Look) -> dict[str, Any]:
    """Return what the log orders to be erased, by index: what whoever keeps this backup should know it no longer opens."""
    found = []
    for index, data in look.entries_of_kind("erasure"):
        said = parse_leaf(data).event["credentialSubject"]
        found.append({"index": index, **{name: said[name] for name in ("id", "event") if name in said}})
    return {"format": "bonafides/erasures/1", "erasures": found}
