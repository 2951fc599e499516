"""Commands that grant, record, contest and disclose."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode, parse_json_object
from registry.credentials.model import parse_credential
from tests.cli.test_commands import Shell, shell
from tests.support.registry import OPERATOR_KEY

__all__ = ["shell"]

NONCE = base64url_encode(b"asked-by-bob-now")


def _evidence(shell: Shell, did: str) -> dict[str, Any]:
    from registry.cli.options import connect
    from registry.client.transport import did_segment

    return connect(shell.live.url).get(f"/v1/agents/{did_segment(did)}/evidence")


def test_a_badge_is_given_and_withdrawn(shell: Shell) -> None:
    """The agent keeps its state and passport when the badge goes."""
    shell.agent("acme")
    bob = shell.agent("bob", "--method", "key")
    badge = shell.json("affiliate", bob, "--as", "acme.json", "--role", "bookkeeper", "--valid", "3600")
    assert [one["event"] for one in _evidence(shell, bob)["affiliations"]] == [badge["event"]]
    before = shell.json("agent", "show", bob)["agent"]
    shell("revoke", badge["event"], "--as", "acme.json")
    assert _evidence(shell, bob)["affiliations"] == []
    assert shell.json("agent", "show", bob)["agent"] == before
    assert "subject_is_issuer" in shell("affiliate", bob, "--as", "bob.json", code=2)


def test_a_report_is_disputed_and_ruled_on(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its event id; only who was reported, and only the operator."""
    shell.agent("alice")
    bob = shell.agent("bob", "--method", "key")
    report = shell.json("report", bob, "--as", "alice.json")
    assert "subject_is_issuer" in shell("dispute", report["event"], "--as", "alice.json", code=2)
    dispute = shell.json("dispute", report["event"], "--as", "bob.json", "--ground", "never-happened")
    (row,) = shell.json("standing", bob)["statements"]
    assert row["dispute"]["state"] == "open"
    monkeypatch.setenv("BONAFIDES_KEY", OPERATOR_KEY)
    assert "ruling" in shell("ruling", dispute["event"], "perhaps", "--reason", "x", code=2)
    shell("ruling", dispute["event"], "dismissed", "--reason", "proven")
    (row,) = shell.json("standing", bob)["statements"]
    assert row["dispute"]["state"] == "dismissed"


def test_whatever_one_signs_alone_can_be_counted(shell: Shell) -> None:
    """Vouch, attestation, record, dispute, revocation: with --counted each takes the next number; without it none."""
    alice = shell.agent("alice")
    bob = shell.agent("bob", "--method", "key")
    report = shell.json("report", alice, "--as", "bob.json")
    first = shell.json("vouch", bob, "--as", "alice.json", "--counted")
    events = [first["event"]] + [
        shell.json(*arguments, "--as", "alice.json", "--counted")["event"]
        for arguments in (
            ("attest", "--runtime", "python"),
            ("record", "--action", "payments.refund", "--resource", "invoice:42"),
            ("dispute", report["event"]),
            ("revoke", first["event"]),
        )
    ]
    plain = shell.json("record", "--action", "payments.refund", "--resource", "invoice:43", "--as", "alice.json")
    leaves = [shell.live.world.web.get(f"/v1/events/{one}").json["leaf"]["event"] for one in [*events, plain["event"]]]
    counts = [one.get("sequence") for one in leaves]
    assert counts[0] == {"number": 1}
    assert counts[1:-1] == [{"number": n, "previous": before} for n, before in zip(range(2, 6), events, strict=False)]
    assert counts[-1] is None


def test_a_receipt_takes_two(shell: Shell, tmp_path: Path) -> None:
    """One offers, the other accepts if it holds the same record; another record is refused before anything is sent."""
    shell.agent("alice")
    bob = shell.agent("bob", "--method", "key")
    (tmp_path / "job.json").write_text("what we did")
    (tmp_path / "other.json").write_text("what we did not")
    shell("receipt", "offer", bob, "--action", "translate", "--record", "job.json", "--out", "half.json",
          "--part", "provider", "--as", "alice.json")  # fmt: skip
    told = shell("receipt", "accept", "half.json", "--record", "other.json", "--as", "bob.json", code=4)
    assert "receipt_content_mismatch" in told
    told = shell(
        "receipt", "accept", "half.json", "--record", "job.json", "--outcome", "failed", "--as", "bob.json", code=4
    )
    assert "receipt_content_mismatch" in told
    assert "proof_signers_invalid" in shell(
        "receipt", "accept", "half.json", "--record", "job.json", "--as", "alice.json", code=2
    )
    shell("receipt", "accept", "half.json", "--record", "job.json", "--as", "bob.json")
    assert "--outcome" in shell(
        "receipt", "accept", "half.json", "--record", "job.json", "--outcome", "fine", "--as", "bob.json", code=2
    )


def test_attestations(shell: Shell, tmp_path: Path) -> None:
    """One's own, and that of another agent with what was made of it."""
    shell.agent("alice")
    bob = shell.agent("bob", "--method", "key")
    (tmp_path / "agent.py").write_text("print()")
    shell("attest", "--code", "agent.py", "--model", "example/model-7b", "--nonce", NONCE, "--as", "bob.json")
    shell("attest", bob, "--code", "agent.py", "--appraisal", "affirming", "--as", "alice.json")
    shell("attest", bob, "--code", "agent.py", "--evidence", "agent.py", "--hardware", "--as", "alice.json")
    found = {one["evidenceKind"]: one for one in _evidence(shell, bob)["attestations"]}
    assert set(found) == {"self", "hardware"}  # the newer word of the same issuer replaced the older
    digest = base64url_encode(hashlib.sha256(b"print()").digest())
    assert (found["self"]["codeDigest"], found["self"]["eatNonce"]) == (digest, NONCE)
    assert "attestation_empty" in shell("attest", "--as", "bob.json", code=2)
    assert "--model" in shell("attest", "--model", "one", "--as", "bob.json", code=2)
    assert "attestation_nonce_repeated" in shell(
        "attest", "--code", "agent.py", "--nonce", NONCE, "--as", "bob.json", code=6
    )


