"""Places each leaf between witness times: when independent clocks had not seen it yet, and when they had.

A cosignature of a checkpoint says that at its time the tree was there, and that its witness knew no larger one. So a leaf in that
tree was logged before then, whatever its log time says, and a leaf behind it hardly long before. Between the two times
lies what a registry could have shifted; where no time follows, the leaf is unwitnessed.

Spec: c2sp.org/tlog-cosignature; specs/audit.md "Witness times".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from did_methods.timestamp import format_timestamp
from registry.audit.finding import Finding, make_finding
from registry.history.sequence import SequencedLeaf
from registry.history.state import Draft, Head, LogState
from registry.limits import CLOCK_WINDOW_MS


@dataclass(frozen=True, slots=True, order=True)
class WitnessMark:
    """A verified cosignature: at that time a witness saw a tree of that size, and knew no larger one.

    Attributes:
        size: of the tree, leaves.
        time_ms: milliseconds since the epoch.
        witness: its name.
    """

    size: int
    time_ms: int
    witness: str


@dataclass(frozen=True, slots=True)
class WitnessedRange:
    """Leaves between the same two witness times.

    Attributes:
        start: the first leaf.
        end: the leaf after the last.
        after_ms: the newest time at which a witness had seen only what lies before them; None where none has.
        before_ms: the oldest time at which a witness had seen them all; None where none has: they are unwitnessed.
    """

    start: int
    end: int
    after_ms: int | None
    before_ms: int | None

    def to_wire(self) -> dict[str, Any]:
        """Return the range as JSON."""
        times = {
            name: None if one is None else format_timestamp(one)
            for name, one in (("after", self.after_ms), ("before", self.before_ms))
        }
        return {"from": self.start, "below": self.end, **times}


class WitnessTimes:
    """Holds log times against witness times (a `LeafObserver`). The marks are given anew in each audit."""

    name = "witness_times"

    def __init__(self) -> None:
        self._marks: list[WitnessMark] = []
        self._sizes: list[int] = []
        self._latest: list[int] = []
        self._earliest: list[int] = []
        self._told: set[tuple[str, int]] = set()

    @property
    def witnesses(self) -> tuple[str, ...]:
        """The witnesses whose marks there are, by name."""
        return tuple(sorted({one.witness for one in self._marks}))

    def add(self, marks: Iterable[WitnessMark]) -> None:
        """Take marks; those that are known change nothing."""
        self._marks = sorted({*self._marks, *marks})
        self._sizes = [one.size for one in self._marks]
        self._latest, self._earliest = [], []
        for mark in self._marks:
            self._latest.append(max(mark.time_ms, self._latest[-1] if self._latest else 0))
        for mark in reversed(self._marks):
            self._earliest.append(min(mark.time_ms, self._earliest[-1] if self._earliest else mark.time_ms))
        self._earliest.reverse()

    def place(self, index: int) -> tuple[int | None, int | None]:
        """Return between which witness times (ms) a leaf lies; None where there is none on that side."""
        at = bisect_right(self._sizes, index)  # marks from here on are of trees that hold the leaf
        after = self._latest[at - 1] if at else None
        return after, self._earliest[at] if at < len(self._marks) else None

    def ranges(self, size: int) -> tuple[WitnessedRange, ...]:
        """Return where all leaves of a tree lie, in order."""
        bounds = sorted({0, size, *(one for one in self._sizes if one < size)})
        return tuple(WitnessedRange(start, end, *self.place(start)) for start, end in pairwise(bounds))

    def observe(self, leaf: SequencedLeaf, draft: Draft) -> Sequence[Finding]:
        """Return what contradicts the log time of a leaf; of leaves between the same times the first one only."""
        return self._judge(leaf.index, leaf.time_ms, leaf.kind) if self._marks and _is_live(draft.head) else ()

    def end(self, state: LogState) -> Sequence[Finding]:
        """Hold the newest leaf against times that came after it was observed."""
        if not self._marks or not state.head.size or not _is_live(state.head):
            return ()
        return self._judge(state.head.size - 1, state.head.last_time_ms, None)

    def _judge(self, index: int, time_ms: int, kind: str | None) -> Sequence[Finding]:
        after, before = self.place(index)
        found: list[Finding] = []
        if before is not None and time_ms > before + CLOCK_WINDOW_MS:
            found += self._tell("log_time_after_witness", before, index, kind, time_ms)
        if after is not None and time_ms < after - CLOCK_WINDOW_MS:
            found += self._tell("log_time_before_witness", after, index, kind, time_ms)
        return found

    def _tell(self, code: str, witnessed_ms: int, index: int, kind: str | None, time_ms: int) -> list[Finding]:
        if (code, witnessed_ms) in self._told:
            return []
        self._told.add((code, witnessed_ms))
        shown = format_timestamp(witnessed_ms), format_timestamp(time_ms)
        return [make_finding(code, index=index, kind=kind, expected=shown[0], found=shown[1])]

    def dump(self) -> None:
        """Return nothing: the notes that the times stand in are kept, and verified again."""

    def load(self, kept: None) -> None:
        """Go on from nothing."""


def _is_live(head: Head) -> bool:
    """Say whether log times are meant to be those of clocks; a replay's are those of its statements."""
    return head.genesis is not None and head.genesis.profile == "live"
