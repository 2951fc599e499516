"""The databases that the storage contract holds for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.storage.engine import Database, open_database
from tests.support.postgres import PostgresServer


@pytest.fixture(params=["memory", "file", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give the URL of an empty database of each kind."""
    if request.param == "memory":
        yield "sqlite://"
    elif request.param == "file":
        yield f"sqlite:///{tmp_path / 'db' / 'registry.sqlite3'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        yield server.url(server.emptied_database())


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Open an empty database of each kind."""
    opened = open_database(database_url)
    yield opened
    opened.close()
