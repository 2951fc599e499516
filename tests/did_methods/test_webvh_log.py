"""Resolving a did:webvh DID against the bytes of its log: versions, metadata, invalid tails, limits."""

from __future__ import annotations

import pytest

from did_methods.canonical import canonicalize
from did_methods.errors import DidError
from did_methods.method import FetchFailedError, ResolutionError, ResolutionOptions, ResolutionResult
from did_methods.timestamp import format_timestamp
from did_methods.webvh import LogLimits, WebvhMethod, did_to_url, resolve_log, verify_log
from tests.support.webvh import DAY_MS, NOW_MS, START_MS, LogWriter, commitment, multikey
from tests.support.webvh_resolution_cases import broken_third, three


def _code(result: ResolutionResult) -> str:
    assert result.cause is not None
    assert result.did_document is None
    return result.cause.code


def test_the_newest_version_is_the_answer() -> None:
    """Without a demand the last entry answers, with the metadata that the specification names."""
    writer = three()
    result = resolve_log(writer.did, writer.log, now_ms=NOW_MS)
    assert result.error is None
    assert result.did_document is not None
    assert result.did_document["verificationMethod"][0]["publicKeyMultibase"] == multikey(2)
    assert result.did_resolution_metadata == {"contentType": "application/did"}
    assert result.did_document_metadata == {
        "versionId": writer.entries[2]["versionId"],
        "versionNumber": 3,
        "versionTime": format_timestamp(START_MS + 2 * DAY_MS),
        "created": format_timestamp(START_MS),
        "updated": format_timestamp(START_MS + 2 * DAY_MS),
        "scid": writer.scid,
        "portable": True,
        "deactivated": False,
        "ttl": "120",
        "witness": {},
        "watchers": [],
    }


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_version_answers_to_id_number_and_time(number: int) -> None:
    """A version is found by its id, its number, its first and its last millisecond, and by all at once."""
    writer = three()
    version_id = writer.entries[number - 1]["versionId"]
    begin_ms = START_MS + (number - 1) * DAY_MS
    demands = [
        {"version_id": version_id},
        {"version_number": number},
        {"version_time_ms": begin_ms},
        {"version_time_ms": begin_ms + DAY_MS - 1},
        {"version_id": version_id, "version_number": number, "version_time_ms": begin_ms},
    ]
    for demand in demands:
        result = resolve_log(writer.did, writer.log, now_ms=NOW_MS, **demand)
        assert result.did_document_metadata["versionId"] == version_id
        assert result.did_document_metadata["updated"] == format_timestamp(START_MS + 2 * DAY_MS)


@pytest.mark.parametrize(
    "demand",
    [
        {"version_id": "4-QmPEQVM1JPTyrvEgBcDXwjK4TeyLGSX1PxjgyeAisdWM1p"},
        {"version_id": "1"},
        {"version_id": ""},
        {"version_number": 0},
        {"version_number": -1},
        {"version_number": 4},
        {"version_time_ms": START_MS - 1},
    ],
)
def test_what_is_not_in_the_log_is_not_found(demand: dict[str, int]) -> None:
    """A version that never was, or a time before the DID was, is NOT_FOUND."""
    writer = three()
    result = resolve_log(writer.did, writer.log, now_ms=NOW_MS, **demand)
    assert (result.error, _code(result)) == (ResolutionError.NOT_FOUND, "webvh_version_not_found")


def test_demands_that_disagree_find_nothing() -> None:
    """The id of one version with the number or the time of another is NOT_FOUND, also before a broken tail."""
    for writer in (three(), broken_third()):
        first = writer.entries[0]["versionId"]
        for other in ({"version_number": 2}, {"version_time_ms": START_MS + DAY_MS}):
            result = resolve_log(writer.did, writer.log, now_ms=NOW_MS, version_id=first, **other)
            assert result.error is ResolutionError.NOT_FOUND


