"""Commitments and their openings."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import base64url_encode
from did_methods.errors import BonafidesError
from registry.credentials.commitments import make_disclosure, parse_disclosure, verify_openings
from tests.credentials.builders import DIGESTS

SALT = bytes(range(32))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=5,
)


def _encoded(value: Any) -> str:
    return base64url_encode(json.dumps(value).encode())


def _code(text: str) -> str:
    with pytest.raises(BonafidesError) as caught:
        parse_disclosure(text)
    return caught.value.code


def test_the_published_example_has_its_digest() -> None:
    """The disclosure and digest printed in the standard come out, whatever white space the JSON has."""
    text = "WyI2cU1RdlJMNWhhaiIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    digest = base64url_encode(hashlib.sha256(text.encode("ascii")).digest())
    assert digest == "uutlBuYeMDyjLLTpf6Jxi7yNkEF35jdyWMn9U7b_RYY"
    assert json.loads(base64.urlsafe_b64decode(text + "==")) == ["6qMQvRL5haj", "family_name", "Möbius"]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64), JSON)
def test_what_is_made_is_parsed(name: str, value: Any) -> None:
    """Any name and JSON value come back from the text, and the digest is that of the text."""
    made = make_disclosure(name, value, salt=SALT)
    parsed = parse_disclosure(made.text)
    assert parsed == made
    assert (parsed.name, parsed.value) == (name, value)
    assert parsed.digest == base64url_encode(hashlib.sha256(made.text.encode()).digest())


def test_the_salt_hides_the_value() -> None:
    """The same name and value under another salt have another digest."""
    assert make_disclosure("a", 1, salt=SALT).digest != make_disclosure("a", 1, salt=DIGESTS[0]).digest


def test_white_space_is_kept() -> None:
    """A disclosure made by other software verifies by its own text, not by ours."""
    text = _encoded([base64url_encode(SALT), "a", 1])
    assert parse_disclosure(text).digest != make_disclosure("a", 1, salt=SALT).digest
    assert verify_openings({"commitments": [parse_disclosure(text).digest]}, [text])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "!!!!",
        _encoded({"salt": 1}),
        _encoded(["x"]),
        _encoded([base64url_encode(SALT), "name"]),
        _encoded([base64url_encode(SALT), "name", 1, 2]),
        _encoded([base64url_encode(SALT), 5, 1]),
        _encoded([base64url_encode(SALT), "", 1]),
        _encoded([base64url_encode(SALT), "n" * 65, 1]),
        _encoded([5, "name", 1]),
        _encoded([base64url_encode(SALT[:31]), "name", 1]),
        _encoded(["*" * 43, "name", 1]),
        _encoded([base64url_encode(SALT), "name", "x" * 9_000]),
        _encoded([base64url_encode(SALT), "name", 1]) + "=",
        base64url_encode(b'["' + base64url_encode(SALT).encode() + b'","name",{"a":1,"a":2}]'),
    ],
)
def test_other_text_is_no_disclosure(text: str) -> None:
    """Only base64url of an array of salt, short name and value is taken."""
    assert _code(text) == "disclosure_invalid"


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_salts_have_their_length(length: int) -> None:
    """A shorter salt could be guessed, so none is taken."""
    with pytest.raises(BonafidesError) as caught:
        make_disclosure("name", 1, salt=bytes(length))
    assert caught.value.code == "disclosure_invalid"


def test_openings_are_those_committed_to() -> None:
    """Some or all commitments may be opened, in any order; others are refused."""
    made = [make_disclosure(name, 1, salt=DIGESTS[number]) for number, name in enumerate("abc")]
    subject = {"commitments": sorted(each.digest for each in made[:2])}
    assert verify_openings(subject, []) == ()
    assert verify_openings(subject, [made[1].text, made[0].text]) == (made[1], made[0])
    with pytest.raises(BonafidesError) as caught:
        verify_openings(subject, [made[2].text])
    assert caught.value.code == "commitment_not_found"


def test_a_document_without_commitments_has_no_openings() -> None:
    """Openings beside a document that commits to nothing are refused before they are read."""
    with pytest.raises(BonafidesError) as caught:
        verify_openings({}, ["anything"])
    assert caught.value.code == "commitment_not_found"


def test_no_name_is_opened_twice() -> None:
    """Two openings of one name would leave open which value holds."""
    made = [make_disclosure("name", value, salt=DIGESTS[value]) for value in (0, 1)]
    subject = {"commitments": sorted(each.digest for each in made)}
    for openings in ([made[0].text] * 2, [made[0].text, made[1].text]):
        with pytest.raises(BonafidesError) as caught:
            verify_openings(subject, openings)
        assert caught.value.code == "disclosure_repeated"
