"""Signing the heads of one log: only committed ones, only such as grew out of what was signed, one note per size.

Order of each signature, and what a crash leaves behind: the stored tree is proved to extend the signer's own record;
the record gets the new head, durably; the note is made; `signed` gets it, and commits; then it may leave. After a crash
behind the record, the same head is still committed and is signed by the next run, as the same bytes. No signature ever
exists whose head is not in the record, so a database that was set back cannot make a second one.

The same class signs every log of a registry: it knows a store, a record and a key, and no entries.

Spec: specs/transparency-log.md "Signing"
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from did_methods.errors import BonafidesError
from registry.adapters.signer_record import RecordedHead, SignerRecord
from registry.errors import DependencyError
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.merkle import ConsistencyProofError, NodeReader, RightEdge, consistency_proof, verify_consistency
from registry.log.note import NoteSigner
from registry.log.tile import TileContentError

_LOG = logging.getLogger(__name__)


class LogRolledBackError(DependencyError):
    """The log's database does not hold what was signed or published before: nothing is signed and nothing taken.

    `bonafides log recover` imports what is missing, where it was published.
    """

    code = "log_rolled_back"
    title = "The log was rolled back; it takes no entries"


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A checkpoint that was signed; once published, with the cosignatures that there are."""

    size: int
    root_hash: bytes
    note: bytes

    def to_checkpoint(self, origin: str) -> Checkpoint:
        """Return what the note says."""
        return Checkpoint(origin, self.size, self.root_hash)


class SignedStore(Protocol):
    """A log as its signer sees it: the committed tree, and what was signed."""

    def head(self) -> tuple[int, bytes]:
        """Return the committed size and root; size 0 before the first entry."""
        ...

    def node_reader(self) -> NodeReader:
        """Return a reader of the committed tree's perfect subtrees."""
        ...

    def right_edge(self, size: int) -> RightEdge:
        """Return the compact range of the committed tree at a size."""
        ...

    def newest_signed(self) -> tuple[int, bytes, bytes] | None:
        """Return size, root and note of the largest signed head, or None."""
        ...

    def save_signed(self, size: int, root_hash: bytes, note: bytes) -> bytes:
        """Remember a note durably; return the one of that size, byte for byte.

        Raises:
            SignedTwiceError: ``checkpoint_fork`` when another root was signed at this size.
        """
        ...


class CheckpointSigner:
    """Signs one log. For one thread at a time.

    Args:
        note_signer: the log's note key; its name is the origin.
        store: the log.
        record: the signer's own memory, apart from the store.
        alone: excludes every other signer of this log while it signs.
        signed: told the size of each new note, before it leaves and before another signer may sign.
    """

    def __init__(
        self,
        *,
        note_signer: NoteSigner,
        store: SignedStore,
        record: SignerRecord,
        alone: Callable[[], AbstractContextManager[None]] = nullcontext,
        signed: Callable[[int], None] = lambda _size: None,
    ) -> None:
        self._note_signer, self._store, self._record, self._alone = note_signer, store, record, alone
        self._signed = signed

    @property
    def note_signer(self) -> NoteSigner:
        """The log's note key under its origin."""
        return self._note_signer

    def newest(self) -> SignedHead | None:
        """Return the largest head that the store says was signed, or None."""
        newest = self._store.newest_signed()
        return None if newest is None else SignedHead(*newest)

    def recorded(self) -> RecordedHead | None:
        """Return what this signer's own record says, or None.

        Raises:
            SignerRecordError: ``signer_record_unreadable``.
        """
        return self._record.load()

    def sign(self, *, final: bool = False, successor: str = "") -> SignedHead | None:
        """Sign the committed head; return the largest signed one, None for an empty log.

        Args:
            final: record that it is the last one: nothing larger is signed any more.
            successor: where the log goes on after that; stays as it was first given.

        Raises:
            LogRolledBackError: ``log_rolled_back``, the stored tree does not extend what was recorded or signed.
            SignedTwiceError: ``checkpoint_fork``.
            SignerRecordError: ``signer_record_unreadable``.
            OSError: the record cannot be written, or not be read now; nothing was signed.
        """
        with self._alone():
            size, root_hash = self._store.head()
            newest = self.newest()
            if newest is not None and newest.size > size:
                raise LogRolledBackError(f"size {newest.size} was signed, {size} is there", size=newest.size)
            recorded = self._record.load()
            if size == 0 and recorded is None:
                return None
            self._check_growth(recorded, newest, size, root_hash)
            wanted = RecordedHead(size, root_hash, frozen=final, successor=successor)
            if recorded is not None and recorded.frozen:
                wanted = recorded
            if recorded != wanted:
                self._record.save(wanted)
            if newest is not None and newest.size == size:
                return newest
            note = sign_checkpoint(Checkpoint(self._note_signer.name, size, root_hash), self._note_signer.signing_key)
            kept = self._store.save_signed(size, root_hash, note)
            self._signed(size)
            return SignedHead(size, root_hash, kept)

    def _check_growth(
        self, recorded: RecordedHead | None, newest: SignedHead | None, size: int, root_hash: bytes
    ) -> None:
        """Prove from the stored tree that it extends both memories: the record, and what the store itself says."""
        if recorded is not None and recorded.frozen and recorded.size != size:
            raise LogRolledBackError(f"the log was frozen at size {recorded.size}", size=recorded.size)
        before = {(one.size, one.root_hash) for one in (recorded, newest) if one is not None}
        for known_size, known_root in sorted(before):
            if not extends(self._store, known_size, known_root, size=size, root_hash=root_hash):
                raise LogRolledBackError(f"the tree of size {known_size} that was signed is not in it", size=known_size)
        if not before and not _has_root(self._store, size, root_hash):
            raise LogRolledBackError("the stored tree has another root than its head")


def extends(store: SignedStore, first: int, first_root: bytes, *, size: int, root_hash: bytes) -> bool:
    """Say whether the committed tree grew out of an earlier one; proved from the stored nodes.

    Args:
        store: the log.
        first: earlier size, above 0.
        first_root: its root, 32 bytes.
        size: the committed size.
        root_hash: its root, 32 bytes.

    Spec: RFC 9162 2.1.4
    """
    if first > size:
        return False
    if first == size:
        return first_root == root_hash
    try:
        proof = consistency_proof(first, size, store.node_reader())
        verify_consistency(first_root, root_hash, first=first, second=size, proof=proof)
    except (ConsistencyProofError, TileContentError):
        return False
    return True


def _has_root(store: SignedStore, size: int, root_hash: bytes) -> bool:
    try:
        return store.right_edge(size).root() == root_hash
    except BonafidesError:
        return False
