"""`bonafides audit --structure`: everything about a log but what its entries say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode, parse_json, parse_json_object
from registry.audit.log_audit import LogAudit
from registry.audit.stretch import Looked, look_at
from registry.audit.structure import MAX_REFUSALS, StructureAudit
from registry.cli.main import run
from registry.log.checkpoint import parse_checkpoint
from registry.log.entry import Leaf, encode_leaf, parse_leaf
from registry.log.merkle import leaf_hash
from tests.support.log_folder import publish
from tests.support.logs import ORIGIN, LogBuilder, key_actor


@pytest.fixture(scope="module")
def log() -> LogBuilder:
    """A log of every opening, some agents and their vouches."""
    log = LogBuilder().open(key_actor("agent0"))
    for number in range(8):
        log.agent(f"agent{number}")
    for one in range(8):
        for other in range(8):
            if one != other:
                log.wait()
                log.vouch(key_actor(f"agent{one}"), key_actor(f"agent{other}"))
    log.epoch()
    return log


def structure(log: LogBuilder, entries: list[bytes], *, kind: type[LogAudit] = StructureAudit) -> LogAudit:
    """Take entries and finish."""
    audit = kind(ORIGIN, log.log_key)
    for data in entries:
        audit.take_all([data], [leaf_hash(data)])
    audit.finish()
    audit.check_end(log.now_ms)
    return audit


def test_an_honest_log_is_whole(log: LogBuilder) -> None:
    """Every leaf is of good form and follows; the tree is the one of the full audit."""
    audit = structure(log, log.entries)
    assert (audit.findings, audit.is_sound, audit.folded) == ([], True, len(log.entries))
    assert audit.tree.edge.root() == structure(log, log.entries, kind=LogAudit).tree.edge.root()


def test_no_hashes_pile_up(log: LogBuilder) -> None:
    """Nothing is kept of entries but the chains' ends: memory does not grow with the log."""
    assert structure(log, log.entries).tree.pop_hashes() == b""


