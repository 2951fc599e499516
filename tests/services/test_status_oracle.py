"""An independent implementation reads our lists, and we read the lists that it makes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from openvc.proof.di_jcs import EddsaJcsProofSuite
from openvc.status.bitstring import (
    StatusListError,
    decode_bitstring,
    encode_bitstring,
    get_status_bit,
    new_bitstring,
    set_status_bit,
)
from openvc.status.issue import build_status_list_credential, build_status_list_entry
from openvc.status.status_list import check_credential_status

from did_methods.errors import BonafidesError
from registry.credentials.status_entry import parse_status_entry
from registry.credentials.status_list import decode_status_list, encode_status_list, parse_status_list, read_status
from registry.storage.engine import open_database
from tests.support.status import ENTRIES, LIST_URL, Lists, entry

pytestmark = pytest.mark.oracle

SUITE = EddsaJcsProofSuite()


@pytest.fixture
def lists() -> Iterator[Lists]:
    """Open a status service over an empty database."""
    database = open_database("sqlite://")
    made = Lists(database)
    yield made
    made.service.close()
    database.close()


def test_they_read_what_we_publish(lists: Lists) -> None:
    """Of forty credentials they see exactly those revoked and suspended that are, and our proofs verify with them."""
    random.seed(11)
    issued, wanted = [], []
    for number in range(40):
        entries = lists.service.allocate(
            purposes=("revocation", "suspension"), issuer=lists.issuer, credential_id=f"urn:uuid:{number}"
        )
        issued.append({"credentialStatus": entries})
        wanted.append((random.random() < 0.4, random.random() < 0.4))
        for one, value in zip(entries, wanted[-1], strict=True):
            lists.service.set_status(credential_id=None, entry=one, value=value)

    def resolve(url: str) -> dict[str, Any]:
        document = lists.service.list_credential(url.rpartition("/")[2])
        now = datetime.fromtimestamp(lists.clock.now_ms() / 1_000, tz=UTC)
        assert SUITE.verify(document, now=now).issuer == lists.issuer
        return document

    found = [check_credential_status(one, resolve_status_list=resolve) for one in issued]
    assert [(one.revoked, one.suspended) for one in found] == wanted


def test_we_read_what_they_build() -> None:
    """Bits, credential and entry of their making say the same to us."""
    random.seed(12)
    bits = new_bitstring(ENTRIES)
    positions = {random.randrange(ENTRIES) for _ in range(300)} | {0, ENTRIES - 1}
    for position in positions:
        set_status_bit(bits, position, 1)
    document = build_status_list_credential(
        id=LIST_URL,
        issuer="did:example:issuer",
        bitstring=bits,
        valid_from=datetime(2026, 11, 1, tzinfo=UTC),
        ttl=60_000,
    )
    listed = parse_status_list(document, max_bytes=1 << 21)
    assert (listed.issuer, listed.ttl_ms, listed.bits) == ("did:example:issuer", 60_000, bytes(bits))
    for position in [*positions, *(random.randrange(ENTRIES) for _ in range(300))]:
        theirs = build_status_list_entry(status_list_credential=LIST_URL, index=position)
        reading = read_status(listed, parse_status_entry(theirs))
        assert reading.status == (position in positions) == get_status_bit(bytes(bits), position)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.02, 0.5])
def test_both_pack_alike(share: float) -> None:
    """Each unpacks what the other packed, at any fill."""
    random.seed(13)
    bits = bytes(sum((random.random() < share) << bit for bit in range(8)) for _ in range(ENTRIES // 8))
    assert decode_bitstring(encode_status_list(bits)) == bits
    assert decode_status_list(encode_bitstring(bits), max_bytes=1 << 21) == bits


@pytest.mark.parametrize("index", ["-1", "1e3", "\u0663", " 1", "1.0", str(2**63), ""])
def test_both_refuse_an_index_that_is_none(index: str) -> None:
    """Neither reads another spelling as some bit."""
    listed = {"credentialSubject": {"statusPurpose": "revocation", "encodedList": encode_status_list(bytes(16_384))}}
    asked = {"credentialStatus": entry(statusListIndex=index)}
    with pytest.raises(StatusListError):
        check_credential_status(asked, resolve_status_list=lambda _url: listed)
    with pytest.raises(BonafidesError):
        parse_status_entry(asked["credentialStatus"])
