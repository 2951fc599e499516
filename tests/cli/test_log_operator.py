"""`bonafides log fsck | recover | freeze | verify` as they are typed."""

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


# ---------------------------------------------------------------- fsck


def test_a_sound_database_is_clean(folders: Folders, capsys: Capture) -> None:
    """Everything follows from the entries; folded, with signatures, and against the published folder."""
    arguments = ["log", "fsck", "--data", str(folders.data), "--tiles", str(folders.tiles)]
    assert run([*arguments, "--signatures", "--json"]) == 0
    found = told(capsys)
    assert (found["clean"], found["entries"], found["folded"]) == (True, folders.size, folders.size)
    assert found["signed"]
    assert run([*arguments, "--no-fold"]) == 0
    assert "clean" in capsys.readouterr().out


ENTRY = "entry 12"


@pytest.mark.parametrize(
    ("table", "place", "statement"),
    [
        ("entry", ENTRY, "UPDATE entry SET data = CAST(data || ' ' AS BLOB) WHERE seq = 12"),
        ("entry", ENTRY, "UPDATE entry SET leaf_hash = zeroblob(32) WHERE seq = 12"),
        ("entry", ENTRY, "UPDATE entry SET event_id = zeroblob(32) WHERE seq = 12"),
        ("entry", ENTRY, "UPDATE entry SET time_ms = time_ms + 1 WHERE seq = 12"),
        ("entry", ENTRY, "UPDATE entry SET kind = 'report' WHERE seq = 12"),
        ("entry", "entry 13", "DELETE FROM entry WHERE seq = 12"),
        ("entry", "entry 287", "DELETE FROM entry WHERE seq >= 286"),
        ("party", ENTRY, "DELETE FROM party WHERE seq = 12"),
        ("party", ENTRY, "UPDATE party SET count = count + 900 WHERE seq = 12"),
        ("party", ENTRY, "INSERT INTO party (did, count, seq) VALUES ('did:key:z6Mkmallory', 1, 12)"),
        ("party", "entry 9999", "INSERT INTO party (did, count, seq) VALUES ('did:key:z6Mkmallory', 1, 9999)"),
        ("did_entry", "entry 1", "DELETE FROM did_entry WHERE seq = 1"),
        ("did_entry", ENTRY, "INSERT INTO did_entry (did, seq) VALUES ('did:webvh:x:example.com', 12)"),
        ("tile", "tile 1/0", "UPDATE tile SET data = zeroblob(32)"),
        ("tile", "tile 1/0", "DELETE FROM tile"),
        ("tile", "tile 2/0", "INSERT INTO tile (level, number, data) VALUES (2, 0, zeroblob(32))"),
        ("head", "size 287", "UPDATE head SET root = zeroblob(32)"),
        ("signed", "size 287", "UPDATE signed SET root = zeroblob(32) WHERE size = 287"),
        ("signed", "size 287", "UPDATE signed SET note = CAST(note || ' ' AS BLOB) WHERE size = 287"),
        ("signed", "size 900", "INSERT INTO signed (size, root, note) VALUES (900, zeroblob(32), zeroblob(9))"),
        ("published", "size 286", "UPDATE published SET size = 286"),
        ("snapshot", "size 287", "UPDATE snapshot SET root = zeroblob(32)"),
        ("snapshot", "size 287", "UPDATE snapshot SET data = CAST(replace(data, 'active', 'actixe') AS BLOB)"),
        ("cosignature", "size 12345", "INSERT INTO cosignature VALUES (12345, 'x', 1, zeroblob(9))"),
    ],
)
def test_an_edited_table_is_found(
    made: Folders, tmp_path: Path, capsys: Capture, table: str, place: str, statement: str
) -> None:
    """One row edited, deleted or inserted with SQL: the first difference is in that table, at that place; exit code 4."""
    assert made.size == 287
    shutil.copy(made.data / "registry.sqlite3", tmp_path)
    change(tmp_path, statement)
    fold = "--fold" if table == "snapshot" else "--no-fold"
    assert run(["log", "fsck", "--data", str(tmp_path), fold, "--json"]) == 4
    found = told(capsys)
    first = found["differences"][0]  # type: ignore[index]
    assert found["clean"] is False
    if statement.startswith("DELETE FROM entry WHERE seq >="):
        place = "entry 286"
    assert (first["table"], first["place"]) == (table, place), found


def test_a_published_file_that_differs_is_found(folders: Folders, capsys: Capture) -> None:
    """An edited bundle, a missing tile, another log's checkpoint."""
    arguments = ["log", "fsck", "--data", str(folders.data), "--tiles", str(folders.tiles), "--no-fold", "--json"]
    bundle = folders.tiles / "tile" / "entries" / "000"
    before = bundle.read_bytes()
    bundle.write_bytes(before[:-1] + b"x")
    assert run(arguments) == 4
    assert told(capsys)["differences"] == [
        {"table": "folder", "place": "tile/entries/000", "what": "it is not the log's"}
    ]
    bundle.write_bytes(before)
    (folders.tiles / "tile" / "0" / "000").unlink()
    assert run(arguments) == 4
    assert "tile/0/000" in capsys.readouterr().out
    (folders.tiles / "checkpoint").write_bytes(MADE_UP.note(5))
    assert run(arguments) == 4
    assert '"place":"checkpoint"' in capsys.readouterr().out


def test_what_cannot_be_checked(folders: Folders, tmp_path: Path, capsys: Capture) -> None:
    """No database, and one that the server has open."""
    assert run(["log", "fsck", "--data", str(tmp_path / "nothing")]) == 5
    assert "log_missing" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()
    with open_world(folders.data, on_disk=True, clock=folders.clock):
        assert run(["log", "fsck", "--data", str(folders.data)]) == 6
        assert "database_in_use" in capsys.readouterr().err


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
