"""The witness's judgement on values: requests, and what may be cosigned."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.keys import SigningKey
from registry.errors import RegistryError
from registry.log.checkpoint import Checkpoint, sign_checkpoint
from registry.log.merkle import EMPTY_ROOT
from registry.log.note import NoteKey, NoteMalformedError, NoteSigner, sign_note
from registry.log.witness import (
    AddCheckpoint,
    CosignedHead,
    WitnessConflictError,
    WitnessOldSizeError,
    WitnessProofError,
    WitnessRequestError,
    WitnessRequestTooLargeError,
    WitnessSignatureError,
    check_growth,
    claimed_checkpoint,
    encode_add_checkpoint,
    parse_add_checkpoint,
    parse_size_body,
    size_body,
    verify_log_signature,
)
from tests.log.naive_tree import NaiveTree, naive_leaves

ORIGIN = "log.example/1"
SIGNING_KEY = SigningKey(bytes(range(32)))
KEY = NoteKey(ORIGIN, SIGNING_KEY.public_key)
TREE = NaiveTree(naive_leaves(40))
FORK = NaiveTree([*naive_leaves(5), *(b"other %d" % place for place in range(35))])
HASH = "A" * 43 + "="


def head(size: int, tree: NaiveTree = TREE) -> Checkpoint:
    """Return the checkpoint of a size."""
    return Checkpoint(ORIGIN, size, tree.root(0, size) if size else EMPTY_ROOT)


def cosigned(size: int) -> CosignedHead:
    """Return what was cosigned last."""
    return CosignedHead(size, head(size).root_hash)


def request(old: int, size: int, tree: NaiveTree = TREE) -> AddCheckpoint:
    """Return the request of an honest log with this tree."""
    proof = tuple(tree.proof(old, 0, size)) if 0 < old < size else ()
    return AddCheckpoint(old, proof, sign_checkpoint(head(size, tree), SIGNING_KEY))


# ---------------------------------------------------------------- requests


def test_the_example_of_the_specification_is_read() -> None:
    """The request body that C2SP publishes is read and written back."""
    body = (
        "old 20852014\n"
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
        "\n"
        "example.com/behind-the-sofa\n"
        "20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        "\n"
        "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
        "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    ).encode()
    parsed = parse_add_checkpoint(body)
    assert (parsed.old_size, len(parsed.proof)) == (20_852_014, 4)
    assert claimed_checkpoint(parsed.note).origin == "example.com/behind-the-sofa"
    assert encode_add_checkpoint(parsed) == body


@pytest.mark.parametrize("old", [0, 1, 5, 39])
def test_a_request_goes_through_its_bytes(old: int) -> None:
    """What is written is read again, without a proof and with one."""
    made = request(old, 40)
    assert parse_add_checkpoint(encode_add_checkpoint(made)) == made


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1\n",
        b"old 1\nnote",
        b"new 1\n\nnote",
        b"old\n\nnote",
        b"old  1\n\nnote",
        b"old 01\n\nnote",
        b"old +1\n\nnote",
        b"old -1\n\nnote",
        b"old 1 \n\nnote",
        b"old 1\r\n\nnote",
        b"old 9223372036854775808\n\nnote",
        b"old \xd9\xa1\n\nnote",
        b"old 1\n" + HASH[:-1].encode() + b"\n\nnote",
        b"old 1\n" + b"A" * 42 + b"B=\n\nnote",
        b"old 1\nAAAA\n\nnote",
        b"old 1\n" + HASH.encode() + b" \n\nnote",
        b"old 1\n" + (HASH.encode() + b"\n") * 64 + b"\nnote",
    ],
)
def test_other_bodies_are_refused(body: bytes) -> None:
    """One spelling only: sizes without sign, zeros or spaces, canonical base64, at most 63 hashes."""
    with pytest.raises(WitnessRequestError):
        parse_add_checkpoint(body)


def test_requests_have_a_size() -> None:
    """What is longer than any request is not looked at; what cannot stand in one is not written."""
    with pytest.raises(WitnessRequestTooLargeError):
        parse_add_checkpoint(b"x" * 70_000)
    for wrong in (AddCheckpoint(-1, (), b""), AddCheckpoint(1, (bytes(32),) * 64, b""), AddCheckpoint(1, (b"",), b"")):
        with pytest.raises(WitnessRequestError):
            encode_add_checkpoint(wrong)


@given(st.binary(max_size=300) | st.binary(max_size=80).map(lambda rest: b"old 7\n" + rest))
def test_any_bytes_are_a_request_or_refused_by_code(data: bytes) -> None:
    """The parser never fails in another way, and what it reads is written back to the same bytes."""
    try:
        parsed = parse_add_checkpoint(data)
    except RegistryError:
        return
    assert encode_add_checkpoint(parsed) == data


@pytest.mark.parametrize("body", [b"", b"7", b"07\n", b"+7\n", b"7\n\n", b" 7\n", b"7\r\n", b"\xd9\xa7\n", b"x\n"])
def test_sizes_of_another_form_are_refused(body: bytes) -> None:
    """The body of a conflict is a number and a newline."""
    assert parse_size_body(size_body(7)) == 7
    with pytest.raises(NoteMalformedError):
        parse_size_body(body)


# ---------------------------------------------------------------- judgement


def test_every_step_of_an_honest_log_is_taken() -> None:
    """From any size to any larger or equal one, with the proof of that step, and from nothing to anything."""
    for old in range(13):
        for size in range(old, 13):
            if size:
                check_growth(request(old, size), head(size), cosigned=cosigned(old))
    check_growth(request(0, 0), head(0), cosigned=cosigned(0))


def test_an_old_size_above_the_checkpoints_is_refused() -> None:
    """A log that goes back says so itself: before any comparison."""
    with pytest.raises(WitnessOldSizeError):
        check_growth(request(9, 9), head(8), cosigned=cosigned(8))


@pytest.mark.parametrize("old", [0, 3, 5, 8])
def test_another_old_size_is_a_conflict(old: int) -> None:
    """The witness tells the size that it knows, be the proof right or wrong."""
    with pytest.raises(WitnessConflictError) as refused:
        check_growth(request(old, 8), head(8), cosigned=cosigned(4))
    assert refused.value.params["size"] == 4


def test_a_fork_is_refused() -> None:
    """Another tree of the same size, and every larger tree that did not grow out of the cosigned one."""
    with pytest.raises(WitnessProofError):
        check_growth(request(8, 8, FORK), head(8, FORK), cosigned=cosigned(8))
    for size in range(9, 41):
        with pytest.raises(WitnessProofError):
            check_growth(request(8, size, FORK), head(size, FORK), cosigned=cosigned(8))


def test_surplus_missing_and_false_hashes_are_refused() -> None:
    """A proof has its hashes, no more, no fewer, in their order; from 0 and to the same size it is empty."""
    right = request(6, 11)
    for proof in (
        right.proof[:-1],
        right.proof[1:],
        (*right.proof, bytes(32)),
        tuple(reversed(right.proof)),
        (bytes(32), *right.proof[1:]),
        (),
    ):
        with pytest.raises(WitnessProofError):
            check_growth(replace(right, proof=proof), head(11), cosigned=cosigned(6))
    for old, size in ((0, 5), (5, 5), (0, 0)):
        with pytest.raises(WitnessProofError):
            check_growth(replace(request(old, size), proof=(bytes(32),)), head(size), cosigned=cosigned(old))


def test_only_the_logs_own_signature_opens_the_door() -> None:
    """No signature of the trusted key, a false one, another origin under the same key: all are refused alike."""
    good = sign_checkpoint(head(5), SIGNING_KEY)
    assert verify_log_signature(good, key=KEY).checkpoint == head(5)
    stranger = sign_note(head(5).to_text(), [NoteSigner(ORIGIN, SigningKey(bytes(32)))])
    other_name = sign_note(head(5).to_text(), [NoteSigner("log.example/2", SIGNING_KEY)])
    false = good[:-8] + b"AAAA" + good[-4:]
    for note in (stranger, other_name, false):
        with pytest.raises(WitnessSignatureError):
            verify_log_signature(note, key=KEY)


def test_an_empty_tree_has_one_root() -> None:
    """Size 0 with another root is refused as a proof that cannot be."""
    note = sign_note(f"{ORIGIN}\n0\n{HASH}\n", [NoteSigner(ORIGIN, SIGNING_KEY)])
    with pytest.raises(WitnessProofError):
        verify_log_signature(note, key=KEY)
