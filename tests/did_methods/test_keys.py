"""Keys and signatures."""

from __future__ import annotations

import copy
import pickle

import pytest

from did_methods.codec import base58_encode
from did_methods.codec_errors import KeyLengthError
from did_methods.keys import (
    InvalidKeyError,
    KeyKindError,
    KeySigner,
    PublicKey,
    SeedLengthError,
    SignatureInvalidError,
    SigningKey,
    parse_public_key,
)
from tests.did_methods.cases import cases

# RFC 8032 7.1, tests 1 to 3.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.mark.parametrize(("seed", "raw", "message", "signature"), RFC_8032)
def test_published_signatures_are_made_and_verified(seed: str, raw: str, message: str, signature: str) -> None:
    """The published seeds give the published keys and signatures, which verify and fit no other message."""
    key = SigningKey(bytes.fromhex(seed))
    assert key.public_key.raw.hex() == raw
    assert key.sign(bytes.fromhex(message)).hex() == signature
    key.public_key.verify(bytes.fromhex(signature), bytes.fromhex(message))
    with pytest.raises(SignatureInvalidError):
        key.public_key.verify(bytes.fromhex(signature), bytes.fromhex(message) + b"\x00")


@pytest.mark.parametrize("length", [0, 1, 31, 32, 63, 65, 128])
def test_signatures_of_other_lengths_are_refused(length: int) -> None:
    """Only 64 bytes are a signature: a byte that is missing or left over is never taken from the message."""
    key = SigningKey(bytes(32))
    signature = key.sign(b"xmessage")
    with pytest.raises(SignatureInvalidError):
        key.public_key.verify((signature + b"x" + bytes(64))[:length], b"message")


def test_moving_a_byte_between_signature_and_message_does_not_verify() -> None:
    """A signature with the first byte of the message behind it is not one of the rest."""
    key = SigningKey(bytes(32))
    with pytest.raises(SignatureInvalidError):
        key.public_key.verify(key.sign(b"message") + b"m", b"essage")


def test_a_signing_key_never_shows_its_seed() -> None:
    """Neither representation, nor copying, nor pickling takes the seed out of the key unasked."""
    seed = bytes(range(32))
    key = SigningKey(seed)
    signer = KeySigner(key, "did:example:a#k")
    for shown in (repr(key), str(key), f"{signer}"):
        assert key.public_key.multikey in shown
        assert seed.hex() not in shown
        assert repr(seed)[2:-1] not in shown
    for leak in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="seed on purpose"):
            leak(key)
    assert key.seed == seed


def test_signing_keys_are_not_compared_by_value() -> None:
    """Two keys of one seed are two objects: comparing seeds would take time that tells something."""
    assert SigningKey(bytes(32)) != SigningKey(bytes(32))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_seeds_of_other_lengths_are_refused(length: int) -> None:
    """A seed has 32 bytes."""
    with pytest.raises(SeedLengthError):
        SigningKey(bytes(length))


@pytest.mark.parametrize("case", cases("did-key", "valid"))
def test_keys_of_every_kind_parse(case: dict[str, str]) -> None:
    """Each kind of key parses to its bytes and is written back as it was."""
    multikey = case["did"].removeprefix("did:key:")
    key = parse_public_key(multikey)
    assert (key.kind, key.raw.hex(), key.multikey) == (case["kind"], case["rawHex"], multikey)
    assert parse_public_key(multikey) is key


@pytest.mark.parametrize("case", cases("did-key", "valid"))
def test_keys_verify_or_say_that_they_cannot(case: dict[str, str]) -> None:
    """Kinds without signatures here are recognised, and say so."""
    key = parse_public_key(case["did"].removeprefix("did:key:"))
    expected = KeyKindError if case["kind"] in {"x25519", "secp256k1"} else SignatureInvalidError
    with pytest.raises(expected):
        key.verify(bytes(64), b"")


def test_no_public_key_exists_unchecked() -> None:
    """Whoever builds a key from bytes meets the same checks as one who parses it."""
    with pytest.raises(KeyLengthError):
        PublicKey("ed25519", bytes(31))
    with pytest.raises(InvalidKeyError):
        PublicKey("ed25519", bytes(32))
    with pytest.raises(InvalidKeyError):
        PublicKey("p256", bytes(33))


def test_bad_keys_are_refused_each_time() -> None:
    """A refusal is not forgotten when the same key comes again."""
    identity = "z" + base58_encode(b"\xed\x01\x01" + bytes(31))
    for _ in range(2):
        with pytest.raises(InvalidKeyError):
            parse_public_key(identity)
