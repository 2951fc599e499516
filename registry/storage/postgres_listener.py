"""Hearing what other processes say through PostgreSQL, on a connection that is opened anew where it is lost.

What is said while nobody listens is lost. So whoever listens looks at the tables as well: at the start, after an empty
text, and now and then. A pooler in transaction mode lets nothing through; then looking now and then is all there is.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

_CHANNEL: Final = re.compile(r"[a-z][a-z_]{0,40}")
_SLICE_S: Final = 0.2
"""How long one wait on the socket takes at most, so that `close` is heard."""
_AGAIN_S: Final = 0.5
MISSED: Final = ""


def check_channel(channel: str) -> None:
    """Check that a channel's name needs no quoting.

    Raises:
        ValueError: it would.
    """
    if not _CHANNEL.fullmatch(channel):
        message = "a channel is named in lower-case letters and underscores"
        raise ValueError(message)


class PostgresListener:
    """Listens to one channel; see `Listener`.

    Args:
        parameters: of the connection, as the driver takes them.
        channel: lower-case letters and underscores.
    """

    def __init__(self, parameters: Mapping[str, Any], channel: str) -> None:
        check_channel(channel)
        self._parameters = dict(parameters)
        self._channel = channel
        self._closed = threading.Event()
        self._mutex = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None

    def wait(self, timeout_s: float) -> list[str]:
        """Wait for what is said; see `Listener.wait`."""
        import psycopg  # only where this engine is used

        end = time.monotonic() + timeout_s
        with self._mutex:
            while not self._closed.is_set():
                left_s = max(0.0, end - time.monotonic())
                try:
                    if self._connection is None:
                        self._connection = self._connect()
                        return [MISSED]
                    heard = self._hear(self._connection, min(_SLICE_S, left_s))
                except psycopg.Error:
                    self._drop()
                    self._closed.wait(min(_AGAIN_S, left_s))
                    heard = []
                if heard or time.monotonic() >= end:
                    return heard
        return []

    def close(self) -> None:
        """End a wait of another thread, then the connection."""
        self._closed.set()
        with self._mutex:
            self._drop()

    @staticmethod
    def _hear(connection: psycopg.Connection[Any], timeout_s: float) -> list[str]:
        return [one.payload for one in connection.notifies(timeout=timeout_s, stop_after=1)]

    def _connect(self) -> psycopg.Connection[Any]:
        import psycopg  # only where this engine is used

        connection = psycopg.connect(**self._parameters, autocommit=True)
        try:
            connection.execute(f"LISTEN {self._channel}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
