"""A registry in a process of its own that can be killed: the real `bonafides serve`, on a port that it chooses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from did_methods.codec import parse_json_object
from registry.config import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
PUBLIC_URL = "https://registry.localhost:8000"
# A snapshot is due as soon as anything was logged, so that kills meet one being written, and starts begin from one.
_SERVE = """{prelude}
from registry.services import snapshot
snapshot.KEEP_AFTER_S = 0.0
from registry.cli.main import run
raise SystemExit(run())
"""


def settings_of(data: Path, database: str | None = None) -> Settings:
    """Return what the killed process ran with."""
    more = {} if database is None else {"database_url": database}
    return load_settings({"data_dir": data, "public_url": PUBLIC_URL, **more}, {})


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
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BONAFIDES_")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE.format(prelude=prelude), *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def wait_until_serving(self) -> str:
        """Wait for the line that says where it listens; return the URL."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, complaint = self._process.communicate()
            raise AssertionError(f"the registry did not start: {complaint.decode(errors='replace')[-2_000:]}")
        return str(parse_json_object(line)["url"])

    @property
    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until_dead(self, seconds: float) -> bool:
        """Wait for its end, at most so long; say whether it came."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Let it stand still, wherever it is."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash does: no handler runs, nothing is flushed; `told` has what it wrote meanwhile."""
        self._process.send_signal(signal.SIGKILL)
        self.told = b"".join(self._process.communicate())
        assert self._process.returncode == -signal.SIGKILL
