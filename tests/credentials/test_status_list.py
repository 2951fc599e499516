"""Packed statuses: against a naive model, and everything that is not a sound list."""

from __future__ import annotations

import base64
import gzip
import random
import tracemalloc
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from did_methods.codec import base64url_encode
from did_methods.errors import BonafidesError
from registry.credentials.status_entry import parse_status_entry
from registry.credentials.status_list import (
    StatusList,
    StatusReading,
    check_reading,
    check_status_list,
    decode_status_list,
    encode_status_list,
    parse_status_list,
    read_bits,
    read_status,
    write_bits,
)
from tests.support.status import ENTRIES, LIST_URL, MALFORMED, STATUS_LIST, encode, entry, list_document, messages, pack

MOST = 1 << 21
ISSUER = "did:example:issuer"
PUBLISHED = (
    "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"  # VC-BITSTRING-STATUS-LIST example 3
)


# ---------------------------------------------------------------- bits


@given(st.integers(1, 8), st.dictionaries(st.integers(0, 255), st.integers(0, 255), max_size=40))
def test_bits_are_those_of_the_naive_list(size: int, values: dict[int, int]) -> None:
    """What is written is what a string of binary digits holds, whatever the size, and reading gives it back."""
    wanted = {index: value % 2**size for index, value in values.items()}
    bits = bytearray(32 * size)
    for index in wanted:  # over something else, so that zeros are written too
        write_bits(bits, index, size, 2**size - 1)
    for index, value in wanted.items():
        write_bits(bits, index, size, value)
    assert bits == pack(wanted, entries=256, size=size)
    assert [read_bits(bits, index, size) for index in range(256)] == [wanted.get(index, 0) for index in range(256)]


def test_the_first_index_is_the_leftmost_bit() -> None:
    """Index 0 is 0x80 of the first byte, the last index is 0x01 of the last."""
    bits = bytearray(ENTRIES // 8)
    write_bits(bits, 0, 1, 1)
    write_bits(bits, ENTRIES - 1, 1, 1)
    assert (bits[0], bits[-1], sum(bits)) == (0x80, 0x01, 0x81)


# ---------------------------------------------------------------- encoding


@settings(max_examples=60)
@given(st.binary(max_size=4_096), st.integers(1, 64))
def test_decoding_undoes_encoding(data: bytes, times: int) -> None:
    """Any bytes come back, from our encoder and from the standard library's, and equal bits give equal text."""
    bits = data * times
    assert decode_status_list(encode_status_list(bits), max_bytes=MOST) == bits
    assert decode_status_list(encode(bits), max_bytes=MOST) == bits
    assert gzip.decompress(_packed(encode_status_list(bits))) == bits
    assert encode_status_list(bytes(bits)) == encode_status_list(bytearray(bits))


def _packed(encoded: str) -> bytes:
    return base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4))


def test_the_published_list_is_read() -> None:
    """The specification's own example unpacks to 131,072 zeros."""
    assert decode_status_list(PUBLISHED, max_bytes=MOST) == bytes(ENTRIES // 8)


def test_nothing_of_the_machine_is_in_the_text() -> None:
    """The GZIP header has no time, no name, no flags and no system, whoever packs."""
    assert _packed(encode_status_list(bytes(16_384)))[:10].hex() == "1f8b08000000000000ff"


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (PUBLISHED[1:], "status_list_encoding"),  # no multibase
        ("z" + PUBLISHED[1:], "status_list_encoding"),
        ("m" + PUBLISHED[1:], "status_list_encoding"),
        ("", "status_list_encoding"),
        ("u", "status_list_encoding"),
        (PUBLISHED + "=", "status_list_encoding"),
        (PUBLISHED + "\n", "status_list_encoding"),
        (PUBLISHED.replace("-", "+"), "status_list_encoding"),
        (PUBLISHED[:-4], "status_list_encoding"),  # cut in the trailer
        (PUBLISHED[:40], "status_list_encoding"),  # cut in the data
        (PUBLISHED[:-6] + "AAQAAA", "status_list_encoding"),  # another checksum
        ("u" + base64url_encode(zlib.compress(bytes(16_384))), "status_list_encoding"),
        ("u" + base64url_encode(gzip.compress(b"x" * 16_384, mtime=1) + b"\0"), "status_list_encoding"),
        ("u" + base64url_encode(gzip.compress(b"x" * 16_384, mtime=1) * 2), "status_list_encoding"),  # two members
        ("u" + base64url_encode(gzip.compress(bytes(MOST + 1), mtime=1)), "status_list_too_large"),
        ("u" + "A" * (MOST * 2), "status_list_encoding"),
    ],
)
def test_what_is_not_one_whole_member_is_refused(encoded: str, code: str) -> None:
    """Another base or packing, a cut, something behind the end, or too much of it: each is refused with its code."""
    with pytest.raises(BonafidesError) as caught:
        decode_status_list(encoded, max_bytes=MOST)
    assert caught.value.code == code
    assert caught.value.type_uri is not None


