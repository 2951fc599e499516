"""A database server that goes away and comes back: what every door says meanwhile, and that nothing is lost of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.storage import status
from tests.support.postgres import PostgresServer, running_server
from tests.support.publication import wait_for
from tests.support.registry import GATEWAY, OPERATOR, PUBLIC_URL, World, event_text, open_world
from tests.support.vc_api import issue, verify


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """Run a server that the test may stop."""
    with running_server() as running:
        yield running


def _codes(world: World, event: str) -> dict[str, tuple[int, str]]:
    calls = {
        "read": world.web.get(f"/v1/events/{event}"),
        "challenge": world.web.post("/v1/challenges"),
        "gateway": world.web.post("/v1/gateways", {"name": "another"}, headers=OPERATOR),
        "record": world.web.get("/v1/decisions/none", headers=GATEWAY),
    }
    return {name: (answer.status, str(answer.json.get("code", ""))) for name, answer in calls.items()}


def test_statuses_that_nobody_confirms_end_what_they_stand_for(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off from the database, another replica may have revoked: no list is signed, nothing verifies; until it is back."""
    monkeypatch.setattr(status, "STATUSES_UNCONFIRMED_MS", 900)
    with open_world(tmp_path, database_url=server.url(server.empty_database())) as world:
        issued = issue(world, "status")
        entry = issued["credentialStatus"]
        address = (entry if isinstance(entry, dict) else entry[0])["statusListCredential"].removeprefix(PUBLIC_URL)
        assert (verify(world, issued).status, world.web.get(address).status) == (200, 200)
        server.stop()
        wait_for(lambda: world.web.get(address).status == 503)
        assert world.web.get(address).code == "status_unconfirmed"
        assert verify(world, issued).status == 400
        server.start()
        wait_for(lambda: world.web.get(address).status == 200)
        assert verify(world, issued).status == 200


def test_a_server_that_is_away_for_a_while(server: PostgresServer, tmp_path: Path) -> None:
    """Doors that need it answer 503 with its code, the others go on; when it is back so is everything, without a restart."""
    with open_world(tmp_path, database_url=server.url(server.empty_database())) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        vouch = alice.vouch(bob.did)
        assert world.submit(vouch).status == 201
        size = world.size
        server.stop()
        found = _codes(world, event_text(vouch))
        assert set(found.values()) == {(503, "database_unavailable")}
        assert world.web.get("/healthz").status == 200
        refused = world.submit(bob.vouch(alice.did))
        assert refused.status == 503
        assert refused.json["code"] in ("database_unavailable", "commit_failed")
        decided = world.decide(alice.request("read"))  # recorded once the database is back
        assert world.registry.recorder.waiting >= 1
        server.start()
        wait_for(lambda: world.submit(bob.vouch(alice.did)).status == 201)
        assert world.size == size + 1
        kept = str(decided["context"]["evaluation_id"])
        wait_for(lambda: world.registry.decision_store.find(kept) is not None)
        assert world.registry.recorder.waiting == 0
        assert {status for status, _ in _codes(world, event_text(vouch)).values()} == {200, 201, 404}
