"""The product and the naive model give the same digits: commitments, scores, records and confidence."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.reputation.state import ReputationState
from tests.reputation.reference_model import DAY, Leaf, Model, fold
from tests.support.laws import examples
from tests.support.reputation import CONTEXTS, apply_leaf, fold_state, histories

LATER = (0, 1, DAY - 1, 40 * DAY, 900 * DAY)


def _same_readings(state: ReputationState, model: Model, now_ms: int) -> None:
    for did in model.agents:
        for context in sorted(set(CONTEXTS)):
            for later in LATER:
                reading = state.reading(did, context or None, now_ms=now_ms + later)
                numbers = (reading.score_units, reading.record_micros, reading.confidence_micros)
                assert numbers == model.read(did, context, now_ms + later)


@examples("a score equals the definition")
@given(histories())
def test_fold_equals_the_definition(leaves: list[Leaf]) -> None:
    """Folding leaf by leaf, with epochs over fewer leaves than folded, equals computing from nothing."""
    state, commitments = fold_state(leaves)
    model, expected = fold(leaves)
    assert commitments == expected
    _same_readings(state, model, leaves[-1].time_ms)


@settings(max_examples=40, deadline=None)
@given(histories(), st.data())
def test_batches_discards_and_restarts_change_nothing(leaves: list[Leaf], data: st.DataObject) -> None:
    """Several leaves per commit, discarded and nested drafts and a dump in between lead to the same state."""
    plain, expected = fold_state(leaves)
    state, commitments = ReputationState(), []
    draft = state.draft()
    for index in range(len(leaves)):
        match data.draw(st.sampled_from(["keep", "commit", "discard", "nest", "restart"])):
            case "commit":
                draft.commit()
            case "discard":
                trial = draft.draft()
                apply_leaf(trial, index, leaves)
            case "restart":
                draft.commit()
                state = ReputationState.load(state.dump())
                draft = state.draft()
            case "nest":
                nested = draft.draft()
                commitments.append(apply_leaf(nested, index, leaves))
                nested.commit()
                continue
            case _:
                pass
        commitments.append(apply_leaf(draft, index, leaves))
    draft.commit()
    assert [c for c in commitments if c is not None] == expected
    assert state == plain
    assert ReputationState.load(state.dump()) == state
