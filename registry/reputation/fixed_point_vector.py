"""The functions of ``fixed_point`` for whole arrays: digit for digit the same, proven by property tests.

Only the epoch computation imports this module, so that reading a score needs no numpy. Products of 64-bit numbers are
made of 32-bit limbs, because numpy has no wider integer.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from registry.reputation.fixed_point import (
    DIGIT_BITS,
    DIGITS,
    FRACTION_BITS,
    LOG_BITS,
    POWER_BITS,
    POWER_TABLES,
    UNIT_BITS,
)

Ints: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]

MAX_HALF_LIFE: Final = 1 << 35  # the division below shifts a remainder by 28 bits within 64

_TABLES: Final = tuple(np.array(table, dtype=np.uint64) for table in POWER_TABLES)
_LOW: Final = np.uint64(0xFFFF_FFFF)
_32: Final = np.uint64(32)
_DIGIT_MASK: Final = np.uint64((1 << DIGIT_BITS) - 1)


def _multiply_powers(left: Words, right: Words) -> Words:
    """Return ``(left x right) >> 63`` for factors of at most 2^63."""
    left_high, left_low = left >> _32, left & _LOW
    right_high, right_low = right >> _32, right & _LOW
    cross, other = left_high * right_low, left_low * right_high
    carry = ((left_low * right_low) >> _32) + (cross & _LOW) + (other & _LOW)
    high = left_high * right_high + (cross >> _32) + (other >> _32) + (carry >> _32)
    result: Words = (high << np.uint64(1)) | ((carry >> np.uint64(31)) & np.uint64(1))
    return result


def half_powers(elapsed: Ints, half_life: int) -> tuple[Words, Words]:
    """Return mantissas and shifts of ``2^(-elapsed / half_life)``, as ``fixed_point.half_power`` does.

    Args:
        elapsed: not negative.
        half_life: 1 to 2^35 - 1.
    """
    divisor = np.uint64(half_life)
    whole, rest = np.divmod(elapsed.astype(np.uint64), divisor)
    # Long division in base 2^28, 2^28 and 2^4: 60 binary places without ever leaving 64 bits.
    fraction = np.zeros_like(rest)
    for bits in (np.uint64(28), np.uint64(28), np.uint64(4)):
        digit, rest = np.divmod(rest << bits, divisor)
        fraction = (fraction << bits) | digit
    power = _TABLES[0][(fraction >> np.uint64(FRACTION_BITS - DIGIT_BITS)).astype(np.intp)]
    for position in range(1, DIGITS):
        shift = np.uint64(FRACTION_BITS - DIGIT_BITS * (position + 1))
        power = _multiply_powers(power, _TABLES[position][((fraction >> shift) & _DIGIT_MASK).astype(np.intp)])
    return power, whole


def factors(elapsed: Ints, half_life: int) -> Words:
    """Return ``2^(-elapsed / half_life)`` in units of 2^-63, as ``fixed_point.factor`` does."""
    mantissa, shift = half_powers(elapsed, half_life)
    result: Words = np.where(shift < np.uint64(64), mantissa >> np.minimum(shift, np.uint64(63)), np.uint64(0))
    return result


def unit_weights(elapsed: Ints, half_life: int) -> Ints:
    """Return ``2^(-elapsed / half_life)`` in units of 2^-31, as ``fixed_point.unit_weight`` does for the past."""
    return (factors(elapsed, half_life) >> np.uint64(POWER_BITS - UNIT_BITS)).astype(np.int64)


def log2_fixeds(values: Ints) -> Ints:
    """Return ``log2`` in units of 2^-28, as ``fixed_point.log2_fixed`` does.

    Args:
        values: 1 to 2^52, so that the exponent read through a float is exact.
    """
    exponent = np.frexp(values.astype(np.float64))[1].astype(np.int64) - 1
    words = values.astype(np.uint64)
    up = np.maximum(31 - exponent, 0).astype(np.uint64)
    down = np.maximum(exponent - 31, 0).astype(np.uint64)
    mantissa = (words << up) >> down
    for _ in range(LOG_BITS):
        mantissa = (mantissa * mantissa) >> np.uint64(31)
        bit = mantissa >> _32
        mantissa >>= bit
        exponent = (exponent << 1) | bit.astype(np.int64)
    return exponent
