"""The served files of hosted DIDs, held against the leaves that they are made of.

A line of ``did.jsonl`` is the event of a ``did_operation`` leaf, byte for byte; ``did-witness.json`` is made of the leaves
of witness proofs, ``did.json`` of the state after the newest entry. Of a log that is read only digests are kept. A file
that goes further than the log as read is no breach yet: the log may have grown; `HostedLogs` says so, and whoever reads
on compares again.

Spec: specs/audit.md; specs/did-hosting.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from registry.audit.finding import Finding, make_finding
from registry.history.did_files import OPERATION, WITNESS, document_file, event_bytes, log_line
from registry.history.sequence import SequencedLeaf
from registry.history.state import LogState


@dataclass(slots=True)
class HostedLog:
    """What the leaves say of one hosted DID's files.

    Attributes:
        entries: (leaf index, SHA-256 of the line) of each entry.
        witnesses: (length, SHA-256) of each leaf's proofs, of which ``did-witness.json`` is the list.
    """

    entries: list[tuple[int, bytes]] = field(default_factory=list)
    witnesses: list[tuple[int, bytes]] = field(default_factory=list)

    def add_entry(self, leaf: SequencedLeaf) -> None:
        """Take a ``did_operation`` leaf of this DID."""
        self.entries.append((leaf.index, hashlib.sha256(log_line(leaf.data)).digest()))

    def add_witness(self, leaf: bytes) -> None:
        """Take a ``did_witness`` leaf whose entry is of this DID."""
        proofs = event_bytes(leaf)
        self.witnesses.append((len(proofs), hashlib.sha256(proofs).digest()))

    def count_witnesses(self, served: bytes | None) -> int | None:
        """Return how many leaves of proofs a served file is the list of, byte for byte; None where it is no such list."""
        if served is None:
            return 0
        at, before = 0, b"["
        for number, (length, digest) in enumerate(self.witnesses, 1):
            begin = at + 1
            at = begin + length
            if served[begin - 1 : begin] != before or hashlib.sha256(served[begin:at]).digest() != digest:
                return None
            if served[at:] == b"]\n":
                return number
            before = b","
        return None


@dataclass(slots=True)
class HostedLogs:
    """Collects, leaf by leaf, what the files of hosted DIDs must be.

    Attributes:
        logs: by the DID under which a log first came.
        ahead: a leaf of witness proofs whose entry is the next leaf.
    """

    logs: dict[str, HostedLog] = field(default_factory=dict)
    ahead: bytes | None = None

    def take(self, leaf: SequencedLeaf) -> None:
        """Take the next leaf of the log."""
        if leaf.kind == WITNESS:
            self.ahead = leaf.data
        elif leaf.kind == OPERATION:
            log = self.logs.setdefault(leaf.parties[0].did, HostedLog())
            log.add_entry(leaf)
            if self.ahead is not None:
                log.add_witness(self.ahead)
            self.ahead = None


@dataclass(frozen=True, slots=True)
class ServedFiles:
    """What was served for one hosted DID; None where nothing was."""

    did: str
    path: str
    log: bytes | None
    witness: bytes | None
    document: bytes | None


@dataclass(slots=True)
class FileCheck:
    """Served files being judged; `is_open` while the log may still have to be read on.

    Attributes:
        served: the files.
        finding: the breach, or None.
    """

    served: ServedFiles
    finding: Finding | None = None
    _witness_open: bool = False
    _document_open: bool = False
    _log_open: bool = False

    @property
    def is_open(self) -> bool:
        """Whether a file goes further than the log as read."""
        return self.finding is None and (self._log_open or self._witness_open or self._document_open)

    def begin(self, hosted: HostedLog, state: LogState) -> None:
        """Judge against the log as it was read before the files were asked for."""
        served = self.served
        if served.log is None:
            self._breach("did_log_missing", index=hosted.entries[0][0])
            return
        self._compare_lines(hosted, served.log)
        self._witness_open = hosted.count_witnesses(served.witness) != len(hosted.witnesses)
        if self._witness_open and served.witness is None:
            self._breach("did_witness_rewritten", "nothing is served")
        self._document_open = served.document != self._expected_document(state)

    def read_on(self, hosted: HostedLog, state: LogState) -> None:
        """Judge again after a further entry of this DID."""
        if self._log_open and self.served.log is not None:
            self._compare_lines(hosted, self.served.log, may_be_shorter=True)
        if self._witness_open:
            self._witness_open = not hosted.count_witnesses(self.served.witness)
        if self._document_open:
            self._document_open = self.served.document != self._expected_document(state)

    def end(self) -> Finding | None:
        """Return the breach, now that the log has been read as far as it goes."""
        if self.finding is None:
            if self._log_open:
                self._breach("did_log_rewritten", "it has entries that are not in the log")
            elif self._witness_open:
                self._breach("did_witness_rewritten")
            elif self._document_open:
                self._breach("did_document_rewritten", "" if self.served.document else "nothing is served")
        return self.finding

    def _compare_lines(self, hosted: HostedLog, data: bytes, *, may_be_shorter: bool = False) -> None:
        """Compare line by line; a file that holds a longer log than was read is left open."""
        *lines, rest = data.split(b"\n")
        for number, (line, (index, digest)) in enumerate(zip(lines, hosted.entries, strict=False), 1):
            if hashlib.sha256(line + b"\n").digest() != digest:
                self._breach("did_log_rewritten", f"line {number}", index=index)
                return
        if rest:
            self._breach("did_log_rewritten", "its last line does not end")
        elif len(lines) < len(hosted.entries) and not may_be_shorter:
            index, count = hosted.entries[len(lines)][0], len(hosted.entries)
            self._breach("did_log_shorter", index=index, expected=count, found=len(lines))
        self._log_open = len(lines) > len(hosted.entries)

    def _expected_document(self, state: LogState) -> bytes | None:
        genesis, webvh = state.head.genesis, state.tables.webvh.get(self.served.did)
        return None if genesis is None or webvh is None else document_file(webvh, self.served.path, genesis)

    def _breach(self, code: str, detail: str = "", **more: Any) -> None:
        if self.finding is None:
            told = f"{self.served.path or '.well-known'}{': ' if detail else ''}{detail}"
            kind = OPERATION if "index" in more else None
            self.finding = make_finding(code, told, did=self.served.did, kind=kind, **more)
