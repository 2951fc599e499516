"""The JSON Schemas of credentials and presentations, derived from the table of kinds.

Decides nothing new: the fast checkers and these schemas are two readings of the same specification. The files in
``schemas/`` and ``specs/schemas/`` are written from here by ``scripts/gen_schemas.py``.

Spec: JSON Schema 2020-12
"""

from __future__ import annotations

from typing import Any, Final

from registry.credentials.kinds import KINDS, PRESENTATION, Kind

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
BASE_URL: Final = "https://w3id.org/bonafides/v1/schemas/"


def credential_schema(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema of a kind, complete with its proof.

    Args:
        kind: a row of the table of kinds.
    """
    return {"$schema": DIALECT, "$id": f"{BASE_URL}{kind.name}.json", "title": kind.type, **kind.document.schema()}


def presentation_schema() -> dict[str, Any]:
    """Return the JSON Schema of a presentation; what it presents is judged by the schema of each kind."""
    head = {"$schema": DIALECT, "$id": f"{BASE_URL}presentation.json", "title": "VerifiablePresentation"}
    return {**head, **PRESENTATION.schema()}


def all_schemas() -> dict[str, dict[str, Any]]:
    """Return every schema by its file name."""
    schemas = {f"{kind.name}.json": credential_schema(kind) for kind in KINDS}
    return {**schemas, "presentation.json": presentation_schema()}
