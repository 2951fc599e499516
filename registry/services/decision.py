"""May this agent do exactly this, now? Gathers the facts, asks the pure rooms, records the answer.

Everything on this path is in memory: the folded log, the policy pack, the results of proofs that were verified before.
The steps of `DecisionService.decide`:

1. parse the request;
2. verify what proves the agent (presentation), if anything was sent;
3. verify the capability credentials that came along and pick the one for this action;
4. gather the fact vector at one tree size and one instant, under the reader's lock;
5. evaluate; 6. record; 7. answer.

Spec: AuthZEN 1.0 6; FORMATS "Presentation in a decision", "Fact vector".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from did_methods.canonical import sha256_jcs
from did_methods.codec import base64url_encode
from did_methods.errors import BonafidesError
from registry.adapters.system_clock import Clock
from registry.credentials.errors import HolderKeyError, PresentationExpiredError
from registry.credentials.presentation import parse_presentation, verify_presentation
from registry.credentials.verify import BoundKey
from registry.decisions.facts import FactVector, standard_observations
from registry.decisions.policy import ActionRule, PolicyPack
from registry.decisions.request import EvaluationRequest, parse_evaluation, request_binding, request_digest
from registry.decisions.verdict import Decision, evaluate_request
from registry.history.control import instance_name
from registry.history.state import Agent, LogState
from registry.limits import (
    DECISION_BODY_BYTES,
    REMEMBERED_PRESENTATIONS,
    REMEMBERED_REQUEST_BYTES,
    REMEMBERED_REQUESTS,
)
from registry.services.capability import Capabilities, CheckedCapability, StatusMemory
from registry.services.challenge import Challenges, ChallengeUnknownError
from registry.services.observation import KEY_ERRORS
from registry.services.sequencer import Sequencer

DAY_MS = 86_400_000

_FAULTS = {
    "presentation_expired": "proof_expired",
    "challenge_unknown": "proof_replayed",
    "holder_key_mismatch": "key_not_bound",
    "key_not_found": "key_not_bound",
    "verification_method_not_found": "key_not_bound",
}
"""Codes of the rooms that have a reason code of their own; every other fault is `proof_invalid`."""


@dataclass(frozen=True, slots=True)
class _Proven:
    """A presentation that verified: who holds it, by which key, until when, and what rides in it."""

    holder: str
    key: BoundKey
    expires_ms: int | None
    credentials: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Proof:
    """What the decision knows about how the agent was proven."""

    kind: str = "none"
    fault: str = ""
    digest: str = ""
    credentials: tuple[dict[str, Any], ...] = ()
    instance: str = ""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as it was read, with the digests that follow from its bytes alone."""

    request: EvaluationRequest
    digest: str
    binding: str
    presentation_digest: bytes


def _read(body: bytes) -> _Asked:
    request = parse_evaluation(body, max_bytes=DECISION_BODY_BYTES)
    presented = b"" if request.presentation is None else sha256_jcs(request.presentation)
    return _Asked(request, request_digest(request), request_binding(request), presented)


# An agent at work asks the same again and again: what follows from the bytes alone is not computed twice. What was read
# is never changed, and nothing that depends on the log or the clock is in it.
_read_short = lru_cache(maxsize=REMEMBERED_REQUESTS)(_read)


@dataclass(slots=True)
class _Memory:
    """Presentations that verified, by digest; the bound key is compared with the active one at each use."""

    entries: OrderedDict[tuple[bytes, str], _Proven] = field(default_factory=OrderedDict)

    def get(self, key: tuple[bytes, str]) -> _Proven | None:
        """Return what is remembered, and keep it longer."""
        found = self.entries.get(key)
        if found is not None:
            self.entries.move_to_end(key)
        return found

    def put(self, key: tuple[bytes, str], proven: _Proven, *, now_ms: int) -> None:
        """Remember; forget what has expired and, beyond the limit, the oldest."""
        self.entries[key] = proven
        while len(self.entries) > REMEMBERED_PRESENTATIONS or self._is_oldest_expired(now_ms):
            self.entries.popitem(last=False)

    def _is_oldest_expired(self, now_ms: int) -> bool:
        oldest = next(iter(self.entries.values()), None)
        return oldest is not None and oldest.expires_ms is not None and oldest.expires_ms <= now_ms


