"""The published vectors of the four proof suites: made again to the byte, verified, and refused when altered."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import multibase_decode
from did_methods.ec_keys import EcSigningKey
from did_methods.errors import BonafidesError
from did_methods.key import key_signer
from did_methods.keys import KeySigner, SigningKey, parse_public_key
from did_methods.timestamp import parse_timestamp
from registry.adapters.json_ld_process import JSON_LD_CHILD_LIMITS, JsonLdProcess
from registry.credentials.cryptosuite import CRYPTOSUITES
from registry.credentials.json_ld_processor import Digest, JsonLdProcessor
from registry.credentials.key_lookup import SelfCertifyingLookup
from registry.credentials.proof_set import add_proof, parse_proof_set, verify_proof_set
from tests.support.json_ld import LocalJsonLd, PublishedJsonLd
from tests.support.vectors import published

LOCAL = LocalJsonLd()
PATIENT = replace(JSON_LD_CHILD_LIMITS, call_ms=60_000, start_ms=60_000)
ORDERS = {
    "p256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "p384": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
}
NOW = parse_timestamp("2026-11-20T09:00:00Z")
CREATED = parse_timestamp("2023-02-24T23:36:38Z")
OTHER_KEY = "z6MktgKTsu1QhX6QPbyqG6geXdw6FQCZBPq7uQpieWbiQiG7"
OTHER_METHOD = f"did:key:{OTHER_KEY}#{OTHER_KEY}"
P256_KEY = "zDnaepBuvsQ8cpsWrVKw8fbpGpvPeNSjVPTWoq6cRqaYzBKVP"


class Vector(NamedTuple):
    """One folder of the specifications' test vectors."""

    folder: str
    ending: str
    kind: Any

    @property
    def digest(self) -> Digest:
        """Hash of the key's kind."""
        return "sha384" if self.kind == "p384" else "sha256"

    def text(self, name: str, extension: str = "txt") -> str:
        """Return one file of the folder, without the blanks around it."""
        return published(f"{self.folder}/{name}{self.ending}.{extension}").read_text("utf-8").strip()

    def json(self, name: str) -> dict[str, Any]:
        """Return one JSON file of the folder."""
        found: dict[str, Any] = json.loads(self.text(name, "json"))
        return found

    def canonical(self, name: str) -> bytes:
        """Return a canonical form, which for N-Quads ends with a line feed."""
        text = self.text(name)
        return (text if text.startswith("{") else text + "\n").encode()

    def signer(self) -> KeySigner:
        """Return the signer of the published private key."""
        if self.kind == "ed25519":
            keys = json.loads(published("vc-di-eddsa/keyPair.json").read_bytes())
            return key_signer(SigningKey(multibase_decode(keys["privateKeyMultibase"])[2:]))
        keys = json.loads(published(f"vc-di-ecdsa/{self.kind}KeyPair.json").read_bytes())
        return key_signer(EcSigningKey(self.kind, multibase_decode(keys["secretKeyMultibase"])[2:]))

    def processor(self) -> JsonLdProcessor:
        """Return the product's rules, or the published answers where a context is not one that the product knows."""
        if "/employ" not in self.folder:
            return LOCAL
        answers = PublishedJsonLd()
        answers.publish(self.json("proofConfig"), self.canonical("proofCanon"), self.digest)
        answers.publish(unsecured(self.json("signed")), self.canonical("canonDoc"), self.digest)
        return answers


