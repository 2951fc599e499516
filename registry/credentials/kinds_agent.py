"""The kinds that speak of agents: what they are, may do and did, and what others say of them.

Most are issued by agents. A ruling and a standing are the registry's word about one, and named like the others because they
are about an agent and travel with it.

Spec: FORMATS "Signed statements", "Evidence hygiene"; specs/kinds/; specs/adr 0014 to 0017.
"""

from __future__ import annotations

from typing import Final

from registry.credentials.kind import (
    ACTION,
    ACTIONS,
    COMMITMENTS,
    INDEX,
    MODEL,
    NUMBER,
    RESOURCES,
    RULES,
    VERSION_ID,
    Kind,
    make_kind,
)
from registry.credentials.members import DID, DIGEST, ORIGIN, SLUG, Integer, ListOf, Object, OneOf, Text

MAX_DEPTH: Final = 7
"""Depth of the last hop that a delegation chain may have; the first one is 0."""
MAX_SCORE_MICROS: Final = 100_000_000

_SLUGS: Final = ListOf(SLUG, 16)
_DEPTH: Final = Integer(0, MAX_DEPTH)
_MICROS: Final = Integer(0, MAX_SCORE_MICROS)
_EAT_NONCE: Final = Text(r"[A-Za-z0-9_-]{11,86}", 86, "nonce of 8 to 64 bytes, base64url without padding")
_DECISION: Final = Text(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", 36, "evaluation id of a decision"
)
_OUTCOME: Final = OneOf(("completed", "failed", "cancelled"))

AGENT_KINDS: Final[tuple[Kind, ...]] = (
    make_kind(
        "AgentPassportCredential",
        "passport",
        Object(
            {
                "id": DID,
                "purpose": SLUG,
                "capabilities": _SLUGS,
                "codeDigest": DIGEST,
                "model": MODEL,
                "runtime": SLUG,
            },
            {"owner": DID, "scope": _SLUGS, "versionId": VERSION_ID, "commitments": COMMITMENTS},
        ),
        signer="agent",
        log_statement=False,
        proofs=(1, 2),
        countersigner="owner",
        subject_rule="self",
        valid_until="optional",
    ),
    make_kind(
        "AgentAffiliationCredential",
        "affiliation",
        Object({"id": DID}, {"role": SLUG, "unit": SLUG, "commitments": COMMITMENTS}),
        signer="any",
        log_statement=False,
        subject_rule="other",
        valid_until="optional",
        proof_expires=False,
        has_status=True,
    ),
    make_kind(
        "AgentCapabilityCredential",
        "capability",
        Object(
            {"id": DID, "actions": ACTIONS},
            {"resources": RESOURCES, "context": SLUG},
        ),
        signer="any",
        logged=False,
        log_statement=False,
        valid_until="required",
        has_status=True,
    ),
    make_kind(
        "AgentVouchCredential",
        "vouch",
        Object({"id": DID, "strength": Integer(1, 100)}, {"context": SLUG, "commitments": COMMITMENTS}),
        signer="agent",
        subject_rule="other",
        proof_expires=False,
    ),
    make_kind(
        "AgentReportCredential",
        "report",
        Object(
            {"id": DID, "severity": Integer(1, 100)},
            {"context": SLUG, "category": SLUG, "commitments": COMMITMENTS},
        ),
        signer="agent",
        subject_rule="other",
        proof_expires=False,
    ),
    make_kind("AgentRevocationCredential", "revocation", Object({"id": DID, "event": DIGEST}), signer="agent"),
    make_kind(
        "AgentDisputeCredential",
        "dispute",
        Object({"id": DID, "event": DIGEST}, {"ground": SLUG, "commitments": COMMITMENTS}),
        signer="agent",
        subject_rule="other",
        proof_expires=False,
    ),
    make_kind(
        "AgentRulingCredential",
        "ruling",
        Object(
            {
                "id": DID,
                "reporter": DID,
                "event": DIGEST,
                "ruling": OneOf(("upheld", "dismissed")),
                "reason": SLUG,
            },
            {"commitments": COMMITMENTS},
        ),
        signer="registry",
        subjects=("id", "reporter"),
        subject_rule="other",
        proof_expires=False,
    ),
    make_kind(
        "AgentReceiptCredential",
        "receipt",
        Object(
            {"id": DID, "action": ACTION, "interactionDigest": DIGEST, "outcome": _OUTCOME},
            {"context": SLUG, "part": OneOf(("consumer", "provider")), "commitments": COMMITMENTS},
        ),
        signer="agent",
        proofs=(2,),
        countersigner="id",
        subject_rule="other",
        proof_expires=False,
    ),
    make_kind(
        "AgentActionRecordCredential",
        "action_record",
        Object(
            {"id": DID, "actionDigest": DIGEST},
            {
                "action": ACTION,
                "context": SLUG,
                "outcome": _OUTCOME,
                "decision": _DECISION,
                "reasoningCommitment": DIGEST,
                "commitments": COMMITMENTS,
            },
        ),
        signer="agent",
        subject_rule="self",
        proof_expires=False,
    ),
    make_kind(
        "AgentAttestationCredential",
        "attestation",
        Object(
            {"id": DID, "evidenceKind": OneOf(("self", "third-party", "hardware")), "eatNonce": _EAT_NONCE},
            {
                "codeDigest": DIGEST,
                "model": MODEL,
                "runtime": SLUG,
                "behaviourDigest": DIGEST,
                "evidenceDigest": DIGEST,
                "appraisal": OneOf(("affirming", "warning", "contraindicated")),
                "commitments": COMMITMENTS,
            },
        ),
        signer="agent",
        proof_expires=False,
    ),
    make_kind(
        "AgentDelegationCredential",
        "delegation",
        Object(
            {"id": DID, "root": DID, "depth": _DEPTH, "maxDepth": _DEPTH, "actions": ACTIONS},
            {
                "parent": DIGEST,
                "resources": RESOURCES,
                "limits": ListOf(Object({"name": SLUG, "maximum": INDEX}), 16, distinct=False),
                "context": SLUG,
            },
        ),
        signer="any",
        logged=False,
        log_statement=False,
        subject_rule="other",
        valid_until="required",
        proof_expires=False,
        has_status=True,
    ),
    make_kind(
        "AgentErasureCredential",
        "erasure_request",
        Object({"id": DID}, {"event": DIGEST}),
        signer="agent",
        logged=False,
        # It orders something, so it is bound to the log and the minute as if it were logged.
        log_statement=True,
        subject_rule="self",
        proof_expires=False,
    ),
    make_kind(
        "AgentStandingCredential",
        "standing",
        Object(
            {
                "id": DID,
                "origin": ORIGIN,
                "state": OneOf(("active", "suspended", "deactivated", "revoked")),
                "scoreMicros": _MICROS,
                "recordMicros": _MICROS,
                "confidenceMicros": INDEX,
                "rules": RULES,
                "treeSize": NUMBER,
                "rootHash": DIGEST,
                "time": INDEX,
            },
            {"context": SLUG},
        ),
        signer="registry",
        logged=False,
        log_statement=False,
        subject_rule="other",
        valid_until="required",
        proof_expires=False,
        has_status=True,
    ),
)
