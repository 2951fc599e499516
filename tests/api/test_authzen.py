"""The verifier endpoint as AuthZEN 1.0 and its certification scenario ask for it: 400 and a plain message, never 422."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import pytest

from did_methods.codec import parse_json_object
from registry.decisions.verdict import replay
from tests.support.asgi import Answer
from tests.support.registry import GATEWAY, OPERATOR, World

PATH = "/access/v1/evaluation"
JSON = {"content-type": "application/json", **GATEWAY}
GOOD: dict[str, Any] = {
    "subject": {"type": "agent", "id": "did:web:nobody.example"},
    "action": {"name": "read"},
    "resource": {"type": "document", "id": "d-1"},
}


def _ask(world: World, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    return world.web.send("POST", PATH, body=body, headers=JSON if headers is None else headers)


def _changed(path: str, value: Any) -> dict[str, Any]:
    body = copy.deepcopy(GOOD)
    *parents, name = path.split(".")
    place = body
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is None:
        del place[name]
    else:
        place[name] = value
    return body


MALFORMED_MEMBERS = [
    ("subject", None),
    ("subject", "alice"),
    ("subject", []),
    ("subject", 1),
    ("subject.type", None),
    ("subject.type", 1),
    ("subject.type", ""),
    ("subject.id", None),
    ("subject.id", 123),
    ("subject.id", True),
    ("subject.id", ["a"]),
    ("subject.id", ""),
    ("subject.id", "x" * 1025),
    ("subject.id", "a\nb"),
    ("subject.properties", "x"),
    ("subject.properties", {"act": "x"}),
    ("subject.properties", {"act": {}}),
    ("action", None),
    ("action", "read"),
    ("action.name", None),
    ("action.name", 123),
    ("action.name", {}),
    ("action.name", ""),
    ("action.name", "x" * 257),
    ("action.properties", []),
    ("action.properties", {"parameters_digest": 1}),
    ("resource", None),
    ("resource", "d"),
    ("resource.type", None),
    ("resource.type", False),
    ("resource.id", None),
    ("resource.id", 1.5),
    ("resource.properties", 1),
    ("resource.properties", {"risk": "enormous"}),
    ("resource.properties", {"risk": 1}),
    ("context", "x"),
    ("context", []),
    ("context.agent", 1),
    ("context.presentation", []),
    ("context.presentation", {"vp": "x"}),
    ("context.presentation", {"capabilities": {}}),
    ("context.presentation", {"capabilities": ["x"]}),
    ("context.presentation", {"capabilities": [{}] * 9}),
]
MALFORMED_BODIES = [
    b"",
    b" ",
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b"{",
    b'{"subject":',
    b"{}",
    b"{'subject': 1}",
    b'{"subject": {}, "subject": {}}',
    b'{"a": NaN}',
    b'{"a": 1e400}',
    b'{"a": 9007199254740993}',
    b'{"a": "\\ud800"}',
    b'{"a": "\xff"}',
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b"[" * 100_000,
    b'{"a":' * 40 + b"1" + b"}" * 40,
    b"{} {}",
    b"x" * 70_000,
]


def _assert_bad_request(world: World, answer: Answer, before: tuple[int, bytes], decisions: int) -> None:
    assert answer.status == 400, answer
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert 0 < len(answer.body) < 300
    assert world.fingerprint() == before
    assert sum(world.app.state.api.decisions.values()) == decisions


@pytest.mark.parametrize(("path", "value"), MALFORMED_MEMBERS)
def test_a_malformed_member_is_400(reading: World, path: str, value: object) -> None:
    """Missing or ill-typed members are 400 with a plain message; nothing is coerced, decided or changed."""
    before, decisions = reading.fingerprint(), sum(reading.app.state.api.decisions.values())
    answer = _ask(reading, httpx.Request("POST", "http://x", json=_changed(path, value)).content)
    _assert_bad_request(reading, answer, before, decisions)


@pytest.mark.parametrize("body", MALFORMED_BODIES, ids=range(len(MALFORMED_BODIES)))
def test_a_malformed_body_is_400(reading: World, body: bytes) -> None:
    """What is not one strict JSON object within the limits is 400 with a plain message."""
    before, decisions = reading.fingerprint(), sum(reading.app.state.api.decisions.values())
    _assert_bad_request(reading, _ask(reading, body), before, decisions)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/xml", "", "application/jsonx", "application/vc+json"]
)
def test_a_wrong_content_type_is_400(reading: World, media_type: str) -> None:
    """Here it is 400, not 415, as the certification scenario asks."""
    answer = _ask(reading, b"{}", {**GATEWAY, "content-type": media_type})
    assert (answer.status, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert reading.refusals("media_type_unsupported") > 0


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_content_types_are_taken(reading: World, media_type: str) -> None:
    """Parameters and case of the content type make no difference."""
    body = httpx.Request("POST", "http://x", json=GOOD).content
    assert _ask(reading, body, {**GATEWAY, "content-type": media_type}).status == 200


def test_an_unknown_agent_is_a_deny(reading: World) -> None:
    """Nobody's agent is denied with 200: that is an answer, not a fault of the caller."""
    answer = reading.decide(GOOD)
    assert answer["decision"] is False
    assert answer["context"]["reason"] == "agent_unknown"


