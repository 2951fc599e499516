"""Credential schemas: whether a credential conforms to the bundled JSON Schemas that it names. The only door to jsonschema.

Decides nothing about schemas that are not bundled: they are never fetched, and reported as not evaluated. Whether an invalid
or an unevaluated schema refuses a credential is the caller's policy. Bundled are the schemas of our own kinds.

Spec: VC-DATA-MODEL-2.0 4.11; VC-JSON-SCHEMA 2.1, 3; JSON Schema 2020-12
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final, Literal, Protocol

from did_methods.codec import parse_json_object
from registry.credentials.data_model import AnyCredential

SCHEMA_TYPE: Final = "JsonSchema"
Outcome = Literal["valid", "invalid", "not_evaluated"]


class DocumentSchema(Protocol):
    """A schema that is ready for use."""

    def find_violation(self, document: dict[str, Any]) -> str | None:
        """Return the keyword of the schema that a document breaks first, for example ``required``; None for none."""


@dataclass(frozen=True, slots=True)
class SchemaResult:
    """What one entry of ``credentialSchema`` has come to.

    Attributes:
        id: of the schema, as the credential names it.
        outcome: ``not_evaluated`` where the schema is not bundled or its type is not JSON Schema.
        keyword: what an invalid credential breaks, a word of the schema and never of the credential; "" for the others.
    """

    id: str
    outcome: Outcome
    keyword: str = ""


@dataclass(frozen=True, slots=True)
class _JsonSchema:
    validator: Any

    def find_violation(self, document: dict[str, Any]) -> str | None:
        """Return the first keyword that is broken; see `DocumentSchema.find_violation`."""
        violation = next(self.validator.iter_errors(document), None)
        return None if violation is None else str(violation.validator)


def evaluate_schemas(
    credential: AnyCredential, *, bundled: Mapping[str, DocumentSchema] | None = None
) -> tuple[SchemaResult, ...]:
    """Evaluate a credential against each schema that it names.

    Args:
        credential: what `parse_any_credential` returned; complete with its proof, which the schemas of our kinds describe too.
        bundled: id to schema; None for those that come with this product.

    Returns:
        One result per entry of ``credentialSchema``, in its order.

    Spec: VC-DATA-MODEL-2.0 4.11; VC-JSON-SCHEMA 3
    """
    known = bundled_schemas() if bundled is None and credential.schemas else bundled or {}
    results = []
    for schema in credential.schemas:
        found = known.get(schema.id) if SCHEMA_TYPE in schema.types else None
        if found is None:
            results.append(SchemaResult(schema.id, "not_evaluated"))
            continue
        keyword = found.find_violation(credential.document)
        results.append(SchemaResult(schema.id, "valid" if keyword is None else "invalid", keyword or ""))
    return tuple(results)


@cache
def bundled_schemas() -> Mapping[str, DocumentSchema]:
    """Return the schemas that come with this product, by ``$id``.

    Spec: specs/schemas
    """
    folder = resources.files(__package__) / "schemas"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name)
    schemas = (parse_json_object(file.read_bytes(), max_bytes=1 << 20) for file in files)
    return MappingProxyType({str(schema["$id"]): compile_schema(schema) for schema in schemas})


def compile_schema(schema: dict[str, Any]) -> DocumentSchema:
    """Return a schema ready for use. It is the product's own: a hostile one could name patterns that never end.

    Args:
        schema: a JSON Schema of draft 2020-12. References to other documents are never followed: meeting one while a
            document is validated is a defect, and raises the library's error.

    Spec: JSON Schema 2020-12
    """
    # Lazy, because few credentials name a schema and the library takes its time to load.
    from jsonschema import Draft202012Validator  # noqa: TID251 - this module is its door
    from referencing import Registry  # noqa: TID251

    Draft202012Validator.check_schema(schema)
    # An empty registry: without one, the library would open references as URLs.
    return _JsonSchema(Draft202012Validator(schema, registry=Registry()))
