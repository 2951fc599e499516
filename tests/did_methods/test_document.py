"""DID documents and the choice of a verification method."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.codec import base58_encode, base64url_encode
from did_methods.document import (
    MAX_METHODS,
    InvalidDidDocumentError,
    MethodControllerError,
    MethodExpiredError,
    MethodNotFoundError,
    MethodPurposeError,
    SecretInDocumentError,
    parse_did_document,
)
from did_methods.errors import DidError
from did_methods.json_web_key import public_jwk
from did_methods.keys import SigningKey
from did_methods.timestamp import parse_timestamp

DID = "did:web:agent.example"
MULTIKEY = SigningKey(bytes(32)).public_key.multikey
JWK = public_jwk(SigningKey(bytes(32)).public_key)
IDENTITY_JWK = JWK | {"x": base64url_encode((1).to_bytes(32, "little"))}


def method(**changes: Any) -> dict[str, Any]:
    """Return a good verification method with changes; None leaves a member out."""
    members = {"id": f"{DID}#k1", "type": "Multikey", "controller": DID, "publicKeyMultibase": MULTIKEY, **changes}
    return {name: value for name, value in members.items() if value is not None}


def jwk_method(jwk: Any, method_type: str = "JsonWebKey") -> dict[str, Any]:
    """Return a verification method whose key is a JWK."""
    return method(type=method_type, publicKeyMultibase=None, publicKeyJwk=jwk)


def document(*methods: Any, **changes: Any) -> dict[str, Any]:
    """Return a document with these methods, the first of which may assert."""
    return {"id": DID, "verificationMethod": list(methods), "assertionMethod": [f"{DID}#k1"], **changes}


def test_a_listed_method_is_found() -> None:
    """A method under its exact name, listed for the purpose, comes with its checked key."""
    parsed = parse_did_document(document(method()))
    found = parsed.find_method(f"{DID}#k1", "assertionMethod")
    assert found.public_key == SigningKey(bytes(32)).public_key
    assert parsed.relationships == {"assertionMethod": (f"{DID}#k1",)}


@pytest.mark.parametrize("method_type", ["JsonWebKey", "JsonWebKey2020"])
def test_a_json_web_key_is_a_key_like_another(method_type: str) -> None:
    """The key in a JWK is checked and found like one in Multikey form."""
    parsed = parse_did_document(document(jwk_method(JWK | {"kid": "k"}, method_type)))
    assert parsed.find_method(f"{DID}#k1", "assertionMethod").public_key == SigningKey(bytes(32)).public_key


def test_relative_names_belong_to_the_document() -> None:
    """A relative id or reference stands for the absolute one, and is asked for by that."""
    parsed = parse_did_document(document(method(id="#k1"), assertionMethod=["#k1"]))
    assert parsed.find_method(f"{DID}#k1", "assertionMethod").id == f"{DID}#k1"
    with pytest.raises(MethodNotFoundError):
        parsed.find_method("#k1", "assertionMethod")


def test_an_embedded_method_serves_its_own_purpose_only() -> None:
    """A method written inside a relationship may be used for that one and for no other."""
    parsed = parse_did_document(document(authentication=[method(id=f"{DID}#k2")], assertionMethod=[]))
    assert parsed.find_method(f"{DID}#k2", "authentication").public_key
    with pytest.raises(MethodPurposeError):
        parsed.find_method(f"{DID}#k2", "assertionMethod")


@pytest.mark.parametrize("purpose", ["authentication", "keyAgreement", "", "verificationMethod", "id"])
def test_other_purposes_are_refused(purpose: str) -> None:
    """A key may be used only where the document lists it."""
    with pytest.raises(MethodPurposeError):
        parse_did_document(document(method())).find_method(f"{DID}#k1", purpose)


@pytest.mark.parametrize("method_id", [f"{DID}#k2", f"{DID}#K1", f"{DID}#k1 ", DID, "did:web:other.example#k1", ""])
def test_other_names_are_not_found(method_id: str) -> None:
    """Names are compared byte for byte."""
    with pytest.raises(MethodNotFoundError):
        parse_did_document(document(method())).find_method(method_id, "assertionMethod")


def test_a_method_of_another_document_is_not_found_though_listed() -> None:
    """A reference into the document of another DID gives that DID's key no power here."""
    parsed = parse_did_document(document(method(), assertionMethod=["did:web:other.example#k1"]))
    with pytest.raises(MethodNotFoundError):
        parsed.find_method("did:web:other.example#k1", "assertionMethod")


def test_a_method_with_another_controller_is_refused() -> None:
    """A key that another DID controls needs that DID's consent, which this document cannot give."""
    parsed = parse_did_document(document(method(controller="did:web:other.example")))
    with pytest.raises(MethodControllerError):
        parsed.find_method(f"{DID}#k1", "assertionMethod")


