"""Bringing a log's database forward: the entries that it lost are imported from where they were published.

Nothing is imported before all of it, together with what the database has, hashes to a root that this log's key has signed; then every entry
is verified and folded as when it was first taken, and appended in portions. Each portion leaves a prefix of the signed
tree, so that whoever dies on the way begins again where it ended. Openings are not in the log and stay lost.

Spec: specs/transparency-log.md "Checking and recovering"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from did_methods.errors import BonafidesError
from registry.audit.reader import LogReader, Portion
from registry.errors import DependencyError, VerificationError
from registry.history.replay import verify_leaf
from registry.history.sequence import SequencedLeaf
from registry.log.checkpoint import Checkpoint, verify_checkpoint
from registry.log.merkle import NodeReader, RightEdge, leaf_hash
from registry.log.note import NoteKey
from registry.log.tile import TileContentError, TileId, append_leaves, encode_tile, tile_node_reader, tile_width
from registry.services.rollback_guard import LogHeadError
from registry.services.snapshot import load_state
from registry.storage.log import LogStore

PORTION: Final = 512
Progress = Callable[[str, int, int], None]
"""(stage, done, total)."""


class RecoverySourceError(DependencyError):
    """What was published there does not hold the entries of the tree that its checkpoint names."""

    code = "recovery_source_incomplete"
    title = "The missing entries cannot be read there"


class RecoveryBehindError(DependencyError):
    """The source has less than the database, or less than is known to have been signed."""

    code = "recovery_source_behind"
    title = "The missing entries were not published there"


class LogForkedError(VerificationError):
    """The database holds entries that the signed tree has not.

    Where nothing of them was ever signed, restore a backup, which reads the published log. Where both were, the log is over: freeze
    what readers know, and begin a new log under a new origin.
    """

    code = "log_forked"
    title = "The database and the signed tree are two histories"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was done.

    Attributes:
        old_size: before.
        size: now.
    """

    old_size: int
    size: int


class LogRecovery:
    """Brings one database forward to one published tree.

    Args:
        store: the log.
        key: its note key; the name is the origin.
        reader: of what was published.
        progress: told how far it is.
    """

    def __init__(
        self, *, store: LogStore, key: NoteKey, reader: LogReader, progress: Progress = lambda *_: None
    ) -> None:
        self._store, self._key, self._reader, self._progress = store, key, reader, progress

    def run(self) -> Recovered:
        """Import what is missing.

        Raises:
            RecoveryBehindError: ``recovery_source_behind``.
            RecoverySourceError: ``recovery_source_incomplete``.
            LogForkedError: ``log_forked``.
            LogHeadError: ``log_head_contradicts``.
            BonafidesError: the checkpoint does not verify, or an entry does not.
        """
        target = verify_checkpoint(self._reader.checkpoint(), origin=self._key.name, key=self._key).checkpoint
        size, root_hash = self._store.head()
        if target.size < size:
            raise RecoveryBehindError(f"size {target.size} there, {size} here", size=target.size)
        self._check_prefix(target, size, root_hash)
        if target.size > size:
            self._import(target, size, self._hashes(target, size))
        return Recovered(size, target.size)

    def _check_prefix(self, target: Checkpoint, size: int, root_hash: bytes) -> None:
        """Prove from the published tiles that what the database has is the beginning of the signed tree."""
        if size and self._store.right_edge(size).root() != root_hash:
            raise LogHeadError(f"at size {size}", size=size)
        read = self._published_nodes(target.size)
        try:
            whole, ours = _edge(target.size, read).root(), _edge(size, read).root()
        except TileContentError:
            raise RecoverySourceError("a tile is missing") from None
        if whole != target.root_hash:
            raise RecoverySourceError("the tiles have another root than the checkpoint")
        if size and ours != root_hash:
            raise LogForkedError(f"another tree at size {size}", size=size)

    def _published_nodes(self, size: int) -> NodeReader:
        def load(tile: TileId) -> bytes:
            hashes = self._reader.hashes(tile.level, tile.index, tile_width(tile, size))
            return encode_tile(hashes) if hashes else b""

        return tile_node_reader(load)

    def _hashes(self, target: Checkpoint, size: int) -> list[bytes]:
        """Hash the missing entries; return the hashes if they complete the signed tree."""
        edge, hashes = self._store.right_edge(size), []
        for portion in self._portions(size, target.size, "hashing"):
            for data in portion.entries:
                hashes.append(leaf_hash(data))
                edge.append(hashes[-1])
        if edge.root() != target.root_hash:
            raise RecoverySourceError("the entries have another root than the checkpoint")
        return hashes

    def _import(self, target: Checkpoint, size: int, hashes: list[bytes]) -> None:
        state, edge = load_state(self._store, size).state, self._store.right_edge(size)
        waiting: list[SequencedLeaf] = []
        draft = state.draft()
        for portion in self._portions(size, target.size, "importing"):
            for data in portion.entries:
                index = edge.size + len(waiting)
                if leaf_hash(data) != hashes[index - size]:
                    raise RecoverySourceError(f"entry {index} changed while it was read")
                try:
                    waiting.append(verify_leaf(draft, data))
                except BonafidesError as error:
                    raise RecoverySourceError(f"entry {index} is signed for and does not hold: {error.code}") from error
            if len(waiting) >= PORTION or index + 1 == target.size:
                self._append(waiting, edge)
                draft.commit()
                draft, waiting = state.draft(), []

    def _append(self, leaves: list[SequencedLeaf], edge: RightEdge) -> None:
        before = edge.root() if edge.size else b""
        tiles = append_leaves(edge, [leaf.leaf_hash for leaf in leaves])
        self._store.append(leaves, tiles, old_root_hash=before, root_hash=edge.root())

    def _portions(self, start: int, end: int, stage: str) -> Iterator[Portion]:
        for portion in self._reader.portions(start, end):
            if len(portion.entries) != portion.wanted:
                raise RecoverySourceError(f"entry {portion.start + len(portion.entries)} is missing")
            yield portion
            self._progress(stage, portion.start + portion.wanted - start, end - start)


def _edge(size: int, read: NodeReader) -> RightEdge:
    hashes, begin = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            hashes.append(read(level, begin >> level))
            begin += 1 << level
    return RightEdge(size, hashes)
