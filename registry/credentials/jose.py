"""Credentials and presentations secured as JSON Web Tokens: ``vc+jwt`` and ``vp+jwt``. The only door to joserfc.

Decides whether text is such a token, whether its claims agree with the document that it carries, and whether the key that
`kid` names has signed it for whom the document says. The library judges the serialisation and the header; which keys may be
trusted and whether a signature holds is decided by ``PublicKey`` alone, which is stricter than the library's own Ed25519.
No key from a header is ever used. Reads no clock, and fetches nothing. What verifies here never feeds score or policy.

Spec: VC-JOSE-COSE 3.1, 4.1, 5; RFC 7515; RFC 7519; RFC 9864; specs/jose.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

from joserfc import jws  # noqa: TID251 - this module is its door
from joserfc.errors import ExceededSizeError  # noqa: TID251
from joserfc.errors import JoseError as LibraryError  # noqa: TID251

from did_methods.canonical import canonicalize
from did_methods.codec import KeyKind, base64url_decode, base64url_encode, parse_json_object
from did_methods.codec_errors import CodecError, JsonError
from did_methods.keys import KeyKindError, SignatureInvalidError, Signer, signer_kind
from registry import limits
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
from registry.credentials.jose_errors import (
    JoseAlgorithmError,
    JoseClaimError,
    JoseCriticalError,
    JoseHeaderError,
    JoseKeyHeaderError,
    JoseKeyKindError,
    JoseMediaTypeError,
    JoseSerializationError,
    JoseSignatureError,
    JoseTooLargeError,
)
from registry.credentials.key_lookup import BoundKey, KeyLookup

Algorithm: TypeAlias = Literal["EdDSA", "Ed25519", "ES256", "ES384"]

# Both names of Ed25519: RFC 9864 deprecates the first, and nearly every token in the wild has it.
_KEY_KINDS: Final[Mapping[str, KeyKind]] = MappingProxyType(
    {"EdDSA": "ed25519", "Ed25519": "ed25519", "ES256": "p256", "ES384": "p384"}
)
_SIGNATURE_BYTES: Final = {"ed25519": 64, "p256": 64, "p384": 96}
_KEY_HEADERS: Final = ("jwk", "jku", "x5u", "x5c")
_CRITICAL_HEADERS: Final = ("crit", "b64")
_MEDIA_TYPES: Final[Mapping[str, TokenKind]] = MappingProxyType({"vc+jwt": "vc", "vp+jwt": "vp"})
_ENVELOPE_TYPES: Final = MappingProxyType({"vc": ENVELOPED_CREDENTIAL, "vp": ENVELOPED_PRESENTATION})


class _HeaderRules(jws.JWSRegistry):
    """The library's rules for headers, with our sizes."""

    max_header_length = limits.JOSE_HEADER_CHARS
    max_payload_length = limits.ENVELOPE_CHARS
    max_signature_length = limits.JOSE_SIGNATURE_CHARS


# Unknown parameters are ignored, as the specification demands; those that are known here and unwelcome are refused below.
_RULES: Final = _HeaderRules(algorithms=tuple(_KEY_KINDS), strict_check_header=False)


