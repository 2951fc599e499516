"""Registration, look-ups and standing over HTTP."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode
from did_methods.webvh import resolve_log
from registry.credentials.model import parse_credential
from registry.log.checkpoint import parse_checkpoint
from registry.log.merkle import leaf_hash, verify_inclusion
from tests.support.registry import DAY_MS, World, event_text

SUFFIXES = ("", "/state", "/standing", "/vouches", "/events")


def test_a_hosted_agent_registers_itself(world: World) -> None:
    """Challenge, signed presentation, publication: no account, no person; the acceptance covers both entries."""
    alice = world.hosted("alice")
    before = world.size
    answer = world.register(alice)
    assert answer.status == 201
    assert answer.json["agent"]["did"] == alice.did
    assert answer.json["agent"]["state"] == "active"
    accepted = answer.json["acceptance"]["credentialSubject"]["accepted"]
    assert [one["index"] for one in accepted] == [before, before + 1]
    served = world.web.get("/agents/alice/did.jsonl").body
    assert resolve_log(alice.did, served, now_ms=world.clock.now_ms()).did_document is not None
    assert world.web.get("/agents/alice/did.json").json["id"] == "did:web:registry.localhost%3A8000:agents:alice"


def test_a_short_lived_agent_registers_the_same_way(world: World) -> None:
    """A did:key needs no DID log; nothing is served for it."""
    bob = world.short_lived("bob")
    assert world.register(bob).status == 201
    assert world.web.get(f"/v1/agents/{bob.did}").json["did"] == bob.did
    assert world.web.get("/agents/bob/did.jsonl").code == "did_not_published"


def test_the_same_registration_again_gets_the_same_answer(world: World) -> None:
    """A retry of the same bytes is answered as before, with 200 and the same signed acceptance, and logs nothing."""
    body = world.hosted("alice").registration(world.challenge())
    first = world.web.post("/v1/agents", body)
    size = world.size
    world.clock.advance(DAY_MS)
    again = world.web.post("/v1/agents", dict(reversed(body.items())))
    assert (first.status, again.status) == (201, 200)
    assert canonicalize(again.json["acceptance"]) == canonicalize(first.json["acceptance"])
    assert world.size == size


def test_the_acceptance_is_the_registrys_word(world: World) -> None:
    """What is acknowledged is signed by the registry's DID and names the leaf that the log then proves."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    vouch = alice.vouch(bob.did)
    acceptance = parse_credential(world.submit(vouch).json["acceptance"])
    (one,) = acceptance.subject["accepted"]
    assert acceptance.issuer == world.registry.genesis.registry_did
    assert one["event"] == event_text(vouch)
    world.registry.log.sign_if_grown()
    leaf = world.web.get(f"/v1/entries/{one['index']}").body
    assert base64url_decode(one["leafHash"]) == leaf_hash(leaf)
    proof = world.web.get(f"/v1/log/proof/inclusion?event={one['event']}").json
    checkpoint = parse_checkpoint(world.web.get("/checkpoint").body.decode().partition("\n\n")[0] + "\n")
    assert proof["treeSize"] == checkpoint.size
    verify_inclusion(
        leaf_hash(leaf),
        [base64url_decode(each) for each in proof["proof"]],
        index=proof["index"],
        size=proof["treeSize"],
        root_hash=checkpoint.root_hash,
    )


@pytest.mark.parametrize("name", ["alice", "bob"])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_dids_in_paths_plain_and_encoded(reading: World, name: str, suffix: str) -> None:
    """A DID is found whether it is sent plain or percent-encoded once, with and without a suffix."""
    did = reading.actors[name].did
    for spelled in (did, quote(did, safe=""), quote(did, safe="").replace("%3A", "%3a")):
        answer = reading.web.get(f"/v1/agents/{spelled}{suffix}")
        assert answer.status == 200, (spelled, answer)
        assert answer.json["did"] == did


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_spelling_is_another_did(reading: World, suffix: str) -> None:
    """Half-decoded, mixed and doubly encoded spellings are refused or unknown, never somebody."""
    did = reading.actors["alice"].did
    decoded = did.replace("%3A", ":")
    for spelled in (decoded, quote(quote(did, safe=""), safe=""), did.replace(":", "%3A", 1), did + "%00", did + "."):
        answer = reading.web.get(f"/v1/agents/{spelled}{suffix}")
        assert answer.status in (400, 404), (spelled, answer)
        assert answer.code in ("agent_unknown", "invalid_did", "invalid_did_path")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_unknown_agent_is_404(reading: World, suffix: str) -> None:
    """A DID that is not registered is not found, at every address about agents."""
    answer = reading.web.get(f"/v1/agents/did:web:nobody.example{suffix}")
    assert (answer.status, answer.code) == (404, "agent_unknown")


