"""What other implementations of did:webvh let through, row by row: refused here, each in a log with that one flaw."""

from __future__ import annotations

import pytest

from did_methods.did import parse_did
from did_methods.errors import DidError
from did_methods.method import ResolutionError
from did_methods.webvh import resolve_log, verify_log
from tests.support.webvh import NOW_MS
from tests.support.webvh_cases import INVALID, VALID
from tests.support.webvh_resolution_cases import RESOLUTIONS
from tests.support.webvh_vectors import log_bytes
from tests.support.webvh_witness_cases import MISSING

# Row of the table to the cases that show it; a case that is dropped breaks this module.
REFUSED = {
    "proofPurpose authentication": ("proof-purpose-authentication",),
    "versionTime in 2099 or of another zone": (
        "version-time-2099",
        "version-time-six-minutes-ahead",
        "version-time-other-zone",
        "version-time-without-zone",
    ),
    "nextKeyHashes omitted under pre-rotation": (
        "pre-rotation-next-key-hashes-omitted",
        "pre-rotation-update-keys-omitted",
        "pre-rotation-empty-entry",
    ),
    "witness id listed twice": ("witness-listed-twice", "witness-listed-twice-later"),
    "witness threshold 0, true, too high, no number": (
        "witness-threshold-zero",
        "witness-threshold-zero-with-a-witness",
        "witness-threshold-true",
        "witness-threshold-over-the-number",
        "witness-threshold-fraction",
        "witness-threshold-a-string",
    ),
    "witness that is no did:key": ("witness-did-web", "witness-a-bare-key", "witness-p256", "witness-with-fragment"),
    "move without alsoKnownAs": ("move-without-also-known-as", "second-move-names-only-the-first-did"),
    "move of a DID that is not portable": ("move-of-non-portable", "move-after-portability-was-given-up"),
    "state.id with another SCID": ("state-scid-other-first", "state-scid-other-later"),
    "re-activation": ("reactivation", "entry-after-deactivation"),
    "unknown parameter": ("parameter-unknown",),
    "duplicate JSON keys, evil first and last": (
        "entry-duplicate-member",
        "entry-duplicate-member-last",
        "entry-duplicate-parameter",
    ),
    "proofValue as multibase u": ("proof-value-multibase-u",),
    "did:key whose fragment is another key": (
        "proof-did-key-body-of-other-key",
        "proof-did-key-fragment-of-other-key",
    ),
    "empty list of proofs": ("proof-empty-list",),
}
UNWITNESSED = {
    "one approval counted twice": ("one-proof-twice", "two-proofs-by-one-witness"),
    "witness list added in entry 2, no proof": ("first-list-in-a-later-entry",),
    "witness proof for another purpose": ("purpose-authentication",),
    "proof of another log or version": ("of-another-log", "unpublished-entry", "replayed-under-another-version"),
    "new list approves itself": ("replaced-list-approves-itself",),
}
ANSWERED = {
    "ttl 0": ("newest",),
    "old DID after a move": ("moved-by-old-did", "moved-by-old-did-and-number"),
    "document of a deactivated DID": ("deactivated", "deactivated-by-number"),
    "asked DID with another SCID": ("asked-for-another-scid", "moved-by-a-third-did"),
    "versionId and versionNumber disagree": ("id-and-number-disagree",),
    "versions before an invalid tail": ("invalid-tail-by-number-before", "invalid-tail-by-id-before"),
    "versions before an unwitnessed tail": ("unwitnessed-tail-by-number-before",),
}


@pytest.mark.parametrize("reason", sorted({reason for row in REFUSED.values() for reason in row}))
def test_a_flawed_log_resolves_to_nothing(reason: str) -> None:
    """Whichever name is asked for, no document comes out, and the error is the one the specification knows."""
    log = log_bytes(INVALID[reason][1]())
    with pytest.raises(DidError):
        verify_log(log, now_ms=NOW_MS)
    for did in ("did:webvh:QmPEQVM1JPTyrvEgBcDXwjK4TeyLGSX1PxjgyeAisdWM1p:example.com", *_names(log)):
        result = resolve_log(did, log, now_ms=NOW_MS)
        assert result.error is ResolutionError.INVALID_DID
        assert result.did_document is None


def _names(log: bytes) -> set[str]:
    """Return every DID that stands as an id in a log, valid or not."""
    return {
        parse_did(part.split(b'"')[0].decode()).text
        for part in log.split(b'"id":"')[1:]
        if part.startswith(b"did:webvh:") and b"#" not in part.split(b'"')[0]
    }


def test_every_row_has_its_cases() -> None:
    """The rows name cases that exist, so that none of them can be dropped unseen."""
    assert {reason for row in REFUSED.values() for reason in row} <= INVALID.keys()
    assert {reason for row in UNWITNESSED.values() for reason in row} <= MISSING.keys()
    assert {reason for row in ANSWERED.values() for reason in row} <= RESOLUTIONS.keys()
    assert {"updated", "ttl-2-31"} <= VALID.keys()
