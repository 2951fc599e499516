"""`bonafides import ratings` against a real registry on a loopback socket."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from did_methods.codec import parse_json_object
from registry.cli.main import run
from registry.client.member_keys import Members, load_member_keys
from registry.client.operator import Operator
from registry.client.ratings import DAY_MS, EpochStep, Rating, parse_ratings, plan_steps
from registry.client.replay import Replay, ReplayClient
from registry.client.transport import Transport
from registry.reputation.replay import RatedEvent, ScoreQuery, replay_scores
from tests.replay.market import BEGIN_S, YEAR_S, label_lines, market_lines, write_lines
from tests.support.registry import World, open_world, serve

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class Market:
    """A replay registry and the file that goes into it."""

    world: World
    url: str
    folder: Path
    data: Path
    lines: list[str]
    file: Path

    @property
    def keys(self) -> Path:
        """Where the members' keys go."""
        return self.folder / "members.jsonl"

    def arguments(self, *more: str, file: Path | None = None, roots: str = "earliest:4") -> list[str]:
        """Return the command line of an import."""
        usual = ["--roots", roots, "--url", self.url, "--keys", str(self.keys), "--data", str(self.data)]
        return ["import", "ratings", str(file or self.file), *usual, *more, "--json"]


@contextmanager
def market(
    folder: Path, *, profile: str = "replay", dev: bool = True, lines: list[str] | None = None
) -> Iterator[Market]:
    """Serve a registry of its own with a made-up market beside it."""
    lines = market_lines() if lines is None else lines
    file = write_lines(folder / "ratings.csv", lines)
    with open_world(folder / "data", profile=profile, dev=dev) as world, serve(world.app) as url:
        yield Market(world, url, folder, folder / "data", lines, file)


def told(capsys: Capture) -> dict[str, Any]:
    """Return what a command printed as JSON."""
    return parse_json_object(capsys.readouterr().out.encode(), max_bytes=1 << 20)


def test_a_whole_market_goes_in_and_audits_clean(tmp_path: Path, capsys: Capture) -> None:
    """Every rating is an entry at its own time, every member an agent, the audit finds nothing, labels are judged."""
    with market(tmp_path) as place:
        labels = write_lines(tmp_path / "labels.csv", label_lines())
        assert run(place.arguments("--labels", str(labels))) == 0
        report = told(capsys)
        rows = parse_ratings(place.lines).rows
        epochs = sum(isinstance(step, EpochStep) for step in plan_steps(rows, epoch_ms=7 * DAY_MS))
        assert (report["ratings"], report["members"], report["epochs"]) == (320, 40, epochs)
        assert (report["accepted"], report["repeated"], report["alreadyThere"]) == (360, 0, 0)
        assert place.world.size == 7 + 1 + 360 + epochs
        assert stat.S_IMODE(place.keys.stat().st_mode) == 0o600
        members, listed = load_member_keys(place.keys)
        assert set(place.world.registry.state.tables.agents) == {*listed.values(), place.world.operator.did}
        _check_leaves(place, members, rows)
        assert report["labels"]["recordAuc"] > 0.8
        assert run(["audit", place.url, "--no-state", "--json"]) == 0
        assert told(capsys)["clean"]


def _check_leaves(place: Market, members: Members, rows: tuple[Rating, ...]) -> None:
    entries = place.world.registry.store.entries(0, place.world.size)
    said = [entry for entry in entries if entry.kind in ("vouch", "report")]
    assert [(entry.kind, entry.time_ms, entry.event_id) for entry in said] == [
        (row.kind, row.time_ms, members.event_id(row)) for row in rows
    ]
    wanted = {"vouch": "strength", "report": "severity"}
    for row, entry in zip(rows, said, strict=True):
        subject = parse_json_object(entry.data)["event"]["credentialSubject"]
        assert subject == {"id": members.did(row.target), wanted[row.kind]: abs(row.value) * 10}


def test_the_log_gives_the_scores_of_the_rules_alone(tmp_path: Path, capsys: Capture) -> None:
    """Signed, sent, logged and read back, every record equals the one that the rules give for the bare ratings."""
    with market(tmp_path) as place:
        assert run(place.arguments()) == 0
        told(capsys)
        rows = parse_ratings(place.lines).rows
        members, _ = load_member_keys(place.keys)
        names = [f"m{number}" for number in range(40)]
        end = rows[-1].time_ms
        events = [RatedEvent(seq, row.time_ms, row.source, row.target, row.value) for seq, row in enumerate(rows)]
        roots = list(dict.fromkeys(row.source for row in rows))[:4]
        # Before the last epoch, which the rules alone would compute later: compare the votes it is built on.
        answers = {
            one.query_id: one
            for one in replay_scores(
                events, [ScoreQuery(name, end + 7 * DAY_MS, name) for name in names], roots=roots, epoch_ms=7 * DAY_MS
            )
        }
        state = place.world.registry.state
        for name in names:
            reading = state.reputation.reading(members.did(name), now_ms=end + 7 * DAY_MS)
            assert reading.record_micros == answers[name].record_micros, name


