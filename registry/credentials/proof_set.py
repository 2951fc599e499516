"""Proofs of documents in general: one, a set, or a chain, in any of our four suites; made and verified.

Decides whether every proof of a document holds, for a purpose, a domain, a challenge and an instant, each over what it was
made over: the document, and in a chain the proofs before it. Whether the keys are those of the issuer is a question of its
own (`check_issuer_binding`): in a set, others may sign beside it. Nothing that verifies here feeds score or policy; our own
kinds have one pinned form, in ``verify.py``.

Spec: VC-DATA-INTEGRITY 2.1, 4.2 to 4.5; specs/proof-suites.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from did_methods.codec import KeyKind
from did_methods.data_integrity import (
    MAX_PROOFS,
    DataIntegrityProof,
    check_proof_context,
    context_of,
    encode_proof_value,
    parse_proofs,
    proof_options,
    proofs_of,
    signed_options,
    unsecured_document,
    verify_hash_data,
)
from did_methods.keys import Signer, signer_kind
from did_methods.proof_errors import ProofCountError, ProofError, ProofMalformedError, ProofSuiteError
from registry.credentials.cryptosuite import CRYPTOSUITES, Cryptosuite
from registry.credentials.errors import (
    ChallengeMismatchError,
    ChallengeMissingError,
    CreatedInFutureError,
    DomainMismatchError,
    IssuerKeyError,
    ProofExpiredError,
)
from registry.credentials.json_ld_processor import JsonLdProcessor
from registry.credentials.key_lookup import BoundKey, KeyLookup, SelfCertifyingLookup

CLOCK_SKEW_MS: Final = 300_000  # a signer's clock may be this far ahead of ours


class PreviousProofError(ProofError):
    """`previousProof` names a proof that is not there, itself, or a proof that comes of it."""

    code = "previous_proof_invalid"
    title = "A previous proof is missing or circular"


class ProofIdRepeatedError(ProofError):
    """Two proofs have the same id, so that it names neither."""

    code = "proof_id_repeated"
    title = "Two proofs have one id"


class ProofPurposeMismatchError(ProofError):
    """`proofPurpose` is another one than the document is used for."""

    code = "proof_purpose_mismatch"
    title = "The proof is for another purpose"


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """A proof that held when it was verified.

    Attributes:
        proof: what was verified.
        key: whose it is.
    """

    proof: DataIntegrityProof
    key: BoundKey


def add_proof(
    document: dict[str, Any],
    *,
    cryptosuite: str,
    signer: Signer,
    created_ms: int | None,
    proof_purpose: str = "assertionMethod",
    domain: str | Sequence[str] | None = None,
    challenge: str | None = None,
    nonce: str | None = None,
    expires_ms: int | None = None,
    proof_id: str | None = None,
    previous_proof: str | Sequence[str] | None = None,
    json_ld: JsonLdProcessor | None = None,
) -> dict[str, Any]:
    """Return a copy of a document with one more proof; proofs that it has stay, and together they are a list.

    Args:
        document: JSON object.
        cryptosuite: name of one of our suites.
        signer: a key of a kind that the suite takes; for ECDSA one that tells its kind (`signer_kind`), or a did:key or
            did:jwk, which tells it.
        created_ms: milliseconds since the epoch; None leaves the member out.
        proof_purpose: verification relationship that the key must have.
        domain: for whom the proof is meant; a sequence becomes a list.
        challenge: what the verifier asked to be signed.
        nonce: text that makes this proof unlike others.
        expires_ms: milliseconds since the epoch.
        proof_id: a URL, by which later proofs name this one.
        previous_proof: ids of proofs that the document has, and that this one is made over.
        json_ld: needed for suites of RDF.

    Raises:
        ProofError: proof_suite_unsupported, proof_too_many, proof_malformed (one that the document has), proof_key_kind,
            previous_proof_invalid, proof_id_repeated.
        BonafidesError: the codes of `Cryptosuite.hash_data`, and of a DID that does not tell its curve.

    Spec: VC-DATA-INTEGRITY 4.2, 4.3
    """
    suite, existing = _suite_of(cryptosuite), _existing_proofs(document)
    options = proof_options(
        cryptosuite,
        verification_method=signer.verification_method,
        created=created_ms,
        proof_purpose=proof_purpose,
        domain=domain,
        challenge=challenge,
        nonce=nonce,
        expires=expires_ms,
        proof_id=proof_id,
        previous_proof=previous_proof,
    )
    options |= context_of(document) if suite.canonicalization == "jcs" else {}
    secured = _made_over(document, existing, proof_id, previous_proof)
    hash_data = suite.hash_data(options, secured, key_kind=_kind_of(signer, suite), json_ld=json_ld)
    proof = {**options, "proofValue": encode_proof_value(signer.sign(hash_data))}
    return {**unsecured_document(document), "proof": [*existing, proof] if existing else proof}


def _suite_of(name: str) -> Cryptosuite:
    suite = CRYPTOSUITES.get(name)
    if suite is None:
        raise ProofSuiteError
    return suite


def _existing_proofs(document: dict[str, Any]) -> list[Any]:
    existing = proofs_of(document)
    if len(existing) >= MAX_PROOFS:
        raise ProofCountError(max_proofs=MAX_PROOFS)
    if not all(isinstance(proof, dict) for proof in existing):
        raise ProofMalformedError("a proof is not an object")
    return existing


def _made_over(
    document: dict[str, Any], existing: Sequence[Any], proof_id: str | None, previous_proof: str | Sequence[str] | None
) -> dict[str, Any]:
    names = (previous_proof,) if isinstance(previous_proof, str) else tuple(previous_proof or ())
    by_id = _by_id(existing)
    if proof_id is not None and proof_id in by_id:
        raise ProofIdRepeatedError
    return _with_previous(document, names, by_id)


def _kind_of(signer: Signer, suite: Cryptosuite) -> KeyKind:
    told = signer_kind(signer)
    if told is not None:
        return told
    if len(suite.key_kinds) == 1:
        (kind,) = suite.key_kinds
        return kind
    return SelfCertifyingLookup().find_key(signer.verification_method, "assertionMethod").public_key.kind


def parse_proof_set(document: dict[str, Any]) -> tuple[DataIntegrityProof, ...]:
    """Return the proofs of a document in any of our suites, in their order; all are well formed, none is verified.

    Args:
        document: JSON object with one proof, or a list of 1 to 8.

    Raises:
        ProofError: proof_missing, proof_too_many, proof_malformed, proof_suite_unsupported, proof_value_malformed,
            previous_proof_invalid, proof_id_repeated.

    Spec: VC-DATA-INTEGRITY 2.1, 2.1.1, 2.1.2
    """
    proofs = parse_proofs(document, cryptosuites=CRYPTOSUITES, chains=True)
    by_id = _by_id([proof.raw for proof in proofs])
    previous = {proof.id: proof.previous_proof for proof in proofs if proof.id is not None}
    for proof in proofs:
        if any(name not in by_id or _leads_to(name, proof.id, previous) for name in proof.previous_proof):
            raise PreviousProofError
    return proofs


def _by_id(proofs: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for proof in proofs:
        name = proof.get("id")
        if isinstance(name, str):
            if name in found:
                raise ProofIdRepeatedError
            found[name] = proof
    return found


def _leads_to(name: str, goal: str | None, previous: Mapping[str, tuple[str, ...]]) -> bool:
    """Say whether the proof called name comes, over any number of steps, after the one called goal."""
    seen: set[str] = set()
    pending = [name]
    while pending:
        current = pending.pop()
        if current == goal:
            return True
        if current not in seen:
            seen.add(current)
            pending.extend(previous.get(current, ()))
    return False


def _with_previous(
    document: dict[str, Any], names: Sequence[str], by_id: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what a proof is made over: the document, with the proofs that it names and no others, in its own order."""
    unsecured = unsecured_document(document)
    if not names:
        return unsecured
    if any(name not in by_id for name in names):
        raise PreviousProofError
    # The standard goes through the document's proofs and takes those that are named; a list of names has no order.
    return {**unsecured, "proof": [proof for name, proof in by_id.items() if name in names]}


