"""The two dialects of DID Resolution on one address: which one a caller asks for, and how an answer is written in it.

Decides the form only: what was resolved or dereferenced comes from `did_methods`. The older dialect is the one of the
universal resolver, told by the ``profile`` of its JSON-LD media type.

Spec: DID-RESOLUTION "HTTP(S) Binding"; RFC 9110 12.5.1; specs/did-resolution.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from did_methods.dereference import URI_LIST, Dereferenced, Keyword, VerificationError, problem_of
from did_methods.document import DID_CONTEXT
from did_methods.errors import DidError
from did_methods.method import CONTENT_TYPE, ResolutionError, ResolutionResult

LEGACY_CONTEXT: Final = "https://w3id.org/did-resolution/v1"
LEGACY_PROFILE: Final = "https://w3id.org/did-resolution"
LEGACY_URL_PROFILE: Final = "https://w3id.org/did-url-dereferencing"
RESOLUTION_TYPE: Final = "application/did-resolution"
DEREFERENCING_TYPE: Final = "application/did-url-dereferencing"
JSON_TYPE: Final = "application/json"
JSON_LD_TYPE: Final = "application/ld+json"
LEGACY_DOCUMENT_TYPE: Final = "application/did+ld+json"

_MAX_RANGES: Final = 32
_MAX_ACCEPT_CHARS: Final = 1_024
_RANGE: Final = re.compile(
    r"\s*([A-Za-z0-9!#$&^_.+*-]+/[A-Za-z0-9!#$&^_.+*-]+)\s*((?:;(?:[^\",;]|\"(?:[^\"\\]|\\.)*\")*)*)"
)
_PARAMETER: Final = re.compile(r";\s*([A-Za-z0-9!#$&^_.+-]+)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s\",;]*))")
_QUALITY: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

_STATUS: Final[dict[Keyword, int]] = {
    ResolutionError.INVALID_DID: 400,
    ResolutionError.INVALID_DID_URL: 400,
    ResolutionError.INVALID_OPTIONS: 400,
    ResolutionError.NOT_FOUND: 404,
    ResolutionError.REPRESENTATION_NOT_SUPPORTED: 406,
    ResolutionError.METHOD_NOT_SUPPORTED: 501,
    ResolutionError.FEATURE_NOT_SUPPORTED: 501,
    ResolutionError.INVALID_DID_DOCUMENT: 500,
    ResolutionError.INTERNAL_ERROR: 500,
    VerificationError.INVALID_VERIFICATION_METHOD: 500,
    VerificationError.INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD: 500,
}
# The table of the specification is about what resolving gives. Where this registry did not get to it, because it is at
# its limit, HTTP has a status that says so and tells the client to come again.
_BUSY: Final = frozenset({"did_fetch_rate", "did_foreign_unavailable", "did_resolution_busy"})
_GONE, _SEE_OTHER, _UNAVAILABLE = 410, 303, 503
# What did:key calls its refusals, in the dialect that its test suite speaks.
_LEGACY_NAMES: Final = {
    "key_length": "invalidPublicKeyLength",
    "key_not_canonical": "invalidPublicKey",
    "key_small_order": "invalidPublicKey",
    "key_invalid_point": "invalidPublicKey",
    "public_key_format_unknown": "unsupportedPublicKeyType",
    "public_key_format_not_allowed": "invalidPublicKeyType",
}


class RepresentationNotSupportedError(DidError):
    """``Accept`` names nothing that this resource can be given as."""

    code = "did_representation_not_supported"
    title = "No representation that is acceptable"


class Shape(Enum):
    """What an answer is made of."""

    RESOLUTION = "a resolution result"
    DEREFERENCING = "a dereferencing result"
    LEGACY = "an older result"
    LEGACY_DEREFERENCING = "an older dereferencing result"
    BARE = "the document or the part alone"
    ADDRESS = "an address to go to"


@dataclass(frozen=True, slots=True)
class Representation:
    """One form of an answer.

    Args:
        shape: what it is made of.
        media_type: as it is told.
        shown: to a person in a browser: as JSON, and followed nowhere.
    """

    shape: Shape
    media_type: str
    shown: bool = False

    @property
    def follows(self) -> bool:
        """Return whether services are wanted as addresses."""
        return self.shape not in (Shape.BARE, Shape.RESOLUTION)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent.

    Args:
        status: of HTTP.
        media_type: empty for no body.
        body: JSON value; None for no body.
        location: where the client is sent; empty for nowhere.
    """

    status: int
    media_type: str
    body: dict[str, Any] | None
    location: str = ""


@dataclass(frozen=True, slots=True)
class _Range:
    media_type: str
    profile: str | None
    quality: float
    place: int


