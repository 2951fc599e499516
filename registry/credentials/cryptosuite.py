"""The proof suites that are verified and issued for others: which keys they take, and what is signed.

``eddsa-jcs-2022`` is also the suite of our own evidence; for that the ground floor has it alone. Here it is one of four, and
nothing that verifies under any of them here feeds score or policy. Hashes and signatures are those of
``did_methods/data_integrity.py``; this module adds the canonical form of each suite.

Spec: VC-DI-EDDSA 3.2, 3.3; VC-DI-ECDSA 3.2, 3.3; specs/proof-suites.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from did_methods.canonical import canonicalize
from did_methods.codec import KeyKind
from did_methods.data_integrity import combine_hashes
from did_methods.proof_errors import ProofKeyError
from registry.credentials.json_ld_processor import Digest, JsonLdProcessor
from registry.errors import DependencyError

# The hash of a suite follows from the key: SHA-384 goes with P-384 alone.
_HASHES: Final[Mapping[KeyKind, Digest]] = {"ed25519": "sha256", "p256": "sha256", "p384": "sha384"}


class JsonLdMissingError(DependencyError):
    """A suite that signs RDF was asked for where no JSON-LD processor is."""

    code = "json_ld_missing"
    title = "Suites of RDF canonicalisation need a JSON-LD processor"


@dataclass(frozen=True, slots=True)
class Cryptosuite:
    """One proof suite.

    Attributes:
        name: as it stands in ``cryptosuite``.
        canonicalization: of what is hashed: RFC 8785 or RDFC-1.0.
        key_kinds: kinds of key that make its signatures.
    """

    name: str
    canonicalization: Literal["jcs", "rdfc"]
    key_kinds: frozenset[KeyKind]

    def check_key(self, kind: KeyKind) -> None:
        """Check that keys of a kind make signatures of this suite.

        Raises:
            ProofKeyError: proof_key_kind.
        """
        if kind not in self.key_kinds:
            raise ProofKeyError(kind=kind)

    def hash_data(
        self,
        options: dict[str, Any],
        document: dict[str, Any],
        *,
        key_kind: KeyKind,
        json_ld: JsonLdProcessor | None,
    ) -> bytes:
        """Return what a key signs: 64 bytes, 96 with P-384.

        Args:
            options: the proof without ``proofValue``.
            document: the document without ``proof``, or with the previous proofs of a chain.
            key_kind: of the key that signs; it decides the hash.
            json_ld: who canonicalises RDF; not needed for suites of JCS.

        Raises:
            ProofKeyError: proof_key_kind.
            CanonicalizationError: where one of them has no canonical form.
            ParseError: the codes of the JSON-LD processor.
            JsonLdMissingError: json_ld_missing.

        Spec: VC-DI-EDDSA 3.2.3 to 3.2.5, 3.3.3 to 3.3.5; VC-DI-ECDSA 3.2.3 to 3.2.5, 3.3.3 to 3.3.5
        """
        self.check_key(key_kind)
        digest = _HASHES[key_kind]
        if self.canonicalization == "jcs":
            return combine_hashes(canonicalize(options), canonicalize(document), hash_name=digest)
        if json_ld is None:
            raise JsonLdMissingError
        # The options are read as RDF in the terms of the document that they secure.
        with_context = {**options, "@context": document.get("@context")}
        canonical_options, canonical_document = json_ld.canonicalize([with_context, document], digest=digest)
        return combine_hashes(canonical_options, canonical_document, hash_name=digest)


_ED25519: Final[frozenset[KeyKind]] = frozenset({"ed25519"})
_NIST: Final[frozenset[KeyKind]] = frozenset({"p256", "p384"})

CRYPTOSUITES: Final[Mapping[str, Cryptosuite]] = {
    suite.name: suite
    for suite in (
        Cryptosuite("eddsa-jcs-2022", "jcs", _ED25519),
        Cryptosuite("eddsa-rdfc-2022", "rdfc", _ED25519),
        Cryptosuite("ecdsa-jcs-2019", "jcs", _NIST),
        Cryptosuite("ecdsa-rdfc-2019", "rdfc", _NIST),
    )
}
