"""Hosted DIDs in a `World`: logs with witnesses, moves, and the requests that append to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from did_methods.keys import KeySigner
from did_methods.webvh_create import append_entry, create_entry, did_template, document_template, move_document
from did_methods.webvh_parameters import next_key_hash
from did_methods.webvh_witness import WitnessRule, sign_witness_proof
from tests.support.actor import HOST, PORT, Actor, seeded
from tests.support.asgi import Answer
from tests.support.registry import World


def witness_did(name: str) -> str:
    """Return the did:key of a witness."""
    return f"did:key:{seeded(f'witness {name}').public_key.multikey}"


def rule(threshold: int, *names: str) -> WitnessRule:
    """Return a witness parameter."""
    return WitnessRule(threshold, tuple(map(witness_did, names)))


def approval(entry: dict[str, Any], *names: str, now_ms: int) -> dict[str, Any]:
    """Return the witnesses' proofs of an entry, as it is sent along with it."""
    version = entry["versionId"]
    proofs = [sign_witness_proof(version, seeded(f"witness {name}"), created_ms=now_ms) for name in names]
    return {"versionId": version, "proof": proofs}


def hosted(world: World, name: str, *, host: str = HOST, port: int | None = PORT, **parameters: Any) -> Actor:
    """Make an agent with a did:webvh whose first entry has these parameters; not registered."""
    signing = seeded(f"{name} signing 0")
    entry, state = create_entry(
        document_template(did_template(host, port=port, path=("agents", name)), [signing.public_key]),
        update_key=seeded(f"{name} update 0"),
        next_key_hashes=[next_key_hash(seeded(f"{name} update 1").public_key.multikey)],
        version_time_ms=world.clock.now_ms(),
        **parameters,
    )
    signer = KeySigner(signing, f"{state.did}#key-1")
    return Actor(state.did, signer, world.clock, world.origin, name, [entry], state)


def twin(actor: Actor) -> Actor:
    """Return the same agent once more: what one of them makes next, the other does not know of."""
    return replace(actor, entries=list(actor.entries))


def next_entry(actor: Actor, document: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Make an agent's next entry with the same signing keys: another document, other parameters."""
    assert actor.state is not None
    actor.generation += 1
    entry, actor.state = append_entry(
        actor.state,
        actor.state.raw_document if document is None else document,
        update_key=seeded(f"{actor.name} update {actor.generation}"),
        next_key_hashes=[next_key_hash(seeded(f"{actor.name} update {actor.generation + 1}").public_key.multikey)],
        version_time_ms=actor._next_version_ms(),
        **changes,
    )
    actor.entries.append(entry)
    actor.did = actor.state.did
    fragment = actor.signer.verification_method.partition("#")[2]
    actor.signer = KeySigner(actor.signer.signing_key, f"{actor.did}#{fragment}")
    return entry


def move(actor: Actor, place: str) -> dict[str, Any]:
    """Make the entry that moves an agent; ``place`` is what follows the SCID in its new DID."""
    assert actor.state is not None
    return next_entry(actor, move_document(actor.state, f"did:webvh:{actor.state.scid}:{place}"))


def append(world: World, did: str, body: dict[str, Any], *, after: str | None = None, **more: Any) -> Answer:
    """Append to a hosted log, if its newest version is the one given."""
    headers = {} if after is None else {"if-match": f'"{after}"'}
    return world.web.post(f"/v1/agents/{quote(did, safe='')}/did-log", body, headers=headers, **more)


def file(world: World, name: str, *, slug: str = "alice", **headers: str) -> Answer:
    """Get a file of a hosted agent; ``if_none_match`` is the header of that name."""
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return world.web.get(f"/agents/{slug}/{name}", headers=sent)


def witnessed(world: World, name: str = "alice", *witnesses: str) -> Actor:
    """Register an agent whose entries need one of these witnesses."""
    names = witnesses or ("w1",)
    actor = hosted(world, name, witness=rule(1, *names))
    assert register_witnessed(world, actor, names[:1]).status == 201
    return actor


def register_witnessed(world: World, actor: Actor, names: Sequence[str]) -> Answer:
    """Register an agent whose first entry asks for witnesses."""
    body = actor.registration(world.challenge())
    witness = approval(actor.entries[0], *names, now_ms=world.clock.now_ms())
    return world.web.post("/v1/agents", body | {"witness": witness})