def test_an_import_may_be_repeated_and_continued(tmp_path: Path, capsys: Capture) -> None:
    """A part, the whole, the whole again: nothing is logged twice, and what was there is not sent again."""
    with market(tmp_path) as place:
        assert run(place.arguments("--limit", "100")) == 0
        first = told(capsys)
        assert run(place.arguments("--batch", "7")) == 0
        second = told(capsys)
        size = place.world.size
        assert second["alreadyThere"] == first["accepted"]
        assert first["accepted"] + second["accepted"] == 360
        assert run(place.arguments()) == 0
        third = told(capsys)
        assert (third["accepted"], third["repeated"], third["alreadyThere"], third["epochs"]) == (0, 0, 360, 0)
        assert place.world.size == size


def test_what_is_sent_again_is_answered_as_repeated(tmp_path: Path, capsys: Capture) -> None:
    """Without asking what is there, the same statements come out, and the registry knows them all."""
    with market(tmp_path) as place:
        assert run(place.arguments()) == 0
        told(capsys)
        size = place.world.size
        members, _ = load_member_keys(place.keys)
        client = ReplayClient(Operator(Transport(place.url)))
        replay = Replay(client, members, client.read_facts(), batch=50)
        steps = plan_steps(parse_ratings(place.lines).rows, epoch_ms=7 * DAY_MS)
        replay.run([step for step in steps if not isinstance(step, EpochStep)])
        assert (replay.counts.accepted, replay.counts.repeated) == (0, 360)
        assert place.world.size == size


def test_a_killed_import_goes_on(tmp_path: Path, capsys: Capture) -> None:
    """Kill -9 in the middle of an import; the same command again ends with the same log as one that was not disturbed."""
    lines = market_lines(1_500)
    with market(tmp_path, lines=lines) as place:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BONAFIDES_")}
        command = [sys.executable, "-m", "registry", *place.arguments("--batch", "20")]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as importer:
            while place.world.size < 200 and importer.poll() is None:
                time.sleep(0.002)
            importer.send_signal(signal.SIGKILL)
            assert importer.wait() == -signal.SIGKILL
        cut = place.world.size
        assert cut < 1_400, "the import was over before it could be killed"
        assert run(place.arguments()) == 0
        report = told(capsys)
        assert report["alreadyThere"] > 100
        rows = parse_ratings(lines).rows
        members, _ = load_member_keys(place.keys)
        _check_leaves(place, members, rows)
        assert run(["audit", place.url, "--no-state", "--json"]) == 0
        assert told(capsys)["clean"]


def test_a_later_file_goes_on_and_an_earlier_one_is_refused(tmp_path: Path, capsys: Capture) -> None:
    """Log time never goes back: an older file is refused by the line that comes too late, and changes no score."""
    with market(tmp_path) as place:
        assert run(place.arguments()) == 0
        told(capsys)
        later = write_lines(tmp_path / "later.csv", [f"m1,new,5,{BEGIN_S + YEAR_S + 10}"])
        assert run(place.arguments(file=later, roots="m1")) == 0
        assert told(capsys)["accepted"] == 2
        agents = len(place.world.registry.state.tables.agents)
        earlier = write_lines(tmp_path / "earlier.csv", [f"m1,newer,5,{BEGIN_S + 10}"])
        assert run(place.arguments(file=earlier, roots="m1")) == 6
        assert "[log_time_backwards]" in capsys.readouterr().err
        assert len(place.world.registry.state.tables.agents) == agents


def test_lines_in_the_wrong_order_are_refused_by_the_registry(tmp_path: Path) -> None:
    """The registry does not trust the sender's order: what is earlier than the newest entry gets a problem of its own."""
    with market(tmp_path) as place:
        members = Members(bytes(32))
        rows = parse_ratings(["a,b,1,200", "a,b,2,100"]).rows
        steps = [step for step in plan_steps(rows, epoch_ms=DAY_MS) if not isinstance(step, EpochStep)]
        lines = [members.sign(step, domain=place.world.origin) for step in (*steps[:2], steps[3], steps[2])]
        answer = httpx.post(
            f"{place.url}/v1/events:batch",
            content=b"\n".join(line.data for line in lines),
            headers={"content-type": "application/x-ndjson"},
        ).json()
        assert answer["profile"] == "replay"
        codes = [result.get("problem", {}).get("code") for result in answer["results"]]
        assert codes == [None, None, None, "log_time_backwards"]


