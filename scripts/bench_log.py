"""The log's speed beside its ceilings: prints one JSON object.

*library*   pre-signed vouches taken by the registry in this process (parsed, verified, placed, committed to SQLite), beside
            *pipeline*: the same lines through a bare parse, PyNaCl verify, hash chain, tree and group commit (goal: 0.4);
            *alone* without the child processes that verify
*single*    one event a request at 32 connections, durable when answered, beside *route* (goal: 0.15); then at 500 a second,
            open loop (goal: p99 at most 50 ms)
*tiles*     a full tile, beside Starlette's plain file response of the same bytes (goal: 0.9)
*postgres*  two replicas taking batches of 100 at once, beside bare group commits of the same rows through one connection
            (goal: 0.25; specs/storage.md says why two cores cannot reach it), and the processor time of one event; and how
            long after a SIGKILL of the one that wrote the other acknowledges (goal: 1 s). The server is the one that the
            tests use, with fsync on.
*restart*   with --large: starts on logs of so many entries (`bench_restart.py`; goal: 5 s for a million)

    scripts/bench_log.py [library single tiles postgres] [--events 8000] [--seconds 3] [--large 1000000]
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import httpx  # noqa: E402
import orjson  # noqa: E402
from bench import free_port, load_with, running  # noqa: E402
from bench_cpu import cpu_s, processes  # noqa: E402
from bench_ingest import send, sign  # noqa: E402
from bench_restart import measure as restart  # noqa: E402
from nacl.signing import VerifyKey  # noqa: E402

from did_methods.canonical import canonicalize  # noqa: E402
from did_methods.codec import multibase_decode  # noqa: E402
from did_methods.keys import parse_public_key  # noqa: E402
from registry.adapters.interpreter import settle_interpreter  # noqa: E402
from registry.bootstrap import open_registry  # noqa: E402
from registry.config import load_settings  # noqa: E402
from registry.log.merkle import RightEdge, leaf_hash  # noqa: E402
from registry.log.tile import append_leaves  # noqa: E402

GROUP = 500
TURNS = 7
SETTLED_S = 1.0
"""What a turn leaves behind, such as the state map's work, is not to burden the next."""
PG_GROUP = 100
AGENTS = 100
CONNECTIONS = 32
NDJSON = {"Content-Type": "application/x-ndjson"}


# ---------------------------------------------------------------- library


def library(events: int) -> dict[str, Any]:
    """Batch ingest in this process, beside the bare pipeline over the same lines; with and without processes that verify."""
    part_size = events // 2
    rates: dict[str, list[float]] = {"ours": [], "alone": [], "bare": []}
    with tempfile.TemporaryDirectory(prefix="bonafides-bench-") as name, contextlib.ExitStack() as stack:
        folder, origin = Path(name), "registry.localhost/bench"
        own = {"profile": "replay", "dev": "1", "log_origin": origin}
        ours, alone = (
            stack.enter_context(_registry(own | {"data_dir": folder / kind} | more))
            for kind, more in (("ours", {}), ("alone", {"verify_processes": 0}))
        )
        registrations, lines = sign(part_size * (TURNS + 1), AGENTS, domain=origin)
        for turn in range(TURNS + 1):
            part = lines[turn * part_size : (turn + 1) * part_size]
            for kind, events_of in (("ours", ours), ("alone", alone)):
                if not turn:  # also starts the processes
                    events_of.submit_lines(registrations)
                rates[kind].append(part_size / _ingest(events_of, part))
                time.sleep(SETTLED_S)
            rates["bare"].append(part_size / _pipeline(part, folder / f"bare-{turn}.sqlite3"))
    mine, without, ceiling = (statistics.median(rates[kind][1:]) for kind in ("ours", "alone", "bare"))
    return {
        "events_per_s": round(mine),
        "events_per_s_alone": round(without),
        "pipeline_per_s": round(ceiling),
        "ratio": round(mine / ceiling, 3),
        "ratio_alone": round(without / ceiling, 3),
        "goal": 0.4,
    }


@contextlib.contextmanager
def _registry(flags: dict[str, object]) -> Iterator[Any]:
    registry = open_registry(load_settings(flags, {}))
    settle_interpreter()
    registry.start()
    try:
        yield registry.events
    finally:
        registry.stop()


