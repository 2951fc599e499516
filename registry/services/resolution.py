"""Resolving any DID that this registry knows how to: its own from the log, others from where they lie.

Decides who answers, what of it is kept for how long, and that many who ask at once cause one fetch. What may be fetched
is decided by the fetcher, what is believed by the DID methods. A log elsewhere that takes back what was seen of it is
refused, for earlier versions too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from did_methods.did import InvalidDidError, parse_did
from did_methods.foreign import FOREIGN_METHODS, ForeignMethod, ForeignResolver, ForeignUnavailableError
from did_methods.jwk import JwkMethod
from did_methods.method import (
    DidMethod,
    DocumentFetcher,
    ResolutionError,
    ResolutionOptions,
    ResolutionResult,
    SeenVersion,
    VersionMemory,
    failed,
)
from did_methods.resolver import KeyMethod, Resolver
from did_methods.web import WebMethod
from did_methods.webvh import WebvhMethod
from did_methods.webvh_errors import LogForkedError, LogShorterError
from registry import limits
from registry.adapters.fetch_errors import FetchRateError
from registry.adapters.system_clock import Clock
from registry.services.hosted_dids import HostedDids, demands_other_version, demands_version
from registry.services.resolution_cache import BoundedCache, SingleFlight

_BY_TEXT: Final = frozenset({"key", "jwk"})
_WEB_HOSTED: Final = frozenset({"web", "webvh"})
# What this process could not do says nothing of the DID, so it is tried again by the next who asks.
_OWN_TROUBLE: Final = (FetchRateError, ForeignUnavailableError)


class ForeignProcess(ForeignResolver, Protocol):
    """A resolver of foreign DIDs that is ended with the service."""

    def close(self) -> None:
        """End it."""


@dataclass(slots=True)
class _Recorder:
    """Passes files on and keeps what came."""

    fetcher: DocumentFetcher
    files: dict[str, bytes | None] = field(default_factory=dict)

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        data = self.fetcher.fetch(url, max_bytes=max_bytes)
        self.files[url] = data
        return data


@dataclass(frozen=True, slots=True)
class _Recorded:
    """Gives the files that came before, and no others."""

    files: dict[str, bytes | None]

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        data = self.files.get(url)
        return data if data is None or len(data) <= max_bytes else None


@dataclass(frozen=True, slots=True)
class _Memory:
    """Versions seen elsewhere, and those of the logs hosted here: a copy elsewhere may not fall behind either."""

    elsewhere: VersionMemory
    hosted: HostedDids

    def newest(self, scid: str) -> SeenVersion | None:
        seen = [one for one in (self.hosted.newest_seen(scid), self.elsewhere.newest(scid)) if one is not None]
        return max(seen, key=lambda one: one.number, default=None)

    def remember(self, scid: str, seen: SeenVersion) -> None:
        self.elsewhere.remember(scid, seen)


@dataclass(frozen=True, slots=True)
class _Known:
    """What resolving a DID elsewhere gave, valid from one instant to another, with the files that it came from."""

    result: ResolutionResult
    files: dict[str, bytes | None]
    from_ms: int
    until_ms: int

    def holds_at(self, now_ms: int) -> bool:
        return self.from_ms <= now_ms < self.until_ms


class ResolutionService:
    """Resolves DIDs. Safe from any thread.

    Args:
        hosted: answers for the DIDs in the log.
        fetcher: gets the files of others.
        memory: newest versions seen of logs elsewhere.
        foreign: writes the documents of foreign methods; closed with the service.
        clock: decides how long results are kept.
    """

    def __init__(
        self,
        *,
        hosted: HostedDids,
        fetcher: DocumentFetcher,
        memory: VersionMemory,
        foreign: ForeignProcess,
        clock: Clock,
    ) -> None:
        self._hosted = hosted
        self._fetcher = fetcher
        self._memory = _Memory(memory, hosted)
        self._foreign = foreign
        self._clock = clock
        foreign_method = ForeignMethod(foreign)
        self._methods: dict[str, DidMethod] = {
            "key": KeyMethod(),
            "jwk": JwkMethod(),
            "web": WebMethod(fetcher),
            "webvh": WebvhMethod(fetcher, memory=self._memory),
            **dict.fromkeys(FOREIGN_METHODS, foreign_method),
        }
        self._resolver = Resolver(self._methods)
        self.method_names = self._resolver.method_names
        self._known: BoundedCache[_Known] = BoundedCache(limits.RESOLUTION_RESULTS, weight=limits.RESOLUTION_FILE_BYTES)
        self._flights: SingleFlight[_Known] = SingleFlight()

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return the result of resolving a DID; may wait for other hosts, so call it in a thread.

        Args:
            did: text that may or may not be a DID.
            options: version asked for, and clock.

        Raises:
            StoredEntryError: ``stored_entry_corrupt``; every other failure is a result.

        Spec: specs/did-method.md "Fetching"; DID-RESOLUTION 4
        """
        try:
            parsed = parse_did(did)
        except InvalidDidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        if parsed.method in _WEB_HOSTED:
            hosted = self._hosted.resolve(parsed, options)
            return self._resolve_elsewhere(did, parsed.method, options) if hosted is None else hosted
        if parsed.method in FOREIGN_METHODS and not demands_version(options):
            return self._newest(did, parsed.method, options.now_ms).result
        return self._resolver.resolve(did, options)

    def resolve_hosted(self, did: str, options: ResolutionOptions) -> ResolutionResult | None:
        """Return the result where memory alone gives it, or None where ``resolve`` has to be asked in a thread.

        Args:
            did: text that may or may not be a DID.
            options: version asked for, and clock.

        Spec: specs/did-method.md "Fetching"
        """
        try:
            parsed = parse_did(did)
        except InvalidDidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        if parsed.method in _WEB_HOSTED:
            return self._hosted.resolve(parsed, options, from_memory=True)
        return self._methods[parsed.method].resolve(did, options) if parsed.method in _BY_TEXT else None

    def forget(self, did: str) -> None:
        """Drop what is kept of a DID elsewhere, so that the next who asks is answered by its host.

        Args:
            did: text that may or may not be a DID.
        """
        self._known.drop(did)

    def newest_seen(self, scid: str) -> SeenVersion | None:
        """Return the newest version of a did:webvh log that is hosted here or was ever verified elsewhere, or None."""
        return self._memory.newest(scid)

    def close(self) -> None:
        """End the child that foreign methods may have started."""
        self._foreign.close()

    # ------------------------------------------------------------ elsewhere

    def _resolve_elsewhere(self, did: str, method: str, options: ResolutionOptions) -> ResolutionResult:
        if method == "web":
            if demands_other_version(options):
                return WebMethod(_Recorded({})).resolve(did, options)  # refuses without a fetch
            return self._newest(did, method, options.now_ms).result
        known = self._newest(did, method, options.now_ms)
        if not demands_version(options) or _refuses_all(known.result):
            return known.result
        # Earlier versions are answered from the log that the newest came from: whoever counts through the versions of
        # a DID causes one fetch.
        return WebvhMethod(_Recorded(known.files)).resolve(did, options)

    def _newest(self, did: str, method: str, now_ms: int) -> _Known:
        """Return what is known of a DID elsewhere, asked for again once its time is over."""
        return self._kept(did) or self._flights.share(did, lambda: self._ask(did, method, now_ms))

    def _kept(self, did: str) -> _Known | None:
        known = self._known.get(did)
        return known if known is not None and known.holds_at(self._clock.now_ms()) else None

    def _ask(self, did: str, method: str, now_ms: int) -> _Known:
        kept = self._kept(did)  # by whoever worked until a moment ago
        if kept is not None:
            return kept
        recorder, from_ms = _Recorder(self._fetcher), self._clock.now_ms()
        asked: dict[str, Callable[[], DidMethod]] = {
            "web": lambda: WebMethod(recorder),
            "webvh": lambda: WebvhMethod(recorder, memory=self._memory),
        }
        resolve = asked.get(method, lambda: self._methods[method])().resolve
        result = resolve(did, ResolutionOptions(now_ms))
        if method == "webvh" and result.error is None:
            result = self._compared_again(did, result, recorder.files, now_ms)
        weight = 1 + sum(len(data) for data in recorder.files.values() if data is not None)
        files = recorder.files if method == "webvh" else {}
        known = _Known(result, files, from_ms, from_ms + _lifetime_ms(method, result))
        if known.until_ms > from_ms:
            self._known.put(did, known, weight=weight)
        else:
            self._known.drop(did)
        return known

    def _compared_again(
        self, did: str, result: ResolutionResult, files: dict[str, bytes | None], now_ms: int
    ) -> ResolutionResult:
        """Hold a log against what was remembered meanwhile: one log has several names, and each its own flight."""
        metadata = result.did_document_metadata
        seen = self._memory.newest(metadata["scid"])
        if seen is None or seen.version_id == metadata["versionId"]:
            return result
        return WebvhMethod(_Recorded(files), memory=self._memory).resolve(did, ResolutionOptions(now_ms))


def _refuses_all(result: ResolutionResult) -> bool:
    """Say whether a failure of the newest version of a did:webvh is one of every version."""
    if result.error in (ResolutionError.INTERNAL_ERROR, ResolutionError.NOT_FOUND):
        return True
    return isinstance(result.cause, LogForkedError | LogShorterError)


def _lifetime_ms(method: str, result: ResolutionResult) -> int:
    if result.error is not None:
        return 0 if isinstance(result.cause, _OWN_TROUBLE) else limits.RESOLUTION_FAILURE_TTL_MS
    if method != "webvh":
        return limits.RESOLUTION_TTL_MS
    return min(1_000 * int(result.did_document_metadata["ttl"]), limits.RESOLUTION_TTL_MOST_MS)
