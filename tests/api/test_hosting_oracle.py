"""Two independent implementations resolve what a running registry hosts, over real HTTP, after rotations, moves, an end.

They are given what an HTTPS client of the public URL would get; only the scheme and the address are this machine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from did_methods.webvh import resolve_log
from tests.support.actor import Actor
from tests.support.hosting import append, approval, move, next_entry, witnessed
from tests.support.registry import PUBLIC_URL, World, serve

pytestmark = pytest.mark.oracle


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    """Serve the registry on a socket."""
    with serve(world.app) as url, httpx.Client(base_url=url) as opened:
        yield opened


def _openvc(client: httpx.Client, did: str) -> dict[str, Any]:
    from openvc.did.did_webvh import DidWebvhResolver

    def fetch(url: str) -> str:
        assert url.startswith(PUBLIC_URL)
        return client.get(url.removeprefix(PUBLIC_URL)).raise_for_status().text

    raw: dict[str, Any] = DidWebvhResolver(fetch).resolve(did).raw
    return raw


def _did_webvh(client: httpx.Client, did: str, folder: Path, *, slug: str = "alice") -> dict[str, Any]:
    from did_webvh.resolver import resolve_did

    for name in ("did.jsonl", "did-witness.json"):
        answer = client.get(f"/agents/{slug}/{name}")
        if answer.status_code == 200:
            (folder / name).write_bytes(answer.content)
    result: dict[str, Any] = asyncio.run(resolve_did(did, local_history=folder)).serialize()
    return result


def _rotated(world: World, actor: Actor, turns: int) -> None:
    for _ in range(turns):
        assert append(world, actor.did, actor.rotate()).status == 201
        world.clock.advance(2_000)


def test_a_hosted_log_resolves_elsewhere(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """Both find the log where the DID says and return the newest keys; one also our implicit services and metadata."""
    alice = world.agent("alice")
    _rotated(world, alice, 3)
    assert alice.state is not None
    ours = resolve_log(alice.did, client.get("/agents/alice/did.jsonl").content, now_ms=world.clock.now_ms() + 60_000)
    assert _openvc(client, alice.did) == alice.state.raw_document
    theirs = _did_webvh(client, alice.did, tmp_path)
    assert theirs["didDocument"] == ours.did_document
    assert theirs["didDocumentMetadata"]["versionId"] == alice.state.version_id


def test_a_witnessed_log_resolves_elsewhere(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """did-webvh counts the witnesses of the file that is served; without that file it refuses the log."""
    alice = witnessed(world, "alice", "w1", "w2")
    for name in ("w1", "w2"):
        entry = next_entry(alice)
        body = {"entry": entry, "witness": approval(entry, name, now_ms=world.clock.now_ms())}
        assert append(world, alice.did, body).status == 201
        world.clock.advance(2_000)
    assert alice.state is not None
    theirs = _did_webvh(client, alice.did, tmp_path)
    assert theirs["didDocumentMetadata"]["versionId"] == alice.state.version_id
    (tmp_path / "did-witness.json").write_bytes(b"[]")
    from did_webvh.resolver import resolve_did

    refused = asyncio.run(resolve_did(alice.did, local_history=tmp_path)).serialize()
    assert refused["didResolutionMetadata"]["error"] == "invalidDid"


def test_a_moved_log_resolves_elsewhere_by_its_new_name(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """At the new place of this host both accept the whole log (neither looks for an old name, which ours does)."""
    alice = world.agent("alice")
    _rotated(world, alice, 1)
    assert append(world, alice.did, move(alice, "registry.localhost%3A8000:agents:alicia")).status == 201
    assert alice.state is not None
    assert _openvc(client, alice.did) == alice.state.raw_document
    assert _did_webvh(client, alice.did, tmp_path, slug="alicia")["didDocument"]["id"] == alice.did


def test_a_deactivated_log_is_deactivated_elsewhere(world: World, client: httpx.Client, tmp_path: Path) -> None:
    """One says so in the metadata, the other raises."""
    from openvc.did.did_webvh import DidWebvhError

    alice = world.agent("alice")
    assert append(world, alice.did, alice.deactivate()).status == 201
    assert _did_webvh(client, alice.did, tmp_path)["didDocumentMetadata"]["deactivated"] is True
    with pytest.raises(DidWebvhError):
        _openvc(client, alice.did)


def test_the_parallel_did_web_resolves_elsewhere(world: World, client: httpx.Client) -> None:
    """Openvc's did:web resolver finds did.json where the did:web says, with the same keys."""
    from openvc.did.did_web import DidWebResolver

    alice = world.agent("alice")
    document = client.get("/agents/alice/did.json").json()

    def fetch(url: str) -> dict[str, Any]:
        found: dict[str, Any] = client.get(url.removeprefix(PUBLIC_URL)).raise_for_status().json()
        return found

    assert alice.state is not None
    theirs = DidWebResolver(fetch).resolve(document["id"])
    assert theirs.raw == document
