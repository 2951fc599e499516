"""Laws: the fast checker, the explanation and the published schema always agree; verified means unchanged."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError, validators

from did_methods.canonical import canonicalize
from did_methods.errors import BonafidesError
from registry.credentials.kinds import KINDS_BY_TYPE, PRESENTATION
from registry.credentials.members import (
    DID,
    DID_KEY,
    DIGEST,
    NAME,
    ORIGIN,
    SLUG,
    TIMESTAMP,
    URN_UUID,
    VERIFICATION_METHOD,
    Integer,
    Object,
    Text,
)
from registry.credentials.model import parse_credential
from registry.credentials.schema import credential_schema, presentation_schema
from registry.credentials.verify import verify_credential
from tests.credentials import builders
from tests.credentials.builders import AGENT_DID, KEYS, NOW_MS, PEER, VALID, presentation, vouch

WORDS = (DID, DID_KEY, DIGEST, NAME, ORIGIN, SLUG, TIMESTAMP, URN_UUID, VERIFICATION_METHOD)


def _whole_string(validator: Any, pattern: str, instance: object, _schema: dict[str, Any]) -> Iterator[ValidationError]:
    # Python's `$` also matches before a last line break, which ECMA-262's (the schema's dialect) does not.
    if validator.is_type(instance, "string") and re.fullmatch(pattern, str(instance)) is None:
        yield ValidationError("pattern")


def _is_integer(_checker: object, instance: object) -> bool:
    # The dialect takes 1.0 for an integer; signed documents write one number in one way.
    return type(instance) is int


StrictValidator = validators.extend(
    Draft202012Validator,
    {"pattern": _whole_string},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)
SCHEMAS = {name: StrictValidator(credential_schema(kind)) for name, kind in KINDS_BY_TYPE.items()}
DOCUMENTS = {name: build() for name, (_signer, build) in VALID.items()}

NASTY = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 102),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from([1.0, "1", "5", [], {}, [[]], {"id": AGENT_DID}, 2**53, AGENT_DID, "2026-11-20T09:00:00", "*"]),
    st.lists(st.sampled_from(["payments", "payments\n", 1, None]), max_size=3),
)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    keys: list[str | int] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    found = [(*path, key) for key in keys]
    for key in keys:
        found += _places(value[key], (*path, key))
    return found


def _parent(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path[:-1]:
        document = document[step]
    return document


def _mutate(draw: Callable[[st.SearchStrategy[Any]], Any], document: dict[str, Any]) -> None:
    path = draw(st.sampled_from(_places(document)))
    parent, last = _parent(document, path), path[-1]
    match draw(st.sampled_from(["replace", "delete", "add", "repeat", "suffix"])):
        case "replace":
            parent[last] = copy.deepcopy(draw(NASTY))
        case "delete":
            del parent[last]
        case "add" if isinstance(parent, dict):
            name = draw(st.sampled_from(["name", "validUntil", "expires", "owner", "commitments", "context"]))
            parent[name] = copy.deepcopy(draw(NASTY))
        case "repeat" if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        case "suffix" if isinstance(parent[last], str):
            parent[last] += draw(st.sampled_from(["\n", " ", "0", "é", "#", "%"]))
        case _:
            pass


@st.composite
def altered(draw: Callable[[st.SearchStrategy[Any]], Any], originals: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Draw one of the documents with up to three alterations, which may leave it valid."""
    document = copy.deepcopy(originals[draw(st.sampled_from(sorted(originals)))])
    for _ in range(draw(st.integers(0, 3))):
        if _places(document):
            _mutate(draw, document)
    return document


def _agree(specification: Object, schema: Any, document: Any) -> bool:
    fast = specification.compile()(document)
    assert fast == (specification.find_violation(document) is None)
    assert fast == schema.is_valid(document)
    return fast


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_checker_explanation_and_schema_accept_what_is_valid(name: str) -> None:
    """The three readings of a specification all take the untouched document."""
    type_name = DOCUMENTS[name]["type"][1]
    assert _agree(KINDS_BY_TYPE[type_name].document, SCHEMAS[type_name], DOCUMENTS[name])


@given(st.sampled_from(sorted(DOCUMENTS)), altered(DOCUMENTS))
def test_checker_explanation_and_schema_agree(name: str, document: dict[str, Any]) -> None:
    """Fast checker, explanation and JSON Schema give one verdict on any document, also on one of another kind."""
    for type_name in {DOCUMENTS[name]["type"][1], *_claimed_type(document)}:
        _agree(KINDS_BY_TYPE[type_name].document, SCHEMAS[type_name], document)


def _claimed_type(document: dict[str, Any]) -> set[str]:
    types = document.get("type")
    return (
        {each for each in types if isinstance(each, str)} & KINDS_BY_TYPE.keys() if isinstance(types, list) else set()
    )


@given(altered({"empty": presentation(), "full": presentation(credentials=[vouch(subject=AGENT_DID, signer=PEER)])}))
def test_presentations_too(document: dict[str, Any]) -> None:
    """The same holds for presentations."""
    _agree(PRESENTATION, StrictValidator(presentation_schema()), document)


@given(st.sampled_from(WORDS), st.data())
def test_words_agree_on_text_made_from_their_pattern(word: Text, data: st.DataObject) -> None:
    """Strings from the pattern itself, and the same with one character more, get one verdict from all readings."""
    text = data.draw(st.from_regex(word.pattern, fullmatch=True)) + data.draw(
        st.sampled_from(["", "\n", " ", "\0", "a"])
    )
    assert word.compile()(text) == StrictValidator(word.schema()).is_valid(text)


@given(st.integers(-5, 5), st.integers(0, 5), NASTY)
def test_integers_agree(minimum: int, span: int, value: Any) -> None:
    """Bounds are included, and neither booleans nor fractions are integers."""
    member = Integer(minimum, minimum + span)
    assert member.compile()(value) == StrictValidator(member.schema()).is_valid(value)


@given(altered(DOCUMENTS))
def test_parsing_never_fails_otherwise(document: dict[str, Any]) -> None:
    """Whatever JSON arrives, parsing gives a credential or an error of ours, never another exception."""
    with contextlib.suppress(BonafidesError):
        parse_credential(document)


def _unordered(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with its proofs in an order of their own: proof sets have none."""
    proof = document["proof"]
    proofs = proof if isinstance(proof, list) else [proof]
    return {**document, "proof": sorted(proofs, key=canonicalize)}


@given(altered(DOCUMENTS))
def test_what_verifies_is_what_was_signed(document: dict[str, Any]) -> None:
    """Whatever still verifies after alteration is one of the originals, at most with its two proofs swapped."""
    try:
        verify_credential(parse_credential(document), keys=KEYS, now_ms=NOW_MS, origin=builders.ORIGIN)
    except BonafidesError:
        return
    assert _unordered(document) in [_unordered(original) for original in DOCUMENTS.values()]
