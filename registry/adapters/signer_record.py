"""What a log's signer signed last, kept apart from the database: so that a database set back is noticed before it signs.

The record is written before the signature exists that it is about. It lies on another path than the database, best on
another disk, and no backup of the database may bring it back. One signer writes it; a reader finds the whole record or the one before.

Spec: specs/transparency-log.md "Signing"
"""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.errors import BonafidesError
from registry.durable_file import make_folder, write_durably
from registry.errors import DependencyError
from registry.log.merkle import HASH_BYTES, MAX_TREE_SIZE

FORMAT = "bonafides/signer-record/1"
_MEMBERS = {"format", "origin", "size", "rootHash", "frozen", "successor"}
_MAX_BYTES = 4_096
_FOR_A_WHILE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What says nothing of the file: whoever opens many connections must not close a log for as long as its process lives."""


class SignerRecordError(DependencyError):
    """The signer's record cannot be read, or is another log's: nothing is signed before that is clear."""

    code = "signer_record_unreadable"
    title = "The signer's record cannot be used"


@dataclass(frozen=True, slots=True)
class RecordedHead:
    """The largest head that a signer has set out to sign.

    Attributes:
        size: tree size, leaves, above 0.
        root_hash: 32 bytes.
        frozen: it is the log's last one, for ever.
        successor: where the log goes on after that, an origin or URL; empty for nowhere.
    """

    size: int
    root_hash: bytes
    frozen: bool = False
    successor: str = ""


class SignerRecord(Protocol):
    """Where a signer remembers; a file here, in a key service elsewhere."""

    def load(self) -> RecordedHead | None:
        """Return what was recorded last, or None before the first signature.

        Raises:
            SignerRecordError: ``signer_record_unreadable``.
            OSError: it cannot be looked at now, for want of memory or descriptors; trying again is right.
        """
        ...

    def save(self, head: RecordedHead) -> None:
        """Record a head; it is durable when this returns.

        Raises:
            OSError: it may or may not be there.
        """
        ...


def record_path(folder: Path, origin: str) -> Path:
    """Return the default place of a log's record.

    Args:
        folder: of the registry's data.
        origin: of the log; its SHA-256 names the file.
    """
    return folder / "signer" / f"{hashlib.sha256(origin.encode('utf-8')).hexdigest()}.record"


class FileSignerRecord:
    """The record as a file of canonical JSON, readable by its owner alone.

    Args:
        path: of the file; its folder is made if need be.
        origin: of the log.
    """

    def __init__(self, path: Path, *, origin: str) -> None:
        self._path, self._origin = path, origin

    def load(self) -> RecordedHead | None:
        """See `SignerRecord.load`."""
        try:
            with self._path.open("rb") as file:
                data = file.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in _FOR_A_WHILE:
                raise
            raise SignerRecordError(f"{self._path}: {error.strerror}") from error
        try:
            found = parse_json_object(data, max_bytes=_MAX_BYTES)
            root_hash = base64url_decode(str(found["rootHash"]))
            head = RecordedHead(found["size"], root_hash, found["frozen"], found["successor"])
        except (BonafidesError, KeyError) as error:
            raise SignerRecordError(f"{self._path} is no record of a signer") from error
        if found.keys() != _MEMBERS or found["format"] != FORMAT or not _is_sound(head):
            raise SignerRecordError(f"{self._path} is no record of a signer")
        if found["origin"] != self._origin:
            raise SignerRecordError(f"{self._path} is the record of another log")
        return head

    def save(self, head: RecordedHead) -> None:
        """See `SignerRecord.save`."""
        wire = {
            "format": FORMAT,
            "origin": self._origin,
            "size": head.size,
            "rootHash": base64url_encode(head.root_hash),
            "frozen": head.frozen,
            "successor": head.successor,
        }
        make_folder(self._path.parent, mode=0o700)
        write_durably(self._path, canonicalize(wire))


def _is_sound(head: RecordedHead) -> bool:
    sound_types = [type(value) for value in (head.size, head.frozen, head.successor)] == [int, bool, str]
    return (
        sound_types
        and 0 < head.size <= MAX_TREE_SIZE
        and len(head.root_hash) == HASH_BYTES
        and (head.frozen or not head.successor)
    )
