"""The table of facts: name, kind, range and meaning of each; the contract of the fact vector.

Adding or changing a row is a new format of the vector. The module decides nothing and checks nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

POINT_MICROS: Final = 1_000_000
"""One point of score in micro-points."""
MAX_SCORE_MICROS: Final = 100 * POINT_MICROS

AGENT_STATES: Final = ("active", "suspended", "deactivated", "revoked", "unknown")
PROOFS: Final = ("none", "gateway_asserted", "presentation", "token", "http_signature")
CONTINUITY: Final = ("routine", "upgrade", "recovery", "suspected_transfer")
"""Classes of a change of identity, in rising order; kept equal to those of the reputation room."""
ACTION_CLASSES: Final = ("low", "medium", "high", "critical")
"""Risk classes of actions, in rising order."""

FactValue: TypeAlias = int | bool | str
MAX_INTEGER: Final = 2**53 - 1
_CODE: Final = re.compile(r"(?:[a-z][a-z0-9_]{0,63})?\Z")
_CODES: Final = re.compile(r"(?:[a-z_]{1,40}(?:,[a-z_]{1,40})*)?\Z")
_SLUG: Final = re.compile(r"[a-z0-9-]{0,64}\Z")
_CONTEXT: Final = re.compile(r"[a-z0-9-]{0,40}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSpec:
    """What one fact may hold.

    Attributes:
        name: name in policies and on the wire.
        kind: ``integer``, ``boolean`` or ``text``.
        meaning: one sentence for the table in ``specs/decision.md``.
        least: smallest integer allowed.
        most: largest integer, or greatest number of characters of a text.
        choices: closed set of texts; empty when the text is open.
        pattern: form of an open text; None when only the length counts.
    """

    name: str
    kind: Literal["integer", "boolean", "text"]
    meaning: str
    least: int = 0
    most: int = MAX_INTEGER
    choices: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None


def _integer(name: str, meaning: str, *, least: int = 0, most: int = MAX_INTEGER) -> FactSpec:
    return FactSpec(name=name, kind="integer", meaning=meaning, least=least, most=most)


def _score(name: str, meaning: str) -> FactSpec:
    return _integer(name, meaning, most=MAX_SCORE_MICROS)


def _boolean(name: str, meaning: str) -> FactSpec:
    return FactSpec(name=name, kind="boolean", meaning=meaning)


def _text(name: str, meaning: str, most: int, *, pattern: re.Pattern[str] | None = None) -> FactSpec:
    return FactSpec(name=name, kind="text", meaning=meaning, most=most, pattern=pattern)


def _choice(name: str, meaning: str, choices: tuple[str, ...]) -> FactSpec:
    return FactSpec(name=name, kind="text", meaning=meaning, choices=choices)


FACTS: Final = (
    _text("agent_did", "The one acting agent; empty when nobody, or two different agents, are named.", 512),
    _boolean("actor_conflict", "Two places of the request name different acting agents."),
    _text("action_name", "`action.name` of the request.", 256),
    _text("resource_type", "`resource.type` of the request.", 128),
    _text("resource_id", "`resource.id` of the request.", 1024),
    _choice("risk", "`resource.properties.risk` of the request; empty when not stated.", ("", *ACTION_CLASSES)),
    _choice("action_class", "Class the policy pack gives the action, raised by `risk`.", ACTION_CLASSES),
    _text("context", "The one context the policy pack maps the action to; empty for none.", 40, pattern=_CONTEXT),
    _choice("proof", "How the agent was proven in this request.", PROOFS),
    _text("instance", "Name of the instance whose key proved the agent; empty for a main key.", 64, pattern=_SLUG),
    _text("proof_fault", "Reason code of a proof that was sent and failed; else empty.", 64, pattern=_CODE),
    _boolean("agent_known", "The agent is registered in this log."),
    _choice("agent_state", "State of the agent after the last entry of the prefix.", AGENT_STATES),
    _score("score_micros", "Overall score, in micro-points."),
    _score("record_micros", "The score without clocks, in micro-points."),
    _integer("confidence_micros", "Weight of the counted evidence (P + Q), in millionths."),
    _boolean("context_scored", "The agent has a score of its own in `context`."),
    _score("context_score_micros", "That score, in micro-points; 0 when there is none."),
    _integer("existence_days", "Completed days of unbroken existence."),
    _integer("registered_index", "Log index of the registration; -1 when unknown.", least=-1),
    _integer("vouches_live", "Number of live vouches for the agent that count: their issuers have a voice."),
    _integer("reports_live", "Number of live reports against the agent that count: their issuers have a voice."),
    _boolean("passport_present", "A passport of the agent is logged and neither replaced nor revoked."),
    _text("passport_event", "Event id of that passport; empty when there is none.", 64),
    _choice(
        "continuity", "Class of the newest change of the agent's identity; `routine` before the first.", CONTINUITY
    ),
    _text("continuity_reasons", "Signs that class rests on, sorted, with commas between.", 256, pattern=_CODES),
    _integer("continuity_index", "Log index of that change; -1 before the first.", least=-1),
    _choice("control_changed", "Class of the newest change that cost standing; empty for none.", ("", *CONTINUITY)),
    _integer("control_changed_days", "Completed days since that change; -1 for none.", least=-1),
    _integer("code_changed_days", "Completed days since code or model last changed; -1 for never.", least=-1),
    _boolean("capability_present", "A capability credential for the agent came with the request and verified."),
    _boolean("capability_matches", "It names this action and this resource."),
    _boolean("capability_expired", "It is not valid at `evaluated_at` (too early, too late, or revoked)."),
    _boolean("capability_superseded", "It was made before the newest suspected transfer of the agent."),
    _text("capability_issuer", "DID of its issuer; empty when there is none.", 512),
    _choice("capability_issuer_state", "State of that issuer in the log.", AGENT_STATES),
    _score("capability_issuer_score_micros", "Overall score of that issuer, in micro-points."),
    _boolean("capability_issuer_is_root", "That issuer is on the current root list."),
    _boolean("log_confirmed", "The prefix was confirmed, within the time allowed, to be all of the log that stands."),
)
"""Every fact, in the order of the documentation. Adding one is a new ``FACTS_FORMAT``."""

FACT_NAMES: Final = tuple(spec.name for spec in FACTS)
