"""Credentials and presentations secured as JSON Web Tokens: ``vc+jwt`` and ``vp+jwt``.

Decides whether text is such a token, whether its claims agree with the document that it carries, and whether the key that
`kid` names has signed it for whom the document says. Which keys may be trusted and whether a signature holds is decided by
``PublicKey`` alone, which is stricter than the Ed25519 of JOSE libraries; no key from a header is ever used. Reads no clock, and fetches nothing. What verifies here never feeds score or policy.

Spec: VC-JOSE-COSE 3.1, 4.1, 5; RFC 7515; RFC 7519; RFC 9864; specs/jose.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from did_methods.keys import PublicKey, SignatureInvalidError, Signer, signer_kind
from registry.credentials.bundled_contexts import CREDENTIALS_V2_URL
from registry.credentials.data_model import AnyCredential
from registry.credentials.data_model_presentation import (
    ENVELOPED_CREDENTIAL,
    ENVELOPED_PRESENTATION,
    AnyPresentation,
    Envelope,
)
from registry.credentials.errors import (
    HolderKeyError,
    IssuerKeyError,
)
from registry.credentials.jose_claims import (
    TOKEN_CLAIMS,
    TokenKind,
    check_audience,
    check_claims,
    check_times,
    check_wrapper_claims,
    did_of,
    kind_of,
    method_id_of,
    read_document,
)
from registry.credentials.jose_compact import KEY_KINDS, Algorithm, parse_compact
from registry.credentials.jose_errors import (
    JoseClaimError,
    JoseKeyIdError,
    JoseKeyKindError,
    JoseMediaTypeError,
    JoseSignatureError,
)
from registry.credentials.key_lookup import BoundKey, KeyLookup

__all__ = [
    "Algorithm",
    "TokenKind",
    "UnverifiedJose",
    "VerifiedJose",
    "check_token_bounds",
    "envelope",
    "parse_jose",
    "sign_vc_jwt",
    "sign_vp_jwt",
    "unenvelope",
    "verify_jose",
    "verify_token_signature",
]

_MEDIA_TYPES: Final[Mapping[str, TokenKind]] = MappingProxyType({"vc+jwt": "vc", "vp+jwt": "vp"})
_ENVELOPE_TYPES: Final = MappingProxyType({"vc": ENVELOPED_CREDENTIAL, "vp": ENVELOPED_PRESENTATION})


@dataclass(frozen=True, slots=True)
class UnverifiedJose:
    """A well-formed token whose claims agree with its document; nobody has looked at its signature yet.

    Attributes:
        kind: whether it carries a credential or a presentation.
        algorithm: value of `alg`, one that is accepted.
        method_id: the verification method that `kid` names, absolute DID URL; "" where it names none.
        document: the secured document, without the claims that speak of the token.
        claims: those claims, by name.
        content: the document parsed: a credential or a presentation.
        party: DID or other URL of issuer or holder; "" for a presentation that names nobody.
        signing_input: the bytes that are signed.
        signature: as many bytes as the algorithm makes.
    """

    kind: TokenKind
    algorithm: Algorithm
    method_id: str
    document: dict[str, Any]
    claims: Mapping[str, Any]
    content: AnyCredential | AnyPresentation
    party: str
    signing_input: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerifiedJose:
    """A token whose signature held when it was verified.

    Attributes:
        jose: what was verified.
        key: whose signature it is.
    """

    jose: UnverifiedJose
    key: BoundKey

    @property
    def document(self) -> dict[str, Any]:
        """The secured document; read nothing that is not in it."""
        return self.jose.document


def sign_vc_jwt(
    document: dict[str, Any],
    *,
    signer: Signer,
    algorithm: Algorithm,
    issued_ms: int | None = None,
    expires_ms: int | None = None,
) -> str:
    """Return a credential secured as ``vc+jwt``.

    Args:
        document: a credential of data model 2.0 whose issuer is the DID of the signer.
        signer: a key of the issuer of the kind that the algorithm is for.
        algorithm: ``EdDSA`` is what most readers know; ``Ed25519`` is its newer name.
        issued_ms: when it is signed, milliseconds since the epoch, for ``iat``; None for none.
        expires_ms: when the signature ends, for ``exp``; None for none.

    Raises:
        ParseError: as `parse_jose`, so that nothing is signed that would be refused for its form.
        IssuerKeyError: issuer_key_mismatch.
        JoseKeyKindError: jose_key_kind.

    Spec: VC-JOSE-COSE 3.1.1
    """
    claims = _time_claims(issued_ms, expires_ms)
    token, jose = _sign(document, claims, kind="vc", signer=signer, algorithm=algorithm)
    if jose.party != did_of(signer.verification_method):
        raise IssuerKeyError
    return token


def sign_vp_jwt(
    document: dict[str, Any],
    *,
    signer: Signer,
    algorithm: Algorithm,
    challenge: str | None = None,
    domain: str | None = None,
    issued_ms: int | None = None,
    expires_ms: int | None = None,
) -> str:
    """Return a presentation secured as ``vp+jwt``.

    Args:
        document: a presentation of data model 2.0; its credentials are enveloped, its holder is the DID of the signer.
        signer: a key of the holder of the kind that the algorithm is for.
        algorithm: as for `sign_vc_jwt`.
        challenge: what the verifier sent, for ``nonce``.
        domain: whom it is meant for, for ``aud``.
        issued_ms: when it is signed, milliseconds since the epoch, for ``iat``; None for none.
        expires_ms: when the signature ends, for ``exp``; None for none.

    Raises:
        ParseError: as `parse_jose`, so that nothing is signed that would be refused for its form.
        HolderKeyError: holder_key_mismatch.
        JoseKeyKindError: jose_key_kind.

    Spec: VC-JOSE-COSE 3.1.2
    """
    claims = _time_claims(issued_ms, expires_ms)
    if challenge is not None:
        claims["nonce"] = challenge
    if domain is not None:
        claims["aud"] = domain
    token, jose = _sign(document, claims, kind="vp", signer=signer, algorithm=algorithm)
    if jose.party not in ("", did_of(signer.verification_method)):
        raise HolderKeyError
    return token


def parse_jose(text: str, *, expected: TokenKind | None = None) -> UnverifiedJose:
    """Parse text as a credential or presentation secured as a JWT.

    Args:
        text: compact serialisation.
        expected: what it has to carry; None for either.

    Returns:
        A token whose header is acceptable, whose document is of the data model, and whose claims agree with it.

    Raises:
        JoseError: jose_serialization_invalid, jose_too_large, jose_header_invalid, jose_algorithm_unsupported,
            jose_key_in_header, jose_critical_extension, jose_type_mismatch, jose_wrapper_claim,
            jose_claim_conflict, jose_version_unsupported, jose_credential_not_enveloped.
        DataModelError: the codes of `parse_any_credential` and `parse_any_presentation`.
        JsonError: the codes of `parse_json_object`, for the payload.

    Spec: VC-JOSE-COSE 3.1, 4.1; RFC 7515 5.2
    """
    token = parse_compact(text)
    check_wrapper_claims(token.payload)
    claims = {name: token.payload[name] for name in TOKEN_CLAIMS & token.payload.keys()}
    document = {name: value for name, value in token.payload.items() if name not in TOKEN_CLAIMS}
    kind = kind_of(token.header, document, expected)
    content, party = read_document(kind, document)
    check_claims(token.header, claims, content, party)
    return UnverifiedJose(
        kind=kind,
        algorithm=token.algorithm,
        method_id=method_id_of(token.header, claims),
        document=document,
        claims=MappingProxyType(claims),
        content=content,
        party=party or str(claims.get("iss", "")),
        signing_input=token.signing_input,
        signature=token.signature,
    )


def verify_jose(
    jose: UnverifiedJose,
    *,
    keys: KeyLookup,
    purpose: str | None = None,
    now_ms: int | None,
    challenge: str | None = None,
    domain: str | None = None,
    issuer_bound: bool = True,
) -> VerifiedJose:
    """Verify the signature of a token, and for whom and when it was made.

    Whether the credential itself is valid now (``validFrom``, ``validUntil``, its status) is asked elsewhere: the claims
    here are about the signature.

    Args:
        jose: what `parse_jose` returned.
        keys: where keys are looked up.
        purpose: the verification relationship that the key needs; None for what the kind of token asks for.
        now_ms: milliseconds since the epoch; None where times are not judged, nor read.
        challenge: what was sent to the presenter, to be found in ``nonce``.
        domain: who is asking, to be found in ``aud`` alone.
        issuer_bound: whether the key must be controlled by issuer or holder.

    Raises:
        JoseKeyIdError: jose_key_id_invalid.
        VerificationError: jose_key_kind, jose_signature_invalid, jose_time_refused, issuer_key_mismatch,
            holder_key_mismatch, challenge_missing, challenge_mismatch, domain_mismatch, key_not_found.
        DidError: the codes of the key lookup.

    Spec: VC-JOSE-COSE 5.1, 6; RFC 7519 4.1, 7.2; CID 1.0 3.3
    """
    check_token_bounds(jose, now_ms=now_ms, challenge=challenge, domain=domain)
    if not jose.method_id:
        raise JoseKeyIdError
    mismatch = IssuerKeyError if jose.kind == "vc" else HolderKeyError
    # Before the lookup too: a stranger's DID is not looked up on behalf of this issuer.
    if issuer_bound and jose.party and did_of(jose.method_id) != jose.party:
        raise mismatch
    key = keys.find_key(jose.method_id, purpose or ("assertionMethod" if jose.kind == "vc" else "authentication"))
    if issuer_bound and jose.party and key.controller != jose.party:
        raise mismatch
    verify_token_signature(jose, key.public_key)
    return VerifiedJose(jose, key)


def check_token_bounds(
    jose: UnverifiedJose, *, now_ms: int | None, challenge: str | None = None, domain: str | None = None
) -> None:
    """Check times, challenge and domain of a token; the arguments are those of `verify_jose`.

    Raises:
        VerificationError: jose_time_refused, challenge_missing, challenge_mismatch, domain_mismatch.

    Spec: RFC 7519 4.1
    """
    if now_ms is not None:
        check_times(jose.claims, now_ms)
    check_audience(jose.claims, challenge=challenge, domain=domain)


def verify_token_signature(jose: UnverifiedJose, key: PublicKey) -> None:
    """Return when a token is signed by a key, whoever that key belongs to.

    For keys that the caller has by other means than a DID; everybody else calls `verify_jose`.

    Args:
        jose: what `parse_jose` returned.
        key: the key that must have signed.

    Raises:
        VerificationError: jose_key_kind, jose_signature_invalid.

    Spec: RFC 7515 5.2; RFC 7518 3.4; RFC 8037 3.1
    """
    if key.kind != KEY_KINDS[jose.algorithm]:
        raise JoseKeyKindError
    try:
        key.verify(jose.signature, jose.signing_input)
    except SignatureInvalidError:
        raise JoseSignatureError from None


def envelope(token: str, kind: TokenKind) -> dict[str, Any]:
    """Return the JSON object that carries a token where a credential or presentation is expected.

    Args:
        token: compact serialisation.
        kind: what it carries.

    Spec: VC-DATA-MODEL-2.0 4.13.1, 4.13.2
    """
    return {
        "@context": CREDENTIALS_V2_URL,
        "id": f"data:application/{kind}+jwt,{token}",
        "type": _ENVELOPE_TYPES[kind],
    }


def unenvelope(enveloped: Envelope) -> str:
    """Return the token that an envelope carries, of the kind that it says to carry.

    Args:
        enveloped: what `parse_envelope` returned.

    Raises:
        JoseMediaTypeError: jose_media_type_unsupported.

    Spec: VC-JOSE-COSE 3.1; RFC 2397 2
    """
    kind = _MEDIA_TYPES.get(enveloped.media_type.removeprefix("application/"))
    if not enveloped.media_type.startswith("application/") or kind is None or enveloped.parameters:
        raise JoseMediaTypeError
    if _ENVELOPE_TYPES[kind] != enveloped.type:
        raise JoseMediaTypeError("the envelope is of another type than its media type")
    return enveloped.data


def _sign(
    document: dict[str, Any], claims: Mapping[str, Any], *, kind: TokenKind, signer: Signer, algorithm: Algorithm
) -> tuple[str, UnverifiedJose]:
    if signer_kind(signer) not in (None, KEY_KINDS[algorithm]):
        raise JoseKeyKindError
    taken = sorted(TOKEN_CLAIMS & document.keys())
    if taken:
        raise JoseClaimError(claim=taken[0])
    header = {"alg": algorithm, "cty": kind, "kid": signer.verification_method, "typ": f"{kind}+jwt"}
    parts = (canonicalize(header), canonicalize({**document, **claims}))
    signing_input = ".".join(base64url_encode(part) for part in parts)
    signature = signer.sign(signing_input.encode("ascii"))
    token = f"{signing_input}.{base64url_encode(signature)}"
    jose = parse_jose(token, expected=kind)
    if not jose.method_id:
        raise JoseKeyIdError
    return token, jose


def _time_claims(issued_ms: int | None, expires_ms: int | None) -> dict[str, Any]:
    times = {"iat": issued_ms, "exp": expires_ms}
    return {claim: time_ms // 1_000 for claim, time_ms in times.items() if time_ms is not None}
