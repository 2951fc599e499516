"""The state map: prints one JSON object.

*update*: rows of a map of that many changed one at a time, beside *hashing*: the 17 SHA-256 that one change of a map 16 levels
deep needs (goal: 0.4 of it); *batch*: a thousand at a time. *record*: a DID's record written and digested. *prove* and *verify*: a
proof from the map, and its verification. *copy*: what one entry of the state log costs whatever changes. *answer*: a whole answer
of a registry in this process, from its database, and its verification by a client, both logs' checkpoints included.

    scripts/bench_state.py [--seconds 1] [--rows 100000]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from bench import in_turns, per_second  # noqa: E402

from registry.bootstrap import Registry, open_registry  # noqa: E402
from registry.client.state_proof import StateTrust, verify_agent  # noqa: E402
from registry.config import Settings  # noqa: E402
from registry.history.subject_state import read_did, record_of  # noqa: E402
from registry.log.note import parse_note_key  # noqa: E402
from registry.log.state_map import DEPTH, StateMap, state_digest, subject_key, verify_map_proof  # noqa: E402

GOAL = 0.4
BATCH = 1_000


def filled(rows: int) -> StateMap:
    """Return a map of so many subjects."""
    return StateMap(DEPTH, ((subject_key(f"did:example:{one}"), bytes(32)) for one in range(rows)))


def hashing() -> None:
    """Hash what one change of a map needs: a bucket of about two rows, and a node on each level."""
    node = sha256(bytes(129)).digest()
    for _ in range(DEPTH):
        node = sha256(b"\x01" + node + node).digest()


def changing(state_map: StateMap, rows: int, each: int) -> Callable[[], object]:
    """Return what changes so many rows at once, others each time."""
    numbers = count()

    def change() -> None:
        turn = next(numbers)
        first = turn * each % rows
        digest = turn.to_bytes(32, "big")
        state_map.update({subject_key(f"did:example:{first + one}"): digest for one in range(each)})

    return change


def map_figures(seconds: float, rows: int) -> dict[str, Any]:
    """Measure the map alone."""
    state_map = filled(rows)
    one = changing(state_map, rows, 1)
    update, ceiling = in_turns(lambda: per_second(one, seconds), lambda: per_second(hashing, seconds))
    many = per_second(changing(state_map, rows, BATCH), seconds) * BATCH
    key, root = subject_key("did:example:7"), state_map.root
    proof = state_map.prove(key)
    verify = per_second(lambda: verify_map_proof(proof, subject="did:example:7", depth=DEPTH, map_root=root), seconds)
    return {
        "rows": rows,
        "update_per_s": round(update),
        "hashing_per_s": round(ceiling),
        "ratio": round(update / ceiling, 3),
        "goal": GOAL,
        "batch_per_s": round(many),
        "prove_us": micros(per_second(lambda: state_map.prove(key), seconds)),
        "verify_us": micros(verify),
        "copy_ms": round(micros(per_second(state_map.copy, seconds)) / 1_000, 2),
        "bucket_bytes": len(proof.bucket),
    }


def answer_figures(seconds: float) -> dict[str, Any]:
    """Measure what a reader gets of a new registry's own agent, and what it costs to believe it."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        database, url = f"sqlite:///{data / 'bench.sqlite3'}", "https://registry.localhost:8000"
        registry = open_registry(Settings(data_dir=data, database_url=database, public_url=url))
        registry.start()
        try:
            return _answer_figures(registry, seconds)
        finally:
            registry.stop()


def _answer_figures(registry: Registry, seconds: float) -> dict[str, Any]:
    registry.log.sign_if_grown()
    registry.state_map.advance()
    did = next(iter(registry.state.tables.agents))
    state = read_did(registry.state.tables, did)
    assert state is not None
    wire = registry.state_map.proofs.prove(did).to_wire()
    keys = parse_note_key(registry.genesis.log_key), parse_note_key(registry.state_map.log.verifier_key)
    trust = StateTrust(*keys, now_ms=registry.clock.now_ms())
    return {
        "record_us": micros(per_second(lambda: state_digest(record_of(state)), seconds)),
        "answer_us": micros(per_second(lambda: registry.state_map.proofs.prove(did).to_wire(), seconds)),
        "believe_us": micros(per_second(lambda: verify_agent(wire, did=did, trust=trust), seconds)),
        "answer_bytes": len(json.dumps(wire)),
    }


def micros(rate: float) -> float:
    """Return how long one takes, in microseconds."""
    return round(1_000_000 / rate, 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    figures = {"map": map_figures(arguments.seconds, arguments.rows), "answer": answer_figures(arguments.seconds)}
    print(json.dumps({"state": figures}))


if __name__ == "__main__":
    main()
