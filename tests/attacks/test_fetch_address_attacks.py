"""Names, URLs and DIDs that want the registry to dial an address that it may not dial."""

from __future__ import annotations

import socket

import pytest

from did_methods.method import FetchFailedError, ResolutionOptions
from did_methods.web import WebMethod
from did_methods.webvh import WebvhMethod
from registry.adapters.address_rules import Address, is_public, parse_address
from registry.adapters.https_fetcher import FetchLimits, HttpsFetcher, parse_fetch_url
from tests.support.tls_host import HOST

URL = f"https://{HOST}/did.json"


def _code(fetcher: HttpsFetcher, url: str = URL, *, max_bytes: int = 1_000) -> str:
    with pytest.raises(FetchFailedError) as refused:
        fetcher.fetch(url, max_bytes=max_bytes)
    assert "127.0.0" not in refused.value.detail
    return refused.value.code


def _never_dial(_address: Address, _port: int, _seconds: float) -> socket.socket:
    raise AssertionError("an address that may not be dialled was dialled")


# ---------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    "url",
    [
        "http://host.example.com/did.json", "HTTPS://host.example.com/did.json", "ftp://host.example.com/did.json",
        "file:///etc/passwd", "//host.example.com/did.json", "https:host.example.com/did.json", "https:///did.json",
        "https://user@host.example.com/did.json", "https://host.example.com@evil.example/did.json",
        "https://user:pw@host.example.com/x", "https://host.example.com%40evil.example/did.json",
        "https://host.example.com:0/did.json", "https://host.example.com:99999/did.json",
        "https://host.example.com:65536/x", "https://host.example.com:00443/x", "https://host.example.com:/x",
        "https://host.example.com:44x/x", "https://host.example.com:-1/x",
        "https://host.example.com", "https://host.example.com/", "https://host.example.com//x",
        "https://host.example.com/a/../did.json", "https://host.example.com/./did.json",
        "https://host.example.com/%2e%2e/did.json", "https://host.example.com/%2E/did.json",
        "https://host.example.com/a%2Fdid.json", "https://host.example.com/a%2fdid.json",
        "https://host.example.com/a%5Cdid.json", "https://host.example.com/a\\did.json",
        "https://host.example.com\\@evil.example/x", "https://host.example.com/a%00", "https://host.example.com/a%0d%0aX:y",
        "https://host.example.com/a\r\nX: y", "https://host.example.com/a b", "https://host.example.com/%zz",
        "https://host.example.com/a%7f", "https://host.example.com/x?y=z", "https://host.example.com/x#y",
        "https://host.example.com/x\n", " https://host.example.com/x", "https://host.example.com/é",
        "https://host/did.json", "https://localhost/did.json", "https://host.example.com./x", "https://.example.com/x",
        "https://HOST.example.com/x", "https://-host.example.com/x", "https://host_a.example.com/x",
        "https://\u0440\u0430\u0443\u0440\u0430l.com/did.json", "https://\uff48ost.example.com/x", "https://host\u3002example.com/x",
        "https://xn--a.example.com/x", "https://xn--.example.com/x",
        "https://127.0.0.1/x", "https://2130706433/x", "https://0x7f000001/x", "https://0x7f.0.0.1/x",
        "https://0177.0.0.1/x", "https://127.1/x", "https://017700000001/x", "https://0/x", "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x", "https://[::ffff:7f00:1]/x", "https://[fe80::1%25eth0]/x",
        "https://169.254.169.254/latest/meta-data", "https://\uff11\uff12\uff17.0.0.1/x", "https://127\u30020\u30020\u30021/x",
        "https://host.example.com/" + "a" * 2_048,
    ],
)  # fmt: skip
def test_urls_that_are_not_fetched(url: str) -> None:
    """Other schemes, user info, ports, separators in any coat, look-alikes and every spelling of an address."""
    fetcher = HttpsFetcher(resolve=lambda *_: ["93.184.216.34"], dial=_never_dial)
    assert _code(fetcher, url) == "did_fetch_url_refused"


