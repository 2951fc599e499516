"""A registry that lies about states: whatever it shows that its published map does not say is refused by whoever verifies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import base64url_decode, base64url_encode
from did_methods.keys import SigningKey
from registry.client.age_proof import verify_age
from registry.client.state_errors import (
    AgeProofError,
    ChainIncompleteError,
    KeyNotCurrentError,
    StateAbsentError,
    StateCheckpointError,
    StateOldError,
    StateRecordError,
    StateRulesError,
)
from registry.client.state_proof import (
    StateTrust,
    VerifiedState,
    verify_absent,
    verify_agent,
    verify_all_entries,
    verify_current_key,
    verify_not_revoked,
    verify_state,
)
from registry.errors import RegistryError
from registry.log.checkpoint import Checkpoint, CheckpointOriginError, sign_checkpoint
from registry.log.cosignature import Cosigner, append_lines, cosign
from registry.log.merkle import ConsistencyProofError, InclusionProofError, derive_root, leaf_hash
from registry.log.note import NoteKey, NoteSignatureError, NoteUnverifiedError, parse_note_key
from registry.log.proof import InclusionProof, ProofCheckpointError, inclusion_to_wire
from registry.log.state_map import (
    MapProof,
    StateBucketError,
    StateEntry,
    StateMap,
    StateProofError,
    bucket_rows,
    map_proof_to_wire,
    parse_map_proof,
    parse_state_entry,
    subject_key,
)
from registry.log.witness_policy import QuorumMissingError, parse_policy
from tests.support.actor import Actor
from tests.support.registry import World, event_text, open_world
from tests.support.state_map import publish_state, state_answer

WITNESS = Cosigner("witness.example/w1", SigningKey(bytes(range(5, 37))))


@dataclass(slots=True)
class Scene:
    """A registry with two agents, a vouch that was revoked and one that stands, and older answers about them.

    Attributes:
        world: the registry.
        alice: vouched twice for bob.
        bob: vouched for.
        first: the answer about alice before she vouched.
        answer: the answer about her now.
        revoked: the vouch that was taken back.
        live_answer: the answer about it while it stood.
    """

    world: World
    alice: Actor
    bob: Actor
    first: dict[str, Any]
    answer: dict[str, Any]
    revoked: dict[str, Any]
    live_answer: dict[str, Any]

    def trust(self, **more: Any) -> StateTrust:
        """Return a reader's trust: the two keys, and what a test adds."""
        registry = self.world.registry
        keys = parse_note_key(registry.genesis.log_key), parse_note_key(registry.state_map.log.verifier_key)
        return StateTrust(*keys, now_ms=self.world.clock.now_ms(), **more)

    def about(self, answer: dict[str, Any], **more: Any) -> VerifiedState:
        """Verify an answer about alice."""
        return verify_agent(answer, did=self.alice.did, trust=self.trust(**more))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Make the scene once: no test changes the registry."""
    with open_world(Path(tmp_path_factory.mktemp("states"))) as world:
        alice, bob = world.agent("alice"), world.agent("bob")
        publish_state(world)
        first = state_answer(world, alice.did)
        vouch = alice.vouch(bob.did)
        assert world.submit(vouch).status == 201
        publish_state(world)
        live = world.web.get(f"/v1/events/{event_text(vouch)}/state").json
        assert world.submit(alice.revocation(vouch)).status == 201
        assert world.submit(alice.vouch(bob.did, context="pay")).status == 201
        publish_state(world)
        yield Scene(world, alice, bob, first, state_answer(world, alice.did), vouch, live)


def rebuilt(scene: Scene, entry: StateEntry, proof: MapProof) -> dict[str, Any]:
    """Return an answer over a state log of one entry that the registry's own key signs: the most that it can forge."""
    signer = scene.world.registry.state_map.log.signer.note_signer
    data = entry.to_bytes()
    root = derive_root([leaf_hash(data)])
    note = sign_checkpoint(Checkpoint(signer.name, 1, root), signer.signing_key)
    inclusion = InclusionProof(0, 1, leaf_hash(data), root, ())
    return {
        **scene.answer,
        **map_proof_to_wire(proof),
        "entry": base64url_encode(data),
        "inclusion": inclusion_to_wire(inclusion),
        "stateCheckpoint": note.decode(),
    }


