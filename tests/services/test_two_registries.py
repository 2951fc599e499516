"""Two registries on one machine witness each other, over HTTP, and neither can show two histories."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.split_view import parse_split_view, verify_split_view
from registry.log.witness_policy import WitnessPolicy, parse_policy, verify_witnessed
from registry.services.cosigning import Timing
from registry.services.witnessing import WitnessSettings, open_witnessing
from tests.support.publication import published, wait_for
from tests.support.registry import OPERATOR, World, open_world, serve


@dataclass(slots=True)
class Pair:
    """Two registries that name each other in their policies.

    Attributes:
        worlds: both.
        policies: as readers have them, the log's own key included.
    """

    worlds: list[World]
    policies: list[WitnessPolicy]


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """Open two registries, serve them, and let each watch the other."""
    with ExitStack() as stack:
        worlds = [
            stack.enter_context(open_world(folder / name, public_url=f"https://{name}.localhost:8000"))
            for name in ("north", "south")
        ]
        urls = [stack.enter_context(serve(world.app)) for world in worlds]
        made = Pair(worlds, [])
        for own, other, url in ((worlds[0], worlds[1], urls[1]), (worlds[1], worlds[0], urls[0])):
            witness_key = other.registry.witnessing.role.cosigner.key.to_text()
            text = f"log {own.registry.genesis.log_key}\nwitness other {witness_key} {url}\nquorum other\n"
            (folder / "policy").write_text(text)
            made.policies.append(parse_policy(text.encode()))
            _rewire(own, folder / "policy")
        for own, other in ((worlds[0], worlds[1]), (worlds[1], worlds[0])):
            body = {"verifier_key": other.registry.genesis.log_key}
            assert own.web.post("/v1/witness/logs", body, headers=OPERATOR).status == 201
        try:
            yield made
        finally:
            for world in worlds:
                world.registry.witnessing.publisher.stop()


def _rewire(world: World, policy: Path) -> None:
    """Give a running registry a policy; a real one is started again for it."""
    registry = world.registry
    registry.witnessing.publisher.stop()
    registry.witnessing = open_witnessing(
        WitnessSettings(policy, interval_ms=50, timing=Timing(pause_most_ms=200)),
        genesis=registry.genesis,
        log=registry.log,
        entries=registry.store,
        database=registry.database,
        cosigning_key=registry.witnessing.role.cosigner.signing_key,  # type: ignore[arg-type]
        clock=registry.clock,
    )
    registry.log._published = None
    registry.witnessing.publisher.start()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Pair]:
    """A pair for one test."""
    with pair(tmp_path) as made:
        yield made


def test_each_publishes_what_the_other_has_cosigned(both: Pair) -> None:
    """Both grow side by side; every checkpoint that is served verifies under the policy, from outside."""
    for round_number in range(3):
        for world, policy in zip(both.worlds, both.policies, strict=True):
            world.agent(f"agent{round_number}", short_lived=True)
            wait_for(lambda world=world: published(world) == world.size)  # type: ignore[misc]
            seen = verify_witnessed(world.web.get("/checkpoint").body, policy)
            assert seen.checkpoint.checkpoint.size == world.size
    for own, other in (both.worlds, both.worlds[::-1]):
        monitored = other.web.get(f"/{sha256(own.origin.encode()).hexdigest()}/checkpoint")
        assert monitored.body.startswith(f"{own.origin}\n{own.size}\n".encode())


def test_a_proof_file_carries_the_cosignature(both: Pair) -> None:
    """The .tlog-proof of an entry has the witness's line in it, so whoever holds the file needs nobody."""
    world, policy = both.worlds[0], both.policies[0]
    world.agent("alice", short_lived=True)
    wait_for(lambda: published(world) == world.size)
    answer = world.web.get("/v1/log/proof/inclusion?index=3", headers={"accept": "text/plain"})
    note = answer.body.split(b"\n\n", 1)[1]
    assert verify_witnessed(note, policy).checkpoint.checkpoint.size == world.size


def test_a_stolen_log_key_is_found_out(both: Pair) -> None:
    """Whoever holds the key of a log and not its history gets no cosignature, and leaves evidence when it is shown."""
    victim, witness = both.worlds
    victim.agent("alice", short_lived=True)
    wait_for(lambda: published(victim) == victim.size)
    key = victim.registry.log.signer.note_signer
    for size in (victim.size, victim.size + 5):
        note = sign_checkpoint(Checkpoint(victim.origin, size, sha256(b"other").digest()), key.signing_key)
        body = f"old {victim.size}\n\n".encode() + note
        assert witness.web.post("/add-checkpoint", body, headers={"content-type": "text/plain"}).status == 422
    listed = witness.web.get("/v1/evidence").json["evidence"]
    evidence = witness.web.get(f"/v1/evidence/{listed[0]['id']}").body
    assert verify_split_view(parse_split_view(evidence), key=key.key).origin == victim.origin


def test_when_both_were_away_they_catch_up(both: Pair) -> None:
    """A witness that was told to watch later, and one that forgot nothing, go on from the size they know."""
    own, other = both.worlds
    assert other.web.send("DELETE", f"/v1/witness/logs?origin={own.origin}", headers=OPERATOR).status == 200
    for name in ("a", "b", "c"):
        own.agent(name, short_lived=True)
    own.registry.log.sign_if_grown()
    assert published(own) < own.size == own.registry.log.signed_head.size
    body = {"verifier_key": own.registry.genesis.log_key}
    assert other.web.post("/v1/witness/logs", body, headers=OPERATOR).status == 201
    wait_for(lambda: published(own) == own.size)
