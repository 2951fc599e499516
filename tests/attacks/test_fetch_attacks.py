"""Hosts and DIDs that want the registry to fetch what it should not, from where it should not, for longer than it should.

Each row of the fetching part of the checklist has a test here; the host is real TLS on loopback, reached by an override.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import pytest

from did_methods.method import FetchFailedError
from registry.adapters.address_rules import Address, FetchOverride
from registry.adapters.https_fetcher import FetchLimits, HttpsFetcher
from tests.support.tls_host import HOST, Authority, TlsHost, respond, tls_host

URL = f"https://{HOST}/did.json"
SHORT = FetchLimits(total_ms=300)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for all hosts of this module."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def host(authority: Authority) -> Iterator[TlsHost]:
    """A host that means ill."""
    with tls_host(authority) as running:
        yield running


def _code(fetcher: HttpsFetcher, url: str = URL, *, max_bytes: int = 1_000) -> str:
    with pytest.raises(FetchFailedError) as refused:
        fetcher.fetch(url, max_bytes=max_bytes)
    assert "127.0.0" not in refused.value.detail
    return refused.value.code


def _answer(host: TlsHost, answer: bytes | Callable[[ssl.SSLSocket], None], *, max_bytes: int = 1_000) -> str:
    host.answers["/did.json"] = answer
    return _code(HttpsFetcher(SHORT, overrides=[host.override()]), max_bytes=max_bytes)


def _never_dial(_address: Address, _port: int, _seconds: float) -> socket.socket:
    raise AssertionError("an address that may not be dialled was dialled")


def test_a_connection_that_reaches_another_address(host: TlsHost) -> None:
    """What the connection reached is compared with what was checked, before a byte is sent."""

    def dial(_address: Address, _port: int, seconds: float) -> socket.socket:
        return socket.create_connection(("127.0.0.1", host.port), timeout=seconds)

    fetcher = HttpsFetcher(resolve=lambda *_: ["93.184.216.34"], dial=dial)
    assert _code(fetcher) == "did_fetch_address_refused"
    assert host.requests == []


# ---------------------------------------------------------------- TLS


def test_a_certificate_of_another_name(authority: Authority) -> None:
    """A trusted certificate of another host is none of this one; a wildcard covers one label."""
    for names in (["other.example.com"], ["*.host.example.com"], ["*.com"]):
        with tls_host(authority, *names) as host:
            assert _code(HttpsFetcher(overrides=[host.override()])) == "did_fetch_tls"
            assert host.requests == []


def test_a_certificate_that_nobody_trusts(host: TlsHost) -> None:
    """Without the test's authority its certificate is worth nothing."""
    override = FetchOverride(HOST, 443, ip_address("127.0.0.1"), host.port)
    assert _code(HttpsFetcher(overrides=[override])) == "did_fetch_tls"
    assert host.requests == []


def test_a_host_that_speaks_plain_http(authority: Authority) -> None:
    """There is no falling back from TLS."""
    with tls_host(authority, plain=True) as host:
        assert _code(HttpsFetcher(overrides=[host.override()])) == "did_fetch_tls"


def test_a_host_with_old_tls(authority: Authority) -> None:
    """Nothing below TLS 1.2 is spoken."""
    with tls_host(authority, oldest=True) as host:
        assert _code(HttpsFetcher(overrides=[host.override()])) == "did_fetch_tls"


def test_a_host_that_never_greets() -> None:
    """A connection without a handshake ends with the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        override = FetchOverride(HOST, 443, ip_address("127.0.0.1"), listener.getsockname()[1])
        assert _code(HttpsFetcher(SHORT, overrides=[override])) == "did_fetch_timeout"


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "304 X"]
)
def test_redirects_are_not_followed(host: TlsHost, status: str) -> None:
    """Wherever they lead, to the same host too."""
    host.answers["/other"] = respond()
    assert _answer(host, respond(b"", "Location: /other", status=status)) == "did_fetch_redirect_refused"
    assert host.count("/other") == 0


@pytest.mark.parametrize("status", ["201 Created", "204 No Content", "206 Partial", "403 Forbidden", "429 X", "500 X"])
def test_other_statuses_say_nothing(host: TlsHost, status: str) -> None:
    """Only 200 is a file, and only 404 and 410 are the absence of one."""
    assert _answer(host, respond(b"{}", status=status)) == "did_fetch_status"


@pytest.mark.parametrize(
    "media_type",
    ["text/html", "application/xhtml+xml", "image/png", "multipart/mixed", "", "application/json, text/html"],
)
def test_a_page_is_not_a_file(host: TlsHost, media_type: str) -> None:
    """A host that shows a page for whatever is asked has no DID file."""
    assert _answer(host, respond(b"{}", f"Content-Type: {media_type}")) == "did_fetch_content_type"


def test_two_types(host: TlsHost) -> None:
    """An answer of two types is of none."""
    answer = respond(b"{}", "Content-Type: application/json", "Content-Type: text/html")
    assert _answer(host, answer) == "did_fetch_content_type"


def test_a_compression_bomb(host: TlsHost) -> None:
    """Compression was not asked for and is not undone: a megabyte of zeros in a kilobyte stays a refusal."""
    for encoding in ("gzip", "br", "deflate", "zstd", "gzip, gzip", "identity, gzip"):
        answer = respond(gzip.compress(bytes(1_000_000)), f"Content-Encoding: {encoding}")
        assert _answer(host, answer, max_bytes=5_000_000) == "did_fetch_encoding_refused"


def test_a_body_that_says_it_is_large(host: TlsHost) -> None:
    """A stated length above the cap is refused before the body is read."""
    assert _answer(host, b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n") == "did_fetch_too_large"


@pytest.mark.parametrize("head", ["", "Transfer-Encoding: chunked\r\n"])
def test_an_endless_body(host: TlsHost, head: str) -> None:
    """Without a length, in chunks or not, reading ends at the cap."""
    portion = b"x" * 500 if not head else b"1f4\r\n" + b"x" * 500 + b"\r\n"
    sent = _Endless(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode(), portion)
    assert _answer(host, sent) == "did_fetch_too_large"


def test_endless_wrapping(host: TlsHost) -> None:
    """Chunks of one byte in kilobytes of extensions, and trailers without end, count too."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert _answer(host, _Endless(head, b"1;" + b"x" * 4_000 + b"\r\ny\r\n")) == "did_fetch_too_large"
    assert _answer(host, _Endless(head + b"0\r\n", b"X: " + b"y" * 4_000 + b"\r\n")) == "did_fetch_too_large"


