"""What is refused for its form or sense before any signature is looked at: one class per code.

The details name members of our own formats only, never a value or a member name that the sender chose.
"""

from __future__ import annotations

from registry.errors import ParseError

# --- parsing ----------------------------------------------------------------------------------------------------------


class CredentialTypeError(ParseError):
    """`type` is not a list of ``VerifiableCredential`` and one more."""

    code = "credential_type_invalid"
    title = "Credential type not of the pinned form"


class CredentialKindError(ParseError):
    """The credential's type is none of our kinds."""

    code = "credential_kind_unknown"
    title = "Unknown kind of credential"


class ContextError(ParseError):
    """`@context` is not exactly the two URLs, in order."""

    code = "context_not_pinned"
    title = "@context is not the pinned one"


class CredentialIdError(ParseError):
    """`id` is not ``urn:uuid:`` and a lower-case version 4 UUID."""

    code = "credential_id_invalid"
    title = "Credential id is not a version 4 UUID"


class IssuerError(ParseError):
    """`issuer` is not a DID string (an object is refused), or not a did:key where the operator root signs."""

    code = "issuer_invalid"
    title = "Issuer is not a DID of the right form"


class ValidFromError(ParseError):
    """`validFrom` is not an XSD dateTimeStamp."""

    code = "valid_from_invalid"
    title = "validFrom is not a time with a zone"


class ValidUntilError(ParseError):
    """`validUntil` is not an XSD dateTimeStamp."""

    code = "valid_until_invalid"
    title = "validUntil is not a time with a zone"


class ValidUntilForbiddenError(ParseError):
    """The kind ends by a logged event, not by a date."""

    code = "valid_until_forbidden"
    title = "This kind has no validUntil"


class ValidUntilMissingError(ParseError):
    """The kind must say when it ends."""

    code = "valid_until_missing"
    title = "This kind needs a validUntil"


class ValidityEmptyError(ParseError):
    """The validity window is empty."""

    code = "validity_empty"
    title = "validUntil is not after validFrom"


class ValidFromAfterCreatedError(ParseError):
    """A log statement cannot be dated after the moment it was signed."""

    code = "valid_from_after_created"
    title = "validFrom is after the proof"


class MemberMissingError(ParseError):
    """A member that every credential of the kind has is missing; ``member`` names it."""

    code = "member_missing"
    title = "A member is missing"


class MemberUnknownError(ParseError):
    """There is a member at the top that the kind does not have."""

    code = "member_unknown"
    title = "Unknown member"


class SubjectError(ParseError):
    """`credentialSubject` is not a single object."""

    code = "subject_invalid"
    title = "credentialSubject is not one object"


class SubjectMemberMissingError(ParseError):
    """A member of the subject that the kind needs is missing; ``member`` names it."""

    code = "subject_member_missing"
    title = "A member of the subject is missing"


class SubjectMemberUnknownError(ParseError):
    """The subject has a member that the kind does not have."""

    code = "subject_member_unknown"
    title = "Unknown member in the subject"


class SubjectMemberError(ParseError):
    """A member of the subject is not of its form; ``member`` names it."""

    code = "subject_member_invalid"
    title = "A member of the subject has a wrong value"


class SubjectNotIssuerError(ParseError):
    """The kind is a statement about its own issuer."""

    code = "subject_not_issuer"
    title = "Issuer and subject must be the same"


class SelfVouchError(ParseError):
    """Issuer and subject of a vouch are the same DID."""

    code = "self_vouch"
    title = "An agent cannot vouch for itself"


class SubjectIsIssuerError(ParseError):
    """The kind is a statement about somebody else than its issuer: a badge, a dispute, a receipt, a delegation and the like."""

    code = "subject_is_issuer"
    title = "Issuer and subject must be two different DIDs"


class SelfReportError(ParseError):
    """Issuer and subject of a report are the same DID."""

    code = "self_report"
    title = "An agent cannot report itself"


class CommitmentsOrderError(ParseError):
    """The digests in `commitments` are not in ascending order."""

    code = "commitments_unsorted"
    title = "Commitments are not sorted"


class PassportVersionError(ParseError):
    """The passport of a did:webvh agent has no `versionId`, or that of another method has one."""

    code = "passport_version_missing"
    title = "The passport names no did:webvh version"


class OwnerIsAgentError(ParseError):
    """The passport's owner is the agent itself."""

    code = "owner_is_agent"
    title = "An agent cannot be its own owner"


class StatusEntriesError(ParseError):
    """`credentialStatus` is not one or two status list entries of the pinned form, or two of them say the same."""

    code = "status_entries_invalid"
    title = "credentialStatus is not of the pinned form"


