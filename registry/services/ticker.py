"""Something that is done again and again on a thread of its own, so that nobody who writes waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Ticker:
    """Does one thing at intervals, and at once when it is woken.

    Args:
        name: of the thread.
        action: what is done.
        every_s: seconds between two times, where nobody wakes it.
        on_failure: told what the action raised; after that it is not done again.
    """

    def __init__(
        self, name: str, action: Callable[[], None], *, every_s: float, on_failure: Callable[[BaseException], None]
    ) -> None:
        self._name, self._action, self._every_s, self._on_failure = name, action, every_s, on_failure
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._stopping = False
        self._wake.clear()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Let it be done now; from any thread."""
        self._wake.set()

    def stop(self) -> None:
        """Stop the thread, when what it is at is done."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            self._wake.wait(self._every_s)
            self._wake.clear()
            if self._stopping:
                return
            try:
                self._action()
            except BaseException as error:
                self._on_failure(error)
                raise
