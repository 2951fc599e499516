"""The one writer: takes verified statements, gives them their place, makes them durable, then visible.

Order of each batch: known ids are dropped, statements are admitted one by one into a draft, the leaves are hashed a second
time from the bytes that go to the disk, one transaction commits, and only then readers see the draft and callers get
their answer. A batch that cannot be committed leaves no trace in memory.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from did_methods.errors import BonafidesError
from registry.adapters.system_clock import Clock
from registry.errors import DependencyError
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
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.tile import append_leaves
from registry.storage.log import LogStore, StoredEntryError
from registry.storage.opening import SealedOpening

_LOG = logging.getLogger(__name__)
BATCH = 512
QUEUE_LIMIT = 20_000
TICK_S = 0.2
CLOCK_SLACK_MS = 1_000


class LogClockError(DependencyError):
    """The machine's clock lies before the log's newest time."""

    code = "log_clock_behind"
    title = "The clock is behind the log's time"


class OverloadedError(DependencyError):
    """More is waiting than this process will keep."""

    code = "overloaded"
    title = "Too much is waiting; try again"


class CommitFailedError(DependencyError):
    """The database refused a batch; nothing of it was written."""

    code = "commit_failed"
    title = "The log could not be written; try again"


class SequencerStoppedError(DependencyError):
    """The writer has stopped and takes nothing more."""

    code = "log_not_writable"
    title = "The log takes no entries now"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A statement that is durably in the log.

    Attributes:
        event_id: 32 bytes.
        index: its leaf.
        leaf_hash: 32 bytes.
        time_ms: log time.
        repeated: it was there before this submission.
    """

    event_id: bytes
    index: int
    leaf_hash: bytes
    time_ms: int
    repeated: bool = False


Outcome = Accepted | BonafidesError


class Admission(Protocol):
    """The registry's own limits on who may write how much; not part of the log's rules."""

    def check(self, draft: Draft, verified: VerifiedStatement, *, time_ms: int) -> None:
        """Raise a LimitError when the signer has used up its share."""

    def count(self, draft: Draft, verified: VerifiedStatement, *, time_ms: int) -> None:
        """Count a statement that has its place, at once: one batch cannot hold more than the budget."""


@dataclass(slots=True)
class Submission:
    """What one caller hands in.

    Attributes:
        statements: parsed; verified where the keys were known outside.
        openings: sealed disclosures to keep beside them.
        together: all are accepted, one after the other, or none; else each stands for itself.
        prepare: for what depends on the state just before it, such as an epoch: makes the statements in the draft, or refuses.
    """

    statements: Sequence[Statement | VerifiedStatement]
    openings: Sequence[SealedOpening] = ()
    together: bool = True
    prepare: Callable[[Draft, int], Sequence[Statement | VerifiedStatement]] | None = None
    future: Future[list[Outcome]] = field(default_factory=Future)


