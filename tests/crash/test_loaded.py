"""A registry that serves has loaded its code: what a disk refuses later is data, and answered as such."""

from __future__ import annotations

from pathlib import Path

import httpx

from registry.bootstrap import open_registry
from tests.crash.load import Load
from tests.crash.process import ServerProcess, settings_of
from tests.crash.test_kill import _operator, _origin_of

TELL_LOADED = """
import sys

class Tell:
    def find_spec(self, name, path=None, target=None):
        with open({told!r}, "a") as told:
            print(name, file=told)

sys.meta_path.insert(0, Tell())
"""


def test_writers_and_readers_load_nothing(tmp_path: Path) -> None:
    """The first statement was answered with `internal_error` where the disk failed as the thread pool's code was read.

    And the first epoch of a registry that had begun its log in an earlier life read numpy, in the writer's turn.
    """
    data, load = tmp_path / "data", Load()
    for life in ("first", "second"):
        told = tmp_path / life
        server = ServerProcess(
            data, prelude=TELL_LOADED.format(told=str(told)), options=["--tiles", str(tmp_path / "tiles")]
        )
        try:
            url = server.wait_until_serving()
            before = told.read_text().splitlines()
            assert before, "nothing is told"
            if not load.actors:
                load.prepare(url, _operator(data, _origin_of(url)), agents=3)
            httpx.post(f"{url}/v1/epochs", json={}, timeout=30, trust_env=False).raise_for_status()
            load.run(url, kinds=("single", "batch", "epoch", "reader"), seconds=0.5, warm=True, crash=server.kill)
        finally:
            if server.is_running:
                server.kill()
        assert load.acknowledged
        assert not load.failures
        assert told.read_text().splitlines()[len(before) :] == []
        registry = open_registry(settings_of(data))
        registry.snapshots.save()  # so that the next start has no epoch to fold
        registry.database.close()
