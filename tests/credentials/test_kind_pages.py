"""The pages of kinds say what the table says: sections, every member, an example that is a published vector."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from registry.credentials.kinds import KINDS, Kind
from registry.credentials.kinds_agent import AGENT_KINDS
from registry.credentials.kinds_registry import REGISTRY_KINDS

SPECS = Path(__file__).resolve().parents[2] / "specs"
SECTIONS = ["Purpose", "Members", "Who issues it", "Effect", "Example", "Vectors"]
UNCOUNTED = {"affiliation", "dispute", "ruling", "receipt", "action_record", "attestation", "delegation"}


def _page(name: str) -> str:
    return (SPECS / "kinds" / f"{name}.md").read_text("utf-8")


@pytest.mark.parametrize("kind", AGENT_KINDS, ids=lambda kind: kind.name)
def test_each_kind_has_its_page(kind: Kind) -> None:
    """Purpose, members, issuer, effect, example and vectors, in this order; each member of the subject is named."""
    text = _page(kind.name)
    assert [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")] == SECTIONS
    assert f"`{kind.type}`" in text
    for required in kind.subject.required:
        assert f"| `{required}` |" in text
    for optional in kind.subject.optional:
        assert f"| [`{optional}`] |" in text
    assert ("`credentialStatus`" in text) == kind.has_status
    assert ("leaf kind" in text) == kind.logged


@pytest.mark.parametrize("kind", AGENT_KINDS, ids=lambda kind: kind.name)
def test_each_example_is_a_vector(kind: Kind) -> None:
    """What the page shows is the subject of a document that verifies, and its links lead somewhere."""
    text = _page(kind.name)
    found = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert found is not None
    shown = json.loads(found[1])
    links = [SPECS / "kinds" / link for link in re.findall(r"\]\(([^)#]+)\)", text)]
    assert all(link.exists() for link in links)
    vectors = [link for link in links if "vectors" in link.parts]
    subjects: list[dict[str, Any]] = [json.loads(one.read_text())["document"]["credentialSubject"] for one in vectors]
    assert shown in subjects


def test_what_is_not_counted_says_so() -> None:
    """A kind that no score or policy looks at yet says so on its page and in the index."""
    for name in sorted(UNCOUNTED):
        assert "yet" in _page(name)
        (row,) = [line for line in _page("README").splitlines() if line.startswith("| [") and f"({name}.md)" in line]
        assert row.endswith("| nothing yet |")


def test_the_index_has_every_type() -> None:
    """No kind is missing from the tables, nor is its leaf kind."""
    index, registry = _page("README"), _page("registry")
    for kind in KINDS:
        assert kind.type in (registry if kind in REGISTRY_KINDS else index)
        assert not kind.logged or kind in AGENT_KINDS or f"| {kind.name} |" in registry
