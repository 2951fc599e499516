"""One registry for all tests of this folder; agents' keys never land in anybody's home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.client import live

__all__ = ["live"]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "KEY", "KEY_FILE", "AGENT", "AGENT_KEY", "AGENT_KEY_FILE", "DATA_DIR"):
        monkeypatch.delenv(f"BONAFIDES_{name}", raising=False)
    monkeypatch.setenv("BONAFIDES_AGENTS", str(tmp_path / "agents"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
