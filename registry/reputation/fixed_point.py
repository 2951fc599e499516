"""Fixed point powers and logarithms of two, the same digits on every machine.

``2^-x`` is a product of five table entries, one for each 12-bit digit of the fraction of ``x``, in units of 2^-63 and
rounded down after each product. The error is below 2^-58 of the value; the laws of the score need no more than that
(specs/reputation.md, "Why rounding cannot break the laws"). Whole numbers only: no float enters or leaves.
``fixed_point_vector`` holds the same functions for arrays.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt
from typing import Final, TypeAlias

POWER_BITS: Final = 63  # a power of two in (1/2, 1] is an integer in (2^62, 2^63]
FRACTION_BITS: Final = 60  # the fraction of the exponent: five digits
DIGIT_BITS: Final = 12
DIGITS: Final = FRACTION_BITS // DIGIT_BITS
UNIT_BITS: Final = 31  # votes, shares, weights and sums of evidence: one full vouch is 2^31
UNIT: Final = 1 << UNIT_BITS
LOG_BITS: Final = 28  # fraction of a logarithm

_DIGIT_MASK: Final = (1 << DIGIT_BITS) - 1
_TABLE_BITS: Final = 256  # working precision of the tables: far beyond what rounding to 63 bits can notice

Power: TypeAlias = tuple[int, int]
"""``(m, n)`` stands for m x 2^-(63 + n) with m in (2^62, 2^63]; n is negative for powers above one."""


def _power_tables() -> tuple[tuple[int, ...], ...]:
    """Compute ``round(2^63 x 2^(-d / 4096^(i + 1)))`` for digit position i and every digit d."""
    root = 1 << (_TABLE_BITS - 1)
    drop = _TABLE_BITS - POWER_BITS
    tables = []
    for _ in range(DIGITS):
        for _ in range(DIGIT_BITS):
            root = isqrt(root << _TABLE_BITS)
        entry = 1 << _TABLE_BITS
        table = []
        for _ in range(1 << DIGIT_BITS):
            table.append((entry + (1 << (drop - 1))) >> drop)
            entry = (entry * root) >> _TABLE_BITS
        tables.append(tuple(table))
    return tuple(tables)


POWER_TABLES: Final = _power_tables()
_T0, _T1, _T2, _T3, _T4 = POWER_TABLES


@lru_cache(maxsize=8_192)  # one event asks for the same few powers several times
def half_power(elapsed: int, half_life: int) -> Power:
    """Return ``2^(-elapsed / half_life)`` as a power; negative elapsed time gives a power above one.

    Args:
        elapsed: in the unit of ``half_life``, usually milliseconds.
        half_life: positive.
    """
    whole, rest = divmod(elapsed, half_life)
    fraction = (rest << FRACTION_BITS) // half_life
    power = (_T0[fraction >> 48] * _T1[(fraction >> 36) & _DIGIT_MASK]) >> POWER_BITS
    power = (power * _T2[(fraction >> 24) & _DIGIT_MASK]) >> POWER_BITS
    power = (power * _T3[(fraction >> 12) & _DIGIT_MASK]) >> POWER_BITS
    return (power * _T4[fraction & _DIGIT_MASK]) >> POWER_BITS, whole


def scale(value: int, power: Power) -> int:
    """Multiply and keep 63 more binary places: ``value x power`` in 2^-63 of the value's unit, rounded down."""
    mantissa, shift = power
    return (value * mantissa) >> shift if shift >= 0 else (value * mantissa) << -shift


def factor(elapsed: int, half_life: int) -> int:
    """Return ``2^(-elapsed / half_life)`` in units of 2^-63, rounded down; 2^63 is one.

    Args:
        elapsed: not negative; in the unit of ``half_life``.
        half_life: positive.
    """
    mantissa, shift = half_power(elapsed, half_life)
    return mantissa >> shift


def unit_weight(elapsed: int, half_life: int) -> int:
    """Return ``2^(-elapsed / half_life)`` in evidence units of 2^-31, rounded down.

    Args:
        elapsed: may be negative: what comes after the landmark weighs more than one.
        half_life: positive.
    """
    mantissa, shift = half_power(elapsed, half_life)
    shift += POWER_BITS - UNIT_BITS
    return mantissa >> shift if shift >= 0 else mantissa << -shift


def log2_fixed(value: int) -> int:
    """Return ``log2(value)`` in units of 2^-28, by 28 squarings of a 32-bit mantissa; error below 2^-28.

    Args:
        value: at least 1.
    """
    exponent = value.bit_length() - 1
    mantissa = value << (31 - exponent) if exponent <= 31 else value >> (exponent - 31)  # noqa: PLR2004
    for _ in range(LOG_BITS):
        mantissa = (mantissa * mantissa) >> 31
        bit = mantissa >> 32
        mantissa >>= bit
        exponent = (exponent << 1) | bit
    return exponent
