"""What the payload of a secured credential or presentation says, and whether its claims agree with the document in it.

Decides what a token carries, who is said to have made it, which key is named, and whether its times, audience and nonce are
those asked for. Knows no serialisation and no signature (``jose.py``).

Spec: VC-JOSE-COSE 1.1.2.1, 3.1.3, 4.1; RFC 7519 4.1, 5.3
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

from did_methods.did import InvalidDidUrlError, parse_did_url
from registry.credentials.data_model import AnyCredential, parse_any_credential
from registry.credentials.data_model_presentation import (
    PRESENTATION_TYPE,
    AnyPresentation,
    is_envelope,
    parse_any_presentation,
)
from registry.credentials.errors import ChallengeMismatchError, ChallengeMissingError, DomainMismatchError
from registry.credentials.jose_errors import (
    JoseClaimError,
    JosePresentedError,
    JoseTimeError,
    JoseTypeError,
    JoseVersionError,
    JoseWrapperClaimError,
)

TokenKind: TypeAlias = Literal["vc", "vp"]

CLOCK_SKEW_MS: Final = 300_000  # a signer's clock may be this far ahead of ours
TOKEN_CLAIMS: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "nonce"})
"""Members of the payload that speak of the token: no part of the secured document."""

_WRAPPER_CLAIMS: Final = ("vc", "vp")
_REPLICATED: Final = ("iss", "sub", "aud")


def check_wrapper_claims(payload: Mapping[str, Any]) -> None:
    """Refuse the older form, in which the document is a claim of the token.

    Raises:
        JoseWrapperClaimError: jose_wrapper_claim.

    Spec: VC-JOSE-COSE 1.1.2.1
    """
    if any(name in payload for name in _WRAPPER_CLAIMS):
        raise JoseWrapperClaimError


def kind_of(header: Mapping[str, Any], document: Mapping[str, Any], expected: TokenKind | None) -> TokenKind:
    """Return what a token carries: by its document, and in the words of the header where it has any.

    Args:
        header: the JOSE header.
        document: the payload without the token's own claims.
        expected: what it has to carry; None for either.

    Raises:
        JoseTypeError: jose_type_mismatch.

    Spec: VC-JOSE-COSE 3.1.1, 3.1.2; RFC 7515 4.1.9, 4.1.10
    """
    types = document.get("type")
    is_presentation = types == PRESENTATION_TYPE or (isinstance(types, list) and PRESENTATION_TYPE in types)
    kind: TokenKind = "vp" if is_presentation else "vc"
    for parameter, value in (("typ", f"{kind}+jwt"), ("cty", kind)):
        named = str(header.get(parameter, value)).lower().removeprefix("application/")
        if named != value:
            raise JoseTypeError(parameter=parameter)
    if expected is not None and kind != expected:
        raise JoseTypeError("the token carries something else than was asked for")
    return kind


def read_document(kind: TokenKind, document: dict[str, Any]) -> tuple[AnyCredential | AnyPresentation, str]:
    """Return the document parsed, and the issuer or holder that it names; "" for a presentation that names nobody.

    Args:
        kind: what the token carries.
        document: the payload without the token's own claims.

    Raises:
        DataModelError: the codes of `parse_any_credential` and `parse_any_presentation`.
        JoseError: jose_version_unsupported, jose_credential_not_enveloped.

    Spec: VC-JOSE-COSE 3.1.2
    """
    if kind == "vc":
        credential = parse_any_credential(document)
        content: AnyCredential | AnyPresentation = credential
        party = credential.issuer
    else:
        presentation = parse_any_presentation(document)
        content, party = presentation, presentation.holder
        if not all(is_envelope(presented) for presented in presentation.credentials):
            raise JosePresentedError
    if content.version != "2.0":
        raise JoseVersionError
    return content, party


def check_claims(
    header: Mapping[str, Any], claims: Mapping[str, Any], content: AnyCredential | AnyPresentation, party: str
) -> None:
    """Check that the claims say of the document what the document says.

    Args:
        header: the JOSE header, which may repeat claims.
        claims: the token's own claims.
        content: the document.
        party: its issuer or holder.

    Raises:
        JoseClaimError: jose_claim_conflict.

    Spec: VC-JOSE-COSE 3.1.3, 4.1.2; RFC 7519 5.3
    """
    for claim in _REPLICATED:
        if claim in header and header[claim] != claims.get(claim):
            raise JoseClaimError(claim=claim)
    stated = {"iss": party, "jti": content.id}
    if isinstance(content, AnyCredential):
        stated["sub"] = str(content.subjects[0].get("id", "")) if len(content.subjects) == 1 else ""
    for claim, value in stated.items():
        # A presentation may leave the holder to the token; everything else that a claim repeats stands in the document.
        free = claim == "iss" and not party and isinstance(claims.get(claim), str)
        if claim in claims and claims[claim] != value and not free:
            raise JoseClaimError(claim=claim)


def method_id_of(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """Return the verification method that `kid` names: a DID URL, or the fragment of one whose DID is `iss`.

    Args:
        header: the JOSE header.
        claims: the token's own claims.

    Returns:
        Absolute DID URL with a fragment; "" where `kid` is none, so that no key can be looked up.

    Spec: VC-JOSE-COSE 4.1.1, 4.2
    """
    key_id = header.get("kid", "")
    if key_id.startswith("#"):
        key_id = f"{claims.get('iss', '')}{key_id}"
    try:
        url = parse_did_url(key_id)
    except InvalidDidUrlError:
        return ""
    return url.text if url.fragment else ""


def did_of(method_id: str) -> str:
    """Return the DID of a verification method."""
    return method_id.partition("#")[0]


def check_times(claims: Mapping[str, Any], now_ms: int) -> None:
    """Check when the signature was made and until when it counts.

    Args:
        claims: the token's own claims.
        now_ms: milliseconds since the epoch.

    Raises:
        JoseTimeError: jose_time_refused.

    Spec: RFC 7519 4.1.4 to 4.1.6
    """
    for claim in ("iat", "nbf", "exp"):
        if claim not in claims:
            continue
        time = claims[claim]
        if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time):
            raise JoseTimeError("not a number of seconds", claim=claim)
        if (time * 1_000 <= now_ms) if claim == "exp" else (time * 1_000 > now_ms + CLOCK_SKEW_MS):
            raise JoseTimeError(claim=claim)


def check_audience(claims: Mapping[str, Any], *, challenge: str | None, domain: str | None) -> None:
    """Check that the token answers a challenge and is for a domain, where these are asked for.

    Args:
        claims: the token's own claims.
        challenge: to be found in ``nonce``; None where none was sent.
        domain: to be found in ``aud``, alone; None where nobody asks.

    Raises:
        VerificationError: domain_mismatch, challenge_missing, challenge_mismatch.

    Spec: RFC 7519 4.1.3
    """
    if domain is not None and claims.get("aud") not in (domain, [domain]):
        raise DomainMismatchError
    if challenge is not None and "nonce" not in claims:
        raise ChallengeMissingError
    if challenge is not None and claims["nonce"] != challenge:
        raise ChallengeMismatchError
