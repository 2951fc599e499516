"""Measures `bonafides audit`, beside what the same entries cost at the least.

structure  hashes, tiles, leaf form, chain links and root (goal: 50,000 entries a second): the command itself, over a folder of
           tiles and over HTTP from a server of files beside it, beside *hashing*: the same bundles read, split, hashed and put
           into a tree by a bare loop. A log is audited, and the beginning of it; what an entry costs is the difference, so
           that no start counts: `per_second` by the clock, `processor_us` of all its processes together, without the server.
           `whole_s` is what the command says of the whole log, and what it loads counts there
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
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

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
TURNS = 2
GOAL = 50_000
BUNDLE = 256


class Spent(NamedTuple):
    """Seconds that one audit took by the clock, and of the processor."""

    clock_s: float
    processor_s: float


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


def commanded(source: str, log_key: str, *, jobs: int, size: int) -> Spent:
    """Audit the structure by the command; the result must be clean."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    asked = ["audit", source, "--key", log_key, "--structure", "--no-state", "--json", "--jobs", str(jobs)]
    ran = subprocess.run(
        [sys.executable, "-m", "registry", *asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    report = json.loads(ran.stdout)
    assert report["clean"]
    assert report["folded"] == size
    return Spent(report["seconds"], after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def structure(sources: dict[int, str], log_key: str, *, jobs: int) -> dict[str, float]:
    """Return what an entry costs: the difference of two logs, each by size, at their best."""
    best: list[Spent] = []
    for size, source in sorted(sources.items()):
        runs = [commanded(source, log_key, jobs=jobs, size=size) for _ in range(TURNS)]
        best.append(Spent(min(one.clock_s for one in runs), min(one.processor_s for one in runs)))
    (small, large), entries = best, max(sources) - min(sources)
    return {
        "per_second": round(entries / max(large.clock_s - small.clock_s, 1e-3)),
        "processor_us": round((large.processor_s - small.processor_s) / entries * 1e6, 1),
        "whole_s": round(large.clock_s, 2),
    }


def structures(folders: dict[int, Path], log_key: str, cores: int) -> dict[str, Any]:
    """Audit the structure over both ways, in one process and with others."""
    found: dict[str, Any] = {}
    with served(folders[min(folders)]) as small, served(folders[max(folders)]) as large:
        ways = {
            "folder": {size: str(folder) for size, folder in folders.items()},
            "http": dict(zip(sorted(folders), (small, large), strict=True)),
        }
        for way, sources in ways.items():
            # Over HTTP the server has the other core.
            for jobs in sorted({0, 1} if way == "http" else {0, 1, cores}):
                found.setdefault(way, {})[f"jobs_{jobs}"] = structure(sources, log_key, jobs=jobs)
    size = max(folders)
    processor = time.process_time()
    turns = [seconds_of(lambda: bare_hashing(folders[size], size)) for _ in range(TURNS)]
    spent = (time.process_time() - processor) / TURNS
    found["hashing"] = {"per_second": round(size / min(turns)), "processor_us": round(spent / size * 1e6, 1)}
    return found | {"goal": GOAL}


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
        folders = {size: publish(log, Path(name) / str(size), entries=entries[:size]) for size in (part, len(entries))}
        found: dict[str, Any] = {"structure": structures(folders, log.log_key, cores)}
        folder = folders[part]
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
