"""The one door through which this process asks other hosts for files: HTTPS, one request, a checked address.

Decides which URLs are fetched, which addresses are dialled and which answers are taken. A name is looked up once, every
address of it is checked, and exactly a checked one is dialled: nothing behind this door looks a name up again. There
are no redirects, cookies, proxies, compression or second requests on a connection. What the bytes mean is the caller's.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from did_methods.errors import DidError
from did_methods.https_location import MAX_PORT, parse_https_location
from registry import limits
from registry.adapters.address_rules import HTTPS_PORT, Address, FetchOverride, is_public, parse_address
from registry.adapters.fetch_errors import (
    FetchAddressRefusedError,
    FetchHostUnknownError,
    FetchRateError,
    FetchTimeoutError,
    FetchTlsError,
    FetchUnreachableError,
    FetchUrlRefusedError,
)
from registry.adapters.fetch_rates import Buckets, Places
from registry.adapters.http_exchange import Deadline, ask

_URL: Final = re.compile(r"https://(?P<host>[a-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?(?P<path>/[^?#]*)")
# What RFC 3986 lets stand in a path segment; control characters, separators and dots are refused in their encoded form.
_SEGMENT: Final = re.compile(
    r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%(?!2[EeFf]|5[Cc]|[01][0-9A-Fa-f]|7[Ff])[0-9A-Fa-f]{2})+"
)

Resolve = Callable[[str, int], Sequence[str]]
Dial = Callable[[Address, int, float], socket.socket]


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much time, size and company a fetch has; defaults as in ``registry/limits.py``.

    Args:
        total_ms: look-up, connection and answer together.
        head_bytes: status line and header fields.
        at_a_time: fetches of the process.
        at_a_time_per_host: fetches of one host.
        per_host_minute: fetches of one host.
        per_address_minute: fetches from one address, whatever names lead to it.
        per_minute: fetches in all.
        addresses: addresses of one host that are tried.
        names: hosts and addresses whose counters are remembered.
    """

    total_ms: int = limits.FETCH_TOTAL_MS
    head_bytes: int = limits.FETCH_HEAD_BYTES
    at_a_time: int = limits.FETCH_AT_A_TIME
    at_a_time_per_host: int = limits.FETCH_AT_A_TIME_PER_HOST
    per_host_minute: int = limits.FETCH_PER_HOST_MINUTE
    per_address_minute: int = limits.FETCH_PER_ADDRESS_MINUTE
    per_minute: int = limits.FETCH_PER_MINUTE
    addresses: int = limits.FETCH_ADDRESSES_TRIED
    names: int = limits.FETCH_NAMES_REMEMBERED


