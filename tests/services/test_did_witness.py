"""The registry as a witness of other people's did:webvh logs: once per version, never for a fork, and it never forgets."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from did_methods.errors import BonafidesError
from did_methods.method import SeenVersion
from did_methods.webvh import entry_line, resolve_log
from did_methods.webvh_witness import WitnessRule, verify_witness_proof, witness_file_bytes
from registry.limits import DID_WITNESS_BODY_BYTES, DID_WITNESS_PER_MINUTE, DID_WITNESS_PER_SOURCE_HOUR
from registry.storage.did_version import SqlVersionMemory
from registry.storage.did_witness import DidWitnessConflictError, WitnessStore
from tests.support.actor import Actor
from tests.support.asgi import Answer
from tests.support.hosting import append, approval, hosted, next_entry, rule, twin, witness_did
from tests.support.registry import DAY_MS, ManualClock, World, open_world


def us(world: World, *others: str, threshold: int = 1) -> WitnessRule:
    """Return a rule that names this registry, and others."""
    return WitnessRule(threshold, (world.registry.did_witness.did, *map(witness_did, others)))


def elsewhere(world: World, name: str = "alice", **parameters: Any) -> Actor:
    """Make an agent of another host whose log names this registry unless told otherwise."""
    return hosted(world, name, host="agents.example.com", port=None, **({"witness": us(world)} | parameters))


def text(entries: Sequence[dict[str, Any]]) -> str:
    """Return a did.jsonl."""
    return b"".join(map(entry_line, entries)).decode()


def ask(world: World, entries: Sequence[dict[str, Any]], witness: Any = None, **more: Any) -> Answer:
    """Ask for the approval of a log's newest entry."""
    body = {"log": text(entries)} | ({} if witness is None else {"witness": witness})
    return world.web.post("/v1/did-witness", body, **more)


def advance(world: World, actor: Actor, **changes: Any) -> dict[str, Any]:
    """Make an actor's next entry, a little later."""
    world.clock.advance(2_000)
    return next_entry(actor, **changes)


# ---------------------------------------------------------------- approving


def test_an_approval_makes_the_log_resolve(world: World) -> None:
    """The answer is a member of did-witness.json, signed by the did:key of /log.json; with it the log is in force."""
    alice = elsewhere(world)
    answer = ask(world, alice.entries)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json.keys() == {"versionId", "proof"}
    (proof,) = answer.json["proof"]
    assert answer.json["versionId"] == alice.entries[0]["versionId"]
    assert verify_witness_proof(answer.json["versionId"], proof) == world.web.get("/log.json").json["didWitness"]
    log, now_ms = text(alice.entries).encode(), world.clock.now_ms()
    assert resolve_log(alice.did, log, now_ms=now_ms, witness=None).cause is not None
    file = witness_file_bytes({answer.json["versionId"]: [proof]})
    assert resolve_log(alice.did, log, now_ms=now_ms, witness=file).did_document is not None


def test_the_same_log_gets_the_same_proof(world: World) -> None:
    """Asked again, also much later, a witness says what it said; nothing new is signed."""
    alice = elsewhere(world)
    first = ask(world, alice.entries)
    world.clock.advance(400 * DAY_MS)
    assert ask(world, alice.entries).body == first.body


def test_it_remembers_its_own_part(world: World) -> None:
    """Whoever has our approval of the entry before need not send it along; ten versions in a row."""
    alice = elsewhere(world)
    for _ in range(10):
        assert ask(world, alice.entries).status == 200
        advance(world, alice)


def test_a_hosted_agent_may_be_witnessed_by_its_own_registry(world: World) -> None:
    """Approved, registered, approved, rotated: the registry's two roles go through the same doors as everybody's."""
    alice = hosted(world, "alice", witness=us(world))
    approved = ask(world, alice.entries).json
    assert world.web.post("/v1/agents", alice.registration(world.challenge()) | {"witness": approved}).status == 201
    entry = advance(world, alice)
    approved = ask(world, alice.entries).json
    assert append(world, alice.did, {"entry": entry, "witness": approved}).status == 201


@pytest.mark.parametrize("change", ["enters", "leaves"])
def test_who_is_asked_when_the_list_changes(world: World, change: str) -> None:
    """The first list approves the entry that brings it, and the old list the one that replaces it: the standard's rule."""
    alice = elsewhere(world, witness=None if change == "enters" else us(world))
    assert ask(world, alice.entries).status == (400 if change == "enters" else 200)
    advance(world, alice, witness=us(world) if change == "enters" else rule(1, "w1"))
    assert ask(world, alice.entries).status == 200
    advance(world, alice)
    answer = ask(world, alice.entries)
    assert (answer.status == 200) == (change == "enters")
    assert change == "enters" or answer.code == "did_witness_not_named"


# ---------------------------------------------------------------- refusing


