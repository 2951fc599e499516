"""What a log builder says besides vouches and reports: badges, disputes, rulings, receipts, records, attestations."""

from __future__ import annotations

from typing import Any, Literal

from registry.credentials.issue_evidence import (
    EvidenceKind,
    Measured,
    countersign_receipt,
    issue_action_record,
    issue_affiliation,
    issue_attestation,
    issue_dispute,
    issue_receipt,
)
from registry.credentials.issue_registry import issue_erasure, issue_ruling
from registry.history.sequence import SequencedLeaf
from tests.support.logs import ORIGIN, Actor, LogBuilder, seed


def _now(log: LogBuilder) -> dict[str, Any]:
    return {"uuid": log.uuid(), "now_ms": log.now_ms, "domain": ORIGIN}


def affiliation(log: LogBuilder, issuer: Actor, agent: Actor, **changes: Any) -> dict[str, Any]:
    """Make a badge."""
    now = {"uuid": log.uuid(), "now_ms": log.now_ms}
    return issue_affiliation(**{"signer": issuer.signer, "subject": agent.did, "role": "tester", **now, **changes})


def dispute(log: LogBuilder, issuer: Actor, report: SequencedLeaf, **changes: Any) -> dict[str, Any]:
    """Make a dispute of a logged report."""
    reporter = log.documents[report.index]["issuer"]
    return issue_dispute(
        **{"signer": issuer.signer, "reporter": reporter, "report": report.event_id, **_now(log), **changes}
    )


def ruling(
    log: LogBuilder, disputed: SequencedLeaf, word: Literal["upheld", "dismissed"] = "upheld", **changes: Any
) -> dict[str, Any]:
    """Make the registry's ruling on a logged dispute."""
    document = log.documents[disputed.index]
    members: dict[str, Any] = {
        "signer": log.registry.signer,
        "subject": document["issuer"],
        "reporter": document["credentialSubject"]["id"],
        "dispute": disputed.event_id,
        "ruling": word,
        "reason": "test",
    }
    return issue_ruling(**{**members, **_now(log), **changes})


def erasure(
    log: LogBuilder, agent: Actor, event: SequencedLeaf | bytes | None = None, **changes: Any
) -> dict[str, Any]:
    """Make the registry's erasure of an agent's openings, or of those of one event."""
    members: dict[str, Any] = {
        "signer": log.registry.signer,
        "subject": agent.did,
        "openings": 1,
        "event": event.event_id if isinstance(event, SequencedLeaf) else event,
    }
    return issue_erasure(**{**members, **_now(log), **changes})


def receipt(log: LogBuilder, first: Actor, second: Actor, **changes: Any) -> dict[str, Any]:
    """Make a receipt that both have signed."""
    members: dict[str, Any] = {
        "signer": first.signer,
        "counterparty": second.did,
        "action": "translate",
        "interaction_digest": seed("interaction"),
        "outcome": "completed",
    }
    half = issue_receipt(**{**members, **_now(log), **changes})
    return countersign_receipt(half, signer=second.signer, now_ms=log.now_ms, domain=ORIGIN)


def action_record(log: LogBuilder, actor: Actor, **changes: Any) -> dict[str, Any]:
    """Make an action record."""
    return issue_action_record(**{"signer": actor.signer, "action_digest": seed("action"), **_now(log), **changes})


def attestation(
    log: LogBuilder, issuer: Actor, agent: Actor | None = None, *, kind: EvidenceKind | None = None, **changes: Any
) -> dict[str, Any]:
    """Make an attestation, of oneself unless an agent is named; each has a nonce of its own."""
    uuid = log.uuid()
    members: dict[str, Any] = {
        "signer": issuer.signer,
        "subject": (agent or issuer).did,
        "evidence_kind": kind or ("self" if agent is None else "third-party"),
        "nonce": seed("nonce", uuid)[:16],
        "measured": Measured(code_digest=seed("code"), model={"digest": "A" * 43}),
        "uuid": uuid,
        "now_ms": log.now_ms,
        "domain": ORIGIN,
    }
    return issue_attestation(**{**members, **changes})
