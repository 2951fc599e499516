"""What an audit keeps between runs: the note, the fold, evidence of a split view; and what becomes of it when it is damaged."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import parse_json_object
from registry.adapters.audit_folder import (
    AuditFolder,
    AuditState,
    AuditStateInUseError,
    AuditStateUnreadableError,
    folder_of_log,
    states_folder,
)
from registry.audit.fold_file import FoldFormatError, dump_fold, load_fold
from registry.audit.log_audit import LogAudit
from registry.cli.main import run
from registry.client.log_reader import LogReader
from registry.client.tile_folder import FolderTransport
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.merkle import leaf_hash
from registry.log.note import NoteSigner, parse_note_key
from registry.log.split_view import parse_split_view, verify_split_view
from registry.services.audit import AuditPlan, RegistryAudit
from registry.services.audit_memory import AuditKeeper
from tests.support.log_folder import publish
from tests.support.logs import ORIGIN, LogBuilder, key_actor

Capture = pytest.CaptureFixture[str]


def make_log(vouches: int, *, name: str = "test", agents: int = 18) -> LogBuilder:
    """Grow a log of some agents that vouch for one another."""
    log = LogBuilder(name=name).open(key_actor("agent0"))
    for number in range(agents):
        log.agent(f"agent{number}")
    more(log, vouches, agents=agents)
    return log


def more(log: LogBuilder, vouches: int, *, begin: int = 0, agents: int = 18) -> None:
    """Let agents vouch for one another."""
    pairs = [(one, other) for one in range(agents) for other in range(agents) if one != other]
    for one, other in pairs[begin : begin + vouches]:
        log.wait()
        log.vouch(key_actor(f"agent{one}"), key_actor(f"agent{other}"))


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def grown() -> LogBuilder:
    """A log of more than a bundle."""
    return make_log(260)


def audit(capsys: Capture, folder: Path, *more: str, key: str | None = None) -> tuple[int, dict[str, Any]]:
    """Audit a folder; return exit code and report."""
    code = run(["audit", str(folder), "--json", *(["--key", key] if key else []), *more])
    printed = capsys.readouterr()
    return code, parse_json_object(printed.out.encode(), max_bytes=1 << 20) if printed.out else {"error": printed.err}


def codes(report: dict[str, Any]) -> list[str]:
    """Return the codes of its findings."""
    return [one["code"] for one in report["findings"]]


class Counting(LogReader):
    """A reader that notes which entries it was asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__(FolderTransport(folder))
        self.asked: list[tuple[int, int]] = []

    def portions(self, start: int, end: int) -> Any:
        """Note, and read."""
        self.asked.append((start, end))
        return super().portions(start, end)


def keep_in(state: Path, reader: LogReader, log: LogBuilder, **more: Any) -> Any:
    """Audit with a folder, as the command does; return the report."""
    folder = AuditFolder(state)
    kept = folder.open()
    try:

        def keep(key: Any, source: Any) -> AuditKeeper:
            return AuditKeeper(folder, kept or AuditState(ORIGIN, log.log_key, "x", None), key=key, reader=source)

        plan = AuditPlan(log_key=log.log_key, compare=False, patience_s=0)
        return RegistryAudit(reader, plan, now_ms=lambda: log.now_ms, keep=keep, **more).run()
    finally:
        folder.close()


def test_the_second_audit_verifies_only_what_is_new(grown: LogBuilder, tmp_path: Path) -> None:
    """It asks for the entries behind the fold, and comes to the same state as an audit from entry 0."""
    whole = make_log(260)
    first = len(whole.entries)
    tiles = publish(whole, tmp_path / "tiles")
    assert keep_in(tmp_path / "state", Counting(tiles), whole).is_clean
    more(whole, 20, begin=260)
    publish(whole, tiles)
    reader = Counting(tiles)
    report = keep_in(tmp_path / "state", reader, whole)
    assert (report.is_clean, report.entries, report.folded) == (True, len(whole.entries), len(whole.entries))
    assert reader.asked == [(0, 256), (first, len(whole.entries))]  # one bundle is drawn and hashed again
    assert report.state == whole.state
    assert keep_in(tmp_path / "other", Counting(tiles), whole).state == report.state


