"""The one writer: takes verified statements, gives them their place, makes them durable, then visible.

Order of each batch: known ids are dropped, statements are admitted one by one into a draft, the leaves are hashed a second
time from the bytes that go to the disk, one transaction commits, and only then readers see the draft and callers get
their answer. A batch that cannot be committed leaves no trace in memory.

Where several processes share the database, each has such a writer, and a batch is one turn: the log's lock is taken inside
the transaction, what the others appended is folded first, and the lock goes with the transaction, whatever becomes of
the process. Between its turns a writer follows the log's tail.

Spec: specs/history.md "Sequencing"; adr/0021
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from did_methods.errors import BonafidesError
from registry.history.state import LogState
from registry.limits import SEQUENCER_BATCH, SEQUENCER_WAITING, TAIL_UNCONFIRMED_MS
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.tile import append_leaves
from registry.services.gathering import Gathering
from registry.services.log_clock import LogClock
from registry.services.placing import Admission, Batch, Placer
from registry.services.submission import (
    Accepted,
    CommitFailedError,
    Outcome,
    OverloadedError,
    SequencerStoppedError,
    Submission,
)
from registry.services.tail import Tail
from registry.storage.engine import DATABASE_FAILURES, CommitUnknownError
from registry.storage.log import LogStore, StoredEntryError

_LOG = logging.getLogger(__name__)
TICK_S = 0.2

Results = list[tuple[Submission, list[Outcome] | BonafidesError]]


@dataclass(slots=True)
class _Turn:
    """One group on its way into the log.

    Attributes:
        batch: None until the log's end is known.
        edge: the tree after it; None until it goes to the disk.
        results: what its submissions are told, once it is durable.
    """

    batch: Batch | None = None
    edge: RightEdge | None = None
    results: Results | None = None


class Sequencer:
    """Owns the log's end.

    Owner of the state: only the writer thread commits drafts, holding `lock`; readers hold `lock` while they gather.

    Args:
        store: the log.
        state: folded from it.
        clock: gives log time.
        admission: the registry's limits.
        edge: the log's tree.
        gathering: how long the writer waits between turns.
    """

    def __init__(
        self,
        *,
        store: LogStore,
        state: LogState,
        clock: LogClock,
        admission: Admission,
        edge: RightEdge,
        gathering: Gathering | None = None,
    ) -> None:
        self._store = store
        self.state = state
        self.lock = threading.Lock()
        self.clock = clock
        self._placer = Placer(store=store, state=state, admission=admission)
        self._tail = Tail(store=store, state=state, lock=self.lock, admission=admission, edge=edge)
        self._queue: queue.Queue[Submission | None] = queue.Queue()
        self._waiting = 0
        self._counting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._on_tick: list[Callable[[], None]] = []
        self._failed: BaseException | None = None
        self.may_write: Callable[[], None] = _nothing_against_it
        """Raises what forbids writing now: a log that was rolled back, or is frozen."""
        self.is_newest: Callable[[], bool] = lambda: True
        """Says whether nobody is known to hold a newer tree of this log than the database does."""
        self._gathering = gathering or Gathering()
        self.busy_s = 0.0
        """Seconds spent on appending since the process began."""

    def submit(self, submission: Submission) -> Future[list[Outcome]]:
        """Queue a submission; its future gives one outcome per statement, in order, once they are durable.

        The future of a submission that stands `together` raises what refused it.

        Raises:
            OverloadedError: ``overloaded``.
            SequencerStoppedError: ``log_not_writable``.
            BonafidesError: what forbids writing now.
        """
        self.check_open()
        with self._counting:
            # One submission always fits, however many statements it holds: its size is limited at the door.
            if self._waiting and self._waiting + submission.weight > SEQUENCER_WAITING:
                raise OverloadedError(f"{self._waiting} statements", retry_after_s=1)
            self._waiting += submission.weight
        # Whoever waits may give up; the writer tells the outcome all the same, and must find nothing withdrawn.
        submission.future.set_running_or_notify_cancel()
        self._queue.put(submission)
        if not self.is_writable:  # the writer may have stopped in between, and nobody looks at the queue any more
            self._refuse_all([])
        return submission.future

    def check_open(self) -> None:
        """Refuse where nothing could be taken now; for whoever has to use something up before it submits.

        Raises:
            SequencerStoppedError: ``log_not_writable``.
            BonafidesError: what forbids writing now, such as a log that was set back.
        """
        if self._failed is not None or self._thread is None:
            raise SequencerStoppedError
        self.may_write()

    def start(self, *on_tick: Callable[[], None]) -> None:
        """Start the writer thread; on_tick runs on it after each batch and at least every `TICK_S` seconds."""
        self._on_tick = list(on_tick)
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._thread.start()
        self._tail.listen(self.look)

    def look(self) -> None:
        """Look at once whether another process has appended; from any thread."""
        self._queue.put(_LOOK)

    def stop(self) -> None:
        """Finish what is queued, then stop."""
        self._tail.close()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
            self._refuse_all([])

    def fail(self, error: BaseException) -> None:
        """Take nothing more: something else found that this log must not grow. From any thread."""
        self._failed = error
        self._refuse_all([])

    @property
    def is_writable(self) -> bool:
        """Whether the log takes entries now."""
        return self._failed is None and self._thread is not None

    @property
    def has_failed(self) -> bool:
        """Whether it stopped because something is wrong, such as a log that is not as this process left it."""
        return self._failed is not None

    @property
    def waiting(self) -> int:
        """Statements that wait for their place."""
        return self._waiting

    @property
    def is_confirmed(self) -> bool:
        """Whether the state was known, a moment ago, to be the whole log: else nobody is allowed anything by it."""
        return self._tail.age_s * 1_000 <= TAIL_UNCONFIRMED_MS and self.is_newest()

    @property
    def tree(self) -> RightEdge:
        """The committed tree's compact range; a copy."""
        with self.lock:
            return self._tail.edge.copy()

    def find(self, event_id: bytes) -> Accepted | None:
        """Return where an event stands in the log, or None."""
        return self._placer.find(event_id)

    # ------------------------------------------------------------ the writer thread

    def _run(self) -> None:
        while True:
            group, stopping = self._next_group()
            if self._failed is not None:
                self._refuse_all(group)
                return
            began = time.monotonic()
            try:
                if group:
                    self.append(group)
                else:
                    self._follow()
                for action in self._on_tick:
                    action()
            except BaseException as error:  # the writer must not die silently: nothing more is taken
                self._failed = error
                self._refuse_all(group)
                raise
            if stopping:
                return
            self._gathering.note(sum(one.weight for one in group), began_s=began)

    def _next_group(self) -> tuple[list[Submission], bool]:
        group: list[Submission] = []
        statements = 0
        try:
            item = self._queue.get(timeout=TICK_S)
            if item is not None:
                self._gathering.wait()
            while True:
                if item is None:
                    return group, True
                if item is not _LOOK:
                    group.append(item)
                    statements += item.weight
                elif not group and self._queue.empty():
                    break
                if statements >= SEQUENCER_BATCH:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        with self._counting:
            self._waiting -= statements
        return group, False

    def _refuse_all(self, group: Sequence[Submission]) -> None:
        waiting = list(group)
        with suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if item is not None and item is not _LOOK:
                    waiting.append(item)
        for submission in waiting:
            submission.refuse(SequencerStoppedError())

    def _follow(self) -> None:
        """Fold what others appended; a database that does not answer is asked again at the next tick."""
        try:
            self._tail.follow()
        except DATABASE_FAILURES:
            _LOG.exception("the log's tail could not be read; trying again")

    # ------------------------------------------------------------ one group

    def append(self, group: Sequence[Submission]) -> None:
        """Append a group in one transaction and resolve its futures; on the writer thread, or before it starts."""
        began = time.monotonic()
        turn = _Turn()
        try:
            self._take_turn(turn, group)
        except Exception as error:  # noqa: BLE001 - raised again, or told to every caller
            if not self._survived(turn, group, error):
                return
        if turn.batch is not None and turn.edge is not None:
            self._tail.advance(turn.batch.draft, turn.edge)
        self.busy_s += time.monotonic() - began
        for submission, result in turn.results or ():
            if isinstance(result, BonafidesError):
                submission.future.set_exception(result)
            else:
                submission.future.set_result(result)

    def _take_turn(self, turn: _Turn, group: Sequence[Submission]) -> None:
        """Place and store a group; when this returns, what it placed is durable."""
        self._tail.follow()  # most of it without holding anybody up
        with self._store.sequencing(slow=any(one.slow for one in group)) as connection:
            if connection is not None:
                self._tail.follow(connection)
            turn.batch = Batch(self.state.draft(), self._now(), self.state.head.size)
            turn.results = [(submission, self._placer.place(turn.batch, submission)) for submission in group]
            if turn.batch.leaves:
                self._store_batch(turn, connection)

    def _now(self) -> int | BonafidesError:
        try:
            return self.clock.now_ms()
        except BonafidesError as error:
            return error

    def _store_batch(self, turn: _Turn, connection: Connection | None) -> None:
        assert turn.batch is not None
        leaves = turn.batch.leaves
        for leaf in leaves:
            # A bit flipped in memory between hashing and storing once ended a public log: hash the stored bytes again.
            if leaf_hash(leaf.data) != leaf.leaf_hash:
                raise StoredEntryError("a leaf changed in memory before it was stored")
        edge = self._tail.edge.copy()
        tiles = append_leaves(edge, [leaf.leaf_hash for leaf in leaves])
        turn.edge = edge
        self._store.append(
            leaves,
            tiles,
            old_root_hash=self._tail.root(),
            root_hash=edge.root(),
            openings=turn.batch.openings,
            connection=connection,
        )

    def _survived(self, turn: _Turn, group: Sequence[Submission], error: Exception) -> bool:
        """Deal with a turn that failed; return whether its batch is in the log all the same.

        Raises:
            Exception: what says that the log is not as this process left it: it must write no more.
        """
        if turn.edge is None:
            self._refuse_turn(turn, group, error)
            return False
        assert turn.batch is not None
        try:
            committed = self._is_committed(turn.batch, turn.edge, error)
        except DATABASE_FAILURES:
            _LOG.exception("whether a batch was committed is not known")
            self._refuse(group, CommitUnknownError(retry_after_s=1), error)
            return False
        except BonafidesError as refusal:
            self._refuse(group, refusal, error)
            raise
        if not committed:
            self._refuse(group, CommitFailedError(retry_after_s=1), error)
        return committed

    def _refuse_turn(self, turn: _Turn, group: Sequence[Submission], error: Exception) -> None:
        """Refuse a group of which nothing went to the disk."""
        if isinstance(error, DATABASE_FAILURES):
            _LOG.warning("the log's turn was lost: %s", error)
            self._refuse(group, CommitFailedError(retry_after_s=1), error)
            return
        if turn.batch is None or self._thread is None or isinstance(error, StoredEntryError):
            raise error
        self._isolate(group)

    def _is_committed(self, batch: Batch, edge: RightEdge, error: Exception) -> bool:
        """Find out what became of a commit whose outcome is unknown (a full disk, a lost connection): the database knows.

        Raises:
            Exception: the head is another one, though nobody else may write here.
        """
        if self._store.is_shared:
            with self._store.sequencing() as connection:  # only begins once the transaction we lost has ended
                entry = self._store.entry(batch.first, connection=connection)
            return entry is not None and entry.data == batch.leaves[0].data
        found = self._store.head()
        if found == (self._tail.edge.size, self._tail.root()):
            return False
        if found != (edge.size, edge.root()):
            raise error
        return True

    @staticmethod
    def _refuse(group: Sequence[Submission], refusal: BonafidesError, cause: Exception) -> None:
        refusal.__cause__ = cause
        for submission in group:
            submission.refuse(refusal)

    def _isolate(self, group: Sequence[Submission]) -> None:
        """Find the submission that met a defect of ours, and refuse it alone: it must not stop the log for all.

        The draft in which it happened is dropped, so nothing half-folded is kept.
        """
        if len(group) > 1:
            for submission in group:
                self.append([submission])
            return
        _LOG.exception("a submission met a defect and was refused")
        group[0].refuse(BonafidesError("this is a defect of the registry; its log says more"))


def _nothing_against_it() -> None:
    """Forbid nothing."""


_LOOK: Any = Submission(())
"""In the queue: look at the tail."""
