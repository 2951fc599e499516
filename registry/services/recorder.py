"""Keeps decision records: in groups by default, before the answer where much depends on it.

`buffered` records may be lost with the process within the flush window; the window is in limits.md and the number of
records still waiting is a metric. A full buffer refuses decisions rather than dropping records.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future

from did_methods.errors import BonafidesError
from registry.errors import DependencyError
from registry.limits import DECISION_RECORD_BUFFER, DECISION_RECORD_FLUSH_MS
from registry.storage.decision import DecisionRecord, DecisionStore


class RecorderFullError(DependencyError):
    """Decisions are made faster than they can be recorded."""

    code = "decision_recorder_full"
    title = "Decisions cannot be recorded now"


class DecisionRecorder:
    """Writes decision records on a thread of its own. `record` may be called from any thread."""

    def __init__(self, store: DecisionStore) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._waiting: list[DecisionRecord] = []
        self._saving: list[DecisionRecord] = []
        self._futures: list[Future[None]] = []
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="decision-recorder", daemon=True)
        self.recorded = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then stop."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    @property
    def waiting(self) -> int:
        """How many records are not on the disk yet."""
        return len(self._waiting)

    def record(self, record: DecisionRecord) -> None:
        """Keep a record, durable within the flush window.

        Raises:
            RecorderFullError: ``decision_recorder_full``.
        """
        with self._mutex:
            if len(self._waiting) >= DECISION_RECORD_BUFFER:
                raise RecorderFullError
            self._waiting.append(record)
            is_filling = len(self._waiting) >= DECISION_RECORD_BUFFER // 2
        if is_filling:
            self._wake.set()

    def find(self, evaluation_id: str) -> DecisionRecord | None:
        """Return a record, whether it is on the disk yet or not, or None."""
        with self._mutex:
            pending = [one for one in (*self._saving, *self._waiting) if one.evaluation_id == evaluation_id]
        return pending[0] if pending else self._store.find(evaluation_id)

    def record_durably(self, record: DecisionRecord) -> Future[None]:
        """Keep a record; the future is done when it is on the disk."""
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # a caller that goes away must not trip the thread
        self.record(record)
        with self._mutex:
            self._futures.append(future)
        self._wake.set()
        return future

    def _run(self) -> None:
        while True:
            self._wake.wait(DECISION_RECORD_FLUSH_MS / 1000)
            self._wake.clear()
            stopping = self._stopping
            self._flush()
            if stopping:
                return

    def _flush(self) -> None:
        with self._mutex:
            records, self._waiting = self._waiting, []
            self._saving = records
            futures, self._futures = self._futures, []
        try:
            if records:
                self._store.save(records)
                self.recorded += len(records)
        except BaseException as error:
            failure = error if isinstance(error, BonafidesError) else RecorderFullError("the database refused")
            with self._mutex:
                self._waiting = records + self._waiting
                self._saving = []
            for future in futures:
                future.set_exception(failure)
            if isinstance(error, Exception):
                return  # the records wait for the next round; a full buffer then refuses new decisions
            raise
        with self._mutex:
            self._saving = []
        for future in futures:
            future.set_result(None)