_RESOLUTION: Final = Representation(Shape.RESOLUTION, RESOLUTION_TYPE)
_DEREFERENCING: Final = Representation(Shape.DEREFERENCING, DEREFERENCING_TYPE)
_LEGACY: Final = Representation(Shape.LEGACY, f'{JSON_LD_TYPE};profile="{LEGACY_PROFILE}"')
_LEGACY_URL: Final = Representation(Shape.LEGACY_DEREFERENCING, f'{JSON_LD_TYPE};profile="{LEGACY_URL_PROFILE}"')
_BARE: Final = tuple(
    Representation(Shape.BARE, media_type)
    for media_type in (CONTENT_TYPE, LEGACY_DOCUMENT_TYPE, "application/did+json", JSON_LD_TYPE, JSON_TYPE)
)
_ADDRESS: Final = Representation(Shape.ADDRESS, URI_LIST)
_WHOLE: Final = (_RESOLUTION, _DEREFERENCING, *_BARE, _LEGACY, _LEGACY_URL)
_PART: Final = (_DEREFERENCING, *_BARE, _LEGACY, _LEGACY_URL)
_SERVICE: Final = (*_PART, _ADDRESS)
_PROFILES: Final = {LEGACY_PROFILE: _LEGACY, LEGACY_URL_PROFILE: _LEGACY_URL}


def default_representation(*, whole: bool) -> Representation:
    """Return the form of answers to callers who do not say, or could not be understood."""
    return _RESOLUTION if whole else _DEREFERENCING


@lru_cache(maxsize=256)
def negotiate(accept: str, *, whole: bool, service: bool) -> Representation | None:
    """Return the form that a caller prefers, or None where there is none that it takes.

    The highest quality wins; among equals what is named before what a wildcard covers, and then the caller's order.

    Args:
        accept: the header field; empty where there is none.
        whole: a whole document is asked for.
        service: services are selected, so there may be an address.

    Spec: RFC 9110 12.5.1
    """
    ranges = _parse_accept(accept)
    if not ranges:
        return None if accept.strip() else default_representation(whole=whole)
    offers = _WHOLE if whole else _SERVICE if service else _PART
    excluded = {one.media_type for one in ranges if not one.quality and one.profile is None}
    wanted = sorted(
        (one for one in ranges if one.quality), key=lambda one: (-one.quality, "*" in one.media_type, one.place)
    )
    for one in wanted:
        if "*" in one.media_type:
            if any(other.media_type == "text/html" for other in wanted):
                shape = Shape.RESOLUTION if whole else Shape.DEREFERENCING
                return Representation(shape, JSON_TYPE, shown=True)
            found = next((each for each in offers if _covers(one, each) and _plain(each) not in excluded), None)
        else:
            found = next((each for each in offers if _is_exactly(one, each)), None)
        if found is not None:
            return found
    return None


def _plain(offer: Representation) -> str:
    return offer.media_type.partition(";")[0]


def _covers(one: _Range, offer: Representation) -> bool:
    family = one.media_type.removesuffix("/*")
    return one.media_type == "*/*" or _plain(offer).startswith(f"{family}/")


def _is_exactly(one: _Range, offer: Representation) -> bool:
    if one.media_type == JSON_LD_TYPE and one.profile in _PROFILES:
        return offer == _PROFILES[one.profile]
    return offer.media_type == one.media_type


def _parse_accept(text: str) -> list[_Range]:
    """Return the media ranges that are well formed; what is not says nothing, as in every server."""
    ranges: list[_Range] = []
    position = 0
    text = text[:_MAX_ACCEPT_CHARS]
    while position < len(text) and len(ranges) < _MAX_RANGES:
        match = _RANGE.match(text, position)
        end = position if match is None else match.end()
        comma = text.find(",", end)
        rest = text[end:] if comma < 0 else text[end:comma]
        if match is not None and not rest.strip():
            found = _read_range(match[1].lower(), match[2], place=len(ranges))
            if found is not None:
                ranges.append(found)
        position = len(text) if comma < 0 else comma + 1
    return ranges


def _read_range(media_type: str, parameters: str, *, place: int) -> _Range | None:
    profile, quality = None, "1"
    for match in _PARAMETER.finditer(parameters):
        name, value = match[1].lower(), match[2] if match[2] is not None else match[3]
        if name == "q":
            quality = value
            break
        if name == "profile":
            profile = value
    if _QUALITY.fullmatch(quality) is None:
        return None
    return _Range(media_type, profile, float(quality), place)


# ---------------------------------------------------------------- writing


