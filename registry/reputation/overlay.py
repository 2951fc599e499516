"""Rows on top of rows: how a draft sees changes that the tables below it do not have yet. Knows nothing of scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from registry.reputation.evidence import Agent, Key, Meta, Pair, Slot, Spoken, Standing, Voice
from registry.reputation.tables import Readable

K = TypeVar("K")
V = TypeVar("V")

_MISSING: Any = object()


Changed: TypeAlias = Mapping[str, Mapping[Any, Any]]
"""By table and key, rows that changed; None for one that is gone."""

Before: TypeAlias = dict[str, dict[Any, Any]]
"""By table and key, the rows as they were after the last epoch, of those that changed since; None for no row."""


class Op(NamedTuple):
    """One folded operation: how to do it again."""

    leaf: int
    name: str
    arguments: tuple[Any, ...]


class Overlay(Generic[K, V]):
    """Rows on top of a table; None stands for a deleted row."""

    __slots__ = ("base", "name", "own")

    def __init__(self, name: str, base: Readable[K, V]) -> None:
        self.name = name
        self.base = base
        self.own: dict[K, V | None] = {}

    def get(self, key: K, /) -> V | None:
        """Return the visible row, None if there is none."""
        row: V | None = self.own.get(key, _MISSING)
        return self.base.get(key) if row is _MISSING else row

    def merged(self) -> dict[K, V]:
        """Return all visible rows, for reading only; costs a pass over the table."""
        base: Any = self.base
        below: dict[K, V] = base.merged() if isinstance(base, Overlay) else base
        if not self.own:
            return below
        return {key: row for key, row in {**below, **self.own}.items() if row is not None}


class Foundation(Protocol):
    """What a draft stands on: the state, or another draft."""

    @property
    def agents(self) -> Readable[str, Agent]: ...  # noqa: D102
    @property
    def voices(self) -> Readable[str, Voice]: ...  # noqa: D102
    @property
    def vouches(self) -> Readable[Key, Pair]: ...  # noqa: D102
    @property
    def reports(self) -> Readable[Key, Pair]: ...  # noqa: D102
    @property
    def standings(self) -> Readable[Key, Standing]: ...  # noqa: D102
    @property
    def spoken(self) -> Readable[Slot, Spoken]: ...  # noqa: D102
    @property
    def metas(self) -> Readable[str, Meta]: ...  # noqa: D102

    def journal(self) -> list[Op]:
        """Return the operations since the last epoch."""

    def before(self) -> Before:
        """Return what has changed since the last epoch, as it was then."""

    def merge(self, tables: Mapping[str, Mapping[Any, Any]], ops: list[Op], before: Before, *, restarted: bool) -> None:
        """Take over the rows and operations of a committed draft; ``restarted`` if an epoch was among them."""


def remember(known: Before, later: Before) -> None:
    """Add what changed later; of a row that had changed already, the older one stays."""
    for name, rows in later.items():
        for key, row in rows.items():
            known[name].setdefault(key, row)