def entry_of(answer: dict[str, Any]) -> StateEntry:
    """Return the entry of an answer."""
    return parse_state_entry(base64url_decode(answer["entry"]))


def test_the_honest_answers_verify(scene: Scene) -> None:
    """What the tests below alter is accepted as it came."""
    state = scene.about(scene.answer)
    assert state.record is not None
    assert state.record["chain"]["count"] == 5
    event = base64url_decode(event_text(scene.revoked))
    assert verify_not_revoked(scene.live_answer, event_id=event, trust=scene.trust()).record is not None


def _without_row(scene: Scene) -> dict[str, Any]:
    proof = parse_map_proof(scene.answer)
    own = subject_key(scene.alice.did)
    kept = b"".join(key + digest for key, digest in bucket_rows(proof.bucket) if key != own)
    return scene.answer | map_proof_to_wire(replace(proof, bucket=kept)) | {"state": None}


def test_an_agent_is_hidden(scene: Scene) -> None:
    """Leaving out its row, or answering for somebody who is not there, does not prove that an agent is absent."""
    trust = scene.trust()
    with pytest.raises(StateProofError):
        verify_absent(_without_row(scene), subject=scene.alice.did, trust=trust)
    nobody = state_answer(scene.world, "did:example:nobody")
    with pytest.raises((StateBucketError, StateProofError)):
        verify_absent(nobody, subject=scene.alice.did, trust=trust)
    with pytest.raises(StateRecordError):
        verify_absent(scene.answer | {"state": None}, subject=scene.alice.did, trust=trust)


def test_a_revoked_statement_is_shown_as_live(scene: Scene) -> None:
    """The old answer belongs to an older log, and under today's map the statement is absent."""
    event = base64url_decode(event_text(scene.revoked))
    today = scene.world.web.get(f"/v1/events/{event_text(scene.revoked)}/state").json
    with pytest.raises(StateAbsentError):
        verify_not_revoked(today, event_id=event, trust=scene.trust())
    with pytest.raises(StateRecordError):
        verify_not_revoked(today | {"state": scene.live_answer["state"]}, event_id=event, trust=scene.trust())
    with pytest.raises(StateOldError):
        verify_not_revoked(scene.live_answer, event_id=event, trust=scene.trust(min_size=scene.world.size))
    mixed = today | {name: scene.live_answer[name] for name in ("bucket", "proof", "state")}
    with pytest.raises(StateProofError):
        verify_not_revoked(mixed, event_id=event, trust=scene.trust())


def test_a_live_statement_is_claimed_revoked(scene: Scene) -> None:
    """Absence of a statement that stands cannot be shown."""
    live = next(
        (event, one) for event, one in scene.world.registry.state.tables.live.items() if one.issuer == scene.alice.did
    )
    answer = scene.world.web.get(f"/v1/events/{base64url_encode(live[0])}/state").json
    with pytest.raises(StateRecordError):
        verify_absent(answer | {"state": None}, subject=answer["subject"], trust=scene.trust())


@pytest.mark.parametrize(
    "alter",
    [
        lambda state: state | {"state": "suspended"},
        lambda state: state | {"more": 1},
        lambda state: {name: value for name, value in state.items() if name != "control"},
        lambda state: state | {"chain": state["chain"] | {"count": 3}},
        lambda state: state | {"authorityEpoch": 1.5},
        lambda state: "active",
        lambda state: None,
    ],
)
def test_another_state_is_shown(scene: Scene, alter: Callable[[Any], Any]) -> None:
    """Any other record than the one whose digest is in the map is refused."""
    answer = scene.answer | {"state": alter(deepcopy(scene.answer["state"]))}
    with pytest.raises(StateRecordError):
        scene.about(answer)


def test_the_state_of_somebody_else(scene: Scene) -> None:
    """An honest answer about another agent is none about this one."""
    with pytest.raises((StateBucketError, StateProofError, StateRecordError, StateAbsentError)):
        scene.about(state_answer(scene.world, scene.bob.did))


