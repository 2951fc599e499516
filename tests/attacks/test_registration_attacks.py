"""Attacks on registration: other people's challenges, DIDs, paths and registries."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from did_methods.data_integrity import sign_document
from did_methods.keys import KeySigner
from tests.support.actor import Actor, seeded
from tests.support.asgi import Answer
from tests.support.registry import World, open_world


def _refused(world: World, body: dict[str, Any], *codes: str) -> Answer:
    before = world.fingerprint()
    answer = world.web.post("/v1/agents", body)
    assert answer.code in codes, answer
    assert world.fingerprint() == before
    return answer


def test_a_challenge_is_used_once(world: World) -> None:
    """A second registration with the same challenge is refused, also when the first one failed."""
    challenge = world.challenge()
    assert world.web.post("/v1/agents", world.hosted("alice").registration(challenge)).status == 201
    _refused(world, world.hosted("bob").registration(challenge), "challenge_unknown")
    challenge = world.challenge()
    broken = world.short_lived("carol").registration(challenge)
    broken["presentation"]["id"] = "urn:uuid:00000000-0000-4000-8000-000000000000"
    _refused(world, broken, "proof_invalid")
    _refused(world, world.short_lived("carol").registration(challenge), "challenge_unknown")


def test_a_registration_without_or_after_its_challenge(world: World) -> None:
    """No challenge, a made-up one and an expired one register nobody."""
    carol = world.short_lived("carol")
    _refused(world, carol.registration(None), "challenge_missing", "proof_member_missing")
    _refused(world, carol.registration("bWFkZS11cA"), "challenge_unknown")
    challenge = world.challenge()
    world.clock.advance(300_000)
    _refused(world, carol.registration(challenge), "challenge_unknown")


def test_a_registration_for_another_registry(world: World, tmp_path: Path) -> None:
    """A presentation signed for one registry registers nobody at another, even with the other's own challenge."""
    carol = world.short_lived("carol")
    _refused(world, carol.registration(world.challenge(), domain="elsewhere.example/00000000"), "domain_mismatch")
    with open_world(tmp_path / "other", clock=world.clock) as other:
        body = other.short_lived("carol").registration(world.challenge())
        _refused(world, body, "domain_mismatch")


@pytest.mark.parametrize("shift", [61_000, 86_400_000])
def test_a_registration_from_the_future(world: World, shift: int) -> None:
    """A presentation post-dated beyond the clock's tolerance is refused; an expired one too."""
    carol = world.short_lived("carol")
    now = world.clock.now_ms()
    _refused(world, carol.registration(world.challenge(), now_ms=now + shift), "created_in_future")
    body = carol.registration(world.challenge(), expires_ms=now + 1_000)
    world.clock.advance(1_000)
    _refused(world, body, "presentation_expired")


def _stolen(alice: Actor, mallory: Actor, challenge: str) -> dict[str, Callable[[], dict[str, Any]]]:
    def signed_by(signer: KeySigner) -> dict[str, Any]:
        body = alice.registration(challenge)
        unsigned = {name: value for name, value in body["presentation"].items() if name != "proof"}
        return body | {
            "presentation": sign_document(
                unsigned, signer=signer, created=alice.clock.now_ms(), proof_purpose="authentication",
                domain=alice.origin, challenge=challenge,
            )
        }  # fmt: skip

    return {
        "own method": lambda: signed_by(mallory.signer),
        "alice's method": lambda: signed_by(KeySigner(mallory.signer.signing_key, alice.signer.verification_method)),
        "update key": lambda: signed_by(KeySigner(seeded("alice update 0"), alice.signer.verification_method)),
    }


@pytest.mark.parametrize("how", ["own method", "alice's method", "update key"])
def test_nobody_registers_somebody_else(world: World, how: str) -> None:
    """A published DID log does not let a stranger register its DID: the presentation needs the DID's own key."""
    alice, mallory = world.hosted("alice"), world.short_lived("mallory")
    body = _stolen(alice, mallory, world.challenge())[how]()
    _refused(world, body, "holder_key_mismatch", "proof_invalid")
    assert world.register(alice).status == 201


