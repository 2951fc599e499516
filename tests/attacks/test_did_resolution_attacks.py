"""A resolver that strangers ask: to be somebody's proxy, to wait for ever, to mistake one DID for another, to be a trap."""

from __future__ import annotations

import asyncio
import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from registry import limits
from registry.api.workers import ResolutionBusyError, Workers
from tests.support.hosting import append, next_entry
from tests.support.registry import World, serve
from tests.support.resolution import FOREIGN_WEB, WEB_URL, Bench, web_document
from tests.support.resolver_http import DEREFERENCING, KEY, LEGACY, PREFIX, RESOLUTION, ask, code, keyword

MARK = "zzMARKzz"
EVIL = "https://evil.example"


@pytest.fixture
def bench(world: World) -> Bench:
    """A registry that resolves on a network of files."""
    made = Bench(world)
    world.registry.resolution = made.service
    return made


# ---------------------------------------------------------------- nobody's proxy, nobody's trap


def test_a_service_is_never_fetched(bench: Bench) -> None:
    """The resolver names the address of a service; whoever wants what is there goes there."""
    service = [{"id": "#s", "type": "x", "serviceEndpoint": "https://10.0.0.1/secret"}]
    bench.files.files[WEB_URL] = web_document(service=service)
    answer = ask(bench.world, f"{FOREIGN_WEB}?service=s", DEREFERENCING)
    assert (answer.status, answer.headers["location"]) == (303, "https://10.0.0.1/secret")
    assert bench.files.asked == [WEB_URL]


def test_a_browser_is_sent_nowhere(bench: Bench) -> None:
    """A link through this host is no way to dress up somebody else's: a page load shows the address as data."""
    service = [{"id": "#s", "type": "x", "serviceEndpoint": EVIL}]
    bench.files.files[WEB_URL] = web_document(service=service)
    seen = ask(
        bench.world, f"{FOREIGN_WEB}?service=s", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    )
    assert (seen.status, seen.headers["content-type"]) == (200, "application/json")
    assert "location" not in seen.headers
    assert seen.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "endpoint",
    [
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://", "https:///x", "//evil.example", "/x",
        "https://a.example/\r\nSet-Cookie: a=b", "https://a.example/\u2028", "https://a.example/ x", "HTTPS\t://a.example",
    ],
)  # fmt: skip
def test_an_endpoint_that_is_a_trap_is_no_location(bench: Bench, endpoint: str) -> None:
    """Scripts, files, half addresses and line breaks never reach the header that clients follow."""
    bench.files.files[WEB_URL] = web_document(service=[{"id": "#s", "type": "x", "serviceEndpoint": endpoint}])
    for accept in (DEREFERENCING, LEGACY, "text/uri-list"):
        answer = ask(bench.world, f"{FOREIGN_WEB}?service=s", accept)
        assert answer.status == 501, answer
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    "reference",
    ["%2E%2E%2Fx", "%252e%252e/x", "..%5Cx", "//evil.example", "%2F%2Fevil.example", "https:%2F%2Fevil.example",
     "%0D%0ASet-Cookie:a", "%E2%80%A8", "a%2500", "@evil.example%2F..%2F.."],
)  # fmt: skip
def test_a_reference_does_not_leave_its_service(world: World, reference: str) -> None:
    """What a stranger appends to an agent's files stays below them."""
    did = world.agent("alice").did
    answer = ask(world, did, DEREFERENCING, options=f"service=files&relativeRef={reference}")
    assert (answer.status, code(answer)) == (400, "did_relative_ref_refused"), answer


def test_paths_do_not_leave_the_files_of_an_agent(world: World) -> None:
    """The path of a did:webvh URL is such a reference too."""
    did = world.agent("alice").did
    for path in ("/../bob/did.jsonl", "/a/../../x", "/%2e%2e/x", "/%252e%252e/x", "//evil.example"):
        answer = ask(world, did + path, DEREFERENCING)
        assert answer.status == 400, (path, answer)
        assert "location" not in answer.headers


# ---------------------------------------------------------------- one DID for another


