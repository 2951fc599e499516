"""What every child process of the registry does the same: gives up what it does not need, reads requests, writes answers.

A child is started by ``child_process.py`` as ``python -I -m registry.adapters.<name>``. Before the first request it lowers
its own limits: memory and processor time beyond its share, and, when all is loaded, the ability to open anything, sockets
included. It ends at the end of its input, which is also the end of its parent, and by an alarm of its own when it is stuck.

A request is one line, ``{"id": 1, "op": "…", …}``; the answer another, ``{"id": 1, …}``. The first line says
``{"ready": "<version>"}`` or ``{"absent": true}``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Final, TypeAlias

from did_methods.codec import parse_json_object

Operation: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

_MESSAGE_DEPTH: Final = 40  # a document of the greatest depth, and the request around it


def run(
    load: Callable[[], tuple[str, Mapping[str, Operation]]],
    *,
    max_request_bytes: int,
    arguments: Sequence[str] | None = None,
) -> None:
    """Load the libraries, answer requests until the input ends, and end the process; does not return.

    Args:
        load: returns the version and the operations; an ImportError says that a library is not installed.
        max_request_bytes: longest line taken.
        arguments: words of the command line without the program; None for those of this process.
    """
    options = _parse_arguments(arguments)
    limit({"DATA": options.memory_bytes, "CPU": options.cpu_seconds, "FSIZE": 0, "CORE": 0})
    # A library may print; what it prints must not be read as an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        version, operations = load()
    except ImportError:
        _write(answers, {"absent": True})
        os._exit(0)
    limit({"NOFILE": 0})
    _write(answers, {"ready": version})
    _serve(sys.stdin.buffer, answers, operations, seconds=options.call_ms / 1_000, max_bytes=max_request_bytes)
    # Not the ordinary end of an interpreter, at which didkit crashes.
    os._exit(0)


def limit(limits: Mapping[str, int]) -> None:
    """Lower limits of this process for good, where the system has such limits.

    Args:
        limits: value by name without ``RLIMIT_``; unknown names are passed over.
    """
    try:
        import resource
    except ImportError:  # not a POSIX system: the parent's own time limit is what is left
        return
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        if number is None:
            continue
        _soft, hard = resource.getrlimit(number)
        lowered = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(number, (lowered, lowered))


def set_alarm(seconds: float) -> None:
    """End this process after a time, wherever it is stuck; 0 takes it back."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _serve(
    requests: BinaryIO, answers: BinaryIO, operations: Mapping[str, Operation], *, seconds: float, max_bytes: int
) -> None:
    while (line := requests.readline(max_bytes + 1)).endswith(b"\n"):
        # The alarm's own action ends the process, also one that is stuck in a library with its parent gone.
        set_alarm(seconds)
        request = parse_json_object(line, max_bytes=max_bytes, max_depth=_MESSAGE_DEPTH)
        answer = operations[request["op"]](request)
        _write(answers, {"id": request["id"], **answer})
        set_alarm(0)


def _write(answers: BinaryIO, message: dict[str, Any]) -> None:
    remaining = memoryview(json.dumps(message).encode("ascii") + b"\n")
    while remaining:
        remaining = remaining[answers.write(remaining) :]


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="child", description="answers the registry; not for people")
    for name in ("--memory-bytes", "--cpu-seconds", "--call-ms"):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args(arguments)
