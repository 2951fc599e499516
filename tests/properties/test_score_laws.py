"""Promise 4: time alone never raises a score, nobody unreached adds anything, and order and spelling do not matter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.reputation.evidence import Agent, Meta, Standing
from registry.reputation.score import FINE_BITS, START_FINE, decays_at, excess_at, ratchet, read_standing
from registry.reputation.state import ReputationState
from tests.reputation.reference_model import DAY, Leaf
from tests.support.laws import examples
from tests.support.reputation import agent_name, apply_leaf, fold_state, histories

START_UNITS = 1 << 38  # 25 in the exact integer form
UNIT = 1 << 31
CONTEXTS = (None, "coding", "pay")
AGENT = Agent(0, 0, 0, 0, 0, ())
T = 1_700_000_000_000


def _numbers(state: ReputationState, did: str, now_ms: int, context: str | None = None) -> tuple[int, int, int, int]:
    reading = state.reading(did, context, now_ms=now_ms)
    return reading.score_units, reading.score_micros, reading.record_micros, reading.confidence_micros


def _all_scores(state: ReputationState, now_ms: int) -> Iterator[int]:
    for did in state.agents:
        for context in CONTEXTS:
            yield state.reading(did, context, now_ms=now_ms).score_units


def _check_fall(earlier: int, later: int) -> None:
    """The first and third law for two instants without entries in between."""
    assert later <= max(earlier, START_UNITS)


# The laws over random histories.


@settings(max_examples=120, deadline=None)
@given(histories(max_steps=40), st.lists(st.integers(0, 900 * DAY), min_size=2, max_size=8), st.integers(0, 3))
def test_time_alone_never_raises_a_score(leaves: list[Leaf], offsets: list[int], step: int) -> None:
    """After any history, for any two instants in milliseconds: at or above 25 it only falls, below it never passes 25."""
    state, _ = fold_state(leaves)
    instants = sorted({leaves[-1].time_ms + offset + more for offset in (0, *offsets) for more in (0, step)})
    before = list(_all_scores(state, instants[0]))
    for instant in instants[1:]:
        now = list(_all_scores(state, instant))
        for earlier, later in zip(before, now, strict=True):
            _check_fall(earlier, later)
        before = now


@settings(max_examples=80, deadline=None)
@given(histories(max_steps=40), st.integers(0, 400 * DAY))
def test_every_day_costs_something_above_the_start(leaves: list[Leaf], offset: int) -> None:
    """A day later an exact score above 25 is strictly lower."""
    state, _ = fold_state(leaves)
    now_ms = leaves[-1].time_ms + offset
    for today, tomorrow in zip(_all_scores(state, now_ms), _all_scores(state, now_ms + DAY), strict=True):
        assert tomorrow < today or today <= START_UNITS


@settings(max_examples=80, deadline=None)
@given(histories(max_steps=40))
def test_scores_stay_on_their_scale(leaves: list[Leaf]) -> None:
    """Every score lies in 0 to 100 after every leaf, and nobody passes 50 before the first completed day."""

    def look(index: int, state: ReputationState) -> None:
        now_ms = leaves[index].time_ms
        for did, agent in state.agents.items():
            for context in CONTEXTS:
                reading = state.reading(did, context, now_ms=now_ms)
                assert 0 <= reading.score_units < 1 << 40
                assert 0 <= reading.score_micros <= 100_000_000
                assert 0 <= reading.record_micros <= 100_000_000
                if now_ms - agent.registered_ms < DAY:
                    assert reading.score_micros <= 50_000_000

    fold_state(leaves, after_leaf=look)


def test_a_newcomer_stands_at_exactly_25() -> None:
    """Registration alone gives 25 and a record of 25, for ever."""
    state, _ = fold_state([Leaf(T, (("register", "did:example:new"),))])
    for later in (0, 1, DAY, 10_000 * DAY):
        assert _numbers(state, "did:example:new", T + later) == (START_UNITS, 25_000_000, 25_000_000, 0)


# The same laws where rounding is at its worst: single standings, consecutive milliseconds.


@st.composite
def standings(draw: st.DrawFn) -> tuple[Standing, Meta]:
    """Draw a standing just after a counted event, with sums from dust to millions of vouches."""
    sums = st.one_of(st.integers(0, 1 << 12), st.integers(0, 40 * UNIT), st.integers(0, 1 << 52))
    p, q, r = draw(sums), draw(st.one_of(st.just(0), sums)), draw(st.one_of(st.just(0), sums))
    landmark = T - draw(st.integers(0, 40 * DAY))
    bare = Standing(p, q, r, p, q, 1, 1, T - draw(st.integers(0, 400 * DAY)), draw(st.integers(0, 2_000)) * DAY, 0, T)
    meta = Meta(0, 0, 0, landmark, 1)
    after = excess_at(bare, decays_at(T, meta), T)
    before = draw(st.integers(-START_FINE, 3 * START_FINE))
    cap = ratchet(draw(st.integers(0, 3 * START_FINE)), before, after)
    return bare._replace(cap=cap), meta


def _units(row: Standing, meta: Meta, now_ms: int) -> int:
    return read_standing(row, AGENT, meta, vote=0, now_ms=now_ms).score_units


@examples("consecutive milliseconds never rise")
@given(standings(), st.integers(0, 2_000 * DAY))
def test_consecutive_milliseconds_never_rise(given_row: tuple[Standing, Meta], offset: int) -> None:
    """Rounding never lifts a score from one millisecond to the next, and never above 25."""
    row, meta = given_row
    scores = [_units(row, meta, T + offset + step) for step in (0, 1, 2, 3, 1_000, DAY)]
    for earlier, later in itertools.pairwise(scores):
        _check_fall(earlier, later)
    assert scores[-1] < scores[0] or scores[0] <= START_UNITS


@settings(max_examples=300, deadline=None)
@given(standings())
def test_the_last_step_to_25_is_clean(given_row: tuple[Standing, Meta]) -> None:
    """Around the very millisecond at which a score reaches 25 it neither flickers nor comes back."""
    row, meta = given_row
    low, high = T, T + 4_000 * DAY
    if _units(row, meta, low) <= START_UNITS:
        return
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _units(row, meta, middle) > START_UNITS else (low, middle)
    scores = [_units(row, meta, high + step) for step in range(-4, 5)]
    assert scores == sorted(scores, reverse=True)
    assert max(_units(row, meta, high + step * 7 * DAY) for step in range(60)) <= START_UNITS


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 3 * START_FINE), st.integers(-START_FINE, 3 * START_FINE), st.integers(-START_FINE, 3 * START_FINE)
)
def test_the_ratchet_gives_no_more_than_the_event(cap: int, before: int, after: int) -> None:
    """What is read after an event is at most what was read before plus what the event moved."""
    held = min(cap, max(before, 0))
    new = ratchet(cap, before, after)
    assert 0 <= new <= max(after, 0)
    assert min(new, max(after, 0)) - held <= max(max(after, 0) - max(before, 0), 0)
    assert new < 1 << FINE_BITS


# Who counts.


@settings(max_examples=40, deadline=None)
@given(histories(max_steps=25, late_epochs=False), st.data())
def test_unreached_identities_add_exactly_nothing(leaves: list[Leaf], data: st.DataObject) -> None:
    """Fresh identities that vouch for and report everybody, in rings and crowds, change no digit of anybody."""
    crowd = [f"did:example:fresh{number}" for number in range(data.draw(st.integers(1, 6)))]
    real = [agent_name(number) for number in range(len(leaves[0].ops))]
    plain, _ = fold_state(leaves)
    flooded = ReputationState()
    draft = flooded.draft()
    for index in range(len(leaves)):
        apply_leaf(draft, index, leaves)
        if index == 0:
            for did in crowd:
                draft.register(did, index=0, time_ms=leaves[0].time_ms)
        if leaves[index].size is None:
            for did in crowd:
                kind, target = (
                    data.draw(st.sampled_from([draft.vouch, draft.report])),
                    data.draw(st.sampled_from(real + crowd)),
                )
                if target != did:
                    context = data.draw(st.sampled_from([None, "coding"]))
                    kind(did, target, context=context, index=index, time_ms=leaves[index].time_ms)
    draft.commit()
    now_ms = leaves[-1].time_ms + 5
    for did in real:
        assert flooded.reading(did, now_ms=now_ms) == plain.reading(did, now_ms=now_ms)
        assert flooded.reading(did, "coding", now_ms=now_ms) == plain.reading(did, "coding", now_ms=now_ms)
    for did in crowd:
        if not any(real_one in real and target == did for real_one, target in (*flooded.vouches, *flooded.reports)):
            assert _numbers(flooded, did, now_ms)[:3] == (START_UNITS, 25_000_000, 25_000_000)


@settings(max_examples=60, deadline=None)
@given(histories(max_steps=25, late_epochs=False, resets=False), st.integers(1, 6), st.booleans(), st.data())
def test_saying_it_again_never_adds(leaves: list[Leaf], times: int, withdrawn: bool, data: st.DataObject) -> None:
    """Repeating a vouch at once leaves the score where saying it once put it; withdrawing it between adds no evidence."""
    state, _ = fold_state([*leaves, Leaf(leaves[-1].time_ms, size=len(leaves), roots=leaves[1].roots)])
    now_ms, index = leaves[-1].time_ms + DAY, len(leaves) + 1
    source, target = data.draw(st.permutations(list(state.agents)).map(lambda order: order[:2]))
    draft = state.draft()
    draft.vouch(source, target, context=None, index=index, time_ms=now_ms)
    once = draft.reading(target, now_ms=now_ms)
    for _ in range(times):
        if withdrawn:
            draft.withdraw(
                "vouch", source, target=target, context=None, edge_index=index, index=index + 1, time_ms=now_ms
            )
        index += 2
        draft.vouch(source, target, context=None, index=index, time_ms=now_ms)
    again = draft.reading(target, now_ms=now_ms)
    assert (again.factors.p_micros, again.record_micros) == (once.factors.p_micros, once.record_micros)
    assert again.factors.last_counted_ms == once.factors.last_counted_ms
    assert again.factors.ceiling_days == once.factors.ceiling_days
    assert again.factors.formula_micros == once.factors.formula_micros
    if withdrawn:
        # A fall that stays above the cap costs the cap nothing, so coming back may lift it: up to the formula, no further.
        assert again.score_micros <= max(once.score_micros, once.factors.formula_micros)
    else:
        assert again.score_units == once.score_units


# Spelling, order, foresight.


def _renamed(leaf: Leaf, names: dict[str, str]) -> Leaf:
    ops = tuple(tuple(names.get(part, part) if isinstance(part, str) else part for part in op) for op in leaf.ops)
    return Leaf(
        leaf.time_ms,
        ops,
        leaf.size,
        tuple(names[root] for root in reversed(leaf.roots)),
        frozenset(names[did] for did in leaf.silenced),
    )


@settings(max_examples=40, deadline=None)
@given(histories(), st.permutations([f"did:other:{letter}" for letter in "qwertyzuv"]))
def test_spelling_and_list_order_do_not_matter(leaves: list[Leaf], spellings: list[str]) -> None:
    """Other identifiers and another order of the root list give the same digits."""
    names = {agent_name(number): spelling for number, spelling in enumerate(spellings)}
    state, _ = fold_state(leaves)
    other, _ = fold_state([_renamed(leaf, names) for leaf in leaves])
    now_ms = leaves[-1].time_ms + 12_345
    for did in state.agents:
        assert _numbers(state, did, now_ms) == _numbers(other, names[did], now_ms)


@settings(max_examples=40, deadline=None)
@given(histories(), st.data())
def test_no_look_ahead(leaves: list[Leaf], data: st.DataObject) -> None:
    """What is read after a prefix is the same whether or not more leaves will follow."""
    size = data.draw(st.integers(2, len(leaves)))
    prefix, _ = fold_state(leaves[:size])
    expected = list(_all_scores(prefix, leaves[size - 1].time_ms))

    def look(index: int, state: ReputationState) -> None:
        if index == size - 1:
            assert list(_all_scores(state, leaves[index].time_ms)) == expected

    fold_state(leaves, after_leaf=look)
