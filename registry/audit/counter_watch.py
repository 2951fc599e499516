"""Counters of issuers: is every statement in the log that its issuer has counted?

An issuer that counts says in each statement which one it is and which one came before. A statement that the log does not
have leaves a gap as soon as a later one is logged, whoever withheld it. The log itself only looks at the form: a gap
must be recordable, and so must an issuer that counts wrongly.

Spec: specs/kinds/README.md "Counted statements"; specs/adr (issuer counters); specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from did_methods.codec import base64url_encode
from registry.audit.finding import Finding, make_finding
from registry.history.sequence import SequencedLeaf
from registry.history.state import Draft, LogState
from registry.log.entry import parse_leaf

_MARK: Final = b'"sequence":{"number":'
MAX_GAPS: Final = 256
"""Gaps kept for one issuer; one that leaves more is told of as one that does."""


@dataclass(slots=True)
class Gap:
    """Numbers that are not in the log.

    Attributes:
        first, last: of them.
        claimed: the event id of the last of them, as the statement after it says.
        index: that statement's leaf.
    """

    first: int
    last: int
    claimed: str | None
    index: int


@dataclass(slots=True)
class _Counter:
    """What one issuer has counted: the highest number, its event id, what is missing below it."""

    top: int = 0
    event: str | None = None
    gaps: list[Gap] = field(default_factory=list)
    forgotten: int = 0


class CounterWatch:
    """Follows the counters of all issuers (a `LeafObserver`)."""

    name = "counters"

    def __init__(self) -> None:
        self._counters: dict[str, _Counter] = {}

    def observe(self, leaf: SequencedLeaf, draft: Draft) -> Sequence[Finding]:
        """Return what is wrong with the leaf's number; a gap is told of at the end, for it may yet be filled."""
        if _MARK not in leaf.data:
            return ()
        document = parse_leaf(leaf.data).event
        counted = document.get("sequence")
        if counted is None:
            return ()
        issuer, event = draft.canonical_did(str(document["issuer"])), base64url_encode(leaf.event_id)
        counter = self._counters.setdefault(issuer, _Counter())
        number, previous = counted["number"], counted.get("previous")
        if number <= counter.top:
            code = _fill(counter, Gap(number, number, previous, leaf.index), event)
        else:
            code = "counter_previous" if number == counter.top + 1 and previous != counter.event else None
            if number > counter.top + 1:
                _open(counter, Gap(counter.top + 1, number - 1, previous, leaf.index))
            counter.top, counter.event = number, event
        if code is None:
            return ()
        return (make_finding(code, f"number {number}", index=leaf.index, kind=leaf.kind, did=issuer),)

    def end(self, state: LogState) -> Sequence[Finding]:
        """Return the gaps that were never filled."""
        del state
        found = []
        for issuer, counter in self._counters.items():
            for gap in counter.gaps:
                missing = f"number {gap.first}" if gap.first == gap.last else f"numbers {gap.first} to {gap.last}"
                found.append(make_finding("counter_gap", missing, index=gap.index, did=issuer))
            if counter.forgotten:
                found.append(make_finding("counter_gap", f"and {counter.forgotten} more gaps", did=issuer))
        return found

    def dump(self) -> Any:
        """Return the counters."""
        return {
            did: [
                one.top,
                one.event,
                [[gap.first, gap.last, gap.claimed, gap.index] for gap in one.gaps],
                one.forgotten,
            ]
            for did, one in self._counters.items()
        }

    def load(self, kept: Any) -> None:
        """Go on from what `dump` gave."""
        self._counters = {
            did: _Counter(top, event, [Gap(*gap) for gap in gaps], forgotten)
            for did, (top, event, gaps, forgotten) in kept.items()
        }


def _open(counter: _Counter, gap: Gap) -> None:
    if len(counter.gaps) < MAX_GAPS:
        counter.gaps.append(gap)
    else:
        counter.forgotten += 1


def _fill(counter: _Counter, found: Gap, event: str) -> str | None:
    """Take a number that was missing; return the code of what is wrong. One that was not missing is counted twice."""
    number = found.first
    for at, gap in enumerate(counter.gaps):
        if gap.first <= number <= gap.last:
            below = [Gap(gap.first, number - 1, found.claimed, found.index)] if number > gap.first else []
            above = [Gap(number + 1, gap.last, gap.claimed, gap.index)] if number < gap.last else []
            counter.gaps[at : at + 1] = below + above
            return "counter_previous" if number == gap.last and gap.claimed != event else None
    return None if counter.forgotten else "counter_repeated"
