"""What signs make of a change of identity: each class, each boundary, the window, and that nothing is judged twice."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.reputation.continuity import (
    CHANGES_KEPT,
    CLASSES,
    NEW_CONTROL,
    SILENCE_MS,
    WINDOW_MS,
    Control,
    IdentityChange,
    classify,
    judge,
    next_reserve,
    note_sign_of_life,
)
from registry.reputation.rules import DAY_MS

NOW = 2_000 * DAY_MS
KNOWN = replace(NEW_CONTROL, owner="did:key:zOwner", code="code-1", model="acme/one")
VECTORS = Path(__file__).resolve().parents[2] / "specs" / "vectors" / "continuity"
SIGNS = (
    "after_silence",
    "code_changed",
    "domain_moved",
    "keys_changed",
    "keys_replaced",
    "model_changed",
    "outside_commitment",
    "owner_changed",
    "reserve_used",
)


def operation(**facts: Any) -> IdentityChange:
    """A DID operation of a live agent that replaces its key within its commitment, unless said otherwise."""
    usual: dict[str, Any] = {
        "index": 100,
        "time_ms": NOW,
        "source": "did_operation",
        "alive_ms": NOW - DAY_MS,
        "keys_before": ("a",),
        "keys_after": ("b",),
        "committed": True,
        "update_keys_replaced": True,
    }
    return IdentityChange(**(usual | facts))


def passport(**facts: Any) -> IdentityChange:
    """A passport that repeats what was known, unless said otherwise."""
    usual: dict[str, Any] = {
        "index": 101,
        "time_ms": NOW,
        "source": "passport",
        "alive_ms": NOW - DAY_MS,
        "keys_before": ("b",),
        "keys_after": ("b",),
        "committed": True,
        "owner": KNOWN.owner,
        "code": KNOWN.code,
        "model": KNOWN.model,
    }
    return IdentityChange(**(usual | facts))


CASES: dict[str, tuple[Control, list[IdentityChange], str, str]] = {
    # name: control before, changes, class of the last, carry-over of the last
    "committed-rotation": (NEW_CONTROL, [operation()], "routine", "routine"),
    "key-added": (NEW_CONTROL, [operation(keys_after=("a", "b"))], "routine", "routine"),
    "nothing-but-ttl": (NEW_CONTROL, [operation(keys_after=("a",))], "routine", "routine"),
    "first-passport": (NEW_CONTROL, [passport()], "routine", "routine"),
    "passport-renewed": (KNOWN, [passport()], "routine", "routine"),
    "owner-named-at-last": (replace(KNOWN, owner=""), [passport()], "routine", "routine"),
    "moved": (NEW_CONTROL, [operation(moved=True)], "routine", "routine"),
    "new-code": (KNOWN, [passport(code="code-2")], "upgrade", "routine"),
    "new-model": (KNOWN, [passport(model="acme/two")], "upgrade", "routine"),
    "new-code-and-model": (KNOWN, [passport(code="code-2", model="acme/two")], "upgrade", "routine"),
    "rotation-then-new-code": (KNOWN, [operation(), passport(code="code-2")], "upgrade", "routine"),
    "owner-changed-alone": (KNOWN, [passport(owner="did:key:zOther")], "routine", "routine"),
    "reserve-used": (NEW_CONTROL, [operation(reserve_used=True)], "recovery", "recovery"),
    "reserve-used-once-more-is-one-recovery": (
        NEW_CONTROL,
        [operation(reserve_used=True), operation(keys_before=("b",), keys_after=("c",))],
        "routine",
        "routine",
    ),
    "reserve-used-twice": (
        NEW_CONTROL,
        [operation(reserve_used=True), operation(keys_before=("b",), keys_after=("c",), reserve_used=True)],
        "recovery",
        "recovery",
    ),
    "outside-but-confirmed": (
        replace(KNOWN, confirmed_keys=("a", "b")),
        [operation(committed=False)],
        "recovery",
        "recovery",
    ),
    "outside": (NEW_CONTROL, [operation(committed=False)], "suspected_transfer", "suspected_transfer"),
    "outside-confirmed-for-another-key": (
        replace(KNOWN, confirmed_keys=("a",)),
        [operation(committed=False)],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "outside-key-added-only": (
        NEW_CONTROL,
        [operation(committed=False, keys_after=("a", "b"), update_keys_replaced=False)],
        "routine",
        "routine",
    ),
    "outside-one-key-after-the-other": (
        NEW_CONTROL,
        [
            operation(committed=False, keys_after=("a", "b"), update_keys_replaced=False),
            operation(
                committed=False,
                keys_before=("a", "b"),
                keys_after=("b",),
                update_keys_replaced=False,
                time_ms=NOW + WINDOW_MS,
                alive_ms=NOW,
            ),
        ],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "outside-one-key-after-the-other-with-a-month-between": (
        NEW_CONTROL,
        [
            operation(committed=False, keys_after=("a", "b"), update_keys_replaced=False),
            operation(
                committed=False,
                keys_before=("a", "b"),
                keys_after=("b",),
                update_keys_replaced=False,
                time_ms=NOW + WINDOW_MS + 1,
                alive_ms=NOW,
            ),
        ],
        "routine",
        "routine",
    ),
    "observed-swap": (
        NEW_CONTROL,
        [operation(source="key_observation", committed=False, update_keys_replaced=False)],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "keys-and-owner": (
        KNOWN,
        [operation(), passport(owner="did:key:zOther", owner_signed=True)],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "keys-and-owner-dropped": (KNOWN, [operation(), passport(owner="")], "suspected_transfer", "suspected_transfer"),
    "keys-and-owner-a-month-apart": (
        KNOWN,
        [operation(), passport(owner="did:key:zOther", time_ms=NOW + WINDOW_MS + 1, alive_ms=NOW)],
        "routine",
        "routine",
    ),
    "owner-first-then-keys": (
        KNOWN,
        [passport(owner="did:key:zOther", keys_before=("a",), keys_after=("a",)), operation()],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "everything-new": (
        KNOWN,
        [operation(), passport(code="code-2", model="acme/two")],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "everything-new-but-the-owner-signs": (
        KNOWN,
        [operation(), passport(code="code-2", model="acme/two", owner_signed=True)],
        "upgrade",
        "routine",
    ),
    "keys-place-and-code": (
        KNOWN,
        [operation(moved=True), passport(code="code-2")],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "new-code-after-silence": (
        KNOWN,
        [passport(code="code-2", alive_ms=NOW - SILENCE_MS)],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "new-code-just-before-silence": (
        KNOWN,
        [passport(code="code-2", alive_ms=NOW - SILENCE_MS + 1)],
        "upgrade",
        "routine",
    ),
    "new-code-after-silence-the-owner-signs": (
        KNOWN,
        [passport(code="code-2", alive_ms=NOW - SILENCE_MS, owner_signed=True)],
        "upgrade",
        "routine",
    ),
    "keys-after-silence": (
        NEW_CONTROL,
        [operation(alive_ms=NOW - SILENCE_MS)],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "keys-after-silence-confirmed": (
        replace(KNOWN, confirmed_keys=("b",)),
        [operation(alive_ms=NOW - SILENCE_MS)],
        "routine",
        "routine",
    ),
    "key-added-after-silence": (
        NEW_CONTROL,
        [operation(alive_ms=NOW - SILENCE_MS, keys_after=("a", "b"))],
        "routine",
        "routine",
    ),
    "one-act-with-the-old-key-hides-no-silence": (
        replace(NEW_CONTROL, silence_ended_ms=NOW - WINDOW_MS + 1),
        [operation()],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "a-month-of-life-after-a-silence": (
        replace(NEW_CONTROL, silence_ended_ms=NOW - WINDOW_MS),
        [operation()],
        "routine",
        "routine",
    ),
    "recovery-then-new-owner": (
        KNOWN,
        [operation(reserve_used=True), passport(owner="did:key:zOther")],
        "suspected_transfer",
        "suspected_transfer",
    ),
    "after-a-transfer-a-rotation-is-routine": (
        NEW_CONTROL,
        [operation(committed=False), operation(keys_before=("b",), keys_after=("c",))],
        "routine",
        "routine",
    ),
}


def run(control: Control, changes: list[IdentityChange]) -> tuple[Control, str]:
    """Judge one change after the other; return what is remembered and the last one's carry-over."""
    carry: str = "routine"
    for change in changes:
        verdict = judge(control, change)
        control, carry = verdict.control, verdict.carry_over
    return control, carry


