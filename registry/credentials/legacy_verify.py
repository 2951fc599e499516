"""Verification of the suites before Data Integrity: for documents that exist, never for new ones.

Ed25519Signature2020 is verified here, over canonical forms of the JSON-LD processor; the other two by didkit, in a process of
its own, which is believed for the signature and for nothing else: the key is found and checked first, and form, purpose, times
and binding are judged by ``legacy_proof.py``.

Spec: VC-DI-EDDSA (Ed25519Signature2020); specs/json-ld.md "Older suites"
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from did_methods.keys import SignatureInvalidError
from registry.credentials.errors import HolderKeyError, IssuerKeyError
from registry.credentials.json_ld_errors import JsonLdNotInstalledError
from registry.credentials.json_ld_processor import JsonLdProcessor
from registry.credentials.key_lookup import BoundKey, KeyLookup
from registry.credentials.legacy_proof import (
    LegacyProof,
    LegacyProofError,
    check_legacy_binding,
    check_legacy_times,
    parse_legacy_proof,
    signer_of,
)
from registry.credentials.problem_types import CRYPTOGRAPHIC_SECURITY_ERROR
from registry.errors import DependencyError, VerificationError

_DID_KEY: Final = "did:key:"


class LegacySignatureError(VerificationError):
    """The signature is not one of the named key over this document."""

    code = "legacy_signature_invalid"
    title = "Signature of an older suite does not verify"
    type_uri: ClassVar[str | None] = CRYPTOGRAPHIC_SECURITY_ERROR


class LegacyKeyError(VerificationError):
    """The key is not an Ed25519 key, or (where didkit verifies) not that of a did:key."""

    code = "legacy_key_unsupported"
    title = "Key does not go with the older suite"


class LegacyUnavailableError(DependencyError):
    """The process that verifies these suites does not answer now; it says nothing about the document."""

    code = "legacy_unavailable"
    title = "Older suites cannot be verified now"


class LegacyNotInstalledError(LegacyUnavailableError):
    """The optional library for these suites is not installed here."""

    code = "legacy_not_installed"
    title = "Older suite is not supported: the optional library for it is not installed"


class LegacySignatures(Protocol):
    """Whoever verifies signatures of `Ed25519Signature2018` and `JsonWebSignature2020` under a did:key."""

    def verify_signature(self, document: dict[str, Any], proof: LegacyProof) -> None:
        """Return when the signature is one of the proof's did:key over the document; times are not looked at.

        Args:
            document: with its one proof.
            proof: what was parsed from it.

        Raises:
            LegacySignatureError: legacy_signature_invalid.
            DependencyError: legacy_unavailable or legacy_not_installed.
            JsonLdWorkError: json_ld_work_limit.
        """


@dataclass(frozen=True, slots=True)
class VerifiedLegacyProof:
    """A proof whose signature, form, purpose and binding hold, and whose times do where they were judged.

    Args:
        proof: the proof.
        key: whose it is.
    """

    proof: LegacyProof
    key: BoundKey


@dataclass(frozen=True, slots=True)
class LegacyVerifier:
    """Verifies documents of the older suites.

    Args:
        keys: finds verification methods.
        json_ld: canonicalises for Ed25519Signature2020; None where it is not installed.
        signatures: verifies the other suites; None where it is not installed.
    """

    keys: KeyLookup
    json_ld: JsonLdProcessor | None
    signatures: LegacySignatures | None

    def verify(
        self,
        document: dict[str, Any],
        *,
        now_ms: int | None,
        bind_signer: bool = True,
        challenge: str | None = None,
        domain: str | None = None,
    ) -> VerifiedLegacyProof:
        """Return the verified proof of a credential or presentation; what a presentation presents is not looked at.

        Args:
            document: as the strict reader gives it.
            now_ms: milliseconds since the epoch; None where times are not judged.
            bind_signer: the key must be the issuer's or holder's; False for whoever asks for the proof only.
            challenge: what a presentation must answer; None where any will do.
            domain: what the proof must name; None where it is not judged.

        Raises:
            ParseError: as ``parse_legacy_proof``; the codes of ``json_ld_errors.py``.
            VerificationError: legacy_signature_invalid, legacy_key_unsupported, issuer_key_mismatch, holder_key_mismatch,
                and as ``check_legacy_binding`` and ``check_legacy_times``; as the key lookup.
            DependencyError: legacy_unavailable, legacy_not_installed, json_ld_not_installed and other codes of the processor.
        """
        proof = parse_legacy_proof(document)
        check_legacy_binding(proof, challenge=challenge, domain=domain)
        if now_ms is not None:
            check_legacy_times(document, proof, now_ms=now_ms)
        key = self.keys.find_key(proof.verification_method, proof.purpose)
        if key.public_key.kind != "ed25519":
            raise LegacyKeyError
        if bind_signer:
            _check_signer(document, proof, key)
        if proof.suite == "Ed25519Signature2020":
            self._verify_canonical(document, proof, key)
        else:
            self._verify_elsewhere(document, proof)
        return VerifiedLegacyProof(proof, key)

    def _verify_canonical(self, document: dict[str, Any], proof: LegacyProof, key: BoundKey) -> None:
        if self.json_ld is None:
            raise JsonLdNotInstalledError
        options = {name: value for name, value in proof.raw.items() if name != "proofValue"}
        unsecured = {name: value for name, value in document.items() if name != "proof"}
        canonical = self.json_ld.canonicalize(
            [{**options, "@context": _proof_context(document, proof)}, unsecured], digest="sha256"
        )
        message = b"".join(hashlib.sha256(text).digest() for text in canonical)
        try:
            key.public_key.verify(proof.signature, message)
        except SignatureInvalidError:
            raise LegacySignatureError from None

    def _verify_elsewhere(self, document: dict[str, Any], proof: LegacyProof) -> None:
        # didkit resolves the method itself, and another method than did:key it would read otherwise than we do.
        if not proof.verification_method.startswith(_DID_KEY):
            raise LegacyKeyError
        if self.signatures is None:
            raise LegacyNotInstalledError
        self.signatures.verify_signature(document, proof)


def _proof_context(document: dict[str, Any], proof: LegacyProof) -> Any:
    """Return the context of the proof options: the document's, then what the proof itself names, as inside the document."""
    own = proof.raw.get("@context")
    if own is None or own == document["@context"]:
        return document["@context"]
    lists = [value if isinstance(value, list) else [value] for value in (document["@context"], own)]
    if not all(isinstance(url, str) for url in lists[1]):
        raise LegacyProofError("a proof brings no context of its own", member="@context")
    return [*lists[0], *lists[1]]


def _check_signer(document: dict[str, Any], proof: LegacyProof, key: BoundKey) -> None:
    signer = signer_of(document, proof)
    if proof.kind == "credential":
        if signer != key.controller:
            raise IssuerKeyError
    # A presentation need not name its holder; one that does is the holder's.
    elif "holder" in document and signer != key.controller:
        raise HolderKeyError
