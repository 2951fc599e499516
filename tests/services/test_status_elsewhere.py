"""Lists of others: fetched once, kept as long as they say and we allow, verified, and never stale."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.data_integrity import sign_document
from did_methods.errors import BonafidesError
from did_methods.key import key_signer
from did_methods.timestamp import format_timestamp
from registry import limits
from registry.adapters.fetch_errors import FetchRateError, FetchTimeoutError
from registry.credentials.status_entry import parse_status_entry
from registry.credentials.status_list import StatusReading
from registry.storage.engine import open_database
from tests.support.actor import seeded
from tests.support.registry import PUBLIC_URL, START_MS
from tests.support.status import LIST_URL, STATUS_LIST, Lists, did_of, entry, list_document, pack

REVOKED, GOOD = "94567", "94568"


@pytest.fixture
def lists() -> Iterator[Lists]:
    """Open a status service with one list elsewhere, in which one credential is revoked."""
    database = open_database("sqlite://")
    made = Lists(database)
    made.publish(bits=pack({int(REVOKED): 1}))
    yield made
    made.service.close()
    database.close()


def _check(lists: Lists, index: str = GOOD, *, issuer: str | None = None, **members: Any) -> StatusReading:
    asked = parse_status_entry(entry(statusListIndex=index, **members))
    found = lists.service.check([asked], issuer=issuer or lists.elsewhere, now_ms=lists.clock.now_ms())
    return found[0]


def _refused(lists: Lists, **more: Any) -> tuple[str, str]:
    with pytest.raises(BonafidesError) as caught:
        _check(lists, **more)
    assert caught.value.type_uri is not None
    return caught.value.code, caught.value.type_uri.rpartition("#")[2]


def _ended(lists: Lists, index: str) -> bool:
    asked = parse_status_entry(entry(statusListIndex=index))
    return lists.service.is_ended([asked], issuer=lists.elsewhere, now_ms=lists.clock.now_ms())


def _settle(lists: Lists) -> None:
    """Wait for what is fetched in the background."""
    end = time.monotonic() + 10
    while lists.lists._waiting and time.monotonic() < end:
        time.sleep(0.001)
    assert not lists.lists._waiting


# ---------------------------------------------------------------- reading and keeping


def test_a_list_elsewhere_is_read(lists: Lists) -> None:
    """One bit says revoked, the next does not, and both cost one fetch."""
    assert _check(lists, REVOKED).ends
    assert not _check(lists, GOOD).ends
    assert lists.files.asked == [LIST_URL]


@pytest.mark.parametrize(
    ("ttl", "kept_ms"),
    [
        (None, limits.STATUS_TTL_MS),
        (0, limits.STATUS_TTL_LEAST_MS),
        (60_000, 60_000),
        (1 << 50, limits.STATUS_TTL_MOST_MS),
    ],
)
def test_a_copy_is_used_for_its_ttl(lists: Lists, ttl: int | None, kept_ms: int) -> None:
    """Up to the last millisecond of its time, within our own bounds, and not one longer: then a revocation is seen."""
    lists.publish(subject={"ttl": ttl})
    assert not _check(lists).ends
    lists.publish(bits=pack({int(GOOD): 1}))
    lists.clock.advance(kept_ms - 1)
    assert not _check(lists).ends
    lists.clock.advance(1)
    assert _check(lists).ends
    assert len(lists.files.asked) == 2


def test_a_copy_does_not_outlive_its_validity(lists: Lists) -> None:
    """A list that ends before its `ttl` is fetched again when it has ended."""
    lists.publish(validUntil=format_timestamp(START_MS + 30_000), subject={"ttl": 600_000})
    assert not _check(lists).ends
    lists.publish(bits=pack({int(GOOD): 1}))
    lists.clock.advance(30_000)
    assert _check(lists).ends


def test_a_stale_copy_is_no_copy(lists: Lists) -> None:
    """When a list cannot be had any more, the copy of before does not stand in for it."""
    assert not _check(lists).ends
    lists.files.files[LIST_URL] = FetchTimeoutError()
    lists.clock.advance(limits.STATUS_TTL_MS)
    assert _refused(lists) == ("status_retrieval_failed", "STATUS_RETRIEVAL_ERROR")


@pytest.mark.parametrize("missing", [None, FetchTimeoutError()])
def test_a_list_that_is_not_had_is_asked_for_again_later(lists: Lists, missing: Any) -> None:
    """A failure is repeated from memory for a while; a host that comes back is seen after it."""
    lists.files.files[LIST_URL] = missing
    for _ in range(3):
        assert _refused(lists) == ("status_retrieval_failed", "STATUS_RETRIEVAL_ERROR")
    assert len(lists.files.asked) == 1
    lists.publish()
    lists.clock.advance(limits.STATUS_FAILURE_TTL_MS)
    assert not _check(lists).ends


def test_our_own_trouble_is_not_remembered(lists: Lists) -> None:
    """A fetch that this process did not make says nothing of the list: the next who asks tries again."""
    lists.files.files[LIST_URL] = FetchRateError()
    assert _refused(lists) == ("status_retrieval_failed", "STATUS_RETRIEVAL_ERROR")
    lists.publish()
    assert not _check(lists).ends


def test_many_who_ask_at_once_cause_one_fetch(lists: Lists) -> None:
    """While one waits for the host the others wait for that one."""
    held = threading.Event()
    lists.files.before = lambda: held.wait(5)
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(_check, lists, REVOKED) for _ in range(12)]
        time.sleep(0.05)
        held.set()
        assert all(one.result().ends for one in asked)
    assert len(lists.files.asked) == 1


def test_what_is_kept_is_bounded(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists beyond the bound push out the one unused longest; nothing grows for ever."""
    lists.lists._kept._weight = 16_384 * 4
    for number in range(10):
        url = f"https://issuer.example.com/lists/{number}"
        lists.publish(url=url, id=url)
        _check(lists, statusListCredential=url)
    assert lists.lists._kept._held <= 16_384 * 4
    assert lists.lists.known("https://issuer.example.com/lists/9", START_MS) is not None
    assert lists.lists.known("https://issuer.example.com/lists/0", START_MS) is None


