"""`bonafides log show | prove | tail`: entries are shown only where a signed checkpoint proves them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import base64url_decode, parse_json_object
from registry.cli import log_read
from registry.cli.main import run
from registry.client.tile_folder import FolderTransport, folder_of
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.merkle import leaf_hash
from registry.log.note import parse_note_key
from registry.log.proof import parse_proof_file, verify_proof_file
from tests.support.publication import wait_for
from tests.support.registry import World, open_world, serve


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str, Path]]:
    """A served registry that publishes into a folder too, with more than a bundle of entries."""
    tiles = tmp_path_factory.mktemp("tiles")
    with open_world(tmp_path_factory.mktemp("data"), tiles_dir=tiles, on_disk=True) as world:
        agents = [world.agent(f"agent{number}", short_lived=True) for number in range(17)]
        for first in agents:
            assert world.batch([first.vouch(one.did) for one in agents if one is not first]).status == 200
        world.registry.log.sign_if_grown()
        wait_for(lambda: _size(tiles) == world.size == world.registry.log.published_head.size)
        with serve(world.app) as url:
            yield world, url, tiles


def _size(tiles: Path) -> int:
    file = tiles / "checkpoint"
    return int(file.read_bytes().split(b"\n")[1]) if file.exists() else -1


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    """Run a command of the group with --json; return the objects that it printed."""
    found = run(["log", *arguments, "--json"])
    printed = capsys.readouterr()
    assert found == code, printed
    return [parse_json_object(line.encode(), max_bytes=1 << 20) for line in printed.out.splitlines()]


def test_show_by_index_and_by_event(published: tuple[World, str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Both name the same entry; the links are those of the leaf, and text shows the signed document."""
    world, url, _ = published
    (by_index,) = told(capsys, "show", "280", "--url", url)
    (by_event,) = told(capsys, "show", by_index["event"], "--url", url)
    assert by_event == by_index
    entry = world.registry.store.entry(280)
    assert entry is not None
    assert base64url_decode(by_index["leafHash"]) == leaf_hash(entry.data)
    assert {one["count"] for one in by_index["parties"]} != {1}
    assert run(["log", "show", "280", "--url", url]) == 0
    assert by_index["document"]["id"] in capsys.readouterr().out


