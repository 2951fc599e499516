"""Agents register themselves; readers ask what stands of them.

Steps of `register`: 1 a known presentation is answered as before; 2 the flood limits; 3 a DID hosted elsewhere is looked
at; 4 the challenge is used up; 5 the DID's first entry with its witness proofs (did:webvh here) or what was seen of it
(elsewhere) and the presentation enter the log together, or none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_encode
from registry.adapters.system_clock import Clock
from registry.credentials.errors import ChallengeMissingError
from registry.errors import ParseError
from registry.history.errors import AgentExistsError, AgentUnknownError
from registry.history.state import Agent, Dispute, Draft, LogState
from registry.history.statement import RegistrationStatement, Statement, parse_statement
from registry.limits import EVENTS_PAGE
from registry.reputation.continuity import ClassifiedChange, Control
from registry.reputation.score import Reading
from registry.services.admission import RegistrationRates
from registry.services.challenge import Challenges, ChallengeUnknownError
from registry.services.hosting import parse_entry, parse_witness
from registry.services.observation import ObservationService, Seen, check_can_register
from registry.services.sequencer import Sequencer
from registry.services.standing import StandingService
from registry.services.submission import Accepted, Submission
from registry.storage.log import EntryRecord, LogStore

MAX_VOUCHES_SHOWN = 1_000


class RegistrationFormError(ParseError):
    """The registration is not a presentation with, for did:webvh, the DID's first entry."""

    code = "registration_malformed"
    title = "Not a registration"


@dataclass(frozen=True, slots=True)
class Standing:
    """An agent's standing at one instant.

    Attributes:
        agent: who.
        reading: score, record and factors.
        context: the context asked for; None overall.
        tree_size: the log prefix it follows from.
        as_of_ms: the instant.
        rules: version of the score's rules.
    """

    agent: Agent
    reading: Reading
    context: str | None
    tree_size: int
    as_of_ms: int
    rules: str


@dataclass(frozen=True, slots=True)
class ShownStatement:
    """A live vouch or report about an agent, what it contributes now (None: its issuer has no voice), whether it is disputed."""

    kind: str
    issuer: str
    context: str | None
    index: int
    event_id: bytes
    weight_micros: int | None
    share_micros: int | None
    dispute: Dispute | None


