"""DID Resolution over HTTP for DIDs that have versions, services and places: hosted here, and lying elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.foreign import ForeignUnavailableError
from did_methods.timestamp import format_timestamp
from registry.adapters.fetch_errors import FetchRateError, FetchTimeoutError
from registry.api.workers import Workers
from tests.support.actor import Actor
from tests.support.hosting import append, move, next_entry
from tests.support.registry import World
from tests.support.resolution import FOREIGN_WEB, PKH, WEB_URL, Bench, publish_elsewhere, web_document
from tests.support.resolver_http import DEREFERENCING, LEGACY, RESOLUTION, ask, code, keyword

PLACE = "https://registry.localhost:8000/agents/alice"


@pytest.fixture
def bench(world: World) -> Bench:
    """A registry that resolves on a network of files."""
    made = Bench(world)
    world.registry.resolution = made.service
    return made


def _rotated(world: World, times: int = 2) -> Actor:
    alice = world.agent("alice")
    for _ in range(times):
        world.clock.advance(60_000)
        assert append(world, alice.did, alice.rotate()).status == 201
    return alice


def _result(world: World, did: str, options: str = "") -> dict[str, Any]:
    answer = ask(world, did, RESOLUTION, options=options)
    assert answer.status == 200, answer
    result: dict[str, Any] = answer.json
    return result


# ---------------------------------------------------------------- versions


def test_the_newest_version_and_its_metadata(world: World) -> None:
    """A hosted DID is answered from the log, with the metadata of its method and for as long as its `ttl` says."""
    alice = _rotated(world)
    assert alice.state is not None
    answer = ask(world, alice.did, RESOLUTION)
    metadata = answer.json["didDocumentMetadata"]
    assert (metadata["versionId"], metadata["versionNumber"]) == (
        alice.state.version_id,
        "3",
    )  # a metadata structure has no numbers
    assert metadata["deactivated"] is False
    assert answer.headers["cache-control"] == f"public, max-age={metadata['ttl']}"
    older = ask(world, alice.did, LEGACY).json["didDocumentMetadata"]
    assert older == metadata
    part = ask(world, alice.did, "application/did-url-dereferencing").json["contentMetadata"]
    assert part == metadata


def test_a_change_is_seen_at_once(world: World) -> None:
    """The entity tag that was held is of no use after a rotation; nothing old is kept by this process."""
    alice = world.agent("alice")
    before = ask(world, alice.did, RESOLUTION)
    assert append(world, alice.did, alice.rotate()).status == 201
    after = ask(world, alice.did, RESOLUTION, headers={"if-none-match": before.headers["etag"]})
    assert after.status == 200
    assert after.json["didDocumentMetadata"]["versionNumber"] == "2"


def test_earlier_versions(world: World) -> None:
    """By number, by id and by time: the version's own document, and a cache asks again."""
    alice = _rotated(world)
    entries = alice.entries
    between = format_timestamp(world.clock.now_ms() - 30_000)
    for options, number in (
        ("versionNumber=1", 1),
        (f"versionId={entries[1]['versionId']}", 2),
        (f"versionTime={between}", 2),
        (f"versionTime={format_timestamp(world.clock.now_ms() + 1_000)}", 3),
        (f"versionId={entries[0]['versionId']}&versionNumber=1", 1),
    ):
        result = _result(world, alice.did, options)
        assert result["didDocumentMetadata"]["versionId"] == entries[number - 1]["versionId"]
        keys = [one["publicKeyMultibase"] for one in entries[number - 1]["state"]["verificationMethod"]]
        assert [one["publicKeyMultibase"] for one in result["didDocument"]["verificationMethod"]] == keys
        assert _result(world, f"{alice.did}?{options}") == result
        assert ask(world, alice.did, options=options).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "options",
    ["versionNumber=4", "versionId=1-QmNone", "versionTime=2020-01-01T00:00:00Z", "versionId={0}&versionNumber=2"],
)
def test_versions_that_there_are_not(world: World, options: str) -> None:
    """A version that does not exist, or two demands that name different ones, are not found."""
    alice = _rotated(world, 1)
    answer = ask(world, alice.did, options=options.format(alice.entries[0]["versionId"]))
    assert (answer.status, keyword(answer)) == (404, "NOT_FOUND")


def test_names_that_nobody_has_here(world: World) -> None:
    """The registry knows all of its own DIDs: an unknown one is not found, and nothing is fetched."""
    alice = world.agent("alice")
    for did in (alice.did.replace("alice", "nobody"), "did:web:registry.localhost%3A8000:agents:nobody"):
        answer = ask(world, did)
        assert (answer.status, keyword(answer)) == (404, "NOT_FOUND")


