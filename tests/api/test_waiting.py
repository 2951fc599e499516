"""Answer levels: durable, signed, published, witnessed; and what a caller gets whose patience, or ours, runs out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from did_methods.codec import base64url_decode
from registry.api import waiting
from registry.log.note import parse_note_key
from registry.log.proof import parse_proof_file, verify_proof_file
from registry.log.witness_policy import parse_policy, verify_witnessed
from registry.services.submission import OverloadedError, Submission
from registry.storage.log import LogStore
from tests.services.test_publisher import broken, timely, watched
from tests.support.asgi import Answer
from tests.support.publication import wait_for
from tests.support.registry import World, open_world
from tests.support.witnesses import made_up_witness


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Open a registry."""
    with open_world(tmp_path) as opened:
        yield opened


def verified_size(world: World, answer: Answer) -> int:
    """Verify the proof file of an answer against its acceptance; return the checkpoint's size."""
    (accepted,) = answer.json["acceptance"]["credentialSubject"]["accepted"]
    proof = parse_proof_file(answer.json["proof"].encode())
    assert proof.index == accepted["index"]
    verified = verify_proof_file(
        proof,
        leaf_hash=base64url_decode(accepted["leafHash"]),
        origin=world.origin,
        key=parse_note_key(world.registry.genesis.log_key),
    )
    return verified.checkpoint.checkpoint.size


@pytest.mark.parametrize("level", ["signed", "published"])
def test_from_signed_on_the_answer_proves_itself(world: World, level: str) -> None:
    """The answer holds a proof file that verifies with nothing but the log's key; sent again, the same index."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    vouch = alice.vouch(bob.did)
    answer = world.web.post(f"/v1/events?wait={level}", vouch)
    assert (answer.status, answer.json["reached"]) == (201, level)
    assert verified_size(world, answer) > world.index_of(vouch)  # type: ignore[operator]
    again = world.web.post(f"/v1/events?wait={level}", vouch)
    assert (again.status, again.json["acceptance"]) == (200, answer.json["acceptance"])


def test_durable_is_the_default_and_waits_for_nothing(world: World) -> None:
    """Without the parameter, and with durable, the answer is the acceptance alone."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    for target in ("/v1/events", "/v1/events?wait=durable"):
        answer = world.web.post(target, alice.vouch(bob.did, context=f"c{len(target)}"))
        assert (answer.status, set(answer.json)) == (201, {"acceptance"})


def test_registration_and_batch_wait_too(world: World) -> None:
    """A registration is two entries and a batch is many: they answer with the checkpoint that covers the last."""
    alice = world.hosted("alice")
    answer = world.web.post("/v1/agents?wait=signed", alice.registration(world.challenge()))
    assert (answer.status, answer.json["reached"]) == (201, "signed")
    assert int(answer.json["checkpoint"].split("\n")[1]) >= world.size
    bob = world.agent("bob", short_lived=True)
    lines = [alice.vouch(bob.did), alice.vouch(bob.did, context="payments")]
    batch = world.web.post(
        "/v1/events:batch?wait=published", b"\n".join(orjson.dumps(one) for one in lines),
        headers={"content-type": "application/x-ndjson"},
    )  # fmt: skip
    assert (batch.status, batch.json["reached"]) == (200, "published")
    assert int(batch.json["checkpoint"].split("\n")[1]) >= world.size


@pytest.mark.parametrize(("level", "code"), [("soon", "wait_level_invalid"), ("witnessed", "wait_level_invalid")])
def test_a_level_that_never_comes_is_refused_before_anything_is_written(world: World, level: str, code: str) -> None:
    """A word that is no level, and witnesses where the policy asks for none."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    before = world.fingerprint()
    answer = world.web.post(f"/v1/events?wait={level}", alice.vouch(bob.did))
    assert (answer.status, answer.code, world.fingerprint()) == (400, code, before)


def test_witnessed_waits_for_the_quorum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the witness is down the answer says how far it came; when it is back, the proof carries its cosignature."""
    monkeypatch.setattr(waiting, "WAIT_MOST_MS", 100)
    with made_up_witness(broken) as witness, watched(tmp_path, "W0", witness) as world:
        alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
        vouch = alice.vouch(bob.did)
        late = world.web.post("/v1/events?wait=witnessed", vouch)
        assert (late.status, late.json["reached"], "proof" in late.json) == (202, "signed", False)
        assert "acceptance" in late.json
        witness.reply = timely
        wait_for(lambda: world.web.post("/v1/events?wait=witnessed", vouch).status == 200)
        answer = world.web.post("/v1/events?wait=witnessed", vouch)
        assert answer.json["reached"] == "witnessed"
        note = parse_proof_file(answer.json["proof"].encode()).checkpoint
        policy = parse_policy(f"log {world.registry.genesis.log_key}\n".encode() + (tmp_path / "policy").read_bytes())
        assert policy.signed_by(verify_witnessed(note, policy).cosignatures) == {"W0"}


def test_only_so_many_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told to come back; what it sent is in the log all the same."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    monkeypatch.setattr(waiting, "WAITING_ANSWERS", 0)
    vouch = alice.vouch(bob.did)
    answer = world.web.post("/v1/events?wait=signed", vouch)
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "overloaded", "1")
    assert world.index_of(vouch) is not None
    assert world.submit(vouch).status == 200


def test_back_pressure(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk hangs, statements queue up to a bound; beyond it the answer is 503 with Retry-After, and nothing is lost."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    monkeypatch.setattr("registry.services.sequencer.SEQUENCER_WAITING", 3)
    reached, go_on, original = threading.Event(), threading.Event(), LogStore.append

    def append(self: LogStore, *arguments: Any, **named: Any) -> None:
        reached.set()
        assert go_on.wait(10)
        original(self, *arguments, **named)

    monkeypatch.setattr(LogStore, "append", append)
    sequencer = world.registry.sequencer
    first = sequencer.submit(_quarantine(world, alice.did))
    assert reached.wait(10)
    queued = [sequencer.submit(_quarantine(world, alice.did, release=bool(turn % 2 == 0))) for turn in range(3)]
    assert sequencer.waiting == 3
    with pytest.raises(OverloadedError) as caught:
        sequencer.submit(_quarantine(world, alice.did))
    assert caught.value.params["retry_after_s"] == 1
    refused = world.submit(bob.vouch(alice.did))
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "overloaded", "1")
    go_on.set()
    for future in (first, *queued):
        future.exception(10)
    assert sequencer.waiting == 0
    assert world.submit(bob.vouch(alice.did)).status == 201


def _quarantine(world: World, did: str, *, release: bool = False) -> Submission:
    return world.registry.authority.quarantine(did, reason="testing", release=release, now_ms=world.clock.now_ms())
