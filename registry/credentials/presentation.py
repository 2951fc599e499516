"""Presentations: how an agent shows who it is and what it holds, bound to one challenge and one domain.

Decides whether a presentation was made by its holder, for this domain and for this challenge (single use, kept by the
caller) or this exact request (repeatable until it expires). Presented credentials are judged each alone: a bad one
does not spoil the others, and never counts.

Spec: VC-DATA-MODEL-2.0 4.13; VC-DATA-INTEGRITY 2.1; FORMATS "Presentation in a decision"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from did_methods.canonical import sha256_jcs
from did_methods.codec import base64url_encode
from did_methods.data_integrity import DataIntegrityProof, event_id, parse_proofs, sign_document
from did_methods.errors import BonafidesError
from did_methods.keys import Signer
from registry.credentials.errors import (
    ChallengeMismatchError,
    ChallengeMissingError,
    CreatedInFutureError,
    DomainMismatchError,
    HolderError,
    PresentationError,
    PresentationExpiredError,
    PresentationExpiresMissingError,
    PresentationExpiresTooFarError,
    PresentationProofCountError,
    PresentationTypeError,
    PresentedCountError,
    SubjectNotHolderError,
)
from registry.credentials.form_errors import (
    ContextError,
    CredentialIdError,
    ProofNumberError,
)
from registry.credentials.kinds import CONTEXTS, PRESENTATION, PRESENTATION_TYPE
from registry.credentials.model import UnverifiedCredential, parse_credential
from registry.credentials.refusal import proof_refusal
from registry.credentials.verify import BoundKey, KeyLookup, VerifiedCredential, verify_credential, verify_signature
from registry.errors import ParseError

REQUEST_BOUND_LIFETIME_MS: Final = 60_000  # fixed by the format: a request-bound presentation lives at most this long
CLOCK_SKEW_MS: Final = 60_000  # a holder's clock may be this far ahead; its challenge bounds the other direction

_is_well_formed: Final = PRESENTATION.compile()
_MEMBER_ERRORS: Final[dict[str | int, type[ParseError]]] = {
    "@context": ContextError,
    "id": CredentialIdError,
    "type": PresentationTypeError,
    "holder": HolderError,
    "verifiableCredential": PresentedCountError,
}


@dataclass(frozen=True, slots=True)
class UnverifiedPresentation:
    """A well-formed presentation; nobody has looked at its signature yet.

    Attributes:
        document: the signed JSON object, never changed after parsing.
        event_id: 32 bytes, SHA-256 of the JCS of the document without its proof.
        id: ``urn:uuid:…``; empty where there is none.
        holder: DID.
        credentials: what is presented, each well formed.
        proof: the one proof.
    """

    document: dict[str, Any]
    event_id: bytes
    id: str
    holder: str
    credentials: tuple[UnverifiedCredential, ...]
    proof: DataIntegrityProof


@dataclass(frozen=True, slots=True)
class RefusedCredential:
    """A presented credential that does not count, and why.

    Attributes:
        credential: what was presented.
        error: the reason; its code is stable.
    """

    credential: UnverifiedCredential
    error: BonafidesError


@dataclass(frozen=True, slots=True)
class VerifiedPresentation:
    """A presentation made by its holder, for the domain and challenge asked for.

    Attributes:
        presentation: what was verified.
        key: the holder's key.
        credentials: presented credentials that verified and are about the holder.
        refused: the others.
    """

    presentation: UnverifiedPresentation
    key: BoundKey
    credentials: tuple[VerifiedCredential, ...]
    refused: tuple[RefusedCredential, ...]

    @property
    def holder(self) -> str:
        """The DID that proved control."""
        return self.presentation.holder


def request_challenge(
    *,
    subject_id: str,
    action_name: str,
    resource_type: str,
    resource_id: str,
    parameters_digest: str | None = None,
) -> str:
    """Return the challenge that binds a presentation to one exact request.

    Args:
        subject_id: the acting agent, as in the request.
        action_name: as in the request.
        resource_type: as in the request.
        resource_id: as in the request.
        parameters_digest: SHA-256 of the parameters, base64url; None where the request has none.

    Returns:
        43 characters: base64url SHA-256 of the JCS of the flat object with these names.

    Spec: FORMATS "Presentation in a decision"
    """
    bound = {
        "subject.id": subject_id,
        "action.name": action_name,
        "resource.type": resource_type,
        "resource.id": resource_id,
    }
    if parameters_digest is not None:
        bound["parameters_digest"] = parameters_digest
    return base64url_encode(sha256_jcs(bound))


def build_presentation(
    *, holder: str, uuid: str | None = None, credentials: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Return an unsigned presentation.

    Args:
        holder: DID.
        uuid: version 4 UUID text for its id; None for none.
        credentials: at most eight signed credentials of our kinds.

    Spec: VC-DATA-MODEL-2.0 4.13
    """
    return {
        "@context": list(CONTEXTS),
        **({} if uuid is None else {"id": f"urn:uuid:{uuid}"}),
        "type": [PRESENTATION_TYPE],
        "holder": holder,
        **({"verifiableCredential": list(credentials)} if credentials else {}),
    }


