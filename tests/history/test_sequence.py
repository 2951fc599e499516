"""Chains, drafts and savepoints: what a leaf is made of, and that what is dropped leaves no trace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from did_methods.canonical import canonicalize
from did_methods.errors import BonafidesError
from did_methods.keys import PublicKey
from registry.history.errors import LeafMismatchError
from registry.history.replay import replay_leaf, verify_leaf
from registry.history.snapshot import SnapshotFormatError, dump_state, load_state
from registry.history.state import LogState
from registry.log.entry import Leaf, encode_leaf, parse_leaf
from tests.support.drafts import fingerprint
from tests.support.logs import LogBuilder, key_actor


@pytest.fixture
def log() -> LogBuilder:
    """A short log in which alice has a chain of several entries."""
    log = LogBuilder().open(key_actor("root-agent"))
    root, alice = log.agent("root-agent"), log.agent("alice", hosted=True)
    log.epoch()
    log.vouch(root, alice)
    log.passport(alice)
    log.report(alice, root)
    return log


def test_each_party_has_its_own_chain(log: LogBuilder) -> None:
    """Counts go up by one, and each link names the index and leaf hash of the entry before in that DID's chain."""
    newest: dict[str, tuple[int, int, bytes]] = {}
    for leaf in log.leaves:
        assert [party.did for party in leaf.parties] == sorted(party.did for party in leaf.parties)
        for party in leaf.parties:
            count, index, hashed = newest.get(party.did, (0, None, None))
            assert (party.count, party.prev_index, party.prev_leaf_hash) == (count + 1, index, hashed)
            newest[party.did] = (party.count, leaf.index, leaf.leaf_hash)
    assert {did: (one.count, one.index, one.leaf_hash) for did, one in log.state.tables.chains.items()} == newest


@pytest.mark.parametrize("fold", [verify_leaf, replay_leaf])
def test_folding_gives_the_very_leaves(log: LogBuilder, fold: object) -> None:
    """What the registry sequenced and what a reader folds are equal to the byte, and so are the states."""
    state = LogState()
    draft = state.draft()
    assert [fold(draft, leaf.data) for leaf in log.leaves] == log.leaves  # type: ignore[operator]
    draft.commit()
    assert state == log.state


def _altered(data: bytes, **changes: object) -> bytes:
    leaf = parse_leaf(data)
    members = {"time_ms": leaf.time_ms, "kind": leaf.kind, "parties": leaf.parties, "event": leaf.event} | changes
    return encode_leaf(Leaf(**members))  # type: ignore[arg-type]


def test_a_wrong_link_is_named(log: LogBuilder) -> None:
    """The refusal says which member of whose link is wrong, what it should be and what it is."""
    leaf = log.leaves[-1]
    parties = (replace(leaf.parties[0], count=leaf.parties[0].count + 1), *leaf.parties[1:])
    state = LogState()
    draft = state.draft()
    for one in log.leaves[:-1]:
        verify_leaf(draft, one.data)
    with pytest.raises(LeafMismatchError) as caught:
        verify_leaf(draft, _altered(leaf.data, parties=parties))
    assert caught.value.detail == f"count of {leaf.parties[0].did}"
    assert caught.value.params == {"expected": leaf.parties[0].count, "found": leaf.parties[0].count + 1}


def test_a_wrong_kind_is_named(log: LogBuilder) -> None:
    """A leaf cannot call its event something else."""
    draft = LogState().draft()
    for one in log.leaves[:-1]:
        verify_leaf(draft, one.data)
    with pytest.raises(LeafMismatchError) as caught:
        verify_leaf(draft, _altered(log.leaves[-1].data, kind="vouch"))
    assert caught.value.params == {"expected": "report", "found": "vouch"}


def test_postponed_signatures_are_all_handed_over(log: LogBuilder) -> None:
    """Whoever verifies elsewhere gets each credential's key, signature and message; the fold is the same."""

    class Sink:
        def __init__(self) -> None:
            self.jobs: list[tuple[bytes, bytes, bytes]] = []

        def add(self, public_key: bytes, signature: bytes, message: bytes) -> None:
            self.jobs.append((public_key, signature, message))

    sink, state = Sink(), LogState()
    draft = state.draft()
    assert [verify_leaf(draft, leaf.data, signatures=sink) for leaf in log.leaves] == log.leaves
    draft.commit()
    assert state == log.state
    credentials = [leaf for leaf in log.leaves if leaf.kind not in ("did_operation", "registration")]
    assert len(sink.jobs) == len(credentials)
    for key, signature, message in sink.jobs:
        PublicKey("ed25519", key).verify(signature, message)


def test_a_dropped_draft_leaves_no_trace(log: LogBuilder) -> None:
    """What was folded into a draft that is not committed is nowhere in the state."""
    before = dump_state(log.state)
    draft = log.state.draft()
    root, carol = key_actor("root-agent"), key_actor("carol")
    log.draft_with(draft, log.registration_document(carol))
    log.draft_with(draft, log.vouch_document(root, carol))
    log.draft_with(draft, log.epoch_document())
    log.draft_with(draft, log.state_document("quarantine", carol.did))
    assert dump_state(log.state) == before


def test_restore_undoes_all_since_the_savepoint(log: LogBuilder) -> None:
    """A savepoint brings back everything: tables, scores, silences, times, chains."""
    root, carol, dave = key_actor("root-agent"), key_actor("carol"), key_actor("dave")
    draft = log.state.draft()
    log.draft_with(draft, log.registration_document(carol))
    before = fingerprint(draft)
    point = draft.savepoint()
    log.draft_with(draft, log.registration_document(dave))
    log.draft_with(draft, log.vouch_document(root, carol))
    log.draft_with(draft, log.state_document("quarantine", carol.did))
    with pytest.raises(BonafidesError):
        log.draft_with(draft, log.epoch_document(commitment=bytes(32)))
    draft.restore(point)
    assert fingerprint(draft) == before
    again = draft.savepoint()
    log.draft_with(draft, log.vouch_document(root, carol))
    draft.release(again)
    draft.commit()
    assert log.state.head.live_vouches == 2


def test_a_restored_epoch_is_forgotten(log: LogBuilder) -> None:
    """An epoch inside a group that is undone leaves neither scores nor trimmed journals behind."""
    draft = log.state.draft()
    before = fingerprint(draft)
    point = draft.savepoint()
    log.draft_with(draft, log.epoch_document())
    draft.restore(point)
    assert fingerprint(draft) == before
    log.draft_with(draft, log.epoch_document())
    draft.commit()
    state = LogState()
    fold = state.draft()
    for leaf in log.leaves:
        verify_leaf(fold, leaf.data)
    fold.commit()
    assert state.head.epoch is not None
    assert log.state.head.epoch is not None
    assert log.state.head.epoch.number == state.head.epoch.number + 1


def test_a_snapshot_of_another_version_is_refused() -> None:
    """Another format is made anew from the log, not guessed at."""
    with pytest.raises(SnapshotFormatError):
        load_state(canonicalize({"format": "bonafides/state/0"}))


def test_a_snapshot_is_an_exact_round_trip(log: LogBuilder) -> None:
    """The loaded state equals the dumped one, before and after more was folded into both."""
    loaded = load_state(dump_state(log.state))
    assert loaded == log.state
    assert dump_state(loaded) == dump_state(log.state)
    document = log.epoch_document(covers=log.state.head.size - 2)
    for state in (loaded, log.state):
        draft = state.draft()
        log.draft_with(draft, document)
        draft.commit()
    assert loaded == log.state
