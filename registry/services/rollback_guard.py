"""The rollback guard: before anything is signed, what others have seen of this log is held against its database.

A database that was restored from an old copy, or started a second time elsewhere, looks sound from inside. What was
signed lives on outside: in the signer's record, in the published folder, at the witnesses. A head found there that is larger than the
committed one, or is not a prefix of it, closes the log: nothing is signed, nothing is taken, reads go on. A head counts
only if this log's own key has signed it, or the signer's record names it; so nobody else can close it.

Whoever cannot be reached proves nothing. Whether signing waits for witnesses that are silent follows from the policy: with a quorum the
first signature of a process waits until a quorum has answered; without one they are asked once more, and it goes on.

Spec: specs/transparency-log.md "Rollback guard"
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from did_methods.errors import BonafidesError
from registry.errors import ConflictError, DependencyError
from registry.services.signing import CheckpointSigner, LogRolledBackError

_LOG = logging.getLogger(__name__)


class LogFrozenError(ConflictError):
    """The log has ended: its last checkpoint stands, and it takes no more entries."""

    code = "log_frozen"
    title = "The log is frozen; it takes no more entries"


class LogHeadError(DependencyError):
    """The head row of the database has another root than its entries make: one of the two was edited or is damaged.

    Nothing is signed or taken, reads go on. ``bonafides log fsck`` names the row. Put the database back from a backup and let
    ``bonafides log recover`` bring it forward: which of the two is right no program can tell.
    """

    code = "log_head_contradicts"
    title = "The head of the log is not that of its entries; see bonafides log fsck"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A head of this log that somebody holds.

    Attributes:
        source: who, for people: ``signer record``, ``folder``, ``witness NAME``.
        size: tree size, leaves.
        root_hash: 32 bytes.
    """

    source: str
    size: int
    root_hash: bytes


@dataclass(frozen=True, slots=True)
class Answers:
    """What the witnesses know of this log.

    Attributes:
        sightings: heads that they hold, verified by the log's key.
        answered: names in the policy of those who answered, be it that they know nothing.
        silent: names of those who were asked and did not.
    """

    sightings: tuple[Sighting, ...] = ()
    answered: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()


class Lookout(Protocol):
    """Somewhere outside the database where heads of this log are held."""

    def ask(self, names: Collection[str] | None = None) -> Answers:
        """Ask; only those of these names, where any are given."""
        ...

    def is_enough(self, answered: Collection[str]) -> bool:
        """Say whether signing may begin after these have answered, whoever else is silent."""
        ...


