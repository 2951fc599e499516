"""Issuing and verifying credentials over HTTP, in every suite, and what each answer holds."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import parse_json
from registry.credentials.credential_schema import bundled_schemas
from registry.credentials.jose import envelope, sign_vc_jwt
from tests.support.registry import DAY_MS, GATEWAY, OPERATOR, START_MS, World, open_world
from tests.support.vc_api import (
    SUITES,
    V1,
    V2,
    Party,
    credential,
    issue,
    issue_answer,
    verify,
)

STRANGER = Party.named("stranger")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Open one registry for the tests of this module; none of them depends on another."""
    with open_world(tmp_path_factory.mktemp("desk")) as opened:
        yield opened


def test_each_suite_has_an_issuer_of_its_own(desk: World) -> None:
    """The issuers are did:keys of the right kind, and no two share one."""
    issuers = desk.web.get("/issuers").json
    assert set(issuers) == {*SUITES, "vc-jwt"}
    assert len(set(issuers.values())) == len(SUITES) + 1
    beginnings = {"p256": "did:key:zDn", "p384": "did:key:z82"}
    for name, did in issuers.items():
        assert did.startswith(beginnings.get(name.rpartition("-")[2], "did:key:z6Mk")), (name, did)


def test_an_issuer_answers_with_tokens(desk: World) -> None:
    """Its credentials come in an envelope that verifies, and no longer does with another signature or another issuer."""
    issued = issue(desk, "vc-jwt", subject="did:example:abc")
    assert issued["@context"] == V2
    assert issued["type"] == "EnvelopedVerifiableCredential"
    head, data, signature = issued["id"].split(".")
    assert head.startswith("data:application/vc+jwt,")
    answer = verify(desk, issued)
    assert (answer.status, answer.json["verified"], answer.json["errors"]) == (200, True, []), answer
    assert verify(desk, issued["id"].partition(",")[2]).json["verified"]
    other = signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")
    refused = verify(desk, issued | {"id": f"{head}.{data}.{other}"})
    assert (refused.status, refused.json["verified"]) == (400, False)


def test_an_issuer_of_tokens_takes_the_newer_data_model_only(desk: World) -> None:
    """A token carries a document of data model 2.0, so an older one is refused before it is signed."""
    did = desk.web.get("/issuers").json["vc-jwt"]
    older = credential(did) | {
        "@context": [V1],
        "type": ["VerifiableCredential"],
        "issuanceDate": "2023-01-01T00:00:00Z",
    }
    older["credentialSubject"] = {"id": "did:example:abc"}
    del older["validFrom"]
    assert issue_answer(desk, older | {"issuer": desk.web.get("/issuers").json["eddsa-jcs-2022"]}).status == 201
    answer = issue_answer(desk, older, suite="vc-jwt")
    assert (answer.status, answer.json["code"]) == (400, "jose_version_unsupported"), answer


def test_the_issuers_outlive_a_restart_and_come_to_older_registries(tmp_path: Path) -> None:
    """Their keys are on the disk; a registry from before there were issuers gets them at its next start."""
    with open_world(tmp_path, on_disk=True) as world:
        first = world.web.get("/issuers").json
    with open_world(tmp_path, on_disk=True) as world:
        assert world.web.get("/issuers").json == first
    for path in (tmp_path / "keys" / "issuers").iterdir():
        assert path.stat().st_mode & 0o077 == 0
        path.unlink()
    with open_world(tmp_path, on_disk=True) as world:
        assert not set(world.web.get("/issuers").json.values()) & set(first.values())


@pytest.mark.parametrize("suite", SUITES)
def test_what_a_suite_issues_verifies(desk: World, suite: str) -> None:
    """Each issuer answers 201 with a credential that verifies, and that no longer does once a word is changed."""
    issued = issue(desk, suite, subject="did:example:abc")
    answer = verify(desk, issued)
    assert (answer.status, answer.json["verified"], answer.json["errors"]) == (200, True, []), answer
    assert answer.json["problemDetails"] == []
    assert "proof" in answer.json["checks"]
    changed = copy.deepcopy(issued)
    changed["credentialSubject"]["alumniOf"] = "Another School"
    refused = verify(desk, changed)
    assert (refused.status, refused.json["verified"]) == (400, False)
    assert refused.json["errors"] == ["proof_invalid"]


