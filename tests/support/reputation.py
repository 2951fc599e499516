"""Random histories of the score: a strategy that makes them and the ways to fold them into a product state."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from registry.reputation.draft import Draft
from registry.reputation.state import ReputationState
from tests.reputation.reference_model import DAY, Leaf

START_MS = 1_700_000_000_123
GAPS = (0, 1, 999, DAY // 24, DAY, DAY, 3 * DAY, 11 * DAY, 45 * DAY, 200 * DAY)
CONTEXTS = ("", "", "coding", "pay", "c3", "c4")
_GAPS, _CONTEXTS = st.sampled_from(GAPS), st.sampled_from(CONTEXTS)


def apply_op(draft: Draft, index: int, time_ms: int, op: tuple[object, ...]) -> None:
    """Fold one operation of a leaf into a draft."""
    name, *args = op
    match name:
        case "register":
            draft.register(str(args[0]), index=index, time_ms=time_ms)
        case "own_act":
            draft.own_act(str(args[0]), index=index, time_ms=time_ms)
        case "vouch":
            draft.vouch(str(args[0]), str(args[1]), context=str(args[2]) or None, index=index, time_ms=time_ms)
        case "report":
            draft.report(str(args[0]), str(args[1]), context=str(args[2]) or None, index=index, time_ms=time_ms)
        case "withdraw":
            kind = "vouch" if args[0] == "vouch" else "report"
            draft.withdraw(
                kind,
                str(args[1]),
                target=str(args[2]),
                context=str(args[3]) or None,
                edge_index=int(str(args[4])),
                index=index,
                time_ms=time_ms,
            )
        case _:
            draft.reset_continuity(str(args[0]), index=index, time_ms=time_ms)


def apply_leaf(draft: Draft, index: int, leaves: Sequence[Leaf]) -> bytes | None:
    """Fold leaf ``index``; return the commitment if it is an epoch."""
    leaf = leaves[index]
    if leaf.size is None:
        for op in leaf.ops:
            apply_op(draft, index, leaf.time_ms, op)
        return None
    result = draft.epoch(
        index,
        tree_size=leaf.size,
        index=index,
        time_ms=leaves[leaf.size - 1].time_ms,
        roots=leaf.roots,
        silenced=leaf.silenced,
    )
    return result.commitment


def fold_state(
    leaves: Sequence[Leaf], *, after_leaf: Callable[[int, ReputationState], None] | None = None
) -> tuple[ReputationState, list[bytes]]:
    """Fold all leaves with one commit each; ``after_leaf`` sees the state after every one."""
    state, commitments = ReputationState(), []
    draft = state.draft()
    for index in range(len(leaves)):
        commitment = apply_leaf(draft, index, leaves)
        draft.commit()
        if commitment is not None:
            commitments.append(commitment)
        if after_leaf is not None:
            after_leaf(index, state)
    return state, commitments


def village(names: Sequence[str], time_ms: int, index: int) -> list[Leaf]:
    """Return leaves in which the first agent vouches for most and the second for all, so that the last has a weak voice."""
    pairs = [(names[0], name) for name in names[1:-1]] + [(names[1], name) for name in names[2:]]
    leaves = [Leaf(time_ms, (("vouch", *pair, ""),)) for pair in pairs]
    return [*leaves, Leaf(time_ms, size=index + len(leaves), roots=(names[0],))]


def agent_name(number: int) -> str:
    """Return the spelling of an agent in these histories."""
    return f"did:example:a{number}"


@st.composite
def histories(draw: st.DrawFn, *, max_steps: int = 30, late_epochs: bool = True, resets: bool = True) -> list[Leaf]:
    """Draw a log: a few agents, one or two roots, weak voices, every kind of operation, epochs of N <= i leaves."""
    settled = draw(st.booleans())
    count = 9 if settled else draw(st.integers(3, 7))
    names = [agent_name(number) for number in range(count)]
    roots = tuple(names[: draw(st.integers(1, 2))])
    now = START_MS
    leaves = [Leaf(now, tuple(("register", name) for name in names))]
    leaves.append(Leaf(now, size=1, roots=roots))
    if settled:
        leaves += village(names, now, len(leaves))
        names = [names[0], names[1], names[2], *names[-2:]]
    last_epoch = len(leaves) - 1
    live: list[tuple[str, str, str, str, int]] = []
    actions = ["vouch"] * 6 + ["report"] * 2 + ["own_act", "withdraw"] + ["epoch"] * 3 + (["reset"] if resets else [])
    # Made once: the steps draw some hundred times from them, and making a strategy costs more than drawing.
    action_of, pairs = st.sampled_from(actions), st.sampled_from(list(itertools.permutations(names, 2)))
    for _ in range(draw(st.integers(1, max_steps))):
        now += draw(_GAPS)
        action, index = draw(action_of), len(leaves)
        actor, other = draw(pairs)
        if action in ("vouch", "report"):
            context = draw(_CONTEXTS)
            live.append((action, actor, other, context, index))
            leaves.append(Leaf(now, (("own_act", actor), (action, actor, other, context))))
        elif action == "withdraw" and live:
            leaves.append(Leaf(now, (("withdraw", *draw(st.sampled_from(live))),)))
        elif action == "reset":
            leaves.append(Leaf(now, (("reset_continuity", actor),)))
        elif action == "epoch":
            size = draw(st.integers(last_epoch + 1, index)) if late_epochs and last_epoch < index - 1 else index
            silenced = frozenset(draw(st.sampled_from([(), (), (), (actor,)])))
            leaves.append(Leaf(now, size=size, roots=roots, silenced=silenced))
            last_epoch = index
        else:
            leaves.append(Leaf(now, (("own_act", actor),)))
    return leaves
