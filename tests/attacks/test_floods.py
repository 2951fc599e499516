"""Floods: registrations, challenges and leaves are held per source, per DID and for all; a restart gives nobody more."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.limits import (
    CHALLENGE_LIFETIME_MS,
    DAILY_LEAVES_WITHOUT_VOICE,
    OUTSTANDING_CHALLENGES,
    OUTSTANDING_CHALLENGES_PER_SOURCE,
    REGISTRATIONS_PER_MINUTE,
    REGISTRATIONS_PER_SOURCE_HOUR,
)
from registry.services.admission import RegistrationRateError, RegistrationRates
from registry.services.challenge import Challenges, ChallengesExhaustedError, ChallengeUnknownError
from tests.support.actor import Actor
from tests.support.registry import DAY_MS, START_MS, ManualClock, World, open_world

HOUR_MS, MINUTE_MS = 3_600_000, 60_000


def _client(number: int) -> tuple[str, int]:
    return (f"192.0.2.{number}", 40_000)


def test_one_source_registers_only_so_many(world: World) -> None:
    """After its share of an hour a source waits; other sources do not, and an hour later it may go on."""
    for number in range(REGISTRATIONS_PER_SOURCE_HOUR):
        assert world.register(world.short_lived(f"a-{number}"), client=_client(1)).status == 201
    refused = world.register(world.short_lived("one-more"), client=_client(1))
    assert (refused.status, refused.code) == (429, "registration_rate_exceeded")
    assert refused.headers["retry-after"] == "3600"
    assert world.register(world.short_lived("elsewhere"), client=_client(2)).status == 201
    world.clock.advance(HOUR_MS + 1)
    assert world.register(world.short_lived("later"), client=_client(1)).status == 201


def test_a_network_of_addresses_is_one_source(world: World) -> None:
    """Whoever has an IPv6 network has one share, not one for each of its addresses; mapped IPv4 counts as IPv4."""
    for number in range(REGISTRATIONS_PER_SOURCE_HOUR):
        answer = world.register(world.short_lived(f"a-{number}"), client=(f"2001:db8::{number:x}", 1))
        assert answer.status == 201
    answer = world.register(world.short_lived("more"), client=("2001:db8::ffff:1", 1))
    assert answer.code == "registration_rate_exceeded"
    assert world.register(world.short_lived("other"), client=("2001:db8:1::1", 1)).status == 201
    assert world.register(world.short_lived("mapped-1"), client=("::ffff:192.0.2.1", 1)).status == 201
    assert world.register(world.short_lived("mapped-2"), client=("::ffff:192.0.2.2", 1)).status == 201


def test_all_sources_together_have_a_share() -> None:
    """Many sources together cannot register more than the global share of a minute."""
    rates = RegistrationRates()
    for number in range(REGISTRATIONS_PER_MINUTE):
        rates.take(f"source-{number}", now_ms=START_MS)
    with pytest.raises(RegistrationRateError) as caught:
        rates.take("source-new", now_ms=START_MS)
    assert caught.value.params["retry_after_s"] == 60
    rates.take("source-new", now_ms=START_MS + MINUTE_MS + 1)


def test_whoever_has_no_challenge_costs_others_nothing(world: World) -> None:
    """Attempts with made-up challenges are refused without being counted against the global share."""
    for number in range(REGISTRATIONS_PER_SOURCE_HOUR + 5):
        body = world.short_lived(f"a-{number}").registration("made-up-challenge")
        assert world.web.post("/v1/agents", body, client=_client(1)).code == "challenge_unknown"
    assert world.register(world.short_lived("honest"), client=_client(1)).status == 201


def test_one_source_holds_only_so_many_challenges(world: World) -> None:
    """A source that hoards challenges is refused while others still get theirs; used and expired ones free its share."""
    for _ in range(OUTSTANDING_CHALLENGES_PER_SOURCE):
        assert world.web.post("/v1/challenges", client=_client(1)).status == 200
    refused = world.web.post("/v1/challenges", client=_client(1))
    assert (refused.status, refused.code) == (429, "challenges_exhausted")
    assert int(refused.headers["retry-after"]) <= CHALLENGE_LIFETIME_MS // 1_000
    assert world.web.post("/v1/challenges", client=_client(2)).status == 200
    world.clock.advance(CHALLENGE_LIFETIME_MS)
    assert world.web.post("/v1/challenges", client=_client(1)).status == 200


def test_challenges_are_bounded_and_used_once() -> None:
    """All together are bounded, each is taken once, and none outlives its time."""
    challenges = Challenges()
    issued = [challenges.issue(now_ms=START_MS)[0] for _ in range(OUTSTANDING_CHALLENGES)]
    assert len(set(issued)) == OUTSTANDING_CHALLENGES
    with pytest.raises(ChallengesExhaustedError):
        challenges.issue(now_ms=START_MS, source="new")
    challenges.take(issued[0], now_ms=START_MS)
    with pytest.raises(ChallengeUnknownError):
        challenges.take(issued[0], now_ms=START_MS)
    challenges.issue(now_ms=START_MS, source="new")
    with pytest.raises(ChallengeUnknownError):
        challenges.take(issued[1], now_ms=START_MS + CHALLENGE_LIFETIME_MS)


def _fill(world: World, alice: Actor, bob: Actor, count: int, *, begin: int = 0) -> list[int]:
    return [world.submit(alice.vouch(bob.did)).status for _ in range(begin, begin + count)]


def test_an_agent_without_a_voice_writes_little(tmp_path: Path) -> None:
    """A DID that nobody vouched for has a small daily budget; a restart does not renew it, the next day does."""
    clock = ManualClock()
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        alice, bob = world.agent("alice", short_lived=True), world.agent("bob", short_lived=True)
        left = DAILY_LEAVES_WITHOUT_VOICE - 1  # its registration was the first
        assert set(_fill(world, alice, bob, left)) == {201}
        refused = world.submit(alice.vouch(bob.did))
        assert (refused.status, refused.code) == (429, "leaf_budget_exhausted")
        assert 0 < int(refused.headers["retry-after"]) <= DAY_MS // 1_000
        size = world.size
    with open_world(tmp_path, clock=clock, on_disk=True) as world:
        assert world.size == size
        assert world.submit(alice.vouch(bob.did)).code == "leaf_budget_exhausted"
        assert world.submit(bob.vouch(alice.did)).status == 201  # the budget is each DID's own
        clock.advance(DAY_MS)
        assert world.submit(alice.vouch(bob.did)).status == 201


def test_one_batch_holds_no_more_than_the_budget(world: World) -> None:
    """Statements of one batch count as they are placed, so a batch cannot pass what single events could not."""
    alice, bob = world.agent("alice", short_lived=True), world.agent("bob", short_lived=True)
    results = world.batch([alice.vouch(bob.did) for _ in range(DAILY_LEAVES_WITHOUT_VOICE + 5)]).json["results"]
    taken = [one for one in results if "index" in one]
    assert len(taken) == DAILY_LEAVES_WITHOUT_VOICE - 1
    assert {one["problem"]["code"] for one in results if "problem" in one} == {"leaf_budget_exhausted"}


def test_a_voice_is_worth_a_larger_budget(world: World) -> None:
    """Once somebody with a voice has vouched for it, an agent may write more."""
    alice, bob = world.agent("alice", short_lived=True), world.agent("bob", short_lived=True)
    world.submit(world.operator.vouch(alice.did))
    world.epoch()
    results = world.batch([alice.vouch(bob.did) for _ in range(DAILY_LEAVES_WITHOUT_VOICE + 5)]).json["results"]
    assert all("index" in one for one in results)


def test_rotations_have_as_small_a_budget(world: World) -> None:
    """Entries of a DID log are counted apart, and bounded like statements: nobody fills the log by rotating keys."""
    alice = world.agent("alice")  # its first entry counts
    statuses = []
    for _ in range(DAILY_LEAVES_WITHOUT_VOICE):
        world.clock.advance(1_000)
        statuses.append(world.submit(alice.rotate()).status)
    assert statuses.count(201) == DAILY_LEAVES_WITHOUT_VOICE - 1
    assert statuses[-1] == 429


def test_no_identity_enters_the_log_beside_registration(world: World) -> None:
    """The first entry of a DID is taken with its registration only, where floods are held; other doors refuse it."""
    alice, mallory = world.agent("alice"), world.hosted("mallory")
    before = world.fingerprint()
    first = mallory.entries[0]
    assert world.submit(first).code == "did_not_published"
    assert world.submit({"event": first, "openings": []}).code == "did_not_published"
    assert world.web.post(f"/v1/agents/{mallory.did}/did-log", first).code == "did_not_published"
    (result,) = world.batch([first]).json["results"]
    assert result["problem"]["code"] == "did_not_published"
    presentation = mallory.presentation(world.challenge())
    for document in (presentation, alice.presentation(world.challenge())):
        assert world.submit(document).code == "kind_unknown"
        (result,) = world.batch([document]).json["results"]
        assert result["problem"]["code"] == "kind_unknown"
    assert world.fingerprint() == before
