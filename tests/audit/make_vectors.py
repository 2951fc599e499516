"""Writes specs/vectors/log: whole small logs as JSON lines, sound ones and copies that are broken in one way each.

Line 1 of a file is its header: description, origin, key (C2SP verifier key), checkpoint (note) and, of a broken log, index
and code of the first entry at fault. Each further line is one entry, byte for byte. Written by
`python -m tests.audit.make_vectors`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.data_integrity import sign_document
from did_methods.keys import KeySigner, SigningKey
from registry.history.sequence import sequence
from registry.history.statement import VerifiedStatement, claimed_time_ms, parse_statement
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.entry import Leaf, encode_leaf, parse_leaf
from registry.log.merkle import derive_root, leaf_hash
from tests.audit.evidence_vectors import evidence_log, forged_ends
from tests.support.identity_log import (
    approval,
    foreign_actor,
    move,
    next_entry,
    observation_document,
    observed,
    take_witnessed,
    with_key,
    witness_rule,
)
from tests.support.logs import DAY_MS, HOUR_MS, ORIGIN, START_MS, Actor, LogBuilder, key_actor, seed
from tests.support.webvh_cases import IDENTITY_KEY

FOLDER = Path(__file__).resolve().parents[2] / "specs" / "vectors" / "log"


@dataclass(frozen=True, slots=True)
class Vector:
    """One log.

    Attributes:
        name: file name without suffix.
        description: what it shows.
        entries: the log.
        note: its checkpoint.
        key: the log's verifier key.
        index, code: of the first entry at fault; None in a sound log.
    """

    name: str
    description: str
    entries: Sequence[bytes]
    note: bytes
    key: str
    index: int | None = None
    code: str | None = None

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        header: dict[str, Any] = {
            "description": self.description,
            "origin": ORIGIN,
            "key": self.key,
            "checkpoint": self.note.decode("utf-8"),
        }
        if self.code is not None:
            header |= {"index": self.index, "code": self.code}
        return b"\n".join([canonicalize(header), *self.entries]) + b"\n"


def live_log() -> tuple[LogBuilder, dict[str, Actor]]:
    """Return a live log with every kind of entry, contexts, a rotation, and an epoch that covers less than all."""
    log = LogBuilder().open(key_actor("olga"))
    olga, alice, bob = log.agent("olga"), log.agent("alice", hosted=True), log.agent("bob", hosted=True)
    log.epoch()
    log.wait(HOUR_MS)
    log.vouch(olga, alice)
    log.vouch(olga, bob, "payments")
    log.passport(alice)
    log.wait()
    log.rotate(alice)
    log.passport(alice)
    covered = log.state.head.size
    log.vouch(alice, bob, "payments")
    carol = log.agent("carol")
    log.epoch(covers=covered)
    vouch = log.vouch(bob, carol)
    log.report(olga, carol, "payments")
    log.revoke(bob, vouch)
    log.wait(HOUR_MS)
    log.set_state("quarantine", carol)
    log.set_state("release", carol)
    log.add(log.root_list_document([olga.did, alice.did]))
    log.epoch()
    log.wait(DAY_MS)
    log.set_state("agent_revocation", carol)
    log.deactivate(bob)
    log.epoch()
    return log, {"olga": olga, "alice": alice, "bob": bob, "carol": carol}


def replay_log() -> LogBuilder:
    """Return a replay: log time 0, then the statements' own times years apart."""
    log = LogBuilder(profile="replay").open(key_actor("olga"))
    olga, alice = log.agent("olga"), log.agent("alice")
    log.epoch()
    log.wait(400 * DAY_MS)
    log.vouch(olga, alice)
    log.wait(30 * DAY_MS)
    log.epoch()
    return log


def identity_log() -> tuple[LogBuilder, dict[str, Actor]]:
    """Return a live log of moves, witnessed entries, an observed DID, and who spoke before and after."""
    log = LogBuilder().open(key_actor("olga"))
    olga, alice, bob = log.agent("olga"), log.agent("alice", hosted=True), log.agent("bob", hosted=True)
    log.epoch()
    log.wait(HOUR_MS)
    log.vouch(olga, alice)
    move(log, alice, "agents.example.com:alice")
    log.wait()
    log.vouch(alice, bob)
    log.vouch(olga, alice, "payments")
    take_witnessed(log, bob, next_entry(log, bob, witness=witness_rule(2, "w1", "w2", "w3")), "w1", "w3")
    log.wait()
    take_witnessed(log, bob, next_entry(log, bob, ttl_s=60), "w3", "w2")
    dora = foreign_actor("dora")
    log.add(observation_document(log, dora.did, observed(dora, "first")))
    log.add(log.registration_document(dora))
    log.wait(HOUR_MS)
    log.vouch(dora, alice)
    log.add(observation_document(log, dora.did, observed(dora, "second")))
    log.vouch(with_key(dora, "second"), bob)
    move(log, alice, "registry.example:agents:anne")
    log.passport(alice)
    log.epoch()
    return log, {"olga": olga, "alice": alice, "bob": bob, "dora": dora}


