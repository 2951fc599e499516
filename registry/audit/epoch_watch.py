"""Notices automatic epochs that come late: the audit's view of the rule that the registry's own clock follows.

Spec: FORMATS "Epoch".
"""

from __future__ import annotations

from collections.abc import Sequence

from registry.audit.finding import Finding, make_finding
from registry.history.sequence import SequencedLeaf
from registry.history.state import Draft, Epoch, Head, LogState
from registry.limits import EPOCH_CHANGED_VOUCHES_PERMILLE, EPOCH_INTERVAL_MS, EPOCH_LATE_MS, EPOCH_MINIMUM_GAP_MS


class EpochWatch:
    """Follows a live log leaf by leaf (a `LeafObserver`); a replay has no automatic epochs."""

    name = "epochs"

    def __init__(self) -> None:
        self._due_ms: int | None = None

    def observe(self, leaf: SequencedLeaf, draft: Draft) -> Sequence[Finding]:
        """Return a remark if the leaf is an epoch that came late."""
        head = draft.head
        if head.genesis is None or head.genesis.profile != "live" or head.epoch is None:
            return ()
        found = None
        if leaf.kind == "epoch":
            found = self._lateness("epoch_late", leaf.time_ms, leaf.index)
            self._due_ms = head.epoch.logged_ms + EPOCH_INTERVAL_MS
        if self._due_ms is not None and _is_due_early(head, head.epoch):
            self._due_ms = min(self._due_ms, max(leaf.time_ms, head.epoch.logged_ms + EPOCH_MINIMUM_GAP_MS))
        return () if found is None else (found,)

    def end(self, state: LogState) -> Sequence[Finding]:
        """Return a remark if, by the log's own newest time, an epoch should have come long ago."""
        found = self._lateness("epoch_missing", state.head.last_time_ms, None)
        return () if found is None else (found,)

    def dump(self) -> int | None:
        """Return when the next epoch is due."""
        return self._due_ms

    def load(self, kept: int | None) -> None:
        """Go on from what `dump` gave."""
        self._due_ms = kept

    def _lateness(self, code: str, time_ms: int, index: int | None) -> Finding | None:
        if self._due_ms is None or time_ms <= self._due_ms + EPOCH_LATE_MS:
            return None
        minutes = (time_ms - self._due_ms) // 60_000
        kind = None if index is None else "epoch"
        return make_finding(
            code, f"{minutes} minutes after it was due", index=index, kind=kind, expected=self._due_ms, found=time_ms
        )


def _is_due_early(head: Head, epoch: Epoch) -> bool:
    changed = head.live_vouches_changed * 1_000 > head.live_vouches * EPOCH_CHANGED_VOUCHES_PERMILLE
    return changed or head.root_lists[-1].index != epoch.root_list_index