def test_the_default_suite(desk: World) -> None:
    """The short address issues in eddsa-jcs-2022."""
    issuer = desk.web.get("/issuers").json["eddsa-jcs-2022"]
    answer = desk.web.post("/credentials/issue", {"credential": credential(issuer)}, headers=OPERATOR)
    assert answer.status == 201
    proof = answer.json["verifiableCredential"]["proof"]
    assert (proof["cryptosuite"], proof["verificationMethod"].partition("#")[0]) == ("eddsa-jcs-2022", issuer)
    assert proof["proofPurpose"] == "assertionMethod"


def test_an_issuer_object_is_an_issuer(desk: World) -> None:
    """An issuer may have a name beside its id."""
    did = desk.web.get("/issuers").json["eddsa-rdfc-2022"]
    answer = issue_answer(desk, credential({"id": did, "name": "School"}), suite="eddsa-rdfc-2022")
    assert answer.status == 201
    assert verify(desk, answer.json["verifiableCredential"]).status == 200


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "eddsa-rdfc-2022", "ecdsa-rdfc-2019-p256"])
def test_a_credential_of_the_older_data_model(desk: World, suite: str) -> None:
    """A 1.1 credential gets the context that defines its proof, once, and verifies."""
    did = desk.web.get("/issuers").json[suite]
    document = {
        "@context": [V1, "https://www.w3.org/ns/credentials/examples/v2"],
        "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
        "type": ["VerifiableCredential", "AlumniCredential"],
        "issuer": did,
        "issuanceDate": "2023-01-01T00:00:00.123Z",
        "credentialSubject": {"id": "did:example:abc", "alumniOf": "The School of Examples"},
    }
    answer = issue_answer(desk, document, suite=suite)
    assert answer.status == 201, answer
    issued = answer.json["verifiableCredential"]
    assert issued["@context"] == [*document["@context"], "https://w3id.org/security/data-integrity/v2"]
    assert verify(desk, issued).status == 200


@pytest.mark.parametrize("path", ["/credentials/issue", "/issuers/status/credentials/issue"])
def test_issuing_is_the_operators(desk: World, path: str) -> None:
    """Nobody else gets a signature: 401 without a key, 403 with a gateway's, and the body is not read."""
    for headers, status, code in (({}, 401, "bearer_key_required"), (GATEWAY, 403, "operator_only")):
        answer = desk.web.post(path, b"{broken", headers=headers)
        assert (answer.status, answer.code) == (status, code)


def test_dev_trusts_loopback(tmp_path: Path) -> None:
    """With --dev a caller on this machine issues without a key, and is told why something fails."""
    with open_world(tmp_path, dev=True) as world:
        issuer = world.web.get("/issuers").json["eddsa-jcs-2022"]
        answer = world.web.post("/credentials/issue", {"credential": credential(issuer)})
        assert answer.status == 201
        refused = verify(world, credential(issuer), known=False)
        assert refused.json["errors"] == ["securing_missing"]


def _without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}


