"""The published vectors hold for the product, so that another implementation can be held to them too."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.codec import parse_json
from did_methods.errors import BonafidesError
from registry.reputation.commitment import commitment_lines
from registry.reputation.fixed_point import factor, log2_fixed, unit_weight
from registry.reputation.state import ReputationState
from tests.reputation.reference_model import Leaf
from tests.support.reputation import fold_state
from tests.support.vectors import REPOSITORY

FOLDER = REPOSITORY / "specs" / "vectors" / "reputation"


def _load(name: str) -> Any:
    return parse_json((FOLDER / name).read_bytes())


def _leaves(document: Any) -> list[Leaf]:
    leaves = []
    for entry in document["leaves"]:
        epoch = entry.get("epoch")
        if epoch is None:
            leaves.append(Leaf(entry["time"], tuple(tuple(op) for op in entry["ops"])))
        else:
            leaves.append(Leaf(entry["time"], (), epoch["size"], tuple(epoch["roots"]), frozenset(epoch["silenced"])))
    return leaves


def test_powers() -> None:
    """Powers of two have the published digits."""
    for case in _load("valid/powers.json")["cases"]:
        assert str(unit_weight(case["elapsed"], case["halfLife"])) == case["unit"]
        if "factor" in case:
            assert str(factor(case["elapsed"], case["halfLife"])) == case["factor"]


def test_logarithms() -> None:
    """Logarithms have the published digits."""
    for case in _load("valid/logarithms.json")["cases"]:
        assert log2_fixed(case["value"]) == case["log2"]


def test_flow() -> None:
    """Flow, effective size and votes have the published digits."""
    import numpy as np

    from registry.reputation.flow import cast_votes, effective_size, split_rows, spread_flow

    case = _load("valid/flow.json")
    source, target, weight, passes = (np.array(column) for column in zip(*case["edges"], strict=True))
    parts = split_rows(weight.astype(np.int64), source, case["agents"])[passes]
    flow = spread_flow(parts, source[passes], target[passes], agents=case["agents"], roots=case["roots"])
    assert flow.tolist() == case["flow"]
    assert effective_size(flow) == case["size"]
    assert cast_votes(flow, case["size"], roots=case["roots"], silenced=[]) == case["votes"]


def test_history() -> None:
    """A whole log gives the published commitments, lines and readings."""
    document = _load("valid/history.json")
    leaves = _leaves(document)
    seen: list[ReputationState] = []

    def keep(index: int, state: ReputationState) -> None:
        if index == len(leaves) - 4:
            seen.append(ReputationState.load(state.dump()))

    state, commitments = fold_state(leaves, after_leaf=keep)
    assert [commitment.hex() for commitment in commitments] == document["commitments"]
    lines = commitment_lines(seen[0].agents, seen[0].voices, seen[0].standings)
    assert [line.decode() for line in lines] == document["lastEpochLines"]
    for case in document["readings"]:
        reading = state.reading(case["did"], case["context"], now_ms=case["now"])
        assert reading.score_units == case["score"]
        assert reading.score_micros == case["scoreMicros"]
        assert reading.record_micros == case["recordMicros"]
        assert reading.confidence_micros == case["confidenceMicros"]


@pytest.mark.parametrize("name", sorted(path.name for path in (FOLDER / "invalid").glob("*.json")))
def test_refused(name: str) -> None:
    """The last leaf of each invalid vector is refused with its code, and the ones before are not."""
    document = _load(f"invalid/{name}")
    leaves = _leaves(document)
    fold_state(leaves[:-1])
    with pytest.raises(BonafidesError) as refused:
        fold_state(leaves)
    assert refused.value.code == document["code"]
