"""What the log says, folded: agents, their keys and chains, live statements, roots, epochs and scores.

`LogState` is what readers see. A `Draft` is a batch in the making over it: it answers the same questions and is
committed as a whole once the database has the batch. Rules live in `rules.py`; this module only holds and looks up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from did_methods.document import DidDocument
from did_methods.webvh_entry import WebvhState
from registry.credentials.verify import BoundKey, DidKeyLookup, KeyNotFoundError, bind_key
from registry.history.overlay import Overlay
from registry.reputation.draft import Draft as ReputationDraft
from registry.reputation.state import ReputationState

AgentState = Literal["active", "suspended", "deactivated", "revoked"]


@dataclass(frozen=True, slots=True)
class Genesis:
    """What entry 0 pins for ever.

    Attributes:
        origin: the log's name, without a scheme.
        public_url: the address in DIDs and metadata.
        profile: ``live`` or ``replay``.
        log_key: the checkpoint key as a C2SP verifier key string.
        registry_did: the registry's own DID.
        operator_did: the operator root, a did:key.
        rules: the rules version of the score.
    """

    origin: str
    public_url: str
    profile: str
    log_key: str
    registry_did: str
    operator_did: str
    rules: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One registered agent.

    Attributes:
        did: the DID first registered; the key of its chain.
        state: where it stands.
        registered_index: the leaf of its registration.
        registered_ms: that leaf's log time.
        authority_epoch: grows with each change of keys or state, so that what was cached before it is void.
        changed_index: the leaf of the last such change.
        passport_index: the leaf of the live passport, or None.
        passport_event: its event id, or None.
    """

    did: str
    state: AgentState
    registered_index: int
    registered_ms: int
    authority_epoch: int
    changed_index: int
    passport_index: int | None = None
    passport_event: bytes | None = None


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The newest entry of one DID's chain."""

    count: int
    index: int
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class LiveStatement:
    """A vouch, report or passport that stands."""

    index: int
    kind: str
    issuer: str
    subject: str
    context: str | None


@dataclass(frozen=True, slots=True)
class RootList:
    """The agents from whom all voices come, in force from the next epoch on."""

    index: int
    number: int
    roots: tuple[str, ...]
    event_id: bytes


@dataclass(frozen=True, slots=True)
class Epoch:
    """The newest epoch entry.

    Attributes:
        number: from 1.
        index: its leaf.
        tree_size: the leaves that it covers.
        time_ms: its instant, the log time of the last of them.
        root_list_index: the leaf of the root list in force.
        commitment: 32 bytes.
        logged_ms: log time of its own leaf; the next one is due a day after it.
    """

    number: int
    index: int
    tree_size: int
    time_ms: int
    root_list_index: int
    commitment: bytes
    logged_ms: int


@dataclass(frozen=True, slots=True)
class Head:
    """The small facts of the log's end, replaced as a whole by each leaf."""

    size: int = 0
    last_time_ms: int = 0
    genesis: Genesis | None = None
    root_lists: tuple[RootList, ...] = ()
    epoch: Epoch | None = None
    live_vouches_changed: int = 0
    live_vouches: int = 0


@dataclass(frozen=True, slots=True)
class EpochAhead:
    """An epoch that was computed over a draft and waits for its leaf, which must come next.

    Attributes:
        number: of the epoch.
        tree_size: the leaves it covers.
        commitment: what it comes to.
        scores: the draft's scores with the epoch folded in; dropped if another leaf, or none, comes next.
    """

    number: int
    tree_size: int
    commitment: bytes
    scores: ReputationDraft


StatementKey = tuple[str, str, str, str]
"""(kind, issuer, subject, context or the empty string)."""


@dataclass(slots=True)
class Tables:
    """The dictionaries of the state; `LogState` owns them, a `Draft` lays overlays over them."""

    agents: dict[str, Agent] = field(default_factory=dict)
    chains: dict[str, ChainHead] = field(default_factory=dict)
    webvh: dict[str, WebvhState] = field(default_factory=dict)
    documents: dict[str, DidDocument] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    events: dict[bytes, int] = field(default_factory=dict)
    live: dict[bytes, LiveStatement] = field(default_factory=dict)
    newest: dict[StatementKey, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StateChange:
    """An agent's silence before a leaf, kept since the last epoch so that an epoch can look back."""

    index: int
    did: str
    was_silenced: bool


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

    def draft(self) -> Draft:
        """Begin a batch over this state."""
        return Draft(self)

    @property
    def roots_in_force(self) -> tuple[str, ...]:
        """The roots that the newest epoch counted from; empty before the first."""
        epoch = self.head.epoch
        found = [one.roots for one in self.head.root_lists if epoch and one.index == epoch.root_list_index]
        return found[0] if found else ()

    def find_agent(self, did: str) -> Agent | None:
        """Return the agent registered as did, or None."""
        return self.tables.agents.get(did)

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the active key with that id for that purpose (see `Draft.find_key`)."""
        document = self.tables.documents.get(_did_of(verification_method))
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
        self.paths = Overlay(tables.paths)
        self.events = Overlay(tables.events)
        self.live = Overlay(tables.live)
        self.newest = Overlay(tables.newest)
        self._overlays: tuple[Overlay[Any, Any], ...] = (
            self.agents,
            self.chains,
            self.webvh,
            self.documents,
            self.paths,
            self.events,
            self.live,
            self.newest,
        )
        self.reputation: ReputationDraft = state.reputation.draft()
        self.silenced_changes: dict[str, bool] = {}
        self.journal: list[StateChange] = []
        self.times: list[int] = []
        self.epoch_ahead: EpochAhead | None = None
        self._journal_floor = -1

    def find_agent(self, did: str) -> Agent | None:
        """Return the agent registered as did, or None."""
        return self.agents.get(did)

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key with that id if it is active for that purpose in the state as drafted.

        Args:
            verification_method: a DID URL with a fragment.
            purpose: a verification relationship, for example ``assertionMethod``.

        Raises:
            BonafidesError: ``key_not_found`` and the codes of the DID document.

        Spec: FORMATS "Evidence hygiene" (key active means active just before the leaf).
        """
        document = self.documents.get(_did_of(verification_method))
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


def _did_of(verification_method: str) -> str:
    return verification_method.partition("#")[0]


def _find_key(document: DidDocument | None, verification_method: str, purpose: str, at_ms: int) -> BoundKey:
    """Return the key; one that its document calls expired or revoked by the newest leaf's time is not active."""
    if verification_method.startswith("did:key:"):
        return DidKeyLookup().find_key(verification_method, purpose)
    if document is None:
        raise KeyNotFoundError("the keys of this DID are not known here")
    return bind_key(document.find_method(verification_method, purpose, at_ms=at_ms))
