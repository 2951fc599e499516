"""Agents register themselves; readers ask what stands of them.

Steps of `register`: 1 a known presentation is answered as before; 2 the flood limits; 3 the challenge is used up; 4 the
DID's first entry (did:webvh) and the presentation enter the log together, or neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_encode
from registry.adapters.system_clock import Clock
from registry.credentials.errors import ChallengeMissingError
from registry.errors import ParseError
from registry.history.errors import AgentUnknownError
from registry.history.state import Agent, LogState
from registry.history.statement import DidOperationStatement, RegistrationStatement, Statement, parse_statement
from registry.limits import EVENTS_PAGE
from registry.reputation.score import Reading
from registry.services.admission import RegistrationRates
from registry.services.challenge import Challenges, ChallengeUnknownError
from registry.services.sequencer import Accepted, Sequencer, Submission
from registry.services.standing import StandingService
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
    """A live vouch or report about an agent, with what it contributes now (None: its issuer has no voice)."""

    kind: str
    issuer: str
    context: str | None
    index: int
    event_id: bytes
    weight_micros: int | None
    share_micros: int | None


class AgentService:
    """Registration and look-ups of agents."""

    def __init__(self, *, sequencer: Sequencer, store: LogStore, challenges: Challenges, clock: Clock) -> None:
        self._sequencer = sequencer
        self._state: LogState = sequencer.state
        self._store = store
        self._challenges = challenges
        self._clock = clock
        self.standings = StandingService(sequencer)

    def parse_registration(self, document: dict[str, Any]) -> list[Statement]:
        """Parse a registration request's body: ``{"presentation": …, "didLog": [entry]?}``.

        Raises:
            RegistrationFormError: ``registration_malformed``.
            BonafidesError: what the presentation or the entry break.
        """
        unknown = document.keys() - {"presentation", "didLog"}
        presentation, did_log = document.get("presentation"), document.get("didLog", [])
        if unknown or not isinstance(presentation, dict) or not isinstance(did_log, list):
            raise RegistrationFormError("send presentation and, for did:webvh, didLog with one entry")
        statement = parse_statement(presentation)
        if not isinstance(statement, RegistrationStatement):
            raise RegistrationFormError("the presentation is not a VerifiablePresentation")
        entries: list[Statement] = []
        for entry in did_log:
            parsed = parse_statement(entry) if isinstance(entry, dict) else None
            if not isinstance(parsed, DidOperationStatement) or parsed.did != statement.presentation.holder:
                raise RegistrationFormError("didLog holds the first entry of the holder's DID")
            entries.append(parsed)
        if len(entries) > 1:
            raise RegistrationFormError("register with the first entry only; append others later")
        return [*entries, statement]

    def register(self, document: dict[str, Any], *, source: str | None, rates: RegistrationRates) -> list[Accepted]:
        """Register an agent; returns what the log holds of it now.

        Args:
            document: the request's body.
            source: the caller's address for the flood limits; None is not counted by source.
            rates: the flood limits.

        Raises:
            BonafidesError: ``registration_rate_exceeded``, ``challenge_unknown`` and what the log refuses.
        """
        statements = self.parse_registration(document)
        presentation = statements[-1]
        assert isinstance(presentation, RegistrationStatement)
        if all(self._sequencer.find(one.event_id) for one in statements):
            return [found for one in statements if (found := self._sequencer.find(one.event_id))]
        now_ms = self._clock.now_ms()
        challenge = presentation.presentation.proof.challenge
        if challenge is None:
            raise ChallengeMissingError
        # Looked at before it is counted: whoever has no challenge cannot use up the share of all others.
        if not self._challenges.is_outstanding(challenge, now_ms=now_ms):
            raise ChallengeUnknownError
        rates.take(source, now_ms=now_ms)
        self._challenges.take(challenge, now_ms=now_ms)
        outcomes = self._sequencer.submit(Submission(statements)).result()
        return [one for one in outcomes if isinstance(one, Accepted)]

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
            head = self._state.head
            instant = max(instant, head.last_time_ms)
            reading = self._state.reputation.reading(did, context, now_ms=instant)
        return Standing(agent, reading, context, head.size, instant, head.genesis.rules if head.genesis else "")

    def entries_of(self, did: str, *, before: int | None, limit: int) -> list[tuple[int, EntryRecord]]:
        """Return (count, entry) of an agent's chain, newest first."""
        rows = self._store.chain(did, before=before, limit=min(limit, EVENTS_PAGE))
        found = [(count, self._store.entry(index)) for count, index in rows]
        return [(count, entry) for count, entry in found if entry is not None]

    def statements_about(self, did: str) -> list[ShownStatement]:
        """Return the live vouches and reports about an agent, oldest first, with what each contributes now."""
        self.find(did)
        now_ms = max(self._clock.now_ms(), self._state.head.last_time_ms)
        shown: list[ShownStatement] = []
        live = [item for item in list(self._state.tables.live.items()) if item[1].subject == did]
        with self._sequencer.lock:
            for event_id, one in sorted(live, key=lambda item: item[1].index)[:MAX_VOUCHES_SHOWN]:
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
                        one.index,
                        event_id,
                        None if part is None else part.weight_micros,
                        None if part is None else part.slow_micros,
                    )
                )
        return shown

    def did_log(self, did: str) -> list[dict[str, Any]]:
        """Return a hosted DID's log entries, oldest first."""
        return self._store.did_operations(did)


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
    }


def select_accepted(outcomes: Sequence[object]) -> list[Accepted]:
    """Return the accepted ones among outcomes."""
    return [one for one in outcomes if isinstance(one, Accepted)]
