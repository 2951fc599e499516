"""Cosignatures of both types: what they sign, and every way to send one that is not."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from did_methods.codec_errors import KeyLengthError
from did_methods.keys import PublicKey, SeedLengthError, SignatureInvalidError, SigningKey
from did_methods.ml_dsa import MlDsaPublicKey, MlDsaSigningKey
from registry.log.checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from registry.log.cosignature import (
    CosignatureInvalidError,
    CosignatureKey,
    CosignatureTimeError,
    Cosigner,
    append_lines,
    cosign,
    parse_cosignature_key,
    subtree_message,
    verify_cosignature,
    verify_cosignatures,
)
from registry.log.note import (
    NoteKey,
    NoteKeyAmbiguousError,
    NoteMalformedError,
    NoteSignature,
    NoteTooLargeError,
    parse_note,
    parse_signature_lines,
)
from registry.log.verifier_key import NoteKeyError, NoteKeyTypeError, VerifierKey, parse_verifier_key

ORIGIN = "registry.example/0a1b2c3d"
LOG_KEY = SigningKey(bytes(range(32)))
HEAD = Checkpoint(ORIGIN, 20_852_163, bytes(range(32)))
NOTE = sign_checkpoint(HEAD, LOG_KEY)
ED25519 = Cosigner("witness.example/w1", SigningKey(bytes(range(1, 33))))
ML_DSA = Cosigner("witness.example/w2", MlDsaSigningKey(bytes(range(2, 34))))
TIME_S = 1_795_165_200
BOTH = pytest.mark.parametrize("cosigner", [ED25519, ML_DSA], ids=["ed25519", "ml-dsa-44"])

# Verifier keys of witnesses in public use and in the tests of another implementation (transparency-dev/formats).
PUBLIC_WITNESS = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
NOTE_TYPE_KEY = "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6"


def test_the_published_key_of_a_witness_is_read() -> None:
    """A verifier key of type 04 from outside is read, with its key id, and written back."""
    key = parse_cosignature_key(PUBLIC_WITNESS)
    assert (key.name, key.key_id.hex(), key.verifier_key.signature_type) == ("remora.n621.de", "da77ade7", 4)
    assert key.to_text() == PUBLIC_WITNESS


def test_a_note_key_is_not_a_cosigning_key() -> None:
    """One key never serves two types: a type 01 key is read as a verifier key, and refused as a cosigner."""
    assert parse_verifier_key(NOTE_TYPE_KEY).signature_type == 1
    with pytest.raises(NoteKeyTypeError):
        parse_cosignature_key(NOTE_TYPE_KEY)


@pytest.mark.parametrize("kind", [1, 4, 5, 6, 255])
def test_keys_of_all_types_have_one_form(kind: int) -> None:
    """The types are data: a key of each is written and read back, and one of another length is refused."""
    raw = bytes(1_312 if kind == 6 else 32)
    key = VerifierKey("a.example", kind, raw)
    assert parse_verifier_key(key.to_text()) == key
    if kind != 255:
        with pytest.raises(NoteKeyError):
            VerifierKey("a.example", kind, raw + b"\0")
    with pytest.raises(NoteKeyError):
        VerifierKey("a.example", kind, b"")


@pytest.mark.parametrize("kind", [0, 2, 3, 7, 254])
def test_other_types_have_none(kind: int) -> None:
    """ECDSA keys have an id of another making, and the rest means nothing."""
    with pytest.raises(NoteKeyTypeError):
        VerifierKey("a.example", kind, bytes(32))


def test_a_key_of_a_curve_that_cannot_cosign_is_refused() -> None:
    """Only the two kinds that the specification names make cosigners, and a name fits in one length byte."""
    with pytest.raises(NoteKeyError):
        CosignatureKey("a.example", PublicKey("x25519", bytes(range(32))))
    CosignatureKey("n" * 255, ED25519.signing_key.public_key)
    with pytest.raises(NoteKeyError):
        CosignatureKey("n" * 256, ED25519.signing_key.public_key)
    small_order = VerifierKey("a.example", 4, (1).to_bytes(32, "little"))
    with pytest.raises(NoteKeyError):
        parse_cosignature_key(small_order.to_text())


# ---------------------------------------------------------------- what is signed


def test_type_04_signs_the_lines_of_the_specification() -> None:
    """Header, time and the whole note text, in the bytes that C2SP writes down."""
    line = cosign(HEAD, ED25519, time_s=1_679_315_147)
    message = f"cosignature/v1\ntime 1679315147\n{HEAD.to_text()}".encode()
    assert line.signature == (1_679_315_147).to_bytes(8, "big") + ED25519.signing_key.sign(message)


def test_type_06_signs_the_structure_of_the_specification() -> None:
    """Label, name, time, origin, start 0, end, root: with every length in its place."""
    line = cosign(HEAD, ML_DSA, time_s=TIME_S)
    message = (
        b"subtree/v1\n\x00"
        b"\x12witness.example/w2"
        + TIME_S.to_bytes(8, "big")
        + b"\x19registry.example/0a1b2c3d"
        + bytes(8)
        + HEAD.size.to_bytes(8, "big")
        + HEAD.root_hash
    )
    assert subtree_message(ML_DSA.name, TIME_S, ORIGIN, start=0, end=HEAD.size, root_hash=HEAD.root_hash) == message
    assert (len(line.signature), line.signature[:8]) == (8 + 2_420, TIME_S.to_bytes(8, "big"))
    ML_DSA.key.public_key.verify(line.signature[8:], message)


@BOTH
def test_a_cosignature_verifies_and_stands_in_the_note(cosigner: Cosigner) -> None:
    """The line goes through its text form, says when it was made, and leaves the log's own signature as it was."""
    line = cosign(HEAD, cosigner, time_s=TIME_S)
    whole = append_lines(NOTE, [line])
    (found,) = verify_cosignatures(parse_note(whole).signatures, HEAD, [cosigner.key])
    assert (found.key, found.time_s, found.line) == (cosigner.key, TIME_S, line)
    assert parse_signature_lines(line.to_line().encode()) == (line,)
    assert verify_checkpoint(whole, origin=ORIGIN, key=NoteKey(ORIGIN, LOG_KEY.public_key)).checkpoint == HEAD
    assert append_lines(whole, [line]) == whole


