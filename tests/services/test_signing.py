"""The signer: committed heads only, each grown out of the last, one note per size, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from did_methods.keys import SigningKey
from registry.adapters.signer_record import FileSignerRecord, RecordedHead
from registry.history.sequence import SequencedLeaf
from registry.log.checkpoint import verify_checkpoint
from registry.log.note import NoteSigner
from registry.log.tile import append_leaves
from registry.services.signing import CheckpointSigner, LogRolledBackError
from registry.storage.engine import Database, open_database
from registry.storage.log import LogStore, SignedTwiceError
from registry.storage.tables import ENTRY, HEAD, SIGNED, TILE
from tests.support.log_writer import Writer, make_leaf

KEY = NoteSigner("log.example/1", SigningKey(bytes(range(32))))


class InjectedError(Exception):
    """A failure at a point that the test names."""


@dataclass(slots=True)
class FaultyStore:
    """A log store that fails when it is told to.

    Attributes:
        store: the real one.
        before, after: fail at the next note, before it is stored or though it is stored.
    """

    store: LogStore
    before: bool = False
    after: bool = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def save_signed(self, size: int, root_hash: bytes, note: bytes) -> bytes:
        """Store a note, or fail."""
        if self.before:
            raise InjectedError
        kept = self.store.save_signed(size, root_hash, note)
        if self.after:
            raise InjectedError
        return kept


@dataclass(slots=True)
class FaultyRecord:
    """A record that fails when it is told to, and remembers the order of what was written."""

    record: FileSignerRecord
    before: bool = False
    after: bool = False
    saved: list[RecordedHead] = field(default_factory=list)

    def load(self) -> RecordedHead | None:
        """Return what is recorded."""
        return self.record.load()

    def save(self, head: RecordedHead) -> None:
        """Record a head, or fail."""
        if self.before:
            raise OSError(28, "No space left on device")
        self.record.save(head)
        self.saved.append(head)
        if self.after:
            raise OSError(5, "Input/output error")


@dataclass(slots=True)
class Bench:
    """A log in memory, its signer, and the places where it can fail."""

    database: Database
    writer: Writer
    store: FaultyStore
    record: FaultyRecord

    @property
    def signer(self) -> CheckpointSigner:
        """A signer as the next start makes it."""
        return CheckpointSigner(note_signer=KEY, store=self.store, record=self.record)  # type: ignore[arg-type]


def make_bench(folder: Path) -> Bench:
    """Return an empty log whose record lies in a folder, where one may lie already."""
    database = open_database("sqlite://")
    store = LogStore(database)
    record = FileSignerRecord(folder / "record", origin=KEY.name)
    return Bench(database, Writer(store), FaultyStore(store), FaultyRecord(record))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A log for one test."""
    made = make_bench(tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Bench]:
    """The same log's database set back, or another one: its signer has the same record."""
    made = make_bench(tmp_path)
    yield made
    made.database.close()


def test_every_size_extends_the_one_before(bench: Bench) -> None:
    """Growing by one entry sixty times, and by three hundred once, each head is signed once and verifies."""
    assert bench.signer.sign() is None
    for step in [1] * 60 + [300]:
        bench.writer.append(step)
        signed = bench.signer.sign()
        assert signed is not None
        assert signed.size == len(bench.writer.leaves)
        head = verify_checkpoint(signed.note, origin=KEY.name, key=KEY.key).checkpoint
        assert (head.size, head.root_hash) == (signed.size, bench.writer.edge.root())
        assert bench.signer.sign() == signed
    assert [one.size for one in bench.record.saved] == [*range(1, 61), 360]


@pytest.mark.parametrize("place", ["record.before", "record.after", "store.before", "store.after"])
def test_a_failure_anywhere_leaves_one_note_for_the_size(bench: Bench, place: str) -> None:
    """Record and note, refused or persisted nevertheless: the next run signs the same bytes, and nothing got out before."""
    bench.writer.append(3)
    first = bench.signer.sign()
    bench.writer.append(4)
    owner, _, moment = place.partition(".")
    setattr(getattr(bench, owner), moment, True)
    with pytest.raises((InjectedError, OSError)):
        bench.signer.sign()
    recorded, newest = bench.record.load(), bench.signer.newest()
    assert recorded is not None
    assert newest is not None
    assert recorded.size >= newest.size, "no note is anywhere whose head is not recorded"
    setattr(getattr(bench, owner), moment, False)
    second = bench.signer.sign()
    assert first is not None
    assert second is not None
    assert (first.size, second.size) == (3, 7)
    assert bench.signer.sign() == second


