"""How the writer's groups form: at once for whoever writes alone, gathered while several write, never after a failure."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from registry.history.statement import parse_statement
from registry.services.gathering import MOST_S, TURNS, Gathering
from registry.services.sequencer import Sequencer
from registry.services.submission import Accepted, SequencerStoppedError, Submission
from tests.support.publication import wait_for
from tests.support.registry import World, open_world


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a running registry."""
    with open_world(tmp_path_factory.mktemp("gathering")) as opened:
        yield opened


class Clock:
    """Stands still until somebody sleeps, or a test lets time pass."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.slept.append(seconds)
        self.now_s += seconds

    def turn(self, gathering: Gathering, statements: int, took_s: float) -> None:
        """Let a turn pass."""
        began_s = self.now_s
        self.now_s += took_s
        gathering.note(statements, began_s=began_s)


def gathering_of(clock: Clock) -> Gathering:
    """Return the waits of a writer on that clock."""
    return Gathering(sleep=clock.sleep, clock=lambda: clock.now_s)


@pytest.mark.parametrize(
    ("took_s", "waits_s"), [(0.001, (TURNS - 1) * 0.001), (0.006, MOST_S - 0.006), (MOST_S, 0.0), (0.5, 0.0)]
)
def test_a_turn_of_several_is_followed_by_a_wait(took_s: float, waits_s: float) -> None:
    """In proportion to the turn, up to a limit; after a long turn there is none."""
    clock = Clock()
    gathering = gathering_of(clock)
    clock.turn(gathering, 2, took_s)
    gathering.wait()
    assert sum(clock.slept) == pytest.approx(waits_s)
    gathering.wait()
    assert len(clock.slept) <= 1, "the time is over"


def test_who_writes_alone_never_waits() -> None:
    """One statement after the other: each begins a turn as soon as it is there; a turn of several long ago changes nothing."""
    clock = Clock()
    gathering = gathering_of(clock)
    gathering.wait()
    for statements in (1, 5, 1, 0, 1):
        clock.turn(gathering, statements, 0.001)
        if statements < 2:
            gathering.wait()
    assert clock.slept == []


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


def test_what_comes_meanwhile_enters_the_same_turn(world: World, writer: Sequencer) -> None:
    """The writer waits with the first statement in its hand, and takes what came until then."""
    first, second, late, last = statements(world, 4)
    waits = [late, None]

    class Waits(Gathering):
        def wait(self) -> None:
            if (comes := waits.pop(0)) is not None:
                writer.submit(comes)

    writer._gathering = Waits()
    writer.submit(first)
    writer.submit(second)
    assert writer._next_group() == ([first, second, late], False)
    writer.submit(last)
    assert writer._next_group() == ([last], False)
    writer._queue.put(None)
    assert writer._next_group() == ([], True), "whoever stops the registry does not wait for what might come"


def test_the_running_writer_notes_its_turns(world: World) -> None:
    """What it held and when it began: that decides about the next wait."""
    noted: list[int] = []

    class Notes(Gathering):
        def note(self, statements: int, *, began_s: float) -> None:
            noted.append(statements)
            super().note(statements, began_s=began_s)

    made = statements(world, 5)
    world.registry.sequencer._gathering = Notes()
    queued = [world.registry.sequencer.submit(one) for one in made]
    assert all(isinstance(one.result(timeout=10)[0], Accepted) for one in queued)
    wait_for(lambda: sum(noted) == 5)


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
