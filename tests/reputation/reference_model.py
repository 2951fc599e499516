"""A second, naive implementation of specs/reputation.md: no numpy, no drafts, no running sums, no undo.

Every sum is added up again from the live edges whenever it is needed; an epoch over N leaves folds the first N leaves
from nothing; powers of two come from the decimal module. Slow on purpose: it is what the product is held against.
"""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from functools import cache
from typing import Any

DAY = 86_400_000
ONE = 2**31
QUARTER = 2**58
HALF_LIFE = {"vouch": 180 * DAY, "report": 365 * DAY}
BUDGET = {"vouch": 5, "report": 20}


@dataclass(frozen=True)
class Leaf:
    """One log entry: operations of one moment, or an epoch over the first ``size`` leaves."""

    time_ms: int
    ops: tuple[tuple[Any, ...], ...] = ()
    size: int | None = None
    roots: tuple[str, ...] = ()
    silenced: frozenset[str] = frozenset()


@cache
def table_entry(position: int, digit: int) -> int:
    """Nearest integer to 2^63 x 2^(-digit / 4096^(position + 1))."""
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(2) ** 63 * Decimal(2) ** (Decimal(-digit) / Decimal(4096) ** (position + 1))
        return int(exact.to_integral_value())


@cache
def power(elapsed: int, half_life: int) -> tuple[int, int]:
    """2^(-elapsed / half_life) as (m, n) for m x 2^-(63 + n)."""
    whole = elapsed // half_life
    fraction = (elapsed - whole * half_life) * 2**60 // half_life
    product = 2**63
    for position in range(5):
        digit = fraction // 4096 ** (4 - position) % 4096
        product = product * table_entry(position, digit) // 2**63
    return product, whole


def times(value: int, elapsed: int, half_life: int, bits: int) -> int:
    """floor(value x 2^(-elapsed / half_life) x 2^bits)."""
    mantissa, whole = power(elapsed, half_life)
    exponent = bits - 63 - whole
    return value * mantissa * 2**exponent if exponent >= 0 else value * mantissa // 2**-exponent


def log2(value: int) -> int:
    """log2 in 2^-28, bit by bit."""
    exponent = len(bin(value)) - 3
    mantissa = value * 2**31 // 2**exponent
    result = exponent
    for _ in range(28):
        mantissa = mantissa * mantissa // 2**31
        result *= 2
        if mantissa >= 2**32:
            mantissa //= 2
            result += 1
    return result


@dataclass
class Row:
    """The clocks and the ratchet of one standing; its sums are added up when asked for."""

    last: int
    ceiling: int = 0
    cap: int = 0
    cap_ms: int = 0


