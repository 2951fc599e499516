"""Nothing is seen before it is durable, and nothing that was acknowledged is ever lost: commits that fail, and writers that stop."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from registry.services.submission import SequencerStoppedError, Submission
from registry.storage.engine import open_database
from registry.storage.log import HeadMovedError, LogStore
from tests.support.actor import Actor
from tests.support.registry import World, nothing_signed, open_world


@pytest.fixture
def pair(world: World) -> tuple[Actor, Actor]:
    """Two registered agents."""
    return world.agent("alice"), world.agent("bob", short_lived=True)


def _failing(monkeypatch: pytest.MonkeyPatch, *, after: bool, times: int = 1) -> None:
    """Let the next commits fail, before or after the database has them."""
    original, left = LogStore.append, [times]

    def append(self: LogStore, *arguments: Any, **named: Any) -> None:
        if left[0] == 0:
            original(self, *arguments, **named)
            return
        left[0] -= 1
        if after:
            original(self, *arguments, **named)
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    monkeypatch.setattr(LogStore, "append", append)


def test_a_commit_that_fails_changes_nothing(
    world: World, pair: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller gets an error, no reader sees anything of the batch, and the next attempt goes through."""
    alice, bob = pair
    vouch = alice.vouch(bob.did)
    before, decided = world.fingerprint(), world.decide(alice.request("read"))["context"]["log"]
    _failing(monkeypatch, after=False)
    refused = world.submit(vouch)
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "commit_failed", "1")
    assert world.fingerprint() == before
    assert world.decide(alice.request("read"))["context"]["log"] == decided
    assert world.registry.store.head()[0] == before[0]
    accepted = world.submit(vouch)
    assert accepted.status == 201
    assert accepted.json["acceptance"]["credentialSubject"]["accepted"][0]["index"] == before[0]
    assert world.web.get("/readyz").status == 200


def test_a_quarantine_that_was_not_committed_does_not_bite(
    world: World, pair: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decision follows from committed entries only: a failed quarantine denies nobody, the repeated one does."""
    alice, _ = pair
    _failing(monkeypatch, after=False)
    assert world.quarantine(alice).code == "commit_failed"
    assert world.reason(alice.request("read")) == "trust_ok"
    assert world.quarantine(alice).status == 201
    assert world.reason(alice.request("read")) == "agent_quarantined"


def test_a_commit_whose_answer_was_lost(
    world: World, pair: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the database has the batch but its answer did not come, the batch counts and is acknowledged."""
    alice, bob = pair
    before = world.size
    _failing(monkeypatch, after=True)
    assert world.submit(alice.vouch(bob.did)).status == 201
    assert world.size == before + 1
    assert world.registry.store.head() == (world.size, world.registry.sequencer.tree.root())
    assert world.submit(bob.vouch(alice.did)).status == 201


def test_readers_wait_for_the_disk(world: World, pair: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch) -> None:
    """While a batch is on its way to the disk, decisions go on and do not see it; once it is there, they do."""
    alice, _ = pair
    reached, go_on = threading.Event(), threading.Event()
    original = LogStore.append

    def append(self: LogStore, *arguments: Any, **named: Any) -> None:
        reached.set()
        assert go_on.wait(10)
        original(self, *arguments, **named)

    monkeypatch.setattr(LogStore, "append", append)
    submission = world.registry.authority.quarantine(
        alice.did, reason="testing", release=False, now_ms=world.clock.now_ms()
    )
    future = world.registry.sequencer.submit(submission)
    assert reached.wait(10)
    size = world.size
    assert world.reason(alice.request("read")) == "trust_ok"
    assert world.web.get(f"/v1/agents/{alice.did}/state").json == {
        "did": alice.did, "state": "active", "authorityEpoch": 1, "treeSize": size,
    }  # fmt: skip
    go_on.set()
    future.result(10)
    assert world.reason(alice.request("read")) == "agent_quarantined"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_foreign_writer_stops_this_one(
    world: World, pair: tuple[Actor, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the log's head is not where we left it, this process never writes again; it still answers readers."""
    alice, bob = pair

    def append(*_arguments: Any, **_named: Any) -> None:
        monkeypatch.setattr(LogStore, "head", lambda _self: (99, b"x" * 32))
        raise HeadMovedError

    monkeypatch.setattr(LogStore, "append", append)
    before = world.fingerprint()
    with nothing_signed(world.registry):  # the signer would meet the foreign head, too
        assert world.submit(alice.vouch(bob.did)).code == "log_head_moved"
        world.registry.sequencer._thread.join(10)  # type: ignore[union-attr]
        monkeypatch.undo()
    refused = world.submit(alice.vouch(bob.did))
    assert (refused.status, refused.code) == (503, "log_not_writable")
    assert world.web.get("/readyz").code == "log_not_writable"
    assert world.fingerprint() == before
    assert world.reason(alice.request("read")) == "trust_ok"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nothing_is_signed_once_the_writer_has_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that is not the one that was left is no head to sign, neither then nor at the stop."""

    def append(*_arguments: Any, **_named: Any) -> None:
        monkeypatch.setattr(LogStore, "head", lambda _self: (99, b"x" * 32))
        raise HeadMovedError

    with open_world(tmp_path, on_disk=True) as world:
        registry, alice = world.registry, world.agent("alice")
        with nothing_signed(registry):
            assert world.submit(world.operator.vouch(alice.did)).status == 201
            monkeypatch.setattr(LogStore, "append", append)
            assert world.submit(alice.passport()).code == "log_head_moved"
            registry.sequencer._thread.join(10)  # type: ignore[union-attr]
            monkeypatch.undo()
        signed = registry.log.signed_head.size
        assert signed < world.size
        assert registry.signing is not None
        registry.signing._action()
        assert registry.log.signed_head.size == signed
    database = open_database(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    newest = LogStore(database).newest_signed()
    database.close()
    assert newest is not None
    assert newest[0] == signed


def test_nobody_waits_for_a_writer_that_stopped(world: World, pair: tuple[Actor, Actor]) -> None:
    """Whatever is handed in while the writer stops is answered, either way."""
    sequencer = world.registry.sequencer
    sequencer.stop()
    with pytest.raises(SequencerStoppedError):
        sequencer.submit(Submission(()))
    assert world.submit(pair[0].vouch(pair[1].did)).code == "log_not_writable"


def test_a_submission_stands_or_falls_as_one(world: World) -> None:
    """A registration whose presentation is refused leaves no DID log behind, and others of the same commit stay."""
    alice = world.hosted("alice")
    body = alice.registration(world.challenge())
    body["presentation"]["id"] = "urn:uuid:00000000-0000-4000-8000-000000000000"
    before = world.fingerprint()
    assert world.web.post("/v1/agents", body).code == "proof_invalid"
    assert world.fingerprint() == before
    assert world.web.get("/agents/alice/did.jsonl").code == "did_not_published"
    assert world.register(alice).status == 201