class AgentService:
    """Registration and look-ups of agents."""

    def __init__(
        self,
        *,
        sequencer: Sequencer,
        store: LogStore,
        challenges: Challenges,
        clock: Clock,
        observations: ObservationService,
    ) -> None:
        self._sequencer = sequencer
        self._state: LogState = sequencer.state
        self._store = store
        self._challenges = challenges
        self._clock = clock
        self._observations = observations
        self.standings = StandingService(sequencer)

    def parse_registration(self, document: dict[str, Any]) -> list[Statement]:
        """Parse a registration request's body: ``{"presentation": …, "didLog": [entry]?, "witness": proofs?}``.

        Returns:
            In the order of the log: the witness proofs, the DID's first entry, the presentation.

        Raises:
            RegistrationFormError: ``registration_malformed``.
            BonafidesError: what the presentation, the entry or the proofs break.
        """
        unknown = document.keys() - {"presentation", "didLog", "witness"}
        presentation, did_log = document.get("presentation"), document.get("didLog", [])
        if unknown or not isinstance(presentation, dict) or not isinstance(did_log, list):
            raise RegistrationFormError("send presentation and, for did:webvh, didLog with one entry")
        statement = parse_statement(presentation)
        if not isinstance(statement, RegistrationStatement):
            raise RegistrationFormError("the presentation is not a VerifiablePresentation")
        if len(did_log) > 1:
            raise RegistrationFormError("register with the first entry only; append others later")
        entries = [parse_entry(entry) for entry in did_log if isinstance(entry, dict)]
        if len(entries) != len(did_log) or any(one.did != statement.presentation.holder for one in entries):
            raise RegistrationFormError("didLog holds the first entry of the holder's DID")
        witness = [parse_witness(document["witness"], one) for one in entries if "witness" in document]
        if "witness" in document and not witness:
            raise RegistrationFormError("witness comes with didLog")
        return [*witness, *entries, statement]

    def register(self, document: dict[str, Any], *, source: str | None, rates: RegistrationRates) -> list[Accepted]:
        """Register an agent; returns what the log holds of it now.

        Args:
            document: the request's body.
            source: the caller's address for the flood limits; None is not counted by source.
            rates: the flood limits.

        Raises:
            BonafidesError: ``registration_rate_exceeded``, ``challenge_unknown``, what looking at a foreign DID meets,
                and what the log refuses.
        """
        statements = self.parse_registration(document)
        presentation = statements[-1]
        assert isinstance(presentation, RegistrationStatement)
        if all(self._sequencer.find(one.event_id) for one in statements):
            return [found for one in statements if (found := self._sequencer.find(one.event_id))]
        now_ms = self._clock.now_ms()
        self._sequencer.check_open()  # a challenge is not used up where nothing can be taken
        challenge = presentation.presentation.proof.challenge
        if challenge is None:
            raise ChallengeMissingError
        # Looked at before it is counted: whoever has no challenge cannot use up the share of all others.
        if not self._challenges.is_outstanding(challenge, now_ms=now_ms):
            raise ChallengeUnknownError
        rates.take(source, now_ms=now_ms)
        seen = self._look(presentation.presentation.holder, statements)
        self._challenges.take(challenge, now_ms=self._clock.now_ms())
        return self._submit(statements, seen)

    def _look(self, holder: str, statements: Sequence[Statement]) -> Seen | None:
        """Look at a foreign DID before it registers; None for one whose keys are known without.

        Raises:
            AgentExistsError: ``agent_exists``, before anybody else's host is asked.
            BonafidesError: the codes of `check_published`, `look` and `check_can_register`.
        """
        if len(statements) > 1:
            return None
        self._observations.check_published(holder)
        if not self._observations.needs_look(holder):
            return None
        if self._state.find_agent(holder) is not None:
            raise AgentExistsError
        seen = self._observations.look(holder)
        check_can_register(seen)
        return seen

    def _submit(self, statements: Sequence[Statement], seen: Seen | None) -> list[Accepted]:
        """Log a registration, right after the observation that it rests on unless the log says the same already."""

        def prepare(draft: Draft, _now_ms: int) -> Sequence[Statement]:
            assert seen is not None
            news = seen.is_news(draft.observations.get(seen.did))
            return [*([self._observations.statement(seen)] if news else []), *statements]

        submission = Submission(statements) if seen is None else Submission((), prepare=prepare)
        outcomes = self._sequencer.submit(submission).result()
        # What the caller is promised is its own: the same request gets the same promise again.
        own = {one.event_id for one in statements}
        return [one for one in outcomes if isinstance(one, Accepted) and one.event_id in own]

    def find(self, did: str) -> Agent:
        """Return an agent.

        Raises:
            AgentUnknownError: ``agent_unknown``.
        """
        agent = self._state.find_agent(did)
        if agent is None:
            raise AgentUnknownError
        return agent

    def list_agents(self, *, after: str, limit: int) -> list[Agent]:
        """Return agents in order of registration, after a DID ("" from the beginning)."""
        with self._sequencer.lock:
            agents = list(self._state.tables.agents.values())
        start = 0
        if after:
            start = next((i + 1 for i, agent in enumerate(agents) if agent.did == after), len(agents))
        return agents[start : start + limit]

    def standing(self, did: str, *, context: str | None = None, now_ms: int | None = None) -> Standing:
        """Read an agent's standing.

        Args:
            did: the agent.
            context: a context slug; None is overall.
            now_ms: the instant, not before the last leaf; None is now.

        Raises:
            AgentUnknownError: ``agent_unknown``.
        """
        instant = self._clock.now_ms() if now_ms is None else now_ms
        with self._sequencer.lock:
            agent = self.find(did)
            did = agent.did
            head = self._state.head
            instant = max(instant, head.last_time_ms)
            reading = self._state.reputation.reading(did, context, now_ms=instant)
        return Standing(agent, reading, context, head.size, instant, head.genesis.rules if head.genesis else "")

    def entries_of(self, did: str, *, before: int | None, limit: int) -> list[tuple[int, EntryRecord]]:
        """Return (count, entry) of an agent's chain, newest first."""
        rows = self._store.chain(self._state.canonical_did(did), before=before, limit=min(limit, EVENTS_PAGE))
        found = [(count, self._store.entry(index)) for count, index in rows]
        return [(count, entry) for count, entry in found if entry is not None]

    def statements_about(self, did: str) -> list[ShownStatement]:
        """Return the live vouches and reports about an agent, oldest first, with what each contributes now."""
        did = self.find(did).did
        now_ms = max(self._clock.now_ms(), self._state.head.last_time_ms)
        shown: list[ShownStatement] = []
        tables = self._state.tables
        live = [(tables.events[event], event, one) for event, one in list(tables.live.items()) if one.subject == did]
        with self._sequencer.lock:
            for index, event_id, one in sorted(live)[:MAX_VOUCHES_SHOWN]:
                if one.kind not in ("vouch", "report"):
                    continue
                part = self._state.reputation.contribution(
                    "vouch" if one.kind == "vouch" else "report",
                    one.issuer,
                    target=did,
                    context=one.context,
                    now_ms=now_ms,
                )
                shown.append(
                    ShownStatement(
                        one.kind,
                        one.issuer,
                        one.context,
                        index,
                        event_id,
                        None if part is None else part.weight_micros,
                        None if part is None else part.slow_micros,
                        tables.disputes.get(event_id),
                    )
                )
        return shown


def agent_wire(agent: Agent) -> dict[str, Any]:
    """Return an agent as JSON."""
    return {
        "did": agent.did,
        "state": agent.state,
        "registeredIndex": agent.registered_index,
        "registeredTime": agent.registered_ms,
        "authorityEpoch": agent.authority_epoch,
        "changedIndex": agent.changed_index,
        "passport": None if agent.passport_event is None else base64url_encode(agent.passport_event),
        "continuity": continuity_wire(agent.control),
    }


def continuity_wire(control: Control) -> dict[str, Any]:
    """Return what the newest change of an identity was, and the newest that cost standing, as JSON."""
    last = change_wire(control.last) if control.last else {"class": "routine", "reasons": [], "index": None}
    return {**last, "controlChanged": None if control.carried is None else change_wire(control.carried)}


def change_wire(change: ClassifiedChange) -> dict[str, Any]:
    """Return a judged change as JSON."""
    return {
        "class": change.continuity,
        "reasons": list(change.reasons),
        "index": change.index,
        "time": change.time_ms,
        "source": change.source,
        "carried": change.carried,
    }


def select_accepted(outcomes: Sequence[object]) -> list[Accepted]:
    """Return the accepted ones among outcomes."""
    return [one for one in outcomes if isinstance(one, Accepted)]
