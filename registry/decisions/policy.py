"""Load a policy pack and evaluate it over a fact vector; the only door to Cedar.

A pack is three texts: Cedar policies, the Cedar schema of the facts, and a manifest that gives every action a risk
class and at most one context. They are parsed and validated once, at load; a pack that is not sound is refused there,
so that an evaluation can fail only closed. The module keeps no state between evaluations and reads no file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import lru_cache
from typing import Final

import cedarpy  # noqa: TID251 - this module is its door
from cedarpy import pst  # noqa: TID251 - the same

from did_methods.codec import JsonValue, base64url_encode, parse_json_object
from did_methods.errors import DidError
from registry.decisions.facts import ACTION_CLASSES, FACT_NAMES, FACTS, FactValue, FactVector
from registry.errors import ParseError

MANIFEST_FORMAT: Final = "bonafides/policy/1"
MAX_PACK_BYTES: Final = 1_048_576
"""Largest of the three texts of a pack, in bytes."""
MAX_PATTERN_STARS: Final = 4
"""Most ``*`` in one action pattern: more make matching a long name slow."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}\Z")
_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,63}\Z")
_CONTEXT: Final = re.compile(r"[a-z0-9-]{1,40}\Z")


REMEMBERED: Final = 4_096  # answers kept for equal facts: a score stands still for a while between two of its digits


class PolicyPackError(ParseError):
    """A policy pack is not sound."""

    code = "policy_pack_invalid"
    title = "Policy pack is not valid"


class PolicyRuleError(PolicyPackError):
    """A rule of the pack does not parse, does not validate, or lacks an annotation; ``params["rule"]`` names it."""

    code = "policy_rule_invalid"
    title = "Policy rule is not valid"


class PolicySchemaError(PolicyPackError):
    """The schema does not parse or does not describe the fact vector."""

    code = "policy_schema_invalid"
    title = "Policy schema is not valid"


class PolicyManifestError(PolicyPackError):
    """The manifest is malformed."""

    code = "policy_manifest_invalid"
    title = "Policy manifest is not valid"


@dataclass(frozen=True, slots=True)
class ActionRule:
    """What the manifest says about an action.

    Attributes:
        action_class: one of ``ACTION_CLASSES``.
        context: slug of the one context the action belongs to; empty for none.
    """

    action_class: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class _Rule:
    """One Cedar policy: place in the file, names and effect."""

    position: int
    rule_id: str
    reason: str
    obligation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """What a pack says about one fact vector.

    Attributes:
        allowed: a permit applies and no forbid does, and every rule could be evaluated.
        rules: ids of the rules that determined it, in the order of the file.
        reasons: their reason codes, in the same order, each once.
        obligations: (rule id, obligation type) of those rules that carry one.
        faults: how many rules could not be evaluated; more than 0 means not allowed.
    """

    allowed: bool
    rules: tuple[str, ...]
    reasons: tuple[str, ...]
    obligations: tuple[tuple[str, str], ...]
    faults: int


