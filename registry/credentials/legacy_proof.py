"""Proofs of the suites before Data Integrity, read strictly: which there are, and what of them is checked before a signature.

Decides whether a document carries exactly one proof of a known older suite, made for the right purpose by the right party at a
possible time. The libraries that verify such proofs check none of this (specs/json-ld.md "Older suites"), so nothing is left to
them. Verifies no signature: that is ``legacy_verify.py``.

Spec: VC-DI-EDDSA (Ed25519Signature2020); VC-DATA-MODEL 1.1 4.7; Linked Data Cryptographic Suite Registry
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeGuard

from did_methods.canonical import CanonicalizationError, canonicalize
from did_methods.codec import base64url_decode, multibase_decode
from did_methods.codec_errors import CodecError
from did_methods.timestamp import TimestampError, parse_timestamp
from registry import limits
from registry.credentials.bundled_contexts import CREDENTIALS_V1_URL, CREDENTIALS_V2_URL
from registry.credentials.errors import (
    ChallengeMismatchError,
    ChallengeMissingError,
    CreatedInFutureError,
    DomainMismatchError,
    ExpiredError,
    NotYetValidError,
    ProofExpiredError,
)
from registry.credentials.form_errors import ProofPurposeError
from registry.credentials.problem_types import PARSING_ERROR, PROOF_VERIFICATION_ERROR
from registry.errors import ParseError

LegacySuite: TypeAlias = Literal["Ed25519Signature2020", "Ed25519Signature2018", "JsonWebSignature2020"]
LegacyKind: TypeAlias = Literal["credential", "presentation"]

LEGACY_SUITES: Final[tuple[LegacySuite, ...]] = (
    "Ed25519Signature2020",
    "Ed25519Signature2018",
    "JsonWebSignature2020",
)
_PURPOSES: Final[dict[LegacyKind, str]] = {"credential": "assertionMethod", "presentation": "authentication"}
_KINDS: Final[dict[str, LegacyKind]] = {
    "VerifiableCredential": "credential",
    "VerifiablePresentation": "presentation",
}
_SIGNATURE_BYTES: Final = 64
# base64url of {"alg":"EdDSA","crit":["b64"],"b64":false} and of the same with other orders of its members.
_JWS_HEADERS: Final = frozenset(
    {
        b'{"alg":"EdDSA","crit":["b64"],"b64":false}',
        b'{"alg":"EdDSA","b64":false,"crit":["b64"]}',
        b'{"b64":false,"crit":["b64"],"alg":"EdDSA"}',
    }
)
_MEMBERS: Final = frozenset(
    [
        "@context",
        "type",
        "created",
        "expires",
        "verificationMethod",
        "proofPurpose",
        "challenge",
        "domain",
        "nonce",
        "proofValue",
        "jws",
    ]
)
_STARTS: Final = ("issuanceDate", "validFrom")
_ENDS: Final = ("expirationDate", "validUntil")


class LegacyProofError(ParseError):
    """The proof is not of the form of its suite; ``member`` names what is wrong."""

    code = "legacy_proof_invalid"
    title = "Proof of an older suite is malformed"
    type_uri: ClassVar[str | None] = PROOF_VERIFICATION_ERROR


class LegacyProofCountError(LegacyProofError):
    """There is not exactly one proof: beside a good one, a bad one would go unnoticed."""

    code = "legacy_proof_count"
    title = "A document of an older suite has exactly one proof"


class LegacySuiteError(LegacyProofError):
    """The proof is of no older suite that is known here, or of one that does not go with the version of the document."""

    code = "legacy_suite_unsupported"
    title = "Proof suite is not supported"


class LegacyDocumentError(ParseError):
    """The document has something that the older suites do not protect: an inline context, null, a fraction, a large integer."""

    code = "legacy_document_invalid"
    title = "Document not safe under an older suite"
    type_uri: ClassVar[str | None] = PARSING_ERROR


@dataclass(frozen=True, slots=True)
class LegacyProof:
    """A proof of an older suite that has its form and is verified by nobody yet.

    Args:
        suite: its type.
        kind: what it secures.
        version: of the data model, ``1.1`` or ``2.0``.
        purpose: ``assertionMethod`` for credentials, ``authentication`` for presentations.
        verification_method: DID URL.
        created_ms: milliseconds since the epoch.
        expires_ms: the same; None where it does not expire.
        challenge: as written; None where there is none.
        domain: as written; None where there is none.
        signature: 64 bytes.
        raw: the proof object.
    """

    suite: LegacySuite
    kind: LegacyKind
    version: Literal["1.1", "2.0"]
    purpose: str
    verification_method: str
    created_ms: int
    expires_ms: int | None
    challenge: str | None
    domain: str | None
    signature: bytes
    raw: dict[str, Any]


def has_legacy_proof(document: dict[str, Any]) -> bool:
    """Tell whether a document is for this module: whether any proof of it names an older suite.

    Args:
        document: a credential or presentation.
    """
    proof = document.get("proof")
    proofs = proof if isinstance(proof, list) else [proof]
    return any(isinstance(one, dict) and _is_suite(one.get("type")) for one in proofs)


def parse_legacy_proof(document: dict[str, Any]) -> LegacyProof:
    """Return the one proof of a document, which is safe for its suite.

    Args:
        document: a credential or presentation as the strict reader gives it.

    Raises:
        LegacyProofError: legacy_proof_invalid, legacy_proof_count or legacy_suite_unsupported.
        LegacyDocumentError: legacy_document_invalid.
        ProofPurposeError: proof_purpose_invalid.
    """
    raw = _single_proof(document)
    suite = raw.get("type")
    if not _is_suite(suite):
        raise LegacySuiteError
    kind, version = _kind(document), _version(document)
    if suite != "Ed25519Signature2020":
        if version != "1.1":
            raise LegacySuiteError("this suite secures documents of version 1.1 only")
        check_plain(document)
    if raw.keys() - _MEMBERS:
        raise LegacyProofError("the proof has an unknown member")
    if _text(raw, "proofPurpose") != _PURPOSES[kind]:
        raise ProofPurposeError
    created = _time(raw, "created")
    if created is None:
        raise LegacyProofError("created is missing", member="created")
    return LegacyProof(
        suite=suite,
        kind=kind,
        version=version,
        purpose=_PURPOSES[kind],
        verification_method=_text(raw, "verificationMethod"),
        created_ms=created,
        expires_ms=_time(raw, "expires"),
        challenge=_optional_text(raw, "challenge"),
        domain=_optional_text(raw, "domain"),
        signature=_signature(raw, suite),
        raw=raw,
    )


def check_plain(document: dict[str, Any]) -> None:
    """Return when a document holds nothing that a library which canonicalises leniently would lose or round.

    Args:
        document: with or without its proof.

    Raises:
        LegacyDocumentError: legacy_document_invalid.
    """
    try:
        size = len(canonicalize(document))
    except CanonicalizationError:
        raise LegacyDocumentError from None
    if size > limits.JSON_BYTES:
        raise LegacyDocumentError("the document is too large", max_bytes=limits.JSON_BYTES)
    stack: list[Any] = [document]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            if "@context" in item:
                _check_context(item["@context"])
            stack.extend(item.values())
        elif isinstance(item, list):
            if not item:
                raise LegacyDocumentError("an empty list is not protected")
            stack.extend(item)
        elif item is None or isinstance(item, float):
            raise LegacyDocumentError("a null or a fraction is not protected")


def check_legacy_binding(proof: LegacyProof, *, challenge: str | None, domain: str | None) -> None:
    """Return when a proof answers what was asked.

    Args:
        proof: what was parsed.
        challenge: what a presentation must answer; None where any challenge will do. A presentation without one never does.
        domain: what the proof must name; None where it is not judged.

    Raises:
        VerificationError: challenge_missing, challenge_mismatch or domain_mismatch.
    """
    if proof.challenge is None and (challenge is not None or proof.kind == "presentation"):
        raise ChallengeMissingError
    if challenge is not None and proof.challenge != challenge:
        raise ChallengeMismatchError
    if domain is not None and proof.domain != domain:
        raise DomainMismatchError


def check_legacy_times(document: dict[str, Any], proof: LegacyProof, *, now_ms: int) -> None:
    """Return when document and proof are valid at a time.

    Args:
        document: what the proof was parsed from.
        proof: its proof.
        now_ms: milliseconds since the epoch.

    Raises:
        LegacyDocumentError: legacy_document_invalid, for a date that is none.
        VerificationError: created_in_future, proof_expired, credential_not_yet_valid or credential_expired.
    """
    if proof.created_ms > now_ms + limits.CLOCK_WINDOW_MS:
        raise CreatedInFutureError
    if proof.expires_ms is not None and proof.expires_ms <= now_ms:
        raise ProofExpiredError
    if any(_date(document, name) > now_ms for name in _STARTS if name in document):
        raise NotYetValidError
    if any(_date(document, name) <= now_ms for name in _ENDS if name in document):
        raise ExpiredError


def signer_of(document: dict[str, Any], proof: LegacyProof) -> str | None:
    """Return who must have made the proof: the issuer of a credential, the holder of a presentation if it names one.

    Args:
        document: what the proof was parsed from.
        proof: its proof.
    """
    party = document.get("issuer" if proof.kind == "credential" else "holder")
    party = party.get("id") if isinstance(party, dict) else party
    return party if isinstance(party, str) else None


def _is_suite(value: Any) -> TypeGuard[LegacySuite]:
    return isinstance(value, str) and value in LEGACY_SUITES


def _single_proof(document: dict[str, Any]) -> dict[str, Any]:
    proof = document.get("proof")
    if isinstance(proof, list) and len(proof) == 1:
        proof = proof[0]
    if isinstance(proof, list) or proof is None:
        raise LegacyProofCountError
    if not isinstance(proof, dict):
        raise LegacyProofError("a proof is not an object")
    return proof


def _kind(document: dict[str, Any]) -> LegacyKind:
    types = document.get("type")
    names = types if isinstance(types, list) else [types]
    kinds = [_KINDS[name] for name in names if isinstance(name, str) and name in _KINDS]
    if len(kinds) != 1:
        raise LegacyDocumentError("the document is not one credential or presentation")
    return kinds[0]


def _version(document: dict[str, Any]) -> Literal["1.1", "2.0"]:
    contexts = document.get("@context")
    first = contexts[0] if isinstance(contexts, list) and contexts else contexts
    if first == CREDENTIALS_V1_URL:
        return "1.1"
    if first == CREDENTIALS_V2_URL:
        return "2.0"
    raise LegacyDocumentError("the first context is not that of a credential")


def _check_context(context: Any) -> None:
    # With the context inside, whoever holds the document can rename a member and its definition together.
    urls = context if isinstance(context, list) else [context]
    if not all(isinstance(url, str) for url in urls):
        raise LegacyDocumentError("an inline context is not protected")


def _optional_text(raw: dict[str, Any], name: str) -> str | None:
    return _text(raw, name) if name in raw else None


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value:
        raise LegacyProofError(f"{name} is not a string", member=name)
    return value


def _time(raw: dict[str, Any], name: str) -> int | None:
    text = _optional_text(raw, name)
    if text is None:
        return None
    try:
        return parse_timestamp(text)
    except TimestampError:
        raise LegacyProofError(f"{name} is not a time with a zone", member=name) from None


def _date(document: dict[str, Any], name: str) -> int:
    value = document[name]
    try:
        return parse_timestamp(value if isinstance(value, str) else "")
    except TimestampError:
        raise LegacyDocumentError(f"{name} is not a time with a zone", member=name) from None


def _signature(raw: dict[str, Any], suite: LegacySuite) -> bytes:
    name, other = ("proofValue", "jws") if suite == "Ed25519Signature2020" else ("jws", "proofValue")
    text = _text(raw, name)
    if other in raw:
        raise LegacyProofError(f"{other} does not belong to the suite", member=other)
    try:
        signature = multibase_decode(text) if name == "proofValue" else _detached(text)
    except CodecError:
        signature = b""
    if len(signature) != _SIGNATURE_BYTES:
        raise LegacyProofError(f"{name} is no signature", member=name)
    return signature


def _detached(text: str) -> bytes:
    header, dot, signature = text.partition("..")
    if not dot or base64url_decode(header, max_chars=128) not in _JWS_HEADERS:
        return b""
    return base64url_decode(signature, max_chars=128)
