"""P-256 and P-384: published signatures, the one spelling that is made, and every other that is refused."""

from __future__ import annotations

import copy
import pickle

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from hypothesis import given
from hypothesis import strategies as st

from did_methods import ec_keys
from did_methods.ec_keys import EcSigningKey, signature_bytes
from did_methods.key import key_signer, parse_did_key
from did_methods.keys import (
    KeyKindError,
    SeedLengthError,
    SignatureInvalidError,
    SigningKey,
    parse_public_key,
    signer_kind,
)

ORDERS = {
    "p256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "p384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
# RFC 6979 A.2.5 and A.2.6: secret, message, r, s.
RFC_6979 = [
    (
        "p256",
        "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
        "sample",
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    ),
    (
        "p256",
        "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
        "test",
        "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367",
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
    ),
    (
        "p384",
        "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
        "sample",
        "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
        "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
    ),
    (
        "p384",
        "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5",
        "test",
        "8203B63D3C853E8D77227FB377BCF7B7B772E97892A80F36AB775D509D7A5FEB0542A7F0812998DA8F1DD3CA3CF023DB",
        "DDD0760448D42D8A43AF45AF836FCE4DE8BE06B485E9B61B827C2F13173923E06A739F040649A667BF3B828246BAA5A5",
    ),
]
KEYS = {"p256": EcSigningKey("p256", bytes(31) + b"\x07"), "p384": EcSigningKey("p384", bytes(47) + b"\x07")}
each_kind = pytest.mark.parametrize("kind", KEYS)


def halves(signature: bytes) -> tuple[int, int]:
    """Return r and s."""
    middle = len(signature) // 2
    return int.from_bytes(signature[:middle], "big"), int.from_bytes(signature[middle:], "big")


def joined(kind: str, r: int, s: int) -> bytes:
    """Return r and s as one signature."""
    size = signature_bytes(kind) // 2
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


@pytest.mark.parametrize(("kind", "secret", "message", "r", "s"), RFC_6979)
def test_published_signatures_are_made(kind: str, secret: str, message: str, r: str, s: str) -> None:
    """RFC 6979's own examples come out, with the lower of the two values of s; the published pair verifies as well."""
    key = EcSigningKey(kind, bytes.fromhex(secret))
    made = key.sign(message.encode())
    assert halves(made) == (int(r, 16), min(int(s, 16), ORDERS[kind] - int(s, 16)))
    key.public_key.verify(made, message.encode())
    key.public_key.verify(bytes.fromhex(r + s), message.encode())


@each_kind
def test_the_lower_s_is_made_and_either_verifies(kind: str) -> None:
    """Anybody can compute the second signature from the first, so none is ever the name of a document."""
    key = KEYS[kind]
    r, s = halves(key.sign(b"message"))
    assert s <= ORDERS[kind] // 2
    other = joined(kind, r, ORDERS[kind] - s)
    key.public_key.verify(other, b"message")


@each_kind
def test_numbers_out_of_range_are_refused(kind: str) -> None:
    """Neither half is zero, the order, or beyond it, also where it would be the same number modulo the order."""
    order, key = ORDERS[kind], KEYS[kind].public_key
    r, s = halves(KEYS[kind].sign(b"message"))
    top = 2 ** (4 * signature_bytes(kind)) - 1
    for bad in ((0, s), (r, 0), (0, 0), (order, s), (r, order), (top, s), (r, top), (order, order)):
        with pytest.raises(SignatureInvalidError):
            key.verify(joined(kind, *bad), b"message")


@each_kind
def test_other_forms_of_a_signature_are_refused(kind: str) -> None:
    """DER, a byte more or less, halves swapped, and another message do not verify."""
    key = KEYS[kind]
    signature = key.sign(b"message")
    r, s = halves(signature)
    der = utils.encode_dss_signature(r, s)
    for bad in (b"", der, signature[1:], signature[:-1], signature + b"\x00", b"\x00" + signature, joined(kind, s, r)):
        with pytest.raises(SignatureInvalidError):
            key.public_key.verify(bad, b"message")
    with pytest.raises(SignatureInvalidError):
        key.public_key.verify(signature, b"another")


@each_kind
def test_each_curve_has_its_hash(kind: str) -> None:
    """A signature over the other hash of the same message is refused."""
    private = ec.derive_private_key(7, {"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        signature = joined(kind, *utils.decode_dss_signature(private.sign(b"message", ec.ECDSA(algorithm))))
        if algorithm.name == {"p256": "sha256", "p384": "sha384"}[kind]:
            KEYS[kind].public_key.verify(signature, b"message")
        else:
            with pytest.raises(SignatureInvalidError):
                KEYS[kind].public_key.verify(signature, b"message")


@each_kind
@given(message=st.binary(max_size=64), place=st.integers(0, 10_000), change=st.integers(1, 255))
def test_any_changed_byte_is_refused(kind: str, message: bytes, place: int, change: int) -> None:
    """Whichever byte of a signature is changed to whatever else, it does not verify."""
    key = KEYS[kind]
    signature = bytearray(key.sign(message))
    key.public_key.verify(bytes(signature), message)
    signature[place % len(signature)] ^= change
    with pytest.raises(SignatureInvalidError):
        key.public_key.verify(bytes(signature), message)


@each_kind
def test_secrets_out_of_range_are_refused(kind: str) -> None:
    """Zero, the order, anything beyond it and any other length are no secret numbers."""
    size = signature_bytes(kind) // 2
    bad = [bytes(size), ORDERS[kind].to_bytes(size, "big"), b"\xff" * size, b"", b"\x01", bytes(size) + b"\x01"]
    for secret in bad:
        with pytest.raises(SeedLengthError):
            EcSigningKey(kind, secret)


@pytest.mark.parametrize("kind", ["ed25519", "x25519", "secp256k1"])
def test_other_kinds_sign_elsewhere_or_not_at_all(kind: str) -> None:
    """Only the two NIST curves have keys of this class."""
    with pytest.raises(KeyKindError):
        EcSigningKey(kind, bytes(31) + b"\x07")


@each_kind
def test_a_secret_is_never_shown(kind: str) -> None:
    """Neither representation, nor copying, nor pickling takes the secret out of the key unasked."""
    key = KEYS[kind]
    assert repr(key) == f"EcSigningKey({key.public_key.multikey})"
    for leak in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="secret on purpose"):
            leak(key)
    assert int.from_bytes(key.secret, "big") == 7
    assert EcSigningKey(kind, key.secret) != key


@each_kind
def test_a_key_is_its_did_key(kind: str) -> None:
    """The public key parses from its Multikey, and its signer says which key it signs with."""
    key = KEYS[kind]
    assert parse_public_key(key.public_key.multikey) == key.public_key
    signer = key_signer(key)
    assert signer_kind(signer) == kind
    assert parse_did_key(signer.verification_method.partition("#")[0]) == signer.public_key
    signer.public_key.verify(signer.sign(b"message"), b"message")
    assert signer_kind(key_signer(SigningKey(bytes(32)))) == "ed25519"


@each_kind
def test_a_library_without_rfc_6979_still_signs_and_verifies(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built against an older OpenSSL the library refuses to sign deterministically: then signatures differ, and hold."""
    plain = ec.ECDSA

    def older(algorithm: hashes.HashAlgorithm, deterministic_signing: bool = False) -> ec.ECDSA:
        if deterministic_signing:
            raise UnsupportedAlgorithm("not in this version")
        return plain(algorithm)

    monkeypatch.setattr(ec, "ECDSA", older)
    ec_keys._algorithm.cache_clear()
    try:
        first, second = (KEYS[kind].sign(b"message") for _ in range(2))
        assert first != second
        for signature in (first, second):
            KEYS[kind].public_key.verify(signature, b"message")
            assert halves(signature)[1] <= ORDERS[kind] // 2
    finally:
        ec_keys._algorithm.cache_clear()
