"""Change of control: what a change of an identity says about who holds it, and what of its standing carries over.

Decides the class of each DID operation, passport and key observation of an agent: `routine`, `upgrade`, `recovery` or
`suspected_transfer`. A sale spreads over several entries, so signs are collected in a window, and the class is that of
all signs in it. Pure: everything it reads is public; what nobody can see (every key handed over, then used as before)
it does not claim to see. The carry-over itself is done in ``draft.py``.

Spec: specs/continuity.md; DESIGN "Agent".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from registry.reputation.rules import DAY_MS

WINDOW_MS: Final = 30 * DAY_MS
"""Signs this far apart belong to one change."""
SILENCE_MS: Final = 90 * DAY_MS
"""Without a sign of life this long, an identity is idle; the half-life of a score that nobody renews."""
CHANGES_KEPT: Final = 16

ContinuityClass: TypeAlias = Literal["routine", "upgrade", "recovery", "suspected_transfer"]
Source: TypeAlias = Literal["did_operation", "passport", "key_observation"]
Sign: TypeAlias = Literal[
    "after_silence",
    "code_changed",
    "domain_moved",
    "keys_changed",
    "keys_replaced",
    "model_changed",
    "outside_commitment",
    "owner_changed",
    "reserve_used",
]

CLASSES: Final[tuple[ContinuityClass, ...]] = ("routine", "upgrade", "recovery", "suspected_transfer")
"""In rising order."""
_RANK: Final = {name: rank for rank, name in enumerate(CLASSES)}


@dataclass(frozen=True, slots=True)
class ClassifiedChange:
    """One change of an identity, judged.

    Attributes:
        index: its leaf.
        time_ms: log time.
        source: which kind of leaf it was.
        continuity: its class, that of the whole window up to it.
        reasons: signs in the window that it was judged by, sorted, and ``owner_confirmed`` where that tempered it.
        carried: whether this very change cost standing: a class is applied once, when the window first reaches it.
    """

    index: int
    time_ms: int
    source: Source
    continuity: ContinuityClass
    reasons: tuple[str, ...]
    carried: bool


@dataclass(frozen=True, slots=True)
class Control:
    """What is remembered of who holds an identity.

    Attributes:
        owner: DID of the owner in the last passport, also one that was revoked since; empty for none.
        code: code digest in the last passport; empty before the first.
        model: the model in the last passport, as text; empty before the first.
        confirmed_keys: signing keys of the DID version to which an owner's counter-signed passport is bound.
        reserve: commitments to update keys that stood in reserve, in at least the two newest lists.
        window_ms: log time of the first sign in the window; -1 when none is open.
        base_keys: signing keys when the window opened.
        signs: signs in the window, sorted.
        applied: the highest class that the window has reached.
        silence_ended_ms: log time of the sign of life that ended the newest long silence; -1 for never.
        code_changed_ms: log time of the newest change of code or model; -1 for never.
        transferred_ms: log time of the newest suspected transfer; -1 for never.
        carried: the newest change that cost standing; None for never.
        changes: the newest changes, oldest first, at most 16.
    """

    owner: str = ""
    code: str = ""
    model: str = ""
    confirmed_keys: tuple[str, ...] = ()
    reserve: tuple[str, ...] = ()
    window_ms: int = -1
    base_keys: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()
    applied: ContinuityClass = "routine"
    silence_ended_ms: int = -1
    code_changed_ms: int = -1
    transferred_ms: int = -1
    carried: ClassifiedChange | None = None
    changes: tuple[ClassifiedChange, ...] = ()

    @property
    def last(self) -> ClassifiedChange | None:
        """The newest change; None before the first."""
        return self.changes[-1] if self.changes else None


NEW_CONTROL: Final = Control()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChange:
    """One leaf that changes an identity, in public facts.

    Attributes:
        index: of the leaf.
        time_ms: log time.
        source: kind of leaf.
        alive_ms: log time of the last sign of life before: an act of the agent's own, or a vouch for it that counts.
        keys_before: signing keys before, Multikeys; keys of instances are left out, because they are subordinate.
        keys_after: signing keys after.
        committed: pre-rotation held: the entry before had committed to the keys that made this change.
        update_keys_replaced: no update key of before is left.
        reserve_used: the key that signed was one kept in reserve.
        moved: the DID names another host.
        owner: owner in the passport; None where the leaf is no passport, empty where the passport names none.
        code: code digest in the passport; None where the leaf is no passport.
        model: model in the passport, as text; None where the leaf is no passport.
        owner_signed: the passport's owner counter-signed it.
    """

    index: int
    time_ms: int
    source: Source
    alive_ms: int
    keys_before: tuple[str, ...] = ()
    keys_after: tuple[str, ...] = ()
    committed: bool = False
    update_keys_replaced: bool = False
    reserve_used: bool = False
    moved: bool = False
    owner: str | None = None
    code: str | None = None
    model: str | None = None
    owner_signed: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a change comes to.

    Attributes:
        control: what is remembered from now on.
        carry_over: the class whose carry-over applies now; `routine` and `upgrade` cost nothing.
    """

    control: Control
    carry_over: ContinuityClass


