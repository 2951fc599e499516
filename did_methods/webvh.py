"""The did:webvh method: a log as bytes resolved to a document, and what is published beside the log.

Decides which version of a log answers a request, what is said about it, and what an invalid tail means. The rules of
single entries are in ``webvh_entry.py``, writing is in ``webvh_create.py``. It asks a fetcher for bytes and does no
I/O of its own. One log without witnesses: anything else is refused by name.
"""

from __future__ import annotations

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
)
from did_methods.webvh_document import parallel_did_web, resolved_document
from did_methods.webvh_entry import WebvhDid, WebvhState, parse_webvh_did, verify_entry
from did_methods.webvh_errors import (
    DidNotInLogError,
    LogEmptyError,
    LogNotFoundError,
    LogTooLargeError,
    MoveUnsupportedError,
    VersionNotFoundError,
)
from did_methods.webvh_parameters import WebvhError, WebvhParameters, WitnessUnsupportedError, next_key_hash

__all__ = [
    "LogLimits",
    "WebvhDid",
    "WebvhError",
    "WebvhMethod",
    "WebvhParameters",
    "WebvhState",
    "append_entry",
    "create_entry",
    "deactivate_entry",
    "did_template",
    "did_to_url",
    "document_template",
    "entry_line",
    "next_key_hash",
    "parallel_did_web",
    "parse_webvh_did",
    "resolve_log",
    "resolved_document",
    "verify_entry",
    "verify_log",
]

METHOD: Final = "webvh"
_FEATURES_MISSING: Final = (WitnessUnsupportedError, MoveUnsupportedError)


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
        fetcher: gets ``did.jsonl``; a registry gives one that knows the logs it hosts.
        limits: how much of a log is read.
    """

    fetcher: DocumentFetcher
    limits: LogLimits = _DEFAULT_LIMITS

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return the result of resolving a did:webvh DID.

        Args:
            did: bare DID.
            options: version asked for, and clock.

        Spec: did:webvh 1.0 Read (Resolve)
        """
        try:
            url = did_to_url(did)
        except DidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        try:
            log = self.fetcher.fetch(url, max_bytes=self.limits.max_log_bytes)
        except FetchFailedError as error:
            return failed(ResolutionError.INTERNAL_ERROR, error)
        if log is None:
            return failed(ResolutionError.NOT_FOUND, LogNotFoundError())
        return resolve_log(
            did,
            log,
            now_ms=options.now_ms,
            version_id=options.version_id,
            version_time_ms=options.version_time_ms,
            version_number=options.version_number,
            limits=self.limits,
        )


def did_to_url(did: str) -> str:
    """Return the HTTPS URL of the log of a did:webvh DID.

    Raises:
        DidError: webvh_did_malformed, or any code of ``parse_https_location``.

    Spec: did:webvh 1.0 The DID to HTTPS Transformation
    """
    return parse_webvh_did(did).location.file_url("did.jsonl")


def verify_log(log: bytes, *, now_ms: int, limits: LogLimits = _DEFAULT_LIMITS) -> WebvhState:
    """Return the state after the last entry of a log of which every entry verifies.

    Args:
        log: ``did.jsonl``, one JSON object a line.
        now_ms: the verifier's clock, milliseconds since the epoch.
        limits: how much is read.

    Raises:
        DidError: webvh_log_too_large, webvh_log_empty, a code of ``parse_json`` or a code of ``verify_entry``.

    Spec: did:webvh 1.0 Read (Resolve)
    """
    reading = _read_log(log, now_ms=now_ms, limits=limits)
    if reading.failure is not None:
        raise reading.failure
    return reading.states[-1]


def resolve_log(
    did: str,
    log: bytes,
    *,
    now_ms: int,
    version_id: str | None = None,
    version_time_ms: int | None = None,
    version_number: int | None = None,
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
        limits: how much is read.

    Spec: did:webvh 1.0 Read (Resolve)
    """
    try:
        parse_webvh_did(did)
    except DidError as error:
        return failed(ResolutionError.INVALID_DID, error)
    reading = _read_log(log, now_ms=now_ms, limits=limits)
    if reading.states and all(state.did != did for state in reading.states):
        return failed(ResolutionError.INVALID_DID, DidNotInLogError())
    candidates = _candidates(reading, version_id, version_time_ms, version_number)
    if reading.failure is not None and (not candidates or None in candidates):
        return _refused(reading.failure)
    chosen = candidates[0] if candidates else reading.states[-1]
    if chosen is None or any(candidate is not chosen for candidate in candidates):
        return failed(ResolutionError.NOT_FOUND, VersionNotFoundError())
    document = None if chosen.deactivated else resolved_document(chosen)
    return resolved(document, _metadata(chosen, reading.states[-1]))


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
            return _Reading(tuple(states), error, _claimed_time(entry))
    return _Reading(tuple(states), None if states else LogEmptyError())


def _claimed_time(entry: dict[str, Any]) -> int | None:
    text = entry.get("versionTime")
    try:
        return parse_timestamp(text) if isinstance(text, str) else None
    except TimestampError:
        return None


def _candidates(
    reading: _Reading, version_id: str | None, version_time_ms: int | None, version_number: int | None
) -> list[WebvhState | None]:
    """Return for each demand the state that fits it, or None where there is none."""
    states = reading.states
    candidates: list[WebvhState | None] = []
    if version_id is not None:
        candidates.append(next((state for state in states if state.version_id == version_id), None))
    if version_number is not None:
        candidates.append(states[version_number - 1] if 1 <= version_number <= len(states) else None)
    if version_time_ms is not None:
        candidates.append(_state_at(reading, version_time_ms))
    return candidates


def _state_at(reading: _Reading, time_ms: int) -> WebvhState | None:
    """Return the state in force at a time, unless the entry that does not verify claims that time for itself."""
    if reading.failed_from_ms is not None and time_ms >= reading.failed_from_ms:
        return None
    return next((state for state in reversed(reading.states) if state.version_time_ms <= time_ms), None)


def _refused(cause: DidError) -> ResolutionResult:
    missing = isinstance(cause, _FEATURES_MISSING)
    return failed(ResolutionError.FEATURE_NOT_SUPPORTED if missing else ResolutionError.INVALID_DID, cause)


def _metadata(state: WebvhState, last: WebvhState) -> dict[str, Any]:
    """Return the document metadata: version and time of the one, everything else of the last valid entry."""
    return {
        "versionId": state.version_id,
        "versionTime": format_timestamp(state.version_time_ms),
        "created": format_timestamp(state.created_ms),
        "updated": format_timestamp(last.version_time_ms),
        "scid": last.scid,
        "portable": last.portable,
        "deactivated": last.deactivated,
        "ttl": str(last.ttl_s),
        "witness": {},
        "watchers": [],
    }
