"""What was signed of a log, by whom it was cosigned and what of it was published, held against the log's tree.

Spec: specs/transparency-log.md "Checking and recovering"
"""

from __future__ import annotations

from did_methods.errors import BonafidesError
from registry.log.checkpoint import Checkpoint, verify_checkpoint
from registry.log.cosignature import parse_cosignature_key, verify_cosignature
from registry.log.merkle import RightEdge
from registry.log.note import NoteKey, parse_signature_lines
from registry.log.witness import claimed_checkpoint
from registry.services.check_report import CheckReport, Ordered
from registry.storage.log_rows import PublicationRows


class CheckpointCheck:
    """The signed checkpoints of one log; `take` is called at each size of its tree, in order, then `finish`.

    Args:
        rows: of the main log or of the state log.
        report: told what differs.
        key: the log's own; without it sizes and roots are compared, and no signature is verified.
    """

    def __init__(self, rows: PublicationRows, report: CheckReport, *, key: NoteKey | None) -> None:
        self._rows, self._report, self._key = rows, report, key
        self._signed = Ordered(rows.signed())
        self._heads: dict[int, Checkpoint] = {}

    def take(self, edge: RightEdge) -> None:
        """Check what was signed up to this size.

        Args:
            edge: of the tree as its entries make it.
        """
        for size, root_hash, note in self._signed.upto(edge.size):
            place = f"size {size}"
            if size != edge.size or edge.root() != root_hash:
                self._differs(place, "the entries have another root")
            try:
                head = self._read(note)
            except BonafidesError as error:
                self._differs(place, f"the note does not verify: {error.code}")
                continue
            if (head.size, head.root_hash) != (size, root_hash):
                self._differs(place, "the note says another size or root")
            self._heads[size] = head

    def finish(self) -> None:
        """Check, at the end of a whole tree, that no more was signed, and what became of the checkpoints."""
        surplus = next(self._signed.rest(), None)
        if surplus is not None:
            self._differs(f"size {surplus[0]}", "beyond the log's end")
        published = self._rows.published()
        if published and published not in self._heads:
            self._report.differs(
                self._rows.published_table, f"size {published}", "no checkpoint of this size was signed"
            )
        for size, signer, time_s, line in self._rows.cosignatures():
            fault = self._cosignature_fault(size, signer, time_s, line)
            if fault:
                self._report.differs(self._rows.cosignature_table, f"size {size}", fault)

    def _read(self, note: bytes) -> Checkpoint:
        if self._key is None:
            return claimed_checkpoint(note)
        head = verify_checkpoint(note, origin=self._key.name, key=self._key).checkpoint
        self._report.signed += 1
        return head

    def _cosignature_fault(self, size: int, signer: str, time_s: int, line: bytes) -> str:
        head = self._heads.get(size)
        if head is None:
            return "no checkpoint of this size was signed"
        try:
            found = verify_cosignature(parse_signature_lines(line)[0], head, parse_cosignature_key(signer))
        except BonafidesError as error:
            return f"it does not verify: {error.code}"
        return "" if found.time_s == time_s else "its time is another one"

    def _differs(self, place: str, what: str) -> None:
        self._report.differs(self._rows.signed_table, place, what)
