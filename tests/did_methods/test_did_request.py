"""What is asked of a resolver: identifiers out of request paths, parameters, options."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.did import InvalidDidError, InvalidDidUrlError, parse_did_url
from did_methods.did_request import (
    MAX_IDENTIFIER_CHARS,
    MAX_OPTION_CHARS,
    OptionInvalidError,
    OptionUnsupportedError,
    ParameterRepeatedError,
    RequestError,
    is_did_url,
    json_options,
    parse_request,
    read_identifier,
    split_query,
)
from did_methods.errors import DidError
from did_methods.resolver import ResolutionOptionsError

NOW_MS = 1_795_165_200_000
DID = "did:webvh:QmX:host.example%3A8000:agents:alice"

_SEGMENT = st.text("abcXYZ019._-", min_size=1, max_size=8)
_ESCAPE = st.sampled_from(["%3A", "%2F", "%23", "%3F", "%25"])
_DIDS = st.builds(
    lambda method, parts: f"did:{method}:{':'.join(parts)}",
    st.sampled_from(["web", "webvh", "key", "x1"]),
    st.lists(
        st.builds("".join, st.lists(st.one_of(_SEGMENT, _ESCAPE), min_size=1, max_size=3)), min_size=1, max_size=4
    ),
)
_URLS = st.builds(
    lambda did, path, query, fragment: did + path + query + fragment,
    _DIDS,
    st.sampled_from(["", "/a", "/a/b%2Fc", "/whois"]),
    st.sampled_from(["", "?service=files", "?versionId=1-Q&service=a%26b", "?relativeRef=%2Fx%3Fy"]),
    st.sampled_from(["", "#key-1", "#a%2Fb?c/d"]),
)


# ---------------------------------------------------------------- identifiers


@given(_URLS)
def test_an_encoded_did_url_is_read_as_it_was_meant(url: str) -> None:
    """Whatever stands in a DID URL, encoding all of it and reading it once gives it back."""
    assert read_identifier(quote(url, safe="").encode()) == url
    assert parse_did_url(url).text == url


@given(_URLS)
def test_a_did_url_whose_colons_were_left_alone_is_read_too_or_refused(url: str) -> None:
    """Clients that take colons for harmless are understood wherever their spelling says that they encoded."""
    sent = quote(url, safe=":")
    if any(mark in url for mark in "%?#") or "/" not in url:
        assert read_identifier(sent.encode()) == url
    else:
        assert read_identifier(sent.encode()) == sent  # a slash alone may as well belong to the DID


@given(_DIDS)
def test_a_plain_did_stays_as_it_is_or_is_refused(did: str) -> None:
    """A plain DID is not decoded, unless its escapes are of what would have been a delimiter."""
    marks = any(escape in did for escape in ("%23", "%3F", "%25"))
    if not marks:
        assert read_identifier(did.encode()) == did


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused_with_a_code(raw: bytes) -> None:
    """Nothing of what a path may hold raises anything else."""
    with suppress(DidError):
        parse_request(read_identifier(raw), [], now_ms=NOW_MS)


@pytest.mark.parametrize(
    "raw",
    [
        b"did%3Aweb:host",
        b"did%3aweb%3Ahost:8000",
        b"did:web:host%3A8000%23key",
        b"did:web:host%3A8000%3Fservice=files",
        b"did%3Aweb%3Ahost%",
        b"did%3Aweb%3Ahost%2",
        b"did%3Aweb%3Ahost%zz",
        b"did%3Aweb%3A%ff",
        "did:web:h\u00f6st".encode(),
        b"d" * (MAX_IDENTIFIER_CHARS + 1),
    ],
)
def test_what_could_be_two_identifiers_is_none(raw: bytes) -> None:
    """Half-encoded, broken and overlong identifiers are refused, not guessed at."""
    with pytest.raises(InvalidDidError):
        read_identifier(raw)


def test_an_identifier_is_decoded_once_only() -> None:
    """What is encoded twice is still encoded after reading, and then no DID."""
    text = read_identifier(quote(quote(DID, safe=""), safe="").encode())
    assert text == quote(DID, safe="")
    with pytest.raises(InvalidDidError):
        parse_request(text, [], now_ms=NOW_MS)


def test_meant_as_a_did_or_as_a_did_url() -> None:
    """The characters of DID URL syntax tell what was meant, also where neither is valid."""
    assert [is_did_url(text) for text in ("did:x:y", "nothing", "did:x:y#", "a/b", "did:x:y?z")] == [
        False,
        False,
        True,
        True,
        True,
    ]


# ---------------------------------------------------------------- parameters and options


def test_a_request_of_everything() -> None:
    """Parameters and options are read from both places into one demand."""
    request = parse_request(
        f"{DID}?service=files&versionNumber=2",
        [("relativeRef", "/a b"), ("versionTime", "2026-01-01T00:00:00+01:00"), ("accept", "text/uri-list")],
        now_ms=NOW_MS,
    )
    assert (request.did.text, request.path, request.fragment) == (DID, "", None)
    assert (request.service, request.relative_ref, request.accept) == ("files", "/a b", "text/uri-list")
    assert (request.version.version_number, request.version.version_time_ms) == (2, 1_767_222_000_000)
    assert request.version.now_ms == NOW_MS
    assert (request.selects_service, request.is_whole) == (True, False)
    whole = parse_request(DID, [], now_ms=NOW_MS)
    assert (whole.selects_service, whole.is_whole, whole.version.version_number) == (False, True, None)


@pytest.mark.parametrize(
    ("identifier", "options", "error"),
    [
        ("did:x", [], InvalidDidError),
        ("did:x:y/^", [], InvalidDidUrlError),
        (f"{DID}?versionId=1&versionId=1", [], ParameterRepeatedError),
        (f"{DID}?unknown=1", [], OptionUnsupportedError),
        (f"{DID}?noCache=true", [], OptionUnsupportedError),  # an option, no parameter of a DID URL
        (f"{DID}?unknown=1#key", [], OptionUnsupportedError),
        (DID, [("unknown", "1")], OptionUnsupportedError),
        (DID, [("hl", "en")], OptionUnsupportedError),
        (f"{DID}#key", [("hl", "en")], OptionUnsupportedError),
        (DID, [("noCache", "true")], OptionUnsupportedError),
        (DID, [("enableEncryptionKeyDerivation", "true")], OptionUnsupportedError),
        (DID, [("noCache", "1")], OptionInvalidError),
        (DID, [("versionId", "1"), ("versionId", "1")], OptionInvalidError),
        (f"{DID}?versionId=1", [("versionId", "1")], OptionInvalidError),
        (DID, [("", "1")], OptionInvalidError),
        (DID, [("versionId", "v" * (MAX_OPTION_CHARS + 1))], OptionInvalidError),
        (DID, [("v" * (MAX_OPTION_CHARS + 1), "")], OptionInvalidError),
        (DID, [("versionId", "")], ResolutionOptionsError),
        (DID, [("versionId", "1&versionNumber=2")], ResolutionOptionsError),
        (DID, [("versionId", "1%2d")], ResolutionOptionsError),
        (DID, [("versionNumber", "01")], ResolutionOptionsError),
        (DID, [("versionTime", "now")], ResolutionOptionsError),
        (DID, [("relativeRef", "/a")], OptionInvalidError),
        (f"{DID}/a?service=files", [], InvalidDidUrlError),
        (f"{DID}/a", [("serviceType", "x")], InvalidDidUrlError),
        (DID, [("verificationRelationship", "assertionMethod")], OptionInvalidError),
        (f"{DID}/a#key", [("verificationRelationship", "assertionMethod")], OptionInvalidError),
        (f"{DID}#key", [("verificationRelationship", "signing")], OptionInvalidError),
    ],
)
def test_refused_requests(identifier: str, options: list[tuple[str, str]], error: type[DidError]) -> None:
    """What is unknown, repeated, malformed or contradicts itself is refused, each with its own class."""
    with pytest.raises(error) as refused:
        parse_request(identifier, options, now_ms=NOW_MS)
    assert type(refused.value) is error


def test_an_unknown_option_beside_a_fragment_is_ignored_by_name() -> None:
    """A part was chosen by its fragment, so the option could have changed nothing."""
    request = parse_request(f"{DID}#key", [("unknown", "1"), ("noCache", "false")], now_ms=NOW_MS)
    assert (request.ignored, request.fragment) == (("unknown",), "key")


def test_an_empty_fragment_names_nothing() -> None:
    """A hash sign with nothing behind it leaves the whole document."""
    assert parse_request(f"{DID}#", [], now_ms=NOW_MS).is_whole


def test_a_query_is_decoded_once_and_plus_is_plus() -> None:
    """Values are percent-decoded, not form-decoded: a time zone keeps its sign."""
    assert split_query("") == []
    assert split_query("a=1+2&b=%2B%2525&c&d=x=y") == [("a", "1+2"), ("b", "+%25"), ("c", ""), ("d", "x=y")]
    with pytest.raises(OptionInvalidError):
        split_query("a=%ff")


def test_options_as_json() -> None:
    """Texts, whole numbers and truth values have one text each; anything else is no option."""
    assert json_options({"a": "x", "b": 1, "c": True, "d": False}) == [
        ("a", "x"),
        ("b", "1"),
        ("c", "true"),
        ("d", "false"),
    ]
    for value in (None, 1.5, [], {}):
        with pytest.raises(OptionInvalidError):
            json_options({"a": value})


def test_every_refusal_knows_its_keyword() -> None:
    """The base stands for no refusal of its own, and each leaf has a keyword and a code."""
    for error in RequestError.__subclasses__():
        assert error.keyword
        assert error.code != RequestError.code
