"""Appending to hosted DID logs over HTTP: a compare-and-swap, with witnesses, through moves and up to the end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.webvh import resolve_log
from registry.services import hosting
from registry.services.hosting import DidVersionConflictError
from registry.storage import log as log_store
from tests.support.actor import Actor
from tests.support.hosting import append, approval, file, move, next_entry, twin, witnessed
from tests.support.registry import World

FILES = ("did.jsonl", "did.json", "did-witness.json")
ELSEWHERE = "agents.example.com:alice"


def forks(actor: Actor, count: int) -> list[dict[str, Any]]:
    """Return entries that all want to be the actor's next."""
    return [next_entry(twin(actor), ttl_s=100 + number) for number in range(count)]


# ---------------------------------------------------------------- appending


def test_an_entry_follows_the_version_that_was_read(world: World) -> None:
    """The file's validator is the newest version; sent back in If-Match it makes the append a compare-and-swap."""
    alice = world.agent("alice")
    read = file(world, "did.jsonl").headers["etag"].strip('"')
    assert alice.state is not None
    assert read == alice.state.version_id
    answer = append(world, alice.did, alice.rotate(), after=read)
    assert (answer.status, answer.headers["cache-control"]) == (201, "no-store")
    assert answer.json["versionId"] == alice.state.version_id
    assert answer.headers["etag"] == file(world, "did.jsonl").headers["etag"] == f'"{alice.state.version_id}"'
    (accepted,) = answer.json["acceptance"]["credentialSubject"]["accepted"]
    assert accepted["index"] == world.size - 1


@pytest.mark.parametrize(("after", "status"), [(True, 412), (False, 409)])
def test_whoever_is_late_learns_the_newest_version(world: World, *, after: bool, status: int) -> None:
    """Of two entries that follow one version the second is refused: 412 if it said what it follows, else 409."""
    alice = world.agent("alice")
    assert alice.state is not None
    first = alice.state.version_id
    mine, late = forks(alice, 2)
    assert append(world, alice.did, mine, after=first).status == 201
    before = world.fingerprint()
    refused = append(world, alice.did, late, after=first if after else None)
    assert (refused.status, refused.code) == (status, "did_version_conflict")
    assert refused.json["current"] == mine["versionId"]
    assert world.fingerprint() == before
    assert world.refusals("did_version_conflict") == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("*", 201),
        ('"{0}"', 201),
        ('"1-other", "{0}"', 201),
        (' "1-other" ,\t"{0}" ', 201),
        ('W/"{0}"', 412),
        ('""', 412),
        ('"1-other"', 412),
        ("{0}", 400),
        ("", 400),
        ('"{0}', 400),
        ('*, "{0}"', 400),
        (",".join(['"x"'] * 17), 400),
    ],
)
def test_forms_of_if_match(world: World, sent: str, status: int) -> None:
    """Strong tags compare, weak ones never do, and what is no list of tags is not guessed at."""
    alice = world.agent("alice")
    assert alice.state is not None
    sent = sent.format(alice.state.version_id)
    answer = world.web.post(f"/v1/agents/{alice.did}/did-log", alice.rotate(), headers={"if-match": sent})
    assert answer.status == status, answer
    if status == 400:
        assert answer.code == "if_match_invalid"


def test_the_same_entry_again_is_no_conflict(world: World) -> None:
    """A retry after a lost answer gets the first answer's promise, whatever the condition says and however late."""
    alice = witnessed(world)
    assert alice.state is not None
    before, entry = alice.state.version_id, next_entry(alice)
    body = {"entry": entry, "witness": approval(entry, "w1", now_ms=world.clock.now_ms())}
    first = append(world, alice.did, body, after=before)
    assert [one["index"] for one in first.json["acceptance"]["credentialSubject"]["accepted"]] == [
        world.size - 2,
        world.size - 1,
    ]
    later = next_entry(alice)
    assert append(world, alice.did, {"entry": later, "witness": approval(later, "w1", now_ms=1)}).status == 201
    size = world.size
    again = append(world, alice.did, body, after=before)
    assert (first.status, again.status) == (201, 200)
    assert canonicalize(again.json["acceptance"]) == canonicalize(first.json["acceptance"])
    assert again.json["versionId"] == later["versionId"]
    assert world.size == size


