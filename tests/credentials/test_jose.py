"""Credentials and presentations as JWTs: made, read and verified, alone and with libraries of another make."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwk, jws
from openvc import OpenvcError
from openvc.proof._jws import sign_compact, verify_compact

from did_methods.codec import base64url_decode
from did_methods.ec_keys import EcSigningKey
from did_methods.errors import BonafidesError
from did_methods.key import key_signer
from did_methods.keys import KeySigner
from registry import limits
from registry.credentials.data_model import AnyCredential
from registry.credentials.data_model_presentation import AnyPresentation, parse_envelope, parse_presented
from registry.credentials.errors import (
    ChallengeMismatchError,
    ChallengeMissingError,
    DomainMismatchError,
    HolderKeyError,
    IssuerKeyError,
    KeyNotFoundError,
)
from registry.credentials.jose import (
    Algorithm,
    envelope,
    parse_jose,
    sign_vc_jwt,
    sign_vp_jwt,
    unenvelope,
    verify_jose,
    verify_token_signature,
)
from registry.credentials.jose_errors import (
    JoseClaimError,
    JoseKeyIdError,
    JoseKeyKindError,
    JoseMediaTypeError,
    JosePresentedError,
    JoseSignatureError,
    JoseTimeError,
    JoseTooLargeError,
)
from registry.credentials.key_lookup import BoundKey, SelfCertifyingLookup
from tests.credentials.jose_tokens import (
    ED25519,
    NOW_MS,
    NOW_S,
    P256,
    SIGNERS,
    credential_of,
    did_of,
    header_of,
    jwk_of,
    presentation_of,
    raw_token,
)
from tests.credentials.parties import MALLORY
from tests.credentials.test_data_model import V2, credential

KEYS = SelfCertifyingLookup()
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


class ForeignKey:
    """A key of another library, for the signing interface of a third."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.alg = algorithm
        self.kid = SIGNERS[algorithm].verification_method
        self._signer: KeySigner = SIGNERS[algorithm]

    def sign(self, signing_input: bytes) -> bytes:
        """Return the signature."""
        return self._signer.sign(signing_input)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_credentials_there_and_back(algorithm: Algorithm) -> None:
    """A credential that is signed is read back as it was, with the key that signed it."""
    signer = SIGNERS[algorithm]
    document = credential_of(signer)
    token = sign_vc_jwt(document, signer=signer, algorithm=algorithm, issued_ms=NOW_MS, expires_ms=NOW_MS + 1_000)
    verified = verify_jose(parse_jose(token), keys=KEYS, now_ms=NOW_MS)
    assert verified.document == document
    assert isinstance(verified.jose.content, AnyCredential)
    assert (verified.jose.kind, verified.jose.party, verified.jose.algorithm) == ("vc", did_of(signer), algorithm)
    assert verified.jose.claims == {"iat": NOW_S, "exp": NOW_S + 1}
    assert verified.key == BoundKey(did_of(signer), signer.signing_key.public_key, signer.verification_method)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_presentations_there_and_back(algorithm: Algorithm) -> None:
    """A presentation carries enveloped credentials, each read and verified from its envelope, and answers its challenge."""
    signer = SIGNERS[algorithm]
    inner = sign_vc_jwt(credential_of(ED25519), signer=ED25519, algorithm="EdDSA")
    document = presentation_of(signer, envelope(inner, "vc"))
    token = sign_vp_jwt(document, signer=signer, algorithm=algorithm, challenge="c1", domain="example.org")
    verified = verify_jose(parse_jose(token), keys=KEYS, now_ms=NOW_MS, challenge="c1", domain="example.org")
    assert verified.document == document
    assert isinstance(verified.jose.content, AnyPresentation)
    presented = parse_presented(verified.jose.content, 0)
    assert not isinstance(presented, AnyCredential)
    assert unenvelope(presented) == inner
    assert verify_jose(parse_jose(inner, expected="vc"), keys=KEYS, now_ms=None).document == credential_of(ED25519)


