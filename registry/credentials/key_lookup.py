"""Where the keys of a DID come from, as a small protocol, and the lookups that need no network.

Decides which key a verification method names for a purpose, and whose it is. Fetches nothing: whoever knows more DIDs
(the log's state, a resolver's cache) implements `KeyLookup` and is put beside these.

Spec: CID 1.0 3.3
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from did_methods.did import parse_did_url
from did_methods.document import DidDocument, VerificationMethod
from did_methods.jwk import resolve_did_jwk
from did_methods.key import resolve_did_key_url
from did_methods.keys import PublicKey
from registry.credentials.errors import (
    KeyNotFoundError,
)


@dataclass(frozen=True, slots=True)
class BoundKey:
    """A public key with the DID that controls it; a later check can ask whether the binding still stands.

    Attributes:
        controller: DID.
        public_key: the key, its point checked.
        method_id: the verification method, absolute DID URL.
    """

    controller: str
    public_key: PublicKey
    method_id: str


class KeyLookup(Protocol):
    """Whoever knows the keys of some DIDs."""

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key of a verification method that may be used for a purpose.

        Args:
            verification_method: absolute DID URL with a fragment, compared byte for byte.
            purpose: a verification relationship, for example ``assertionMethod``.

        Raises:
            KeyNotFoundError: key_not_found, where nothing is known of the DID or the key is of an unknown type.
            DidError: verification_method_not_found, verification_method_purpose and the other codes of DID documents.
        """


@dataclass(frozen=True, slots=True)
class SelfCertifyingLookup:
    """Knows every did:key and did:jwk, whose keys are in the DID itself, and nothing else."""

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key that the DID is; see `KeyLookup.find_key`."""
        if verification_method.startswith("did:key:"):
            return _find_did_key(verification_method, purpose)
        if verification_method.startswith("did:jwk:"):
            return _find_did_jwk(verification_method, purpose)
        raise KeyNotFoundError("only did:key and did:jwk are known here")


@lru_cache(maxsize=4_096)
def _find_did_key(verification_method: str, purpose: str) -> BoundKey:
    return bind_key(resolve_did_key_url(verification_method, purpose))


@lru_cache(maxsize=1_024)
def _find_did_jwk(verification_method: str, purpose: str) -> BoundKey:
    document = resolve_did_jwk(verification_method.partition("#")[0])
    return bind_key(document.find_method(verification_method, purpose))


@dataclass(frozen=True, slots=True)
class DocumentKeyLookup:
    """Knows the DIDs whose documents it was given.

    Args:
        documents: DID to its document, resolved and checked by the caller.
    """

    documents: Mapping[str, DidDocument]

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return the key from the DID's document; see `KeyLookup.find_key`."""
        document = self.documents.get(verification_method.partition("#")[0])
        if document is None:
            raise KeyNotFoundError
        return bind_key(document.find_method(verification_method, purpose))


@dataclass(frozen=True, slots=True)
class MethodKeyLookup:
    """Sends each DID to the lookup of its method.

    Args:
        by_method: DID method name, for example ``webvh``, to the lookup that knows it.
    """

    by_method: Mapping[str, KeyLookup] = field(default_factory=dict)

    def find_key(self, verification_method: str, purpose: str) -> BoundKey:
        """Return what the lookup of the DID's method finds; see `KeyLookup.find_key`."""
        lookup = self.by_method.get(parse_did_url(verification_method).did.method)
        if lookup is None:
            raise KeyNotFoundError("this DID method is not known here")
        return lookup.find_key(verification_method, purpose)


def bind_key(method: VerificationMethod) -> BoundKey:
    """Return the key of a verification method with its controller.

    Args:
        method: found in the DID document of its controller, for the right purpose.

    Raises:
        KeyNotFoundError: key_not_found, for a method whose key this product cannot use.
    """
    if method.public_key is None:
        raise KeyNotFoundError("the verification method has no usable key")
    return BoundKey(method.controller, method.public_key, method.id)