class PolicyPack:
    """Hold a parsed, validated pack; build it with ``load``.

    Attributes:
        pack_id: name of the pack, from the manifest.
        revision: base64url SHA-256 over the SHA-256 of policies, schema and manifest, in that order.
    """

    __slots__ = ("_actions", "_answers", "_attributes", "_default", "_entities", "_matcher", "_policies", "_rules", "pack_id",
                 "revision")  # fmt: skip

    def __init__(
        self,
        *,
        pack_id: str,
        revision: str,
        policies: cedarpy.PolicySet,
        rules: dict[str, _Rule],
        attributes: tuple[str, ...],
        actions: tuple[tuple[str, ActionRule], ...],
        default: ActionRule,
    ) -> None:
        self.pack_id = pack_id
        self.revision = revision
        self._policies = policies
        self._entities = cedarpy.Entities.from_json_str("[]")
        self._rules = rules
        self._attributes = attributes
        self._actions = tuple(rule for _, rule in actions)
        self._answers = lru_cache(maxsize=REMEMBERED)(self._ask)
        self._default = default
        # One alternation: the first branch that matches the whole name is the first pattern of the manifest.
        self._matcher = re.compile("|".join(f"({_pattern_source(pattern)})" for pattern, _ in actions) or r"(?!)")

    @staticmethod
    def load(policies: bytes, schema: bytes, manifest: bytes) -> PolicyPack:
        """Parse and validate a pack.

        Args:
            policies: Cedar policies, UTF-8; every one has ``@id`` and ``@reason``, templates are refused.
            schema: Cedar schema in Cedar syntax, UTF-8; its context describes the fact vector.
            manifest: JSON of format ``bonafides/policy/1``.

        Returns:
            A pack whose rules all type-check over the fact vector.

        Raises:
            PolicyPackError: policy_pack_invalid, policy_rule_invalid, policy_schema_invalid, policy_manifest_invalid.

        Spec: specs/decision.md, policy pack
        """
        pack_id, actions, default = _parse_manifest(manifest)
        parsed_schema = _parse_schema(_text(schema, "schema"))
        text = _text(policies, "policies")
        parsed, rules, attributes = _parse_policies(text, parsed_schema)
        digests = b"".join(hashlib.sha256(part).digest() for part in (policies, schema, manifest))
        return PolicyPack(
            pack_id=pack_id,
            revision=base64url_encode(hashlib.sha256(digests).digest()),
            policies=parsed,
            rules=rules,
            attributes=attributes,
            actions=actions,
            default=default,
        )

    def classify(self, action_name: str, *, risk: str = "") -> ActionRule:
        """Return class and context of an action; the first pattern of the manifest that matches wins.

        Args:
            action_name: ``action.name`` of the request.
            risk: ``resource.properties.risk`` or empty; it can raise the class and never lowers it.

        Spec: specs/decision.md, action classes
        """
        found = self._matcher.fullmatch(action_name)
        rule = self._default if found is None or found.lastindex is None else self._actions[found.lastindex - 1]
        if risk and ACTION_CLASSES.index(risk) > ACTION_CLASSES.index(rule.action_class):
            return ActionRule(risk, rule.context)
        return rule

    def evaluate(self, facts: FactVector) -> PolicyAnswer:
        """Ask the policies about one fact vector.

        Args:
            facts: the vector; ``action_class`` becomes the Cedar action, the facts become the Cedar context.

        Returns:
            The answer; a rule that cannot be evaluated makes it a refusal, because Cedar would skip that rule, and a
            skipped ``forbid`` allows.

        Spec: specs/decision.md, evaluation
        """
        values = tuple(getattr(facts, name) for name in self._attributes)
        return self._answers(facts.agent_did, facts.action_class, facts.resource_id, values)

    def _ask(self, agent_did: str, action_class: str, resource_id: str, values: tuple[FactValue, ...]) -> PolicyAnswer:
        """Ask Cedar; the answer is a function of the arguments, so equal ones are asked once (see `REMEMBERED`)."""
        request = {
            "principal": {"type": "Agent", "id": agent_did},
            "action": {"type": "Action", "id": action_class},
            "resource": {"type": "Resource", "id": resource_id},
            "context": dict(zip(self._attributes, values, strict=True)),
        }
        result = cedarpy.is_authorized(request, self._policies, self._entities)
        diagnostics = result.diagnostics
        # Cedar gives the determining rules in hash order; the order of the file is the order of precedence.
        faults = len(diagnostics.errors)
        # Where a fault overrules a permit, the permit determined nothing.
        keys = [] if faults and result.allowed else diagnostics.reasons
        rules = sorted((self._rules[key] for key in keys), key=_position)
        return PolicyAnswer(
            allowed=result.allowed and not faults,
            rules=tuple(rule.rule_id for rule in rules),
            reasons=tuple(dict.fromkeys(rule.reason for rule in rules)),
            obligations=tuple((rule.rule_id, rule.obligation) for rule in rules if rule.obligation),
            faults=faults,
        )


def _position(rule: _Rule) -> int:
    return rule.position


def _text(data: bytes, name: str) -> str:
    if len(data) > MAX_PACK_BYTES:
        raise PolicyPackError(f"the {name} are larger than {MAX_PACK_BYTES} bytes", part=name)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyPackError(f"the {name} are not UTF-8", part=name) from error


def _parse_schema(text: str) -> cedarpy.Schema:
    """Parse the schema and prove with one probe per class that it accepts every fact of a vector."""
    try:
        schema = cedarpy.Schema.from_str(text)
    except ValueError as error:
        raise PolicySchemaError(f"the schema does not parse: {error}") from error
    empty: dict[str, FactValue] = {"integer": 0, "boolean": False, "text": ""}
    context = {spec.name: empty[spec.kind] for spec in FACTS}
    # The set must hold one policy for the probe to reach the authorizer; what it says does not matter.
    probe = cedarpy.PolicySet.from_str("permit (principal, action, resource);")
    for action_class in ACTION_CLASSES:
        request = {
            "principal": {"type": "Agent", "id": ""},
            "action": {"type": "Action", "id": action_class},
            "resource": {"type": "Resource", "id": ""},
            "context": context,
        }
        result = cedarpy.is_authorized(request, probe, "[]", schema)
        if not result.allowed:
            detail = "; ".join(result.diagnostics.errors)
            raise PolicySchemaError(f"the schema does not describe the fact vector: {detail}")
    return schema


