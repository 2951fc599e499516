"""An independent implementation verifies our credentials and presentations, and we verify what it signs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from openvc.proof.di_jcs import EddsaJcsProofSuite
from openvc.proof.errors import ProofError

from registry.credentials.model import parse_credential
from registry.credentials.presentation import parse_presentation, verify_presentation
from registry.credentials.verify import verify_credential
from tests.credentials.builders import (
    AGENT,
    CHALLENGE,
    KEYS,
    NOW_MS,
    ORIGIN,
    VALID,
    capability,
    changed,
    passport,
    presentation,
    vouch,
)

pytestmark = pytest.mark.oracle

NOW = datetime.fromtimestamp(NOW_MS / 1_000, tz=UTC)
SUITE = EddsaJcsProofSuite()
# One proof under a did:key: the other implementation resolves neither did:web offline nor lists of proofs.
COMPARABLE = [name for name, (signer, _) in VALID.items() if "did:key" in signer.verification_method]
for several_proofs in ("owned_passport", "receipt"):
    COMPARABLE.remove(several_proofs)


class ForeignKey:
    """The agent's key in the shape that the other implementation asks for."""

    alg = "EdDSA"
    kid = AGENT.verification_method

    def sign(self, signing_input: bytes) -> bytes:
        """Return the raw signature."""
        return AGENT.sign(signing_input)


def _foreign(document: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Sign with the other implementation, and write down the context that its signature covers.

    It hashes `@context` into the proof's options as the suite says, but leaves it out of the proof that it returns.
    """
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    signed: dict[str, Any] = SUITE.add_proof(
        unsigned,
        signing_key=ForeignKey(),
        verification_method=AGENT.verification_method,
        created=NOW,
        **options,
    )
    return changed(signed, "proof", "@context", value=document["@context"])


@pytest.mark.parametrize("name", COMPARABLE)
def test_the_other_implementation_verifies_ours(name: str) -> None:
    """Its own canonicaliser, hashes and curve agree with ours on every comparable kind."""
    document = VALID[name][1]()
    verified = SUITE.verify(document, now=NOW)
    assert verified.issuer == document["issuer"]
    with pytest.raises(ProofError):
        SUITE.verify(changed(document, "validFrom", value="2026-11-20T08:59:59Z"), now=NOW)


def test_the_other_implementation_verifies_our_presentation() -> None:
    """Challenge, domain and purpose are read alike."""
    document = presentation(credentials=[capability(), passport()])
    expected = {"expected_proof_purpose": "authentication", "expected_domain": ORIGIN}
    assert SUITE.verify(document, now=NOW, expected_challenge=CHALLENGE, **expected)
    with pytest.raises(ProofError):
        SUITE.verify(document, now=NOW, expected_challenge="x", **expected)


@pytest.mark.parametrize(
    "document", [vouch(), passport(), VALID["revocation"][1]()], ids=["vouch", "passport", "revocation"]
)
def test_we_verify_the_other_implementations(document: dict[str, Any]) -> None:
    """What it signs is admitted here, and names the same event as our own signature over the same statement."""
    theirs = parse_credential(_foreign(document, domain=ORIGIN))
    assert verify_credential(theirs, keys=KEYS, now_ms=NOW_MS, origin=ORIGIN)
    assert theirs.event_id == parse_credential(document).event_id


def test_we_verify_the_other_implementations_presentation() -> None:
    """A presentation that it signs logs the agent in here."""
    document = _foreign(presentation(), proof_purpose="authentication", challenge=CHALLENGE, domain=ORIGIN)
    parsed = parse_presentation(document)
    assert verify_presentation(parsed, keys=KEYS, now_ms=NOW_MS, domain=ORIGIN, challenge=CHALLENGE)


def test_both_make_the_same_signature() -> None:
    """Ed25519 is deterministic, so over the same options both come to the same bytes."""
    ours = vouch()
    assert _foreign(ours, domain=ORIGIN)["proof"]["proofValue"] == ours["proof"]["proofValue"]
