"""The demo's story comes out as told, against a server of its own and against one that runs."""

from __future__ import annotations

import pytest

from did_methods.codec import parse_json_object
from registry.cli.main import run
from tests.support.client import Live

Capture = pytest.CaptureFixture[str]


def test_the_whole_story(capfd: Capture) -> None:
    """Every step comes out as told, from the first registration to the audit."""
    assert run(["demo"]) == 0
    told = capfd.readouterr().out
    assert "✗" not in told
    assert told.count("✓") >= 20
    for word in ("trust_ok", "proof_required", "trust_below_threshold", "agent_quarantined", "proof_replayed", "8.12"):
        assert word in told


def test_against_a_running_registry(live: Live, capfd: Capture) -> None:
    """Without the operator's keys nobody gets a voice, and the rest of the story still holds."""
    assert run(["demo", "--url", live.url, "--json"]) == 0
    told = parse_json_object(capfd.readouterr().out.encode())
    assert told["asTold"] is True


def test_against_a_running_registry_with_its_operator(live: Live, capfd: Capture) -> None:
    """With the operator's own agent the whole story plays in a registry that has others in it."""
    keys = live.world.registry.settings.keys_dir / "operator-agent.json"
    assert run(["demo", "--url", live.url, "--operator-keys", str(keys)]) == 0
    assert "✗" not in capfd.readouterr().out