def _vector(name: str) -> dict[str, Any]:
    control, changes, _class, _carry = CASES[name]
    after, carry = run(control, changes)
    assert after.last is not None
    return json.loads(
        json.dumps(
            {
                "title": name.replace("-", " "),
                "control": asdict(control),
                "changes": [asdict(change) for change in changes],
                "class": after.last.continuity,
                "reasons": after.last.reasons,
                "carryOver": carry,
                "after": asdict(after),
            }
        )
    )


@pytest.mark.parametrize("name", CASES)
def test_each_case_has_its_class(name: str) -> None:
    """Class and carry-over of the last change are the ones that the specification's table gives."""
    control, changes, expected, carry = CASES[name]
    after, carried = run(control, changes)
    assert after.last is not None
    assert (after.last.continuity, carried) == (expected, carry)
    assert after.last.carried == (carry != "routine")


def test_vector_files_say_what_the_code_says() -> None:
    """The published vectors are exactly the cases above."""
    found = {path.stem: json.loads(path.read_bytes()) for path in sorted(VECTORS.glob("*.json"))}
    assert found == {name: _vector(name) for name in CASES}


@given(st.sets(st.sampled_from(SIGNS)), st.sampled_from(SIGNS))
def test_a_further_sign_never_lowers_the_class(signs: set[Any], more: Any) -> None:
    """More signs can only raise the class, and the owner's word can only lower it."""
    for confirmed in (False, True):
        before, after = classify(signs, owner_confirmed=confirmed), classify({*signs, more}, owner_confirmed=confirmed)
        assert CLASSES.index(after) >= CLASSES.index(before)
    doubted, vouched = classify(signs, owner_confirmed=False), classify(signs, owner_confirmed=True)
    assert CLASSES.index(vouched) <= CLASSES.index(doubted)