def test_a_deactivated_did_is_gone(world: World) -> None:
    """410 with a result without a document; its earlier versions say so too, and still have theirs."""
    alice = _rotated(world, 1)
    assert append(world, alice.did, alice.deactivate()).status == 201
    for accept in (RESOLUTION, LEGACY, "application/did"):
        answer = ask(world, alice.did, accept)
        assert answer.status == 410
        assert answer.json["didDocument"] is None
        assert answer.json["didDocumentMetadata"]["deactivated"] is True
        assert "error" not in answer.json["didResolutionMetadata"]
    part = ask(world, f"{alice.did}#key-1", DEREFERENCING)
    assert (part.status, part.json["contentStream"]) == (410, None)
    assert part.json["contentMetadata"]["deactivated"] is True
    earlier = ask(world, alice.did, RESOLUTION, options="versionNumber=1")
    assert (earlier.status, earlier.json["didDocument"]["id"]) == (410, alice.did)
    assert ask(world, f"{alice.did}#key-1", options="versionNumber=1").status == 410


def test_a_did_that_moved_has_both_names(world: World) -> None:
    """The earlier name resolves to the document of the later one, and finds its parts."""
    alice = world.agent("alice")
    old = alice.did
    assert append(world, old, move(alice, "registry.localhost%3A8000:agents:alice-2")).status == 201
    for did in (old, alice.did):
        assert _result(world, did)["didDocument"]["id"] == alice.did
        part = ask(world, f"{did}#key-1", "application/did")
        assert (part.status, part.json["id"]) == (200, f"{alice.did}#key-1")


# ---------------------------------------------------------------- services and parts


@pytest.mark.parametrize(
    ("url", "options", "location"),
    [
        ("?service=files", "", f"{PLACE}/"),
        ("?service=%23files", "", f"{PLACE}/"),
        ("?service={did}%23files", "", f"{PLACE}/"),
        ("?service=files&relativeRef=/a/b.pdf", "", f"{PLACE}/a/b.pdf"),
        ("?service=files&relativeRef=a%2Fb%3Fx%3D1", "", f"{PLACE}/a/b?x=1"),
        ("?service=files&relativeRef=%252Fx", "", None),
        ("", "service=files&relativeRef=/a", f"{PLACE}/a"),
        ("?serviceType=relativeRef", "", f"{PLACE}/"),
        ("?service=whois", "", f"{PLACE}/whois.vp"),
        ("/whois", "", f"{PLACE}/whois.vp"),
        ("/logo.png", "", f"{PLACE}/logo.png"),
        ("/a/b?versionNumber=1", "", f"{PLACE}/a/b"),
        ("/a/b#part", "", f"{PLACE}/a/b#part"),
    ],
)
def test_a_service_is_an_address_to_go_to(world: World, url: str, options: str, location: str | None) -> None:
    """303 with the service's address and no body; paths of a did:webvh are below its implicit services."""
    alice = world.agent("alice")
    answer = ask(world, alice.did + url.format(did=alice.did.replace("%", "%25")), DEREFERENCING, options=options)
    if location is None:
        assert (answer.status, code(answer)) == (400, "did_relative_ref_refused")
        return
    assert (answer.status, answer.headers["location"], answer.body) == (303, location, b"")
    assert "content-type" not in answer.headers


def test_a_service_in_other_forms(world: World) -> None:
    """A person at a browser sees addresses and goes nowhere; a client that takes documents gets the service."""
    did = world.agent("alice").did
    seen = ask(world, f"{did}?service=files", "text/html,*/*;q=0.8")
    assert (seen.status, seen.headers["content-type"]) == (200, "application/json")
    assert seen.json["contentStream"] == [f"{PLACE}/"]
    assert seen.json["dereferencingMetadata"]["contentType"] == "text/uri-list"
    assert ask(world, f"{did}?service=files", "text/uri-list").status == 303
    document = ask(world, f"{did}?service=files", "application/did").json
    assert [one["id"] for one in document["service"]] == [f"{did}#files"]
    assert document["id"] == did
    missing = ask(world, f"{did}?service=none", "text/uri-list")
    assert (missing.status, missing.headers["content-type"]) == (404, DEREFERENCING)


def test_implicit_services_are_parts(world: World) -> None:
    """`#files` and `#whois` are in every document of a did:webvh, and can be named."""
    did = world.agent("alice").did
    files, whois = (ask(world, f"{did}#{name}", "application/did").json for name in ("files", "whois"))
    assert (files["id"], files["type"], files["serviceEndpoint"]) == (f"{did}#files", "relativeRef", f"{PLACE}/")
    assert (whois["type"], whois["serviceEndpoint"]) == ("LinkedVerifiablePresentation", f"{PLACE}/whois.vp")


