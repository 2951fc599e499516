"""`bonafides log recover | freeze | verify` as they are typed."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from did_methods.keys import SigningKey
from registry.cli.main import run
from registry.log.checkpoint import parse_checkpoint, sign_checkpoint
from registry.log.note import NoteSigner
from registry.log.witness import claimed_checkpoint, parse_add_checkpoint
from registry.services import recovery
from registry.storage.log import LogStore
from tests.cli.kept_log import Capture, Folders, change, folders, made, published, spoil_bundle, told
from tests.support.publication import wait_for
from tests.support.registry import open_world
from tests.support.witnesses import MadeUpLog, MadeUpWitness, Reply, made_up_witness

__all__ = ["folders", "made"]

MADE_UP = MadeUpLog()


# ---------------------------------------------------------------- recover


def test_what_was_lost_comes_back_from_the_folder(folders: Folders, capsys: Capture) -> None:
    """The database of last week beside the record of today: closed; recovered from the tiles, it goes on and is clean."""
    with open_world(folders.old, on_disk=True, clock=folders.clock) as world:
        assert world.web.get("/readyz").code == "log_rolled_back"
    assert run(["log", "recover", "--from", str(folders.tiles), "--data", str(folders.old), "--json"]) == 0
    assert told(capsys) == {"imported": folders.size - folders.old_size, "size": folders.size, "state": "open"}
    assert run(["log", "fsck", "--data", str(folders.old), "--tiles", str(folders.tiles), "--signatures"]) == 0
    with open_world(folders.old, on_disk=True, clock=folders.clock, tiles_dir=folders.tiles) as world:
        world.agent("later", short_lived=True)
        wait_for(lambda: published(folders.tiles) == world.size)
    assert run(["log", "recover", "--from", str(folders.tiles), "--data", str(folders.old)]) == 0
    assert "0 entries imported" in capsys.readouterr().out


def test_a_recovery_that_is_interrupted_goes_on(
    folders: Folders, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after any portion, twice: what is there is a prefix of the signed tree, and the next run does the rest."""
    monkeypatch.setattr(recovery, "PORTION", 1)
    append, left = LogStore.append, [1]

    def dying(self: LogStore, *arguments: object, **more: object) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        append(self, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(LogStore, "append", dying)
    arguments = ["log", "recover", "--from", str(folders.tiles), "--data", str(folders.old)]
    assert run(arguments) == 130
    assert run(["log", "fsck", "--data", str(folders.old), "--json"]) in (0, 4)
    assert told(capsys)["entries"] == 256
    assert run(arguments) == 130
    left[0] = 9
    assert run(arguments) == 0
    assert run(["log", "fsck", "--data", str(folders.old), "--tiles", str(folders.tiles)]) == 0


def drop_bundle(tiles: Path) -> None:
    """Take away the last entries."""
    shutil.rmtree(tiles / "tile" / "entries" / "001.p")


def drop_tile(tiles: Path) -> None:
    """Take away hashes."""
    (tiles / "tile" / "0" / "000").unlink()


def sign_by_another(tiles: Path) -> None:
    """Put another key's checkpoint there."""
    lines = (tiles / "checkpoint").read_text().split("\n")
    origin = lines[0]
    other = NoteSigner(origin, SigningKey(bytes(range(32))))
    head = parse_checkpoint("\n".join(lines[:3]) + "\n")
    (tiles / "checkpoint").write_bytes(sign_checkpoint(head, other.signing_key))


@pytest.mark.parametrize(
    ("spoil", "exit_code", "code"),
    [
        (spoil_bundle, 3, "recovery_source_incomplete"),
        (drop_bundle, 3, "recovery_source_incomplete"),
        (drop_tile, 3, "recovery_source_incomplete"),
        (sign_by_another, 4, "note_unverified"),
    ],
)
def test_a_source_that_is_not_sound_imports_nothing(
    folders: Folders, capsys: Capture, spoil: Callable[[Path], None], exit_code: int, code: str
) -> None:
    """A byte changed, entries or hashes missing, another signature: nothing is imported at all."""
    spoil(folders.tiles)
    assert run(["log", "recover", "--from", str(folders.tiles), "--data", str(folders.old)]) == exit_code
    assert code in capsys.readouterr().err
    with closing(sqlite3.connect(folders.old / "registry.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM entry").fetchone() == (folders.old_size,)


def test_two_histories_are_the_end(folders: Folders, tmp_path: Path, capsys: Capture) -> None:
    """A copy that went on by itself holds entries that the signed tree has not: exit code 4, nothing imported."""
    shutil.rmtree(folders.old / "signer")
    with open_world(folders.old, on_disk=True, clock=folders.clock) as world:
        world.agent("mallory", short_lived=True)
    arguments = ["log", "recover", "--from", str(folders.tiles), "--data", str(folders.old)]
    assert run(arguments) == 4
    assert "log_forked" in capsys.readouterr().err


def test_an_edited_head_is_not_recovered_from(folders: Folders, capsys: Capture) -> None:
    """Its root says nothing about the entries below it: no word of two histories, and nothing is imported."""
    change(folders.old, "UPDATE head SET root = zeroblob(32)")
    assert run(["log", "recover", "--from", str(folders.tiles), "--data", str(folders.old)]) == 3
    assert "log_head_contradicts" in capsys.readouterr().err


def test_a_source_with_less_than_was_signed(folders: Folders, tmp_path: Path, capsys: Capture) -> None:
    """A mirror that is behind cannot help: told, with what to do, and the log stays closed."""
    mirror = tmp_path / "mirror"
    with open_world(folders.data, on_disk=True, clock=folders.clock) as world:
        world.agent("later", short_lived=True)
    shutil.copytree(folders.tiles, mirror)
    shutil.copytree(folders.data / "signer", folders.old / "signer", dirs_exist_ok=True)
    assert run(["log", "recover", "--from", str(mirror), "--data", str(folders.old), "--json"]) == 3
    assert told(capsys)["state"] == "rolled_back"
    assert run(["log", "recover", "--from", str(mirror), "--data", str(folders.data)]) == 3
    assert "recovery_source_behind" in capsys.readouterr().err


# ---------------------------------------------------------------- freeze


def test_a_frozen_log_answers_reads_and_no_writes(folders: Folders, capsys: Capture) -> None:
    """Asked twice it stays as it was frozen; a restart knows it; writers get 405 and the way to go."""
    arguments = ["log", "freeze", "--data", str(folders.data), "--tiles", str(folders.tiles)]
    assert run(arguments) == 6
    assert "freeze_not_confirmed" in capsys.readouterr().err
    assert run([*arguments, "--successor", "log.example/2027", "--yes", "--json"]) == 0
    found = told(capsys)
    assert (found["size"], found["published"], found["successor"]) == (folders.size, True, "log.example/2027")
    assert (folders.tiles / "checkpoint").read_bytes().startswith(str(found["checkpoint"]).encode())
    assert run([*arguments, "--yes"]) == 0
    with open_world(folders.data, on_disk=True, clock=folders.clock) as world:
        refused = world.register(world.short_lived("late"))
        assert (refused.status, refused.code) == (405, "log_frozen")
        assert refused.headers["allow"] == "GET, HEAD"
        assert refused.json["params"] == {"successor": "log.example/2027"}
        assert world.web.get("/log.json").json["frozen"] == {"size": folders.size, "successor": "log.example/2027"}
        assert world.web.get("/checkpoint").status == 200
        assert world.web.get("/healthz").json["log"] == "frozen"
        assert world.web.get("/readyz").code == "log_frozen"
        assert world.size == folders.size
    assert run(["log", "freeze", "--data", str(folders.data / "nothing"), "--yes"]) == 5
    shutil.rmtree(folders.data / "signer")  # the database knows it too, not the signer's record alone
    with open_world(folders.data, on_disk=True, clock=folders.clock) as world:
        assert world.register(world.short_lived("late")).code == "log_frozen"


def test_a_log_that_was_set_back_cannot_be_frozen(folders: Folders, capsys: Capture) -> None:
    """Its last checkpoint would be a second history."""
    assert run(["log", "freeze", "--data", str(folders.old), "--yes"]) == 3
    assert "log_rolled_back" in capsys.readouterr().err


def test_freezing_without_the_quorum(folders: Folders, tmp_path: Path, capsys: Capture) -> None:
    """While its quorum says nothing at all it is not frozen; one that cosigns no more freezes it, and that is told."""
    known: set[int] = set()

    def cosigns_no_more(witness: MadeUpWitness, body: bytes, _number: int) -> Reply:
        size = claimed_checkpoint(parse_add_checkpoint(body).note).size
        known.update([] if known else [size])
        return Reply(body=witness.line(body, time_s=int(time.time()))) if size in known else Reply(500)

    with made_up_witness(lambda *_: Reply(500)) as witness:
        policy = tmp_path / "policy"
        policy.write_text(f"witness W {witness.cosigner.key.to_text()} {witness.url}\nquorum W\n")
        with open_world(folders.data, on_disk=True, clock=folders.clock, witness_policy=policy) as world:
            world.agent("later", short_lived=True)
        arguments = ["log", "freeze", "--data", str(folders.data), "--witness-policy", str(policy), "--yes"]
        assert run(arguments) == 3
        assert "a quorum of witnesses is silent" in capsys.readouterr().err
        witness.reply = cosigns_no_more
        assert run(arguments) == 3
        assert "freeze_not_published" in capsys.readouterr().err
        assert len(known) == 1
