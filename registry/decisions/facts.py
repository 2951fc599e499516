"""Define the fact vector: everything a decision may know, as a fixed list of small values.

The vector is what makes a decision replayable: policy sees these facts and nothing else, and the decision record keeps
all of them. Each fact is marked *logged* (it follows from the log prefix of ``tree_size`` entries) or *observed* (from
the request, a presentation, the policy pack …, with digest, source and time). The module refuses to hold lists over
peers, floats, free text or facts outside their stated range; it gathers nothing and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, cast

from did_methods.canonical import canonicalize
from did_methods.codec import JsonValue, parse_json_object
from did_methods.errors import DidError
from registry.decisions.fact_table import (
    ACTION_CLASSES,
    AGENT_STATES,
    FACT_NAMES,
    FACTS,
    MAX_INTEGER,
    MAX_SCORE_MICROS,
    POINT_MICROS,
    PROOFS,
    FactSpec,
    FactValue,
)
from registry.errors import ParseError

__all__ = [
    "ACTION_CLASSES",
    "AGENT_STATES",
    "FACTS",
    "FACT_NAMES",
    "MAX_SCORE_MICROS",
    "POINT_MICROS",
    "PROOFS",
    "FactError",
    "FactSpec",
    "FactValue",
    "FactVector",
    "Observation",
    "standard_observations",
]

FACTS_FORMAT: Final = "bonafides/facts/3"
MAX_FACTS_BYTES: Final = 32_768
"""Largest wire form read back, in bytes; a full vector with every text at its cap stays below."""

_SOURCE: Final = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_DIGEST: Final = re.compile(r"[A-Za-z0-9_-]{43}\Z")


class FactError(ParseError):
    """A fact is missing, outside its range, or not marked."""

    code = "facts_invalid"
    title = "Fact vector is not valid"


_VALUES_OF: Final = attrgetter(*FACT_NAMES)
REQUEST_FACTS: Final = ("agent_did", "actor_conflict", "action_name", "resource_type", "resource_id", "risk")
POLICY_FACTS: Final = ("action_class", "context")
PROOF_FACTS: Final = ("proof", "instance", "proof_fault")
CAPABILITY_FACTS: Final = (
    "capability_present",
    "capability_matches",
    "capability_expired",
    "capability_superseded",
    "capability_issuer",
)
LOG_FACTS: Final = ("log_confirmed",)
_NEVER_LOGGED: Final = frozenset(REQUEST_FACTS + POLICY_FACTS + PROOF_FACTS + CAPABILITY_FACTS + LOG_FACTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Where facts that are not in the log come from.

    Attributes:
        source: snake_case name, unique in a vector: ``request``, ``policy``, ``presentation``, ``capability`` …
        digest: base64url SHA-256 of what was read there.
        time_ms: when it was read, milliseconds since the epoch.
        facts: names of the facts read from it, sorted.
    """

    source: str
    digest: str
    time_ms: int
    facts: tuple[str, ...]


def standard_observations(
    *,
    request_digest: str,
    policy_revision: str,
    observed_ms: int,
    presentation_digest: str = "",
    capability_digest: str = "",
) -> tuple[Observation, ...]:
    """Mark the facts that never come from the log with the places they came from.

    Args:
        request_digest: ``request_digest`` of the evaluation request.
        policy_revision: revision of the pack that classified the action.
        observed_ms: when these were read, milliseconds since the epoch.
        presentation_digest: base64url SHA-256 of the presentation; empty when none was sent (then the request
            itself is what says so).
        capability_digest: the same for the capability credential that was used.

    Returns:
        Observations for ``FactVector.observations``, sorted by source.

    Spec: specs/decision.md, fact vector
    """
    digests = {"policy": policy_revision, "presentation": presentation_digest, "capability": capability_digest}
    return tuple(
        Observation(source=source, digest=digests.get(source, request_digest), time_ms=observed_ms, facts=names)
        for source, names in _standard_shape(bool(presentation_digest), bool(capability_digest))
    )


