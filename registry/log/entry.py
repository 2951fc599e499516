"""Leaves: what one entry of the log is, and its only bytes.

Decides the form of an entry: the signed event, complete, with log time, kind and one chain link per signer and
subject. It refuses every second spelling, since the bytes are hashed for ever. Whether the event verifies, whether
the kind is known and whether the links fit the chains is decided where the log is folded.

A leaf is the RFC 8785 form of ``{"event", "format", "kind", "parties", "time"}``; an event that is only timestamped
is ``{"digest": …}`` and its leaf has no ``parties``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from did_methods.canonical import CanonicalizationError, canonicalize, read_canonical
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.codec_errors import CodecError, JsonError
from did_methods.did import InvalidDidError, parse_did
from registry.errors import LimitError, ParseError
from registry.limits import LEAF_BYTES
from registry.log.merkle import HASH_BYTES

LEAF_FORMAT = "bonafides/leaf/1"
"""The value of ``format``: name and version of this form."""

MAX_INTEGER = 2**53 - 1
"""Largest time, count and index: what every JSON reader holds exactly."""

ROLES = frozenset({"signer", "subject"})
"""What a party may be to an event."""

_MAX_EVENT_DEPTH = 32  # what submitted JSON may have
LEAF_DEPTH = _MAX_EVENT_DEPTH + 1
"""How deeply a leaf may be nested: whoever parses one by other means than `parse_leaf` has to allow as much."""

_SAFE_DIGITS = 15  # any number of so many digits is below MAX_INTEGER
_ALL_DIGITS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DIGEST_EVENT = re.compile(rb'\{"digest":"([A-Za-z0-9_-]{43})"\}')
_PARTY_MEMBERS = {"count", "did", "prevIndex", "prevLeafHash", "roles"}
_LEAF_MEMBERS = {"event", "format", "kind", "parties", "time"}


class LeafMalformedError(ParseError):
    """The bytes or values are not a leaf."""

    code = "leaf_malformed"
    title = "Malformed log entry"


class LeafNotCanonicalError(ParseError):
    """The bytes spell a leaf in another way than the only one."""

    code = "leaf_not_canonical"
    title = "Log entry not canonical"


class LeafTooLargeError(LimitError):
    """The leaf would have more than 8 KiB."""

    code = "leaf_too_large"
    title = "Log entry too large"


@dataclass(frozen=True, slots=True)
class Party:
    """One agent's link in an event: who, in which roles, and where its previous entry is.

    Args:
        did: the DID under which the agent was first registered.
        roles: sorted, each once, from ``signer`` and ``subject``.
        count: 1-based number of this entry in the agent's chain.
        prev_index: log index of the agent's previous entry; None exactly for the first.
        prev_leaf_hash: 32 bytes, RFC 6962 leaf hash of that entry; None exactly for the first.

    Raises:
        LeafMalformedError: leaf_malformed.
    """

    did: str
    roles: tuple[str, ...]
    count: int
    prev_index: int | None
    prev_leaf_hash: bytes | None

    def __post_init__(self) -> None:
        try:
            parse_did(self.did)
        except InvalidDidError:
            raise LeafMalformedError("a party is named by a DID") from None
        if not self.roles or not ROLES.issuperset(self.roles) or list(self.roles) != sorted(set(self.roles)):
            raise LeafMalformedError("roles are signer, subject or both, sorted")
        if not _is_integer(self.count, lowest=1):
            raise LeafMalformedError("a chain counts from 1")
        first = self.count == 1
        if (self.prev_index is None) is not first or (self.prev_leaf_hash is None) is not first:
            raise LeafMalformedError("the first entry of a chain, and no other, has no previous one")
        if self.prev_index is not None and not _is_integer(self.prev_index, lowest=0):
            raise LeafMalformedError("an index is a number from 0 to 2^53-1")
        if self.prev_leaf_hash is not None and len(self.prev_leaf_hash) != HASH_BYTES:
            raise LeafMalformedError("a leaf hash has 32 bytes")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry of the log.

    Args:
        time_ms: log time, milliseconds since the epoch, 0 to 2^53-1.
        kind: ``[a-z][a-z0-9_]{0,39}``, such as ``vouch``.
        parties: every signer and subject once, sorted by DID; empty exactly when the event is only a digest.
        event: the signed JSON object, complete with its proof; or ``{"digest": <base64url SHA-256>}``.

    Raises:
        LeafMalformedError: leaf_malformed.
    """

    time_ms: int
    kind: str
    parties: tuple[Party, ...]
    event: dict[str, Any]

    def __post_init__(self) -> None:
        _check_frame(self.time_ms, self.kind, self.parties)
        if (self.digest is None) is not bool(self.parties):
            raise LeafMalformedError("an event has parties, a digest has none")

    @property
    def digest(self) -> bytes | None:
        """The 32 bytes of a digest-only event, or None for an event that is in the leaf itself."""
        text = self.event.get("digest") if len(self.event) == 1 else None
        try:
            digest = base64url_decode(text) if isinstance(text, str) else b""
        except CodecError:
            return None
        return digest if len(digest) == HASH_BYTES else None


