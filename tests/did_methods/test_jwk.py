"""The did:jwk method and the JSON Web Keys in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openvc.did.did_jwk import DidJwkResolver

from did_methods import data_integrity as di
from did_methods import jwk as did_jwk
from did_methods.codec import base64url_decode, base64url_encode
from did_methods.codec_errors import KeyLengthError
from did_methods.document import MethodNotFoundError, MethodPurposeError, parse_did_document
from did_methods.errors import DidError
from did_methods.json_web_key import JwkPrivateError, parse_public_jwk, public_jwk
from did_methods.keys import (
    KeyKindError,
    PublicKey,
    SigningKey,
    parse_public_key,
    point_coordinates,
    public_key_from_point,
)
from did_methods.method import ResolutionError, ResolutionOptions
from tests.did_methods.cases import cases

KEY = SigningKey(bytes(range(32)))
OPTIONS = ResolutionOptions(now_ms=1_795_165_200_000)
SIGNING = {"authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation"}
SECRET = base64url_encode(bytes(range(32)))


def _did(jwk: Any) -> str:
    return "did:jwk:" + base64url_encode(json.dumps(jwk).encode())


@pytest.mark.parametrize("case", cases("did-jwk", "valid"))
def test_each_did_resolves_to_the_document_of_its_vector(case: dict[str, Any]) -> None:
    """Each kind and use has the document written beside it, which parses to the very same keys and purposes."""
    document = did_jwk.resolve_did_jwk(case["did"])
    assert document.raw == case["document"]
    assert parse_did_document(case["document"]) == document
    (method,) = document.methods
    assert method.public_key is not None
    assert (method.id, method.public_key.kind) == (f"{case['did']}#0", case["kind"])
    assert method.public_key.raw.hex() == case["rawHex"]


@pytest.mark.parametrize("case", cases("did-jwk", "valid"))
def test_the_use_decides_the_purposes(case: dict[str, Any]) -> None:
    """`sig` leaves key agreement out, `enc` leaves only it, and no `use` lists all, as the method says."""
    document = did_jwk.resolve_did_jwk(case["did"])
    use = document.raw["verificationMethod"][0]["publicKeyJwk"].get("use")
    expected = {None: SIGNING | {"keyAgreement"}, "sig": SIGNING, "enc": {"keyAgreement"}}[use]
    assert set(document.relationships) == expected


@pytest.mark.parametrize("case", cases("did-jwk", "invalid"))
def test_other_dids_are_refused_with_the_code_of_their_vector(case: dict[str, Any]) -> None:
    """Private and symmetric keys, second encodings, bad points, bad JSON and other spellings have a code each."""
    for read in (did_jwk.parse_did_jwk, did_jwk.resolve_did_jwk):
        with pytest.raises(DidError) as refusal:
            read(case["did"])
        assert refusal.value.code == case["code"]
        assert SECRET not in str(refusal.value)


@pytest.mark.oracle
@pytest.mark.parametrize("case", cases("did-jwk", "valid"))
def test_another_implementation_finds_the_same_key(case: dict[str, Any]) -> None:
    """The oracle reads the same JWK under the same name."""
    document = DidJwkResolver().resolve(case["did"])
    (method,) = document.verification_methods
    ours = did_jwk.resolve_did_jwk(case["did"]).raw["verificationMethod"][0]
    assert method.public_key_jwk == ours["publicKeyJwk"]


def test_a_did_jwk_signs_and_verifies_documents() -> None:
    """An Ed25519 did:jwk is found under `#0` for a purpose, and verifies the proof made with it."""
    signer = did_jwk.jwk_signer(KEY)
    signed = di.sign_document({"strength": 80}, signer=signer, created=1_795_165_200_000)
    (proof,) = di.parse_proofs(signed)
    document = did_jwk.resolve_did_jwk(proof.verification_method.partition("#")[0])
    method = document.find_method(proof.verification_method, "assertionMethod")
    assert method.public_key is not None
    di.verify_proof(signed, proof, method.public_key)
    for name in (f"{document.id}#1", f"{document.id}#{KEY.public_key.multikey}", document.id, "#0"):
        with pytest.raises(MethodNotFoundError):
            document.find_method(name, "assertionMethod")


def test_an_agreement_key_signs_for_nothing() -> None:
    """A key whose use is `enc` stands for no purpose of signatures."""
    did = _did(public_jwk(PublicKey("x25519", bytes(range(32)))) | {"use": "enc"})
    with pytest.raises(MethodPurposeError):
        did_jwk.resolve_did_jwk(did).find_method(f"{did}#0", "assertionMethod")


def test_spellings_of_one_key_are_different_dids() -> None:
    """One key has many did:jwks; each resolves to a document about itself, so text is what is compared."""
    members = public_jwk(KEY.public_key)
    spellings = {
        _did(members),
        _did(dict(reversed(members.items()))),
        _did(members | {"kid": "1"}),
        did_jwk.did_jwk_from(KEY.public_key),
    }
    documents = [did_jwk.resolve_did_jwk(did) for did in spellings]
    assert {document.id for document in documents} == spellings
    assert len(spellings) == 4
    assert {document.methods[0].public_key for document in documents} == {KEY.public_key}


def test_documents_are_not_shared() -> None:
    """Changing a document that was handed out changes no later one."""
    did = did_jwk.did_jwk_from(KEY.public_key)
    did_jwk.resolve_did_jwk(did).raw["verificationMethod"][0]["publicKeyJwk"]["x"] = "A"
    assert did_jwk.resolve_did_jwk(did).raw["verificationMethod"][0]["publicKeyJwk"]["x"] != "A"


def test_as_a_method_it_answers_and_has_no_versions() -> None:
    """A did:jwk is the same at every time, has no version by id or number, and a bad one is INVALID_DID."""
    method, did = did_jwk.JwkMethod(), did_jwk.did_jwk_from(KEY.public_key)
    for options in (OPTIONS, ResolutionOptions(0, version_time_ms=0)):
        result = method.resolve(did, options)
        assert result.did_document is not None
        assert result.did_document["id"] == did
    for options in (ResolutionOptions(0, version_id="1"), ResolutionOptions(0, version_number=1)):
        assert method.resolve(did, options).error is ResolutionError.NOT_FOUND
    refused = method.resolve(did + "=", ResolutionOptions(0, version_id="1"))
    assert refused.error is ResolutionError.INVALID_DID
    assert refused.did_resolution_metadata["error"]["code"] == "base64url_invalid"


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_no_member_of_a_private_key_passes(name: str) -> None:
    """Whatever its value, a private member makes the JWK refused before anything else of it is looked at."""
    for value in (SECRET, "", None, 0, []):
        with pytest.raises(JwkPrivateError) as refusal:
            parse_public_jwk({"kty": "?", name: value})
        assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("case", cases("did-key", "valid"))
def test_keys_of_every_kind_survive_the_way_through_a_jwk(case: dict[str, str]) -> None:
    """A key written as a JWK and read again is the same key, and so is one that became a did:jwk."""
    key = parse_public_key(case["did"].removeprefix("did:key:"))
    assert parse_public_jwk(public_jwk(key)) == key
    assert did_jwk.parse_did_jwk(did_jwk.did_jwk_from(key)).public_key == key


def test_a_point_needs_both_coordinates_of_its_curve() -> None:
    """Both coordinates are checked together and give the compressed form; keys without y have no such form."""
    key = next(
        parse_public_key(case.values[0]["did"].removeprefix("did:key:"))
        for case in cases("did-key", "valid")
        if case.id == "p256"
    )
    x, y = point_coordinates(key)
    assert public_key_from_point("p256", x, y) == key
    with pytest.raises(KeyLengthError):
        public_key_from_point("p256", x, y[1:])
    with pytest.raises(KeyLengthError):
        public_key_from_point("p384", x, y)
    with pytest.raises(KeyKindError):
        public_key_from_point("ed25519", x, y)
    with pytest.raises(KeyKindError):
        point_coordinates(KEY.public_key)


@given(st.binary(min_size=32, max_size=32), st.sampled_from([None, "sig"]), st.dictionaries(st.text(), st.text()))
def test_every_signing_key_makes_the_round_trip(seed: bytes, use: str | None, more: dict[str, str]) -> None:
    """Key to did:jwk and back is the identity, whatever harmless members stand beside it."""
    key = SigningKey(seed).public_key
    reserved = {"kty", "crv", "x", "y", "use", "d", "p", "q", "dp", "dq", "qi", "oth", "k"}
    harmless = {name: value for name, value in more.items() if name not in reserved}
    did = _did(harmless | public_jwk(key) | ({"use": use} if use else {}))
    if len(did) > did_jwk.MAX_DID_JWK_CHARS or not _encodes(harmless):
        return
    document = did_jwk.resolve_did_jwk(did)
    assert document.methods[0].public_key == key
    assert base64url_decode(did.removeprefix("did:jwk:"))
    assert parse_did_document(document.raw) == document


@given(st.text(max_size=60) | st.binary(max_size=60).map(base64url_encode))
def test_no_text_gets_past_the_errors(text: str) -> None:
    """Whatever stands behind the prefix is a checked key or a refusal with a code."""
    try:
        parsed = did_jwk.parse_did_jwk(f"did:jwk:{text}")
    except DidError:
        return
    assert public_jwk(parsed.public_key).items() <= parsed.jwk.items()


def _encodes(members: dict[str, str]) -> bool:
    try:
        json.dumps(members, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
