"""Attacks on credentials and presentations as JWTs: each is refused before its signature is believed, by its own code."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import base64url_decode
from did_methods.errors import BonafidesError
from registry import limits
from registry.credentials.errors import IssuerKeyError
from registry.credentials.jose import Algorithm, parse_jose, sign_vc_jwt, sign_vp_jwt, verify_jose
from registry.credentials.jose_errors import JoseKeyKindError, JoseSerializationError, JoseSignatureError, JoseTypeError
from registry.credentials.key_lookup import BoundKey, SelfCertifyingLookup
from tests.credentials.jose_tokens import (
    ED25519,
    NOW_MS,
    P256,
    P384,
    SIGNERS,
    credential_of,
    did_of,
    encode,
    header_of,
    jwk_of,
    presentation_of,
    raw_token,
)
from tests.credentials.parties import MALLORY
from tests.credentials.test_data_model import V1

KEYS = SelfCertifyingLookup()
DOCUMENT = credential_of(ED25519)
GOOD = raw_token(header_of("EdDSA"), DOCUMENT, ED25519)
HEAD, BODY, SIGNATURE = GOOD.split(".")


def with_header(**parameters: Any) -> str:
    """Return a token that is properly signed, with this header."""
    return raw_token(header_of("EdDSA", **parameters), DOCUMENT, ED25519)


def with_payload(**claims: Any) -> str:
    """Return a token that is properly signed, with these members in its payload."""
    return raw_token(header_of("EdDSA"), {**DOCUMENT, **claims}, ED25519)


def by_hmac(secret: bytes) -> str:
    """Return a token whose public key was used as the secret of a symmetric algorithm."""
    signing_input = f"{encode(json.dumps(header_of('EdDSA', alg='HS256')).encode())}.{BODY}"
    return f"{signing_input}.{encode(hmac.digest(secret, signing_input.encode(), hashlib.sha256))}"


# What is tried -> (token, code).
REFUSED: dict[str, tuple[str, str]] = {
    "alg none, no signature": (
        raw_token(header_of("EdDSA", alg="none"), DOCUMENT, None),
        "jose_serialization_invalid",
    ),
    "alg none, with signature": (with_header(alg="none"), "jose_algorithm_unsupported"),
    "alg None": (with_header(alg="None"), "jose_algorithm_unsupported"),
    "alg nOnE": (with_header(alg="nOnE"), "jose_algorithm_unsupported"),
    "alg missing": (with_header(alg=None), "jose_header_invalid"),
    "alg a list": (with_header(alg=["EdDSA"]), "jose_header_invalid"),
    "alg HS256 with the public key": (
        by_hmac(ED25519.signing_key.public_key.raw),
        "jose_algorithm_unsupported",
    ),
    "alg HS256 with the public JWK": (
        by_hmac(json.dumps(jwk_of(ED25519)).encode()),
        "jose_algorithm_unsupported",
    ),
    "alg RS256": (with_header(alg="RS256"), "jose_algorithm_unsupported"),
    "alg ES256K": (with_header(alg="ES256K"), "jose_algorithm_unsupported"),
    "alg Ed448": (with_header(alg="Ed448"), "jose_algorithm_unsupported"),
    "crit unknown": (with_header(crit=["exp"], exp=1), "jose_critical_extension"),
    "crit empty": (with_header(crit=[]), "jose_critical_extension"),
    "crit with b64": (with_header(crit=["b64"], b64=True), "jose_critical_extension"),
    "b64 false": (
        raw_token(header_of("EdDSA", crit=["b64"], b64=False), DOCUMENT, ED25519),
        "jose_critical_extension",
    ),
    "b64 false without crit": (with_header(b64=False), "jose_critical_extension"),
    "jwk of the attacker": (
        raw_token(header_of("EdDSA", jwk=jwk_of(MALLORY)), DOCUMENT, MALLORY),
        "jose_key_in_header",
    ),
    "jku": (with_header(jku="https://attacker.example/keys"), "jose_key_in_header"),
    "x5u": (with_header(x5u="https://attacker.example/certificate"), "jose_key_in_header"),
    "x5c": (with_header(x5c=["MIIB"]), "jose_key_in_header"),
    "kid missing": (with_header(kid=None), "jose_key_id_invalid"),
    "kid a thumbprint": (with_header(kid="ExHkBMW9fmbkvV266mRpuP2sUY_N_EWIN1lapUzO8ro"), "jose_key_id_invalid"),
    "kid a web address": (with_header(kid="https://attacker.example/keys#1"), "jose_key_id_invalid"),
    "kid a bare DID": (with_header(kid=did_of(ED25519)), "jose_key_id_invalid"),
    "kid a path": (with_header(kid="../../dev/null"), "jose_key_id_invalid"),
    "kid relative without iss": (with_header(kid="#key-1"), "jose_key_id_invalid"),
    "kid a number": (with_header(kid=1), "jose_header_invalid"),
    "typ of a presentation": (with_header(typ="vp+jwt"), "jose_type_mismatch"),
    "typ of a key binding": (with_header(typ="kb+jwt"), "jose_type_mismatch"),
    "typ of an SD-JWT": (with_header(typ="vc+sd-jwt"), "jose_type_mismatch"),
    "typ JWT": (with_header(typ="JWT"), "jose_type_mismatch"),
    "typ at+jwt": (with_header(typ="at+jwt"), "jose_type_mismatch"),
    "typ empty": (with_header(typ=""), "jose_type_mismatch"),
    "typ a number": (with_header(typ=1), "jose_header_invalid"),
    "cty of a presentation": (with_header(cty="vp"), "jose_type_mismatch"),
    "cty JWT": (with_header(cty="JWT"), "jose_type_mismatch"),
    "vc claim beside": (with_payload(vc=DOCUMENT), "jose_wrapper_claim"),
    "vp claim beside": (with_payload(vp={}), "jose_wrapper_claim"),
    "vc claim alone": (
        raw_token(header_of("EdDSA"), {"iss": did_of(ED25519), "vc": DOCUMENT}, ED25519),
        "jose_wrapper_claim",
    ),
    "vc claim null": (with_payload(vc=None), "jose_wrapper_claim"),
    "iss of another": (with_payload(iss=did_of(P256)), "jose_claim_conflict"),
    "iss a list": (with_payload(iss=[did_of(ED25519)]), "jose_claim_conflict"),
    "sub of another": (with_payload(sub="did:example:other"), "jose_claim_conflict"),
    "sub where there are two": (
        with_payload(sub="did:example:1", credentialSubject=[{"id": "did:example:1"}, {"id": "did:example:2"}]),
        "jose_claim_conflict",
    ),
    "sub where there is none": (with_payload(sub="did:example:1", credentialSubject={"x": 1}), "jose_claim_conflict"),
    "jti of another": (with_payload(jti="urn:uuid:1"), "jose_claim_conflict"),
    "iss in the header alone": (with_header(iss=did_of(ED25519)), "jose_claim_conflict"),
    "aud in the header otherwise": (
        raw_token(header_of("EdDSA", aud="a"), {**DOCUMENT, "aud": "b"}, ED25519),
        "jose_claim_conflict",
    ),
    "document of 1.1": (
        with_payload(**{"@context": [V1], "issuanceDate": "2020-01-01T00:00:00Z"}),
        "jose_version_unsupported",
    ),
    "document malformed": (with_payload(issuer="fake-issuer", iss="fake-issuer"), "vc_issuer_invalid"),
    "plain credential presented": (
        raw_token(header_of("EdDSA", typ="vp+jwt"), presentation_of(ED25519, DOCUMENT), ED25519),
        "jose_credential_not_enveloped",
    ),
    "proof-bearing credential presented": (
        raw_token(header_of("EdDSA", typ="vp+jwt"), presentation_of(ED25519, {**DOCUMENT, "proof": {}}), ED25519),
        "jose_credential_not_enveloped",
    ),
    "iss of a presentation of another": (
        raw_token(header_of("EdDSA", typ="vp+jwt"), {**presentation_of(ED25519), "iss": did_of(P256)}, ED25519),
        "jose_claim_conflict",
    ),
    "duplicate member in the header": (
        raw_token(b'{"alg":"none","alg":"EdDSA","kid":"x"}', DOCUMENT, ED25519),
        "jose_header_invalid",
    ),
    "duplicate member in the payload": (
        raw_token(header_of("EdDSA"), b'{"issuer":"did:example:a",' + json.dumps(DOCUMENT).encode()[1:], ED25519),
        "json_duplicate_key",
    ),
    "header no JSON": (raw_token(b"EdDSA", DOCUMENT, ED25519), "jose_header_invalid"),
    "header a list": (raw_token(b"[]", DOCUMENT, ED25519), "jose_header_invalid"),
    "payload no JSON": (raw_token(header_of("EdDSA"), b"hello", ED25519), "json_syntax"),
    "payload with NaN": (raw_token(header_of("EdDSA"), b'{"exp":NaN}', ED25519), "json_number_range"),
    "payload detached": (f"{HEAD}..{SIGNATURE}", "jose_serialization_invalid"),
    "two parts": (f"{HEAD}.{BODY}", "jose_serialization_invalid"),
    "four parts": (f"{GOOD}.{SIGNATURE}", "jose_serialization_invalid"),
    "five parts, as of encryption": (f"{HEAD}.{BODY}.{BODY}.{BODY}.{SIGNATURE}", "jose_serialization_invalid"),
    "a disclosure behind": (GOOD + "~", "jose_serialization_invalid"),
    "a newline behind": (GOOD + "\n", "jose_serialization_invalid"),
    "a blank before": (" " + GOOD, "jose_serialization_invalid"),
    "padding": (GOOD + "==", "jose_serialization_invalid"),
    "the other alphabet": (f"{HEAD}.{BODY}.{SIGNATURE[:-2]}+/", "jose_serialization_invalid"),
    "dirty last bits": (f"{HEAD}.{BODY}.{SIGNATURE[:-1]}{chr(ord(SIGNATURE[-1]) + 1)}", "jose_serialization_invalid"),
    "JSON serialisation, flattened": (
        json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNATURE}),
        "jose_serialization_invalid",
    ),
    "JSON serialisation, general": (
        json.dumps({"payload": BODY, "signatures": [{"protected": HEAD, "signature": SIGNATURE}]}),
        "jose_serialization_invalid",
    ),
    "signature of 63 bytes": (
        f"{HEAD}.{BODY}.{encode(base64url_decode(SIGNATURE)[:-1])}",
        "jose_serialization_invalid",
    ),
    "signature of 65 bytes": (
        f"{HEAD}.{BODY}.{encode(base64url_decode(SIGNATURE) + b'a')}",
        "jose_serialization_invalid",
    ),
    "huge header": (with_header(x="a" * limits.JOSE_HEADER_CHARS), "jose_too_large"),
    "huge payload": (with_payload(x="a" * limits.ENVELOPE_CHARS), "jose_too_large"),
    "large payload": (with_payload(x="a" * limits.JSON_BYTES), "json_too_large"),
    "huge signature": (f"{HEAD}.{BODY}.{'A' * 300}", "jose_too_large"),
    "deep payload": (
        raw_token(header_of("EdDSA"), b'{"x":' + b"[" * 500 + b"]" * 500 + b"}", ED25519),
        "json_too_deep",
    ),
    "characters beyond ASCII": (GOOD.replace("e", "\u0435", 1), "jose_serialization_invalid"),
}


@pytest.mark.parametrize("attack", REFUSED)
def test_refused(attack: str) -> None:
    """A token that is not exactly what it has to be is refused under its own code, however well it is signed."""
    token, code = REFUSED[attack]
    with pytest.raises(BonafidesError) as refusal:
        verify_jose(parse_jose(token), keys=KEYS, now_ms=None, issuer_bound=False)
    assert refusal.value.code == code


def test_the_token_that_the_attacks_start_from() -> None:
    """The token that the attacks alter verifies as it stands, so that each is refused for what was altered."""
    assert verify_jose(parse_jose(GOOD), keys=KEYS, now_ms=NOW_MS).document == DOCUMENT


@pytest.mark.parametrize("algorithm", ["ES256", "ES384"])
def test_signatures_in_der(algorithm: Algorithm) -> None:
    """An ECDSA signature in DER, as other formats have it, is refused."""
    signer = SIGNERS[algorithm]
    head, body, signature = sign_vc_jwt(credential_of(signer), signer=signer, algorithm=algorithm).split(".")
    raw = base64url_decode(signature)
    half = len(raw) // 2
    der = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    with pytest.raises(JoseSerializationError):
        parse_jose(f"{head}.{body}.{encode(der)}")


@pytest.mark.parametrize(
    ("algorithm", "signer"), [("ES256", ED25519), ("EdDSA", P256), ("Ed25519", P256)], ids=["ES256", "EdDSA", "Ed25519"]
)
def test_keys_of_another_algorithm(algorithm: Algorithm, signer: Any) -> None:
    """A signature under an algorithm that is not that of the key is refused, although it has the right length."""
    header = {"alg": algorithm, "typ": "vc+jwt", "kid": signer.verification_method}
    token = raw_token(header, credential_of(signer), signer)
    with pytest.raises(JoseKeyKindError):
        verify_jose(parse_jose(token), keys=KEYS, now_ms=NOW_MS)


def test_credentials_and_presentations_are_not_taken_for_one_another() -> None:
    """A signed credential cannot stand for a presentation, nor the reverse, whatever its header says."""
    credential = sign_vc_jwt(credential_of(P384), signer=P384, algorithm="ES384")
    presentation = sign_vp_jwt(presentation_of(P384), signer=P384, algorithm="ES384")
    with pytest.raises(JoseTypeError):
        parse_jose(credential, expected="vp")
    with pytest.raises(JoseTypeError):
        parse_jose(presentation, expected="vc")
    both = {**presentation_of(ED25519), "type": ["VerifiableCredential", "VerifiablePresentation"]}
    with pytest.raises(JoseTypeError):
        parse_jose(raw_token(header_of("EdDSA"), {**DOCUMENT, **both}, ED25519))


class _Recording:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key, and remember who asked for what."""
        self.asked.append((verification_method, purpose))
        return KEYS.find_key(verification_method, purpose)


