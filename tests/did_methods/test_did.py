"""DIDs, DID URLs, and DIDs in request paths."""

from __future__ import annotations

from typing import Any

import pytest

from did_methods.did import (
    MAX_DID_CHARS,
    DidPathError,
    InvalidDidError,
    InvalidDidUrlError,
    parse_did,
    parse_did_url,
    split_did_path,
)
from did_methods.errors import DidError
from tests.did_methods.cases import cases


@pytest.mark.parametrize("case", cases("did-url", "valid", member="didUrl"))
def test_did_urls_have_the_parts_of_their_vector(case: dict[str, Any]) -> None:
    """Each DID URL splits into the parts written beside it, and none of it is lost."""
    url = parse_did_url(case["didUrl"])
    parts = (url.did.method, url.path, url.query, url.fragment)
    assert parts == (case["method"], case["path"], case["query"], case["fragment"])
    query = "" if url.query is None else f"?{url.query}"
    fragment = "" if url.fragment is None else f"#{url.fragment}"
    assert f"{url.did}{url.path}{query}{fragment}" == str(url) == case["didUrl"]
    assert parse_did(url.did.text) == url.did
    assert url.did.text == f"did:{url.did.method}:{url.did.method_specific_id}"


@pytest.mark.parametrize("case", cases("did-url", "invalid", member="didUrl"))
def test_other_texts_are_neither_did_urls_nor_dids(case: dict[str, Any]) -> None:
    """Each invalid text is refused as a DID URL with its code, and as a DID too."""
    with pytest.raises(InvalidDidUrlError) as refusal:
        parse_did_url(case["didUrl"])
    assert refusal.value.code == case["code"]
    with pytest.raises(InvalidDidError):
        parse_did(case["didUrl"])


@pytest.mark.parametrize("rest", ["/a", "?a", "#a", "/", "?", "#"])
def test_a_did_has_nothing_after_it(rest: str) -> None:
    """What follows a DID makes it a DID URL and no DID."""
    assert parse_did_url(f"did:example:1{rest}").did == parse_did("did:example:1")
    with pytest.raises(InvalidDidError):
        parse_did(f"did:example:1{rest}")


def test_length_limits_are_exact() -> None:
    """The longest DID parses, alone and in a URL, and one character more does not."""
    longest = "did:x:" + "a" * (MAX_DID_CHARS - 6)
    assert parse_did(longest).text == longest
    assert parse_did_url(f"{longest}#k").did.text == longest
    with pytest.raises(InvalidDidError):
        parse_did(longest + "a")
    with pytest.raises(InvalidDidUrlError):
        parse_did_url(f"{longest}a#k")
    with pytest.raises(InvalidDidUrlError):
        parse_did_url(f"{longest}#{'k' * MAX_DID_CHARS}")


def test_hostile_text_costs_no_more_than_its_length() -> None:
    """Text built to make a pattern try again and again is refused at once."""
    for text in (
        "did:x:" + ":" * 2_000,
        "did:x:" + "a:" * 1_000,
        "did:x:a/" + "%41" * 1_300 + "%",
        "did:x:a" + "/" * 4_000,
    ):
        with pytest.raises(InvalidDidError):
            parse_did(text)
    with pytest.raises(InvalidDidUrlError):
        parse_did_url("did:x:a" + "/a" * 2_000 + "\\")


@pytest.mark.parametrize("case", cases("did-url", "valid", member="rawPath"))
def test_paths_give_the_did_and_suffix_of_their_vector(case: dict[str, Any]) -> None:
    """However a client encodes the DID, the same DID and suffix come out."""
    found = split_did_path(case["rawPath"].encode(), prefix=case["prefix"], suffixes=case["suffixes"])
    assert found == (case["did"], case["suffix"])


@pytest.mark.parametrize("case", cases("did-url", "invalid", member="rawPath"))
def test_other_paths_are_refused_with_the_code_of_their_vector(case: dict[str, Any]) -> None:
    """Each path that holds no DID, two DIDs or an unknown suffix is refused with its code."""
    with pytest.raises(DidError) as refusal:
        split_did_path(case["rawPath"].encode(), prefix=case["prefix"], suffixes=case["suffixes"])
    assert refusal.value.code == case["code"]


def test_bytes_outside_ascii_are_refused() -> None:
    """Request paths are ASCII; other bytes come from no honest client."""
    with pytest.raises(DidPathError):
        split_did_path(b"/v1/agents/did:web:h\xc3\xb6st", prefix="/v1/agents/")


def test_without_suffixes_nothing_may_follow() -> None:
    """A route that names no suffix takes the DID alone."""
    assert split_did_path(b"/1.0/identifiers/did:key:z6Mk", prefix="/1.0/identifiers/") == ("did:key:z6Mk", "")
    with pytest.raises(DidPathError):
        split_did_path(b"/1.0/identifiers/did:key:z6Mk/events", prefix="/1.0/identifiers/")
