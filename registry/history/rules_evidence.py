"""The rules for badges, disputes and rulings, receipts, action records, attestations, and erasures of openings.

None of them changes a score: rules version 1 counts vouches, reports and revocations only. Each function checks first and
changes the draft last.

Spec: specs/history.md; specs/kinds/; specs/adr 0014 to 0016.
"""

from __future__ import annotations

from dataclasses import replace

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode
from registry.credentials.model import UnverifiedCredential
from registry.history.errors import (
    AgentUnknownError,
    AttestationNonceError,
    DisputeNotOpenError,
    DisputeRepeatedError,
    ErasureRepeatedError,
    NothingToDisputeError,
    NothingToEraseError,
    SignerRoleError,
    SubjectStateError,
)
from registry.history.ground import Place, active_agent, check_signer, standing_agent
from registry.history.live import disputed_report, end_live, replace_live
from registry.history.state import Agent, Attestation, Dispute, Draft, LiveStatement


def admit_affiliation(draft: Draft, credential: UnverifiedCredential, _place: Place) -> None:
    """Take a badge: recorded and shown until its issuer withdraws it; passport, history and score do not notice.

    Raises:
        AgentUnknownError, AgentSuspendedError, AgentDeactivatedError, AgentRevokedError: the issuer, or the subject.
        SignerRoleError: ``signer_not_entitled`` for another name of the issuer itself.
        SubjectStateError: ``subject_not_active``.
    """
    issuer = active_agent(draft, credential.issuer)
    subject = _other_agent(draft, credential.subject_id, issuer)
    if subject.state != "active":
        raise SubjectStateError
    live = LiveStatement("affiliation", issuer.did, subject.did, None)
    replace_live(draft, credential.event_id, live)


