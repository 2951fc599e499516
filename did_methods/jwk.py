"""The did:jwk method: a DID that is a JSON Web Key, for wallets and services whose keys come as JWKs.

Decides whether a did:jwk holds exactly one usable public key, and builds its document. Needs no network and no clock.
One key has many did:jwks, because any spelling of its JWK makes one: a did:jwk is compared as text, never by its key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from did_methods.canonical import canonicalize
from did_methods.codec import base64url_decode, base64url_encode, parse_json_object
from did_methods.did import InvalidDidError
from did_methods.document import DID_CONTEXT, DidDocument, VerificationMethod
from did_methods.errors import DidError
from did_methods.json_web_key import InvalidJwkError, parse_public_jwk, public_jwk
from did_methods.keys import KeySigner, PublicKey, SigningKey
from did_methods.method import (
    NoVersionsError,
    ResolutionError,
    ResolutionOptions,
    ResolutionResult,
    failed,
    resolved,
)

METHOD: Final = "jwk"
MAX_DID_JWK_CHARS: Final = 1_024
FRAGMENT: Final = "0"
JWS_2020_CONTEXT: Final = "https://w3id.org/security/suites/jws-2020/v1"
METHOD_TYPE: Final = "JsonWebKey2020"

_PREFIX: Final = "did:jwk:"
_MAX_DEPTH: Final = 4
_MAX_VALUES: Final = 64
_SIGNING: Final = ("assertionMethod", "authentication", "capabilityInvocation", "capabilityDelegation")
_AGREEMENT: Final = ("keyAgreement",)
_RELATIONSHIPS_BY_USE: Final = {None: (*_SIGNING, *_AGREEMENT), "sig": _SIGNING, "enc": _AGREEMENT}


class DidJwkTooLongError(InvalidDidError):
    """The DID is longer than any public key of the five kinds needs."""

    code = "did_jwk_too_long"
    title = "did:jwk too long"


class JwkUseError(InvalidJwkError):
    """The JWK's ``use`` is neither ``sig`` nor ``enc``, or one that its curve cannot serve."""

    code = "jwk_use_unsupported"
    title = "Use of the JSON Web Key not supported"


@dataclass(frozen=True, slots=True)
class DidJwk:
    """What a did:jwk holds: the JWK as it was written, and the checked key in it."""

    did: str
    jwk: dict[str, Any]
    public_key: PublicKey


def did_jwk_from(public_key: PublicKey) -> str:
    """Return the did:jwk of a public key, in the spelling that this product writes: required members, canonical JSON.

    Args:
        public_key: any of the five kinds.

    Spec: did:jwk Create
    """
    return _PREFIX + base64url_encode(canonicalize(public_jwk(public_key)))


def parse_did_jwk(did: str) -> DidJwk:
    """Return the JWK in a did:jwk and its checked key.

    Args:
        did: ``did:jwk:…``, at most 1024 characters, without path, query or fragment.

    Raises:
        InvalidDidError: invalid_did or did_jwk_too_long.
        CodecError: base64url_invalid.
        JsonError: any code of ``parse_json_object``.
        InvalidJwkError: any code of ``parse_public_jwk``, or jwk_use_unsupported.
        InvalidKeyError: key_not_canonical, key_small_order or key_invalid_point.

    Spec: did:jwk Read
    """
    if not did.startswith(_PREFIX) or len(did) == len(_PREFIX):
        raise InvalidDidError
    if len(did) > MAX_DID_JWK_CHARS:
        raise DidJwkTooLongError(max_chars=MAX_DID_JWK_CHARS)
    # Only base64url characters pass the decoder, so the syntax of DIDs holds too.
    data = base64url_decode(did[len(_PREFIX) :])
    jwk = parse_json_object(data, max_depth=_MAX_DEPTH, max_nodes=_MAX_VALUES)
    public_key = parse_public_jwk(jwk)
    _check_use(jwk, public_key)
    return DidJwk(did, jwk, public_key)


def resolve_did_jwk(did: str) -> DidDocument:
    """Return the document of a did:jwk.

    Args:
        did: ``did:jwk:…``, at most 1024 characters, without path, query or fragment.

    Raises:
        DidError: as ``parse_did_jwk``.

    Spec: did:jwk Create, "To create the DID Document"
    """
    parsed = parse_did_jwk(did)
    method_id = f"{did}#{FRAGMENT}"
    relationships = _RELATIONSHIPS_BY_USE[parsed.jwk.get("use")]
    raw: dict[str, Any] = {
        "@context": [DID_CONTEXT, JWS_2020_CONTEXT],
        "id": did,
        "verificationMethod": [
            {"id": method_id, "type": METHOD_TYPE, "controller": did, "publicKeyJwk": parsed.jwk},
        ],
    }
    raw.update({name: [method_id] for name in relationships})
    method = VerificationMethod(method_id, METHOD_TYPE, did, parsed.public_key)
    return DidDocument(did, raw, (method,), dict.fromkeys(relationships, (method_id,)))


def jwk_signer(signing_key: SigningKey) -> KeySigner:
    """Return a signer that signs as the did:jwk of a signing key.

    Args:
        signing_key: the private key.

    Spec: did:jwk Create, "To create the DID URL"
    """
    return KeySigner(signing_key, f"{did_jwk_from(signing_key.public_key)}#{FRAGMENT}")


class JwkMethod:
    """did:jwk as a method of a resolver."""

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return the document of a did:jwk; it is the same at every time and has no versions to name.

        Args:
            did: bare DID.
            options: a demand for a version by id or number is not found.

        Spec: did:jwk Read
        """
        try:
            document = resolve_did_jwk(did)
        except DidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        if options.version_id is not None or options.version_number is not None:
            return failed(ResolutionError.NOT_FOUND, NoVersionsError())
        return resolved(document.raw, {})


def _check_use(jwk: dict[str, Any], public_key: PublicKey) -> None:
    if "use" not in jwk:
        return
    use = jwk["use"]
    # A JWK without `use` gets every relationship, as the method says; one that states a wrong use gets none.
    fits = {"enc": public_key.kind != "ed25519", "sig": public_key.kind != "x25519"}
    if not isinstance(use, str) or not fits.get(use, False):
        raise JwkUseError
