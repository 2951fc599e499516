"""Attacks on documents whose signature covers a graph: the same graph, spelled so that a reader of JSON misses a member."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from registry.adapters.rdf_canonical import canonical_n_quads
from registry.credentials.bundled_contexts import (
    CREDENTIALS_V1_URL,
    CREDENTIALS_V2_URL,
    DATA_INTEGRITY_V2_URL,
    ED25519_2020_URL,
    context_bytes,
)
from registry.credentials.json_ld import SafeExpander
from registry.credentials.json_ld_errors import JsonLdContextError, JsonLdDisguisedError
from registry.credentials.json_ld_names import CREDENTIALS, DOCUMENT_MEMBERS, ENTRY_MEMBERS, PROOF_MEMBERS, STATUS
from registry.credentials.json_ld_rdf import to_quads
from registry.credentials.proof_set import add_proof
from tests.support.json_ld import LocalJsonLd
from tests.support.registry import OPERATOR, START_MS, World, open_world
from tests.support.vc_api import Party, credential, issue, verify

MALLORY = Party.named("mallory")
EXPANDER = SafeExpander()
DATE = "http://www.w3.org/2001/XMLSchema#dateTime"
INTEGER = "https://www.w3.org/2001/XMLSchema#integer"
ENTRY = {
    "type": "BitstringStatusListEntry",
    "statusPurpose": "suspension",
    "statusListIndex": "7",
    "statusListCredential": "https://issuer.example/lists/1",
    "statusSize": 2,
    "statusMessage": [{"status": hex(value), "message": f"m{value}"} for value in range(4)],
}
Respelling = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Open one registry for the tests of this module."""
    with open_world(tmp_path_factory.mktemp("desk")) as opened:
        yield opened


def full_iri(document: dict[str, Any]) -> None:
    """Write the end of validity and the status under full IRIs."""
    document[CREDENTIALS + "validUntil"] = {"@value": document.pop("validUntil"), "@type": DATE}
    document[CREDENTIALS + "credentialStatus"] = document.pop("credentialStatus")


def compact_iri(document: dict[str, Any]) -> None:
    """Write them under a prefix that an inline context defines."""
    document["@context"].append({"c": CREDENTIALS})
    document["c:validUntil"] = {"@value": document.pop("validUntil"), "@type": DATE}
    document["c:credentialStatus"] = document.pop("credentialStatus")


def alias(document: dict[str, Any]) -> None:
    """Write them under terms of an inline context."""
    document["@context"].append(
        {
            "a": {"@id": CREDENTIALS + "validUntil", "@type": DATE},
            "b": {"@id": CREDENTIALS + "credentialStatus", "@type": "@id"},
        }
    )
    document["a"], document["b"] = document.pop("validUntil"), document.pop("credentialStatus")


def nest(document: dict[str, Any]) -> None:
    """Write them in a nested block."""
    document["@nest"] = {name: document.pop(name) for name in ("validUntil", "credentialStatus")}


def named_nest(document: dict[str, Any]) -> None:
    """Write them in a nested block of a harmless name."""
    document["@context"].append({"extra": "@nest"})
    document["extra"] = {name: document.pop(name) for name in ("validUntil", "credentialStatus")}


def included(document: dict[str, Any]) -> None:
    """Write them on the same node, described once more beside itself."""
    moved = {name: document.pop(name) for name in ("validUntil", "credentialStatus")}
    document["@included"] = [{"id": document["id"], "type": "VerifiableCredential", **moved}]


def elsewhere(document: dict[str, Any]) -> None:
    """Write them on the same node, where the subject refers to it."""
    moved = {name: document.pop(name) for name in ("validUntil", "credentialStatus")}
    document["credentialSubject"]["about"] = {"id": document["id"], "type": "VerifiableCredential", **moved}