@lru_cache(maxsize=4)
def _standard_shape(presented: bool, capable: bool) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return which source marks which facts; what was not sent is marked by the request that did not send it."""
    groups: dict[str, list[str]] = {
        "request": list(REQUEST_FACTS),
        "policy": list(POLICY_FACTS),
        "log": list(LOG_FACTS),
    }
    groups.setdefault("presentation" if presented else "request", []).extend(PROOF_FACTS)
    groups.setdefault("capability" if capable else "request", []).extend(CAPABILITY_FACTS)
    return tuple((source, tuple(sorted(names))) for source, names in sorted(groups.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class FactVector:
    """Hold all facts of one decision; the fields are described by ``FACTS``.

    Every default is the value that allows least, so a fact that nobody gathered can only deny.

    Attributes:
        tree_size: number of log entries the logged facts follow from.
        evaluated_at_ms: the instant of the decision, milliseconds since the epoch.
        observations: marks of the facts that are not logged; all others are logged.

    Raises:
        FactError: facts_invalid.

    Spec: specs/decision.md, fact vector
    """

    tree_size: int
    evaluated_at_ms: int
    observations: tuple[Observation, ...] = field(repr=False)
    agent_did: str = ""
    actor_conflict: bool = False
    action_name: str = ""
    resource_type: str = ""
    resource_id: str = ""
    risk: str = ""
    action_class: str = "critical"
    context: str = ""
    proof: str = "none"
    instance: str = ""
    proof_fault: str = ""
    agent_known: bool = False
    agent_state: str = "unknown"
    score_micros: int = 0
    record_micros: int = 0
    confidence_micros: int = 0
    context_scored: bool = False
    context_score_micros: int = 0
    existence_days: int = 0
    registered_index: int = -1
    vouches_live: int = 0
    reports_live: int = 0
    passport_present: bool = False
    passport_event: str = ""
    continuity: str = "routine"
    continuity_reasons: str = ""
    continuity_index: int = -1
    control_changed: str = ""
    control_changed_days: int = -1
    code_changed_days: int = -1
    capability_present: bool = False
    capability_matches: bool = False
    capability_expired: bool = False
    capability_superseded: bool = False
    capability_issuer: str = ""
    capability_issuer_state: str = "unknown"
    capability_issuer_score_micros: int = 0
    capability_issuer_is_root: bool = False
    log_confirmed: bool = False

    def __post_init__(self) -> None:
        _check_integer("tree_size", self.tree_size, least=0, most=MAX_INTEGER)
        _check_integer("evaluated_at_ms", self.evaluated_at_ms, least=0, most=MAX_INTEGER)
        for spec, value in zip(FACTS, _VALUES_OF(self), strict=True):
            # The two commonest cases first and inline: this runs for each decision, thirty times.
            if type(value) is bool:
                if spec.kind != "boolean":
                    _check_fact(spec, value)
            elif type(value) is not int or spec.kind != "integer" or not spec.least <= value <= spec.most:
                _check_fact(spec, value)
        # A context score without its flag would slip past every rule that asks for one.
        if not self.context_scored and self.context_score_micros:
            raise FactError("context_score_micros is set but context_scored is not")
        _check_marks(self.observations)

    def values(self) -> dict[str, FactValue]:
        """Return all facts by name, in the order of ``FACTS``."""
        return {name: getattr(self, name) for name in FACT_NAMES}

    def to_object(self) -> dict[str, JsonValue]:
        """Return the JSON object of the wire form.

        Spec: specs/decision.md, fact vector
        """
        observed = {name for observation in self.observations for name in observation.facts}
        logged: list[JsonValue] = [name for name in sorted(FACT_NAMES) if name not in observed]
        return {
            "format": FACTS_FORMAT,
            "treeSize": self.tree_size,
            "evaluatedAt": self.evaluated_at_ms,
            "facts": dict(self.values()),
            "logged": logged,
            "observed": [
                {"source": o.source, "digest": o.digest, "time": o.time_ms, "facts": list(o.facts)}
                for o in self.observations
            ],
        }

    def to_wire(self) -> bytes:
        """Write the vector as canonical JSON; equal vectors give equal bytes.

        Spec: specs/decision.md, fact vector; RFC 8785
        """
        return canonicalize(self.to_object())

    @staticmethod
    def from_object(value: Mapping[str, JsonValue]) -> FactVector:
        """Read the JSON object of the wire form.

        Args:
            value: the parsed object; exactly the members that ``to_object`` writes.

        Raises:
            FactError: facts_invalid.

        Spec: specs/decision.md, fact vector
        """
        _check_members(value, {"format", "treeSize", "evaluatedAt", "facts", "logged", "observed"})
        facts, observed = value["facts"], value["observed"]
        if value["format"] != FACTS_FORMAT or not isinstance(facts, dict) or not isinstance(observed, list):
            raise FactError("not a fact vector of this format")
        _check_members(facts, set(FACT_NAMES))
        vector = FactVector(
            tree_size=cast("int", value["treeSize"]),
            evaluated_at_ms=cast("int", value["evaluatedAt"]),
            observations=tuple(_observation_from(item) for item in observed),
            **cast("dict[str, Any]", facts),  # each value is checked against its FactSpec before anybody sees it
        )
        if vector.to_object()["logged"] != value["logged"]:
            raise FactError("the marks do not cover every fact exactly once")
        return vector

    @staticmethod
    def from_wire(data: bytes) -> FactVector:
        """Read a vector back from its canonical bytes.

        Args:
            data: what ``to_wire`` wrote.

        Returns:
            A vector whose ``to_wire`` gives ``data`` again.

        Raises:
            FactError: facts_invalid, also for JSON that is not canonical.

        Spec: specs/decision.md, fact vector
        """
        try:
            value = parse_json_object(data, max_bytes=MAX_FACTS_BYTES)
        except DidError as error:
            raise FactError("not JSON") from error
        vector = FactVector.from_object(value)
        if vector.to_wire() != data:
            raise FactError("not in canonical form")
        return vector


def _check_members(value: Mapping[str, JsonValue], names: set[str]) -> None:
    if value.keys() != names:
        raise FactError("a member is missing or unknown")


def _observation_from(value: JsonValue) -> Observation:
    if not isinstance(value, dict):
        raise FactError("an observation is not an object")
    _check_members(value, {"source", "digest", "time", "facts"})
    source, digest, time_ms, names = value["source"], value["digest"], value["time"], value["facts"]
    if not isinstance(source, str) or not isinstance(digest, str) or not isinstance(names, list):
        raise FactError("an observation has a member of the wrong type")
    texts = tuple(name for name in names if isinstance(name, str))
    if len(texts) != len(names):
        raise FactError("an observation has a member of the wrong type")
    return Observation(source=source, digest=digest, time_ms=cast("int", time_ms), facts=texts)


def _check_integer(name: str, value: object, *, least: int, most: int) -> None:
    if type(value) is not int or not least <= value <= most:
        raise FactError(f"{name} is not an integer from {least} to {most}", fact=name)


def _check_text(spec: FactSpec, value: object) -> None:
    if not isinstance(value, str) or (spec.choices and value not in spec.choices) or len(value) > spec.most:
        raise FactError(f"{spec.name} is not one of the texts allowed", fact=spec.name)
    if spec.pattern is not None and spec.pattern.match(value) is None:
        raise FactError(f"{spec.name} is not of its form", fact=spec.name)
    # A lone surrogate cannot be written as UTF-8: it would break the record, not the request.
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        raise FactError(f"{spec.name} is not Unicode text", fact=spec.name)


def _check_fact(spec: FactSpec, value: object) -> None:
    if spec.kind == "integer":
        _check_integer(spec.name, value, least=spec.least, most=spec.most)
    elif spec.kind == "boolean":
        if type(value) is not bool:
            raise FactError(f"{spec.name} is not a boolean", fact=spec.name)
    else:
        _check_text(spec, value)


def _check_sorted(names: Iterable[str]) -> None:
    listed = list(names)
    if listed != sorted(set(listed)):
        raise FactError("marks are not sorted, or name something twice")


def _check_marks(observations: tuple[Observation, ...]) -> None:
    _check_shape(tuple((observation.source, observation.facts) for observation in observations))
    for observation in observations:
        _check_integer("time", observation.time_ms, least=0, most=MAX_INTEGER)
        if _DIGEST.match(observation.digest) is None:
            raise FactError("an observation has no proper source or digest")


@lru_cache(maxsize=64)
def _check_shape(shape: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
    """Check which source marks which facts; there are only a few shapes, so each is checked once."""
    _check_sorted(source for source, _ in shape)
    marked: list[str] = []
    for source, names in shape:
        _check_sorted(names)
        if _SOURCE.match(source) is None:
            raise FactError("an observation has no proper source or digest")
        marked.extend(names)
    if len(marked) != len(set(marked)) or not set(marked) <= set(FACT_NAMES):
        raise FactError("a mark names an unknown fact, or a fact is marked twice")
    if not _NEVER_LOGGED.issubset(marked):
        raise FactError("a fact that is never in the log is marked as logged")


# The table is the contract; a field that it does not describe would go unchecked and unrecorded.
assert {item.name for item in fields(FactVector)} - set(FACT_NAMES) == {"tree_size", "evaluated_at_ms", "observations"}
