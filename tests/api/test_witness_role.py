"""The witness over HTTP: every status of the specification, and what is remembered between requests."""

from __future__ import annotations

import threading
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from did_methods.errors import BonafidesError
from did_methods.keys import SigningKey
from registry.log.checkpoint import verify_checkpoint
from registry.log.cosignature import parse_cosignature_key, verify_cosignatures
from registry.log.note import NoteKey, NoteSigner, parse_note, parse_signature_lines, sign_note
from registry.log.split_view import parse_split_view, verify_split_view
from registry.log.witness import AddCheckpoint, encode_add_checkpoint
from registry.services.witness import OwnOriginError
from tests.support.asgi import Answer
from tests.support.registry import OPERATOR, START_MS, World, open_world
from tests.support.state_map import publish_state
from tests.support.witnesses import ORIGIN, MadeUpLog, forked, made_up_witness

LOG = MadeUpLog()
FORK = forked(5)
TEXT = {"content-type": "text/plain"}


@pytest.fixture
def witness(world: World) -> World:
    """A registry that witnesses the made-up log."""
    add_log(world, LOG.key)
    return world


def add_log(world: World, key: NoteKey) -> Answer:
    """Ask the operator's door to witness a log."""
    return world.web.post("/v1/witness/logs", {"verifier_key": key.to_text()}, headers=OPERATOR)


def send(world: World, body: bytes) -> Answer:
    """Ask for a cosignature."""
    return world.web.post("/add-checkpoint", body, headers=TEXT)


def gossip(world: World, note: bytes) -> Answer:
    """Bring a note."""
    return world.web.post("/v1/gossip", note, headers=TEXT)


def monitored(world: World, origin: str = ORIGIN) -> Answer:
    """Ask what was cosigned last."""
    return world.web.get(f"/{sha256(origin.encode()).hexdigest()}/checkpoint")


# ---------------------------------------------------------------- cosigning


def test_a_log_grows_under_the_eyes_of_the_witness(witness: World) -> None:
    """Each step is cosigned over exactly that checkpoint, at the registry's time, by the key that /log.json names."""
    key = parse_cosignature_key(witness.web.get("/log.json").json["witness"]["verifier_key"])
    assert key.name == "registry.localhost:8000/witness"
    for old, size in ((0, 3), (3, 3), (3, 12), (12, 13)):
        witness.clock.advance(1_000)
        answer = send(witness, LOG.request(old, size))
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        (found,) = verify_cosignatures(parse_signature_lines(answer.body), LOG.head(size), [key])
        assert found.time_s == witness.clock.now_ms() // 1_000
        seen = monitored(witness)
        assert verify_checkpoint(seen.body, origin=ORIGIN, key=LOG.key).checkpoint == LOG.head(size)
        assert seen.body.endswith(answer.body)
        assert seen.headers["cache-control"] == "no-store"


def test_every_status_of_the_specification(witness: World) -> None:
    """404 unknown, 403 not signed, 400 malformed or backwards, 409 with the size, 422 for what does not follow."""
    assert send(witness, LOG.request(0, 8)).status == 200
    other_log = MadeUpLog(origin="log.example/2")
    thief = MadeUpLog(signing_key=SigningKey(bytes(32)))
    extension = sign_note(LOG.head(9).to_text() + "more\n", [NoteSigner(ORIGIN, LOG.signing_key)])
    no_root = sign_note(f"{ORIGIN}\n0\n{'A' * 43}=\n", [NoteSigner(ORIGIN, LOG.signing_key)])
    cases = [
        (other_log.request(0, 8), 404, "witness_origin_unknown"),
        (thief.request(8, 9), 403, "witness_log_signature_refused"),
        (b"old 8\n\n" + LOG.note(9)[:-8] + b"AAAA" + LOG.note(9)[-4:], 403, "witness_log_signature_refused"),
        (b"", 400, "witness_request_malformed"),
        (b"old eight\n\n" + LOG.note(9), 400, "witness_request_malformed"),
        (b"old 8\n\nno note\n", 400, "note_malformed"),
        (encode_add_checkpoint(AddCheckpoint(8, (), extension)), 400, "checkpoint_malformed"),
        (encode_add_checkpoint(AddCheckpoint(9, (), LOG.note(8))), 400, "witness_old_size_too_large"),
        (encode_add_checkpoint(AddCheckpoint(8, LOG.proof(7, 9), LOG.note(9))), 422, "witness_proof_refused"),
        (encode_add_checkpoint(AddCheckpoint(8, (), FORK.note(8))), 422, "witness_proof_refused"),
        (encode_add_checkpoint(AddCheckpoint(0, (), no_root)), 422, "witness_proof_refused"),
        (b"x" * 80_000, 413, "body_too_large"),
    ]
    before = monitored(witness).body
    for body, status, code in cases:
        answer = send(witness, body)
        assert (answer.status, answer.code) == (status, code), (answer, code)
    assert monitored(witness).body == before


