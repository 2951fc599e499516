"""The formula: sums and clocks to a score, and the ratchet that lets only events and epochs raise it.

Everything above or below 25 is an *excess* in units of 2^-60 of the full scale: 0 is the newcomer's 25, 3 x 2^58 would
be 100. An excess is computed to about 2^-58; what is read is cut to 2^-40, and less than 2^-20 above 25 is read as 25.
That coarseness is what makes "never rises by the clock" exact (specs/reputation.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from registry.reputation.evidence import Agent, Meta, Standing, continued
from registry.reputation.fixed_point import POWER_BITS, UNIT, UNIT_BITS, Power, factor, half_power, scale
from registry.reputation.rules import DAY_MS, RULES_1

FINE_BITS: Final = 60
START_FINE: Final = 1 << (FINE_BITS - 2)  # 25 of 100
SCORE_BITS: Final = 40  # the exact integer form of a score
FLAT: Final = 1 << (FINE_BITS - 20)  # an excess below this is read as none
FULL_MICROS: Final = 100_000_000  # a score of 100 in millionths of a point

_ONE: Final = 1 << (UNIT_BITS + POWER_BITS)  # one full vouch after scale()

Decays: TypeAlias = tuple[Power, Power, Power]
"""What time did to p, q and r since the landmark."""


def decays_at(now_ms: int, meta: Meta) -> Decays:
    """Return the decay of the three sums from the landmark to ``now_ms``; shared by all standings of that instant."""
    elapsed = now_ms - meta.landmark_ms
    return (
        half_power(elapsed, RULES_1.vouch_half_life_ms),
        half_power(elapsed, RULES_1.report_half_life_ms),
        half_power(elapsed, RULES_1.fresh_half_life_ms),
    )


def balance_excess(p: int, q: int, r: int) -> int:
    """Return ``E - 1/4`` in 2^-60, rounded down, for sums in 2^-94; E = (P + 1/4) / (P + 4 (Q + 2 R) + 1)."""
    against = RULES_1.kappa * (q + RULES_1.fresh_boost * r)
    return ((3 * p - against) << FINE_BITS) // (4 * (p + against + _ONE))


def ceiling_excess(ceiling_ms: int) -> int:
    """Return the ceiling above 25: 25 (a score of 50) without tenure, 50 after 60 days, towards 75."""
    return 3 * START_FINE - (factor(ceiling_ms, RULES_1.tenure_half_life_ms) >> (POWER_BITS + 1 - FINE_BITS))


def idle_factor(since_ms: int, now_ms: int) -> int:
    """Return what silence leaves of the part above 25, in 2^-63."""
    return factor(max(0, now_ms - since_ms), RULES_1.idle_half_life_ms)


def excess_at(standing: Standing, decays: Decays, now_ms: int) -> int:
    """Return the formula's value F less 25 at ``now_ms``, before the ratchet; negative below 25."""
    if not (standing.p or standing.q or standing.r):
        return 0
    by_vouch, by_report, by_fresh = decays
    raw = balance_excess(scale(standing.p, by_vouch), scale(standing.q, by_report), scale(standing.r, by_fresh))
    if raw <= 0:
        return raw
    return (min(raw, ceiling_excess(standing.ceiling_ms)) * idle_factor(standing.last_ms, now_ms)) >> POWER_BITS


def ratchet(cap: int, before: int, after: int) -> int:
    """Return the cap after an event or epoch that moved F from ``before`` to ``after`` at one instant; all excesses.

    A rise adds to what the agent already held, never to what the clock would have given; a fall is followed at once.
    """
    floor_before, floor_after = max(before, 0), max(after, 0)
    held = min(cap, floor_before)
    return held + floor_after - floor_before if after >= before else min(held, floor_after)


def cap_at(standing: Standing, now_ms: int) -> int:
    """Return the cap above 25 at ``now_ms``; it halves with idleness from its own instant."""
    if not standing.cap:
        return 0
    return (standing.cap * idle_factor(standing.cap_ms, now_ms)) >> POWER_BITS


