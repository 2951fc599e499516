"""The child process that expands and canonicalises JSON-LD: what a hostile document does here, it does to nobody else.

Started by ``json_ld_process.py``. Knows the bundled contexts, reads them once, and can open nothing when it answers
(``child_side.py``). Refusals travel as codes, never as text of the document.

Requests: ``{"op": "check", "documents": [{…}]}`` and ``{"op": "canonicalize", "documents": [{…}], "digest": "sha256"}``
are answered by ``{"canonical": ["<N-Quads>", …]}`` (an empty list for a check) or ``{"error": "<code>"}``.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any, Final

from registry import limits
from registry.adapters import child_side
from registry.credentials.json_ld_errors import JsonLdError, JsonLdTermError, JsonLdWorkError


class SafeModeError(RuntimeError):
    """The library drops what it must not: another version than this code was written for. Ends the child at its start."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer requests until the input ends; does not return.

    Args:
        arguments: words of the command line without the program; None for those of this process.
    """
    child_side.run(_load, max_request_bytes=limits.JSON_LD_REQUEST_BYTES, arguments=arguments)


class _Work:
    """The operations, with contexts that were read once."""

    def __init__(self) -> None:
        from registry.adapters.rdf_canonical import canonical_n_quads  # an ImportError is an answer
        from registry.credentials.json_ld import SafeExpander

        self._canonical = canonical_n_quads
        self._expander = SafeExpander()

    def check(self, request: dict[str, Any]) -> dict[str, Any]:
        """Say whether documents are sound."""
        return self._answer(request["documents"], digest=None)

    def canonicalize(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the canonical form of documents, the first of them that is not sound by its code."""
        return self._answer(request["documents"], digest=request["digest"])

    def _answer(self, documents: list[dict[str, Any]], *, digest: Any) -> dict[str, Any]:
        try:
            quads = [self._expander.quads(document) for document in documents]
            if digest is None:
                return {"canonical": []}
            canonical = [self._canonical(one, digest=digest, max_twins=limits.JSON_LD_TWINS) for one in quads]
        except JsonLdError as error:
            return {"error": error.code}
        except MemoryError:
            return {"error": JsonLdWorkError.code}
        return {"canonical": [text.decode() for text in canonical]}


# One document for each place where the library would drop something and is held to say so.
_PROBES: Final[tuple[dict[str, Any], ...]] = (
    {"@context": {"a": "urn:a:"}, "a": 1, "undefined": 1},
    {"@context": {"a": "urn:a:"}, "a": [1, None]},
    {"@context": {"a": "urn:a:", "b": {"@id": "urn:b:", "@container": "@language"}}, "a": 1, "b": {"en": None}},
    {"@context": {"a": "urn:a:"}, "a": 1, "@type": []},
    {"@context": {"@base": "urn:a:", "a": "urn:a:"}, "a": 1},
)


def _load() -> tuple[str, Mapping[str, child_side.Operation]]:
    work = _Work()
    for probe in _PROBES:
        if "error" not in work.check({"documents": [probe]}):
            raise SafeModeError
    # Also what is imported with the first use, and the errors' own paths, before nothing can be opened any more.
    warm = work.canonicalize({"documents": [{"@context": {"a": "urn:a:"}, "a": [1, {"a": 1.5}]}], "digest": "sha384"})
    if "canonical" not in warm or work.check({"documents": [_PROBES[0]]}) != {"error": JsonLdTermError.code}:
        raise SafeModeError
    gc.freeze()
    return "1", {"check": work.check, "canonicalize": work.canonicalize}


if __name__ == "__main__":
    main()
