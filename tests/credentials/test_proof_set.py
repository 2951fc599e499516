"""Proofs in general: four suites, sets and chains, and every way in which a proof is not good enough."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import base58_encode, multibase_decode
from did_methods.data_integrity import (
    encode_proof_value,
    proof_hash_data,
    proof_options,
    sign_document,
    verify_proof,
)
from did_methods.document import parse_did_document
from did_methods.ec_keys import EcSigningKey
from did_methods.errors import BonafidesError
from did_methods.keys import KeySigner, PrivateKey, SigningKey
from did_methods.proof_errors import (
    ProofChainError,
    ProofCountError,
    ProofKeyError,
    ProofMalformedError,
    ProofSuiteError,
)
from registry.credentials.cryptosuite import CRYPTOSUITES, JsonLdMissingError
from registry.credentials.errors import IssuerKeyError
from registry.credentials.key_lookup import DocumentKeyLookup, KeyLookup, SelfCertifyingLookup
from registry.credentials.proof_set import (
    CLOCK_SKEW_MS,
    PreviousProofError,
    ProofIdRepeatedError,
    VerifiedProof,
    add_proof,
    check_issuer_binding,
    parse_proof_set,
    verify_proof_set,
)

NOW_MS = 1_795_000_000_000
Json = dict[str, Any]


def signer(seed: int, kind: str = "ed25519") -> KeySigner:
    """Return a key under its did:key."""
    key: PrivateKey
    if kind == "ed25519":
        key = SigningKey(bytes([seed]) * 32)
    else:
        key = EcSigningKey("p256" if kind == "p256" else "p384", bytes([seed]) * (32 if kind == "p256" else 48))
    multikey = key.public_key.multikey
    return KeySigner(key, f"did:key:{multikey}#{multikey}")


def did_of(one: KeySigner) -> str:
    """Return the DID that a signer signs for."""
    return one.verification_method.partition("#")[0]


ED, P256, P384 = signer(1), signer(2, "p256"), signer(3, "p384")
BY_KIND = {"ed25519": ED, "p256": P256, "p384": P384}
JCS = [("eddsa-jcs-2022", "ed25519"), ("ecdsa-jcs-2019", "p256"), ("ecdsa-jcs-2019", "p384")]


def document(issuer: str = "did:example:issuer") -> Json:
    """Return something to sign."""
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "AlumniCredential"],
        "issuer": issuer,
        "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": ["The School of Examples", 7, None, True]},
    }


def signed(suite: str = "eddsa-jcs-2022", by: KeySigner = ED, to: Json | None = None, **options: Any) -> Json:
    """Return a document with one more proof."""
    options = {"created_ms": NOW_MS} | options
    return add_proof(to or document(), cryptosuite=suite, signer=by, **options)


def verify(secured: Json, *, keys: KeyLookup | None = None, **options: Any) -> tuple[VerifiedProof, ...]:
    """Verify all proofs."""
    options = {"purpose": "assertionMethod", "now_ms": NOW_MS, "json_ld": None} | options
    return verify_proof_set(secured, parse_proof_set(secured), keys=keys or SelfCertifyingLookup(), **options)


def refusal(secured: Json, **options: Any) -> str:
    """Return the code with which the proofs are refused."""
    with pytest.raises(BonafidesError) as caught:
        verify(secured, **options)
    return caught.value.code


@pytest.mark.parametrize(("suite", "kind"), JCS)
def test_what_is_signed_verifies(suite: str, kind: str) -> None:
    """Each suite with each of its kinds of key; the same input gives the same bytes, and nothing else changes."""
    unsigned = document()
    before = copy.deepcopy(unsigned)
    secured = signed(suite, BY_KIND[kind], unsigned, nonce="n", expires_ms=NOW_MS + 1)
    assert unsigned == before
    assert secured == signed(suite, BY_KIND[kind], unsigned, nonce="n", expires_ms=NOW_MS + 1)
    (verified,) = verify(secured)
    assert verified.key.controller == did_of(BY_KIND[kind])
    assert verified.proof.nonce == "n"


@pytest.mark.parametrize(("suite", "kind"), JCS)
@given(data=st.data())
def test_no_bit_of_a_signature_may_change(suite: str, kind: str, data: st.DataObject) -> None:
    """Any changed byte of any signature is refused."""
    secured = signed(suite, BY_KIND[kind])
    value = bytearray(multibase_decode(secured["proof"]["proofValue"], max_chars=140))
    value[data.draw(st.integers(0, len(value) - 1))] ^= data.draw(st.integers(1, 255))
    secured["proof"]["proofValue"] = "z" + base58_encode(bytes(value))
    assert refusal(secured) == "proof_invalid"


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return (
        [path, *(one for name, child in children for one in _paths(child, (*path, name)))]
        if path
        else [one for name, child in children for one in _paths(child, (name,))]
    )


@pytest.mark.parametrize(("suite", "kind"), JCS)
def test_no_member_may_change(suite: str, kind: str) -> None:
    """Every value of the document and of the proof is covered, wherever it stands; so is its absence."""
    secured = signed(
        suite, BY_KIND[kind], domain="a.example", challenge="c", nonce="n", expires_ms=NOW_MS + 1, proof_id="urn:x:1"
    )
    paths = _paths(secured)
    assert len(paths) > 25
    for path in paths:
        for change in ("other", "gone"):
            altered = copy.deepcopy(secured)
            holder: Any = altered
            for step in path[:-1]:
                holder = holder[step]
            if change == "gone":
                del holder[path[-1]]
            else:
                holder[path[-1]] = "urn:x:other"
            with pytest.raises(BonafidesError):
                verify(altered)


@pytest.mark.parametrize(("suite", "kind"), [("eddsa-jcs-2022", "p256"), ("ecdsa-jcs-2019", "ed25519")])
def test_a_key_of_another_kind_is_refused(suite: str, kind: str) -> None:
    """A suite says which keys it takes, whoever names it."""
    other = {"eddsa-jcs-2022": "ecdsa-jcs-2019", "ecdsa-jcs-2019": "eddsa-jcs-2022"}[suite]
    secured = signed(other, BY_KIND[kind])
    secured["proof"]["cryptosuite"] = suite
    assert refusal(secured) in {"proof_key_kind", "proof_value_malformed"}
    if suite.startswith("ecdsa"):
        with pytest.raises(ProofKeyError):
            signed(suite, BY_KIND[kind])


def test_suites_of_rdf_say_what_they_need() -> None:
    """Without a JSON-LD processor there is an error, not a verdict."""
    with pytest.raises(JsonLdMissingError):
        signed("eddsa-rdfc-2022")
    with pytest.raises(ProofSuiteError):
        signed("bbs-2023")
    assert set(CRYPTOSUITES) == {"eddsa-jcs-2022", "eddsa-rdfc-2022", "ecdsa-jcs-2019", "ecdsa-rdfc-2019"}


def test_ecdsa_signatures_are_made_with_the_lower_s_and_verified_with_either() -> None:
    """Published signatures have both; ours have one, so that the same document gives the same bytes."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for number in range(8):
        secured = signed("ecdsa-jcs-2019", P256, nonce=str(number))
        value = multibase_decode(secured["proof"]["proofValue"], max_chars=140)
        s = int.from_bytes(value[32:], "big")
        assert s <= order // 2
        secured["proof"]["proofValue"] = "z" + base58_encode(value[:32] + (order - s).to_bytes(32, "big"))
        assert len(verify(secured)) == 1
        for wrong in (bytes(32) + value[32:], value[:32] + bytes(32), value[:32] + order.to_bytes(32, "big")):
            secured["proof"]["proofValue"] = "z" + base58_encode(wrong)
            assert refusal(secured) == "proof_invalid"


