"""Attacks on the doors: keys, --dev, hostile paths, and raw bytes on a real socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from registry.api import wire
from registry.config import SettingError, load_settings
from tests.support.registry import GATEWAY, OPERATOR, World, open_world, serve

OPERATOR_DOORS = ("/v1/epochs", "/v1/quarantines", "/v1/releases", "/v1/gateways")


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[World]:
    """A registry that runs with --dev."""
    with open_world(tmp_path, dev=True) as opened:
        yield opened


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize("target", OPERATOR_DOORS)
@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({}, 401, "bearer_key_required"),
        ({"authorization": "Bearer"}, 401, "bearer_key_required"),
        ({"authorization": "Bearer "}, 401, "bearer_key_required"),
        ({"authorization": "Bearer operator"}, 401, "bearer_key_required"),
        ({"authorization": "Basic b3BlcmF0b3I6eA=="}, 401, "bearer_key_required"),
        ({"authorization": OPERATOR["authorization"][:-1]}, 401, "bearer_key_required"),
        ({"authorization": OPERATOR["authorization"] + "x"}, 401, "bearer_key_required"),
        ({"authorization": OPERATOR["authorization"].upper()}, 401, "bearer_key_required"),
        (GATEWAY, 403, "operator_only"),
    ],
)
def test_operator_doors_need_the_operators_key(
    reading: World, target: str, sent: dict[str, str], status: int, code: str
) -> None:
    """Without the operator's very key nothing of the operator's is done, also from loopback."""
    before = reading.fingerprint()
    bodies: dict[str, dict[str, str]] = {"/v1/epochs": {}, "/v1/gateways": {"name": "mallory", "role": "operator"}}
    body = bodies.get(target, {"did": reading.actors["alice"].did, "reason": "attack"})
    keys = dict(reading.app.state.api.guard.keys)
    answer = reading.web.post(target, body, headers=sent)
    assert (answer.status, answer.code) == (status, code)
    assert (status != 401) or answer.headers["www-authenticate"].startswith("Bearer")
    assert reading.app.state.api.guard.keys == keys
    assert reading.fingerprint() == before


def test_keys_are_given_and_taken_by_the_operator(world: World) -> None:
    """A key is shown once, works at once, is nowhere else to be read, and is dead the moment it is taken away."""
    given = world.web.post("/v1/gateways", {"name": "edge"}, headers=OPERATOR)
    assert (given.status, given.json["role"]) == (201, "gateway")
    key = {"authorization": f"Bearer {given.json['key']}"}
    asked = world.agent("alice").request("read")
    assert world.web.post("/access/v1/evaluation", asked, headers=key).status == 200
    assert world.web.get("/v1/gateways", headers=key).code == "operator_only"
    listed = world.web.get("/v1/gateways", headers=OPERATOR)
    assert given.json["key"].encode() not in listed.body + world.web.get("/metrics").body
    assert {"name": "edge", "role": "gateway"} in listed.json["gateways"]
    assert world.web.post("/v1/gateways", {"name": "edge"}, headers=OPERATOR).code == "gateway_exists"
    for headers, code in ((key, "operator_only"), ({}, "bearer_key_required")):
        assert world.web.send("DELETE", "/v1/gateways/edge", headers=headers).code == code
    assert world.web.send("DELETE", "/v1/gateways/edge", headers=OPERATOR).status == 200
    assert world.web.post("/access/v1/evaluation", asked, headers=key).status == 401


def test_records_of_decisions_need_a_key(reading: World) -> None:
    """What agents did where is not public."""
    found = reading.decide(reading.actors["alice"].request("read"))["context"]["evaluation_id"]
    assert reading.web.get(f"/v1/decisions/{found}").status == 401
    assert reading.web.get(f"/v1/decisions/{found}", headers=GATEWAY).status == 200


def test_a_replay_registry_takes_writes_from_the_operator_only(tmp_path: Path) -> None:
    """Where log time is the writer's word, only the operator writes; every answer says that it is a replay."""
    with open_world(tmp_path, profile="replay") as world:
        alice = world.short_lived("alice")
        assert world.submit(alice.vouch(world.operator.did)).code == "bearer_key_required"
        assert world.batch([alice.vouch(world.operator.did)]).code == "bearer_key_required"
        assert world.batch([alice.vouch(world.operator.did)], headers=GATEWAY).code == "operator_only"
        answer = world.batch([alice.presentation(None), alice.vouch(world.operator.did)], headers=OPERATOR)
        assert [sorted(one) for one in answer.json["results"]] == [["index", "repeated"]] * 2
        assert answer.json["profile"] == "replay"
        for target in ("/healthz", "/readyz", "/log.json", "/v1/agents", f"/v1/agents/{alice.did}/standing"):
            assert world.web.get(target).json["profile"] == "replay", target
        assert world.decide(alice.request("read"))["profile"] == "replay"


