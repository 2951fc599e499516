"""The commands do what they say, in text and in JSON, and end with the documented code."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import parse_json_object
from registry.cli.main import COMMANDS, build_app, run
from tests.support.client import Live

Capture = pytest.CaptureFixture[str]


class Shell:
    """Runs commands in this process against one registry."""

    def __init__(self, live: Live, capture: Capture) -> None:
        self.live = live
        self._capture = capture

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command; return what it printed, errors included."""
        found = run(list(arguments))
        printed = self._capture.readouterr()
        assert found == code, (arguments, found, printed)
        assert "Traceback" not in printed.err
        return printed.out + printed.err

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a command with --json; return the one object it printed."""
        found = run([*arguments, "--json"])
        printed = self._capture.readouterr()
        assert found == code, (arguments, found, printed)
        return parse_json_object(printed.out.encode(), max_bytes=1 << 20)

    def agent(self, name: str, *options: str) -> str:
        """Create and register an agent; return its DID."""
        self.live.made += 1
        unique = f"{name}-{self.live.made}"
        made = self.json("agent", "create", unique, "--register", "--file", f"{name}.json", *options)
        return str(made["did"])


@pytest.fixture
def shell(live: Live, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Give a shell whose registry is the live one."""
    monkeypatch.setenv("BONAFIDES_URL", live.url)
    return Shell(live, capsys)


def test_create_register_whoami(shell: Shell, tmp_path: Path) -> None:
    """An agent is made, registered in a second step, and known from then on without naming it."""
    name = f"walker-{shell.live.made}-x"
    made = shell.json("agent", "create", name)
    assert made["index"] is None
    assert stat.S_IMODE(Path(made["keyFile"]).stat().st_mode) == 0o600
    told = shell("agent", "register", name)
    assert made["did"] in told
    assert shell.json("agent", "whoami")["did"] == made["did"]
    assert shell.json("agent", "show", made["did"])["agent"]["state"] == "active"
    assert made["did"] in shell("agent", "show", made["did"])
    assert "agent_exists" in shell("agent", "register", name, code=6)
    assert "key_file_exists" in shell("agent", "create", name, code=6)


def test_who_you_are_must_be_clear(shell: Shell) -> None:
    """With no key file there is nobody, with two there is a choice to make."""
    assert "agent_key_missing" in shell("agent", "whoami", code=5)
    shell("agent", "create", "one", "--method", "key")
    shell("agent", "create", "two", "--method", "key")
    assert "one, two" in shell("agent", "whoami", code=5)
    assert shell.json("agent", "whoami", "--as", "two")["name"] == "two"


def test_vouch_report_revoke(shell: Shell) -> None:
    """Statements are logged, shown with the standing, and taken back by their event id."""
    shell.agent("alice")
    bob = shell.agent("bob", "--method", "key")
    vouch = shell.json("vouch", bob, "--as", "alice.json", "--strength", "80", "--context", "payments")
    assert vouch["acceptance"]["credentialSubject"]["accepted"][0]["index"] == vouch["index"]
    shell("report", bob, "--as", "alice.json", "--category", "fraud", "--private", "invoice=42")
    kinds = {one["kind"] for one in shell.json("standing", bob)["statements"]}
    assert kinds == {"vouch", "report"}
    assert "no voice" in shell("standing", bob)
    shell("revoke", vouch["event"], "--as", "alice.json")
    assert {one["kind"] for one in shell.json("standing", bob)["statements"]} == {"report"}
    assert "self_vouch" in shell("vouch", bob, "--as", "bob.json", code=2)
    assert "private_option_invalid" in shell("report", bob, "--as", "alice.json", "--private", "x", code=2)


def test_standings(shell: Shell) -> None:
    """The best and the worst, by score and by record, at an instant from the last entry on."""
    shell.live.root.vouch(shell.agent("alice", "--method", "key"))
    found = shell.json("standing", "--top", "2", "--bottom", "1", "--by", "record")
    assert len(found["top"]) == 2
    assert found["top"][0]["recordMicros"] >= found["top"][1]["recordMicros"] >= found["bottom"][0]["recordMicros"]
    assert found["bottom"][0]["place"] == found["agents"]
    last = shell.json("standing", "--at", "last")["asOf"]
    later = shell.json("standing", "--top", "1", "--at", "2030-01-01T00:00:00Z")
    assert later["asOf"] > last
    assert "place" in shell("standing")
    assert "instant_before_last_entry" in shell("standing", "--at", "2020-01-01T00:00:00Z", code=1)
    assert "agent_unknown" in shell("standing", "did:key:z6MkunknownAgent", code=5)
    assert "query_invalid" in shell("standing", "--context", "No Slug", code=1)


