"""The log's rows: append a batch, read entries, chains and tiles, remember what was signed.

Level-0 tiles are read from the entries' leaf hashes; the levels above have rows that grow by one hash for each full tile
below. All of it can be rebuilt from `entry.data` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, LargeBinary, bindparam, cast, delete, insert, literal, select, union_all, update
from sqlalchemy.exc import IntegrityError

from registry.errors import DependencyError
from registry.history.did_files import OPERATION, WITNESS
from registry.history.sequence import SequencedLeaf
from registry.log.entry import parse_leaf
from registry.log.merkle import NodeReader, RightEdge
from registry.log.tile import TileId, tile_node_reader
from registry.storage.engine import Database, Listener
from registry.storage.opening import SealedOpening, insert_openings
from registry.storage.prepared import Prepared, insert_rows
from registry.storage.tables import DID_ENTRY, ENTRY, HEAD, PARTY, SIGNED, SNAPSHOT, TILE
from registry.storage.tables_signing import LOG_END
from registry.storage.upsert import add_row, put_row

TILE_WIDTH = 256
CHANNEL: Final = "bonafides_log"
_HASH = 32

# A log that has ended has no next head, whoever asks; in the same statement, so that it costs no turn of its own.
_SWAP_HEAD: Final = Prepared(
    update(HEAD)
    .where(HEAD.c.size == bindparam("old_size"), HEAD.c.root == bindparam("old_root"), ~select(LOG_END.c.id).exists())
    .values(size=bindparam("size"), root=bindparam("root"))
)
_HASHED: Final = Prepared(
    select(ENTRY.c.seq, ENTRY.c.leaf_hash, ENTRY.c.data)
    .where(ENTRY.c.seq >= bindparam("start"), ENTRY.c.seq < bindparam("end"))
    .order_by(ENTRY.c.seq)
)


class HeadMovedError(DependencyError):
    """Somebody else appended to the log: this process must stop writing."""

    code = "log_head_moved"
    title = "The log was changed by another writer"


class SignedTwiceError(DependencyError):
    """A different checkpoint of this size was signed before: the log was rolled back or forked."""

    code = "checkpoint_fork"
    title = "Another checkpoint of this size was signed before"


class StoredEntryError(DependencyError):
    """A stored entry does not hash to what the tree holds, or is missing among those of a hosted DID."""

    code = "stored_entry_corrupt"
    title = "A stored log entry is damaged"


@dataclass(frozen=True, slots=True)
class EntryRecord:
    """One stored leaf."""

    index: int
    event_id: bytes
    kind: str
    time_ms: int
    data: bytes


class LogStore:
    """The log in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(
        self,
        leaves: Sequence[SequencedLeaf],
        tiles: Mapping[TileId, bytes],
        *,
        old_root_hash: bytes,
        root_hash: bytes,
        openings: Sequence[SealedOpening] = (),
        connection: Connection | None = None,
    ) -> None:
        """Append leaves in one durable transaction; when it has ended, they are on the disk.

        Args:
            leaves: consecutive leaves that begin at the committed size.
            tiles: what these leaves add at the end of each tile.
            old_root_hash: the committed tree's root, which fences out whoever followed another tree; empty for no tree.
            root_hash: the tree's root after the last leaf.
            openings: sealed disclosures of private fields, stored beside, erasable.
            connection: of the turn (see `sequencing`), which commits at its end; None is a transaction of its own.

        Raises:
            HeadMovedError: ``log_head_moved`` when the committed size or root is another one.
        """
        with self._database.sequencing() if connection is None else nullcontext(connection) as own:
            append_within(own, leaves, tiles, old_root_hash=old_root_hash, root_hash=root_hash, openings=openings)
            self._database.notify(own, CHANNEL, str(leaves[-1].index + 1))

    @property
    def is_shared(self) -> bool:
        """Whether other processes append to this log too."""
        return self._database.is_shared

    def sequencing(self, *, slow: bool = False) -> AbstractContextManager[Connection | None]:
        """Take the writer's turn: where others write too, a transaction that holds the log's lock; else None.

        Args:
            slow: an epoch is to be computed in it.
        """
        return self._database.sequencing(slow=slow) if self._database.is_shared else nullcontext(None)

    def listen(self) -> Listener:
        """Listen for what other processes append."""
        return self._database.listen(CHANNEL)

    def head(self, *, connection: Connection | None = None) -> tuple[int, bytes]:
        """Return the committed size and root, or a turn's own; (0, empty bytes) before the first entry."""
        with self._reading(connection) as reader:
            return head_within(reader)

    def entries(self, start: int, end: int, *, connection: Connection | None = None) -> list[EntryRecord]:
        """Return the entries with start <= index < end that exist, in order."""
        with self._reading(connection) as reader:
            rows = reader.execute(
                select(ENTRY.c.seq, ENTRY.c.event_id, ENTRY.c.kind, ENTRY.c.time_ms, ENTRY.c.data)
                .where(ENTRY.c.seq >= start, ENTRY.c.seq < end)
                .order_by(ENTRY.c.seq)
            ).all()
        return [EntryRecord(*row) for row in rows]

    def hashed(self, start: int, end: int) -> list[tuple[int, bytes, bytes]]:
        """Return (index, stored leaf hash, bytes) of the entries with start <= index < end that exist, in order."""
        with self._database.read() as connection:
            rows = _HASHED.execute(connection, start=start, end=end).all()
        return [(index, stored, data) for index, stored, data in rows]

    def entry(self, index: int, *, connection: Connection | None = None) -> EntryRecord | None:
        """Return one entry, or None."""
        found = self.entries(index, index + 1, connection=connection)
        return found[0] if found else None

    def _reading(self, connection: Connection | None) -> AbstractContextManager[Connection]:
        return self._database.read() if connection is None else nullcontext(connection)

    def walk(self, start: int, end: int, *, step: int = 1_024) -> Iterator[EntryRecord]:
        """Yield the entries with start <= index < end in order, read in bounded portions."""
        for begin in range(start, end, step):
            yield from self.entries(begin, min(begin + step, end))

    def chain(self, did: str, *, before: int | None, limit: int) -> list[tuple[int, int]]:
        """Return (count, index) of a DID's newest entries, newest first, with count below `before`."""
        query = select(PARTY.c.count, PARTY.c.seq).where(PARTY.c.did == did)
        if before is not None:
            query = query.where(PARTY.c.count < before)
        with self._database.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(query.order_by(PARTY.c.count.desc()).limit(limit))]

    def did_operations(self, did: str) -> list[dict[str, Any]]:
        """Return a hosted DID's log entries, oldest first."""
        return [parse_leaf(one.data).event for one in self.did_entries(did) if one.kind == OPERATION]

    def did_entries(self, did: str) -> list[EntryRecord]:
        """Return the leaves of a hosted DID's log in order: its entries, and before an entry its witness proofs.

        Args:
            did: under which the log first came.
        """
        columns = (ENTRY.c.seq, ENTRY.c.event_id, ENTRY.c.kind, ENTRY.c.time_ms, ENTRY.c.data)
        own = select(*columns).join(DID_ENTRY, DID_ENTRY.c.seq == ENTRY.c.seq).where(DID_ENTRY.c.did == did)
        # Proofs stand directly before the entry that they approve, and nowhere else.
        proofs = (
            select(*columns)
            .join(DID_ENTRY, DID_ENTRY.c.seq - 1 == ENTRY.c.seq)
            .where(DID_ENTRY.c.did == did, ENTRY.c.kind == WITNESS)
        )
        with self._database.read() as connection:
            rows = connection.execute(union_all(own, proofs)).all()
        return sorted((EntryRecord(*row) for row in rows), key=lambda one: one.index)

    def tile(self, level: int, number: int, width: int) -> bytes | None:
        """Return the first `width` hashes of a tile, or None where the tree does not reach."""
        with self._database.read() as connection:
            data = _tile(connection, level, number, width)
        return data if len(data) == width * _HASH else None

    def node_reader(self) -> NodeReader:
        """Return a reader of perfect subtrees for one proof; each tile is loaded once.

        A node that the tables do not hold raises TileContentError.
        """

        def load(tile: TileId) -> bytes:
            with self._database.read() as connection:
                return _tile(connection, tile.level, tile.index, TILE_WIDTH)

        return tile_node_reader(load)

    def right_edge(self, size: int) -> RightEdge:
        """Rebuild the compact range of a tree of this size from stored nodes."""
        hashes, begin, read = [], 0, self.node_reader()
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                hashes.append(read(level, begin >> level))
                begin += 1 << level
        return RightEdge(size, hashes)

    def save_signed(self, size: int, root_hash: bytes, note: bytes) -> bytes:
        """Remember a checkpoint before it leaves the process; return the one of that size, byte for byte.

        Raises:
            SignedTwiceError: ``checkpoint_fork`` when another root was signed at this size.
        """
        with self._database.write_alone("signed") as connection:
            row = connection.execute(select(SIGNED.c.root, SIGNED.c.note).where(SIGNED.c.size == size)).first()
            if row is None:
                connection.execute(insert(SIGNED).values(size=size, root=root_hash, note=note))
                return note
        if row[0] != root_hash:
            raise SignedTwiceError(f"size {size}", size=size)
        return bytes(row[1])

    def newest_signed(self) -> tuple[int, bytes, bytes] | None:
        """Return size, root and note of the largest signed checkpoint, or None."""
        with self._database.read() as connection:
            row = connection.execute(
                select(SIGNED.c.size, SIGNED.c.root, SIGNED.c.note).order_by(SIGNED.c.size.desc()).limit(1)
            ).first()
        return None if row is None else (row[0], row[1], row[2])

    def save_snapshot(self, size: int, root_hash: bytes, data: bytes) -> None:
        """Keep the folded state at a size, in one portion; replaces what was kept before."""
        with self._database.write() as connection:
            connection.execute(delete(SNAPSHOT))
            connection.execute(insert(SNAPSHOT).values(id=1, size=size, root=root_hash, data=data))

    def extend_snapshot(self, size: int, root_hash: bytes, data: bytes, *, after: int) -> bool:
        """Keep what changed since the newest portion, if that is still the one of a size; say whether it was."""
        with self._database.write() as connection:
            newest = connection.execute(_NEWEST_PORTION).first()
            if newest is None or newest.size != after:
                return False
            return add_row(connection, SNAPSHOT, {"id": newest.id + 1, "size": size, "root": root_hash, "data": data})

    def snapshot_size(self) -> int:
        """Return the size that the snapshot covers, 0 for none."""
        with self._database.read() as connection:
            newest = connection.execute(_NEWEST_PORTION).first()
        return 0 if newest is None else int(newest.size)

    def load_snapshot(self) -> KeptSnapshot | None:
        """Return the snapshot, or None."""
        # Whatever somebody put there is read as bytes, also what SQLite keeps as a text: it is a cache, and judged as one.
        data = cast(SNAPSHOT.c.data, LargeBinary)
        with self._database.read() as connection:
            rows = connection.execute(select(SNAPSHOT.c.size, SNAPSHOT.c.root, data).order_by(SNAPSHOT.c.id))
            return kept_snapshot(rows.all())


