"""Turn a fact vector into a decision, write its record, and replay records byte for byte.

A decision is a pure function of the fact vector and the policy pack. Doubt of any kind (a rule that cannot be
evaluated, an action class that is not the pack's) is a denial with a reason, never an exception. The module gathers no
facts, signs nothing and stores nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from did_methods.canonical import canonicalize
from did_methods.codec import JsonValue, parse_json_object
from did_methods.errors import DidError
from did_methods.timestamp import format_timestamp
from registry.decisions.facts import MAX_FACTS_BYTES, POINT_MICROS, FactVector
from registry.decisions.policy import PolicyAnswer, PolicyPack
from registry.decisions.reasons import reason_text
from registry.errors import ConflictError, ParseError

RECORD_FORMAT: Final = "bonafides/decision/1"
MAX_RECORD_BYTES: Final = 2 * MAX_FACTS_BYTES
"""Largest decision record read back, in bytes."""

BANDS: Final = (
    (10, "untrusted"),
    (24, "poor"),
    (26, "newcomer"),
    (40, "low"),
    (60, "fair"),
    (80, "good"),
)
"""Upper bounds in points (exclusive) and names; from the last bound on it is ``high``."""

_SHOWN_MICROS: Final = POINT_MICROS // 100
"""Shown figures have two decimals, rounded down."""


class DecisionRecordError(ParseError):
    """A decision record is malformed."""

    code = "decision_record_invalid"
    title = "Decision record is not valid"


class PolicyRevisionError(ConflictError):
    """A record was made under another revision of the policy than the one at hand."""

    code = "policy_revision_mismatch"
    title = "Policy revision differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer to one request; equal facts and pack give an equal decision.

    Attributes:
        decision: True allows.
        reason: the first of ``reasons``.
        reasons: every reason code, in the order of precedence of the policy.
        rules: ids of the policy rules that determined it.
        obligations: (rule id, obligation type) that the gateway must perform.
        band: name of the score's band; ``unknown`` for an agent that is not registered.
        facts: the whole vector.
        request_digest: base64url SHA-256 of the request.
        policy_id: name of the pack.
        policy_revision: revision of the pack.
    """

    decision: bool
    reason: str
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    obligations: tuple[tuple[str, str], ...]
    band: str
    facts: FactVector
    request_digest: str
    policy_id: str
    policy_revision: str

    @property
    def score_micros(self) -> int:
        """Overall score of the acting agent, in micro-points."""
        return self.facts.score_micros

    @property
    def tree_size(self) -> int:
        """Number of log entries the decision follows from."""
        return self.facts.tree_size

    @property
    def action_class(self) -> str:
        """Risk class under which the action was judged."""
        return self.facts.action_class

    def to_authzen(self, evaluation_id: str, *, origin: str) -> dict[str, JsonValue]:
        """Build the response body of the AuthZEN evaluation.

        Args:
            evaluation_id: identifier under which the record is kept.
            origin: origin of the log the facts come from.

        Returns:
            ``{"decision": …, "context": {…}}``; times are RFC 3339, scores points with two decimals, rounded down.

        Spec: AuthZEN Authorization API 1.0, 5.5; specs/decision.md, response
        """
        texts = {code: reason_text(code) for code in self.reasons}
        context: dict[str, JsonValue] = {
            "evaluation_id": evaluation_id,
            "evaluated_at": format_timestamp(self.facts.evaluated_at_ms),
            "reason": self.reason,
            "reason_admin": {code: text.admin for code, text in texts.items()},
            "reason_user": {self.reason: texts[self.reason].user},
            "risk": self.action_class,
            "trust": self._trust(),
            "continuity": self._continuity(),
            "policy": {"id": self.policy_id, "revision": self.policy_revision},
            "log": {"tree_size": self.tree_size, "origin": origin},
        }
        if self.obligations:
            context["obligations"] = [
                {"id": rule_id, "type": kind, "properties": {}} for rule_id, kind in self.obligations
            ]
        return {"decision": self.decision, "context": context}

    def _trust(self) -> dict[str, JsonValue]:
        facts = self.facts
        trust: dict[str, JsonValue] = {
            "score": _shown(facts.score_micros),
            "band": self.band,
            "record": _shown(facts.record_micros),
            "confidence": _shown(facts.confidence_micros),
        }
        if facts.context_scored:
            trust["context"] = {"name": facts.context, "score": _shown(facts.context_score_micros)}
        return trust

    def _continuity(self) -> dict[str, JsonValue]:
        facts = self.facts
        reasons: list[JsonValue] = list(facts.continuity_reasons.split(",")) if facts.continuity_reasons else []
        index = facts.continuity_index if facts.continuity_index >= 0 else None
        shown: dict[str, JsonValue] = {"class": facts.continuity, "reasons": reasons, "index": index}
        if facts.control_changed:
            shown["control_changed"] = {"class": facts.control_changed, "days": facts.control_changed_days}
        return shown

    def to_record(self) -> bytes:
        """Write the decision record: the whole vector, the request digest and the verdict, as canonical JSON.

        Spec: specs/decision.md, decision record; RFC 8785
        """
        verdict: dict[str, JsonValue] = {
            "decision": self.decision,
            "reasons": list(self.reasons),
            "rules": list(self.rules),
            "obligations": [{"rule": rule_id, "type": kind} for rule_id, kind in self.obligations],
            "band": self.band,
        }
        return canonicalize(
            {
                "format": RECORD_FORMAT,
                "requestDigest": self.request_digest,
                "policy": {"id": self.policy_id, "revision": self.policy_revision},
                "vector": self.facts.to_object(),
                "verdict": verdict,
            }
        )


