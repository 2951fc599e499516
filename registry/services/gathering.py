"""How long the writer lets statements gather before it begins a turn.

Each turn has its price, whatever it holds: a transaction, a new tree, a sync of the disk. While several write at once, short turns
one after the other would cost more than what they hold. Who writes alone never waits.

Spec: specs/history.md "Sequencing"
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

TURNS: Final = 3
"""After a turn of several statements the next begins when so many such would be over."""

MOST_S: Final = 0.008
"""But not later than so long after it began: a long turn has gathered enough while it lasted."""


class Gathering:
    """The waits of one writer. For its thread.

    Args:
        sleep: takes seconds.
        clock: seconds that never go backwards.
    """

    def __init__(
        self, *, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sleep, self._clock = sleep, clock
        self._until_s = 0.0

    def note(self, statements: int, *, began_s: float) -> None:
        """Take note of a turn that has just ended.

        Args:
            statements: how many it was for.
            began_s: when it began, by the clock.
        """
        took_s = self._clock() - began_s
        self._until_s = began_s + min(TURNS * took_s, MOST_S) if statements > 1 else 0.0

    def wait(self) -> None:
        """Wait until the next turn may begin."""
        left_s = self._until_s - self._clock()
        if left_s > 0:
            self._sleep(left_s)
