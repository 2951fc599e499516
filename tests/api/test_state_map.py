"""The state map over HTTP: its log is a log like the other one, its answers hash up to both checkpoints."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode
from registry.history.subject_state import all_states, record_of
from registry.log.checkpoint import verify_checkpoint
from registry.log.merkle import derive_root, leaf_hash
from registry.log.note import parse_note_key
from registry.log.proof import parse_inclusion, verify_inclusion_proof
from registry.log.state_map import StateMap, parse_map_proof, parse_state_entry, subject_key, verify_map_proof
from registry.log.tile import parse_entry_bundle
from tests.support.registry import World, event_text
from tests.support.state_map import publish_state, state_answer


def believed(world: World, answer: dict[str, Any], subject: str) -> bytes | None:
    """Verify an answer step by step with nothing but the two keys; return the digest of the state."""
    described = world.web.get("/log.json").json
    key, state_key = (parse_note_key(one["verifier_keys"][0]) for one in (described, described["stateLog"]))
    checkpoint = verify_checkpoint(answer["checkpoint"].encode(), origin=world.origin, key=key).checkpoint
    state_origin = f"{world.origin}/state"
    state_checkpoint = verify_checkpoint(answer["stateCheckpoint"].encode(), origin=state_origin, key=state_key)
    data = base64url_decode(answer["entry"])
    verify_inclusion_proof(parse_inclusion(answer["inclusion"]), leaf_hash=leaf_hash(data), checkpoint=state_checkpoint)
    entry = parse_state_entry(data)
    assert (entry.size, entry.root_hash, entry.rules) == (checkpoint.size, checkpoint.root_hash, 1)
    proof = parse_map_proof(answer)
    return verify_map_proof(proof, subject=subject, depth=entry.depth, map_root=entry.map_root).digest


def test_the_state_of_an_agent(world: World) -> None:
    """The record says what the log says, and hashes up to the checkpoints of both logs."""
    alice = world.agent("alice")
    publish_state(world)
    answer = state_answer(world, alice.did)
    assert answer["state"]["state"] == "active"
    assert answer["state"]["chain"]["count"] == 2
    assert believed(world, answer, alice.did) == sha256(canonicalize(answer["state"])).digest()


def test_a_did_that_is_not_there(world: World) -> None:
    """What the log holds nothing of gets the same kind of answer, with no state."""
    publish_state(world)
    nobody = world.hosted("nobody")
    answer = state_answer(world, nobody.did)
    assert answer["state"] is None
    assert believed(world, answer, nobody.did) is None


def test_a_statement_until_it_is_revoked(world: World) -> None:
    """A live vouch is there; after its revocation its absence is what the same address proves."""
    alice, bob = world.agent("alice"), world.agent("bob")
    vouch = alice.vouch(bob.did)
    world.submit(vouch)
    publish_state(world)
    path, subject = f"/v1/events/{event_text(vouch)}/state", f"event:{event_text(vouch)}"
    answer = world.web.get(path).json
    assert (answer["state"]["kind"], answer["state"]["issuer"]) == ("vouch", alice.did)
    assert believed(world, answer, subject) is not None
    assert world.submit(alice.revocation(vouch)).status == 201
    publish_state(world)
    answer = world.web.get(path).json
    assert answer["state"] is None
    assert believed(world, answer, subject) is None


def test_the_map_is_that_of_the_log(world: World) -> None:
    """The published root is that of a map made anew from all of the folded log."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    world.submit(alice.vouch(bob.did))
    publish_state(world)
    world.quarantine(bob)
    world.submit(alice.passport())
    publish_state(world)
    states = all_states(world.registry.state.tables)
    rows = {subject_key(one): sha256(record_of(state)).digest() for one, state in states.items() if state is not None}
    entry = parse_state_entry(base64url_decode(state_answer(world, alice.did)["entry"]))
    assert StateMap(16, rows.items()).root == entry.map_root


def test_the_state_log_is_a_tiled_log(world: World) -> None:
    """Checkpoint, entries and tile are served as static files; the entries hash to the checkpoint's root."""
    world.agent("alice")
    publish_state(world)
    world.agent("bob")
    publish_state(world)
    described = world.web.get("/log.json").json["stateLog"]
    assert described["origin"] == f"{world.origin}/state"
    answer = world.web.get("/state/checkpoint")
    assert answer.headers["cache-control"] == "no-store"
    key = parse_note_key(described["verifier_keys"][0])
    head = verify_checkpoint(answer.body, origin=described["origin"], key=key).checkpoint
    bundle = world.web.get(f"/state/tile/entries/000.p/{head.size}")
    assert "immutable" in bundle.headers["cache-control"]
    entries = parse_entry_bundle(bundle.body, width=head.size)
    hashes = [leaf_hash(entry) for entry in entries]
    assert derive_root(hashes) == head.root_hash
    assert world.web.get(f"/state/tile/0/000.p/{head.size}").body == b"".join(hashes)
    sizes = [parse_state_entry(entry).size for entry in entries]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == world.size


def test_buckets_by_their_hashes(world: World) -> None:
    """A bucket is a file named by its hash; a replaced one stays for whoever holds the older proof."""
    alice = world.agent("alice")
    publish_state(world)
    old = base64url_decode(state_answer(world, alice.did)["bucket"])
    assert world.submit(alice.passport()).status == 201
    publish_state(world)
    new = base64url_decode(state_answer(world, alice.did)["bucket"])
    assert old != new
    for bucket in (old, new):
        answer = world.web.get(f"/state/b/{leaf_hash(bucket).hex()}")
        assert answer.body == bucket
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/state/b/" + "0" * 64, 404, "state_bucket_not_found"),
        ("/state/b/" + "A" * 64, 404, "state_bucket_not_found"),
        ("/state/b/00", 404, "state_bucket_not_found"),
        ("/state/tile/0/001", 404, "tile_not_found"),
        ("/state/tile/entries/000.p/250", 404, "tile_not_found"),
        ("/state/tile/x", 400, "tile_path_malformed"),
        ("/v1/events/AAAA/state", 400, "query_invalid"),
        ("/v1/agents/did:key:zNobody/age-proof", 404, "agent_unknown"),
        ("/v1/agents/did:key:zNobody/state", 404, "agent_unknown"),
        ("/v1/agents/did:key:zNobody/state?format=xml", 400, "query_invalid"),
    ],
)
def test_refusals(reading: World, path: str, status: int, code: str) -> None:
    """What is not there, or not asked for properly, is refused with a code and never cached."""
    answer = reading.web.get(path)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["cache-control"] == "no-store"


def test_the_registry_says_whose_the_state_logs_key_is(world: World) -> None:
    """log.json carries the registry's signed word, with the origin and key of the state log."""
    described = world.web.get("/log.json").json["stateLog"]
    credential = described["credential"]
    said = credential["credentialSubject"]
    assert credential["issuer"] == world.registry.genesis.registry_did
    assert (said["origin"], said["stateLog"]) == (world.origin, described["origin"])
    assert [said["stateLogKey"]] == described["verifier_keys"]


def test_the_age_of_an_agent(world: World) -> None:
    """The registration is in the oldest checkpoint that contains it, and that grew into today's."""
    alice = world.agent("alice")
    publish_state(world)
    first = world.size
    world.agent("bob")
    publish_state(world)
    answer = world.web.get(f"/v1/agents/{alice.did}/age-proof").json
    assert answer["inclusion"]["treeSize"] <= first
    assert answer["consistency"]["second"] == world.size
    assert leaf_hash(base64url_decode(answer["entry"])) == base64url_decode(answer["inclusion"]["leafHash"])
