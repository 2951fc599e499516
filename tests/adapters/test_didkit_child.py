"""The didkit child itself: with the library where it is installed, and what holds without it."""

from __future__ import annotations

import importlib.util
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from did_methods.foreign import ForeignMethod, ForeignMethodUnsupportedError, ForeignNotInstalledError
from did_methods.foreign_ids import FOREIGN_METHODS
from did_methods.method import ResolutionError, ResolutionOptions
from did_methods.resolver import Resolver
from registry import limits
from registry.adapters.didkit_process import DidkitProcess
from tests.did_methods.cases import cases

INSTALLED = importlib.util.find_spec("didkit") is not None
CHILD = [
    sys.executable,
    "-I",
    "-m",
    "registry.adapters.didkit_child",
    "--memory-bytes=536870912",
    "--cpu-seconds=60",
    "--call-ms=60000",
]
DID = "did:pkh:eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8a"
OPTIONS = ResolutionOptions(0)


@pytest.fixture(scope="module")
def process(request: pytest.FixtureRequest) -> Iterator[DidkitProcess]:
    """Return a supervisor of the real child; a full run has to have the library."""
    if request.config.getoption("--full") and not INSTALLED:
        pytest.fail("didkit is not installed: a full run needs it (requirements-didkit.lock)")
    with DidkitProcess() as made:
        yield made


def _run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)


def _talk(*lines: str) -> tuple[int, list[dict[str, Any]]]:
    """Return how a child ended that was sent these lines and then the end of its input, and what it said."""
    done = subprocess.run(CHILD, input="".join(lines), capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.oracle
@pytest.mark.parametrize("case", cases("did-foreign", "valid"))
def test_each_kind_of_did_resolves_or_says_what_is_missing(process: DidkitProcess, case: dict[str, Any]) -> None:
    """The library writes the document of the vector; where it is not installed, that is the answer."""
    foreign = ForeignMethod(process)
    result = Resolver(dict.fromkeys(FOREIGN_METHODS, foreign)).resolve(case["did"], OPTIONS)
    if INSTALLED:
        assert process.resolve(case["did"]) == case["libraryDocument"]
        assert result.did_document == case["document"]
    else:
        assert result.error is ResolutionError.METHOD_NOT_SUPPORTED
        assert result.did_resolution_metadata["error"]["code"] == "did_foreign_not_installed"


@pytest.mark.parametrize(
    "did",
    [
        "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd",
        "did:web:agent.example",
        "did:tz:tz1LbXiXVBhaeYqNocHhHD1yo1AQCUwJA9cC",
        "did:webkey:ssh:agent.example",
        "did:pkhx:1",
        "",
    ],
)
def test_the_child_itself_takes_foreign_methods_only(process: DidkitProcess, did: str) -> None:
    """A caller that forgot to look at the method still gets no document of one that is ours or needs the network."""
    with pytest.raises(ForeignMethodUnsupportedError if INSTALLED else ForeignNotInstalledError):
        process.resolve(did)


def test_a_running_child_has_given_up_what_it_does_not_need(process: DidkitProcess) -> None:
    """A child that answers can open nothing, write no file, leave no core, and has its share of memory and time."""
    if not INSTALLED:
        with pytest.raises(ForeignNotInstalledError):
            process.resolve(DID)
        return
    assert process.resolve(DID) is not None
    assert process._supervisor._child is not None
    pid = process._supervisor._child._process.pid
    expected = {
        "NOFILE": 0,
        "FSIZE": 0,
        "CORE": 0,
        "DATA": limits.FOREIGN_MEMORY_BYTES,
        "CPU": limits.FOREIGN_CPU_SECONDS,
    }
    found = {name: resource.prlimit(pid, getattr(resource, f"RLIMIT_{name}")) for name in expected}
    assert found == {name: (value, value) for name, value in expected.items()}


def test_the_child_ends_with_its_input_and_without_a_crash() -> None:
    """The end of the input is a clean end, though the library crashes at the end of an ordinary interpreter."""
    request = json.dumps({"id": 7, "op": "resolve", "did": DID}) + "\n"
    code, said = _talk(request, request)
    assert code == 0
    if INSTALLED:
        assert said[0] == {"ready": "0.3.3"}
        assert [message["id"] for message in said[1:]] == [7, 7]
        assert json.loads(said[1]["document"])["id"] == DID
    else:
        assert said == [{"absent": True}]


@pytest.mark.parametrize("line", ["x" * 10_000, '{"id":1', ""])
def test_a_request_that_is_cut_off_ends_the_child(line: str) -> None:
    """A line without an end is the end of the parent, and is not answered."""
    code, said = _talk(line)
    assert code == 0
    assert len(said) == 1


def test_a_child_that_is_stuck_ends_by_itself() -> None:
    """The child's own alarm ends it though nobody is left to kill it."""
    done = _run("from registry.adapters import child_side as c\nc.set_alarm(0.05)\nwhile True: pass")
    assert done.returncode == -signal.SIGALRM


def test_a_child_gets_no_more_memory_than_its_share() -> None:
    """A child that grows dies alone."""
    done = _run(
        "from registry.adapters import child_side as c\n"
        "c.limit({'DATA': 200_000_000})\n"
        "try:\n    bytearray(400_000_000)\nexcept MemoryError:\n    print('refused')\n"
    )
    assert done.stdout == "refused\n"


def test_a_child_can_open_nothing() -> None:
    """After the limits are set, neither a socket nor a file can be opened."""
    done = _run(
        "import socket\n"
        "from registry.adapters import child_side as c\n"
        "c.limit({'NOFILE': 0, 'NO_SUCH_LIMIT': 0})\n"
        "for attempt in (socket.socket, lambda: open('/etc/passwd')):\n"
        "    try:\n        attempt()\n    except OSError:\n        print('refused')\n"
    )
    assert done.stdout == "refused\nrefused\n"


def test_the_library_reaches_no_host_where_it_would() -> None:
    """A method that asks a host reaches ours before the limits are set, and none after: the limits are what holds it."""
    done = _run(
        "import asyncio, json, socket, threading\n"
        "from registry.adapters import child_side as c\n"
        "try:\n    from registry.adapters.didkit_child import _Didkit; didkit = _Didkit()\nexcept ImportError:\n    print('absent'); raise SystemExit\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "visits = threading.Semaphore(0)\n"
        "def serve():\n"
        "    while True:\n"
        "        server.accept()[0].close(); visits.release()\n"
        "url = json.dumps({'tzkt_url': f'http://127.0.0.1:{server.getsockname()[1]}'})\n"
        "async def ask():\n"
        "    await didkit._library.resolve_did('did:tz:tz1LbXiXVBhaeYqNocHhHD1yo1AQCUwJA9cC', url)\n"
        "def attempt():\n"
        "    try:\n        didkit._loop.run_until_complete(ask())\n"
        "    except didkit._library.DIDKitException:\n        pass\n"
        "threading.Thread(target=serve, daemon=True).start()\n"
        "attempt(); before = visits.acquire(timeout=20)\n"
        "while visits.acquire(timeout=0.3): pass\n"
        "c.limit({'NOFILE': 0})\n"
        "attempt(); after = visits.acquire(timeout=0.5)\n"
        "print('reached', before, 'then', after, flush=True)\n"
        "import os; os._exit(0)\n"
    )
    assert done.stdout.strip() in ({"reached True then False"} if INSTALLED else {"absent"})
