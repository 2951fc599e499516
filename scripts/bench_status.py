"""Status lists: prints one JSON object.

*cached* and *own*: one status read from a list of others in memory and from our own, as `check` and decisions do it (goal:
under 5 us). *list_rebuild*: one status set, in memory, and the list signed anew, with one status in a hundred set. *million*: that many
entries on a database on this disk: rate of giving them out by the thousand, time of giving out one and of setting one (each on
the disk when it returns), memory that the service takes for them, size of the database, and time until a start has read it.

    scripts/bench_status.py [--seconds 1] [--entries 1000000]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from bench import TURNS, per_second  # noqa: E402

from did_methods.canonical import canonicalize  # noqa: E402
from did_methods.data_integrity import sign_document  # noqa: E402
from registry.adapters.identity import make_key_identity  # noqa: E402
from registry.adapters.system_clock import SystemClock  # noqa: E402
from registry.credentials.key_lookup import SelfCertifyingLookup  # noqa: E402
from registry.credentials.status_entry import StatusEntry, parse_status_entry  # noqa: E402
from registry.services.status import StatusService  # noqa: E402
from registry.services.status_elsewhere import KeyListVerifier, ListsElsewhere  # noqa: E402
from registry.services.status_signing import JcsListSigner  # noqa: E402
from registry.storage.engine import Database, open_database  # noqa: E402
from registry.storage.status import ListKind, StatusStore  # noqa: E402

GOAL_US = 5.0
BATCH = 1_000
URL = "https://issuer.example.com/lists/1"
RING = make_key_identity(b"s" * 32)


class OneFile:
    """A network with one file."""

    data = b""

    def fetch(self, _url: str, *, max_bytes: int) -> bytes:
        """Give the file."""
        assert len(self.data) <= max_bytes
        return self.data


def make_service(database: Database, files: OneFile) -> tuple[StatusService, StatusStore]:
    """Return a service over a database whose lists a key of the bench signs, and its store."""
    clock, store = SystemClock(), StatusStore(database)
    verifier = KeyListVerifier(SelfCertifyingLookup())
    service = StatusService(
        store=store,
        signers={RING.did: JcsListSigner(RING.signer)},
        public_url="https://registry.localhost:8000",
        elsewhere=ListsElsewhere(fetcher=files, verifier=verifier, clock=clock),
        clock=clock,
    )
    return service, store


def micros(work: Callable[[], object], seconds: float) -> float:
    """Return the microseconds that one piece of work takes; the median of some turns."""
    return round(1e6 / statistics.median(per_second(work, seconds) for _ in range(TURNS)), 2)


def timed_ms(work: Callable[[], object], times: int) -> dict[str, float]:
    """Return median and 99th percentile of some calls, in ms."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun) * 1e3)
    taken.sort()
    return {"p50_ms": round(taken[times // 2], 3), "p99_ms": round(taken[times * 99 // 100], 3)}


def bench_reading(seconds: float) -> dict[str, Any]:
    """A status of a list in memory, of others and of our own; a list signed anew."""
    database, files = open_database("sqlite://"), OneFile()
    service, store = make_service(database, files)
    entries = service.allocate(purposes=("revocation",), issuer=RING.did, credential_id="urn:uuid:1")
    name = entries[0]["statusListCredential"].rpartition("/")[2]
    document = service.list_credential(name) | {"id": URL}
    document.pop("proof")
    files.data = canonicalize(sign_document(document, signer=RING.signer, created=SystemClock().now_ms()))
    own = (parse_status_entry(entries[0]),)
    other = (StatusEntry("revocation", 94_567, URL),)
    now_ms = SystemClock().now_ms()
    service.check(other, issuer=RING.did, now_ms=now_ms)
    figures = {
        "cached": {"us": micros(lambda: service.check(other, issuer=RING.did, now_ms=now_ms), seconds)},
        "own": {"us": micros(lambda: service.check(own, issuer=RING.did, now_ms=now_ms), seconds)},
    }
    for figure in figures.values():
        figure["goal"] = f"< {GOAL_US}"
    places = store.allocate([(ListKind(RING.did, "revocation"), b"")] * 1_310, now_ms=now_ms)
    store.set_values([(place, 1) for place in places], check=lambda *_: None, now_ms=now_ms, by="bench")

    def rebuild() -> None:
        (place,) = store.allocate([(ListKind(RING.did, "revocation"), b"")], now_ms=now_ms)
        store.set_values([(place, 1)], check=lambda *_: None, now_ms=now_ms, by="bench")
        service.list_credential(name)

    figures["list_rebuild"] = timed_ms(rebuild, 50)
    figures["list_rebuild"]["bytes"] = len(service.published(name).data)
    return figures


def bench_million(entries: int) -> dict[str, Any]:
    """Cost of a great number of entries, on this machine's disk."""
    kind, clock = ListKind(RING.did, "revocation"), SystemClock()
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        path = Path(folder) / "registry.sqlite3"
        database = open_database(f"sqlite:///{path}")
        service, store = make_service(database, OneFile())
        begun = time.perf_counter()
        names: set[str] = set()
        for batch in range(entries // BATCH):
            wanted = [(kind, (batch * BATCH + one).to_bytes(32, "big")) for one in range(BATCH)]
            places = store.allocate(wanted, now_ms=clock.now_ms())
            names.update(place.shard for place in places)
        allocated = time.perf_counter() - begun
        one = timed_ms(lambda: service.allocate(purposes=("revocation",), issuer=RING.did, credential_id="x"), 300)
        # The digests above stand for ids; the first batch is set by its places.
        found = [store.places(random.randrange(entries).to_bytes(32, "big"))[0] for _ in range(300)]
        targets = iter(found)
        setting = timed_ms(
            lambda: store.set_values([(next(targets), 1)], check=lambda *_: None, now_ms=clock.now_ms(), by="bench"),
            300,
        )
        service.close()
        database.close()
        begun = time.perf_counter()
        database = open_database(f"sqlite:///{path}")
        again = StatusStore(database)
        start_ms = (time.perf_counter() - begun) * 1e3
        revoked = sum(shard.value(place.position) for place in found if (shard := again.find(place.shard)))
        if revoked != len(found):
            raise SystemExit("a status was lost")
        tracemalloc.start()
        counted = StatusStore(database)
        counted.allocate([(kind, b"x")], now_ms=clock.now_ms())  # reads what is taken in the shard that is being filled
        memory = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        database.close()
        size = path.stat().st_size
    return {
        "entries": entries, "shards": len(names), "allocated_per_s": round(entries / allocated), "allocate_one": one,
        "set_one": setting, "memory_kib": round(memory / 1024), "database_mib": round(size / 2**20, 1),
        "start_ms": round(start_ms, 1),
    }  # fmt: skip


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each turn lasts")
    parser.add_argument("--entries", type=int, default=1_000_000, help="entries of the great number")
    arguments = parser.parse_args()
    figures = bench_reading(arguments.seconds) | {"million": bench_million(arguments.entries)}
    print(json.dumps({"status": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