def test_what_is_written() -> None:
    """The header names type, content type, algorithm and key; the payload is the document itself, without a wrapper."""
    token = sign_vc_jwt(credential_of(P256), signer=P256, algorithm="ES256")
    header, payload, _ = token.split(".")
    assert json.loads(base64url_decode(header)) == {
        "alg": "ES256",
        "cty": "vc",
        "kid": P256.verification_method,
        "typ": "vc+jwt",
    }
    assert json.loads(base64url_decode(payload)) == credential_of(P256)


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_another_library_reads_ours(algorithm: Algorithm) -> None:
    """Two independent libraries verify what is signed here, and refuse it when one byte is changed."""
    signer = SIGNERS[algorithm]
    token = sign_vc_jwt(credential_of(signer), signer=signer, algorithm=algorithm)
    assert verify_compact(token, public_key_jwk=jwk_of(signer))[1] == credential_of(signer)
    key = jwk.import_key(jwk_of(signer))
    assert json.loads(jws.deserialize_compact(token, key, algorithms=[algorithm]).payload) == credential_of(signer)
    head, payload, signature = token.split(".")
    altered = f"{head}.{payload[:-8]}{'A' if payload[-8] != 'A' else 'B'}{payload[-7:]}.{signature}"
    with pytest.raises(OpenvcError):
        verify_compact(altered, public_key_jwk=jwk_of(signer))


@pytest.mark.oracle
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_another_library_signs_is_read_here(algorithm: Algorithm) -> None:
    """A token put together by an independent library verifies here, whatever the spelling of its JSON."""
    signer = SIGNERS[algorithm]
    token = sign_compact(header_of(algorithm), credential_of(signer), signing_key=ForeignKey(algorithm))  # type: ignore[arg-type]
    assert verify_jose(parse_jose(token), keys=KEYS, now_ms=NOW_MS).document == credential_of(signer)


@pytest.mark.oracle
@pytest.mark.parametrize("algorithm", ["ES256", "ES384"])
def test_either_value_of_s_verifies(algorithm: Algorithm) -> None:
    """JOSE lets a signer write either of two values of s: over fifty foreign signatures, both verify."""
    key = jwk.generate_key("EC", {"ES256": "P-256", "ES384": "P-384"}[algorithm])
    public = key.as_dict(private=False)
    did = "did:jwk:" + _encode(json.dumps({name: public[name] for name in ("kty", "crv", "x", "y")}).encode())
    order = {
        "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        "ES384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    }[algorithm]
    halves = set()
    for number in range(50):
        document = {**credential(), "issuer": did, "credentialSubject": {"number": number}}
        header = {"alg": algorithm, "typ": "vc+jwt", "kid": f"{did}#0"}
        token = jws.serialize_compact(header, json.dumps(document), key, algorithms=[algorithm])
        assert verify_jose(parse_jose(token), keys=KEYS, now_ms=NOW_MS).document == document
        signature = base64url_decode(token.rpartition(".")[2])
        halves.add(int.from_bytes(signature[len(signature) // 2 :], "big") > order // 2)
    assert halves == {False, True}


def _encode(data: bytes) -> str:
    import base64

    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("parameters", "claims"),
    [
        ({}, {}),
        ({"typ": None}, {}),
        ({"typ": "application/vc+jwt"}, {}),
        ({"typ": "VC+JWT", "cty": "vc"}, {}),
        ({"cty": "application/vc"}, {}),
        ({"unknown": {"x": 1}, "x5t": "AAAA"}, {"unknown": True}),
        ({}, {"iss": did_of(ED25519), "sub": "did:example:subject", "jti": credential_of(ED25519)["id"]}),
        ({"iss": did_of(ED25519)}, {"iss": did_of(ED25519)}),
        ({"kid": "#" + ED25519.verification_method.partition("#")[2]}, {"iss": did_of(ED25519)}),
        ({}, {"cnf": {"kid": "x"}, "nonce": "n", "aud": ["a", "b"]}),
        ({}, {"iat": NOW_S + 300, "nbf": NOW_S - 0.5, "exp": NOW_S + 0.25}),
    ],
)
def test_what_the_specification_leaves_free(parameters: dict[str, Any], claims: dict[str, Any]) -> None:
    """Forms that the specifications allow are accepted, and claims about the token never become part of the document."""
    payload = {**credential_of(ED25519), **claims}
    token = raw_token(header_of("EdDSA", **parameters), payload, ED25519)
    verified = verify_jose(parse_jose(token, expected="vc"), keys=KEYS, now_ms=NOW_MS)
    unknown = {"unknown": True} if "unknown" in claims else {}
    assert verified.document == {**credential_of(ED25519), **unknown}


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW_S},
        {"exp": NOW_S - 1},
        {"nbf": NOW_S + 301},
        {"iat": NOW_S + 301},
        {"iat": "2026-11-20T09:00:00Z"},
        {"exp": True},
        {"exp": None},
    ],
)
def test_times_of_the_token(claims: dict[str, Any]) -> None:
    """A token outside its own times, or with times that are no numbers, is refused where times are judged, and only there."""
    token = raw_token(header_of("EdDSA"), {**credential_of(ED25519), **claims}, ED25519)
    assert verify_jose(parse_jose(token), keys=KEYS, now_ms=None).document == credential_of(ED25519)
    with pytest.raises(JoseTimeError) as refusal:
        verify_jose(parse_jose(token), keys=KEYS, now_ms=NOW_MS)
    assert refusal.value.params == {"claim": next(iter(claims))}


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"challenge": "c2"}, ChallengeMismatchError),
        ({"domain": "elsewhere.example"}, DomainMismatchError),
        ({"challenge": "c1", "domain": "example.or"}, DomainMismatchError),
    ],
)
def test_presentations_are_for_one_verifier(asked: dict[str, str], error: type[BonafidesError]) -> None:
    """A presentation for another challenge or domain is refused."""
    token = sign_vp_jwt(presentation_of(P256), signer=P256, algorithm="ES256", challenge="c1", domain="example.org")
    with pytest.raises(error):
        verify_jose(parse_jose(token), keys=KEYS, now_ms=NOW_MS, **asked)


