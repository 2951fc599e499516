"""Tiles and entry bundles: paths, widths, contents, and proofs read out of them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.log import merkle, tile
from registry.log.merkle import RightEdge, TreeRangeError
from registry.log.tile import (
    EntryBundleError,
    EntryTooLongError,
    TileContentError,
    TileId,
    TileNode,
    TilePath,
    TilePathError,
)
from tests.log.naive_tree import NaiveTree, naive_leaves

SIZE = 70_000


def grow(size: int, batch: int) -> tuple[RightEdge, dict[TileId, bytes]]:
    """Build a tree and its tiles in batches."""
    edge = RightEdge()
    tiles: dict[TileId, bytes] = {}
    hashes = [merkle.leaf_hash(entry) for entry in naive_leaves(size)]
    for start in range(0, size, batch):
        for each, grown in tile.append_leaves(edge, hashes[start : start + batch]).items():
            tiles[each] = tiles.get(each, b"") + grown
    return edge, tiles


@pytest.fixture(scope="module")
def big_log() -> tuple[RightEdge, dict[TileId, bytes]]:
    """Return a tree of 70,000 leaves with its tiles."""
    return grow(SIZE, 997)


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (5, 999, 1, "tile/5/999.p/1"),
        (63, 1_000, 255, "tile/63/x001/000.p/255"),
        (1, 2**55 - 1, 256, "tile/1/x036/x028/x797/x018/x963/967"),
    ],
)
def test_tile_paths(level: int, index: int, width: int, path: str) -> None:
    """A tile has one path, in groups of three digits, and the path leads back to the tile."""
    assert tile.tile_path(level, index, width=width) == path
    assert tile.parse_tile_path(path) == TilePath(level, index, width)


def test_entry_bundles_have_paths_of_their_own() -> None:
    """Bundles are spelled like tiles of the level `entries`."""
    assert tile.entries_path(1_234_067, width=8) == "tile/entries/x001/x234/067.p/8"
    assert tile.parse_tile_path("tile/entries/x001/x234/067.p/8") == TilePath(None, 1_234_067, 8)
    assert tile.entries_path(0) == "tile/entries/000"


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 2**55 - 1), st.integers(1, 256))
def test_paths_round_trip(level: int | None, index: int, width: int) -> None:
    """Parsing a written path gives back what was written, for tiles and bundles."""
    path = tile.entries_path(index, width=width) if level is None else tile.tile_path(level, index, width=width)
    assert tile.parse_tile_path(path) == TilePath(level, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile/0/000",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/0/X001/002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/08",
        "tile/0/000.p/",
        "tile/0/000.p/+8",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/../0/000",
        "tile/0/\u0660\u0660\u0660",
        "tile/Entries/000",
        "tile/data/000",
        "tile/0/x036/x028/x797/x018/x963/968",
        "tile/0/" + "x001/" * 50 + "000",
    ],
)
def test_other_spellings_are_not_tiles(path: str) -> None:
    """Second spellings would be cached as second files, so there are none."""
    with pytest.raises(TilePathError):
        tile.parse_tile_path(path)


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_an_error(text: str) -> None:
    """No text makes the parser fail in another way."""
    try:
        parsed = tile.parse_tile_path("tile/" + text)
    except TilePathError:
        return
    assert parsed.width >= 1


@pytest.mark.parametrize(
    ("level", "index", "width"), [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**55, 1), (0, 0, 0), (0, 0, 257)]
)
def test_what_has_no_path(level: int, index: int, width: int) -> None:
    """Levels, indexes and widths beyond the format are refused when writing, too."""
    with pytest.raises(TilePathError):
        tile.tile_path(level, index, width=width)


def test_the_example_of_the_specification(big_log: tuple[RightEdge, dict[TileId, bytes]]) -> None:
    """Size 70,000 has 273 full tiles and one of 112, then one full and one of 17, then one of 1."""
    widths = dict(tile.tiles_between(0, SIZE))
    assert [width for each, width in widths.items() if each.level == 0] == [256] * 273 + [112]
    assert [width for each, width in widths.items() if each.level == 1] == [256, 17]
    assert [width for each, width in widths.items() if each.level == 2] == [1]
    assert {each: len(data) // 32 for each, data in big_log[1].items()} == widths
    assert all(tile.tile_width(each, SIZE) == width for each, width in widths.items())
    assert tile.tile_width(TileId(0, 274), SIZE) == tile.tile_width(TileId(3, 0), SIZE) == 0


def test_a_tree_of_256_has_a_full_tile_and_one_above() -> None:
    """A full tile is hashed upward at once."""
    assert dict(tile.tiles_between(0, 256)) == {TileId(0, 0): 256, TileId(1, 0): 1}


@given(st.integers(0, 2_000), st.integers(0, 2_000))
def test_publishing_step_by_step_leaves_nothing_out(first: int, step: int) -> None:
    """What is published between sizes is each tile that changed, in its width at the new size."""
    second = first + step
    before, after = dict(tile.tiles_between(0, first)), dict(tile.tiles_between(0, second))
    assert dict(tile.tiles_between(first, second)) == {
        each: width for each, width in after.items() if before.get(each) != width
    }


@pytest.mark.parametrize(("old", "new"), [(1, 0), (-1, 5), (0, 2**63)])
def test_a_log_never_shrinks(old: int, new: int) -> None:
    """There are no tiles to publish between sizes that do not follow one another."""
    with pytest.raises(TreeRangeError):
        list(tile.tiles_between(old, new))


def test_batches_do_not_matter() -> None:
    """However the leaves come in, tiles have the same bytes, and only full tiles are hashed upward."""
    _, whole = grow(1_000, 1_000)
    for batch in (1, 255, 256, 257):
        assert grow(1_000, batch)[1] == whole
    tree = NaiveTree(naive_leaves(1_000))
    assert whole[TileId(1, 0)] == b"".join(tree.read_node(8, index) for index in range(3))


def test_every_perfect_subtree_is_in_a_tile(big_log: tuple[RightEdge, dict[TileId, bytes]]) -> None:
    """Each node at each level of a small tree is found in its tile, inner levels recomputed."""
    tree = NaiveTree(naive_leaves(1_000))
    read = tile.tile_node_reader(big_log[1].__getitem__)
    for level in range(10):
        for index in range(1_000 >> level):
            assert read(level, index) == tree.read_node(level, index)


@pytest.mark.parametrize(
    ("level", "index", "node"),
    [
        (0, 255, TileNode(TileId(0, 0), 255, 1)),
        (0, 256, TileNode(TileId(0, 1), 0, 1)),
        (7, 1, TileNode(TileId(0, 0), 128, 128)),
        (7, 2, TileNode(TileId(0, 1), 0, 128)),
        (8, 2, TileNode(TileId(1, 0), 2, 1)),
        (9, 1, TileNode(TileId(1, 0), 2, 2)),
        (16, 0, TileNode(TileId(2, 0), 0, 1)),
    ],
)
def test_where_nodes_are(level: int, index: int, node: TileNode) -> None:
    """Tile levels are eight tree levels apart."""
    assert tile.find_node(level, index) == node


def test_proofs_read_from_tiles(big_log: tuple[RightEdge, dict[TileId, bytes]]) -> None:
    """Inclusion and consistency proofs made of tiles verify at sizes around powers of 256 and at the end."""
    edge, tiles = big_log
    chance = random.Random(2)
    hashes = [merkle.leaf_hash(entry) for entry in naive_leaves(SIZE)]
    assert edge.root() == merkle.derive_root(hashes)
    for size in (1, 255, 256, 257, 65_535, 65_536, 65_537, SIZE):
        root = merkle.derive_root(hashes[:size])
        for index in {0, size - 1, chance.randrange(size)}:
            proof = merkle.inclusion_proof(index, size, tile.tile_node_reader(tiles.__getitem__))
            merkle.verify_inclusion(hashes[index], proof, index=index, size=size, root_hash=root)
        growth = merkle.consistency_proof(size, SIZE, tile.tile_node_reader(tiles.__getitem__))
        merkle.verify_consistency(root, edge.root(), first=size, second=SIZE, proof=growth)


def test_a_reader_loads_each_tile_once(big_log: tuple[RightEdge, dict[TileId, bytes]]) -> None:
    """A proof in a tree of 70,000 needs few tiles and asks for each once."""
    asked: list[TileId] = []

    def load(each: TileId) -> bytes:
        asked.append(each)
        return big_log[1][each]

    merkle.inclusion_proof(12_345, SIZE, tile.tile_node_reader(load))
    assert len(asked) == len(set(asked)) <= 6


@pytest.mark.parametrize("length", [0, 31, 32 * 127, 32 * 128 + 1, 32 * 257])
def test_a_truncated_tile_gives_no_node(length: int) -> None:
    """A node over 128 hashes is not computed from fewer, nor from what is no tile."""
    with pytest.raises(TileContentError):
        tile.node_from_tile(bytes(length), tile.find_node(7, 0))


def test_tiles_encode_and_parse() -> None:
    """A tile is its hashes, at exactly the width asked for."""
    hashes = tuple(merkle.leaf_hash(entry) for entry in naive_leaves(256))
    data = tile.encode_tile(hashes)
    assert len(data) == 8_192
    assert tile.tile_hashes(data) == hashes
    assert tile.tile_hashes(data[:64], width=2) == hashes[:2]
    for wrong, width in ((data, 255), (data[:-1], 256), (data + b"\x00", 256), (b"", 0), (data + bytes(32), 257)):
        with pytest.raises(TileContentError):
            tile.tile_hashes(wrong, width=width)
    for refused in ((), (*hashes, hashes[0]), (b"short",)):
        with pytest.raises(TileContentError):
            tile.encode_tile(refused)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    """Entries come out of a bundle as they went in, and a bundle cut or grown by a byte is none."""
    data = tile.encode_entry_bundle(entries)
    assert tile.parse_entry_bundle(data, width=len(entries)) == tuple(entries)
    for wrong in (data[:-1], data + b"\x00", b""):
        with pytest.raises(EntryBundleError):
            tile.parse_entry_bundle(wrong, width=len(entries))
    with pytest.raises(EntryBundleError):
        tile.parse_entry_bundle(data, width=len(entries) + 1)


@given(st.binary(max_size=80), st.integers(-1, 257))
def test_any_bytes_are_a_bundle_or_an_error(data: bytes, width: int) -> None:
    """What parses re-encodes to the same bytes: a bundle has one spelling."""
    try:
        entries = tile.parse_entry_bundle(data, width=width)
    except EntryBundleError:
        return
    assert tile.encode_entry_bundle(entries) == data


def test_what_no_bundle_holds() -> None:
    """A length is two bytes and a bundle has 1 to 256 entries."""
    assert len(tile.encode_entry_bundle([bytes(65_535)])) == 65_537
    with pytest.raises(EntryTooLongError):
        tile.encode_entry_bundle([bytes(65_536)])
    for entries in ([], [b""] * 257):
        with pytest.raises(EntryBundleError):
            tile.encode_entry_bundle(entries)
