"""Keys that are not in a file of their own: they speak, and never change the DID."""

from __future__ import annotations

import pytest

from did_methods.errors import BonafidesError
from registry.client.agent import Agent
from tests.client.test_keeper import agent

__all__ = ["agent"]


def test_keys_that_cannot_be_kept_are_not_made(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the environment speaks; a change of the DID is refused before anything is sent, next keys or not."""
    files = agent._files
    assert files is not None
    monkeypatch.setenv("BONAFIDES_AGENT_KEY", files.key_file.read_text())
    monkeypatch.setenv("BONAFIDES_AGENT_NEXT_KEYS_FILE", str(files.next_keys))
    for change in (Agent.rotate, Agent.deactivate, lambda one: one.add_instance("one")):
        with pytest.raises(BonafidesError) as caught:
            change(Agent.load(url=agent.url))
        assert caught.value.code == "keys_read_only"
    assert len(agent.states()) == 1
    agent.rotate()
