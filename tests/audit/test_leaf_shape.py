"""Leaves that are matched with the shape of another one: taken, refused and named as if each had been parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode, parse_json_object
from registry.audit import stretch
from registry.audit.leaf_shape import is_plain, shape_of, shape_pattern
from registry.audit.stretch import Looked, look_at
from registry.audit.structure import StructureAudit
from registry.limits import LEAF_BYTES
from registry.log.entry import parse_leaf
from registry.log.merkle import leaf_hash
from registry.log.tile import hash_entries
from tests.support.logs import ORIGIN, LogBuilder, key_actor

AGENTS = 6
LEARNED = 3
"""Leaves of one shape after which the next is matched: two that are parsed, and one to spare."""


@pytest.fixture(scope="module")
def log() -> LogBuilder:
    """A log in which leaves of several kinds and shapes alternate."""
    log = LogBuilder().open(key_actor("agent0"))
    agents = [log.agent(f"agent{number}") for number in range(AGENTS)]
    for turn in range(1, AGENTS):
        for at, agent in enumerate(agents):
            log.wait()
            other = agents[(at + turn) % AGENTS]
            log.vouch(agent, other, "review" if turn % 2 else None)
            log.report(agent, other)
        log.passport(agents[turn])
        log.epoch()
    return log


@pytest.fixture(scope="module")
def vouches(log: LogBuilder) -> tuple[int, list[bytes]]:
    """Vouches that follow one another and have one shape, and the index of the first."""
    log = LogBuilder().open(key_actor("agent0"))
    agents = [log.agent(f"agent{number}") for number in range(AGENTS)]
    start = len(log.leaves)
    for at in range(24):
        log.wait()
        log.vouch(agents[at % AGENTS], agents[(at + 1 + at // AGENTS) % AGENTS])
    return start, log.entries


def _taken(known: StructureAudit, entries: Sequence[bytes], *, close: bool = False) -> StructureAudit:
    """Take entries after those that an audit has taken, which stays as it is: by their shapes, or each parsed."""
    audit = StructureAudit(known.origin, known.log_key)
    audit._chains, audit._last_ms, audit.tree.edge = dict(known._chains), known._last_ms, known.tree.edge.copy()
    audit.take_all(entries, looked=Looked([leaf_hash(one) for one in entries], None) if close else None)
    return audit


def _known(entries: Sequence[bytes]) -> StructureAudit:
    """Return an audit that has taken these entries, each parsed."""
    return _taken(StructureAudit(ORIGIN, "key"), entries, close=True)


def _seen(audit: StructureAudit) -> tuple[Any, ...]:
    return audit.findings, audit._chains, audit._last_ms, audit.folded, audit.is_sound, audit.tree.edge.root()


def _agree(known: StructureAudit, entries: Sequence[bytes]) -> StructureAudit:
    quick = _taken(known, entries)
    assert _seen(quick) == _seen(_taken(known, entries, close=True))
    return quick


def _change(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    wire = parse_json_object(data, max_depth=64)
    change(wire)
    return canonicalize(wire)


def _party(number: int, **members: Any) -> Callable[[bytes], bytes]:
    return lambda data: _change(data, lambda one: one["parties"][number].update(members))


def _member_of(**members: Any) -> Callable[[dict[str, Any]], object]:
    return lambda one: one.update(members)


def _member(**members: Any) -> Callable[[bytes], bytes]:
    return lambda data: _change(data, _member_of(**members))


def _more(name: str, value: int) -> Callable[[dict[str, Any]], object]:
    return lambda one: one["event"].update({name: value})


def _chained(known: StructureAudit, leaves: Sequence[bytes]) -> list[bytes]:
    """Let each leaf go on from those before it."""
    audit, some = _taken(known, []), []
    for leaf in leaves:
        linked = leaf
        for number, party in enumerate(parse_leaf(leaf).parties):
            count, previous = audit._chains[party.did]
            index, _, shown = previous.partition(',"prevLeafHash":')
            linked = _party(number, count=count, prevIndex=int(index), prevLeafHash=shown.strip('"'))(linked)
        audit.take_all([linked], looked=Looked([leaf_hash(linked)], None))
        some.append(linked)
    return some


def _swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new, 1)


def _number(name: bytes, change: bytes) -> Callable[[bytes], bytes]:
    """Write the last number under a name otherwise; group 2 is what stands there."""
    return lambda data: re.sub(rb'(?s)(.*"%b":)([0-9]+)' % name, rb"\g<1>" + change, data)


ZEROS = base64url_encode(bytes(32))
DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str | None]] = {
    "count": (_number(b"count", rb"1\g<2>"), "links_broken"),
    "count with a zero before it": (_number(b"count", rb"0\g<2>"), "leaf_malformed"),
    "count below zero": (_number(b"count", rb"-\g<2>"), "leaf_malformed"),
    "count as a fraction": (_number(b"count", rb"\g<2>.0"), "leaf_malformed"),
    "count as text": (_number(b"count", rb'"\g<2>"'), "leaf_malformed"),
    "count true": (_party(1, count=True), "leaf_malformed"),
    "count null": (_party(1, count=None), "leaf_malformed"),
    "count of seventeen digits": (_number(b"count", b"1" * 17), "leaf_malformed"),
    "DID of somebody unknown": (_party(1, did="did:key:z6Mkzzzz"), "links_broken"),
    "DID that is none": (_party(1, did="somebody"), "leaf_malformed"),
    "DID of the other": (lambda data: _change(data, _same_did), "leaf_malformed"),
    "prevIndex": (_number(b"prevIndex", rb"1\g<2>"), "links_broken"),
    "prevIndex with a zero before it": (_number(b"prevIndex", rb"0\g<2>"), "leaf_malformed"),
    "prevIndex as text": (_number(b"prevIndex", rb'"\g<2>"'), "leaf_malformed"),
    "prevIndex null": (_party(1, prevIndex=None), "leaf_malformed"),
    "prevIndex false": (_party(1, prevIndex=False), "leaf_malformed"),
    "prevLeafHash": (_party(1, prevLeafHash=ZEROS), "links_broken"),
    "prevLeafHash null": (_party(1, prevLeafHash=None), "leaf_malformed"),
    "prevLeafHash a number": (_party(1, prevLeafHash=5), "leaf_malformed"),
    "prevLeafHash too short": (_party(1, prevLeafHash=ZEROS[1:]), "leaf_malformed"),
    "no link": (_party(1, count=1, prevIndex=None, prevLeafHash=None), "links_broken"),
    "roles of nobody": (_party(1, roles=[]), "leaf_malformed"),
    "roles in another order": (_party(1, roles=["subject", "signer"]), "leaf_malformed"),
    "roles of an owner": (_party(1, roles=["owner"]), "leaf_malformed"),
    "roles as text": (_party(1, roles="signer"), "leaf_malformed"),
    "roles, another good one": (_party(1, roles=["signer", "subject"]), None),
    "a party more": (
        lambda data: _change(data, lambda one: one["parties"].append(one["parties"][0])),
        "leaf_malformed",
    ),
    "a party less": (lambda data: _change(data, lambda one: one["parties"].pop()), None),
    "parties in another order": (lambda data: _change(data, lambda one: one["parties"].reverse()), "leaf_malformed"),
    "a member of a party more": (_party(0, more=1), "leaf_malformed"),
    "parties empty": (_member(parties=[]), "leaf_malformed"),
    "time before the last": (_number(b"time", b"5"), "links_broken"),
    "time with a zero before it": (_number(b"time", rb"0\g<2>"), "leaf_malformed"),
    "time below zero": (_number(b"time", rb"-\g<2>"), "leaf_malformed"),
    "time as text": (_number(b"time", rb'"\g<2>"'), "leaf_malformed"),
    "time of sixteen digits": (_number(b"time", str(2**53 - 1).encode()), None),
    "time beyond what is exact": (_number(b"time", str(2**53).encode()), "leaf_malformed"),
    "kind in capitals": (_member(kind="Vouch"), "leaf_malformed"),
    "kind too long": (_member(kind="v" * 41), "leaf_malformed"),
    "kind as long as can be": (_member(kind="v" * 40), None),
    "kind empty": (_member(kind=""), "leaf_malformed"),
    "kind, another good one": (_member(kind="v_2"), None),
    "format": (_swap(b"leaf/1", b"leaf/2"), "leaf_malformed"),
    "a member more": (_member(more=1), "leaf_malformed"),
    "an event that is a digest": (_member(event={"digest": ZEROS}), "leaf_malformed"),
    "an event that is a text": (_member(event="event"), "leaf_malformed"),
    "strength with a zero before it": (_swap(b'"strength":80', b'"strength":080'), "leaf_malformed"),
    "strength minus zero": (_swap(b'"strength":80', b'"strength":-0'), "leaf_not_canonical"),
    "strength plus": (_swap(b'"strength":80', b'"strength":+80'), "leaf_malformed"),
    "strength a fraction": (_swap(b'"strength":80', b'"strength":80.5'), None),
    "strength written as a fraction": (_swap(b'"strength":80', b'"strength":80.0'), "leaf_not_canonical"),
    "strength with an exponent": (_swap(b'"strength":80', b'"strength":8e1'), "leaf_not_canonical"),
    "strength too large": (_swap(b'"strength":80', b'"strength":9007199254740993'), "leaf_malformed"),
    "strength as large as can be": (_swap(b'"strength":80', b'"strength":-9007199254740991'), None),
    "strength below zero": (_swap(b'"strength":80', b'"strength":-80'), None),
    "strength as text": (_swap(b'"strength":80', b'"strength":"80"'), None),
    "another name": (_swap(b'"strength":80', b'"strengtg":80'), None),
    "a name twice": (_swap(b'"strength":80', b'"strength":80,"strength":80'), "leaf_malformed"),
    "names in another order": (
        _swap(b'"format":"bonafides/leaf/1","kind":"vouch"', b'"kind":"vouch","format":"bonafides/leaf/1"'),
        "leaf_not_canonical",
    ),
    "white space": (_swap(b'"strength":80', b'"strength": 80'), "leaf_not_canonical"),
    "a line end": (lambda data: data + b"\n", "leaf_not_canonical"),
    "a space before": (lambda data: b" " + data, "leaf_not_canonical"),
    "white space in a text": (_swap(b"registry.example", b"registry example"), None),
    "a tab in a text": (_swap(b"registry.example", b"registry\texample"), "leaf_malformed"),
    "a line end in a text": (_swap(b"registry.example", b"registry\nexample"), "leaf_malformed"),
    "a zero byte in a text": (_swap(b"registry.example", b"registry\0example"), "leaf_malformed"),
    "a delete sign in a text": (_swap(b"registry.example", b"registry\x7fexample"), None),
    "an escape that need not be": (_swap(b"registry.example", b"registry\\u002eexample"), "leaf_not_canonical"),
    "an escape that must be": (_swap(b"registry.example", b"registry\\nexample"), None),
    "an escaped quote": (_swap(b"registry.example", b'registry\\"example'), None),
    "an escaped solidus": (_swap(b"bonafides/leaf/1", b"bonafides\\/leaf\\/1"), "leaf_not_canonical"),
    "an escaped name": (_swap(b'"strength"', b'"str\\u0065ngth"'), "leaf_not_canonical"),
    "a quote": (_swap(b"registry.example", b'registry"example'), "leaf_malformed"),
    "another language": (_swap(b"registry.example", "régistré".encode()), None),
    "no UTF-8": (_swap(b"registry.example", b"registry\xff"), "leaf_malformed"),
    "half a surrogate pair": (_swap(b"registry.example", b"registry\xed\xa0\x80"), "leaf_malformed"),
    "an empty text": (_swap(b"registry.example", b""), None),
    "too long": (lambda data: _sized(data, LEAF_BYTES + 1), "leaf_too_large"),
    "as long as can be": (lambda data: _sized(data, LEAF_BYTES), None),
    "cut": (lambda data: data[:-1], "leaf_malformed"),
    "nothing": (lambda _data: b"", "leaf_malformed"),
    "garbage": (lambda _data: b"\x00\xff", "leaf_malformed"),
    "twice": (lambda data: data + data, "leaf_malformed"),
    "a list": (lambda data: b"[" + data + b"]", "leaf_malformed"),
}


def _same_did(one: dict[str, Any]) -> None:
    one["parties"][1]["did"] = one["parties"][0]["did"]


def _sized(data: bytes, size: int) -> bytes:
    return data.replace(b"registry.example", b"r" * (size - len(data) + len(b"registry.example")), 1)


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_as_if_the_leaf_had_been_parsed(name: str, vouches: tuple[int, list[bytes]]) -> None:
    """Whatever is done to a leaf among others of its shape: one reading says what the other one says, and names it first."""
    start, entries = vouches
    damage, code = DAMAGES[name]
    at = start + LEARNED + 3
    changed = damage(entries[at])
    assert changed != entries[at]
    audit = _agree(_known(entries[:start]), [*entries[start:at], changed])
    assert [(one.code, one.index) for one in audit.findings] == ([] if code is None else [(code, at)])
    _agree(_known(entries[:start]), [*entries[start:at], changed, *entries[at + 1 :]])


@pytest.mark.parametrize(
    "move",
    [
        lambda some: some.pop(5),
        lambda some: some.insert(5, some[5]),
        lambda some: some.insert(5, some.pop(8)),
        lambda some: some.reverse(),
        lambda some: some.append(some[-1]),
        lambda some: some.clear(),
    ],
    ids=["left out", "twice", "moved", "reversed", "twice at the end", "none"],
)
def test_leaves_of_one_shape_that_are_not_where_they_belong(
    move: Callable[[list[bytes]], object], vouches: tuple[int, list[bytes]]
) -> None:
    """Each has the form of its neighbours, so their links alone tell."""
    start, entries = vouches
    some = entries[start:]
    move(some)
    assert _agree(_known(entries[:start]), some).is_sound is not bool(some)


def test_any_byte_may_be_another(vouches: tuple[int, list[bytes]]) -> None:
    """At every place of a leaf: a byte replaced, one put in, one taken out; never is one read as another leaf than it is."""
    start, entries = vouches
    at = start + LEARNED
    known, before, leaf = _known(entries[:start]), entries[start:at], entries[at]
    others = b'"\\,:{}[]0-9e. \x00\x1f\x7f\x80Az'
    for place in range(len(leaf)):
        byte = others[place % len(others) : place % len(others) + 1]
        for width, put in ((1, byte), (0, byte), (1, b"")):
            changed = leaf[:place] + put + leaf[place + width :]
            _agree(known, [*before, changed])


@given(data=st.data())
def test_both_readings_agree_on_any_damage(data: st.DataObject, log: LogBuilder) -> None:
    """Of a stretch of several kinds and shapes, with anything done to some of its leaves."""
    start = data.draw(st.integers(0, len(log.entries) - 20))
    some = log.entries[start : start + data.draw(st.integers(1, 40))]
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(some) - 1))
        place = data.draw(st.integers(0, len(some[at])))
        put = data.draw(st.binary(max_size=3) | st.text('"\\0129-,:{}[]en. ', max_size=3).map(str.encode))
        some[at] = some[at][:place] + put + some[at][place + data.draw(st.integers(0, 3)) :]
    _agree(_known(log.entries[:start]), some)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15) + 1, 10**15 - 1) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(event=st.dictionaries(st.text(max_size=4), JSON, min_size=2, max_size=4), data=st.data())
def test_what_has_the_shape_of_a_leaf_is_canonical(
    event: dict[str, Any], data: st.DataObject, vouches: tuple[int, list[bytes]]
) -> None:
    """A leaf around an event of short integers has its own shape; and whatever has it, is plain and not too long, is a leaf in its one spelling."""
    leaf = _change(vouches[1][-1], lambda one: one.update(event=event))
    if not is_plain(leaf):
        return
    pattern = shape_pattern(shape_of(leaf.decode()))
    assert pattern.fullmatch(leaf.decode()) is not None
    place = data.draw(st.integers(0, len(leaf)))
    put = data.draw(st.text('"\\0129-,:{}[]aen. \x1f', max_size=3)).encode()
    changed = leaf[:place] + put + leaf[place + data.draw(st.integers(0, 2)) :]
    if is_plain(changed) and pattern.fullmatch(changed.decode()) is not None:
        assert canonicalize(parse_json_object(changed, max_depth=64)) == changed


@pytest.mark.parametrize("integer", [10**15, 2**53 - 1, -(10**15)])
def test_integers_of_more_digits_are_left_to_the_parser(integer: int, vouches: tuple[int, list[bytes]]) -> None:
    """Not all of so many digits are safe, so no shape has them, not even that of the leaf itself; the leaf is sound."""
    known = _known(vouches[1][: vouches[0]])
    leaf = _change(vouches[1][-1], _member_of(event={"a": integer, "b": 1}))
    assert shape_pattern(shape_of(leaf.decode())).fullmatch(leaf.decode()) is None
    assert _agree(known, _chained(known, [leaf] * (LEARNED + 1))).is_sound


def test_an_event_may_look_like_a_leaf(vouches: tuple[int, list[bytes]]) -> None:
    """Members of an event that are named like those of a leaf are none of them, neither in a shape nor in what has it."""
    start, entries = vouches
    known = _known(entries[:start])
    event = {"a": 1, "format": "bonafides/leaf/1", "parties": [{"prevLeafHash": "x"}], "prevLeafHash": "y"}
    leaf = _change(entries[start], _member_of(event=event))
    assert shape_pattern(shape_of(leaf.decode())).fullmatch(leaf.decode()) is not None
    some = _chained(known, [leaf] * LEARNED)
    assert look_at(start, some).stretch is not None
    cut = some[-1].replace(b',"format":"bonafides/leaf/1","parties":[{"prevLeafHash":"x"}],"prevLeafHash":"y"}', b"")
    assert cut != some[-1]
    audit = _agree(known, [*some[:-1], cut])
    assert [one.code for one in audit.findings] == ["leaf_malformed"]


def test_true_is_no_count(vouches: tuple[int, list[bytes]]) -> None:
    """To Python true is 1, the count of a first entry."""
    at, entries = vouches[0] - 1, vouches[1]
    assert b'"count":1,' in entries[at]
    changed = entries[at].replace(b'"count":1,', b'"count":true,')
    audit = _agree(_known(entries[:at]), [changed])
    assert [(one.code, one.index) for one in audit.findings] == [("leaf_malformed", at)]


def test_plain_is_what_stands_in_a_text_as_it_is() -> None:
    """All of printable ASCII but the backslash, and the delete sign, which JSON writes as it is."""
    plain = {byte for byte in range(256) if is_plain(b"a" + bytes([byte]) + b"a")}
    assert plain == set(range(0x20, 0x80)) - {ord("\\")}
    assert is_plain(b"")


def test_few_leaves_are_parsed(log: LogBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each shape some, also where shapes alternate; the rest is matched, with the same result."""
    parsed: list[bytes] = []

    def read(data: bytes) -> Any:
        parsed.append(data)
        return genuine(data)

    genuine = stretch.read_canonical
    start = 4 + AGENTS
    before, entries = _known(log.entries[:start]), log.entries[start:]
    entries[-1] = entries[-1].replace(b"registry.example", "régistry.example".encode(), 1)  # its neighbours are plain
    monkeypatch.setattr(stretch, "read_canonical", read)
    looked = look_at(start, entries)
    assert looked.stretch is not None
    assert before._joins(looked.stretch)
    shapes = {shape_of(data.decode()) for data in entries[:-1]}
    assert 3 <= len(shapes) <= len(parsed) <= 2 * len(shapes) + 1 < len(entries) / 4


