"""A guarded function is called exactly when the call, with these arguments, was allowed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from registry.client import ActionDeniedError, Agent, CarriedPresentation, Gateway, acting_as, digest_call, guard
from registry.client.errors import ArgumentsNotBindableError, CoroutineUnsupportedError, RegistryUnreachableError
from registry.client.gateway import Gateway as GatewayClass
from tests.support.client import Live, hostile

READ = "payments.read"


class Calls:
    """Counts what ran."""

    def __init__(self, gateway: GatewayClass, action: str = READ, **more: Any) -> None:
        self.ran: list[tuple[Any, ...]] = []

        @guard(action=action, gateway=gateway, resource="invoice:{number}", **more)
        def read(number: str, limit: int = 3, *rest: Any, **options: Any) -> str:
            self.ran.append((number, limit, rest, options))
            return f"{number}/{limit}"

        self.read = read


def test_an_allowed_call_runs_once(live: Live) -> None:
    """The function gets its arguments and gives its result; its name and docstring stay."""
    calls = Calls(Gateway(live.url))
    with acting_as(live.agent()):
        assert calls.read("42", limit=5) == "42/5"
    assert calls.ran == [("42", 5, (), {})]
    assert calls.read.__name__ == "read"


def test_a_denied_call_does_not_run(live: Live) -> None:
    """The error carries the decision with its reasons."""
    calls = Calls(Gateway(live.url), action="payments.refund", agent=live.agent())
    with pytest.raises(ActionDeniedError) as caught:
        calls.read("42")
    assert caught.value.decision.reason == "trust_below_threshold"
    assert "capability_required" in caught.value.decision.reasons
    assert not calls.ran


def test_without_an_agent_nothing_runs(live: Live) -> None:
    """Nobody acts here; afterwards nobody acts either."""
    calls = Calls(Gateway(live.url))
    with acting_as(live.agent()):
        calls.read("1")
    with pytest.raises(ActionDeniedError) as caught:
        calls.read("2")
    assert caught.value.decision.reason == "agent_unknown"
    assert len(calls.ran) == 1


def test_without_a_registry_nothing_runs(live: Live) -> None:
    """A server that is down, errs, or says yes in a wrong way stops the call."""
    agent = live.agent()
    calls = Calls(Gateway("http://127.0.0.1:1"), agent=agent)
    with pytest.raises(ActionDeniedError) as caught:
        calls.read("42")
    assert caught.value.decision.reason == "evaluator_unavailable"
    for status, body in ((500, b'{"decision":true}'), (200, b"yes"), (200, b'{"decision":true}')):
        with hostile(lambda _, status=status, body=body: (status, body)) as server:
            calls = Calls(Gateway(server.url), agent=agent)
            with pytest.raises(ActionDeniedError):
                calls.read("42")
            assert not calls.ran


def test_an_agent_that_cannot_prove_itself_stops_the_call(live: Live) -> None:
    """An identity that no registry knows yet has no log to sign for."""
    stranger = Agent.create("stranger", method="key")
    with pytest.raises(ActionDeniedError) as caught:
        Calls(Gateway(live.url), agent=stranger).read("42")
    assert caught.value.decision.reason == "proof_required"


def test_a_proof_for_one_call_is_worth_nothing_for_another(live: Live) -> None:
    """A carried proof runs the call that it was made for, again within its minute, and no other."""
    agent = live.agent()
    calls = Calls(Gateway(live.url))
    digest = digest_call(calls.read, "42", limit=5)
    proof = agent.present(action=READ, resource="invoice:42", parameters_digest=digest)
    with acting_as(CarriedPresentation(agent.did, proof)):
        for _ in range(2):
            calls.read("42", limit=5)
        for args, options in ((("42",), {}), (("43", 5), {}), (("42", 5, "more"), {}), (("42", 5), {"extra": True})):
            with pytest.raises(ActionDeniedError) as caught:
                calls.read(*args, **options)
            assert caught.value.decision.reason == "proof_replayed"
    assert calls.ran == [("42", 5, (), {})] * 2


def test_a_proof_for_one_function_is_worth_nothing_for_another(live: Live) -> None:
    """The function's own name is bound too, so equal arguments of a sister function are another call."""
    agent, gateway, ran = live.agent(), Gateway(live.url), []

    @guard(action=READ, gateway=gateway, resource="invoice:{number}")
    def other(number: str, limit: int = 3) -> None:
        ran.append(number)

    digest = digest_call(Calls(gateway).read, "42")
    proof = agent.present(action=READ, resource="invoice:42", parameters_digest=digest)
    with acting_as(CarriedPresentation(agent.did, proof)), pytest.raises(ActionDeniedError):
        other("42")
    assert not ran


