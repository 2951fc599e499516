"""Builders shared by the tests of decisions: the baseline pack, fact vectors, evaluation requests."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from registry.decisions.fact_table import CONTINUITY
from registry.decisions.facts import ACTION_CLASSES, AGENT_STATES, PROOFS, FactVector, standard_observations
from registry.decisions.policy import PolicyPack
from registry.decisions.request import EvaluationRequest, request_digest

REPOSITORY = Path(__file__).resolve().parents[2]
POLICIES = REPOSITORY / "registry" / "decisions" / "policies"
VECTORS = REPOSITORY / "specs" / "vectors" / "decision"
AGENT = "did:web:agents.example:buyer"
ISSUER = "did:web:operator.example"
DIGEST = "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg"
NOW_MS = 1_795_165_200_000

POLICY_TEXT = (POLICIES / "baseline.cedar").read_bytes()
SCHEMA = (POLICIES / "schema.cedarschema").read_bytes()
MANIFEST = (POLICIES / "baseline.json").read_bytes()

ACTIONS = ("read", "write", "payments.refund", "payments.transfer", "unheard-of")


@lru_cache
def baseline() -> PolicyPack:
    """Return the baseline pack, loaded once."""
    return PolicyPack.load(POLICY_TEXT, SCHEMA, MANIFEST)


def vector(pack: PolicyPack | None = None, **facts: Any) -> FactVector:
    """Return an active newcomer's vector for ``read``, with class and context as the pack has them."""
    pack = pack or baseline()
    values: dict[str, Any] = {
        "agent_did": AGENT,
        "action_name": "read",
        "resource_type": "record",
        "resource_id": "orders-7",
        "log_confirmed": True,
        "agent_known": True,
        "agent_state": "active",
        "score_micros": 25_000_000,
        "record_micros": 25_000_000,
        "registered_index": 17,
        "tree_size": 90_211,
        "evaluated_at_ms": NOW_MS,
        "observations": standard_observations(
            request_digest=DIGEST, policy_revision=pack.revision, observed_ms=NOW_MS, presentation_digest=DIGEST
        ),
    } | facts
    rule = pack.classify(values["action_name"], risk=values.get("risk", ""))
    return FactVector(**{"action_class": rule.action_class, "context": rule.context} | values)


def vector_for(request: EvaluationRequest, pack: PolicyPack, **facts: Any) -> FactVector:
    """Return the vector that a gatherer would build for a request, given the facts that are not in the request."""
    observations = standard_observations(
        request_digest=request_digest(request), policy_revision=pack.revision, observed_ms=NOW_MS
    )
    return vector(
        pack,
        agent_did=request.agent_did,
        actor_conflict=request.actor_conflict,
        action_name=request.action_name,
        resource_type=request.resource_type,
        resource_id=request.resource_id,
        risk=request.risk,
        observations=observations,
        **facts,
    )


def excellent(**facts: Any) -> FactVector:
    """Return a vector that the baseline allows every action."""
    values: dict[str, Any] = {
        "proof": "presentation",
        "score_micros": 95_000_000,
        "existence_days": 400,
        "passport_present": True,
        "passport_event": DIGEST,
        "capability_present": True,
        "capability_matches": True,
        "capability_issuer": ISSUER,
        "capability_issuer_is_root": True,
    }
    return vector(**values | facts)


def evaluation(**members: Any) -> dict[str, Any]:
    """Return an evaluation request as JSON, with members replaced; None removes one."""
    value: dict[str, Any] = {
        "subject": {"type": "agent", "id": AGENT},
        "action": {"name": "read"},
        "resource": {"type": "record", "id": "orders-7"},
    } | members
    return {name: member for name, member in value.items() if member is not None}


def encode(value: Any) -> bytes:
    """Return JSON bytes of a value."""
    return json.dumps(value).encode()


def _near(*points: int) -> st.SearchStrategy[int]:
    """Return scores at, just below and just above the thresholds, and any others."""
    edges = [point * 1_000_000 + delta for point in points for delta in (-1, 0, 1)]
    return st.sampled_from([edge for edge in edges if 0 <= edge <= 100_000_000]) | st.integers(0, 100_000_000)


def _mostly(others: st.SearchStrategy[Any], *, usual: Any) -> st.SearchStrategy[Any]:
    """Return the usual value nine times out of ten, so that random vectors also reach the permits."""
    return st.integers(0, 9).flatmap(lambda roll: others if roll == 9 else st.just(usual))


@st.composite
def vectors(draw: st.DrawFn) -> FactVector:
    """Draw a vector whose class is the baseline's and whose other facts are anything."""
    scored = draw(st.booleans())
    return vector(
        agent_did=draw(_mostly(st.sampled_from(["", ISSUER]), usual=AGENT)),
        actor_conflict=draw(_mostly(st.booleans(), usual=False)),
        action_name=draw(st.sampled_from(ACTIONS).flatmap(lambda name: _mostly(st.text(max_size=8), usual=name))),
        resource_id=draw(st.text(max_size=8)),
        risk=draw(_mostly(st.sampled_from(ACTION_CLASSES), usual="")),
        proof=draw(_mostly(st.sampled_from(PROOFS), usual="presentation")),
        proof_fault=draw(_mostly(st.sampled_from(["", "key_not_bound", "proof_expired", "anything_else"]), usual="")),
        agent_known=draw(_mostly(st.booleans(), usual=True)),
        agent_state=draw(_mostly(st.sampled_from(AGENT_STATES), usual="active")),
        score_micros=draw(_near(0, 10, 20, 40, 60, 80, 100) | st.just(95_000_000)),
        context_scored=scored,
        context_score_micros=draw(_near(50, 100) | st.just(95_000_000)) if scored else 0,
        existence_days=draw(st.sampled_from([0, 59, 60, 61, 400])),
        passport_present=draw(_mostly(st.booleans(), usual=True)),
        capability_present=draw(_mostly(st.booleans(), usual=True)),
        capability_matches=draw(_mostly(st.booleans(), usual=True)),
        capability_expired=draw(_mostly(st.booleans(), usual=False)),
        capability_superseded=draw(_mostly(st.booleans(), usual=False)),
        continuity=draw(st.sampled_from(CONTINUITY)),
        control_changed=draw(st.sampled_from(["", *CONTINUITY])),
        capability_issuer=draw(_mostly(st.sampled_from(["", AGENT]), usual=ISSUER)),
        capability_issuer_state=draw(_mostly(st.sampled_from(AGENT_STATES), usual="active")),
        capability_issuer_score_micros=draw(_near(70, 100) | st.just(95_000_000)),
        capability_issuer_is_root=draw(st.booleans()),
    )
