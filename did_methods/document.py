"""DID documents: which key stands under which name, and for which purpose it may be used.

Decides whether a verification method may be used for a purpose, by the document alone. Fetches nothing, and never
looks into the document of another DID.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from did_methods.codec_errors import KeyCodecError
from did_methods.did import InvalidDidError, InvalidDidUrlError, parse_did, parse_did_url
from did_methods.errors import DidError
from did_methods.json_web_key import JwkKindError, has_private_part, parse_public_jwk
from did_methods.keys import PublicKey, parse_public_key
from did_methods.timestamp import parse_timestamp

DID_CONTEXT: Final = "https://www.w3.org/ns/did/v1"
MULTIKEY_CONTEXT: Final = "https://w3id.org/security/multikey/v1"
RELATIONSHIPS: Final = (
    "authentication",
    "assertionMethod",
    "keyAgreement",
    "capabilityInvocation",
    "capabilityDelegation",
)
MAX_METHODS: Final = 64

_ED25519_TYPE: Final = "Ed25519VerificationKey2020"
_JWK_TYPES: Final = frozenset({"JsonWebKey", "JsonWebKey2020"})
_MULTIKEY_TYPES: Final = frozenset({"Multikey", _ED25519_TYPE})
_SECRET_MEMBERS: Final = ("secretKeyMultibase", "privateKeyMultibase", "privateKeyBase58", "privateKeyJwk")


class InvalidDidDocumentError(DidError):
    """The object is not a DID document."""

    code = "invalid_did_document"
    title = "Invalid DID document"


class SecretInDocumentError(DidError):
    """A verification method carries a private key."""

    code = "secret_in_did_document"
    title = "Private key in a DID document"


class MethodNotFoundError(DidError):
    """The document has no verification method of this name."""

    code = "verification_method_not_found"
    title = "Verification method not found"
    type_uri = "https://w3id.org/security#INVALID_VERIFICATION_METHOD"


class MethodControllerError(DidError):
    """The verification method is controlled by another DID than the document's."""

    code = "verification_method_controller"
    title = "Verification method has another controller"
    type_uri = "https://w3id.org/security#INVALID_VERIFICATION_METHOD"


class MethodPurposeError(DidError):
    """The verification method is not listed for this purpose."""

    code = "verification_method_purpose"
    title = "Verification method not allowed for this purpose"
    type_uri = "https://w3id.org/security#INVALID_RELATIONSHIP_FOR_VERIFICATION_METHOD"


class MethodExpiredError(DidError):
    """The verification method was expired or revoked at the time of use."""

    code = "verification_method_expired"
    title = "Verification method expired or revoked"


@dataclass(frozen=True, slots=True)
class VerificationMethod:
    """A named key of a DID document.

    Args:
        id: absolute DID URL.
        type: for example ``Multikey``.
        controller: DID.
        public_key: the checked key; None where this product does not know the type or the kind of key.
        expires_ms: milliseconds since the epoch after which it is not used; None for no end.
        revoked_ms: milliseconds since the epoch from which it is not used; None for never.
    """

    id: str
    type: str
    controller: str
    public_key: PublicKey | None
    expires_ms: int | None = None
    revoked_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DidDocument:
    """A DID document whose shape and keys were checked.

    Args:
        id: the DID.
        raw: the document as it was read; never changed after parsing.
        methods: every verification method, also those embedded in a relationship.
        relationships: purpose to the ids of the methods listed for it.
    """

    id: str
    raw: dict[str, Any]
    methods: tuple[VerificationMethod, ...]
    relationships: Mapping[str, tuple[str, ...]]

    def find_method(self, method_id: str, purpose: str, *, at_ms: int | None = None) -> VerificationMethod:
        """Return the verification method that may be used for a purpose.

        Args:
            method_id: absolute DID URL, compared byte for byte.
            purpose: a verification relationship, for example ``assertionMethod``.
            at_ms: time of use in milliseconds since the epoch; None skips the look at expiry and revocation.

        Raises:
            MethodNotFoundError: verification_method_not_found.
            MethodControllerError: verification_method_controller.
            MethodPurposeError: verification_method_purpose.
            MethodExpiredError: verification_method_expired.

        Spec: CID 1.0 3.3
        """
        method = next((each for each in self.methods if each.id == method_id), None)
        if method is None:
            raise MethodNotFoundError
        if method.controller != self.id:
            raise MethodControllerError
        if method_id not in self.relationships.get(purpose, ()):
            raise MethodPurposeError
        if at_ms is not None and _is_over(method, at_ms):
            raise MethodExpiredError
        return method


