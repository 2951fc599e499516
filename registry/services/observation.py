"""What this registry sees of DIDs whose documents lie elsewhere: it looks, signs what it saw, and logs it.

A foreign agent's statements are verified with the keys of the newest logged observation, so that everybody who reads the
log verifies with the same ones. Who may cause a look, and how often, is bounded: a look goes to somebody else's host.

Spec: FORMATS "Registration"; specs/did-hosting.md "DIDs hosted elsewhere".
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from did_methods.canonical import sha256_jcs
from did_methods.codec import base64url_encode
from did_methods.did import parse_did
from did_methods.document import (
    RELATIONSHIPS,
    DidDocument,
    MethodNotFoundError,
    MethodPurposeError,
    VerificationMethod,
    parse_did_document,
)
from did_methods.errors import BonafidesError, DidError
from did_methods.method import ResolutionError, ResolutionOptions, ResolutionResult
from did_methods.proof_errors import ProofInvalidError
from did_methods.timestamp import format_timestamp
from registry.adapters.system_clock import Clock
from registry.errors import DependencyError, VerificationError
from registry.history.errors import (
    AgentUnknownError,
    DidMethodNotHostedError,
    DidNotPublishedError,
    ObservationSubjectError,
    ObservationTimeError,
    ObservationUnchangedError,
)
from registry.history.observation import Observation, ObservedKey, observation_subject
from registry.history.paths import is_hosted
from registry.history.records import SELF_CERTIFYING
from registry.history.state import Genesis, LogState
from registry.history.statement import Statement
from registry.limits import (
    OBSERVATION_GAP_MS,
    OBSERVATIONS_AT_A_TIME,
    OBSERVATIONS_PER_DID_DAY,
    OBSERVATIONS_PER_MINUTE,
    OBSERVATIONS_PER_SOURCE_HOUR,
)
from registry.services.authority import Authority
from registry.services.rates import SourceRates, Windows
from registry.services.sequencer import Sequencer
from registry.services.submission import Accepted, Submission

_LOG = logging.getLogger(__name__)

KEY_ERRORS: Final = (MethodNotFoundError, MethodPurposeError, ProofInvalidError)
"""What a key that is not known here yet looks like; many a did:web keeps the name of a key that it replaces."""
_DAY_MS: Final = 86_400_000
_MAX_KEYS: Final = 16
_WEB_HOSTED: Final = frozenset({"web", "webvh"})
_SIGNING: Final = frozenset({"authentication", "assertionMethod"})
_UNSUPPORTED: Final = frozenset({ResolutionError.METHOD_NOT_SUPPORTED, ResolutionError.FEATURE_NOT_SUPPORTED})


class DidUnresolvedError(VerificationError):
    """The DID does not resolve, or to nothing that may be believed; ``cause`` is the code of the reason."""

    code = "did_unresolved"
    title = "The DID does not resolve"


class DidUnreachableError(DependencyError):
    """Whoever has the DID's document does not answer now; ``cause`` is the code of the reason."""

    code = "did_unreachable"
    title = "The DID's host cannot be reached now"


class ForeignKeysUnusableError(VerificationError):
    """The DID's document has no key with which an agent could sign here: Ed25519, its own, in force."""

    code = "foreign_keys_unusable"
    title = "The DID has no key that can be used here"


class ForeignDidMovedError(VerificationError):
    """The DID's log goes on under another DID."""

    code = "foreign_did_moved"
    title = "The DID has moved to another one"


class ObservationBusyError(DependencyError):
    """As many looks as this process takes at a time are under way."""

    code = "observation_busy"
    title = "Too many foreign DIDs are being resolved; try again"


