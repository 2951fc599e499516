"""What holds at every address: problems, methods, request ids, caching, and nothing of the input in any answer."""

from __future__ import annotations

import inspect
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from registry.api import app
from registry.api.app import BUSY_DOORS
from tests.support.actor import Actor
from tests.support.registry import GATEWAY, NDJSON, OPERATOR, World, serve

MARK = "zzMARKzz"  # sent in every wrong place; must never come back

READS = {
    "/healthz": "application/json",
    "/readyz": "application/json",
    "/metrics": "text/plain; charset=utf-8",
    "/openapi.json": "application/json",
    "/checkpoint": "text/plain; charset=utf-8",
    "/log.json": "application/json",
    "/tile/0/000.p/5": "application/octet-stream",
    "/tile/entries/000.p/5": "application/octet-stream",
    "/v1/entries/0": "application/json",
    "/v1/log/proof/inclusion?index=0": "application/json",
    "/v1/log/proof/consistency?from=3": "application/json",
    "/v1/log/proof/inclusion?index=0&format=tlog-proof": "text/plain; charset=utf-8",
    "/v1/evidence": "application/json",
    "/v1/agents": "application/json",
    "/1.0/identifiers/{did}": "application/did-resolution",
    "/1.0/methods": "application/json",
    "/1.0/properties": "application/json",
    "/issuers": "application/json",
    "/v1/roots": "application/json",
    "/v1/standings": "application/json",
    "/v1/agents/{did}": "application/json",
    "/v1/agents/{did}/state": "application/json",
    "/v1/agents/{did}/state?format=proof": "application/json",
    "/v1/agents/{did}/age-proof": "application/json",
    "/v1/agents/{did}/continuity": "application/json",
    "/v1/agents/{did}/standing": "application/json",
    "/v1/agents/{did}/vouches": "application/json",
    "/v1/agents/{did}/events": "application/json",
    "/v1/agents/{did}/evidence": "application/json",
    "/v1/agents/{did}/standing?format=credential": "application/vc",
    "/contexts/bonafides/v1": "application/ld+json",
    "/v1/events/{event}": "application/json",
    "/v1/events/{event}/state": "application/json",
    "/state/checkpoint": "text/plain; charset=utf-8",
    "/.well-known/did.jsonl": "text/jsonl; charset=utf-8",
    "/.well-known/did.json": "application/did+json",
    "/.well-known/authzen-configuration": "application/json",
    "/agents/alice/did.jsonl": "text/jsonl; charset=utf-8",
    "/agents/alice/did.json": "application/did+json",
}
PUBLIC_LOG = (
    "/checkpoint",
    "/state/checkpoint",
    "/log.json",
    "/tile/0/000.p/5",
    "/tile/entries/000.p/5",
    "/v1/entries/0",
    "/v1/log/proof/inclusion?index=0",
    "/v1/log/proof/consistency?from=3",
    "/v1/evidence",
    "/.well-known/did.jsonl",
    "/.well-known/did.json",
    "/agents/alice/did.jsonl",
    "/agents/alice/did.json",
    "/contexts/bonafides/v1",
)


def _target(world: World, template: str) -> str:
    event = world.web.get(f"/v1/agents/{world.actors['alice'].did}/events").json["events"][0]["event"]
    return template.replace("{did}", world.actors["alice"].did).replace("{event}", event)


@pytest.mark.parametrize("template", READS)
def test_every_read_answers(reading: World, template: str) -> None:
    """Each readable address answers 200 with its content type and says how long the answer keeps."""
    answer = reading.web.get(_target(reading, template), headers={"x-request-id": "id-1"})
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == READS[template]
    assert answer.headers["x-request-id"] == "id-1"
    if template != "/openapi.json":
        assert answer.headers["cache-control"]


@pytest.mark.parametrize("template", READS)
def test_head_is_get_without_a_body(reading: World, template: str) -> None:
    """Load balancers and caches ask with HEAD; the status and headers are those of GET."""
    target = _target(reading, template)
    got, head = reading.web.get(target), reading.web.send("HEAD", target)
    assert head.status == got.status == 200
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("target", PUBLIC_LOG)
def test_the_public_log_may_be_read_by_any_page(reading: World, target: str) -> None:
    """What is public is readable from a browser, without credentials."""
    assert reading.web.get(target).headers["access-control-allow-origin"] == "*"


def test_private_answers_are_not_shared(reading: World) -> None:
    """Nothing that needs a key, or that a page could use against its user, is open to other origins."""
    for target in ("/healthz", "/metrics", "/v1/agents", f"/v1/agents/{reading.actors['alice'].did}"):
        assert "access-control-allow-origin" not in reading.web.get(target).headers


