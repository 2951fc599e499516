"""The audit recomputes every map that the state log commits to: an honest one agrees, a dishonest one is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from did_methods.keys import SigningKey
from registry.audit.report import AuditReport
from registry.audit.state_map import StateLogMemory, StateMapAudit, _rows, check_state_log
from registry.client.log_reader import LogReader
from registry.client.transport import Transport
from registry.history.replay import verify_leaf
from registry.history.state import LogState
from registry.history.subject_state import SubjectState
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.note import NoteSigner
from registry.log.state_map import StateEntry, StateMap, parse_state_entry
from registry.services import state_map as keeping
from registry.services.audit import AuditPlan, RegistryAudit
from tests.support.logs import LogBuilder, key_actor
from tests.support.registry import World, open_world, serve
from tests.support.state_map import publish_state


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[World, str]]:
    """A served registry with two agents and a vouch, its map published twice."""
    with open_world(tmp_path) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        publish_state(world)
        world.submit(alice.vouch(bob.did))
        publish_state(world)
        world.actors = {"alice": alice, "bob": bob}
        with serve(world.app) as url:
            yield world, url


def audit(world: World, url: str, **plan: Any) -> AuditReport:
    """Audit the registry as it is served."""
    transport = Transport(url)
    try:
        made = AuditPlan(**{"patience_s": 0, **plan})
        return RegistryAudit(LogReader(transport), made, now_ms=world.clock.now_ms).run()
    finally:
        transport.close()


def codes(report: AuditReport) -> set[str]:
    """Return what was found."""
    return {one.code for one in report.findings}


def test_honest_maps_agree(served: tuple[World, str]) -> None:
    """Every entry's map is recomputed and is the one committed to."""
    world, url = served
    report = audit(world, url)
    assert codes(report) == set()
    assert report.state_maps == world.registry.state_map.keeper.tree.size
    assert report.state_maps >= 2


