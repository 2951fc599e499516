"""Keeping an identity from the command line: keys, place, code, instances, the end of it."""

from __future__ import annotations

import hashlib
import io
import stat
from pathlib import Path
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode, parse_json_object
from registry.cli.main import run
from tests.cli.test_commands import Shell, shell

__all__ = ["shell"]

MOVED = "https://agents.example.com/"


def _continuity(shell: Shell, did: str) -> dict[str, Any]:
    judged = shell.json("agent", "show", did)["standing"]
    return {"score": judged["score"], **judged["continuity"]}


def _document(shell: Shell, did_url: str) -> dict[str, Any]:
    found = parse_json_object(shell("did", "resolve", did_url).encode(), max_bytes=1 << 20)["didDocument"]
    assert isinstance(found, dict)
    return found


def test_keys_are_rotated(shell: Shell) -> None:
    """Another signing key under another id; a routine change, which costs nothing, and the agent goes on speaking."""
    did = shell.agent("alice")
    before = _document(shell, did)["verificationMethod"]
    told = shell.json("agent", "rotate", "--as", "alice.json")
    assert told["did"] == did
    after = _document(shell, did)["verificationMethod"]
    assert [one["publicKeyMultibase"] for one in before] != [one["publicKeyMultibase"] for one in after]
    judged = _continuity(shell, did)
    assert (judged["score"], judged["class"], judged["index"]) == (25.0, "routine", told["index"])
    assert "keys replaced" in shell("agent", "rotate", "--keep-signing", "--as", "alice.json")
    assert _document(shell, did)["verificationMethod"] == after
    shell("vouch", shell.agent("bob", "--method", "key"), "--as", "alice.json")
    assert "did_cannot_change" in shell("agent", "rotate", "--as", "bob.json", code=2)


def test_next_keys_may_lie_elsewhere(shell: Shell, tmp_path: Path) -> None:
    """On creation it is told where they are; taken away they have to be named."""
    made = shell.json("agent", "create", f"kept-{shell.live.made}", "--register", "--file", "alice.json")
    kept = tmp_path / "stick.json"
    Path(made["nextKeysFile"]).rename(kept)
    assert "next_keys_missing" in shell("agent", "rotate", "--as", "alice.json", code=5)
    shell("agent", "rotate", "--next-keys", str(kept), "--as", "alice.json")
    shell("agent", "rotate", "--next-keys", str(kept), "--as", "alice.json")


def test_a_lost_key_file_is_made_up_for(shell: Shell, tmp_path: Path) -> None:
    """With the next keys alone the agent is taken back, and keeps its DID and its score."""
    did = shell.agent("alice")
    Path("alice.json").unlink()
    Path("alice.next.json").rename(tmp_path / "stick.json")
    told = shell("agent", "recover", did, "--next-keys", "stick.json", "--file", "again.json")
    assert "again.json" in told
    assert stat.S_IMODE(Path("again.json").stat().st_mode) == 0o600
    assert _continuity(shell, did)["class"] == "routine"
    shell("vouch", shell.agent("bob", "--method", "key"), "--as", "again.json")
    assert "key_file_exists" in shell(
        "agent", "recover", did, "--next-keys", "stick.json", "--file", "again.json", code=6
    )
    shell("agent", "recover", did, "--next-keys", "stick.json", "--file", "third.json")  # by the reserve key in it
    assert _continuity(shell, did)["class"] == "recovery"
    assert "next_keys_not_committed" in shell(
        "agent", "recover", did, "--next-keys", "stick.json", "--file", "fourth.json", code=4
    )
    assert not Path("fourth.json").exists()


def test_a_did_moves(shell: Shell, tmp_path: Path) -> None:
    """The files for the new place are written; the old DID still resolves, here and offline from those files."""
    old = shell.agent("alice")
    told = shell.json("agent", "move", f"{MOVED}a{shell.live.made}", "--out", "public", "--as", "alice.json")
    assert told["did"] != old
    assert told["did"].partition(":agents.example.com")[0] == old.partition(":registry")[0]
    assert [Path(one).name for one in told["files"]] == ["did.json", "did.jsonl"]
    assert _document(shell, old)["id"] == told["did"]
    assert old in _document(shell, told["did"])["alsoKnownAs"]
    assert shell.json("agent", "show", told["did"])["agent"]["state"] == "active"
    log = (tmp_path / "public" / "did.jsonl").read_text()
    shell("agent", "rotate", "--as", "alice.json")
    shell("agent", "export", "--files", "public", "--as", "alice.json")
    assert (tmp_path / "public" / "did.jsonl").read_text().startswith(log)
    assert "registry_url_invalid" in shell("agent", "move", "http://elsewhere.example", "--as", "alice.json", code=2)


