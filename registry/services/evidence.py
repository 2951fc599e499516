"""What is recorded of agents and counts in no score: badges, attestations, disputes with their rulings. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_encode, parse_json
from registry.history.errors import AgentUnknownError
from registry.history.records import Attestation, Dispute, LiveStatement
from registry.services.sequencer import Sequencer


@dataclass(frozen=True, slots=True)
class Evidence:
    """What stands about one agent, oldest first.

    Attributes:
        did: canonical DID.
        affiliations: event id and badge, of every issuer.
        attestations: event id and the newest attestation of every issuer.
        disputes: event id of the report, and what the agent says against it.
        disputed: the same for its own reports that others dispute.
        issuer_states: what the issuers of badges and attestations are now.
    """

    did: str
    affiliations: tuple[tuple[bytes, int, LiveStatement], ...]
    attestations: tuple[tuple[bytes, Attestation], ...]
    disputes: tuple[tuple[bytes, Dispute], ...]
    disputed: tuple[tuple[bytes, Dispute], ...]
    issuer_states: Mapping[str, str]


def evidence_about(sequencer: Sequencer, did: str) -> Evidence:
    """Return what stands about an agent.

    Args:
        sequencer: whose state is read.
        did: any name of the agent.

    Raises:
        AgentUnknownError: ``agent_unknown``.
    """
    state = sequencer.state
    agent = state.find_agent(did)
    if agent is None:
        raise AgentUnknownError
    tables, did = state.tables, agent.did
    # Copied in one step each and searched without the lock: a reader of a long log does not hold up the writer.
    live, attestations, disputes = (
        list(tables.live.items()),
        list(tables.attestations.items()),
        list(tables.disputes.items()),
    )
    badges = tuple(
        (event, tables.events[event], one) for event, one in live if one.kind == "affiliation" and one.subject == did
    )
    attested = tuple(item for item in attestations if item[1].subject == did)
    own = tuple(item for item in disputes if item[1].issuer == did)
    others = tuple(item for item in disputes if item[1].reporter == did)
    issuers = {one.issuer for _, _, one in badges} | {one.issuer for _, one in attested}
    return Evidence(did, badges, attested, own, others, {one: tables.agents[one].state for one in issuers})


def evidence_wire(evidence: Evidence) -> dict[str, Any]:
    """Return it as JSON; what a badge says more is in its event."""
    return {
        "did": evidence.did,
        "affiliations": [
            {
                "event": base64url_encode(event),
                "index": index,
                "issuer": one.issuer,
                "issuerState": evidence.issuer_states[one.issuer],
            }
            for event, index, one in evidence.affiliations
        ],
        "attestations": [
            {"event": base64url_encode(event), "issuerState": evidence.issuer_states[one.issuer], **_attestation(one)}
            for event, one in evidence.attestations
        ],
        "disputes": [dispute_wire(report, one) for report, one in evidence.disputes],
        "disputed": [dispute_wire(report, one) for report, one in evidence.disputed],
    }


def dispute_wire(report: bytes, one: Dispute) -> dict[str, Any]:
    """Return a dispute and what was ruled as JSON."""
    return {
        "report": base64url_encode(report),
        "event": base64url_encode(one.event_id),
        "index": one.index,
        "time": one.time_ms,
        "issuer": one.issuer,
        "reporter": one.reporter,
        "state": one.state,
        "ruling": None if one.ruling_event is None else base64url_encode(one.ruling_event),
        "rulingIndex": one.ruling_index,
    }


def _attestation(one: Attestation) -> dict[str, Any]:
    said = {
        "codeDigest": one.code_digest,
        "model": None if one.model is None else parse_json(one.model.encode()),
        "runtime": one.runtime,
        "behaviourDigest": one.behaviour_digest,
        "evidenceDigest": one.evidence_digest,
        "appraisal": one.appraisal,
    }
    return {
        "index": one.index,
        "time": one.time_ms,
        "issuer": one.issuer,
        "evidenceKind": one.evidence_kind,
        "eatNonce": one.nonce,
        **{name: value for name, value in said.items() if value is not None},
    }
