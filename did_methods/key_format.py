"""The forms in which older clients ask for the key of a did:key (``publicKeyFormat``).

Decides which forms there are for a key, and writes the document in them. The key is the same in each; what is asked for
is only how it is spelled.
"""

from __future__ import annotations

from typing import Any, Final

from did_methods.did import Did
from did_methods.did_request import OptionUnsupportedError, RequestError
from did_methods.document import DID_CONTEXT, MULTIKEY_CONTEXT
from did_methods.json_web_key import public_jwk
from did_methods.jwk import JWS_2020_CONTEXT
from did_methods.key import METHOD, parse_did_key
from did_methods.keys import PublicKey

_CONTEXTS: Final = {
    "Multikey": MULTIKEY_CONTEXT,
    "JsonWebKey": "https://w3id.org/security/jwk/v1",
    "JsonWebKey2020": JWS_2020_CONTEXT,
    "Ed25519VerificationKey2020": "https://w3id.org/security/suites/ed25519-2020/v1",
    "X25519KeyAgreementKey2020": "https://w3id.org/security/suites/x25519-2020/v1",
}
_AS_JWK: Final = frozenset({"JsonWebKey", "JsonWebKey2020"})
_OF_ONE_KIND: Final = {"Ed25519VerificationKey2020": "ed25519", "X25519KeyAgreementKey2020": "x25519"}
# Types that exist, but that did:key counts as experimental.
_EXPERIMENTAL: Final = frozenset(
    {
        "Ed25519VerificationKey2018",
        "X25519KeyAgreementKey2019",
        "EcdsaSecp256k1VerificationKey2019",
        "EcdsaSecp256r1VerificationKey2019",
        "EcdsaSecp256k1RecoveryMethod2020",
        "P256Key2021",
    }
)


class KeyFormatUnknownError(RequestError):
    """``publicKeyFormat`` names no type of verification method that is known here."""

    code = "public_key_format_unknown"
    title = "Form of the public key is not known"


class KeyFormatNotAllowedError(RequestError):
    """``publicKeyFormat`` names an experimental type without leave, or one for another kind of key."""

    code = "public_key_format_not_allowed"
    title = "Form of the public key is not allowed for this key"


def check_key_format(did: Did, key_format: str, *, experimental: bool) -> None:
    """Refuse a form that no document of this DID can be written in, before anything else is looked at.

    Args:
        did: of any method; forms are chosen for did:key only.
        key_format: type of the verification method asked for.
        experimental: whether experimental types are allowed.

    Raises:
        RequestError: public_key_format_unknown, public_key_format_not_allowed or did_option_unsupported.

    Spec: did:key v0.9 "Signature Method Creation Algorithm"
    """
    if key_format not in _CONTEXTS and key_format not in _EXPERIMENTAL:
        raise KeyFormatUnknownError
    if key_format in _EXPERIMENTAL:
        if not experimental:
            raise KeyFormatNotAllowedError("this type is experimental")
        raise OptionUnsupportedError("publicKeyFormat: no experimental type is written here")
    if did.method != METHOD:
        raise OptionUnsupportedError("publicKeyFormat: forms are chosen for did:key only")


def format_key_document(document: dict[str, Any], key_format: str) -> dict[str, Any]:
    """Return the document of a did:key with its method in another form.

    Args:
        document: as ``resolve_did_key`` writes it; not changed.
        key_format: one that ``check_key_format`` lets through.

    Raises:
        KeyFormatNotAllowedError: public_key_format_not_allowed, for another kind of key than the form is for.

    Spec: did:key v0.9 "Signature Method Creation Algorithm"
    """
    if key_format == "Multikey":
        return document
    key = parse_did_key(document["id"])
    if _OF_ONE_KIND.get(key_format, key.kind) != key.kind:
        raise KeyFormatNotAllowedError("this type is for another kind of key")
    (method,) = document["verificationMethod"]
    formatted = {
        "id": method["id"],
        "type": key_format,
        "controller": method["controller"],
        **_material(key, key_format),
    }
    return {
        **document,
        "@context": [DID_CONTEXT, _CONTEXTS[key_format]],
        "verificationMethod": [formatted],
    }


def _material(key: PublicKey, key_format: str) -> dict[str, Any]:
    if key_format in _AS_JWK:
        return {"publicKeyJwk": public_jwk(key)}
    return {"publicKeyMultibase": key.multikey}
