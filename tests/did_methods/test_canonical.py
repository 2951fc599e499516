"""Canonical JSON: the published vectors, and what has no canonical form."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from did_methods import canonical
from did_methods.codec import parse_json
from tests.support.vectors import published


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_published_vectors_match_to_the_byte(name: str) -> None:
    """Each published input of RFC 8785 has exactly the published output."""
    value = parse_json(published(f"jcs/input/{name}.json").read_bytes())
    expected = bytes.fromhex(published(f"jcs/outhex/{name}.txt").read_text("ascii"))
    assert canonical.canonicalize(value) == expected
    assert canonical.sha256_jcs(value) == hashlib.sha256(expected).digest()


def test_every_character_is_written_alike_on_both_paths() -> None:
    """Both paths escape the same characters in the same way, for each code point there is."""
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
    for start in range(0, len(points), 4_096):
        text = "".join(points[start : start + 4_096])
        assert canonical.canonicalize(text) == canonical._canonicalize_guarded(text)


class _Colour(enum.StrEnum):
    RED = "red"


class _Text(str):
    __slots__ = ()


class _Whole(int):
    pass


@dataclasses.dataclass
class _Point:
    x: int


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (2**53, "canonical_number"),
        (-(2**53), "canonical_number"),
        (2**64, "canonical_number"),
        (float("nan"), "canonical_number"),
        (float("-inf"), "canonical_number"),
        ("\ud800", "canonical_surrogate"),
        ({"\udfff": 1}, "canonical_surrogate"),
        ({1: 1}, "canonical_key"),
        ({None: 1}, "canonical_key"),
        ({_Text("a"): 1}, "canonical_key"),
        ((1, 2), "canonical_type"),
        (b"x", "canonical_type"),
        ({1, 2}, "canonical_type"),
        (_Colour.RED, "canonical_type"),
        (_Text("a"), "canonical_type"),
        (_Whole(1), "canonical_type"),
        (_Point(1), "canonical_type"),
        (uuid.UUID(int=0), "canonical_type"),
        (datetime(2026, 1, 1, tzinfo=UTC), "canonical_type"),
        (1j, "canonical_type"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: [1.5, {"a": value}]], ids=["bare", "nested"])
def test_what_json_does_not_have_is_refused(value: Any, code: str, wrap: Any) -> None:
    """Every value without a canonical form is refused with the code of its kind, on its own and inside others."""
    with pytest.raises(canonical.CanonicalizationError) as refusal:
        canonical.canonicalize(wrap(value))
    assert refusal.value.code == code


@pytest.mark.parametrize("leaf", [1, 1.5], ids=["fast", "slow"])
@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}], ids=["list", "dict"])
def test_depth_limit_is_the_same_on_both_paths(leaf: float, wrap: Any) -> None:
    """The deepest value has a form whether or not it holds a float, and one level more has none."""
    value: Any = leaf
    for _ in range(canonical.MAX_DEPTH):
        value = wrap(value)
    assert canonical.canonicalize(value)
    with pytest.raises(canonical.CanonicalDepthError):
        canonical.canonicalize(wrap(value))


def test_a_value_that_contains_itself_is_refused() -> None:
    """A cycle ends in a refusal, not in a loop."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(canonical.CanonicalDepthError):
        canonical.canonicalize(cycle)


def test_names_beyond_the_basic_plane_sort_by_utf_16() -> None:
    """Plain documents with astral names leave the fast path where its order would differ."""
    assert canonical.canonicalize({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()
    assert (
        canonical.canonicalize({"\ufb33": "\U0001f600", "\u00e9": 2}) == '{"\u00e9":2,"\ufb33":"\U0001f600"}'.encode()
    )
