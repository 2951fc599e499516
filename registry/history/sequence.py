"""From a verified statement to its leaf: chains, time, rules, bytes.

`sequence` is what the registry does for a new statement and what the audit does again for each leaf that it reads: the
audit compares the bytes that come out with the bytes that the log shows.

Spec: FORMATS "Leaf".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from registry.history.errors import EventRepeatedError, KeyNotActiveError, LogTimeError, ReplayTimeError
from registry.history.ground import Place
from registry.history.rules import admit
from registry.history.state import ChainHead, Draft
from registry.history.statement import (
    CredentialStatement,
    DidOperationStatement,
    DidWitnessStatement,
    RegistrationStatement,
    VerifiedStatement,
)
from registry.log.entry import Party, encode_leaf_with
from registry.log.merkle import leaf_hash


@dataclass(frozen=True, slots=True)
class SequencedLeaf:
    """A leaf in its place.

    Attributes:
        index: place in the log, from 0.
        time_ms: log time.
        kind: leaf kind.
        event_id: 32 bytes.
        data: the leaf's bytes.
        leaf_hash: RFC 6962 leaf hash, 32 bytes.
        parties: signers and subjects with their chain links.
    """

    index: int
    time_ms: int
    kind: str
    event_id: bytes
    data: bytes
    leaf_hash: bytes
    parties: tuple[Party, ...]


def sequence(draft: Draft, verified: VerifiedStatement, *, time_ms: int) -> SequencedLeaf:
    """Give a verified statement its place in the log, or refuse it and leave the draft as it was.

    Args:
        draft: the state just before the leaf; holds the leaf afterwards.
        verified: the statement with the keys it was verified under.
        time_ms: log time, at least that of the leaf before.

    Raises:
        EventRepeatedError: ``event_repeated``.
        LogTimeError: ``log_time_backwards``.
        ReplayTimeError: ``replay_time_mismatch``.
        KeyNotActiveError: ``key_not_active`` when a key was rotated out since it was looked up.
        BonafidesError: what `admit` and the leaf format refuse.
    """
    statement = verified.statement
    head = draft.head
    if statement.event_id in draft.events:
        raise EventRepeatedError
    if time_ms < head.last_time_ms:
        raise LogTimeError
    if head.genesis is not None and head.genesis.profile == "replay" and time_ms != verified.created_ms:
        raise ReplayTimeError(expected=verified.created_ms, found=time_ms)
    _check_keys(draft, verified)
    parties = _parties(draft, verified)
    data = encode_leaf_with(time_ms, statement.kind, parties=parties, event_bytes=statement.event_bytes)
    admit(draft, verified, Place(head.size, time_ms))
    hashed = leaf_hash(data)
    for party in parties:
        draft.chains[party.did] = ChainHead(party.count, head.size, hashed)
    draft.events[statement.event_id] = head.size
    draft.times.append(time_ms)
    draft.head = draft.head._replace(size=head.size + 1, last_time_ms=time_ms)
    draft.epoch_ahead = None
    return SequencedLeaf(head.size, time_ms, statement.kind, statement.event_id, data, hashed, parties)


def _check_keys(draft: Draft, verified: VerifiedStatement) -> None:
    purpose = "authentication" if isinstance(verified.statement, RegistrationStatement) else "assertionMethod"
    for key in verified.keys:
        if draft.find_key(key.method_id, purpose).public_key != key.public_key:
            raise KeyNotActiveError


def _parties(draft: Draft, verified: VerifiedStatement) -> tuple[Party, ...]:
    """Return every signer and subject once, sorted by DID, linked to its chain; a moved DID by its first name."""
    match verified.statement:
        case DidOperationStatement(did=did):
            signers, subjects = [draft.log_did(did)], [draft.log_did(did)]
        case DidWitnessStatement(witnesses=witnesses):
            signers, subjects = list(witnesses), []
        case RegistrationStatement(presentation=presentation):
            signers = subjects = [draft.canonical_did(presentation.holder)]
        case CredentialStatement(credential=credential):
            signers = [draft.canonical_did(did) for did in credential.signers]
            subjects = [draft.canonical_did(did) for did in credential.subjects]
    return tuple([_link(draft, did, _ROLES[did in signers, did in subjects]) for did in sorted({*signers, *subjects})])


_ROLES: Final = {(True, False): ("signer",), (False, True): ("subject",), (True, True): ("signer", "subject")}


def _link(draft: Draft, did: str, roles: tuple[str, ...]) -> Party:
    head = draft.chains.get(did)
    if head is None:
        return Party(did, roles, 1, None, None)
    return Party(did, roles, head.count + 1, head.index, head.leaf_hash)
