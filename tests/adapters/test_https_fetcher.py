"""The fetcher against a real TLS host on loopback, reached by an override: what it asks, and which answers it takes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from did_methods.method import FetchFailedError
from registry.adapters.address_rules import Address, is_public, parse_address
from registry.adapters.fetch_errors import FetchRateError
from registry.adapters.https_fetcher import FetchLimits, FetchTarget, HttpsFetcher, parse_fetch_url
from registry.config import SettingError, load_settings, parse_fetch_overrides
from tests.support.tls_host import HOST, Authority, TlsHost, respond, tls_host

URL = f"https://{HOST}/did.json"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for all hosts of this module."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def host(authority: Authority) -> Iterator[TlsHost]:
    """A host."""
    with tls_host(authority) as running:
        yield running


@pytest.fixture
def fetcher(host: TlsHost) -> HttpsFetcher:
    """A fetcher that is led to the host."""
    return HttpsFetcher(overrides=[host.override()])


# ---------------------------------------------------------------- the plain case


def test_a_file_is_fetched(host: TlsHost, fetcher: HttpsFetcher) -> None:
    """The body arrives byte for byte, and a full-size body is not too large."""
    host.answers["/did.json"] = respond(b'{"id":"did:web:host.example.com"}', "Content-Type: application/json")
    assert fetcher.fetch(URL, max_bytes=33) == b'{"id":"did:web:host.example.com"}'


@pytest.mark.parametrize("status", ["404 Not Found", "410 Gone"])
def test_an_absent_file_is_none(host: TlsHost, fetcher: HttpsFetcher, status: str) -> None:
    """404 and 410 say that there is none."""
    host.answers["/did.json"] = respond(b"<html>", "Content-Type: text/html", status=status)
    assert fetcher.fetch(URL, max_bytes=100) is None


def test_the_request_says_no_more_than_it_must(host: TlsHost, fetcher: HttpsFetcher) -> None:
    """No cookie, no credentials, no compression, one request for a connection."""
    host.answers["/did.json"] = respond()
    fetcher.fetch(URL, max_bytes=100)
    names = [line.split(b":")[0] for line in host.requests[0].split(b"\r\n")[1:-2]]
    assert names == [b"Host", b"User-Agent", b"Accept", b"Accept-Encoding", b"Connection"]
    assert b"Accept-Encoding: identity\r\n" in host.requests[0]
    assert b"Host: host.example.com\r\n" in host.requests[0]


def test_another_port_stands_in_the_host_field(host: TlsHost) -> None:
    """A port that is not 443 is part of the authority, and an override holds for its own port only."""
    fetcher = HttpsFetcher(overrides=[host.override(port=8443)], resolve=lambda _host, _port: ["127.0.0.1"])
    host.answers["/a/did.json"] = respond(b"1")
    assert fetcher.fetch(f"https://{HOST}:8443/a/did.json", max_bytes=10) == b"1"
    assert b"Host: host.example.com:8443\r\n" in host.requests[0]
    with pytest.raises(FetchFailedError) as refused:
        fetcher.fetch(f"https://{HOST}/a/did.json", max_bytes=10)
    assert refused.value.code == "did_fetch_address_refused"


def test_proxies_of_the_environment_are_not_used(
    host: TlsHost, fetcher: HttpsFetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What HTTPS_PROXY names never sees a request."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    host.answers["/did.json"] = respond(b"direct")
    assert fetcher.fetch(URL, max_bytes=100) == b"direct"


@pytest.mark.parametrize(
    "media_type",
    [
        "application/did+ld+json", "application/json; charset=utf-8", "text/jsonl", "application/octet-stream",
        "text/plain", "Application/JSON", "application/x-ndjson", "application/vp",
    ],
)  # fmt: skip
def test_types_that_hosts_of_static_files_use_are_taken(host: TlsHost, fetcher: HttpsFetcher, media_type: str) -> None:
    """Few hosts know the types of DID files; JSON, plain text and unnamed bytes do."""
    host.answers["/did.json"] = respond(b"{}", f"Content-Type: {media_type}")
    assert fetcher.fetch(URL, max_bytes=100) == b"{}"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)
def test_every_honest_end_of_a_body(host: TlsHost, fetcher: HttpsFetcher, answer: bytes) -> None:
    """Chunks, a stated length, and a connection closed in order."""
    host.answers["/did.json"] = answer
    assert fetcher.fetch(URL, max_bytes=5) == b"abcde"


# ---------------------------------------------------------------- URLs


def test_parts_of_a_url() -> None:
    """Encoded characters that separate nothing stay as they are."""
    assert parse_fetch_url("https://xn--bcher-kva.example:8443/a/b%20c/did.jsonl") == FetchTarget(
        "xn--bcher-kva.example", 8443, "/a/b%20c/did.jsonl"
    )


# ---------------------------------------------------------------- connecting


def test_the_checked_addresses_are_dialled_in_turn() -> None:
    """The second address is tried when the first does not answer; nothing is looked up again."""
    dialled: list[str] = []
    looked_up: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        looked_up.append(host)
        return ["2606:2800:220:1::1", "93.184.216.34", "93.184.216.34"]

    def dial(address: Address, port: int, seconds: float) -> socket.socket:
        dialled.append(f"{address} {port}")
        assert seconds > 0
        raise ConnectionRefusedError

    with pytest.raises(FetchFailedError) as refused:
        HttpsFetcher(resolve=resolve, dial=dial).fetch("https://host.example.com:444/did.json", max_bytes=1)
    assert refused.value.code == "did_fetch_unreachable"
    assert dialled == ["2606:2800:220:1::1 444", "93.184.216.34 444"]
    assert looked_up == ["host.example.com"]


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that does not resolve is told apart; the system is asked for it without search domains."""
    asked: list[str] = []

    def getaddrinfo(name: str, *_rest: object, **_more: object) -> list[object]:
        asked.append(name)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(FetchFailedError) as refused:
        HttpsFetcher().fetch("https://nobody.example/did.json", max_bytes=1)
    assert refused.value.code == "did_fetch_host_unknown"
    assert asked == ["nobody.example."]