def reverse(document: dict[str, Any]) -> None:
    """Turn the statement of the status round."""
    document["@included"] = [
        {
            **document.pop("credentialStatus"),
            "@reverse": {CREDENTIALS + "credentialStatus": {"id": document["id"]}},
        }
    ]


RESPELLINGS = (full_iri, compact_iri, alias, nest, named_nest, included, elsewhere, reverse)


def statements(document: dict[str, Any]) -> bytes:
    """Return what a signature covers, whatever this product refuses about its spelling."""
    quads = to_quads(EXPANDER.expand(document), max_quads=4_000)
    return canonical_n_quads(quads, digest="sha256", max_twins=500)


def original() -> dict[str, Any]:
    """Return a credential that has an end and a status, and whose subject refers back to it."""
    document = credential(MALLORY.did, "did:example:subject", validUntil="2024-01-01T00:00:00Z")
    document["@context"].append({"about": "urn:x:about"})
    document["credentialSubject"]["about"] = {"id": document["id"]}
    return document | {"credentialStatus": {**ENTRY, "id": "urn:x:status"}}


@pytest.mark.parametrize("respell", RESPELLINGS)
def test_the_same_graph_in_other_words_is_refused(respell: Respelling) -> None:
    """The signature would hold, and neither the end of validity nor the status would be read: refused before it is asked."""
    honest = original()
    EXPANDER.quads(honest)
    attacked = copy.deepcopy(honest)
    respell(attacked)
    assert statements(attacked) == statements(honest), "the attack is one"
    with pytest.raises(JsonLdDisguisedError):
        EXPANDER.quads(attacked)


@pytest.mark.parametrize("cryptosuite", ["eddsa-rdfc-2022", "eddsa-jcs-2022"])
@pytest.mark.parametrize("respell", [full_iri, alias, nest, included])
def test_an_ended_and_revoked_credential_stays_so(desk: World, cryptosuite: str, respell: Respelling) -> None:
    """Through the door: what was issued here, has expired and is revoked verifies in no other spelling."""
    name = f"urn:x:{cryptosuite}:{respell.__name__}"
    body = {"purposes": ["revocation"], "credentialId": name}
    (entry,) = desk.web.post("/v1/status-entries", body, headers=OPERATOR).json["credentialStatus"]
    signed = issue(desk, cryptosuite, id=name, validUntil="2024-01-01T00:00:00Z", credentialStatus=entry)
    assert verify(desk, signed).json["errors"] == ["credential_expired"]
    respell(signed)
    answer = verify(desk, signed)
    assert (answer.status, answer.json["errors"]) == (400, ["json_ld_member_disguised"])


def test_the_older_suite_over_graphs_is_held_to_the_same() -> None:
    """A 1.1 document of Ed25519Signature2020 hides its expirationDate in no other spelling."""
    document: dict[str, Any] = {
        "@context": [CREDENTIALS_V1_URL, ED25519_2020_URL],
        "type": ["VerifiableCredential"],
        "issuer": MALLORY.did,
        "issuanceDate": "2023-01-01T00:00:00Z",
        "expirationDate": "2024-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:subject"},
    }
    EXPANDER.quads(document)
    attacked = copy.deepcopy(document)
    attacked[CREDENTIALS + "expirationDate"] = {"@value": attacked.pop("expirationDate"), "@type": DATE}
    assert statements(attacked) == statements(document)
    with pytest.raises(JsonLdDisguisedError):
        EXPANDER.quads(attacked)


def test_an_entry_hides_no_size() -> None:
    """Without its size, the same index would be read at another bit of the list."""
    honest = original()
    attacked = copy.deepcopy(honest)
    entry = attacked["credentialStatus"]
    entry[STATUS + "statusSize"] = {"@value": entry.pop("statusSize"), "@type": INTEGER}
    assert statements(attacked) == statements(honest)
    with pytest.raises(JsonLdDisguisedError):
        EXPANDER.quads(attacked)


