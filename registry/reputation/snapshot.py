"""The tables as bytes and back: tab-separated lines of decimal integers and names, compressed.

Text, because sums may pass 64 bits and Python reads decimal lists fast. No name holds a tab or a line break: DIDs are
checked at registration, slugs before they are logged.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from registry.errors import ParseError
from registry.reputation.evidence import Agent, Edge, Ledger, Meta, Pair, Spoken, Standing, Voice
from registry.reputation.overlay import Op

HEADER: Final = "bonafides/reputation-snapshot/1"
TABLES: Final = ("agents", "voices", "vouches", "reports", "standings", "spoken", "metas")

_EDGE_FIELDS: Final = len(Edge._fields)
_TEXT_ARGUMENTS: Final = {
    "register": 1,
    "own_act": 1,
    "reset_continuity": 1,
    "halve_continuity": 1,
    "vouch": 3,
    "report": 3,
    "withdraw": 4,
}


class SnapshotVersionError(ParseError):
    """The snapshot was written by another release; it is only a cache, so the log is folded again."""

    code = "reputation_snapshot_version"
    title = "Snapshot of another version"


def _write_agent(row: Agent) -> str:
    return "\t".join(map(str, (*row[:5], *row.contexts)))


def _read_agent(fields: list[str]) -> Agent:
    number, registered, alive, tenure, since = map(int, fields[:5])
    return Agent(number, registered, alive, tenure, since, tuple(fields[5:]))


def _write_voice(row: Voice) -> str:
    return "\t".join(map(str, (row.vote, row.record_vote, *row.vouches, *row.reports)))


def _read_voice(fields: list[str]) -> Voice:
    vote, record_vote, *rest = map(int, fields)
    return Voice(vote, record_vote, Ledger(*rest[:4]), Ledger(*rest[4:]))


def _write_pair(row: Pair) -> str:
    return "\t".join(map(str, (*row[:5], *(field for edge in row.edges for field in edge))))


def _read_pair(fields: list[str]) -> Pair:
    source, target, index, time_ms, named = map(int, fields[:5])
    edges = tuple(
        Edge(int(fields[at]), int(fields[at + 1]), fields[at + 2], int(fields[at + 3]), int(fields[at + 4]))
        for at in range(5, len(fields), _EDGE_FIELDS)
    )
    return Pair(source, target, index, time_ms, named, edges)


def _write_numbers(row: tuple[int, ...]) -> str:
    return "\t".join(map(str, row))


def _read_standing(fields: list[str]) -> Standing:
    return Standing._make(map(int, fields))


def _read_spoken(fields: list[str]) -> Spoken:
    return Spoken._make(map(int, fields))


def _read_meta(fields: list[str]) -> Meta:
    return Meta._make(map(int, fields))


_WRITERS: Final[dict[str, Callable[[Any], str]]] = {
    "agents": _write_agent,
    "voices": _write_voice,
    "vouches": _write_pair,
    "reports": _write_pair,
    "standings": _write_numbers,
    "spoken": _write_numbers,
    "metas": _write_numbers,
}
_READERS: Final[dict[str, Callable[[list[str]], Any]]] = {
    "agents": _read_agent,
    "voices": _read_voice,
    "vouches": _read_pair,
    "reports": _read_pair,
    "standings": _read_standing,
    "spoken": _read_spoken,
    "metas": _read_meta,
}
_KEY_WIDTH: Final = {"agents": 1, "voices": 1, "vouches": 2, "reports": 2, "standings": 2, "spoken": 3, "metas": 1}


def _spell(name: str, key: Any) -> str:
    return "\t".join(key) if _KEY_WIDTH[name] > 1 else key


def _lines(tables: dict[str, dict[Any, Any]], ops: list[Op]) -> Iterator[str]:
    yield HEADER
    for name in TABLES:
        write, rows, wide = _WRITERS[name], tables[name], _KEY_WIDTH[name] > 1
        yield f"{name}\t{len(rows)}"
        for key, row in rows.items():
            yield ("\t".join((*key, write(row))) if wide else f"{key}\t{write(row)}")
    yield f"journal\t{len(ops)}"
    for op in ops:
        yield "\t".join(map(str, (op.name, op.leaf, len(op.undo), *op.arguments)))
        for name, key, row in op.undo:
            spelled = f"{name}\t{_spell(name, key)}"
            yield spelled if row is None else f"{spelled}\t{_WRITERS[name](row)}"


def _read_row(name: str, fields: list[str]) -> tuple[Any, Any]:
    """Return key and row (None if there was none) of one line."""
    width = _KEY_WIDTH[name]
    key: Any = tuple(fields[:width]) if width > 1 else fields[0]
    return key, _READERS[name](fields[width:]) if len(fields) > width else None


def _read_op(fields: list[str], lines: Iterator[str]) -> Op:
    name, index, count, *arguments = fields
    text = _TEXT_ARGUMENTS[name]
    undo = []
    for _ in range(int(count)):
        table, *rest = next(lines).split("\t")
        undo.append((table, *_read_row(table, rest)))
    return Op(int(index), name, (*arguments[:text], *map(int, arguments[text:])), undo)


def dump_tables(tables: dict[str, dict[Any, Any]], ops: list[Op]) -> bytes:
    """Return all rows and the journal as bytes."""
    return zlib.compress("\n".join(_lines(tables, ops)).encode("ascii"), 1)


def load_tables(data: bytes) -> tuple[dict[str, dict[Any, Any]], list[Op]]:
    """Return what ``dump_tables`` was given.

    Raises:
        SnapshotVersionError: ``reputation_snapshot_version``.
    """
    try:
        lines = iter(zlib.decompress(data).decode("ascii").split("\n"))
    except (zlib.error, UnicodeDecodeError) as error:
        raise SnapshotVersionError from error
    if next(lines) != HEADER:
        raise SnapshotVersionError
    tables: dict[str, dict[Any, Any]] = {}
    for name in TABLES:
        count = int(next(lines).split("\t")[1])
        tables[name] = dict(_read_row(name, next(lines).split("\t")) for _ in range(count))
    count = int(next(lines).split("\t")[1])
    return tables, [_read_op(next(lines).split("\t"), lines) for _ in range(count)]
