"""What secures a document: embedded proofs of our suites, proofs of the older ones, or an envelope.

Decides which of them a value is secured by, and verifies it; a document that is secured by two of them, or by nothing, is
refused. Does not judge what the document says, nor whether whoever signed was the one to sign.

Spec: VC-DATA-MODEL-2.0 4.12; VC-DATA-INTEGRITY 4.5; VC-JOSE-COSE 3
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from did_methods.data_integrity import DataIntegrityProof
from registry.credentials.data_model_presentation import (
    ENVELOPED_CREDENTIAL,
    ENVELOPED_PRESENTATION,
    EnvelopeType,
    is_envelope,
    parse_envelope,
)
from registry.credentials.jose import UnverifiedJose, parse_jose, unenvelope, verify_jose
from registry.credentials.jose_claims import TokenKind
from registry.credentials.key_lookup import BoundKey
from registry.credentials.legacy_proof import LEGACY_SUITES
from registry.credentials.legacy_verify import LegacyVerifier
from registry.credentials.problem_types import PARSING_ERROR, PROOF_VERIFICATION_ERROR
from registry.credentials.proof_set import ProofPurposeMismatchError, parse_proof_set, verify_proof_set
from registry.credentials.tools import Tools
from registry.errors import ParseError

Kind: TypeAlias = Literal["credential", "presentation"]

_ENVELOPES: Final[dict[Kind, EnvelopeType]] = {
    "credential": ENVELOPED_CREDENTIAL,
    "presentation": ENVELOPED_PRESENTATION,
}
_TOKENS: Final[dict[Kind, TokenKind]] = {"credential": "vc", "presentation": "vp"}


class SecuringMissingError(ParseError):
    """The document has no proof and is in no envelope."""

    code = "securing_missing"
    title = "Nothing secures the document"
    type_uri = PROOF_VERIFICATION_ERROR


class SecuringMixedError(ParseError):
    """The document has proofs of our suites beside older ones, so no verifier would check them all."""

    code = "securing_mixed"
    title = "Proofs of two generations on one document"
    type_uri = PROOF_VERIFICATION_ERROR


class SecuringFormError(ParseError):
    """What was sent is neither an object nor a compact JWS, or an envelope of another kind than asked for."""

    code = "securing_form_invalid"
    title = "Neither a secured document nor an envelope"
    type_uri = PARSING_ERROR


@dataclass(frozen=True, slots=True)
class Secured:
    """A document and what secures it; nothing is verified.

    Attributes:
        document: the credential or presentation; of an envelope, what is inside.
        jose: the envelope; None for an embedded proof.
        proofs: embedded, of our suites.
        legacy: the embedded proofs are of the older suites.
    """

    document: dict[str, Any]
    jose: UnverifiedJose | None = None
    proofs: tuple[DataIntegrityProof, ...] = ()
    legacy: bool = False

    @property
    def challenge(self) -> str | None:
        """The challenge that it answers; None where it answers none, or not one alone."""
        if self.jose is not None:
            nonce = self.jose.claims.get("nonce")
            return nonce if isinstance(nonce, str) else None
        proof = self.document.get("proof")
        listed = proof if isinstance(proof, list) else [proof]
        named = [one.get("challenge") for one in listed if isinstance(one, dict)]
        only = named[0] if named and all(one == named[0] for one in named) else None
        return only if isinstance(only, str) else None


def open_secured(value: Any, *, kind: Kind) -> Secured:
    """Find what secures a value.

    Args:
        value: JSON value: a document with proof, an enveloping object, or the envelope itself as text.
        kind: what it is to be.

    Raises:
        ParseError: securing_form_invalid, securing_missing, securing_mixed, and the codes of envelopes.
        DidError: the codes of proofs.

    Spec: VC-DATA-MODEL-2.0 4.12, 4.13
    """
    if isinstance(value, str):
        return _enveloped(value, kind)
    if not isinstance(value, dict):
        raise SecuringFormError
    text = envelope_text(value, kind=kind)
    if text is not None:
        return _enveloped(text, kind)
    proof = value.get("proof")
    listed = proof if isinstance(proof, list) else [proof]
    if "proof" not in value:
        raise SecuringMissingError
    older = [isinstance(one, dict) and one.get("type") in LEGACY_SUITES for one in listed]
    if not any(older):
        return Secured(value, proofs=parse_proof_set(value))
    if not all(older):
        raise SecuringMixedError
    return Secured(value, legacy=True)


def envelope_text(value: dict[str, Any], *, kind: Kind) -> str | None:
    """Return the token that an enveloping object holds, or None for any other object.

    Args:
        value: JSON object.
        kind: what it is to hold.

    Raises:
        DataModelError: vc_envelope_invalid, vc_envelope_data_invalid.
        JoseError: jose_media_type_unsupported.

    Spec: VC-DATA-MODEL-2.0 4.13.1, 4.13.2
    """
    return unenvelope(parse_envelope(value, _ENVELOPES[kind])) if is_envelope(value) else None


def _enveloped(text: str, kind: Kind) -> Secured:
    jose = parse_jose(text, expected=_TOKENS[kind])
    return Secured(jose.document, jose=jose)


def verify_secured(
    secured: Secured,
    *,
    tools: Tools,
    purpose: str,
    now_ms: int,
    domain: str | None = None,
    challenge: str | None = None,
    proof_alone: bool = False,
) -> tuple[BoundKey, ...]:
    """Verify what secures a document, and return the keys that did it.

    Args:
        secured: what `open_secured` returned.
        tools: keys and processors.
        purpose: verification relationship that each key needs.
        now_ms: milliseconds since the epoch.
        domain: that the proof must be for; None for any.
        challenge: that the proof must answer; None for any.
        proof_alone: leave the times of an older document alone, which its verifier judges with the proof.

    Raises:
        VerificationError, DidError: the signature, the key or its purpose; domain, challenge and times of the proof.
        DependencyError: a processor is busy or not there.

    Spec: VC-DATA-INTEGRITY 4.5; VC-JOSE-COSE 4
    """
    if secured.jose is not None:
        token = verify_jose(
            secured.jose,
            keys=tools.keys,
            purpose=purpose,
            now_ms=None if proof_alone else now_ms,
            challenge=challenge,
            domain=domain,
            issuer_bound=not proof_alone,
        )
        return (token.key,)
    if secured.legacy:
        times = None if proof_alone else now_ms
        return _verify_legacy(secured, tools, purpose=purpose, now_ms=times, domain=domain, challenge=challenge)
    verified = verify_proof_set(
        secured.document,
        secured.proofs,
        keys=tools.keys,
        purpose=purpose,
        now_ms=now_ms,
        json_ld=tools.json_ld,
        domain=domain,
        challenge=challenge,
    )
    return tuple(one.key for one in verified)


def _verify_legacy(
    secured: Secured, tools: Tools, *, purpose: str, now_ms: int | None, domain: str | None, challenge: str | None
) -> tuple[BoundKey, ...]:
    legacy = LegacyVerifier(tools.keys, tools.json_ld, tools.signatures)
    # Who had to sign is asked by the caller, for every suite alike.
    found = legacy.verify(secured.document, now_ms=now_ms, bind_signer=False, challenge=challenge, domain=domain)
    if found.proof.purpose != purpose:
        raise ProofPurposeMismatchError
    return (found.key,)
