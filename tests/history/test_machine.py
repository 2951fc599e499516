"""Random histories: whatever is tried, the log folds to the same state however it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from did_methods.errors import BonafidesError
from did_methods.keys import SigningKey
from did_methods.webvh_create import deactivate_entry, document_template, move_document
from did_methods.webvh_state import WebvhState
from registry.audit.state_map import StateMapAudit
from registry.history.replay import replay_leaf, verify_leaf
from registry.history.sequence import SequencedLeaf
from registry.history.snapshot import START, dump_changes, dump_state, load_state, mark_of
from registry.history.state import Changes, LogState, scid_of
from registry.history.subject_state import SubjectState, all_states, changed_states, record_of, touched_states
from registry.log.merkle import derive_root
from registry.log.state_map import StateEntry, StateMap, state_digest, subject_key
from tests.support import evidence
from tests.support.drafts import fingerprint
from tests.support.identity_log import (
    adopt,
    approval,
    foreign_actor,
    next_entry,
    observation_document,
    observed,
    update_key,
    with_key,
    witness_rule,
)
from tests.support.laws import examples
from tests.support.logs import DAY_MS, HOUR_MS, SECOND_MS, Actor, LogBuilder, key_actor, seed

PEOPLE = st.integers(0, 7)
HOSTED, ELSEWHERE = st.sampled_from([1, 3]), st.sampled_from([6, 7])
PLACES = ["away.example", "registry.example:agents:other", "registry.example:agents:person-1", "registry.example:x"]
KEYS = st.lists(st.sampled_from(["first", "second"]), unique=True)
CONTEXTS = st.sampled_from([None, None, "coding", "pay"])
WAITS = st.sampled_from([0, SECOND_MS, HOUR_MS, DAY_MS, 40 * DAY_MS])


def set_rows(rows: dict[str, bytes], changes: Mapping[str, SubjectState | None]) -> None:
    """Bring the records of subjects up to date, as whoever keeps the state map does."""
    rows |= {subject: record_of(state) for subject, state in changes.items() if state is not None}
    for subject in [subject for subject, state in changes.items() if state is None]:
        rows.pop(subject, None)


def state_entry(leaves: Sequence[SequencedLeaf], rows: Mapping[str, bytes]) -> StateEntry:
    """Return the state log's entry about these leaves, with these records of subjects."""
    state_map = StateMap(rows={subject_key(one): state_digest(record) for one, record in rows.items()}.items())
    return StateEntry(len(leaves), derive_root([leaf.leaf_hash for leaf in leaves]), 16, 1, state_map.root)