@pytest.mark.parametrize("size", [b"-5", b"-1", b"+2", b"0x2", b"0_2", b" 2", b"2 x", b"", b"fffffffff", b"2\n{}"])
def test_a_chunk_whose_size_is_no_number(host: TlsHost, size: bytes) -> None:
    """A size is hexadecimal digits: a lenient reader takes a minus sign and reads to the end."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert _answer(host, head + size + b"\r\n{}\r\n0\r\n\r\n") == "did_fetch_protocol"


def test_a_chunk_that_does_not_end_where_it_says(host: TlsHost) -> None:
    """What follows a chunk is a line end; a chunk larger than the cap is refused by its size."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert _answer(host, head + b"2\r\n{} }\r\n0\r\n\r\n") == "did_fetch_protocol"
    assert _answer(host, head + b"ffffffff\r\n{}") == "did_fetch_too_large"


def test_endless_heads(host: TlsHost) -> None:
    """Header fields, one long field, and interim answers end at a cap."""
    for head, portion in (
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 500 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 500),
        (b"HTTP/1.1 ", b"2" * 500),
        (b"", b"HTTP/1.1 100 Continue\r\nX: " + b"y" * 500 + b"\r\n\r\n"),
    ):
        assert _answer(host, _Endless(head, portion)) == "did_fetch_headers_too_large"
    assert _answer(host, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n") == "did_fetch_protocol"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"])
def test_a_slow_answer(host: TlsHost, head: bytes) -> None:
    """Whoever drips bytes is given the time of the whole fetch, not of a read."""
    released = threading.Event()

    def drip(tls: ssl.SSLSocket) -> None:
        tls.sendall(head)
        while not released.wait(0.02):
            tls.sendall(b"H")

    try:
        assert _answer(host, drip) == "did_fetch_timeout"
    finally:
        released.set()


def test_a_slow_name_server() -> None:
    """The look-up is part of the time."""
    released = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        released.wait(5)
        return []

    try:
        assert _code(HttpsFetcher(SHORT, resolve=resolve, dial=_never_dial)) == "did_fetch_timeout"
    finally:
        released.set()


def _cut(data: bytes) -> Callable[[ssl.SSLSocket], None]:
    """Send and close without the farewell of TLS, as whoever cuts a line on the way would."""

    def speak(tls: ssl.SSLSocket) -> None:
        tls.sendall(data)
        tls.shutdown(socket.SHUT_RDWR)

    return speak


def test_an_answer_that_ends_early(host: TlsHost) -> None:
    """A log cut after a whole line is not a shorter log, whoever cut it."""
    line = b'{"versionId":"1-Qm"}\n'
    assert _answer(host, _cut(b"HTTP/1.1 200 OK\r\n\r\n" + line)) == "did_fetch_incomplete"
    assert _answer(host, b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + line) == "did_fetch_incomplete"
    chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n" + line + b"\r\n"
    assert _answer(host, chunk) == "did_fetch_incomplete"
    assert _answer(host, chunk[:-10]) == "did_fetch_incomplete"
    assert _answer(host, b"") in {"did_fetch_protocol", "did_fetch_incomplete"}


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"{}", b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}", b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
)  # fmt: skip
def test_answers_that_are_not_http(host: TlsHost, answer: bytes) -> None:
    """Another protocol, or a length in two ways, is not read."""
    assert _answer(host, answer) == "did_fetch_protocol"


# ---------------------------------------------------------------- many at once


def test_slow_hosts_do_not_hold_everything(host: TlsHost) -> None:
    """One host holds a few places; a further fetch from it is refused at once, and the places come back."""
    released = threading.Event()
    held = threading.Semaphore(0)

    def hold(tls: ssl.SSLSocket) -> None:
        held.release()
        released.wait(5)
        tls.sendall(respond())

    host.answers["/did.json"] = hold
    fetcher = HttpsFetcher(FetchLimits(at_a_time_per_host=2), overrides=[host.override()])
    threads = [threading.Thread(target=fetcher.fetch, args=(URL,), kwargs={"max_bytes": 10}) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert held.acquire(timeout=5)
    try:
        assert _code(fetcher) == "did_fetch_rate"
    finally:
        released.set()
        for thread in threads:
            thread.join()
    host.answers["/did.json"] = respond()
    assert fetcher.fetch(URL, max_bytes=10) == b"{}"


class _Endless:
    """Sends a head, then the same again and again until the other side is gone."""

    def __init__(self, head: bytes, portion: bytes) -> None:
        self._head = head
        self._portion = portion

    def __call__(self, tls: ssl.SSLSocket) -> None:
        tls.sendall(self._head)
        while True:
            tls.sendall(self._portion)