def test_the_own_service_stands_before_the_implicit_one(world: World) -> None:
    """An agent that names its own `#files` sends its readers there; other schemes lead nobody anywhere."""
    alice = world.agent("alice")
    assert alice.state is not None
    own = [
        {"id": "#files", "type": "relativeRef", "serviceEndpoint": "https://files.example.com/alice"},
        {"id": "#script", "type": "x", "serviceEndpoint": "javascript:alert(1)"},
        {"id": "#none", "type": "x", "serviceEndpoint": {"uri": "https://x.example"}},
    ]
    assert append(world, alice.did, next_entry(alice, alice.state.raw_document | {"service": own})).status == 201
    answer = ask(world, f"{alice.did}/a", DEREFERENCING)
    assert (answer.status, answer.headers["location"]) == (303, "https://files.example.com/alice/a")
    script = ask(world, f"{alice.did}?service=script", DEREFERENCING)
    assert (script.status, code(script)) == (501, "did_service_endpoint_refused")
    assert ask(world, f"{alice.did}?service=none", DEREFERENCING).status == 404
    expanded = ask(world, alice.did, "application/did", options="expandRelativeUrls=true").json
    assert expanded["service"][0]["id"] == f"{alice.did}#files"


def test_the_parallel_did_web(world: World) -> None:
    """A hosted agent's did:web is answered from memory too; it has no versions."""
    alice = world.agent("alice")
    did = "did:web:registry.localhost%3A8000:agents:alice"
    answer = ask(world, did, RESOLUTION)
    assert (answer.status, answer.json["didDocument"]["id"]) == (200, did)
    assert alice.did in answer.json["didDocument"]["alsoKnownAs"]
    assert ask(world, did, options="versionNumber=1").status == 404


# ---------------------------------------------------------------- elsewhere


def test_dids_elsewhere_are_fetched(bench: Bench) -> None:
    """A did:web, a did:webvh and a foreign DID are resolved in a thread, and a cache asks again."""
    bench.files.files[WEB_URL] = web_document()
    writer, _url = publish_elsewhere(bench)
    for did in (FOREIGN_WEB, writer.did, PKH):
        answer = ask(bench.world, did, RESOLUTION)
        assert (answer.status, answer.json["didDocument"]["id"]) == (200, did)
        assert answer.headers["cache-control"] == "no-cache"
        held = ask(bench.world, did, RESOLUTION, headers={"if-none-match": answer.headers["etag"]})
        assert held.status == 304
    earlier = ask(bench.world, f"{writer.did}?versionNumber=1", RESOLUTION)
    assert earlier.json["didDocumentMetadata"]["versionNumber"] == "1"


@pytest.mark.parametrize(
    ("file", "status", "expected"),
    [
        (None, 404, "NOT_FOUND"),
        (b"{", 500, "INVALID_DID_DOCUMENT"),
        (b'{"id": "did:web:else.example.com"}', 500, "INVALID_DID_DOCUMENT"),
        (FetchTimeoutError(), 500, "INTERNAL_ERROR"),
        (FetchRateError(), 503, "INTERNAL_ERROR"),
    ],
)
def test_what_goes_wrong_elsewhere(bench: Bench, file: Any, status: int, expected: str) -> None:
    """A host's failure is the statuses of the table; our own limits say that the client may come again."""
    bench.files.files[WEB_URL] = file
    answer = ask(bench.world, FOREIGN_WEB)
    assert (answer.status, keyword(answer)) == (status, expected)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)


def test_a_foreign_resolver_that_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child that resolves foreign DIDs says nothing about a DID by being down."""

    def away(_did: str) -> None:
        raise ForeignUnavailableError

    monkeypatch.setattr(bench.foreign, "resolve", away)
    answer = ask(bench.world, PKH)
    assert (answer.status, code(answer), answer.headers["retry-after"]) == (503, "did_foreign_unavailable", "1")


def test_a_full_house_is_503(bench: Bench) -> None:
    """With no place left a DID elsewhere is told to wait, and whatever memory answers is answered."""
    alice = bench.world.agent("alice")
    bench.world.app.state.api.resolution_workers = Workers("full", threads=1, waiting=-1, per_source=1)
    answer = ask(bench.world, FOREIGN_WEB, RESOLUTION)
    assert (answer.status, keyword(answer)) == (503, "INTERNAL_ERROR")
    assert (code(answer), answer.headers["retry-after"]) == ("did_resolution_busy", "1")
    assert bench.files.asked == []
    assert ask(bench.world, alice.did).status == 200
    assert ask(bench.world, alice.did, options="versionNumber=1").status == 200
    assert ask(bench.world, "did:unsupported:x").status == 501


def test_nothing_is_fetched_for_what_is_refused(bench: Bench) -> None:
    """Syntax, options and forms are looked at before any host is asked."""
    for identifier, options, accept in (
        (f"{FOREIGN_WEB}?unknown=1", "", None),
        (FOREIGN_WEB, "versionTime=x", None),
        (FOREIGN_WEB, "publicKeyFormat=unknown", None),
        (FOREIGN_WEB, "", "text/turtle"),
        (f"{FOREIGN_WEB}?versionId=1&versionId=2", "", None),
        ("did:web:127.0.0.1", "", None),
        ("did:web:host.example.com:..", "", None),
    ):
        assert ask(bench.world, identifier, accept, options=options).status in (400, 406, 501), identifier
    assert bench.files.asked == []
