"""The database of a data folder on this machine, for commands that also work while the server is stopped.

A file belongs to one process: where the server runs, it is asked instead. A PostgreSQL that BONAFIDES_DATABASE_URL names
is shared, and servers that run hear of what is changed there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[Path | None, typer.Option("--data", envvar="BONAFIDES_DATA_DIR", help="The registry's data folder.")]


@contextmanager
def local_database(url: str | None, data: Path | None) -> Iterator[Any]:
    """Give the database of the data folder, or None where a server is to be asked: one was named, or has it open.

    Raises:
        DependencyError: a database that cannot be used.
    """
    folder = data or Path(".bonafides")
    named = os.environ.get("BONAFIDES_DATABASE_URL", "")
    if url is not None or not (named or (folder / "registry.sqlite3").exists()):
        yield None
        return
    from registry.config import load_settings  # only where the server is installed is there a folder to open
    from registry.storage.engine import DatabaseBusyError, open_database

    try:
        database = open_database(load_settings({"data_dir": data}).database_url)
    except DatabaseBusyError:
        database = None
    if database is None:
        yield None
        return
    try:
        yield database
    finally:
        database.close()