def test_what_an_issuer_does_not_sign(desk: World) -> None:
    """A foreign or missing issuer, a proof, an option that cannot be done, an undefined term: each has its code."""
    did = desk.web.get("/issuers").json["eddsa-jcs-2022"]
    good = credential(did)
    plain = good | {"@context": [V2], "type": ["VerifiableCredential"], "credentialSubject": {"id": "did:example:abc"}}
    refused: list[tuple[Any, dict[str, Any], str]] = [
        (_without(good, "issuer"), {}, "issuer_absent"),
        (good | {"issuer": STRANGER.did}, {}, "issuer_foreign"),
        (good | {"issuer": {"id": STRANGER.did}}, {}, "issuer_foreign"),
        (good | {"issuer": None}, {}, "issuer_foreign"),
        (STRANGER.credential() | {"issuer": did}, {}, "proof_exists"),
        (good, {"options": {"type": "Ed25519Signature2020"}}, "issue_option_unknown"),
        (good, {"options": []}, "vc_api_option_invalid"),
        (plain | {"nobodyDefinedThis": 1}, {}, "json_ld_term_undefined"),
        (good | {"@context": [*good["@context"], "https://elsewhere.example/context"]}, {}, "json_ld_context_unknown"),
        (None, {}, "vc_api_request_invalid"),
        ("text", {}, "vc_api_request_invalid"),
        ([good], {}, "vc_api_request_invalid"),
    ]
    for document, more, code in refused:
        answer = issue_answer(desk, document, **more)
        assert (answer.status, answer.code) == (400, code), (document, answer)
    answer = issue_answer(desk, good, suite="bbs-2023")
    assert (answer.status, answer.code) == (404, "issuer_not_found")


def test_status_is_added_unasked_and_revoked_at_once(desk: World) -> None:
    """The issuer `status` adds both entries; suspending and revoking are seen by the next question."""
    issued = issue(desk, "status", id="urn:uuid:4d9cf8d5-9d68-4ff9-8a1f-000000000001")
    entries = {one["statusPurpose"]: one for one in issued["credentialStatus"]}
    assert set(entries) == {"revocation", "suspension"}
    assert verify(desk, issued).status == 200

    def put(purpose: str, *, value: bool) -> int:
        body = {"credentialId": issued["id"], "credentialStatus": entries[purpose], "status": value}
        return desk.web.post("/credentials/status", body, headers=OPERATOR).status

    assert put("suspension", value=True) == 200
    assert verify(desk, issued).json["errors"] == ["credential_suspended"]
    assert put("suspension", value=False) == 200
    assert verify(desk, issued).status == 200
    assert put("revocation", value=True) == 200
    refused = verify(desk, issued, returnResults=True)
    assert refused.json["errors"] == ["credential_revoked"]
    assert not refused.json["results"]["credentialStatus"][0]["verified"]
    assert verify(desk, issued, checks=["proof"]).status == 200


def test_status_may_go_by_a_name_of_its_own(desk: World) -> None:
    """A credential without an id is revoked by the id that was named at issuing, which is not written into it."""
    did = desk.web.get("/issuers").json["status"]
    name = "urn:uuid:4d9cf8d5-9d68-4ff9-8a1f-000000000002"
    answer = issue_answer(desk, _without(credential(did), "id"), suite="status", options={"credentialId": name})
    issued = answer.json["verifiableCredential"]
    assert "id" not in issued
    body = {
        "credentialId": name,
        "credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"},
        "status": True,
    }
    assert desk.web.post("/credentials/status", body, headers=OPERATOR).status == 200
    assert verify(desk, issued).json["errors"] == ["credential_revoked"]


def test_a_stranger_learns_types_and_titles_only(desk: World) -> None:
    """Codes, details, steps and results are for known callers; the types are the standards'."""
    expired = STRANGER.credential(validUntil="2024-01-01T00:00:00Z")
    forged = STRANGER.credential() | {"issuer": Party.named("other").did}
    for document in (expired, forged, credential(STRANGER.did), {"@context": 4}):
        answer = verify(desk, document, known=False, returnResults=True)
        assert answer.status == 400
        told = answer.json
        assert set(told) == {"verified", "checks", "warnings", "errors", "problemDetails"}
        assert told["verified"] is False
        assert told["checks"] == told["warnings"] == []
        assert told["problemDetails"]
        assert told["errors"] == [one["title"] for one in told["problemDetails"]]
        for one in told["problemDetails"]:
            assert set(one) == {"type", "title"}
            assert one["type"].startswith(("https://www.w3.org/", "https://w3id.org/"))
    known = verify(desk, expired).json["problemDetails"][0]
    assert known["code"] == "credential_expired"


