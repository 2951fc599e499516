"""The part of an audit that asks for every agent and standing and holds the answers against the log.

An answer names the prefix of the log that it is about. One about a longer prefix than was read waits until the log has been read
on to it; so does an agent that was listed as it is only after a later leaf.

Spec: specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from registry.audit.finding import Finding, make_finding
from registry.audit.reader import LogReader
from registry.audit.standing import Answer, compare_agent, compare_listing, compare_standing, contexts_of
from registry.history.sequence import SequencedLeaf
from registry.history.state import LogState
from registry.limits import CLOCK_WINDOW_MS

ASKED_AT_ONCE: Final = 8


class StandingAudit:
    """Compares what the registry says of agents.

    Args:
        reader: asks it.
        now_ms: this machine's clock.
        progress: told (done, total).

    Attributes:
        findings: so far.
        compared: answers that were recomputed.
    """

    def __init__(self, reader: LogReader, now_ms: Callable[[], int], progress: Callable[[int, int], None]) -> None:
        self._reader = reader
        self._now_ms = now_ms
        self._progress = progress
        self._pending: _Pending | None = None
        self.findings: list[Finding] = []
        self.compared = 0

    @property
    def is_open(self) -> bool:
        """Whether the log must be read on before everything can be judged."""
        return self._pending is not None and not self._pending.is_settled

    @property
    def lists_more(self) -> bool:
        """Whether what was listed does not fit the log as read."""
        return self._pending is not None and bool(self._pending.differing)

    @property
    def target(self) -> int:
        """The size up to which the log must be read on."""
        return 0 if self._pending is None else self._pending.target

    def compare(self, state: LogState) -> None:
        """Ask for the list of agents and every standing; keep what is about a longer log than was read.

        Args:
            state: the fold.
        """
        rows = list(self._reader.agents(expected=len(state.tables.agents)))
        pending = _Pending(state, {str(row.get("did")): row for row in rows}, compare_listing(state, rows))
        self._pending = pending
        questions = [(did, context) for did in state.tables.agents for context in contexts_of(state, did)]
        size = state.head.size
        with ThreadPoolExecutor(ASKED_AT_ONCE, "audit") as pool:
            for done, answer in enumerate(pool.map(self._question, questions), 1):
                self._progress(done, len(questions))
                about = answer.tree_size
                if about is not None and about > size:
                    pending.later.setdefault(about, []).append(answer)
                elif about is not None and about < size:
                    self.findings.append(make_finding("standing_stale", did=answer.did, expected=size, found=about))
                else:
                    self._judge(state, answer)

    def read_on(self, leaf: SequencedLeaf, settle: Callable[[], LogState]) -> None:
        """After a leaf that was logged meanwhile: compare what was said of the log with this leaf as its last."""
        pending = self._pending
        assert pending is not None, "only what was asked can wait"
        answers = pending.later.pop(leaf.index + 1, [])
        touched = [party.did for party in leaf.parties if party.did in pending.differing]
        if not answers and not touched:
            return
        state = settle()
        for answer in answers:
            self._judge(state, answer)
        for did in touched:
            pending.compare_again(did)

    def finish(self, size: int) -> None:
        """Close what is still open.

        Args:
            size: of the newest checkpoint that could be had.
        """
        if self._pending is None:
            return
        self.findings.extend(self._pending.differing.values())
        if size < self._pending.target:
            self.findings.append(make_finding("checkpoint_lags", expected=self._pending.target, found=size))

    def _question(self, question: tuple[str, str | None]) -> Answer:
        did, context = question
        return Answer(did, context, self._reader.standing(did, context))

    def _judge(self, state: LogState, answer: Answer) -> None:
        self.compared += 1
        found = compare_standing(state, answer, not_after_ms=self._now_ms() + CLOCK_WINDOW_MS)
        if found is not None:
            self.findings.append(found)


class _Pending:
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
