"""Keeping the state map: follows every commit, and after each published checkpoint appends one entry to the state log.

Commits only note which subjects changed and what the fold holds of them, by reference; records are written and hashed on the
thread that calls `advance`. A map that is being answered from is never changed: the next one is made beside it.

Spec: specs/state-map.md
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from registry.adapters.pace import Pace
from registry.history.state import Draft, LogState
from registry.history.subject_state import (
    SubjectState,
    all_states,
    changed_states,
    record_of,
    touched_states,
)
from registry.limits import STATE_BUCKETS_KEPT, STATE_COMMITS_HELD
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.state_map import (
    DEPTH,
    StateBucketError,
    StateEntry,
    StateEntryError,
    StateMap,
    bucket_hash,
    state_digest,
    subject_key,
)
from registry.log.state_subject import EVENT_PREFIX, parse_event_subject
from registry.log.tile import append_leaves
from registry.services.signing import SignedHead
from registry.storage.state_log import StateLogStore, StateRecord

_LOG = logging.getLogger(__name__)
_ROWS_AT_ONCE = 128
"""Rows that enter a map without a rest: fewer would hash the nodes near its root too often."""

States = Mapping[str, SubjectState | None]


@dataclass(frozen=True, slots=True)
class MapView:
    """The map of one entry of the state log.

    Attributes:
        index: of the entry.
        entry: what it says.
        map: not to be changed.
    """

    index: int
    entry: StateEntry
    map: StateMap


@dataclass(frozen=True, slots=True)
class _Commit:
    """What the leaves up to a size changed since the commit before."""

    size: int
    states: States


class StateMapKeeper:
    """Owns the state log's end.

    Owner of the state: `advance` is called by one thread at a time. `watch` is called by whoever commits to the main log.

    Args:
        store: the state log's rows.
        state: the folded main log; watched from now on.
        lock: held by whoever commits to it.
        published: the newest published checkpoint of the main log, None before the first.
        rules: version of the rules, as entry 0 names it.
    """

    def __init__(
        self,
        *,
        store: StateLogStore,
        state: LogState,
        lock: threading.Lock,
        published: Callable[[], SignedHead | None],
        rules: int,
    ) -> None:
        self._store, self._state, self._lock = store, state, lock
        self._published, self._rules = published, rules
        self._mutex = threading.Lock()
        self._commits: list[_Commit] = []
        self._views: dict[int, MapView] = {}
        self.damage: StateEntryError | None = None
        """Why nothing is appended: the newest row is no entry."""
        self._newest = self._load_newest()
        self._edge = store.right_edge(store.head()[0])
        self._anew = False
        self._replaced: dict[bytes, bytes] = {}
        self._by_hash: tuple[int, dict[bytes, int]] = (-1, {})
        with lock:
            self._catch_up()
            state.watch = self.watch

    @property
    def tree(self) -> RightEdge:
        """The state log's committed tree; a copy."""
        with self._mutex:
            return self._edge.copy()

    @property
    def covers(self) -> int:
        """The main log size that the newest entry is about; 0 for none."""
        return 0 if self._newest is None else self._newest[1].size

    @property
    def is_current(self) -> bool:
        """Whether there is an entry for the newest published checkpoint, or no checkpoint yet."""
        head = self._published()
        return head is None or head.size <= self.covers

    def watch(self, draft: Draft) -> None:
        """Note what a draft changed; called before it is committed, holding the lock."""
        commit = _Commit(draft.head.size, touched_states(draft))
        with self._mutex:
            self._commits.append(commit)
            if len(self._commits) > STATE_COMMITS_HELD:
                # Publication is held up. What lies between is merged: entries for those sizes are left out.
                self._commits = [_merged(self._commits)]

    def view(self, index: int) -> MapView | None:
        """Return the map of an entry; only the newest ones are at hand.

        Args:
            index: of the entry.
        """
        return self._views.get(index)

    def bucket(self, name: bytes) -> bytes | None:
        """Return a bucket by its hash, of the newest map or one of those replaced last; None for any other.

        Args:
            name: 32 bytes.
        """
        newest = self._views.get(max(self._views, default=-1))
        if newest is None:
            return None
        if self._by_hash[0] != newest.index:
            self._by_hash = newest.index, newest.map.bucket_hashes()
        number = self._by_hash[1].get(name)
        return self._replaced.get(name) if number is None else newest.map.bucket(number)

    def advance(self, *, kept_from: int = 0) -> bool:
        """Append the entry of the newest published checkpoint, unless there is one; say whether it was appended.

        A checkpoint of a size at which nothing was committed here (another process did, in other portions) is left out.

        Args:
            kept_from: index of the oldest entry that is still answered from.

        Raises:
            HeadMovedError: ``log_head_moved``, another process appended first: the next call follows it.
            SQLAlchemyError: the database refused; the entry was not written, or it stands here and outdated states with it.
        """
        self.follow(kept_from=kept_from)
        head = self._published()
        if head is None or self.is_current:
            return False
        states = self._states_at(head.size)
        if states is None:
            return False
        self._append(head, states, kept_from=kept_from)
        return True

    def follow(self, *, kept_from: int = 0) -> None:
        """Bring the map to the newest entry: at the first call, and where another process has appended.

        Args:
            kept_from: index of the oldest entry that is still answered from.
        """
        if not self._store.is_shared and (self._anew or self._newest is None or self._newest[0] in self._views):
            return
        newest = self._store.newest_entry()
        if newest is None or newest[0] in self._views:
            return
        index, entry = newest
        known = max(self._views, default=-1)
        state_map = self._views[known].map.copy() if known >= 0 else StateMap(entry.depth)
        try:
            state_map.update(dict(self._store.rows(after=self._views[known].entry.size if known >= 0 else -1)))
        except StateBucketError:  # what is no hash is no row of ours
            self._begin_anew()
            return
        if state_map.root != entry.map_root:
            self._begin_anew()
            return
        edge = self._store.right_edge(index + 1)
        with self._mutex:
            self._newest, self._edge = newest, edge
            self._commits = [one for one in self._commits if one.size > entry.size]
        self._anew = False
        kept = {place: one for place, one in self._views.items() if place >= kept_from}
        self._views = {**kept, index: MapView(index, entry, state_map)}

    # ------------------------------------------------------------

    def _load_newest(self) -> tuple[int, StateEntry] | None:
        try:
            return self._store.newest_entry()
        except StateEntryError as error:  # the main log goes on; this one has to be looked at
            self.damage = error
            return None

    def _catch_up(self) -> None:
        """Note what was committed to the main log since the newest entry, by an earlier process."""
        size = self._state.head.size
        if size <= self.covers:
            return
        if self._newest is None:
            states = all_states(self._state.tables)
        else:
            before = {parse_event_subject(one) for one in self._store.live_subjects(EVENT_PREFIX)}
            states = changed_states(self._state.tables, since=self.covers, live_before=before)
        self._commits = [_Commit(size, states)]

    def _begin_anew(self) -> None:
        """Let the next entry's map be made from the log itself: the stored states are not those of the newest entry."""
        if not self._anew:
            _LOG.error("the stored states are not those that the state log commits to: they are made anew from the log")
            with self._lock, self._mutex:
                self._commits = [_Commit(self._state.head.size, all_states(self._state.tables))]
            self._anew = True

    def _states_at(self, size: int) -> dict[str, SubjectState | None] | None:
        with self._mutex:
            ahead = [one for one in self._commits if one.size <= size]
        if not ahead or ahead[-1].size != size:
            return None
        return dict(_merged(ahead).states)

    def _append(self, head: SignedHead, states: States, *, kept_from: int) -> None:
        before = None if self._newest is None or self._anew else self._views[self._newest[0]]
        state_map = StateMap(DEPTH) if before is None else before.map.copy()
        pace = Pace()
        changes: list[StateRecord] = []
        for subject, state in states.items():
            pace.rest()
            if (one := _changed(state_map, subject, state)) is not None:
                changes.append(one)
        changed: set[int] = set()
        for at in range(0, len(changes), _ROWS_AT_ONCE):
            pace.rest()
            changed.update(state_map.update({one.key: one.digest for one in changes[at : at + _ROWS_AT_ONCE]}))
        entry = StateEntry(head.size, head.root_hash, state_map.depth, self._rules, state_map.root)
        edge = self.tree
        index, hashed = edge.size, leaf_hash(entry.to_bytes())
        tiles = append_leaves(edge, [hashed])
        oldest = self._views.get(kept_from)
        asked_from = self.covers if oldest is None else oldest.entry.size
        self._store.append(entry, index=index, leaf_hash=hashed, tiles=tiles, changes=changes, anew=self._anew)
        self._anew = False
        with self._mutex:
            self._newest, self._edge = (index, entry), edge
            self._commits = [one for one in self._commits if one.size > head.size]
        kept = {place: one for place, one in self._views.items() if place >= kept_from}
        self._views = {**kept, index: MapView(index, entry, state_map)}
        if before is not None:
            old = [before.map.bucket(number) for number in changed]
            held = [*self._replaced.items(), *((bucket_hash(bucket), bucket) for bucket in old)]
            self._replaced = dict(held[-STATE_BUCKETS_KEPT:])
        # Not with the entry: on SQLite the log's writer would wait for it. And last: the entry stands, whatever becomes of it.
        self._store.forget_outdated([one.key for one in changes if one.is_known], kept_from=asked_from)


def _merged(commits: list[_Commit]) -> _Commit:
    states: dict[str, SubjectState | None] = {}
    for one in commits:
        states |= one.states
    return _Commit(commits[-1].size, states)


def _changed(before: StateMap, subject: str, state: SubjectState | None) -> StateRecord | None:
    """Return the row of a subject's state; None where the map says the same of it already."""
    key = subject_key(subject)
    known = before.get(key)
    record = None if state is None else record_of(state)
    digest = None if record is None else state_digest(record)
    return None if digest == known else StateRecord(key, subject, digest, record, is_known=known is not None)