def encode_leaf(leaf: Leaf) -> bytes:
    """Write the leaf's only bytes.

    Raises:
        LeafTooLargeError: leaf_too_large.
        LeafMalformedError: leaf_malformed, the event has no canonical form.

    Spec: bonafides/leaf/1; RFC 8785
    """
    wire: dict[str, Any] = {
        "event": leaf.event,
        "format": LEAF_FORMAT,
        "kind": leaf.kind,
        "time": leaf.time_ms,
    }
    if leaf.parties:
        wire["parties"] = [_party_to_wire(party) for party in leaf.parties]
    try:
        data = _checked_size(canonicalize(wire))
        _check_readable(canonicalize(leaf.event))
    except CanonicalizationError as error:
        raise LeafMalformedError("the event has no canonical form", reason=error.code) from None
    return data


def encode_leaf_with(time_ms: int, kind: str, *, parties: Sequence[Party], event_bytes: bytes) -> bytes:
    """Write the leaf around an event whose canonical bytes are at hand, without parsing or sorting them again.

    The names of a leaf sort as event, format, kind, parties, time, so the event's bytes stand in it unchanged.

    Args:
        time_ms: log time, milliseconds since the epoch.
        kind: as in `Leaf`.
        parties: as in `Leaf`.
        event_bytes: the event exactly as `canonicalize` writes it; taken on trust where it is costly to check.

    Raises:
        LeafTooLargeError: leaf_too_large.
        LeafMalformedError: leaf_malformed.

    Spec: bonafides/leaf/1; RFC 8785
    """
    _check_frame(time_ms, kind, parties)
    _check_readable(_checked_size(event_bytes))
    _check_parties(event_bytes, parties)
    links = ",".join([_party_text(party) for party in parties])
    member = f'"parties":[{links}],' if parties else ""
    frame = f',"format":"{LEAF_FORMAT}","kind":"{kind}",{member}"time":{time_ms}}}'
    return _checked_size(b'{"event":' + event_bytes + frame.encode("ascii"))


def parse_leaf(data: bytes) -> Leaf:
    """Parse a leaf and accept it only in its one spelling.

    Args:
        data: one log entry.

    Raises:
        LeafTooLargeError: leaf_too_large.
        LeafMalformedError: leaf_malformed.
        LeafNotCanonicalError: leaf_not_canonical.

    Spec: bonafides/leaf/1; RFC 8785
    """
    _checked_size(data)
    quick = read_canonical(data)
    try:
        wire = parse_json_object(data, max_bytes=LEAF_BYTES, max_depth=LEAF_DEPTH) if quick is None else quick
    except JsonError as error:
        raise LeafMalformedError("the entry is not JSON of one meaning", reason=error.code) from None
    if type(wire) is not dict or wire.get("format") != LEAF_FORMAT or wire.keys() | {"parties"} != _LEAF_MEMBERS:
        raise LeafMalformedError("the entry has not the members of a leaf")
    event, kind, parties = wire["event"], wire["kind"], wire.get("parties", [])
    if not isinstance(event, dict) or not isinstance(kind, str) or not isinstance(parties, list):
        raise LeafMalformedError("the event is an object, the kind a string and the parties a list")
    leaf = Leaf(wire["time"], kind, tuple(_parse_party(party) for party in parties), event)
    if quick is None:
        again = encode_leaf_with(leaf.time_ms, kind, parties=leaf.parties, event_bytes=canonicalize(event))
        is_canonical = again == data
    else:
        _check_frame(leaf.time_ms, kind, leaf.parties)
        _check_parties(data[len(b'{"event":') : data.rindex(b',"format":"')], leaf.parties)
        is_canonical = bool(parties) is ("parties" in wire)
    if not is_canonical:
        raise LeafNotCanonicalError("the entry is not in its canonical form")
    return leaf