def _parse_policies(text: str, schema: cedarpy.Schema) -> tuple[cedarpy.PolicySet, dict[str, _Rule], tuple[str, ...]]:
    """Parse, validate and index the policies; return them with the names of the facts they read."""
    result = cedarpy.validate_policies(text, schema)
    for fault in result.errors:
        rule_id = result.id_annotations_by_policy_id.get(fault.policy_id) or fault.policy_id or "policies"
        raise PolicyRuleError(f"rule {rule_id}: {fault.error}", rule=rule_id)
    try:
        policies = cedarpy.PolicySet.from_str(text)
        tree = policies.to_pst()
    except ValueError as error:
        raise PolicyRuleError(f"the policies do not parse: {error}", rule="policies") from error
    if tree.templates:
        raise PolicyRuleError("templates are not supported", rule="policies")
    rules = {key: _rule_from(key, policy) for key, policy in tree.static_policies.items()}
    if len({rule.rule_id for rule in rules.values()}) != len(rules):
        raise PolicyRuleError("two rules have the same @id", rule="policies")
    if not any(policy.effect == "permit" for policy in tree.static_policies.values()):
        raise PolicyRuleError("no rule permits anything", rule="policies")
    read = {name for policy in tree.static_policies.values() for name in _facts_read(policy.clauses)}
    return policies, rules, tuple(name for name in FACT_NAMES if name in read or "" in read)


def _rule_from(key: str, policy: pst.Template) -> _Rule:
    annotations = policy.annotations
    rule_id, reason = annotations.get("id", ""), annotations.get("reason", "")
    obligation = annotations.get("obligation", "")
    if _NAME.match(rule_id) is None:
        raise PolicyRuleError(f"rule {key} has no proper @id", rule=key)
    if _REASON.match(reason) is None or (obligation and _REASON.match(obligation) is None):
        raise PolicyRuleError(f"rule {rule_id} has no proper @reason or @obligation", rule=rule_id)
    # Cedar numbers the policies of a text: policy0, policy1 …
    return _Rule(int(key.removeprefix("policy")), rule_id, reason, obligation)


def _facts_read(node: object) -> Iterator[str]:
    """Yield the names of the context members an expression reads; an empty name stands for the whole context.

    Handing Cedar only these is safe, since no rule can see the others, and saves most of the cost of a decision.
    """
    match node:
        case pst.GetAttr(base=pst.Var(name="context"), attr=name):
            yield name
        case pst.HasAttr(base=pst.Var(name="context"), attrs=(name, *_)):
            yield name
        case pst.Var(name="context"):
            yield ""
        case dict():
            for value in node.values():
                yield from _facts_read(value)
        case tuple():
            for value in node:
                yield from _facts_read(value)
        case _ if is_dataclass(node):
            for item in fields(node):
                yield from _facts_read(getattr(node, item.name))


def _pattern_source(pattern: str) -> str:
    return ".*".join(re.escape(part) for part in pattern.split("*"))


def _parse_manifest(data: bytes) -> tuple[str, tuple[tuple[str, ActionRule], ...], ActionRule]:
    """Return id of the pack, (pattern, rule) in the order of the file, and the rule for all other actions."""
    try:
        manifest = parse_json_object(data, max_bytes=MAX_PACK_BYTES)
    except DidError as error:
        raise PolicyManifestError(f"the manifest is not acceptable JSON ({error.code})") from error
    _check_members(manifest, required={"format", "id", "actions", "default"}, optional={"description"})
    pack_id, actions = manifest["id"], manifest["actions"]
    if manifest["format"] != MANIFEST_FORMAT:
        raise PolicyManifestError(f"format must be {MANIFEST_FORMAT}")
    if not isinstance(pack_id, str) or _NAME.match(pack_id) is None:
        raise PolicyManifestError("id must be a short name")
    if not isinstance(actions, list):
        raise PolicyManifestError("actions must be an array")
    listed = tuple(pair for item in actions for pair in _action_patterns(item))
    return pack_id, listed, _action_rule(manifest["default"], matched=False)


def _check_members(value: dict[str, JsonValue], *, required: set[str], optional: set[str]) -> None:
    """Refuse unknown members: a misspelt one would silently weaken the pack."""
    if not required <= value.keys() <= required | optional:
        raise PolicyManifestError(f"members must be {', '.join(sorted(required))}")


def _action_patterns(item: JsonValue) -> Iterator[tuple[str, ActionRule]]:
    rule = _action_rule(item, matched=True)
    patterns = item["match"] if isinstance(item, dict) else None
    if not isinstance(patterns, list) or not patterns:
        raise PolicyManifestError("match must be an array of patterns")
    for pattern in patterns:
        if not isinstance(pattern, str) or not pattern or pattern.count("*") > MAX_PATTERN_STARS:
            raise PolicyManifestError(f"a pattern must be a text with at most {MAX_PATTERN_STARS} stars")
        yield pattern, rule


def _action_rule(value: JsonValue, *, matched: bool) -> ActionRule:
    if not isinstance(value, dict):
        raise PolicyManifestError("an action rule must be an object")
    _check_members(value, required={"class", "match"} if matched else {"class"}, optional={"context"})
    action_class, context = value["class"], value.get("context", "")
    if not isinstance(action_class, str) or action_class not in ACTION_CLASSES:
        raise PolicyManifestError(f"class must be one of {', '.join(ACTION_CLASSES)}")
    if not isinstance(context, str) or (context and _CONTEXT.match(context) is None):
        raise PolicyManifestError("context must be a slug")
    return ActionRule(action_class, context)