def verify_proof_set(
    document: dict[str, Any],
    proofs: Sequence[DataIntegrityProof],
    *,
    keys: KeyLookup,
    purpose: str,
    now_ms: int | None,
    json_ld: JsonLdProcessor | None,
    domain: str | None = None,
    challenge: str | None = None,
) -> tuple[VerifiedProof, ...]:
    """Verify every proof of a document.

    The steps for each, cheap ones first:

    1. its purpose is the one asked for;
    2. it was not made in the future, and has not expired;
    3. domain and challenge are those asked for, where they are asked for;
    4. its key is found for the purpose, in the document of the DID that controls it;
    5. the signature holds over the document and the proofs that it names.

    Args:
        document: the JSON object that the proofs were parsed from.
        proofs: what `parse_proof_set` returned.
        keys: where keys are looked up.
        purpose: the one ``proofPurpose``.
        now_ms: the instant of use, in milliseconds since the epoch; None judges no times.
        json_ld: needed for suites of RDF.
        domain: the verifier's own; a proof that names further ones is refused. None asks for none.
        challenge: what was sent; None asks for none.

    Raises:
        ProofError: proof_purpose_mismatch, proof_context_mismatch, proof_key_kind, proof_invalid, previous_proof_invalid.
        VerificationError: created_in_future, proof_expired, domain_mismatch, challenge_missing, challenge_mismatch,
            key_not_found, issuer_key_mismatch.
        DidError: the codes of the key lookup.
        ParseError, DependencyError: the codes of the JSON-LD processor.
        CanonicalizationError: where the document has no canonical form.

    Spec: VC-DATA-INTEGRITY 4.4, 4.5; CID 1.0 3.3
    """
    by_id = _by_id([proof.raw for proof in proofs])
    for proof in proofs:
        _check_bounds(proof, purpose=purpose, now_ms=now_ms, domain=domain, challenge=challenge)
    return tuple(_verify_one(document, proof, by_id, keys=keys, json_ld=json_ld) for proof in proofs)


