"""What a DID method is, what resolving gives back, and what a method may ask of the world outside.

Decides the words only: the result of a resolution, the standard error keywords, and the small protocols that let pure
code resolve without doing I/O of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from did_methods.errors import DidError

CONTENT_TYPE: Final = "application/did"
_ERROR_TYPE_PREFIX: Final = "https://www.w3.org/ns/did#"


class ResolutionError(StrEnum):
    """The error keywords of DID Resolution; the error type is the keyword in the namespace of DIDs."""

    INVALID_DID = "INVALID_DID"
    INVALID_DID_URL = "INVALID_DID_URL"
    INVALID_DID_DOCUMENT = "INVALID_DID_DOCUMENT"
    INVALID_OPTIONS = "INVALID_OPTIONS"
    NOT_FOUND = "NOT_FOUND"
    REPRESENTATION_NOT_SUPPORTED = "REPRESENTATION_NOT_SUPPORTED"
    METHOD_NOT_SUPPORTED = "METHOD_NOT_SUPPORTED"
    FEATURE_NOT_SUPPORTED = "FEATURE_NOT_SUPPORTED"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    @property
    def type_uri(self) -> str:
        """Return the error type as a URI."""
        return f"{_ERROR_TYPE_PREFIX}{self.value}"

    @property
    def legacy_name(self) -> str:
        """Return the keyword as older resolvers write it: ``notFound``, ``invalidDid``."""
        first, *others = self.value.lower().split("_")
        return first + "".join(word.capitalize() for word in others)


@dataclass(frozen=True, slots=True)
class ResolutionResult:
    """What resolving a DID gives back, in the current dialect of DID Resolution.

    Args:
        did_document: the document; None on error and for a deactivated DID.
        did_document_metadata: what is known of the document; empty on error.
        did_resolution_metadata: ``contentType``, or ``error`` with type, title, detail and our own code.
        error: the keyword in ``did_resolution_metadata``; None on success.
        cause: what was refused, for callers in this process; None on success.
    """

    did_document: dict[str, Any] | None
    did_document_metadata: dict[str, Any]
    did_resolution_metadata: dict[str, Any]
    error: ResolutionError | None = None
    cause: DidError | None = field(default=None, compare=False)

    @property
    def deactivated(self) -> bool:
        """Return whether the DID, not only the version asked for, is deactivated."""
        return self.did_document_metadata.get("deactivated") is True

    def to_wire(self) -> dict[str, Any]:
        """Return the result object of DID Resolution.

        Spec: DID-RESOLUTION 4
        """
        return {
            "didDocument": self.did_document,
            "didDocumentMetadata": self.did_document_metadata,
            "didResolutionMetadata": self.did_resolution_metadata,
        }

    def to_legacy_wire(self) -> dict[str, Any]:
        """Return the result object of the universal resolver: the error is a string with ``problemDetails`` beside it.

        Spec: did:webvh 1.0 Read (Resolve)
        """
        if self.error is None:
            return self.to_wire()
        problem = self.did_resolution_metadata["error"]
        return self.to_wire() | {
            "didResolutionMetadata": {"error": self.error.legacy_name, "problemDetails": problem},
        }


@dataclass(frozen=True, slots=True)
class ResolutionOptions:
    """Which version is asked for, and the clock of whoever asks.

    Args:
        now_ms: the resolver's clock, milliseconds since the epoch.
        version_id: exact version identifier; None for no demand.
        version_time_ms: the version in force at this time, milliseconds since the epoch; None for no demand.
        version_number: number of a did:webvh version; None for no demand.
    """

    now_ms: int
    version_id: str | None = None
    version_time_ms: int | None = None
    version_number: int | None = None


class FetchFailedError(DidError):
    """A fetcher could not tell whether the file exists: no route, a timeout, an answer it may not use."""

    code = "did_fetch_failed"
    title = "The DID file could not be fetched"


class NoVersionsError(DidError):
    """A version was asked of a DID whose method has none."""

    code = "did_version_not_found"
    title = "DIDs of this method have no versions"


class DocumentFetcher(Protocol):
    """Gets the files of web-hosted DIDs; address rules, time and redirects are its business."""

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        """Return the body at an HTTPS URL, or None when there is none.

        Args:
            url: absolute ``https`` URL.
            max_bytes: largest body to read.

        Raises:
            FetchFailedError: did_fetch_failed.
        """


@dataclass(frozen=True, slots=True)
class SeenVersion:
    """The newest version of a log that was ever verified here.

    Args:
        number: of the version, from 1.
        version_id: its full versionId.
    """

    number: int
    version_id: str


class VersionMemory(Protocol):
    """Remembers the newest version seen of each log, by its SCID; never goes back."""

    def newest(self, scid: str) -> SeenVersion | None:
        """Return the newest version seen of a log, or None."""

    def remember(self, scid: str, seen: SeenVersion) -> None:
        """Keep a version, unless a newer one is kept already.

        Args:
            scid: of the log.
            seen: a version whose whole log was verified up to it.
        """


class DidMethod(Protocol):
    """One DID method."""

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return the result of resolving a DID of this method; failures are results, not exceptions.

        Args:
            did: a syntactically valid DID whose method is this one.
            options: version asked for, and clock.
        """


def resolved(document: dict[str, Any] | None, metadata: dict[str, Any]) -> ResolutionResult:
    """Return a successful result.

    Args:
        document: the document; None for a deactivated DID.
        metadata: document metadata, JSON values.

    Spec: DID-RESOLUTION 4
    """
    return ResolutionResult(document, metadata, {"contentType": CONTENT_TYPE})


def failed(error: ResolutionError, cause: DidError) -> ResolutionResult:
    """Return a failed result that names the keyword, and the rule that was broken by its code.

    Args:
        error: the keyword.
        cause: what was refused; its detail is safe to show.

    Spec: DID-RESOLUTION 4.2, RFC 9457
    """
    problem = {"type": error.type_uri, "title": cause.title, "detail": cause.detail, "code": cause.code}
    return ResolutionResult(None, {}, {"error": problem}, error, cause)
