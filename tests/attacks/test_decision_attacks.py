"""Attacks on decisions: replayed and stolen proofs, borrowed capabilities, agents that have just lost their standing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from registry.credentials.presentation import request_challenge
from tests.support.actor import Actor
from tests.support.registry import DAY_MS, World, open_world

MINUTE_MS = 60_000


@pytest.fixture
def alice(world: World) -> Actor:
    """An agent with a vouch of the root and a day behind it: good for `write`."""
    alice = world.agent("alice")
    assert world.submit(world.operator.vouch(alice.did)).status == 201
    world.clock.advance(DAY_MS)
    assert world.epoch().status == 201
    assert world.reason(alice.request("write")) == "trust_ok"
    return alice


def _with(request: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(request)
    *parents, name = path.split(".")
    place = changed
    for parent in parents:
        place = place[parent]
    place[name] = value
    return changed


# ---------------------------------------------------------------- proofs


def test_a_proof_is_for_one_request(world: World, alice: Actor) -> None:
    """A presentation bound to one request proves nothing for another action, resource or parameters."""
    request = alice.request("write", resource=("document", "d-1"), parameters_digest="sha-256=:abc:")
    assert world.reason(request) == "trust_ok"
    for path, value in (
        ("action.name", "create"),
        ("resource.id", "d-2"),
        ("resource.type", "folder"),
        ("action.properties.parameters_digest", "sha-256=:abd:"),
        ("action.properties", {}),
    ):
        changed = _with(request, path, value)
        answer = world.decide(changed)
        assert (answer["decision"], answer["context"]["reason"]) == (False, "proof_replayed"), path


def test_a_proof_of_the_same_request_repeats_until_it_expires(world: World, alice: Actor) -> None:
    """It may repeat within its minute, in this very millisecond too, and is worth nothing from its end on."""
    request = alice.request("write", lifetime_ms=MINUTE_MS)
    assert world.reason(request) == "trust_ok"
    world.clock.advance(MINUTE_MS - 1)
    assert world.reason(request) == "trust_ok"
    world.clock.advance(1)
    assert world.reason(request) == "proof_expired"
    never_seen = alice.request("write", lifetime_ms=MINUTE_MS)
    world.clock.advance(MINUTE_MS)
    assert world.reason(never_seen) == "proof_expired"


def test_a_proof_lives_a_minute_at_most(world: World, alice: Actor) -> None:
    """A request-bound presentation without an end, or with a far one, is refused."""
    assert world.reason(alice.request("write", lifetime_ms=61_000)) == "proof_invalid"
    assert world.reason(alice.request("write", lifetime_ms=DAY_MS)) == "proof_invalid"
    assert world.reason(alice.request("write", now_ms=world.clock.now_ms() + 61_000)) == "proof_invalid"


def test_a_challenge_proves_once(world: World, alice: Actor) -> None:
    """A challenge-bound presentation is good for one decision; made-up and expired challenges for none."""
    challenge = world.challenge()
    request = alice.request("write", prove=False) | {"context": {"presentation": {"vp": alice.presentation(challenge)}}}
    assert world.reason(request) == "trust_ok"
    assert world.reason(request) == "proof_replayed"
    again = {"context": {"presentation": {"vp": alice.presentation(challenge)}}}
    assert world.reason(request | again) == "proof_replayed"
    made_up = {"context": {"presentation": {"vp": alice.presentation("bWFkZS11cA")}}}
    assert world.reason(request | made_up) == "proof_replayed"
    late = {"context": {"presentation": {"vp": alice.presentation(world.challenge())}}}
    world.clock.advance(300_000)
    assert world.reason(request | late) == "proof_replayed"


def test_a_challenge_of_a_decision_does_not_register(world: World, alice: Actor) -> None:
    """One challenge is used up by whichever door sees it first."""
    challenge = world.challenge()
    bob = world.short_lived("bob")
    assert world.web.post("/v1/agents", bob.registration(challenge)).status == 201
    request = alice.request("write", prove=False) | {"context": {"presentation": {"vp": alice.presentation(challenge)}}}
    assert world.reason(request) == "proof_replayed"


def test_a_proof_for_another_registry(world: World, alice: Actor, tmp_path: Path) -> None:
    """What an agent shows one registry is worth nothing at another, though the agent is known at both."""
    request = alice.request("write", domain="elsewhere.example/00000000")
    assert world.reason(request) == "proof_invalid"
    with open_world(tmp_path / "other", clock=world.clock) as other:
        here, there = world.short_lived("carol"), other.short_lived("carol")
        world.register(here)
        other.register(there)
        assert other.reason(there.request("read")) == "trust_ok"
        assert other.reason(here.request("read")) == "proof_invalid"


def test_nobody_proves_to_be_somebody_else(world: World, alice: Actor) -> None:
    """Another agent's presentation, holder or key does not make the caller that agent."""
    mallory = world.agent("mallory", short_lived=True)
    request = alice.request("write", prove=False)
    challenge = request_challenge(
        subject_id=alice.did, action_name="write", resource_type="document", resource_id="d-1"
    )
    expires = {"expires_ms": world.clock.now_ms() + 30_000}
    own = mallory.presentation(challenge, **expires)
    stolen_name = mallory.presentation(challenge, holder=alice.did, **expires)
    for vp, reason in ((own, "key_not_bound"), (stolen_name, "key_not_bound"), ({}, "proof_invalid")):
        answer = world.decide(request | {"context": {"presentation": {"vp": vp}}})
        assert (answer["decision"], answer["context"]["reason"]) == (False, reason)


