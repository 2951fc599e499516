"""Batch ingest over HTTP beside its ceiling: prints one JSON object.

*ingest*: pre-signed vouches sent as `POST /v1/events:batch` to a fresh registry in a process of its own, from the first
byte sent to the last acknowledgement (durable, with a signed acceptance). The registry has the replay profile, whose
only difference here is that there are no leaf budgets: every statement is parsed, verified, folded and committed as in
a live one. *commit*: the same rows written by bare sqlite3 in group commits of the same size, WAL, synchronous=FULL, on
the same file system; nothing is parsed, verified or hashed.

    scripts/bench_ingest.py [--events 20000] [--agents 200] [--batch 1000] [--connections 2] [--data DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import httpx  # noqa: E402

from registry.client.member_keys import Members  # noqa: E402
from registry.client.ratings import Rating, RegistrationStep  # noqa: E402

CREATED_MS = 1_790_000_000_000
SERVER = """
import sys
from registry.asgi import make_app
from registry.config import load_settings
import uvicorn
settings = load_settings({"data_dir": sys.argv[1], "port": int(sys.argv[2]), "dev": "1", "profile": "replay"})
uvicorn.run(make_app(settings), host="127.0.0.1", port=settings.port, log_level="warning", access_log=False)
"""


def start_server(folder: Path) -> tuple[subprocess.Popen[bytes], str, float]:
    """Start a registry; return the process, its address and the seconds until it answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BONAFIDES_")}
    began = time.perf_counter()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(folder), str(port)], cwd=ROOT, env=environment)
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            httpx.get(f"{url}/healthz", trust_env=False).raise_for_status()
        except httpx.TransportError:
            if server.poll() is not None:
                raise SystemExit("the registry did not start") from None
            time.sleep(0.01)
        else:
            return server, url, time.perf_counter() - began


def sign(events: int, agents: int, *, domain: str) -> tuple[list[bytes], list[bytes]]:
    """Return registrations and vouches, each pair of agents once."""
    members = Members(secrets.token_bytes(32))
    names = [str(number) for number in range(agents)]
    registrations = [members.sign(RegistrationStep(name, CREATED_MS), domain=domain).data for name in names]
    vouches = []
    for number in range(events):
        source, hop = number % agents, 1 + number // agents % (agents - 1)
        row = Rating(0, names[source], names[(source + hop) % agents], 10, CREATED_MS, number)
        vouches.append(members.sign(row, domain=domain).data)
    return registrations, vouches


def send(url: str, lines: Sequence[bytes], *, batch: int, connections: int) -> float:
    """Send the lines; return the seconds until all were acknowledged."""
    bodies = [b"\n".join(lines[at : at + batch]) for at in range(0, len(lines), batch)]
    waiting = iter(bodies)
    mutex, failures = threading.Lock(), []

    def work() -> None:
        with httpx.Client(base_url=url, timeout=120, trust_env=False) as http:
            while True:
                with mutex:
                    body = next(waiting, None)
                if body is None:
                    return
                answer = http.post("/v1/events:batch", content=body, headers={"Content-Type": "application/x-ndjson"})
                # Counted, not parsed: the load generator shares the two cores with what it measures.
                if answer.status_code != 200 or b'"problem"' in answer.content:
                    failures.append(answer.content[:300])
                    return

    threads = [threading.Thread(target=work) for _ in range(connections)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    if failures:
        raise SystemExit(f"refused: {failures[0]!r}")
    return seconds


def bare_commits(source: Path, folder: Path, *, first: int, batch: int) -> float:
    """Write the rows from `first` on into an empty copy of the tables; return the seconds."""
    with sqlite3.connect(source) as known:
        schema = [row[0] for row in known.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")]
        columns = "seq, event_id, kind, time_ms, leaf_hash, data"
        entries = known.execute(f"SELECT {columns} FROM entry WHERE seq >= ? ORDER BY seq", (first,)).fetchall()
        parties = known.execute("SELECT did, count, seq FROM party WHERE seq >= ? ORDER BY seq", (first,)).fetchall()
    target = sqlite3.connect(folder / "bare.sqlite3", isolation_level=None)
    target.execute("PRAGMA journal_mode=WAL")
    target.execute("PRAGMA synchronous=FULL")
    target.execute("PRAGMA cache_size=-65536")
    for statement in schema:
        target.execute(statement)
    target.execute("INSERT INTO head (id, size, root) VALUES (1, 0, ?)", (bytes(32),))
    per_entry = len(parties) // len(entries)
    began = time.perf_counter()
    for at in range(0, len(entries), batch):
        target.execute("BEGIN IMMEDIATE")
        target.execute("UPDATE head SET size = ?", (at + batch,))
        target.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", entries[at : at + batch])
        target.executemany("INSERT INTO party VALUES (?, ?, ?)", parties[at * per_entry : (at + batch) * per_entry])
        target.execute("COMMIT")
    seconds = time.perf_counter() - began
    target.close()
    return seconds


def measure(
    *, events: int = 20_000, agents: int = 200, batch: int = 1_000, connections: int = 2, data: Path | None = None
) -> dict[str, object]:
    """Return the figures as one JSON object."""
    with tempfile.TemporaryDirectory(prefix="bonafides-bench-", dir=data) as name:
        folder = Path(name)
        server, url, startup = start_server(folder / "registry")
        try:
            domain = httpx.get(f"{url}/log.json", trust_env=False).json()["origin"]
            warm = 2 * batch
            registrations, vouches = sign(events + warm, agents, domain=domain)
            send(url, registrations, batch=batch, connections=1)
            send(url, vouches[:warm], batch=batch, connections=connections)
            first = httpx.get(f"{url}/readyz", trust_env=False).json()["treeSize"]
            seconds = send(url, vouches[warm:], batch=batch, connections=connections)
        finally:
            server.terminate()
            server.wait()
        bare = statistics.median(
            bare_commits(folder / "registry" / "registry.sqlite3", _fresh(folder, turn), first=first, batch=batch)
            for turn in range(3)
        )
    ingest, commit = events / seconds, events / bare
    return {
        "events": events,
        "agents": agents,
        "batch": batch,
        "connections": connections,
        "first_start_to_healthz_s": round(startup, 2),
        "ingest_events_per_s": round(ingest),
        "commit_events_per_s": round(commit),
        "ratio": round(ingest / commit, 4),
    }


def _fresh(folder: Path, turn: int) -> Path:
    path = folder / f"bare-{turn}"
    path.mkdir()
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--connections", type=int, default=2)
    parser.add_argument("--data", type=Path, help="folder on the file system to measure; the system's own by default")
    options = parser.parse_args()
    print(json.dumps({"ingest": measure(**vars(options))}, indent=1))


if __name__ == "__main__":
    main()
