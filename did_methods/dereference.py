"""Dereferencing a DID URL: the verification method, the service or the address that it names in a DID document.

Decides what a fragment, a ``service`` parameter or a path of a did:webvh selects. It never fetches what it finds: an
address of another host is given as an address, so no resolver becomes anybody's proxy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from did_methods.did_request import DidRequest, RequestError
from did_methods.document import DID_CONTEXT, RELATIONSHIPS
from did_methods.errors import DidError
from did_methods.method import CONTENT_TYPE, ResolutionError, ResolutionResult

URI_LIST: Final = "text/uri-list"
MAX_URLS: Final = 64
_URI: Final = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
_WEB_SCHEMES: Final = frozenset({"https", "http"})
# Nothing else is put where a client follows it by itself: not javascript:, data: or file:.
_SCHEMES: Final = _WEB_SCHEMES | {"did", "wss"}
_WHOIS: Final = "/whois"
_REFERENCE: Final = re.compile(r"([^?#]*)(\?[^#]*)?(#.*)?")
_RELATIVE_ID: Final = ("#", "?", "/")
_METHOD_MEMBERS: Final = frozenset({"verificationMethod", *RELATIONSHIPS})


class VerificationError(StrEnum):
    """The error keywords of Controlled Identifiers that dereferencing adds to those of DID Resolution."""

    INVALID_VERIFICATION_METHOD = "INVALID_VERIFICATION_METHOD"
    INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD = "INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"

    @property
    def type_uri(self) -> str:
        """Return the error type as a URI."""
        return f"https://w3id.org/security#{self.value}"

    @property
    def legacy_name(self) -> str:
        """Return the keyword as older resolvers write it."""
        first, *others = self.value.lower().split("_")
        return first + "".join(word.capitalize() for word in others)


Keyword = ResolutionError | VerificationError


class FragmentNotFoundError(DidError):
    """The document has nothing of the name that the fragment gives."""

    code = "did_fragment_not_found"
    title = "Nothing in the document has this fragment"


class ServiceNotFoundError(DidError):
    """The document has no service that fits, or none with an address."""

    code = "did_service_not_found"
    title = "No such service in the document"


class PathNotFoundError(DidError):
    """Paths of DIDs of this method name nothing."""

    code = "did_path_not_found"
    title = "The path of the DID URL names nothing"


class RelativeRefError(RequestError):
    """The reference is no relative one, or leads out of the service's address."""

    code = "did_relative_ref_refused"
    title = "The relative reference is refused"
    keyword = ResolutionError.INVALID_DID_URL


class ServiceEndpointError(DidError):
    """The service's endpoint is no address that a client is sent to."""

    code = "did_service_endpoint_refused"
    title = "Nobody is sent to the endpoint of this service"


class NotAMethodError(DidError):
    """The fragment names something else than a verification method."""

    code = "did_url_not_a_method"
    title = "The DID URL does not name a verification method"


class RelationshipMissingError(DidError):
    """The verification method may not be used for what was asked."""

    code = "verification_relationship_missing"
    title = "The verification method is not listed for this relationship"


@dataclass(frozen=True, slots=True)
class Dereferenced:
    """What dereferencing gives back.

    Args:
        content: a document or a part of it; None on error, for a deactivated DID and where there are ``urls``.
        urls: addresses that were selected, in the document's order.
        content_metadata: that of the document where the content is one, else empty.
        error: the keyword; None on success.
        cause: what was refused; None on success.
        ignored: names of options that meant nothing.
    """

    content: dict[str, Any] | None = None
    urls: tuple[str, ...] = ()
    content_metadata: dict[str, Any] = field(default_factory=dict)
    error: Keyword | None = None
    cause: DidError | None = field(default=None, compare=False)
    ignored: tuple[str, ...] = ()

    @property
    def deactivated(self) -> bool:
        """Return whether the DID is deactivated."""
        return self.content_metadata.get("deactivated") is True

    @property
    def metadata(self) -> dict[str, Any]:
        """Return the dereferencing metadata in the current dialect."""
        if self.error is not None and self.cause is not None:
            return {"error": problem_of(self.error, self.cause)}
        told = {"contentType": URI_LIST if self.urls else CONTENT_TYPE}
        return told | ({"ignoredOptions": list(self.ignored)} if self.ignored else {})


def problem_of(error: Keyword, cause: DidError) -> dict[str, str]:
    """Return the error object of DID Resolution: problem details with our own code.

    Spec: DID-RESOLUTION "Errors", RFC 9457
    """
    return {"type": error.type_uri, "title": cause.title, "detail": cause.detail, "code": cause.code}


