"""Whatever is done to a log, both engines end with the same rows and the same answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from did_methods.errors import BonafidesError
from registry.history.sequence import SequencedLeaf
from registry.storage.engine import Database, open_database
from registry.storage.log import LogStore
from registry.storage.opening import OpeningStore, SealedOpening
from registry.storage.publication import PublicationStore
from tests.support.log_writer import Writer, make_leaf
from tests.support.postgres import PostgresServer

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 300)),
        st.tuples(st.sampled_from(["stale", "other tree", "twice"]), st.integers(0, 3)),
        st.tuples(st.sampled_from(["sign", "publish", "snapshot", "portion", "open", "erase"]), st.integers(0, 5)),
    ),
    max_size=8,
)


class Log:
    """One log on one engine, and what each step answered."""

    def __init__(self, database: Database) -> None:
        self.store, self.openings = LogStore(database), OpeningStore(database)
        self.published = PublicationStore(database)
        self.writer = Writer(self.store)

    def step(self, what: str, number: int) -> str:
        """Do a step; return its answer, or the refusal's code."""
        try:
            return repr(self._do(what, number))
        except BonafidesError as error:
            return error.code
        except IntegrityError:
            return "IntegrityError"

    def _do(self, what: str, number: int) -> Any:
        size, root, event = len(self.writer.leaves), self.writer.root(), bytes([number % 256]) * 32
        doubled = SequencedLeaf(size, 1, "vouch", self.writer.leaves[0].event_id if size else event, b"", b"h" * 32, ())
        opening = SealedOpening(event, f"d{number}", ("did:key:B", "did:key:a", "did:key:Z"), event)
        append = partial(self.store.append, tiles={}, old_root_hash=root, root_hash=event)
        steps: dict[str, Callable[[], Any]] = {
            "append": lambda: self.writer.append(number),
            "stale": lambda: append([make_leaf(size + 1)]),
            "other tree": lambda: append([make_leaf(size)], old_root_hash=b"o" * 32),
            "twice": lambda: append([make_leaf(size), doubled]),
            "sign": lambda: self.store.save_signed(number % 3, bytes([number % 2]) * 32, b"note %d" % number),
            "publish": lambda: (self.published.save_published(number), self.published.published_size()),
            "snapshot": lambda: self.store.save_snapshot(size, root, b"\0\xff" * number),
            "portion": lambda: self.store.extend_snapshot(size + 1, root, b"\xff\0" * number, after=size),
            "open": lambda: self.writer.append(1, openings=[opening]),
            "erase": lambda: self.openings.delete(dids=["did:key:a"] if number % 2 else [], events=[event]),
        }
        return steps[what]()

    def whole(self) -> list[Any]:
        """Return everything that can be read."""
        store = self.store
        tiles = [store.tile(level, index, width) for level in (0, 1) for index in range(3) for width in (1, 7, 256)]
        chains = [store.chain(f"did:key:{number}", before=None, limit=999) for number in range(4)]
        opened = [self.openings.of_event(bytes([number]) * 32) for number in range(6)]
        rows = [(one.index, one.event_id, one.kind, one.time_ms, one.data) for one in store.entries(0, 9_999)]
        return [store.head(), rows, tiles, chains, opened, store.newest_signed(), store.load_snapshot()]


@pytest.mark.oracle
@settings(max_examples=8)
@given(STEPS)
def test_both_engines_do_the_same(postgres: PostgresServer, steps: list[tuple[str, int]]) -> None:
    """The same steps get the same answers, refusals included, and leave the same log."""
    databases = open_database("sqlite://"), open_database(postgres.url(postgres.emptied_database()))
    try:
        here, there = map(Log, databases)
        for what, number in steps:
            assert here.step(what, number) == there.step(what, number), what
        assert here.whole() == there.whole()
    finally:
        for database in databases:
            database.close()
