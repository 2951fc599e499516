"""Two registries on one PostgreSQL: what is not in the log, and yet has to count at whichever is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.postgres import PostgresServer
from tests.support.publication import wait_for
from tests.support.registry import GATEWAY, OPERATOR, ManualClock, World, open_world
from tests.support.vc_api import Party, issue, new_challenge, verify, verify_presentation

Two = tuple[World, World]
PURPOSE = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}


@pytest.fixture(scope="module")
def two(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Open two registries on one database and one folder of keys."""
    name, clock, folder = postgres.fresh_database(), ManualClock(), tmp_path_factory.mktemp("replicas")
    with ExitStack() as stack:
        stack.callback(postgres.drop_database, name)
        one, other = (
            stack.enter_context(open_world(folder, clock=clock, database_url=postgres.url(name))) for _ in range(2)
        )
        yield one, other


def test_a_challenge_of_one_registers_at_the_other_once(two: Two) -> None:
    """Behind a load balancer nobody knows which gave it out; a second use is refused at both."""
    one, other = two
    challenge = one.challenge()
    alice, bob = one.hosted("alice-c"), one.hosted("bob-c")
    assert other.web.post("/v1/agents", alice.registration(challenge)).status == 201
    for world in two:
        assert world.web.post("/v1/agents", bob.registration(challenge)).code == "challenge_unknown"
    assert one.web.post("/v1/agents", bob.registration(other.challenge())).status == 201


def test_a_proof_for_a_challenge_counts_once_among_all(two: Two) -> None:
    """A decision takes the challenge wherever it was given out; shown again at either, it is a replay."""
    one, other = two
    agent = one.agent("alice-d")
    wait_for(lambda: other.web.get(f"/v1/agents/{agent.did}").status == 200)

    def request(challenge: str) -> dict[str, Any]:
        shown = agent.presentation(challenge, expires_ms=agent.clock.now_ms() + 60_000)
        return agent.request(prove=False) | {"context": {"presentation": {"vp": shown}}}

    asked = request(one.challenge())
    assert other.decide(asked)["decision"] is True
    assert [world.reason(asked) for world in (one, other, one)] == ["proof_replayed"] * 3
    assert one.reason(request("bWFkZS11cA")) == "proof_replayed"
    spoilt = request(challenge := other.challenge())
    spoilt["context"]["presentation"]["vp"]["proof"]["proofValue"] = "z" + "1" * 86
    assert one.decide(spoilt)["decision"] is False
    assert one.decide(request(challenge))["decision"] is True  # who failed may try again where it failed


def test_a_challenge_of_the_vc_api_is_used_once_among_all(two: Two) -> None:
    """The same for presentations that are only verified, whose challenges are apart from those of registrations."""
    one, other = two
    holder = Party.named("holder")
    challenge = new_challenge(one)
    shown = holder.presentation(challenge=challenge, domain="shop.example")
    options = {"challenge": challenge, "domain": "shop.example"}
    assert verify_presentation(other, shown, **options).status == 200
    assert [verify_presentation(world, shown, **options).status for world in two] == [400, 400]
    mine = one.hosted("carol-c")
    assert other.web.post("/v1/agents", mine.registration(new_challenge(one))).code == "challenge_unknown"


def test_a_revocation_at_one_ends_the_credential_at_the_other(two: Two) -> None:
    """What was issued at one verifies at the other, whose list is signed anew once a status was set at the first."""
    one, other = two
    issued = issue(one, "status", id="urn:uuid:4d9cf8d5-9d68-4ff9-8a1f-000000000021")
    wait_for(lambda: verify(other, issued).status == 200)
    entry = issued["credentialStatus"]
    path = (entry if isinstance(entry, dict) else entry[0])["statusListCredential"].partition("//")[2].partition("/")[2]
    before = other.web.get("/" + path)
    assert before.status == 200
    body = {"credentialId": issued["id"], "credentialStatus": PURPOSE, "status": True}
    assert one.web.post("/credentials/status", body, headers=OPERATOR).status == 200
    wait_for(lambda: verify(other, issued).status == 400)
    assert other.web.get("/" + path).body != before.body
    # Set at the other without a look at the first: judged by what stands, it cannot be taken back.
    undone = other.web.post("/credentials/status", body | {"status": False}, headers=OPERATOR)
    assert undone.code == "status_irreversible"


def test_a_key_counts_at_all_and_is_gone_at_all(two: Two) -> None:
    """A gateway's key that one gave out opens the other soon, and does so no more once it was taken away."""
    one, other = two
    made = one.web.post("/v1/gateways", {"name": "edge"}, headers=OPERATOR)
    assert made.status == 201
    mine = {"authorization": f"Bearer {made.json['key']}"}
    wait_for(lambda: other.web.get("/v1/decisions/none", headers=mine).status == 404)
    assert other.web.send("DELETE", "/v1/gateways/edge", headers=OPERATOR).status == 200
    assert other.web.get("/v1/decisions/none", headers=mine).status == 401
    wait_for(lambda: one.web.get("/v1/decisions/none", headers=mine).status == 401)


def test_a_decision_is_found_at_the_other(two: Two) -> None:
    """Once it is on the disk, the record of a decision can be asked for anywhere, byte for byte."""
    one, other = two
    decided = one.decide(
        {
            "subject": {"type": "agent", "id": "did:key:z"},
            "action": {"name": "read"},
            "resource": {"type": "x", "id": "y"},
        }
    )
    path = f"/v1/decisions/{decided['context']['evaluation_id']}"
    wait_for(lambda: other.web.get(path, headers=GATEWAY).status == 200)
    assert other.web.get(path, headers=GATEWAY).body == one.web.get(path, headers=GATEWAY).body