def test_a_bucket_that_is_none(scene: Scene) -> None:
    """Surplus, doubled and unsorted rows, and a path of another length, are refused."""
    proof = parse_map_proof(scene.answer)
    rows = [proof.bucket[at : at + 64] for at in range(0, len(proof.bucket), 64)]
    for bucket in (proof.bucket + bytes(64), b"".join([*rows, rows[-1]]), proof.bucket[:-1]):
        with pytest.raises(StateBucketError):
            scene.about(scene.answer | map_proof_to_wire(replace(proof, bucket=bucket)))
    for hashes in (proof.hashes[1:], (*proof.hashes, bytes(32)), proof.hashes[::-1]):
        with pytest.raises(StateProofError):
            scene.about(scene.answer | map_proof_to_wire(replace(proof, hashes=hashes)))


def test_an_old_state_is_played_again(scene: Scene) -> None:
    """Who has seen a larger log refuses the old answer; who asks for a witness's time refuses what none has seen."""
    assert scene.about(scene.first).record is not None
    with pytest.raises(StateOldError):
        scene.about(scene.first, min_size=scene.world.size)
    with pytest.raises(StateOldError):
        scene.about(scene.answer, max_age_ms=60_000)


def test_freshness_is_what_witnesses_say(scene: Scene) -> None:
    """With a policy a quorum has to have cosigned both checkpoints, lately where the reader asks for that."""
    policy = parse_policy(f"witness w1 {WITNESS.key.to_text()}\nquorum w1\n".encode())
    with pytest.raises(QuorumMissingError):
        scene.about(scene.answer, policy=policy)
    now_s = scene.world.clock.now_ms() // 1_000
    seen = dict(scene.answer)
    for name, log in (
        ("checkpoint", scene.world.registry.log),
        ("stateCheckpoint", scene.world.registry.state_map.log),
    ):
        line = cosign(log.published_head.to_checkpoint(log.origin), WITNESS, time_s=now_s - 30)
        seen[name] = append_lines(seen[name].encode(), [line]).decode()
    state = scene.about(seen, policy=policy, max_age_ms=60_000)
    assert state.seen_ms == (now_s - 30) * 1_000
    with pytest.raises(StateOldError):
        scene.about(seen, policy=policy, max_age_ms=29_000)


def test_an_older_entry_under_the_newest_checkpoint(scene: Scene) -> None:
    """An entry that truly is in the state log, but is not its newest, is an old map passed off as today's."""
    log = scene.world.registry.state_map.log
    head = log.published_head
    index = head.size - 2
    entry = entry_of(scene.live_answer)
    found = next(
        place
        for place in range(head.size)
        if scene.world.registry.state_map.keeper._store.entries(place, place + 1)[0].data == entry.to_bytes()
    )
    assert found <= index
    _, path = log.inclusion(found, head.size)
    data = entry.to_bytes()
    inclusion = InclusionProof(found, head.size, leaf_hash(data), head.root_hash, tuple(path))
    mixed = scene.live_answer | {
        "stateCheckpoint": head.note.decode(),
        "inclusion": inclusion_to_wire(inclusion),
    }
    with pytest.raises(StateOldError):
        verify_state(mixed, subject=mixed["subject"], trust=scene.trust())


def test_a_map_of_other_rules_or_of_another_tree(scene: Scene) -> None:
    """An entry of another rules version, size or root is refused even where the state log's own key has signed it."""
    entry, proof = entry_of(scene.answer), parse_map_proof(scene.answer)
    assert scene.about(rebuilt(scene, entry, proof)).record is not None
    with pytest.raises(StateRulesError):
        scene.about(rebuilt(scene, replace(entry, rules=2), proof))
    for other in (replace(entry, size=entry.size + 1), replace(entry, root_hash=bytes(32))):
        with pytest.raises(StateCheckpointError):
            scene.about(rebuilt(scene, other, proof))
    with pytest.raises(StateProofError):
        scene.about(rebuilt(scene, replace(entry, map_root=StateMap().root), proof))
    with pytest.raises(RegistryError):
        scene.about(rebuilt(scene, replace(entry, depth=15), proof))


