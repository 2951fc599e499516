"""Statements that stand: a newer one takes the place of the older of its key, and what hangs on one ends with it.

Spec: FORMATS "Edges and contexts"; specs/history.md.
"""

from __future__ import annotations

from registry.history.state import Draft, LiveStatement


def replace_live(draft: Draft, event_id: bytes, statement: LiveStatement) -> bool:
    """Record a statement as the live one of its kind, issuer, subject and context; say whether it replaced another."""
    old = draft.newest.get(statement)
    if old is not None:
        _drop(draft, old, statement.kind)
    draft.newest[statement] = event_id
    draft.live[event_id] = statement
    return old is not None


def end_live(draft: Draft, event_id: bytes, statement: LiveStatement) -> None:
    """Take a live statement away."""
    _drop(draft, event_id, statement.kind)
    del draft.newest[statement]


def disputed_report(draft: Draft, dispute: LiveStatement) -> bytes:
    """Return the event id of the report that a live dispute is about: the one that is live, for it ends with it."""
    report = draft.newest.get(LiveStatement("report", dispute.subject, dispute.issuer, dispute.context))
    assert report is not None, "a dispute does not outlive its report"
    return report


def _drop(draft: Draft, event_id: bytes, kind: str) -> None:
    """Forget an event as a live one, and what was said about it."""
    if kind == "report" and (dispute := draft.disputes.get(event_id)) is not None:
        live = draft.live.get(dispute.event_id)
        if live is not None:
            end_live(draft, dispute.event_id, live)
        if event_id in draft.disputes:
            del draft.disputes[event_id]
    elif kind == "dispute" and (live := draft.live.get(event_id)) is not None:
        del draft.disputes[disputed_report(draft, live)]
    elif kind == "attestation":
        del draft.attestations[event_id]
    del draft.live[event_id]
