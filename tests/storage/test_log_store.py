"""The contract of the log's rows, on every database: what was appended is there, whole, in order, and only once."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from registry.history.sequence import SequencedLeaf
from registry.log.merkle import RightEdge, leaf_hash, node_hash
from registry.log.tile import TILE_WIDTH, TileContentError, TileId
from registry.storage.engine import Database
from registry.storage.log import HeadMovedError, LogStore, SignedTwiceError
from registry.storage.opening import OpeningStore, SealedOpening
from tests.support.log_writer import Writer, make_leaf

SIZE = 700  # full tiles of level 0 twice, and a part of level 1


@pytest.fixture
def writer(database: Database) -> Writer:
    """An empty log."""
    return Writer(LogStore(database))


@pytest.fixture
def full(writer: Writer) -> Writer:
    """A log of 700 leaves, appended in uneven batches across tile borders."""
    for count in (1, 2, 252, 1, 1, 255, 100, 88):
        writer.append(count)
    assert len(writer.leaves) == SIZE
    return writer


def _levels(hashes: list[bytes]) -> list[list[bytes]]:
    levels = [hashes]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return levels


def test_an_empty_log(writer: Writer) -> None:
    """Before the first entry there is nothing, and asking for it is no error."""
    store = writer.store
    assert store.head() == (0, b"")
    assert store.entry(0) is None
    assert store.entries(0, 10) == []
    assert store.tile(0, 0, 1) is None
    assert store.newest_signed() is None
    assert store.load_snapshot() is None
    assert store.chain("did:key:0", before=None, limit=5) == []
    assert store.right_edge(0).root() == RightEdge().root()


def test_what_was_appended_is_there(full: Writer) -> None:
    """Entries come back byte for byte, by index, in ranges and in portions; the head has the size and root."""
    store = full.store
    assert store.head() == (SIZE, full.edge.root())
    assert [entry.data for entry in store.entries(0, SIZE + 5)] == [leaf.data for leaf in full.leaves]
    for index in (0, 1, 255, 256, 699):
        entry = store.entry(index)
        assert entry is not None
        assert (entry.index, entry.event_id, entry.kind, entry.time_ms) == (
            index, full.leaves[index].event_id, "vouch", 1_000 + index,
        )  # fmt: skip
    assert store.entry(SIZE) is None
    assert [entry.index for entry in store.walk(10, 50, step=7)] == list(range(10, 50))


def test_tiles_are_what_the_leaves_give(full: Writer) -> None:
    """Every tile of every level, full or partial in any width, equals the one recomputed from the leaves."""
    levels = _levels([leaf.leaf_hash for leaf in full.leaves])
    for tile_level in (0, 1):
        hashes = levels[8 * tile_level]
        for number in range(-(-len(hashes) // TILE_WIDTH)):
            chunk = hashes[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
            for width in {1, len(chunk) // 2 or 1, len(chunk)}:
                assert full.store.tile(tile_level, number, width) == b"".join(chunk[:width])
            assert len(chunk) == TILE_WIDTH or full.store.tile(tile_level, number, len(chunk) + 1) is None
    assert full.store.tile(2, 0, 1) is None


def test_every_node_of_the_tree_is_found(full: Writer) -> None:
    """Each perfect subtree of each level has the hash that its leaves give; none beyond the tree is made up."""
    levels = _levels([leaf.leaf_hash for leaf in full.leaves])
    read = full.store.node_reader()
    for level, hashes in enumerate(levels):
        assert [read(level, index) for index in range(len(hashes))] == hashes, level
        with pytest.raises(TileContentError):
            read(level, len(hashes))
    with pytest.raises(TileContentError):
        full.store.node_reader()(0, SIZE + 10_000)


def test_the_right_edge_is_rebuilt_at_any_size(full: Writer) -> None:
    """A restart rebuilds the compact range from stored nodes: the same root, and the same roots after more leaves."""
    edge = RightEdge()
    roots = [edge.root()]
    for leaf in full.leaves:
        edge.append(leaf.leaf_hash)
        roots.append(edge.root())
    for size in (*range(1, 20), 255, 256, 257, 511, 512, 513, 699, 700):
        rebuilt = full.store.right_edge(size)
        assert (rebuilt.size, rebuilt.root()) == (size, roots[size])
        for leaf in full.leaves[size : size + 3]:
            rebuilt.append(leaf.leaf_hash)
        assert rebuilt.root() == roots[min(size + 3, SIZE)]


def test_the_head_moves_by_compare_and_swap(writer: Writer) -> None:
    """Leaves that do not begin at the committed size are refused whole, whoever wrote the others."""
    writer.append(3)
    before = writer.store.head()
    for first in (2, 4):
        leaves = [make_leaf(first, text="other")]
        with pytest.raises(HeadMovedError):
            writer.store.append(leaves, {}, old_root_hash=writer.root(), root_hash=b"r" * 32)
    with pytest.raises(HeadMovedError):
        writer.store.append([make_leaf(0, text="other")], {}, old_root_hash=b"", root_hash=b"r" * 32)
    with pytest.raises(HeadMovedError):  # of this size, but of another tree
        writer.store.append([make_leaf(3, text="other")], {}, old_root_hash=b"o" * 32, root_hash=b"r" * 32)
    assert writer.store.head() == before
    assert [entry.data for entry in writer.store.entries(0, 9)] == [leaf.data for leaf in writer.leaves]
    writer.append(2)
    assert writer.store.head()[0] == 5


def test_a_batch_that_fails_leaves_no_trace(writer: Writer) -> None:
    """When one row of a batch cannot be stored, none is, and the next batch goes through."""
    writer.append(2)
    repeated = SequencedLeaf(3, 1_003, "vouch", writer.leaves[0].event_id, b"x", leaf_hash(b"x"), ())
    with pytest.raises(IntegrityError):
        writer.store.append(
            [make_leaf(2), repeated], {TileId(1, 0): b"h" * 64}, old_root_hash=writer.root(), root_hash=b"r" * 32
        )
    assert writer.store.head() == (2, writer.edge.root())
    assert writer.store.entry(2) is None
    assert writer.store.tile(0, 0, 3) is None
    assert writer.store.tile(1, 0, 2) is None
    writer.append(2)
    assert writer.store.right_edge(4).root() == writer.edge.root()


def test_a_did_has_one_chain(full: Writer) -> None:
    """Its entries come newest first, by count, from any place on."""
    chain = full.store.chain("did:key:1", before=None, limit=1_000)
    assert chain == [(index // 3 + 1, index) for index in range(SIZE - 1, -1, -1) if index % 3 == 1]
    assert full.store.chain("did:key:1", before=10, limit=2) == [(9, 25), (8, 22)]
    assert full.store.chain("did:key:9", before=None, limit=2) == []


def test_no_size_is_signed_twice(full: Writer) -> None:
    """A size has one signed note for ever: the same root gives the first note again, another root is a fork."""
    store = full.store
    assert store.save_signed(5, b"r" * 32, b"note 1") == b"note 1"
    assert store.save_signed(5, b"r" * 32, b"note 2") == b"note 1"
    with pytest.raises(SignedTwiceError) as caught:
        store.save_signed(5, b"s" * 32, b"note 3")
    assert caught.value.params == {"size": 5}
    assert store.save_signed(9, b"t" * 32, b"note 9") == b"note 9"
    assert store.save_signed(7, b"u" * 32, b"note 7") == b"note 7"
    assert store.newest_signed() == (9, b"t" * 32, b"note 9")


def test_openings_lie_beside(writer: Writer, database: Database) -> None:
    """Sealed openings are kept with their event, once, and only when their batch is."""
    store = OpeningStore(database)
    kept = SealedOpening(b"e" * 32, "d1", ("did:key:1", "did:key:2"), b"noise")
    writer.append(1, openings=[kept, SealedOpening(b"e" * 32, "d1", ("did:key:1",), b"other noise")])
    assert store.of_event(b"e" * 32) == [kept]
    lost = SealedOpening(b"f" * 32, "d", ("did:key:1",), b"lost")
    with pytest.raises(HeadMovedError):
        writer.store.append([make_leaf(7)], {}, old_root_hash=writer.root(), root_hash=b"r" * 32, openings=[lost])
    assert store.of_event(b"f" * 32) == []
    assert (store.count(did="did:key:2"), store.count(event_id=b"f" * 32), store.count()) == (1, 0, 1)


def test_openings_are_deleted_by_event_and_by_party(writer: Writer, database: Database) -> None:
    """An agent's openings are those of every event that it is a party to; another's stay."""
    store = OpeningStore(database)
    names = {b"a": ("did:key:1", "did:key:2"), b"b": ("did:key:2",), b"c": ("did:key:3",), b"d": ("did:key:3",)}
    writer.append(1, openings=[SealedOpening(event * 32, "d", parties, b"x") for event, parties in names.items()])
    store.delete(dids=["did:key:2"], events=[b"d" * 32])
    assert [event for event in names if store.of_event(event * 32)] == [b"c"]
    assert (store.count(did="did:key:1"), store.count(did="did:key:3")) == (0, 1)
    store.note_carried_out([4, 9], now_ms=5)
    store.note_carried_out([9], now_ms=6)
    assert store.carried_out() == {4, 9}


def test_one_snapshot_is_kept(writer: Writer) -> None:
    """The newest snapshot replaces the one before and comes back byte for byte, portion by portion."""
    data = bytes(range(256)) * 5_000
    assert (writer.store.snapshot_size(), writer.store.load_snapshot()) == (0, None)
    assert not writer.store.extend_snapshot(5, b"r" * 32, b"first", after=0)
    writer.store.save_snapshot(5, b"r" * 32, b"first")
    assert writer.store.extend_snapshot(9, b"s" * 32, data, after=5)
    assert not writer.store.extend_snapshot(10, b"t" * 32, b"from an older state", after=5)
    assert (writer.store.snapshot_size(), writer.store.load_snapshot()) == (9, (9, b"s" * 32, (b"first", data)))
    writer.store.save_snapshot(11, b"u" * 32, b"whole")
    assert writer.store.load_snapshot() == (11, b"u" * 32, (b"whole",))
