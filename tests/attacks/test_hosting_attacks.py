"""Attacks on hosted logs, on the witness and on looks at other hosts: one test per row of the checklist that touches them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.data_integrity import sign_document
from did_methods.key import key_signer
from did_methods.keys import KeySigner
from did_methods.webvh import entry_line
from did_methods.webvh_witness import WitnessRule
from registry.adapters.key_file import load_key_ring
from registry.history.errors import LeafBudgetError
from registry.limits import DAILY_LEAVES_WITHOUT_VOICE, EVENT_BODY_BYTES, OBSERVATION_GAP_MS
from tests.support.actor import Actor, seeded
from tests.support.asgi import Answer
from tests.support.elsewhere import Elsewhere, document, key_of, method, signing_with, web_url
from tests.support.hosting import append, approval, file, hosted, move, next_entry, rule, twin, witness_did, witnessed
from tests.support.registry import DAY_MS, ManualClock, World, open_world

FILES = ("did.jsonl", "did.json", "did-witness.json")


@pytest.fixture
def outside(world: World) -> Elsewhere:
    """Other hosts, and a registry that asks them."""
    return Elsewhere(world)


def refused(world: World, actor: Actor, body: dict[str, Any], *codes: str) -> None:
    """Check that an append is refused by one of these codes and leaves no trace."""
    before, served = world.fingerprint(), [file(world, name, slug=actor.name).body for name in FILES]
    answer = append(world, actor.did, body)
    assert answer.code in codes, answer
    assert world.fingerprint() == before
    assert [file(world, name, slug=actor.name).body for name in FILES] == served


# ---------------------------------------------------------------- 1: whose key, whose method


def _signed_by(entry: dict[str, Any], name: str) -> dict[str, Any]:
    unsigned = {member: value for member, value in entry.items() if member != "proof"}
    return sign_document(unsigned, signer=key_signer(seeded(name)), created=0)


@pytest.mark.parametrize("who", ["mallory", "alice signing 0", "alice update 0"])
def test_nobody_appends_without_the_committed_key(world: World, who: str) -> None:
    """A stranger, the thief of the signing key, the thief of a spent update key: the next key was committed to."""
    alice = world.agent("alice")
    refused(world, alice, _signed_by(next_entry(alice), who), "webvh_proof_key_not_authorized")


def test_the_registry_cannot_write_for_an_agent(world: World) -> None:
    """All keys of the registry and its operator together sign no entry of a hosted log."""
    alice = world.agent("alice")
    entry = next_entry(alice)
    unsigned = {member: value for member, value in entry.items() if member != "proof"}
    for name in ("registry-did", "operator-root", "operator-agent", "did-witness"):
        ring = load_key_ring(world.registry.settings.keys_dir / f"{name}.json")
        for key in ring.keys.values():
            forged = sign_document(unsigned, signer=key_signer(key), created=0)
            refused(world, alice, forged, "webvh_proof_key_not_authorized")


def test_an_entry_goes_to_its_own_log_only(world: World) -> None:
    """Bob's entry under alice's address, and alice's name on bob's chain, change neither."""
    alice, bob = world.agent("alice"), world.agent("bob")
    entry = next_entry(bob)
    refused(world, alice, entry, "did_log_malformed")
    renamed = {**entry, "state": {**entry["state"], "id": alice.did}}
    refused(world, alice, renamed, "webvh_update_key_not_committed")


def test_a_witness_of_another_log_or_version_is_no_witness(world: World) -> None:
    """Approvals are for one version: those of the entry before, of a neighbour and of strangers let nothing in."""
    alice, bob = witnessed(world, "alice"), witnessed(world, "bob")
    first, entry, other = alice.entries[0], next_entry(alice), next_entry(bob)
    now_ms = world.clock.now_ms()
    for wrong in (first, other):
        proofs = approval(wrong, "w1", now_ms=now_ms)["proof"]
        refused(
            world,
            alice,
            {"entry": entry, "witness": {"versionId": entry["versionId"], "proof": proofs}},
            "proof_invalid",
        )
    stranger = approval(entry, "stranger", now_ms=now_ms)
    refused(world, alice, {"entry": entry, "witness": stranger}, "webvh_witness_missing")


def test_a_threshold_counts_distinct_witnesses(world: World) -> None:
    """One witness twice is one voice, and a list that names one twice is refused."""
    alice = hosted(world, "alice", witness=rule(2, "w1", "w2"))
    body, now_ms = alice.registration(world.challenge()), world.clock.now_ms()
    both = approval(alice.entries[0], "w1", "w2", now_ms=now_ms)
    twice = approval(alice.entries[0], "w1", "w1", now_ms=now_ms)
    once = approval(alice.entries[0], "w1", now_ms=now_ms)
    assert world.web.post("/v1/agents", body | {"witness": twice}).code == "kind_unknown"
    assert world.web.post("/v1/agents", body | {"witness": once}).code == "webvh_witness_missing"
    again = alice.registration(world.challenge())
    assert world.web.post("/v1/agents", again | {"witness": both}).status == 201
    did = witness_did("w1")
    entry = {**next_entry(alice), "parameters": {"witness": WitnessRule(2, (did, did)).to_wire()}}
    refused(
        world, alice, {"entry": entry, "witness": approval(entry, "w1", "w2", now_ms=now_ms)},
        "webvh_witness_rule_malformed",
    )  # fmt: skip


def test_a_thief_of_update_keys_cannot_drop_the_witnesses(world: World) -> None:
    """Who holds every key of the agent still needs the old witnesses to get rid of them, to move, or to end it."""
    alice = witnessed(world)
    thefts = [
        next_entry(twin(alice), witness=False),
        move(twin(alice), "thief.example.com:x"),
        twin(alice).deactivate(),
    ]
    for entry in thefts:
        refused(world, alice, entry, "webvh_witness_missing")


# ---------------------------------------------------------------- 2: keys and proof values


@pytest.mark.parametrize(
    "change",
    [
        {"proofValue": "u" + "A" * 86},
        {"proofValue": "z" + "1" * 64},
        {"proofPurpose": "authentication"},
        {"cryptosuite": "eddsa-rdfc-2022"},
        {"verificationMethod": f"{witness_did('w1')}#{witness_did('w2').removeprefix('did:key:')}"},
        {"created": "2099-01-01T00:00:00Z"},
    ],
)
def test_an_altered_witness_proof_is_refused(world: World, change: dict[str, str]) -> None:
    """Other encodings, purposes, suites and fragments, and any signed member changed afterwards."""
    alice = witnessed(world)
    entry = next_entry(alice)
    good = approval(entry, "w1", now_ms=world.clock.now_ms())
    bad = {**good, "proof": [good["proof"][0] | change]}
    refused(world, alice, {"entry": entry, "witness": bad}, "proof_invalid", "proof_value_malformed",
            "webvh_witness_proof_purpose", "webvh_witness_proof_method", "proof_suite_unsupported")  # fmt: skip


@pytest.mark.parametrize(
    "key",
    [
        "z6MkeTG3bFFSLYVU7VqhgZxqr6YzpaGrQtFMh1uvqGy1vDnP",  # the identity: it signs every message at once
        key_of("dora", "first").public_key.multikey + "1",
        "u" + key_of("dora", "first").public_key.multikey[1:],
        key_of("dora", "first").public_key.multikey + "\n",
    ],
)
def test_a_foreign_document_brings_no_weak_key(outside: Elsewhere, key: str) -> None:
    """A host that serves the identity point, another base or padding registers nobody."""
    dora = outside.web("dora")
    outside.put("dora", document(dora.did, [method(dora.did, "key-1", key)]))
    before = outside.world.fingerprint()
    assert outside.register(dora).code in ("did_unresolved", "foreign_keys_unusable")
    assert outside.world.fingerprint() == before


# ---------------------------------------------------------------- 3: JSON


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"entry":{},"entry":{}}', "json_duplicate_key"),
        (b'{"entry":{"a":NaN}}', "json_number_range"),
        (b'{"entry":{"a":1e400}}', "json_number_range"),
        (b'{"entry":{"a":9007199254740993}}', "json_number_range"),
        (b'{"entry":"\\ud800"}', "json_lone_surrogate"),
        (b'{"entry":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "json_too_deep"),
        (b'{"entry":"' + b"x" * EVENT_BODY_BYTES + b'"}', "body_too_large"),
    ],
)
@pytest.mark.parametrize("door", ["/v1/agents/{did}/did-log", "/v1/did-witness"])
def test_malformed_json_is_refused_by_its_code(world: World, door: str, body: bytes, code: str) -> None:
    """At both doors, before anything is made of it."""
    alice = world.agent("alice")
    answer = world.web.post(door.replace("{did}", alice.did), body)
    expected = "did_witness_malformed" if (code == "body_too_large" and "witness" in door) else code
    assert answer.code == expected, answer


def test_duplicate_members_inside_a_witnessed_log(world: World) -> None:
    """The text in the body is JSON of its own, and as strict."""
    alice = hosted(world, "alice", witness=WitnessRule(1, (world.registry.did_witness.did,)))
    line = entry_line(alice.entries[0]).decode()
    for false in (line.replace("{", '{"state":{},', 1), line.replace('"ttl"', '"ttl"') + "{}", "\ufeff" + line):
        answer = world.web.post("/v1/did-witness", {"log": false})
        assert answer.status == 400, answer
    assert world.web.post("/v1/did-witness", {"log": line}).status == 200


# ---------------------------------------------------------------- 5: time


def test_a_version_of_the_future_is_not_hosted(world: World) -> None:
    """More than five minutes ahead is refused: it would hold the log for its controller's next entries."""
    alice = world.agent("alice")
    world.clock.advance(DAY_MS)
    entry = next_entry(alice)
    world.clock.advance(-DAY_MS)
    refused(world, alice, entry, "webvh_version_time_in_future")