def test_a_path_cannot_be_read_as_two_dids(bench: Bench) -> None:
    """However a DID is spelled in the address, the answer is about the DID of that spelling or a refusal."""
    world = bench.world
    alice = world.agent("alice").did
    spellings = {
        alice: 200,
        # The port as a path, on another port of the host: that is another DID, and lies elsewhere.
        alice.replace("%3A", ":"): 404,
        alice.replace(":", "%3A"): 404,
        alice.replace("%3A", "%3a"): 404,
        alice.replace(":agents:", "/agents/"): 404,  # a path of the host's own DID, which nobody has
        alice.replace("%3A", "%253A"): 200,
        alice + "%23key-1": 400,
        "./" + alice: 400,
        "x/../" + alice: 400,
        alice + "/": 303,
        alice + ";x": 400,
    }
    for sent, status in spellings.items():
        answer = ask(world, sent, encoded=False)
        assert answer.status == status, (sent, answer)
        if status == 200:
            assert answer.json["didDocument"]["id"] == alice


def test_a_document_of_another_did_is_not_passed_on(bench: Bench) -> None:
    """A host answers for its own DID only."""
    bench.files.files[WEB_URL] = b'{"id": "' + KEY.encode() + b'", "verificationMethod": []}'
    answer = ask(bench.world, FOREIGN_WEB)
    assert (answer.status, keyword(answer)) == (500, "INVALID_DID_DOCUMENT")


def test_an_extension_does_not_pass_for_a_key(world: World) -> None:
    """An object with a method's id in another member of the document is not what a relationship's look-up gives."""
    alice = world.agent("alice")
    assert alice.state is not None
    raw = alice.state.raw_document
    decoy = {"id": f"{alice.did}#key-1", "type": "Multikey", "controller": alice.did, "publicKeyMultibase": "z6MkDecoy"}
    # In canonical order "aaa" stands before "verificationMethod".
    assert append(world, alice.did, next_entry(alice, raw | {"aaa": [decoy]})).status == 201
    for options in ("", "verificationRelationship=assertionMethod"):
        found = ask(world, f"{alice.did}#key-1", "application/did", options=options).json
        assert found["publicKeyMultibase"] == raw["verificationMethod"][0]["publicKeyMultibase"]


# ---------------------------------------------------------------- caches and shared results


def test_one_request_does_not_change_the_answer_to_the_next(world: World) -> None:
    """Results are shared in memory: expanding, formatting and selecting leave them as they were."""
    did = world.agent("alice").did
    before = ask(world, did, RESOLUTION).body
    shared = world.registry.resolution.resolve_hosted(did, Bench(world).options())
    kept = copy.deepcopy(shared)
    for identifier, accept, options in (
        (did, "application/did+ld+json", "expandRelativeUrls=true"),
        (did, LEGACY, ""),
        (f"{did}?service=files", "application/did", ""),
        (f"{did}#files", DEREFERENCING, ""),
    ):
        assert ask(world, identifier, accept, options=options).status == 200
    assert shared == kept
    assert ask(world, did, RESOLUTION).body == before


def test_a_cache_is_not_poisoned_across_forms(world: World) -> None:
    """A shared cache is told that `Accept` decides; an entity tag of one form does not answer for another."""
    did = world.agent("alice").did
    first, other = ask(world, did, "application/did"), ask(world, did, "application/json")
    assert first.body == other.body
    assert first.headers["vary"] == other.headers["vary"] == "Accept"
    assert first.headers["etag"] != other.headers["etag"]
    assert ask(world, did, "application/json", headers={"if-none-match": first.headers["etag"]}).status == 200
    assert ask(world, "did:example").headers["cache-control"] == "no-store"