# ---------------------------------------------------------------- --dev


@pytest.mark.parametrize(
    "sent",
    [
        {"host": "evil.example"},
        {"host": "evil.example:8000"},
        {"host": "localhost.evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "10.0.0.1:8000"},
        {"host": ""},
        {"origin": "https://evil.example"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "null"},
        {"origin": "file://"},
        {"forwarded": "for=127.0.0.1"},
        {"x-forwarded-for": "127.0.0.1"},
        {"x-forwarded-host": "localhost"},
        {"x-forwarded-proto": "https"},
        {"x-forwarded-port": "8000"},
        {"x-real-ip": "127.0.0.1"},
        {"via": "1.1 proxy"},
    ],
)
def test_dev_refuses_whatever_may_come_from_elsewhere(dev: World, sent: dict[str, str]) -> None:
    """--dev trusts loopback, so web pages, rebound names and proxies are refused at every address, and counted."""
    before = dev.fingerprint()
    for target in ("/v1/epochs", "/healthz", "/nowhere"):
        answer = dev.web.send("POST", target, body=b"{}", headers={"content-type": "application/json", **sent})
        assert (answer.status, answer.code) == (403, "dev_request_refused"), answer
    counted = dev.app.state.api.refusals["dev_request_refused"]
    assert counted == 3
    assert dev.fingerprint() == before


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]", "registry.localhost:8000"])
def test_dev_takes_loopback_callers_without_a_key(dev: World, host: str) -> None:
    """A developer on the same machine is gateway and operator."""
    assert dev.web.post("/v1/epochs", {}, headers={"host": host}).status in (201, 409)
    alice = dev.agent("alice")
    assert dev.web.post("/access/v1/evaluation", alice.request("read"), headers={"host": host}).status == 200


@pytest.mark.parametrize("client", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "169.254.1.1"])
def test_dev_trusts_nobody_else(dev: World, client: str) -> None:
    """A caller from another machine needs a key in --dev too, and a wrong key is wrong from loopback as well."""
    assert dev.web.post("/v1/epochs", {}, client=(client, 1)).code == "bearer_key_required"
    assert dev.web.post("/v1/epochs", {}, headers={"authorization": "Bearer wrong"}).code == "bearer_key_required"
    assert dev.web.post("/v1/epochs", {}, client=(client, 1), headers=OPERATOR).status in (201, 409)


@pytest.mark.parametrize(
    "flags",
    [
        {"dev": True, "host": "0.0.0.0"},
        {"dev": True, "host": "192.0.2.1"},
        {"dev": True, "public_url": "https://registry.example.com"},
        {"dev": True, "public_url": "https://localhost.example.com"},
        {"public_url": "http://registry.example.com"},
        {"public_url": "https://registry"},
        {"public_url": "https://registry.example.com/path"},
        {"public_url": "https://user:pass@registry.example.com/?x=1"},
        {"profile": "other"},
        {"port": "70000"},
        {"tls_cert": "x.pem"},
    ],
)
def test_settings_that_would_open_a_door(flags: dict[str, object]) -> None:
    """--dev on a public address, and addresses that cannot stand in a DID, are refused before anything starts."""
    with pytest.raises(SettingError):
        load_settings(flags, {})


# ---------------------------------------------------------------- paths


HOSTILE = [
    "did:", "did:web", "did:WEB:x", "did:web:", "did:web:a%", "did:web:a%2", "did:web:a%zz", "did:web:a b", "DID:web:x",
    "did:web:a#b", "did%3Aweb:x", "did%3Aweb%3Aa%00", "did%3Aweb%3A%FF%FE", "did%253Aweb%253Ax", "..", "%2e%2e",
    "..%2f..%2fetc%2fpasswd", "did:web:..%2f..", "did:web:" + "a" * 5_000, "did:web:" + ":" * 400, "'%20or%201=1--",
    "did:web:x%0d%0aset-cookie:a=b", "%c0%ae%c0%ae", "did:web:x;drop", "*", "did:web:\u00fc".encode().decode("latin-1"),
]  # fmt: skip