def _ingest(events: Any, lines: Sequence[bytes]) -> float:
    """Hand in groups from two threads, so that one is verified while the other is committed."""

    def take(at: int) -> None:
        refused = [one for one in events.submit_lines(lines[at : at + GROUP]) if isinstance(one, Exception)]
        if refused:
            raise SystemExit(f"refused: {refused[0]!r}")

    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(take, range(0, len(lines), GROUP)))
    return time.perf_counter() - began


def _pipeline(lines: Sequence[bytes], path: Path) -> float:
    """Parse, verify, chain, hash into a tree and commit, with nothing around it."""
    target = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "PRAGMA cache_size=-65536",
        "CREATE TABLE entry (seq INTEGER PRIMARY KEY, event_id BLOB UNIQUE, leaf_hash BLOB, data BLOB)",
        "CREATE TABLE subject (id TEXT PRIMARY KEY, counter INTEGER, head BLOB)",
        "CREATE TABLE tile (level INTEGER, number INTEGER, data BLOB)",
        "CREATE TABLE head (id INTEGER PRIMARY KEY, size INTEGER, root BLOB)", "INSERT INTO head VALUES (1, 0, x'00')",
    ):  # fmt: skip
        target.execute(statement)
    keys: dict[str, VerifyKey] = {}
    chains: dict[str, tuple[int, bytes]] = {}
    edge, size = RightEdge(), 0
    began = time.perf_counter()
    for at in range(0, len(lines), GROUP):
        rows, hashes = [], []
        for line in lines[at : at + GROUP]:
            document = orjson.loads(line)
            proof = document.pop("proof")
            signature = multibase_decode(proof.pop("proofValue"))
            event = hashlib.sha256(canonicalize(document)).digest()
            issuer = document["issuer"]
            if issuer not in keys:
                keys[issuer] = VerifyKey(parse_public_key(issuer.removeprefix("did:key:")).raw)
            keys[issuer].verify(hashlib.sha256(canonicalize(proof)).digest() + event, signature)
            count, last = chains.get(issuer, (0, b""))
            entry = b'{"event":' + line + f',"count":{count},"last":"{last.hex()}"}}'.encode()
            hashed = leaf_hash(entry)
            chains[issuer] = count + 1, hashed
            hashes.append(hashed)
            rows.append((size + len(rows), event, hashed, entry))
        tiles = append_leaves(edge, hashes)
        size += len(rows)
        target.execute("BEGIN IMMEDIATE")
        target.executemany("INSERT INTO entry VALUES (?, ?, ?, ?)", rows)
        target.executemany(
            "INSERT OR REPLACE INTO subject VALUES (?, ?, ?)", [(did, *end) for did, end in chains.items()]
        )
        target.executemany(
            "INSERT INTO tile VALUES (?, ?, ?)", [(one.level, one.index, data) for one, data in tiles.items()]
        )
        target.execute("UPDATE head SET size = ?, root = ?", (size, edge.root()))
        target.execute("COMMIT")
    seconds = time.perf_counter() - began
    target.close()
    return seconds


# ---------------------------------------------------------------- over HTTP


def _request(line: bytes, port: int, path: str = "/v1/events") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
    return head.encode() + f"Content-Length: {len(line)}\r\n\r\n".encode() + line


def _many(port: int, lines: Sequence[bytes], folder: Path, *more: str) -> dict[str, Any]:
    """Send each line once, from another process; every answer must be 201."""
    path = folder / "requests.bin"
    requests = [_request(line, port) for line in lines]
    path.write_bytes(b"".join(len(one).to_bytes(4, "big") + one for one in requests))
    command = [
        sys.executable,
        str(ROOT / "scripts/bench_client.py"),
        "127.0.0.1",
        str(port),
        str(path),
        "--many",
        *more,
    ]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if set(found["statuses"]) != {"201"}:
        raise SystemExit(f"/v1/events answered {found['statuses']}")
    return found


