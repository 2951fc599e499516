"""Checkpoints: one text per tree head, one log per key."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.keys import SigningKey
from registry.errors import ParseError, VerificationError
from registry.log import checkpoint as checkpoints
from registry.log.checkpoint import (
    Checkpoint,
    CheckpointEmptyRootError,
    CheckpointMalformedError,
    CheckpointOriginError,
)
from registry.log.merkle import EMPTY_ROOT
from registry.log.note import (
    NoteKey,
    NoteMalformedError,
    NoteSignatureError,
    NoteSigner,
    NoteUnverifiedError,
    sign_note,
)

ORIGIN = "registry.example/0a1b2c3d"
SIGNING_KEY = SigningKey(bytes(range(32)))
KEY = NoteKey(ORIGIN, SIGNING_KEY.public_key)
HEAD = Checkpoint(ORIGIN, 20_852_163, bytes(range(32)))
TEXT = HEAD.to_text()


def sign_text(text: str, name: str = ORIGIN) -> bytes:
    """Sign any text with the log's key."""
    return sign_note(text, [NoteSigner(name, SIGNING_KEY)])


def test_the_example_of_the_specification_parses() -> None:
    """The text that C2SP publishes is read and written back."""
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    head = checkpoints.parse_checkpoint(text)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert head.root_hash == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert head.to_text() == text


def test_a_signed_checkpoint_verifies() -> None:
    """What is signed comes back with its evidence, and signing again gives the same bytes."""
    data = checkpoints.sign_checkpoint(HEAD, SIGNING_KEY)
    verified = checkpoints.verify_checkpoint(data, origin=ORIGIN, key=KEY)
    assert (verified.checkpoint, verified.note, verified.key) == (HEAD, data, KEY)
    assert checkpoints.sign_checkpoint(HEAD, SIGNING_KEY) == data


def test_cosignatures_do_not_disturb() -> None:
    """Lines of witnesses after the log's, and of a second log key before it, are passed over."""
    lines = checkpoints.sign_checkpoint(HEAD, SIGNING_KEY).decode().partition("\n\n")[2]
    foreign = "\u2014 witness.example " + base64.b64encode(bytes(76)).decode() + "\n"
    for order in (lines + foreign, foreign + lines):
        data = f"{TEXT}\n{order}".encode()
        assert checkpoints.verify_checkpoint(data, origin=ORIGIN, key=KEY).checkpoint == HEAD


def test_another_logs_checkpoint_is_refused() -> None:
    """A key answers for its own origin only, whatever it was made to sign, and another key for none."""
    other = Checkpoint("registry.example/other", 5, bytes(32))
    with pytest.raises(CheckpointOriginError):
        checkpoints.verify_checkpoint(sign_text(other.to_text()), origin=ORIGIN, key=KEY)
    with pytest.raises(NoteUnverifiedError):
        checkpoints.verify_checkpoint(checkpoints.sign_checkpoint(other, SIGNING_KEY), origin=ORIGIN, key=KEY)
    with pytest.raises(NoteUnverifiedError):
        checkpoints.verify_checkpoint(checkpoints.sign_checkpoint(HEAD, SigningKey(bytes(32))), origin=ORIGIN, key=KEY)


def test_a_signature_does_not_move_to_another_origin() -> None:
    """The log's line under the text of another origin fails, and so does a changed size or root."""
    lines = checkpoints.sign_checkpoint(HEAD, SIGNING_KEY).decode().partition("\n\n")[2]
    for text in (
        TEXT.replace(ORIGIN, "registry.example/other"),
        TEXT.replace("20852163", "20852164"),
        Checkpoint(ORIGIN, HEAD.size, bytes(32)).to_text(),
    ):
        with pytest.raises(NoteSignatureError):
            checkpoints.verify_checkpoint(f"{text}\n{lines}".encode(), origin=ORIGIN, key=KEY)


