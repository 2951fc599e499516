"""Erasures where several registries share one PostgreSQL and one folder of keys: ordered at one, done for all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from did_methods.data_integrity import event_id
from tests.services.test_erasure import Told, erase, openings, request, tell
from tests.services.test_replicas import Two, check, clock, same, two
from tests.support.publication import wait_for
from tests.support.registry import World

__all__ = ["clock", "two"]


def _rows(world: World) -> int:
    return world.registry.erasure_room.erasure._store.count()


def test_ordered_at_one_it_is_done_for_all(two: Two) -> None:
    """What one sealed the other opens, until one of them erases it; then neither does, and neither takes it again."""
    one, other = two
    alice, bob = one.agent("alice"), one.agent("bob", short_lived=True)
    told, kept = tell(one, alice, bob), tell(one, alice, one.agent("carol"), value="kept")
    wait_for(same(one, other))
    assert openings(other, told) == [told.opening.text]
    assert erase(other, {"event": told.event})["erasure"]["openings"] == 1
    for world in two:
        assert openings(world, told) == []
        assert world.submit(told.body).code == "openings_erased"
        assert openings(world, kept) == [kept.opening.text]
    assert _rows(one) == 1
    assert one.web.post("/v1/erasures", request(alice)).status == 201
    assert openings(other, kept) == []
    wait_for(same(one, other))
    assert _rows(other) == 0
    check(one)


def test_who_dies_on_the_way_leaves_it_to_the_others(two: Two) -> None:
    """One has logged the order and does nothing more: the other reads it in the log and carries it out by itself."""
    one, other = two
    alice, bob = one.agent("alice"), one.agent("bob", short_lived=True)
    told: Told = tell(one, alice, bob)
    service = one.registry.erasure_room.erasure
    service.carry_out = service.carry_out_if_due = lambda **_more: None  # type: ignore[method-assign]
    other.registry.erasure_room.erasure._seen = 0
    erase(one, {"did": bob.did})
    keys = other.registry.erasure_room.erasure._keys
    parties = tuple(sorted((alice.did, bob.did)))
    wait_for(lambda: keys.find(parties, event_id(told.document)) is None and _rows(other) == 0)
    assert openings(one, told) == openings(other, told) == []


def test_ordered_at_both_at_once_it_is_logged_once(two: Two) -> None:
    """Whoever is second is answered with the first, wherever it was made."""
    one, other = two
    alice, bob = one.agent("alice"), one.agent("bob", short_lived=True)
    tell(one, alice, bob)
    wait_for(same(one, other))
    with ThreadPoolExecutor(4) as pool:
        orders = [world.registry.erasure_room.erasure.erase_agent for world in (one, other, one, other)]
        answers = [future.result() for future in [pool.submit(order, bob.did) for order in orders]]
    assert len({(one.accepted.index, one.openings) for one in answers}) == 1
    wait_for(same(one, other))
    assert sum(entry.kind == "erasure" for entry in one.registry.store.entries(0, one.size)) == 1
