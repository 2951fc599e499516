"""Where a web-hosted DID lives: the strict reading of ``host[%3Aport][:path…]`` shared by did:web and did:webvh.

Decides whether the part of a DID after the method (and after the SCID) names one HTTPS location, and which. It refuses
IP addresses in every spelling, one-label hosts, user info, encoded separators and dot segments. It fetches nothing:
what the name resolves to is for the fetcher to check.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from did_methods.errors import DidError

MAX_PORT: Final = 65_535
MAX_HOST_CHARS: Final = 253
MAX_LABEL_CHARS: Final = 63
MIN_LABELS: Final = 2

_COMPONENT: Final = re.compile(r"(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2})+")
_HOST_AND_PORT: Final = re.compile(r"(?P<host>.+?)(?:%3[Aa](?P<port>[0-9]{1,5}))?", re.DOTALL)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# A URL parser reads any host whose last label is one of these as an IPv4 address: 127.1, 0x7f.0.0.1, 0177.0.0.1.
_NUMERIC_LABEL: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")


class PercentEncodingInvalidError(DidError):
    """A component has a character that DIDs do not allow, or does not decode to UTF-8."""

    code = "did_percent_encoding_invalid"
    title = "Component of the DID is not validly percent-encoded"


class HostInvalidError(DidError):
    """The host is not a fully qualified domain name."""

    code = "did_host_invalid"
    title = "Host in the DID is not a domain name"


class HostIsAddressError(DidError):
    """The host is an IP address, or would be read as one."""

    code = "did_host_is_address"
    title = "Host in the DID is an IP address"


class PortInvalidError(DidError):
    """The port is not 1 to 65535."""

    code = "did_port_invalid"
    title = "Port in the DID is out of range"


class PathInvalidError(DidError):
    """A path segment is empty, a dot segment, or holds a separator."""

    code = "did_path_invalid"
    title = "Path in the DID is not allowed"


@dataclass(frozen=True, slots=True)
class HttpsLocation:
    """One HTTPS location: host in lower-case A-labels, port or None, decoded path segments."""

    host: str
    port: int | None
    segments: tuple[str, ...]

    @property
    def origin(self) -> str:
        """Return ``https://host[:port]`` without a trailing slash."""
        return f"https://{self.host}" if self.port is None else f"https://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """Return the folder URL that DID URL paths are resolved against, with its trailing slash."""
        return "/".join([self.origin, *(quote(segment, safe="") for segment in self.segments), ""])

    def file_url(self, name: str) -> str:
        """Return the URL of a DID file: below the path, or below ``/.well-known`` where there is none."""
        return f"{self.base_url}{name}" if self.segments else f"{self.origin}/.well-known/{name}"


def parse_https_location(text: str) -> HttpsLocation:
    """Return the location that ``host[%3Aport][:segment…]`` names.

    Args:
        text: the method-specific identifier of a did:web, or that of a did:webvh after the SCID.

    Raises:
        DidError: did_percent_encoding_invalid, did_host_invalid, did_host_is_address, did_port_invalid,
            did_path_invalid.

    Spec: did:webvh 1.0 The DID to HTTPS Transformation
    """
    domain, *segments = text.split(":")
    match = _HOST_AND_PORT.fullmatch(domain)
    if match is None:
        raise HostInvalidError("the host is empty")
    host = _parse_host(_decode(match["host"]))
    port = None if match["port"] is None else _parse_port(match["port"])
    return HttpsLocation(host, port, tuple(_parse_segment(segment) for segment in segments))


def _decode(component: str) -> str:
    """Percent-decode once; what is decoded is never decoded again."""
    if not component.isascii() or _COMPONENT.fullmatch(component) is None:
        raise PercentEncodingInvalidError("a component is empty or has a character that a DID does not allow")
    try:
        return unquote_to_bytes(component).decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise PercentEncodingInvalidError("a component does not decode to UTF-8") from None


def _parse_host(decoded: str) -> str:
    host = decoded.lower()
    if not host.isascii() or "xn--" in host:
        host = _to_a_labels(host)
    labels = host.split(".")
    if _NUMERIC_LABEL.fullmatch(labels[-1]) or host.startswith("[") or host.count(":") > 1:
        raise HostIsAddressError
    if len(host) > MAX_HOST_CHARS or len(labels) < MIN_LABELS:
        raise HostInvalidError("the host needs two labels and at most 253 characters")
    if any(len(label) > MAX_LABEL_CHARS or _LABEL.fullmatch(label) is None for label in labels):
        raise HostInvalidError("a label of the host has other characters than letters, digits and inner hyphens")
    return host


def _to_a_labels(host: str) -> str:
    """Apply IDNA 2008 without the UTS 46 mapping: full-width digits and dots must not turn into an address."""
    import idna  # its tables cost milliseconds and few hosts need them

    try:
        return idna.encode(unicodedata.normalize("NFC", host)).decode("ascii")
    except UnicodeError:
        raise HostInvalidError("the host is not a valid internationalized domain name") from None


def _parse_port(digits: str) -> int:
    port = int(digits)
    if not 1 <= port <= MAX_PORT:
        raise PortInvalidError
    return port


def _parse_segment(component: str) -> str:
    if not component:
        raise PathInvalidError("a path segment is empty")
    segment = _decode(component)
    if segment in {".", ".."} or segment != segment.strip() or any(char in segment for char in "/\\\0"):
        raise PathInvalidError("a path segment is a dot segment, holds a separator, or has outer white space")
    return segment
