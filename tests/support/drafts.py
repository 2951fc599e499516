"""What a draft holds, as a value that can be compared."""

from __future__ import annotations

from typing import Any

from registry.history.state import Draft


def fingerprint(draft: Draft) -> tuple[Any, ...]:
    """Return everything that a draft would commit; a computed epoch that waits for its leaf is a cache and left out."""
    scores = draft.reputation
    return (
        draft.head,
        tuple(dict(overlay.changes) for overlay in draft._overlays),
        dict(draft.silenced_changes),
        tuple(draft.journal),
        tuple(draft.times),
        draft._journal_floor,
        {name: dict(overlay.own) for name, overlay in scores._overlays.items()},
        list(scores._ops),
        {name: dict(rows) for name, rows in scores._before.items()},
        scores._restarted,
    )
