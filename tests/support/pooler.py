"""A pooler in transaction mode before a PostgreSQL server, as pgbouncer is one: many clients share few sessions.

A client has a session of the server from the first statement of a transaction to its end, and then perhaps another one. So
whatever was left in a session is gone, or somebody else's. It speaks as much of the protocol as that takes.

Spec: PostgreSQL, "Frontend/Backend Protocol" (version 3)
"""

from __future__ import annotations

import queue
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.postgres import USER, PostgresServer

_NO_ENCRYPTION = (80877103, 80877104)
_IDLE = b"Z\x00\x00\x00\x05I"


class _Session:
    """A session of the server, and what it said of itself at its beginning."""

    def __init__(self, address: str, name: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(address)
        parameters = b"".join(
            word.encode() + b"\0" for word in ("user", USER, "database", name, "client_encoding", "UTF8")
        )
        body = struct.pack("!I", 196608) + parameters + b"\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        self.greeting = b""
        self._buffer = b""
        while not self.pass_on(self._keep):
            pass

    def _keep(self, message: bytes) -> None:
        if message[:1] == b"S":
            self.greeting += message

    def pass_on(self, send: Callable[[bytes], object]) -> bool:
        """Hand on the messages that have come; say whether the session is between two transactions now."""
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError
        self._buffer += data
        idle = False
        while len(self._buffer) >= 5:
            size = 1 + struct.unpack("!I", self._buffer[1:5])[0]
            if len(self._buffer) < size:
                break
            message, self._buffer = self._buffer[:size], self._buffer[size:]
            send(message)
            idle = message == _IDLE
        return idle


class TransactionPooler:
    """Listens on a port of the loopback address.

    Attributes:
        port: where clients connect.
        borrowed: how often a session was given to a client.
    """

    def __init__(self, server: PostgresServer, name: str, *, sessions: int) -> None:
        self._open = lambda: _Session(f"{server.folder}/.s.PGSQL.{server.port}", name)
        self._free: queue.LifoQueue[_Session] = queue.LifoQueue()
        for _ in range(sessions):
            self._free.put(self._open())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.borrowed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more clients and close the sessions that are free."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with suppress(queue.Empty):
            while True:
                self._free.get_nowait().socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while struct.unpack("!I", self._startup(client)[:4])[0] in _NO_ENCRYPTION:
                client.sendall(b"N")
            session = self._free.get()
            greeting = b"R" + struct.pack("!II", 8, 0) + session.greeting + b"K" + struct.pack("!III", 12, 1, 1)
            self._free.put(session)
            client.sendall(greeting + _IDLE)
            while data := client.recv(65_536):
                if data[:1] == b"X":
                    return
                self._transaction(client, data)

    @staticmethod
    def _startup(client: socket.socket) -> bytes:
        size = struct.unpack("!I", client.recv(4, socket.MSG_WAITALL))[0]
        return client.recv(size - 4, socket.MSG_WAITALL)

    def _transaction(self, client: socket.socket, data: bytes) -> None:
        session = self._free.get()
        self.borrowed += 1
        try:
            session.socket.sendall(data)
            while True:
                ready, _, _ = select.select([client, session.socket], [], [])
                if client in ready:
                    more = client.recv(65_536)
                    if not more:
                        raise ConnectionError  # the client went away inside its transaction
                    session.socket.sendall(more)
                if session.socket in ready and session.pass_on(client.sendall):
                    break
        except OSError:
            session.socket.close()
            session = self._open()
            raise
        finally:
            self._free.put(session)


@contextmanager
def transaction_pooler(server: PostgresServer, name: str, *, sessions: int) -> Iterator[TransactionPooler]:
    """Run a pooler before one database of a server until the block ends.

    Args:
        server: that is running.
        name: of the database.
        sessions: that all clients share.
    """
    pooler = TransactionPooler(server, name, sessions=sessions)
    try:
        yield pooler
    finally:
        pooler.close()