VECTORS = [
    Vector("vc-di-eddsa/eddsa-jcs-2022", "JCS", "ed25519"),
    Vector("vc-di-eddsa/eddsa-rdfc-2022", "DataInt", "ed25519"),
    Vector("vc-di-eddsa/eddsa-rdfc-2022/employ", "DataInt", "ed25519"),
    Vector("vc-di-ecdsa/ecdsa-jcs-2019-p256", "JCSECDSAP256", "p256"),
    Vector("vc-di-ecdsa/ecdsa-jcs-2019-p384", "JCSECDSAP384", "p384"),
    Vector("vc-di-ecdsa/ecdsa-rdfc-2019-p256", "ECDSAP256", "p256"),
    Vector("vc-di-ecdsa/ecdsa-rdfc-2019-p384", "ECDSAP384", "p384"),
    Vector("vc-di-ecdsa/ecdsa-rdfc-2019-p256/employ", "ECDSAP256", "p256"),
    Vector("vc-di-ecdsa/ecdsa-rdfc-2019-p384/employ", "ECDSAP384", "p384"),
]
ALTERABLE = [vector for vector in VECTORS if "/employ" not in vector.folder]
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.folder)
each_alterable = pytest.mark.parametrize("vector", ALTERABLE, ids=lambda vector: vector.folder)


@pytest.fixture(scope="module")
def process() -> Iterator[JsonLdProcess]:
    """Return the real processor."""
    with JsonLdProcess(PATIENT) as made:
        yield made