def test_more_shapes_than_are_kept(vouches: tuple[int, list[bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves of shapes that nobody keeps are parsed, and nothing else changes; none is kept of a leaf that comes alone."""
    start, entries = vouches
    kept: list[str] = []
    monkeypatch.setattr(stretch, "shape_pattern", lambda shape: kept.append(shape) or shape_pattern(shape))
    assert look_at(start, entries[start : start + 1]).stretch is not None
    assert kept == []
    known = _known(entries[:start])
    leaves = [_change(entries[start], _more(f"more{turn // 2}", turn)) for turn in range(60)]  # two of each shape
    some = _chained(known, leaves)
    assert look_at(start, some).stretch is not None
    assert len(kept) == stretch._MOST_SHAPES
    assert _agree(known, some).findings == []


def test_no_shape_is_made_of_a_leaf_of_many_members(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile log of such leaves, each of another shape, took an auditor eighty times as long as to parse them."""
    monkeypatch.setattr(stretch, "shape_of", lambda _leaf: pytest.fail("it was made"))
    shapes = stretch._Shapes()
    for _ in range(LEARNED):
        shapes.learn(f"[{','.join(['1'] * 1_000)}]")


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_entries_are_hashed_as_leaves(entries: list[bytes]) -> None:
    """Many at once give what each gives by itself."""
    assert hash_entries(entries) == [leaf_hash(data) for data in entries]