def _routes(world: World) -> list[APIRoute]:
    # The framework keeps an included router as it is, so the routes are looked for inside.
    found, pending = [], list(world.app.routes)
    while pending:
        route = pending.pop(0)
        if isinstance(route, APIRoute):
            found.append(route)
        elif hasattr(route, "original_router"):
            pending.extend(route.original_router.routes)
    assert len(found) > 30
    return found


def test_busy_doors_are_routes_like_all_others(reading: World) -> None:
    """What is called past the framework is declared there, as the same function that takes nothing but the request."""
    declared = {(method, route.path): route for route in _routes(reading) for method in route.methods or ()}
    for door, endpoint in BUSY_DOORS.items():
        route = declared[door]
        assert route.endpoint is endpoint
        assert list(inspect.signature(endpoint).parameters) == ["request"]
        assert not route.dependant.dependencies


@pytest.mark.parametrize("door", BUSY_DOORS)
def test_busy_doors_answer_as_routes_do(reading: World, door: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Refusals, defects and wrong methods come out of them as problems, whether or not the framework was passed by."""
    body, headers = b"{", {"x-request-id": "id-1", "content-type": "application/json", **OPERATOR, **GATEWAY}

    def ask(method: str = door[0], target: str = door[1]) -> tuple[int, dict[str, str], bytes]:
        answer = reading.web.send(method, target, body=body, headers=headers)
        return answer.status, dict(answer.headers), answer.body

    straight, wrong = ask(), [ask("PUT"), ask("POST", door[1] + "/")]
    monkeypatch.setattr(app, "BUSY_DOORS", {})
    assert ask() == straight
    assert [ask("PUT"), ask("POST", door[1] + "/")] == wrong
    assert straight[0] == 400
    assert straight[1]["x-request-id"] == "id-1"


def test_a_defect_behind_a_busy_door_is_told_by_a_code(reading: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a real socket: 500 with a code and nothing else, and the server goes on."""

    async def defective(_request: object) -> None:
        raise ZeroDivisionError

    door = next(iter(BUSY_DOORS))
    monkeypatch.setattr(app, "BUSY_DOORS", {door: defective})
    with serve(reading.app) as base:
        for _ in range(2):  # the server closes the connection of the first
            headers = {"host": "localhost", "x-request-id": "id-3"}
            answer = httpx.request(door[0], base + door[1], content=b"{}", headers=headers, trust_env=False)
            assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
            assert answer.headers.get_list("x-request-id") == ["id-3"]


def _example(route: APIRoute) -> str:
    return route.path.replace("{path:path}", "0/000.p/5").replace("{", "").replace("}", "")


# Answered in modules of their own: with a key only, or 404 where there are no witnesses, nothing was witnessed, no list was made.
ELSEWHERE = (
    "/state/tile/",
    "/state/b/",
    "/status-lists/",
    "/v1/decisions/",
    "/v1/gateways",
    "/did-witness.json",
    "/policy",
    "/{origin_hash}/checkpoint",
    "/v1/evidence/",
    "/openings",
    "/v1/witness/logs",
    "/v1/log/stream",
)


def test_no_route_is_left_out_here(reading: World) -> None:
    """The tables of this module know every address of the application."""
    known = {template.partition("?")[0] for template in READS}
    for route in _routes(reading):
        if route.methods == {"GET"} and not any(part in route.path for part in ELSEWHERE):
            plain = route.path.replace("{path:path}", "0/000.p/5").replace("{index}", "0").replace("{slug}", "alice")
            plain = plain.replace("{event_id}", "{event}").replace("{identifier:path}", "{did}")
            assert plain in known, route.path


def test_a_wrong_method_is_a_problem(reading: World) -> None:
    """Any other method is answered 405 with the methods that there are, as a problem."""
    routes = _routes(reading)
    for target in sorted({_example(route) for route in routes}):
        allowed = {method for route in routes if route.path_regex.match(target) for method in route.methods}
        for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - allowed):
            answer = reading.web.send(method, target, headers={"x-request-id": "id-2"})
            assert (answer.status, answer.code) == (405, "method_not_allowed"), (method, target, answer)
            assert answer.headers["allow"]
            assert answer.headers["x-request-id"] == "id-2"


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v1",
        "/v1/agents/",
        "/v1/nothing",
        "/tile",
        "/agents/alice",
        "/.well-known/did",
        "/docs",
        "/redoc",
        "//healthz",
    ],
)
def test_an_unknown_address_is_a_problem(reading: World, target: str) -> None:
    """Nothing at an address is a problem too, and no address redirects elsewhere."""
    answer = reading.web.get(target, headers={"host": "registry.localhost:8000"})
    assert (answer.status, answer.code) == (404, "route_not_found")


