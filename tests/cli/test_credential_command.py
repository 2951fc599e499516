"""`bonafides credential`: issue, verify, show and revoke in files and at a registry, with the documented exit codes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from registry.adapters.issuer_keys import make_curve_identity
from registry.adapters.key_file import save_key_ring
from tests.cli.test_commands import Capture, Shell
from tests.support.client import Live
from tests.support.vc_api import Party, credential

HOLDER = Party.named("holder")


@pytest.fixture
def shell(live: Live, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Give a shell whose registry is the live one, and is named where it is meant."""
    monkeypatch.delenv("BONAFIDES_URL", raising=False)
    return Shell(live, capsys)


def _plain(**members: Any) -> dict[str, Any]:
    document = credential("", "did:example:abc", **members)
    return {name: value for name, value in document.items() if name != "issuer"}


def _write(name: str, document: Any) -> str:
    Path(name).write_bytes(canonicalize(document))
    return name


def _issue(shell: Shell, *arguments: str, code: int = 0) -> dict[str, Any]:
    told = shell("credential", "issue", _write("plain.json", _plain()), *arguments, code=code)
    return json.loads(told) if code == 0 else {"told": told}


@pytest.mark.parametrize("suite", ["eddsa-jcs-2022", "eddsa-rdfc-2022"])
def test_issue_and_verify_alone(shell: Shell, suite: str) -> None:
    """An agent signs with its own key and anybody verifies offline; one changed word is exit code 4."""
    made = shell.json("agent", "create", "alone", "--method", "key", "--file", "alone.json")
    signed = _issue(shell, "--as", "alone.json", "--suite", suite)
    assert (signed["issuer"], signed["proof"]["cryptosuite"]) == (made["did"], suite)
    told = shell.json("credential", "verify", _write("signed.json", signed))
    assert told["verified"] is True
    assert told["issuer"] == made["did"]
    assert told["warnings"] == []
    signed["credentialSubject"]["alumniOf"] = "Elsewhere"
    refused = shell.json("credential", "verify", _write("changed.json", signed), code=4)
    assert [one["code"] for one in refused["problems"]] == ["proof_invalid"]
    assert "does not verify" in shell("credential", "verify", "changed.json", code=4)


def test_a_token(shell: Shell) -> None:
    """A credential issued as a JWT is shown, and verifies until one letter of it is changed."""
    made = shell.json("agent", "create", "jose", "--method", "key", "--file", "jose.json")
    plain = _write("plain.json", _plain())
    token = shell("credential", "issue", plain, "--as", "jose.json", "--suite", "vc+jwt").strip()
    Path("token.jwt").write_text(token + "\n")
    assert shell.json("credential", "verify", "token.jwt")["issuer"] == made["did"]
    assert shell.json("credential", "show", "token.jwt")["secured by"][0].startswith("JOSE, EdDSA")
    head, body, signature = token.split(".")
    Path("token.jwt").write_text(f"{head}.{body}.{signature[::-1]}")
    assert shell("credential", "verify", "token.jwt", code=4)


@pytest.mark.parametrize(
    ("kind", "suites"), [("p256", ("ecdsa-jcs-2019", "ecdsa-rdfc-2019")), ("p384", ("ecdsa-jcs-2019",))]
)
def test_the_suite_is_of_the_key(shell: Shell, kind: Any, suites: tuple[str, ...]) -> None:
    """A key on a NIST curve signs in the suites of its curve, and in no other."""
    save_key_ring(Path("curve.json"), make_curve_identity(kind, random_bytes=b"\x05" * 96))
    for suite in suites:
        signed = _issue(shell, "--as", "curve.json", "--suite", suite)
        assert shell.json("credential", "verify", _write("signed.json", signed))["verified"] is True
    assert _issue(shell, "--as", "curve.json")["proof"]["cryptosuite"] == "ecdsa-jcs-2019"
    assert "suite_not_of_key" in _issue(shell, "--as", "curve.json", "--suite", "eddsa-jcs-2022", code=2)["told"]


def test_a_hosted_agent_is_verified_by_its_registry(shell: Shell) -> None:
    """Keys of a did:webvh come from the registry that is named, or from a document at hand; else exit code 4."""
    shell.agent("hosted", "--url", shell.live.url)
    signed = _write("signed.json", _issue(shell, "--as", "hosted.json", "--url", shell.live.url))
    assert shell.json("credential", "verify", signed, "--url", shell.live.url)["verified"] is True
    refused = shell.json("credential", "verify", signed, code=4)
    assert [one["code"] for one in refused["problems"]] == ["key_not_found"]
    did = json.loads(Path(signed).read_text())["issuer"]
    resolved = json.loads(shell("did", "resolve", did, "--url", shell.live.url))["didDocument"]
    at_hand = shell.json("credential", "verify", signed, "--did-document", _write("did.json", resolved))
    assert at_hand["verified"] is True


