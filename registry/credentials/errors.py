"""What is refused although it has its form: signatures, keys, times, presentations, openings. One class per code.

The refusals of form are in ``form_errors.py``. Details name members of our own formats only, never what was sent.
"""

from __future__ import annotations

from registry.credentials.problem_types import INVALID_CHALLENGE_ERROR, INVALID_DOMAIN_ERROR, PROOF_VERIFICATION_ERROR
from registry.errors import ParseError, VerificationError

# --- verification -----------------------------------------------------------------------------------------------------


class DomainMismatchError(VerificationError):
    """`domain` is not this log's origin."""

    code = "domain_mismatch"
    title = "The proof is for another domain"
    type_uri = INVALID_DOMAIN_ERROR


class CreatedInFutureError(VerificationError):
    """The proof's `created` lies further ahead than allowed."""

    code = "created_in_future"
    title = "The proof is dated in the future"
    type_uri = PROOF_VERIFICATION_ERROR


class CreatedTooOldError(VerificationError):
    """The newest proof of a log statement was made before the window around log time."""

    code = "created_too_old"
    title = "The proof is too old to be logged"


class NotYetValidError(VerificationError):
    """`validFrom` is in the future."""

    code = "credential_not_yet_valid"
    title = "The credential is not valid yet"


class ExpiredError(VerificationError):
    """`validUntil` is past."""

    code = "credential_expired"
    title = "The credential has expired"


class ProofExpiredError(VerificationError):
    """The proof's `expires` is past."""

    code = "proof_expired"
    title = "The proof has expired"
    type_uri = PROOF_VERIFICATION_ERROR


class KeyNotFoundError(VerificationError):
    """No key with that id is known for its DID."""

    code = "key_not_found"
    title = "The verification method is not known"
    type_uri = PROOF_VERIFICATION_ERROR


class IssuerKeyError(VerificationError):
    """The key's controller is not the DID that must sign."""

    code = "issuer_key_mismatch"
    title = "The key is not the issuer's"
    type_uri = PROOF_VERIFICATION_ERROR


# --- presentations ----------------------------------------------------------------------------------------------------


class PresentationError(ParseError):
    """A member of the presentation is missing, unknown or wrong; ``member`` names it."""

    code = "presentation_invalid"
    title = "Not a presentation of the pinned form"


class PresentationTypeError(ParseError):
    """`type` is not exactly ``VerifiablePresentation``."""

    code = "presentation_type_invalid"
    title = "Presentation type not of the pinned form"


class HolderError(ParseError):
    """`holder` is missing or is not a DID string."""

    code = "holder_invalid"
    title = "Holder is not a DID"


class PresentationProofCountError(ParseError):
    """`proof` is not one object."""

    code = "presentation_proof_count"
    title = "A presentation has exactly one proof"


class PresentedCountError(ParseError):
    """`verifiableCredential` is not a list of one to eight objects."""

    code = "presented_credentials_invalid"
    title = "Presented credentials are not a short list"


class HolderKeyError(VerificationError):
    """The key's controller is not the holder."""

    code = "holder_key_mismatch"
    title = "The key is not the holder's"
    type_uri = PROOF_VERIFICATION_ERROR


class ChallengeMissingError(VerificationError):
    """The proof has no `challenge`."""

    code = "challenge_missing"
    title = "The presentation answers no challenge"
    type_uri = INVALID_CHALLENGE_ERROR


class ChallengeMismatchError(VerificationError):
    """`challenge` is not the one asked for."""

    code = "challenge_mismatch"
    title = "The presentation answers another challenge"
    type_uri = INVALID_CHALLENGE_ERROR


class PresentationExpiredError(VerificationError):
    """The proof's `expires` is past."""

    code = "presentation_expired"
    title = "The presentation has expired"


class PresentationExpiresMissingError(VerificationError):
    """The proof has no `expires`."""

    code = "presentation_expires_missing"
    title = "A request-bound presentation must expire"


class PresentationExpiresTooFarError(VerificationError):
    """`expires` is more than 60 seconds ahead."""

    code = "presentation_expires_too_far"
    title = "The presentation lives too long"


class SubjectNotHolderError(VerificationError):
    """A presented credential's subject is not the holder."""

    code = "subject_not_holder"
    title = "The credential is about somebody else"


# --- commitments ------------------------------------------------------------------------------------------------------


class DisclosureError(ParseError):
    """The text is not a disclosure of a salt, a name and a value."""

    code = "disclosure_invalid"
    title = "Not a disclosure"


class DisclosureRepeatedError(ParseError):
    """Two openings are the same text or open the same name."""

    code = "disclosure_repeated"
    title = "A disclosure is given twice"


class CommitmentNotFoundError(VerificationError):
    """The digest of the disclosure does not stand in `commitments`."""

    code = "commitment_not_found"
    title = "The document does not commit to this disclosure"


class DisclosureFileError(ParseError):
    """The file is not a disclosure file of the known format."""

    code = "disclosure_file_malformed"
    title = "Not a disclosure file"


class DisclosureEventError(VerificationError):
    """The disclosure file belongs to another document."""

    code = "disclosure_event_mismatch"
    title = "The disclosures are those of another document"
