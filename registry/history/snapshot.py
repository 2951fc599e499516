"""The folded state as bytes and back: a cache beside the log, so that a start need not fold all of it.

Nothing trusts a snapshot that does not belong to the stored log: whoever loads one compares size and root first. It may
come in portions, each with what changed since the one before, so that keeping one costs what has happened and not what
there is. Format ``bonafides/state/6`` (`registry/reputation/columns.py`).

Spec: specs/history.md "Drafts and snapshots"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

from did_methods.codec import base64url_decode, base64url_encode
from did_methods.errors import BonafidesError
from registry.history.observation import observed_document
from registry.history.snapshot_rows import FORMS
from registry.history.state import (
    KEPT,
    Changes,
    Epoch,
    Genesis,
    Head,
    LogState,
    RootList,
    StateChange,
    Tables,
    WitnessAhead,
    scid_of,
)
from registry.reputation.columns import ColumnReader, ColumnWriter, SnapshotFormatError
from registry.reputation.state import BEGINNING
from registry.reputation.state import Mark as ScoreMark
from registry.reputation.state import Portion as ScorePortion

__all__ = [
    "START",
    "Mark",
    "Portion",
    "SnapshotFormatError",
    "dump_changes",
    "dump_state",
    "load_state",
    "mark_of",
    "take_changes",
]


class Mark(NamedTuple):
    """Where a state stood when something was kept of it."""

    size: int
    scores: ScoreMark


START: Final = Mark(0, BEGINNING)


def mark_of(state: LogState) -> Mark:
    """Return where the state stands now, for `dump_changes` later."""
    return Mark(state.head.size, state.reputation.mark)


def dump_state(state: LogState) -> bytes:
    """Return the whole state as bytes; equal states give equal bytes, and `load_state` gives an equal one."""
    whole = Changes({name: getattr(state.tables, name) for name in KEPT}, state.reputation.tables)
    return dump_changes(state, whole, START)


def dump_changes(state: LogState, changes: Changes, since: Mark) -> bytes:
    """Return what changed since a mark as bytes, at once; see `take_changes`."""
    return take_changes(state, changes, since).to_bytes()


def take_changes(state: LogState, changes: Changes, since: Mark) -> Portion:
    """Return what changed since a mark, to be written later: it stays as it is, whatever is folded meanwhile.

    Args:
        state: as it is now.
        changes: every row that changed since the mark; nobody changes them afterwards.
        since: the mark.
    """
    return Portion(
        _small_facts(state, since),
        [(one.was_silenced, one.index, one.did) for one in state.journal],
        state.times[max(0, since.size - state.times_from) :],
        changes,
        state.reputation.take(changes.scores, since.scores),
    )


@dataclass(frozen=True, slots=True)
class Portion:
    """What changed in a state since a mark.

    Attributes:
        facts: what is no table.
        journal: rows of it.
        times: of the leaves, milliseconds.
        changes: the rows.
        scores: those of the score.
    """

    facts: dict[str, Any]
    journal: list[tuple[bool, int, str]]
    times: list[int]
    changes: Changes
    scores: ScorePortion

    def to_bytes(self, rest: Callable[[], None] = lambda: None) -> bytes:
        """Return it as bytes.

        Args:
            rest: called between two tables.
        """
        writer = ColumnWriter()
        writer.document(self.facts)
        writer.rows("nnt", self.journal)
        writer.ints(self.times)
        for name in FORMS:
            rest()
            _write_table(writer, name, self.changes.tables[name])
        self.scores.write(writer, rest)
        rest()
        return writer.to_bytes()


def load_state(*portions: bytes) -> LogState:
    """Return the state that was dumped.

    Args:
        portions: what `dump_state` gave, and what each `dump_changes` after it gave.

    Raises:
        SnapshotFormatError: ``snapshot_malformed``.
    """
    state = LogState()
    try:
        for portion in portions:
            reader = ColumnReader(portion)
            _read(state, reader)
            reader.finish()
    except (BonafidesError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise SnapshotFormatError from error
    return state


# ---------------------------------------------------------------- one portion


def _read(state: LogState, reader: ColumnReader) -> None:
    facts = reader.document()
    if facts["since"] != state.head.size:
        raise SnapshotFormatError
    silenced, index, did = reader.columns("nnt")
    state.journal = list(map(StateChange, index, did, map(bool, silenced)))
    del state.times[: facts["timesFrom"] - state.times_from]
    state.times += reader.ints()
    state.times_from = facts["timesFrom"]
    state.silenced = set(facts["silenced"])
    state.head = _head_from(facts["head"])
    for name in FORMS:
        _read_table(state.tables, reader, name)
    state.reputation.read(reader)


def _write_table(writer: ColumnWriter, name: str, table: dict[Any, Any]) -> None:
    form = FORMS[name]
    kept = [item for item in table.items() if item[1] is not None]
    if name == "disputes":  # the only rows that may be gone and come back under the same key
        kept.sort(key=lambda item: item[1].index)
    for keys in (list(map(itemgetter(0), kept)), sorted(key for key, row in table.items() if row is None)):
        writer.rows(form.key, list(zip(keys, strict=True)))
    form.write(writer, list(map(itemgetter(1), kept)))


def _read_table(tables: Tables, reader: ColumnReader, name: str) -> None:
    form = FORMS[name]
    keys, gone = (reader.columns(form.key)[0] for _ in range(2))
    rows = list(form.read(reader))
    if len(keys) != len(rows):
        raise SnapshotFormatError
    if name == "live":
        _forget(tables, gone)
        tables.newest.update(zip(rows, keys, strict=True))
    table: dict[Any, Any] = getattr(tables, name)
    for key in gone:
        table.pop(key, None)
    table.update(zip(keys, rows, strict=True))
    if name == "webvh":
        _note_hosted(tables, keys)
    elif name == "observations":
        _note_observed(tables, keys)


def _forget(tables: Tables, gone: Iterable[bytes]) -> None:
    """Let statements that ended be nobody's newest."""
    for event_id in gone:
        ended = tables.live.get(event_id)
        if ended is not None and tables.newest.get(ended) == event_id:
            del tables.newest[ended]


