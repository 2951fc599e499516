"""Keys and statuses for one request, in bounds of number and time.

Decides whose documents and lists are fetched on a stranger's behalf: of DIDs that are named by a proof and well formed, at
most a few, until the request's time is over. What is fetched and believed is decided by the resolver and the status service.

Spec: CID 1.0 3.3; specs/vc-api.md "Keys"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from did_methods.codec import parse_json_object
from did_methods.did import parse_did_url
from did_methods.document import DidDocument, parse_did_document
from did_methods.errors import DidError
from did_methods.foreign import ForeignUnavailableError
from did_methods.method import ResolutionOptions
from registry import limits
from registry.adapters.fetch_errors import FetchRateError
from registry.adapters.system_clock import Clock
from registry.credentials.errors import KeyNotFoundError
from registry.credentials.json_ld_processor import JsonLdProcessor
from registry.credentials.key_lookup import BoundKey, SelfCertifyingLookup, bind_key
from registry.credentials.status_entry import StatusEntry
from registry.credentials.status_list import StatusReading
from registry.credentials.tools import StatusReader, Tools
from registry.credentials.vc_api import VerifyOptions
from registry.credentials.verification import verify_any_credential
from registry.errors import DependencyError, LimitError
from registry.services.resolution import ResolutionService

_SELF_CERTIFYING = SelfCertifyingLookup()
_BY_TEXT = ("did:key:", "did:jwk:")
# What this process could not do says nothing of the DID.
_OWN_TROUBLE = (FetchRateError, ForeignUnavailableError)


class KeyResolutionBusyError(DependencyError):
    """This process could not look at a DID now; the same request may be sent again."""

    code = "key_resolution_unavailable"
    title = "A DID cannot be resolved at present"


class VerificationTimeError(DependencyError):
    """Waiting for the hosts of DIDs and status lists of one request took as long as it may."""

    code = "verification_timeout"
    title = "Other hosts took too long"


class KeyResolutionCountError(LimitError):
    """The request names keys of more DIDs than are resolved for one request."""

    code = "key_resolution_too_many"
    title = "Keys of too many DIDs"


@dataclass(slots=True)
class RequestBudget:
    """The time that one request may wait for others.

    Args:
        clock: the wall clock.
    """

    clock: Clock
    _end_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self._end_ms = self.clock.now_ms() + limits.VERIFICATION_WAIT_MS

    def check(self) -> None:
        """Check that there is time to ask one more host.

        Raises:
            VerificationTimeError: verification_timeout.
        """
        if self.clock.now_ms() > self._end_ms:
            raise VerificationTimeError(retry_after_s=1)


@dataclass(slots=True)
class RequestKeys:
    """The keys that one request needs; a document that was resolved stands for the whole request.

    Args:
        resolution: resolves DIDs.
        budget: of the request.
        now_ms: the instant of the request, milliseconds since the epoch.
    """

    resolution: ResolutionService
    budget: RequestBudget
    now_ms: int
    _documents: dict[str, DidDocument] = field(default_factory=dict)

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key of a verification method; see `KeyLookup.find_key`.

        Raises:
            KeyNotFoundError: key_not_found, also for a DID that does not resolve, or is deactivated.
            DependencyError: key_resolution_unavailable, verification_timeout.
            LimitError: key_resolution_too_many.
            DidError: the codes of DID URLs and documents.
        """
        if verification_method.startswith(_BY_TEXT):
            return _SELF_CERTIFYING.find_key(verification_method, purpose)
        url = parse_did_url(verification_method)
        if url.path or url.query:
            raise KeyNotFoundError("a verification method is a DID and a fragment")
        did = url.did.text
        document = self._documents.get(did)
        if document is None:
            document = self._documents[did] = self._resolve(did)
        return bind_key(document.find_method(verification_method, purpose))

    def _resolve(self, did: str) -> DidDocument:
        if len(self._documents) >= limits.VERIFICATION_DIDS:
            raise KeyResolutionCountError(limit=limits.VERIFICATION_DIDS)
        options = ResolutionOptions(self.now_ms)
        result = self.resolution.resolve_hosted(did, options)
        if result is None:
            self.budget.check()
            result = self.resolution.resolve(did, options)
        if isinstance(result.cause, _OWN_TROUBLE):
            raise KeyResolutionBusyError
        if result.did_document is None or result.deactivated:
            raise KeyNotFoundError("the DID does not resolve, or is deactivated")
        try:
            return parse_did_document(result.did_document)
        except DidError as error:
            raise KeyNotFoundError("the DID document cannot be used") from error


@dataclass(frozen=True, slots=True)
class RequestStatuses:
    """The statuses that one request needs.

    Args:
        reader: of anybody's statuses.
        budget: of the request.
    """

    reader: StatusReader
    budget: RequestBudget

    def check(self, entries: Sequence[StatusEntry], *, issuer: str, now_ms: int) -> tuple[StatusReading, ...]:
        """Return the status of each entry; see `StatusReader.check`.

        Raises:
            DependencyError: verification_timeout.
            VerificationError: the codes of statuses.
        """
        readings: list[StatusReading] = []
        for entry in entries:
            self.budget.check()
            readings.extend(self.reader.check([entry], issuer=issuer, now_ms=now_ms))
        return tuple(readings)


@dataclass(frozen=True, slots=True)
class AnyListVerifier:
    """Verifies status lists of every suite and form that is verified here; the status of a list itself is not looked at.

    Args:
        resolution: resolves the DIDs of their issuers.
        json_ld: expands and canonicalises.
        clock: the wall clock.
    """

    resolution: ResolutionService
    json_ld: JsonLdProcessor
    clock: Clock

    def verify_list(self, data: bytes, *, now_ms: int) -> dict[str, Any]:
        """Return the credential in a fetched body; see `ListVerifier.verify_list`.

        Raises:
            BonafidesError: the first reason why it does not verify.
        """
        text = data.strip()
        value: Any
        if text.startswith(b"ey") and text.isascii():
            value = text.decode("ascii")
        else:
            value = parse_json_object(data, max_bytes=limits.STATUS_LIST_DOCUMENT_BYTES)
        tools = Tools(RequestKeys(self.resolution, RequestBudget(self.clock), now_ms), self.json_ld)
        outcome = verify_any_credential(value, tools=tools, options=VerifyOptions(), now_ms=now_ms)
        for problem in outcome.problems:
            raise problem
        assert outcome.document is not None, "a credential that verified was found"
        return outcome.document
