"""What the state map says of each subject of the log: a small canonical record that follows from the fold alone.

Subjects are DIDs that have a chain or are another name of one that has, and the statements that are live. A draft knows
which of them its leaves touched, so that a map is kept up to date by them alone; the audit computes the same from a replay.
Scores are no part of a record: they follow from the entries and an instant, and change without an entry.

Spec: specs/state-map.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from did_methods.document import DidDocument
from did_methods.webvh_state import WebvhState
from registry.history.observation import Observation
from registry.history.records import Agent, ChainHead, Dispute, LiveStatement
from registry.history.state import Draft, Tables
from registry.log.state_subject import DID_STATE_FORMAT, STATEMENT_STATE_FORMAT, event_subject
from registry.reputation.continuity import ClassifiedChange

K_contra = TypeVar("K_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class Lookup(Protocol[K_contra, V_co]):
    """A table that is read: a dictionary, or a draft's overlay over one."""

    def get(self, key: K_contra, /) -> V_co | None:
        """Return the value, or None."""
        ...


class StateView(Protocol):
    """What records are read from: a `Draft`, or the `Tables` of a `LogState`."""

    @property
    def agents(self) -> Lookup[str, Agent]: ...  # noqa: D102 - as in `Tables`
    @property
    def chains(self) -> Lookup[str, ChainHead]: ...  # noqa: D102
    @property
    def webvh(self) -> Lookup[str, WebvhState]: ...  # noqa: D102
    @property
    def documents(self) -> Lookup[str, DidDocument]: ...  # noqa: D102
    @property
    def observations(self) -> Lookup[str, Observation]: ...  # noqa: D102
    @property
    def aliases(self) -> Lookup[str, str]: ...  # noqa: D102
    @property
    def events(self) -> Lookup[bytes, int]: ...  # noqa: D102
    @property
    def live(self) -> Lookup[bytes, LiveStatement]: ...  # noqa: D102
    @property
    def disputes(self) -> Lookup[bytes, Dispute]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class DidState:
    """What the log says of a DID; holds what the fold holds, and costs nothing until it is written.

    Attributes:
        did: as it stands in the map.
        agent_did: the DID under which it first came; another one where `did` is a later name.
        chain: its newest entry; None for a name without entries of its own.
        agent: where it stands; None where it is not registered, or is a later name.
        webvh: its hosted log; None without one.
        document: its document; None where none is known, and for DIDs that are their own keys.
        observation: the newest observation of a DID that lives elsewhere; None without one.
    """

    did: str
    agent_did: str
    chain: ChainHead | None
    agent: Agent | None
    webvh: WebvhState | None
    document: DidDocument | None
    observation: Observation | None

    def to_wire(self) -> dict[str, Any]:
        """Return the record.

        Spec: specs/state-map.md "State of a DID"
        """
        chain = self.chain
        record: dict[str, Any] = {
            "format": DID_STATE_FORMAT,
            "did": self.did,
            "agent": self.agent_did,
            "chain": chain and {"count": chain.count, "index": chain.index, "leafHash": _hash_text(chain.leaf_hash)},
        }
        if self.agent_did == self.did:
            record |= self._agent_wire() | {
                "name": self.did if self.webvh is None else self.webvh.did,
                "keys": self._keys_wire(),
            }
        return record

    def _agent_wire(self) -> dict[str, Any]:
        agent = self.agent
        if agent is None:
            return {"state": None}
        event = agent.passport_event
        return {
            "state": agent.state,
            "registered": {"index": agent.registered_index, "time": agent.registered_ms},
            "authorityEpoch": agent.authority_epoch,
            "changed": agent.changed_index,
            "passport": event and {"index": agent.passport_index, "event": _hash_text(event)},
            "control": {"last": _change_wire(agent.control.last), "carried": _change_wire(agent.control.carried)},
        }

    def _keys_wire(self) -> dict[str, Any] | None:
        """Return which keys speak for the DID; None for a DID that is its own key, or of which none are known."""
        keys = key_set(self.document)
        if self.webvh is not None:
            return {"source": "log", "versionId": self.webvh.version_id, "list": keys}
        if self.observation is not None:
            return {"source": "observed", "versionId": self.observation.version_id, "list": keys}
        return None


