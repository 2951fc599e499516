"""Who looks at each leaf of an audited log beyond the rules, one subject each: epochs, witness times, counters.

An observer is told of every leaf that folded, in order, and says what it found. Between two runs of an audit what it
remembers is kept with the fold, as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from registry.audit.finding import Finding
from registry.history.sequence import SequencedLeaf
from registry.history.state import Draft, LogState


class LeafObserver(Protocol):
    """Follows a log leaf by leaf.

    Attributes:
        name: a slug, under which its memory is kept; another meaning needs another name.
    """

    name: str

    def observe(self, leaf: SequencedLeaf, draft: Draft) -> Sequence[Finding]:
        """Take note of a leaf.

        Args:
            leaf: the leaf, verified and folded; where signatures are verified elsewhere, not yet verified.
            draft: the state just after it; to be read, never changed.
        """
        ...

    def end(self, state: LogState) -> Sequence[Finding]:
        """Look at the log's end; called once, after the last leaf, when every signature is verified."""
        ...

    def dump(self) -> Any:
        """Return what must be known to go on, as JSON."""
        ...

    def load(self, kept: Any) -> None:
        """Go on from what `dump` gave; anything else may raise KeyError, TypeError or ValueError."""
        ...
