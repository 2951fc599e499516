"""A log to which the tests of this folder add."""

from __future__ import annotations

import pytest

from tests.support.logs import LogBuilder, key_actor


@pytest.fixture
def log() -> LogBuilder:
    """A log with a root that has a voice."""
    made = LogBuilder().open(key_actor("root-agent"))
    made.agent("root-agent")
    made.epoch()
    made.wait()
    return made
