"""Credentials of our kinds as values: parsed, checked for form and sense, not yet verified.

Decides whether a JSON object is a credential of one of our kinds in the one pinned form, and refuses everything else,
each reason with its own code. Looks at no key, no clock and no log: signatures and windows are judged in ``verify.py``.

Spec: VC-DATA-MODEL-2.0 4; FORMATS "Signed statements"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from did_methods.data_integrity import DataIntegrityProof, event_id, parse_proofs
from did_methods.timestamp import TimestampError, parse_timestamp
from registry.credentials.form_errors import (
    AcceptanceTimeError,
    AttestationEmptyError,
    AttestationEvidenceError,
    CommitmentsOrderError,
    CredentialKindError,
    CredentialTypeError,
    DelegationDepthError,
    DelegationLimitsError,
    DelegationRootError,
    GenesisLogKeyError,
    GenesisRegistryError,
    OwnerIsAgentError,
    PassportVersionError,
    ProofNumberError,
    ProofSignersError,
    ReasoningCommitmentError,
    RulingPartiesError,
    SelfReportError,
    SelfVouchError,
    SequencePreviousError,
    StandingTimeError,
    StatusEntriesError,
    SubjectIsIssuerError,
    SubjectNotIssuerError,
    ValidFromAfterCreatedError,
    ValidFromError,
    ValidityEmptyError,
    ValidUntilError,
)
from registry.credentials.kinds import CREDENTIAL_TYPE, KINDS_BY_TYPE, Kind
from registry.credentials.refusal import credential_refusal
from registry.errors import ParseError

__all__ = ["Kind", "UnverifiedCredential", "parse_credential"]


@dataclass(frozen=True, slots=True)
class UnverifiedCredential:
    """A well-formed credential of one of our kinds; nobody has looked at its signatures yet.

    Attributes:
        document: the signed JSON object, never changed after parsing.
        event_id: 32 bytes, SHA-256 of the JCS of the document without its proof.
        id: ``urn:uuid:…``; empty for acceptances, which have none.
        kind: the row of the table of kinds.
        issuer: DID.
        subject_id: DID; empty for acceptances, whose subject is a list of events.
        valid_from_ms: milliseconds since the epoch.
        valid_until_ms: milliseconds since the epoch; None for no end.
        subject: the members of ``credentialSubject``.
        proofs: the issuer's first, then that of who counter-signs, where somebody does.
        signers: the DIDs that must have made `proofs`, in the same order.
        created_ms: the newest proof's ``created``, milliseconds since the epoch.
    """

    document: dict[str, Any]
    event_id: bytes
    id: str
    kind: Kind
    issuer: str
    subject_id: str
    valid_from_ms: int
    valid_until_ms: int | None
    subject: Mapping[str, Any]
    proofs: tuple[DataIntegrityProof, ...]
    signers: tuple[str, ...]
    created_ms: int

    @property
    def subjects(self) -> tuple[str, ...]:
        """The DIDs that it is about: `subject_id` first, in a ruling also who made the report."""
        return tuple(self.subject[name] for name in self.kind.subjects if name in self.subject)

    @property
    def sequence(self) -> tuple[int, str | None] | None:
        """The number that its issuer gave it, and the event id (base64url) of that issuer's counted statement before."""
        counted = self.document.get("sequence")
        return None if counted is None else (counted["number"], counted.get("previous"))

    @property
    def status_entries(self) -> tuple[Mapping[str, Any], ...]:
        """The entries of status lists that may end or suspend it, at most two; empty for none.

        Whether one of them is set is asked of the list: nothing here knows.
        """
        status = self.document.get("credentialStatus", ())
        return (status,) if isinstance(status, dict) else tuple(status)


