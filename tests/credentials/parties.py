"""Parties, keys, times and digests that the credentials of tests are made of."""

from __future__ import annotations

from typing import Any

from did_methods.codec import base64url_encode
from did_methods.document import parse_did_document
from did_methods.key import key_signer
from did_methods.keys import KeySigner, SigningKey
from registry.credentials.issue import signer_did
from registry.credentials.verify import DocumentKeyLookup, MethodKeyLookup, SelfCertifyingLookup

NOW_MS = 1_795_165_200_000  # 2026-11-20T09:00:00Z
HOUR_MS = 3_600_000
ORIGIN = "registry.localhost:8000/1a2b3c4d"
OTHER_ORIGIN = "elsewhere.example/00000000"
CHALLENGE = "Y2hhbGxlbmdl"
VERSION_ID = "1-" + "Q" * 46
DIGESTS = [bytes([value]) * 32 for value in range(1, 9)]


def seeded(value: int) -> SigningKey:
    """Return a signing key that is the same in every run."""
    return SigningKey(bytes([value]) * 32)


AGENT, PEER, OWNER, OPERATOR, MALLORY = (key_signer(seeded(value)) for value in (1, 2, 3, 4, 5))
AGENT_DID, PEER_DID, OWNER_DID, OPERATOR_DID, MALLORY_DID = map(signer_did, (AGENT, PEER, OWNER, OPERATOR, MALLORY))

REGISTRY_DID = "did:web:registry.example"
REGISTRY = KeySigner(seeded(6), f"{REGISTRY_DID}#assertion")
REGISTRY_LOGIN = KeySigner(seeded(7), f"{REGISTRY_DID}#login")  # authentication only
LOG_KEY = f"{ORIGIN}+0badcafe+AQ" + "A" * 42


def _multikey(method_id: str, key: SigningKey) -> dict[str, Any]:
    return {
        "id": method_id,
        "type": "Multikey",
        "controller": REGISTRY_DID,
        "publicKeyMultibase": key.public_key.multikey,
    }


REGISTRY_DOCUMENT = parse_did_document(
    {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": REGISTRY_DID,
        "verificationMethod": [
            _multikey(REGISTRY.verification_method, REGISTRY.signing_key),
            _multikey(REGISTRY_LOGIN.verification_method, REGISTRY_LOGIN.signing_key),
        ],
        "assertionMethod": [REGISTRY.verification_method],
        "authentication": [REGISTRY_LOGIN.verification_method],
    }
)
KEYS = MethodKeyLookup({"key": SelfCertifyingLookup(), "web": DocumentKeyLookup({REGISTRY_DID: REGISTRY_DOCUMENT})})


def uuid(number: int = 1) -> str:
    """Return a version 4 UUID with this number at its end."""
    return f"00000000-0000-4000-8000-{number:012x}"


def digest_text(value: int) -> str:
    """Return a digest as it stands on the wire."""
    return base64url_encode(DIGESTS[value])