def test_a_delegation_is_passed_on_within_its_bounds(shell: Shell, tmp_path: Path) -> None:
    """The second hop names the first and ends no later; nothing is logged."""
    shell.agent("alice")
    bob, carol = shell.agent("bob", "--method", "key"), shell.agent("carol", "--method", "key")
    shell("delegate", bob, "--action", "payments.*", "--limit", "amount-cents=5000", "--max-depth", "1",
          "--out", "hop.json", "--as", "alice.json")  # fmt: skip
    shell("delegate", carol, "--action", "payments.read", "--parent", "hop.json", "--valid", "999999",
          "--out", "second.json", "--as", "bob.json")  # fmt: skip
    first, second = (
        parse_credential(parse_json_object((tmp_path / one).read_bytes())) for one in ("hop.json", "second.json")
    )
    assert second.subject["parent"] == base64url_encode(first.event_id)
    assert second.valid_until_ms == first.valid_until_ms
    assert "delegation_depth_invalid" in shell(
        "delegate", bob, "--action", "x", "--parent", "second.json", "--max-depth", "1", "--as", "carol.json", code=2
    )
    assert "--limit" in shell("delegate", bob, "--action", "x", "--limit", "a=-1", "--as", "alice.json", code=2)


def test_a_standing_is_fetched_signed(shell: Shell) -> None:
    """It verifies by itself, and says what the plain answer says."""
    bob = shell.agent("bob", "--method", "key")
    document = parse_json_object(shell("standing", bob, "--credential").encode())
    assert parse_credential(document).subject["scoreMicros"] == 25_000_000
    Path("standing.json").write_bytes(canonicalize(document))
    assert "verified" in shell("verify", "standing.json", "--url", shell.live.url)
    assert "--credential" in shell("standing", "--credential", code=2)


def test_what_is_private_is_disclosed_from_a_file(shell: Shell, tmp_path: Path) -> None:
    """The file opens the public log entry; the registry never sees it; an altered one is refused."""
    shell.agent("alice")
    bob = shell.agent("bob", "--method", "key")
    said = ("report", bob, "--as", "alice.json", "--private", "invoice=2026-117", "--private", "cents=4200")
    report = shell.json(*said, "--disclosures", "open.json")
    file = tmp_path / "open.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = shell.json("disclosure", "verify", "open.json")
    assert (found["disclosed"], found["event"]) == ({"invoice": "2026-117", "cents": "4200"}, report["event"])
    assert found["index"] == report["index"]
    assert "2026-117" in shell("disclosure", "verify", "open.json")
    leaf = shell.live.world.registry.store.entry(report["index"])
    assert leaf is not None
    assert b"2026-117" not in leaf.data
    (tmp_path / "leaf").write_bytes(leaf.data)
    assert (
        "whether the entry is in a log"
        in shell.json("disclosure", "verify", "open.json", "--leaf", "leaf")["notChecked"]
    )
    assert "disclosure_file_exists" in shell(*said, "--disclosures", "open.json", code=6)
    wire = parse_json_object(file.read_bytes())
    file.write_bytes(canonicalize({**wire, "disclosures": wire["disclosures"][:1] * 2}))
    assert "disclosure_repeated" in shell("disclosure", "verify", "open.json", code=2)
    other = shell.live.world.registry.store.entry(report["index"] - 1)
    assert other is not None
    (tmp_path / "leaf").write_bytes(other.data)
    file.write_bytes(canonicalize(wire))
    assert "disclosure_event_mismatch" in shell("disclosure", "verify", "open.json", "--leaf", "leaf", code=4)


def test_no_file_is_left_where_nothing_was_said(shell: Shell, tmp_path: Path) -> None:
    """A statement that is refused leaves no disclosure file, and a file without anything private is a mistake."""
    bob = shell.agent("bob", "--method", "key")
    said = ("vouch", bob, "--as", "bob.json", "--disclosures", "open.json")
    assert "self_vouch" in shell(*said, "--private", "a=b", code=2)
    assert not (tmp_path / "open.json").exists()
    assert "private_option_invalid" in shell(*said, code=2)
    assert "private_option_invalid" in shell(*said, "--private", "a=b", "--private", "a=c", code=2)
    assert "document_unreadable" in shell(*said[:-1], "no/such/folder.json", "--private", "a=b", code=5)


def test_an_action_is_recorded_with_its_reasons(shell: Shell, tmp_path: Path) -> None:
    """The public record holds a digest and commitments; the reasons are in the file."""
    shell.agent("bob", "--method", "key")
    (tmp_path / "why.txt").write_text("the invoice was due")
    record = shell.json("record", "--action", "payments.refund", "--resource", "invoice:42", "--parameters", '{"cents":1}',
                        "--reasoning", "why.txt", "--outcome", "completed", "--disclosures", "why.json",
                        "--as", "bob.json")  # fmt: skip
    leaf = shell.live.world.registry.store.entry(record["index"])
    assert leaf is not None
    assert b"payments.refund" not in leaf.data
    assert b"due" not in leaf.data
    assert shell.json("disclosure", "verify", "why.json")["disclosed"] == {"reasoning": "the invoice was due"}
    shell("record", "--action", "read", "--resource", "d:1", "--named", "--as", "bob.json")
