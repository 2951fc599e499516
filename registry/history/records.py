"""The records that the folded log consists of: agents, chains, live statements, epochs, the log's end. They do nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from registry.reputation.continuity import NEW_CONTROL, Control
from registry.reputation.draft import Draft as ReputationDraft

AgentState = Literal["active", "suspended", "deactivated", "revoked"]
DisputeState = Literal["open", "upheld", "dismissed"]
SELF_CERTIFYING = frozenset({"key", "jwk"})
"""Methods whose DIDs are their keys: nothing has to be published or observed to know them."""


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
        control: what is remembered of who holds the identity.
    """

    did: str
    state: AgentState
    registered_index: int
    registered_ms: int
    authority_epoch: int
    changed_index: int
    passport_index: int | None = None
    passport_event: bytes | None = None
    control: Control = NEW_CONTROL


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The newest entry of one DID's chain."""

    count: int
    index: int
    leaf_hash: bytes


class LiveStatement(NamedTuple):
    """A vouch, report, passport, affiliation, attestation or open dispute that stands; its index is that of its event.

    No two of the same kind, issuer, subject and context stand, so it is its own key. A named tuple, because a start makes
    one for each. The context of a dispute is that of the report it is about.
    """

    kind: str
    issuer: str
    subject: str
    context: str | None


@dataclass(frozen=True, slots=True)
class Dispute:
    """What the subject of a live report says against it, and what was ruled.

    Attributes:
        event_id: of the dispute, 32 bytes.
        index: its leaf.
        time_ms: that leaf's log time.
        issuer: who was reported, canonical DID.
        reporter: who reported, canonical DID.
        state: ``open`` until the ruling.
        ruling_index: the leaf of the ruling, or None.
        ruling_event: its event id, or None.
    """

    event_id: bytes
    index: int
    time_ms: int
    issuer: str
    reporter: str
    state: DisputeState = "open"
    ruling_index: int | None = None
    ruling_event: bytes | None = None


@dataclass(frozen=True, slots=True)
class Attestation:
    """The newest attestation of one issuer about one agent.

    Attributes:
        index: its leaf.
        time_ms: that leaf's log time, from which its freshness counts.
        issuer: who attests, canonical DID.
        subject: whom, canonical DID.
        evidence_kind: ``self``, ``third-party`` or ``hardware``.
        nonce: base64url, as it was asked for.
        code_digest: base64url, or None.
        model: canonical JSON of the model, or None.
        runtime: slug, or None.
        behaviour_digest: base64url, or None.
        evidence_digest: base64url, or None.
        appraisal: what a third party makes of it, or None.
    """

    index: int
    time_ms: int
    issuer: str
    subject: str
    evidence_kind: str
    nonce: str
    code_digest: str | None = None
    model: str | None = None
    runtime: str | None = None
    behaviour_digest: str | None = None
    evidence_digest: str | None = None
    appraisal: str | None = None


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
class WitnessAhead:
    """Witness proofs in the log whose entry is the next leaf.

    Attributes:
        version_id: of the entry.
        witnesses: did:key DIDs that approved it.
    """

    version_id: str
    witnesses: tuple[str, ...]


class Head(NamedTuple):
    """The small facts of the log's end, replaced as a whole by each leaf: a named tuple, because that costs the least."""

    size: int = 0
    last_time_ms: int = 0
    genesis: Genesis | None = None
    root_lists: tuple[RootList, ...] = ()
    epoch: Epoch | None = None
    live_vouches_changed: int = 0
    live_vouches: int = 0
    witness_ahead: WitnessAhead | None = None


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