def test_after_a_failure_a_larger_head_may_follow(bench: Bench) -> None:
    """A head that was recorded and never signed is passed over: the larger one extends it."""
    bench.writer.append(3)
    bench.store.before = True
    with pytest.raises(InjectedError):
        bench.signer.sign()
    bench.store.before = False
    bench.writer.append(2)
    signed = bench.signer.sign()
    assert signed is not None
    assert signed.size == 5


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 300])
def test_the_same_key_signs_no_second_tree(bench: Bench, other: Bench, size: int) -> None:
    """A database set back, and grown again with other entries to less, the same or more: nothing is signed."""
    bench.writer.append(5)
    assert bench.signer.sign() is not None
    append_given(other, [make_leaf(index, text="other" if index >= 2 else "") for index in range(size)])
    with pytest.raises(LogRolledBackError):
        other.signer.sign()
    assert other.signer.newest() is None
    assert other.record.saved == []


def append_given(bench: Bench, leaves: list[SequencedLeaf]) -> None:
    """Append given leaves in one transaction."""
    edge = bench.writer.edge.copy()
    tiles = append_leaves(edge, [leaf.leaf_hash for leaf in leaves])
    bench.store.store.append(leaves, tiles, old_root_hash=b"", root_hash=edge.root())


def test_even_a_note_that_never_left_binds(bench: Bench, other: Bench) -> None:
    """A crash between the record and the note, then a database set back: the same size with other entries is refused."""
    bench.writer.append(4)
    bench.store.before = True
    with pytest.raises(InjectedError):
        bench.signer.sign()
    append_given(other, [make_leaf(index, text="other") for index in range(4)])
    with pytest.raises(LogRolledBackError):
        other.signer.sign()


def test_a_database_set_back_may_be_brought_forward(bench: Bench, other: Bench) -> None:
    """Where the missing entries come back, the same size has the same bytes."""
    bench.writer.append(6)
    signed = bench.signer.sign()
    other.writer.append(4)
    with pytest.raises(LogRolledBackError):
        other.signer.sign()
    other.writer.append(2)
    assert other.signer.sign() == signed


@pytest.mark.parametrize("where", ["head", "leaf", "tile", "signed"])
def test_tables_that_were_edited_are_not_signed(bench: Bench, where: str) -> None:
    """Another root in the head, another hash of a leaf or tile, another signed root: the proof does not come out."""
    bench.writer.append(300)
    bench.signer.sign()
    bench.writer.append(300)
    with bench.database.write() as connection:
        if where == "head":
            connection.execute(HEAD.update().values(root=bytes(32)))
        elif where == "leaf":
            connection.execute(ENTRY.update().where(ENTRY.c.seq == 299).values(leaf_hash=bytes(32)))
        elif where == "tile":
            connection.execute(TILE.update().values(data=bytes(64)))
        else:
            connection.execute(SIGNED.update().values(root=bytes(32)))
    with pytest.raises(LogRolledBackError):
        bench.signer.sign()
    assert bench.signer.newest().size == 300  # type: ignore[union-attr]


def test_a_row_of_another_root_is_a_fork(bench: Bench) -> None:
    """`signed` is the second fence: a root that stands there for this size is never joined by another."""
    bench.writer.append(3)
    bench.store.store.save_signed(3, bytes(32), b"note")
    with pytest.raises((LogRolledBackError, SignedTwiceError)):
        bench.signer.sign()


def test_a_frozen_record_ends_the_log(bench: Bench) -> None:
    """The final head can be asked for again and again; nothing larger is signed, also by a later process."""
    bench.writer.append(3)
    final = bench.signer.sign(final=True)
    assert bench.signer.sign() == final
    assert bench.record.load() == RecordedHead(3, bench.writer.edge.root(), frozen=True)
    bench.writer.append(1)
    with pytest.raises(LogRolledBackError):
        bench.signer.sign()
