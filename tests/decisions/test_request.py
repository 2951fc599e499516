"""Evaluation requests are read strictly, and the acting agent is found wherever it is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from registry.decisions.request import EvaluationParseError, parse_evaluation, request_binding, request_digest
from registry.errors import ParseError
from tests.decisions.builders import AGENT, VECTORS, encode, evaluation

LIMIT = 65_536
OTHER = "did:web:agents.example:other"


def parse(**members: Any) -> Any:
    """Parse an evaluation with members replaced."""
    return parse_evaluation(encode(evaluation(**members)), max_bytes=LIMIT)


def test_reads_the_members() -> None:
    """A full request is read member by member; unknown members are ignored."""
    request = parse(
        subject={"type": "agent", "id": AGENT, "properties": {"department": "x"}, "extra": 1},
        action={"name": "invoke", "properties": {"parameters_digest": "sha-256=:abc:", "method": "POST"}},
        resource={"type": "tool", "id": "payments.refund", "properties": {"risk": "high", "amount": 120}},
        context={"presentation": {"vp": {"type": "VerifiablePresentation"}, "capabilities": [{"id": "c"}]}, "x": []},
        unheard_of={"a": None},
    )
    assert (request.subject_type, request.subject_id, request.agent_did) == ("agent", AGENT, AGENT)
    assert (request.action_name, request.parameters_digest) == ("invoke", "sha-256=:abc:")
    assert (request.resource_type, request.resource_id, request.risk) == ("tool", "payments.refund", "high")
    assert request.presentation == {"type": "VerifiablePresentation"}
    assert request.capabilities == ({"id": "c"},)
    assert "unheard_of" not in request.document


def test_optional_members_may_be_absent() -> None:
    """A request of the three required objects has no risk, digest, presentation or capability."""
    request = parse()
    assert (request.risk, request.parameters_digest, request.presentation) == ("", None, None)
    assert request.capabilities == ()


SUBJECT = {"type": "agent", "id": AGENT}
RECORD = {"type": "record", "id": "orders-7"}
MALFORMED: list[tuple[str, str, bytes]] = [
    ("empty body", "evaluation_not_json", b""),
    ("half an object", "evaluation_not_json", b'{"subject":'),
    ("not UTF-8", "evaluation_not_json", b'{"a":"\xff"}'),
    ("byte order mark", "evaluation_not_json", b"\xef\xbb\xbf{}"),
    ("duplicate key", "evaluation_not_json", b'{"subject":{},"subject":{}}'),
    ("not a number", "evaluation_not_json", b'{"a":NaN}'),
    ("huge integer", "evaluation_not_json", b'{"a":9007199254740993}'),
    ("lone surrogate", "evaluation_not_json", b'{"a":"\\ud800"}'),
    ("too deep", "evaluation_not_json", b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"),
    ("too large", "evaluation_not_json", encode({"a": "x" * LIMIT})),
    ("an array", "evaluation_malformed", b"[]"),
    ("null", "evaluation_malformed", b"null"),
    ("a string", "evaluation_malformed", b'"alice"'),
    ("no subject", "evaluation_member_missing", encode(evaluation(subject=None))),
    ("no action", "evaluation_member_missing", encode(evaluation(action=None))),
    ("no resource", "evaluation_member_missing", encode(evaluation(resource=None))),
    ("subject as string", "evaluation_member_invalid", encode(evaluation(subject="alice"))),
    ("action as string", "evaluation_member_invalid", encode(evaluation(action="read"))),
    ("resource as array", "evaluation_member_invalid", encode(evaluation(resource=[]))),
    ("resource null", "evaluation_member_invalid", encode(evaluation() | {"resource": None})),
    ("no subject type", "evaluation_member_missing", encode(evaluation(subject={"id": AGENT}))),
    ("no subject id", "evaluation_member_missing", encode(evaluation(subject={"type": "agent"}))),
    ("no action name", "evaluation_member_missing", encode(evaluation(action={}))),
    ("no resource type", "evaluation_member_missing", encode(evaluation(resource={"id": "1"}))),
    ("no resource id", "evaluation_member_missing", encode(evaluation(resource={"type": "r"}))),
    ("action name number", "evaluation_member_invalid", encode(evaluation(action={"name": 123}))),
    ("resource id number", "evaluation_member_invalid", encode(evaluation(resource={"type": "r", "id": 1}))),
    ("subject type null", "evaluation_member_invalid", encode(evaluation(subject={"type": None, "id": AGENT}))),
    ("subject id true", "evaluation_member_invalid", encode(evaluation(subject={"type": "agent", "id": True}))),
    ("empty action name", "evaluation_member_invalid", encode(evaluation(action={"name": ""}))),
    ("line break in id", "evaluation_member_invalid", encode(evaluation(resource={"type": "r", "id": "a\nb"}))),
    ("subject properties", "evaluation_member_invalid", encode(evaluation(subject=SUBJECT | {"properties": []}))),
    ("action properties", "evaluation_member_invalid", encode(evaluation(action={"name": "x", "properties": 1}))),
    ("resource properties", "evaluation_member_invalid", encode(evaluation(resource=RECORD | {"properties": None}))),
    ("context as array", "evaluation_member_invalid", encode(evaluation(context=[]))),
    ("context as text", "evaluation_member_invalid", encode(evaluation(context="now"))),
    ("presentation text", "evaluation_member_invalid", encode(evaluation(context={"presentation": "jwt"}))),
    ("vp as text", "evaluation_member_invalid", encode(evaluation(context={"presentation": {"vp": "jwt"}}))),
    ("vp null", "evaluation_member_invalid", encode(evaluation(context={"presentation": {"vp": None}}))),
    (
        "capabilities as object",
        "evaluation_member_invalid",
        encode(evaluation(context={"presentation": {"capabilities": {}}})),
    ),
    (
        "capability as text",
        "evaluation_member_invalid",
        encode(evaluation(context={"presentation": {"capabilities": [{}, "x"]}})),
    ),
    (
        "nine capabilities",
        "evaluation_member_too_long",
        encode(evaluation(context={"presentation": {"capabilities": [{}] * 9}})),
    ),
    (
        "digest as number",
        "evaluation_member_invalid",
        encode(evaluation(action={"name": "x", "properties": {"parameters_digest": 5}})),
    ),
    (
        "long digest",
        "evaluation_member_too_long",
        encode(evaluation(action={"name": "x", "properties": {"parameters_digest": "x" * 257}})),
    ),
    (
        "risk as number",
        "evaluation_member_invalid",
        encode(evaluation(resource=RECORD | {"properties": {"risk": 3}})),
    ),
    (
        "risk in capitals",
        "evaluation_member_invalid",
        encode(evaluation(resource=RECORD | {"properties": {"risk": "HIGH"}})),
    ),
    ("agent as object", "evaluation_member_invalid", encode(evaluation(context={"agent": {"id": AGENT}}))),
    ("act as text", "evaluation_member_invalid", encode(evaluation(subject=SUBJECT | {"properties": {"act": AGENT}}))),
    (
        "act without sub",
        "evaluation_member_missing",
        encode(evaluation(subject=SUBJECT | {"properties": {"act": {"iss": "https://r.example"}}})),
    ),
    ("long type", "evaluation_member_too_long", encode(evaluation(subject={"type": "a" * 129, "id": AGENT}))),
    ("long name", "evaluation_member_too_long", encode(evaluation(action={"name": "a" * 257}))),
    ("long id", "evaluation_member_too_long", encode(evaluation(resource={"type": "r", "id": "a" * 1025}))),
]


@pytest.mark.parametrize(("code", "body"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_malformed_requests_are_typed_errors(code: str, body: bytes) -> None:
    """Each fault has its code and a plain message that does not echo the request."""
    with pytest.raises(EvaluationParseError) as caught:
        parse_evaluation(body, max_bytes=LIMIT)
    assert isinstance(caught.value, ParseError)
    assert caught.value.code == code
    assert caught.value.detail
    assert AGENT not in caught.value.detail


USER = {"type": "user", "id": "alice@example.com"}
ACTORS: list[tuple[str, dict[str, Any], str, bool]] = [
    ("subject agent", {}, AGENT, False),
    ("subject did", {"subject": {"type": "did", "id": AGENT}}, AGENT, False),
    ("subject of another type that is a DID", {"subject": {"type": "identity", "id": AGENT}}, AGENT, False),
    ("subject without a DID", {"subject": USER}, "", False),
    ("agent without a DID", {"subject": {"type": "agent", "id": "buyer"}}, "", False),
    ("overlong DID", {"subject": {"type": "agent", "id": "did:web:" + "a" * 600}}, "", False),
    ("act", {"subject": USER | {"properties": {"act": {"sub": AGENT}}}}, AGENT, False),
    (
        "nested act is history",
        {"subject": USER | {"properties": {"act": {"sub": AGENT, "act": {"sub": OTHER}}}}},
        AGENT,
        False,
    ),
    ("context.agent", {"subject": USER, "context": {"agent": AGENT}}, AGENT, False),
    (
        "context.agent beside the DID of a principal",
        {"subject": {"type": "identity", "id": OTHER}, "context": {"agent": AGENT}},
        AGENT,
        False,
    ),
    (
        "all three agree",
        {"subject": SUBJECT | {"properties": {"act": {"sub": AGENT}}}, "context": {"agent": AGENT}},
        AGENT,
        False,
    ),
    ("subject against context", {"context": {"agent": OTHER}}, "", True),
    ("subject against act", {"subject": SUBJECT | {"properties": {"act": {"sub": OTHER}}}}, "", True),
    (
        "act against context",
        {"subject": USER | {"properties": {"act": {"sub": AGENT}}}, "context": {"agent": OTHER}},
        "",
        True,
    ),
    ("client id against subject", {"context": {"agent": "client-17"}}, "", True),
    ("client id alone", {"subject": USER, "context": {"agent": "client-17"}}, "", False),
]


@pytest.mark.parametrize(("members", "agent", "conflict"), [a[1:] for a in ACTORS], ids=[a[0] for a in ACTORS])
def test_acting_agent(members: dict[str, Any], agent: str, conflict: bool) -> None:
    """Each convention gives the one acting DID; disagreement is a conflict, no DID is nobody."""
    request = parse(**members)
    assert (request.agent_did, request.actor_conflict) == (agent, conflict)


def _bindings() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((VECTORS / "binding.json").read_text(encoding="utf-8"))["cases"]
    return cases


@pytest.mark.parametrize("case", _bindings(), ids=lambda case: case["name"])
def test_pinned_request_bindings(case: dict[str, Any]) -> None:
    """Requests have the published challenges, made from the published canonical JSON."""
    request = parse_evaluation(encode(case["request"]), max_bytes=LIMIT)
    assert canonicalize(json.loads(case["bound"])).decode() == case["bound"]
    assert request_binding(request) == case["challenge"]


def test_binding_covers_what_is_asked_and_nothing_else() -> None:
    """Another subject, action, resource or digest is another challenge; context and properties are not bound."""
    base = request_binding(parse())
    digest = {"name": "read", "properties": {"parameters_digest": "sha-256=:abc:"}}
    others = [
        parse(subject={"type": "agent", "id": OTHER}),
        parse(action={"name": "write"}),
        parse(action=digest),
        parse(resource={"type": "tool", "id": "orders-7"}),
        parse(resource={"type": "record", "id": "orders-8"}),
    ]
    assert len({base, *map(request_binding, others)}) == 6
    assert request_binding(parse(context={"presentation": {"vp": {}}})) == base


def test_request_digest_covers_everything_sent_but_not_its_spelling() -> None:
    """The digest ignores order and white space, and notices any property."""
    value = evaluation(context={"a": 1, "b": 1.5})
    spelled = json.dumps(dict(reversed(value.items())), indent=3).encode()
    digest = request_digest(parse_evaluation(encode(value), max_bytes=LIMIT))
    assert request_digest(parse_evaluation(spelled, max_bytes=LIMIT)) == digest
    assert request_digest(parse(context={"a": 2, "b": 1.5})) != digest
    assert len(digest) == 43
