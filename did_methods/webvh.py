"""The did:webvh method: a log as bytes resolved to a document, and what is published beside the log.

Decides which version of a log answers a request, what is said about it, and what an invalid tail means. The rules of
single entries are in ``webvh_entry.py``, writing is in ``webvh_create.py``. It asks a fetcher for bytes and does no
I/O of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from did_methods.codec import parse_json_object
from did_methods.errors import DidError
from did_methods.method import (
    DocumentFetcher,
    FetchFailedError,
    ResolutionError,
    ResolutionOptions,
    ResolutionResult,
    SeenVersion,
    VersionMemory,
    failed,
    resolved,
)
from did_methods.timestamp import TimestampError, format_timestamp, parse_timestamp
from did_methods.webvh_create import (
    append_entry,
    create_entry,
    deactivate_entry,
    did_template,
    document_template,
    entry_line,
    move_document,
)
from did_methods.webvh_document import parallel_did_web, resolved_document
from did_methods.webvh_entry import verify_entry
from did_methods.webvh_errors import (
    DidNotInLogError,
    LogEmptyError,
    LogForkedError,
    LogNotFoundError,
    LogShorterError,
    LogTooLargeError,
    VersionNotFoundError,
    WebvhError,
    WitnessMissingError,
)
from did_methods.webvh_parameters import WebvhParameters, next_key_hash
from did_methods.webvh_state import WebvhDid, WebvhState, parse_webvh_did
from did_methods.webvh_witness import WitnessFile, Witnessing, WitnessRule, count_witnessed, parse_witness_file

__all__ = [
    "LogLimits",
    "WebvhDid",
    "WebvhError",
    "WebvhMethod",
    "WebvhParameters",
    "WebvhState",
    "WitnessFile",
    "WitnessRule",
    "append_entry",
    "create_entry",
    "deactivate_entry",
    "did_template",
    "did_to_url",
    "document_template",
    "entry_line",
    "move_document",
    "next_key_hash",
    "parallel_did_web",
    "parse_webvh_did",
    "resolve_log",
    "resolve_states",
    "resolved_document",
    "verify_entry",
    "verify_log",
    "verify_states",
    "version_metadata",
]

METHOD: Final = "webvh"


@dataclass(frozen=True, slots=True)
class LogLimits:
    """How much of a log is read.

    Args:
        max_log_bytes: the specification suggests 5 MiB.
        max_line_bytes: one entry; sixteen times what a registry accepts.
        max_entries: more than a rotation a day for ten years; about a second of work.
    """

    max_log_bytes: int = 5_242_880
    max_line_bytes: int = 131_072
    max_entries: int = 4_096


_DEFAULT_LIMITS: Final = LogLimits()


@dataclass(frozen=True, slots=True)
class _Reading:
    """A log as far as it verifies: the states in order, and what ended it early."""

    states: tuple[WebvhState, ...]
    failure: DidError | None = None
    failed_from_ms: int | None = None


@dataclass(frozen=True, slots=True)
class WebvhMethod:
    """did:webvh as a method of a resolver.

    Args:
        fetcher: gets ``did.jsonl`` and, where an entry asks for witnesses, ``did-witness.json``.
        limits: how much of a log is read.
        memory: the newest version seen of each log, so that no log is believed that takes one back; None for none.
    """

    fetcher: DocumentFetcher
    limits: LogLimits = _DEFAULT_LIMITS
    memory: VersionMemory | None = None

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return the result of resolving a did:webvh DID.

        Args:
            did: bare DID.
            options: version asked for, and clock.

        Spec: did:webvh 1.0 Read (Resolve)
        """
        try:
            asked = parse_webvh_did(did)
        except DidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        try:
            log = self.fetcher.fetch(asked.location.file_url("did.jsonl"), max_bytes=self.limits.max_log_bytes)
        except FetchFailedError as error:
            return failed(ResolutionError.INTERNAL_ERROR, error)
        if log is None:
            return failed(ResolutionError.NOT_FOUND, LogNotFoundError())
        reading = _read_log(log, now_ms=options.now_ms, limits=self.limits)
        try:
            reading = _witnessed(reading, lambda: self._fetch_witnesses(asked))
        except FetchFailedError as error:
            return failed(ResolutionError.INTERNAL_ERROR, error)
        contradiction = self._compare(asked.scid, reading)
        if contradiction is not None:
            return failed(ResolutionError.INVALID_DID, contradiction)
        return _answer(did, reading, options)

    def _fetch_witnesses(self, asked: WebvhDid) -> bytes | None:
        return self.fetcher.fetch(asked.location.file_url("did-witness.json"), max_bytes=self.limits.max_log_bytes)

    def _compare(self, scid: str, reading: _Reading) -> DidError | None:
        """Hold a reading against the newest version seen, and remember it where it goes further."""
        states = reading.states
        if self.memory is None or not states or states[-1].scid != scid:
            return None
        seen, last = self.memory.newest(scid), states[-1]
        if seen is not None:
            if len(states) < seen.number:
                # A log that is long enough and no longer verifies is told by what is wrong with it.
                return reading.failure or LogShorterError(seen=seen.number, found=len(states))
            if states[seen.number - 1].version_id != seen.version_id:
                return LogForkedError(version=seen.number)
        if seen is None or last.version_number > seen.number:
            self.memory.remember(scid, SeenVersion(last.version_number, last.version_id))
        return None