def _note_hosted(tables: Tables, dids: Iterable[str]) -> None:
    for did in dids:
        state = tables.webvh[did]
        tables.logs[state.scid] = did
        if state.deactivated:
            tables.documents.pop(did, None)
        else:
            tables.documents[did] = state.document


def _note_observed(tables: Tables, dids: Iterable[str]) -> None:
    """No log that is hosted here was observed elsewhere before; of two names of one log the first stays."""
    for did in dids:
        tables.documents[did] = observed_document(did, tables.observations[did].keys)
        if scid_of(did):
            tables.logs.setdefault(scid_of(did), did)


# ---------------------------------------------------------------- the small facts


def _small_facts(state: LogState, since: Mark) -> dict[str, Any]:
    head = state.head
    return {
        "since": since.size,
        "silenced": sorted(state.silenced),
        "timesFrom": state.times_from,
        "head": {
            "size": head.size,
            "lastTime": head.last_time_ms,
            "genesis": asdict(head.genesis) if head.genesis else None,
            "roots": [[r.index, r.number, list(r.roots), base64url_encode(r.event_id)] for r in head.root_lists],
            "epoch": None if head.epoch is None else _epoch_wire(head.epoch),
            "changed": head.live_vouches_changed,
            "live": head.live_vouches,
            "witness": head.witness_ahead
            and {"version_id": head.witness_ahead.version_id, "witnesses": list(head.witness_ahead.witnesses)},
        },
    }


def _epoch_wire(epoch: Epoch) -> list[Any]:
    return [
        epoch.number,
        epoch.index,
        epoch.tree_size,
        epoch.time_ms,
        epoch.root_list_index,
        base64url_encode(epoch.commitment),
        epoch.logged_ms,
    ]


def _head_from(wire: dict[str, Any]) -> Head:
    epoch = wire["epoch"]
    return Head(
        size=wire["size"],
        last_time_ms=wire["lastTime"],
        genesis=Genesis(**wire["genesis"]) if wire["genesis"] else None,
        root_lists=tuple(RootList(r[0], r[1], tuple(r[2]), base64url_decode(r[3])) for r in wire["roots"]),
        epoch=None if epoch is None else Epoch(*[*epoch[:5], base64url_decode(epoch[5]), epoch[6]]),
        live_vouches_changed=wire["changed"],
        live_vouches=wire["live"],
        witness_ahead=_witness_from(wire["witness"]),
    )


def _witness_from(wire: dict[str, Any] | None) -> WitnessAhead | None:
    return None if wire is None else WitnessAhead(wire["version_id"], tuple(wire["witnesses"]))
