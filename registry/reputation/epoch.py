"""The epoch: votes, shares, sums, live counts and ratchets of everybody anew, from the live edges at one instant.

Exact integers in arrays; the digits equal those of the one-by-one arithmetic in ``evidence`` and ``score``. Imported
only when an epoch is computed, because it needs numpy and reading a score does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Final, NamedTuple

import numpy as np

from registry.reputation.evidence import (
    NO_LEDGER,
    OVERALL,
    REPORT,
    SILENT,
    VOUCH,
    Agent,
    Key,
    Kind,
    Ledger,
    Meta,
    Pair,
    Standing,
    Voice,
    fresh_standing,
)
from registry.reputation.fixed_point import POWER_BITS, UNIT, UNIT_BITS, scale
from registry.reputation.fixed_point_vector import Ints, factors, unit_weights
from registry.reputation.flow import cast_votes, effective_size, split_rows, spread_flow
from registry.reputation.rules import RULES_1
from registry.reputation.score import START_FINE, balance_excess, decays_at, ratchet

_FINE_SHIFT: Final = np.uint64(POWER_BITS + 1 - 60)


@dataclass(frozen=True, slots=True)
class EpochInput:
    """The tables as of the covered leaves, and what the operator's lists say.

    Attributes:
        agents: by DID.
        voices: by DID.
        vouches: live vouches by (source, target).
        reports: live reports by (source, target).
        standings: by (DID, context).
        meta: of the epoch before.
        time_ms: the new landmark, not before any edge.
        roots: DIDs; unregistered ones have no voice.
        silenced: DIDs without a voice.
    """

    agents: Mapping[str, Agent]
    voices: Mapping[str, Voice]
    vouches: Mapping[Key, Pair]
    reports: Mapping[Key, Pair]
    standings: Mapping[Key, Standing]
    meta: Meta
    time_ms: int
    roots: Sequence[str]
    silenced: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class EpochOutput:
    """What the epoch puts in place of the old rows; ``agents`` holds only those that entered a new context.

    Attributes:
        agents: changed rows.
        voices: all rows; whoever is missing is silent.
        standings: all rows.
        effective_size: M in 2^-31.
    """

    agents: dict[str, Agent]
    voices: dict[str, Voice]
    standings: dict[Key, Standing]
    effective_size: int


class _Edges(NamedTuple):
    """Arrays over the pairs of one kind, each standing for its overall edge.

    Attributes:
        kind: vouch or report.
        source: agent numbers.
        target: agent numbers.
        age: milliseconds before the instant.
        weight: what age leaves of a full one, in 2^-31.
        valid: 0 for void vouches, else 1.
    """

    kind: Kind
    source: Ints
    target: Ints
    age: Ints
    weight: Ints
    valid: Ints


class _Slots(NamedTuple):
    """Arrays over (edge, standing): the overall edges first, then every named one."""

    source: Ints
    row: Ints
    age: Ints
    weight: Ints
    divisor: Ints
    valid: Ints


class _Sums(NamedTuple):
    """New sums per row of standings."""

    slow: Ints
    fresh: Ints
    record: Ints
    counted: Ints


def _column(values: Iterable[int], count: int) -> Ints:
    return np.fromiter(values, dtype=np.int64, count=count)


def _valid(kind: Kind, index: Ints, since: Ints) -> Ints:
    return (index >= since).astype(np.int64) if kind is VOUCH else np.ones_like(index)


def _load_edges(kind: Kind, pairs: Mapping[Key, Pair], since: Ints, time_ms: int) -> _Edges:
    """Lay the overall edges of all pairs out in arrays."""
    rows, count = pairs.values(), len(pairs)
    source, target, leaf, time = (_column(map(itemgetter(field), rows), count) for field in range(4))
    age = time_ms - time
    if count and int(age.min()) < 0:
        raise ValueError("an epoch's instant lies before one of its edges")
    weight = unit_weights(age, kind.half_life_ms)
    return _Edges(kind, source, target, age, weight, _valid(kind, leaf, since[target]))


def _load_slots(
    edges: _Edges, pairs: Mapping[Key, Pair], since: Ints, *, time_ms: int, row_of: Callable[[int, str], int]
) -> _Slots:
    """Add the named edges to the overall ones; ``row_of`` finds or makes the row of (target, context)."""
    named = [(pair, edge) for pair in pairs.values() if pair.named for edge in pair.edges if edge.context]
    count = len(named)
    target = _column((pair.target for pair, _ in named), count)
    leaf = _column((edge.leaf for _, edge in named), count)
    age = time_ms - _column((edge.time_ms for _, edge in named), count)
    return _Slots(
        np.concatenate([edges.source, _column((pair.source for pair, _ in named), count)]),
        np.concatenate([edges.target, _column((row_of(pair.target, edge.context) for pair, edge in named), count)]),
        np.concatenate([edges.age, age]),
        np.concatenate([edges.weight, unit_weights(age, edges.kind.half_life_ms)]),
        np.concatenate([np.ones_like(edges.age), _column((pair.named for pair, _ in named), count)]),
        np.concatenate([edges.valid, _valid(edges.kind, leaf, since[target])]),
    )


def _ledgers(edges: _Edges, votes: list[int], record_votes: list[int]) -> list[Ledger]:
    """Count what every voice has given, and divide it."""
    agents, kind = len(votes), edges.kind
    live, record_live = np.zeros(agents, dtype=np.int64), np.zeros(agents, dtype=np.int64)
    np.add.at(live, edges.source, edges.weight)
    np.add.at(record_live, edges.source, 1)
    budget = kind.budget << (2 * UNIT_BITS)
    ledgers = [NO_LEDGER] * agents
    speakers = np.flatnonzero(record_live)
    for number, count, whole in zip(
        speakers.tolist(), live[speakers].tolist(), record_live[speakers].tolist(), strict=True
    ):
        share = min(UNIT, budget // count) if count else UNIT
        record_share = min(UNIT, kind.budget * UNIT // whole)
        ledgers[number] = Ledger(
            count, (votes[number] * share) >> UNIT_BITS, whole, (record_votes[number] * record_share) >> UNIT_BITS
        )
    return ledgers


def _add_up(kind: Kind, slots: _Slots, ledgers: list[Ledger], counted: Ints, rows: int) -> _Sums:
    """Sum the contributions of all slots, each rounded down by itself, so that order can't matter."""
    weight = _column((ledger.weight for ledger in ledgers), len(ledgers))[slots.source] * slots.valid
    record = _column((ledger.record_weight for ledger in ledgers), len(ledgers))[slots.source] * slots.valid

    def total(values: Ints) -> Ints:
        out = np.zeros(rows, dtype=np.int64)
        np.add.at(out, slots.row, values)
        return out

    def decayed(by_age: Ints) -> Ints:
        return total(((weight * by_age) >> UNIT_BITS) // slots.divisor)

    nothing: Ints = np.zeros(rows, dtype=np.int64)
    return _Sums(
        decayed(slots.weight),
        decayed(unit_weights(slots.age, RULES_1.fresh_half_life_ms)) if kind is REPORT else nothing,
        total(record // slots.divisor),
        total(counted[slots.source] * slots.valid),
    )


def _new_standings(
    rows: Sequence[Standing], vouches: _Sums, reports: _Sums, *, meta: Meta, now_ms: int
) -> list[Standing]:
    """Put the new sums in and move every ratchet: F under the old and the new votes at the same instant."""
    count = len(rows)
    idle = factors(np.maximum(now_ms - _column((s.last_ms for s in rows), count), 0), RULES_1.idle_half_life_ms)
    held = factors(np.maximum(now_ms - _column((s.cap_ms for s in rows), count), 0), RULES_1.idle_half_life_ms)
    tenure = factors(_column((s.ceiling_ms for s in rows), count), RULES_1.tenure_half_life_ms)
    ceilings = 3 * START_FINE - (tenure >> _FINE_SHIFT).astype(np.int64)
    by_vouch, by_report, by_fresh = decays_at(now_ms, meta)

    def value(raw: int, ceiling: int, idleness: int) -> int:
        if raw <= 0:
            return raw
        return ((raw if raw < ceiling else ceiling) * idleness) >> POWER_BITS  # noqa: FURB136 - min() takes twice as long

    result = []
    columns = (*vouches, *reports, idle, held, ceilings)
    for old, p, _, record_p, vouch_count, q, r, record_q, report_count, fresh, cap_factor, ceiling in zip(
        rows, *(column.tolist() for column in columns), strict=True
    ):
        old_p, old_q, old_r, *_ = old
        cap = 0
        if old_p or p:  # without vouches on either side F is at most 25 on both
            was = balance_excess(scale(old_p, by_vouch), scale(old_q, by_report), scale(old_r, by_fresh))
            now = balance_excess(p << POWER_BITS, q << POWER_BITS, r << POWER_BITS)
            held_cap = (old.cap * cap_factor) >> POWER_BITS
            cap = ratchet(held_cap, value(was, ceiling, fresh), value(now, ceiling, fresh))
        result.append(
            Standing(p, q, r, record_p, record_q, vouch_count, report_count, old.last_ms, old.ceiling_ms, cap, now_ms)
        )
    return result


class _Rows:
    """The keys of all standings in one order: the overall ones by agent number, then those of contexts."""

    def __init__(self, given: EpochInput) -> None:
        self.agents: list[Agent] = sorted(given.agents.values())  # by number
        self.dids = [""] * len(self.agents)
        for did, agent in given.agents.items():
            self.dids[agent.number] = did
        self.keys: list[Key] = list(zip(self.dids, repeat(OVERALL)))
        self.keys.extend(key for key in given.standings if key[1])
        self.standings = [given.standings[key] for key in self.keys]
        self.existing = len(self.keys)
        self._number = {key: number for number, key in enumerate(self.keys)}

    def find(self, target: int, context: str) -> int:
        """Return the row of (target, context), a new one if there is none yet."""
        key = (self.dids[target], context)
        number = self._number.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
            self.standings.append(fresh_standing(self.agents[target].registered_ms))
        return number

    def numbers(self, dids: Iterable[str], agents: Mapping[str, Agent]) -> list[int]:
        """Return the numbers of those DIDs that are registered, in canonical order, each once."""
        return sorted({agents[did].number for did in dids if did in agents})


def _collect(rows: _Rows, standings: list[Standing], given: EpochInput) -> tuple[dict[str, Agent], dict[Key, Standing]]:
    """Return the changed agents and all standings; a new context's row stays only if it holds something."""
    table: dict[Key, Standing] = dict(zip(rows.keys[: rows.existing], standings, strict=False))
    agents: dict[str, Agent] = {}
    for key, row in zip(rows.keys[rows.existing :], standings[rows.existing :], strict=True):
        if any(row[:7]):
            table[key] = row
            agent = agents.get(key[0]) or given.agents[key[0]]
            agents[key[0]] = agent._replace(contexts=tuple(sorted((*agent.contexts, key[1]))))
    return agents, table


def compute_epoch(given: EpochInput) -> EpochOutput:
    """Compute all committed values.

    Args:
        given: the tables as of the leaves below the epoch's tree size.

    Raises:
        ValueError: an edge is younger than the instant; the caller broke the order of the log.
    """
    rows = _Rows(given)
    agents, now_ms = len(rows.agents), given.time_ms
    since = _column((agent.since for agent in rows.agents), agents)
    vouches = _load_edges(VOUCH, given.vouches, since, now_ms)
    reports = _load_edges(REPORT, given.reports, since, now_ms)
    silenced = rows.numbers(given.silenced, given.agents)
    roots = [number for number in rows.numbers(given.roots, given.agents) if number not in set(silenced)]

    speaks = np.ones(agents, dtype=np.int64)
    speaks[silenced] = 0
    passes = (vouches.valid * speaks[vouches.source]).astype(bool)

    def elect(weights: Ints) -> tuple[list[int], int]:
        parts = split_rows(weights, vouches.source, agents)[passes]
        flow = spread_flow(parts, vouches.source[passes], vouches.target[passes], agents=agents, roots=roots)
        size = effective_size(flow)
        return cast_votes(flow, size, roots=roots, silenced=silenced), size

    votes, size = elect(unit_weights(vouches.age, RULES_1.flow_half_life_ms))
    record_votes, _ = elect(np.ones_like(vouches.age))
    counted = (_column(votes, agents) > 0).astype(np.int64)
    ledgers = [_ledgers(edges, votes, record_votes) for edges in (vouches, reports)]
    slots = [
        _load_slots(edges, pairs, since, time_ms=now_ms, row_of=rows.find)
        for edges, pairs in ((vouches, given.vouches), (reports, given.reports))
    ]
    sums = [
        _add_up(kind, slot, ledger, counted, len(rows.keys))
        for kind, slot, ledger in zip((VOUCH, REPORT), slots, ledgers, strict=True)
    ]
    standings = _new_standings(rows.standings, *sums, meta=given.meta, now_ms=now_ms)
    changed, table = _collect(rows, standings, given)
    voices = {
        did: Voice(*row)
        for did, row in zip(rows.dids, zip(votes, record_votes, *ledgers, strict=True), strict=True)
        if row != SILENT
    }
    return EpochOutput(changed, voices, table, size)
