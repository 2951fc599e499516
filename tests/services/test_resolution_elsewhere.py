"""Resolving DIDs of others: once for all who ask, kept by their ttl, never back behind what was seen."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from did_methods.method import FetchFailedError, ResolutionResult, SeenVersion
from did_methods.webvh import entry_line, resolve_log
from registry import limits
from registry.adapters.fetch_errors import FetchRateError
from registry.services.resolution_cache import BoundedCache, SingleFlight
from registry.storage.did_version import SqlVersionMemory
from registry.storage.engine import open_database
from tests.support.registry import DAY_MS as DAY
from tests.support.resolution import FOREIGN_WEB, PKH, WEB_URL, Bench, outcome, publish_elsewhere, web_document
from tests.support.webvh import LogWriter

# ---------------------------------------------------------------- elsewhere: what is kept


def test_a_did_web_is_kept_for_a_while(bench: Bench) -> None:
    """One fetch within the time, a new one at its end; a version of the past is refused without a fetch."""
    bench.files.files[WEB_URL] = web_document()
    assert outcome(bench.resolve(FOREIGN_WEB, version_number=1)) == ("NOT_FOUND", "did_version_not_found")
    assert bench.files.asked == []
    assert bench.resolve(FOREIGN_WEB).did_document is not None
    bench.world.clock.advance(limits.RESOLUTION_TTL_MS - 1)
    bench.files.files[WEB_URL] = web_document(alsoKnownAs=["did:web:new.example"])
    assert "alsoKnownAs" not in bench.resolve(FOREIGN_WEB).did_document  # type: ignore[operator]
    assert bench.files.asked == [WEB_URL]
    bench.world.clock.advance(1)
    assert "alsoKnownAs" in bench.resolve(FOREIGN_WEB).did_document  # type: ignore[operator]
    assert bench.resolve(FOREIGN_WEB, version_time_ms=bench.world.clock.now_ms()).error is None
    assert len(bench.files.asked) == 2


def test_a_clock_that_went_back_trusts_nothing_kept(bench: Bench) -> None:
    """What was kept in a future that is none is fetched again."""
    bench.files.files[WEB_URL] = web_document()
    bench.resolve(FOREIGN_WEB)
    bench.world.clock.advance(-1)
    bench.resolve(FOREIGN_WEB)
    assert len(bench.files.asked) == 2


@pytest.mark.parametrize(("ttl", "kept_ms"), [(60, 60_000), (3_600, 3_600_000), (2_000_000_000, DAY), (0, 0)])
def test_a_did_webvh_is_kept_by_its_ttl(bench: Bench, ttl: int, kept_ms: int) -> None:
    """As long as the controller says, a day at most; 0 is not kept at all."""
    writer, url = publish_elsewhere(bench, ttl=ttl)
    assert bench.resolve(writer.did).error is None
    if kept_ms:
        bench.world.clock.advance(kept_ms - 1)
        bench.resolve(writer.did)
        assert bench.files.asked == [url]
        bench.world.clock.advance(1)
    bench.resolve(writer.did)
    assert bench.files.asked == [url, url]


def test_counting_through_versions_costs_one_fetch(bench: Bench) -> None:
    """Every demand is answered from the log that the newest came from, as a fetch would."""
    writer, url = publish_elsewhere(bench)
    bench.files.files[url] = writer.then().then().log
    for number in range(1, 20):
        expected = resolve_log(writer.did, writer.log, now_ms=bench.world.clock.now_ms(), version_number=number)
        assert bench.resolve(writer.did, version_number=number) == expected
    assert bench.files.asked == [url]


def test_a_log_with_a_broken_tail_still_has_its_past(bench: Bench) -> None:
    """The newest is refused, an earlier version answers."""
    writer, url = publish_elsewhere(bench)
    bench.files.files[url] = writer.then().tamper(versionTime="2099-01-01T00:00:00Z").log
    assert bench.resolve(writer.did).error == "INVALID_DID"
    assert bench.resolve(writer.did, version_number=1).error is None
    assert bench.files.asked == [url]


def test_a_foreign_did_is_kept(bench: Bench) -> None:
    """The child is asked once; a demand for a version does not ask it."""
    assert bench.resolve(PKH).error is None
    assert bench.resolve(PKH).error is None
    assert bench.resolve(PKH, version_number=1).error == "NOT_FOUND"
    assert bench.foreign.asked == [PKH]


def test_failures_are_kept_shortly(bench: Bench) -> None:
    """An absent file and a broken host are not asked for again at once; what was our own trouble is."""
    for failure, kept in ((None, True), (FetchFailedError(), True), (FetchRateError(), False)):
        bench.files.asked.clear()
        bench.files.files[WEB_URL] = failure
        assert bench.resolve(FOREIGN_WEB).error is not None
        bench.resolve(FOREIGN_WEB)
        assert len(bench.files.asked) == (1 if kept else 2)
        bench.world.clock.advance(limits.RESOLUTION_FAILURE_TTL_MS)
    bench.files.files[WEB_URL] = web_document()
    assert bench.resolve(FOREIGN_WEB).error is None


# ---------------------------------------------------------------- elsewhere: what was seen


@pytest.mark.parametrize("restarted", [False, True])
def test_a_shorter_log_is_refused(bench: Bench, *, restarted: bool) -> None:
    """A host that takes entries back is not believed, after a restart neither, and not for an earlier version."""
    writer, url = publish_elsewhere(bench, ttl=0)
    short = writer.log
    bench.files.files[url] = writer.then().log
    assert bench.resolve(writer.did).error is None
    bench.files.files[url] = short
    if restarted:
        bench.service = bench.make()
    assert outcome(bench.resolve(writer.did)) == ("INVALID_DID", "webvh_log_shorter")
    assert outcome(bench.resolve(writer.did, version_number=1)) == ("INVALID_DID", "webvh_log_shorter")
    bench.files.files[url] = writer.then().log
    bench.world.clock.advance(limits.RESOLUTION_FAILURE_TTL_MS)
    assert bench.resolve(writer.did).error is None


def test_a_forked_log_is_refused(bench: Bench) -> None:
    """A second log that agrees only at first is refused, however long it is."""
    writer, url = publish_elsewhere(bench, ttl=0)
    fork = LogWriter(list(writer.entries)).then({"ttl": 5}).then().then()
    bench.files.files[url] = writer.then().log
    assert bench.resolve(writer.did).error is None
    bench.files.files[url] = fork.log
    assert outcome(bench.resolve(writer.did)) == ("INVALID_DID", "webvh_log_forked")
    assert outcome(bench.resolve(writer.did, version_number=2)) == ("INVALID_DID", "webvh_log_forked")
    assert bench.memory.newest(writer.scid) == SeenVersion(2, writer.entries[-1]["versionId"])


def test_two_versions_that_come_at_the_same_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two logs that fork and are read at once, before either is remembered, one is refused."""
    writer, url = publish_elsewhere(bench)
    fork = LogWriter(list(writer.entries)).then({"ttl": 5})
    bench.files.files[url] = writer.then().log
    newest, others = bench.memory.newest, iter([None])

    def late(scid: str) -> SeenVersion | None:
        for nothing in others:  # the first look comes before the other thread has written
            bench.memory.remember(scid, SeenVersion(2, fork.entries[-1]["versionId"]))
            return nothing
        return newest(scid)

    monkeypatch.setattr(bench.memory, "newest", late)
    assert outcome(bench.resolve(writer.did)) == ("INVALID_DID", "webvh_log_forked")


