"""The tile folder is the log: any server of static files serves it, and an auditor needs no registry."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from did_methods.codec import parse_json_object
from registry.cli.main import run
from registry.client.errors import RegistryAnswerError
from registry.client.log_reader import LogReader
from registry.client.tile_folder import FolderTransport
from registry.client.transport import MAX_ANSWER_BYTES, Transport
from registry.log.tile import tiles_between
from tests.support.publication import wait_for
from tests.support.registry import World, open_world


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def static_server(folder: Path) -> Iterator[str]:
    """Serve a folder as Python's own file server does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """A folder with a log of more than one bundle; its registry is stopped and its data are gone."""
    data, tiles = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("tiles")
    with open_world(data, tiles_dir=tiles, on_disk=True) as world:
        _fill(world)
        wait_for((tiles / "checkpoint").exists)
        key, size = world.registry.genesis.log_key, world.size
    shutil.rmtree(data)
    return tiles, key, size


def _fill(world: World) -> None:
    agents = [world.agent(f"agent{number}", short_lived=True) for number in range(16)]
    for first in agents:
        documents = [first.vouch(other.did) for other in agents if other is not first]
        assert world.batch(documents).status == 200
    assert world.size > 256


def test_the_folder_is_audited_without_the_registry(
    published: tuple[Path, str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """From nothing but a static server's URL and the log's key: root, chains, signatures, scores, all entries."""
    tiles, key, size = published
    with static_server(tiles) as url:
        assert run(["audit", url, "--no-state", "--key", key, "--log-only", "--json"]) == 0
    report = parse_json_object(capsys.readouterr().out.encode(), max_bytes=1 << 20)
    assert (report["clean"], report["treeSize"], report["folded"]) == (True, size, size)


def test_an_edited_file_is_found(published: tuple[Path, str, int], tmp_path: Path) -> None:
    """One byte of any bundle or leaf tile changed, or one missing: the audit does not end with 0."""
    tiles, key, _ = published
    for number, name in enumerate(("tile/entries/000", "tile/0/000", "checkpoint")):
        for damage in ("change", "remove"):
            copy = tmp_path / f"{number}{damage}"
            shutil.copytree(tiles, copy)
            path = copy / name
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.unlink()
            if damage == "change":
                path.write_bytes(bytes(data))
            with static_server(copy) as url:
                assert run(["audit", url, "--no-state", "--key", key, "--log-only"]) != 0, (name, damage)


def test_the_folder_has_the_files_of_the_specification_and_no_others(published: tuple[Path, str, int]) -> None:
    """Every tile and bundle of the newest size is there, and nothing half written."""
    tiles, _, size = published
    names = {path.relative_to(tiles).as_posix() for path in tiles.rglob("*") if path.is_file()}
    assert {"checkpoint", "log.json"} <= names
    assert not [name for name in names if name.endswith(".new")]
    for tile, width in tiles_between(0, size):
        suffix = "" if width == 256 else f".p/{width}"
        assert f"tile/{tile.level}/{tile.index:03}{suffix}" in names
        if tile.level == 0:
            assert f"tile/entries/{tile.index:03}{suffix}" in names


def test_a_file_is_read_to_its_end_or_is_too_large(tmp_path: Path) -> None:
    """Every byte of it, however many; one byte more than an answer may have is refused, as over HTTP."""
    transport = FolderTransport(tmp_path)
    for data in (b"", b"a", b"checkpoint\n" * 9_999):
        (tmp_path / "checkpoint").write_bytes(data)
        assert transport.get_answer("/checkpoint").body == data
    with (tmp_path / "checkpoint").open("wb") as file:
        file.truncate(MAX_ANSWER_BYTES)
    assert len(transport.get_answer("/checkpoint").body) == MAX_ANSWER_BYTES
    with (tmp_path / "checkpoint").open("wb") as file:
        file.truncate(MAX_ANSWER_BYTES + 1)
    with pytest.raises(RegistryAnswerError):
        transport.get_answer("/checkpoint")


def test_a_log_that_grows_is_read_while_it_is_written(tmp_path: Path) -> None:
    """A reader that takes the checkpoint at any moment finds every file that it names."""
    tiles = tmp_path / "tiles"
    with open_world(tmp_path / "data", tiles_dir=tiles, on_disk=True) as world, static_server(tiles) as url:
        wait_for((tiles / "checkpoint").exists)
        reader, stop = LogReader(Transport(url)), threading.Event()
        missing: list[int] = []

        def read() -> None:
            while not stop.is_set():
                size = int(reader.checkpoint().split(b"\n")[1])
                missing.extend(one.start for one in reader.portions(0, size) if not one.is_exact or not one.hashes)

        thread = threading.Thread(target=read)
        thread.start()
        for number in range(12):
            world.agent(f"agent{number}", short_lived=True)
        stop.set()
        thread.join()
        assert missing == []
