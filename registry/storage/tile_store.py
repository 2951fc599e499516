"""Where the published log lies: tiles, entry bundles and the checkpoint, as the static files that C2SP defines.

Two places serve them: the tables of the database, which grow with the entries, and a folder, which any static file
server can serve while the registry is down. A file never changes: what is there already is compared, and a difference
stops publication for good. The checkpoint is replaced last, and only when the tree that it names can be read.

Spec: c2sp.org/tlog-tiles@v0.1.0
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from did_methods.errors import BonafidesError
from registry.durable_file import make_folder, write_durably
from registry.errors import DependencyError
from registry.log.checkpoint import Checkpoint
from registry.log.merkle import RightEdge
from registry.log.tile import (
    TILE_WIDTH,
    TileContentError,
    TileId,
    TilePath,
    encode_entry_bundle,
    entries_path,
    parse_tile_path,
    tile_node_reader,
    tile_path,
    tile_width,
    tiles_between,
)
from registry.log.witness import claimed_checkpoint
from registry.storage.tree import TreeRows

CHECKPOINT = "checkpoint"


class TileDiffersError(DependencyError):
    """A published file holds other bytes than the log: one of the two was tampered with, or is another log's."""

    code = "tile_differs"
    title = "A published file differs from the log"


class TilesUnreadableError(DependencyError):
    """The tree that a checkpoint names cannot be read from the published files, so the checkpoint is not published."""

    code = "tiles_unreadable"
    title = "The published files do not hold the tree"


class TilesAheadError(DependencyError):
    """A larger or another tree was published there before: the log was rolled back, or the folder is another log's."""

    code = "tiles_ahead"
    title = "Another tree was published before"


class TileStore(Protocol):
    """Files by their path below the log's URL prefix."""

    def get(self, path: str) -> bytes | None:
        """Return a file, or None where there is none."""
        ...

    def put(self, path: str, data: bytes) -> None:
        """Make a file durable; where there is one, compare.

        Raises:
            TileDiffersError: ``tile_differs``.
        """
        ...

    def checkpoint(self) -> bytes | None:
        """Return the published checkpoint, or None."""
        ...

    def put_checkpoint(self, note: bytes) -> None:
        """Replace the checkpoint, durably and in one step."""
        ...

    def drop_partials(self, path: str) -> None:
        """Remove the partial forms of a full tile or bundle, where they are files of their own."""
        ...


class DatabaseTileStore:
    """The tables as a tile store: what is put there is there already, or the tables are damaged.

    Args:
        store: the log.
    """

    def __init__(self, store: TreeRows) -> None:
        self._store = store
        self._checkpoint: bytes | None = None

    def get(self, path: str) -> bytes | None:
        """Return a tile or bundle as far as the committed tree reaches; see `TileStore.get`."""
        return _from_tables(self._store, parse_tile_path(path))

    def put(self, path: str, data: bytes) -> None:
        """Compare; see `TileStore.put`."""
        if self.get(path) != data:
            raise TileDiffersError(path)

    def checkpoint(self) -> bytes | None:
        """Return the checkpoint of this process; what is published is remembered by `PublicationStore`."""
        return self._checkpoint

    def put_checkpoint(self, note: bytes) -> None:
        """See `TileStore.put_checkpoint`."""
        self._checkpoint = note

    def drop_partials(self, path: str) -> None:
        """Do nothing: a partial tile is read from the full one."""


