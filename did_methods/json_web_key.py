"""JSON Web Keys: the public keys in them, and nothing that should not be there.

Decides whether a JWK is one public key of a kind that this product knows: coordinates in canonical base64url, of the
full length of the curve, on the curve. Refuses private members and symmetric keys outright, wherever they come from.
A JWK that only names a key (``x5u``, ``jku``) is never followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from did_methods.codec import KeyKind, base64url_decode, base64url_encode
from did_methods.codec_errors import CodecError
from did_methods.errors import DidError
from did_methods.keys import PublicKey, point_coordinates, public_key_from_point

# RSA's further members included: who sends one of them sends a private key of some kind.
PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_SYMMETRIC: Final = "oct"


class InvalidJwkError(DidError):
    """Any refusal of a JWK; catch this for all of them."""

    code = "jwk_invalid"
    title = "Invalid JSON Web Key"


class JwkPrivateError(InvalidJwkError):
    """The JWK holds a private or symmetric key; whoever sent it has to give that key up."""

    code = "jwk_private_member"
    title = "Private key in a JSON Web Key"


class JwkKindError(InvalidJwkError):
    """The JWK is of a type or curve that is not one of the five kinds."""

    code = "jwk_kind_unsupported"
    title = "Kind of JSON Web Key not supported"


class JwkCoordinateError(InvalidJwkError):
    """A coordinate is missing, not canonical base64url, or not as long as the curve says."""

    code = "jwk_coordinate"
    title = "Malformed coordinate in a JSON Web Key"


@dataclass(frozen=True, slots=True)
class _Curve:
    key_type: str
    kind: KeyKind
    coordinate_bytes: int


_CURVES: Final = {
    "Ed25519": _Curve("OKP", "ed25519", 32),
    "X25519": _Curve("OKP", "x25519", 32),
    "P-256": _Curve("EC", "p256", 32),
    "P-384": _Curve("EC", "p384", 48),
    "secp256k1": _Curve("EC", "secp256k1", 32),
}
_CURVE_NAMES: Final = {curve.kind: name for name, curve in _CURVES.items()}
_COORDINATE_CHARS: Final = 64


def parse_public_jwk(jwk: dict[str, Any]) -> PublicKey:
    """Return the checked public key in a JWK; members that say nothing about the point are not looked at.

    Args:
        jwk: parsed JSON object.

    Raises:
        InvalidJwkError: jwk_private_member, jwk_kind_unsupported or jwk_coordinate.
        InvalidKeyError: key_not_canonical, key_small_order or key_invalid_point.

    Spec: RFC 7517 4, RFC 7518 6.2, RFC 8037 2, RFC 8812 3.1
    """
    if has_private_part(jwk):
        raise JwkPrivateError
    name = jwk.get("crv")
    curve = _CURVES.get(name) if isinstance(name, str) else None
    if curve is None or jwk.get("kty") != curve.key_type:
        raise JwkKindError
    x = _coordinate(jwk, "x", curve)
    if curve.key_type == "EC":
        return public_key_from_point(curve.kind, x, _coordinate(jwk, "y", curve))
    if "y" in jwk:
        raise JwkCoordinateError("a key of this type has no y")
    return PublicKey(curve.kind, x)


def public_jwk(key: PublicKey) -> dict[str, str]:
    """Return the JWK of a public key, with the required members only.

    Args:
        key: any of the five kinds.

    Spec: RFC 7638 3.2
    """
    name = _CURVE_NAMES[key.kind]
    key_type = _CURVES[name].key_type
    if key_type == "OKP":
        return {"crv": name, "kty": key_type, "x": base64url_encode(key.raw)}
    x, y = point_coordinates(key)
    return {"crv": name, "kty": key_type, "x": base64url_encode(x), "y": base64url_encode(y)}


def has_private_part(jwk: dict[str, Any]) -> bool:
    """Return whether a JWK has any member of a private key, or is a symmetric one.

    Args:
        jwk: parsed JSON object.
    """
    return not PRIVATE_MEMBERS.isdisjoint(jwk) or jwk.get("kty") == _SYMMETRIC


def _coordinate(jwk: dict[str, Any], name: str, curve: _Curve) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str):
        raise JwkCoordinateError(f"{name} is not a string", member=name)
    try:
        value = base64url_decode(text, max_chars=_COORDINATE_CHARS)
    except CodecError:
        raise JwkCoordinateError(f"{name} is not canonical base64url", member=name) from None
    if len(value) != curve.coordinate_bytes:
        raise JwkCoordinateError(f"{name} has not {curve.coordinate_bytes} bytes", member=name)
    return value
