"""Identity beside its ceilings: prints one JSON object.

*did_key*: `did:key` resolved from its text, each DID for the first time. *webvh*: a did:webvh log of 100 entries, a key
rotation in each under pre-rotation, verified and resolved from its bytes; beside the same bytes through the PyPI package
did-webvh, where it is installed. *hosted*: `GET /1.0/identifiers/{did}` for a did:webvh that the registry hosts, at 16
connections, beside *route*: an async route in the same app and middleware that returns the same bytes.

    scripts/bench_identity.py [--seconds 3] [--entries 100]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import httpx  # noqa: E402
from bench import CONNECTIONS, TURNS, free_port, in_turns, load_with, per_second, register, running  # noqa: E402

from did_methods.key import did_key_from  # noqa: E402
from did_methods.keys import SigningKey  # noqa: E402
from did_methods.method import ResolutionOptions  # noqa: E402
from did_methods.resolver import KeyMethod  # noqa: E402
from did_methods.webvh import append_entry, create_entry, entry_line, resolve_log  # noqa: E402
from did_methods.webvh_create import did_template, document_template  # noqa: E402
from did_methods.webvh_parameters import next_key_hash  # noqa: E402
from registry.adapters.system_clock import SystemClock  # noqa: E402

UNSEEN = 20_000
GOALS = {"did_key_us": 100, "webvh_ms": 20, "hosted": 0.4}
HOUR_MS = 3_600_000


def key(number: int) -> SigningKey:
    """Return a key that is the same in every run."""
    return SigningKey(number.to_bytes(32, "big"))


def bench_did_key(seconds: float) -> dict[str, Any]:
    """Microseconds for one did:key, from its text to its document."""
    # More DIDs than anything remembers, so that each is resolved as if for the first time.
    dids = itertools.cycle([did_key_from(key(1 + number).public_key) for number in range(UNSEEN)])
    method, options = KeyMethod(), ResolutionOptions(SystemClock().now_ms())
    rates = [per_second(lambda: method.resolve(next(dids), options), seconds) for _ in range(TURNS)]
    return {"us": round(1e6 / statistics.median(rates), 1), "goal": f"< {GOALS['did_key_us']}"}


def make_log(entries: int, *, now_ms: int) -> tuple[str, bytes]:
    """Return a DID and its log: a rotation an hour, each committed to by the entry before."""
    start_ms = now_ms - (entries + 1) * HOUR_MS

    def commitment(number: int) -> str:
        return next_key_hash(key(number).public_key.multikey)

    template = document_template(did_template("registry.example.com", path=("agents", "bench")), [key(0).public_key])
    entry, state = create_entry(template, update_key=key(0), next_key_hashes=[commitment(1)], version_time_ms=start_ms)
    lines = [entry_line(entry)]
    for number in range(1, entries):
        entry, state = append_entry(
            state,
            document_template(state.did, [key(number).public_key]),
            update_key=key(number),
            next_key_hashes=[commitment(number + 1)],
            version_time_ms=start_ms + number * HOUR_MS,
        )
        lines.append(entry_line(entry))
    return state.did, b"".join(lines)


def milliseconds(work: Callable[[], object], seconds: float) -> float:
    """Return the median time of a piece of work that takes long enough to be timed alone."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while not taken or time.perf_counter() < end:
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(taken)


def bench_webvh(seconds: float, entries: int) -> dict[str, Any]:
    """Milliseconds for a whole log, ours and the package's in turns."""
    now_ms = SystemClock().now_ms()
    did, log = make_log(entries, now_ms=now_ms)

    def ours() -> None:
        if resolve_log(did, log, now_ms=now_ms).error is not None:
            raise SystemExit("the log that is measured must resolve")

    found: dict[str, Any] = {"entries": entries, "bytes": len(log), "goal": f"< {GOALS['webvh_ms']}"}
    try:
        from did_webvh.resolver import resolve_did
    except ImportError:
        return found | {"ms": round(milliseconds(ours, seconds), 2), "did_webvh_ms": None}
    with tempfile.TemporaryDirectory() as name, asyncio.Runner() as runner:
        path = Path(name) / "did.jsonl"
        path.write_bytes(log)

        def theirs() -> None:
            result = runner.run(resolve_did(did, local_history=path)).serialize()
            if result["didDocument"] is None:
                raise SystemExit("did-webvh does not resolve the log")

        mine, other = in_turns(lambda: milliseconds(ours, seconds), lambda: milliseconds(theirs, seconds))
    return found | {"ms": round(mine, 2), "did_webvh_ms": round(other, 2), "times_faster": round(other / mine, 1)}


def bench_hosted(seconds: float) -> dict[str, Any]:
    """Hosted resolution over HTTP beside the bare route."""
    port = free_port()
    closed = ["--connections", str(CONNECTIONS), "--seconds", str(seconds)]
    with tempfile.TemporaryDirectory() as name, running("scripts/bench_server.py", name, str(port), port=port):
        folder = Path(name)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            ring, _origin = register(http, port)
            target = f"/1.0/identifiers/{quote(ring.did, safe='')}"
            answer = http.get(target, headers={"accept": "application/did-resolution"})
            answer.raise_for_status()
            http.put("/bench/route", content=answer.content)
        turns = [(_get(port, target, folder, closed), _get(port, "/bench/route", folder, closed)) for _ in range(TURNS)]
    ours = statistics.median(one["rate"] for one, _ in turns)
    ceiling = statistics.median(other["rate"] for _, other in turns)
    return {
        "rate": ours, "route_rate": ceiling, "ratio": round(ours / ceiling, 3), "goal": f">= {GOALS['hosted']}",
        "p99_ms": statistics.median(one["p99"] for one, _ in turns), "bytes": len(answer.content),
        "connections": CONNECTIONS,
    }  # fmt: skip


def _get(port: int, target: str, folder: Path, more: list[str]) -> dict[str, Any]:
    accept = "Accept: application/did-resolution\r\n"
    return load_with(port, f"GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n{accept}\r\n".encode(), folder, *more)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each turn lasts")
    parser.add_argument("--entries", type=int, default=100, help="of the log that is verified")
    options = parser.parse_args()
    figures = {
        "did_key": bench_did_key(options.seconds),
        "webvh": bench_webvh(options.seconds, options.entries),
        "hosted": bench_hosted(options.seconds),
    }
    print(json.dumps({"identity": figures}, indent=1))


if __name__ == "__main__":
    main()
