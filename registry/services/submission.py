"""What callers hand to the writer, and what they get: submissions, outcomes, and why nothing can be written now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from did_methods.errors import BonafidesError
from registry.errors import DependencyError
from registry.history.state import Draft
from registry.history.statement import Statement, VerifiedStatement
from registry.storage.opening import SealedOpening


class OverloadedError(DependencyError):
    """More is waiting than this process will keep."""

    code = "overloaded"
    title = "Too much is waiting; try again"


class CommitFailedError(DependencyError):
    """The database refused a batch; nothing of it was written."""

    code = "commit_failed"
    title = "The log could not be written; try again"


class SequencerStoppedError(DependencyError):
    """The writer has stopped and takes nothing more."""

    code = "log_not_writable"
    title = "The log takes no entries now"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A statement that is durably in the log.

    Attributes:
        event_id: 32 bytes.
        index: its leaf.
        leaf_hash: 32 bytes.
        time_ms: log time.
        repeated: it was there before this submission.
    """

    event_id: bytes
    index: int
    leaf_hash: bytes
    time_ms: int
    repeated: bool = False


Outcome = Accepted | BonafidesError


@dataclass(slots=True)
class Submission:
    """What one caller hands in.

    Attributes:
        statements: parsed; verified where the keys were known outside.
        openings: sealed disclosures to keep beside them.
        together: all are accepted, one after the other, or none; else each stands for itself.
        prepare: for what depends on the state just before it, such as an epoch: makes the statements in the draft, or refuses.
        slow: it may take long to make them.
    """

    statements: Sequence[Statement | VerifiedStatement]
    openings: Sequence[SealedOpening] = ()
    together: bool = True
    prepare: Callable[[Draft, int], Sequence[Statement | VerifiedStatement]] | None = None
    slow: bool = False
    future: Future[list[Outcome]] = field(default_factory=Future)

    @property
    def weight(self) -> int:
        """How many statements it stands for while it waits."""
        return max(1, len(self.statements))

    def refuse(self, error: BaseException) -> None:
        """End it with an error, unless it has ended."""
        if not self.future.done():
            self.future.set_exception(error)