def _check_parties(event_bytes: bytes, parties: Sequence[Party]) -> None:
    if (_parse_digest_event(event_bytes) is None) is not bool(parties):
        raise LeafMalformedError("an event has parties, a digest has none")


def _check_frame(time_ms: int, kind: str, parties: Sequence[Party]) -> None:
    if not _is_integer(time_ms, lowest=0):
        raise LeafMalformedError("a log time is a number of milliseconds from 0 to 2^53-1")
    if _KIND.fullmatch(kind) is None:
        raise LeafMalformedError("a kind is up to 40 lower-case letters, digits and underscores")
    previous = ""
    for party in parties:
        if party.did <= previous:
            raise LeafMalformedError("parties are sorted by DID, each once")
        previous = party.did


def _is_integer(value: Any, *, lowest: int) -> bool:
    # Not isinstance: to Python true is an integer, and JSON has it too.
    return type(value) is int and lowest <= value <= MAX_INTEGER


def _checked_size(data: bytes) -> bytes:
    if len(data) > LEAF_BYTES:
        raise LeafTooLargeError("a log entry has up to 8,192 bytes", limit=LEAF_BYTES)
    return data


def _check_readable(event_bytes: bytes) -> None:
    """Keep out of the log what its readers would refuse: canonical bytes that are no JSON of one meaning.

    The canonical form of 1e20 is an integer of 21 digits, which no reader holds exactly, and an event may be nested
    more deeply than readers go. Both are looked for cheaply; only bytes that could be such are parsed.
    """
    digits = event_bytes.translate(_ALL_DIGITS_ZERO)
    containers = event_bytes.count(b"{") + event_bytes.count(b"[")
    if b"0" * (_SAFE_DIGITS + 1) not in digits and containers <= _MAX_EVENT_DEPTH:
        return
    try:
        parse_json_object(event_bytes, max_bytes=LEAF_BYTES, max_depth=_MAX_EVENT_DEPTH)
    except JsonError as error:
        raise LeafMalformedError("the event could not be read back", reason=error.code) from None


def _parse_digest_event(event_bytes: bytes) -> bytes | None:
    match = _DIGEST_EVENT.fullmatch(event_bytes)
    try:
        return base64url_decode(match[1].decode("ascii")) if match else None
    except CodecError:
        return None


def _party_to_wire(party: Party) -> dict[str, Any]:
    return {
        "count": party.count,
        "did": party.did,
        "prevIndex": party.prev_index,
        "prevLeafHash": None if party.prev_leaf_hash is None else base64url_encode(party.prev_leaf_hash),
        "roles": list(party.roles),
    }


def _party_text(party: Party) -> str:
    """Write a party as JCS does: names sorted; DIDs and roles hold no character that JSON escapes."""
    link = '"prevIndex":null,"prevLeafHash":null'
    if party.prev_leaf_hash is not None:
        link = f'"prevIndex":{party.prev_index},"prevLeafHash":"{base64url_encode(party.prev_leaf_hash)}"'
    roles = '","'.join(party.roles)
    return f'{{"count":{party.count},"did":"{party.did}",{link},"roles":["{roles}"]}}'


def _parse_party(wire: Any) -> Party:
    if not isinstance(wire, dict) or wire.keys() != _PARTY_MEMBERS:
        raise LeafMalformedError("a party has not its members")
    did, roles, link = wire["did"], wire["roles"], wire["prevLeafHash"]
    if not isinstance(did, str) or not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise LeafMalformedError("a party has a DID and a list of roles")
    try:
        leaf_hash = base64url_decode(link) if isinstance(link, str) else None
    except CodecError:
        raise LeafMalformedError("a leaf hash is base64url of 32 bytes") from None
    if leaf_hash is None and link is not None:
        raise LeafMalformedError("a leaf hash is base64url of 32 bytes")
    return Party(did, tuple(roles), wire["count"], wire["prevIndex"], leaf_hash)
