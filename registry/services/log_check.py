"""The database of a log against itself: every table that follows from `entry` is made again and compared.

`entry` itself is held against its hashes, the hashes against the head, the head against every checkpoint that was signed. What cannot be made
again (openings, decisions, keys) is not looked at. The first difference of each table is named; a table in which one was
found is not compared further. Nothing is repaired here.

Spec: specs/transparency-log.md "Checking and recovering"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from did_methods.data_integrity import event_id
from did_methods.errors import BonafidesError
from registry.history.did_files import OPERATION
from registry.history.replay import replay_leaf, verify_leaf
from registry.history.snapshot import dump_state
from registry.history.state import Draft, LogState
from registry.log.checkpoint import Checkpoint, verify_checkpoint
from registry.log.cosignature import parse_cosignature_key, verify_cosignature
from registry.log.entry import Leaf, parse_leaf
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.note import NoteKey, parse_note_key, parse_signature_lines
from registry.log.tile import TileId, append_leaves
from registry.storage.log_rows import EntryLine, LogRows

PORTION: Final = 1_024
Progress = Callable[[str, int, int], None]
"""(stage, done, total)."""


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
        signed: checkpoints verified.
        folded: entries folded.
        differences: the first of each table, in the order found.
    """

    origin: str = ""
    entries: int = 0
    signed: int = 0
    folded: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


