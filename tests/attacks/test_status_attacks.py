"""Attacks on statuses in decisions: capabilities that were taken back, and lists that say what their makers may not say."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from did_methods.canonical import canonicalize
from did_methods.data_integrity import sign_document
from did_methods.key import key_signer
from did_methods.method import FetchFailedError
from did_methods.timestamp import format_timestamp
from registry import limits
from registry.adapters.fetch_errors import FetchTimeoutError
from registry.credentials.issue import issue_credential
from registry.services.status_signing import JcsListSigner
from tests.support.actor import Actor, seeded
from tests.support.registry import DAY_MS, OPERATOR, PUBLIC_URL, World, open_world
from tests.support.resolution import Files
from tests.support.status import LIST_URL, did_of, entry, list_document, pack

HOUR_MS = 3_600_000
GOOD, REVOKED = "17", "18"
Sign = Callable[[dict[str, Any]], dict[str, Any]]


def trusted_agent(world: World) -> Actor:
    """Make an agent with two months of standing and a passport: good for `delete` with a capability."""
    alice = world.agent("alice")
    assert world.submit(world.operator.vouch(alice.did)).status == 201
    world.clock.advance(DAY_MS)
    for _ in range(10):
        world.clock.advance(8 * DAY_MS)
        assert world.submit(world.operator.vouch(alice.did)).status == 201
        assert world.epoch().status == 201
    assert world.submit(alice.passport()).status == 201
    return alice


@dataclass(slots=True)
class Scene:
    """An agent that deletes documents on the operator's word, and other hosts as a dictionary of files."""

    world: World
    agent: Actor
    files: Files

    def capability(self, *entries: dict[str, Any]) -> dict[str, Any]:
        """Sign a capability of the operator's agent with these statuses."""
        now_ms = self.world.clock.now_ms()
        return issue_credential(
            "capability",
            signer=self.world.operator.signer,
            subject={"id": self.agent.did, "actions": ["delete"]},
            uuid=str(uuid4()),
            now_ms=now_ms,
            valid_until_ms=now_ms + 24 * HOUR_MS,
            status_entries=entries,
        )

    def reason(self, capability: dict[str, Any]) -> str:
        """Ask whether the agent may delete with it."""
        return self.world.reason(self.agent.request("delete", capabilities=(capability,)))

    def settled(self, capability: dict[str, Any]) -> str:
        """Ask, wait for what is fetched behind the decision's back, and ask again."""
        self.reason(capability)
        waiting, end = self.world.registry.statuses._elsewhere._waiting, time.monotonic() + 10
        while waiting and time.monotonic() < end:
            time.sleep(0.001)
        return self.reason(capability)

    def allocate(self, *purposes: str) -> list[dict[str, Any]]:
        """Ask the registry for entries, as its operator."""
        body = {"purposes": purposes or ["revocation"], "credentialId": "urn:uuid:1"}
        found: list[dict[str, Any]] = self.world.web.post("/v1/status-entries", body, headers=OPERATOR).json[
            "credentialStatus"
        ]
        return found

    def set(self, purpose: str, value: bool) -> None:
        """Set a status, as the operator."""
        body = {
            "credentialId": "urn:uuid:1",
            "credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": purpose},
            "status": value,
        }
        assert self.world.web.post("/credentials/status", body, headers=OPERATOR).status == 200

    def publish(self, *, signer: Any = None, **more: Any) -> None:
        """Put up the operator's list elsewhere, in which one place is revoked."""
        operator = self.world.operator
        usual = {
            "bits": pack({int(REVOKED): 1}),
            "validFrom": format_timestamp(self.world.clock.now_ms() - 1_000),
        }
        document = list_document(more.pop("list_issuer", operator.did), **(usual | more))
        signed = sign_document(document, signer=signer or operator.signer, created=self.world.clock.now_ms())
        self.files.files[LIST_URL] = canonicalize(signed)


def make_scene(world: World) -> Scene:
    """Play the scene in a registry."""
    files = Files()
    statuses = world.registry.statuses
    statuses.add_signer(world.operator.did, JcsListSigner(world.operator.signer))
    statuses._elsewhere._fetcher = files
    return Scene(world, trusted_agent(world), files)


@pytest.fixture
def scene(world: World) -> Scene:
    """The scene, in a fresh registry."""
    return make_scene(world)


# ---------------------------------------------------------------- our own lists


def test_a_revocation_is_in_the_very_next_decision(scene: Scene) -> None:
    """In the same millisecond, whether the capability was seen before or not; one beside it is as good as before."""
    kept, taken = scene.capability(), scene.capability(*scene.allocate("revocation", "suspension"))
    assert (scene.reason(kept), scene.reason(taken)) == ("trust_ok", "trust_ok")
    scene.set("revocation", value=True)
    assert (scene.reason(kept), scene.reason(taken)) == ("trust_ok", "capability_expired")
    never_seen = taken | {}
    assert scene.reason(never_seen) == "capability_expired"
    assert scene.files.asked == []


def test_a_suspension_holds_until_it_is_ended(scene: Scene) -> None:
    """There and back, each in the very next decision, presented inside of a presentation too."""
    capability = scene.capability(*scene.allocate("suspension"))
    for value, reason in ((False, "trust_ok"), (True, "capability_expired"), (False, "trust_ok")):
        scene.set("suspension", value=value)
        assert scene.reason(capability) == reason
        challenge = scene.world.challenge()
        vp = scene.agent.presentation(challenge, credentials=[capability])
        request = scene.agent.request("delete", prove=False) | {"context": {"presentation": {"vp": vp}}}
        assert scene.world.reason(request) == reason


