"""The keys that openings are sealed under, kept apart from the database so that destroying one destroys what it sealed.

Two kinds lie in the folder: one key for each agent, and one for each event that has openings. Files ``agents/NN`` and
``events/NN`` hold records of 64 bytes: a digest, and the key that was drawn for it. A record never moves; a destroyed key
is overwritten with zeros where it stands, and the zeros stay, so that no new one is ever drawn in its place. Several
processes may share the folder: who adds or destroys holds the file's lock.

What this cannot promise: that a disk forgets. A file system that copies on write, or a drive that spreads its wear, may keep
the old block for a while.

Spec: specs/erasure.md
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from did_methods.sealed import KEY_BYTES
from registry.durable_file import make_folder, sync_folder
from registry.errors import ConflictError, DependencyError

_ID_BYTES: Final = 32
_RECORD_BYTES: Final = _ID_BYTES + KEY_BYTES
_DESTROYED: Final = bytes(KEY_BYTES)
_DIGITS: Final = 2
"""Hex digits in a file's name: 256 files of each kind; a million events are 250 KB a file."""
_SYNCED_AT_ONCE: Final = 8
"""Files of one batch: a file system writes several of them with one turn of its journal."""


class OpeningsErasedError(ConflictError):
    """The openings of this event, or of an agent that it is about or from, were erased: they are not kept again."""

    code = "openings_erased"
    title = "These openings were erased, and are not taken again"


class ErasureKeysUnusableError(DependencyError):
    """The folder of the erasure keys is not there, or not this process's to read and write."""

    code = "erasure_keys_unusable"
    title = "The folder of the erasure keys cannot be used"


