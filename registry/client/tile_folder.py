"""A folder of tiles, copied from a log or written by one, in the place of a registry that answers over HTTP.

It gives what lies there and refuses what does not, with the words of a registry, so that whoever reads a log need not
know which of the two it reads.

Spec: c2sp.org/tlog-tiles@v0.1.0
"""

from __future__ import annotations

from collections.abc import Mapping
from os import fstat
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from registry.client.errors import RegistryAnswerError, RegistryRefusedError, RegistryUnreachableError, RegistryUrlError
from registry.client.transport import MAX_ANSWER_BYTES, Answer, Transport

_SCHEME: Final = "file://"
_NOT_FOUND: Final = 404


class FolderTransport:
    """Reads files below a folder as if they were fetched. Safe from any thread.

    Args:
        folder: holds ``checkpoint`` and ``tile``, and perhaps ``log.json``.

    Raises:
        RegistryUnreachableError: ``registry_unreachable``, there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise RegistryUnreachableError(f"{folder} is no folder")
        self._folder = folder
        self.url = folder.resolve().as_uri()

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def get(self, path: str, **_query: str | int | None) -> dict[str, Any]:
        """Get a JSON object; errors as in `Transport.get`. A file knows no queries."""
        return self.get_answer(path).to_object()

    def get_answer(self, path: str, *, headers: Mapping[str, str] | None = None, **_query: str | int | None) -> Answer:
        """Get a file; errors as in `Transport.get_answer`. There is no cache that headers could speak to."""
        del headers
        parts = path.strip("/").split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise RegistryRefusedError("route_not_found", "no such file", status=_NOT_FOUND)
        try:
            with self._folder.joinpath(*parts).open("rb") as file:
                # One byte more than it has: room for the largest answer takes longer to get than most files to read.
                data = file.read(min(fstat(file.fileno()).st_size, MAX_ANSWER_BYTES) + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            if not self._folder.is_dir():
                raise RegistryUnreachableError("the folder is gone") from None
            raise RegistryRefusedError("route_not_found", "no such file", status=_NOT_FOUND) from None
        except OSError as error:
            raise RegistryUnreachableError(f"{parts[-1]}: {error.strerror}") from error
        if len(data) > MAX_ANSWER_BYTES:
            raise RegistryAnswerError("the file is too large")
        return Answer(200, data)


def folder_of(source: str) -> Path | None:
    """Return the folder that a source names: ``file://…`` or a path; None for the URL of a registry.

    Raises:
        RegistryUrlError: ``registry_url_invalid``, a file URL that names another machine.
    """
    if source.startswith(_SCHEME):
        parts = urlsplit(source)
        if parts.netloc not in ("", "localhost"):
            raise RegistryUrlError("a file URL names a folder of this machine")
        return Path(unquote(parts.path))
    return None if "://" in source else Path(source).expanduser()


def open_source(source: str) -> Transport | FolderTransport:
    """Return what reads a source: a registry's URL, a file URL, or the path of a folder of tiles.

    Raises:
        RegistryUrlError: ``registry_url_invalid``.
        RegistryUnreachableError: ``registry_unreachable``.
    """
    folder = folder_of(source)
    return Transport(source) if folder is None else FolderTransport(folder)
