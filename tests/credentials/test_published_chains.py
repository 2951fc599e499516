"""The published proof set and proof chain: made again to the byte, verified, and refused when a link is altered."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from did_methods.codec import multibase_decode
from did_methods.errors import BonafidesError
from did_methods.key import key_signer
from did_methods.keys import KeySigner, SigningKey
from did_methods.timestamp import parse_timestamp
from registry.credentials.cryptosuite import CRYPTOSUITES
from registry.credentials.errors import IssuerKeyError
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.credentials.proof_set import (
    VerifiedProof,
    add_proof,
    check_issuer_binding,
    parse_proof_set,
    verify_proof_set,
)
from tests.support.json_ld import LocalJsonLd
from tests.support.vectors import published

Json = dict[str, Any]
LOCAL = LocalJsonLd()
NOW = parse_timestamp("2026-11-20T09:00:00Z")
FIRST, SECOND = "urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544", "urn:uuid:8cc9022b-6b14-4cf3-8571-74972c5feb54"
THIRD = "urn:uuid:d94f792a-c546-4d06-b38a-da070ab56c23"
SIZES = {"signedProofSet1": 1, "signedProofSet2": 2, "signedProofChain1": 3, "signedProofChain2": 4}


def read(name: str) -> Json:
    """Return a published file."""
    found: Json = json.loads(published(f"vc-di-eddsa/proof-set-chain/{name}.json").read_bytes())
    return found


def signer(number: int) -> KeySigner:
    """Return the signer of one of the four published private keys."""
    return key_signer(
        SigningKey(multibase_decode(read("multiKeyPairs")[f"keyPair{number}"]["privateKeyMultibase"])[2:])
    )


def verify(document: Json) -> tuple[VerifiedProof, ...]:
    """Verify all proofs of a document."""
    return verify_proof_set(
        document,
        parse_proof_set(document),
        keys=SelfCertifyingLookup(),
        purpose="assertionMethod",
        now_ms=NOW,
        json_ld=LOCAL,
    )


def code(document: Json) -> str:
    """Return the code with which a document is refused."""
    with pytest.raises(BonafidesError) as refusal:
        verify(document)
    return refusal.value.code


def changed(document: Json, index: int, **members: Any) -> Json:
    """Return a copy with members of one proof changed; None removes one."""
    made = copy.deepcopy(document)
    proof = made["proof"][index]
    for name, value in members.items():
        proof[name] = value
        if value is None:
            del proof[name]
    return made


@pytest.mark.parametrize("name", SIZES)
def test_published_sets_and_chains_verify(name: str) -> None:
    """Each step of the example verifies, every proof by the key of its own signer."""
    verified = verify(read(name))
    assert [one.key.method_id for one in verified] == [
        signer(number).verification_method for number in range(1, SIZES[name] + 1)
    ]


def test_the_published_chain_is_made_again() -> None:
    """Adding the four proofs one by one gives each published document to the byte; `previousProof` as list and as text."""
    document = json.loads(published("vc-di-eddsa/unsigned.json").read_bytes())
    steps: list[tuple[str, Json]] = [
        ("2023-02-24T23:36:38Z", {"proof_id": FIRST}),
        ("2023-02-24T23:36:38Z", {"proof_id": SECOND}),
        ("2023-02-26T22:06:38Z", {"proof_id": THIRD, "previous_proof": [FIRST, SECOND]}),
        ("2023-02-26T22:16:38Z", {"previous_proof": THIRD}),
    ]
    for number, ((created, options), name) in enumerate(zip(steps, SIZES, strict=True), start=1):
        document = add_proof(
            document,
            cryptosuite="eddsa-rdfc-2022",
            signer=signer(number),
            created_ms=parse_timestamp(created),
            json_ld=LOCAL,
            **options,
        )
        assert document == read(name)


@pytest.mark.parametrize("name", ["signedProofSet2", "signedProofChain1", "signedProofChain2"])
def test_no_member_of_any_proof_may_change(name: str) -> None:
    """Of every proof, every member counts: removed or changed it is refused with its code."""
    document = read(name)
    codes = {
        ("type", "x"): "proof_suite_unsupported", ("type", None): "proof_suite_unsupported",
        ("cryptosuite", "x"): "proof_suite_unsupported", ("cryptosuite", None): "proof_suite_unsupported",
        ("created", "x"): "proof_malformed", ("created", "2023-02-24T23:36:39Z"): "proof_invalid",
        ("verificationMethod", signer(4).verification_method): "proof_invalid",
        ("verificationMethod", None): "proof_malformed", ("proofPurpose", "x"): "proof_purpose_mismatch",
        ("proofPurpose", None): "proof_malformed", ("proofValue", None): "proof_malformed",
        ("proofValue", "z1"): "proof_value_malformed",
    }  # fmt: skip
    for index, proof in enumerate(document["proof"]):
        for (member, value), expected in codes.items():
            # The fourth proof was made by the fourth key: naming it there is no change.
            if proof[member] != value:
                assert code(changed(document, index, **{member: value})) == expected, (index, member)
    assert len(document["proof"]) == SIZES[name]


def test_a_link_of_the_chain_cannot_be_taken_away() -> None:
    """Without one of the proofs it names, with fewer or other names, or with none, a proof of a chain is refused."""
    whole = read("signedProofChain2")
    for index in (0, 1, 2):
        without = {**whole, "proof": [proof for place, proof in enumerate(whole["proof"]) if place != index]}
        assert code(without) == "previous_proof_invalid"
    assert len(verify({**whole, "proof": whole["proof"][:3]})) == 3
    assert code(changed(whole, 2, previousProof=[FIRST])) == "proof_invalid"
    assert code(changed(whole, 2, previousProof=FIRST)) == "proof_invalid"
    assert code(changed(whole, 2, previousProof=None)) == "proof_invalid"
    assert code(changed(whole, 3, previousProof=SECOND)) == "proof_invalid"
    assert code(changed(whole, 3, previousProof="urn:uuid:00000000-0000-4000-8000-000000000000")) == (
        "previous_proof_invalid"
    )
    for bad in (7, {}, [], [7], [[THIRD]], True, [None]):
        assert code(changed(whole, 3, previousProof=bad)) == "proof_malformed"


def test_ids_of_the_chain_are_unique_and_its_order_is_one() -> None:
    """Two proofs of one id, and proofs that rest on each other, are refused before any signature is looked at."""
    whole = read("signedProofChain2")
    assert code(changed(whole, 1, id=FIRST)) == "proof_id_repeated"
    assert code({**whole, "proof": [*whole["proof"], whole["proof"][0]]}) == "proof_id_repeated"
    assert code(changed(whole, 0, previousProof=THIRD)) == "previous_proof_invalid"
    assert code(changed(whole, 0, previousProof=FIRST)) == "previous_proof_invalid"
    assert code(changed(whole, 0, id=None)) == "previous_proof_invalid"


def test_a_previous_proof_cannot_be_exchanged_for_another_that_holds() -> None:
    """Another good proof of the same key under the same id is not the one that the later proofs were made over."""
    whole = read("signedProofChain2")
    unsecured = {name: value for name, value in whole.items() if name != "proof"}
    other = add_proof(
        unsecured, cryptosuite="eddsa-rdfc-2022", signer=signer(1), created_ms=NOW, proof_id=FIRST, json_ld=LOCAL
    )
    assert verify(other)
    exchanged = {**whole, "proof": [other["proof"], *whole["proof"][1:]]}
    assert code(exchanged) == "proof_invalid"


def test_the_issuer_is_one_of_the_signers_or_none() -> None:
    """Of the example's signers none is its issuer; whoever asks for the issuer's proof is told."""
    document = read("signedProofChain2")
    verified = verify(document)
    for number in range(1, 5):
        check_issuer_binding(verified, signer(number).verification_method.partition("#")[0])
    with pytest.raises(IssuerKeyError):
        check_issuer_binding(verified, document["issuer"])


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "eddsa-rdfc-2022"])
def test_the_order_of_names_says_nothing(suite: str) -> None:
    """What a chained proof is made over stands in the document's order, also where the names come in another."""
    document = json.loads(published("vc-di-eddsa/unsigned.json").read_bytes())
    for name in (FIRST, SECOND):
        document = add_proof(
            document, cryptosuite=suite, signer=signer(1), created_ms=NOW, proof_id=name, json_ld=LOCAL
        )
    chained = add_proof(
        document,
        cryptosuite=suite,
        signer=signer(2),
        created_ms=NOW,
        previous_proof=[SECOND, FIRST],
        json_ld=LOCAL,
    )
    assert len(verify(chained)) == 3
    *before, last = chained["proof"]
    options = {name: value for name, value in last.items() if name != "proofValue"}
    hash_data = CRYPTOSUITES[suite].hash_data(options, {**chained, "proof": before}, key_kind="ed25519", json_ld=LOCAL)
    signer(2).public_key.verify(multibase_decode(last["proofValue"]), hash_data)
    respelled = changed(chained, 2, previousProof=[FIRST, SECOND])
    if suite == "eddsa-rdfc-2022":  # statements have no order either
        assert len(verify(respelled)) == 3
    else:
        assert code(respelled) == "proof_invalid"
