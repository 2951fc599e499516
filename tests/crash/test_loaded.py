"""A registry that serves has loaded its code: what a disk refuses later is data, and answered as such."""

from __future__ import annotations

from pathlib import Path

from tests.crash.load import Load
from tests.crash.process import ServerProcess
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
    """The first statement was answered with `internal_error` where the disk failed as the thread pool's code was read."""
    told, data = tmp_path / "loaded", tmp_path / "data"
    server = ServerProcess(
        data, prelude=TELL_LOADED.format(told=str(told)), options=["--tiles", str(tmp_path / "tiles")]
    )
    try:
        url = server.wait_until_serving()
        before = told.read_text().splitlines()
        assert before, "nothing is told"
        load = Load()
        load.prepare(url, _operator(data, _origin_of(url)), agents=3)
        load.run(url, kinds=("single", "batch", "epoch", "reader"), seconds=0.5, warm=True, crash=server.kill)
    finally:
        if server.is_running:
            server.kill()
    assert load.acknowledged
    assert not load.failures
    assert told.read_text().splitlines()[len(before) :] == []