def did_to_url(did: str) -> str:
    """Return the HTTPS URL of the log of a did:webvh DID.

    Raises:
        DidError: webvh_did_malformed, or any code of ``parse_https_location``.

    Spec: did:webvh 1.0 The DID to HTTPS Transformation
    """
    return parse_webvh_did(did).location.file_url("did.jsonl")


def verify_log(
    log: bytes, *, now_ms: int, witness: bytes | None = None, limits: LogLimits = _DEFAULT_LIMITS
) -> WebvhState:
    """Return the state after the last entry of a log of which every entry verifies; see ``verify_states``."""
    return verify_states(log, now_ms=now_ms, witness=witness, limits=limits)[-1]


def verify_states(
    log: bytes, *, now_ms: int, witness: bytes | None = None, limits: LogLimits = _DEFAULT_LIMITS
) -> tuple[WebvhState, ...]:
    """Return the states after each entry of a log of which every entry verifies.

    Args:
        log: ``did.jsonl``, one JSON object a line.
        now_ms: the verifier's clock, milliseconds since the epoch.
        witness: ``did-witness.json``; None where there is none.
        limits: how much is read.

    Raises:
        DidError: webvh_log_too_large, webvh_log_empty, webvh_witness_missing, a code of ``parse_json``, of
            ``verify_entry`` or of ``parse_witness_file``.

    Spec: did:webvh 1.0 Read (Resolve)
    """
    reading = _witnessed(_read_log(log, now_ms=now_ms, limits=limits), lambda: witness)
    if reading.failure is not None:
        raise reading.failure
    return reading.states


def resolve_log(
    did: str,
    log: bytes,
    *,
    now_ms: int,
    version_id: str | None = None,
    version_time_ms: int | None = None,
    version_number: int | None = None,
    witness: bytes | None = None,
    limits: LogLimits = _DEFAULT_LIMITS,
) -> ResolutionResult:
    """Return the result of resolving a DID against the bytes of its log.

    Where a log stops verifying, the versions before that point still answer to a demand by id, time or number, and
    nothing answers to a request for the newest. Several demands must all fit one version.

    Args:
        did: the DID asked for; it must be ``state.id`` of an entry.
        log: ``did.jsonl``, one JSON object a line.
        now_ms: the resolver's clock, milliseconds since the epoch.
        version_id: full versionId; None for no demand.
        version_time_ms: the version in force at this time, milliseconds since the epoch; None for no demand.
        version_number: number of the version; None for no demand.
        witness: ``did-witness.json``; None where there is none.
        limits: how much is read.

    Spec: did:webvh 1.0 Read (Resolve)
    """
    try:
        parse_webvh_did(did)
    except DidError as error:
        return failed(ResolutionError.INVALID_DID, error)
    options = ResolutionOptions(now_ms, version_id, version_time_ms, version_number)
    return _answer(did, _witnessed(_read_log(log, now_ms=now_ms, limits=limits), lambda: witness), options)


def resolve_states(did: str, states: tuple[WebvhState, ...], options: ResolutionOptions) -> ResolutionResult:
    """Return the result of resolving a DID against the states of a log that was verified before.

    Args:
        did: the DID asked for.
        states: after each entry, from the first; at least one.
        options: version asked for; the clock is not looked at.

    Spec: did:webvh 1.0 Read (Resolve)
    """
    return _answer(did, _Reading(states), options)


