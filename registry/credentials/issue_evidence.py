"""What agents say of one another's doings: badges, disputes, receipts, action records, attestations, delegations.

Built, signed and checked like the kinds in ``issue.py``; draws no randomness and reads no clock.

Spec: VC-DATA-MODEL-2.0 4; specs/kinds/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from did_methods.keys import Signer
from registry.credentials.form_errors import DelegationDepthError, SubjectIsIssuerError
from registry.credentials.issue import build_credential, issue_credential, signer_did
from registry.credentials.kinds import KINDS_BY_NAME
from registry.credentials.model import parse_credential
from registry.credentials.refusal import credential_refusal

Outcome: TypeAlias = Literal["completed", "failed", "cancelled"]
EvidenceKind: TypeAlias = Literal["self", "third-party", "hardware"]
Appraisal: TypeAlias = Literal["affirming", "warning", "contraindicated"]


def issue_affiliation(
    *,
    signer: Signer,
    subject: str,
    uuid: str,
    now_ms: int,
    role: str | None = None,
    unit: str | None = None,
    valid_until_ms: int | None = None,
    commitments: Sequence[str] = (),
    status_entries: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Issue an affiliation: the signer, an organisation, says that an agent is one of its own.

    Args:
        signer: a key of the organisation.
        subject: DID of the agent.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        role: what the agent is there, a slug.
        unit: the part of the organisation, a slug.
        valid_until_ms: milliseconds since the epoch; None for no end.
        commitments: disclosure digests; sorted here.
        status_entries: at most two entries of status lists.

    Raises:
        ParseError: subject_is_issuer and the other codes of `parse_credential`.

    Spec: specs/kinds/affiliation.md
    """
    members = {"id": subject, "role": role, "unit": unit, "commitments": sorted(commitments) or None}
    return issue_credential(
        "affiliation",
        signer=signer,
        subject=members,
        uuid=uuid,
        now_ms=now_ms,
        valid_until_ms=valid_until_ms,
        status_entries=status_entries,
    )


