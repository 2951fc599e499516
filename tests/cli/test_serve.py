"""A registry process: it starts, says where it is, keeps its keys to itself, and stops in order."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from did_methods.codec import parse_json_object
from registry.cli.main import run

Capture = pytest.CaptureFixture[str]
COMMAND = [sys.executable, "-m", "registry"]


def _environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BONAFIDES_")}
    return clean | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}


@contextmanager
def serving(data: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    """Run `bonafides serve` on a free port until the block ends; give the process and what it printed."""
    command = [*COMMAND, "serve", "--port", "0", "--data", str(data), "--json", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment()) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            yield process, parse_json_object(line)
        finally:
            process.terminate()
            process.wait(20)


def test_a_registry_in_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Without --dev the operator has a key in a private file, nobody else may operate, and SIGTERM ends with 0."""
    data, public = tmp_path / "data", "https://registry.example.com"
    with serving(data, "--public-url", public) as (process, facts):
        assert facts["publicUrl"] == public
        assert facts["treeSize"] == 7
        for path in (data / "keys").rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        answer = httpx.get(facts["url"] + "/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert "date" in answer.headers
        assert "server" not in answer.headers
        assert httpx.post(facts["url"] + "/v1/epochs", json={}).status_code == 401
        assert run(["gateway", "list", "--url", facts["url"]]) == 1
        assert run(["gateway", "list", "--url", facts["url"], "--data", str(data)]) == 0
        monkeypatch.setenv("BONAFIDES_DATA_DIR", str(data))
        assert run(["epoch", "--url", facts["url"]]) == 0
        assert run(["gateway", "list", "--url", facts["url"], "--key-file", str(data / "keys" / "operator.key")]) == 0
        assert "operator" in capsys.readouterr().out
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with serving(data, "--public-url", public) as (_, again):
        assert again["origin"] == facts["origin"]
        assert again["treeSize"] == 8
        assert run(["epoch", "--url", again["url"]]) == 0
        _check_conflicts(data, again, public)


def _check_conflicts(data: Path, facts: dict[str, Any], public: str) -> None:
    """While a registry runs, its folder and its port are taken."""
    port = facts["url"].rpartition(":")[2]
    same_folder = [*COMMAND, "serve", "--port", "0", "--data", str(data), "--public-url", public]
    done = subprocess.run(same_folder, capture_output=True, text=True, check=False, env=_environment())
    assert (done.returncode, "database_in_use" in done.stderr) == (6, True), done.stderr
    same_port = [*COMMAND, "serve", "--port", port, "--data", str(data) + "-2"]
    done = subprocess.run(same_port, capture_output=True, text=True, check=False, env=_environment())
    assert (done.returncode, "address_in_use" in done.stderr) == (6, True), done.stderr
    assert not Path(str(data) + "-2").exists()


def test_init_and_the_keys_of_a_stopped_registry(tmp_path: Path, capsys: Capture) -> None:
    """A data folder is made without serving; gateways are added to it directly; another public URL is refused."""
    data = str(tmp_path / "data")
    assert run(["init", "--data", data, "--public-url", "https://registry.example.com", "--json"]) == 0
    facts = parse_json_object(capsys.readouterr().out.encode())
    assert facts["url"] is None
    assert Path(facts["operatorKey"]).exists()
    assert run(["gateway", "add", "checkout", "--data", data, "--json"]) == 0
    key = parse_json_object(capsys.readouterr().out.encode())["key"]
    assert len(str(key)) == 43
    assert key not in (tmp_path / "data" / "registry.sqlite3").read_bytes().decode("latin-1")
    assert run(["gateway", "list", "--data", data]) == 0
    assert "checkout" in capsys.readouterr().out
    assert run(["gateway", "remove", "checkout", "--data", data]) == 0
    assert run(["gateway", "remove", "checkout", "--data", data]) == 5
    assert run(["init", "--data", data, "--public-url", "https://elsewhere.example.com"]) == 6
    assert "genesis_mismatch" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--dev", "--host", "0.0.0.0"],
        ["--dev", "--public-url", "https://registry.example.com"],
        ["--public-url", "http://registry.example.com"],
        ["--profile", "nonsense"],
        ["--tls-cert", "cert.pem"],
        ["--tls-cert", "missing.pem", "--tls-key", "missing.pem"],
        ["--tls-cert", __file__, "--tls-key", __file__],
        ["--host", "host.invalid"],
        ["--host", "192.0.2.1"],
    ],
)
def test_settings_that_cannot_work(options: list[str], tmp_path: Path, capsys: Capture) -> None:
    """Such a registry is not started, and nothing is made."""
    assert run(["serve", "--port", "0", "--data", str(tmp_path / "data"), *options]) == 2
    assert "setting_invalid" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_made(tmp_path: Path, capsys: Capture) -> None:
    """A file where the folder should be is a wrong setting, not a defect."""
    (tmp_path / "file").write_text("")
    assert run(["init", "--data", str(tmp_path / "file")]) == 2
    assert run(["init", "--data", str(tmp_path / "file" / "data")]) == 2
    assert capsys.readouterr().err.count("setting_invalid") == 2


def test_help_loads_nothing_heavy() -> None:
    """The list of commands needs neither the server nor HTTP."""
    heavy = ("fastapi", "sqlmodel", "numpy", "httpx", "uvicorn", "cedarpy")
    program = (
        "import sys; from registry.cli.main import run; run(['--help']); "
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=_environment()
    )
    assert done.stdout.strip().endswith("[]")