class Sequencer:
    """Owns the log's end.

    Owner of the state: only the writer thread commits drafts, holding `lock`; readers hold `lock` while they gather.
    """

    def __init__(
        self, *, store: LogStore, state: LogState, clock: Clock, admission: Admission, edge: RightEdge
    ) -> None:
        self._store = store
        self.state = state
        self.lock = threading.Lock()
        self._clock = clock
        self._admission = admission
        self._edge = edge
        self._queue: queue.Queue[Submission | None] = queue.Queue(QUEUE_LIMIT)
        self._thread: threading.Thread | None = None
        self._on_tick: list[Callable[[], None]] = []
        self._failed: BaseException | None = None
        self.busy_s = 0.0
        """Seconds spent on appending since the process began."""

    def submit(self, submission: Submission) -> Future[list[Outcome]]:
        """Queue a submission; its future gives one outcome per statement, in order, once they are durable.

        The future of a submission that stands `together` raises what refused it.

        Raises:
            OverloadedError: ``overloaded``.
            SequencerStoppedError: ``log_not_writable``.
        """
        if self._failed is not None or self._thread is None:
            raise SequencerStoppedError
        try:
            self._queue.put_nowait(submission)
        except queue.Full as error:
            raise OverloadedError from error
        if not self.is_writable:  # the writer may have stopped in between, and nobody looks at the queue any more
            self._refuse_all([])
        return submission.future

    def start(self, *on_tick: Callable[[], None]) -> None:
        """Start the writer thread; on_tick runs on it after each batch and at least every `TICK_S` seconds."""
        self._on_tick = list(on_tick)
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued, then stop."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
            self._refuse_all([])

    @property
    def is_writable(self) -> bool:
        """Whether the log takes entries now."""
        return self._failed is None and self._thread is not None

    @property
    def tree(self) -> RightEdge:
        """The committed tree's compact range; a copy."""
        with self.lock:
            return self._edge.copy()

    def _run(self) -> None:
        while True:
            group, stopping = self._next_group()
            try:
                if group:
                    self.append(group)
                for action in self._on_tick:
                    action()
            except BaseException as error:  # the writer must not die silently: nothing more is taken
                self._failed = error
                self._refuse_all(group)
                raise
            if stopping:
                return

    def _next_group(self) -> tuple[list[Submission], bool]:
        group: list[Submission] = []
        statements = 0
        try:
            item = self._queue.get(timeout=TICK_S)
            while True:
                if item is None:
                    return group, True
                group.append(item)
                statements += len(item.statements)
                if statements >= BATCH:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        return group, False

    def _refuse_all(self, group: Sequence[Submission]) -> None:
        waiting = list(group)
        with suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if item is not None:
                    waiting.append(item)
        for submission in waiting:
            if not submission.future.done():
                submission.future.set_exception(SequencerStoppedError())

    def append(self, group: Sequence[Submission]) -> None:
        """Append a group in one transaction and resolve its futures; on the writer thread, or before it starts."""
        began = time.monotonic()
        batch = _Batch(self.state.draft(), self._clock.now_ms())
        try:
            results = [(submission, self._place(batch, submission)) for submission in group]
        except Exception:
            if self._thread is None:
                raise
            self._isolate(group)
            return
        if batch.leaves:
            try:
                self._commit(batch)
            except BonafidesError as error:
                results = [(submission, error) for submission in group]
                if not isinstance(error, CommitFailedError):
                    self._resolve(results)
                    raise
        self.busy_s += time.monotonic() - began
        self._resolve(results)

    def _isolate(self, group: Sequence[Submission]) -> None:
        """Find the submission that met a defect of ours, and refuse it alone: it must not stop the log for all.

        The draft in which it happened is dropped, so nothing half-folded is kept.
        """
        if len(group) > 1:
            for submission in group:
                self.append([submission])
            return
        _LOG.exception("a submission met a defect and was refused")
        group[0].future.set_exception(BonafidesError("this is a defect of the registry; its log says more"))

    @staticmethod
    def _resolve(results: Sequence[tuple[Submission, list[Outcome] | BonafidesError]]) -> None:
        for submission, result in results:
            if isinstance(result, BonafidesError):
                submission.future.set_exception(result)
            else:
                submission.future.set_result(result)

    def _place(self, batch: _Batch, submission: Submission) -> list[Outcome] | BonafidesError:
        """Sequence one submission's statements into the batch."""
        statements = submission.statements
        try:
            if submission.prepare is not None:
                statements = submission.prepare(batch.draft, self._log_time(batch.draft, batch.now_ms))
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

    def _place_one(self, batch: _Batch, statement: Statement | VerifiedStatement) -> Accepted:
        known = self._known(batch, statement)
        if known is not None:
            return known
        leaf = self._sequence_one(batch.draft, statement, batch.now_ms)
        batch.leaves.append(leaf)
        return Accepted(leaf.event_id, leaf.index, leaf.leaf_hash, leaf.time_ms)

    def _known(self, batch: _Batch, statement: Statement | VerifiedStatement) -> Accepted | None:
        """Answer a known id with its first index, before any time or signature check."""
        event_id = (statement.statement if isinstance(statement, VerifiedStatement) else statement).event_id
        index = batch.draft.events.get(event_id)
        if index is None:
            return None
        if index < self.state.head.size:
            return self.find(event_id)
        leaf = batch.leaves[index - self.state.head.size]
        return Accepted(event_id, index, leaf.leaf_hash, leaf.time_ms, repeated=True)

    def find(self, event_id: bytes) -> Accepted | None:
        """Return where an event stands in the log, or None."""
        index = self.state.tables.events.get(event_id)
        entry = None if index is None else self._store.entry(index)
        if entry is None:
            return None
        return Accepted(event_id, entry.index, leaf_hash(entry.data), entry.time_ms, repeated=True)

    def _sequence_one(self, draft: Draft, statement: Statement | VerifiedStatement, now: int) -> SequencedLeaf:
        replay = _is_replay(draft, statement)
        unverified = statement.statement if isinstance(statement, VerifiedStatement) else statement
        time_ms = claimed_time_ms(unverified) if replay else self._log_time(draft, now)
        if isinstance(statement, VerifiedStatement):
            check_instant(statement, time_ms=time_ms, origin=_origin(draft))
            verified = statement
        else:
            verified = verify_statement(statement, keys=draft, now_ms=time_ms, origin=_origin(draft))
        if not replay:
            self._admission.check(draft, verified, time_ms=time_ms)
        leaf = sequence(draft, verified, time_ms=time_ms)
        self._admission.count(draft, verified, time_ms=time_ms)
        return leaf

    def _log_time(self, draft: Draft, now: int) -> int:
        last = draft.head.last_time_ms
        if now < last - CLOCK_SLACK_MS:
            raise LogClockError
        return max(now, last)

    def _commit(self, batch: _Batch) -> None:
        leaves = batch.leaves
        for leaf in leaves:
            # A bit flipped in memory between hashing and storing once ended a public log: hash the stored bytes again.
            if leaf_hash(leaf.data) != leaf.leaf_hash:
                raise StoredEntryError("a leaf changed in memory before it was stored")
        edge = self._edge.copy()
        tiles = append_leaves(edge, [leaf.leaf_hash for leaf in leaves])
        root = edge.root()
        try:
            old_root = self._edge.root() if self._edge.size else b""
            self._store.append(leaves, tiles, old_root_hash=old_root, root_hash=root, openings=batch.openings)
        except Exception as error:
            # The commit's outcome may be unknown (a full disk, an interrupted call): the database says which it was.
            found = self._store.head()
            if found == (self._edge.size, self._edge.root() if self._edge.size else b""):
                raise CommitFailedError from error
            if found != (edge.size, root):
                raise
        with self.lock:
            batch.draft.commit()
            self._edge = edge


@dataclass(slots=True)
class _Batch:
    """One group commit in the making."""

    draft: Draft
    now_ms: int
    leaves: list[SequencedLeaf] = field(default_factory=list)
    openings: list[SealedOpening] = field(default_factory=list)


def _origin(draft: Draft) -> str:
    return draft.head.genesis.origin if draft.head.genesis else ""


def _is_replay(draft: Draft, statement: Statement | VerifiedStatement) -> bool:
    """Say whether log time comes from the statement: entry 0 declares it for all, itself included."""
    if draft.head.genesis is not None:
        return draft.head.genesis.profile == "replay"
    unverified = statement.statement if isinstance(statement, VerifiedStatement) else statement
    return isinstance(unverified, CredentialStatement) and unverified.credential.subject.get("profile") == "replay"
