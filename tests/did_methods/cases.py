"""The vectors of this repository as test parameters: one file, one case, named by its reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.vectors import REPOSITORY


def cases(area: str, verdict: str, *, member: str | None = None) -> list[Any]:
    """Return the cases of specs/vectors/area/verdict, those with the member asked for if one is."""
    found = []
    for path in sorted((REPOSITORY / "specs" / "vectors" / area / verdict).glob("*.json")):
        case = json.loads(path.read_text("utf-8"))
        if member is None or member in case:
            found.append(pytest.param(case, id=path.stem))
    assert found, f"no vectors in {area}/{verdict}"
    return found
