"""A PostgreSQL that fails over to a standby which lags: what was signed is not there, and the registry says so.

The standby is a real one: a copy that follows by streaming replication, is cut off, and is promoted after the primary was
killed. What is acknowledged but on neither a synchronous standby nor under a signature is lost unseen, as
specs/storage.md says; what these show is that no second tree is ever signed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from did_methods.canonical import canonicalize
from registry.adapters.key_file import load_key_ring
from registry.adapters.system_clock import SystemClock
from tests.crash.checker import Checker
from tests.crash.load import JSON, Load
from tests.crash.process import ServerProcess
from tests.support.actor import Actor
from tests.support.postgres import USER, PostgresServer, running_server
from tests.support.publication import wait_for

pytestmark = pytest.mark.full
WAIT_S = 30


@dataclass(slots=True)
class Pair:
    """A primary with a registry on it, and its standby.

    Attributes:
        data: the registry's folder, which outlives the primary.
        name: of the database.
        registry: running on the primary, with agents that can write.
    """

    primary: PostgresServer
    standby: PostgresServer
    data: Path
    name: str
    registry: ServerProcess
    url: str
    load: Load

    def head(self, server: PostgresServer) -> tuple[int, bytes]:
        """Return the log's head as a server has it."""
        with psycopg.connect(server.url(self.name)) as connection:
            row = connection.execute("SELECT size, root FROM head").fetchone()
        assert row is not None
        return int(row[0]), bytes(row[1])

    def notes(self, server: PostgresServer) -> list[tuple[Any, ...]]:
        """Return every note that was signed, as a server has it."""
        with psycopg.connect(server.url(self.name)) as connection:
            return connection.execute("SELECT size, root, note FROM signed ORDER BY size").fetchall()

    def write(self, url: str) -> httpx.Response:
        """Send a vouch."""
        alice, bob = self.load.actors
        return httpx.post(
            f"{url}/v1/events", content=canonicalize(alice.vouch(bob.did)), headers=JSON, timeout=60, trust_env=False
        )

    def sign(self) -> int:
        """Wait until the registry's newest entry is signed; return the size."""
        size, _ = self.head(self.primary)
        wait_for(lambda: self.notes(self.primary)[-1][0] == size, seconds=WAIT_S)
        return size

    def cut(self) -> None:
        """Let the standby have what there is, and nothing after it."""
        wait_for(lambda: self.notes(self.standby) == self.notes(self.primary), seconds=WAIT_S)
        with self.standby.admin() as connection:
            connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            connection.execute("SELECT pg_reload_conf()")
            following = "SELECT count(*) FROM pg_stat_wal_receiver"
            wait_for(lambda: connection.execute(following).fetchone() == (0,), seconds=WAIT_S)

    def fail_over(self) -> None:
        """Kill the primary and promote the standby."""
        self.primary.kill()
        with self.standby.admin() as connection:
            assert connection.execute("SELECT pg_promote(wait => true, wait_seconds => 30)").fetchone() == (True,)

    @property
    def both(self) -> str:
        """The URL that names both servers, of which the one that takes writes is wanted."""
        hosts = f"host={self.primary.folder},{self.standby.folder}&port={self.primary.port},{self.standby.port}"
        return f"postgresql://{USER}@/{self.name}?{hosts}&target_session_attrs=read-write"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """A registry on a primary that is followed."""
    with ExitStack() as stack:
        primary = stack.enter_context(running_server())
        name = primary.fresh_database()
        standby = stack.enter_context(running_server(standby_of=primary))
        made = Pair(primary, standby, tmp_path / "data", name, None, "", Load())  # type: ignore[arg-type]
        made.registry = ServerProcess(made.data, database=made.both)
        stack.callback(_end, made)
        made.url = made.registry.wait_until_serving()
        origin = httpx.get(f"{made.url}/log.json", trust_env=False).json()["origin"]
        operator = Actor.of_ring(load_key_ring(made.data / "keys" / "operator-agent.json"), SystemClock(), origin)
        made.load.prepare(made.url, operator, agents=2)
        made.sign()
        yield made


def _end(pair: Pair) -> None:
    """Kill the registry that is there now."""
    pair.registry.kill()


def health(url: str) -> dict[str, Any]:
    """Return what a registry says of itself."""
    found: dict[str, Any] = httpx.get(f"{url}/healthz", trust_env=False).json()
    return found


def test_a_registry_started_on_a_lagging_standby_signs_nothing(pair: Pair) -> None:
    """The standby lacks what was signed: the signer's record closes the log, reads go on, no note is added."""
    pair.cut()
    assert pair.write(pair.url).status_code == 201
    lost = pair.sign()
    pair.registry.kill()
    pair.fail_over()
    before, notes = pair.head(pair.standby), pair.notes(pair.standby)
    assert before[0] == lost - 1 == notes[-1][0]
    pair.registry = ServerProcess(pair.data, database=pair.both)
    url = pair.registry.wait_until_serving()
    assert health(url)["log"] == "rolled_back"
    refused = pair.write(url)
    assert (refused.status_code, refused.json()["code"]) == (503, "log_rolled_back")
    assert httpx.get(f"{url}/v1/entries/0", trust_env=False).status_code == 200
    time.sleep(2)  # longer than a signature waits
    pair.registry.kill()
    assert (pair.head(pair.standby), pair.notes(pair.standby)) == (before, notes)


def test_a_registry_that_runs_is_not_led_to_a_lagging_standby(pair: Pair) -> None:
    """Its connections go to the new primary, which has less than it knows: it writes no more, and signs nothing there."""
    pair.cut()
    assert pair.write(pair.url).status_code == 201
    pair.sign()
    pair.fail_over()
    before, notes = pair.head(pair.standby), pair.notes(pair.standby)
    wait_for(lambda: pair.write(pair.url).json().get("code") == "log_not_writable", seconds=WAIT_S)
    time.sleep(2)
    pair.registry.kill()
    assert (pair.head(pair.standby), pair.notes(pair.standby)) == (before, notes)


def test_a_standby_that_has_everything_is_gone_on_with(pair: Pair) -> None:
    """Nothing is missing: the registry that runs writes and signs on the new primary, in the same log."""
    pair.sign()
    pair.cut()
    size, _ = pair.head(pair.standby)
    pair.fail_over()
    wait_for(lambda: pair.write(pair.url).status_code == 201, seconds=WAIT_S)
    wait_for(lambda: pair.notes(pair.standby)[-1][0] > size, seconds=WAIT_S)
    pair.registry.kill()
    Checker().check(pair.data, pair.load, url=pair.standby.url(pair.name))
