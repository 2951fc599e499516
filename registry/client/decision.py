"""A gateway's view of a decision, and the values that it is asked about. No I/O.

Whatever is not plainly an allow is a denial: a malformed answer, a missing one, a member of the wrong type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from did_methods.canonical import sha256_jcs
from did_methods.codec import base64url_encode
from registry.errors import ParseError

UNAVAILABLE: Final = "evaluator_unavailable"

Resource = str | tuple[str, str] | Mapping[str, Any]
"""``"invoice:42"``, ``("invoice", "42")`` or an AuthZEN resource object."""


class ResourceError(ParseError):
    """A resource has a type and an id."""

    code = "resource_invalid"
    title = "Write a resource as type:id"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one request; true where the action is allowed, so that a plain `if` fails closed.

    Attributes:
        allowed: the action may be done now.
        reason: stable reason code.
        score: the acting agent's overall score, 0 to 100; None where no decision was made.
        band: name of the score's band.
        risk: class under which the action was judged.
        reasons: all reason codes, the deciding one first.
        evaluation_id: under which the registry keeps the record.
        tree_size: log entries that the decision follows from.
        detail: one sentence for people.
        raw: the registry's whole answer.
    """

    allowed: bool
    reason: str
    score: float | None = None
    band: str = ""
    risk: str = ""
    reasons: tuple[str, ...] = ()
    evaluation_id: str = ""
    tree_size: int = 0
    detail: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.allowed


def refused(reason: str, detail: str) -> Decision:
    """Return a denial that was made on this side, without the registry."""
    return Decision(allowed=False, reason=reason, reasons=(reason,), detail=detail)


def parse_decision(answer: Mapping[str, Any]) -> Decision:
    """Read an AuthZEN response; what cannot be read is a denial.

    Spec: AuthZEN Authorization API 1.0, 6.2
    """
    context = answer.get("context")
    allowed = answer.get("decision")
    if not isinstance(allowed, bool) or not isinstance(context, Mapping):
        return refused(UNAVAILABLE, "the answer is not an evaluation")
    reason = context.get("reason")
    if not isinstance(reason, str) or not reason:
        return refused(UNAVAILABLE, "the answer gives no reason")
    admin, trust, log = (_object(context, name) for name in ("reason_admin", "trust", "log"))
    return Decision(
        allowed=allowed,
        reason=reason,
        score=trust.get("score"),
        band=str(trust.get("band", "")),
        risk=str(context.get("risk", "")),
        reasons=tuple(admin) or (reason,),
        evaluation_id=str(context.get("evaluation_id", "")),
        tree_size=int(log.get("tree_size", 0)),
        detail=str(admin.get(reason, "")),
        raw=answer,
    )


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, Mapping) else {}


def parse_resource(resource: Resource) -> dict[str, Any]:
    """Return a resource as an AuthZEN object.

    Raises:
        ResourceError: ``resource_invalid``.
    """
    if isinstance(resource, Mapping):
        found = dict(resource)
    elif isinstance(resource, tuple):
        found = dict(zip(("type", "id"), resource, strict=False))
    else:
        kind, _, name = resource.partition(":")
        found = {"type": kind, "id": name}
    if not all(isinstance(found.get(member), str) and found[member] for member in ("type", "id")):
        raise ResourceError
    return found


def digest_parameters(parameters: Any) -> str:
    """Return the digest that binds the parameters of an action.

    Args:
        parameters: a JSON value.

    Returns:
        43 characters: base64url SHA-256 of the canonical JSON, without padding.

    Raises:
        DidError: the codes of canonicalisation, where it is no JSON value.

    Spec: specs/decision.md, request binding; RFC 8785
    """
    return base64url_encode(sha256_jcs(parameters))
