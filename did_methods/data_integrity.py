"""Data Integrity proofs: their form for every suite, and the one suite that counts as evidence: ``eddsa-jcs-2022``.

Decides whether a proof is well formed, and whether a key made an ``eddsa-jcs-2022`` proof over a document. Refuses every
second spelling of a signature and, where nothing else is asked for, other suites and proof chains. Does not find keys, and
does not judge time, purpose, domain or challenge: callers do, with what ``parse_proofs`` returns. The suites that only
verify, never count, are in ``registry/credentials/cryptosuite.py``; they are made of the parts here.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from did_methods.canonical import sha256_jcs
from did_methods.codec import base58_encode
from did_methods.keys import SIGNATURE_BYTES, PublicKey, SignatureInvalidError, Signer, signer_kind
from did_methods.proof_errors import (
    ProofChainError,
    ProofContextError,
    ProofCountError,
    ProofExistsError,
    ProofInvalidError,
    ProofKeyError,
    ProofMalformedError,
    ProofMissingError,
    ProofSuiteError,
)
from did_methods.proof_members import (
    domain_member,
    method_member,
    names_member,
    required_member,
    signature_member,
    text_member,
    time_member,
)
from did_methods.timestamp import format_timestamp

CRYPTOSUITE: Final = "eddsa-jcs-2022"
PROOF_TYPE: Final = "DataIntegrityProof"
MAX_PROOFS: Final = 8
_PINNED: Final = frozenset({CRYPTOSUITE})
_HASHES: Final = {"sha256": hashlib.sha256, "sha384": hashlib.sha384}
_ANY_SIZE: Final = frozenset({64, 96})  # the key, which is not known yet, decides: 64 of P-256, 96 of P-384
_SIZES: Final = {CRYPTOSUITE: frozenset({SIGNATURE_BYTES})}


@dataclass(frozen=True, slots=True)
class DataIntegrityProof:
    """A well-formed, unverified proof.

    Args:
        cryptosuite: ``eddsa-jcs-2022``, or another one that the caller allowed.
        created_ms: milliseconds since the epoch; None where the proof does not say.
        verification_method: absolute DID URL with a fragment.
        proof_purpose: for example ``assertionMethod``.
        proof_value: 64 bytes of signature; 64 or 96 where the caller allowed suites of ECDSA.
        domain: as in the proof: None, one string, or a tuple of strings for a list.
        challenge: as in the proof.
        nonce: as in the proof.
        expires_ms: milliseconds since the epoch; None for no end.
        raw: the proof as it stands in the document; every member but ``proofValue`` is signed.
        id: as in the proof.
        previous_proof: ids of the proofs that this one was made over; empty where it names none.
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
    id: str | None = None
    previous_proof: tuple[str, ...] = ()


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
        ProofKeyError: proof_key_kind, for a signer that says it has a key of another kind.
        CanonicalizationError: where the document has no canonical form.

    Spec: VC-DI-EDDSA 3.3.1, VC-DATA-INTEGRITY 4.2
    """
    unsecured = unsecured_document(document)
    existing = list(proofs_of(document)) if append else []
    if "proof" in document and not append:
        raise ProofExistsError
    if len(existing) >= MAX_PROOFS:
        raise ProofCountError(max_proofs=MAX_PROOFS)
    options = proof_options(
        CRYPTOSUITE,
        verification_method=signer.verification_method,
        created=created,
        proof_purpose=proof_purpose,
        domain=domain,
        challenge=challenge,
        expires=expires,
        nonce=nonce,
    )
    options |= context_of(document)
    proof = make_proof(options, proof_hash_data(unsecured, options), signer=signer)
    return {**unsecured, "proof": [*existing, proof] if append else proof}


def make_proof(options: dict[str, Any], hash_data: bytes, *, signer: Signer) -> dict[str, Any]:
    """Return a proof of this suite, for whoever puts a document into canonical form by itself.

    Args:
        options: the proof without ``proofValue``; a copy is returned.
        hash_data: what `proof_hash_data` or `combine_hashes` returned for these options.
        signer: has the key that the options name.

    Raises:
        ProofKeyError: proof_key_kind, for a signer that says it has a key of another kind.

    Spec: VC-DI-EDDSA 3.3.1, 3.3.6
    """
    if signer_kind(signer) not in {None, "ed25519"}:
        raise ProofKeyError("a key of this kind makes no proofs of this suite")
    return {**options, "proofValue": encode_proof_value(signer.sign(hash_data))}


def proof_options(
    cryptosuite: str,
    *,
    verification_method: str,
    created: int | None,
    proof_purpose: str,
    domain: str | Sequence[str] | None = None,
    challenge: str | None = None,
    expires: int | None = None,
    nonce: str | None = None,
    proof_id: str | None = None,
    previous_proof: str | Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return a proof without ``proofValue``; what is None is left out.

    Args:
        cryptosuite: its name.
        verification_method: absolute DID URL.
        created: milliseconds since the epoch.
        proof_purpose: verification relationship that the key must have.
        domain: for whom the proof is meant; a sequence becomes a list.
        challenge: what the verifier asked to be signed.
        expires: milliseconds since the epoch.
        nonce: text that makes this proof unlike others.
        proof_id: a URL, by which later proofs name this one.
        previous_proof: ids of the proofs that this one is made over; a sequence becomes a list.

    Spec: VC-DATA-INTEGRITY 2.1
    """
    options: dict[str, Any] = {
        "id": proof_id,
        "type": PROOF_TYPE,
        "cryptosuite": cryptosuite,
        "created": None if created is None else format_timestamp(created),
        "verificationMethod": verification_method,
        "proofPurpose": proof_purpose,
        "expires": None if expires is None else format_timestamp(expires),
        "domain": domain if domain is None or isinstance(domain, str) else list(domain),
        "challenge": challenge,
        "nonce": nonce,
        "previousProof": _text_or_list(previous_proof),
    }
    return {name: value for name, value in options.items() if value is not None}


