"""Attacks with crafted keys, signatures and JSON, each played to its end: would the forgery have counted?"""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nacl import bindings

from did_methods import codec
from did_methods import data_integrity as di
from did_methods.canonical import canonicalize
from did_methods.codec import base58_encode, parse_json, parse_json_object
from did_methods.codec_errors import (
    CodecError,
    JsonDuplicateKeyError,
    JsonError,
    JsonSyntaxError,
    JsonTooManyValuesError,
)
from did_methods.errors import DidError
from did_methods.key import did_key_from, key_signer, resolve_did_key, resolve_did_key_url
from did_methods.keys import (
    InvalidKeyError,
    KeyNotCanonicalError,
    KeyPointError,
    KeySmallOrderError,
    PublicKey,
    SignatureInvalidError,
    SigningKey,
    parse_public_key,
)
from did_methods.proof_errors import ProofValueError

KEY = SigningKey(bytes(range(32)))
PRIME = 2**255 - 19
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
IDENTITY = (1).to_bytes(32, "little")
ORDER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
SIGNED = di.sign_document({"strength": 80}, signer=key_signer(KEY), created=1_795_165_200_000)


def _small_order_points() -> list[bytes]:
    """Return the eight points whose order divides eight, by adding one of order eight to itself."""
    points = [ORDER_8]
    while len(points) < 8:
        points.append(bindings.crypto_core_ed25519_add(points[-1], ORDER_8))
    assert len(set(points)) == 8
    return points


def test_the_identity_key_would_sign_everything() -> None:
    """A verifier that takes the identity as key accepts one signature for every message; here it is no key."""
    forged = IDENTITY + bytes(32)
    Ed25519PublicKey.from_public_bytes(IDENTITY).verify(forged, b"pay me")
    Ed25519PublicKey.from_public_bytes(IDENTITY).verify(forged, b"pay me more")
    with pytest.raises(KeySmallOrderError):
        PublicKey("ed25519", IDENTITY)


@pytest.mark.parametrize("index", range(8))
def test_no_point_of_small_order_is_a_key(index: int) -> None:
    """All eight points of small order are refused, with either sign bit."""
    point = _small_order_points()[index]
    for raw in (point, point[:31] + bytes([point[31] ^ 0x80])):
        with pytest.raises(InvalidKeyError):
            PublicKey("ed25519", raw)


@pytest.mark.parametrize("index", range(7))
def test_no_key_of_mixed_order_is_a_key(index: int) -> None:
    """A good key with a part of small order, which has several equivalent spellings, is refused."""
    mixed = bindings.crypto_core_ed25519_add(KEY.public_key.raw, _small_order_points()[index])
    if mixed == KEY.public_key.raw:
        return
    with pytest.raises(KeyPointError):
        PublicKey("ed25519", mixed)


@pytest.mark.parametrize("y", range(PRIME, 2**255))
def test_no_second_encoding_of_a_point_is_a_key(y: int) -> None:
    """The nineteen encodings at or above the prime are refused, with either sign bit."""
    for sign in (0, 1 << 255):
        with pytest.raises(KeyNotCanonicalError):
            PublicKey("ed25519", (y | sign).to_bytes(32, "little"))


def test_a_signature_has_no_second_form() -> None:
    """Adding the group order to S gives a signature that lax verifiers take for another one; here it fails."""
    signature = KEY.sign(b"message")
    s = int.from_bytes(signature[32:], "little")
    for factor in range(1, 8):
        malleated = s + factor * GROUP_ORDER
        with pytest.raises(SignatureInvalidError):
            KEY.public_key.verify(signature[:32] + malleated.to_bytes(32, "little"), b"message")


@pytest.mark.parametrize("index", range(8))
def test_no_signature_with_a_small_commitment_verifies(index: int) -> None:
    """A signature whose R has small order is refused, whatever S is."""
    for s in (0, 1):
        with pytest.raises(SignatureInvalidError):
            KEY.public_key.verify(_small_order_points()[index] + s.to_bytes(32, "little"), b"message")


def test_one_key_has_one_did() -> None:
    """No other text resolves to the same key: padding, zero bytes, white space, other bases and cases all fail."""
    did, raw = did_key_from(KEY.public_key), KEY.public_key.raw
    aliases = [
        "did:key:z" + base58_encode(b"\xed\x81\x00" + raw),
        "did:key:z" + base58_encode(b"\xed\x81\x80\x00" + raw),
        "did:key:z1" + did.removeprefix("did:key:z"),
        did + "\n",
        did + " ",
        " " + did,
        did + "\x00",
        did.replace("z6Mk", "Z6Mk"),
        did.replace("did:key", "DID:KEY"),
        did + "#",
        did + "?",
        did.replace("6", "%36", 1),
    ]
    for alias in aliases:
        with pytest.raises(DidError):
            resolve_did_key(alias)


def test_a_method_cannot_name_one_key_and_show_another() -> None:
    """A URL whose fragment is the attacker's key under the victim's DID finds no method."""
    victim, attacker = did_key_from(KEY.public_key), SigningKey(bytes(32)).public_key.multikey
    with pytest.raises(DidError) as refusal:
        resolve_did_key_url(f"{victim}#{attacker}", "assertionMethod")
    assert refusal.value.code == "did_key_fragment"


@pytest.mark.parametrize("good_first", [True, False])
@pytest.mark.parametrize("member", ["strength", "proof"])
def test_a_document_cannot_say_two_things(member: str, good_first: bool) -> None:
    """A member written twice, one for the verifier and one for the policy, is refused in either order."""
    text = canonicalize(SIGNED).decode()
    evil = f'"{member}":1'
    doubled = f"{text[:-1]},{evil}}}" if good_first else f"{{{evil},{text[1:]}"
    with pytest.raises(JsonDuplicateKeyError):
        parse_json_object(doubled.encode())


