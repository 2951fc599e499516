"""The result of an audit as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from did_methods.codec import base64url_encode
from registry.audit.finding import Finding, first_entry_at_fault
from registry.audit.witness_times import WitnessedRange
from registry.history.state import LogState
from registry.log.checkpoint import VerifiedCheckpoint
from registry.log.state_map import StateEntry

Trust = Literal["given", "remembered", "first_use"]


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What an audit looked at and what it found.

    Attributes:
        mode: what was looked at of each entry: ``content``, or its ``structure`` alone.
        origin: the log's name.
        log_key: the key that its checkpoints were verified with.
        trust: where that key came from; ``first_use`` is the registry's own word.
        checkpoint: the newest one verified; None if there was none.
        entries: entries hashed.
        folded: entries whose signatures, chains and rules hold; of the structure: whose form and links do.
        standings: answers of the registry that were recomputed.
        did_logs: hosted DIDs whose served files were compared.
        acceptances: acceptances held against the log.
        witnesses: whose cosignatures were found, by name.
        witnessed: between which witness times each entry lies.
        findings: sorted.
        state: the fold; means something only where there are no breaches.
        state_maps: entries of the state log whose maps were recomputed.
        replayed: the tree and the state map that the whole content came to; None where not all of it was folded.
    """

    mode: Literal["content", "structure"]
    origin: str
    log_key: str
    trust: Trust
    checkpoint: VerifiedCheckpoint | None
    entries: int
    folded: int
    standings: int
    did_logs: int
    acceptances: int
    witnesses: tuple[str, ...]
    witnessed: tuple[WitnessedRange, ...]
    findings: tuple[Finding, ...]
    state: LogState
    state_maps: int = 0
    replayed: StateEntry | None = None

    @property
    def is_clean(self) -> bool:
        """Whether nothing contradicts the log; remarks do not."""
        return all(one.severity != "breach" for one in self.findings)

    @property
    def unwitnessed(self) -> int:
        """How many entries no witness time follows."""
        return sum(one.end - one.start for one in self.witnessed if one.before_ms is None)

    @property
    def first_at_fault(self) -> Finding | None:
        """The breach with the lowest log index."""
        return first_entry_at_fault(self.findings)

    def to_wire(self) -> dict[str, Any]:
        """Return the report as JSON."""
        head = None if self.checkpoint is None else self.checkpoint.checkpoint
        first = self.first_at_fault
        return {
            "clean": self.is_clean,
            "mode": self.mode,
            "origin": self.origin,
            "logKey": self.log_key,
            "trust": self.trust,
            "treeSize": None if head is None else head.size,
            "rootHash": None if head is None else base64url_encode(head.root_hash),
            "lastTime": self.state.head.last_time_ms,
            "entries": self.entries,
            "folded": self.folded,
            "agents": len(self.state.tables.agents),
            "standings": self.standings,
            "didLogs": self.did_logs,
            "stateMaps": self.state_maps,
            "acceptances": self.acceptances,
            "witnesses": list(self.witnesses),
            "witnessed": [one.to_wire() for one in self.witnessed],
            "unwitnessed": self.unwitnessed,
            "firstAtFault": None if first is None else first.to_wire(),
            "findings": [one.to_wire() for one in self.findings],
        }
