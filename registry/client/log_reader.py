"""The public log over HTTP: checkpoint, entry bundles, tiles; nothing else is needed to audit one.

Bundles are fetched ahead of whoever consumes them. What is missing or malformed is an answer too, and is handed on as
such; only a registry that does not answer raises.

Spec: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from registry.audit.reader import Portion
from registry.client.errors import RegistryAnswerError, RegistryRefusedError
from registry.client.tile_folder import FolderTransport
from registry.client.transport import Transport, did_segment
from registry.log.tile import TILE_WIDTH, TileContentError, entries_path, tile_hashes, tile_path

AHEAD: Final = 4
_NOT_FOUND: Final = 404
_GONE: Final = 410
_DAMAGED: Final = "stored_entry_corrupt"
_NO_COPIES: Final = {"Cache-Control": "no-cache"}  # a copy that a cache may keep is older than the checkpoint
_LENGTH_BYTES: Final = 2
_PAGE: Final = 100
_NEWEST: Final = 20
_MORE_THAN_LOGGED: Final = 10_000


class LogReader:
    """Reads a registry's public log, and what it says of agents.

    Args:
        transport: to the registry, or to any place that serves its log; a folder of tiles is one.
        prefix: of the log's own addresses; empty for the main log.
    """

    def __init__(self, transport: Transport | FolderTransport, *, prefix: str = "") -> None:
        self._transport = transport
        self._prefix = prefix

    def state_log(self) -> LogReader:
        """Return the reader of the log in which the registry commits to its state map."""
        return LogReader(self._transport, prefix="/state")

    def description(self) -> dict[str, Any]:
        """Return ``/log.json``; empty where it is not served, as beside tiles that somebody copied.

        Raises:
            RegistryError: as `Transport.get`.
        """
        try:
            return self._transport.get(f"{self._prefix}/log.json")
        except RegistryRefusedError as error:
            if error.status == _NOT_FOUND:
                return {}
            raise

    def first_key(self) -> str:
        """Return the verifier key that the log names as its own; empty text where it names none.

        Raises:
            RegistryError: as `Transport.get`.
        """
        keys = self.description().get("verifier_keys")
        return str(keys[0]) if isinstance(keys, list) and keys else ""

    def checkpoint(self) -> bytes:
        """Return the newest checkpoint note; nothing is verified.

        Raises:
            RegistryError: as `Transport.get_answer`.
        """
        return self._transport.get_answer(f"{self._prefix}/checkpoint").body

    def portions(self, start: int, end: int) -> Iterator[Portion]:
        """Yield the entries from start up to end in order, read some portions ahead.

        Args:
            start: first entry; may lie inside a bundle.
            end: the checkpoint's tree size.

        Raises:
            RegistryUnreachableError: ``registry_unreachable``.
        """
        numbers = iter(range(start // TILE_WIDTH, -(-end // TILE_WIDTH) if start < end else 0))
        waiting: deque[Future[Portion]] = deque()
        with ThreadPoolExecutor(AHEAD, "log-reader") as pool:
            try:
                while True:
                    while len(waiting) < AHEAD and (number := next(numbers, None)) is not None:
                        waiting.append(pool.submit(self._portion, number, start, end))
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for one in waiting:
                    one.cancel()

    def entry(self, index: int, size: int) -> bytes | None:
        """Return one entry of a tree of that size, None where it is not served.

        Raises:
            RegistryUnreachableError: ``registry_unreachable``.
        """
        entries = self._portion(index // TILE_WIDTH, index, size).entries
        return entries[0] if entries else None

    def hashes(self, level: int, number: int, width: int) -> tuple[bytes, ...]:
        """Return the hashes of a tile, none where it is not served or malformed."""
        data = self._tile(lambda size: tile_path(level, number, width=size), width)
        try:
            hashes = tile_hashes(data, width=len(data) // 32) if data else ()
        except TileContentError:
            return ()
        return hashes[:width] if len(hashes) >= width else ()

    def agents(self, *, expected: int) -> Iterator[dict[str, Any]]:
        """Yield what the registry lists of its agents; ends when it lists far more than expected.

        Raises:
            RegistryError: as `Transport.get`.
        """
        after: str | None = None
        listed = 0
        while listed <= expected + _MORE_THAN_LOGGED:
            page = self._transport.get("/v1/agents", limit=_PAGE, after=after)
            rows, after = page.get("agents"), page.get("next")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise RegistryAnswerError("the list of agents has no agents")
            yield from rows
            listed += len(rows)
            if not rows or not isinstance(after, str):
                return

    def standing(self, did: str, context: str | None) -> dict[str, Any] | None:
        """Return what the registry says of an agent's standing now, None where it does not know the agent.

        Raises:
            RegistryError: as `Transport.get`.
        """
        return self._known(f"/v1/agents/{did_segment(did)}/standing", context=context)

    def events(self, did: str, before: int | None) -> dict[str, Any] | None:
        """Return what the registry shows of an agent's entries below a count, or of its newest ones; None for no such agent.

        Raises:
            RegistryError: as `Transport.get`.
        """
        return self._known(
            f"/v1/agents/{did_segment(did)}/events", before=before, limit=_NEWEST if before is None else _PAGE
        )

    def _known(self, path: str, **query: str | int | None) -> dict[str, Any] | None:
        try:
            return self._transport.get(path, **query)
        except RegistryRefusedError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    def did_file(self, path: str) -> bytes | None:
        """Return a file of a hosted DID as it is now; None where nothing is served, or by its own word some of it is lost.

        One that is far too large is empty.

        Raises:
            RegistryError: as `Transport.get_answer`; a registry that cannot answer now has withheld nothing yet.
        """
        try:
            return self._transport.get_answer(path, headers=_NO_COPIES).body
        except RegistryRefusedError as error:
            if error.status in (_NOT_FOUND, _GONE) or error.problem_code == _DAMAGED:
                return None
            raise
        except RegistryAnswerError:
            return b""

    # ------------------------------------------------------------

    def _portion(self, number: int, start: int, end: int) -> Portion:
        first = number * TILE_WIDTH
        width = min(TILE_WIDTH, end - first)
        skip = max(0, start - first)
        data = self._tile(lambda size: entries_path(number, width=size), width)
        entries, rest = _split(data, width)
        hashes = self.hashes(0, number, width)
        return Portion(first + skip, width - skip, entries[skip:], hashes[skip:], not rest and len(entries) == width)

    def _tile(self, path: Callable[[int], str], width: int) -> bytes:
        """Return a tile of that width, or the full one where the partial one is gone; empty where there is none."""
        for size in dict.fromkeys((width, TILE_WIDTH)):
            try:
                return self._transport.get_answer(f"{self._prefix}/{path(size)}").body
            except RegistryRefusedError as error:
                if error.status != _NOT_FOUND:
                    raise
            except RegistryAnswerError:
                return b""
        return b""


def _split(data: bytes, most: int) -> tuple[tuple[bytes, ...], bytes]:
    """Return up to that many entries of a bundle, as far as they are whole, and what is left."""
    entries: list[bytes] = []
    at, size = 0, len(data)
    for _ in range(most):
        start = at + _LENGTH_BYTES
        if start > size:
            break
        end = start + (data[at] << 8 | data[at + 1])
        if end > size:
            break
        entries.append(data[start:end])
        at = end
    return tuple(entries), data[at:]
