"""A registry with something in every table that stands beside its log, and what becomes of it after a restart.

Each probe looks at what a table is for, and says in one word what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from did_methods.codec import base64url_encode
from did_methods.data_integrity import event_id
from did_methods.errors import BonafidesError
from registry.adapters.erasure_keys import FolderErasureKeys
from registry.client.states import StateReader
from registry.client.transport import Transport
from registry.client.view import RegistryView
from registry.credentials.commitments import make_disclosure
from registry.decisions.verdict import replay
from registry.log.cosignature import verify_cosignature
from registry.log.note import parse_note
from registry.log.witness import claimed_checkpoint
from registry.storage.status import ListKind, Place
from tests.support.actor import Actor
from tests.support.publication import published, wait_for
from tests.support.registry import OPERATOR, ManualClock, World, event_text, open_world, serve
from tests.support.state_map import publish_state
from tests.support.witnesses import MadeUpLog, MadeUpWitness, Reply, forked, made_up_witness

LOG = MadeUpLog()


@dataclass(frozen=True, slots=True)
class Side:
    """A stopped registry on the disk.

    Attributes:
        data: its folder.
        clock: its clock.
        policy: its witness policy: both of two witnesses cosign its log and its state log.
        witnesses: they run.
        alice, bob: agents.
        kept, erased: event ids and commitments of two vouches with openings; the second one's are erased.
        opening: text of the first one's opening.
        status: where a status of 1 stands.
        decision: id of a decision.
        size: of the log.
    """

    data: Path
    clock: ManualClock
    policy: Path
    witnesses: tuple[MadeUpWitness, MadeUpWitness]
    alice: Actor
    bob: Actor
    kept: bytes
    erased: bytes
    opening: str
    status: Place
    decision: str
    size: int


@contextmanager
def made_side(folder: Path) -> Iterator[Side]:
    """Make it; its witnesses answer until the end."""
    data, clock, policy = folder / "data", ManualClock(), folder / "policy"

    def cosigns(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
        return Reply(body=witness.line(body, time_s=clock.now_ms() // 1_000))

    with ExitStack() as stack:
        witnesses = tuple(stack.enter_context(made_up_witness(cosigns, seed=seed)) for seed in (1, 2))
        with open_world(data, on_disk=True, clock=clock) as world:
            alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
            log, state_log = world.registry.genesis.log_key, world.registry.state_map.log.verifier_key
        lines = [f"witness W{n} {one.cosigner.key.to_text()} {one.url}" for n, one in enumerate(witnesses)]
        policy.write_text(
            "\n".join([f"log {log}", f"log {state_log}", *lines, "group both all W0 W1", "quorum both\n"])
        )
        with open_world(data, on_disk=True, clock=clock, witness_policy=policy) as world:
            kept, opening = _vouch(world, alice, bob)
            erased, _ = _vouch(world, alice, bob)
            done = world.web.post("/v1/erasures", {"event": event_text(erased)}, headers=OPERATOR)
            assert done.status == 201, done
            decision = world.decide(alice.request("read"))["context"]["evaluation_id"]
            status = _status(world)
            role = world.registry.witnessing.role
            role.add_log(LOG.key)
            for old, size in ((0, 5), (5, 9)):
                role.add_checkpoint(LOG.request(old, size), source=None)
            publish_state(world)
            size = world.size
        ids = event_id(kept), event_id(erased)
        two = witnesses[0], witnesses[1]
        yield Side(data, clock, policy, two, alice, bob, *ids, opening, status, str(decision), size)


def _vouch(world: World, alice: Actor, bob: Actor) -> tuple[dict[str, object], str]:
    opening = make_disclosure("note", "Ada Lovelace", salt=uuid4().bytes * 2)
    document = alice.vouch(bob.did, context=f"c{world.size}", commitments=[opening.digest])
    answer = world.submit({"event": document, "openings": [opening.text]})
    assert answer.status == 201, answer
    return document, opening.text


def _status(world: World) -> Place:
    store = world.registry.credential_room.status_store
    kind = ListKind("did:example:issuer", "revocation")
    place, _ = store.allocate([(kind, b"a" * 32), (kind, b"b" * 32)], now_ms=world.clock.now_ms())
    store.set_values([(place, 1)], check=lambda *_: None, now_ms=world.clock.now_ms(), by="operator")
    return place


# ---------------------------------------------------------------- probes


def opening(world: World, side: Side) -> str:
    """Say what the operator is shown of the opening that is kept."""
    texts = _shown(world, side.kept)
    return {(): "withheld", (side.opening,): "shown"}.get(tuple(texts), "FORGED")


def erased(world: World, side: Side) -> str:
    """Say what is left of the opening that was erased."""
    keys = FolderErasureKeys(side.data / "erasure-keys")
    return "LEFT" if _shown(world, side.erased) or keys.has_event(side.erased) else "gone"


def erasing(world: World, side: Side) -> str:
    """Erase the other one too, and say what is left as soon as that is answered."""
    body = {"event": event_text_of(side.kept)}
    answer = world.web.post("/v1/erasures", body, headers=OPERATOR)
    keys = FolderErasureKeys(side.data / "erasure-keys")
    return f"{answer.status} " + ("LEFT" if _shown(world, side.kept) or keys.has_event(side.kept) else "gone")


def checkpoint(world: World, side: Side) -> str:
    """Say who stands under the newest checkpoint, at once and after its witnesses were asked again."""
    _check_lines(world, side)
    world.registry.witnessing.publisher.run_once()
    wait_for(lambda: published(world) == side.size)
    return _check_lines(world, side)


def quorum(world: World, side: Side) -> str:
    """Let the log grow while the second witness is silent, and say whether that is published."""
    before, side.witnesses[1].reply = side.witnesses[1].reply, lambda *_: Reply(500)
    try:
        world.agent("later", short_lived=True)
        world.registry.log.sign_if_grown()
        is_published = world.registry.witnessing.publisher.run_once()
    finally:
        side.witnesses[1].reply = before
    return "PUBLISHED" if is_published or published(world) > side.size else "waits"


def state(world: World, side: Side) -> str:
    """Say what a reader who verifies everything is told of alice."""
    with serve(world.app) as url:
        reader = StateReader(RegistryView(Transport(url)), now_ms=side.clock.now_ms())
        try:
            found = reader.agent(side.alice.did).record
        except BonafidesError as error:
            return str(error.params.get("code", error.code))
    assert found is not None
    return "proved" if (found["state"], found["did"]) == ("active", side.alice.did) else "FORGED"


def grown_state(world: World, side: Side) -> str:
    """Let the log grow, and say what is told of alice then."""
    world.submit(world.operator.vouch(side.alice.did))
    world.registry.log.sign_if_grown()
    world.registry.witnessing.publisher.run_once()
    for _ in range(100):
        world.registry.state_map.advance()
        if world.registry.state_map.keeper.covers == world.size:
            break
        time.sleep(0.02)
    return state(world, side)


def witness(world: World, side: Side) -> str:
    """Ask for a cosignature of a fork, then of the log as it goes on; say how the latter was answered."""
    role = world.registry.witnessing.role
    for old, size in ((9, 12), (5, 12), (0, 12)):
        try:
            role.add_checkpoint(forked(3).request(old, size), source=None)
        except BonafidesError:
            continue
        return "FORKED"
    try:
        role.add_checkpoint(LOG.request(9, 9), source=None)
        role.add_checkpoint(LOG.request(9, 12), source=None)
    except BonafidesError as error:
        return f"{error.code}, {len(role.evidence())} times accused"
    return "cosigned"


def monitoring(world: World, _side: Side) -> str:
    """Say what is read at the monitoring address of the witnessed log."""
    role = world.registry.witnessing.role
    try:
        note = role.newest(_origin_hash())
    except BonafidesError as error:
        return error.code
    line = parse_note(note).signatures[-1]
    try:
        verify_cosignature(line, claimed_checkpoint(note), role.cosigner.key)
    except BonafidesError as error:
        return f"{error.code} for readers"
    return "cosigned"


def status(world: World, side: Side) -> str:
    """Say which status stands."""
    shard = world.registry.credential_room.status_store.find(side.status.shard)
    return "none" if shard is None else str(shard.value(side.status.position))


def decision(world: World, side: Side) -> str:
    """Say whether the recorded decision still follows from its facts."""
    stored = world.registry.recorder.find(side.decision)
    if stored is None:
        return "none"
    try:
        same = replay(stored.record, world.registry.decisions.pack) == stored.record
    except BonafidesError as error:
        return error.code
    return "same" if same else "another"


def writing(world: World, side: Side) -> str:
    """Say how a new statement is answered."""
    answer = world.submit(world.operator.vouch(side.alice.did))
    return "taken" if answer.status == 201 else answer.code


Probe = Callable[[World, Side], str]


def event_text_of(event: bytes) -> str:
    """Return an event id as it stands in addresses."""
    return base64url_encode(event)


def _shown(world: World, event: bytes) -> list[str]:
    answer = world.web.get(f"/v1/events/{event_text_of(event)}/openings", headers=OPERATOR)
    assert answer.status == 200, answer
    return list(answer.json["openings"])


def _check_lines(world: World, side: Side) -> str:
    answer = world.web.get("/checkpoint")
    if answer.status != 200:
        return str(answer.code)
    head = claimed_checkpoint(answer.body)
    keys = {(one.cosigner.key.name, one.cosigner.key.key_id): one.cosigner.key for one in side.witnesses}
    lines = parse_note(answer.body).signatures
    found = [
        verify_cosignature(line, head, keys[line.name, line.key_id])
        for line in lines
        if (line.name, line.key_id) in keys
    ]
    return f"{len(found)} cosigned"


def _origin_hash() -> str:
    return sha256(LOG.origin.encode()).hexdigest()
