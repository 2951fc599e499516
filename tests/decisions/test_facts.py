"""The fact vector holds exactly its facts, in range, each marked."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from registry.decisions.facts import FACT_NAMES, FACTS, FactError, FactVector, standard_observations
from registry.decisions.verdict import evaluate_request
from tests.decisions.builders import DIGEST, NOW_MS, REPOSITORY, SCHEMA, VECTORS, baseline, vector, vectors


@given(vectors())
def test_wire_round_trip(facts: FactVector) -> None:
    """Reading back what was written gives the same vector and the same bytes."""
    data = facts.to_wire()
    assert FactVector.from_wire(data) == facts
    assert FactVector.from_wire(data).to_wire() == data


def test_pinned_wire_bytes() -> None:
    """The published vector has exactly these bytes, so that records stay readable."""
    pinned = (VECTORS / "facts.json").read_bytes().rstrip(b"\n")
    assert FactVector.from_wire(pinned).to_wire() == pinned


def test_every_fact_is_marked_exactly_once() -> None:
    """Logged and observed names together are all facts, each once."""
    wire = json.loads(vector().to_wire())
    observed = [name for item in wire["observed"] for name in item["facts"]]
    assert sorted(wire["logged"] + observed) == sorted(FACT_NAMES)
    assert all(item["digest"] == DIGEST or item["source"] == "policy" for item in wire["observed"])


def test_marks_follow_where_the_facts_came_from() -> None:
    """Proof and capability are observed in what carried them, or in the request that carried nothing."""
    with_both = standard_observations(
        request_digest="R" * 43,
        policy_revision="P" * 43,
        observed_ms=NOW_MS,
        presentation_digest="V" * 43,
        capability_digest="C" * 43,
    )
    assert [(item.source, item.digest[0]) for item in with_both] == [
        ("capability", "C"),
        ("log", "R"),
        ("policy", "P"),
        ("presentation", "V"),
        ("request", "R"),
    ]
    bare = standard_observations(request_digest="R" * 43, policy_revision="P" * 43, observed_ms=NOW_MS)
    assert [item.source for item in bare] == ["log", "policy", "request"]
    assert "proof" in bare[2].facts
    assert "capability_present" in bare[2].facts


def test_defaults_deny() -> None:
    """A vector in which nobody gathered anything allows nothing."""
    marks = standard_observations(request_digest=DIGEST, policy_revision=DIGEST, observed_ms=NOW_MS)
    facts = FactVector(tree_size=0, evaluated_at_ms=NOW_MS, observations=marks)
    assert not evaluate_request(facts, baseline(), request_digest=DIGEST).decision


OUT_OF_RANGE: list[dict[str, Any]] = [
    {"score_micros": -1},
    {"score_micros": 100_000_001},
    {"score_micros": True},
    {"score_micros": 25.0},
    {"score_micros": "25000000"},
    {"registered_index": -2},
    {"existence_days": 2**53},
    {"tree_size": -1},
    {"tree_size": True},
    {"evaluated_at_ms": -1},
    {"agent_known": 1},
    {"agent_state": "fine"},
    {"proof": "trust me"},
    {"proof_fault": "Not A Code"},
    {"proof_fault": "proof_invalid\n"},
    {"context": "No Slug", "action_class": "low"},
    {"risk": "severe"},
    {"agent_did": "did:web:" + "a" * 512},
    {"resource_id": "\ud800"},
    {"resource_id": None},
    {"context_score_micros": 40_000_000},
]


@pytest.mark.parametrize("facts", OUT_OF_RANGE, ids="-".join)
def test_refuses_facts_out_of_range(facts: dict[str, Any]) -> None:
    """A fact of another type or outside its range is refused, never adjusted."""
    with pytest.raises(FactError):
        replace(vector(), **facts)


def _marks() -> list[Any]:
    good = vector().observations
    first, second, *rest = good
    return [
        (),
        good[:-1],
        good[::-1],
        (*good, good[-1]),
        (first, replace(second, digest="short"), *rest),
        (first, replace(second, digest=DIGEST + "\n"), *rest),
        (first, replace(second, source="No Name"), *rest),
        (first, replace(second, time_ms=-1), *rest),
        (first, replace(second, facts=(*second.facts, "zz_unknown")), *rest),
        (first, replace(second, facts=second.facts[::-1]), *rest),
        (first, replace(second, facts=tuple(sorted((*second.facts, "proof")))), *rest),
    ]


@pytest.mark.parametrize("marks", _marks(), ids=range(len(_marks())))
def test_refuses_improper_marks(marks: Any) -> None:
    """A fact without a mark, with two, or with one that names no digest is refused."""
    with pytest.raises(FactError):
        replace(vector(), observations=marks)


GONE = object()
ALTERED: list[tuple[str, tuple[Any, ...], Any]] = [
    ("unknown fact", ("facts", "favourite"), 1),
    ("missing fact", ("facts", "score_micros"), GONE),
    ("list as fact", ("facts", "vouches_live"), [1, 2]),
    ("list over peers", ("peers",), ["did:web:a.example"]),
    ("facts as list", ("facts",), []),
    ("other format", ("format",), "bonafides/facts/1"),
    ("no format", ("format",), GONE),
    ("logged shortened", ("logged", 0), GONE),
    ("observed as logged", ("observed", 0), GONE),
    ("observed as object", ("observed",), {}),
    ("text as time", ("observed", 0, "time"), "2026-11-20T09:00:00Z"),
    ("number as source", ("observed", 0, "source"), 5),
    ("number as mark", ("observed", 0, "facts"), [5]),
    ("observation as text", ("observed", 0), "request"),
    ("observation with more", ("observed", 0, "note"), ""),
]


def _altered(path: tuple[Any, ...], value: Any) -> bytes:
    wire = json.loads(vector().to_wire())
    place = wire
    for step in path[:-1]:
        place = place[step]
    if value is GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(wire, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize(("path", "value"), [case[1:] for case in ALTERED], ids=[case[0] for case in ALTERED])
def test_refuses_other_wire_forms(path: tuple[Any, ...], value: Any) -> None:
    """A wire form that is not exactly a vector's is refused with facts_invalid."""
    with pytest.raises(FactError) as caught:
        FactVector.from_wire(_altered(path, value))
    assert caught.value.code == "facts_invalid"


@pytest.mark.parametrize("data", [b"{", b"[]", vector().to_wire() + b" "])
def test_refuses_what_is_not_canonical_json(data: bytes) -> None:
    """Bytes that are not the canonical JSON of an object are refused."""
    with pytest.raises(FactError):
        FactVector.from_wire(data)


def test_schema_lists_exactly_the_facts() -> None:
    """The Cedar schema has every fact with its type, in no other number."""
    kinds = {"integer": "Long", "boolean": "Bool", "text": "String"}
    found = dict(re.findall(r"^  (\w+): (\w+),$", SCHEMA.decode().split("};")[0], re.MULTILINE))
    assert found == {spec.name: kinds[spec.kind] for spec in FACTS}


def test_specification_lists_exactly_the_facts() -> None:
    """The table of specs/decision.md has one row per fact, with its meaning."""
    page = (REPOSITORY / "specs" / "decision.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (integer|boolean|text) \| [^|]+ \| [^|]+ \| (.+) \|$", page, re.MULTILINE)
    assert rows == [(spec.name, spec.kind, spec.meaning) for spec in FACTS]
