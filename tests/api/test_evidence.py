"""Badges, attestations, disputes, rulings and signed standings over HTTP; the context that explains their words."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from did_methods.codec import base64url_encode, parse_json_object
from registry.credentials.issue_evidence import (
    Measured,
    countersign_receipt,
    issue_affiliation,
    issue_attestation,
    issue_dispute,
    issue_receipt,
)
from registry.credentials.model import parse_credential
from registry.credentials.verify import verify_credential
from registry.log.merkle import derive_root, leaf_hash
from tests.credentials.test_kinds import CONTEXT_FILE
from tests.support.actor import Actor
from tests.support.registry import GATEWAY, OPERATOR, World, event_text


def _now(world: World, *, statement: bool = True) -> dict[str, Any]:
    now = {"uuid": str(uuid4()), "now_ms": world.clock.now_ms()}
    return now | ({"domain": world.origin} if statement else {})


def _logged(world: World, document: dict[str, Any]) -> str:
    answer = world.submit(document)
    assert answer.status == 201, answer
    return event_text(document)


def _evidence(world: World, actor: Actor) -> dict[str, Any]:
    found: dict[str, Any] = world.web.get(f"/v1/agents/{actor.did}/evidence").json
    return found


def test_badges_and_attestations_are_shown_with_their_issuers_state(world: World) -> None:
    """Whoever reads them sees at once whether who said it still stands."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    badge = _logged(
        world, issue_affiliation(signer=alice.signer, subject=bob.did, role="tester", **_now(world, statement=False))
    )
    attested = issue_attestation(
        signer=bob.signer,
        subject=bob.did,
        evidence_kind="self",
        nonce=b"n" * 8,
        measured=Measured(code_digest=bytes(32), model={"provider": "p", "name": "m"}),
        **_now(world),
    )
    event = _logged(world, attested)
    world.quarantine(alice)
    found = _evidence(world, bob)
    (shown,) = found["affiliations"]
    assert (shown["event"], shown["issuer"], shown["issuerState"]) == (badge, alice.did, "suspended")
    (shown,) = found["attestations"]
    assert (shown["event"], shown["issuerState"], shown["evidenceKind"]) == (event, "active", "self")
    assert shown["model"] == {"provider": "p", "name": "m"}
    assert "appraisal" not in shown


def test_a_dispute_is_shown_with_the_report_until_it_is_ruled_on(world: World) -> None:
    """The report's row says that it is disputed, then what was ruled; its weight stays as it was."""
    alice, bob = world.agent("alice"), world.agent("bob")
    report = alice.report(bob.did)
    report_event = _logged(world, report)
    target = f"/v1/agents/{bob.did}/vouches"
    assert world.web.get(target).json["statements"][0]["dispute"] is None
    document = issue_dispute(
        signer=bob.signer, reporter=alice.did, report=parse_credential(report).event_id, **_now(world)
    )
    dispute = _logged(world, document)
    (row,) = world.web.get(target).json["statements"]
    assert (row["dispute"]["state"], row["dispute"]["event"]) == ("open", dispute)
    before = row["weight"], row["contribution"]
    body = {"dispute": dispute, "ruling": "upheld", "reason": "no-evidence"}
    answer = world.web.post("/v1/rulings", body, headers=OPERATOR)
    assert answer.status == 201, answer
    (row,) = world.web.get(target).json["statements"]
    assert (row["dispute"]["state"], row["weight"], row["contribution"]) == ("upheld", *before)
    assert row["dispute"]["ruling"] == answer.json["acceptance"]["credentialSubject"]["accepted"][0]["event"]
    assert [one["report"] for one in _evidence(world, bob)["disputes"]] == [report_event]
    assert [one["report"] for one in _evidence(world, alice)["disputed"]] == [report_event]
    assert world.web.post("/v1/rulings", body, headers=OPERATOR).json["code"] == "dispute_not_open"