def test_the_registry_issues_and_revokes(shell: Shell) -> None:
    """The status issuer's credential is suspended, restored and revoked, and each is seen by the next verification."""
    url = ("--url", shell.live.url)
    signed = _write("signed.json", _issue(shell, "--at-registry", "--suite", "status", *url))
    assert shell.json("credential", "verify", signed, *url)["verified"] is True
    assert shell.json("credential", "verify", signed)["warnings"] == ["credential_status_not_checked"]
    shell("credential", "revoke", signed, "--purpose", "suspension", *url)
    refused = shell.json("credential", "verify", signed, *url, code=4)
    assert [one["code"] for one in refused["problems"]] == ["credential_suspended"]
    shell("credential", "revoke", signed, "--purpose", "suspension", "--undo", *url)
    assert shell.json("credential", "verify", signed, *url)["verified"] is True
    assert "revoked" in shell("credential", "revoke", signed, *url)
    refused = shell.json("credential", "verify", signed, *url, code=4)
    assert [one["code"] for one in refused["problems"]] == ["credential_revoked"]
    assert "status_irreversible" in shell("credential", "revoke", signed, "--undo", *url, code=6)


def test_revoke_needs_something_to_revoke(shell: Shell) -> None:
    """A credential without a status, or nothing at all, is wrong usage."""
    assert "status_entry_missing" in shell("credential", "revoke", _write("plain.json", _plain()), code=2)
    shell("credential", "revoke", code=2)
    unknown = shell("credential", "revoke", "--credential-id", "urn:uuid:none", "--url", shell.live.url, code=5)
    assert "status_unknown" in unknown


def test_a_presentation_needs_its_challenge(shell: Shell) -> None:
    """A presentation is verified for a challenge and a domain; without the first it is wrong usage."""
    shown = _write("shown.json", HOLDER.presentation(HOLDER.credential(), challenge="c1", domain="me.example"))
    shell("credential", "verify", shown, code=2)
    told = shell.json("credential", "verify", shown, "--challenge", "c1", "--domain", "me.example")
    assert (told["verified"], told["holder"]) == (True, HOLDER.did)
    assert told["credentials"] == [{"verified": True, "problems": []}]
    refused = shell.json("credential", "verify", shown, "--challenge", "c2", "--domain", "me.example", code=4)
    assert [one["code"] for one in refused["problems"]] == ["challenge_mismatch"]


def test_show_explains_and_verifies_nothing(shell: Shell) -> None:
    """Kind, issuer, subject, validity and proofs are told, of a forged document too, and that nothing was verified."""
    forged = HOLDER.credential("did:example:abc") | {"name": "A degree", "validUntil": "2020-01-01T00:00:00Z"}
    told = shell("credential", "show", _write("forged.json", forged))
    for part in (
        "AlumniCredential",
        HOLDER.did,
        "did:example:abc",
        "2020-01-01",
        "eddsa-jcs-2022",
        "Nothing was verified",
    ):
        assert part in told
    facts = shell.json("credential", "show", "forged.json")
    assert facts["verified"] is None
    assert facts["secured by"][0].startswith("eddsa-jcs-2022, assertionMethod")
    assert "nothing" in shell("credential", "show", _write("plain.json", _plain()))


def test_standard_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minus reads the document from standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(canonicalize(HOLDER.credential()))))
    assert shell.json("credential", "verify", "-")["verified"] is True


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", 4), (b"[]", 4), (b'{"a":1,"a":2}', 4), (b"{}", 4), (b"\xff", 4), (b"eyJhbGciOiJub25lIn0.e30.", 4)],
)
def test_what_is_no_credential(shell: Shell, content: bytes, code: int) -> None:
    """Anything else ends with a code and one line, never with a traceback."""
    Path("odd.json").write_bytes(content)
    shell("credential", "verify", "odd.json", code=code)


def test_a_file_that_is_not_there(shell: Shell) -> None:
    """A missing file is exit code 5."""
    assert "document_unreadable" in shell("credential", "verify", "nowhere.json", code=5)