def test_an_invalid_tail_hides_the_newest_but_not_the_past() -> None:
    """Versions before the broken entry answer to a demand; nothing answers to a request for the newest."""
    writer = broken_third()
    newest = resolve_log(writer.did, writer.log, now_ms=NOW_MS)
    assert (newest.error, _code(newest)) == (ResolutionError.INVALID_DID, "webvh_proof_key_not_authorized")
    second = writer.entries[1]["versionId"]
    for demand in (
        {"version_id": second},
        {"version_number": 2},
        {"version_time_ms": START_MS + DAY_MS},
        {"version_time_ms": START_MS + 2 * DAY_MS - 1},
    ):
        past = resolve_log(writer.did, writer.log, now_ms=NOW_MS, **demand)
        assert past.did_document_metadata["versionId"] == second
        assert past.did_document_metadata["updated"] == format_timestamp(START_MS + DAY_MS)
    for demand in ({"version_id": writer.entries[2]["versionId"]}, {"version_number": 3}, {"version_time_ms": NOW_MS}):
        refused = resolve_log(writer.did, writer.log, now_ms=NOW_MS, **demand)
        assert refused.error is ResolutionError.INVALID_DID


def test_a_valid_entry_after_an_invalid_one_does_not_heal_the_log() -> None:
    """Nothing after the first broken entry is believed, however well it is signed."""
    writer = broken_third()
    writer.then()
    with pytest.raises(DidError):
        verify_log(writer.log, now_ms=NOW_MS)
    assert resolve_log(writer.did, writer.log, now_ms=NOW_MS, version_number=4).error is ResolutionError.INVALID_DID


@pytest.mark.parametrize("claimed", ["yesterday", "1999-01-01T00:00:00Z", 7, None])
def test_a_broken_entry_cannot_place_itself_in_the_past(claimed: object) -> None:
    """An entry without a usable time hides what follows its predecessor, and nothing that was in force before it."""
    writer = three()
    writer.tamper(versionTime=claimed)
    before = {"version_time_ms": START_MS + DAY_MS}
    assert resolve_log(writer.did, writer.log, now_ms=NOW_MS, **before).error is None
    after = {"version_time_ms": START_MS + DAY_MS + 1}
    assert resolve_log(writer.did, writer.log, now_ms=NOW_MS, **after).error is ResolutionError.INVALID_DID


def test_text_that_is_no_entry_is_an_invalid_tail() -> None:
    """Garbage after valid entries refuses the newest and leaves the past."""
    writer = three()
    log = writer.log + b"<html>"
    assert _code(resolve_log(writer.did, log, now_ms=NOW_MS)) == "json_syntax"
    assert resolve_log(writer.did, log, now_ms=NOW_MS, version_number=3).error is None


def test_an_intermediate_entry_is_verified_too() -> None:
    """A broken proof in the middle is found although the last entry and the hash chain are intact."""
    writer = three()
    writer.entries[1] = writer.entries[1] | {"proof": writer.entries[2]["proof"]}
    assert _code(resolve_log(writer.did, writer.log, now_ms=NOW_MS)) == "proof_invalid"


def test_a_deactivated_did_has_no_document() -> None:
    """The document is withheld and the metadata say so; earlier versions are there and say so too."""
    writer = three().then({"deactivated": True, "updateKeys": []})
    newest = resolve_log(writer.did, writer.log, now_ms=NOW_MS)
    assert newest.error is None
    assert newest.did_document is None
    assert newest.deactivated
    assert resolve_log(writer.did, writer.log, now_ms=NOW_MS, version_number=4).did_document is None
    past = resolve_log(writer.did, writer.log, now_ms=NOW_MS, version_number=1)
    assert past.did_document is not None
    assert past.deactivated


def test_the_asked_did_must_be_in_the_log() -> None:
    """Another SCID, host or spelling of the host is another DID."""
    writer = three()
    others = [
        LogWriter().first({"ttl": 1}).did,
        writer.did.replace("registry.example.com", "evil.example.com"),
        writer.did.replace("%3A", "%3a"),
        writer.did + ":more",
    ]
    for did in others:
        result = resolve_log(did, writer.log, now_ms=NOW_MS)
        assert (result.error, _code(result)) == (ResolutionError.INVALID_DID, "webvh_did_not_in_log")


def test_what_is_no_did_webvh_is_invalid() -> None:
    """A malformed DID is refused before the log is read."""
    result = resolve_log("did:webvh:short:example.com", b"", now_ms=NOW_MS)
    assert (result.error, _code(result)) == (ResolutionError.INVALID_DID, "webvh_did_malformed")


