"""Credentials verified: signatures, key bindings, domain and time.

Decides whether a parsed credential was made by whom it says, for this log, now. Does not decide whether the issuer may
say it, whether the subject exists or what it changes: the fold of the log does. Reads no clock and finds no keys by
itself; both are arguments.

Spec: VC-DATA-INTEGRITY 4.3; FORMATS "Evidence hygiene"
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from did_methods.data_integrity import DataIntegrityProof, verify_proof
from registry.credentials.errors import (
    CreatedInFutureError,
    CreatedTooOldError,
    DomainMismatchError,
    ExpiredError,
    HolderKeyError,
    IssuerKeyError,
    KeyNotFoundError,
    NotYetValidError,
    ProofExpiredError,
)
from registry.credentials.key_lookup import (
    BoundKey,
    DocumentKeyLookup,
    KeyLookup,
    MethodKeyLookup,
    SelfCertifyingLookup,
    bind_key,
)
from registry.credentials.model import Kind, UnverifiedCredential

__all__ = [
    "LOG_WINDOW_MS",
    "BoundKey",
    "DocumentKeyLookup",
    "KeyLookup",
    "KeyNotFoundError",
    "MethodKeyLookup",
    "SelfCertifyingLookup",
    "VerifiedCredential",
    "bind_key",
    "check_credential_instant",
    "verify_credential",
    "verify_signature",
]

LOG_WINDOW_MS: Final = 600_000  # fixed by the format: the newest proof lies within ten minutes of log time


@dataclass(frozen=True, slots=True)
class VerifiedCredential:
    """A credential whose signatures, bindings and windows held at the instant given.

    Attributes:
        credential: what was verified.
        keys: one per proof in the order of ``credential.signers``; a sequencer checks that they are still active.
    """

    credential: UnverifiedCredential
    keys: tuple[BoundKey, ...]

    @property
    def kind(self) -> Kind:
        """The row of the table of kinds."""
        return self.credential.kind

    @property
    def event_id(self) -> bytes:
        """32 bytes, SHA-256 of the JCS of the document without its proof."""
        return self.credential.event_id

    @property
    def issuer(self) -> str:
        """The DID that controls the first key."""
        return self.credential.issuer

    @property
    def subject_id(self) -> str:
        """The DID that the credential is about."""
        return self.credential.subject_id

    @property
    def created_ms(self) -> int:
        """The newest proof's ``created``, milliseconds since the epoch."""
        return self.credential.created_ms


def verify_credential(
    credential: UnverifiedCredential,
    *,
    keys: KeyLookup,
    now_ms: int,
    origin: str | None = None,
    skew_ms: int = 0,
) -> VerifiedCredential:
    """Verify a credential at an instant, and for a log where one is named.

    The steps, cheap ones first:

    1. a log statement names the log as its domain, and its newest proof lies within the window around log time;
    2. any other credential has no proof from the future and is within its validity;
    3. no proof has expired;
    4. each proof's key is found for ``assertionMethod`` and is controlled by the DID that must have signed;
    5. each signature holds.

    Args:
        credential: what `parse_credential` returned.
        keys: where keys are looked up; ``active`` means active in what this lookup knows.
        now_ms: log time, or the instant of use, in milliseconds since the epoch.
        origin: the log's origin; required to admit anything to a log. None for a reader of a document that is logged
            already or never will be: then domain and window are not looked at.
        skew_ms: how far ahead a portable credential's times may lie; 0 at a log, as its format says.

    Raises:
        VerificationError: domain_mismatch, created_in_future, created_too_old, credential_not_yet_valid,
            credential_expired, proof_expired, key_not_found, issuer_key_mismatch.
        DidError: proof_invalid, proof_key_kind, verification_method_not_found, verification_method_purpose and the
            other codes of the key lookup.

    Spec: VC-DATA-INTEGRITY 4.3; CID 1.0 3.3; FORMATS "Evidence hygiene"
    """
    check_credential_instant(credential, now_ms=now_ms, origin=origin, skew_ms=skew_ms)
    bound = tuple(
        verify_signature(
            credential.document,
            proof,
            keys=keys,
            signer=signer,
            purpose="assertionMethod",
            digest=credential.event_id,
        )
        for proof, signer in zip(credential.proofs, credential.signers, strict=True)
    )
    return VerifiedCredential(credential, bound)


def check_credential_instant(
    credential: UnverifiedCredential, *, now_ms: int, origin: str | None = None, skew_ms: int = 0
) -> None:
    """Check domain and times alone: steps 1 to 3 of `verify_credential`, for a statement that waited since.

    Raises:
        VerificationError: domain_mismatch, created_in_future, created_too_old, credential_not_yet_valid,
            credential_expired, proof_expired.

    Spec: FORMATS "Evidence hygiene"
    """
    if origin is not None and credential.kind.log_statement:
        _check_log_binding(credential, origin, now_ms)
    else:
        _check_portable(credential, now_ms, skew_ms)
    for proof in credential.proofs:
        if proof.expires_ms is not None and proof.expires_ms <= now_ms:
            raise ProofExpiredError


def _check_log_binding(credential: UnverifiedCredential, origin: str, now_ms: int) -> None:
    if any(proof.domain != origin for proof in credential.proofs):
        raise DomainMismatchError
    if credential.created_ms > now_ms + LOG_WINDOW_MS:
        raise CreatedInFutureError
    if credential.created_ms < now_ms - LOG_WINDOW_MS:
        raise CreatedTooOldError


def _check_portable(credential: UnverifiedCredential, now_ms: int, skew_ms: int) -> None:
    if credential.created_ms > now_ms + skew_ms:
        raise CreatedInFutureError
    if credential.valid_from_ms > now_ms + skew_ms:
        raise NotYetValidError
    if credential.valid_until_ms is not None and credential.valid_until_ms <= now_ms:
        raise ExpiredError


def verify_signature(
    document: dict[str, Any],
    proof: DataIntegrityProof,
    *,
    keys: KeyLookup,
    signer: str,
    purpose: str,
    digest: bytes | None = None,
) -> BoundKey:
    """Verify one proof over a document, and that its key belongs to the DID that must have signed.

    Args:
        document: the JSON object the proof was parsed from.
        proof: one of its proofs, of the right ``proofPurpose``.
        keys: where keys are looked up.
        signer: the DID that must control the key.
        purpose: the verification relationship that the key needs.
        digest: what `event_id` gives of the document, where it is at hand.

    Raises:
        VerificationError: key_not_found, issuer_key_mismatch, holder_key_mismatch.
        DidError: proof_invalid, proof_key_kind and the codes of the key lookup.

    Spec: VC-DI-EDDSA 3.3.2; CID 1.0 3.3
    """
    mismatch = HolderKeyError if purpose == "authentication" else IssuerKeyError
    # Before the lookup too: a stranger's DID is not looked up on behalf of this signer.
    if proof.verification_method.partition("#")[0] != signer:
        raise mismatch
    key = keys.find_key(proof.verification_method, purpose)
    if key.controller != signer or key.method_id != proof.verification_method:
        raise mismatch
    verify_proof(document, proof, key.public_key, digest=digest)
    return key
