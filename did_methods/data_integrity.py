"""Data Integrity proofs of the one suite that counts: ``eddsa-jcs-2022``.

Decides whether a proof is one of this suite, and whether a key made it over a document. Refuses proof chains, other
suites and every second spelling of a signature. Does not find keys, and does not judge time, purpose, domain or
challenge: callers do, with what ``parse_proofs`` returns.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from did_methods.canonical import canonicalize, sha256_jcs
from did_methods.codec import base58_encode, multibase_decode
from did_methods.codec_errors import CodecError
from did_methods.did import InvalidDidUrlError, parse_did_url
from did_methods.errors import DidError
from did_methods.keys import SIGNATURE_BYTES, PublicKey, SignatureInvalidError, Signer
from did_methods.timestamp import TimestampError, format_timestamp, parse_timestamp

CRYPTOSUITE: Final = "eddsa-jcs-2022"
PROOF_TYPE: Final = "DataIntegrityProof"
MAX_PROOFS: Final = 8
MAX_DOMAINS: Final = 8


class ProofError(DidError):
    """Any refusal of a proof; catch this for all of them."""

    code = "proof_error"
    title = "Proof refused"


class ProofMissingError(ProofError):
    """The document has no proof."""

    code = "proof_missing"
    title = "No proof"


class ProofCountError(ProofError):
    """The document has more proofs than allowed."""

    code = "proof_too_many"
    title = "Too many proofs"


class ProofMalformedError(ProofError):
    """A member of the proof is missing or has the wrong type."""

    code = "proof_malformed"
    title = "Malformed proof"


class ProofSuiteError(ProofError):
    """The proof is of another type or suite."""

    code = "proof_suite_unsupported"
    title = "Proof suite not supported"


class ProofValueError(ProofError):
    """The proof value is not ``z`` and base58btc of exactly 64 bytes."""

    code = "proof_value_malformed"
    title = "Malformed proof value"


class ProofChainError(ProofError):
    """The proof names a previous proof."""

    code = "proof_chain_unsupported"
    title = "Proof chains are not supported"


class ProofContextError(ProofError):
    """The proof's ``@context`` is not the document's: terms were added or changed after signing."""

    code = "proof_context_mismatch"
    title = "Proof context differs from the document's"


class ProofKeyError(ProofError):
    """The key cannot make proofs of this suite."""

    code = "proof_key_kind"
    title = "Key kind does not fit the proof suite"


class ProofInvalidError(ProofError):
    """The signature is not the key's over this document and these proof options."""

    code = "proof_invalid"
    title = "Proof does not verify"


class ProofExistsError(ProofError):
    """The document to be signed has a proof already, and the caller did not ask to append."""

    code = "proof_exists"
    title = "Document has a proof already"


@dataclass(frozen=True, slots=True)
class DataIntegrityProof:
    """A well-formed, unverified proof.

    Args:
        cryptosuite: always ``eddsa-jcs-2022``.
        created_ms: milliseconds since the epoch; None where the proof does not say.
        verification_method: absolute DID URL with a fragment.
        proof_purpose: for example ``assertionMethod``.
        proof_value: 64 bytes of signature.
        domain: as in the proof: None, one string, or a tuple of strings for a list.
        challenge: as in the proof.
        nonce: as in the proof.
        expires_ms: milliseconds since the epoch; None for no end.
        raw: the proof as it stands in the document; every member but ``proofValue`` is signed.
    """

    cryptosuite: str
    created_ms: int | None
    verification_method: str
    proof_purpose: str
    proof_value: bytes
    domain: str | tuple[str, ...] | None
    challenge: str | None
    nonce: str | None
    expires_ms: int | None
    raw: dict[str, Any]