def sign_presentation(
    document: dict[str, Any],
    *,
    signer: Signer,
    now_ms: int,
    domain: str,
    challenge: str | None,
    expires_ms: int | None = None,
) -> dict[str, Any]:
    """Return a presentation with its one proof.

    Args:
        document: what `build_presentation` returned.
        signer: a key of the holder that may authenticate.
        now_ms: milliseconds since the epoch, for ``created``.
        domain: the origin of the registry it is meant for.
        challenge: what the verifier sent, or `request_challenge`; None only for batches of a replay registry.
        expires_ms: milliseconds since the epoch; needed where the challenge is a request's.

    Raises:
        ParseError: as `parse_presentation`, so that nothing is sent that would be refused for its form.

    Spec: VC-DI-EDDSA 3.3.1
    """
    signed = sign_document(
        document,
        signer=signer,
        created=now_ms,
        proof_purpose="authentication",
        domain=domain,
        challenge=challenge,
        expires=expires_ms,
    )
    parse_presentation(signed)
    return signed


def parse_presentation(document: dict[str, Any]) -> UnverifiedPresentation:
    """Parse a JSON object as a presentation of the pinned form.

    Args:
        document: what `parse_json_object` returned; must not be changed afterwards.

    Raises:
        ParseError: presentation_type_invalid, context_not_pinned, credential_id_invalid, holder_invalid,
            presented_credentials_invalid, presentation_invalid, presentation_proof_count, proof_member_missing,
            proof_member_unknown, proof_member_invalid, proof_purpose_invalid, proof_created_invalid, domain_missing,
            domain_not_single, and the codes of `parse_credential` for each presented credential.

    Spec: VC-DATA-MODEL-2.0 4.13; VC-DATA-INTEGRITY 2.1
    """
    if not _is_well_formed(document):
        raise _presentation_refusal(document)
    (proof,) = parse_proofs(document)
    return UnverifiedPresentation(
        document=document,
        event_id=event_id(document),
        id=document.get("id", ""),
        holder=document["holder"],
        credentials=tuple(parse_credential(each) for each in document.get("verifiableCredential", ())),
        proof=proof,
    )


def _presentation_refusal(document: dict[str, Any]) -> ParseError:
    found = PRESENTATION.find_violation(document)
    assert found is not None, "checker and explanation are derived from one specification"
    if not found.path:
        return PresentationError("there is a member that presentations do not have")
    top = found.path[0]
    if top == "proof" and "proof" in document:
        error = proof_refusal(found, document["proof"], expires_allowed=True)
        return PresentationProofCountError() if isinstance(error, ProofNumberError) else error
    if found.reason == "missing" and top not in ("type", "holder"):
        return PresentationError(member=top)
    return _MEMBER_ERRORS[top]()


def verify_presentation(
    presentation: UnverifiedPresentation,
    *,
    keys: KeyLookup,
    now_ms: int,
    domain: str,
    challenge: str | None,
    request_bound: bool = False,
    skew_ms: int = CLOCK_SKEW_MS,
) -> VerifiedPresentation:
    """Verify that the holder made a presentation for this domain and challenge, and judge what it presents.

    Args:
        presentation: what `parse_presentation` returned.
        keys: where keys are looked up.
        now_ms: the instant of use, in milliseconds since the epoch.
        domain: the verifier's own origin.
        challenge: the challenge that was sent (its single use is the caller's business) or `request_challenge` of the
            request. None says on purpose that it cannot be known: an auditor, or a batch of a replay registry.
        request_bound: the challenge is a request's, so the proof must expire within 60 seconds.
        skew_ms: how far ahead the holder's clock may be.

    Raises:
        VerificationError: domain_mismatch, challenge_missing, challenge_mismatch, created_in_future,
            presentation_expires_missing, presentation_expires_too_far, presentation_expired, key_not_found,
            holder_key_mismatch.
        DidError: proof_invalid, proof_key_kind and the codes of the key lookup.

    Spec: VC-DATA-INTEGRITY 4.3; FORMATS "Presentation in a decision"
    """
    proof = presentation.proof
    if proof.domain != domain:
        raise DomainMismatchError
    _check_challenge(proof, challenge, request_bound=request_bound)
    _check_lifetime(proof, now_ms, request_bound=request_bound, skew_ms=skew_ms)
    key = verify_signature(
        presentation.document, proof, keys=keys, signer=presentation.holder, purpose="authentication"
    )
    verified: list[VerifiedCredential] = []
    refused: list[RefusedCredential] = []
    for credential in presentation.credentials:
        try:
            if credential.subject_id != presentation.holder:
                raise SubjectNotHolderError
            verified.append(verify_credential(credential, keys=keys, now_ms=now_ms, skew_ms=skew_ms))
        except BonafidesError as error:
            refused.append(RefusedCredential(credential, error))
    return VerifiedPresentation(presentation, key, tuple(verified), tuple(refused))


def _check_challenge(proof: DataIntegrityProof, challenge: str | None, *, request_bound: bool) -> None:
    if challenge is None and not request_bound:
        return
    if proof.challenge is None:
        raise ChallengeMissingError
    if proof.challenge != challenge:
        raise ChallengeMismatchError


def _check_lifetime(proof: DataIntegrityProof, now_ms: int, *, request_bound: bool, skew_ms: int) -> None:
    if proof.created_ms is None or proof.created_ms > now_ms + skew_ms:
        raise CreatedInFutureError
    if proof.expires_ms is None:
        if request_bound:
            raise PresentationExpiresMissingError
        return
    if proof.expires_ms <= now_ms:
        raise PresentationExpiredError
    if request_bound and proof.expires_ms > now_ms + REQUEST_BOUND_LIFETIME_MS:
        raise PresentationExpiresTooFarError