def test_a_proof_shown_in_another_agents_name_is_worth_nothing(live: Live) -> None:
    """Whoever carries a proof must be whoever made it."""
    alice, bob = live.agent(), live.agent()
    calls = Calls(Gateway(live.url))
    proof = alice.present(action=READ, resource="invoice:42", parameters_digest=digest_call(calls.read, "42"))
    with acting_as(CarriedPresentation(bob.did, proof)), pytest.raises(ActionDeniedError):
        calls.read("42")
    assert not calls.ran


def test_arguments_that_change_while_the_registry_is_asked(live: Live) -> None:
    """What runs is what was decided: an argument changed meanwhile stops the call."""
    agent, amounts, ran = live.agent(), [100], []

    class Meddler:
        did = agent.did

        def present(self, **bound: Any) -> Mapping[str, Any]:
            amounts[0] = 9_999
            return agent.present(**bound)

    @guard(action=READ, gateway=Gateway(live.url), resource="invoice:42", agent=Meddler())
    def pay(cents: list[int]) -> None:
        ran.append(cents)

    with pytest.raises(ActionDeniedError) as caught:
        pay(amounts)
    assert caught.value.decision.reason == "arguments_changed"
    assert not ran


def test_coroutines_are_refused(live: Live) -> None:
    """A coroutine function would only make its coroutine under the guard, and run outside."""
    with pytest.raises(CoroutineUnsupportedError):

        @guard(action=READ, gateway=Gateway(live.url), resource="invoice:42")
        async def read() -> None: ...


def test_arguments_without_an_exact_json_form(live: Live) -> None:
    """Objects, keys that are no text, and numbers out of range cannot be bound, so the call is refused."""
    calls = Calls(Gateway(live.url), agent=live.agent())
    for wrong in (object(), Decimal("1.5"), b"bytes", {1: "a"}, {"a": {1, 2}}, 2**53, float("nan"), "\ud800"):
        with pytest.raises(ArgumentsNotBindableError):
            calls.read("42", wrong)  # type: ignore[arg-type]
    assert not calls.ran


def test_an_encoder_for_other_arguments(live: Live) -> None:
    """With an encoder such arguments are bound by what it makes of them; the function gets the originals."""
    calls = Calls(Gateway(live.url), agent=live.agent(), encode=str)
    calls.read("42", Decimal("1.50"))  # type: ignore[arg-type]
    assert calls.ran == [("42", Decimal("1.50"), (), {})]
    lazy = Calls(Gateway(live.url), agent=live.agent(), encode=lambda value: value)
    with pytest.raises(ArgumentsNotBindableError):
        lazy.read("42", Decimal("1.50"))  # type: ignore[arg-type]


def test_who_acts_may_be_asked_at_each_call(live: Live) -> None:
    """The agent may be a function; what it raises is the caller's, and the call does not run."""
    agent = live.agent()
    calls = Calls(Gateway(live.url), agent=lambda: agent)
    assert calls.read("1") == "1/3"

    def nobody() -> Agent:
        raise RegistryUnreachableError

    calls = Calls(Gateway(live.url), agent=nobody)
    with pytest.raises(RegistryUnreachableError):
        calls.read("1")
    assert not calls.ran


def test_capabilities_and_resource_functions(live: Live) -> None:
    """A high-risk call shows its capability along; the resource may be computed from the arguments."""
    agent = live.agent()
    capability = live.root.grant(agent.did, actions=["payments.refund"], resources=["invoice:*"])

    @guard(
        action="payments.refund",
        gateway=Gateway(live.url),
        resource=lambda bound: ("invoice", str(bound["number"])),
        agent=agent,
        capabilities=lambda: [capability],
    )
    def refund(number: int) -> None: ...

    with pytest.raises(ActionDeniedError) as caught:
        refund(42)
    assert "trust_below_threshold" in caught.value.decision.reasons
    assert not {"capability_required", "capability_mismatch"} & set(caught.value.decision.reasons)
