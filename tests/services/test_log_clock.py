"""Log time: a clock that jumps, stands still or goes back is refused before anything is written, and heals by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import DependencyError
from registry.limits import CLOCK_JUMP_MS, WITNESS_CLOCK_MS, WITNESS_TIME_KEPT_MS
from registry.services.log_clock import ClockDisputedError, LogClock
from tests.services.test_publisher import broken, policy_file
from tests.support.publication import wait_for
from tests.support.registry import START_MS, ManualClock, World, open_world
from tests.support.witnesses import MadeUpWitness, Reply, made_up_witness

HOUR_MS = 3_600_000


@dataclass(slots=True)
class TwoClocks(ManualClock):
    """A wall clock that can be set apart from the steady one."""

    apart_ms: int = 0

    def now_ms(self) -> int:
        """Return the wall clock."""
        return self.time_ms + self.apart_ms


@pytest.fixture
def clocks() -> TwoClocks:
    """Both clocks agree."""
    return TwoClocks()


def watched(clocks: TwoClocks, newest_ms: int = START_MS) -> LogClock:
    """Return a log clock over a log whose newest entry is of that time."""
    return LogClock(clocks, newest_ms=lambda: newest_ms)


def refusal(clock: LogClock) -> str:
    """Return the code that asking for the time gives."""
    with pytest.raises(DependencyError) as caught:
        clock.now_ms()
    return caught.value.code


@pytest.mark.parametrize("apart_ms", [CLOCK_JUMP_MS + 1_000, HOUR_MS, -CLOCK_JUMP_MS - 1_000])
def test_a_jump_is_refused_until_the_clock_is_right_again(clocks: TwoClocks, apart_ms: int) -> None:
    """Forward and backward alike; once the clock is set right, entries are taken again without a restart."""
    clock = watched(clocks, newest_ms=START_MS - HOUR_MS)
    clocks.apart_ms = apart_ms
    assert refusal(clock) == "log_clock_jumped"
    clocks.advance(60_000)
    assert refusal(clock) == "log_clock_jumped"
    clocks.apart_ms = 0
    assert clock.now_ms() == clocks.time_ms


def test_a_clock_that_stands_still_is_refused(clocks: TwoClocks) -> None:
    """The steady clock goes on and the wall clock does not."""
    clock = watched(clocks)
    for step in range(1, 12):
        clocks.advance(1_000)
        clocks.apart_ms = -1_000 * step
        if step <= CLOCK_JUMP_MS // 1_000:
            assert clock.now_ms() == START_MS
        else:
            assert refusal(clock) == "log_clock_jumped"


def test_slewing_is_no_jump(clocks: TwoClocks) -> None:
    """A time service that corrects a clock by half a thousandth is followed for days."""
    clock = watched(clocks)
    for hour in range(1, 24 * 30):
        clocks.advance(HOUR_MS)
        clocks.apart_ms = hour * HOUR_MS // 2_000
        assert clock.now_ms() == clocks.now_ms()


def test_a_jump_after_a_month_is_no_larger(clocks: TwoClocks) -> None:
    """What slewing may add up to does not grow with the age of the process."""
    clock = watched(clocks)
    for _ in range(24 * 30):
        clocks.advance(HOUR_MS)
        assert clock.now_ms() == clocks.time_ms
    clocks.apart_ms = CLOCK_JUMP_MS + 1
    assert refusal(clock) == "log_clock_jumped"


def test_the_log_and_the_witnesses_bound_the_past(clocks: TwoClocks) -> None:
    """After a restart only they remember: a clock before the newest entry, or well before a witness's time, is refused."""
    assert refusal(watched(clocks, newest_ms=START_MS + 1_001)) == "log_clock_behind"
    clock = watched(clocks)
    clock.expect(1, not_before_ms=START_MS + WITNESS_CLOCK_MS + 1)
    assert refusal(clock) == "log_clock_behind"
    clocks.advance(1)
    assert clock.now_ms() == clocks.time_ms


