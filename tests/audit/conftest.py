"""One registry with a history, served over loopback, for all tests of tampering; each puts back what it changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from registry.audit.acceptance import parse_acceptance
from registry.audit.report import AuditReport
from registry.client.log_reader import LogReader
from registry.client.transport import Transport, did_segment
from registry.services.audit import AuditPlan, RegistryAudit, RememberedLog
from tests.audit.operator import Operator
from tests.support.actor import Actor
from tests.support.registry import World, open_world, serve
from tests.support.state_map import publish_state


@dataclass(slots=True)
class Scene:
    """A served registry with three agents that spoke of one another.

    Attributes:
        world: the registry.
        url: where it is served.
        acceptances: what it acknowledged, as it answered.
        documents: by a short name, what was logged.
    """

    world: World
    url: str
    operator: Operator
    acceptances: list[bytes]
    documents: dict[str, dict[str, Any]]

    @property
    def actors(self) -> dict[str, Actor]:
        """The agents by name."""
        return self.world.actors

    def index(self, name: str) -> int:
        """Return where a document of `documents` stands."""
        index = self.world.index_of(self.documents[name])
        assert index is not None
        return index

    def audit(self, *, url: str | None = None, acceptances: Sequence[bytes] = (), **plan: Any) -> AuditReport:
        """Audit the registry as it is served, without waiting for what does not come."""
        promised = tuple(parse_acceptance(line) for line in acceptances)
        transport = Transport(url or self.url)
        try:
            made = AuditPlan(**{"acceptances": promised, "patience_s": 0, **plan})
            return RegistryAudit(LogReader(transport), made, now_ms=self.world.clock.now_ms).run()
        finally:
            transport.close()

    def remember(self) -> RememberedLog:
        """Return what an auditor keeps of the log as it is now."""
        head = self.world.registry.log.signed_head
        return RememberedLog(self.world.registry.genesis.log_key, head.size, head.root_hash)


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Open the registry, let it have a history, serve it."""
    with open_world(tmp_path_factory.mktemp("audited")) as world:
        scene = Scene(world, "", Operator(world), [], {})
        _live(scene)
        publish_state(world)
        with serve(world.app) as url:
            scene.url = url
            yield scene


def _live(scene: Scene) -> None:
    world = scene.world
    operator, alice, bob = world.operator, world.agent("alice"), world.agent("bob", short_lived=True)
    carol = world.agent("carol")
    world.actors = {"operator": operator, "alice": alice, "bob": bob, "carol": carol}
    registration = next(leaf for _, leaf in scene.operator.events if leaf.get("holder") == bob.did)
    scene.documents["bob registers"] = registration
    _say(scene, "operator vouches for alice", operator.vouch(alice.did))
    _say(scene, "operator vouches for bob", operator.vouch(bob.did, context="payments"))
    assert world.epoch().status == 201
    _say(scene, "alice vouches for bob", alice.vouch(bob.did, context="payments"))
    _say(scene, "bob vouches for carol", bob.vouch(carol.did))
    _say(scene, "alice's passport", alice.passport())
    _say(scene, "bob reports carol", bob.report(carol.did))
    assert world.web.post(f"/v1/agents/{did_segment(carol.did)}/did-log", carol.rotate()).status == 201
    _say(scene, "carol vouches for alice", carol.vouch(alice.did))
    assert world.quarantine(carol).status in (200, 201)
    assert world.epoch().status == 201
    _say(scene, "bob revokes", bob.revocation(scene.documents["bob vouches for carol"]))
    world.registry.log.sign_if_grown()


def _say(scene: Scene, name: str, document: dict[str, Any]) -> None:
    answer = scene.world.submit(document)
    assert answer.status == 201, answer
    scene.acceptances.append(answer.body)
    scene.documents[name] = document