def test_the_folder_is_private_and_holds_the_note(grown: LogBuilder, tmp_path: Path, capsys: Capture) -> None:
    """By default it is the log's own below the user's state; only its owner may look."""
    tiles = publish(grown, tmp_path / "tiles")
    code, report = audit(capsys, tiles)
    assert (code, report["trust"]) == (0, "first_use")
    folder = folder_of_log(states_folder(), ORIGIN)
    assert (
        json.loads((folder / "state.json").read_bytes())["checkpoint"].encode() == (tiles / "checkpoint").read_bytes()
    )
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()} == {0o600}
    assert audit(capsys, tiles)[1]["trust"] == "remembered"
    assert audit(capsys, tiles, "--no-state")[1]["trust"] == "first_use"


def fork(log: LogBuilder, at: int) -> LogBuilder:
    """Return a log that is another one from an entry on, as long and under the same keys."""
    other = make_log(at)
    more(other, 260 - at, begin=at + 5)
    assert other.log_key == log.log_key
    return other


@pytest.mark.parametrize("growth", [-3, 0, 7])
def test_a_fork_leaves_evidence_for_everybody(grown: LogBuilder, tmp_path: Path, capsys: Capture, growth: int) -> None:
    """A log that shows another history, shorter, as long or longer, is proven to have done so by a file alone."""
    tiles = publish(grown, tmp_path / "tiles")
    assert audit(capsys, tiles)[0] == 0
    kept = (folder_of_log(states_folder(), ORIGIN) / "state.json").read_bytes()
    other = fork(grown, 250)
    more(other, max(growth, 0), begin=270)
    publish(other, tiles, entries=other.entries[: len(grown.entries) + growth])
    code, report = audit(capsys, tiles)
    assert code == 4
    assert {"checkpoint_rolled_back", "checkpoint_inconsistent"} & set(codes(report))
    (file,) = folder_of_log(states_folder(), ORIGIN).glob("split-view-*.json")
    assert str(file) in next(one["detail"] for one in report["findings"] if one["code"].startswith("checkpoint_"))
    verify_split_view(parse_split_view(file.read_bytes()), key=parse_note_key(grown.log_key))
    assert run(["witness", "verify-evidence", str(file), "--key", grown.log_key]) == 0
    capsys.readouterr()
    assert (folder_of_log(states_folder(), ORIGIN) / "state.json").read_bytes() == kept
    publish(grown, tiles)
    assert audit(capsys, tiles)[0] == 0


def test_a_log_that_shrank_is_a_breach_without_a_contradiction(
    grown: LogBuilder, tmp_path: Path, capsys: Capture
) -> None:
    """A beginning of the known tree is a rollback, or an old copy: noticed, and no proof for others exists."""
    tiles = publish(grown, tmp_path / "tiles")
    assert audit(capsys, tiles)[0] == 0
    publish(grown, tiles, entries=grown.entries[:-4])
    code, report = audit(capsys, tiles)
    assert (code, codes(report)) == (4, ["checkpoint_rolled_back"])
    assert not list(folder_of_log(states_folder(), ORIGIN).glob("split-view-*"))


def test_another_log_at_a_known_address(grown: LogBuilder, tmp_path: Path, capsys: Capture) -> None:
    """Whoever audits without a key is told that the log was replaced; with the new key it is taken as another log."""
    tiles = publish(grown, tmp_path / "tiles")
    assert audit(capsys, tiles)[0] == 0
    other = make_log(3, name="other")
    publish(other, tiles)
    note = sign_checkpoint(Checkpoint("other.example/log", 1, bytes(32)), other.note_key)
    vkey = NoteSigner("other.example/log", other.note_key).key.to_text()
    (tiles / "checkpoint").write_bytes(note)
    (tiles / "log.json").write_bytes(json.dumps({"verifier_keys": [vkey]}).encode())
    code, report = audit(capsys, tiles)
    assert (code, "log_replaced" in codes(report)) == (4, True)
    assert "log_replaced" not in codes(audit(capsys, tiles, key=vkey)[1])


