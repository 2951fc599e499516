"""The folded state as bytes and back: a cache beside the log, so that a start need not fold all of it.

Nothing trusts a snapshot that does not belong to the stored log: whoever loads one compares size and root first.
Format ``bonafides/state/5``: one canonical JSON document; the score's tables ride in it as base64url.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.webvh_state import WebvhState
from registry.errors import ParseError
from registry.history.observation import Observation, ObservedKey, observed_document
from registry.history.state import (
    Agent,
    Attestation,
    ChainHead,
    Dispute,
    Epoch,
    Genesis,
    Head,
    LiveStatement,
    LogState,
    RootList,
    StateChange,
    Tables,
    WitnessAhead,
    scid_of,
)
from registry.reputation.continuity import NEW_CONTROL, ClassifiedChange, Control
from registry.reputation.state import ReputationState

FORMAT = "bonafides/state/5"
MAX_BYTES = 4 << 30
MAX_NODES = 1 << 31
MAX_DEPTH = 64
"""A DID document is as deep as submitted JSON may be, and lies three levels deep in a snapshot."""


class SnapshotFormatError(ParseError):
    """The snapshot was written by another version; it is made anew from the log."""

    code = "snapshot_malformed"
    title = "Not a snapshot of this version"


def dump_state(state: LogState) -> bytes:
    """Return the state as bytes; `load_state` gives an equal one."""
    tables = state.tables
    head = state.head
    document: dict[str, Any] = {
        "format": FORMAT,
        "head": {
            "size": head.size,
            "lastTime": head.last_time_ms,
            "genesis": asdict(head.genesis) if head.genesis else None,
            "roots": [[r.index, r.number, list(r.roots), base64url_encode(r.event_id)] for r in head.root_lists],
            "epoch": None if head.epoch is None else _epoch_wire(head.epoch),
            "changed": head.live_vouches_changed,
            "live": head.live_vouches,
            "witness": None if head.witness_ahead is None else _listed(asdict(head.witness_ahead)),
        },
        "agents": [_agent_wire(agent) for agent in tables.agents.values()],
        "chains": [[did, c.count, c.index, base64url_encode(c.leaf_hash)] for did, c in tables.chains.items()],
        "webvh": [[did, one.to_wire()] for did, one in tables.webvh.items()],
        "observations": [[did, *_observation_wire(one)] for did, one in tables.observations.items()],
        "aliases": tables.aliases,
        "paths": tables.paths,
        "events": [[base64url_encode(event), index] for event, index in tables.events.items()],
        "live": [
            [base64url_encode(event), s.index, s.kind, s.issuer, s.subject, s.context]
            for event, s in tables.live.items()
        ],
        "disputes": [[base64url_encode(report), *_dispute_wire(one)] for report, one in tables.disputes.items()],
        "attestations": [[base64url_encode(event), asdict(one)] for event, one in tables.attestations.items()],
        "erasedAgents": tables.erased_agents,
        "erasedEvents": [[base64url_encode(event), index] for event, index in tables.erased_events.items()],
        "silenced": sorted(state.silenced),
        "journal": [[c.index, c.did, c.was_silenced] for c in state.journal],
        "times": state.times,
        "timesFrom": state.times_from,
        "reputation": base64url_encode(state.reputation.dump()),
    }
    return canonicalize(document)


def load_state(data: bytes) -> LogState:
    """Return the state that `dump_state` wrote.

    Raises:
        SnapshotFormatError: ``snapshot_malformed``.
    """
    document = parse_json_object(data, max_bytes=MAX_BYTES, max_nodes=MAX_NODES, max_depth=MAX_DEPTH)
    if document.get("format") != FORMAT:
        raise SnapshotFormatError
    webvh = {did: WebvhState.from_wire(one) for did, one in document["webvh"]}
    observations = {row[0]: _observation_from(row) for row in document["observations"]}
    live = {base64url_decode(row[0]): LiveStatement(*row[1:]) for row in document["live"]}
    tables = Tables(
        agents={row[0]: _agent_from(row) for row in document["agents"]},
        chains={row[0]: ChainHead(row[1], row[2], base64url_decode(row[3])) for row in document["chains"]},
        webvh=webvh,
        documents={did: one.document for did, one in webvh.items() if not one.deactivated}
        | {did: observed_document(did, one.keys) for did, one in observations.items()},
        observations=observations,
        paths=dict(document["paths"]),
        aliases=dict(document["aliases"]),
        logs=_logs(webvh, observations),
        events={base64url_decode(row[0]): row[1] for row in document["events"]},
        live=live,
        newest={(s.kind, s.issuer, s.subject, s.context or ""): event for event, s in live.items()},
        disputes={base64url_decode(row[0]): _dispute_from(row) for row in document["disputes"]},
        attestations={base64url_decode(event): Attestation(**one) for event, one in document["attestations"]},
        erased_agents=dict(document["erasedAgents"]),
        erased_events={base64url_decode(event): index for event, index in document["erasedEvents"]},
    )
    return LogState(
        head=_head_from(document["head"]),
        tables=tables,
        reputation=ReputationState.load(base64url_decode(document["reputation"], max_chars=MAX_BYTES)),
        silenced=set(document["silenced"]),
        journal=[StateChange(*row) for row in document["journal"]],
        times=list(document["times"]),
        times_from=document["timesFrom"],
    )


def _logs(webvh: Mapping[str, WebvhState], observations: Mapping[str, Observation]) -> dict[str, str]:
    """Return what each SCID first came as: no log that is hosted here was observed elsewhere before."""
    logs = {one.scid: did for did, one in webvh.items()}
    for did in observations:
        if scid_of(did):
            logs.setdefault(scid_of(did), did)
    return logs


def _epoch_wire(epoch: Epoch) -> list[Any]:
    return [
        epoch.number,
        epoch.index,
        epoch.tree_size,
        epoch.time_ms,
        epoch.root_list_index,
        base64url_encode(epoch.commitment),
        epoch.logged_ms,
    ]


def _observation_wire(one: Observation) -> list[Any]:
    keys = [[key.id, key.multikey, list(key.purposes)] for key in one.keys]
    return [one.index, one.time_ms, one.observed_ms, one.source, one.document_digest, one.version_id, keys]


def _observation_from(row: list[Any]) -> Observation:
    keys = tuple(ObservedKey(key[0], key[1], tuple(key[2])) for key in row[7])
    return Observation(row[1], row[2], row[3], row[4], row[5], row[6], keys)


def _dispute_wire(one: Dispute) -> list[Any]:
    ruling = None if one.ruling_event is None else base64url_encode(one.ruling_event)
    event = base64url_encode(one.event_id)
    return [event, one.index, one.time_ms, one.issuer, one.reporter, one.state, one.ruling_index, ruling]


def _dispute_from(row: list[Any]) -> Dispute:
    event, index, time_ms, issuer, reporter, state, ruling_index, ruling = row[1:]
    ruled = None if ruling is None else base64url_decode(ruling)
    return Dispute(base64url_decode(event), index, time_ms, issuer, reporter, state, ruling_index, ruled)


def _agent_wire(agent: Agent) -> list[Any]:
    passport = None if agent.passport_event is None else base64url_encode(agent.passport_event)
    return [
        agent.did,
        agent.state,
        agent.registered_index,
        agent.registered_ms,
        agent.authority_epoch,
        agent.changed_index,
        agent.passport_index,
        passport,
        None if agent.control is NEW_CONTROL else _listed(asdict(agent.control)),
    ]


def _agent_from(row: list[Any]) -> Agent:
    passport = None if row[7] is None else base64url_decode(row[7])
    control = NEW_CONTROL if row[8] is None else _control_from(row[8])
    return Agent(row[0], row[1], row[2], row[3], row[4], row[5], row[6], passport, control)


def _listed(value: Any) -> Any:
    """Return a value with its tuples as lists, which JSON knows."""
    match value:
        case dict():
            return {name: _listed(item) for name, item in value.items()}
        case tuple() | list():
            return [_listed(item) for item in value]
        case _:
            return value


def _control_from(wire: dict[str, Any]) -> Control:
    texts = {name: tuple(wire[name]) for name in ("confirmed_keys", "reserve", "base_keys", "signs")}
    carried = None if wire["carried"] is None else _change_from(wire["carried"])
    return Control(**{**wire, **texts, "carried": carried, "changes": tuple(map(_change_from, wire["changes"]))})


def _change_from(wire: dict[str, Any]) -> ClassifiedChange:
    return ClassifiedChange(**{**wire, "reasons": tuple(wire["reasons"])})


def _head_from(wire: dict[str, Any]) -> Head:
    epoch = wire["epoch"]
    return Head(
        size=wire["size"],
        last_time_ms=wire["lastTime"],
        genesis=Genesis(**wire["genesis"]) if wire["genesis"] else None,
        root_lists=tuple(RootList(r[0], r[1], tuple(r[2]), base64url_decode(r[3])) for r in wire["roots"]),
        epoch=None if epoch is None else Epoch(*[*epoch[:5], base64url_decode(epoch[5]), epoch[6]]),
        live_vouches_changed=wire["changed"],
        live_vouches=wire["live"],
        witness_ahead=_witness_from(wire["witness"]),
    )


def _witness_from(wire: dict[str, Any] | None) -> WitnessAhead | None:
    return None if wire is None else WitnessAhead(wire["version_id"], tuple(wire["witnesses"]))
