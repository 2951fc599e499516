"""Acceptances made of canonical pieces: no byte of them differs from what is built and signed like all else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from did_methods.codec import base64url_encode
from did_methods.data_integrity import sign_document
from did_methods.ec_keys import EcSigningKey
from did_methods.keys import KeySigner, Signer
from did_methods.proof_errors import ProofKeyError
from did_methods.timestamp import format_timestamp
from registry.credentials.issue import build_credential, signer_did
from registry.credentials.issue_acceptance import AcceptedEvent, issue_acceptance
from registry.credentials.kinds import KINDS_BY_NAME
from tests.credentials.builders import DIGESTS, NOW_MS, ORIGIN, REGISTRY, seeded

EPOCH = format_timestamp(0)
# Besides any text: what the pieces are cut at, and what JSON escapes.
PLACES = st.sampled_from(
    [ORIGIN, "[]", '"[]"', EPOCH, f'"{EPOCH}"', f'"validFrom":"{EPOCH}"}}', '"\\\n', "\u00e9\U0001f600"]
)
WORDS = st.lists(PLACES | st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=3).map("".join)
HASHES = st.binary(min_size=32, max_size=32)
EVENTS = st.lists(
    st.builds(AcceptedEvent, HASHES, st.integers(0, 2**53 - 1), HASHES, st.integers(0, 253_402_300_799_999)), max_size=4
)


def _issued_like_all_else(signer: Signer, origin: str, accepted: Sequence[AcceptedEvent]) -> dict[str, Any]:
    listed = [
        {
            "event": base64url_encode(one.event),
            "index": one.index,
            "leafHash": base64url_encode(one.leaf_hash),
            "time": one.time_ms,
        }
        for one in accepted
    ]
    newest_ms = max((one.time_ms for one in accepted), default=0)
    document = build_credential(
        KINDS_BY_NAME["acceptance"],
        issuer=signer_did(signer),
        subject={"origin": origin, "accepted": listed},
        uuid=None,
        valid_from_ms=newest_ms,
    )
    return sign_document(document, signer=signer, created=newest_ms, domain=origin)


@given(WORDS, WORDS, EVENTS)
def test_pieces_make_what_is_issued_like_all_else(did: str, origin: str, accepted: list[AcceptedEvent]) -> None:
    """Members, their order and the signature are the same, whatever stands in the names of key and log."""
    signer = KeySigner(seeded(6), f"did:web:{did}#assertion")
    made = issue_acceptance(signer=signer, origin=origin, accepted=accepted)
    assert json.dumps(made) == json.dumps(_issued_like_all_else(signer, origin, accepted))


def test_an_acceptance_that_is_changed_does_not_change_the_next() -> None:
    """What acceptances have in common is handed out as copies."""
    accepted = [AcceptedEvent(DIGESTS[0], 0, DIGESTS[1], NOW_MS)]
    expected = _issued_like_all_else(REGISTRY, ORIGIN, accepted)
    first = issue_acceptance(signer=REGISTRY, origin=ORIGIN, accepted=accepted)
    for changed in (first["@context"], first["type"], first["proof"]["@context"]):
        changed.append("more")
    first["credentialSubject"]["accepted"].clear()
    first["credentialSubject"]["more"] = first["proof"]["more"] = 1
    assert issue_acceptance(signer=REGISTRY, origin=ORIGIN, accepted=accepted) == expected


def test_a_key_of_another_kind_accepts_nothing() -> None:
    """The suite's key is checked here as well, not only where whole documents are signed."""
    signer = KeySigner(EcSigningKey("p256", (7).to_bytes(32, "big")), REGISTRY.verification_method)
    with pytest.raises(ProofKeyError):
        issue_acceptance(signer=signer, origin=ORIGIN, accepted=[AcceptedEvent(DIGESTS[0], 0, DIGESTS[1], NOW_MS)])