BAD_PROOFS: dict[str, tuple[Callable[[Json], object], str]] = {
    "another purpose": (lambda p: p.update(proofPurpose="authentication"), "proof_purpose_mismatch"),
    "no purpose": (lambda p: p.pop("proofPurpose"), "proof_malformed"),
    "another type": (lambda p: p.update(type="Ed25519Signature2020"), "proof_suite_unsupported"),
    "no type": (lambda p: p.pop("type"), "proof_suite_unsupported"),
    "a suite of selective disclosure": (lambda p: p.update(cryptosuite="ecdsa-sd-2023"), "proof_suite_unsupported"),
    "a suite that is no text": (lambda p: p.update(cryptosuite=["eddsa-jcs-2022"]), "proof_suite_unsupported"),
    "a relative method": (lambda p: p.update(verificationMethod="#key-1"), "proof_malformed"),
    "a method without fragment": (lambda p: p.update(verificationMethod=did_of(ED)), "proof_malformed"),
    "a method that is an object": (lambda p: p.update(verificationMethod={"id": "x"}), "proof_malformed"),
    "a method of a stranger": (
        lambda p: p.update(verificationMethod=signer(9).verification_method), "proof_invalid",
    ),
    "a fragment of another key": (
        lambda p: p.update(verificationMethod=did_of(ED) + "#" + did_of(signer(9))[8:]),
        "did_key_fragment",
    ),
    "a DID that is not known": (lambda p: p.update(verificationMethod="did:web:a.example#k"), "key_not_found"),
    "no value": (lambda p: p.pop("proofValue"), "proof_malformed"),
    "a value in base64url": (lambda p: p.update(proofValue="u" + "A" * 86), "proof_value_malformed"),
    "a bare value": (lambda p: p.update(proofValue=p["proofValue"][1:]), "proof_value_malformed"),
    "a value and a line feed": (lambda p: p.update(proofValue=p["proofValue"] + "\n"), "proof_value_malformed"),
    "a value of 63 bytes": (lambda p: p.update(proofValue="z" + base58_encode(b"\1" * 63)), "proof_value_malformed"),
    "a value of 96 bytes": (lambda p: p.update(proofValue="z" + base58_encode(b"\1" * 96)), "proof_value_malformed"),
    "created without a zone": (lambda p: p.update(created="2026-11-18T00:00:00"), "proof_malformed"),
    "created as a number": (lambda p: p.update(created=1), "proof_malformed"),
    "previous proof as a number": (lambda p: p.update(previousProof=7), "proof_malformed"),
    "previous proof as an empty list": (lambda p: p.update(previousProof=[]), "proof_malformed"),
    "a previous proof that is not there": (lambda p: p.update(previousProof="urn:x:1"), "previous_proof_invalid"),
    "itself as previous proof": (lambda p: p.update(id="urn:x:1", previousProof="urn:x:1"), "previous_proof_invalid"),
    "another context": (lambda p: p.update({"@context": ["https://www.w3.org/ns/credentials/v2"]}), "proof_context_mismatch"),
}  # fmt: skip


