"""The audit of entries alone: late epochs, other verifiers, instants, upper tiles, remarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode, parse_json
from did_methods.errors import DidError
from did_methods.keys import PublicKey, SignatureInvalidError
from registry.adapters.audit_pool import AuditPool, verify_jobs
from registry.audit.finding import CODES, make_finding, sort_findings
from registry.audit.log_audit import LogAudit, Remembered
from registry.audit.ranking import ends_of, rank_agents
from registry.audit.reader import Portion
from registry.audit.workers import SignatureJob
from registry.log.checkpoint import parse_checkpoint
from registry.log.entry import Leaf, encode_leaf
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.note import parse_note
from registry.services.audit import AuditPlan, RegistryAudit
from tests.support.logs import DAY_MS, HOUR_MS, ORIGIN, LogBuilder, key_actor


@pytest.fixture
def log() -> LogBuilder:
    """A live log with a root that has a voice and two agents."""
    log = LogBuilder().open(key_actor("root-agent"))
    log.agent("root-agent")
    log.epoch()
    log.agent("alice")
    log.agent("bob")
    return log


def audited(log: LogBuilder, entries: Sequence[bytes] | None = None, **members: Any) -> LogAudit:
    """Take entries (all of the log by default) and finish."""
    audit = LogAudit(ORIGIN, log.log_key, **members)
    for data in log.entries if entries is None else entries:
        audit.take_all([data], [leaf_hash(data)])
    audit.finish()
    audit.check_end(log.now_ms)
    return audit


def found(audit: LogAudit) -> list[tuple[str, int | None]]:
    """Return codes and indices of the findings."""
    return [(one.code, one.index) for one in audit.findings]


# ---------------------------------------------------------------- late epochs


@pytest.mark.parametrize(("late_ms", "codes"), [(HOUR_MS, []), (HOUR_MS + 1, ["epoch_late"])])
def test_an_epoch_is_due_every_day(log: LogBuilder, late_ms: int, codes: list[str]) -> None:
    """An automatic epoch over an hour late is remarked, and is no breach."""
    log.wait(DAY_MS + late_ms)
    log.epoch()
    audit = audited(log)
    assert [one.code for one in audit.findings] == codes
    assert {one.severity for one in audit.findings} <= {"remark"}


def test_an_epoch_is_due_after_the_root_list_changed(log: LogBuilder) -> None:
    """A new root list asks for an epoch within a minute."""
    log.add(log.root_list_document([key_actor("alice").did]))
    log.wait(2 * HOUR_MS)
    log.epoch()
    assert found(audited(log)) == [("epoch_late", len(log.leaves) - 1)]


def test_an_epoch_is_due_after_many_vouches_changed(log: LogBuilder) -> None:
    """More than one in a hundred live vouches changed asks for one; the log's end tells that none came."""
    log.vouch(key_actor("root-agent"), key_actor("alice"))
    log.wait(2 * HOUR_MS)
    log.report(key_actor("root-agent"), key_actor("bob"))
    assert found(audited(log)) == [("epoch_missing", None)]


def test_a_replay_has_no_automatic_epochs() -> None:
    """Epochs of a replay come when its operator logs them."""
    log = LogBuilder(profile="replay").open(key_actor("a"))
    log.agent("a")
    log.wait(400 * DAY_MS)
    log.agent("b")
    assert audited(log).findings == []


def test_a_log_ahead_of_the_clock_is_remarked(log: LogBuilder) -> None:
    """The registry chooses log times; one from the future shows."""
    audit = audited(log)
    audit.check_end(log.now_ms - HOUR_MS)
    assert found(audit) == [("log_time_ahead", None)]


# ---------------------------------------------------------------- what only the registry saw


def test_a_digest_is_registry_observed(log: LogBuilder) -> None:
    """A leaf that only holds a digest rests on the registry's word."""
    event = {"digest": base64url_encode(bytes(32))}
    audit = audited(log, [*log.entries, encode_leaf(Leaf(log.now_ms, "timestamp", (), event))])
    assert ("registry_observed", len(log.leaves)) in found(audit)


