"""Tiles and entry bundles: the static files in which the log is published.

Decides paths, widths and contents, and finds any perfect subtree of the tree in a tile. A tile holds up to 256 hashes
that lie eight levels above those of the tile level below; only full tiles are hashed upward. It reads and writes no
files: contents come from and go to whoever stores them.

Spec: c2sp.org/tlog-tiles@v0.1.0
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from registry.errors import LimitError, ParseError
from registry.log.merkle import (
    HASH_BYTES,
    MAX_TREE_SIZE,
    NodeReader,
    RightEdge,
    TreeRangeError,
    check_tree_size,
    node_hash,
)

TILE_HEIGHT = 8
"""Tree levels between the hashes of a tile and those of the tile level above."""

TILE_WIDTH = 1 << TILE_HEIGHT
"""Hashes in a full tile, and entries in a full bundle."""

MAX_TILE_LEVEL = 63
"""Highest level that a tile path may name."""

MAX_BUNDLE_ENTRY_BYTES = 65_535
"""Longest entry that a bundle can hold: its length is two bytes."""

_LEAF = sha256(b"\x00")
_MAX_PATH_CHARS = 64
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


class TilePathError(ParseError):
    """The text is not the path of a tile or entry bundle."""

    code = "tile_path_malformed"
    title = "Malformed tile path"


class TileContentError(ParseError):
    """The bytes are not a tile of the width asked for."""

    code = "tile_malformed"
    title = "Malformed tile"


class EntryBundleError(ParseError):
    """The bytes are not an entry bundle of the width asked for."""

    code = "entry_bundle_malformed"
    title = "Malformed entry bundle"


class EntryTooLongError(LimitError):
    """An entry is longer than a bundle can hold."""

    code = "entry_too_long"
    title = "Log entry too long"


@dataclass(frozen=True, slots=True)
class TileId:
    """One tile of the tree: its level (0 holds leaf hashes) and its index in that level."""

    level: int
    index: int


@dataclass(frozen=True, slots=True)
class TilePath:
    """What a path names: a tile, or an entry bundle where level is None; width is 256 unless partial."""

    level: int | None
    index: int
    width: int


@dataclass(frozen=True, slots=True)
class TileNode:
    """Where a perfect subtree is found: in this tile, the root over ``count`` hashes from ``offset`` on."""

    tile: TileId
    offset: int
    count: int


TileLoader = Callable[[TileId], bytes]
"""Gives a tile's bytes, full or as wide as the tree it is asked for; raises its own error where there is none."""


def tile_path(level: int, index: int, *, width: int = TILE_WIDTH) -> str:
    """Write the path of a tile below the log's URL prefix, such as ``tile/0/x001/x234/067.p/8``.

    Args:
        level: tile level, 0 to 63.
        index: 0 or more.
        width: 1 to 256; 256 is the full tile, which has no suffix.

    Raises:
        TilePathError: tile_path_malformed.

    Spec: c2sp.org/tlog-tiles, Merkle Tree
    """
    if not 0 <= level <= MAX_TILE_LEVEL:
        raise TilePathError("a tile level lies between 0 and 63")
    return f"tile/{level}/{_index_path(index, width)}"


def entries_path(index: int, *, width: int = TILE_WIDTH) -> str:
    """Write the path of an entry bundle, such as ``tile/entries/000.p/8``; arguments as in `tile_path`.

    Raises:
        TilePathError: tile_path_malformed.

    Spec: c2sp.org/tlog-tiles, Log entries
    """
    return f"tile/entries/{_index_path(index, width)}"


def parse_tile_path(path: str) -> TilePath:
    """Parse the path of a tile or entry bundle; accept only the one spelling that this module writes.

    Raises:
        TilePathError: tile_path_malformed.

    Spec: c2sp.org/tlog-tiles
    """
    match = _PATH.fullmatch(path) if len(path) <= _MAX_PATH_CHARS else None
    if match is None:
        raise TilePathError("not the path of a tile or entry bundle")
    kind, digits, partial = match.groups()
    level = None if kind == "entries" else int(kind)
    index = int(digits.replace("/", "").replace("x", ""))
    width = TILE_WIDTH if partial is None else int(partial)
    spelled = entries_path(index, width=width) if level is None else tile_path(level, index, width=width)
    if spelled != path:
        raise TilePathError("not the canonical path of a tile or entry bundle")
    return TilePath(level, index, width)


