"""What the log says, folded: agents, their keys and chains, live statements, roots, epochs and scores.

`LogState` is what readers see. A `Draft` is a batch in the making over it: it answers the same questions and is
committed as a whole once the database has the batch. Rules live in `rules.py`; this module only holds and looks up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from did_methods.document import DidDocument
from did_methods.webvh_state import WebvhState
from registry.credentials.verify import BoundKey, KeyNotFoundError, SelfCertifyingLookup, bind_key
from registry.history.observation import Observation
from registry.history.overlay import Overlay
from registry.history.records import (
    Agent,
    AgentState,
    Attestation,
    ChainHead,
    Dispute,
    Epoch,
    EpochAhead,
    Genesis,
    Head,
    LiveStatement,
    RootList,
    WitnessAhead,
)
from registry.reputation.draft import Draft as ReputationDraft
from registry.reputation.state import ReputationState
from registry.reputation.tables import TABLES as SCORE_TABLES

__all__ = [
    "KEPT",
    "Agent",
    "AgentState",
    "Attestation",
    "ChainHead",
    "Changes",
    "Dispute",
    "Draft",
    "Epoch",
    "EpochAhead",
    "Genesis",
    "Head",
    "LiveStatement",
    "LogState",
    "RootList",
    "Savepoint",
    "StateChange",
    "Tables",
    "WitnessAhead",
]


@dataclass(slots=True)
class Tables:
    """The dictionaries of the state; `LogState` owns them, a `Draft` lays overlays over them.

    Keyed by the DID under which an agent first came (its canonical DID), but `aliases` (a later name to that DID),
    `logs` (SCID of a did:webvh log to the DID under which it first came, hosted or observed) and `paths` (path below the
    public URL to that DID). By event id: `events`, `live`, `attestations` (those that are live), and `disputes`, whose key
    is the live report. `erased_agents` and `erased_events` hold the index of the erasure.
    """

    agents: dict[str, Agent] = field(default_factory=dict)
    chains: dict[str, ChainHead] = field(default_factory=dict)
    webvh: dict[str, WebvhState] = field(default_factory=dict)
    documents: dict[str, DidDocument] = field(default_factory=dict)
    observations: dict[str, Observation] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    events: dict[bytes, int] = field(default_factory=dict)
    live: dict[bytes, LiveStatement] = field(default_factory=dict)
    newest: dict[LiveStatement, bytes] = field(default_factory=dict)
    disputes: dict[bytes, Dispute] = field(default_factory=dict)
    attestations: dict[bytes, Attestation] = field(default_factory=dict)
    erased_agents: dict[str, int] = field(default_factory=dict)
    erased_events: dict[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StateChange:
    """An agent's silence before a leaf, kept since the last epoch so that an epoch can look back."""

    index: int
    did: str
    was_silenced: bool


KEPT: Final = (
    "agents", "chains", "webvh", "observations", "aliases", "paths", "events", "live", "disputes", "attestations",
    "erased_agents", "erased_events",
)  # fmt: skip
"""The tables that a snapshot holds; `documents`, `newest` and `logs` follow from them."""


@dataclass(slots=True)
class Changes:
    """The rows that changed since something, by table and key; None for one that is gone.

    Attributes:
        tables: those of `KEPT`.
        scores: those of the score.
    """

    tables: dict[str, dict[Any, Any]] = field(default_factory=lambda: {name: {} for name in KEPT})
    scores: dict[str, dict[Any, Any]] = field(default_factory=lambda: {name: {} for name in SCORE_TABLES})

    def note(self, draft: Draft) -> None:
        """Add what a draft is about to commit."""
        for name, rows in self.tables.items():
            rows.update(getattr(draft, name).changes)
        for name, rows in self.scores.items():
            rows.update(getattr(draft.reputation, name).own)

    def then(self, later: Changes) -> Changes:
        """Return both: of a row that changed in both, what it is later."""
        tables = {name: rows | later.tables[name] for name, rows in self.tables.items()}
        return Changes(tables, {name: rows | later.scores[name] for name, rows in self.scores.items()})


