"""The did:key method."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods import key as did_key
from did_methods.codec import KEY_CODECS, KeyKind, base58_decode, base58_encode, base64url_decode, parse_json_object
from did_methods.codec_errors import CodecError
from did_methods.did import InvalidDidError
from did_methods.document import MethodPurposeError, parse_did_document
from did_methods.errors import DidError
from did_methods.keys import SigningKey, parse_public_key
from tests.did_methods.cases import cases
from tests.support.vectors import published

SIGNING = {"authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation"}


@pytest.mark.parametrize("case", cases("did-key", "valid"))
def test_every_kind_resolves_to_the_document_of_its_vector(case: dict[str, Any]) -> None:
    """Each kind of key has the document written beside it, and the DID comes back from the key."""
    document = did_key.resolve_did_key(case["did"])
    assert document.raw == case["document"]
    key = parse_public_key(case["did"].removeprefix("did:key:"))
    assert did_key.did_key_from(key) == document.id == case["did"]
    assert [method.public_key for method in document.methods] == [key]
    assert set(document.relationships) == ({"keyAgreement"} if case["kind"] == "x25519" else SIGNING)
    assert parse_did_document(case["document"]) == document


@pytest.mark.parametrize("case", cases("did-key", "invalid", member="did"))
def test_other_dids_are_refused_with_the_code_of_their_vector(case: dict[str, Any]) -> None:
    """Aliases, wrong lengths, bad points and other spellings are refused, each with its code."""
    with pytest.raises(DidError) as refusal:
        did_key.resolve_did_key(case["did"])
    assert refusal.value.code == case["code"]


@pytest.mark.parametrize("case", cases("did-key", "invalid", member="didUrl"))
def test_urls_with_another_fragment_are_refused(case: dict[str, Any]) -> None:
    """The fragment must repeat the body byte for byte, with nothing between."""
    with pytest.raises(DidError) as refusal:
        did_key.resolve_did_key_url(case["didUrl"], "assertionMethod")
    assert refusal.value.code == case["code"]


def test_a_url_resolves_to_its_one_method_for_signing_purposes() -> None:
    """The URL of a signing key gives its method for each signing purpose and for no other."""
    signer = did_key.key_signer(SigningKey(bytes(32)))
    for purpose in SIGNING:
        method = did_key.resolve_did_key_url(signer.verification_method, purpose)
        assert method.id == signer.verification_method
        assert method.public_key == signer.signing_key.public_key
        method.public_key.verify(signer.sign(b"x"), b"x")
    with pytest.raises(MethodPurposeError):
        did_key.resolve_did_key_url(signer.verification_method, "keyAgreement")
    with pytest.raises(InvalidDidError):
        did_key.resolve_did_key_url("did:web:agent.example#key-1", "assertionMethod")


@given(st.binary(min_size=32, max_size=32))
def test_every_signing_key_makes_the_round_trip(seed: bytes) -> None:
    """Key to did:key and back is the identity, and what is resolved parses to the same."""
    key = SigningKey(seed).public_key
    did = did_key.did_key_from(key)
    assert did_key.parse_did_key(did) == key
    document = did_key.resolve_did_key(did)
    assert parse_did_document(document.raw) == document


@given(st.sampled_from(sorted(KEY_CODECS)), st.binary(max_size=60), st.binary(max_size=2))
def test_no_bytes_get_past_the_errors(kind: KeyKind, raw: bytes, more_prefix: bytes) -> None:
    """Whatever bytes stand behind a codec are a checked key under its only spelling, or a refusal with a code."""
    did = "did:key:z" + base58_encode(KEY_CODECS[kind].prefix + more_prefix + raw)
    try:
        key = did_key.parse_did_key(did)
    except DidError:
        return
    assert did_key.did_key_from(key) == did


def test_documents_are_not_shared() -> None:
    """Changing a document that was handed out changes no later one."""
    did = did_key.did_key_from(SigningKey(bytes(32)).public_key)
    did_key.resolve_did_key(did).raw["assertionMethod"].append("did:web:evil.example#k")
    assert len(did_key.resolve_did_key(did).raw["assertionMethod"]) == 1


def _published_keys(file: str) -> dict[str, dict[str, Any]]:
    """Return the verification method of each DID in a published file."""
    data = parse_json_object(published(f"did-key/{file}.json").read_bytes(), max_bytes=1_000_000)
    documents = (
        data["didDocument"] if "didDocument" in data else {did: case["didDocument"] for did, case in data.items()}
    )
    return {did: document["verificationMethod"][0] for did, document in documents.items()}


def _published_bytes(method: dict[str, Any]) -> bytes:
    if "publicKeyBase58" in method:
        return base58_decode(method["publicKeyBase58"])
    jwk = method["publicKeyJwk"]
    x = base64url_decode(jwk["x"])
    return x if jwk["kty"] == "OKP" else bytes([2 + base64url_decode(jwk["y"])[-1] % 2]) + x


SUPPORTED = {"z6Mk": "ed25519", "z6LS": "x25519", "zDna": "p256", "z82L": "p384", "zQ3s": "secp256k1"}


@pytest.mark.parametrize("file", ["ed25519-x25519", "x25519", "nist-curves", "secp256k1", "bls12381", "rsa"])
def test_published_dids_have_the_published_keys(file: str) -> None:
    """Each published DID of a supported kind has the published key, and each other one is refused."""
    found = _published_keys(file)
    assert found
    for did, method in found.items():
        kind = SUPPORTED.get(did.removeprefix("did:key:")[:4])
        if kind is None:
            with pytest.raises((CodecError, InvalidDidError)):
                did_key.resolve_did_key(did)
            continue
        key = did_key.parse_did_key(did)
        assert (key.kind, key.raw) == (kind, _published_bytes(method))
