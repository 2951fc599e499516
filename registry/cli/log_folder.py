"""The data folder of a stopped registry, as the commands that keep its log open it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.errors import NotFoundError

if TYPE_CHECKING:
    from registry.config import Settings
    from registry.storage.engine import Database

Database_ = Annotated[
    str | None, typer.Option("--database", envvar="BONAFIDES_DATABASE_URL", help="Where it is not below --data.")
]
Tiles = Annotated[
    Path | None,
    typer.Option("--tiles", envvar="BONAFIDES_TILES_DIR", help="Compare the folder that the log is published in, too."),
]


class LogMissingError(NotFoundError):
    """There is no log in that database."""

    code = "log_missing"
    title = "There is no log here"


def folder_settings(data: Path | None, database: str | None, **more: object) -> Settings:
    """Return the settings of a data folder, which has no server beside it.

    Args:
        data: the folder; None for that of the environment.
        database: its URL where it is not below the folder.
        more: other settings, by name.
    """
    from registry.config import load_settings  # only where the server is installed is there a folder to open

    return load_settings({"data_dir": data, "database_url": database, **more})


@contextmanager
def opened_log(settings: Settings) -> Iterator[Database]:
    """Open the database of a log that exists.

    Raises:
        LogMissingError: ``log_missing``; nothing is made.
        BonafidesError: the codes of databases; ``database_in_use`` where the server runs.
    """
    from registry.storage.engine import open_database
    from registry.storage.log import LogStore

    if settings.database_url.startswith("sqlite:///") and not Path(settings.database_url[10:]).exists():
        raise LogMissingError(settings.database_url[10:])
    database = open_database(settings.database_url)
    try:
        if LogStore(database).head()[0] == 0:
            raise LogMissingError("the database is empty")
        yield database
    finally:
        database.close()