def test_checkpoints_of_others(scene: Scene) -> None:
    """A state log that somebody else signed, or one of the two logs in the other's place, is refused."""
    stranger = SigningKey(bytes(range(7, 39)))
    origin = f"{scene.world.origin}/state"
    note = sign_checkpoint(Checkpoint(origin, 1, bytes(32)), stranger).decode()
    with pytest.raises(NoteUnverifiedError):
        scene.about(scene.answer | {"stateCheckpoint": note})
    with pytest.raises(NoteUnverifiedError):
        scene.about(scene.answer | {"stateCheckpoint": scene.answer["checkpoint"]})
    with pytest.raises((NoteSignatureError, NoteUnverifiedError)):
        scene.about(scene.answer | {"checkpoint": scene.answer["checkpoint"].replace("\n", "\n1", 1)})
    swapped = replace(scene.trust(), state_key=scene.trust().key)
    with pytest.raises((ProofCheckpointError, CheckpointOriginError)):
        verify_agent(scene.answer | {"stateCheckpoint": scene.answer["checkpoint"]}, did=scene.alice.did, trust=swapped)


def chain_of(scene: Scene) -> list[bytes]:
    """Return alice's entries, newest first."""
    store = scene.world.registry.store
    rows = store.chain(scene.alice.did, before=None, limit=100)
    return [found.data for _, index in rows if (found := store.entry(index)) is not None]


def test_an_event_of_the_chain_is_hidden(scene: Scene) -> None:
    """Any entry left out, moved, doubled, altered or put in from elsewhere shows."""
    state, chain = scene.about(scene.answer), chain_of(scene)
    assert [one.count for one in verify_all_entries(state, chain)] == [5, 4, 3, 2, 1]
    foreign = scene.world.registry.store.entry(0)
    assert foreign is not None
    for forged in (
        chain[1:],
        chain[:-1],
        [*chain[:2], *chain[3:]],
        [chain[1], chain[0], *chain[2:]],
        [chain[0], *chain],
        [*chain, foreign.data],
        [chain[0][:-1] + b"0}", *chain[1:]],
        [],
    ):
        with pytest.raises(ChainIncompleteError):
            verify_all_entries(state, forged)


def test_a_key_that_does_not_speak(scene: Scene) -> None:
    """Somebody else's key, and a purpose that the document does not list, are refused."""
    state = scene.about(scene.answer)
    now_ms = scene.world.clock.now_ms()
    assert state.record is not None
    own = state.record["keys"]["list"][0]["publicKeyMultibase"]
    assert verify_current_key(state, own, purpose="authentication", now_ms=now_ms).multikey == own
    other = SigningKey(bytes(32)).public_key.multikey
    for key, purpose in ((other, "authentication"), (own, "keyAgreement")):
        with pytest.raises(KeyNotCurrentError):
            verify_current_key(state, key, purpose=purpose, now_ms=now_ms)


def test_a_younger_agent_borrows_an_older_ones_age(scene: Scene) -> None:
    """The registration has to be the agent's own, the path lead to the old checkpoint, and that grow into today's."""
    key = scene.trust().key
    about_alice = scene.world.web.get(f"/v1/agents/{scene.alice.did}/age-proof").json
    about_bob = scene.world.web.get(f"/v1/agents/{scene.bob.did}/age-proof").json
    assert verify_age(about_alice, did=scene.alice.did, key=key).did == scene.alice.did
    with pytest.raises(AgeProofError):
        verify_age(about_alice, did=scene.bob.did, key=key)
    with pytest.raises(InclusionProofError):
        verify_age(about_bob | {"entry": about_alice["entry"]}, did=scene.alice.did, key=key)
    with pytest.raises(ProofCheckpointError):
        verify_age(about_alice | {"oldCheckpoint": about_alice["checkpoint"]}, did=scene.alice.did, key=key)
    grown = about_alice["consistency"]
    with pytest.raises((ConsistencyProofError, ProofCheckpointError)):
        verify_age(
            about_alice | {"consistency": grown | {"proof": [*grown["proof"], "A" * 43]}}, did=scene.alice.did, key=key
        )
    with pytest.raises(RegistryError):
        verify_age(about_alice, did=scene.alice.did, key=NoteKey("other.example", key.public_key))


@pytest.mark.parametrize("name", ["checkpoint", "stateCheckpoint", "entry", "inclusion", "bucket", "proof"])
@pytest.mark.parametrize("value", [None, 7, "", "\ud800", [], {}])
def test_malformed_answers(scene: Scene, name: str, value: Any) -> None:
    """Whatever stands in a member's place, the answer is refused with a code and never believed or crashed over."""
    with pytest.raises(RegistryError):
        scene.about(scene.answer | {name: value})
