"""The child process that holds didkit: reads one request a line, writes one answer a line, and nothing else.

Started by ``didkit_process.py`` as ``python -I -m registry.adapters.didkit_child``. The only module that imports
didkit. Before the first request it gives up what it does not need: memory and processor time beyond its share, and the
ability to open anything, sockets included, so that no DID makes it reach out. It ends by ``os._exit``, because the
library crashes at the ordinary end of an interpreter, and at the end of its input, which is also the end of its parent.

A request is ``{"id": 1, "op": "resolve", "did": "did:pkh:…"}``; the answer ``{"id": 1, "document": "<JSON text>"}`` or
``{"id": 1, "error": "<word>"}``. The first line says ``{"ready": "<version>"}`` or ``{"absent": true}``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Final

from did_methods.codec import parse_json_object
from did_methods.foreign_ids import FOREIGN_METHODS

MAX_REQUEST_BYTES: Final = 8_192

_PREFIXES: Final = tuple(f"did:{method}:" for method in FOREIGN_METHODS)
# Resolved once at the start: the library makes its threads and its event queue with the first call.
_WARM_UP_DID: Final = "did:key:z6MkehRgf7yJbgaGfYsdoAsKdBPE3dj2CYhowQdcjqSJgvVd"
_ERROR_WORDS: Final = {"methodNotSupported": "unsupported", "notFound": "not_found"}
_NO_OPTIONS: Final = "{}"


class _Didkit:
    """The library, and the one event loop its calls run in."""

    def __init__(self) -> None:
        import didkit  # noqa: TID251 - this module is its door; an ImportError is an answer

        # Any, because its types are there on some machines only, and wrong.
        self._library: Any = didkit
        self._loop = asyncio.new_event_loop()
        self.version = str(self._library.get_version())
        self._loop.run_until_complete(self._resolve(_WARM_UP_DID))

    async def _resolve(self, did: str) -> str:
        return str(await self._library.resolve_did(did, _NO_OPTIONS))

    def resolve(self, request: dict[str, Any]) -> dict[str, str]:
        """Return the document of a DID as the library wrote it, or one word on why there is none."""
        did = request["did"]
        if not did.startswith(_PREFIXES):
            return {"error": "unsupported"}
        try:
            return {"document": self._loop.run_until_complete(self._resolve(did))}
        except self._library.DIDKitException as error:
            return {"error": _ERROR_WORDS.get(str(error), "refused")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer requests until the input ends; does not return.

    Args:
        arguments: words of the command line without the program; None for those of this process.
    """
    options = _parse_arguments(arguments)
    _limit({"DATA": options.memory_bytes, "CPU": options.cpu_seconds, "FSIZE": 0, "CORE": 0})
    # The library may print; what it prints must not be read as an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        didkit = _Didkit()
    except ImportError:
        _write(answers, {"absent": True})
        os._exit(0)
    _limit({"NOFILE": 0})
    _write(answers, {"ready": didkit.version})
    _serve(sys.stdin.buffer, answers, {"resolve": didkit.resolve}, call_seconds=options.call_ms / 1_000)
    os._exit(0)


def _serve(
    requests: BinaryIO,
    answers: BinaryIO,
    operations: dict[str, Callable[[dict[str, Any]], dict[str, str]]],
    *,
    call_seconds: float,
) -> None:
    while (line := requests.readline(MAX_REQUEST_BYTES + 1)).endswith(b"\n"):
        # The alarm's own action ends the process, also one that is stuck in the library with its parent gone.
        _set_alarm(call_seconds)
        request = parse_json_object(line, max_bytes=MAX_REQUEST_BYTES)
        answer = operations[request["op"]](request)
        _write(answers, {"id": request["id"], **answer})
        _set_alarm(0)


def _write(answers: BinaryIO, message: dict[str, Any]) -> None:
    remaining = memoryview(json.dumps(message).encode("ascii") + b"\n")
    while remaining:
        remaining = remaining[answers.write(remaining) :]


def _set_alarm(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _limit(limits: dict[str, int]) -> None:
    """Lower limits of this process for good, where the system has such limits."""
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


def _parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="didkit_child", description="answers the registry; not for people")
    for name in ("--memory-bytes", "--cpu-seconds", "--call-ms"):
        parser.add_argument(name, type=int, required=True)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