# ---------------------------------------------------------------- what is refused


def test_a_list_must_verify(lists: Lists) -> None:
    """A list that was changed, is unsigned, is signed by another key, or by the issuer for another purpose."""
    sound = lists.publish()
    tampered = sound | {"validFrom": format_timestamp(START_MS - 120_000)}
    unsigned = list_document(lists.elsewhere)
    mallory = key_signer(seeded("mallory"))
    forged = sign_document(unsigned, signer=mallory, created=START_MS)
    purpose = sign_document(unsigned, signer=lists.other, created=START_MS, proof_purpose="authentication")
    future = sign_document(unsigned, signer=lists.other, created=START_MS + limits.CLOCK_WINDOW_MS + 90_000)
    expired = sign_document(unsigned, signer=lists.other, created=START_MS - 2_000, expires=START_MS - 1_000)
    for document in (tampered, unsigned, forged, purpose, future, expired):
        lists.files.files[LIST_URL] = canonicalize(document)
        assert _refused(lists) == ("status_list_unverified", "STATUS_VERIFICATION_ERROR")
        lists.clock.advance(limits.STATUS_FAILURE_TTL_MS)


def test_a_list_of_somebody_else_says_nothing(lists: Lists) -> None:
    """A sound list of another issuer is not this credential's, though its proof verifies."""
    mallory = key_signer(seeded("mallory"))
    document = list_document(did_of(mallory))
    lists.files.files[LIST_URL] = canonicalize(sign_document(document, signer=mallory, created=START_MS))
    assert _refused(lists) == ("status_list_issuer_mismatch", "STATUS_VERIFICATION_ERROR")
    assert not _check(lists, issuer=did_of(mallory)).ends


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"type": ["VerifiableCredential"]}, ("status_list_malformed", "MALFORMED_VALUE_ERROR")),
        ({"subject": {"type": "StatusList2021"}}, ("status_list_malformed", "MALFORMED_VALUE_ERROR")),
        ({"subject": {"encodedList": "H4sI"}}, ("status_list_encoding", "MALFORMED_VALUE_ERROR")),
        ({"subject": {"statusPurpose": "suspension"}}, ("status_purpose_mismatch", "STATUS_VERIFICATION_ERROR")),
        ({"id": LIST_URL + "1"}, ("status_list_id_mismatch", "STATUS_VERIFICATION_ERROR")),
        ({"bits": bytes(16_383)}, ("status_list_too_short", "STATUS_LIST_LENGTH_ERROR")),
        ({"bits": bytes(limits.STATUS_LIST_BYTES + 1)}, ("status_list_too_large", "STATUS_VERIFICATION_ERROR")),
        (
            {"validFrom": format_timestamp(START_MS + 1_000)},
            ("status_list_not_valid", "STATUS_VERIFICATION_ERROR"),
        ),
        (
            {"validUntil": format_timestamp(START_MS)},
            ("status_list_not_valid", "STATUS_VERIFICATION_ERROR"),
        ),
    ],
)
def test_a_signed_list_that_is_not_this_one(lists: Lists, more: dict[str, Any], refusal: tuple[str, str]) -> None:
    """Wrong type, encoding, purpose, id, length, size or time: each with the W3C's own error type."""
    lists.publish(**more)
    assert _refused(lists) == refusal


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"null", b'"list"', b"<html>", b"\xff", b'{"a":1,"a":2}'])
def test_a_list_that_is_no_json_object(lists: Lists, body: bytes) -> None:
    """A body that is no JSON object, or one with a member twice, is no list."""
    lists.files.files[LIST_URL] = body
    assert _refused(lists) == ("status_list_malformed", "MALFORMED_VALUE_ERROR")


