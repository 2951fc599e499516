"""The @digitalbazaar packages for Node.js verify what we sign, we verify what they sign, and both refuse the same alterations."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from did_methods.codec import base58_encode, multibase_decode
from did_methods.ec_keys import EcSigningKey
from did_methods.errors import BonafidesError
from did_methods.keys import KeySigner, PrivateKey, SigningKey
from registry.adapters.json_ld_process import JsonLdProcess
from registry.credentials.bundled_contexts import EXAMPLES_V2_URL, context_bytes
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.credentials.proof_set import add_proof, parse_proof_set, verify_proof_set
from registry.credentials.status_list import decode_status_list, encode_status_list, read_bits
from tests.partners.partner import Partner, PartnerError

pytestmark = [pytest.mark.full, pytest.mark.oracle]

CONTEXTS = {EXAMPLES_V2_URL: json.loads(context_bytes(EXAMPLES_V2_URL))}
SUITES = [
    ("eddsa-jcs-2022", "ed25519"),
    ("eddsa-rdfc-2022", "ed25519"),
    ("ecdsa-jcs-2019", "p256"),
    ("ecdsa-jcs-2019", "p384"),
    ("ecdsa-rdfc-2019", "p256"),
    ("ecdsa-rdfc-2019", "p384"),
]
NOW_MS = 1_795_000_000_000  # 2026-11-18
Json = dict[str, Any]


@pytest.fixture(scope="module")
def partner() -> Iterator[Partner]:
    """Give the other implementation, started once."""
    with Partner() as running:
        yield running


@pytest.fixture(scope="module")
def json_ld() -> Iterator[JsonLdProcess]:
    """Give our JSON-LD processor, started once."""
    process = JsonLdProcess()
    yield process
    process.close()


def our_signer(kind: str) -> KeySigner:
    """Return a key of ours under its did:key."""
    key: PrivateKey
    if kind == "ed25519":
        key = SigningKey(bytes(range(32)))
    else:
        key = EcSigningKey("p256" if kind == "p256" else "p384", bytes(range(1, 33 if kind == "p256" else 49)))
    multikey = key.public_key.multikey
    return KeySigner(key, f"did:key:{multikey}#{multikey}")


def credential(issuer: str) -> Json:
    """Return an unsigned credential of a few members."""
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2", EXAMPLES_V2_URL],
        "id": "urn:uuid:3978344f-8596-4c3a-a978-8fcaba3903c5",
        "type": ["VerifiableCredential", "ExampleDegreeCredential"],
        "issuer": issuer,
        "validFrom": "2026-11-01T00:00:00Z",
        "name": "Degree",
        "credentialSubject": {
            "id": "did:example:ebfeb1f712ebc6f1c276e12ec21",
            "degree": {"type": "ExampleBachelorDegree", "name": "Bachelor of Science and Arts"},
            "alumniOf": ["Example University", "Other School"],
        },
    }


def presentation(holder: str, presented: Json) -> Json:
    """Return an unsigned presentation of one credential."""
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": holder,
        "verifiableCredential": [presented],
    }


def _other_value(document: Json) -> None:
    value = bytearray(multibase_decode(document["proof"]["proofValue"], max_chars=140))
    value[20] ^= 1
    document["proof"]["proofValue"] = "z" + base58_encode(bytes(value))


def _stranger(document: Json) -> None:
    stranger = SigningKey(bytes(32)).public_key.multikey
    document["proof"]["verificationMethod"] = f"did:key:{stranger}#{stranger}"


ALTERATIONS: dict[str, Callable[[Json], object]] = {
    "subject of another id": lambda document: document["credentialSubject"].update(id="did:example:other"),
    "nested value": lambda document: document["credentialSubject"]["degree"].update(name="Doctor of Science"),
    "member more": lambda document: document["credentialSubject"].update(gpa="4.0"),
    "member less": lambda document: document["credentialSubject"].pop("degree"),
    "list shortened": lambda document: document["credentialSubject"]["alumniOf"].pop(),
    "valid from later": lambda document: document.update(validFrom="2026-11-02T00:00:00Z"),
    "another type": lambda document: document.update(type=["VerifiableCredential", "ExamplePersonCredential"]),
    "created later": lambda document: document["proof"].update(created="2026-11-17T00:00:01Z"),
    "another key": _stranger,
    "one bit of the signature": _other_value,
}


def our_verdict(document: Json, json_ld: JsonLdProcess) -> bool:
    """Say whether we verify every proof of a document."""
    try:
        verified = verify_proof_set(
            document,
            parse_proof_set(document),
            keys=SelfCertifyingLookup(),
            purpose="assertionMethod",
            now_ms=NOW_MS,
            json_ld=json_ld,
        )
    except BonafidesError:
        return False
    return len(verified) == 1


def their_verdict(document: Json, suite: str, partner: Partner) -> bool:
    """Say whether they verify a document."""
    try:
        return partner.ask("verify", suite=suite, credential=document, contexts=CONTEXTS)["verified"] is True
    except PartnerError:
        return False


def ours(suite: str, kind: str, json_ld: JsonLdProcess) -> Json:
    """Return a credential signed by us."""
    signer = our_signer(kind)
    unsigned = credential(signer.verification_method.partition("#")[0])
    return add_proof(unsigned, cryptosuite=suite, signer=signer, created_ms=NOW_MS, json_ld=json_ld)


def theirs(suite: str, kind: str, partner: Partner) -> Json:
    """Return a credential signed by them, with a key of theirs."""
    secret = partner.ask("key", kind=kind)
    answer = partner.ask(
        "issue",
        suite=suite,
        kind=kind,
        secret=secret,
        credential=credential(secret["controller"]),
        contexts=CONTEXTS,
        date="2026-11-17T00:00:00Z",
    )
    document: Json = answer["document"]
    return document


@pytest.mark.parametrize(("suite", "kind"), SUITES)
def test_they_verify_what_we_sign(suite: str, kind: str, partner: Partner, json_ld: JsonLdProcess) -> None:
    """Every suite and key kind that we issue with is read by the other implementation."""
    document = ours(suite, kind, json_ld)
    assert our_verdict(document, json_ld)
    assert their_verdict(document, suite, partner)


@pytest.mark.parametrize(("suite", "kind"), SUITES)
def test_we_verify_what_they_sign(suite: str, kind: str, partner: Partner, json_ld: JsonLdProcess) -> None:
    """Every suite and key kind of theirs is read by us."""
    document = theirs(suite, kind, partner)
    assert their_verdict(document, suite, partner)
    assert our_verdict(document, json_ld)


@pytest.mark.parametrize(("suite", "kind"), SUITES)
@pytest.mark.parametrize("reason", ALTERATIONS)
def test_both_refuse_what_was_altered(
    suite: str, kind: str, reason: str, partner: Partner, json_ld: JsonLdProcess
) -> None:
    """An alteration after signing is refused by both, whoever signed."""
    for signed in (ours(suite, kind, json_ld), theirs(suite, kind, partner)):
        altered = copy.deepcopy(signed)
        ALTERATIONS[reason](altered)
        assert altered != signed
        assert not our_verdict(altered, json_ld)
        assert not their_verdict(altered, suite, partner)


def test_presentations_pass_both_ways(partner: Partner, json_ld: JsonLdProcess) -> None:
    """A presentation is bound to challenge and domain for both; another challenge or domain is refused by both."""
    bound = {"challenge": "3XsfIqS2VNnMNCvdQXYv", "domain": "gateway.example"}
    suite, kind = "eddsa-rdfc-2022", "ed25519"
    signer = our_signer(kind)
    holder = signer.verification_method.partition("#")[0]
    from_us = add_proof(
        presentation(holder, ours(suite, kind, json_ld)),
        cryptosuite=suite,
        signer=signer,
        created_ms=NOW_MS,
        proof_purpose="authentication",
        json_ld=json_ld,
        **bound,
    )
    secret = partner.ask("key", kind=kind)
    unsigned = presentation(secret["controller"], theirs(suite, kind, partner))
    from_them = partner.ask(
        "present", suite=suite, kind=kind, secret=secret, presentation=unsigned, contexts=CONTEXTS, **bound
    )["document"]
    for signed in (from_us, from_them):
        for changed in ({}, {"challenge": "other"}, {"domain": "other.example"}):
            asked = bound | changed
            answer = partner.ask("verify-presentation", suite=suite, presentation=signed, contexts=CONTEXTS, **asked)
            assert answer["verified"] is (not changed), answer
            assert _presented(signed, json_ld, **asked) is (not changed)


def test_nodes_that_look_alike_pass_both_ways(partner: Partner, json_ld: JsonLdProcess) -> None:
    """Two degrees without ids that say the same, in a credential and in the graph that a presentation gives it."""
    suite, kind = "eddsa-rdfc-2022", "ed25519"
    bound = {"challenge": "3XsfIqS2VNnMNCvdQXYv", "domain": "gateway.example"}
    signer = our_signer(kind)
    holder = signer.verification_method.partition("#")[0]
    unsigned = credential(holder)
    unsigned["credentialSubject"]["degree"] = [unsigned["credentialSubject"]["degree"]] * 2
    one = add_proof(unsigned, cryptosuite=suite, signer=signer, created_ms=NOW_MS, json_ld=json_ld)
    assert their_verdict(one, suite, partner)
    secret = partner.ask("key", kind=kind)
    both = presentation(secret["controller"], one)
    signed = partner.ask(
        "present", suite=suite, kind=kind, secret=secret, presentation=both, contexts=CONTEXTS, **bound
    )["document"]
    assert _presented(signed, json_ld, **bound)
    ours_signed = add_proof(
        presentation(holder, one),
        cryptosuite=suite, signer=signer, created_ms=NOW_MS, proof_purpose="authentication", json_ld=json_ld, **bound,
    )  # fmt: skip
    answer = partner.ask("verify-presentation", suite=suite, presentation=ours_signed, contexts=CONTEXTS, **bound)
    assert answer["verified"], answer


def _presented(document: Json, json_ld: JsonLdProcess, *, challenge: str, domain: str) -> bool:
    try:
        verify_proof_set(
            document,
            parse_proof_set(document),
            keys=SelfCertifyingLookup(),
            purpose="authentication",
            now_ms=None,
            json_ld=json_ld,
            challenge=challenge,
            domain=domain,
        )
    except BonafidesError:
        return False
    return True


def test_we_read_their_status_lists(partner: Partner) -> None:
    """What they set in a list of theirs is set for us, and nothing else is."""
    places = {0, 7, 8, 94_567, 131_071}
    answer = partner.ask("list", length=131_072, set=sorted(places), id="https://list.example/1", purpose="revocation")
    bits = decode_status_list(answer["document"]["credentialSubject"]["encodedList"], max_bytes=131_072 // 8)
    assert {index for index in range(131_072) if read_bits(bits, index, 1)} == places


@pytest.mark.parametrize("revoked", [True, False])
def test_they_read_our_status_lists(revoked: bool, partner: Partner, json_ld: JsonLdProcess) -> None:
    """A revoked entry of a list of ours is revoked for them, and no other is."""
    suite, kind = "eddsa-rdfc-2022", "ed25519"
    signer = our_signer(kind)
    issuer = signer.verification_method.partition("#")[0]
    url, index = "https://registry.example/status-lists/1", 94_567
    bits = bytearray(131_072 // 8)
    if revoked:
        bits[index // 8] |= 0x80 >> index % 8
    unsigned_list = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": "2026-11-01T00:00:00Z",
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": encode_status_list(bytes(bits)),
        },
    }
    entry = {
        "id": f"{url}#{index}",
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": str(index),
        "statusListCredential": url,
    }
    signed = [
        add_proof(document, cryptosuite=suite, signer=signer, created_ms=NOW_MS, json_ld=json_ld)
        for document in (credential(issuer) | {"credentialStatus": entry}, unsigned_list)
    ]
    answer = partner.ask("status", suite=suite, credential=signed[0], list=signed[1], contexts=CONTEXTS)
    assert answer == {"verified": True, "errors": [], "statuses": [revoked]}
