"""A dictionary laid over another one, so that a batch can be computed and then kept or dropped as a whole.

The sequencer folds a batch of leaves over the state that readers see; only when the database has committed the batch
do the changes become visible. Nothing here knows what the keys and values are.
"""

from __future__ import annotations

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Overlay(Generic[K, V]):
    """Changes over a base dictionary: reads fall through, writes stay here until `commit`.

    Deletion is a tombstone (None), so values are never None themselves.
    """

    __slots__ = ("base", "changes")

    def __init__(self, base: dict[K, V]) -> None:
        self.base = base
        self.changes: dict[K, V | None] = {}

    def get(self, key: K) -> V | None:
        """Return the value as changed here, else as in the base, else None."""
        if key in self.changes:
            return self.changes[key]
        return self.base.get(key)

    def __contains__(self, key: K) -> bool:
        return self.get(key) is not None

    def __setitem__(self, key: K, value: V) -> None:
        self.changes[key] = value

    def __delitem__(self, key: K) -> None:
        self.changes[key] = None

    def commit(self) -> None:
        """Move all changes into the base and forget them here."""
        for key, value in self.changes.items():
            if value is None:
                self.base.pop(key, None)
            else:
                self.base[key] = value
        self.changes.clear()