def write_resolution(result: ResolutionResult, form: Representation) -> Answer:
    """Return the answer to a request for a whole document.

    Args:
        result: of resolving.
        form: not one for addresses.

    Spec: DID-RESOLUTION "HTTP(S) Binding"
    """
    if form.shape in (Shape.DEREFERENCING, Shape.LEGACY_DEREFERENCING):
        found = Dereferenced(result.did_document, (), result.did_document_metadata, result.error, result.cause)
        return write_dereferenced(found, form)
    status = _status(result.error, result.cause, deactivated=result.deactivated)
    if form.shape is Shape.BARE:
        if result.did_document is not None:
            return Answer(status, form.media_type, _bare(result.did_document, form.media_type))
        return Answer(status, _explaining(form, RESOLUTION_TYPE), _resolution(result))
    if form.shape is Shape.LEGACY:
        return Answer(status, form.media_type, _legacy_resolution(result))
    return Answer(status, form.media_type, _resolution(result))


def write_dereferenced(found: Dereferenced, form: Representation) -> Answer:
    """Return the answer to a request for a part, a service or an address.

    Spec: DID-RESOLUTION "HTTP(S) Binding"
    """
    status = _status(found.error, found.cause, deactivated=found.deactivated)
    if found.urls and not form.shown:
        return Answer(_SEE_OTHER, "", None, found.urls[0])
    if form.shape is Shape.LEGACY:
        return Answer(status, form.media_type, _legacy_dereferenced(found))
    if form.shape is Shape.LEGACY_DEREFERENCING:
        return Answer(status, form.media_type, _legacy_url_result(found))
    if form.shape is Shape.BARE and found.content is not None:
        return Answer(status, form.media_type, _bare(found.content, form.media_type))
    media_type = form.media_type if form.shape is Shape.DEREFERENCING else _explaining(form, DEREFERENCING_TYPE)
    return Answer(status, media_type, _url_result(found, found.metadata))


def _status(error: Keyword | None, cause: DidError | None, *, deactivated: bool) -> int:
    if error is None:
        return _GONE if deactivated else 200
    return _UNAVAILABLE if cause is not None and cause.code in _BUSY else _STATUS[error]


def _explaining(form: Representation, media_type: str) -> str:
    """Return the type of a result that stands where a document was asked for: a JSON client gets it as JSON."""
    return media_type if form.media_type in (CONTENT_TYPE, URI_LIST) else JSON_TYPE


def _bare(content: dict[str, Any], media_type: str) -> dict[str, Any]:
    linked = media_type in (LEGACY_DOCUMENT_TYPE, JSON_LD_TYPE)
    return {"@context": DID_CONTEXT, **content} if linked and "@context" not in content else content


def _resolution(result: ResolutionResult) -> dict[str, Any]:
    return result.to_wire() | {"didDocumentMetadata": _without_numbers(result.did_document_metadata)}


def _url_result(found: Dereferenced, metadata: dict[str, Any]) -> dict[str, Any]:
    # The specification says contentStream where it defines the function and content where it shows the binding.
    content: Any = list(found.urls) if found.urls else found.content
    return {
        "contentStream": content,
        "content": content,
        "dereferencingMetadata": metadata,
        "contentMetadata": _without_numbers(found.content_metadata),
    }


def _legacy_error(error: Keyword, cause: DidError) -> dict[str, Any]:
    return {"error": _LEGACY_NAMES.get(cause.code, error.legacy_name), "problemDetails": problem_of(error, cause)}


def _legacy_resolution(result: ResolutionResult) -> dict[str, Any]:
    document: dict[str, Any] | None = result.did_document
    metadata: dict[str, Any] = {**result.did_resolution_metadata, "contentType": LEGACY_DOCUMENT_TYPE}
    if result.error is not None and result.cause is not None:
        metadata = _legacy_error(result.error, result.cause)
        # The suite of did:key asks for a document that is there, even where there was no DID.
        document = {} if result.error is ResolutionError.INVALID_DID else None
    elif document is not None:
        document = _bare(document, LEGACY_DOCUMENT_TYPE)
    return {
        "@context": LEGACY_CONTEXT,
        "didDocument": document,
        "didDocumentMetadata": _without_numbers(result.did_document_metadata),
        "didResolutionMetadata": metadata,
    }


def _legacy_dereferenced(found: Dereferenced) -> dict[str, Any]:
    return {
        "@context": LEGACY_CONTEXT,
        "didDocument": found.content,
        "didDocumentMetadata": _without_numbers(found.content_metadata),
        "didDereferencingMetadata": _legacy_metadata(found),
    }


def _legacy_url_result(found: Dereferenced) -> dict[str, Any]:
    return {"@context": LEGACY_CONTEXT, **_url_result(found, _legacy_metadata(found))}


def _without_numbers(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata as DID Core 1.0 (7.3) and DID Resolution have it: there are no numbers in it, so they are texts."""
    return {name: str(value) if type(value) is int else value for name, value in metadata.items()}


def _legacy_metadata(found: Dereferenced) -> dict[str, Any]:
    if found.error is not None and found.cause is not None:
        return _legacy_error(found.error, found.cause)
    return found.metadata | {"contentType": LEGACY_DOCUMENT_TYPE}
