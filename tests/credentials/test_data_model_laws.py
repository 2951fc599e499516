"""What holds of every credential of the data model: what is read of it, its window, and that nothing else is ever raised."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import parse_json_object
from did_methods.errors import BonafidesError
from did_methods.timestamp import format_timestamp
from registry.credentials.data_model import AnyCredential, CredentialSchema, check_validity, parse_any_credential
from registry.credentials.data_model_errors import DataModelError
from registry.credentials.data_model_values import is_url
from registry.credentials.errors import ExpiredError, NotYetValidError
from registry.credentials.model import parse_credential
from registry.errors import ParseError
from tests.credentials.test_data_model import ACCEPTED, ISSUER, credential, old_credential, typed
from tests.support.vectors import published

NOON_MS = 1_795_176_000_000  # 2026-11-20T12:00:00Z
DAY_MS = 86_400_000

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=8) | st.just("https://example.org/x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "@value", "x"]), inner),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    [
        "@context", "id", "type", "issuer", "credentialSubject", "validFrom", "validUntil", "credentialStatus", "name",
        "credentialSchema", "termsOfUse", "evidence", "refreshService", "relatedResource", "description", "issuanceDate",
    ]
)  # fmt: skip


def test_everything_that_was_read() -> None:
    """A parsed credential holds what its document says, in one form whatever the spelling."""
    document = credential(
        id="urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008",
        issuer={"id": ISSUER},
        type=["ExampleCredential", "VerifiableCredential"],
        validFrom="2026-11-20T13:00:00.5+01:00",
        validUntil="2026-11-20T24:00:00-12:00",
        credentialStatus=typed(),
        credentialSchema={"id": "https://example.org/schema", "type": "JsonSchema"},
    )
    assert parse_any_credential(document) == AnyCredential(
        document=document,
        version="2.0",
        id="urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008",
        issuer=ISSUER,
        types=("ExampleCredential", "VerifiableCredential"),
        subjects=({"id": "did:example:subject"},),
        valid_from_ms=NOON_MS + 500,
        valid_until_ms=NOON_MS + DAY_MS,
        status_entries=(typed(),),
        schemas=(CredentialSchema("https://example.org/schema", ("JsonSchema",)),),
        related_resources=(),
    )


def test_times_of_the_older_model() -> None:
    """A 1.1 credential has its window in its own members, and a time without a zone is UTC."""
    read = parse_any_credential(
        old_credential(issuanceDate="2026-11-20T12:00:00", expirationDate="2026-11-20T13:00:00+01:00")
    )
    assert (read.version, read.valid_from_ms, read.valid_until_ms) == ("1.1", NOON_MS, NOON_MS)


@pytest.mark.parametrize(
    ("offset_ms", "error"), [(-1, NotYetValidError), (0, None), (1_000, None), (1_001, ExpiredError)]
)
def test_the_window_includes_both_its_ends(offset_ms: int, error: type[BonafidesError] | None) -> None:
    """A credential is valid from validFrom to validUntil, both included, and at no other instant."""
    read = parse_any_credential(
        credential(validFrom=format_timestamp(NOON_MS), validUntil=format_timestamp(NOON_MS + 1_000))
    )
    if error is None:
        check_validity(read, now_ms=NOON_MS + offset_ms)
    else:
        with pytest.raises(error):
            check_validity(read, now_ms=NOON_MS + offset_ms)


def test_skew_bends_the_beginning_only() -> None:
    """Who allows for wrong clocks accepts a credential of the near future, and never one that has ended."""
    read = parse_any_credential(
        credential(validFrom=format_timestamp(NOON_MS), validUntil=format_timestamp(NOON_MS + 1_000))
    )
    check_validity(read, now_ms=NOON_MS - 60_000, skew_ms=60_000)
    with pytest.raises(ExpiredError):
        check_validity(read, now_ms=NOON_MS + 1_001, skew_ms=60_000)


def test_no_window_is_no_limit() -> None:
    """A credential that states no times is valid at any."""
    for now_ms in (0, NOON_MS):
        check_validity(parse_any_credential(credential()), now_ms=now_ms)


@given(member=MEMBERS, value=JSON, older=st.booleans())
def test_any_value_is_read_or_refused_by_name(member: str, value: Any, older: bool) -> None:
    """Whatever stands in a member, the answer is a credential or an error of the data model, never another exception."""
    document = (old_credential if older else credential)(**{member: value})
    before = copy.deepcopy(document)
    parsed, path = _outcome(document)
    if parsed is None:
        assert path.startswith("/")
    else:
        assert is_url(parsed.issuer)
        assert parsed.subjects
    assert document == before


def _outcome(document: dict[str, Any]) -> tuple[AnyCredential | None, str]:
    try:
        return parse_any_credential(document), ""
    except DataModelError as refusal:
        return None, str(refusal.params["path"])


@given(text=st.text(max_size=30))
def test_urls_have_a_scheme_and_no_blanks(text: str) -> None:
    """Whatever is taken for a URL has a scheme, something after it, and no blank or control character anywhere."""
    for candidate in (text, f"https://{text}", f"urn:{text}"):
        if is_url(candidate):
            scheme, _, rest = candidate.partition(":")
            assert scheme.isascii()
            assert scheme[0].isalpha()
            assert rest
            assert not any(character.isspace() or ord(character) < 0x20 for character in candidate)


BLANKS = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]


def test_no_script_has_a_blank_for_urls() -> None:
    """Some were taken: those of other scripts, which look like the end of an address, or like nothing."""
    assert len(BLANKS) > 25
    assert [
        hex(ord(one)) for one in BLANKS for url in (f"urn:a{one}b", f"https://a.example/{one}") if is_url(url)
    ] == []
    assert is_url("https://a.example/\u00e9\u4e2d")


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_verifies_here_is_none_of_our_kinds(name: str) -> None:
    """The pinned kinds, which alone feed score and policy, have a parser of their own that takes none of these."""
    with pytest.raises(ParseError):
        parse_credential(ACCEPTED[name])


@pytest.mark.parametrize("suite", ["vc-di-eddsa", "vc-di-ecdsa"])
def test_published_credentials_are_of_the_data_model(suite: str) -> None:
    """Every credential among the published vectors of the proof suites is accepted, and each of both versions occurs."""
    read = [parse_any_credential(document) for document in _published_credentials(published(suite))]
    assert len(read) >= 10
    assert {found.version for found in read} <= {"2.0", "1.1"}
    assert {found.issuer for found in read} >= {"https://vc.example/issuers/5678"}


def _published_credentials(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.rglob("*.json")):
        try:
            document = parse_json_object(path.read_bytes())
        except BonafidesError:
            continue
        if "VerifiableCredential" in json.dumps(document.get("type")) and "issuer" in document:
            found.append(document)
    return found
