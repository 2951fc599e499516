"""Status lists that lie elsewhere: fetched through the guarded fetcher, verified, and kept no longer than they may be.

Decides how long a copy is used and that many who ask at once cause one fetch. A list that is not had is not asked for again
at once, and a copy that is too old is never used in place of a new one. Fetching a list tells its host that somebody here
looks at one of its credentials, though not at which.

Spec: VC-BITSTRING-STATUS-LIST 3.2, 6.3; specs/status-list.md "Lists elsewhere"
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from did_methods.codec import parse_json_object
from did_methods.codec_errors import JsonError
from did_methods.data_integrity import parse_proofs, verify_proof
from did_methods.errors import BonafidesError, DidError
from did_methods.method import DocumentFetcher
from registry import limits
from registry.adapters.fetch_errors import FetchRateError
from registry.adapters.system_clock import Clock
from registry.credentials.errors import CreatedInFutureError, IssuerKeyError, ProofExpiredError
from registry.credentials.key_lookup import KeyLookup
from registry.credentials.status_errors import (
    StatusListFormError,
    StatusListProofError,
    StatusListValidityError,
    StatusRetrievalError,
)
from registry.credentials.status_list import StatusList, parse_status_list
from registry.services.resolution_cache import BoundedCache, SingleFlight

_LOG = logging.getLogger(__name__)


class ListVerifier(Protocol):
    """Whoever verifies credentials of every suite and form that is verified here."""

    def verify_list(self, data: bytes, *, now_ms: int) -> dict[str, Any]:
        """Return the credential in a fetched body, once every proof of it has verified as its issuer's.

        The status of the list itself must not be looked at: nothing would end.

        Args:
            data: the body as fetched: JSON with a proof, or an enveloped credential.
            now_ms: milliseconds since the epoch.

        Raises:
            BonafidesError: why not.
        """


@dataclass(frozen=True, slots=True)
class KeyListVerifier:
    """Verifies lists in the suite ``eddsa-jcs-2022`` with the keys that a lookup knows.

    Args:
        keys: of the issuers of lists.
    """

    keys: KeyLookup

    def verify_list(self, data: bytes, *, now_ms: int) -> dict[str, Any]:
        """Return the credential; see `ListVerifier.verify_list`."""
        document = parse_json_object(data, max_bytes=limits.STATUS_LIST_DOCUMENT_BYTES)
        issuer = document.get("issuer")
        issuer = issuer.get("id") if isinstance(issuer, dict) else issuer
        for proof in parse_proofs(document):
            key = self.keys.find_key(proof.verification_method, "assertionMethod")
            if key.controller != issuer or proof.proof_purpose != "assertionMethod":
                raise IssuerKeyError
            if proof.created_ms is not None and proof.created_ms > now_ms + limits.CLOCK_WINDOW_MS:
                raise CreatedInFutureError
            if proof.expires_ms is not None and proof.expires_ms <= now_ms:
                raise ProofExpiredError
            verify_proof(document, proof, key.public_key)
        return document


@dataclass(frozen=True, slots=True)
class _Kept:
    """A list that was had, or why it was not, from one instant to another."""

    list: StatusList | None
    error: BonafidesError | None
    from_ms: int
    until_ms: int

    def holds_at(self, now_ms: int) -> bool:
        return self.from_ms <= now_ms < self.until_ms


class ListsElsewhere:
    """Status lists of others. Safe from any thread.

    Args:
        fetcher: gets them.
        verifier: of their proofs.
        clock: decides how long they are kept.
    """

    def __init__(self, *, fetcher: DocumentFetcher, verifier: ListVerifier, clock: Clock) -> None:
        self._fetcher = fetcher
        self.verifier = verifier
        self._clock = clock
        self._kept: BoundedCache[_Kept] = BoundedCache(limits.STATUS_LISTS_KEPT, weight=limits.STATUS_LISTS_KEPT_BYTES)
        self._flights: SingleFlight[_Kept] = SingleFlight()
        self._later = ThreadPoolExecutor(limits.STATUS_REFRESHES_AT_A_TIME, "status")
        self._mutex = threading.Lock()
        self._waiting: dict[str, str] = {}

    def close(self) -> None:
        """Drop fetches that have not begun; one that has ends with its own time limits."""
        self._later.shutdown(wait=False, cancel_futures=True)

    def known(self, url: str, now_ms: int) -> StatusList | None:
        """Return a list that may be used at an instant without fetching, or None.

        Args:
            url: of the list.
            now_ms: milliseconds since the epoch.
        """
        kept = self._kept.get(url)
        return kept.list if kept is not None and kept.holds_at(now_ms) else None

    def get(self, url: str, now_ms: int) -> StatusList:
        """Return a list, fetched where no copy may be used; may wait for another host.

        Args:
            url: of the list.
            now_ms: milliseconds since the epoch.

        Raises:
            StatusRetrievalError: status_retrieval_failed.
            StatusListProofError: status_list_unverified.
            StatusListFormError: status_list_malformed.
            StatusEncodingError: status_list_encoding.
            StatusListTooLargeError: status_list_too_large.
            StatusListValidityError: status_list_not_valid.

        Spec: VC-BITSTRING-STATUS-LIST 3.2 step 4
        """
        kept = self._kept.get(url)
        if kept is None or not kept.holds_at(now_ms):
            kept = self._flights.share(url, lambda: self._fetch(url))
        if kept.list is None:
            assert kept.error is not None
            raise kept.error.with_traceback(None)
        return kept.list

    def refresh_later(self, url: str, *, issuer: str) -> None:
        """Fetch a list in the background, for a caller that cannot wait: the next request finds it.

        A few wait at a time, and of one issuer fewer: whoever names hosts that hang delays its own lists. More are
        dropped, because whoever asks will ask again.

        Args:
            url: of the list.
            issuer: of the credential that points at it.
        """
        kept = self._kept.get(url)
        if kept is not None and kept.holds_at(self._clock.now_ms()):
            return
        with self._mutex:
            full = len(self._waiting) >= limits.STATUS_REFRESHES_WAITING
            mine = sum(one == issuer for one in self._waiting.values())
            if full or url in self._waiting or mine >= limits.STATUS_REFRESHES_PER_ISSUER:
                return
            self._waiting[url] = issuer
        with suppress(RuntimeError):  # closed: the registry is stopping
            self._later.submit(self._refresh, url)

    def _refresh(self, url: str) -> None:
        try:
            self.get(url, self._clock.now_ms())
        except BonafidesError as error:
            _LOG.info("a status list elsewhere is not usable: %s", error.code)
        finally:
            with self._mutex:
                del self._waiting[url]

    # ------------------------------------------------------------ fetching

    def _fetch(self, url: str) -> _Kept:
        """Fetch a list and keep what came of it; counted from before the fetch, whatever that took."""
        begun_ms = self._clock.now_ms()
        try:
            data = self._fetcher.fetch(url, max_bytes=limits.STATUS_LIST_DOCUMENT_BYTES)
        except FetchRateError as error:  # what this process could not do says nothing of the list
            raise StatusRetrievalError(cause=error.code) from error
        except DidError as error:
            return self._keep_failure(url, StatusRetrievalError(cause=error.code), begun_ms)
        if data is None:
            return self._keep_failure(url, StatusRetrievalError("there is no list at its URL"), begun_ms)
        try:
            found = self._verified(data, self._clock.now_ms())
        except BonafidesError as error:
            return self._keep_failure(url, error, begun_ms)
        ttl_ms = limits.STATUS_TTL_MS if found.ttl_ms is None else found.ttl_ms
        ends_ms = begun_ms + min(max(ttl_ms, limits.STATUS_TTL_LEAST_MS), limits.STATUS_TTL_MOST_MS)
        if found.valid_until_ms is not None:
            ends_ms = min(ends_ms, found.valid_until_ms)
        kept = _Kept(found, None, begun_ms, ends_ms)
        self._kept.put(url, kept, weight=len(found.bits))
        return kept

    def _verified(self, data: bytes, now_ms: int) -> StatusList:
        try:
            document = self.verifier.verify_list(data, now_ms=now_ms)
        except JsonError as error:
            raise StatusListFormError("what lies there is not a JSON object", member="", cause=error.code) from error
        except BonafidesError as error:
            raise StatusListProofError(cause=error.code) from error
        found = parse_status_list(document, max_bytes=limits.STATUS_LIST_BYTES)
        begin, end = found.valid_from_ms, found.valid_until_ms
        if (begin is not None and now_ms < begin) or (end is not None and now_ms >= end):
            raise StatusListValidityError
        return found

    def _keep_failure(self, url: str, error: BonafidesError, begun_ms: int) -> _Kept:
        kept = _Kept(None, error, begun_ms, begun_ms + limits.STATUS_FAILURE_TTL_MS)
        self._kept.put(url, kept)
        return kept