@pytest.mark.parametrize("old", [0, 3, 9])
def test_a_conflict_tells_the_size(witness: World, old: int) -> None:
    """409 has the size in its own media type; the log goes on from there."""
    assert send(witness, LOG.request(0, 8)).status == 200
    answer = send(witness, LOG.request(old, 12))
    assert (answer.status, answer.body) == (409, b"8\n")
    assert answer.headers["content-type"].partition(";")[0] == "text/x.tlog.size"
    assert witness.refusals("witness_size_conflict") == 1
    assert send(witness, LOG.request(8, 12)).status == 200


def test_a_proof_from_nothing_is_refused(witness: World) -> None:
    """From 0, and to the same size, there is nothing to prove."""
    for old, size in ((0, 8), (8, 8)):
        with_proof = encode_add_checkpoint(AddCheckpoint(old, (bytes(32),), LOG.note(size)))
        assert send(witness, with_proof).code == "witness_proof_refused"
        assert send(witness, LOG.request(old, size)).status == 200


def test_an_empty_tree_may_be_cosigned_first(witness: World) -> None:
    """A log that has nothing yet is a log."""
    assert send(witness, LOG.request(0, 0)).status == 200
    assert send(witness, LOG.request(0, 0)).status == 200
    assert send(witness, LOG.request(0, 5)).status == 200


def test_forged_and_forked_histories_get_no_cosignature(witness: World) -> None:
    """No tree that did not grow out of the cosigned one is cosigned, at any size, with any proof."""
    assert send(witness, LOG.request(0, 8)).status == 200
    for size in range(8, 30):
        for proof in (FORK.proof(8, size), LOG.proof(8, size), ()):
            answer = send(witness, encode_add_checkpoint(AddCheckpoint(8, proof, FORK.note(size))))
            assert answer.status == 422, size
    assert verify_checkpoint(monitored(witness).body, origin=ORIGIN, key=LOG.key).checkpoint == LOG.head(8)


def test_time_does_not_go_back(witness: World) -> None:
    """A clock that was set back does not make a cosignature older than the one before."""
    assert send(witness, LOG.request(0, 8)).status == 200
    witness.clock.advance(-3_600_000)
    line = parse_signature_lines(send(witness, LOG.request(8, 9)).body)[0]
    assert int.from_bytes(line.signature[:8], "big") == START_MS // 1_000


def test_a_forged_line_of_its_own_is_not_passed_on(witness: World) -> None:
    """What stands in a request beside the log's signature is kept as evidence, and never shown as the witness's word."""
    key = parse_cosignature_key(witness.web.get("/log.json").json["witness"]["verifier_key"])
    with made_up_witness() as stranger:
        forged = stranger.cosigner
    fake = parse_signature_lines(f"\u2014 {key.name} {'A' * 96}\n".encode())[0]
    note = LOG.note(8) + fake.to_line().encode() + f"\u2014 {forged.name} {'B' * 96}\n".encode()
    assert send(witness, encode_add_checkpoint(AddCheckpoint(0, (), note))).status == 200
    seen = parse_note(monitored(witness).body)
    assert [line.name for line in seen.signatures] == [ORIGIN, key.name]
    assert len(verify_cosignatures(seen.signatures, LOG.head(8), [key])) == 1


# ---------------------------------------------------------------- memory


