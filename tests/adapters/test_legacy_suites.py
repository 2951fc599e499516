"""Proof suites before Data Integrity: documents that didkit signed, and each thing that didkit lets pass.

``tests/credentials/legacy_documents.json`` holds credentials and presentations that didkit 0.3.3 signed with the key of
RFC 8037 A.1, of each suite.
"""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import multikey_encode
from did_methods.errors import BonafidesError
from did_methods.timestamp import parse_timestamp
from registry.adapters.child_process import ChildLimits
from registry.adapters.didkit_process import DidkitSignatures
from registry.adapters.json_ld_process import JSON_LD_CHILD_LIMITS, JsonLdProcess
from registry.credentials.bundled_contexts import CREDENTIALS_V2_URL
from registry.credentials.json_ld_errors import JsonLdNotInstalledError, JsonLdWorkError
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.credentials.legacy_proof import LEGACY_SUITES, LegacyProof, has_legacy_proof, parse_legacy_proof
from registry.credentials.legacy_verify import LegacyNotInstalledError, LegacySignatureError, LegacyVerifier
from tests.support.vectors import published

INSTALLED = importlib.util.find_spec("didkit") is not None
DOCUMENTS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).parents[1].joinpath("credentials", "legacy_documents.json").read_text("utf-8")
)
NOW_MS = parse_timestamp("2026-06-01T00:00:00Z")
CHALLENGE, DOMAIN = "a-challenge", "verifier.example"
PATIENT = ChildLimits(call_ms=60_000, start_ms=60_000)
KEYS = SelfCertifyingLookup()


@pytest.fixture(scope="module")
def didkit(request: pytest.FixtureRequest) -> Iterator[DidkitSignatures]:
    """Return the real library; a full run has to have it."""
    if not INSTALLED:
        if request.config.getoption("--full"):
            pytest.fail("didkit is not installed: a full run needs it (requirements-didkit.lock)")
        pytest.skip("didkit is not installed")
    with DidkitSignatures(PATIENT) as made:
        yield made


@pytest.fixture(scope="module")
def verifier(didkit: DidkitSignatures) -> Iterator[LegacyVerifier]:
    """Return the verifier as a registry has it."""
    with JsonLdProcess(replace(JSON_LD_CHILD_LIMITS, call_ms=60_000, start_ms=60_000)) as json_ld:
        yield LegacyVerifier(KEYS, json_ld, didkit)


def credential(suite: str, **members: Any) -> dict[str, Any]:
    """Return the signed credential of a suite with members changed after signing."""
    return {**copy.deepcopy(DOCUMENTS[f"{suite} credential"]), **members}


def presentation(suite: str) -> dict[str, Any]:
    """Return the signed presentation of a suite."""
    return copy.deepcopy(DOCUMENTS[f"{suite} presentation"])


