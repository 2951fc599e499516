"""Credential schemas: bundled ones are evaluated, others are named, and nothing is ever fetched."""

from __future__ import annotations

import copy
import socket
from typing import Any

import pytest
from referencing.exceptions import Unresolvable

from registry.credentials.credential_schema import SchemaResult, bundled_schemas, compile_schema, evaluate_schemas
from registry.credentials.data_model import parse_any_credential
from registry.credentials.kinds import KINDS, KINDS_BY_TYPE
from registry.credentials.schema import BASE_URL, all_schemas
from tests.credentials.builders import VALID
from tests.credentials.test_data_model import credential

URL = "https://example.org/schemas/degree.json"
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": URL,
    "type": "object",
    "properties": {"credentialSubject": {"required": ["degree"], "properties": {"degree": {"const": "BSc"}}}},
}
BUNDLED = {URL: compile_schema(SCHEMA)}


def naming(*entries: dict[str, Any], **subject: Any) -> Any:
    """Return a credential about a subject that names schemas."""
    return parse_any_credential(credential(credentialSchema=list(entries), credentialSubject={"x": 1, **subject}))


@pytest.mark.parametrize(
    ("subject", "result"),
    [
        ({"degree": "BSc"}, SchemaResult(URL, "valid")),
        ({"degree": "MSc"}, SchemaResult(URL, "invalid", "const")),
        ({}, SchemaResult(URL, "invalid", "required")),
    ],
)
def test_a_bundled_schema_is_evaluated(subject: dict[str, Any], result: SchemaResult) -> None:
    """A credential that names a bundled schema conforms to it or does not, and what it breaks is a word of the schema."""
    assert evaluate_schemas(naming({"id": URL, "type": "JsonSchema"}, **subject), bundled=BUNDLED) == (result,)


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "https://example.org/schemas/other.json", "type": "JsonSchema"},
        {"id": URL + "#", "type": "JsonSchema"},
        {"id": URL, "type": "JsonSchemaCredential"},
        {"id": URL, "type": "https://example.org/#ExampleTestSuiteSchema"},
    ],
)
def test_anything_else_is_named_and_not_fetched(entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema that is not bundled, or is of another type, is reported as not evaluated without a look at the network."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a schema was fetched")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert evaluate_schemas(naming(entry), bundled=BUNDLED) == (SchemaResult(entry["id"], "not_evaluated"),)


def test_each_in_its_place() -> None:
    """Several schemas give several results, in the order of the credential; none gives none."""
    entries = ({"id": "urn:x:1", "type": "JsonSchema"}, {"id": URL, "type": ["A", "JsonSchema"]})
    outcomes = [result.outcome for result in evaluate_schemas(naming(*entries, degree="BSc"), bundled=BUNDLED)]
    assert outcomes == ["not_evaluated", "valid"]
    assert evaluate_schemas(parse_any_credential(credential())) == ()


def test_references_are_never_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema that refers to another document is an error when it is used, not a request."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a reference was followed"))
    schema = compile_schema({"$ref": "https://attacker.example/schema.json"})
    with pytest.raises(Exception, match="attacker") as refusal:
        schema.find_violation({})
    assert isinstance(refusal.value, Unresolvable) or isinstance(refusal.value.__cause__, Unresolvable)


def test_the_bundled_schemas_are_those_of_our_kinds() -> None:
    """What is bundled is exactly what is generated, each under the id that credentials name, and none refers elsewhere."""
    assert set(bundled_schemas()) == {BASE_URL + name for name in all_schemas()}
    assert len(bundled_schemas()) == len(KINDS) + 1


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(_references(item) for item in value.values()))
    return set().union(*(_references(item) for item in value)) if isinstance(value, list) else set()


def test_bundled_schemas_stand_alone() -> None:
    """No bundled schema refers to another document, so that none can be met while a credential is validated."""
    assert not {
        reference for schema in all_schemas().values() for reference in _references(schema) if reference[0] != "#"
    }


@pytest.mark.parametrize("name", sorted(VALID))
def test_each_kind_against_its_schema(name: str) -> None:
    """A document of each kind satisfies its bundled schema and no longer does with a member more."""
    document = VALID[name][1]()
    schema = bundled_schemas()[f"{BASE_URL}{KINDS_BY_TYPE[document['type'][1]].name}.json"]
    assert schema.find_violation(document) is None
    changed = copy.deepcopy(document)
    changed["unknownMember"] = 1
    assert schema.find_violation(changed) is not None
