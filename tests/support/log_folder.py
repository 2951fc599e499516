"""A log as the static files that anybody can serve or copy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.merkle import RightEdge, leaf_hash
from registry.log.tile import append_leaves, encode_entry_bundle, entries_path, tile_path
from tests.support.logs import ORIGIN, LogBuilder


def publish(log: LogBuilder, folder: Path, *, entries: Sequence[bytes] | None = None) -> Path:
    """Write a log as its static files, whatever was there before."""
    shutil.rmtree(folder, ignore_errors=True)
    entries = log.entries if entries is None else entries
    edge = RightEdge()
    tiles = append_leaves(edge, map(leaf_hash, entries))
    for tile, data in tiles.items():
        _write(folder / tile_path(tile.level, tile.index, width=len(data) // 32), data)
    for start in range(0, len(entries), 256):
        some = entries[start : start + 256]
        _write(folder / entries_path(start // 256, width=len(some)), encode_entry_bundle(some))
    note = sign_checkpoint(Checkpoint(ORIGIN, len(entries), edge.root()), log.note_key)
    _write(folder / "checkpoint", note)
    _write(folder / "log.json", json.dumps({"origin": ORIGIN, "verifier_keys": [log.log_key]}).encode())
    return folder


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
