"""From vouches to votes: a conserved, root-seeded flow in whole units of 2^-40.

Flow starts at the roots; at each step 17/20 of what an agent holds follows its vouches and all the rest, including what
every rounding left over and what reaches agents without vouches, begins again at the roots. So nothing is created:
identities that no flow reaches have exactly no voice, however many they are.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from registry.reputation.fixed_point import LOG_BITS, POWER_BITS, UNIT, UNIT_BITS, half_power
from registry.reputation.fixed_point_vector import Ints, log2_fixeds
from registry.reputation.rules import RULES_1

TOTAL: Final = 1 << RULES_1.flow_bits
# Coefficients have 22 bits: the products into one target then sum to at most 2^62, whatever the graph.
COEFFICIENT_BITS: Final = 22


def split_rows(weights: Ints, source: Ints, agents: int) -> Ints:
    """Return each edge's part of its source's row, in 2^-22, rounded down.

    Args:
        weights: edge weights in 2^-31.
        source: agent number per edge.
        agents: number of agents.
    """
    row = np.zeros(agents, dtype=np.int64)
    np.add.at(row, source, weights)
    parts: Ints = (weights << COEFFICIENT_BITS) // np.maximum(row[source], 1)
    return parts


def spread_flow(parts: Ints, source: Ints, target: Ints, *, agents: int, roots: list[int]) -> Ints:
    """Return the flow at each agent after exactly 40 steps, in 2^-40; all together 2^40, or nothing without roots.

    Args:
        parts: of ``split_rows``.
        source: agent number per edge.
        target: agent number per edge.
        agents: number of agents.
        roots: agent numbers in canonical order, each once.
    """
    flow = np.zeros(agents, dtype=np.int64)
    if not roots:
        return flow
    seeds = np.array(roots, dtype=np.int64)
    follow, whole = RULES_1.alpha
    for step in range(RULES_1.flow_steps + 1):
        if step:
            arriving = np.zeros_like(flow)
            np.add.at(arriving, target, parts * flow[source])
            flow = (arriving >> COEFFICIENT_BITS) * follow // whole
        each, more = divmod(TOTAL - int(flow.sum()), len(roots))
        flow[seeds] += each
        flow[seeds[:more]] += 1
    return flow


def effective_size(flow: Ints) -> int:
    """Return M = 2^H, H the entropy of the flow in bits: how many equal voices would be as spread; in 2^-31."""
    held = flow[flow > 0]
    if not held.size:
        return 0
    surprise = (RULES_1.flow_bits << LOG_BITS) - log2_fixeds(held)
    # Python integers: the sum needs more than 64 bits.
    entropy = sum(map(int.__mul__, held.tolist(), surprise.tolist()))
    mantissa, shift = half_power(-entropy, 1 << (RULES_1.flow_bits + LOG_BITS))
    return (mantissa << -shift) >> (POWER_BITS - UNIT_BITS)


def cast_votes(flow: Ints, size: int, *, roots: list[int], silenced: list[int]) -> list[int]:
    """Return min(1, 5 M x) for every agent, 1 for roots and 0 for silenced ones, in 2^-31.

    Args:
        flow: per agent, in 2^-40.
        size: M in 2^-31.
        roots: agent numbers.
        silenced: agent numbers; they win over roots.
    """
    reach = RULES_1.reach * size
    votes = [min(UNIT, (reach * held) >> RULES_1.flow_bits) if held else 0 for held in flow.tolist()]
    for number in roots:
        votes[number] = UNIT
    for number in silenced:
        votes[number] = 0
    return votes
