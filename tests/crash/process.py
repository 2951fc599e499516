"""A registry in a process of its own that can be killed: the real `bonafides serve`, on a port that it chooses."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

from did_methods.codec import parse_json_object
from registry.config import Settings, load_settings

PUBLIC_URL = "https://registry.localhost:8000"
# Half of a start is loading the server's code, and how a life ends has nothing to do with that: it is loaded once, by a
# process without threads or open files, and every life begins as a fork of it.
LOADED = multiprocessing.get_context("forkserver")
# One process for batches, and one for single statements: however many cores there are.
VERIFIERS, WITH_VERIFIERS = 2, 'import os; os.environ["BONAFIDES_VERIFY_PROCESSES"] = "1"'
_FIRST_WORDS = 4_096  # bytes, and more than a process says before it is asked about a statement
LOADED.set_forkserver_preload(["pytest", "registry.asgi", "uvicorn", "tests.crash.process"])


def settings_of(data: Path, database: str | None = None) -> Settings:
    """Return what the killed process ran with."""
    more = {} if database is None else {"database_url": database}
    return load_settings({"data_dir": data, "public_url": PUBLIC_URL, **more}, {})


def _live(command: list[str], prelude: str, told: Connection, complaint: Connection) -> None:
    from registry.cli.main import run
    from registry.services import snapshot

    os.dup2(told.fileno(), 1)
    os.dup2(complaint.fileno(), 2)
    for name in [name for name in os.environ if name.startswith("BONAFIDES_")]:
        del os.environ[name]
    # A snapshot is due as soon as anything was logged, so that kills meet one being written, and starts begin from one.
    snapshot.KEEP_AFTER_S = 0.0
    exec(prelude, {})
    raise SystemExit(run(command))


class ServerProcess:
    """One life of the registry.

    Args:
        data: its folder.
        database: its URL; None keeps it in the folder.
        prelude: Python that runs before it starts.
        options: more of the command line.

    Attributes:
        told: what it wrote on both its streams after it had said where it is; known once it was killed.
    """

    told = b""

    def __init__(
        self, data: Path, *, database: str | None = None, prelude: str = "", options: Sequence[str] = ()
    ) -> None:
        command = ["serve", "--dev", "--json", "--port", "0", "--public-url", PUBLIC_URL, "--data", str(data)]
        command += [*options, *([] if database is None else ["--database", database])]
        self._streams: list[BinaryIO] = []
        written = []
        for _ in range(2):
            reading, writing = LOADED.Pipe(duplex=False)
            self._streams.append(os.fdopen(os.dup(reading.fileno()), "rb"))
            reading.close()
            written.append(writing)
        self._process = LOADED.Process(target=_live, args=(command, prelude, *written), daemon=True)
        self._process.start()
        for one in written:
            one.close()

    def wait_until_serving(self) -> str:
        """Wait for the line that says where it listens; return the URL."""
        line = self._streams[0].readline()
        if not line:
            raise AssertionError(f"the registry did not start: {self._rest().decode(errors='replace')[-2_000:]}")
        return str(parse_json_object(line)["url"])

    def _rest(self) -> bytes:
        rest = b""
        for stream in self._streams:
            with stream:
                rest += stream.read()
        self._streams.clear()
        self._process.join()
        return rest

    @property
    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.is_alive()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def wait_for_verifiers(self) -> list[int]:
        """Wait until those that verify statements have answered for some of them; return these processes."""
        end = time.monotonic() + 60
        while len(asked := [pid for pid in _children(self.pid) if _said(pid) > _FIRST_WORDS]) < VERIFIERS:
            assert self.is_running, "it ended by itself"
            assert time.monotonic() < end, "no other process is asked"
            time.sleep(0.02)
        return asked

    def wait_until_dead(self, seconds: float) -> bool:
        """Wait for its end, at most so long; say whether it came."""
        self._process.join(seconds)
        return not self._process.is_alive()

    def stop(self) -> None:
        """Let it stand still, wherever it is."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self) -> int:
        """Ask it to end, and wait until it has; return its exit code."""
        os.kill(self.pid, signal.SIGTERM)
        self.told += self._rest()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def kill(self) -> None:
        """End it as a crash does: no handler runs, nothing is flushed; `told` has what it wrote meanwhile."""
        self._process.kill()
        self.told += self._rest()
        assert self._process.exitcode == -signal.SIGKILL


def _children(parent: int) -> list[int]:
    stats = [path.read_text().rpartition(")") for path in Path("/proc").glob("[0-9]*/stat") if path.exists()]
    return [int(left.split()[0]) for left, _, right in stats if int(right.split()[1]) == parent]


def _said(pid: int) -> int:
    """Return how many bytes a process has written."""
    told = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(told["wchar"])
