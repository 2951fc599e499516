"""The best and the worst of a log at an instant, from the fold alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from registry.history.state import LogState

By = Literal["score", "record"]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One agent's place.

    Attributes:
        place: from 1, by the figure chosen, then by the other one, then by DID.
        did, state: who.
        score_micros, record_micros: the figures, in millionths of a point.
        vouches, reports: live ones that count.
    """

    place: int
    did: str
    state: str
    score_micros: int
    record_micros: int
    vouches: int
    reports: int

    def to_wire(self) -> dict[str, Any]:
        """Return the place as JSON."""
        return {
            "place": self.place,
            "did": self.did,
            "state": self.state,
            "scoreMicros": self.score_micros,
            "recordMicros": self.record_micros,
            "vouches": self.vouches,
            "reports": self.reports,
        }


def rank_agents(state: LogState, *, now_ms: int, by: By = "score", context: str | None = None) -> list[Ranked]:
    """Return all agents, the best first.

    Args:
        state: the fold.
        now_ms: the instant, not before the last leaf.
        by: the figure to order by.
        context: a context slug; None is overall.
    """
    rows = []
    for agent in state.tables.agents.values():
        reading = state.reputation.reading(agent.did, context, now_ms=now_ms)
        score, record = reading.score_micros, reading.record_micros
        first, second = (score, record) if by == "score" else (record, score)
        rows.append((-first, -second, agent.did, agent.state, reading))
    rows.sort(key=lambda row: row[:3])
    return [
        Ranked(
            place, did, state_name, reading.score_micros, reading.record_micros,
            reading.factors.vouches, reading.factors.reports,
        )
        for place, (_, _, did, state_name, reading) in enumerate(rows, 1)
    ]  # fmt: skip


def ends_of(ranking: Sequence[Ranked], *, top: int, bottom: int) -> list[Ranked]:
    """Return the first and the last places, each once; all of them where neither is asked for."""
    if not top and not bottom:
        return list(ranking)
    begin = max(top, len(ranking) - bottom) if bottom else len(ranking)
    return [*ranking[:top], *ranking[begin:]]
