"""The vectors of specs/vectors/credential, read as any other implementation would read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from did_methods.codec import base64url_encode, parse_json_object
from did_methods.document import parse_did_document
from did_methods.errors import BonafidesError
from did_methods.timestamp import parse_timestamp
from registry.credentials.model import parse_credential
from registry.credentials.presentation import parse_presentation, verify_presentation
from registry.credentials.verify import DocumentKeyLookup, MethodKeyLookup, SelfCertifyingLookup, verify_credential
from tests.credentials.make_vectors import FOLDER, pages


def _files(folder: str) -> list[Path]:
    return sorted((FOLDER / folder).glob("*.json"))


def _verify(case: dict[str, Any]) -> str:
    """Verify the case's document and return its event id as text."""
    documents = {did: parse_did_document(raw) for did, raw in case.get("didDocuments", {}).items()}
    keys = MethodKeyLookup({"key": SelfCertifyingLookup(), "web": DocumentKeyLookup(documents)})
    now_ms, document = parse_timestamp(case["now"]), case["document"]
    if "challenge" in case:
        shown = parse_presentation(document)
        verify_presentation(shown, keys=keys, now_ms=now_ms, domain=case["origin"], challenge=case["challenge"])
        return base64url_encode(shown.event_id)
    credential = parse_credential(document)
    assert verify_credential(credential, keys=keys, now_ms=now_ms, origin=case["origin"])
    assert case.get("kind") == credential.kind.name
    return base64url_encode(credential.event_id)


@pytest.mark.parametrize("path", _files("valid"), ids=lambda path: path.stem)
def test_valid_vectors_verify(path: Path) -> None:
    """Each valid document verifies under the circumstances stated, and names the event stated."""
    case = parse_json_object(path.read_bytes())
    assert _verify(case) == case["eventId"]


@pytest.mark.parametrize("path", _files("invalid"), ids=lambda path: path.stem)
def test_invalid_vectors_are_refused(path: Path) -> None:
    """Each invalid document is refused with the code stated."""
    case = parse_json_object(path.read_bytes())
    with pytest.raises(BonafidesError) as caught:
        _verify(case)
    assert caught.value.code == case["code"]


def test_vectors_on_disk_are_current() -> None:
    """The files are what the generator makes, no more and no fewer."""
    there = {path: path.read_text("utf-8") for path in FOLDER.glob("*/*.json")}
    assert there == pages()
