"""Every rule of did:webvh entries, each broken alone in a log that is otherwise valid."""

from __future__ import annotations

import json

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from did_methods.errors import DidError
from did_methods.webvh import WebvhState, verify_entry, verify_log
from did_methods.webvh_errors import StateSnapshotError
from tests.support.webvh import NOW_MS, LogWriter
from tests.support.webvh_cases import INVALID, VALID
from tests.support.webvh_vectors import FOLDER, log_bytes, vectors


def _state(log: bytes) -> WebvhState:
    return verify_log(log, now_ms=NOW_MS)


@pytest.mark.parametrize("reason", INVALID)
def test_one_broken_rule_is_refused_with_its_own_code(reason: str) -> None:
    """A log that breaks one rule in its last entry, and is hashed and signed for it, fails with that rule's code."""
    code, case = INVALID[reason]
    with pytest.raises(DidError) as refused:
        _state(log_bytes(case()))
    assert refused.value.code == code


@pytest.mark.parametrize("reason", VALID)
def test_valid_logs_verify(reason: str) -> None:
    """Everything the specification allows in an entry is accepted."""
    log = log_bytes(VALID[reason]())
    assert _state(log).version_number == log.count(b"\n")


def test_vector_files_say_what_the_code_says() -> None:
    """The published vectors are exactly the cases above, file by file."""
    files = {path.relative_to(FOLDER).with_suffix("").as_posix(): path for path in FOLDER.rglob("*.json")}
    assert {name: json.loads(path.read_bytes()) for name, path in files.items()} == vectors()


@pytest.mark.parametrize("reason", VALID)
def test_a_state_survives_its_wire_form(reason: str) -> None:
    """A snapshot read back equals the state it was taken from, through canonical JSON."""
    state = _state(log_bytes(VALID[reason]()))
    assert WebvhState.from_wire(parse_json_object(canonicalize(state.to_wire()))) == state


@pytest.mark.parametrize("member", sorted(_state(LogWriter().first().log).to_wire()))
def test_a_damaged_snapshot_is_refused(member: str) -> None:
    """A snapshot without one of its members, or with another type in it, is refused with one code."""
    wire = _state(LogWriter().first().log).to_wire()
    for damaged in ({name: value for name, value in wire.items() if name != member}, wire | {member: [1]}):
        with pytest.raises(StateSnapshotError):
            WebvhState.from_wire(damaged)


def test_verification_is_incremental() -> None:
    """Entry by entry from snapshots gives the same state as the whole log at once."""
    writer = LogWriter().first().then().then()
    state = None
    for entry in writer.entries:
        state = verify_entry(state, entry, now_ms=NOW_MS)
        state = WebvhState.from_wire(state.to_wire())
    assert state == _state(writer.log)


def test_an_entry_of_another_log_does_not_continue_this_one() -> None:
    """The second entry of one log is no second entry of another, although number and key would fit."""
    mine = LogWriter().first()
    other = LogWriter().first({"ttl": 60}).then()
    with pytest.raises(DidError) as refused:
        verify_entry(_state(mine.log), other.entries[1], now_ms=NOW_MS)
    assert refused.value.code == "webvh_state_scid_mismatch"


def test_a_verified_entry_is_not_changed() -> None:
    """Verification leaves its input as it was."""
    writer = LogWriter().first()
    before = canonicalize(writer.entries[0])
    verify_entry(None, writer.entries[0], now_ms=NOW_MS)
    assert canonicalize(writer.entries[0]) == before