def test_a_live_registry_takes_no_import(tmp_path: Path, capsys: Capture) -> None:
    """The refusal says what kind of registry is needed, and no file of keys is made for nothing."""
    with market(tmp_path, profile="live") as place:
        size = place.world.size
        assert run(place.arguments()) == 6
        complaint = capsys.readouterr().err
        assert "bonafides serve --profile replay" in complaint
        assert "[import_needs_replay_registry]" in complaint
        assert not place.keys.exists()
        assert place.world.size == size


def test_a_live_registry_refuses_registrations_and_old_times_in_a_batch(tmp_path: Path) -> None:
    """Without the importer's own check the lines are refused one by one, and nothing is logged."""
    with market(tmp_path, profile="live") as place:
        members, size = Members(bytes(32)), place.world.size
        steps = list(plan_steps(parse_ratings(["a,b,1,200"]).rows, epoch_ms=DAY_MS))[:3]
        lines = [members.sign(step, domain=place.world.origin) for step in steps]  # type: ignore[arg-type]
        answer = httpx.post(
            f"{place.url}/v1/events:batch",
            content=b"\n".join(line.data for line in lines),
            headers={"content-type": "application/x-ndjson"},
        ).json()
        codes = [result["problem"]["code"] for result in answer["results"]]
        assert codes == ["kind_unknown", "kind_unknown", "created_too_old"]
        assert place.world.size == size


def test_in_a_replay_only_the_operator_writes(tmp_path: Path, capsys: Capture) -> None:
    """Without --dev the import needs the operator's bearer key; with it, it runs."""
    with market(tmp_path, dev=False) as place:
        assert run(place.arguments("--limit", "5")) == 1
        assert "[bearer_key_required]" in capsys.readouterr().err
        key_file = tmp_path / "operator.key"
        key_file.write_text("operator-key-for-tests\n")
        assert run(place.arguments("--limit", "5", "--key-file", str(key_file))) == 0
        assert told(capsys)["accepted"] > 5
        key_file.write_text("gateway-key-for-tests\n")
        assert run(place.arguments("--limit", "9", "--key-file", str(key_file))) == 1
        assert "[operator_only]" in capsys.readouterr().err


def test_bad_files_change_nothing(tmp_path: Path, capsys: Capture) -> None:
    """A bad line, bad roots or a missing file end the command before anything is sent, each with its own code."""
    with market(tmp_path) as place:
        size = place.world.size
        for text, roots, code, exit_code in (
            ("a,b,1,1\na,b,11,2\n", "a", "ratings_malformed", 2),
            ("a,b,1,1\n", "z", "import_roots_invalid", 2),
            ("a,a,1,1\n", "a", "ratings_malformed", 2),
        ):
            place.file.write_text(text)
            assert run(place.arguments(roots=roots)) == exit_code
            assert f"[{code}]" in capsys.readouterr().err
        assert run(place.arguments(file=tmp_path / "missing.csv")) == 3
        assert "[import_file_unreadable]" in capsys.readouterr().err
        assert place.world.size == size
        assert not place.keys.exists()


def test_people_read_a_table(tmp_path: Path, capsys: Capture) -> None:
    """Without --json the figures come as a table, and roots may stand in a file."""
    with market(tmp_path, lines=market_lines(60)) as place:
        (tmp_path / "roots.txt").write_text("m0\nm1\n")
        labels = write_lines(tmp_path / "labels.csv", ["m0,1", "m1,1", "m2,-1", "stranger,-1"])
        arguments = place.arguments("--labels", str(labels), roots=f"@{tmp_path / 'roots.txt'}")[:-1]
        assert run(arguments) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "60 by and about" in text
        assert "AUC of record" in text
        members, _ = load_member_keys(place.keys)
        assert place.world.registry.state.roots_in_force == (members.did("m0"), members.did("m1"))


def test_other_answers_than_a_registrys_are_not_taken_for_success(tmp_path: Path, capsys: Capture) -> None:
    """Where nobody listens the command says so and ends with the code for it."""
    file = write_lines(tmp_path / "ratings.csv", ["a,b,1,1"])
    keys = tmp_path / "keys.jsonl"
    arguments = ["import", "ratings", str(file), "--roots", "a", "--url", "http://127.0.0.1:9", "--keys", str(keys)]
    assert run(arguments) == 3
    assert "[registry_unreachable]" in capsys.readouterr().err
    assert not keys.exists()
