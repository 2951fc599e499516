"""Long computations that nobody waits for, in small steps: between them whoever answers requests has the interpreter.

A thread that computes without a pause keeps the interpreter for half of the time, for as long as it takes. What arrives
meanwhile piles up, and is late long after the computation has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

STEP_S: Final = 0.001
"""Processor time after which there is a rest."""

REST_S: Final = 0.005
"""One rest."""

RESTS_S: Final = 0.5
"""Most rests of one computation in all: a large one is not held up for ever."""


class Pace:
    """The pace of one computation; made when it begins, on the thread that does it.

    Args:
        sleep: takes seconds.
        worked: processor time of this thread, seconds.
    """

    def __init__(
        self, *, sleep: Callable[[float], None] = time.sleep, worked: Callable[[], float] = time.thread_time
    ) -> None:
        self._sleep, self._worked = sleep, worked
        self._until = worked() + STEP_S
        self._left = round(RESTS_S / REST_S)

    def rest(self) -> None:
        """Rest, if there was work for long enough since the last time; to be called between the smallest steps."""
        if self._left and self._worked() >= self._until:
            self._left -= 1
            self._sleep(REST_S)
            self._until = self._worked() + STEP_S