class KeptSnapshot(NamedTuple):
    """A snapshot of the folded state, as it was kept.

    Attributes:
        size: tree size that it covers.
        root: of that tree.
        portions: the state at some size, then what changed since, portion by portion.
    """

    size: int
    root: bytes
    portions: tuple[bytes, ...]


def kept_snapshot(rows: Sequence[Any]) -> KeptSnapshot | None:
    """Put together the rows (size, root, data) of a snapshot."""
    return KeptSnapshot(rows[-1][0], rows[-1][1], tuple(row[2] for row in rows)) if rows else None


_NEWEST_PORTION = select(SNAPSHOT.c.id, SNAPSHOT.c.size).order_by(SNAPSHOT.c.id.desc()).limit(1)


def head_within(connection: Connection) -> tuple[int, bytes]:
    """Return the size and root that a transaction sees; (0, empty bytes) before the first entry.

    Args:
        connection: of the transaction; that of `Database.sequencing` sees what nobody can change before it ends.
    """
    row = connection.execute(select(HEAD.c.size, HEAD.c.root)).first()
    return (0, b"") if row is None else (row[0], row[1])


def append_within(
    connection: Connection,
    leaves: Sequence[SequencedLeaf],
    tiles: Mapping[TileId, bytes],
    *,
    old_root_hash: bytes,
    root_hash: bytes,
    openings: Sequence[SealedOpening] = (),
) -> None:
    """Append leaves in a transaction of `Database.sequencing`, which the caller commits; see `LogStore.append`.

    Raises:
        HeadMovedError: ``log_head_moved``.
    """
    first, size = leaves[0].index, leaves[-1].index + 1
    _swap_head(connection, (first, old_root_hash), size, root_hash)
    insert_rows(connection, ENTRY, [_entry_row(leaf) for leaf in leaves])
    parties = [(party.did, party.count, leaf.index) for leaf in leaves for party in leaf.parties]
    if parties:
        insert_rows(connection, PARTY, parties)
    published = [(leaf.parties[0].did, leaf.index) for leaf in leaves if leaf.kind == OPERATION]
    if published:
        insert_rows(connection, DID_ENTRY, published)
    _grow_tiles(connection, tiles)
    insert_openings(connection, openings)


