"""Logs made to cost: endless ones, thousands of entries, one entry a second, witness files without end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.errors import DidError
from did_methods.method import ResolutionError, ResolutionOptions
from did_methods.timestamp import format_timestamp
from did_methods.webvh import LogLimits, WebvhMethod, append_entry, create_entry, entry_line, resolve_log, verify_log
from did_methods.webvh_witness import MAX_FILE_BYTES, parse_witness_file
from tests.support.webvh import NOW_MS, START_MS, LogWriter, commitment, document, key, template
from tests.support.webvh_witness_cases import ONE, approve


def _code(log: bytes, **options: Any) -> str:
    with pytest.raises(DidError) as refused:
        verify_log(log, now_ms=NOW_MS, **options)
    return refused.value.code


class _Endless:
    """A host that sends as much as it is allowed to, and counts what is asked."""

    def __init__(self, start: bytes, filler: bytes) -> None:
        self._start = start
        self._filler = filler
        self.asked: list[int] = []

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        self.asked.append(max_bytes)
        more = (max_bytes - len(self._start)) // len(self._filler) + 1
        return (self._start + self._filler * more)[:max_bytes]


@pytest.mark.parametrize("filler", [b"x", b"\n", b"{}\n", b"[", b" ", b'{"a":1}', b"\xff", b"0" * 1_000 + b"\n"])
def test_an_endless_log_is_read_up_to_the_cap(filler: bytes) -> None:
    """Whatever never ends after a valid entry, the newest is refused and the first version still answers."""
    writer = LogWriter().first()
    host = _Endless(writer.log, filler)
    method = WebvhMethod(host, limits=LogLimits(max_log_bytes=200_000))
    assert method.resolve(writer.did, ResolutionOptions(NOW_MS)).error is ResolutionError.INVALID_DID
    assert host.asked == [200_000]


def test_one_byte_more_than_the_cap_is_too_large() -> None:
    """The cap of the specification's suggestion holds for bytes that are not even looked at."""
    assert _code(b" " * (LogLimits().max_log_bytes + 1)) == "webvh_log_too_large"
    assert _code(b"\n" * (LogLimits().max_entries + 1)) == "webvh_log_too_large"


def test_one_endless_line_is_refused_before_it_is_parsed() -> None:
    """An entry larger than a line may be is refused by its length."""
    log = LogWriter().first(body={"state": template() | {"filler": "x" * 140_000}}).log
    assert _code(log) == "json_too_large"


def test_deep_nesting_is_refused() -> None:
    """Brackets without end do not exhaust the stack."""
    writer = LogWriter().first()
    assert _code(writer.log + b"[" * 100_000) == "json_too_deep"
    deep: Any = "x"
    for _ in range(60):
        deep = [deep]
    assert _code(writer.then(body={"state": document(writer.did) | {"deep": deep}}).log) == "json_too_deep"


def test_an_entry_a_second_is_legal_and_bounded() -> None:
    """A thousand entries in a thousand seconds verify, in the writer and here; the same second twice is refused."""
    entry, state = create_entry(template(), update_key=key(0), next_key_hashes=[], version_time_ms=START_MS)
    lines = [entry_line(entry)]
    for second in range(1, 1_000):
        entry, state = append_entry(
            state, state.raw_document, update_key=key(0), version_time_ms=START_MS + second * 1_000
        )
        lines.append(entry_line(entry))
    assert verify_log(b"".join(lines), now_ms=NOW_MS) == state
    with pytest.raises(DidError) as refused:
        append_entry(state, state.raw_document, update_key=key(0), version_time_ms=START_MS + 999_999)
    assert refused.value.code == "webvh_version_time_not_later"


def test_a_flood_ahead_of_the_clock_ends_at_five_minutes() -> None:
    """Entries dated ahead of time count up to the tolerance and not beyond it."""
    writer = LogWriter().first()
    for second in range(298, 303):
        writer.then(body={"versionTime": format_timestamp(NOW_MS + second * 1_000)})
    assert _code(writer.log) == "webvh_version_time_in_future"
    for version, error in ((3, None), (4, None), (5, ResolutionError.INVALID_DID)):
        assert resolve_log(writer.did, writer.log, now_ms=NOW_MS, version_number=version).error is error


def test_a_thousand_rotations_with_a_new_key_each() -> None:
    """A thousand entries under pre-rotation, each with keys never seen before, verify to the writer's state."""
    entry, state = create_entry(
        template(), update_key=key(0), next_key_hashes=[commitment(1)], version_time_ms=START_MS
    )
    lines = [entry_line(entry)]
    for number in range(1, 1_000):
        entry, state = append_entry(
            state,
            document(state.did, number),
            update_key=key(number),
            next_key_hashes=[commitment(number + 1)],
            version_time_ms=START_MS + number * 1_000,
        )
        lines.append(entry_line(entry))
    assert verify_log(b"".join(lines), now_ms=NOW_MS) == state


def test_forged_witness_proofs_without_end_are_no_help() -> None:
    """A file full of forged proofs by a listed witness leaves the log refused, and the good one among them helps."""
    writer = LogWriter().first(ONE)
    good = approve(writer, 1, 5)[0]
    forged = [good | {"nonce": str(number)} for number in range(100)]
    version_id = writer.entries[0]["versionId"]
    for proofs, error in ((forged, ResolutionError.INVALID_DID), ([*forged, good], None)):
        file = json.dumps([{"versionId": version_id, "proof": proofs}]).encode()
        assert resolve_log(writer.did, writer.log, now_ms=NOW_MS, witness=file).error is error


def test_a_witness_file_of_every_version_is_read_and_a_larger_one_is_not() -> None:
    """A controller that never prunes keeps a readable file; one byte over the cap is refused unread."""
    proof = dict.fromkeys(("type", "cryptosuite", "created", "verificationMethod", "proofPurpose"), "x" * 40)
    listed = [{"versionId": f"{number}-x", "proof": [proof]} for number in range(4_096)]
    assert len(parse_witness_file(canonicalize(listed)).proofs) == 4_096
    with pytest.raises(DidError) as refused:
        parse_witness_file(b" " * (MAX_FILE_BYTES + 1))
    assert refused.value.code == "json_too_large"