def test_agents_are_listed_in_pages(reading: World) -> None:
    """Following the cursor visits every agent once, in order of registration."""
    found, target = [], "/v1/agents?limit=1"
    while target:
        page = reading.web.get(target).json
        found += [one["did"] for one in page["agents"]]
        target = f"/v1/agents?limit=1&after={quote(page['next'], safe='')}" if page["next"] else ""
    assert found == [reading.operator.did, reading.actors["alice"].did, reading.actors["bob"].did]


def test_an_agents_chain_is_paged_newest_first(reading: World) -> None:
    """Following the cursor walks an agent's own chain back to its first entry, without gaps."""
    did, counts, before = reading.actors["alice"].did, [], ""
    while True:
        page = reading.web.get(f"/v1/agents/{did}/events?limit=2{before}").json
        counts += [one["count"] for one in page["events"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert counts == [5, 4, 3, 2, 1]


def test_standing_has_a_strong_etag(world: World) -> None:
    """An unchanged standing is 304 within its lifetime; evidence and the next step of time change the tag."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    target = f"/v1/agents/{bob.did}/standing"
    first = world.web.get(target)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, max-age=5"
    for sent in (tag, f'"other", {tag}', f"W/{tag}"):
        again = world.web.get(target, headers={"if-none-match": sent})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert world.web.get(target, headers={"if-none-match": '"other"'}).status == 200
    world.submit(alice.vouch(bob.did))
    assert world.web.get(target, headers={"if-none-match": tag}).status == 200


def test_standing_shows_score_record_and_factors(reading: World) -> None:
    """Score and record are there overall and per context, with the exact figures and the log position beside them."""
    did = reading.actors["alice"].did
    overall = reading.web.get(f"/v1/agents/{did}/standing").json
    assert (overall["score"], overall["record"], overall["context"]) == (25.0, 25.0, None)
    assert overall["scoreMicros"] == 25_000_000
    assert overall["treeSize"] == reading.size
    assert overall["factors"]["vouches"] == 0  # the one vouch comes from an agent without a voice
    inside = reading.web.get(f"/v1/agents/{did}/standing?context=payments").json
    assert inside["context"] == "payments"


def test_vouches_about_an_agent_are_shown_with_their_weight(reading: World) -> None:
    """Live statements are listed with issuer and index; one without a voice behind it weighs nothing."""
    (shown,) = reading.web.get(f"/v1/agents/{reading.actors['bob'].did}/vouches").json["statements"]
    assert shown["issuer"] == reading.actors["alice"].did
    assert shown["weight"] is None or shown["weight"] == 0


def test_an_event_is_found_by_its_id(reading: World) -> None:
    """The whole leaf is returned with its place, and its bytes are those of the log."""
    listed = reading.web.get(f"/v1/agents/{reading.actors['alice'].did}/events").json["events"][0]
    found = reading.web.get(f"/v1/events/{listed['event']}").json
    assert found["index"] == listed["index"]
    assert canonicalize(found["leaf"]) == reading.web.get(f"/v1/entries/{found['index']}").body
    assert reading.web.get("/v1/events/" + "A" * 43).code == "event_not_found"


def test_a_rotation_is_published(world: World) -> None:
    """An appended did:webvh entry is served at once, changes the keys, and repeats harmlessly."""
    alice = world.agent("alice")
    entry = alice.rotate()
    target = f"/v1/agents/{quote(alice.did, safe='')}/did-log"
    first, again = world.web.post(target, entry), world.web.post(target, entry)
    assert (first.status, again.status) == (201, 200)
    assert world.web.get("/agents/alice/did.jsonl").body.count(b"\n") == 2
    assert world.web.get(f"/v1/agents/{alice.did}/state").json["authorityEpoch"] == 2


def test_a_deactivated_agent_is_gone_for_good(world: World) -> None:
    """Deactivation ends the agent: no document, no statements, no decisions, no way back."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    vouch = alice.vouch(bob.did)
    assert world.submit(alice.deactivate()).status == 201
    assert world.web.get(f"/v1/agents/{alice.did}/state").json["state"] == "deactivated"
    assert world.web.get("/agents/alice/did.json").code == "did_document_gone"
    assert world.web.get("/agents/alice/did.jsonl").status == 200
    assert world.submit(vouch).status in (400, 403)
    assert world.reason(alice.request("read", prove=False)) == "agent_deactivated"
    assert world.register(alice).status in (400, 403, 409)