@pytest.mark.parametrize("suffix", ["", "/state", "/standing", "/events", "/vouches"])
def test_hostile_dids_in_paths(reading: World, suffix: str) -> None:
    """Whatever stands where a DID belongs, the answer is a problem of the 400s that does not repeat it."""
    before = reading.fingerprint()
    for text in HOSTILE:
        target = f"/v1/agents/{quote(text, safe=':%*;#?')}{suffix}".replace("#", "%23")
        answer = reading.web.get(target)
        assert answer.status in (400, 404), (text, answer)
        assert answer.code in ("invalid_did", "invalid_did_path", "agent_unknown", "route_not_found"), (text, answer)
        assert "set-cookie" not in answer.headers
    assert reading.fingerprint() == before


TILES = [
    "../checkpoint", "..%2f..%2fkeys/log-note.json", "%2e%2e/%2e%2e/etc/passwd", "0/../entries/000", "0//000", "0/000/",
    "00/000", "0/0", "0/1000", "0/x000", "0/000.p/0", "0/000.p/256", "0/000.p/01", "0/000.p/-1", "64/000", "-1/000",
    "0/x001/x002/x003/x004/x005/x006/x007/008", "entries/../0/000", "entries", "0", "", "0/000%00", "0/000.p/5%2f",
    "0/000.p/5/../../../checkpoint", "0/\u0660\u0660\u0660".encode().decode("latin-1"), "state/0/000",
]  # fmt: skip


def test_hostile_tile_paths(reading: World) -> None:
    """Tiles have one spelling; anything else, traversal above all, is refused or not there, and no file is ever read."""
    for text in TILES:
        answer = reading.web.get("/tile/" + quote(text, safe="/%.-"))
        assert answer.status in (400, 404), (text, answer)
        assert answer.code in ("tile_path_malformed", "tile_not_found", "route_not_found"), (text, answer)


# ---------------------------------------------------------------- a real socket


def _talk(url: str, data: bytes, *, wait_s: float = 5.0) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=wait_s) as connection:
        connection.sendall(data)
        received = b""
        # Whoever has not read all that was sent closes with a reset; what had arrived by then counts.
        with suppress(ConnectionResetError):
            while chunk := connection.recv(65_536):
                received += chunk
    return received


def test_raw_bytes_on_a_socket(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traversal that clients would tidy up, HEAD, smuggling, chunked oversize, dripped bodies: none gets through."""
    monkeypatch.setattr(wire, "BODY_SECONDS", 0.3)
    close = b"Host: registry.localhost:8000\r\nConnection: close\r\n"
    post = b"POST /v1/events HTTP/1.1\r\n" + close + b"Content-Type: application/json\r\n"
    before = world.fingerprint()
    with serve(world.app) as url:
        for path in (b"../../keys/log-note.json", b"%2e%2e/%2e%2e/keys/log-note.json"):
            traversal = _talk(url, b"GET /tile/" + path + b" HTTP/1.1\r\n" + close + b"\r\n")
            assert traversal.startswith(b"HTTP/1.1 400")
            assert b"tile_path_malformed" in traversal
        head = _talk(url, b"HEAD /healthz HTTP/1.1\r\n" + close + b"\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert head.endswith(b"\r\n\r\n")
        assert b"content-length: 15" in head.lower()
        both = _talk(
            url, post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
        )
        assert both.count(b"HTTP/1.1 ") <= 1 or b" 20" not in both
        chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        oversize = _talk(url, post + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 2 + b"0\r\n\r\n")
        assert oversize.startswith(b"HTTP/1.1 413") or oversize == b""
        assert world.app.state.api.refusals["body_too_large"] == 1
        slow = _talk(url, post + b"Content-Length: 100\r\n\r\n{")
        assert slow.startswith(b"HTTP/1.1 408")
        assert b"body_too_slow" in slow
        garbage = _talk(url, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")
        assert garbage.startswith(b"HTTP/1.1 400") or garbage == b""
        assert _talk(url, b"GET /healthz HTTP/1.1\r\n" + close + b"\r\n").startswith(b"HTTP/1.1 200")
    assert world.fingerprint() == before
