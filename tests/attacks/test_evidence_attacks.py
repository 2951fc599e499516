"""Attacks on what counts: doubling, self-praise, other people's keys, old keys, forged words of the registry."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from did_methods.data_integrity import sign_document
from did_methods.key import key_signer
from did_methods.keys import KeySigner
from registry.adapters.key_file import load_key_ring
from registry.credentials.issue import issue_credential
from registry.credentials.issue_registry import (
    issue_agent_revocation,
    issue_epoch,
    issue_quarantine,
    issue_release,
    issue_root_list,
)
from tests.support.actor import Actor, seeded
from tests.support.asgi import Answer
from tests.support.registry import DAY_MS, World

UUID = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def pair(world: World) -> tuple[Actor, Actor]:
    """Two registered agents."""
    return world.agent("alice"), world.agent("bob", short_lived=True)


def _refused(world: World, send: Callable[[], Answer], *codes: str) -> None:
    before = world.fingerprint()
    answer = send()
    assert answer.code in codes, answer
    assert world.fingerprint() == before


def _score(world: World, actor: Actor, context: str = "") -> int:
    target = f"/v1/agents/{actor.did}/standing" + (f"?context={context}" if context else "")
    return int(world.web.get(target).json["scoreMicros"])


# ---------------------------------------------------------------- doubling


def test_a_second_signature_is_the_same_event(world: World, pair: tuple[Actor, Actor]) -> None:
    """Signing the same statement again, later or by another key of ours, gives the first index and counts once."""
    alice, bob = pair
    vouch = alice.vouch(bob.did)
    first = world.submit(vouch)
    unsigned = {name: value for name, value in vouch.items() if name != "proof"}
    before = world.fingerprint()
    world.clock.advance(5_000)
    again = sign_document(unsigned, signer=alice.signer, created=world.clock.now_ms(), domain=world.origin)
    assert again["proof"]["proofValue"] != vouch["proof"]["proofValue"]
    answer = world.submit(again)
    assert (answer.status, answer.json["acceptance"]) == (200, first.json["acceptance"])
    forged = copy.deepcopy(vouch)
    forged["proof"]["proofValue"] = alice.vouch(bob.did)["proof"]["proofValue"]
    assert world.submit(forged).status == 200  # a known id is answered before any check, and changes nothing
    assert world.fingerprint() == before


def test_repeating_a_vouch_replaces_it(world: World, pair: tuple[Actor, Actor]) -> None:
    """A hundred vouches of one agent for another weigh as much as the newest alone."""
    alice, _ = pair
    operator = world.operator
    world.submit(operator.vouch(alice.did))
    world.epoch()
    once = _score(world, alice)
    assert once > 25_000_000
    for _ in range(5):
        assert world.submit(operator.vouch(alice.did, strength=100)).status == 201
    world.epoch()
    assert _score(world, alice) == once
    statements = world.web.get(f"/v1/agents/{alice.did}/vouches").json["statements"]
    assert len(statements) == 1


def test_vouches_in_many_contexts_do_not_add_up(world: World, pair: tuple[Actor, Actor]) -> None:
    """One pair is one edge overall, however many contexts it names; a ninth context is refused."""
    alice, _ = pair
    operator = world.operator
    world.submit(operator.vouch(alice.did, context="c-0"))
    world.epoch()
    once = _score(world, alice)
    for number in range(1, 8):
        assert world.submit(operator.vouch(alice.did, context=f"c-{number}")).status == 201
    world.epoch()
    assert _score(world, alice) == once
    _refused(world, lambda: world.submit(operator.vouch(alice.did, context="c-8")), "too_many_contexts")


def test_nobody_vouches_for_itself(world: World, pair: tuple[Actor, Actor]) -> None:
    """A statement about oneself is refused before it is signed by our own code, and when somebody signs it anyway."""
    alice, bob = pair
    document = alice.vouch(bob.did)
    document["credentialSubject"]["id"] = alice.did
    del document["proof"]
    signed = sign_document(document, signer=alice.signer, created=world.clock.now_ms(), domain=world.origin)
    _refused(world, lambda: world.submit(signed), "self_vouch")


def test_a_ring_without_a_root_lifts_nobody(world: World) -> None:
    """Fresh identities that vouch for one another stay where they began, after an epoch and a month."""
    ring = [world.agent(f"ring-{number}", short_lived=True) for number in range(6)]
    for one in ring:
        for other in ring:
            if one is not other:
                assert world.submit(one.vouch(other.did)).status == 201
    world.clock.advance(30 * DAY_MS)
    world.epoch()
    assert {_score(world, one) for one in ring} == {25_000_000}


def test_reports_by_nobody_do_not_hurt(world: World, pair: tuple[Actor, Actor]) -> None:
    """A crowd without a voice cannot pull an agent down."""
    alice, _ = pair
    for number in range(6):
        assert (
            world.submit(world.agent(f"crowd-{number}", short_lived=True).report(alice.did, severity=100)).status == 201
        )
    world.epoch()
    assert _score(world, alice) == 25_000_000
    assert world.reason(alice.request("read")) == "trust_ok"


# ---------------------------------------------------------------- keys


def test_the_key_of_another_did(world: World, pair: tuple[Actor, Actor]) -> None:
    """A statement in somebody's name must be signed by that somebody's key, however the method is spelled."""
    alice, bob = pair
    carol = world.agent("carol", short_lived=True)
    base = {name: value for name, value in alice.vouch(carol.did).items() if name != "proof"}
    now = world.clock.now_ms()
    impostors = [
        bob.signer,  # bob's own method in alice's statement
        KeySigner(bob.signer.signing_key, alice.signer.verification_method),  # alice's method, bob's key
        KeySigner(bob.signer.signing_key, f"{alice.did}#key-2"),
        KeySigner(alice.signer.signing_key, f"{bob.did}#key-1"),
    ]
    for signer in impostors:
        signed = sign_document(base, signer=signer, created=now, domain=world.origin)
        codes = ("issuer_key_mismatch", "proof_invalid", "verification_method_not_found", "key_not_found")
        _refused(world, lambda document=signed: world.submit(document), *codes)  # type: ignore[misc]


def test_a_key_that_was_rotated_out(world: World, pair: tuple[Actor, Actor]) -> None:
    """After a rotation the old key signs nothing more: no statement, no presentation, no entry of the DID log."""
    alice, bob = pair
    old = alice.signer
    before_rotation = alice.request("read")
    assert world.reason(before_rotation) == "trust_ok"
    assert world.submit(alice.rotate()).status == 201
    new, alice.signer = alice.signer, old
    _refused(world, lambda: world.submit(alice.vouch(bob.did)), "proof_invalid", "key_not_active")
    assert world.reason(alice.request("read")) == "proof_invalid"
    assert world.reason(before_rotation) == "proof_invalid"  # remembered as verified, but under a key that is gone
    alice.signer = new
    assert world.submit(alice.vouch(bob.did)).status == 201
    assert world.reason(alice.request("read")) == "trust_ok"


def test_a_key_that_is_rotated_out_in_the_same_batch(world: World, pair: tuple[Actor, Actor]) -> None:
    """A statement that was verified before the rotation it follows in its batch is refused in its place."""
    alice, bob = pair
    early, late = alice.vouch(bob.did), alice.vouch(bob.did, context="late")
    rotation = alice.rotate()
    after = alice.vouch(bob.did, context="after")
    results = world.batch([early, rotation, late, after]).json["results"]
    assert [sorted(one) for one in results[:2]] == [["index", "repeated"]] * 2
    assert results[2]["problem"]["code"] == "key_not_active"
    assert results[3]["problem"]["code"] == "proof_invalid"  # verified on arrival, under the key of then
    assert world.submit(after).status == 201


def test_an_old_entry_does_not_turn_the_log_back(world: World, pair: tuple[Actor, Actor]) -> None:
    """Replaying an old did:webvh entry is answered with its index; another branch from it is refused."""
    alice, _ = pair
    fork = world.hosted("alice")
    first, second = alice.entries[0], alice.rotate()
    assert world.submit(second).status == 201
    assert world.submit(alice.rotate()).status == 201
    before = world.fingerprint()
    for entry in (first, second):
        assert world.submit(entry).status == 200
    assert world.fingerprint() == before
    world.clock.advance(60_000)
    branch = fork.rotate()
    before = world.fingerprint()
    answer = world.submit(branch)
    assert 400 <= answer.status < 500, answer
    assert world.fingerprint() == before


def test_pre_rotation_holds_against_a_stolen_update_key(world: World, pair: tuple[Actor, Actor]) -> None:
    """Whoever has today's update key but not the committed next one cannot take the DID."""
    alice, _ = pair
    entry = alice.rotate()
    stolen = seeded("alice update 0")
    forged = {name: value for name, value in entry.items() if name != "proof"}
    signed = sign_document(forged, signer=key_signer(stolen), created=world.clock.now_ms(), append=True)
    before = world.fingerprint()
    assert 400 <= world.submit(signed).status < 500
    assert world.fingerprint() == before


