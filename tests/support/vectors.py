"""Where the published test vectors are; tests that need them say in one line that they were not run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def shared_folder(name: str) -> Path:
    """Return the folder of published material called name (``vectors`` or ``data``), or skip the test."""
    variable = f"BONAFIDES_{name.upper()}"
    folder = Path(os.environ.get(variable, REPOSITORY.parent / "shared" / name))
    if not folder.is_dir():
        pytest.skip(f"published {name} not found (set {variable})")
    return folder


def published(path: str) -> Path:
    """Return a published vector file by its path below the vectors folder, or skip the test."""
    return shared_folder("vectors") / path
