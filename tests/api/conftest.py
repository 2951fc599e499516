"""A fresh registry per test, and one per module for tests that only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.registry import World, open_world
from tests.support.state_map import publish_state


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Open a registry for one test."""
    with open_world(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Open a registry with two agents that vouched for each other, for tests of a module that change nothing."""
    with open_world(tmp_path_factory.mktemp("reading")) as opened:
        alice, bob = opened.agent("alice"), opened.agent("bob", short_lived=True)
        opened.actors = {"alice": alice, "bob": bob}
        for document in (alice.vouch(bob.did), bob.vouch(alice.did, context="payments"), alice.passport()):
            assert opened.submit(document).status == 201
        publish_state(opened)
        yield opened