def test_a_wrong_key_is_not_taken_for_nobody(desk: World) -> None:
    """Whoever sends a key that is not known is told so."""
    answer = desk.web.post(
        "/credentials/verify", {"verifiableCredential": {}}, headers={"authorization": "Bearer wrong"}
    )
    assert (answer.status, answer.code) == (401, "bearer_key_required")


def test_every_reason_is_told(desk: World) -> None:
    """The later steps are all made, so one answer has every reason."""
    wrong = STRANGER.credential(
        validUntil="2024-01-01T00:00:00Z",
        credentialStatus={
            "id": "urn:uuid:4d9cf8d5-9d68-4ff9-8a1f-000000000009",
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": "-1",
            "statusListCredential": "https://registry.localhost:8000/status-lists/none",
        },
    )
    assert verify(desk, wrong).json["errors"] == ["credential_expired", "status_entry_invalid"]


def test_proof_alone(desk: World) -> None:
    """`checks: ["proof"]` leaves issuer, validity and status alone, and nothing else."""
    expired = STRANGER.credential(validUntil="2024-01-01T00:00:00Z")
    answer = verify(desk, expired, checks=["proof"])
    assert answer.status == 200
    assert answer.json["checks"][-1] == "proof"
    changed = expired | {"validUntil": "2034-01-01T00:00:00Z"}
    assert verify(desk, changed, checks=["proof"]).json["errors"] == ["proof_invalid"]


def test_what_is_returned_on_demand(desk: World) -> None:
    """Results by member and the document come where they are asked for; problem details go."""
    issued = issue(desk, "status", id="urn:uuid:4d9cf8d5-9d68-4ff9-8a1f-000000000003")
    answer = verify(desk, issued, returnResults=True, returnCredential=True, returnProblemDetails=False)
    assert answer.json["credential"] == issued
    assert "problemDetails" not in answer.json
    results = answer.json["results"]
    assert results["validFrom"] == {"verified": True, "input": issued["validFrom"]}
    assert [one["value"] for one in results["credentialStatus"]] == [0, 0]
    assert results["proof"] == [{"verified": True, "input": issued["proof"]}]


def test_the_document_alone_under_a_type_of_its_own(desk: World) -> None:
    """`application/vc` takes the credential without a request around it, to issue and to verify."""
    did = desk.web.get("/issuers").json["eddsa-jcs-2022"]
    alone = {"content-type": "application/vc; charset=utf-8"}
    issued = desk.web.post("/credentials/issue", credential(did), headers={**OPERATOR, **alone})
    assert issued.status == 201
    answer = desk.web.post("/credentials/verify", issued.json["verifiableCredential"], headers={**GATEWAY, **alone})
    assert answer.status == 200
    wrapped = {"verifiableCredential": issued.json["verifiableCredential"]}
    linked = {"content-type": "application/ld+json"}
    assert desk.web.post("/credentials/verify", wrapped, headers={**GATEWAY, **linked}).status == 200


@pytest.mark.parametrize("path", ["/credentials/verify", "/presentations/verify", "/credentials/issue"])
@pytest.mark.parametrize("media_type", ["text/plain", "", "application/x-www-form-urlencoded", "application/jwt"])
def test_another_content_type_is_refused(desk: World, path: str, media_type: str) -> None:
    """A page's form cannot ask here."""
    answer = desk.web.post(path, b"{}", headers={**OPERATOR, "content-type": media_type})
    assert (answer.status, answer.code) == (415, "media_type_unsupported")


def test_nothing_that_happens_here_is_remembered(desk: World) -> None:
    """Issuing and verifying change neither the log nor the state, so neither score nor decision can see it."""
    before = desk.fingerprint()
    agent_credential = issue(desk, "eddsa-rdfc-2022", subject=desk.operator.did)
    assert verify(desk, agent_credential).status == 200
    assert verify(desk, STRANGER.credential(desk.operator.did)).status == 200
    assert desk.fingerprint() == before
    refused = desk.submit(agent_credential)
    assert refused.status == 400
    assert desk.fingerprint() == before