class FolderTileStore:
    """A folder as a tile store. One process writes; anybody reads, at any moment.

    Args:
        folder: made if need be.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)

    def get(self, path: str) -> bytes | None:
        """See `TileStore.get`."""
        try:
            return (self._folder / path).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, path: str, data: bytes) -> None:
        """See `TileStore.put`."""
        held = self.get(path)
        if held is None:
            self._write(path, data)
        elif held != data:
            raise TileDiffersError(path)

    def checkpoint(self) -> bytes | None:
        """See `TileStore.checkpoint`."""
        return self.get(CHECKPOINT)

    def put_checkpoint(self, note: bytes) -> None:
        """See `TileStore.put_checkpoint`."""
        self._write(CHECKPOINT, note)

    def put_description(self, data: bytes) -> None:
        """Replace ``log.json``, which tells what the log is called and by which key it is verified."""
        self._write("log.json", data)

    def drop_partials(self, path: str) -> None:
        """See `TileStore.drop_partials`."""
        shutil.rmtree(self._folder / f"{path}.p", ignore_errors=True)

    def _write(self, path: str, data: bytes) -> None:
        target = self._folder / path
        make_folder(target.parent)
        write_durably(target, data, mode=0o644)


def write_tiles(target: TileStore, source: TreeRows, *, old_size: int, size: int) -> None:
    """Publish every tile and bundle that a tree of this size has and a tree of the old size has not.

    Args:
        target: where.
        source: the log, committed at least up to size.
        old_size: whose files are all there; 0 begins anew, comparing what is there.
        size: tree size, leaves.

    Raises:
        TileDiffersError: ``tile_differs``.
        TilesUnreadableError: ``tiles_unreadable``, the tables do not hold the tree.
    """
    for path in _paths(old_size, size):
        data = _from_tables(source, path)
        if data is None:
            raise TilesUnreadableError(_text(path))
        target.put(_text(path), data)


def publish_checkpoint(target: TileStore, checkpoint: Checkpoint, note: bytes) -> None:
    """Replace the checkpoint, after its tree was read back along the right edge.

    Args:
        target: where its tiles were written.
        checkpoint: what the note says.
        note: with cosignatures, verified.

    Raises:
        TilesUnreadableError: ``tiles_unreadable``.
        TilesAheadError: ``tiles_ahead``.
    """
    held = published_head(target)
    if held is not None:
        same = held.size == checkpoint.size and held.root_hash == checkpoint.root_hash
        if (
            held.origin != checkpoint.origin
            or held.size > checkpoint.size
            or (held.size == checkpoint.size and not same)
        ):
            raise TilesAheadError(f"size {held.size}", size=held.size)
    if _root_of(target, checkpoint.size) != checkpoint.root_hash:
        raise TilesUnreadableError(f"size {checkpoint.size}")
    target.put_checkpoint(note)


def published_head(target: TileStore) -> Checkpoint | None:
    """Return what the published checkpoint says, or None; its signature is not looked at.

    Raises:
        TilesAheadError: ``tiles_ahead``, what lies there is no checkpoint.
    """
    note = target.checkpoint()
    if note is None:
        return None
    try:
        return claimed_checkpoint(note)
    except BonafidesError as error:
        raise TilesAheadError("what lies there is no checkpoint") from error


def differing_path(target: TileStore, source: TreeRows, *, size: int) -> str | None:
    """Return the first published file of a tree that is missing or holds other bytes than the log, or None.

    Args:
        target: where it was published.
        source: the log, committed at least up to size.
        size: tree size, leaves.
    """
    for path in _paths(0, size):
        if target.get(_text(path)) != _from_tables(source, path):
            return _text(path)
    return None


def drop_partials(target: TileStore, *, old_size: int, size: int) -> None:
    """Remove the partial forms of tiles and bundles that became full between two sizes; readers fall back to the full.

    Spec: c2sp.org/tlog-tiles, Partial Tiles
    """
    for path in _paths(old_size, size):
        if path.width == TILE_WIDTH:
            target.drop_partials(_text(path))


def _paths(old_size: int, size: int) -> Iterator[TilePath]:
    for tile, width in tiles_between(old_size, size):
        yield TilePath(tile.level, tile.index, width)
        if tile.level == 0:
            yield TilePath(None, tile.index, width)


def _text(path: TilePath) -> str:
    if path.level is None:
        return entries_path(path.index, width=path.width)
    return tile_path(path.level, path.index, width=path.width)


def _from_tables(store: TreeRows, path: TilePath) -> bytes | None:
    if path.level is not None:
        return store.tile(path.level, path.index, path.width)
    start = path.index * TILE_WIDTH
    entries = store.entries(start, start + path.width)
    return encode_entry_bundle([entry.data for entry in entries]) if len(entries) == path.width else None


def _root_of(target: TileStore, size: int) -> bytes | None:
    """Compute the root of a tree from its published tiles, or None where one is missing."""

    def load(tile: TileId) -> bytes:
        return target.get(tile_path(tile.level, tile.index, width=tile_width(tile, size))) or b""

    read, hashes, begin = tile_node_reader(load), [], 0
    try:
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                hashes.append(read(level, begin >> level))
                begin += 1 << level
    except TileContentError:
        return None
    return RightEdge(size, hashes).root()
