"""Status entries: one spelling of each, and everything else refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.errors import BonafidesError
from registry.credentials.status_entry import StatusEntry, entry_document, parse_status_entries, parse_status_entry
from tests.support.status import LIST_URL, MALFORMED, STATUS_LIST, entry, messages

BAD_INDEXES = [
    "-1",
    "-0",
    "+1",
    "1e3",
    "1E3",
    "1.0",
    "01",
    "00",
    "0x1",
    " 1",
    "1 ",
    "1\n",
    "1_000",
    "",
    "\u0663",
    "\uff11",
    "\u00b2",
    "NaN",
    str(2**63),
    "1" * 5_000,
    1,
    0,
    1.0,
    True,
    None,
    ["1"],
    {"value": "1"},
]


def test_the_least_and_the_most() -> None:
    """An entry with the required members only, and one with every member there is."""
    assert parse_status_entry(entry()) == StatusEntry("revocation", 94_567, LIST_URL)
    whole = entry(
        id="urn:uuid:11111111-1111-4111-8111-111111111111",
        statusPurpose="message",
        statusSize=2,
        statusMessage=list(reversed(messages(2))),
        statusReference=["https://issuer.example.com/a", "https://issuer.example.com/b"],
    )
    found = parse_status_entry(whole)
    assert found.messages == ("message 0", "message 1", "message 2", "message 3")
    assert (found.size, len(found.references), found.id) == (2, 2, whole["id"])


@pytest.mark.parametrize("index", ["0", "1", "131071", "9007199254740991"])
def test_an_index_has_one_spelling(index: str) -> None:
    """Decimal digits without a leading zero."""
    assert str(parse_status_entry(entry(statusListIndex=index)).index) == index


@pytest.mark.parametrize("index", BAD_INDEXES)
def test_every_other_index_is_malformed(index: Any) -> None:
    """Signs, exponents, leading zeros, other scripts' digits, numbers beyond any list, and what is no string."""
    with pytest.raises(BonafidesError) as caught:
        parse_status_entry(entry() | {"statusListIndex": index})
    assert (caught.value.code, caught.value.type_uri) == ("status_entry_invalid", MALFORMED)
    assert caught.value.params["member"] == "statusListIndex"


@pytest.mark.parametrize(
    ("members", "member"),
    [
        ({"type": None}, "type"),
        ({"type": ["BitstringStatusListEntry"]}, "type"),
        ({"statusPurpose": None}, "statusPurpose"),
        ({"statusPurpose": ""}, "statusPurpose"),
        ({"statusPurpose": ["revocation"]}, "statusPurpose"),
        ({"statusPurpose": "x" * 300}, "statusPurpose"),
        ({"statusListIndex": None}, "statusListIndex"),
        ({"statusListCredential": None}, "statusListCredential"),
        ({"statusListCredential": "lists/7"}, "statusListCredential"),
        ({"statusListCredential": "urn:uuid:7"}, "statusListCredential"),
        ({"statusListCredential": "https:///lists"}, "statusListCredential"),
        ({"statusListCredential": "https://[::1/lists"}, "statusListCredential"),
        ({"statusListCredential": "https://issuer.example.com/a b"}, "statusListCredential"),
        ({"statusListCredential": "https://issuer.example.com/lists#7"}, "statusListCredential"),
        ({"statusListCredential": "https://issuer.example.com/" + "x" * 3_000}, "statusListCredential"),
        ({"statusListCredential": {"id": LIST_URL}}, "statusListCredential"),
        ({"id": LIST_URL}, "id"),
        ({"id": "no url"}, "id"),
        ({"id": 7}, "id"),
        ({"statusSize": 0}, "statusSize"),
        ({"statusSize": -1}, "statusSize"),
        ({"statusSize": 9}, "statusSize"),
        ({"statusSize": "1"}, "statusSize"),
        ({"statusSize": 1.0}, "statusSize"),
        ({"statusSize": True}, "statusSize"),
        ({"statusSize": 2}, "statusMessage"),
        ({"statusSize": 2, "statusMessage": messages(1)}, "statusMessage"),
        ({"statusSize": 2, "statusMessage": messages(3)}, "statusMessage"),
        ({"statusMessage": []}, "statusMessage"),
        ({"statusMessage": {"status": "0x0"}}, "statusMessage"),
        ({"statusMessage": ["0x0", "0x1"]}, "statusMessage"),
        ({"statusMessage": [{"status": "0x0", "message": "a"}] * 2}, "statusMessage"),
        ({"statusMessage": [{"status": "0", "message": "a"}, {"status": "1", "message": "b"}]}, "statusMessage"),
        ({"statusMessage": [{"status": 0, "message": "a"}, {"status": 1, "message": "b"}]}, "statusMessage"),
        ({"statusMessage": [{"status": "0x0"}, {"status": "0x1"}]}, "statusMessage"),
        ({"statusMessage": [{"status": "0x0", "message": "a"}, {"status": "0x2", "message": "b"}]}, "statusMessage"),
        ({"statusReference": []}, "statusReference"),
        ({"statusReference": 7}, "statusReference"),
        ({"statusReference": "dictionary"}, "statusReference"),
        ({"statusReference": [LIST_URL] * 17}, "statusReference"),
    ],
)
def test_a_wrong_member_is_named(members: dict[str, Any], member: str) -> None:
    """Each missing or malformed member is refused under its name."""
    with pytest.raises(BonafidesError) as caught:
        parse_status_entry(entry(**members))
    assert (caught.value.code, caught.value.params["member"]) == ("status_entry_invalid", member)


@pytest.mark.parametrize("value", [None, "x", 7, [], ["x"]])
def test_what_is_no_object_is_no_entry(value: Any) -> None:
    """An entry is a JSON object."""
    with pytest.raises(BonafidesError) as caught:
        parse_status_entry(value)
    assert caught.value.code == "status_entry_invalid"


def test_a_status_of_another_type_is_not_passed_over() -> None:
    """A status that nothing here reads is refused, alone and beside one that is read."""
    other = {"type": "StatusList2021Entry", "statusListIndex": "1"}
    for value in (other, [other], [entry(), other]):
        with pytest.raises(BonafidesError) as caught:
            parse_status_entries(value, most=8)
        assert caught.value.code == "status_type_unsupported"
        assert caught.value.type_uri == STATUS_LIST + "STATUS_VERIFICATION_ERROR"


def test_the_number_of_entries_is_bounded() -> None:
    """One entry or a short list of them; none and too many are malformed."""
    assert len(parse_status_entries(entry(), most=8)) == 1
    assert len(parse_status_entries([entry()] * 8, most=8)) == 8
    for value in ([], [entry()] * 9, None):
        with pytest.raises(BonafidesError) as caught:
            parse_status_entries(value, most=8)
        assert caught.value.code == "status_entry_invalid"


@given(
    st.sampled_from(["revocation", "suspension", "message", "anything"]),
    st.integers(0, 9_999_999_999_999_999),
    st.integers(1, 8),
)
def test_an_entry_written_is_the_entry_read(purpose: str, index: int, size: int) -> None:
    """Writing and parsing an entry gives it back, whatever its size."""
    texts = tuple(f"m{value}" for value in range(2**size))
    for one in (StatusEntry(purpose, index, LIST_URL), StatusEntry(purpose, index, LIST_URL, size, texts, (LIST_URL,))):
        assert parse_status_entry(entry_document(one)) == one