def test_each_kind_asks_for_its_own_purpose() -> None:
    """A credential's key must be one for assertions and a presentation's one for authentication; callers may say otherwise."""
    keys = _Recording()
    credential = parse_jose(GOOD)
    presentation = parse_jose(sign_vp_jwt(presentation_of(P256), signer=P256, algorithm="ES256"))
    verify_jose(credential, keys=keys, now_ms=NOW_MS)
    verify_jose(presentation, keys=keys, now_ms=NOW_MS)
    verify_jose(credential, keys=keys, now_ms=NOW_MS, purpose="capabilityInvocation")
    assert keys.asked == [
        (ED25519.verification_method, "assertionMethod"),
        (P256.verification_method, "authentication"),
        (ED25519.verification_method, "capabilityInvocation"),
    ]


def test_a_strangers_did_is_not_looked_up() -> None:
    """A token whose key is of another DID than its issuer makes nobody resolve that DID."""
    keys = _Recording()
    with pytest.raises(IssuerKeyError):
        verify_jose(parse_jose(raw_token(header_of("EdDSA"), credential_of(P256), ED25519)), keys=keys, now_ms=NOW_MS)
    assert keys.asked == []


class _WithKey:
    def __init__(self, key: BoundKey) -> None:
        self._key = key

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the one key there is."""
        return self._key


def test_the_key_found_must_be_the_issuers() -> None:
    """A method in the issuer's document that another DID controls does not speak for the issuer."""
    keys = _WithKey(BoundKey(did_of(P256), ED25519.signing_key.public_key, ED25519.verification_method))
    with pytest.raises(BonafidesError) as refusal:
        verify_jose(parse_jose(GOOD), keys=keys, now_ms=NOW_MS)
    assert refusal.value.code == "issuer_key_mismatch"


@given(algorithm=st.sampled_from(sorted(SIGNERS)), part=st.integers(0, 2), data=st.data())
def test_any_other_byte_is_refused(algorithm: Algorithm, part: int, data: st.DataObject) -> None:
    """One changed byte anywhere in header, payload or signature is refused."""
    signer = SIGNERS[algorithm]
    parts = [
        base64url_decode(text)
        for text in sign_vc_jwt(credential_of(signer), signer=signer, algorithm=algorithm).split(".")
    ]
    position = data.draw(st.integers(0, len(parts[part]) - 1))
    bit = data.draw(st.integers(0, 7))
    altered = bytearray(parts[part])
    altered[position] ^= 1 << bit
    parts[part] = bytes(altered)
    with pytest.raises(BonafidesError):
        verify_jose(parse_jose(".".join(encode(piece) for piece in parts)), keys=KEYS, now_ms=NOW_MS)


def test_a_signature_of_another_key() -> None:
    """A signature of another key of the right kind does not verify."""
    with pytest.raises(JoseSignatureError):
        verify_jose(parse_jose(raw_token(header_of("EdDSA"), DOCUMENT, MALLORY)), keys=KEYS, now_ms=NOW_MS)
