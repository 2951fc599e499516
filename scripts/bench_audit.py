"""Measures `bonafides audit` over a folder of tiles, beside what the same entries cost at the least.

structure  hashes, tiles, leaf form, chain links and root (goal: 50,000 entries a second), beside *hashing*: the same bundles
           read, split, hashed and put into a tree by a bare loop
content    everything: signatures, rules, chains, scores; with signatures verified in the fold, and in one process a core,
           beside *signatures*: bare PyNaCl verifications on one core
again      a second audit of a log that did not grow, with the fold of the first

    python scripts/bench_audit.py [--entries N] [--seconds S]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
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
    for start in range(0, size, 256):
        width = min(256, size - start)
        data = (folder / entries_path(start // 256, width=width)).read_bytes()
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


def audited(
    folder: Path, log: LogBuilder, *, jobs: int = 0, state: Path | None = None, structure: bool = False
) -> None:
    """Audit the folder as the command does; the result must be clean."""
    reader = LogReader(FolderTransport(folder))
    plan = AuditPlan(log_key=log.log_key, compare=False, structure=structure)
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
    assert report.entries == len(log.leaves)


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=6_000)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    log = make_log(arguments.entries)
    size, cores = len(log.leaves), os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = publish(log, Path(name) / "tiles")
        pairs = [
            (
                size / seconds_of(lambda: audited(folder, log, structure=True)),
                size / seconds_of(lambda: bare_hashing(folder, size)),
            )
            for _ in range(TURNS)
        ]
        ours, ceiling = (statistics.median(one[side] for one in pairs) for side in (0, 1))
        content = {
            f"jobs_{jobs}": round(size / seconds_of(lambda jobs=jobs: audited(folder, log, jobs=jobs)))
            for jobs in sorted({0, 1, cores})
        }
        state = Path(name) / "state"
        first = seconds_of(lambda: audited(folder, log, state=state))
        second = seconds_of(lambda: audited(folder, log, state=state))
    found = {
        "structure": {"ours": round(ours), "hashing": round(ceiling), "ratio": round(ours / ceiling, 2), "goal": GOAL},
        "content": content | {"signatures": round(bare_signatures(arguments.seconds))},
        "again": {"first_s": round(first, 2), "second_s": round(second, 3)},
        "log": {"entries": size, "bytes": round(sum(map(len, log.entries)) / size), "cores": cores},
    }
    print(json.dumps({"audit": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