@pytest.mark.parametrize("log", [b"", b"\n", b"{}"])
def test_a_log_without_a_valid_entry_answers_nothing(log: bytes) -> None:
    """An empty log, or one that is invalid from the start, has no version for any demand."""
    did = LogWriter().first().did
    for demand in ({}, {"version_number": 1}, {"version_time_ms": NOW_MS}):
        assert resolve_log(did, log, now_ms=NOW_MS, **demand).error is ResolutionError.INVALID_DID


def test_an_empty_log_says_so() -> None:
    """No bytes at all are an empty log, not broken JSON."""
    with pytest.raises(DidError) as refused:
        verify_log(b"", now_ms=NOW_MS)
    assert refused.value.code == "webvh_log_empty"


def test_the_last_line_feed_may_be_missing() -> None:
    """A log cut just before its last line feed is complete."""
    writer = three()
    assert verify_log(writer.log.removesuffix(b"\n"), now_ms=NOW_MS) == verify_log(writer.log, now_ms=NOW_MS)


def test_white_space_and_member_order_do_not_matter() -> None:
    """Hashes are over canonical JSON, so a log as other programs write it verifies."""
    log = three().log.replace(b'":', b'" : ').replace(b'{"parameters"', b' { "parameters"')
    assert verify_log(log, now_ms=NOW_MS).version_number == 3


def test_limits_are_exact() -> None:
    """Each limit accepts what equals it and refuses one more."""
    log = three().log
    longest = max(len(line) for line in log.split(b"\n"))
    verify_log(log, now_ms=NOW_MS, limits=LogLimits(len(log), longest, 3))
    for limits, code in (
        (LogLimits(len(log) - 1, longest, 3), "webvh_log_too_large"),
        (LogLimits(len(log), longest, 2), "webvh_log_too_large"),
        (LogLimits(len(log), longest - 1, 3), "json_too_large"),
    ):
        with pytest.raises(DidError) as refused:
            verify_log(log, now_ms=NOW_MS, limits=limits)
        assert refused.value.code == code


@pytest.mark.parametrize("rotating", [True, False])
@pytest.mark.parametrize("count", [100, 1_000])
def test_long_logs_verify(count: int, rotating: bool) -> None:
    """A hundred and a thousand entries verify, with a new committed key each time and without."""
    writer = LogWriter().first({"nextKeyHashes": [commitment(1)]} if rotating else {})
    for number in range(1, count):
        key = number % 7
        rotation = {"updateKeys": [multikey(key)], "nextKeyHashes": [commitment((number + 1) % 7)]}
        writer.then(rotation if rotating else {}, signers=(key if rotating else 0,))
    assert verify_log(writer.log, now_ms=NOW_MS).version_number == count


def test_a_truncated_log_is_a_valid_older_log() -> None:
    """What no verifier of one file can see is stated as a fact: a shorter log verifies as its older state."""
    writer = three()
    shorter = b"".join(canonicalize(entry) + b"\n" for entry in writer.entries[:2])
    assert verify_log(shorter, now_ms=NOW_MS).version_number == 2


class _Files:
    """A fetcher over a table of URLs."""

    def __init__(self, files: dict[str, bytes], *, down: bool = False) -> None:
        self._files = files
        self._down = down

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        if self._down:
            raise FetchFailedError
        data = self._files.get(url)
        return None if data is None else data[:max_bytes]


def test_the_method_fetches_the_log_of_the_did() -> None:
    """The adapter asks for the URL of the DID and hands every demand on."""
    writer = three()
    method = WebvhMethod(_Files({did_to_url(writer.did): writer.log}))
    result = method.resolve(writer.did, ResolutionOptions(NOW_MS, version_number=2))
    assert result.did_document_metadata["versionId"] == writer.entries[1]["versionId"]


def test_the_method_tells_missing_from_unreachable() -> None:
    """No file is NOT_FOUND; a fetch that failed is an internal error, so that nobody takes it for proof of absence."""
    did = three().did
    options = ResolutionOptions(NOW_MS)
    missing = WebvhMethod(_Files({})).resolve(did, options)
    assert (missing.error, _code(missing)) == (ResolutionError.NOT_FOUND, "webvh_log_not_found")
    failed = WebvhMethod(_Files({}, down=True)).resolve(did, options)
    assert (failed.error, _code(failed)) == (ResolutionError.INTERNAL_ERROR, "did_fetch_failed")
    hostile = WebvhMethod(_Files({})).resolve(did.replace("registry.example.com", "127.0.0.1"), options)
    assert hostile.error is ResolutionError.INVALID_DID