def over_http(seconds: float) -> dict[str, Any]:
    """Single events and tiles, each beside its route in the same process."""
    port, closed = free_port(), ["--connections", str(CONNECTIONS), "--seconds", str(seconds)]
    with tempfile.TemporaryDirectory(prefix="bonafides-bench-") as name:
        folder = Path(name)
        with (
            running("scripts/bench_server.py", name, str(port), "--replay", port=port),
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as http,
        ):
            domain = http.get("/log.json").json()["origin"]
            registrations, lines = sign(30_000, 200, domain=domain)
            send(f"http://127.0.0.1:{port}", registrations, batch=100, connections=1)
            answer = http.post("/v1/events", content=lines[0])
            http.put("/bench/route", content=answer.content)
            rest = iter(range(1, 30_000))
            turns = []
            for _ in range(3):
                part = [lines[next(rest)] for _ in range(6_000)]
                ours = _many(port, part, folder, *closed)
                route = load_with(port, _request(part[0], port, "/bench/route"), folder, *closed)
                turns.append((ours["rate"], route["rate"]))
            open_loop = ["--connections", str(CONNECTIONS), "--seconds", str(seconds), "--rate", "500"]
            late = _many(port, [lines[next(rest)] for _ in range(int(seconds * 500) + 64)], folder, *open_loop)
            tiles = _tiles(http, port, folder, closed)
    mine, ceiling = (statistics.median(one[place] for one in turns) for place in (0, 1))
    single = {"events_per_s": mine, "route_per_s": ceiling, "ratio": round(mine / ceiling, 3), "goal": 0.15}
    return {"single": single | {"at_500": {name: late[name] for name in ("rate", "p50", "p99")}}, "tiles": tiles}


def _tiles(http: httpx.Client, port: int, folder: Path, closed: Sequence[str]) -> dict[str, Any]:
    while http.get("/tile/0/000").status_code != 200:
        time.sleep(0.1)
    http.put("/bench/route", content=http.get("/tile/0/000").content)
    turns = []
    for _ in range(3):
        rates = []
        for path in ("/tile/0/000", "/bench/file"):
            request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()
            rates.append(load_with(port, request, folder, *closed)["rate"])
        turns.append(rates)
    mine, ceiling = (statistics.median(one[place] for one in turns) for place in (0, 1))
    return {"tiles_per_s": mine, "file_per_s": ceiling, "ratio": round(mine / ceiling, 3), "goal": 0.9}


# ---------------------------------------------------------------- PostgreSQL


def postgres(events: int) -> dict[str, Any]:
    """Two replicas beside bare commits, then a take-over."""
    from tests.support.postgres import running_server

    with (
        running_server(fsync="on", full_page_writes="on", shared_buffers="256MB") as server,
        tempfile.TemporaryDirectory(prefix="bonafides-bench-") as name,
    ):
        url = server.url(server.fresh_database())
        ports = [free_port(), free_port()]
        with (
            running("scripts/bench_server.py", name, str(ports[0]), "--replay", "--database", url, port=ports[0]),
            running("scripts/bench_server.py", name, str(ports[1]), "--replay", "--database", url, port=ports[1]),
        ):
            bases = [f"http://127.0.0.1:{port}" for port in ports]
            domain = httpx.get(f"{bases[0]}/log.json", trust_env=False).json()["origin"]
            registrations, lines = sign(events, AGENTS, domain=domain)
            send(bases[0], registrations, batch=PG_GROUP, connections=1)
            time.sleep(1)
            seconds, cpu = _both(bases, lines, [processes(str(port))[0] for port in ports], server.process.pid)
        commit = statistics.median(_bare_postgres(server, url, events) for _ in range(3))
        takeover = [_takeover(server, Path(name)) for _ in range(3)]
    ours = events / seconds
    return {
        "events_per_s": round(ours), "commit_per_s": round(commit), "ratio": round(ours / commit, 3), "goal": 0.25,
        "cpu_us_per_event": cpu, "cores": os.cpu_count(),
        "takeover_s": sorted(round(one, 3) for one in takeover),
    }  # fmt: skip


