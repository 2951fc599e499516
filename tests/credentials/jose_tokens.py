"""Keys of every algorithm and tokens put together by hand, so that no part of the product vouches for itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from did_methods.ec_keys import EcSigningKey
from did_methods.json_web_key import public_jwk
from did_methods.key import key_signer
from did_methods.keys import KeySigner
from registry.credentials.jose import Algorithm
from tests.credentials.parties import seeded
from tests.credentials.test_data_model import V2

ED25519 = key_signer(seeded(21))
P256 = key_signer(EcSigningKey("p256", bytes(31) + b"\x15"))
P384 = key_signer(EcSigningKey("p384", bytes(47) + b"\x15"))
SIGNERS: dict[Algorithm, KeySigner] = {"EdDSA": ED25519, "Ed25519": ED25519, "ES256": P256, "ES384": P384}
NOW_MS = 1_795_165_200_000  # 2026-11-20T09:00:00Z
NOW_S = NOW_MS // 1_000


def did_of(signer: KeySigner) -> str:
    """Return the did:key of a signer."""
    return signer.verification_method.partition("#")[0]


def jwk_of(signer: KeySigner) -> dict[str, Any]:
    """Return the public JWK of a signer."""
    return public_jwk(signer.signing_key.public_key)


def credential_of(signer: KeySigner, **members: Any) -> dict[str, Any]:
    """Return a credential issued by a signer's did:key."""
    return {
        "@context": [V2],
        "id": "urn:uuid:5a1c5bd6-3c06-4cb5-9d0c-2b9c4a0e4a2f",
        "type": ["VerifiableCredential"],
        "issuer": did_of(signer),
        "credentialSubject": {"id": "did:example:subject"},
        **members,
    }


def presentation_of(signer: KeySigner, *credentials: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a presentation held by a signer's did:key."""
    presented = {"verifiableCredential": list(credentials)} if credentials else {}
    holder = {"holder": did_of(signer)}
    return {"@context": [V2], "type": ["VerifiablePresentation"], **holder, **presented, **members}


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_token(
    header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, signer: KeySigner | None, tail: bytes = b""
) -> str:
    """Return a token of exactly this header and payload, signed by a key, or with `tail` for its signature."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)]
    signing_input = ".".join(encode(part) for part in parts)
    signature = tail if signer is None else signer.sign(signing_input.encode())
    return f"{signing_input}.{encode(signature)}"


def header_of(algorithm: Algorithm, **parameters: Any) -> dict[str, Any]:
    """Return a sound header for credentials, with parameters replaced or added; None takes one out."""
    header = {"alg": algorithm, "typ": "vc+jwt", "kid": SIGNERS[algorithm].verification_method, **parameters}
    return {name: value for name, value in header.items() if value is not None}