ROOT = TEXT.split("\n")[2]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{ORIGIN}\n7\n{ROOT}\nextension\n", id="extension line"),
        pytest.param(f"{ORIGIN}\n7\n{ROOT}\n\n", id="empty line at the end"),
        pytest.param(f"{ORIGIN}\n7\n", id="no root"),
        pytest.param(f"{ORIGIN}\n\n{ROOT}\n", id="no size"),
        pytest.param(f"\n7\n{ROOT}\n", id="no origin"),
        pytest.param(f"{ORIGIN}\n7\n{ROOT}", id="no final newline"),
        pytest.param(f"{ORIGIN} x\n7\n{ROOT}\n", id="space in the origin"),
        pytest.param(f"{ORIGIN}+x\n7\n{ROOT}\n", id="plus in the origin"),
        pytest.param(f"{'o' * 256}\n7\n{ROOT}\n", id="origin too long"),
        pytest.param(f"{ORIGIN}\n+7\n{ROOT}\n", id="sign"),
        pytest.param(f"{ORIGIN}\n-7\n{ROOT}\n", id="negative"),
        pytest.param(f"{ORIGIN}\n07\n{ROOT}\n", id="leading zero"),
        pytest.param(f"{ORIGIN}\n00\n{ROOT}\n", id="two zeros"),
        pytest.param(f"{ORIGIN}\n 7\n{ROOT}\n", id="space before the size"),
        pytest.param(f"{ORIGIN}\n7_0\n{ROOT}\n", id="underscore"),
        pytest.param(f"{ORIGIN}\n7e0\n{ROOT}\n", id="exponent"),
        pytest.param(f"{ORIGIN}\n\u0667\n{ROOT}\n", id="digits of another alphabet"),
        pytest.param(f"{ORIGIN}\n9223372036854775808\n{ROOT}\n", id="size above 2^63-1"),
        pytest.param(f"{ORIGIN}\n{'9' * 5000}\n{ROOT}\n", id="endless size"),
        pytest.param(f"{ORIGIN}\n7\n{ROOT[:-1]}\n", id="no padding"),
        pytest.param(f"{ORIGIN}\n7\n{ROOT[:-2]}9=\n", id="trailing bits"),
        pytest.param(f"{ORIGIN}\n7\n{base64.b64encode(bytes(31)).decode()}\n", id="31 bytes"),
        pytest.param(f"{ORIGIN}\n7\n{base64.b64encode(bytes(33)).decode()}\n", id="33 bytes"),
        pytest.param(f"{ORIGIN}\n7\n{'_' * 43}=\n", id="base64url"),
        pytest.param(f"{ORIGIN}\n7\n {ROOT}\n", id="space before the root"),
    ],
)
def test_what_is_not_a_checkpoint(text: str) -> None:
    """Each departure from the three lines is refused, though it is signed."""
    with pytest.raises(CheckpointMalformedError):
        checkpoints.parse_checkpoint(text)
    with pytest.raises((CheckpointMalformedError, NoteMalformedError)):
        checkpoints.verify_checkpoint(sign_text(text), origin=ORIGIN, key=KEY)


@pytest.mark.parametrize("size", [0, 1, 2**63 - 1])
def test_sizes_at_the_edges(size: int) -> None:
    """The smallest and the largest size are sizes."""
    head = Checkpoint(ORIGIN, size, EMPTY_ROOT)
    data = checkpoints.sign_checkpoint(head, SIGNING_KEY)
    assert checkpoints.verify_checkpoint(data, origin=ORIGIN, key=KEY).checkpoint == head


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [("", 1, bytes(32)), ("a b", 1, bytes(32)), ("a", -1, bytes(32)), ("a", 2**63, bytes(32)), ("a", 1, bytes(31))],
)
def test_values_that_no_checkpoint_has(origin: str, size: int, root: bytes) -> None:
    """A checkpoint that could not be read is not made."""
    with pytest.raises(CheckpointMalformedError):
        Checkpoint(origin, size, root)


def test_an_empty_tree_has_one_root() -> None:
    """Size 0 with another root commits to nothing; it is neither signed nor accepted."""
    head = Checkpoint(ORIGIN, 0, bytes(32))
    with pytest.raises(CheckpointEmptyRootError):
        checkpoints.sign_checkpoint(head, SIGNING_KEY)
    with pytest.raises(CheckpointEmptyRootError):
        checkpoints.verify_checkpoint(sign_text(head.to_text()), origin=ORIGIN, key=KEY)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="+"), min_size=1, max_size=40),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_checkpoints_round_trip(origin: str, size: int, root: bytes) -> None:
    """Parsing what is written gives the checkpoint back."""
    head = Checkpoint(origin, size, root)
    assert checkpoints.parse_checkpoint(head.to_text()) == head


@given(st.text(max_size=120))
def test_any_text_is_a_checkpoint_or_an_error(text: str) -> None:
    """No text makes the parser fail in another way, and what parses has one spelling."""
    try:
        head = checkpoints.parse_checkpoint(text)
    except CheckpointMalformedError:
        return
    assert head.to_text() == text


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_byte_of_a_checkpoint_can_be_changed(place: int, change: int) -> None:
    """Whatever byte is altered, the checkpoint no longer verifies."""
    altered = bytearray(checkpoints.sign_checkpoint(HEAD, SIGNING_KEY))
    altered[place % len(altered)] ^= change
    with pytest.raises((ParseError, VerificationError)):
        checkpoints.verify_checkpoint(bytes(altered), origin=ORIGIN, key=KEY)
