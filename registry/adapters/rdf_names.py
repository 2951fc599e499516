"""RDFC-1.0: canonical names of blank nodes, where several look alike at first sight.

The library that canonicalises everything else (pyoxigraph 0.5.13) gives such nodes other names than the standard does when
they stand in a named graph, as each credential of a presentation does; so here they are named by the text of the standard,
step by step. Counts its steps and gives up when there are too many: a hostile graph has more orders than anybody can try.

Spec: RDF-CANON 4.4.3, 4.6, 4.7, 4.8
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import permutations
from typing import Final

from registry.credentials.json_ld_errors import JsonLdWorkError
from registry.credentials.json_ld_processor import Digest
from registry.credentials.json_ld_rdf import Quad

_BLANK: Final = "_:"
_PLACES: Final = (("s", 0), ("o", 2), ("g", 3))


def is_blank(term: object) -> bool:
    """Say whether a term is a blank node."""
    return isinstance(term, str) and term.startswith(_BLANK)


class _Issuer:
    """Names in the order in which they are given out."""

    def __init__(self, prefix: str, issued: dict[str, str] | None = None) -> None:
        self._prefix = prefix
        self.issued = issued or {}

    def issue(self, node: str) -> str:
        return self.issued.setdefault(node, f"{self._prefix}{len(self.issued)}")

    def copy(self) -> _Issuer:
        return _Issuer(self._prefix, dict(self.issued))


def canonical_names(
    quads: Iterable[Quad], *, line_of: Callable[[Quad], bytes], digest: Digest, most_steps: int
) -> dict[str, str]:
    """Return the canonical name of each blank node.

    Args:
        quads: statements; blank nodes under any labels, with ``_:`` before them.
        line_of: writes a statement as a line of N-Quads.
        digest: hash that the algorithm uses inside.
        most_steps: most nodes and orders that are tried.

    Raises:
        JsonLdWorkError: json_ld_work_limit.

    Spec: RDF-CANON 4.4.3
    """
    return _Naming(tuple(quads), line_of, digest, most_steps).names()


class _Naming:
    """The state of one canonicalisation (RDF-CANON 4.2)."""

    def __init__(
        self, quads: Sequence[Quad], line_of: Callable[[Quad], bytes], digest: Digest, most_steps: int
    ) -> None:
        self._line_of = line_of
        self._digest = digest
        self._steps_left = most_steps
        self._canonical = _Issuer("_:c14n")
        self._quads: dict[str, list[Quad]] = {}
        for quad in dict.fromkeys(quads):
            for node in dict.fromkeys(term for term in quad if is_blank(term)):
                self._quads.setdefault(str(node), []).append(quad)
        self._first = {node: self._first_degree(node) for node in self._quads}

    def names(self) -> dict[str, str]:
        alike: dict[str, list[str]] = {}
        for node, hashed in self._first.items():
            alike.setdefault(hashed, []).append(node)
        for _, nodes in sorted(alike.items()):
            if len(nodes) == 1:
                self._canonical.issue(nodes[0])
        for _, nodes in sorted(alike.items()):
            if len(nodes) > 1:
                self._name_group(nodes)
        return self._canonical.issued

    def _name_group(self, nodes: Sequence[str]) -> None:
        results = []
        for node in nodes:
            if node not in self._canonical.issued:
                issuer = _Issuer("_:b")
                issuer.issue(node)
                results.append(self._n_degree(node, issuer))
        for _, issuer in sorted(results, key=lambda result: result[0]):
            for node in issuer.issued:
                self._canonical.issue(node)

    def _hash(self, data: bytes) -> str:
        return hashlib.new(self._digest, data).hexdigest()

    def _first_degree(self, node: str) -> str:
        """Spec: RDF-CANON 4.6.3."""

        def seen(term: object) -> object:
            return term if not is_blank(term) else "_:a" if term == node else "_:z"

        lines = sorted(self._line_of(Quad(*(seen(term) for term in quad))) for quad in self._quads[node])  # type: ignore[arg-type]
        return self._hash(b"".join(lines))

    def _related(self, node: str, quad: Quad, issuer: _Issuer, place: str) -> str:
        """Spec: RDF-CANON 4.7.3."""
        predicate = "" if place == "g" else f"<{quad.predicate}>"
        known = self._canonical.issued.get(node) or issuer.issued.get(node) or self._first[node]
        return self._hash(f"{place}{predicate}{known}".encode())

    def _n_degree(self, node: str, issuer: _Issuer) -> tuple[str, _Issuer]:
        """Spec: RDF-CANON 4.8.3."""
        related: dict[str, list[str]] = {}
        for quad in self._quads[node]:
            for place, index in _PLACES:
                term = quad[index]
                if is_blank(term) and term != node:
                    related.setdefault(self._related(str(term), quad, issuer, place), []).append(str(term))
        data = ""
        for hashed, nodes in sorted(related.items()):
            chosen, issuer = self._best_order(nodes, issuer)
            data += hashed + chosen
        return self._hash(data.encode()), issuer

    def _best_order(self, nodes: Sequence[str], issuer: _Issuer) -> tuple[str, _Issuer]:
        best: tuple[str, _Issuer] | None = None
        for order in permutations(nodes):
            self._step()
            found = self._path(order, issuer.copy(), best[0] if best else "")
            if found is not None and (best is None or found[0] < best[0]):
                best = found
        assert best is not None, "the first order has nothing to be worse than"
        return best

    def _path(self, order: Sequence[str], issuer: _Issuer, best: str) -> tuple[str, _Issuer] | None:
        """Return the path of one order and the names given on it; None once it is worse than the best."""
        path, pending = "", []
        for node in order:
            if node in self._canonical.issued:
                path += self._canonical.issued[node]
            else:
                if node not in issuer.issued:
                    pending.append(node)
                path += issuer.issue(node)
            if best and len(path) >= len(best) and path > best:
                return None
        for node in pending:
            self._step()
            hashed, result = self._n_degree(node, issuer)
            path += f"{issuer.issue(node)}<{hashed}>"
            issuer = result
            if best and len(path) >= len(best) and path > best:
                return None
        return path, issuer

    def _step(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise JsonLdWorkError
