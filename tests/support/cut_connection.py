"""A proxy before a PostgreSQL server that loses the connection at the worst moment: around a commit."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Moment = Literal["never", "before", "after"]
_COMMIT = b"COMMIT\x00"


class CuttingProxy:
    """Passes bytes on until it is told to cut.

    Attributes:
        port: where it listens, on the loopback address.
        moment: ``before`` loses the COMMIT itself, ``after`` the server's answer to it; then it is ``never`` again.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.moment: Moment = "never"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=[client], daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _events in ready.select():
                    source: socket.socket = key.fileobj  # type: ignore[assignment]
                    try:
                        data = source.recv(65_536)
                        if not data or (source is client and self._cuts(data, server)):
                            return
                        key.data.sendall(data)
                    except OSError:
                        return

    def _cuts(self, data: bytes, server: socket.socket) -> bool:
        if self.moment == "never" or _COMMIT not in data:
            return False
        if self.moment == "after":
            server.sendall(data)
            server.recv(65_536)  # the server has committed; nobody hears of it
        self.moment = "never"
        return True


@contextmanager
def cutting_proxy(port: int) -> Iterator[CuttingProxy]:
    """Run a proxy before a server on this machine until the block ends."""
    proxy = CuttingProxy(("127.0.0.1", port))
    try:
        yield proxy
    finally:
        proxy.close()
