"""Proving how long an agent has been here: its registration against an old checkpoint, and from there to today's.

The old checkpoint is the oldest one that contains the registration and that a witness has cosigned, for only that carries a
time that is not the registry's own; where no witness ever did, it is the oldest that was signed.

Spec: specs/state-map.md "Age"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_encode
from registry.history.errors import AgentUnknownError
from registry.history.state import LogState
from registry.log.checkpoint import Checkpoint
from registry.log.merkle import leaf_hash
from registry.log.proof import ConsistencyProof, InclusionProof, consistency_to_wire, inclusion_to_wire
from registry.log.witness import claimed_checkpoint
from registry.services.log import EntryNotFoundError, LogService, NotSignedYetError
from registry.services.signing import SignedHead
from registry.storage.log import LogStore
from registry.storage.publication import PublicationStore


@dataclass(frozen=True, slots=True)
class AgeAnswer:
    """A registration, the old checkpoint that contains it, and the way to today's.

    Attributes:
        did: the agent, by the DID under which it first came.
        index: of its registration.
        entry: that leaf's bytes.
        old_note: the old checkpoint with its cosignatures.
        old: what it says.
        inclusion: the entry's path in it.
        consistency: from it to today's.
        head: today's checkpoint.
    """

    did: str
    index: int
    entry: bytes
    old_note: bytes
    old: Checkpoint
    inclusion: Sequence[bytes]
    consistency: Sequence[bytes]
    head: SignedHead

    def to_wire(self) -> dict[str, Any]:
        """Return the answer as JSON.

        Spec: specs/state-map.md "Age"
        """
        old, head = self.old, self.head
        inclusion = InclusionProof(self.index, old.size, leaf_hash(self.entry), old.root_hash, tuple(self.inclusion))
        grown = ConsistencyProof(old.size, head.size, old.root_hash, head.root_hash, tuple(self.consistency))
        return {
            "did": self.did,
            "entry": base64url_encode(self.entry),
            "inclusion": inclusion_to_wire(inclusion),
            "oldCheckpoint": self.old_note.decode(),
            "consistency": consistency_to_wire(grown),
            "checkpoint": head.note.decode(),
        }


class AgeProofs:
    """Makes the answers. Safe from any thread.

    Args:
        state: the folded log.
        log: as readers see it.
        entries: its rows.
        publications: its checkpoints and who cosigned them.
        note_at: the note of a size with its cosignatures, or None.
    """

    def __init__(
        self,
        *,
        state: LogState,
        log: LogService,
        entries: LogStore,
        publications: PublicationStore,
        note_at: Callable[[int], bytes | None],
    ) -> None:
        self._state, self._log, self._entries = state, log, entries
        self._publications, self._note_at = publications, note_at

    def prove(self, did: str) -> AgeAnswer:
        """Return the proof of an agent's registration.

        Args:
            did: by any of its names.

        Raises:
            AgentUnknownError: ``agent_unknown``.
            NotSignedYetError: ``checkpoint_not_ready``, also where the registration is newer than the checkpoint.
        """
        agent = self._state.find_agent(did)
        if agent is None:
            raise AgentUnknownError
        index, head = agent.registered_index, self._log.published_head
        size = self._publications.oldest_over(index)
        if head.size <= index or size is None or size > head.size:
            raise NotSignedYetError("no checkpoint contains the registration yet")
        entry, note = self._entries.entry(index), self._note_at(size)
        if entry is None or note is None:
            raise EntryNotFoundError
        _, inclusion = self._log.inclusion(index, size)
        _, consistency = self._log.consistency(size, head.size)
        return AgeAnswer(agent.did, index, entry.data, note, claimed_checkpoint(note), inclusion, consistency, head)
