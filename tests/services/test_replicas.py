"""Several registries on one PostgreSQL: one log, whoever is asked; and what each does when it may not be up to date."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from did_methods.errors import BonafidesError
from registry.bootstrap import open_registry
from registry.history.rules import preview_epoch
from registry.history.snapshot import START, dump_state
from registry.limits import DATABASE_IDLE_MS
from registry.services.snapshot import LoadedState, Snapshots, load_state
from registry.storage import engine_postgres
from registry.storage.engine import CommitUnknownError, DatabaseUnavailableError
from registry.storage.log import LogStore
from tests.support.postgres import PostgresServer
from tests.support.publication import wait_for
from tests.support.registry import ManualClock, World, open_world, world_settings

Two = tuple[World, World]


@pytest.fixture
def clock() -> ManualClock:
    """One clock for all."""
    return ManualClock()


@contextmanager
def replicas(postgres: PostgresServer, folder: Path, clock: ManualClock, *, count: int = 2) -> Iterator[list[World]]:
    """Open some registries on one empty database; they share the folder, as replicas share their keys."""
    name = postgres.fresh_database()
    with ExitStack() as stack:
        stack.callback(postgres.drop_database, name)
        yield [
            stack.enter_context(open_world(folder, clock=clock, database_url=postgres.url(name))) for _ in range(count)
        ]


@pytest.fixture
def two(postgres: PostgresServer, tmp_path: Path, clock: ManualClock) -> Iterator[Two]:
    """Two registries."""
    with replicas(postgres, tmp_path, clock) as (one, other):
        yield one, other


def same(one: World, other: World) -> Callable[[], bool]:
    """Say whether both have folded the same log to the same state."""
    return lambda: one.fingerprint() == other.fingerprint()


def check(world: World) -> None:
    """The state in memory is what folding the stored log from its first entry gives, and the head is its root."""
    size, root = world.registry.store.head()
    with world.registry.sequencer.lock:
        folded = dump_state(world.registry.state)
    assert world.registry.state.head.size == size
    assert world.registry.sequencer.tree.root() == root == world.registry.store.right_edge(size).root()
    assert dump_state(load_state(world.registry.store, size).state) == folded


def test_what_one_accepts_the_other_knows(two: Two) -> None:
    """Registration, vouch and quarantine at one; the other answers by them, and goes on writing the same log."""
    one, other = two
    alice, bob = one.agent("alice"), one.agent("bob", short_lived=True)
    vouch = alice.vouch(bob.did)
    index = one.submit(vouch).json["acceptance"]["credentialSubject"]["accepted"][0]["index"]
    wait_for(same(one, other))
    assert other.web.get(f"/v1/agents/{alice.did}").status == 200
    again = other.submit(vouch)
    assert (again.status, again.json["acceptance"]["credentialSubject"]["accepted"][0]["index"]) == (200, index)
    assert other.submit(bob.vouch(alice.did)).status == 201
    assert one.quarantine(alice).status == 201
    wait_for(lambda: other.reason(alice.request("read")) == "agent_quarantined")
    wait_for(same(one, other))
    check(one)


def test_a_resubmission_elsewhere_gives_the_same_index_at_once(two: Two) -> None:
    """The other replica has not heard of the event yet: the log's lock and a look at the tail decide, not luck."""
    one, other = two
    alice, bob = one.agent("alice"), one.agent("bob", short_lived=True)
    wait_for(same(one, other))
    for turn in range(5):
        vouch = alice.vouch(bob.did, context=f"c{turn}")
        first = one.submit(vouch).json["acceptance"]
        assert other.submit(vouch).json["acceptance"] == first


def test_both_write_at_once(two: Two) -> None:
    """Interleaved writers give one dense log, each event once, the same at both."""
    worlds = two
    agents = [worlds[0].agent(f"a{turn}", short_lived=True) for turn in range(4)]
    wait_for(same(*worlds))
    documents = [
        [
            agent.vouch(subject.did, context=f"c{turn}")
            for subject in agents
            if subject is not agent
            for turn in range(4)
        ]
        for agent in agents
    ]

    def write(place: int) -> list[int]:
        submit = worlds[place % 2].registry.events.submit
        return [submit(document).index for document in documents[place]]

    before = worlds[0].size
    with ThreadPoolExecutor(4) as pool:
        indexes = [index for part in pool.map(write, range(4)) for index in part]
    assert sorted(indexes) == list(range(before, before + len(indexes)))
    wait_for(same(*worlds))
    check(worlds[1])


def test_the_first_start_of_several_begins_one_log(
    postgres: PostgresServer, tmp_path: Path, clock: ManualClock
) -> None:
    """Three that open an empty database at the same moment: one begins the log, the others follow it."""
    name = postgres.fresh_database()
    settings = world_settings(tmp_path, database_url=postgres.url(name))
    with ThreadPoolExecutor(3) as pool:
        opened = list(pool.map(lambda _: open_registry(settings, clock=clock), range(3)))
    try:
        assert {registry.store.head() for registry in opened} == {opened[0].store.head()}
        assert {registry.state.head.size for registry in opened} == {7}
        assert len({registry.genesis.origin for registry in opened}) == 1
    finally:
        for registry in opened:
            registry.start()
            registry.stop()
        postgres.drop_database(name)


