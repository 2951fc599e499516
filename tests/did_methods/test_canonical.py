"""Canonical JSON: the published vectors, and what has no canonical form."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6), st.sampled_from(["e", ",,", ":.", "1.5", "-", "\U0001f600", "\\", '"'])
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(value=_VALUES)
def test_a_quick_look_says_nothing_wrong(value: Any) -> None:
    """Of canonical bytes it gives the value that they say, or says that it cannot tell."""
    data = canonical.canonicalize(value)
    read = canonical.read_canonical(data)
    if read is not None:
        assert canonical.canonicalize(read) == data
        assert read == parse_json(data)


@given(value=_VALUES, at=st.integers(0, 200), put=st.binary(max_size=3), cut=st.integers(0, 2))
def test_a_quick_look_takes_nothing_for_canonical_that_is_not(value: Any, at: int, put: bytes, cut: int) -> None:
    """Bytes with something changed anywhere: what it reads, the strict parser reads alike and writes as these bytes."""
    data = canonical.canonicalize(value)
    data = data[:at] + put + data[at + cut :]
    read = canonical.read_canonical(data)
    if read is not None:
        assert canonical.canonicalize(parse_json(data, max_depth=64)) == data


@pytest.mark.parametrize(
    "data",
    [b'{"a":1.0}', b'{"a":1e2}', b"[1.0]", b"[1,2.0]", b"[true,1e2]", b"[1E2]", b"[-0]", b'{"a":-0}', b'{"b":1,"a":2}', b'{"a":1,"a":1}', b"1e400", b"1.0", b"1", b"null",
     b'{"a": 1}', b'{"a":"\\u0061"}', b'{"a":9007199254740993}', b'"\xff"', b"", b"\xef\xbb\xbf{}", b'"\xed\xa0\x80"'],
)  # fmt: skip
def test_a_quick_look_does_not_tell(data: bytes) -> None:
    """Other spellings, and what only the slow way can judge."""
    assert canonical.read_canonical(data) is None


def test_a_quick_look_at_a_statement() -> None:
    """What statements are made of is read quickly."""
    assert canonical.read_canonical(b'{"a":[{"b":"1.5e3"}],"n":-17,"t":true}') == {
        "a": [{"b": "1.5e3"}],
        "n": -17,
        "t": True,
    }