def test_a_log_may_add_a_post_quantum_signature_of_its_own() -> None:
    """A type 06 line under the log's own name is a second signature beside the Ed25519 one."""
    second = Cosigner(ORIGIN, MlDsaSigningKey(bytes(32)))
    whole = append_lines(NOTE, [cosign(HEAD, second, time_s=TIME_S)])
    key = NoteKey(ORIGIN, LOG_KEY.public_key)
    verified = verify_checkpoint(whole, origin=ORIGIN, key=key)
    assert verify_cosignatures(parse_note(whole).signatures, verified.checkpoint, [second.key])


# ---------------------------------------------------------------- what is refused


@BOTH
@pytest.mark.parametrize(
    "other",
    [replace(HEAD, size=HEAD.size + 1), replace(HEAD, root_hash=bytes(32)), replace(HEAD, origin="registry.example/x")],
    ids=["size", "root", "origin"],
)
def test_a_cosignature_of_another_checkpoint_fails(cosigner: Cosigner, other: Checkpoint) -> None:
    """Size, root and origin are all signed: a line moved to another checkpoint or log is false there."""
    line = cosign(HEAD, cosigner, time_s=TIME_S)
    with pytest.raises(CosignatureInvalidError):
        verify_cosignature(line, other, cosigner.key)