def test_the_end_is_asked_for(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an answer nothing happens; with it nothing can follow."""
    did = shell.agent("alice")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "for ever" in shell("agent", "deactivate", "--as", "alice.json", code=1)
    assert shell.json("agent", "show", did)["agent"]["state"] == "active"
    shell("agent", "deactivate", "--yes", "--as", "alice.json")
    assert shell.json("agent", "show", did)["agent"]["state"] == "deactivated"
    assert run(["agent", "rotate", "--as", "alice.json"]) != 0


def test_new_code_is_announced_and_an_owner_signs(shell: Shell, tmp_path: Path) -> None:
    """An upgrade repeats the passport; with an owner it is drafted, counter-signed elsewhere and submitted."""
    did, owner = shell.agent("alice"), shell.agent("owner", "--method", "key")
    (tmp_path / "agent.py").write_text("print()")
    assert "passport_missing" in shell("agent", "upgrade", "--code", "agent.py", "--as", "alice.json", code=5)
    shell("agent", "passport", "--purpose", "books", "--capability", "reading", "--code", "agent.py",
          "--model", "acme/m1", "--as", "alice.json")  # fmt: skip
    assert "--code" in shell("agent", "upgrade", "--as", "alice.json", code=2)
    assert "model_option_invalid" in shell("agent", "upgrade", "--model", "m2", "--as", "alice.json", code=2)
    shell("agent", "upgrade", "--model", "acme/m2", "--as", "alice.json")
    assert (_continuity(shell, did)["class"], _continuity(shell, did)["reasons"]) == ("upgrade", ["model_changed"])
    (tmp_path / "draft.json").write_text(shell("agent", "upgrade", "--owner", owner, "--as", "alice.json"))
    assert "proof_count_invalid" in shell("agent", "submit", "draft.json", "--as", "alice.json", code=1)
    (tmp_path / "signed.json").write_text(shell("agent", "counter-sign", "draft.json", "--as", "owner.json"))
    logged = shell.json("agent", "submit", "signed.json", "--as", "alice.json")
    assert shell.json("agent", "show", did)["agent"]["passport"] == logged["event"]
    (tmp_path / "agent.py").write_text("print(2)")
    assert "owner_signature_needed" in shell("agent", "upgrade", "--code", "agent.py", "--as", "alice.json", code=2)
    drafted = parse_json_object(
        shell("agent", "upgrade", "--code", "agent.py", "--draft", "--as", "alice.json").encode()
    )
    subject = drafted["credentialSubject"]
    assert subject["codeDigest"] == base64url_encode(hashlib.sha256(b"print(2)").digest())
    assert (subject["owner"], subject["model"]["name"]) == (owner, "m2")


def test_instances_come_and_go(shell: Shell) -> None:
    """Each has a key file, a limit and a name; its key acts and changes nothing; taken away it is gone."""
    shell.agent("alice")
    made = shell.json("agent", "instance", "add", "berlin-1", "--expires", "2099-01-31T00:00:00Z", "--as", "alice.json")
    key_file = Path(made["keyFile"])
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    shell("agent", "instance", "add", "talker", "--speaks", "--as", "alice.json")
    rows = shell.json("agent", "instance", "list", "--as", "alice.json")["instances"]
    assert [(one["name"], one["speaks"], one["expires"] is None) for one in rows] == [
        ("berlin-1", False, False),
        ("talker", True, True),
    ]
    assert "act and speak" in shell("agent", "instance", "list", "--as", "alice.json")
    presented = shell(
        "agent", "present", "--action", "payments.read", "--resource", "invoice:42", "--as", str(key_file)
    )
    assert "#instance-berlin-1" in presented
    assert "next_keys" in shell("agent", "rotate", "--as", str(key_file), code=5)
    shell("agent", "instance", "remove", "berlin-1", "--as", "alice.json")
    assert not key_file.exists()
    assert [one["name"] for one in shell.json("agent", "instance", "list", "--as", "alice.json")["instances"]] == [
        "talker"
    ]
    assert "instance_name_invalid" in shell("agent", "instance", "remove", "berlin-1", "--as", "alice.json", code=2)


def test_key_files_are_sealed_and_opened(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From creation or later; another passphrase, none, a wrong one; the DID is known without it."""
    (tmp_path / "one").write_text("correct horse battery\n")
    (tmp_path / "two").write_text("staple staple staple\n")
    made = shell.json("agent", "create", "sealed-one", "--new-passphrase-file", "one")
    sealed = Path(made["keyFile"])
    assert b'"sealed"' in sealed.read_bytes()
    assert b'"sealed"' in Path(made["nextKeysFile"]).read_bytes()
    assert "agent_unknown" in shell("agent", "show", "sealed-one", code=5)  # by its DID, which is not a secret
    assert "passphrase_missing" in shell("agent", "rotate", "--as", "sealed-one", code=3)
    monkeypatch.setenv("BONAFIDES_PASSPHRASE_FILE", "two")
    assert "seal_broken" in shell("agent", "register", "sealed-one", code=4)
    monkeypatch.setenv("BONAFIDES_PASSPHRASE_FILE", "one")
    shell("agent", "register", "sealed-one")
    shell("agent", "rotate", "--as", "sealed-one")
    shell("agent", "protect", "--new-passphrase-file", "two", "--as", "sealed-one")
    assert "seal_broken" in shell("agent", "whoami", "--as", "sealed-one", code=4)
    monkeypatch.setenv("BONAFIDES_PASSPHRASE_FILE", "two")
    shell("agent", "protect", "--open", "--as", "sealed-one")
    assert b'"sealed"' not in sealed.read_bytes()
    monkeypatch.delenv("BONAFIDES_PASSPHRASE_FILE")
    assert "passphrase_missing" in shell("agent", "protect", "--as", "sealed-one", code=3)
    shell("agent", "rotate", "--as", "sealed-one")


def test_a_new_passphrase_is_typed_twice(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal it is asked for, even where the environment has one; two that differ change nothing."""
    shell("agent", "create", "typed", "--method", "key")
    typed = iter(["first passphrase", "other passphrase", "first passphrase", "first passphrase"])
    monkeypatch.setattr("registry.client.passphrase.getpass", lambda _prompt: next(typed))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setenv("BONAFIDES_PASSPHRASE", "of the environment")
    assert "passphrase_mismatch" in shell("agent", "protect", "--as", "typed", code=2)
    shell("agent", "whoami", "--as", "typed")
    shell("agent", "protect", "--as", "typed")
    assert "seal_broken" in shell("agent", "whoami", "--as", "typed", code=4)
    monkeypatch.setenv("BONAFIDES_PASSPHRASE", "first passphrase")
    shell("agent", "whoami", "--as", "typed")


def test_an_export_keeps_keys_out_of_the_terminal(shell: Shell, tmp_path: Path) -> None:
    """Everything but the keys is printed; with them it goes to a new private file, and reads offline."""
    did = shell.agent("alice")
    assert "--out" in shell("agent", "export", "--include-keys", "--as", "alice.json", code=2)
    printed = parse_json_object(shell("agent", "export", "--as", "alice.json").encode(), max_bytes=1 << 20)
    assert (printed["did"], "keys" in printed) == (did, False)
    shell("agent", "export", "--include-keys", "--out", "all.json", "--as", "alice.json")
    assert stat.S_IMODE((tmp_path / "all.json").stat().st_mode) == 0o600
    exported = parse_json_object((tmp_path / "all.json").read_bytes(), max_bytes=1 << 20)
    assert {role for ring in exported["keys"] for role in ring["keys"]} == {
        "signing",
        "update",
        "nextUpdate",
        "reserve",
    }
    assert "document_unreadable" in shell("agent", "export", "--out", "all.json", "--as", "alice.json", code=5)
    assert canonicalize({name: exported[name] for name in ("didUrl", "log")})
