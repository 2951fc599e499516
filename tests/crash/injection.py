"""Faults at one system call of a running registry: strace lets the n-th call fail, or kills the process as it begins."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ATTACH_S = 20.0


def why_no_strace() -> str | None:
    """Return why this machine cannot put faults into a process, or None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            command = ["strace", "-o", "/dev/null", "-p", str(other.pid)]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
                assert tracer.stderr is not None
                said = tracer.stderr.readline()
                tracer.terminate()
        finally:
            other.kill()
    return None if "attached" in said else "strace may not attach to processes here"


@contextmanager
def injected(pid: int, calls: str, fault: str, *, nth: int, path: Path | None = None) -> Iterator[None]:
    """Attach to a process, with all its threads, and put a fault into it.

    Args:
        pid: the process.
        calls: system calls, with commas; each thread counts its own.
        fault: ``signal=KILL`` or ``error=EIO``.
        nth: which call of a thread is hit, from 1.
        path: only calls on this file count; None for all.
    """
    command = ["strace", "-f", "-p", str(pid), "-o", "/dev/null", "-e", f"trace={calls}"]
    command += ["-e", f"inject={calls}:{fault}:when={nth}", *([] if path is None else ["-P", str(path)])]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            assert tracer.stderr is not None
            end = time.monotonic() + ATTACH_S
            while "attached" not in (line := tracer.stderr.readline()):
                assert line, "strace ended"
                assert time.monotonic() < end
            yield
        finally:
            tracer.terminate()
            tracer.communicate()
