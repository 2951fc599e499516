"""What is done again and again: at intervals, when woken, until it stops or fails."""

from __future__ import annotations

import threading

import pytest

from registry.services.ticker import Ticker


def never(_error: BaseException) -> None:
    """Fail the test: nothing was to go wrong."""
    raise AssertionError


def test_it_is_done_when_woken_and_not_after_the_stop() -> None:
    """An hour lies between two times; whoever wakes it does not wait for that, and neither does the stop."""
    done = threading.Semaphore(0)
    ticker = Ticker("test", done.release, every_s=3_600.0, on_failure=never)
    ticker.start()
    for _ in range(3):
        ticker.wake()
        assert done.acquire(timeout=10)
    ticker.stop()
    ticker.wake()
    assert not done.acquire(blocking=False)


def test_it_is_done_at_intervals() -> None:
    """Nobody has to wake it."""
    done = threading.Semaphore(0)
    ticker = Ticker("test", done.release, every_s=0.001, on_failure=never)
    ticker.start()
    for _ in range(5):
        assert done.acquire(timeout=10)
    ticker.stop()


def test_it_may_be_stopped_though_it_never_began() -> None:
    """A registry that did not get as far as its start is stopped all the same."""
    Ticker("test", lambda: None, every_s=1.0, on_failure=never).stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_failure_is_told_and_ends_it() -> None:
    """What it raised is passed on, once, and the thread ends with it."""
    told: list[BaseException] = []
    ended = threading.Event()

    def fail() -> None:
        raise ValueError("broken")

    def note(error: BaseException) -> None:
        told.append(error)
        ended.set()

    ticker = Ticker("test", fail, every_s=0.001, on_failure=note)
    ticker.start()
    assert ended.wait(10)
    ticker.stop()
    assert list(map(str, told)) == ["broken"]
