"""One door for resolving DIDs of every method that a program knows.

Decides which method answers and reads the version demands of a DID URL. It knows no method itself but did:key, which
needs nothing from outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from did_methods.did import InvalidDidError, InvalidDidUrlError, parse_did, parse_did_url
from did_methods.errors import DidError
from did_methods.foreign_ids import NETWORK_METHODS, ForeignNetworkError
from did_methods.key import resolve_did_key
from did_methods.method import (
    DidMethod,
    NoVersionsError,
    ResolutionError,
    ResolutionOptions,
    ResolutionResult,
    failed,
    resolved,
)
from did_methods.timestamp import TimestampError, parse_timestamp

_VERSION_NUMBER: Final = re.compile(r"[1-9][0-9]{0,8}")
_VERSION_QUERY: Final = frozenset({"versionId", "versionTime", "versionNumber"})


class MethodNotSupportedError(DidError):
    """No method of this name is configured."""

    code = "did_method_unknown"
    title = "DID method is not supported"


class ResolutionOptionsError(DidError):
    """A resolution option is unknown, repeated or malformed."""

    code = "did_resolution_options_invalid"
    title = "Resolution options are not valid"


class KeyMethod:
    """did:key as a method of a resolver."""

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return the document of a did:key; it is the same at every time and has no versions to name.

        Args:
            did: bare DID.
            options: a demand for a version by id or number is not found.

        Spec: did:key 3.1.2
        """
        try:
            document = resolve_did_key(did)
        except DidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        if options.version_id is not None or options.version_number is not None:
            return failed(ResolutionError.NOT_FOUND, NoVersionsError())
        return resolved(document.raw, {})


class Resolver:
    """Resolves DIDs by handing each to its method.

    Args:
        methods: method name (``key``, ``webvh``) to method.
    """

    def __init__(self, methods: Mapping[str, DidMethod]) -> None:
        self._methods = dict(methods)

    @property
    def method_names(self) -> tuple[str, ...]:
        """Return the names of the methods, sorted."""
        return tuple(sorted(self._methods))

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return the result of resolving a DID; every failure is a result.

        Args:
            did: text that may or may not be a DID.
            options: version asked for, and clock.

        Spec: DID-RESOLUTION 4
        """
        try:
            parsed = parse_did(did)
        except InvalidDidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        method = self._methods.get(parsed.method)
        if method is None:
            needs_network = parsed.method in NETWORK_METHODS
            cause = ForeignNetworkError() if needs_network else MethodNotSupportedError()
            return failed(ResolutionError.METHOD_NOT_SUPPORTED, cause)
        return method.resolve(did, options)

    def resolve_url(self, did_url: str, *, now_ms: int) -> ResolutionResult:
        """Return the result of resolving a DID with the version demands in its query.

        Args:
            did_url: DID, with or without a query; a path or a fragment names a resource, which is not resolved here.
            now_ms: the resolver's clock, milliseconds since the epoch.

        Spec: DID-RESOLUTION 4.1, did:webvh 1.0 Reading did:webvh DID URLs
        """
        try:
            url = parse_did_url(did_url)
        except InvalidDidUrlError as error:
            # Without any DID URL syntax the caller meant a DID.
            plain = not any(char in did_url for char in "/?#")
            return failed(ResolutionError.INVALID_DID if plain else ResolutionError.INVALID_DID_URL, error)
        if url.path or url.fragment is not None:
            return failed(ResolutionError.FEATURE_NOT_SUPPORTED, ResolutionOptionsError("only whole DIDs are resolved"))
        try:
            options = parse_version_query(url.query or "", now_ms=now_ms)
        except ResolutionOptionsError as error:
            return failed(ResolutionError.INVALID_OPTIONS, error)
        return self.resolve(url.did.text, options)


def parse_version_query(query: str, *, now_ms: int) -> ResolutionOptions:
    """Return the resolution options in a query string.

    Args:
        query: ``versionId=…&versionTime=…&versionNumber=…`` in any order, each at most once; may be empty.
        now_ms: the resolver's clock, milliseconds since the epoch.

    Raises:
        ResolutionOptionsError: did_resolution_options_invalid.

    Spec: DID-RESOLUTION 4.1
    """
    values: dict[str, str] = {}
    for pair in query.split("&") if query else []:
        name, _equals, value = pair.partition("=")
        if name not in _VERSION_QUERY or name in values or not value:
            raise ResolutionOptionsError("an option is unknown, repeated or empty")
        # Not unquote_plus: a plus sign in a DID URL is a plus sign, as in "+00:00".
        values[name] = unquote(value)
    number, time = values.get("versionNumber"), values.get("versionTime")
    if number is not None and _VERSION_NUMBER.fullmatch(number) is None:
        raise ResolutionOptionsError("versionNumber is not a positive integer")
    try:
        time_ms = None if time is None else parse_timestamp(time)
    except TimestampError:
        raise ResolutionOptionsError("versionTime is not a timestamp with a zone") from None
    return ResolutionOptions(
        now_ms=now_ms,
        version_id=values.get("versionId"),
        version_time_ms=time_ms,
        version_number=None if number is None else int(number),
    )
