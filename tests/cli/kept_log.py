"""A registry on the disk, its published log, and its database as it was before: for commands that keep a log."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from did_methods.codec import parse_json_object
from registry.log.proof import ProofFile, encode_proof_file
from tests.support.publication import wait_for
from tests.support.registry import ManualClock, World, open_world

Capture = pytest.CaptureFixture[str]


@dataclass(frozen=True, slots=True)
class Folders:
    """A registry on the disk with 290 entries, its published log, and its database as it was before.

    Attributes:
        data: the data folder.
        old: a copy of it from when it had fewer entries; keys and record are those of today.
        tiles: the published log.
        key: the log's verifier key.
        old_size: entries of the copy.
        size: entries today.
        clock: the registry's.
        proof, entry: a .tlog-proof file and the leaf it is about.
    """

    data: Path
    old: Path
    tiles: Path
    key: str
    old_size: int
    size: int
    clock: ManualClock
    proof: bytes
    entry: bytes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folders, made once."""
    folder = tmp_path_factory.mktemp("made")
    data, old, tiles = folder / "data", folder / "old", folder / "tiles"
    with open_world(data, on_disk=True, tiles_dir=tiles) as world:
        clock, old_size = world.clock, world.size
        wait_for(lambda: published(tiles) == world.size)
    shutil.copytree(data, old)
    with open_world(data, on_disk=True, tiles_dir=tiles, clock=clock) as world:
        grow(world)
        wait_for(lambda: published(tiles) == world.size)
        index, path = 5, world.registry.log.inclusion(5, world.size)[1]
        proof = encode_proof_file(ProofFile(index, tuple(path), world.registry.log.signed_head.note))
        entry = world.web.get("/v1/entries/5").body
        key, size = world.registry.genesis.log_key, world.size
    shutil.rmtree(old / "signer")
    shutil.copytree(data / "signer", old / "signer")
    return Folders(data, old, tiles, key, old_size, size, clock, proof, entry)


def grow(world: World) -> None:
    """Log enough for two tiles: 40 agents, and seven vouches of the operator for each."""
    agents = [world.agent(f"agent{number}", short_lived=True) for number in range(40)]
    documents = [world.operator.vouch(one.did, context=f"c{number}") for one in agents for number in range(6)]
    answer = world.batch(documents)
    assert answer.status == 200, answer


def published(tiles: Path) -> int:
    """Return the size of a folder's checkpoint."""
    path = tiles / "checkpoint"
    return int(path.read_bytes().split(b"\n")[1]) if path.exists() else 0


@pytest.fixture
def folders(made: Folders, tmp_path: Path) -> Folders:
    """A copy for one test."""
    for name in ("data", "old", "tiles"):
        shutil.copytree(getattr(made, name), tmp_path / name)
    more = {name: getattr(made, name) for name in ("key", "old_size", "size", "clock", "proof", "entry")}
    return Folders(tmp_path / "data", tmp_path / "old", tmp_path / "tiles", **more)


def told(capsys: Capture) -> dict[str, object]:
    """Return what a command printed with --json."""
    return dict(parse_json_object(capsys.readouterr().out.encode()))


def change(folder: Path, *statements: str) -> None:
    """Edit a database behind everybody's back, with SQL that knows ``sha256(bytes)``."""
    with closing(sqlite3.connect(folder / "registry.sqlite3")) as connection:
        connection.create_function("sha256", 1, _sha256)
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement
        connection.commit()


def _sha256(data: bytes | str) -> bytes:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).digest()


def spoil_bundle(tiles: Path) -> None:
    """Change one byte of an entry."""
    path = tiles / "tile" / "entries" / "000"
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(bytes(data))