# ---------------------------------------------------------------- the registry's own words


def _forgeries(world: World, alice: Actor) -> dict[str, dict[str, Any]]:
    registry_did = world.registry.genesis.registry_did
    common: dict[str, Any] = {"uuid": UUID, "now_ms": world.clock.now_ms(), "domain": world.origin}
    mallory = world.short_lived("mallory").signer
    return {
        "epoch": issue_epoch(
            signer=alice.signer,
            number=3,
            tree_size=world.size,
            rules="1",
            root_list=b"r" * 32,
            commitment=b"c" * 32,
            **common,
        ),
        "quarantine": issue_quarantine(signer=alice.signer, subject=world.operator.did, reason="x", **common),
        "release": issue_release(signer=alice.signer, subject=world.operator.did, reason="x", **common),
        "root list": issue_root_list(signer=mallory, registry_did=registry_did, number=2, roots=[alice.did], **common),
        "agent revocation": issue_agent_revocation(signer=mallory, subject=world.operator.did, reason="x", **common),
    }


@pytest.mark.parametrize("kind", ["epoch", "quarantine", "release", "root list", "agent revocation"])
def test_nobody_speaks_for_the_registry(world: World, pair: tuple[Actor, Actor], kind: str) -> None:
    """Epochs, root lists and states signed by anybody else are refused, at both doors."""
    forged = _forgeries(world, pair[0])[kind]
    _refused(world, lambda: world.submit(forged), "signer_not_entitled")
    (result,) = world.batch([forged]).json["results"]
    assert result["problem"]["code"] == "signer_not_entitled"


