"""`bonafides erase | backup | restore` against a real server process with real files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from registry.cli.main import run
from tests.crash.process import ServerProcess
from tests.support.files import traces
from tests.support.publication import wait_for

SECRET = "Katherine Johnson, 5 Hampton Lane"
Command = Callable[..., Any]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerProcess]:
    """A registry in a process of its own."""
    process = ServerProcess(tmp_path / "data")
    try:
        monkeypatch.setenv("BONAFIDES_URL", process.wait_until_serving())
        yield process
    finally:
        if process.is_running:
            process.kill()


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command; returns its JSON, or what it complained about where another code is expected."""

    def call(*arguments: str, code: int = 0) -> Any:
        capsys.readouterr()
        ended = run([*arguments, "--json"])
        told = capsys.readouterr()
        assert ended == code, told.err
        return json.loads(told.out) if code == 0 else told.err

    return call


def _traces(data: Path, process: ServerProcess) -> list[str]:
    found = [str(path) for path in traces(data, SECRET.encode())]
    return [*found, *(["output"] if SECRET.encode() in process.told else [])]


def test_from_a_private_word_to_a_restore_without_it(
    server: ServerProcess, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said, backed up while serving, erased, the machine lost, restored from the old backup and what was published."""
    data, url = tmp_path / "data", server_url()
    for name in ("alice", "bob"):
        command("agent", "create", name, "--register")
    said = command("vouch", "bob", "--as", "alice", "--private", f"note={SECRET}")
    kept = command("vouch", "alice", "--as", "bob", "--private", "note=kept")
    command("epoch")
    made = command("backup", str(tmp_path / "old.backup"), "--data", str(data), "--with-keys", str(tmp_path / "k"))
    assert made["size"] >= kept["index"]
    checked = command("restore", str(tmp_path / "old.backup"), "--check")
    assert (checked["size"], checked["data"], checked["offline"]) == (made["size"], None, True)
    assert "--data" in command("restore", str(tmp_path / "old.backup"), code=2)
    assert "backup_exists" in command("backup", str(tmp_path / "old.backup"), "--data", str(data), code=6)
    shutil.copytree(data / "erasure-keys", tmp_path / "kept-keys")
    assert "--yes" in command("erase", "bob", code=2)
    assert command("erase", said["event"], "--as", "alice", "--yes")["erasure"]["openings"] == 1
    assert command("erase", said["event"], "--yes")["erasure"]["openings"] == 1
    assert "nothing_to_erase" in command("erase", "A" * 43, "--yes", code=5)
    wait_for(lambda: _published(url) > made["size"])  # the erasure: nothing else came since
    _restored(command, tmp_path, url)
    server.kill()
    assert _traces(data, server) == []
    monkeypatch.delenv("BONAFIDES_URL")
    again = ServerProcess(tmp_path / "new")
    try:
        monkeypatch.setenv("BONAFIDES_URL", again.wait_until_serving())
        from registry.cli.options import as_operator

        operator = as_operator(server_url(), None)
        assert operator.openings(said["event"]) == []
        assert len(operator.openings(kept["event"])) == 1
        assert command("audit", server_url())["clean"]
        command("vouch", "bob", "--as", "alice", "--url", server_url())
    finally:
        again.kill()
    assert _traces(tmp_path / "new", again) == []


def server_url() -> str:
    """Return where the server of now listens."""
    import os

    return os.environ["BONAFIDES_URL"]


def _published(url: str) -> int:
    """Return the size of the checkpoint that readers get."""
    return int(httpx.get(f"{url}/checkpoint", trust_env=False).text.split("\n")[1])


def _restored(command: Command, tmp_path: Path, url: str) -> None:
    """Restore the old backup beside the running server, which has published the erasure."""
    new, options = tmp_path / "new", ("--keys", str(tmp_path / "k"))
    shutil.copytree(tmp_path / "kept-keys", new / "erasure-keys")
    where = ("restore", str(tmp_path / "old.backup"), "--data", str(new))
    assert "registry_unreachable" in command(*where, *options, "--from", "http://127.0.0.1:9", code=3)
    assert "--offline" in command(*where, "--offline", "--from", url, code=2)
    done = command(*where, *options, "--from", url)
    assert (done["erasedOpenings"], done["offline"]) == (1, False)
    assert done["size"] == done["publishedSize"] > done["backupSize"]
    assert "restore_not_empty" in command(*where, "--from", url, code=6)


def test_restored_offline_it_signs_nothing(server: ServerProcess, command: Command, tmp_path: Path) -> None:
    """It serves what it has, and takes and signs nothing until it has caught up with the published log."""
    for name in ("alice", "bob"):
        command("agent", "create", name, "--register")
    command("backup", str(tmp_path / "b"), "--data", str(tmp_path / "data"), "--with-keys", str(tmp_path / "k"))
    command("restore", str(tmp_path / "b"), "--data", str(tmp_path / "new"), "--keys", str(tmp_path / "k"), "--offline")
    again = ServerProcess(tmp_path / "new")
    try:
        url = again.wait_until_serving()
        from registry.client.transport import Transport

        before = Transport(url).get_answer("/checkpoint").body
        assert "restored_offline" in command("vouch", "bob", "--as", "alice", "--url", url, code=3)
        assert Transport(url).get_answer("/checkpoint").body == before
    finally:
        again.kill()
    there = server_url()
    assert "registry_unreachable" in command(
        "log", "recover", "--from", "http://127.0.0.1:9", "--data", str(tmp_path / "new"), code=3
    )
    assert command("log", "recover", "--from", there, "--data", str(tmp_path / "new"))["state"] in ("open", "waiting")
    server.kill()
    again = ServerProcess(tmp_path / "new")
    try:
        command("vouch", "bob", "--as", "alice", "--url", again.wait_until_serving())
    finally:
        again.kill()