def test_only_logs_that_name_it_are_witnessed(world: World) -> None:
    """No list, or a list of others: this registry has nothing to say."""
    for parameters in ({"witness": None}, {"witness": rule(1, "w1")}):
        alice = elsewhere(world, **parameters)
        answer = ask(world, alice.entries)
        assert (answer.status, answer.code) == (400, "did_witness_not_named")


def test_it_never_approves_a_fork(world: World) -> None:
    """After version 2: no other version 2, no longer log with another version 2, no shorter log; the true one goes on."""
    alice = elsewhere(world)
    assert ask(world, alice.entries).status == 200
    mallory = twin(alice)
    advance(world, alice)
    advance(world, mallory, ttl_s=7)
    assert ask(world, alice.entries).status == 200
    advance(world, mallory)
    for fork in (mallory.entries[:2], mallory.entries, alice.entries[:1]):
        answer = ask(world, fork)
        assert (answer.status, answer.code) == (409, "did_witness_conflict")
        assert answer.json["params"]["current"] == alice.entries[1]["versionId"]
    advance(world, alice)
    assert ask(world, alice.entries).status == 200


def test_it_forgets_nothing_in_a_restart(tmp_path: Path) -> None:
    """A proof is on the disk before anybody has it, so a restarted witness refuses the same forks."""
    clock = ManualClock()
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        alice = elsewhere(world)
        first = ask(world, alice.entries)
        mallory = twin(alice)
        advance(world, alice)
        assert ask(world, alice.entries).status == 200
        did = world.registry.did_witness.did
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        assert world.registry.did_witness.did == did
        assert ask(world, alice.entries).json["versionId"] != first.json["versionId"]
        advance(world, mallory, ttl_s=7)
        assert ask(world, mallory.entries).code == "did_witness_conflict"


def test_of_many_forks_at_once_one_is_approved(world: World) -> None:
    """Eight different second entries at once: one gets a proof, and it is the one that is remembered."""
    alice = elsewhere(world)
    assert ask(world, alice.entries).status == 200
    world.clock.advance(2_000)
    twins = [twin(alice) for _ in range(8)]
    for number, one in enumerate(twins):
        next_entry(one, ttl_s=number)

    def witness(one: Actor) -> str:
        try:
            return str(world.registry.did_witness.witness({"log": text(one.entries)}, source=None)["versionId"])
        except DidWitnessConflictError as error:
            return f"no: {error.params['current']}"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(witness, twins))
    (given,) = [one for one in answers if not one.startswith("no")]
    assert set(answers) == {given, f"no: {given}"}


def test_nobody_has_a_proof_that_is_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database refuses, so does the witness; it is then still free to approve another entry."""
    alice = elsewhere(world)
    bob = elsewhere(world, "bob")
    with monkeypatch.context() as broken:
        broken.setattr("registry.storage.did_witness.put_row", _fail)
        with pytest.raises(OSError, match="full"):
            world.registry.did_witness.witness({"log": text(alice.entries)}, source=None)
    assert world.registry.did_witness._store.newest(alice.state.scid if alice.state else "") is None
    for one in (alice, bob):
        assert ask(world, one.entries).status == 200
    assert world.registry.did_witness._store.count() == 2


def _fail(*_arguments: object, **_named: object) -> None:
    raise OSError("the disk is full")


def test_what_was_seen_elsewhere_is_no_fork_either(world: World) -> None:
    """Another version of a log that this registry once resolved, or hosts, is refused without having been witnessed."""
    alice = elsewhere(world, witness=us(world, "w1"))
    assert alice.state is not None
    SqlVersionMemory(world.registry.database).remember(alice.state.scid, SeenVersion(1, "1-another"))
    assert ask(world, alice.entries).code == "did_witness_conflict"
    bob = hosted(world, "bob", witness=us(world, "w1"))
    proofs = [approval(bob.entries[0], "w1", now_ms=world.clock.now_ms())]
    assert world.web.post("/v1/agents", bob.registration(world.challenge()) | {"witness": proofs[0]}).status == 201
    mallory = twin(bob)
    entry = advance(world, bob)
    proofs.append(approval(entry, "w1", now_ms=world.clock.now_ms()))
    assert append(world, bob.did, {"entry": entry, "witness": proofs[1]}).status == 201
    advance(world, mallory, ttl_s=7)
    assert ask(world, mallory.entries, proofs).code == "did_witness_conflict"
    assert ask(world, bob.entries, proofs).status == 200


def test_others_must_have_done_their_part(world: World) -> None:
    """Two of two: the entry before needs the other's approval too, and one voice twice is one voice."""
    alice = elsewhere(world, witness=us(world, "w1", "w2", threshold=3))
    assert ask(world, alice.entries).status == 200
    by = {name: approval(alice.entries[0], name, now_ms=world.clock.now_ms()) for name in ("w1", "w2", "stranger")}
    advance(world, alice)
    for proofs in ([], [by["w1"]], [by["w1"], by["w1"]], [by["w1"], by["stranger"]]):
        assert ask(world, alice.entries, proofs).code == "webvh_witness_missing"
    forged = {"versionId": by["w2"]["versionId"], "proof": [by["w2"]["proof"][0] | {"proofValue": "z" + "2" * 87}]}
    assert ask(world, alice.entries, [by["w1"], forged]).code == "webvh_witness_missing"
    assert ask(world, alice.entries, [by["w1"], by["w2"]]).status == 200