def test_a_broken_proof_is_worse_than_none(world: World, alice: Actor) -> None:
    """A gateway may assert a reader; with a proof that fails the same reader is refused."""
    assert world.reason(alice.request("read", prove=False)) == "trust_ok"
    request = alice.request("read")
    value = request["context"]["presentation"]["vp"]["proof"]["proofValue"]
    broken = _with(request, "context.presentation.vp.proof.proofValue", value[:-1] + ("2" if value[-1] != "2" else "3"))
    assert world.reason(broken) == "proof_invalid"


def test_a_gateways_word_is_not_enough_to_write(world: World, alice: Actor) -> None:
    """Without a presentation only low-risk reading is allowed, and the request's own risk only raises the class."""
    assert world.reason(alice.request("write", prove=False)) == "proof_required"
    raised = _with(alice.request("read", prove=False), "resource.properties", {"risk": "medium"})
    assert world.reason(raised) == "proof_required"
    lowered = _with(alice.request("write", prove=False), "resource.properties", {"risk": "low"})
    assert world.reason(lowered) == "proof_required"


# ---------------------------------------------------------------- capabilities


@pytest.fixture
def trusted(world: World, alice: Actor) -> Actor:
    """The same agent after two months of standing, with a passport: good for `delete` with a capability."""
    for _ in range(10):
        world.clock.advance(8 * DAY_MS)
        assert world.submit(world.operator.vouch(alice.did)).status == 201
        assert world.epoch().status == 201
    assert world.submit(alice.passport()).status == 201
    return alice


def test_a_capability_for_another_agent(world: World, trusted: Actor) -> None:
    """A capability serves the agent it names, for the actions and resources it names, while it lasts."""
    operator, other = world.operator, world.agent("other", short_lived=True)
    ask = trusted.request
    good = operator.capability(trusted.did, "delete", resources=[{"type": "document", "id": "d-*"}])
    assert world.reason(ask("delete", capabilities=(good,))) == "trust_ok"
    assert world.reason(ask("delete")) == "capability_required"
    stolen = operator.capability(other.did, "delete")
    assert world.reason(ask("delete", capabilities=(stolen,))) == "capability_required"
    elsewhere = operator.capability(trusted.did, "delete", resources=[{"type": "document", "id": "e-*"}])
    assert world.reason(ask("delete", capabilities=(elsewhere,))) == "capability_mismatch"
    assert (
        world.reason(ask("delete", capabilities=(operator.capability(trusted.did, "sign"),))) == "capability_mismatch"
    )
    own = trusted.capability(trusted.did, "delete")
    assert world.reason(ask("delete", capabilities=(own,))) == "capability_untrusted"
    friend = other.capability(trusted.did, "delete")
    assert world.reason(ask("delete", capabilities=(friend,))) == "capability_untrusted"
    forged = _with(good, "credentialSubject.actions", ["delete", "sign"])
    assert world.reason(ask("delete", capabilities=(forged,))) == "capability_required"
    assert world.reason(ask("delete", capabilities=(own, stolen, forged, good))) == "trust_ok"