def refused(error: Keyword, cause: DidError) -> Dereferenced:
    """Return a failed result."""
    return Dereferenced(error=error, cause=cause)


def dereference(request: DidRequest, result: ResolutionResult, *, as_urls: bool) -> Dereferenced:
    """Return what a DID URL names, from the result of resolving its DID; every failure is a result.

    Args:
        request: what is asked for.
        result: of resolving ``request.did`` at ``request.version``.
        as_urls: where services are selected, give their addresses, not the document with those services only.

    Spec: DID-RESOLUTION "DID URL Dereferencing Algorithm", did:webvh 1.0 "DID URL Resolution"
    """
    if result.error is not None and result.cause is not None:
        return refused(result.error, result.cause)
    document, metadata = result.did_document, result.did_document_metadata
    if document is None:
        return Dereferenced(content_metadata=metadata, ignored=request.ignored)
    try:
        found = _select(request, document, metadata, as_urls=as_urls)
    except RequestError as error:
        return refused(error.keyword, error)
    except NotAMethodError as error:
        return refused(VerificationError.INVALID_VERIFICATION_METHOD, error)
    except RelationshipMissingError as error:
        return refused(VerificationError.INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD, error)
    except ServiceEndpointError as error:
        # did:webvh names the keyword for its own paths; elsewhere another scheme is a thing not done here.
        return refused(ResolutionError.INVALID_DID if request.path else ResolutionError.FEATURE_NOT_SUPPORTED, error)
    except DidError as error:
        return refused(ResolutionError.NOT_FOUND, error)
    return found


def _select(request: DidRequest, document: dict[str, Any], metadata: dict[str, Any], *, as_urls: bool) -> Dereferenced:
    ignored = request.ignored
    if request.selects_service:
        services = _services_of(request, document)
        if as_urls:
            return Dereferenced(urls=_addresses(request, services), content_metadata={}, ignored=ignored)
        return Dereferenced({**document, "service": services}, (), metadata, ignored=ignored)
    if request.fragment is None:
        return Dereferenced(document, (), metadata, ignored=ignored)
    member, part = _find_part(document, _names(request, document))
    if request.relationship is not None:
        _check_relationship(request, document, member)
    # A part that is read by itself has no base for relative names, and no context but its document's.
    context = document.get("@context", DID_CONTEXT)
    whole = {"@context": context, **part, "id": absolute_id(part["id"], document["id"])}
    return Dereferenced(whole, (), _deactivation(metadata), ignored=ignored)


def _deactivation(metadata: dict[str, Any]) -> dict[str, Any]:
    """Keep of a document's metadata what also holds for its parts."""
    return {"deactivated": True} if metadata.get("deactivated") is True else {}


# ---------------------------------------------------------------- names


def absolute_id(text: str, did: str) -> str:
    """Return the absolute form of an id in the document of a DID.

    Spec: DID-CORE 3.2.2
    """
    return did + text if text.startswith(_RELATIVE_ID) else text


