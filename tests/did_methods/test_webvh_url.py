"""Where a did:webvh or did:web DID points, and what never becomes a URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.errors import DidError
from did_methods.web import did_web_to_url, parse_did_web_document
from did_methods.webvh import did_template, did_to_url

SCID = "QmPEQVM1JPTyrvEgBcDXwjK4TeyLGSX1PxjgyeAisdWM1p"

LEGAL = {
    "example.com": "https://example.com/.well-known/did.jsonl",
    "issuer.example.com": "https://issuer.example.com/.well-known/did.jsonl",
    "example.com:dids:issuer": "https://example.com/dids/issuer/did.jsonl",
    "example.com%3A3000": "https://example.com:3000/.well-known/did.jsonl",
    "example.com%3a3000:dids:issuer": "https://example.com:3000/dids/issuer/did.jsonl",
    "Example.COM:Dids": "https://example.com/Dids/did.jsonl",
    "3m.com": "https://3m.com/.well-known/did.jsonl",
    "1.1.1.1.example": "https://1.1.1.1.example/.well-known/did.jsonl",
    "registry.localhost%3A8000:agents:a": "https://registry.localhost:8000/agents/a/did.jsonl",
    "jp%E7%B4%8D%E8%B1%86.%E4%BE%8B.jp:%E7%94%A8%E6%88%B7": (
        "https://xn--jp-cd2fp15c.xn--fsq.jp/%E7%94%A8%E6%88%B7/did.jsonl"
    ),
    "xn--fsq.jp": "https://xn--fsq.jp/.well-known/did.jsonl",
    "example.com:a%20b": "https://example.com/a%20b/did.jsonl",
    "example.com:a%3Fb%23c": "https://example.com/a%3Fb%23c/did.jsonl",
    "example.com:%252E%252E": "https://example.com/%252E%252E/did.jsonl",
    "example.com:...": "https://example.com/.../did.jsonl",
    "example.com:%7Ebob": "https://example.com/~bob/did.jsonl",
    "example.com%3A1": "https://example.com:1/.well-known/did.jsonl",
    "example.com%3A65535": "https://example.com:65535/.well-known/did.jsonl",
}

HOSTILE = {
    # IP addresses in every spelling that a URL parser understands
    "127.0.0.1": "did_host_is_address",
    "127.0.0.1%3A8080": "did_host_is_address",
    "127.0.0.1%3a8080": "did_host_is_address",
    "127%2E0%2E0%2E1": "did_host_is_address",
    "127%2e0%2e0%2e1": "did_host_is_address",
    "169%2E254%2E169%2E254": "did_host_is_address",
    "2130706433": "did_host_is_address",
    "127.1": "did_host_is_address",
    "0177.0.0.01": "did_host_is_address",
    "0x7f.0.0.0x1": "did_host_is_address",
    "0X7F.1": "did_host_is_address",
    "example.0x": "did_host_is_address",
    "%5B%3A%3A1%5D": "did_host_is_address",
    "fe80%3A%3A1.example": "did_host_is_address",
    "%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1": "did_host_invalid",
    "127%E3%80%820%E3%80%820%E3%80%821": "did_host_is_address",
    # hosts
    "localhost": "did_host_invalid",
    "example.com.": "did_host_invalid",
    ".example.com": "did_host_invalid",
    "example..com": "did_host_invalid",
    "-a.example.com": "did_host_invalid",
    "a-.example.com": "did_host_invalid",
    "a_b.example.com": "did_host_invalid",
    "a%40evil.com": "did_host_invalid",
    "user%3Apw%40evil.com": "did_host_invalid",
    "evil.com%2Fpath": "did_host_invalid",
    "evil.com%5Cpath": "did_host_invalid",
    "evil.com%3Fq": "did_host_invalid",
    "evil.com%23f": "did_host_invalid",
    "evil.com%00": "did_host_invalid",
    "evil.com%0A": "did_host_invalid",
    "evil%20.com": "did_host_invalid",
    "example%252Ecom.net": "did_host_invalid",
    "xn--a.com": "did_host_invalid",
    f"{'a' * 64}.com": "did_host_invalid",
    f"{'a.' * 126}com": "did_host_invalid",
    # ports
    "example.com%3A0": "did_port_invalid",
    "example.com%3A00000": "did_port_invalid",
    "example.com%3A65536": "did_port_invalid",
    "example.com%3A99999": "did_port_invalid",
    "example.com%3A": "did_host_invalid",
    "example.com%3A123456": "did_host_invalid",
    "example.com%3A80%3A81": "did_host_invalid",
    "example.com%3A-1": "did_host_invalid",
    # paths
    "example.com:": "did_path_invalid",
    "example.com::a": "did_path_invalid",
    "example.com:..:..:admin": "did_path_invalid",
    "example.com:.": "did_path_invalid",
    "example.com:%2E%2E:admin": "did_path_invalid",
    "example.com:%2e%2e:admin": "did_path_invalid",
    "example.com:.%2E": "did_path_invalid",
    "example.com:a%2Fb": "did_path_invalid",
    "example.com:a%5Cb": "did_path_invalid",
    "example.com:a%00": "did_path_invalid",
    "example.com:%20a": "did_path_invalid",
    "example.com:a%C2%A0": "did_path_invalid",
    # percent-encoding and characters that no DID has
    "example.com:%": "did_percent_encoding_invalid",
    "example.com:%2": "did_percent_encoding_invalid",
    "example.com:%zz": "did_percent_encoding_invalid",
    "example.com:%FF": "did_percent_encoding_invalid",
    "example.com:%C0%AF": "did_percent_encoding_invalid",
    "ex%C3%28mple.com": "did_percent_encoding_invalid",
    "example.com/path": "did_percent_encoding_invalid",
    "example.com#x": "did_percent_encoding_invalid",
    "example.com?x": "did_percent_encoding_invalid",
    "evil@example.com": "did_percent_encoding_invalid",
    "example.com\n": "did_percent_encoding_invalid",
    "exämple.com": "did_percent_encoding_invalid",
}


@pytest.mark.parametrize(("location", "url"), LEGAL.items())
def test_legal_places_become_one_url(location: str, url: str) -> None:
    """The URL is the one of the specification, for did:webvh and for the did:web beside it."""
    assert did_to_url(f"did:webvh:{SCID}:{location}") == url
    assert did_web_to_url(f"did:web:{location}") == url.removesuffix("l")


@pytest.mark.parametrize(("location", "code"), HOSTILE.items())
def test_hostile_places_are_refused(location: str, code: str) -> None:
    """No spelling of an address, a separator, a port or a dot segment gets through."""
    with pytest.raises(DidError) as refused:
        did_to_url(f"did:webvh:{SCID}:{location}")
    assert refused.value.code == code
    with pytest.raises(DidError):
        did_web_to_url(f"did:web:{location}")


@pytest.mark.parametrize(
    "did",
    [
        f"did:webvh:{SCID}",
        f"did:webvh:{SCID}:",
        f"did:webvh:{SCID[:-1]}:example.com",
        f"did:webvh:{SCID}1:example.com",
        f"did:webvh:{SCID[:-1]}0:example.com",
        "did:webvh:{SCID}:example.com",
        f"did:WEBVH:{SCID}:example.com",
        f"DID:webvh:{SCID}:example.com",
        f" did:webvh:{SCID}:example.com",
        "did:web:example.com",
        "",
    ],
)
def test_other_texts_are_no_did_webvh(did: str) -> None:
    """Only the prefix in lower case, 46 base58 characters and a place make a did:webvh DID."""
    with pytest.raises(DidError) as refused:
        did_to_url(did)
    assert refused.value.code == "webvh_did_malformed"


@given(st.text(max_size=40))
def test_no_text_leaves_the_origin(text: str) -> None:
    """Whatever follows the host, the URL keeps scheme and host, and never climbs or gains a query."""
    try:
        url = did_to_url(f"did:webvh:{SCID}:example.com:{text}")
    except DidError:
        return
    assert url.startswith("https://example.com/")
    assert url.endswith("/did.jsonl")
    assert not any(part in {"", ".", ".."} for part in url.removeprefix("https://").split("/"))
    assert not any(char in url for char in "?#@\\ \n")


@given(st.lists(st.text(min_size=1, max_size=8), max_size=3), st.none() | st.integers(1, 65_535))
def test_a_template_names_the_place_it_was_made_for(path: list[str], port: int | None) -> None:
    """A DID made for a host and a path is refused, or leads back to exactly that place."""
    try:
        template = did_template("agents.example.com", port=port, path=path)
    except (DidError, UnicodeEncodeError):
        return
    url = did_to_url(template.replace("{SCID}", SCID))
    assert url.count("/") == 3 + (len(path) or 1)


def test_a_did_web_document_must_be_of_the_did() -> None:
    """A host cannot answer for another DID."""
    assert parse_did_web_document("did:web:example.com", b'{"id":"did:web:example.com"}').id == "did:web:example.com"
    with pytest.raises(DidError) as refused:
        parse_did_web_document("did:web:example.com", b'{"id":"did:web:example.com:bob"}')
    assert refused.value.code == "did_document_id_mismatch"


def test_did_web_takes_no_other_method() -> None:
    """A did:webvh DID is not read as a did:web one."""
    with pytest.raises(DidError) as refused:
        did_web_to_url(f"did:webvh:{SCID}:example.com")
    assert refused.value.code == "did_web_malformed"
