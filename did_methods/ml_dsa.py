"""ML-DSA-44 keys and signatures: the post-quantum kind that logs and witnesses sign with beside Ed25519.

Decides whether bytes are a key of that kind, and whether a signature is one of it. DIDs and credentials have no such
keys here, so the kind stands apart from ``keys.py`` and has no Multikey form. Draws no randomness of its own: a signing
key is made of a seed. A second door to ``cryptography``.

Spec: FIPS 204
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from did_methods.codec_errors import KeyLengthError
from did_methods.keys import SEED_BYTES, SeedLengthError, SignatureInvalidError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: TID251 - this module is its door

PUBLIC_KEY_BYTES: Final = 1_312
SIGNATURE_BYTES: Final = 2_420
KIND: Final = "ml-dsa-44"


@dataclass(frozen=True, slots=True)
class MlDsaPublicKey:
    """An ML-DSA-44 public key of the right length; every string of that length is a key.

    Args:
        raw: 1,312 bytes.

    Raises:
        KeyLengthError: key_length.

    Spec: FIPS 204 7.2
    """

    raw: bytes
    kind: Literal["ml-dsa-44"] = field(default=KIND, init=False)

    def __post_init__(self) -> None:
        if len(self.raw) != PUBLIC_KEY_BYTES:
            raise KeyLengthError(kind=KIND, expected_bytes=PUBLIC_KEY_BYTES)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Return when signature is this key's over message, with the empty context; raise otherwise.

        Raises:
            SignatureInvalidError: signature_invalid.

        Spec: FIPS 204 5.3
        """
        # Lazy, because most processes never meet such a key and the library takes its time to load.
        from cryptography.exceptions import InvalidSignature  # noqa: TID251 - this module is its door
        from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: TID251 - this module is its door

        if len(signature) != SIGNATURE_BYTES:
            raise SignatureInvalidError
        try:
            mldsa.MLDSA44PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            raise SignatureInvalidError from None


class MlDsaSigningKey:
    """An ML-DSA-44 private key in memory; its seed never appears in ``repr``.

    Signing is hedged by the library: the same message gets another signature each time.

    Args:
        seed: 32 random bytes; the caller draws them.

    Raises:
        SeedLengthError: seed_length.

    Spec: FIPS 204 6.1
    """

    __slots__ = ("_key", "public_key")

    public_key: MlDsaPublicKey

    def __init__(self, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: TID251 - this module is its door

        if len(seed) != SEED_BYTES:
            raise SeedLengthError
        self._key: mldsa.MLDSA44PrivateKey = mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)
        self.public_key = MlDsaPublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the 2,420 bytes of signature over message.

        Args:
            message: any bytes.

        Spec: FIPS 204 5.2
        """
        return self._key.sign(message)

    def __repr__(self) -> str:
        return "MlDsaSigningKey()"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not copied or pickled; store its seed on purpose")