def test_a_key_that_was_rotated_out_elsewhere_speaks_no_more(outside: Elsewhere) -> None:
    """Also with a signature that is dated before the change: the log's time counts."""
    world = outside.world
    dora = outside.agent(outside.web("dora"))
    old = dora.vouch(world.operator.did)
    outside.publish_web("dora", "second")
    assert outside.observe(dora.did).status == 201
    assert world.submit(old).code == "proof_invalid"
    assert world.submit(signing_with(dora, "second").vouch(world.operator.did)).status == 201


# ---------------------------------------------------------------- 6: replays


def test_an_old_entry_again_turns_nothing_back(world: World) -> None:
    """A replay of version 2 after version 3 is answered with its place; keys and files stay those of version 3."""
    alice = world.agent("alice")
    second, third = alice.rotate(), alice.rotate()
    for entry in (second, third):
        assert append(world, alice.did, entry).status == 201
    before, served = world.fingerprint(), file(world, "did.jsonl").body
    assert append(world, alice.did, second).status == 200
    assert world.submit(second).status == 200
    assert (world.fingerprint(), file(world, "did.jsonl").body) == (before, served)


def test_a_strangers_presentation_registers_no_foreign_did(outside: Elsewhere) -> None:
    """The look finds the owner's keys, and the presentation is by another: both leaves are refused together."""
    dora = outside.web("dora")
    mallory = Actor(dora.did, KeySigner(seeded("mallory"), f"{dora.did}#key-1"), dora.clock, dora.origin)
    before = outside.world.fingerprint()
    assert outside.register(mallory).code == "proof_invalid"
    assert outside.world.fingerprint() == before
    assert outside.register(dora).status == 201


