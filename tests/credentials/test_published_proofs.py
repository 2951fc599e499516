"""The published vectors of the EdDSA and ECDSA suites, read in place: to the byte as published, and refused once altered."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import multibase_decode
from did_methods.data_integrity import combine_hashes, signed_options, unsecured_document
from did_methods.ec_keys import EcSigningKey
from did_methods.errors import BonafidesError
from did_methods.keys import KeySigner, PrivateKey, SigningKey
from did_methods.timestamp import parse_timestamp
from registry.credentials.cryptosuite import CRYPTOSUITES
from registry.credentials.json_ld_processor import JsonLdProcessor
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.credentials.proof_set import add_proof, parse_proof_set, verify_proof_set
from tests.support.vectors import published

Json = dict[str, Any]
JCS = [
    ("vc-di-eddsa/eddsa-jcs-2022", "JCS"),
    ("vc-di-ecdsa/ecdsa-jcs-2019-p256", "JCSECDSAP256"),
    ("vc-di-ecdsa/ecdsa-jcs-2019-p384", "JCSECDSAP384"),
]


def read(folder: str, name: str) -> bytes:
    """Return a published file, or skip the test."""
    return published(f"{folder}/{name}").read_bytes()


def vector(folder: str, suffix: str) -> Json:
    """Return the signed document of a vector."""
    document: Json = json.loads(read(folder, f"signed{suffix}.json"))
    return document


def private_key(folder: str) -> PrivateKey:
    """Return the published private key of a vector's signer."""
    if "eddsa" in folder:
        pair = json.loads(read("vc-di-eddsa", "keyPair.json"))
        return SigningKey(multibase_decode(pair["privateKeyMultibase"])[2:])
    kind = "p256" if "p256" in folder else "p384"
    pair = json.loads(read("vc-di-ecdsa", f"{kind}KeyPair.json"))
    return EcSigningKey("p256" if kind == "p256" else "p384", multibase_decode(pair["secretKeyMultibase"])[2:])


def verify(document: Json, json_ld: JsonLdProcessor | None = None) -> int:
    """Return how many proofs hold; the proof alone is judged, as these vectors ask."""
    keys = SelfCertifyingLookup()
    proofs = parse_proof_set(document)
    return len(verify_proof_set(document, proofs, keys=keys, purpose="assertionMethod", now_ms=None, json_ld=json_ld))


def check_vector(folder: str, suffix: str, *, canonical: list[bytes], json_ld: JsonLdProcessor | None) -> None:
    """Check canonical forms, hashes and signature of a vector, and that we sign what it signs."""
    document = vector(folder, suffix)
    (proof,) = parse_proof_set(document)
    assert canonical[0] == read(folder, f"proofCanon{suffix}.txt")
    assert canonical[1] == read(folder, f"canonDoc{suffix}.txt")
    digest = "sha384" if "p384" in folder else "sha256"
    combined = combine_hashes(canonical[0], canonical[1], hash_name=digest)
    assert combined.hex().encode() == read(folder, f"combinedHash{suffix}.txt")
    assert proof.raw["proofValue"].encode() == read(folder, f"sigBTC58{suffix}.txt")
    assert verify(document, json_ld) == 1

    again = add_proof(
        unsecured_document(document),
        cryptosuite=proof.cryptosuite,
        signer=KeySigner(private_key(folder), proof.verification_method),
        created_ms=parse_timestamp(proof.raw["created"]),
        json_ld=json_ld,
    )
    if "eddsa" in folder:
        assert again == document
    else:  # the published signatures were made with random numbers: equal but for the signature, which verifies too
        assert {**again["proof"], "proofValue": proof.raw["proofValue"]} == proof.raw
        assert verify(again, json_ld) == 1


def check_refused(document: Json, json_ld: JsonLdProcessor | None) -> int:
    """Check that every altered or missing value of a document is refused; return how many there were."""
    count = 0
    for path in _paths(document):
        for change in ("other", "gone"):
            altered = copy.deepcopy(document)
            holder: Any = altered
            for step in path[:-1]:
                holder = holder[step]
            if change == "gone":
                del holder[path[-1]]
            else:
                holder[path[-1]] = "https://other.example/"
            with pytest.raises(BonafidesError):
                verify(altered, json_ld)
            count += 1
    return count


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [one for name, child in children for one in _paths(child, (*path, name))]
    return [path, *below] if path else below


@pytest.mark.parametrize(("folder", "suffix"), JCS)
def test_vectors_of_the_jcs_suites_hold_to_the_byte(folder: str, suffix: str) -> None:
    """Canonical forms, hashes and proof values are those of the specifications."""
    document = vector(folder, suffix)
    (proof,) = parse_proof_set(document)
    canonical = [canonicalize(signed_options(proof)), canonicalize(unsecured_document(document))]
    check_vector(folder, suffix, canonical=canonical, json_ld=None)


@pytest.mark.parametrize(("folder", "suffix"), JCS)
def test_altered_vectors_of_the_jcs_suites_are_refused(folder: str, suffix: str) -> None:
    """Nothing in a published document may change or go."""
    assert check_refused(vector(folder, suffix), None) > 30


def test_every_published_suite_of_ours_is_compared() -> None:
    """No folder of vectors of a suite that we claim is left out."""
    names = {folder.name for group in ("vc-di-eddsa", "vc-di-ecdsa") for folder in _folders(published(group))}
    ours = {name for name in names if any(name.startswith(suite) for suite in CRYPTOSUITES)}
    assert ours == {Path(folder).name for folder, _ in [*JCS, *RDFC]}


def _folders(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if path.is_dir()]


RDFC = [
    ("vc-di-eddsa/eddsa-rdfc-2022", "DataInt"),
    ("vc-di-ecdsa/ecdsa-rdfc-2019-p256", "ECDSAP256"),
    ("vc-di-ecdsa/ecdsa-rdfc-2019-p384", "ECDSAP384"),
]
