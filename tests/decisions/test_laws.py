"""Laws of the baseline policy over random facts."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.decisions.facts import MAX_SCORE_MICROS, FactVector
from registry.decisions.policy import PolicyPack
from registry.decisions.reasons import REASONS
from registry.decisions.verdict import evaluate_request, replay
from tests.decisions.builders import AGENT, DIGEST, MANIFEST, POLICY_TEXT, SCHEMA, baseline, excellent, vectors

_RULE = re.compile(r'@id\("([a-z-]+)"\).*?;\n', re.DOTALL)


@lru_cache
def weakened() -> tuple[tuple[str, PolicyPack], ...]:
    """Return one pack per forbid of the baseline, each without that rule."""
    text = POLICY_TEXT.decode()
    found = [match for match in _RULE.finditer(text) if "forbid" in match[0]]
    return tuple(
        (rule[1], PolicyPack.load((text[: rule.start()] + text[rule.end() :]).encode(), SCHEMA, MANIFEST))
        for rule in found
    )


@given(vectors())
def test_total_and_deterministic(facts: FactVector) -> None:
    """Every vector gets a decision with known reasons, and the same one from equal facts and a pack loaded anew."""
    decision = evaluate_request(facts, baseline(), request_digest=DIGEST)
    again = PolicyPack.load(POLICY_TEXT, SCHEMA, MANIFEST)
    assert decision == evaluate_request(FactVector.from_wire(facts.to_wire()), again, request_digest=DIGEST)
    assert decision.reason == decision.reasons[0]
    assert set(decision.reasons) <= REASONS.keys()
    assert decision.decision == (decision.reasons == ("trust_ok",))


@given(vectors())
@settings(max_examples=300)
def test_forbids_and_permits_agree(facts: FactVector) -> None:
    """What no permit allows, some forbid explains: the baseline never falls back on policy_denied or on doubt."""
    decision = evaluate_request(facts, baseline(), request_digest=DIGEST)
    assert not {"policy_denied", "evaluator_unavailable"} & set(decision.reasons)


@given(vectors())
def test_losing_one_forbid_never_opens_a_door(facts: FactVector) -> None:
    """With any one forbid removed, everything that the baseline denies is still denied."""
    allowed = baseline().evaluate(facts).allowed
    for rule_id, pack in weakened():
        assert pack.evaluate(facts).allowed == allowed, rule_id


# One thing wrong with an otherwise excellent agent, the classes it matters for, and the reason it must give.
RISKY = ("payments.refund", "payments.transfer")
WRITING = ("write", *RISKY)
ANY = ("read", *WRITING)
SINGLE_FAULTS: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({"actor_conflict": True}, ANY, "actor_conflict"),
    ({"agent_known": False}, ANY, "agent_unknown"),
    ({"agent_state": "unknown"}, ANY, "agent_unknown"),
    ({"agent_state": "suspended"}, ANY, "agent_quarantined"),
    ({"agent_state": "deactivated"}, ANY, "agent_deactivated"),
    ({"agent_state": "revoked"}, ANY, "agent_revoked"),
    ({"proof_fault": "key_not_bound"}, ANY, "key_not_bound"),
    ({"proof_fault": "another_fault"}, ANY, "proof_invalid"),
    ({"proof": "none"}, WRITING, "proof_required"),
    ({"proof": "gateway_asserted"}, WRITING, "proof_required"),
    ({"proof": "http_signature"}, WRITING, "proof_required"),
    ({"score_micros": 19_999_999}, ANY, "trust_below_threshold"),
    ({"score_micros": 39_999_999}, WRITING, "trust_below_threshold"),
    ({"score_micros": 59_999_999}, RISKY, "trust_below_threshold"),
    ({"score_micros": 79_999_999}, ("payments.transfer",), "trust_below_threshold"),
    ({"existence_days": 59}, ("payments.transfer",), "existence_below_threshold"),
    ({"context_scored": True, "context_score_micros": 49_999_999}, RISKY, "trust_below_threshold"),
    ({"passport_present": False}, RISKY, "passport_required"),
    ({"capability_present": False}, RISKY, "capability_required"),
    ({"capability_matches": False}, RISKY, "capability_mismatch"),
    ({"capability_expired": True}, RISKY, "capability_expired"),
    ({"capability_superseded": True}, RISKY, "capability_superseded"),
    ({"capability_issuer": AGENT}, RISKY, "capability_untrusted"),
    ({"capability_issuer_is_root": False}, RISKY, "capability_untrusted"),
    ({"capability_issuer_state": "suspended"}, RISKY, "capability_untrusted"),
    (
        {
            "capability_issuer_is_root": False,
            "capability_issuer_state": "active",
            "capability_issuer_score_micros": 69_999_999,
        },
        RISKY,
        "capability_untrusted",
    ),
    (
        {
            "capability_issuer_is_root": False,
            "capability_issuer_state": "suspended",
            "capability_issuer_score_micros": 95_000_000,
        },
        RISKY,
        "capability_untrusted",
    ),
]


@lru_cache
def permits_only() -> PolicyPack:
    """Return the baseline's permits without any of its forbids."""
    text = POLICY_TEXT.decode()
    kept = "".join(match[0] for match in _RULE.finditer(text) if "permit" in match[0])
    return PolicyPack.load(kept.encode(), SCHEMA, MANIFEST)


