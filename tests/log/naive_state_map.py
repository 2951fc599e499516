"""A state map as its page defines it, computed anew from all rows: the oracle for the one that is written piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256


def naive_buckets(rows: Mapping[bytes, bytes], depth: int) -> list[bytes]:
    """Return every bucket in order: the rows whose key begins with the bucket's number, written as bits."""
    buckets = [b""] * 2**depth
    for key in sorted(rows):
        bits = "".join(f"{byte:08b}" for byte in key)
        buckets[int(bits[:depth], 2)] += key + rows[key]
    return buckets


def naive_levels(rows: Mapping[bytes, bytes], depth: int) -> list[list[bytes]]:
    """Return the hashes of every level, buckets first, the root last."""
    levels = [[sha256(b"\x00" + bucket).digest() for bucket in naive_buckets(rows, depth)]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = zip(below[::2], below[1::2], strict=True)
        levels.append([sha256(b"\x01" + left + right).digest() for left, right in pairs])
    return levels


def naive_root(rows: Mapping[bytes, bytes], depth: int) -> bytes:
    """Return the root of the map."""
    return naive_levels(rows, depth)[-1][0]


def naive_path(rows: Mapping[bytes, bytes], depth: int, number: int) -> tuple[bytes, ...]:
    """Return the siblings from a bucket up."""
    levels = naive_levels(rows, depth)
    return tuple(levels[height][(number >> height) ^ 1] for height in range(depth))