def check_issuer_binding(verified: Sequence[VerifiedProof], issuer: str) -> None:
    """Check that the issuer is among those who signed.

    Args:
        verified: what `verify_proof_set` returned.
        issuer: DID of the issuer, or of the holder of a presentation.

    Raises:
        IssuerKeyError: issuer_key_mismatch.

    Spec: VC-DATA-MODEL-2.0 4.7
    """
    if all(one.key.controller != issuer for one in verified):
        raise IssuerKeyError


def _check_bounds(
    proof: DataIntegrityProof, *, purpose: str, now_ms: int | None, domain: str | None, challenge: str | None
) -> None:
    if proof.proof_purpose != purpose:
        raise ProofPurposeMismatchError
    if now_ms is not None:
        if proof.created_ms is not None and proof.created_ms > now_ms + CLOCK_SKEW_MS:
            raise CreatedInFutureError
        if proof.expires_ms is not None and proof.expires_ms <= now_ms:
            raise ProofExpiredError
    if domain is not None and proof.domain not in (domain, (domain,)):
        raise DomainMismatchError
    if challenge is not None and proof.challenge is None:
        raise ChallengeMissingError
    if challenge is not None and proof.challenge != challenge:
        raise ChallengeMismatchError


def _verify_one(
    document: dict[str, Any],
    proof: DataIntegrityProof,
    by_id: Mapping[str, Mapping[str, Any]],
    *,
    keys: KeyLookup,
    json_ld: JsonLdProcessor | None,
) -> VerifiedProof:
    suite = CRYPTOSUITES[proof.cryptosuite]
    check_proof_context(document, proof)
    key = keys.find_key(proof.verification_method, proof.proof_purpose)
    # A document may list methods of other controllers; whether those agree is not known here, so they count for nothing.
    if key.controller != proof.verification_method.partition("#")[0] or key.method_id != proof.verification_method:
        raise IssuerKeyError
    secured = _with_previous(document, proof.previous_proof, by_id)
    kind = key.public_key.kind
    hash_data = suite.hash_data(signed_options(proof), secured, key_kind=kind, json_ld=json_ld)
    verify_hash_data(proof, key.public_key, hash_data)
    return VerifiedProof(proof, key)
