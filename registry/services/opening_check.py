"""Openings and erasures against the log: what fsck says of them.

An opening belongs to a logged event that commits to it, and opens to what was committed to, or a key that it needs is gone. Of what
was erased there is neither key nor row. Which keys exist only their folder says; without it nothing is opened.

Spec: specs/transparency-log.md "Checking and recovering"; specs/erasure.md
"""

from __future__ import annotations

import hashlib
from itertools import groupby
from typing import Any

from did_methods.codec import base64url_encode
from did_methods.errors import BonafidesError
from registry.adapters.erasure_keys import ErasureKeys
from registry.history.state import Tables
from registry.log.entry import Leaf, parse_leaf
from registry.services.check_report import CheckReport
from registry.services.openings import unseal_opening
from registry.storage.log_rows import OpeningRows


class OpeningCheck:
    """One check of the openings, after the entries were.

    Args:
        rows: their tables.
        report: told what differs.
        tables: of the folded log; None where it was not folded: then erasures are not looked at.
        keys: None where they are not at hand: then nothing is opened.
    """

    def __init__(
        self, rows: OpeningRows, report: CheckReport, *, tables: Tables | None, keys: ErasureKeys | None
    ) -> None:
        self._rows, self._report, self._tables, self._keys = rows, report, tables, keys
        self._done = rows.carried_out()
        self._parties: dict[bytes, list[str]] = {}

    def run(self) -> None:
        """Look at everything."""
        for event_id, did in self._rows.parties():
            self._parties.setdefault(event_id, []).append(did)
        for event_id, group in groupby(self._rows.openings(), key=lambda row: row[0]):
            self._check_event(event_id, list(group))
        for event_id, digest, text, data in self._rows.plain():
            if not _commits(_leaf(data), digest) or digest != _digest(text.encode()):
                self._report.differs("plain_opening", _place(event_id), "no logged event commits to it")
        for event_id in self._parties:
            self._report.differs("opening_party", _place(event_id), "there is no opening of that event")
        if self._tables is not None:
            self._check_erasures(self._tables)

    def _check_event(self, event_id: bytes, rows: list[tuple[Any, ...]]) -> None:
        parties = tuple(sorted(self._parties.pop(event_id, ())))
        self._report.openings += len(rows)
        leaf = _leaf(rows[0][-1])
        if leaf is None:
            self._report.differs("opening", _place(event_id), "its event is not in the log")
            return
        if not parties or not {one.did for one in leaf.parties}.issuperset(parties):
            self._report.differs("opening_party", _place(event_id), "not those whose event it is")
        if self._is_erased(event_id, parties):
            self._report.differs("opening", _place(event_id), "it was erased")
        keys = None if self._keys is None else self._keys.find(parties, event_id)
        for _, digest, sealed, _ in rows:
            if not _commits(leaf, digest):
                self._report.differs("opening", _place(event_id), "the event does not commit to it")
            elif keys is not None:
                self._open(keys, event_id, digest, sealed)

    def _open(self, keys: tuple[bytes, ...], event_id: bytes, digest: str, sealed: bytes) -> None:
        try:
            text = unseal_opening(keys, event_id, digest, sealed)
        except BonafidesError as error:
            self._report.differs("opening", _place(event_id), f"its keys do not open it: {error.code}")
            return
        if _digest(text) != digest:
            self._report.differs("opening", _place(event_id), "it is not what was committed to")
        self._report.opened += 1

    def _is_erased(self, event_id: bytes, parties: tuple[str, ...]) -> bool:
        """Say whether an erasure that was carried out ordered these openings away."""
        if self._tables is None:
            return False
        orders = [self._tables.erased_events.get(event_id), *map(self._tables.erased_agents.get, parties)]
        return any(index in self._done for index in orders if index is not None)

    def _check_erasures(self, tables: Tables) -> None:
        ordered = {*tables.erased_agents.values(), *tables.erased_events.values()}
        self._report.erasures_due = len(ordered - self._done)
        for index in sorted(self._done - ordered):
            self._report.differs("erasure", f"entry {index}", "the log orders no erasure there")
        if self._keys is None:
            return
        agents = tables.erased_agents
        names = {name: agents[did] for name, did in tables.aliases.items() if did in agents}
        left = [index for did, index in {**names, **agents}.items() if self._keys.has_agent(did)]
        left += [index for event_id, index in tables.erased_events.items() if self._keys.has_event(event_id)]
        for index in sorted(self._done.intersection(left)):
            self._report.differs("erasure", f"entry {index}", "the key that it erases is still there")


def _leaf(data: bytes | None) -> Leaf | None:
    try:
        return None if data is None else parse_leaf(data)
    except BonafidesError:
        return None  # what is no leaf was told of


def _commits(leaf: Leaf | None, digest: str) -> bool:
    said = None if leaf is None else leaf.event.get("credentialSubject")
    return isinstance(said, dict) and digest in said.get("commitments", ())


def _digest(disclosure: bytes) -> str:
    return base64url_encode(hashlib.sha256(disclosure).digest())


def _place(event_id: bytes) -> str:
    return f"event {base64url_encode(event_id)}"