def classify(signs: Collection[Sign], *, owner_confirmed: bool) -> ContinuityClass:
    """Return the class of a set of signs.

    Args:
        signs: all signs of one window.
        owner_confirmed: the owner of before stands behind what is there now.

    Spec: specs/continuity.md "Classes"
    """
    replaced, silent = "keys_replaced" in signs, "after_silence" in signs
    code, model = "code_changed" in signs, "model_changed" in signs
    if replaced and "owner_changed" in signs:
        return "suspected_transfer"
    all_new = replaced and ((code and model) or ("domain_moved" in signs and (code or model)))
    outside = replaced and "outside_commitment" in signs
    idle = silent and (replaced or code or model or "owner_changed" in signs)
    if not owner_confirmed and (all_new or outside or idle):
        return "suspected_transfer"
    if "reserve_used" in signs or outside:
        return "recovery"
    return "upgrade" if code or model else "routine"


def judge(control: Control, change: IdentityChange) -> Verdict:
    """Return what a change is, what it costs and what is remembered of it.

    Args:
        control: what was remembered before.
        change: the leaf.

    Spec: specs/continuity.md "The window", "Carry-over"
    """
    opened = control.window_ms >= 0 and change.time_ms - control.window_ms <= WINDOW_MS
    base = control.base_keys if opened else change.keys_before
    before: Collection[Sign] = control.signs if opened else ()
    applied: ContinuityClass = control.applied if opened else "routine"
    signs = frozenset(before) | _signs(control, change, base)
    confirmed = _is_confirmed(control, change)
    found = classify(signs, owner_confirmed=confirmed)
    carried = _RANK[found] > _RANK[applied] and _RANK[found] >= _RANK["recovery"]
    tempered = confirmed and classify(signs, owner_confirmed=False) != found
    reasons = (*sorted(signs), *(("owner_confirmed",) if tempered else ()))
    judged = ClassifiedChange(change.index, change.time_ms, change.source, found, reasons, carried)
    known = _remember(control, change)
    newest = judged if carried else known.carried
    known = replace(known, carried=newest, changes=(*known.changes, judged)[-CHANGES_KEPT:])
    if found == "suspected_transfer" and carried:
        # Whoever holds it now begins anew, and is judged by what happens from here on.
        known = replace(_closed(known), transferred_ms=change.time_ms, confirmed_keys=(), silence_ended_ms=-1)
    elif found == "recovery" and carried:
        # A second recovery in the same window needs a new reason; what could yet make it a transfer is kept.
        kept = signs - {"reserve_used", "outside_commitment"}
        known = _opened(known, kept, base=base, applied="upgrade", since=_since(control, change, opened))
    elif signs - {"after_silence"}:
        highest = found if _RANK[found] > _RANK[applied] else applied
        known = _opened(known, signs, base=base, applied=highest, since=_since(control, change, opened))
    else:
        known = _closed(known)
    return Verdict(known, found if carried else "routine")


def note_sign_of_life(control: Control, *, alive_ms: int, time_ms: int) -> Control:
    """Return what is remembered after an act or a vouch: a long silence that ends here is kept in mind.

    Args:
        control: before.
        alive_ms: log time of the last sign of life before this one.
        time_ms: log time of this one.
    """
    return replace(control, silence_ended_ms=time_ms) if time_ms - alive_ms >= SILENCE_MS else control


def next_reserve(before: Collection[str], after: Collection[str]) -> tuple[str, ...]:
    """Return the commitments that stand in two lists one after the other: keys kept in reserve.

    Args:
        before: ``nextKeyHashes`` of one entry.
        after: of the entry after it.
    """
    return tuple(sorted(set(before) & set(after)))


def _signs(control: Control, change: IdentityChange, base: tuple[str, ...]) -> frozenset[Sign]:
    signs: set[Sign] = set()
    before, after = set(change.keys_before), set(change.keys_after)
    if before != after:
        signs.add("keys_changed")
        if base and not after & set(base):
            signs.add("keys_replaced")
    if not change.committed and (not after <= before or change.update_keys_replaced):
        signs.add("outside_commitment")
    if change.reserve_used:
        signs.add("reserve_used")
    if change.moved:
        signs.add("domain_moved")
    if change.owner is not None and control.owner and change.owner != control.owner:
        signs.add("owner_changed")
    if change.code is not None and control.code and change.code != control.code:
        signs.add("code_changed")
    if change.model is not None and control.model and change.model != control.model:
        signs.add("model_changed")
    ended = control.silence_ended_ms
    recent = ended >= 0 and change.time_ms - ended < WINDOW_MS
    if recent or change.time_ms - change.alive_ms >= SILENCE_MS:
        signs.add("after_silence")
    return frozenset(signs)


def _is_confirmed(control: Control, change: IdentityChange) -> bool:
    """Say whether the owner of before stands behind the change: by signing this passport, or the keys beforehand."""
    if change.source == "passport":
        return change.owner_signed and bool(control.owner) and change.owner == control.owner
    return bool(change.keys_after) and set(change.keys_after) <= set(control.confirmed_keys)


def _remember(control: Control, change: IdentityChange) -> Control:
    if change.source != "passport":
        return control
    renewed = (control.code and change.code != control.code) or (control.model and change.model != control.model)
    return replace(
        control,
        owner=change.owner or "",
        code=change.code or "",
        model=change.model or "",
        confirmed_keys=change.keys_after if change.owner_signed else control.confirmed_keys,
        code_changed_ms=change.time_ms if renewed else control.code_changed_ms,
    )


def _since(control: Control, change: IdentityChange, opened: bool) -> int:
    return control.window_ms if opened else change.time_ms


def _opened(
    control: Control, signs: Collection[Sign], *, base: tuple[str, ...], applied: ContinuityClass, since: int
) -> Control:
    return replace(control, window_ms=since, base_keys=base, signs=tuple(sorted(signs)), applied=applied)


def _closed(control: Control) -> Control:
    return replace(control, window_ms=-1, base_keys=(), signs=(), applied="routine")
