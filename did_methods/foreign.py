"""Foreign DID methods: DIDs of blockchain accounts, whose documents somebody else's library writes.

Decides what of such a document is believed: only what the text of the DID itself says. A key counts where the DID is
that key, an account where the DID names it; everything else is dropped or refused, so the library can leave out but
never add. Asks no ledger and no network, and never answers for the methods that this product resolves itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from did_methods.codec import KeyKind, base58_decode, multikey_encode
from did_methods.did import InvalidDidError, parse_did
from did_methods.document import (
    DID_CONTEXT,
    MULTIKEY_CONTEXT,
    RELATIONSHIPS,
    DidDocument,
    InvalidDidDocumentError,
    SecretInDocumentError,
    has_secret_member,
    parse_did_document,
)
from did_methods.errors import DidError
from did_methods.foreign_ids import (
    FOREIGN_METHODS,
    NETWORK_METHODS,
    ForeignId,
    ForeignMalformedError,
    ForeignNamespaceError,
    ForeignNetworkError,
    parse_foreign_id,
)
from did_methods.json_web_key import parse_public_jwk
from did_methods.keys import PublicKey, parse_public_key
from did_methods.method import (
    NoVersionsError,
    ResolutionError,
    ResolutionOptions,
    ResolutionResult,
    failed,
    resolved,
)
from did_methods.web import DocumentIdMismatchError

__all__ = [
    "FOREIGN_METHODS",
    "NETWORK_METHODS",
    "ForeignKeyUnboundError",
    "ForeignMalformedError",
    "ForeignMethod",
    "ForeignMethodUnsupportedError",
    "ForeignNamespaceError",
    "ForeignNetworkError",
    "ForeignNotFoundError",
    "ForeignNotInstalledError",
    "ForeignRefusedError",
    "ForeignResolver",
    "ForeignUnavailableError",
    "normalize_foreign_document",
]


class ForeignUnavailableError(DidError):
    """The process that resolves foreign DIDs does not answer now; it says nothing about the DID."""

    code = "did_foreign_unavailable"
    title = "Foreign DIDs cannot be resolved now"


class ForeignMethodUnsupportedError(DidError):
    """The library that resolves foreign DIDs does not know the method."""

    code = "did_foreign_unsupported"
    title = "DID method is not supported"


class ForeignNotInstalledError(ForeignMethodUnsupportedError):
    """The optional library that resolves foreign DIDs is not installed here."""

    code = "did_foreign_not_installed"
    title = "DID method is not supported: the optional library for it is not installed"


class ForeignRefusedError(DidError):
    """The library that resolves foreign DIDs refuses this one, though its form is that of its method."""

    code = "did_foreign_refused"
    title = "DID refused by the library of its method"


class ForeignNotFoundError(DidError):
    """The library that resolves foreign DIDs has no document for this one."""

    code = "did_foreign_not_found"
    title = "No document for this DID"


class ForeignKeyUnboundError(DidError):
    """The document of a foreign DID has a key that the DID itself does not say."""

    code = "did_foreign_key_unbound"
    title = "Key in the document of a foreign DID is not the DID's"


class ForeignResolver(Protocol):
    """Whoever writes documents of foreign DIDs; nothing it says is believed without a check."""

    def resolve(self, did: str) -> dict[str, Any] | None:
        """Return the raw document of a DID, or None when there is none.

        Args:
            did: a DID of one of ``FOREIGN_METHODS`` whose syntax was checked.

        Raises:
            ForeignUnavailableError: did_foreign_unavailable.
            ForeignMethodUnsupportedError: did_foreign_unsupported or did_foreign_not_installed.
            ForeignRefusedError: did_foreign_refused.
        """


@dataclass(frozen=True, slots=True)
class ForeignMethod:
    """Foreign DID methods as a method of a resolver; one object serves all of ``FOREIGN_METHODS``.

    Args:
        documents: writes the documents.
    """

    documents: ForeignResolver

    def resolve(self, did: str, options: ResolutionOptions) -> ResolutionResult:
        """Return what is believed of a foreign DID's document.

        The result says ``ledgerConsulted: false`` where a ledger may hold changes that the document does not show.

        Args:
            did: bare DID.
            options: a demand for a version by id or number is not found, one of the past neither where a ledger
                would know.

        Spec: specs/did-method.md "Foreign methods"
        """
        try:
            parsed = parse_did(did)
        except InvalidDidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        if parsed.method not in FOREIGN_METHODS:
            return failed(ResolutionError.METHOD_NOT_SUPPORTED, ForeignMethodUnsupportedError())
        try:
            identifier = parse_foreign_id(parsed)
        except ForeignNamespaceError as error:
            return failed(ResolutionError.FEATURE_NOT_SUPPORTED, error)
        except DidError as error:
            return failed(ResolutionError.INVALID_DID, error)
        if _demands_a_version(options, identifier):
            return failed(ResolutionError.NOT_FOUND, NoVersionsError())
        return self._answer(identifier)

    def _answer(self, identifier: ForeignId) -> ResolutionResult:
        try:
            raw = self.documents.resolve(identifier.did)
        except ForeignMethodUnsupportedError as error:
            return failed(ResolutionError.METHOD_NOT_SUPPORTED, error)
        except ForeignRefusedError as error:
            # The form was checked before: what the library does not take is its limit, not the caller's mistake.
            return failed(ResolutionError.FEATURE_NOT_SUPPORTED, error)
        except ForeignUnavailableError as error:
            return failed(ResolutionError.INTERNAL_ERROR, error)
        if raw is None:
            return failed(ResolutionError.NOT_FOUND, ForeignNotFoundError())
        try:
            document = normalize_foreign_document(identifier, raw)
        except DidError as error:
            return failed(ResolutionError.INVALID_DID_DOCUMENT, error)
        result = resolved(document.raw, {})
        if identifier.ledger_may_differ:
            result.did_resolution_metadata["ledgerConsulted"] = False
        return result


def _demands_a_version(options: ResolutionOptions, identifier: ForeignId) -> bool:
    time_ms = options.version_time_ms
    past = identifier.ledger_may_differ and time_ms is not None and time_ms < options.now_ms
    return past or options.version_id is not None or options.version_number is not None


# --- Normalising ------------------------------------------------------------------------------------------------------

_SECURITY: Final = "https://w3id.org/security#"
_KEY_KINDS: Final[dict[str, frozenset[KeyKind]]] = {
    "Ed25519VerificationKey2018": frozenset({"ed25519"}),
    "Ed25519VerificationKey2020": frozenset({"ed25519"}),
    "EcdsaSecp256k1VerificationKey2019": frozenset({"secp256k1"}),
    "JsonWebKey": frozenset({"ed25519", "p256", "p384", "secp256k1"}),
    "JsonWebKey2020": frozenset({"ed25519", "p256", "p384", "secp256k1"}),
    "Multikey": frozenset({"ed25519", "p256", "p384", "secp256k1"}),
}
# Methods that name an account: they stay in the document for those who can use them, and never carry a key here.
_ACCOUNT_TYPES: Final = {
    "BlockchainVerificationMethod2021": f"{_SECURITY}BlockchainVerificationMethod2021",
    "EcdsaSecp256k1RecoveryMethod2020": (
        "https://identity.foundation/EcdsaSecp256k1RecoverySignature2020#EcdsaSecp256k1RecoveryMethod2020"
    ),
    "Ed25519PublicKeyBLAKE2BDigestSize20Base58CheckEncoded2021": (
        f"{_SECURITY}Ed25519PublicKeyBLAKE2BDigestSize20Base58CheckEncoded2021"
    ),
    "Eip712Method2021": f"{_SECURITY}Eip712Method2021",
    "P256PublicKeyBLAKE2BDigestSize20Base58CheckEncoded2021": (
        f"{_SECURITY}P256PublicKeyBLAKE2BDigestSize20Base58CheckEncoded2021"
    ),
    "SolanaMethod2021": f"{_SECURITY}SolanaMethod2021",
    "TezosMethod2021": f"{_SECURITY}TezosMethod2021",
}
_KEY_MEMBERS: Final = ("publicKeyJwk", "publicKeyMultibase", "publicKeyBase58")
_MAX_FOREIGN_METHODS: Final = 16


def normalize_foreign_document(identifier: ForeignId, raw: dict[str, Any]) -> DidDocument:
    """Return what of a foreign document the DID itself bears out, as a document of this product.

    Keys become ``Multikey`` methods and have to be the DID's own; methods that name the DID's account stay without a
    key; other methods, unknown relationships, services and further members are dropped.

    Args:
        identifier: what the text of the DID asked for says.
        raw: the document as it came, parsed strictly.

    Raises:
        DocumentIdMismatchError: did_document_id_mismatch.
        InvalidDidDocumentError: invalid_did_document.
        SecretInDocumentError: secret_in_did_document.
        ForeignKeyUnboundError: did_foreign_key_unbound.
        InvalidJwkError: any code of ``parse_public_jwk`` but jwk_private_member.
        DidError: the code of the key's own fault.

    Spec: specs/did-method.md "Foreign methods"
    """
    if raw.get("id") != identifier.did:
        raise DocumentIdMismatchError
    methods: dict[str, dict[str, Any] | None] = {}
    for item in _list_of(raw, "verificationMethod"):
        method_id, method = _normalize_method(item, identifier)
        if method_id in methods:
            raise InvalidDidDocumentError("two verification methods have the same id")
        methods[method_id] = method
    kept = {method_id: method for method_id, method in methods.items() if method is not None}
    result: dict[str, Any] = {
        "@context": _context(list(kept.values())),
        "id": identifier.did,
        "verificationMethod": list(kept.values()),
    }
    for name in RELATIONSHIPS:
        # A reference to a method that is not kept gives nobody any power; one embedded here would have to be checked.
        listed = [item for item in _list_of(raw, name) if isinstance(item, str) and item in kept]
        if listed:
            result[name] = list(dict.fromkeys(listed))
    return parse_did_document(result)


def _list_of(raw: dict[str, Any], name: str) -> list[Any]:
    value = raw.get(name, [])
    if not isinstance(value, list) or len(value) > _MAX_FOREIGN_METHODS:
        raise InvalidDidDocumentError(f"{name} is not a list of at most {_MAX_FOREIGN_METHODS}", member=name)
    return value


def _normalize_method(raw: Any, identifier: ForeignId) -> tuple[str, dict[str, Any] | None]:
    """Return the id of a method and what is kept of it; None where that is nothing."""
    if not isinstance(raw, dict):
        raise InvalidDidDocumentError("a verification method is not an object")
    if has_secret_member(raw):
        raise SecretInDocumentError
    method_id, method_type = raw.get("id"), raw.get("type")
    if not isinstance(method_id, str) or not method_id.startswith(f"{identifier.did}#"):
        raise InvalidDidDocumentError("id of a verification method is not of this DID")
    if raw.get("controller") != identifier.did:
        raise InvalidDidDocumentError("a verification method has another controller")
    if not isinstance(method_type, str):
        raise InvalidDidDocumentError("type of a verification method is not a string")
    kept: dict[str, Any] = {"id": method_id, "type": method_type, "controller": identifier.did}
    account = raw.get("blockchainAccountId")
    if account is not None and account == identifier.account:
        kept["blockchainAccountId"] = account
    if method_type in _ACCOUNT_TYPES:
        return method_id, kept if "blockchainAccountId" in kept else None
    if method_type not in _KEY_KINDS:
        return method_id, None
    key = _parse_key(raw, method_type)
    if key != identifier.public_key:
        raise ForeignKeyUnboundError
    return method_id, kept | {"type": "Multikey", "publicKeyMultibase": key.multikey}


def _parse_key(raw: dict[str, Any], method_type: str) -> PublicKey:
    """Return the checked key of a method that states exactly one, in whichever form."""
    stated = [name for name in _KEY_MEMBERS if name in raw]
    if len(stated) != 1:
        raise InvalidDidDocumentError("a verification method states not one key but none or several")
    value = raw[stated[0]]
    if stated[0] == "publicKeyJwk":
        if not isinstance(value, dict):
            raise InvalidDidDocumentError("publicKeyJwk is not an object")
        key = parse_public_jwk(value)
    elif not isinstance(value, str):
        raise InvalidDidDocumentError(f"{stated[0]} is not a string", member=stated[0])
    elif stated[0] == "publicKeyMultibase":
        key = parse_public_key(value)
    else:
        kinds = _KEY_KINDS[method_type]
        if len(kinds) != 1:
            raise InvalidDidDocumentError("publicKeyBase58 in a method whose type names no curve")
        key = parse_public_key(multikey_encode(next(iter(kinds)), base58_decode(value)))
    if key.kind not in _KEY_KINDS[method_type]:
        raise InvalidDidDocumentError(f"{method_type} with a key of another kind")
    return key


def _context(methods: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the context of what is written: the terms of the library's own context are not taken over."""
    types = {method["type"] for method in methods}
    context: list[Any] = [DID_CONTEXT, *([MULTIKEY_CONTEXT] if "Multikey" in types else [])]
    terms = {name: iri for name, iri in _ACCOUNT_TYPES.items() if name in types}
    if any("blockchainAccountId" in method for method in methods):
        terms["blockchainAccountId"] = f"{_SECURITY}blockchainAccountId"
    return [*context, terms] if terms else context
