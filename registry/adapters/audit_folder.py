"""Where an auditor keeps what it knows of a log between two audits: a private folder, one log in each.

``state.json`` names the other files and is replaced last, in one step: a run that is cut short, at any moment, leaves what
was there before. Damage is noticed by digests; whoever may write here as the auditor may also write other digests, so
the folder is as trusted as the auditor's account.

Spec: specs/audit.md "State folder".
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from did_methods.canonical import canonicalize, sha256_jcs
from did_methods.codec import base64url_encode, parse_json_object
from did_methods.errors import DidError
from registry.durable_file import make_folder, write_durably
from registry.errors import ConflictError, DependencyError, ParseError

FORMAT: Final = "bonafides/audit-state/2"
HASH_BYTES: Final = 32
MAX_STATE_BYTES: Final = 32 << 20
_STATE: Final = "state.json"
_MEMBERS: Final = {"format", "origin", "logKey", "url", "checkpoint", "fold", "leaves", "witnessed", "sum"}
_NO_SLUG: Final = re.compile(r"[^a-z0-9.]+")


class AuditStateFormatError(ParseError):
    """The folder's state is not one that an audit wrote, or was changed since."""

    code = "audit_state_malformed"
    title = "Not the state of an audit"


class AuditStateUnreadableError(DependencyError):
    """The folder cannot be read or written."""

    code = "audit_state_unreadable"
    title = "The audit's state cannot be read or written"


class AuditStateInUseError(ConflictError):
    """Another audit is at work on this log's state."""

    code = "audit_state_in_use"
    title = "Another audit of this log is running"


@dataclass(frozen=True, slots=True)
class AuditState:
    """What is kept between audits.

    Attributes:
        origin: the log's name.
        log_key: C2SP verifier key.
        url: where it was read.
        checkpoint: the newest note that was accepted, whole; None while none was.
        witnessed: notes with cosignatures that were accepted, oldest first.
    """

    origin: str
    log_key: str
    url: str
    checkpoint: bytes | None
    witnessed: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class _Names:
    """The files that a state names: name and SHA-256 of the fold, name and count of the leaf hashes."""

    fold: tuple[str, str] | None
    leaves: tuple[str, int] | None


class AuditFolder:
    """One log's folder; holds its lock from `open` to `close`.

    Args:
        folder: made if need be, for its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: int | None = None
        self._names = _Names(None, None)

    def open(self) -> AuditState | None:
        """Take the folder and read its state; None where there is none yet.

        Raises:
            AuditStateInUseError: ``audit_state_in_use``.
            AuditStateFormatError: ``audit_state_malformed``.
            AuditStateUnreadableError: ``audit_state_unreadable``.
        """
        try:
            make_folder(self.folder, mode=0o700)
            self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise AuditStateInUseError from None
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            return self._read()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the folder free."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def fold(self) -> bytes | None:
        """Return the fold; None where there is none, or where it is not the one that was written."""
        if self._names.fold is None:
            return None
        name, digest = self._names.fold
        data = self._file(name)
        return data if data is not None and hashlib.sha256(data).hexdigest() == digest else None

    def leaf_hashes(self) -> bytes:
        """Return the leaf hashes of the tree that was kept, 32 bytes each; none where they are not there."""
        if self._names.leaves is None:
            return b""
        name, count = self._names.leaves
        return (self._file(name) or b"")[: count * HASH_BYTES]

    @property
    def has_fold(self) -> bool:
        """Whether the state names a fold."""
        return self._names.fold is not None

    def save(self, state: AuditState, *, fold: bytes | None, leaf_hashes: bytes, goes_on: bool) -> None:
        """Keep a state; what was there is there until all of the new one is.

        Args:
            state: without secrets.
            fold: of an audit without breaches; None leaves the one that is kept.
            leaf_hashes: those that were not kept before.
            goes_on: they follow the ones that are kept; otherwise they are all.

        Raises:
            AuditStateUnreadableError: ``audit_state_unreadable``.
        """
        try:
            names = self._names
            if fold is not None:
                digest = hashlib.sha256(fold).hexdigest()
                write_durably(self.folder / f"fold-{digest[:16]}", fold)
                leaves = self._append(leaf_hashes) if goes_on else self._begin(digest, leaf_hashes)
                names = _Names((f"fold-{digest[:16]}", digest), leaves)
            write_durably(self.folder / _STATE, canonicalize(_to_wire(state, names)) + b"\n")
            self._names = names
            self._clean()
        except OSError as error:
            raise self._unreadable(error) from error

    def save_evidence(self, data: bytes) -> Path:
        """Keep a file of evidence for ever; return where.

        Raises:
            AuditStateUnreadableError: ``audit_state_unreadable``.
        """
        path = self.folder / f"split-view-{hashlib.sha256(data).hexdigest()[:16]}.json"
        try:
            write_durably(path, data)
        except OSError as error:
            raise self._unreadable(error) from error
        return path

    # ------------------------------------------------------------

    def _read(self) -> AuditState | None:
        data = self._file(_STATE)
        if data is None:
            return None
        state, self._names = _from_wire(data)
        return state

    def _file(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unreadable(error) from error

    def _begin(self, digest: str, leaf_hashes: bytes) -> tuple[str, int]:
        name = f"leaves-{digest[:16]}"
        write_durably(self.folder / name, leaf_hashes)
        return name, len(leaf_hashes) // HASH_BYTES

    def _append(self, leaf_hashes: bytes) -> tuple[str, int]:
        """Append behind what the state names; whatever a cut run left there is overwritten."""
        assert self._names.leaves is not None, "only a kept tree can go on"
        name, count = self._names.leaves
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.seek(count * HASH_BYTES)
            file.write(leaf_hashes)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        return name, count + len(leaf_hashes) // HASH_BYTES

    def _clean(self) -> None:
        """Remove what no state names any more."""
        named = {one[0] for one in (self._names.fold, self._names.leaves) if one is not None}
        for path in self.folder.iterdir():
            is_ours = path.name.startswith(("fold-", "leaves-")) or path.name.endswith(".new")
            if is_ours and path.name not in named:
                path.unlink()

    def _unreadable(self, error: OSError) -> AuditStateUnreadableError:
        return AuditStateUnreadableError(f"{self.folder}: {error.strerror}")


def states_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the folders of all logs lie: ``$XDG_STATE_HOME/bonafides/audit``, else below ``~/.local/state``."""
    named = environment.get("XDG_STATE_HOME", "")
    home = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"
    return home / "bonafides" / "audit"