@given(st.lists(st.sampled_from(["rotate", "upgrade", "add"]), max_size=20), st.integers(0, SILENCE_MS - 1))
def test_a_live_agent_within_its_commitments_never_pays(steps: list[str], gap: int) -> None:
    """Rotations, key additions and announced upgrades of one thing at a time cost nothing, however many."""
    control, now, keys, code = KNOWN, NOW, ("k0",), 1
    for number, step in enumerate(steps):
        now += max(gap, WINDOW_MS + 1)
        alive = now - gap
        if step == "upgrade":
            code += 1
            change = passport(time_ms=now, alive_ms=alive, keys_before=keys, keys_after=keys, code=f"code-{code}")
        else:
            after = (f"k{number + 1}",) if step == "rotate" else (*keys, f"k{number + 1}")
            change = operation(time_ms=now, alive_ms=alive, keys_before=keys, keys_after=after)
            keys = after
        verdict = judge(control, change)
        control = verdict.control
        assert verdict.carry_over == "routine"


def test_time_alone_changes_nothing() -> None:
    """What is remembered is a function of the changes; only the next leaf makes another judgement."""
    control, _carry = run(KNOWN, [operation()])
    assert note_sign_of_life(control, alive_ms=NOW, time_ms=NOW + SILENCE_MS - 1) is control
    assert note_sign_of_life(control, alive_ms=NOW, time_ms=NOW + SILENCE_MS).silence_ended_ms == NOW + SILENCE_MS


def test_the_history_is_bounded() -> None:
    """The newest changes are kept, the others are in the log."""
    control, _carry = run(NEW_CONTROL, [operation(index=number) for number in range(40)])
    assert [change.index for change in control.changes] == list(range(40 - CHANGES_KEPT, 40))


def test_a_reserve_stands_in_two_lists() -> None:
    """A commitment that was listed once is the next key, not a reserve."""
    assert next_reserve(["n1", "r"], ["n2", "r"]) == ("r",)
    assert next_reserve(["n1"], ["n2"]) == ()


def main() -> None:
    """Write the vectors."""
    VECTORS.mkdir(parents=True, exist_ok=True)
    for name in CASES:
        (VECTORS / f"{name}.json").write_text(json.dumps(_vector(name), indent=2) + "\n")


if __name__ == "__main__":
    main()