class DecisionService:
    """Decides. Called from one thread (the event loop); the sequencer's lock orders it with the writer."""

    def __init__(
        self,
        *,
        sequencer: Sequencer,
        pack: PolicyPack,
        clock: Clock,
        challenges: Challenges,
        new_id: Callable[[], str],
        look_again: Callable[[str], None],
        statuses: StatusMemory,
    ) -> None:
        """Wire it.

        Args:
            sequencer: owner of the folded state.
            pack: the policies.
            clock: the wall clock.
            challenges: those outstanding.
            new_id: makes evaluation ids.
            look_again: told, and not waited for, when a presentation does not verify under the keys known of a DID.
            statuses: of the capabilities that are presented.
        """
        self._look_again = look_again
        self._sequencer = sequencer
        self._state: LogState = sequencer.state
        self.pack = pack
        self._clock = clock
        self._challenges = challenges
        self._new_id = new_id
        self._memory = _Memory()
        self._capabilities = Capabilities(self._state, statuses=statuses)

    def decide(self, body: bytes, *, gateway_asserts: bool = True) -> tuple[str, Decision]:
        """Answer an AuthZEN evaluation request.

        Args:
            body: the request as received.
            gateway_asserts: the caller is an authenticated gateway, whose word on who acts is a proof of kind
                ``gateway_asserted``.

        Returns:
            (evaluation id, decision).

        Raises:
            EvaluationParseError: the request cannot be read; nothing was decided.
        """
        asked = _read_short(body) if len(body) <= REMEMBERED_REQUEST_BYTES else _read(body)
        request = asked.request
        rule = self.pack.classify(request.action_name, risk=request.risk)
        with self._sequencer.lock:
            # One tree size for keys and facts alike, and no instant before its last leaf, whatever the clock does.
            now_ms = max(self._clock.now_ms(), self._state.head.last_time_ms)
            proof = self._prove(asked, now_ms)
            if proof.kind == "none" and not proof.fault and gateway_asserts:
                proof = _Proof("gateway_asserted")
            capability = self._capabilities.find(request, (*request.capabilities, *proof.credentials), now_ms=now_ms)
            facts = self._facts(request, rule, proof, capability, digest=asked.digest, now_ms=now_ms)
        return self._new_id(), evaluate_request(facts, self.pack, request_digest=asked.digest)

    def fetch_challenge(self, body: bytes) -> None:
        """Have the challenge that a request answers at hand, for deciding may not wait; may be called from any thread.

        Args:
            body: the request as received.

        Raises:
            EvaluationParseError: the request cannot be read.
            DependencyError: the database cannot be asked.
        """
        asked = _read_short(body) if len(body) <= REMEMBERED_REQUEST_BYTES else _read(body)
        proof = (asked.request.presentation or {}).get("proof")
        challenge = proof.get("challenge") if isinstance(proof, dict) else None
        if isinstance(challenge, str) and challenge != asked.binding:
            self._challenges.fetch(challenge, now_ms=self._clock.now_ms())

    # ------------------------------------------------------------ how the agent was proven

    def _prove(self, asked: _Asked, now_ms: int) -> _Proof:
        request, digest = asked.request, asked.presentation_digest
        if request.presentation is None or not request.agent_did:
            return _Proof()
        try:
            proven = self._verified(asked, now_ms)
        except BonafidesError as error:
            if isinstance(error, KEY_ERRORS):
                self._look_again(request.agent_did)
            return _Proof("none", _FAULTS.get(error.code, "proof_invalid"), base64url_encode(digest))
        if proven.holder != request.agent_did:  # a remembered proof: the binding names the subject, not who acts for it
            return _Proof("none", "key_not_bound", base64url_encode(digest))
        instance = instance_name(proven.key.method_id)
        return _Proof("presentation", "", base64url_encode(digest), proven.credentials, instance)

    def _verified(self, asked: _Asked, now_ms: int) -> _Proven:
        """Verify the presentation, or recall that it verified for these very values under a key that is still active."""
        request, digest, binding = asked.request, asked.presentation_digest, asked.binding
        known = self._memory.get((digest, binding))
        if known is not None:
            if known.expires_ms is not None and now_ms >= known.expires_ms:
                raise PresentationExpiredError
            if self._state.find_key(known.key.method_id, "authentication").public_key == known.key.public_key:
                return known
        genesis = self._state.head.genesis
        presentation = parse_presentation(request.presentation or {})
        if presentation.holder != request.agent_did:
            raise HolderKeyError  # before the challenge: whose proof it is says more than that it was made for something else
        bound = presentation.proof.challenge == binding
        challenge = presentation.proof.challenge or ""
        if not bound and not self._challenges.is_outstanding(challenge, now_ms=now_ms):
            raise ChallengeUnknownError
        verified = verify_presentation(
            presentation,
            keys=self._state,
            now_ms=now_ms,
            domain=genesis.origin if genesis else "",
            challenge=challenge,
            request_bound=bound,
        )
        proven = _Proven(
            verified.holder,
            verified.key,
            presentation.proof.expires_ms,
            tuple(each.document for each in presentation.credentials),
        )
        if bound:
            self._memory.put((digest, binding), proven, now_ms=now_ms)
        else:
            self._challenges.take(challenge, now_ms=now_ms)
        return proven

    # ------------------------------------------------------------ the facts

    def _facts(
        self,
        request: EvaluationRequest,
        rule: ActionRule,
        proof: _Proof,
        capability: CheckedCapability | None,
        *,
        digest: str,
        now_ms: int,
    ) -> FactVector:
        agent = self._state.find_agent(request.agent_did) if request.agent_did else None
        return FactVector(
            tree_size=self._state.head.size,
            evaluated_at_ms=now_ms,
            observations=standard_observations(
                request_digest=digest,
                policy_revision=self.pack.revision,
                observed_ms=now_ms,
                presentation_digest=proof.digest,
                capability_digest=capability.digest if capability else "",
            ),
            agent_did=request.agent_did,
            actor_conflict=request.actor_conflict,
            action_name=request.action_name,
            resource_type=request.resource_type,
            resource_id=request.resource_id,
            risk=request.risk,
            action_class=rule.action_class,
            context=rule.context or "",
            proof=proof.kind,
            instance=proof.instance,
            proof_fault=proof.fault,
            log_confirmed=self._sequencer.is_confirmed,
            **({} if agent is None else self._agent_facts(agent, rule.context, now_ms)),
            **({} if capability is None else capability.facts()),
        )

    def _agent_facts(self, agent: Agent, context: str | None, now_ms: int) -> dict[str, Any]:
        scores = self._state.reputation
        overall = scores.reading(agent.did, now_ms=now_ms)
        row = scores.agents.get(agent.did)
        scored = context is not None and row is not None and context in row.contexts
        inside = scores.reading(agent.did, context, now_ms=now_ms) if scored else None
        factors = overall.factors
        return {
            "agent_known": True,
            "agent_state": agent.state,
            "score_micros": overall.score_micros,
            "record_micros": overall.record_micros,
            "confidence_micros": overall.confidence_micros,
            "context_scored": inside is not None,
            "context_score_micros": inside.score_micros if inside is not None else 0,
            "existence_days": factors.tenure_days,
            "registered_index": agent.registered_index,
            "vouches_live": factors.vouches,
            "reports_live": factors.reports,
            "passport_present": agent.passport_event is not None,
            "passport_event": base64url_encode(agent.passport_event) if agent.passport_event else "",
            **_continuity_facts(agent, now_ms),
        }


def _continuity_facts(agent: Agent, now_ms: int) -> dict[str, Any]:
    control = agent.control
    facts: dict[str, Any] = {}
    if control.last is not None:
        facts = {
            "continuity": control.last.continuity,
            "continuity_reasons": ",".join(control.last.reasons),
            "continuity_index": control.last.index,
        }
    if control.carried is not None:
        days = (now_ms - control.carried.time_ms) // DAY_MS
        facts |= {"control_changed": control.carried.continuity, "control_changed_days": days}
    if control.code_changed_ms >= 0:
        facts["code_changed_days"] = (now_ms - control.code_changed_ms) // DAY_MS
    return facts