def context_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return ``{"@context": …}`` as the options of a proof hold it, or ``{}`` for a document that has none.

    Spec: VC-DI-EDDSA 3.3.1
    """
    # A copy, so that whoever changes the context of the document later does not change the proof's with it.
    return {"@context": copy.deepcopy(document["@context"])} if document.get("@context") is not None else {}


def encode_proof_value(signature: bytes) -> str:
    """Return a signature as ``proofValue``: ``z`` and base58btc."""
    return "z" + base58_encode(signature)


def proof_hash_data(unsecured: dict[str, Any], options: dict[str, Any]) -> bytes:
    """Return the 64 bytes that are signed: the hash of the options, then the hash of the document.

    Args:
        unsecured: the document without ``proof``.
        options: the proof without ``proofValue``.

    Raises:
        CanonicalizationError: where one of them has no canonical form.

    Spec: VC-DI-EDDSA 3.3.4
    """
    return _hash_data(sha256_jcs(unsecured), options)


def _hash_data(digest: bytes, options: dict[str, Any]) -> bytes:
    return sha256_jcs(options) + digest


def combine_hashes(canonical_options: bytes, canonical_document: bytes, *, hash_name: str) -> bytes:
    """Return what every suite signs: the hash of the canonical options, then the hash of the canonical document.

    Args:
        canonical_options: the proof without ``proofValue``, in the suite's canonical form.
        canonical_document: the document without ``proof``, in the suite's canonical form.
        hash_name: ``sha256`` or ``sha384``.

    Spec: VC-DI-EDDSA 3.3.4; VC-DI-ECDSA 3.3.4
    """
    # Not `hashlib.new`, which looks the name up each time: this stands in the path of every verification.
    digest = _HASHES[hash_name]
    return digest(canonical_options).digest() + digest(canonical_document).digest()


def parse_proofs(
    document: dict[str, Any], *, cryptosuites: Collection[str] = _PINNED, chains: bool = False
) -> tuple[DataIntegrityProof, ...]:
    """Return the proofs of a document, in their order; all are well formed, none is verified.

    Args:
        document: JSON object with one proof, or a list of 1 to 8.
        cryptosuites: the suites allowed.
        chains: whether proofs may name previous ones.

    Raises:
        ProofError: proof_missing, proof_too_many, proof_malformed, proof_suite_unsupported, proof_value_malformed,
            proof_chain_unsupported.

    Spec: VC-DATA-INTEGRITY 2.1, 2.1.1
    """
    if "proof" not in document:
        raise ProofMissingError
    proofs = proofs_of(document)
    if not proofs:
        raise ProofMissingError
    if len(proofs) > MAX_PROOFS:
        raise ProofCountError(max_proofs=MAX_PROOFS)
    return tuple(_parse_proof(proof, cryptosuites, chains=chains) for proof in proofs)


def verify_proof(
    document: dict[str, Any], proof: DataIntegrityProof, key: PublicKey, *, digest: bytes | None = None
) -> None:
    """Return when key made proof over document; raise otherwise.

    Args:
        document: the JSON object the proof was parsed from.
        proof: one of ``parse_proofs(document)``.
        key: the key of ``proof.verification_method``, found by the caller.
        digest: what `event_id` gives of this document, where it is at hand: it is half of what was signed.

    Raises:
        ProofError: proof_suite_unsupported, proof_chain_unsupported, proof_key_kind, proof_context_mismatch or
            proof_invalid.
        CanonicalizationError: where the document has no canonical form.

    Spec: VC-DI-EDDSA 3.3.2
    """
    # Proofs that were parsed for other suites or with chains are signed over something else.
    if proof.cryptosuite != CRYPTOSUITE:
        raise ProofSuiteError
    if proof.previous_proof:
        raise ProofChainError
    if key.kind != "ed25519":
        raise ProofKeyError(kind=key.kind)
    check_proof_context(document, proof)
    hash_data = _hash_data(event_id(document) if digest is None else digest, signed_options(proof))
    verify_hash_data(proof, key, hash_data)


def check_proof_context(document: dict[str, Any], proof: DataIntegrityProof) -> None:
    """Check that a proof that names contexts names those of the document.

    Raises:
        ProofContextError: proof_context_mismatch.

    Spec: VC-DI-EDDSA 3.3.2
    """
    # The specification lets the document append contexts after signing, which changes what its terms mean.
    if "@context" in proof.raw and proof.raw["@context"] != document.get("@context"):
        raise ProofContextError


def verify_hash_data(proof: DataIntegrityProof, key: PublicKey, hash_data: bytes) -> None:
    """Return when the proof's signature is the key's over the hashes.

    Args:
        proof: whose signature it is.
        key: of a kind that the proof's suite allows.
        hash_data: what `combine_hashes` returned.

    Raises:
        ProofError: proof_invalid.
    """
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
    return sha256_jcs(unsecured_document(document))


def unsecured_document(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without its proof; a shallow copy."""
    rest = dict(document)
    rest.pop("proof", None)
    return rest