class Resolves(Protocol):
    """Whoever resolves DIDs."""

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return the result of resolving a DID; may wait for other hosts."""

    def forget(self, did: str) -> None:
        """Drop what is kept of a DID, so that its host is asked again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a DID saw.

    Attributes:
        did: whose.
        keys: those that can sign here; none for a DID that is deactivated.
        document_digest: base64url SHA-256 of the JCS of the document.
        source: where the document came from, a slug.
        version_id: of a did:webvh log.
        observed_ms: when the look began.
    """

    did: str
    keys: tuple[ObservedKey, ...]
    document_digest: str
    source: str
    version_id: str | None
    observed_ms: int

    def is_news(self, before: Observation | None) -> bool:
        """Say whether this differs from the newest logged observation."""
        return before is None or before.keys != self.keys or before.version_id != self.version_id


class ObservationService:
    """Looks at foreign DIDs. Safe from any thread; `look` waits for other hosts."""

    def __init__(
        self, *, sequencer: Sequencer, authority: Authority, resolution: Resolves, clock: Clock, genesis: Genesis
    ) -> None:
        self._sequencer = sequencer
        self._state: LogState = sequencer.state
        self._authority = authority
        self._resolution = resolution
        self._clock = clock
        self._genesis = genesis
        self._places = threading.BoundedSemaphore(OBSERVATIONS_AT_A_TIME)
        self._rates = SourceRates(per_source_hour=OBSERVATIONS_PER_SOURCE_HOUR, per_minute=OBSERVATIONS_PER_MINUTE)
        self._gaps = Windows(1, OBSERVATION_GAP_MS)
        self._days = Windows(OBSERVATIONS_PER_DID_DAY, _DAY_MS)
        self._later = ThreadPoolExecutor(1, "observe")
        self._mutex = threading.Lock()
        self._waiting: set[str] = set()

    def close(self) -> None:
        """Drop looks that have not begun; one that has ends with its own time limits."""
        self._later.shutdown(wait=False, cancel_futures=True)

    # ------------------------------------------------------------ looking

    def needs_look(self, did: str) -> bool:
        """Say whether a DID's keys are known by looking only: not from its text, and not from a log that lies here."""
        if parse_did(did).method in SELF_CERTIFYING or is_hosted(did, self._genesis):
            return False
        return self._state.log_did(did) not in self._state.tables.webvh

    def check_published(self, did: str) -> None:
        """Refuse a DID of this host that is not in the log: its keys are known nowhere else.

        Raises:
            DidNotPublishedError: ``did_not_published``.
            DidMethodNotHostedError: ``did_method_not_hosted`` for a did:web.
        """
        if not is_hosted(did, self._genesis) or self._state.log_did(did) in self._state.tables.webvh:
            return
        if parse_did(did).method == "webvh":
            raise DidNotPublishedError
        raise DidMethodNotHostedError("the DIDs of this host register as did:webvh")

    def look(self, did: str) -> Seen:
        """Resolve a DID anew and return what is to be said of it.

        Raises:
            DidNotPublishedError: ``did_not_published`` for a did:webvh of this host that is not in the log.
            ObservationSubjectError: ``observation_subject`` for other DIDs whose keys need no look.
            DidMethodNotHostedError: ``did_method_not_hosted``, also in a replay registry, which has no present.
            DidUnresolvedError: ``did_unresolved``.
            DidUnreachableError: ``did_unreachable``.
            ForeignDidMovedError: ``foreign_did_moved``.
            ForeignKeysUnusableError: ``foreign_keys_unusable`` for more keys than an observation takes.
            ObservationBusyError: ``observation_busy``.
        """
        self._check_looked_at(did)
        with self._place():
            return self._look(did)

    def _check_looked_at(self, did: str) -> None:
        if not self.needs_look(did):
            unpublished = parse_did(did).method == "webvh" and self._state.log_did(did) not in self._state.tables.webvh
            raise DidNotPublishedError if unpublished else ObservationSubjectError
        if self._genesis.profile == "replay":
            raise DidMethodNotHostedError("a replay registry looks at nothing")

    def _look(self, did: str) -> Seen:
        observed_ms = self._clock.now_ms()
        self._resolution.forget(did)
        result = self._resolution.resolve(did, ResolutionOptions(observed_ms))
        _check_result(result)
        source = "https" if parse_did(did).method in _WEB_HOSTED else "didkit"
        version = result.did_document_metadata.get("versionId") if parse_did(did).method == "webvh" else None
        keys = () if result.deactivated else _usable_keys(did, _document_of(did, result), observed_ms)
        digest = base64url_encode(sha256_jcs(result.did_document or {"deactivated": True, "id": did}))
        return Seen(did, keys, digest, source, version, observed_ms)

    def statement(self, seen: Seen) -> Statement:
        """Return the registry's signed observation."""
        subject = observation_subject(
            seen.did,
            seen.keys,
            document_digest=seen.document_digest,
            source=seen.source,
            observed=format_timestamp(seen.observed_ms),
            version_id=seen.version_id,
        )
        return self._authority.key_observation(subject, now_ms=self._clock.now_ms())

    def observe(self, did: str, *, source: str | None) -> Accepted | None:
        """Look at an agent's DID because somebody asks, and log what has changed; None where nothing has.

        What a DID that resolves no more was last seen to be stands: a host that is down takes nobody's keys away.

        Args:
            did: any name of the agent.
            source: the caller's address for the flood limits; None is not counted by source.

        Raises:
            AgentUnknownError: ``agent_unknown``.
            RequestRateError: ``request_rate_exceeded``: a DID is looked at once a minute at most.
            BonafidesError: the codes of `look`.
        """
        agent = self._state.find_agent(did)
        if agent is None:
            raise AgentUnknownError
        self._rates.take(source, now_ms=self._clock.now_ms())
        return self._observe(agent.did)

    def _observe(self, did: str) -> Accepted | None:
        self._check_looked_at(did)
        with self._place():  # whoever finds none has used up nothing
            self._gaps.take(did, now_ms=self._clock.now_ms(), whose="this DID")
            seen = self._look(did)
        if not seen.is_news(self._state.tables.observations.get(did)):
            return None
        self._days.take(did, now_ms=self._clock.now_ms(), whose="changes of this DID")
        try:
            (outcome,) = self._sequencer.submit(Submission([self.statement(seen)])).result()
        except (ObservationUnchangedError, ObservationTimeError):
            return None  # another look, at the same time or a later one, was logged first
        assert isinstance(outcome, Accepted)
        return outcome

    # ------------------------------------------------------------ looking because a key is not known

    def refresh(self, did: str) -> bool:
        """Look again at an observed agent whose newest key may not be known here; say whether something changed.

        Never raises what a look may meet: the caller has a refusal of its own to give.
        """
        if not self._may_refresh(did):
            return False
        try:
            return self._observe(did) is not None
        except BonafidesError as error:
            _LOG.info("a look at a foreign DID gave nothing: %s", error.code)
            return False

    def refresh_later(self, did: str) -> None:
        """Do the same in the background, for a caller that cannot wait: the next request finds the new key.

        A few wait at a time; more are dropped, because whoever asks will ask again.
        """
        did = self._state.canonical_did(did)
        with self._mutex:
            if did in self._waiting or len(self._waiting) >= OBSERVATIONS_AT_A_TIME or not self._may_refresh(did):
                return
            self._waiting.add(did)
        with suppress(RuntimeError):  # closed: the registry is stopping
            self._later.submit(self._refresh_waiting, did)

    def _refresh_waiting(self, did: str) -> None:
        try:
            self.refresh(did)
        finally:
            with self._mutex:
                self._waiting.discard(did)

    def _may_refresh(self, did: str) -> bool:
        observed = did in self._state.tables.observations and self._state.find_agent(did) is not None
        return observed and self._gaps.has_room(did, now_ms=self._clock.now_ms())

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise ObservationBusyError
        try:
            yield
        finally:
            self._places.release()


