"""One life of a signer and its publisher in a forked process, killed at a point that is counted, not timed.

A point lies before and after every sync, rename and commit on the way from entries to a published checkpoint. Whatever was
signed goes to the parent through a pipe as soon as it could leave the process.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from did_methods.keys import SigningKey
from registry.adapters.signer_record import FileSignerRecord
from registry.log.checkpoint import Checkpoint
from registry.log.note import NoteSigner
from registry.log.tile import append_leaves
from registry.services.signing import CheckpointSigner, LogRolledBackError
from registry.storage.engine import open_database
from registry.storage.log import LogStore
from registry.storage.tile_store import FolderTileStore, publish_checkpoint, published_head, write_tiles
from tests.support.log_writer import make_leaf

KEY = NoteSigner("log.example/1", SigningKey(bytes(range(32))))
REFUSED = 17


@dataclass(frozen=True, slots=True)
class Ended:
    """How a life ended.

    Attributes:
        notes: what left the process, in order.
        killed: by its own hand, at the point.
        refused: the signer refused to sign.
    """

    notes: tuple[bytes, ...]
    killed: bool
    refused: bool


@dataclass(slots=True)
class Points:
    """Counts points; at the chosen one the process is no more."""

    kill_at: int
    passed: int = 0

    def pass_one(self) -> None:
        """Pass a point, or die."""
        self.passed += 1
        if self.passed == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Put a point before and after a call."""

        def call(*arguments: Any, **more: Any) -> Any:
            self.pass_one()
            result = function(*arguments, **more)
            self.pass_one()
            return result

        return call


def live(folder: Path, sizes: Sequence[int], *, text: str = "", kill_at: int = 0) -> Ended:
    """Let the log grow to each size in turn, sign it and publish it, in a process that may be killed on the way.

    Args:
        folder: with ``registry.sqlite3``; record and tiles lie beside it.
        sizes: ascending.
        text: of the entries; another text makes other entries.
        kill_at: number of the point; 0 for none.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code = 70
        try:
            code = _run(folder, sizes, text, Points(kill_at), writing)
        except BaseException:  # noqa: BLE001 - whatever it is, no second run of the tests comes back from here
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        notes = tuple(part for part in pipe.read().split(b"\0") if part)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status)
    assert killed or os.WEXITSTATUS(status) in (0, REFUSED), status
    return Ended(notes, killed, not killed and os.WEXITSTATUS(status) == REFUSED)


def _run(folder: Path, sizes: Sequence[int], text: str, points: Points, pipe: int) -> int:
    with (
        mock.patch.object(os, "fsync", points.around(os.fsync)),
        mock.patch.object(Path, "replace", points.around(Path.replace)),
        mock.patch.object(LogStore, "append", points.around(LogStore.append)),
        mock.patch.object(LogStore, "save_signed", points.around(LogStore.save_signed)),
    ):
        database = open_database(f"sqlite:///{folder / 'registry.sqlite3'}")
        store, tiles = LogStore(database), FolderTileStore(folder / "tiles")
        record = FileSignerRecord(folder / "record", origin=KEY.name)
        signer = CheckpointSigner(note_signer=KEY, store=store, record=record)
        for size in sizes:
            _grow(store, size, text)
            try:
                signed = signer.sign()
            except LogRolledBackError:
                return REFUSED
            assert signed is not None
            os.write(pipe, signed.note + b"\0")
            points.pass_one()  # the note has left
            before = published_head(tiles)
            write_tiles(tiles, store, old_size=0 if before is None else before.size, size=signed.size)
            publish_checkpoint(tiles, Checkpoint(KEY.name, signed.size, signed.root_hash), signed.note)
        database.close()
    return 0


def _grow(store: LogStore, size: int, text: str) -> None:
    """Append what is missing to a size, in one transaction; a log that is larger stays as it is."""
    held, _ = store.head()
    if held >= size:
        return
    edge = store.right_edge(held)
    before = edge.root() if held else b""
    leaves = [make_leaf(index, text=text) for index in range(held, size)]
    added = append_leaves(edge, [leaf.leaf_hash for leaf in leaves])
    store.append(leaves, added, old_root_hash=before, root_hash=edge.root())
