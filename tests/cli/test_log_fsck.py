"""`bonafides log fsck` as it is typed: each table edited behind the registry's back, and the row it names."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from did_methods.data_integrity import event_id
from did_methods.sealed import NONCE_BYTES, seal_under
from registry.adapters.erasure_keys import FolderErasureKeys
from registry.cli.main import run
from registry.credentials.commitments import Disclosure, make_disclosure
from registry.services.openings import opening_key
from tests.cli.kept_log import Capture, Folders, change, folders, made, told
from tests.support.registry import OPERATOR, World, event_text, open_world
from tests.support.witnesses import MadeUpLog, forked

__all__ = ["folders", "made"]

MADE_UP = MadeUpLog()


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
        ("snapshot", "size 287", "UPDATE snapshot SET data = CAST(data || x'00' AS BLOB)"),
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


# ---------------------------------------------------------------- the state map, openings, erasures


@dataclass(frozen=True, slots=True)
class Private:
    """A stopped registry with openings, one of which is erased.

    Attributes:
        data: its folder.
        kept, erased: ids of the events whose openings they are.
        opening: of the event that is kept.
        parties: of both events.
        erased_key: the key that was destroyed.
        at: index of the erasure's entry.
    """

    data: Path
    kept: bytes
    erased: bytes
    opening: Disclosure
    parties: tuple[str, ...]
    erased_key: bytes
    at: int


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Private:
    """It, made once; three entries of the state log at least."""
    data = tmp_path_factory.mktemp("private") / "data"
    with open_world(data, on_disk=True) as world:
        alice, bob = world.agent("alice"), world.agent("bob", short_lived=True)
        _cover(world)
        notes = [make_disclosure("note", f"note {number}", salt=uuid4().bytes * 2) for number in range(2)]
        documents = [alice.vouch(bob.did, context=f"c{n}", commitments=[one.digest]) for n, one in enumerate(notes)]
        for document, note in zip(documents, notes, strict=True):
            assert world.submit({"event": document, "openings": [note.text]}).status == 201
            _cover(world)
        parties = tuple(sorted([alice.did, bob.did]))
        keys = FolderErasureKeys(data / "erasure-keys").find(parties, event_id(documents[1]))
        assert keys is not None
        done = world.web.post("/v1/erasures", {"event": event_text(documents[1])}, headers=OPERATOR).json["erasure"]
    ids = [event_id(one) for one in documents]
    return Private(data, ids[0], ids[1], notes[0], parties, keys[-1], int(done["index"]))


def _cover(world: World) -> None:
    """Publish, and let the state map be of that."""
    world.registry.log.sign_if_grown()
    world.registry.state_map.advance()


def _check(private: Private, folder: Path, capsys: Capture) -> dict[str, object]:
    capsys.readouterr()
    run(["log", "fsck", "--data", str(folder), "--signatures", "--json"])
    return told(capsys)


def test_openings_and_maps_are_looked_at(private: Private, tmp_path: Path, capsys: Capture) -> None:
    """Clean: each map computed again, each opening opened; without the folder of keys they are only held against the log."""
    data = shutil.copytree(private.data, tmp_path / "data")
    found = _check(private, data, capsys)
    assert (found["clean"], found["openings"], found["opened"], found["erasuresDue"]) == (True, 1, 1, 0)
    assert int(str(found["maps"])) >= 3
    assert found["statesBehind"] is False
    shutil.rmtree(data / "erasure-keys")
    shutil.rmtree(data / "keys")
    found = _check(private, data, capsys)
    assert (found["clean"], found["openings"], found["opened"]) == (True, 1, 0)


OTHER_ENTRY = "(SELECT data FROM state_entry WHERE seq = 0)"
NEWEST_STATE = "(SELECT max(covers) FROM state)"
A_STATE = f"rowid = (SELECT max(rowid) FROM state WHERE digest IS NOT NULL AND covers = {NEWEST_STATE})"
FORGED_RECORD = "CAST(replace(record, 'did', 'dod') AS BLOB)"


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("state_entry", f"UPDATE state_entry SET data = {OTHER_ENTRY} WHERE seq = 1"),
        ("state_entry", "UPDATE state_entry SET data = CAST(substr(data, 1, 76) || 'x' AS BLOB) WHERE seq = 1"),
        ("state_entry", "UPDATE state_entry SET data = zeroblob(80) WHERE seq = 1"),
        ("state_entry", "UPDATE state_entry SET leaf_hash = zeroblob(32) WHERE seq = 1"),
        ("state_entry", "UPDATE state_entry SET covers = covers + 900 WHERE seq = 1"),
        ("state_entry", "UPDATE state_entry SET seq = seq + 900 WHERE seq = 1"),
        ("state_entry", "DELETE FROM state_entry WHERE seq = 1"),
        ("state_entry", "INSERT INTO state_entry VALUES (900, 900, zeroblob(32), zeroblob(77))"),
        ("state_tile", "INSERT INTO state_tile VALUES (1, 0, zeroblob(32))"),
        ("state_signed", "UPDATE state_signed SET root = zeroblob(32) WHERE size = 2"),
        ("state_signed", "UPDATE state_signed SET note = CAST(note || ' ' AS BLOB) WHERE size = 2"),
        ("state_signed", "UPDATE state_signed SET note = (SELECT note FROM signed) WHERE size = 2"),
        ("state_signed", "INSERT INTO state_signed VALUES (900, zeroblob(32), zeroblob(9))"),
        ("state_published", "INSERT INTO state_published VALUES (1, 900)"),
        ("state_cosignature", "INSERT INTO state_cosignature VALUES (900, 'x', 1, zeroblob(9))"),
        ("state", f"UPDATE state SET record = {FORGED_RECORD} WHERE {A_STATE}"),
        ("state", f"UPDATE state SET record = {FORGED_RECORD}, digest = sha256({FORGED_RECORD}) WHERE {A_STATE}"),
        ("state", f"UPDATE state SET digest = zeroblob(32) WHERE {A_STATE}"),
        ("state", f"UPDATE state SET subject = 'did:key:z6Mkmallory' WHERE {A_STATE}"),
        ("state", f"UPDATE state SET covers = 1 WHERE {A_STATE}"),
        ("state", f"UPDATE state SET covers = covers + 900 WHERE {A_STATE}"),
        ("state", f"DELETE FROM state WHERE {A_STATE}"),
        ("state", f"UPDATE state SET record = NULL, digest = NULL WHERE {A_STATE}"),
        ("state", f"INSERT INTO state VALUES (sha256('x'), {NEWEST_STATE}, 'x', sha256('y'), CAST('y' AS BLOB))"),
        ("opening", "UPDATE opening SET sealed = zeroblob(90)"),
        ("opening", "UPDATE opening SET digest = 'AAAA'"),
        ("opening", "UPDATE opening SET event_id = zeroblob(32)"),
        ("opening", "INSERT INTO opening SELECT event_id, 'AAAA', sealed FROM opening"),
        ("opening_party", "DELETE FROM opening_party"),
        ("opening_party", "UPDATE opening_party SET did = 'did:key:z6Mkmallory' WHERE did LIKE 'did:key:%'"),
        ("opening_party", "INSERT INTO opening_party VALUES ('did:key:z6Mkmallory', zeroblob(32))"),
        ("opening", "DELETE FROM opening_party WHERE did LIKE 'did:key:%'"),
        ("plain_opening", "INSERT INTO plain_opening SELECT event_id, digest, 'AAAA' FROM opening"),
        ("erasure", "INSERT INTO erasure VALUES (3, 1)"),
        ("entry", "UPDATE entry SET data = CAST(data AS TEXT) WHERE seq = 3"),
        ("state", f"UPDATE state SET record = CAST(record AS TEXT) WHERE {A_STATE}"),
    ],
)
def test_an_edited_side_table_is_found(
    private: Private, tmp_path: Path, capsys: Capture, table: str, statement: str
) -> None:
    """One row of the state log, the state map, openings or erasures edited with SQL: it is that table which differs."""
    data = shutil.copytree(private.data, tmp_path / "data")
    change(data, statement)
    found = _check(private, data, capsys)
    assert [one["table"] for one in found["differences"]][:1] == [table], found  # type: ignore[attr-defined]


def _bring_back_key(private: Private, data: Path) -> None:
    """Put the destroyed key where it was, as an old copy of the folder has it."""
    path = data / "erasure-keys" / "events" / private.erased.hex()[:2]
    path.write_bytes(path.read_bytes().replace(private.erased + bytes(32), private.erased + private.erased_key))


def _bring_back_opening(private: Private, data: Path) -> None:
    """Put a row of the erased event back, as an old copy of the database has it."""
    digest = f"SELECT event_id FROM entry WHERE event_id = x'{private.erased.hex()}'"
    rows = f"INSERT INTO opening_party SELECT did, ({digest}) FROM opening_party"
    change(data, f"INSERT INTO opening SELECT ({digest}), digest, sealed FROM opening", rows)


def _seal_another(private: Private, data: Path) -> None:
    """Seal something else under the right keys, as whoever has database and keys can."""
    keys = FolderErasureKeys(data / "erasure-keys").find(private.parties, private.kept)
    assert keys is not None
    nonce, text = secrets.token_bytes(NONCE_BYTES), make_disclosure("note", "another", salt=b"s" * 32).text
    belongs_to = private.kept + private.opening.digest.encode()
    sealed = nonce + seal_under(opening_key(keys, private.kept), text.encode(), nonce=nonce, belongs_to=belongs_to)
    change(data, f"UPDATE opening SET sealed = x'{sealed.hex()}'")


@pytest.mark.parametrize(
    ("spoil", "table", "what"),
    [
        (_bring_back_key, "erasure", "the key that it erases is still there"),
        (_bring_back_opening, "opening", "it was erased"),
        (_seal_another, "opening", "it is not what was committed to"),
    ],
)
def test_what_was_erased_or_exchanged_is_found(
    private: Private,
    tmp_path: Path,
    capsys: Capture,
    spoil: Callable[[Private, Path], None],
    table: str,
    what: str,
) -> None:
    """A key that is there again, a row that is there again, an opening of something else."""
    data = shutil.copytree(private.data, tmp_path / "data")
    spoil(private, data)
    first = _check(private, data, capsys)["differences"][0]  # type: ignore[index]
    assert (first["table"], first["what"]) == (table, what)


def test_what_the_next_start_does_is_no_difference(private: Private, tmp_path: Path, capsys: Capture) -> None:
    """An erasure that is logged and not carried out, and states of an older entry, as after a restore: told, and clean."""
    data = shutil.copytree(private.data, tmp_path / "data")
    change(data, "DELETE FROM erasure", f"DELETE FROM state WHERE covers = {NEWEST_STATE}")
    found = _check(private, data, capsys)
    assert (found["clean"], found["erasuresDue"], found["statesBehind"]) == (True, 1, True)
    with open_world(data, on_disk=True) as world:
        world.agent("later", short_lived=True)
        _cover(world)
    found = _check(private, data, capsys)
    assert (found["clean"], found["erasuresDue"], found["statesBehind"]) == (True, 0, False)


# ---------------------------------------------------------------- what follows from no entry


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("witnessed_log", "UPDATE witnessed_log SET key = 'x'"),
        ("witness_note", "UPDATE witness_note SET root = zeroblob(32)"),
        ("witness_note", "UPDATE witness_note SET note = zeroblob(9)"),
        ("witness_note", "UPDATE witness_note SET size = size + 100"),
        ("split_view", "UPDATE split_view SET data = zeroblob(9)"),
        ("split_view", "UPDATE split_view SET digest = zeroblob(32)"),
        ("split_view", "UPDATE split_view SET origin = 'x'"),
    ],
)
def test_an_edited_memory_of_another_log_is_found(tmp_path: Path, capsys: Capture, table: str, statement: str) -> None:
    """What is kept as a witness is held against itself: clean before the edit, and named after it."""
    with open_world(tmp_path, on_disk=True) as world:
        role = world.registry.witnessing.role
        role.add_log(MADE_UP.key)
        role.add_checkpoint(MADE_UP.request(0, 5), source=None)
        assert role.gossip(forked(3).note(5), source=None).verdict == "contradiction"
    arguments = ["log", "fsck", "--data", str(tmp_path), "--json"]
    capsys.readouterr()
    assert run(arguments) == 0
    capsys.readouterr()
    change(tmp_path, statement)
    assert run(arguments) == 4
    assert told(capsys)["differences"][0]["table"] == table  # type: ignore[index]