def test_most_witnesses_overrule_the_clock(clocks: TwoClocks) -> None:
    """One of three that tells another time is ignored, two are not; what they said an hour ago counts no more."""
    clock = watched(clocks)
    clock.expect(3, not_before_ms=0)
    clock.hear("W0", START_MS + HOUR_MS)
    assert clock.now_ms() == START_MS
    clock.hear("W1", START_MS + HOUR_MS)
    assert refusal(clock) == "log_clock_disputed"
    clock.hear("W2", START_MS)
    assert refusal(clock) == "log_clock_disputed"
    clocks.advance(WITNESS_TIME_KEPT_MS + 1)
    assert clock.now_ms() == clocks.time_ms


def test_most_witnesses_confirm_a_corrected_clock(clocks: TwoClocks) -> None:
    """A clock that was wrong when the process began is corrected, and witnesses confirm it: no restart is needed."""
    clock = watched(clocks)
    clock.expect(2, not_before_ms=0)
    clocks.apart_ms = HOUR_MS
    clock.hear("W0", clocks.now_ms())
    assert refusal(clock) == "log_clock_jumped"
    clock.hear("W1", clocks.now_ms())
    assert clock.now_ms() == START_MS + HOUR_MS
    clocks.apart_ms = 0
    assert refusal(clock) == "log_clock_disputed"


@given(st.lists(st.tuples(st.integers(0, 150_000), st.integers(-10_000_000, 10_000_000)), max_size=20))
def test_no_time_that_is_given_is_far_from_the_steady_clock(steps: list[tuple[int, int]]) -> None:
    """Law: without witnesses, whatever the wall clock does within the hour, a time that is given keeps to the steady clock."""
    clocks = TwoClocks()
    clock = watched(clocks, newest_ms=0)
    for forward_ms, apart_ms in steps:
        clocks.advance(forward_ms)
        clocks.apart_ms = apart_ms
        allowed = CLOCK_JUMP_MS + (clocks.time_ms - START_MS) / 1_000
        try:
            assert abs(clock.now_ms() - clocks.time_ms) <= allowed
        except DependencyError:
            assert abs(apart_ms) > allowed


# ------------------------------------------------------------ in a whole registry


def test_while_the_clock_is_wrong_nothing_new_enters(tmp_path: Path, clocks: TwoClocks) -> None:
    """New statements get 503 and are not in the log; a known one gets its index; reads and decisions go on."""
    with open_world(tmp_path, clock=clocks) as world:
        alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
        known = alice.vouch(bob.did)
        assert world.submit(known).status == 201
        before = world.fingerprint()
        clocks.apart_ms = HOUR_MS
        refused = world.submit(alice.vouch(bob.did, context="payments"))
        assert (refused.status, refused.code) == (503, "log_clock_jumped")
        assert world.quarantine(alice).code == "log_clock_jumped"
        again = world.submit(known)
        assert (again.status, world.fingerprint()) == (200, before)
        assert world.decide(alice.request("read"))["context"]["reason"] == "trust_ok"
        clocks.apart_ms = 0
        assert world.submit(alice.vouch(bob.did, context="payments")).status == 201


def _at(time_ms: Callable[[], int]) -> Callable[[MadeUpWitness, bytes, int], Reply]:
    return lambda witness, body, _number: Reply(body=witness.line(body, time_s=time_ms() // 1_000))


def test_a_witness_of_another_day_stops_the_log(tmp_path: Path, clocks: TwoClocks) -> None:
    """The only witness signs with another time: its line is not used, and the log takes nothing more until it agrees."""
    with made_up_witness(broken) as witness:
        policy = policy_file(tmp_path, "W0", witness)
        with open_world(tmp_path / "data", clock=clocks, witness_policy=policy) as world:
            alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
            witness.reply = _at(lambda: START_MS + 24 * HOUR_MS)
            wait_for(lambda: _is_disputed(world))
            assert world.submit(alice.vouch(bob.did)).code == "log_clock_disputed"
            assert world.web.get("/checkpoint").code == "checkpoint_not_ready"
            witness.reply = _at(lambda: START_MS)
            wait_for(lambda: not _is_disputed(world), seconds=15)
            assert world.submit(alice.vouch(bob.did)).status == 201


def _is_disputed(world: World) -> bool:
    try:
        world.registry.sequencer.clock.now_ms()
    except ClockDisputedError:
        return True
    return False
