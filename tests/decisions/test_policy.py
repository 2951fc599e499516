"""Policy packs are checked whole at load, and evaluated closed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from registry.decisions.facts import ACTION_CLASSES, FACT_NAMES
from registry.decisions.policy import (
    ActionRule,
    PolicyManifestError,
    PolicyPack,
    PolicyPackError,
    PolicyRuleError,
    PolicySchemaError,
)
from registry.decisions.reasons import REASONS, reason_text
from registry.decisions.verdict import evaluate_request
from tests.decisions.builders import (
    DIGEST,
    MANIFEST,
    POLICY_TEXT,
    REPOSITORY,
    SCHEMA,
    baseline,
    encode,
    excellent,
    vector,
)

PERMIT = '@id("allow") @reason("trust_ok") permit (principal, action, resource);\n'


def pack(policies: str, *, manifest: bytes = MANIFEST) -> PolicyPack:
    """Load a pack with the baseline's schema."""
    return PolicyPack.load(policies.encode(), SCHEMA, manifest)


BAD_RULES: list[tuple[str, str, str]] = [
    ("unknown fact", "typo", '@id("typo") @reason("x") forbid (principal, action, resource) when {context.scor > 1};'),
    ("wrong type", "text", '@id("text") @reason("x") forbid (principal, action, resource) when {context.risk > 1};'),
    ("unknown class", "cls", '@id("cls") @reason("x") forbid (principal, action == Action::"mild", resource);'),
    ("no id", "policy1", '@reason("x") forbid (principal, action, resource);'),
    ("no reason", "mute", '@id("mute") forbid (principal, action, resource);'),
    ("reason not a code", "loud", '@id("loud") @reason("No Code!") forbid (principal, action, resource);'),
    ("bad obligation", "ob", '@id("ob") @reason("x") @obligation("A b") forbid (principal, action, resource);'),
    ("same id twice", "policies", PERMIT),
    ("template", "policies", '@id("t") @reason("x") forbid (principal == ?principal, action, resource);'),
    ("syntax", "policies", "forbid ("),
]


@pytest.mark.parametrize(("rule", "text"), [case[1:] for case in BAD_RULES], ids=[case[0] for case in BAD_RULES])
def test_bad_rule_is_refused_by_name(rule: str, text: str) -> None:
    """A rule that is not sound makes the pack unloadable, and the error names the rule."""
    with pytest.raises(PolicyRuleError) as caught:
        pack(PERMIT + text)
    assert caught.value.params["rule"] == rule
    assert caught.value.code == "policy_rule_invalid"


@pytest.mark.parametrize("text", ["", '@id("no") @reason("x") forbid (principal, action, resource);'])
def test_a_pack_that_permits_nothing_is_refused(text: str) -> None:
    """A pack without a permit is a mistake, not a policy."""
    with pytest.raises(PolicyRuleError):
        pack(text)


@pytest.mark.parametrize(
    "schema",
    [
        b"entity (",
        b"",
        SCHEMA.replace(b"score_micros: Long", b"score_micros: Bool", 1),
        SCHEMA.replace(b"  vouches_live: Long,\n", b""),
        SCHEMA.replace(b'"high", ', b""),
        SCHEMA.replace(b"risk: String,", b"risk: String,\n  mood: String,"),
    ],
)
def test_schema_must_describe_the_facts(schema: bytes) -> None:
    """A schema that lacks, adds or mistypes a fact or a class is refused at load."""
    with pytest.raises(PolicySchemaError) as caught:
        PolicyPack.load(POLICY_TEXT, schema, MANIFEST)
    assert caught.value.code == "policy_schema_invalid"


def _manifest(**members: Any) -> bytes:
    return encode(json.loads(MANIFEST) | members)