def proof_changed(document: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a document with members of its proof changed; None removes one."""
    proof = {**document["proof"], **members}
    return document | {"proof": {name: value for name, value in proof.items() if value is not None}}


@pytest.mark.parametrize("suite", LEGACY_SUITES)
def test_what_another_implementation_signed_verifies(verifier: LegacyVerifier, suite: str) -> None:
    """Credential and presentation of each suite verify, with their key, at a time at which they are valid."""
    assert has_legacy_proof(credential(suite))
    verified = verifier.verify(credential(suite), now_ms=NOW_MS)
    assert verified.key.controller == credential(suite)["issuer"]
    assert verified.proof.suite == suite
    assert verifier.verify(presentation(suite), now_ms=NOW_MS, challenge=CHALLENGE, domain=DOMAIN)


@pytest.mark.oracle
def test_the_published_vector_verifies(verifier: LegacyVerifier) -> None:
    """W3C's example of Ed25519Signature2020, of version 2.0, verifies when the proof only is asked for, and binds nobody."""
    document = json.loads(published("vc-di-eddsa/Ed25519Signature2020/signedEdSig.json").read_bytes())
    assert verifier.verify(document, now_ms=None, bind_signer=False).proof.version == "2.0"
    for tampered in (
        document | {"name": "Another Credential"},
        proof_changed(document, created="2023-02-24T23:36:39Z"),
        document | {"@context": document["@context"][::-1]},
        document | {"issuer": "https://vc.example/issuers/5679"},
    ):
        with pytest.raises(BonafidesError):
            verifier.verify(tampered, now_ms=None, bind_signer=False)
    with pytest.raises(BonafidesError) as caught:
        verifier.verify(document, now_ms=NOW_MS)
    assert caught.value.code == "issuer_key_mismatch"


@pytest.mark.parametrize("suite", LEGACY_SUITES)
def test_a_change_after_signing_is_found(verifier: LegacyVerifier, suite: str) -> None:
    """Another subject, another date in the proof and another signature fail as signatures, whoever verifies them."""
    document = credential(suite)
    other = DOCUMENTS[f"{suite} of 2999"]["proof"]
    name = "jws" if "jws" in other else "proofValue"
    for tampered in (
        credential(suite, credentialSubject={"id": "did:example:other"}),
        proof_changed(document, created="2026-01-03T00:00:00Z"),
        proof_changed(document, **{name: other[name]}),
    ):
        with pytest.raises(LegacySignatureError):
            verifier.verify(tampered, now_ms=NOW_MS)


@pytest.mark.parametrize("suite", LEGACY_SUITES)
def test_times_that_the_library_ignores_are_judged(
    verifier: LegacyVerifier, didkit: DidkitSignatures, suite: str
) -> None:
    """An expired credential and one issued in 2999 are good to the library, and refused here by their codes."""
    late = parse_timestamp("2027-01-01T00:00:00Z")
    far = DOCUMENTS[f"{suite} of 2999"]
    for document, now_ms, code in (
        (credential(suite), late, "credential_expired"),
        (far, NOW_MS, "credential_not_yet_valid"),
    ):
        didkit.verify_signature(document, parse_legacy_proof(document))
        with pytest.raises(BonafidesError) as caught:
            verifier.verify(document, now_ms=now_ms)
        assert caught.value.code == code
    assert verifier.verify(far, now_ms=None)
    for now, code in (("2026-01-01T00:00:00Z", "created_in_future"), ("2026-01-02T00:00:00Z", None)):
        caught_code = None
        try:
            verifier.verify(credential(suite), now_ms=parse_timestamp(now))
        except BonafidesError as error:
            caught_code = error.code
        assert caught_code == code


@pytest.mark.parametrize("suite", LEGACY_SUITES)
def test_a_bad_proof_beside_a_good_one_is_found(verifier: LegacyVerifier, didkit: DidkitSignatures, suite: str) -> None:
    """The library takes a document if any of its proofs is good; here there is exactly one."""
    document = credential(suite)
    bad = {**document["proof"], "created": "2026-01-03T00:00:00Z"}
    both = document | {"proof": [document["proof"], bad]}
    didkit.verify_signature(both, parse_legacy_proof(document))
    with pytest.raises(BonafidesError) as caught:
        verifier.verify(both, now_ms=NOW_MS)
    assert caught.value.code == "legacy_proof_count"


@pytest.mark.parametrize("suite", LEGACY_SUITES)
def test_a_presentation_answers_its_challenge(verifier: LegacyVerifier, suite: str) -> None:
    """Challenge and domain are compared, and a presentation without a challenge answers nothing, whatever was asked."""
    signed = presentation(suite)
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        (signed, {"challenge": "another"}, "challenge_mismatch"),
        (signed, {"challenge": CHALLENGE, "domain": "other.example"}, "domain_mismatch"),
        (proof_changed(signed, challenge=None), {"challenge": CHALLENGE}, "challenge_missing"),
        (proof_changed(signed, challenge=None), {}, "challenge_missing"),
        (proof_changed(signed, challenge="another"), {"challenge": "another"}, "legacy_signature_invalid"),
        (proof_changed(signed, domain="other.example"), {"challenge": CHALLENGE}, "legacy_signature_invalid"),
        (credential(suite), {"challenge": CHALLENGE}, "challenge_missing"),
        (signed | {"holder": "did:example:other"}, {"challenge": CHALLENGE}, "holder_key_mismatch"),
        (signed | {"holder": {"id": "did:example:other"}}, {"challenge": CHALLENGE}, "holder_key_mismatch"),
        (signed | {"holder": 5}, {"challenge": CHALLENGE}, "holder_key_mismatch"),
    ]
    for document, asked, code in cases:
        with pytest.raises(BonafidesError) as caught:
            verifier.verify(document, now_ms=NOW_MS, **asked)
        assert caught.value.code == code