@dataclass(frozen=True, slots=True)
class UnverifiedJose:
    """A well-formed token whose claims agree with its document; nobody has looked at its signature yet.

    Attributes:
        kind: whether it carries a credential or a presentation.
        algorithm: value of `alg`, one that is accepted.
        method_id: the verification method that `kid` names, absolute DID URL.
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
            jose_key_in_header, jose_critical_extension, jose_type_mismatch, jose_key_id_invalid, jose_wrapper_claim,
            jose_claim_conflict, jose_version_unsupported, jose_credential_not_enveloped.
        DataModelError: the codes of `parse_any_credential` and `parse_any_presentation`.
        JsonError: the codes of `parse_json_object`, for the payload.

    Spec: VC-JOSE-COSE 3.1, 4.1; RFC 7515 5.2
    """
    header, payload, signature = _split(text)
    algorithm = _check_header(header)
    check_wrapper_claims(payload)
    claims = {name: payload[name] for name in TOKEN_CLAIMS & payload.keys()}
    document = {name: value for name, value in payload.items() if name not in TOKEN_CLAIMS}
    kind = kind_of(header, document, expected)
    content, party = read_document(kind, document)
    check_claims(header, claims, content, party)
    if len(signature) != _SIGNATURE_BYTES[_KEY_KINDS[algorithm]]:
        raise JoseSerializationError("the signature has not the length of its algorithm")
    return UnverifiedJose(
        kind=kind,
        algorithm=algorithm,
        method_id=method_id_of(header, claims),
        document=document,
        claims=MappingProxyType(claims),
        content=content,
        party=party or str(claims.get("iss", "")),
        signing_input=text.rpartition(".")[0].encode("ascii"),
        signature=signature,
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
        VerificationError: jose_key_kind, jose_signature_invalid, jose_time_refused, issuer_key_mismatch,
            holder_key_mismatch, challenge_missing, challenge_mismatch, domain_mismatch, key_not_found.
        DidError: the codes of the key lookup.

    Spec: VC-JOSE-COSE 5.1, 6; RFC 7519 4.1, 7.2; CID 1.0 3.3
    """
    if now_ms is not None:
        check_times(jose.claims, now_ms)
    check_audience(jose.claims, challenge=challenge, domain=domain)
    mismatch = IssuerKeyError if jose.kind == "vc" else HolderKeyError
    # Before the lookup too: a stranger's DID is not looked up on behalf of this issuer.
    if issuer_bound and jose.party and did_of(jose.method_id) != jose.party:
        raise mismatch
    key = keys.find_key(jose.method_id, purpose or ("assertionMethod" if jose.kind == "vc" else "authentication"))
    if issuer_bound and jose.party and key.controller != jose.party:
        raise mismatch
    if key.public_key.kind != _KEY_KINDS[jose.algorithm]:
        raise JoseKeyKindError
    try:
        key.public_key.verify(jose.signature, jose.signing_input)
    except (SignatureInvalidError, KeyKindError):
        raise JoseSignatureError from None
    return VerifiedJose(jose, key)


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
    if signer_kind(signer) not in (None, _KEY_KINDS[algorithm]):
        raise JoseKeyKindError
    taken = sorted(TOKEN_CLAIMS & document.keys())
    if taken:
        raise JoseClaimError(claim=taken[0])
    header = {"alg": algorithm, "cty": kind, "kid": signer.verification_method, "typ": f"{kind}+jwt"}
    parts = (canonicalize(header), canonicalize({**document, **claims}))
    signing_input = ".".join(base64url_encode(part) for part in parts)
    signature = signer.sign(signing_input.encode("ascii"))
    token = f"{signing_input}.{base64url_encode(signature)}"
    return token, parse_jose(token, expected=kind)


def _time_claims(issued_ms: int | None, expires_ms: int | None) -> dict[str, Any]:
    times = {"iat": issued_ms, "exp": expires_ms}
    return {claim: time_ms // 1_000 for claim, time_ms in times.items() if time_ms is not None}


def _split(text: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return header, payload and signature; each part decoded strictly, and by the library as well."""
    parts = text.split(".", 3)
    if len(parts) != 3 or not all(parts) or not text.isascii():  # noqa: PLR2004 - header, payload, signature
        raise JoseSerializationError
    sizes = (limits.JOSE_HEADER_CHARS, limits.ENVELOPE_CHARS, limits.JOSE_SIGNATURE_CHARS)
    if any(len(part) > most for part, most in zip(parts, sizes, strict=True)):
        raise JoseTooLargeError
    try:
        head, body, signature = (base64url_decode(part, max_chars=limits.ENVELOPE_CHARS) for part in parts)
    except CodecError:
        raise JoseSerializationError from None
    try:
        header = parse_json_object(head, max_bytes=limits.JOSE_HEADER_CHARS)
    except JsonError:
        raise JoseHeaderError from None
    _check_unwelcome(header)
    try:
        _RULES.check_header(jws.extract_compact(text.encode("ascii"), registry=_RULES).headers())
    except ExceededSizeError:
        raise JoseTooLargeError from None
    except LibraryError:
        raise JoseHeaderError from None
    return header, parse_json_object(body, max_bytes=limits.JSON_BYTES), signature


def _check_unwelcome(header: Mapping[str, Any]) -> None:
    for parameter in _KEY_HEADERS:
        if parameter in header:
            raise JoseKeyHeaderError(parameter=parameter)
    for parameter in _CRITICAL_HEADERS:
        if parameter in header:
            raise JoseCriticalError(parameter=parameter)


def _check_header(header: Mapping[str, Any]) -> Algorithm:
    algorithm = header["alg"]
    if algorithm not in _KEY_KINDS:
        raise JoseAlgorithmError
    # Narrowed by the table.
    return cast("Algorithm", algorithm)
