"""Every published question to a log has its published answer, through the door that a caller uses."""

from __future__ import annotations

import json

import pytest

from did_methods.resolver import Resolver
from did_methods.webvh import WebvhMethod, did_to_url
from tests.support.webvh import NOW_MS
from tests.support.webvh_resolution_cases import RESOLUTIONS, Asked
from tests.support.webvh_vectors import FOLDER


class _Host:
    """A web host in memory."""

    def __init__(self, asked: Asked) -> None:
        place = did_to_url(asked.did or asked.writer.did).removesuffix("did.jsonl")
        self._files = {f"{place}did.jsonl": asked.writer.log, f"{place}did-witness.json": asked.witness}

    def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
        return self._files[url]


@pytest.mark.parametrize("reason", RESOLUTIONS)
def test_a_question_to_a_log_has_one_answer(reason: str) -> None:
    """The version asked for, or an error with its keyword and code; the vector says the same."""
    asked = RESOLUTIONS[reason]()
    expected = json.loads((FOLDER / "resolution" / f"{reason}.json").read_bytes())["result"]
    result = Resolver({"webvh": WebvhMethod(_Host(asked))}).resolve_url(asked.did_url, now_ms=NOW_MS)
    if asked.error is not None:
        assert result.cause is not None
        assert result.did_document is None
        assert result.did_document_metadata == {}
        assert {"error": result.error, "code": result.cause.code} == expected
        return
    assert result.error is None
    assert result.did_document_metadata["versionNumber"] == asked.version
    assert {
        "versionId": result.did_document_metadata["versionId"],
        "deactivated": result.deactivated,
        "didDocument": result.did_document and result.did_document["id"],
    } == expected


@pytest.mark.parametrize(
    "location", ["127.0.0.1#x", "127%2E0%2E0%2E1", "example.com:..:..:admin", "example.com:%2e%2e", "10.0.0.1%3a80"]
)
def test_nothing_is_fetched_for_a_did_that_is_refused_by_syntax(location: str) -> None:
    """A hostile place costs no request, whatever follows the DID."""

    class _Nobody:
        def fetch(self, url: str, *, max_bytes: int) -> bytes | None:
            raise AssertionError(url)

    did_url = f"did:webvh:QmPEQVM1JPTyrvEgBcDXwjK4TeyLGSX1PxjgyeAisdWM1p:{location}"
    result = Resolver({"webvh": WebvhMethod(_Nobody())}).resolve_url(did_url, now_ms=NOW_MS)
    assert result.error is not None
    assert result.did_document is None
