"""The folded state kept beside the log, so that a start need not fold all of it.

A snapshot is a cache: one that is of another version, or does not belong to this very log, is ignored and the log is
folded from entry 0. It is kept in portions, each with what changed since the one before, so that keeping it costs in
proportion to what was logged, however large the log is. How often one is kept follows from time, not from entries, because
an epoch over many agents costs as much as a thousand statements.

Spec: specs/history.md "Drafts and snapshots"; adr/0023
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from registry.adapters.collector import without_collector
from registry.errors import ParseError
from registry.history.replay import replay_leaf
from registry.history.snapshot import START, Mark, dump_changes, dump_state, mark_of
from registry.history.snapshot import load_state as parse_state
from registry.history.state import Changes, LogState
from registry.services.sequencer import Sequencer
from registry.storage.log import LogStore

KEEP_AFTER_S = 1.0
"""A start after a crash does again what the writer did since the last portion: about this much at least."""

WORK_PER_PORTION = 9
"""Writing one holds the writer up: at most a tenth of its time goes there."""


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


class Snapshots:
    """Decides when the state is kept. Owner: the writer thread, and whoever stops the registry after it.

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

    def save_if_due(self) -> None:
        """Keep what changed if so much was done since the last time that doing it again would be felt."""
        if self._sequencer.busy_s - self._busy_s >= max(KEEP_AFTER_S, WORK_PER_PORTION * self._cost_s):
            self.save()

    def save(self) -> None:
        """Keep what changed, unless nothing was logged since the last time."""
        state, mark = self._sequencer.state, self._mark
        began = time.monotonic()
        found = self._store.snapshot_size()
        if mark is not None and mark.size == found > 0:
            if state.head.size > mark.size and state.unsaved is not None:
                self._extend(mark, dump_changes(state, state.unsaved, mark))
        elif found > self._seen:
            self._seen, self._mark, state.unsaved = found, None, None
        else:
            self.save_whole()
        self._cost_s = time.monotonic() - began
        self._busy_s = self._sequencer.busy_s

    def save_at_end(self) -> None:
        """Keep what changed, or all of it where a start would have to read as much again in portions."""
        self.save()
        if self._more_bytes > self._whole_bytes and self._mark is not None:
            self.save_whole()

    def save_whole(self) -> None:
        """Keep the whole state in one portion."""
        data = dump_state(self._sequencer.state)
        self._store.save_snapshot(*self._head(), data)
        self._whole_bytes, self._more_bytes = len(data), 0
        self._begin_portion()

    def _extend(self, mark: Mark, data: bytes) -> None:
        if self._store.extend_snapshot(*self._head(), data, after=mark.size):
            self._more_bytes += len(data)
            self._begin_portion()

    def _head(self) -> tuple[int, bytes]:
        tree = self._sequencer.tree
        return tree.size, tree.root()

    def _begin_portion(self) -> None:
        state = self._sequencer.state
        self._mark, self._seen, state.unsaved = mark_of(state), state.head.size, Changes()
