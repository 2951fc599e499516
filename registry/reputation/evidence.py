"""Rows of the score's tables, and what one edge contributes to the sums of its target.

Edges are kept by ordered pair: the newest live edge of a pair is its overall edge, each named context has at most one.
Rows are named tuples because a batch makes thousands of them a second; each table is a plain dict from key to row.
This module refuses nothing; ``draft`` does.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from registry.reputation.fixed_point import UNIT_BITS, unit_weight
from registry.reputation.rules import RULES_1

KindName: TypeAlias = Literal["vouch", "report"]
Key: TypeAlias = tuple[str, str]
Slot: TypeAlias = tuple[str, str, str]
"""Source, target and context (empty for overall) of what a voice has said."""

OVERALL: Final = ""  # the key of the standing over all contexts; also the context of an edge that names none


class Kind(NamedTuple):
    """What tells vouches from reports.

    Attributes:
        name: ``vouch`` or ``report``.
        half_life_ms: of the contribution and of the live count.
        budget: full edges one voice has to give.
        side: 0 for vouches, 1 for reports.
    """

    name: KindName
    half_life_ms: int
    budget: int
    side: int


VOUCH: Final = Kind("vouch", RULES_1.vouch_half_life_ms, RULES_1.vouch_budget, 0)
REPORT: Final = Kind("report", RULES_1.report_half_life_ms, RULES_1.report_budget, 1)
KINDS: Final[dict[KindName, Kind]] = {"vouch": VOUCH, "report": REPORT}


class Agent(NamedTuple):
    """A registered agent and its chain of existence.

    Attributes:
        number: position in the order of registration; the canonical order of agents.
        registered_ms: log time of the registration.
        alive_ms: last act that kept the chain.
        tenure_ms: unbroken existence at ``alive_ms``.
        since: vouches on it with a lower log index no longer count (suspected transfer).
        contexts: named contexts in which it has a standing.
    """

    number: int
    registered_ms: int
    alive_ms: int
    tenure_ms: int
    since: int
    contexts: tuple[str, ...]


class Ledger(NamedTuple):
    """What a voice has given in one kind.

    Attributes:
        live: decayed count of its live edges at the landmark, in 2^-31.
        weight: vote x share of its edges as of the last epoch, in 2^-31.
        record_live: the count without decay.
        record_weight: record vote x record share as of the last epoch, in 2^-31.
    """

    live: int
    weight: int
    record_live: int
    record_weight: int


class Voice(NamedTuple):
    """The voting weight of an agent since the last epoch; votes in 2^-31."""

    vote: int
    record_vote: int
    vouches: Ledger
    reports: Ledger

    def ledger(self, kind: Kind) -> Ledger:
        """Return what it has given in one kind."""
        return self.reports if kind.side else self.vouches


NO_LEDGER: Final = Ledger(0, 0, 0, 0)
SILENT: Final = Voice(0, 0, NO_LEDGER, NO_LEDGER)


class Edge(NamedTuple):
    """One live statement, in the log at index ``leaf``; the weights (2^-31) are those of its moment and hold until the next epoch."""

    leaf: int
    time_ms: int
    context: str
    weight: int
    record_weight: int


class Pair(NamedTuple):
    """All live edges of one kind from one agent to another.

    Attributes:
        source: agent number of the speaker.
        target: agent number of the one spoken of.
        leaf: log index of the newest edge.
        time_ms: log time of the newest edge.
        named: number of edges with a named context, the k of 1/k.
        edges: by log index; the last is the overall edge.
    """

    source: int
    target: int
    leaf: int
    time_ms: int
    named: int
    edges: tuple[Edge, ...]


class Spoken(NamedTuple):
    """The last counted vouch of a pair in one slot, live or not: saying the same again draws no clock again.

    Attributes:
        leaf: its log index.
        time_ms: its log time.
        gain: how far it drew the clocks, in 2^-31.
    """

    leaf: int
    time_ms: int
    gain: int


class Standing(NamedTuple):
    """What is known of one agent, overall or in one context.

    Attributes:
        p: decayed vouches at the landmark, in 2^-31.
        q: decayed reports at the landmark, in 2^-31.
        r: decayed fresh part of the reports at the landmark, in 2^-31.
        record_p: vouches without clocks, in 2^-31.
        record_q: reports without clocks, in 2^-31.
        vouches: live vouches that count.
        reports: live reports that count.
        last_ms: the freshness clock.
        ceiling_ms: the tenure that the ceiling has seen.
        cap: the ratchet above 25 at ``cap_ms``, in 2^-60 of the full scale.
        cap_ms: its instant.
    """

    p: int
    q: int
    r: int
    record_p: int
    record_q: int
    vouches: int
    reports: int
    last_ms: int
    ceiling_ms: int
    cap: int
    cap_ms: int


class Part(NamedTuple):
    """The contribution of one edge to one standing: to p (or q), to r, to the record, and to the number that counts."""

    slow: int
    fresh: int
    record: int
    counted: int


NOTHING: Final = Part(0, 0, 0, 0)


class Meta(NamedTuple):
    """Where the tables stand.

    Attributes:
        epoch: number of the last epoch, -1 before the first.
        tree_size: leaves the last epoch covers; edges below it weigh what the voice's ledger says.
        leaf: log index of the last epoch's own leaf, -1 before the first.
        landmark_ms: the instant that all decayed sums refer to.
        agents: number of registered agents.
    """

    epoch: int
    tree_size: int
    leaf: int
    landmark_ms: int
    agents: int


START: Final = Meta(-1, 0, -1, 0, 0)


def make_pair(source: int, target: int, edges: tuple[Edge, ...]) -> Pair:
    """Build the row of a pair from its live edges, in log order and not empty."""
    newest = edges[-1]
    named = len([edge for edge in edges if edge.context])
    return Pair(source, target, newest.leaf, newest.time_ms, named, edges)


def fresh_standing(registered_ms: int) -> Standing:
    """Return the standing that every agent starts with."""
    return Standing(0, 0, 0, 0, 0, 0, 0, registered_ms, 0, 0, registered_ms)


def continued(agent: Agent, now_ms: int) -> int:
    """Return the tenure in milliseconds that an act at ``now_ms`` finds: gaps up to 30 days count, longer ones cost."""
    gap = max(0, now_ms - agent.alive_ms)
    if gap <= RULES_1.grace_ms:
        return agent.tenure_ms + gap
    return (agent.tenure_ms * unit_weight(gap - RULES_1.grace_ms, RULES_1.gap_half_life_ms)) >> UNIT_BITS


def acted(agent: Agent, now_ms: int) -> Agent:
    """Return the agent with its chain continued to ``now_ms``."""
    number, registered_ms, _, _, since, contexts = agent
    return Agent(number, registered_ms, now_ms, continued(agent, now_ms), since, contexts)


def edge_weights(kind: Kind, edge: Edge, voice: Voice, meta: Meta) -> tuple[int, int]:
    """Return vote x share and record vote x share of an edge: its own since the epoch, the voice's from before."""
    if edge.leaf >= meta.tree_size:
        return edge.weight, edge.record_weight
    ledger = voice.ledger(kind)
    return ledger.weight, ledger.record_weight