@pytest.mark.parametrize("sent", ["", "a b", "x" * 201, "caf\u00e9", "a\x01b"])
def test_an_odd_request_id_is_not_repeated(reading: World, sent: str) -> None:
    """Only an id of printable ASCII comes back, so that nobody writes into our answers' headers."""
    assert "x-request-id" not in reading.web.get("/healthz", headers={"x-request-id": sent}).headers


def _wrong_requests(alice: Actor) -> list[tuple[str, str, Any, dict[str, str]]]:
    signed = alice.vouch("did:key:" + "z6Mk" + MARK)  # not a DID that anybody has
    body = {MARK: MARK}
    return [
        ("POST", "/v1/agents", body, {}),
        ("POST", "/v1/events", body, {}),
        ("POST", "/v1/events", signed, {}),
        ("POST", "/v1/events", {"event": body, "openings": [MARK]}, {}),
        ("POST", "/v1/epochs", {"time": MARK}, OPERATOR),
        ("POST", "/v1/epochs", body, OPERATOR),
        ("POST", "/v1/quarantines", {"did": MARK, "reason": MARK}, OPERATOR),
        ("POST", "/v1/releases", body, OPERATOR),
        ("POST", "/v1/erasures", {"did": MARK}, OPERATOR),
        ("POST", "/v1/erasures", {"request": body}, {}),
        ("POST", "/v1/gateways", body, OPERATOR),
        ("POST", "/v1/gateways", {"name": MARK}, OPERATOR),
        ("POST", "/v1/gateways", {"name": "x", "role": MARK}, OPERATOR),
        ("POST", "/v1/gateways", {"name": "operator"}, OPERATOR),
        ("DELETE", f"/v1/gateways/{MARK}", None, OPERATOR),
        ("POST", "/credentials/issue", body, OPERATOR),
        ("POST", f"/issuers/{MARK}/credentials/issue", {"credential": {"issuer": MARK}}, OPERATOR),
        ("POST", "/credentials/verify", body, {}),
        ("POST", "/credentials/verify", {"verifiableCredential": {}, "options": {"challenge": [MARK]}}, {}),
        ("POST", "/presentations/verify", body, {}),
        ("GET", f"/v1/standings?by={MARK}", None, {}),
        ("GET", f"/v1/standings?top={MARK}", None, {}),
        ("GET", f"/v1/standings?at={MARK}", None, {}),
        ("GET", f"/v1/standings?context={MARK}", None, {}),
        ("GET", f"/v1/agents/{alice.did}/standing?at={MARK}", None, {}),
        ("GET", f"/v1/agents/{alice.did}/standing?at=1970-01-01T00:00:00Z", None, {}),
        ("POST", f"/v1/agents/{alice.did}/did-log", {"state": {"id": MARK}}, {}),
        ("POST", f"/v1/agents/{alice.did}/did-log", {"state": {"id": alice.did}, MARK: MARK}, {}),
        ("POST", f"/v1/agents/did:key:{MARK}/did-log", {"state": {"id": f"did:key:{MARK}"}}, {}),
        ("GET", f"/v1/agents/{MARK}", None, {}),
        ("GET", f"/v1/agents/did:web:{MARK}", None, {}),
        ("GET", f"/v1/agents/did:web:{MARK}/events", None, {}),
        ("GET", f"/v1/agents/did:web:{MARK}/vouches", None, {}),
        ("GET", f"/v1/agents/did:web:{MARK}/standing", None, {}),
        ("GET", f"/v1/agents/{alice.did}/standing?context={MARK}", None, {}),
        ("GET", f"/v1/agents/{alice.did}/events?limit={MARK}", None, {}),
        ("GET", f"/v1/agents/{alice.did}/events?before=-1", None, {}),
        ("GET", f"/v1/agents?limit={MARK}", None, {}),
        ("GET", f"/v1/events/{MARK}", None, {}),
        ("GET", f"/v1/events/!{MARK}", None, {}),
        ("GET", f"/v1/entries/{MARK}", None, {}),
        ("GET", "/v1/entries/99999999999999999999999", None, {}),
        ("GET", "/v1/entries/-1", None, {}),
        ("GET", "/v1/entries/9007199254740992", None, {}),
        ("GET", f"/v1/log/proof/inclusion?index={MARK}", None, {}),
        ("GET", f"/v1/log/proof/inclusion?event={MARK}", None, {}),
        ("GET", "/v1/log/proof/inclusion", None, {}),
        ("GET", "/v1/log/proof/inclusion?index=0&size=999", None, {}),
        ("GET", "/v1/log/proof/consistency?from=0", None, {}),
        ("GET", "/v1/log/proof/consistency?from=5&to=4", None, {}),
        ("GET", f"/tile/{MARK}", None, {}),
        ("GET", "/tile/0/999", None, {}),
        ("GET", f"/agents/{MARK}/did.jsonl", None, {}),
        ("GET", f"/agents/{MARK}/did.json", None, {}),
        ("GET", f"/v1/decisions/{MARK}", None, GATEWAY),
        ("GET", f"/v1/decisions/{MARK * 20}", None, GATEWAY),
    ]


