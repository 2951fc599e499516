"""Every parser of bytes in the log's room, with inputs that it reads and, where there is one, the way back to bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from did_methods.codec import parse_json_object
from did_methods.errors import BonafidesError
from registry.log import (
    cosignature,
    entry,
    note,
    proof,
    split_view,
    state_map,
    tile,
    verifier_key,
    witness,
    witness_policy,
)
from registry.log.checkpoint import parse_checkpoint
from tests.log import test_cosignature as cosigned
from tests.log import test_entry as leaves
from tests.log import test_proof as proofs
from tests.log import test_split_view as views
from tests.log import test_witness_policy as policies

ED25519_KEY, ML_DSA_KEY = cosigned.ED25519.key.to_text(), cosigned.ML_DSA.key.to_text()
LINES = b"".join(
    cosignature.cosign(cosigned.HEAD, one, time_s=cosigned.TIME_S).to_line().encode()
    for one in (cosigned.ED25519, cosigned.ML_DSA)
)
REQUEST = witness.AddCheckpoint(7, (bytes(32), bytes(range(32))), cosigned.NOTE)
STATE = state_map.StateEntry(290, bytes(range(32)), 16, 1, bytes(32))
WIRE_LIMITS = {"max_bytes": 1 << 16}


@dataclass(frozen=True, slots=True)
class Parser:
    """A parser under test.

    Attributes:
        parse: bytes to a value.
        seeds: what it reads.
        write: the value to the same bytes; None where a format has several spellings.
    """

    parse: Callable[[bytes], Any]
    seeds: tuple[bytes, ...]
    write: Callable[[Any], bytes] | None


def _of_text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    return lambda data: parse(data.decode("latin-1"))


def _lines(signatures: tuple[note.NoteSignature, ...]) -> bytes:
    return "".join(one.to_line() for one in signatures).encode()


def _of_json(parse: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    return lambda data: parse(parse_json_object(data, **WIRE_LIMITS))


def _json(value: dict[str, Any]) -> bytes:
    import json

    return json.dumps(value).encode()


PARSERS = {
    "verifier key": Parser(
        _of_text(verifier_key.parse_verifier_key),
        (ED25519_KEY.encode(), ML_DSA_KEY.encode()),
        lambda key: key.to_text().encode("latin-1"),
    ),
    "cosignature key": Parser(
        _of_text(cosignature.parse_cosignature_key),
        (ED25519_KEY.encode(), ML_DSA_KEY.encode()),
        lambda key: key.to_text().encode("latin-1"),
    ),
    "checkpoint text": Parser(
        lambda data: parse_checkpoint(data.decode("latin-1")),
        (cosigned.HEAD.to_text().encode(),),
        lambda head: head.to_text().encode("latin-1"),
    ),
    "note": Parser(
        note.parse_note,
        (cosigned.NOTE, cosigned.NOTE + LINES),
        lambda one: f"{one.text}\n".encode() + _lines(one.signatures),
    ),
    "signature lines": Parser(note.parse_signature_lines, (LINES,), _lines),
    "proof file": Parser(
        proof.parse_proof_file,
        (proofs.FILE, proof.encode_proof_file(proofs.make_file(extra=b"abc"))),
        proof.encode_proof_file,
    ),
    "leaf": Parser(entry.parse_leaf, (entry.encode_leaf(leaves.LEAF),), entry.encode_leaf),
    "entry bundle": Parser(
        lambda data: tile.parse_entry_bundle(data, width=3),
        (tile.encode_entry_bundle([b"", b"one", bytes(300)]),),
        tile.encode_entry_bundle,
    ),
    "tile path": Parser(
        _of_text(tile.parse_tile_path),
        (tile.tile_path(1, 1_234_067, width=7).encode(), tile.entries_path(1_067).encode()),
        None,
    ),
    "add-checkpoint request": Parser(
        witness.parse_add_checkpoint, (witness.encode_add_checkpoint(REQUEST),), witness.encode_add_checkpoint
    ),
    "size": Parser(witness.parse_size_body, (witness.size_body(20_852_163),), witness.size_body),
    "witness policy": Parser(witness_policy.parse_policy, (policies.EXAMPLE.encode(),), None),
    "split view": Parser(
        split_view.parse_split_view,
        tuple(split_view.encode_split_view(one) for one in (views.SAME_SIZE, views.TWO_SIZES)),
        split_view.encode_split_view,
    ),
    "state entry": Parser(state_map.parse_state_entry, (STATE.to_bytes(),), lambda one: one.to_bytes()),
    "inclusion proof": Parser(
        _of_json(proof.parse_inclusion), (_json(proof.inclusion_to_wire(proofs.make_inclusion())),), None
    ),
    "consistency proof": Parser(
        _of_json(proof.parse_consistency), (_json(proof.consistency_to_wire(proofs.make_consistency(100, 300))),), None
    ),
    "map proof": Parser(
        _of_json(state_map.parse_map_proof),
        (_json(state_map.map_proof_to_wire(state_map.MapProof(bytes(64), (bytes(32),) * 8))),),
        None,
    ),
}


def outcome(parser: Parser, data: bytes) -> str:
    """Return the code of the refusal, or ``read`` after holding that the value is written back to the same bytes.

    Any other exception than ours passes on, and fails whoever asks.
    """
    try:
        value = parser.parse(data)
    except BonafidesError as error:
        return error.code
    if parser.write is not None:
        assert parser.write(value) == data, "two spellings of one value"
    return "read"


def _flip(data: bytes, place: int, what: int) -> bytes:
    at = place % max(len(data), 1)
    return data[:at] + bytes([data[at] ^ (1 << what % 8)]) + data[at + 1 :] if data else data


def _drop(data: bytes, place: int, what: int) -> bytes:
    at = place % max(len(data), 1)
    return data[:at] + data[at + 1 + what % 40 :]


def _repeat(data: bytes, place: int, what: int) -> bytes:
    at = place % max(len(data), 1)
    return data[:at] + data[at : at + 1 + what % 80] * 2 + data[at + 1 + what % 80 :]


def _put(data: bytes, place: int, what: int) -> bytes:
    odd = (b"\0", b"\n", b"\n\n", b"\r", b"\t", b" ", b"0", b"+", b"=", b"-1", b"\xc2\xa0", b"\xff", b"\xe2\x80\x94 ")
    at = place % (len(data) + 1)
    return data[:at] + odd[what % len(odd)] + data[at:]


def _cut(data: bytes, place: int, _what: int) -> bytes:
    return data[: place % (len(data) + 1)]


def _swap_lines(data: bytes, place: int, what: int) -> bytes:
    lines = data.split(b"\n")
    one, other = place % len(lines), what % len(lines)
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _number(data: bytes, place: int, what: int) -> bytes:
    """Replace the first digit from a place on by a number that is too large, negative or oddly written."""
    numbers = (b"9223372036854775808", b"-1", b"007", b"1e3", b"18446744073709551616", b"0", b"1.0")
    found = next((at for at in range(place % max(len(data), 1), len(data)) if data[at : at + 1].isdigit()), None)
    return data if found is None else data[:found] + numbers[what % len(numbers)] + data[found + 1 :]


MUTATIONS = (_flip, _drop, _repeat, _put, _cut, _swap_lines, _number)
