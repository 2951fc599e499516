"""Every file of specs/vectors/{leaf,note,checkpoint,cosignature}: what is valid is read as stated, what is not has its code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode
from registry.errors import RegistryError
from registry.log import entry, merkle
from registry.log.checkpoint import VerifiedCheckpoint, parse_checkpoint, verify_checkpoint
from registry.log.cosignature import Cosignature, parse_cosignature_key, verify_cosignatures
from registry.log.note import VerifiedNote, parse_note, parse_note_key, verify_note
from tests.support.vectors import REPOSITORY

VECTORS = REPOSITORY / "specs" / "vectors"
MEMBERS = {
    "leaf": {"leaf", "leafHash", "time", "kind", "parties", "event"},
    "note": {"note", "keys", "text", "verifiedBy"},
    "checkpoint": {"note", "origin", "key", "size", "rootHash"},
    "cosignature": {"note", "keys", "cosigned"},
}


def cases(area: str, kind: str) -> list[Any]:
    """List the vector files of an area, named by their reasons."""
    return [pytest.param(path, id=path.stem) for path in sorted((VECTORS / area / kind).glob("*.json"))]


def load(path: Path) -> dict[str, Any]:
    """Read one vector."""
    case: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return case


def open_note(case: dict[str, Any]) -> VerifiedNote:
    """Verify the note of a case under the keys of the case."""
    return verify_note(parse_note(case["note"].encode()), [parse_note_key(key) for key in case["keys"]])


def open_checkpoint(case: dict[str, Any]) -> VerifiedCheckpoint:
    """Verify the checkpoint of a case under its key."""
    return verify_checkpoint(case["note"].encode(), origin=case["origin"], key=parse_note_key(case["key"]))


def open_cosignatures(case: dict[str, Any]) -> tuple[Cosignature, ...]:
    """Verify the cosignatures of a case by the keys of the case."""
    note = parse_note(case["note"].encode())
    keys = [parse_cosignature_key(key) for key in case["keys"]]
    return verify_cosignatures(note.signatures, parse_checkpoint(note.text), keys)


@pytest.mark.parametrize("area", MEMBERS)
def test_vectors_are_complete(area: str) -> None:
    """Each area has valid and invalid cases, each says why it is there, and all have the same members."""
    valid = [load(path) for path in (VECTORS / area / "valid").glob("*.json")]
    invalid = [load(path) for path in (VECTORS / area / "invalid").glob("*.json")]
    assert len(valid) >= 4
    assert len(invalid) >= 10
    assert all(case.keys() == {"description", *MEMBERS[area]} for case in valid)
    assert all({"description", "error"} <= case.keys() for case in invalid)


@pytest.mark.parametrize("path", cases("leaf", "valid"))
def test_valid_leaves(path: Path) -> None:
    """The leaf has the stated values, both writers give its bytes, and its hash is the stated one."""
    case = load(path)
    data = case["leaf"].encode()
    leaf = entry.parse_leaf(data)
    assert (leaf.time_ms, leaf.kind, leaf.event) == (case["time"], case["kind"], case["event"])
    parties = [
        {
            "did": party.did,
            "roles": list(party.roles),
            "count": party.count,
            "prevIndex": party.prev_index,
            "prevLeafHash": party.prev_leaf_hash and base64url_encode(party.prev_leaf_hash),
        }
        for party in leaf.parties
    ]
    assert parties == case["parties"]
    assert entry.encode_leaf(leaf) == data
    spliced = entry.encode_leaf_with(
        case["time"], case["kind"], parties=leaf.parties, event_bytes=canonicalize(case["event"])
    )
    assert spliced == data
    assert base64url_encode(merkle.leaf_hash(data)) == case["leafHash"]


@pytest.mark.parametrize("path", cases("leaf", "invalid"))
def test_invalid_leaves(path: Path) -> None:
    """The entry is refused with the stated code."""
    case = load(path)
    with pytest.raises(RegistryError) as refused:
        entry.parse_leaf(case["leaf"].encode())
    assert refused.value.code == case["error"]


@pytest.mark.parametrize("path", cases("note", "valid"))
def test_valid_notes(path: Path) -> None:
    """The text is the stated one and the stated keys have signed it."""
    case = load(path)
    verified = open_note(case)
    assert verified.text == case["text"]
    assert [key.to_text() for key in verified.keys] == case["verifiedBy"]


@pytest.mark.parametrize("path", cases("note", "invalid"))
def test_invalid_notes(path: Path) -> None:
    """The note, or a key it is to be verified under, is refused with the stated code."""
    case = load(path)
    with pytest.raises(RegistryError) as refused:
        open_note(case)
    assert refused.value.code == case["error"]


@pytest.mark.parametrize("path", cases("checkpoint", "valid"))
def test_valid_checkpoints(path: Path) -> None:
    """The checkpoint has the stated size and root."""
    case = load(path)
    head = open_checkpoint(case).checkpoint
    assert (head.origin, head.size) == (case["origin"], case["size"])
    assert base64url_encode(head.root_hash) == case["rootHash"]


@pytest.mark.parametrize("path", cases("checkpoint", "invalid"))
def test_invalid_checkpoints(path: Path) -> None:
    """The checkpoint is refused with the stated code."""
    case = load(path)
    with pytest.raises(RegistryError) as refused:
        open_checkpoint(case)
    assert refused.value.code == case["error"]


@pytest.mark.parametrize("path", cases("cosignature", "valid"))
def test_valid_cosignatures(path: Path) -> None:
    """The stated keys have cosigned at the stated times, and no others."""
    case = load(path)
    assert {one.key.to_text(): one.time_s for one in open_cosignatures(case)} == case["cosigned"]


@pytest.mark.parametrize("path", cases("cosignature", "invalid"))
def test_invalid_cosignatures(path: Path) -> None:
    """The cosignature, or a key, is refused with the stated code."""
    case = load(path)
    with pytest.raises(RegistryError) as refused:
        open_cosignatures(case)
    assert refused.value.code == case["error"]


def test_leaves_and_checkpoint_make_one_log() -> None:
    """The checkpoint that says so has the root over the valid leaves in the order it tells."""
    case = load(VECTORS / "checkpoint" / "valid" / "root-of-the-leaf-vectors.json")
    names = case["description"].partition("in the order ")[2].rstrip(".").split(", ")
    leaves = [load(VECTORS / "leaf" / "valid" / f"{name}.json") for name in names]
    assert len(leaves) == case["size"]
    root = merkle.derive_root(base64url_decode(leaf["leafHash"]) for leaf in leaves)
    assert base64url_encode(root) == case["rootHash"]
