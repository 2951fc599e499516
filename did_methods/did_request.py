"""What is asked of a resolver: a DID or DID URL out of a request path, its parameters, and the options beside it.

Decides what a request means and refuses what is unknown, repeated or malformed, before anything is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from urllib.parse import unquote, unquote_to_bytes

from did_methods.did import (
    MAX_DID_URL_CHARS,
    Did,
    InvalidDidError,
    InvalidDidUrlError,
    parse_did,
    parse_did_url,
)
from did_methods.document import RELATIONSHIPS
from did_methods.errors import DidError
from did_methods.method import ResolutionError, ResolutionOptions
from did_methods.resolver import ResolutionOptionsError, parse_version_query

# Each character of the longest DID URL may be sent as three.
MAX_IDENTIFIER_CHARS: Final = 3 * MAX_DID_URL_CHARS
MAX_OPTION_CHARS: Final = 1_024

_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
# In a DID that stands plain these mean nothing; whoever sends them has encoded what was a delimiter or a percent sign.
_ENCODED_DELIMITER: Final = re.compile(r"%(?:23|25|3[Ff])")
_ENCODED_COLON: Final = re.compile(r"%3[Aa]")
_NO_DID_CHARS: Final = frozenset("/?#")

_VERSION_NAMES: Final = ("versionId", "versionTime", "versionNumber")
_SERVICE_NAMES: Final = ("service", "serviceType", "relativeRef")
_OTHER_NAMES: Final = (
    "verificationRelationship",
    "expandRelativeUrls",
    "noCache",
    "publicKeyFormat",
    "enableExperimentalPublicKeyTypes",
    "enableEncryptionKeyDerivation",
    "accept",
)
_KNOWN_UNSUPPORTED: Final = frozenset({"hl", "transformKey", "defaultContext"})
_BOOLEANS: Final = {"true": True, "false": False}


class RequestError(DidError):
    """A refusal of a request that knows its keyword in DID Resolution."""

    code = "did_request_refused"
    title = "The resolution request is refused"
    keyword: ClassVar[ResolutionError] = ResolutionError.INVALID_OPTIONS


class OptionUnsupportedError(RequestError):
    """An option or DID parameter that this resolver does not act upon, where leaving it out could change the answer."""

    code = "did_option_unsupported"
    title = "Option or parameter not supported"
    keyword = ResolutionError.FEATURE_NOT_SUPPORTED


class OptionInvalidError(RequestError):
    """An option is repeated, is too long, or has a value that it cannot have."""

    code = "did_option_invalid"
    title = "Option not valid"


class ParameterRepeatedError(RequestError):
    """The query of a DID URL names a parameter twice, so that it could mean two things."""

    code = "did_parameter_repeated"
    title = "Parameter of the DID URL is repeated"
    keyword = ResolutionError.INVALID_DID_URL


@dataclass(frozen=True, slots=True)
class DidRequest:
    """What is asked for.

    Args:
        did: whose document it starts from.
        path: empty, or begins with a slash.
        fragment: without the hash sign; None where there is none.
        version: version asked for, and clock.
        service: id of services to select, as sent; None for no demand.
        service_type: type of services to select; None for no demand.
        relative_ref: percent-decoded reference below the service's endpoint; None where there is none.
        relationship: what the verification method must be allowed for; None for no demand.
        expand_relative: write relative ids of the document in full.
        key_format: type in which a did:key's method is wanted; None for the method's own.
        experimental_keys: allow types that did:key calls experimental.
        accept: media ranges of the answer, in the place of those of the transport; None for those.
        ignored: names of options that mean nothing here.
    """

    did: Did
    path: str
    fragment: str | None
    version: ResolutionOptions
    service: str | None = None
    service_type: str | None = None
    relative_ref: str | None = None
    relationship: str | None = None
    expand_relative: bool = False
    key_format: str | None = None
    experimental_keys: bool = False
    accept: str | None = None
    ignored: tuple[str, ...] = ()

    @property
    def selects_service(self) -> bool:
        """Return whether a service is asked for, by parameters or by a path."""
        return bool(self.path) or self.service is not None or self.service_type is not None

    @property
    def is_whole(self) -> bool:
        """Return whether a whole document is asked for: nothing has to be dereferenced."""
        return self.fragment is None and not self.selects_service


def read_identifier(raw: bytes) -> str:
    """Return the DID or DID URL at the end of a request path, percent-decoded once or not at all.

    Three spellings are read: plain, as the specification appends it (``did:web:host%3A8000``, where the escape belongs
    to the DID); wholly encoded (``did%3Aweb%3Ahost%253A8000%23key``); and encoded by clients that leave colons alone
    (``did:web:host%253A8000%23key``). What could be two of them is refused.

    Args:
        raw: bytes after the prefix, as sent.

    Raises:
        InvalidDidError: invalid_did.

    Spec: DID-RESOLUTION "HTTP(S) Binding", RFC 3986 2.4
    """
    if len(raw) > MAX_IDENTIFIER_CHARS or not raw.isascii():
        raise InvalidDidError("the identifier is too long, or not ASCII")
    text = raw.decode("ascii")
    if text.startswith("did:"):
        if _ENCODED_DELIMITER.search(text) is None:
            return text
        mixed = _ENCODED_COLON.search(text) is not None
    else:
        mixed = text[:6].lower() == "did%3a" and ":" in text
    if mixed:
        raise InvalidDidError("the identifier is encoded in part only: encode all of it, or nothing")
    if _BROKEN_ESCAPE.search(text):
        raise InvalidDidError("the identifier has a percent sign that encodes nothing")
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidDidError("the identifier does not decode to UTF-8") from None


def is_did_url(identifier: str) -> bool:
    """Return whether an identifier, valid or not, was meant as a DID URL and not as a DID."""
    return not _NO_DID_CHARS.isdisjoint(identifier)


def split_query(query: str) -> list[tuple[str, str]]:
    """Return the pairs of a query in order, names and values percent-decoded once; a plus sign stays one.

    Args:
        query: without the question mark.

    Raises:
        OptionInvalidError: did_option_invalid.
    """
    pairs = []
    for pair in query.split("&") if query else []:
        name, _equals, value = pair.partition("=")
        try:
            pairs.append((unquote(name, errors="strict"), unquote(value, errors="strict")))
        except UnicodeDecodeError:
            raise OptionInvalidError("an option does not decode to UTF-8") from None
    return pairs


def json_options(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return options that came as JSON as the texts that they have in a query.

    Args:
        values: parsed JSON object.

    Raises:
        OptionInvalidError: did_option_invalid.
    """
    pairs = []
    for name, value in values.items():
        if isinstance(value, bool):
            pairs.append((name, "true" if value else "false"))
        elif isinstance(value, str | int):
            pairs.append((name, str(value)))
        else:
            raise OptionInvalidError("an option is neither text nor a whole number nor true or false")
    return pairs


