"""The state log's rows, and what the state map says of each subject: entries, tiles, signed checkpoints, records.

All of it can be rebuilt from the main log, but the signed checkpoints. An entry and the states that it changes enter in one
transaction, so that the newest entry's map is what the rows say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    LargeBinary,
    and_,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.exc import IntegrityError

from registry.log.merkle import NodeReader, RightEdge
from registry.log.state_map import StateEntry, parse_state_entry
from registry.log.tile import TILE_WIDTH, TileId, append_leaves, tile_node_reader
from registry.storage.engine import Database
from registry.storage.log import HeadMovedError, SignedTwiceError
from registry.storage.prepared import insert_rows
from registry.storage.tables import STATE, STATE_ENTRY, STATE_SIGNED, STATE_TILE
from registry.storage.upsert import put_row

_HASH = 32
_KEYS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class StateRecord:
    """A row of the map with the record that it is the digest of.

    Attributes:
        key: 32 bytes.
        subject: the text that the key is the hash of.
        digest: 32 bytes; None where the subject is there no more.
        record: JCS bytes; None likewise.
        is_known: there may be an older row of it.
    """

    key: bytes
    subject: str
    digest: bytes | None
    record: bytes | None
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class StoredStateEntry:
    """One entry of the state log."""

    index: int
    data: bytes


class StateLogStore:
    """The state log in the database; see `TreeRows`. Safe from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def is_shared(self) -> bool:
        """Whether other processes may append too."""
        return self._database.is_shared

    def append(
        self,
        entry: StateEntry,
        *,
        index: int,
        leaf_hash: bytes,
        tiles: Mapping[TileId, bytes],
        changes: Sequence[StateRecord],
        anew: bool = False,
    ) -> None:
        """Append an entry and the states that it changes, in one durable transaction.

        Args:
            entry: what it says.
            index: its place, the number of entries before it.
            leaf_hash: RFC 6962 leaf hash of its bytes.
            tiles: what it adds at the end of each tile.
            changes: the rows that are other ones than in the map before.
            anew: `changes` is the whole map; whatever was there goes.

        Raises:
            HeadMovedError: ``log_head_moved`` when somebody else appended first.
        """
        row = {"seq": index, "covers": entry.size, "leaf_hash": leaf_hash, "data": entry.to_bytes()}
        try:
            with self._database.write_alone("state log entry") as connection:
                newest = connection.scalar(select(func.max(STATE_ENTRY.c.seq)))
                if index != (0 if newest is None else newest + 1):
                    raise HeadMovedError
                connection.execute(insert(STATE_ENTRY), [row])
                _grow_tiles(connection, tiles)
                if anew:
                    connection.execute(delete(STATE))
                if changes:
                    insert_rows(connection, STATE, [_state_row(one, entry.size) for one in changes])
        except IntegrityError as error:
            raise HeadMovedError from error

    def forget_outdated(self, keys: Sequence[bytes], *, kept_from: int) -> None:
        """Let the older states of some keys go. What is left, because this failed, goes with the key's next change.

        Args:
            keys: 32 bytes each.
            kept_from: main log size of the oldest entry whose states are still asked for; what only older ones
                rest on goes.
        """
        if keys:
            with self._database.write() as connection:
                _forget_outdated(connection, keys, kept_from=kept_from)

    def append_published(self, entries: Sequence[StateEntry], leaf_hashes: Sequence[bytes], *, first: int) -> None:
        """Append entries that were published before, without their states: the map is made anew from the main log.

        Args:
            entries: consecutive ones.
            leaf_hashes: theirs, 32 bytes each.
            first: index of the first one.

        Raises:
            HeadMovedError: ``log_head_moved`` when the log ends elsewhere.
        """
        tiles = append_leaves(self.right_edge(first), leaf_hashes)
        rows = [
            {"seq": first + number, "covers": entry.size, "leaf_hash": hashed, "data": entry.to_bytes()}
            for number, (entry, hashed) in enumerate(zip(entries, leaf_hashes, strict=True))
        ]
        with self._database.write_alone("state log entry") as connection:
            newest = connection.scalar(select(func.max(STATE_ENTRY.c.seq)))
            if first != (0 if newest is None else newest + 1):
                raise HeadMovedError
            connection.execute(insert(STATE_ENTRY), rows)
            _grow_tiles(connection, tiles)

    # ------------------------------------------------------------ states

    def record(self, key: bytes, *, covers: int) -> StateRecord | None:
        """Return what the map of an entry says of a key, or None where it was never a subject.

        Args:
            key: 32 bytes.
            covers: main log size of the entry.
        """
        query = select(STATE.c.key, STATE.c.subject, STATE.c.digest, STATE.c.record)
        query = query.where(STATE.c.key == key, STATE.c.covers <= covers).order_by(STATE.c.covers.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else StateRecord(key, row[1], _raw(row[2]), _raw(row[3]))

    def rows(self, *, after: int = -1) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield (key, newest state digest) of every subject whose state was written after a size; None: it is gone.

        Args:
            after: main log size; by default all.
        """
        newest = select(STATE.c.key, func.max(STATE.c.covers).label("covers")).where(STATE.c.covers > after)
        newest_rows = newest.group_by(STATE.c.key).subquery()
        same = and_(STATE.c.key == newest_rows.c.key, STATE.c.covers == newest_rows.c.covers)
        with self._database.read() as connection:
            for key, digest in connection.execute(select(STATE.c.key, STATE.c.digest).join(newest_rows, same)):
                yield _raw(key) or b"", _raw(digest)

    def live_subjects(self, prefix: str) -> set[str]:
        """Return the subjects of that prefix that the newest map has rows of."""
        newest = select(STATE.c.key, func.max(STATE.c.covers).label("covers"))
        newest_rows = newest.where(STATE.c.subject.startswith(prefix, autoescape=True)).group_by(STATE.c.key).subquery()
        same = and_(STATE.c.key == newest_rows.c.key, STATE.c.covers == newest_rows.c.covers)
        query = select(STATE.c.subject).join(newest_rows, same).where(STATE.c.digest.is_not(None))
        with self._database.read() as connection:
            return set(connection.scalars(query))

    # ------------------------------------------------------------ the log

    def newest_entry(self) -> tuple[int, StateEntry] | None:
        """Return index and content of the newest entry, or None.

        Raises:
            StateEntryError: ``state_entry_malformed``, the row is damaged.
        """
        query = select(STATE_ENTRY.c.seq, STATE_ENTRY.c.data).order_by(STATE_ENTRY.c.seq.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row[0], parse_state_entry(bytes(row[1])))

    def head(self) -> tuple[int, bytes]:
        """Return the committed size and root; (0, empty bytes) before the first entry."""
        with self._database.read() as connection:
            newest = connection.scalar(select(func.max(STATE_ENTRY.c.seq)))
        return (0, b"") if newest is None else (newest + 1, self.right_edge(newest + 1).root())

    def entries(self, start: int, end: int) -> list[StoredStateEntry]:
        """Return the entries with start <= index < end that exist, in order."""
        query = select(STATE_ENTRY.c.seq, STATE_ENTRY.c.data)
        query = query.where(STATE_ENTRY.c.seq >= start, STATE_ENTRY.c.seq < end).order_by(STATE_ENTRY.c.seq)
        with self._database.read() as connection:
            return [StoredStateEntry(seq, bytes(data)) for seq, data in connection.execute(query)]

    def tile(self, level: int, number: int, width: int) -> bytes | None:
        """Return the first `width` hashes of a tile, or None where the tree does not reach."""
        with self._database.read() as connection:
            data = _tile(connection, level, number, width)
        return data if len(data) == width * _HASH else None

    def node_reader(self) -> NodeReader:
        """Return a reader of perfect subtrees for one proof; each tile is loaded once."""

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
        query = select(STATE_SIGNED.c.root, STATE_SIGNED.c.note).where(STATE_SIGNED.c.size == size)
        with self._database.write_alone("state log signed") as connection:
            row = connection.execute(query).first()
            if row is None:
                connection.execute(insert(STATE_SIGNED).values(size=size, root=root_hash, note=note))
                return note
        if bytes(row[0]) != root_hash:
            raise SignedTwiceError(f"size {size} of the state log", size=size)
        return bytes(row[1])

    def newest_signed(self) -> tuple[int, bytes, bytes] | None:
        """Return size, root and note of the largest signed checkpoint, or None."""
        query = select(STATE_SIGNED.c.size, STATE_SIGNED.c.root, STATE_SIGNED.c.note)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(STATE_SIGNED.c.size.desc()).limit(1)).first()
        return None if row is None else (row[0], bytes(row[1]), bytes(row[2]))


def _raw(value: bytes | str | None) -> bytes | None:
    """Return what a column holds as bytes: SQLite keeps a text where somebody put one, which is then no digest of ours."""
    return value.encode() if isinstance(value, str) else None if value is None else bytes(value)


def _state_row(one: StateRecord, covers: int) -> tuple[Any, ...]:
    return one.key, covers, one.subject, one.digest, one.record


def _forget_outdated(connection: Connection, keys: Sequence[bytes], *, kept_from: int) -> None:
    """Let the states go that no entry from `kept_from` on rests on; many keys at once, for each journey has its price."""
    # Not by the newest version's number: PostgreSQL would look for that along the index of all subjects' versions.
    newer = STATE.alias("newer")
    is_replaced = (
        select(newer.c.key)
        .where(newer.c.key == STATE.c.key, newer.c.covers > STATE.c.covers)
        .where(newer.c.covers <= literal(kept_from, BigInteger))
        .exists()
    )
    for at in range(0, len(keys), _KEYS_AT_ONCE):
        connection.execute(delete(STATE).where(STATE.c.key.in_(keys[at : at + _KEYS_AT_ONCE]), is_replaced))


def _grow_tiles(connection: Connection, tiles: Mapping[TileId, bytes]) -> None:
    """Append to the tiles above level 0; those are read from the entries themselves."""
    for tile, added in tiles.items():
        if tile.level == 0:
            continue
        # SQLite calls whatever it concatenates a text, and a text that is not UTF-8 cannot be read back.
        grown = {"data": cast(STATE_TILE.c.data.op("||")(literal(added, LargeBinary)), LargeBinary)}
        put_row(connection, STATE_TILE, {"level": tile.level, "number": tile.index}, {"data": added}, changes=grown)


def _tile(connection: Connection, level: int, number: int, width: int) -> bytes:
    """Return at most `width` hashes of a tile, as far as the tree goes."""
    if level == 0:
        start = number * TILE_WIDTH
        query = select(STATE_ENTRY.c.leaf_hash).where(STATE_ENTRY.c.seq >= start, STATE_ENTRY.c.seq < start + width)
        return b"".join(map(bytes, connection.scalars(query.order_by(STATE_ENTRY.c.seq))))
    where = STATE_TILE.c.level == level, STATE_TILE.c.number == number
    data = connection.scalar(select(STATE_TILE.c.data).where(*where))
    return b"" if data is None else bytes(data)[: width * _HASH]