@BOTH
def test_an_altered_time_fails(cosigner: Cosigner) -> None:
    """The time is signed, so nobody makes a cosignature younger."""
    line = cosign(HEAD, cosigner, time_s=TIME_S)
    younger = replace(line, signature=(TIME_S + 1).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(CosignatureInvalidError):
        verify_cosignature(younger, HEAD, cosigner.key)


def test_type_06_signs_the_name() -> None:
    """A line under another name with the same key is false: the name stands in the message, not in the line alone."""
    line = cosign(HEAD, ML_DSA, time_s=TIME_S)
    other = CosignatureKey("witness.example/w3", ML_DSA.key.public_key)
    with pytest.raises(CosignatureInvalidError):
        verify_cosignature(NoteSignature(other.name, other.key_id, line.signature), HEAD, other)


@BOTH
@pytest.mark.parametrize("length", [0, 7, 8, 71, 73, 2_427, 2_429])
def test_lines_of_other_lengths_fail(cosigner: Cosigner, length: int) -> None:
    """Neither a short line nor a long one is read as something else."""
    line = NoteSignature(cosigner.name, cosigner.key.key_id, b"\1" * length)
    with pytest.raises(CosignatureInvalidError):
        verify_cosignature(line, HEAD, cosigner.key)


@BOTH
def test_a_time_of_zero_or_too_late_is_no_time(cosigner: Cosigner) -> None:
    """Time 0 says "not the largest tree", above 2^63-1 nothing at all; neither is made or taken."""
    for time_s in (0, -1, 1 << 63):
        with pytest.raises(CosignatureTimeError):
            cosign(HEAD, cosigner, time_s=time_s)
    message = subtree_message(ML_DSA.name, 0, ORIGIN, start=0, end=HEAD.size, root_hash=HEAD.root_hash)
    line = NoteSignature(ML_DSA.name, ML_DSA.key.key_id, bytes(8) + ML_DSA.signing_key.sign(message))
    with pytest.raises(CosignatureInvalidError):
        verify_cosignature(line, HEAD, ML_DSA.key)


def test_a_false_line_of_a_known_key_condemns_the_rest() -> None:
    """A reader that trusts a witness does not pick the true one of two lines under its name."""
    line = cosign(HEAD, ED25519, time_s=TIME_S)
    forged = replace(line, signature=line.signature[:-1] + bytes([line.signature[-1] ^ 1]))
    with pytest.raises(CosignatureInvalidError):
        verify_cosignatures([line, forged], HEAD, [ED25519.key])
    assert verify_cosignatures([line, forged], HEAD, [ML_DSA.key]) == ()


def test_the_newest_of_several_cosignatures_counts_and_counts_once() -> None:
    """A witness that signed the same checkpoint twice is one witness, with its later time."""
    lines = [cosign(HEAD, ED25519, time_s=TIME_S + step) for step in (0, 60, 30)]
    (found,) = verify_cosignatures(lines, HEAD, [ED25519.key, ED25519.key])
    assert found.time_s == TIME_S + 60


def test_two_keys_of_one_name_and_id_are_refused() -> None:
    """Where a line would not say which key signed, nothing is verified."""
    twin = CosignatureKey(ED25519.name, SigningKey(bytes(32)).public_key)
    object.__setattr__(twin, "verifier_key", ED25519.key.verifier_key)
    with pytest.raises(NoteKeyAmbiguousError):
        verify_cosignatures([], HEAD, [ED25519.key, twin])


def test_same_id_other_name_is_ignored() -> None:
    """Key ids collide by intent or by chance; a line counts for its name and id together."""
    line = cosign(HEAD, ED25519, time_s=TIME_S)
    assert verify_cosignatures([replace(line, name="other.example")], HEAD, [ED25519.key]) == ()
    assert verify_cosignatures([replace(line, key_id=b"\0\0\0\0")], HEAD, [ED25519.key]) == ()


def test_keys_and_seeds_of_other_lengths_are_refused() -> None:
    """An ML-DSA-44 key has 1,312 bytes, its seed 32 and its signature 2,420."""
    with pytest.raises(KeyLengthError):
        MlDsaPublicKey(bytes(1_311))
    with pytest.raises(SeedLengthError):
        MlDsaSigningKey(bytes(31))
    with pytest.raises(SignatureInvalidError):
        ML_DSA.key.public_key.verify(bytes(2_419), b"")
    assert "seed" not in repr(ML_DSA.signing_key)
    with pytest.raises(TypeError):
        ML_DSA.signing_key.__reduce__()


# ---------------------------------------------------------------- lines that stand alone


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"\n",
        b"\n" + cosign(HEAD, ED25519, time_s=1).to_line().encode(),
        cosign(HEAD, ED25519, time_s=1).to_line().encode() + b"\n",
        cosign(HEAD, ED25519, time_s=1).to_line().encode()[:-1],
        cosign(HEAD, ED25519, time_s=1).to_line().encode().replace(b"\n", b"\r\n"),
        b"\xff" + cosign(HEAD, ED25519, time_s=1).to_line().encode(),
        cosign(HEAD, ED25519, time_s=1).to_line().encode().replace("\u2014".encode(), b"-"),
    ],
    ids=["nothing", "empty", "empty-first", "empty-last", "no-newline", "crlf", "not-utf-8", "hyphen"],
)
def test_answers_of_another_form_are_refused(lines: bytes) -> None:
    """An answer is signature lines and nothing besides."""
    with pytest.raises(NoteMalformedError):
        parse_signature_lines(lines)


def test_answers_have_a_size() -> None:
    """Neither a hundred and one lines nor more than 65,536 bytes are looked at."""
    line = cosign(HEAD, ED25519, time_s=1).to_line().encode()
    assert len(parse_signature_lines(line * 100)) == 100
    with pytest.raises(NoteTooLargeError):
        parse_signature_lines(line * 101)
    with pytest.raises(NoteTooLargeError):
        parse_signature_lines(b"x" * 65_537)


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: ("\u2014 " + text + "\n").encode()))
def test_any_bytes_are_read_or_refused_by_code(data: bytes) -> None:
    """The parser of answers never fails in another way, and what it reads is written back to the same bytes."""
    try:
        lines = parse_signature_lines(data)
    except (NoteMalformedError, NoteTooLargeError):
        return
    assert "".join(line.to_line() for line in lines).encode() == data


@settings(max_examples=60)
@given(st.integers(0, 71), st.integers(1, 255))
def test_every_byte_of_a_cosignature_counts(place: int, change: int) -> None:
    """A change of any byte of time or signature is found."""
    line = cosign(HEAD, ED25519, time_s=TIME_S)
    altered = bytearray(line.signature)
    altered[place] ^= change
    with pytest.raises(CosignatureInvalidError):
        verify_cosignature(replace(line, signature=bytes(altered)), HEAD, ED25519.key)


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_a_verifier_key_or_refused_by_code(text: str) -> None:
    """The parser of verifier keys never fails in another way."""
    with suppress(NoteKeyError, NoteKeyTypeError):
        assert parse_verifier_key(text).to_text() == text
