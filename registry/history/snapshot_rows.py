"""How the rows of each table of the state are written as columns, and read. Trusts what it reads to be of this version.

Spec: specs/history.md "Drafts and snapshots"
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from did_methods.webvh_state import WebvhState
from registry.history.observation import Observation, ObservedKey
from registry.history.records import Agent, Attestation, ChainHead, Dispute, LiveStatement
from registry.reputation.columns import ColumnReader, ColumnWriter, tuples
from registry.reputation.continuity import NEW_CONTROL, ClassifiedChange, Control

NONE: Final = -1
"""Stands for no index."""
_TEXTS: Final = ("owner", "code", "model", "applied")
_LISTS: Final = ("confirmed_keys", "reserve", "base_keys", "signs")
_TIMES: Final = ("window_ms", "silence_ended_ms", "code_changed_ms", "transferred_ms")


class TableForm(NamedTuple):
    """How one table lies in a snapshot.

    Attributes:
        key: kind of column of its keys.
        write: writes its rows.
        read: gives them back, in order.
    """

    key: str
    write: Callable[[ColumnWriter, list[Any]], None]
    read: Callable[[ColumnReader], Iterable[Any]]


def _or_none(value: int | None) -> int:
    return NONE if value is None else value


def _optional(values: Iterable[int]) -> Iterable[int | None]:
    return (None if value == NONE else value for value in values)


def _plain(key: str, kind: str) -> TableForm:
    """Rows that are one value."""
    return TableForm(
        key,
        lambda writer, rows: writer.rows(kind, list(zip(rows, strict=True))),
        lambda reader: reader.columns(kind)[0],
    )


# ---------------------------------------------------------------- agents

_AGENT: Final = attrgetter(
    "state", "registered_index", "registered_ms", "authority_epoch", "changed_index", "passport_event"
)


def _write_agents(writer: ColumnWriter, rows: list[Agent]) -> None:
    writer.texts([one.did for one in rows])
    writer.rows("tnnnni", list(map(_AGENT, rows)))
    writer.ints([_or_none(one.passport_index) for one in rows])
    controls = {place: one.control for place, one in enumerate(rows) if one.control is not NEW_CONTROL}
    writer.ints(list(controls))
    _write_controls(writer, list(controls.values()))


def _read_agents(reader: ColumnReader) -> Iterable[Agent]:
    dids = reader.texts()
    *columns, passports = reader.columns("tnnnni")
    passport_indexes = _optional(reader.ints())
    controls = [NEW_CONTROL] * len(dids)
    for place, control in zip(reader.ints(), _read_controls(reader), strict=True):
        controls[place] = control
    return map(Agent, dids, *columns, passport_indexes, passports, controls)


def _write_controls(writer: ColumnWriter, rows: list[Control]) -> None:
    writer.rows("tttt", list(map(attrgetter(*_TEXTS), rows)))
    writer.rows("nnnn", list(map(attrgetter(*_TIMES), rows)))
    for name in _LISTS:
        writer.lists(list(map(attrgetter(name), rows)), writer.texts)
    carried = [() if one.carried is None else (one.carried,) for one in rows]
    for changes in (carried, [one.changes for one in rows]):
        writer.lists(changes, lambda items: _write_changes(writer, items))


def _read_controls(reader: ColumnReader) -> Iterable[Control]:
    names = (*_TEXTS, *_TIMES, *_LISTS)
    columns = [*reader.columns("tttt"), *reader.columns("nnnn"), *(reader.lists(reader.texts) for _ in _LISTS)]
    carried, changes = (reader.lists(lambda: _read_changes(reader)) for _ in range(2))
    for *values, cost, known in zip(*columns, carried, changes, strict=True):
        named: dict[str, Any] = dict(zip(names, values, strict=True))
        yield Control(**named, carried=cost[0] if cost else None, changes=known)


def _write_changes(writer: ColumnWriter, rows: list[ClassifiedChange]) -> None:
    writer.rows("nnttn", list(map(attrgetter("index", "time_ms", "source", "continuity", "carried"), rows)))
    writer.lists([one.reasons for one in rows], writer.texts)


def _read_changes(reader: ColumnReader) -> Iterable[ClassifiedChange]:
    *columns, carried = reader.columns("nnttn")
    return map(ClassifiedChange, *columns, reader.lists(reader.texts), map(bool, carried))


def _write_chains(writer: ColumnWriter, rows: list[ChainHead]) -> None:
    writer.rows("nni", list(map(attrgetter("count", "index", "leaf_hash"), rows)))


def _read_chains(reader: ColumnReader) -> Iterable[ChainHead]:
    return map(ChainHead, *reader.columns("nni"))


# ---------------------------------------------------------------- evidence


def _write_live(writer: ColumnWriter, rows: list[LiveStatement]) -> None:
    writer.rows("tttt", rows)


def _read_live(reader: ColumnReader) -> Iterable[LiveStatement]:
    return tuples(LiveStatement, *reader.columns("tttt"))


_DISPUTE: Final = attrgetter("event_id", "index", "time_ms", "issuer", "reporter", "state", "ruling_event")
_ATTESTATION: Final = tuple(Attestation.__dataclass_fields__)


def _write_disputes(writer: ColumnWriter, rows: list[Dispute]) -> None:
    writer.rows("innttti", list(map(_DISPUTE, rows)))
    writer.ints([_or_none(one.ruling_index) for one in rows])


def _read_disputes(reader: ColumnReader) -> Iterable[Dispute]:
    *columns, rulings = reader.columns("innttti")
    return map(Dispute, *columns, _optional(reader.ints()), rulings)


def _write_attestations(writer: ColumnWriter, rows: list[Attestation]) -> None:
    writer.rows("nn" + "t" * (len(_ATTESTATION) - 2), list(map(attrgetter(*_ATTESTATION), rows)))


def _read_attestations(reader: ColumnReader) -> Iterable[Attestation]:
    return map(Attestation, *reader.columns("nn" + "t" * (len(_ATTESTATION) - 2)))


# ---------------------------------------------------------------- identities


def _write_webvh(writer: ColumnWriter, rows: list[WebvhState]) -> None:
    writer.document({"webvh": [one.to_wire() for one in rows]})


def _read_webvh(reader: ColumnReader) -> Iterable[WebvhState]:
    return map(WebvhState.from_wire, reader.document()["webvh"])


_OBSERVATION: Final = attrgetter("index", "time_ms", "observed_ms", "source", "document_digest", "version_id")


def _write_observations(writer: ColumnWriter, rows: list[Observation]) -> None:
    writer.rows("nnnttt", list(map(_OBSERVATION, rows)))
    writer.lists([one.keys for one in rows], lambda keys: _write_keys(writer, keys))


def _read_observations(reader: ColumnReader) -> Iterable[Observation]:
    return map(Observation, *reader.columns("nnnttt"), reader.lists(lambda: _read_keys(reader)))


def _write_keys(writer: ColumnWriter, keys: Sequence[ObservedKey]) -> None:
    writer.rows("tt", list(map(attrgetter("id", "multikey"), keys)))
    writer.lists([key.purposes for key in keys], writer.texts)


def _read_keys(reader: ColumnReader) -> Iterable[ObservedKey]:
    return map(ObservedKey, *reader.columns("tt"), reader.lists(reader.texts))


FORMS: Final[dict[str, TableForm]] = {
    "agents": TableForm("t", _write_agents, _read_agents),
    "chains": TableForm("t", _write_chains, _read_chains),
    "webvh": TableForm("t", _write_webvh, _read_webvh),
    "observations": TableForm("t", _write_observations, _read_observations),
    "aliases": _plain("t", "t"),
    "paths": _plain("t", "t"),
    "events": _plain("i", "n"),
    "live": TableForm("i", _write_live, _read_live),
    "disputes": TableForm("i", _write_disputes, _read_disputes),
    "attestations": TableForm("i", _write_attestations, _read_attestations),
    "erased_agents": _plain("t", "n"),
    "erased_events": _plain("i", "n"),
}
"""In the order in which tables are written."""
