"""Signed notes: published examples, and every way to send one that is not."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.keys import PublicKey, SigningKey
from registry.log import note
from registry.log.note import (
    NoteKey,
    NoteKeyAmbiguousError,
    NoteMalformedError,
    NoteSignatureError,
    NoteSigner,
    NoteTooLargeError,
    NoteUnverifiedError,
    VerifiedNote,
)
from registry.log.verifier_key import NoteKeyError, NoteKeyTypeError

# c2sp.org/signed-note, Verifier keys, Example
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_TEXT = "This is an example message.\n"
C2SP_LINE = (
    "\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
C2SP_NOTE = f"{C2SP_TEXT}\n{C2SP_LINE}".encode()

# c2sp.org/signed-note, first example; its key is not published, its form is
C2SP_POEM = """\
Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed \u00e8 subito sera.

\u2014 quasimodo.example/salvatore \
NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
""".encode()

# golang.org/x/mod/sumdb/note, documentation and tests
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_NOTE = """\
If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()

LOG = NoteSigner("log.example/1", SigningKey(bytes(range(32))))
WITNESS = NoteSigner("witness.example", SigningKey(bytes(range(1, 33))))
TEXT = "log.example/1\n7\ntext\n"


def verify(data: bytes, *keys: NoteKey) -> VerifiedNote:
    """Parse and verify in one step."""
    return note.verify_note(note.parse_note(data), keys)


def line(name: str, payload: bytes) -> bytes:
    """Write a signature line with any bytes in it."""
    return f"\u2014 {name} {base64.b64encode(payload).decode()}\n".encode()


def test_the_example_of_the_specification_verifies() -> None:
    """The key and note that C2SP publishes are read, verified and written back."""
    key = note.parse_note_key(C2SP_KEY)
    assert key.to_text() == C2SP_KEY
    assert (key.name, key.key_id.hex()) == ("example.com/foo", "530d903a")
    assert verify(C2SP_NOTE, key) == VerifiedNote(C2SP_TEXT, (key,))


def test_a_text_may_have_empty_lines() -> None:
    """The last empty line ends the text, as in the poem of the specification."""
    parsed = note.parse_note(C2SP_POEM)
    assert parsed.text.endswith("di sole:\n\ned \u00e8 subito sera.\n")
    assert [(each.name, each.key_id.hex()) for each in parsed.signatures] == [
        ("quasimodo.example/salvatore", "367ba04b")
    ]


def test_signing_gives_the_bytes_of_the_reference_implementation() -> None:
    """The Go example comes out byte for byte from its seed and text."""
    signer = NoteSigner("PeterNeumann", SigningKey(GO_SEED))
    text = GO_NOTE.decode().rpartition("\n\n")[0] + "\n"
    assert signer.key.to_text() == GO_KEY
    assert note.sign_note(text, [signer]) == GO_NOTE
    assert verify(GO_NOTE, note.parse_note_key(GO_KEY)).text == text


def test_several_signatures() -> None:
    """Every known key that signed is told, in the order of the lines; unknown ones are ignored."""
    data = note.sign_note(TEXT, [LOG, WITNESS])
    assert verify(data, WITNESS.key, LOG.key).keys == (LOG.key, WITNESS.key)
    assert verify(data, LOG.key).keys == (LOG.key,)
    assert verify(data, WITNESS.key, WITNESS.key).keys == (WITNESS.key,)


def test_a_note_without_a_known_key_is_refused() -> None:
    """Somebody's signature is not the signature that is asked for."""
    with pytest.raises(NoteUnverifiedError):
        verify(C2SP_NOTE, LOG.key)
    with pytest.raises(NoteUnverifiedError):
        verify(C2SP_NOTE)


def test_a_known_key_that_fails_condemns_the_note() -> None:
    """One false line of a known key is enough, though another known key has signed."""
    forged = line(WITNESS.name, WITNESS.key.key_id + bytes(64))
    data = note.sign_note(TEXT, [LOG]) + forged
    assert verify(data, LOG.key).keys == (LOG.key,)
    with pytest.raises(NoteSignatureError):
        verify(data, LOG.key, WITNESS.key)


@pytest.mark.parametrize("length", [1, 63, 65])
def test_signatures_of_other_lengths_fail(length: int) -> None:
    """An Ed25519 signature has 64 bytes, and a longer one does not borrow from the text."""
    with pytest.raises(NoteSignatureError):
        verify(TEXT.encode() + b"\n" + line(LOG.name, LOG.key.key_id + bytes(length)), LOG.key)


def test_a_repeated_line_counts_once_and_a_false_repetition_fails() -> None:
    """The same line twice is one signature; a second, false one of the same key is not hidden by the first."""
    data = note.sign_note(TEXT, [LOG])
    again = data.partition(b"\n\n")[2]
    assert verify(data + again, LOG.key).keys == (LOG.key,)
    with pytest.raises(NoteSignatureError):
        verify(data + line(LOG.name, LOG.key.key_id + bytes(64)), LOG.key)