def test_a_copy_elsewhere_may_not_fall_behind_the_log_here(bench: Bench) -> None:
    """A hosted log, shown shorter under a name that the registry does not know, is refused."""
    alice = bench.world.agent("alice")
    bench.world.clock.advance(5_000)
    bench.append(alice.rotate())
    assert alice.state is not None
    did = f"did:webvh:{alice.state.scid}:copy.example"
    bench.files.files["https://copy.example/.well-known/did.jsonl"] = entry_line(alice.entries[0])
    assert outcome(bench.resolve(did)) == ("INVALID_DID", "webvh_log_shorter")


def test_the_memory_never_goes_back(tmp_path: Path) -> None:
    """The newest version stays, whoever writes when, over a restart; beyond its size new logs are not kept."""
    url = f"sqlite:///{tmp_path / 'registry.sqlite3'}"
    database = open_database(url)
    memory = SqlVersionMemory(database, most=2)
    assert memory.newest("a") is None
    threads = [
        threading.Thread(target=memory.remember, args=("a", SeenVersion(number, f"{number}-x")))
        for number in (3, 1, 7, 2, 7, 5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory.newest("a") == SeenVersion(7, "7-x")
    memory.remember("a", SeenVersion(7, "7-y"))
    memory.remember("b", SeenVersion(1, "1-x"))
    memory.remember("c", SeenVersion(1, "1-x"))
    memory.remember("b", SeenVersion(2, "2-x"))
    database.close()
    database = open_database(url)
    memory = SqlVersionMemory(database, most=2)
    memory.remember("d", SeenVersion(1, "1-x"))
    assert [memory.newest(scid) for scid in "abcd"] == [SeenVersion(7, "7-x"), SeenVersion(2, "2-x"), None, None]
    database.close()


# ---------------------------------------------------------------- many at once


def test_many_who_ask_at_once_cause_one_fetch(bench: Bench) -> None:
    """Twenty threads, one request; all have its result."""
    writer, url = publish_elsewhere(bench)
    asked, waiting = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        assert waiting.wait(10)

    bench.files.before = hold
    results: list[ResolutionResult] = []
    threads = [threading.Thread(target=lambda: results.append(bench.resolve(writer.did))) for _ in range(20)]
    threads[0].start()
    assert asked.wait(10)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.05)  # gives them the chance to err; what is asserted holds without it
    waiting.set()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    assert all(result == results[0] and result.error is None for result in results)
    assert bench.files.asked == [url]


def test_a_flight_that_fails_fails_for_all_and_is_over() -> None:
    """What the leader raises its followers raise; the next caller works anew."""
    flights: SingleFlight[int] = SingleFlight()
    begun, end = threading.Event(), threading.Event()
    raised: list[str] = []

    def work() -> int:
        begun.set()
        assert end.wait(10)
        raise OSError("full")

    def ask() -> None:
        try:
            flights.share("k", work)
        except OSError as error:
            raised.append(str(error))

    leader = threading.Thread(target=ask)
    leader.start()
    assert begun.wait(10)
    end.set()
    leader.join()
    assert raised == ["full"]
    assert flights.share("k", lambda: 5) == 5


def test_a_cache_holds_no_more_than_it_may() -> None:
    """By count and by weight; the one unused longest goes, and one too heavy is not kept."""
    cache: BoundedCache[str] = BoundedCache(3, weight=10)
    for name in "abc":
        cache.put(name, name, weight=2)
    assert cache.get("a") == "a"
    cache.put("d", "d", weight=2)
    assert [cache.get(name) for name in "abcd"] == ["a", None, "c", "d"]
    cache.put("e", "e", weight=8)
    assert [cache.get(name) for name in "acde"] == [None, None, "d", "e"]
    cache.put("e", "f", weight=11)
    assert cache.get("e") is None
