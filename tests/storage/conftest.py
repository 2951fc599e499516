"""The databases that the storage contract holds for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.storage.engine import Database


@pytest.fixture(params=["memory", "file"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Open an empty database of each kind."""
    url = "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'db' / 'registry.sqlite3'}"
    opened = Database(url)
    yield opened
    opened.close()
