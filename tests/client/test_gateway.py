"""A gateway never raises for a denial, and whatever is not plainly an allow is a denial."""

from __future__ import annotations

import time

import pytest

from did_methods.canonical import canonicalize
from registry.client import Gateway
from registry.client.decision import UNAVAILABLE, ResourceError, digest_parameters, parse_decision, parse_resource
from registry.client.errors import BearerKeyFormatError
from tests.support.client import Live, hostile

READ = {"action": "payments.read", "resource": "invoice:42"}


def test_an_allowed_action(live: Live) -> None:
    """A registered agent that proves itself may read; the decision says on what it rests."""
    agent = live.agent()
    decision = Gateway(live.url).decide(agent=agent.did, presentation=agent.present(**READ), **READ)
    assert decision
    assert (decision.allowed, decision.reason, decision.risk, decision.score) == (True, "trust_ok", "low", 25.0)
    assert decision.evaluation_id
    assert decision.tree_size == live.world.size


def test_a_denial_is_an_answer(live: Live) -> None:
    """An unknown agent, a low score and a missing proof are denials with reasons, and false."""
    agent, gateway = live.agent(), Gateway(live.url)
    unknown = gateway.decide(agent="did:key:z6MkunknownAgent", **READ)
    assert not unknown
    assert unknown.reason == "agent_unknown"
    write = {"action": "payments.draft", "resource": "invoice:42"}
    assert gateway.decide(agent=agent.did, **write).reason == "proof_required"
    low = gateway.decide(agent=agent.did, presentation=agent.present(**write), **write)
    assert low.reason == "trust_below_threshold"


def test_parameters_are_bound(live: Live) -> None:
    """A proof made for some parameters is refused for others and for none."""
    agent, gateway = live.agent(), Gateway(live.url)
    proof = agent.present(**READ, parameters={"cents": 100})
    for parameters, allowed in (({"cents": 100}, True), ({"cents": 101}, False), (None, False)):
        decision = gateway.decide(agent=agent.did, presentation=proof, parameters=parameters, **READ)
        assert decision.allowed is allowed
    assert decision.reason == "proof_replayed"


def test_a_proof_is_for_its_agent_action_and_resource(live: Live) -> None:
    """Another agent, action or resource with the same proof is denied."""
    alice, bob, gateway = live.agent(), live.agent(), Gateway(live.url)
    proof = alice.present(**READ)
    assert not gateway.decide(agent=bob.did, presentation=proof, **READ)
    assert not gateway.decide(agent=alice.did, presentation=proof, action="payments.list", resource="invoice:42")
    assert not gateway.decide(agent=alice.did, presentation=proof, action="payments.read", resource="invoice:43")


def test_risk_only_raises(live: Live) -> None:
    """A caller may say that this reading is critical; it cannot say that a refund is not."""
    agent, gateway = live.agent(), Gateway(live.url)
    assert gateway.decide(agent=agent.did, risk="critical", **READ).risk == "critical"
    assert gateway.decide(agent=agent.did, action="payments.refund", resource="invoice:42", risk="low").risk == "high"


def test_a_registry_that_is_down_denies() -> None:
    """No answer is a denial."""
    decision = Gateway("http://127.0.0.1:1").decide(agent="did:key:z6MkA", **READ)
    assert (decision.allowed, decision.reason, decision.score) == (False, UNAVAILABLE, None)


ALLOW = {"decision": True, "context": {"reason": "trust_ok"}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (500, canonicalize(ALLOW)),
        (503, b""),
        (404, b"not found"),
        (307, canonicalize(ALLOW)),
        (204, b""),
        (201, canonicalize(ALLOW)),
        (200, b""),
        (200, b"not json"),
        (200, b"[true]"),
        (200, b'{"decision":true}'),
        (200, b'{"decision":"true","context":{"reason":"trust_ok"}}'),
        (200, b'{"decision":1,"context":{"reason":"trust_ok"}}'),
        (200, b'{"decision":true,"context":{"reason":""}}'),
        (200, b'{"decision":false,"decision":true,"context":{"reason":"trust_ok"}}'),
    ],
)
def test_answers_that_are_none(status: int, body: bytes) -> None:
    """Errors, redirects, truncated and ambiguous answers are denials, even where they say allow."""
    with hostile(lambda _: (status, body)) as server:
        decision = Gateway(server.url).decide(agent="did:key:z6MkA", **READ)
    assert (decision.allowed, decision.reason) == (False, UNAVAILABLE)


def test_an_answer_that_comes_too_late_denies() -> None:
    """A gateway does not wait for ever: past its time limit the action is denied."""

    def answer(_: int) -> tuple[int, bytes]:
        time.sleep(0.5)
        return 200, canonicalize(ALLOW)

    with hostile(answer) as server:
        decision = Gateway(server.url, timeout_s=0.05).decide(agent="did:key:z6MkA", **READ)
    assert decision.reason == UNAVAILABLE


def test_the_bearer_key_counts(live: Live) -> None:
    """A key that the registry does not know ends in a denial; text that can be no key is refused at once."""
    key = live.operator.add_gateway("checkout-test")
    agent = live.agent()
    assert Gateway(live.url, key).decide(agent=agent.did, **READ)
    live.operator.remove_gateway("checkout-test")
    decision = Gateway(live.url, key).decide(agent=agent.did, **READ)
    assert decision.reason == UNAVAILABLE
    assert "401" in decision.detail
    for wrong in ("", "two words", "line\nbreak", "schlüssel"):
        with pytest.raises(BearerKeyFormatError):
            Gateway(live.url, wrong)


def test_resources_have_a_type_and_an_id() -> None:
    """Three ways to write a resource; anything without type or id is the caller's mistake."""
    wanted = {"type": "invoice", "id": "a:42"}
    assert parse_resource("invoice:a:42") == parse_resource(("invoice", "a:42")) == parse_resource(wanted) == wanted
    for wrong in ("invoice", ":42", "invoice:", ("invoice",), {"type": "invoice"}, {"type": "invoice", "id": 42}):
        with pytest.raises(ResourceError):
            parse_resource(wrong)  # type: ignore[arg-type]


def test_a_decision_is_read_with_its_reasons() -> None:
    """The deciding reason comes first, and its sentence for the gateway's operator is the detail."""
    answer = {
        "decision": False,
        "context": {
            "reason": "b",
            "reason_admin": {"b": "Because.", "a": "Also."},
            "trust": {"score": 1.5, "band": "x"},
        },
    }
    decision = parse_decision(answer)
    assert (decision.reasons, decision.detail, decision.score, decision.band) == (("b", "a"), "Because.", 1.5, "x")


def test_the_digest_of_parameters_is_that_of_their_canonical_form() -> None:
    """White space and the order of members do not change what is bound."""
    assert digest_parameters({"b": 1, "a": [1, 2]}) == digest_parameters({"a": [1, 2], "b": 1})
    assert digest_parameters({}) == "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o"