BAD_MANIFESTS = [
    b"{",
    b"[]",
    b'{"format":"bonafides/policy/1","format":"bonafides/policy/1"}',
    _manifest(format="bonafides/policy/2"),
    _manifest(id="Not An Id"),
    _manifest(id=7),
    _manifest(extra=1),
    _manifest(actions={}),
    _manifest(actions=["read"]),
    _manifest(actions=[{"match": [], "class": "low"}]),
    _manifest(actions=[{"match": "read", "class": "low"}]),
    _manifest(actions=[{"match": [""], "class": "low"}]),
    _manifest(actions=[{"match": ["*a*b*c*d*"], "class": "low"}]),
    _manifest(actions=[{"match": ["read"], "class": "mild"}]),
    _manifest(actions=[{"match": ["read"]}]),
    _manifest(actions=[{"match": ["read"], "class": "low", "contexts": "x"}]),
    _manifest(default={"class": "low", "match": ["*"]}),
    _manifest(default={"class": "low", "context": "No Slug"}),
    _manifest(default=None),
]


@pytest.mark.parametrize("manifest", BAD_MANIFESTS, ids=range(len(BAD_MANIFESTS)))
def test_bad_manifest_is_refused(manifest: bytes) -> None:
    """A manifest with a misspelt or mistyped member is refused: ignoring it would weaken the pack."""
    with pytest.raises(PolicyManifestError) as caught:
        PolicyPack.load(POLICY_TEXT, SCHEMA, manifest)
    assert caught.value.code == "policy_manifest_invalid"


@pytest.mark.parametrize("text", [b"\xff", b"x" * 1_048_577])
def test_texts_must_be_readable(text: bytes) -> None:
    """A text that is not UTF-8 or too large is refused before Cedar sees it."""
    with pytest.raises(PolicyPackError) as caught:
        PolicyPack.load(text, SCHEMA, MANIFEST)
    assert caught.value.code == "policy_pack_invalid"


def test_revision_names_the_bytes() -> None:
    """Equal bytes have equal revisions; any changed byte of any part has another."""
    again = PolicyPack.load(POLICY_TEXT, SCHEMA, MANIFEST)
    others = [
        PolicyPack.load(POLICY_TEXT + b"\n", SCHEMA, MANIFEST),
        PolicyPack.load(POLICY_TEXT, SCHEMA + b"\n", MANIFEST),
        PolicyPack.load(POLICY_TEXT, SCHEMA, MANIFEST + b"\n"),
    ]
    assert again.revision == baseline().revision
    assert len({baseline().revision, *(other.revision for other in others)}) == 4


CLASSES = [
    ("read", "low", ""),
    ("GET", "low", ""),
    ("invoices.read", "low", ""),
    ("payments.read", "low", "payments"),
    ("write", "medium", ""),
    ("tools/call", "medium", ""),
    ("payments.refund", "high", "payments"),
    ("code.deploy", "critical", "code"),
    ("secrets.read", "critical", ""),
    ("table.purge", "critical", ""),
    ("delete", "high", ""),
    ("Read", "high", ""),
    ("read_and_delete", "high", ""),
    ("read\nx", "high", ""),
    ("", "high", ""),
]


@pytest.mark.parametrize(("name", "action_class", "context"), CLASSES)
def test_action_classes_of_the_baseline(name: str, action_class: str, context: str) -> None:
    """The first pattern that matches the whole name wins; what nobody listed is high."""
    assert baseline().classify(name) == ActionRule(action_class, context)


def test_risk_only_raises_the_class() -> None:
    """What the gateway states can make an action riskier and never less risky; the context stays."""
    for name, own, context in CLASSES:
        for risk in ACTION_CLASSES:
            stated = baseline().classify(name, risk=risk)
            assert stated == ActionRule(max(own, risk, key=ACTION_CLASSES.index), context)


def test_patterns_are_taken_literally_but_for_the_star() -> None:
    """Dots and brackets in a pattern stand for themselves, and an empty list leaves the default."""
    rules = [{"match": ["a.b", "c[d]", "e*g"], "class": "low"}]
    custom = pack(PERMIT, manifest=_manifest(actions=rules))
    assert [custom.classify(name).action_class for name in ("a.b", "axb", "c[d]", "cd", "eg", "e\nfg", "egh")] == [
        "low",
        "high",
        "low",
        "high",
        "low",
        "high",
        "high",
    ]
    assert pack(PERMIT, manifest=_manifest(actions=[])).classify("read").action_class == "high"