def evaluate_request(facts: FactVector, pack: PolicyPack, *, request_digest: str) -> Decision:
    """Decide whether the action may be done now; total, deterministic, and closed on doubt.

    Args:
        facts: the fact vector of the request.
        pack: the policy pack; the same that classified the action.
        request_digest: ``request_digest`` of the request, kept in the record.

    Returns:
        The decision; a denial is a decision, not an exception.

    Spec: specs/decision.md, evaluation
    """
    # 1. Class and context must be what this pack says of the action: a gatherer cannot choose a gentler class.
    rule = pack.classify(facts.action_name, risk=facts.risk)
    consistent = (rule.action_class, rule.context) == (facts.action_class, facts.context)
    # 2. Ask the policy.
    answer = pack.evaluate(facts)
    # 3. Any doubt denies, be it about the log itself; a permit that doubt overrules determines nothing.
    doubt = not consistent or bool(answer.faults) or not facts.log_confirmed
    if doubt and answer.allowed:
        answer = PolicyAnswer(allowed=False, rules=(), reasons=(), obligations=(), faults=answer.faults)
    # 4. Order the reasons: doubt, then the precedence of the policy; a denial by default has a reason too.
    codes = ("evaluator_unavailable", *answer.reasons) if doubt else answer.reasons
    reasons = codes or ("policy_denied",)
    # 5. Name the band of the score for people.
    return Decision(
        decision=answer.allowed,
        reason=reasons[0],
        reasons=reasons,
        rules=answer.rules,
        obligations=answer.obligations,
        band=band_of(facts.score_micros) if facts.agent_known else "unknown",
        facts=facts,
        request_digest=request_digest,
        policy_id=pack.pack_id,
        policy_revision=pack.revision,
    )


def band_of(score_micros: int) -> str:
    """Return the name of the band a score lies in.

    Args:
        score_micros: score in micro-points.

    Spec: specs/decision.md, bands
    """
    return next((name for bound, name in BANDS if score_micros < bound * POINT_MICROS), "high")


def _shown(micros: int) -> float:
    return micros // _SHOWN_MICROS / 100


def replay(record: bytes, pack: PolicyPack) -> bytes:
    """Decide again from the vector in a record.

    Args:
        record: what ``Decision.to_record`` wrote.
        pack: the pack of the revision that the record names.

    Returns:
        The record that this code writes for that vector; equal to ``record`` unless the record was altered.

    Raises:
        DecisionRecordError: decision_record_invalid.
        FactError: facts_invalid.
        PolicyRevisionError: policy_revision_mismatch.

    Spec: specs/decision.md, decision record
    """
    try:
        value = parse_json_object(record, max_bytes=MAX_RECORD_BYTES)
    except DidError as error:
        raise DecisionRecordError("not JSON") from error
    vector, digest, policy = value.get("vector"), value.get("requestDigest"), value.get("policy")
    if value.get("format") != RECORD_FORMAT or not isinstance(vector, dict) or not isinstance(digest, str):
        raise DecisionRecordError("not a decision record of this format")
    if policy != {"id": pack.pack_id, "revision": pack.revision}:
        raise PolicyRevisionError("the record was made under another policy revision")
    return evaluate_request(FactVector.from_object(vector), pack, request_digest=digest).to_record()
