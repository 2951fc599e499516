"""Proofs of the suite eddsa-jcs-2022."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import pytest
from openvc.keys import Ed25519SigningKey
from openvc.proof.di_jcs import EddsaJcsProofSuite
from openvc.proof.errors import SignatureInvalid

from did_methods import data_integrity as di
from did_methods.canonical import CanonicalizationError, canonicalize
from did_methods.codec import base64url_encode, multibase_decode, parse_json_object
from did_methods.errors import DidError
from did_methods.key import key_signer
from did_methods.keys import SigningKey, parse_public_key
from did_methods.timestamp import parse_timestamp
from tests.did_methods.cases import cases
from tests.support.vectors import published

KEY = SigningKey(bytes(range(32)))
SIGNER = key_signer(KEY)
NOW = parse_timestamp("2026-11-20T09:00:00Z")
DOCUMENT: dict[str, Any] = {
    "@context": ["https://www.w3.org/ns/credentials/v2", "https://w3id.org/bonafides/v1"],
    "type": ["VerifiableCredential"],
    "issuer": SIGNER.verification_method.partition("#")[0],
    "validFrom": "2026-11-20T09:00:00Z",
    "credentialSubject": {"id": "did:example:abc", "strength": 80},
}


def _verify(document: dict[str, Any], multikey: str) -> None:
    for proof in di.parse_proofs(document):
        di.verify_proof(document, proof, parse_public_key(multikey))


def _text(name: str) -> str:
    return published(f"vc-di-eddsa/eddsa-jcs-2022/{name}").read_text("utf-8").strip()


def test_the_published_vector_matches_to_the_byte() -> None:
    """Canonical forms, hashes and signature of the specification's own example come out exactly."""
    keys = parse_json_object(published("vc-di-eddsa/keyPair.json").read_bytes())
    key = SigningKey(multibase_decode(keys["privateKeyMultibase"])[2:])
    signed = parse_json_object(_text("signedJCS.json").encode())
    options = parse_json_object(_text("proofConfigJCS.json").encode())
    unsecured = {name: value for name, value in signed.items() if name != "proof"}
    assert canonicalize(options).decode() == _text("proofCanonJCS.txt")
    assert canonicalize(unsecured).decode() == _text("canonDocJCS.txt")
    assert hashlib.sha256(canonicalize(options)).hexdigest() == _text("proofHashJCS.txt")
    assert di.event_id(signed).hex() == _text("docHashJCS.txt")
    assert di.proof_hash_data(unsecured, options).hex() == _text("combinedHashJCS.txt")
    (proof,) = di.parse_proofs(signed)
    assert proof.proof_value.hex() == _text("sigHexJCS.txt")
    _verify(signed, keys["publicKeyMultibase"])
    again = di.sign_document(unsecured, signer=key_signer(key), created=parse_timestamp(options["created"]))
    assert again == signed
    assert again["proof"]["proofValue"] == _text("sigBTC58JCS.txt")


@pytest.mark.parametrize("case", cases("data-integrity", "valid"))
def test_valid_documents_verify(case: dict[str, Any]) -> None:
    """Each valid document parses from its bytes, verifies, and has the hashes written beside it."""
    document = parse_json_object(canonicalize(case["document"]))
    _verify(document, case["publicKey"])
    options = {name: value for name, value in di.parse_proofs(document)[0].raw.items() if name != "proofValue"}
    assert hashlib.sha256(canonicalize(options)).hexdigest() == case["proofHash"]
    assert di.event_id(document).hex() == case["documentHash"]


@pytest.mark.parametrize("case", cases("data-integrity", "invalid"))
def test_altered_documents_are_refused_with_the_code_of_their_vector(case: dict[str, Any]) -> None:
    """Each alteration of a document, a proof or a signature is refused, with its code."""
    with pytest.raises(DidError) as refusal:
        _verify(parse_json_object(json.dumps(case["document"]).encode()), case["publicKey"])
    assert refusal.value.code == case["code"]


def test_all_members_are_read_as_written() -> None:
    """What was signed comes back typed: times in milliseconds, one domain as text, several as a tuple."""
    signed = di.sign_document(
        DOCUMENT,
        signer=SIGNER,
        created=NOW,
        proof_purpose="authentication",
        domain=("a.example", "b.example"),
        challenge="c",
        expires=NOW + 60_000,
        nonce="n",
    )
    (proof,) = di.parse_proofs(signed)
    assert (proof.created_ms, proof.expires_ms) == (NOW, NOW + 60_000)
    assert (proof.domain, proof.challenge, proof.nonce) == (("a.example", "b.example"), "c", "n")
    assert (proof.proof_purpose, proof.verification_method) == ("authentication", SIGNER.verification_method)
    assert signed["proof"]["domain"] == ["a.example", "b.example"]
    (proof,) = di.parse_proofs(di.sign_document(DOCUMENT, signer=SIGNER, created=None, domain="a.example"))
    assert (proof.created_ms, proof.expires_ms, proof.domain) == (None, None, "a.example")
    assert (proof.challenge, proof.nonce) == (None, None)


