"""Agents that keep writing while the registry is killed under them, and remember every acknowledgement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_encode, parse_json_object
from did_methods.data_integrity import event_id
from registry.adapters.system_clock import SystemClock
from tests.support.actor import Actor

NDJSON = {"content-type": "application/x-ndjson"}
JSON = {"content-type": "application/json"}
FEW, MANY = 40, 120
"""Lines of a batch that the registry verifies itself, and of one that it has verified in another process."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the registry promised about one event."""

    event: str
    index: int
    leaf_hash: str
    time_ms: int


@dataclass(slots=True)
class Load:
    """The writers and what they know.

    Attributes:
        actors: registered agents with a voice.
        acknowledged: by event id.
        acceptances: the signed documents they came in.
        checkpoints: signed notes that were seen.
        unanswered: requests that the crash left without an answer.
        interrupted: crashes that left a request without an answer.
        failures: answers that should not have come.
        lines: of each batch.
    """

    actors: list[Actor] = field(default_factory=list)
    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    acceptances: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[bytes] = field(default_factory=list)
    unanswered: list[tuple[str, bytes]] = field(default_factory=list)
    interrupted: int = 0
    failures: list[str] = field(default_factory=list)
    lines: int = FEW
    _turn: count[int] = field(default_factory=count)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def prepare(self, url: str, operator: Actor, *, agents: int) -> None:
        """Register agents and give them a voice: the root vouches for each, and an epoch counts it."""
        clock = SystemClock()
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
            for number in range(agents):
                actor = Actor.short_lived(f"crash-{number}", clock, operator.origin)
                challenge = http.post("/v1/challenges").json()["challenge"]
                http.post("/v1/agents", json=actor.registration(challenge)).raise_for_status()
                self._send(http, "/v1/events", canonicalize(operator.vouch(actor.did)))
                self.actors.append(actor)
            self._send(http, "/v1/epochs", b"{}")
        assert not self.failures, self.failures

    def run(self, url: str, *, kinds: Iterable[str], seconds: float, warm: bool, crash: Callable[[], None]) -> None:
        """Write until the time is over, then crash the registry under the writers.

        Args:
            url: of the registry.
            kinds: ``single``, ``batch``, ``epoch`` and ``reader``; a thread for each that is named.
            seconds: how long before the crash.
            warm: the time counts from the first acknowledgement on, else from the first request.
            crash: kills the registry.
        """
        known = len(self.acknowledged)
        work = {"single": self._single, "batch": self._batch, "epoch": self._epoch, "reader": self._reader}
        threads = [threading.Thread(target=self._until_it_breaks, args=(url, work[kind])) for kind in kinds]
        for thread in threads:
            thread.start()
        while warm and len(self.acknowledged) == known and any(thread.is_alive() for thread in threads):
            time.sleep(0.001)
        time.sleep(seconds)
        crash()
        for thread in threads:
            thread.join()

    def send_again(self, url: str) -> None:
        """Send once more what got no answer."""
        waiting, self.unanswered = self.unanswered, []
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
            for path, body in waiting:
                self._send(http, path, body)
        assert not self.unanswered

    def _until_it_breaks(self, url: str, work: Callable[[httpx.Client], bool]) -> None:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
            while work(http):
                pass

    def _statement(self) -> dict[str, Any]:
        """Return a vouch or a report between two of the agents; most replace an earlier one."""
        turn, size = next(self._turn), len(self.actors)
        source, target = self.actors[turn % size], self.actors[(turn + 1 + turn // size % (size - 1)) % size]
        return source.report(target.did) if turn % 7 == 0 else source.vouch(target.did)

    def _single(self, http: httpx.Client) -> bool:
        return self._send(http, "/v1/events", canonicalize(self._statement()))

    def _batch(self, http: httpx.Client) -> bool:
        lines = (canonicalize(self._statement()) for _ in range(self.lines))
        return self._send(http, "/v1/events:batch", b"\n".join(lines))

    def _epoch(self, http: httpx.Client) -> bool:
        return self._send(http, "/v1/epochs", b"{}")

    def _reader(self, http: httpx.Client) -> bool:
        try:
            self.checkpoints.append(http.get("/checkpoint").raise_for_status().content)
        except httpx.TransportError:
            return False
        return True

    def _send(self, http: httpx.Client, path: str, body: bytes) -> bool:
        """Send a request; say whether it was answered."""
        try:
            answer = http.post(path, content=body, headers=NDJSON if path.endswith(":batch") else JSON)
        except httpx.TransportError:
            if path != "/v1/epochs":  # an epoch is the registry's own statement, so it has no bytes to repeat
                self.unanswered.append((path, body))
            return False
        found: dict[str, Any] = {}
        if answer.status_code in (200, 201):
            found = parse_json_object(answer.content, max_bytes=1 << 24, max_nodes=1 << 20)
        if not found or any("problem" in one for one in found.get("results", [])):
            self.failures.append(f"{path}: {answer.content[:600]!r}")
            return False
        self._remember(found["acceptance"])
        if path != "/v1/epochs":
            sent = {base64url_encode(event_id(parse_json_object(line))) for line in body.split(b"\n")}
            if sent != {one["event"] for one in found["acceptance"]["credentialSubject"]["accepted"]}:
                self.failures.append(f"{path}: somebody else's answer")
        return True

    def _remember(self, acceptance: dict[str, Any]) -> None:
        with self._mutex:
            self.acceptances.append(acceptance)
            for one in acceptance["credentialSubject"]["accepted"]:
                told = Acknowledged(one["event"], one["index"], one["leafHash"], one["time"])
                if self.acknowledged.setdefault(told.event, told) != told:
                    self.failures.append(f"two promises for one event: {told}")
