"""Log times against the times of witnesses: placed, unwitnessed, or contradicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import parse_json_object
from did_methods.keys import SigningKey
from registry.audit.log_audit import LogAudit
from registry.audit.witness_times import WitnessMark, WitnessTimes
from registry.cli.main import run
from registry.limits import CLOCK_WINDOW_MS
from registry.log.checkpoint import parse_checkpoint
from registry.log.cosignature import Cosigner, append_lines, cosign
from tests.support.log_folder import publish
from tests.support.logs import HOUR_MS, START_MS, LogBuilder, key_actor, seed

Capture = pytest.CaptureFixture[str]
WITNESS = Cosigner("witness.example/w", SigningKey(seed("witness")))
OTHER = Cosigner("other.example/w", SigningKey(seed("other witness")))


def make_log(profile: str = "live") -> LogBuilder:
    """Grow a log of which each entry after the opening is an hour later than the one before."""
    log = LogBuilder(profile=profile).open(key_actor("agent0"))  # type: ignore[arg-type]
    for number in range(6):
        log.wait(HOUR_MS)
        log.agent(f"agent{number}")
    return log


def audited(log: LogBuilder, marks: Sequence[WitnessMark]) -> list[tuple[str, int | None]]:
    """Fold the log with marks; return what concerns witness times."""
    times = WitnessTimes()
    times.add(marks)
    audit = LogAudit("registry.example/0a1b2c3d", log.log_key, observers=(times,))
    for data in log.entries:
        audit.take_all([data])
    audit.finish()
    audit.check_end(log.now_ms)
    assert audit.is_sound, audit.findings
    return [(one.code, one.index) for one in audit.findings if "witness" in one.code]


def mark(size: int, time_ms: int, witness: str = "w") -> WitnessMark:
    """Make a mark."""
    return WitnessMark(size, time_ms, witness)


def test_leaves_lie_between_the_times_around_them() -> None:
    """After the newest time of smaller trees, before the oldest of larger ones; behind the last, unwitnessed."""
    times = WitnessTimes()
    times.add([mark(4, 400), mark(4, 350, "v"), mark(8, 800), mark(8, 900)])
    assert [times.place(index) for index in (0, 3, 4, 7, 8)] == [
        (None, 350), (None, 350), (400, 800), (400, 800), (900, None)
    ]  # fmt: skip
    wire = [one.to_wire() for one in times.ranges(10)]
    assert [(one["from"], one["below"]) for one in wire] == [(0, 4), (4, 8), (8, 10)]
    assert (wire[0]["after"], wire[2]["before"]) == (None, None)
    assert WitnessTimes().ranges(3)[0].before_ms is None
    assert WitnessTimes().ranges(0) == ()


@given(marks=st.lists(st.builds(mark, st.integers(0, 12), st.integers(0, 50)), max_size=8), index=st.integers(0, 12))
def test_places_are_what_the_definition_says(marks: list[WitnessMark], index: int) -> None:
    """The quick look agrees with going through all marks, in whatever steps they came."""
    times = WitnessTimes()
    for one in marks:
        times.add([one])
    after = max((one.time_ms for one in marks if one.size <= index), default=None)
    before = min((one.time_ms for one in marks if one.size > index), default=None)
    assert times.place(index) == (after, before)
    (found,) = [one for one in times.ranges(13) if one.start <= index < one.end]
    assert (found.after_ms, found.before_ms) == (after, before)


def test_an_honest_log_agrees_with_its_witnesses() -> None:
    """Cosigned a little after each entry: nothing to tell."""
    log = make_log()
    marks = [mark(leaf.index + 1, leaf.time_ms + 60_000) for leaf in log.leaves]
    assert audited(log, marks) == []
    assert audited(log, []) == []


@pytest.mark.parametrize(("early_ms", "told"), [(CLOCK_WINDOW_MS, False), (CLOCK_WINDOW_MS + 1_000, True)])
def test_a_log_time_after_a_witness_saw_the_entry(early_ms: int, told: bool) -> None:
    """An entry that a witness saw before it was logged, as the log says, was dated forward; clocks may differ a little."""
    log = make_log()
    at = 7
    seen = mark(len(log.leaves), log.leaves[at].time_ms - early_ms)
    found = audited(log, [seen])
    assert (("log_time_after_witness", at) in found) is told
    assert [index for _, index in found] == [at if told else at + 1]  # the first of those behind it, once


@pytest.mark.parametrize(("late_ms", "told"), [(CLOCK_WINDOW_MS, False), (CLOCK_WINDOW_MS + 1_000, True)])
def test_a_log_time_long_before_a_witness_saw_no_entry(late_ms: int, told: bool) -> None:
    """An entry behind the tree that a witness still knew as the largest, dated long before, was dated back."""
    log = make_log()
    at = 7
    assert audited(log, [mark(at, log.leaves[at].time_ms + late_ms)]) == (
        [("log_time_before_witness", at)] if told else []
    )


def test_a_replay_is_not_held_against_clocks() -> None:
    """The times of a replay are those of its statements."""
    log = make_log("replay")
    assert audited(log, [mark(4, START_MS + 400 * HOUR_MS), mark(9, START_MS - 400 * HOUR_MS)]) == []


# ---------------------------------------------------------------- the command


def cosigned(log: LogBuilder, tiles: Path, *, late_ms: int, cosigner: Cosigner = WITNESS) -> None:
    """Publish the log with a cosignature so long after its newest entry."""
    publish(log, tiles)
    file = tiles / "checkpoint"
    head = parse_checkpoint(file.read_text("utf-8").partition("\n\n")[0] + "\n")
    line = cosign(head, cosigner, time_s=(log.leaves[-1].time_ms + late_ms) // 1_000)
    file.write_bytes(append_lines(file.read_bytes(), [line]))


def policy_file(folder: Path, *cosigners: Cosigner) -> str:
    """Write a policy whose quorum is every one of these witnesses."""
    lines = [f"witness w{number} {one.key.to_text()}" for number, one in enumerate(cosigners)]
    names = " ".join(f"w{number}" for number in range(len(cosigners)))
    file = folder / f"policy-{len(cosigners)}"
    file.write_text("\n".join([*lines, f"group all all {names}", "quorum all", ""]))
    return str(file)


def audit(capsys: Capture, tiles: Path, *more: str) -> tuple[int, dict[str, object]]:
    """Run the command."""
    code = run(["audit", str(tiles), "--json", "--state", str(tiles.parent / "state"), *more])
    return code, parse_json_object(capsys.readouterr().out.encode(), max_bytes=1 << 20)


def test_earlier_runs_place_what_came_before(tmp_path: Path, capsys: Capture) -> None:
    """The cosignatures of checkpoints that were accepted are kept: entries between two runs lie between two times."""
    log, tiles = make_log(), tmp_path / "tiles"
    policy = policy_file(tmp_path, WITNESS)
    cosigned(log, tiles, late_ms=60_000)
    first = len(log.leaves)
    code, report = audit(capsys, tiles, "--policy", policy)
    assert (code, report["witnesses"], report["unwitnessed"]) == (0, [WITNESS.name], 0)
    log.wait(HOUR_MS)
    log.agent("late")
    cosigned(log, tiles, late_ms=60_000)
    code, report = audit(capsys, tiles, "--policy", policy)
    ranges = report["witnessed"]
    assert isinstance(ranges, list)
    assert [(one["from"], one["below"]) for one in ranges] == [(0, first), (first, len(log.leaves))]
    assert ranges[1]["after"] == ranges[0]["before"]
    log.wait(HOUR_MS)
    log.agent("later")
    publish(log, tiles)
    code, report = audit(capsys, tiles)
    assert (code, report["unwitnessed"]) == (0, len(log.leaves))  # nobody's key is known without a policy
    assert run(["audit", str(tiles), "--no-state"]) == 0
    assert "unwitnessed" in capsys.readouterr().out


def test_what_a_witness_contradicts_is_a_breach(tmp_path: Path, capsys: Capture) -> None:
    """A log dated an hour forward: its newest entry was seen before it was logged."""
    log, tiles = make_log(), tmp_path / "tiles"
    cosigned(log, tiles, late_ms=-HOUR_MS)
    code, report = audit(capsys, tiles, "--policy", policy_file(tmp_path, WITNESS))
    assert code == 4
    findings = report["findings"]
    assert isinstance(findings, list)
    assert {one["code"] for one in findings} == {"log_time_after_witness"}


def test_the_auditors_policy_is_held(tmp_path: Path, capsys: Capture) -> None:
    """A checkpoint without its quorum is a breach, and a line that a known witness did not make condemns the note."""
    log, tiles = make_log(), tmp_path / "tiles"
    cosigned(log, tiles, late_ms=60_000)
    code, report = audit(capsys, tiles, "--policy", policy_file(tmp_path, WITNESS, OTHER))
    findings = report["findings"]
    assert isinstance(findings, list)
    assert (code, [one["code"] for one in findings]) == (4, ["witness_quorum_missing"])
    file = tiles / "checkpoint"
    forged = cosign(
        parse_checkpoint("registry.example/0a1b2c3d\n1\n" + "A" * 43 + "=\n"), WITNESS, time_s=1_763_629_999
    )
    publish(log, tiles)
    file.write_bytes(append_lines(file.read_bytes(), [forged]))
    code, report = audit(capsys, tiles, "--policy", policy_file(tmp_path, WITNESS))
    findings = report["findings"]
    assert isinstance(findings, list)
    assert (code, [one["code"] for one in findings]) == (4, ["cosignature_invalid"])
    assert run(["audit", str(tiles), "--policy", str(tmp_path / "nothing")]) == 3
    capsys.readouterr()