# ---------------------------------------------------------------- rates


def test_a_host_has_a_share_a_minute(host: TlsHost) -> None:
    """Beyond its share nothing is sent; the share comes back with time."""
    now = [0.0]
    fetcher = HttpsFetcher(FetchLimits(per_host_minute=2), overrides=[host.override()], clock=lambda: now[0])
    host.answers["/did.json"] = respond()
    for _ in range(2):
        fetcher.fetch(URL, max_bytes=100)
    with pytest.raises(FetchRateError):
        fetcher.fetch(URL, max_bytes=100)
    assert host.connections == 2
    now[0] = 30.0
    assert fetcher.fetch(URL, max_bytes=100) == b"{}"


def test_all_hosts_together_have_a_share() -> None:
    """Many names do not make more of it, also not many names of one address."""
    dialled: list[Address] = []

    def dial(address: Address, _port: int, _seconds: float) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError

    def codes(fetcher: HttpsFetcher) -> list[str]:
        found = []
        for number in range(5):
            with pytest.raises(FetchFailedError) as refused:
                fetcher.fetch(f"https://n{number}.example.com/x", max_bytes=1)
            found.append(refused.value.code)
        return found

    expected = ["did_fetch_unreachable"] * 3 + ["did_fetch_rate"] * 2
    more = {"resolve": lambda _host, _port: ["93.184.216.34"], "dial": dial}
    assert codes(HttpsFetcher(FetchLimits(per_minute=3), **more)) == expected
    assert codes(HttpsFetcher(FetchLimits(per_address_minute=3), **more)) == expected
    assert len(dialled) == 6


# ---------------------------------------------------------------- addresses and settings


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "64:ff9b::808:808", "172.32.0.1"])
def test_public_addresses(text: str) -> None:
    """Hosts of the public internet may be dialled, through NAT64 too."""
    address = parse_address(text)
    assert address is not None
    assert is_public(address)


def test_overrides_are_read(tmp_path: Path) -> None:
    """Several hosts, with and without ports, authorities and brackets."""
    ca_file = tmp_path / "ca.pem"
    ca_file.touch()
    text = f"registry.localhost:8000=127.0.0.1:8443;ca={ca_file}, host.example.com=[::1]:443"
    first, second = load_settings({}, {"BONAFIDES_FETCH_OVERRIDES": text}).fetch_overrides
    assert (first.host, first.port, first.address, first.dial_port, first.ca_file) == (
        "registry.localhost", 8000, ip_address("127.0.0.1"), 8443, ca_file,
    )  # fmt: skip
    assert (second.host, second.port, str(second.address), second.dial_port, second.ca_file) == (
        "host.example.com", 443, "::1", 443, None,
    )  # fmt: skip
    assert load_settings({}, {}).fetch_overrides == ()


@pytest.mark.parametrize(
    "text",
    [
        "host.example.com", "host.example.com=127.0.0.1", "host.example.com=elsewhere.example:443", "*=127.0.0.1:1",
        "host.example.com=::1:443", "Host.example.com=127.0.0.1:443", "host.example.com:0=127.0.0.1:443",
        "host.example.com=127.0.0.1:99999", "host.example.com=127.0.0.1:443;ca=/nowhere/ca.pem", "127.0.0.1=127.0.0.1:1",
        "a.example=127.0.0.1:1,a.example:443=127.0.0.1:2", "a.example=127.0.0.1:1,", "a.example=[127.0.0.1]:1",
    ],
)  # fmt: skip
def test_overrides_that_cannot_work_are_refused(text: str) -> None:
    """A setting that does not say one host and one address stops the start."""
    with pytest.raises(SettingError):
        parse_fetch_overrides(text)


def test_a_file_that_holds_no_authority(tmp_path: Path) -> None:
    """An override whose file is not PEM is told when the fetcher is made, not at the first fetch."""
    (tmp_path / "ca.pem").write_text("nothing")
    overrides = parse_fetch_overrides(f"a.example=127.0.0.1:1;ca={tmp_path / 'ca.pem'}")
    with pytest.raises(ssl.SSLError):
        HttpsFetcher(overrides=overrides)
