"""Verifying how long an agent has been here: its registration, an old checkpoint that contains it, and today's.

The time that counts is that of the witnesses who cosigned the old checkpoint. The log time of the entry is the registry's word.

Spec: specs/state-map.md "Age"
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_decode
from did_methods.codec_errors import CodecError
from registry.client.state_errors import AgeProofError, StateAnswerError
from registry.client.state_proof import answer_bytes
from registry.limits import LEAF_BYTES
from registry.log.checkpoint import VerifiedCheckpoint, verify_checkpoint
from registry.log.cosignature import CosignatureKey, verify_cosignatures
from registry.log.entry import Leaf, parse_leaf
from registry.log.merkle import leaf_hash
from registry.log.note import NoteKey, parse_note
from registry.log.proof import parse_consistency, parse_inclusion, verify_consistency_proof, verify_inclusion_proof

_REGISTRATION = "registration"


@dataclass(frozen=True, slots=True)
class VerifiedAge:
    """An agent that was registered here at that time.

    Attributes:
        did: as the log names it first.
        index: of the registration.
        registered_ms: log time, which is the registry's word.
        witnessed_ms: the oldest time at which a trusted witness had seen it; None where none has.
        checkpoint: today's.
    """

    did: str
    index: int
    registered_ms: int
    witnessed_ms: int | None
    checkpoint: VerifiedCheckpoint


def verify_age(
    document: Mapping[str, Any], *, did: str, key: NoteKey, witnesses: Sequence[CosignatureKey] = ()
) -> VerifiedAge:
    """Verify that an agent's registration is in an old checkpoint, and that in today's.

    Args:
        document: the answer as it came.
        did: the agent, by the DID under which it first came.
        key: of the log; its name is the origin.
        witnesses: whose times the reader trusts.

    Raises:
        ParseError: state_answer_malformed, and the codes of notes, proofs and leaves.
        VerificationError: age_proof_invalid, and the codes of checkpoints, cosignatures and proofs.

    Spec: specs/state-map.md "Age"
    """
    old_note, note = answer_bytes(document, "oldCheckpoint"), answer_bytes(document, "checkpoint")
    old = verify_checkpoint(old_note, origin=key.name, key=key)
    newest = verify_checkpoint(note, origin=key.name, key=key)
    try:
        data = base64url_decode(answer_bytes(document, "entry").decode(), max_chars=LEAF_BYTES * 4 // 3 + 4)
    except CodecError:
        raise StateAnswerError("the entry is base64url") from None
    inclusion = parse_inclusion(_object(document, "inclusion"))
    found = verify_inclusion_proof(inclusion, leaf_hash=leaf_hash(data), checkpoint=old)
    verify_consistency_proof(parse_consistency(_object(document, "consistency")), first=old, second=newest)
    leaf = parse_leaf(data)
    _check_registration(leaf, did)
    cosignatures = verify_cosignatures(parse_note(old_note).signatures, old.checkpoint, witnesses)
    witnessed = min((one.time_s * 1_000 for one in cosignatures), default=None)
    return VerifiedAge(did, found.index, leaf.time_ms, witnessed, newest)


def _check_registration(leaf: Leaf, did: str) -> None:
    parties = [party.did for party in leaf.parties]
    if leaf.kind != _REGISTRATION or parties != [did]:
        raise AgeProofError("the entry is not the registration of this agent")


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    if not isinstance(value, Mapping):
        raise StateAnswerError(f"{name} is an object")
    return value