def test_a_capability_that_has_expired(world: World, trusted: Actor) -> None:
    """It says so whether the capability was seen before or not, at its last instant and after; also before its time."""
    operator = world.operator
    seen = operator.capability(trusted.did, "delete", lifetime_ms=MINUTE_MS)
    fresh = operator.capability(trusted.did, "delete", lifetime_ms=MINUTE_MS)
    future = operator.capability(trusted.did, "delete", now_ms=world.clock.now_ms() + MINUTE_MS)
    assert world.reason(trusted.request("delete", capabilities=(seen,))) == "trust_ok"
    assert world.reason(trusted.request("delete", capabilities=(future,))) == "capability_required"
    world.clock.advance(MINUTE_MS - 1)
    assert world.reason(trusted.request("delete", capabilities=(seen,))) == "trust_ok"
    world.clock.advance(1)
    for capability in (seen, fresh, seen):
        assert world.reason(trusted.request("delete", capabilities=(capability,))) == "capability_expired"


def test_a_capability_of_an_issuer_that_fell(world: World, trusted: Actor) -> None:
    """When its issuer is suspended a capability that was good a moment ago is not trusted any more."""
    operator = world.operator
    capability = operator.capability(trusted.did, "delete")
    assert world.reason(trusted.request("delete", capabilities=(capability,))) == "trust_ok"
    assert world.quarantine(operator).status == 201
    assert world.reason(trusted.request("delete", capabilities=(capability,))) == "capability_untrusted"


def test_a_capability_whose_key_was_rotated_out(world: World, trusted: Actor) -> None:
    """Remembered as verified, a capability is refused once its issuer's key is gone."""
    issuer = world.agent("issuer")
    capability = issuer.capability(trusted.did, "delete")
    assert world.reason(trusted.request("delete", capabilities=(capability,))) == "capability_untrusted"
    assert world.submit(issuer.rotate()).status == 201
    assert world.reason(trusted.request("delete", capabilities=(capability,))) == "capability_required"


# ---------------------------------------------------------------- standing


def test_quarantine_bites_at_once(world: World, alice: Actor) -> None:
    """The first decision after the 201 is a deny, with proofs that were good before; release is as quick."""
    request = alice.request("write")
    assert world.reason(request) == "trust_ok"
    before = world.size
    assert world.quarantine(alice).status == 201
    answer = world.decide(request)
    assert (answer["decision"], answer["context"]["reason"]) == (False, "agent_quarantined")
    assert answer["context"]["log"]["tree_size"] == before + 1
    assert world.quarantine(alice, release=True).status == 201
    assert world.reason(request) == "trust_ok"


def test_a_report_by_a_voice_bites_at_once(world: World, alice: Actor) -> None:
    """A full report of a root takes what four vouches gave: the next decision knows it."""
    assert world.submit(world.operator.report(alice.did, severity=100)).status == 201
    assert world.reason(alice.request("write")) == "trust_below_threshold"


def test_a_clock_that_goes_back_helps_nobody(world: World, alice: Actor) -> None:
    """Decisions are made at an instant not before the newest leaf, so an old time revives no proof and no score."""
    expired = alice.request("write")
    world.clock.advance(2 * MINUTE_MS)
    assert world.epoch().status == 201
    assert world.reason(expired) == "proof_expired"
    world.clock.advance(-2 * MINUTE_MS)
    assert world.reason(expired) == "proof_expired"
    assert world.submit(alice.vouch(world.operator.did)).code == "log_clock_behind"
