"""Witnesses of did:webvh: the threshold of distinct approvals, each way to fake one, and the file they lie in."""

from __future__ import annotations

import json

import pytest

from did_methods.errors import DidError
from did_methods.method import ResolutionError, ResolutionOptions
from did_methods.webvh import LogLimits, WebvhMethod, resolve_log, verify_states
from did_methods.webvh_errors import WitnessMissingError
from did_methods.webvh_witness import (
    MAX_FILE_ENTRIES,
    MAX_PROOFS,
    WitnessRule,
    check_witnessed,
    parse_witness_file,
    sign_witness_proof,
    verify_witness_proof,
)
from tests.support.webvh import NOW_MS, START_MS, LogWriter, key, multikey
from tests.support.webvh_witness_cases import MISSING, ONE, WITNESSED, approve, witness_file


@pytest.mark.parametrize("reason", MISSING)
def test_a_last_entry_without_enough_witnesses_is_refused(reason: str) -> None:
    """The log does not resolve, whatever else stands in the file; what was witnessed before still answers by number."""
    writer, file = MISSING[reason]()
    refused = resolve_log(writer.did, writer.log, now_ms=NOW_MS, witness=file)
    assert refused.error is ResolutionError.INVALID_DID
    assert refused.cause is not None
    assert refused.cause.code == "webvh_witness_missing"
    for number in range(1, len(writer.entries)):
        before = resolve_log(writer.did, writer.log, now_ms=NOW_MS, witness=file, version_number=number)
        covered = number == 1 and reason != "replayed-under-another-version"
        assert (before.error is None) == covered


@pytest.mark.parametrize("reason", WITNESSED)
def test_enough_witnesses_let_a_log_resolve(reason: str) -> None:
    """Distinct approvals of an entry, or of a later published one, are enough; what does not verify is no harm."""
    writer, file = WITNESSED[reason]()
    assert verify_states(writer.log, now_ms=NOW_MS, witness=file)[-1].version_number == len(writer.entries)
    assert resolve_log(writer.did, writer.log, now_ms=NOW_MS, witness=file).error is None


def test_without_the_file_a_witnessed_log_is_refused() -> None:
    """No file is no approval."""
    writer, _file = WITNESSED["one"]()
    assert resolve_log(writer.did, writer.log, now_ms=NOW_MS).error is ResolutionError.INVALID_DID


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (b"{}", "webvh_witness_file_malformed"),
        (b'["x"]', "webvh_witness_file_malformed"),
        (b'[{"proof": []}]', "webvh_witness_file_malformed"),
        (b'[{"versionId": "1-x", "proof": "x"}]', "webvh_witness_file_malformed"),
        (b'[{"versionId": "1-x", "versionId": "1-x", "proof": []}]', "json_duplicate_key"),
        (b"[", "json_syntax"),
        (
            json.dumps([{"versionId": str(n)} for n in range(MAX_FILE_ENTRIES + 1)]).encode(),
            "webvh_witness_file_too_large",
        ),
        (json.dumps([{"versionId": "1-x", "proof": [1] * MAX_PROOFS}] * 2).encode(), "webvh_witness_file_too_large"),
    ],
)
def test_a_malformed_file_is_named_as_the_cause(file: bytes, code: str) -> None:
    """A file that is no witness file refuses a log that needs one, by its own code, and nobody else."""
    with pytest.raises(DidError) as refused:
        parse_witness_file(file)
    assert refused.value.code == code
    writer, _file = WITNESSED["one"]()
    result = resolve_log(writer.did, writer.log, now_ms=NOW_MS, witness=file)
    assert result.cause is not None
    assert result.cause.code == code
    free = LogWriter().first()
    assert resolve_log(free.did, free.log, now_ms=NOW_MS, witness=file).error is None


def test_a_proof_made_here_is_a_proof_to_the_reader() -> None:
    """What the witness role signs names its witness, for its version only."""
    proof = sign_witness_proof("1-abc", key(5), created_ms=START_MS)
    assert verify_witness_proof("1-abc", proof) == f"did:key:{multikey(5)}"
    with pytest.raises(DidError) as refused:
        verify_witness_proof("2-abc", proof)
    assert refused.value.code == "proof_invalid"


def test_the_threshold_counts_listed_witnesses_once() -> None:
    """Strangers and repetitions add nothing."""
    rule = WitnessRule(2, ("did:key:a", "did:key:b"))
    check_witnessed(rule, "1-x", ["did:key:a", "did:key:b"])
    for found in ([], ["did:key:a"], ["did:key:a", "did:key:a"], ["did:key:a", "did:key:c"]):
        with pytest.raises(WitnessMissingError):
            check_witnessed(rule, "1-x", found)


def test_metadata_says_who_witnesses_and_writes_numbers_as_strings() -> None:
    """The witness rule in force stands in the metadata with its threshold as a string."""
    writer, file = WITNESSED["two-of-three"]()
    metadata = resolve_log(writer.did, writer.log, now_ms=NOW_MS, witness=file).did_document_metadata
    assert metadata["witness"] == {
        "threshold": "2",
        "witnesses": [{"id": f"did:key:{multikey(number)}"} for number in (5, 6, 7)],
    }


class _Host:
    """A web host in memory that counts what is asked of it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        assert max_bytes == LogLimits().max_log_bytes
        self.asked.append(url.rsplit("/", 1)[1])
        return self.files.get(self.asked[-1])


def test_the_witness_file_is_fetched_only_where_an_entry_needs_it() -> None:
    """A log without witnesses costs one request; one with witnesses two, and without the file it is refused."""
    writer = LogWriter().first(ONE)
    host = _Host({"did.jsonl": writer.log, "did-witness.json": witness_file(writer, {1: approve(writer, 1, 5)})})
    assert WebvhMethod(host).resolve(writer.did, ResolutionOptions(NOW_MS)).error is None
    assert host.asked == ["did.jsonl", "did-witness.json"]
    host = _Host({"did.jsonl": writer.log})
    assert WebvhMethod(host).resolve(writer.did, ResolutionOptions(NOW_MS)).error is ResolutionError.INVALID_DID
    free = LogWriter().first()
    host = _Host({"did.jsonl": free.log})
    assert WebvhMethod(host).resolve(free.did, ResolutionOptions(NOW_MS)).error is None
    assert host.asked == ["did.jsonl"]