class ErasureKeys(Protocol):
    """Where keys are drawn, found and destroyed: a folder here, a key service elsewhere.

    Owner: nobody else keeps a copy of a key longer than one sealing or opening takes.
    """

    def agent_key(self, did: str) -> bytes:
        """Return an agent's key of 32 bytes, drawn now if there is none, durable before this returns.

        Raises:
            OpeningsErasedError: ``openings_erased``.
            ErasureKeysUnusableError: ``erasure_keys_unusable``.
        """
        ...

    def event_keys(self, event_ids: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the keys of events, as `agent_key` does an agent's; many cost little more than one."""
        ...

    def find(self, parties: tuple[str, ...], event_id: bytes) -> tuple[bytes, ...] | None:
        """Return the keys of all parties and of the event, or None where one is missing or destroyed."""
        ...

    def has_agent(self, did: str) -> bool:
        """Say whether an agent's key is there: drawn, and not destroyed."""
        ...

    def has_event(self, event_id: bytes) -> bool:
        """Say whether an event's key is there, as `has_agent` does of an agent's."""
        ...

    def destroy_agent(self, did: str) -> bool:
        """Destroy an agent's key for good, also one that was never drawn; say whether there was anything left to do."""
        ...

    def destroy_event(self, event_id: bytes) -> bool:
        """Destroy an event's key for good, as `destroy_agent` does an agent's."""
        ...


@dataclass(frozen=True, slots=True)
class FolderErasureKeys:
    """Erasure keys in a folder of its owner's, mode 0700.

    Attributes:
        folder: made when it is first needed.
    """

    folder: Path

    def agent_key(self, did: str) -> bytes:
        """See `ErasureKeys`."""
        name = _digest(did)
        return _take(self._agent_file(did), {name})[name]

    def event_keys(self, event_ids: Collection[bytes]) -> dict[bytes, bytes]:
        """See `ErasureKeys`."""
        by_file: dict[Path, set[bytes]] = {}
        for event_id in event_ids:
            by_file.setdefault(self._event_file(event_id), set()).add(event_id)
        if len(by_file) < 2:  # noqa: PLR2004 - one file needs no threads
            found = [_take(path, names) for path, names in by_file.items()]
        else:
            with ThreadPoolExecutor(_SYNCED_AT_ONCE, "erasure-keys") as pool:
                found = list(pool.map(_take, by_file.keys(), by_file.values()))
        return {name: key for keys in found for name, key in keys.items()}

    def find(self, parties: tuple[str, ...], event_id: bytes) -> tuple[bytes, ...] | None:
        """See `ErasureKeys`."""
        places = [(self._agent_file(did), _digest(did)) for did in parties] + [(self._event_file(event_id), event_id)]
        keys = [_key_in(_read(path), name) for path, name in places]
        whole = tuple(key for key in keys if key is not None and key != _DESTROYED)
        return whole if len(whole) == len(keys) else None

    def has_agent(self, did: str) -> bool:
        """See `ErasureKeys`."""
        return _key_in(_read(self._agent_file(did)), _digest(did)) not in (None, _DESTROYED)

    def has_event(self, event_id: bytes) -> bool:
        """See `ErasureKeys`."""
        return _key_in(_read(self._event_file(event_id)), event_id) not in (None, _DESTROYED)

    def destroy_agent(self, did: str) -> bool:
        """See `ErasureKeys`."""
        return self._destroy(self._agent_file(did), _digest(did))

    def destroy_event(self, event_id: bytes) -> bool:
        """See `ErasureKeys`."""
        return self._destroy(self._event_file(event_id), event_id)

    def _agent_file(self, did: str) -> Path:
        return self.folder / "agents" / _digest(did).hex()[:_DIGITS]

    def _event_file(self, event_id: bytes) -> Path:
        return self.folder / "events" / event_id.hex()[:_DIGITS]

    def _destroy(self, path: Path, name: bytes) -> bool:
        if _key_in(_read(path), name) == _DESTROYED:
            return False
        with _locked(path) as descriptor:
            data = _whole_records(descriptor)
            place = _place_of(data, name)
            if place is None:
                _write_at(descriptor, len(data), name + _DESTROYED)
            else:
                _write_at(descriptor, place + _ID_BYTES, _DESTROYED)
        return True


def _take(path: Path, names: Collection[bytes]) -> dict[bytes, bytes]:
    """Return the keys of these names out of one file; those that are not there are drawn, and synced together."""
    data = _read(path)
    keys = {name: _key_in(data, name) for name in names}
    if None in keys.values():
        with _locked(path) as descriptor:
            data = _whole_records(descriptor)
            # Another thread or process may have been first.
            keys = {name: _key_in(data, name) for name in names}
            drawn = {name: secrets.token_bytes(KEY_BYTES) for name, key in keys.items() if key is None}
            if drawn:
                _write_at(descriptor, len(data), b"".join(name + key for name, key in drawn.items()))
    else:
        drawn = {}
    found = {name: key for name, key in keys.items() if key is not None} | drawn
    if _DESTROYED in found.values():
        raise OpeningsErasedError
    return found


def _digest(did: str) -> bytes:
    return hashlib.sha256(did.encode()).digest()


def _place_of(data: bytes, name: bytes) -> int | None:
    """Return where the record of a name begins."""
    place = data.find(name)
    while place >= 0 and place % _RECORD_BYTES:
        place = data.find(name, place + 1)
    return place if 0 <= place <= len(data) - _RECORD_BYTES else None


def _key_in(data: bytes, name: bytes) -> bytes | None:
    place = _place_of(data, name)
    return None if place is None else data[place + _ID_BYTES : place + _RECORD_BYTES]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ErasureKeysUnusableError(str(error.strerror)) from error


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Give the file's descriptor, made where there is none, with nobody else adding to it or destroying in it."""
    try:
        make_folder(path.parent.parent, mode=0o700)
        make_folder(path.parent, mode=0o700)
        fresh = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if fresh:
                sync_folder(path.parent)
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ErasureKeysUnusableError(str(error.strerror)) from error


def _whole_records(descriptor: int) -> bytes:
    """Return the file's whole records; what a crash left of a last one is overwritten by the next."""
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    return data[: len(data) - len(data) % _RECORD_BYTES]


def _write_at(descriptor: int, place: int, data: bytes) -> None:
    written = os.pwrite(descriptor, data, place)
    if written != len(data):
        raise ErasureKeysUnusableError("a key could not be written whole")
    os.fsync(descriptor)