@dataclass
class Model:
    """The state after some prefix of the log."""

    agents: dict[str, dict[str, int]] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=dict)
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    votes: dict[str, int] = field(default_factory=dict)
    record_votes: dict[str, int] = field(default_factory=dict)
    spoken: dict[tuple[str, str, str], tuple[int, int, int]] = field(default_factory=dict)
    given: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    landmark: int = 0
    size: int = 0

    # Evidence, always from the edges.

    def parts(self, kind: str, source: str, target: str) -> dict[str, tuple[int, int, int, int]]:
        """(slow, fresh, record, counted) of a pair by context."""
        edges = self.edges.get((kind, source, target), [])
        result = {}
        named = sum(1 for edge in edges if edge["context"])
        for edge in edges:
            if kind == "vouch" and edge["leaf"] < self.agents[target]["since"]:
                continue
            weight, record = edge["weights"] if edge["leaf"] >= self.size else self.given.get((kind, source), (0, 0))
            elapsed = self.landmark - edge["time"]
            slow = weight * times(1, elapsed, HALF_LIFE[kind], 31) // 2**31
            fresh = weight * times(1, elapsed, 30 * DAY, 31) // 2**31 if kind == "report" else 0
            counted = 1 if self.votes.get(source, 0) else 0
            if edge is edges[-1]:
                result[""] = (slow, fresh, record, counted)
            if edge["context"]:
                result[edge["context"]] = (slow // named, fresh // named, record // named, counted)
        return result

    def sums(self, did: str, context: str) -> dict[str, int]:
        """All sums and counts of one standing."""
        total = dict.fromkeys(("p", "q", "r", "recordP", "recordQ", "vouches", "reports"), 0)
        for kind, source, target in self.edges:
            if target != did:
                continue
            part = self.parts(kind, source, target).get(context)
            if part is None:
                continue
            names = ("p", "", "recordP", "vouches") if kind == "vouch" else ("q", "r", "recordQ", "reports")
            for name, value in zip(names, part, strict=True):
                if name:
                    total[name] += value
        return total

    def live(self, kind: str, source: str) -> tuple[int, int]:
        """Decayed count at the landmark, and the plain count, of the pairs of one speaker."""
        newest = [edges[-1] for (k, s, _), edges in self.edges.items() if (k, s) == (kind, source)]
        return sum(times(1, self.landmark - edge["time"], HALF_LIFE[kind], 31) for edge in newest), len(newest)

    # The formula.

    def formula(self, sums: dict[str, int], row: Row, now: int) -> int:
        """F less 25 in 2^-60."""
        elapsed = now - self.landmark
        p = times(sums["p"], elapsed, 180 * DAY, 63)
        n = times(sums["q"], elapsed, 365 * DAY, 63) + 2 * times(sums["r"], elapsed, 30 * DAY, 63)
        raw = (3 * p - 4 * n) * 2**60 // (4 * (p + 4 * n + 2**94))
        if raw <= 0:
            return raw
        ceiling = 3 * QUARTER - times(1, row.ceiling, 60 * DAY, 63) // 2**4
        return min(raw, ceiling) * times(1, max(0, now - row.last), 90 * DAY, 63) // 2**63

    def cap(self, row: Row, now: int) -> int:
        """The ratchet above 25 at an instant."""
        return row.cap * times(1, max(0, now - row.cap_ms), 90 * DAY, 63) // 2**63

    def ratchet(self, row: Row, before: int, after: int, now: int) -> None:
        """Move the cap: c = min(cap, max(b, 25)), and so on."""
        held = min(self.cap(row, now), max(before, 0))
        row.cap = held + max(after, 0) - max(before, 0) if after >= before else max(0, min(held, after))
        row.cap_ms = now

    def read(self, did: str, context: str, now: int) -> tuple[int, int, int]:
        """(score in 2^-40, record in micro-points, confidence in micro-vouches)."""
        row = self.rows.get((did, context)) or Row(self.agents[did]["registered"])
        sums = self.sums(did, context) if (did, context) in self.rows else dict.fromkeys(self.sums(did, context), 0)
        excess = self.formula(sums, row, now)
        if excess > 0:
            excess = min(excess, self.cap(row, now))
            excess = excess if excess >= 2**40 else 0
        up, down = 4 * sums["recordP"] + ONE, 4 * (sums["recordP"] + sums["recordQ"] + ONE)
        elapsed = now - self.landmark
        both = times(sums["p"], elapsed, 180 * DAY, 63) + times(sums["q"], elapsed, 365 * DAY, 63)
        return (QUARTER + excess) // 2**20, 10**8 * up // down, both * 10**6 // 2**94

    # Operations.

    def apply(self, leaf: int, now: int, op: tuple[Any, ...]) -> None:
        """Fold one operation."""
        getattr(self, f"_{op[0]}")(leaf, now, *op[1:])

    def _register(self, leaf: int, now: int, did: str) -> None:
        if did not in self.agents:
            number = len(self.agents)
            self.agents[did] = {"number": number, "registered": now, "alive": now, "tenure": 0, "since": 0}
            self.rows[(did, "")] = Row(now, cap_ms=now)

    def _own_act(self, leaf: int, now: int, did: str) -> None:
        agent = self.agents[did]
        gap = now - agent["alive"]
        if gap <= 30 * DAY:
            agent["tenure"] += gap
        else:
            agent["tenure"] = agent["tenure"] * times(1, gap - 30 * DAY, 90 * DAY, 31) // 2**31
        agent["alive"] = now

    def _vouch(self, leaf: int, now: int, source: str, target: str, context: str) -> None:
        self._place("vouch", leaf, now, source, target, context)

    def _report(self, leaf: int, now: int, source: str, target: str, context: str) -> None:
        self._place("report", leaf, now, source, target, context)

    def _place(self, kind: str, leaf: int, now: int, source: str, target: str, context: str) -> None:
        edge: dict[str, Any] = {"leaf": leaf, "time": now, "context": context, "weights": (0, 0)}
        key = (kind, source, target)
        old = self.edges.get(key, [])

        def change() -> None:
            self.edges[key] = [other for other in old if other["context"] != context] + [edge]
            live, whole = self.live(kind, source)
            live_now = times(live, now - self.landmark, HALF_LIFE[kind], 0)
            share = min(ONE, BUDGET[kind] * 2**62 // live_now)
            record_share = min(ONE, BUDGET[kind] * 2**31 // whole)
            vote, record_vote = self.votes.get(source, 0), self.record_votes.get(source, 0)
            edge["weights"] = (vote * share // 2**31, record_vote * record_share // 2**31)

        self._event(kind, source, target, now, change, (context, leaf))

    def _withdraw(self, leaf: int, now: int, kind: str, source: str, target: str, context: str, edge_leaf: int) -> None:
        key = (kind, source, target)
        edges = self.edges.get(key, [])
        kept = [edge for edge in edges if (edge["leaf"], edge["context"]) != (edge_leaf, context)]
        if len(kept) == len(edges):
            return

        def change() -> None:
            if kept:
                self.edges[key] = kept
            else:
                del self.edges[key]

        self._event(kind, source, target, now, change, None)

    def _event(self, kind: str, source: str, target: str, now: int, change: Any, said: tuple[str, int] | None) -> None:
        """Let the change happen, with clocks and ratchets of every standing that it touches."""
        placed, leaf = said or (None, 0)
        contexts = {context for _, context in self.rows if _ == target} | {"", placed or ""}
        contexts |= {edge["context"] for edge in self.edges.get((kind, source, target), [])}
        before = {context: self.sums(target, context) for context in contexts}
        old = self.parts(kind, source, target)
        change()
        new = self.parts(kind, source, target)
        vote = self.votes.get(source, 0)
        pull = min(ONE, 5 * vote) if placed is not None and kind == "vouch" else 0
        if pull:
            self._own_act(0, now, target)
        for context in contexts:
            drawn = pull if context in ("", placed) else 0
            if old.get(context, (0, 0, 0, 0)) == new.get(context, (0, 0, 0, 0)) and not drawn:
                continue
            agent = self.agents[target]
            row = self.rows.setdefault((target, context), Row(agent["registered"], cap_ms=agent["registered"]))
            f_before = self.formula(before[context], row, now)
            cap_now = Row(row.last, row.ceiling, self.cap(row, now), now)
            if drawn:
                self.draw(cap_now, agent, (source, target, context), drawn, leaf, now)
            f_after = self.formula(self.sums(target, context), cap_now, now)
            self.ratchet(cap_now, f_before, f_after, now)
            self.rows[(target, context)] = cap_now

    def draw(self, row: Row, agent: dict[str, int], slot: tuple[str, str, str], gain: int, leaf: int, now: int) -> None:
        """Move the clocks by what this voice had not said in this slot before."""
        said, when, strength = self.spoken.get(slot, (-1, 0, 0))
        days = agent["tenure"] // DAY * DAY - row.ceiling
        if said < agent["since"]:
            row.last += gain * (now - row.last) // 2**31
            row.ceiling += gain * days // 2**31
        else:
            more, split, recent = max(0, gain - strength), max(row.last, when), min(days, now - when)
            row.last += (gain * (now - split) + more * (split - row.last)) // 2**31
            row.ceiling += (gain * recent + more * (days - recent)) // 2**31
        self.spoken[slot] = (leaf, now, gain)

    def _reset_continuity(self, leaf: int, now: int, did: str) -> None:
        contexts = [context for owner, context in self.rows if owner == did]
        before = {context: self.sums(did, context) for context in contexts}
        self.agents[did].update(alive=now, tenure=0, since=leaf)
        for context in contexts:
            row = self.rows[(did, context)]
            bare = Row(now - 1_800 * DAY, 0, self.cap(row, now), now)
            f_before = self.formula(before[context], row, now)
            self.ratchet(bare, f_before, self.formula(self.sums(did, context), bare, now), now)
            self.rows[(did, context)] = bare

    # The epoch.

    def flow(self, edges: list[tuple[str, str, int, bool]], roots: list[str]) -> dict[str, int]:
        """40 steps in 2^-40 over (source, target, weight, passes)."""
        order = sorted(self.agents, key=lambda did: self.agents[did]["number"])
        row_total = dict.fromkeys(order, 0)
        for source, _, weight, _ in edges:
            row_total[source] += weight
        parts = [(s, t, w * 2**22 // max(1, row_total[s])) for s, t, w, passes in edges if passes]
        flow = dict.fromkeys(order, 0)
        for step in range(41):
            if step:
                arrived = dict.fromkeys(order, 0)
                for source, target, part in parts:
                    arrived[target] += flow[source] * part
                flow = {did: arrived[did] // 2**22 * 17 // 20 for did in order}
            rest = 2**40 - sum(flow.values())
            for place, root in enumerate(roots):
                flow[root] += rest // len(roots) + (1 if place < rest % len(roots) else 0)
        return flow

    def elect(self, edges: list[tuple[str, str, int, bool]], roots: list[str], silenced: Any) -> dict[str, int]:
        """Votes in 2^-31."""
        if not roots:
            return {}
        flow = self.flow(edges, roots)
        entropy = sum(x * (40 * 2**28 - log2(x)) for x in flow.values() if x)
        size = times(1, -entropy, 2**68, 31)
        votes = {did: min(ONE, 5 * size * x // 2**40) for did, x in flow.items()}
        votes |= dict.fromkeys(roots, ONE)
        return {did: vote for did, vote in votes.items() if vote and did not in silenced}

    def epoch(self, size: int, now: int, roots: tuple[str, ...], silenced: frozenset[str]) -> bytes:
        """Everything anew at one instant; returns the commitment."""
        seats = sorted(
            {r for r in roots if r in self.agents and r not in silenced}, key=lambda r: self.agents[r]["number"]
        )
        edges, plain = [], []
        for (kind, source, target), live in self.edges.items():
            if kind == "vouch":
                passes = live[-1]["leaf"] >= self.agents[target]["since"] and source not in silenced
                edges.append((source, target, times(1, now - live[-1]["time"], 365 * DAY, 31), passes))
                plain.append((source, target, 1, passes))
        before = {key: self.formula(self.sums(*key), row, now) for key, row in self.rows.items()}
        self.votes, self.record_votes = self.elect(edges, seats, silenced), self.elect(plain, seats, silenced)
        self.landmark, self.size = now, size
        self.given = {}
        for kind in ("vouch", "report"):
            for did in self.agents:
                live, whole = self.live(kind, did)
                share = min(ONE, BUDGET[kind] * 2**62 // live) if live else ONE
                record_share = min(ONE, BUDGET[kind] * 2**31 // whole) if whole else ONE
                vote, record_vote = self.votes.get(did, 0), self.record_votes.get(did, 0)
                self.given[(kind, did)] = (vote * share // 2**31, record_vote * record_share // 2**31)
        for (_, _, target), live in self.edges.items():
            for edge in live:
                key = (target, edge["context"])
                if key not in self.rows and any(self.sums(*key).values()):
                    self.rows[key] = Row(self.agents[target]["registered"], cap_ms=self.agents[target]["registered"])
        for key, row in self.rows.items():
            self.ratchet(row, before.get(key, 0), self.formula(self.sums(*key), row, now), now)
        return tree_hash([line.encode() for line in self.lines()])

    def lines(self) -> list[str]:
        """The committed lines, as canonical JSON."""
        result = []
        for did, context in sorted(self.rows):
            row, sums = self.rows[(did, context)], self.sums(did, context)
            body: dict[str, Any] = {"did": did, "context": context or None, "cap": str(row.cap)}
            body |= {"ceiling": row.ceiling, "last": row.last}
            body |= {name: value if name in ("vouches", "reports") else str(value) for name, value in sums.items()}
            if not context:
                agent = self.agents[did]
                vouches, reports = self.live("vouch", did), self.live("report", did)
                body |= {"registered": agent["registered"], "alive": agent["alive"], "tenure": agent["tenure"]}
                body |= {"since": agent["since"], "vote": self.votes.get(did, 0)}
                body |= {"recordVote": self.record_votes.get(did, 0), "liveVouches": str(vouches[0])}
                body |= {"liveReports": str(reports[0]), "recordVouches": vouches[1], "recordReports": reports[1]}
            result.append(json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True))
        return result


def tree_hash(lines: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not lines:
        return hashlib.sha256(b"").digest()
    if len(lines) == 1:
        return hashlib.sha256(b"\x00" + lines[0]).digest()
    split = 1
    while split * 2 < len(lines):
        split *= 2
    return hashlib.sha256(b"\x01" + tree_hash(lines[:split]) + tree_hash(lines[split:])).digest()


def fold(leaves: list[Leaf]) -> tuple[Model, list[bytes]]:
    """The definition: an epoch's state is that of its first leaves, committed, with the leaves up to it folded over."""
    model, commitments = Model(), []
    prefixes: dict[int, Model] = {}
    wanted = {leaf.size for leaf in leaves}
    for index, leaf in enumerate(leaves):
        if index in wanted:
            prefixes[index] = deepcopy(model)
        if leaf.size is None:
            for op in leaf.ops:
                model.apply(index, leaf.time_ms, op)
            continue
        model = prefixes[leaf.size]
        commitments.append(model.epoch(leaf.size, leaves[leaf.size - 1].time_ms, leaf.roots, leaf.silenced))
        for later in range(leaf.size, index):
            for op in leaves[later].ops:
                model.apply(later, leaves[later].time_ms, op)
    return model, commitments
