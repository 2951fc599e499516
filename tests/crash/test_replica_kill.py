"""Replicas in processes of their own on one PostgreSQL: one is killed, or stands still inside its turn, and the log goes on.

What these show: no acknowledged event is lost, none is in the log twice, and a replica that wakes up after its turn was
given away writes nothing. What they do not: a server that fails over to a standby which lacks its last commits.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from did_methods.canonical import canonicalize
from registry.adapters.key_file import load_key_ring
from registry.adapters.system_clock import SystemClock
from registry.cli.main import run
from tests.crash.checker import Checker
from tests.crash.load import JSON, Load
from tests.crash.process import ServerProcess
from tests.support.actor import Actor
from tests.support.pgbouncer import pgbouncer
from tests.support.postgres import PostgresServer

# Before its n-th batch commits, the process says so in a file and waits there, inside the transaction.
_HOLD = """
import os, pathlib, time
from registry.storage import log as _log
_plain = _log.append_within
def _held(*arguments, **named):
    _plain(*arguments, **named)
    flag = pathlib.Path({flag!r})
    if flag.exists():
        flag.rename({reached!r})
        while pathlib.Path({reached!r}).exists():
            time.sleep(0.01)
_log.append_within = _held
"""


@dataclass(slots=True)
class Group:
    """Replicas, and what they share; pooled: they reach the database through pgbouncer."""

    data: Path
    database: str
    pooled: bool
    servers: list[ServerProcess]
    urls: list[str]

    def start(self, prelude: str = "") -> str:
        """Start one more; return where it listens."""
        server = ServerProcess(self.data, database=self.database, prelude=prelude)
        self.servers.append(server)
        self.urls.append(server.wait_until_serving())
        return self.urls[-1]

    @property
    def operator(self) -> Actor:
        """The agent that gives voices."""
        origin = str(httpx.get(f"{self.urls[-1]}/log.json", trust_env=False).json()["origin"])
        return Actor.of_ring(load_key_ring(self.data / "keys" / "operator-agent.json"), SystemClock(), origin)


@pytest.fixture(params=["direct", pytest.param("pgbouncer", marks=pytest.mark.full)])
def group(postgres: PostgresServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Group]:
    """An empty database, with or without a pooler before it, and replicas that are killed at the end."""
    name = postgres.fresh_database()
    with ExitStack() as stack:
        stack.callback(postgres.drop_database, name)
        url = postgres.url(name)
        if request.param == "pgbouncer":
            url = postgres.tcp_url(name, port=stack.enter_context(pgbouncer(postgres, sessions=20)))
        made = Group(tmp_path / "data", url, request.param == "pgbouncer", [], [])
        yield made
        for server in made.servers:
            if server.is_running:
                server.go_on()
                server.kill()


@contextmanager
def client(url: str) -> Iterator[httpx.Client]:
    """A client of one replica."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        yield http


def post(http: httpx.Client, document: dict[str, Any]) -> httpx.Response:
    """Send one statement."""
    return http.post("/v1/events", content=canonicalize(document), headers=JSON)


def test_another_takes_over(group: Group) -> None:
    """The replica that wrote last is killed: the other writes on at once, in the same log, and knows all of it."""
    first, second = group.start(), group.start()
    load = Load()
    load.prepare(first, group.operator, agents=3)
    group.servers[0].kill()
    alice, bob, _ = load.actors
    with client(second) as http:
        vouch = alice.vouch(bob.did)
        answer = post(http, vouch)
        assert answer.status_code == 201, answer.text
        size = answer.json()["acceptance"]["credentialSubject"]["accepted"][0]["index"] + 1
        assert http.get(f"/v1/agents/{alice.did}").status_code == 200
    group.servers[1].kill()
    checker = Checker()
    checker.check(group.data, load, url=group.database)
    assert len(checker.hashes) == size


@pytest.mark.full
def test_kills_under_load_lose_nothing(group: Group, capsys: pytest.CaptureFixture[str]) -> None:
    """Writers at both replicas; one of them is killed and started anew, again and again."""
    draw, load, checker = random.Random(2026), Load(), Checker()
    group.start()
    load.prepare(group.urls[0], group.operator, agents=12)
    group.start()
    for _ in range(4 if group.pooled else 10):
        victim = draw.randrange(2)
        survivor = group.urls[1 - victim]
        other = threading.Thread(target=_write_on, args=(load, survivor, 1.2))
        other.start()
        load.run(
            group.urls[victim], kinds=("single", "batch"), seconds=draw.uniform(0, 0.6), warm=True,
            crash=group.servers[victim].kill,
        )  # fmt: skip
        other.join()
        load.interrupted += bool(load.unanswered)
        load.send_again(survivor)
        assert not load.failures, load.failures[:3]
        checker.check(group.data, load, url=group.database)
        group.servers[victim] = ServerProcess(group.data, database=group.database)
        group.urls[victim] = group.servers[victim].wait_until_serving()
    assert load.interrupted
    assert run(["audit", group.urls[0], "--no-state", "--json"]) == 0, capsys.readouterr().out


def _write_on(load: Load, url: str, seconds: float) -> None:
    """Write batches to a replica that stays."""
    until = time.monotonic() + seconds
    with client(url) as http:
        while time.monotonic() < until and load._batch(http):
            pass


@pytest.mark.full
def test_a_replica_that_stands_still_in_its_turn_loses_it(group: Group) -> None:
    """It is stopped inside its transaction; the server ends its turn, the other goes on, and the woken one wrote nothing."""
    flag, reached = group.data.parent / "hold", group.data.parent / "reached"
    group.start(_HOLD.format(flag=str(flag), reached=str(reached)))
    second = group.start()
    load = Load()
    load.prepare(second, group.operator, agents=3)
    alice, bob, carol = load.actors
    stuck, answers = alice.vouch(bob.did), []

    def send() -> None:
        with client(group.urls[0]) as http:
            answers.append(post(http, stuck))

    flag.touch()
    sender = threading.Thread(target=send)
    sender.start()
    while not reached.exists():
        time.sleep(0.01)
    group.servers[0].stop()
    with client(second) as http:
        passed = post(http, bob.vouch(carol.did))
        assert passed.status_code == 201, passed.text
        index = passed.json()["acceptance"]["credentialSubject"]["accepted"][0]["index"]
        reached.unlink()
        group.servers[0].go_on()
        sender.join()
        assert (answers[0].status_code, answers[0].json()["code"]) == (503, "commit_failed")
    with client(group.urls[0]) as http:
        again = post(http, stuck)
        assert again.status_code == 201, again.text
        assert again.json()["acceptance"]["credentialSubject"]["accepted"][0]["index"] == index + 1
    for server in group.servers:
        server.kill()
    checker = Checker()
    checker.check(group.data, load, url=group.database)
    assert len(checker.hashes) == index + 2
