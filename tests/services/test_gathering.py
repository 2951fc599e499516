"""How the writer's groups form: at once for whoever writes alone, gathered while several write, never after a failure."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from registry.history.statement import parse_statement
from registry.services.sequencer import GATHER_S, Sequencer
from registry.services.submission import Accepted, SequencerStoppedError, Submission
from tests.support.registry import World, open_world


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a running registry."""
    with open_world(tmp_path_factory.mktemp("gathering")) as opened:
        yield opened


@pytest.fixture
def writer(world: World) -> Iterator[Sequencer]:
    """Return a writer whose groups are taken by the test, instead of by its thread."""
    known: Any = world.registry.sequencer
    idle = Sequencer(
        store=world.registry.store,
        state=world.registry.state,
        clock=known.clock,
        admission=known._placer._admission,
        edge=known.tree,
    )
    idle._thread = known._thread  # it counts as running
    yield idle
    idle._thread = None


def statements(world: World, number: int) -> list[Submission]:
    """Return submissions of one statement each."""
    alice, bob = world.agent("alice"), world.agent("bob")
    texts = [alice.vouch(bob.did, context=f"c{one}") for one in range(number)]
    return [Submission([parse_statement(one)]) for one in texts]


def test_who_writes_alone_never_waits(world: World, writer: Sequencer) -> None:
    """One statement after the other: each begins a turn as soon as it is there."""
    rests: list[float] = []
    writer._rest = rests.append
    for one in statements(world, 4):
        writer.submit(one)
        assert writer._next_group() == ([one], False)
    assert rests == []


def test_what_comes_while_several_write_enters_one_turn(world: World, writer: Sequencer) -> None:
    """After a turn of several, the next waits a little, and takes with it what comes meanwhile; then all is as before."""
    first, second, third, late, alone, last = statements(world, 6)
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)
        writer.submit(late)

    writer._rest = rest
    writer.submit(first)
    writer.submit(second)
    assert writer._next_group() == ([first, second], False)
    assert rests == [], "the first of them had no turn of several before it"
    writer.submit(third)
    assert writer._next_group() == ([third, late], False)
    assert len(rests) == 1
    assert 0 <= rests[0] <= GATHER_S
    writer._rest = rests.append
    writer.submit(alone)
    assert writer._next_group() == ([alone], False)
    writer.submit(last)
    assert writer._next_group() == ([last], False)
    assert len(rests) == 2, "after a turn of one nobody waits"


def test_a_stop_is_not_held_up(world: World, writer: Sequencer) -> None:
    """Whoever stops the registry does not wait for what might come."""
    rests: list[float] = []
    writer._rest = rests.append
    for one in statements(world, 2):
        writer.submit(one)
    writer._next_group()
    writer._queue.put(None)
    assert writer._next_group() == ([], True)
    assert rests == []


def test_a_failure_elsewhere_closes_the_log(world: World) -> None:
    """What says that the log must not grow stops the writer: nothing more is taken, and who waits is told."""
    (taken, refused) = statements(world, 2)
    sequencer = world.registry.sequencer
    (outcome,) = sequencer.submit(taken).result(timeout=10)
    assert isinstance(outcome, Accepted)
    sequencer.fail(ValueError("a second checkpoint of one size"))
    with pytest.raises(SequencerStoppedError):
        sequencer.submit(refused)
    assert not sequencer.is_writable
    assert world.registry.sequencer.find(taken.statements[0].event_id) is not None  # type: ignore[union-attr]


def test_what_waits_when_it_fails_is_refused(world: World, writer: Sequencer) -> None:
    """Statements that are queued but not yet taken are told so, too."""
    waiting: list[Future[Any]] = [writer.submit(one) for one in statements(world, 3)]
    writer.fail(ValueError("broken"))
    for one in waiting:
        with pytest.raises(SequencerStoppedError):
            one.result(timeout=10)
