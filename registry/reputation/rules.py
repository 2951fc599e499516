"""Rules version 1 of the score: every constant with its unit, in one value.

A score is a function of (log prefix, instant, rules version); whoever changes a number here makes a new version and a
logged change. This module decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The constants of one rules version; times in milliseconds, evidence in full vouches, parts as fractions."""

    version: int = 1
    vouch_half_life_ms: int = 180 * DAY_MS
    report_half_life_ms: int = 365 * DAY_MS
    fresh_half_life_ms: int = 30 * DAY_MS  # the extra weight of a new report
    fresh_boost: int = 2  # so a new report counts 1 + 2
    kappa: int = 4  # reports outweigh vouches by this in the balance
    vouch_budget: int = 5  # full vouches one voice has to give
    report_budget: int = 20  # full reports one voice has to give
    reach: int = 5  # vote = reach x effective size x flow
    flow_bits: int = 40  # flow units of 2^-40; all flow together is 1
    flow_steps: int = 40
    alpha: tuple[int, int] = (17, 20)  # part of the flow that follows vouches, the rest restarts at the roots
    flow_half_life_ms: int = 365 * DAY_MS  # age of a vouch as an edge of the flow
    idle_half_life_ms: int = 90 * DAY_MS  # the part above 25, without a fresh counted vouch
    tenure_half_life_ms: int = 60 * DAY_MS  # the ceiling's way from 50 to 100
    grace_ms: int = 30 * DAY_MS  # a gap up to this continues the chain of existence
    gap_half_life_ms: int = 90 * DAY_MS  # what a longer gap does to it
    max_contexts: int = 8  # named contexts of one ordered pair
    lapsed_ms: int = 1_800 * DAY_MS  # 20 idle half-lives: a freshness of exactly nothing once read


RULES_1: Final = Rules()
