"""Read an AuthZEN evaluation request and say who acts, what is asked, and what a presentation must be bound to.

The module refuses what is not an evaluation (wrong types are never coerced) and ignores members it does not know. It
checks no signature and knows no agent: two places that name different actors become ``actor_conflict``, an actor that
is not a DID becomes an empty ``agent_did``, and both are for the policy to deny.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from did_methods.canonical import sha256_jcs
from did_methods.codec import JsonValue, base64url_encode, parse_json
from did_methods.did import parse_did
from did_methods.errors import DidError
from registry.decisions.facts import ACTION_CLASSES
from registry.errors import ParseError

MAX_TYPE_CHARS: Final = 128
"""Longest ``subject.type`` and ``resource.type``; equal to the cap of the fact ``resource_type``."""
MAX_ID_CHARS: Final = 1024
"""Longest ``subject.id`` and ``resource.id``; equal to the cap of the fact ``resource_id``."""
MAX_ACTION_CHARS: Final = 256
"""Longest ``action.name``; equal to the cap of the fact ``action_name``."""
MAX_DID_CHARS: Final = 512
"""Longest DID of an acting agent; equal to the cap of the fact ``agent_did``."""
MAX_DIGEST_CHARS: Final = 256
"""Longest ``action.properties.parameters_digest``: a structured field with a SHA-512 fits twice."""
MAX_CAPABILITIES: Final = 8
"""Most credentials in ``context.presentation.capabilities``: each costs a signature check."""

_AGENT_TYPES: Final = frozenset({"agent", "did"})
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")


class EvaluationParseError(ParseError):
    """The body is not an AuthZEN evaluation request."""

    code = "evaluation_malformed"
    title = "Evaluation request is malformed"


class EvaluationNotJsonError(EvaluationParseError):
    """The body is not strict JSON within the limits."""

    code = "evaluation_not_json"
    title = "Evaluation request is not acceptable JSON"


class EvaluationMemberMissingError(EvaluationParseError):
    """A required member is absent."""

    code = "evaluation_member_missing"
    title = "Evaluation request lacks a member"


class EvaluationMemberTypeError(EvaluationParseError):
    """A member is of the wrong type or holds a value that is not allowed."""

    code = "evaluation_member_invalid"
    title = "Evaluation request has an invalid member"


class EvaluationMemberTooLongError(EvaluationParseError):
    """A member is longer than its limit."""

    code = "evaluation_member_too_long"
    title = "Evaluation request has a member that is too long"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """An evaluation request as it was asked; nothing in it is proven.

    Attributes:
        subject_type: ``subject.type``.
        subject_id: ``subject.id``.
        action_name: ``action.name``.
        resource_type: ``resource.type``.
        resource_id: ``resource.id``.
        risk: ``resource.properties.risk``, one of ``ACTION_CLASSES``; empty when not stated.
        agent_did: the one acting agent; empty when it is not a DID or when ``actor_conflict``.
        actor_conflict: places of the request name different actors.
        parameters_digest: ``action.properties.parameters_digest``; None when absent.
        presentation: ``context.presentation.vp``, a signed document kept as it came; None when absent.
        capabilities: ``context.presentation.capabilities``, signed documents kept as they came.
        document: the members subject, action, resource and context as sent, for ``request_digest``.
    """

    subject_type: str
    subject_id: str
    action_name: str
    resource_type: str
    resource_id: str
    risk: str = ""
    agent_did: str = ""
    actor_conflict: bool = False
    parameters_digest: str | None = None
    presentation: dict[str, JsonValue] | None = field(default=None, repr=False)
    capabilities: tuple[dict[str, JsonValue], ...] = field(default=(), repr=False)
    document: dict[str, JsonValue] = field(default_factory=dict, repr=False)


def parse_evaluation(body: bytes, *, max_bytes: int) -> EvaluationRequest:
    """Read the body of ``POST /access/v1/evaluation``.

    Args:
        body: the bytes as received.
        max_bytes: most bytes accepted, > 0.

    Returns:
        The request, well formed and unverified.

    Raises:
        EvaluationParseError: evaluation_not_json, evaluation_malformed, evaluation_member_missing,
            evaluation_member_invalid, evaluation_member_too_long.

    Spec: AuthZEN Authorization API 1.0, 6.1
    """
    try:
        value = parse_json(body, max_bytes=max_bytes)
    except DidError as error:
        raise EvaluationNotJsonError(f"the body is not acceptable JSON ({error.code})") from error
    return parse_evaluation_value(value)


def parse_evaluation_value(value: JsonValue) -> EvaluationRequest:
    """Read one evaluation out of JSON that is parsed already, such as an item of a batch.

    Args:
        value: a value that ``parse_json`` returned.

    Returns:
        The request, well formed and unverified.

    Raises:
        EvaluationParseError: evaluation_malformed, evaluation_member_missing, evaluation_member_invalid,
            evaluation_member_too_long.

    Spec: AuthZEN Authorization API 1.0, 5 and 6.1
    """
    if not isinstance(value, dict):
        raise EvaluationParseError("the body must be a JSON object")
    subject, action, resource = (_required_object(value, name) for name in ("subject", "action", "resource"))
    context = _object(value, "context")
    subject_properties = _object(subject, "properties", inside="subject")
    action_properties = _object(action, "properties", inside="action")
    resource_properties = _object(resource, "properties", inside="resource")
    subject_type = _required_text(subject, "subject.type", MAX_TYPE_CHARS)
    subject_id = _required_text(subject, "subject.id", MAX_ID_CHARS)
    agent_did, actor_conflict = _acting_agent(subject_type, subject_id, subject_properties, context)
    presentation = _object(context, "presentation", inside="context")
    return EvaluationRequest(
        subject_type=subject_type,
        subject_id=subject_id,
        action_name=_required_text(action, "action.name", MAX_ACTION_CHARS),
        resource_type=_required_text(resource, "resource.type", MAX_TYPE_CHARS),
        resource_id=_required_text(resource, "resource.id", MAX_ID_CHARS),
        risk=_risk(resource_properties),
        agent_did=agent_did,
        actor_conflict=actor_conflict,
        parameters_digest=_optional_text(action_properties, "action.properties.parameters_digest", MAX_DIGEST_CHARS),
        presentation=_presented(presentation),
        capabilities=_capabilities(presentation),
        document={name: value[name] for name in ("subject", "action", "resource", "context") if name in value},
    )


def request_binding(request: EvaluationRequest) -> str:
    """Derive the challenge that a request-bound presentation must carry.

    The JSON object has the flat member names ``subject.id``, ``action.name``, ``resource.type``, ``resource.id`` and,
    only when the request has one, ``parameters_digest``.

    Args:
        request: the request that the presentation came with.

    Returns:
        base64url SHA-256 of the canonical JSON, without padding.

    Spec: specs/decision.md, request binding
    """
    bound: dict[str, JsonValue] = {
        "subject.id": request.subject_id,
        "action.name": request.action_name,
        "resource.type": request.resource_type,
        "resource.id": request.resource_id,
    }
    if request.parameters_digest is not None:
        bound["parameters_digest"] = request.parameters_digest
    return base64url_encode(sha256_jcs(bound))


def request_digest(request: EvaluationRequest) -> str:
    """Derive the digest of everything that was asked, for the decision record.

    Args:
        request: the request.

    Returns:
        base64url SHA-256 of the canonical JSON of subject, action, resource and context as sent; white space and the
        order of members do not change it.

    Spec: specs/decision.md, request digest
    """
    return base64url_encode(sha256_jcs(request.document))


def _required_object(value: dict[str, JsonValue], name: str) -> dict[str, JsonValue]:
    if name not in value:
        raise EvaluationMemberMissingError(f"{name} is missing", member=name)
    return _object(value, name)


def _object(value: dict[str, JsonValue], name: str, *, inside: str = "") -> dict[str, JsonValue]:
    """Return a member that must be an object when present; absent reads as empty."""
    found = value.get(name, {})
    if not isinstance(found, dict):
        path = f"{inside}.{name}" if inside else name
        raise EvaluationMemberTypeError(f"{path} must be an object", member=path)
    return found


def _required_text(value: dict[str, JsonValue], path: str, max_chars: int) -> str:
    text = _optional_text(value, path, max_chars)
    if text is None:
        raise EvaluationMemberMissingError(f"{path} is missing", member=path)
    return text


def _optional_text(value: dict[str, JsonValue], path: str, max_chars: int) -> str | None:
    name = path.rpartition(".")[2]
    if name not in value:
        return None
    text = value[name]
    if not isinstance(text, str) or not text:
        raise EvaluationMemberTypeError(f"{path} must be a non-empty string", member=path)
    if len(text) > max_chars:
        raise EvaluationMemberTooLongError(f"{path} is longer than {max_chars} characters", member=path)
    # Line breaks and the like in a name serve only to forge lines in somebody's log.
    if _CONTROL.search(text) is not None:
        raise EvaluationMemberTypeError(f"{path} must not contain control characters", member=path)
    return text


def _risk(properties: dict[str, JsonValue]) -> str:
    if "risk" not in properties:
        return ""
    risk = properties["risk"]
    if not isinstance(risk, str) or risk not in ACTION_CLASSES:
        choices = ", ".join(ACTION_CLASSES)
        raise EvaluationMemberTypeError(
            f"resource.properties.risk must be one of {choices}", member="resource.properties.risk"
        )
    return risk


def _presented(presentation: dict[str, JsonValue]) -> dict[str, JsonValue] | None:
    if "vp" not in presentation:
        return None
    return _object(presentation, "vp", inside="context.presentation")


def _capabilities(presentation: dict[str, JsonValue]) -> tuple[dict[str, JsonValue], ...]:
    path = "context.presentation.capabilities"
    found = presentation.get("capabilities", [])
    if not isinstance(found, list):
        raise EvaluationMemberTypeError(f"{path} must be an array of objects", member=path)
    if len(found) > MAX_CAPABILITIES:
        raise EvaluationMemberTooLongError(f"{path} has more than {MAX_CAPABILITIES} members", member=path)
    objects = tuple(item for item in found if isinstance(item, dict))
    if len(objects) != len(found):
        raise EvaluationMemberTypeError(f"{path} must be an array of objects", member=path)
    return objects


def _acting_agent(
    subject_type: str, subject_id: str, subject_properties: dict[str, JsonValue], context: dict[str, JsonValue]
) -> tuple[str, bool]:
    """Bring the three conventions for naming the acting agent to one DID.

    A subject of another type (a person, a session) acts only through ``act`` or ``context.agent``; where neither is
    there, the subject itself is who acts.
    """
    claims = [subject_id] if subject_type in _AGENT_TYPES else []
    if "act" in subject_properties:
        # RFC 8693 4.1: the top level names who acts now; what is nested below is history.
        actor = _object(subject_properties, "act", inside="subject.properties")
        claims.append(_required_text(actor, "subject.properties.act.sub", MAX_ID_CHARS))
    claimed = _optional_text(context, "context.agent", MAX_ID_CHARS)
    if claimed is not None:
        claims.append(claimed)
    if len(set(claims)) > 1:
        return "", True
    return _did_or_empty(claims[0] if claims else subject_id), False


def _did_or_empty(text: str) -> str:
    if len(text) > MAX_DID_CHARS:
        return ""
    try:
        return parse_did(text).text
    except DidError:
        return ""
