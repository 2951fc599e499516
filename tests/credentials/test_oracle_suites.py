"""An independent implementation verifies all four suites as we sign them, signs what we verify, and refuses what we refuse."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from openvc.errors import OpenvcError
from openvc.proof.data_integrity import DataIntegrityProofSuite
from openvc.proof.di_ecdsa_rdfc import EcdsaRdfcProofSuite
from openvc.proof.di_jcs import EcdsaJcsProofSuite, EddsaJcsProofSuite

from did_methods.codec import base58_encode, multibase_decode
from did_methods.ec_keys import EcSigningKey
from did_methods.errors import BonafidesError
from did_methods.json_web_key import public_jwk
from did_methods.key import key_signer
from did_methods.keys import KeySigner, SigningKey
from registry.credentials.bundled_contexts import CREDENTIALS_V2_URL
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.credentials.proof_set import VerifiedProof, add_proof, parse_proof_set, verify_proof_set
from tests.support.json_ld import LocalJsonLd

pytestmark = pytest.mark.oracle

Json = dict[str, Any]
LOCAL = LocalJsonLd()
NOW_MS = 1_795_000_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1_000, tz=UTC)
SIGNERS = {
    "ed25519": key_signer(SigningKey(bytes(range(32)))),
    "p256": key_signer(EcSigningKey("p256", bytes(range(1, 33)))),
    "p384": key_signer(EcSigningKey("p384", bytes(range(1, 49)))),
}
ALGORITHMS = {"ed25519": "EdDSA", "p256": "ES256", "p384": "ES384"}


class Pair(NamedTuple):
    """A suite with one of its kinds of key, and the other implementation's side of it."""

    suite: str
    kind: str
    theirs: Any

    @property
    def signer(self) -> KeySigner:
        """Return the key that signs."""
        return SIGNERS[self.kind]


PAIRS = [
    Pair("eddsa-jcs-2022", "ed25519", EddsaJcsProofSuite()),
    Pair("eddsa-rdfc-2022", "ed25519", DataIntegrityProofSuite()),
    Pair("ecdsa-jcs-2019", "p256", EcdsaJcsProofSuite()),
    Pair("ecdsa-jcs-2019", "p384", EcdsaJcsProofSuite()),
    Pair("ecdsa-rdfc-2019", "p256", EcdsaRdfcProofSuite()),
    Pair("ecdsa-rdfc-2019", "p384", EcdsaRdfcProofSuite()),
]
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.suite}-{pair.kind}")


class ForeignKey:
    """A key of ours in the shape that the other implementation asks for."""

    def __init__(self, pair: Pair) -> None:
        self.alg, self.kid = ALGORITHMS[pair.kind], pair.signer.verification_method
        self.sign = pair.signer.sign


def unsigned() -> Json:
    """Return a credential under the one context that both sides bundle."""
    return {
        "@context": [CREDENTIALS_V2_URL],
        "id": "urn:uuid:58172aac-d8ba-41ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential"],
        "name": "Alumni Credential",
        "description": "Zwölf Boxkämpfer \U0001f98a",
        "issuer": "did:example:issuer",
        "validFrom": "2026-01-01T00:00:00Z",
        "validUntil": "2030-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:abcdefgh", "name": "Jayden Doe", "description": "holder"},
        "evidence": [{"type": ["VerifiableCredential"], "name": "first"}, {"type": "VerifiableCredential"}],
    }


def ours(pair: Pair, **options: Any) -> Json:
    """Sign with this product."""
    return add_proof(
        unsigned(), cryptosuite=pair.suite, signer=pair.signer, created_ms=NOW_MS, json_ld=LOCAL, **options
    )


def theirs(pair: Pair, **options: Any) -> Json:
    """Sign with the other implementation, and write down the context where its signature covers it.

    For the suites of JCS it hashes `@context` into the proof's options as the suite says, but leaves it out of the proof.
    """
    method = pair.signer.verification_method
    signed: Json = pair.theirs.add_proof(
        unsigned(), signing_key=ForeignKey(pair), verification_method=method, created=NOW, **options
    )
    if "jcs" in pair.suite:
        signed["proof"]["@context"] = signed["@context"]
    return signed


