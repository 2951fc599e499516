"""A registry that goes on while it is audited: answers about a longer log are held against exactly that log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.audit.report import AuditReport
from registry.client.log_reader import LogReader
from registry.client.transport import Transport
from registry.services.audit import AuditPlan, RegistryAudit
from tests.support.registry import World, nothing_signed, open_world, serve


class BusyReader(LogReader):
    """A reader during whose requests something happens in the registry, each once."""

    def __init__(self, transport: Transport, **events: Callable[[], None]) -> None:
        super().__init__(transport)
        self._events = events
        self._mutex = threading.Lock()

    def _happen(self, name: str) -> None:
        with self._mutex:
            event = self._events.pop(name, None)
            if event is not None:
                event()

    def agents(self, *, expected: int) -> Iterator[dict[str, Any]]:
        """List agents after something happened."""
        self._happen("before_list")
        yield from super().agents(expected=expected)

    def standing(self, did: str, context: str | None) -> dict[str, Any] | None:
        """Answer after something happened."""
        self._happen("before_standing")
        answer = super().standing(did, context)
        self._happen("after_standing")
        return answer


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A registry with two agents."""
    with open_world(tmp_path) as world:
        world.actors = {"alice": world.agent("alice"), "bob": world.agent("bob", short_lived=True)}
        world.registry.log.sign_if_grown()
        yield world


def _audit(world: World, *, patience_s: float = 5.0, **events: Callable[[], None]) -> AuditReport:
    with serve(world.app) as url:
        transport = Transport(url)
        try:
            plan = AuditPlan(patience_s=patience_s)
            return RegistryAudit(BusyReader(transport, **events), plan, now_ms=world.clock.now_ms).run()
        finally:
            transport.close()


def test_growth_between_list_and_standings(world: World) -> None:
    """Standings about a longer log are compared there, and the log is read on up to it."""
    alice, bob = world.actors["alice"], world.actors["bob"]

    def vouch() -> None:
        world.submit(world.operator.vouch(alice.did))
        world.submit(alice.vouch(bob.did, context="payments"))

    before = world.size
    report = _audit(world, before_standing=vouch)
    assert report.findings == ()
    assert report.entries == before + 2
    assert report.standings == 3


def test_growth_before_the_list(world: World) -> None:
    """Agents that registered or changed after the first checkpoint are no lies."""

    def change() -> None:
        world.agent("carol")
        world.quarantine(world.actors["bob"])

    report = _audit(world, before_list=change, after_standing=lambda: None)
    assert report.findings == ()
    assert report.entries == world.size


def test_growth_in_several_steps(world: World) -> None:
    """Answers about different lengths are each compared at their own."""
    alice, bob = world.actors["alice"], world.actors["bob"]
    report = _audit(
        world,
        before_list=lambda: world.submit(alice.passport()) and None,
        before_standing=lambda: world.submit(world.operator.vouch(bob.did)) and None,
        after_standing=lambda: world.epoch() and None,
    )
    assert report.findings == ()


def test_a_checkpoint_that_does_not_follow(world: World) -> None:
    """A registry that answers from entries under no checkpoint is told so, not believed."""
    with nothing_signed(world.registry):
        report = _audit(
            world, patience_s=0.3, before_standing=lambda: world.submit(world.actors["alice"].passport()) and None
        )
    assert [(one.code, one.expected, one.found) for one in report.findings] == [
        ("checkpoint_lags", str(world.size), str(world.size - 1))
    ]