def note_of(log: LogBuilder, entries: Sequence[bytes]) -> bytes:
    """Sign a checkpoint of these entries."""
    root = derive_root(leaf_hash(data) for data in entries)
    return sign_checkpoint(Checkpoint(ORIGIN, len(entries), root), log.note_key)


def leaf_of(log: LogBuilder, event: dict[str, Any], *, time_ms: int | None = None) -> bytes:
    """Return the leaf that the event would be at the log's end, whoever signed it."""
    statement = parse_statement(event)
    verified = VerifiedStatement(statement, (), claimed_time_ms(statement))
    return sequence(log.state.draft(), verified, time_ms=log.now_ms if time_ms is None else time_ms).data


def framed(log: LogBuilder, event: dict[str, Any], *, time_ms: int | None = None) -> bytes:
    """Return a leaf with the frame of the newest one around an event that the rules would refuse."""
    newest = parse_leaf(log.leaves[-1].data)
    kind = parse_statement(event).kind
    return encode_leaf(Leaf(newest.time_ms if time_ms is None else time_ms, kind, newest.parties, event))


def resigned(event: dict[str, Any], signer: KeySigner, **more: Any) -> dict[str, Any]:
    """Return the event with a proof by another key under the same verification method."""
    proof = event["proof"]
    forger = KeySigner(signer.signing_key, proof["verificationMethod"])
    return sign_document(
        _bare(event), signer=forger, created=START_MS, proof_purpose=proof["proofPurpose"], domain=ORIGIN, **more
    )


def _bare(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "proof"}


def _altered(data: bytes, **changes: Any) -> bytes:
    leaf = parse_leaf(data)
    members = {"time_ms": leaf.time_ms, "kind": leaf.kind, "parties": leaf.parties, "event": leaf.event}
    return encode_leaf(Leaf(**(members | changes)))


def broken() -> list[Vector]:
    """Return the broken logs."""
    log, people = live_log()
    good = log.entries
    found: list[Vector] = []

    def add(name: str, description: str, entries: Sequence[bytes], index: int | None, code: str, **more: Any) -> None:
        members = {"note": note_of(log, entries), "key": log.log_key} | more
        found.append(Vector(name, description, entries, index=index, code=code, **members))

    def change(at: int, data: bytes) -> list[bytes]:
        return [*good[:at], data, *good[at + 1 :]]

    vouch = next(leaf.index for leaf in log.leaves if leaf.kind == "vouch")
    revocation = next(leaf.index for leaf in log.leaves if leaf.kind == "revocation")
    registration = next(leaf.index for leaf in log.leaves if leaf.kind == "registration")
    edited = change(vouch, good[vouch].replace(b'"strength":80', b'"strength":81'))
    add(
        "edited-strength",
        "One digit of a vouch changed; tree and checkpoint made anew.",
        edited,
        vouch,
        "proof_invalid",
    )
    add("edited-under-old-checkpoint", "The same under the old checkpoint: the root differs too.", edited, vouch,
        "proof_invalid", note=log.checkpoint())  # fmt: skip
    add("truncated", "The newest entry is missing under the old checkpoint.", good[:-1], None, "entries_missing",
        note=log.checkpoint())  # fmt: skip
    add("checkpoint-by-another-key", "The checkpoint is signed by a key of the same name.", good, None,
        "note_unverified",
        note=sign_checkpoint(Checkpoint(ORIGIN, len(good), bytes(32)), SigningKey(seed("another", "log-note"))))  # fmt: skip
    swapped = [*good[:vouch], good[vouch + 1], good[vouch], *good[vouch + 2 :]]
    add("swapped", "Two vouches of one agent in the other order.", swapped, vouch, "leaf_mismatch")
    add("deleted", "An entry left out: the next one of its subject names one that is not there.",
        [*good[:vouch], *good[vouch + 1 :]], vouch, "leaf_mismatch")  # fmt: skip
    add("repeated", "An entry is there twice.", [*good[: vouch + 1], *good[vouch:]], vouch + 1, "event_repeated")
    add("chain-count", "A chain counts one too many.", change(vouch, _altered(good[vouch], parties=_counted(good[vouch]))),
        vouch, "leaf_mismatch")  # fmt: skip
    add("other-kind", "A vouch is called a report.", change(vouch, _altered(good[vouch], kind="report")), vouch,
        "leaf_mismatch")  # fmt: skip
    add("white-space", "A blank in an entry: the same JSON, another leaf.",
        change(vouch, good[vouch].replace(b'"kind":', b'"kind": ')), vouch, "leaf_not_canonical")  # fmt: skip
    third = [leaf.index for leaf in log.leaves if leaf.kind == "vouch"][2]
    early = parse_leaf(good[third - 1]).time_ms - 1
    add("time-backwards", "Log time goes back.", change(third, _altered(good[third], time_ms=early)), third,
        "log_time_backwards")  # fmt: skip
    late = parse_leaf(good[vouch]).time_ms + 600_001
    add("logged-too-late", "A vouch signed more than ten minutes before its log time.",
        change(vouch, _altered(good[vouch], time_ms=late)), vouch, "created_too_old")  # fmt: skip
    event = resigned(parse_leaf(good[registration]).event, log.registry.signer, challenge="challenge-5")
    add("registration-by-another-key", "The registry registers an agent in its name.",
        change(registration, _altered(good[registration], event=event)), registration, "proof_invalid")  # fmt: skip
    add("no-genesis", "The log begins with its second entry.", good[1:], 0, "genesis_invalid")
    add("dangling-revocation", "A revocation of what was never said.",
        [*good[:revocation], _renamed(good[revocation], log, people["bob"])], revocation, "nothing_to_revoke")  # fmt: skip
    _add_forged_ends(log, people, add)
    stranger = replace(log, name="stranger")
    add("key-not-pinned", "Checkpoint and key are another log's than entry 0 says.", good, 0, "log_key_not_pinned",
        note=note_of(stranger, good), key=stranger.log_key)  # fmt: skip
    found.append(_replay_with_chosen_time())
    return found + _broken_identity() + _broken_evidence()