def test_one_standing_at_an_instant(shell: Shell) -> None:
    """One agent's score can be read ahead in time, never behind the last entry."""
    did = shell.agent("alice", "--method", "key")
    shell.live.root.vouch(did)
    now = shell.json("standing", did)["scoreMicros"]
    assert shell.json("standing", did, "--at", "2031-01-01T00:00:00Z")["scoreMicros"] < now
    assert "instant_before_last_entry" in shell("standing", did, "--at", "2020-01-01T00:00:00Z", code=1)


def test_decide(shell: Shell) -> None:
    """Allow ends with 0, deny with 1, no answer with 3."""
    did = shell.agent("alice", "--method", "key")
    read = ("decide", "--action", "payments.read", "--resource", "invoice:42")
    assert "trust_ok" in shell(*read, "--as", "alice.json")
    assert "trust_ok" in shell(*read, did)
    assert shell.json(*read, "--as", "alice.json", "--parameters", '{"cents": 1}')["decision"] is True
    refund = ("decide", "--action", "payments.refund", "--resource", "invoice:42")
    assert "trust_below_threshold" in shell(*refund, "--as", "alice.json", code=1)
    assert shell.json(*refund, did, code=1)["context"]["reason"] == "proof_required"
    assert "agent_unknown" in shell(*read, "did:key:z6MkunknownAgent", code=1)
    assert "neither a DID nor the name" in shell(*read, "nobody", code=2)
    assert "evaluator_unavailable" in shell(*read, did, "--url", "http://127.0.0.1:1", code=3)
    assert "resource_invalid" in shell("decide", did, "--action", "a", "--resource", "b", code=2)


def test_a_presentation_made_here_is_decided_there(shell: Shell, tmp_path: Path) -> None:
    """What `agent present` prints proves the agent to `decide`, with a capability along."""
    did = shell.agent("alice", "--method", "key")
    shell.agent("bob", "--method", "key")
    shell("grant", did, "--as", "bob.json", "--action", "payments.*", "--resource", "invoice:*", "--out", "cap.json")
    options = ("--action", "payments.refund", "--resource", "invoice:42")
    proof = shell("agent", "present", "--as", "alice.json", "--credential", "cap.json", *options)
    Path("proof.json").write_text(proof)
    found = shell.json("decide", did, "--presentation", "proof.json", *options, code=1)
    assert "capability_untrusted" in found["context"]["reason_admin"]
    assert "proof_required" not in found["context"]["reason_admin"]


def test_verify(shell: Shell) -> None:
    """A genuine document verifies, a changed one does not, and what was not checked is said."""
    shell.agent("alice")
    shell.agent("bob", "--method", "key")
    Path("vp.json").write_text(shell("agent", "present", "--as", "alice.json", "--challenge", "c-1"))
    assert "holder state" in shell("verify", "vp.json", "--challenge", "c-1")
    assert "may be a replay" in shell("verify", "vp.json")
    assert "challenge_mismatch" in shell("verify", "vp.json", "--challenge", "c-2", code=4)
    assert "domain_mismatch" in shell("verify", "vp.json", "--domain", "elsewhere/1", code=4)
    Path("bad.json").write_text(Path("vp.json").read_text().replace("c-1", "c-2"))
    assert "proof_invalid" in shell("verify", "bad.json", "--challenge", "c-2", code=4)
    Path("torn.json").write_text("{")
    shell("verify", "torn.json", code=4)
    assert "document_unreadable" in shell("verify", "absent.json", code=5)


