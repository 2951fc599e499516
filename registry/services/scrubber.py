"""Reading the whole log again and again, slowly: a damaged entry is found by us, not by an auditor in three years.

Each portion is hashed and held against the stored hashes, those against the tile above, and the end of each round
against the committed root of its beginning. What is found is told and stays told until the process ends; nothing is repaired.

Spec: specs/transparency-log.md "Checking and recovering"
"""

from __future__ import annotations

import logging
import threading
from typing import Final

from registry.limits import SCRUB_PER_SECOND
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.tile import TILE_WIDTH
from registry.storage.engine import DATABASE_FAILURES
from registry.storage.log import LogStore, StoredEntryError

_LOG = logging.getLogger(__name__)
_BEGIN_S: Final = 5.0


class Scrubber:
    """Re-reads one log. Owner of the state: its own thread, or whoever calls `look` instead of starting it.

    Args:
        store: the log.
        per_second: entries at most.
    """

    def __init__(self, store: LogStore, *, per_second: int = SCRUB_PER_SECOND) -> None:
        self._store = store
        self._pause_s = TILE_WIDTH / per_second
        self._edge = RightEdge()
        self._goal = store.head()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.position = 0
        """The next entry to be read."""
        self.rounds = 0
        """How often the whole log was found sound."""
        self.found: StoredEntryError | None = None
        """The first damage."""

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="scrubber", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def look(self) -> None:
        """Read the next portion; at the end of the log, begin again."""
        size, root_hash = self._goal
        if self.position >= size:
            if size and self._edge.root() != root_hash:
                self._tell(size - 1, "the entries have another root than the committed one")
            else:
                self.rounds += bool(size)
            self.position, self._edge, self._goal = 0, RightEdge(), self._store.head()
            return None
        start, end = self.position, min(self.position + TILE_WIDTH, size)
        rows = self._store.hashed(start, end)
        gone = next((at for at, row in enumerate(rows) if row[0] != start + at), len(rows))
        if gone < end - start:
            return self._tell(start + gone, "it is missing")
        for index, stored, data in rows:
            # SQLite keeps a text or a number where somebody put one: a thread that ended with it would tell nobody.
            if type(data) is not bytes or (hashed := leaf_hash(data)) != stored:
                return self._tell(index, "it has not the hash that is stored beside it")
            self._edge.append(hashed)
        self.position = end
        return None

    def _tell(self, index: int, what: str) -> None:
        """Keep the first damage, and begin again: the next round tells whether it lasts."""
        self.found = self.found or StoredEntryError(f"entry {index}: {what}", index=index)
        _LOG.critical("the stored log is damaged: entry %d: %s", index, what)
        self.position, self._edge, self._goal = 0, RightEdge(), self._store.head()

    def _run(self) -> None:
        pause_s = _BEGIN_S  # a start has better things to do
        while not self._stopping.wait(pause_s):
            pause_s = self._pause_s
            try:
                self.look()
            except DATABASE_FAILURES:
                _LOG.warning("the scrubber could not read; trying again")
                pause_s = _BEGIN_S
            if self.found is not None:
                return