def _broken_evidence() -> list[Vector]:
    """Return logs that end in one entry of evidence that the operator should have refused."""
    log, people = evidence_log()
    log.wait()
    found = []
    for name, text, event, code in forged_ends(log, people):
        entries = [*log.entries, framed(log, event, time_ms=log.now_ms)]
        found.append(Vector(name, text, entries, note_of(log, entries), log.log_key, len(entries) - 1, code))
    return found


def _broken_identity() -> list[Vector]:
    """Return logs that end in one entry about names, witnesses or observed keys that the operator should have refused."""
    log, people = identity_log()
    log.wait()
    alice, bob, dora, end = people["alice"], people["bob"], people["dora"], len(log.entries)
    before = Actor(log.state.canonical_did(alice.did), alice.signer, "alice")
    before.signer = KeySigner(alice.signer.signing_key, f"{before.did}#key-1")
    entry, state = next_entry(log, bob, ttl_s=120)
    proofs = log.draft_with(log.state.draft(), approval(state.version_id, ["w1", "w2"], now_ms=log.now_ms)).data
    few = log.draft_with(log.state.draft(), approval(state.version_id, ["w1"], now_ms=log.now_ms)).data
    forged = observation_document(log, dora.did, observed(dora, "first"), signer=alice.signer)
    weak = [replace(observed(dora, "third")[0], multikey=IDENTITY_KEY)]

    def end_with(event: dict[str, Any]) -> bytes:
        return framed(log, event, time_ms=log.now_ms)

    ends: list[tuple[str, str, list[bytes], str]] = [
        ("moved-then-old-name", "A moved agent's key signs under the name that the agent had before.",
         [end_with(log.vouch_document(before, people["olga"]))], "verification_method_not_found"),
        ("entry-without-witnesses", "An entry whose log is under witnesses comes without their proofs.",
         [end_with(entry)], "webvh_witness_missing"),
        ("too-few-witnesses", "One witness approved where two are needed.",
         [few, end_with(entry)], "webvh_witness_missing"),
        ("witness-proofs-then-vouch", "Another entry comes between witness proofs and what they approve.",
         [proofs, end_with(log.vouch_document(alice, bob, "payments"))], "did_witness_out_of_order"),
        ("observation-by-an-agent", "An agent puts a key under the DID of another one.",
         [end_with(forged)], "signer_not_entitled"),
        ("observation-of-a-hosted-did", "The registry puts a key under a DID whose keys follow from the log.",
         [end_with(observation_document(log, bob.did, observed(bob, "x")))], "observation_subject"),
        ("observation-of-a-weak-key", "An observed key is the identity point, under which anybody can sign.",
         [end_with(observation_document(log, dora.did, weak))], "key_small_order"),
    ]  # fmt: skip
    return [
        Vector(
            name, text, entries := [*log.entries, *more], note_of(log, entries), log.log_key, end + len(more) - 1, code
        )
        for name, text, more, code in ends
    ]