def test_verify_offline(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A did:key needs nothing else; a did:webvh needs its log."""
    did = shell.agent("alice")
    shell.agent("bob", "--method", "key")
    shell("grant", did, "--as", "bob.json", "--action", "payments.*", "--out", "from-bob.json")
    shell("grant", did, "--as", "alice.json", "--action", "payments.*", "--out", "from-alice.json")
    monkeypatch.delenv("BONAFIDES_URL")
    assert shell.json("verify", "from-bob.json")["verified"] is True
    assert "key_not_found" in shell("verify", "from-alice.json", code=4)
    assert shell.json("verify", "from-alice.json", "--did-log", "alice.did.jsonl")["issuer"] == did


def test_the_log(shell: Shell) -> None:
    """An entry is proven by its event or its index; a pinned checkpoint must be contained in the next."""
    bob = shell.agent("bob", "--method", "key")
    first = shell.json("log", "checkpoint", "--pin", "pin")
    assert first["extends"] is None
    shell.agent("alice", "--method", "key")
    vouch = shell.json("vouch", bob, "--as", "alice.json")
    assert shell.json("log", "prove", vouch["event"])["index"] == vouch["index"]
    assert f"entry {vouch['index']} is in the log" in shell("log", "prove", str(vouch["index"]))
    assert shell.json("log", "checkpoint", "--pin", "pin")["extends"] == first["size"]
    assert "extends" in shell("log", "checkpoint", "--pin", "pin")
    Path("pin").write_bytes(Path("pin").read_bytes().replace(b"\n", b"\n ", 1))
    assert "note_signature_invalid" in shell("log", "checkpoint", "--pin", "pin", code=4)
    assert "log_entry_missing" in shell("log", "prove", "999999", code=5)


@pytest.mark.parametrize("event", ["-" + "4" * 42, "--" + "h" * 40 + "A", "-h" + "A" * 41])
def test_an_event_id_may_begin_like_an_option(shell: Shell, event: str) -> None:
    """One id in 64 begins with a hyphen: it is looked up like any other, wherever it stands among the options."""
    shell.agent("alice", "--method", "key")
    assert "event_not_found" in shell("log", "prove", event, code=5)
    assert "event_not_found" in shell("log", "prove", "--json", event, code=5)
    assert "event_not_found" in shell("revoke", event, "--as", "alice.json", code=5)
    assert run(["agent", "statement", event]) in (3, 4)  # not a usage error: not in the map, or no map yet
    assert "Usage" in shell("log", "prove", "--nonsense", code=2)


def test_quarantine_release_revoke(shell: Shell) -> None:
    """The operator suspends and releases; the operator root revokes for ever."""
    did = shell.agent("alice", "--method", "key")
    root = str(shell.live.world.registry.settings.keys_dir / "operator-root.json")
    shell("agent", "quarantine", did, "--reason", "leaked-key")
    read = ("decide", did, "--action", "payments.read", "--resource", "invoice:42")
    assert "agent_quarantined" in shell(*read, code=1)
    assert shell.json("agent", "release", did, "--reason", "rotated")["state"] == "active"
    shell(*read)
    assert shell.json("agent", "revoke", did, "--reason", "stolen", "--root-key", root)["state"] == "revoked"
    assert "agent_revoked" in shell(*read, code=1)
    shell("agent", "release", did, "--reason", "sorry", code=6)


def test_roots(shell: Shell) -> None:
    """The operator root adds and removes roots, here or by a file signed elsewhere."""
    did = shell.agent("alice", "--method", "key")
    root = str(shell.live.world.registry.settings.keys_dir / "operator-root.json")
    before = shell.json("root", "list")
    shell("root", "add", did, "--root-key", root)
    assert "root_exists" in shell("root", "add", did, "--root-key", root, code=6)
    assert shell.json("root", "list") | {"inForce": False} == shell.json("root", "list")
    shell("epoch")
    assert did in shell("root", "list")
    assert shell.json("root", "list")["inForce"] is True
    genesis = shell.live.world.registry.genesis
    number = str(before["number"] + 2)
    options = ("--number", number, "--origin", genesis.origin, "--registry-did", genesis.registry_did)
    shell("root", "sign", *before["roots"], "--root-key", root, *options, "--out", "roots.json")
    shell("root", "submit", "roots.json")
    assert shell.json("root", "list")["roots"] == before["roots"]
    assert "root_not_found" in shell("root", "remove", did, "--root-key", root, code=5)
    assert shell.json("epoch")["index"] > 0


def test_only_the_operator_root_changes_roots(shell: Shell) -> None:
    """A list signed by another key is refused."""
    did = shell.agent("alice", "--method", "key")
    assert "signer_not_entitled" in shell("root", "add", did, "--root-key", "alice.json", code=1)


def test_gateways_of_a_running_registry(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is given once, works, and is worth nothing after it was taken away."""
    added = shell.json("gateway", "add", "checkout")
    assert added["role"] == "gateway"
    assert {"name": "checkout", "role": "gateway"} in shell.json("gateway", "list")["gateways"]
    assert "gateway_exists" in shell("gateway", "add", "checkout", code=6)
    monkeypatch.setenv("BONAFIDES_KEY", added["key"])
    did = shell.agent("alice", "--method", "key")
    read = ("decide", did, "--action", "payments.read", "--resource", "invoice:42")
    shell(*read)
    assert "operator_only" in shell("epoch", code=1)
    monkeypatch.delenv("BONAFIDES_KEY")
    shell("gateway", "remove", "checkout")
    assert "gateway_not_found" in shell("gateway", "remove", "checkout", code=5)
    monkeypatch.setenv("BONAFIDES_KEY", added["key"])
    assert "evaluator_unavailable" in shell(*read, code=3)


def test_a_passport(shell: Shell) -> None:
    """The passport's code is a file that is hashed here."""
    did = shell.agent("alice")
    Path("agent.py").write_text("print('hello')\n")
    options = ("--purpose", "bookkeeping", "--capability", "payments", "--code", "agent.py", "--as", "alice.json")
    shell("agent", "passport", *options, "--model", "acme/m1")
    assert shell.json("agent", "show", did)["agent"]["passport"]
    assert "model_option_invalid" in shell("agent", "passport", *options, "--model", "m1", code=2)


def test_policy(shell: Shell, tmp_path: Path) -> None:
    """The baseline is shown with its rules; a folder without a pack is none."""
    shown = shell.json("policy", "show")
    assert shown["rules"][0]["id"] == "actor-conflict"
    assert {rule["effect"] for rule in shown["rules"]} == {"permit", "forbid"}
    assert shell.json("policy", "show", "payments.refund")["classes"][0]["class"] == "high"
    assert "everything else" in shell("policy", "show")
    assert "policy_files_missing" in shell("policy", "check", str(tmp_path), code=3)


def test_listing(shell: Shell) -> None:
    """Agents come in the order of their registration, over as many pages as there are."""
    did = shell.agent("alice", "--method", "key")
    listed = shell.json("agent", "list")["agents"]
    assert listed[-1]["did"] == did
    assert [one["registeredIndex"] for one in listed] == sorted(one["registeredIndex"] for one in listed)
    assert "There are more" in shell("agent", "list", "--limit", "1")


def test_wrong_usage(shell: Shell) -> None:
    """Usage errors end with 2 and point to the help; a wrong URL says so."""
    assert "Usage" in shell("vouch", code=2)
    assert "No such command" in shell("nonsense", code=2)
    assert "registry_url_invalid" in shell("standing", "--url", "nonsense", code=2)
    assert "registry_unreachable" in shell("standing", "--url", "http://127.0.0.1:1", code=3)
    assert "bonafides" in shell("--version")


def test_malformed_input_is_wrong_usage(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not JSON or not a key file ends with 2, and a wrong member is named."""
    shell.agent("malformed")
    acting = ("--as", "malformed.json", "--action", "a.read", "--resource", "b:1")
    assert "not JSON" in shell("decide", *acting, "--parameters", "{bad", code=2)
    assert "value: context" in shell("vouch", "did:key:z6Mk", "--as", "malformed.json", "--context", "No Slug", code=2)
    assert "not JSON" in shell("agent", "present", *acting, "--parameters", "{bad", code=2)
    for content in ("junk", '{"format":"bonafides/keys/1","did":"d","verificationMethod":"v","keys":{"signing":"s"}}'):
        monkeypatch.setenv("BONAFIDES_AGENT_KEY", content)
        assert "key_file_malformed" in shell("agent", "whoami", code=2)


@pytest.mark.parametrize("row", COMMANDS, ids=lambda row: row.name)
def test_help_has_an_example(row: Any, shell: Shell) -> None:
    """Every command and sub-command explains itself with an example."""
    import typer.main

    command: Any = typer.main.get_command(build_app(row.name))
    found: Any = command.commands.get(row.name)
    if found is None:
        pytest.skip(f"{row.name} is not part of this installation")
    for leaf in getattr(found, "commands", {"": found}).values():
        assert "Example:" in (leaf.help or ""), f"{row.name} {leaf.name}"
    shell(row.name, "--help")


def test_help_shows_what_was_written(shell: Shell) -> None:
    """Markup swallows no default, and `:key:` in an example is no picture."""
    assert "[default: http://127.0.0.1:8000]" in " ".join(shell("standing", "--help").replace("│", " ").split())
    for command in (("vouch",), ("agent", "show"), ("root", "add")):
        assert "did:webvh:Qm" in shell(*command, "--help")
