"""Notices automatic epochs that come late: the audit's view of the rule that the registry's own clock follows.

Spec: FORMATS "Epoch".
"""

from __future__ import annotations

from registry.audit.finding import Finding, make_finding
from registry.history.sequence import SequencedLeaf
from registry.history.state import Epoch, Head
from registry.limits import EPOCH_CHANGED_VOUCHES_PERMILLE, EPOCH_INTERVAL_MS, EPOCH_LATE_MS, EPOCH_MINIMUM_GAP_MS


class EpochWatch:
    """Follows a live log leaf by leaf; a replay has no automatic epochs."""

    def __init__(self) -> None:
        self._due_ms: int | None = None

    def observe(self, head: Head, leaf: SequencedLeaf) -> Finding | None:
        """Take note of a leaf.

        Args:
            head: the state just after the leaf.
            leaf: the leaf.

        Returns:
            A remark if the leaf is an epoch that came late.
        """
        if head.genesis is None or head.genesis.profile != "live" or head.epoch is None:
            return None
        found = None
        if leaf.kind == "epoch":
            found = self._lateness("epoch_late", leaf.time_ms, leaf.index)
            self._due_ms = head.epoch.logged_ms + EPOCH_INTERVAL_MS
        if self._due_ms is not None and _is_due_early(head, head.epoch):
            self._due_ms = min(self._due_ms, max(leaf.time_ms, head.epoch.logged_ms + EPOCH_MINIMUM_GAP_MS))
        return found

    def overdue(self, head: Head) -> Finding | None:
        """Return a remark if, by the log's own newest time, an epoch should have come long ago."""
        return self._lateness("epoch_missing", head.last_time_ms, None)

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
