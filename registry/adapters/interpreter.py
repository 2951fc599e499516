"""The only door to how the interpreter runs: its collector of cycles, and how its threads take turns."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_COLLECT_AFTER = (50_000, 50, 100)
_SWITCH_S = 0.0005
"""How long a thread keeps the interpreter while others wait for it, seconds."""


def settle_interpreter() -> None:
    """Let the interpreter suit a process that keeps a log; to be called once the registry is open.

    The state is many small rows without cycles. At its own thresholds the collector walks all of them again and again and
    takes a sixth to a third of the time of taking statements; what is there now it need never look at.

    A write passes from whoever brings it to the writer and back. At the default of 5 ms each of these steps waits so long
    while a thread behind them computes, as the state map does every second, and what arrives meanwhile piles up.
    """
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    sys.setswitchinterval(_SWITCH_S)


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep the cycle collector off: a fold makes no cycles, and each collection would walk the whole state again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