class LogCheck:
    """One check of one database.

    Args:
        rows: its tables.
        fold: fold the entries and compare the snapshot; else hashes, chains and tables alone.
        signatures: verify the signatures of entries anew while folding.
        progress: told how far it is.
    """

    def __init__(
        self, rows: LogRows, *, fold: bool = True, signatures: bool = False, progress: Progress = lambda *_: None
    ) -> None:
        self._rows, self._progress = rows, progress
        self._fold = verify_leaf if signatures else replay_leaf
        self._edge = RightEdge()
        self._upper: dict[TileId, bytearray] = {}
        self._chains: dict[str, tuple[int, int, bytes]] = {}
        self._key: NoteKey | None = None
        self._heads: dict[int, Checkpoint] = {}
        self._state = LogState()
        self._draft: Draft | None = self._state.draft() if fold else None
        self.report = CheckReport()

    def run(self) -> CheckReport:
        """Look at everything; return what differs."""
        head = self._rows.head()
        size, root_hash = (0, b"") if head is None else head
        parties, operations = _Ordered(self._rows.parties()), _Ordered(self._rows.did_entries())
        signed = _Ordered(self._rows.signed())
        snapshot = self._rows.snapshot()
        at = 0
        for line in self._rows.entries():
            if line.seq != at or at >= size:
                self._differs(
                    "entry", f"entry {line.seq}", "a row is missing before it" if line.seq > at else "not dense"
                )
                break
            self._take(line, parties, operations)
            at += 1
            self._take_signed(signed, at)
            if snapshot is not None and snapshot[0] == at:
                self._check_snapshot(snapshot)
            if not at % PORTION:
                self._progress("entries", at, size)
        self.report.entries = at
        self._progress("entries", at, size)
        self._finish(at, size, root_hash, parties, operations, signed)
        if snapshot is not None and snapshot[0] > at:
            self._differs("snapshot", f"size {snapshot[0]}", "it reaches beyond the log")
        if at == size:
            self._check_publication()
        return self.report

    # ------------------------------------------------------------ entry by entry

    def _take(self, line: EntryLine, parties: _Ordered, operations: _Ordered) -> None:
        place = f"entry {line.seq}"
        hashed = leaf_hash(line.data)
        if hashed != line.leaf_hash:
            self._differs("entry", place, "the stored hash is another one")
        self._append(hashed)
        try:
            leaf = parse_leaf(line.data)
        except BonafidesError as error:
            self._differs("entry", place, f"no leaf: {error.code}")
            self._draft = None
            return
        known = leaf.digest or event_id(leaf.event)
        if (known, leaf.kind, leaf.time_ms) != (line.event_id, line.kind, line.time_ms):
            self._differs("entry", place, "event id, kind or time is not that of its leaf")
        if line.seq == 0:
            self._read_genesis(leaf)
        self._check_chains(line.seq, leaf, hashed)
        expected = [(line.seq, party.did, party.count) for party in leaf.parties]
        self._compare("party", place, parties.upto(line.seq), expected)
        published = [(line.seq, leaf.parties[0].did)] if leaf.kind == OPERATION and leaf.parties else []
        self._compare("did_entry", place, operations.upto(line.seq), published)
        self._fold_in(place, line.data)

    def _append(self, hashed: bytes) -> None:
        for tile, added in append_leaves(self._edge, [hashed]).items():
            if tile.level:
                self._upper.setdefault(tile, bytearray()).extend(added)

    def _read_genesis(self, leaf: Leaf) -> None:
        subject: Any = leaf.event.get("credentialSubject")
        try:
            self._key = parse_note_key(str(subject.get("logKey") if isinstance(subject, dict) else ""))
            self.report.origin = self._key.name
        except BonafidesError:
            self._differs("entry", "entry 0", "it names no log key")

    def _check_chains(self, index: int, leaf: Leaf, hashed: bytes) -> None:
        for party in leaf.parties:
            count, last, last_hash = self._chains.get(party.did, (0, None, None))
            if (party.count, party.prev_index, party.prev_leaf_hash) != (count + 1, last, last_hash):
                self._differs("entry", f"entry {index}", "a link of its chains does not fit")
            self._chains[party.did] = (party.count, index, hashed)

    def _fold_in(self, place: str, data: bytes) -> None:
        if self._draft is None:
            return
        try:
            self._fold(self._draft, data)
        except BonafidesError as error:
            self._differs("entry", place, f"it does not follow from those before it: {error.code}")
            self._draft = None
            return
        self.report.folded += 1
        if not self.report.folded % PORTION:
            self._settle()

    def _settle(self) -> None:
        if self._draft is not None:
            self._draft.commit()
            self._draft = self._state.draft()

    # ------------------------------------------------------------ what follows from all of it

    def _take_signed(self, signed: _Ordered, size: int) -> None:
        for row in signed.upto(size):
            self._check_signed(row)

    def _check_signed(self, row: tuple[Any, ...]) -> None:
        size, root_hash, note = row
        place = f"size {size}"
        if size != self._edge.size or self._edge.root() != root_hash:
            self._differs("signed", place, "the entries have another root")
        if self._key is None:
            return
        try:
            head = verify_checkpoint(note, origin=self._key.name, key=self._key).checkpoint
        except BonafidesError as error:
            self._differs("signed", place, f"the note does not verify: {error.code}")
            return
        if (head.size, head.root_hash) != (size, root_hash):
            self._differs("signed", place, "the note says another size or root")
        self.report.signed += 1
        self._heads[size] = head

    def _check_snapshot(self, snapshot: tuple[int, bytes, bytes]) -> None:
        size, root_hash, data = snapshot
        if self._edge.root() != root_hash:
            self._differs("snapshot", f"size {size}", "the entries have another root")
        if self._draft is not None:
            self._settle()
            if dump_state(self._state) != data:
                self._differs("snapshot", f"size {size}", "the entries fold to another state")

    def _finish(
        self, at: int, size: int, root_hash: bytes, parties: _Ordered, operations: _Ordered, signed: _Ordered
    ) -> None:
        if at < size:
            self._differs("entry", f"entry {at}", "the row is missing")
            return  # whatever else differs now follows from that
        if at and self._edge.root() != root_hash:
            self._differs("head", f"size {size}", "the entries have another root")
        for table, left in (("party", parties), ("did_entry", operations), ("signed", signed)):
            surplus = next(left.rest(), None)
            if surplus is not None:
                self._differs(table, f"{'size' if table == 'signed' else 'entry'} {surplus[0]}", "beyond the log's end")
        for level, number, data in self._rows.tiles():
            expected = self._upper.pop(TileId(level, number), None)
            if expected is None or bytes(expected) != data:
                self._differs(
                    "tile", f"tile {level}/{number}", "the entries have other hashes" if expected else "surplus"
                )
        for tile in sorted(self._upper, key=lambda one: (one.level, one.index)):
            self._differs("tile", f"tile {tile.level}/{tile.index}", "the row is missing")

    def _check_publication(self) -> None:
        published = self._rows.published()
        if published and published not in self._heads:
            self._differs("published", f"size {published}", "no checkpoint of this size was signed")
        for size, signer, time_s, line in self._rows.cosignatures():
            head = self._heads.get(size)
            if head is None:
                self._differs("cosignature", f"size {size}", "no checkpoint of this size was signed")
                continue
            try:
                found = verify_cosignature(parse_signature_lines(line)[0], head, parse_cosignature_key(signer))
            except BonafidesError as error:
                self._differs("cosignature", f"size {size}", f"it does not verify: {error.code}")
                continue
            if found.time_s != time_s:
                self._differs("cosignature", f"size {size}", "its time is another one")

    def _compare(self, table: str, place: str, found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
        if found != expected:
            self._differs(table, place, "its rows are not those of its leaf")

    def _differs(self, table: str, place: str, what: str) -> None:
        if all(one.table != table for one in self.report.differences):
            self.report.differences.append(Difference(table, place, what))


class _Ordered:
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
