"""The public log for whoever wants single entries, or the new ones as they come: nothing is handed on unverified.

An entry is handed on when a signed checkpoint covers it and its place in that tree is proven from tiles. Two checkpoints
that were seen one after the other must be of one tree that grew. Who signed an entry is not looked at here; that is
`bonafides audit`.

Spec: c2sp.org/tlog-tiles, c2sp.org/tlog-checkpoint
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_encode
from did_methods.data_integrity import event_id
from registry.audit.published_tree import PublishedTree
from registry.client.errors import (
    LogEntryMissingError,
    LogProofError,
    RegistryAnswerError,
    RegistryUnreachableError,
)
from registry.client.log_reader import LogReader
from registry.client.tile_folder import FolderTransport
from registry.client.transport import Transport, did_segment
from registry.client.view import CHECKPOINT_PAUSE_S, CHECKPOINT_WAITS
from registry.log.checkpoint import Checkpoint, VerifiedCheckpoint, verify_checkpoint
from registry.log.entry import Leaf, parse_leaf
from registry.log.merkle import leaf_hash
from registry.log.note import NoteKey, parse_note_key


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry that stands in the tree of a signed checkpoint.

    Attributes:
        index: where.
        data: its bytes.
        leaf: what they say.
        proof: inclusion proof in the tree of `head`, from the leaf up; empty where the whole tree was computed.
        head: the checkpoint.
    """

    index: int
    data: bytes
    leaf: Leaf
    proof: tuple[bytes, ...]
    head: VerifiedCheckpoint

    @property
    def event(self) -> str:
        """The event id, base64url."""
        digest = self.leaf.digest
        return base64url_encode(event_id(self.leaf.event) if digest is None else digest)

    def to_wire(self) -> dict[str, Any]:
        """Return the entry as JSON; the leaf's own members keep their names."""
        parties = [
            {
                "did": one.did,
                "roles": list(one.roles),
                "count": one.count,
                "prevIndex": one.prev_index,
                "prevLeafHash": None if one.prev_leaf_hash is None else base64url_encode(one.prev_leaf_hash),
            }
            for one in self.leaf.parties
        ]
        return {
            "index": self.index,
            "time": self.leaf.time_ms,
            "kind": self.leaf.kind,
            "event": self.event,
            "leafHash": base64url_encode(leaf_hash(self.data)),
            "parties": parties,
            "document": self.leaf.event,
            "treeSize": self.head.checkpoint.size,
        }


