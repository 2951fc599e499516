"""What the RDF suites need from outside: a JSON-LD processor with limits on its work.

The rules (safe mode, bundled contexts) are in ``json_ld.py``; where they run, and for how long at most, is decided by whoever
implements this: canonicalising a hostile graph may take for ever, so it never happens on the caller's own thread of control.

Spec: JSON-LD 1.1; RDF-CANON 4
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

Digest: TypeAlias = Literal["sha256", "sha384"]


class JsonLdProcessor(Protocol):
    """Whoever expands JSON-LD documents in safe mode and canonicalises their graphs, within limits."""

    def check(self, document: dict[str, Any]) -> None:
        """Return when the document is sound JSON-LD under the bundled contexts; raise otherwise.

        Args:
            document: a credential or presentation.

        Raises:
            ParseError: the codes of ``json_ld.py``: an unknown context, an undefined term or type, a redefined protected term.
            DependencyError: the processor is not there, or is busy.
        """

    def canonicalize(self, documents: Sequence[dict[str, Any]], *, digest: Digest) -> tuple[bytes, ...]:
        """Return the canonical N-Quads of each document (RDFC-1.0), each checked as by `check`.

        Args:
            documents: for example proof options and the document without its proof.
            digest: hash that the canonicalisation uses inside; SHA-384 for P-384 keys.

        Raises:
            ParseError: the codes of ``json_ld.py``; also a graph that needs more work than allowed.
            DependencyError: the processor is not there, or is busy.
        """