def test_a_log_that_does_not_verify_is_not_witnessed(world: World) -> None:
    """By the code of the rule that it breaks, as anybody would refuse it; nothing is remembered of it."""
    alice = elsewhere(world)
    entry = advance(world, alice)
    first, now_ms = alice.entries[0], world.clock.now_ms()
    late = elsewhere(world, "late")
    cases: dict[str, list[dict[str, Any]]] = {
        "webvh_version_number": [entry],
        "webvh_entry_hash_mismatch": [first, entry | {"state": entry["state"] | {"more": 1}}],
        "proof_missing": [first, entry | {"proof": []}],
        "webvh_entry_members": [first, entry | {"more": 1}],
    }
    for code, entries in cases.items():
        assert ask(world, entries).code == code
    world.clock.advance(-DAY_MS)
    assert ask(world, late.entries).code == "webvh_version_time_in_future"
    assert world.clock.now_ms() < now_ms
    assert world.registry.did_witness._store.count() == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "did_witness_malformed"),
        ({"log": []}, "did_witness_malformed"),
        ({"log": "", "more": 1}, "did_witness_malformed"),
        ({"log": "", "witness": {}}, "did_witness_malformed"),
        ({"log": "", "witness": [1]}, "webvh_witness_file_malformed"),
        ({"log": ""}, "webvh_log_empty"),
        ({"log": "\n"}, "json_syntax"),
        ({"log": "[]"}, "json_not_object"),
        ({"log": '{"a":1,"a":2}'}, "json_duplicate_key"),
        ({"log": "{}"}, "webvh_entry_members"),
        ({"log": "{}\n" * 1_025}, "webvh_log_too_large"),
    ],
)
def test_what_is_no_log_is_refused(world: World, body: dict[str, Any], code: str) -> None:
    """Each malformed body by its own code."""
    assert world.web.post("/v1/did-witness", body).json["code"] == code


def test_a_deactivation_is_the_last_thing_approved(world: World) -> None:
    """Ending a DID needs its witnesses like any entry; nothing can follow."""
    alice = elsewhere(world)
    assert ask(world, alice.entries).status == 200
    world.clock.advance(2_000)
    forged = next_entry(twin(alice))
    alice.deactivate()
    assert ask(world, alice.entries).status == 200
    after = [*alice.entries, forged | {"versionId": forged["versionId"].replace("2-", "3-", 1)}]
    assert ask(world, after).code == "webvh_deactivated"


# ---------------------------------------------------------------- floods


def test_it_takes_only_so_many_logs(world: World) -> None:
    """A full memory takes no new log, and goes on with those it knows: forgetting one would allow its fork."""
    store = WitnessStore(world.registry.database, most=1)
    store.remember("first", ["1-a"], b"p1")
    with pytest.raises(BonafidesError) as caught:
        store.remember("second", ["1-b"], b"p")
    assert caught.value.code == "did_witness_full"
    assert store.remember("first", ["1-a", "2-a"], b"p2").proof == b"p2"
    assert store.remember("first", ["1-a", "2-a"], b"other").proof == b"p2"
    again = WitnessStore(world.registry.database, most=1)
    with pytest.raises(BonafidesError):
        again.remember("second", ["1-b"], b"p")


def test_requests_are_bounded_by_source_and_in_all(world: World) -> None:
    """429 with the time to wait; another source is served, until all together ask too much."""
    alice = elsewhere(world)
    clients = [(f"192.0.2.{number}", 1) for number in range(9)]
    for _ in range(DID_WITNESS_PER_SOURCE_HOUR):
        assert ask(world, alice.entries, client=clients[0]).status == 200
    refused = ask(world, alice.entries, client=clients[0])
    assert (refused.status, refused.code) == (429, "request_rate_exceeded")
    assert refused.headers["retry-after"] == "3600"
    for _ in range(DID_WITNESS_PER_MINUTE - DID_WITNESS_PER_SOURCE_HOUR):
        assert ask(world, alice.entries, client=clients[1]).status == 200
    for _ in range(3 * DID_WITNESS_PER_SOURCE_HOUR):
        assert ask(world, alice.entries, client=clients[2]).headers["retry-after"] == "60"
    world.clock.advance(60_000)
    assert ask(world, alice.entries, client=clients[2]).status == 200  # its own share was not used up meanwhile


def test_a_body_has_its_cap_and_its_type(world: World) -> None:
    """Before anything is parsed."""
    large = b'{"log":"' + b"x" * DID_WITNESS_BODY_BYTES + b'"}'
    assert world.web.post("/v1/did-witness", large).code == "body_too_large"
    plain = {"content-type": "text/jsonl"}
    assert world.web.post("/v1/did-witness", b"{}", headers=plain).code == "media_type_unsupported"
