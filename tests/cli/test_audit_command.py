"""`bonafides audit` as it is typed: exit codes, JSON, tables, state file, acceptances, instants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import parse_json_object
from registry.cli.main import run
from registry.log.note import NoteSigner
from tests.support.actor import seeded
from tests.support.registry import World, open_world, serve


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str, list[bytes]]]:
    """A served registry with two agents, of which one was vouched for and later reported."""
    with open_world(tmp_path_factory.mktemp("command")) as world:
        alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
        answers = [world.submit(world.operator.vouch(alice.did)).body]
        world.epoch()
        answers.append(world.submit(alice.vouch(bob.did)).body)
        world.clock.advance(3_600_000)
        answers.append(world.submit(world.operator.report(bob.did)).body)
        world.epoch()
        world.actors = {"alice": alice, "bob": bob}
        world.registry.log.sign_if_grown()
        with serve(world.app) as url:
            yield world, url, answers


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command with --json; return exit code and report."""
    code = run(["audit", *arguments, "--json"])
    return code, parse_json_object(capsys.readouterr().out.encode(), max_bytes=1 << 20)


def test_a_clean_audit_ends_with_0(served: tuple[World, str, list[bytes]], capsys: pytest.CaptureFixture[str]) -> None:
    """The report counts what was looked at and says where the key came from."""
    world, url, _ = served
    code, report = told(capsys, url)
    assert (code, report["clean"], report["findings"], report["firstAtFault"]) == (0, True, [], None)
    assert (report["treeSize"], report["entries"], report["folded"]) == (world.size,) * 3
    assert (report["agents"], report["standings"], report["trust"]) == (3, 3, "first_use")
    assert (report["origin"], report["logKey"]) == (world.origin, world.registry.genesis.log_key)


def test_what_people_read(served: tuple[World, str, list[bytes]], capsys: pytest.CaptureFixture[str]) -> None:
    """The text names the log, warns of trust on first use, and gives the verdict; --top adds a table."""
    world, url, _ = served
    assert run(["audit", url, "--top", "1", "--bottom", "1", "--by", "record"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert world.origin in text
    assert "trust on first use" in text
    assert "clean: nothing contradicts the log" in text
    assert world.actors["alice"].did[:40] in text
    assert "place score record vouches reports state agent" in text


def test_a_given_key_is_the_one_that_counts(
    served: tuple[World, str, list[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the right key nothing rests on first use; under a wrong one there is no checkpoint at all."""
    world, url, _ = served
    code, report = told(capsys, url, "--key", world.registry.genesis.log_key)
    assert (code, report["trust"]) == (0, "given")
    other = NoteSigner(world.origin, seeded("another log")).key.to_text()
    code, report = told(capsys, url, "--no-state", "--key", other)
    assert (code, [one["code"] for one in report["findings"]]) == (4, ["note_unverified"])


def test_an_instant_of_the_past(served: tuple[World, str, list[bytes]], capsys: pytest.CaptureFixture[str]) -> None:
    """--at folds only what was logged by then: the report of an hour later does not count yet."""
    world, url, _ = served
    bob = world.actors["bob"].did
    code, report = told(capsys, url, "--at", "2026-11-20T09:30:00Z")
    (before,) = [row for row in report["ranking"] if row["did"] == bob]
    assert (code, before["reports"], report["standings"]) == (0, 0, 0)
    assert report["folded"] < report["entries"] == world.size
    code, report = told(capsys, url, "--at", "2026-11-21")
    (after,) = [row for row in report["ranking"] if row["did"] == bob]
    assert (code, after["reports"]) == (0, 1)
    assert after["recordMicros"] < before["recordMicros"]


def test_the_log_alone(served: tuple[World, str, list[bytes]], capsys: pytest.CaptureFixture[str]) -> None:
    """--log-only asks for no agent; signatures may be verified by another process."""
    _, url, _ = served
    code, report = told(capsys, url, "--log-only", "--jobs", "1")
    assert (code, report["standings"], report["clean"]) == (0, 0, True)


def test_acceptances_from_a_file(
    served: tuple[World, str, list[bytes]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Answers of the registry as they came, one a line, are held against the log; another promise ends with 4."""
    world, url, answers = served
    file = tmp_path / "acceptances.jsonl"
    file.write_bytes(b"\n".join(answers) + b"\n\n")
    code, report = told(capsys, url, "--acceptances", str(file))
    assert (code, report["acceptances"]) == (0, len(answers))
    file.write_bytes(answers[0].replace(world.origin.encode(), b"registry.other/00000000"))
    code, report = told(capsys, url, "--acceptances", str(file))
    assert (code, [one["code"] for one in report["findings"]]) == (4, ["acceptance_not_ours"])
    file.write_bytes(b"{}")
    assert run(["audit", url, "--acceptances", str(file)]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["http://127.0.0.1:9"], 3, "registry_unreachable"),
        (["http://127.0.0.1:9", "--by", "fame"], 2, "audit_option_invalid"),
        (["http://127.0.0.1:9", "--at", "yesterday"], 2, "audit_option_invalid"),
        (["http://127.0.0.1:9", "--key", "nonsense"], 2, "note_key_malformed"),
        (["http://127.0.0.1:9", "--acceptances", "/nonexistent"], 3, "acceptances_unreadable"),
        (["http://127.0.0.1:9", "--nonsense"], 2, None),
    ],
)
def test_other_ends(arguments: list[str], code: int, problem: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody there is 3, a wrong option is 2; each with one line and its code."""
    assert run(["audit", *arguments]) == code
    error = capsys.readouterr().err
    assert problem is None or error.endswith(f"[{problem}]\n")