def edge_part(kind: Kind, edge: Edge, voice: Voice, meta: Meta) -> Part:
    """Return what an edge contributes to the overall standing of its target, relative to the landmark."""
    weight, record = edge_weights(kind, edge, voice, meta)
    elapsed = meta.landmark_ms - edge.time_ms
    slow = fresh = 0
    if weight:
        slow = (weight * unit_weight(elapsed, kind.half_life_ms)) >> UNIT_BITS
        if kind.side:
            fresh = (weight * unit_weight(elapsed, RULES_1.fresh_half_life_ms)) >> UNIT_BITS
    return Part(slow, fresh, record, 1 if voice.vote else 0)


def pair_parts(kind: Kind, pair: Pair | None, voice: Voice, meta: Meta, *, since: int) -> dict[str, Part]:
    """Return what a pair contributes, by context; the overall part stands under the empty name.

    Args:
        kind: vouch or report.
        pair: the live edges; None contributes nothing.
        voice: of the speaker.
        meta: for landmark and epoch.
        since: vouches with a lower log index are void.
    """
    parts: dict[str, Part] = {}
    if pair is None:
        return parts
    for edge in pair.edges:
        newest = edge.leaf == pair.leaf
        if (kind.side == 0 and edge.leaf < since) or not (newest or edge.context):
            continue
        part = edge_part(kind, edge, voice, meta)
        if newest:
            parts[OVERALL] = part
        if edge.context:
            k = pair.named
            parts[edge.context] = Part(part.slow // k, part.fresh // k, part.record // k, part.counted)
    return parts
