"""`bonafides log verify` as it is typed."""

from __future__ import annotations

from pathlib import Path

from did_methods.keys import SigningKey
from registry.cli.main import run
from registry.log.cosignature import Cosigner, append_lines, cosign
from registry.log.split_view import SplitView, encode_split_view
from tests.cli.kept_log import Capture, Folders, folders, made, spoil_bundle, told
from tests.support.witnesses import MadeUpLog, MadeUpWitness, forked, willing

__all__ = ["folders", "made"]

MADE_UP = MadeUpLog()


def write(path: Path, data: bytes) -> str:
    """Write a file; returns its path as typed."""
    path.write_bytes(data)
    return str(path)


def test_files_are_verified_offline(folders: Folders, tmp_path: Path, capsys: Capture) -> None:
    """A checkpoint, a proof file with its entry, and the whole folder hold against the key."""
    checkpoint = str(folders.tiles / "checkpoint")
    proof = write(tmp_path / "5.tlog-proof", folders.proof)
    entry = write(tmp_path / "5.json", folders.entry)
    arguments = ["log", "verify", checkpoint, proof, str(folders.tiles), "--key", folders.key, "--entry", entry]
    assert run([*arguments, "--json"]) == 0
    rows = told(capsys)["verified"]
    assert [(one["kind"], one["size"]) for one in rows] == [  # type: ignore[attr-defined]
        ("checkpoint", folders.size), ("proof", folders.size), ("folder", folders.size),
    ]  # fmt: skip
    assert run(arguments) == 0
    assert "leafHash" in capsys.readouterr().out


def test_what_does_not_hold(folders: Folders, tmp_path: Path, capsys: Capture) -> None:
    """Another key, another entry, an edited note, an edited folder, no file, no key, no entry: each with its code."""
    checkpoint = str(folders.tiles / "checkpoint")
    proof = write(tmp_path / "5.tlog-proof", folders.proof)
    other = write(tmp_path / "6.json", folders.entry + b" ")
    edited = write(tmp_path / "edited", Path(checkpoint).read_bytes().replace(b"\n287\n", b"\n288\n"))
    key = ["--key", folders.key]
    cases: list[tuple[list[str], int, str]] = [
        ([checkpoint, "--key", MADE_UP.key.to_text()], 4, "note_unverified"),
        ([edited, *key], 4, "note_signature_invalid"),
        ([proof, *key, "--entry", other], 4, "inclusion_proof_invalid"),
        ([proof, *key], 2, "log_entry_needed"),
        ([checkpoint], 2, "log_key_needed"),
        ([str(tmp_path / "nothing"), *key], 5, "log_file_unreadable"),
        ([other, *key], 2, "evidence_malformed"),
    ]
    for arguments, exit_code, code in cases:
        assert (run(["log", "verify", *arguments]), code in capsys.readouterr().err) == (exit_code, True), code
    spoil_bundle(folders.tiles)
    assert run(["log", "verify", str(folders.tiles), *key]) == 4
    assert "log_folder_damaged" in capsys.readouterr().err


def test_evidence_and_policies(tmp_path: Path, capsys: Capture) -> None:
    """A split view is told as one; a policy asks for its quorum, and a maximal age for a fresh cosignature."""
    evidence = write(
        tmp_path / "split.json", encode_split_view(SplitView(MADE_UP.key, MADE_UP.note(9), forked(3).note(9)))
    )
    assert run(["log", "verify", evidence]) == 0
    assert "contradict" in capsys.readouterr().out
    witness = MadeUpWitness(Cosigner("w.example", SigningKey(bytes([9]) * 32)), willing)
    line = cosign(MADE_UP.head(9), witness.cosigner, time_s=1_000)
    fresh = write(tmp_path / "old", append_lines(MADE_UP.note(9), [line]))
    bare = write(tmp_path / "bare", MADE_UP.note(9))
    policy = tmp_path / "policy"
    policy.write_text(f"log {MADE_UP.key.to_text()}\nwitness W {witness.cosigner.key.to_text()}\nquorum W\n")
    assert run(["log", "verify", fresh, "--policy", str(policy), "--json"]) == 0
    assert told(capsys)["verified"][0]["cosigned"] == {"W": "1970-01-01T00:16:40Z"}  # type: ignore[index]
    assert run(["log", "verify", fresh, "--policy", str(policy), "--max-age", "600"]) == 4
    assert "checkpoint_stale" in capsys.readouterr().err
    assert run(["log", "verify", bare, "--policy", str(policy)]) == 4
    assert "witness_quorum_missing" in capsys.readouterr().err
    policy.write_text(f"witness W {witness.cosigner.key.to_text()}\nquorum W\n")
    assert run(["log", "verify", bare, "--policy", str(policy), "--key", MADE_UP.key.to_text()]) == 4
    assert run(["log", "verify", fresh, "--policy", str(policy), "--key", MADE_UP.key.to_text()]) == 0
