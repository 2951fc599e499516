"""Everybody's standing at one instant, in order: the best and the worst of a log.

Ranking reads every agent, so the last few rankings are kept until the log grows or their instant passes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from registry.audit.ranking import By, Ranked, rank_agents
from registry.errors import ParseError
from registry.services.sequencer import Sequencer

REMEMBERED = 8


class InstantPastError(ParseError):
    """The instant lies before the log's last entry; what stood then is recomputed by `bonafides audit --at`."""

    code = "instant_before_last_entry"
    title = "The instant lies before the log's last entry"


@dataclass(frozen=True, slots=True)
class Ranking:
    """All agents at one instant, the best first.

    Attributes:
        rows: every agent.
        tree_size: the log prefix it follows from.
        as_of_ms: the instant.
    """

    rows: Sequence[Ranked]
    tree_size: int
    as_of_ms: int


class StandingService:
    """Ranks agents. Safe from any thread."""

    def __init__(self, sequencer: Sequencer) -> None:
        self._sequencer = sequencer
        self._mutex = threading.Lock()
        self._known: OrderedDict[tuple[int, int, By, str | None], Ranking] = OrderedDict()

    def check_instant(self, at_ms: int) -> int:
        """Return an instant that can still be read, or refuse it.

        Raises:
            InstantPastError: ``instant_before_last_entry``.
        """
        if at_ms < self._sequencer.state.head.last_time_ms:
            raise InstantPastError
        return at_ms

    def rank(self, *, by: By, context: str | None, now_ms: int) -> Ranking:
        """Return all agents in order.

        Args:
            by: the figure to order by.
            context: a context slug; None is overall.
            now_ms: the instant; an entry that came since moves it forward.
        """
        with self._mutex, self._sequencer.lock:
            state = self._sequencer.state
            instant = max(now_ms, state.head.last_time_ms)
            key = (state.head.size, instant, by, context)
            found = self._known.get(key)
            if found is None:
                rows = rank_agents(state, now_ms=instant, by=by, context=context)
                found = self._known[key] = Ranking(rows, state.head.size, instant)
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            return found
