"""Answering from the state map: what it says of a subject, with everything that is needed to believe it.

An answer rests on the newest published checkpoint of the state log and is the same for everybody until the next one.

Spec: specs/state-map.md "Answers"
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_encode, parse_json_object
from registry.errors import DependencyError, NotFoundError
from registry.log.merkle import leaf_hash
from registry.log.proof import InclusionProof, inclusion_to_wire
from registry.log.state_map import MapProof, map_proof_to_wire, state_digest, subject_key
from registry.services.log import LogService
from registry.services.signing import SignedHead
from registry.services.state_map import MapView, StateMapKeeper
from registry.storage.state_log import StateLogStore


class StateMapNotReadyError(DependencyError):
    """No map has been published yet, or the one that was is still being read."""

    code = "state_map_not_ready"
    title = "The state map is not ready yet"


class StateRecordDamagedError(DependencyError):
    """What is stored of a subject is not what the published map commits to."""

    code = "state_record_damaged"
    title = "A stored state is damaged"


class BucketNotFoundError(NotFoundError):
    """No bucket has that hash, or not any more."""

    code = "state_bucket_not_found"
    title = "No such bucket of the state map"


@dataclass(frozen=True, slots=True)
class StateAnswer:
    """What the map says of a subject, and the way up to both logs' checkpoints.

    Attributes:
        subject: what was asked about.
        record: its record, JCS bytes; None where the map has no row of it.
        proof: bucket and path.
        view: the entry of the state log that the map belongs to.
        inclusion: that entry's path in the state log.
        state_head: the state log's checkpoint.
        note: the main log's checkpoint of the size that the entry is about.
    """

    subject: str
    record: bytes | None
    proof: MapProof
    view: MapView
    inclusion: Sequence[bytes]
    state_head: SignedHead
    note: bytes

    def to_wire(self) -> dict[str, Any]:
        """Return the answer as JSON.

        Spec: specs/state-map.md "Answers"
        """
        entry, head = self.view.entry.to_bytes(), self.state_head
        inclusion = InclusionProof(self.view.index, head.size, leaf_hash(entry), head.root_hash, tuple(self.inclusion))
        return {
            "subject": self.subject,
            "state": None if self.record is None else parse_json_object(self.record),
            **map_proof_to_wire(self.proof),
            "entry": base64url_encode(entry),
            "inclusion": inclusion_to_wire(inclusion),
            "stateCheckpoint": head.note.decode(),
            "checkpoint": self.note.decode(),
        }


class StateProofs:
    """Makes the answers. Safe from any thread.

    Args:
        keeper: of the map.
        store: of the records.
        state_log: the state log as readers see it.
        note_at: the main log's published note of a size, or None.
    """

    def __init__(
        self,
        *,
        keeper: StateMapKeeper,
        store: StateLogStore,
        state_log: LogService,
        note_at: Callable[[int], bytes | None],
    ) -> None:
        self._keeper, self._store, self._state_log, self._note_at = keeper, store, state_log, note_at

    def prove(self, subject: str) -> StateAnswer:
        """Return what the newest published map says of a subject, be it that it says nothing.

        Args:
            subject: a DID by any name, or ``event:`` and an event id.

        Raises:
            NotSignedYetError: ``checkpoint_not_ready``.
            StateMapNotReadyError: ``state_map_not_ready``.
            StateRecordDamagedError: ``state_record_damaged``.
        """
        head = self._state_log.published_head
        try:
            return self._prove(subject, head)
        except StateRecordDamagedError:
            # Whoever was held up between two publications finds the older map's records gone.
            newer = self._state_log.published_head
            if newer.size == head.size:
                raise
            return self._prove(subject, newer)

    def _prove(self, subject: str, head: SignedHead) -> StateAnswer:
        view = self._keeper.view(head.size - 1)
        note = None if view is None else self._note_at(view.entry.size)
        if view is None or note is None:
            raise StateMapNotReadyError
        key = subject_key(subject)
        digest = view.map.get(key)
        record = None if digest is None else self._record(key, digest, covers=view.entry.size)
        _, inclusion = self._state_log.inclusion(view.index, head.size)
        return StateAnswer(subject, record, view.map.prove(key), view, inclusion, head, note)

    def bucket(self, name: bytes) -> bytes:
        """Return a bucket by its hash.

        Raises:
            BucketNotFoundError: ``state_bucket_not_found``.
        """
        data = self._keeper.bucket(name)
        if data is None:
            raise BucketNotFoundError
        return data

    def _record(self, key: bytes, digest: bytes, *, covers: int) -> bytes:
        stored = self._store.record(key, covers=covers)
        if stored is None or stored.record is None or state_digest(stored.record) != digest:
            raise StateRecordDamagedError
        return stored.record
