"""DIDs that this registry answers for itself: did:webvh logs in its own log, under every name, and their did:webs.

The newest version comes straight from the folded state and is what resolving the served ``did.jsonl`` gives; earlier
ones come from the stored entries. The network is never asked, also not for a name of the own host that nobody has.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from did_methods.did import Did
from did_methods.errors import DidError
from did_methods.https_location import HttpsLocation, parse_https_location
from did_methods.method import (
    NoVersionsError,
    ResolutionError,
    ResolutionOptions,
    ResolutionResult,
    SeenVersion,
    failed,
    resolved,
)
from did_methods.web import DidWebNotFoundError
from did_methods.webvh import (
    WebvhState,
    parallel_did_web,
    parse_webvh_did,
    resolve_states,
    resolved_document,
    verify_entry,
    version_metadata,
)
from did_methods.webvh_errors import LogNotFoundError
from registry import limits
from registry.services.resolution_cache import BoundedCache, SingleFlight
from registry.services.sequencer import Sequencer
from registry.storage.log import LogStore, StoredEntryError

_HTTPS_PORT: Final = 443


def demands_version(options: ResolutionOptions) -> bool:
    """Say whether a version is asked for, the newest by its time included."""
    demands = (options.version_id, options.version_number, options.version_time_ms)
    return any(demand is not None for demand in demands)


def demands_other_version(options: ResolutionOptions) -> bool:
    """Say whether a version is asked for that a method without versions cannot know."""
    past = options.version_time_ms is not None and options.version_time_ms < options.now_ms
    return past or options.version_id is not None or options.version_number is not None


class HostedDids:
    """Answers for the DIDs in the log. Safe from any thread.

    Args:
        sequencer: owner of the folded state.
        store: has the entries of earlier versions.
        public_url: of this registry; its host is the own host.
    """

    def __init__(self, *, sequencer: Sequencer, store: LogStore, public_url: str) -> None:
        self._sequencer = sequencer
        self._store = store
        parts = urlsplit(public_url)
        self._own = (parts.hostname, parts.port or _HTTPS_PORT)
        self._results: BoundedCache[ResolutionResult] = BoundedCache(
            limits.RESOLUTION_RESULTS, weight=limits.RESOLUTION_RESULTS
        )
        self._logs: BoundedCache[tuple[WebvhState, ...]] = BoundedCache(
            limits.RESOLUTION_VERSIONS, weight=limits.RESOLUTION_VERSIONS
        )
        self._unfolding: SingleFlight[tuple[WebvhState, ...]] = SingleFlight()

    def newest_seen(self, scid: str) -> SeenVersion | None:
        """Return the newest version of a log that is hosted here or whose observation is logged, or None."""
        with self._sequencer.lock:
            tables = self._sequencer.state.tables
            did = tables.logs.get(scid, "")
            state, observation = tables.webvh.get(did), tables.observations.get(did)
        if state is not None:
            return SeenVersion(state.version_number, state.version_id)
        if observation is None or observation.version_id is None:
            return None
        return SeenVersion(int(observation.version_id.partition("-")[0]), observation.version_id)

    def resolve(self, did: Did, options: ResolutionOptions, *, from_memory: bool = False) -> ResolutionResult | None:
        """Return the result for a did:webvh or did:web of this registry, or None for one that lies elsewhere.

        Args:
            did: of method ``webvh`` or ``web``.
            options: version asked for, and clock.
            from_memory: return None also where the database would have to be read.

        Raises:
            StoredEntryError: ``stored_entry_corrupt``.

        Spec: specs/did-method.md "Fetching"
        """
        resolve = self._resolve_webvh if did.method == "webvh" else self._resolve_web
        return resolve(did, options, from_memory=from_memory)

    def _resolve_webvh(self, did: Did, options: ResolutionOptions, *, from_memory: bool) -> ResolutionResult | None:
        with self._sequencer.lock:
            first = self._sequencer.state.canonical_did(did.text)
            state = self._sequencer.state.tables.webvh.get(first)
        if state is None:
            try:
                location = parse_webvh_did(did.text).location
            except DidError as error:
                return failed(ResolutionError.INVALID_DID, error)
            return failed(ResolutionError.NOT_FOUND, LogNotFoundError()) if self._is_own(location) else None
        if demands_version(options):
            return None if from_memory else resolve_states(did.text, self._versions(first, state), options)
        result = self._results.get((did.text, state.version_id))
        if result is None:
            document = None if state.deactivated else resolved_document(state)
            result = resolved(document, version_metadata(state, state))
            self._results.put((did.text, state.version_id), result)
        return result

    def _resolve_web(self, did: Did, options: ResolutionOptions, *, from_memory: bool) -> ResolutionResult | None:
        _ = from_memory  # all of it is
        try:
            location = parse_https_location(did.method_specific_id)
        except DidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        if not self._is_own(location):
            return None
        if demands_other_version(options):
            return failed(ResolutionError.NOT_FOUND, NoVersionsError())
        with self._sequencer.lock:
            tables = self._sequencer.state.tables
            first = tables.paths.get("/".join(location.segments))
            state = None if first is None else tables.webvh.get(first)
        if state is None:
            return failed(ResolutionError.NOT_FOUND, DidWebNotFoundError())
        result = self._results.get((did.text, state.version_id))
        if result is None:
            document = parallel_did_web(state)
            # Another spelling of the host, or a path that the agent has left: nothing here has that id.
            if document is None or document["id"] != did.text:
                return failed(ResolutionError.NOT_FOUND, DidWebNotFoundError())
            result = resolved(document, {})
            self._results.put((did.text, state.version_id), result)
        return result

    def _is_own(self, location: HttpsLocation) -> bool:
        return (location.host, location.port or _HTTPS_PORT) == self._own

    def _versions(self, first: str, newest: WebvhState) -> tuple[WebvhState, ...]:
        """Return the states after each entry of a hosted log, from the stored entries."""
        known = self._logs.get(first)
        if known is None or known[-1].version_id != newest.version_id:
            known = self._unfolding.share(newest.version_id, lambda: self._unfold(first, newest))
            self._logs.put(first, known, weight=len(known))
        return known

    def _unfold(self, first: str, newest: WebvhState) -> tuple[WebvhState, ...]:
        # Witness proofs were checked when the entries entered the log; the clock then was not behind its newest time.
        now_ms = max(self._sequencer.state.head.last_time_ms, newest.version_time_ms)
        states: list[WebvhState] = []
        for entry in self._store.did_operations(first)[: newest.version_number]:
            states.append(verify_entry(states[-1] if states else None, entry, now_ms=now_ms))
        if not states or states[-1].version_id != newest.version_id:
            raise StoredEntryError("the entries of a hosted DID do not end where its state does")
        return tuple(states)