def test_another_key_of_a_known_log(grown: LogBuilder, tmp_path: Path, capsys: Capture) -> None:
    """The remembered key counts, whatever the log names now; a given one that is another is refused."""
    tiles = publish(grown, tmp_path / "tiles")
    assert audit(capsys, tiles)[0] == 0
    stranger = make_log(0, name="stranger")
    (tiles / "log.json").write_bytes(json.dumps({"verifier_keys": [stranger.log_key]}).encode())
    code, report = audit(capsys, tiles)
    assert (code, report["trust"]) == (0, "remembered")
    code, report = audit(capsys, tiles, key=stranger.log_key)
    assert (code, "[audit_key_changed]" in report["error"]) == (2, True)


def test_what_was_verified_must_still_be_served(
    grown: LogBuilder, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old entries are not folded again, but bundles of them are drawn and hashed; --whole verifies every one."""
    tiles = publish(grown, tmp_path / "tiles")
    assert audit(capsys, tiles)[0] == 0
    file = tiles / "tile/entries/000"
    honest = file.read_bytes()
    file.write_bytes(honest.replace(b'"strength":80', b'"strength":81', 1))
    code, report = audit(capsys, tiles)
    assert (code, codes(report)) == (4, ["leaf_hash_mismatch"])
    file.write_bytes(honest[: len(honest) // 2])
    code, report = audit(capsys, tiles)
    assert (code, codes(report)) == (4, ["entries_missing"])
    file.write_bytes(honest.replace(b'"strength":80', b'"strength":81', 1))
    monkeypatch.setattr("registry.services.audit_memory.AUDIT_SPOT_BUNDLES", 0)
    assert audit(capsys, tiles)[0] == 0  # nobody looked there
    code, report = audit(capsys, tiles, "--whole")
    assert (code, {"leaf_hash_mismatch", "proof_invalid", "root_mismatch"} <= set(codes(report))) == (4, True)
    file.write_bytes(honest)
    code, report = audit(capsys, tiles, "--whole")
    assert (code, codes(report), report["folded"]) == (0, [], len(grown.entries))


# ---------------------------------------------------------------- damage


def _damage_state(folder: Path) -> None:
    file = folder / "state.json"
    file.write_bytes(file.read_bytes().replace(b'"url":"', b'"url":"x', 1))


def _damage_fold(folder: Path) -> None:
    (file,) = folder.glob("fold-*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def _remove_fold(folder: Path) -> None:
    (file,) = folder.glob("fold-*")
    file.unlink()


@pytest.mark.parametrize("damage", [_damage_fold, _remove_fold])
def test_a_damaged_fold_is_noticed_and_not_used(
    grown: LogBuilder, tmp_path: Path, capsys: Capture, damage: Callable[[Path], None]
) -> None:
    """The log is read from its beginning, which is said; afterwards the fold is whole again."""
    tiles = publish(grown, tmp_path / "tiles")
    assert audit(capsys, tiles)[0] == 0
    damage(folder_of_log(states_folder(), ORIGIN))
    code, report = audit(capsys, tiles)
    assert (code, codes(report), report["folded"]) == (0, ["fold_discarded"], len(grown.entries))
    assert codes(audit(capsys, tiles)[1]) == []


@pytest.mark.parametrize("content", [None, b"{}", b"[", b'{"format":"bonafides/audit-state/1"}'])
def test_a_changed_or_foreign_state_is_refused(
    grown: LogBuilder, tmp_path: Path, capsys: Capture, content: bytes | None
) -> None:
    """What an audit did not write is neither believed nor overwritten."""
    tiles = publish(grown, tmp_path / "tiles")
    assert audit(capsys, tiles)[0] == 0
    file = folder_of_log(states_folder(), ORIGIN) / "state.json"
    if content is None:
        _damage_state(file.parent)
    else:
        file.write_bytes(content)
    changed = file.read_bytes()
    code, report = audit(capsys, tiles)
    assert (code, "[audit_state_malformed]" in report["error"]) == (2, True)
    assert file.read_bytes() == changed


def test_a_fold_of_another_log_or_version_is_refused(grown: LogBuilder) -> None:
    """Every member that says what it belongs to is held; a good one gives the same audit again."""
    done = LogAudit(ORIGIN, grown.log_key)
    for data in grown.entries[:40]:
        done.take_all([data])
    done.finish()
    fold = dump_fold(done)
    again = LogAudit(ORIGIN, grown.log_key)
    load_fold(fold, again)
    assert (again.state, again.size, again.tree.edge.root()) == (done.state, 40, done.tree.edge.root())
    assert again.hosted == done.hosted
    for bad in (
        fold.replace(b"audit-fold/1", b"audit-fold/9", 1),
        fold.replace(ORIGIN.encode(), b"elsewhere.example/1", 1),
        fold.replace(b'"folded":40', b'"folded":39', 1),
        fold.replace(b'"epochs"', b'"eras"', 1),
        fold[: len(fold) // 2],
        b"",
    ):
        with pytest.raises(FoldFormatError) as refused:
            load_fold(bad, LogAudit(ORIGIN, grown.log_key))
        assert refused.value.code == "audit_fold_malformed"


def test_two_audits_at_a_time_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second is refused; after the first has ended it may."""
    first, second = AuditFolder(tmp_path), AuditFolder(tmp_path)
    first.open()
    with pytest.raises(AuditStateInUseError) as refused:
        second.open()
    assert refused.value.code == "audit_state_in_use"
    first.close()
    second.open()
    second.close()


# ---------------------------------------------------------------- interruption


def test_an_interrupted_audit_goes_on_where_it_stopped(grown: LogBuilder, tmp_path: Path) -> None:
    """What was verified up to the last bundle is kept; no checkpoint is accepted before the audit has ended."""
    tiles = publish(grown, tmp_path / "tiles")
    state = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        keep_in(state, Counting(tiles), grown, is_stopped=lambda: True)
    assert json.loads((state / "state.json").read_bytes())["checkpoint"] is None
    reader = Counting(tiles)
    report = keep_in(state, reader, grown)
    assert (report.is_clean, reader.asked) == (True, [(0, 256), (256, len(grown.entries))])
    assert report.state == grown.state


def test_nothing_unsound_is_kept(grown: LogBuilder, tmp_path: Path) -> None:
    """An interruption after a breach, or over entries that are not those of the signed tree, leaves no fold."""
    other = fork(grown, 250)
    tiles = publish(grown, tmp_path / "tiles")
    note = sign_checkpoint(Checkpoint(ORIGIN, len(grown.entries), leaf_hash(b"")), grown.note_key)
    (tiles / "checkpoint").write_bytes(note)
    with pytest.raises(KeyboardInterrupt):
        keep_in(tmp_path / "state", Counting(tiles), grown, is_stopped=lambda: True)
    broken = list(other.entries)
    broken[9] = broken[9].replace(b'"count":', b'"count":1', 1)
    publish(other, tiles, entries=broken)
    with pytest.raises(KeyboardInterrupt):
        keep_in(tmp_path / "state", Counting(tiles), grown, is_stopped=lambda: True)
    assert {one.name for one in (tmp_path / "state").iterdir()} == {"lock"}


@pytest.mark.parametrize("step", ["fold", "leaves", "state"])
def test_a_save_that_is_cut_short_changes_nothing(
    grown: LogBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whichever file the disk fails at: the next audit finds what was there before."""
    whole = make_log(260)
    tiles, state = publish(whole, tmp_path / "tiles"), tmp_path / "state"
    assert keep_in(state, Counting(tiles), whole).is_clean
    first = len(whole.entries)
    more(whole, 20, begin=260)
    publish(whole, tiles)
    replace, fsync = Path.replace, os.fsync

    def fail(path: Path, target: Path) -> Path:
        if target.name.startswith(step):
            raise OSError(28, "No space left on device")
        return replace(path, target)

    def fail_sync(descriptor: int) -> None:
        if step == "leaves" and "leaves" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        patch.setattr(os, "fsync", fail_sync)
        with pytest.raises(AuditStateUnreadableError) as refused:
            keep_in(state, Counting(tiles), whole)
    assert refused.value.code == "audit_state_unreadable"
    reader = Counting(tiles)
    report = keep_in(state, reader, whole)
    assert (report.findings, reader.asked) == ((), [(0, 256), (first, len(whole.entries))])
