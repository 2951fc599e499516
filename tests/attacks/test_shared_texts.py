"""Texts that PostgreSQL does not take: the same answer as on SQLite at every door, and never a defect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import PostgresServer
from tests.support.registry import GATEWAY, OPERATOR, ManualClock, World, open_world

NUL = "a\0b"


@pytest.fixture(scope="module")
def both(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    """Open one registry on each engine."""
    name, clock = postgres.fresh_database(), ManualClock()
    with ExitStack() as stack:
        stack.callback(postgres.drop_database, name)
        folder: Path = tmp_path_factory.mktemp("shared")
        shared = stack.enter_context(open_world(folder, clock=clock, database_url=postgres.url(name)))
        yield stack.enter_context(open_world(tmp_path_factory.mktemp("own"), clock=clock)), shared


def _status(world: World, method: str, target: str, body: Any = None, headers: Any = None) -> tuple[int, str]:
    answer = (
        world.web.get(target, headers=headers) if method == "GET" else world.web.post(target, body, headers=headers)
    )
    if not answer.body.startswith(b"{"):
        return answer.status, ""
    return answer.status, str(answer.json.get("code", answer.json.get("decision", "")))


@pytest.mark.parametrize(
    "target",
    [
        "/v1/agents/did:key:z%00",
        "/v1/agents/did:key:z%00/events",
        "/v1/agents/did:key:z%00/standing",
        "/v1/agents/did:key:z%00/history",
        "/v1/agents?after=%00",
        "/v1/agents?after=did:key:z%00",
        "/v1/events/%00",
        "/v1/decisions/%00",
        "/v1/decisions/a%00b",
        "/v1/decisions/%ff",
        "/v1/decisions/%ed%a0%80",
        "/v1/agents/did:key:z%ff",
        "/v1/evidence/%00",
        "/status-lists/%00",
        "/status-lists/a%00b",
        "/1.0/identifiers/did:key:z%00",
        "/1.0/identifiers/did:webvh:a%00:registry.localhost%3A8000",
        "/%00/checkpoint",
        "/agents/%00/did.jsonl",
    ],
)
def test_reading_by_a_strange_name(both: tuple[World, World], target: str) -> None:
    """What cannot be stored is not found, or refused, alike."""
    own, shared = (_status(world, "GET", target, headers=GATEWAY) for world in both)
    assert own == shared
    assert own[0] < 500


@pytest.mark.parametrize("text", [NUL, "did:key:" + NUL, "\ud800", "did:key:z\u0000"])
def test_a_decision_about_a_strange_name_is_recorded(both: tuple[World, World], text: str) -> None:
    """The answer is the same, and the recorder does not choke on it: records after it are kept."""
    request = {
        "subject": {"type": "agent", "id": text},
        "action": {"name": text},
        "resource": {"type": text, "id": text},
        "context": {"presentation": {"vp": {"proof": {"challenge": text}}}},
    }
    body = json.dumps(request).encode()
    headers = {**GATEWAY, "content-type": "application/json"}
    own, shared = (world.web.send("POST", "/access/v1/evaluation", body=body, headers=headers) for world in both)
    assert own.status == shared.status < 500
    for world in both:
        good = world.decide(
            {
                "subject": {"type": "agent", "id": "did:key:z"},
                "action": {"name": "read"},
                "resource": {"type": "x", "id": "y"},
            }
        )
        record = str(good["context"]["evaluation_id"])
        world.registry.recorder._flush()
        assert world.registry.decision_store.find(record) is not None
        assert world.registry.recorder.waiting == 0


def test_setting_and_giving_by_strange_names(both: tuple[World, World]) -> None:
    """Statuses, gateways and challenges of names that no database holds."""
    base = "https://registry.localhost:8000/status-lists/"
    entry = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "1",
        "statusListCredential": base + NUL,
        "id": base + NUL,
    }
    calls = [
        ("/credentials/status", {"credentialId": NUL, "credentialStatus": entry, "status": True}),
        (
            "/credentials/status",
            {
                "credentialId": NUL,
                "credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"},
                "status": True,
            },
        ),
        ("/v1/gateways", {"name": NUL}),
        ("/v1/quarantines", {"did": "did:key:" + NUL, "reason": NUL}),
        ("/v1/events", {"id": NUL}),
        ("/v1/agents", {"presentation": {"proof": {"challenge": NUL}, "holder": NUL}}),
    ]
    for target, body in calls:
        own, shared = (_status(world, "POST", target, body, headers=OPERATOR) for world in both)
        assert own == shared, target
        assert own[0] < 500, target
