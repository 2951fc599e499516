"""The signer's record: whole or not there, private, and of one log."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import base64url_encode
from registry.adapters.signer_record import FileSignerRecord, RecordedHead, SignerRecordError, record_path

ORIGIN = "log.example/1"
HEAD = RecordedHead(7, bytes(range(32)))


def record(folder: Path) -> FileSignerRecord:
    """Return a record in a folder that is not there yet."""
    return FileSignerRecord(record_path(folder, ORIGIN), origin=ORIGIN)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    """Nothing before the first head; then the newest, frozen or not; the file is its owner's alone."""
    made = record(tmp_path)
    assert made.load() is None
    for head in (HEAD, RecordedHead(9, b"r" * 32), RecordedHead(9, b"r" * 32, frozen=True, successor="log.example/2")):
        made.save(head)
        assert record(tmp_path).load() == head
    path = record_path(tmp_path, ORIGIN)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]


def test_a_record_is_of_one_log(tmp_path: Path) -> None:
    """Two logs have two files; one that is put in another's place is refused."""
    record(tmp_path).save(HEAD)
    assert record_path(tmp_path, ORIGIN) != record_path(tmp_path, ORIGIN + "/state")
    with pytest.raises(SignerRecordError):
        FileSignerRecord(record_path(tmp_path, ORIGIN), origin="log.example/2").load()


def test_a_write_that_fails_leaves_the_record_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that refuses leaves the old record whole and nothing beside it."""
    made = record(tmp_path)
    made.save(HEAD)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            made.save(RecordedHead(9, b"r" * 32))
    assert made.load() == HEAD
    assert list(record_path(tmp_path, ORIGIN).parent.iterdir()) == [record_path(tmp_path, ORIGIN)]


SOUND = {
    "format": '"bonafides/signer-record/1"',
    "frozen": "false",
    "origin": f'"{ORIGIN}"',
    "rootHash": f'"{base64url_encode(bytes(32))}"',
    "size": "7",
    "successor": '""',
}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("format", '"bonafides/signer-record/2"'),
        ("frozen", "0"),
        ("frozen", None),
        ("more", "1"),
        ("rootHash", '"AAAA"'),
        ("rootHash", "7"),
        ("successor", "7"),
        ("successor", '"log.example/2"'),
        ("size", "0"),
        ("size", "true"),
        ("size", "-1"),
        ("size", '"7"'),
        ("size", "7.5"),
        ("size", "9223372036854775808"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, member: str, value: str | None) -> None:
    """Another format, a member too many or too few, a value that cannot be: nothing is guessed."""
    wire = {name: text for name, text in (SOUND | {member: value}).items() if text is not None}
    path = record_path(tmp_path, ORIGIN)
    path.parent.mkdir()
    path.write_text("{" + ",".join(f'"{name}":{text}' for name, text in wire.items()) + "}")
    with pytest.raises(SignerRecordError):
        record(tmp_path).load()


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    """Whatever else stands in the file, reading it gives the one error."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "record"
        path.write_bytes(data)
        with pytest.raises(SignerRecordError):
            FileSignerRecord(path, origin=ORIGIN).load()


def test_a_record_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A folder in the file's place is told apart from no record."""
    path = record_path(tmp_path, ORIGIN)
    path.mkdir(parents=True)
    with pytest.raises(SignerRecordError):
        record(tmp_path).load()


def test_want_of_descriptors_says_nothing_of_a_record(tmp_path: Path) -> None:
    """As many open files as may be, of which strangers' connections are most: it is no damaged record, and passes."""
    made = record(tmp_path)
    made.save(HEAD)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            made.load()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert made.load() == HEAD