@pytest.mark.parametrize(
    "did",
    [
        "did:web:127.0.0.1", "did:web:2130706433", "did:web:0x7f.1", "did:web:0177.0.0.1", "did:web:localhost",
        "did:web:%5B%3A%3A1%5D", "did:web:user%40host.example.com", "did:web:host.example.com%2Fa",
        "did:web:host.example.com:..", "did:web:host.example.com:%2e%2e", "did:web:host.example.com:a%2Fb",
        "did:web:host.example.com%3A0", "did:web:host.example.com%3A99999", "did:web:host.example.com%3Fa",
        "did:web:host.example.com%23a", "did:web:host.example.com:a%5Cb", "did:web:host.example.com:a%00",
        "did:web:169.254.169.254", "did:web:host.example.com::a",
    ],
)  # fmt: skip
def test_dids_that_are_not_fetched(did: str) -> None:
    """The DID is refused by its syntax: no name is looked up."""

    def resolve(_host: str, _port: int) -> list[str]:
        raise AssertionError("looked up")

    fetcher = HttpsFetcher(resolve=resolve)
    options = ResolutionOptions(0)
    scid = "Qm" + "a" * 44
    hostile = did.removeprefix("did:web:")
    assert WebMethod(fetcher).resolve(did, options).error == "INVALID_DID"
    assert WebvhMethod(fetcher).resolve(f"did:webvh:{scid}:{hostile}", options).error == "INVALID_DID"


def test_a_look_alike_is_another_host() -> None:
    """A name in another script goes out as the A-label that it is, never as the name it looks like."""
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return []

    did = "did:web:%D1%80%D0%B0%D1%83%D1%80%D0%B0l.com"  # Cyrillic but for the last letter
    WebMethod(HttpsFetcher(resolve=resolve)).resolve(did, ResolutionOptions(0))
    assert all(host.startswith("xn--") for host in asked)


# ---------------------------------------------------------------- addresses

BAD_ADDRESSES = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1",
    "127.255.255.254", "168.63.129.16", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8",
    "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::808:808", "100::1", "2001::1",
    "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "3fff::1", "4000::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fe80::1%1", "fec0::1", "ff02::1", "ff0e::1",
    "not an address", "127.1", "0177.0.0.1", "0x7f000001", "2130706433", "",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_ADDRESSES)
def test_a_name_that_leads_to_an_address_within(bad: str) -> None:
    """No address but public unicast is dialled, also when a good one stands before or behind it; none is told."""
    for answers in ([bad], ["93.184.216.34", bad], [bad, "93.184.216.34"]):
        fetcher = HttpsFetcher(resolve=lambda *_, found=answers: found, dial=_never_dial)
        with pytest.raises(FetchFailedError) as refused:
            fetcher.fetch(URL, max_bytes=1)
        assert refused.value.code == "did_fetch_address_refused"
        assert refused.value.params == {}
        assert not bad or bad not in refused.value.detail


def test_the_rules_are_no_looser_than_the_interpreter() -> None:
    """Whatever the standard library calls private, loopback, link-local, multicast or reserved is refused here."""
    for text in [*BAD_ADDRESSES, "8.8.8.8", "2606:4700::1", "1.1.1.1"]:
        address = parse_address(text)
        if address is not None and is_public(address):
            assert address.is_global
            assert not address.is_multicast


def test_a_name_that_changes_between_look_ups() -> None:
    """DNS rebinding: the name is looked up once, and what is dialled is the address that was checked."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])
    looked_up: list[list[str]] = []
    dialled: list[str] = []

    def resolve(_host: str, _port: int) -> list[str]:
        looked_up.append(next(answers))
        return looked_up[-1]

    def dial(address: Address, _port: int, seconds: float) -> socket.socket:
        dialled.append(str(address))
        raise TimeoutError(seconds)

    assert _code(HttpsFetcher(resolve=resolve, dial=dial)) == "did_fetch_unreachable"
    assert (looked_up, dialled) == ([["93.184.216.34"]], ["93.184.216.34"])


def test_what_is_refused_as_a_url_is_refused_before_rates() -> None:
    """A flood of bad URLs spends nobody's share."""
    fetcher = HttpsFetcher(FetchLimits(per_minute=1), resolve=lambda *_: [])
    for _ in range(3):
        assert _code(fetcher, "https://127.0.0.1/x") == "did_fetch_url_refused"
    assert _code(fetcher) == "did_fetch_host_unknown"
    assert parse_fetch_url(URL).host == HOST
