"""Our statuses: given out, set, signed and read back, by us and by an independent reader."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.data_integrity import parse_proofs, verify_proof
from did_methods.errors import BonafidesError
from did_methods.timestamp import parse_timestamp
from registry import limits
from registry.credentials.json_ld import SafeExpander
from registry.credentials.status_entry import parse_status_entry
from registry.credentials.status_list import decode_status_list, parse_status_list
from registry.storage.engine import open_database
from tests.support.registry import PUBLIC_URL, START_MS
from tests.support.status import Lists, entry

HOUR_MS = limits.STATUS_LIST_PERIOD_MS


@pytest.fixture
def lists() -> Iterator[Lists]:
    """Open a status service over an empty database."""
    database = open_database("sqlite://")
    made = Lists(database)
    yield made
    made.service.close()
    database.close()


def _allocate(lists: Lists, *purposes: str, **more: Any) -> list[dict[str, Any]]:
    usual = {"purposes": purposes or ("revocation",), "issuer": lists.issuer, "credential_id": "urn:uuid:1"}
    return lists.service.allocate(**(usual | more))


def _status(lists: Lists, document: dict[str, Any]) -> int:
    (reading,) = lists.service.check([parse_status_entry(document)], issuer=lists.issuer, now_ms=lists.clock.now_ms())
    return reading.status


def _code(call: Any) -> str:
    with pytest.raises(BonafidesError) as caught:
        call()
    return caught.value.code


# ---------------------------------------------------------------- giving out


def test_entries_are_what_the_standard_asks(lists: Lists) -> None:
    """One entry a purpose, index in a string, list under the public URL; a message entry says what its values mean."""
    texts = ("waiting", "accepted", "refused", "undefined")
    found = _allocate(lists, "revocation", "suspension", "message", messages=texts)
    parsed = [parse_status_entry(one) for one in found]
    assert [one.purpose for one in parsed] == ["revocation", "suspension", "message"]
    assert len({one.list_url for one in parsed}) == 3
    assert all(one.list_url.startswith(f"{PUBLIC_URL}/status-lists/") for one in parsed)
    assert found[0].keys() == {"type", "statusPurpose", "statusListIndex", "statusListCredential"}
    assert (parsed[2].size, parsed[2].messages) == (2, texts)
    assert [_status(lists, one) for one in found] == [0, 0, 0]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"purposes": ()}, "status_kind_unsupported"),
        ({"purposes": ("revocation", "revocation")}, "status_kind_unsupported"),
        ({"purposes": ("refresh",)}, "status_kind_unsupported"),
        ({"purposes": ("message",)}, "status_kind_unsupported"),
        ({"purposes": ("message",), "messages": ("a",)}, "status_kind_unsupported"),
        ({"purposes": ("message",), "messages": ("a", "b", "c")}, "status_kind_unsupported"),
        ({"purposes": ("message",), "messages": ("x",) * 512}, "status_kind_unsupported"),
        ({"purposes": ("message",), "messages": ("x" * 1_025, "y")}, "status_kind_unsupported"),
        ({"purposes": ("message",), "messages": ("x" * 600,) * 8}, "status_kind_unsupported"),
        ({"messages": ("a", "b")}, "status_kind_unsupported"),
        ({"issuer": "did:example:nobody"}, "status_key_missing"),
    ],
)
def test_what_cannot_be_kept_is_refused(lists: Lists, wanted: dict[str, Any], code: str) -> None:
    """Purposes that are not kept here, messages that are not one a value, issuers without a key; nothing is given out."""
    assert _code(lambda: _allocate(lists, **wanted)) == code
    assert lists.store.places(b"") == []


# ---------------------------------------------------------------- setting


def test_a_revocation_is_seen_at_once_and_for_ever(lists: Lists) -> None:
    """The next question sees it, other credentials do not, and nothing takes it back."""
    mine, theirs = _allocate(lists)[0], _allocate(lists, credential_id="urn:uuid:2")[0]
    named = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    lists.service.set_status(credential_id="urn:uuid:1", entry=named, value=True)
    assert (_status(lists, mine), _status(lists, theirs)) == (1, 0)
    assert lists.service.is_revoked_here(parse_status_entry(mine))
    assert not lists.service.is_revoked_here(parse_status_entry(theirs))
    lists.service.set_status(credential_id="urn:uuid:1", entry=named, value=True)  # again is no change
    call = lambda: lists.service.set_status(credential_id="urn:uuid:1", entry=named, value=False)  # noqa: E731
    assert _code(call) == "status_irreversible"
    assert _status(lists, mine) == 1


def test_a_suspension_comes_and_goes(lists: Lists) -> None:
    """Suspending and releasing leave the revocation beside it alone, and the history has both."""
    revocation, suspension = _allocate(lists, "revocation", "suspension")
    named = {"type": "BitstringStatusListEntry", "statusPurpose": "suspension"}
    for value in (True, False):
        lists.service.set_status(credential_id="urn:uuid:1", entry=named, value=value, by="olga")
        assert (_status(lists, revocation), _status(lists, suspension)) == (0, int(value))
        lists.clock.advance(1_000)
    name = suspension["statusListCredential"].rpartition("/")[2]
    told = [(one.value, one.time_ms, one.by) for one in lists.store.changes(name)]
    assert told == [(1, START_MS, "olga"), (0, START_MS + 1_000, "olga")]


def test_a_message_has_its_values(lists: Lists) -> None:
    """Any value of its size can be set, in any order, and is read with its text; others are refused."""
    (mine,) = _allocate(lists, "message", messages=("a", "b", "c", "d"))
    for value in (3, 0, 2, 1):
        lists.service.set_status(credential_id=None, entry=mine, value=value)
        (reading,) = lists.service.check([parse_status_entry(mine)], issuer=lists.issuer, now_ms=START_MS)
        assert (reading.status, reading.message, reading.ends) == (value, "abcd"[value], False)
    for value in (4, -1, 256):
        call = lambda value=value: lists.service.set_status(credential_id=None, entry=mine, value=value)  # noqa: E731
        assert _code(call) == "status_update_malformed"


@pytest.mark.parametrize("type_name", ["BitstringStatusListEntry", "BitstringStatusList"])
def test_a_place_can_be_named_by_its_entry(lists: Lists, type_name: str) -> None:
    """The entry as it stands in the credential names one place, with the credential's id or without."""
    first, second = _allocate(lists)[0], _allocate(lists)[0]  # one credential id, issued twice
    lists.service.set_status(credential_id="urn:uuid:1", entry=first | {"type": type_name}, value=True)
    assert [_status(lists, first), _status(lists, second)] == [1, 0]
    lists.service.set_status(credential_id=None, entry=second, value=True)
    assert _status(lists, second) == 1