@pytest.mark.parametrize("reason", BAD_PROOFS)
def test_a_bad_proof_has_its_code(reason: str) -> None:
    """Each flaw is refused for what it is."""
    change, code = BAD_PROOFS[reason]
    secured = signed()
    change(secured["proof"])
    assert refusal(secured) == code


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d["@context"].append("https://later.example"), "proof_context_mismatch"),
        (lambda d: d["@context"].reverse(), "proof_context_mismatch"),
        (lambda d: d.pop("@context"), "proof_context_mismatch"),
        (lambda d: d.update(proof=[]), "proof_missing"),
        (lambda d: d.update(proof=None), "proof_malformed"),
        (lambda d: d.update(proof="x"), "proof_malformed"),
        (lambda d: d.pop("proof"), "proof_missing"),
        (lambda d: d.update(proof=[d["proof"]] * 9), "proof_too_many"),
    ],
)
def test_a_document_around_a_good_proof_may_not_change(change: Callable[[Json], object], code: str) -> None:
    """Contexts appended after signing would change what terms mean; a proof is an object or a short list of them."""
    secured = signed()
    change(secured)
    assert refusal(secured) == code


def test_times_are_judged_at_the_instant_given() -> None:
    """`expires` is the first instant at which a proof no longer holds; a clock may be some minutes ahead."""
    assert refusal(signed(expires_ms=NOW_MS)) == "proof_expired"
    assert verify(signed(expires_ms=NOW_MS + 1_000), now_ms=NOW_MS)
    assert verify(signed(expires_ms=NOW_MS), now_ms=None)
    assert verify(signed(created_ms=NOW_MS + CLOCK_SKEW_MS))
    assert refusal(signed(created_ms=NOW_MS + CLOCK_SKEW_MS + 1_000)) == "created_in_future"
    assert verify(signed(created_ms=None))


