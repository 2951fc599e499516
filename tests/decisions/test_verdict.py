"""The pinned table of decisions, the response, and the record."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from registry.decisions.facts import FactError
from registry.decisions.policy import PolicyPack
from registry.decisions.request import parse_evaluation, request_digest
from registry.decisions.verdict import (
    DecisionRecordError,
    PolicyRevisionError,
    band_of,
    evaluate_request,
    replay,
)
from tests.decisions.builders import (
    DIGEST,
    MANIFEST,
    POLICY_TEXT,
    SCHEMA,
    VECTORS,
    baseline,
    encode,
    excellent,
    vector,
    vector_for,
)


def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads((VECTORS / "baseline.json").read_text(encoding="utf-8"))
    return table


@pytest.mark.parametrize("case", _table()["cases"], ids=lambda case: case["name"])
def test_pinned_decisions_of_the_baseline(case: dict[str, Any]) -> None:
    """Each published request with its facts gets the published decision, reasons, class and band."""
    request = parse_evaluation(encode(case["request"]), max_bytes=65_536)
    facts = vector_for(request, baseline(), **_table()["defaults"] | case["facts"])
    decision = evaluate_request(facts, baseline(), request_digest=request_digest(request))
    assert {
        "decision": decision.decision,
        "reason": decision.reason,
        "reasons": list(decision.reasons),
        "class": decision.action_class,
        "band": decision.band,
    } == case["expected"]


def test_the_pinned_table_is_large_enough() -> None:
    """The table has both decisions in every class, and every reason of the baseline's rules."""
    cases = [case["expected"] for case in _table()["cases"]]
    assert len(cases) >= 20
    assert {(case["class"], case["decision"]) for case in cases} == {
        (name, decision) for name in ("low", "medium", "high", "critical") for decision in (True, False)
    }
    used = {part.split('"')[0] for part in POLICY_TEXT.decode().split('@reason("')[1:]}
    assert {case["reason"] for case in cases} == used


def test_a_gentler_class_than_the_packs_is_doubt() -> None:
    """A vector whose class or context is not the pack's is denied, though its rules would allow it."""
    facts = excellent(action_name="payments.transfer")
    for changed in (replace(facts, action_class="low"), replace(facts, context="")):
        decision = evaluate_request(changed, baseline(), request_digest=DIGEST)
        assert (decision.decision, decision.reasons, decision.rules) == (False, ("evaluator_unavailable",), ())
    assert evaluate_request(facts, baseline(), request_digest=DIGEST).decision


def test_a_log_that_nobody_confirmed_is_doubt() -> None:
    """Whatever the facts say, they may be old: the best agent gets nothing by them."""
    facts = excellent(action_name="read", log_confirmed=False)
    decision = evaluate_request(facts, baseline(), request_digest=DIGEST)
    assert (decision.decision, decision.reasons, decision.rules) == (False, ("evaluator_unavailable",), ())
    assert evaluate_request(replace(facts, log_confirmed=True), baseline(), request_digest=DIGEST).decision


def test_doubt_stands_before_the_reasons_that_were_found() -> None:
    """When rules refuse besides, their reasons follow the doubt."""
    facts = vector(action_name="payments.transfer", action_class="low", agent_state="revoked")
    decision = evaluate_request(facts, baseline(), request_digest=DIGEST)
    assert decision.reasons == ("evaluator_unavailable", "agent_revoked")


def test_denial_by_default_has_a_reason() -> None:
    """A pack that neither permits nor forbids denies with policy_denied."""
    text = b'@id("allow") @reason("trust_ok") permit (principal, action, resource) when {context.reports_live > 9};'
    pack = PolicyPack.load(text, SCHEMA, MANIFEST)
    decision = evaluate_request(vector(pack), pack, request_digest=DIGEST)
    assert (decision.decision, decision.reason, decision.rules) == (False, "policy_denied", ())


@pytest.mark.parametrize(
    ("score_micros", "band"),
    [
        (0, "untrusted"),
        (9_999_999, "untrusted"),
        (10_000_000, "poor"),
        (24_000_000, "newcomer"),
        (25_000_000, "newcomer"),
        (26_000_000, "low"),
        (40_000_000, "fair"),
        (60_000_000, "good"),
        (79_999_999, "good"),
        (80_000_000, "high"),
        (100_000_000, "high"),
    ],
)
def test_bands(score_micros: int, band: str) -> None:
    """A band begins at its lower bound."""
    assert band_of(score_micros) == band


