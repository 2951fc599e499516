"""An agent registers itself while the registry has troubles of its own: it is registered, or hears the real reason."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from registry.client import Agent, RegistryRefusedError
from registry.services.signing import LogRolledBackError
from registry.storage.log import LogStore
from tests.support.client import Live


def test_a_registration_outlives_a_commit_that_fails(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """The challenge was used up when the disk refused: the agent asks for another one, and is registered."""
    original, left = LogStore.append, [1]

    def append(self: LogStore, *arguments: Any, **named: Any) -> None:
        if left:
            left.pop()
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        original(self, *arguments, **named)

    monkeypatch.setattr(LogStore, "append", append)
    agent = Agent.create("alice", live.url, method="key")
    assert agent.register().index > 0
    assert not left


def test_where_nothing_is_taken_the_reason_is_told(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that was closed says so to an agent that registers, however often its request is repeated."""
    monkeypatch.setattr(live.world.registry.sequencer, "may_write", _closed)
    with pytest.raises(RegistryRefusedError) as caught:
        Agent.create("alice", live.url, method="key").register()
    assert caught.value.problem_code == "log_rolled_back"


def _closed() -> None:
    raise LogRolledBackError