def test_a_rule_that_cannot_be_evaluated_denies() -> None:
    """Cedar skips a forbid that overflows; the answer must not become an allow for that."""
    overflowing = '@id("over") @reason("x") forbid (principal, action, resource) when {'
    custom = pack(
        PERMIT
        + overflowing
        + "context.evaluated + 1 > 0};".replace("evaluated", "existence_days * 9223372036854775807")
    )
    facts = vector(custom, existence_days=2)
    answer = custom.evaluate(facts)
    assert (answer.allowed, answer.faults, answer.reasons) == (False, 1, ())
    decision = evaluate_request(facts, custom, request_digest=DIGEST)
    assert (decision.decision, decision.reasons, decision.rules) == (False, ("evaluator_unavailable",), ())


def test_reasons_come_in_the_order_of_the_file() -> None:
    """The order of the rules is their precedence, also beyond ten rules, and a reason is named once."""
    forbids = "".join(f'@id("f{n}") @reason("r{n // 2}") forbid (principal, action, resource);\n' for n in range(24))
    answer = pack(PERMIT + forbids).evaluate(vector())
    assert answer.rules == tuple(f"f{n}" for n in range(24))
    assert answer.reasons == tuple(f"r{n}" for n in range(12))


def test_obligations_of_the_rules_that_decided() -> None:
    """An obligation is answered when its rule determined the decision, and not otherwise."""
    text = (
        '@id("allow") @reason("trust_ok") @obligation("notification") permit (principal, action, resource);\n'
        '@id("no") @reason("x") @obligation("step_up") forbid (principal, action, resource) when {context.agent_known};'
    )
    custom = pack(text)
    known, unknown = (custom.evaluate(vector(custom, agent_known=known)) for known in (True, False))
    assert (known.allowed, known.obligations) == (False, (("no", "step_up"),))
    assert (unknown.allowed, unknown.obligations) == (True, (("allow", "notification"),))


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ("context.score_micros > 1", ("score_micros",)),
        ('if context.risk == "high" then context.agent_known else [1].contains(context.tree)', None),
        ('context.agent_did like "did:*" || {"a": context.proof} has a', ("agent_did", "proof")),
        ("context has risk && principal is Agent", ("risk",)),
        ('context == context || context.risk == "low"', FACT_NAMES),
    ],
)
def test_only_the_facts_that_rules_read_reach_cedar(condition: str, read: tuple[str, ...] | None) -> None:
    """The facts handed over are those that appear in a rule, or all when a rule takes the context as a whole."""
    text = f'@id("allow") @reason("trust_ok") permit (principal, action, resource) when {{ {condition} }};'
    if read is None:
        with pytest.raises(PolicyRuleError):
            pack(text)
        return
    custom = pack(text)
    assert custom._attributes == read
    assert custom.evaluate(excellent(score_micros=95_000_000)).faults == 0


def test_custom_rules_may_name_agents_and_resources() -> None:
    """Principal and resource are the acting DID and resource.id, whatever characters they hold."""
    custom = pack(PERMIT + r'@id("one") @reason("x") forbid (principal, action, resource == Resource::"a\"b ü");')
    assert not custom.evaluate(vector(custom, resource_id='a"b ü')).allowed
    assert custom.evaluate(vector(custom, resource_id="a")).allowed


def test_every_reason_of_the_baseline_is_documented() -> None:
    """Each code has its two sentences and a row in specs/decision.md; codes of other packs stand for themselves."""
    page = (REPOSITORY / "specs" / "decision.md").read_text(encoding="utf-8")
    assert all(f"| `{code}` |" in page for code in REASONS)
    used = {part.split('"')[0] for part in POLICY_TEXT.decode().split('@reason("')[1:]}
    assert used <= REASONS.keys()
    assert "own_code" in reason_text("own_code").admin


def test_every_rule_of_the_baseline_is_explained() -> None:
    """specs/decision.md has a row for each rule of the baseline."""
    page = (REPOSITORY / "specs" / "decision.md").read_text(encoding="utf-8")
    rules = [part.split('"')[0] for part in POLICY_TEXT.decode().split('@id("')[1:]]
    assert len(rules) == 27
    assert [rule for rule in rules if f"| `{rule}` |" not in page] == []