def low_s(value: str, kind: str) -> bool:
    """Tell whether the second half of a signature is the lower of its two values."""
    signature = multibase_decode(value, max_chars=140)
    return int.from_bytes(signature[len(signature) // 2 :], "big") <= ORDERS[kind] // 2


def unsecured(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without its proof."""
    return {name: value for name, value in document.items() if name != "proof"}


def verify(document: dict[str, Any], processor: JsonLdProcessor = LOCAL, **changes: Any) -> Any:
    """Verify all proofs of a document."""
    arguments: dict[str, Any] = {"keys": SelfCertifyingLookup(), "purpose": "assertionMethod", "now_ms": NOW}
    return verify_proof_set(document, parse_proof_set(document), **{**arguments, "json_ld": processor, **changes})


def code(document: dict[str, Any], **changes: Any) -> str:
    """Return the code with which a document is refused."""
    with pytest.raises(BonafidesError) as refusal:
        verify(document, **changes)
    return refusal.value.code


@each_vector
def test_canonical_forms_and_hashes_are_those_published(vector: Vector) -> None:
    """Both canonical forms, both hashes and their combination come out to the byte."""
    suite = CRYPTOSUITES[vector.json("signed")["proof"]["cryptosuite"]]
    options, document = vector.json("proofConfig"), unsecured(vector.json("signed"))
    if suite.canonicalization == "jcs":
        canonical = (canonicalize(options), canonicalize(document))
    else:
        canonical = vector.processor().canonicalize([options, document], digest=vector.digest)
    assert canonical == (vector.canonical("proofCanon"), vector.canonical("canonDoc"))
    hashes = [hashlib.new(vector.digest, data).hexdigest() for data in canonical]
    assert hashes == [vector.text("proofHash"), vector.text("docHash")]
    bare = {name: value for name, value in options.items() if name != "@context" or suite.canonicalization == "jcs"}
    combined = suite.hash_data(bare, document, key_kind=vector.kind, json_ld=vector.processor())
    assert combined.hex() == vector.text("combinedHash") == "".join(hashes)


@each_vector
def test_published_documents_verify(vector: Vector) -> None:
    """The signed document verifies, and its proof value is the published signature."""
    signed = vector.json("signed")
    (verified,) = verify(signed, vector.processor())
    assert verified.proof.proof_value.hex() == vector.text("sigHex")
    assert verified.proof.raw["proofValue"] == vector.text("sigBTC58")
    assert verified.key.public_key == vector.signer().public_key
    assert verified.proof.created_ms == CREATED


@each_vector
def test_published_documents_are_made_again(vector: Vector) -> None:
    """From the published private key comes the published document; with ECDSA all of it but the value, which verifies."""
    signed, signer = vector.json("signed"), vector.signer()
    made = add_proof(
        unsecured(signed),
        cryptosuite=signed["proof"]["cryptosuite"],
        signer=signer,
        created_ms=CREATED,
        json_ld=vector.processor(),
    )
    value, theirs = made["proof"]["proofValue"], signed["proof"]["proofValue"]
    assert (value == theirs) or vector.kind != "ed25519"
    assert {**made, "proof": {**made["proof"], "proofValue": theirs}} == signed
    verify(made, vector.processor())
    assert vector.kind == "ed25519" or low_s(made["proof"]["proofValue"], vector.kind)


def test_half_of_the_published_ecdsa_signatures_have_a_high_s() -> None:
    """So both values verify; what is made here has the lower one."""
    high = []
    for vector in VECTORS[3:]:
        value = bytes.fromhex(vector.text("sigHex"))
        half = len(value) // 2
        if int.from_bytes(value[half:], "big") > ORDERS[vector.kind] // 2:
            high.append(vector.folder.removeprefix("vc-di-ecdsa/"))
    assert high == ["ecdsa-jcs-2019-p384", "ecdsa-rdfc-2019-p256", "ecdsa-rdfc-2019-p384/employ"]


def test_every_published_suite_of_ours_is_compared() -> None:
    """No folder of vectors of a suite that we claim is left out."""
    groups = ("vc-di-eddsa", "vc-di-ecdsa")
    folders = {f"{group}/{path.name}" for group in groups for path in published(group).iterdir() if path.is_dir()}
    ours = {folder for folder in folders if folder.partition("/")[2].startswith(tuple(CRYPTOSUITES))}
    assert ours == {vector.folder for vector in ALTERABLE}


@each_alterable
def test_published_documents_verify_through_the_child_process(vector: Vector, process: JsonLdProcess) -> None:
    """What a server does, with the canonical form from the process that hostile graphs may stop."""
    assert len(verify(vector.json("signed"), process)) == 1
    changed = {**vector.json("signed"), "name": "x"}
    assert code(changed, json_ld=process) == "proof_invalid"


# --- altered copies ---------------------------------------------------------------------------------------------------


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every member and item below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield (*path, name)
        yield from paths(item, (*path, name))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    """Return what stands at a path."""
    for name in path:
        document = document[name]
    return document


def altered(document: dict[str, Any], path: tuple[Any, ...], value: Any = None) -> dict[str, Any]:
    """Return a copy with another value at a path, or without it."""
    made = copy.deepcopy(document)
    holder = at(made, path[:-1])
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return made


# Where an altered proof fails before its signature is looked at; `None`: removed.
PROOF_CODES = {
    ("type", "removed"): "proof_suite_unsupported",
    ("type", "changed"): "proof_suite_unsupported",
    ("cryptosuite", "removed"): "proof_suite_unsupported",
    ("cryptosuite", "changed"): "proof_suite_unsupported",
    ("created", "changed"): "proof_malformed",
    ("verificationMethod", "removed"): "proof_malformed",
    ("verificationMethod", "changed"): "did_key_fragment",
    ("proofPurpose", "removed"): "proof_malformed",
    ("proofPurpose", "changed"): "proof_purpose_mismatch",
    ("proofValue", "removed"): "proof_malformed",
    ("proofValue", "changed"): "proof_value_malformed",
    ("@context", "changed"): "proof_context_mismatch",
}
# What an RDF document does not say at all any more, or says under terms that nobody defines. Without its first context or its
# type the second context maps every term to something: the members of the data model are then none.
RDF_CODES = {
    (("@context",), "removed"): "json_ld_term_undefined",
    (("@context", 1), "removed"): "json_ld_term_undefined",
    (("@context", 0), "removed"): "json_ld_member_disguised",
    (("type",), "removed"): "json_ld_member_disguised",
    (("type", 0), "removed"): "json_ld_member_disguised",
    (("type", 0), "changed"): "json_ld_member_disguised",
    (("@context", 0), "changed"): "json_ld_context_unknown",
    (("@context", 1), "changed"): "json_ld_context_unknown",
}


def expected_code(path: tuple[Any, ...], how: str, transformation: str) -> str:
    """Return the code that an alteration must be refused with."""
    if path[0] == "proof":
        member = "@context" if "@context" in path else path[-1]
        if path[-1] == "@context" and how == "removed":
            return "proof_invalid"
        return PROOF_CODES.get((member, "changed" if member == "@context" else how), "proof_invalid")
    if transformation == "jcs":
        return "proof_context_mismatch" if path[0] == "@context" else "proof_invalid"
    return RDF_CODES.get((path, how), "proof_invalid")


@each_alterable
def test_every_member_is_signed(vector: Vector) -> None:
    """Each member and item of document and proof, removed or changed, is refused with its code."""
    signed = vector.json("signed")
    transformation = CRYPTOSUITES[signed["proof"]["cryptosuite"]].canonicalization
    found, wanted = {}, {}
    for path in paths(signed):
        if path == ("proof",):
            continue
        alterations = {"removed": altered(signed, path)}
        if isinstance(at(signed, path), str):
            alterations["changed"] = altered(signed, path, at(signed, path) + "x")
        for how, document in alterations.items():
            found[path, how] = code(document)
            wanted[path, how] = expected_code(path, how, transformation)
    assert found == wanted
    assert len(found) > 35


@each_alterable
def test_other_alterations_are_refused(vector: Vector) -> None:
    """Other keys, other suites, other times, added members and respelled values are refused, each with its code."""
    signed = vector.json("signed")
    rdf = CRYPTOSUITES[signed["proof"]["cryptosuite"]].canonicalization == "rdfc"
    value = signed["proof"]["proofValue"]
    twin = signed["proof"]["cryptosuite"].replace("rdfc", "x").replace("jcs", "rdfc").replace("x", "jcs")
    other_family = "ecdsa-jcs-2019" if vector.kind == "ed25519" else "eddsa-jcs-2022"
    other_kind = f"did:key:{P256_KEY}#{P256_KEY}" if vector.kind == "ed25519" else OTHER_METHOD

    def proof(**changes: Any) -> str:
        return code({**signed, "proof": {**signed["proof"], **changes}})

    assert proof(created="2023-02-24T23:36:39Z") == "proof_invalid"
    assert proof(created="2023-02-24T23:36:38.000Z") == "proof_invalid"
    assert proof(expires="2030-02-24T23:36:38Z") == "proof_invalid"
    assert proof(domain="a.example") == "proof_invalid"
    assert proof(challenge="c") == "proof_invalid"
    assert proof(nonce="n") == "proof_invalid"
    assert proof(id="urn:uuid:26329423-bec9-4b2e-88cb-a7c7d9dc4544") == "proof_invalid"
    assert proof(unknown="x") == "proof_invalid"
    assert proof(cryptosuite=twin) == "proof_invalid"
    assert proof(cryptosuite=other_family) == ({"p384": "proof_value_malformed"}.get(vector.kind, "proof_key_kind"))
    assert proof(verificationMethod=other_kind) == ("proof_key_kind")
    assert proof(proofValue="u" + value[1:]) == "proof_value_malformed"
    assert proof(proofValue=value[1:]) == "proof_value_malformed"
    assert proof(proofValue=value + "\n") == "proof_value_malformed"
    assert proof(proofValue="z1" + value[1:]) == "proof_value_malformed"
    assert code({**signed, "unknownMember": "x"}) == "proof_invalid"
    assert code({**signed, "@context": [*signed["@context"], "https://evil.example/v1"]}) == (
        "json_ld_context_unknown" if rdf else "proof_context_mismatch"
    )
    swapped = {**signed, "type": list(reversed(signed["type"]))}
    if rdf:  # types are a set: the document still says the same
        verify(swapped)
    else:
        assert code(swapped) == "proof_invalid"


def test_keys_of_another_curve_are_refused() -> None:
    """A P-256 key does not take the 96 bytes of a P-384 signature, nor the other way about."""
    p256, p384 = VECTORS[3].json("signed"), VECTORS[4].json("signed")
    for one, other in ((p256, p384), (p384, p256)):
        mixed = {**one, "proof": {**one["proof"], "verificationMethod": other["proof"]["verificationMethod"]}}
        assert code(mixed) == "proof_invalid"
    assert parse_public_key(P256_KEY).kind == "p256"
