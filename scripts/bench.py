"""Measures each figure beside its ceiling, in one run on one machine, and prints the ratios.

verify    proof verification of a parsed 1 KB credential, beside a bare PyNaCl verify of 64 bytes (goal: 0.5 of it)
decision  POST /access/v1/evaluation with the proof already known at 16 connections, beside *route*: an async route in the
          same app and middleware that reads the same body and returns the same bytes (goal: 0.4 of it); then the
          latency at a stated rate, open loop
policy    the policy pack on one fact vector, beside bare cedarpy on the same facts
ingest    batches of signed events over HTTP, beside *commit* (scripts/bench_ingest.py; goal: 3,000 events a second)
identity  did:key from its text, a did:webvh log of 100 entries beside did-webvh from PyPI, and hosted DIDs over HTTP
          beside *route* (scripts/bench_identity.py; goals: 100 us, 20 ms, 0.4 of it)
status    a status read from a list in memory, and the cost of a million of them (scripts/bench_status.py; goal: under 5 us)
suites    a proof of anybody's 1 KB credential, key looked up, in eddsa-jcs-2022 beside bare PyNaCl (goal: 0.55 of it) and in
          ecdsa-jcs-2019 beside bare cryptography; in eddsa-rdfc-2022 beside @digitalbazaar/vc on Node.js where
          scripts/test --full has installed it (scripts/bench_suites.py; goal: ahead)
audit     the structure of a log of 60,000 entries, from a folder of tiles and over HTTP, and the content of its beginning, beside
          bare hashing and bare signatures (scripts/bench_audit.py; goal: 50,000 entries a second for the structure)
log       batches taken in this process beside a bare pipeline, single events and tiles over HTTP beside their routes, two
          replicas on PostgreSQL beside bare commits, and a take-over (scripts/bench_log.py has the goals)
state     rows of a state map changed, beside the hashes that needs; answers of the map and what it costs to believe them
          (scripts/bench_state.py; goal: 0.4 of the hashes)
start     `python -m registry serve` to the first 200 of /healthz on a current data folder (goal: under 2 s)

    scripts/bench [verify|policy|decision|ingest|identity|status|suites|audit|log|state|start|all] [--json] [--seconds S] [--rate R]

`route` is another name for `decision`. Each pair is measured in turns, and the median of the turns is shown.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import httpx  # noqa: E402

from did_methods.canonical import canonicalize  # noqa: E402
from did_methods.codec import base64url_encode  # noqa: E402
from registry.adapters.identity import make_key_identity, make_webvh_identity  # noqa: E402
from registry.adapters.key_file import KeyRing  # noqa: E402
from registry.adapters.system_clock import SystemClock  # noqa: E402
from registry.credentials.issue import issue_vouch  # noqa: E402
from registry.credentials.presentation import build_presentation, request_challenge, sign_presentation  # noqa: E402

CONNECTIONS = 16
TURNS = 3
UNSEEN = 20_000
GOALS = {"verify": 0.5, "decision": 0.4}
INGEST_GOAL, START_GOAL_S = 3_000, 2.0


# ---------------------------------------------------------------- in this process


def per_second(work: Callable[[], object], seconds: float) -> float:
    """Return how often a piece of work is done in a second."""
    count, begun = 0, time.perf_counter()
    end = begun + seconds
    while time.perf_counter() < end:
        for _ in range(50):
            work()
        count += 50
    return count / (time.perf_counter() - begun)


def in_turns(ours: Callable[[], float], ceiling: Callable[[], float]) -> tuple[float, float]:
    """Measure both in turns, so that a change of the machine's speed hits both; return the medians."""
    pairs = [(ours(), ceiling()) for _ in range(TURNS)]
    return statistics.median(one[0] for one in pairs), statistics.median(one[1] for one in pairs)


