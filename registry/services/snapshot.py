"""The folded state kept beside the log, so that a start need not fold all of it.

A snapshot is a cache: one that is of another version, or does not belong to this very log, is ignored and the log is
folded from entry 0. How often one is kept follows from time, not from entries, because an epoch over many agents costs
as much as a thousand statements.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from registry.adapters.collector import without_collector
from registry.errors import ParseError
from registry.history.replay import replay_leaf
from registry.history.snapshot import dump_state
from registry.history.snapshot import load_state as parse_state
from registry.history.state import LogState
from registry.services.sequencer import Sequencer
from registry.storage.log import LogStore

KEEP_AFTER_S = 0.5
"""A start after a crash does again what the writer did since the last snapshot: about this much at least."""

WORK_PER_SNAPSHOT = 9
"""Writing one takes time in proportion to the log and holds the writer up: at most a tenth of its time goes there."""


@dataclass(frozen=True, slots=True)
class LoadedState:
    """The state of the whole log.

    Attributes:
        state: folded to the log's end.
        snapshot_size: entries that the snapshot covered; 0 without one.
        fold_s: seconds that folding the others took.
    """

    state: LogState
    snapshot_size: int
    fold_s: float


def load_state(store: LogStore, size: int) -> LoadedState:
    """Fold the log from the newest snapshot on; signatures were verified when the entries were taken.

    Raises:
        BonafidesError: an entry does not follow from those before it.
    """
    with without_collector():
        state = _load_snapshot(store, size) or LogState()
        covered = state.head.size
        began = time.monotonic()
        draft = state.draft()
        for entry in store.walk(covered, size):
            replay_leaf(draft, entry.data)
        draft.commit()
    return LoadedState(state, covered, time.monotonic() - began)


def _load_snapshot(store: LogStore, size: int) -> LogState | None:
    snapshot = store.load_snapshot()
    if snapshot is None or snapshot[0] > size or store.right_edge(snapshot[0]).root() != snapshot[1]:
        return None
    try:
        return parse_state(snapshot[2])
    except ParseError:
        return None


class Snapshots:
    """Decides when the state is kept. Owner: the writer thread, and whoever stops the registry after it."""

    def __init__(self, *, store: LogStore, sequencer: Sequencer, loaded: LoadedState) -> None:
        self._store = store
        self._sequencer = sequencer
        self._size = loaded.snapshot_size
        self._kept = store.snapshot_size()
        self._busy_s = sequencer.busy_s - loaded.fold_s
        self._cost_s = 0.0

    def save_if_due(self) -> None:
        """Keep a snapshot if so much was done since the last one that doing it again would be felt.

        Of several processes one is enough: whoever finds that another has kept one meanwhile takes it for its own.
        """
        if self._sequencer.busy_s - self._busy_s < max(KEEP_AFTER_S, WORK_PER_SNAPSHOT * self._cost_s):
            return
        kept = self._store.snapshot_size()
        if kept == self._kept:
            self.save()
        else:
            self._size = self._kept = kept
            self._busy_s = self._sequencer.busy_s

    def save(self) -> None:
        """Keep a snapshot unless nothing was logged since the last one."""
        tree = self._sequencer.tree
        if tree.size > self._size:
            began = time.monotonic()
            self._store.save_snapshot(tree.size, tree.root(), dump_state(self._sequencer.state))
            self._cost_s = time.monotonic() - began
            self._size = self._kept = tree.size
        self._busy_s = self._sequencer.busy_s
