"""The description of the API: complete, sound, and the one that is in specs/."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from did_methods.codec import parse_json_object
from tests.support.registry import World
from tests.support.vc_api import Party, credential

ROOT = Path(__file__).resolve().parents[2]


def test_the_description_is_the_one_in_specs(reading: World) -> None:
    """What is served is what is published, whatever registry serves it."""
    published = parse_json_object((ROOT / "specs" / "openapi.json").read_bytes(), max_bytes=1 << 22)
    assert reading.web.get("/openapi.json").json == published


def test_every_operation_is_described(reading: World) -> None:
    """Each operation has its path parameters, a summary, success and problem answers, and never 422."""
    document = reading.web.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    names = [one["operationId"] for operations in document["paths"].values() for one in operations.values()]
    assert len(names) == len(set(names))
    for path, operations in document["paths"].items():
        for operation in operations.values():
            inside = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert inside == set(re.findall(r"\{(\w+)\}", path))
            assert operation["description"]
            assert "422" not in operation["responses"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert any(code.startswith("2") for code in operation["responses"])


def test_every_door_that_needs_a_key_says_so(reading: World) -> None:
    """The operations marked with a key are those that refuse a caller without one, and no others."""
    document = reading.web.get("/openapi.json").json
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            target = path.replace("{did}", reading.actors["alice"].did).replace("{", "").replace("}", "")
            target += "?after=x" if path.endswith("/stream") else ""  # else it would never end
            answer = reading.web.send(method.upper(), target, headers={"content-type": "application/json"})
            assert (answer.status == 401) == ("security" in operation), (method, path, answer.status)


@pytest.mark.parametrize(
    ("document", "status", "media_type"),
    [
        (Party.named("issuer").credential(), 200, "application/json"),
        (credential("did:key:z6Mk"), 400, "application/json"),
        (None, 400, "application/problem+json"),
    ],
)
def test_answers_of_the_doors_that_verify_are_the_described_ones(
    reading: World, document: dict[str, Any] | None, status: int, media_type: str
) -> None:
    """200 and 400 with a verdict, and 400 with a problem, each hold to the schema of their media type."""
    body = {} if document is None else {"verifiableCredential": document}
    answer = reading.web.post("/credentials/verify", body)
    assert (answer.status, answer.headers["content-type"]) == (status, media_type)
    described = reading.web.get("/openapi.json").json
    content = described["paths"]["/credentials/verify"]["post"]["responses"][str(status)]["content"][media_type]
    schemas = {"components": described["components"]}
    jsonschema.Draft202012Validator(content["schema"] | schemas).validate(answer.json)


def test_every_address_of_the_page_exists(reading: World) -> None:
    """specs/http-api.md names every path of the application."""
    page = (ROOT / "specs" / "http-api.md").read_text("utf-8")
    document = reading.web.get("/openapi.json").json
    for path in document["paths"]:
        named = path.replace("{event_id}", "{id}").replace("/tile/{path}", "/tile/")
        assert named in page, path