def bench_verify(seconds: float) -> dict[str, Any]:
    """Proof verification of a parsed credential of 1 KB, beside PyNaCl's own verify of 64 bytes."""
    from nacl.signing import SigningKey as BareKey

    from did_methods.data_integrity import verify_proof
    from registry.credentials.model import parse_credential

    ring, now_ms = make_key_identity(b"v" * 32), SystemClock().now_ms()
    digests = [base64url_encode(bytes([number]) * 32) for number in range(4)]
    document = issue_vouch(
        signer=ring.signer, subject=make_key_identity(b"w" * 32).did, strength=50, uuid=str(uuid4()), now_ms=now_ms,
        domain="registry.localhost:8000/00000000", context="payments", commitments=digests,
    )  # fmt: skip
    size = len(canonicalize(document))
    credential, key = parse_credential(document), ring.keys["signing"].public_key
    bare, message = BareKey(b"v" * 32), b"m" * 64
    signature, verifier = bare.sign(message).signature, bare.verify_key
    ours, ceiling = in_turns(
        lambda: per_second(lambda: verify_proof(document, credential.proofs[0], key), seconds),
        lambda: per_second(lambda: verifier.verify(message, signature), seconds),
    )
    return {"ours": ours, "ceiling": ceiling, "ratio": ours / ceiling, "goal": GOALS["verify"], "bytes": size}


def bench_policy(seconds: float) -> dict[str, Any]:
    """`PolicyPack.evaluate` on facts it has not seen, beside `cedarpy.is_authorized` on the same policies and facts."""
    import cedarpy

    from registry.bootstrap import load_policy
    from registry.decisions.facts import FactVector, standard_observations

    pack = load_policy(None)
    digest = base64url_encode(bytes(32))
    facts = FactVector(
        tree_size=10, evaluated_at_ms=1, agent_did="did:key:z6Mk", agent_known=True, agent_state="active",
        action_name="read", action_class="low", proof="presentation", score_micros=25_000_000, log_confirmed=True,
        observations=standard_observations(request_digest=digest, policy_revision=pack.revision, observed_ms=1),
    )  # fmt: skip
    text = (ROOT / "registry/decisions/policies/baseline.cedar").read_text("utf-8")
    policies, entities = cedarpy.PolicySet.from_str(text), cedarpy.Entities.from_json_str("[]")
    request = {
        "principal": {"type": "Agent", "id": facts.agent_did},
        "action": {"type": "Action", "id": facts.action_class},
        "resource": {"type": "Resource", "id": facts.resource_id},
        "context": facts.values(),
    }
    # More vectors than the pack remembers answers for, so that each is asked for the first time again.
    fresh = itertools.cycle([replace(facts, score_micros=facts.score_micros + step) for step in range(UNSEEN)])
    ours, ceiling = in_turns(
        lambda: per_second(lambda: pack.evaluate(next(fresh)), seconds),
        lambda: per_second(lambda: cedarpy.is_authorized(request, policies, entities), seconds),
    )
    again = per_second(lambda: pack.evaluate(facts), seconds)
    return {"ours": ours, "ceiling": ceiling, "ratio": ours / ceiling, "remembered": again}


# ---------------------------------------------------------------- over HTTP


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(*command: str, port: int) -> Iterator[float]:
    """Run a server until the block ends; gives the seconds until it answered."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BONAFIDES_")}
    with tempfile.TemporaryFile() as told:
        begun = time.perf_counter()
        server = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment, stdout=told, stderr=told)
        try:
            while not _answers(port):
                if server.poll() is not None or time.perf_counter() - begun > 60:
                    told.seek(0)
                    raise SystemExit(f"the server did not start: {told.read().decode(errors='replace')}")
                time.sleep(0.005)
            yield time.perf_counter() - begun
        finally:
            server.terminate()
            server.wait(30)


def _answers(port: int) -> bool:
    # Not httpx: its own set-up would be part of what is measured.
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def register(http: httpx.Client, port: int) -> tuple[KeyRing, str]:
    """Register an agent with a did:webvh; returns its keys and the log's origin."""
    now_ms = SystemClock().now_ms()
    seeds = [os.urandom(32) for _ in range(3)]
    ring, entry = make_webvh_identity("registry.localhost", port, ("agents", "bench"), seeds=seeds, now_ms=now_ms)
    given = http.post("/v1/challenges").json()
    presentation = sign_presentation(
        build_presentation(holder=ring.did), signer=ring.signer, now_ms=now_ms, domain=given["domain"],
        challenge=given["challenge"],
    )  # fmt: skip
    http.post("/v1/agents", json={"presentation": presentation, "didLog": [entry]}).raise_for_status()
    return ring, given["domain"]