def test_many_racing_requests_of_which_one_wins(witness: World) -> None:
    """Of forks sent at once, one is cosigned and all others are told its size or refused; N never rolls N+K back."""
    role = witness.registry.witnessing.role
    views = [MadeUpLog(forked(place, size=70).tree) for place in range(1, 17)]
    outcomes: Counter[str] = Counter()
    gate = threading.Barrier(len(views) * 2)
    cosigned: list[bytes] = []

    def ask(view: MadeUpLog, size: int) -> None:
        gate.wait()
        try:
            cosigned.append(role.add_checkpoint(view.request(0, size), source=None))
            outcomes["cosigned"] += 1
        except BonafidesError as error:
            outcomes[error.code] += 1

    threads = [threading.Thread(target=ask, args=(view, size)) for view in views for size in (20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes["cosigned"] == 1
    assert outcomes["witness_size_conflict"] + outcomes["witness_proof_refused"] == len(threads) - 1
    assert monitored(witness).body.endswith(cosigned[0])


def test_a_larger_checkpoint_is_never_rolled_back(witness: World) -> None:
    """Racing steps of one honest log: whatever order they arrive in, the newest cosigned size only grows."""
    role = witness.registry.witnessing.role
    send(witness, LOG.request(0, 5))
    gate = threading.Barrier(12)
    sizes: list[int] = []

    def ask(size: int) -> None:
        gate.wait()
        try:
            role.add_checkpoint(LOG.request(5, size), source=None)
            sizes.append(size)
        except BonafidesError as error:
            assert error.code == "witness_size_conflict"  # noqa: PT017 - on a thread of its own

    threads = [threading.Thread(target=ask, args=(size,)) for size in range(6, 18)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sizes) == 1
    assert verify_checkpoint(monitored(witness).body, origin=ORIGIN, key=LOG.key).checkpoint == LOG.head(sizes[0])


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    """After a restart the fork is still refused, the same key signs, and the next honest step is taken."""
    with open_world(tmp_path, on_disk=True) as world:
        add_log(world, LOG.key)
        assert send(world, LOG.request(0, 8)).status == 200
        described, seen, clock = world.web.get("/log.json").json["witness"], monitored(world).body, world.clock
    with open_world(tmp_path, on_disk=True, clock=clock) as world:
        assert world.web.get("/log.json").json["witness"] == described
        assert monitored(world).body == seen
        assert send(world, FORK.request(0, 9)).status == 409
        assert send(world, FORK.request(8, 9)).status == 422
        assert send(world, LOG.request(8, 9)).status == 200


def test_removing_a_log_forgets_nothing(witness: World) -> None:
    """A log that is removed and added again is held to what it showed before."""
    assert send(witness, LOG.request(0, 8)).status == 200
    assert witness.web.send("DELETE", f"/v1/witness/logs?origin={ORIGIN}", headers=OPERATOR).status == 200
    assert send(witness, LOG.request(8, 9)).status == 404
    assert monitored(witness).status == 404
    add_log(witness, LOG.key)
    assert send(witness, FORK.request(0, 9)).status == 409


# ---------------------------------------------------------------- gossip and evidence


def test_a_split_view_becomes_evidence(witness: World) -> None:
    """Two trees of one size: kept whole, served, verified offline; and the log is cosigned no more."""
    assert send(witness, LOG.request(0, 8)).status == 200
    assert gossip(witness, LOG.note(8)).json["verdict"] == "consistent"
    found = gossip(witness, FORK.note(8)).json
    assert (found["verdict"], found["origin"], found["size"]) == ("contradiction", ORIGIN, 8)
    listed = witness.web.get("/v1/evidence").json["evidence"]
    assert [(one["id"], one["origin"]) for one in listed] == [(found["evidence"], ORIGIN)]
    evidence = witness.web.get(f"/v1/evidence/{found['evidence']}")
    assert evidence.headers["access-control-allow-origin"] == "*"
    verified = verify_split_view(parse_split_view(evidence.body), key=LOG.key)
    assert {verified.first.checkpoint, verified.second.checkpoint} == {LOG.head(8), FORK.head(8)}
    assert send(witness, LOG.request(8, 9)).code == "witness_proof_refused"
    assert b"bonafides_contradictions_total 1" in witness.web.get("/metrics").body


def test_a_fork_that_is_sent_in_is_evidence_too(witness: World) -> None:
    """A log whose stolen key asks for a second tree of a cosigned size has signed both."""
    assert send(witness, LOG.request(0, 8)).status == 200
    assert send(witness, LOG.request(8, 12)).status == 200
    assert send(witness, encode_add_checkpoint(AddCheckpoint(12, (), FORK.note(8)))).status == 400
    assert len(witness.web.get("/v1/evidence").json["evidence"]) == 1
    assert gossip(witness, FORK.note(8)).json["evidence"] == witness.web.get("/v1/evidence").json["evidence"][0]["id"]


def test_a_note_that_was_only_seen_counts_later(witness: World) -> None:
    """A view brought by gossip is kept, and what the log sends afterwards is held against it."""
    assert gossip(witness, FORK.note(8)).json["verdict"] == "unknown"
    assert gossip(witness, FORK.note(8)).json["verdict"] == "consistent"
    assert send(witness, LOG.request(0, 8)).code == "witness_proof_refused"
    assert len(witness.web.get("/v1/evidence").json["evidence"]) == 1
    assert monitored(witness).status == 404


def test_gossip_about_this_registry_itself(witness: World) -> None:
    """Our own checkpoints are consistent; one under our key that is not of our tree is a contradiction."""
    witness.agent("alice")
    witness.registry.log.sign_if_grown()
    own = witness.registry.log.signed_head
    assert gossip(witness, own.note).json["verdict"] == "consistent"
    signer = witness.registry.log.signer.note_signer
    view = MadeUpLog(origin=witness.origin, signing_key=signer.signing_key)
    found = gossip(witness, view.note(own.size)).json
    assert found["verdict"] == "contradiction"
    evidence = witness.web.get(f"/v1/evidence/{found['evidence']}").body
    assert verify_split_view(parse_split_view(evidence), key=signer.key).origin == witness.origin
    never_signed = gossip(witness, view.note(64)).json
    assert (never_signed["verdict"], never_signed["evidence"]) == ("contradiction", None)


def test_gossip_about_this_registrys_state_log(witness: World) -> None:
    """As of the main log: consistent, or evidence and a state log that is closed; the main log goes on, and neither witnesses itself."""
    witness.agent("alice")
    publish_state(witness)
    room = witness.registry.state_map
    own, signer = room.log.signed_head, room.log.signer.note_signer
    assert gossip(witness, own.note).json["verdict"] == "consistent"
    with pytest.raises(OwnOriginError):
        witness.registry.witnessing.role.add_log(signer.key)
    found = gossip(witness, MadeUpLog(origin=signer.name, signing_key=signer.signing_key).note(own.size)).json
    assert found["verdict"] == "contradiction"
    evidence = witness.web.get(f"/v1/evidence/{found['evidence']}").body
    assert verify_split_view(parse_split_view(evidence), key=signer.key).origin == signer.name
    assert room.log.guard.state == "rolled_back"
    assert witness.registry.log.guard.state == "open"


def test_gossip_that_says_nothing_is_refused(witness: World) -> None:
    """Unknown logs, other signers and what is no note: each has its code, and nothing is kept."""
    assert gossip(witness, MadeUpLog(origin="log.example/2").note(3)).code == "witness_origin_unknown"
    assert gossip(witness, MadeUpLog(signing_key=SigningKey(bytes(32))).note(3)).code == "witness_log_signature_refused"
    assert gossip(witness, b"hello\n").code == "note_malformed"
    assert gossip(witness, b"x" * 70_000).code == "body_too_large"
    assert witness.web.get("/v1/evidence").json["evidence"] == []
    for target in ("/v1/evidence/" + "0" * 64, "/v1/evidence/x"):
        assert witness.web.get(target).code == "evidence_not_found"


def test_a_caller_that_asks_for_ever_is_held(witness: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cosigning and gossip share one rate per source."""
    role = witness.registry.witnessing.role
    monkeypatch.setattr(role._rates._sources, "_most", 2)
    assert [gossip(witness, LOG.note(3)).status for _ in range(3)] == [200, 200, 429]
    assert send(witness, LOG.request(0, 3)).code == "request_rate_exceeded"


# ---------------------------------------------------------------- the operator's list


def test_only_the_operator_says_what_is_witnessed(world: World) -> None:
    """Adding, listing and removing need the operator's key; what is no key, another key and our own log are refused."""
    assert world.web.get("/v1/witness/logs").code == "bearer_key_required"
    assert world.web.post("/v1/witness/logs", {}).code == "bearer_key_required"
    assert world.web.send("DELETE", "/v1/witness/logs?origin=x").code == "bearer_key_required"
    assert add_log(world, LOG.key).status == 201
    assert add_log(world, LOG.key).status == 201
    other = NoteKey(ORIGIN, SigningKey(bytes(32)).public_key)
    assert add_log(world, other).code == "witnessed_log_exists"
    own = world.registry.log.signer.note_signer.key
    assert add_log(world, own).code == "witness_own_origin"
    listed = world.web.get("/v1/witness/logs", headers=OPERATOR).json["logs"]
    assert listed == [{"origin": ORIGIN, "verifier_key": LOG.key.to_text()}]
    assert world.web.get("/log.json").json["witness"]["logs"] == [ORIGIN]
    for body in ({}, {"verifier_key": 1}, {"verifier_key": LOG.key.to_text(), "more": 1}):
        assert world.web.post("/v1/witness/logs", body, headers=OPERATOR).status == 400
    assert world.web.post("/v1/witness/logs", {"verifier_key": "x"}, headers=OPERATOR).code == "note_key_malformed"
    assert world.web.send("DELETE", "/v1/witness/logs", headers=OPERATOR).status == 400
    gone = world.web.send("DELETE", "/v1/witness/logs?origin=nobody", headers=OPERATOR)
    assert gone.code == "witnessed_log_not_found"


def test_the_monitoring_address_has_one_form(witness: World) -> None:
    """Anything but 64 lower-case hex digits is no address at all."""
    for target in ("/other/checkpoint", f"/{'A' * 64}/checkpoint", f"/{'0' * 63}/checkpoint"):
        assert witness.web.get(target).code == "route_not_found"
    assert witness.web.get(f"/{'0' * 64}/checkpoint").code == "witness_note_not_found"