Change = Callable[[dict[str, Any]], dict[str, Any]]
V1 = DOCUMENTS["JsonWebSignature2020 credential"]["@context"]
REFUSED: dict[str, tuple[str, Change]] = {
    "integer beyond 2^53": ("legacy_document_invalid", lambda d: d | {"credentialSubject": {"age": 2**53 + 1}}),
    "fraction": ("legacy_document_invalid", lambda d: d | {"credentialSubject": {"age": 0.30000000000000004}}),
    "null": ("legacy_document_invalid", lambda d: d | {"credentialStatus": None}),
    "empty list": ("legacy_document_invalid", lambda d: d | {"evidence": []}),
    "inline context": ("legacy_document_invalid", lambda d: d | {"@context": [*V1, {"age": "urn:x:age"}]}),
    "inline context inside": (
        "legacy_document_invalid",
        lambda d: d | {"credentialSubject": {"@context": {"age": "urn:x:age"}, "age": 1}},
    ),
    "inline context in the proof": (
        "legacy_document_invalid",
        lambda d: proof_changed(d, **{"@context": {"created": "urn:x:created"}}),
    ),
    "too large": ("legacy_document_invalid", lambda d: d | {"name": "x" * 70_000}),
    "version 2.0": ("legacy_suite_unsupported", lambda d: d | {"@context": [CREDENTIALS_V2_URL]}),
    "no credential context": ("legacy_document_invalid", lambda d: d | {"@context": ["https://w3id.org/security/v2"]}),
    "no context": ("legacy_document_invalid", lambda d: {k: v for k, v in d.items() if k != "@context"}),
    "neither credential nor presentation": ("legacy_document_invalid", lambda d: d | {"type": ["Thing"]}),
    "both": ("legacy_document_invalid", lambda d: d | {"type": ["VerifiableCredential", "VerifiablePresentation"]}),
    "date without a zone": ("legacy_document_invalid", lambda d: d | {"expirationDate": "2027-01-01T00:00:00"}),
    "date as a number": ("legacy_document_invalid", lambda d: d | {"issuanceDate": 5}),
    "no proof": ("legacy_proof_count", lambda d: {k: v for k, v in d.items() if k != "proof"}),
    "empty list of proofs": ("legacy_proof_count", lambda d: d | {"proof": []}),
    "proof as a text": ("legacy_proof_invalid", lambda d: d | {"proof": "x"}),
    "unknown suite": ("legacy_suite_unsupported", lambda d: proof_changed(d, type="EcdsaSecp256k1Signature2019")),
    "type as a list": ("legacy_suite_unsupported", lambda d: proof_changed(d, type=["JsonWebSignature2020"])),
    "unknown member": ("legacy_proof_invalid", lambda d: proof_changed(d, capability="x")),
    "no created": ("legacy_proof_invalid", lambda d: proof_changed(d, created=None)),
    "created without a zone": ("legacy_proof_invalid", lambda d: proof_changed(d, created="2026-01-02T00:00:00")),
    "expired proof": ("proof_expired", lambda d: proof_changed(d, expires="2026-02-01T00:00:00Z")),
    "another purpose": ("proof_purpose_invalid", lambda d: proof_changed(d, proofPurpose="authentication")),
    "no method": ("legacy_proof_invalid", lambda d: proof_changed(d, verificationMethod=None)),
    "both kinds of signature": ("legacy_proof_invalid", lambda d: proof_changed(d, proofValue="z2")),
    "no signature": ("legacy_proof_invalid", lambda d: proof_changed(d, jws=None)),
    "signature without its header": ("legacy_proof_invalid", lambda d: proof_changed(d, jws=d["proof"]["jws"].split("..")[1])),
    "header of no algorithm": (
        "legacy_proof_invalid",
        lambda d: proof_changed(d, jws="eyJhbGciOiJub25lIn0.." + d["proof"]["jws"].split("..")[1]),
    ),
    "signature too short": ("legacy_proof_invalid", lambda d: proof_changed(d, jws=d["proof"]["jws"][:-4])),
    "another issuer": ("issuer_key_mismatch", lambda d: d | {"issuer": "did:example:other"}),
    "no issuer": ("issuer_key_mismatch", lambda d: d | {"issuer": {"name": "x"}}),
    "key of no kind for it": (
        "legacy_key_unsupported",
        lambda d: proof_changed(
            d,
            verificationMethod="did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
            "#zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("suite", ["Ed25519Signature2018", "JsonWebSignature2020"])
@pytest.mark.parametrize(("code", "change"), REFUSED.values(), ids=REFUSED)
def test_what_the_library_would_not_look_at_is_refused(code: str, change: Change, suite: str) -> None:
    """Form, purpose, binding and everything that the signature would not protect is refused before anybody is asked."""

    class Nobody:
        def verify_signature(self, document: dict[str, Any], proof: LegacyProof) -> None:
            pytest.fail("asked for a document that should have been refused")

    with pytest.raises(BonafidesError) as caught:
        LegacyVerifier(KEYS, None, Nobody()).verify(change(credential(suite)), now_ms=NOW_MS)
    assert caught.value.code == code


def test_a_key_that_anybody_can_sign_for_is_no_key(verifier: LegacyVerifier) -> None:
    """The identity point, which the library takes for a key, and other spellings of a did:key are refused by their codes."""
    signed = credential("JsonWebSignature2020")
    identity = "did:key:" + multikey_encode("ed25519", b"\1" + bytes(31))
    good = signed["issuer"]
    for did, body, code in (
        (identity, identity.removeprefix("did:key:"), "key_small_order"),
        (good, "z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd", "did_key_fragment"),
    ):
        document = proof_changed(signed | {"issuer": did}, verificationMethod=f"{did}#{body}")
        with pytest.raises(BonafidesError) as caught:
            verifier.verify(document, now_ms=NOW_MS)
        assert caught.value.code == code


def test_a_proof_brings_no_meaning_of_its_own(verifier: LegacyVerifier) -> None:
    """A context in the proof may name a bundled one; an inline one, which could redefine `created`, is refused."""
    signed = credential("Ed25519Signature2020")
    for context, code in (
        ({"created": "urn:x:created"}, "legacy_proof_invalid"),
        (["https://x.example/context"], "json_ld_context_unknown"),
        (signed["@context"], "json_ld_term_undefined"),
    ):
        with pytest.raises(BonafidesError) as caught:
            verifier.verify(proof_changed(signed, **{"@context": context}), now_ms=NOW_MS)
        assert caught.value.code == code


def test_what_is_not_installed_is_said_so() -> None:
    """Without the libraries each suite has its own answer, which says nothing about the document."""
    bare = LegacyVerifier(KEYS, None, None)
    with pytest.raises(JsonLdNotInstalledError):
        bare.verify(credential("Ed25519Signature2020"), now_ms=NOW_MS)
    with pytest.raises(LegacyNotInstalledError):
        bare.verify(credential("JsonWebSignature2020"), now_ms=NOW_MS)


def test_a_poisoned_document_costs_its_caller_an_error(didkit: DidkitSignatures) -> None:
    """A graph that the library would work on for ever ends under the code of too much work, and the next call is answered."""
    nodes = [{"id": f"_:n{one}", "credentialSubject": [{"id": f"_:n{other}"} for other in range(10) if other != one]}
             for one in range(10)]  # fmt: skip
    for node in nodes:
        node["type"] = ["VerifiableCredential"]
    signed = credential("JsonWebSignature2020")
    poison = signed | {"credentialSubject": nodes}
    with DidkitSignatures(ChildLimits(start_ms=60_000, call_ms=1_000)) as hasty:
        for _ in range(2):
            with pytest.raises(JsonLdWorkError):
                hasty.verify_signature(poison, parse_legacy_proof(poison))
        hasty.verify_signature(signed, parse_legacy_proof(signed))
    didkit.verify_signature(signed, parse_legacy_proof(signed))


def test_data_integrity_proofs_are_not_for_this_module() -> None:
    """Only proofs that name an older suite are; among several, one is enough to send the document here and be refused."""
    assert not has_legacy_proof({"proof": {"type": "DataIntegrityProof"}})
    assert not has_legacy_proof({})
    assert has_legacy_proof({"proof": [{"type": "DataIntegrityProof"}, {"type": "JsonWebSignature2020"}]})
