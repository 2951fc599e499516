"""Who signed last, and the end of a log: the same on every engine."""

from __future__ import annotations

import pytest

from registry.storage.engine import Database
from registry.storage.log import HeadMovedError, LogStore
from registry.storage.signing import KeyHolder, SigningStore
from tests.support.log_writer import Writer


def test_who_signed_last(database: Database) -> None:
    """One row a log; the newest signer stands in it."""
    times = iter((5, 6, 7))
    ours = SigningStore(database, origin="log.example/1", now_ms=lambda: next(times))
    other = SigningStore(database, origin="log.example/2", now_ms=lambda: 9)
    assert ours.holder() is None
    ours.save_holder("north/1", 3)
    other.save_holder("south/9", 1)
    ours.save_holder("south/2", 4)
    assert ours.holder() == KeyHolder("south/2", 4, 6)
    assert other.holder() == KeyHolder("south/9", 1, 9)


def test_a_log_that_has_ended_takes_nothing_from_anybody(database: Database) -> None:
    """The fence is in the head's own swap: a process that has not heard of the end cannot append either."""
    writer = Writer(LogStore(database))
    writer.append(3)
    ends = SigningStore(database, origin="log.example/1", now_ms=lambda: 5)
    assert ends.successor() is None
    assert ends.save("log.example/2") == "log.example/2"
    assert ends.save("log.example/3") == "log.example/2"
    assert ends.successor() == "log.example/2"
    with pytest.raises(HeadMovedError):
        writer.append(1)
    assert LogStore(database).head()[0] == 3
