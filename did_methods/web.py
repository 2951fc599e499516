"""The did:web method, its pure part: where the document is, and whether a document is the one asked for.

Decides the URL of a did:web and checks the fetched document against the DID. It fetches nothing. What a host says
today is all that did:web can prove, so nothing that must outlive the host may rest on it alone.
"""

from __future__ import annotations

from typing import Final

from did_methods.codec import parse_json_object
from did_methods.did import parse_did
from did_methods.document import DidDocument, parse_did_document
from did_methods.errors import DidError
from did_methods.https_location import parse_https_location

METHOD: Final = "web"


class DidWebMalformedError(DidError):
    """The DID is of another method."""

    code = "did_web_malformed"
    title = "Not a did:web DID"


class DocumentIdMismatchError(DidError):
    """The document at the URL is of another DID."""

    code = "did_document_id_mismatch"
    title = "The document is of another DID"


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


def parse_did_web_document(did: str, data: bytes) -> DidDocument:
    """Return the document that was fetched for a did:web.

    Args:
        did: the DID asked for.
        data: the body at ``did_web_to_url(did)``.

    Raises:
        DidError: did_document_id_mismatch, or a code of ``parse_json`` or ``parse_did_document``.

    Spec: did:web Read (Resolve)
    """
    document = parse_did_document(parse_json_object(data))
    if document.id != did:
        raise DocumentIdMismatchError
    return document
