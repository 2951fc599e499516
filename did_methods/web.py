"""The did:web method: where the document is, and whether a document is the one asked for.

Decides the URL of a did:web and checks the fetched document against the DID; fetching is done by whoever is passed in,
and never for a DID that its syntax refuses. What a host says today is all that did:web can prove, so nothing that must
outlive the host may rest on it alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from did_methods.codec import parse_json_object
from did_methods.did import parse_did
from did_methods.document import DidDocument, parse_did_document
from did_methods.errors import DidError
from did_methods.https_location import parse_https_location
from did_methods.method import (
    DocumentFetcher,
    FetchFailedError,
    NoVersionsError,
    ResolutionError,
    ResolutionOptions,
    ResolutionResult,
    failed,
    resolved,
)

METHOD: Final = "web"
MAX_DOCUMENT_BYTES: Final = 65_536


class DidWebMalformedError(DidError):
    """The DID is of another method."""

    code = "did_web_malformed"
    title = "Not a did:web DID"


class DocumentIdMismatchError(DidError):
    """The document at the URL is of another DID."""

    code = "did_document_id_mismatch"
    title = "The document is of another DID"


class DidWebNotFoundError(DidError):
    """There is no document at the URL of the did:web."""

    code = "did_web_not_found"
    title = "No document for this did:web"


@dataclass(frozen=True, slots=True)
class WebMethod:
    """did:web as a method of a resolver.

    Args:
        fetcher: gets ``did.json``; the rules about addresses, redirects and time are its business.
        max_bytes: largest document to read, in bytes.
    """

    fetcher: DocumentFetcher
    max_bytes: int = MAX_DOCUMENT_BYTES

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return the document that the host shows now, if it is the one of this DID.

        Args:
            did: bare DID.
            options: a demand for a version by id, by number or of the past is not found: a host shows one document
                and says nothing of earlier ones.

        Spec: did:web Read (Resolve)
        """
        try:
            url = did_web_to_url(did)
        except DidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        if _demands_a_version(options):
            return failed(ResolutionError.NOT_FOUND, NoVersionsError())
        try:
            data = self.fetcher.fetch(url, max_bytes=self.max_bytes)
        except FetchFailedError as error:
            return failed(ResolutionError.INTERNAL_ERROR, error)
        if data is None:
            return failed(ResolutionError.NOT_FOUND, DidWebNotFoundError())
        try:
            document = parse_did_web_document(did, data, max_bytes=self.max_bytes)
        except DidError as error:
            return failed(ResolutionError.INVALID_DID_DOCUMENT, error)
        return resolved(document.raw, {})


def _demands_a_version(options: ResolutionOptions) -> bool:
    past = options.version_time_ms is not None and options.version_time_ms < options.now_ms
    return past or options.version_id is not None or options.version_number is not None


def did_web_to_url(did: str) -> str:
    """Return the HTTPS URL of the document of a did:web.

    Args:
        did: bare DID.

    Raises:
        DidError: invalid_did, did_web_malformed, or any code of ``parse_https_location``.

    Spec: did:web Read (Resolve)
    """
    parsed = parse_did(did)
    if parsed.method != METHOD:
        raise DidWebMalformedError
    return parse_https_location(parsed.method_specific_id).file_url("did.json")


def parse_did_web_document(did: str, data: bytes, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> DidDocument:
    """Return the document that was fetched for a did:web.

    Args:
        did: the DID asked for.
        data: the body at ``did_web_to_url(did)``.
        max_bytes: most bytes of it.

    Raises:
        DidError: did_document_id_mismatch, or a code of ``parse_json`` or ``parse_did_document``.

    Spec: did:web Read (Resolve)
    """
    document = parse_did_document(parse_json_object(data, max_bytes=max_bytes))
    if document.id != did:
        raise DocumentIdMismatchError
    return document
