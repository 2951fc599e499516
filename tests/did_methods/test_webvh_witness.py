"""Witnesses of did:webvh: the threshold of distinct approvals, each way to fake one, and the file they lie in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
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
    prune_proofs,
    sign_witness_proof,
    verify_witness_proof,
    witness_file_bytes,
)
from tests.support.webvh import NOW_MS, START_MS, LogWriter, key, multikey
from tests.support.webvh_cases import IDENTITY_KEY, P256_KEY
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


PROOF = sign_witness_proof("1-abc", key(5), created_ms=START_MS)


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (None, "webvh_witness_proof_method"),
        ([PROOF], "webvh_witness_proof_method"),
        ("proof", "webvh_witness_proof_method"),
        ({}, "proof_suite_unsupported"),
        (PROOF | {"cryptosuite": "eddsa-rdfc-2022"}, "proof_suite_unsupported"),
        (PROOF | {"type": "Ed25519Signature2020"}, "proof_suite_unsupported"),
        (PROOF | {"proofPurpose": "authentication"}, "webvh_witness_proof_purpose"),
        (PROOF | {"proofValue": PROOF["proofValue"] + "1"}, "proof_value_malformed"),
        (PROOF | {"created": "2026-01-01T00:00:00Z"}, "proof_invalid"),
        (PROOF | {"previousProof": "urn:x"}, "proof_chain_unsupported"),
        (PROOF | {"verificationMethod": f"did:key:{multikey(5)}"}, "proof_malformed"),
        (PROOF | {"verificationMethod": f"did:key:{multikey(5)}#{multikey(6)}"}, "webvh_witness_proof_method"),
        (PROOF | {"verificationMethod": f"did:web:a.example#{multikey(5)}"}, "webvh_witness_proof_method"),
        (PROOF | {"verificationMethod": f"did:key:{P256_KEY}#{P256_KEY}"}, "proof_key_kind"),
        (PROOF | {"verificationMethod": f"did:key:{IDENTITY_KEY}#{IDENTITY_KEY}"}, "key_small_order"),
    ],
)
def test_each_flaw_of_a_proof_has_its_code(proof: object, code: str) -> None:
    """A registry that takes one proof at a time tells its sender what is wrong with it."""
    with pytest.raises(DidError) as refused:
        verify_witness_proof("1-abc", proof)
    assert refused.value.code == code


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*PROOF, "versionId", "proof"]), inner, max_size=6)
        ),
        max_leaves=12,
    )
)
def test_no_json_value_breaks_the_reader_of_proofs(value: Any) -> None:
    """Anything in place of a proof, a list of proofs or the file is refused by a code and approves nothing."""
    with pytest.raises(DidError):
        verify_witness_proof("1-abc", value)
    writer, _file = WITNESSED["one"]()
    version_id = writer.entries[0]["versionId"]
    for file in (value, [value], [{"versionId": version_id, "proof": value}], [{"versionId": version_id} | PROOF]):
        result = resolve_log(writer.did, writer.log, now_ms=NOW_MS, witness=canonicalize(file))
        assert result.error is ResolutionError.INVALID_DID


def test_every_byte_of_a_witness_file_counts() -> None:
    """With one approval that is needed, any other byte anywhere but the last line feed leaves the entry unapproved."""
    writer, file = WITNESSED["one"]()
    file = canonicalize(json.loads(file)) + b"\n"
    for position in range(len(file) - 1):
        other = file[:position] + bytes([file[position] ^ 1]) + file[position + 1 :]
        assert resolve_log(writer.did, writer.log, now_ms=NOW_MS, witness=other).error is ResolutionError.INVALID_DID


def test_a_written_file_is_read_back_without_empty_versions() -> None:
    """Versions without proofs are left out, and the order stays."""
    file = witness_file_bytes({"1-a": [PROOF], "2-b": [], "3-c": [PROOF, PROOF]})
    assert file.endswith(b"]\n")
    assert dict(parse_witness_file(file).proofs) == {"1-a": (PROOF,), "3-c": (PROOF, PROOF)}
    assert witness_file_bytes({}) == b"[]\n"


def test_pruning_keeps_the_newest_approval_of_each_and_what_is_not_published() -> None:
    """An approval covers all before it, so older ones go; one of an entry to come says nothing yet, so both stay."""
    old, new, coming, other = (
        sign_witness_proof(version, key(number), created_ms=START_MS)
        for version, number in (("1-a", 5), ("2-b", 5), ("3-c", 5), ("1-a", 6))
    )
    pruned = prune_proofs(["1-a", "2-b"], {"1-a": [old, other], "2-b": [new, new], "3-c": [coming]})
    assert pruned == {"1-a": [other], "2-b": [new], "3-c": [coming]}


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