def issue_erasure_request(
    *, signer: Signer, uuid: str, now_ms: int, domain: str, event: bytes | None = None
) -> dict[str, Any]:
    """Issue an order to a registry: erase the openings of one event, or all that the signer is a party to.

    Args:
        signer: a key of the agent.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.
        event: event id, 32 bytes; None for everything.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: specs/kinds/erasure_request.md
    """
    members = {"id": signer_did(signer), "event": None if event is None else base64url_encode(event)}
    return issue_credential("erasure_request", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_dispute(
    *,
    signer: Signer,
    reporter: str,
    report: bytes,
    uuid: str,
    now_ms: int,
    domain: str,
    ground: str | None = None,
    commitments: Sequence[str] = (),
) -> dict[str, Any]:
    """Issue a dispute: the signer says that a report about it is wrong.

    Args:
        signer: a key of the agent that was reported.
        reporter: DID of the agent that made the report.
        report: event id of the report, 32 bytes.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.
        ground: why, a slug; particulars go into commitments.
        commitments: disclosure digests; sorted here.

    Raises:
        ParseError: subject_is_issuer and the other codes of `parse_credential`.

    Spec: specs/kinds/dispute.md
    """
    members = {
        "id": reporter,
        "event": base64url_encode(report),
        "ground": ground,
        "commitments": sorted(commitments) or None,
    }
    return issue_credential("dispute", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_receipt(
    *,
    signer: Signer,
    counterparty: str,
    action: str,
    interaction_digest: bytes,
    outcome: Outcome,
    uuid: str,
    now_ms: int,
    domain: str,
    context: str | None = None,
    part: Literal["consumer", "provider"] | None = None,
    commitments: Sequence[str] = (),
) -> dict[str, Any]:
    """Issue one half of a receipt; it is complete after `countersign_receipt`.

    Args:
        signer: a key of one party.
        counterparty: DID of the other one.
        action: action name.
        interaction_digest: SHA-256 of what both hold as the record of the interaction, 32 bytes.
        outcome: how it ended.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.
        context: capability domain, a slug.
        part: which part the signer had.
        commitments: disclosure digests; sorted here.

    Raises:
        ParseError: subject_is_issuer, subject_member_invalid and the other codes of a document's form.

    Spec: specs/kinds/receipt.md
    """
    members = {
        "id": counterparty,
        "action": action,
        "interactionDigest": base64url_encode(interaction_digest),
        "outcome": outcome,
        "context": context,
        "part": part,
        "commitments": sorted(commitments) or None,
    }
    kind = KINDS_BY_NAME["receipt"]
    document = build_credential(kind, issuer=signer_did(signer), subject=members, uuid=uuid, valid_from_ms=now_ms)
    half = sign_document(document, signer=signer, created=now_ms, domain=domain, append=True)
    found = kind.document.find_violation(half)
    if found is not None and found.path != ("proof",):  # all that a half may lack is the other proof
        raise credential_refusal(kind, half)
    if counterparty == signer_did(signer):
        raise SubjectIsIssuerError
    return half


def countersign_receipt(document: dict[str, Any], *, signer: Signer, now_ms: int, domain: str) -> dict[str, Any]:
    """Add the other party's proof to a receipt that names it.

    The caller has looked at what it signs: action, digest, outcome and log.

    Args:
        document: what `issue_receipt` returned.
        signer: a key of the counterparty.
        now_ms: milliseconds since the epoch.
        domain: the log's origin, as the caller knows it.

    Raises:
        ParseError: proof_signers_invalid where the signer is not the party named, and the codes of `parse_credential`.

    Spec: VC-DATA-INTEGRITY 2.1.1; specs/kinds/receipt.md
    """
    signed = sign_document(document, signer=signer, created=now_ms, domain=domain, append=True)
    parse_credential(signed)
    return signed


def issue_action_record(
    *,
    signer: Signer,
    action_digest: bytes,
    uuid: str,
    now_ms: int,
    domain: str,
    action: str | None = None,
    context: str | None = None,
    outcome: Outcome | None = None,
    decision: str | None = None,
    reasoning_commitment: str | None = None,
    commitments: Sequence[str] = (),
) -> dict[str, Any]:
    """Issue an action record: the signer says what it did, and is bound to the reasons that it had.

    Args:
        signer: a key of the agent.
        action_digest: SHA-256 that names the exact action, 32 bytes (see the page).
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.
        action: action name, where it may be public.
        context: capability domain, a slug.
        outcome: how it ended.
        decision: evaluation id of the decision that allowed it.
        reasoning_commitment: disclosure digest of the reasoning; put among the commitments here.
        commitments: other disclosure digests; sorted here.

    Raises:
        ParseError: the codes of `parse_credential`.

    Spec: specs/kinds/action_record.md
    """
    own = () if reasoning_commitment is None else (reasoning_commitment,)
    members = {
        "id": signer_did(signer),
        "actionDigest": base64url_encode(action_digest),
        "action": action,
        "context": context,
        "outcome": outcome,
        "decision": decision,
        "reasoningCommitment": reasoning_commitment,
        "commitments": sorted({*own, *commitments}) or None,
    }
    return issue_credential("action_record", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


@dataclass(frozen=True, slots=True)
class Measured:
    """What an attestation says that an agent runs; at least one member is given.

    Attributes:
        code_digest: SHA-256 of the code, 32 bytes.
        model: ``{"digest": …}`` or ``{"provider": …, "name": …}``.
        runtime: slug.
        behaviour_digest: SHA-256 of a record of behaviour, for example of a test run, 32 bytes.
        evidence_digest: SHA-256 of the evidence behind it (a quote, an EAT, an appraisal), 32 bytes.
    """

    code_digest: bytes | None = None
    model: Mapping[str, str] | None = None
    runtime: str | None = None
    behaviour_digest: bytes | None = None
    evidence_digest: bytes | None = None


def issue_attestation(
    *,
    signer: Signer,
    subject: str,
    evidence_kind: EvidenceKind,
    nonce: bytes,
    measured: Measured,
    uuid: str,
    now_ms: int,
    domain: str,
    appraisal: Appraisal | None = None,
    commitments: Sequence[str] = (),
) -> dict[str, Any]:
    """Issue an attestation: the signer says afresh what an agent runs, itself or another one.

    Args:
        signer: a key of whoever attests.
        subject: DID of the agent, the signer's own for ``self``.
        evidence_kind: ``self`` for oneself; else whether hardware stands behind it.
        nonce: 8 to 64 bytes from whoever asked, never used twice.
        measured: what was found.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        domain: the log's origin.
        appraisal: what a third party makes of it.
        commitments: disclosure digests; sorted here.

    Raises:
        ParseError: attestation_evidence_mismatch, attestation_empty and the other codes of `parse_credential`.

    Spec: RFC 9711 4.1; specs/kinds/attestation.md
    """
    members = {
        "id": subject,
        "evidenceKind": evidence_kind,
        "eatNonce": base64url_encode(nonce),
        "codeDigest": _digest_text(measured.code_digest),
        "model": None if measured.model is None else dict(measured.model),
        "runtime": measured.runtime,
        "behaviourDigest": _digest_text(measured.behaviour_digest),
        "evidenceDigest": _digest_text(measured.evidence_digest),
        "appraisal": appraisal,
        "commitments": sorted(commitments) or None,
    }
    return issue_credential("attestation", signer=signer, subject=members, uuid=uuid, now_ms=now_ms, domain=domain)


def issue_delegation(
    *,
    signer: Signer,
    subject: str,
    actions: Sequence[str],
    uuid: str,
    now_ms: int,
    valid_until_ms: int,
    max_depth: int = 0,
    parent: Mapping[str, Any] | None = None,
    resources: Sequence[Mapping[str, str]] = (),
    limits: Mapping[str, int] | None = None,
    context: str | None = None,
    status_entries: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Issue one hop of a delegation: the signer passes on some of its authority; presented, not logged.

    Args:
        signer: a key of whoever delegates.
        subject: DID of the delegate.
        actions: action names, each may end in an asterisk.
        uuid: version 4 UUID text.
        now_ms: milliseconds since the epoch.
        valid_until_ms: milliseconds since the epoch.
        max_depth: depth of the last hop that may follow, 0 to 7.
        parent: the hop above, complete; None for the first, whose issuer is the root.
        resources: as in `issue_capability`.
        limits: greatest value by name, for example ``{"amount-cents": 5000}``.
        context: capability domain, a slug.
        status_entries: at most two entries of status lists.

    Raises:
        ParseError: delegation_depth_invalid and the other codes of `parse_credential`, also of the parent.

    Spec: specs/kinds/delegation.md
    """
    above = None if parent is None else parse_credential(dict(parent))
    if above is not None and above.kind.name != "delegation":
        raise DelegationDepthError("the hop above is no delegation")
    members = {
        "id": subject,
        "root": signer_did(signer) if above is None else above.subject["root"],
        "depth": 0 if above is None else above.subject["depth"] + 1,
        "maxDepth": max_depth,
        "parent": None if above is None else base64url_encode(above.event_id),
        "actions": list(actions),
        "resources": [dict(each) for each in resources] or None,
        "limits": [{"name": name, "maximum": value} for name, value in sorted((limits or {}).items())] or None,
        "context": context,
    }
    return issue_credential(
        "delegation",
        signer=signer,
        subject=members,
        uuid=uuid,
        now_ms=now_ms,
        valid_until_ms=valid_until_ms,
        status_entries=status_entries,
    )


def _digest_text(digest: bytes | None) -> str | None:
    return None if digest is None else base64url_encode(digest)
