"""The did:key method: a DID that is its own public key, for agents that live short and for witnesses.

Decides whether a did:key is the one spelling of a usable key, and builds its document. Needs no network and no clock,
and derives no second key from the first.
"""

from __future__ import annotations

from typing import Any, Final

from did_methods.did import InvalidDidError, parse_did, parse_did_url
from did_methods.document import (
    DID_CONTEXT,
    MULTIKEY_CONTEXT,
    DidDocument,
    VerificationMethod,
)
from did_methods.errors import DidError
from did_methods.keys import KeySigner, PrivateKey, PublicKey, parse_public_key

METHOD: Final = "key"
MAX_DID_KEY_CHARS: Final = 128
_PREFIX: Final = "did:key:"
_SIGNING_RELATIONSHIPS: Final = ("authentication", "assertionMethod", "capabilityInvocation", "capabilityDelegation")


class DidKeyTooLongError(InvalidDidError):
    """The DID is longer than any key it could stand for."""

    code = "did_key_too_long"
    title = "did:key too long"


class DidKeyFragmentError(DidError):
    """The fragment of a did:key URL is not the body of the DID, byte for byte."""

    code = "did_key_fragment"
    title = "Fragment differs from the did:key"


def did_key_from(public_key: PublicKey) -> str:
    """Return the did:key of a public key.

    Args:
        public_key: any of the five kinds.

    Spec: did:key v0.9
    """
    return _PREFIX + public_key.multikey


def parse_did_key(did: str) -> PublicKey:
    """Return the checked key that a did:key is.

    Args:
        did: ``did:key:z…``, at most 128 characters, without path, query or fragment.

    Raises:
        InvalidDidError: invalid_did or did_key_too_long.
        CodecError: multibase_prefix, base58_invalid, varint_not_minimal, key_codec_unknown or key_length.
        InvalidKeyError: key_not_canonical, key_small_order or key_invalid_point.

    Spec: did:key v0.9
    """
    if not did.startswith(_PREFIX):
        raise InvalidDidError
    if len(did) > MAX_DID_KEY_CHARS:
        raise DidKeyTooLongError(max_chars=MAX_DID_KEY_CHARS)
    # Decoding first gives the exact code for a bad body; only base58 characters pass it, so the syntax holds too.
    return parse_public_key(did[len(_PREFIX) :])


def resolve_did_key(did: str) -> DidDocument:
    """Return the document of a did:key.

    Args:
        did: ``did:key:z…``, at most 128 characters, without path, query or fragment.

    Raises:
        DidError: as ``parse_did_key``.

    Spec: did:key v0.9
    """
    public_key = parse_did_key(did)
    method_id = f"{did}#{public_key.multikey}"
    method = {
        "id": method_id,
        "type": "Multikey",
        "controller": did,
        "publicKeyMultibase": public_key.multikey,
    }
    raw: dict[str, Any] = {
        "@context": [DID_CONTEXT, MULTIKEY_CONTEXT],
        "id": did,
        "verificationMethod": [method],
    }
    # X25519 keys agree on secrets and cannot sign, so they stand under no relationship that is about signatures.
    relationships = ("keyAgreement",) if public_key.kind == "x25519" else _SIGNING_RELATIONSHIPS
    raw.update({name: [method_id] for name in relationships})
    # Written here, so not parsed again; a test holds that parsing gives the same.
    checked = VerificationMethod(method_id, "Multikey", did, public_key)
    return DidDocument(did, raw, (checked,), dict.fromkeys(relationships, (method_id,)))


def resolve_did_key_url(did_url: str, purpose: str) -> VerificationMethod:
    """Return the verification method that a did:key URL names, if it may be used for a purpose.

    Args:
        did_url: ``did:key:z…#z…`` with the same body twice, without path or query.
        purpose: a verification relationship, for example ``assertionMethod``.

    Raises:
        DidKeyFragmentError: did_key_fragment.
        DidError: as ``parse_did_url``, ``parse_did_key`` and ``find_method``.

    Spec: did:key v0.9, CID 1.0 3.3
    """
    url = parse_did_url(did_url)
    if url.did.method != METHOD:
        raise InvalidDidError
    document = resolve_did_key(url.did.text)
    if url.path or url.query is not None or url.fragment != parse_did(document.id).method_specific_id:
        raise DidKeyFragmentError
    return document.find_method(did_url, purpose)


def key_signer(signing_key: PrivateKey) -> KeySigner:
    """Return a signer that signs as the did:key of a signing key.

    Args:
        signing_key: the private key.

    Spec: did:key v0.9
    """
    multikey = signing_key.public_key.multikey
    return KeySigner(signing_key, f"{_PREFIX}{multikey}#{multikey}")