def _answer(did: str, reading: _Reading, options: ResolutionOptions) -> ResolutionResult:
    if reading.states and all(state.did != did for state in reading.states):
        return failed(ResolutionError.INVALID_DID, DidNotInLogError())
    candidates = _candidates(reading, options)
    if reading.failure is not None and (not candidates or None in candidates):
        return failed(ResolutionError.INVALID_DID, reading.failure)
    chosen = candidates[0] if candidates else reading.states[-1]
    if chosen is None or any(candidate is not chosen for candidate in candidates):
        return failed(ResolutionError.NOT_FOUND, VersionNotFoundError())
    document = None if chosen.deactivated else resolved_document(chosen)
    return resolved(document, version_metadata(chosen, reading.states[-1]))


def _read_log(log: bytes, *, now_ms: int, limits: LogLimits) -> _Reading:
    """Verify entries in order up to the first that fails; none is skipped, whichever version is asked for."""
    # A line feed ends each line, so what follows the last one is not an entry; counted before anything is split.
    if len(log) > limits.max_log_bytes or log.count(b"\n") > limits.max_entries:
        return _Reading((), LogTooLargeError(max_bytes=limits.max_log_bytes, max_entries=limits.max_entries))
    lines = log.removesuffix(b"\n").split(b"\n") if log else []
    states: list[WebvhState] = []
    for line in lines:
        entry: dict[str, Any] = {}
        try:
            entry = parse_json_object(line, max_bytes=limits.max_line_bytes)
            states.append(verify_entry(states[-1] if states else None, entry, now_ms=now_ms))
        except DidError as error:
            return _Reading(tuple(states), error, _broken_from(entry, states))
    return _Reading(tuple(states), None if states else LogEmptyError())


def _witnessed(reading: _Reading, load: Callable[[], bytes | None]) -> _Reading:
    """Cut a reading before the first entry that lacks witnesses; their file is asked for only where one is needed.

    Spec: did:webvh 1.0 Verifying Witness Proofs During Resolution
    """
    states = reading.states
    if all(state.witness_required is None for state in states):
        return reading
    data = load()
    refused: DidError | None = None
    try:
        file = WitnessFile() if data is None else parse_witness_file(data)
    except DidError as error:
        file, refused = WitnessFile(), error
    count = count_witnessed([Witnessing(state.version_id, state.witness_required) for state in states], file)
    if count == len(states):
        return reading
    rule = states[count].witness_required
    threshold = 0 if rule is None else rule.threshold
    failure = refused or WitnessMissingError(version=states[count].version_id, threshold=threshold)
    return _Reading(states[:count], failure, states[count].version_time_ms)


def _broken_from(entry: dict[str, Any], states: list[WebvhState]) -> int:
    """Return since when an entry that does not verify may be in force: as it says, and never before its predecessor."""
    text, after_last_ms = entry.get("versionTime"), states[-1].version_time_ms + 1 if states else 0
    try:
        claimed_ms = parse_timestamp(text) if isinstance(text, str) else 0
    except TimestampError:
        claimed_ms = 0
    return max(claimed_ms, after_last_ms)


def _candidates(reading: _Reading, options: ResolutionOptions) -> list[WebvhState | None]:
    """Return for each demand the state that fits it, or None where there is none."""
    states, number = reading.states, options.version_number
    candidates: list[WebvhState | None] = []
    if options.version_id is not None:
        candidates.append(next((state for state in states if state.version_id == options.version_id), None))
    if number is not None:
        candidates.append(states[number - 1] if 1 <= number <= len(states) else None)
    if options.version_time_ms is not None:
        candidates.append(_state_at(reading, options.version_time_ms))
    return candidates


def _state_at(reading: _Reading, time_ms: int) -> WebvhState | None:
    """Return the state in force at a time, unless the entry that does not verify claims that time for itself."""
    if reading.failed_from_ms is not None and time_ms >= reading.failed_from_ms:
        return None
    return next((state for state in reversed(reading.states) if state.version_time_ms <= time_ms), None)


def version_metadata(state: WebvhState, last: WebvhState) -> dict[str, Any]:
    """Return the document metadata: version and time of the one, everything else of the last valid entry.

    Numbers are strings, as the specification writes them; ``versionNumber``, which it does not list, is a number in
    every implementation and in the published test suite.

    Args:
        state: the version asked for.
        last: the newest that verifies.

    Spec: did:webvh 1.0 Read (Resolve)
    """
    return {
        "versionId": state.version_id,
        "versionNumber": state.version_number,
        "versionTime": format_timestamp(state.version_time_ms),
        "created": format_timestamp(state.created_ms),
        "updated": format_timestamp(last.version_time_ms),
        "scid": last.scid,
        "portable": last.portable,
        "deactivated": last.deactivated,
        "ttl": str(last.ttl_s),
        "witness": {} if last.witness is None else last.witness.to_metadata(),
        "watchers": list(last.watchers),
    }
