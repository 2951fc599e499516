"""Folding: each operation of the log changes a few rows of a draft, which is kept whole or thrown away whole.

A draft reads through to the state (or draft) below it and holds its own rows on top. The rows of the last epoch that have
changed since are remembered, and every operation since; so an epoch which covers fewer leaves than have been folded can
go back to the last one, fold up to its own tree size, compute, and fold the later leaves. Refuses statements by or about
the unregistered and a ninth context of one pair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from registry.reputation.commitment import EpochResult, commitment_lines, merkle_root
from registry.reputation.evidence import (
    KINDS,
    NOTHING,
    OVERALL,
    REPORT,
    SILENT,
    VOUCH,
    Agent,
    Edge,
    Key,
    Kind,
    KindName,
    Ledger,
    Meta,
    Pair,
    Slot,
    Spoken,
    Standing,
    Voice,
    acted,
    fresh_standing,
    make_pair,
    pair_parts,
)
from registry.reputation.fixed_point import POWER_BITS, UNIT, UNIT_BITS, half_power, scale, unit_weight
from registry.reputation.moves import drawn, halved, moved, ratcheted, voided, with_ledger
from registry.reputation.overlay import Before, Foundation, Op, Overlay, remember
from registry.reputation.rules import RULES_1
from registry.reputation.score import decays_at
from registry.reputation.tables import TABLES, Tables


class Draft(Tables):
    """Operations of any number of leaves over a state; nothing is changed below before ``commit``.

    All operations are O(1) except ``epoch``; operations come in log order, several of one leaf share its index.
    """

    __slots__ = (
        "_before", "_below", "_ops", "_overlays", "_restarted",
        "agents", "metas", "reports", "spoken", "standings", "voices", "vouches",
    )  # fmt: skip

    agents: Overlay[str, Agent]
    voices: Overlay[str, Voice]
    vouches: Overlay[Key, Pair]
    reports: Overlay[Key, Pair]
    standings: Overlay[Key, Standing]
    spoken: Overlay[Slot, Spoken]
    metas: Overlay[str, Meta]

    def __init__(self, below: Foundation) -> None:
        self._below = below
        self.agents = Overlay("agents", below.agents)
        self.voices = Overlay("voices", below.voices)
        self.vouches = Overlay("vouches", below.vouches)
        self.reports = Overlay("reports", below.reports)
        self.standings = Overlay("standings", below.standings)
        self.spoken = Overlay("spoken", below.spoken)
        self.metas = Overlay("metas", below.metas)
        self._overlays: dict[str, Overlay[Any, Any]] = {name: getattr(self, name) for name in TABLES}
        self._reset()

    def _reset(self) -> None:
        for overlay in self._overlays.values():
            overlay.own = {}
        self._restart(at_epoch=False)

    def _restart(self, *, at_epoch: bool) -> None:
        self._ops: list[Op] = []
        self._before: Before = {name: {} for name in self._overlays}
        self._restarted = at_epoch

    def draft(self) -> Draft:
        """Open a draft over this draft."""
        return Draft(self)

    def journal(self) -> list[Op]:
        """Return the operations since the last epoch, in order."""
        return self._ops if self._restarted else [*self._below.journal(), *self._ops]

    def before(self) -> Before:
        """Return what has changed since the last epoch, as it was then."""
        own = self._before
        return own if self._restarted else {name: own[name] | rows for name, rows in self._below.before().items()}

    def merge(self, tables: Mapping[str, Mapping[Any, Any]], ops: list[Op], before: Before, *, restarted: bool) -> None:
        """Take over what a draft above this one has committed."""
        for name, rows in tables.items():
            self._overlays[name].own.update(rows)
        self._restarted = self._restarted or restarted
        if restarted:
            self._ops, self._before = ops, before
        else:
            self._ops.extend(ops)
            remember(self._before, before)

    def commit(self) -> None:
        """Put all changes into the table below; the draft is then empty and may be used again."""
        rows = {name: overlay.own for name, overlay in self._overlays.items()}
        self._below.merge(rows, self._ops, self._before, restarted=self._restarted)
        self._reset()

    # Operations. Each public one notes itself in the journal, then folds.

    def register(self, did: str, *, index: int, time_ms: int) -> None:
        """Give an agent the default standing; a DID that has one keeps it.

        Args:
            did: the agent, in the spelling its standing is kept under.
            index: log index of the leaf.
            time_ms: log time.
        """
        if not (did.isascii() and did.isprintable() and '"' not in did and "\\" not in did):
            raise ValueError("a DID has no character that JSON escapes")
        if self.agents.get(did) is None:
            self._begin("register", index, did, time_ms)
            meta = self.meta
            self._put(self.metas, "", meta._replace(agents=meta.agents + 1))
            self._put(self.agents, did, Agent(meta.agents, time_ms, time_ms, 0, 0, ()))
            self._put(self.standings, (did, OVERALL), fresh_standing(time_ms))

    def own_act(self, did: str, *, index: int, time_ms: int) -> None:
        """Continue the agent's chain of existence; an act of the unregistered leaves no trace.

        Args:
            did: who signed.
            index: log index of the leaf.
            time_ms: log time.
        """
        agent = self.agents.get(did)
        if agent is not None:
            self._begin("own_act", index, did, time_ms)
            self._put(self.agents, did, acted(agent, time_ms))

    def vouch(self, source: str, target: str, *, context: str | None, index: int, time_ms: int) -> None:
        """Fold a vouch; it replaces the live one of the same pair and context.

        Args:
            source: the speaker, registered.
            target: the one spoken of, registered.
            context: a slug, or None: overall only.
            index: log index of the leaf.
            time_ms: log time.

        Raises:
            StandingUnknownError: ``agent_has_no_standing``.
            TooManyContextsError: ``too_many_contexts``.
        """
        self._check("vouch", source, target=target, context=context or OVERALL)
        self._begin("vouch", index, source, target, context or OVERALL, time_ms)
        self._place(VOUCH, source, target, context=context or OVERALL, index=index, time_ms=time_ms)

    def report(self, source: str, target: str, *, context: str | None, index: int, time_ms: int) -> None:
        """Fold a report; like ``vouch``."""
        self._check("report", source, target=target, context=context or OVERALL)
        self._begin("report", index, source, target, context or OVERALL, time_ms)
        self._place(REPORT, source, target, context=context or OVERALL, index=index, time_ms=time_ms)

    def withdraw(
        self,
        kind: KindName,
        source: str,
        *,
        target: str,
        context: str | None,
        edge_index: int,
        index: int,
        time_ms: int,
    ) -> None:
        """Take a vouch or report back; no effect if it is not the live one of its pair and context.

        Args:
            kind: ``vouch`` or ``report``.
            source: the speaker.
            target: the one spoken of.
            context: the one it names, or None.
            edge_index: log index of the statement withdrawn.
            index: log index of this leaf.
            time_ms: log time of this leaf.
        """
        rule, table = KINDS[kind], self._pairs(KINDS[kind])
        old = table.get((source, target))
        named = (edge_index, context or OVERALL)
        if old is None or all((edge.leaf, edge.context) != named for edge in old.edges):
            return
        self._begin("withdraw", index, kind, source, target, context or OVERALL, edge_index, time_ms)
        edges = tuple(edge for edge in old.edges if edge.leaf != edge_index)
        new = make_pair(old.source, old.target, edges) if edges else None
        voice = self.voices.get(source) or SILENT
        ledger = voice.ledger(rule)
        live = ledger.live + self._live_weight(rule, new) - self._live_weight(rule, old)
        counts = ledger._replace(live=live, record_live=ledger.record_live - (new is None))
        self._put(self.voices, source, with_ledger(voice, rule, counts))
        self._put(table, (source, target), new)
        self._shift(rule, source, target, old=old, new=new, voice=voice, time_ms=time_ms)

    def reset_continuity(self, did: str, *, index: int, time_ms: int) -> None:
        """Set tenure and freshness to nothing and void the vouches so far: a suspected transfer.

        Args:
            did: a registered agent.
            index: log index of the leaf; vouches below it count no longer.
            time_ms: log time.
        """
        agent = self._agent(did)._replace(alive_ms=time_ms, tenure_ms=0, since=index)
        change = partial(voided, now_ms=time_ms)
        self._carry("reset_continuity", did, agent, change=change, index=index, time_ms=time_ms)

    def halve_continuity(self, did: str, *, index: int, time_ms: int) -> None:
        """Halve tenure and freshness, overall and in each context: a recovery. Evidence stays; arguments as above."""
        agent = self._agent(did)
        agent = agent._replace(tenure_ms=agent.tenure_ms // 2)
        self._carry("halve_continuity", did, agent, change=halved, index=index, time_ms=time_ms)

    def epoch(
        self,
        number: int,
        *,
        tree_size: int,
        index: int,
        time_ms: int,
        roots: Sequence[str],
        silenced: AbstractSet[str],
    ) -> EpochResult:
        """Commit votes, counts, sums, clocks and ratchets as of the leaves below ``tree_size``, then fold the rest.

        Args:
            number: of the epoch.
            tree_size: N; above the index of the epoch before and at most ``index``.
            index: log index of the epoch's own leaf.
            time_ms: log time of leaf N - 1.
            roots: DIDs of the root list in force; unregistered ones have no voice.
            silenced: DIDs suspended, revoked or deactivated as of leaf N - 1.

        Raises:
            ValueError: the tree size is out of range; the caller checks it against the log.
        """
        # Here, not above: reading a score must not load numpy.
        from registry.reputation.epoch import EpochInput, compute_epoch

        if not self.meta.leaf < tree_size <= index:
            raise ValueError("an epoch covers leaves after the last epoch's own and before its own")
        later = self._rewind(tree_size)
        agents, standings = self.agents.merged(), self.standings.merged()
        voices = self.voices.merged()
        output = compute_epoch(
            EpochInput(
                agents,
                voices,
                self.vouches.merged(),
                self.reports.merged(),
                standings,
                self.meta,
                time_ms,
                roots,
                silenced,
            )
        )
        self.voices.own.update(dict.fromkeys(voices))
        self.voices.own.update(output.voices)
        self.standings.own.update(output.standings)
        self.agents.own.update(output.agents)
        self.metas.own[""] = Meta(number, tree_size, index, time_ms, self.meta.agents)
        commitment = merkle_root(commitment_lines({**agents, **output.agents}, output.voices, output.standings))
        for op in later:
            self._redo(op)
        self._restart(at_epoch=True)  # nothing is ever put back to before this index: the next epoch starts above it
        votes = {did: voice.vote for did, voice in output.voices.items() if voice.vote}
        return EpochResult(number, tree_size, time_ms, commitment, votes, output.effective_size)

    # How it is done.

    def _begin(self, name: str, index: int, *arguments: str | int) -> None:
        self._ops.append(Op(index, name, arguments))

    def _carry(
        self, name: str, did: str, agent: Agent, *, change: Callable[[Standing], Standing], index: int, time_ms: int
    ) -> None:
        self._begin(name, index, did, time_ms)
        self._put(self.agents, did, agent)
        decays = decays_at(time_ms, self.meta)
        for context in (OVERALL, *agent.contexts):
            row = self.standings.get((did, context)) or fresh_standing(agent.registered_ms)
            self._put(self.standings, (did, context), ratcheted(row, change(row), decays, time_ms))

    def _put(self, table: Overlay[Any, Any], key: str | Key | Slot, row: object) -> None:
        self._before[table.name].setdefault(key, table.get(key))
        table.own[key] = row

    def _pairs(self, kind: Kind) -> Overlay[Key, Pair]:
        return self.vouches if kind is VOUCH else self.reports

    def _live_weight(self, kind: Kind, pair: Pair | None) -> int:
        return unit_weight(self.meta.landmark_ms - pair.time_ms, kind.half_life_ms) if pair else 0

    def _place(self, kind: Kind, source: str, target: str, *, context: str, index: int, time_ms: int) -> None:
        """Put a new edge in its pair, with the share its speaker has left at this moment."""
        table, key = self._pairs(kind), (source, target)
        old = table.get(key)
        voice = self.voices.get(source) or SILENT
        ledger = voice.ledger(kind)
        elapsed = time_ms - self.meta.landmark_ms
        live = ledger.live - self._live_weight(kind, old) + unit_weight(-elapsed, kind.half_life_ms)
        record_live = ledger.record_live + (old is None)
        live_now = scale(live, half_power(elapsed, kind.half_life_ms)) >> POWER_BITS
        share = min(UNIT, (kind.budget << (2 * UNIT_BITS)) // live_now)
        record_share = min(UNIT, kind.budget * UNIT // record_live)
        edge = Edge(
            index, time_ms, context, (voice.vote * share) >> UNIT_BITS, (voice.record_vote * record_share) >> UNIT_BITS
        )
        kept = tuple(other for other in old.edges if other.context != context) if old else ()
        new = make_pair(self._agent(source).number, self._agent(target).number, (*kept, edge))
        counts = Ledger(live, ledger.weight, record_live, ledger.record_weight)
        self._put(self.voices, source, with_ledger(voice, kind, counts))
        self._put(table, key, new)
        self._shift(kind, source, target, old=old, new=new, voice=voice, time_ms=time_ms, placed=context)

    def _shift(
        self,
        kind: Kind,
        source: str,
        target: str,
        *,
        old: Pair | None,
        new: Pair | None,
        voice: Voice,
        time_ms: int,
        placed: str | None = None,
    ) -> None:
        """Move the target's standings from what the pair contributed to what it contributes now."""
        if not (voice.vote or voice.record_vote):
            return
        meta, agent, gain = self.meta, self._agent(target), 0
        before = pair_parts(kind, old, voice, meta, since=agent.since)
        after = pair_parts(kind, new, voice, meta, since=agent.since)
        if placed is not None and kind is VOUCH and voice.vote:
            gain = min(UNIT, RULES_1.reach * voice.vote)
            agent = acted(agent, time_ms)
            self._put(self.agents, target, agent)
        decays = decays_at(time_ms, meta)
        for context in {**before, **after}:
            gone, came = before.get(context, NOTHING), after.get(context, NOTHING)
            pull = gain if context in (OVERALL, placed) else 0
            if gone == came and not pull:
                continue
            row = self.standings.get((target, context))
            if row is None:
                row = fresh_standing(agent.registered_ms)
                agent = agent._replace(contexts=tuple(sorted((*agent.contexts, context))))
                self._put(self.agents, target, agent)
            new_row = moved(row, kind, gone, came)
            if pull and new is not None:
                new_row = self._draw(new_row, agent, (source, target, context), gain=pull, new=new)
            self._put(self.standings, (target, context), ratcheted(row, new_row, decays, time_ms))

    def _draw(self, row: Standing, agent: Agent, slot: Slot, *, gain: int, new: Pair) -> Standing:
        """Draw the clocks by what the newest vouch of the pair says that this voice had not said before."""
        before = self.spoken.get(slot)
        if before is not None and before.leaf < agent.since:
            before = None  # it was said of the one who held the identity then
        self._put(self.spoken, slot, Spoken(new.leaf, new.time_ms, gain))
        return drawn(row, agent, gain=gain, before=before, now_ms=new.time_ms)

    def _rewind(self, tree_size: int) -> list[Op]:
        """Go back to before the operations of leaves at or above ``tree_size``; return them, oldest first."""
        operations = self.journal()
        later = [op for op in operations if op.leaf >= tree_size]
        if later:
            for name, rows in self.before().items():
                self._overlays[name].own.update(rows)
            for op in operations[: -len(later)]:
                self._redo(op)
        return later

    def _redo(self, op: Op) -> None:
        args, when = op.arguments, {"index": op.leaf, "time_ms": op.arguments[-1]}
        match op.name:
            case "vouch" | "report":
                getattr(self, op.name)(args[0], args[1], context=args[2], **when)
            case "withdraw":
                self.withdraw(args[0], args[1], target=args[2], context=args[3], edge_index=args[4], **when)
            case _:
                getattr(self, op.name)(args[0], **when)
