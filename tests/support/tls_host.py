"""A web host under a test's control: real TLS on a loopback socket, with certificates of an authority made here.

What it answers to a path is bytes that go out as they are, or a function that gets the connection.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from registry.adapters.address_rules import FetchOverride

HOST = "host.example.com"
Speak = Callable[[ssl.SSLSocket], None]
_DAY = dt.timedelta(days=1)


def respond(body: bytes = b"{}", *fields: str, status: str = "200 OK", length: bool = True) -> bytes:
    """Return a whole answer."""
    head = [f"HTTP/1.1 {status}", *fields, *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join([*head, "", ""]).encode() + body


class Authority:
    """A certificate authority that nobody else trusts.

    Attributes:
        ca_file: its certificate, PEM.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of a test")])
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self._issue(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None)))

    def context(self, *names: str) -> ssl.SSLContext:
        """Return what a server of these names needs."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        file = self._folder / f"{names[0]}.pem"
        file.write_bytes(
            self._issue(subject, key, alternatives)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _issue(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = (
            builder.not_valid_before(now - _DAY).not_valid_after(now + _DAY).add_extension(extension, critical=True)
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@dataclass(slots=True)
class TlsHost:
    """A running host.

    Attributes:
        port: on 127.0.0.1.
        ca_file: authority of its certificate.
        answers: by path; other paths get 404.
        requests: heads of the requests, as they came.
        connections: how many were made, also those that never sent a request.
    """

    port: int
    ca_file: Path
    answers: dict[str, bytes | Speak] = field(default_factory=dict)
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def override(self, host: str = HOST, port: int = 443) -> FetchOverride:
        """Return what leads the fetcher here."""
        return FetchOverride(host, port, ip_address("127.0.0.1"), self.port, self.ca_file)

    def count(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(request.startswith(f"GET {path} ".encode()) for request in self.requests)


@contextmanager
def tls_host(authority: Authority, *names: str, plain: bool = False, oldest: bool = False) -> Iterator[TlsHost]:
    """Serve until the end of the block.

    Args:
        authority: signs the certificate.
        *names: in the certificate; HOST by default.
        plain: speak HTTP without TLS.
        oldest: speak nothing newer than TLS 1.1.
    """
    context = authority.context(*(names or (HOST,)))
    if oldest:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
    listener = socket.create_server(("127.0.0.1", 0))
    host = TlsHost(listener.getsockname()[1], authority.ca_file)
    ended = threading.Event()

    def serve_one(plain_socket: socket.socket) -> None:
        with contextlib.suppress(OSError), plain_socket:
            plain_socket.settimeout(5)
            if plain:
                plain_socket.sendall(respond())
                return
            with context.wrap_socket(plain_socket, server_side=True) as tls:
                _speak(tls, host)

    def run() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if ended.is_set():
                connection.close()
                return
            host.connections += 1
            threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        ended.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", host.port), timeout=1).close()
        thread.join()
        listener.close()


def _speak(tls: ssl.SSLSocket, host: TlsHost) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        portion = tls.recv(4_096)
        if not portion:
            return
        head += portion
    host.requests.append(head)
    answer = host.answers.get(head.split(b" ")[1].decode(), respond(b"", status="404 Not Found"))
    if isinstance(answer, bytes):
        tls.sendall(answer)
        tls.unwrap()
    else:
        answer(tls)
