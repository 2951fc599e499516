"""What the registry shows of an agent's own entries, held against the chain that runs through the leaves.

Each leaf names the entry before it in each of its chains, by index and leaf hash. So the newest entry of the fold decides over all
that is listed before it: nothing can be left out, put in, changed or shown in another order.

Spec: FORMATS "Leaf"; specs/audit.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from did_methods.errors import BonafidesError
from registry.audit.finding import Finding, make_finding
from registry.audit.log_audit import fact_of
from registry.history.records import ChainHead
from registry.history.state import LogState
from registry.log.entry import parse_leaf

Ask: TypeAlias = Callable[[int | None], Mapping[str, Any] | None]
"""Gives the answer of ``/v1/agents/{did}/events`` below a count, or from the newest entry on; None where no agent is known."""


def compare_chain(state: LogState, did: str, ask: Ask, *, pages: int = 1) -> Finding | None:
    """Compare what the registry shows of an agent's entries with the log, newest first; None where they agree.

    Args:
        state: the fold; entries behind it are not judged.
        did: the agent, by the DID under which it first came.
        ask: asked for one page after the other.
        pages: how many at most.
    """
    expected: ChainHead | None = state.tables.chains[did]
    before: int | None = None
    for _ in range(pages):
        page = ask(before)
        rows = None if page is None else page.get("events")
        if page is None or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return make_finding("chain_differs", "nothing is shown", did=did)
        newer = [row for row in rows if isinstance(row.get("index"), int) and row["index"] >= state.head.size]
        if before is None and newer and len(newer) == len(rows):
            return None  # it was so busy meanwhile that nothing of what the log had then is on the page
        for row in rows[len(newer) :]:
            if expected is None:
                return make_finding("chain_differs", "more is shown", did=did, found=row.get("index"))
            found, previous = _compare_row(did, expected, row)
            if found is not None:
                return found
            expected = previous
        if expected is None:
            return None
        if page.get("next") is None or len(newer) == len(rows):
            return make_finding(
                "chain_differs", "it ends early", index=expected.index, did=did, expected=expected.index
            )
        before = expected.count + 1
    return None


def _compare_row(did: str, expected: ChainHead, row: Mapping[str, Any]) -> tuple[Finding | None, ChainHead | None]:
    """Compare one entry; return what is wrong, and the entry that must come before it."""
    try:
        data = canonicalize(row.get("leaf"))
        leaf, fact = parse_leaf(data), fact_of(data)
    except BonafidesError as error:
        return make_finding("chain_differs", error.title, index=expected.index, did=did), None
    shown = (row.get("count"), row.get("index"), row.get("kind"), row.get("time"), row.get("event"), fact.leaf_hash)
    wanted = (
        expected.count,
        expected.index,
        leaf.kind,
        fact.time_ms,
        base64url_encode(fact.event_id),
        expected.leaf_hash,
    )
    if shown != wanted:
        names = ("count", "index", "kind", "time", "event", "leaf")
        name = next(name for name, one, other in zip(names, shown, wanted, strict=True) if one != other)
        return make_finding("chain_differs", name, index=expected.index, kind=leaf.kind, did=did), None
    (party,) = [one for one in leaf.parties if one.did == did]  # the leaf is the one that the chain names
    if party.prev_index is None or party.prev_leaf_hash is None:
        return None, None
    return None, ChainHead(party.count - 1, party.prev_index, party.prev_leaf_hash)
