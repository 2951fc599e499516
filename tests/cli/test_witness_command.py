"""`bonafides witness …` as it is typed, and the flags of `serve` that go with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from did_methods.codec import parse_json_object
from did_methods.keys import SigningKey
from registry.cli.demo import own_server
from registry.cli.main import run
from registry.client.transport import Transport
from registry.log.cosignature import Cosigner
from registry.log.note import NoteKey
from registry.log.split_view import SplitView, encode_split_view
from tests.support.client import Live
from tests.support.publication import wait_for
from tests.support.witnesses import MadeUpLog, forked, made_up_witness

LOG = MadeUpLog()
KEY = LOG.key.to_text()
STRANGER = Cosigner("stranger.example", SigningKey(bytes([7]) * 32)).key.to_text()
Capture = pytest.CaptureFixture[str]


def told(capsys: Capture) -> dict[str, object]:
    """Return what a command printed with --json."""
    return dict(parse_json_object(capsys.readouterr().out.encode()))


def test_a_running_registry_is_asked(live: Live, capsys: Capture) -> None:
    """add, list and remove go to the registry at the URL."""
    assert run(["witness", "add", LOG.origin, KEY, "--url", live.url]) == 0
    assert "is witnessed here" in capsys.readouterr().out
    assert run(["witness", "list", "--url", live.url]) == 0
    assert LOG.origin in capsys.readouterr().out
    assert run(["witness", "list", "--url", live.url, "--json"]) == 0
    assert told(capsys) == {"logs": [{"origin": LOG.origin, "verifier_key": KEY}]}
    other = NoteKey(LOG.origin, SigningKey(bytes(32)).public_key).to_text()
    assert run(["witness", "add", LOG.origin, other, "--url", live.url]) == 6
    assert run(["witness", "remove", LOG.origin, "--url", live.url]) == 0
    assert run(["witness", "remove", LOG.origin, "--url", live.url]) == 5
    assert "witnessed_log_not_found" in capsys.readouterr().err


def test_a_stopped_registry_is_opened(tmp_path: Path, capsys: Capture) -> None:
    """Where the server is stopped, its data folder is changed, and the server knows it at the next start."""
    data = str(tmp_path / "data")
    assert run(["init", "--data", data, "--json"]) == 0
    assert run(["witness", "add", LOG.origin, KEY, "--data", data]) == 0
    capsys.readouterr()
    assert run(["witness", "list", "--data", data, "--json"]) == 0
    assert told(capsys)["logs"] == [{"origin": LOG.origin, "verifier_key": KEY}]
    assert run(["witness", "remove", LOG.origin, "--data", data]) == 0
    assert run(["witness", "remove", LOG.origin, "--data", data]) == 5


def test_a_key_of_another_log_is_not_taken(capsys: Capture) -> None:
    """The origin is typed beside the key, so that the wrong key is noticed; what is no key is told as such."""
    assert run(["witness", "add", "log.example/2", KEY]) == 2
    assert "witness_origin_mismatch" in capsys.readouterr().err
    assert run(["witness", "add", LOG.origin, "nothing"]) == 2
    assert "note_key_malformed" in capsys.readouterr().err


def test_evidence_is_verified_offline(tmp_path: Path, capsys: Capture) -> None:
    """0 for a split view, 4 for notes that agree or another log's key, 2 for what is no evidence, 3 for no file."""
    file = tmp_path / "split.json"
    file.write_bytes(encode_split_view(SplitView(LOG.key, LOG.note(9), forked(3).note(9))))
    assert run(["witness", "verify-evidence", str(file), "--key", KEY]) == 0
    assert "two trees that contradict" in " ".join(capsys.readouterr().out.split())
    assert run(["witness", "verify-evidence", str(file), "--json"]) == 0
    assert told(capsys) == {"origin": LOG.origin, "verifierKey": KEY, "sizes": [9, 9], "index": None}
    other = NoteKey(LOG.origin, SigningKey(bytes(32)).public_key).to_text()
    assert run(["witness", "verify-evidence", str(file), "--key", other]) == 4
    file.write_bytes(encode_split_view(SplitView(LOG.key, LOG.note(9), LOG.note(9))))
    assert run(["witness", "verify-evidence", str(file)]) == 4
    file.write_bytes(b"{}")
    assert run(["witness", "verify-evidence", str(file)]) == 2
    assert run(["witness", "verify-evidence", str(tmp_path / "missing")]) == 3
    errors = capsys.readouterr().err
    for code in ("evidence_of_another_log", "evidence_not_contradictory", "evidence_malformed", "evidence_unreadable"):
        assert code in errors