def test_only_the_registry_observes(outside: Elsewhere) -> None:
    """An agent's own word on what a DID's keys are, signed by itself or with another's old observation, is none."""
    world = outside.world
    dora = outside.agent(outside.web("dora"))
    first = next(one for one in world.registry.store.entries(0, 1 << 40) if one.kind == "key_observation")
    event = world.web.get(f"/v1/entries/{first.index}").json["event"]
    unsigned = {name: value for name, value in event.items() if name != "proof"} | {"issuer": dora.did}
    forged = sign_document(unsigned, signer=dora.signer, created=world.clock.now_ms(), domain=world.origin)
    assert world.submit(forged).code == "signer_not_entitled"
    outside.publish_web("dora", "second")
    assert outside.observe(dora.did).status == 201
    size = world.size
    assert world.submit(event).status == 200  # known: answered with its place, and not in force again
    assert world.size == size
    assert world.submit(dora.vouch(world.operator.did)).code == "proof_invalid"


# ---------------------------------------------------------------- 7: the rows of did:webvh that a host and a witness meet


def test_a_flood_of_versions_is_bounded(world: World) -> None:
    """One a second, each well signed: a day's budget, and no more."""
    alice = world.agent("alice")
    answers: list[Answer] = []
    for _ in range(DAILY_LEAVES_WITHOUT_VOICE + 3):
        world.clock.advance(1_000)
        answers.append(append(world, alice.did, alice.rotate()))
    assert [one.status for one in answers].count(201) == DAILY_LEAVES_WITHOUT_VOICE - 1
    assert answers[-4].code == LeafBudgetError.code


@pytest.mark.parametrize("restarted", [False, True])
def test_a_stolen_signing_key_does_not_lock_the_owner_out(tmp_path: Path, *, restarted: bool) -> None:
    """A thief that writes all day uses up what may be said, not what its owner needs to change the keys."""
    clock = ManualClock()
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        said = [world.submit(alice.vouch(bob.did)).status for _ in range(DAILY_LEAVES_WITHOUT_VOICE)]
        assert said[-1] == 429
        if not restarted:
            assert append(world, alice.did, alice.rotate()).status == 201
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        assert world.submit(alice.vouch(bob.did)).status == 429
        assert append(world, alice.did, alice.rotate()).status == 201


