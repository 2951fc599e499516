"""Who is calling: bearer keys of gateways and operators, and the rules of --dev.

Agents need no key: what they sign is their authority.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Literal

from starlette.requests import Request

from registry.api.problems import BearerKeyError, ForwardedRefusedError, OperatorOnlyError
from registry.config import LOOPBACK_HOSTS

Role = Literal["gateway", "operator"]

_FORWARDED = ("forwarded", "x-forwarded-", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "via")
"""Beginnings of the headers that proxies add."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller."""

    name: str
    role: Role


class Guard:
    """Authenticates callers. The table of keys is replaced as a whole when it changes."""

    def __init__(self, keys: dict[bytes, tuple[str, str]], *, dev: bool, public_host: str) -> None:
        self.keys = keys
        self._mutex = threading.Lock()
        self._dev = dev
        self._public_host = public_host

    def reload(self, load: Callable[[], dict[bytes, tuple[str, str]]]) -> None:
        """Replace the table of keys by what is read now: of two that reload at once, the later reading stays."""
        with self._mutex:
            self.keys = load()

    def check_dev(self, request: Request) -> None:
        """In --dev, refuse what came through a proxy, from a web page, or to a foreign name.

        Raises:
            ForwardedRefusedError: ``dev_request_refused``.
        """
        if not self._dev:
            return
        headers = request.headers
        if any(name.startswith(_FORWARDED) for name in headers):
            raise ForwardedRefusedError("a forwarded header was sent")
        if not self._is_local(headers.get("host", "")):
            raise ForwardedRefusedError("the Host is not local")
        origin = headers.get("origin")
        if origin is not None and not self._is_local(origin.partition("://")[2]):
            raise ForwardedRefusedError("the Origin is not local")

    def authenticate(self, request: Request, role: Role) -> Caller:
        """Return the caller if it may act in that role; an operator may do what a gateway may.

        Raises:
            BearerKeyError: ``bearer_key_required``.
            OperatorOnlyError: ``operator_only``.
        """
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and key:
            found = self.keys.get(hashlib.sha256(key.strip().encode()).digest())
            if found is None:
                raise BearerKeyError
            if role == "operator" and found[1] != "operator":
                raise OperatorOnlyError
            return Caller(found[0], "operator" if found[1] == "operator" else "gateway")
        if self._is_dev_loopback(request):
            return Caller("loopback", "operator")
        raise BearerKeyError

    def identify(self, request: Request) -> Caller | None:
        """Return the caller where it says who it is; None for anybody else, at doors that are open to all.

        Raises:
            BearerKeyError: ``bearer_key_required``, for a key that is not known.
        """
        if "authorization" not in request.headers and not self._is_dev_loopback(request):
            return None
        return self.authenticate(request, "gateway")

    def source(self, request: Request) -> str | None:
        """Return what challenges and registrations are counted under; None for loopback in --dev.

        An IPv6 caller has a whole /64 to itself, so its network counts, not its address.
        """
        host = request.client.host if request.client else "unknown"
        if self._dev and host in LOOPBACK_HOSTS:
            return None
        return _network_of(host)

    def _is_dev_loopback(self, request: Request) -> bool:
        return self._dev and request.client is not None and request.client.host in LOOPBACK_HOSTS

    def _is_local(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.strip("[]").lower()
        return name in LOOPBACK_HOSTS or name == self._public_host or name.endswith(".localhost")


def _network_of(host: str) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))
    return host