def admit_dispute(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    """Take what the subject of a live report says against it, once; a suspended agent may speak in its own defence.

    Raises:
        AgentUnknownError, AgentDeactivatedError, AgentRevokedError: the issuer.
        NothingToDisputeError: ``nothing_to_dispute``.
        DisputeRepeatedError: ``dispute_repeated``.
    """
    issuer = standing_agent(draft, credential.issuer)
    reporter = draft.canonical_did(credential.subject_id)
    report_id = base64url_decode(credential.subject["event"])
    report = draft.live.get(report_id)
    if report is None or report.kind != "report" or report.subject != issuer.did or report.issuer != reporter:
        raise NothingToDisputeError
    if report_id in draft.disputes:
        raise DisputeRepeatedError
    live = LiveStatement("dispute", issuer.did, reporter, report.context)
    replace_live(draft, credential.event_id, live)
    draft.disputes[report_id] = Dispute(credential.event_id, place.index, place.time_ms, issuer.did, reporter)


def admit_ruling(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    """Take the registry's ruling on an open dispute: final, shown with the report, and not counted in any score yet.

    Raises:
        SignerRoleError: ``signer_not_entitled``.
        DisputeNotOpenError: ``dispute_not_open``.
    """
    check_signer(draft, credential)
    dispute_id = base64url_decode(credential.subject["event"])
    live = draft.live.get(dispute_id)
    parties = tuple(map(draft.canonical_did, credential.subjects))
    if live is None or live.kind != "dispute" or (live.issuer, live.subject) != parties:
        raise DisputeNotOpenError
    report_id = disputed_report(draft, live)
    dispute = draft.disputes.get(report_id)
    assert dispute is not None, "a live dispute has a record"
    end_live(draft, dispute_id, live)
    draft.disputes[report_id] = replace(
        dispute,
        state=credential.subject["ruling"],
        ruling_index=place.index,
        ruling_event=credential.event_id,
    )


def admit_receipt(draft: Draft, credential: UnverifiedCredential, _place: Place) -> None:
    """Take a receipt that both parties signed: it stands in both chains, and changes nothing else.

    Raises:
        AgentUnknownError, AgentSuspendedError, AgentDeactivatedError, AgentRevokedError: either party.
        SignerRoleError: ``signer_not_entitled`` for two names of one agent.
    """
    first, second = (active_agent(draft, did) for did in credential.signers)
    if first.did == second.did:
        raise SignerRoleError("a receipt is between two agents")


def admit_action_record(draft: Draft, credential: UnverifiedCredential, _place: Place) -> None:
    """Take what an agent says that it did: it stands in its chain, and changes nothing else.

    Raises:
        AgentUnknownError, AgentSuspendedError, AgentDeactivatedError, AgentRevokedError: the agent.
    """
    active_agent(draft, credential.issuer)


def admit_attestation(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    """Take a fresh proof of what an agent runs: the newest of its issuer about that agent.

    Raises:
        AgentUnknownError, AgentSuspendedError, AgentDeactivatedError, AgentRevokedError: the issuer, or the subject.
        SignerRoleError: ``signer_not_entitled`` for a third party that is the agent under another name.
        SubjectStateError: ``subject_not_active`` for a subject that has ended.
        AttestationNonceError: ``attestation_nonce_repeated``.
    """
    issuer = active_agent(draft, credential.issuer)
    own = credential.subject["evidenceKind"] == "self"
    subject = issuer if own else _other_agent(draft, credential.subject_id, issuer)
    if subject.state in ("deactivated", "revoked"):
        raise SubjectStateError
    before = draft.newest.get(LiveStatement("attestation", issuer.did, subject.did, None))
    last = None if before is None else draft.attestations.get(before)
    if last is not None and last.nonce == credential.subject["eatNonce"]:
        raise AttestationNonceError
    live = LiveStatement("attestation", issuer.did, subject.did, None)
    replace_live(draft, credential.event_id, live)
    draft.attestations[credential.event_id] = _attestation(credential, live, place)


def admit_erasure(draft: Draft, credential: UnverifiedCredential, place: Place) -> None:
    """Take note that openings are destroyed: of one event, or all of an agent whatever its state. The log keeps its leaves.

    Raises:
        SignerRoleError: ``signer_not_entitled``.
        AgentUnknownError: ``agent_unknown``.
        NothingToEraseError: ``nothing_to_erase``.
        ErasureRepeatedError: ``erasure_repeated``.
    """
    check_signer(draft, credential)
    agent = draft.find_agent(credential.subject_id)
    if agent is None:
        raise AgentUnknownError
    named = credential.subject.get("event")
    if agent.did in draft.erased_agents:
        raise ErasureRepeatedError
    if named is None:
        draft.erased_agents[agent.did] = place.index
        return
    event_id = base64url_decode(named)
    if event_id not in draft.events:
        raise NothingToEraseError
    if event_id in draft.erased_events:
        raise ErasureRepeatedError
    draft.erased_events[event_id] = place.index


def _attestation(credential: UnverifiedCredential, live: LiveStatement, place: Place) -> Attestation:
    said = credential.subject
    return Attestation(
        index=place.index,
        time_ms=place.time_ms,
        issuer=live.issuer,
        subject=live.subject,
        evidence_kind=said["evidenceKind"],
        nonce=said["eatNonce"],
        code_digest=said.get("codeDigest"),
        model=canonicalize(said["model"]).decode() if "model" in said else None,
        runtime=said.get("runtime"),
        behaviour_digest=said.get("behaviourDigest"),
        evidence_digest=said.get("evidenceDigest"),
        appraisal=said.get("appraisal"),
    )


def _other_agent(draft: Draft, did: str, issuer: Agent) -> Agent:
    """Return the agent that somebody else speaks about."""
    agent = draft.find_agent(did)
    if agent is None:
        raise AgentUnknownError("the subject is not registered")
    if agent.did == issuer.did:
        raise SignerRoleError("nobody speaks about itself under another of its names")
    return agent