def signed_options(proof: DataIntegrityProof) -> dict[str, Any]:
    """Return all that is signed of a proof: its members but ``proofValue``; a shallow copy."""
    rest = dict(proof.raw)
    rest.pop("proofValue", None)
    return rest


def proofs_of(document: dict[str, Any]) -> list[Any]:
    """Return the proofs of a document as they stand in it, one or several; empty where it has none."""
    proof = document.get("proof", [])
    return proof if isinstance(proof, list) else [proof]


def _text_or_list(value: str | Sequence[str] | None) -> str | list[str] | None:
    return value if value is None or isinstance(value, str) else list(value)


def _parse_proof(raw: Any, cryptosuites: Collection[str], *, chains: bool) -> DataIntegrityProof:
    if not isinstance(raw, dict):
        raise ProofMalformedError("a proof is not an object")
    cryptosuite = raw.get("cryptosuite")
    if raw.get("type") != PROOF_TYPE or not isinstance(cryptosuite, str) or cryptosuite not in cryptosuites:
        raise ProofSuiteError
    if "previousProof" in raw and not chains:
        raise ProofChainError
    return DataIntegrityProof(
        id=text_member(raw, "id"),
        previous_proof=names_member(raw, "previousProof") or (),
        cryptosuite=cryptosuite,
        created_ms=time_member(raw, "created"),
        verification_method=method_member(raw),
        proof_purpose=required_member(raw, "proofPurpose"),
        proof_value=signature_member(raw, sizes=_SIZES.get(cryptosuite, _ANY_SIZE)),
        domain=domain_member(raw),
        challenge=text_member(raw, "challenge"),
        nonce=text_member(raw, "nonce"),
        expires_ms=time_member(raw, "expires"),
        raw=raw,
    )
