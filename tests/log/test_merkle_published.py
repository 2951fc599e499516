"""Every published Merkle vector: inclusion, consistency, and both for subtrees."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from registry.errors import VerificationError
from registry.log import merkle
from tests.support.vectors import published


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _proof(case: dict[str, Any]) -> list[bytes]:
    return [_bytes(each) for each in case["proof"] or []]


def _inclusion(case: dict[str, Any]) -> None:
    merkle.verify_inclusion(
        _bytes(case["leafHash"]),
        _proof(case),
        index=case["leafIdx"],
        size=case["treeSize"],
        root_hash=_bytes(case["root"]),
    )


def _consistency(case: dict[str, Any]) -> None:
    merkle.verify_consistency(
        _bytes(case["root1"]), _bytes(case["root2"]), first=case["size1"], second=case["size2"], proof=_proof(case)
    )


def _subtree_inclusion(case: dict[str, Any]) -> None:
    merkle.verify_subtree_inclusion(
        _bytes(case["leafHash"]),
        _proof(case),
        index=case["leafIdx"],
        start=case["start"],
        end=case["end"],
        root_hash=_bytes(case["root"]),
    )


def _subtree_consistency(case: dict[str, Any]) -> None:
    merkle.verify_subtree_consistency(
        _bytes(case["root1"]),
        _bytes(case["root2"]),
        start=case["start"],
        end=case["end"],
        size=case["size"],
        proof=_proof(case),
    )


@pytest.mark.parametrize(
    ("folder", "verify", "least"),
    [
        ("inclusion", _inclusion, 98),
        ("consistency", _consistency, 98),
        ("subtreeinclusion", _subtree_inclusion, 198),
        ("subtreeconsistency", _subtree_consistency, 118),
    ],
)
def test_published_vectors_agree(folder: str, verify: Callable[[dict[str, Any]], None], least: int) -> None:
    """Each case of transparency-dev/merkle's testdata is accepted or refused as its wantErr says."""
    paths = sorted(published(f"merkle/{folder}").rglob("*.json"))
    assert len(paths) >= least
    wrong = []
    for path in paths:
        case = json.loads(path.read_text("utf-8"))
        try:
            verify(case)
            refused = False
        except VerificationError:
            refused = True
        if refused is not case["wantErr"]:
            wrong.append(path.name)
    assert not wrong
