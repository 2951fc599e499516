"""What was seen of a log is not taken back: shorter and contradicting logs are refused by whoever remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from did_methods.canonical import canonicalize
from did_methods.method import (
    FetchFailedError,
    ResolutionError,
    ResolutionOptions,
    ResolutionResult,
    SeenVersion,
)
from did_methods.webvh import WebvhMethod
from tests.support.webvh import NOW_MS, LogWriter, document
from tests.support.webvh_resolution_cases import NEW_HOST, moved
from tests.support.webvh_witness_cases import ONE, approve, witness_file


@dataclass
class _Memory:
    """A memory that never goes back."""

    seen: dict[str, SeenVersion] = field(default_factory=dict)

    def newest(self, scid: str) -> SeenVersion | None:
        return self.seen.get(scid)

    def remember(self, scid: str, seen: SeenVersion) -> None:
        known = self.seen.get(scid)
        if known is None or known.number < seen.number:
            self.seen[scid] = seen


@dataclass
class _Host:
    """A host whose files change."""

    log: bytes = b""
    witness: bytes | None = None
    down: bool = False

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        if self.down:
            raise FetchFailedError
        return self.log if url.endswith("did.jsonl") else self.witness


def _log(writer: LogWriter, count: int) -> bytes:
    return b"".join(canonicalize(entry) + b"\n" for entry in writer.entries[:count])


def _ask(method: WebvhMethod, did: str, **demand: int) -> ResolutionResult:
    return method.resolve(did, ResolutionOptions(NOW_MS, **demand))


def _code(result: ResolutionResult) -> tuple[ResolutionError | None, str]:
    assert result.cause is not None
    assert result.did_document is None
    return result.error, result.cause.code


def test_a_log_may_grow_and_not_shrink() -> None:
    """The same and a longer log answer; a shorter one is refused, whichever version is asked for."""
    writer, memory, host = LogWriter().first().then().then(), _Memory(), _Host()
    method = WebvhMethod(host, memory=memory)
    for count in (1, 2, 2, 3):
        host.log = _log(writer, count)
        assert _ask(method, writer.did).did_document_metadata["versionNumber"] == count
    assert memory.seen == {writer.scid: SeenVersion(3, writer.entries[2]["versionId"])}
    host.log = _log(writer, 2)
    for demand in ({}, {"version_number": 1}, {"version_number": 2}):
        assert _code(_ask(method, writer.did, **demand)) == (ResolutionError.INVALID_DID, "webvh_log_shorter")


def test_a_fork_is_refused_at_any_length() -> None:
    """Another entry where one was seen is refused, also in a log that is longer and valid in itself."""
    writer, host = LogWriter().first().then(), _Host()
    method = WebvhMethod(host, memory=_Memory())
    host.log = writer.log
    assert _ask(method, writer.did).error is None
    fork = LogWriter(writer.entries[:1]).then({"ttl": 1})
    for forked in (fork, LogWriter(fork.entries[:]).then()):
        host.log = forked.log
        assert WebvhMethod(host).resolve(writer.did, ResolutionOptions(NOW_MS)).error is None
        for demand in ({}, {"version_number": 1}, {"version_number": 2}):
            assert _code(_ask(method, writer.did, **demand)) == (ResolutionError.INVALID_DID, "webvh_log_forked")


def test_a_broken_tail_is_told_by_what_is_wrong_with_it() -> None:
    """Where a seen entry no longer verifies, the rule that it breaks is named, not the length."""
    writer, host = LogWriter().first().then().then(), _Host()
    method = WebvhMethod(host, memory=_Memory())
    host.log = writer.log
    assert _ask(method, writer.did).error is None
    broken = LogWriter(writer.entries[:2]).then(signers=(9,))
    host.log = broken.log
    assert _code(_ask(method, writer.did)) == (ResolutionError.INVALID_DID, "webvh_proof_key_not_authorized")
    assert _code(_ask(method, writer.did, version_number=1))[0] is ResolutionError.INVALID_DID


def test_only_what_verified_is_remembered() -> None:
    """Neither a broken tail nor an unwitnessed entry, nor the log of another DID, becomes the newest seen."""
    writer, memory, host = LogWriter().first(ONE).then(), _Memory(), _Host()
    method = WebvhMethod(host, memory=memory)
    host.log, host.witness = writer.log, witness_file(writer, {1: approve(writer, 1, 5)})
    assert _ask(method, writer.did).error is ResolutionError.INVALID_DID
    assert memory.seen == {writer.scid: SeenVersion(1, writer.entries[0]["versionId"])}
    other = LogWriter().first({"ttl": 5})
    assert _code(_ask(method, other.did)) == (ResolutionError.INVALID_DID, "webvh_did_not_in_log")
    assert other.scid not in memory.seen


def test_a_host_that_is_down_changes_nothing() -> None:
    """A failed fetch is neither proof of a fork nor forgets what was seen."""
    writer, memory, host = LogWriter().first().then(), _Memory(), _Host()
    method = WebvhMethod(host, memory=memory)
    host.log = writer.log
    assert _ask(method, writer.did).error is None
    host.down = True
    assert _code(_ask(method, writer.did)) == (ResolutionError.INTERNAL_ERROR, "did_fetch_failed")
    host.down, host.log = False, _log(writer, 1)
    assert _code(_ask(method, writer.did))[1] == "webvh_log_shorter"


def test_a_host_that_was_left_cannot_show_the_past() -> None:
    """After a move was seen at the new place, the log that the old place still serves is refused."""
    writer, host = moved(), _Host()
    method = WebvhMethod(host, memory=_Memory())
    host.log = writer.log
    assert _ask(method, f"did:webvh:{writer.scid}:{NEW_HOST}").error is None
    host.log = _log(writer, 2)
    assert _code(_ask(method, writer.did)) == (ResolutionError.INVALID_DID, "webvh_log_shorter")


def test_without_memory_each_reading_stands_alone() -> None:
    """The limit of one reading, stated as a fact: a fork that is valid in itself resolves."""
    writer = LogWriter().first()
    for ttl in (1, 2):
        fork = LogWriter(writer.entries[:]).then({"ttl": ttl}, body={"state": document(writer.did, ttl)})
        assert _ask(WebvhMethod(_Host(fork.log)), writer.did).error is None
