"""What an audit could not judge at once, because the log grew while the registry was asked.

Spec: specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from registry.audit.finding import Finding
from registry.audit.standing import Answer, compare_agent
from registry.history.state import LogState


class Pending:
    """What could not be judged at the first checkpoint because the log grew while the registry was asked.

    Attributes:
        differing: by DID, why what was listed does not fit the log as first read.
        later: answers about a longer log, by its size.
        target: the size up to which the log must be read on.
    """

    def __init__(self, state: LogState, rows: Mapping[str, Mapping[str, Any]], differing: Sequence[Finding]) -> None:
        self._state = state
        self._rows = rows
        self.differing = {str(one.did): one for one in differing}
        self.later: dict[int, list[Answer]] = {}

    @property
    def is_settled(self) -> bool:
        """Whether nothing waits."""
        return not self.differing and not self.later

    @property
    def target(self) -> int:
        """The size up to which the log must be read on."""
        return max(self.later, default=self._state.head.size)

    def compare_again(self, did: str) -> None:
        """Drop the difference if what was listed is what the log says now."""
        agent, row = self._state.find_agent(did), self._rows.get(did)
        if agent is not None and row is not None and compare_agent(agent, row) is None:
            del self.differing[did]
