"""What is refused about the status of a credential: its entry, the list it points into, or what stands there.

The W3C types are those that the specification of status lists names; a code of our own tells the cases of one type apart.

Spec: VC-BITSTRING-STATUS-LIST 3, 3.5
"""

from __future__ import annotations

from registry.credentials import problem_types
from registry.errors import ParseError, VerificationError


class StatusEntryError(ParseError):
    """A member of a status entry is missing or not of its form; ``member`` names it."""

    code = "status_entry_invalid"
    title = "Not a status entry of the form of its type"
    type_uri = problem_types.MALFORMED_VALUE_ERROR


class StatusTypeError(VerificationError):
    """The status entry is of another type than ``BitstringStatusListEntry``: nothing here can read that status."""

    code = "status_type_unsupported"
    title = "This type of status is not read here"
    type_uri = problem_types.STATUS_VERIFICATION_ERROR


class StatusListFormError(ParseError):
    """What the entry points at is not a status list credential; ``member`` names what is wrong."""

    code = "status_list_malformed"
    title = "Not a status list"
    type_uri = problem_types.MALFORMED_VALUE_ERROR


class StatusEncodingError(ParseError):
    """`encodedList` is not ``u`` and base64url of one GZIP member, complete and with nothing behind it."""

    code = "status_list_encoding"
    title = "The encoded list cannot be read"
    type_uri = problem_types.MALFORMED_VALUE_ERROR


class StatusListTooLargeError(VerificationError):
    """`encodedList` unpacks to more bytes than are taken from a list."""

    code = "status_list_too_large"
    title = "The status list is too large"
    type_uri = problem_types.STATUS_VERIFICATION_ERROR


class StatusListLengthError(VerificationError):
    """The list has fewer entries than hide one among them."""

    code = "status_list_too_short"
    title = "The status list is too short"
    type_uri = problem_types.STATUS_LIST_LENGTH_ERROR


class StatusRangeError(VerificationError):
    """The entry's index lies beyond the end of the list."""

    code = "status_index_out_of_range"
    title = "The index lies outside of the status list"
    type_uri = problem_types.RANGE_ERROR


class StatusPurposeError(VerificationError):
    """The list is not one of the entry's purpose."""

    code = "status_purpose_mismatch"
    title = "The status list has another purpose"
    type_uri = problem_types.STATUS_VERIFICATION_ERROR


class StatusSizeError(VerificationError):
    """The list says another size of its entries than the entry."""

    code = "status_size_mismatch"
    title = "The status list has entries of another size"
    type_uri = problem_types.STATUS_VERIFICATION_ERROR


class StatusListIdError(VerificationError):
    """The list names itself by another URL than the one that the entry points at."""

    code = "status_list_id_mismatch"
    title = "The status list is another one"
    type_uri = problem_types.STATUS_VERIFICATION_ERROR


class StatusListIssuerError(VerificationError):
    """The list was made by somebody who may not say what becomes of this credential."""

    code = "status_list_issuer_mismatch"
    title = "The status list is not the issuer's"
    type_uri = problem_types.STATUS_VERIFICATION_ERROR


class StatusListValidityError(VerificationError):
    """The list is not valid now: too early, or too old."""

    code = "status_list_not_valid"
    title = "The status list is not valid at this time"
    type_uri = problem_types.STATUS_VERIFICATION_ERROR


class StatusListProofError(VerificationError):
    """The list's own proof does not verify; ``cause`` is the code of why."""

    code = "status_list_unverified"
    title = "The status list does not verify"
    type_uri = problem_types.STATUS_VERIFICATION_ERROR


class StatusRetrievalError(VerificationError):
    """The list cannot be had; ``cause`` is the code of why, where there is one."""

    code = "status_retrieval_failed"
    title = "The status list could not be retrieved"
    type_uri = problem_types.STATUS_RETRIEVAL_ERROR


class CredentialRevokedError(VerificationError):
    """The credential's issuer has revoked it."""

    code = "credential_revoked"
    title = "The credential is revoked"


class CredentialSuspendedError(VerificationError):
    """The credential's issuer has suspended it for now."""

    code = "credential_suspended"
    title = "The credential is suspended"


class CredentialStatusSetError(VerificationError):
    """A status of a purpose that this registry does not know is set; what it means is not known either, so it counts."""

    code = "credential_status_set"
    title = "A status of unknown meaning is set"