def test_a_bomb_is_dropped_at_the_cap() -> None:
    """A quarter of a gigabyte in a quarter of a megabyte of text never takes more memory than the cap and the text."""
    bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(bomb.compress(bytes(1 << 24)) for _ in range(16)) + bomb.flush()
    encoded = "u" + base64url_encode(packed)
    tracemalloc.start()
    with pytest.raises(BonafidesError) as caught:
        decode_status_list(encoded, max_bytes=MOST)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "status_list_too_large"
    assert peak < 3 * MOST + 4 * len(encoded)


# ---------------------------------------------------------------- the credential


def test_a_list_is_read_whole() -> None:
    """Issuer, purposes, bits and times come out as they went in; an issuer may be an object, purposes a list."""
    document = list_document(
        ISSUER,
        bits=pack({5: 1}),
        validUntil="2026-11-21T00:00:00Z",
        subject={"statusPurpose": ["revocation", "suspension"], "ttl": 60_000, "statusSize": 1},
    )
    found = parse_status_list(document | {"issuer": {"id": ISSUER, "name": "x"}}, max_bytes=MOST)
    assert (found.issuer, found.purposes, found.ttl_ms) == (ISSUER, {"revocation", "suspension"}, 60_000)
    assert (found.id, found.size, found.valid_until_ms) == (LIST_URL, 1, 1_795_219_200_000)
    assert read_bits(found.bits, 5, 1) == 1


@pytest.mark.parametrize(
    ("members", "subject"),
    [
        ({"type": None}, {}),
        ({"type": "BitstringStatusListCredential"}, {}),
        ({"type": ["VerifiableCredential"]}, {}),
        ({"type": ["BitstringStatusListCredential"]}, {}),
        ({"type": ["VerifiableCredential", "StatusList2021Credential"]}, {}),
        ({"credentialSubject": None}, {}),
        ({"credentialSubject": []}, {}),
        ({"credentialSubject": "x"}, {}),
        ({}, {"type": None}),
        ({}, {"type": ["BitstringStatusList"]}),
        ({}, {"type": "StatusList2021"}),
        ({}, {"encodedList": None}),
        ({}, {"encodedList": 7}),
        ({}, {"encodedList": ["u"]}),
        ({}, {"statusPurpose": None}),
        ({}, {"statusPurpose": ""}),
        ({}, {"statusPurpose": []}),
        ({}, {"statusPurpose": [1]}),
        ({}, {"statusPurpose": ["revocation"] * 17}),
        ({}, {"ttl": "60000"}),
        ({}, {"ttl": -1}),
        ({}, {"ttl": True}),
        ({}, {"ttl": 1.5}),
        ({}, {"statusSize": 0}),
        ({}, {"statusSize": 9}),
        ({"issuer": None}, {}),
        ({"issuer": {}}, {}),
        ({"issuer": ["did:example:issuer"]}, {}),
        ({"id": 7}, {}),
        ({"validFrom": "yesterday"}, {}),
        ({"validFrom": 7}, {}),
        ({"validUntil": "2026-11-21T00:00:00"}, {}),
        ({"credentialStatus": {"type": "BitstringStatusListEntry"}}, {}),
    ],
)
def test_a_list_that_is_no_list_is_refused(members: dict[str, Any], subject: dict[str, Any]) -> None:
    """Each missing or wrong member of a list credential is a malformed value."""
    document = list_document(ISSUER, **({"subject": subject} | members))
    with pytest.raises(BonafidesError) as caught:
        parse_status_list(document, max_bytes=MOST)
    assert (caught.value.code, caught.value.type_uri) == ("status_list_malformed", MALFORMED)


# ---------------------------------------------------------------- reading


def _list(bits: bytes, **more: Any) -> StatusList:
    return StatusList(LIST_URL, ISSUER, frozenset({"revocation", "suspension", "message"}), bits, **more)


def test_a_status_is_read() -> None:
    """A bit that is set ends the credential, one that is not does not; a message has its text and ends nothing."""
    bits = pack({3: 1})
    assert read_status(_list(bits), parse_status_entry(entry(statusListIndex="4"))) == StatusReading(
        "revocation", 0, valid=True, message="unset"
    )
    found = read_status(_list(bits), parse_status_entry(entry(statusListIndex="3")))
    assert (found.status, found.valid, found.message, found.ends) == (1, False, "set", True)
    told = entry(statusPurpose="message", statusSize=4, statusMessage=messages(4), statusListIndex="9")
    found = read_status(_list(pack({9: 11}, size=4)), parse_status_entry(told))
    assert (found.status, found.valid, found.message, found.ends) == (11, False, "message 11", False)