@dataclass(frozen=True, slots=True)
class FetchTarget:
    """A URL that may be fetched, taken apart."""

    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Return the value of the Host field."""
        return self.host if self.port == HTTPS_PORT else f"{self.host}:{self.port}"


def parse_fetch_url(url: str) -> FetchTarget:
    """Return the parts of a URL that may be fetched.

    Args:
        url: ``https://host[:port]/path``, the host a domain name in lower-case A-labels.

    Raises:
        FetchUrlRefusedError: did_fetch_url_refused.

    Spec: specs/did-method.md "Fetching"
    """
    match = _URL.fullmatch(url) if len(url) <= limits.FETCH_URL_CHARACTERS and url.isascii() else None
    if match is None:
        raise FetchUrlRefusedError
    host, port = match["host"], int(match["port"] or HTTPS_PORT)
    segments = match["path"][1:].split("/")
    try:
        plain = parse_https_location(host).host == host
    except DidError:
        plain = False
    if not plain or port > MAX_PORT or not all(_is_segment(segment) for segment in segments):
        raise FetchUrlRefusedError
    return FetchTarget(host, port, match["path"])


def _is_segment(text: str) -> bool:
    return text not in {".", ".."} and _SEGMENT.fullmatch(text) is not None


class HttpsFetcher:
    """Gets files over HTTPS; a ``DocumentFetcher`` for any number of threads.

    Args:
        fetch_limits: time, size and rates.
        overrides: hosts that are dialled elsewhere, past the address rules.
        resolve: looks a name up; may block.
        dial: connects to an address; may block for the seconds it is given.
        clock: seconds that never go backwards.

    Raises:
        OSError: the file of an override's authorities cannot be used.
    """

    def __init__(
        self,
        fetch_limits: FetchLimits | None = None,
        *,
        overrides: Iterable[FetchOverride] = (),
        resolve: Resolve | None = None,
        dial: Dial | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = most = fetch_limits or FetchLimits()
        self._overrides = {(one.host, one.port): one for one in overrides}
        self._trust = {one.ca_file: _tls_context(one.ca_file) for one in self._overrides.values() if one.ca_file}
        self._resolve = resolve or _resolve
        self._dial = dial or _dial
        self._clock = clock
        self._fetches = threading.BoundedSemaphore(most.at_a_time)
        self._lookups = threading.BoundedSemaphore(most.at_a_time)
        self._places = Places(most.at_a_time_per_host)
        self._all = Buckets(most.per_minute, names=1, clock=clock)
        self._hosts = Buckets(most.per_host_minute, names=most.names, clock=clock)
        self._addresses = Buckets(most.per_address_minute, names=most.names, clock=clock)

    @cached_property
    def _system_trust(self) -> ssl.SSLContext:
        return _tls_context(None)  # reading the system's authorities takes a while, and not every process fetches

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        """Return the body at an HTTPS URL, or None when there is none (404, 410); blocks.

        Args:
            url: ``https://host[:port]/path``.
            max_bytes: largest body to read.

        Raises:
            FetchFailedError: did_fetch_url_refused, did_fetch_rate, did_fetch_timeout, did_fetch_host_unknown,
                did_fetch_address_refused, did_fetch_unreachable, did_fetch_tls, and the codes of ``ask``.

        Spec: specs/did-method.md "Fetching"
        """
        target = parse_fetch_url(url)
        deadline = Deadline(self._limits.total_ms, self._clock)
        with self._places.held(target.host):
            # The host first: whoever spends its share must not spend everybody's.
            self._hosts.take(target.host)
            self._all.take("")
            if not self._fetches.acquire(timeout=deadline.left()):
                raise FetchRateError
            try:
                return self._fetch(target, deadline, max_bytes=max_bytes)
            finally:
                self._fetches.release()

    def _fetch(self, target: FetchTarget, deadline: Deadline, *, max_bytes: int) -> bytes | None:
        override = self._overrides.get((target.host, target.port))
        if override is None:
            plain = self._connect(self._checked_addresses(target, deadline), target.port, deadline)
            trust = self._system_trust
        else:
            plain = self._connect([override.address], override.dial_port, deadline)
            trust = self._trust[override.ca_file] if override.ca_file else self._system_trust
        with plain, _start_tls(trust, plain, target.host, deadline) as tls:
            return ask(
                tls,
                authority=target.authority,
                path=target.path,
                deadline=deadline,
                head_bytes=self._limits.head_bytes,
                max_bytes=max_bytes,
            )

    def _checked_addresses(self, target: FetchTarget, deadline: Deadline) -> list[Address]:
        """Look a name up once and return its addresses, all of which may be dialled.

        One bad address among good ones refuses the host: no honest host has such, and who mixes them means to be
        dialled at the bad one sooner or later.
        """
        texts = self._look_up(target, deadline)
        parsed = [parse_address(text) for text in dict.fromkeys(texts)]
        addresses = [address for address in parsed if address is not None and is_public(address)]
        if len(addresses) != len(parsed):
            raise FetchAddressRefusedError
        if not addresses:
            raise FetchHostUnknownError
        return addresses[: self._limits.addresses]

    def _look_up(self, target: FetchTarget, deadline: Deadline) -> Sequence[str]:
        """Look a name up within the deadline; the system's look-up knows none, so it gets a thread of its own."""
        if not self._lookups.acquire(timeout=deadline.left()):
            raise FetchTimeoutError
        found: Future[Sequence[str]] = Future()

        def run() -> None:
            try:
                found.set_result(self._resolve(target.host, target.port))
            except (OSError, UnicodeError) as error:
                found.set_exception(error)
            finally:
                self._lookups.release()

        threading.Thread(target=run, name="did-look-up", daemon=True).start()
        try:
            return found.result(timeout=deadline.left())
        except TimeoutError:
            raise FetchTimeoutError from None
        except (OSError, UnicodeError):
            raise FetchHostUnknownError from None

    def _connect(self, addresses: Sequence[Address], port: int, deadline: Deadline) -> socket.socket:
        """Return a connection to the first address that answers, and to no other than one of these."""
        for tried, address in enumerate(addresses):
            self._addresses.take(str(address))
            seconds = deadline.left() / (len(addresses) - tried)
            try:
                plain = self._dial(address, port, seconds)
            except OSError:
                continue
            if _peer(plain) != address:
                plain.close()
                raise FetchAddressRefusedError
            return plain
        deadline.left()
        raise FetchUnreachableError


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return what is trusted: names in certificates, TLS 1.2 or later, and the authorities of a file or the system."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(cafile=ca_file)
    return context


def _start_tls(trust: ssl.SSLContext, plain: socket.socket, host: str, deadline: Deadline) -> ssl.SSLSocket:
    try:
        plain.settimeout(deadline.left())
        # A connection cut off without a farewell raises: a log cut at the end of a line would look like a shorter one.
        return trust.wrap_socket(plain, server_hostname=host, suppress_ragged_eofs=False)
    except TimeoutError:
        raise FetchTimeoutError from None
    except (OSError, ValueError):  # ssl.SSLError is the former
        raise FetchTlsError from None


def _resolve(host: str, port: int) -> list[str]:
    """Ask the system for a name as it stands: the dot at its end keeps search domains out."""
    found = socket.getaddrinfo(f"{host}.", port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return [str(address[0]) for _family, _type, _protocol, _name, address in found]


def _dial(address: Address, port: int, seconds: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.settimeout(seconds)
        plain.connect((str(address), port))
    except BaseException:
        plain.close()
        raise
    return plain


def _peer(plain: socket.socket) -> Address | None:
    try:
        return parse_address(str(plain.getpeername()[0]))
    except OSError:
        return None