def test_a_credential_issued_twice_is_revoked_twice(lists: Lists) -> None:
    """Setting by the credential's id alone sets every place of that purpose that it has."""
    found = [_allocate(lists)[0] for _ in range(3)]
    named = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    lists.service.set_status(credential_id="urn:uuid:1", entry=named, value=True)
    assert [_status(lists, one) for one in found] == [1, 1, 1]


def test_a_place_without_an_id_is_known_by_its_entry(lists: Lists) -> None:
    """Whoever allocates without an id sets by the entry; an id that was never told finds nothing alone."""
    (mine,) = _allocate(lists, credential_id=None)
    named = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    call = lambda: lists.service.set_status(credential_id="", entry=named, value=True)  # noqa: E731
    assert _code(call) == "status_unknown"
    lists.service.set_status(credential_id="urn:uuid:9", entry=mine, value=True)
    assert _status(lists, mine) == 1


def test_what_was_not_given_out_is_not_set(lists: Lists) -> None:
    """Unknown ids, lists, positions and purposes, and somebody else's place: each is a 404 and changes nothing."""
    (mine,) = _allocate(lists)
    taken = int(mine["statusListIndex"])
    named = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    unknown: list[tuple[str | None, dict[str, Any]]] = [
        ("urn:uuid:7", named),
        ("urn:uuid:1", named | {"statusPurpose": "suspension"}),
        ("urn:uuid:7", mine),
        (None, mine | {"statusListIndex": str((taken + 1) % 131_072)}),
        (None, mine | {"statusListIndex": "131072"}),
        (None, mine | {"statusListIndex": "9007199254740991"}),
        (None, mine | {"statusListCredential": mine["statusListCredential"] + "0"}),
        (None, mine | {"statusListCredential": "https://issuer.example.com/lists/7"}),
        (None, mine | {"statusPurpose": "suspension"}),
    ]
    for credential_id, one in unknown:
        call = lambda: lists.service.set_status(credential_id=credential_id, entry=one, value=True)  # noqa: B023, E731
        assert _code(call) == "status_unknown", (credential_id, one)
    assert _status(lists, mine) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"type": "BitstringStatusListEntry"},
        {"statusPurpose": "revocation"},
        {"type": "StatusList2021Entry", "statusPurpose": "revocation"},
        {"type": "BitstringStatusListEntry", "statusPurpose": ["revocation"]},
        {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "more": 1},
        {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "7"},
        {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListCredential": PUBLIC_URL},
        entry(statusListIndex="1e3"),
        entry(statusListIndex="-1"),
    ],
)
def test_a_change_that_names_nothing_is_malformed(lists: Lists, wrong: dict[str, Any]) -> None:
    """Half an entry, an entry of another type, a member too many, an index in another spelling."""
    call = lambda: lists.service.set_status(credential_id="urn:uuid:1", entry=wrong, value=True)  # noqa: E731
    assert _code(call) == "status_update_malformed"