def parse_credential(document: dict[str, Any]) -> UnverifiedCredential:
    """Parse a JSON object as a credential of one of our kinds.

    Args:
        document: what `parse_json_object` returned; must not be changed afterwards.

    Returns:
        A credential whose every member has its form, and whose members agree with one another.

    Raises:
        ParseError: credential_type_invalid, credential_kind_unknown, context_not_pinned, credential_id_invalid,
            issuer_invalid, valid_from_invalid, valid_until_invalid, valid_until_forbidden, valid_until_missing,
            validity_empty, valid_from_after_created, member_missing, member_unknown, subject_invalid,
            subject_member_missing, subject_member_unknown, subject_member_invalid, subject_not_issuer, self_vouch,
            self_report, commitments_unsorted, passport_version_missing, owner_is_agent, genesis_registry_mismatch,
            genesis_log_key_mismatch, acceptance_time_mismatch, status_entries_invalid, subject_is_issuer,
            ruling_parties_same, reasoning_not_committed, attestation_evidence_mismatch, attestation_empty,
            delegation_depth_invalid, delegation_root_mismatch, delegation_limits_unsorted, standing_time_mismatch,
            proof_count_invalid, proof_member_missing,
            proof_member_unknown, proof_member_invalid, proof_purpose_invalid, proof_created_invalid,
            proof_expires_forbidden, proof_signers_invalid, domain_missing, domain_not_single,
            sequence_invalid, sequence_previous_mismatch.
        ProofError: proof_malformed or proof_value_malformed.

    Spec: VC-DATA-MODEL-2.0 4; VC-DATA-INTEGRITY 2.1
    """
    kind = _kind_of(document)
    if not kind.is_well_formed(document):
        raise credential_refusal(kind, document)
    subject, issuer = document["credentialSubject"], document["issuer"]
    proofs = parse_proofs(document)
    counter = kind.countersigner
    signers = (issuer, subject[counter]) if counter is not None and counter in subject else (issuer,)
    valid_until = document.get("validUntil")
    credential = UnverifiedCredential(
        document=document,
        event_id=event_id(document),
        id=document.get("id", ""),
        kind=kind,
        issuer=issuer,
        subject_id=subject.get("id", ""),
        valid_from_ms=_time(document["validFrom"], ValidFromError),
        valid_until_ms=None if valid_until is None else _time(valid_until, ValidUntilError),
        subject=subject,
        proofs=_order_proofs(proofs, signers),
        signers=signers,
        created_ms=max(proof.created_ms or 0 for proof in proofs),
    )
    _check_parties(credential)
    _check_times(credential)
    _check_commitments(subject)
    _check_status(credential)
    _check_sequence(credential)
    check_kind = _KIND_CHECKS.get(kind.name)
    if check_kind is not None:
        check_kind(credential)
    return credential


def _kind_of(document: Mapping[str, Any]) -> Kind:
    types = document.get("type")
    if not isinstance(types, list) or len(types) != 2 or types[0] != CREDENTIAL_TYPE:  # noqa: PLR2004 - base and kind
        raise CredentialTypeError
    if not isinstance(types[1], str):
        raise CredentialTypeError
    kind = KINDS_BY_TYPE.get(types[1])
    if kind is None:
        raise CredentialKindError
    return kind


def _time(text: str, error: type[ParseError]) -> int:
    try:
        return parse_timestamp(text)
    except TimestampError:
        raise error from None


def _order_proofs(proofs: tuple[DataIntegrityProof, ...], signers: tuple[str, ...]) -> tuple[DataIntegrityProof, ...]:
    """Return the proofs in the order of their signers; whether the keys are really theirs is verified later."""
    if len(proofs) != len(signers):
        raise ProofNumberError
    if len(proofs) == 1:
        return proofs
    by_signer = {proof.verification_method.partition("#")[0]: proof for proof in proofs}
    if by_signer.keys() != set(signers):
        raise ProofSignersError
    return tuple(by_signer[signer] for signer in signers)


def _check_parties(credential: UnverifiedCredential) -> None:
    same = credential.issuer == credential.subject_id
    match credential.kind.subject_rule:
        case "self" if not same:
            raise SubjectNotIssuerError
        case "other" if same:
            raise _SELF_ERRORS.get(credential.kind.name, SubjectIsIssuerError)
        case _:
            pass


