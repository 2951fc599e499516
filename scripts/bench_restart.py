"""How long a start takes on a large log, and what it keeps in memory: prints one JSON object.

*vouches*: all entries but the agents' registrations and the epochs are live vouches, each pair of agents once: nothing of them may be
           forgotten, so this is the most that a log of that size makes a start read (goal: 5 s for a million).
*mixed*    of ten entries one registers an agent, one reports, seven vouch, one takes a vouch back.

Statements are signed and go through the writer like any other, but for the verification of their signatures, which leaves no trace:
the log is one that a registry would have. Four agents get a voice from the operator's own agent, the others from
them, by the epoch that is logged after each tenth of the entries.
The start is that of a process of its own: `registry.asgi.make_app`, from the call to the return, after all imports.

    scripts/bench_restart.py [vouches mixed] [--entries 1000000] [--keep DIR]
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from did_methods.codec import parse_json_object  # noqa: E402
from did_methods.data_integrity import event_id  # noqa: E402
from registry.adapters.key_file import load_key_ring  # noqa: E402
from registry.bootstrap import Registry, open_registry  # noqa: E402
from registry.client.member_keys import Members  # noqa: E402
from registry.client.ratings import Rating, RegistrationStep  # noqa: E402
from registry.config import Settings, load_settings  # noqa: E402
from registry.credentials.issue import issue_revocation, issue_vouch  # noqa: E402
from registry.history.statement import VerifiedStatement, claimed_time_ms, parse_statement  # noqa: E402
from registry.services.submission import Submission  # noqa: E402

CREATED_MS = 1_790_000_000_000
GROUP = 512
PORTIONS = 10


def settings_of(folder: Path) -> Settings:
    """Return the settings of the registry in a folder."""
    return load_settings({"data_dir": folder, "profile": "replay", "dev": "1"}, {})


class Writer:
    """Signs statements and hands them to the writer of a registry that has not started."""

    def __init__(self, registry: Registry, keys_dir: Path) -> None:
        self._registry, self._members, self._number = registry, Members(bytes(32)), 0
        self._domain = registry.genesis.origin
        self._operator = load_key_ring(keys_dir / "operator-agent.json").signer

    def log(self, documents: Iterable[dict[str, Any]]) -> None:
        """Append documents in groups."""
        rest = iter(documents)
        while group := list(islice(rest, GROUP)):
            statements = [parse_statement(document) for document in group]
            self._append(Submission([VerifiedStatement(one, (), claimed_time_ms(one)) for one in statements]))

    def epoch(self) -> None:
        """Log an epoch over everything before it."""
        self._append(self._registry.authority.epoch_submission())

    def registration(self, name: str) -> dict[str, Any]:
        """Return a registration."""
        return self._signed(RegistrationStep(name, self._now()))

    def rating(self, source: str, target: str, value: int) -> dict[str, Any]:
        """Return a vouch or, of a value below 0, a report."""
        return self._signed(Rating(0, source, target, value, self._now(), self._number))

    def withdrawal(self, vouch: dict[str, Any]) -> dict[str, Any]:
        """Return the revocation of a vouch of the operator's own agent."""
        return issue_revocation(
            signer=self._operator,
            subject=vouch["credentialSubject"]["id"],
            event=event_id(vouch),
            uuid=self._members.uuid("revocation", vouch["id"]),
            now_ms=self._now(),
            domain=self._domain,
        )

    def operator_vouch(self, name: str) -> dict[str, Any]:
        """Return a vouch of the operator's own agent, the root of all voices."""
        return issue_vouch(
            signer=self._operator,
            subject=self._members.did(name),
            strength=100,
            uuid=self._members.uuid("operator", name),
            now_ms=self._now(),
            domain=self._domain,
        )

    def _append(self, submission: Submission) -> None:
        self._registry.sequencer.append([submission])
        submission.future.result()

    def _now(self) -> int:
        self._number += 1
        return CREATED_MS + self._number // 10 * 1_000

    def _signed(self, step: RegistrationStep | Rating) -> dict[str, Any]:
        return parse_json_object(self._members.sign(step, domain=self._domain).data)


def begin(writer: Writer, agents: int) -> list[str]:
    """Register agents, of whom four get a voice; return their names."""
    names = [str(number) for number in range(agents)]
    writer.log(writer.registration(name) for name in names)
    writer.log(writer.operator_vouch(name) for name in names[:4])
    writer.epoch()
    return names


def vouches(writer: Writer, entries: int) -> None:
    """Log one vouch for each pair of agents, both ways round, until there are so many."""
    names = begin(writer, max(50, int((entries * 1.1) ** 0.5) + 2))
    agents = len(names)

    def vouch(number: int) -> dict[str, Any]:
        source, hop = number % agents, 1 + number // agents % (agents - 1)
        return writer.rating(names[source], names[(source + hop) % agents], 10)

    for portion in range(PORTIONS):
        writer.log(map(vouch, range(entries * portion // PORTIONS, entries * (portion + 1) // PORTIONS)))
        writer.epoch()


def mixed(writer: Writer, entries: int) -> None:
    """Log a bit of everything that agents without hosted DIDs say."""
    names, random = begin(writer, 20), Random(1)

    def ten() -> Iterator[dict[str, Any]]:
        names.append(str(len(names)))
        yield writer.registration(names[-1])
        for value in (-10, *repeat(10, 6)):
            yield writer.rating(*random.sample(names, 2), value)
        vouch = writer.operator_vouch(names[-1])
        yield from (vouch, writer.withdrawal(vouch))

    for _ in range(PORTIONS):
        writer.log(chain.from_iterable(ten() for _ in range(entries // PORTIONS // 10)))
        writer.epoch()


def make(folder: Path, kind: str, entries: int) -> None:
    """Begin a log of a kind and so many entries in a folder."""
    registry = open_registry(settings_of(folder))
    gc.disable()
    try:
        {"vouches": vouches, "mixed": mixed}[kind](Writer(registry, settings_of(folder).keys_dir), entries)
    finally:
        gc.enable()
        registry.start()
        registry.stop()


def start(folder: Path) -> None:
    """Start on what is there, and print what it took; in a process of its own."""
    from registry.asgi import make_app

    before, began, cpu = memory_mb(), time.perf_counter(), time.process_time()
    app = make_app(settings_of(folder))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    registry: Registry = app.state.api.registry
    size = registry.state.head.size
    print(
        json.dumps({
            "entries": size, "agents": len(registry.state.tables.agents), "seconds": round(seconds, 2),
            "cpu_s": round(cpu, 2), "folded": size - registry.store.snapshot_size(),
            "bytes_an_entry": round((memory_mb() - before) * 2**20 / size),
        })
    )  # fmt: skip


def memory_mb() -> float:
    """Return the process's memory, MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def measure(kind: str, entries: int, *, keep: Path | None = None) -> dict[str, Any]:
    """Make the log, unless it was kept, and start on it; return what that took."""
    with tempfile.TemporaryDirectory(prefix="bonafides-bench-") as name:
        folder = (keep or Path(name)) / kind
        if not folder.exists():
            make(folder, kind, entries)
        command = [sys.executable, __file__, "--start", str(folder)]
        found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found | {"goal_s": 5.0}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="vouches, mixed; both by default")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="folder where the logs are kept, and found again")
    parser.add_argument("--start", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.start is not None:
        start(arguments.start)
        return
    kinds = arguments.kinds or ["vouches", "mixed"]
    found = {kind: measure(kind, arguments.entries, keep=arguments.keep) for kind in kinds}
    print(json.dumps({"restart": found}, indent=1))


if __name__ == "__main__":
    main()