def test_same_name_other_id_is_an_unknown_key() -> None:
    """A line that shares only the name of a known key is ignored, valid or not."""
    other = NoteSigner(LOG.name, SigningKey(bytes(32)))
    assert verify(note.sign_note(TEXT, [other, LOG]), LOG.key).keys == (LOG.key,)
    with pytest.raises(NoteUnverifiedError):
        verify(note.sign_note(TEXT, [other]), LOG.key)


def test_same_id_other_name_is_an_unknown_key() -> None:
    """A line that shares only the id of a known key is ignored: the name is part of who signed."""
    signature = note.parse_note(note.sign_note(TEXT, [LOG])).signatures[0]
    moved = TEXT.encode() + b"\n" + line("log.example/2", signature.key_id + signature.signature)
    with pytest.raises(NoteUnverifiedError):
        verify(moved, LOG.key)


def test_two_known_keys_of_one_name_and_id_are_refused() -> None:
    """Key ids are short, so a collision is a mistake of configuration that must not pass silently."""
    twin = replace(LOG.key, public_key=WITNESS.key.public_key)
    object.__setattr__(twin, "key_id", LOG.key.key_id)
    with pytest.raises(NoteKeyAmbiguousError):
        verify(note.sign_note(TEXT, [LOG]), LOG.key, twin)


def test_a_signature_does_not_move_to_another_text() -> None:
    """The line of one note under the text of another fails."""
    lines = note.sign_note(TEXT, [LOG]).partition(b"\n\n")[2]
    with pytest.raises(NoteSignatureError):
        verify(b"log.example/1\n8\ntext\n\n" + lines, LOG.key)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_a_note_can_be_changed(place: int, change: int) -> None:
    """Whatever byte is altered, the note no longer verifies."""
    altered = bytearray(C2SP_NOTE)
    altered[place % len(altered)] ^= change
    with pytest.raises((NoteMalformedError, NoteSignatureError, NoteUnverifiedError)):
        verify(bytes(altered), note.parse_note_key(C2SP_KEY))


LINE = C2SP_LINE.encode()
BODY = C2SP_TEXT.encode()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(BODY, id="no signature"),
        pytest.param(BODY + b"\n", id="no signature line"),
        pytest.param(BODY + b"\n\n", id="empty signature line"),
        pytest.param(BODY + LINE, id="no empty line"),
        pytest.param(BODY + b"\n" + LINE[:-1], id="no final newline"),
        pytest.param(BODY + b"\n" + LINE + b"\n", id="empty line at the end"),
        pytest.param(BODY + b"\n" + LINE + b"surplus\n", id="surplus line"),
        pytest.param(BODY + b"\n" + LINE.replace(b"\xe2\x80\x94", b"-"), id="hyphen"),
        pytest.param(BODY + b"\n" + LINE.replace(b"\xe2\x80\x94", b"\xe2\x80\x93"), id="en dash"),
        pytest.param(BODY + b"\n" + LINE.replace(b" ", b"  ", 1), id="two spaces before the name"),
        pytest.param(BODY + b"\n" + LINE.replace(b" U", b"  U"), id="two spaces after the name"),
        pytest.param(BODY + b"\n" + LINE.replace(b" U", b"\xc2\xa0U"), id="no-break space"),
        pytest.param(BODY + b"\n" + LINE.replace(b"foo", b"f+o"), id="plus in the name"),
        pytest.param(BODY + b"\n" + LINE.replace(b"foo", b"f\xe2\x80\x83o"), id="em space in the name"),
        pytest.param(BODY + b"\n" + LINE.replace(b"example.com/foo ", b""), id="no name"),
        pytest.param(BODY + b"\n" + LINE.replace(b"=", b""), id="no padding"),
        pytest.param(BODY + b"\n" + LINE.replace(b"QM=", b"QN="), id="trailing bits"),
        pytest.param(BODY + b"\n" + LINE.replace(b"QM=", b"QM=="), id="surplus padding"),
        pytest.param(BODY + b"\n" + LINE.replace(b"QM=\n", b"QM= \n"), id="space at the end"),
        pytest.param(BODY + b"\n" + LINE.replace(b"Uw2Q", b"Uw-_"), id="base64url"),
        pytest.param(BODY + b"\n" + line("example.com/foo", b"\x53\x0d\x90\x3a"), id="key id without signature"),
        pytest.param(BODY + b"\n\xe2\x80\x94 example.com/foo \n", id="empty base64"),
        pytest.param((BODY + b"\n" + LINE).replace(b"\n", b"\r\n"), id="CR LF"),
        pytest.param(b"a\x00" + BODY + b"\n" + LINE, id="NUL"),
        pytest.param(b"a\t" + BODY + b"\n" + LINE, id="tab"),
        pytest.param(b"a\x1f" + BODY + b"\n" + LINE, id="unit separator"),
        pytest.param(b"\xff" + BODY + b"\n" + LINE, id="not UTF-8"),
        pytest.param(b"\xed\xa0\x80" + BODY + b"\n" + LINE, id="surrogate"),
    ],
)
def test_what_is_not_a_note(data: bytes) -> None:
    """Each departure from the form is refused before any key is tried."""
    with pytest.raises(NoteMalformedError):
        note.parse_note(data)


