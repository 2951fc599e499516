"""The database of a log against itself: every table that follows from `entry` is made again and compared.

`entry` itself is held against its hashes, the hashes against the head, the head against every checkpoint that was signed; then the state
log, openings and erasures against the entries. What follows from no entry is held against itself where it can be (statuses, what
was seen of other logs), or not looked at (decisions). The first difference of each table is named. Nothing is repaired here.

Spec: specs/transparency-log.md "Checking and recovering"
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from did_methods.data_integrity import event_id
from did_methods.errors import BonafidesError
from registry.adapters.erasure_keys import ErasureKeys
from registry.errors import ParseError
from registry.history.did_files import OPERATION
from registry.history.replay import replay_leaf, verify_leaf
from registry.history.snapshot import load_state
from registry.history.state import Draft, LogState
from registry.log.entry import Leaf, parse_leaf
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.note import NoteKey, parse_note_key
from registry.log.tile import TileId, append_leaves
from registry.services.check_report import CheckReport, Ordered, check_tiles
from registry.services.checkpoint_check import CheckpointCheck
from registry.services.opening_check import OpeningCheck
from registry.services.side_check import check_statuses, check_witness_memory
from registry.services.state_check import StateCheck
from registry.storage.engine import Database
from registry.storage.log import KeptSnapshot
from registry.storage.log_rows import EntryLine, LogRows, OpeningRows, StateLogRows, StoredRowError

PORTION: Final = 1_024
Progress = Callable[[str, int, int], None]
"""(stage, done, total)."""


class LogCheck:
    """One check of one database.

    Args:
        database: opened by nobody else.
        fold: fold the entries and compare snapshot, maps and erasures; else hashes, chains and tables alone.
        signatures: verify the signatures of entries anew while folding.
        state_key: gives the state log's key by the main log's origin, None where it is not at hand.
        erasure_keys: what openings are sealed under; None where they are not at hand.
        progress: told how far it is.
    """

    def __init__(
        self,
        database: Database,
        *,
        fold: bool = True,
        signatures: bool = False,
        state_key: Callable[[str], NoteKey | None] = lambda _: None,
        erasure_keys: ErasureKeys | None = None,
        progress: Progress = lambda *_: None,
    ) -> None:
        self._database, self._rows, self._progress = database, LogRows(database), progress
        self._state_key, self._erasure_keys = state_key, erasure_keys
        self._fold = verify_leaf if signatures else replay_leaf
        self._edge = RightEdge()
        self._upper: dict[TileId, bytearray] = {}
        self._chains: dict[str, tuple[int, int, bytes]] = {}
        self._state = LogState()
        self._draft: Draft | None = self._state.draft() if fold else None
        self.report = CheckReport()

    def run(self) -> CheckReport:
        """Look at everything; return what differs."""
        try:
            self._run()
        except StoredRowError as error:
            self.report.differs(error.table, "", "a row holds a text where bytes belong: it was not compared further")
        return self.report

    def _run(self) -> None:
        head = self._rows.head()
        size, root_hash = (0, b"") if head is None else head
        parties, operations = Ordered(self._rows.parties()), Ordered(self._rows.did_entries())
        key = self._read_genesis()
        checkpoints = CheckpointCheck(self._rows, self.report, key=key)
        states = StateCheck(StateLogRows(self._database), self.report, key=key and self._state_key(key.name))
        snapshot = self._rows.snapshot()
        at = 0
        for line in self._rows.entries():
            if line.seq != at or at >= size:
                what = "a row is missing before it" if line.seq > at else "not dense"
                self.report.differs("entry", f"entry {line.seq}", what)
                break
            self._take(line, parties, operations, states)
            at += 1
            checkpoints.take(self._edge)
            states.take(self._edge)
            if snapshot is not None and snapshot.size == at:
                self._check_snapshot(snapshot)
            if not at % PORTION:
                self._progress("entries", at, size)
        self.report.entries = at
        self._progress("entries", at, size)
        self._finish(at, size, root_hash, parties, operations)
        if snapshot is not None and snapshot.size > at:
            self.report.differs("snapshot", f"size {snapshot.size}", "it reaches beyond the log")
        if at == size:  # else whatever differs follows from that
            checkpoints.finish()
            states.finish()
            self._check_openings()
        check_statuses(self._rows, self.report)
        check_witness_memory(self._rows, self.report)

    def _check_openings(self) -> None:
        tables = None if self._draft is None else self._state.tables
        self._settle()
        OpeningCheck(OpeningRows(self._database), self.report, tables=tables, keys=self._erasure_keys).run()

    def _read_genesis(self) -> NoteKey | None:
        first = next(self._rows.entries(), None)
        try:
            subject: Any = {} if first is None else parse_leaf(first.data).event.get("credentialSubject")
            key = parse_note_key(str(subject.get("logKey") if isinstance(subject, dict) else ""))
        except BonafidesError:
            self.report.differs("entry", "entry 0", "it names no log key")
            return None
        self.report.origin = key.name
        return key

    # ------------------------------------------------------------ entry by entry

    def _take(self, line: EntryLine, parties: Ordered, operations: Ordered, states: StateCheck) -> None:
        place = f"entry {line.seq}"
        hashed = leaf_hash(line.data)
        if hashed != line.leaf_hash:
            self.report.differs("entry", place, "the stored hash is another one")
        self._append(hashed)
        try:
            leaf = parse_leaf(line.data)
        except BonafidesError as error:
            self.report.differs("entry", place, f"no leaf: {error.code}")
            self._draft = None
            return
        known = leaf.digest or event_id(leaf.event)
        if (known, leaf.kind, leaf.time_ms) != (line.event_id, line.kind, line.time_ms):
            self.report.differs("entry", place, "event id, kind or time is not that of its leaf")
        self._check_chains(line.seq, leaf, hashed)
        expected = [(line.seq, party.did, party.count) for party in leaf.parties]
        self._compare("party", place, parties.upto(line.seq), expected)
        published = [(line.seq, leaf.parties[0].did)] if leaf.kind == OPERATION and leaf.parties else []
        self._compare("did_entry", place, operations.upto(line.seq), published)
        self._fold_in(place, line.data, states)

    def _append(self, hashed: bytes) -> None:
        for tile, added in append_leaves(self._edge, [hashed]).items():
            if tile.level:
                self._upper.setdefault(tile, bytearray()).extend(added)

    def _check_chains(self, index: int, leaf: Leaf, hashed: bytes) -> None:
        for party in leaf.parties:
            count, last, last_hash = self._chains.get(party.did, (0, None, None))
            if (party.count, party.prev_index, party.prev_leaf_hash) != (count + 1, last, last_hash):
                self.report.differs("entry", f"entry {index}", "a link of its chains does not fit")
            self._chains[party.did] = (party.count, index, hashed)

    def _fold_in(self, place: str, data: bytes, states: StateCheck) -> None:
        if self._draft is None:
            return
        try:
            states.observe(self._fold(self._draft, data), self._draft)
        except BonafidesError as error:
            self.report.differs("entry", place, f"it does not follow from those before it: {error.code}")
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

    def _check_snapshot(self, snapshot: KeptSnapshot) -> None:
        place = f"size {snapshot.size}"
        if self._edge.root() != snapshot.root:
            self.report.differs("snapshot", place, "the entries have another root")
        if self._draft is not None:
            self._settle()
            try:
                same = load_state(*snapshot.portions) == self._state
            except ParseError:  # a start makes it anew, as it does one of another version
                self.report.differs("snapshot", place, "it is damaged, or of another version")
            else:
                if not same:
                    self.report.differs("snapshot", place, "the entries fold to another state")

    def _finish(self, at: int, size: int, root_hash: bytes, parties: Ordered, operations: Ordered) -> None:
        if at < size:
            self.report.differs("entry", f"entry {at}", "the row is missing")
            return  # whatever else differs now follows from that
        if at and self._edge.root() != root_hash:
            self.report.differs("head", f"size {size}", "the entries have another root")
        for table, left in (("party", parties), ("did_entry", operations)):
            surplus = next(left.rest(), None)
            if surplus is not None:
                self.report.differs(table, f"entry {surplus[0]}", "beyond the log's end")
        check_tiles("tile", self._rows.tiles(), self._upper, self.report)

    def _compare(self, table: str, place: str, found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
        if found != expected:
            self.report.differs(table, place, "its rows are not those of its leaf")