def parse_request(identifier: str, options: Iterable[tuple[str, str]], *, now_ms: int) -> DidRequest:
    """Return what a DID or DID URL and the options beside it ask for.

    DID parameters may stand in the DID URL or among the options, and mean the same; named twice they are refused. An
    option of an unknown name is refused where a whole document is asked for, because it might have chosen another
    one, and reported as ignored where a part is, whose choice the fragment has made.

    Args:
        identifier: DID or DID URL.
        options: names and values, decoded.
        now_ms: the resolver's clock, milliseconds since the epoch.

    Raises:
        InvalidDidError: invalid_did.
        InvalidDidUrlError: invalid_did_url.
        RequestError: did_option_unsupported, did_option_invalid or did_parameter_repeated.
        ResolutionOptionsError: did_resolution_options_invalid.

    Spec: DID-RESOLUTION "DID Parameters", "DID Resolution Algorithm", "DID URL Dereferencing Options"
    """
    if is_did_url(identifier):
        url = parse_did_url(identifier)
        did, path, fragment = url.did, url.path, url.fragment or None
        stated = _unique(split_query(url.query or ""), ParameterRepeatedError)
    else:
        did, path, fragment, stated = parse_did(identifier), "", None, {}
    asked = _unique(options, OptionInvalidError)
    if not asked.keys().isdisjoint(stated):
        raise OptionInvalidError("an option and a parameter of the DID URL have the same name")
    names = {*_VERSION_NAMES, *_SERVICE_NAMES}
    unknown = [name for name in stated if name not in names]
    unknown += [name for name in asked if name in _KNOWN_UNSUPPORTED]
    ignored = [name for name in asked if name not in names and name not in _OTHER_NAMES and name not in unknown]
    if unknown or (ignored and fragment is None):
        raise OptionUnsupportedError("a parameter or an option is not one that is known here")
    return _build(did, path, fragment, stated | asked, ignored=tuple(ignored), now_ms=now_ms)


def _build(
    did: Did, path: str, fragment: str | None, values: dict[str, str], *, ignored: tuple[str, ...], now_ms: int
) -> DidRequest:
    if _flag(values, "noCache"):
        raise OptionUnsupportedError("noCache: what is kept is asked for again after its time, not on demand")
    if _flag(values, "enableEncryptionKeyDerivation"):
        raise OptionUnsupportedError("enableEncryptionKeyDerivation: no second key is derived from a did:key")
    relationship = values.get("verificationRelationship")
    if relationship is not None and relationship not in RELATIONSHIPS:
        raise OptionInvalidError("verificationRelationship is not one of the five of DID Core")
    relative_ref = values.get("relativeRef")
    request = DidRequest(
        did=did,
        path=path,
        fragment=fragment,
        version=_version(values, now_ms=now_ms),
        service=values.get("service"),
        service_type=values.get("serviceType"),
        relative_ref=relative_ref,
        relationship=relationship,
        expand_relative=_flag(values, "expandRelativeUrls"),
        key_format=values.get("publicKeyFormat"),
        experimental_keys=_flag(values, "enableExperimentalPublicKeyTypes"),
        accept=values.get("accept"),
        ignored=ignored,
    )
    by_service = request.service is not None or request.service_type is not None
    if relative_ref is not None and not by_service:
        raise OptionInvalidError("relativeRef needs a service that it is relative to")
    if path and by_service:
        raise InvalidDidUrlError("a DID URL selects by its path or by service, not by both")
    if relationship is not None and (fragment is None or request.selects_service):
        raise OptionInvalidError("verificationRelationship is about a verification method: name one by its fragment")
    return request


def _version(values: dict[str, str], *, now_ms: int) -> ResolutionOptions:
    stated = [(name, values[name]) for name in _VERSION_NAMES if name in values]
    if not stated:
        return ResolutionOptions(now_ms)
    if any("&" in value or "%" in value or "=" in value for _name, value in stated):
        raise ResolutionOptionsError("a version has no such characters")
    return parse_version_query("&".join(f"{name}={value}" for name, value in stated), now_ms=now_ms)


def _flag(values: dict[str, str], name: str) -> bool:
    value = _BOOLEANS.get(values.get(name, "false"))
    if value is None:
        raise OptionInvalidError(f"{name} is true or false", option=name)
    return value


def _unique(pairs: Iterable[tuple[str, str]], error: type[RequestError]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise error
        if not name or len(name) > MAX_OPTION_CHARS or len(value) > MAX_OPTION_CHARS:
            raise OptionInvalidError("an option has no name, or is too long")
        values[name] = value
    return values
