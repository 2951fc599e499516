"""Leaves: one spelling, and a fast way to write it that is the same one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode
from registry.limits import LEAF_BYTES
from registry.log import entry
from registry.log.entry import Leaf, LeafMalformedError, LeafNotCanonicalError, LeafTooLargeError, Party

ALICE = "did:webvh:QmaS:registry.example%3A8000:agents:alice"
BOB = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
FIRST = Party(BOB, ("subject",), 1, None, None)
LATER = Party(ALICE, ("signer",), 4, 17, bytes(range(32)))
EVENT = {"type": ["VerifiableCredential"], "issuer": ALICE, "proof": {"proofValue": "z1"}}
LEAF = Leaf(1_800_000_000_123, "vouch", (FIRST, LATER), EVENT)
DIGEST = {"digest": base64url_encode(bytes(range(32)))}

json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53) + 1, 2**53 - 1),
        st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not 2**53 <= abs(number) < 1e21),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4),
    ),
    max_leaves=12,
)
events = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), json_values, max_size=5)
dids = st.from_regex(r"did:[a-z0-9]{1,6}:([A-Za-z0-9._-]|%[0-9A-F]{2}){1,20}", fullmatch=True)
numbers = st.integers(0, 2**53 - 1)
role_sets = st.sampled_from([("signer",), ("subject",), ("signer", "subject")])


@st.composite
def party_values(draw: st.DrawFn, did: str) -> Party:
    """Draw a party with this DID."""
    roles = draw(role_sets)
    if draw(st.booleans()):
        return Party(did, roles, 1, None, None)
    return Party(did, roles, draw(st.integers(2, 2**53 - 1)), draw(numbers), draw(st.binary(min_size=32, max_size=32)))


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    """Draw a leaf, now and then a digest only."""
    kind = draw(st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True))
    if draw(st.integers(0, 9)) == 0:
        digest = {"digest": base64url_encode(draw(st.binary(min_size=32, max_size=32)))}
        return Leaf(draw(numbers), kind, (), digest)
    parties = tuple(draw(party_values(did)) for did in sorted(draw(st.sets(dids, min_size=1, max_size=4))))
    return Leaf(draw(numbers), kind, parties, draw(events))


def wrap(depth: int) -> Any:
    """Nest objects to a depth."""
    event: Any = {}
    for _ in range(depth - 1):
        event = {"a": event}
    return event


def spell(change: dict[str, Any] | None = None, party: dict[str, Any] | None = None, **drop: None) -> bytes:
    """Write the leaf canonically with members changed or dropped, in the leaf or in its second party."""
    wire = json.loads(entry.encode_leaf(LEAF)) | (change or {})
    if party:
        wire["parties"][1] |= party
    return canonicalize({name: value for name, value in wire.items() if name not in drop})


def test_the_bytes_of_a_leaf() -> None:
    """The leaf is the JCS form of its five members, exactly these bytes."""
    assert entry.encode_leaf(LEAF) == (
        b'{"event":{"issuer":"did:webvh:QmaS:registry.example%3A8000:agents:alice","proof":{"proofValue":"z1"},'
        b'"type":["VerifiableCredential"]},"format":"bonafides/leaf/1","kind":"vouch","parties":['
        b'{"count":1,"did":"did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK","prevIndex":null,'
        b'"prevLeafHash":null,"roles":["subject"]},'
        b'{"count":4,"did":"did:webvh:QmaS:registry.example%3A8000:agents:alice","prevIndex":17,'
        b'"prevLeafHash":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8","roles":["signer"]}],"time":1800000000123}'
    )


def test_a_digest_has_no_parties() -> None:
    """A timestamped digest is a leaf of four members."""
    leaf = Leaf(0, "timestamp", (), DIGEST)
    data = entry.encode_leaf(leaf)
    assert data == (
        b'{"event":{"digest":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"},"format":"bonafides/leaf/1",'
        b'"kind":"timestamp","time":0}'
    )
    assert entry.parse_leaf(data) == leaf
    assert leaf.digest == bytes(range(32))
    assert LEAF.digest is None


@given(leaves())
def test_the_fast_way_writes_the_same_bytes(leaf: Leaf) -> None:
    """Splicing canonical event bytes into the leaf is the same as canonicalizing the whole of it."""
    fast = entry.encode_leaf_with(leaf.time_ms, leaf.kind, parties=leaf.parties, event_bytes=canonicalize(leaf.event))
    assert fast == entry.encode_leaf(leaf)


@given(leaves())
def test_leaves_round_trip(leaf: Leaf) -> None:
    """Parsing what is written gives the leaf back, and writing it again the same bytes."""
    data = entry.encode_leaf(leaf)
    parsed = entry.parse_leaf(data)
    assert parsed == leaf
    assert entry.encode_leaf(parsed) == data


@given(leaves(), st.data())
def test_no_byte_of_a_leaf_means_the_same_when_changed(leaf: Leaf, data: st.DataObject) -> None:
    """Two leaves never share their meaning: altered bytes are refused or are another leaf."""
    encoded = bytearray(entry.encode_leaf(leaf))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        parsed = entry.parse_leaf(bytes(encoded))
    except (LeafMalformedError, LeafNotCanonicalError):
        return
    assert entry.encode_leaf(parsed) == bytes(encoded)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_leaf_or_an_error(data: bytes) -> None:
    """No bytes make the parser fail in another way."""
    with pytest.raises((LeafMalformedError, LeafNotCanonicalError)):
        entry.parse_leaf(data)


def test_the_limit_is_8_kib() -> None:
    """A leaf of 8,192 bytes is written and read, one byte more is refused by both writers and the reader."""
    room = LEAF_BYTES - len(entry.encode_leaf(replace(LEAF, event={"a": ""})))
    largest = replace(LEAF, event={"a": "x" * room})
    data = entry.encode_leaf(largest)
    assert len(data) == LEAF_BYTES == 8_192
    assert entry.parse_leaf(data) == largest
    over = {"a": "x" * (room + 1)}
    with pytest.raises(LeafTooLargeError):
        entry.encode_leaf(replace(LEAF, event=over))
    with pytest.raises(LeafTooLargeError):
        entry.encode_leaf_with(LEAF.time_ms, "vouch", parties=LEAF.parties, event_bytes=canonicalize(over))
    with pytest.raises(LeafTooLargeError):
        entry.parse_leaf(data.replace(b'"a":"', b'"a":"x'))


def test_an_event_may_be_as_deep_as_submitted_json() -> None:
    """An event of 32 levels, the most that is taken in, is still read when a leaf stands around it."""
    event = wrap(32)
    leaf = replace(LEAF, event=event)
    assert entry.parse_leaf(entry.encode_leaf(leaf)) == leaf


@pytest.mark.parametrize(
    "event",
    [{"a": 1e20}, {"a": [-9007199254740992.0]}, {"a": {"b": 1e16}}, wrap(33)],
    ids=["1e20", "-2^53", "1e16", "deep"],
)
def test_what_could_not_be_read_back_is_not_written(event: dict[str, Any]) -> None:
    """Canonical bytes that the reader refuses would be in the log for ever, so no writer lets them in."""
    with pytest.raises(LeafMalformedError):
        entry.encode_leaf(replace(LEAF, event=event))
    with pytest.raises(LeafMalformedError):
        entry.encode_leaf_with(0, "vouch", parties=LEAF.parties, event_bytes=canonicalize(event))


def test_digits_in_strings_and_many_objects_are_fine() -> None:
    """The cheap look for unreadable events may suspect a good one, which then is read and let in."""
    event = {"a": "9" * 40, "b": [[]] * 40, "c": 2**53 - 1, "d": 1e21, "e": 0.1234567890123456}
    leaf = replace(LEAF, event=event)
    data = entry.encode_leaf(leaf)
    assert data == entry.encode_leaf_with(
        leaf.time_ms, leaf.kind, parties=leaf.parties, event_bytes=canonicalize(event)
    )
    assert entry.parse_leaf(data) == leaf


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(entry.encode_leaf(LEAF) + b"\n", id="newline at the end"),
        pytest.param(entry.encode_leaf(LEAF).replace(b":{", b": {", 1), id="white space"),
        pytest.param(entry.encode_leaf(LEAF).replace(b"vouch", b"\\u0076ouch"), id="escape"),
        pytest.param(entry.encode_leaf(LEAF).replace(b"1800000000123", b"1800000000123.0"), id="float time"),
        pytest.param(entry.encode_leaf(LEAF).replace(b'"count":4', b'"count":4e0'), id="exponent"),
        pytest.param(json.dumps(json.loads(entry.encode_leaf(LEAF))).encode(), id="spaces after separators"),
        pytest.param(
            json.dumps(dict(reversed(json.loads(entry.encode_leaf(LEAF)).items())), separators=(",", ":")).encode(),
            id="order of members",
        ),
        pytest.param(spell({"event": DIGEST, "parties": []}), id="empty parties beside a digest"),
        pytest.param(entry.encode_leaf(LEAF).replace(b'"z1"', b"1.0"), id="float in the event"),
    ],
)
def test_second_spellings_are_refused(data: bytes) -> None:
    """The same values in other bytes would be another leaf hash, so they are no leaf."""
    with pytest.raises((LeafNotCanonicalError, LeafMalformedError)):
        entry.parse_leaf(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="array"),
        pytest.param(b"\xef\xbb\xbf" + entry.encode_leaf(LEAF), id="byte order mark"),
        pytest.param(entry.encode_leaf(LEAF).replace(b'"z1"', b'"\\ud800"'), id="surrogate"),
        pytest.param(entry.encode_leaf(LEAF).replace(b'{"event"', b'{"time":1,"event"'), id="duplicate member"),
        pytest.param(spell({"extra": 1}), id="surplus member"),
        pytest.param(spell(time=None), id="no time"),
        pytest.param(spell(event=None), id="no event"),
        pytest.param(spell(parties=None), id="event without parties"),
        pytest.param(spell({"parties": []}), id="event with empty parties"),
        pytest.param(spell({"parties": {}}), id="parties not a list"),
        pytest.param(spell({"parties": ["did:key:z1"]}), id="party not an object"),
        pytest.param(spell({"format": "bonafides/leaf/2"}), id="other version"),
        pytest.param(spell({"format": None}), id="no format"),
        pytest.param(spell({"event": DIGEST}), id="digest with parties"),
        pytest.param(spell({"event": {"digest": "AAEC"}}, parties=None), id="digest of another length"),
        pytest.param(spell({"event": {"digest": "A" * 42 + "B"}}, parties=None), id="digest with trailing bits"),
        pytest.param(spell({"event": {**DIGEST, "x": 1}}, parties=None), id="digest with more"),
        pytest.param(spell({"event": []}), id="event not an object"),
        pytest.param(spell({"kind": 5}), id="kind not text"),
        pytest.param(spell({"kind": "Vouch"}), id="kind in upper case"),
        pytest.param(spell({"kind": ""}), id="empty kind"),
        pytest.param(spell({"kind": "a" * 41}), id="long kind"),
        pytest.param(spell({"kind": "vouch\n"}), id="kind with newline"),
        pytest.param(spell({"time": -1}), id="negative time"),
        pytest.param(spell({"time": True}), id="time true"),
        pytest.param(spell({"time": "1"}), id="time as text"),
        pytest.param(spell({"parties": json.loads(entry.encode_leaf(LEAF))["parties"][::-1]}), id="parties unsorted"),
        pytest.param(spell({"parties": json.loads(entry.encode_leaf(LEAF))["parties"][:1] * 2}), id="party twice"),
        pytest.param(spell(party={"extra": 1}), id="surplus member of a party"),
        pytest.param(spell(party={"did": "alice"}), id="no DID"),
        pytest.param(spell(party={"did": 5}), id="DID not text"),
        pytest.param(spell(party={"did": 'did:web:a"b'}), id="quote in a DID"),
        pytest.param(spell(party={"did": ALICE + "#key"}), id="DID URL"),
        pytest.param(spell(party={"roles": []}), id="no role"),
        pytest.param(spell(party={"roles": "signer"}), id="roles not a list"),
        pytest.param(spell(party={"roles": ["subject", "signer"]}), id="roles unsorted"),
        pytest.param(spell(party={"roles": ["signer", "signer"]}), id="role twice"),
        pytest.param(spell(party={"roles": ["witness"]}), id="unknown role"),
        pytest.param(spell(party={"roles": [["signer"]]}), id="role not text"),
        pytest.param(spell(party={"count": 0}), id="count 0"),
        pytest.param(spell(party={"count": True}), id="count true"),
        pytest.param(spell(party={"count": 1}), id="first with a previous"),
        pytest.param(spell(party={"prevIndex": None, "prevLeafHash": None}), id="later without a previous"),
        pytest.param(spell(party={"prevIndex": None}), id="hash without index"),
        pytest.param(spell(party={"prevLeafHash": None}), id="index without hash"),
        pytest.param(spell(party={"prevIndex": -1}), id="negative index"),
        pytest.param(spell(party={"prevIndex": False}), id="index false"),
        pytest.param(spell(party={"prevLeafHash": "AAEC"}), id="short hash"),
        pytest.param(spell(party={"prevLeafHash": "A" * 42 + "B"}), id="hash with trailing bits"),
        pytest.param(spell(party={"prevLeafHash": 5}), id="hash not text"),
    ],
)
def test_what_is_not_a_leaf(data: bytes) -> None:
    """Each departure from the form is refused, canonical or not."""
    with pytest.raises(LeafMalformedError):
        entry.parse_leaf(data)


@pytest.mark.parametrize(
    ("kind", "parties", "event"),
    [
        ("Vouch", LEAF.parties, b"{}"),
        ('a","x":"', LEAF.parties, b"{}"),
        ("vouch", (LATER, FIRST), b"{}"),
        ("vouch", (FIRST, FIRST), b"{}"),
        ("vouch", (), b"{}"),
        ("vouch", LEAF.parties, canonicalize(DIGEST)),
        ("vouch", (), b'{"digest":"' + b"A" * 42 + b'B"}'),
    ],
)
def test_the_fast_way_checks_what_it_does_not_take_over(kind: str, parties: tuple[Party, ...], event: bytes) -> None:
    """Only the event's bytes are taken on trust; everything else is checked in both ways of writing."""
    with pytest.raises(LeafMalformedError):
        entry.encode_leaf_with(0, kind, parties=parties, event_bytes=event)


def test_an_event_without_a_canonical_form_is_no_event() -> None:
    """A value that JSON cannot hold exactly does not get into a leaf."""
    with pytest.raises(LeafMalformedError):
        entry.encode_leaf(replace(LEAF, event={"a": 2**53}))
