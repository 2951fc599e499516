"""A whole registry in this process, on a fake clock, and what tests say to it.

`open_world` gives an opened and started registry behind its HTTP application; `serve` puts an application on a real
loopback socket. Nothing here decides what is right.
"""

from __future__ import annotations

import hashlib
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import uvicorn
from fastapi import FastAPI

from did_methods.codec import base64url_encode
from did_methods.data_integrity import event_id
from registry.adapters.key_file import load_key_ring
from registry.api.app import create_app
from registry.bootstrap import Registry, load_policy, open_registry
from registry.config import Settings
from registry.decisions.policy import PolicyPack
from registry.history.snapshot import dump_state
from registry.storage.engine import open_database
from registry.storage.engine_sqlite import SqliteDatabase
from tests.support.actor import Actor
from tests.support.asgi import Answer, Web, WebTransport

START_MS = 1_795_165_200_000  # 2026-11-20T09:00:00Z
DAY_MS = 86_400_000
PUBLIC_URL = "https://registry.localhost:8000"
GATEWAY_KEY, OPERATOR_KEY = "gateway-key-for-tests", "operator-key-for-tests"
GATEWAY = {"authorization": f"Bearer {GATEWAY_KEY}"}
OPERATOR = {"authorization": f"Bearer {OPERATOR_KEY}"}
NDJSON = {"content-type": "application/x-ndjson"}


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until it is told to move."""

    time_ms: int = START_MS

    def now_ms(self) -> int:
        """Return the time."""
        return self.time_ms

    def steady_ms(self) -> int:
        """Return the same time: both clocks move on alike."""
        return self.time_ms

    def advance(self, step_ms: int) -> None:
        """Move on (or back)."""
        self.time_ms += step_ms


@dataclass(slots=True)
class World:
    """A registry, its application, and whoever talks to it.

    Attributes:
        registry: opened and started.
        app: its HTTP application.
        web: sends requests to it.
        clock: the one clock of registry and agents.
    """

    registry: Registry
    app: FastAPI
    web: Web
    clock: ManualClock
    actors: dict[str, Actor] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.registry.genesis.origin

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self.registry.state.head.size

    @property
    def operator(self) -> Actor:
        """The operator's own agent: the one root."""
        ring = load_key_ring(self.registry.settings.keys_dir / "operator-agent.json")
        return Actor.of_ring(ring, self.clock, self.origin)

    def http(self) -> httpx.Client:
        """Return a synchronous client of the application."""
        return httpx.Client(transport=WebTransport(self.web), base_url="http://registry.localhost:8000")

    # ------------------------------------------------------------ agents

    def hosted(self, name: str, **more: Any) -> Actor:
        """Make an agent with a did:webvh; not registered yet."""
        return Actor.hosted(name, self.clock, self.origin, **more)

    def short_lived(self, name: str) -> Actor:
        """Make an agent with a did:key; not registered yet."""
        return Actor.short_lived(name, self.clock, self.origin)

    def challenge(self) -> str:
        """Ask for a challenge."""
        return str(self.web.post("/v1/challenges").json["challenge"])

    def register(self, actor: Actor, **more: Any) -> Answer:
        """Register an agent."""
        return self.web.post("/v1/agents", actor.registration(self.challenge()), **more)

    def agent(self, name: str, *, short_lived: bool = False) -> Actor:
        """Make an agent and register it."""
        actor = self.short_lived(name) if short_lived else self.hosted(name)
        answer = self.register(actor)
        assert answer.status == 201, answer
        return actor

    # ------------------------------------------------------------ evidence and decisions

    def submit(self, document: dict[str, Any], **more: Any) -> Answer:
        """Send one signed statement."""
        return self.web.post("/v1/events", document, **more)

    def batch(self, documents: list[dict[str, Any]], **more: Any) -> Answer:
        """Send many signed statements."""
        lines = b"\n".join(httpx.Request("POST", "http://x", json=one).content for one in documents)
        return self.web.post("/v1/events:batch", lines, headers={**NDJSON, **more.pop("headers", {})}, **more)

    def decide(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask for a decision as a gateway; returns decision and context."""
        answer = self.web.post("/access/v1/evaluation", request, headers=GATEWAY)
        assert answer.status == 200, answer
        found: dict[str, Any] = answer.json
        return found

    def reason(self, request: dict[str, Any]) -> str:
        """Ask for a decision; returns its reason code."""
        return str(self.decide(request)["context"]["reason"])

    def epoch(self) -> Answer:
        """Log an epoch."""
        return self.web.post("/v1/epochs", {}, headers=OPERATOR)

    def quarantine(self, actor: Actor, *, release: bool = False) -> Answer:
        """Suspend an agent, or release it."""
        path = "/v1/releases" if release else "/v1/quarantines"
        return self.web.post(path, {"did": actor.did, "reason": "testing"}, headers=OPERATOR)

    # ------------------------------------------------------------ looking from outside

    def fingerprint(self) -> tuple[int, bytes]:
        """Return what must not change when input is refused: the log's size and a digest of the whole folded state."""
        return self.size, hashlib.sha256(dump_state(self.registry.state)).digest()

    def refusals(self, code: str) -> int:
        """Return how often a code was counted in /metrics."""
        for line in self.web.get("/metrics").body.decode().splitlines():
            if line.startswith(f'bonafides_refusals_total{{code="{code}"}} '):
                return int(line.rpartition(" ")[2])
        return 0

    def index_of(self, document: dict[str, Any]) -> int | None:
        """Return where a document stands in the log."""
        return self.registry.state.tables.events.get(event_id(document))


def event_text(document: dict[str, Any]) -> str:
    """Return a document's event id as it stands in addresses."""
    return base64url_encode(event_id(document))


def world_settings(data_dir: Path, *, on_disk: bool = False, **more: Any) -> Settings:
    """Return settings of a test registry; the database lies in memory unless it is to be reopened."""
    database = f"sqlite:///{data_dir / 'registry.sqlite3'}" if on_disk else "sqlite://"
    return Settings(**{"data_dir": data_dir, "database_url": database, "public_url": PUBLIC_URL, **more})


@cache
def _migrated() -> bytes:
    """Return a database of empty tables, made by the migrations once in this process."""
    made = open_database("sqlite://")
    try:
        with made.read() as connection:
            raw: Any = connection.connection.dbapi_connection
            pages: bytes = raw.serialize()
    finally:
        made.close()
    return pages


def _copy_tables(database: SqliteDatabase) -> None:
    """Stand in for the migrations where the database lies in memory: that took half of what it costs to open a registry."""
    raw: Any = database._writer.connection.dbapi_connection
    with closing(sqlite3.connect(":memory:")) as made:
        made.deserialize(_migrated())
        made.backup(raw)


@cache
def _built_in_policy() -> PolicyPack:
    return load_policy(None)


@contextmanager
def open_world(
    data_dir: Path,
    *,
    clock: ManualClock | None = None,
    on_disk: bool = False,
    automatic_epochs: bool = False,
    **more: Any,
) -> Iterator[World]:
    """Open and start a registry with one gateway and one operator key; stop it at the end.

    Args:
        data_dir: its folder; open it again with `on_disk` to restart the same registry.
        clock: kept across restarts by the caller.
        on_disk: keep the database in a file.
        automatic_epochs: let the registry log epochs by itself; else none comes between what a test does.
        **more: members of `Settings`, for example dev or profile.
    """
    clock = clock or ManualClock()
    settings = world_settings(data_dir, on_disk=on_disk, **more)
    policy = _built_in_policy() if settings.policy_dir is None else None
    in_memory = settings.database_url == "sqlite://"
    if in_memory:
        _migrated()  # made before the patch: it is what the patch copies
    with mock.patch.object(SqliteDatabase, "_migrate", _copy_tables) if in_memory else nullcontext():
        registry = open_registry(settings, clock=clock, policy=policy)
    known = {name for name, _ in registry.gateways.load().values()}
    for name, key in (("gateway", GATEWAY_KEY), ("operator", OPERATOR_KEY)):
        if name not in known:
            digest = hashlib.sha256(key.encode()).digest()
            registry.gateways.add(name, role=name, key_digest=digest, now_ms=clock.now_ms())
    app = create_app(registry)
    web = Web(app)
    if not automatic_epochs:
        registry.authority.epoch_due = lambda **_now: False  # type: ignore[method-assign]
    registry.log.sign_interval_s = 0.0  # a test waits for no second that only spares a busy log
    registry.start()
    try:
        yield World(registry, app, web, clock)
    finally:
        web.close()
        registry.stop()


@contextmanager
def nothing_signed(registry: Registry) -> Iterator[None]:
    """Let a running registry sign and keep nothing by itself until the block ends."""
    sequencer, signing = registry.sequencer, registry.signing
    assert signing is not None
    ticks, sequencer._on_tick = sequencer._on_tick, []
    signing.stop()
    try:
        yield
    finally:
        signing.start()
        sequencer._on_tick = ticks


@contextmanager
def serve(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free loopback port; gives its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", lifespan="off", proxy_headers=False, server_header=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