def score_units(excess: int, cap: int) -> int:
    """Return the exact integer score, 0 to 2^40, of an excess under a cap at the same instant."""
    if excess > 0:
        excess = min(excess, cap)
        if excess < FLAT:
            excess = 0
    return (START_FINE + excess) >> (FINE_BITS - SCORE_BITS)


def record_micros(standing: Standing) -> int:
    """Return the record in millionths of a point: (P + 1/4) / (P + N + 1) without any clock, rounded down."""
    total = 4 * (standing.record_p + standing.record_q + UNIT)
    return FULL_MICROS * (4 * standing.record_p + UNIT) // total


@dataclass(frozen=True, slots=True)
class Factors:
    """What made a score, for people; everything rounded down.

    Attributes:
        p_micros: decayed vouches now, in millionths of a full vouch.
        q_micros: decayed reports now.
        r_micros: fresh part of the reports now.
        balance_micros: score of the evidence alone, in millionths of a point.
        ceiling_micros: the highest the tenure allows, in millionths of a point.
        freshness_micros: what silence leaves of the part above 25, in millionths.
        formula_micros: balance under ceiling and freshness, in millionths of a point.
        cap_micros: the ratchet, in millionths of a point.
        vouches: live vouches that count.
        reports: live reports that count.
        tenure_days: completed days of unbroken existence.
        ceiling_days: completed days of it that the ceiling has seen.
        last_counted_ms: the freshness clock.
    """

    p_micros: int
    q_micros: int
    r_micros: int
    balance_micros: int
    ceiling_micros: int
    freshness_micros: int
    formula_micros: int
    cap_micros: int
    vouches: int
    reports: int
    tenure_days: int
    ceiling_days: int
    last_counted_ms: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers of one agent at one instant, overall or in one context.

    Attributes:
        score_micros: 0 to 100,000,000 millionths of a point, rounded down from ``score_units``.
        record_micros: the same without clocks.
        confidence_micros: P + Q now, in millionths of a full vouch.
        vote_micros: the agent's own voting weight since the last epoch, in millionths.
        score_units: the exact integer form, 0 to 2^40, in which the laws hold.
        registered_ms: log time of registration, for the age.
        factors: what made the score.
    """

    score_micros: int
    record_micros: int
    confidence_micros: int
    vote_micros: int
    score_units: int
    registered_ms: int
    factors: Factors


def _points(excess: int) -> int:
    return ((START_FINE + excess) * FULL_MICROS) >> FINE_BITS


def read_standing(standing: Standing, agent: Agent, meta: Meta, *, vote: int, now_ms: int) -> Reading:
    """Evaluate the closed form at ``now_ms``.

    Args:
        standing: overall or of one context.
        agent: whose standing it is.
        meta: where the tables stand.
        vote: of the agent, in 2^-31.
        now_ms: at or after the last folded leaf.
    """
    by_vouch, by_report, by_fresh = decays_at(now_ms, meta)
    p, q, r = scale(standing.p, by_vouch), scale(standing.q, by_report), scale(standing.r, by_fresh)
    balance = balance_excess(p, q, r)
    ceiling = ceiling_excess(standing.ceiling_ms)
    idle = idle_factor(standing.last_ms, now_ms)
    excess = balance if balance <= 0 else (min(balance, ceiling) * idle) >> POWER_BITS
    cap = cap_at(standing, now_ms)
    units = score_units(excess, cap)
    places = UNIT_BITS + POWER_BITS
    return Reading(
        (units * FULL_MICROS) >> SCORE_BITS,
        record_micros(standing),
        ((p + q) * 1_000_000) >> places,
        (vote * 1_000_000) >> UNIT_BITS,
        units,
        agent.registered_ms,
        Factors(
            (p * 1_000_000) >> places,
            (q * 1_000_000) >> places,
            (r * 1_000_000) >> places,
            _points(balance),
            _points(ceiling),
            (idle * 1_000_000) >> POWER_BITS,
            _points(excess),
            _points(cap),
            standing.vouches,
            standing.reports,
            continued(agent, now_ms) // DAY_MS,
            standing.ceiling_ms // DAY_MS,
            standing.last_ms,
        ),
    )