def test_a_revoked_capability_does_not_hide_behind_a_good_one(scene: Scene) -> None:
    """Of several the best counts: a good one still serves, and without it the revoked one does not."""
    revoked, good = scene.capability(*scene.allocate()), scene.capability()
    scene.set("revocation", value=True)
    both = scene.agent.request("delete", capabilities=(revoked, good))
    assert scene.world.reason(both) == "trust_ok"
    assert scene.reason(revoked) == "capability_expired"


def test_a_place_that_is_not_here_is_unread(scene: Scene) -> None:
    """A list that this registry never made, and a place past the end of one that it did, count as taken back."""
    (mine,) = scene.allocate()
    for wrong in (
        {"statusListCredential": f"{PUBLIC_URL}/status-lists/{'0' * 32}"},
        {"statusListIndex": "131072"},
        {"statusPurpose": "suspension"},
    ):
        assert scene.reason(scene.capability(mine | wrong)) == "capability_expired"
    assert scene.files.asked == []


def test_a_restart_forgets_no_revocation(tmp_path: Path) -> None:
    """A capability that was revoked is refused by the registry that comes back."""
    with open_world(tmp_path, on_disk=True) as world:
        scene = make_scene(world)
        capability = scene.capability(*scene.allocate())
        scene.set("revocation", value=True)
        agent, clock = scene.agent, world.clock
    with open_world(tmp_path, on_disk=True, clock=clock) as world:
        assert Scene(world, agent, Files()).reason(capability) == "capability_expired"


# ---------------------------------------------------------------- lists elsewhere


def test_a_list_elsewhere_counts_once_it_is_here(scene: Scene) -> None:
    """Unread is not counted; fetched behind the decision's back it is; then a stale copy is not, and a revocation bites."""
    good, revoked = scene.capability(entry(statusListIndex=GOOD)), scene.capability(entry(statusListIndex=REVOKED))
    scene.publish(subject={"ttl": 60_000})
    assert scene.reason(good) == "capability_expired"
    assert scene.settled(good) == "trust_ok"
    assert scene.reason(revoked) == "capability_expired"
    assert scene.files.asked == [LIST_URL]
    scene.world.clock.advance(60_000)
    scene.publish(bits=pack({int(GOOD): 1}))
    assert scene.reason(good) == "capability_expired"  # stale
    assert scene.settled(good) == "capability_expired"  # revoked meanwhile


@pytest.mark.parametrize("gone", [None, FetchTimeoutError()])
def test_a_host_that_is_down_gives_nothing_back(scene: Scene, gone: FetchFailedError | None) -> None:
    """When the list cannot be had any more, what was good is not counted; nobody revives a stale copy."""
    good = scene.capability(entry(statusListIndex=GOOD))
    scene.publish()
    assert scene.settled(good) == "trust_ok"
    scene.files.files[LIST_URL] = gone
    scene.world.clock.advance(limits.STATUS_TTL_MS)
    assert scene.settled(good) == "capability_expired"


def test_a_list_of_somebody_else_frees_nobody(scene: Scene) -> None:
    """A list with every status clear, signed by whoever holds the host, or in the issuer's name by another key."""
    revoked = scene.capability(entry(statusListIndex=REVOKED))
    mallory = key_signer(seeded("mallory"))
    for issuer in (did_of(mallory), scene.world.operator.did):
        scene.publish(signer=mallory, list_issuer=issuer, bits=bytes(16_384))
        assert scene.settled(revoked) == "capability_expired"
        scene.world.clock.advance(limits.STATUS_TTL_MS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": {"statusPurpose": "suspension"}},
        {"type": ["VerifiableCredential"]},
        {"subject": {"type": "StatusList2021"}},
        {"id": LIST_URL + "1"},
        {"validUntil": "2026-11-20T09:00:00Z"},
        {"validFrom": "2036-11-20T09:00:00Z"},
        {"bits": bytes(16_383)},
        {"bits": bytes(limits.STATUS_LIST_BYTES + 1)},
        {"subject": {"encodedList": "uH4sIAAAA"}},
    ],
)
def test_a_list_that_is_not_this_list_counts_as_none(scene: Scene, wrong: dict[str, Any]) -> None:
    """Another purpose, type, id or time, too short, a bomb, or no list at all: the capability is not counted."""
    scene.publish(**wrong)
    assert scene.settled(scene.capability(entry(statusListIndex=GOOD))) == "capability_expired"


@pytest.mark.parametrize("index", ["-1", "1e3", "\u0663", "017", str(2**63)])
def test_an_index_in_another_spelling_is_no_status(scene: Scene, index: str) -> None:
    """A signed capability with such an entry is none of the pinned form: it is as if it had not been sent."""
    scene.publish()
    sound = scene.capability(entry(statusListIndex=GOOD))
    unsigned = {name: value for name, value in sound.items() if name != "proof"}
    unsigned["credentialStatus"] = entry(statusListIndex=index)
    forged = sign_document(unsigned, signer=scene.world.operator.signer, created=scene.world.clock.now_ms())
    assert scene.settled(sound) == "trust_ok"
    assert scene.reason(forged) in {"capability_required", "capability_expired"}
