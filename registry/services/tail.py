"""The log's end as this process knows it, and how it follows what other processes append to a shared database.

An entry that another process committed was verified there; here it is folded again, and must give the same leaf byte for
byte and the same root: processes of two versions that disagree stop rather than go apart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection

from registry.errors import DependencyError
from registry.history.replay import replay_leaf
from registry.history.state import Draft, LogState
from registry.limits import TAIL_PORTION
from registry.log.merkle import RightEdge
from registry.log.tile import append_leaves
from registry.services.placing import Admission
from registry.storage.engine import Listener
from registry.storage.log import LogStore

_LISTEN_S = 10.0


class TailContradictsError(DependencyError):
    """What another process appended gives another root here, or the database holds less than it did."""

    code = "log_tail_contradicts"
    title = "The log in the database contradicts what this process knows of it"


class Tail:
    """Follows the end of the log. Only the writer thread calls `follow` and `advance`.

    Args:
        store: the log.
        state: the committed state; changed holding `lock`.
        lock: readers hold it while they gather.
        admission: counts what others admitted.
        edge: the committed tree's compact range.
    """

    def __init__(
        self, *, store: LogStore, state: LogState, lock: threading.Lock, admission: Admission, edge: RightEdge
    ) -> None:
        self._store = store
        self._state = state
        self._lock = lock
        self._admission = admission
        self.edge = edge
        self._confirmed_s = time.monotonic()
        self._stopping = threading.Event()
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    @property
    def age_s(self) -> float:
        """Seconds since the state was known to be the whole log; 0 where nobody else writes."""
        return time.monotonic() - self._confirmed_s if self._store.is_shared else 0.0

    def root(self) -> bytes:
        """Return the committed tree's root; empty before the first entry, as the store says it."""
        return self.edge.root() if self.edge.size else b""

    def follow(self, connection: Connection | None = None) -> None:
        """Fold what others have committed since, if others can.

        Args:
            connection: inside a turn; None reads what is committed now.

        Raises:
            TailContradictsError: ``log_tail_contradicts``.
            BonafidesError: an entry does not follow from those before it.
        """
        if not self._store.is_shared:
            return
        asked_s = time.monotonic()
        size, root = self._store.head(connection=connection)
        while self.edge.size < size:
            end = min(size, self.edge.size + TAIL_PORTION)
            self._fold(end, root if end == size else None, connection)
        if (self.edge.size, self.root()) != (size, root):
            raise TailContradictsError(f"at size {size}", size=size, known=self.edge.size)
        self._confirmed_s = asked_s

    def advance(self, draft: Draft, edge: RightEdge) -> None:
        """Make a durable batch what readers see."""
        with self._lock:
            draft.commit()
            self.edge = edge
        self._confirmed_s = time.monotonic()

    def listen(self, look: Callable[[], None]) -> None:
        """Call `look` soon after another process has appended, until `close`."""
        if not self._store.is_shared:
            return
        self._listener = self._store.listen()
        self._thread = threading.Thread(target=self._listen, args=(self._listener, look), name="log-tail", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._stopping.set()
        if self._listener is not None and self._thread is not None:
            self._listener.close()
            self._thread.join()
            self._listener = self._thread = None

    def _fold(self, end: int, root: bytes | None, connection: Connection | None) -> None:
        draft, edge = self._state.draft(), self.edge.copy()
        leaves = [
            replay_leaf(draft, entry.data) for entry in self._store.entries(edge.size, end, connection=connection)
        ]
        append_leaves(edge, [leaf.leaf_hash for leaf in leaves])
        if edge.size != end or (root is not None and edge.root() != root):
            raise TailContradictsError(f"at size {end}", size=end, known=edge.size)
        for leaf in leaves:
            self._admission.count(leaf.parties, leaf.kind, time_ms=leaf.time_ms)
        self.advance(draft, edge)

    def _listen(self, listener: Listener, look: Callable[[], None]) -> None:
        """Wait for news; while the database does not answer, the writer's own tick asks it anyway."""
        while not self._stopping.is_set():
            if listener.wait(_LISTEN_S):
                look()