def we_verify(document: Json, **expected: Any) -> tuple[VerifiedProof, ...]:
    """Verify with this product."""
    arguments: Json = {"purpose": "assertionMethod", "now_ms": NOW_MS, "json_ld": LOCAL, "keys": SelfCertifyingLookup()}
    return verify_proof_set(document, parse_proof_set(document), **{**arguments, **expected})


def they_verify(pair: Pair, document: Json, **expected: Any) -> None:
    """Verify with the other implementation, under the key that signed."""
    jwk = public_jwk(pair.signer.public_key)
    pair.theirs.verify(document, public_key_jwk=jwk, now=NOW, **expected)


def _flip(document: Json) -> None:
    value = bytearray(multibase_decode(document["proof"]["proofValue"], max_chars=140))
    value[-1] ^= 1
    document["proof"]["proofValue"] = "z" + base58_encode(bytes(value))


# Each changes what is said, not only how it is written: to the suites of RDF the order of a list of types is nothing.
ALTERATIONS: dict[str, Callable[[Json], object]] = {
    "another issuer": lambda d: d.update(issuer="did:example:other"),
    "another subject": lambda d: d["credentialSubject"].update(id="did:example:other"),
    "a changed letter": lambda d: d.update(name="Alumni credential"),
    "another form of a letter": lambda d: d.update(description="Zwo\u0308lf Boxka\u0308mpfer \U0001f98a"),
    "valid for longer": lambda d: d.update(validUntil="2031-01-01T00:00:00Z"),
    "a member gone": lambda d: d["credentialSubject"].pop("description"),
    "a member more": lambda d: d["credentialSubject"].update({"id": "did:example:abcdefgh", "type": "VerifiableCredential"}),
    "an item gone": lambda d: d["evidence"].pop(),
    "another time of signing": lambda d: d["proof"].update(created="2026-11-18T12:00:00Z"),
    "an end of the proof": lambda d: d["proof"].update(expires="2029-01-01T00:00:00Z"),
    "a nonce": lambda d: d["proof"].update(nonce="n"),
    "another purpose": lambda d: d["proof"].update(proofPurpose="authentication"),
    "a bit of the signature": _flip,
}  # fmt: skip


@each_pair
def test_the_other_implementation_verifies_ours(pair: Pair) -> None:
    """Its canonicaliser, hashes and curves agree with ours; with domain and challenge too."""
    they_verify(pair, ours(pair))
    bound = ours(pair, proof_purpose="authentication", domain="a.example", challenge="c")
    expected = {"expected_proof_purpose": "authentication", "expected_domain": "a.example", "expected_challenge": "c"}
    they_verify(pair, bound, **expected)
    with pytest.raises(OpenvcError):
        they_verify(pair, bound, **{**expected, "expected_challenge": "d"})


@each_pair
def test_we_verify_the_other_implementations(pair: Pair) -> None:
    """What it signs verifies here, under the key that signed; with domain and challenge too."""
    (verified,) = we_verify(theirs(pair))
    assert verified.key.public_key == pair.signer.public_key
    bound = theirs(pair, proof_purpose="authentication", domain="a.example", challenge="c")
    expected = {"purpose": "authentication", "domain": "a.example", "challenge": "c"}
    assert we_verify(bound, **expected)
    with pytest.raises(BonafidesError):
        we_verify(bound, **{**expected, "challenge": "d"})


@each_pair
def test_both_make_the_same_signature(pair: Pair) -> None:
    """Both hash the same bytes: one key, signing without randomness, gives both sides one proof."""
    assert theirs(pair)["proof"] == ours(pair)["proof"]


@pytest.mark.parametrize("alteration", ALTERATIONS)
@each_pair
def test_both_refuse_the_same_alterations(pair: Pair, alteration: str) -> None:
    """Whichever side signed, neither takes the document once it says something else."""
    for signed in (ours(pair), theirs(pair)):
        altered = copy.deepcopy(signed)
        ALTERATIONS[alteration](altered)
        assert altered != signed
        with pytest.raises(BonafidesError):
            we_verify(altered)
        with pytest.raises(OpenvcError):
            they_verify(pair, altered)
