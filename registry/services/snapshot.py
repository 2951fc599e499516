"""The folded state kept beside the log, so that a start need not fold all of it.

A snapshot is a cache: one that is of another version, or does not belong to this very log, is ignored and the log is
folded from entry 0. It is kept in portions, each with what changed since the one before, so that keeping it costs in
proportion to what was logged, however large the log is. How often one is kept follows from time, not from entries, because
an epoch over many agents costs as much as a thousand statements.

Spec: specs/history.md "Drafts and snapshots"; adr/0023
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from registry.adapters.interpreter import without_collector
from registry.adapters.pace import Pace
from registry.errors import ParseError
from registry.history.replay import replay_leaf
from registry.history.snapshot import START, Mark, Portion, dump_state, mark_of, take_changes
from registry.history.snapshot import load_state as parse_state
from registry.history.state import Changes, LogState
from registry.services.sequencer import Sequencer
from registry.storage.engine import DATABASE_FAILURES
from registry.storage.log import LogStore

_LOG = logging.getLogger(__name__)

KEEP_AFTER_S = 1.0
"""A start after a crash does again what the writer did since the last portion: about this much at least."""

WORK_PER_PORTION = 9
"""Writing one takes processor time from everybody: at most a tenth of the writer's goes there."""


@dataclass(frozen=True, slots=True)
class LoadedState:
    """The state of the whole log.

    Attributes:
        state: folded to the log's end.
        mark: where the snapshot ended.
        whole_bytes: of the snapshot's first portion.
        more_bytes: of all others.
        fold_s: seconds that folding the entries after it took.
    """

    state: LogState
    mark: Mark
    whole_bytes: int
    more_bytes: int
    fold_s: float

    @property
    def snapshot_size(self) -> int:
        """Entries that the snapshot covered; 0 without one."""
        return self.mark.size


def load_state(store: LogStore, size: int, *, noting: bool = False) -> LoadedState:
    """Fold the log from the newest snapshot on; signatures were verified when the entries were taken.

    Args:
        store: the log.
        size: of it, leaves.
        noting: let the state note what changes from the snapshot on, for `Snapshots`.

    Raises:
        BonafidesError: an entry does not follow from those before it.
    """
    with without_collector():
        state, portions = _load_snapshot(store, size)
        mark = mark_of(state) if portions else START
        state.unsaved = Changes() if noting else None
        began = time.monotonic()
        draft = state.draft()
        for entry in store.walk(mark.size, size):
            replay_leaf(draft, entry.data)
        draft.commit()
    return LoadedState(state, mark, sum(portions[:1]), sum(portions[1:]), time.monotonic() - began)


def _load_snapshot(store: LogStore, size: int) -> tuple[LogState, list[int]]:
    """Return the state that was kept and the bytes of its portions; an empty one where none can be used."""
    kept = store.load_snapshot()
    if kept is not None and kept.size <= size and store.right_edge(kept.size).root() == kept.root:
        try:
            state = parse_state(*kept.portions)
        except ParseError:
            pass
        else:
            if state.head.size == kept.size:
                return state, list(map(len, kept.portions))
    return LogState(), []


@dataclass(frozen=True, slots=True)
class _Keeping:
    """A portion on its way to the database.

    Attributes:
        mark: where the one before it ended.
        seen: size that the snapshot covered then.
        portion: what it says.
        future: gives its bytes, None where another process went on with the snapshot.
    """

    mark: Mark
    seen: int
    portion: Portion
    future: Future[int | None]