def sign_document(
    document: dict[str, Any],
    *,
    signer: Signer,
    created: int | None,
    proof_purpose: str = "assertionMethod",
    domain: str | Sequence[str] | None = None,
    challenge: str | None = None,
    expires: int | None = None,
    nonce: str | None = None,
    append: bool = False,
) -> dict[str, Any]:
    """Return a copy of document with a proof added; the document itself is not changed.

    Args:
        document: JSON object; its ``@context``, if any, is copied into the proof.
        signer: whoever signs, and under which verification method.
        created: milliseconds since the epoch; None leaves the member out.
        proof_purpose: verification relationship that the key must have.
        domain: for whom the proof is meant; a sequence becomes a list.
        challenge: what the verifier asked to be signed.
        expires: milliseconds since the epoch.
        nonce: text that makes this proof unlike others.
        append: keep the proofs there are and make a list of all; without it a document with a proof is refused.

    Raises:
        ProofExistsError: proof_exists.
        ProofCountError: proof_too_many.
        CanonicalizationError: where the document has no canonical form.

    Spec: VC-DI-EDDSA 3.3.1, VC-DATA-INTEGRITY 4.2
    """
    unsecured = _without(document, "proof")
    existing = _proof_list(document) if "proof" in document else []
    if existing and not append:
        raise ProofExistsError
    if len(existing) >= MAX_PROOFS:
        raise ProofCountError(max_proofs=MAX_PROOFS)
    options: dict[str, Any] = {
        "type": PROOF_TYPE,
        "cryptosuite": CRYPTOSUITE,
        "created": None if created is None else format_timestamp(created),
        "verificationMethod": signer.verification_method,
        "proofPurpose": proof_purpose,
        "expires": None if expires is None else format_timestamp(expires),
        "domain": domain if domain is None or isinstance(domain, str) else list(domain),
        "challenge": challenge,
        "nonce": nonce,
        # A copy, so that whoever changes the context of the document later does not change the proof's with it.
        "@context": copy.deepcopy(document.get("@context")),
    }
    options = {name: value for name, value in options.items() if value is not None}
    signature = signer.sign(proof_hash_data(unsecured, options))
    proof = {**options, "proofValue": "z" + base58_encode(signature)}
    return {**unsecured, "proof": [*existing, proof] if append else proof}


def proof_hash_data(unsecured_document: dict[str, Any], proof_options: dict[str, Any]) -> bytes:
    """Return the 64 bytes that are signed: the hash of the options, then the hash of the document.

    Args:
        unsecured_document: the document without ``proof``.
        proof_options: the proof without ``proofValue``.

    Raises:
        CanonicalizationError: where one of them has no canonical form.

    Spec: VC-DI-EDDSA 3.3.4
    """
    options_hash = hashlib.sha256(canonicalize(proof_options)).digest()
    return options_hash + hashlib.sha256(canonicalize(unsecured_document)).digest()


def parse_proofs(document: dict[str, Any]) -> tuple[DataIntegrityProof, ...]:
    """Return the proofs of a document, in their order; all are well formed, none is verified.

    Args:
        document: JSON object with one proof, or a list of 1 to 8.

    Raises:
        ProofError: proof_missing, proof_too_many, proof_malformed, proof_suite_unsupported, proof_value_malformed,
            proof_chain_unsupported.

    Spec: VC-DATA-INTEGRITY 2.1, 2.1.1
    """
    if "proof" not in document:
        raise ProofMissingError
    proofs = _proof_list(document)
    if not proofs:
        raise ProofMissingError
    if len(proofs) > MAX_PROOFS:
        raise ProofCountError(max_proofs=MAX_PROOFS)
    return tuple(_parse_proof(proof) for proof in proofs)