# ---------------------------------------------------------------- signatures elsewhere


class Inline:
    """Verifies at once, in this process."""

    def __init__(self) -> None:
        self.failed: int | None = None
        self.jobs = 0

    def submit(self, jobs: Sequence[SignatureJob]) -> None:
        """Verify."""
        self.jobs += len(jobs)
        failed = verify_jobs(jobs)
        if failed is not None and (self.failed is None or failed < self.failed):
            self.failed = failed

    def first_failure(self, *, wait: bool) -> int | None:
        """Return what failed."""
        return self.failed


def _with_forged_vouch(log: LogBuilder) -> tuple[list[bytes], int]:
    """Return entries of which one has a signature that does not hold, and which one."""
    vouch = log.vouch(key_actor("root-agent"), key_actor("alice"))
    log.vouch(key_actor("alice"), key_actor("bob"))
    return [data.replace(b'"strength":80', b'"strength":81', 1) for data in log.entries], vouch.index


def test_the_result_does_not_depend_on_who_verifies(log: LogBuilder) -> None:
    """A signature that fails elsewhere is named as the one that fails here; the state behind it is not used."""
    entries, at = _with_forged_vouch(log)
    here, there = audited(log, entries), audited(log, entries, verifier=Inline())
    assert found(here)[0] == found(there)[0] == ("proof_invalid", at)
    assert here.findings[0] == there.findings[0]
    assert not here.is_sound
    assert not there.is_sound


def test_an_earlier_bad_signature_overrules_a_later_breach(log: LogBuilder) -> None:
    """The fold may stumble first over a later entry; the first entry at fault is named all the same."""
    entries, at = _with_forged_vouch(log)
    entries[-1] = entries[-1].replace(b'"count":', b'"count":1', 1)
    audit = audited(log, entries, verifier=Inline())
    assert [code for code in found(audit) if code[0] != "leaf_hash_mismatch"] == [("proof_invalid", at)]


def test_worker_processes_verify_the_same(log: LogBuilder) -> None:
    """The pool passes an honest log and names the bad signature of another one."""
    with AuditPool(1) as pool:
        assert audited(log, verifier=pool).findings == []
        entries, at = _with_forged_vouch(log)
        assert found(audited(log, entries, verifier=pool))[0] == ("proof_invalid", at)


def test_workers_verify_exactly_what_keys_verify(log: LogBuilder) -> None:
    """A job holds where the key's own verification holds, and the first failing index is returned."""
    key = log.note_key
    good = SignatureJob(3, key.public_key.raw, key.sign(b"message"), b"message")
    bad = SignatureJob(4, key.public_key.raw, key.sign(b"message"), b"other")
    PublicKey("ed25519", good.public_key).verify(good.signature, good.message)
    with pytest.raises(SignatureInvalidError):
        PublicKey("ed25519", bad.public_key).verify(bad.signature, bad.message)
    assert verify_jobs([good]) is None
    assert verify_jobs([good, bad, bad._replace(leaf=9)]) == 4


# ---------------------------------------------------------------- batches and bad bytes


def test_the_state_does_not_depend_on_where_batches_end(log: LogBuilder) -> None:
    """Settling after every entry, after some, or once gives the state of the log."""
    root, alice = key_actor("root-agent"), key_actor("alice")
    for number in range(4):
        log.vouch(root, alice)
        log.set_state("release" if number % 2 else "quarantine", key_actor("bob"))
        log.wait(HOUR_MS)
        log.epoch(covers=log.state.head.size - number % 3)
    for step in (1, 3, 1_000):
        audit = LogAudit(ORIGIN, log.log_key)
        for number, data in enumerate(log.entries):
            audit.take_all([data])
            if number % step == 0:
                audit.settle()
        audit.finish()
        assert audit.is_sound
        assert audit.state == log.state


