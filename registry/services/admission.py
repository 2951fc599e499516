"""The registry's own limits on who may write how much.

They hold floods without accounts: a DID that nobody with a voice has vouched for may add a few entries a day, one with a
voice many more; registrations have a share per source and one for all. Entries of a DID's own log are counted apart from what
it says: whoever stole a signing key and writes all day must not keep its owner from changing the keys. These are not
rules of the log: the audit does not know them, and a replay registry has none.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from registry.errors import LimitError
from registry.history.did_files import OPERATION, WITNESS
from registry.history.errors import LeafBudgetError
from registry.history.state import Draft
from registry.history.statement import (
    CredentialStatement,
    DidOperationStatement,
    RegistrationStatement,
    VerifiedStatement,
)
from registry.limits import (
    DAILY_LEAVES_WITH_VOICE,
    DAILY_LEAVES_WITHOUT_VOICE,
    REGISTRATIONS_PER_MINUTE,
    REGISTRATIONS_PER_SOURCE_HOUR,
    TRACKED_SOURCES,
)
from registry.log.entry import Party, parse_leaf
from registry.storage.log import LogStore

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000


class RegistrationRateError(LimitError):
    """Too many registrations in a short time."""

    code = "registration_rate_exceeded"
    title = "Too many registrations; try again later"


@dataclass(slots=True)
class LeafBudgets:
    """Counts the leaves that each DID signed in the current day of log time. Owner: the writer thread."""

    _day: int = -1
    _used: dict[tuple[str, bool], int] = field(default_factory=dict)

    def check(self, draft: Draft, verified: VerifiedStatement, *, time_ms: int) -> None:
        """Refuse a statement whose signer has used up its day.

        Raises:
            LeafBudgetError: ``leaf_budget_exhausted``.
        """
        did = _budgeted_signer(draft, verified)
        if did is None:
            return
        budget = DAILY_LEAVES_WITH_VOICE if _has_voice(draft, did) else DAILY_LEAVES_WITHOUT_VOICE
        used = self._used.get((did, verified.statement.kind == OPERATION), 0)
        if time_ms // DAY_MS == self._day and used >= budget:
            seconds = (DAY_MS - time_ms % DAY_MS) // 1000 + 1
            raise LeafBudgetError(f"{budget} entries a day", budget=budget, retry_after_s=seconds)

    def count(self, parties: Sequence[Party], kind: str, *, time_ms: int) -> None:
        """Count a leaf of the log for each of its signers; witness proofs are part of the entry that follows."""
        if time_ms // DAY_MS != self._day:
            self._day = time_ms // DAY_MS
            self._used.clear()
        if kind == WITNESS:
            return
        for party in parties:
            if "signer" in party.roles:
                counted = (party.did, kind == OPERATION)
                self._used[counted] = self._used.get(counted, 0) + 1


def _has_voice(draft: Draft, did: str) -> bool:
    voice = draft.reputation.voices.get(did)
    return voice is not None and voice.vote > 0


def _signer(draft: Draft, verified: VerifiedStatement) -> str | None:
    """Return whose leaf it is, by the first of its names; witness proofs are part of the entry that follows."""
    match verified.statement:
        case DidOperationStatement(did=did):
            return draft.log_did(did)
        case CredentialStatement(credential=credential):
            return draft.canonical_did(credential.issuer)
        case RegistrationStatement(presentation=presentation):
            return draft.canonical_did(presentation.holder)
        case _:
            return None


def _budgeted_signer(draft: Draft, verified: VerifiedStatement) -> str | None:
    """Return the signer that a budget applies to; the registry's and the operator's own statements have none."""
    genesis = draft.head.genesis
    did = _signer(draft, verified)
    return None if genesis is None or did in (genesis.registry_did, genesis.operator_did) else did


class RegistrationRates:
    """Sliding windows over registrations: one for all, one per source address. Safe from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._all: deque[int] = deque()
        self._sources: dict[str, deque[int]] = {}

    def take(self, source: str | None, *, now_ms: int) -> None:
        """Count one attempt.

        Args:
            source: the caller's address; None is not counted by source (loopback in --dev).
            now_ms: the wall clock.

        Raises:
            RegistrationRateError: ``registration_rate_exceeded``.
        """
        with self._mutex:
            if not _has_room(self._all, REGISTRATIONS_PER_MINUTE, now_ms - MINUTE_MS):
                raise RegistrationRateError("all sources together", retry_after_s=60)
            if source is not None:
                if len(self._sources) >= TRACKED_SOURCES:
                    self._forget(now_ms - HOUR_MS)
                window = self._sources.setdefault(source, deque())
                if not _has_room(window, REGISTRATIONS_PER_SOURCE_HOUR, now_ms - HOUR_MS):
                    raise RegistrationRateError("this source", retry_after_s=3_600)
                window.append(now_ms)
            self._all.append(now_ms)

    def _forget(self, before_ms: int) -> None:
        self._sources = {source: window for source, window in self._sources.items() if window[-1] > before_ms}


def _has_room(window: deque[int], limit: int, after_ms: int) -> bool:
    while window and window[0] <= after_ms:
        window.popleft()
    return len(window) < limit


def restore_budgets(store: LogStore, *, size: int, now_ms: int) -> LeafBudgets:
    """Count today's leaves again, so that a restart gives nobody a new day."""
    budgets = LeafBudgets()
    today = now_ms // DAY_MS * DAY_MS
    for begin in range(size, 0, -512):
        entries = store.entries(max(0, begin - 512), begin)
        for entry in entries:
            if entry.time_ms >= today:
                budgets.count(parse_leaf(entry.data).parties, entry.kind, time_ms=entry.time_ms)
        if entries and entries[0].time_ms < today:
            break
    return budgets
