"""Lists of others through the real fetcher, over real TLS: what a host may answer, and where a credential may not lead us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.data_integrity import sign_document
from did_methods.errors import BonafidesError
from registry import limits
from registry.adapters.https_fetcher import HttpsFetcher
from registry.credentials.status_entry import parse_status_entry
from registry.storage.engine import open_database
from tests.support.registry import START_MS
from tests.support.status import Lists, entry, list_document, pack
from tests.support.tls_host import HOST, Authority, TlsHost, respond, tls_host

PATH = "/status-lists/7"
URL = f"https://{HOST}{PATH}"


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
def lists(host: TlsHost) -> Iterator[Lists]:
    """A status service whose fetcher is led to the host."""
    database = open_database("sqlite://")
    made = Lists(database, files=HttpsFetcher(overrides=[host.override()]))  # type: ignore[arg-type]
    yield made
    made.service.close()
    database.close()


def _body(lists: Lists, **more: Any) -> bytes:
    document = list_document(lists.elsewhere, id=URL, **more)
    return canonicalize(sign_document(document, signer=lists.other, created=START_MS))


def _status(lists: Lists, url: str = URL) -> int:
    asked = parse_status_entry(entry(statusListCredential=url, statusListIndex="9"))
    (reading,) = lists.service.check([asked], issuer=lists.elsewhere, now_ms=lists.clock.now_ms())
    return reading.status


def _refused(lists: Lists, url: str = URL) -> tuple[str, Any]:
    with pytest.raises(BonafidesError) as caught:
        _status(lists, url)
    assert caught.value.code == "status_retrieval_failed"
    assert caught.value.type_uri == "https://www.w3.org/ns/credentials/status-list#STATUS_RETRIEVAL_ERROR"
    return caught.value.code, caught.value.params.get("cause")


@pytest.mark.parametrize("media_type", ["application/vc", "application/ld+json", "application/json; charset=utf-8"])
def test_a_list_comes_over_tls(host: TlsHost, lists: Lists, media_type: str) -> None:
    """In every type that lists are served as; one request for many questions, and credentials are asked for by type."""
    host.answers[PATH] = respond(_body(lists, bits=pack({9: 1})), f"Content-Type: {media_type}")
    assert [_status(lists), _status(lists)] == [1, 1]
    assert host.count(PATH) == 1
    assert b"application/vc" in host.requests[0]


def test_the_largest_list_comes_too(host: TlsHost, lists: Lists) -> None:
    """Two mebibytes of coin tosses, the most that is unpacked, fit into what is fetched."""
    import random

    random.seed(8)
    bits = bytearray(random.randbytes(limits.STATUS_LIST_BYTES))
    bits[1] |= 0x40
    host.answers[PATH] = respond(_body(lists, bits=bytes(bits)), "Content-Type: application/vc")
    assert _status(lists) == 1


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (respond(b"<html>", "Content-Type: text/html"), "did_fetch_content_type"),
        (respond(b"{}", f"Location: {URL}/8", status="302 Found"), "did_fetch_redirect_refused"),
        (respond(b"", status="404 Not Found"), None),
        (respond(b"", status="500 Oops"), "did_fetch_status"),
        (
            respond(b"{}", f"Content-Length: {limits.STATUS_LIST_DOCUMENT_BYTES + 1}", length=False),
            "did_fetch_too_large",
        ),
        (respond(b"{}", "Content-Encoding: gzip", "Content-Type: application/vc"), "did_fetch_encoding_refused"),
    ],
)
def test_what_is_no_list_of_a_sound_host(host: TlsHost, lists: Lists, answer: bytes, cause: str | None) -> None:
    """A page, a redirect, nothing, an error, too much, a packed body: none is followed, unpacked or read to the end."""
    host.answers[PATH] = answer
    code, told = _refused(lists)
    assert code == "status_retrieval_failed"
    assert told == cause


@pytest.mark.parametrize(
    "url",
    [
        f"http://{HOST}{PATH}",
        f"https://user@{HOST}{PATH}",
        f"https://{HOST}{PATH}?timestamp=2026-11-20T09:00:00Z",
        f"https://{HOST}/a/../status-lists/7",
        f"https://{HOST}/%2e%2e/7",
        "https://127.0.0.1/lists/7",
        "https://2130706433/lists/7",
        "https://[::1]/lists/7",
        "https://169.254.169.254/latest/meta-data",
        "file://host.example.com/etc/passwd",
        f"HTTPS://{HOST}{PATH}",
    ],
)
def test_a_credential_does_not_lead_us_astray(host: TlsHost, lists: Lists, url: str) -> None:
    """A signed entry may name any URL; only plain HTTPS to a public name is ever asked, and nothing else is connected to."""
    host.answers[PATH] = respond(_body(lists), "Content-Type: application/vc")
    _refused(lists, url)
    assert host.connections == 0