def _is_over(method: VerificationMethod, at_ms: int) -> bool:
    expired = method.expires_ms is not None and at_ms >= method.expires_ms
    revoked = method.revoked_ms is not None and at_ms >= method.revoked_ms
    return expired or revoked


def parse_did_document(raw: dict[str, Any]) -> DidDocument:
    """Return the DID document in a JSON object.

    Methods of unknown type, and Multikeys of unknown kind, are kept without a key; a key of a known kind that is
    malformed makes the whole document invalid.

    Args:
        raw: parsed JSON object; must not be changed afterwards.

    Raises:
        InvalidDidDocumentError: invalid_did_document.
        SecretInDocumentError: secret_in_did_document.
        DidError: the code of ``parse_public_key``, ``parse_public_jwk`` or ``parse_timestamp`` for a malformed key or
            time.

    Spec: DID-CORE 5, CID 1.0 2
    """
    did = _did_member(raw, "id")
    methods = [_parse_method(item, did) for item in _list_member(raw, "verificationMethod")]
    relationships: dict[str, tuple[str, ...]] = {}
    for purpose in RELATIONSHIPS:
        references = []
        for item in _list_member(raw, purpose):
            if isinstance(item, str):
                references.append(_absolute_id(item, did))
            else:
                methods.append(_parse_method(item, did))
                references.append(methods[-1].id)
        if references:
            relationships[purpose] = tuple(references)
    if len(methods) > MAX_METHODS:
        raise InvalidDidDocumentError("too many verification methods", max_methods=MAX_METHODS)
    if len({method.id for method in methods}) != len(methods):
        raise InvalidDidDocumentError("two verification methods have the same id")
    return DidDocument(did, raw, tuple(methods), relationships)


def _list_member(raw: dict[str, Any], name: str) -> list[Any]:
    value = raw.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_METHODS:
        raise InvalidDidDocumentError(f"{name} is not a list of at most {MAX_METHODS}", member=name)
    return value


def _text_member(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str):
        raise InvalidDidDocumentError(f"{name} is not a string", member=name)
    return value


def _did_member(raw: dict[str, Any], name: str) -> str:
    try:
        return parse_did(_text_member(raw, name)).text
    except InvalidDidError:
        raise InvalidDidDocumentError(f"{name} is not a DID", member=name) from None


def _absolute_id(text: str, did: str) -> str:
    """Return the absolute DID URL of a method id; a relative one (``#key-1``) belongs to the document's own DID."""
    absolute = did + text if text.startswith("#") else text
    try:
        url = parse_did_url(absolute)
    except InvalidDidUrlError:
        url = None
    if url is None or not url.fragment:
        raise InvalidDidDocumentError("id of a verification method is not a DID URL with a fragment")
    return absolute


def _parse_method(raw: Any, did: str) -> VerificationMethod:
    if not isinstance(raw, dict):
        raise InvalidDidDocumentError("a verification method is not an object")
    if has_secret_member(raw):
        raise SecretInDocumentError
    return VerificationMethod(
        id=_absolute_id(_text_member(raw, "id"), did),
        type=_text_member(raw, "type"),
        controller=_did_member(raw, "controller"),
        public_key=_parse_key(raw),
        expires_ms=_time_member(raw, "expires"),
        revoked_ms=_time_member(raw, "revoked"),
    )


def has_secret_member(method: dict[str, Any]) -> bool:
    """Return whether a verification method carries a private or symmetric key in any form.

    Args:
        method: parsed JSON object.
    """
    jwk = method.get("publicKeyJwk")
    return any(name in method for name in _SECRET_MEMBERS) or (isinstance(jwk, dict) and has_private_part(jwk))


def _parse_key(raw: dict[str, Any]) -> PublicKey | None:
    if raw["type"] in _JWK_TYPES:
        return _parse_jwk(raw)
    if raw["type"] not in _MULTIKEY_TYPES:
        return None
    try:
        public_key = parse_public_key(_text_member(raw, "publicKeyMultibase"))
    except KeyCodecError:
        return None
    if raw["type"] == _ED25519_TYPE and public_key.kind != "ed25519":
        raise InvalidDidDocumentError(f"{_ED25519_TYPE} with a key of another kind")
    return public_key


def _parse_jwk(raw: dict[str, Any]) -> PublicKey | None:
    jwk = raw.get("publicKeyJwk")
    if not isinstance(jwk, dict):
        raise InvalidDidDocumentError("publicKeyJwk is not an object", member="publicKeyJwk")
    try:
        return parse_public_jwk(jwk)
    except JwkKindError:
        return None


def _time_member(raw: dict[str, Any], name: str) -> int | None:
    return parse_timestamp(_text_member(raw, name)) if name in raw else None