def test_an_epoch_that_is_due_is_logged_once(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find it due at the same tick; whoever comes second sees in its turn that it is done."""
    one, other = two
    one.clock.advance(25 * 3_600_000)
    number = one.registry.state.head.epoch.number  # type: ignore[union-attr]
    for world in two:
        monkeypatch.setattr(type(world.registry.authority), "epoch_due", lambda _self, **_now: True)
    for world in two:
        future = world.registry.sequencer.submit(world.registry.authority.epoch_submission(if_due=True))
        future.result(10)
    wait_for(same(one, other))
    assert one.registry.state.head.epoch.number == number + 1  # type: ignore[union-attr]


@pytest.mark.parametrize("slow", [True, False])
def test_an_epoch_may_take_longer_than_a_turn(two: Two, monkeypatch: pytest.MonkeyPatch, *, slow: bool) -> None:
    """Its turn is not lost to the limit for processes that stand still; any other one that is as slow is."""
    one, other = two
    wait_for(same(one, other))
    short = engine_postgres._WRITE.replace(f"= {DATABASE_IDLE_MS};", "= 200;")
    assert short != engine_postgres._WRITE

    def late(*arguments: Any, **named: Any) -> dict[str, Any]:
        time.sleep(0.6)
        return preview_epoch(*arguments, **named)

    monkeypatch.setattr("registry.services.authority.preview_epoch", late)
    submission = one.registry.authority.epoch_submission()
    submission.slow = slow
    with monkeypatch.context() as patch:
        patch.setattr(engine_postgres, "_WRITE", short)
        failed = one.registry.sequencer.submit(submission).exception(20)
    assert getattr(failed, "code", None) == (None if slow else "commit_failed")
    wait_for(same(one, other))
    check(other)


def test_one_snapshot_is_enough_for_all(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find one due; whoever comes second does not write the whole state again."""
    written: list[int] = []

    def counted(state: Any) -> bytes:
        if threading.current_thread() is threading.main_thread():
            written.append(state.head.size)
        return dump_state(state)

    monkeypatch.setattr("registry.services.snapshot.dump_state", counted)
    wait_for(same(*two))
    due = [
        Snapshots(
            store=world.registry.store,
            sequencer=world.registry.sequencer,
            loaded=LoadedState(world.registry.state, START, 0, 0, 3_600.0),
        )
        for world in two
    ]
    for snapshots in due:
        snapshots.save_if_due()
        assert written == [two[0].size]
    assert two[0].registry.store.snapshot_size() == two[0].size


def test_a_tail_that_nobody_confirms_allows_nothing(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that cannot reach the database denies with `evaluator_unavailable`, and allows again when it can."""
    one, other = two
    alice = one.agent("alice")
    wait_for(same(one, other))
    assert other.reason(alice.request("read")) == "trust_ok"
    monkeypatch.setattr("registry.services.sequencer.TAIL_UNCONFIRMED_MS", 300)
    reading, store = LogStore.head, other.registry.store

    def head(self: LogStore, **named: Any) -> tuple[int, bytes]:
        if self is store:
            raise DatabaseUnavailableError
        return reading(self, **named)

    with monkeypatch.context() as patch:
        patch.setattr(LogStore, "head", head)
        wait_for(lambda: other.reason(alice.request("read")) == "evaluator_unavailable")
        assert one.reason(alice.request("read")) == "trust_ok"
        assert other.submit(alice.vouch(one.registry.genesis.registry_did)).code == "commit_failed"
    wait_for(lambda: other.reason(alice.request("read")) == "trust_ok")


@pytest.mark.parametrize("written", [True, False])
def test_a_commit_whose_outcome_is_unknown_is_looked_up(
    two: Two, monkeypatch: pytest.MonkeyPatch, *, written: bool
) -> None:
    """The connection is lost during COMMIT: the entry itself says whether it counts, also when others wrote meanwhile."""
    one, other = two
    alice, bob = one.agent("alice"), one.agent("bob", short_lived=True)
    wait_for(same(one, other))
    sequencing, store, lost = LogStore.sequencing, one.registry.store, [1]

    @contextmanager
    def losing(self: LogStore, **named: bool) -> Iterator[Any]:
        if self is not store or not lost:
            with sequencing(self, **named) as connection:
                yield connection
            return
        lost.pop()
        with sequencing(self) as connection:
            yield connection
            if not written:
                connection.rollback()  # type: ignore[union-attr]
        assert other.submit(bob.vouch(alice.did)).status == 201
        raise CommitUnknownError

    monkeypatch.setattr(LogStore, "sequencing", losing)
    vouch = alice.vouch(bob.did)
    answer = one.submit(vouch)
    assert answer.status == (201 if written else 503), answer.body
    if not written:
        assert answer.code == "commit_failed"
        assert one.submit(vouch).status == 201
    wait_for(same(one, other))
    check(one)


def test_a_cut_connection_costs_a_moment(two: Two, postgres: PostgresServer) -> None:
    """The server ends every connection while both write: what was acknowledged is in the log, and both go on."""
    one, other = two
    alice, bob = one.agent("alice"), one.agent("bob", short_lived=True)
    wait_for(same(one, other))
    name = one.registry.settings.database_url.partition("@/")[2].partition("?")[0]
    accepted: dict[str, int] = {}
    refused: set[str] = set()
    stop = time.monotonic() + 1.5

    def write(world: World) -> None:
        while time.monotonic() < stop:
            document = alice.vouch(bob.did)
            try:
                accepted[document["id"]] = world.registry.events.submit(document).index
            except BonafidesError as error:
                refused.add(error.code)
                time.sleep(0.02)

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(write, world) for world in two]
        for _ in range(3):
            time.sleep(0.35)
            postgres.cut(name)
        for future in running:
            future.result()
    wait_for(same(one, other), seconds=15)
    check(other)
    events = one.registry.state.tables.events
    assert accepted
    assert refused <= {"commit_failed", "commit_unknown", "leaf_budget_exhausted"}
    assert set(accepted.values()) <= set(events.values())