def test_prove_writes_a_file_that_verifies_alone(
    published: tuple[World, str, Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The .tlog-proof file needs the log's key and the entry, and nobody's word."""
    world, url, tiles = published
    key = world.registry.genesis.log_key
    for source, name in ((url, "a"), (str(tiles), "b"), (tiles.as_uri(), "c")):
        (proven,) = told(capsys, "prove", "17", "--url", source, "--key", key, "--out", str(tmp_path / name))
        entry = world.registry.store.entry(17)
        assert entry is not None
        verified = verify_proof_file(
            parse_proof_file((tmp_path / name).read_bytes()),
            leaf_hash=leaf_hash(entry.data),
            origin=world.origin,
            key=parse_note_key(key),
        )
        assert (verified.index, proven["index"], proven["treeSize"]) == (17, 17, world.size)


@pytest.mark.parametrize("name", ["tile/entries/000", "tile/0/000", "checkpoint"])
def test_a_copy_that_was_edited_proves_nothing(
    published: tuple[World, str, Path], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A byte of the bundle, of a tile beside the path or of the note changed: nothing is shown, written or followed."""
    world, _, tiles = published
    copy, out = tmp_path / "copy", tmp_path / "proof"
    shutil.copytree(tiles, copy)
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(bytes(data))
    key = world.registry.genesis.log_key
    asked = ["--url", str(copy), "--key", key]
    where = next(i for i in range(256) if run(["log", "prove", str(i), *asked]) != 0)
    capsys.readouterr()
    assert run(["log", "prove", str(where), *asked, "--out", str(out)]) in (2, 4)
    assert not out.exists()
    if name != "tile/0/000":  # whoever has all the entries needs no leaf tiles
        assert run(["log", "tail", "--since", "0", "-n", "256", *asked]) in (2, 4)
        assert f"{where}  " not in capsys.readouterr().out


def test_what_no_checkpoint_covers(published: tuple[World, str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """An index beyond the tree and an event that nobody logged are not found; a folder that is none is not there."""
    world, url, tiles = published
    assert run(["log", "show", str(world.size), "--url", url]) == 5
    assert "[log_entry_missing]" in capsys.readouterr().err
    assert run(["log", "show", "-" + "A" * 42, "--url", url]) == 5
    assert "[event_not_found]" in capsys.readouterr().err
    assert run(["log", "show", "0", "--url", str(tiles / "no")]) == 3


def test_tail_from_the_beginning(published: tuple[World, str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Every entry once, in order, over bundle limits, from a server and from a folder."""
    world, url, tiles = published
    wanted = world.size - 200
    for source in (url, str(tiles)):
        lines = told(capsys, "tail", "--since", "200", "-n", str(wanted), "--url", source)
        assert [one["index"] for one in lines] == list(range(200, world.size))
    assert run(["log", "tail", "--since", "2", "-n", "1", "--url", url]) == 0
    assert capsys.readouterr().out.startswith("2  2026-")


def test_tail_waits_for_new_entries_and_ends_with_0(
    published: tuple[World, str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is logged afterwards comes as checkpoints cover it; Ctrl-C is no failure."""
    world, url, _ = published
    begin = world.size

    def pause(_seconds: float) -> None:
        if world.size == begin:
            world.agent("late", short_lived=True)
            world.registry.log.sign_if_grown()
        elif world.registry.log.published_head.size == world.size and lines():
            raise KeyboardInterrupt
        threading.Event().wait(0.02)

    out: list[str] = []

    def lines() -> list[str]:
        out.append(capsys.readouterr().out)
        return [line for line in "".join(out).splitlines() if line]

    monkeypatch.setattr(log_read.time, "sleep", pause)
    assert run(["log", "tail", "--url", url, "--json"]) == 0
    assert [parse_json_object(one.encode())["index"] for one in lines()] == list(range(begin, world.size))


def test_tail_notices_a_log_that_is_not_the_same_any_more(
    published: tuple[World, str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """A smaller tree after a larger one ends it with 4; a folder that is gone for a moment is waited for."""
    world, _, tiles = published
    copy, key = tmp_path / "copy", world.registry.genesis.log_key
    shutil.copytree(tiles, copy)
    states = iter(["gone", "back", "smaller"])

    def pause(_seconds: float) -> None:
        state = next(states)
        if state == "gone":
            copy.rename(tmp_path / "elsewhere")
        elif state == "back":
            (tmp_path / "elsewhere").rename(copy)
        else:
            signer = world.registry.log.signer.note_signer
            note = sign_checkpoint(Checkpoint(signer.name, 1, bytes(32)), signer.signing_key)
            (copy / "checkpoint").write_bytes(note)

    monkeypatch.setattr(log_read.time, "sleep", pause)
    code = run(["log", "tail", "--url", str(copy), "--key", key])
    printed = capsys.readouterr().err
    assert (code, "waiting" in printed, "[log_proof_invalid]" in printed) == (4, True, True)


@pytest.mark.parametrize(
    ("source", "folder"),
    [("file:///a/b%20c", Path("/a/b c")), ("tiles", Path("tiles")), ("http://a:1", None), ("https://a", None)],
)
def test_what_a_source_is(source: str, folder: Path | None) -> None:
    """A URL of a registry, a file URL, or a path."""
    assert folder_of(source) == folder


def test_a_folder_gives_nothing_outside_itself(tmp_path: Path) -> None:
    """Paths come from this program, and yet none of them leads out of the folder."""
    from registry.client.errors import RegistryRefusedError

    (tmp_path / "tiles").mkdir()
    (tmp_path / "secret").write_bytes(b"1")
    for path in ("/../secret", "//secret", "/./../secret"):
        with pytest.raises(RegistryRefusedError) as refused:
            FolderTransport(tmp_path / "tiles").get_answer(path)
        assert refused.value.code == "registry_refused"
