"""A registry process on PostgreSQL: it starts, serves, takes events, stops in order, and goes on where it was."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from did_methods.codec import parse_json_object
from registry.cli.main import run
from registry.client import Agent
from tests.cli.test_serve import serving
from tests.support.postgres import PASSWORD, PostgresServer

PUBLIC = "https://registry.example.com"


@pytest.fixture
def name(postgres: PostgresServer) -> Iterator[str]:
    """Make a database without tables."""
    made = postgres.empty_database()
    yield made
    postgres.drop_database(made)


def _ask(facts: dict[str, Any], path: str, *, key: str = "") -> httpx.Response:
    return httpx.get(facts["url"] + path, headers={"Authorization": f"Bearer {key}"} if key else {})


def test_start_serve_stop_and_start_again(
    postgres: PostgresServer,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Events taken before are there after; a key given or taken away beside a running server counts within the second."""
    data, options = tmp_path / "data", ("--public-url", PUBLIC, "--database", postgres.tcp_url(name))
    with serving(data, *options) as (process, facts):
        assert facts["database"] == f"postgresql://127.0.0.1:{postgres.port}/{name}"
        assert _ask(facts, "/healthz").json() == {"status": "ok"}
        agent = Agent.create("alice", facts["url"], path=tmp_path / "alice.json")
        agent.register()
        assert _ask(facts, f"/v1/agents/{agent.did}").status_code == 200
        monkeypatch.setenv("BONAFIDES_DATABASE_URL", postgres.url(name))
        assert run(["gateway", "add", "checkout", "--json"]) == 0
        key = str(parse_json_object(capsys.readouterr().out.encode())["key"])
        _until(lambda: _ask(facts, "/v1/decisions/none", key=key).status_code == 404)
        assert run(["gateway", "remove", "checkout"]) == 0
        _until(lambda: _ask(facts, "/v1/decisions/none", key=key).status_code == 401)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not (data / "registry.sqlite3").exists()
    with serving(data, *options) as (_, again):
        assert again["origin"] == facts["origin"]
        assert again["treeSize"] > facts["treeSize"]
        assert _ask(again, f"/v1/agents/{agent.did}").status_code == 200


def _until(check: Any) -> None:
    end = time.monotonic() + 5
    while not check():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("change", "code", "exit_code"),
    [
        ((PASSWORD, "wrong"), "database_login_refused", 3),
        (("postgresql:", "mysql:"), "database_unsupported", 3),
        (("postgresql://", "nonsense"), "database_url_malformed", 2),
    ],
)
def test_a_database_that_cannot_be_used(
    postgres: PostgresServer,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    code: str,
    exit_code: int,
) -> None:
    """The command ends with the family's exit code, names the problem's code, and tells nobody the password."""
    monkeypatch.setenv("BONAFIDES_DATABASE_URL", postgres.tcp_url(name).replace(*change))
    assert run(["init", "--data", str(tmp_path / "data"), "--public-url", PUBLIC]) == exit_code
    told = capsys.readouterr()
    assert code in told.err
    assert PASSWORD not in told.out + told.err
    assert "Traceback" not in told.err
