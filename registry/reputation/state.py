"""The state of the score: tables that a registry and an auditor fold the same way, and the bytes they are kept in.

Changes come through ``draft()`` only. ``dump`` and ``load`` are an exact round trip, journal included, so that a
restarted registry can still commit an epoch over fewer leaves than it had folded. The bytes are a snapshot of this
release's tables: a cache of the log, refused when of another version, never exchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.reputation.draft import Draft
from registry.reputation.evidence import Agent, Key, Meta, Pair, Slot, Spoken, Standing, Voice
from registry.reputation.overlay import Op
from registry.reputation.snapshot import TABLES, dump_tables, load_tables
from registry.reputation.tables import Tables


class ReputationState(Tables):
    """All agents, voices, live edges and standings after some leaf of the log; empty when made."""

    __slots__ = ("_ops", "agents", "metas", "reports", "spoken", "standings", "voices", "vouches")

    agents: dict[str, Agent]
    voices: dict[str, Voice]
    vouches: dict[Key, Pair]
    reports: dict[Key, Pair]
    standings: dict[Key, Standing]
    spoken: dict[Slot, Spoken]
    metas: dict[str, Meta]

    def __init__(self) -> None:
        self.agents = {}
        self.voices = {}
        self.vouches = {}
        self.reports = {}
        self.standings = {}
        self.spoken = {}
        self.metas = {}
        self._ops: list[Op] = []

    def draft(self) -> Draft:
        """Open a draft over this state."""
        return Draft(self)

    def journal(self) -> list[Op]:
        """Return the operations since the last epoch, in order."""
        return self._ops

    def merge(self, tables: Mapping[str, Mapping[Any, Any]], ops: list[Op], *, restarted: bool) -> None:
        """Take over a committed draft; called by ``Draft.commit``."""
        for name, rows in tables.items():
            table: dict[Any, Any] = getattr(self, name)
            for key, row in rows.items():
                if row is None:
                    table.pop(key, None)
                else:
                    table[key] = row
        if restarted:
            self._ops = ops
        else:
            self._ops.extend(ops)

    def dump(self) -> bytes:
        """Return a snapshot; two states are equal exactly if their snapshots load to equal tables."""
        return dump_tables({name: getattr(self, name) for name in TABLES}, self._ops)

    @classmethod
    def load(cls, data: bytes) -> ReputationState:
        """Restore a snapshot.

        Args:
            data: of ``dump``; trusted, for it comes from this process's own disk.

        Raises:
            SnapshotVersionError: ``reputation_snapshot_version``; fold the log instead.
        """
        state = cls()
        tables, state._ops = load_tables(data)
        for name, rows in tables.items():
            setattr(state, name, rows)
        return state

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReputationState):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in TABLES) and self._ops == other._ops

    __hash__ = None  # type: ignore[assignment]