def test_only_the_operator_asks_for_a_ruling(world: World) -> None:
    """Neither an agent nor a gateway; and what is asked has its form."""
    body = {"dispute": base64url_encode(bytes(32)), "ruling": "upheld", "reason": "x"}
    assert world.web.post("/v1/rulings", body).json["code"] == "bearer_key_required"
    assert world.web.post("/v1/rulings", body, headers=GATEWAY).json["code"] == "operator_only"
    assert world.web.post("/v1/rulings", body, headers=OPERATOR).json["code"] == "dispute_not_open"
    for wrong in ({"ruling": "maybe"}, {"reason": 1}, {"dispute": 1}, {"more": 1}):
        assert world.web.post("/v1/rulings", body | wrong, headers=OPERATOR).json["code"] == "query_invalid"


def test_a_receipt_needs_both_signatures(world: World) -> None:
    """Half a receipt is refused at the door; the whole one stands in both chains."""
    alice, bob = world.agent("alice"), world.agent("bob")
    half = issue_receipt(
        signer=alice.signer,
        counterparty=bob.did,
        action="translate",
        interaction_digest=bytes(32),
        outcome="completed",
        **_now(world),
    )
    assert world.submit(half).json["code"] == "proof_count_invalid"
    whole = countersign_receipt(half, signer=bob.signer, now_ms=world.clock.now_ms(), domain=world.origin)
    event = _logged(world, whole)
    for one in (alice, bob):
        assert world.web.get(f"/v1/agents/{one.did}/events").json["events"][0]["event"] == event


@pytest.mark.parametrize("context", [None, "payments"])
def test_a_signed_standing_says_what_the_log_gives(world: World, context: str | None) -> None:
    """The figures are those of the plain answer, the root that of the tree named, the signature the registry's."""
    alice = world.agent("alice")
    _logged(world, world.operator.vouch(alice.did, context=context))
    query = "" if context is None else f"&context={context}"
    answer = world.web.get(f"/v1/agents/{alice.did}/standing?format=credential{query}")
    assert answer.headers["cache-control"] == "no-store"
    credential = parse_credential(parse_json_object(answer.body))
    verify_credential(credential, keys=world.registry.state, now_ms=world.clock.now_ms())
    assert credential.issuer == world.registry.genesis.registry_did
    plain = world.web.get(f"/v1/agents/{alice.did}/standing?at=last{query}").json
    said = credential.subject
    assert (said["id"], said.get("context"), said["origin"]) == (alice.did, context, world.origin)
    assert (said["scoreMicros"], said["recordMicros"]) == (plain["scoreMicros"], plain["recordMicros"])
    assert (said["treeSize"], said["time"]) == (world.size, world.clock.now_ms())
    leaves = [world.web.get(f"/v1/entries/{index}").body for index in range(world.size)]
    assert said["rootHash"] == base64url_encode(derive_root(map(leaf_hash, leaves)))
    assert credential.valid_until_ms == world.clock.now_ms() + 3_600_000


def test_a_signed_standing_is_of_now(world: World) -> None:
    """Another format, or another instant, is not signed; nor is that of nobody."""
    alice = world.agent("alice")
    target = f"/v1/agents/{alice.did}/standing"
    for query in ("?format=pdf", "?format=credential&at=last", "?format=credential&context=No+Slug"):
        assert world.web.get(target + query).json["code"] == "query_invalid"
    assert world.web.get("/v1/agents/did:key:z6Mk/standing?format=credential").json["code"] == "agent_unknown"


def test_the_context_is_the_bundled_file(world: World) -> None:
    """Byte for byte, with a tag that caches ask by."""
    answer = world.web.get("/contexts/bonafides/v1")
    assert answer.body == Path(CONTEXT_FILE).read_bytes()
    assert answer.headers["cache-control"] == "public, max-age=86400"
    held = world.web.get("/contexts/bonafides/v1", headers={"if-none-match": answer.headers["etag"]})
    assert (held.status, held.body) == (304, b"")
