"""What the registry says of agents, compared member by member with what the log gives.

An answer names the log prefix (`treeSize`) and the instant (`asOf`) that it is about; it is recomputed at exactly these.

Spec: specs/audit.md; DESIGN 2 "One truth".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from did_methods.codec import base64url_encode
from registry.audit.finding import Finding, make_finding
from registry.history.state import Agent, LogState
from registry.reputation.continuity import ClassifiedChange, Control
from registry.reputation.score import Factors, Reading

_MICROS_PER_CENT = 10_000


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to "what is the standing of this agent"; `wire` is None where the registry knows no such agent."""

    did: str
    context: str | None
    wire: Mapping[str, Any] | None

    @property
    def tree_size(self) -> int | None:
        """The log prefix that the answer is about, or None where it does not say."""
        return _integer(self.wire, "treeSize")

    @property
    def as_of_ms(self) -> int | None:
        """The instant that the answer is about, in milliseconds, or None where it does not say."""
        return _integer(self.wire, "asOf")


def expected_agent(agent: Agent) -> dict[str, Any]:
    """Return what the registry must list of an agent."""
    return {
        "did": agent.did,
        "state": agent.state,
        "registeredIndex": agent.registered_index,
        "registeredTime": agent.registered_ms,
        "authorityEpoch": agent.authority_epoch,
        "changedIndex": agent.changed_index,
        "passport": None if agent.passport_event is None else base64url_encode(agent.passport_event),
        "continuity": _continuity(agent.control),
    }


def expected_standing(state: LogState, agent: Agent, *, context: str | None, as_of_ms: int) -> dict[str, Any]:
    """Return what the registry must answer for an agent at an instant not before the last leaf."""
    reading = state.reputation.reading(agent.did, context, now_ms=as_of_ms)
    return {
        "did": agent.did,
        "state": agent.state,
        "context": context,
        **_figures(reading),
        "factors": _factors(reading.factors),
        "continuity": _continuity(agent.control),
        "rules": state.head.genesis.rules if state.head.genesis else "",
        "treeSize": state.head.size,
        "asOf": as_of_ms,
    }


def contexts_of(state: LogState, did: str) -> tuple[str | None, ...]:
    """Return the contexts in which an agent has a standing; None, for overall, first."""
    row = state.reputation.agents.get(did)
    return (None, *(row.contexts if row is not None else ()))


def compare_agent(agent: Agent, row: Mapping[str, Any]) -> Finding | None:
    """Compare a listed agent with the log; None where they agree."""
    return _first_difference("agent_differs", agent, expected_agent(agent), row)


def compare_standing(state: LogState, answer: Answer, *, not_after_ms: int) -> Finding | None:
    """Compare an answer with the log up to its `treeSize`; None where they agree.

    Args:
        state: the fold of exactly the leaves below the answer's `treeSize`.
        answer: what the registry said.
        not_after_ms: the latest instant that the answer may be about.
    """
    agent = state.find_agent(answer.did)
    if agent is None or answer.wire is None:
        return make_finding("standing_missing", _where(answer.context), did=answer.did)
    instant = answer.as_of_ms
    if instant is None or not state.head.last_time_ms <= instant <= max(not_after_ms, state.head.last_time_ms):
        allowed = f"{state.head.last_time_ms} to {not_after_ms}"
        return make_finding("standing_instant", did=answer.did, expected=allowed, found=instant)
    expected = expected_standing(state, agent, context=answer.context, as_of_ms=instant)
    return _first_difference("standing_differs", agent, expected, answer.wire, context=answer.context)


def compare_listing(state: LogState, listed: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Compare the registry's list of agents with the log: each of them, none missing, none besides."""
    findings: list[Finding] = []
    seen: set[str] = set()
    for row in listed:
        did = str(row.get("did"))
        seen.add(did)
        agent = state.find_agent(did)
        found = make_finding("agent_invented", did=did) if agent is None else compare_agent(agent, row)
        findings.extend([] if found is None else [found])
    hidden = [did for did in state.tables.agents if did not in seen]
    return findings + [make_finding("agent_hidden", did=did) for did in hidden]


def _first_difference(
    code: str, agent: Agent, expected: Mapping[str, Any], found: Mapping[str, Any], *, context: str | None = None
) -> Finding | None:
    for name, value in expected.items():
        if isinstance(value, dict):
            inner = found.get(name)
            if not isinstance(inner, dict):
                return make_finding(code, name, did=agent.did, expected="an object", found=type(inner).__name__)
            different = _first_difference(code, agent, value, inner, context=context)
            if different is not None:
                return different
        elif name not in found or found[name] != value:
            detail = name + _where(context)
            return make_finding(code, detail, did=agent.did, expected=_shown(value), found=_shown(found.get(name)))
    return None


def _where(context: str | None) -> str:
    return "" if context is None else f" in {context}"


def _shown(value: object) -> str:
    return "null" if value is None else str(value)[:100]


def _figures(reading: Reading) -> dict[str, Any]:
    return {
        "score": reading.score_micros // _MICROS_PER_CENT / 100,
        "record": reading.record_micros // _MICROS_PER_CENT / 100,
        "scoreMicros": reading.score_micros,
        "recordMicros": reading.record_micros,
        "confidenceMicros": reading.confidence_micros,
    }


def _continuity(control: Control) -> dict[str, Any]:
    last = {"class": "routine", "reasons": [], "index": None} if control.last is None else _change(control.last)
    return {**last, "controlChanged": None if control.carried is None else _change(control.carried)}


def _change(change: ClassifiedChange) -> dict[str, Any]:
    return {
        "class": change.continuity,
        "reasons": list(change.reasons),
        "index": change.index,
        "time": change.time_ms,
        "source": change.source,
        "carried": change.carried,
    }


def _factors(factors: Factors) -> dict[str, Any]:
    return {name: getattr(factors, name) for name in factors.__slots__}


def _integer(wire: Mapping[str, Any] | None, name: str) -> int | None:
    value = None if wire is None else wire.get(name)
    return value if type(value) is int else None  # not isinstance: to Python true is an integer