class LogMachine(RuleBasedStateMachine):
    """Tries statements of every kind, sensible or not, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.log = LogBuilder()
        self.people: list[Actor] = []
        self.former: list[Actor] = []
        self.refused = 0

    @initialize()
    def begin(self) -> None:
        """Open the log with one root agent and some others."""
        self.log.open(key_actor("person-0"))
        self.people = [self.log.agent(f"person-{number}", hosted=number % 2 == 1) for number in range(4)]
        self.people += [key_actor("person-4"), key_actor("person-5")]
        self.people += [foreign_actor("person-6"), foreign_actor("person-7")]
        self.log.epoch()

    def attempt(self, *documents: dict[str, Any]) -> bool:
        """Log statements together, or hold that the refusal of one changes nothing."""
        draft = self.log.state.draft()
        for document in documents:
            before = fingerprint(draft)
            try:
                self.log.draft_with(draft, document)
            except BonafidesError:
                assert fingerprint(draft) == before
                self.refused += 1
                return False
        if draft.head.witness_ahead is not None:
            return False  # as the sequencer: nothing ends with witness proofs
        for document in documents:
            self.log.add(document)
        return True

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
        if leaf.kind in ("vouch", "report", "passport", "affiliation", "attestation", "dispute"):
            self.attempt(self.log.revocation_document(self.people[who], leaf))

    @rule(
        source=PEOPLE, subject=PEOPLE, what=st.sampled_from(["affiliation", "receipt", "attestation", "action_record"])
    )
    def give_evidence(self, source: int, subject: int, what: str) -> None:
        """Give a badge, a receipt or an attestation, perhaps of oneself, or record an action."""
        first, second = self.people[source], self.people[subject]
        if what == "action_record" or source == subject:
            make = evidence.action_record if what == "action_record" else evidence.attestation
            self.attempt(make(self.log, first))
        else:
            self.attempt(getattr(evidence, what)(self.log, first, second))

    @rule(who=PEOPLE, back=st.integers(1, 12), word=st.sampled_from([None, None, "upheld", "dismissed"]))
    def contest(self, who: int, back: int, word: Any) -> None:
        """Dispute one of the newest reports, perhaps one about somebody else, or rule on a dispute."""
        leaf = self.log.leaves[-min(back, len(self.log.leaves))]
        actor = self.people[who]
        if leaf.kind == "report" and word is None and self.log.documents[leaf.index]["issuer"] != actor.did:
            self.attempt(evidence.dispute(self.log, actor, leaf))
        elif leaf.kind == "dispute" and word is not None:
            self.attempt(evidence.ruling(self.log, leaf, word))

    @invariant()
    def disputes_hang_on_live_reports(self) -> None:
        """A dispute never outlives its report, and only an open one is live; an attestation that is kept is live."""
        tables = self.log.state.tables
        for report, one in tables.disputes.items():
            assert tables.live[report].kind == "report"
            assert (one.event_id in tables.live) == (one.state == "open")
        assert set(tables.attestations) == {event for event, one in tables.live.items() if one.kind == "attestation"}

    @rule(who=PEOPLE)
    def show_passport(self, who: int) -> None:
        """Log a passport."""
        self.attempt(self.log.passport_document(self.people[who]))

    @rule(
        who=HOSTED,
        change=st.sampled_from(["keys", "witnesses", "witnesses", "no witnesses", "end", "back", PLACES[0], *PLACES]),
        approved_by=st.sampled_from([[], [], ["w1", "w2"], ["w1", "w2"], ["w1"], ["w2", "stranger"]]),
    )
    def change_did(self, who: int, change: str, approved_by: list[str]) -> None:
        """Rotate a hosted DID's keys, put it under witnesses, move it, perhaps onto somebody's path, or end it."""
        actor = self.people[who]
        if actor.webvh is None or actor.webvh.deactivated:
            return
        self.log.wait()
        before = Actor(actor.did, actor.signer, actor.name)
        entry, state, signing = self.entry(actor, change)
        proofs = [approval(state.version_id, approved_by, now_ms=self.log.now_ms)] if approved_by else []
        if self.attempt(*proofs, entry):
            adopt(actor, state, signing=signing)
            self.former.append(before)

    def entry(self, actor: Actor, change: str) -> tuple[dict[str, Any], WebvhState, SigningKey | None]:
        """Make a hosted actor's next entry; returns its new signing key too, where it has one."""
        assert actor.webvh is not None
        turn, document, signing = actor.rotations + 1, None, None
        more: dict[str, Any] = {}
        match change:
            case "end":
                key = update_key(actor, turn)
                return *deactivate_entry(actor.webvh, update_key=key, version_time_ms=self.log.now_ms), None
            case "keys":
                signing = SigningKey(seed(actor.name, "signing", turn))
                document = document_template(actor.did, [signing.public_key])
            case "witnesses":
                more = {"witness": witness_rule(1 + turn % 2, "w1", "w2")}
            case "no witnesses":
                more = {"witness": None}
            case _:
                place = actor.webvh.first_did.split(":", 3)[3] if change == "back" else change
                new_did = f"did:webvh:{actor.webvh.scid}:{place}"
                document = None if new_did == actor.did else move_document(actor.webvh, new_did)
        return *next_entry(self.log, actor, document=document, **more), signing

    @rule(back=st.integers(1, 5))
    def speak_as_before(self, back: int) -> None:
        """Vouch under a former name, or with a former key, of an agent that changed since."""
        if self.former:
            former = self.former[-min(back, len(self.former))]
            self.attempt(self.log.vouch_document(former, self.people[0]))

    @rule(who=ELSEWHERE, keys=KEYS, forged=st.booleans(), late=st.booleans())
    def observe(self, who: int, keys: list[str], forged: bool, late: bool) -> None:
        """Log what was seen of a DID elsewhere, perhaps signed by an agent, perhaps a newer look first."""
        actor, signer = self.people[who], (self.people[0] if forged else self.log.registry).signer
        seen = observation_document(self.log, actor.did, observed(actor, *keys), signer=signer)
        if late:
            self.log.wait()
            self.attempt(observation_document(self.log, actor.did, observed(actor, *keys[::-1], "third")))
        self.attempt(seen)

    @rule(who=PEOPLE)
    def observe_anybody(self, who: int) -> None:
        """Try to put a key under any DID; none whose keys follow from the log or the DID takes it."""
        actor = self.people[who]
        held = self.attempt(observation_document(self.log, actor.did, observed(actor, "first")))
        assert not held or who in (6, 7)

    @rule(who=ELSEWHERE, key=st.sampled_from(["first", "second", "third"]))
    def take_key(self, who: int, key: str) -> None:
        """Let somebody elsewhere sign with another key from now on."""
        self.people[who] = with_key(self.people[who], key)

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

    @invariant()
    def names_agree(self) -> None:
        """Each name is one agent's: aliases, paths, logs and documents tell the same of each log."""
        tables, genesis = self.log.state.tables, self.log.state.head.genesis
        assert self.log.state.head.witness_ahead is None
        assert genesis is None or genesis.registry_did not in tables.agents
        for name, did in tables.aliases.items():
            assert name != did
            assert name not in tables.agents
            assert scid_of(name) == scid_of(did) == tables.webvh[did].scid
        for did, state in tables.webvh.items():
            assert self.log.state.canonical_did(state.did) == tables.logs[state.scid] == did
            assert state.deactivated == (did not in tables.documents)
            assert state.deactivated or tables.documents[did].id == state.did
        assert set(tables.paths.values()) == tables.webvh.keys()
        assert tables.documents.keys() <= tables.webvh.keys() | tables.observations.keys()
        assert not tables.webvh.keys() & tables.observations.keys()
        assert {did for _kind, *pair, _context in tables.newest for did in pair} <= tables.agents.keys()

    def teardown(self) -> None:
        """Fold the whole log again in three other ways; all give the same leaves and the same state."""
        if not self.people:
            return
        verified, replayed = LogState(), LogState()
        draft = replayed.draft()
        rows: dict[str, bytes] = {}
        maps: list[StateEntry] = []
        portions, mark, replayed.unsaved = [], START, Changes()
        for start in range(0, len(self.log.leaves), 5):
            for leaf in self.log.leaves[start : start + 5]:
                replay_leaf(draft, leaf.data)
            late = dict(rows)
            live_before = set(replayed.tables.live)
            set_rows(rows, touched_states(draft))
            draft.commit()  # and used again, twice of three times
            set_rows(late, changed_states(replayed.tables, since=start, live_before=live_before))
            assert late == rows
            maps.append(state_entry(self.log.leaves[: start + 5], rows))
            portions.append(dump_changes(replayed, replayed.unsaved, mark))
            if start % 15 == 0:  # what was kept goes on like what was folded
                replayed = load_state(*portions)
                draft = replayed.draft()
            if start % 40 == 0:
                portions = [dump_state(replayed)]
            mark, replayed.unsaved = mark_of(replayed), Changes()
        observer = StateMapAudit()
        observer.expect(enumerate(maps))
        draft = verified.draft()
        for leaf in self.log.leaves:
            assert verify_leaf(draft, leaf.data) == leaf
            assert not observer.observe(leaf, draft)
        draft.commit()
        assert observer.compared == len(maps)
        assert observer.replayed(verified) == maps[-1]
        assert verified == self.log.state
        assert replayed == load_state(*portions) == self.log.state
        assert dump_state(replayed) == dump_state(load_state(*portions)) == dump_state(self.log.state)
        everything: dict[str, bytes] = {}
        set_rows(everything, all_states(self.log.state.tables))
        assert rows == everything


TestLog = LogMachine.TestCase
TestLog.settings = examples("the life of a log", stateful_step_count=30)