def folder_of_log(states: Path, origin: str) -> Path:
    """Return one log's folder: a readable beginning of its origin, and what makes it unique."""
    slug = _NO_SLUG.sub("-", origin.lower()).strip("-.")[:60]
    return states / f"{slug}-{hashlib.sha256(origin.encode()).hexdigest()[:12]}"


def origins_at(states: Path, url: str) -> set[str]:
    """Return the origins of the logs that were audited at a URL before; folders that cannot be read do not count."""
    origins = set()
    for file in states.glob(f"*/{_STATE}"):
        with suppress(OSError, AuditStateFormatError):
            state, _ = _from_wire(file.read_bytes())
            origins |= {state.origin} if state.url == url else set()
    return origins


def _to_wire(state: AuditState, names: _Names) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "format": FORMAT,
        "origin": state.origin,
        "logKey": state.log_key,
        "url": state.url,
        "checkpoint": None if state.checkpoint is None else state.checkpoint.decode("utf-8"),
        "fold": None if names.fold is None else list(names.fold),
        "leaves": None if names.leaves is None else list(names.leaves),
        "witnessed": [note.decode("utf-8") for note in state.witnessed],
    }
    return wire | {"sum": base64url_encode(sha256_jcs(wire))}


def _from_wire(data: bytes) -> tuple[AuditState, _Names]:
    try:
        wire = parse_json_object(data, max_bytes=MAX_STATE_BYTES)
    except DidError as error:
        raise AuditStateFormatError from error
    rest = {name: value for name, value in wire.items() if name != "sum"}
    if wire.keys() != _MEMBERS or wire["format"] != FORMAT or wire["sum"] != base64url_encode(sha256_jcs(rest)):
        raise AuditStateFormatError
    # What an audit wrote and nobody changed has the types that it wrote.
    note = wire["checkpoint"]
    state = AuditState(
        origin=wire["origin"],
        log_key=wire["logKey"],
        url=wire["url"],
        checkpoint=None if note is None else note.encode("utf-8"),
        witnessed=tuple(one.encode("utf-8") for one in wire["witnessed"]),
    )
    fold = None if wire["fold"] is None else (wire["fold"][0], wire["fold"][1])
    leaves = None if wire["leaves"] is None else (wire["leaves"][0], wire["leaves"][1])
    return state, _Names(fold, leaves)
