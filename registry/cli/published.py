"""Where a registry's logs were published: a registry that answers, or a folder of tiles with the state log below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.services.restore_state import Published


@contextmanager
def published_at(source: str | None) -> Iterator[Callable[[str], Published]]:
    """Give what opens the readers of a registry's published logs, and close what it has opened.

    Args:
        source: a URL or a folder of tiles; None takes the public URL that the caller is to tell.
    """
    from registry.client.log_reader import LogReader
    from registry.client.tile_folder import FolderTransport, folder_of, open_source
    from registry.client.transport import Transport
    from registry.services.restore_state import Published

    opened: list[FolderTransport | Transport] = []

    def read(public_url: str) -> Published:
        place = source or public_url
        folder = folder_of(place)
        opened.append(open_source(place))
        if folder is None:
            opened.append(Transport(f"{place.rstrip('/')}/state"))
        elif (folder / "state").is_dir():
            opened.append(FolderTransport(folder / "state"))
        return Published(*map(LogReader, opened))

    try:
        yield read
    finally:
        for one in opened:
            one.close()
