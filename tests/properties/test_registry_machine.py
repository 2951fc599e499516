"""Random lives of a whole registry: whatever is sent, fails, crashes and is signed, in whatever order, the log stays one.

The model is the list of what was acknowledged. Held throughout: indexes are dense and each event has one, every
checkpoint that was ever signed is of a prefix of today's tree, the state map is what a replay gives, and what was erased
is never read again. A crash here ends the process's own work (nothing is signed, published or snapshotted any more);
kills of real processes are in `tests/crash`.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy.exc import OperationalError

from did_methods.data_integrity import event_id
from registry.history.snapshot import dump_state
from registry.history.state import LogState
from registry.history.subject_state import all_states, record_of
from registry.log.state_map import StateMap, state_digest, subject_key
from registry.services.snapshot import load_state
from tests.services.test_erasure import Told, erase, openings, tell
from tests.support.actor import Actor
from tests.support.asgi import Answer
from tests.support.laws import examples
from tests.support.registry import DAY_MS, ManualClock, World, open_world
from tests.support.state_map import publish_state

AGENTS = 4
AGENT = st.integers(0, AGENTS - 1)
CONTEXTS = st.sampled_from([None, "coding", "pay"])


class RegistryMachine(RuleBasedStateMachine):
    """One registry, its agents, and everything that they were promised."""

    @initialize()
    def begin(self) -> None:
        """Open it, and register the agents."""
        self.folder = Path(tempfile.mkdtemp(prefix="bonafides-machine-"))
        self.clock = ManualClock()
        self.open()
        self.agents = [self.world.agent(f"agent-{turn}", short_lived=turn % 2 == 0) for turn in range(AGENTS)]
        self.first = self.world.size
        self.accepted: list[tuple[dict[str, Any], int]] = []
        self.signed: dict[int, bytes] = {}
        self.told: list[Told] = []
        self.erased: list[Told] = []
        self.fill = 0

    def open(self) -> None:
        """Start the registry on its folder."""
        self.life: AbstractContextManager[World] = open_world(self.folder, clock=self.clock, on_disk=True)
        self.world = self.life.__enter__()

    # ------------------------------------------------------------ what is sent

    @rule(source=AGENT, about=AGENT, context=CONTEXTS, report=st.booleans())
    def say(self, source: int, about: int, context: str | None, *, report: bool) -> None:
        """An agent says something of another; a newcomer may say little a day."""
        answer = self.world.submit(document := self.statement(source, about, context, report=report))
        if answer.status == 201:
            self.keep(document, answer)
            return
        assert answer.code in ("leaf_budget_exhausted", "agent_suspended", "subject_not_active"), answer
        assert self.world.index_of(document) is None

    @precondition(lambda self: self.accepted)
    @rule(which=st.integers(0, 10_000))
    def say_again(self, which: int) -> None:
        """What was acknowledged is sent again, at any time: the same place."""
        document, index = self.accepted[which % len(self.accepted)]
        answer = self.world.submit(document)
        assert (answer.status, _index(answer)) == (200, index)

    @rule(source=AGENT, about=AGENT)
    def forge(self, source: int, about: int) -> None:
        """A changed statement is refused and leaves nothing."""
        document = self.statement(source, about, None, report=False)
        document["credentialSubject"]["strength"] = 99
        before = self.world.fingerprint()
        assert self.world.submit(document).status in (400, 409, 429)
        assert self.world.fingerprint() == before

    @rule(source=AGENT, about=AGENT, written=st.booleans())
    def fail(self, source: int, about: int, *, written: bool) -> None:
        """The disk refuses a commit, before or after it has it: what the caller is told is what the log says."""
        document = self.statement(source, about, None, report=True)
        store = self.world.registry.store
        original = store.append

        def append(*arguments: Any, **named: Any) -> None:
            store.append = original  # type: ignore[method-assign]
            if written:
                original(*arguments, **named)
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))

        store.append = append  # type: ignore[method-assign]
        answer = self.world.submit(document)
        store.append = original  # type: ignore[method-assign]
        if answer.status == 201:
            assert written
            self.keep(document, answer)
        else:
            assert self.world.index_of(document) is None, answer

    @rule(which=AGENT, release=st.booleans())
    def suspend(self, which: int, *, release: bool) -> None:
        """The operator suspends an agent, or releases it."""
        answer = self.world.quarantine(self.agents[which], release=release)
        assert answer.status in (201, 409), answer
        self.fill += answer.status == 201

    @rule(days=st.sampled_from([0, 1, 40]))
    def wait(self, days: int) -> None:
        """Time passes, and an epoch is logged."""
        self.clock.advance(days * DAY_MS + 60_000)
        assert self.world.epoch().status == 201
        self.fill += 1

    # ------------------------------------------------------------ what was said privately

    @precondition(lambda self: len(self.told) < 4)
    @rule(source=AGENT, about=AGENT)
    def tell(self, source: int, about: int) -> None:
        """An agent says something privately beside a vouch; the operator can read it."""
        pair = self.agents[source], self.agents[about]
        if source == about or any(self.is_silent(one) for one in pair):
            return
        self.clock.advance(DAY_MS)
        told = tell(self.world, *pair)
        assert openings(self.world, told) == [told.opening.text]
        self.accepted.append((told.document, self.world.index_of(told.document) or -1))
        self.told.append(told)

    @precondition(lambda self: self.told)
    @rule(which=st.integers(0, 10))
    def erase(self, which: int) -> None:
        """The operator erases one event's openings."""
        told = self.told.pop(which % len(self.told))
        erase(self.world, {"event": told.event})
        self.fill += 1
        self.erased.append(told)
        assert openings(self.world, told) == []

    # ------------------------------------------------------------ the process

    @rule()
    def sign(self) -> None:
        """The committed head is signed, published, and the state map with it."""
        publish_state(self.world)
        head = self.world.registry.log.published_head
        assert self.signed.setdefault(head.size, head.root_hash) == head.root_hash

    @rule(crash=st.booleans())
    def start_again(self, *, crash: bool) -> None:
        """The process ends, in order or by a crash, and starts again: the same log, the same state."""
        before, registry = self.world.fingerprint(), self.world.registry
        if crash:
            for part, name in (
                (registry.log, "sign_if_grown"), (registry.log, "sign_if_due"), (registry.snapshots, "save"),
                (registry.snapshots, "save_if_due"), (registry.witnessing.publisher, "stop"),
            ):  # fmt: skip
                setattr(part, name, lambda *_: None)
        self.life.__exit__(None, None, None)
        self.open()
        assert self.world.fingerprint() == before

    # ------------------------------------------------------------ what must hold

    def teardown(self) -> None:
        """Read all of it once more, as an auditor would."""
        if not hasattr(self, "world"):
            return
        try:
            self.check()
        finally:
            self.life.__exit__(None, None, None)
            shutil.rmtree(self.folder, ignore_errors=True)

    def check(self) -> None:
        """Compare the log with the model."""
        world, store = self.world, self.world.registry.store
        size = world.size
        assert size == self.first + len(self.accepted) + self.fill
        entries = list(store.walk(0, size))
        assert [one.index for one in entries] == list(range(size))
        assert len({one.event_id for one in entries}) == size
        for document, index in self.accepted:
            assert entries[index].event_id == event_id(document)
        for signed, root in self.signed.items():
            assert store.right_edge(signed).root() == root
        folded: LogState = load_state(store, size).state
        assert dump_state(folded) == dump_state(world.registry.state)
        publish_state(world)
        states = all_states(folded.tables)
        rows = {subject_key(name): state_digest(record_of(one)) for name, one in states.items() if one is not None}
        assert _newest_map_root(world) == StateMap(rows=rows.items()).root
        for told in self.erased:
            assert openings(world, told) == []

    # ------------------------------------------------------------ parts

    def statement(self, source: int, about: int, context: str | None, *, report: bool) -> dict[str, Any]:
        """Return a signed vouch or report."""
        actor, subject = self.agents[source], self.agents[about if about != source else (about + 1) % AGENTS]
        return actor.report(subject.did, context=context) if report else actor.vouch(subject.did, context=context)

    def is_silent(self, actor: Actor) -> bool:
        """Whether the agent may say nothing now."""
        agent = self.world.registry.state.find_agent(actor.did)
        return agent is None or agent.state != "active"

    def keep(self, document: dict[str, Any], answer: Answer) -> None:
        """Remember what was promised."""
        self.accepted.append((document, _index(answer)))


def _index(answer: Answer) -> int:
    (accepted,) = answer.json["acceptance"]["credentialSubject"]["accepted"]
    return int(accepted["index"])


def _newest_map_root(world: World) -> bytes:
    answer = world.web.get("/state/checkpoint")
    assert answer.status == 200, answer
    size = int(answer.body.split(b"\n")[1])
    bundle = world.web.get(f"/state/tile/entries/{(size - 1) // 256:03d}.p/{size % 256}" if size % 256 else "")
    return bundle.body[-32:]  # of the last entry, whose map root comes last


TestRegistryMachine = RegistryMachine.TestCase
TestRegistryMachine.settings = examples("the life of a registry", stateful_step_count=20)
