"""Name the reason codes of decisions, with one sentence for operators and one for whoever was refused.

The codes are for ever: programs branch on them. A policy pack may bring codes of its own; they are shown as they are.
The module decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ReasonText:
    """What people are told about a reason code.

    Attributes:
        admin: for the operator of the gateway; may name thresholds.
        user: for the caller that was refused; tells what to bring, not how the policy is cut.
    """

    admin: str
    user: str


_NOT_PROVEN: Final = "The proof that this agent acts was not accepted."
_STANDING: Final = "The agent's standing is not sufficient for this action."
_CAPABILITY: Final = "Send a capability credential that covers this action."

REASONS: Final[dict[str, ReasonText]] = {
    "trust_ok": ReasonText("Every requirement of the policy is met.", "Allowed."),
    "actor_conflict": ReasonText(
        "The request names different acting agents in different places.", "The request must name one acting agent."
    ),
    "agent_unknown": ReasonText(
        "The acting agent is not registered here, or is not named by a DID.", "Register the agent first."
    ),
    "agent_revoked": ReasonText("The operator has revoked the agent.", "This agent may not act."),
    "agent_deactivated": ReasonText("The agent has deactivated its DID.", "This agent may not act."),
    "agent_quarantined": ReasonText("The agent is suspended (quarantine).", "This agent may not act at present."),
    "key_not_bound": ReasonText("The proof was made with a key that is not the agent's.", _NOT_PROVEN),
    "proof_replayed": ReasonText("The challenge of the presentation was used before.", _NOT_PROVEN),
    "proof_expired": ReasonText("The proof is older than its end of validity.", _NOT_PROVEN),
    "proof_invalid": ReasonText("A proof was sent and does not verify for this request.", _NOT_PROVEN),
    "proof_required": ReasonText(
        "Actions of this class need a presentation bound to the request.", "Send a presentation made for this action."
    ),
    "trust_below_threshold": ReasonText("A score is below what this class of action needs.", _STANDING),
    "existence_below_threshold": ReasonText("The agent has not existed unbroken for long enough.", _STANDING),
    "passport_required": ReasonText("The agent has no valid passport in the log.", "Log an agent passport first."),
    "capability_superseded": ReasonText(
        "The capability was given before a suspected transfer of the agent.", _CAPABILITY
    ),
    "capability_required": ReasonText("No capability credential that verifies came with the request.", _CAPABILITY),
    "capability_mismatch": ReasonText("The capability is for another action or resource.", _CAPABILITY),
    "capability_expired": ReasonText("The capability is not valid at this time, or is revoked.", _CAPABILITY),
    "capability_untrusted": ReasonText(
        "The issuer of the capability is the agent itself, or neither a root nor an active agent of good standing.",
        _CAPABILITY,
    ),
    "policy_denied": ReasonText("No rule of the policy allows this request.", "The policy does not allow this."),
    "evaluator_unavailable": ReasonText(
        "The policy could not be evaluated over these facts; nothing is allowed on doubt.",
        "No decision could be made at present.",
    ),
}
"""Codes that the baseline policy and the evaluator itself use."""


def reason_text(code: str) -> ReasonText:
    """Return the sentences for a reason code; a code of a custom pack stands for itself.

    Args:
        code: snake_case reason code.

    Spec: specs/decision.md, reason codes
    """
    return REASONS.get(code) or ReasonText(f"A rule of the policy refused: {code}.", f"Refused: {code}.")