def test_nothing_of_a_refused_request_comes_back(world: World) -> None:
    """Refusals tell codes, not what was sent: there is nothing to inject."""
    for identifier, options, accept in (
        (f"did:{MARK}", "", None),
        (f"did:web:{MARK}_", "", None),
        (f"{KEY}#{MARK}", "", None),
        (f"{KEY}?{MARK}={MARK}", "", LEGACY),
        (KEY, f"versionId={MARK}", None),
        (KEY, f"publicKeyFormat={MARK}", LEGACY),
        (KEY, f"{MARK}={MARK}", None),
        (KEY, "", f"{MARK}/{MARK}"),
        (f"{KEY}/<script>{MARK}</script>", "", "text/html"),
    ):
        answer = ask(world, identifier, accept, options=options)
        assert answer.status in (400, 404, 406, 501), answer
        assert MARK not in answer.body.decode()
        assert MARK not in str(answer.headers)
    sent = world.web.post(PREFIX + KEY, {MARK: MARK})
    assert (sent.status, MARK.encode() in sent.body) == (501, False)


# ---------------------------------------------------------------- floods


@pytest.mark.parametrize(
    "accept",
    ["," * 60_000, "a/b;" * 15_000, 'a/b;x="' + "\\" * 60_000, "*/*;q=" + "0" * 60_000, "application/did," * 4_000,
     'a/b;x="' * 9_000, " " * 60_000],
)  # fmt: skip
def test_an_endless_accept_is_read_to_an_end(world: World, accept: str) -> None:
    """Only so much of a header is looked at; what does not parse says nothing."""
    assert ask(world, KEY, accept).status in (200, 406)


def test_endless_identifiers_and_options_are_refused(world: World) -> None:
    """Before any of it is parsed."""
    for identifier, options in (
        ("did:web:" + "a" * 60_000, ""),
        (KEY + "/" + "a" * 60_000, ""),
        (KEY, "&" * 60_000),
        (KEY, "a=1&" * 15_000),
        (KEY, "versionId=" + "a" * 60_000),
    ):
        assert ask(world, identifier, options=options).status == 400


def test_slow_hosts_hold_only_the_share_of_who_asks_for_them(bench: Bench) -> None:
    """One source fills its share and is told so; another is served, and so is everything that memory knows."""
    world, go, begun = bench.world, threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        begun.release()
        assert go.wait(20)

    bench.files.before = wait
    alice = world.agent("alice")
    world.app.state.api.guard.source = lambda request: request.headers.get("x-source", "a")
    most = limits.RESOLUTION_REQUESTS_PER_SOURCE
    with serve(world.app) as url, ThreadPoolExecutor(most) as pool:

        def get(did: str, source: str) -> httpx.Response:
            return httpx.get(f"{url}{PREFIX}{did}", headers={"x-source": source}, timeout=30, trust_env=False)

        waiting = [pool.submit(get, f"did:web:h{number}.example", "a") for number in range(most)]
        for _ in range(most):
            assert begun.acquire(timeout=10)
        refused = get("did:web:one-more.example", "a")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["didResolutionMetadata"]["error"]["code"] == "did_resolution_busy"
        assert get(alice.did, "a").status_code == 200
        assert get(f"{alice.did}?versionNumber=1", "a").status_code == 200
        other = threading.Thread(target=get, args=("did:web:other.example", "b"))
        other.start()
        assert begun.acquire(timeout=10)  # the other source's request is worked on
        go.set()
        other.join(20)
        assert {one.result().status_code for one in waiting} == {404}
        assert get("did:web:again.example", "a").status_code == 404


def test_places_are_given_back_whatever_happens() -> None:
    """Work that fails and callers that go away leave no place taken."""
    workers, go = Workers("test", threads=1, waiting=1, per_source=2), threading.Event()

    def fail() -> None:
        raise ValueError

    async def play() -> list[Any]:
        for _ in range(5):
            with pytest.raises(ValueError):
                await workers.run("a", fail)
        running = asyncio.ensure_future(workers.run("a", lambda: go.wait(20)))
        queued = asyncio.ensure_future(workers.run("b", lambda: True))
        await asyncio.sleep(0)
        for source in ("a", "b", "c", None):
            with pytest.raises(ResolutionBusyError):
                await workers.run(source, lambda: True)
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        again = asyncio.ensure_future(workers.run("b", lambda: "later"))
        await asyncio.sleep(0)
        go.set()
        return [await running, await again, await workers.run(None, lambda: "free")]

    assert asyncio.run(play()) == [True, "later", "free"]
