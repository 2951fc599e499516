"""RDFC-1.0: the canonical N-Quads of statements. The only door to pyoxigraph; runs in the JSON-LD child process only.

Decides whether a graph is harmless enough to be canonicalised at all: blank nodes that look alike at first sight are
counted before they are compared in all their orders, and those comparisons are counted too. The library names blank nodes
where no two look alike; where some do, ``rdf_names.py`` does. What a hostile graph below the bounds costs, the time limit of
the child bounds.

Spec: RDF-CANON 4.4, 7.1
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pyoxigraph  # noqa: TID251 - this module is its door

from registry.adapters.rdf_names import canonical_names, is_blank
from registry.credentials.json_ld_errors import JsonLdIdError, JsonLdWorkError
from registry.credentials.json_ld_processor import Digest
from registry.credentials.json_ld_rdf import RDF_LANG_STRING, XSD_STRING, Literal, Quad

_ALGORITHMS: Final = {
    "sha256": pyoxigraph.CanonicalizationAlgorithm.RDFC_1_0,
    "sha384": pyoxigraph.CanonicalizationAlgorithm.RDFC_1_0_SHA_384,
}
_BLANK: Final = "_:"
_MOST_STEPS: Final = 10_000  # far above every honest graph, some tenths of a second in the child


def canonical_n_quads(quads: Iterable[Quad], *, digest: Digest, max_twins: int) -> bytes:
    """Return the canonical form of statements.

    Args:
        quads: statements; blank nodes under any labels.
        digest: hash that the algorithm uses inside.
        max_twins: most blank nodes that share their first-degree description with another.

    Raises:
        JsonLdWorkError: json_ld_work_limit.
        JsonLdIdError: json_ld_id_invalid, for what the grammar of N-Quads takes and that of IRIs does not.

    Spec: RDF-CANON 4.4.3
    """
    statements = tuple(quads)
    twins = _twins(statements)
    if twins > max_twins:
        raise JsonLdWorkError
    try:
        if twins:
            names = canonical_names(statements, line_of=_line_of, digest=digest, most_steps=_MOST_STEPS)
            statements = tuple(Quad(*(_renamed(term, names) for term in quad)) for quad in statements)
        dataset = pyoxigraph.Dataset(_oxigraph_quad(quad) for quad in statements)
    except ValueError:
        raise JsonLdIdError from None
    if not twins:
        dataset.canonicalize(_ALGORITHMS[digest])
    # Sorted by code point, which is the order of their UTF-8 bytes.
    return b"".join(sorted(_line(quad) for quad in dataset))


def _renamed(term: Any, names: Mapping[str, str]) -> Any:
    return names[term] if is_blank(term) else term


def _line_of(quad: Quad) -> bytes:
    return _line(_oxigraph_quad(quad))


def _line(quad: pyoxigraph.Quad) -> bytes:
    data = pyoxigraph.serialize([quad], format=pyoxigraph.RdfFormat.N_QUADS)
    assert data is not None
    return data


def _twins(quads: tuple[Quad, ...]) -> int:
    """Return how many blank nodes are described by the same statements as another, all blank nodes but itself alike."""
    descriptions: dict[str, set[tuple[object, ...]]] = {}
    for quad in quads:
        for node in {term for term in quad if isinstance(term, str) and term.startswith(_BLANK)}:
            descriptions.setdefault(node, set()).add(tuple(_seen_from(term, node) for term in quad))
    counts = Counter(frozenset(description) for description in descriptions.values())
    return sum(count for count in counts.values() if count > 1)


def _seen_from(term: object, node: str) -> object:
    if isinstance(term, str) and term.startswith(_BLANK):
        return 0 if term == node else 1
    return term


def _oxigraph_quad(quad: Quad) -> pyoxigraph.Quad:
    graph = pyoxigraph.DefaultGraph() if quad.graph is None else _resource(quad.graph)
    object_ = _literal(quad.object) if isinstance(quad.object, Literal) else _resource(quad.object)
    return pyoxigraph.Quad(_resource(quad.subject), pyoxigraph.NamedNode(quad.predicate), object_, graph)


def _resource(term: str) -> pyoxigraph.NamedNode | pyoxigraph.BlankNode:
    if term.startswith(_BLANK):
        return pyoxigraph.BlankNode(term.removeprefix(_BLANK))
    return pyoxigraph.NamedNode(term)


def _literal(literal: Literal) -> pyoxigraph.Literal:
    if literal.datatype == RDF_LANG_STRING:
        return pyoxigraph.Literal(literal.value, language=literal.language)
    if literal.datatype == XSD_STRING:
        return pyoxigraph.Literal(literal.value)
    return pyoxigraph.Literal(literal.value, datatype=pyoxigraph.NamedNode(literal.datatype))
