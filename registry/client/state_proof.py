"""Verifying what a registry says of states, without believing it: presence, absence, liveness, keys, whole chains.

Everything rests on two keys, that of the log and that of the state log, and on the witnesses that the reader trusts. What a
witness vouches for is that the state log only grows; that its maps are right is what a replay shows (`log_replay`).

Spec: specs/state-map.md "Answers", "Whose word it is"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode
from did_methods.codec_errors import CodecError
from did_methods.errors import DidError
from registry.client.state_errors import (
    ChainIncompleteError,
    KeyNotCurrentError,
    StateAbsentError,
    StateAnswerError,
    StateCheckpointError,
    StateOldError,
    StatePresentError,
    StateRecordError,
    StateRulesError,
)
from registry.log.checkpoint import VerifiedCheckpoint, verify_checkpoint
from registry.log.cosignature import Cosignature, verify_cosignatures
from registry.log.entry import Leaf, parse_leaf
from registry.log.merkle import leaf_hash
from registry.log.note import NoteKey, parse_note
from registry.log.proof import parse_inclusion, verify_inclusion_proof
from registry.log.state_map import StateEntry, parse_map_proof, parse_state_entry, state_digest, verify_map_proof
from registry.log.state_subject import DID_STATE_FORMAT, STATEMENT_STATE_FORMAT, event_subject
from registry.log.witness_policy import QuorumMissingError, WitnessPolicy

RULES = 1
"""The version of the rules by which maps follow from entries that this verifier knows."""


@dataclass(frozen=True, slots=True)
class StateTrust:
    """Whom a reader of states trusts, and how old an answer may be.

    Attributes:
        key: of the main log; its name is the origin.
        state_key: of the state log.
        now_ms: the reader's time, milliseconds since the epoch.
        policy: witnesses and their quorum; None trusts the registry alone not to show two logs.
        min_size: main log size that the reader has seen before; an answer about less is refused.
        max_age_ms: how long ago a quorum may have seen the state log as its newest; None asks for no time.
    """

    key: NoteKey
    state_key: NoteKey
    now_ms: int
    policy: WitnessPolicy | None = None
    min_size: int = 0
    max_age_ms: int | None = None


@dataclass(frozen=True, slots=True)
class VerifiedState:
    """What the newest entry of the state log says of a subject.

    Attributes:
        subject: what was asked about.
        record: its record; None: there is none.
        entry: of the state log, the newest one of its checkpoint.
        checkpoint: of the main log, of the size that the entry is about.
        state_checkpoint: of the state log.
        seen_ms: when the trusted witnesses last saw this as the newest; None where none cosigned it.
    """

    subject: str
    record: Mapping[str, Any] | None
    entry: StateEntry
    checkpoint: VerifiedCheckpoint
    state_checkpoint: VerifiedCheckpoint
    seen_ms: int | None


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """A key that speaks for a DID as of a verified state.

    Attributes:
        id: DID URL.
        multikey: the public key.
        purposes: what it may be used for.
    """

    id: str
    multikey: str
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """One entry of a chain that is complete.

    Attributes:
        index: in the log.
        count: in the chain, from 1.
        leaf: what it says.
    """

    index: int
    count: int
    leaf: Leaf


def verify_state(document: Mapping[str, Any], *, subject: str, trust: StateTrust) -> VerifiedState:
    """Verify an answer of the state map, whatever it says.

    Args:
        document: as it came.
        subject: a DID by any name, or ``event:`` and an event id; what the answer calls it is not believed.
        trust: the reader's.

    Raises:
        ParseError: state_answer_malformed and the codes of notes, proofs, buckets and entries.
        VerificationError: the codes of checkpoints, cosignatures and proofs, state_checkpoint_mismatch,
            state_answer_old, state_rules_unknown, state_record_mismatch, witness_quorum_missing.

    Spec: specs/state-map.md "Answers"
    """
    notes = answer_bytes(document, "checkpoint"), answer_bytes(document, "stateCheckpoint")
    checkpoint, _ = _verify_note(notes[0], trust.key, trust)
    state_checkpoint, seen_ms = _verify_note(notes[1], trust.state_key, trust)
    entry = _verify_entry(document, state_checkpoint)
    head = checkpoint.checkpoint
    if (entry.size, entry.root_hash) != (head.size, head.root_hash):
        raise StateCheckpointError("the map is of another tree than the checkpoint beside it", size=head.size)
    if entry.rules != RULES:
        raise StateRulesError(rules=entry.rules)
    _check_age(entry, seen_ms, trust)
    row = verify_map_proof(parse_map_proof(document), subject=subject, depth=entry.depth, map_root=entry.map_root)
    record = document.get("state")
    if row.digest is None:
        if record is not None:
            raise StateRecordError("the map has no row of this subject")
        return VerifiedState(subject, None, entry, checkpoint, state_checkpoint, seen_ms)
    if not isinstance(record, Mapping) or _digest(record) != row.digest:
        raise StateRecordError("the state is not the one that the map commits to")
    return VerifiedState(subject, record, entry, checkpoint, state_checkpoint, seen_ms)


def verify_agent(document: Mapping[str, Any], *, did: str, trust: StateTrust) -> VerifiedState:
    """Verify the state of a DID that the log knows; the record has the members of its page.

    Args:
        document: as it came.
        did: by any name; under a later name the record says which DID came first, and nothing more.
        trust: the reader's.

    Raises:
        StateAbsentError: ``state_absent``.
        RegistryError: as `verify_state`.
    """
    verified = verify_state(document, subject=did, trust=trust)
    _check_record(verified, DID_STATE_FORMAT, did=did)
    return verified


def verify_absent(document: Mapping[str, Any], *, subject: str, trust: StateTrust) -> VerifiedState:
    """Verify that the log holds nothing of a DID, or that a statement is not live: revoked, replaced or never made.

    Raises:
        StatePresentError: ``state_present``.
        RegistryError: as `verify_state`.
    """
    verified = verify_state(document, subject=subject, trust=trust)
    if verified.record is not None:
        raise StatePresentError
    return verified


def verify_not_revoked(document: Mapping[str, Any], *, event_id: bytes, trust: StateTrust) -> VerifiedState:
    """Verify that a statement stands: neither revoked nor replaced by a newer one.

    Args:
        document: as it came.
        event_id: 32 bytes, taken from the statement itself.
        trust: the reader's.

    Raises:
        StateAbsentError: ``state_absent``.
        RegistryError: as `verify_state`.
    """
    verified = verify_state(document, subject=event_subject(event_id), trust=trust)
    _check_record(verified, STATEMENT_STATE_FORMAT, event=base64url_encode(event_id))
    return verified


def verify_current_key(state: VerifiedState, multikey: str, *, purpose: str, now_ms: int) -> VerifiedKey:
    """Verify that a public key speaks for a DID for a purpose, as of its verified state.

    Args:
        state: from `verify_agent`.
        multikey: the public key.
        purpose: a verification relationship, for example ``assertionMethod``.
        now_ms: milliseconds since the epoch; a key that has ended by then does not speak.

    Raises:
        KeyNotCurrentError: ``key_not_current``, also where the state names no keys: a did:key is its own.
    """
    keys = (state.record or {}).get("keys") or {}
    for key in keys.get("list", ()):
        is_over = key["until"] is not None and key["until"] <= now_ms
        if key["publicKeyMultibase"] == multikey and purpose in key["purposes"] and not is_over:
            return VerifiedKey(key["id"], multikey, tuple(key["purposes"]))
    raise KeyNotCurrentError


def verify_all_entries(state: VerifiedState, entries: Iterable[bytes]) -> tuple[ChainEntry, ...]:
    """Verify that these are all entries of a DID, neither one more nor one less.

    Args:
        state: from `verify_agent`, under the DID that first came.
        entries: leaf bytes, newest first.

    Returns:
        The entries, newest first, each with its place in the log.

    Raises:
        ChainIncompleteError: ``chain_incomplete``.
        ParseError: the codes of `parse_leaf`.
    """
    chain = (state.record or {}).get("chain")
    expected = None if chain is None else (chain["index"], chain["count"], base64url_decode(chain["leafHash"]))
    found: list[ChainEntry] = []
    for data in entries:
        if expected is None or leaf_hash(data) != expected[2]:
            raise ChainIncompleteError("an entry is not the one that the chain leads to", count=len(found))
        leaf = parse_leaf(data)
        party = next((one for one in leaf.parties if one.did == state.subject), None)
        if party is None or party.count != expected[1]:
            raise ChainIncompleteError("an entry does not stand in this chain at this place", count=len(found))
        found.append(ChainEntry(expected[0], party.count, leaf))
        link = party.prev_index, party.prev_leaf_hash
        expected = None if link[0] is None or link[1] is None else (link[0], party.count - 1, link[1])
    if expected is not None:
        raise ChainIncompleteError("the chain goes on", count=len(found))
    return tuple(found)


# ---------------------------------------------------------------- parts


def answer_bytes(document: Mapping[str, Any], name: str) -> bytes:
    """Return a text of an answer as UTF-8.

    Raises:
        StateAnswerError: ``state_answer_malformed``.
    """
    value = document.get(name)
    if not isinstance(value, str):
        raise StateAnswerError(f"{name} is a text")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise StateAnswerError(f"{name} is not Unicode") from None


def _verify_note(note: bytes, key: NoteKey, trust: StateTrust) -> tuple[VerifiedCheckpoint, int | None]:
    """Verify a checkpoint and its quorum; return when the witnesses last saw it, in ms, or None."""
    verified = verify_checkpoint(note, origin=key.name, key=key)
    if trust.policy is None:
        return verified, None
    keys = [one.key for one in trust.policy.witnesses]
    cosignatures = verify_cosignatures(parse_note(note).signatures, verified.checkpoint, keys)
    if not trust.policy.has_quorum(trust.policy.signed_by(cosignatures)):
        raise QuorumMissingError(signed=len(cosignatures))
    return verified, quorum_time_ms(trust.policy, cosignatures)


def quorum_time_ms(policy: WitnessPolicy, cosignatures: Iterable[Cosignature]) -> int | None:
    """Return the newest instant by which a quorum had cosigned; in a policy without one, the newest of anybody.

    Args:
        policy: whose quorum.
        cosignatures: verified.

    Returns:
        Milliseconds since the epoch; None without any.
    """
    newest_first = sorted(cosignatures, key=lambda one: -one.time_s)
    for place, one in enumerate(newest_first):
        if policy.has_quorum(policy.signed_by(newest_first[: place + 1])):
            return one.time_s * 1_000
    return None


def _verify_entry(document: Mapping[str, Any], state_checkpoint: VerifiedCheckpoint) -> StateEntry:
    """Verify the newest entry of the state log: an older one would be an older map passed off as this one's."""
    wire, data = document.get("inclusion"), document.get("entry")
    if not isinstance(wire, Mapping) or not isinstance(data, str):
        raise StateAnswerError("there is no entry of the state log in the answer")
    try:
        entry_bytes = base64url_decode(data, max_chars=128)
    except CodecError:
        raise StateAnswerError("the entry is base64url") from None
    found = verify_inclusion_proof(parse_inclusion(wire), leaf_hash=leaf_hash(entry_bytes), checkpoint=state_checkpoint)
    if found.index != state_checkpoint.checkpoint.size - 1:
        raise StateOldError("the entry is not the newest of its checkpoint", index=found.index)
    return parse_state_entry(entry_bytes)


def _check_age(entry: StateEntry, seen_ms: int | None, trust: StateTrust) -> None:
    if entry.size < trust.min_size:
        raise StateOldError("a larger log was seen before", size=entry.size)
    if trust.max_age_ms is None:
        return
    if seen_ms is None:
        raise StateOldError("no witness says when this was the newest")
    if trust.now_ms - seen_ms > trust.max_age_ms:
        raise StateOldError("too long ago", seen_ms=seen_ms)


def _digest(record: Mapping[str, Any]) -> bytes | None:
    try:
        return state_digest(canonicalize(dict(record)))
    except DidError:
        return None


def _check_record(verified: VerifiedState, record_format: str, **members: str) -> None:
    """Check that the record is of the kind that belongs to its subject: a digest alone says nothing of its meaning."""
    record = verified.record
    if record is None:
        raise StateAbsentError
    expected = {"format": record_format, **members}
    if any(record.get(name) != value for name, value in expected.items()):
        raise StateRecordError("the state is one of something else")