def test_line_ends_of_other_alphabets_are_text() -> None:
    """Characters that some languages take for line ends belong to the line here, in text and name checks alike."""
    text = "one\u2028two\u0085three\n"
    assert verify(note.sign_note(text, [LOG]), LOG.key).text == text
    with pytest.raises(NoteKeyError):
        NoteKey("log\u2028example", LOG.key.public_key)


def test_the_number_and_size_of_signatures_is_bounded() -> None:
    """16 large signatures pass, 100 small ones too; more lines or bytes are not looked at."""
    data = note.sign_note(TEXT, [LOG])
    large = b"".join(line(f"witness.example/{each}", bytes(2_432)) for each in range(15))
    assert verify(data + large, LOG.key).keys == (LOG.key,)
    small = [line(f"witness.example/{each}", bytes(76)) for each in range(100)]
    assert verify(data + b"".join(small[:99]), LOG.key).keys == (LOG.key,)
    with pytest.raises(NoteTooLargeError):
        note.parse_note(data + b"".join(small))
    with pytest.raises(NoteTooLargeError):
        note.parse_note(b"a" * 65_536 + b"\n" + data)


@pytest.mark.parametrize("text", ["", "no newline", "a\r\n", "a\tb\n", "a\x00\n", "\ud800\n"])
def test_what_cannot_be_signed(text: str) -> None:
    """A text that no reader would accept is not signed."""
    with pytest.raises(NoteMalformedError):
        note.sign_note(text, [LOG])


def test_a_note_needs_a_signer_and_room() -> None:
    """There is no note without a signature, and none that is too long to be read."""
    with pytest.raises(NoteMalformedError):
        note.sign_note(TEXT, [])
    with pytest.raises(NoteTooLargeError):
        note.sign_note("a" * 65_536 + "\n", [LOG])


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60), st.integers(1, 3))
def test_signed_texts_come_back(text: str, copies: int) -> None:
    """Signing, parsing and verifying gives the text that was signed, empty lines and all."""
    whole = f"{text}\n" * copies + "\n"
    data = note.sign_note(whole, [LOG, WITNESS])
    assert verify(data, LOG.key, WITNESS.key) == VerifiedNote(whole, (LOG.key, WITNESS.key))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_an_error(data: bytes) -> None:
    """No bytes make the parser fail in another way."""
    with pytest.raises((NoteMalformedError, NoteUnverifiedError)):
        verify(data, LOG.key)


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a+b", "a\u00a0b", "a\u3000b", "a\nb", "a\x7f\tb", "a\x1cb", "\ud800"]
)
def test_names_that_no_line_can_hold(name: str) -> None:
    """Spaces of any alphabet, plus signs and control characters would make signature lines ambiguous."""
    with pytest.raises(NoteKeyError):
        NoteKey(name, LOG.key.public_key)


def test_every_part_of_a_key_matters() -> None:
    """No part, prefix or one-character change of a verifier key is a verifier key."""
    for start in range(len(GO_KEY)):
        for end in range(start, len(GO_KEY) + (start > 0)):
            with pytest.raises(NoteKeyError):
                note.parse_note_key(GO_KEY[start:end])
    for place, char in enumerate(GO_KEY):
        with pytest.raises((NoteKeyError, NoteKeyTypeError)):
            note.parse_note_key(GO_KEY[:place] + chr(ord(char) + 1) + GO_KEY[place + 1 :])


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteKeyError),
        ("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==", NoteKeyError),
        ("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", NoteKeyTypeError),
        (f"{GO_KEY}\n", NoteKeyError),
        ("a+00000000+AQ" + "A" * 42, NoteKeyError),
        ("a+00000000+" + "A" * 100_000, NoteKeyError),
    ],
)
def test_what_is_not_a_verifier_key(key: str, error: type[Exception]) -> None:
    """Upper-case ids, wrong lengths, other types and points of small order are refused, each under its code."""
    with pytest.raises(error):
        note.parse_note_key(key)


def test_a_cosigning_key_is_not_a_note_key() -> None:
    """A key of type 04 signs other messages; used as a note key it would verify nothing, so it is told apart."""
    material = b"\x04" + LOG.key.public_key.raw
    text = f"witness.example+00000000+{base64.b64encode(material).decode()}"
    with pytest.raises(NoteKeyTypeError):
        note.parse_note_key(text)


def test_only_ed25519_keys_sign_notes() -> None:
    """A key of another kind is refused when the note key is made, not when something fails to verify."""
    with pytest.raises(NoteKeyError):
        NoteKey("log.example", PublicKey("x25519", bytes(range(32))))
