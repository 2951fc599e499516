"""The file of a backup: a zip archive of entry bundles, rows and one signed note, with a manifest of all digests at its end.

Decides the form only. Half a file is none: it is written beside its name and renamed when all of it is on the disk, and every
member is held against the manifest before anybody uses it. Who made a backup is not said in it; what makes its log
believable is the replay against the log's own signature.

Spec: specs/backup.md
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.errors import DidError
from registry.durable_file import durable_file, make_folder
from registry.errors import ConflictError, NotFoundError, ParseError
from registry.limits import BACKUP_MEMBER_BYTES
from registry.log.merkle import HASH_BYTES

FORMAT: Final = "bonafides/backup/1"
MANIFEST: Final = "manifest.json"
CHECKPOINT: Final = "checkpoint"
ERASURES: Final = "erasures.json"
_MEMBERS: Final = {"format", "origin", "created", "revision", "size", "rootHash", "rows", "files"}
_OLDEST_DATE: Final = (1980, 1, 1, 0, 0, 0)
"""What every member is dated: the archive says once, in the manifest, when it was made."""


class BackupExistsError(ConflictError):
    """There is a file of that name already; a backup never takes another's place."""

    code = "backup_exists"
    title = "There is a file of that name already"


class BackupUnreadableError(NotFoundError):
    """There is no backup file, or it cannot be opened."""

    code = "backup_unreadable"
    title = "The backup cannot be read"


class BackupMalformedError(ParseError):
    """The file is no backup of this version."""

    code = "backup_malformed"
    title = "Not a backup of this version"


class BackupDamagedError(ParseError):
    """A part of the backup is missing, or is not what its manifest says."""

    code = "backup_damaged"
    title = "The backup is damaged"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds.

    Attributes:
        origin: of the log.
        created_ms: when it was made, milliseconds since the epoch.
        revision: of the tables.
        size: entries of the log.
        root_hash: of the tree of that size, 32 bytes.
        rows: by table.
        files: SHA-256 by name of the member.
    """

    origin: str
    created_ms: int
    revision: str
    size: int
    root_hash: bytes
    rows: Mapping[str, int]
    files: Mapping[str, bytes]

    def to_wire(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "format": FORMAT,
            "origin": self.origin,
            "created": self.created_ms,
            "revision": self.revision,
            "size": self.size,
            "rootHash": base64url_encode(self.root_hash),
            "rows": dict(self.rows),
            "files": {name: base64url_encode(digest) for name, digest in self.files.items()},
        }


class BackupWriter:
    """Adds members to an archive that is being written."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.files: dict[str, bytes] = {}

    def add(self, name: str, data: bytes) -> None:
        """Add one member."""
        self._write(name, data)
        self.files[name] = hashlib.sha256(data).digest()

    def finish(self, manifest: Manifest) -> None:
        """Add the manifest, after which nothing may be added."""
        self._write(MANIFEST, canonicalize(manifest.to_wire()))

    def _write(self, name: str, data: bytes) -> None:
        info = zipfile.ZipInfo(name, _OLDEST_DATE)
        info.external_attr = 0o600 << 16
        self._archive.writestr(info, data, zipfile.ZIP_DEFLATED, 1)


@contextmanager
def new_file(path: Path) -> Iterator[BackupWriter]:
    """Write an archive that only its owner can read; it gets its name when all of it is on the disk.

    Raises:
        BackupExistsError: ``backup_exists``.
    """
    if path.exists():
        raise BackupExistsError(path.name)
    make_folder(path.parent)
    try:
        with durable_file(path, replace=False) as file, zipfile.ZipFile(file, "w") as archive:
            yield BackupWriter(archive)
    except FileExistsError as error:
        raise BackupExistsError(path.name) from error


class BackupReader:
    """A backup being read; every member is held against the manifest.

    Raises:
        BackupUnreadableError: ``backup_unreadable``.
        BackupMalformedError: ``backup_malformed``.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise BackupMalformedError(path.name) from error
        except OSError as error:
            raise BackupUnreadableError(f"{path.name}: {error.strerror}") from error
        try:
            self.manifest = _parse_manifest(self._bytes(MANIFEST))
        except BaseException:
            self._archive.close()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._archive.close()

    def read(self, name: str) -> bytes:
        """Return a member.

        Raises:
            BackupDamagedError: ``backup_damaged``.
        """
        data = self._bytes(name)
        if hashlib.sha256(data).digest() != self.manifest.files.get(name):
            raise BackupDamagedError(f"{name} is not what was written")
        return data

    def names(self, folder: str) -> list[str]:
        """Return the names of the members below a folder, sorted."""
        return sorted(name for name in self.manifest.files if name.startswith(f"{folder}/"))

    def _bytes(self, name: str) -> bytes:
        try:
            with self._archive.open(name) as member:
                data = member.read(BACKUP_MEMBER_BYTES + 1)
        except (
            KeyError,
            OSError,
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
            RuntimeError,
            EOFError,
        ) as error:
            raise BackupDamagedError(f"{name} cannot be read") from error
        if len(data) > BACKUP_MEMBER_BYTES:
            raise BackupDamagedError(f"{name} is larger than any member of a backup")
        return data


def _parse_manifest(data: bytes) -> Manifest:
    try:
        wire = parse_json_object(data, max_bytes=BACKUP_MEMBER_BYTES, max_nodes=BACKUP_MEMBER_BYTES)
        if wire.get("format") != FORMAT or wire.keys() != _MEMBERS:
            raise BackupMalformedError
        manifest = Manifest(
            origin=_text(wire["origin"]),
            created_ms=_number(wire["created"]),
            revision=_text(wire["revision"]),
            size=_number(wire["size"]),
            root_hash=base64url_decode(_text(wire["rootHash"])),
            rows={name: _number(count) for name, count in _object(wire["rows"]).items()},
            files={name: base64url_decode(_text(digest)) for name, digest in _object(wire["files"]).items()},
        )
    except DidError as error:
        raise BackupMalformedError from error
    if len(manifest.root_hash) != HASH_BYTES or manifest.size == 0:
        raise BackupMalformedError
    return manifest


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BackupMalformedError
    return value


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise BackupMalformedError
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BackupMalformedError
    return value
