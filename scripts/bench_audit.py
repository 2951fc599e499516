"""Measures `bonafides audit`, beside what the same entries cost at the least.

structure  hashes, tiles, leaf form, chain links and root (goal: 50,000 entries a second), over a folder of tiles and over HTTP
           from a server of files beside it; beside *hashing*: the same bundles read, split, hashed and put into a tree by a
           bare loop. `per_second` by the clock, `processor_us` an entry, of all the audit's processes together and without
           the server; both of processes that have begun (scripts/bench_audit_turns.py). `command_s` is what all of the
           command takes for the same log, from its start to its end
content    everything: signatures, rules, chains, scores; with signatures verified in the fold, and in one process a core,
           beside *signatures*: bare PyNaCl verifications on one core. Of the beginning alone
again      a second audit of a log that did not grow, with the fold of the first

    python scripts/bench_audit.py [--entries N] [--content N] [--seconds S]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from nacl.signing import SigningKey as BareKey  # noqa: E402

from registry.adapters.audit_folder import AuditFolder, AuditState  # noqa: E402
from registry.adapters.audit_pool import AuditPool  # noqa: E402
from registry.audit.report import AuditReport  # noqa: E402
from registry.client.log_reader import LogReader  # noqa: E402
from registry.client.tile_folder import FolderTransport  # noqa: E402
from registry.log.merkle import RightEdge, leaf_hash  # noqa: E402
from registry.log.tile import entries_path, parse_entry_bundle  # noqa: E402
from registry.services.audit import AuditPlan, RegistryAudit  # noqa: E402
from registry.services.audit_memory import AuditKeeper  # noqa: E402
from tests.support.log_folder import publish  # noqa: E402
from tests.support.logs import ORIGIN, LogBuilder, key_actor  # noqa: E402

AGENTS = 40
TURNS = 3
GOAL = 50_000
BUNDLE = 256


def make_log(entries: int) -> LogBuilder:
    """Grow a log of agents that vouch for one another, again and again."""
    log = LogBuilder().open(key_actor("agent0"))
    for number in range(AGENTS):
        log.agent(f"agent{number}")
    actors = [key_actor(f"agent{number}") for number in range(AGENTS)]
    at = 0
    while len(log.leaves) < entries:
        one, step = at % AGENTS, 1 + at // AGENTS % (AGENTS - 1)
        log.wait()
        log.vouch(actors[one], actors[(one + step) % AGENTS])
        at += 1
    return log


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long a piece of work takes, garbage apart."""
    gc.collect()
    gc.disable()
    begun = time.perf_counter()
    work()
    taken = time.perf_counter() - begun
    gc.enable()
    return taken


