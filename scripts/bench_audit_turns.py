"""Audits the structure of a log some times over, for scripts/bench_audit.py, in a process as the command has it.

First a small log, so that all is loaded and every process of the audit has begun; then the large one, each time with the
seconds by the clock and of the processor, of all these processes together. Prints one JSON list. It loads nothing before it
begins, because the other processes load it too.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def main() -> int:
    """Return the exit code; arguments: the small log, the large one, its key, jobs and turns."""
    from bench_cpu import cpu_s

    from registry.adapters.audit_pool import AuditPool
    from registry.adapters.interpreter import without_collector
    from registry.client.log_reader import LogReader
    from registry.client.tile_folder import open_source
    from registry.services.audit import AuditPlan, RegistryAudit

    small, large, log_key, jobs, turns = sys.argv[1:]
    spent = []
    with ExitStack() as stack:
        stack.enter_context(without_collector())
        workers = stack.enter_context(AuditPool(int(jobs))) if int(jobs) else None
        for source in (small, *[large] * int(turns)):
            reader = LogReader(open_source(source))
            plan = AuditPlan(log_key=log_key, compare=False, structure=True)
            audit = RegistryAudit(reader, plan, now_ms=lambda: time.time_ns() // 1_000_000, workers=workers)
            begun, processor = time.perf_counter(), cpu_s(os.getpid())
            report = audit.run()
            clock = time.perf_counter() - begun
            assert all(one.severity == "remark" for one in report.findings), report.findings
            spent.append([report.folded, clock, cpu_s(os.getpid()) - processor])
    print(json.dumps(spent[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
