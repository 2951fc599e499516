"""Folding leaves that are in the log already: by the registry at start, and by the audit.

The registry trusts the signatures that it verified when it took the entries; the audit verifies them again. Both go
through `sequence`, and both compare the leaf that comes out with the one that was read, byte for byte.
"""

from __future__ import annotations

from registry.history.errors import LeafMismatchError
from registry.history.sequence import SequencedLeaf, sequence
from registry.history.state import Draft
from registry.history.statement import Statement, VerifiedStatement, claimed_time_ms, parse_statement, verify_statement
from registry.log.entry import Leaf, parse_leaf


def replay_leaf(draft: Draft, data: bytes) -> SequencedLeaf:
    """Fold a leaf whose signatures were verified before.

    Raises:
        BonafidesError: the leaf does not parse, breaks a rule, or is not what the state demands.
    """
    leaf = parse_leaf(data)
    statement = parse_statement(leaf.event)
    return _fold(draft, leaf, data, VerifiedStatement(statement, (), claimed_time_ms(statement)))


def verify_leaf(draft: Draft, data: bytes) -> SequencedLeaf:
    """Fold a leaf after verifying its signatures under the keys that were active just before it.

    Raises:
        BonafidesError: the leaf does not parse, does not verify, breaks a rule, or is not what the state demands.

    Spec: FORMATS "Leaf", "Evidence hygiene".
    """
    leaf = parse_leaf(data)
    return _fold(draft, leaf, data, verify_at(draft, parse_statement(leaf.event), time_ms=leaf.time_ms))


def verify_at(draft: Draft, statement: Statement, *, time_ms: int) -> VerifiedStatement:
    """Verify a statement as of its place in the log."""
    genesis = draft.head.genesis
    return verify_statement(statement, keys=draft, now_ms=time_ms, origin=genesis.origin if genesis else "")


def _fold(draft: Draft, leaf: Leaf, data: bytes, verified: VerifiedStatement) -> SequencedLeaf:
    if leaf.kind != verified.statement.kind:
        raise LeafMismatchError("the leaf's kind is not its event's")
    sequenced = sequence(draft, verified, time_ms=leaf.time_ms)
    if sequenced.data != data:
        raise LeafMismatchError("parties or chain links are not what the log before it gives")
    return sequenced