def test_revoking_and_taking_back_at_once(lists: Lists) -> None:
    """Of many who revoke and un-revoke at the same time nobody takes a revocation back."""
    found = [_allocate(lists, credential_id=f"urn:uuid:{number}")[0] for number in range(20)]

    def work(number: int) -> None:
        one = found[number % 20]
        try:
            lists.service.set_status(credential_id=None, entry=one, value=number % 3 != 0)
        except BonafidesError as error:
            assert error.code == "status_irreversible"  # noqa: PT017 - in a thread

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(120)))
    assert [_status(lists, one) for one in found] == [1] * 20


# ---------------------------------------------------------------- signing


def _list_of(lists: Lists, document: dict[str, Any]) -> dict[str, Any]:
    return lists.service.list_credential(document["statusListCredential"].rpartition("/")[2])


def test_a_list_is_a_signed_credential(lists: Lists) -> None:
    """What is served is what the entry points at, valid now, its issuer a string, its proof the issuer's."""
    (mine,) = _allocate(lists)
    lists.service.set_status(credential_id=None, entry=mine, value=True)
    found = _list_of(lists, mine)
    parsed = parse_status_list(found, max_bytes=limits.STATUS_LIST_BYTES)
    assert (parsed.id, parsed.issuer, parsed.purposes) == (mine["statusListCredential"], lists.issuer, {"revocation"})
    assert parsed.ttl_ms == 60_000
    bits = decode_status_list(found["credentialSubject"]["encodedList"], max_bytes=16_384)
    assert [index for index in range(131_072) if bits[index // 8] >> (7 - index % 8) & 1] == [
        int(mine["statusListIndex"])
    ]
    (proof,) = parse_proofs(found)
    verify_proof(found, proof, lists.signer.signing_key.public_key)
    assert proof.verification_method == lists.signer.verification_method
    assert parse_timestamp(found["validFrom"]) <= proof.created_ms <= lists.clock.now_ms()


def test_lists_and_entries_are_sound_json_ld(lists: Lists) -> None:
    """Every member of them is a term of the W3C's own contexts, so they can be signed in the RDF suites too."""
    texts = tuple(f"message {value}" for value in range(256))
    entries = _allocate(lists, "revocation", "suspension", "message", messages=texts)
    credential = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiableCredential"],
        "issuer": lists.issuer,
        "credentialSubject": {"id": "did:example:subject"},
        "credentialStatus": entries,
    }
    expander = SafeExpander()
    assert len(expander.quads(credential)) > 3 * 256
    for one in entries:
        assert expander.quads(_list_of(lists, one))


