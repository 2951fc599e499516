"""What other processes of one database have changed, beside the log: told within milliseconds, looked at twice a second.

Where a process has its database to itself there is nothing to hear, and nothing runs.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable

from did_methods.errors import BonafidesError
from registry.limits import SHARED_CHANGES_POLL_MS
from registry.storage.engine import CHANGES, DATABASE_FAILURES, Database, Listener

_LOG = logging.getLogger(__name__)


class SharedChanges:
    """Calls whoever holds something in memory that another process may have changed.

    Args:
        database: that is shared, or is not.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._actions: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self._thread: threading.Thread | None = None
        self._listener: Listener | None = None
        self._stopping = False

    def on(self, topic: str, action: Callable[[], None]) -> None:
        """Call an action whenever something of a topic may have changed; before `start`.

        Args:
            topic: of a store.
            action: reads it anew; called on this room's own thread.
        """
        self._actions[topic].append(action)

    def start(self) -> None:
        """Begin to listen, where there is anybody to listen to."""
        if self._database.is_shared:
            self._listener = self._database.listen(CHANGES)
            self._thread = threading.Thread(target=self._run, args=[self._listener], name="shared-changes", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._stopping = True
        if self._listener is not None and self._thread is not None:
            self._listener.close()
            self._thread.join()
            self._thread = None

    def _run(self, listener: Listener) -> None:
        while not self._stopping:
            heard = set(listener.wait(SHARED_CHANGES_POLL_MS / 1_000))
            # An empty text, or nothing: something may have been missed.
            missed = not heard or "" in heard
            for topic, actions in self._actions.items():
                if missed or topic in heard:
                    self._call(topic, actions)

    @staticmethod
    def _call(topic: str, actions: list[Callable[[], None]]) -> None:
        for action in actions:
            try:
                action()
            except DATABASE_FAILURES:  # told once each time; the next look is half a second away
                _LOG.warning("what other processes changed of %s cannot be read now", topic)
            except BonafidesError:  # a damaged row, by whatever code its store has; other stores are still read
                _LOG.exception("what other processes changed of %s cannot be read", topic)
