"""Folding leaves that are in the log already: by the registry at start, and by the audit.

The registry trusts the signatures that it verified when it took the entries; the audit verifies them again. Both go
through `sequence`, and both compare the leaf that comes out with the one that was read, byte for byte. A draft into which a leaf did not fold
is to be dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from did_methods.codec import base64url_encode
from did_methods.keys import PublicKey
from registry.credentials.key_lookup import BoundKey
from registry.history.errors import LeafMismatchError
from registry.history.sequence import SequencedLeaf, sequence
from registry.history.state import Draft
from registry.history.statement import (
    CredentialStatement,
    Statement,
    VerifiedStatement,
    claimed_time_ms,
    parse_statement,
    verify_statement,
)
from registry.log.entry import Leaf, Party, parse_leaf


class LoggedStatement(NamedTuple):
    """A leaf and the statement in it, parsed; nothing is verified yet."""

    leaf: Leaf
    statement: Statement


def parse_logged(data: bytes) -> LoggedStatement:
    """Parse a leaf and the statement in it.

    Raises:
        BonafidesError: it is no leaf, or holds no statement that may be logged.
    """
    leaf = parse_leaf(data)
    return LoggedStatement(leaf, parse_statement(leaf.event, _event_bytes(data)))


def replay_leaf(draft: Draft, data: bytes) -> SequencedLeaf:
    """Fold a leaf whose signatures were verified before.

    Raises:
        BonafidesError: the leaf does not parse, breaks a rule, or is not what the state demands.
    """
    leaf, statement = parse_logged(data)
    return _fold(draft, leaf, data, VerifiedStatement(statement, (), claimed_time_ms(statement)))


def verify_leaf(
    draft: Draft, data: bytes, *, parsed: LoggedStatement | None = None, signatures: SignatureSink | None = None
) -> SequencedLeaf:
    """Fold a leaf after verifying its signatures under the keys that were active just before it.

    Args:
        draft: the state just before the leaf.
        data: the leaf's bytes.
        parsed: what `parse_logged` made of them, where that was done elsewhere.
        signatures: takes what one key must have signed, to be verified elsewhere; whoever gives one must not rely on
            the draft before all of it has been verified. None verifies here and now.

    Raises:
        BonafidesError: the leaf does not parse, does not verify, breaks a rule, or is not what the state demands.

    Spec: FORMATS "Leaf", "Evidence hygiene".
    """
    leaf, statement = parse_logged(data) if parsed is None else parsed
    if signatures is None or not isinstance(statement, CredentialStatement):
        # A presentation may hold credentials that do not verify, and a DID entry is verified as it is folded.
        return _fold(draft, leaf, data, verify_at(draft, statement, time_ms=leaf.time_ms))
    keys = _PostponingKeys(draft, signatures)
    verified = verify_statement(statement, keys=keys, now_ms=leaf.time_ms, origin=_origin(draft))
    # The keys were looked up in this very draft, so they need not be looked up again.
    return _fold(draft, leaf, data, VerifiedStatement(statement, (), verified.created_ms))


class SignatureSink(Protocol):
    """Whoever verifies signatures later."""

    def add(self, public_key: bytes, signature: bytes, message: bytes) -> None:
        """Take one Ed25519 signature of 64 bytes that this key of 32 bytes must have made over the message."""
        ...


class _PostponedKey(PublicKey):
    """A key whose signatures are noted, not verified."""

    __slots__ = ("_sink",)

    _sink: SignatureSink

    def __init__(self, key: PublicKey, sink: SignatureSink) -> None:
        object.__setattr__(self, "kind", key.kind)
        object.__setattr__(self, "raw", key.raw)
        object.__setattr__(self, "multikey", key.multikey)
        object.__setattr__(self, "_sink", sink)

    def verify(self, signature: bytes, message: bytes) -> None:
        self._sink.add(self.raw, signature, message)


@dataclass(frozen=True, slots=True)
class _PostponingKeys:
    """The draft's keys, each handing its signatures to the sink."""

    draft: Draft
    sink: SignatureSink

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the active key (see `Draft.find_key`)."""
        key = self.draft.find_key(verification_method, purpose)
        return BoundKey(key.controller, _PostponedKey(key.public_key, self.sink), key.method_id)


def _event_bytes(data: bytes) -> bytes:
    """Return the event's bytes out of a leaf that parsed: they stand between its first name and its second."""
    return data[len(b'{"event":') : data.rindex(b',"format":"')]


def _origin(draft: Draft) -> str:
    return draft.head.genesis.origin if draft.head.genesis else ""


def verify_at(draft: Draft, statement: Statement, *, time_ms: int) -> VerifiedStatement:
    """Verify a statement as of its place in the log."""
    return verify_statement(statement, keys=draft, now_ms=time_ms, origin=_origin(draft))


def _fold(draft: Draft, leaf: Leaf, data: bytes, verified: VerifiedStatement) -> SequencedLeaf:
    if leaf.kind != verified.statement.kind:
        raise LeafMismatchError("kind", expected=verified.statement.kind, found=leaf.kind)
    sequenced = sequence(draft, verified, time_ms=leaf.time_ms)
    if sequenced.data != data:
        raise _mismatch(sequenced.parties, leaf.parties)
    return sequenced


def _mismatch(expected: tuple[Party, ...], found: tuple[Party, ...]) -> LeafMismatchError:
    """Name the first chain link in which the leaf differs; the rest of a leaf is what was just parsed."""
    for ours, theirs in zip(expected, found, strict=False):
        for name, member in _LINK_MEMBERS.items():
            want, have = getattr(ours, name), getattr(theirs, name)
            if want != have:
                return LeafMismatchError(f"{member} of {ours.did}", expected=_text(want), found=_text(have))
    return LeafMismatchError("parties", expected=len(expected), found=len(found))


_LINK_MEMBERS = {
    "did": "did",
    "roles": "roles",
    "count": "count",
    "prev_index": "prevIndex",
    "prev_leaf_hash": "prevLeafHash",
}


def _text(value: object) -> str | int:
    match value:
        case None:
            return "null"
        case bytes():
            return base64url_encode(value)
        case int():
            return value
        case tuple():
            return ",".join(value)
        case _:
            return str(value)