@pytest.mark.parametrize("audience", [None, ["example.org", "elsewhere.example"], "elsewhere.example", ["x"], {}])
def test_presentations_for_nobody_or_several(audience: Any) -> None:
    """Where a domain is asked for, it stands in `aud` alone; where a challenge is asked for, there is one."""
    payload = {**presentation_of(P256), **({} if audience is None else {"aud": audience})}
    jose = parse_jose(raw_token(header_of("ES256", typ="vp+jwt"), payload, P256))
    with pytest.raises(DomainMismatchError):
        verify_jose(jose, keys=KEYS, now_ms=NOW_MS, domain="example.org")
    with pytest.raises(ChallengeMissingError):
        verify_jose(jose, keys=KEYS, now_ms=NOW_MS, challenge="c1")


def test_the_holder_may_be_left_to_the_token() -> None:
    """A presentation without holder is its key's; where the token names an issuer, it is that one's alone."""
    document = {name: value for name, value in presentation_of(P256).items() if name != "holder"}
    token = sign_vp_jwt(document, signer=P256, algorithm="ES256")
    assert verify_jose(parse_jose(token), keys=KEYS, now_ms=NOW_MS).key.controller == did_of(P256)
    claimed = raw_token(header_of("ES256", typ="vp+jwt"), {**document, "iss": did_of(MALLORY)}, P256)
    with pytest.raises(HolderKeyError):
        verify_jose(parse_jose(claimed), keys=KEYS, now_ms=NOW_MS)


def test_nobody_signs_for_others() -> None:
    """Neither signing nor verifying lets a key speak for another DID, unless the caller asks for the signature alone."""
    with pytest.raises(IssuerKeyError):
        sign_vc_jwt(credential_of(P256), signer=ED25519, algorithm="EdDSA")
    with pytest.raises(HolderKeyError):
        sign_vp_jwt(presentation_of(P256), signer=ED25519, algorithm="EdDSA")
    with pytest.raises(JoseKeyKindError):
        sign_vc_jwt(credential_of(P256), signer=P256, algorithm="EdDSA")
    foreign = parse_jose(raw_token(header_of("EdDSA"), credential_of(P256), ED25519))
    with pytest.raises(IssuerKeyError):
        verify_jose(foreign, keys=KEYS, now_ms=NOW_MS)
    assert verify_jose(foreign, keys=KEYS, now_ms=NOW_MS, issuer_bound=False).key.controller == did_of(ED25519)


