"""SQLite: one process, one writer connection, many readers.

It runs in WAL mode with `synchronous=FULL`: what was committed survives a power cut as far as the disk keeps its word.
Exactly one connection writes and does every WAL checkpoint, because SQLite before 3.51.3 can corrupt a WAL that two
connections reset at once; a second process is refused by a lock file, and a network file system, where neither that lock
nor the order of writes is to be relied on, by its name.
"""

from __future__ import annotations

import fcntl
import os
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool, StaticPool

from registry.storage.engine import DatabaseBusyError, DatabaseFileSystemError, is_current, migrate

_LOCK_WAIT_MS = 5_000
_FORGET_WAIT_MS = 200
_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    [
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "fuse.beegfs",
        "fuse.ceph",
        "fuse.curlftpfs",
        "fuse.davfs2",
        "fuse.gcsfuse",
        "fuse.glusterfs",
        "fuse.goofys",
        "fuse.juicefs",
        "fuse.mountpoint-s3",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.smbnetfs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "pvfs2",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
    ]
)


class SqliteDatabase:
    """An open SQLite database; see `Database`.

    Owner: a write transaction is held by one thread at a time; `read` may be called from any thread.

    Args:
        url: of a file, or of none: then it lies in memory.
    """

    is_shared = False

    def __init__(self, url: URL) -> None:
        in_memory = url.database in (None, "", ":memory:")
        self.path = None if in_memory else Path(str(url.database))
        self._lock_file = _lock(self.path) if self.path else None
        self._writer_mutex = threading.RLock()
        self._mutexes: dict[str, threading.Lock] = defaultdict(threading.Lock)
        if self.path is None:
            self._writer_engine = create_engine(
                url, poolclass=StaticPool, connect_args={"check_same_thread": False}, isolation_level="AUTOCOMMIT"
            )
            self._reader_engine = self._writer_engine
        else:
            self._writer_engine = _sqlite_engine(url, writer=True)
            self._reader_engine = _sqlite_engine(url, writer=False)
        try:
            self._writer = self._writer_engine.connect()
            self._migrate()
        except BaseException:
            self.close()
            raise

    def _migrate(self) -> None:
        if not is_current(self._writer):
            with self.write() as connection:
                migrate(connection)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run one transaction on the writer connection; see `Database.write`."""
        with self._writer_mutex:
            self._writer.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.exec_driver_sql("COMMIT")
            except BaseException:
                # A COMMIT that failed (a full disk) leaves the transaction open; one that did not, none to roll back.
                raw: Any = self._writer.connection.dbapi_connection
                if raw.in_transaction:
                    self._writer.exec_driver_sql("ROLLBACK")
                raise

    @contextmanager
    def write_alone(self, name: str) -> Iterator[Connection]:
        """Run one transaction: each excludes every other here; see `Database.write_alone`."""
        del name
        with self.write() as connection:
            yield connection

    @contextmanager
    def sequencing(self, *, slow: bool = False) -> Iterator[Connection]:  # noqa: ARG002 - nobody else waits
        """Run one transaction; see `Database.sequencing`."""
        with self.write() as connection:
            yield connection

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold a mutex of this process, which is the only one; see `Database.exclusive`."""
        with self._writer_mutex:
            mutex = self._mutexes[name]
        with mutex:
            yield

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read-only connection."""
        if self.path is None:
            with self._writer_mutex:
                yield self._writer
            return
        with self._reader_engine.connect() as connection:
            yield connection

    def notify(self, connection: Connection, channel: str, payload: str) -> None:
        """Do nothing: there is no other process to tell."""

    def listen(self, channel: str) -> SilentListener:
        """Return a listener that never hears anything."""
        del channel
        return SilentListener()

    def forget_deleted(self, *, rewrite: bool = False) -> bool:
        """Empty the write-ahead log, which a reader may prevent; see `Database.forget_deleted`."""
        if self.path is None:
            return True
        with self._writer_mutex:
            if rewrite:
                self._writer.exec_driver_sql("VACUUM")
            # The writer stands still meanwhile: a long reader, such as a backup, is not waited for.
            self._writer.exec_driver_sql(f"PRAGMA busy_timeout={_FORGET_WAIT_MS}")
            row = self._writer.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()
            self._writer.exec_driver_sql(f"PRAGMA busy_timeout={_LOCK_WAIT_MS}")
        return row is not None and row[0] == 0

    def close(self) -> None:
        """Close every connection and let go of the lock."""
        writer = getattr(self, "_writer", None)
        if writer is not None:
            writer.close()
        self._writer_engine.dispose()
        self._reader_engine.dispose()
        if self._lock_file is not None:
            self._lock_file.close()


class SilentListener:
    """Waits for nothing, where no other process is."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def wait(self, timeout_s: float) -> list[str]:
        """Let the time pass; see `Listener.wait`."""
        self._closed.wait(timeout_s)
        return []

    def close(self) -> None:
        """End the waiting."""
        self._closed.set()


def file_system_of(path: Path, mounts: str) -> str:
    """Return the type of the file system on which a path lies, or an empty text where the table does not say.

    Args:
        path: absolute, without symbolic links.
        mounts: the text of Linux's mountinfo.

    Spec: proc_pid_mountinfo(5)
    """
    found, depth = "", -1
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:  # noqa: PLR2004 - the mount point is the fifth field
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        # Of two mounts on one point the later one covers the earlier.
        if path.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = right.split(" ", 1)[0], len(point.parts)
    return found


def check_file_system(folder: Path, *, mounts: Path = _MOUNTS) -> None:
    """Refuse a folder on a network file system; where the system has no table of mounts, nothing can be told.

    Raises:
        DatabaseFileSystemError: ``database_on_network``.
    """
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    kind = file_system_of(folder.resolve(), table)
    if kind in _NETWORK:
        raise DatabaseFileSystemError(f"the folder lies on {kind}: take a local disk, or PostgreSQL")


def _lock(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_file_system(path.parent)
    lock_file = (path.parent / (path.name + ".lock")).open("a+")
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock_file.seek(0)
        holder = lock_file.read(20).strip() or "unknown"
        lock_file.close()
        raise DatabaseBusyError(f"process {holder} has {path.name} open") from error
    lock_file.truncate(0)
    lock_file.write(str(os.getpid()))
    lock_file.flush()
    return lock_file


def _sqlite_engine(url: URL, *, writer: bool) -> Engine:
    made = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False, "timeout": _LOCK_WAIT_MS / 1000},
        **({"poolclass": NullPool} if writer else {"pool_size": 8, "max_overflow": 32}),
    )

    @event.listens_for(made, "connect")
    def _set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        if writer:
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.execute("PRAGMA cache_size=-65536")
            cursor.execute("PRAGMA secure_delete=ON")  # what an erasure deletes leaves zeros in its page
        else:
            cursor.execute("PRAGMA query_only=ON")
            cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.close()

    return made
