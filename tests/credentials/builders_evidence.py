"""One valid document of each kind that is recorded and shown: badges, disputes, receipts, attestations, delegations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from did_methods.keys import Signer
from registry.credentials.commitments import make_disclosure
from registry.credentials.issue_evidence import (
    Measured,
    countersign_receipt,
    issue_action_record,
    issue_affiliation,
    issue_attestation,
    issue_delegation,
    issue_dispute,
    issue_erasure_request,
    issue_receipt,
)
from registry.credentials.issue_registry import StandingFigures, issue_erasure, issue_ruling, issue_standing
from tests.credentials.parties import (
    AGENT,
    AGENT_DID,
    DIGESTS,
    HOUR_MS,
    NOW_MS,
    ORIGIN,
    OWNER,
    PEER,
    PEER_DID,
    REGISTRY,
    uuid,
)

STATUS = [
    {
        "id": f"https://owner.example/status/3#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": purpose,
        "statusListIndex": str(index),
        "statusListCredential": "https://owner.example/status/3",
    }
    for index, purpose in ((94567, "revocation"), (23452, "suspension"))
]
REASONING = make_disclosure("reasoning", "the invoice was due", salt=DIGESTS[4]).digest
FIGURES = StandingFigures("active", 61_250_000, 70_000_000, 2_500_000, "1", 42, DIGESTS[6], NOW_MS - 1_500, "payments")


def affiliation(**changes: Any) -> dict[str, Any]:
    """Return the owner's badge for the agent, with arguments of `issue_affiliation` replaced."""
    arguments: dict[str, Any] = {
        "signer": OWNER,
        "subject": AGENT_DID,
        "role": "bookkeeper",
        "unit": "finance",
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "valid_until_ms": NOW_MS + HOUR_MS,
        "commitments": [make_disclosure("staff-number", 4711, salt=DIGESTS[0]).digest],
        "status_entries": STATUS[:1],
    }
    return issue_affiliation(**{**arguments, **changes})


def dispute(**changes: Any) -> dict[str, Any]:
    """Return the agent's dispute of its peer's report, with arguments of `issue_dispute` replaced."""
    arguments: dict[str, Any] = {
        "signer": AGENT,
        "reporter": PEER_DID,
        "report": DIGESTS[2],
        "ground": "never-happened",
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "domain": ORIGIN,
    }
    return issue_dispute(**{**arguments, **changes})


def ruling(**changes: Any) -> dict[str, Any]:
    """Return the registry's ruling between agent and peer, with arguments of `issue_ruling` replaced."""
    arguments: dict[str, Any] = {
        "signer": REGISTRY,
        "subject": AGENT_DID,
        "reporter": PEER_DID,
        "dispute": DIGESTS[3],
        "ruling": "upheld",
        "reason": "no-evidence",
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "domain": ORIGIN,
    }
    return issue_ruling(**{**arguments, **changes})


def half_receipt(**changes: Any) -> dict[str, Any]:
    """Return a receipt that only the agent has signed, with arguments of `issue_receipt` replaced."""
    arguments: dict[str, Any] = {
        "signer": AGENT,
        "counterparty": PEER_DID,
        "action": "translate.text",
        "interaction_digest": DIGESTS[5],
        "outcome": "completed",
        "context": "translation",
        "part": "provider",
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "domain": ORIGIN,
    }
    return issue_receipt(**{**arguments, **changes})


def receipt(**changes: Any) -> dict[str, Any]:
    """Return a receipt that agent and peer have signed."""
    return countersign_receipt(half_receipt(**changes), signer=PEER, now_ms=NOW_MS, domain=ORIGIN)


def action_record(**changes: Any) -> dict[str, Any]:
    """Return the agent's action record, with arguments of `issue_action_record` replaced."""
    arguments: dict[str, Any] = {
        "signer": AGENT,
        "action_digest": DIGESTS[7],
        "action": "payments.refund",
        "outcome": "completed",
        "decision": "0190c7de-7a2f-4c11-8a55-0f5a2a9d1c77",
        "reasoning_commitment": REASONING,
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "domain": ORIGIN,
    }
    return issue_action_record(**{**arguments, **changes})