def test_domain_and_challenge_are_those_asked_for() -> None:
    """Another one, a further one, and none are refused; who asks for none is content with any."""
    bound = signed(domain="a.example", challenge="c")
    assert verify(bound, domain="a.example", challenge="c")
    assert verify(bound)
    assert verify(signed(domain=["a.example"]), domain="a.example")
    assert refusal(bound, domain="b.example") == "domain_mismatch"
    assert refusal(signed(domain=["a.example", "b.example"]), domain="a.example") == "domain_mismatch"
    assert refusal(signed(), domain="a.example") == "domain_mismatch"
    assert refusal(bound, challenge="d") == "challenge_mismatch"
    assert refusal(signed(), challenge="c") == "challenge_missing"


def test_all_proofs_of_a_set_must_hold_and_one_must_be_the_issuers() -> None:
    """A bad proof beside a good one spoils the document; others may sign beside the issuer, not in its place."""
    secured = signed("ecdsa-jcs-2019", P256, signed(to=document(did_of(ED))))
    verified = verify(secured)
    assert [one.key.controller for one in verified] == [did_of(ED), did_of(P256)]
    check_issuer_binding(verified, did_of(ED))
    check_issuer_binding(verified, did_of(P256))
    with pytest.raises(IssuerKeyError):
        check_issuer_binding(verified, did_of(P384))
    with pytest.raises(IssuerKeyError):
        check_issuer_binding([], did_of(ED))
    for index in (0, 1):
        altered = copy.deepcopy(secured)
        altered["proof"][index]["nonce"] = "added"
        assert refusal(altered) == "proof_invalid"
    eight = document()
    for _ in range(8):
        eight = signed(to=eight)
    assert len(verify(eight)) == 8
    with pytest.raises(ProofCountError):
        signed(to=eight)


def chain() -> Json:
    """Return a document with a chain: two proofs, one over both, one over that."""
    first = signed(proof_id="urn:x:1")
    both = signed("ecdsa-jcs-2019", P256, first, proof_id="urn:x:2")
    third = signed(by=signer(5), to=both, proof_id="urn:x:3", previous_proof=["urn:x:1", "urn:x:2"])
    return signed("ecdsa-jcs-2019", P384, third, previous_proof="urn:x:3")


def test_each_proof_of_a_chain_covers_those_before_it() -> None:
    """A chain verifies as a whole; taken away, exchanged or altered, a previous proof spoils what came after it."""
    secured = chain()
    assert len(verify(secured)) == 4
    assert [proof.get("previousProof") for proof in secured["proof"]] == [
        None, None, ["urn:x:1", "urn:x:2"], "urn:x:3",
    ]  # fmt: skip
    for index in (0, 1, 2):
        shorter = copy.deepcopy(secured)
        del shorter["proof"][index]
        assert refusal(shorter) == "previous_proof_invalid"
    assert len(verify({**secured, "proof": secured["proof"][:3]})) == 3
    replaced = copy.deepcopy(secured)
    replaced["proof"][0] = signed(nonce="a valid one of the same key and id", proof_id="urn:x:1")["proof"]
    assert refusal(replaced) == "proof_invalid"
    fewer = copy.deepcopy(secured)
    fewer["proof"][2]["previousProof"] = ["urn:x:1"]
    assert refusal(fewer) == "proof_invalid"