def bare_hashing(folder: Path, size: int) -> None:
    """Read, split and hash the bundles into a tree."""
    edge = RightEdge()
    for start in range(0, size, BUNDLE):
        width = min(BUNDLE, size - start)
        data = (folder / entries_path(start // BUNDLE, width=width)).read_bytes()
        edge.extend([leaf_hash(entry) for entry in parse_entry_bundle(data, width=width)])
    edge.root()


def bare_signatures(seconds: float) -> float:
    """Return bare verifications a second."""
    key, message = BareKey(b"v" * 32), b"m" * 64
    signature, verifier, count = key.sign(message).signature, key.verify_key, 0
    end = time.perf_counter() + seconds
    begun = time.perf_counter()
    while time.perf_counter() < end:
        verifier.verify(message, signature)
        count += 1
    return count / (time.perf_counter() - begun)


class _Files(SimpleHTTPRequestHandler):
    """Serves files as any server of them would: connections stay open, and nothing waits for more to send."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


def serve(folder: Path) -> None:
    """Serve a folder on a free port, which is the only line that is printed; until stopped."""
    with ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: _Files(*given, directory=str(folder))) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder in a process of its own, and give its URL."""
    command = [sys.executable, __file__, "--serve", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def structure(small: str, large: str, log_key: str, *, jobs: int, size: int) -> dict[str, float]:
    """Return what an entry costs, in the median of the turns."""
    command = [sys.executable, str(ROOT / "scripts/bench_audit_turns.py"), small, large, log_key, str(jobs), str(TURNS)]
    turns = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert all(folded == size for folded, _clock, _processor in turns)
    clock_s, processor_s = (statistics.median(turn[side] for turn in turns) for side in (1, 2))
    return {"per_second": round(size / clock_s), "processor_us": round(processor_s / size * 1e6, 1)}


def commanded(folder: Path, log_key: str) -> float:
    """Return the seconds that the command takes; the result must be clean."""
    asked = ["audit", str(folder), "--key", log_key, "--structure", "--no-state"]
    command = [sys.executable, "-m", "registry", *asked]
    return seconds_of(lambda: subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL))


def structures(small: Path, large: Path, log_key: str, *, size: int, cores: int) -> dict[str, Any]:
    """Audit the structure over both ways, in one process and with others."""
    found: dict[str, Any] = {"folder": {}, "http": {}}
    for jobs in sorted({0, 1, cores}):
        found["folder"][f"jobs_{jobs}"] = structure(str(small), str(large), log_key, jobs=jobs, size=size)
    with served(small) as first, served(large) as second:
        for jobs in (0, 1):  # the server has the other core
            found["http"][f"jobs_{jobs}"] = structure(first, second, log_key, jobs=jobs, size=size)
    turns = [seconds_of(lambda: bare_hashing(large, size)) for _ in range(TURNS)]
    found["hashing"] = {"per_second": round(size / statistics.median(turns))}
    return found | {"command_s": round(commanded(large, log_key), 2), "goal": GOAL}


def audited(folder: Path, log: LogBuilder, size: int, *, jobs: int = 0, state: Path | None = None) -> None:
    """Audit the folder as the command does; the result must be clean."""
    reader = LogReader(FolderTransport(folder))
    plan = AuditPlan(log_key=log.log_key, compare=False)
    kept = None if state is None else AuditFolder(state)
    held = None if kept is None else kept.open()

    def keep(key: Any, source: Any) -> AuditKeeper:
        assert kept is not None
        return AuditKeeper(kept, held or AuditState(ORIGIN, log.log_key, "bench", None), key=key, reader=source)

    def run(pool: AuditPool | None) -> AuditReport:
        audit = RegistryAudit(
            reader, plan, now_ms=lambda: log.now_ms, workers=pool, keep=keep if kept is not None else None
        )
        return audit.run()

    try:
        if jobs:
            with AuditPool(jobs) as pool:
                report = run(pool)
        else:
            report = run(None)
    finally:
        if kept is not None:
            kept.close()
    assert report.is_clean, report.findings
    assert report.entries == size


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=60_000)
    parser.add_argument("--content", type=int, default=6_000, help="so many of them audited in full")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve)
    log, cores = make_log(arguments.entries), os.cpu_count() or 1
    entries, part = log.entries, min(arguments.content, arguments.entries // 2)
    log.leaves, log.documents = [], []  # what stays in memory slows what is measured here
    with tempfile.TemporaryDirectory() as name:
        large = publish(log, Path(name) / "large", entries=entries)
        folder = publish(log, Path(name) / "small", entries=entries[:part])
        found: dict[str, Any] = {"structure": structures(folder, large, log.log_key, size=len(entries), cores=cores)}
        found["content"] = {
            f"jobs_{jobs}": round(part / seconds_of(lambda jobs=jobs: audited(folder, log, part, jobs=jobs)))
            for jobs in sorted({0, 1, cores})
        } | {"signatures": round(bare_signatures(arguments.seconds))}
        state = Path(name) / "state"
        first = seconds_of(lambda: audited(folder, log, part, state=state))
        second = seconds_of(lambda: audited(folder, log, part, state=state))
    found["again"] = {"first_s": round(first, 2), "second_s": round(second, 3)}
    found["log"] = {
        "entries": len(entries),
        "content": part,
        "bytes": round(sum(map(len, entries)) / len(entries)),
        "cores": cores,
    }
    print(json.dumps({"audit": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