def test_time_passes(tmp_path: Path) -> None:
    """A credential verifies from its beginning to its end, and not a day outside."""
    with open_world(tmp_path) as world:
        issued = issue(world, validFrom="2026-11-21T09:00:00Z", validUntil="2026-11-23T09:00:00Z")
        found = []
        for _ in range(4):
            found.append(verify(world, issued).json["errors"])
            world.clock.advance(DAY_MS + 1)
        assert found == [["credential_not_yet_valid"], [], [], ["credential_expired"]]


def _token(document: dict[str, Any] | None = None) -> str:
    return sign_vc_jwt(
        document or credential(STRANGER.did), signer=STRANGER.signer, algorithm="EdDSA", issued_ms=START_MS
    )


def test_an_envelope_in_each_of_its_three_forms(desk: World) -> None:
    """The token itself, the object around it, and the token as a body: each verifies, and the credential inside is returned."""
    token = _token()
    for value in (token, envelope(token, "vc")):
        answer = verify(desk, value, returnCredential=True)
        assert answer.status == 200, answer
        assert answer.json["credential"] == credential(STRANGER.did)
    headers = {**GATEWAY, "content-type": "application/vc+jwt"}
    assert desk.web.post("/credentials/verify", token.encode(), headers=headers).status == 200
    refused = desk.web.post("/credentials/verify", token[:-4].encode() + b"AAAA", headers=headers)
    assert (refused.status, refused.json["errors"]) == (400, ["jose_signature_invalid"])


def test_an_envelope_is_judged_like_any_credential(desk: World) -> None:
    """Validity, undefined terms and foreign issuers are refused in an envelope too; `proof` alone leaves validity out."""
    expired = _token(credential(STRANGER.did, validUntil="2024-01-01T00:00:00Z"))
    assert verify(desk, expired).json["errors"] == ["credential_expired"]
    assert verify(desk, expired, checks=["proof"]).status == 200
    plain = credential(STRANGER.did) | {"@context": [V2], "type": ["VerifiableCredential"]}
    assert verify(desk, _token(plain | {"nobodysTerm": 1})).json["errors"][0].startswith("json_ld_")


def test_an_older_suite(desk: World) -> None:
    """A 1.1 credential in Ed25519Signature2020 verifies through the same door, and not once it is changed."""
    path = Path(__file__).resolve().parents[1] / "credentials" / "legacy_documents.json"
    documents = parse_json(path.read_bytes(), max_bytes=1 << 20, max_nodes=1 << 16)
    found = [one for one in _objects(documents) if _suite(one) == "Ed25519Signature2020" and "issuer" in one]
    assert found
    assert verify(desk, found[0], checks=["proof"]).status == 200
    changed = found[0] | {"id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc34"}
    assert verify(desk, changed, checks=["proof"]).status == 400


def _suite(document: dict[str, Any]) -> Any:
    proof = document.get("proof")
    return proof.get("type") if isinstance(proof, dict) else None


def _objects(value: Any) -> list[dict[str, Any]]:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return ([value] if isinstance(value, dict) else []) + [one for part in inner for one in _objects(part)]


def test_schemas_that_are_bundled_are_held_to(desk: World) -> None:
    """A credential that does not fit a bundled schema it names is neither issued nor verified; an unknown one is said."""
    name = next(iter(bundled_schemas()))
    did = desk.web.get("/issuers").json["eddsa-jcs-2022"]
    schema = {"id": name, "type": "JsonSchema"}
    answer = issue_answer(desk, credential(did, credentialSchema=schema))
    assert (answer.status, answer.code) == (400, "credential_schema_mismatch")
    made = STRANGER.credential(credentialSchema=schema)
    assert verify(desk, made).json["errors"] == ["credential_schema_mismatch"]
    unknown = {"id": "https://elsewhere.example/schema.json", "type": "JsonSchema"}
    told = verify(desk, STRANGER.credential(credentialSchema=unknown))
    assert (told.status, told.json["warnings"]) == (200, ["credential_schema_not_evaluated"])
