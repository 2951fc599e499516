"""What an event loop may queue by itself, and what it leaves to a thread because something has to be waited for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from did_methods.errors import BonafidesError
from registry.services import event
from registry.services.submission import Accepted
from tests.support.registry import World, open_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a running registry."""
    with open_world(tmp_path_factory.mktemp("hand-in")) as opened:
        yield opened


def test_a_plain_credential_is_queued_and_becomes_durable(world: World) -> None:
    """The future gives its one outcome, which the door of single events answers with, too."""
    alice, bob = world.agent("alice"), world.agent("bob")
    document = alice.vouch(bob.did)
    queued = world.registry.events.hand_in(document)
    assert queued is not None
    (outcome,) = queued.result(timeout=10)
    assert isinstance(outcome, Accepted)
    assert outcome.index == world.index_of(document)
    again = world.submit(document)
    assert (again.status, again.json["acceptance"]["credentialSubject"]["accepted"][0]["index"]) == (200, outcome.index)


def test_whoever_gives_up_waiting_withdraws_nothing(world: World) -> None:
    """A request that is cancelled cancels what it awaits; a future that took that would stop the writer for everybody."""
    frank, grace = world.agent("frank"), world.agent("grace")
    queued = world.registry.events.hand_in(frank.vouch(grace.did))
    assert queued is not None
    assert not queued.cancel()
    assert len(queued.result(timeout=10)) == 1
    assert world.submit(grace.vouch(frank.did)).status == 201


def left_to_a_thread(world: World) -> dict[str, dict[str, Any]]:
    """Return bodies for which something is read, asked or written before they are queued."""
    carol, dave = world.agent("carol"), world.agent("dave")
    known = carol.vouch(dave.did)
    assert world.submit(known).status == 201
    forged = carol.report(dave.did)
    return {
        "in the log already": known,
        "with openings": {"event": carol.vouch(dave.did, context="coding"), "openings": []},
        "of a signer that nobody knows": world.hosted("nobody").vouch(dave.did),
        "under a key that may be new": {
            **forged,
            "proof": {**forged["proof"], "proofValue": known["proof"]["proofValue"]},
        },
        "a registration": world.short_lived("erin").presentation(world.challenge()),
    }


def test_nothing_is_taken_where_something_has_to_be_waited_for(world: World) -> None:
    """The log stays as it is, and so does the queue."""
    bodies = left_to_a_thread(world)
    before = world.fingerprint()
    for why, body in bodies.items():
        assert world.registry.events.hand_in(body) is None, why
    assert world.fingerprint() == before
    assert world.registry.sequencer.waiting == 0


def test_what_is_malformed_is_refused_at_once(world: World) -> None:
    """With the code that the door gives."""
    with pytest.raises(BonafidesError) as refused:
        world.registry.events.hand_in({"type": ["VerifiableCredential", "nothing"]})
    assert refused.value.code == world.submit({"type": ["VerifiableCredential", "nothing"]}).code


LONG = [1.5] * 3_000
COSTLY: dict[str, dict[str, Any]] = {
    "an entry of a DID's log": {
        "versionId": "1-Qm", "versionTime": "2026-01-01T00:00:00Z", "parameters": {}, "proof": [],
        "state": {"id": "did:webvh:Qm:example.com"}, "type": ["VerifiableCredential"], "more": LONG,
    },
    "witness proofs": {"versionId": "1-Qm", "proof": [{"verificationMethod": "did:key:z6Mk#z6Mk", "more": LONG}]},
    "a presentation": {"type": ["VerifiablePresentation", "VerifiableCredential"], "more": LONG},
    "nothing known": {"type": "VerifiableCredential", "more": LONG},
}  # fmt: skip


@pytest.mark.parametrize("what", COSTLY)
def test_an_event_loop_parses_nothing_but_credentials(world: World, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen kilobytes of fractions took it 13 ms, and it took them from everybody: seventy such requests were a second."""

    def never(_body: object) -> None:
        raise AssertionError

    monkeypatch.setattr(event, "parse_statement", never)
    assert world.registry.events.hand_in(COSTLY[what]) is None
