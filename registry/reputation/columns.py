"""Rows as columns of bytes: how a folded state is kept, so that a million rows cost no step of Python for each.

A file is a line with its format, the SHA-256 of what follows, and parts one after the other: one byte for the kind, eight for
the length, the bytes. Texts and 32-byte ids stand once, in the first two parts; columns refer to them by number, and number 0
is None. Nothing in a file can run; what is no such file is refused. The digest finds damage, not a forger: whoever loads
a file trusts the place where it lay, or holds it against the log.

Spec: specs/history.md "Drafts and snapshots"
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from hashlib import sha256
from itertools import accumulate, chain, count
from operator import itemgetter
from typing import Any, Final, TypeVar

from did_methods.canonical import canonicalize
from did_methods.codec import parse_json_object
from registry.errors import ParseError

T = TypeVar("T", bound=tuple[Any, ...])

FORMAT: Final = b"bonafides/state/6\n"
ID_BYTES: Final = 32
_MAX_BYTES: Final = 4 << 30
_MAX_NODES: Final = 1 << 31
_MAX_DEPTH: Final = 64
"""A DID document is as deep as submitted JSON may be, and lies three levels deep in a snapshot."""
_PART: Final = struct.Struct("<cQ")
_BODY: Final = len(FORMAT) + ID_BYTES
_WIDTHS: Final = (("b", 7), ("h", 15), ("i", 31), ("q", 63))
_IDS: Final = struct.Struct(f"{ID_BYTES}s" * 4_096)


class SnapshotFormatError(ParseError):
    """The snapshot was written by another version, or is damaged; it is made anew from the log."""

    code = "snapshot_malformed"
    title = "Not a snapshot of this version"


class ColumnWriter:
    """Collects columns; `ColumnReader` gives them back in the same order."""

    def __init__(self) -> None:
        self._parts: list[tuple[bytes, bytes]] = []
        self._texts: dict[str | None, int] = {None: 0}
        self._ids: dict[bytes | None, int] = {None: 0}

    def ints(self, values: Collection[int]) -> None:
        """Write integers of any size, as narrow as the widest of them allows; beyond 64 bits as decimal text."""
        low, high = (min(values), max(values)) if values else (0, 0)
        for kind, bits in _WIDTHS:
            if -(1 << bits) <= low and high < 1 << bits:
                self._parts.append((kind.encode(), _little(array(kind, values)).tobytes()))
                return
        self._parts.append((b"d", " ".join(map(str, values)).encode("ascii")))

    def texts(self, values: Collection[str | None]) -> None:
        """Write texts without line feeds, or None."""
        self.ints(_numbers(self._texts, values))

    def ids(self, values: Collection[bytes | None]) -> None:
        """Write ids of 32 bytes, or None."""
        self.ints(_numbers(self._ids, values))

    def lists(self, values: Collection[Sequence[Any]], write: Callable[[list[Any]], None]) -> None:
        """Write sequences: how long each is, then all their items as one column."""
        self.ints(list(map(len, values)))
        write(list(chain.from_iterable(values)))

    def rows(self, kinds: str, rows: Collection[Sequence[Any]]) -> None:
        """Write rows column by column.

        Args:
            kinds: of each column, ``n`` for numbers, ``t`` for texts, ``i`` for ids.
            rows: each as long as that.
        """
        for place, kind in enumerate(kinds):
            write: Any = {"n": self.ints, "t": self.texts, "i": self.ids}[kind]
            write(list(map(itemgetter(place), rows)))

    def document(self, value: dict[str, Any]) -> None:
        """Write a JSON object."""
        self._parts.append((b"j", canonicalize(value)))

    def to_bytes(self) -> bytes:
        """Return the whole file."""
        texts = [text for text in self._texts if text is not None]
        text = "\n".join(texts)
        if text.count("\n") != max(0, len(texts) - 1):
            raise ValueError("a text in a column has no line feed")
        ids = (one for one in self._ids if one is not None)
        tables = [(b"t", (text + "\n" if texts else "").encode("utf-8")), (b"x", b"".join(ids))]
        parts = [*tables, *self._parts]
        body = b"".join(chain.from_iterable((_PART.pack(kind, len(data)), data) for kind, data in parts))
        return b"".join((FORMAT, sha256(body).digest(), body))


class ColumnReader:
    """Gives back what a `ColumnWriter` wrote.

    Raises:
        SnapshotFormatError: ``snapshot_malformed``, and so does every method where something else lies there.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = memoryview(data), _BODY
        if data[: len(FORMAT)] != FORMAT or sha256(self._data[_BODY:]).digest() != data[len(FORMAT) : _BODY]:
            raise SnapshotFormatError
        self._texts: list[str | None] = [None, *bytes(self._part("t")[1]).decode("utf-8").split("\n")[:-1]]
        self._ids: list[bytes | None] = [None, *_split_ids(self._part("x")[1])]

    def ints(self) -> list[int]:
        """Read a column of integers."""
        kind, data = self._part("bhiqd")
        if kind == "d":
            return list(map(int, bytes(data).split()))
        column = array(kind)
        column.frombytes(data)
        return _little(column).tolist()

    def texts(self) -> list[Any]:
        """Read a column of texts or None."""
        return self._named(self._texts)

    def ids(self) -> list[Any]:
        """Read a column of ids or None."""
        return self._named(self._ids)

    def lists(self, read: Callable[[], Iterable[Any]]) -> list[tuple[Any, ...]]:
        """Read a column of sequences, as tuples."""
        lengths, items = self.ints(), tuple(read())
        if sum(lengths) != len(items) or min(lengths, default=0) < 0:
            raise SnapshotFormatError
        if lengths and min(lengths) == max(lengths) == 1:  # nearly always, and three times as fast
            return list(zip(items, strict=True))
        ends = list(accumulate(lengths))
        return list(map(items.__getitem__, map(slice, chain((0,), ends), ends)))

    def columns(self, kinds: str) -> list[list[Any]]:
        """Read columns of equal length; see `ColumnWriter.rows`."""
        reads = {"n": self.ints, "t": self.texts, "i": self.ids}
        columns = [reads[kind]() for kind in kinds]
        if len(set(map(len, columns))) > 1:
            raise SnapshotFormatError
        return columns

    def document(self) -> dict[str, Any]:
        """Read a JSON object."""
        data = bytes(self._part("j")[1])
        return parse_json_object(data, max_bytes=_MAX_BYTES, max_nodes=_MAX_NODES, max_depth=_MAX_DEPTH)

    def finish(self) -> None:
        """Refuse a file with something behind what was read."""
        if self._at != len(self._data):
            raise SnapshotFormatError

    def _part(self, kinds: str) -> tuple[str, memoryview]:
        begin = self._at + _PART.size
        if begin > len(self._data):
            raise SnapshotFormatError
        kind, length = _PART.unpack(self._data[self._at : begin])
        if kind not in kinds.encode() or begin + length > len(self._data):
            raise SnapshotFormatError
        self._at = begin + length
        return kind.decode(), self._data[begin : self._at]

    def _named(self, table: list[Any]) -> list[Any]:
        try:
            return list(map(table.__getitem__, self.ints()))
        except IndexError:
            raise SnapshotFormatError from None


def tuples(kind: type[T], *columns: Iterable[Any]) -> Iterable[T]:
    """Return the named tuples of columns, made without a call of Python for each."""
    return map(partial(tuple.__new__, kind), zip(*columns, strict=True))


def _numbers(table: dict[Any, int], values: Collection[Any]) -> list[int]:
    fresh = [value for value in dict.fromkeys(values) if value not in table]
    table.update(zip(fresh, count(len(table)), strict=False))
    return list(map(table.__getitem__, values))


def _split_ids(data: memoryview) -> Iterable[bytes]:
    if len(data) % ID_BYTES:
        raise SnapshotFormatError
    cut = len(data) - len(data) % _IDS.size
    parts = _IDS.iter_unpack(data[:cut]), struct.iter_unpack(f"{ID_BYTES}s", data[cut:])
    return chain.from_iterable(chain.from_iterable(parts))


def _little(column: array[int]) -> array[int]:
    if sys.byteorder == "big":
        column.byteswap()
    return column