@pytest.mark.parametrize("number", ["80.0", "8e1", "800E-1", "80.00000000000000000001"])
def test_other_spellings_of_a_number_mean_the_same_to_everybody(number: str) -> None:
    """A respelled number verifies only because its value, which is what is judged, is the one that was signed."""
    text = canonicalize(SIGNED).decode().replace('"strength":80', f'"strength":{number}')
    document = parse_json_object(text.encode())
    (proof,) = di.parse_proofs(document)
    di.verify_proof(document, proof, KEY.public_key)
    assert document["strength"] == 80


@pytest.mark.parametrize("number", ["9007199254740993", "-9007199254740993", "1e999", "NaN", "9" * 400])
def test_numbers_that_would_round_are_refused(number: str) -> None:
    """A number that another reader would round to the signed one is not read at all."""
    with pytest.raises(JsonError):
        parse_json_object(f'{{"strength":{number}}}'.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 65_536,
        b'{"a":' * 13_000,
        b"[[]," * 16_000,
        b'"' + b"\\u0000" * 10_000 + b'"',
        b"[" + b"{}," * 21_000 + b"{}]",
        b'"' + b"\\" * 60_001 + b'"',
        b"-" * 60_000,
        b" " * 65_536,
    ],
    ids=["arrays", "objects", "wide", "nul", "empty-objects", "escapes", "minus", "blank"],
)
def test_hostile_texts_end_in_a_refusal(data: bytes) -> None:
    """Texts built to exhaust a parser within the byte limit end in a refusal, not in a fault."""
    with pytest.raises(JsonError):
        parse_json_object(data)


def test_two_megabytes_are_refused_by_their_length() -> None:
    """A body beyond the limit is not read: not its syntax, not its encoding."""
    with pytest.raises(JsonError) as refusal:
        parse_json_object(b"\xff" * 2_000_000)
    assert refusal.value.code == "json_too_large"


def test_long_base58_costs_nothing() -> None:
    """Base58 takes quadratic time, so long text is refused by its length alone, in a key and in a signature."""
    long = "z" + "2" * 200_000
    with pytest.raises(CodecError):
        parse_public_key(long)
    with pytest.raises(DidError):
        resolve_did_key(f"did:key:{long}")
    with pytest.raises(ProofValueError):
        di.parse_proofs({**SIGNED, "proof": {**SIGNED["proof"], "proofValue": long}})


def test_a_context_added_after_signing_changes_no_meaning_unseen() -> None:
    """The letter of the standard lets contexts be appended after signing; here the proof's must be the document's."""
    document = {"@context": ["https://www.w3.org/ns/credentials/v2"], "type": ["VerifiableCredential"]}
    signed = di.sign_document(document, signer=key_signer(KEY), created=0)
    remapped = {**signed, "@context": [*signed["@context"], {"type": "https://evil.example/#other"}]}
    (proof,) = di.parse_proofs(remapped)
    with pytest.raises(di.ProofContextError):
        di.verify_proof(remapped, proof, KEY.public_key)


def test_a_stolen_proof_does_not_fit_elsewhere() -> None:
    """A proof moved to another document, another purpose or another challenge does not verify there."""
    for change in ({"proofPurpose": "authentication"}, {"challenge": "x"}, {"domain": "evil.example"}):
        moved = {**SIGNED, "proof": {**SIGNED["proof"], **change}}
        (proof,) = di.parse_proofs(moved)
        with pytest.raises(di.ProofInvalidError):
            di.verify_proof(moved, proof, KEY.public_key)
    moved = {"strength": 1, "proof": SIGNED["proof"]}
    (proof,) = di.parse_proofs(moved)
    with pytest.raises(di.ProofInvalidError):
        di.verify_proof(moved, proof, KEY.public_key)


def test_refusals_never_show_the_signature_or_the_document() -> None:
    """What an attacker sends is not echoed into logs and answers."""
    marked: dict[str, Any] = {"topsecret": "topsecret", "proof": {**SIGNED["proof"], "created": "topsecret"}}
    with pytest.raises(DidError) as refusal:
        di.parse_proofs(marked)
    assert "topsecret" not in f"{refusal.value} {refusal.value.params}"


def test_too_many_values_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The costly part of parsing is not begun for a text whose commas alone say that it has too many values."""

    class Unused:
        @staticmethod
        def decode(_text: str) -> None:
            raise AssertionError("parsed")

    monkeypatch.setattr(codec, "_DECODER", Unused())
    with pytest.raises(JsonTooManyValuesError):
        parse_json(b'{"a":[' + b"0," * 20_000 + b"0]}")


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":"' + b"," * 60_000 + b'"}',
        b'{"a":"' + b',\\"' * 20_000 + b'"}',
        b'{"' + b",\\\\" * 20_000 + b'":[0,0]}',
        b"[" + b"0," * 19_997 + b"0]",
    ],
)
def test_commas_inside_strings_are_no_values(text: bytes) -> None:
    """However many commas a string has, escaped quotes and backslashes between them: the text is read."""
    assert parse_json(text, max_bytes=100_000)


def test_an_unfinished_string_costs_no_more_than_its_length() -> None:
    """A string without an end, full of escaped quotes, is looked at once and not from each quote anew."""
    before = time.process_time()
    with pytest.raises(JsonSyntaxError):
        parse_json(b'{"a":"' + b'\\",' * 300_000, max_bytes=1_000_000)
    assert time.process_time() - before < 5, "seconds; a square of the length would take hours"
