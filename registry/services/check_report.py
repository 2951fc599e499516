"""What a check of the database has found, and rows handed out along the log; see ``log_check.py``.

Spec: specs/transparency-log.md "Checking and recovering"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from registry.log.tile import TileId


@dataclass(frozen=True, slots=True)
class Difference:
    """Where a table is not what it should be.

    Attributes:
        table: of the database, or ``folder``.
        place: which row: ``entry 17``, ``tile 1/0``, a path.
        what: in a few words, without payload.
    """

    table: str
    place: str
    what: str


@dataclass(slots=True)
class CheckReport:
    """What came out.

    Attributes:
        origin: of the log; empty where entry 0 names none.
        entries: rows of `entry` looked at.
        signed: checkpoints verified, of both logs.
        folded: entries folded.
        maps: entries of the state log whose map was computed again.
        states: rows of the state map.
        states_behind: those rows are of an older entry, as after a restore: the next start makes the map anew.
        openings: how many there are.
        opened: how many of them were opened and are what was committed to; for the others a key is missing.
        erasures_due: erasures that are logged and not carried out here: the next start does it.
        differences: the first of each table, in the order found.
    """

    origin: str = ""
    entries: int = 0
    signed: int = 0
    folded: int = 0
    maps: int = 0
    states: int = 0
    states_behind: bool = False
    openings: int = 0
    opened: int = 0
    erasures_due: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def differs(self, table: str, place: str, what: str) -> None:
        """Take note of a difference, if it is the first of its table."""
        if all(one.table != table for one in self.differences):
            self.differences.append(Difference(table, place, what))


class Ordered:
    """Rows that begin with a place in the log, handed out as far as somebody has come."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def upto(self, place: int) -> list[tuple[Any, ...]]:
        """Return the rows up to a place that were not handed out yet."""
        found = []
        while self._next is not None and self._next[0] <= place:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found

    def rest(self) -> Iterator[tuple[Any, ...]]:
        """Yield what is left."""
        while self._next is not None:
            yield self._next
            self._next = next(self._rows, None)


def check_tiles(
    table: str, rows: Iterable[tuple[int, int, bytes]], expected: dict[TileId, bytearray], report: CheckReport
) -> None:
    """Hold the rows of tiles above level 0 against those that the entries make.

    Args:
        table: which they are of.
        rows: (level, number, bytes).
        expected: by place; emptied.
        report: told what differs.
    """
    for level, number, data in rows:
        wanted = expected.pop(TileId(level, number), None)
        if wanted is None or bytes(wanted) != data:
            report.differs(table, f"tile {level}/{number}", "the entries have other hashes" if wanted else "surplus")
    for tile in sorted(expected, key=lambda one: (one.level, one.index)):
        report.differs(table, f"tile {tile.level}/{tile.index}", "the row is missing")
