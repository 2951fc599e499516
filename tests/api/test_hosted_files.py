"""The files of hosted DIDs: where they are, their types, validators and lifetimes, and that they are what was logged."""

from __future__ import annotations

import pytest

from did_methods.canonical import canonicalize
from did_methods.webvh import parallel_did_web, resolve_log
from tests.support.hosting import append, approval, file, hosted, witnessed
from tests.support.registry import World

FILES = {
    "did.jsonl": "text/jsonl; charset=utf-8",
    "did.json": "application/did+json",
    "did-witness.json": "application/json",
}


def test_files_have_their_types_and_can_be_read_from_anywhere(world: World) -> None:
    """Types as the specifications name them, a strong validator, no sniffing, any origin; HEAD says the same."""
    witnessed(world)
    for name, media_type in FILES.items():
        answer, head = file(world, name), world.web.send("HEAD", f"/agents/alice/{name}")
        assert (answer.status, answer.headers["content-type"]) == (200, media_type)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["etag"].startswith('"')
        assert head.headers == answer.headers


@pytest.mark.parametrize(
    ("ttl_s", "expected"),
    [(None, "public, max-age=3600"), (60, "public, max-age=60"), (0, "no-cache"), (2**31, "public, max-age=86400")],
)
def test_files_are_kept_as_long_as_their_controller_says(world: World, ttl_s: int | None, expected: str) -> None:
    """By ttl, a day at most: a thief of keys must not state that nobody looks again for years."""
    alice = hosted(world, "alice", ttl_s=ttl_s)
    assert world.register(alice).status == 201
    for name in ("did.jsonl", "did.json"):
        assert file(world, name).headers["cache-control"] == expected


def test_witness_proofs_are_never_older_than_the_log(world: World) -> None:
    """A copy of did-witness.json may not be kept unasked: it would lack the proofs of a fresh did.jsonl."""
    witnessed(world)
    assert file(world, "did-witness.json").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_caller_has_is_not_sent_again(world: World, name: str) -> None:
    """304 without a body while nothing has changed; the next entry changes every validator."""
    alice = witnessed(world)
    tag = file(world, name).headers["etag"]
    for sent in (tag, f"W/{tag}", f'"other" , {tag}', "*"):
        held = file(world, name, if_none_match=sent)
        assert (held.status, held.body, held.headers["etag"]) == (304, b"", tag), sent
        assert held.headers["cache-control"] == file(world, name).headers["cache-control"]
    for sent in ('"other"', "", tag.strip('"'), '"'):
        assert file(world, name, if_none_match=sent).status == 200
    entry = alice.rotate()
    body = {"entry": entry, "witness": approval(entry, "w1", now_ms=world.clock.now_ms())}
    assert append(world, alice.did, body).status == 201
    fresh = file(world, name, if_none_match=tag)
    assert (fresh.status, fresh.headers["etag"] == tag) == (200, False)


def test_an_unchanged_log_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking whether a log has changed costs no reading of it, however long it is."""
    world.agent("alice")
    tag = file(world, "did.jsonl").headers["etag"]
    monkeypatch.setattr(world.registry.store, "did_entries", None)
    assert file(world, "did.jsonl", if_none_match=tag).status == 304


def test_lines_are_the_logged_events_byte_for_byte(world: World) -> None:
    """Every line stands in the transparency log, and the whole resolves by the code for any foreign log."""
    alice = world.agent("alice")
    for _ in range(3):
        assert append(world, alice.did, alice.rotate()).status == 201
    served = file(world, "did.jsonl").body
    leaves = [world.web.get(f"/v1/entries/{index}").body for index in range(world.size)]
    lines = served.splitlines()
    assert lines == [canonicalize(entry) for entry in alice.entries]
    assert all(any(b'{"event":' + line + b',"format":' in leaf for leaf in leaves) for line in lines)
    result = resolve_log(alice.did, served, now_ms=world.clock.now_ms() + 60_000)
    assert result.did_document_metadata["versionNumber"] == 4


def test_did_json_is_the_parallel_did_web(world: World) -> None:
    """The document of the did:web at the same place, which names the did:webvh; as it resolves here."""
    alice = world.agent("alice")
    assert alice.state is not None
    document = file(world, "did.json").json
    assert document == parallel_did_web(alice.state)
    assert document["id"] == "did:web:registry.localhost%3A8000:agents:alice"
    assert alice.did in document["alsoKnownAs"]
    assert {one["id"].partition("#")[2] for one in document["service"]} == {"files", "whois"}


def test_the_registrys_own_files_are_at_well_known(world: World) -> None:
    """Its log and its did:web; nobody witnesses it."""
    own = world.registry.genesis.registry_did
    log = world.web.get("/.well-known/did.jsonl")
    assert resolve_log(own, log.body, now_ms=world.clock.now_ms()).did_document is not None
    assert world.web.get("/.well-known/did.json").json["id"] == "did:web:registry.localhost%3A8000"
    assert world.web.get("/.well-known/did-witness.json").code == "did_witness_file_not_found"


def test_nothing_is_served_where_nothing_is_published(world: World) -> None:
    """A free name, and a name in another spelling, are 404; no witness proofs are 404 too."""
    world.agent("alice")
    for name in FILES:
        for slug in ("nobody", "Alice", "alice%20", "operator%2F..%2Falice", "..", "%2e%2e"):
            assert file(world, name, slug=slug).status == 404, (slug, name)
    assert file(world, "did-witness.json").code == "did_witness_file_not_found"