def test_signing_leaves_the_document_alone_and_shares_no_list() -> None:
    """The document that was signed is unchanged, and a domain list is the proof's own."""
    before, domains = copy.deepcopy(DOCUMENT), ["a.example"]
    signed = di.sign_document(DOCUMENT, signer=SIGNER, created=NOW, domain=domains)
    domains.append("evil.example")
    assert before == DOCUMENT
    assert signed["proof"]["@context"] is not signed["@context"]
    _verify(signed, KEY.public_key.multikey)


def test_signing_is_deterministic() -> None:
    """The same request gets the same bytes again."""
    first = di.sign_document(DOCUMENT, signer=SIGNER, created=NOW)
    assert canonicalize(first) == canonicalize(di.sign_document(DOCUMENT, signer=SIGNER, created=NOW))


def test_a_second_proof_is_added_only_on_purpose() -> None:
    """A signed document is signed again only as a list of proofs, each of which holds on its own."""
    other = SigningKey(bytes(32))
    signed = di.sign_document(DOCUMENT, signer=SIGNER, created=NOW)
    with pytest.raises(di.ProofExistsError):
        di.sign_document(signed, signer=key_signer(other), created=NOW)
    both = di.sign_document(signed, signer=key_signer(other), created=NOW, append=True)
    first, second = di.parse_proofs(both)
    di.verify_proof(both, first, KEY.public_key)
    di.verify_proof(both, second, other.public_key)
    with pytest.raises(di.ProofInvalidError):
        di.verify_proof(both, second, KEY.public_key)
    assert both["proof"][0] == signed["proof"]
    assert isinstance(signed["proof"], dict)


def test_proofs_are_counted() -> None:
    """Eight proofs are allowed, and a ninth is neither added nor read."""
    signed = dict(DOCUMENT)
    for number in range(di.MAX_PROOFS):
        signed = di.sign_document(signed, signer=SIGNER, created=NOW + number, append=True)
    assert len(di.parse_proofs(signed)) == di.MAX_PROOFS
    _verify(signed, KEY.public_key.multikey)
    with pytest.raises(di.ProofCountError):
        di.sign_document(signed, signer=SIGNER, created=NOW, append=True)


def test_a_proof_of_another_document_does_not_verify() -> None:
    """A proof holds for the document it was made over, whichever document it is parsed from."""
    signed = di.sign_document(DOCUMENT, signer=SIGNER, created=NOW)
    (proof,) = di.parse_proofs(di.sign_document({**DOCUMENT, "name": "x"}, signer=SIGNER, created=NOW))
    with pytest.raises(di.ProofInvalidError):
        di.verify_proof(signed, proof, KEY.public_key)


def test_what_has_no_canonical_form_is_not_signed() -> None:
    """A document that two readers could hash differently gets no signature."""
    with pytest.raises(CanonicalizationError):
        di.sign_document({"strength": 2**53}, signer=SIGNER, created=NOW)


def test_the_event_id_names_the_statement_and_not_its_proof() -> None:
    """Signing again, by whomever, or re-ordering keys leaves the id; any other change makes another."""
    signed = di.sign_document(DOCUMENT, signer=SIGNER, created=NOW)
    again = di.sign_document(
        dict(reversed(DOCUMENT.items())), signer=key_signer(SigningKey(bytes(32))), created=NOW + 1
    )
    assert di.event_id(signed) == di.event_id(again) == di.event_id(DOCUMENT)
    assert di.event_id({**DOCUMENT, "name": "x"}) != di.event_id(DOCUMENT)
    assert len(di.event_id(DOCUMENT)) == 32


@pytest.mark.oracle
@pytest.mark.parametrize("purpose", ["assertionMethod", "authentication"])
def test_an_independent_library_verifies_what_we_sign(purpose: str) -> None:
    """Our proofs verify in openvc, with domain and challenge, and our altered documents do not."""
    binding: dict[str, Any] = {"domain": "a.example", "challenge": "c"} if purpose == "authentication" else {}
    signed = di.sign_document(DOCUMENT, signer=SIGNER, created=NOW, proof_purpose=purpose, **binding)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url_encode(KEY.public_key.raw)}
    arguments: dict[str, Any] = {
        "public_key_jwk": jwk,
        "expected_proof_purpose": purpose,
        "expected_domain": binding.get("domain"),
        "expected_challenge": binding.get("challenge"),
        "check_temporal": False,
    }
    EddsaJcsProofSuite().verify(signed, **arguments)
    with pytest.raises(SignatureInvalid):
        EddsaJcsProofSuite().verify({**signed, "name": "x"}, **arguments)


@pytest.mark.oracle
def test_we_verify_what_an_independent_library_signs() -> None:
    """Proofs made by openvc verify here; it signs the copied context but leaves it out of what it shows."""
    jwk = {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": base64url_encode(KEY.public_key.raw),
        "d": base64url_encode(KEY.seed),
    }
    theirs = Ed25519SigningKey.from_jwk(jwk, SIGNER.verification_method)
    signed = EddsaJcsProofSuite().add_proof(
        DOCUMENT, signing_key=theirs, verification_method=SIGNER.verification_method, challenge="c", domain="a.example"
    )
    signed["proof"].setdefault("@context", DOCUMENT["@context"])
    _verify(signed, KEY.public_key.multikey)
    signed["credentialSubject"]["strength"] = 81
    with pytest.raises(di.ProofInvalidError):
        _verify(signed, KEY.public_key.multikey)