def test_of_many_at_once_one_wins(world: World) -> None:
    """Eight entries that follow the same version, sent at once: one is taken, seven are told of it."""
    alice = world.agent("alice")
    assert alice.state is not None
    versions, now_ms = frozenset({alice.state.version_id}), world.clock.now_ms()

    def send(entry: dict[str, Any]) -> str:
        try:
            world.registry.hosting.append(alice.did, entry, versions=versions, now_ms=now_ms)
        except DidVersionConflictError as error:
            return str(error.params["current"])
        return ""

    entries = forks(alice, 8)
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(send, entries))
    assert told.count("") == 1
    assert set(told) - {""} == {entries[told.index("")]["versionId"]}
    assert file(world, "did.jsonl").body.count(b"\n") == 2


def _body(world: World, alice: Actor, bob: Actor) -> dict[str, tuple[Any, str]]:
    entry, now_ms = alice.rotate(), world.clock.now_ms()
    other = {**entry, "versionId": "2-" + alice.entries[0]["versionId"].removeprefix("1-")}
    return {
        "nothing": ({}, "kind_unknown"),
        "a vouch": (alice.vouch(bob.did), "did_log_malformed"),
        "no object": ({"entry": "x"}, "did_log_malformed"),
        "more members": ({"entry": entry, "more": 1}, "did_log_malformed"),
        "witness null": ({"entry": entry, "witness": None}, "did_log_malformed"),
        "witness of another": ({"entry": entry, "witness": approval(other, "w1", now_ms=now_ms)}, "did_log_malformed"),
        "an entry of bob's": (bob.rotate(), "did_log_malformed"),
        "no version": ({**entry, "versionId": "two"}, "webvh_version_id_malformed"),
        "a number": ({**entry, "versionId": 2}, "webvh_version_id_malformed"),
        "a gap": ({**entry, "versionId": entry["versionId"].replace("2-", "3-", 1)}, "webvh_version_number"),
        "another chain": (other, "webvh_entry_hash_mismatch"),
        "more in it": ({**entry, "more": 1}, "webvh_entry_members"),
        "no proof": ({**entry, "proof": []}, "proof_missing"),
        "proofs that nobody asked for": (
            {"entry": entry, "witness": approval(entry, "w1", now_ms=now_ms)},
            "did_witness_out_of_order",
        ),
    }


def test_what_is_no_next_entry_is_refused_by_its_reason(world: World) -> None:
    """Each malformed body has its own code, and none changes anything; the right one is taken afterwards."""
    alice, bob = world.agent("alice"), world.agent("bob")
    before = world.fingerprint()
    for name, (body, code) in _body(world, alice, bob).items():
        answer = append(world, alice.did, body)
        assert answer.code == code, (name, answer)
    assert world.fingerprint() == before
    assert append(world, alice.did, alice.entries[-1]).status == 201


def test_only_published_logs_go_on(world: World) -> None:
    """A did:key, a stranger and a log that was never registered have no log here."""
    key, mallory = world.agent("key", short_lived=True), world.hosted("mallory")
    for did in (key.did, mallory.did, "did:web:nobody.example"):
        answer = append(world, did, mallory.entries[0])
        assert (answer.status, answer.code) == (404, "did_not_published")