def test_one_entry_twice_hides_no_other() -> None:
    """As many entries as before, one of them said twice and the other under its IRI."""
    honest = original()
    honest["credentialStatus"] = [{**ENTRY, "id": "urn:x:1"}, {"id": "urn:x:2", "type": "BitstringStatusListEntry"}]
    attacked = copy.deepcopy(honest)
    first, second = attacked["credentialStatus"]
    attacked["credentialStatus"] = [second, {"id": "urn:x:2", "type": "BitstringStatusListEntry"}]
    attacked[CREDENTIALS + "credentialStatus"] = first
    assert statements(attacked) == statements(honest)
    with pytest.raises(JsonLdDisguisedError):
        EXPANDER.quads(attacked)


@pytest.mark.parametrize("member", ["expires", "created", "nonce"])
def test_a_proof_hides_none_of_its_members(desk: World, member: str) -> None:
    """An expired proof whose end stands under its IRI is no endless one."""
    signed = add_proof(
        credential(MALLORY.did),
        cryptosuite="eddsa-rdfc-2022",
        signer=MALLORY.signer,
        created_ms=START_MS - 10_000,
        expires_ms=START_MS - 5_000,
        nonce="n",
        json_ld=LocalJsonLd(),
    )
    assert verify(desk, signed).json["errors"] == ["proof_expired"]
    proof = signed["proof"]
    if member != "expires":
        proof["expires"] = "2999-01-01T00:00:00Z"
    value = proof.pop(member)
    proof[PROOF_MEMBERS[member]] = value if member == "nonce" else {"@value": value, "@type": DATE}
    answer = verify(desk, signed)
    assert (answer.status, answer.json["errors"]) == (400, ["json_ld_member_disguised"])


def test_a_credential_has_no_member_that_nobody_looks_at(desk: World) -> None:
    """Credentials in a presentation are checked each alone; a credential with such a member is checked as a whole."""
    signed = MALLORY.credential(verifiableCredential=[{"anything": None}])
    assert verify(desk, signed).json["errors"] == ["json_ld_value_dropped"]


@pytest.mark.parametrize("scheme", ["did", "urn", "https", "data"])
def test_no_prefix_is_called_like_a_scheme(scheme: str) -> None:
    """With `did` as a prefix, the subject in the JSON would be another one in the graph."""
    document = credential(MALLORY.did)
    document["@context"].append({scheme: {"@id": "https://issuer.example/users/", "@prefix": True}})
    with pytest.raises(JsonLdContextError):
        EXPANDER.quads(document)


def test_the_names_are_those_of_the_contexts() -> None:
    """Every member that a bundled context gives credentials, presentations, status entries and proofs is in the tables."""
    expected = {
        ("VerifiableCredential", CREDENTIALS): DOCUMENT_MEMBERS,
        ("VerifiablePresentation", CREDENTIALS): DOCUMENT_MEMBERS,
        ("BitstringStatusListEntry", STATUS): ENTRY_MEMBERS,
        ("DataIntegrityProof", "https://w3id.org/security#"): PROOF_MEMBERS,
    }
    seen: dict[str, str] = {}
    for url in (CREDENTIALS_V2_URL, CREDENTIALS_V1_URL, DATA_INTEGRITY_V2_URL):
        context = json.loads(context_bytes(url))["@context"]
        for (type_name, space), table in expected.items():
            scoped = context.get(type_name, {}).get("@context", {})
            for name, definition in scoped.items():
                named = definition.get("@id") if isinstance(definition, dict) else definition
                iri = str(named).replace("cred:", CREDENTIALS)
                if iri.startswith(space) and name not in ("cred", "proof", "proofValue", "issued"):
                    assert table[name] == iri, name
                    seen[name] = iri
    tables = {**DOCUMENT_MEMBERS, **ENTRY_MEMBERS, **PROOF_MEMBERS}
    assert seen.keys() == tables.keys() - {"created"}
