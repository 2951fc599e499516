"""Recomputing the state map of an audited log, and holding it against what the registry committed to in its state log.

A leaf touches the DIDs that are its parties, their later names, and statements between two of its parties; so the map is brought
up to date by what each leaf says, and hashed only where an entry of the state log is about that very size.

Spec: specs/state-map.md; specs/audit.md "State map".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from did_methods.codec import base64url_decode, base64url_encode
from registry.audit.finding import Finding, make_finding
from registry.history.sequence import SequencedLeaf
from registry.history.state import Draft, LogState
from registry.history.subject_state import (
    StatementState,
    StateView,
    SubjectState,
    all_states,
    read_states,
    record_of,
)
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.state_map import (
    DEPTH,
    StateEntry,
    StateEntryError,
    StateMap,
    bucket_rows,
    parse_state_entry,
    state_digest,
    subject_key,
)
from registry.log.state_subject import EVENT_PREFIX, parse_event_subject

_NO_PAIR: Final = ("", "")
MAX_FINDINGS: Final = 32
"""A wrong map stays wrong until its subject changes; the first entries that say so are enough."""


@dataclass(slots=True)
class StateLogMemory:
    """What earlier audits saw of the state log: its tree, and how far its maps were compared.

    Attributes:
        edge: of the entries that were accepted.
        covers: main log size of the last of them; 0 for none.
    """

    edge: RightEdge = field(default_factory=RightEdge)
    covers: int = 0


class StateMapAudit:
    """Follows a log leaf by leaf and compares maps (a `LeafObserver`)."""

    name = "state_map"

    def __init__(self) -> None:
        self._edge = RightEdge()
        self._new_hashes: list[bytes] = []
        self._expected: dict[int, tuple[int, StateEntry]] = {}
        self.map = StateMap(DEPTH)
        """As of the newest entry that was compared; not to be changed."""
        self._pairs: dict[tuple[str, str], set[bytes]] = {}
        self._pair_of: dict[bytes, tuple[str, str]] = {}
        self._dids: set[str] = set()
        self._events: set[bytes] = set()
        self._told = 0
        self.compared = 0
        """Maps that were recomputed and compared."""
        self.known = StateLogMemory()

    def expect(self, entries: Iterable[tuple[int, StateEntry]]) -> None:
        """Take entries of the state log with their indices; those about sizes that are past are not compared."""
        self._expected.update({entry.size: (index, entry) for index, entry in entries})

    def begin(self, state: LogState, edge: RightEdge) -> None:
        """Make the map of a fold that an earlier audit kept; of one that begins at entry 0 there is none.

        Args:
            state: folded; nothing of it has been observed here.
            edge: of its tree.
        """
        self._edge = edge.copy()
        self._apply(all_states(state.tables))

    def observe(self, leaf: SequencedLeaf, draft: Draft) -> Sequence[Finding]:
        """Note what a leaf touched; where the state log has an entry of that size, compare."""
        self._new_hashes.append(leaf.leaf_hash)
        parties = [party.did for party in leaf.parties]
        self._dids.update(parties)
        if leaf.kind == "did_operation":
            newest = draft.webvh.get(parties[0])
            self._dids.update(() if newest is None else (newest.did,))
        self._events.add(leaf.event_id)
        for one in parties:
            for other in parties:
                self._events |= self._pairs.get((one, other), set())
        expected = self._expected.pop(leaf.index + 1, None)
        return () if expected is None else self._compare(*expected, draft)

    def end(self, _state: LogState) -> Sequence[Finding]:
        """Find nothing: an entry about a larger log than was audited is the next audit's."""
        return ()

    def replayed(self, state: LogState) -> StateEntry:
        """Return what the replay came to, in the form of the state log's entry for the audited size.

        Args:
            state: at the end, every signature verified.
        """
        self._catch_up(state.tables)
        genesis = state.head.genesis
        rules = 1 if genesis is None else int(genesis.rules)
        return StateEntry(state.head.size, self._root(), self.map.depth, rules, self.map.root)

    def dump(self) -> Any:
        """Return what was seen of the state log."""
        edge = self.known.edge
        return {"size": edge.size, "edge": [base64url_encode(one) for one in edge.hashes], "covers": self.known.covers}

    def load(self, kept: Any) -> None:
        """Go on from what `dump` gave; the map is made anew from the fold."""
        edge = RightEdge(kept["size"], [base64url_decode(one) for one in kept["edge"]])
        self.known = StateLogMemory(edge, int(kept["covers"]))

    # ------------------------------------------------------------

    def _compare(self, index: int, entry: StateEntry, draft: Draft) -> Sequence[Finding]:
        self._catch_up(draft)
        if entry.depth != self.map.depth:
            self.map = StateMap(entry.depth, _rows(self.map))
        self.compared += 1
        genesis = draft.head.genesis
        found = [
            make_finding(
                code, f"entry {index} of the state log, size {entry.size}", expected=_text(ours), found=_text(shown)
            )
            for code, ours, shown in (
                ("state_tree_differs", self._root(), entry.root_hash),
                ("state_map_differs", self.map.root, entry.map_root),
                ("state_rules_differ", None if genesis is None else int(genesis.rules), entry.rules),
            )
            if ours != shown
        ]
        self._told += len(found)
        return found if self._told <= MAX_FINDINGS else ()

    def _root(self) -> bytes:
        """Return the root of the main log as of the last leaf observed."""
        self._edge.extend(self._new_hashes)
        self._new_hashes = []
        return self._edge.root()

    def _catch_up(self, view: StateView) -> None:
        self._apply(read_states(view, self._dids, self._events))
        self._dids, self._events = set(), set()

    def _apply(self, states: Mapping[str, SubjectState | None]) -> None:
        changes: dict[bytes, bytes | None] = {}
        for subject, state in states.items():
            changes[subject_key(subject)] = None if state is None else state_digest(record_of(state))
            if isinstance(state, StatementState):
                pair = self._pair_of[state.event_id] = state.live.issuer, state.live.subject
                self._pairs.setdefault(pair, set()).add(state.event_id)
            elif state is None and subject.startswith(EVENT_PREFIX):
                ended = parse_event_subject(subject)
                self._pairs.get(self._pair_of.pop(ended, _NO_PAIR), set()).discard(ended)
        self.map.update(changes)


