"""Decision records: kept in groups, or before the answer where much depends on it; never dropped in silence."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from registry.limits import DECISION_RECORD_BUFFER
from registry.services.recorder import DecisionRecorder, RecorderFullError
from registry.storage.decision import DecisionRecord, DecisionStore
from registry.storage.engine import open_database
from tests.support.registry import DAY_MS, World


def _record(number: int) -> DecisionRecord:
    return DecisionRecord(f"id-{number}", 1, "did:key:z", decision=True, reason="trust_ok", record=b"{}")


class Disk(DecisionStore):
    """A store whose disk can be slow or full."""

    def __init__(self, path: Path) -> None:
        self.database = open_database(f"sqlite:///{path / 'r.sqlite3'}")
        super().__init__(self.database)
        self.is_full = False
        self.gate = threading.Event()
        self.gate.set()

    def save(self, records: Sequence[DecisionRecord]) -> None:
        """Save unless the disk is full, when the gate opens."""
        assert self.gate.wait(10)
        if self.is_full:
            message = "disk full"
            raise OSError(message)
        super().save(records)


@pytest.fixture
def disk(tmp_path: Path) -> Any:
    """A store on disk."""
    store = Disk(tmp_path)
    yield store
    store.database.close()


def test_a_record_is_readable_before_it_is_on_the_disk(disk: Disk) -> None:
    """Waiting, being written, or written: a record is found all the time."""
    recorder = DecisionRecorder(disk)
    recorder.record(_record(1))
    assert recorder.find("id-1") == _record(1)
    assert disk.find("id-1") is None
    disk.gate.clear()
    recorder.start()
    future = recorder.record_durably(_record(2))
    assert recorder.find("id-1") == _record(1)
    assert not future.done()
    disk.gate.set()
    future.result(10)
    assert (recorder.find("id-1"), recorder.find("id-2"), recorder.waiting) == (_record(1), _record(2), 0)
    assert recorder.find("id-3") is None
    recorder.stop()


def test_stopping_writes_what_waits(disk: Disk) -> None:
    """An orderly stop loses nothing."""
    recorder = DecisionRecorder(disk)
    recorder.start()
    for number in range(300):
        recorder.record(_record(number))
    recorder.stop()
    assert recorder.recorded == 300
    assert all(disk.find(f"id-{number}") for number in range(300))


def test_a_full_buffer_refuses_decisions(disk: Disk) -> None:
    """When nothing can be written any more, no further decision is made: refused, not forgotten."""
    recorder = DecisionRecorder(disk)
    for number in range(DECISION_RECORD_BUFFER):
        recorder.record(_record(number))
    with pytest.raises(RecorderFullError):
        recorder.record(_record(-1))
    with pytest.raises(RecorderFullError):
        recorder.record_durably(_record(-1))
    assert recorder.waiting == DECISION_RECORD_BUFFER


def test_a_full_disk_fails_the_durable_and_keeps_the_rest(disk: Disk) -> None:
    """Who waits for the disk hears of the failure; the records stay and are written when there is room."""
    recorder = DecisionRecorder(disk)
    disk.is_full = True
    recorder.start()
    recorder.record(_record(1))
    future = recorder.record_durably(_record(2))
    assert isinstance(future.exception(10), RecorderFullError)
    assert recorder.find("id-1") == _record(1)
    disk.is_full = False
    recorder.record_durably(_record(3)).result(10)
    recorder.stop()
    assert [disk.find(f"id-{number}") for number in (1, 2, 3)] == [_record(1), _record(2), _record(3)]


def test_a_caller_that_goes_away_does_not_stop_the_thread(disk: Disk) -> None:
    """A cancelled wait is the caller's business only."""
    recorder = DecisionRecorder(disk)
    gone: Future[None] = recorder.record_durably(_record(1))
    assert not gone.cancel()
    recorder.start()
    gone.result(10)
    recorder.record_durably(_record(2)).result(10)
    recorder.stop()


def test_what_carries_high_risk_is_durable_before_the_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An allowed action of high risk is on the disk when the gateway hears of it; reading waits for no disk."""
    alice = world.agent("alice")
    for _ in range(10):
        world.clock.advance(8 * DAY_MS)
        assert world.submit(world.operator.vouch(alice.did)).status == 201
        assert world.epoch().status == 201
    assert world.submit(alice.passport()).status == 201
    durable: list[str] = []
    original = DecisionRecorder.record_durably

    def record_durably(self: DecisionRecorder, record: DecisionRecord) -> Future[None]:
        durable.append(record.evaluation_id)
        return original(self, record)

    monkeypatch.setattr(DecisionRecorder, "record_durably", record_durably)
    capability = world.operator.capability(alice.did, "delete")
    high = world.decide(alice.request("delete", capabilities=(capability,)))
    assert high["decision"] is True
    assert durable == [high["context"]["evaluation_id"]]
    assert world.registry.decision_store.find(durable[0]) is not None
    denied = world.decide(alice.request("delete"))
    assert denied["decision"] is False
    assert world.decide(alice.request("read"))["decision"] is True
    assert len(durable) == 1