@pytest.mark.parametrize("member", ["expires", "revoked"])
def test_expired_and_revoked_methods_are_refused_at_the_time_of_use(member: str) -> None:
    """A method is good before its end, and refused from that instant on."""
    end = parse_timestamp("2026-11-20T09:00:00Z")
    parsed = parse_did_document(document(method(**{member: "2026-11-20T09:00:00Z"})))
    assert parsed.find_method(f"{DID}#k1", "assertionMethod", at_ms=end - 1)
    assert parsed.find_method(f"{DID}#k1", "assertionMethod")
    with pytest.raises(MethodExpiredError):
        parsed.find_method(f"{DID}#k1", "assertionMethod", at_ms=end)


@pytest.mark.parametrize(
    "unknown",
    [
        method(type="JsonWebKey2020", publicKeyMultibase=None, publicKeyJwk={"kty": "OKP"}),
        method(type="FutureKey2030"),
        method(publicKeyMultibase="z" + base58_encode(b"\xeb\x01" + bytes(40))),
    ],
    ids=["jwk", "type", "codec"],
)
def test_unknown_kinds_of_keys_are_kept_without_a_key(unknown: dict[str, Any]) -> None:
    """A document may have keys that this product does not know; they are there, and verify nothing."""
    found = parse_did_document(document(unknown)).find_method(f"{DID}#k1", "assertionMethod")
    assert found.public_key is None


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({}, "invalid_did_document"),
        ({"id": "agent"}, "invalid_did_document"),
        ({"id": [DID]}, "invalid_did_document"),
        (document(verificationMethod={}), "invalid_did_document"),
        (document(method(), assertionMethod=f"{DID}#k1"), "invalid_did_document"),
        (document(method(), assertionMethod=[1]), "invalid_did_document"),
        (document(method(), assertionMethod=["k1"]), "invalid_did_document"),
        (document("k1"), "invalid_did_document"),
        (document(method(), method()), "invalid_did_document"),
        (document(method(), authentication=[method()]), "invalid_did_document"),
        (document(*(method(id=f"{DID}#{n}") for n in range(MAX_METHODS + 1))), "invalid_did_document"),
        (
            document(*(method(id=f"{DID}#{n}") for n in range(MAX_METHODS)), authentication=[method(id=f"{DID}#x")]),
            "invalid_did_document",
        ),
        (document(method(id=None)), "invalid_did_document"),
        (document(method(id=DID)), "invalid_did_document"),
        (document(method(id="#")), "invalid_did_document"),
        (document(method(type=None)), "invalid_did_document"),
        (document(method(type=["Multikey"])), "invalid_did_document"),
        (document(method(controller=None)), "invalid_did_document"),
        (document(method(controller="me")), "invalid_did_document"),
        (document(method(publicKeyMultibase=None)), "invalid_did_document"),
        (document(method(publicKeyMultibase="m" + MULTIKEY[1:])), "multibase_prefix"),
        (document(method(publicKeyMultibase="z" + base58_encode(b"\xed\x01\x01" + bytes(31)))), "key_small_order"),
        (
            document(
                method(
                    type="Ed25519VerificationKey2020", publicKeyMultibase="z" + base58_encode(b"\xec\x01" + bytes(32))
                )
            ),
            "invalid_did_document",
        ),
        (document(jwk_method(None)), "invalid_did_document"),
        (document(jwk_method("{}")), "invalid_did_document"),
        (document(jwk_method(IDENTITY_JWK)), "key_small_order"),
        (document(jwk_method(JWK | {"x": JWK["x"] + "="})), "jwk_coordinate"),
        (document(jwk_method(JWK | {"y": JWK["x"]})), "jwk_coordinate"),
        (document(jwk_method({"kty": "oct", "k": "AAAA"})), "secret_in_did_document"),
        (document(jwk_method({"kty": "RSA", "n": "AAAA", "e": "AQAB", "p": "AAAA"})), "secret_in_did_document"),
        (document(method(expires="tomorrow")), "timestamp_invalid"),
        (document(method(expires=1)), "invalid_did_document"),
        (document(method(secretKeyMultibase="z")), "secret_in_did_document"),
        (document(method(privateKeyJwk={})), "secret_in_did_document"),
        (document(method(publicKeyJwk={"kty": "OKP", "d": "x"})), "secret_in_did_document"),
    ],
)
def test_malformed_documents_are_refused(raw: dict[str, Any], code: str) -> None:
    """Each fault of a document is refused with the code of its kind."""
    with pytest.raises(DidError) as refusal:
        parse_did_document(raw)
    assert refusal.value.code == code


def test_a_leaked_secret_is_not_repeated_in_the_refusal() -> None:
    """The refusal of a document with a private key does not show the key."""
    with pytest.raises(SecretInDocumentError) as refusal:
        parse_did_document(document(method(secretKeyMultibase="z3topsecret")))
    assert "topsecret" not in str(refusal.value)


def test_an_empty_document_has_no_methods() -> None:
    """A document without keys is one: deactivated DIDs may have it."""
    parsed = parse_did_document({"id": DID})
    assert (parsed.methods, parsed.relationships) == ((), {})
    with pytest.raises(InvalidDidDocumentError):
        parse_did_document({"id": f"{DID}#k1"})
