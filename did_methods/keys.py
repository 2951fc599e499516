"""Public keys, signing keys and signatures.

Decides whether key bytes are a key that signatures may be trusted under: exact length, canonical encoding, a point of
the right curve and, for Ed25519, of prime order (with the identity point as key one signature fits every message).
Refuses to build any other key, so a ``PublicKey`` in hand was checked. Draws no randomness and stores nothing. The
only door to ``nacl``; the curves of ``ec_keys.py`` are reached through it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from nacl import bindings  # noqa: TID251 - this module is its door
from nacl.exceptions import BadSignatureError  # noqa: TID251 - this module is its door

from did_methods.codec import KEY_CODECS, KeyKind, multikey_decode, multikey_encode
from did_methods.codec_errors import KeyLengthError
from did_methods.ec_keys import decode_point, verify_ecdsa
from did_methods.key_errors import (
    InvalidKeyError,
    KeyKindError,
    KeyNotCanonicalError,
    KeyPointError,
    KeySmallOrderError,
    SeedLengthError,
    SignatureInvalidError,
)

__all__ = [
    "SEED_BYTES",
    "SIGNATURE_BYTES",
    "InvalidKeyError",
    "KeyKindError",
    "KeyNotCanonicalError",
    "KeyPointError",
    "KeySigner",
    "KeySmallOrderError",
    "PrivateKey",
    "PublicKey",
    "SeedLengthError",
    "SignatureInvalidError",
    "Signer",
    "SigningKey",
    "parse_public_key",
    "point_coordinates",
    "public_key_from_point",
    "signer_kind",
]

SIGNATURE_BYTES: Final = 64
SEED_BYTES: Final = 32

_EVEN_Y: Final = 2  # first byte of a compressed point; 3 for an odd y
_WITHOUT_Y: Final = frozenset({"ed25519", "x25519"})
_ED25519_PRIME: Final = 2**255 - 19
_SIGN_BIT_CLEAR: Final = 2**255 - 1
_ORDER_8_Y: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
# The y coordinates of the eight points whose order divides 8: identity, order 2, order 4, order 8 (and its negative).
_SMALL_ORDER_Y: Final = frozenset({1, _ED25519_PRIME - 1, 0, _ORDER_8_Y, _ED25519_PRIME - _ORDER_8_Y})


def _check_ed25519_point(raw: bytes) -> None:
    y = int.from_bytes(raw, "little") & _SIGN_BIT_CLEAR
    if y >= _ED25519_PRIME:
        raise KeyNotCanonicalError
    if y in _SMALL_ORDER_Y:
        raise KeySmallOrderError
    if not bindings.crypto_core_ed25519_is_valid_point(raw):
        raise KeyPointError


def _check_raw(kind: KeyKind, raw: bytes) -> None:
    if len(raw) != KEY_CODECS[kind].raw_bytes:
        raise KeyLengthError(kind=kind, expected_bytes=KEY_CODECS[kind].raw_bytes)
    if kind == "ed25519":
        _check_ed25519_point(raw)
    elif kind != "x25519":
        decode_point(kind, raw)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key whose length and point were checked when it was made.

    Args:
        kind: one of the five kinds.
        raw: the key without prefix; compressed for the NIST curves and secp256k1.

    Raises:
        KeyLengthError: key_length.
        InvalidKeyError: key_not_canonical, key_small_order or key_invalid_point.

    Spec: RFC 8032 5.1.3, SEC 1 2.3.4, RFC 7748 5
    """

    kind: KeyKind
    raw: bytes
    multikey: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check_raw(self.kind, self.raw)
        object.__setattr__(self, "multikey", multikey_encode(self.kind, self.raw))

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return when signature is this key's over message; raise otherwise.

        Args:
            signature: of Ed25519 exactly 64 bytes, S below the group order; of P-256 and P-384 r and s, 64 or 96 bytes.
            message: the signed bytes.

        Raises:
            KeyKindError: key_kind_unsupported, for x25519 and secp256k1.
            SignatureInvalidError: signature_invalid.

        Spec: RFC 8032 5.1.7; FIPS 186-5 6.4.2
        """
        if self.kind != "ed25519":
            verify_ecdsa(self.kind, self.raw, signature=signature, message=message)
            return
        # The length first: the library takes one string, and would read a 65th byte as part of the message.
        if len(signature) != SIGNATURE_BYTES:
            raise SignatureInvalidError
        try:
            bindings.crypto_sign_open(signature + message, self.raw)
        except BadSignatureError:
            raise SignatureInvalidError from None


@lru_cache(maxsize=16_384)
def parse_public_key(multikey: str) -> PublicKey:
    """Return the checked key that Multikey text stands for; remembered, because the point check costs a verification.

    Args:
        multikey: ``z6Mk…``, ``zDn…`` and the like.

    Raises:
        CodecError: multibase_prefix, encoding_too_long, base58_invalid, varint_not_minimal, key_codec_unknown or
            key_length.
        InvalidKeyError: key_not_canonical, key_small_order or key_invalid_point.

    Spec: CID 1.0 2.2.2
    """
    decoded = multikey_decode(multikey)
    _check_raw(decoded.kind, decoded.raw)
    # The decoder has just compared its own encoding of these bytes with the text: a second one would tell nothing.
    key = object.__new__(PublicKey)
    for name, value in (("kind", decoded.kind), ("raw", decoded.raw), ("multikey", multikey)):
        object.__setattr__(key, name, value)
    return key


def public_key_from_point(kind: KeyKind, x: bytes, y: bytes) -> PublicKey:
    """Return the checked key of a point that is given by both coordinates.

    Args:
        kind: ``p256``, ``p384`` or ``secp256k1``.
        x: big-endian, as long as the field of the curve.
        y: big-endian, as long as x.

    Raises:
        KeyKindError: key_kind_unsupported, for kinds that have no y.
        KeyLengthError: key_length.
        KeyPointError: key_invalid_point.

    Spec: SEC 1 2.3.3, 2.3.4
    """
    if kind in _WITHOUT_Y:
        raise KeyKindError(f"{kind} keys have one coordinate", kind=kind)
    if len(x) + 1 != KEY_CODECS[kind].raw_bytes or len(y) != len(x):
        raise KeyLengthError(kind=kind, expected_bytes=KEY_CODECS[kind].raw_bytes)
    # Both coordinates are checked together: the compressed form alone would accept any y of the right parity.
    decode_point(kind, b"\x04" + x + y)
    return PublicKey(kind, bytes([_EVEN_Y + y[-1] % 2]) + x)


def point_coordinates(key: PublicKey) -> tuple[bytes, bytes]:
    """Return both coordinates of a key whose raw form is a compressed point.

    Args:
        key: of kind ``p256``, ``p384`` or ``secp256k1``.

    Raises:
        KeyKindError: key_kind_unsupported, for kinds that have no y.

    Spec: SEC 1 2.3.3
    """
    if key.kind in _WITHOUT_Y:
        raise KeyKindError(f"{key.kind} keys have one coordinate", kind=key.kind)
    numbers = decode_point(key.kind, key.raw).public_numbers()
    size = len(key.raw) - 1
    return numbers.x.to_bytes(size, "big"), numbers.y.to_bytes(size, "big")


class Signer(Protocol):
    """Whoever can sign for a verification method: a key in memory, an agent elsewhere, a hardware module."""

    @property
    def verification_method(self) -> str:
        """The DID URL of the key, as it stands in proofs."""

    def sign(self, message: bytes) -> bytes:
        """Return the bytes of signature over message: 64 of Ed25519 and P-256, 96 of P-384."""


class PrivateKey(Protocol):
    """A private key wherever it lies: in memory, or in a device that only signs."""

    @property
    def public_key(self) -> PublicKey:
        """Its public key."""

    def sign(self, message: bytes) -> bytes:
        """Return the bytes of signature over message, as `PublicKey.verify` takes them."""


def signer_kind(signer: Signer) -> KeyKind | None:
    """Return the kind of key that a signer says it has; None where it does not say.

    Args:
        signer: one with a ``public_key``, such as `KeySigner`, says it.
    """
    key = getattr(signer, "public_key", None)
    return key.kind if isinstance(key, PublicKey) else None


class SigningKey:
    """An Ed25519 private key in memory; its seed never appears in ``repr``, and two keys are never compared by it.

    Args:
        seed: 32 random bytes; the caller draws them.

    Raises:
        SeedLengthError: seed_length.

    Spec: RFC 8032 5.1.5
    """

    __slots__ = ("_secret", "public_key")

    public_key: PublicKey

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise SeedLengthError
        raw, self._secret = bindings.crypto_sign_seed_keypair(seed)
        self.public_key = PublicKey("ed25519", raw)

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes, for storing the key."""
        return self._secret[:SEED_BYTES]

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of signature over message.

        Args:
            message: any bytes.

        Spec: RFC 8032 5.1.6
        """
        return bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def __repr__(self) -> str:
        return f"SigningKey({self.public_key.multikey})"

    def __reduce__(self) -> str:
        raise TypeError("a SigningKey is not copied or pickled; store its seed on purpose")


@dataclass(frozen=True, slots=True)
class KeySigner:
    """A ``Signer`` from a key in memory and the verification method it stands under.

    Args:
        signing_key: the private key.
        verification_method: absolute DID URL.
    """

    signing_key: PrivateKey
    verification_method: str

    @property
    def public_key(self) -> PublicKey:
        """The public key of the verification method."""
        return self.signing_key.public_key

    def sign(self, message: bytes) -> bytes:
        """Return the key's signature over message.

        Args:
            message: any bytes.
        """
        return self.signing_key.sign(message)