def test_the_registry_key_does_not_sign_for_agents(world: World, pair: tuple[Actor, Actor]) -> None:
    """The registry's own key in an agent's statement is a stranger's key: it orders, it cannot speak for an agent."""
    alice, bob = pair
    ring = load_key_ring(world.registry.settings.keys_dir / "registry-did.json")
    base = {name: value for name, value in alice.vouch(bob.did).items() if name != "proof"}
    signed = sign_document(base, signer=ring.signer, created=world.clock.now_ms(), domain=world.origin)
    _refused(world, lambda: world.submit(signed), "issuer_key_mismatch")
    own = issue_credential(
        "vouch", signer=ring.signer, subject={"id": alice.did, "strength": 100}, uuid=UUID, now_ms=world.clock.now_ms(),
        domain=world.origin,
    )  # fmt: skip
    _refused(world, lambda: world.submit(own), "agent_unknown")


def test_only_the_issuer_takes_back(world: World, pair: tuple[Actor, Actor]) -> None:
    """Nobody revokes somebody else's statement, about oneself least of all; revoking twice is refused."""
    alice, bob = pair
    report = alice.report(bob.did)
    assert world.submit(report).status == 201
    theirs = bob.revocation(report)
    _refused(world, lambda: world.submit(theirs), "nothing_to_revoke", "self_report")
    assert world.submit(alice.revocation(report)).status == 201
    _refused(world, lambda: world.submit(alice.revocation(report)), "nothing_to_revoke")


def test_a_passport_is_about_its_issuer_and_version(world: World, pair: tuple[Actor, Actor]) -> None:
    """A passport bound to an older version of the DID is refused; the current one is taken."""
    alice, _ = pair
    old = alice.passport()
    world.submit(alice.rotate())
    current = alice.passport()
    stale = sign_document(
        {name: value for name, value in old.items() if name != "proof"},
        signer=alice.signer,
        created=world.clock.now_ms(),
    )
    _refused(world, lambda: world.submit(stale), "passport_version_mismatch")
    assert world.submit(current).status == 201


# ---------------------------------------------------------------- states


def test_a_suspended_agent_says_nothing_new(world: World, pair: tuple[Actor, Actor]) -> None:
    """Under quarantine an agent neither vouches nor reports nor gets vouches; it may still take back what it said."""
    alice, bob = pair
    vouch = alice.vouch(bob.did)
    world.submit(vouch)
    assert world.quarantine(alice).status == 201
    for document in (alice.vouch(bob.did, context="c"), alice.report(bob.did), alice.passport()):
        _refused(world, lambda one=document: world.submit(one), "agent_suspended")  # type: ignore[misc]
    _refused(world, lambda: world.submit(bob.vouch(alice.did)), "subject_not_active")
    assert world.submit(bob.report(alice.did)).status == 201
    assert world.submit(alice.revocation(vouch)).status == 201
    _refused(world, lambda: world.quarantine(alice), "state_transition_invalid")
    assert world.quarantine(alice, release=True).status == 201
    assert world.submit(alice.vouch(bob.did)).status == 201


def test_a_revoked_agent_is_out(world: World, pair: tuple[Actor, Actor]) -> None:
    """The operator root's revocation ends statements, rotations, registrations and decisions for good."""
    alice, bob = pair
    root = load_key_ring(world.registry.settings.keys_dir / "operator-root.json").signer
    document = issue_agent_revocation(
        signer=root, subject=alice.did, reason="x", uuid=UUID, now_ms=world.clock.now_ms(), domain=world.origin
    )
    assert world.submit(document).status == 201
    assert world.reason(alice.request("read")) == "agent_revoked"
    _refused(world, lambda: world.submit(alice.vouch(bob.did)), "agent_revoked")
    _refused(world, lambda: world.submit(alice.rotate()), "agent_revoked")
    _refused(world, lambda: world.quarantine(alice, release=True), "state_transition_invalid")
