"""A registry on a real loopback socket for clients and commands, and servers that misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from registry.adapters.key_file import load_key_ring
from registry.adapters.system_clock import SystemClock
from registry.client import Agent
from registry.client.operator import Operator
from registry.client.transport import Transport
from tests.support.registry import World, open_world, serve


@dataclass(slots=True)
class Live:
    """A registry that runs with --dev.

    Attributes:
        url: where.
        world: its inside.
        folder: agents' keys.
    """

    url: str
    world: World
    folder: Path
    made: int = 0

    @property
    def operator(self) -> Operator:
        """The operator."""
        return Operator(Transport(self.url))

    @property
    def root(self) -> Agent:
        """The operator's own agent."""
        return Agent(load_key_ring(self.world.registry.settings.keys_dir / "operator-agent.json"), url=self.url)

    def agent(self, *, method: str = "key", registered: bool = True) -> Agent:
        """Make an agent of a new name."""
        self.made += 1
        name = f"agent-{self.made}"
        made = Agent.create(name, self.url, method=method, path=self.folder / f"{name}.json")
        if registered:
            made.register()
        return made


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Serve a registry with --dev on a free loopback port."""
    folder = tmp_path_factory.mktemp("live")
    with open_world(folder / "data", clock=SystemClock(), dev=True) as world, serve(world.app) as url:  # type: ignore[arg-type]
        yield Live(url, world, folder / "agents")


@dataclass(slots=True)
class Hostile:
    """A server that answers as a test says.

    Attributes:
        url: where.
        bodies: what was posted, in order.
    """

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def hostile(answer: Callable[[int], tuple[int, bytes] | None]) -> Iterator[Hostile]:
    """Serve answers of one's own.

    Args:
        answer: gets the number of the request, from 0; returns status and body, or None to hang up.
    """
    state = Hostile()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            state.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
            found = answer(len(state.bodies) - 1)
            if found is None:
                self.close_connection = True
                return
            self.send_response(found[0])
            if found[0] in (301, 307):
                self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(found[1])))
            self.end_headers()
            self.wfile.write(found[1])

        do_GET = do_POST = _serve  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