def tile_width(tile: TileId, size: int) -> int:
    """Return how many hashes the tile has in a tree of ``size`` leaves: 0 (not there) to 256.

    Raises:
        TreeRangeError: tree_range_invalid.

    Spec: c2sp.org/tlog-tiles, Partial Tiles
    """
    check_tree_size(size)
    hashes = size >> (TILE_HEIGHT * tile.level)
    return min(max(hashes - tile.index * TILE_WIDTH, 0), TILE_WIDTH)


def tiles_between(old_size: int, new_size: int) -> Iterator[tuple[TileId, int]]:
    """Yield each tile with its width that a tree of ``new_size`` has and a tree of ``old_size`` has not in that width.

    These are the files to publish when the log grows; level 0 gives the entry bundles too.

    Raises:
        TreeRangeError: tree_range_invalid, also when the tree shrinks.

    Spec: c2sp.org/tlog-tiles, Partial Tiles
    """
    check_tree_size(new_size)
    if not 0 <= old_size <= new_size:
        raise TreeRangeError("a log never shrinks", size=new_size)
    level = 0
    while new_size >> (TILE_HEIGHT * level):
        old, new = old_size >> (TILE_HEIGHT * level), new_size >> (TILE_HEIGHT * level)
        if new > old:
            for index in range(old // TILE_WIDTH, (new + TILE_WIDTH - 1) // TILE_WIDTH):
                yield TileId(level, index), min(new - index * TILE_WIDTH, TILE_WIDTH)
        level += 1


def hash_entries(entries: Iterable[bytes]) -> list[bytes]:
    """Hash the entries of a bundle: `leaf_hash` of each, without setting up SHA-256 for every one.

    Spec: RFC 6962 2.1
    """
    hashes: list[bytes] = []
    begin = _LEAF.copy
    for entry in entries:
        state = begin()
        state.update(entry)
        hashes.append(state.digest())
    return hashes


def append_leaves(edge: RightEdge, leaf_hashes: Iterable[bytes]) -> dict[TileId, bytes]:
    """Append leaves to the tree and return the bytes to add at the end of each tile that grows.

    Args:
        edge: the right edge, advanced in place.
        leaf_hashes: 32 bytes each, in log order.

    Raises:
        RightEdgeError: right_edge_malformed, a leaf hash is not 32 bytes; drop the edge then.

    Spec: c2sp.org/tlog-tiles, Merkle Tree
    """
    size, grown = edge.size, dict[TileId, bytes]()
    for level, nodes in enumerate(edge.extend(list(leaf_hashes))[::TILE_HEIGHT]):
        first, at = size >> TILE_HEIGHT * level, 0
        while at < len(nodes):
            index = (first + at) // TILE_WIDTH
            end = (index + 1) * TILE_WIDTH - first
            grown[TileId(level, index)] = b"".join(nodes[at:end])
            at = end
    return grown


def find_node(level: int, index: int) -> TileNode:
    """Say in which tile, and over which of its hashes, the perfect subtree ``(level, index)`` is found.

    Args:
        level: tree level, 0 for leaves; tile levels are eight apart.
        index: index of the node in its level.

    Spec: c2sp.org/tlog-tiles, Merkle Tree
    """
    tile_level, height = divmod(level, TILE_HEIGHT)
    tile_index, place = divmod(index, TILE_WIDTH >> height)
    return TileNode(TileId(tile_level, tile_index), place << height, 1 << height)


def node_from_tile(data: bytes, node: TileNode) -> bytes:
    """Compute the hash of a perfect subtree from the hashes of its tile.

    Args:
        data: the tile's bytes, full or partial, at least as wide as the node needs.
        node: what `find_node` gave.

    Raises:
        TileContentError: tile_malformed, the tile is too narrow or not a whole number of hashes.

    Spec: c2sp.org/tlog-tiles, Merkle Tree
    """
    end = (node.offset + node.count) * HASH_BYTES
    if not end <= len(data) <= TILE_WIDTH * HASH_BYTES or len(data) % HASH_BYTES:
        raise TileContentError("the tile does not hold the hashes asked for")
    starts = range(node.offset * HASH_BYTES, end, HASH_BYTES)
    hashes = [data[start : start + HASH_BYTES] for start in starts]
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def tile_node_reader(load_tile: TileLoader) -> NodeReader:
    """Make the node reader that proofs ask for out of a loader of tiles.

    Each tile is loaded once for as long as the reader lives: make one per proof.
    """
    loaded: dict[TileId, bytes] = {}

    def read(level: int, index: int) -> bytes:
        node = find_node(level, index)
        data = loaded.get(node.tile)
        if data is None:
            data = loaded[node.tile] = load_tile(node.tile)
        return node_from_tile(data, node)

    return read


def encode_tile(hashes: Sequence[bytes]) -> bytes:
    """Write a tile of 1 to 256 hashes, 32 bytes each.

    Raises:
        TileContentError: tile_malformed.

    Spec: c2sp.org/tlog-tiles, Merkle Tree
    """
    if not 1 <= len(hashes) <= TILE_WIDTH or any(len(each) != HASH_BYTES for each in hashes):
        raise TileContentError("a tile has 1 to 256 hashes of 32 bytes")
    return b"".join(hashes)


def tile_hashes(data: bytes, *, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
    """Read the hashes of a tile that must have exactly this width (1 to 256).

    Raises:
        TileContentError: tile_malformed.

    Spec: c2sp.org/tlog-tiles, Merkle Tree
    """
    if not 1 <= width <= TILE_WIDTH or len(data) != width * HASH_BYTES:
        raise TileContentError("the tile has not the length of its width", width=width)
    return tuple(data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES))


def encode_entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Write 1 to 256 entries, each after its length in two big-endian bytes.

    Raises:
        EntryBundleError: entry_bundle_malformed, no entry or more than 256.
        EntryTooLongError: entry_too_long, an entry has more than 65,535 bytes.

    Spec: c2sp.org/tlog-tiles, Log entries
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise EntryBundleError("a bundle has 1 to 256 entries")
    if any(len(entry) > MAX_BUNDLE_ENTRY_BYTES for entry in entries):
        raise EntryTooLongError("a bundle holds entries of up to 65,535 bytes", limit=MAX_BUNDLE_ENTRY_BYTES)
    return b"".join(part for entry in entries for part in (len(entry).to_bytes(2, "big"), entry))


def parse_entry_bundle(data: bytes, *, width: int = TILE_WIDTH) -> tuple[bytes, ...]:
    """Read a bundle that must have exactly this many entries (1 to 256) and not one byte more.

    Raises:
        EntryBundleError: entry_bundle_malformed.

    Spec: c2sp.org/tlog-tiles, Log entries
    """
    if not 1 <= width <= TILE_WIDTH:
        raise EntryBundleError("a bundle has 1 to 256 entries")
    entries: list[bytes] = []
    at, end = 0, len(data)
    for _ in range(width):
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if start > end or at > end:
            raise EntryBundleError("the bundle ends inside an entry", width=width)
        entries.append(data[start:at])
    if at != end:
        raise EntryBundleError("the bundle has surplus bytes", width=width)
    return tuple(entries)


def _index_path(index: int, width: int) -> str:
    if not 0 <= index <= MAX_TREE_SIZE >> TILE_HEIGHT or not 1 <= width <= TILE_WIDTH:
        raise TilePathError("a tile index is at most 2^55-1 and a tile width lies between 1 and 256")
    digits = str(index)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return "/".join(["x" + group for group in groups[:-1]] + groups[-1:]) + suffix
