"""Scalar and vector arithmetic give the same digits, close to the real numbers they stand for."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from registry.reputation.fixed_point import POWER_TABLES, factor, half_power, log2_fixed, scale, unit_weight
from registry.reputation.fixed_point_vector import factors, half_powers, log2_fixeds, unit_weights
from registry.reputation.flow import effective_size, split_rows, spread_flow
from tests.reputation.reference_model import DAY, table_entry

HALF_LIVES = st.sampled_from([30 * DAY, 60 * DAY, 90 * DAY, 180 * DAY, 365 * DAY, 1, 3, (1 << 35) - 1])


def test_tables_are_the_nearest_integers() -> None:
    """Every table entry is the correctly rounded power."""
    for position, table in enumerate(POWER_TABLES):
        for digit in (*range(0, 4_096, 97), 1, 4_095):
            assert table[digit] == table_entry(position, digit)


@given(st.lists(st.integers(0, 1 << 45), min_size=1, max_size=40), HALF_LIVES)
@example([0, 1, (1 << 35) - 1, 1 << 35], (1 << 35) - 1)
def test_vector_powers_equal_scalar_ones(elapsed: list[int], half_life: int) -> None:
    """Arrays and single numbers agree in every digit."""
    array = np.array(elapsed, dtype=np.int64)
    mantissas, shifts = half_powers(array, half_life)
    pairs = list(zip(mantissas.tolist(), shifts.tolist(), strict=True))
    assert pairs == [half_power(one, half_life) for one in elapsed]
    assert factors(array, half_life).tolist() == [factor(one, half_life) for one in elapsed]
    assert unit_weights(array, half_life).tolist() == [unit_weight(one, half_life) for one in elapsed]


@given(st.lists(st.integers(1, 1 << 40), min_size=1, max_size=40))
def test_vector_logarithms_equal_scalar_ones(values: list[int]) -> None:
    """Arrays and single numbers agree in every digit."""
    assert log2_fixeds(np.array(values, dtype=np.int64)).tolist() == [log2_fixed(value) for value in values]


@given(st.integers(0, 60 * 365 * DAY), st.sampled_from([30 * DAY, 90 * DAY, 180 * DAY, 365 * DAY]))
def test_powers_are_close(elapsed: int, half_life: int) -> None:
    """The relative error of a power is below 2^-58, as the laws assume."""
    mantissa, whole = half_power(elapsed, half_life)
    with localcontext() as context:
        context.prec = 50
        exact = Decimal(2) ** (63 + whole - Decimal(elapsed) / half_life)
        assert abs(mantissa / exact - 1) < Decimal(2) ** -58


@given(st.integers(1, 1 << 40))
def test_logarithms_are_close(value: int) -> None:
    """The error of a logarithm is below 2^-27."""
    with localcontext() as context:
        context.prec = 50
        exact = Decimal(value).ln() / Decimal(2).ln()
        assert abs(Decimal(log2_fixed(value)) / (1 << 28) - exact) < Decimal(2) ** -27


@given(st.integers(0, 1 << 80), st.integers(0, 40 * 365 * DAY))
def test_growth_undoes_decay(value: int, elapsed: int) -> None:
    """What grew to a landmark decays back to itself, but for rounding."""
    grown = scale(value, half_power(-elapsed, 180 * DAY)) >> 63
    back = scale(grown, half_power(elapsed, 180 * DAY)) >> 63
    assert abs(back - value) <= 2 + (value >> 56)


EDGE = st.tuples(st.integers(0, 7), st.integers(0, 7), st.integers(0, 1 << 31)).filter(lambda edge: edge[0] != edge[1])


@given(st.lists(EDGE, max_size=30, unique_by=lambda edge: edge[:2]), st.lists(st.integers(0, 7), unique=True))
def test_flow_is_conserved(edges: list[tuple[int, int, int]], roots: list[int]) -> None:
    """All flow together is exactly one, nobody's is negative, and M lies between 1 and the number of agents."""
    source, target, weight = (
        (np.array(column, dtype=np.int64) for column in zip(*edges, strict=True))
        if edges
        else (np.zeros(0, dtype=np.int64),) * 3
    )
    flow = spread_flow(split_rows(weight, source, 8), source, target, agents=8, roots=sorted(roots))
    assert int(flow.sum()) == (1 << 40 if roots else 0)
    assert int(flow.min()) >= 0
    size = effective_size(flow)
    assert size == 0 if not roots else (1 << 31) - 64 <= size <= (8 << 31) + 64