def test_a_did_log_of_another_did(world: World) -> None:
    """The DID log that comes along is the holder's own, one entry, the first."""
    alice, mallory = world.hosted("alice"), world.hosted("mallory")
    swapped = alice.registration(world.challenge()) | {"didLog": mallory.entries}
    _refused(world, swapped, "registration_malformed")
    second = mallory.rotate()
    both = mallory.registration(world.challenge()) | {"didLog": [mallory.entries[0], second]}
    _refused(world, both, "registration_malformed")
    only = mallory.registration(world.challenge()) | {"didLog": [second]}
    _refused(world, only, "did_entry_out_of_order", "did_not_published")
    _refused(world, alice.registration(world.challenge()) | {"didLog": []}, "did_not_published", "key_not_found")
    _refused(world, alice.registration(world.challenge()) | {"extra": 1}, "registration_malformed")
    _refused(world, alice.registration(world.challenge()) | {"didLog": ["x"]}, "registration_malformed")


def test_a_path_belongs_to_whoever_came_first(world: World) -> None:
    """No second DID is served at an agent's path, and the operator's own is taken from the start."""
    world.agent("alice")
    squatter = world.hosted("squatter", slug="alice")
    _refused(world, squatter.registration(world.challenge()), "did_path_taken")
    operator = world.hosted("impostor", slug="operator")
    _refused(world, operator.registration(world.challenge()), "did_path_taken")
    assert world.web.get("/agents/alice/did.jsonl").body.count(b"squatter") == 0


@pytest.mark.parametrize(
    ("host", "port", "slug"),
    [
        ("registry.localhost", 8001, "x"),
        ("registry.localhost", None, "x"),
        ("evil.example", 8000, "x"),
        ("registry.localhost.evil.example", 8000, "x"),
        ("registry.localhost", 8000, "UPPER"),
        ("registry.localhost", 8000, "-x"),
        ("registry.localhost", 8000, "x" * 64),
        ("registry.localhost", 8000, "a.b"),
    ],
)
def test_a_did_that_does_not_belong_here(world: World, host: str, port: int | None, slug: str) -> None:
    """Only DIDs below this registry's own address, with a plain slug, are hosted."""
    actor = world.hosted("mallory", host=host, port=port, slug=slug)
    _refused(world, actor.registration(world.challenge()), "did_not_hosted_here")


def test_a_host_in_other_letters_takes_no_second_path(world: World) -> None:
    """A DID that spells our host in capitals is at the same path as one that does not."""
    world.agent("alice")
    shouting = world.hosted("mallory", slug="alice", host="Registry.LOCALHOST")
    before = world.fingerprint()
    answer = world.web.post("/v1/agents", shouting.registration(world.challenge()))
    assert answer.status in (400, 409), answer
    assert world.fingerprint() == before


def test_an_agent_is_registered_once(world: World) -> None:
    """A second presentation of a registered agent is a conflict, not a second agent."""
    for actor in (world.agent("alice"), world.agent("bob", short_lived=True)):
        body = actor.registration(world.challenge())
        _refused(world, body, "agent_exists")


def test_the_registry_and_its_operator_are_no_agents(world: World) -> None:
    """The identities that order the log cannot enter it as agents."""
    from registry.adapters.key_file import load_key_ring

    for name in ("registry-did", "operator-root"):
        ring = load_key_ring(world.registry.settings.keys_dir / f"{name}.json")
        actor = Actor.of_ring(ring, world.clock, world.origin)
        _refused(world, actor.registration(world.challenge()), "signer_not_entitled")


@pytest.mark.parametrize(
    ("did", "code"),
    [
        ("did:web:127.0.0.1", "did_unresolved"),
        ("did:tz:tz1LbXiXVBhaeYqNocHhHD1yo1AQCUwJA9cC", "did_method_not_hosted"),
        ("did:example:carol", "did_method_not_hosted"),
    ],
)
def test_foreign_methods_are_refused_clearly(world: World, did: str, code: str) -> None:
    """A DID whose keys this registry cannot learn is refused with a code that says so."""
    carol = world.short_lived("carol")
    body = copy.deepcopy(carol.registration(world.challenge()))
    body["presentation"]["holder"] = did
    _refused(world, body, code)
