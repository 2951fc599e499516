"""JSON-LD processors for tests: the product's own rules in this process, and one that knows published answers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from did_methods.canonical import canonicalize
from registry import limits
from registry.adapters.rdf_canonical import canonical_n_quads
from registry.credentials.json_ld import SafeExpander
from registry.credentials.json_ld_errors import JsonLdContextUnknownError
from registry.credentials.json_ld_processor import Digest


class LocalJsonLd:
    """A ``JsonLdProcessor`` by the product's own rules, without the child process: for tests of what stands on it."""

    def __init__(self) -> None:
        self._expander = SafeExpander()

    def check(self, document: dict[str, Any]) -> None:
        """Return when the document is sound."""
        self._expander.quads(document)

    def canonicalize(self, documents: Sequence[dict[str, Any]], *, digest: Digest) -> tuple[bytes, ...]:
        """Return the canonical N-Quads of each document."""
        quads = [self._expander.quads(document) for document in documents]
        return tuple(canonical_n_quads(each, digest=digest, max_twins=limits.JSON_LD_TWINS) for each in quads)


@dataclass
class PublishedJsonLd:
    """Gives the published canonical form of exactly the published documents, and refuses every other."""

    known: dict[tuple[bytes, Digest], bytes] = field(default_factory=dict)

    def publish(self, document: dict[str, Any], canonical: bytes, digest: Digest) -> None:
        """Remember a published answer."""
        self.known[canonicalize(document), digest] = canonical

    def check(self, document: dict[str, Any]) -> None:
        """Refuse: nothing is checked with this one."""
        raise JsonLdContextUnknownError

    def canonicalize(self, documents: Sequence[dict[str, Any]], *, digest: Digest) -> tuple[bytes, ...]:
        """Return the published answers."""
        try:
            return tuple(self.known[canonicalize(document), digest] for document in documents)
        except KeyError:
            raise JsonLdContextUnknownError from None
