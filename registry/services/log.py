"""Reading the log: checkpoint, tiles, bundles, proofs. And when it is signed; ``signing.py`` says how.

What is signed is not yet published: ``publisher.py`` says when. Tiles are served as far as the signed tree reaches, so
that no checkpoint is ever published before its tiles.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from registry.adapters.signer_record import SignerRecordError
from registry.errors import DependencyError, NotFoundError, ParseError
from registry.limits import SIGN_INTERVAL_MS
from registry.log.merkle import RightEdge, consistency_proof, inclusion_proof
from registry.log.tile import TILE_HEIGHT, TILE_WIDTH, TileContentError, encode_entry_bundle, tile_path
from registry.services.rollback_guard import RollbackGuard
from registry.services.signing import CheckpointSigner, LogRolledBackError, SignedHead
from registry.storage.tile_store import DatabaseTileStore
from registry.storage.tree import TreeRows


class TileNotFoundError(NotFoundError):
    """The tree does not reach that tile or width yet."""

    code = "tile_not_found"
    title = "No such tile"


class EntryNotFoundError(NotFoundError):
    """There is no such log entry."""

    code = "entry_not_found"
    title = "No such log entry"


class ProofRangeError(ParseError):
    """The index and sizes asked for do not fit the log."""

    code = "proof_range_invalid"
    title = "The proof's range does not fit the log"


class NotSignedYetError(DependencyError):
    """The log has no checkpoint yet."""

    code = "checkpoint_not_ready"
    title = "No checkpoint has been signed yet"


class TreeOwner(Protocol):
    """Whoever appends to a log: the sequencer to the main log, the state map's writer to the state log."""

    @property
    def tree(self) -> RightEdge:
        """The committed tree's compact range; a copy."""
        ...


class LogEnds(Protocol):
    """Where the database remembers that a log was frozen."""

    def successor(self) -> str | None:
        """Return where the log goes on, empty for nowhere; None for a log that has not ended."""
        ...

    def save(self, successor: str) -> str:
        """End the log, durably; return what was said when it was ended first."""
        ...