def check_state_log(
    entries: Iterable[bytes], memory: StateLogMemory
) -> tuple[list[tuple[int, StateEntry]], list[Finding], StateLogMemory]:
    """Read the entries of a state log: each is one, and sizes rise; those accepted before are what they were.

    Args:
        entries: from the first on.
        memory: of an earlier audit.

    Returns:
        Indices and entries, what was found, and the memory for the next audit.
    """
    edge, covers, read, findings = RightEdge(), 0, list[tuple[int, StateEntry]](), list[Finding]()
    for index, data in enumerate(entries):
        edge.append(leaf_hash(data))
        if edge.size == memory.edge.size and edge.root() != memory.edge.root():
            findings.append(make_finding("state_log_inconsistent", f"at size {edge.size}"))
        try:
            entry = parse_state_entry(data)
        except StateEntryError:
            findings.append(make_finding("state_log_malformed", f"entry {index}"))
            continue
        if entry.size <= covers:
            findings.append(make_finding("state_log_malformed", f"entry {index} is about an older log"))
            continue
        covers = entry.size
        read.append((index, entry))
    if edge.size < memory.edge.size:
        findings.append(make_finding("state_log_inconsistent", expected=memory.edge.size, found=edge.size))
    return read, findings, StateLogMemory(edge, covers)


def _rows(state_map: StateMap) -> Iterable[tuple[bytes, bytes]]:
    for number in state_map.bucket_hashes().values():
        yield from bucket_rows(state_map.bucket(number))


def _text(value: bytes | int | None) -> str | int | None:
    return base64url_encode(value) if isinstance(value, bytes) else value