def expand_relative(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with every relative DID URL among its ids and relationships written in full.

    Args:
        document: not changed.

    Spec: DID-RESOLUTION "DID Resolution Algorithm" (expandRelativeUrls)
    """
    did = document["id"]
    return {name: _expand(value, did, name) if isinstance(value, list) else value for name, value in document.items()}


def _expand(items: list[Any], did: str, member: str) -> list[Any]:
    expanded: list[Any] = []
    for item in items:
        if isinstance(item, str) and member in RELATIONSHIPS:
            expanded.append(absolute_id(item, did))
        elif isinstance(item, dict) and isinstance(item.get("id"), str):
            expanded.append({**item, "id": absolute_id(item["id"], did)})
        else:
            expanded.append(item)
    return expanded


def _names(request: DidRequest, document: dict[str, Any]) -> frozenset[str]:
    """Return the ids that a fragment may mean: a DID that has moved is still asked for by its earlier name."""
    return frozenset(f"{did}#{request.fragment}" for did in (request.did.text, document["id"]))


def _find_part(document: dict[str, Any], names: frozenset[str]) -> tuple[str, dict[str, Any]]:
    """Return the member that holds a part, and the part; methods are found before anything else of the same id."""
    did = document["id"]
    for member in sorted(document, key=lambda name: (name not in _METHOD_MEMBERS, name != "service")):
        value = document[member]
        for item in value if isinstance(value, list) else [value]:
            found = item.get("id") if isinstance(item, dict) else None
            if isinstance(found, str) and absolute_id(found, did) in names:
                part: dict[str, Any] = item
                return member, part
    raise FragmentNotFoundError


def _check_relationship(request: DidRequest, document: dict[str, Any], member: str) -> None:
    # Keys were checked in these members only; what looks like a method elsewhere in the document is none.
    if member not in _METHOD_MEMBERS:
        raise NotAMethodError
    did, listed = document["id"], document.get(request.relationship or "", [])
    references = [item.get("id") if isinstance(item, dict) else item for item in listed]
    names = {absolute_id(item, did) for item in references if isinstance(item, str)}
    if names.isdisjoint(_names(request, document)):
        raise RelationshipMissingError


# ---------------------------------------------------------------- services


def _services_of(request: DidRequest, document: dict[str, Any]) -> list[dict[str, Any]]:
    service = request.service
    if request.path:
        if request.did.method != "webvh":
            raise PathNotFoundError
        service = "whois" if request.path == _WHOIS else "files"
    listed = document.get("service", [])
    services = [item for item in (listed if isinstance(listed, list) else [listed]) if isinstance(item, dict)]
    if service is not None:
        services = [item for item in services if _has_id(item, service, request, document)]
    if request.service_type is not None:
        services = [item for item in services if request.service_type in _texts(item.get("type"))]
    if not services:
        raise ServiceNotFoundError
    return services


def _has_id(item: dict[str, Any], service: str, request: DidRequest, document: dict[str, Any]) -> bool:
    found, did = item.get("id"), document["id"]
    if not isinstance(found, str):
        return False
    if service.startswith("did:"):
        return absolute_id(found, did) == service
    fragment = service.removeprefix("#")
    return absolute_id(found, did) in {f"{one}#{fragment}" for one in (did, request.did.text)}


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _addresses(request: DidRequest, services: list[dict[str, Any]]) -> tuple[str, ...]:
    endpoints = [one for item in services for one in _texts(item.get("serviceEndpoint"))][:MAX_URLS]
    if not endpoints:
        raise ServiceNotFoundError("the service has no endpoint that is an address")
    reference = request.relative_ref
    if request.path and request.path != _WHOIS:
        reference = request.path
    return tuple(_address(endpoint, reference, request) for endpoint in endpoints)


def _address(endpoint: str, reference: str | None, request: DidRequest) -> str:
    parts = urlsplit(endpoint) if _URI.fullmatch(endpoint) else None
    if parts is None or parts.scheme not in _SCHEMES or (parts.scheme != "did" and not parts.hostname):
        raise ServiceEndpointError
    url = endpoint
    if reference is not None:
        if parts.scheme not in _WEB_SCHEMES:
            raise ServiceEndpointError("nothing lies below an endpoint of this scheme")
        url = join_reference(endpoint, reference)
    if request.fragment is None:
        return url
    if "#" in url:
        raise RelativeRefError("both the DID URL and the address have a fragment")
    return f"{url}#{request.fragment}"


def join_reference(endpoint: str, reference: str) -> str:
    """Return the address of a relative reference below an endpoint.

    The endpoint counts as a folder, also without a slash at its end, and a slash at the beginning of the reference
    does not lead out of it: so the examples of DID Resolution and did:webvh read.

    Args:
        endpoint: absolute ``https`` or ``http`` URL.
        reference: as it stands in a URL: ``/resume.pdf``, ``notes/1?part=2#intro``.

    Raises:
        RelativeRefError: did_relative_ref_refused: an absolute reference, dot segments, back slashes, characters that
            no URL has, or their encoded forms.

    Spec: DID-RESOLUTION "Dereferencing the Resource", "Path Traversal via relativeRef"; RFC 3986 5
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None or reference.startswith("//") or (reference and _URI.fullmatch(reference) is None):
        raise RelativeRefError("the reference has characters that stand in no URL, or names a host")
    path, tail = match[1].removeprefix("/"), (match[2] or "") + (match[3] or "")
    # Decoded again only to be looked at: some server behind the address may do so too.
    absolute = match[1][:1] != "/" and ":" in path.partition("/")[0]
    if absolute or any(_is_step(segment) for segment in path.split("/")):
        raise RelativeRefError("the reference leads out of the service")
    parts = urlsplit(endpoint)
    base = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if not path:
        return base + tail
    return f"{base.removesuffix('/')}/{path}{tail}"


def _is_step(segment: str) -> bool:
    seen = segment
    for _ in range(3):
        seen = unquote(seen, errors="replace")
    return seen in {".", ".."} or any(char in seen for char in "/\\\0")