def evaluation(ring: KeyRing, origin: str) -> bytes:
    """Return the body of a decision request that proves the agent for the next minute."""
    now_ms = SystemClock().now_ms()
    named = {"subject_id": ring.did, "action_name": "read", "resource_type": "document", "resource_id": "d-1"}
    vp = sign_presentation(
        build_presentation(holder=ring.did), signer=ring.signer, now_ms=now_ms, domain=origin,
        challenge=request_challenge(**named), expires_ms=now_ms + 60_000,
    )  # fmt: skip
    return httpx.Request(
        "POST",
        "http://x",
        json={
            "subject": {"type": "agent", "id": ring.did},
            "action": {"name": "read"},
            "resource": {"type": "document", "id": "d-1"},
            "context": {"presentation": {"vp": vp}},
        },
    ).content


def load(port: int, path: str, body: bytes, folder: Path, *more: str) -> dict[str, Any]:
    """Drive one address from another process; every answer must be 200."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return load_with(port, head.encode() + body, folder, *more)


def load_with(port: int, request: bytes, folder: Path, *more: str) -> dict[str, Any]:
    """Drive one address with a raw request from another process; every answer must be 200."""
    path = folder / "request.bin"
    path.write_bytes(request)
    command = [sys.executable, str(ROOT / "scripts/bench_client.py"), "127.0.0.1", str(port), str(path), *more]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if set(found["statuses"]) != {"200"}:
        raise SystemExit(f"{request.split(maxsplit=2)[1].decode()} answered {found['statuses']}")
    return found


def bench_decision(seconds: float, rate: float) -> dict[str, Any]:
    """Decisions with a known proof beside the bare route; then open-loop latency."""
    port = free_port()
    closed = ["--connections", str(CONNECTIONS), "--seconds", str(seconds)]
    with tempfile.TemporaryDirectory() as name, running("scripts/bench_server.py", name, str(port), port=port):
        folder = Path(name)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            ring, origin = register(http, port)
            answer = http.post(
                "/access/v1/evaluation", content=evaluation(ring, origin), headers={"content-type": "application/json"}
            )
            if not answer.json()["decision"]:
                raise SystemExit("the decision that is measured must be an allow")
            http.put("/bench/route", content=answer.content)
        turns = []
        for _ in range(TURNS):
            body = evaluation(ring, origin)
            ours = load(port, "/access/v1/evaluation", body, folder, *closed)
            turns.append((ours, load(port, "/bench/route", body, folder, *closed)))
        rate = rate or round(statistics.median(one["rate"] for one, _ in turns) / 2, -2)
        body = evaluation(ring, origin)
        timed = ["--connections", str(CONNECTIONS), "--seconds", str(min(seconds * 2, 20)), "--rate", str(rate)]
        latency = load(port, "/access/v1/evaluation", body, folder, *timed)
    ours_rate = statistics.median(one["rate"] for one, _ in turns)
    ceiling = statistics.median(other["rate"] for _, other in turns)
    return {
        "ours": ours_rate, "ceiling": ceiling, "ratio": ours_rate / ceiling, "goal": GOALS["decision"],
        "connections": CONNECTIONS, "bytes": len(body), "open_loop": latency,
    }  # fmt: skip


def bench_ingest(_seconds: float) -> dict[str, Any]:
    """Batch ingest beside bare commits, as scripts/bench_ingest.py measures it."""
    command = [sys.executable, str(ROOT / "scripts/bench_ingest.py")]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return dict(found["ingest"])


def bench_identity(seconds: float) -> dict[str, Any]:
    """Resolution of DIDs, as scripts/bench_identity.py measures it."""
    command = [sys.executable, str(ROOT / "scripts/bench_identity.py"), "--seconds", str(seconds)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return dict(found["identity"])


def bench_script(name: str, seconds: float) -> dict[str, Any]:
    """Status lists, proof suites, audits or the log, as the script of that name measures them."""
    command = [sys.executable, str(ROOT / f"scripts/bench_{name}.py"), "--seconds", str(min(seconds, 1.0))]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return dict(found[name])


def bench_start() -> dict[str, Any]:
    """From the command to /healthz: the first start, which makes keys and tables, and the next ones."""
    seconds = []
    with tempfile.TemporaryDirectory() as name:
        for _ in range(1 + TURNS):
            port = free_port()
            command = ("-m", "registry", "serve", "--dev", "--data", name, "--port", str(port))
            public = ("--public-url", "https://registry.localhost:8000")
            with running(*command, *public, port=port) as taken:
                seconds.append(taken)
    return {"first": seconds[0], "seconds": statistics.median(seconds[1:]), "goal": START_GOAL_S}


# ---------------------------------------------------------------- telling


def tell(name: str, found: dict[str, Any]) -> str:
    """Return one figure as a line for people."""
    if name == "start":
        return f"start     {found['seconds']:.2f} s to /healthz (goal < {START_GOAL_S} s; first start {found['first']:.2f} s)"
    if name == "ingest":
        return f"ingest    {json.dumps(found)} (goal >= {INGEST_GOAL} events/s)"
    if name in {"identity", "status", "suites", "audit", "log", "state"}:
        return "\n".join(f"{name:9} {part}: {json.dumps(one)}" for part, one in found.items())
    goal = f" (goal >= {found['goal']})" if "goal" in found else ""
    line = f"{name:9} {found['ours']:10,.0f}/s   ceiling {found['ceiling']:10,.0f}/s   ratio {found['ratio']:.2f}{goal}"
    if "remembered" in found:
        line += f"; the same facts again {found['remembered']:,.0f}/s"
    if "open_loop" in found:
        late = found["open_loop"]
        line += f"\n          at {late['asked_rate']:,.0f}/s, open loop: p50 {late['p50']} ms, p90 {late['p90']} ms, p99 {late['p99']} ms"
    return line


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ["verify", "policy", "decision", "ingest", "identity", "status", "suites", "audit", "log", "state", "start"]
    parser.add_argument("figures", nargs="*", default=["all"], choices=[*names, "route", "all"], metavar="FIGURE")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each turn lasts")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="of the open loop; half of the closed loop's by default"
    )
    arguments = parser.parse_args()
    asked = {"decision" if one == "route" else one for one in arguments.figures}
    benches: dict[str, Callable[[], dict[str, Any]]] = {
        "verify": lambda: bench_verify(arguments.seconds),
        "policy": lambda: bench_policy(arguments.seconds),
        "decision": lambda: bench_decision(arguments.seconds, arguments.rate),
        "ingest": lambda: bench_ingest(arguments.seconds),
        "identity": lambda: bench_identity(arguments.seconds),
        "status": lambda: bench_script("status", arguments.seconds),
        "suites": lambda: bench_script("suites", arguments.seconds),
        "audit": lambda: bench_script("audit", arguments.seconds),
        "log": lambda: bench_script("log", arguments.seconds),
        "state": lambda: bench_script("state", arguments.seconds),
        "start": bench_start,
    }
    figures = {}
    for name in names:
        if name in asked or "all" in asked:
            figures[name] = benches[name]()
            if not arguments.json:
                print(tell(name, figures[name]), flush=True)
    if arguments.json:
        print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