def test_response_of_an_allow() -> None:
    """The response has the AuthZEN shape, shows points rounded down, and names policy and log position."""
    facts = excellent(
        action_name="payments.refund",
        score_micros=87_459_999,
        confidence_micros=1_239_999,
        context_scored=True,
        context_score_micros=61_999_999,
    )
    response = evaluate_request(facts, baseline(), request_digest=DIGEST).to_authzen("ev-1", origin="r.example/0a")
    assert response == {
        "decision": True,
        "context": {
            "evaluation_id": "ev-1",
            "evaluated_at": "2026-11-20T09:00:00Z",
            "reason": "trust_ok",
            "reason_admin": {"trust_ok": "Every requirement of the policy is met."},
            "reason_user": {"trust_ok": "Allowed."},
            "risk": "high",
            "trust": {
                "score": 87.45,
                "band": "high",
                "record": 25.0,
                "confidence": 1.23,
                "context": {"name": "payments", "score": 61.99},
            },
            "continuity": {"class": "routine", "reasons": [], "index": None},
            "policy": {"id": "baseline", "revision": baseline().revision},
            "log": {"tree_size": 90_211, "origin": "r.example/0a"},
        },
    }


def test_response_of_a_denial_explains_every_reason() -> None:
    """The operator sees all reasons, the caller the first one."""
    decision = evaluate_request(vector(action_name="write"), baseline(), request_digest=DIGEST)
    response: Any = decision.to_authzen("ev-2", origin="r.example/0a")
    context = response["context"]
    assert response["decision"] is False
    assert list(context["reason_admin"]) == ["proof_required", "trust_below_threshold"]
    assert list(context["reason_user"]) == ["proof_required"]
    assert "obligations" not in context
    assert (decision.score_micros, decision.tree_size) == (25_000_000, 90_211)


def test_obligations_reach_the_response() -> None:
    """An obligation has the identifier of its rule and its type."""
    text = b'@id("allow") @reason("trust_ok") @obligation("notification") permit (principal, action, resource);'
    pack = PolicyPack.load(text, SCHEMA, MANIFEST)
    decision = evaluate_request(vector(pack), pack, request_digest=DIGEST)
    response: Any = decision.to_authzen("ev-3", origin="r.example/0a")
    assert response["context"]["obligations"] == [{"id": "allow", "type": "notification", "properties": {}}]


def test_an_altered_record_does_not_replay() -> None:
    """A record whose verdict or facts were changed gives other bytes than it has."""
    record = evaluate_request(vector(action_name="write"), baseline(), request_digest=DIGEST).to_record()
    flipped = record.replace(b'"decision":false', b'"decision":true')
    assert flipped != record
    assert replay(flipped, baseline()) == record
    raised = record.replace(b'"score_micros":25000000', b'"score_micros":95000000')
    assert replay(raised, baseline()) != raised


def test_replay_wants_the_same_revision() -> None:
    """A record is not replayed under another policy than the one that decided it."""
    record = evaluate_request(vector(), baseline(), request_digest=DIGEST).to_record()
    other = PolicyPack.load(POLICY_TEXT + b"\n", SCHEMA, MANIFEST)
    with pytest.raises(PolicyRevisionError) as caught:
        replay(record, other)
    assert caught.value.code == "policy_revision_mismatch"


@pytest.mark.parametrize(
    "record",
    [b"", b"[]", b"{}", b'{"format":"bonafides/decision/1"}', b'{"format":"bonafides/decision/1","vector":{}}'],
)
def test_replay_refuses_what_is_not_a_record(record: bytes) -> None:
    """Other JSON is a decision_record_invalid."""
    with pytest.raises(DecisionRecordError) as caught:
        replay(record, baseline())
    assert caught.value.code == "decision_record_invalid"


def test_replay_refuses_a_broken_vector() -> None:
    """A record whose vector is not one is facts_invalid."""
    record = json.loads(evaluate_request(vector(), baseline(), request_digest=DIGEST).to_record())
    record["vector"]["facts"]["score_micros"] = "25"
    with pytest.raises(FactError):
        replay(encode(record), baseline())
