"""Elliptic curve keys: points of P-256, P-384 and secp256k1, and ECDSA signatures of the two NIST curves.

The second half of the door that ``keys.py`` is: the only module that imports ``cryptography``, and only once such a key is
met. Signatures are made deterministically (RFC 6979, where the library was built with it) and with the lower of the two possible values of s; both values verify,
because published signatures have either. So a signature never names a document: whoever needs a name hashes the document.

Spec: FIPS 186-5 6; SEC 1 2.3; RFC 6979; VC-DI-ECDSA 3.2, 3.3
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from did_methods.codec import KEY_CODECS, KeyKind
from did_methods.key_errors import KeyKindError, KeyPointError, SeedLengthError, SignatureInvalidError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: TID251 - this module is its door

    from did_methods.keys import PublicKey

EcKind: TypeAlias = Literal["p256", "p384"]


@dataclass(frozen=True, slots=True)
class _Group:
    """What a signature of a curve is made of: bytes of a number, the order of the group, the name of the hash."""

    number_bytes: int
    order: int
    hash_name: str


_GROUPS: Final[dict[str, _Group]] = {
    "p256": _Group(32, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551, "sha256"),
    "p384": _Group(
        48,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        "sha384",
    ),
}


def _group(kind: KeyKind) -> _Group:
    group = _GROUPS.get(kind)
    if group is None:
        raise KeyKindError(f"signatures of {kind} keys are not verified here", kind=kind)
    return group


@lru_cache(maxsize=1)
def _curves() -> dict[KeyKind, ec.EllipticCurve]:
    # Lazy, because most processes never meet a key of these curves and the library takes its time to load.
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: TID251 - this module is its door

    return {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "secp256k1": ec.SECP256K1()}


@lru_cache(maxsize=2)
def _algorithm(hash_name: str) -> ec.ECDSA:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: TID251 - this module is its door
    from cryptography.hazmat.primitives import hashes  # noqa: TID251 - this module is its door
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: TID251 - this module is its door

    algorithm = hashes.SHA256() if hash_name == "sha256" else hashes.SHA384()
    try:
        return ec.ECDSA(algorithm, deterministic_signing=True)
    except UnsupportedAlgorithm:  # built against an OpenSSL before 3.2, which draws the number itself
        return ec.ECDSA(algorithm)


def signature_bytes(kind: KeyKind) -> int:
    """Return how long an ECDSA signature of a key kind is: r and s, one after the other.

    Raises:
        KeyKindError: key_kind_unsupported.
    """
    return 2 * _group(kind).number_bytes


def decode_point(kind: KeyKind, encoded: bytes) -> ec.EllipticCurvePublicKey:
    """Return the point that its compressed or uncompressed form stands for.

    Args:
        kind: ``p256``, ``p384`` or ``secp256k1``.
        encoded: SEC 1 form.

    Raises:
        KeyPointError: key_invalid_point, where it lies on no such curve.

    Spec: SEC 1 2.3.4
    """
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: TID251 - this module is its door

    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_curves()[kind], encoded)
    except ValueError:
        raise KeyPointError from None


@lru_cache(maxsize=1_024)
def _known_point(kind: KeyKind, raw: bytes) -> ec.EllipticCurvePublicKey:
    # Decompressing costs a square root: a key that verifies once verifies again.
    return decode_point(kind, raw)


def verify_ecdsa(kind: KeyKind, raw: bytes, *, signature: bytes, message: bytes) -> None:
    """Return when signature is the key's over message; raise otherwise.

    Args:
        kind: ``p256`` (with SHA-256) or ``p384`` (with SHA-384).
        raw: compressed point.
        signature: r and s, big-endian, each as long as the order of the group; 64 or 96 bytes.
        message: the signed bytes.

    Raises:
        KeyKindError: key_kind_unsupported, for any other kind.
        SignatureInvalidError: signature_invalid.

    Spec: FIPS 186-5 6.4.2
    """
    group = _group(kind)
    if len(signature) != 2 * group.number_bytes:
        raise SignatureInvalidError
    r = int.from_bytes(signature[: group.number_bytes], "big")
    s = int.from_bytes(signature[group.number_bytes :], "big")
    if not (0 < r < group.order and 0 < s < group.order):
        raise SignatureInvalidError
    from cryptography.exceptions import InvalidSignature  # noqa: TID251 - this module is its door
    from cryptography.hazmat.primitives.asymmetric import utils  # noqa: TID251 - this module is its door

    try:
        _known_point(kind, raw).verify(utils.encode_dss_signature(r, s), message, _algorithm(group.hash_name))
    except InvalidSignature:
        raise SignatureInvalidError from None


class EcSigningKey:
    """A private key of P-256 or P-384 in memory; its secret never appears in ``repr``.

    Args:
        kind: ``p256`` or ``p384``.
        secret: 32 or 48 random bytes, big-endian, above 0 and below the order of the group; the caller draws them.

    Raises:
        KeyKindError: key_kind_unsupported.
        SeedLengthError: seed_length.

    Spec: FIPS 186-5 A.2.1; RFC 6979
    """

    __slots__ = ("_key", "kind", "public_key", "secret")

    public_key: PublicKey

    def __init__(self, kind: EcKind, secret: bytes) -> None:
        from cryptography.hazmat.primitives import serialization  # noqa: TID251 - this module is its door
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: TID251 - this module is its door

        from did_methods.keys import PublicKey

        group = _group(kind)
        number = int.from_bytes(secret, "big")
        if len(secret) != group.number_bytes or not 0 < number < group.order:
            raise SeedLengthError(f"a secret of {kind} is a number of {group.number_bytes} bytes", kind=kind)
        self.kind = kind
        self.secret = secret
        self._key = ec.derive_private_key(number, _curves()[kind])
        raw = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
        )
        assert len(raw) == KEY_CODECS[kind].raw_bytes
        self.public_key = PublicKey(kind, raw)

    def sign(self, message: bytes) -> bytes:
        """Return r and s, 64 or 96 bytes; the same message gives the same signature, with s at most half the order.

        Args:
            message: any bytes.

        Spec: RFC 6979 3.2; VC-DI-ECDSA 3.3.6
        """
        from cryptography.hazmat.primitives.asymmetric import utils  # noqa: TID251 - this module is its door

        group = _GROUPS[self.kind]
        r, s = utils.decode_dss_signature(self._key.sign(message, _algorithm(group.hash_name)))
        lower = min(s, group.order - s)
        return r.to_bytes(group.number_bytes, "big") + lower.to_bytes(group.number_bytes, "big")

    def __repr__(self) -> str:
        return f"EcSigningKey({self.public_key.multikey})"

    def __reduce__(self) -> str:
        raise TypeError("an EcSigningKey is not copied or pickled; store its secret on purpose")
