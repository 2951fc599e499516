"""One registry for all tests of this folder; agents' keys never land in anybody's home."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import click
import pytest
import typer

from registry.cli import main
from tests.support.client import live

__all__ = ["live"]


@pytest.fixture(scope="session", autouse=True)
def _commands_made_once() -> Iterator[None]:
    """Keep the command lines that `run` builds anew each time, one per sub-command: that took half of this folder's time."""
    build_app = main.build_app

    @cache
    def built(chosen: str | None) -> click.Command:
        return typer.main.get_command(build_app(chosen))

    with mock.patch.object(main, "build_app", built):
        yield


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "KEY", "KEY_FILE", "AGENT", "AGENT_KEY", "AGENT_KEY_FILE", "DATA_DIR"):
        monkeypatch.delenv(f"BONAFIDES_{name}", raising=False)
    monkeypatch.setenv("BONAFIDES_AGENTS", str(tmp_path / "agents"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
