"""`bonafides agent state | statement | age` and `bonafides audit --sign-replay`: verified here, whatever the registry says."""

from __future__ import annotations

from pathlib import Path

import pytest

from did_methods.codec import parse_json_object
from registry.client.replayed_map import check_replayed, verify_replay
from registry.client.state_errors import MapDisputedError, ReplayStatementError
from registry.client.states import StateReader
from registry.client.transport import Transport
from registry.client.view import RegistryView
from registry.credentials.key_lookup import SelfCertifyingLookup
from tests.cli.test_commands import Shell, shell
from tests.support.registry import START_MS
from tests.support.state_map import publish_state

__all__ = ["shell"]

YEARS_MS = 100 * 365 * 86_400_000


def test_state_of_an_agent(shell: Shell) -> None:
    """State, keys and the whole chain, as JSON and for people; a DID that is not there is proved to be absent."""
    alice = shell.agent("alice")
    publish_state(shell.live.world)
    shown = shell.json("agent", "state", alice, "--events")
    assert shown["state"]["state"] == "active"
    assert [one["kind"] for one in shown["events"]] == ["registration", "did_operation"]
    assert "these are all of its entries" in shell("agent", "state", alice, "--events")
    assert "state_absent" in shell("agent", "state", "did:example:nobody", code=4)
    assert shell.json("agent", "state", "did:example:nobody", "--absent")["state"] is None
    assert "state_present" in shell("agent", "state", alice, "--absent", code=4)
    assert "--events" in shell("agent", "state", alice, "--absent", "--events", code=2)
    assert "--max-age" in shell("agent", "state", alice, "--max-age", "60", code=2)


def test_a_statement_stands_until_it_is_revoked(shell: Shell) -> None:
    """Standing is proved before the revocation and the opposite after it."""
    shell.agent("alice")
    bob = shell.agent("bob", "--method", "key")
    vouch = shell.json("vouch", bob, "--as", "alice.json")
    publish_state(shell.live.world)
    assert shell.json("agent", "statement", vouch["event"])["state"]["kind"] == "vouch"
    assert "vouch" in shell("agent", "statement", vouch["event"])
    shell("revoke", vouch["event"], "--as", "alice.json")
    publish_state(shell.live.world)
    assert "state_absent" in shell("agent", "statement", vouch["event"], code=4)
    assert "does not stand" in shell("agent", "statement", vouch["event"], "--revoked")


def test_the_age_of_an_agent(shell: Shell) -> None:
    """The registration is proved; without witnesses of one's own its time is the registry's word."""
    alice = shell.agent("alice")
    publish_state(shell.live.world)
    shown = shell.json("agent", "age", alice)
    assert (shown["did"], shown["witnessed"]) == (alice, None)
    assert "by nobody whom you trust" in shell("agent", "age", alice)


def test_what_an_auditor_signs(shell: Shell, tmp_path: Path) -> None:
    """A clean audit is signed; the statement verifies, confirms the state log, and names whoever contradicts it."""
    auditor = shell.agent("auditor", "--method", "key")
    world = shell.live.world
    publish_state(world)
    key_file = next(path for path in tmp_path.rglob("auditor.json"))
    shown = shell.json("audit", shell.live.url, "--no-state", "--sign-replay", str(key_file))
    document, now_ms = shown["replay"], START_MS + YEARS_MS
    trusted = {"auditors": [auditor], "origin": world.origin, "keys": SelfCertifyingLookup(), "now_ms": now_ms}
    replay = verify_replay(document, **trusted)  # type: ignore[arg-type]
    state = StateReader(RegistryView(Transport(shell.live.url)), now_ms=now_ms).agent(auditor)
    assert check_replayed(state.entry, [replay]) == (auditor,)
    assert shown["stateMaps"] >= 1
    printed = shell("audit", shell.live.url, "--no-state", "--sign-replay", str(key_file)).splitlines()[0]
    assert parse_json_object(printed.encode())["credentialSubject"] == document["credentialSubject"]
    for changes in ({"auditors": ["did:key:z6Mkother"]}, {"origin": "other.example"}):
        with pytest.raises(ReplayStatementError):
            verify_replay(document, **(trusted | changes))  # type: ignore[arg-type]
    other = type(replay)(auditor, type(state.entry)(state.entry.size, bytes(32), 16, 1, bytes(32)), now_ms)
    with pytest.raises(MapDisputedError):
        check_replayed(state.entry, [other])
    elsewhere = type(replay)(auditor, type(state.entry)(state.entry.size + 1, bytes(32), 16, 1, bytes(32)), now_ms)
    assert check_replayed(state.entry, [elsewhere]) == ()
    structure = shell("audit", shell.live.url, "--no-state", "--structure", "--sign-replay", str(key_file), code=6)
    assert "replay_not_signed" in structure