@dataclass(frozen=True, slots=True)
class StatementState:
    """A statement that stands.

    Attributes:
        event_id: 32 bytes.
        index: its leaf.
        live: who said what of whom.
        dispute: what is said against it, of a report; None where nothing is.
    """

    event_id: bytes
    index: int
    live: LiveStatement
    dispute: Dispute | None

    def to_wire(self) -> dict[str, Any]:
        """Return the record.

        Spec: specs/state-map.md "State of a statement"
        """
        live, dispute = self.live, self.dispute
        return {
            "format": STATEMENT_STATE_FORMAT,
            "event": _hash_text(self.event_id),
            "index": self.index,
            "kind": live.kind,
            "issuer": live.issuer,
            "subject": live.subject,
            "context": live.context,
            "dispute": dispute
            and {
                "event": _hash_text(dispute.event_id),
                "index": dispute.index,
                "state": dispute.state,
                "ruling": dispute.ruling_index,
            },
        }


SubjectState = DidState | StatementState


def record_of(state: SubjectState) -> bytes:
    """Return the record of a subject, JCS bytes; the map holds their SHA-256."""
    return canonicalize(state.to_wire())


def all_states(tables: Tables) -> dict[str, SubjectState | None]:
    """Return every subject of a folded log."""
    return read_states(tables, {*tables.chains, *tables.aliases}, set(tables.live))


def touched_states(draft: Draft) -> dict[str, SubjectState | None]:
    """Return every subject that a draft's leaves touched as it is after them; None for one that is there no more.

    Args:
        draft: before it is committed; afterwards it has forgotten.
    """
    dids = draft.chains.changes.keys() | draft.agents.changes.keys() | draft.aliases.changes.keys()
    dids |= draft.webvh.changes.keys() | draft.documents.changes.keys() | draft.observations.changes.keys()
    events = draft.live.changes.keys() | draft.disputes.changes.keys()
    return read_states(draft, dids, events)


def changed_states(
    tables: Tables, *, since: int, live_before: set[bytes] | frozenset[bytes]
) -> dict[str, SubjectState | None]:
    """Return every subject that may have changed since a size, and perhaps some that have not.

    Whatever changes a subject stands in the chain of a DID that it is about, so that the newest entries of the chains
    tell. Only statements that ended left nothing to look at.

    Args:
        tables: of the folded log.
        since: number of entries that the map has been brought up to.
        live_before: event ids of the statements that stand in the map.
    """
    moving = {did for did, chain in tables.chains.items() if chain.index >= since}
    names = {name for name, did in tables.aliases.items() if did in moving}
    events = {event for event, one in tables.live.items() if one.issuer in moving or one.subject in moving}
    return read_states(tables, moving | names, events | (live_before - tables.live.keys()))


def read_states(
    view: StateView, dids: set[str] | frozenset[str], events: set[bytes] | frozenset[bytes]
) -> dict[str, SubjectState | None]:
    """Return subjects by their names in the map; None for one of which the log holds nothing.

    Args:
        view: the fold.
        dids: canonical, or other names.
        events: ids, 32 bytes each.
    """
    states: dict[str, SubjectState | None] = {did: read_did(view, did) for did in dids}
    for event_id in events:
        states[event_subject(event_id)] = read_statement(view, event_id)
    return states


def read_did(view: StateView, did: str) -> DidState | None:
    """Return what the log says of a DID, or None where it has no entry and is nobody's other name."""
    chain, agent_did = view.chains.get(did), view.aliases.get(did)
    if agent_did is not None:
        return DidState(did, agent_did, chain, None, None, None, None)
    if chain is None:
        return None
    documents = view.webvh.get(did), view.documents.get(did), view.observations.get(did)
    return DidState(did, did, chain, view.agents.get(did), *documents)


def read_statement(view: StateView, event_id: bytes) -> StatementState | None:
    """Return a statement that stands, or None where it does not stand, or not any more."""
    live, index = view.live.get(event_id), view.events.get(event_id)
    return None if live is None or index is None else StatementState(event_id, index, live, view.disputes.get(event_id))


def key_set(document: DidDocument | None) -> list[dict[str, Any]]:
    """Return the keys that a document lets speak, sorted by id.

    Args:
        document: None gives no keys.

    Spec: specs/state-map.md "Keys"
    """
    if document is None:
        return []
    keys = []
    for method in document.methods:
        if method.public_key is None or method.controller != document.id:
            continue
        purposes = sorted(purpose for purpose, ids in document.relationships.items() if method.id in ids)
        ends = [one for one in (method.expires_ms, method.revoked_ms) if one is not None]
        keys.append(
            {
                "id": method.id,
                "publicKeyMultibase": method.public_key.multikey,
                "purposes": purposes,
                "until": min(ends, default=None),
            }
        )
    return sorted(keys, key=lambda key: str(key["id"]))


def _change_wire(change: ClassifiedChange | None) -> dict[str, Any] | None:
    return None if change is None else {"class": change.continuity, "index": change.index, "time": change.time_ms}


def _hash_text(digest: bytes) -> str:
    return base64url_encode(digest)