@pytest.mark.parametrize("action", ANY)
@pytest.mark.parametrize(
    ("wrong", "actions", "reason"), SINGLE_FAULTS, ids=["-".join(map(str, case[0].values())) for case in SINGLE_FAULTS]
)
def test_one_thing_wrong_denies_twice(
    wrong: dict[str, Any], actions: tuple[str, ...], reason: str, action: str
) -> None:
    """An excellent agent with one fault is denied with its reason, and by the permits alone too; else allowed."""
    facts = excellent(action_name=action, **wrong)
    decision = evaluate_request(facts, baseline(), request_digest=DIGEST)
    assert decision.reasons == ((reason,) if action in actions else ("trust_ok",))
    assert permits_only().evaluate(facts).allowed == (action not in actions)


def test_every_forbid_is_covered_by_the_law() -> None:
    """The law above removes each of the baseline's 22 forbids."""
    assert len(weakened()) == POLICY_TEXT.decode().count("\nforbid (") == 23


@given(
    vectors(),
    st.sampled_from(["score_micros", "context_score_micros", "capability_issuer_score_micros", "existence_days"]),
    st.integers(1, MAX_SCORE_MICROS),
)
@settings(max_examples=300)
def test_standing_is_monotone(facts: FactVector, name: str, rise: int) -> None:
    """Raising a score or the time of existence never turns an allow into a deny."""
    if name == "context_score_micros" and not facts.context_scored:
        return
    better = replace(facts, **{name: min(getattr(facts, name) + rise, MAX_SCORE_MICROS)})
    assert baseline().evaluate(better).allowed >= baseline().evaluate(facts).allowed


@given(vectors(), st.sampled_from(["suspended", "deactivated", "revoked", "unknown"]))
def test_every_bad_state_denies(facts: FactVector, state: str) -> None:
    """An agent that is not active is allowed nothing, whatever else is true."""
    assert not baseline().evaluate(replace(facts, agent_state=state)).allowed


@given(vectors())
def test_the_score_alone_never_allows_a_risky_thing(facts: FactVector) -> None:
    """Without proof nothing but low is allowed; without passport and capability nothing above medium."""
    bare = replace(facts, proof="gateway_asserted", score_micros=MAX_SCORE_MICROS)
    assert not baseline().evaluate(bare).allowed or bare.action_class == "low"
    alone = replace(facts, capability_present=False, score_micros=MAX_SCORE_MICROS)
    assert not baseline().evaluate(alone).allowed or alone.action_class in {"low", "medium"}


@given(vectors())
def test_replay_is_byte_exact(facts: FactVector) -> None:
    """A record decided again from its own vector gives the same bytes."""
    record = evaluate_request(facts, baseline(), request_digest=DIGEST).to_record()
    assert replay(record, baseline()) == record