class LogService:
    """A log as readers see it."""

    def __init__(
        self,
        *,
        store: TreeRows,
        sequencer: TreeOwner,
        signer: CheckpointSigner,
        ends: LogEnds | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._files = DatabaseTileStore(store)
        self._sequencer = sequencer
        self.signer = signer
        self._ends = ends
        end = (lambda: None) if ends is None else ends.successor
        self.guard = RollbackGuard(signer=signer, head=store.head, root_at=self.root_at, end=end)
        self._mutex = threading.Lock()
        self._monotonic = monotonic
        self.sign_interval_s = SIGN_INTERVAL_MS / 1_000
        """Between two checkpoints of a log that grows all the time."""
        self._signed_at = -self.sign_interval_s
        self._signed = signer.newest()
        self._published: SignedHead | None = None
        self.on_signed: Callable[[], None] | None = None
        """Called after each signature, on the thread that signed: the publisher's."""
        self.on_idle: Callable[[], None] | None = None
        """Called at each tick, signed or not: the publisher's."""

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.signer.note_signer.name

    @property
    def verifier_key(self) -> str:
        """The key that signs its checkpoints, as a C2SP verifier key."""
        return self.signer.note_signer.key.to_text()

    @property
    def signed_head(self) -> SignedHead:
        """The newest checkpoint that was signed.

        Raises:
            NotSignedYetError: ``checkpoint_not_ready``.
        """
        if self._signed is None:
            raise NotSignedYetError
        return self._signed

    @property
    def published_head(self) -> SignedHead:
        """The newest checkpoint that was published, with its cosignatures.

        Raises:
            NotSignedYetError: ``checkpoint_not_ready``.
        """
        if self._published is None:
            raise NotSignedYetError
        return self._published

    def show(self, head: SignedHead) -> None:
        """Let readers have a checkpoint; for the publisher, who never goes back."""
        self._published = head

    @property
    def is_due(self) -> bool:
        """Whether the head is to be looked at: the last one was signed long enough ago."""
        return self._monotonic() - self._signed_at >= self.sign_interval_s

    def sign_if_due(self) -> None:
        """Sign as `sign_if_grown` does, but not more often than a log needs it.

        Raises:
            SignedTwiceError: ``checkpoint_fork``.
        """
        if self.is_due:
            self.guard.look_for_end()
            self.sign_if_grown()
        if self.on_idle is not None:
            self.on_idle()

    def sign_if_grown(self) -> None:
        """Sign the committed head if it grew and the guard lets it; the note is on the disk before it is shown.

        A tree that does not extend what was signed before closes the log; nothing is signed then.

        Raises:
            SignedTwiceError: ``checkpoint_fork``.
        """
        with self._mutex:
            if self._signed is not None and self._signed.size >= self._sequencer.tree.size:
                return
            if not self.guard.may_sign:
                return
            try:
                signed = self.signer.sign()
            except (LogRolledBackError, SignerRecordError) as error:
                self.guard.close(error)
                return
            if signed is None or (self._signed is not None and signed.size <= self._signed.size):
                return
            self._signed, self._signed_at = signed, self._monotonic()
            # Still holding the mutex: whoever finds nothing to sign may count on what was signed being shown.
            if self.on_signed is not None:
                self.on_signed()

    def freeze(self, successor: str = "") -> None:
        """Sign the committed head as the log's last one; asked again, it stays the last one.

        Args:
            successor: where the log goes on, an origin or URL; empty for nowhere.

        Raises:
            LogRolledBackError: ``log_rolled_back``.
            NotSignedYetError: ``checkpoint_not_ready``: the log is empty, or a quorum was silent about what it has seen.
        """
        with self._mutex:
            if not self.guard.may_sign:
                raise NotSignedYetError(
                    "a quorum of witnesses is silent: nothing is signed before they say what they saw"
                )
            if self._ends is not None:
                # First of all: from here on no process appends, so what is signed next is the last there is.
                successor = self._ends.save(successor)
            signed = self.signer.sign(final=True, successor=successor)
            if signed is None:
                raise NotSignedYetError
            self._signed = signed
            self.guard.freeze(successor)
            if self.on_signed is not None:
                self.on_signed()

    def tile(self, level: int, number: int, width: int) -> bytes:
        """Return a tile's hashes, as far as the signed tree reaches.

        Raises:
            TileNotFoundError: ``tile_not_found``.
        """
        size = self.signed_head.size >> (TILE_HEIGHT * level)
        data = self._files.get(tile_path(level, number, width=width)) if number * TILE_WIDTH + width <= size else None
        if data is None:
            raise TileNotFoundError
        return data

    def entry_bundle(self, number: int, width: int) -> bytes:
        """Return an entry bundle of the signed tree.

        Raises:
            TileNotFoundError: ``tile_not_found``.
        """
        start = number * TILE_WIDTH
        if start + width > self.signed_head.size:
            raise TileNotFoundError
        # Not from the tile store: where a row is missing, what is left of the bundle tells an auditor which.
        return encode_entry_bundle([entry.data for entry in self._store.entries(start, start + width)])

    def inclusion(self, index: int, size: int | None) -> tuple[int, Sequence[bytes]]:
        """Return (tree size, inclusion proof) of a leaf.

        Raises:
            ProofRangeError: ``proof_range_invalid``.
        """
        size = self.published_head.size if size is None else size
        if not 0 <= index < size <= self.signed_head.size:
            raise ProofRangeError("0 <= index < size <= the checkpoint's size")
        return size, inclusion_proof(index, size, self._store.node_reader())

    def consistency(self, first: int, second: int | None) -> tuple[int, Sequence[bytes]]:
        """Return (second size, consistency proof) of two sizes.

        Raises:
            ProofRangeError: ``proof_range_invalid``.
        """
        second = self.published_head.size if second is None else second
        if not 0 < first <= second <= self.signed_head.size:
            raise ProofRangeError("0 < from <= to <= the checkpoint's size")
        return second, consistency_proof(first, second, self._store.node_reader())

    def prove_growth(self, first: int, second: int) -> Sequence[bytes]:
        """Return the consistency proof for a witness: empty from 0 and to the same size."""
        return consistency_proof(first, second, self._store.node_reader()) if 0 < first < second else ()

    def root_at(self, size: int) -> bytes | None:
        """Return the root of the committed tree at a size, or None where it does not reach or is damaged."""
        if not 0 <= size <= self._store.head()[0]:
            return None
        try:
            return self._store.right_edge(size).root()
        except TileContentError:
            return None