def test_a_header_as_long_as_allowed() -> None:
    """A header of exactly the longest length is read, and one of four characters more is not."""
    bare = len(json.dumps(header_of("EdDSA", x="")))
    for spare, error in ((0, None), (3, JoseTooLargeError)):
        filling = "a" * (limits.JOSE_HEADER_CHARS * 3 // 4 - bare + spare)
        token = raw_token(header_of("EdDSA", x=filling), credential_of(ED25519), ED25519)
        if error is None:
            assert parse_jose(token).document == credential_of(ED25519)
        else:
            with pytest.raises(error):
                parse_jose(token)


def test_keys_that_a_caller_brings() -> None:
    """Where `kid` names no DID URL there is nothing to look up, and only who has the key already can ask for the signature."""
    token = raw_token(header_of("ES256", kid="73voMXFNmNlOEpuYCSJlh8eN0dscykoO6gBukgRS1uU"), credential_of(P256), P256)
    jose = parse_jose(token)
    with pytest.raises(JoseKeyIdError):
        verify_jose(jose, keys=KEYS, now_ms=None, issuer_bound=False)
    verify_token_signature(jose, P256.signing_key.public_key)
    with pytest.raises(JoseKeyKindError):
        verify_token_signature(jose, ED25519.signing_key.public_key)
    with pytest.raises(JoseSignatureError):
        verify_token_signature(jose, key_signer(EcSigningKey("p256", bytes(31) + b"\x16")).signing_key.public_key)


def test_keys_that_nobody_knows() -> None:
    """A key of a DID that the lookup does not know is an error of the lookup."""
    document = {**credential(), "issuer": "did:web:example.org"}
    token = raw_token(header_of("EdDSA", kid="did:web:example.org#key-1"), document, ED25519)
    with pytest.raises(KeyNotFoundError):
        verify_jose(parse_jose(token), keys=KEYS, now_ms=NOW_MS)


def test_nothing_unsound_is_signed() -> None:
    """What would be refused on reading is not signed: plain credentials in a presentation, claims in a document."""
    with pytest.raises(JosePresentedError):
        sign_vp_jwt(presentation_of(P256, credential_of(P256)), signer=P256, algorithm="ES256")
    with pytest.raises(JoseClaimError):
        sign_vc_jwt(credential_of(P256, exp=1), signer=P256, algorithm="ES256")
    with pytest.raises(JoseKeyIdError):
        sign_vc_jwt(credential_of(P256), signer=KeySigner(P256.signing_key, did_of(P256)), algorithm="ES256")


@pytest.mark.parametrize("kind", ["vc", "vp"])
def test_envelopes(kind: Any) -> None:
    """An envelope gives back the token that was put into it."""
    enveloped = envelope("eyJh.eyJi.c2ln", kind)
    assert unenvelope(parse_envelope(enveloped, enveloped["type"])) == "eyJh.eyJi.c2ln"


@pytest.mark.parametrize(
    "url",
    [
        "data:application/vp+jwt,eyJh",
        "data:application/jwt,eyJh",
        "data:application/vc+sd-jwt,eyJh",
        "data:application/vc-ld+jwt,eyJh",
        "data:text/vc+jwt,eyJh",
        "data:vc+jwt/application,eyJh",
        "data:application/vc+jwt;base64,eyJh",
    ],
)
def test_envelopes_of_other_things(url: str) -> None:
    """An envelope of another media type, or with another encoding, is not opened as a credential's."""
    enveloped = {"@context": V2, "id": url, "type": "EnvelopedVerifiableCredential"}
    with pytest.raises(JoseMediaTypeError):
        unenvelope(parse_envelope(enveloped, "EnvelopedVerifiableCredential"))


@given(text=st.text(max_size=40) | st.from_regex(r"[A-Za-z0-9_-]{0,12}(\.[A-Za-z0-9_-]{0,12}){0,3}", fullmatch=True))
def test_any_text_is_refused_by_name(text: str) -> None:
    """Whatever text comes as a token, the answer is an error of the product, never another exception."""
    with pytest.raises(BonafidesError):
        parse_jose(text)