def test_wrong_input_is_a_counted_problem_that_repeats_nothing(reading: World) -> None:
    """At every address wrong input gives a 4xx problem with a code, is counted, changes nothing and is not echoed."""
    before = reading.fingerprint()
    for method, target, body, headers in _wrong_requests(reading.actors["alice"]):
        sent = {"body": body, "headers": headers} if method == "POST" else {"headers": headers}
        answer = reading.web.post(target, **sent) if method == "POST" else reading.web.send(method, target, **sent)
        assert answer.status in (400, 403, 404, 409), (method, target, answer)
        code = answer.code
        assert MARK.encode() not in answer.body, (method, target, answer)
        assert answer.headers["cache-control"] == "no-store"
        assert reading.refusals(code) > 0, code
    assert reading.fingerprint() == before


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/v1/agents", {}, 415),
        ("/v1/events", {}, 415),
        ("/v1/events:batch", {}, 415),
        ("/v1/epochs", OPERATOR, 415),
        ("/v1/quarantines", OPERATOR, 415),
        ("/v1/releases", OPERATOR, 415),
        ("/v1/gateways", OPERATOR, 415),
        ("/credentials/issue", OPERATOR, 415),
        ("/issuers/status/credentials/issue", OPERATOR, 415),
        ("/credentials/verify", {}, 415),
        ("/presentations/verify", {}, 415),
        ("/v1/agents/{did}/did-log", {}, 415),
    ],
)
@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_a_wrong_content_type_is_refused(
    reading: World, target: str, headers: dict[str, str], status: int, media_type: str
) -> None:
    """A page's form cannot write here: every writing door asks for its own content type."""
    answer = reading.web.post(_target(reading, target), b"{}", headers={**headers, "content-type": media_type})
    assert (answer.status, answer.code) == (status, "media_type_unsupported")


def test_a_batch_answers_for_each_line(world: World) -> None:
    """Each line of a batch is accepted or refused for itself, in order, with a problem where refused."""
    alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
    good, other = alice.vouch(bob.did), bob.vouch(alice.did)
    broken = other | {"validFrom": "2026-11-20T08:59:00Z"}
    lines = [good, broken, other, good]
    answer = world.batch(lines)
    assert answer.status == 200
    first, wrong, second, again = answer.json["results"]
    assert first == {"index": world.size - 2, "repeated": False}
    assert wrong["problem"]["code"] == "proof_invalid"
    assert second == {"index": world.size - 1, "repeated": False}
    assert again == {"index": world.size - 2, "repeated": True}
    taken = answer.json["acceptance"]["credentialSubject"]["accepted"]
    assert {one["index"] for one in taken} == {world.size - 2, world.size - 1}
    assert world.refusals("proof_invalid") == 1


def test_a_batch_of_broken_lines_changes_nothing(reading: World) -> None:
    """Lines that are not JSON are refused one by one; a batch without any line is fine."""
    before = reading.fingerprint()
    answer = reading.web.post("/v1/events:batch", b'{"a":1,"a":2}\n[]\n\n{', headers=NDJSON)
    assert [one["problem"]["code"] for one in answer.json["results"]] == [
        "json_duplicate_key",
        "json_not_object",
        "json_syntax",
    ]
    assert answer.json["acceptance"] is None
    assert reading.web.post("/v1/events:batch", b"", headers=NDJSON).json["results"] == []
    assert reading.fingerprint() == before


def test_health_and_readiness(world: World) -> None:
    """Both say yes while the log takes entries, and readiness says no once the writer has stopped."""
    assert world.web.get("/healthz").json == {"status": "ok"}
    assert world.web.get("/readyz").json == {"status": "ready", "treeSize": world.size}
    world.registry.sequencer.stop()
    answer = world.web.get("/readyz")
    assert (answer.status, answer.code, answer.headers["retry-after"]) == (503, "log_not_writable", "1")
    assert world.web.get("/healthz").status == 200


def test_metrics_are_prometheus_text(reading: World) -> None:
    """Every line is a type or a sample, and each family is typed once."""
    lines = reading.web.get("/metrics").body.decode().splitlines()
    types = [line for line in lines if line.startswith("# TYPE ")]
    assert len({line.split()[2] for line in types}) == len(types)
    names = {line.split()[2] for line in types}
    for line in lines:
        assert line.startswith("# ") or line.partition("{")[0].partition(" ")[0] in names, line
