"""Answer "what was the score of this agent at that moment" for a file of rated history, by the product's own rules.

Events are folded in the order of their sequence numbers, agents register at their first appearance, epochs come at
fixed intervals and cover everything before them. A query sees events strictly before it in time order: an event at the
same millisecond comes after the query. Nothing depends on how agents are spelled or in which order rows are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from registry.reputation.rules import DAY_MS
from registry.reputation.state import ReputationState


@dataclass(frozen=True, slots=True)
class RatedEvent:
    """One rating: positive is a vouch, negative a report; its size is not counted.

    Attributes:
        seq: position in the log; unique.
        time_ms: log time, not falling with ``seq``.
        source: who rates.
        target: who is rated; ratings of oneself are skipped.
        rating: zero is skipped.
    """

    seq: int
    time_ms: int
    source: str
    target: str
    rating: float


@dataclass(frozen=True, slots=True)
class ScoreQuery:
    """Ask for one agent's score before the events of ``time_ms``, or, with ``seq``, before that event."""

    query_id: str
    time_ms: int
    agent: str
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class ScoreAnswer:
    """Score and record in millionths of a point, and the score's exact integer form; an unknown agent starts at 25."""

    query_id: str
    score_micros: int
    record_micros: int
    score_units: int


class _Replay:
    """A state, and the position of the next leaf."""

    def __init__(self, roots: Sequence[str], epoch_ms: int) -> None:
        self.state = ReputationState()
        self._draft = self.state.draft()
        self._roots, self._epoch_ms = roots, epoch_ms
        self._leaf = self._number = 0
        self._last_ms = 0
        self._due: int | None = None

    def _next_leaf(self) -> int:
        self._leaf += 1
        return self._leaf

    def fold(self, event: RatedEvent) -> None:
        self.settle(event.time_ms)
        draft = self._draft
        for did in (event.source, event.target):
            if not draft.is_registered(did):
                draft.register(did, index=self._next_leaf(), time_ms=event.time_ms)
        leaf = self._next_leaf()
        draft.own_act(event.source, index=leaf, time_ms=event.time_ms)
        speak = draft.vouch if event.rating > 0 else draft.report
        speak(event.source, event.target, context=None, index=leaf, time_ms=event.time_ms)
        self._last_ms = event.time_ms
        draft.commit()

    def settle(self, now_ms: int) -> None:
        """Commit the epoch that has become due by ``now_ms``; of several quiet ones the last says it all."""
        if self._due is None:
            self._due = now_ms + self._epoch_ms
        if now_ms < self._due:
            return
        late = (now_ms - self._due) // self._epoch_ms
        instant = self._due + late * self._epoch_ms
        leaf = self._next_leaf()
        self._draft.epoch(
            self._number,
            tree_size=leaf,
            index=leaf,
            time_ms=max(instant, self._last_ms),
            roots=self._roots,
            silenced=frozenset(),
        )
        self._draft.commit()
        self._number += 1
        self._due = instant + self._epoch_ms

    def answer(self, query: ScoreQuery) -> ScoreAnswer:
        self.settle(query.time_ms)
        if not self.state.is_registered(query.agent):
            return ScoreAnswer(query.query_id, 25_000_000, 25_000_000, 1 << 38)
        reading = self.state.reading(query.agent, now_ms=query.time_ms)
        return ScoreAnswer(query.query_id, reading.score_micros, reading.record_micros, reading.score_units)


def replay_scores(
    events: Iterable[RatedEvent], queries: Iterable[ScoreQuery], *, roots: Sequence[str], epoch_ms: int = DAY_MS
) -> Iterator[ScoreAnswer]:
    """Yield the answer to every query, in time order.

    Args:
        events: in any order; ``seq`` decides.
        queries: in any order.
        roots: the root list, in force from the first event on.
        epoch_ms: interval of epochs in milliseconds.
    """
    replay = _Replay(roots, epoch_ms)
    ordered = sorted(events, key=lambda event: event.seq)
    at = 0
    for query in sorted(queries, key=lambda query: (query.time_ms, -1 if query.seq is None else query.seq)):
        while at < len(ordered) and (
            ordered[at].time_ms < query.time_ms if query.seq is None else ordered[at].seq < query.seq
        ):
            event = ordered[at]
            at += 1
            if event.source != event.target and event.rating:
                replay.fold(event)
        yield replay.answer(query)