def _entry_row(leaf: SequencedLeaf) -> tuple[Any, ...]:
    return leaf.index, leaf.event_id, leaf.kind, leaf.time_ms, leaf.leaf_hash, leaf.data


def _swap_head(connection: Connection, old: tuple[int, bytes], size: int, root_hash: bytes) -> None:
    """Move the head on from the one that the caller built on, or refuse: the fence against a writer that stood still.

    A root commits to every leaf below it, so size and root say more than a number of the writer's epoch would.
    """
    if old[0] == 0:
        try:
            connection.execute(insert(HEAD).values(id=1, size=size, root=root_hash))
        except IntegrityError as error:
            raise HeadMovedError from error
        return
    swapped = _SWAP_HEAD.execute(connection, size=size, root=root_hash, old_size=old[0], old_root=old[1])
    if swapped.rowcount != 1:
        raise HeadMovedError


def _grow_tiles(connection: Connection, tiles: Mapping[TileId, bytes]) -> None:
    """Append to the tiles above level 0; those are read from the entries themselves."""
    for tile, added in tiles.items():
        if tile.level == 0:
            continue
        # SQLite calls whatever it concatenates a text, and a text that is not UTF-8 cannot be read back.
        grown = {"data": cast(TILE.c.data.op("||")(literal(added, LargeBinary)), LargeBinary)}
        put_row(connection, TILE, {"level": tile.level, "number": tile.index}, {"data": added}, changes=grown)


def _tile(connection: Connection, level: int, number: int, width: int) -> bytes:
    """Return at most `width` hashes of a tile, as far as the tree goes."""
    if level == 0:
        start = number * TILE_WIDTH
        rows = connection.scalars(
            select(ENTRY.c.leaf_hash).where(ENTRY.c.seq >= start, ENTRY.c.seq < start + width).order_by(ENTRY.c.seq)
        )
        return b"".join(rows)
    data = connection.scalar(select(TILE.c.data).where(TILE.c.level == level, TILE.c.number == number))
    return b"" if data is None else bytes(data)[: width * _HASH]
