"""Why a Data Integrity proof is refused; one class per code.

Spec: VC-DATA-INTEGRITY 5
"""

from __future__ import annotations

from did_methods.errors import DidError


class ProofError(DidError):
    """Any refusal of a proof; catch this for all of them."""

    code = "proof_error"
    title = "Proof refused"
    type_uri = "https://w3id.org/security#PROOF_VERIFICATION_ERROR"


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
    """The proof value is not ``z`` and base58btc of as many bytes as the suite's signature has."""

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
