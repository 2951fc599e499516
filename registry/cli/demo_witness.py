"""The last scene of the demo: two registries witness each other, and a stolen log key is found out."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from did_methods.errors import BonafidesError
from registry.adapters.key_file import load_key_ring
from registry.cli.demo import own_server
from registry.cli.demo_stage import Stage
from registry.client.agent import Agent
from registry.client.operator import Operator
from registry.client.transport import Transport
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.split_view import parse_split_view, verify_split_view
from registry.log.witness_policy import WitnessedCheckpoint, parse_policy, verify_witnessed

WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class _Node:
    """One of the two registries."""

    name: str
    data: Path
    port: int
    description: dict[str, Any]

    @property
    def log_key(self) -> str:
        return str(self.description["verifier_keys"][0])

    @property
    def witness_key(self) -> str:
        return str(self.description["witness"]["verifier_key"])

    @property
    def policy_file(self) -> Path:
        return self.data / "witness.policy"


def play_witnesses(stage: Stage, folder: Path) -> None:
    """Play the scene; what does not come out as told is added to the stage's list.

    Args:
        stage: where it is told.
        folder: for the two registries' data.
    """
    stage.heading(
        "Two registries witness each other",
        "Neither publishes a checkpoint before the other has cosigned it, and neither cosigns two futures of one log.",
    )
    first, second = (_prepare(folder / name, name) for name in ("north", "south"))
    with ExitStack() as stack:
        for one, other in ((first, second), (second, first)):
            one.policy_file.write_text(
                f"log {one.log_key}\nwitness {other.name} {other.witness_key} http://127.0.0.1:{other.port}\n"
                f"quorum {other.name}\n"
            )
        urls = [
            stack.enter_context(own_server(one.data, "--witness-policy", str(one.policy_file), port=one.port))
            for one in (first, second)
        ]
        for one, other, url in ((first, second, urls[0]), (second, first, urls[1])):
            Operator(Transport(url)).add_witnessed_log(other.log_key)
            stage.say(f"{one.name} witnesses [dim]{other.description['origin']}[/]")
        for one, url in zip((first, second), urls, strict=True):
            _grow(stage, one, url, folder)
        _steal_the_key(stage, first, urls)


def _prepare(data: Path, name: str) -> _Node:
    """Let a registry make its keys, so that the other can name them."""
    with own_server(data) as url:
        return _Node(name, data, urlsplit(url).port or 0, Transport(url).get("/log.json"))


def _grow(stage: Stage, node: _Node, url: str, folder: Path) -> None:
    agent = Agent.create(f"{node.name}-agent", url, method="key", path=folder / "agents" / f"{node.name}-agent.json")
    agent.register()
    size = int(Transport(url).get("/readyz")["treeSize"])
    seen = _wait_for(url, node, size)
    if seen is None:
        stage.miss(f"{node.name}: no checkpoint of size {size} with a quorum within {WAIT_S:.0f} s")
        return
    cosignature = seen.cosignatures[0]
    stage.check(
        seen.checkpoint.checkpoint.size >= size,
        f"{node.name} has grown to {seen.checkpoint.checkpoint.size} entries, cosigned by {cosignature.key.name}",
    )


def _wait_for(url: str, node: _Node, size: int) -> WitnessedCheckpoint | None:
    """Return the first checkpoint of that size or more that a quorum has cosigned, verified from the policy file alone."""
    policy, transport, until = parse_policy(node.policy_file.read_bytes()), Transport(url), time.monotonic() + WAIT_S
    while time.monotonic() < until:
        try:
            seen = verify_witnessed(transport.get_answer("/checkpoint").body, policy)
        except BonafidesError:  # none is published yet
            seen = None
        if seen is not None and seen.checkpoint.checkpoint.size >= size:
            return seen
        time.sleep(0.2)
    return None


def _steal_the_key(stage: Stage, victim: _Node, urls: list[str]) -> None:
    """Sign another tree of a size that was cosigned, with the victim's own key, and show it to the witness."""
    stage.say(f"Somebody steals the log key of {victim.name} and signs another history of the same length.")
    ring = load_key_ring(victim.data / "keys" / "log-note.json")
    seen = _wait_for(urls[0], victim, 1)
    if seen is None:
        stage.miss(f"{victim.name} has no cosigned checkpoint")
        return
    head = seen.checkpoint.checkpoint
    forged = sign_checkpoint(
        Checkpoint(head.origin, head.size, hashlib.sha256(b"another history").digest()), ring.keys["signing"]
    )
    witness = Transport(urls[1])
    answer = witness.post_note("/v1/gossip", forged)
    stage.check(
        answer.get("verdict") == "contradiction", "whoever was shown it asks the witness, who has kept the other one"
    )
    evidence = witness.get_answer(f"/v1/evidence/{answer.get('evidence')}").body
    try:
        verified = verify_split_view(parse_split_view(evidence))
        told = f"the evidence holds both signatures and verifies offline, against {verified.origin}"
        stage.check(verified.origin == head.origin, told)
    except BonafidesError as error:
        stage.miss(f"the evidence does not verify ({error.code})")
