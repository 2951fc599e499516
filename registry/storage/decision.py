"""Decision records: written in groups, read by id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select

from registry.storage.engine import Database, is_storable
from registry.storage.tables import DECISION


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """One recorded decision.

    Attributes:
        evaluation_id: its id.
        time_ms: when it was made.
        agent_did: whom it was about; empty when nobody was named.
        decision: allowed or not.
        reason: reason code.
        record: the whole record, byte-exact for replay.
    """

    evaluation_id: str
    time_ms: int
    agent_did: str
    decision: bool
    reason: str
    record: bytes


class DecisionStore:
    """The decision records in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, records: Sequence[DecisionRecord]) -> None:
        """Write records durably, in one transaction."""
        rows = [
            {
                "evaluation_id": one.evaluation_id,
                "time_ms": one.time_ms,
                "agent_did": one.agent_did,
                "decision": one.decision,
                "reason": one.reason,
                "record": one.record,
            }
            for one in records
        ]
        with self._database.write() as connection:
            connection.execute(insert(DECISION), rows)

    def find(self, evaluation_id: str) -> DecisionRecord | None:
        """Return a record, or None."""
        if not is_storable(evaluation_id):
            return None
        columns = (
            DECISION.c.evaluation_id,
            DECISION.c.time_ms,
            DECISION.c.agent_did,
            DECISION.c.decision,
            DECISION.c.reason,
            DECISION.c.record,
        )
        with self._database.read() as connection:
            row = connection.execute(select(*columns).where(DECISION.c.evaluation_id == evaluation_id)).first()
        return None if row is None else DecisionRecord(*row)