def test_a_map_that_hides_a_revocation(served: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that keeps a revoked vouch in its map is found out at the first entry that does."""
    world, url = served
    alice, bob = world.actors["alice"], world.actors["bob"]
    vouch = alice.vouch(bob.did, context="pay")
    world.submit(vouch)
    publish_state(world)
    honest = keeping.touched_states

    def hiding(draft: Any) -> dict[str, SubjectState | None]:
        return {subject: state for subject, state in honest(draft).items() if state is not None}

    monkeypatch.setattr(keeping, "touched_states", hiding)
    world.submit(alice.revocation(vouch))
    publish_state(world)
    report = audit(world, url)
    assert codes(report) == {"state_map_differs"}
    (found,) = report.findings
    assert found.severity == "breach"
    assert f"size {world.size}" in found.detail


def test_a_key_that_the_registrys_did_did_not_name(served: tuple[World, str]) -> None:
    """The state log's key is worth what the registry's DID says of it: another word, none, or a broken one."""
    world, url = served
    room = world.registry.state_map
    honest = room.described["credential"]
    subject = honest["credentialSubject"]
    stranger = NoteSigner(room.log.origin, SigningKey(bytes(range(9, 41)))).key.to_text()
    for binding, code in (
        (None, "state_log_unvouched"),
        ({}, "state_log_unbound"),
        (honest | {"credentialSubject": subject | {"stateLogKey": stranger}}, "state_log_unbound"),
    ):
        room.described["credential"] = binding
        assert codes(audit(world, url)) == {code}
    room.described["credential"] = honest


def test_the_state_log_is_ahead_of_the_log(served: tuple[World, str]) -> None:
    """An entry about more than is published: somebody set the log back, and forgot what had been committed to."""
    world, url = served
    room, head = world.registry.state_map, world.registry.log.published_head
    entry = parse_state_entry(room.keeper._store.entries(0, 9)[-1].data)
    room.keeper._append(replace(head, size=head.size + 3), {}, kept_from=0)
    room.log.sign_if_grown()
    assert entry.size == head.size
    assert codes(audit(world, url)) == {"state_log_ahead"}


def test_a_state_log_that_is_not_served(served: tuple[World, str]) -> None:
    """A log that names a state log and does not serve it is remarked; one that names none is not."""
    world, url = served
    room = world.registry.state_map
    shown, room.log._published = room.log._published, None
    assert codes(audit(world, url)) == {"state_log_missing"}
    room.log._published = shown


def entries(*sizes: int) -> list[bytes]:
    """Return entries about logs of these sizes."""
    return [StateEntry(size, bytes(32), 16, 1, bytes(32)).to_bytes() for size in sizes]


def memory(data: list[bytes], covers: int) -> StateLogMemory:
    """Return what is known of a state log of these entries."""
    edge = RightEdge()
    for one in data:
        edge.append(leaf_hash(one))
    return StateLogMemory(edge, covers)


@pytest.mark.parametrize(
    ("shown", "known", "code"),
    [
        (entries(3, 5, 9), entries(3, 5), None),
        (entries(3, 5), entries(3, 5), None),
        (entries(3, 5, 5), [], "state_log_malformed"),
        (entries(3, 5, 4), [], "state_log_malformed"),
        ([*entries(3), b"", *entries(5)], [], "state_log_malformed"),
        ([*entries(3), entries(5)[0] + b"\0"], [], "state_log_malformed"),
        (entries(3), entries(3, 5), "state_log_inconsistent"),
        (entries(4, 5, 9), entries(3, 5), "state_log_inconsistent"),
    ],
)
def test_the_entries_of_a_state_log(shown: list[bytes], known: list[bytes], code: str | None) -> None:
    """Each is an entry, sizes rise, and what was seen before is the beginning of what is shown now."""
    _, findings, _ = check_state_log(shown, memory(known, 5 if known else 0))
    assert {one.code for one in findings} == ({code} if code else set())


def test_another_depth_and_other_rules() -> None:
    """A map of another depth is recomputed at that depth; other rules than entry 0 names are a breach."""
    log = LogBuilder().open(key_actor("root-agent"))
    log.agent("alice")
    honest = StateMapAudit()
    draft = LogState().draft()
    for leaf in log.leaves:
        honest.observe(verify_leaf(draft, leaf.data), draft)
    entry = honest.replayed(log.state)
    deeper = replace(entry, depth=20, map_root=StateMap(20, _rows(honest.map)).root)
    for changed, code in (
        (deeper, None),
        (replace(entry, rules=2), "state_rules_differ"),
        (replace(entry, root_hash=bytes(32)), "state_tree_differs"),
        (replace(entry, depth=20), "state_map_differs"),
    ):
        observer, draft = StateMapAudit(), LogState().draft()
        observer.expect([(0, changed)])
        found = [one.code for leaf in log.leaves for one in observer.observe(verify_leaf(draft, leaf.data), draft)]
        assert found == ([] if code is None else [code])


def test_an_audit_goes_on_where_the_last_one_ended() -> None:
    """What the fold of an earlier audit says is the beginning of the next one's map."""
    log = LogBuilder().open(key_actor("root-agent"))
    root, alice, bob = key_actor("root-agent"), log.agent("alice"), log.agent("bob", hosted=True)
    log.agent("root-agent")
    vouch = log.vouch(root, alice)
    first, draft = StateMapAudit(), LogState().draft()
    for leaf in log.leaves:
        first.observe(verify_leaf(draft, leaf.data), draft)
    draft.commit()
    state = draft._state
    first.known = memory(entries(3, 5), 5)
    second = StateMapAudit()
    second.load(first.dump())
    edge = RightEdge()
    edge.extend([leaf.leaf_hash for leaf in log.leaves])
    second.begin(state, edge)
    assert second.known.edge.root() == first.known.edge.root()
    size = len(log.leaves)
    log.revoke(root, vouch)
    log.wait()
    log.rotate(bob)
    for observer in (first, second):
        draft = state.draft()
        for leaf in log.leaves[size:]:
            observer.observe(verify_leaf(draft, leaf.data), draft)
    assert first.replayed(log.state) == second.replayed(log.state)
