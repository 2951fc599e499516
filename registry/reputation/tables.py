"""What a state and a draft over it have in common: looking up rows, checking a statement, reading a score.

Refuses to read agents that are not registered and a ninth context of one pair. Costs a few dictionary look-ups and
needs no numpy: it is on the decision path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from registry.errors import LimitError, NotFoundError
from registry.reputation.evidence import (
    KINDS,
    OVERALL,
    SILENT,
    START,
    Agent,
    Key,
    KindName,
    Meta,
    Pair,
    Slot,
    Spoken,
    Standing,
    Voice,
    edge_part,
    edge_weights,
    fresh_standing,
)
from registry.reputation.fixed_point import POWER_BITS, UNIT_BITS, half_power, scale
from registry.reputation.rules import RULES_1
from registry.reputation.score import Reading, read_standing

TABLES: Final = ("agents", "voices", "vouches", "reports", "standings", "spoken", "metas")
K_contra = TypeVar("K_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class StandingUnknownError(NotFoundError):
    """The DID is not registered, so there is no score of it and it has no voice."""

    code = "agent_has_no_standing"
    title = "Agent has no standing"


class TooManyContextsError(LimitError):
    """The pair already has live statements in the largest number of named contexts; withdraw one first."""

    code = "too_many_contexts"
    title = "Too many contexts for one pair of agents"


class Readable(Protocol[K_contra, V_co]):
    """A table that can be looked up: a dict, or an overlay."""

    def get(self, key: K_contra, /) -> V_co | None:
        """Return the row, None if there is none."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one live statement contributes at one instant, for explanations; shares and parts rounded down.

    Attributes:
        index: log index of the statement.
        time_ms: its log time.
        weight_micros: vote x share, in millionths of a full vouch.
        slow_micros: what it adds to P (or Q) now, in millionths.
        fresh_micros: what it adds to R now, in millionths.
        divisor: k of the 1/k in a named context, 1 overall.
    """

    index: int
    time_ms: int
    weight_micros: int
    slow_micros: int
    fresh_micros: int
    divisor: int


class Tables:
    """The read side of the score's tables."""

    __slots__ = ()

    agents: Readable[str, Agent]
    voices: Readable[str, Voice]
    vouches: Readable[Key, Pair]
    reports: Readable[Key, Pair]
    standings: Readable[Key, Standing]
    spoken: Readable[Slot, Spoken]
    metas: Readable[str, Meta]

    @property
    def meta(self) -> Meta:
        """Where the tables stand: last epoch, landmark, number of agents."""
        return self.metas.get("") or START

    def is_registered(self, did: str) -> bool:
        """Tell whether the DID has a standing."""
        return self.agents.get(did) is not None

    def reading(self, did: str, context: str | None = None, *, now_ms: int) -> Reading:
        """Read score, record and their factors in closed form.

        Args:
            did: a registered agent.
            context: a slug, or None for the overall standing.
            now_ms: at or after the last folded leaf.

        Raises:
            StandingUnknownError: ``agent_has_no_standing``.
        """
        agent = self._agent(did)
        row = self.standings.get((did, context or OVERALL)) or fresh_standing(agent.registered_ms)
        voice = self.voices.get(did) or SILENT
        return read_standing(row, agent, self.meta, vote=voice.vote, now_ms=now_ms)

    def contribution(
        self, kind: KindName, source: str, *, target: str, context: str | None, now_ms: int
    ) -> Contribution | None:
        """Return what the live statement of source on target contributes, None if there is no live one that counts.

        Args:
            kind: ``vouch`` or ``report``.
            source: the speaker.
            target: the one spoken of.
            context: a slug, or None for what it contributes overall.
            now_ms: at or after the last folded leaf.
        """
        pair = (self.reports if kind == "report" else self.vouches).get((source, target))
        if pair is None:
            return None
        edges = [edge for edge in pair.edges if edge.context == context] if context else [pair.edges[-1]]
        meta, rule, voice = self.meta, KINDS[kind], self.voices.get(source) or SILENT
        if not edges or not voice.vote or (kind == "vouch" and edges[0].leaf < self._agent(target).since):
            return None
        k = pair.named if context else 1
        part = edge_part(rule, edges[0], voice, meta)
        elapsed, places = now_ms - meta.landmark_ms, UNIT_BITS + POWER_BITS
        return Contribution(
            edges[0].leaf,
            edges[0].time_ms,
            (edge_weights(rule, edges[0], voice, meta)[0] * 1_000_000) >> UNIT_BITS,
            (scale(part.slow // k, half_power(elapsed, rule.half_life_ms)) * 1_000_000) >> places,
            (scale(part.fresh // k, half_power(elapsed, RULES_1.fresh_half_life_ms)) * 1_000_000) >> places,
            k,
        )

    def check_vouch(self, source: str, target: str, context: str | None) -> None:
        """Refuse a vouch that the rules have no place for.

        Args:
            source: the speaker.
            target: the one spoken of; never the speaker itself, which the caller refuses.
            context: a slug, or None.

        Raises:
            StandingUnknownError: ``agent_has_no_standing``, for either.
            TooManyContextsError: ``too_many_contexts``.
        """
        self._check("vouch", source, target=target, context=context or OVERALL)

    def check_report(self, source: str, target: str, context: str | None) -> None:
        """Refuse a report that the rules have no place for; like ``check_vouch``."""
        self._check("report", source, target=target, context=context or OVERALL)

    def _agent(self, did: str) -> Agent:
        agent = self.agents.get(did)
        if agent is None:
            raise StandingUnknownError
        return agent

    def _check(self, kind: KindName, source: str, *, target: str, context: str) -> None:
        if source == target:
            raise ValueError("a statement about oneself never reaches the score")
        self._agent(source)
        self._agent(target)
        pair = (self.reports if kind == "report" else self.vouches).get((source, target))
        if (
            pair is not None
            and context
            and pair.named >= RULES_1.max_contexts
            and all(edge.context != context for edge in pair.edges)
        ):
            raise TooManyContextsError(limit=RULES_1.max_contexts)
