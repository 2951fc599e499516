"""Disclosure files: they open exactly what their own public document commits to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json, parse_json_object
from did_methods.errors import BonafidesError
from registry.credentials.commitments import make_disclosure
from registry.credentials.disclosure_file import (
    DisclosureFile,
    make_disclosure_file,
    parse_disclosure_file,
    verify_disclosure_file,
)
from registry.credentials.model import parse_credential
from tests.credentials.builders import DIGESTS, changed, report, resigned, vouch
from tests.credentials.parties import AGENT
from tests.credentials.test_commitments import JSON

OPENINGS = [
    make_disclosure(name, value, salt=DIGESTS[at])
    for at, (name, value) in enumerate({"invoice": "2026-117", "cents": 4200}.items())
]
PUBLIC = report(commitments=[one.digest for one in OPENINGS])
WIRE = parse_json_object(make_disclosure_file(PUBLIC, OPENINGS).to_wire())


def _code(document: dict[str, Any], wire: dict[str, Any] | bytes) -> str:
    data = wire if isinstance(wire, bytes) else canonicalize(wire)
    with pytest.raises(BonafidesError) as caught:
        verify_disclosure_file(parse_disclosure_file(data), document)
    return caught.value.code


def _with(text: str) -> dict[str, Any]:
    return {**WIRE, "disclosures": [text, WIRE["disclosures"][1]]}


def _altered(at: int, value: Any) -> str:
    parts = parse_json(base64url_decode(WIRE["disclosures"][0], max_chars=8_192))
    assert isinstance(parts, list)
    parts[at] = value
    return base64url_encode(canonicalize(parts))


def test_a_file_opens_its_document() -> None:
    """All names and values come back, whoever signed the document again and in whatever order it is read."""
    file = parse_disclosure_file(canonicalize(WIRE))
    for document in (PUBLIC, resigned(PUBLIC, AGENT), dict(reversed(PUBLIC.items()))):
        found = verify_disclosure_file(file, document)
        assert {one.name: one.value for one in found} == {"invoice": "2026-117", "cents": 4200}
    assert file.event_id == parse_credential(PUBLIC).event_id


def test_a_part_of_the_openings_may_be_shown() -> None:
    """Whoever hands on one opening says nothing of the others."""
    file = make_disclosure_file(PUBLIC, OPENINGS[1:])
    assert [one.name for one in verify_disclosure_file(file, PUBLIC)] == ["cents"]


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, base64url_encode(DIGESTS[5])), (1, "account"), (2, "2026-118"), (2, 0), (1, "invoicé")],
    ids=["salt", "name", "value", "type of value", "letter"],
)
def test_tampered_openings_are_refused(at: int, value: Any) -> None:
    """Another salt, name or value has another digest, which the public document does not have."""
    assert _code(PUBLIC, _with(_altered(at, value))) == "commitment_not_found"


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"{", "disclosure_file_malformed"),
        ({**WIRE, "format": "bonafides/disclosures/2"}, "disclosure_file_malformed"),
        ({**WIRE, "more": 1}, "disclosure_file_malformed"),
        ({"format": WIRE["format"], "event": WIRE["event"]}, "disclosure_file_malformed"),
        ({**WIRE, "event": WIRE["event"][:-1]}, "disclosure_file_malformed"),
        ({**WIRE, "event": 1}, "disclosure_file_malformed"),
        ({**WIRE, "disclosures": []}, "disclosure_file_malformed"),
        ({**WIRE, "disclosures": [1]}, "disclosure_file_malformed"),
        ({**WIRE, "disclosures": WIRE["disclosures"] * 33}, "disclosure_file_malformed"),
        ({**WIRE, "disclosures": ["!"]}, "disclosure_invalid"),
        ({**WIRE, "disclosures": [WIRE["disclosures"][0]] * 2}, "disclosure_repeated"),
        (_with(_altered(1, "cents")), "disclosure_repeated"),
        ({**WIRE, "event": base64url_encode(DIGESTS[0])}, "disclosure_event_mismatch"),
    ],
)
def test_what_is_no_file_of_this_document(wire: dict[str, Any] | bytes, code: str) -> None:
    """Another format, duplicates, an opening of the same name, another event: each has its code."""
    assert _code(PUBLIC, wire) == code


def test_openings_do_not_move_to_another_document() -> None:
    """The same commitments in another statement are another event."""
    assert _code(changed(PUBLIC, "credentialSubject", "severity", value=1), WIRE) == "disclosure_event_mismatch"
    assert _code(vouch(), WIRE) == "disclosure_event_mismatch"


def test_no_file_is_made_that_would_not_verify() -> None:
    """Whoever writes one learns at once that an opening is not the document's."""
    stranger = make_disclosure("else", 1, salt=DIGESTS[6])
    with pytest.raises(BonafidesError) as caught:
        make_disclosure_file(PUBLIC, [stranger])
    assert caught.value.code == "commitment_not_found"


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), JSON, min_size=1, max_size=5
    )
)
def test_files_round_trip(private: dict[str, Any]) -> None:
    """Whatever is committed to, the file gives it back to the letter, and writing it again gives the same bytes."""
    openings = [make_disclosure(name, value, salt=bytes([at]) * 32) for at, (name, value) in enumerate(private.items())]
    document = report(commitments=[one.digest for one in openings])
    data = make_disclosure_file(document, openings).to_wire()
    file = parse_disclosure_file(data)
    assert isinstance(file, DisclosureFile)
    assert file.to_wire() == data
    assert {one.name: one.value for one in verify_disclosure_file(file, document)} == private