def test_a_seen_checkpoint_is_shown_to_a_witness(live: Live, tmp_path: Path, capsys: Capture) -> None:
    """0 while nothing contradicts it, 4 and the evidence's address on a contradiction; unknown logs and no file are told."""
    seen, other = tmp_path / "seen", tmp_path / "other"
    seen.write_bytes(LOG.note(9))
    other.write_bytes(forked(3).note(9))
    assert run(["witness", "gossip", str(seen), "--url", live.url]) == 5
    assert run(["witness", "add", LOG.origin, KEY, "--url", live.url]) == 0
    capsys.readouterr()
    for verdict in ("unknown", "consistent"):
        assert run(["witness", "gossip", str(seen), "--url", live.url, "--json"]) == 0
        assert told(capsys)["verdict"] == verdict
    assert run(["witness", "gossip", str(other), "--url", live.url]) == 4
    assert "/v1/evidence/" in capsys.readouterr().out
    assert run(["witness", "gossip", str(tmp_path / "missing"), "--url", live.url]) == 3
    assert run(["witness", "remove", LOG.origin, "--url", live.url]) == 0


def test_serve_takes_a_folder_and_a_policy(tmp_path: Path, capsys: Capture) -> None:
    """--tiles and --witness-policy reach the running registry; it publishes with the witness's line, in the folder too."""
    with made_up_witness() as witness:
        policy, tiles = tmp_path / "policy", tmp_path / "tiles"
        policy.write_text(f"witness W {witness.cosigner.key.to_text()} {witness.url}\nquorum W\n")
        arguments = ("--tiles", str(tiles), "--witness-policy", str(policy), "--witness-budget", "5000")
        with own_server(tmp_path / "data", *arguments) as url:
            wait_for((tiles / "checkpoint").exists)
            served = Transport(url).get_answer("/checkpoint").body
            assert served == (tiles / "checkpoint").read_bytes()
            assert b"witness.example/1" in served
            described = Transport(url).get("/log.json")
            assert described["quorum"] == "W"
            readers = tmp_path / "readers"
            readers.write_text(f"log {described['verifier_keys'][0]}\n{policy.read_text()}")
            assert run(["log", "checkpoint", "--url", url, "--policy", str(readers), "--json"]) == 0
            assert list(told(capsys)["cosigned"]) == ["W"]  # type: ignore[call-overload]
            assert run(["log", "checkpoint", "--url", url, "--policy", str(readers)]) == 0
            assert "cosigned by" in capsys.readouterr().out
            strict = f"witness V {STRANGER}\ngroup both all W V\nquorum both\n"
            readers.write_text(readers.read_text().replace("quorum W\n", "") + strict)
            assert run(["log", "checkpoint", "--url", url, "--policy", str(readers)]) == 4
            assert run(["log", "checkpoint", "--url", url, "--policy", str(tmp_path / "missing")]) == 3
            errors = capsys.readouterr().err
            assert "witness_quorum_missing" in errors
            assert "policy_file_unreadable" in errors
            assert parse_json_object((tiles / "log.json").read_bytes())["origin"] == described["origin"]


@pytest.mark.parametrize("budget", ["0", "-1", "many", "99999999999"])
def test_a_budget_is_a_number_of_requests(budget: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A budget that would ask nobody, or is none, stops the start."""
    monkeypatch.setenv("BONAFIDES_WITNESS_BUDGET", budget)
    assert run(["init"]) == 2
    assert "setting_invalid" in capsys.readouterr().err


@pytest.mark.full
def test_the_demo_with_witnesses(capfd: Capture) -> None:
    """The last scene comes out as told: two registries grow under each other's eyes, a stolen key is found out."""
    assert run(["demo", "--witness"]) == 0
    out = capfd.readouterr().out
    assert "✗" not in out
    assert out.count("cosigned by registry.localhost:") == 2
    assert "the evidence holds both signatures" in out
