"""The state of the score: tables that a registry and an auditor fold the same way, and the bytes they are kept in.

Changes come through ``draft()`` only. ``dump`` and ``load`` are an exact round trip, journal included, so that a
restarted registry can still commit an epoch over fewer leaves than it had folded; ``take`` and ``read`` also do it in
portions, each with what changed since the one before. The bytes are a snapshot of this release's tables: a cache of the
log, refused when of another version, never exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice, repeat
from typing import Any, Final, NamedTuple

from registry.reputation.columns import ColumnReader, ColumnWriter
from registry.reputation.draft import Draft
from registry.reputation.evidence import Agent, Key, Meta, Pair, Slot, Spoken, Standing, Voice
from registry.reputation.overlay import Before, Changed, Op, remember
from registry.reputation.snapshot import read_operations, read_table, write_operations, write_table
from registry.reputation.tables import TABLES, Tables


class Mark(NamedTuple):
    """Where a state stood: the number of its last epoch, and what it remembered since: operations, and rows by table."""

    epoch: int | None
    operations: int
    before: dict[str, int]


BEGINNING: Final = Mark(None, 0, {})


class Portion(NamedTuple):
    """What changed since a mark.

    Attributes:
        anew: whether there was an epoch since; then what is remembered since the last one is all here.
        tables: the changed rows.
        before: those of the last epoch, of rows that changed since the mark for the first time.
        operations: since the mark.
    """

    anew: bool
    tables: Changed
    before: Before
    operations: list[Op]

    def write(self, writer: ColumnWriter, rest: Callable[[], None] = lambda: None) -> None:
        """Write it.

        Args:
            writer: of the snapshot.
            rest: called between two tables.
        """
        writer.ints([self.anew])
        for tables in (self.tables, self.before):
            for name in TABLES:
                rest()
                write_table(writer, name, tables[name])
        write_operations(writer, self.operations)


class ReputationState(Tables):
    """All agents, voices, live edges and standings after some leaf of the log; empty when made."""

    __slots__ = ("_before", "_ops", "agents", "metas", "reports", "spoken", "standings", "voices", "vouches")

    agents: dict[str, Agent]
    voices: dict[str, Voice]
    vouches: dict[Key, Pair]
    reports: dict[Key, Pair]
    standings: dict[Key, Standing]
    spoken: dict[Slot, Spoken]
    metas: dict[str, Meta]

    def __init__(self) -> None:
        self.agents = {}
        self.voices = {}
        self.vouches = {}
        self.reports = {}
        self.standings = {}
        self.spoken = {}
        self.metas = {}
        self._ops: list[Op] = []
        self._before: Before = {name: {} for name in TABLES}

    def draft(self) -> Draft:
        """Open a draft over this state."""
        return Draft(self)

    def journal(self) -> list[Op]:
        """Return the operations since the last epoch, in order."""
        return self._ops

    def before(self) -> Before:
        """Return what has changed since the last epoch, as it was then."""
        return self._before

    def merge(self, tables: Mapping[str, Mapping[Any, Any]], ops: list[Op], before: Before, *, restarted: bool) -> None:
        """Take over a committed draft; called by ``Draft.commit``."""
        for name, rows in tables.items():
            table: dict[Any, Any] = getattr(self, name)
            for key, row in rows.items():
                if row is None:
                    table.pop(key, None)
                else:
                    table[key] = row
        if restarted:
            self._ops, self._before = ops, before
        else:
            self._ops.extend(ops)
            remember(self._before, before)

    @property
    def tables(self) -> dict[str, dict[Any, Any]]:
        """The tables by name; not to be changed."""
        return {name: getattr(self, name) for name in TABLES}

    @property
    def mark(self) -> Mark:
        """Where the state stands now, for a later `write` of what changes from here on."""
        return Mark(self.meta.epoch, len(self._ops), {name: len(rows) for name, rows in self._before.items()})

    def take(self, tables: Changed, since: Mark = BEGINNING) -> Portion:
        """Return what changed since a mark, to be written later: it stays as it is, whatever is folded meanwhile.

        Args:
            tables: the changed rows of each table, None for one that is gone; nobody changes them afterwards.
            since: the mark; all is taken where `tables` are those of the state.
        """
        if anew := since.epoch != self.meta.epoch:
            since = BEGINNING
        before = {
            name: dict(islice(rows.items(), since.before.get(name, 0), None)) for name, rows in self._before.items()
        }
        return Portion(anew, tables, before, self._ops[since.operations :])

    def read(self, reader: ColumnReader) -> None:
        """Take over a `Portion` that was written of a state that was, at the mark, like this one.

        Raises:
            SnapshotFormatError: ``snapshot_malformed``.
        """
        (anew,) = reader.ints()
        if anew:
            self._ops, self._before = [], {name: {} for name in TABLES}
        for name, table in self.tables.items():
            kept, gone = read_table(reader, name)
            table.update(kept)
            for key in gone:
                table.pop(key, None)
        for name, rows in self._before.items():
            kept, gone = read_table(reader, name)
            rows.update(kept)
            rows.update(zip(gone, repeat(None), strict=False))
        self._ops.extend(read_operations(reader))

    def dump(self) -> bytes:
        """Return all of it as bytes; equal states give equal bytes."""
        writer = ColumnWriter()
        self.take(self.tables).write(writer)
        return writer.to_bytes()

    @classmethod
    def load(cls, data: bytes) -> ReputationState:
        """Restore what `dump` gave.

        Raises:
            SnapshotFormatError: ``snapshot_malformed``; fold the log instead.
        """
        state, reader = cls(), ColumnReader(data)
        state.read(reader)
        reader.finish()
        return state

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReputationState):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in TABLES) and (
            (self._ops, self._before) == (other._ops, other._before)
        )

    __hash__ = None  # type: ignore[assignment]