def _check_times(credential: UnverifiedCredential) -> None:
    if credential.valid_until_ms is not None and credential.valid_until_ms <= credential.valid_from_ms:
        raise ValidityEmptyError
    if credential.kind.log_statement and credential.valid_from_ms > credential.created_ms:
        raise ValidFromAfterCreatedError


def _check_commitments(subject: Mapping[str, Any]) -> None:
    digests = subject.get("commitments")
    if digests is not None and digests != sorted(digests):
        raise CommitmentsOrderError


def _check_status(credential: UnverifiedCredential) -> None:
    """Two entries are two bits, for two purposes."""
    entries = credential.status_entries
    bits = {(entry["statusListCredential"], entry["statusListIndex"]) for entry in entries}
    if len(bits) < len(entries) or len({entry["statusPurpose"] for entry in entries}) < len(entries):
        raise StatusEntriesError


def _check_sequence(credential: UnverifiedCredential) -> None:
    """The first counted statement has none before it; whether another one names the right one the audit sees."""
    counted = credential.sequence
    if counted is not None and (counted[0] == 1) is not (counted[1] is None):
        raise SequencePreviousError


def _check_passport(credential: UnverifiedCredential) -> None:
    if credential.subject.get("owner") == credential.issuer:
        raise OwnerIsAgentError
    if credential.issuer.startswith("did:webvh:") != ("versionId" in credential.subject):
        raise PassportVersionError


def _check_genesis(credential: UnverifiedCredential) -> None:
    subject = credential.subject
    if subject["id"] != subject["registryDid"]:
        raise GenesisRegistryError
    if subject["logKey"].partition("+")[0] != subject["origin"]:
        raise GenesisLogKeyError


def _check_acceptance(credential: UnverifiedCredential) -> None:
    if credential.created_ms != max(accepted["time"] for accepted in credential.subject["accepted"]):
        raise AcceptanceTimeError


def _check_ruling(credential: UnverifiedCredential) -> None:
    if credential.subject["reporter"] == credential.subject_id:
        raise RulingPartiesError


def _check_action_record(credential: UnverifiedCredential) -> None:
    reasoning = credential.subject.get("reasoningCommitment")
    if reasoning is not None and reasoning not in credential.subject.get("commitments", ()):
        raise ReasoningCommitmentError


def _check_attestation(credential: UnverifiedCredential) -> None:
    subject, kind = credential.subject, credential.subject["evidenceKind"]
    if (kind == "self") != (credential.issuer == credential.subject_id):
        raise AttestationEvidenceError("an agent's word about itself is self, anybody else's is not")
    if (kind == "self" and "appraisal" in subject) or (kind == "hardware" and "evidenceDigest" not in subject):
        raise AttestationEvidenceError("nobody appraises itself, and hardware leaves evidence")
    if subject.keys().isdisjoint(_ATTESTED):
        raise AttestationEmptyError


def _check_delegation(credential: UnverifiedCredential) -> None:
    subject = credential.subject
    depth, is_first = subject["depth"], "parent" not in subject
    if depth > subject["maxDepth"] or (depth == 0) != is_first:
        raise DelegationDepthError
    if (subject["root"] == credential.issuer) != is_first or subject["root"] == credential.subject_id:
        raise DelegationRootError
    names = [limit["name"] for limit in subject.get("limits", ())]
    if names != sorted(set(names)):
        raise DelegationLimitsError


def _check_standing(credential: UnverifiedCredential) -> None:
    if credential.valid_from_ms != credential.subject["time"] or credential.created_ms < credential.valid_from_ms:
        raise StandingTimeError


_ATTESTED: Final = ("codeDigest", "model", "runtime", "behaviourDigest")
_SELF_ERRORS: Final[Mapping[str, type[ParseError]]] = {"vouch": SelfVouchError, "report": SelfReportError}
_KIND_CHECKS: Final[Mapping[str, Callable[[UnverifiedCredential], None]]] = {
    "passport": _check_passport,
    "genesis": _check_genesis,
    "acceptance": _check_acceptance,
    "ruling": _check_ruling,
    "action_record": _check_action_record,
    "attestation": _check_attestation,
    "delegation": _check_delegation,
    "standing": _check_standing,
}
