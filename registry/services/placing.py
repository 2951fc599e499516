"""Giving statements their place: known ids are answered, the others are admitted one by one into a draft.

Runs on the writer's thread and touches nothing but the draft and the store's entries; what comes out is a batch that is
to be committed, or dropped as if it had never been.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from did_methods.errors import BonafidesError
from registry.history.errors import WitnessOrderError
from registry.history.sequence import SequencedLeaf, sequence
from registry.history.state import Draft, LogState
from registry.history.statement import (
    CredentialStatement,
    Statement,
    VerifiedStatement,
    check_instant,
    claimed_time_ms,
    has_loose_witnesses,
    verify_statement,
)
from registry.log.entry import Party
from registry.log.merkle import leaf_hash
from registry.services.submission import Accepted, Outcome, Submission
from registry.storage.log import LogStore
from registry.storage.opening import SealedOpening


class Admission(Protocol):
    """The registry's own limits on who may write how much; not part of the log's rules."""

    def check(self, draft: Draft, verified: VerifiedStatement, *, time_ms: int) -> None:
        """Raise a LimitError when the signer has used up its share."""

    def count(self, parties: Sequence[Party], kind: str, *, time_ms: int) -> None:
        """Count a leaf that has its place, at once: one batch cannot hold more than the budget."""


@dataclass(slots=True)
class Batch:
    """One group commit in the making.

    Attributes:
        draft: the state that it leads to.
        now_ms: the wall clock, or why it cannot be trusted now: then nothing new gets a place.
        first: index of its first leaf.
        leaves: in order.
        openings: to be stored beside.
    """

    draft: Draft
    now_ms: int | BonafidesError
    first: int
    leaves: list[SequencedLeaf] = field(default_factory=list)
    openings: list[SealedOpening] = field(default_factory=list)

    @property
    def log_time_ms(self) -> int:
        """Log time of the next leaf: the clock, but never before the last leaf.

        Raises:
            BonafidesError: why the clock cannot be trusted now.
        """
        if isinstance(self.now_ms, BonafidesError):
            raise self.now_ms
        return max(self.now_ms, self.draft.head.last_time_ms)


class Placer:
    """Places submissions into batches.

    Args:
        store: where entries that are in the log already are read.
        state: the committed state.
        admission: the registry's limits.
    """

    def __init__(self, *, store: LogStore, state: LogState, admission: Admission) -> None:
        self._store = store
        self._state = state
        self._admission = admission

    def place(self, batch: Batch, submission: Submission) -> list[Outcome] | BonafidesError:
        """Sequence one submission's statements into the batch; return one outcome each, or what refused all of it."""
        statements = submission.statements
        try:
            if submission.prepare is not None:
                statements = submission.prepare(batch.draft, _instant_of(batch))
        except BonafidesError as error:
            return error
        if has_loose_witnesses(statements, together=submission.together):
            return WitnessOrderError("witness proofs come together with the entry that they approve")
        before = batch.draft.savepoint() if submission.together and len(statements) > 1 else None
        placed = len(batch.leaves)
        outcomes: list[Outcome] = []
        refusal: BonafidesError | None = None
        for statement in statements:
            try:
                outcomes.append(self._place_one(batch, statement))
            except BonafidesError as error:
                if submission.together:
                    refusal = error
                    break
                outcomes.append(error)
        if refusal is None and batch.draft.head.witness_ahead is not None:
            refusal = WitnessOrderError("the entry that the witness proofs approve is in the log without them")
        if before is not None:
            (batch.draft.release if refusal is None else batch.draft.restore)(before)
        if refusal is not None:
            del batch.leaves[placed:]
            return refusal
        new = {one.event_id for one in outcomes if isinstance(one, Accepted) and not one.repeated}
        batch.openings.extend(opening for opening in submission.openings if opening.event_id in new)
        return outcomes

    def find(self, event_id: bytes) -> Accepted | None:
        """Return where an event stands in the committed log, or None."""
        index = self._state.tables.events.get(event_id)
        entry = None if index is None else self._store.entry(index)
        if entry is None:
            return None
        return Accepted(event_id, entry.index, leaf_hash(entry.data), entry.time_ms, repeated=True)

    def _place_one(self, batch: Batch, statement: Statement | VerifiedStatement) -> Accepted:
        known = self._known(batch, statement)
        if known is not None:
            return known
        leaf = self._sequence_one(batch, statement)
        batch.leaves.append(leaf)
        return Accepted(leaf.event_id, leaf.index, leaf.leaf_hash, leaf.time_ms)

    def _known(self, batch: Batch, statement: Statement | VerifiedStatement) -> Accepted | None:
        """Answer a known id with its first index, before any time or signature check."""
        event_id = (statement.statement if isinstance(statement, VerifiedStatement) else statement).event_id
        index = batch.draft.events.get(event_id)
        if index is None:
            return None
        if index < batch.first:
            return self.find(event_id)
        leaf = batch.leaves[index - batch.first]
        return Accepted(event_id, index, leaf.leaf_hash, leaf.time_ms, repeated=True)

    def _sequence_one(self, batch: Batch, statement: Statement | VerifiedStatement) -> SequencedLeaf:
        draft = batch.draft
        replay = _is_replay(draft, statement)
        unverified = statement.statement if isinstance(statement, VerifiedStatement) else statement
        time_ms = claimed_time_ms(unverified) if replay else batch.log_time_ms
        if isinstance(statement, VerifiedStatement):
            check_instant(statement, time_ms=time_ms, origin=_origin(draft))
            verified = statement
        else:
            verified = verify_statement(statement, keys=draft, now_ms=time_ms, origin=_origin(draft))
        if not replay:
            self._admission.check(draft, verified, time_ms=time_ms)
        leaf = sequence(draft, verified, time_ms=time_ms)
        self._admission.count(leaf.parties, leaf.kind, time_ms=time_ms)
        return leaf


def _instant_of(batch: Batch) -> int:
    """Return the instant at which statements are made; a replay does not depend on the clock."""
    genesis = batch.draft.head.genesis
    if isinstance(batch.now_ms, BonafidesError) and genesis is not None and genesis.profile == "replay":
        return batch.draft.head.last_time_ms
    return batch.log_time_ms


def _origin(draft: Draft) -> str:
    return draft.head.genesis.origin if draft.head.genesis else ""


def _is_replay(draft: Draft, statement: Statement | VerifiedStatement) -> bool:
    """Say whether log time comes from the statement: entry 0 declares it for all, itself included."""
    if draft.head.genesis is not None:
        return draft.head.genesis.profile == "replay"
    unverified = statement.statement if isinstance(statement, VerifiedStatement) else statement
    return isinstance(unverified, CredentialStatement) and unverified.credential.subject.get("profile") == "replay"
