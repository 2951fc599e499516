"""A registry that is asked to end while it writes answers everybody whose request it has."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.adapters.test_statement_pool import wait_until_gone
from tests.crash.checker import Checker
from tests.crash.load import MANY, Load
from tests.crash.process import WITH_VERIFIERS, ServerProcess
from tests.crash.test_kill import SEVERAL, _operator, _origin_of


def test_processes_that_hang_keep_nobody_from_an_answer(tmp_path: Path) -> None:
    """Those who waited for them were answered with a defect, when the time that is given to requests was over."""
    data, load, verifiers = tmp_path / "data", Load(lines=MANY), []
    server = ServerProcess(data, prelude=WITH_VERIFIERS)

    def stop() -> None:
        verifiers.extend(server.wait_for_verifiers())
        for pid in verifiers:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.5)  # by then all wait for them
        assert server.terminate() == 0

    try:
        url = server.wait_until_serving()
        load.prepare(url, _operator(data, _origin_of(url)), agents=4)
        load.run(url, kinds=SEVERAL, seconds=0.0, warm=True, crash=stop)
    finally:
        if server.is_running:
            server.kill()
    assert not load.failures, load.failures[:3]
    assert b"Traceback" not in server.told
    Checker().check(data, load)
    for pid in verifiers:
        wait_until_gone(pid)
