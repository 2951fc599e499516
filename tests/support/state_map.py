"""The state map of a test registry, brought up to its log."""

from __future__ import annotations

import time
from typing import Any

from tests.support.asgi import Answer
from tests.support.registry import World


def publish_state(world: World) -> None:
    """Sign and publish the log as it is, and the state map over it."""
    world.registry.log.sign_if_grown()
    world.registry.witnessing.publisher.run_once()
    room = world.registry.state_map
    for _ in range(100):  # the registry's own threads may be at an entry before
        room.advance()
        room.publisher.run_once()
        if room.keeper.covers == world.size or room.failed is not None:
            break
        time.sleep(0.02)
    assert room.failed is None, room.failed
    assert room.keeper.covers == world.registry.log.published_head.size == world.size
    assert room.log.published_head.size == room.keeper.tree.size


def state_answer(world: World, did: str) -> dict[str, Any]:
    """Return what the map says of a DID, as it comes over HTTP."""
    answer: Answer = world.web.get(f"/v1/agents/{did}/state?format=proof")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json
    return found