class Snapshots:
    """Decides when the state is kept. Owner: the writer thread, and whoever stops the registry after it.

    The writer only puts aside what changed; a thread of its own writes it down, at a pace that leaves the interpreter to
    whoever answers. What could not be kept is put back, and goes into the next portion.

    Of several processes on one database one keeps the snapshot: whoever finds that another has gone on with it stops
    noting changes, and begins again with the whole state when the other has stopped.
    """

    def __init__(self, *, store: LogStore, sequencer: Sequencer, loaded: LoadedState) -> None:
        self._store = store
        self._sequencer = sequencer
        self._mark: Mark | None = loaded.mark
        self._seen = store.snapshot_size()
        self._whole_bytes, self._more_bytes = loaded.whole_bytes, loaded.more_bytes
        self._busy_s = sequencer.busy_s - loaded.fold_s
        self._cost_s = 0.0
        self._thread = ThreadPoolExecutor(1, "snapshot")
        self._keeping: _Keeping | None = None

    def start(self) -> None:
        """Start the thread: once others fill the process, a first portion that finds no room for it would stop the writer."""
        self._thread.submit(int).result()

    def save_if_due(self) -> None:
        """Begin to keep what changed if so much was done since the last time that doing it again would be felt."""
        if self._keeping is not None and not self._keeping.future.done():
            return
        self._settle()
        if self._sequencer.busy_s - self._busy_s >= max(KEEP_AFTER_S, WORK_PER_PORTION * self._cost_s):
            self._begin()

    def save(self) -> None:
        """Keep what changed, unless nothing was logged since the last time; it is kept when this returns.

        Raises:
            SQLAlchemyError: the database refused it.
        """
        try:
            self._settle()
        except (*DATABASE_FAILURES, OSError):
            _LOG.exception("what changed could not be kept; trying again")
        self._begin()
        self._settle()

    def save_at_end(self) -> None:
        """Keep what changed, or all of it where a start would have to read as much again in portions."""
        self.save()
        self._thread.shutdown()
        if self._more_bytes > self._whole_bytes and self._mark is not None:
            self.save_whole()

    def save_whole(self) -> None:
        """Keep the whole state in one portion."""
        began = time.monotonic()
        data = dump_state(self._sequencer.state)
        self._store.save_snapshot(*self._head(), data)
        self._whole_bytes, self._more_bytes = len(data), 0
        self._begin_portion()
        self._cost_s = time.monotonic() - began

    def _begin(self) -> None:
        state, mark = self._sequencer.state, self._mark
        found = self._store.snapshot_size()
        if mark is not None and mark.size == found > 0:
            if state.head.size > mark.size and state.unsaved is not None:
                portion = take_changes(state, state.unsaved, mark)
                future = self._thread.submit(self._keep, portion, self._head(), mark.size)
                self._keeping = _Keeping(mark, self._seen, portion, future)
                self._begin_portion()
        elif found > self._seen:
            self._seen, self._mark, state.unsaved = found, None, None
        else:
            self.save_whole()
        self._busy_s = self._sequencer.busy_s

    def _keep(self, portion: Portion, head: tuple[int, bytes], after: int) -> int | None:
        """Write a portion down; on the thread of its own."""
        began = time.thread_time()
        data = portion.to_bytes(Pace().rest)
        kept = self._store.extend_snapshot(*head, data, after=after)
        self._cost_s = time.thread_time() - began
        return len(data) if kept else None

    def _settle(self) -> None:
        """Wait for the portion that is on its way; what was not kept counts as unsaved again.

        Raises:
            SQLAlchemyError, OSError: the database or the disk refused it.
        """
        keeping, self._keeping = self._keeping, None
        if keeping is None:
            return
        kept = None
        try:
            kept = keeping.future.result()
        finally:
            if kept is None:
                state = self._sequencer.state
                assert state.unsaved is not None  # a portion was begun, and only `_begin` ends that
                state.unsaved = keeping.portion.changes.then(state.unsaved)
                self._mark, self._seen = keeping.mark, keeping.seen
            else:
                self._more_bytes += kept

    def _head(self) -> tuple[int, bytes]:
        tree = self._sequencer.tree
        return tree.size, tree.root()

    def _begin_portion(self) -> None:
        state = self._sequencer.state
        self._mark, self._seen, state.unsaved = mark_of(state), state.head.size, Changes()
