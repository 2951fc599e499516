"""Erasures of openings: what the log remembers of them, what it refuses, and that nothing else changes."""

from __future__ import annotations

from registry.log.entry import parse_leaf
from tests.history.test_evidence_rules import Scene, audited, scene, scores
from tests.history.test_rules import refused
from tests.support import evidence
from tests.support.logs import key_actor

__all__ = ["scene"]


def test_an_erasure_is_remembered_and_changes_nothing_else(scene: Scene) -> None:
    """The openings of an event, then all of an agent: state, live statements and scores stay; chain and snapshot know."""
    log, root, alice, bob = scene
    vouch = log.vouch(root, bob)
    agents, live, before = dict(log.state.tables.agents), dict(log.state.tables.live), scores(log, root, alice, bob)
    one = log.add(evidence.erasure(log, bob, vouch))
    everything = log.add(evidence.erasure(log, alice))
    assert log.state.tables.erased_events == {vouch.event_id: one.index}
    assert log.state.tables.erased_agents == {alice.did: everything.index}
    assert (dict(log.state.tables.agents), dict(log.state.tables.live)) == (agents, live)
    assert scores(log, root, alice, bob) == before
    roles = {party.did: party.roles for party in parse_leaf(one.data).parties}
    assert roles == {log.registry.did: ("signer",), bob.did: ("subject",)}
    assert audited(log)


def test_what_cannot_be_erased(scene: Scene) -> None:
    """Only the registry logs one, of an agent and an event that are here, and once; a revoked agent has a right to it too."""
    log, root, alice, bob = scene
    vouch = log.vouch(root, bob)
    assert refused(log, evidence.erasure(log, bob, signer=alice.signer)) == "signer_not_entitled"
    assert refused(log, evidence.erasure(log, key_actor("stranger"))) == "agent_unknown"
    assert refused(log, evidence.erasure(log, bob, b"e" * 32)) == "nothing_to_erase"
    log.add(evidence.erasure(log, bob, vouch))
    assert refused(log, evidence.erasure(log, root, vouch)) == "erasure_repeated"
    log.set_state("agent_revocation", bob)
    log.add(evidence.erasure(log, bob))
    assert refused(log, evidence.erasure(log, bob)) == "erasure_repeated"
    assert refused(log, evidence.erasure(log, bob, log.vouch(root, alice))) == "erasure_repeated"
    assert audited(log)