@pytest.mark.parametrize(
    ("listed", "index", "size", "code", "kind"),
    [
        (_list(bytes(16_383)), "0", 1, "status_list_too_short", STATUS_LIST + "STATUS_LIST_LENGTH_ERROR"),
        (_list(b""), "0", 1, "status_list_too_short", STATUS_LIST + "STATUS_LIST_LENGTH_ERROR"),
        (_list(bytes(16_384)), "0", 2, "status_list_too_short", STATUS_LIST + "STATUS_LIST_LENGTH_ERROR"),
        (_list(bytes(16_384)), "131072", 1, "status_index_out_of_range", MALFORMED.replace("MALFORMED_VALUE", "RANGE")),
        (_list(bytes(32_768)), "131072", 2, "status_index_out_of_range", MALFORMED.replace("MALFORMED_VALUE", "RANGE")),
        (_list(bytes(32_768), size=2), "0", 1, "status_size_mismatch", STATUS_LIST + "STATUS_VERIFICATION_ERROR"),
    ],
)
def test_what_a_list_does_not_hold_is_not_read(listed: StatusList, index: str, size: int, code: str, kind: str) -> None:
    """A list that is too short, an index beyond its end, entries of another size: each with the W3C's type."""
    asked = entry(statusListIndex=index, statusSize=size, statusMessage=messages(size))
    with pytest.raises(BonafidesError) as caught:
        read_status(listed, parse_status_entry(asked))
    assert (caught.value.code, caught.value.type_uri) == (code, kind)


def test_the_last_index_is_read() -> None:
    """The entry before the first one out of range is in range, at every size."""
    for size in range(1, 9):
        asked = entry(statusListIndex=str(ENTRIES - 1), statusSize=size, statusMessage=messages(size))
        bits = bytearray(ENTRIES // 8 * size)
        write_bits(bits, ENTRIES - 1, size, 2**size - 1)
        assert read_status(_list(bytes(bits)), parse_status_entry(asked)).status == 2**size - 1


def test_a_purpose_that_the_list_has_not_is_refused() -> None:
    """A suspension list says nothing of revocations."""
    with pytest.raises(BonafidesError) as caught:
        read_status(_list(bytes(16_384)), parse_status_entry(entry(statusPurpose="refresh")))
    assert caught.value.code == "status_purpose_mismatch"
    assert caught.value.type_uri == STATUS_LIST + "STATUS_VERIFICATION_ERROR"


@pytest.mark.parametrize(
    ("changed", "issuer", "now_ms", "code"),
    [
        ({}, ISSUER, 1_000, None),
        ({"id": None}, ISSUER, 1_000, None),
        ({"id": LIST_URL + "8"}, ISSUER, 1_000, "status_list_id_mismatch"),
        ({}, "did:example:other", 1_000, "status_list_issuer_mismatch"),
        ({}, "did:example:allowed", 1_000, None),
        ({"valid_from_ms": 1_000}, ISSUER, 1_000, None),
        ({"valid_from_ms": 1_001}, ISSUER, 1_000, "status_list_not_valid"),
        ({"valid_until_ms": 1_001}, ISSUER, 1_000, None),
        ({"valid_until_ms": 1_000}, ISSUER, 1_000, "status_list_not_valid"),
    ],
)
def test_a_list_must_be_the_one_meant(changed: dict[str, Any], issuer: str, now_ms: int, code: str | None) -> None:
    """Its id, its issuer and its validity are judged at the instant of the question; who may differ has to be said."""
    listed = replace(_list(b""), **changed)
    pairs = frozenset({("did:example:allowed", ISSUER)})
    asked = parse_status_entry(entry())
    if code is None:
        check_status_list(listed, asked, issuer=issuer, now_ms=now_ms, other_issuers=pairs)
        return
    with pytest.raises(BonafidesError) as caught:
        check_status_list(listed, asked, issuer=issuer, now_ms=now_ms, other_issuers=pairs)
    assert (caught.value.code, caught.value.type_uri) == (code, STATUS_LIST + "STATUS_VERIFICATION_ERROR")


@pytest.mark.parametrize(
    ("purpose", "code"),
    [
        ("revocation", "credential_revoked"),
        ("suspension", "credential_suspended"),
        ("recall", "credential_status_set"),
        ("refresh", None),
        ("message", None),
    ],
)
def test_what_a_set_status_means(purpose: str, code: str | None) -> None:
    """Revocation, suspension and what nobody knows end a credential; refresh and message do not, and 0 never does."""
    check_reading(StatusReading(purpose, 0, valid=True, message=""))
    found = StatusReading(purpose, 1, valid=False, message="")
    if code is None:
        check_reading(found)
        return
    with pytest.raises(BonafidesError) as caught:
        check_reading(found)
    assert caught.value.code == code


def test_random_lists_agree_with_the_model() -> None:
    """A full-length list with random statuses reads as the model says, through packing and unpacking."""
    random.seed(4)
    values = {random.randrange(ENTRIES): random.randrange(4) for _ in range(2_000)}
    document = list_document(ISSUER, bits=pack(values, size=2))
    listed = parse_status_list(document, max_bytes=MOST)
    for index in [*values, *(random.randrange(ENTRIES) for _ in range(500))]:
        asked = parse_status_entry(entry(statusListIndex=str(index), statusSize=2, statusMessage=messages(2)))
        assert read_status(listed, asked).status == values.get(index, 0)
