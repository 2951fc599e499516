"""Snapshots: columns come back in any width, the state comes back in portions; what is no snapshot is refused with one code."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.history.replay import replay_leaf
from registry.history.snapshot import START, dump_changes, dump_state, load_state, mark_of
from registry.history.state import Changes, LogState
from registry.reputation.columns import FORMAT, ColumnReader, ColumnWriter, SnapshotFormatError
from tests.support.logs import LogBuilder, key_actor

INTS = st.lists(st.one_of(st.integers(-200, 200), st.integers(-(1 << 66), 1 << 66)))
TEXTS = st.lists(st.none() | st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"])))
IDS = st.lists(st.none() | st.binary(min_size=32, max_size=32))
EDGES = [sign * (1 << bits) - low for bits in (7, 15, 31, 63) for sign in (-1, 1) for low in (-1, 0, 1)]


def written(write: Callable[[ColumnWriter], Any]) -> bytes:
    """Return a file."""
    writer = ColumnWriter()
    write(writer)
    return writer.to_bytes()


@given(INTS, TEXTS, IDS, st.lists(INTS))
def test_columns_come_back(ints: list[int], texts: list[str | None], ids: list[bytes | None], lists: list[Any]) -> None:
    """Integers of any size, texts, ids and lists of integers."""

    def write(writer: ColumnWriter) -> None:
        writer.ints(ints)
        writer.texts(texts)
        writer.ids(ids)
        writer.lists(lists, writer.ints)
        writer.document({"a": [1, "x"]})

    reader = ColumnReader(written(write))
    assert reader.ints() == ints
    assert (reader.texts(), reader.ids()) == (texts, ids)
    assert reader.lists(reader.ints) == list(map(tuple, lists))
    assert reader.document() == {"a": [1, "x"]}
    reader.finish()


@pytest.mark.parametrize("number", EDGES)
def test_integers_at_the_edge_of_a_width(number: int) -> None:
    """The smallest and largest of each width, and their neighbours."""
    assert ColumnReader(written(lambda writer: writer.ints([0, number]))).ints() == [0, number]


def test_a_text_with_a_line_feed_is_not_written() -> None:
    """It would come back as two."""
    with pytest.raises(ValueError, match="line feed"):
        written(lambda writer: writer.texts(["a\nb"]))


def body(*parts: tuple[bytes, int, bytes]) -> bytes:
    """Return a file of parts as they are given: kind, length, bytes."""
    joined = b"".join(kind + length.to_bytes(8, "little") + data for kind, length, data in parts)
    return FORMAT + sha256(joined).digest() + joined


TABLES = ((b"t", 2, b"a\n"), (b"x", 32, bytes(32)))
BROKEN: dict[str, tuple[bytes, Callable[[ColumnReader], Any]]] = {
    "nothing": (b"", ColumnReader.ints),
    "another format": (b"bonafides/state/5\n" + bytes(64), ColumnReader.ints),
    "no text": (body(*TABLES)[:-1], ColumnReader.ints),
    "no tables": (body(), ColumnReader.ints),
    "tables in another order": (body(*TABLES[::-1]), ColumnReader.ints),
    "an id that is cut": (body(TABLES[0], (b"x", 31, bytes(31))), ColumnReader.ints),
    "nothing left": (body(*TABLES), ColumnReader.ints),
    "a length beyond the end": (body(*TABLES, (b"b", 9, b"abc")), ColumnReader.ints),
    "another kind": (body(*TABLES, (b"j", 2, b"{}")), ColumnReader.ints),
    "a number of no text": (body(*TABLES, (b"b", 1, b"\2")), ColumnReader.texts),
    "a number of no id": (body(*TABLES, (b"b", 1, b"\2")), ColumnReader.ids),
    "lists longer than their items": (
        body(*TABLES, (b"b", 1, b"\2"), (b"b", 1, b"\1")), lambda reader: reader.lists(reader.ints),
    ),
    "a list of negative length": (
        body(*TABLES, (b"b", 2, b"\xff\2"), (b"b", 1, b"\1")), lambda reader: reader.lists(reader.ints),
    ),
    "columns of two lengths": (
        body(*TABLES, (b"b", 1, b"\1"), (b"b", 2, b"\1\1")), lambda reader: reader.columns("nn"),
    ),
    "something behind the end": (body(*TABLES, (b"b", 1, b"\1")), ColumnReader.finish),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_such_file_is_refused(name: str) -> None:
    """Each way of being none, with a digest that fits where the case is not about the digest."""
    data, read = BROKEN[name]
    with pytest.raises(SnapshotFormatError):
        read(ColumnReader(data))


@pytest.fixture(scope="module")
def log() -> LogBuilder:
    """A short log with something in most tables."""
    log = LogBuilder().open(key_actor("root-agent"))
    root, alice = log.agent("root-agent"), log.agent("alice", hosted=True)
    log.epoch()
    log.vouch(root, alice)
    log.passport(alice)
    log.report(alice, root)
    return log


@pytest.fixture(scope="module")
def snapshot(log: LogBuilder) -> bytes:
    """Its snapshot."""
    return dump_state(log.state)


@given(st.data())
def test_a_changed_snapshot_is_refused_or_loads(snapshot: bytes, data: st.DataObject) -> None:
    """Whatever byte is another or missing: refused; with a digest that fits, refused or read, but no other error."""
    at = data.draw(st.integers(0, len(snapshot) - 1))
    changed = snapshot[:at] + data.draw(st.binary(max_size=2)) + snapshot[at + data.draw(st.integers(0, 9)) :]
    if changed != snapshot:
        with pytest.raises(SnapshotFormatError):
            load_state(changed)
    rest = changed[len(FORMAT) + 32 :]
    try:
        state = load_state(FORMAT + sha256(rest).digest() + rest)
    except SnapshotFormatError:
        return
    assert isinstance(state, LogState)


def test_portions_give_the_state_and_cost_what_has_changed(log: LogBuilder) -> None:
    """A portion for each entry: small ones, and the state after the last; none may be missing or come twice."""
    state, portions, mark = LogState(), [], START
    state.unsaved = Changes()
    draft = state.draft()
    for leaf in log.leaves:
        replay_leaf(draft, leaf.data)
        draft.commit()
        portions.append(dump_changes(state, state.unsaved, mark))
        mark, state.unsaved = mark_of(state), Changes()
    assert load_state(*portions) == state == log.state
    assert dump_state(load_state(*portions)) == dump_state(state)
    assert max(map(len, portions[-2:])) < len(dump_state(state))
    for broken in (portions[1:], [*portions[:3], *portions[4:]], [*portions, portions[-1]], portions[::-1]):
        with pytest.raises(SnapshotFormatError):
            load_state(*broken)


def test_a_withdrawn_pair_that_comes_back_stands_where_its_leaf_says(log: LogBuilder) -> None:
    """Equal states are equal bytes, in however many batches they were folded: fsck and replicas compare them."""
    log = LogBuilder().open(key_actor("root-agent"))
    root, alice, bob = log.agent("root-agent"), log.agent("alice"), log.agent("bob")
    log.epoch()
    first = log.vouch(root, alice)
    log.vouch(root, bob)
    log.revoke(root, first)
    log.vouch(root, alice)
    one_batch = LogState()
    draft = one_batch.draft()
    for leaf in log.leaves:
        replay_leaf(draft, leaf.data)
    draft.commit()
    assert one_batch == log.state
    assert dump_state(one_batch) == dump_state(log.state)
