"""Waiting for what a registry publishes in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.registry import World


def wait_for(condition: Callable[[], bool], *, seconds: float = 8.0) -> None:
    """Wait until something holds, or fail."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it does not come"
        time.sleep(0.02)


def published(world: World) -> int:
    """Return the size of the checkpoint that readers get; 0 for none."""
    answer = world.web.get("/checkpoint")
    return 0 if answer.status == 503 else int(answer.body.split(b"\n")[1])