def test_an_index_beyond_the_end_is_out_of_range(lists: Lists) -> None:
    """The list is sound; the entry points past it."""
    assert _refused(lists, index="131072") == ("status_index_out_of_range", "RANGE_ERROR")


def test_a_list_here_that_is_not_here(lists: Lists) -> None:
    """A URL of ours is never fetched: what is not in memory does not exist."""
    url = f"{PUBLIC_URL}/status-lists/{'0' * 32}"
    assert _refused(lists, statusListCredential=url) == ("status_retrieval_failed", "STATUS_RETRIEVAL_ERROR")
    assert lists.files.asked == []


# ---------------------------------------------------------------- from memory only


def test_a_decision_does_not_wait_for_a_list(lists: Lists) -> None:
    """What is not in memory does not count, is fetched behind the caller's back, and is there for the next."""
    assert _ended(lists, GOOD)
    _settle(lists)
    assert not _ended(lists, GOOD)
    assert _ended(lists, REVOKED)
    lists.clock.advance(limits.STATUS_TTL_MS)
    assert _ended(lists, GOOD)  # stale: not counted, and fetched again
    _settle(lists)
    assert not _ended(lists, GOOD)
    assert len(lists.files.asked) == 2


def test_a_list_that_does_not_verify_never_counts(lists: Lists) -> None:
    """A background fetch that fails is told to nobody but the log, and the entry stays unread."""
    lists.files.files[LIST_URL] = b"{}"
    for _ in range(3):
        assert _ended(lists, GOOD)
        _settle(lists)
    assert len(lists.files.asked) == 1  # the failure is kept for a while


def test_what_waits_is_bounded(lists: Lists) -> None:
    """However many lists are asked for, a few wait; after closing none is fetched, and the entry is still not counted."""
    held = threading.Event()
    lists.files.before = lambda: held.wait(5)
    for number in range(100):
        lists.lists.refresh_later(f"https://issuer.example.com/lists/{number}", issuer=f"did:example:{number}")
    assert len(lists.lists._waiting) == limits.STATUS_REFRESHES_WAITING
    lists.service.close()
    held.set()
    assert _ended(lists, GOOD)
    assert len(lists.files.asked) <= limits.STATUS_REFRESHES_AT_A_TIME


def test_an_issuer_of_slow_hosts_delays_its_own_lists(lists: Lists) -> None:
    """One issuer's lists that hang take a few places; the list of another is fetched meanwhile."""
    held = threading.Event()
    lists.files.before = lambda: LIST_URL in lists.files.asked[-1:] or held.wait(5)
    for number in range(50):
        lists.lists.refresh_later(f"https://slow.example.com/{number}", issuer="did:example:slow")
    assert len(lists.lists._waiting) == limits.STATUS_REFRESHES_PER_ISSUER
    assert _ended(lists, GOOD)
    end = time.monotonic() + 4
    while LIST_URL in lists.lists._waiting and time.monotonic() < end:
        time.sleep(0.001)
    assert not _ended(lists, GOOD)
    held.set()
    _settle(lists)


def test_status_list_prefix() -> None:
    """The types are those of the specification, under its own address."""
    from registry.credentials import problem_types

    assert problem_types.STATUS_RETRIEVAL_ERROR == STATUS_LIST + "STATUS_RETRIEVAL_ERROR"
    assert problem_types.STATUS_VERIFICATION_ERROR == STATUS_LIST + "STATUS_VERIFICATION_ERROR"
    assert problem_types.STATUS_LIST_LENGTH_ERROR == STATUS_LIST + "STATUS_LIST_LENGTH_ERROR"
    assert problem_types.RANGE_ERROR == "https://www.w3.org/TR/vc-data-model#RANGE_ERROR"