def test_no_log_grows_beyond_what_resolvers_take(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last entry that fits ends the DID or takes it elsewhere, at every door; so nobody is locked in."""
    monkeypatch.setattr(hosting, "WEBVH_LOG_ENTRIES", 3)
    alice, bob = world.agent("alice"), world.agent("bob")
    for actor in (alice, bob):
        assert append(world, actor.did, actor.rotate()).status == 201
        full = next_entry(twin(actor))
        assert (append(world, actor.did, full).status, append(world, actor.did, full).code) == (409, "did_log_full")
        assert world.submit(full).code == "did_log_full"
        assert world.batch([full]).json["results"][0]["problem"]["code"] == "did_log_full"
    assert append(world, bob.did, move(twin(bob), "registry.localhost%3A8000:agents:bobby")).code == "did_log_full"
    assert append(world, bob.did, move(bob, ELSEWHERE)).status == 201
    assert append(world, alice.did, alice.deactivate()).status == 201
    assert append(world, bob.did, next_entry(bob)).code == "did_log_full"


# ---------------------------------------------------------------- witnesses, moves, ends


def test_proofs_and_entry_are_published_together(world: World) -> None:
    """did:webvh wants proofs published before the log: both files change with one commit, which resolves."""
    alice = witnessed(world, "alice", "w1", "w2")
    for turn in (1, 2):
        entry = alice.rotate()
        assert append(world, alice.did, entry).code == "webvh_witness_missing"
        answer = append(
            world, alice.did, {"entry": entry, "witness": approval(entry, "w2", now_ms=world.clock.now_ms())}
        )
        assert answer.status == 201
        log, proofs = file(world, "did.jsonl").body, file(world, "did-witness.json").body
        result = resolve_log(alice.did, log, now_ms=world.clock.now_ms() + 60_000, witness=proofs)
        assert result.did_document_metadata["versionNumber"] == turn + 1
        assert result.did_document_metadata["witness"]["threshold"] == "1"


def test_a_commit_that_fails_publishes_neither(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database dies between the two leaves: neither file has moved, and the same bytes are taken afterwards."""
    alice = witnessed(world)
    files = [file(world, name).body for name in FILES]
    entry = alice.rotate()
    body = {"entry": entry, "witness": approval(entry, "w1", now_ms=world.clock.now_ms())}
    with monkeypatch.context() as broken:
        broken.setattr(log_store, "_grow_tiles", _fail)
        assert append(world, alice.did, body).code == "commit_failed"
    assert [file(world, name).body for name in FILES] == files
    assert append(world, alice.did, body).status == 201
    assert all(file(world, name).body != old for name, old in zip(FILES, files, strict=True))


def _fail(*_arguments: object) -> None:
    raise OSError("the disk is full")


@pytest.mark.parametrize("name_of", [lambda a: a.entries[0]["state"]["id"], lambda a: a.did], ids=["old", "new"])
def test_a_log_moved_within_this_host_is_served_at_both_places(world: World, name_of: Callable[[Actor], str]) -> None:
    """Either name takes entries; the log is at both paths, the did:web at the new one only."""
    alice = world.agent("alice")
    assert append(world, alice.did, move(alice, "registry.localhost%3A8000:agents:alicia")).status == 201
    assert append(world, name_of(alice), next_entry(alice)).status == 201
    old, new = file(world, "did.jsonl"), file(world, "did.jsonl", slug="alicia")
    assert old.body == new.body
    assert old.body.count(b"\n") == 3
    for did in (alice.did, alice.entries[0]["state"]["id"]):
        found = resolve_log(did, new.body, now_ms=world.clock.now_ms() + 60_000)
        assert found.did_document is not None
        assert found.did_document["id"] == alice.did
        assert world.web.get(f"/v1/agents/{did}").json["did"] == alice.entries[0]["state"]["id"]
    gone = file(world, "did.json")
    assert (gone.status, gone.code) == (410, "did_document_gone")
    assert file(world, "did.json", slug="alicia").json["id"].endswith(":agents:alicia")


def test_a_log_moved_elsewhere_goes_on_here(world: World) -> None:
    """The old place keeps serving the whole log, so that the old DID still resolves; no did:web remains."""
    alice = world.agent("alice")
    first = alice.did
    assert append(world, first, move(alice, ELSEWHERE)).status == 201
    assert append(world, first, next_entry(alice)).status == 201
    served = file(world, "did.jsonl").body
    assert resolve_log(first, served, now_ms=world.clock.now_ms() + 60_000).error is None
    assert file(world, "did.json").status == 410
    assert append(world, first, move(alice, "registry.localhost%3A8000:agents:alice")).status == 201
    assert file(world, "did.json").status == 200


def test_a_path_that_another_log_holds_is_not_taken(world: World) -> None:
    """Moving onto a neighbour, or onto the registry itself, is refused."""
    alice, bob = world.agent("alice"), world.agent("bob")
    host = "registry.localhost%3A8000"
    for place, code in ((f"{host}:agents:bob", "did_path_taken"), (host, "did_not_hosted_here")):
        assert append(world, alice.did, move(twin(alice), place)).code == code
    assert file(world, "did.jsonl", slug="bob").body == canonicalize(bob.entries[0]) + b"\n"


def test_a_deactivated_log_is_served_and_closed(world: World) -> None:
    """Its log tells that it ended; the did:web is gone, and nothing follows."""
    alice = world.agent("alice")
    revived = next_entry(twin(alice))
    assert append(world, alice.did, alice.deactivate()).status == 201
    result = resolve_log(alice.did, file(world, "did.jsonl").body, now_ms=world.clock.now_ms() + 60_000)
    assert (result.did_document, result.did_document_metadata["deactivated"]) == (None, True)
    assert file(world, "did.json").status == 410
    forged = {**revived, "versionId": revived["versionId"].replace("2-", "3-", 1)}
    assert append(world, alice.did, forged).code == "webvh_deactivated"
    assert append(world, alice.did, revived).code == "did_version_conflict"


def test_the_log_page_names_the_witness(world: World) -> None:
    """Agents find in /log.json which did:key to put into their witness rule."""
    assert world.web.get("/log.json").json["didWitness"] == world.registry.did_witness.did