def attestation(**changes: Any) -> dict[str, Any]:
    """Return the agent's attestation of itself, with arguments of `issue_attestation` replaced."""
    arguments: dict[str, Any] = {
        "signer": AGENT,
        "subject": AGENT_DID,
        "evidence_kind": "self",
        "nonce": bytes(range(16)),
        "measured": Measured(
            DIGESTS[0], {"provider": "example", "name": "model-7b/2026.11"}, "python-3-11", DIGESTS[1]
        ),
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "domain": ORIGIN,
    }
    return issue_attestation(**{**arguments, **changes})


def hardware_attestation(**changes: Any) -> dict[str, Any]:
    """Return the peer's appraisal of the agent's hardware evidence."""
    arguments: dict[str, Any] = {
        "signer": PEER,
        "evidence_kind": "hardware",
        "measured": Measured(code_digest=DIGESTS[0], model={"digest": "A" * 43}, evidence_digest=DIGESTS[3]),
        "appraisal": "affirming",
    }
    return attestation(**{**arguments, **changes})


def delegation(**changes: Any) -> dict[str, Any]:
    """Return the owner's delegation to the agent, with arguments of `issue_delegation` replaced."""
    arguments: dict[str, Any] = {
        "signer": OWNER,
        "subject": AGENT_DID,
        "actions": ["payments.*"],
        "resources": [{"type": "invoice", "id": "2026/*"}],
        "limits": {"amount-cents": 5_000, "per-day": 20},
        "max_depth": 2,
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "valid_until_ms": NOW_MS + HOUR_MS,
        "status_entries": STATUS,
    }
    return issue_delegation(**{**arguments, **changes})


def second_hop(**changes: Any) -> dict[str, Any]:
    """Return the agent's delegation to its peer of what the owner delegated to it."""
    arguments: dict[str, Any] = {
        "signer": AGENT,
        "subject": PEER_DID,
        "parent": delegation(),
        "actions": ["payments.read"],
        "max_depth": 1,
        "valid_until_ms": NOW_MS + HOUR_MS // 2,
        "status_entries": (),
    }
    return delegation(**{**arguments, **changes})


def standing(**changes: Any) -> dict[str, Any]:
    """Return the agent's standing, with arguments of `issue_standing` replaced."""
    arguments: dict[str, Any] = {
        "signer": REGISTRY,
        "subject": AGENT_DID,
        "origin": ORIGIN,
        "figures": FIGURES,
        "uuid": uuid(),
        "created_ms": NOW_MS,
        "valid_until_ms": NOW_MS + HOUR_MS,
    }
    return issue_standing(**{**arguments, **changes})


def erasure(**changes: Any) -> dict[str, Any]:
    """Return the registry's erasure of the openings of one event, with arguments of `issue_erasure` replaced."""
    arguments: dict[str, Any] = {
        "signer": REGISTRY,
        "subject": AGENT_DID,
        "openings": 2,
        "event": DIGESTS[3],
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "domain": ORIGIN,
    }
    return issue_erasure(**{**arguments, **changes})


def erasure_request(**changes: Any) -> dict[str, Any]:
    """Return the agent's order to erase the openings of one event, with arguments of `issue_erasure_request` replaced."""
    arguments: dict[str, Any] = {
        "signer": AGENT,
        "event": DIGESTS[3],
        "uuid": uuid(),
        "now_ms": NOW_MS,
        "domain": ORIGIN,
    }
    return issue_erasure_request(**{**arguments, **changes})


EVIDENCE: dict[str, tuple[Signer, Callable[[], dict[str, Any]]]] = {
    "affiliation": (OWNER, affiliation),
    "dispute": (AGENT, dispute),
    "ruling": (REGISTRY, ruling),
    "receipt": (AGENT, receipt),
    "action_record": (AGENT, action_record),
    "attestation": (AGENT, attestation),
    "hardware_attestation": (PEER, hardware_attestation),
    "delegation": (OWNER, delegation),
    "delegation_second_hop": (AGENT, second_hop),
    "standing": (REGISTRY, standing),
    "erasure": (REGISTRY, erasure),
    "erasure_request": (AGENT, erasure_request),
}