def check_can_register(seen: Seen) -> None:
    """Check that an agent can prove with the keys seen that it has them.

    Raises:
        ForeignKeysUnusableError: ``foreign_keys_unusable``.
    """
    if not any("authentication" in key.purposes for key in seen.keys):
        raise ForeignKeysUnusableError("no Ed25519 key of this DID is for authentication")


def _check_result(result: ResolutionResult) -> None:
    if result.error is None:
        return
    cause = "" if result.cause is None else result.cause.code
    told = "" if result.cause is None else result.cause.title
    if result.error in _UNSUPPORTED:
        raise DidMethodNotHostedError(told, cause=cause)
    if result.error == ResolutionError.INTERNAL_ERROR:
        raise DidUnreachableError(told, cause=cause)
    raise DidUnresolvedError(told, cause=cause)


def _document_of(did: str, result: ResolutionResult) -> DidDocument:
    raw: dict[str, Any] = result.did_document or {}
    if raw.get("id") != did:
        raise ForeignDidMovedError
    try:
        return parse_did_document(raw)
    except DidError as error:
        raise DidUnresolvedError(error.title, cause=error.code) from error


def _usable_keys(did: str, document: DidDocument, now_ms: int) -> tuple[ObservedKey, ...]:
    """Return the keys that can sign here, in the document's order."""
    keys = []
    for method in document.methods:
        purposes = tuple(sorted(name for name in RELATIONSHIPS if method.id in document.relationships.get(name, ())))
        if _is_usable(did, method, now_ms) and _SIGNING.intersection(purposes) and method.public_key is not None:
            keys.append(ObservedKey(method.id, method.public_key.multikey, purposes))
    if len(keys) > _MAX_KEYS:
        raise ForeignKeysUnusableError(f"more than {_MAX_KEYS} keys", limit=_MAX_KEYS)
    return tuple(keys)


def _is_usable(did: str, method: VerificationMethod, now_ms: int) -> bool:
    ended = [end for end in (method.expires_ms, method.revoked_ms) if end is not None and end <= now_ms]
    own = method.controller == did and method.id.startswith(f"{did}#")
    return own and not ended and method.public_key is not None and method.public_key.kind == "ed25519"