@given(data=st.data())
def test_no_entry_makes_the_audit_fall_over(data: st.DataObject) -> None:
    """Whatever an operator puts in the place of an entry is a finding at its index, never a crash."""
    log = _fuzzed_log()
    at = data.draw(st.integers(0, len(log.leaves) - 1))
    leaf = parse_json(log.leaves[at].data)
    for _ in range(data.draw(st.integers(1, 3))):
        holder, name = data.draw(st.sampled_from(list(_places(leaf))))
        holder[name] = data.draw(st.sampled_from([None, 0, -1, 2**53, "", "did:key:z", "é", [], {}, [{}], True, 1.5]))
    try:
        entry = canonicalize(leaf)
    except DidError:
        entry = b"{}"
    audit = audited(log, [*log.entries[:at], entry, *log.entries[at + 1 :]])
    if entry != log.leaves[at].data:
        assert min(one.index for one in audit.findings if one.index is not None) == at


@lru_cache(maxsize=1)
def _fuzzed_log() -> LogBuilder:
    log = LogBuilder().open(key_actor("root-agent"))
    root, alice = log.agent("root-agent"), log.agent("alice", hosted=True)
    log.epoch()
    log.vouch(root, alice, "coding")
    log.passport(alice)
    log.set_state("quarantine", alice)
    return log


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every (container, key) of a JSON value."""
    names = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for name in names:
        yield value, name
        yield from _places(value[name])


# ---------------------------------------------------------------- hashes


def test_hashes_go_on_after_the_fold_has_ended(log: LogBuilder) -> None:
    """The root is compared over all entries, also behind the first that does not fold."""
    entries, at = _with_forged_vouch(log)
    audit = audited(log, entries)
    assert audit.size == len(entries)
    assert audit.folded == at
    audit.check_root(parse_checkpoint(parse_note(log.checkpoint()).text))
    assert found(audit)[-1] == ("root_mismatch", None)


def test_an_older_checkpoint_is_a_prefix(log: LogBuilder) -> None:
    """What was seen before is compared at its own size."""
    edge = RightEdge()
    for leaf in log.leaves[:5]:
        edge.append(leaf.leaf_hash)
    assert found(audited(log, remembered=Remembered(5, edge.root()))) == []
    assert found(audited(log, remembered=Remembered(5, bytes(32)))) == [("checkpoint_inconsistent", None)]


class Mirror:
    """Serves a log from memory; what a test changes in it is what an auditor gets."""

    def __init__(self, log: LogBuilder) -> None:
        self.log = log
        self.note, self.entries = log.checkpoint(), log.entries
        edge = RightEdge()
        self.tiles: dict[int, list[bytes]] = {}
        for entry in self.entries:
            for level, node in enumerate(edge.append(leaf_hash(entry))):
                if level % 8 == 0:
                    self.tiles.setdefault(level // 8, []).append(node)
        self.key = log.log_key

    def description(self) -> dict[str, Any]:
        """Return the key."""
        return {"verifier_keys": [self.key]}

    def first_key(self) -> str:
        """Return the key."""
        return self.key

    def state_log(self) -> Mirror:
        """Return a log that nothing is known of."""
        return NoLog(self.log)

    def entry(self, index: int, size: int) -> bytes | None:
        """Return an entry."""
        return self.entries[index] if index < size else None

    def checkpoint(self) -> bytes:
        """Return the note."""
        return self.note

    def portions(self, start: int, end: int) -> Iterator[Portion]:
        """Yield entries."""
        for first in range(start, end, 256):
            wanted = min(256, end - first)
            entries = tuple(self.entries[first : first + wanted])
            yield Portion(first, wanted, entries, self.hashes(0, first // 256, wanted), len(entries) == wanted)

    def hashes(self, level: int, number: int, width: int) -> tuple[bytes, ...]:
        """Return a tile."""
        return tuple(self.tiles[level][number * 256 : number * 256 + width])

    def agents(self, *, expected: int) -> Iterator[dict[str, Any]]:
        """List nobody."""
        yield from ()

    def standing(self, did: str, context: str | None) -> dict[str, Any] | None:
        """Know nobody."""
        return None


class NoLog(Mirror):
    """Describes nothing, as where there is no such log."""

    def description(self) -> dict[str, Any]:
        """Return nothing."""
        return {}


def test_upper_tiles_are_recomputed(log: LogBuilder) -> None:
    """Tiles above the leaves hold the hashes of full tiles below; one that does not is named by level and number."""
    for number in range(260):
        log.agent(f"agent-{number}")
    mirror = Mirror(log)
    plan = AuditPlan(compare=False, patience_s=0)
    clean = RegistryAudit(mirror, plan, now_ms=lambda: log.now_ms).run()
    assert clean.findings == ()
    mirror.tiles[1][0] = bytes(32)
    report = RegistryAudit(mirror, plan, now_ms=lambda: log.now_ms).run()
    assert [(one.code, one.detail) for one in report.findings] == [("tile_mismatch", "level 1, number 0")]
    mirror.tiles[1] = []
    report = RegistryAudit(mirror, plan, now_ms=lambda: log.now_ms).run()
    assert [one.code for one in report.findings] == ["tile_missing"]


# ---------------------------------------------------------------- instants and ranking


def test_only_what_was_logged_up_to_an_instant_is_folded(log: LogBuilder) -> None:
    """Later entries are hashed for the root and not folded; the state is that of the instant."""
    log.vouch(key_actor("root-agent"), key_actor("alice"))
    instant = log.now_ms
    log.wait()
    log.report(key_actor("root-agent"), key_actor("alice"))
    audit = audited(log, until_ms=instant)
    assert (audit.size, audit.folded, audit.is_sound) == (len(log.leaves), len(log.leaves) - 1, True)
    assert audit.state.head.last_time_ms == instant
    assert audit.state.reputation.reading(key_actor("alice").did, now_ms=instant).factors.reports == 0


def test_the_ranking_goes_by_the_figure_asked_for(log: LogBuilder) -> None:
    """Best first; ends are taken without repeating anybody."""
    log.vouch(key_actor("root-agent"), key_actor("alice"))
    log.report(key_actor("root-agent"), key_actor("bob"))
    log.epoch()
    ranking = rank_agents(log.state, now_ms=log.now_ms, by="record")
    assert ranking[0].did == key_actor("alice").did
    assert ranking[-1].did == key_actor("bob").did
    assert [one.place for one in ranking] == [1, 2, 3]
    assert [one.place for one in ends_of(ranking, top=1, bottom=1)] == [1, 3]
    assert ends_of(ranking, top=2, bottom=2) == ranking
    assert ends_of(ranking, top=0, bottom=0) == ranking
    assert [one.place for one in ends_of(ranking, top=0, bottom=9)] == [1, 2, 3]
    by_score = rank_agents(log.state, now_ms=log.now_ms + 90 * DAY_MS)
    assert [one.score_micros for one in by_score] == sorted((one.score_micros for one in by_score), reverse=True)


def test_findings_are_sorted_by_weight_and_entry() -> None:
    """Breaches before remarks, lower entries first, those about no entry last."""
    given = [
        make_finding("epoch_late", index=1),
        make_finding("root_mismatch"),
        make_finding("leaf_hash_mismatch", index=9),
        make_finding("leaf_hash_mismatch", index=2),
    ]
    assert [(one.code, one.index) for one in sort_findings(given)] == [
        ("leaf_hash_mismatch", 2),
        ("leaf_hash_mismatch", 9),
        ("root_mismatch", None),
        ("epoch_late", 1),
    ]
    assert given[0].to_wire() == {
        "code": "epoch_late",
        "severity": "remark",
        "title": CODES["epoch_late"][1],
        "index": 1,
    }


def test_the_page_lists_the_audits_own_codes() -> None:
    """specs/audit.md has one row for each code, with its weight and meaning."""
    page = (Path(__file__).resolve().parents[2] / "specs" / "audit.md").read_text("utf-8")
    rows = {line for line in page.splitlines() if line.startswith("| `")}
    assert {f"| `{code}` | {severity} | {title} |" for code, (severity, title) in CODES.items()} <= rows