@dataclass(slots=True)
class LogState:
    """The fold of the log up to `head.size`.

    Owner: the sequencer (or the audit) alone commits drafts; readers hold the owner's lock while they gather.
    """

    head: Head = field(default_factory=Head)
    tables: Tables = field(default_factory=Tables)
    reputation: ReputationState = field(default_factory=ReputationState)
    silenced: set[str] = field(default_factory=set)
    journal: list[StateChange] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    times_from: int = 0
    watch: Callable[[Draft], None] | None = field(default=None, compare=False, repr=False)
    """Shown each draft just before it is committed; must not fail."""
    unsaved: Changes | None = field(default=None, compare=False, repr=False)
    """What changed since the last snapshot, where somebody keeps snapshots."""

    def draft(self) -> Draft:
        """Begin a batch over this state."""
        return Draft(self)

    @property
    def roots_in_force(self) -> tuple[str, ...]:
        """The roots that the newest epoch counted from; empty before the first."""
        epoch = self.head.epoch
        found = [one.roots for one in self.head.root_lists if epoch and one.index == epoch.root_list_index]
        return found[0] if found else ()

    def canonical_did(self, did: str) -> str:
        """Return the DID under which the agent of that name first came; a name that is not known is itself."""
        return self.tables.aliases.get(did, did)

    def log_did(self, did: str) -> str:
        """Return the DID under which the did:webvh log with the SCID of a DID first came (see `Draft.log_did`)."""
        return self.tables.logs.get(scid_of(did), did)

    def find_agent(self, did: str) -> Agent | None:
        """Return the agent of that name, or None; its `did` is the canonical one."""
        return self.tables.agents.get(self.canonical_did(did))

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the active key with that id for that purpose (see `Draft.find_key`)."""
        document = self.tables.documents.get(self.canonical_did(_did_of(verification_method)))
        return _find_key(document, verification_method, purpose, self.head.last_time_ms)


@dataclass(frozen=True, slots=True)
class Savepoint:
    """A draft at one moment."""

    head: Head
    overlays: tuple[dict[Any, Any], ...]
    reputation: ReputationDraft
    silenced: dict[str, bool]
    journal: int
    times: int
    journal_floor: int


class Draft:
    """A batch over a `LogState`; dropped without a trace unless committed."""

    def __init__(self, state: LogState) -> None:
        self._state = state
        self.head = state.head
        tables = state.tables
        self.agents = Overlay(tables.agents)
        self.chains = Overlay(tables.chains)
        self.webvh = Overlay(tables.webvh)
        self.documents = Overlay(tables.documents)
        self.observations = Overlay(tables.observations)
        self.paths = Overlay(tables.paths)
        self.aliases = Overlay(tables.aliases)
        self.logs = Overlay(tables.logs)
        self.events = Overlay(tables.events)
        self.live = Overlay(tables.live)
        self.newest = Overlay(tables.newest)
        self.disputes = Overlay(tables.disputes)
        self.attestations = Overlay(tables.attestations)
        self.erased_agents = Overlay(tables.erased_agents)
        self.erased_events = Overlay(tables.erased_events)
        self._overlays: tuple[Overlay[Any, Any], ...] = (
            self.agents,
            self.chains,
            self.webvh,
            self.documents,
            self.observations,
            self.paths,
            self.aliases,
            self.logs,
            self.events,
            self.live,
            self.newest,
            self.disputes,
            self.attestations,
            self.erased_agents,
            self.erased_events,
        )
        self.reputation: ReputationDraft = state.reputation.draft()
        self.silenced_changes: dict[str, bool] = {}
        self.journal: list[StateChange] = []
        self.times: list[int] = []
        self.epoch_ahead: EpochAhead | None = None
        self._journal_floor = -1

    def canonical_did(self, did: str) -> str:
        """Return the DID under which the agent of that name first came; a name that is not known is itself."""
        return self.aliases.get(did) or did

    def log_did(self, did: str) -> str:
        """Return the DID under which the did:webvh log with the SCID of a DID first came; without one, the text itself.

        Args:
            did: any text; a log that moves comes under a name that nobody knows yet.
        """
        return self.logs.get(scid_of(did)) or did

    def find_agent(self, did: str) -> Agent | None:
        """Return the agent of that name, or None; its `did` is the canonical one."""
        return self.agents.get(self.canonical_did(did))

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key with that id if it is active for that purpose in the state as drafted.

        Args:
            verification_method: a DID URL with a fragment.
            purpose: a verification relationship, for example ``assertionMethod``.

        Raises:
            BonafidesError: ``key_not_found`` and the codes of the DID document.

        Spec: FORMATS "Evidence hygiene" (key active means active just before the leaf).
        """
        document = self.documents.get(self.canonical_did(_did_of(verification_method)))
        return _find_key(document, verification_method, purpose, self.head.last_time_ms)

    def is_silenced(self, did: str) -> bool:
        """Say whether the agent's voice is off: suspended, revoked or deactivated."""
        changed = self.silenced_changes.get(did)
        return did in self._state.silenced if changed is None else changed

    def silence(self, did: str, *, silenced: bool) -> None:
        """Turn an agent's voice off or on, from the next epoch on."""
        self.journal.append(StateChange(self.head.size, did, self.is_silenced(did)))
        self.silenced_changes[did] = silenced

    def silenced_below(self, tree_size: int) -> set[str]:
        """Return the silenced agents as of the leaves below tree_size (above the last epoch's index)."""
        now = {did for did in self._state.silenced if self.silenced_changes.get(did, True)}
        now.update(did for did, silenced in self.silenced_changes.items() if silenced)
        for change in reversed([*self._state.journal, *self.journal]):
            if change.index >= tree_size:
                (now.add if change.was_silenced else now.discard)(change.did)
        return now

    def time_of(self, index: int) -> int:
        """Return the log time of a leaf not older than the last epoch, in ms."""
        offset = index - self._state.times_from
        known = len(self._state.times)
        return self._state.times[offset] if offset < known else self.times[offset - known]

    def root_list_below(self, tree_size: int) -> RootList | None:
        """Return the newest root list among the leaves below tree_size."""
        lists: Sequence[RootList] = self.head.root_lists
        return next((one for one in reversed(lists) if one.index < tree_size), None)

    def forget_before(self, index: int) -> None:
        """Let go of the journals below index once an epoch has been committed there."""
        self._journal_floor = index

    def savepoint(self) -> Savepoint:
        """Remember the draft as it is; ended by `release` or `restore`."""
        overlays = tuple(dict(overlay.changes) for overlay in self._overlays)
        point = Savepoint(
            self.head,
            overlays,
            self.reputation,
            dict(self.silenced_changes),
            len(self.journal),
            len(self.times),
            self._journal_floor,
        )
        self.reputation = self.reputation.draft()
        self.epoch_ahead = None
        return point

    def release(self, point: Savepoint) -> None:
        """Keep what was folded since a savepoint."""
        self.epoch_ahead = None
        self.reputation.commit()
        self.reputation = point.reputation

    def restore(self, point: Savepoint) -> None:
        """Return to a savepoint as if nothing had been folded since."""
        self.head = point.head
        self.reputation = point.reputation
        self.epoch_ahead = None
        self._journal_floor = point.journal_floor
        for overlay, changes in zip(self._overlays, point.overlays, strict=True):
            overlay.changes = dict(changes)
        self.silenced_changes = dict(point.silenced)
        del self.journal[point.journal :], self.times[point.times :]

    def commit(self) -> None:
        """Make the draft what readers see; it is then empty and may be used again. Nothing here can fail half-way."""
        state = self._state
        if state.watch is not None:
            state.watch(self)
        if state.unsaved is not None:
            state.unsaved.note(self)
        for overlay in self._overlays:
            overlay.commit()
        self.reputation.commit()
        for did, silenced in self.silenced_changes.items():
            (state.silenced.add if silenced else state.silenced.discard)(did)
        state.journal.extend(self.journal)
        state.times.extend(self.times)
        if self._journal_floor >= 0:
            state.journal = [change for change in state.journal if change.index >= self._journal_floor]
            del state.times[: self._journal_floor - state.times_from]
            state.times_from = self._journal_floor
        state.head = self.head
        self.silenced_changes, self.journal, self.times, self._journal_floor = {}, [], [], -1
        self.epoch_ahead = None


def scid_of(did: str) -> str:
    """Return the SCID of a did:webvh; empty for any other text."""
    parts = did.split(":", 3)
    return parts[2] if parts[:2] == ["did", "webvh"] and len(parts) == 4 else ""  # noqa: PLR2004 - did:webvh:<scid>:<place>


def _did_of(verification_method: str) -> str:
    return verification_method.partition("#")[0]


def _find_key(document: DidDocument | None, verification_method: str, purpose: str, at_ms: int) -> BoundKey:
    """Return the key; one that its document calls expired or revoked by the newest leaf's time is not active."""
    if verification_method.startswith(("did:key:", "did:jwk:")):
        return SelfCertifyingLookup().find_key(verification_method, purpose)
    if document is None:
        raise KeyNotFoundError("the keys of this DID are not known here")
    return bind_key(document.find_method(verification_method, purpose, at_ms=at_ms))
