"""Identity events on a `LogBuilder`'s log: moves, witnessed entries, observed keys, entries of any content."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from did_methods.canonical import sha256_jcs
from did_methods.codec import base64url_encode
from did_methods.keys import KeySigner, SigningKey
from did_methods.timestamp import format_timestamp
from did_methods.webvh_create import append_entry, document_template, move_document
from did_methods.webvh_parameters import next_key_hash
from did_methods.webvh_state import WebvhState
from did_methods.webvh_witness import WitnessRule, sign_witness_proof
from registry.credentials.issue_registry import issue_key_observation
from registry.history.observation import ObservedKey, observation_subject
from registry.history.sequence import SequencedLeaf
from tests.support.logs import ORIGIN, Actor, LogBuilder, seed

PURPOSES = ("assertionMethod", "authentication")


def update_key(actor: Actor, turn: int) -> SigningKey:
    """Return an actor's update key of that turn; 0 signed the first entry."""
    return SigningKey(seed(actor.name, "update", turn))


def next_entry(
    log: LogBuilder, actor: Actor, *, document: dict[str, Any] | None = None, **changes: Any
) -> tuple[dict[str, Any], WebvhState]:
    """Make an actor's next entry: its committed key signs, the next one is committed; the document as given."""
    assert actor.webvh is not None
    turn = actor.rotations + 1
    arguments: dict[str, Any] = {
        "update_key": update_key(actor, turn),
        "next_key_hashes": [next_key_hash(update_key(actor, turn + 1).public_key.multikey)],
        "version_time_ms": log.now_ms,
    }
    if not actor.webvh.next_key_hashes:  # pre-rotation is off: the key in force signs
        arguments = {"update_key": update_key(actor, actor.rotations), "version_time_ms": log.now_ms}
    return append_entry(
        actor.webvh, actor.webvh.raw_document if document is None else document, **(arguments | changes)
    )


def take(log: LogBuilder, actor: Actor, made: tuple[dict[str, Any], WebvhState]) -> SequencedLeaf:
    """Log an actor's entry and go on from there; a new DID becomes the actor's."""
    leaf = log.add(made[0])
    adopt(actor, made[1])
    return leaf


def adopt(actor: Actor, state: WebvhState, *, signing: SigningKey | None = None) -> None:
    """Let an actor go on from an entry that is logged: under its name, with its update key and signing key."""
    rotated = state.update_keys == (update_key(actor, actor.rotations + 1).public_key.multikey,)
    actor.rotations += 1 if rotated else 0
    fragment = actor.signer.verification_method.partition("#")[2]
    actor.signer = KeySigner(signing or actor.signer.signing_key, f"{state.did}#{fragment}")
    actor.webvh, actor.did = state, state.did


def take_witnessed(
    log: LogBuilder, actor: Actor, made: tuple[dict[str, Any], WebvhState], *names: str
) -> tuple[SequencedLeaf, SequencedLeaf]:
    """Log the approvals of an actor's entry by these witnesses, and then the entry."""
    proofs = log.add(approval(made[1].version_id, names, now_ms=log.now_ms))
    return proofs, take(log, actor, made)


def move(log: LogBuilder, actor: Actor, place: str) -> SequencedLeaf:
    """Move an actor's log: ``place`` is what follows the SCID in the new DID."""
    assert actor.webvh is not None
    document = move_document(actor.webvh, f"did:webvh:{actor.webvh.scid}:{place}")
    return take(log, actor, next_entry(log, actor, document=document))


def sign_with(actor: Actor, *keys: str) -> dict[str, Any]:
    """Return an actor's document with signing keys of these names."""
    return document_template(actor.did, [SigningKey(seed(actor.name, key)).public_key for key in keys])


def witness_key(name: str) -> SigningKey:
    """Return the key of a witness."""
    return SigningKey(seed("witness", name))


def witness_did(name: str) -> str:
    """Return the did:key of a witness."""
    return f"did:key:{witness_key(name).public_key.multikey}"


def witness_rule(threshold: int, *names: str) -> WitnessRule:
    """Return a witness parameter."""
    return WitnessRule(threshold, tuple(map(witness_did, names)))


def approval(version_id: str, names: Sequence[str], *, now_ms: int) -> dict[str, Any]:
    """Return the approvals of a version by these witnesses, as a log takes them."""
    proofs = [sign_witness_proof(version_id, witness_key(name), created_ms=now_ms) for name in names]
    return {"versionId": version_id, "proof": proofs}


def observed(actor: Actor, *names: str) -> list[ObservedKey]:
    """Return an actor's keys of these names as seen in a document elsewhere."""
    return [
        ObservedKey(f"{actor.did}#{name}", SigningKey(seed(actor.name, name)).public_key.multikey, PURPOSES)
        for name in names
    ]


def observation_document(log: LogBuilder, did: str, keys: Sequence[ObservedKey], **changes: Any) -> dict[str, Any]:
    """Make a key observation by the registry."""
    subject = observation_subject(
        did,
        keys,
        document_digest=base64url_encode(sha256_jcs({"id": did})),
        source="https",
        observed=format_timestamp(log.now_ms),
    )
    members: dict[str, Any] = {
        "signer": log.registry.signer,
        "subject": subject,
        "uuid": log.uuid(),
        "now_ms": log.now_ms,
        "domain": ORIGIN,
    }
    return issue_key_observation(**(members | changes))


def foreign_actor(name: str, *, host: str = "elsewhere.example", key: str = "first") -> Actor:
    """Return a did:web identity of another host."""
    did = f"did:web:{host}:{name}"
    return Actor(did, KeySigner(SigningKey(seed(name, key)), f"{did}#{key}"), name)


def with_key(actor: Actor, key: str) -> Actor:
    """Return the same identity, signing with another key."""
    return replace(actor, signer=KeySigner(SigningKey(seed(actor.name, key)), f"{actor.did}#{key}"))