# ---------------------------------------------------------------- 8: addresses and paths


@pytest.mark.parametrize(
    "did",
    [
        "did:web:127.0.0.1",
        "did:web:169.254.169.254",
        "did:web:2130706433",
        "did:web:0x7f.1",
        "did:web:localhost",
        "did:web:%5B%3A%3A1%5D",
        "did:web:user%40host.example.com",
        "did:web:host.example.com%2F..",
        "did:web:host.example.com:..:x",
        "did:web:host.example.com:%2e%2e:x",
        "did:web:host.example.com:a%2Fb",
        "did:web:host.example.com%3A0",
        "did:web:host.example.com%3A99999",
        f"did:webvh:{'Q' * 46}:10.0.0.1:agents:x",
        f"did:webvh:{'Q' * 46}:169.254.169.254%3A80",
    ],
)
def test_a_registration_makes_nobody_fetch_from_inside(outside: Elsewhere, did: str) -> None:
    """A DID that names an address, a user or another path is refused by syntax: nothing is asked of anybody."""
    actor = Actor(did, outside.world.operator.signer, outside.world.clock, outside.world.origin)
    before = outside.world.fingerprint()
    answer = outside.register(actor)
    assert answer.status == 400, answer
    assert outside.files.asked == outside.foreign.asked == []
    assert outside.world.fingerprint() == before


@pytest.mark.parametrize(
    "slug", ["..", "%2e%2e", "a%2f..%2falice", "alice%00", "alice%0a", "alice;x", "alice%3fx", "%61lice%20", "Alice"]
)
def test_paths_reach_nothing_but_what_was_published(world: World, slug: str) -> None:
    """No spelling of a path leads out of the table of published names, or to a file of this machine."""
    world.agent("alice")
    for name in FILES:
        assert file(world, name, slug=slug).status == 404


def test_the_host_header_says_nothing(world: World) -> None:
    """Whatever host a request names, the files are the same, and its name is in none of them."""
    world.agent("alice")
    for name in ("did.jsonl", "did.json"):
        true = file(world, name)
        for host in ("evil.example", "localhost", "127.0.0.1", "registry.localhost:9999"):
            answer = file(world, name, host=host)
            assert (answer.body, answer.headers) == (true.body, true.headers)


def test_a_name_of_this_host_in_other_letters_is_nobody(outside: Elsewhere) -> None:
    """An encoded or spelled-out form of the own host is neither a hosted agent nor a reason to fetch from oneself."""
    world = outside.world
    world.agent("alice")
    for did in (
        "did:web:registry.localhos%74%3A8000:agents:alice",
        "did:web:REGISTRY.localhost%3A8000:agents:alice",
        "did:web:registry.localhost%3A8000:agents:%61lice",
    ):
        actor = Actor(did, KeySigner(seeded("alice signing 0"), f"{did}#key-1"), world.clock, world.origin)
        assert outside.register(actor).code in ("did_method_not_hosted", "did_unresolved")
    assert outside.files.asked == []


# ---------------------------------------------------------------- 12: what errors tell


def test_errors_about_other_hosts_tell_no_addresses(outside: Elsewhere) -> None:
    """The reason is a code; neither the URL nor what the host answered is repeated."""
    dora = outside.agent(outside.web("dora"))
    outside.files.files[web_url("dora")] = b'{"id":"SECRET of the inside"}'
    outside.world.clock.advance(OBSERVATION_GAP_MS)
    answer = outside.observe(dora.did)
    assert answer.code == "did_unresolved"
    assert b"SECRET" not in answer.body
    assert b"https:" not in answer.body.replace(b"https://w3id.org/", b"")


def test_a_second_log_with_a_published_first_entry_is_none(world: World) -> None:
    """Alice's public first entry, sent with mallory's presentation or for another place, begins nothing."""
    alice, mallory = world.agent("alice"), world.short_lived("mallory")
    before = world.fingerprint()
    body = mallory.registration(world.challenge()) | {"didLog": alice.entries[:1]}
    assert world.web.post("/v1/agents", body).code == "registration_malformed"
    assert append(world, alice.did, alice.entries[0]).status == 200
    assert world.fingerprint() == before
    assert file(world, "did.jsonl").body == canonicalize(alice.entries[0]) + b"\n"
