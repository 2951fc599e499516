"""kill -9 in the middle of an erasure, in a real process: whatever was ordered is done when it has started again.

The process kills itself at a chosen step of the real code. Not covered: the loss of power.
"""

from __future__ import annotations

import os
import signal
from importlib import import_module
from pathlib import Path
from uuid import uuid4

import pytest

from did_methods.data_integrity import event_id
from registry.adapters.erasure_keys import FolderErasureKeys
from registry.adapters.key_file import load_key_ring
from registry.adapters.system_clock import SystemClock
from registry.bootstrap import open_registry
from registry.cli.main import run
from registry.credentials.commitments import make_disclosure
from tests.crash.process import LOADED, ServerProcess, settings_of
from tests.support.actor import Actor
from tests.support.files import traces

SECRET = "Grace Hopper, 3 Elm Road"
STEPS = {
    "after the entry, before the keys": ("registry.services.erasure.ErasureService", "carry_out"),
    "before the rows": ("registry.storage.opening.OpeningStore", "delete"),
    "before the write-ahead log": ("registry.storage.opening.OpeningStore", "forget_deleted"),
    "before it is noted": ("registry.storage.opening.OpeningStore", "note_carried_out"),
}


def _erase_and_die(data: Path, did: str, kind: str, method: str) -> None:
    registry = open_registry(settings_of(data))
    registry.start()
    module, _, name = kind.rpartition(".")
    setattr(
        getattr(import_module(module), name), method, lambda *_values, **_more: os.kill(os.getpid(), signal.SIGKILL)
    )
    registry.erasure_room.erasure.erase_agent(did)


def _told(data: Path) -> tuple[str, bytes, str, tuple[bytes, ...]]:
    """Log a vouch with an opening; return who it is about, its event id, the disclosure and the keys."""
    registry = open_registry(settings_of(data))
    registry.start()
    try:
        origin = registry.genesis.origin
        issuer = Actor.of_ring(load_key_ring(data / "keys" / "operator-agent.json"), SystemClock(), origin)
        bob = Actor.short_lived("bob", SystemClock(), origin)
        challenge, _ = registry.challenges.issue(now_ms=SystemClock().now_ms())
        registry.agents.register(bob.registration(challenge), source=None, rates=registry.rates)
        opening = make_disclosure("note", SECRET, salt=uuid4().bytes * 2)
        document = issuer.vouch(bob.did, commitments=[opening.digest])
        registry.events.submit({"event": document, "openings": [opening.text]})
        keys = FolderErasureKeys(data / "erasure-keys").find((bob.did,), event_id(document))
        assert keys is not None
        return bob.did, event_id(document), opening.text, keys
    finally:
        registry.stop()


_EVERYDAY = "before the rows"


@pytest.mark.parametrize(
    "step", [one if one == _EVERYDAY else pytest.param(one, marks=pytest.mark.full) for one in STEPS]
)
def test_a_killed_erasure_is_completed_at_the_next_start(
    tmp_path: Path, step: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No byte of value, string or key is in any file of the folder, and an audit of the running registry is clean."""
    data = tmp_path / "data"
    did, event, text, keys = _told(data)
    assert traces(data, keys[0])
    erasing = LOADED.Process(target=_erase_and_die, args=(data, did, *STEPS[step]))
    erasing.start()
    erasing.join()
    assert erasing.exitcode == -signal.SIGKILL
    server = ServerProcess(data)
    try:
        url = server.wait_until_serving()
        assert traces(data, SECRET.encode(), text.encode(), keys[0]) == []
        assert run(["audit", url, "--json"]) == 0, capsys.readouterr().out
    finally:
        server.kill()
    registry = open_registry(settings_of(data))
    try:
        assert did in registry.state.tables.erased_agents
        assert registry.erasure_room.openings.of_event(event) == []
        assert len(registry.erasure_room.erasure._store.carried_out()) == 1
    finally:
        registry.database.close()
