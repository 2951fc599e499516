"""Which error stands for a violation of a document's form.

Decides nothing by itself: the specification found the violation, and this module names it by the place where it is.
Values and unknown member names are the sender's text and are never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from registry.credentials.form_errors import (
    ContextError,
    CredentialIdError,
    DomainFormError,
    DomainMissingError,
    IssuerError,
    MemberMissingError,
    MemberUnknownError,
    ProofCreatedError,
    ProofExpiresForbiddenError,
    ProofMemberError,
    ProofMemberMissingError,
    ProofMemberUnknownError,
    ProofNumberError,
    ProofPurposeError,
    SequenceFormError,
    StatusEntriesError,
    SubjectError,
    SubjectMemberError,
    SubjectMemberMissingError,
    SubjectMemberUnknownError,
    ValidFromError,
    ValidUntilError,
    ValidUntilForbiddenError,
    ValidUntilMissingError,
)
from registry.credentials.kinds import Kind
from registry.credentials.members import Violation
from registry.errors import ParseError

_TOP_ERRORS: Final[Mapping[str | int, type[ParseError]]] = {
    "@context": ContextError,
    "id": CredentialIdError,
    "issuer": IssuerError,
    "validFrom": ValidFromError,
    "validUntil": ValidUntilError,
    "credentialStatus": StatusEntriesError,
    "sequence": SequenceFormError,
}
_PROOF_ERRORS: Final[Mapping[str, type[ParseError]]] = {
    "@context": ContextError,
    "created": ProofCreatedError,
    "domain": DomainFormError,
    "proofPurpose": ProofPurposeError,
}
_PROOF_MISSING_ERRORS: Final[Mapping[str, type[ParseError]]] = {
    "created": ProofCreatedError,
    "domain": DomainMissingError,
    "proofPurpose": ProofPurposeError,
}


def credential_refusal(kind: Kind, document: dict[str, Any]) -> ParseError:
    """Return the error for a document that the kind's checker refused.

    Args:
        kind: the kind that the document's type names.
        document: what was refused.
    """
    found = kind.document.find_violation(document)
    assert found is not None, "checker and explanation are derived from one specification"
    if not found.path:
        forbidden = kind.valid_until == "forbidden" and "validUntil" in document
        return ValidUntilForbiddenError() if forbidden else MemberUnknownError()
    top = found.path[0]
    if top == "proof" and "proof" in document:
        return proof_refusal(found, document["proof"], expires_allowed=kind.proof_expires)
    if top == "credentialSubject" and "credentialSubject" in document:
        return _subject_refusal(found)
    if found.reason == "missing" and len(found.path) == 1:
        return ValidUntilMissingError() if top == "validUntil" else MemberMissingError(member=top)
    return _TOP_ERRORS[top]()


def _subject_refusal(found: Violation) -> ParseError:
    names = [part for part in found.path[1:] if isinstance(part, str)]
    if not names:
        return SubjectMemberUnknownError() if found.reason == "unknown" else SubjectError()
    member = ".".join(names)
    match found.reason:
        case "missing":
            return SubjectMemberMissingError(member=member)
        case "unknown":
            return SubjectMemberUnknownError(member=member)
        case "invalid":
            return SubjectMemberError(member=member)


def proof_refusal(found: Violation, proof: Any, *, expires_allowed: bool) -> ParseError:
    """Return the error for a violation at or below ``proof``.

    Args:
        found: a violation whose path begins with ``proof``.
        proof: the value of the member.
        expires_allowed: whether such a proof may have ``expires``.
    """
    names = [part for part in found.path[1:] if isinstance(part, str)]
    if not names:
        if found.reason == "invalid":
            return ProofNumberError()
        place = found.path[1] if len(found.path) > 1 else None
        one = proof[place] if isinstance(place, int) else proof
        forbidden = not expires_allowed and isinstance(one, dict) and "expires" in one
        return ProofExpiresForbiddenError() if forbidden else ProofMemberUnknownError()
    if found.reason == "missing":
        missing = _PROOF_MISSING_ERRORS.get(names[0])
        return ProofMemberMissingError(member=names[0]) if missing is None else missing()
    wrong = _PROOF_ERRORS.get(names[0])
    return ProofMemberError(member=names[0]) if wrong is None else wrong()