class RollbackGuard:
    """Says whether this log may be written and signed. Safe from any thread.

    Args:
        signer: of the log; its record and its store are held against each other first.
        head: the committed size and root.
        root_at: root of the committed tree at a size, None where it does not reach.
        end: where the log goes on, if the database says that it has ended; else None.
    """

    def __init__(
        self,
        *,
        signer: CheckpointSigner,
        head: Callable[[], tuple[int, bytes]],
        root_at: Callable[[int], bytes | None],
        end: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._signer, self._head, self._root_at, self._end = signer, head, root_at, end
        self._lookouts: list[Lookout] = []
        self._mutex = threading.Lock()
        self._answered: set[str] = set()
        self._silent: set[str] = set()
        self._rounds = 0
        self.finding: Sighting | None = None
        """What contradicts the database; the log is closed for as long as the process lives."""
        self.frozen = False
        """Whether the log has ended."""
        self.successor = ""
        """Where it goes on after that; empty for nowhere."""
        self.fault: BonafidesError | None = None
        """Why the signer does not sign: its record cannot be used, or the stored tree does not extend it."""

    # ------------------------------------------------------------ what others ask

    @property
    def state(self) -> str:
        """``open``, ``waiting`` (for witnesses, before the first signature), ``rolled_back`` or ``frozen``."""
        if self.finding is not None or self.fault is not None:
            return "rolled_back"
        if self.frozen:
            return "frozen"
        return "open" if self.may_sign else "waiting"

    @property
    def is_current(self) -> bool:
        """Whether the folded log is the newest that there is, as far as is known: decisions rest on it."""
        return self.finding is None and self.fault is None and not self.frozen

    @property
    def may_sign(self) -> bool:
        """Whether the next head may be signed."""
        if self.finding is not None or self.fault is not None:
            return False
        if not self._silent or self._is_unsigned():
            return True
        # Asked twice at least; then those who answered decide, as the policy says what is enough.
        return self._rounds > 1 and all(one.is_enough(self._answered) for one in self._lookouts)

    def check_may_write(self) -> None:
        """Refuse where the log may take nothing.

        Raises:
            LogRolledBackError: ``log_rolled_back``.
            LogFrozenError: ``log_frozen``.
        """
        if self.fault is not None:
            raise self.fault
        if self.finding is not None:
            raise LogRolledBackError(self._told(self.finding), size=self.finding.size)
        if self.frozen:
            told = f"it goes on as {self.successor}" if self.successor else "it goes on nowhere"
            raise LogFrozenError(told, **({"successor": self.successor} if self.successor else {}))

    # ------------------------------------------------------------ looking

    def check_head(self) -> None:
        """Hold the head row against the entries below it.

        Raises:
            LogHeadError: ``log_head_contradicts``.
        """
        size, root_hash = self._head()
        if size and self._root_at(size) != root_hash:
            raise LogHeadError(f"at size {size}", size=size)

    def watch(self, lookout: Lookout) -> None:
        """Ask there too, from the next look on."""
        self._lookouts.append(lookout)

    def look(self) -> None:
        """Hold everything against the database: at start."""
        self._look_inside()
        if not self._is_unsigned() or self._lookouts:
            self._look_outside(None)

    def look_again(self) -> None:
        """Ask those who were silent, where the first signature waits for them."""
        if self._silent and self.finding is None and not self.may_sign:
            self._look_outside(frozenset(self._silent))

    def look_for_end(self) -> None:
        """Take note that another process has frozen the log."""
        successor = None if self.frozen else self._end()
        if successor is not None:
            self.freeze(successor)

    def look_at(self, name: str) -> None:
        """Ask one witness anew: it claims to have seen a larger or another tree."""
        self._look_outside(frozenset((name,)))

    def meet(self, sighting: Sighting) -> None:
        """Hold a head that this log's key has signed against the database.

        Args:
            sighting: verified.
        """
        size, _ = self._head()
        if sighting.size <= size and (not sighting.size or self._root_at(sighting.size) == sighting.root_hash):
            return
        with self._mutex:
            if self.finding is not None:
                return
            self.finding = sighting
        _LOG.critical("the log is closed: %s", self._told(sighting))

    def freeze(self, successor: str) -> None:
        """Take nothing more: the last head is signed and recorded as such."""
        if not self.frozen:
            self.frozen, self.successor = True, successor

    def close(self, error: BonafidesError) -> None:
        """Close the log: its signer has found what forbids to sign."""
        self.fault = self.fault or error
        _LOG.critical("the log is closed: %s", error)

    def _look_inside(self) -> None:
        try:
            self.check_head()
            recorded = self._signer.recorded()
        except BonafidesError as error:
            self.close(error)
            return
        self.look_for_end()
        newest = self._signer.newest()
        if recorded is None and newest is not None:
            _LOG.warning("there is no record of what was signed beside the database; the next signature makes one")
        if recorded is not None:
            if recorded.frozen:
                self.freeze(recorded.successor)
            self.meet(Sighting("signer record", recorded.size, recorded.root_hash))
        if newest is not None:
            self.meet(Sighting("signed checkpoint", newest.size, newest.root_hash))

    def _look_outside(self, names: Collection[str] | None) -> None:
        self._rounds += 1
        for lookout in self._lookouts:
            answers = lookout.ask(names)
            for sighting in answers.sightings:
                self.meet(sighting)
            with self._mutex:
                self._answered |= answers.answered
                self._silent = (self._silent | answers.silent) - self._answered
        if self._silent:
            _LOG.warning("not asked what they have seen of this log: %s", ", ".join(sorted(self._silent)))

    def _is_unsigned(self) -> bool:
        """Say whether this log has never signed anything: nobody can hold a head of it."""
        return self._signer.newest() is None and self._signer.recorded() is None

    def _told(self, found: Sighting) -> str:
        size, _ = self._head()
        how = (
            f"size {found.size}, the database has {size}" if found.size > size else f"another tree at size {found.size}"
        )
        return f"{found.source} holds {how}"
