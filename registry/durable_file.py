"""Files that a crash leaves whole: what was there before, or all that was written; and the folders they lie in.

Nobody reads a half-written file, and what has been written stays written: synced first, then named, then the folder
synced. What is written beside a file has a name of its own, so that two writers never write into each other's; a process
that is killed in between leaves one such file, ``.<name>.<random>.new``, which nothing reads.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def durable_file(path: Path, *, mode: int = 0o600, replace: bool = True) -> Iterator[BinaryIO]:
    """Give a file to write, which is on the disk under its name when the block has ended, and nowhere when that failed.

    Args:
        path: its folder exists.
        mode: of a new file, less the umask.
        replace: in one step; otherwise a file that is there is left as it is.

    Raises:
        FileExistsError: it is there and may not be replaced.
        OSError: the disk refused.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            beside.replace(path)
        else:
            os.link(beside, path)
            beside.unlink()
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            beside.unlink()
        raise
    sync_folder(path.parent)


def write_durably(path: Path, data: bytes, *, mode: int = 0o600, replace: bool = True) -> None:
    """Write a whole file; see `durable_file`."""
    with durable_file(path, mode=mode, replace=replace) as file:
        file.write(data)


def make_folder(folder: Path, *, mode: int = 0o777) -> None:
    """Make a folder and what is missing above it, durably; one that is there keeps its mode.

    Args:
        folder: where.
        mode: of this folder, less the umask; those above it get the default one.
    """
    missing = []
    above = folder
    while not above.is_dir():  # what is no folder is refused by the system, when one is to be made there
        missing.append(above)
        above = above.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True, mode=mode if one == folder else 0o777)
        sync_folder(one.parent)


def sync_folder(folder: Path) -> None:
    """Put the names of a folder's files on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