def _add_forged_ends(log: LogBuilder, people: dict[str, Actor], add: Callable[..., None]) -> None:
    """Add logs that end in one entry that the operator forged, everything else made to fit."""
    good, end = log.entries, len(log.entries)
    vouch = log.vouch_document(people["alice"], people["olga"])
    method = people["alice"].signer.verification_method

    def signed_by(signer: KeySigner) -> dict[str, Any]:
        return sign_document(_bare(vouch), signer=signer, created=log.now_ms, domain=ORIGIN)

    forged = signed_by(KeySigner(log.registry.signer.signing_key, method))
    add("vouch-by-the-registry", "The registry vouches in an agent's name.", [*good, leaf_of(log, forged)], end,
        "proof_invalid")  # fmt: skip
    own = signed_by(log.registry.signer)
    add("vouch-under-the-registrys-key", "The same under the registry's own verification method.",
        [*good, leaf_of(log, own)], end, "issuer_key_mismatch")  # fmt: skip
    rotated = signed_by(KeySigner(SigningKey(seed("alice", "signing", 0)), method))
    add("rotated-out-key", "A vouch under a key that was replaced before.", [*good, leaf_of(log, rotated)], end,
        "proof_invalid")  # fmt: skip
    add("epoch-with-other-votes", "An epoch commits to what the log does not give.",
        [*good, framed(log, log.epoch_document(commitment=bytes(32)))], end, "epoch_commitment_mismatch")  # fmt: skip
    add("epoch-beyond-itself", "An epoch claims to cover more than there is.",
        [*good, framed(log, log.epoch_document(tree_size=end + 1))], end, "registry_statement_out_of_order")  # fmt: skip
    add("quarantine-by-an-agent", "An agent suspends another.",
        [*good, framed(log, log.state_document("quarantine", people["olga"].did, signer=people["alice"].signer))], end,
        "signer_not_entitled")  # fmt: skip
    add("vouch-for-a-stranger", "A vouch for a DID that is not registered.",
        [*good, framed(log, log.vouch_document(people["olga"], key_actor("stranger")))], end, "agent_unknown")  # fmt: skip
    add("second-genesis", "A log has one genesis.", [*good, framed(log, log.genesis_document())], end,
        "genesis_invalid")  # fmt: skip


def _counted(data: bytes) -> tuple[Any, ...]:
    first, *others = parse_leaf(data).parties
    return (replace(first, count=first.count + 1), *others)


def _renamed(data: bytes, log: LogBuilder, actor: Actor) -> bytes:
    """Return a revocation leaf that names another event, signed by its issuer."""
    event = parse_leaf(data).event
    bare = _bare(event)
    bare["credentialSubject"] = bare["credentialSubject"] | {"event": "A" * 43}
    created = parse_leaf(data).time_ms
    return _altered(data, event=sign_document(bare, signer=actor.signer, created=created, domain=ORIGIN))


def _replay_with_chosen_time() -> Vector:
    log = replay_log()
    at = next(leaf.index for leaf in log.leaves if leaf.kind == "vouch")
    entries = log.entries
    entries[at] = _altered(entries[at], time_ms=parse_leaf(entries[at]).time_ms + 1_000)
    return Vector(
        "replay-time-chosen", "In a replay, log time is the statement's own.", entries, note_of(log, entries),
        log.log_key, at, "replay_time_mismatch",
    )  # fmt: skip


def sound() -> list[Vector]:
    """Return the sound logs."""
    live, replay, identity, evidence = live_log()[0], replay_log(), identity_log()[0], evidence_log()[0]
    return [
        Vector("live", "Every kind of entry; an epoch that covers less than all; a rotation; contexts.", live.entries,
               live.checkpoint(), live.log_key),
        Vector("replay", "Log time is each statement's own, from 0.", replay.entries, replay.checkpoint(), replay.log_key),
        Vector("identity", "Agents that move, entries under witnesses, keys that were observed elsewhere.",
               identity.entries, identity.checkpoint(), identity.log_key),
        Vector("evidence", "Badges, receipts, records, attestations, disputes and rulings, and what is withdrawn of them.",
               evidence.entries, evidence.checkpoint(), evidence.log_key),
    ]  # fmt: skip


def vectors() -> dict[str, bytes]:
    """Return all files by path below the folder."""
    named = [("valid", one) for one in sound()] + [("invalid", one) for one in broken()]
    return {f"{folder}/{one.name}.jsonl": one.to_bytes() for folder, one in named}


if __name__ == "__main__":
    for path, content in vectors().items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_bytes(content)