def test_a_list_is_signed_once_until_something_changes(lists: Lists) -> None:
    """The same object while nothing changes, other bytes after a status, and the same bytes after a restart."""
    (mine,) = _allocate(lists)
    first = _list_of(lists, mine)
    lists.clock.advance(60_000)
    _allocate(lists, credential_id="urn:uuid:2")  # a place given out is no change of the list
    assert _list_of(lists, mine) is first
    again = Lists(lists.store._database, lists.clock)
    assert canonicalize(_list_of(again, mine)) == canonicalize(first)
    lists.service.set_status(credential_id=None, entry=mine, value=True)
    second = _list_of(lists, mine)
    assert second["credentialSubject"]["encodedList"] != first["credentialSubject"]["encodedList"]
    assert parse_timestamp(second["proof"]["created"]) == lists.clock.now_ms()


def test_a_list_never_ends_before_the_next(lists: Lists) -> None:
    """At every instant the list that is served is valid for at least another period, and for two at most."""
    (mine,) = _allocate(lists)
    lists.clock.time_ms = START_MS // HOUR_MS * HOUR_MS
    for step in (0, 1, HOUR_MS - 2, 1, 1, HOUR_MS * 7 + 5):
        lists.clock.advance(step)
        found = _list_of(lists, mine)
        begin, end = parse_timestamp(found["validFrom"]), parse_timestamp(found["validUntil"])
        # A clock that is almost ten minutes late takes it too.
        assert begin <= lists.clock.now_ms() - limits.CLOCK_WINDOW_MS
        assert parse_timestamp(found["proof"]["created"]) <= lists.clock.now_ms()
        assert HOUR_MS < end - lists.clock.now_ms() <= 2 * HOUR_MS


def test_a_list_that_nobody_has_made(lists: Lists) -> None:
    """An unknown name is unknown, and a list whose key is gone is not served unsigned."""
    assert _code(lambda: lists.service.list_credential("0" * 32)) == "status_list_unknown"
    (mine,) = _allocate(lists)
    lists.service._signers.clear()
    assert _code(lambda: _list_of(lists, mine)) == "status_key_missing"


# ---------------------------------------------------------------- restart, speed


def test_a_restart_keeps_every_status(tmp_path: Path) -> None:
    """Revoked stays revoked, good stays good, and the lists have the same URLs."""
    url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    opened = open_database(url)
    lists = Lists(opened)
    found = [_allocate(lists, credential_id=f"urn:uuid:{number}")[0] for number in range(30)]
    for one in found[::3]:
        lists.service.set_status(credential_id=None, entry=one, value=True)
    opened.close()
    opened = open_database(url)
    again = Lists(opened, lists.clock)
    assert [_status(again, one) for one in found] == [1, 0, 0] * 10
    named = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}
    again.service.set_status(credential_id="urn:uuid:1", entry=named, value=True)
    assert _status(again, found[1]) == 1
    opened.close()


def test_a_look_into_memory_is_quick(lists: Lists) -> None:
    """Reading a status of a list in memory takes microseconds; the bench has the figure, this the order of magnitude."""
    (mine,) = _allocate(lists)
    asked = [parse_status_entry(mine)]
    best = min(_seconds(lists, asked) for _ in range(5))
    assert best / 2_000 < 50e-6


def _seconds(lists: Lists, asked: list[Any]) -> float:
    begun = time.perf_counter()
    for _ in range(2_000):
        lists.service.check(asked, issuer=lists.issuer, now_ms=START_MS)
    return time.perf_counter() - begun
