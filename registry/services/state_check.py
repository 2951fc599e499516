"""The state log and the rows of the state map against the main log: what fsck says of them.

The entries, hashes and tiles of the state log are held against one another, the roots in them against the main log's tree; with a fold
every map is computed again, and each row is held against the map of its entry. Rows that are those of an older entry than
the newest are no fault: a restore leaves them so, and the next start makes the map anew.

Spec: specs/transparency-log.md "Checking and recovering"; specs/state-map.md
"""

from __future__ import annotations

from did_methods.errors import BonafidesError
from registry.audit.state_map import StateMapAudit
from registry.history.sequence import SequencedLeaf
from registry.history.state import Draft
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.note import NoteKey
from registry.log.state_map import StateBucketError, StateEntry, StateMap, parse_state_entry, state_digest, subject_key
from registry.log.tile import TileId, append_leaves
from registry.services.check_report import CheckReport, Ordered, check_tiles
from registry.services.checkpoint_check import CheckpointCheck
from registry.storage.log_rows import StateLogRows


class StateCheck:
    """One check of the state log: first its own tree, then `observe` and `take` follow the main log, then `finish`.

    Args:
        rows: its tables.
        report: told what differs.
        key: of the state log; None where it is not at hand: then no signature of it is verified.
    """

    def __init__(self, rows: StateLogRows, report: CheckReport, *, key: NoteKey | None) -> None:
        self._rows, self._report = rows, report
        self._entries: dict[int, tuple[int, StateEntry]] = {}
        self._check_tree(CheckpointCheck(rows, report, key=key))
        self._states = Ordered(rows.states())
        self._newest: dict[bytes, bytes | None] = {}
        self._covers = 0
        self._maps = StateMapAudit()
        self._maps.expect(self._entries.values())
        self._size = self._folded = 0

    def observe(self, leaf: SequencedLeaf, draft: Draft) -> None:
        """Compute the map again where an entry is about this size.

        Args:
            leaf: of the main log.
            draft: that it was folded into.
        """
        for finding in self._maps.observe(leaf, draft):
            self._differs(self._entries[leaf.index + 1][0], finding.code)
        self._folded = leaf.index + 1

    def take(self, edge: RightEdge) -> None:
        """Hold the entry about this size, and the rows that were written with it, against what is known.

        Args:
            edge: of the main log's tree.
        """
        self._size = edge.size
        found = self._entries.get(edge.size)
        if found is None:
            return
        index, entry = found
        if entry.root_hash != edge.root():
            self._differs(index, "the main log has another root at that size")
        for covers, key, subject, digest, record in self._states.upto(edge.size):
            self._report.states += 1
            self._newest[key], self._covers = digest, covers
            fault = self._row_fault(key, subject, digest, record)
            if covers != edge.size:
                fault = "no entry is about that size"
            elif not fault and self._folded == edge.size and self._maps.map.get(key) != digest:
                fault = "the entries fold to another state"
            if fault:
                self._report.differs("state", f"{key.hex()}, size {covers}", fault)

    def finish(self) -> None:
        """Check, at the end of a whole main log, that nothing is left, and that the rows are a map that was committed to."""
        self._report.maps = self._maps.compared
        for size, (index, _) in self._entries.items():
            if size > self._size:
                self._differs(index, "it is about a larger log than there is")
        for covers, key, *_ in self._states.rest():
            self._report.differs("state", f"{key.hex()}, size {covers}", "no entry is about that size")
        self._check_map()

    def _check_tree(self, checkpoints: CheckpointCheck) -> None:
        edge, upper = RightEdge(), dict[TileId, bytearray]()
        for index, covers, hashed, data in self._rows.entries():
            if index != edge.size:
                self._differs(edge.size, "the row is missing")
                return
            if hashed != leaf_hash(data):
                self._differs(index, "the stored hash is another one")
            self._take_entry(index, covers, data)
            for tile, added in append_leaves(edge, [leaf_hash(data)]).items():
                if tile.level:
                    upper.setdefault(tile, bytearray()).extend(added)
            checkpoints.take(edge)
        checkpoints.finish()
        check_tiles("state_tile", self._rows.tiles(), upper, self._report)

    def _take_entry(self, index: int, covers: int, data: bytes) -> None:
        try:
            entry = parse_state_entry(data)
        except BonafidesError as error:
            self._differs(index, f"no entry of a state log: {error.code}")
            return
        if not next(reversed(self._entries), 0) < covers == entry.size:
            self._differs(index, "the size that it is about is another one, or not above the one before")
        self._entries.setdefault(entry.size, (index, entry))

    def _check_map(self) -> None:
        """Compare the root of the rows with that of the entry that they were written with last, and with the newest."""
        if not self._entries:
            return
        newest = self._entries[max(self._entries)][1]
        _, written = self._entries.get(self._covers, (0, newest))
        state_map = StateMap(written.depth)
        try:
            state_map.update(self._newest)
        except StateBucketError:
            return  # such a row was told of
        self._report.states_behind = state_map.root != newest.map_root
        if self._newest and state_map.root != written.map_root:
            self._report.differs("state", f"size {self._covers}", "the rows make another map than its entry commits to")

    @staticmethod
    def _row_fault(key: bytes, subject: str, digest: bytes | None, record: bytes | None) -> str:
        if key != subject_key(subject):
            return "its subject is another one"
        if digest != (None if record is None else state_digest(record)):
            return "its digest is not that of its record"
        return ""

    def _differs(self, index: int, what: str) -> None:
        self._report.differs("state_entry", f"entry {index}", what)
