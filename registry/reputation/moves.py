"""What one event does to one row: evidence in and out, clocks drawn, ratchet moved. Decides nothing, holds nothing."""

from __future__ import annotations

from registry.reputation.evidence import VOUCH, Agent, Kind, Ledger, Part, Spoken, Standing, Voice
from registry.reputation.fixed_point import UNIT_BITS
from registry.reputation.rules import DAY_MS, RULES_1
from registry.reputation.score import Decays, cap_at, excess_at, ratchet


def with_ledger(voice: Voice, kind: Kind, ledger: Ledger) -> Voice:
    """Return the voice with its ledger of that kind replaced."""
    if kind is VOUCH:
        return Voice(voice.vote, voice.record_vote, ledger, voice.reports)
    return Voice(voice.vote, voice.record_vote, voice.vouches, ledger)


def ratcheted(old: Standing, new: Standing, decays: Decays, now_ms: int) -> Standing:
    """Return the new row with its cap moved by what happened at this instant."""
    before, after = excess_at(old, decays, now_ms), excess_at(new, decays, now_ms)
    return Standing(*new[:9], ratchet(cap_at(old, now_ms), before, after), now_ms)


def drawn(row: Standing, agent: Agent, *, gain: int, before: Spoken | None, now_ms: int) -> Standing:
    """Return the row with both clocks drawn: freshness towards now, the ceiling towards the tenure in completed days.

    A vouch that repeats an earlier one tells something new only of the time since then; of the time before, only what
    its voice has gained in weight. So repeating, or withdrawing and repeating, draws no further than saying it once.

    Args:
        row: the standing.
        agent: whose chain has been continued to now.
        gain: min(1, 5 vote), in 2^-31.
        before: what the same voice last said in the same slot, None if nothing that counts.
        now_ms: log time.
    """
    days = agent.tenure_ms // DAY_MS * DAY_MS - row.ceiling_ms
    split, recent, more = row.last_ms, days, gain
    if before is not None:
        split = max(row.last_ms, before.time_ms)
        recent = min(days, now_ms - before.time_ms)
        more = max(0, gain - before.gain)
    last = row.last_ms + ((gain * (now_ms - split) + more * (split - row.last_ms)) >> UNIT_BITS)
    ceiling = row.ceiling_ms + ((gain * recent + more * (days - recent)) >> UNIT_BITS)
    return Standing(*row[:7], last, ceiling, row.cap, row.cap_ms)


def moved(row: Standing, kind: Kind, gone: Part, came: Part) -> Standing:
    """Return the row with one pair's old contribution taken out and its new one put in."""
    slow, fresh = came.slow - gone.slow, came.fresh - gone.fresh
    record, count = came.record - gone.record, came.counted - gone.counted
    if kind is VOUCH:
        return Standing(row.p + slow, row.q, row.r, row.record_p + record, row.record_q, row.vouches + count, *row[6:])
    return Standing(
        row.p, row.q + slow, row.r + fresh, row.record_p, row.record_q + record, row.vouches, row.reports + count,
        *row[7:],
    )  # fmt: skip


def voided(row: Standing, *, now_ms: int) -> Standing:
    """Return the row without vouches, freshness and ceiling; reports stay with the identity."""
    return row._replace(p=0, record_p=0, vouches=0, last_ms=now_ms - RULES_1.lapsed_ms, ceiling_ms=0)


def halved(row: Standing) -> Standing:
    """Return the row with half its ceiling, and half as fresh: one half-life earlier, at this instant and ever after."""
    return row._replace(last_ms=row.last_ms - RULES_1.idle_half_life_ms, ceiling_ms=row.ceiling_ms // 2)
