"""A computation's pace: it rests after each step's worth of work, and not for ever."""

from __future__ import annotations

from registry.adapters.pace import REST_S, RESTS_S, STEP_S, Pace


class Clock:
    """A thread's processor time, which only work moves on."""

    def __init__(self) -> None:
        self.worked_s = 0.0
        self.rests: list[float] = []

    def pace(self) -> Pace:
        """Return the pace of a computation that begins now."""
        return Pace(sleep=self.rests.append, worked=lambda: self.worked_s)


def test_it_rests_after_work_and_not_before() -> None:
    """However often it is asked, there is one rest for each step's worth of work."""
    clock = Clock()
    pace = clock.pace()
    for _ in range(100):
        pace.rest()
    assert clock.rests == []
    for step in range(1, 4):
        clock.worked_s += STEP_S
        for _ in range(10):
            pace.rest()
        assert clock.rests == [REST_S] * step


def test_a_long_computation_is_not_held_up_for_ever() -> None:
    """All rests together have an end; what is left goes on at full speed."""
    clock = Clock()
    pace = clock.pace()
    for _ in range(10_000):
        clock.worked_s += 2 * STEP_S
        pace.rest()
    assert clock.rests == [REST_S] * round(RESTS_S / REST_S)