def _both(bases: Sequence[str], lines: Sequence[bytes], replicas: Sequence[int], server: int) -> tuple[float, Any]:
    """Send half to each replica; return the seconds, and what each process spent of the processor for one event."""
    half, spent = len(lines) // 2, {"replicas": 0.0, "server": 0.0, "client": 0.0}

    def count(sign: int) -> None:
        spent["replicas"] += sign * sum(cpu_s(one) for one in replicas)
        spent["server"] += sign * cpu_s(server)
        spent["client"] += sign * time.process_time()

    count(-1)
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        parts = zip(bases, (lines[:half], lines[half:]), strict=True)
        list(pool.map(lambda one: send(one[0], one[1], batch=PG_GROUP, connections=2), parts))
    seconds = time.perf_counter() - began
    count(1)
    return seconds, {name: round(one / len(lines) * 1e6) for name, one in spent.items()}


def _bare_postgres(server: Any, url: str, events: int) -> float:
    """Write the newest rows once more into an empty database, in group commits through one connection."""
    import psycopg

    plain = url.replace("postgresql+psycopg", "postgresql")
    columns = "seq, event_id, kind, time_ms, leaf_hash, data"
    with psycopg.connect(plain) as known:
        entries = known.execute(f"SELECT {columns} FROM entry ORDER BY seq DESC LIMIT {events}").fetchall()
        first = entries[-1][0]
        parties = known.execute("SELECT did, count, seq FROM party WHERE seq >= %s", [first]).fetchall()
    per_entry = max(1, len(parties) // len(entries))
    name = server.fresh_database()
    with psycopg.connect(server.url(name)) as target:
        target.execute("INSERT INTO head (id, size, root) VALUES (1, 0, %s)", [bytes(32)])
        target.commit()
        began = time.perf_counter()
        for at in range(0, len(entries), PG_GROUP):
            with target.cursor() as cursor:
                cursor.execute("UPDATE head SET size = %s", [at])
                for table, rows in (
                    ("entry", entries[at : at + PG_GROUP]),
                    ("party", parties[at * per_entry : (at + PG_GROUP) * per_entry]),
                ):
                    with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                        for row in rows:
                            copy.write_row(row)
            target.commit()
        seconds = time.perf_counter() - began
    server.drop_database(name)
    return events / seconds


def _takeover(server: Any, folder: Path) -> float:
    """Kill the replica that writes; return how long until the other has acknowledged."""
    data = folder / f"takeover-{time.monotonic_ns()}"
    data.mkdir()
    url, ports = server.url(server.fresh_database()), [free_port(), free_port()]
    options = ("--replay", "--database", url)
    with running("scripts/bench_server.py", str(data), str(ports[1]), *options, port=ports[1]):
        command = [sys.executable, str(ROOT / "scripts/bench_server.py"), str(data), str(ports[0]), *options]
        victim = subprocess.Popen(command, cwd=ROOT, env={k: v for k, v in os.environ.items() if k[:4] != "BONA"})
        bases = [f"http://127.0.0.1:{port}" for port in ports]
        try:
            while True:
                try:
                    domain = httpx.get(f"{bases[0]}/log.json", trust_env=False).json()["origin"]
                    break
                except httpx.TransportError:
                    time.sleep(0.05)
            registrations, lines = sign(600, 20, domain=domain)
            send(bases[0], registrations, batch=PG_GROUP, connections=1)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(_until_killed, bases[0], lines[:500])
                time.sleep(0.1)
                victim.send_signal(signal.SIGKILL)
                began = time.perf_counter()
                send(bases[1], lines[500:501], batch=1, connections=1)
                return time.perf_counter() - began
        finally:
            victim.kill()
            victim.wait()


def _until_killed(url: str, lines: Sequence[bytes]) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        try:
            for line in lines:
                http.post("/v1/events:batch", content=line, headers=NDJSON)
        except httpx.TransportError:
            return


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART")
    parser.add_argument("--events", type=int, default=8_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--large", type=int, default=0, help="entries of the restart; not measured by default")
    arguments = parser.parse_args()
    asked = set(arguments.parts) or {"library", "single", "tiles", "postgres"}
    found: dict[str, Any] = {}
    if "library" in asked:
        found["library"] = library(arguments.events)
    if asked & {"single", "tiles"}:
        found |= over_http(arguments.seconds)
    if "postgres" in asked:
        found["postgres"] = postgres(arguments.events)
    if arguments.large:
        found["restart"] = {kind: restart(kind, arguments.large) for kind in ("vouches", "mixed")}
    print(json.dumps({"log": found}, indent=1))


if __name__ == "__main__":
    main()
