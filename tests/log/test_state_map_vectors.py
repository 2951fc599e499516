"""Every file of specs/vectors/state-map: what is valid says what is stated, what is not has its code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import base64url_decode, base64url_encode
from registry.errors import RegistryError
from registry.log.state_map import VerifiedRow, parse_map_proof, parse_state_entry, verify_map_proof
from tests.support.vectors import REPOSITORY

VECTORS = REPOSITORY / "specs" / "vectors" / "state-map"
MEMBERS = {"description", "entry", "subject", "bucket", "proof"}


def cases(kind: str) -> list[Any]:
    """List the vector files of a kind, named by their reasons."""
    return [pytest.param(path, id=path.stem) for path in sorted((VECTORS / kind).glob("*.json"))]


def load(path: Path) -> dict[str, Any]:
    """Read one vector."""
    case: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return case


def verify(case: dict[str, Any]) -> VerifiedRow:
    """Verify the proof of a case against the entry of the case."""
    entry = parse_state_entry(base64url_decode(case["entry"]))
    proof = parse_map_proof(case)
    return verify_map_proof(proof, subject=case["subject"], depth=entry.depth, map_root=entry.map_root)


def test_vectors_are_complete() -> None:
    """There are valid and invalid cases, each says why it is there, and all have the same members."""
    valid, invalid = ([load(path) for path in (VECTORS / kind).glob("*.json")] for kind in ("valid", "invalid"))
    assert len(valid) >= 8
    assert len(invalid) >= 25
    assert all(case.keys() == {*MEMBERS, "digest"} and case["description"] for case in valid)
    assert all(case.keys() == {*MEMBERS, "error"} and case["description"] for case in invalid)


@pytest.mark.parametrize("path", cases("valid"))
def test_valid_proofs(path: Path) -> None:
    """The proof shows the stated digest, or that there is none."""
    case = load(path)
    digest = verify(case).digest
    assert (digest and base64url_encode(digest)) == case["digest"]


@pytest.mark.parametrize("path", cases("invalid"))
def test_invalid_proofs(path: Path) -> None:
    """The entry or the proof is refused with the stated code."""
    case = load(path)
    with pytest.raises(RegistryError) as refused:
        verify(case)
    assert refused.value.code == case["error"]