def _leaf(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    wire = parse_json_object(data, max_depth=64)
    change(wire)
    return canonicalize(wire)


CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "count": (lambda data: data.replace(b'"count":', b'"count":1', 1), "links_broken"),
    "previous index": (lambda data: data.replace(b'"prevIndex":', b'"prevIndex":1', 1), "links_broken"),
    "previous hash": (
        lambda data: _leaf(data, lambda one: one["parties"][0].update(prevLeafHash=base64url_encode(bytes(32)))),
        "links_broken",
    ),
    "true for a number": (lambda data: _leaf(data, lambda one: one["parties"][0].update(count=True)), "leaf_malformed"),
    "a digest with parties": (
        lambda data: _leaf(data, lambda one: one.update(event={"digest": base64url_encode(bytes(32))})),
        "leaf_malformed",
    ),
    "time back": (lambda data: _leaf(data, lambda one: one.update(time=5)), "links_broken"),
    "time as text": (lambda data: _leaf(data, lambda one: one.update(time="5")), "leaf_malformed"),
    "white space": (lambda data: data.replace(b":", b": ", 1), "leaf_not_canonical"),
    "escape": (lambda data: data.replace(b'"kind"', b'"k\\u0069nd"', 1), "leaf_not_canonical"),
    "no parties": (lambda data: _leaf(data, lambda one: one.pop("parties")), "leaf_malformed"),
    "empty parties": (lambda data: _leaf(data, lambda one: one.update(parties=[])), "leaf_malformed"),
    "more members": (lambda data: _leaf(data, lambda one: one.update(more=1)), "leaf_malformed"),
    "other format": (lambda data: data.replace(b"leaf/1", b"leaf/2", 1), "leaf_malformed"),
    "kind": (lambda data: _leaf(data, lambda one: one.update(kind="Vouch")), "leaf_malformed"),
    "parties in another order": (lambda data: _leaf(data, lambda one: one["parties"].reverse()), "leaf_malformed"),
    "a role more": (lambda data: _leaf(data, lambda one: one["parties"][0].update(roles=["owner"])), "leaf_malformed"),
    "too long": (lambda data: data + b" " * 8_192, "leaf_too_large"),
    "garbage": (lambda _data: b"\x00\xff", "leaf_malformed"),
    "nothing": (lambda _data: b"", "leaf_malformed"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_leaf_is_named(log: LogBuilder, name: str) -> None:
    """Form and links are held member by member: the entry is the first at fault, with the code of its fault."""
    change, code = CHANGES[name]
    at = len(log.entries) - 9
    entries = list(log.entries)
    entries[at] = change(entries[at])
    assert entries[at] != log.entries[at]
    audit = structure(log, entries)
    assert (audit.findings[0].code, audit.findings[0].index) == (code, at)
    assert not audit.is_sound


@pytest.mark.parametrize(
    "tamper",
    [
        lambda entries, at: entries.pop(at),
        lambda entries, at: entries.insert(at, entries[at]),
        lambda entries, at: entries.insert(at, entries.pop(at + 3)),
    ],
    ids=["deleted", "inserted", "reordered"],
)
def test_entries_that_are_not_where_they_belong(log: LogBuilder, tamper: Callable[[list[bytes], int], object]) -> None:
    """The chains of the DIDs in them break where an entry is gone, is there twice, or stands elsewhere."""
    entries, at = list(log.entries), 30
    tamper(entries, at)
    audit = structure(log, entries)
    assert "links_broken" in {one.code for one in audit.findings}
    assert min(one.index for one in audit.findings if one.index is not None) in range(at, at + 9)
    assert len(audit.findings) <= MAX_REFUSALS


@given(data=st.data())
def test_no_entry_makes_it_fall_over(data: st.DataObject, log: LogBuilder) -> None:
    """Whatever stands in the place of an entry is a finding, or is followed by one where its links are used."""
    at = data.draw(st.integers(4, len(log.entries) - 2))
    entry = bytearray(log.entries[at])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(entry) - 1))
        entry[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    changed = [*log.entries[:at], bytes(entry), *log.entries[at + 1 :]]
    audit = structure(log, changed)
    root = structure(log, log.entries).tree.edge.root()
    assert (audit.tree.edge.root() == root) is (changed[at] == log.entries[at])


def test_quick_and_close_looks_agree(log: LogBuilder) -> None:
    """Wherever a stretch begins and ends, it is taken, and gives the links of a close look at each of its entries."""
    close, hashes = StructureAudit(ORIGIN, log.log_key), [leaf_hash(data) for data in log.entries]
    close.take_all(log.entries, looked=Looked(hashes, None))
    for length in (1, 7, len(log.entries)):
        quick = StructureAudit(ORIGIN, log.log_key)
        for start in range(0, len(log.entries), length):
            looked = look_at(start, log.entries[start : start + length])
            assert looked.stretch is not None
            quick.take_all(log.entries[start : start + length], looked=looked)
        assert (quick._chains, quick._last_ms, quick.folded) == (close._chains, close._last_ms, close.folded)
        assert (quick.findings, close.findings) == ([], [])


def test_false_is_no_index(log: LogBuilder) -> None:
    """To Python false is 0, the index of the first entry; a link that says so is none."""
    entries = list(log.entries)
    at = next(index for index, data in enumerate(entries) if b'"prevIndex":0,' in data)
    entries[at] = entries[at].replace(b'"prevIndex":0,', b'"prevIndex":false,')
    audit = structure(log, entries)
    assert (audit.findings[0].code, audit.findings[0].index) == ("leaf_malformed", at)


@pytest.mark.parametrize("name", ["count", "prevIndex", "prevLeafHash"])
def test_a_broken_link_says_what_was_expected(log: LogBuilder, name: str) -> None:
    """The member that differs, what its value should be, and what it is."""
    at = len(log.entries) - 9
    party = parse_leaf(log.entries[at]).parties[1]
    assert party.prev_leaf_hash is not None
    good = {"count": party.count, "prevIndex": party.prev_index, "prevLeafHash": base64url_encode(party.prev_leaf_hash)}
    bad = {"count": 99, "prevIndex": 0, "prevLeafHash": base64url_encode(bytes(32))}
    entries = list(log.entries)
    entries[at] = _leaf(entries[at], lambda one: one["parties"][1].update({name: bad[name]}))
    found = structure(log, entries).findings[0]
    assert (found.code, found.index, found.detail) == ("links_broken", at, f"{name} of {party.did}")
    assert (found.expected, found.found) == (str(good[name]), str(bad[name]))


def test_a_stretch_must_follow(log: LogBuilder) -> None:
    """Entries that hang together among themselves, but do not go on from those before, are named as they are one by one."""
    entries = log.entries[:20] + log.entries[21:]
    single = structure(log, entries)
    audit = StructureAudit(ORIGIN, log.log_key)
    audit.take_all(entries[:20])
    looked = look_at(20, entries[20:])
    audit.take_all(entries[20:], looked=looked)
    assert audit.findings == single.findings != []


def test_workers_look_at_a_log_alike(log: LogBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Stretches that were looked at in other processes give the same report, of a good log and of one at fault."""
    tiles = publish(log, tmp_path / "tiles")
    asked = ["audit", str(tiles), "--structure", "--no-state", "--json"]
    for code in (0, 4):
        reports = []
        for jobs in ("0", "2"):
            assert run([*asked, "--jobs", jobs]) == code
            report = parse_json(capsys.readouterr().out.encode(), max_bytes=1 << 20)
            assert isinstance(report, dict)
            reports.append({name: value for name, value in report.items() if name != "seconds"})
        assert reports[0] == reports[1]
        entries = list(log.entries)
        entries[40] = entries[40].replace(b'"count":', b'"count":1', 1)
        publish(log, tiles, entries=entries)


def test_a_digest_is_registry_observed(log: LogBuilder) -> None:
    """A leaf that only holds a digest stands in no chain, and rests on the registry's word."""
    leaf = encode_leaf(Leaf(log.now_ms, "timestamp", (), {"digest": base64url_encode(bytes(32))}))
    assert [one.code for one in structure(log, [*log.entries, leaf]).findings] == ["registry_observed"]


def test_the_command(log: LogBuilder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It reads a folder, verifies no signature and says so, keeps nothing, and ends with 4 where something is wrong."""
    tiles = publish(log, tmp_path / "tiles")
    asked = ["audit", str(tiles), "--structure", "--state", str(tmp_path / "state")]
    assert run([*asked, "--json"]) == 0
    report = parse_json(capsys.readouterr().out.encode(), max_bytes=1 << 20)
    assert isinstance(report, dict)
    assert (report["mode"], report["folded"], report["clean"]) == ("structure", len(log.entries), True)
    assert run(asked) == 0
    assert "no signature verified" in capsys.readouterr().out
    assert {one.name for one in (tmp_path / "state").iterdir()} == {"lock"}
    forged = [data.replace(b'"strength":80', b'"strength":81', 1) for data in log.entries]
    publish(log, tiles, entries=forged)
    assert run(asked) == 4  # the next leaf of the chain says what stood there
    assert parse_checkpoint((tiles / "checkpoint").read_text().partition("\n\n")[0] + "\n").size == len(log.entries)
    assert run([*asked, "--top", "3"]) == 2
    capsys.readouterr()
