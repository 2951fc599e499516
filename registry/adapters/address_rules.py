"""Which addresses the registry may dial on somebody else's behalf: unicast addresses of the public internet, no others.

Decides by an explicit table, not by what the interpreter's own classification says this year. IPv6 is refused unless it
lies in the one block that is given out for unicast. Forms that carry an IPv4 address inside are refused, but for NAT64,
whose inner address is held to the same rules: networks without IPv4 see every IPv4 host through it.

Spec: IANA special-purpose address registries (RFC 6890); did:webvh 1.0 Security Considerations.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Final

Address = IPv4Address | IPv6Address
HTTPS_PORT: Final = 443

_REFUSED_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; also the metadata service of a cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host agent, on a public address
        "169.254.0.0/16",  # link-local; metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Outside of it: loopback, unspecified, IPv4-mapped and -compatible, unique local, link- and site-local, multicast.
_UNICAST_V6: Final = IPv6Network("2000::/3")
_REFUSED_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class FetchOverride:
    """Where one host is dialled instead of where its name leads, past the address rules; for development.

    Args:
        host: in lower-case A-labels.
        port: as it stands in URLs.
        address: dialled instead.
        dial_port: dialled instead.
        ca_file: PEM of the only authorities trusted for this host; None for those of the system.
    """

    host: str
    port: int
    address: Address
    dial_port: int
    ca_file: Path | None = None


def parse_address(text: str) -> Address | None:
    """Return the address that a resolver or a socket wrote, or None when it is not one or has a zone.

    Args:
        text: canonical or not; ``fe80::1%eth0`` and old spellings such as ``0177.1`` are not addresses here.
    """
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id is not None else address


def is_public(address: Address) -> bool:
    """Say whether an address is one of a host on the public internet.

    Args:
        address: parsed; what a name resolved to or a connection reached.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _UNICAST_V6 and not any(address in network for network in _REFUSED_V6)