def test_a_chain_has_no_circles_and_no_two_proofs_of_one_id() -> None:
    """What names itself in the end, or what two proofs answer to, is refused before any signature is looked at."""
    circle = signed(to=signed(proof_id="urn:x:1"), proof_id="urn:x:2", previous_proof="urn:x:1")
    circle["proof"][0]["previousProof"] = "urn:x:2"
    assert refusal(circle) == "previous_proof_invalid"
    twice = signed(to=signed(proof_id="urn:x:1"))
    twice["proof"][1]["id"] = "urn:x:1"
    assert refusal(twice) == "proof_id_repeated"
    with pytest.raises(ProofIdRepeatedError):
        signed(to=signed(proof_id="urn:x:1"), proof_id="urn:x:1")
    with pytest.raises(PreviousProofError):
        signed(previous_proof="urn:x:1")


def test_a_method_counts_in_the_document_of_its_controller_only() -> None:
    """A document that lists somebody else's key under its own id gives that somebody no say, nor the other way round."""
    multikey = did_of(ED).removeprefix("did:key:")

    def lookup(controller: str, purpose: str) -> DocumentKeyLookup:
        method = {
            "id": "did:web:a.example#k",
            "type": "Multikey",
            "controller": controller,
            "publicKeyMultibase": multikey,
        }
        wire = {"id": "did:web:a.example", "verificationMethod": [method], purpose: ["did:web:a.example#k"]}
        return DocumentKeyLookup({"did:web:a.example": parse_did_document(wire)})

    by = KeySigner(ED.signing_key, "did:web:a.example#k")
    secured = signed(by=by)
    assert verify(secured, keys=lookup("did:web:a.example", "assertionMethod"))[0].key.controller == "did:web:a.example"
    assert refusal(secured, keys=lookup("did:web:b.example", "assertionMethod")) == "verification_method_controller"
    assert refusal(secured, keys=lookup("did:web:a.example", "authentication")) == "verification_method_purpose"


def test_a_signer_says_its_kind_where_its_did_does_not() -> None:
    """An ECDSA key under a did:web signs; one that fits the suite no more than its DID tells is refused, not used."""
    by = KeySigner(P384.signing_key, "did:web:a.example#k")
    secured = signed("ecdsa-jcs-2019", by)
    assert len(multibase_decode(secured["proof"]["proofValue"], max_chars=140)) == 96
    for suite, key in (("eddsa-jcs-2022", P256), ("ecdsa-jcs-2019", ED)):
        with pytest.raises(ProofKeyError):
            signed(suite, KeySigner(key.signing_key, "did:web:a.example#k"))
    with pytest.raises(ProofKeyError):
        sign_document(document(), signer=P256, created=NOW_MS)


@pytest.mark.parametrize("proof", ["x", None, 7, ["x"], [{}, None]])
def test_nothing_is_added_to_what_is_no_proof(proof: Any) -> None:
    """A document whose proof is not an object is refused, not signed with it."""
    with pytest.raises(ProofMalformedError):
        signed(to={**document(), "proof": proof})


def test_the_evidence_suite_takes_no_proof_of_another() -> None:
    """What was parsed for every suite does not pass where only our own counts, whatever its signature."""
    chained = signed(to=signed(proof_id="urn:x:1"), previous_proof="urn:x:1")
    with pytest.raises(ProofChainError):
        verify_proof(chained, parse_proof_set(chained)[1], ED.public_key)
    relabelled = {**document(), "proof": proof_options(
        "eddsa-rdfc-2022", verification_method=ED.verification_method, created=NOW_MS, proof_purpose="assertionMethod"
    )}  # fmt: skip
    signature = ED.sign(proof_hash_data(document(), relabelled["proof"]))
    relabelled["proof"]["proofValue"] = encode_proof_value(signature)
    with pytest.raises(ProofSuiteError):
        verify_proof(relabelled, parse_proof_set(relabelled)[0], ED.public_key)