def verify_proof(document: dict[str, Any], proof: DataIntegrityProof, key: PublicKey) -> None:
    """Return when key made proof over document; raise otherwise.

    Args:
        document: the JSON object the proof was parsed from.
        proof: one of ``parse_proofs(document)``.
        key: the key of ``proof.verification_method``, found by the caller.

    Raises:
        ProofError: proof_context_mismatch, proof_key_kind or proof_invalid.
        CanonicalizationError: where the document has no canonical form.

    Spec: VC-DI-EDDSA 3.3.2
    """
    if key.kind != "ed25519":
        raise ProofKeyError(kind=key.kind)
    # The specification lets the document append contexts after signing, which changes what its terms mean.
    if "@context" in proof.raw and proof.raw["@context"] != document.get("@context"):
        raise ProofContextError
    hash_data = proof_hash_data(_without(document, "proof"), _without(proof.raw, "proofValue"))
    try:
        key.verify(proof.proof_value, hash_data)
    except SignatureInvalidError:
        raise ProofInvalidError from None


def event_id(document: dict[str, Any]) -> bytes:
    """Return the 32 bytes that name what a document says, whoever signed it and however often.

    Args:
        document: credential, presentation or did:webvh entry; its proof is left out.

    Raises:
        CanonicalizationError: where the document has no canonical form.

    Spec: RFC 8785
    """
    return sha256_jcs(_without(document, "proof"))


def _without(members: dict[str, Any], name: str) -> dict[str, Any]:
    rest = dict(members)
    rest.pop(name, None)
    return rest


def _proof_list(document: dict[str, Any]) -> list[Any]:
    proof = document["proof"]
    return proof if isinstance(proof, list) else [proof]


def _parse_proof(raw: Any) -> DataIntegrityProof:
    if not isinstance(raw, dict):
        raise ProofMalformedError("a proof is not an object")
    if raw.get("type") != PROOF_TYPE or raw.get("cryptosuite") != CRYPTOSUITE:
        raise ProofSuiteError
    if "previousProof" in raw:
        raise ProofChainError
    _text_member(raw, "id")
    return DataIntegrityProof(
        cryptosuite=CRYPTOSUITE,
        created_ms=_time_member(raw, "created"),
        verification_method=_method_member(raw),
        proof_purpose=_required_member(raw, "proofPurpose"),
        proof_value=_signature_member(raw),
        domain=_domain_member(raw),
        challenge=_text_member(raw, "challenge"),
        nonce=_text_member(raw, "nonce"),
        expires_ms=_time_member(raw, "expires"),
        raw=raw,
    )


def _text_member(raw: dict[str, Any], name: str) -> str | None:
    if name not in raw:
        return None
    value = raw[name]
    if not isinstance(value, str):
        raise ProofMalformedError(f"{name} is not a string", member=name)
    return value


def _required_member(raw: dict[str, Any], name: str) -> str:
    value = _text_member(raw, name)
    if not value:
        raise ProofMalformedError(f"{name} is missing", member=name)
    return value


def _time_member(raw: dict[str, Any], name: str) -> int | None:
    value = _text_member(raw, name)
    if value is None:
        return None
    try:
        return parse_timestamp(value)
    except TimestampError:
        raise ProofMalformedError(f"{name} is not a time with a zone", member=name) from None


def _method_member(raw: dict[str, Any]) -> str:
    value = _required_member(raw, "verificationMethod")
    try:
        fragment = parse_did_url(value).fragment
    except InvalidDidUrlError:
        fragment = None
    if not fragment:
        raise ProofMalformedError("verificationMethod is not a DID URL with a fragment", member="verificationMethod")
    return value


def _domain_member(raw: dict[str, Any]) -> str | tuple[str, ...] | None:
    value = raw.get("domain")
    if not isinstance(value, list):
        return _text_member(raw, "domain")
    if not 1 <= len(value) <= MAX_DOMAINS or not all(isinstance(item, str) for item in value):
        raise ProofMalformedError("domain is not a string or a list of strings", member="domain")
    return tuple(value)


def _signature_member(raw: dict[str, Any]) -> bytes:
    try:
        signature = multibase_decode(_required_member(raw, "proofValue"))
    except CodecError:
        raise ProofValueError from None
    if len(signature) != SIGNATURE_BYTES:
        raise ProofValueError
    return signature
