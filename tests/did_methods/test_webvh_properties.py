"""Laws of did:webvh logs: what the writer writes verifies, and nothing else does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
from did_methods.errors import DidError
from did_methods.webvh import (
    WebvhState,
    append_entry,
    create_entry,
    deactivate_entry,
    entry_line,
    resolve_log,
    verify_log,
)
from tests.support.webvh import DAY_MS, NOW_MS, START_MS, LogWriter, commitment, document, key, multikey, template

STEPS = st.lists(st.sampled_from(["document", "rotate", "off", "on", "ttl", "fix"]), max_size=6)


class _Agent:
    """An agent that keeps its keys in mind and writes its log step by step."""

    def __init__(self, *, rotating: bool) -> None:
        self._now_ms = START_MS
        self._committed = 1 if rotating else None
        self._current = 0
        hashes = [commitment(1)] if rotating else []
        entry, self.state = create_entry(
            template(), update_key=key(0), next_key_hashes=hashes, version_time_ms=self._now_ms
        )
        self.entries = [entry]

    def _append(self, *, commit: bool | None = None, **changes: Any) -> None:
        """Append with the right key; commit says whether to commit to a further key, None keeps to what was."""
        self._now_ms += DAY_MS
        committed = self._committed
        signer = self._current if committed is None else committed
        commit = committed is not None if commit is None else commit
        following = len(self.entries) + 1
        if commit or committed is not None:
            changes["next_key_hashes"] = [commitment(following)] if commit else []
        entry, self.state = append_entry(
            self.state,
            document(self.state.did, following),
            update_key=key(signer),
            version_time_ms=self._now_ms,
            **changes,
        )
        self.entries.append(entry)
        self._committed = following if commit else None
        self._current = signer

    def step(self, name: str) -> None:
        match name:
            case "document":
                self._append()
            case "rotate" if self._committed is None:
                self._append(update_keys=[multikey(90)])
                self._current = 90
            case "off" | "rotate":
                self._append(commit=name == "rotate")
            case "on":
                self._append(commit=True)
            case "ttl":
                self._append(ttl_s=len(self.entries))
            case _:
                self._append(portable=False)

    def end(self) -> None:
        signer = self._current if self._committed is None else self._committed
        entry, self.state = deactivate_entry(self.state, update_key=key(signer), version_time_ms=self._now_ms + DAY_MS)
        self.entries.append(entry)

    @property
    def log(self) -> bytes:
        return b"".join(entry_line(entry) for entry in self.entries)


def _live(*, rotating: bool, steps: list[str], end: bool) -> _Agent:
    agent = _Agent(rotating=rotating)
    for name in steps:
        agent.step(name)
    if end:
        agent.end()
    return agent


AGENTS = st.builds(_live, rotating=st.booleans(), steps=STEPS, end=st.booleans())


def _refused(log: bytes) -> bool:
    try:
        verify_log(log, now_ms=NOW_MS)
    except DidError:
        return True
    return False


@given(AGENTS)
def test_every_life_of_an_agent_verifies(agent: _Agent) -> None:
    """Any sequence of creation, updates, rotations and deactivation verifies to the state the writer returned."""
    state = verify_log(agent.log, now_ms=NOW_MS)
    assert state == agent.state
    assert WebvhState.from_wire(state.to_wire()) == state
    result = resolve_log(state.did, agent.log, now_ms=NOW_MS)
    assert result.error is None
    assert (result.did_document is None) == state.deactivated
    for number, entry in enumerate(agent.entries, 1):
        version = resolve_log(state.did, agent.log, now_ms=NOW_MS, version_number=number)
        assert version.did_document_metadata["versionId"] == entry["versionId"]


@given(AGENTS, st.data())
def test_a_single_altered_byte_is_refused(agent: _Agent, data: st.DataObject) -> None:
    """No byte of a log can be another byte; only the last line feed has spellings."""
    log = bytearray(agent.log)
    position = data.draw(st.integers(0, len(log) - 2))
    log[position] ^= data.draw(st.integers(1, 255))
    assert _refused(bytes(log))


def test_every_byte_of_a_log_counts() -> None:
    """The same law for each single byte of a log of two entries, with its lowest bit flipped."""
    log = LogWriter().first().then({"ttl": 60}).log
    survivors = [
        position
        for position in range(len(log) - 1)
        if not _refused(log[:position] + bytes([log[position] ^ 1]) + log[position + 1 :])
    ]
    assert not survivors


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for name, child in children for found in _paths(child, (*path, name)))]


def _altered(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value + "x"
        case list():
            return [*value, "x"]
        case _:
            return {**value, "x": 1}


@given(AGENTS, st.data())
def test_a_single_altered_member_is_refused(agent: _Agent, data: st.DataObject) -> None:
    """A value changed, added or removed anywhere in any entry, proof included, is refused."""
    entries = copy.deepcopy(agent.entries)
    entry = data.draw(st.sampled_from(entries))
    *parents, last = data.draw(st.sampled_from(_paths(entry)[1:]))
    holder: Any = entry
    for name in parents:
        holder = holder[name]
    if data.draw(st.booleans()):
        holder[last] = _altered(holder[last])
    else:
        del holder[last]
    assert _refused(b"".join(canonicalize(each) + b"\n" for each in entries))


@given(st.builds(_live, rotating=st.booleans(), steps=STEPS.filter(len), end=st.booleans()), st.data())
def test_entries_cannot_be_dropped_repeated_or_swapped(agent: _Agent, data: st.DataObject) -> None:
    """Only cutting the end off leaves a valid log; that one is for whoever remembers the longer log."""
    entries = list(agent.entries)
    position = data.draw(st.integers(0, len(entries) - 2))
    match data.draw(st.sampled_from(["drop", "repeat", "swap"])):
        case "drop":
            del entries[position]
        case "repeat":
            entries.insert(position, entries[position])
        case _:
            entries[position], entries[position + 1] = entries[position + 1], entries[position]
    assert _refused(b"".join(entry_line(entry) for entry in entries))


@given(AGENTS.filter(lambda agent: not agent.state.deactivated), st.integers(100, 120))
def test_a_thief_without_the_right_key_cannot_go_on(agent: _Agent, stranger: int) -> None:
    """A key that is neither in force nor committed to cannot append, nor end the DID."""
    hashes = [commitment(stranger)] if agent.state.next_key_hashes else None
    with pytest.raises(DidError):
        append_entry(
            agent.state,
            document(agent.state.did),
            update_key=key(stranger),
            next_key_hashes=hashes,
            version_time_ms=NOW_MS,
        )
    with pytest.raises(DidError):
        deactivate_entry(agent.state, update_key=key(stranger), version_time_ms=NOW_MS)


@given(st.integers(2, 6), st.data())
def test_a_stolen_current_key_is_worth_nothing_under_pre_rotation(length: int, data: st.DataObject) -> None:
    """Whoever has any key used so far, but not the committed one, can neither rotate nor deactivate."""
    agent = _live(rotating=True, steps=["document"] * (length - 1), end=False)
    stolen = data.draw(st.integers(0, length - 1))
    with pytest.raises(DidError) as refused:
        deactivate_entry(agent.state, update_key=key(stolen), version_time_ms=NOW_MS)
    assert refused.value.code == "webvh_update_key_not_committed"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["versionId", "parameters", "state", "proof", "id"]), inner, max_size=5)
        ),
        max_leaves=12,
    )
)
def test_no_json_value_breaks_the_verifier(value: Any) -> None:
    """Anything at all in place of an entry or of a member is refused by a code, never by a crash."""
    good = LogWriter().first().entries[0]
    lines = [value, *({**good, name: value} for name in good)]
    for line in lines:
        assert _refused(canonicalize(line) + b"\n")
        assert resolve_log(good["state"]["id"], canonicalize(line), now_ms=NOW_MS).error is not None


@given(st.binary(max_size=200))
def test_no_bytes_break_the_resolver(data: bytes) -> None:
    """Bytes that are no log give an error result, never an exception."""
    good = LogWriter().first()
    assert resolve_log(good.did, data, now_ms=NOW_MS).error is not None
    assert resolve_log(good.did, good.log + data, now_ms=NOW_MS).error is not None or data == b""
