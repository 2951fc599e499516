"""Why a key or a signature is refused; one class per code."""

from __future__ import annotations

from did_methods.errors import DidError


class InvalidKeyError(DidError):
    """Any refusal of a key or of a use of it; catch this for all of them."""

    code = "key_invalid"
    title = "Invalid key"


class KeyNotCanonicalError(InvalidKeyError):
    """The key is a second encoding of a point."""

    code = "key_not_canonical"
    title = "Key encoding not canonical"


class KeySmallOrderError(InvalidKeyError):
    """The key is the identity or another point of small order: anybody can sign for it."""

    code = "key_small_order"
    title = "Key of small order"


class KeyPointError(InvalidKeyError):
    """The key is not a point of the curve, or (Ed25519) not of prime order."""

    code = "key_invalid_point"
    title = "Key is not a valid point"


class KeyKindError(InvalidKeyError):
    """A key of this kind cannot do what is asked."""

    code = "key_kind_unsupported"
    title = "Key kind not supported here"


class SeedLengthError(InvalidKeyError):
    """The secret of a signing key has the wrong length or is not a number of its group."""

    code = "seed_length"
    title = "Wrong secret of a signing key"


class SignatureInvalidError(DidError):
    """The signature is not one of this key over this message."""

    code = "signature_invalid"
    title = "Signature does not verify"
