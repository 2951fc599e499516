"""Two independent implementations accept the logs written here; where they refuse a legal log, it is listed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from did_methods.did import parse_did
from did_methods.webvh import append_entry, create_entry, entry_line, resolve_log, verify_log
from tests.support.webvh import DAY_MS, NOW_MS, START_MS, commitment, document, key, template
from tests.support.webvh_cases import VALID
from tests.support.webvh_vectors import log_bytes

pytestmark = pytest.mark.oracle

# Legal logs that did-webvh 1.0.1 refuses, and why.
DID_WEBVH_REFUSES = {
    "host-beginning-with-digit": "its pattern for hosts wants a letter first",
    "updated": "it takes ttl 0 for an invalid value",
    "update-keys-null-later": "it does not read the deprecated null as the default of updateKeys",
    "null-parameters": "it does not read the deprecated null as the default of ttl",
    "version-time-utc-offset": "it writes the time anew before it hashes",
    "version-time-one-millisecond-later": "it writes the time anew before it hashes, without the fraction",
    "proof-an-object": "it wants a list of proofs",
}
DEACTIVATED = {"deactivated", "deactivated-under-pre-rotation"}


def _did_webvh(log: bytes, did: str, folder: Path) -> dict[str, Any]:
    from did_webvh.resolver import resolve_did

    (folder / "did.jsonl").write_bytes(log)
    result: dict[str, Any] = asyncio.run(resolve_did(did, local_history=folder / "did.jsonl")).serialize()
    return result


def _openvc(log: bytes, did: str) -> dict[str, Any]:
    from openvc.did.did_webvh import DidWebvhResolver

    raw: dict[str, Any] = DidWebvhResolver(lambda _url: log.decode()).resolve(did).raw
    return raw


def _asked(log: bytes) -> str:
    return parse_did(verify_log(log, now_ms=NOW_MS).did).text


@pytest.mark.parametrize("reason", sorted(VALID.keys() - DEACTIVATED - DID_WEBVH_REFUSES.keys()))
def test_did_webvh_resolves_to_the_same_document(reason: str, tmp_path: Path) -> None:
    """did-webvh accepts the log and returns our document, implicit services included, and our metadata."""
    log = log_bytes(VALID[reason]())
    theirs = _did_webvh(log, _asked(log), tmp_path)
    ours = resolve_log(_asked(log), log, now_ms=NOW_MS)
    assert theirs["didDocument"] == ours.did_document
    for name in ("versionId", "created", "updated", "scid", "portable", "deactivated"):
        assert theirs["didDocumentMetadata"][name] == ours.did_document_metadata[name]


@pytest.mark.parametrize("reason", sorted(DID_WEBVH_REFUSES))
def test_known_refusals_of_did_webvh_still_stand(reason: str, tmp_path: Path) -> None:
    """The list of its errors is true; when one is mended, the entry goes."""
    log = log_bytes(VALID[reason]())
    assert _did_webvh(log, _asked(log), tmp_path)["didResolutionMetadata"]["error"] == "invalidDid"


@pytest.mark.parametrize("reason", sorted(VALID.keys() - DEACTIVATED))
def test_openvc_resolves_to_the_stated_document(reason: str) -> None:
    """openvc-core accepts the log and returns the document as it stands in the last entry."""
    log = log_bytes(VALID[reason]())
    assert _openvc(log, _asked(log)) == verify_log(log, now_ms=NOW_MS).raw_document


@pytest.mark.parametrize("reason", sorted(DEACTIVATED))
def test_both_see_the_deactivation(reason: str, tmp_path: Path) -> None:
    """A log that ends here ends there: one says so in the metadata, the other raises."""
    from openvc.did.did_webvh import DidWebvhError

    log = log_bytes(VALID[reason]())
    assert _did_webvh(log, _asked(log), tmp_path)["didDocumentMetadata"]["deactivated"] is True
    with pytest.raises(DidWebvhError):
        _openvc(log, _asked(log))


def test_a_log_of_a_hundred_rotations_is_accepted_by_both(tmp_path: Path) -> None:
    """What the writer writes, at times with fractions of seconds, verifies elsewhere after a hundred rotations."""
    entry, state = create_entry(
        template(), update_key=key(0), next_key_hashes=[commitment(1)], version_time_ms=START_MS + 1
    )
    log = entry_line(entry)
    for number in range(1, 100):
        entry, state = append_entry(
            state,
            document(state.did, number),
            update_key=key(number),
            next_key_hashes=[commitment(number + 1)],
            version_time_ms=START_MS + number * DAY_MS + number,
        )
        log += entry_line(entry)
    assert _openvc(log, state.did) == state.raw_document
    theirs = _did_webvh(log, state.did, tmp_path)
    assert theirs["didDocument"]["verificationMethod"] == state.raw_document["verificationMethod"]