class VerifiedLog:
    """A log under one key.

    Args:
        transport: to a registry, or to a folder of tiles.
        key: C2SP verifier key; None takes the one that the log itself names (trust on first use).

    Raises:
        NoteKeyError: ``note_key_malformed``.
    """

    def __init__(self, transport: Transport | FolderTransport, key: str | None = None) -> None:
        self._transport = transport
        self.reader = LogReader(transport)
        self.key: NoteKey = parse_note_key(self.reader.first_key() if key is None else key)

    def head(self) -> VerifiedCheckpoint:
        """Return the newest checkpoint, its signature verified.

        Raises:
            VerificationError: the codes of `verify_checkpoint`.
        """
        return verify_checkpoint(self.reader.checkpoint(), origin=self.key.name, key=self.key)

    def _find(self, event: str) -> int:
        """Return where the registry says that an event stands."""
        index = self._transport.get(f"/v1/events/{did_segment(event)}").get("index")
        if not isinstance(index, int):
            raise RegistryAnswerError("not an event")
        return index

    def _head_over(self, index: int) -> VerifiedCheckpoint:
        """Return a checkpoint that reaches an index, waiting a moment for it: signing follows the commit."""
        for _ in range(CHECKPOINT_WAITS):
            head = self.head()
            if head.checkpoint.size > index:
                return head
            time.sleep(CHECKPOINT_PAUSE_S)
        return self.head()

    def entry(self, name: str) -> LoggedEntry:
        """Return an entry, proven to be in the newest checkpoint's tree.

        Args:
            name: a log index, or an event id in base64url.

        Raises:
            RegistryRefusedError: ``registry_refused``, for an event that the registry does not know.
            LogEntryMissingError: ``log_entry_missing``, the newest checkpoint does not reach so far.
            LogProofError: ``log_proof_invalid``, or another event stands there.
            VerificationError: the codes of the checkpoint and the proof.
            LeafMalformedError, LeafNotCanonicalError: it is no leaf.
        """
        is_index = name.isascii() and name.isdigit()
        index = int(name) if is_index else self._find(name)
        head = self.head() if is_index else self._head_over(index)
        size = head.checkpoint.size
        if index >= size:
            raise LogEntryMissingError(f"the newest checkpoint covers {size} entries", index=index)
        data = self.reader.entry(index, size)
        if data is None:
            raise LogProofError("the log does not serve the entry", index=index)
        proof = PublishedTree(self.reader, size).verify_entry(data, index=index, head=head)
        found = LoggedEntry(index, data, parse_leaf(data), proof, head)
        if not is_index and found.event != name:
            raise LogProofError("another event stands where the registry says", index=index)
        return found

    def entries(self, start: int, head: VerifiedCheckpoint) -> Iterator[LoggedEntry]:
        """Yield the entries from an index up to a checkpoint, a bundle at a time, each bundle held against its root.

        Raises:
            LogProofError: ``log_proof_invalid``.
            ConsistencyProofError: ``consistency_proof_invalid``, the entries are not those of the signed tree.
            LeafMalformedError, LeafNotCanonicalError: one is no leaf.
        """
        size = head.checkpoint.size
        tree = PublishedTree(self.reader, size)
        edge = tree.edge(start)
        for portion in self.reader.portions(start, size):
            if not portion.is_exact:
                raise LogProofError("the log does not serve its entries", index=portion.start + len(portion.entries))
            for data in portion.entries:
                edge.append(leaf_hash(data))
            # A bundle is proven as a whole: the tree that it completes must be a beginning of the signed one.
            tree.verify_extends(Checkpoint(self.key.name, edge.size, edge.root()), head.checkpoint)
            for offset, data in enumerate(portion.entries):
                yield LoggedEntry(portion.start + offset, data, parse_leaf(data), (), head)

    def newer(self, known: VerifiedCheckpoint) -> VerifiedCheckpoint:
        """Return the newest checkpoint, its tree proven to contain the known one's.

        Raises:
            LogProofError: ``log_proof_invalid``, the log is smaller than it was or shows two roots of one size.
            ConsistencyProofError: ``consistency_proof_invalid``.
        """
        head = self.head()
        seen, shown = known.checkpoint, head.checkpoint
        if shown.size < seen.size:
            raise LogProofError(f"the log had {seen.size} entries and shows {shown.size} now")
        if shown.size == seen.size:
            if shown.root_hash != seen.root_hash:
                raise LogProofError(f"two roots for size {shown.size}: the log has forked")
            return head
        PublishedTree(self.reader, shown.size).verify_extends(seen, shown)
        return head

    def follow(
        self, since: int | None, *, pause: Callable[[], None], away: Callable[[RegistryUnreachableError], None]
    ) -> Iterator[LoggedEntry]:
        """Yield entries as checkpoints come to cover them, without end.

        Args:
            since: the first index; None begins with what is logged from now on.
            pause: called between two looks at the log.
            away: told, once each time, that the log does not answer; it is asked again after the pause.

        Raises:
            LogProofError, ConsistencyProofError, VerificationError: as `entries` and `newer`.
        """
        known = self.head()
        start, is_away = known.checkpoint.size if since is None else since, False
        while True:
            try:
                known = self.newer(known)
                if known.checkpoint.size > start:
                    for entry in self.entries(start, known):
                        yield entry
                        start = entry.index + 1
                is_away = False
            except RegistryUnreachableError as error:
                if not is_away:
                    away(error)
                is_away = True
            pause()