@pytest.mark.parametrize("name", ["alice", "x" * 1024, "did:key:zzz", "did:webvh:Q:h%3A1:agents:a", "\u202e"])
def test_any_other_subject_is_a_deny(reading: World, name: str) -> None:
    """A subject that is no DID, or not registered, is denied; nothing raises."""
    assert reading.reason(_changed("subject.id", name)) == "agent_unknown"


def test_unknown_members_are_ignored_everywhere(reading: World) -> None:
    """Members that the standard or we do not know change neither decision nor reason."""
    request = reading.actors["alice"].request("read")
    plain = reading.decide(request)
    busy = copy.deepcopy(request) | {"options": {"x": 1}, "evaluations_semantic": "x", "x": None}
    for entity in ("subject", "action", "resource", "context"):
        busy[entity]["unknown"] = {"nested": [1, None, True]}
    noisy = reading.decide(busy)
    assert (noisy["decision"], noisy["context"]["reason"]) == (plain["decision"], plain["context"]["reason"])
    assert plain["decision"] is True


def test_the_answer_has_the_documented_form(reading: World) -> None:
    """Decision, reason, score, band, log position and evaluation id are there, uncacheable, with the id echoed."""
    body = httpx.Request("POST", "http://x", json=reading.actors["alice"].request("read")).content
    answer = _ask(reading, body, {**JSON, "x-request-id": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"})
    assert answer.headers["x-request-id"] == "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    context = answer.json["context"]
    assert answer.json.keys() == {"decision", "context"}
    assert context["log"] == {"tree_size": reading.size, "origin": reading.origin}
    assert (context["reason"], context["risk"], context["trust"]["band"]) == ("trust_ok", "low", "newcomer")
    assert context["trust"]["score"] == 25.0
    assert len(context["evaluation_id"]) == 36


def test_repeating_a_request_repeats_the_decision(reading: World) -> None:
    """The same request gives the same answer but for its id, however often it is asked and in whatever order."""
    request = reading.actors["alice"].request("read")
    shuffled = dict(reversed(request.items()))
    answers = [reading.decide(one) for one in (request, shuffled, request, request)]
    for answer in answers:
        answer["context"].pop("evaluation_id")
    assert all(answer == answers[0] for answer in answers)


def test_each_decision_is_recorded_and_replays(reading: World) -> None:
    """The record can be read at once under the evaluation id, and its vector decides the same again, byte for byte."""
    alice, bob = reading.actors["alice"], reading.actors["bob"]
    unproven = alice.request("read", domain="elsewhere.example/00000000")
    for request in (alice.request("read"), bob.request("write"), unproven, GOOD):
        answer = reading.decide(request)
        found = reading.web.get(f"/v1/decisions/{answer['context']['evaluation_id']}", headers=GATEWAY)
        assert found.status == 200
        assert found.json["record"]["verdict"]["decision"] is answer["decision"]
        stored = reading.registry.recorder.find(answer["context"]["evaluation_id"])
        assert stored is not None
        assert parse_json_object(stored.record) == found.json["record"]
        assert replay(stored.record, reading.registry.decisions.pack) == stored.record


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic Zzo="}])
def test_a_caller_without_a_key_is_401(reading: World, headers: dict[str, str]) -> None:
    """Whoever is not a gateway gets 401 with the scheme to use, and nothing is read or decided."""
    before = sum(reading.app.state.api.decisions.values())
    answer = _ask(reading, b"not even json", {"content-type": "application/json", **headers})
    assert (answer.status, answer.headers["content-type"]) == (401, "text/plain; charset=utf-8")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert sum(reading.app.state.api.decisions.values()) == before


def test_an_operator_may_ask_too(reading: World) -> None:
    """An operator may do what a gateway may."""
    body = httpx.Request("POST", "http://x", json=GOOD).content
    assert _ask(reading, body, {"content-type": "application/json", **OPERATOR}).status == 200


def test_the_metadata_names_the_public_address(reading: World) -> None:
    """Discovery gives https addresses under the public URL, whatever Host the caller used."""
    answer = reading.web.get("/.well-known/authzen-configuration", headers={"host": "evil.example"})
    assert answer.json == {
        "policy_decision_point": "https://registry.localhost:8000",
        "access_evaluation_endpoint": "https://registry.localhost:8000/access/v1/evaluation",
    }


@pytest.mark.parametrize("place", ["act", "agent"])
def test_the_acting_agent_may_be_named_in_three_ways(reading: World, place: str) -> None:
    """A person's request on whose behalf an agent acts is judged by the agent, by either convention."""
    alice = reading.actors["alice"]
    body = copy.deepcopy(GOOD) | {"subject": {"type": "user", "id": "alice@example.com"}}
    if place == "act":
        body["subject"]["properties"] = {"act": {"sub": alice.did}}
    else:
        body["context"] = {"agent": alice.did}
    assert reading.reason(body) == "trust_ok"


def test_two_names_for_the_agent_are_a_conflict(reading: World) -> None:
    """Places that disagree about who acts are a deny with its own reason."""
    body = _changed("context.agent", reading.actors["alice"].did)
    assert reading.reason(body) == "actor_conflict"
