"""The score's tables as columns and back: all rows, or those that changed since a mark.

Rows are written in an order that follows from what they say, not from how they came to be in the table, so that equal
states are equal bytes. A changed row that is gone is a key without a row.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final

from registry.reputation.columns import ColumnReader, ColumnWriter, tuples
from registry.reputation.evidence import Agent, Edge, Ledger, Meta, Pair, Spoken, Standing, Voice
from registry.reputation.overlay import Op

Rows = Sequence[tuple[Any, ...]]


def _write_agents(writer: ColumnWriter, rows: Rows) -> None:
    writer.rows("nnnnn", rows)
    writer.lists(list(map(itemgetter(5), rows)), writer.texts)


def _read_agents(reader: ColumnReader) -> Iterable[Agent]:
    return tuples(Agent, *reader.columns("nnnnn"), reader.lists(reader.texts))


def _write_voices(writer: ColumnWriter, rows: Rows) -> None:
    writer.rows("nn", rows)
    for place in (2, 3):
        writer.rows("nnnn", list(map(itemgetter(place), rows)))


def _read_voices(reader: ColumnReader) -> Iterable[Voice]:
    vote, record_vote = reader.columns("nn")
    ledgers = [list(tuples(Ledger, *reader.columns("nnnn"))) for _ in range(2)]
    return tuples(Voice, vote, record_vote, *ledgers)


def _write_pairs(writer: ColumnWriter, rows: Rows) -> None:
    """Write what does not follow from the edges: the newest of them says leaf and time."""
    writer.rows("nn", rows)
    writer.ints(list(map(itemgetter(4), rows)))
    writer.lists(list(map(itemgetter(5), rows)), lambda edges: writer.rows("nntnn", edges))


def _read_pairs(reader: ColumnReader) -> Iterable[Pair]:
    source, target = reader.columns("nn")
    named = reader.ints()
    edges = reader.lists(lambda: tuples(Edge, *reader.columns("nntnn")))
    newest = list(map(itemgetter(-1), edges))
    leaf, time_ms = map(itemgetter(0), newest), map(itemgetter(1), newest)
    return tuples(Pair, source, target, leaf, time_ms, named, edges)


def _numbers(kind: type[Any]) -> tuple[Callable[..., None], Callable[..., Any]]:
    """Return how rows of nothing but integers are written and read."""
    kinds = "n" * len(kind._fields)
    return lambda writer, rows: writer.rows(kinds, rows), lambda reader: tuples(kind, *reader.columns(kinds))


_ROWS: Final[dict[str, tuple[Callable[..., None], Callable[..., Any]]]] = {
    "agents": (_write_agents, _read_agents),
    "voices": (_write_voices, _read_voices),
    "vouches": (_write_pairs, _read_pairs),
    "reports": (_write_pairs, _read_pairs),
    "standings": _numbers(Standing),
    "spoken": _numbers(Spoken),
    "metas": _numbers(Meta),
}
_KEYS: Final = {
    "agents": "t",
    "voices": "t",
    "vouches": "tt",
    "reports": "tt",
    "standings": "tt",
    "spoken": "ttt",
    "metas": "t",
}
_PLACE: Final[dict[str, Callable[[Any], Any]]] = {
    "agents": lambda item: item[1].number,
    "vouches": lambda item: item[1].leaf,
    "reports": lambda item: item[1].leaf,
    "spoken": lambda item: (item[1].leaf, item[0][2]),
}
"""Where a row stands among those of its table; of the others, and of keys without a row, the key says it."""


def write_table(writer: ColumnWriter, name: str, table: Mapping[Any, Any]) -> None:
    """Write the rows of a table, and the keys that have none.

    Args:
        writer: of the snapshot.
        name: of the table, one of `TABLES`.
        table: rows by key; None stands for no row.
    """
    kept = sorted(((key, row) for key, row in table.items() if row is not None), key=_PLACE.get(name, itemgetter(0)))
    gone = sorted(key for key, row in table.items() if row is None)
    for keys in (list(map(itemgetter(0), kept)), gone):
        writer.rows(_KEYS[name], keys if len(_KEYS[name]) > 1 else list(zip(keys, strict=True)))
    _ROWS[name][0](writer, list(map(itemgetter(1), kept)))


def read_table(reader: ColumnReader, name: str) -> tuple[Iterable[tuple[Any, Any]], Iterable[Any]]:
    """Return the rows with their keys, and the keys without one, of what `write_table` was given."""
    kept, gone = (_keys(reader.columns(_KEYS[name])) for _ in range(2))
    return zip(kept, _ROWS[name][1](reader), strict=True), gone


def _keys(columns: list[list[Any]]) -> Iterable[Any]:
    return columns[0] if len(columns) == 1 else zip(*columns, strict=True)


def write_operations(writer: ColumnWriter, operations: Sequence[Op]) -> None:
    """Write operations; the texts among their arguments come before the numbers."""
    arguments = list(map(attrgetter("arguments"), operations))
    writer.rows("nt", operations)
    writer.lists([[one for one in some if type(one) is str] for some in arguments], writer.texts)
    writer.lists([[one for one in some if type(one) is not str] for some in arguments], writer.ints)


def read_operations(reader: ColumnReader) -> list[Op]:
    """Return what `write_operations` was given."""
    leaf, name = reader.columns("nt")
    arguments = map(operator.add, reader.lists(reader.texts), reader.lists(reader.ints))
    return list(tuples(Op, leaf, name, arguments))
