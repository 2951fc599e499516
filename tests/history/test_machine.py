"""Random histories: whatever is tried, the log folds to the same state however it is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from did_methods.errors import BonafidesError
from registry.history.replay import replay_leaf, verify_leaf
from registry.history.snapshot import dump_state, load_state
from registry.history.state import LogState
from tests.support.drafts import fingerprint
from tests.support.logs import DAY_MS, HOUR_MS, SECOND_MS, Actor, LogBuilder, key_actor

PEOPLE = st.integers(0, 5)
CONTEXTS = st.sampled_from([None, None, "coding", "pay"])
WAITS = st.sampled_from([0, SECOND_MS, HOUR_MS, DAY_MS, 40 * DAY_MS])


class LogMachine(RuleBasedStateMachine):
    """Tries statements of every kind, sensible or not, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.log = LogBuilder()
        self.people: list[Actor] = []
        self.refused = 0

    @initialize()
    def begin(self) -> None:
        """Open the log with one root agent and some others."""
        self.log.open(key_actor("person-0"))
        self.people = [self.log.agent(f"person-{number}", hosted=number % 2 == 1) for number in range(4)]
        self.people += [key_actor("person-4"), key_actor("person-5")]
        self.log.epoch()

    def attempt(self, document: dict[str, Any]) -> None:
        """Log a statement, or hold that its refusal changes nothing."""
        draft = self.log.state.draft()
        before = fingerprint(draft)
        try:
            self.log.draft_with(draft, document)
        except BonafidesError:
            assert fingerprint(draft) == before
            self.refused += 1
        else:
            self.log.add(document)

    @rule(wait=WAITS)
    def pass_time(self, wait: int) -> None:
        """Let time pass."""
        self.log.wait(wait)

    @rule(who=PEOPLE)
    def register(self, who: int) -> None:
        """Register somebody, who may be registered."""
        self.attempt(self.log.registration_document(self.people[who]))

    @rule(source=PEOPLE, subject=PEOPLE, context=CONTEXTS, is_vouch=st.booleans())
    def speak(self, source: int, subject: int, context: str | None, is_vouch: bool) -> None:
        """Vouch for or report somebody else."""
        if source != subject:
            make = self.log.vouch_document if is_vouch else self.log.report_document
            self.attempt(make(self.people[source], self.people[subject], context))

    @rule(who=PEOPLE, back=st.integers(1, 12))
    def revoke(self, who: int, back: int) -> None:
        """Take back one of the newest statements, perhaps somebody else's."""
        leaf = self.log.leaves[-min(back, len(self.log.leaves))]
        if leaf.kind in ("vouch", "report", "passport"):
            self.attempt(self.log.revocation_document(self.people[who], leaf))

    @rule(who=PEOPLE)
    def show_passport(self, who: int) -> None:
        """Log a passport."""
        self.attempt(self.log.passport_document(self.people[who]))

    @rule(who=st.sampled_from([1, 3]), end=st.integers(0, 4))
    def change_did(self, who: int, end: int) -> None:
        """Rotate a hosted DID's keys, or end it."""
        actor = self.people[who]
        if actor.webvh is not None and not actor.webvh.deactivated:
            self.log.wait()
            state = self.log.state.tables.agents[actor.did].state
            if state == "revoked":
                with pytest.raises(BonafidesError):
                    self.log.rotate(actor)
            elif end:
                self.log.rotate(actor)
            else:
                self.log.deactivate(actor)

    @rule(who=PEOPLE, kind=st.sampled_from(["quarantine", "release", "quarantine", "release", "agent_revocation"]))
    def change_state(self, who: int, kind: str) -> None:
        """Suspend, release or revoke an agent."""
        self.attempt(self.log.state_document(kind, self.people[who].did))

    @rule(roots=st.lists(PEOPLE, min_size=1, max_size=3, unique=True))
    def list_roots(self, roots: list[int]) -> None:
        """Log another root list."""
        self.attempt(self.log.root_list_document([self.people[one].did for one in roots]))

    @rule(short=st.integers(0, 6))
    def log_epoch(self, short: int) -> None:
        """Log an epoch that covers all leaves but some of the newest."""
        head = self.log.state.head
        last = head.epoch.index if head.epoch else 0
        self.attempt(self.log.epoch_document(covers=max(last + 1, head.size - short)))

    @rule()
    def forge_epoch(self) -> None:
        """Try an epoch with another commitment."""
        self.attempt(self.log.epoch_document(commitment=bytes(32)))

    @precondition(lambda self: len(self.log.leaves) > 1)
    @rule(back=st.integers(1, 10))
    def repeat(self, back: int) -> None:
        """Try a statement that is logged already."""
        self.attempt(self.log.documents[-min(back, len(self.log.documents))])

    @invariant()
    def counts_agree(self) -> None:
        """The counters of the head are those of the tables."""
        live = self.log.state.tables.live.values()
        assert self.log.state.head.live_vouches == sum(one.kind == "vouch" for one in live)
        silenced = {agent.did for agent in self.log.state.tables.agents.values() if agent.state != "active"}
        assert self.log.state.silenced == silenced

    def teardown(self) -> None:
        """Fold the whole log again in three other ways; all give the same leaves and the same state."""
        if not self.people:
            return
        verified, replayed = LogState(), LogState()
        draft = verified.draft()
        assert [verify_leaf(draft, leaf.data) for leaf in self.log.leaves] == self.log.leaves
        draft.commit()
        draft = replayed.draft()
        for start in range(0, len(self.log.leaves), 5):
            for leaf in self.log.leaves[start : start + 5]:
                replay_leaf(draft, leaf.data)
            draft.commit()  # and used again, twice of three times
            if start % 15 == 0:
                replayed = load_state(dump_state(replayed))
                draft = replayed.draft()
        assert verified == self.log.state
        assert replayed == self.log.state


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