class RulingPartiesError(ParseError):
    """Who disputes a report and who made it are the same DID."""

    code = "ruling_parties_same"
    title = "A ruling is between two agents"


class ReasoningCommitmentError(ParseError):
    """`reasoningCommitment` does not stand in `commitments`, so nothing could ever open it."""

    code = "reasoning_not_committed"
    title = "The reasoning's commitment is not among the commitments"


class AttestationEvidenceError(ParseError):
    """An agent's word about itself is not called ``self``, or another's is; one appraises itself; hardware left no evidence."""

    code = "attestation_evidence_mismatch"
    title = "The kind of evidence does not fit who attests"


class AttestationEmptyError(ParseError):
    """The attestation says nothing of code, model, runtime or behaviour."""

    code = "attestation_empty"
    title = "The attestation attests nothing"


class DelegationDepthError(ParseError):
    """A hop is deeper than it allows, or is at depth 0 with a parent, or deeper without one."""

    code = "delegation_depth_invalid"
    title = "Depth, greatest depth and parent do not fit together"


class DelegationRootError(ParseError):
    """The hop at depth 0 is not issued by the root, or a hop gives the authority back to the root."""

    code = "delegation_root_mismatch"
    title = "The delegation does not begin at its root"


class DelegationLimitsError(ParseError):
    """The limits are not in ascending order of their names, each once."""

    code = "delegation_limits_unsorted"
    title = "Limits are not sorted by name"


class StandingTimeError(ParseError):
    """`validFrom` is not the instant that the standing was read at, or it was signed before that."""

    code = "standing_time_mismatch"
    title = "The standing is not dated by its instant"


class GenesisRegistryError(ParseError):
    """`credentialSubject.id` and `registryDid` differ."""

    code = "genesis_registry_mismatch"
    title = "The genesis names two registries"


class GenesisLogKeyError(ParseError):
    """The name in `logKey` is not the origin."""

    code = "genesis_log_key_mismatch"
    title = "The log key does not carry the origin's name"


class AcceptanceTimeError(ParseError):
    """The proof's `created` is not the largest log time accepted."""

    code = "acceptance_time_mismatch"
    title = "The acceptance is not dated by the log"


# --- proof form -------------------------------------------------------------------------------------------------------


class ProofNumberError(ParseError):
    """One proof object for one signer, a list of exactly two where two sign: receipts, counter-signed passports."""

    code = "proof_count_invalid"
    title = "Wrong number of proofs"


class ProofMemberMissingError(ParseError):
    """A member that every proof of the kind has is missing; ``member`` names it."""

    code = "proof_member_missing"
    title = "A member of the proof is missing"


class ProofMemberUnknownError(ParseError):
    """The proof has a member that proofs of this kind do not have."""

    code = "proof_member_unknown"
    title = "Unknown member in the proof"


class ProofMemberError(ParseError):
    """A member of the proof is not of its form; ``member`` names it."""

    code = "proof_member_invalid"
    title = "A member of the proof has a wrong value"


class ProofPurposeError(ParseError):
    """`proofPurpose` is not the one that the document needs."""

    code = "proof_purpose_invalid"
    title = "Wrong proof purpose"


class ProofCreatedError(ParseError):
    """The proof's `created` is missing or is not an XSD dateTimeStamp."""

    code = "proof_created_invalid"
    title = "The proof's time has no zone or is none"


class ProofExpiresForbiddenError(ParseError):
    """The kind ends otherwise than by a date in its proof: by a logged revocation, by `validUntil`, or not at all."""

    code = "proof_expires_forbidden"
    title = "This kind's proof does not expire"


class ProofSignersError(ParseError):
    """What two sign has one proof of each: agent and owner of a passport, both parties of a receipt."""

    code = "proof_signers_invalid"
    title = "The two proofs are not those of the two who must sign"


class DomainMissingError(ParseError):
    """The proof of a log statement or presentation names no `domain`."""

    code = "domain_missing"
    title = "The proof names no domain"


class DomainFormError(ParseError):
    """`domain` is a list or not an origin."""

    code = "domain_not_single"
    title = "The domain is not one string"


class SequenceFormError(ParseError):
    """`sequence` is not a number from 1, and the event id of the counted statement before."""

    code = "sequence_invalid"
    title = "sequence is not of the pinned form"


class SequencePreviousError(ParseError):
    """The first counted statement of an issuer names none before it, and every other one does."""

    code = "sequence_previous_mismatch"
    title = "sequence names a previous statement exactly from the second on"
