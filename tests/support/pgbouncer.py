"""A real pgbouncer in transaction mode before a PostgreSQL server of the tests, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres import START_S, USER, PostgresServer, run_as

_SETTINGS = """[databases]
* = host={server.folder} port={server.port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 400
logfile = {folder}/log
"""


@contextmanager
def pgbouncer(server: PostgresServer, *, sessions: int) -> Iterator[int]:
    """Run it until the block ends; gives the port of the loopback address where clients connect.

    Args:
        server: that is running.
        sessions: of the server, for all clients of one database together.
    """
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert program is not None, "pgbouncer is installed by scripts/test --full"
    folder = Path(tempfile.mkdtemp(prefix="bf-pgbouncer-"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = folder / "settings.ini"
    settings.write_text(_SETTINGS.format(server=server, user=USER, port=port, sessions=sessions, folder=folder))
    if server.account is not None:
        for path in (folder, settings):
            os.chown(path, server.account.pw_uid, server.account.pw_gid)
    process = subprocess.Popen([program, "-q", str(settings)], stderr=subprocess.DEVNULL, **run_as(server.account))
    try:
        end = time.monotonic() + START_S
        while not _answers(port):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end, "pgbouncer did not start"
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(START_S)
        shutil.rmtree(folder)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
